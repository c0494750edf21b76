"""Shared by the commands: exit codes, Ctrl-C, and the options of new and resumed runs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from workbench.cli.parsing import Flag, name_of, parse
from workbench.errors import ConfigError

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit codes: the measured thing did not pass; the command was wrong; Ctrl-C."""
Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True)
class Output:
    """Options of a command that prints text or JSON."""

    json: Flag = False
    """Print JSON on stdout."""


@dataclass(frozen=True, kw_only=True)
class Printing(Output):
    """Options of the output of a run."""

    quiet: Flag = False
    """Show no progress bar."""


@dataclass(frozen=True, kw_only=True)
class Resumed(Printing):
    """Options of a resumed run."""

    resume: Path
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class New(Printing, Generic[Settings]):
    """Options of a new run."""

    settings: Settings
    out: Path | None = None
    """A new folder for the run. Without it nothing is kept."""
    resume: Path | None = None
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Gated(New[Settings]):
    """Options of a new run that the gate may refuse."""

    force: Flag = False
    """Go on if the model does not pass the gate; the record is labelled as forced."""


def resumed(words: list[str], command: Callable[[list[str]], int]) -> Resumed | None:
    """Return the options of a resumed run, or None without ``--resume``; refuse other settings."""
    if not any(word.split("=")[0] == "--resume" for word in words) or {"-h", "--help"} & {*words}:
        return None
    options, others = parse(Resumed, words, command, return_unknown=True)
    if others:
        names = [word.lstrip("-").split("=")[0] for word in others if word.startswith("-")]
        raise ConfigError("--resume continues a run with the settings that it was started with; "
                          f"leave out: {', '.join(names or others)}")
    return options  # type: ignore[no-any-return]


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C inside the block; a second one interrupts.

    An interrupt that is ignored, as in background jobs of a shell, stays ignored.
    """
    stop = threading.Event()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield stop
        return

    def handle(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def finish(status: str, command: Callable[[list[str]], int], folder: Path | None) -> int:
    """Return the exit code of a run; print how to continue one that Ctrl-C stopped."""
    if status != "stopped":
        return 0
    advice = (f"Continue with: workbench {name_of(command)} --resume {folder}" if folder else
              "Without --out nothing was kept.")
    print(f"stopped. {advice}", file=sys.stderr)
    return INTERRUPTED
