"""Shared by signatures, classifiers and retrievers: checked features, and the tasks so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from workbench.errors import DataError, UnknownNameError
from workbench.measure.accuracies import Floats

Arrays = dict[str, NDArray[Any]]
"""State under flat names, numbers only, so that it can be stored without pickle."""
Names = NDArray[Any]


def read_rows(estimator: BaseEstimator, X: Any, y: Any = "no_validation", reset: bool = False,
              least: int = 1, own: bool = False) -> Any:
    """Return features, and `y` if given, checked as scikit-learn's `validate_data` does.

    With `own`, features of shape (n, tasks, d) are allowed. Raises `DataError` for a value that is
    NaN or infinite, with its row and feature, and ValueError for another width than in `fit`.
    """
    options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": False,
                               "ensure_min_samples": least}
    if own and getattr(X, "ndim", 2) == 3:
        # scikit-learn takes the second axis for the features: it sees those of the first task.
        found = validate_data(estimator, X[:, 0], y, reset=reset, **options)
        features = check_array(X, allow_nd=True, **options)
        result = features if isinstance(y, str) else (features, found[1])
    else:
        result = validate_data(estimator, X, y, reset=reset, **options)
        features = result if isinstance(y, str) else result[0]
    bad = np.argwhere(~np.isfinite(features))
    if len(bad):
        place = dict(zip(("row", "task", "feature") if features.ndim == 3 else ("row", "feature"),
                         bad[0], strict=True))
        value = "NaN" if np.isnan(features[tuple(bad[0])]) else "infinity"
        raise DataError(f"{', '.join(f'{axis} {i}' for axis, i in place.items())} of X is {value}; "
                        "a feature must be a finite number")
    return result


def check_names(kind: str, names: Sequence[Any], count: int) -> Names:
    """Return names as an array; raise `DataError` if one is there twice or the number is wrong."""
    if len(names) != count:
        raise DataError(f"{len(names)} names, but {count} stored: give the name of each {kind}")
    values, counts = np.unique(np.asarray(names), return_counts=True)
    if len(values) < count:
        raise DataError(f"the {kind} '{values[counts.argmax()]}' is named "
                        f"{counts.max()} times; the name of a {kind} must be its own")
    return np.asarray(names)


def part(arrays: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    """Return the arrays whose names begin with `name` and a dot, under the rest of their names."""
    return {key.removeprefix(f"{name}."): value for key, value in arrays.items()
            if key.startswith(f"{name}.")}


class TaskRetriever(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]  # without types
    """Base of the retrievers: a subclass has `fit`, `partial_fit` and `scores`.

    Attributes
    ----------
    classes_ : ndarray, shape (tasks,)
        The names of the tasks, sorted within each call of `partial_fit`, in the order of the calls.
    """

    classes_: Names

    def _read_new(self, X: Any, y: Any, first: bool, own: bool = False) -> tuple[Floats, Any, Any]:
        """Return features, the task of each row, and the new tasks; refuse a known task."""
        X, y = read_rows(self, X, y, reset=first, own=own)
        check_classification_targets(y)
        tasks = np.unique(y)
        if not first and tasks.dtype.kind != self.classes_.dtype.kind:
            raise DataError(f"names of tasks are {tasks.dtype} here and {self.classes_.dtype} "
                            "before; give all as text or all as numbers")
        known = [] if first else [task for task in tasks if task in self.classes_]
        if known:
            raise DataError(f"the task '{known[0]}' is already known. Each task is learned once; "
                            "give later rows another name, or fit anew.")
        return X, y, tasks

    def _add_tasks(self, tasks: Names, first: bool) -> None:
        self.classes_ = tasks if first else np.concatenate([self.classes_, tasks])

    @abstractmethod
    def scores(self, X: Any) -> Floats:
        """Return how well each input fits each task, higher is better: shape (n, tasks)."""

    def predict(self, X: Any) -> Names:
        """Return the name of the task of each input, one input at a time: shape (n,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.scores(X).argmax(1)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of inputs whose task is found.

        Raises `UnknownNameError` for a task in `y` that was never learned: it cannot be found.
        """
        check_is_fitted(self)
        for task in np.setdiff1d(y, self.classes_):
            raise UnknownNameError("task", str(task), map(str, self.classes_))
        return float(super().score(X, y, sample_weight))
