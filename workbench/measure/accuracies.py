"""Reading and checking accuracies: arrays, masked arrays or ragged lists."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError

Floats = NDArray[np.float64]


def read_accuracies(name: str, values: Any) -> Floats:
    """Return a read-only copy of accuracies; ragged rows are padded with NaN to a square.

    Values are numbers from 0 to 1; NaN, None or masked where not evaluated. Raises `ConfigError`
    for any other value, with `name` and its position.
    """
    if not isinstance(values, list | tuple) and not hasattr(values, "__array__"):
        raise ConfigError(f"{name} must be an array or nested lists, not "
                          f"{type(values).__name__}; of a generator give list(...)")
    if isinstance(values, np.ma.MaskedArray):  # masked is not evaluated
        values = np.ma.filled(values.astype(np.float64), np.nan)
    _only_numbers(name, values)
    try:
        array = np.array(values, dtype=np.float64)
    except ValueError:  # ragged
        array = _padded(name, values)
    wrong = np.argwhere((array < -1e-6) | (array > 1 + 1e-6))  # float32 may round to less than that
    if len(wrong):
        hint = "; as percentages, divide by 100" if 1.5 < np.nanmax(array) <= 100 else ""
        raise ConfigError(f"{name}{wrong[0].tolist()} is {array[tuple(wrong[0])]:g}, expected "
                          f"accuracies from 0 to 1{hint}")
    array = array.clip(0, 1)
    array.setflags(write=False)
    return array


def _only_numbers(name: str, values: Any, place: tuple[int, ...] = ()) -> None:
    """Raise `ConfigError` for text and other objects inside nested lists, with their position."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    if isinstance(values, list | tuple):
        for i, value in enumerate(values):
            _only_numbers(name, value, (*place, i))
    elif not (values is None or isinstance(values, numbers.Real)
              or np.asarray(values).dtype.kind in "fiub"):
        shown = f"of {values.dtype}" if isinstance(values, np.ndarray) else f"{values!r:.40}"
        raise ConfigError(f"{name}{list(place)} is {shown}, expected a number from 0 to 1, or NaN "
                          "where nothing was evaluated")


def _padded(name: str, rows: Any) -> Floats:
    """Return ragged rows as a square array, with NaN after the end of each row."""
    if any(isinstance(cell, list | tuple | np.ndarray) for row in rows for cell in row):
        matrices = [_padded(name, matrix) for matrix in rows]
        sizes = [len(matrix) for matrix in matrices]
        if len(set(sizes)) > 1:
            raise ConfigError(f"{name} has seeds with different numbers of tasks: {sizes}. Give "
                              "each number of tasks a matrix of its own.")
        return np.stack(matrices)
    square = np.full((len(rows), len(rows)), np.nan)
    for i, row in enumerate(rows):
        if not i < len(row) <= len(rows):
            raise ConfigError(f"{name}: row {i} has {len(row)} values, expected {i + 1} to "
                              f"{len(rows)} (row = trained through). Is it transposed?")
        square[i, :len(row)] = row
    return square
