"""The village's scorer: it reads names, rooms, numbers and letters out of any style."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from workbench.tasks.questions import asks_for_working, work_through
from workbench.tasks.scoring import Scorer
from workbench.tasks.voices import FILLER, in_own_voice, is_right, kind_of, shows_working, speak

if TYPE_CHECKING:
    from workbench.tasks.jsonl import Item


class VillageScorer(Scorer):
    """Right is a response whose last piece of content is the answer, in whatever style."""

    filler = FILLER

    def check(self, answer: str) -> None:
        """Raise `ValueError` if an answer has words that no answer in the village has."""
        kind_of(answer)

    def right(self, text: str, item: Item) -> bool:
        """Return whether the last piece of content is the answer."""
        return is_right(text, item.answer)

    def own_style(self, text: str) -> bool:
        """Return whether a response is in the model's own style, word for word."""
        return in_own_voice(text)

    def working(self, text: str, item: Item) -> bool | None:
        """Return whether every step in the jar is shown; None for all other questions."""
        return shows_working(text, item.prompt) if asks_for_working(item.prompt) else None

    def in_own_style(self, item: Item, rng: random.Random) -> str:
        """Return the answer in the model's own style, after the steps where they are asked for."""
        return speak(item.answer, rng, work_through(item.prompt, item.answer)
                     if asks_for_working(item.prompt) else "")
