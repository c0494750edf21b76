"""Intervals: by hand, their limits, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import ConfigError, UndefinedMetricError
from workbench.intervals import (
    bootstrap_interval,
    paired_difference,
    seed_interval,
    wilson_interval,
)

NAN = float("nan")


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
    narrow, wide = wilson_interval(5, 10, 0.5), wilson_interval(5, 10, 0.99)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]
    with pytest.raises(UndefinedMetricError, match="0 out of 0"):
        wilson_interval(0, 0)
    for correct in (-1, 11):
        with pytest.raises(ConfigError, match=f"from 0 to total .10., not {correct}"):
            wilson_interval(correct, 10)


def test_bootstrap_of_three_seeds_is_their_range():
    # All three draws are the smallest value with probability 1/27 > 2.5 %.
    assert bootstrap_interval([0.7, 0.9, 0.8]) == pytest.approx((0.7, 0.9))


def test_bootstrap_interval_narrows_and_repeats():
    values = np.random.default_rng(0).normal(0.8, 0.05, 20)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20 ** 0.5, rel=0.1)
    assert bootstrap_interval(values) == (low, high), "same seed, same interval"
    assert bootstrap_interval(values, seed=1) != (low, high)
    inner = bootstrap_interval(values, confidence=0.5)
    assert low < inner[0] < inner[1] < high


def test_bootstrap_of_curves_has_one_interval_per_point():
    curves = np.array([[1.0, 0.9, 0.7], [1.0, 0.8, 0.6], [1.0, 0.7, 0.8]])
    low, high = bootstrap_interval(curves)
    np.testing.assert_allclose(low, [1, 0.7, 0.6])
    np.testing.assert_allclose(high, [1, 0.9, 0.8])


@pytest.mark.parametrize(("values", "message"), [
    ([0.8], "at least 2, there is 1"),
    (0.8, "at least 2, there is 1"),
    ([], "at least 2, there is 0"),
    ([0.8, 0.8, 0.8], "no spread"),
    ([0.1 + 0.2, 0.3, 0.3], "no spread"),
    ([[0.8, 0.7], [0.8, 0.7]], "no spread"),
    ([0.8, NAN, 0.7], "finite"),
])
def test_bootstrap_without_spread_is_undefined(values, message):
    with pytest.raises(UndefinedMetricError, match=message):
        bootstrap_interval(values)


@pytest.mark.parametrize(("seeds", "documented"), [(3, 0.75), (5, 0.84), (10, 0.90)])
def test_bootstrap_is_as_much_too_narrow_as_its_docstring_says(seeds, documented):
    # 1,000 samples: standard error at most .014. Resample indices are shared by 100 columns.
    rng = np.random.default_rng(seeds)
    covered = [(low <= 0) & (0 <= high) for low, high in
               (bootstrap_interval(rng.normal(size=(seeds, 100)), seed=i) for i in range(10))]
    assert np.mean(covered) == pytest.approx(documented, abs=0.045)
    assert f"{100 * documented:.0f} % (n={seeds})" in bootstrap_interval.__doc__


def test_paired_difference_cancels_what_seeds_share():
    luck = np.array([0.0, 0.2, 0.4, 0.1, 0.3])
    a, b = luck + [0.52, 0.50, 0.51, 0.53, 0.49], luck + 0.40
    mean, low, high = paired_difference(a, b)
    assert mean == pytest.approx(0.11)
    assert (low, high) == pytest.approx(bootstrap_interval(a - b))
    assert 0.09 <= low < mean < high <= 0.13
    assert np.subtract(*bootstrap_interval(a)[::-1]) > 5 * (high - low), "unpaired is far wider"
    assert paired_difference(b, a)[0] == pytest.approx(-mean)


def test_paired_difference_refuses_what_is_not_paired():
    with pytest.raises(ConfigError, match=r"not \(3,\) and \(2,\)"):
        paired_difference([0.1, 0.2, 0.3], [0.1, 0.2])
    with pytest.raises(UndefinedMetricError, match="no spread"):
        paired_difference([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    with pytest.raises(UndefinedMetricError, match="at least 2"):
        paired_difference([0.5], [0.4])


@settings(max_examples=25)
@given(arrays(np.float64, 5, elements=st.integers(0, 100).map(lambda n: n / 100)))
def test_bootstrap_interval_stays_within_the_values(values):
    if np.ptp(values) == 0:
        return
    low, high = bootstrap_interval(values)
    assert values.min() - 1e-12 <= low <= values.mean() + 1e-12
    assert values.mean() - 1e-12 <= high <= values.max() + 1e-12
