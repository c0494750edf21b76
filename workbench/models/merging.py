"""Merging a peft adapter into its base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models.quiet import no_progress_bars
from workbench.models.verify import check_weights

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TOLERANCE = 1e-4
"""How far logits may move in merging, as a share of the largest."""


def base_of(folder: Path) -> str:
    """Return the name or path of the base model of an adapter, whose files are checked."""
    path = folder / ADAPTER_CONFIG
    try:
        base = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
        if not isinstance(base, str) or not base:
            raise ValueError(f"it is {base!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} names no base_model_name_or_path ({error}). Write there the name "
                         "or folder of the model that the adapter was trained on.") from error
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"{folder} holds an adapter without {ADAPTER_WEIGHTS}; other weights "
                         "could run code when opened. Save the adapter as safetensors.")
    return base


def merge_adapter(model: Any, folder: Path, base: str) -> Any:
    """Return a model with an adapter merged into its weights; both must have the same logits.

    If an adapter changes one of two layers that share their weights (the embeddings and the output
    layer), each layer first gets its own weights: otherwise merging would change both.

    `model` is the base model in float32, which is changed; `base` is its name in error messages.

    Raises
    ------
    ModelError
        If the adapter does not fit the model, has missing or unexpected tensors or a NaN, or cannot
        be merged.
    """
    from peft import PeftModel

    try:
        with no_progress_bars():
            adapted: Any = PeftModel.from_pretrained(model, folder)
            adapted.eval()
    except Exception as error:  # of undocumented types
        raise ModelError(f"{folder}: the adapter could not be put on {base} "
                         f"({type(error).__name__}: {error}).") from error
    _check_keys(adapted, folder)
    check_weights(adapted, folder)
    _untie(model)
    before = _probe(adapted)
    try:
        with no_progress_bars():
            merged = adapted.merge_and_unload()
    except Exception as error:  # adapters of some kinds, such as prompts, cannot be merged
        raise ModelError(f"{folder}: an adapter of the kind {type(adapted.base_model).__name__} "
                         f"cannot be merged ({type(error).__name__}: {error}). Use "
                         "LoRA.") from error
    gap = float((_probe(merged) - before).abs().max() / before.abs().max())
    if not gap <= TOLERANCE:
        raise ModelError(f"{folder}: merged into {base}, the adapter gives other logits than "
                         f"unmerged (by {gap:.2g} of the largest). Merge it with the program that "
                         "trained it, and use the whole model.")
    return merged.requires_grad_(True).eval()


def _check_keys(adapted: Any, folder: Path) -> None:
    """Refuse an adapter file with missing or unexpected tensors, of which peft warns at most."""
    from peft import get_peft_model_state_dict

    with safetensors.safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        stored = set(file.keys())
    expected = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    # peft may store the embeddings beside an adapter on them.
    allowed = expected | set(get_peft_model_state_dict(adapted, save_embedding_layers=True))
    faults = [f"{len(keys)} {kind}: {', '.join(sorted(keys)[:4])}{', ...' * (len(keys) > 4)}"
              for kind, keys in (("missing", expected - stored), ("unexpected", stored - allowed))
              if keys]
    if faults:
        raise ModelError(f"{folder / ADAPTER_WEIGHTS} does not hold the tensors that "
                         f"{ADAPTER_CONFIG} asks for ({'; '.join(faults)}). Take both from the "
                         "same folder, or save the adapter again.")


def _untie(model: Any) -> None:
    """Give the output layer weights of its own if an adapter is on it or on the embeddings."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    inner = [getattr(layer, "base_layer", layer) for layer in layers]
    if inner != layers and inner[1] is not None and inner[0].weight is inner[1].weight:
        inner[1].weight = nn.Parameter(inner[1].weight.detach().clone(), requires_grad=False)


@torch.no_grad()
def _probe(model: Any) -> Tensor:
    """Return the logits of a few tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(8)[None] * max(1, rows // 8) % rows
    logits: Tensor = model(input_ids=ids.to(model.device)).logits.float()
    return logits
