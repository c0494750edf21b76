"""The answer of a finished run of ``adapters`` to one input, and its cost."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.learners import Adapters
from workbench.retrieval.conformal import ConformalTaskSets
from workbench.system.runtime import Timer
from workbench.tasks import Stream
from workbench.tasks.utterances import UtteranceStream


@dataclass(frozen=True)
class Answer:
    """An answer of the first seed of a run."""

    task: str
    """The retrieved task."""
    possible: dict[str, float] | None
    """The p-values of the tasks in the conformal set; None if no signature is used."""
    label: str
    """The predicted class."""
    forwards: int
    """Passes of the input through the backbone: one for each adapter, and one for the class."""
    milliseconds: float
    stored_bytes: int
    """Kept beside the weights: signatures, held-out distances, the global head."""


def answer_text(learner: Adapters, stream: Stream, text: str, alpha: float) -> Answer:
    """Return the answer to a text; raise `ConfigError` if the run was on digits."""
    if not isinstance(stream, UtteranceStream):
        raise ConfigError("this run was on digits: give --example, not --text")
    if not text.strip():
        raise ConfigError("the text is empty")
    return _answer(learner, stream, learner.model.backbone.encode([text]), alpha)


def answer_example(learner: Adapters, stream: Stream, number: int, alpha: float) -> Answer:
    """Return the answer to a test example, counted from 0 through all tasks."""
    inputs = torch.cat([task.test.x for task in stream.tasks])
    if not 0 <= number < len(inputs):
        raise ConfigError(f"example must be from 0 to {len(inputs) - 1}, not {number}")
    return _answer(learner, stream, learner.model.rows(inputs[number:number + 1]), alpha)


def _answer(learner: Adapters, stream: Stream, rows: Tensor, alpha: float) -> Answer:
    router, names = learner.routers[0], [task.name for task in stream.tasks]
    possible = None
    with Timer() as timer:
        chosen = router.choose(rows)
        logits = router.answer(rows, torch.from_numpy(chosen), learner.head == "global")
        output = int(logits.argmax())
    if router.clustered:
        sets = ConformalTaskSets(dict(zip(names, router.retriever.held_out_, strict=True)))
        distances = router.retriever.distances(router.features(rows))
        p, inside = sets.p_values(distances)[0], sets.predict(distances, alpha)[0]
        possible = {names[k]: float(p[k]) for k in (-p).argsort() if inside[k]}
    label = stream.labels[output] if stream.labels else f"output {output}"
    return Answer(names[int(chosen[0])], possible, label, router.forwards + 1,
                  1000 * timer.seconds, learner.stored_bytes())
