"""Bounds on the probability that the wrong task is retrieved, for Gaussian clusters.

They hold for known densities. With fitted ones they certify the fit, not the data: show the
held-out error beside them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from workbench.errors import DataError
from workbench.measure.accuracies import Floats


@dataclass(frozen=True)
class Mixture:
    """The Gaussian clusters of one task."""

    weights: Floats
    """Shape (clusters,), their sum is 1."""
    means: Floats
    """Shape (clusters, d)."""
    covariances: Floats
    """Shape (clusters, d, d)."""

    def log_densities(self, x: ArrayLike) -> Floats:
        """Return the log density of each cluster, without its weight: (n, d) to (n, clusters)."""
        x = np.asarray(x, dtype=np.float64)
        columns = []
        for mean, covariance in zip(self.means, self.covariances, strict=True):
            factor = _cholesky(covariance)
            z = np.linalg.solve(factor, (x - mean).T)
            columns.append(-0.5 * (z**2).sum(0) - np.log(np.diagonal(factor)).sum()
                           - 0.5 * len(mean) * math.log(2 * math.pi))
        return np.stack(columns, 1)


def _cholesky(covariance: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise DataError("a covariance is singular or not symmetric, so that it has no density. "
                        "Add a small number to its diagonal, or use fewer features than "
                        "samples.") from error


def bhattacharyya(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    r"""Return the Bhattacharyya distance of two Gaussians (Bhattacharyya, 1943).

    :math:`D_B=\tfrac18\Delta\mu^\top\bar\Sigma^{-1}\Delta\mu
    +\tfrac12\log\frac{|\bar\Sigma|}{\sqrt{|\Sigma_a||\Sigma_b|}}` with the mean
    :math:`\bar\Sigma` of the covariances, so that :math:`\int\sqrt{pq}=e^{-D_B}`.
    """
    factor = _cholesky((cov_a + cov_b) / 2)
    z = np.linalg.solve(factor, mean_a - mean_b)
    log_roots = [np.log(np.diagonal(f)).sum() for f in (factor, _cholesky(cov_a), _cholesky(cov_b))]
    return float(z @ z / 8 + log_roots[0] - (log_roots[1] + log_roots[2]) / 2)


def shared_bound(tasks: Sequence[Mixture], weighted: bool = False,
                 equal_covariance: bool = False) -> float:
    r"""Return a bound on the error of retrieval where all tasks share one embedding (B1).

    All tasks are equally likely. The rule is the task of the cluster with the highest density, or
    with `weighted` the highest density times weight; the weighted bound also holds for the task
    with the highest density in all.

    An input from cluster p of task k is lost only if some foreign cluster has
    :math:`r\,q(x)\ge p(x)`, with r = 1 or the ratio of the weights. This has probability
    :math:`\int p\,1[rq\ge p]\le\sqrt r\int\sqrt{pq}=\sqrt r\,e^{-D_B}`; the bound is the sum over
    all foreign clusters, averaged over p. With `equal_covariance` the probability is exact,
    :math:`\Phi(-\Delta/2+\log r/\Delta)` with the Mahalanobis distance :math:`\Delta`. Above 1
    the bound says nothing.
    """
    total = 0.0
    for k, own in enumerate(tasks):
        for weight, mean, covariance in zip(own.weights, own.means, own.covariances, strict=True):
            for i, other in enumerate(tasks):
                if i == k:
                    continue
                for w, m, c in zip(other.weights, other.means, other.covariances, strict=True):
                    ratio = w / weight if weighted else 1.0
                    if equal_covariance:
                        z = np.linalg.solve(_cholesky(covariance), mean - m)
                        gap = max(float(np.linalg.norm(z)), 1e-12)
                        lost = float(norm.cdf(-gap / 2 + math.log(ratio) / gap))
                    else:
                        lost = math.sqrt(ratio) * math.exp(-bhattacharyya(mean, covariance, m, c))
                    total += float(weight) * min(lost, 1.0) / len(tasks)
    return total


def adapted_bound(own_covariance: Floats, foreign: Sequence[tuple[Floats, Floats, Floats, Floats]],
                  ) -> float:
    r"""Return a bound on the error for inputs of one cluster where each task has an embedding (B2).

    `own_covariance` is that of the cluster under its own adapter, which has shape (d, d). `foreign`
    has, for each cluster of another task, mean and covariance of these inputs under that task's
    adapter, where they must be Gaussian, and then mean and covariance of the signature.

    Write a and C for the mean and covariance of an input whitened by the signature, kappa for the
    log ratio of the signature's determinant to that of `own_covariance`. The input is lost if
    :math:`\chi^2_d\ge\|z\|^2+\kappa` with :math:`z\sim N(a,C)`. By the tails of Laurent & Massart
    (2000) and Birge (2001), both sides cross :math:`d+2\sqrt{dx}+2x` with probability at most
    :math:`e^{-x}` each, if :math:`\sqrt x=\tfrac12(\sqrt{R^2+2G}-R)`,
    :math:`G=\|a\|^2+\mathrm{tr}\,C+\kappa-d`,
    :math:`R=\sqrt{\mathrm{tr}\,C^2+2a^\top Ca}+\sqrt d`. The sum is
    :math:`e^{-\min x}+\sum e^{-x}`. Above 1 it says nothing.
    """
    d = len(own_covariance)
    own_log_det = 2 * np.log(np.diagonal(_cholesky(own_covariance))).sum()
    exponents = []
    for mean, covariance, signature_mean, signature_covariance in foreign:
        factor = _cholesky(signature_covariance)
        a = np.linalg.solve(factor, mean - signature_mean)
        C = np.linalg.solve(factor, np.linalg.solve(factor, covariance).T)
        kappa = 2 * np.log(np.diagonal(factor)).sum() - own_log_det
        G = a @ a + np.trace(C) + kappa - d
        R = math.sqrt((C**2).sum() + 2 * a @ C @ a) + math.sqrt(d)
        exponents.append(((math.sqrt(R**2 + 2 * G) - R) / 2)**2 if G > 0 else 0.0)
    return math.exp(-min(exponents)) + sum(math.exp(-x) for x in exponents)
