"""95 % confidence intervals: Student's t over seeds, Wilson's over test examples."""

import numpy as np
from numpy.typing import ArrayLike

from workbench.errors import ConfigError, UndefinedMetricError
from workbench.measure.metrics import Score, as_score


def seed_interval(values: ArrayLike) -> tuple[Score, Score]:
    """Return Student's t interval of the mean over seeds, the first axis: (low, high).

    With three to five seeds a percentile bootstrap is far too narrow: on normal samples its 95 %
    interval held the true mean in 75 % (n=3) and 84 % (n=5) of 10,000 trials, Student's t in 95 %.
    Raises `UndefinedMetricError` if there are fewer than 2 seeds.
    """
    from scipy import stats

    rows = np.asarray(values, dtype=np.float64)
    if len(rows) < 2:
        raise UndefinedMetricError(f"an interval over seeds needs at least 2, there is {len(rows)}")
    mean = rows.mean(0)
    half = stats.t.ppf(0.975, len(rows) - 1) * rows.std(0, ddof=1) / len(rows) ** 0.5
    return as_score(mean - half), as_score(mean + half)


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return Wilson's interval (1927), (low, high), for an accuracy of ``correct`` in ``total``.

    It covers the randomness of the test sample, not that of training: seeds differ by more.
    """
    from scipy import stats

    if total == 0:
        raise UndefinedMetricError("an accuracy of 0 out of 0 has no interval")
    if not 0 <= correct <= total:
        raise ConfigError(f"correct must be from 0 to total ({total}), not {correct}")
    interval = stats.binomtest(correct, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
