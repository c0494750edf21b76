"""Self-distillation of kernel ridge: each claim with a proof holds to rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import norm
from scipy.optimize import minimize_scalar
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from workbench.errors import ConfigError, DataError
from workbench.kernel import (
    collapse_bounds,
    correction_round,
    equal_similarity,
    rounds_until_collapse,
    smoother,
    soft_rounds,
)

seeds = st.integers(0, 2**32 - 1)
penalties = st.floats(-4, 2).map(lambda exponent: 10.0**exponent)
few = settings(max_examples=60, deadline=None)
GRAM, TARGETS = np.eye(4) + 0.5, np.arange(8.0).reshape(4, 2)


def problem(seed, n=12, d=3, outputs=2):
    """Gram matrix, Gram matrix of 5 new inputs, and targets."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 5, d))
    gram = rbf_kernel(x, gamma=float(10 ** rng.uniform(-2, 1)))
    return gram[:n, :n], gram[n:, :n], rng.normal(size=(n, outputs))


def given_labels(classes, per_class, counts):
    """One-hot labels: of each class, counts[j] examples have the label of the j-th next class."""
    shifts = np.repeat(np.arange(classes), counts)
    assert len(shifts) == per_class
    return np.eye(classes)[(np.arange(classes)[:, None] + shifts).ravel() % classes]


def cases_of_noise():
    """Label counts, from no wrong label to 70 %, beside the similarity and the penalty."""
    for counts in ([20, 0, 0, 0], [17, 3, 0, 0], [14, 6, 0, 0], [11, 9, 0, 0], [9, 6, 5, 0],
                   [7, 5, 4, 4], [6, 5, 5, 4, 0], [45, 0, 15, 0], [18, 14, 14, 14],
                   [3, 1, 2, 2, 2]):
        for within, across in ((0.5, 0.1), (0.9, 0.6), (0.3, -0.05)):
            for penalty in (0.05, 0.5, 3.0):
                yield pytest.param(counts, within, across, penalty,
                                   id=f"{counts}-{within}-{penalty}")


# Rounds

@few
@given(seeds, penalties, st.floats(-1, 1))
def test_rounds_are_ridge_fitted_again_and_again(seed, penalty, weight):
    gram, new, targets = problem(seed)
    rounds, beyond = (soft_rounds(gram, targets, penalty, 4, k, weight) for k in (None, new))
    current = targets
    for fitted, predicted in zip(rounds, beyond, strict=True):
        ridge = KernelRidge(alpha=penalty, kernel="precomputed").fit(gram, current)
        np.testing.assert_allclose(fitted, ridge.predict(gram), atol=1e-8)
        np.testing.assert_allclose(predicted, ridge.predict(new), atol=1e-8)
        np.testing.assert_allclose(fitted, smoother(gram, penalty) @ current, atol=1e-8)
        current = weight * targets + (1 - weight) * fitted


def test_several_penalties_are_a_first_axis():
    gram, new, targets = problem(3)
    both = soft_rounds(gram, targets, [0.1, 2.0], 3, new, 0.2)
    assert both.shape == (2, 3, 5, 2)
    for each, penalty in zip(both, (0.1, 2.0), strict=True):
        np.testing.assert_allclose(each, soft_rounds(gram, targets, penalty, 3, new, 0.2))


# 1 and 2: the path of ridge

@few
@given(seeds, penalties, st.floats(-2, 2))
def test_one_round_is_a_step_along_the_tangent_of_the_ridge_path(seed, penalty, mixing):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=20)
    spread = x.T @ x + penalty * np.eye(4)
    ridge = np.linalg.solve(spread, x.T @ y)
    student = np.linalg.solve(spread, x.T @ ((1 - mixing) * y + mixing * x @ ridge))
    step = ridge - mixing * penalty * np.linalg.solve(spread, ridge)
    assert norm(student - step) <= 1e-10 * norm(ridge)
    second = soft_rounds(x @ x.T, y[:, None], penalty, 2, weight=1 - mixing)[1, :, 0]
    assert norm(second - x @ step) <= 1e-10 * norm(y)


def mixture(gram, new, targets, y, penalty):
    """The best mixing for new labels, its gain, and the risk as a function of the penalty."""
    def risk(lam):
        return float(np.mean((y - soft_rounds(gram, targets, lam, 1, new)[0])**2))

    teacher, student = soft_rounds(gram, targets, penalty, 2, new)
    best = np.sum((y - teacher) * (student - teacher)) / np.sum((student - teacher)**2)
    mixed = soft_rounds(gram, targets, penalty, 2, new, 1 - best)[1]
    return best, risk(penalty) - np.mean((y - mixed)**2), np.mean((student - teacher)**2), risk


@few
@given(seeds, st.floats(-2, 1).map(lambda exponent: 10.0**exponent))
def test_the_best_mixing_has_the_sign_and_the_gain_of_the_slope_of_the_risk(seed, penalty):
    gram, new, targets = problem(seed)
    y = np.random.default_rng(seed + 1).normal(size=(5, 2))
    best, gain, squared, risk = mixture(gram, new, targets, y, penalty)
    slope = (risk(penalty * 1.0001) - risk(penalty / 1.0001)) / 0.0002  # in the log of the penalty
    assert best == pytest.approx(-slope / (2 * squared), rel=1e-3, abs=1e-4)
    assert gain == pytest.approx(slope**2 / (4 * squared), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_at_the_best_penalty_one_round_gains_nothing(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3))
    clean = np.sin(x[:, :1])
    gram, targets = rbf_kernel(x, gamma=0.3), clean[:20] + 0.5 * rng.normal(size=(20, 1))
    arguments = gram[:20, :20], gram[20:, :20], targets, clean[20:]
    found = minimize_scalar(lambda log: mixture(*arguments, math.exp(log))[3](math.exp(log)),
                            bounds=(-4, 4), method="bounded", options={"xatol": 1e-9})
    assert -3.9 < found.x < 3.9
    assert abs(mixture(*arguments, math.exp(found.x))[1]) < 1e-9
    assert mixture(*arguments, math.exp(found.x - 1))[0] > 0.01
    assert mixture(*arguments, math.exp(found.x + 1))[0] < -0.01


@few
@given(seeds, st.floats(-3, 1).map(lambda exponent: 10.0**exponent), st.floats(0.05, 1))
def test_for_ever_is_ridge_with_the_penalty_over_the_weight(seed, penalty, weight):
    gram, _, targets = problem(seed)
    rounds = math.ceil(30 / -math.log1p(-min(weight, 1 - 1e-12)))
    last = soft_rounds(gram, targets, penalty, rounds, weight=weight)[-1]
    ridge = smoother(gram, penalty / weight) @ targets
    assert norm(last - ridge) <= 1e-10 * norm(targets)


# 3: collapse

@pytest.mark.parametrize("block", range(10))
def test_rounds_until_collapse_are_within_the_bounds_for_every_kernel(block):
    rng = np.random.default_rng(block)
    for _ in range(50):
        n = int(rng.integers(2, 15))
        values = 10 ** rng.uniform(-4, 2, n)
        vectors = np.linalg.qr(rng.normal(size=(n, n)))[0]
        targets = rng.normal(size=(n, int(rng.integers(1, 4))))
        tolerance = float((targets**2).sum() / n / rng.uniform(1, 8)**2)
        low, high = collapse_bounds(targets, tolerance)
        rounds = rounds_until_collapse(vectors * values @ vectors.T, targets, tolerance)
        assert low <= rounds <= high


@few
@given(seeds, st.integers(2, 9), st.floats(0.05, 0.95))
def test_with_equal_eigenvalues_the_lower_bound_is_the_number_of_rounds(seed, whole, part):
    targets = np.random.default_rng(seed).normal(size=(6, 2))
    tolerance = float((targets**2).sum() / 6 / (whole + part)**2)
    assert rounds_until_collapse(3 * np.eye(6), targets, tolerance) == whole
    assert math.ceil(collapse_bounds(targets, tolerance)[0]) == whole


def test_the_rounds_until_collapse_worked_out_by_hand():
    gram, targets = np.diag([4.0, 1.0]), np.array([[3.0], [4.0]])
    # The first penalty is 1, since (3 / 5)^2 + (4 / 2)^2 = 4.36 = 2 * 2.18. It leaves (2.4, 2),
    # with the square 9.76. The second is 4.624 and leaves 1.37, below 4.36: the third model is 0.
    assert rounds_until_collapse(gram, targets, 2.18) == 2
    assert rounds_until_collapse(gram, targets, 12.5) == 0
    assert rounds_until_collapse(gram, targets, 12.4) == 1


# 4: correction

@pytest.mark.parametrize(("counts", "within", "across", "penalty"), [*cases_of_noise()])
def test_the_predicted_round_is_the_first_without_a_wrong_label(counts, within, across, penalty):
    classes, per_class = len(counts), sum(counts)
    margin = (counts[0] - max(counts[1:])) / per_class
    predicted = correction_round(within, across, per_class, penalty, margin)
    labels = given_labels(classes, per_class, counts)
    truth = np.repeat(np.arange(classes), per_class)
    rounds = soft_rounds(equal_similarity(within, across, per_class, classes), labels, penalty,
                         int(predicted))
    right = rounds.argmax(-1) == truth
    assert right[-1].all()
    if max(counts[1:]):
        wrong = labels.argmax(1) != truth
        assert not right[:-1, wrong].all(1).any()
    assert right[:, labels.argmax(1) == truth].all()


def test_the_round_of_correction_worked_out_by_hand():
    # a = 1/2, b = (0.5 + 10 * 0.4) / 5 = 0.9; (1 + D) / D = 3.5; 1.8^2 = 3.24 < 3.5 < 1.8^3.
    assert correction_round(0.5, 0.1, 10, 0.5, 0.4) == 3
    assert correction_round(0.5, 0.1, 10, 0.5, 0.5) == 2


@pytest.mark.parametrize("change", [{"margin": 0.0}, {"margin": -0.3}, {"within": 0.1},
                                    {"within": 0.0}])
def test_where_no_round_corrects_the_round_is_infinite(change):
    assert correction_round(**{"within": 0.5, "across": 0.1, "per_class": 10, "penalty": 0.5,
                               "margin": 0.4} | change) == math.inf


def test_without_a_majority_of_right_labels_a_class_stays_wrong():
    labels = given_labels(3, 10, [4, 6, 0])
    rounds = soft_rounds(equal_similarity(0.5, 0.1, 10, 3), labels, 0.5, 300)
    truth = np.repeat(np.arange(3), 10)
    assert not (rounds.argmax(-1) == truth).all(1).any()
    assert (rounds[-1].argmax(-1) != truth).all()


# 5 and 6: smoothed and hard labels

@few
@given(seeds, penalties, st.floats(0.01, 0.9))
def test_label_smoothing_adds_the_same_number_to_every_class(seed, penalty, eps):
    gram, new, scores = problem(seed, outputs=3)
    labels = np.eye(3)[scores.argmax(1)]
    plain = soft_rounds(gram, labels, penalty, 1, new)[0]
    smooth = soft_rounds(gram, (1 - eps) * labels + eps / 3, penalty, 1, new)[0]
    added = soft_rounds(gram, np.ones((12, 1)), penalty, 1, new)[0] * eps / 3
    np.testing.assert_allclose(smooth, (1 - eps) * plain + added, atol=1e-10)
    best = np.sort(plain, 1)
    clear = best[:, -1] - best[:, -2] > 1e-9
    assert (plain.argmax(1) == smooth.argmax(1))[clear].all()


@few
@given(seeds)
def test_hard_labels_of_a_model_that_interpolates_are_the_labels(seed):
    gram, new, scores = problem(seed, outputs=3)
    gram = gram + 0.1 * np.eye(12)
    labels = np.eye(3)[scores.argmax(1)]
    fitted, again = soft_rounds(gram, labels, 1e-6, 2)
    hard = np.eye(3)[fitted.argmax(1)]
    assert (hard == labels).all() and not (again == fitted).all()


# 7: filters

@pytest.mark.parametrize("distinct", [2, 3, 4])
def test_rounds_reach_any_filter_with_as_many_as_there_are_distinct_eigenvalues(distinct):
    rng = np.random.default_rng(distinct)
    values = np.repeat(np.geomspace(3, 0.3, distinct), 2)
    vectors = np.linalg.qr(rng.normal(size=(2 * distinct,) * 2))[0]
    wanted, penalty, targets = rng.uniform(0, 1, distinct), 0.7, rng.normal(size=(2 * distinct, 1))
    ridge = values[::2] / (values[::2] + penalty)
    # P of degree r with P(1) = 1 and s P(s) as wanted; each weight takes one degree off.
    nodes = np.append(ridge, 1)
    P = np.linalg.solve(np.vander(nodes, increasing=True), np.append(wanted / ridge, 1))
    weights = []
    for _ in range(distinct):
        weights.append(P[0])
        P = P[1:] / (1 - P[0])
    last = soft_rounds(vectors * values @ vectors.T, targets, penalty, distinct + 1,
                       weight=weights[::-1])[-1]
    best = vectors * np.repeat(wanted, 2) @ vectors.T @ targets
    np.testing.assert_allclose(last, best, atol=1e-9)


# Errors

@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: smoother(GRAM, 0.0), ConfigError, "penalty must be a finite number above 0, not 0.0"),
    (lambda: smoother(GRAM[:3], 1.0), DataError, r"gram must have shape \(3, 3\), not \(3, 4\)"),
    (lambda: smoother(np.triu(GRAM), 1.0), DataError, "gram must be symmetric"),
    (lambda: smoother(-GRAM, 1.0), DataError, "gram has the negative eigenvalue -3"),
    (lambda: smoother(GRAM * [1, 1, np.nan, 1], 1.0), DataError, r"gram\[0, 2\] is nan"),
    (lambda: soft_rounds(GRAM, TARGETS, [1.0, -1.0], 2), ConfigError, "penalty must be one or sev"),
    (lambda: soft_rounds(GRAM, TARGETS, 1.0, 0), ConfigError, "rounds must be a whole number of"),
    (lambda: soft_rounds(GRAM, TARGETS[:, 0], 1.0, 1), DataError,
     r"targets must have shape \(4, columns\), not \(4,\)"),
    (lambda: soft_rounds(GRAM, TARGETS[:3], 1.0, 1), DataError, "targets must have shape"),
    (lambda: soft_rounds(GRAM, TARGETS, 1.0, 1, GRAM[:, :3]), DataError,
     r"new must have shape \(rows, 4\), not \(4, 3\)"),
    (lambda: soft_rounds(GRAM, TARGETS, 1.0, 3, weight=[0.1]), ConfigError,
     "weight must be a finite number, or one for each of 2 later rounds"),
    (lambda: soft_rounds(GRAM, TARGETS, 1.0, 3, weight=math.nan), ConfigError, "weight must be"),
    (lambda: equal_similarity(0.5, 0.1, 0, 3), ConfigError, "per_class must be a whole number"),
    (lambda: equal_similarity(0.5, 0.1, 3, 1), ConfigError, "classes must be a whole number of"),
    (lambda: correction_round(1.0, 0.1, 3, 1.0, 0.5), ConfigError,
     "within must be from -1 to 1 and below 1, not 1.0"),
    (lambda: correction_round(0.5, -2.0, 3, 1.0, 0.5), ConfigError, "across must be from -1 to 1,"),
    (lambda: correction_round(0.5, 0.1, 3, -1.0, 0.5), ConfigError, "penalty must be a finite"),
    (lambda: correction_round(0.5, 0.1, 3, 1.0, 40.0), ConfigError, "margin must be from -1 to 1"),
    (lambda: correction_round(0.5, 0.1, 3.5, 1.0, 0.4), ConfigError, "per_class must be a whole"),
    (lambda: collapse_bounds(TARGETS, 0.0), ConfigError, "tolerance must be a finite number above"),
    (lambda: rounds_until_collapse(np.ones((4, 4)), TARGETS, 1.0), DataError,
     "gram must be positive definite, its smallest eigenvalue is 0"),
])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
