"""The command line: ``workbench doctor``, ``run``, ``pretrain``, ``gate`` and so on."""

from __future__ import annotations

import sys

from workbench.cli import language, streams, training
from workbench.cli.app import app, stop_on_interrupt
from workbench.errors import WorkbenchError

__all__ = ["app", "language", "main", "spread_lists", "stop_on_interrupt", "streams",
           "training"]


def spread_lists(arguments: list[str]) -> list[str]:
    """Return arguments with ``--seeds 0 1 2`` as ``--seeds 0 --seeds 1 --seeds 2``."""
    spread: list[str] = []
    name = ""
    for word in arguments:
        if word.startswith("--"):
            name = word if word in ("--seeds", "--option", "--skills") else ""
        elif name and spread[-1] != name:
            spread.append(name)
        spread.append(word)
    return spread


def main() -> None:
    """Run the command line; a mistake is told in one line, without a traceback."""
    try:
        app(spread_lists(sys.argv[1:]))
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
