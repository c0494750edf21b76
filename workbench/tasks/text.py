"""Streams of text skills: new skills to learn one after the other, and old skills to retain."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError, texts
from workbench.tasks import oldmere
from workbench.tasks.items import SPLITS, Item, check_leaks, read_items, scorer_of, spread
from workbench.tasks.stream import Examples, Stream, Task
from workbench.tasks.village.skills import KNOWN_SKILLS, SKILLS, SKILLS_FOLDER, VILLAGE

TEXT_STREAM = "skills"
"""Name of the stream in configs and on the command line."""


@dataclass(frozen=True)
class TextExamples(Examples):
    """Items of a skill. `x` holds their numbers, from which batches are drawn, and `y` zeros."""

    items: tuple[Item, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """The questions."""
        return [item.prompt for item in self.items]

    def content(self) -> bytes:
        """Return the bytes that are hashed."""
        return json.dumps([asdict(item) for item in self.items]).encode()


@dataclass(frozen=True)
class TextStream(Stream):
    """A stream whose tasks are text skills."""

    def items(self) -> dict[str, list[Item]]:
        """Return the items of every skill, old skills included, by the name of the skill."""
        return {task.name: [item for part in (task.train, task.validation, task.test)
                            if isinstance(part, TextExamples) for item in part.items]
                for task in (*self.tasks, *self.old_tasks)}

    def right(self, predictions: Sequence[Sequence[str]], examples: Examples, trained: int,
              tested: int) -> Tensor:
        """Return which responses are right: bool, shape (seeds, n)."""
        assert isinstance(examples, TextExamples)
        return torch.tensor([[scorer_of(item).right(text, item) for text, item in
                              zip(texts, examples.items, strict=True)] for texts in predictions])


def make_text_stream(skills: Sequence[str], scenario: str | None = None, most: int = 0,
                     old: Sequence[str] | None = None) -> TextStream:
    """Return a stream of new skills, in the order of training, with old ones that are only tested.

    For `skills` and `old` see `load_new_and_old`. In the scenario ``"task"`` the learner is told
    the skill of a question, in ``"domain"`` (the default) not. Of each skill at most `most`
    validation and test items are taken; 0 takes them all. Raises `ConfigError` if a skill lacks
    items, `DataError` if a test prompt of one skill is a train prompt of another.
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
    # With the old skills: training on their test prompts would look like retention.
    check_leaks(new_items | old_items)
    for name, items in new_items.items():
        _warn_of_unreachable(name, items)
    old_tasks = [_task(name, items, len(skills) + i, most)
               for i, (name, items) in enumerate(old_items.items())]
    known = tuple(task.train for task in old_tasks if len(task.train))
    tasks = [replace(_task(name, items, i, most), old=known)
             for i, (name, items) in enumerate(new_items.items())]
    return TextStream(TEXT_STREAM, scenario, tuple(tasks), 1, tuple(old_tasks))


def load_new_and_old(skills: Sequence[str], old: Sequence[str] | None = None
                     ) -> tuple[dict[str, list[Item]], dict[str, list[Item]]]:
    """Return the items of each new skill, and of each old one; names are as in `load_skill`.

    Old skills are those that the model knows already; they are tested, to measure retention. By
    default they are the village's known skills if every new item has the village's scorer, the old
    skills of Oldmere if every one has that scorer, else none. Raises `ConfigError` if a skill is
    given twice.
    """
    new_items = {name: load_skill(name) for name in skills}
    if old is None:
        scorers = {item.scorer for items in new_items.values() for item in items}
        known = (KNOWN_SKILLS if scorers == {VILLAGE} else
                 oldmere.OLD if scorers == {oldmere.SCORER} else ())
        old = [name for name in known if name not in skills]
    if len({*skills, *old}) < len(skills) + len(old):
        raise ConfigError(f"skills must be different skills, at least one, not {tuple(skills)}"
                          + (f" with the old skills {tuple(old)}" if old else ""))
    return new_items, {name: load_skill(name) for name in old}


def _warn_of_unreachable(name: str, items: Sequence[Item]) -> None:
    """Warn if the scorers of a skill's items count no demonstration as right."""
    train = [item for item in items if item.split == "train"]
    if not any(scorer_of(item).right(item.demonstration, item) for item in train):
        item = train[0]
        warnings.warn(
            f"{name}: no demonstration is right by its own scorer, such as "
            f"{item.demonstration[:60]!r} by {item.scorer!r} with the answer {item.answer!r}. A "
            "model that repeats the demonstrations will score 0. If a response may say more than "
            'the answer, write "scorer": "contains" into each line.', stacklevel=3)


def load_skill(name: str, split: str | None = None) -> list[Item]:
    """Return the items of a skill.

    Parameters
    ----------
    name : str
        A skill of the village, or of Oldmere, or the path of a JSON Lines file of your own (see
        `read_items`).
    split : {"train", "validation", "test"}, optional
        By default the items of all splits.
    """
    real = (*oldmere.NEW, *oldmere.OLD)
    if name not in (*SKILLS, *real) and not name.endswith(".jsonl"):
        raise UnknownNameError("skill", name, [*SKILLS, *real, "the path of a .jsonl file"])
    folder = SKILLS_FOLDER if name in SKILLS else oldmere.FOLDER if name in real else None
    path = folder / f"{name}.jsonl" if folder else Path(name)
    return [item for item in read_items(path) if split in (None, item.split)]


def _task(name: str, items: Sequence[Item], index: int, most: int) -> Task:
    """Return a skill as a task, with at most `most` items to validate and to test."""
    parts = [spread([item for item in items if item.split == split], limit)
             for split, limit in zip(SPLITS, (0, most, most), strict=True)]
    train, validation, test = (
        TextExamples(torch.arange(len(part)), torch.zeros(len(part), dtype=torch.long), tuple(part))
        for part in parts)
    return Task(name, index, train, validation, test, (0,),
                torch.ones(index + 1, 1, dtype=torch.bool))
