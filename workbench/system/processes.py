"""Several processes that train one model, started by ``accelerate launch`` or ``torchrun``.

Each process computes the gradient of its own rows of a batch. All processes then take the mean
gradient, so that their weights stay equal. Without a launcher there is one process, and nothing
here has an effect.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from workbench.errors import ConfigError


def count() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if joined() else 1


def rank() -> int:
    """Return the number of this process, from 0; process 0 alone writes and prints."""
    return distributed.get_rank() if joined() else 0


def joined() -> bool:
    """Return whether this process is one of several."""
    return distributed.is_available() and distributed.is_initialized()


@contextmanager
def together(device: str) -> Iterator[None]:
    """Join the processes that a launcher started, if any, inside the block."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def own_rows(indices: Tensor) -> Tensor:
    """Return this process's share of a batch of shape (seeds, n): every `count`-th row."""
    if indices.shape[1] % count():
        raise ConfigError(f"batch_size {indices.shape[1]} cannot be shared by {count()} processes; "
                          f"give a multiple of {count()}")
    return indices[:, rank()::count()]


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes."""
    if joined():
        for parameter in parameters:
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= count()


def any_of(flag: bool) -> bool:
    """Return whether the flag is set in one of the processes, so that all of them stop together."""
    if not joined():
        return flag
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(int(flag), device=device)
    distributed.all_reduce(total)
    return bool(total)
