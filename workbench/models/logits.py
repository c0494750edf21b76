"""What a model gives to each token of a response, after any prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    length = ids.shape[1]
    logits: Tensor = model(input_ids=whole, attention_mask=attended,
                           position_ids=_positions(attended), use_cache=False,
                           logits_to_keep=length + 1).logits
    return logits[:, -length - 1:-1].float()


class ReadPrompts:
    """Prompts that a model has read once, for responses that will be put after them.

    Keys, values and last logits of the prompts are kept, so that only the responses have to be
    computed each time. This is for a model whose weights do not change.

    Parameters
    ----------
    model : PreTrainedModel
        Causal.
    ids, mask : Tensor of int64, shape (n, prompt tokens)
        Padded on the left.
    """

    BATCH = 32
    MOST_BYTES = 2**29
    """Beyond this, keeping the prompts costs more memory than reading them again costs time."""

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, ids: Tensor, mask: Tensor) -> None:
        from transformers import DynamicCache

        self.model, self.mask = model, mask.to(model.device)
        last, keys, values = [], [], []
        for rows, attended in zip(ids.split(self.BATCH), self.mask.split(self.BATCH), strict=True):
            cache: Any = DynamicCache(config=model.config)
            said = model(input_ids=rows.to(model.device), attention_mask=attended,
                         position_ids=_positions(attended), past_key_values=cache, use_cache=True,
                         logits_to_keep=1)
            last.append(said.logits[:, -1])
            keys.append(torch.stack([layer.keys for layer in cache.layers]))
            values.append(torch.stack([layer.values for layer in cache.layers]))
        self.last = torch.cat(last)
        # (layers, prompts, heads, tokens, features)
        self.keys, self.values = torch.cat(keys, 1), torch.cat(values, 1)

    @classmethod
    def fits(cls, model: PreTrainedModel, ids: Tensor) -> bool:
        """Whether every layer looks at all of a prompt, and the prompts are few enough to keep."""
        config = model.config.get_text_config()
        kinds = getattr(config, "layer_types", None)
        if kinds is None:
            whole = getattr(config, "sliding_window", None) is None
        else:
            whole = set(kinds) == {"full_attention"}
        if not whole or not hasattr(config, "num_attention_heads"):
            return False
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        features = getattr(config, "head_dim", None) or (config.hidden_size
                                                         // config.num_attention_heads)
        each = 2 * config.num_hidden_layers * heads * features * model.dtype.itemsize
        return bool(each * ids.numel() <= cls.MOST_BYTES)

    @torch.no_grad()
    def logits(self, chosen: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what `response_logits` does for the prompts with these numbers, up to rounding.

        Parameters
        ----------
        chosen : Tensor of int64, shape (n,)
            Which prompts.
        ids, mask : Tensor of int64, shape (n, tokens)
            The responses, padded on the right.

        Returns
        -------
        Tensor of float32, shape (n, tokens, vocabulary)
        """
        from transformers import DynamicCache

        chosen, device = chosen.to(self.mask.device), self.mask.device
        prompt = self.mask[chosen]
        first = int(prompt.any(0).long().argmax())  # padding that all have
        logits = self.last[chosen][:, None]
        if ids.shape[1] > 1:
            cache: Any = DynamicCache(config=self.model.config)
            for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
                cache.update(keys[chosen][:, :, first:], values[chosen][:, :, first:], layer)
            attended = torch.cat([prompt[:, first:], mask[:, :-1].to(device)], 1)
            rest = self.model(input_ids=ids[:, :-1].to(device), attention_mask=attended,
                              position_ids=_positions(attended)[:, prompt.shape[1] - first:],
                              past_key_values=cache, use_cache=True).logits
            logits = torch.cat([logits, rest], 1)
        return logits.float()


def _positions(attended: Tensor) -> Tensor:
    return (attended.cumsum(1) - 1).clamp_min(0)
