"""`AccuracyMatrix` and the metrics computed from it.

``R[i, j]`` is the accuracy on task j after training through task i, ``b[j]`` the accuracy on task j
before any training; i and j run from 0 to T-1. Libraries disagree on the same matrix, so each
docstring has the formula, its paper and the sources that differ (Avalanche eb075be, Mammoth
e75a491, PILOT 2647455, Continuum 265a985; Diaz-Rodriguez et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, UndefinedMetricError, UnknownNameError
from workbench.measure.accuracies import Floats, read_accuracies

Score = float | Floats
"""A float where there are no leading axes, otherwise an array with those axes."""


class AccuracyMatrix:
    """Accuracy on every task after every task, and the metrics that it defines.

    Metrics weight tasks equally and return one value per leading index (a float if there is none);
    one without a value raises `UndefinedMetricError` with the reason. A wrong shape, or a value
    that is not a number from 0 to 1, raises `ConfigError` with its place.

    Parameters
    ----------
    R : array-like, shape (..., T, T)
        Accuracies from 0 to 1; row = trained through, column = tested on, leading axes such as
        seeds; NaN, or masked, where not evaluated. Ragged lists, with at least i + 1 values in
        row i, are padded with NaN. Stored as a read-only copy, as is `b`; values beyond 0 or 1 by
        rounding alone (1e-6) are clipped.
    b : array-like, shape (T,) or (..., T), optional
        Accuracies before any training. Only forward transfer needs them.
    scenario : {"task", "domain", "class"}, optional
        Scenario of the stream. In "class" forward transfer is undefined.
    """

    def __init__(self, R: ArrayLike | list[Any], b: ArrayLike | None = None,
                 scenario: str | None = None) -> None:
        if scenario not in (None, "task", "domain", "class"):
            raise UnknownNameError("scenario", scenario, ("task", "domain", "class"))
        self.R, self.scenario = read_accuracies("R", R), scenario
        shape = self.R.shape
        if len(shape) < 2 or shape[-1] != shape[-2] or self.R.size == 0:
            raise ConfigError(f"R must have shape (..., T, T), T at least 1, not {shape}")
        self.b = None if b is None else read_accuracies("b", b)
        if self.b is not None and self.b.shape not in (shape[-1:], shape[:-1]):
            raise ConfigError(f"b must have shape {shape[:-1]}, to go with R, not {self.b.shape}")
        self.tasks = shape[-1]
        self._column: NDArray[np.intp] = np.arange(self.tasks)
        self._row = self._column[:, None]

    def answerable(self) -> Floats:
        """Return R, with NaN where the scenario allows no right answer.

        In the class scenario, the answers of a task are not allowed before it is trained. Its
        accuracy is then always 0, and says nothing about the network.
        """
        if self.scenario != "class":
            return self.R
        return np.where(self._column <= self._row, self.R, np.nan)

    def average_accuracy(self) -> Score:
        """Return ACC = mean_j R[T-1, j] (Lopez-Paz & Ranzato, GEM, 2017).

        Mammoth and GMvandeVen do the same; Avalanche's ``StreamAccuracy`` weights samples equally.
        """
        return as_score(self._cells("ACC", self._row == self.tasks - 1)[..., -1, :].mean(-1))

    def average_incremental_accuracy(self) -> Score:
        """Return AIA = mean_i mean_{j<=i} R[i, j] (Rebuffi et al., iCaRL, 2017).

        PILOT prints this as "Average Accuracy". Diaz-Rodriguez A is the mean of all cells j <= i,
        in which later rows count more.
        """
        seen = self._column <= self._row
        rows = np.where(seen, self._cells("AIA", seen), 0.0).sum(-1) / np.arange(1, self.tasks + 1)
        return as_score(rows.mean(-1))

    def learning_accuracy(self) -> Score:
        """Return mean_j R[j, j], the accuracy right after training. ACC is this plus (T-1)/T BWT.

        The name is, as we recall, from Riemer et al. (2019): check before citing.
        """
        return as_score(self._diagonal("learning_accuracy", self.tasks).mean(-1))

    def backward_transfer(self) -> Score:
        """Return BWT = mean_{j<T-1} (R[T-1, j] - R[j, j]) (Lopez-Paz & Ranzato, GEM, 2017).

        Mammoth does the same; so, under the name of -forgetting, does Avalanche. Diaz-Rodriguez
        average over all i > j; Continuum leaves out i = j+1 but still divides by their number.
        """
        old = self._column < self.tasks - 1
        last = self._cells("BWT", old & (self._row == self.tasks - 1))[..., -1, :-1]
        return as_score((last - self._diagonal("BWT", self.tasks - 1)).mean(-1))

    def forward_transfer(self) -> Score:
        """Return FWT = mean_{j>=1} (R[j-1, j] - b[j]) (Lopez-Paz & Ranzato, GEM, 2017).

        Mammoth does the same. Diaz-Rodriguez, as we recall, average the upper triangle and subtract
        nothing; Continuum averages the *lower* triangle. Undefined in the class scenario.
        """
        if self.scenario == "class":
            raise UndefinedMetricError("FWT is undefined in the class scenario: classes not seen "
                                       "yet are masked, so R[j-1, j] is always 0")
        ahead = np.diagonal(self._cells("FWT", self._column == self._row + 1), 1, -2, -1)
        if self.b is None:
            raise UndefinedMetricError("FWT needs b, the accuracies before training; none given")
        if np.isnan(self.b[..., 1:]).any():
            *run, j = np.argwhere(np.isnan(self.b[..., 1:]))[0].tolist()
            raise UndefinedMetricError(f"FWT needs b[{j + 1}] (task {j + 1} before any training), "
                                       f"which was not evaluated (NaN){_in_run(run)}")
        return as_score((ahead - self.b[..., 1:]).mean(-1))

    def forgetting(self) -> Score:
        """Return F = mean_{j<T-1} (max_{j<=l<T-1} R[l, j] - R[T-1, j]); it may be below 0.

        Chaudhry et al., RWalk, 2018; their maximum is over l >= 0, ours over rows in which the task
        had been trained, as in FACIL. F >= -BWT, which is what Avalanche reports (first - last).
        Mammoth and PILOT include the last row in the maximum, so theirs is never below 0.
        """
        trained = (self._column <= self._row) & (self._column < self.tasks - 1)
        R = self._cells("forgetting", trained)[..., :-1]
        best = np.where(trained[:-1, :-1], R[..., :-1, :], -np.inf).max(-2)
        return as_score((best - R[..., -1, :]).mean(-1))

    def intransigence(self, joint: AccuracyMatrix | ArrayLike) -> Score:
        """Return mean_k (a*_k - R[k, k]), a*_k = joint.R[k, k] (Chaudhry et al., RWalk, 2018).

        Row k of the run `joint` (..., T, T) was trained on tasks 0 to k together. Leading axes must
        match or broadcast; where both runs have seeds, the differences are paired. Most libraries
        leave it out, as it needs a second run.
        """
        other = joint if isinstance(joint, AccuracyMatrix) else AccuracyMatrix(joint)
        if other.tasks != self.tasks:
            raise ConfigError(f"joint has {other.tasks} tasks, this run has {self.tasks}")
        reference = other._diagonal("intransigence, in the joint run,", self.tasks)
        return as_score((reference - self._diagonal("intransigence", self.tasks)).mean(-1))

    def retention(self) -> Floats:
        """Return rho, shape (..., T, T): rho[k, j] = R[k, j] / R[j, j] for k >= j, NaN for k < j.

        Our name; we know no library that has it. The divisor is the accuracy right after training,
        so a task that was hardly learned can look well retained: read it beside
        `learning_accuracy`. Kemker et al. (2018), as we recall, divide by an ideal accuracy.
        Undefined where R[j, j] is 0.
        """
        return self._ratio("retention", self.tasks)

    def area_under_retention(self, clip: float | None = None) -> Score:
        """Return AURC = mean_{j<T-1} trapezoid_{k=j..T-1}(rho[k, j]) / (T-1-j).

        Our definition; we know no standard. Report it also with ``clip=1``, which first limits
        every rho to 1: unclipped, a gain on one task hides a loss on another.
        """
        rho = self._ratio("AURC", self.tasks - 1)
        rho = rho if clip is None else np.minimum(rho, clip)
        areas = [np.trapezoid(rho[..., j:, j], axis=-1) / (self.tasks - 1 - j)
                 for j in range(self.tasks - 1)]
        return as_score(np.mean(areas, axis=0))

    def _ratio(self, metric: str, tasks: int) -> Floats:
        """Return the retention of the first tasks, shape (..., T, tasks)."""
        kept = (self._column <= self._row) & (self._column < tasks)
        R, own = self._cells(metric, kept)[..., :tasks], self._diagonal(metric, tasks)
        if (own == 0).any():
            *run, j = np.argwhere(own == 0)[0].tolist()
            raise UndefinedMetricError(f"{metric} divides by R[{j}, {j}], here 0{_in_run(run)}: "
                                       f"task {j} was not learnt, so nothing can be retained")
        return np.where(kept[:, :tasks], R / own[..., None, :], np.nan)

    def _diagonal(self, metric: str, tasks: int) -> Floats:
        """Return R[j, j] of the first tasks, shape (..., tasks)."""
        R = self._cells(metric, (self._row == self._column) & (self._row < tasks))
        return np.diagonal(R, 0, -2, -1)[..., :tasks]

    def _cells(self, metric: str, needed: NDArray[np.bool_]) -> Floats:
        """Return R; raise `UndefinedMetricError` if a needed cell does not exist or is NaN."""
        if not needed.any():
            raise UndefinedMetricError(f"{metric} compares tasks: it needs at least 2, there is 1")
        missing = np.argwhere(np.isnan(self.R) & needed)
        if len(missing):
            *run, i, j = missing[0].tolist()
            raise UndefinedMetricError(
                f"{metric} needs R[{i}, {j}] (trained through task {i}, tested on task {j}), which "
                f"was not evaluated (NaN){_in_run(run)}; cells missing: {len(missing)}")
        return self.R


LIMITS = {"BWT": (-1.0, 1.0), "FWT": (-1.0, 1.0), "forgetting": (-1.0, 1.0),
          "AURC": (0.0, math.inf)}
"""Smallest and largest possible value of each metric whose range is not 0 to 1."""

_METRICS: dict[str, Callable[[AccuracyMatrix], Score]] = {
    "ACC": AccuracyMatrix.average_accuracy,
    "AIA": AccuracyMatrix.average_incremental_accuracy,
    "BWT": AccuracyMatrix.backward_transfer,
    "FWT": AccuracyMatrix.forward_transfer,
    "forgetting": AccuracyMatrix.forgetting,
    "learning_accuracy": AccuracyMatrix.learning_accuracy,
    "AURC": AccuracyMatrix.area_under_retention,
    "AURC_clipped": lambda matrix: matrix.area_under_retention(clip=1.0),
}


def summarise(matrix: AccuracyMatrix) -> tuple[dict[str, Score], dict[str, str]]:
    """Return the values of the defined metrics, and the reasons why others are undefined."""
    defined: dict[str, Score] = {}
    undefined: dict[str, str] = {}
    for name, metric in _METRICS.items():
        try:
            defined[name] = metric(matrix)
        except UndefinedMetricError as reason:
            undefined[name] = str(reason)
    return defined, undefined


def as_score(values: Any) -> Score:
    """Return a float if there are no axes, otherwise the array."""
    array = np.asarray(values, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


def _in_run(run: list[int]) -> str:
    return f" in run {', '.join(map(str, run))}" if run else ""
