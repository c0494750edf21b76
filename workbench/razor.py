"""The toy of *RL's Razor*: of many right answers, which do the methods move to, and at what cost?

After Shenfeld, Pari & Agrawal (arXiv 2509.04259). The new task has many right answers: an even
digit may be answered with any even label, an odd one with any odd label. Methods that come to
answer it equally well differ in how far they leave the network that they began with,
KL(base || now) on the new task's images, and what they forget of an old task goes with that.

As in the paper, small networks of three layers first learn some of both tasks, told apart by one
more input and answered with the same ten outputs, and then train on the new one alone. Unlike
there, images are scikit-learn's digits, and the old task is to name them as digits once they are
turned by 90 degrees, or their pixels shuffled; fine-tuning is plain gradient descent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError
from workbench.intervals import seed_interval
from workbench.runtime import Timer, threads
from workbench.tasks import make_stream

METHODS = {
    "sft-one": "one right label for all: even is 0, odd is 1",
    "sft-two": "either of two right labels: even is 0 or 4, odd is 1 or 5",
    "sft-digit": "the digit itself",
    "sft-random": "any right label, drawn once for each image",
    "oracle": "of all that is right, what the base is nearest to",
    "oracle-samples": "an answer of the base that is right, drawn anew at each step: off policy",
    "rl": "policy gradient: the network's own answers, rewarded if right",
    "rl-one": "policy gradient, but only 0 for even and 1 for odd is rewarded",
    "rl-no-baseline": "the network's own answers, imitated if right",
}
"""What fine-tuning pulls the answers towards."""
OLD_TASKS = {"rotated-digits": 3, "permuted-digits": 1}
"""Streams that the old task can be from, and which task of each it is."""
LABELS, BATCH, ANSWERS = 10, 32, 8
Array = NDArray[np.float64]


def nearest(base_logits: Tensor, right: Tensor, mass: float = 1.0) -> Tensor:
    """Return the distribution nearest to the base among those that are right so often.

    It keeps the odds within the right labels and within the wrong ones. No other has a smaller KL
    to the base, in either direction.

    Parameters
    ----------
    base_logits : Tensor, shape (..., labels)
        Of the base.
    right : Tensor of bool, same shape
        True where a label is right; some are, and some are not.
    mass : float
        Probability of the right labels together.
    """
    inside, outside = (base_logits.masked_fill(~kept, -math.inf).softmax(-1)
                       for kept in (right, ~right))
    return mass * inside + (1 - mass) * outside


def advantages(answers: Tensor, reward: Tensor, baseline: bool = True) -> Tensor:
    """Return the weight that sampled answers give each label in the loss of `pull`.

    The reward of an answer, less the mean reward of the other answers to the same image. With these
    weights the gradient of `pull` is that of the expected reward, on average over the answers.

    Parameters
    ----------
    answers : Tensor of int64, shape (..., answers)
        Labels drawn from the network's own distribution.
    reward : Tensor, shape (..., labels)
        Of each label.
    baseline : bool
        False takes the reward as it is: right answers are imitated, wrong ones ignored.
    """
    count = answers.shape[-1]
    gain = reward.gather(-1, answers)
    if baseline:
        gain = (gain - gain.mean(-1, keepdim=True)) * count / (count - 1)
    return torch.zeros_like(reward).scatter_add(-1, answers, gain / count)


def pull(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of every method: minus the weighted sum of log-probabilities of the labels.

    With a distribution as weights it is the cross-entropy of supervised fine-tuning; with those of
    `advantages`, the policy gradient's. Shape (networks,), from (networks, n, labels).
    """
    return -(weights * logits.log_softmax(-1)).sum(-1).mean(1)


@dataclass(frozen=True)
class RazorResult:
    """What came of each method, learning rate, number of steps and seed.

    Arrays have shape (methods, learning rates, steps, seeds), but for those of the base: (seeds,).
    """

    methods: tuple[str, ...]
    lrs: tuple[float, ...]
    steps: tuple[int, ...]
    seeds: tuple[int, ...]
    accuracy: Array
    """On the new task: share of test images whose likeliest label has the right parity."""
    kl: Array
    """KL(base || now) in nats, mean over the new task's test images."""
    kl_old: Array
    """The same over the old task's test images."""
    kept: Array
    """Accuracy on the old task."""
    base_accuracy: Array
    base_kept: Array
    seconds: float

    @property
    def forgetting(self) -> Array:
        """Accuracy lost on the old task."""
        return self.base_kept - self.kept

    def r_squared(self, by: str = "kl", curve: str = "quadratic") -> float:
        """Return the share of the variance of forgetting, over all points, that a curve explains.

        Parameters
        ----------
        by : {"kl", "kl_old"}
            What forgetting is a function of.
        curve : {"quadratic", "monotone"}
            A polynomial of degree 2, as in the paper; or the best curve that never falls.
        """
        if by not in ("kl", "kl_old"):
            raise UnknownNameError("by", by, ("kl", "kl_old"))
        x, y = getattr(self, by).ravel(), self.forgetting.ravel()
        if curve == "quadratic":
            fitted = np.polynomial.Polynomial.fit(x, y, 2)(x)
        elif curve == "monotone":
            from sklearn.isotonic import IsotonicRegression

            fitted = IsotonicRegression().fit_transform(x, y)
        else:
            raise UnknownNameError("curve", curve, ("quadratic", "monotone"))
        return float(1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum())


@dataclass(frozen=True)
class Matched:
    """A method where it first answers the new task well enough; arrays have one value per seed."""

    lr: float
    step: int
    accuracy: Array
    kl: Array
    kl_old: Array
    forgetting: Array

    def interval(self, name: str) -> tuple[float, float]:
        """Return Student's 95 % interval of the mean over seeds of one of the arrays."""
        low, high = seed_interval(getattr(self, name))
        return float(low), float(high)


def at_matched_accuracy(result: RazorResult, accuracy: float) -> dict[str, Matched]:
    """Return each method at the first step at which it reaches an accuracy on the new task.

    At the smallest learning rate that gets there at all, its accuracy averaged over seeds. What was
    forgotten has no say in the choice. A method that never gets there is left out.

    Parameters
    ----------
    result : RazorResult
        Of `razor`.
    accuracy : float
        Above 0, at most 1.
    """
    if not 0 < accuracy <= 1:
        raise ConfigError(f"accuracy must be above 0 and at most 1, not {accuracy!r}: it is the "
                          "share of images answered with the right parity, such as 0.95")
    matched = {}
    for m, method in enumerate(result.methods):
        there = np.argwhere(result.accuracy[m].mean(-1) >= accuracy)
        if len(there):
            at = (m, *there[np.lexsort((there[:, 1], np.array(result.lrs)[there[:, 0]]))[0]])
            matched[method] = Matched(result.lrs[at[1]], result.steps[at[2]], result.accuracy[at],
                                      result.kl[at], result.kl_old[at], result.forgetting[at])
    return matched


def razor(seeds: Sequence[int] = (0, 1, 2), *, methods: Sequence[str] = tuple(METHODS),
          lrs: Sequence[float] = (0.05, 0.1, 0.2), steps: Sequence[int] = (10, 20, 40, 80, 160, 320),
          old: str = "rotated-digits", known: int = 100, pretraining: int = 300,
          hidden: Sequence[int] = (100, 100), data_seed: int = 0) -> RazorResult:
    """Train base networks on some of both tasks, then with each method on the new task alone.

    Parameters
    ----------
    seeds : sequence of int
        One base each: its initial weights, the images of the new task it knows, all batches.
    methods : sequence of str
        Of `METHODS`.
    lrs : sequence of float
        Learning rates of gradient descent.
    steps : sequence of int
        After how many steps to measure, rising.
    old : {"rotated-digits", "permuted-digits"}
        Where the old task is from.
    known : int
        Images of the new task that the base has learned from, its labels drawn from all right ones.
    pretraining : int
        Steps of Adam at a learning rate of 0.001.
    hidden : sequence of int
        Units in each hidden layer.
    data_seed : int
        Of the split into train and test.
    """
    if old not in OLD_TASKS:
        raise UnknownNameError("old", old, OLD_TASKS)
    for method in methods:
        if method not in METHODS:
            raise UnknownNameError("method", method, METHODS)
    number = OLD_TASKS[old]
    tasks = make_stream(old, tasks=number + 1, data_seed=data_seed).tasks
    new, before = tasks[0], tasks[number]
    with threads(1), Timer() as timer:
        ...
