"""The commands ``doctor`` and ``lab``."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.cli.app import FAILED, Output
from workbench.cli.parsing import Flag, parse


@dataclass(frozen=True)
class Lab:
    """Options of `lab`."""

    fresh: Flag = False
    """Start over with a new copy; the old one is kept under another name."""


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
    return start(further, options.fresh)
