"""Logits of responses after prompts, and a cache of prompts that are read once."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

BATCH = 32  # prompts read at a time
SHARED = 20
"""The least number of common first tokens that are read once for all prompts."""
_signature = functools.cache(inspect.signature)


def response_logits(model: PreTrainedModel, prompt_ids: Tensor, prompt_mask: Tensor, ids: Tensor,
                    mask: Tensor) -> Tensor:
    """Return the logits from which each token of a response is sampled: (n, tokens, vocabulary).

    The logits of token t depend on the prompt and the response before it; they are undefined where
    the mask is 0. Prompts (n, prompt tokens) are padded on the left and responses (n, tokens) on
    the right.
    """
    if shared_tokens(prompt_ids, prompt_mask) and attends_to_all(model):
        return PromptCache(model, prompt_ids, prompt_mask).logits(ids, mask)
    attended = torch.cat([prompt_mask, mask], 1).to(model.device)
    logits = call(model, torch.cat([prompt_ids, ids], 1), attended, ids.shape[1] + 1)
    return logits[:, :-1]


def call(model: PreTrainedModel, ids: Tensor, attended: Tensor, keep: int,
         past: DynamicCache | None = None) -> Tensor:
    """Run a model; return the logits of the last positions: float32, (n, keep, vocabulary).

    The model gets only those arguments that its architecture takes. `ids` (n, tokens) are the new
    tokens; `attended` (n, past tokens + tokens) is 0 at padding and 1 elsewhere; `past` has the
    keys and values of the tokens before, and the new ones are added to it.
    """
    inner: Any = model  # peft wraps a model in one that takes any argument
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    known = _signature(type(inner).forward).parameters
    options: dict[str, Any] = {
        # Positions are counted from the first token that is not padding.
        "position_ids": (attended.cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1]:],
        "logits_to_keep": keep, "past_key_values": past, "use_cache": past is not None}
    logits: Tensor = model(input_ids=ids.to(model.device), attention_mask=attended,
                           **{k: v for k, v in options.items() if k in known}).logits
    return logits[:, -keep:].float()


def take_prompts(prompts: tuple[Tensor, Tensor], indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return some prompts (ids and mask), without the padding on the left that all of them have."""
    ids, mask = (part[indices.to(part.device)] for part in prompts)
    first = int(mask.any(0).long().argmax())
    return ids[:, first:], mask[:, first:]


def shared_tokens(ids: Tensor, mask: Tensor) -> int:
    """Return the number of first tokens that all prompts have in common; 0 below `SHARED`.

    The system message of a chat template is such a beginning. The last token of a prompt is not
    counted: its logits begin the response.
    """
    if len(ids) == 1:
        return 0
    own = mask.argmax(1, keepdim=True) + torch.arange(int(mask.sum(1).min()) - 1)
    rows = ids.gather(1, own)
    shared = int((rows == rows[0]).all(0).long().cumprod(0).sum())
    return shared if shared >= SHARED else 0


class PromptCache:
    """Prompts that a model has read: `past` has their keys and values in every layer.

    Responses can be sampled, and their logits computed, without reading the prompts again.
    Gradients flow back into the prompts where they are enabled. `ids` and `mask` (n, prompt tokens)
    are padded on the left, or after the tokens that all of them share (see `shared_tokens`); `last`
    (n, vocabulary) are the logits of the first token of a response.
    """

    def __init__(self, model: PreTrainedModel, ids: Tensor, mask: Tensor) -> None:
        from transformers import DynamicCache

        # The keys of a layer that forgets the beginning of a prompt cannot be used twice.
        self.reusable = attends_to_all(model)
        shared = shared_tokens(ids, mask) if self.reusable else 0
        if shared:  # the padding goes behind them
            beginning = ids[:1, mask[0].argmax():][:, :shared]
            padding = torch.arange(ids.shape[1] - shared) < mask.argmax(1, keepdim=True)
            ids = torch.cat([beginning.expand(len(ids), -1), ids[:, shared:]], 1)
            mask = torch.cat([torch.ones_like(ids[:, :shared]), (~padding).long()], 1)
        self.model, self.ids, self.mask = model, ids, mask.to(model.device)
        parts = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.reusable):
            self.past = DynamicCache(config=model.config)
            if shared:
                call(model, ids[:1, :shared], self.mask[:1, :shared], 1, self.past)
            for rows, attended in zip(ids.split(BATCH), self.mask.split(BATCH), strict=True):
                past = DynamicCache(config=model.config) if not shared else self._copy_past(
                    lambda part: part.expand(len(rows), -1, -1, -1))  # noqa: B023, called at once
                parts.append((call(model, rows[:, shared:], attended, 1, past)[:, 0], past))
        self.last = torch.cat([last for last, _ in parts])
        self.past = parts[0][1]
        for layer, *others in zip(*(past.layers for _, past in parts), strict=True):
            if others:
                layer.keys = torch.cat([layer.keys, *(other.keys for other in others)])
                layer.values = torch.cat([layer.values, *(other.values for other in others)])

    def select(self, indices: Tensor) -> PromptCache:
        """Return some of the prompts, without the padding that all of them have."""
        some = copy.copy(self)
        some.ids, some.mask = take_prompts((self.ids, self.mask), indices)
        indices = indices.to(self.mask.device)
        some.last = self.last[indices]
        some.past = self._copy_past(lambda part: part[indices][:, :, -some.mask.shape[1]:])
        return some

    def detach(self) -> PromptCache:
        """Return a copy without gradient, from which responses can be sampled."""
        other = copy.copy(self)
        if self.reusable:
            other.past = self._copy_past(Tensor.detach)
        return other

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return `response_logits` after these prompts, up to rounding: (n, tokens, vocabulary)."""
        if not self.reusable:
            return response_logits(self.model, self.ids, self.mask.cpu(), ids, mask)
        first = self.last[:, None]
        if ids.shape[1] == 1:
            return first
        attended = torch.cat([self.mask, mask[:, :-1].to(self.mask.device)], 1)
        rest = call(self.model, ids[:, :-1], attended, ids.shape[1] - 1,
                    self._copy_past(lambda part: part))
        return torch.cat([first, rest], 1)

    def _copy_past(self, change: Callable[[Tensor], Tensor]) -> DynamicCache:
        """Return a new cache with changed keys and values."""
        from transformers import DynamicCache

        past = DynamicCache(config=self.model.config)
        layer: Any
        for i, layer in enumerate(self.past.layers):
            past.update(change(layer.keys), change(layer.values), i)
        return past


def attends_to_all(model: PreTrainedModel) -> bool:
    """Return whether every layer attends to all earlier tokens, with no window or recurrence."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return set(kinds) == {"full_attention"}
    return (getattr(config, "sliding_window", None) is None
            and hasattr(config, "num_attention_heads"))


def cache_bytes(model: PreTrainedModel, ids: Tensor) -> int:
    """Return the memory that a `PromptCache` of these prompts takes."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    features = getattr(config, "head_dim", None) or (config.hidden_size
                                                     // config.num_attention_heads)
    return int(2 * config.num_hidden_layers * heads * features * model.dtype.itemsize
               * ids.numel())
