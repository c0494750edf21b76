"""Drift: how far a language model is from the pretrained one, on its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.losses import kl_per_token
from workbench.measure.completions import prompts_for
from workbench.models.logits import response_logits
from workbench.models.sampling import Samples, sample
from workbench.system.runtime import generator
from workbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_A_TIME = 32
"""Responses whose distributions are held at once."""


class Drift:
    """How far models are from the pretrained one on some prompts.

    Parameters
    ----------
    base, tokenizer
        The pretrained model, from `workbench.models.load_causal_lm`.
    items : sequence of Item
        Whose questions are asked, without context.
    max_new_tokens : int
        Longest response.
    """

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 items: Sequence[Item], max_new_tokens: int = 40) -> None:
        self.said = sample(base, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                           rng=generator(0, "drift"), max_new_tokens=max_new_tokens)
        self.base = base

    def of(self, model: PreTrainedModel) -> float:
        """Return KL(pretrained || model) along the pretrained model's samples, nats a response."""
        said, total = self.said, 0.0
        # A few at a time, and the pretrained model asked anew: with a large vocabulary what it gave
        # to all of them would take gigabytes.
        for rows in torch.arange(len(said.ids)).split(AT_A_TIME):
            some = Samples(said.prompt_ids[rows], said.prompt_mask[rows], said.ids[rows],
                           said.mask[rows], [])
            each = kl_per_token(logits_of(self.base, some), logits_of(model, some)).cpu()
            total += float((each * some.mask).sum())
        return total / len(said.ids)


@torch.no_grad()
def logits_of(model: Any, said: Samples) -> Tensor:
    """Return what a model gives to each token of some samples: (n, tokens, vocabulary)."""
    return response_logits(model, said.prompt_ids, said.prompt_mask, said.ids, said.mask)
