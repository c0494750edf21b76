"""Loading and saving without what transformers says on the way."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing bars inside the block; a notebook would store each of them.

    Its warning that peft uses an outdated name is kept from the reader too, and so are those of
    peft itself: what they are about (missing tensors, layers with shared weights), the loader
    checks and refuses.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\b")
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
