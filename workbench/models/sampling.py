"""The one function that samples: seeds, left padding and stop tokens in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


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
        The responses without special tokens.
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
           max_new_tokens: int = 40, temperature: float = 0.0, seed: int = 0,
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
    seed : int
        Of the sampling. The global random state is left as it was.
    batch_size : int
        Prompts answered at a time.

    Raises
    ------
    ModelError
        If a prompt and its response do not fit the model's context; see also `encode`.
    ConfigError
        If a setting cannot work.
    """
    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ConfigError("max_new_tokens and batch_size must be at least 1 and temperature at "
                          f"least 0, not {max_new_tokens}, {batch_size} and {temperature}")
    ids, mask = encode(tokenizer, prompts, context_of(model) - max_new_tokens)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        parts = [continue_prompts(model, tokenizer, ids[i: i + batch_size],
                                  mask[i: i + batch_size], max_new_tokens, temperature)
                 for i in range(0, len(ids), batch_size)]
    padding = padding_of(tokenizer)
    length = max(new.shape[1] for new, _ in parts)
    answers, real = (torch.cat([functional.pad(part[k], (0, length - part[k].shape[1]), value=fill)
                                for part in parts]) for k, fill in ((0, padding), (1, 0)))
    texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
    return Samples(ids, mask, answers, real, texts)


@torch.no_grad()
def continue_prompts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ids: Tensor,
                     mask: Tensor, max_new_tokens: int,
                     temperature: float) -> tuple[Tensor, Tensor]:
    """Return responses to prompts that are token ids already; draws from the global random state.

    Parameters
    ----------
    model, tokenizer
        From `load_causal_lm`.
    ids, mask : Tensor of int64, shape (n, prompt tokens)
        From `encode`.
    max_new_tokens, temperature
        See `sample`.

    Returns
    -------
    ids, mask : Tensor of int64, shape (n, new tokens)
        As in `Samples`: padding comes after the end token.
    """
    from transformers import GenerationConfig

    ends, padding = stop_tokens(model, tokenizer), padding_of(tokenizer)
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens, pad_token_id=padding, eos_token_id=ends,
        **({"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
           if temperature > 0 else {"do_sample": False}))
    generate: Any = model.generate  # transformers leaves its type open
    with only(model, settings):
        whole = generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device),
                         generation_config=settings)
    new = whole[:, ids.shape[1]:].cpu()
    ended = torch.isin(new, torch.tensor(ends)).long().cumsum(1)
    real = torch.cat([torch.ones(len(new), 1, dtype=torch.long), 1 - ended[:, :-1].clamp_max(1)], 1)
    length = int(real.sum(1).max())
    new, real = new[:, :length], real[:, :length]
    return new.where(real.bool(), torch.tensor(padding)), real


@contextmanager
def only(model: PreTrainedModel, settings: GenerationConfig) -> Iterator[None]:
    """Have a model generate by these settings alone inside the block.

    What a call leaves open, transformers takes from the model's own settings, and those of many a
    chat model ask for penalties or top-k. Its responses would then not be drawn from its logits.
    """
    own = model.generation_config
    model.generation_config = settings
    try:
        yield
    finally:
        model.generation_config = own


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end a response: the tokenizer's and those of the model's settings."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ends = listed if isinstance(listed, list) else [listed]
    return sorted({int(end) for end in (*ends, tokenizer.eos_token_id) if end is not None})
