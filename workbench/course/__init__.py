"""What makes notebooks a course: exercises with checks, and the building of notebooks."""

from workbench.course.exercises import check, exercises, hint

__all__ = ["check", "exercises", "hint"]
