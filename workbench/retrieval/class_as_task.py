"""A classifier's class, read as a task."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, column_or_1d

from workbench.errors import DataError
from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays, TaskRetriever, check_names, part, read_rows
from workbench.retrieval.classifiers import MomentClassifier


class ClassAsTask(TaskRetriever):
    """Predict a class among those of all tasks; the retrieved task is the one with this class.

    The score of a task is that of its best class.

    Parameters
    ----------
    classifier : MomentClassifier, optional
        Settings of the classifier; by default ``ranpac``.

    Attributes
    ----------
    classifier_ : MomentClassifier
    task_of_ : ndarray, shape (classes,)
        The position in `classes_` of the task of each class of the classifier.
    """

    classifier_: MomentClassifier
    task_of_: NDArray[np.intp]

    def __init__(self, classifier: MomentClassifier | None = None) -> None:
        self.classifier = classifier

    def fit(self, X: Any, y: Any, labels: Any = None) -> "ClassAsTask":
        """Learn from features (n, d), tasks (n,) and classes (n,), by default the tasks.

        Raises `DataError` for a class of two tasks, and the errors of the classifier.
        """
        return self._learn(X, y, labels, first=True)

    def partial_fit(self, X: Any, y: Any, labels: Any = None,
                    classes: object = None) -> "ClassAsTask":
        """Add tasks; `classes` is ignored. Raises `DataError` for a known task."""
        return self._learn(X, y, labels, first=not hasattr(self, "classes_"))

    def _learn(self, X: Any, y: Any, labels: Any, first: bool) -> "ClassAsTask":
        X, y, tasks = self._read_new(X, y, first)
        labels = y if labels is None else column_or_1d(labels)
        if len(labels) != len(y):
            raise DataError(f"there are {len(labels)} labels and {len(y)} rows of features. Give "
                            "one label for each row.")
        owners = {} if first else {label: self.classes_[k] for label, k in zip(
            self.classifier_.classes_, self.task_of_, strict=True)}
        for task in tasks:
            for label in np.unique(labels[y == task]):
                if owners.setdefault(label, task) != task:
                    raise DataError(f"the class '{label}' is of the tasks '{owners[label]}' and "
                                    f"'{task}'. A class may be of one task only; rename it.")
        template = MomentClassifier() if self.classifier is None else self.classifier
        # A copy, so that rows which are refused leave the classifier as it was.
        classifier = clone(template) if first else copy(self.classifier_)
        self.classifier_ = classifier.partial_fit(X, labels)
        self._add_tasks(tasks, first)
        places = {task: k for k, task in enumerate(self.classes_)}
        self.task_of_ = np.array([places[owners[c]] for c in self.classifier_.classes_])
        return self

    def scores(self, X: Any) -> Floats:
        """Return the score of each task's best class: shape (n, tasks)."""
        check_is_fitted(self)
        read_rows(self, X)
        table = self.classifier_.scores(X)
        return np.stack([table[:, self.task_of_ == k].max(1)
                         for k in range(len(self.classes_))], 1)

    def to_arrays(self) -> Arrays:
        """Return the fitted state as arrays of numbers under flat names, without names."""
        check_is_fitted(self)
        return {"task_of": self.task_of_, **{f"classifier.{name}": values for name, values
                                             in self.classifier_.to_arrays().items()}}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]], tasks: Sequence[Any],
                    labels: Sequence[Any] | None = None) -> "ClassAsTask":
        """Take the state of `to_arrays`, bit for bit.

        `tasks` has the names as in `classes_`, `labels` those of the classes as in
        ``classifier_.classes_``, by default the tasks.
        """
        self.task_of_ = arrays["task_of"]
        self.classes_ = check_names("task", tasks, len(set(self.task_of_.tolist())))
        template = MomentClassifier() if self.classifier is None else self.classifier
        self.classifier_ = clone(template).load_arrays(
            part(arrays, "classifier"), tasks if labels is None else labels)
        self.n_features_in_ = self.classifier_.n_features_in_
        return self
