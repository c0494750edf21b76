"""Intervals: how far a number could be from the one that many more runs would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from workbench.errors import UndefinedMetricError
from workbench.metrics import Score, _score


def seed_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Score, Score]:
    """Return Student's t interval of the mean over seeds: (low, high).

    The one to use for a handful of seeds; see `bootstrap_interval` for how the two compare.

    Parameters
    ----------
    values : array-like, shape (n, ...)
        One row per seed, at least 2.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    tuple of float, or of ndarray of the remaining shape
        May reach beyond what the quantity can be, such as below an accuracy of 0.
    """
    from scipy import stats

    rows = np.asarray(values, dtype=np.float64)
    if len(rows) < 2:
        raise UndefinedMetricError(f"an interval over seeds needs at least 2, there is {len(rows)}")
    mean = rows.mean(0)
    half = stats.t.ppf((1 + confidence) / 2, len(rows) - 1) * rows.std(0, ddof=1) / len(rows) ** 0.5
    return _score(mean - half), _score(mean + half)
