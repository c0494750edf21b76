"""Documents packed end to end into rows of tokens, with a weight for the loss on each token."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.pretraining.tokenizer import ANSWER, END, EXAMPLE, NEWS, QUESTION, START, vocabulary
from workbench.tasks.village.corpus import Corpus, Turn

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
        row: list[int] = []
        row_weights: list[float] = []
        documents = corpus.documents(rng)
        while len(row) < length:
            document, document_weights = encode_document(next(documents), ids)
            row += document
            row_weights += document_weights
        tokens.append(row[:length])
        weights.append(row_weights[:length])
    return torch.tensor(tokens), torch.tensor(weights)
