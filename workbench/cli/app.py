"""What all commands share: the app, and what Ctrl-C does."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

app = typer.Typer(help="A workbench on why neural networks and language models forget, and what "
                       "helps.", no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False, rich_markup_mode=None)

INTERRUPTED = 130


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C inside the block into a set event.

    Where the interrupt is ignored, as shells arrange it for jobs in the background, it stays so.
    """
    stop = threading.Event()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield stop
        return

    def asked(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def told_when_interrupted() -> Iterator[None]:
    """Say what a second Ctrl-C leaves behind, and end with the usual code."""
    try:
        yield
    except KeyboardInterrupt:
        # Told here: typer would turn it into a bare exit.
        print("interrupted; a run with --out can be resumed from its last checkpoint, if any",
              file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
