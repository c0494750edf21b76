"""The village's scorer: it finds the answer in responses of any style."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from workbench.tasks.scoring import Scorer
from workbench.tasks.village.questions import asks_for_working, work_through
from workbench.tasks.village.styles import (
    FILLER,
    has_own_style,
    is_right,
    kind_of,
    put_in_own_style,
    shows_working,
)

if TYPE_CHECKING:
    from workbench.tasks.items import Item


class VillageScorer(Scorer):
    """A response is right if its last piece of content is the answer, in any style."""

    filler = FILLER

    def check(self, answer: str) -> None:
        """Raise `ValueError` if an answer has words that no answer in the village has."""
        kind_of(answer)

    def right(self, text: str, item: Item) -> bool:
        """Return whether the last piece of content is the answer."""
        return is_right(text, item.answer)

    def own_style(self, text: str) -> bool:
        """Return whether a response is in the model's own style, word for word."""
        return has_own_style(text)

    def working(self, text: str, item: Item) -> bool | None:
        """Return whether every step in the jar is shown; None for all other questions."""
        return shows_working(text, item.prompt) if asks_for_working(item.prompt) else None

    def in_own_style(self, item: Item, rng: random.Random) -> str:
        """Return the answer in the model's own style, with the steps if it needs some."""
        working = work_through(item.prompt, item.answer) if asks_for_working(item.prompt) else ""
        return put_in_own_style(item.answer, rng, working)
