"""Retrieval: signatures and retrievers keep scikit-learn's contract, and bounds hold."""

import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils.estimator_checks import check_estimator

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.retrieval.bounds import Mixture, adapted_bound, bhattacharyya, shared_bound
from workbench.retrieval.conformal import ConformalTaskSets, miss_rate, p_values
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import KINDS, Signature
from workbench.tasks.digits import load_digits


@pytest.mark.parametrize("estimator", [
    *(Signature(kind) for kind in KINDS), Signature(covariance="tied"),
    Signature("gaussian", covariance="diag"), ClusteredRetriever(),
    ClusteredRetriever(Signature("kmeans", clusters=1), "mahalanobis")], ids=repr)
def test_scikit_learn_accepts_it(estimator):
    check_estimator(estimator)


def test_retrieval_needs_no_torch():
    code = ("import sys, workbench.retrieval.retrievers, workbench.retrieval.bounds, "
            "workbench.retrieval.conformal; sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Signatures

def test_a_mixture_has_the_densities_of_scikit_learn():
    X = np.random.default_rng(0).normal(size=(60, 3)) @ np.diag([1.0, 2.0, 0.1])
    for covariance in ("full", "tied", "diag"):
        ours = Signature(clusters=3, covariance=covariance).fit(X)
        theirs = GaussianMixture(3, covariance_type=covariance, reg_covar=1e-4,
                                 random_state=0).fit(X)
        np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-9)


def test_the_mean_and_its_variance_are_those_of_the_features():
    X = np.random.default_rng(0).normal(2.0, 3.0, size=(50, 4))
    signature = Signature("mean", ridge=0.5).fit(X)
    np.testing.assert_allclose(signature.means_, X.mean(0, keepdims=True))
    variance = ((X - X.mean(0))**2).mean() + 0.5
    np.testing.assert_allclose(signature.covariances_[0], variance * np.eye(4))


def test_a_dirichlet_process_drops_the_clusters_that_it_does_not_need():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-9, 1, (80, 2)), rng.normal(9, 1, (80, 2))])
    signature = Signature("dpgmm", clusters=8, concentration=1e-3).fit(X)
    assert len(signature.weights_) == len(signature.means_) < 8
    assert signature.weights_.sum() == pytest.approx(1)


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"kind": "gmn"}, UnknownNameError, "unknown kind of signature 'gmn'; known: dpgmm"),
    ({"covariance": "round"}, UnknownNameError, "unknown covariance 'round'"),
    ({"clusters": 9}, ConfigError, r"clusters must be from 1 to the number of samples \(8\)"),
])
def test_settings_that_cannot_work_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        Signature(**settings).fit(np.eye(8))


# Retrieval

@pytest.fixture(scope="module")
def digits():
    """Train and test features of digits in 16 principal components, with the task of each."""
    (x, y), _, (test_x, test_y) = load_digits()
    pca = PCA(16, random_state=0).fit(x)
    return pca.transform(x), y // 2, pca.transform(test_x), test_y // 2


def test_digits_find_their_task(digits):
    x, task, test_x, test_task = digits
    retriever = ClusteredRetriever(Signature(clusters=2)).fit(x, task)
    assert (retriever.predict(test_x) == test_task).mean() > 0.93
    shuffled = np.random.default_rng(0).permutation(task)
    control = ClusteredRetriever(Signature(clusters=2)).fit(x, shuffled)
    assert (control.predict(test_x) == test_task).mean() < 0.45, "chance is 0.2"


def test_a_shrunken_adapter_misleads_log_densities_and_not_distances(digits):
    x, task, test_x, test_task = digits
    scale = np.array([1.0, 1.0, 1.0, 1e-3, 1.0])[:, None]
    own, test_own = x[:, None] * scale, test_x[:, None] * scale
    right = {}
    for measure in ("log_density", "mahalanobis"):
        plain = ClusteredRetriever(Signature(), measure).fit(x, task)
        shrunken = ClusteredRetriever(Signature(ridge=1e-10), measure).fit(own, task)
        right[measure] = [(plain.predict(test_x) == test_task).mean(),
                          (shrunken.predict(test_own) == test_task).mean()]
    assert right["log_density"][0] > 0.95 > 0.6 > right["log_density"][1]
    assert abs(np.diff(right["mahalanobis"])) < 0.03


@pytest.mark.parametrize(("X", "y", "message"), [
    (np.zeros((3, 2)), ["a", "a", "b"], "the task 'b' has 1 sample"),
    (np.zeros((4, 3, 2)), ["a", "a", "b", "b"], r"shape \(4, 3, 2\), expected \(n, 2, d\)"),
])
def test_features_that_cannot_be_used_are_named(X, y, message):
    with pytest.raises(DataError, match=message):
        ClusteredRetriever().fit(X, y)


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
