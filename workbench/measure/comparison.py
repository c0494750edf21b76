"""Comparison of student and teacher along one response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.losses import divergence
from workbench.models.encoding import context_of, encode, make_prompt
from workbench.models.logits import response_logits
from workbench.models.sampling import sample

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 40
"""Most tokens in a response."""


@dataclass(frozen=True)
class Comparison:
    """A response, and the distributions of student and teacher at each of its tokens.

    Parameters
    ----------
    words : list of str
        Tokens of the response, including the end token.
    loss : ndarray, shape (tokens,)
        Divergence between the two at each token, in nats: the loss of SDFT there.
    student, teacher : ndarray, shape (tokens, vocabulary)
        Probabilities.
    answers : dict of str to str
        The responses of ``student`` and ``teacher``.
    """

    words: list[str]
    loss: NDArray[np.float32]
    student: NDArray[np.float32]
    teacher: NDArray[np.float32]
    answers: dict[str, str]


@torch.no_grad()
def compare(student: PreTrainedModel, teacher: PreTrainedModel,
            tokenizer: PreTrainedTokenizerBase, question: str, demonstration: str = "",
            article: str = "", *, along: str = "teacher", direction: str = "forward",
            seed: int = 0) -> Comparison:
    """Compare a student without context and a teacher with it, along a response of one of them.

    Parameters
    ----------
    student, teacher : PreTrainedModel
        Models with the same tokenizer; they may be the same model.
    question, demonstration, article : str
        See `workbench.models.make_prompt`; the student's prompt contains only the question.
    along : {"teacher", "student", "sample"}
        The greedy response of the teacher or the student, or one that the student samples at
        temperature 1 with `seed`, as in training.
    direction : str
        One of `workbench.losses.DIRECTIONS`.
    """
    prompts = {"student": (student, make_prompt(tokenizer, question)),
               "teacher": (teacher, make_prompt(tokenizer, question, demonstration=demonstration,
                                                article=article))}
    responses = {name: sample(model, tokenizer, [prompt], max_new_tokens=LONGEST,
                              rng=torch.Generator().manual_seed(seed),
                              temperature=float(name == "student" and along == "sample"))
                 for name, (model, prompt) in prompts.items()}
    response = responses["teacher" if along == "teacher" else "student"]
    logits = {}
    for name, (model, prompt) in prompts.items():
        ids, mask = encode(tokenizer, [prompt], context_of(model))
        logits[name] = response_logits(model, ids, mask, response.ids, response.mask)[0].cpu()
    # Rounding can make a divergence of 0 negative.
    loss = divergence(logits["student"], logits["teacher"], direction).clamp_min(0)
    return Comparison(
        list(tokenizer.convert_ids_to_tokens(response.ids[0].tolist())), loss.numpy(),
        logits["student"].softmax(-1).numpy(), logits["teacher"].softmax(-1).numpy(),
        {name: samples.texts[0] for name, samples in responses.items()})
