"""Count, mean and scatter of rows that come in pieces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays
from workbench.retrieval.signatures import Signature


@dataclass(frozen=True)
class Moments:
    """Statistics of the rows seen so far."""

    count: NDArray[np.int64]
    """Number of rows, shape ()."""
    mean: Floats
    """Shape (d,)."""
    scatter: Floats
    """Sum of the outer products of the rows less their mean, shape (d, d)."""

    @classmethod
    def empty(cls, d: int) -> "Moments":
        """Return the moments of no rows."""
        return cls(np.array(0), np.zeros(d), np.zeros((d, d)))

    def plus(self, X: Floats) -> "Moments":
        """Return the moments with more rows (Chan, Golub & LeVeque, 1979).

        Sums of squares, subtracted later, would lose the digits of features far from 0.
        """
        count, mean = self.count + len(X), X.mean(0)
        step, centred = mean - self.mean, X - mean
        scatter = (self.scatter + centred.T @ centred
                   + self.count * len(X) / count * np.outer(step, step))
        return Moments(np.asarray(count), self.mean + len(X) / count * step, scatter)

    def gaussian(self, ridge: float, shrinkage: float) -> Signature:
        """Return the signature ``gaussian`` of all the rows."""
        covariance, d = self.scatter / self.count, len(self.mean)
        covariance = covariance + (ridge + shrinkage * np.trace(covariance) / d) * np.eye(d)
        return Signature("gaussian").load_arrays({
            "weights": np.ones(1), "means": self.mean[None], "spread": covariance[None]})

    def to_arrays(self) -> Arrays:
        """Return the state as arrays."""
        return {"count": self.count, "mean": self.mean, "scatter": self.scatter}
