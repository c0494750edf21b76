"""Hashes of a run's inputs: the pretrained model, its tokenizer and its chat template.

They are taken of the loaded objects, not of files: the same weights in another file format have the
same hash, and so does a merged adapter.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch

from workbench.system.files import sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

INPUTS = {
    "settings": "the settings in run.json",
    "weights": "the weights of the pretrained model",
    "architecture": "the config of the pretrained model",
    "tokenizer": "the tokenizer",
    "chat_template": "the chat template",
}
"""The inputs of a run, by the names in ``inputs`` of ``run.json``."""


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Return the sha256 hashes of a loaded model, by the names of `INPUTS` without ``settings``."""
    weights = hashlib.sha256()
    for name, parameter in model.named_parameters():
        weights.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        values = parameter.detach().cpu().contiguous().flatten()
        weights.update(values.view(torch.uint8).numpy().data)
    config = {key: value for key, value in json.loads(model.config.to_json_string(False)).items()
              if key not in ("_name_or_path", "transformers_version")}
    return {"weights": weights.hexdigest(), "architecture": _hash(config),
            "tokenizer": _hash(_content(tokenizer)),
            "chat_template": _hash(tokenizer.chat_template)}


def _content(tokenizer: PreTrainedTokenizerBase) -> object:
    """Return the settings that decide the tokens; padding and truncation are set at every call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return tokenizer.get_vocab()
    return {key: value for key, value in json.loads(backend.to_str()).items()
            if key not in ("padding", "truncation")}


def _hash(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode())
