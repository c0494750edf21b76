"""Accuracy on every task, and the snapshots that an observer of a run receives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from workbench.learners import Learner
from workbench.runs.record_files import Floats
from workbench.tasks import Stream
from workbench.tasks.text import TextExamples

SHOWN = 2
"""Responses of each task in a snapshot."""


@dataclass(frozen=True)
class Response:
    """A question, the model's response, and whether it is right."""

    task: str
    question: str
    response: str
    right: bool


@dataclass(frozen=True)
class Snapshot:
    """The state of a run for an observer, as copies, so that the observer cannot change the run.

    Attributes
    ----------
    task, step : int
        Tasks finished, and steps taken in the next one.
    steps_taken, steps_total : int
        Steps taken since the start, and steps of the whole run.
    scores : ndarray, shape (seeds, tasks + old tasks)
        Current accuracy on every task, and on those that are only tested.
    accuracy : ndarray, shape (seeds, tasks, tasks)
        The matrix so far.
    loss : ndarray, shape (seeds,)
        Training loss of the last step in nats; NaN before the first.
    responses : tuple of Response
        For language models, the first seed's responses to the first questions of every task.
    """

    task: int
    step: int
    steps_taken: int
    steps_total: int
    scores: Floats
    accuracy: Floats
    loss: Floats
    responses: tuple[Response, ...] = ()


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
        right = stream.right(answers, examples, trained, j)
        columns.append(right.double().mean(1))
        if responses is not None and isinstance(examples, TextExamples):
            responses += [Response(task.name, item.prompt, str(answers[0][i]), bool(right[0, i]))
                     for i, item in enumerate(examples.items[:SHOWN])]
    return torch.stack(columns, 1).numpy()
