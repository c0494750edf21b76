"""The memory and the processor time that one call needs."""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class _LargestTensor(TorchFunctionMode):
    """Keeps the size in bytes of the largest tensor that a function of torch returns."""

    size = 0

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple) else (result,):
            if isinstance(part, Tensor):
                self.size = max(self.size, part.nbytes)
        return result


def measured(function: Callable[..., Any], *args: Any) -> tuple[Any, int, float]:
    """Return the value of a call, its largest memory in bytes, and its processor time in seconds.

    NumPy reports its arrays to tracemalloc; torch does not. The time is that of this thread alone,
    since a widget may be training in another one.
    """
    traced_before = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    held, start = tracemalloc.get_traced_memory()[0], time.thread_time()
    try:
        with _LargestTensor() as tensors:
            value = function(*args)
        seconds = time.thread_time() - start
        size = max(tracemalloc.get_traced_memory()[1] - held, tensors.size)
    finally:
        if not traced_before:
            tracemalloc.stop()
    return value, size, seconds
