"""Choices of a task from tables of shape (n, tasks), such as the scores of a retriever."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, DataError
from workbench.measure.accuracies import Floats


def _table(name: str, values: ArrayLike, axes: tuple[int, ...] = (2,)) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim not in axes:
        raise DataError(f"{name} have shape {table.shape}, expected "
                        f"{'(n, tasks, classes)' if 3 in axes else '(n, tasks)'}")
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        raise DataError(f"row {bad[0][0]}, task {bad[0][1]} of {name} is {table[tuple(bad[0])]}; "
                        "expected a finite number")
    return table


def lowest_entropy(probabilities: ArrayLike) -> NDArray[np.intp]:
    """Return the task whose own model is most confident: (n, tasks, classes) to positions (n,).

    TUNA (arXiv 2508.08165) chooses an adapter in this way. Networks are often confident where they
    are wrong.
    """
    p = _table("probabilities", probabilities, (3,))
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(2)
    return np.asarray(entropy.argmin(1))


def shortlist(first_scores: ArrayLike, second_scores: ArrayLike,
              keep: int = 2) -> NDArray[np.intp]:
    """Return the task with the best second score among the `keep` best by the first: (n,).

    DPTA (arXiv 2411.17766) does this: the first score is of shared features, the second of features
    under the tasks' adapters, of which only `keep` run for an input. Second scores of other tasks
    are not read, so they may be NaN. Both have shape (n, tasks), higher is better.
    """
    first = _table("first scores", first_scores)
    second = np.asarray(second_scores, dtype=np.float64)
    if first.shape != second.shape:
        raise DataError(f"second scores have shape {second.shape}, expected {first.shape}")
    if not 1 <= keep <= first.shape[1]:
        raise ConfigError(f"keep must be from 1 to the number of tasks ({first.shape[1]}), not "
                          f"{keep}")
    kept = np.argsort(-first, axis=1, kind="stable")[:, :keep]
    among = _table("second scores", np.take_along_axis(second, kept, 1))
    return np.take_along_axis(kept, among.argmax(1)[:, None], 1)[:, 0]


def batch_vote(scores: ArrayLike, batches: ArrayLike) -> NDArray[np.intp]:
    """Return one task for each batch, the best by mean score: a LEAK, for demonstration only.

    With batches of one task each, as test loaders give them, inputs reveal their task to each
    other, and retrieval looks far better than it is for one input. With mixed batches it falls to
    chance. `scores` has shape (n, tasks), `batches` the batch of each row, and the result a
    position for each row.
    """
    table, groups = _table("scores", scores), np.asarray(batches)
    if groups.shape != (len(table),):
        raise DataError(f"batches have shape {groups.shape}, expected ({len(table)},)")
    chosen: Any = np.empty(len(table), dtype=np.intp)
    for batch in np.unique(groups):
        chosen[groups == batch] = table[groups == batch].mean(0).argmax()
    return np.asarray(chosen)
