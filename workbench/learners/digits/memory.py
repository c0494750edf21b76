"""Stored examples, class by class, for replay and joint training."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.learners.base import Batch, Learner
from workbench.tasks import Task


def store(learner: Learner, task: Task, per_class: int | None) -> None:
    """Add training examples of a task to the learner's state, chosen at random by each seed.

    They are stored as ``x`` (seeds, n, ...), ``y`` and ``task`` (seeds, n): `per_class` examples of
    each class, or all where it is None.
    """
    members = [(task.train.y == label).nonzero().flatten() for label in task.classes]
    index = torch.stack([
        torch.cat([of_class[torch.randperm(len(of_class), generator=rng)][:per_class]
                   for of_class in members]) for rng in learner.generators])
    new = {"x": task.train.x[index], "y": task.train.y[index],
           "task": torch.full_like(index, task.index)}
    for name, tensor in new.items():
        old = learner.state.get(name, tensor[:, :0])
        learner.state[name] = torch.cat([old, tensor], 1)


def draw(learner: Learner, size: int, masks: Tensor) -> tuple[Batch, Tensor]:
    """Draw `size` stored examples for each seed, with replacement.

    `masks`, of shape (tasks so far, outputs), has the outputs that may be answered for each task.
    Returns the batch, and the positions of its examples in the store: shape (seeds, size).
    """
    stored = learner.state["y"].shape[1]
    index = torch.stack([torch.randint(stored, (size,), generator=g) for g in learner.generators])
    seeds = torch.arange(len(index))[:, None]
    x, y, task = (learner.state[name][seeds, index] for name in ("x", "y", "task"))
    return Batch(x, y, masks[task]), index
