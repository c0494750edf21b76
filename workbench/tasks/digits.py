"""Streams made of the 1,797 handwritten digits that ship with scikit-learn.

The data are the test part of Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits" (UCI
repository, 1998): 8 by 8 pixels, each a count from 0 to 16. Here they are centred on the mean of
the training pixels and scaled to a range of 2. If blank pixels were 0, weights from the rim of the
image would hardly learn, and shuffled pixels would be learned slowly.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.errors import ConfigError, UnknownNameError
from workbench.system.runtime import derive_seed
from workbench.tasks.stream import Examples, Stream, build_stream

Arrays = list[tuple[NDArray[np.float32], NDArray[np.int64]]]
"""Images of shape (n, 64) and labels of shape (n,): train, validation and test."""


def load_digits(data_seed: int = 0) -> Arrays:
    """Return the digits as train (65 %), validation (10 %) and test part (25 %).

    The parts are stratified by digit; the same seed always gives the same split.
    """
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split

    images, digits = sklearn_digits(return_X_y=True)
    state = derive_seed(data_seed, "split") % 2**32
    rest, test = train_test_split(np.arange(len(digits)), test_size=0.25, stratify=digits,
                                  random_state=state)
    train, validation = train_test_split(rest, test_size=0.10 / 0.75,
                                         stratify=digits[rest], random_state=state)
    mean = images[train].mean()
    return [(((images[part] - mean) / 8).astype(np.float32), digits[part].astype(np.int64))
            for part in (train, validation, test)]


def _split(data_seed: int, tasks: int) -> dict[str, Arrays]:
    if tasks > 5:
        raise ConfigError(f"split-digits has ten classes, so at most 5 tasks of two, not {tasks}")
    parts = load_digits(data_seed)
    return {f"{2 * i} or {2 * i + 1}": [(x[y // 2 == i], y[y // 2 == i] - 2 * i) for x, y in parts]
            for i in range(tasks)}


def _permuted(data_seed: int, tasks: int) -> dict[str, Arrays]:
    parts = load_digits(data_seed)
    rng = np.random.default_rng(derive_seed(data_seed, "permutation"))
    # The pixels of the first task stay in place, so that a reader can recognise the digits.
    orders = {"as scanned": np.arange(64)} | {
        f"shuffle {i}": rng.permutation(64) for i in range(1, tasks)}
    return {name: [(x[:, order], y) for x, y in parts] for name, order in orders.items()}


def _rotated(data_seed: int, tasks: int) -> dict[str, Arrays]:
    from scipy.ndimage import rotate

    def turn(x: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
        turned = rotate(x.reshape(-1, 8, 8), angle, axes=(2, 1), reshape=False, order=1,
                        mode="nearest")
        return np.asarray(turned.reshape(-1, 64), dtype=np.float32)

    parts = load_digits(data_seed)
    return {f"turned {angle}°": [(turn(x, angle), y) for x, y in parts]
            for angle in range(0, 30 * tasks, 30)}


STREAMS: dict[str, tuple[Callable[[int, int], dict[str, Arrays]], int, str]] = {
    "split-digits": (_split, 2, "class"),
    "permuted-digits": (_permuted, 10, "domain"),
    "rotated-digits": (_rotated, 10, "domain"),
}
"""Per stream: the maker of its tasks by name, its classes per task and its usual scenario."""


def make_stream(name: str, scenario: str | None = None, tasks: int = 5,
                data_seed: int = 0) -> Stream:
    """Return a stream of digits tasks.

    Parameters
    ----------
    name : {"split-digits", "permuted-digits", "rotated-digits"}
        Two new digits per task; all ten digits with shuffled pixels; all ten, rotated
        by 30 degrees more in each task.
    scenario : {"task", "domain", "class"}, optional
        See `workbench.tasks.SCENARIOS`. By default class for split digits, domain for the others.
        In the task and class scenarios every task has outputs of its own.
    tasks : int
        Number of tasks; split digits have at most 5, otherwise a ConfigError is raised.
    data_seed : int
        Seed of the split into train, validation and test, and of the permutations.
    """
    if name not in STREAMS:
        raise UnknownNameError("stream", name, STREAMS)
    if tasks < 1:
        raise ConfigError(f"stream {name!r} needs at least one task, not {tasks}")
    make, classes_per_task, usual = STREAMS[name]
    made = make(data_seed, tasks)
    parts = [[Examples(torch.tensor(x), torch.tensor(y)) for x, y in task]
             for task in made.values()]
    return build_stream(name, scenario or usual, list(made), parts, classes_per_task)
