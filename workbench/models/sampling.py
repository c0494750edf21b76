"""Sampling of responses: the generator, left padding and stop tokens in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from workbench.errors import ConfigError, ModelError, NonFiniteError
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


def encode(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], longest: int,
           kind: str = "prompt") -> tuple[Tensor, Tensor]:
    """Return prompts as token ids, padded on the left, and the mask of real tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Adds nothing: special tokens stand in the prompts, where the chat template put them.
    prompts : sequence of str
        At least one.
    longest : int
        Most tokens that a prompt may have. None is ever cut: a prompt that lost its beginning
        would be another prompt.
    kind : str
        What they are, for errors.

    Raises
    ------
    ModelError
        If a prompt is too long, or has a word that the tokenizer does not know.
    ConfigError
        If there are no prompts.
    """
    if not prompts:
        raise ConfigError("there are no prompts to answer")
    listed: list[list[int]] = tokenizer(list(prompts), add_special_tokens=False,
                                        verbose=False)["input_ids"]
    where = "before the response" if kind == "prompt" else "after its prompt"
    # Tokenizers of the GPT-2 family name their end token as the unknown one too, and never use it
    # for a word: it then says nothing that it occurs.
    unknown = tokenizer.unk_token_id
    if unknown in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        unknown = None
    for prompt, row in zip(prompts, listed, strict=True):
        if len(row) > longest:
            raise ModelError(f"the {kind} {prompt[:60]!r}… has {len(row)} tokens, and there is "
                             f"room for {max(longest, 0)} {where}. Shorten the "
                             "demonstration or the article, ask for fewer new tokens, or use a "
                             "model with a longer context; nothing is cut off silently.")
        if unknown in row:
            parts = prompt.replace(str(tokenizer.eos_token), " ").split()
            words = [part for part in dict.fromkeys(parts) if unknown in tokenizer(
                part, add_special_tokens=False)["input_ids"]]
            raise ModelError(f"the model does not know {', '.join(map(repr, words)) or 'a word'} "
                             f"in the {kind} {prompt[:60]!r}: the tokenizer has no token for it. "
                             "Use words of its vocabulary; the course's models know small letters, "
                             "with a space before each comma, dot and question mark.")
    width = max(map(len, listed))
    padding = padding_of(tokenizer)
    ids = torch.tensor([[padding] * (width - len(row)) + row for row in listed])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in listed])
    return ids, mask


def encode_responses(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str],
                     longest: int) -> tuple[Tensor, Tensor]:
    """Return responses that are to be imitated as token ids, padded on the right, and their mask.

    Each ends with the end token, which is part of what is imitated. See `encode` for the rest.
    """
    ids, mask = encode(tokenizer, [f"{text}{tokenizer.eos_token}" for text in texts], longest,
                       "response to imitate")
    order = mask.argsort(dim=1, descending=True, stable=True)
    return ids.gather(1, order), mask.gather(1, order)


def decode(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> list[str]:
    """Return responses as texts, without special tokens and without spaces around them.

    Inside, nothing is changed. Whether a text begins with a space depends on the tokenizer: many
    count a space to the word after it. What is said is the same, so that scores and styles must not
    depend on it.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        From `load_causal_lm`.
    ids : Tensor of int64, shape (n, tokens)
        The responses.
    """
    texts: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True,
                                              clean_up_tokenization_spaces=False)
    return [text.strip() for text in texts]


def padding_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that pads; it is masked everywhere, so that without one any other does."""
    token = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if token is None else token)


def context_of(model: PreTrainedModel) -> int:
    """Return how many tokens a model takes at most; `NO_LIMIT` where its architecture sets none.

    The limit is that of the model's positions. Recurrent models (Mamba) and some with linear biases
    (Bloom) have none; how far they can be trusted depends on the texts they were trained on.
    """
    config = model.config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "context_length"):
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return NO_LIMIT


NO_LIMIT = 2**31
"""More tokens than any prompt has."""


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
