"""Special tokens inside items: refused, because the tokenizer does not read them as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.errors import DataError
from workbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check_items_against(tokenizer: PreTrainedTokenizerBase, items: Iterable[Item],
                        source: str = "") -> None:
    """Refuse items with text that a tokenizer would read as one of its special tokens.

    An end token in a demonstration, for example, would end the learned response there.

    Raises
    ------
    DataError
        With `source` (by default the skill of the item), id, field and token.
    """
    tokens = {token for token in tokenizer.all_special_tokens if token}
    tokens |= {added.content for added in tokenizer.added_tokens_decoder.values() if added.special}
    for item in items:
        for field in ("prompt", "answer", "demonstration", "article"):
            present = sorted(token for token in tokens if token in getattr(item, field))
            if present:
                raise DataError(
                    f"item {item.id!r} of {source or item.skill}: the field {field!r} contains "
                    f"{present[0]!r}, a special token of the model's tokenizer, which would not be "
                    "read as text. Remove it or write it differently.")
