"""Rows kept apart from the signatures, so that distances to them are those of new inputs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError, DataError


def rows_apart(y: Any, tasks: Sequence[Any], named: Any, needed: bool, fraction: float,
               seed: Sequence[int]) -> NDArray[np.bool_]:
    """Return which rows are held out, bool of shape (n,).

    They are the rows in `named`. Without names, none is held out, or, if some are `needed`, a
    `fraction` of each task. They are drawn by the first number of `seed` and the position of the
    task, counted from the second number: the same rows whether tasks come at once or one by one.
    Raises `DataError` for a task with fewer than 2 other rows, or without the rows that are needed.
    """
    apart = np.zeros(len(y), dtype=bool)
    if named is not None:
        apart = np.asarray(named)
        if apart.dtype != bool or apart.shape != y.shape:
            raise DataError(f"held_out must have a bool for each of the {len(y)} rows, not "
                            f"{apart.dtype} of shape {apart.shape}")
    elif not 0 < fraction < 1:
        raise ConfigError(f"validation_fraction must be between 0 and 1, not {fraction!r}")
    elif needed:
        for k, task in enumerate(tasks, start=seed[1]):
            rows = np.random.default_rng([seed[0], k]).permutation(np.flatnonzero(y == task))
            apart[rows[:math.ceil(fraction * len(rows))]] = True
    for task in tasks:
        kept, count = int((y[apart] == task).sum()), int((y == task).sum())
        if count - kept < 2:
            raise DataError(f"the task '{task}' has {count} sample{'s' * (count != 1)}, of which "
                            f"{kept} are held out. A signature needs at least 2 others.")
        if needed and not kept:
            raise DataError(f"the task '{task}' has no held-out rows, and this measure needs some")
    return apart
