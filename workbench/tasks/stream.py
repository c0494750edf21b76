"""`Task` and `Stream`: examples, their order, and the outputs that may be answered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError

SCENARIOS = {
    "task": "the learner is told which task an example is from and chooses among its classes",
    "domain": "all tasks share the same outputs; the learner is not told the task",
    "class": "the learner chooses among every class seen so far and is not told the task",
}
"""The three scenarios of van de Ven, Tuytelaars & Tolias (Nature Machine Intelligence 2022)."""


@dataclass(frozen=True)
class Examples:
    """Inputs and labels."""

    x: Tensor
    """Shape (n, ...)."""
    y: Tensor
    """Index of the correct output: int64, shape (n,)."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def inputs(self) -> Any:
        """The input of a learner's `predict`."""
        return self.x

    def content(self) -> bytes:
        """Return the bytes that are hashed."""
        return self.x.numpy().tobytes() + self.y.numpy().tobytes()


@dataclass(frozen=True)
class Task:
    """One task, as a learner sees it; its three parts have no example in common."""

    name: str
    """For people, such as ``"0 or 1"``."""
    index: int
    """Position in the stream, from 0."""
    train: Examples
    validation: Examples
    test: Examples
    classes: tuple[int, ...]
    """The outputs that its labels use."""
    masks: Tensor
    """Bool, shape (index + 1, outputs). Row `t`: the outputs allowed for an example of task `t`
    while this task is trained."""
    old: tuple[Examples, ...] = ()
    """Training examples of each old task, which was known before the first task of the stream."""


@dataclass(frozen=True)
class Stream:
    """Tasks in the order of training, under one of the `SCENARIOS`."""

    name: str
    """Such as ``"split-digits"``."""
    scenario: str
    tasks: tuple[Task, ...]
    outputs: int
    """Number of outputs that a network needs for the whole stream."""
    old_tasks: tuple[Task, ...] = ()
    """Tasks that were known before the first one; they are tested and never trained on."""

    def __len__(self) -> int:
        return len(self.tasks)

    def mask(self, trained: int, tested: int) -> Tensor:
        """Return the outputs that may be answered: bool, shape (outputs,).

        Parameters
        ----------
        trained : int
            Last task begun; -1 before any training.
        tested : int
            Task of the example. The class scenario ignores it: examples of a task that has not
            been trained yet can only be answered wrongly.
        """
        return _allowed_outputs(self.scenario, [t.classes for t in self.tasks], self.outputs,
                                trained, tested)

    def right(self, predictions: Any, examples: Examples, trained: int, tested: int) -> Tensor:
        """Return which predictions are right: bool, shape (seeds, n).

        `predictions` are logits of shape (seeds, n, outputs) for `examples` of task `tested`; for
        `trained` see `mask`.
        """
        answers = masked(predictions, self.mask(trained, tested)).argmax(-1)
        return answers == examples.y

    def data_hash(self) -> str:
        """Return the sha256 of every example, in order; stored in a run's record."""
        digest = hashlib.sha256()
        for task in (*self.tasks, *self.old_tasks):
            for part in (task.train, task.validation, task.test):
                digest.update(part.content())
        return digest.hexdigest()


FORBIDDEN = -1e9
"""Logit of an output that may not be answered: its probability is exactly 0 in float32."""


def masked(logits: Tensor, mask: Tensor) -> Tensor:
    """Return logits of shape (seeds, n, outputs), with those of forbidden outputs at `FORBIDDEN`.

    The mask is bool, True where an output may be answered, and broadcastable to the logits.
    """
    return logits.masked_fill(~mask, FORBIDDEN)


def _allowed_outputs(scenario: str, classes: list[tuple[int, ...]], outputs: int,
                     trained: int, tested: int) -> Tensor:
    """Return the outputs that may be answered; see `Stream.mask`."""
    allowed = torch.zeros(outputs, dtype=torch.bool)
    if scenario == "task":
        allowed[list(classes[tested])] = True
    elif scenario == "class" and trained >= 0:
        for seen in classes[: trained + 1]:
            allowed[list(seen)] = True
    else:
        allowed[:] = True
    return allowed


def build_stream(name: str, scenario: str, names: list[str],
                 parts: Sequence[Sequence[Examples]], classes_per_task: int) -> Stream:
    """Return a stream of tasks, with the labels and masks of the scenario.

    Parameters
    ----------
    name, scenario : str
        Of the stream.
    names : list of str
        Of the tasks.
    parts : sequence of (train, validation, test)
        For each task; labels count from 0 within a task.
    classes_per_task : int
        Number of classes in each task.

    Raises
    ------
    UnknownNameError
        If there is no such scenario.
    ConfigError
        If there are no tasks.
    """
    if scenario not in SCENARIOS:
        raise UnknownNameError("scenario", scenario, SCENARIOS)
    if not parts:
        raise ConfigError(f"stream {name!r} needs at least one task")
    own_outputs = scenario != "domain"
    outputs = classes_per_task * (len(parts) if own_outputs else 1)
    offsets = [classes_per_task * i if own_outputs else 0 for i in range(len(parts))]
    classes = [tuple(range(o, o + classes_per_task)) for o in offsets]
    tasks = []
    for i, split in enumerate(parts):
        train, validation, test = (Examples(part.x, part.y + offsets[i]) for part in split)
        masks = torch.stack([_allowed_outputs(scenario, classes, outputs, i, t)
                             for t in range(i + 1)])
        tasks.append(Task(names[i], i, train, validation, test, classes[i], masks))
    return Stream(name, scenario, tuple(tasks), outputs)
