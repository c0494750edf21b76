"""Conformal task sets and bounds hold."""

import math

import numpy as np
import pytest

from workbench.errors import ConfigError, DataError
from workbench.retrieval.bounds import Mixture, adapted_bound, bhattacharyya, shared_bound
from workbench.retrieval.conformal import ConformalTaskSets, miss_rate, p_values

# Conformal task sets

@pytest.mark.parametrize("case", range(500))
def test_the_right_task_is_left_out_exactly_as_often_as_promised(case):
    """Held-out and new scores of any continuous distribution, any n, any alpha."""
    rng = np.random.default_rng([13, case])
    n, alpha, runs = int(rng.integers(5, 60)), float(rng.uniform(0.02, 0.5)), 3000
    draw = [lambda size: rng.standard_t(2, size), lambda size: rng.exponential(size=size),
            lambda size: rng.chisquare(rng.integers(1, 40), size),
            lambda size: (rng.standard_t(2, (*size, 8))**2).sum(-1)][case % 4]
    scores = draw((runs, n + 1))
    ranks = 1 + (scores[:, :-1] >= scores[:, -1:]).sum(1)
    missed = (ranks / (n + 1) <= alpha + 1e-12).mean()
    rate = miss_rate(alpha, n)
    assert rate <= alpha + 1e-12
    assert abs(missed - rate) < 5 * math.sqrt(max(rate * (1 - rate), 1 / runs) / runs)
    one = p_values(scores[:1, -1], scores[0, :-1])
    assert one[0] == ranks[0] / (n + 1), "the formula of the test is that of the package"


def test_a_strictly_increasing_change_of_one_adapter_s_scores_changes_nothing():
    rng = np.random.default_rng(0)
    held_out = {task: rng.exponential(size=30) for task in "abc"}
    scores = rng.exponential(size=(200, 3))
    changed = {**held_out, "b": np.exp(8 * held_out["b"])}
    other = scores.copy()
    other[:, 1] = np.exp(8 * other[:, 1])
    before, after = ConformalTaskSets(held_out), ConformalTaskSets(changed)
    assert np.array_equal(before.p_values(scores), after.p_values(other))
    assert np.array_equal(before.predict(scores, 0.1), after.predict(other, 0.1))


def test_a_set_has_every_task_whose_p_value_is_above_alpha_and_may_be_empty():
    sets = ConformalTaskSets({"a": np.arange(9.0), "b": np.arange(9.0)})
    assert sets.tasks == ["a", "b"]
    np.testing.assert_allclose(sets.p_values([[0, 8], [8.5, 99]]), [[1, 0.2], [0.1, 0.1]])
    assert sets.predict([[0, 8], [8.5, 99]], 0.1).tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(("held_out", "scores", "alpha", "error", "message"), [
    ({}, [[]], 0.1, DataError, "at least one task"),
    ({"a": []}, [[1.0]], 0.1, DataError, "a has no held-out scores"),
    ({"a": [1.0, np.nan]}, [[1.0]], 0.1, DataError, "row 1 of the scores of a is nan"),
    ({"a": np.arange(9.0)}, [[1.0, 2.0]], 0.1, DataError, r"expected \(n, 1\): a column for each"),
    ({"a": np.arange(8.0)}, [[1.0]], 0.1, ConfigError, "at least 9 held-out scores .* a has 8"),
    ({"a": np.arange(9.0)}, [[1.0]], 1.0, ConfigError, "alpha must be between 0 and 1, not 1.0"),
])
def test_scores_that_cannot_be_used_are_named(held_out, scores, alpha, error, message):
    with pytest.raises(error, match=message):
        ConformalTaskSets(held_out).predict(scores, alpha)


# Bounds

def random_covariance(rng, d):
    """A covariance with variances from 0.3 to 3 in random directions."""
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return (q * rng.uniform(0.3, 3.0, d)) @ q.T


def random_tasks(rng, d, tasks, clusters, spread):
    return [Mixture(rng.dirichlet(np.full(clusters, 3.0)), spread * rng.normal(size=(clusters, d)),
                    np.stack([random_covariance(rng, d) for _ in range(clusters)]))
            for _ in range(tasks)]


def draw(rng, mixture, n):
    """Draw n inputs of a task."""
    which = rng.choice(len(mixture.weights), n, p=mixture.weights)
    factors = np.linalg.cholesky(mixture.covariances)
    return mixture.means[which] + np.einsum("nij,nj->ni", factors[which],
                                            rng.normal(size=(n, mixture.means.shape[1])))


def error_of(rng, tasks, weighted, n=1000):
    """The share of inputs that the rule of the bound gives to another task."""
    wrong = []
    for k, own in enumerate(tasks):
        x = draw(rng, own, n)
        scores = np.stack([(t.log_densities(x) + weighted * np.log(t.weights)).max(1)
                           for t in tasks], 1)
        wrong.append((scores.argmax(1) != k).mean())
    return float(np.mean(wrong))


@pytest.mark.parametrize("case", range(500))
def test_the_error_on_known_densities_is_never_above_the_bound(case):
    rng = np.random.default_rng([7, case])
    d, clusters, m = int(rng.integers(1, 7)), int(rng.integers(1, 3)), int(rng.integers(2, 4))
    tasks, weighted = random_tasks(rng, d, m, clusters, rng.uniform(0.5, 4.0)), bool(case % 2)
    bound, error = shared_bound(tasks, weighted), error_of(rng, tasks, weighted, 400)
    assert error <= bound + 5 * math.sqrt(max(min(bound, 1) * (1 - min(bound, 1)), 0.01) / 400)


@pytest.mark.parametrize("case", range(500))
def test_the_error_under_adapters_is_never_above_the_bound(case):
    """Inputs of one cluster, whose features under each of three adapters are Gaussian."""
    rng = np.random.default_rng([8, case])
    d, n = int(rng.integers(1, 9)), 1000
    own = random_covariance(rng, d)
    foreign = [(rng.uniform(0, 8) * rng.normal(size=d), random_covariance(rng, d), np.zeros(d),
                random_covariance(rng, d)) for _ in range(3)]
    bound = adapted_bound(own, foreign)
    own_score = Mixture(np.ones(1), np.zeros((1, d)), own[None]).log_densities(
        draw(rng, Mixture(np.ones(1), np.zeros((1, d)), own[None]), n))[:, 0]
    best = np.full(n, -np.inf)
    for mean, covariance, signature_mean, signature_covariance in foreign:
        x = draw(rng, Mixture(np.ones(1), mean[None], covariance[None]), n)
        signature = Mixture(np.ones(1), signature_mean[None], signature_covariance[None])
        best = np.maximum(best, signature.log_densities(x)[:, 0])
    error = float((best >= own_score).mean())
    assert error <= bound + 5 * math.sqrt(0.01 / n) or bound >= 1


def test_the_bound_is_within_a_factor_of_12_at_separation_6():
    """Five tasks of two round clusters in 64 dimensions, all centres 6 apart."""
    rng = np.random.default_rng(0)
    centres = 6 / math.sqrt(2) * np.eye(64)[:10].reshape(5, 2, 64)
    tasks = [Mixture(np.full(2, 0.5), pair, np.stack([np.eye(64)] * 2)) for pair in centres]
    error = error_of(rng, tasks, False, 8000)
    bound, equal = shared_bound(tasks), shared_bound(tasks, equal_covariance=True)
    assert error <= equal <= bound <= 12 * error
    assert equal == pytest.approx(8 * 0.00135, rel=0.01), "eight foreign clusters, Phi(-3) each"


def test_equal_gaussians_are_at_no_distance_and_the_distance_has_two_sides():
    rng = np.random.default_rng(0)
    (a, b), (p, q) = rng.normal(size=(2, 3)), (random_covariance(rng, 3) for _ in range(2))
    assert bhattacharyya(a, p, a, p) == pytest.approx(0, abs=1e-12)
    assert bhattacharyya(a, p, b, q) == pytest.approx(bhattacharyya(b, q, a, p))
    assert bhattacharyya(a, np.eye(3), b, np.eye(3)) == pytest.approx(((a - b)**2).sum() / 8)


def test_a_singular_covariance_is_named():
    flat = Mixture(np.ones(1), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    with pytest.raises(DataError, match="a covariance is singular"):
        shared_bound([flat, flat])
