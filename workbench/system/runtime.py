"""Seeds, threads, the device and a clock."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from workbench.errors import ConfigError


def derive_seed(seed: int, purpose: str, *indices: int) -> int:
    """Return a seed for one purpose of one run, from 0 to 2**63 - 1, independent of all others.

    If two purposes shared a stream of random numbers, a larger replay buffer, for example, would
    change the order of the batches, and comparisons would no longer be paired. `purpose` is, for
    example, ``"batches"``; `indices` are further distinctions, such as the number of the task.
    """
    entropy = [seed, zlib.crc32(purpose.encode()), *indices]
    if indices and indices[-1] == 0:
        entropy.append(2**32 - 1)  # SeedSequence ignores a 0 at the end
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """Return a fresh CPU generator for one purpose of one run; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *indices))


def pick_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: CUDA, else Apple's MPS, else the CPU, when ``"auto"``."""
    if name == "auto":
        name = ("cuda" if torch.cuda.is_available() else
                "mps" if torch.backends.mps.is_available() else "cpu")
    return torch.device(name)


def require_device(name: str) -> str:
    """Return the name of a device; raise `ConfigError` if PyTorch does not find it."""
    if (name == "cuda" and not torch.cuda.is_available()) or (
            name == "mps" and not torch.backends.mps.is_available()):
        raise ConfigError(f"device is {name}, and PyTorch finds no such GPU here; take cpu")
    return name


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use `count` PyTorch threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Timer:
    """A clock that adds up the seconds spent inside its ``with`` blocks."""

    seconds: float = 0.0

    def __enter__(self) -> Timer:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter() - self._started
