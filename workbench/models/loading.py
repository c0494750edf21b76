"""Loading a causal language model: one of the course's, a local folder, or from the hub.

Weights come from safetensors files only, a model's own code is never run, and nothing is fetched
unless asked for. `verify` checks the loaded model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench.errors import ModelError
from workbench.models import verify
from workbench.models.adapters import ADAPTER_CONFIG, base_of, merge_adapter, no_progress_bars
from workbench.models.published import PUBLISHED, fetch_again, published_folder
from workbench.system.provenance import data_path, restore

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = {"tiny": data_path("models", "tiny-lm"), "nano": data_path("models", "nano-lm")}
"""The models of the course."""


def load_causal_lm(name_or_path: str | Path, *, device: str = "cpu",
                   download: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a causal language model in float32 and evaluation mode, and its tokenizer.

    Parameters
    ----------
    name_or_path : str or path
        ``"tiny"`` or ``"nano"``; ``"smollm2-135m"``, once ``workbench get-model`` has fetched it; a
        folder in the Hugging Face format; or a hub id such as ``"Qwen/Qwen2.5-0.5B-Instruct"`` with
        a local copy. A peft adapter is merged into its base.
    device : str
        Such as ``"cpu"`` or ``"cuda"``.
    download : bool
        Whether a hub id may be fetched over the network.

    Raises
    ------
    ModelError
        If there is no such model, a file is missing, damaged or not safetensors, the model needs
        its own code, a check of `verify` fails, or an adapter cannot be merged.
    """
    model, tokenizer, folder = _load(str(name_or_path), download, ())
    model = model.to(device).eval()
    verify.check_behaviour(model, tokenizer, folder)
    return model, tokenizer


def _load(name: str, download: bool, adapters: tuple[Path, ...]) -> tuple[Any, Any, Path]:
    """Return model, tokenizer and folder; `adapters` are the folders that led to this base."""
    folder = find_model(name, download=download)
    verify.check_manifest(folder, name in (*SHIPPED, *PUBLISHED), fetch_again(name))
    if not (folder / ADAPTER_CONFIG).is_file():
        check_folder(folder)
        model, tokenizer = _load_weights(folder), _load_tokenizer(folder)
        verify.check_weights(model, folder)
    else:
        if folder.resolve() in adapters:
            raise ModelError(f"{folder / ADAPTER_CONFIG} names as its base a model that is made "
                             "from this adapter. Name the model that it was trained on.")
        base = base_of(folder)
        try:
            model, tokenizer, _ = _load(base, download, (*adapters, folder.resolve()))
        except ModelError as error:
            raise ModelError(f"{folder} is an adapter for {base!r}, which cannot be loaded: "
                             f"{error}") from error
        if (folder / "tokenizer_config.json").is_file():
            tokenizer = _load_tokenizer(folder)
        model = merge_adapter(model, folder, base)
    verify.check_fit(model, tokenizer, folder)
    return model, tokenizer, folder


def _load_tokenizer(folder: Path) -> Any:
    """Return a tokenizer that pads on the left, and decodes each token as it is.

    It must agree with ``tokenizer.json``: transformers may choose a class that splits texts in
    another way (a Qwen2 model with another tokenizer than Qwen's loses most words).
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    path = folder / "tokenizer.json"
    with verify.as_model_error(f"{folder}: the tokenizer could not be loaded"):
        file = Tokenizer.from_file(str(path)) if path.is_file() else None
        for kind in (AutoTokenizer, PreTrainedTokenizerFast):
            tokenizer: Any = kind.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, padding_side="left",
                clean_up_tokenization_spaces=False, split_special_tokens=False)
            if file is None or _same_tokens(tokenizer, file):
                break
        else:
            raise ValueError("it splits texts otherwise than tokenizer.json")
    decoder: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if hasattr(decoder, "cleanup"):  # WordPiece removes spaces by a setting of its own
        decoder.cleanup = False
    return tokenizer


def _same_tokens(tokenizer: Any, file: Any) -> bool:
    """Return whether a tokenizer splits ordinary texts as its file does."""
    file.no_truncation()
    words = sorted(set(file.get_vocab()) - set(tokenizer.all_special_tokens))
    texts = (" ".join(words[:: 1 + len(words) // 50]), "Who keeps 12 keys? It's  Ada's,\n\nÀ 字.")
    return all(tokenizer(text, add_special_tokens=False)["input_ids"]
               == file.encode(text, add_special_tokens=False).ids for text in texts)


def _load_weights(folder: Path) -> Any:
    """Return a model in float32, whatever the precision of its file."""
    from transformers import AutoModelForCausalLM

    with verify.as_model_error(f"{folder}: the model could not be loaded"), no_progress_bars():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32, output_loading_info=True)
    model, report = loaded
    faults = [f"{len(report[kind])} {kind.replace('_', ' ')}, such as {sorted(report[kind])[0]}"
              for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[kind]]
    if faults:
        raise ModelError(f"{folder}: the weights do not fit the config ({'; '.join(faults)}). Take "
                         "both from the same folder.")
    for weight in model.parameters():
        # Matrix products round depending on the position in memory: without a copy, the last
        # digits of the model would differ from those of its copies.
        weight.data = weight.data.clone()
    return model


def find_model(name_or_path: str | Path, *, download: bool = False) -> Path:
    """Return the folder of a model; see `load_causal_lm`."""
    name = str(name_or_path)
    folder = SHIPPED.get(name, Path(name))
    if name in PUBLISHED:
        return published_folder(name)
    if folder.is_dir():
        return folder
    if name in SHIPPED:
        raise ModelError(f"{folder} is missing. Make it with workbench pretrain --size {name} "
                         f"--out {folder}, or restore it. {restore(folder)}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ModelError(f"there is no model {name!r}. Give one of "
                         f"{', '.join((*SHIPPED, *PUBLISHED))}, a folder "
                         "with config.json and model.safetensors, or a hub id (owner/name).")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(
            name, local_files_only=not download,
            allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model"]))
    except Exception as error:
        raise ModelError(
            f"{name} is neither a folder here nor in the local cache of the Hugging Face hub, and "
            f"{'fetching it failed (' + str(error) + ')' if download else 'nothing is fetched'}. "
            f"On a machine with a network: hf download {name} --local-dir {name.split('/')[1]} "
            "--include '*.json' '*.safetensors' '*.jinja' (config.json, the tokenizer files and "
            "*.safetensors are needed); bring that folder here and give its path.") from error


def check_folder(folder: Path) -> None:
    """Raise `ModelError` for a folder without plain safetensors weights or with its own code."""
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError(f"{config} is missing: not a folder in the Hugging Face format.")
    settings = verify.read_json(config)
    if "auto_map" in settings:
        raise ModelError(f"{config} asks to run the model's own code (auto_map), which "
                         "is never done. Use a model whose architecture transformers itself has.")
    if "quantization_config" in settings:
        raise ModelError(f"{config} says that the weights are quantised (quantization_config), "
                         "and such weights cannot be trained. Use the model they were made from.")
    index = folder / "model.safetensors.index.json"
    shards = verify.read_json(index).get("weight_map", {}) if index.is_file() else {}
    for name in (settings.get("transformers_weights", "model.safetensors"), *shards.values()):
        if not str(name).endswith(".safetensors"):
            raise ModelError(f"{folder} names {name} as weights, which could run code when opened. "
                             "Convert them to safetensors first.")
    if not list(folder.glob("*.safetensors")):
        pickled = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth")]
        raise ModelError(f"{folder} has no *.safetensors weights"
                         + (f", only {', '.join(pickled)}, which could run code when opened" if
                            pickled else "") + ". Convert them to safetensors first.")
