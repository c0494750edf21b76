"""Calibration: bins worked out by hand, bounds, and bad input that is named."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError
from workbench.measure.calibration import agreement, expected_calibration_error, reliability


def pairs(*confidences):
    """Probabilities of two classes, of which the first is predicted."""
    return np.array([[c, 1 - c] for c in confidences])


# In 5 bins: .55 and .60 in (.4, .6], .65 in (.6, .8], .90 and 1.0 in (.8, 1].
FIVE = pairs(0.55, 0.60, 0.65, 0.90, 1.0)
LABELS = np.array([0, 1, 0, 0, 1])
BY_HAND = (2 * abs(0.5 - 0.575) + abs(1 - 0.65) + 2 * abs(0.5 - 0.95)) / 5

outputs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def drawn(rng, *shape):
    """Probabilities of some examples, and labels."""
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1]), rng.integers(shape[-1], size=shape[:-1])


def test_the_error_is_that_of_bins_worked_out_by_hand():
    assert expected_calibration_error(FIVE, LABELS, bins=5) == pytest.approx(BY_HAND, abs=1e-15)
    assert isinstance(expected_calibration_error(FIVE, LABELS), float)


def test_one_bin_compares_the_accuracy_with_the_mean_confidence():
    assert expected_calibration_error(FIVE, LABELS, 1) == pytest.approx(abs(0.6 - 0.74))


def test_the_table_has_the_means_of_each_bin_that_is_not_empty():
    pd.testing.assert_frame_equal(
        reliability(FIVE, LABELS, 5),
        pd.DataFrame({"bin": [2, 3, 4], "confidence": [0.575, 0.65, 0.95],
                      "accuracy": [0.5, 1.0, 0.5], "count": [2, 1, 2]}))


@pytest.mark.parametrize(("confidence", "bins", "number"), [
    (0.5, 2, 0), (0.5 + 1e-9, 2, 1), (0.6, 5, 2), (0.8, 5, 3), (0.8 + 1e-9, 5, 4), (1.0, 5, 4),
    (0.5, 1, 0), (1.0, 15, 14), (1.0005, 15, 14)])
def test_an_edge_belongs_to_the_bin_below_it(confidence, bins, number):
    row = [[confidence, max(0, 1 - confidence)]]
    assert reliability(row, [0], bins)["bin"].tolist() == [number]


def test_a_model_that_is_right_as_often_as_it_says_has_no_error():
    confidence = np.repeat([0.6, 0.7, 0.8, 0.9, 1.0], 10)
    wrong = np.concatenate([np.arange(10) >= share for share in (6, 7, 8, 9, 10)])
    assert expected_calibration_error(pairs(*confidence), wrong.astype(int)) < 1e-15


def test_sure_and_always_wrong_is_the_worst():
    assert expected_calibration_error(np.eye(3), [1, 2, 0]) == 1


def test_a_calibrated_model_seems_worse_with_fewer_examples():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=(200, 400))
    p, y = np.stack([confidence, 1 - confidence], -1), rng.random((200, 400)) > confidence
    many = expected_calibration_error(p, y.astype(int)).mean()
    few = expected_calibration_error(p[:, :40], y[:, :40].astype(int)).mean()
    assert 0 < 2 * many < few


def test_leading_axes_are_kept_and_labels_may_lack_them():
    rng = np.random.default_rng(1)
    p, y = drawn(rng, 2, 3, 40, 4)
    several = expected_calibration_error(p, y)
    assert several.shape == (2, 3)
    assert several[1, 2] == pytest.approx(expected_calibration_error(p[1, 2], y[1, 2]), abs=1e-15)
    shared = expected_calibration_error(p, y[0, 0])
    assert shared[1, 2] == pytest.approx(expected_calibration_error(p[1, 2], y[0, 0]), abs=1e-15)
    assert reliability(p, y)["count"].sum() == 2 * 3 * 40


@given(outputs, st.integers(1, 40), st.integers(2, 6), st.integers(1, 30))
def test_the_error_is_between_the_gap_of_one_bin_and_1_in_any_order(rng, n, classes, bins):
    p, y = drawn(rng, n, classes)
    error = expected_calibration_error(p, y, bins)
    assert expected_calibration_error(p, y, 1) - 1e-12 <= error <= 1 + 1e-12
    order = rng.permutation(n)
    assert expected_calibration_error(p[order], y[order], bins) == pytest.approx(error, abs=1e-12)
    table = reliability(p, y, bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    assert (gaps * table["count"]).sum() / n == pytest.approx(error, abs=1e-12)
    assert table["count"].sum() == n and table["bin"].between(0, bins - 1).all()


def test_float32_and_tensors_are_read_alike():
    p = torch.randn(50, 10, generator=torch.Generator().manual_seed(0)).softmax(-1)
    y = p.argmax(-1)
    assert expected_calibration_error(p, y) == pytest.approx(1 - float(p.amax(-1).mean()), abs=1e-6)
    assert agreement(p, y) == agreement(p.numpy(), y.numpy()) == 1


def test_agreement_is_the_share_of_equal_predictions():
    first, second = pairs(0.9, 0.2, 0.6, 0.7), pairs(0.6, 0.1, 0.4, 0.8)
    assert agreement(first, second) == 0.75
    assert agreement(first, [0, 1, 0, 0]) == agreement([0, 1, 0, 0], first) == 1
    assert agreement([2, 1, 0], [2, 0, 1]) == pytest.approx(1 / 3)


def test_agreement_compares_each_generation_with_one_teacher():
    p, teacher = drawn(np.random.default_rng(0), 3, 2, 20, 4)[0], np.arange(20) % 4
    together = agreement(p, teacher)
    assert together.shape == (3, 2) and together[2, 1] == agreement(p[2, 1], teacher)
    assert agreement(p, p[0]).shape == (3, 2) and (agreement(p, p[0])[0] == 1).all()


@given(outputs, st.integers(1, 30), st.integers(2, 5))
def test_agreement_is_symmetric_from_0_to_1_and_1_with_itself(rng, n, classes):
    first, second = drawn(rng, n, classes)
    assert agreement(first, second) == agreement(second, first)
    assert 0 <= agreement(first, second) <= 1 and agreement(first, first) == 1


@pytest.mark.parametrize(("p", "y", "message"), [
    (np.array([[0.5, 0.5], [2.0, -1.0]]), [0, 1],
     r"probabilities\[1\] is \[2.0, -1.0\] with a sum of 1.* logits, take the softmax"),
    (np.full((2, 5), 0.3), [0, 1], r"probabilities\[0\] is \[0.3, .* and more with a sum of 1.5"),
    (np.array([[[1.0, 0.0], [np.nan, 1.0]]]), [0, 1], r"probabilities\[0, 1\] is \[nan"),
    (np.array([0.5, 0.5]), [0, 1], r"shape \(2,\), expected \(\.\.\., n, classes\)"),
    (np.zeros((0, 3)), [], r"shape \(0, 3\), expected .* at least one example"),
    (FIVE, LABELS[:4], r"labels have shape \(4,\).* probabilities of shape \(5, 2\): expected"),
    (FIVE, LABELS[:1], r"labels have shape \(1,\)"),
    (FIVE, np.tile(LABELS, (3, 1)), r"labels have shape \(3, 5\).*expected \(5,\)"),
    (np.stack([FIVE] * 3), np.tile(LABELS, (2, 1)), r"shape \(2, 5\).*expected \(3, 5\) or \(5,\)"),
    (FIVE, [0, 1, 2, 0, 1], r"labels\[2\] is 2, expected a whole number from 0 to 1"),
    (FIVE, [0, 1, -1, 0, 1], r"labels\[2\] is -1, expected a whole number from 0 to 1"),
    (FIVE, LABELS.astype(float), "labels must be .* not float64"),
    (FIVE, np.eye(2)[LABELS], r"labels must be .* not float64 of shape \(5, 2\)"),
    (FIVE, 0, r"labels must be .* not int64 of shape \(\)")])
def test_bad_input_is_named(p, y, message):
    for measure in (expected_calibration_error, reliability):
        with pytest.raises(DataError, match=message):
            measure(p, y)


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_the_number_of_bins_is_a_whole_number_from_1(bins):
    for measure in (expected_calibration_error, reliability):
        with pytest.raises(ConfigError, match="bins must be a whole number of at least 1"):
            measure(FIVE, LABELS, bins)


@pytest.mark.parametrize(("a", "b", "message"), [
    ([0, 1], [0, 1, 1], r"a and b have shapes \(2,\) and \(3,\): the last axis must"),
    ([0, 1, 1], [0], r"a and b have shapes \(3,\) and \(1,\)"),
    (np.zeros((2, 3), int), np.zeros((4, 3), int), r"shapes \(2, 3\) and \(4, 3\)"),
    (FIVE, [[0.0, 3.0]] * 5, r"b\[0\] is \[0.0, 3.0\] with a sum of 3"),
    (["four", "nine"], [0, 1], "a must be the numbers of classes")])
def test_predictions_that_do_not_fit_are_named(a, b, message):
    with pytest.raises(DataError, match=message):
        agreement(a, b)
