"""`AccuracyMatrix` and what is read off it; intervals for the numbers that come out.

``R[i, j]`` is the accuracy on task ``j`` after training through task ``i``, and ``b[j]`` the accuracy
on task ``j`` before any training; both count from 0, in a stream of ``T`` tasks. Libraries disagree
about several metrics on the very same matrix, so each docstring has the formula, its paper and who
differs. Versions read: Avalanche eb075be, Mammoth e75a491, PILOT 2647455, Continuum 265a985.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, UndefinedMetricError, UnknownNameError

Floats = NDArray[np.float64]
Score = float | Floats
"""A float where the matrix has no leading axes, otherwise an array with those axes."""


class AccuracyMatrix:
    """Accuracy on every task after every task, and the metrics that it defines.

    Every metric weights tasks equally, returns one value per leading index (a float when there are
    no leading axes), and raises `UndefinedMetricError` with the reason where it has no value.

    Parameters
    ----------
    R : array-like, shape (..., T, T)
        Accuracies from 0 to 1; row = trained through, column = tested on; NaN or None where not
        evaluated. Leading axes, such as seeds, are allowed. Lists whose row ``i`` has ``i + 1`` or
        more values are padded with NaN. Copied; the copy is read-only.
    b : array-like, shape (T,) or (..., T), optional
        Accuracies before any training. Only forward transfer needs them.
    scenario : {"task", "domain", "class"}, optional
        Scenario of the stream. In "class" forward transfer is undefined.

    Raises
    ------
    ConfigError
        If a shape is wrong or a value is outside 0 to 1.
    UnknownNameError
        If there is no such scenario.
    """

    def __init__(self, R: ArrayLike | list[Any], b: ArrayLike | None = None,
                 scenario: str | None = None) -> None:
        if scenario not in (None, "task", "domain", "class"):
            raise UnknownNameError("scenario", scenario, ("task", "domain", "class"))
        self.R = _accuracies("R", R)
        if self.R.ndim < 2 or self.R.shape[-1] != self.R.shape[-2] or self.R.size == 0:
            raise ConfigError(f"R must have shape (..., T, T) with T of at least 1, not {self.R.shape}")
        self.b = None if b is None else _accuracies("b", b)
        self.tasks = self.R.shape[-1]
        if self.b is not None and self.b.shape not in ((self.tasks,), self.R.shape[:-1]):
            raise ConfigError(f"b must have shape {self.R.shape[:-1]} to go with R, not {self.b.shape}")
        self.scenario = scenario
        self._row, self._column = np.indices((self.tasks, self.tasks))

    def __repr__(self) -> str:
        """Return the shape and what is there."""
        return (f"AccuracyMatrix(shape={self.R.shape}, b={'no' if self.b is None else 'yes'}, "
                f"scenario={self.scenario!r})")

    def average_accuracy(self) -> Score:
        """Return ACC = mean_j R[T-1, j] (Lopez-Paz & Ranzato, GEM, 2017).

        Avalanche's ``StreamAccuracy`` weights samples, not tasks, equally. Mammoth and GMvandeVen
        do as here. Diaz-Rodriguez et al. (2018) average all cells j <= i instead.
        """
        return _score(self._cells("ACC", self._row == self.tasks - 1)[..., -1, :].mean(-1))

    def average_incremental_accuracy(self) -> Score:
        """Return AIA = mean_i mean_{j<=i} R[i, j] (Rebuffi et al., iCaRL, 2017).

        PILOT prints this as "Average Accuracy". Every row counts the same, so this is not the mean
        of all cells j <= i of Diaz-Rodriguez et al. (2018), in which later rows count more.
        """
        seen = self._column <= self._row
        rows = np.where(seen, self._cells("AIA", seen), 0.0).sum(-1) / np.arange(1, self.tasks + 1)
        return _score(rows.mean(-1))

    def learning_accuracy(self) -> Score:
        """Return mean_j R[j, j]: each task right after it was trained on.

        The name is, as far as we recall, from Riemer et al. (2019); check before citing.
        ACC = learning accuracy + (T-1)/T BWT.
        """
        return _score(self._diagonal("learning_accuracy").mean(-1))

    def backward_transfer(self) -> Score:
        """Return BWT = mean_{j<T-1} (R[T-1, j] - R[j, j]) (Lopez-Paz & Ranzato, GEM, 2017).

        Mammoth does the same. Diaz-Rodriguez et al. (2018) average over all i > j, and Continuum
        over those but i = j + 1, dividing by the number of all. Avalanche reports -forgetting, and
        its forgetting is first minus last, so that its BWT agrees with this one.
        """
        self._needs_two_tasks("BWT")
        last = self._cells("BWT", (self._row == self.tasks - 1) & (self._column < self.tasks - 1))
        own = self._diagonal("BWT", self.tasks - 1)
        return _score((last[..., -1, :-1] - own).mean(-1))

    def forward_transfer(self) -> Score:
        """Return FWT = mean_{j>=1} (R[j-1, j] - b[j]) (Lopez-Paz & Ranzato, GEM, 2017).

        Mammoth does the same. Diaz-Rodriguez et al. (2018), as we recall, average the upper triangle
        and subtract nothing; Continuum averages the *lower* triangle. Undefined in the class
        scenario: there R[j-1, j] says what the mask of seen classes allows, not what was learnt.
        """
        if self.scenario == "class":
            raise UndefinedMetricError(
                "FWT has no meaning in the class scenario: classes of future tasks may not be answered "
                "under the mask of seen classes, so R[j-1, j] is 0 by construction")
        self._needs_two_tasks("FWT")
        if self.b is None:
            raise UndefinedMetricError("FWT needs b, the accuracies before any training; none were given")
        before = self.b[..., 1:]
        if np.isnan(before).any():
            *run, j = np.argwhere(np.isnan(before))[0].tolist()
            raise UndefinedMetricError(f"FWT needs b[{j + 1}] (task {j + 1} before any training), "
                                       f"which was not evaluated (NaN){_in_run(run)}")
        ahead = self._cells("FWT", self._column == self._row + 1)
        return _score((np.diagonal(ahead, 1, -2, -1) - before).mean(-1))

    def forgetting(self) -> Score:
        """Return F = mean_{j<T-1} (max_{j<=l<T-1} R[l, j] - R[T-1, j]) (Chaudhry et al., RWalk, 2018).

        Below 0 where a task ends better than it ever was before; F >= -BWT. The paper's maximum runs
        from the first row, l >= 0; here from l = j, since accuracy before a task was trained is not
        knowledge to forget (FACIL's matrix has no earlier rows). Avalanche takes first minus last
        (-BWT). Mammoth and PILOT let the maximum include the last row, so theirs cannot be below 0.
        """
        self._needs_two_tasks("forgetting")
        trained = (self._column <= self._row) & (self._column < self.tasks - 1)
        R = self._cells("forgetting", trained)[..., :-1]
        best = np.where(trained[:-1, :-1], R[..., :-1, :], -np.inf).max(-2)
        return _score((best - R[..., -1, :]).mean(-1))

    def intransigence(self, joint: AccuracyMatrix | ArrayLike) -> Score:
        """Return mean_k (a*_k - R[k, k]), a* from a joint run (Chaudhry et al., RWalk, 2018).

        Below 0 where the learner beats the joint reference. Needs that second run, which is why most
        libraries leave it out.

        Parameters
        ----------
        joint : AccuracyMatrix or array-like, shape (..., T, T)
            Run whose row k was trained on tasks 0 to k together: a*_k = joint.R[k, k]. Leading axes
            must match or broadcast; with seeds on both sides the differences are paired.
        """
        other = joint if isinstance(joint, AccuracyMatrix) else AccuracyMatrix(joint)
        reference, own = other._diagonal("intransigence (joint run)"), self._diagonal("intransigence")
        if other.tasks != self.tasks or not _broadcast(reference.shape, own.shape):
            raise ConfigError(f"joint has shape {other.R.shape}, expected {self.R.shape} as in this run")
        return _score((reference - own).mean(-1))

    def retention(self) -> Floats:
        """Return rho, shape (..., T, T): rho[k, j] = R[k, j] / R[j, j] for k >= j, NaN for k < j.

        Our name; no library has it. The divisor is accuracy right after training on the task, so 1
        is "kept all", above 1 is "got better", and a task hardly learnt looks well retained: read it
        beside `learning_accuracy`. Kemker et al. (2018), as we recall, divide by an ideal accuracy.
        Undefined where R[j, j] is 0.
        """
        return self._ratio("retention", self.tasks)

    def area_under_retention(self, clip: float | None = None) -> Score:
        """Return AURC = mean_{j<T-1} trapezoid_{k=j..T-1}(rho[k, j]) / (T-1-j).

        Ours; there is no standard. The last task has no curve and takes no part. Report it both
        unclipped, where a gain on one task hides a loss on another, and with ``clip=1``.

        Parameters
        ----------
        clip : float, optional
            Upper limit put on every rho first. By default none.
        """
        self._needs_two_tasks("AURC")
        rho = self._ratio("AURC", self.tasks - 1)
        rho = rho if clip is None else np.minimum(rho, clip)
        areas = [np.trapezoid(rho[..., j:, j], axis=-1) / (self.tasks - 1 - j)
                 for j in range(self.tasks - 1)]
        return _score(np.mean(areas, axis=0))

    def _ratio(self, metric: str, tasks: int) -> Floats:
        """Return retention of the first tasks, shape (..., T, tasks)."""
        kept = (self._column <= self._row) & (self._column < tasks)
        R, own = self._cells(metric, kept)[..., :tasks], self._diagonal(metric, tasks)
        if (own == 0).any():
            *run, j = np.argwhere(own == 0)[0].tolist()
            raise UndefinedMetricError(f"{metric} divides by R[{j}, {j}], which is 0{_in_run(run)}: "
                                       f"task {j} was never learnt, so there is nothing to retain")
        return np.where(kept[:, :tasks], R / own[..., None, :], np.nan)

    def _diagonal(self, metric: str, tasks: int | None = None) -> Floats:
        """Return R[j, j] of the first tasks (all by default), shape (..., tasks)."""
        count = self.tasks if tasks is None else tasks
        R = self._cells(metric, (self._row == self._column) & (self._row < count))
        return np.diagonal(R, 0, -2, -1)[..., :count]

    def _cells(self, metric: str, needed: NDArray[np.bool_]) -> Floats:
        """Return R if the needed cells were evaluated, otherwise say which was not."""
        missing = np.argwhere(np.isnan(self.R) & needed)
        if len(missing):
            *run, i, j = missing[0].tolist()
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise UndefinedMetricError(
                f"{metric} needs R[{i}, {j}] (trained through task {i}, tested on task {j}), "
                f"which was not evaluated (NaN){_in_run(run)}{more}")
        return self.R

    def _needs_two_tasks(self, metric: str) -> None:
        if self.tasks < 2:
            raise UndefinedMetricError(f"{metric} compares tasks and needs at least 2; there is 1")


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
    """Return the metrics that one run defines, and why the others are undefined.

    Returns
    -------
    defined : dict of str to float or array
        Value by name: ACC, AIA, BWT, FWT, forgetting, learning_accuracy, AURC, AURC_clipped.
    undefined : dict of str to str
        Reason by name, for the names that are not in ``defined``.
    """
    defined: dict[str, Score] = {}
    undefined: dict[str, str] = {}
    for name, metric in _METRICS.items():
        try:
            defined[name] = metric(matrix)
        except UndefinedMetricError as reason:
            undefined[name] = str(reason)
    return defined, undefined


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval (1927) for an accuracy of ``correct`` out of ``total``.

    It covers the chance of the test sample only, not that of training: runs with other seeds differ
    by more.

    Raises
    ------
    UndefinedMetricError
        If ``total`` is 0.
    """
    from scipy import stats  # type: ignore[import-untyped,unused-ignore]

    if total == 0:
        raise UndefinedMetricError("an accuracy of 0 out of 0 has no interval")
    if not 0 <= correct <= total:
        raise ConfigError(f"correct must be from 0 to total ({total}), not {correct}")
    interval = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(values: ArrayLike, confidence: float = 0.95,
                       seed: int = 0) -> tuple[Score, Score]:
    """Return the percentile bootstrap interval of the mean over the first axis, the seeds.

    With few seeds it is too narrow. COVERAGE

    Parameters
    ----------
    values : array-like, shape (n, ...)
        One row per seed. Entries on which all seeds agree get an interval of no width.
    confidence : float
        Between 0 and 1.
    seed : int
        Seed of the 9999 resamples.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than 2 seeds, a value is not finite, or all seeds agree everywhere.
    """
    from scipy import stats

    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim == 0 or len(rows) < 2:
        found = 1 if rows.ndim == 0 else len(rows)
        raise UndefinedMetricError(f"an interval over seeds needs at least 2 of them; there is {found}")
    if not np.isfinite(rows).all():
        raise UndefinedMetricError("an interval over seeds needs finite values; there are NaN or inf")
    if np.allclose(rows, rows[:1], rtol=0, atol=1e-12):
        raise UndefinedMetricError("all seeds have the same value: there is no spread to resample")
    interval = stats.bootstrap((rows,), np.mean, axis=0, vectorized=True, n_resamples=9999,
                               confidence_level=confidence, method="percentile",
                               rng=np.random.default_rng(seed)).confidence_interval
    return _score(interval.low), _score(interval.high)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95,
                      seed: int = 0) -> tuple[Score, Score, Score]:
    """Return the mean of ``a - b`` over seeds and its `bootstrap_interval`: (mean, low, high).

    Row ``i`` of both must come from the same seed (same data, same order), so that what the runs
    share cancels. The interval is as much too narrow as that of `bootstrap_interval`.

    Parameters
    ----------
    a, b : array-like, shape (n, ...)
        Values of two methods, one row per seed, of equal shape.
    confidence, seed
        As for `bootstrap_interval`.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ConfigError(f"a and b must have the same seeds, but shapes are {first.shape} and "
                          f"{second.shape}")
    difference = first - second
    low, high = bootstrap_interval(difference, confidence, seed)
    return _score(difference.mean(0)), low, high


def _score(values: Any) -> Score:
    """Return a float for an array without axes, otherwise the array."""
    array = np.asarray(values, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


def _in_run(run: list[int]) -> str:
    return f" in run {', '.join(map(str, run))}" if run else ""


def _broadcast(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _accuracies(name: str, values: Any) -> Floats:
    """Return a read-only copy, after checking that all values are accuracies or NaN."""
    try:
        array = np.array(values, dtype=np.float64)
    except ValueError:  # ragged
        array = _padded(name, values)
    wrong = np.argwhere((array < 0) | (array > 1))
    if len(wrong):
        worst = np.nanmax(array)
        hint = ". These look like percentages: divide by 100" if 1 < worst <= 100 else ""
        raise ConfigError(f"{name}{wrong[0].tolist()} is {array[tuple(wrong[0])]:g}; expected "
                          f"accuracies from 0 to 1{hint}")
    array.setflags(write=False)
    return array


def _padded(name: str, rows: Any) -> Floats:
    """Return ragged rows as a square array, with NaN where a row has ended."""
    if any(isinstance(cell, list | tuple | np.ndarray) for row in rows for cell in row):
        return np.stack([_padded(name, matrix) for matrix in rows])
    square = np.full((len(rows), len(rows)), np.nan)
    for i, row in enumerate(rows):
        if not i < len(row) <= len(rows):
            raise ConfigError(f"{name}: row {i} has {len(row)} values, expected {i + 1} to {len(rows)} "
                              "(row = trained through, column = tested on). Is it transposed?")
        square[i, :len(row)] = row
    return square
