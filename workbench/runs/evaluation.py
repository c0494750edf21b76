"""Accuracy on every task, and what an observer of a run is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from workbench.learners import Learner
from workbench.runs.record_files import Floats
from workbench.tasks import Stream
from workbench.tasks.text import TextExamples

SHOWN = 2
"""Responses of each task that an observer is shown."""


@dataclass(frozen=True)
class Said:
    """A question, what was answered, and whether that is right."""

    task: str
    question: str
    response: str
    right: bool


@dataclass(frozen=True)
class Snapshot:
    """What an observer is shown: copies, so that looking cannot change the run.

    Attributes
    ----------
    task, step : int
        Tasks finished, and steps taken in the next.
    steps_taken, steps_total : int
        Since the start, and in all.
    scores : ndarray, shape (seeds, tasks + old tasks)
        Accuracy on every task just now, and on those that are only tested.
    accuracy : ndarray, shape (seeds, tasks, tasks)
        The matrix so far.
    loss : ndarray, shape (seeds,)
        Training loss of the last step in nats; NaN before the first.
    said : tuple of Said
        Of language models, the first seed's response to the first questions of every task.
    """

    task: int
    step: int
    steps_taken: int
    steps_total: int
    scores: Floats
    accuracy: Floats
    loss: Floats
    said: tuple[Said, ...] = ()


Observer = Callable[[Snapshot], None]


def evaluate(learner: Learner, stream: Stream, trained: int, part: str = "test",
             said: list[Said] | None = None) -> Floats:
    """Return the accuracy on every task.

    Parameters
    ----------
    learner : Learner
        Asked for its predictions; told the task in the task scenario alone.
    stream : Stream
        Decides which answers are allowed.
    trained : int
        Last task begun; -1 before any training.
    part : {"test", "validation"}
        Which examples.
    said : list, optional
        Gains some of what language models said.

    Returns
    -------
    ndarray, shape (seeds, tasks + old tasks)
    """
    columns = []
    for j, task in enumerate((*stream.tasks, *stream.old_tasks)):
        examples = getattr(task, part)
        given = learner.predict(examples.inputs, j if stream.scenario == "task" else None)
        right = stream.right(given, examples, trained, j)
        columns.append(right.double().mean(1))
        if said is not None and isinstance(examples, TextExamples):
            said += [Said(task.name, examples.items[i].prompt, str(given[0][i]), bool(right[0, i]))
                     for i in range(min(SHOWN, len(examples)))]
    return torch.stack(columns, 1).numpy()
