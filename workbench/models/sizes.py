"""The sizes of the tiny language model, and fresh models of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import UnknownNameError
from workbench.system.runtime import derive_seed

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CONTEXT = 128
"""Length of a training sequence in tokens, and the most that the models take."""


@dataclass(frozen=True)
class Size:
    """The shape of a model and the length and rate of its pretraining."""

    layers: int  # finding a word and copying what followed it usually takes two
    width: int  # features of a token between layers
    inner: int  # units in each feed-forward block
    heads: int
    steps: int  # of pretraining
    lr: float  # the largest


SIZES = {
    "nano": Size(layers=1, width=48, inner=96, heads=4, steps=1500, lr=5e-3),
    "tiny": Size(layers=4, width=160, inner=448, heads=5, steps=4400, lr=1.8e-3),
    "small": Size(layers=4, width=192, inner=512, heads=6, steps=6000, lr=1.5e-3),
}


def make_model(size: str, vocabulary: int, seed: int) -> LlamaForCausalLM:
    """Return a Llama model of one of the `SIZES`, with fresh weights from a seed.

    `vocabulary` is the number of tokens, of which the first three are padding, start and end. The
    global random state does not change. Raises `UnknownNameError` for an unknown size.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    shape = SIZES[size]
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=shape.width, intermediate_size=shape.inner,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads, max_position_embeddings=CONTEXT,
        tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        return LlamaForCausalLM(config)
