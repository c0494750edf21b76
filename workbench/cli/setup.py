"""The commands ``doctor`` and ``demo``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.cli.app import FAILED
from workbench.cli.parsing import Flag, parse


@dataclass(frozen=True)
class Doctor:
    """What `doctor` reads."""

    json: Flag = False
    """Print JSON on stdout."""


@dataclass(frozen=True)
class Demo:
    """What `demo` reads."""

    out: Path = Path("artifacts/demo")
    """A new folder for figures and page."""


def doctor(words: list[str]) -> int:
    """Say whether this machine is ready for the course, and how to repair what is not."""
    from workbench.doctor import doctor as examine

    options = parse(Doctor, words, doctor)
    report = examine()
    print(report.to_json() if options.json else report)
    return 0 if report.ready else FAILED


def demo(words: list[str]) -> int:
    """Run every lesson's headline experiment and write its figures and one page."""
    options = parse(Demo, words, demo)
    from workbench.demo import main as tell

    return 0 if all(verdict.holds for verdict in tell(options.out)) else FAILED
