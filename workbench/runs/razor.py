"""The toy of *RL's Razor*: KL to the base and forgetting, if a task has many right answers.

After Shenfeld, Pari & Agrawal (arXiv 2509.04259). The new task is parity: any even label is right
for an even digit, any odd label for an odd digit. As in the paper, networks of three layers first
learn some of two tasks with the same outputs, which an additional input distinguishes, and then the
new task alone. Unlike in the paper, the old task also consists of digits, rotated or permuted, and
the optimiser is plain gradient descent.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from workbench.config import RunConfig
from workbench.errors import ConfigError, UnknownNameError
from workbench.losses import kl_per_token
from workbench.models import StackedMLP
from workbench.system.runtime import Timer, generator, threads
from workbench.tasks import make_stream

METHODS = {
    "sft-one": "one right label for all: even is 0, odd is 1",
    "sft-two": "either of two right labels: even is 0 or 4, odd is 1 or 5",
    "sft-digit": "the digit itself",
    "sft-random": "any right label, drawn once for each image",
    "oracle": "of all that is right, the distribution nearest to the base",
    "oracle-samples": "right answers of the base, never of the network itself: near, off policy",
    "rl": "policy gradient: the network's own answers, rewarded if right",
    "rl-one": "policy gradient, with no reward but for 0 on even and 1 on odd: far, on policy",
    "rl-no-baseline": "the network's own answers, imitated if right",
}
"""The target of each method."""
OLD_TASKS = {"rotated-digits": 3, "permuted-digits": 1}
"""Streams of the old task, and the task of each: rotated by 90 degrees, permuted."""
LABELS, HIDDEN, BATCH, ANSWERS, KNOWN, PRETRAINING = 10, (64, 64), 32, 8, 100, 300
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A method after some steps, on test images; arrays have shape (seeds,)."""

    method: str
    lr: float
    step: int
    kl: Array
    """KL(base || now) in nats on the new task's images; `kl_old` on the old task's."""
    accuracy: Array
    """Share of images whose likeliest label has the right parity."""
    kl_old: Array
    old_accuracy: Array
    forgetting: Array


@dataclass(frozen=True)
class RazorResult:
    """The points by method, learning rate and step, and the base networks that all start from."""

    seeds: tuple[int, ...]
    base: Point
    points: tuple[Point, ...]
    seconds: float

    def r_squared(self, by: str = "kl") -> float:
        """Return the share of the variance of forgetting that a quadratic in `by` explains."""
        x, y = (np.concatenate([getattr(point, name) for point in self.points])
                for name in (by, "forgetting"))
        return float(1 - (y - np.polynomial.Polynomial.fit(x, y, 2)(x)).var() / y.var())


def at_matched_accuracy(result: RazorResult, accuracy: float) -> dict[str, Point]:
    """Return each method's first point of this accuracy, lowest learning rate first.

    Forgetting does not affect the choice. A method that never reaches the accuracy is left out.
    """
    if not 0 < accuracy <= 1:
        raise ConfigError(f"accuracy must be above 0 and at most 1, such as 0.95, not {accuracy!r}")
    points = [point for point in result.points if point.accuracy.mean() >= accuracy]
    return dict(reversed({point.method: point for point in reversed(points)}.items()))


def nearest(base_logits: Tensor, right: Tensor) -> Tensor:
    """Return the distribution over right labels (last axis) with the smallest KL to the base."""
    return base_logits.masked_fill(~right, -math.inf).softmax(-1)


def advantages(answers: Tensor, reward: Tensor, baseline: bool = True) -> Tensor:
    """Return weights of labels, shape (..., labels), that make `pull` a policy gradient.

    The weight of an answer, shape (..., answers), is its reward minus the mean reward of the other
    answers to the same image. If the network sampled the answers, the mean gradient of `pull` is
    that of the expected reward, with the opposite sign.
    """
    count, gain = answers.shape[-1], reward.gather(-1, answers)
    if baseline:
        gain = (gain - gain.mean(-1, keepdim=True)) * count / (count - 1)
    return torch.zeros_like(reward).scatter_add(-1, answers, gain / count)


def pull(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of all methods: cross-entropy to weights, (..., images, labels) to (...)."""
    return -(weights * logits.log_softmax(-1)).sum(-1).mean(-1)


def razor(seeds: Sequence[int] = (0, 1, 2), methods: Sequence[str] = tuple(METHODS),
          lrs: Sequence[float] = (0.05, 0.1), old: str = "rotated-digits",
          steps: Sequence[int] = (10, 20, 40, 80, 120, 160, 240, 320, 480, 640)) -> RazorResult:
    """Train base networks on some of both tasks, then by each method on the new task alone.

    A seed determines the base, the new images that it learns, and the batches; `steps` are the
    steps at which to measure.
    """
    if not (methods and lrs and steps):
        raise ConfigError("methods, lrs and steps must not be empty; leave them out for the usual")
    for kind, known, names in (("old task", OLD_TASKS, {old}), ("method", METHODS, {*methods})):
        if names - known.keys():
            raise UnknownNameError(kind, min(names - known.keys()), known)
    for lr, count in itertools.product(lrs, steps):
        RunConfig(seeds=tuple(seeds), lr=lr, steps=count)  # this checks them
    runs, end = list(itertools.product(methods, sorted(lrs))), max(steps)
    with threads(1), Timer() as timer:
        tasks = make_stream(old, tasks=OLD_TASKS[old] + 1).tasks
        (x, y), test, old_train, old_test = (
            (F.pad(part.x, (0, 1), value=flag), part.y) for flag, task in (
                (1.0, tasks[0]), (-1.0, tasks[-1])) for part in (task.train, task.test))
        network = _base(seeds, x, y, *old_train)
        tables = _tables(y, network(x).detach(), _uniform(seeds, "razor own", LABELS // 2, len(y)))
        tests = [(*part, network(part[0]).detach()) for part in (test, old_test)]
        batches = (_uniform(seeds, "razor batches", end + 1, BATCH) * len(y)).long()
        chances = _uniform(seeds, "razor answers", end + 1, BATCH, ANSWERS)
        # All methods and learning rates train in one batch, as seeds do.
        vector = network.vector().detach().repeat(len(runs), 1)
        rates = torch.tensor([lr for _, lr in runs]).repeat_interleave(len(seeds))[:, None]
        rows, measured_steps, measures = torch.arange(len(seeds))[:, None], sorted(set(steps)), []
        for step, (batch, chance) in enumerate(zip(batches, chances, strict=True)):
            if step in (0, *measured_steps):
                measures.append(_measure(network, vector, tests))
            logits = network.forward_with(vector.requires_grad_(), x[batch].repeat(len(runs), 1, 1))
            logits = logits.view(len(methods), len(lrs), len(seeds), BATCH, LABELS)
            weights = [_weights(method, tables[method][rows, batch], own_logits, chance)
                       for method, own_logits in zip(methods, logits.detach(), strict=True)]
            gradient, = torch.autograd.grad(pull(logits, torch.stack(weights)).sum(), vector)
            vector = vector.detach().sub_(gradient.mul_(rates))
    base, *later = [np.concatenate([now, measures[0][3:] - now[3:]])  # the last is forgetting
                    for now in measures]
    points = tuple(Point(method, lr, step, *now[:, run]) for run, (method, lr) in enumerate(runs)
                   for step, now in zip(measured_steps, later, strict=True))
    return RazorResult(tuple(seeds), Point("base", 0.0, 0, *base[:, 0]), points, timer.seconds)


def _uniform(seeds: Sequence[int], purpose: str, *shape: int) -> Tensor:
    """Return random numbers from 0 to 1, each seed's own: shape (shape[0], seeds, ...)."""
    return torch.stack([torch.rand(shape, generator=generator(s, purpose)) for s in seeds], 1)


def _base(seeds: Sequence[int], x: Tensor, y: Tensor, old_x: Tensor, old_y: Tensor) -> StackedMLP:
    network = StackedMLP(x.shape[1], HIDDEN, LABELS, seeds)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    known = _uniform(seeds, "razor known", 1, len(y))[0].argsort(1)[:, :KNOWN]
    sizes = torch.tensor([[KNOWN], [len(old_y)], [LABELS // 2]])
    for indices in (_uniform(seeds, "razor pretraining", PRETRAINING, 3, BATCH) * sizes).long():
        new, old, label = known.gather(1, indices[:, 0]), indices[:, 1], indices[:, 2]
        weights = F.one_hot(torch.cat([y[new] % 2 + 2 * label, old_y[old]], 1), LABELS)
        optimizer.zero_grad()
        pull(network(torch.cat([x[new], old_x[old]], 1)), weights).sum().backward()
        optimizer.step()
    return network


def _tables(digits: Tensor, base_logits: Tensor, chance: Tensor) -> dict[str, Tensor]:
    """Return the target weight or reward of each label: shape (seeds, images, labels)."""
    labels = torch.arange(LABELS).expand_as(base_logits)
    right = labels % 2 == digits[:, None] % 2
    one, near = right & (labels < 2), nearest(base_logits, right)
    return {"sft-one": one, "sft-two": (right & (labels % 4 < 2) & (labels < 6)) / 2,
            "sft-digit": labels == digits[:, None], "oracle": near, "oracle-samples": near,
            "sft-random": F.one_hot(digits % 2 + 2 * chance.argmax(0), LABELS),
            "rl": right, "rl-one": one, "rl-no-baseline": right}


def _weights(method: str, table: Tensor, logits: Tensor, chance: Tensor) -> Tensor:
    """Return the weights of a batch for `pull`, in the shape of its logits."""
    table = table.expand_as(logits).float()
    if method == "oracle" or method.startswith("sft"):
        return table
    sampled = table if method == "oracle-samples" else logits.softmax(-1)
    cumulative = sampled.cumsum(-1)[..., None, :]
    answers = (chance[..., None] * cumulative[..., -1:] >= cumulative).sum(-1)
    return advantages(answers, (table > 0).float(), baseline=method in ("rl", "rl-one"))


def _measure(network: StackedMLP, vector: Tensor, tests: Sequence[Sequence[Tensor]]) -> Array:
    """Return the first four arrays of `Point`, for all runs: shape (4, runs, seeds)."""
    measures = []
    for (x, y, base), kinds in zip(tests, (2, LABELS), strict=True):
        now = network.forward_with(vector, x).detach().view(-1, *base.shape)
        measures += [kl_per_token(base, now), now.argmax(-1) % kinds == y % kinds]
    return torch.stack([values.double().mean(-1) for values in measures]).numpy()
