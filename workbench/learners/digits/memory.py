"""Stored examples, class by class: what replay and joint training draw on."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.learners.base import Batch, Learner
from workbench.tasks import Task


def store(learner: Learner, task: Task, per_class: int | None) -> None:
    """Add examples of a task to the learner's state, chosen at random by each seed.

    Parameters
    ----------
    learner : Learner
        Gains ``x`` (seeds, n, ...), ``y`` and ``task`` (seeds, n) in its state.
    task : Task
        Whose training examples to store.
    per_class : int, optional
        How many of each class; None stores them all.
    """
    chosen = []
    for rng in learner.generators:
        of_seed = []
        for label in task.classes:
            members = (task.train.y == label).nonzero().flatten()
            shuffled = members[torch.randperm(len(members), generator=rng)]
            of_seed.append(shuffled[:per_class])
        chosen.append(torch.cat(of_seed))
    index = torch.stack(chosen)
    new = {"x": task.train.x[index], "y": task.train.y[index],
           "task": torch.full_like(index, task.index)}
    for name, tensor in new.items():
        old = learner.state.get(name, tensor[:, :0])
        learner.state[name] = torch.cat([old, tensor], 1)


def draw(learner: Learner, size: int, masks: Tensor) -> tuple[Batch, Tensor]:
    """Draw stored examples, with replacement.

    Parameters
    ----------
    learner : Learner
        With examples in its state.
    size : int
        How many for each seed.
    masks : Tensor of bool, shape (tasks so far, outputs)
        The stream's word on what may be answered on an example of each task.

    Returns
    -------
    batch : Batch
        Of `size` examples a seed.
    index : Tensor of int64, shape (seeds, size)
        Where they stand in the store.
    """
    stored = learner.state["y"].shape[1]
    index = torch.stack([torch.randint(stored, (size,), generator=g) for g in learner.generators])
    seeds = torch.arange(len(index))[:, None]
    x, y, task = (learner.state[name][seeds, index] for name in ("x", "y", "task"))
    return Batch(x, y, masks[task]), index
