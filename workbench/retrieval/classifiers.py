"""Classifiers that learn from running sums.

They need no gradient, see each row once and forget nothing: the result is the same whether the rows
come in pieces or at once. They are the simple methods that a learned retriever has to beat.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from workbench.errors import DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays, Names, check_names, read_rows
from workbench.retrieval.moments import Moments

RULES = {
    "ncm": "nearest class mean",
    "slda": "class means and one covariance for all (Hayes & Kanan, CVPR workshops 2020)",
    "fecam": "Mahalanobis distance with a covariance for each class, its diagonal and the rest "
             "raised by their means and then made a correlation matrix (Goswami et al., NeurIPS "
             "2023; its power transform and its unit length of features are left to the caller)",
    "ranpac": "ridge regression on max(0, features times a fixed random matrix) (McDonnell et al., "
              "NeurIPS 2023)",
}
"""The rules of `MomentClassifier`."""
RIDGES = 10.0**np.arange(-8, 9)
"""Those that ``ranpac`` chooses from."""


class MomentClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # without types
    """A classifier on means, covariances or random features, summed as the rows come.

    Parameters
    ----------
    rule : str
        One of `RULES`.
    shrinkage : float
        ``slda``: share of the covariance that is replaced by its mean variance in every direction.
        ``fecam``: how often the mean variance and the mean covariance are added.
    projections : int
        Random features of ``ranpac``.
    ridge : float, optional
        Ridge of ``ranpac``. By default it is the one of `RIDGES` with the least squared error on a
        fifth of the newest rows, after a fit to the other new rows.
    random_state : int
        Seed of the random matrix and of that fifth.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The names of the classes, sorted within each call of `partial_fit`, in the order of the
        calls.
    ridge_ : float
        The ridge used, of ``ranpac``.
    """

    def __init__(self, rule: str = "ranpac", shrinkage: float | None = None,
                 projections: int = 1000, ridge: float | None = None,
                 random_state: int = 0) -> None:
        self.rule, self.shrinkage, self.projections = rule, shrinkage, projections
        self.ridge, self.random_state = ridge, random_state

    def fit(self, X: Any, y: Any) -> "MomentClassifier":
        """Learn from features (n, d) and classes (n,); forget earlier rows.

        Raises `DataError` for features that are not finite, or a covariance that is singular.
        """
        return self._learn(X, y, first=True)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "MomentClassifier":
        """Learn from more rows, of new or known classes; `classes` is ignored."""
        return self._learn(X, y, first=not hasattr(self, "classes_"))

    def _learn(self, X: Any, y: Any, first: bool) -> "MomentClassifier":
        if self.rule not in RULES:
            raise UnknownNameError("rule", self.rule, RULES)
        X, y = read_rows(self, X, y, reset=first)
        check_classification_targets(y)
        found = np.unique(y)
        if first:
            d, size = X.shape[1], self.projections
            self.classes_: Names = found
            self._sums: Arrays = {"G": np.zeros((size, size)), "Q": np.zeros((size, 0))} if (
                self.rule == "ranpac") else {
                "count": np.zeros(0, dtype=np.int64), "mean": np.zeros((0, d)),
                "scatter": np.zeros((int(self.rule == "slda"), d, d))}
        else:
            self.classes_ = np.concatenate([self.classes_, np.setdiff1d(found, self.classes_)])
        if self.rule == "ranpac":
            self._add_products(X, y)
        else:
            self._add_moments(X, y)
        self._solve()
        return self

    def _add_moments(self, X: Floats, y: Any) -> None:
        """Add rows; ``slda`` keeps one scatter for all, ``fecam`` one a class, ``ncm`` none."""
        new, none = len(self.classes_) - len(self._sums["count"]), np.zeros((X.shape[1],) * 2)
        count = np.append(self._sums["count"], [0] * new)
        mean = np.pad(self._sums["mean"], ((0, new), (0, 0)))
        scatter = np.pad(self._sums["scatter"],
                         ((0, new if self.rule == "fecam" else 0), (0, 0), (0, 0)))
        for k, label in enumerate(self.classes_):
            rows = X[y == label]
            if not len(rows):
                continue
            old = scatter[k] if self.rule == "fecam" else none
            moments = Moments(count[k], mean[k], old).plus(rows)
            count[k], mean[k] = moments.count, moments.mean
            if self.rule == "fecam":
                scatter[k] = moments.scatter
            elif self.rule == "slda":
                scatter[0] += moments.scatter
        self._sums = {"count": count, "mean": mean, "scatter": scatter}

    def _project(self, X: Floats) -> Floats:
        rng = np.random.default_rng(self.random_state)
        return np.maximum(X @ rng.normal(size=(X.shape[1], self.projections)), 0)

    def _add_products(self, X: Floats, y: Any) -> None:
        H, Y = self._project(X), (y[:, None] == self.classes_).astype(np.float64)
        new = Y.shape[1] - self._sums["Q"].shape[1]
        self._sums = {"G": self._sums["G"] + H.T @ H,
                      "Q": np.pad(self._sums["Q"], ((0, 0), (0, new))) + H.T @ Y}
        self.ridge_ = self._choose_ridge(H, Y) if self.ridge is None else self.ridge

    def _choose_ridge(self, H: Floats, Y: Floats) -> float:
        order = np.random.default_rng([self.random_state, len(H)]).permutation(len(H))
        cut = max(1, int(0.8 * len(H)))
        fit, test = order[:cut], order[cut:] if cut < len(H) else order
        # One decomposition serves all ridges.
        values, vectors = np.linalg.eigh(H[fit].T @ H[fit])
        inner, outer = vectors.T @ (H[fit].T @ Y[fit]), H[test] @ vectors
        values = np.maximum(values, 0)
        errors = [((outer / (values + ridge) @ inner - Y[test])**2).mean() for ridge in RIDGES]
        return float(RIDGES[int(np.argmin(errors))])

    def _solve(self) -> None:
        """Compute the weights of the score from the sums."""
        if self.rule == "ranpac":
            penalised = self._sums["G"] + self.ridge_ * np.eye(self.projections)
            self._weights = np.linalg.solve(penalised, self._sums["Q"])
            return
        count, scatter = self._sums["count"], self._sums["scatter"]
        self._means = self._sums["mean"]
        d = self._means.shape[1]
        if self.rule == "slda":
            within = scatter[0] / count.sum()
            share = 1e-4 if self.shrinkage is None else self.shrinkage
            within = (1 - share) * within + share * np.trace(within) / d * np.eye(d)
            self._inverses = [_inverse(within, "the classes together", int(count.sum()))]
        elif self.rule == "fecam":
            times = 1.0 if self.shrinkage is None else self.shrinkage
            self._inverses = [_inverse(_correlation(one / n, times), f"the class '{label}'", int(n))
                              for label, n, one in zip(self.classes_, count, scatter, strict=True)]

    def scores(self, X: Any) -> Floats:
        """Return how well each input fits each class, higher is better: shape (n, classes)."""
        check_is_fitted(self)
        X = read_rows(self, X)
        if self.rule == "ranpac":
            return np.asarray(self._project(X) @ self._weights)
        if self.rule == "slda":
            directions = self._inverses[0] @ self._means.T
            return np.asarray(X @ directions - (self._means.T * directions).sum(0) / 2)
        if self.rule == "ncm":
            return -np.stack([((X - mean)**2).sum(1) for mean in self._means], 1)
        return -np.stack([(((X - mean) @ inverse) * (X - mean)).sum(1) for mean, inverse
                          in zip(self._means, self._inverses, strict=True)], 1)

    def predict(self, X: Any) -> Names:
        """Return the class of each input: shape (n,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.scores(X).argmax(1)])

    def to_arrays(self) -> Arrays:
        """Return the fitted state as arrays of numbers under flat names, without class names."""
        check_is_fitted(self)
        extra = {"ridge": np.array(self.ridge_)} if self.rule == "ranpac" else {}
        return {**self._sums, **extra, "features": np.array(self.n_features_in_)}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]],
                    classes: Sequence[Any]) -> "MomentClassifier":
        """Take the state of `to_arrays`, bit for bit; `classes` has the names, as in `classes_`."""
        names = ("G", "Q") if self.rule == "ranpac" else ("count", "mean", "scatter")
        self._sums = {name: arrays[name] for name in names}
        self.n_features_in_ = int(arrays["features"])
        if self.rule == "ranpac":
            self.ridge_ = float(arrays["ridge"])
        count = arrays["Q"].shape[1] if self.rule == "ranpac" else len(arrays["count"])
        self.classes_ = check_names("class", classes, count)
        self._solve()
        return self


def _correlation(covariance: Floats, times: float) -> Floats:
    d = len(covariance)
    if d > 1:
        variance = np.trace(covariance) / d
        other = (covariance.sum() - np.trace(covariance)) / (d * (d - 1))
        covariance = covariance + times * (variance * np.eye(d) + other * (1 - np.eye(d)))
    deviations = np.sqrt(np.diagonal(covariance))
    if not deviations.all():
        return np.zeros((d, d))
    return np.asarray(covariance / np.outer(deviations, deviations))


def _inverse(covariance: Floats, whose: str, count: int) -> Floats:
    d = len(covariance)
    if np.linalg.matrix_rank(covariance, hermitian=True) < d:
        raise DataError(f"the covariance of {whose} is singular: {count} sample{'s' * (count != 1)}"
                        f" of {d} features, some of which may be constant. Set a larger shrinkage.")
    return np.asarray(np.linalg.inv(covariance), dtype=np.float64)
