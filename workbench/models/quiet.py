"""Loading and saving without the progress bars and warnings of transformers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Turn off progress bars inside the block, which a notebook would store, and peft's warnings.

    The loader itself refuses the faults that peft warns about (missing tensors, shared weights).
    """
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\b")
            yield
    finally:
        if enabled:
            logging.enable_progress_bar()
