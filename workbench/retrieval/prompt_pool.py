"""A pool of learned keys: a retriever that is trained, and forgets.

L2P (Wang et al., *Learning to Prompt for Continual Learning*, CVPR 2022) keeps a pool of prompts,
each with a key. An input selects the keys that are nearest to its frozen features by cosine, and
training pulls the selected keys towards the input. Later tasks select and pull the same keys.
DualPrompt (Wang et al., ECCV 2022) has a key for each task, which is trained in that task only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from workbench.errors import ConfigError
from workbench.measure.accuracies import Floats
from workbench.retrieval.base import Arrays, TaskRetriever, check_names, read_rows


class PromptPool(TaskRetriever):
    """Choose the task that owns the nearest key of a pool; trained task after task.

    In L2P a key leads to a prompt and not to a task. To compare it with retrievers, a key is owned
    by the task that wrote to its prompt last. This is the last task whose rows, after its training,
    selected the key at least as often as chance: for a share of ``selected / pool``.

    Parameters
    ----------
    pool : int
        Number of keys.
    selected : int
        Number of keys that an input selects in training.
    per_task : bool
        One key for each task instead, trained in that task only.
    epochs, batch_size : int
        Passes over the rows of a task, and rows of a step.
    rate : float
        Learning rate: a selected key moves by it times the gradient of the mean cosine.
    random_state : int
        Seed of the first keys and of the order of the rows.

    Attributes
    ----------
    keys_ : ndarray, shape (keys, d)
    owners_ : ndarray, shape (keys,)
        The position in `classes_` of the task of each key, -1 for none.
    """

    def __init__(self, pool: int = 10, selected: int = 5, per_task: bool = False,
                 epochs: int = 10, batch_size: int = 16, rate: float = 0.5,
                 random_state: int = 0) -> None:
        self.pool, self.selected, self.per_task = pool, selected, per_task
        self.epochs, self.batch_size, self.rate = epochs, batch_size, rate
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # it forgets
        return tags

    def fit(self, X: Any, y: Any) -> "PromptPool":
        """Train on features (n, d) of tasks (n,), one task after another in sorted order.

        Raises `ConfigError` if more keys are selected than there are, and `DataError` for features
        that are not finite.
        """
        return self._learn(X, y, first=True)

    def partial_fit(self, X: Any, y: Any, classes: object = None) -> "PromptPool":
        """Train on more tasks; `classes` is ignored. Raises `DataError` for a known task."""
        return self._learn(X, y, first=not hasattr(self, "classes_"))

    def _learn(self, X: Any, y: Any, first: bool) -> "PromptPool":
        X, y, tasks = self._read_new(X, y, first)
        if not 1 <= self.selected <= self.pool:
            raise ConfigError(f"selected must be from 1 to the pool of {self.pool}, not "
                              f"{self.selected}")
        if first:
            size = 0 if self.per_task else self.pool
            rng = np.random.default_rng(self.random_state)
            self.keys_: Floats = _unit(rng.normal(size=(size, X.shape[1])))
            self.owners_ = np.full(size, -1)
        known = 0 if first else len(self.classes_)
        self._add_tasks(tasks, first)
        for k, task in enumerate(tasks, start=known):
            self._train(_unit(X[y == task]), k)
        return self

    def _train(self, queries: Floats, task: int) -> None:
        rng = np.random.default_rng([self.random_state, task])
        if self.per_task:
            new = _unit(rng.normal(size=(1, queries.shape[1])))
            self.keys_ = np.concatenate([self.keys_, new])
            self.owners_ = np.append(self.owners_, -1)
        keys = self.keys_.copy()
        for _ in range(self.epochs):
            order = rng.permutation(len(queries))
            for start in range(0, len(order), self.batch_size):
                batch = queries[order[start:start + self.batch_size]]
                cosines = batch @ _unit(keys).T
                chosen = self._select(cosines, task)
                # The gradient of the cosine with a key k is (q - cosine k / |k|) / |k|.
                pull = chosen.T @ batch - (chosen * cosines).sum(0)[:, None] * _unit(keys)
                keys += self.rate * pull / np.linalg.norm(keys, axis=1, keepdims=True) / len(batch)
        self.keys_ = keys
        shares = self._select(queries @ _unit(keys).T, task).mean(0)
        self.owners_ = np.where(shares >= self.selected / self.pool, task, self.owners_)

    def _select(self, cosines: Floats, task: int) -> Floats:
        """Return 1 for the keys that each row selects, 0 for others: (n, keys)."""
        chosen = np.zeros_like(cosines)
        if self.per_task:
            chosen[:, task] = 1
        else:
            nearest = np.argpartition(-cosines, self.selected - 1, axis=1)[:, :self.selected]
            np.put_along_axis(chosen, nearest, 1, axis=1)
        return chosen

    def scores(self, X: Any) -> Floats:
        """Return the cosine with each task's nearest key, -2 without a key: shape (n, tasks)."""
        check_is_fitted(self)
        cosines = _unit(read_rows(self, X)) @ _unit(self.keys_).T
        table = np.full((len(cosines), len(self.classes_)), -2.0)
        for column, owner in zip(cosines.T, self.owners_, strict=True):
            if owner >= 0:
                table[:, owner] = np.maximum(table[:, owner], column)
        return table

    def to_arrays(self) -> Arrays:
        """Return the fitted state as arrays of numbers under flat names, without task names."""
        check_is_fitted(self)
        return {"keys": self.keys_, "owners": self.owners_,
                "tasks": np.array(len(self.classes_))}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]], tasks: Sequence[Any]) -> "PromptPool":
        """Take the state of `to_arrays`, bit for bit; `tasks` has the names, as in `classes_`."""
        self.classes_ = check_names("task", tasks, int(arrays["tasks"]))
        self.keys_, self.owners_ = arrays["keys"], arrays["owners"]
        self.n_features_in_ = self.keys_.shape[1]
        return self


def _unit(rows: Floats) -> Floats:
    """Return rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float64)
