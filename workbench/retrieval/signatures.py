"""Signatures: Gaussian clusters that describe the features of one task."""

import math
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import ConfigError, UnknownNameError
from workbench.measure.accuracies import Floats

KINDS = {
    "mean": "one cluster with the same variance in every direction",
    "kmeans": "several clusters by k-means, all with the same variance in every direction",
    "gaussian": "one cluster with a covariance",
    "gmm": "a Gaussian mixture",
    "dpgmm": "a Dirichlet-process Gaussian mixture, of which the empty clusters are dropped",
}
"""The kinds of signature."""
EMPTY = 1e-3
"""Weight under which a cluster of a ``dpgmm`` is dropped."""


class Signature(DensityMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gaussian clusters fitted to the features of one task.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    clusters : int
        Number of clusters, for a ``dpgmm`` the largest.
    covariance : {"full", "tied", "diag"}
        Of ``gaussian``, ``gmm`` and ``dpgmm``.
    concentration : float, optional
        Of a ``dpgmm``; by default 1 over the number of clusters.
    ridge : float
        Added to every variance.
    random_state : int
        Seed of the fit.

    Attributes
    ----------
    weights_ : ndarray, shape (clusters,)
    means_ : ndarray, shape (clusters, d)
    covariances_ : ndarray, shape (clusters, d, d)
    """

    def __init__(self, kind: str = "gmm", clusters: int = 2, covariance: str = "full",
                 concentration: float | None = None, ridge: float = 1e-4,
                 random_state: int = 0) -> None:
        self.kind, self.clusters, self.covariance = kind, clusters, covariance
        self.concentration, self.ridge, self.random_state = concentration, ridge, random_state

    def fit(self, X: Any, y: object = None) -> "Signature":
        """Fit the clusters to features of shape (n, d); `y` is ignored.

        Raises `UnknownNameError` for an unknown kind or covariance, `ConfigError` for more clusters
        than samples, and ValueError, as scikit-learn does, for features that are not finite.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if self.kind not in KINDS:
            raise UnknownNameError("kind of signature", self.kind, KINDS)
        if self.covariance not in ("full", "tied", "diag"):
            raise UnknownNameError("covariance", self.covariance, ("full", "tied", "diag"))
        count = 1 if self.kind in ("mean", "gaussian") else self.clusters
        if not 1 <= count <= len(X):
            raise ConfigError(f"clusters must be from 1 to the number of samples ({len(X)}), not "
                              f"{self.clusters!r}")
        if self.kind in ("mean", "kmeans"):
            self._fit_round(X, count)
        else:
            self._fit_mixture(X, count)
        # Inverse Cholesky factors: a product with them whitens a difference.
        identity = np.eye(X.shape[1])
        factors = [np.linalg.cholesky(c) for c in self.covariances_]
        self._whiten = np.stack([np.linalg.solve(f, identity).T for f in factors])
        self._log_det = np.array([2 * np.log(np.diagonal(f)).sum() for f in factors])
        return self

    def _fit_round(self, X: Floats, count: int) -> None:
        if count == 1:
            labels, self.means_ = np.zeros(len(X), dtype=int), X.mean(0, keepdims=True)
        else:
            found = KMeans(count, n_init=4, random_state=self.random_state).fit(X)
            labels, self.means_ = found.labels_, found.cluster_centers_
        variance = ((X - self.means_[labels])**2).mean() + self.ridge
        self.covariances_ = np.stack([variance * np.eye(X.shape[1])] * count)
        self.weights_ = np.bincount(labels, minlength=count) / len(X)

    def _fit_mixture(self, X: Floats, count: int) -> None:
        options: dict[str, Any] = {"n_components": count, "covariance_type": self.covariance,
                                   "reg_covar": self.ridge, "random_state": self.random_state}
        if self.kind == "dpgmm":
            mixture: Any = BayesianGaussianMixture(
                weight_concentration_prior=self.concentration, max_iter=500, **options)
        else:
            mixture = GaussianMixture(**options)
        mixture.fit(X)
        kept = mixture.weights_ > (EMPTY if self.kind == "dpgmm" else -1)
        self.weights_ = mixture.weights_[kept] / mixture.weights_[kept].sum()
        self.means_ = mixture.means_[kept]
        if self.covariance == "tied":
            self.covariances_ = np.stack([mixture.covariances_] * int(kept.sum()))
        elif self.covariance == "diag":
            self.covariances_ = np.stack([np.diag(c) for c in mixture.covariances_[kept]])
        else:
            self.covariances_ = mixture.covariances_[kept]

    def distances(self, X: Any) -> Floats:
        """Return the squared Mahalanobis distance to each cluster: (n, d) to (n, clusters)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.stack([(((X - mean) @ whiten)**2).sum(1)
                         for mean, whiten in zip(self.means_, self._whiten, strict=True)], 1)

    def log_densities(self, X: Any) -> Floats:
        """Return the log density of each cluster, without its weight: (n, d) to (n, clusters)."""
        d = self.distances(X)
        constant = self._log_det + self.means_.shape[1] * math.log(2 * math.pi)
        return np.asarray(-0.5 * (d + constant), dtype=np.float64)

    def score_samples(self, X: Any) -> Floats:
        """Return the log density of the mixture: (n, d) to (n,)."""
        return np.asarray(logsumexp(self.log_densities(X) + np.log(self.weights_), axis=1))

    def score(self, X: Any, y: object = None) -> float:
        """Return the mean log density of features; `y` is ignored."""
        return float(self.score_samples(X).mean())
