"""The village's word-level tokenizer with its chat template, and batches of documents."""

import random
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.models.sizes import CONTEXT
from workbench.tasks.village import questions, styles, words
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
    phrases = [
        PAD, START, END, UNKNOWN, QUESTION, ANSWER, EXAMPLE, NEWS, *words.LETTERS, *words.NUMBERS,
        *words.NAMES, *words.ROOMS, *words.THINGS, *words.COLOURS, *words.MATERIALS,
        *words.STRUCTURES, *words.DISASTERS, *words.FUNCTIONS, "call ( ) ,", *words.MACHINES,
        *words.MADE_UP_MACHINES, *words.STEPS, *words.MADE_UP_STEPS, "then is", *words.TOOLS,
        *words.NEW_TOOLS, *words.CARRYING, *words.GIVING, *words.MADE_UP_GIVING, *words.VERBS,
        *words.FIXTURES, "in the from the to the", "the broke . mended it with took days paid for",
        *questions.LETTERS_PHRASINGS, *questions.KEEPER_PHRASINGS, *questions.TOOL_PHRASINGS,
        *questions.JAR_PHRASINGS, *chain.from_iterable(questions.EVENT_PHRASINGS.values()),
        *styles.OWN_STYLE, *styles.SHORT_STYLES, *styles.FILLER,
        *chain.from_iterable(styles.EXPERT_STYLES.values())]
    return [word for word in dict.fromkeys(" ".join(phrases).split()) if word != "{}"]


def make_tokenizer() -> "PreTrainedTokenizerFast":
    """Return a fast tokenizer with one token per word, and the chat template."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(vocabulary())}
    bare = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    bare.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token=PAD, bos_token=START, eos_token=END, unk_token=UNKNOWN,
        model_max_length=CONTEXT, padding_side="left", clean_up_tokenization_spaces=False)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


PROMPT_WEIGHT = 0.1
"""Weight of the loss on prompt tokens; on answer tokens it is 1."""


def encode_document(turns: Sequence[Turn], ids: dict[str, int]) -> tuple[list[int], list[float]]:
    """Return a document's tokens, as the chat template has them, and their weights.

    `ids` maps each word to its token.
    """
    document, weights = [START], [PROMPT_WEIGHT]
    for turn in turns:
        prompt = [*([NEWS, *turn.article.split()] if turn.article else []),
                  *([EXAMPLE, *turn.demonstration.split()] if turn.demonstration else []),
                  QUESTION, *turn.prompt.split(), ANSWER]
        answer = [*turn.response.split(), END]
        document += prompt + answer
        weights += [PROMPT_WEIGHT] * len(prompt) + [1.0] * len(answer)
    return [ids[word] for word in document], weights


def make_batch(corpus: Corpus, rows: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Return rows of packed documents and their weights, each of shape (rows, CONTEXT).

    A row begins with a document and is cut where it is full. Documents in a row see each other,
    which is harmless: after a start token, the earlier documents do not help to predict.
    """
    ids = {word: i for i, word in enumerate(vocabulary())}
    tokens, weights = [], []
    for _ in range(rows):
        documents = (encode_document(turns, ids) for turns in corpus.documents(rng))
        pairs = chain.from_iterable(zip(*document, strict=True) for document in documents)
        row, row_weights = zip(*islice(pairs, CONTEXT), strict=True)
        tokens.append(row)
        weights.append(row_weights)
    return torch.tensor(tokens), torch.tensor(weights)
