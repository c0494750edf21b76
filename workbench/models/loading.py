"""Loading a causal language model: one of the course's, a local folder, or from the hub.

Weights come from safetensors files only, no code is run that a model brings along, and nothing is
fetched unless that is asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from workbench.errors import ModelError
from workbench.models.manifest import check_manifest
from workbench.models.quiet import no_progress_bars
from workbench.provenance import data_path, restore

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MODELS_FOLDER = data_path("models")
SHIPPED = {"tiny": MODELS_FOLDER / "tiny-lm", "nano": MODELS_FOLDER / "nano-lm"}
"""The models that the course brings along."""


def load_causal_lm(name_or_path: str | Path, *, device: str = "cpu",
                   download: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a causal language model in evaluation mode, and its tokenizer.

    Parameters
    ----------
    name_or_path : str or path
        ``"tiny"`` or ``"nano"``, a folder in the Hugging Face format, or a hub id such as
        ``"Qwen/Qwen2.5-0.5B-Instruct"``, of which a local copy is looked for.
    device : str
        Where to put it, such as ``"cpu"`` or ``"cuda"``.
    download : bool
        Whether a hub id may be fetched over the network.

    Raises
    ------
    ModelError
        If there is no such model, a file is missing, damaged or not safetensors, the tokenizer does
        not fit the model, or the model wants code of its own to be run.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = find_model(name_or_path, download=download)
    check_folder(folder, str(name_or_path) in SHIPPED)
    try:
        with no_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, padding_side="left")
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
                output_loading_info=True)
    except Exception as error:  # of many types, none of them documented
        raise ModelError(f"{folder}: the model could not be loaded ({type(error).__name__}: "
                         f"{error}).") from error
    model, report = loaded
    faults = [f"{len(report[kind])} {kind.replace('_', ' ')}, such as {sorted(report[kind])[0]}"
              for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[kind]]
    if faults:
        raise ModelError(f"{folder}: the weights do not fit the config ({'; '.join(faults)}). Take "
                         "both from the same folder.")
    check_fit(model, tokenizer, folder)
    for weight in model.parameters():
        # A file's weights lie anywhere in memory, and matrix products round by where they lie: a
        # copy of the model would give other last digits than the model.
        weight.data = weight.data.clone()
    return model.to(device).eval(), tokenizer


def find_model(name_or_path: str | Path, *, download: bool = False) -> Path:
    """Return the folder of a model; see `load_causal_lm`."""
    name = str(name_or_path)
    folder = SHIPPED.get(name, Path(name))
    if folder.is_dir():
        return folder
    if name in SHIPPED:
        raise ModelError(f"{folder} is missing. Make it with workbench pretrain --size {name} "
                         f"--out {folder}, or restore it. {restore(folder)}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ModelError(f"there is no model {name!r}. Give one of {', '.join(SHIPPED)}, a folder "
                         "with config.json and model.safetensors, or a hub id (owner/name).")
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model"]
    try:
        return Path(snapshot_download(name, local_files_only=not download,
                                      allow_patterns=patterns))
    except Exception as error:
        raise ModelError(
            f"{name} is neither a folder here nor in the local cache of the Hugging Face hub, and "
            f"{'fetching it failed (' + str(error) + ')' if download else 'nothing is fetched'}. "
            "On a machine with a network: hf download " + name + " --local-dir "
            f"{name.split('/')[1]} --include '*.json' '*.safetensors' '*.jinja' (config.json, the "
            "tokenizer files and *.safetensors are what is needed); bring that folder here and "
            "give its path.") from error


def check_folder(folder: Path, shipped: bool = False) -> None:
    """Refuse a folder that is damaged, has other than safetensors weights, or wants to run code."""
    check_manifest(folder, required=shipped)
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} holds an adapter, which may come with other weights than "
                         "safetensors. Load its base model, then the adapter with peft.")
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError(f"{config} is missing: not a folder in the Hugging Face format.")
    settings = _read_json(config)
    if "auto_map" in settings:
        raise ModelError(f"{config} asks for code of the model's own to be run (auto_map), which "
                         "is never done. Use a model whose architecture transformers itself has.")
    index = folder / "model.safetensors.index.json"
    shards = _read_json(index).get("weight_map", {}) if index.is_file() else {}
    for name in (settings.get("transformers_weights", "model.safetensors"), *shards.values()):
        if not str(name).endswith(".safetensors"):
            raise ModelError(f"{folder} names {name} as weights, which could run code when opened. "
                             "Convert them to safetensors first.")
    if not list(folder.glob("*.safetensors")):
        pickled = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth")]
        raise ModelError(f"{folder} has no *.safetensors weights"
                         + (f", only {', '.join(pickled)}, which could run code when opened" if
                            pickled else "") + ". Convert them to safetensors first.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}).") from error


def check_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a tokenizer with tokens that the model has no embedding for, or another end token."""
    rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise ModelError(f"{folder}: the tokenizer does not fit the model: its highest token is "
                         f"number {highest}, the model has embeddings for {rows} tokens. Take both "
                         "from the same folder.")
    ends = model.config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    if tokenizer.eos_token_id is None or (ends != [None] and tokenizer.eos_token_id not in ends
                                          and not _generation_end(model, tokenizer)):
        raise ModelError(f"{folder}: the tokenizer does not fit the model: it ends a text with "
                         f"token {tokenizer.eos_token_id}, the model with {ends}. Take both from "
                         "the same folder.")


def _generation_end(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether generation stops at the tokenizer's end, whatever the config says.

    Chat models such as Qwen's end a turn with another token than a document.
    """
    ends = model.generation_config.eos_token_id if model.generation_config else None
    return tokenizer.eos_token_id in (ends if isinstance(ends, list) else [ends])
