"""Sampling of responses: the generator, left padding and stop tokens in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from workbench.errors import ConfigError, NonFiniteError
from workbench.models.encoding import context_of, decode, encode, padding_of
from workbench.models.logits import PromptCache, call

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Samples:
    """Responses of a model to some prompts.

    Parameters
    ----------
    prompt_ids, prompt_mask : Tensor of int64, shape (n, prompt tokens)
        The prompts, padded on the left; the mask is 1 at their tokens.
    ids, mask : Tensor of int64, shape (n, new tokens)
        The responses, padded on the right; the mask is 1 up to and including the end token.
    texts : list of str
        The responses as texts; see `decode`.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    ids: Tensor
    mask: Tensor
    texts: list[str]


@torch.no_grad()
def sample(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], *,
           max_new_tokens: int = 40, temperature: float = 0.0, rng: torch.Generator | None = None,
           batch_size: int = 64) -> Samples:
    """Return the responses of a model to some prompts.

    Parameters
    ----------
    model, tokenizer
        From `load_causal_lm`.
    prompts : sequence of str
        From `make_prompt`.
    max_new_tokens : int
        A longer response is cut.
    temperature : float
        At 0, the likeliest token is taken; above 0, tokens are sampled from the full distribution
        of logits divided by the temperature.
    rng : torch.Generator, optional
        Needed when the temperature is above 0.
    batch_size : int
        Prompts answered at a time.

    Raises
    ------
    ModelError, ConfigError
        If a prompt cannot be used (see `encode`) or is too long, or a setting cannot work.
    NonFiniteError
        If the model's logits are not finite.
    """
    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ConfigError("max_new_tokens and batch_size must be at least 1 and temperature at "
                          f"least 0, not {max_new_tokens}, {batch_size} and {temperature}")
    ids, mask = encode(tokenizer, prompts, context_of(model) - max_new_tokens)
    uniform = draw_uniform(len(ids), max_new_tokens, temperature, rng)
    responses = sample_tokens(model, tokenizer, ids, mask, temperature, uniform, batch_size)
    return Samples(ids, mask, *responses, decode(tokenizer, responses[0]))


@torch.no_grad()
def sample_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ids: Tensor,
                  mask: Tensor, temperature: float, uniform: Tensor,
                  batch_size: int = 64) -> tuple[Tensor, Tensor]:
    """Return the responses to encoded prompts, batch by batch; see `continue_prompts`."""
    parts = [continue_prompts(PromptCache(model, *prompts), tokenizer, uniform.shape[1],
                              temperature, numbers)
             for *prompts, numbers in zip(*(part.split(batch_size)
                                            for part in (ids, mask, uniform)), strict=True)]
    length = max(new.shape[1] for new, _ in parts)
    new_ids, new_mask = (
        torch.cat([functional.pad(part, (0, length - part.shape[1]), value=padding)
                   for part in column])
        for column, padding in zip(zip(*parts, strict=True), (padding_of(tokenizer), 0),
                                   strict=True))
    return new_ids, new_mask


def draw_uniform(rows: int, max_new_tokens: int, temperature: float,
                 rng: torch.Generator | None) -> Tensor:
    """Return a random number from 0 to 1 for each token of each response; zeros at temperature 0.

    They are drawn before the first token, so that a response depends on its own row alone, not on
    the other responses. Shape (rows, max_new_tokens), of float64.
    """
    if temperature == 0:
        return torch.zeros(rows, max_new_tokens, dtype=torch.float64)
    if rng is None:
        raise ConfigError(f"temperature {temperature} samples at random and needs a generator; "
                          "give rng=torch.Generator().manual_seed(0), or temperature=0")
    return torch.rand(rows, max_new_tokens, generator=rng, dtype=torch.float64,
                      device=rng.device)


@torch.no_grad()
def continue_prompts(prompts: PromptCache, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int,
                     temperature: float, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return responses to prompts that a model has read.

    The model's own generation settings are ignored.

    Parameters
    ----------
    prompts : PromptCache
        Cannot be used again after the call; pass a copy from `PromptCache.detach`.
    max_new_tokens, temperature
        See `sample`.
    uniform : Tensor of float64, shape (n, max_new_tokens)
        From `draw_uniform`.

    Returns
    -------
    ids, mask : Tensor of int64, shape (n, new tokens), on the CPU
        As in `Samples`.
    """
    model, logits, attended = prompts.model, prompts.last, prompts.mask
    device = attended.device
    uniform, ends = uniform.to(device), torch.tensor(stop_tokens(model, tokenizer), device=device)
    rows = torch.arange(len(attended), device=device)  # of responses that have not ended
    ids = torch.full((len(rows), max_new_tokens), padding_of(tokenizer), device=device)
    mask = torch.zeros_like(ids)
    for t in range(max_new_tokens):
        tokens = next_tokens(logits, temperature, uniform[rows, t])
        ids[rows, t], mask[rows, t] = tokens, 1
        unfinished = (~torch.isin(tokens, ends)).nonzero().flatten()
        if not len(unfinished) or t + 1 == max_new_tokens:
            break
        if len(unfinished) < len(rows):
            rows, attended, tokens = rows[unfinished], attended[unfinished], tokens[unfinished]
            prompts.past.batch_select_indices(unfinished)
        attended = functional.pad(attended, (0, 1), value=1)
        logits = call(model, tokens[:, None], attended, 1, prompts.past)[:, 0]
    return ids[:, :t + 1].cpu(), mask[:, :t + 1].cpu()


def next_tokens(logits: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """Return a token for each row of logits (n, vocabulary); see `sample`.

    A sampled token is the first at which the cumulated probability exceeds the random number in
    `uniform` (n,). Raises `NonFiniteError` if a logit is not finite.
    """
    highest, best = logits.max(-1)
    if not highest.isfinite().all():
        raise NonFiniteError("the model's logits are not finite, so no token can be chosen: its "
                             "weights have grown beyond all bounds or are damaged")
    if temperature == 0:
        return best
    cumulated = (logits / temperature).softmax(-1).double().cumsum(-1)
    wanted = uniform[:, None] * cumulated[:, -1:]
    return torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp_max(logits.shape[1] - 1)


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end a response: the tokenizer's and those of the model's settings."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ends = listed if isinstance(listed, list) else [listed]
    return sorted({int(end) for end in (*ends, tokenizer.eos_token_id) if end is not None})
