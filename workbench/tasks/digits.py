"""Streams made of the 1,797 handwritten digits that ship with scikit-learn.

The data are the test part of Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits" (UCI
repository, 1998): 8 by 8 pixels, each a count from 0 to 16. Here they are centred on the mean of
the training pixels and scaled to a range of 2. If blank pixels were 0, weights from the rim of the
image would hardly learn, and shuffled pixels would be learned slowly.
"""

from collections.abc import Callable
from dataclasses import replace

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


def _split(data_seed: int, tasks: int, first: int = 0) -> dict[str, Arrays]:
    if tasks > 5:
        raise ConfigError(f"there are ten digits, so at most 5 tasks of two, not {tasks}")
    parts = load_digits(data_seed)
    return {f"{d} or {d + 1}": [(x[(y == d) | (y == d + 1)], y[(y == d) | (y == d + 1)] - d)
                                for x, y in parts] for d in range(first, first + 2 * tasks, 2)}


def _last(data_seed: int, tasks: int) -> dict[str, Arrays]:
    return _split(data_seed, tasks, max(10 - 2 * tasks, 0))


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


def _shifted(data_seed: int, tasks: int) -> dict[str, Arrays]:
    parts = [(x[y >= 4].reshape(-1, 8, 8), y[y >= 4] - 4) for x, y in load_digits(data_seed)]
    ends = parts[0][0].min() + parts[0][0].max()  # inverting exchanges them
    shifts: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
        "as scanned": lambda x: x, "turned 90°": lambda x: np.rot90(x, axes=(1, 2)),
        "inverted": lambda x: ends - x,
        "turned and inverted": lambda x: ends - np.rot90(x, axes=(1, 2))}
    if tasks > len(shifts):
        raise ConfigError(f"digits-shifted has {len(shifts)} tasks ({', '.join(shifts)}), not "
                          f"{tasks}")
    return {name: [(np.ascontiguousarray(shift(x)).reshape(-1, 64), y) for x, y in parts]
            for name, shift in list(shifts.items())[:tasks]}


STREAMS: dict[str, tuple[Callable[[int, int], dict[str, Arrays]], int, str]] = {
    "split-digits": (_split, 2, "class"),
    "permuted-digits": (_permuted, 10, "domain"),
    "rotated-digits": (_rotated, 10, "domain"),
    "digits-tasks": (_last, 2, "class"),
    "digits-shifted": (_shifted, 6, "domain"),
}
"""Per stream: the maker of its tasks by name, its classes per task and its usual scenario."""


def make_stream(name: str, scenario: str | None = None, tasks: int = 5,
                data_seed: int = 0) -> Stream:
    """Return a stream of digits tasks.

    Parameters
    ----------
    name : str
        One of `STREAMS`: ``split-digits`` has two new digits per task; ``permuted-digits`` all
        ten with shuffled pixels; ``rotated-digits`` all ten, rotated by 30 degrees more in each
        task; ``digits-tasks`` two of the last digits per task (with three tasks 4 to 9, which the
        digits backbone has not seen); ``digits-shifted`` the digits 4 to 9, as scanned, turned,
        inverted, and both.
    scenario : {"task", "domain", "class"}, optional
        See `workbench.tasks.SCENARIOS`. By default class for split digits, domain for the others.
        In the task and class scenarios every task has outputs of its own.
    tasks : int
        Number of tasks; more than the stream has raise `ConfigError`.
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
    stream = build_stream(name, scenario or usual, list(made), parts, classes_per_task)
    first = {"digits-tasks": 10 - 2 * tasks, "digits-shifted": 4}.get(name, 0)
    digits = [first + (i % classes_per_task if classes_per_task > 2 else i)
              for i in range(stream.outputs)]
    if classes_per_task == 2 and stream.scenario == "domain":
        digits = []  # each output is a digit of every task
    return replace(stream, labels=tuple(map(str, digits)))
