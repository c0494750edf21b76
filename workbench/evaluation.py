"""Accuracy on every task, and what an observer of a run is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from workbench.learners import Learner
from workbench.runfiles import Floats
from workbench.tasks import Stream


@dataclass(frozen=True)
class Snapshot:
    """What an observer is shown: copies, so that looking cannot change the run.

    Attributes
    ----------
    task, step : int
        Tasks finished, and steps taken in the next.
    steps_taken, steps_total : int
        Since the start, and in all.
    scores : ndarray, shape (seeds, tasks + watched)
        Accuracy on every task just now, and on those that are only tested.
    accuracy : ndarray, shape (seeds, tasks, tasks)
        The matrix so far.
    loss : ndarray, shape (seeds,)
        Training loss of the last step in nats; NaN before the first.
    """

    task: int
    step: int
    steps_taken: int
    steps_total: int
    scores: Floats
    accuracy: Floats
    loss: Floats


Observer = Callable[[Snapshot], None]


def evaluate(learner: Learner, stream: Stream, trained: int, part: str = "test") -> Floats:
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

    Returns
    -------
    ndarray, shape (seeds, tasks + watched)
    """
    columns = []
    for j, task in enumerate((*stream.tasks, *stream.watched)):
        examples = getattr(task, part)
        given = learner.predict(examples.inputs, j if stream.scenario == "task" else None)
        columns.append(stream.right(given, examples, trained, j).double().mean(1))
    return torch.stack(columns, 1).numpy()
