"""Drift: the KL between the pretrained language model and a later one."""

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
"""Responses compared at once: logits over a large vocabulary for all would take gigabytes."""


class Drift:
    """Measures how far models are from the pretrained one, along its samples.

    The samples are responses of `base` to the questions of `items`, without context.
    """

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 items: Sequence[Item], max_new_tokens: int = 40) -> None:
        self.samples = sample(base, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                              rng=generator(0, "drift"), max_new_tokens=max_new_tokens)
        self.base = base

    def of(self, model: PreTrainedModel) -> float:
        """Return KL(pretrained || model) along the pretrained model's samples, nats a response."""
        samples, total = self.samples, 0.0
        for rows in torch.arange(len(samples.ids)).split(AT_A_TIME):
            part = Samples(samples.prompt_ids[rows], samples.prompt_mask[rows], samples.ids[rows],
                           samples.mask[rows], [])
            kl = kl_per_token(logits_of(self.base, part), logits_of(model, part)).cpu()
            total += float((kl * part.mask).sum())
        return total / len(samples.ids)


@torch.no_grad()
def logits_of(model: Any, samples: Samples) -> Tensor:
    """Return a model's logits at each token of samples: (n, tokens, vocabulary)."""
    return response_logits(model, samples.prompt_ids, samples.prompt_mask, samples.ids,
                           samples.mask)
