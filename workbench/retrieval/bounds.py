"""Bounds on the probability that the wrong task is retrieved, for Gaussian clusters.

They hold for known densities. With fitted ones they certify the fit, not the data: show the
held-out error beside them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.stats import norm

from workbench.errors import DataError, fraction
from workbench.measure.accuracies import Floats
from workbench.retrieval.signatures import Signature


@dataclass(frozen=True)
class Mixture:
    """The Gaussian clusters of one task."""

    weights: Floats
    """Shape (clusters,), their sum is 1."""
    means: Floats
    """Shape (clusters, d)."""
    covariances: Floats
    """Shape (clusters, d, d)."""

    @cached_property
    def _signature(self) -> Signature:
        return Signature(clusters=len(self.weights)).load_arrays({
            "weights": self.weights, "means": self.means, "spread": self.covariances})

    @property
    def log_determinants(self) -> Floats:
        """Log determinant of each covariance, shape (clusters,)."""
        return self._signature.log_determinants_

    def distances(self, x: ArrayLike) -> Floats:
        """Return the squared Mahalanobis distance to each cluster: (n, d) to (n, clusters)."""
        return self._signature.distances(x)

    def log_densities(self, x: ArrayLike) -> Floats:
        """Return the log density of each cluster, without its weight: (n, d) to (n, clusters)."""
        return self._signature.log_densities(x)


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
    return float(_bhattacharyya(np.stack([mean_a, mean_b]), np.stack([cov_a, cov_b]))[0, 1])


def _bhattacharyya(means: Floats, covariances: Floats) -> Floats:
    """Return the Bhattacharyya distances of all pairs, shape (clusters, clusters)."""
    one, two = np.triu_indices(len(means), 1)
    factors = _cholesky((covariances[one] + covariances[two]) / 2)
    z = np.stack([solve_triangular(factor, gap, lower=True)
                  for factor, gap in zip(factors, means[one] - means[two], strict=True)])
    own, middle = (np.log(np.diagonal(f, axis1=1, axis2=2)).sum(1)
                   for f in (_cholesky(covariances), factors))
    result = np.zeros((len(means), len(means)))
    result[one, two] = (z**2).sum(1) / 8 + middle - (own[one] + own[two]) / 2
    return result + result.T


def shared_bound(tasks: Sequence[Mixture], weighted: bool = False,
                 equal_covariance: bool = False) -> float:
    r"""Return a bound on the error of retrieval where all tasks share one embedding (B1).

    All tasks are equally likely. The rule is the task of the cluster with the highest density, or
    with `weighted` the highest density times weight; the weighted bound also holds for the task
    with the highest density in all.

    An input from cluster p of task k gets a wrong task only if some foreign cluster has
    :math:`r\,q(x)\ge p(x)`, with r = 1 or the ratio of the weights. This has probability
    :math:`\int p\,1[rq\ge p]\le\sqrt r\int\sqrt{pq}=\sqrt r\,e^{-D_B}`; the bound is the sum over
    all foreign clusters, averaged over p. With `equal_covariance` the probability is exact,
    :math:`\Phi(-\Delta/2+\log r/\Delta)` with the Mahalanobis distance :math:`\Delta`. Above 1 the
    bound says nothing.
    """
    task = np.concatenate([np.full(len(t.weights), k) for k, t in enumerate(tasks)])
    weights, means, covariances = (np.concatenate([getattr(t, name) for t in tasks])
                                   for name in ("weights", "means", "covariances"))
    ratio = weights / weights[:, None] if weighted else np.ones((len(task), len(task)))
    if equal_covariance:
        squared = Mixture(weights, means, covariances).distances(means).T
        gap = np.maximum(np.sqrt(squared), 1e-12)
        lost = norm.cdf(-gap / 2 + np.log(ratio) / gap)
    else:
        lost = np.sqrt(ratio) * np.exp(-_bhattacharyya(means, covariances))
    lost = np.where(task[:, None] != task, np.minimum(lost, 1), 0)
    return float(weights @ lost.sum(1) / len(tasks))


def adapted_bound(own_covariance: Floats, foreign: Sequence[tuple[Floats, Floats, Floats, Floats]],
                  ) -> float:
    r"""Return a bound on the error for inputs of one cluster where each task has an embedding (B2).

    `own_covariance` is that of the cluster under its own adapter, which has shape (d, d). `foreign`
    has, for each cluster of another task, mean and covariance of these inputs under that task's
    adapter, where they must be Gaussian, and then mean and covariance of the signature.

    Write a and C for the mean and covariance of an input whitened by the signature, kappa for the
    log ratio of the signature's determinant to that of `own_covariance`. The input gets a wrong
    task if :math:`\chi^2_d\ge\|z\|^2+\kappa` with :math:`z\sim N(a,C)`. By the tails of Laurent &
    Massart (2000) and Birge (2001), both sides cross :math:`d+2\sqrt{dx}+2x` with probability at
    most :math:`e^{-x}` each, if :math:`\sqrt x=\tfrac12(\sqrt{R^2+2G}-R)`,
    :math:`G=\|a\|^2+\mathrm{tr}\,C+\kappa-d`, :math:`R=\sqrt{\mathrm{tr}\,C^2+2a^\top Ca}+\sqrt d`.
    The sum is :math:`e^{-\min x}+\sum e^{-x}`. Above 1 it says nothing.
    """
    d, exponents = len(own_covariance), []
    for a2, trace, trace2, aCa, kappa in _whitened(own_covariance, foreign):
        G, R = a2 + trace + kappa - d, math.sqrt(trace2 + 2 * aCa) + math.sqrt(d)
        exponents.append(((math.sqrt(R**2 + 2 * G) - R) / 2)**2 if G > 0 else 0.0)
    return math.exp(-min(exponents)) + sum(math.exp(-x) for x in exponents)


def _whitened(own_covariance: Floats, foreign: Sequence[tuple[Floats, Floats, Floats, Floats]],
              ) -> list[list[float]]:
    """Return a'a, tr C, tr C^2, a'Ca and kappa of `adapted_bound` for each foreign cluster."""
    own_log_det = 2 * np.log(np.diagonal(_cholesky(own_covariance))).sum()
    rows = []
    for mean, covariance, signature_mean, signature_covariance in foreign:
        factor = _cholesky(signature_covariance)
        both = np.column_stack([covariance, mean - signature_mean])
        half = solve_triangular(factor, both, lower=True, check_finite=False)
        a, C = half[:, -1], solve_triangular(factor, half[:, :-1].T, lower=True, check_finite=False)
        kappa = 2 * np.log(np.diagonal(factor)).sum() - own_log_det
        rows.append([float(v) for v in (a @ a, np.trace(C), (C**2).sum(), a @ C @ a, kappa)])
    return rows


def paper_delta(eps: float, d: int, clusters: int, kappa: float = 0.0, variance: float = 1.0,
                from_script: bool = False) -> float:
    r"""Return the delta that the condition of PROTEUS needs for an error of at most `eps`.

    Reconstructed from the first author's script, ``theories.py``, "Check Eq. (28)", in
    github.com/Alisia0303/HESTIA: the theorems of the paper (arXiv 2603.13235) could not be read.
    With N = 1 + `clusters`, :math:`L=\log(N/\epsilon)` and :math:`M=3d\sigma^2-\kappa`,

    .. math:: \delta\ge\tfrac2d\max\{\tfrac14(M+\sqrt{M^2-24d\sigma^2\kappa})-\kappa,\;
              L(\sqrt{1+4d/L}+1)\}.

    Parameters
    ----------
    eps : float
        Between 0 and 1.
    d : int
        Number of features.
    clusters : int
        Number of tasks minus 1, times the number of clusters of all tasks, as in the script.
    kappa : float
        Smallest log ratio of the determinant of a foreign signature to that of the own cluster.
    variance : float
        The largest variance of a feature of the task's inputs under a foreign adapter.
    from_script : bool
        Use the logarithm as the script has it, :math:`\log(\tfrac N\epsilon(\sqrt\cdot+1))`.
        One parenthesis differs, and the condition becomes much weaker: in 16 features of standard
        deviation 0.1 it certifies 1 % for 10 round clusters, one for each task, whose exact error
        is 6.8 %.

    Returns
    -------
    float
        Infinity where the square root does not exist: a moderate kappa above 0, for which the
        script has NaN.

    Notes
    -----
    The first part compares delta, which does not depend on the unit of the features, with a
    variance, which does: at kappa = 0 it is delta >= 3 `variance`. Features multiplied by 10 need
    100 times the delta. See `paper_bound` for a case in which the whole condition is false.
    """
    fraction(eps=eps)
    N = clusters + 1
    L = max(math.log(N / eps), 1e-12)
    root = math.sqrt(1 + 4 * d / L) + 1
    spread = _paper_spread(d, kappa, variance)
    return 2 / d * max(spread, math.log(N / eps * root) if from_script else L * root)


def _paper_spread(d: int, kappa: float, variance: float) -> float:
    """Return the part of the condition that does not depend on eps."""
    M = 3 * d * variance - kappa
    square = M**2 - 24 * d * variance * kappa
    return (M + math.sqrt(square)) / 4 - kappa if square >= 0 else math.inf


def paper_bound(own_covariance: Floats, foreign: Sequence[tuple[Floats, Floats, Floats, Floats]],
                clusters: int) -> float:
    r"""Return the smallest eps that the condition of PROTEUS certifies for one cluster.

    See `paper_delta`, also for `clusters`; the other arguments are those of `adapted_bound`. As
    reconstructed this is no bound: two round Gaussians in 2 features at a distance of 10 are
    mistaken with probability 2.9e-7, and it certifies 2.7e-10. At equal covariances it falls with
    the distance as :math:`e^{-\Delta^2/4}`, the error as :math:`e^{-\Delta^2/8}`.

    :math:`\delta=\min(\|a\|^2+\mathrm{tr}\,C)/d-1` over the foreign clusters. The script has
    :math:`\|a\|^2` alone there: it averages over pairs of inputs, which loses the trace. Above 1,
    and infinite where the part of the condition without eps fails, it says nothing.
    """
    d = len(own_covariance)
    rows = _whitened(own_covariance, foreign)
    u = (min(a2 + trace for a2, trace, *_ in rows) - d) / 2
    kappa = min(row[4] for row in rows)
    variance = max(float(np.diagonal(covariance).max()) for _, covariance, _, _ in foreign)
    if u <= 0 or u < _paper_spread(d, kappa, variance):
        return math.inf
    return (clusters + 1) * math.exp(-u**2 / (2 * u + 4 * d))  # L(sqrt(1 + 4d/L) + 1) = u
