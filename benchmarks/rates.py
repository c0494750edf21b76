"""The rate that matrix products reach on this machine, beside which other times are set."""

from __future__ import annotations

import time

import numpy as np
import torch


def matrix_rate(shape: tuple[int, int, int], dtype: torch.dtype, device: str = "cpu",
                seconds: float = 0.2) -> float:
    """Return how many floating-point operations a second a matrix product reaches here.

    Parameters
    ----------
    shape : (int, int, int)
        Rows, inner size and columns.
    dtype : torch.dtype
        Of both factors.
    device : str
        Where they are.
    seconds : float
        How long to measure, after one product to warm up.

    Returns
    -------
    float
        Operations a second, two to a multiplication and addition; the median of several tries.
    """
    def synchronise() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    rows, inner, columns = shape
    a = torch.ones(rows, inner, dtype=dtype, device=device)
    b = torch.ones(inner, columns, dtype=dtype, device=device)
    times: list[float] = []
    while sum(times[1:]) < seconds or len(times) < 4:
        synchronise()
        began = time.perf_counter()
        torch.mm(a, b)
        synchronise()
        times.append(time.perf_counter() - began)
    return 2.0 * rows * inner * columns / float(np.median(times[1:]))
