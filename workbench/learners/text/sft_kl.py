"""Supervised fine-tuning with a penalty on the distance from the pretrained model."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.errors import positive
from workbench.learners.text.sft import SFT, imitation
from workbench.losses import kl_per_token, per_response
from workbench.models.language import LanguageModels
from workbench.models.logits import response_logits, take_prompts


class SFTWithKL(SFT):
    """Imitate the demonstrations, and add the KL from the pretrained model on the same tokens.

    Parameters
    ----------
    strength : float
        Weight of the KL.
    """

    def __init__(self, model: LanguageModels, strength: float = 1.0,
                 max_new_tokens: int = 40) -> None:
        super().__init__(model, max_new_tokens)
        positive(strength=strength)
        self.strength = strength

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the cross-entropy and the weighted KL from the pretrained model."""
        ids, mask = (part[indices] for part in self.targets)
        student = self.logits(i, indices, ids, mask)
        # New: the pretrained model's logits of each token, without any context.
        with torch.no_grad():
            before = response_logits(self.model.base, *take_prompts(self.prompts, indices), ids,
                                     mask)
        drift = per_response(kl_per_token(before, student), mask)
        return imitation(student, ids, mask) + self.strength * drift
