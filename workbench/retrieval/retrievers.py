"""Retrievers: each returns the task of an input, and a score for every task."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.retrieval.signatures import Signature

MEASURES: dict[str, Callable[[Signature, Floats], Floats]] = {
    "log_density": lambda signature, X: signature.log_densities(X).max(1),
    "mahalanobis": lambda signature, X: -signature.distances(X).min(1),
}
"""How well features fit a signature; higher is better.

``log_density`` is that of the likeliest cluster, without its weight, as in the reference code of
PROTEUS (arXiv 2603.13235). Log densities under different adapters are not comparable: an adapter
that shrinks its features raises them for every input. ``mahalanobis`` has no such term.
"""


class ClusteredRetriever(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # without types
    """Choose the task whose signature fits the features best; no retriever is trained.

    Features have shape (n, d) if all tasks share them, and (n, tasks, d) if each task has features
    of its own adapter, in the order of the sorted names of the tasks.

    Parameters
    ----------
    signature : Signature, optional
        Settings of the signature of every task.
    measure : str
        One of `MEASURES`.

    Attributes
    ----------
    classes_ : ndarray, shape (tasks,)
        The names of the tasks, sorted.
    signatures_ : list of Signature
        One for each task.
    """

    def __init__(self, signature: Signature | None = None, measure: str = "log_density") -> None:
        self.signature, self.measure = signature, measure

    def fit(self, X: Any, y: Any) -> "ClusteredRetriever":
        """Fit a signature to the features of each task; `y` has the name of each row's task.

        Raises `UnknownNameError` for an unknown measure, and `DataError` for a task with one
        sample, which has no covariance.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, allow_nd=True)
        if self.measure not in MEASURES:
            raise UnknownNameError("measure", self.measure, MEASURES)
        check_classification_targets(y)
        self.classes_, counts = np.unique(y, return_counts=True)
        if counts.min() < 2:
            raise DataError(f"the task '{self.classes_[counts.argmin()]}' has 1 sample. A "
                            "signature needs at least 2.")
        self._own_features = X.ndim == 3
        template = Signature(clusters=1) if self.signature is None else self.signature
        self.signatures_ = [clone(template).fit(features[y == task])
                            for task, features in zip(self.classes_, self._views(X), strict=True)]
        return self

    def _views(self, X: Floats) -> list[Floats]:
        """Return the features under each task: a list of (n, d)."""
        tasks = len(self.classes_)
        if X.ndim != 2 + self._own_features or (X.ndim == 3 and X.shape[1] != tasks):
            expected = f"(n, {tasks}, d)" if self._own_features else "(n, d)"
            raise DataError(f"features have shape {X.shape}, expected {expected}")
        return [X[:, k] for k in range(tasks)] if self._own_features else [X] * tasks

    def scores(self, X: Any) -> Floats:
        """Return how well each input fits each task, higher is better: shape (n, tasks)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, allow_nd=True, reset=False)
        fits = MEASURES[self.measure]
        return np.stack([fits(signature, features) for signature, features
                         in zip(self.signatures_, self._views(X), strict=True)], 1)

    def predict(self, X: Any) -> NDArray[np.generic]:
        """Return the name of the task of each input, one input at a time: shape (n,)."""
        best = self.scores(X).argmax(1)
        return np.asarray(self.classes_[best])
