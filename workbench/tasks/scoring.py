"""Scorers: each decides whether a response to an item is right. An item names its scorer."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.tasks.items import Item


class Scorer:
    """Decides which responses are right; may also know the style of a model's own answers.

    `matches` says whether a response (first) has the content of an answer. The own style is known
    only for texts that were written for the model. For all others the methods about style return
    None, and reports leave out what they measure.
    """

    # Words that the course's own models know too, so that they can be asked about any file.
    filler: tuple[str, ...] = tuple(
        "well now here see indeed surely that would again thus truly quite very this must be as "
        "it is from of and for our the so we or my all always".split())
    """Words without content, for the control context ``"random"``."""

    def __init__(self, matches: Callable[[str, str], bool]) -> None:
        self.matches = matches

    def check(self, answer: str) -> None:
        """Raise `ValueError` if no response could be compared with this answer."""

    def right(self, text: str, item: Item) -> bool:
        """Return whether a response has the right content."""
        return self.matches(text, item.answer)

    def own_style(self, text: str) -> bool | None:
        """Return whether a response is in the model's own style; None if the style is unknown."""
        return None

    def working(self, text: str, item: Item) -> bool | None:
        """Return whether a response shows every step; None if the item does not ask for steps."""
        return None

    def in_own_style(self, item: Item, rng: random.Random) -> str | None:
        """Return the answer in the model's own style; None if the style is unknown."""
        return None


def normalised(text: str) -> str:
    """Return a text without differences in case, white space and final punctuation."""
    folded = unicodedata.normalize("NFD", text).casefold()
    plain = " ".join(unicodedata.normalize("NFC", folded).split())
    return plain.rstrip(" .!?…。！？") or plain


def equals(text: str, answer: str) -> bool:
    """Return whether a normalised text equals a normalised answer."""
    return normalised(text) == normalised(answer)


def contains(text: str, answer: str) -> bool:
    """Return whether a normalised text contains a normalised answer as whole words or numbers.

    The number 3 is not contained in 13, in 3.5 or in f3. In scripts without capital letters, such
    as Chinese, Japanese and Thai, which put no spaces between words, parts of words count too.
    """
    text, answer = normalised(text), normalised(answer)
    if any(letter.isalpha() and letter.upper() == letter for letter in answer):
        return answer in text
    words, sought = (" ".join(re.findall(r"\d+(?:[.,]\d+)+|\w+|\S", part))
                     for part in (text, answer))
    return f" {sought} " in f" {words} "
