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

from workbench.config import USUAL_TASKS
from workbench.errors import ConfigError, UnknownNameError
from workbench.system.runtime import derive_seed
from workbench.tasks.stream import Examples, Stream, build_stream
from workbench.tasks.tables import CLASSES, TABLES, Arrays, split_in_three


def load_digits(data_seed: int = 0) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Return the digits as train (65 %), validation (10 %) and test part (25 %).

    The parts are stratified by digit; the same seed always gives the same split.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    images, digits = sklearn_digits(return_X_y=True)
    parts = split_in_three(digits, data_seed)
    mean = images[parts[0]].mean()
    return [(((images[part] - mean) / 8).astype(np.float32), digits[part].astype(np.int64))
            for part in parts]


def _whole(data_seed: int, tasks: int) -> dict[str, Arrays]:
    return {"0 to 9": [*load_digits(data_seed)]}


def _halves(data_seed: int, tasks: int) -> dict[str, Arrays]:
    parts = load_digits(data_seed)
    return {f"{first} to {first + 4}": [(x[y // 5 == first // 5], y[y // 5 == first // 5] - first)
                                        for x, y in parts] for first in (0, 5)[:tasks]}


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
    "digits": (_whole, 10, "domain"),
    "halved-digits": (_halves, 5, "class"),
    "split-digits": (_split, 2, "class"),
    "permuted-digits": (_permuted, 10, "domain"),
    "rotated-digits": (_rotated, 10, "domain"),
    "digits-tasks": (_last, 2, "class"),
    "digits-shifted": (_shifted, 6, "domain"),
    **TABLES,
}
"""Per stream: the maker of its tasks by name, its classes per task and its usual scenario."""


MOST_TASKS = {"digits": 1, "halved-digits": 2} | dict.fromkeys(TABLES, 1)
"""Tasks of the streams that have few."""


def make_stream(name: str, scenario: str | None = None, tasks: int | None = None,
                data_seed: int = 0) -> Stream:
    """Return a stream of digits, or of one small table.

    Parameters
    ----------
    name : str
        One of `STREAMS`: ``digits`` has all ten in one task; ``halved-digits`` five per task;
        ``split-digits`` two new digits per task; ``permuted-digits`` all ten with shuffled pixels;
        ``rotated-digits`` all ten, rotated by 30 degrees more in each task; ``digits-tasks`` two of
        the last digits per task (with three tasks 4 to 9, which the digits backbone has not seen);
        ``digits-shifted`` the digits 4 to 9, as scanned, turned, inverted, and both.
        ``breast-cancer``, ``wine`` and ``diabetes`` are one task each.
    scenario : {"task", "domain", "class"}, optional
        See `workbench.tasks.SCENARIOS`. By default class for split digits, domain for the others.
        In the task and class scenarios every task has outputs of its own.
    tasks : int, optional
        Number of tasks, by default the usual one; more than there are raise `ConfigError`.
    data_seed : int
        Seed of the split into train, validation and test, and of the permutations.
    """
    if name not in STREAMS:
        raise UnknownNameError("stream", name, STREAMS)
    tasks = USUAL_TASKS.get(name, 5) if tasks is None else tasks
    if tasks < 1:
        raise ConfigError(f"stream {name!r} needs at least one task, not {tasks}")
    make, classes_per_task, usual = STREAMS[name]
    if tasks > MOST_TASKS.get(name, tasks):
        raise ConfigError(f"stream {name!r} has no more than {MOST_TASKS[name]} task(s), not "
                          f"{tasks}: ask for fewer, or repeat it with generations")
    made = make(data_seed, tasks)
    parts = [[Examples(torch.tensor(x), torch.tensor(y)) for x, y in task]
             for task in made.values()]
    stream = build_stream(name, scenario or usual, list(made), parts, classes_per_task)
    if name in TABLES:
        return replace(stream, labels=CLASSES.get(name, ()))
    if classes_per_task < 6 and stream.scenario == "domain" and tasks > 1:
        return stream  # each output is a digit of every task
    first = {"digits-tasks": 10 - 2 * tasks, "digits-shifted": 4}.get(name, 0)
    return replace(stream, labels=tuple(str(first + (i % classes_per_task if classes_per_task > 5
                                                     else i)) for i in range(stream.outputs)))
