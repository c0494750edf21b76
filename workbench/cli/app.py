"""What commands share: exit codes, Ctrl-C, and which settings a resumed run takes."""

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
"""Exit codes: what was measured did not pass; the command cannot be run so; Ctrl-C."""
Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True)
class Printing:
    """How the outcome of a run is shown."""

    json: Flag = False
    """Print JSON on stdout."""
    quiet: Flag = False
    """Show no progress bar."""


@dataclass(frozen=True, kw_only=True)
class Resumed(Printing):
    """The options of a run that is continued."""

    resume: Path
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class New(Printing, Generic[Settings]):
    """The options of a new run."""

    settings: Settings
    out: Path | None = None
    """A new folder for the outcome. Without one nothing is kept."""
    resume: Path | None = None
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Gated(New[Settings]):
    """The options of a new run that the gate may refuse."""

    force: Flag = False
    """Go on if the model does not pass the gate; the record is labelled as forced."""


def resumed(words: list[str], command: Callable[[list[str]], int]) -> Resumed | None:
    """Return the options of a run that is to be continued; None where ``--resume`` is not given.

    Raises
    ------
    ConfigError
        If there are other settings beside it.
    """
    if not any(word.split("=")[0] == "--resume" for word in words) or {"-h", "--help"} & {*words}:
        return None
    options, others = parse(Resumed, words, command, return_unknown=True)
    if others:
        names = [word.lstrip("-").split("=")[0] for word in others if word.startswith("-")]
        raise ConfigError("--resume continues a run with the settings that it was begun with; "
                          f"leave out: {', '.join(names or others)}")
    return options  # type: ignore[no-any-return]


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


def stopped(command: Callable[[list[str]], int], folder: Path | None) -> int:
    """Say how to continue a run that Ctrl-C stopped, and return the exit code."""
    remedy = (f"Continue with: workbench {name_of(command)} --resume {folder}" if folder else
              "Without --out nothing was kept.")
    print(f"stopped. {remedy}", file=sys.stderr)
    return INTERRUPTED
