"""Intervals: by hand, their limits, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import ConfigError, UndefinedMetricError
from workbench.measure.intervals import seed_interval, wilson_interval


def test_seed_interval_by_hand():
    # Mean 2, sd 1, t quantile 4.303 at two degrees of freedom.
    low, high = seed_interval([1.0, 2.0, 3.0])
    assert low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


def test_seed_interval_of_five_seeds_holds_the_truth_95_times_in_100():
    samples = np.random.default_rng(0).normal(size=(5, 4000))
    low, high = seed_interval(samples)
    covered = np.mean((low <= 0) & (high >= 0))
    assert 0.94 < covered < 0.96


def test_seed_interval_of_one_seed_is_undefined():
    with pytest.raises(UndefinedMetricError, match="at least 2, there is 1"):
        seed_interval([0.5])


def test_wilson_interval_by_hand():
    # p = .9, n = 100, z = 1.959964: centre (p + z^2/2n) / (1 + z^2/n), and its half-width.
    z, p, n = 1.959964, 0.9, 100
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert wilson_interval(90, 100) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert wilson_interval(90, 100) == pytest.approx((0.8256, 0.9448), abs=5e-5)


def test_wilson_interval_at_the_ends_and_out_of_range():
    low, high = wilson_interval(0, 10)
    assert low == pytest.approx(0, abs=1e-12) and 0.2 < high < 0.3, "never of no width"
    assert wilson_interval(10, 10) == pytest.approx((1 - high, 1))
    with pytest.raises(UndefinedMetricError, match="0 out of 0"):
        wilson_interval(0, 0)
    for correct in (-1, 11):
        with pytest.raises(ConfigError, match=f"from 0 to total .10., not {correct}"):
            wilson_interval(correct, 10)
