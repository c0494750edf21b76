"""Streams made of the 1,797 handwritten digits that ship with scikit-learn.

The data are the test part of Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits" (UCI
repository, 1998): 8 by 8 pixels, each a count from 0 to 16. Here they are centred on the mean of
the training pixels and scaled to a range of 2: with blank pixels at exactly 0, weights from the rim
of the image would hardly learn, and shuffled pixels would be slow to learn at all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.errors import ConfigError, UnknownNameError
from workbench.system.runtime import derive_seed
from workbench.tasks.stream import Examples, Stream, build_stream

Parts = tuple[Examples, Examples, Examples]

TEST_SHARE = 0.25
VALIDATION_SHARE = 0.10
ROTATION_STEP = 30.0
"""Degrees between one rotated task and the next."""


def load_digits(data_seed: int = 0) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Return the digits as train, validation and test parts, stratified by digit.

    Parameters
    ----------
    data_seed : int
        Which split; the same seed always gives the same one.

    Returns
    -------
    list of (images, digits)
        Images of shape (n, 64); 65 % train, 10 % validation, 25 % test.
    """
    from sklearn.model_selection import train_test_split

    images, digits = _scanned()
    state = derive_seed(data_seed, "split") % 2**32
    rest, test = train_test_split(np.arange(len(digits)), test_size=TEST_SHARE, stratify=digits,
                                  random_state=state)
    train, validation = train_test_split(rest, test_size=VALIDATION_SHARE / (1 - TEST_SHARE),
                                         stratify=digits[rest], random_state=state)
    mean = images[train].mean()
    return [(((images[part] - mean) / 8).astype(np.float32), digits[part].astype(np.int64))
            for part in (train, validation, test)]


@functools.cache
def _scanned() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return scikit-learn's digits, read from its compressed text file once."""
    from sklearn.datasets import load_digits as sklearn_digits

    images, digits = sklearn_digits(return_X_y=True)
    return images, digits


def _split(data_seed: int, tasks: int) -> tuple[list[str], list[Parts], int]:
    if tasks > 5:
        raise ConfigError(f"split-digits has ten classes, so at most 5 tasks of two, not {tasks}")
    names = [f"{2 * i} or {2 * i + 1}" for i in range(tasks)]
    split = load_digits(data_seed)
    return names, [_parts([(x[y // 2 == i], y[y // 2 == i] - 2 * i) for x, y in split])
                   for i in range(tasks)], 2


def _permuted(data_seed: int, tasks: int) -> tuple[list[str], list[Parts], int]:
    split = load_digits(data_seed)
    rng = np.random.default_rng(derive_seed(data_seed, "permutation"))
    # The first task keeps its pixels in place, so that it can be looked at.
    orders = [np.arange(64)] + [rng.permutation(64) for _ in range(tasks - 1)]
    names = ["as scanned"] + [f"shuffle {i}" for i in range(1, tasks)]
    return names, [_parts([(x[:, order], y) for x, y in split]) for order in orders], 10


def _rotated(data_seed: int, tasks: int) -> tuple[list[str], list[Parts], int]:
    from scipy.ndimage import rotate

    split = load_digits(data_seed)
    angles = [ROTATION_STEP * i for i in range(tasks)]
    names = [f"turned {angle:.0f}°" for angle in angles]

    def turn(x: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
        images = x.reshape(-1, 8, 8)
        turned = rotate(images, angle, axes=(2, 1), reshape=False, order=1,
                        mode="nearest")
        return np.ascontiguousarray(turned.reshape(-1, 64), dtype=np.float32)

    return names, [_parts([(turn(x, angle), y) for x, y in split]) for angle in angles], 10


def _parts(split: list[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> Parts:
    train, validation, test = (
        Examples(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y)) for x, y in split)
    return train, validation, test


STREAMS: dict[str, tuple[Callable[[int, int], tuple[list[str], list[Parts], int]], str]] = {
    "split-digits": (_split, "class"),
    "permuted-digits": (_permuted, "domain"),
    "rotated-digits": (_rotated, "domain"),
}
"""Per stream: what makes its tasks, and the scenario it is usually met in."""


def make_stream(name: str, scenario: str | None = None, tasks: int = 5,
                data_seed: int = 0) -> Stream:
    """Return a stream of digits tasks.

    Parameters
    ----------
    name : {"split-digits", "permuted-digits", "rotated-digits"}
        Two new digits per task; the same ten digits with shuffled pixels; the same ten, turned.
    scenario : {"task", "domain", "class"}, optional
        See `workbench.tasks.SCENARIOS`. By default class for split digits, domain for the others.
        In the task and class scenarios every task has outputs of its own.
    tasks : int
        How many.
    data_seed : int
        Decides the split into train, validation and test, and the permutations.

    Raises
    ------
    UnknownNameError
        If there is no such stream or scenario.
    ConfigError
        If the stream cannot have that many tasks.
    """
    if name not in STREAMS:
        raise UnknownNameError("stream", name, STREAMS)
    if tasks < 1:
        raise ConfigError(f"stream {name!r} needs at least one task, not {tasks}")
    make, usual = STREAMS[name]
    names, parts, classes_per_task = make(data_seed, tasks)
    return build_stream(name, usual if scenario is None else scenario, names, parts,
                        classes_per_task)
