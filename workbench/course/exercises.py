"""Exercises: goals, hints from vague to plain, and checks that say what is wrong."""

import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.course import (
    calibration_checks,
    checks,
    composition_checks,
    distillation_checks,
    factored_checks,
    language_checks,
    retrieval_checks,
    solutions,
)
from workbench.course.checks import Wrong
from workbench.errors import UnknownNameError
from workbench.system.provenance import data_path


@dataclass(frozen=True)
class Exercise:
    """One exercise: a function to write. Its texts are in ``data/exercises.toml``."""

    name: str
    """Name of the function, of its check and of its solution."""
    goal: str
    """Purpose of the function, in Markdown."""
    difficulty: int
    """From 1 to 3."""
    minutes: int
    hints: tuple[str, ...]
    """From vague to plain."""

    @property
    def check(self) -> Callable[[Callable[..., Any]], None]:
        """The check, which raises `Wrong`, with a message for the student."""
        tables = (vars(checks) | vars(language_checks) | vars(retrieval_checks)
                  | vars(calibration_checks) | vars(distillation_checks)
                  | vars(composition_checks) | vars(factored_checks))
        return tables[self.name]  # type: ignore[no-any-return]

    @property
    def solution(self) -> Callable[..., Any]:
        """The reference answer."""
        return getattr(solutions, self.name)  # type: ignore[no-any-return]


def _one_line(text: str) -> str:
    return " ".join(text.split())


exercises = {
    name: Exercise(name, _one_line(entry["goal"]), entry["difficulty"], entry["minutes"],
                   tuple(map(_one_line, entry["hints"])))
    for name, entry in tomllib.loads(data_path("exercises.toml").read_text("utf-8")).items()}
"""All exercises of the course by the name of the function to write."""

_hinted: dict[str, int] = {}


def _find(name: str) -> Exercise:
    if name not in exercises:
        raise UnknownNameError("exercise", name, exercises)
    return exercises[name]


def _not_yet(name: str, message: str) -> None:
    print(textwrap.fill(f"{name}: {message}", 100, break_on_hyphens=False))
    # Every notebook imports workbench as wb.
    print(f'For a hint: wb.hint("{name}")')


def check(name: str, answer: Callable[..., Any]) -> None:
    """Check a student's function; print its fault, or that it is right.

    A wrong answer raises nothing: the rest of the notebook still runs.
    """
    exercise = _find(name)
    try:
        exercise.check(answer)
    except Wrong as wrong:
        _not_yet(name, f"not yet. {wrong}")
    except Exception as error:
        _not_yet(name, f"your function raised {type(error).__name__}: {error}")
    else:
        print(f"{name}: right!")


def hint(name: str) -> None:
    """Print the next hint of an exercise; after the last one, print it again."""
    hints = _find(name).hints
    i = _hinted.get(name, 0)
    _hinted[name] = min(i + 1, len(hints) - 1)
    print(textwrap.fill(f"Hint {i + 1} of {len(hints)}: {hints[i]}", 100, break_on_hyphens=False))
