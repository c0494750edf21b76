"""Signatures keep scikit-learn's contract and have the densities that they say."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.utils.estimator_checks import check_estimator

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.retrieval.signatures import KINDS, Signature

EVERY = [Signature("mean"), Signature("kmeans"),
         *(Signature(kind, covariance=covariance) for kind in ("gaussian", "gmm", "dpgmm")
           for covariance in ("full", "tied", "diag"))]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(1.0, 1.0, size=(60, 3)) @ np.diag([1.0, 2.0, 0.1])


def test_all_kinds_are_tested():
    assert {signature.kind for signature in EVERY} == set(KINDS)


@pytest.mark.parametrize("signature", EVERY, ids=repr)
def test_scikit_learn_accepts_it(signature):
    check_estimator(signature)


@pytest.mark.parametrize("signature", EVERY, ids=repr)
def test_densities_are_those_of_the_means_and_covariances(signature, X):
    signature.fit(X)
    expected = np.stack([multivariate_normal(mean, covariance).logpdf(X) for mean, covariance
                         in zip(signature.means_, signature.covariances_, strict=True)], 1)
    np.testing.assert_allclose(signature.log_densities(X), expected, rtol=1e-9)
    single = signature.log_densities(X, np.float32)
    np.testing.assert_allclose(single, expected, rtol=1e-4)
    assert not np.array_equal(single, expected)


@pytest.mark.parametrize("signature", EVERY, ids=repr)
def test_a_stored_signature_comes_back_bit_for_bit(signature, X):
    arrays = {name: values.copy() for name, values in signature.fit(X).to_arrays().items()}
    restored = type(signature)(**signature.get_params()).load_arrays(arrays)
    assert all(values.dtype == np.float64 for values in arrays.values())
    assert np.array_equal(restored.score_samples(X), signature.score_samples(X))
    assert np.array_equal(restored.covariances_, signature.covariances_)
    full = sum(values.size for values in (signature.weights_, signature.means_,
                                          signature.covariances_))
    stored = sum(values.size for values in arrays.values())
    assert stored <= full and (stored < full or len(signature.weights_) == 1
                               or signature.covariance == "full")


def test_a_mixture_has_the_densities_of_scikit_learn(X):
    for covariance in ("full", "tied", "diag"):
        ours = Signature(clusters=3, covariance=covariance).fit(X)
        theirs = GaussianMixture(3, covariance_type=covariance, reg_covar=1e-4,
                                 random_state=0).fit(X)
        np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-9)


def test_many_rows_in_many_dimensions_are_those_of_scikit_learn():
    """More rows than are whitened at once, far from the origin."""
    rng = np.random.default_rng(0)
    X = 100 + rng.normal(size=(2300, 40)) @ rng.normal(size=(40, 40))
    ours = Signature("gaussian").fit(X)
    theirs = GaussianMixture(1, reg_covar=1e-4).fit(X).score_samples(X)
    assert abs(ours.score_samples(X) - theirs).max() < 1e-8
    # In single, a distance has the digits of single, though features are far from the origin.
    far = Signature("gaussian").fit(X + 1e5)
    single, double = far.distances(X + 1e5, np.float32), far.distances(X + 1e5)
    assert (abs(single / double - 1) < 1e-4).all()


def test_the_mean_and_its_variance_are_those_of_the_features():
    X = np.random.default_rng(0).normal(2.0, 3.0, size=(50, 4))
    signature = Signature("mean", ridge=0.5).fit(X)
    np.testing.assert_allclose(signature.means_, X.mean(0, keepdims=True))
    variance = ((X - X.mean(0))**2).mean() + 0.5
    np.testing.assert_allclose(signature.covariances_[0], variance * np.eye(4))


@pytest.mark.parametrize("signature", EVERY, ids=repr)
def test_with_shrinkage_alone_a_scale_of_the_features_changes_no_distance(signature, X):
    settings = {**signature.get_params(), "ridge": 0.0, "shrinkage": 0.1}
    plain, scaled = (type(signature)(**settings).fit(scale * X).distances(scale * X)
                     for scale in (1.0, 1e-6))
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)


def test_shrinkage_adds_a_share_of_the_mean_variance(X):
    plain = Signature("gaussian", ridge=0.0).fit(X).covariances_[0]
    shrunken = Signature("gaussian", ridge=0.0, shrinkage=0.5).fit(X).covariances_[0]
    np.testing.assert_allclose(shrunken, plain + 0.5 * np.trace(plain) / 3 * np.eye(3))


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


def rows(column, value=None):
    X = np.random.default_rng(0).normal(size=(20, 4))
    X[:, 2] = X[:, 0] if value is None else X[:, 2]
    if value is not None:
        X[column] = value
    return X


@pytest.mark.parametrize("kind", ["gaussian", "gmm", "dpgmm"])
@pytest.mark.parametrize(("X", "message"), [
    (rows((slice(None), 1), 7.0), "feature 1 has the same value in all 20 rows"),
    (rows(None), "a covariance of 4 features is singular: the samples are too few or lie in"),
    (rows((3, 2), np.nan), "row 3, feature 2 of X is NaN"),
    (rows((0, 1), -np.inf), "row 0, feature 1 of X is infinity"),
])
def test_features_that_have_no_density_are_named(kind, X, message):
    with pytest.raises(DataError, match=message):
        Signature(kind, ridge=0).fit(X)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ridge_makes_a_constant_feature_harmless(kind):
    X = rows((slice(None), 1), 7.0)
    assert np.isfinite(Signature(kind).fit(X).score_samples(X)).all()


def test_a_covariance_whose_variance_is_lost_in_rounding_is_singular():
    spread = np.array([[[1.0, 1 - 1e-15], [1 - 1e-15, 1.0]]])
    np.linalg.cholesky(spread)
    with pytest.raises(DataError, match="a covariance of 2 features is singular"):
        Signature().load_arrays({"weights": np.ones(1), "means": np.zeros((1, 2)),
                                 "spread": spread})


def test_equal_rows_have_no_variance_in_any_direction():
    with pytest.raises(DataError, match="feature 0 has the same value in all 5 rows"):
        Signature("mean", ridge=0).fit(np.ones((5, 2)))
