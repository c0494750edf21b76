"""Labelled texts in tasks, as JSON Lines: a stream in which each task has classes of its own."""

import json
from collections import Counter
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path

import torch

from workbench.errors import ConfigError, DataError
from workbench.system.files import sha256
from workbench.system.provenance import data_path
from workbench.tasks.items import ONE_SPLIT, SPLITS, field_faults, read_lines, same_prompt
from workbench.tasks.stream import Examples, Stream, build_stream

INTENTS = data_path("intents", "intents.jsonl")
"""The messages of the course; ``data/intents/README.md`` says how they were made."""

INTENTS_STREAM = "intents"
"""Name of their stream in configs and on the command line."""


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


@dataclass(frozen=True)
class UtteranceStream(Stream):
    """A stream of labelled texts; the `x` of its examples are numbers of texts."""

    texts: tuple[str, ...] = ()

    def data_hash(self) -> str:
        """Return the sha256 of every example and every text."""
        content = json.dumps([self.texts, self.labels]).encode()
        return sha256(super().data_hash().encode() + content)


def make_utterance_stream(path: str | Path = INTENTS, scenario: str | None = None,
                          tasks: int = 0) -> UtteranceStream:
    """Return the tasks of a file in the order in which they begin there.

    `scenario` is ``"class"`` (the default) or ``"task"``: each task has labels of its own. With
    `tasks` only the first ones are taken; 0 takes them all. Raises `ConfigError` for a file with
    fewer tasks, or the domain scenario; for other errors see `read_utterances`.
    """
    utterances = read_utterances(path)
    names = list(dict.fromkeys(one.task for one in utterances))
    if tasks > len(names):
        raise ConfigError(f"{path} has {len(names)} tasks ({', '.join(names)}), not {tasks}")
    if scenario == "domain":
        raise ConfigError("labelled texts have labels of their own in each task: take the scenario "
                          "class or task, not domain")
    names = names[:tasks or None]
    utterances = [one for one in utterances if one.task in names]
    own = [list(dict.fromkeys(one.label for one in utterances if one.task == name))
           for name in names]
    parts = []
    for name, labels in zip(names, own, strict=True):
        numbers = [[i for i, one in enumerate(utterances) if (one.task, one.split) == (name, split)]
                   for split in SPLITS]
        parts.append([Examples(torch.tensor(part), torch.tensor(
            [labels.index(utterances[i].label) for i in part])) for part in numbers])
    stream = build_stream(Path(path).stem, scenario or "class", names, parts, list(map(len, own)))
    return UtteranceStream(**vars(stream) | {"labels": tuple(chain(*own))},
                           texts=tuple(one.text for one in utterances))
