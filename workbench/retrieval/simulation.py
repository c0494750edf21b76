"""Errors, bounds and conformal sets of a toy of task retrieval, side by side."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from workbench.measure.accuracies import Floats
from workbench.measure.intervals import wilson_interval
from workbench.retrieval.bounds import Mixture, adapted_bound, paper_bound, shared_bound
from workbench.retrieval.conformal import ConformalTaskSets, miss_rate
from workbench.retrieval.signatures import Signature
from workbench.retrieval.toy import Toy, draw, exact_error, mixtures

HELD_OUT, TEST = 99, 400
"""Inputs of each task for its held-out scores, and for the measured errors."""
RIDGE = 1e-4
"""Added to every variance, before an adapter's scale."""


@dataclass(frozen=True)
class Outcome:
    """The result of `measure`."""

    toy: Toy
    errors: pd.DataFrame
    """Rows of errors and bounds by name: kind (measured, true, bound), value, low, high, and why
    (the reason for which a bound does not hold here, or nothing)."""
    sets: dict[str, float]
    """Of the conformal sets: asked (1 - alpha), expected (the exact mean), low and high (where 95 %
    of draws lie), coverage, size (mean number of tasks), empty (share), and the coverage of a
    chi-square cut-off."""
    inputs: Floats
    """Test inputs under an adapter of scale 1, shape (tasks, n, d)."""
    centres: Floats
    """Centres of the clusters, shape (tasks, clusters, d)."""


def measure(toy: Toy) -> Outcome:
    """Fit signatures to inputs of a toy and measure them on others, beside all bounds.

    Raises `ConfigError` if `alpha` is too small for the held-out inputs of a task.
    """
    tasks = mixtures(toy)
    train, held_out, test = (draw(toy, tasks, n, part) for part, n
                             in enumerate((toy.samples, HELD_OUT, TEST), 1))
    # The ridge follows the scale, so that the scale is all that differs.
    signatures = [Signature(clusters=toy.clusters, ridge=RIDGE * scale**2).fit(x * scale)
                  for x, scale in zip(train, toy.scales, strict=True)]
    fitted = [Mixture(s.weights_, s.means_, s.covariances_) for s in signatures]
    flat, right = test.reshape(-1, toy.dimension), np.repeat(np.arange(toy.tasks), TEST)
    to_clusters = [m.distances(flat * scale) for m, scale in zip(fitted, toy.scales, strict=True)]
    # A log density is half of this, plus a constant: the determinant contains the adapter's scale.
    log_densities = np.stack([-(d + m.log_determinants).min(1)
                              for d, m in zip(to_clusters, fitted, strict=True)], 1)
    distances = np.stack([d.min(1) for d in to_clusters], 1)
    conformal = ConformalTaskSets({
        name: m.distances(x * scale).min(1) for name, m, x, scale
        in zip(toy.names, fitted, held_out, toy.scales, strict=True)})
    # Equal p-values are ordered by the distance.
    ranks = conformal.p_values(distances) - 1e-6 * distances / (1 + distances)
    rows = {"fitted log density": _rate(log_densities.argmax(1) != right),
            "fitted Mahalanobis distance": _rate(distances.argmin(1) != right),
            "p-value of that distance": _rate(ranks.argmax(1) != right)}
    measured = pd.DataFrame.from_dict(rows, "index", columns=["value", "low", "high"])
    parts = [measured.assign(kind="measured", why=""), _truth(toy, tasks, flat, right),
             _bounds(toy, tasks, fitted)]
    errors = pd.concat(parts)
    return Outcome(toy, errors, _sets(toy, conformal, distances, right), test,
                   np.stack([task.means for task in tasks]))


def _rate(wrong: NDArray[np.bool_]) -> tuple[float, float, float]:
    return float(wrong.mean()), *wilson_interval(int(wrong.sum()), len(wrong))


def _truth(toy: Toy, tasks: Sequence[Mixture], x: Floats,
           right: NDArray[np.intp]) -> pd.DataFrame:
    """Return the row of the true densities: exact, or on the test inputs if covariances differ.

    It is for adapters of scale 1: with a known scale the errors are the same.
    """
    if toy.covariance != "own":
        values = (exact_error(toy),) * 3
    elif toy.freedom == math.inf:
        values = _rate(np.stack([t.log_densities(x).max(1) for t in tasks], 1).argmax(1) != right)
    else:
        tails = toy.freedom + toy.dimension
        values = _rate(np.stack([
            (-tails * np.log1p(t.distances(x) / toy.freedom) - t.log_determinants).max(1)
            for t in tasks], 1).argmax(1) != right)
    return pd.DataFrame([[*values, "true", ""]], ["true densities"],
                        ["value", "low", "high", "kind", "why"])


def _bounds(toy: Toy, tasks: Sequence[Mixture], fitted: Sequence[Mixture]) -> pd.DataFrame:
    tails = "assumes Gaussian clusters" if toy.freedom < math.inf else ""
    one = "assumes one embedding" if toy.scale != 1 else ""
    equal = "assumes equal covariances" if toy.covariance == "own" else ""
    unscaled = [Mixture(m.weights, m.means / scale, m.covariances / scale**2)
                for m, scale in zip(fitted, toy.scales, strict=True)]
    adapted, paper = _adapter_bounds(toy, tasks)
    values = {
        "normal form": (shared_bound(tasks, equal_covariance=True), equal or tails or one),
        "B1": (shared_bound(tasks), tails or one),
        "B2": (adapted, tails),
        "paper's condition": (paper, "reconstructed, can be false"),
        "B1 of the fitted densities": (shared_bound(unscaled), "of the fit, not of the data")}
    return pd.DataFrame([[v, v, v, "bound", why] for v, why in values.values()], list(values),
                        ["value", "low", "high", "kind", "why"])


def _adapter_bounds(toy: Toy, tasks: Sequence[Mixture]) -> tuple[float, float]:
    """Return the mean of B2 over the clusters, and the worst of the paper's condition."""
    adapted, paper = [], []
    for k, own in enumerate(tasks):
        for mean, covariance in zip(own.means, own.covariances, strict=True):
            foreign = [(mean * s, covariance * s**2, m * s, c * s**2)
                       for i, (other, s) in enumerate(zip(tasks, toy.scales, strict=True))
                       if i != k for m, c in zip(other.means, other.covariances, strict=True)]
            scaled = covariance * toy.scales[k]**2
            adapted.append(adapted_bound(scaled, foreign))
            paper.append(paper_bound(scaled, foreign, (toy.tasks - 1) * toy.tasks * toy.clusters))
    return float(np.mean(adapted)), max(paper)


def _sets(toy: Toy, conformal: ConformalTaskSets, distances: Floats,
          right: NDArray[np.intp]) -> dict[str, float]:
    members = conformal.predict(distances, toy.alpha)
    own = np.arange(len(right)), right
    miss = miss_rate(toy.alpha, HELD_OUT)
    # The miss rate of a task has a beta distribution over its held-out scores; its test inputs add
    # a binomial one.
    spread = 1.96 * math.sqrt(miss * (1 - miss) / toy.tasks
                              * (1 + (HELD_OUT + 1) / TEST) / (HELD_OUT + 2))
    cut = distances <= chi2.ppf(1 - toy.alpha, toy.dimension)
    return {"asked": 1 - toy.alpha, "expected": 1 - miss, "low": 1 - miss - spread,
            "high": min(1 - miss + spread, 1.0), "coverage": float(members[own].mean()),
            "size": float(members.sum(1).mean()), "empty": float((~members.any(1)).mean()),
            "chi-square coverage": float(cut[own].mean())}


def sweep(toy: Toy, separations: Iterable[float]) -> pd.DataFrame:
    """Return the errors and bounds of a toy at several separations, in rows with a name."""
    parts = [measure(replace(toy, separation=float(s))).errors.assign(separation=float(s))
             for s in separations]
    return pd.concat(parts).rename_axis("name").reset_index()
