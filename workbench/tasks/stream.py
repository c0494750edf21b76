"""`Task` and `Stream`: examples, their order, and the outputs that may be answered."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """Index of the correct output, int64, or the correct value, float32: shape (n,), or (seeds, n)
    if each seed has labels of its own."""

    def __len__(self) -> int:
        return len(self.x)

    def labels(self, indices: Tensor) -> Tensor:
        """Return the labels of the examples at `indices`, a row per seed: shape (seeds, n)."""
        return self.y[indices] if self.y.dim() == 1 else self.y.gather(1, indices)

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
    generation: int = 1
    """How often the task has been met, this time included; see `variants.with_generations`."""


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
    labels: tuple[str, ...] = ()
    """For people: the label of each output."""

    def __len__(self) -> int:
        return len(self.tasks)

    def mask(self, trained: int, tested: int) -> Tensor:
        """Return the outputs that may be answered: bool, shape (outputs,).

        `trained` is the last task begun (-1 before any training), `tested` that of the example. The
        class scenario ignores the latter: examples of a task that has not been trained yet can only
        be answered wrongly.
        """
        if self.scenario == "domain" or (self.scenario == "class" and trained < 0):
            return torch.ones(self.outputs, dtype=torch.bool)
        told = [self.tasks[tested]] if self.scenario == "task" else self.tasks[:trained + 1]
        allowed = torch.zeros(self.outputs, dtype=torch.bool)
        allowed[[c for task in told for c in task.classes]] = True
        return allowed

    def right(self, predictions: Any, examples: Examples, trained: int, tested: int) -> Tensor:
        """Return which predictions are right: bool, shape (seeds, n).

        `predictions` are logits of shape (seeds, n, outputs) for `examples` of task `tested`; for
        `trained` see `mask`.
        """
        answers = masked(predictions, self.mask(trained, tested)).argmax(-1)
        return answers == examples.y

    def score(self, predictions: Any, examples: Examples, trained: int, tested: int) -> Tensor:
        """Return the accuracy, float64, shape (seeds,); for the arguments see `right`.

        Where labels are values, it is the share of their variance that the predictions explain
        (R2), and 0 where they are worse than the mean.
        """
        if not examples.y.is_floating_point():
            return self.right(predictions, examples, trained, tested).double().mean(1)
        errors = (predictions[..., 0] - examples.y).double().square().mean(1)
        explained: Tensor = 1 - errors / examples.y.double().var(-1, correction=0)
        return explained.clamp_min(0)

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


def build_stream(name: str, scenario: str, names: Sequence[str],
                 parts: Sequence[Sequence[Examples]],
                 classes_per_task: int | Sequence[int]) -> Stream:
    """Return a stream of tasks, with the labels and masks of the scenario.

    `parts` holds train, validation and test examples for each of the tasks `names`; their labels
    count from 0 within a task. Tasks may have different numbers of classes, but not in the domain
    scenario, which raises `ConfigError`, as does a stream without tasks. An unknown scenario
    raises `UnknownNameError`.
    """
    if scenario not in SCENARIOS:
        raise UnknownNameError("scenario", scenario, SCENARIOS)
    if not parts:
        raise ConfigError(f"stream {name!r} needs at least one task")
    classes = ([classes_per_task] * len(parts) if isinstance(classes_per_task, int) else
               list(classes_per_task))
    if scenario == "domain" and len(set(classes)) > 1:
        raise ConfigError(f"in the domain scenario all tasks have the same classes; the tasks of "
                          f"{name!r} have {', '.join(map(str, classes))}. Take task or class.")
    tasks = []
    for i, split in enumerate(parts):
        first = 0 if scenario == "domain" else sum(classes[:i])
        own = tuple(range(first, first + classes[i]))
        train, validation, test = (Examples(part.x, part.y + first) for part in split)
        tasks.append(Task(names[i], i, train, validation, test, own, torch.empty(0)))
    stream = Stream(name, scenario, tuple(tasks), tasks[-1].classes[-1] + 1)
    masks = [torch.stack([stream.mask(i, t) for t in range(i + 1)]) for i in range(len(tasks))]
    return replace(stream, tasks=tuple(
        replace(task, masks=mask) for task, mask in zip(tasks, masks, strict=True)))
