"""Retrieval by signatures: the method of the course.

Signatures of other kinds are other methods: ``mean`` and ``kmeans`` with the measure ``euclidean``
are NCM and S-Prompts (Wang et al., NeurIPS 2022). SLDA, FeCAM and RanPAC are rules of
`classifiers.MomentClassifier`, whose class `class_as_task.ClassAsTask` turns into a task.
`prompt_pool.PromptPool` is a retriever that is trained. Three methods need no code: the oracle is
given the task; the random retriever is scikit-learn's ``DummyClassifier(strategy="uniform")``; the
router trained on all tasks at once is any classifier of scikit-learn. ``LogisticRegression`` on the
tasks is not an upper limit: where a task has several classes, they are often not linearly separable
from the others. Train it on the labels, or take ``SVC``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from workbench.errors import DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays, TaskRetriever, check_names, part, read_rows
from workbench.retrieval.conformal import p_values
from workbench.retrieval.held_out import rows_apart
from workbench.retrieval.moments import Moments
from workbench.retrieval.signatures import Signature

MEASURES = {
    "log_density": "log density of the likeliest cluster, without its weight, as in the reference "
                   "code of PROTEUS (arXiv 2603.13235). Under different adapters it is not "
                   "comparable: an adapter that shrinks its features raises it for every input",
    "mahalanobis": "negative squared Mahalanobis distance to the nearest cluster",
    "euclidean": "negative squared distance to the nearest mean, whatever the covariances",
    "relative": "that of `mahalanobis`, divided by its mean over the task's own held-out rows",
    "p_value": "share of held-out rows that are at least as far, less a part of one row which "
               "grows with the distance that `relative` has. Any increasing function of one "
               "task's distances leaves the shares as they are",
    "background": "log density less that of one Gaussian over the rows of all tasks (Ren et al., "
                  "2021). On shared features the winner is that of `log_density`, and a score "
                  "below 0 says that the input is more like an average input than like the task",
}
"""How well features fit a signature; higher is better."""
HELD_OUT = ("relative", "p_value")
"""The measures that need rows which no signature was fitted to."""
NO_BACKGROUND = ("the measure 'background' needs rows of all tasks under each adapter: give them "
                 "to fit, or choose the measure 'relative' for partial_fit")


class ClusteredRetriever(TaskRetriever):
    """Choose the task whose signature fits the features best; no retriever is trained.

    Features have shape (n, d) if all tasks share them, and (n, tasks, d) if each task has features
    of its own adapter, in the order of `classes_`.

    Parameters
    ----------
    signature : Signature, optional
        Settings of the signature of every task; by default a ``gmm`` of one cluster.
    measure : str
        One of `MEASURES`.
    validation_fraction : float
        Share of a task's rows that a measure of `HELD_OUT` keeps apart, if none are named.
    dtype : {"float64", "float32"}
        Precision of the matrix products of `scores`.
    random_state : int
        Seed of the choice of the rows kept apart.

    Attributes
    ----------
    classes_ : ndarray, shape (tasks,)
        The names of the tasks, sorted within each call of `partial_fit`, in the order of the calls.
    signatures_ : list of Signature
        One for each task.
    held_out_ : list of ndarray
        For each task the `distances` of its held-out rows, for conformal task sets. They are exact
        only if these rows were not used to choose settings.
    """

    signatures_: list[Signature]
    held_out_: list[Floats]
    background_: list[Moments]
    _own_features: bool | None
    """None after `partial_fit` alone, which cannot tell."""

    def __init__(self, signature: Signature | None = None, measure: str = "log_density",
                 validation_fraction: float = 0.2, dtype: str = "float64",
                 random_state: int = 0) -> None:
        self.signature, self.measure, self.dtype = signature, measure, dtype
        self.validation_fraction, self.random_state = validation_fraction, random_state

    def fit(self, X: Any, y: Any, held_out: Any = None) -> "ClusteredRetriever":
        """Fit a signature to the features of each task; `y` has the name of each row's task.

        `held_out` is True, shape (n,), for rows that are kept apart from the signatures. An adapter
        must not have been trained on them either, or its distances to them are too small.

        Raises `UnknownNameError` for an unknown measure, and `DataError` for a task with one
        sample, which has no covariance, or for features that are not finite.
        """
        return self._learn(X, y, held_out, first=True)

    def partial_fit(self, X: Any, y: Any, held_out: Any = None,
                    classes: object = None) -> "ClusteredRetriever":
        """Add tasks by rows of shape (n, d) and leave earlier ones as they are, bit for bit.

        Features are shared, or those of one new task under its own adapter: `scores` then takes
        either (n, d) or (n, tasks, d). `classes` is ignored. Raises `DataError` for a known task.
        """
        return self._learn(X, y, held_out, first=not hasattr(self, "classes_"), single=True)

    def _learn(self, X: Any, y: Any, held_out: Any, first: bool,
               single: bool = False) -> "ClusteredRetriever":
        if self.measure not in MEASURES:
            raise UnknownNameError("measure", self.measure, MEASURES)
        X, y, tasks = self._read_new(X, y, first, own=not single)
        own = X.ndim == 3
        if own and X.shape[1] != len(tasks):
            raise DataError(f"features have shape {X.shape}, expected (n, {len(tasks)}, d)")
        if single and not first and self._own_features and len(tasks) > 1:
            raise DataError(f"rows of {len(tasks)} tasks: features of an adapter are those of one "
                            "task. Add one task at a time.")
        if single and not first and self._own_features and self.measure == "background":
            raise DataError(NO_BACKGROUND)
        apart = rows_apart(y, tasks, held_out, self.measure in HELD_OUT, self.validation_fraction,
                           [self.random_state, 0 if first else len(self.classes_)])
        template = Signature(clusters=1) if self.signature is None else self.signature
        signatures, distances = [], []
        for k, task in enumerate(tasks):
            rows = X[:, k] if own else X
            try:
                signatures.append(clone(template).fit(rows[(y == task) & ~apart]))
            except DataError as error:
                raise DataError(f"the task '{task}': {error}") from error
            kept = rows[(y == task) & apart]
            distances.append(signatures[-1].distances(kept).min(1) if len(kept) else np.zeros(0))
            if self.measure in HELD_OUT and not distances[-1].any():
                raise DataError(f"the task '{task}': all held-out rows are equal to a mean of the "
                                "signature, so that there is no distance to compare with")
        if first:
            self.signatures_, self.held_out_, self.background_ = [], [], []
            self._own_features = None if single else own
            if self.measure == "background":
                self.background_ = [Moments.empty(X.shape[-1])] * (len(tasks) if own else 1)
        self.signatures_ = self.signatures_ + signatures
        self.held_out_ = self.held_out_ + distances
        self._add_tasks(tasks, first)
        self.background_ = [moments.plus(X[:, k] if own else X)
                            for k, moments in enumerate(self.background_)]
        return self

    def _views(self, X: Any) -> list[Floats]:
        """Return the checked features under each task: a list of (n, d)."""
        check_is_fitted(self)
        return self._split(read_rows(self, X, own=True))

    def _split(self, X: Floats) -> list[Floats]:
        tasks, own = len(self.classes_), X.ndim == 3
        known = self._own_features
        if (own and X.shape[1] != tasks) or (known is not None and own != known):
            expected = f"(n, {tasks}, d)" if known or known is None else "(n, d)"
            raise DataError(f"features have shape {X.shape}, expected {expected}")
        return [X[:, k] for k in range(tasks)] if own else [X] * tasks

    def distances(self, X: Any) -> Floats:
        """Return the squared Mahalanobis distance to each task's nearest cluster: (n, tasks)."""
        return np.stack([signature.distances(rows, self.dtype).min(1) for signature, rows
                         in zip(self.signatures_, self._views(X), strict=True)], 1)

    def scores(self, X: Any) -> Floats:
        """Return how well each input fits each task, higher is better: shape (n, tasks)."""
        if self.measure in ("log_density", "background"):
            views = self._views(X)
            table = np.stack([signature.log_densities(rows, self.dtype).max(1) for signature, rows
                              in zip(self.signatures_, views, strict=True)], 1)
            return table - self._background(views) if self.measure == "background" else table
        if self.measure == "euclidean":
            return -np.stack([cdist(rows, signature.means_, "sqeuclidean").min(1) for
                              signature, rows in zip(self.signatures_, self._views(X),
                                                     strict=True)], 1)
        distances = self.distances(X)
        if self.measure == "mahalanobis":
            return -distances
        relative: Floats = distances / np.array([held_out.mean() for held_out in self.held_out_])
        if self.measure == "relative":
            return -relative
        shares = [p_values(column, held_out, f"the task '{task}'") for column, held_out, task
                  in zip(distances.T, self.held_out_, self.classes_, strict=True)]
        # In place of the 1 that a p-value counts for the input itself, a number from 1 down to 0
        # puts in order inputs between the same two held-out rows, or beyond all of them.
        steps = 1 / np.array([len(held_out) + 1 for held_out in self.held_out_])
        return np.asarray(np.stack(shares, 1) - steps * relative / (1 + relative))

    def _background(self, views: list[Floats]) -> Floats:
        """Return the log density of the background, (n, 1) or (n, tasks)."""
        own = any(rows is not views[0] for rows in views)
        if own and len(self.background_) != len(views):
            raise DataError(NO_BACKGROUND)
        one = self.signatures_[0]
        gaussians = [moments.gaussian(one.ridge, one.shrinkage) for moments in self.background_]
        return np.concatenate([gaussian.log_densities(rows, self.dtype) for gaussian, rows
                               in zip(gaussians, views, strict=False)], 1)

    def to_arrays(self) -> Arrays:
        """Return the fitted state as arrays of numbers under flat names, without task names."""
        check_is_fitted(self)
        own = -1 if self._own_features is None else int(self._own_features)
        arrays: Arrays = {"own_features": np.array(own)}
        for k, (signature, held_out) in enumerate(
                zip(self.signatures_, self.held_out_, strict=True)):
            arrays |= {f"{k}.{name}": values for name, values in signature.to_arrays().items()}
            arrays[f"{k}.held_out"] = held_out
        for k, moments in enumerate(self.background_):
            arrays |= {f"background.{k}.{name}": values
                       for name, values in moments.to_arrays().items()}
        return arrays

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]],
                    tasks: Sequence[Any]) -> "ClusteredRetriever":
        """Take the state of `to_arrays`, bit for bit; `tasks` has the names, as in `classes_`."""
        count = sum(name.endswith(".held_out") for name in arrays)
        self.classes_ = check_names("task", tasks, count)
        template = Signature(clusters=1) if self.signature is None else self.signature
        parts = [part(arrays, str(k)) for k in range(count)]
        self.signatures_ = [clone(template).load_arrays(state) for state in parts]
        self.held_out_ = [state["held_out"] for state in parts]
        own = int(arrays["own_features"])
        self._own_features = None if own < 0 else bool(own)
        background = part(arrays, "background")
        self.background_ = [Moments(**part(background, str(k)))
                            for k in range(sum(name.endswith("count") for name in background))]
        self.n_features_in_ = self.signatures_[0].n_features_in_
        return self
