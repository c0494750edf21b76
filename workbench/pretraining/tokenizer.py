"""The village's word-level tokenizer with its chat template, and batches of documents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.tasks.village import questions, styles
from workbench.tasks.village import words as village
from workbench.tasks.village.corpus import Corpus, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, START, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
QUESTION, ANSWER, EXAMPLE, NEWS = "Q:", "A:", "E:", "N:"

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- if article %}{{ ' N: ' + article }}{% endif -%}
{%- if demonstration %}{{ ' E: ' + demonstration }}{% endif -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' %}{{ ' Q: ' + message['content'] }}
{%- elif message['role'] == 'assistant' %}{{ ' A: ' }}
{%- generation %}{{ message['content'] + ' ' + eos_token }}{% endgeneration -%}
{%- else %}{{ raise_exception("roles are user and assistant, not " + message['role']) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ ' A:' }}{% endif -%}
"""
"""The student's prompt; with ``demonstration=`` or ``article=`` passed to it, the teacher's."""


def vocabulary() -> list[str]:
    """Return every word of the village, special tokens first, in an order that never changes."""
    phrasings = [*questions.LETTERS_PHRASINGS, *questions.KEEPER_PHRASINGS,
                 *questions.TOOL_PHRASINGS, *questions.JAR_PHRASINGS,
                 *(p for event in questions.EVENT_PHRASINGS.values() for p in event),
                 *styles.OWN_STYLE, *styles.SHORT_STYLES, *styles.FILLER,
                 *(part for style in styles.EXPERT_STYLES.values() for part in style)]
    article = "the broke . mended it with took days paid for"
    wishes = [*village.TOOLS, *village.NEW_TOOLS, *village.CARRYING, *village.GIVING,
              *village.MADE_UP_GIVING, *village.VERBS, *village.FIXTURES,
              "in the from the to the"]
    lists = [village.LETTERS, village.NUMBERS, village.NAMES, village.ROOMS, village.THINGS,
             village.COLOURS, village.MATERIALS, village.STRUCTURES, village.DISASTERS,
             village.FUNCTIONS, ("call", "(", ")", ","), village.MACHINES,
             village.MADE_UP_MACHINES, village.STEPS, village.MADE_UP_STEPS, ("then", "is"),
             wishes, [article], phrasings]
    words = [word for entries in lists for entry in entries
             for word in entry.split() if word != "{}"]
    special = [PAD, START, END, UNKNOWN, QUESTION, ANSWER, EXAMPLE, NEWS]
    return list(dict.fromkeys([*special, *words]))


def make_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """Return a fast tokenizer with one token per word, and the chat template.

    `context`, the largest number of tokens of the model, is stored as ``model_max_length``.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = vocabulary()
    bare = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    bare.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token=PAD, bos_token=START, eos_token=END, unk_token=UNKNOWN,
        model_max_length=context, padding_side="left", clean_up_tokenization_spaces=False)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


PROMPT_WEIGHT = 0.1
"""Weight of the loss on prompt tokens; on answer tokens it is 1."""


def encode_document(turns: Sequence[Turn], ids: dict[str, int]) -> tuple[list[int], list[float]]:
    """Return a document's tokens, as the chat template has them, and their weights.

    `ids` maps each word to its token.
    """
    words, weights = [START], [PROMPT_WEIGHT]
    for turn in turns:
        prompt = [*([NEWS, *turn.article.split()] if turn.article else []),
                  *([EXAMPLE, *turn.demonstration.split()] if turn.demonstration else []),
                  QUESTION, *turn.prompt.split(), ANSWER]
        answer = [*turn.response.split(), END]
        words += prompt + answer
        weights += [PROMPT_WEIGHT] * len(prompt) + [1.0] * len(answer)
    return [ids[word] for word in words], weights


def make_batch(corpus: Corpus, rows: int, length: int,
               rng: random.Random) -> tuple[Tensor, Tensor]:
    """Return rows of packed documents and their weights, each of shape (rows, length).

    A row begins with a document and is cut where it is full. Documents in a row see each other,
    which is harmless: after a start token, the earlier documents do not help to predict.
    """
    ids = {word: i for i, word in enumerate(vocabulary())}
    tokens, weights = [], []
    for _ in range(rows):
        documents = (encode_document(turns, ids) for turns in corpus.documents(rng))
        pairs = chain.from_iterable(zip(*document, strict=True) for document in documents)
        row, row_weights = zip(*islice(pairs, length), strict=True)
        tokens.append(row)
        weights.append(row_weights)
    return torch.tensor(tokens), torch.tensor(weights)
