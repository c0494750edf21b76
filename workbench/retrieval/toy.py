"""A toy of task retrieval: clusters of known densities, draws from them, and the exact error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from workbench.errors import ConfigError, UnknownNameError, fraction, positive, whole
from workbench.measure.accuracies import Floats
from workbench.retrieval.bounds import Mixture

COVARIANCES = {"round": "the same variance in every direction",
               "shared": "one full covariance for all clusters",
               "own": "a full covariance for each cluster"}
"""The covariances of a toy."""


@dataclass(frozen=True)
class Toy:
    """Settings of a toy, in which each task has equally likely clusters of a known density."""

    separation: float = 6.0
    """Smallest Mahalanobis distance between the centres of clusters of different tasks."""
    dimension: int = 32
    """Number of features. The centres lie on a circle in two of them; the others are noise."""
    clusters: int = 2
    """Clusters of each task."""
    samples: int = 100
    """Inputs of each task that its signature is fitted to."""
    covariance: str = "round"
    """One of `COVARIANCES`."""
    freedom: float = math.inf
    """Degrees of freedom of a multivariate t distribution; infinite for a Gaussian."""
    scale: float = 1.0
    """The last task's adapter multiplies all features by this number."""
    alpha: float = 0.1
    """Allowed rate of conformal sets without the right task."""
    tasks: int = 5
    """Number of tasks."""
    random_state: int = 0
    """Seed of covariances, inputs and fits."""

    def __post_init__(self) -> None:
        whole(2, dimension=self.dimension, tasks=self.tasks)
        whole(clusters=self.clusters)
        whole(2 * self.clusters, samples=self.samples)
        whole(0, random_state=self.random_state)
        positive(scale=self.scale, **({} if self.freedom == math.inf
                                      else {"freedom": self.freedom}))
        fraction(alpha=self.alpha)
        if not 0 <= self.separation < math.inf:
            raise ConfigError("separation must be a finite number of at least 0, not "
                              f"{self.separation!r}")
        if self.covariance not in COVARIANCES:
            raise UnknownNameError("covariance", self.covariance, COVARIANCES)

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in the order of the alphabet."""
        return [chr(ord("A") + k) for k in range(self.tasks)]

    @property
    def scales(self) -> Floats:
        """The scale of each task's adapter, shape (tasks,)."""
        return np.append(np.ones(self.tasks - 1), self.scale)


def mixtures(toy: Toy) -> list[Mixture]:
    """Return the clusters of each task; with t tails the covariances are its scale matrices."""
    d, count = toy.dimension, toy.tasks * toy.clusters
    rng = np.random.default_rng([toy.random_state, 0])
    covariances = np.stack([np.eye(d)] * count)
    if toy.covariance != "round":
        for i in range(count if toy.covariance == "own" else 1):
            q, _ = np.linalg.qr(rng.normal(size=(d, d)))
            covariances[i] = (q * rng.uniform(0.5, 2.0, d)) @ q.T
        if toy.covariance == "shared":
            covariances[:] = covariances[0]
    # Neighbours on the circle are of different tasks.
    angles = 2 * np.pi * np.arange(count) / count
    means = np.zeros((count, d))
    means[:, 0], means[:, 1] = np.cos(angles), np.sin(angles)
    if toy.covariance == "shared":  # the circle of the whitened features
        means = means @ np.linalg.cholesky(covariances[0]).T
    means *= toy.separation / _smallest_distance(means, covariances, toy.tasks)
    weights = np.full(toy.clusters, 1 / toy.clusters)
    return [Mixture(weights, means[k::toy.tasks], covariances[k::toy.tasks])
            for k in range(toy.tasks)]


def _smallest_distance(means: Floats, covariances: Floats, tasks: int) -> float:
    """Return the smallest distance of different tasks, under the mean of both covariances."""
    one, two = np.triu_indices(len(means), 1)
    foreign = one % tasks != two % tasks
    one, two = one[foreign], two[foreign]
    gap = means[one] - means[two]
    solved = np.linalg.solve((covariances[one] + covariances[two]) / 2, gap[..., None])[..., 0]
    return float(np.sqrt((gap * solved).sum(1)).min())


def draw(toy: Toy, tasks: Sequence[Mixture], n: int, part: int) -> Floats:
    """Return n inputs of each task, shape (tasks, n, d); another `part` is another sample."""
    rng = np.random.default_rng([toy.random_state, part])
    result = np.empty((len(tasks), n, toy.dimension))
    for k, task in enumerate(tasks):
        which = rng.integers(toy.clusters, size=n)
        z = rng.normal(size=(n, toy.dimension))
        if toy.freedom < math.inf:
            z *= np.sqrt(toy.freedom / rng.chisquare(toy.freedom, n))[:, None]
        for c, factor in enumerate(np.linalg.cholesky(task.covariances)):
            result[k, which == c] = task.means[c] + z[which == c] @ factor.T
    return result


def exact_error(toy: Toy) -> float:
    r"""Return the error of the likeliest cluster under the true densities, all of one covariance.

    Whitened, the centres are at N = tasks x clusters corners on a circle of radius
    :math:`r=\Delta/(2\sin(\pi/N))`, and the rule decides by the direction, whose density is
    :math:`f(\theta)=\frac{e^{-r^2/2}}{2\pi}+\frac{r\cos\theta}{\sqrt{2\pi}}\Phi(r\cos\theta)
    e^{-r^2\sin^2\theta/2}`, integrated over the sectors of other tasks: an error of phase-shift
    keying. A t distribution is a mixture of such Gaussians over r.
    """
    N = toy.tasks * toy.clusters
    r, mass = np.array([toy.separation / (2 * math.sin(math.pi / N))]), np.ones(1)
    if toy.freedom < math.inf:
        w = np.exp(np.linspace(math.log(1e-6), math.log(1e3 * toy.freedom), 300))
        r = r * np.sqrt(w / toy.freedom)
        mass = chi2.pdf(w, toy.freedom) * w * math.log(w[1] / w[0])
    nodes, weights = np.polynomial.legendre.leggauss(40)
    sectors = np.array([i for i in range(N) if i % toy.tasks])
    theta = 2 * np.pi * (sectors[:, None] + nodes / 2) / N
    r = r[:, None, None]
    along = r * np.cos(theta)
    density = (np.exp(-r**2 / 2) / (2 * np.pi) + along / math.sqrt(2 * np.pi) * norm.cdf(along)
               * np.exp(-(r * np.sin(theta))**2 / 2))
    return float(mass @ (density * weights * np.pi / N).sum((1, 2)))
