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
        The prompts, padded on the left, and which of their tokens are real.
    ids, mask : Tensor of int64, shape (n, new tokens)
        The responses, padded on the right, and which of their tokens are real: the end token is,
        what comes after it is not.
    texts : list of str
        The responses without special tokens and without spaces around them; see `decode`.
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
        After which a response that has not ended is cut.
    temperature : float
        0 takes the likeliest token each time; above 0, samples from the full distribution of
        logits divided by the temperature.
    rng : torch.Generator, optional
        Decides what is sampled; needed when the temperature is above 0.
    batch_size : int
        Prompts answered at a time.

    Raises
    ------
    ModelError
        If a prompt and its response do not fit the model's context; see also `encode`.
    NonFiniteError
        If the model's logits are not finite.
    ConfigError
        If a setting cannot work.
    """
    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ConfigError("max_new_tokens and batch_size must be at least 1 and temperature at "
                          f"least 0, not {max_new_tokens}, {batch_size} and {temperature}")
    ids, mask = encode(tokenizer, prompts, context_of(model) - max_new_tokens)
    uniform = draw_uniform(len(ids), max_new_tokens, temperature, rng)
    parts = [continue_prompts(PromptCache(model, *batch[:2]), tokenizer, max_new_tokens,
                              temperature, batch[2])
             for batch in zip(*(part.split(batch_size) for part in (ids, mask, uniform)),
                              strict=True)]
    padding = padding_of(tokenizer)
    length = max(new.shape[1] for new, _ in parts)
    responses, real = (torch.cat([functional.pad(part[k], (0, length - part[k].shape[1]),
                                                 value=fill) for part in parts])
                       for k, fill in ((0, padding), (1, 0)))
    return Samples(ids, mask, responses, real, decode(tokenizer, responses))


def draw_uniform(rows: int, max_new_tokens: int, temperature: float,
                 rng: torch.Generator | None) -> Tensor:
    """Return a random number from 0 to 1 for each token of each response.

    Drawn before the first token, so that a response depends on its own row of numbers and on
    nothing that the other responses do.

    Returns
    -------
    Tensor of float64, shape (rows, max_new_tokens)
        Zeros when the temperature is 0: nothing is random.
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

    Parameters
    ----------
    prompts : PromptCache
        Used up by the call: `PromptCache.detach` gives one that may be.
    tokenizer
        Of the model.
    max_new_tokens, temperature
        See `sample`. The model's own generation settings take no part.
    uniform : Tensor of float64, shape (n, max_new_tokens)
        From `draw_uniform`.

    Returns
    -------
    ids, mask : Tensor of int64, shape (n, new tokens), on the CPU
        As in `Samples`: padding comes after the end token.
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
        going = (~torch.isin(tokens, ends)).nonzero().flatten()
        if not len(going) or t + 1 == max_new_tokens:
            break
        if len(going) < len(rows):
            rows, attended, tokens = rows[going], attended[going], tokens[going]
            prompts.past.batch_select_indices(going)
        attended = functional.pad(attended, (0, 1), value=1)
        logits = call(model, tokens[:, None], attended, 1, prompts.past)[:, 0]
    return ids[:, :t + 1].cpu(), mask[:, :t + 1].cpu()


def next_tokens(logits: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """Return a token for each row: the likeliest, or sampled at a temperature.

    The token is the first at which the cumulated probability exceeds the random number.

    Parameters
    ----------
    logits : Tensor, shape (n, vocabulary)
        Any real numbers.
    temperature : float
        See `sample`.
    uniform : Tensor of float64, shape (n,)
        Random numbers from 0 to 1.

    Raises
    ------
    NonFiniteError
        If a logit is not finite, so that there is no distribution.
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
