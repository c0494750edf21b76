"""Conformal task sets: which tasks an input may be from, with a known rate of error.

Vovk, Gammerman & Shafer, *Algorithmic Learning in a Random World* (2005), applied to task
retrieval. A score says how strange an input is to a task, such as its Mahalanobis distance under
that task's adapter. Held-out inputs of task k and a new input of task k are exchangeable, so the
rank of the new score among the n held-out ones is uniform on 1 to n + 1. Hence
P(p_k <= alpha) = floor(alpha (n + 1)) / (n + 1) <= alpha, for any distribution: no Gaussian, no
density and no training is needed. The rate is an average over inputs and held-out samples, not one
for each class. It holds only if the held-out scores were not used to choose anything.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, DataError
from workbench.measure.accuracies import Floats


def p_values(scores: ArrayLike, held_out: ArrayLike, task: str = "the task") -> Floats:
    """Return p = (1 + number of held-out scores >= score) / (n + 1) of each score.

    Both arrays have one axis; a higher score is stranger. A strictly increasing function of all
    scores of a task does not change the result. Raises `DataError` for scores that are NaN or
    infinite, or if there are no held-out scores; `task` is its name in the message.
    """
    new, old = (np.asarray(values, dtype=np.float64) for values in (scores, held_out))
    for name, values in (("scores", new), ("held-out scores", old)):
        if values.ndim != 1:
            raise DataError(f"the {name} of {task} have shape {values.shape}, expected one axis")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"row {row} of the {name} of {task} is {values[row]}; a score must be "
                            "a finite number")
    if not len(old):
        raise DataError(f"{task} has no held-out scores. Keep some inputs of it apart: they must "
                        "not have been used to fit the signature or to choose anything.")
    below = np.searchsorted(np.sort(old), new, side="left")
    return (1 + len(old) - below) / (len(old) + 1)


def miss_rate(alpha: float, n: int) -> float:
    """Return the exact probability that a set leaves out the right task, from n held-out scores.

    It is floor(alpha (n + 1)) / (n + 1), at most alpha, for scores without ties.
    """
    # The tolerance lets alpha = 0.1 and n = 9 count as 1, though 0.1 * 10 may round below it.
    return math.floor(alpha * (n + 1) + 1e-9) / (n + 1)


class ConformalTaskSets:
    """Sets of tasks that contain the right one at a known rate.

    Parameters
    ----------
    held_out : mapping of str to array-like, shape (n,)
        For each task, scores of held-out inputs of it under its own signature; higher is stranger.

    Raises
    ------
    DataError
        If there is no task, a task has no held-out scores, or a score is not finite.
    """

    def __init__(self, held_out: Mapping[str, ArrayLike]) -> None:
        if not held_out:
            raise DataError("conformal task sets need at least one task, there is none")
        self.held_out = {task: np.asarray(scores, dtype=np.float64)
                         for task, scores in held_out.items()}
        for task, scores in self.held_out.items():
            p_values(scores, scores, task)  # this checks them

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks."""
        return list(self.held_out)

    def p_values(self, scores: ArrayLike) -> Floats:
        """Return the p-value of each input for each task; `scores` and result (n, tasks)."""
        table = np.asarray(scores, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.held_out):
            raise DataError(f"scores have shape {table.shape}, expected (n, {len(self.held_out)}): "
                            f"a column for each of {', '.join(self.held_out)}")
        columns = [p_values(column, held_out, task)
                   for column, (task, held_out) in zip(table.T, self.held_out.items(), strict=True)]
        return np.stack(columns, 1)

    def predict(self, scores: ArrayLike, alpha: float = 0.1) -> NDArray[np.bool_]:
        """Return which tasks are in the set of each input: bool, shape (n, tasks).

        The right task is left out with probability `miss_rate`. An empty set rejects the input.
        Raises `ConfigError` if a task has too few held-out scores for `alpha`: its p-value could
        never be as small, and no input would be refused.
        """
        if not 0 < alpha < 1:
            raise ConfigError(f"alpha must be between 0 and 1, not {alpha!r}")
        for task, held_out in self.held_out.items():
            if not miss_rate(alpha, len(held_out)):
                raise ConfigError(
                    f"alpha = {alpha:g} needs at least {math.ceil(1 / alpha - 1 - 1e-9)} held-out "
                    f"scores of each task, and {task} has {len(held_out)}. Keep more apart, or "
                    "choose a larger alpha.")
        return self.p_values(scores) > alpha + 1e-12
