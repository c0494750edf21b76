"""What is learned: tasks and streams of them, and the text skills of the village."""

from workbench.tasks.digits import STREAMS, make_stream
from workbench.tasks.jsonl import SCORERS, SPLITS, Item, read_items, scorer_of, spread
from workbench.tasks.skills import KNOWN_SKILLS, NEW_SKILLS, SKILLS, load_skill, make_skill
from workbench.tasks.stream import SCENARIOS, Examples, Stream, Task

__all__ = ["KNOWN_SKILLS", "NEW_SKILLS", "SCENARIOS", "SCORERS", "SKILLS", "SPLITS", "STREAMS",
           "Examples", "Item", "Stream", "Task", "load_skill", "make_skill", "make_stream",
           "read_items", "scorer_of", "spread"]
