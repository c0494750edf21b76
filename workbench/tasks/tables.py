"""Streams of one task, made of small tables that ship with scikit-learn.

Breast cancer Wisconsin (569 rows, 30 features, 2 classes), wine (178 rows, 13 features, 3 classes)
and diabetes (442 rows, 10 features; the label is a value, the progression of the disease after a
year) are of the UCI repository and of Efron et al. (Annals of Statistics, 2004).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.system.runtime import derive_seed

Arrays = list[tuple[NDArray[np.float32], NDArray[np.int64] | NDArray[np.float32]]]
"""Inputs (n, features) and labels (n,): train, validation and test."""
CLASSES = {"breast-cancer": ("malignant", "benign"), "wine": ("class 0", "class 1", "class 2")}
"""The classes of the tables whose labels are classes."""


def split_in_three(labels: NDArray[np.int64] | NDArray[np.float64],
                   data_seed: int) -> list[NDArray[np.int64]]:
    """Return the rows of train (65 %), validation (10 %) and test part (25 %).

    The parts are stratified where labels are classes. A seed always gives the same parts.
    """
    from sklearn.model_selection import train_test_split

    state = derive_seed(data_seed, "split") % 2**32
    strata = labels if labels.dtype.kind == "i" else None
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.25, stratify=strata,
                                  random_state=state)
    train, validation = train_test_split(
        rest, test_size=0.10 / 0.75, stratify=None if strata is None else strata[rest],
        random_state=state)
    return [train, validation, test]


def load_table(name: str, data_seed: int = 0) -> Arrays:
    """Return a table as train, validation and test part, scaled as the training part.

    Features have mean 0 and variance 1 there, and so have labels that are values. `name` is
    ``breast-cancer``, ``wine`` or ``diabetes``.
    """
    from sklearn import datasets

    load = {"breast-cancer": datasets.load_breast_cancer, "wine": datasets.load_wine,
            "diabetes": datasets.load_diabetes}[name]
    x, y = load(return_X_y=True)
    parts = split_in_three(y, data_seed)
    train = parts[0]
    x = ((x - x[train].mean(0)) / x[train].std(0)).astype(np.float32)
    y = (y.astype(np.int64) if name in CLASSES else
         ((y - y[train].mean()) / y[train].std()).astype(np.float32))
    return [(x[part], y[part]) for part in parts]


def _maker(name: str) -> Callable[[int, int], dict[str, Arrays]]:
    return lambda data_seed, tasks: {name.replace("-", " "): load_table(name, data_seed)}


TABLES: dict[str, tuple[Callable[[int, int], dict[str, Arrays]], int, str]] = {
    "breast-cancer": (_maker("breast-cancer"), 2, "domain"),
    "wine": (_maker("wine"), 3, "domain"),
    "diabetes": (_maker("diabetes"), 1, "domain"),
}
"""Per stream: the maker of its task, its outputs and its usual scenario."""
