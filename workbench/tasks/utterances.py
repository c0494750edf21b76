"""Labelled texts in tasks, as JSON Lines: a stream in which each task has classes of its own."""

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

from workbench.errors import DataError
from workbench.system.provenance import data_path
from workbench.tasks.items import ONE_SPLIT, SPLITS, field_faults, read_lines, same_prompt

INTENTS = data_path("intents", "intents.jsonl")
"""The messages of the course; ``data/intents/README.md`` says how they were made."""


@dataclass(frozen=True)
class Utterance:
    """One text of a task, with its class."""

    text: str
    """The text, such as ``"card gone"``."""
    label: str
    """Its class, such as ``lost_card``; of one task only."""
    task: str
    """Its task, such as ``banking``."""
    split: str
    """``train``, ``validation`` or ``test``."""


FIELDS = tuple(field.name for field in fields(Utterance))


def read_utterances(path: str | Path = INTENTS) -> list[Utterance]:
    """Return the texts of a JSON Lines file, by default the intents of the course.

    Any fault raises a `DataError` that names the line: a field that is missing, empty or no text, a
    label of two tasks, a text in two splits, or a label without texts in one of the splits.
    """
    path = Path(path)
    lines = read_lines(path, ", ".join(FIELDS), "Give a JSON Lines file with the fields "
                       f"{', '.join(FIELDS)}.")
    tasks: dict[str, tuple[str, int]] = {}
    splits: dict[str, tuple[str, int]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    utterances = []
    for number, record in lines.items():
        where = f"{path}, line {number}"
        for fault in field_faults(record, FIELDS):
            raise DataError(f"{where}: {fault}")
        one = Utterance(**record)
        if one.split not in SPLITS:
            raise DataError(f"{where}: split {one.split!r} is not one of {', '.join(SPLITS)}.")
        task, first = tasks.setdefault(one.label, (one.task, number))
        if task != one.task:
            raise DataError(
                f"{where}: the label {one.label!r} is of task {one.task!r} here and of {task!r} "
                f"in line {first}. A label may be of one task only; rename it in one of them.")
        split, first = splits.setdefault(same_prompt(one.text), (one.split, number))
        if split != one.split:
            raise DataError(f"{where}: the text {one.text!r} is in {one.split!r} here and in "
                            f"{split!r} in line {first}. {ONE_SPLIT}")
        counts[one.label, one.split] += 1
        utterances.append(one)
    for label in tasks:
        for split in SPLITS:
            if not counts[label, split]:
                raise DataError(f"{path}: the label {label!r} has no texts in the split {split!r}. "
                                "Each label needs some in every split.")
    return utterances
