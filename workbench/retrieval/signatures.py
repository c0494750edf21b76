"""Signatures: Gaussian clusters that describe the features of one task."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import get_blas_funcs, solve_triangular
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils.validation import check_is_fitted

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays, read_rows

KINDS = {
    "mean": "one cluster with the same variance in every direction",
    "kmeans": "several clusters by k-means, all with the same variance in every direction",
    "gaussian": "one cluster with a covariance",
    "gmm": "a Gaussian mixture",
    "dpgmm": "a Dirichlet-process Gaussian mixture, of which the empty clusters are dropped",
}
"""The kinds of signature."""
COVARIANCES = ("full", "tied", "diag")
"""One for each cluster, one for all of them, variances only."""
EMPTY = 1e-3
"""Weight under which a cluster of a ``dpgmm`` is dropped."""
ROWS = 500
"""Inputs whitened at once, so that they stay in the processor's cache."""


class Signature(DensityMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gaussian clusters fitted to the features of one task.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    clusters : int
        Number of clusters, for a ``dpgmm`` the largest.
    covariance : {"full", "tied", "diag"}
        Form of the covariance of ``gaussian``, ``gmm`` and ``dpgmm``.
    concentration : float, optional
        Concentration of a ``dpgmm``; by default 1 over the number of clusters.
    ridge : float
        Added to every variance.
    shrinkage : float
        Added to every variance too, as a multiple of the mean variance of the features. Without a
        ridge, distances are then the same for features multiplied by any number.
    random_state : int
        Seed of the fit.

    Attributes
    ----------
    weights_ : ndarray, shape (clusters,)
    means_ : ndarray, shape (clusters, d)
    covariances_ : ndarray, shape (clusters, d, d)
    log_determinants_ : ndarray, shape (clusters,)
        Log determinants of the covariances.
    """

    log_determinants_: Floats

    def __init__(self, kind: str = "gmm", clusters: int = 2, covariance: str = "full",
                 concentration: float | None = None, ridge: float = 1e-4,
                 shrinkage: float = 0.0, random_state: int = 0) -> None:
        self.kind, self.clusters, self.covariance = kind, clusters, covariance
        self.concentration, self.ridge, self.shrinkage = concentration, ridge, shrinkage
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> "Signature":
        """Fit the clusters to features of shape (n, d); `y` is ignored.

        Raises `UnknownNameError` for an unknown kind or covariance, `ConfigError` for more clusters
        than samples, and `DataError` for features that are not finite or, without a ridge, have no
        variance in some direction.
        """
        X = read_rows(self, X, reset=True, least=2)
        if self.kind not in KINDS:
            raise UnknownNameError("kind of signature", self.kind, KINDS)
        if self.covariance not in COVARIANCES:
            raise UnknownNameError("covariance", self.covariance, COVARIANCES)
        count = 1 if self.kind in ("mean", "gaussian") else self.clusters
        if not 1 <= count <= len(X):
            raise ConfigError(f"clusters must be from 1 to the number of samples ({len(X)}), "
                              f"not {count}")
        constant = np.flatnonzero(np.ptp(X, axis=0) == 0)
        added = self.ridge + self.shrinkage * float(X.var(0).mean())
        if len(constant) and not added:
            raise DataError(f"feature {constant[0]} has the same value in all {len(X)} rows and no "
                            "variance. Leave it out, or set a ridge or shrinkage above 0.")
        if self.kind in ("mean", "kmeans"):
            self._fit_round(X, count, added)
        else:
            self._fit_mixture(X, count, added)
        self._factorise()
        return self

    def _fit_round(self, X: Floats, count: int, added: float) -> None:
        if count == 1:
            labels, self.means_ = np.zeros(len(X), dtype=int), X.mean(0, keepdims=True)
        else:
            found = KMeans(count, n_init=4, random_state=self.random_state).fit(X)
            labels, self.means_ = found.labels_, found.cluster_centers_
        self._spread = np.array([((X - self.means_[labels])**2).mean() + added])
        self.weights_ = np.bincount(labels, minlength=count) / len(X)

    def _fit_mixture(self, X: Floats, count: int, added: float) -> None:
        options: dict[str, Any] = {"n_components": count, "covariance_type": self.covariance,
                                   "reg_covar": added, "random_state": self.random_state}
        if self.kind == "dpgmm":
            mixture: Any = BayesianGaussianMixture(
                weight_concentration_prior=self.concentration, max_iter=500, **options)
        else:
            mixture = GaussianMixture(**options)
        try:
            mixture.fit(X)
        except ValueError as error:
            if "ill-defined" not in str(error):
                raise
            raise self._singular() from error
        kept = mixture.weights_ > (EMPTY if self.kind == "dpgmm" else -1)
        self.weights_ = mixture.weights_[kept] / mixture.weights_[kept].sum()
        self.means_ = mixture.means_[kept]
        spread = mixture.covariances_
        self._spread = spread[None] if self.covariance == "tied" else spread[kept]

    def _singular(self) -> DataError:
        return DataError(f"a covariance of {self.n_features_in_} features is singular: the "
                         "samples are too few or lie in a plane. Set a larger ridge, fewer "
                         "clusters, or covariance='diag'.")

    def _factorise(self) -> None:
        """Compute the factors that whiten, from `_spread`.

        `_spread` has shape (1,) for a single variance, (clusters, d) for variances, and for
        covariances (clusters, d, d), or (1, d, d) if all clusters share one.
        """
        clusters, d = self.means_.shape
        if self._spread.ndim < 3:
            variances = np.broadcast_to(self._spread, (clusters, d))
            if variances.min() <= 0:
                raise self._singular()
            self._whiten: list[Floats] = list(1 / np.sqrt(variances))
            self.log_determinants_ = np.log(variances).sum(1)
            return
        try:
            factors = [np.linalg.cholesky(c) for c in self._spread]
        except np.linalg.LinAlgError as error:
            raise self._singular() from error
        pivots = np.stack([np.diagonal(f) for f in factors])
        # A pivot squared is the variance of a feature that is left given those before it.
        if (pivots**2 < 1e-13 * np.diagonal(self._spread, axis1=1, axis2=2)).any():
            raise self._singular()
        whiten = [np.ascontiguousarray(solve_triangular(f, np.eye(d), lower=True).T)
                  for f in factors]
        self._whiten = whiten * (clusters // len(whiten))
        self.log_determinants_ = np.broadcast_to(2 * np.log(pivots).sum(1), (clusters,))

    @property
    def covariances_(self) -> Floats:
        """The covariance of each cluster, shape (clusters, d, d)."""
        clusters, d = self.means_.shape
        if self._spread.ndim == 1:
            return np.stack([self._spread[0] * np.eye(d)] * clusters)
        if self._spread.ndim == 2:
            return np.stack([np.diag(variances) for variances in self._spread])
        return np.broadcast_to(self._spread, (clusters, d, d))

    def distances(self, X: Any, dtype: DTypeLike = np.float64) -> Floats:
        """Return the squared Mahalanobis distance to each cluster: (n, d) to (n, clusters).

        With `dtype` float32 the products are computed in it, which takes about half the time.
        """
        check_is_fitted(self)
        X = read_rows(self, X)
        # Differences far from the origin lose digits in single: move it in double first.
        centre = self.means_.mean(0)
        X, means = ((rows - centre).astype(dtype, copy=False) for rows in (X, self.means_))
        return np.stack([_squared_norms(X, mean, whiten.astype(dtype, copy=False))
                         for mean, whiten in zip(means, self._whiten, strict=True)], 1)

    def log_densities(self, X: Any, dtype: DTypeLike = np.float64) -> Floats:
        """Return the log density of each cluster, without its weight: (n, d) to (n, clusters)."""
        d = self.distances(X, dtype)
        constant = self.log_determinants_ + self.means_.shape[1] * math.log(2 * math.pi)
        return np.asarray(-0.5 * (d + constant), dtype=np.float64)

    def score_samples(self, X: Any, dtype: DTypeLike = np.float64) -> Floats:
        """Return the log density of the mixture: (n, d) to (n,)."""
        return np.asarray(logsumexp(self.log_densities(X, dtype) + np.log(self.weights_), axis=1))

    def score(self, X: Any, y: object = None) -> float:
        """Return the mean log density of features; `y` is ignored."""
        return float(self.score_samples(X).mean())

    def to_arrays(self) -> Arrays:
        """Return the fitted state as arrays of numbers; no covariance is stored twice."""
        check_is_fitted(self)
        return {"weights": self.weights_, "means": self.means_, "spread": self._spread}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> "Signature":
        """Take the state of `to_arrays`, bit for bit, and return the signature."""
        self.weights_, self.means_ = arrays["weights"], arrays["means"]
        self._spread = arrays["spread"]
        self.n_features_in_ = self.means_.shape[1]
        self._factorise()
        return self


def _squared_norms(X: Floats, mean: Floats, whiten: Floats) -> Floats:
    """Return the squared lengths of whitened differences: (n, d) to (n,).

    `whiten` is a vector, or an upper triangle: `trmm` multiplies by it in half the operations.
    """
    trmm = get_blas_funcs("trmm", dtype=X.dtype)
    norms = np.empty(len(X))
    for start in range(0, len(X), ROWS):
        z = X[start:start + ROWS] - mean
        z = z * whiten if whiten.ndim == 1 else trmm(1.0, whiten.T, z.T, lower=1, overwrite_b=1).T
        norms[start:start + ROWS] = np.einsum("ij,ij->i", z, z)
    return norms
