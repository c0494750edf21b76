"""What a model gives to each token of a response, after any prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def response_logits(model: PreTrainedModel, prompt_ids: Tensor, prompt_mask: Tensor, ids: Tensor,
                    mask: Tensor) -> Tensor:
    """Return the logits from which each token of a response is drawn.

    The same response can be given after two prompts of different length, a student's and a
    teacher's: the logits line up with the response, whatever stands before it.

    Parameters
    ----------
    model : PreTrainedModel
        Causal.
    prompt_ids, prompt_mask : Tensor of int64, shape (n, prompt tokens)
        Padded on the left.
    ids, mask : Tensor of int64, shape (n, tokens)
        The responses, padded on the right.

    Returns
    -------
    Tensor of float32, shape (n, tokens, vocabulary)
        Position t: given the prompt and the response before token t. Where the mask is 0 they mean
        nothing.
    """
    whole = torch.cat([prompt_ids, ids], 1).to(model.device)
    attended = torch.cat([prompt_mask, mask], 1).to(model.device)
    positions = (attended.cumsum(1) - 1).clamp_min(0)
    length = ids.shape[1]
    logits: Tensor = model(input_ids=whole, attention_mask=attended, position_ids=positions,
                           use_cache=False, logits_to_keep=length + 1).logits
    return logits[:, -length - 1:-1].float()
