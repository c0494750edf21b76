"""Streams of text skills: new ones to be learned in a row, known ones to be kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError, texts
from workbench.tasks.jsonl import SPLITS, Item, spread
from workbench.tasks.skills import KNOWN_SKILLS, load_skill
from workbench.tasks.stream import Examples, Stream, Task
from workbench.tasks.voices import is_right

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

    def right(self, predictions: Sequence[Sequence[str]], examples: Examples, trained: int,
              tested: int) -> Tensor:
        """Return which responses have the right content: shape (seeds, n), of bool."""
        assert isinstance(examples, TextExamples)
        answers = [item.answer for item in examples.items]
        return torch.tensor([[is_right(text, answer) for text, answer in
                              zip(texts, answers, strict=True)] for texts in predictions])


def make_text_stream(skills: Sequence[str], scenario: str | None = None,
                     most: int = 0) -> TextStream:
    """Return a stream of new skills, beside which the known ones are tested.

    Parameters
    ----------
    skills : sequence of str
        In the order in which they are learned: skills of the village, or paths of JSON Lines files.
    scenario : {"domain", "task"}, optional
        Whether the learner is told which skill a question is from; domain by default: it is not.
    most : int
        Test on so many items of each skill at most; 0 takes them all.

    Raises
    ------
    UnknownNameError
        If there is no such skill or scenario.
    ConfigError
        If there are no skills, one stands twice, or one lacks items.
    """
    scenario = scenario or "domain"
    if scenario not in ("domain", "task"):
        raise UnknownNameError("scenario for text skills", scenario, ("domain", "task"))
    skills = texts("skills", skills)
    if not skills or len(set(skills)) < len(skills):
        raise ConfigError(f"skills must be different skills, at least one, not {skills}")
    tasks = [_task(name, i, most) for i, name in enumerate(skills)]
    for task in tasks:
        for split in SPLITS:
            if not len(getattr(task, split)):
                raise ConfigError(f"{task.name} has no items in the split {split!r}; a skill that "
                                  "is to be learned needs train, validation and test items")
    watched = [name for name in KNOWN_SKILLS if name not in skills]
    return TextStream(TEXT_STREAM, scenario, tuple(tasks), 1, tuple(
        _task(name, len(tasks) + i, most) for i, name in enumerate(watched)))


def _task(name: str, index: int, most: int) -> Task:
    parts, every = [], load_skill(name)
    for split in SPLITS:
        items = spread([item for item in every if item.split == split],
                       most if split != "train" else 0)
        parts.append(TextExamples(torch.arange(len(items)),
                                  torch.zeros(len(items), dtype=torch.long), tuple(items)))
    train, validation, test = parts
    return Task(name, index, train, validation, test, (0,),
                torch.ones(index + 1, 1, dtype=torch.bool))
