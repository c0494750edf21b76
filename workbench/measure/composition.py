"""Measurements of composed modules: answers without some units, and angles between new parts."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.measure.accuracies import Floats
from workbench.models.composed import ComposedBackbones
from workbench.models.composition import Composition
from workbench.models.factored import principal_cosines
from workbench.tasks import Stream

DRAWS = 300


def right_without(model: ComposedBackbones, stream: Stream, k: int, i: int,
                  off: Iterable[int] = ()) -> NDArray[np.bool_]:
    """Return which test inputs of task `k` are answered right with some units off: shape (n,).

    The task is given, and the answer comes from the head that was trained with the module of seed
    position `i`. Units are numbered as in `Composition.off`, and all are on afterwards.
    """
    module, test = model.modules(i)[k], stream.tasks[k].test
    module.off = sorted(off)
    try:
        features = model.features(model.rows(test.x), [str(module.name)])[:, 0]
    finally:
        module.off = []
    right: NDArray[np.bool_] = stream.right(model.head(features, k, i)[None], test, k, k)[0].numpy()
    return right


@torch.no_grad()
def new_part_cosines(modules: Sequence[Composition]) -> Floats:
    """Return the largest principal cosine of the new parts of two tasks: (layers, tasks, tasks).

    It is 1 if both read a common direction of a layer's inputs, and 0 if they read nothing in
    common.
    """
    return np.array([[[float(principal_cosines(one.new(layer)[0], other.new(layer)[0])[0])
                       for other in modules] for one in modules] for layer in modules[0].layers])


def random_cosine(rank: int, inputs: int) -> float:
    """Return the mean largest principal cosine of two random subspaces of a dimension `rank`.

    `new_part_cosines` is about this large for two unrelated tasks.
    """
    rng = torch.Generator().manual_seed(0)
    pairs = torch.randn(DRAWS, 2, rank, inputs, generator=rng)
    return float(torch.stack([principal_cosines(*pair)[0] for pair in pairs]).mean())
