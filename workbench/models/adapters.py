"""Loading what `workbench train` has written: a whole model, or an adapter with its base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError
from workbench.models.loading import load_causal_lm
from workbench.models.quiet import no_progress_bars

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_trained(name_or_path: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model and its tokenizer; an adapter is merged into the model it was made for.

    Raises
    ------
    ModelError
        If there is no such model, or see `load_causal_lm`; for an adapter also if its base is not
        named, or its weights are not safetensors.
    """
    folder = Path(name_or_path)
    settings = folder / "adapter_config.json"
    if not settings.is_file():
        return load_causal_lm(name_or_path)
    from peft import PeftModel

    try:
        base = json.loads(settings.read_text())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{settings} names no base_model_name_or_path ({error}). Restore it from "
                         "a copy.") from error
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{folder} has no adapter_model.safetensors; other weights could run code "
                         "when opened. Save the adapter as safetensors.")
    model, tokenizer = load_causal_lm(base)
    try:
        with no_progress_bars():
            adapted: Any = PeftModel.from_pretrained(model, folder)
    except Exception as error:  # of many types, none of them documented
        raise ModelError(f"{folder}: the adapter could not be put on {base} "
                         f"({type(error).__name__}: {error}).") from error
    return adapted.merge_and_unload().eval(), tokenizer
