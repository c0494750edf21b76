"""What is measured in a run: accuracy on every task, and diagnostics of a language model.

Trainers log rewards and losses, which seldom explain forgetting. The drift from the pretrained
model, on trained and on other prompts, and the quality of the teacher often do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.learners import Adapters, Learner
from workbench.learners.text import TextLearner
from workbench.measure.accuracies import Floats
from workbench.measure.comparison import Drift
from workbench.measure.completions import complete, full_context, known_values, prompts_for
from workbench.models.logits import response_logits
from workbench.models.sampling import sample
from workbench.system.files import to_json
from workbench.system.runtime import generator
from workbench.tasks import Examples, Stream, scorer_of, spread
from workbench.tasks.stream import masked
from workbench.tasks.text import TextExamples
from workbench.teachers import FULL_CONTEXT

SHOWN = 2
"""Responses to each task in a snapshot."""
PROBED = 24
"""Items of each new skill that a `Probe` asks; of each old skill it asks a quarter as many."""
DIAGNOSTICS = {
    "teacher_right": "share of right answers of the weights that teach, with their context",
    "context_right": "share of right answers of the student with the same context",
    "kl_new": "KL(pretrained || student) on prompts of the new skills, in nats a response",
    "kl_old": "KL(pretrained || student) on prompts of the known skills, in nats a response",
    "entropy": "entropy of the student on its own samples for the new skill, in nats a token",
    "foreign_style": "share of those samples that are not in the model's own style",
    "length": "tokens of those samples, the end token included",
}
"""The measurements of a `Probe`."""


@dataclass(frozen=True)
class Response:
    """A question, the model's response, whether it is right, and the right answer.

    Questions to a network for classes are the names of the classes; see `shown_examples`.
    """

    task: str
    question: str
    response: str
    right: bool
    answer: str
    own_style: bool | None = None
    """Whether a language model's response is in its own style; None if the scorer cannot say."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a run for an observer, as copies, so that the observer cannot change the run."""

    task: int  # tasks finished
    step: int  # steps taken in the next one
    steps_taken: int  # since the start
    steps_total: int  # of the whole run
    scores: Floats  # current accuracy on every task and every old one: (seeds, tasks + old tasks)
    accuracy: Floats  # the matrix so far: (seeds, tasks, tasks)
    loss: Floats  # training loss of the last step in nats, NaN before the first: (seeds,)
    responses: tuple[Response, ...] = ()
    """The first seed's responses to the first examples of every task; none where labels are values.
    """


Observer = Callable[[Snapshot], None]


def evaluate(learner: Learner, stream: Stream, trained: int, part: str = "test",
             responses: list[Response] | None = None) -> Floats:
    """Return the accuracy on every task, shape (seeds, tasks + old tasks).

    The learner is given the task only in the task scenario. `trained` is the last task begun, -1
    before any training; `part` is "test" or "validation". Some responses of language models are
    appended to `responses`.
    """
    columns = []
    for j, task in enumerate((*stream.tasks, *stream.old_tasks)):
        examples = getattr(task, part)
        answers = learner.predict(examples.inputs, j if stream.scenario == "task" else None)
        columns.append(stream.score(answers, examples, trained, j))
        if responses is not None and not examples.y.is_floating_point():
            responses += _responses(stream, j, part, answers, trained)
    return torch.stack(columns, 1).numpy()


def shown_examples(examples: Examples) -> list[int]:
    """Return which examples a snapshot shows: the first texts, or the first of some classes."""
    if isinstance(examples, TextExamples):
        return list(range(min(SHOWN, len(examples))))
    labels = examples.y if examples.y.ndim == 1 else examples.y[0]
    return [int((labels == label).nonzero()[0]) for label in labels.unique()[:SHOWN]]


def _responses(stream: Stream, tested: int, part: str, answers: Any, trained: int
               ) -> list[Response]:
    """Return the first seed's responses to the shown examples of a task; see `Stream.right`."""
    task = (*stream.tasks, *stream.old_tasks)[tested]
    examples = getattr(task, part)
    shown = shown_examples(examples)
    rights = stream.right(answers, examples, trained, tested)[0, shown].tolist()
    if isinstance(examples, TextExamples):
        items = [examples.items[i] for i in shown]
        return [Response(task.name, item.prompt, text := str(answers[0][i]), right, item.answer,
                         scorer_of(item).own_style(text))
                for i, right, item in zip(shown, rights, items, strict=True)]
    names = stream.labels or [str(k) for k in range(stream.outputs)]
    chosen = masked(answers[0, shown], stream.mask(trained, tested)).argmax(-1).tolist()
    labels = (examples.y if examples.y.ndim == 1 else examples.y[0])[shown].tolist()
    return [Response(task.name, names[label], names[answer], right, names[label])
            for label, answer, right in zip(labels, chosen, rights, strict=True)]


def measure_retrieval(learner: Adapters, stream: Stream, part: str = "test") -> dict[str, Any]:
    """Return how well tasks are retrieved after the last task, and the accuracy that depends on it.

    Lists have seeds first, then tasks: ``retrieval``, the share of inputs whose task is found;
    ``accuracy``; ``oracle``, the accuracy if the task is given. ``class_if_task_right`` and
    ``class_if_task_wrong`` (None if there is no such input) complete the identity ``accuracy`` =
    retrieval x class_if_task_right + (1 - retrieval) x class_if_task_wrong. ``confusion`` has shape
    (seeds, tasks, tasks): the share of inputs of a task for which each task is retrieved.
    """
    columns: dict[str, list[Tensor]] = {}
    for j, task in enumerate(stream.tasks):
        examples = getattr(task, part)
        chosen = learner.retrieve(examples.x)
        found = chosen == j
        right = stream.right(learner.predict(examples.x, chosen), examples, len(stream) - 1, j)
        told = stream.right(learner.predict(examples.x, j), examples, len(stream) - 1, j)
        values = {"retrieval": found.double().mean(1), "accuracy": right.double().mean(1),
                  "oracle": told.double().mean(1),
                  "class_if_task_right": (right & found).sum(1).double() / found.sum(1),
                  "class_if_task_wrong": (right & ~found).sum(1).double() / (~found).sum(1),
                  "confusion": torch.stack([(chosen == k).double().mean(1)
                                            for k in range(len(stream))], 1)}
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
    plain = {name: torch.stack(parts, 1).tolist() for name, parts in columns.items()}
    return dict(json.loads(to_json({"retriever": learner.retriever, **plain})))


class Probe:
    """Measures a learner of language models in a run, on items of a part of the stream."""

    def __init__(self, learner: TextLearner, stream: Stream, part: str) -> None:
        self.learner = learner
        self.tasks = [spread(getattr(task, part).items, PROBED) for task in stream.tasks]
        new = [item for task in self.tasks for item in task]
        old = [item for task in stream.old_tasks
               for item in spread(getattr(task, part).items, PROBED // 4)]
        self.drifts = {name: Drift(learner.model.base, learner.model.tokenizer, asked,
                                   learner.max_new_tokens)
                       for name, asked in (("kl_new", new), ("kl_old", old)) if asked}

    @torch.no_grad()
    def measure(self, task: int) -> Floats:
        """Return `DIAGNOSTICS` of each seed on a task's skill: shape (seeds, diagnostics)."""
        learner, items = self.learner, self.tasks[task]
        tokenizer = learner.model.tokenizer
        context = full_context(items)
        most: dict[str, Any] = {"max_new_tokens": learner.max_new_tokens}
        teacher = getattr(learner, "teacher", None)
        rows = []
        for i, model in enumerate(learner.model.models):
            values = dict.fromkeys(DIAGNOSTICS, np.nan)
            values["context_right"] = complete(model, tokenizer, items, context, **most).accuracy
            if teacher is not None and hasattr(teacher, "prompts"):
                shown = context if teacher.context == FULL_CONTEXT else teacher.context
                values["teacher_right"] = complete(teacher.weights.model(i), tokenizer, items,
                                                   shown, **most).accuracy
            for name, drift in self.drifts.items():
                values[name] = drift.of(model)
            own = sample(model, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                         rng=generator(0, "probe"), **most)
            logits = response_logits(model, own.prompt_ids, own.prompt_mask, own.ids, own.mask)
            log_p = logits.log_softmax(-1).cpu()
            entropy = -(log_p.exp() * log_p).sum(-1)
            values["entropy"] = float((entropy * own.mask).sum() / own.mask.sum())
            styles = known_values([scorer_of(item).own_style(text)
                                   for item, text in zip(items, own.texts, strict=True)])
            if styles is not None:
                values["foreign_style"] = float((~styles).mean())
            values["length"] = float(own.mask.sum(1).double().mean())
            rows.append(list(values.values()))
        return np.array(rows)
