"""Streams of text skills: new ones to be learned in a row, known ones to be kept."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import ConfigError, DataError, UnknownNameError, texts
from workbench.tasks.items import (
    ONE_SPLIT,
    SPLITS,
    Item,
    read_items,
    same_prompt,
    scorer_of,
    spread,
)
from workbench.tasks.stream import Examples, Stream, Task
from workbench.tasks.village.skills import KNOWN_SKILLS, SKILLS, SKILLS_FOLDER, VILLAGE

TEXT_STREAM = "skills"
"""The name of the stream in configs and on the command line."""


@dataclass(frozen=True)
class TextExamples(Examples):
    """Questions and answers; `x` counts them, so that batches can be drawn as of any examples.

    Parameters
    ----------
    x, y : Tensor of int64, shape (n,)
        Their numbers, and zeros.
    items : tuple of Item
        The questions themselves.
    """

    items: tuple[Item, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """The questions."""
        return [item.prompt for item in self.items]

    def content(self) -> bytes:
        """Return what is hashed."""
        return json.dumps([asdict(item) for item in self.items]).encode()


@dataclass(frozen=True)
class TextStream(Stream):
    """Skills in a row; see `Stream`."""

    def items(self) -> dict[str, list[Item]]:
        """Return the items of every skill, old skills included, by the name of the skill."""
        return {task.name: [item for part in (task.train, task.validation, task.test)
                            if isinstance(part, TextExamples) for item in part.items]
                for task in (*self.tasks, *self.old_tasks)}

    def right(self, predictions: Sequence[Sequence[str]], examples: Examples, trained: int,
              tested: int) -> Tensor:
        """Return which responses have the right content: shape (seeds, n), of bool."""
        assert isinstance(examples, TextExamples)
        return torch.tensor([[scorer_of(item).right(text, item) for text, item in
                              zip(texts, examples.items, strict=True)] for texts in predictions])


def make_text_stream(skills: Sequence[str], scenario: str | None = None, most: int = 0,
                     old: Sequence[str] | None = None) -> TextStream:
    """Return a stream of new skills, beside which old skills are tested.

    Parameters
    ----------
    skills : sequence of str
        In the order in which they are learned: skills of the village, or paths of JSON Lines files.
    scenario : {"domain", "task"}, optional
        Whether the learner is told which skill a question is from; domain by default: it is not.
    most : int
        Test on so many items of each skill at most; 0 takes them all.
    old : sequence of str, optional
        Skills that the model knows already, see `load_new_and_old`.

    Raises
    ------
    UnknownNameError
        If there is no such skill or scenario.
    ConfigError
        If there are no skills, one stands twice, or one lacks items.
    DataError
        If a file has faults (see `read_items`), or a test prompt of one skill is trained on in
        another (see `check_leaks`).
    """
    scenario = scenario or "domain"
    if scenario not in ("domain", "task"):
        raise UnknownNameError("scenario for text skills", scenario, ("domain", "task"))
    skills = texts("skills", skills)
    if not skills:
        raise ConfigError("skills must be different skills, at least one, not ()")
    new_items, old_items = load_new_and_old(skills, old)
    for name, items in (new_items | old_items).items():
        for split in SPLITS if name in new_items else ("validation", "test"):
            if not any(item.split == split for item in items):
                raise ConfigError(f"{name} has no items in the split {split!r}; a skill that is to "
                                  "be learned needs train, validation and test items, and an old "
                                  "skill validation and test items")
    check_leaks(new_items | old_items)
    for name, items in new_items.items():
        warn_of_unreachable(name, items)
    old_tasks = [_task(name, items, len(skills) + i, most)
               for i, (name, items) in enumerate(old_items.items())]
    known = tuple(task.train for task in old_tasks if len(task.train))
    tasks = [replace(_task(name, items, i, most), old=known)
             for i, (name, items) in enumerate(new_items.items())]
    return TextStream(TEXT_STREAM, scenario, tuple(tasks), 1, tuple(old_tasks))


def load_new_and_old(skills: Sequence[str], old: Sequence[str] | None = None
                     ) -> tuple[dict[str, list[Item]], dict[str, list[Item]]]:
    """Return all items of each new skill, and of each old one. Each file is read once.

    Parameters
    ----------
    skills : sequence of str
        New skills: skills of the village, or paths of JSON Lines files.
    old : sequence of str, optional
        Skills that the model knows already; they are tested, to measure retention. By default those
        that the course's models know if every new item is scored as the village's, else none.

    Raises
    ------
    ConfigError
        If a skill stands twice, or is both new and old.
    """
    new_items = {name: load_skill(name) for name in skills}
    if old is None:
        ours = all(item.scorer == VILLAGE for items in new_items.values() for item in items)
        old = [name for name in KNOWN_SKILLS if name not in skills] if ours else ()
    if len({*skills, *old}) < len(skills) + len(old):
        raise ConfigError(f"skills must be different skills, at least one, not {tuple(skills)}"
                          + (f" with the old skills {tuple(old)}" if old else ""))
    return new_items, {name: load_skill(name) for name in old}


def warn_of_unreachable(name: str, items: Sequence[Item]) -> None:
    """Warn if no demonstration of a skill would be counted as right by the skill's own scorer."""
    trained = [item for item in items if item.split == "train"]
    if not any(scorer_of(item).right(item.demonstration, item) for item in trained):
        item = trained[0]
        warnings.warn(
            f"{name}: no demonstration is right by its own scorer, such as "
            f"{item.demonstration[:60]!r} by {item.scorer!r} with the answer {item.answer!r}. A "
            "model that repeats the demonstrations will score 0. If a response may say more than "
            'the answer, write "scorer": "contains" into each line.', stacklevel=3)


def load_skill(name: str, split: str | None = None) -> list[Item]:
    """Return the items of a skill, or those of one split.

    Parameters
    ----------
    name : str
        A skill of the village, or the path of a JSON Lines file of your own.
    split : {"train", "validation", "test"}, optional
        Only these.

    Raises
    ------
    UnknownNameError
        If there is no such skill.
    DataError
        If the file has faults; see `read_items`.
    """
    if name in SKILLS:
        path = SKILLS_FOLDER / f"{name}.jsonl"
    elif name.endswith(".jsonl"):
        path = Path(name)
    else:
        raise UnknownNameError("skill", name, [*SKILLS, "the path of a .jsonl file"])
    return [item for item in read_items(path) if split in (None, item.split)]


def check_leaks(skills: Mapping[str, Sequence[Item]]) -> None:
    """Refuse skills of which one is trained on a prompt that another is tested on.

    Parameters
    ----------
    skills : mapping of str to sequence of Item
        All items of every skill of a run, old skills included: a test prompt of an old skill that
        is trained on would pass for knowledge that was retained.

    Raises
    ------
    DataError
        If there is such a prompt; the message gives the prompt, both skills and both ids.
    """
    trained = {same_prompt(item.prompt): (name, item) for name, items in skills.items()
               for item in items if item.split == "train"}
    for name, items in skills.items():
        for item in items:
            key = same_prompt(item.prompt)
            if item.split != "train" and key in trained:
                other, twin = trained[key]
                raise DataError(
                    f"the prompt {item.prompt!r} is a {item.split} prompt of {name} (item "
                    f"{item.id!r}) and a train prompt of {other} (item {twin.id!r}). {ONE_SPLIT} "
                    "Remove it from one of them.")


def _task(name: str, items: Sequence[Item], index: int, most: int) -> Task:
    parts = []
    for split in SPLITS:
        some = spread([item for item in items if item.split == split],
                      most if split != "train" else 0)
        parts.append(TextExamples(torch.arange(len(some)),
                                  torch.zeros(len(some), dtype=torch.long), tuple(some)))
    train, validation, test = parts
    return Task(name, index, train, validation, test, (0,),
                torch.ones(index + 1, 1, dtype=torch.bool))
