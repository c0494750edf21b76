"""The toy of *RL's Razor*: of many right answers, which do the methods move to, and at what cost?

After Shenfeld, Pari & Agrawal (arXiv 2509.04259). The new task, parity, has many right answers: an
even digit may be answered with any even label, an odd one with any odd label. As there, networks of
three layers first learn some of both tasks, told apart by one further input and answered with the
same ten outputs, and then the new one alone. Unlike there, the images are scikit-learn's digits,
the old task is to name them turned or shuffled, and fine-tuning is plain gradient descent.
"""

from __future__ import annotations

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
from workbench.runtime import Timer, generator, threads
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
"""What the answers are pulled towards."""
OLD_TASKS = {"rotated-digits": 3, "permuted-digits": 1}
"""Streams that the old task can be from, and which task of each: turned by 90 degrees, shuffled."""
LABELS, HIDDEN, BATCH, ANSWERS, KNOWN, PRETRAINING = 10, (64, 64), 32, 8, 100, 300
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A method after some steps, on test images; arrays have shape (seeds,).

    `kl` is KL(base || now) in nats on the new task's images and `kl_old` that on the old one's;
    `accuracy` is how often the likeliest label has the right parity.
    """

    method: str
    lr: float
    step: int
    kl: Array
    accuracy: Array
    kl_old: Array
    old_accuracy: Array
    forgetting: Array


@dataclass(frozen=True)
class RazorResult:
    """Points by method, then learning rate, then step, and the base that all began with."""

    seeds: tuple[int, ...]
    base: Point
    points: tuple[Point, ...]
    seconds: float

    def r_squared(self, by: str = "kl") -> float:
        """Return how much of the variance of forgetting a quadratic in `kl` or `kl_old` explains."""
        if by not in ("kl", "kl_old"):
            raise UnknownNameError("by", by, ("kl", "kl_old"))
        x, y = (np.concatenate([getattr(point, name) for point in self.points])
                for name in (by, "forgetting"))
        return float(1 - (y - np.polynomial.Polynomial.fit(x, y, 2)(x)).var() / y.var())


def at_matched_accuracy(result: RazorResult, accuracy: float) -> dict[str, Point]:
    """Return each method's first point that is so accurate on the new task, on average over seeds.

    At the smallest learning rate that gets there: what is forgotten has no say in the choice. A
    method that never gets there is left out.
    """
    if not 0 < accuracy <= 1:
        raise ConfigError(f"accuracy must be above 0 and at most 1, not {accuracy!r}; give a share "
                          "of the images, such as 0.95")
    reached = [point for point in result.points if point.accuracy.mean() >= accuracy]
    return {point.method: point for point in reversed(reached)}


def nearest(base_logits: Tensor, right: Tensor, mass: float = 1.0) -> Tensor:
    """Return the distribution nearest to the base among those with this much mass on right labels.

    It keeps the odds among the right labels and among the wrong ones, so that no other has a
    smaller KL from the base or to it. Some labels, the last axis, must be right, and some wrong.
    """
    inside, outside = (base_logits.masked_fill(~kept, -math.inf).softmax(-1)
                       for kept in (right, ~right))
    return mass * inside + (1 - mass) * outside


def advantages(answers: Tensor, reward: Tensor, baseline: bool = True) -> Tensor:
    """Return weights of labels, (..., labels) as the reward, that make `pull` follow the reward.

    An answer, (..., answers), counts for its reward less the mean reward of the others to the same
    image. If drawn from the network, `pull` has the gradient of the expected reward, on average.
    """
    count, gain = answers.shape[-1], reward.gather(-1, answers)
    if baseline:
        gain = (gain - gain.mean(-1, keepdim=True)) * count / (count - 1)
    return torch.zeros_like(reward).scatter_add(-1, answers, gain / count)


def pull(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of all methods, shape (...), from (..., images, labels).

    Minus the weighted log-probabilities: the cross-entropy, if the weights are a distribution.
    """
    return -(weights * logits.log_softmax(-1)).sum(-1).mean(-1)


def razor(seeds: Sequence[int] = (0, 1, 2), methods: Sequence[str] = tuple(METHODS),
          lrs: Sequence[float] = (0.05, 0.1), steps: Sequence[int] = (20, 40, 80, 160, 320, 640),
          old: str = "rotated-digits") -> RazorResult:
    """Train base networks on some of both tasks, then by each method on the new task alone.

    Parameters
    ----------
    seeds : sequence of int
        One base each: its weights, the new images that it knows, its batches and draws.
    methods, old : sequence of str, str
        Of `METHODS`, which all see the same batches, and of `OLD_TASKS`.
    lrs, steps : sequence of float, sequence of int
        Learning rates, and the steps after which to measure; both rising.
    """
    _check(seeds, methods, lrs, steps, old)
    runs = [(method, lr) for method in methods for lr in lrs]
    with threads(1), Timer() as timer:
        tasks = make_stream(old, tasks=OLD_TASKS[old] + 1).tasks
        train, test, old_train, old_test = ((F.pad(part.x, (0, 1), value=flag), part.y)
                                            for flag, task in ((1.0, tasks[0]), (-1.0, tasks[-1]))
                                            for part in (task.train, task.test))
        network = _base(seeds, *train, *old_train)
        tests = [(*each, network(each[0]).detach()) for each in (test, old_test)]
        tables = _tables(train[1], network(train[0]).detach(), _uniform(seeds, "labels", LABELS // 2, len(train[1])))
        rows = torch.arange(len(seeds))[:, None]
        batches = (_uniform(seeds, "batches", steps[-1], BATCH) * len(train[1])).long()
        chances = _uniform(seeds, "answers", steps[-1], BATCH, ANSWERS)
        # All methods and learning rates train side by side, as seeds do.
        vector = network.vector().detach().repeat(len(runs), 1)
        rates = torch.tensor([lr for _, lr in runs]).repeat_interleave(len(seeds))[:, None]
        measured = {0: _measure(network, vector, tests)}
        for step, (batch, chance) in enumerate(zip(batches, chances, strict=True), 1):
            vector.requires_grad_()
            logits = network.forward_with(vector, train[0][batch].repeat(len(runs), 1, 1))
            logits = logits.view(len(methods), len(lrs), len(seeds), BATCH, LABELS)
            weights = [_weights(method, tables[method][rows, batch], now, chance)
                       for method, now in zip(methods, logits.detach(), strict=True)]
            gradient, = torch.autograd.grad(pull(logits, torch.stack(weights)).sum(), vector)
            vector = vector.detach() - rates * gradient
            if step in steps:
                measured[step] = _measure(network, vector, tests)
    base = Point("base", 0.0, 0, *measured[0][:, 0], np.zeros(len(seeds)))
    points = (Point(method, lr, step, *measured[step][:, run],
                    base.old_accuracy - measured[step][-1, run])
              for run, (method, lr) in enumerate(runs) for step in steps)
    return RazorResult(tuple(seeds), base, tuple(points), timer.seconds)


def _check(seeds: Sequence[int], methods: Sequence[str], lrs: Sequence[float],
           steps: Sequence[int], old: str) -> None:
    for kind, known, names in (("method", METHODS, methods), ("old task", OLD_TASKS, (old,))):
        for name in names:
            if name not in known:
                raise UnknownNameError(kind, name, known)
    for field, given in (("methods", methods), ("lrs", lrs), ("steps", steps)):
        if not given or (field != "methods" and list(given) != sorted(set(given))):
            raise ConfigError(f"{field} must be one or more, and numbers rising, not {given!r}; "
                              "leave it out for those of the lesson")
    for lr in lrs:
        for step in steps:
            RunConfig(seeds=tuple(seeds), lr=lr, steps=step)  # whose checks hold here too


def _uniform(seeds: Sequence[int], purpose: str, *shape: int) -> Tensor:
    """Return random numbers from 0 to 1, each seed's own: shape (shape[0], seeds, ...)."""
    return torch.stack([torch.rand(shape, generator=generator(seed, f"razor {purpose}"))
                        for seed in seeds], 1)


def _base(seeds: Sequence[int], x: Tensor, y: Tensor, old_x: Tensor, old_y: Tensor) -> StackedMLP:
    network = StackedMLP(x.shape[1], HIDDEN, LABELS, seeds)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    known = _uniform(seeds, "known", 1, len(y))[0].argsort(1)[:, :KNOWN]
    sizes = torch.tensor([[KNOWN], [len(old_y)], [LABELS // 2]])
    for draws in (_uniform(seeds, "pretraining", PRETRAINING, 3, BATCH) * sizes).long():
        new, old, label = known.gather(1, draws[:, 0]), draws[:, 1], draws[:, 2]
        labels = torch.cat([y[new] % 2 + 2 * label, old_y[old]], 1)
        logits = network(torch.cat([x[new], old_x[old]], 1))
        optimizer.zero_grad()
        pull(logits, F.one_hot(labels, LABELS)).sum().backward()
        optimizer.step()
    return network


def _tables(digits: Tensor, base_logits: Tensor, chance: Tensor) -> dict[str, Tensor]:
    """Return how much each method wants each label: shape (seeds, images, labels)."""
    labels = torch.arange(LABELS).expand_as(base_logits)
    right = labels % 2 == digits[:, None] % 2
    one, near = (right & (labels < 2)).float(), nearest(base_logits, right)
    return {"sft-one": one, "sft-two": (right & (labels % 4 < 2) & (labels < 6)) / 2,
            "sft-digit": (labels == digits[:, None]).float(),
            "sft-random": F.one_hot(digits % 2 + 2 * chance.argmax(0), LABELS).float(),
            "oracle": near, "oracle-samples": near,
            "rl": right.float(), "rl-one": one, "rl-no-baseline": right.float()}


def _weights(method: str, table: Tensor, logits: Tensor, chance: Tensor) -> Tensor:
    """Return the weights of a batch for `pull`, in the shape of its logits."""
    table = table.expand_as(logits)
    if method == "oracle" or method.startswith("sft"):
        return table
    heap = (table if method == "oracle-samples" else logits.softmax(-1)).cumsum(-1)[..., None, :]
    answers = (chance[..., None] * heap[..., -1:] >= heap).sum(-1)
    return advantages(answers, (table > 0).float(), baseline=method in ("rl", "rl-one"))


def _measure(network: StackedMLP, vector: Tensor,
             tests: list[tuple[Tensor, Tensor, Tensor]]) -> Array:
    """Return the first four arrays of `Point` for every run: shape (4, runs, seeds)."""
    found = []
    for (x, y, base_logits), kinds in zip(tests, (2, LABELS), strict=True):
        now = network.forward_with(vector, x).detach().view(-1, *base_logits.shape)
        found += [kl_per_token(base_logits, now), now.argmax(-1) % kinds == y % kinds]
    return torch.stack([each.double().mean(-1) for each in found]).numpy()
