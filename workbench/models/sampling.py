"""Sampling of responses: the generator, left padding and stop tokens in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from workbench.errors import ConfigError, NonFiniteError
from workbench.models.encoding import context_of, decode, encode, end_tokens, padding_of
from workbench.models.logits import PromptCache, call

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Samples:
    """Responses of a model to some prompts: token ids and masks (int64), and texts.

    Prompts (n, prompt tokens) are padded on the left, responses (n, new tokens) on the right. A
    mask is 1 at the tokens; in a response, up to and including its end token.
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
    ModelError, ConfigError, NonFiniteError
        If a prompt cannot be used (see `encode`), a setting cannot work, or logits are not finite.
    """
    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ConfigError("max_new_tokens and batch_size must be at least 1 and temperature at "
                          f"least 0, not {max_new_tokens}, {batch_size} and {temperature}")
    prompt_ids, prompt_mask = encode(tokenizer, prompts, context_of(model) - max_new_tokens)
    uniform = draw_uniform(len(prompt_ids), max_new_tokens, temperature, rng)
    batches = zip(*(part.split(batch_size) for part in (prompt_ids, prompt_mask, uniform)),
                  strict=True)
    parts = [continue_prompts(PromptCache(model, *prompt), tokenizer, temperature, numbers)
             for *prompt, numbers in batches]
    ids = pad_sequence([row for part, _ in parts for row in part], True, padding_of(tokenizer))
    mask = pad_sequence([row for _, part in parts for row in part], True)
    return Samples(prompt_ids, prompt_mask, ids, mask, decode(tokenizer, ids))


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
    return torch.rand(rows, max_new_tokens, generator=rng, dtype=torch.float64, device=rng.device)


@torch.no_grad()
def continue_prompts(prompts: PromptCache, tokenizer: PreTrainedTokenizerBase, temperature: float,
                     uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids and mask of responses to prompts that a model has read, as in `Samples`.

    `uniform` (n, max_new_tokens) is from `draw_uniform`. The model's own generation settings are
    ignored. `prompts` cannot be used again; pass a copy from `PromptCache.detach`.
    """
    model, logits, attended = prompts.model, prompts.last, prompts.mask
    device = attended.device
    uniform = uniform.to(device)
    ends = torch.tensor(end_tokens(model.generation_config) + end_tokens(tokenizer), device=device)
    rows = torch.arange(len(attended), device=device)  # of responses that have not ended
    ids = torch.full(uniform.shape, padding_of(tokenizer), device=device)
    mask = torch.zeros_like(ids)
    for t in range(uniform.shape[1]):
        tokens = next_tokens(logits, temperature, uniform[rows, t])
        ids[rows, t], mask[rows, t] = tokens, 1
        unfinished = (~torch.isin(tokens, ends)).nonzero().flatten()
        if not len(unfinished) or t + 1 == uniform.shape[1]:
            break
        if len(unfinished) < len(rows):
            rows, attended, tokens = rows[unfinished], attended[unfinished], tokens[unfinished]
            prompts.past.batch_select_indices(unfinished)
        attended = pad(attended, (0, 1), value=1)
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
