"""Tasks: examples, their order in a stream, and the scoring of responses."""

from workbench.tasks.digits import STREAMS, make_stream
from workbench.tasks.items import SCORERS, SPLITS, Item, read_items, scorer_of, spread
from workbench.tasks.stream import SCENARIOS, Examples, Stream, Task
from workbench.tasks.text import load_skill
from workbench.tasks.village.skills import (
    KNOWN_SKILLS,
    NEW_SKILLS,
    SKILLS,
    make_skill,
    write_skills,
)

__all__ = ["KNOWN_SKILLS", "NEW_SKILLS", "SCENARIOS", "SCORERS", "SKILLS", "SPLITS", "STREAMS",
           "Examples", "Item", "Stream", "Task", "load_skill", "make_skill", "make_stream",
           "read_items", "scorer_of", "spread", "write_skills"]
