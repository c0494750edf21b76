"""Texts as token ids, padded and never cut."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from workbench.errors import ConfigError, DataError, ModelError
from workbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NO_LIMIT = 2**31  # more tokens than any prompt has
SIGNS = re.compile(r"([,.?!;:()])")
"""Signs that a word-level tokenizer needs spaces around."""


def encode(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], longest: int,
           kind: str = "prompt") -> tuple[Tensor, Tensor]:
    """Return token ids and mask of texts: prompts padded on the left, others on the right.

    No special tokens are added: the chat template has put them into the prompts. `kind` is the name
    of the texts in error messages. Raises `ConfigError` if there are none, and `ModelError` if one
    has more than `longest` tokens (nothing is cut) or a word that the tokenizer does not know.
    """
    if not prompts:
        raise ConfigError("there are no prompts to answer")
    listed: list[list[int]] = tokenizer(list(prompts), add_special_tokens=False,
                                        verbose=False)["input_ids"]
    where, side = (("before the response", "left") if kind == "prompt"
                   else ("after its prompt", "right"))
    unknown = unknown_token(tokenizer)
    for prompt, row in zip(prompts, listed, strict=True):
        if len(row) > longest:
            raise ModelError(f"the {kind} {prompt[:60]!r}… has {len(row)} tokens, and there is "
                             f"room for {max(longest, 0)} {where}. Shorten the "
                             "demonstration or the article, ask for fewer new tokens, or use a "
                             "model with a longer context; nothing is cut off silently.")
        if unknown in row:
            words = unknown_words(tokenizer, prompt.replace(str(tokenizer.eos_token), " "))
            raise ModelError(f"the model does not know {', '.join(map(repr, words)) or 'a word'} "
                             f"in the {kind} {prompt[:60]!r}: the tokenizer has no token for it. "
                             "Use words of its vocabulary; the course's models know small letters, "
                             "with a space before each comma, dot and question mark.")
    rows = [torch.tensor(row, dtype=torch.int64) for row in listed]
    return (pad_sequence(rows, True, padding_of(tokenizer), side),
            pad_sequence([torch.ones_like(row) for row in rows], True, 0, side))


def unknown_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the token of words that a tokenizer does not know, or None if it knows all."""
    # Tokenizers of the GPT-2 family name their end token as the unknown one too, and never use it
    # for a word.
    unknown = tokenizer.unk_token_id
    if unknown in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return None
    return None if unknown is None else int(unknown)


def unknown_words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """Return the words of a text that a tokenizer does not know, each once."""
    unknown = unknown_token(tokenizer)
    if unknown is None:
        return []
    return [word for word in dict.fromkeys(text.split()) if unknown in tokenizer(
        word, add_special_tokens=False)["input_ids"]]


def respell(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return a typed text in the spelling that a tokenizer knows: ``Who?`` becomes ``who ?``.

    Words that the tokenizer does not know get small letters, and spaces around each comma, dot,
    question mark and the like. A tokenizer that knows capital letters, as those of nearly all
    published models do, gets the text unchanged.
    """
    if len(unknown_words(tokenizer, " ".join(string.ascii_uppercase))) < 26:
        return text
    unknown = set(unknown_words(tokenizer, text))
    return " ".join(" ".join(SIGNS.sub(r" \1 ", word.lower()).split()) if word in unknown else word
                    for word in text.split())


def encode_responses(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str],
                     longest: int) -> tuple[Tensor, Tensor]:
    """Return responses with their end tokens as ids, padded on the right, and their mask."""
    return encode(tokenizer, [f"{text}{tokenizer.eos_token}" for text in texts], longest,
                  "response to imitate")


def check_items_against(tokenizer: PreTrainedTokenizerBase, items: Iterable[Item],
                        source: str = "") -> None:
    """Raise `DataError` for items with text that a tokenizer reads as one of its special tokens.

    An end token in a demonstration, for example, would end the learned response there. `source` is
    the name of the items in the message, by default that of their skill.
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


def decode(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> list[str]:
    """Return responses (n, tokens) as texts, without special tokens and without outer spaces.

    Whether a text begins with a space depends on the tokenizer; scores must not depend on it.
    """
    return [text.strip() for text in tokenizer.batch_decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)]


def padding_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the padding token, or the end token where there is none; padding is always masked."""
    token = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if token is None else token)


def end_tokens(source: Any) -> list[int]:
    """Return the tokens that end a text according to a config or tokenizer, which may name none."""
    tokens = getattr(source, "eos_token_id", None)
    listed = tokens if isinstance(tokens, list) else [tokens]
    return [int(token) for token in listed if token is not None]


def context_of(model: PreTrainedModel) -> int:
    """Return the largest number of tokens that a model takes: its number of positions.

    It is `NO_LIMIT` for recurrent models (Mamba) and some with linear biases (Bloom).
    """
    config = model.config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "context_length")
    limits = [getattr(config, name, None) for name in names]
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), NO_LIMIT)
