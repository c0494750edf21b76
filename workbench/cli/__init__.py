"""The command line ``workbench``, and its commands ``doctor``, ``lab`` and ``demo``."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.cli import grading, language, retrieval, runs, studies
from workbench.cli.parsing import Flag, parse
from workbench.cli.runs import FAILED, INTERRUPTED, MISTAKE, Output, stop_on_interrupt
from workbench.errors import UnknownNameError, WorkbenchError

__all__ = ["COMMANDS", "main", "stop_on_interrupt"]


@dataclass(frozen=True)
class Lab:
    """Options of `lab`."""

    fresh: Flag = False
    """Start over with a new copy; the old one is kept under another name."""
    folder: Path | None = None
    """Make the copy in this folder, where the project's own folder is shared."""
    hub: Flag = False
    """Serve one student of a class; JupyterHub starts this."""


@dataclass(frozen=True)
class Demo:
    """Options of `demo`."""

    no_browser: Flag = False
    """Print the address, and open no browser."""


def doctor(words: list[str]) -> int:
    """Check whether this machine is ready for the course; print how to repair each fault."""
    from workbench.course.doctor import doctor as examine

    options = parse(Output, words, doctor)
    report = examine()
    print(report.to_json() if options.json else report)
    return 0 if report.ready else FAILED


def lab(words: list[str]) -> int:
    """Open your copy of the course in JupyterLab; further arguments go to JupyterLab."""
    from workbench.course.lab import start

    options, further = parse(Lab, words, lab, return_unknown=True)
    return start(further, options.fresh, folder=options.folder, hub=options.hub)


def demo(words: list[str]) -> int:
    """Open the instructor's demonstration in a browser; further arguments go to Voila."""
    from workbench.course.demo import start

    options, further = parse(Demo, words, demo, return_unknown=True)
    return start(further, browser=not options.no_browser)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "doctor": doctor, "run": runs.run, "show": runs.show, "lab": lab, "demo": demo,
    "make-data": language.make_data, "get-model": language.get_model,
    "pretrain": language.pretrain, "gate": language.gate,
    "train": runs.train, "study": studies.study, "evaluate": language.evaluate,
    "retrieve": retrieval.retrieve, "grade": grading.grade,
}
"""The function of each command: it takes the words after the command and returns the exit code."""


def main() -> None:
    """Run the command line; an error is printed in one line, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the console lacks must not end a long run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(call(sys.argv[1:]))
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        print("interrupted; a run with --out can be resumed from its last checkpoint, if any",
              file=sys.stderr)
        sys.exit(INTERRUPTED)


def call(words: list[str]) -> int:
    """Run the command that the first word names, and return its exit code."""
    if not words or words[0] in ("-h", "--help"):
        listed = "\n".join(f"  {name:12s}{(command.__doc__ or '').splitlines()[0]}"
                           for name, command in COMMANDS.items())
        print("usage: workbench COMMAND [OPTIONS]\n\nA workbench on why neural networks and "
              f"language models forget, and what helps.\n\ncommands:\n{listed}\n\n"
              "workbench COMMAND --help lists the options of a command.")
        return 0 if words else MISTAKE
    if words[0] not in COMMANDS:
        raise UnknownNameError("command", words[0], COMMANDS)
    return COMMANDS[words[0]](words[1:])
