"""Documents as rows of tokens: packed end to end, with a weight for the loss on each token."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.pretraining.tokenizer import ANSWER, END, EXAMPLE, NEWS, QUESTION, START, vocabulary
from workbench.tasks.village.corpus import Corpus, Turn

PROMPT_WEIGHT = 0.1
"""Weight of the loss on what the model reads; on what it answers it is 1."""


def encode_document(turns: Sequence[Turn], ids: dict[str, int]) -> tuple[list[int], list[float]]:
    """Return a document's tokens and their weights; the tokens are those of the chat template.

    Parameters
    ----------
    turns : sequence of Turn
        Of `Corpus.documents`.
    ids : dict of str to int
        The number of each word.
    """
    words, weights = [START], [PROMPT_WEIGHT]
    for turn in turns:
        read = [*([NEWS, *turn.article.split()] if turn.article else []),
                *([EXAMPLE, *turn.demonstration.split()] if turn.demonstration else []),
                QUESTION, *turn.prompt.split(), ANSWER]
        answered = [*turn.response.split(), END]
        words += read + answered
        weights += [PROMPT_WEIGHT] * len(read) + [1.0] * len(answered)
    return [ids[word] for word in words], weights


def make_batch(corpus: Corpus, rows: int, length: int,
               rng: random.Random) -> tuple[Tensor, Tensor]:
    """Return rows of packed documents and their weights, each of shape (rows, length).

    Every row begins with a document and is cut where it is full. Documents in a row see each other,
    which does no harm: each begins with the start token, after which nothing before it helps.
    """
    ids = {word: i for i, word in enumerate(vocabulary())}
    tokens, weights = [], []
    for _ in range(rows):
        row: list[int] = []
        weighed: list[float] = []
        documents = corpus.documents(rng)
        while len(row) < length:
            document, weight = encode_document(next(documents), ids)
            row += document
            weighed += weight
        tokens.append(row[:length])
        weights.append(weighed[:length])
    return torch.tensor(tokens), torch.tensor(weights)
