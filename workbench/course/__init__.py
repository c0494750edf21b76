"""The course: exercises with checks, verdicts, and the building of notebooks."""

from workbench.course.exercises import check, exercises, hint
from workbench.course.verdicts import verdict

__all__ = ["check", "exercises", "hint", "verdict"]
