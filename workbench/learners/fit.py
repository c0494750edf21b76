"""The one step loop. Every method in this folder trains through it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from workbench.learners.base import Batch, Learner
from workbench.system.runtime import generator
from workbench.tasks import Task


def batch_order(seed: int, task: int, examples: int, steps: int, batch_size: int) -> Tensor:
    """Return the indices of the examples of each step of a task: shape (steps, batch_size).

    Every example is seen once before any is seen again. The order depends on the seed and the task
    alone, so that it need not be saved and all methods see the same batches.
    """
    rng = generator(seed, "batches", task)
    epochs = -(-steps * batch_size // examples)
    order = torch.cat([torch.randperm(examples, generator=rng) for _ in range(epochs)])
    return order[: steps * batch_size].view(steps, batch_size)


def make_optimizer(learner: Learner, lr: float) -> torch.optim.Optimizer:
    """Return Adam over all seeds; it works element by element, so that seeds stay independent."""
    return torch.optim.Adam(learner.model.parameters(), lr=lr, fused=True)


def fit(learner: Learner, task: Task, optimizer: torch.optim.Optimizer, *, steps: int,
        batch_size: int, clip: float | None = None, start: int = 0,
        precision: str = "fp32") -> Iterator[Tensor]:
    """Train on one task, step by step.

    Parameters
    ----------
    learner : Learner
        The caller calls its `begin` before and its `end` after.
    clip : float, optional
        Largest gradient norm of a seed.
    start : int
        Steps already taken, when a run is resumed.
    precision : {"fp32", "bf16"}
        Of the matrix products; weights and Adam's moments are float32 in both.

    Yields
    ------
    Tensor, shape (seeds,), on the CPU
        The loss before each step, yielded after it. Between two steps the caller may look at the
        run, save it, or stop.
    """
    order = torch.stack([batch_order(seed, task.index, len(task.train), steps, batch_size)
                         for seed in learner.model.seeds], 1)
    parameters = list(learner.model.parameters())
    mask = task.masks[task.index]
    for indices in order[start:]:
        batch = Batch(task.train.x[indices], task.train.y[indices], mask)
        with torch.autocast(parameters[0].device.type, torch.bfloat16, precision == "bf16"):
            loss = learner.loss(batch)
        for p in parameters:  # faster than optimizer.zero_grad()
            p.grad = None
        loss.sum().backward()
        if clip is not None:
            learner.model.clip(clip)
        optimizer.step()
        yield loss.detach().cpu()
