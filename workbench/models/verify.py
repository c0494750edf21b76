"""Checks and hashes of a model: of its files before any is read, and of the loaded model.

The manifest of a folder has the sha256 of every file. Libraries load models that cannot be trained
or measured here: the loaded model's weights, tokenizer and behaviour are tested, not its config.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from workbench.errors import ModelError
from workbench.models.encoding import context_of, end_tokens, padding_of
from workbench.models.logits import PromptCache, call, response_logits
from workbench.system.files import sha256, to_json, write_atomically
from workbench.system.provenance import restore

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MANIFEST = "manifest.json"
LOADED = (".safetensors", ".json", ".jinja", ".model", ".bin", ".pt", ".pth")
"""Endings of files that loading a model may read."""
INPUTS = {
    "settings": "the settings in run.json",
    "weights": "the weights of the pretrained model",
    "architecture": "the config of the pretrained model",
    "tokenizer": "the tokenizer",
    "chat_template": "the chat template",
}
"""The inputs of a run, by the names in ``inputs`` of ``run.json``."""
HALF = 4  # tokens before, and after, the place at which two texts are compared


@contextmanager
def as_model_error(problem: str, remedy: str = "") -> Iterator[None]:
    """Raise an error of any type inside the block, such as one of a library, as `ModelError`."""
    try:
        yield
    except Exception as error:
        message = f"{problem} ({type(error).__name__}: {error}). {remedy}"
        raise ModelError(message.rstrip()) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the entries of a JSON file; raise `ModelError` if it has none."""
    with as_model_error(f"{path} is not valid JSON"):
        entries = dict(json.loads(path.read_text(encoding="utf-8")))
    return entries


def write_manifest(folder: Path) -> None:
    """Write the manifest of a folder over all its files but itself, cards and hidden files."""
    files = {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir())
             if path.is_file() and path.suffix != ".md" and path.name != MANIFEST
             and not path.name.startswith(".")}
    write_atomically(folder / MANIFEST, (to_json({"sha256": files}, indent=2) + "\n").encode())


def check_manifest(folder: Path, required: bool = False, remedy: str = "") -> None:
    """Raise `ModelError` if a file of a folder is missing, changed or not listed in its manifest.

    Without a manifest nothing is checked, unless it is `required`. The error ends with a `remedy`,
    by default that for a model of the course.
    """
    def fault(text: str) -> ModelError:
        usual = ("Restore the folder, or make the model again in another one with workbench "
                 f"pretrain. {restore(folder)}")
        return ModelError(f"{text} {remedy or usual}")

    path = folder / MANIFEST
    if not path.exists():
        if required:
            raise fault(f"{path} is missing.")
        return
    try:
        recorded = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise fault(f"{path} is not a manifest ({type(error).__name__}: {error}). Expected "
                    '{"sha256": {file: hash}}.') from error
    for name, expected in recorded.items():
        file = folder / Path(name).name
        if not file.is_file():
            raise fault(f"{file} is missing; {MANIFEST} names it.")
        actual = sha256(file.read_bytes())
        if actual != expected:
            raise fault(f"{file} is damaged or has been replaced: sha256 {actual[:12]}…, "
                        f"{MANIFEST} has {str(expected)[:12]}….")
    for file in sorted(folder.iterdir()):
        if file.suffix in LOADED and file.name not in {*recorded, MANIFEST}:
            raise fault(f"{file} is not listed in {MANIFEST}: the folder was made without it. "
                        "Remove it.")


def check_weights(model: nn.Module, folder: Path) -> None:
    """Raise `ModelError` for weights that are not float32, NaN or infinite, with their name."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ModelError(f"{folder}: {name} was loaded as {tensor.dtype}, expected "
                             "torch.float32, in which models are trained here. Use a model whose "
                             "weights are stored as plain float32, bfloat16 or float16.")
        if not torch.isfinite(tensor).all():
            wrong = int((~torch.isfinite(tensor)).sum())
            raise ModelError(f"{folder}: {wrong} of the {tensor.numel()} values of {name} are NaN "
                             "or infinite, so every answer would be meaningless. Restore the "
                             "weights from a copy; if training wrote them, train again with a "
                             "lower learning rate.")


def check_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raise `ModelError` for a tokenizer that does not fit the model, or too short a context.

    A tokenizer fits if the model has an embedding for each token and ends a text with the same one.
    """
    rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise ModelError(f"{folder}: the tokenizer does not fit the model: its highest token is "
                         f"number {highest}, the model has embeddings for {rows} tokens. Take both "
                         "from the same folder.")
    if context_of(model) < 2 * HALF + 1:
        raise ModelError(f"{folder}: the model takes {context_of(model)} tokens, too few for a "
                         "prompt and a response.")
    # Chat models such as Qwen's end a turn with another token (generation_config) than a document.
    end, ends = tokenizer.eos_token_id, end_tokens(model.config)
    if end is None or (ends and end not in ends + end_tokens(model.generation_config)):
        raise ModelError(f"{folder}: the tokenizer does not fit the model: it ends a text with "
                         f"token {end}, the model with {ends}. Take both from the same folder.")


@torch.no_grad()
def check_behaviour(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                    folder: Path) -> None:
    """Raise `ModelError` for a model that is not causal or cannot be sampled from here.

    Texts that differ only at their end must have the same logits before it (BERT fails). Padding on
    the left must not change the logits (RWKV fails), nor must reading the beginning first (Mamba).
    """
    kind, (ids, other) = f"{folder}: {type(model).__name__}", _texts(tokenizer)
    padding, one = torch.full((1, 1), padding_of(tokenizer)), torch.ones(1, HALF).long()
    prompt, mask = torch.cat([padding, ids[:, :HALF]], 1), pad(one, (1, 0))
    with as_model_error(f"{kind} cannot be run here", "Use a causal language model that takes "
                        "input_ids and attention_mask."):
        alone, changed = (model(input_ids=row.to(model.device)).logits.float()
                          for row in (ids, other))
        padded = response_logits(model, prompt, mask, ids[:, HALF:], one)
    if not torch.isfinite(alone).all():
        raise ModelError(f"{folder}: the model's logits are NaN or infinite though its weights are "
                         "not. The weights are damaged, or made for another config.")
    size = float(alone.abs().max())
    if _gap(alone[:, :HALF], changed[:, :HALF]) > 1e-5 * size:
        raise ModelError(f"{kind} is not causal: a later token changes its prediction for an "
                         "earlier one. Use a decoder, such as a Llama, Qwen or GPT-2 model.")
    if _gap(alone[:, HALF - 1:-1], padded) > 1e-3 * size:
        raise ModelError(f"{kind} answers otherwise when a prompt is padded on the left, which is "
                         "how several prompts are answered at once. Use a model that heeds "
                         "attention_mask and position_ids.")
    with as_model_error(f"{kind} cannot go on from a prompt that it has read", "Use a transformer, "
                        "which keeps keys and values for each token; recurrent models, such as "
                        "Mamba, are not supported."):
        # As in sampling: two prompts are read, and one goes on.
        read = PromptCache(model, prompt.expand(2, -1), mask.expand(2, -1))
        read.past.batch_select_indices(torch.tensor([0], device=model.device))
        attended = pad(read.mask[:1], (0, 1), value=1)
        continued = call(model, ids[:, HALF: HALF + 1], attended, 1, read.past)[:, 0]
        if _gap(alone[:, HALF], continued) > 1e-3 * size:
            raise ValueError("it then predicts otherwise")


def _texts(tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    """Return two rows of ordinary tokens that differ in their second half: shape (1, tokens)."""
    special = set(tokenizer.all_special_ids)
    plain = [i for i in sorted(tokenizer.get_vocab().values()) if i not in special]
    spaced: list[Any] = (plain or [0])[:: max(1, len(plain) // (3 * HALF))]
    first, last, others = (torch.tensor([(spaced * 3 * HALF)[i::3][:HALF]]) for i in range(3))
    return torch.cat([first, last], 1), torch.cat([first, others], 1)


def _gap(a: Tensor, b: Tensor) -> float:
    """Return the largest difference; infinite if one of them is NaN or infinite."""
    return float((a - b).abs().nan_to_num(torch.inf, torch.inf).max())


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Return the sha256 hashes of a loaded model, by the names of `INPUTS` without ``settings``."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    contents = {
        "architecture": _without(model.config.to_json_string(False), "_name_or_path",
                                 "transformers_version"),
        # Padding and truncation are set at every call.
        "tokenizer": (tokenizer.get_vocab() if backend is None
                      else _without(backend.to_str(), "padding", "truncation")),
        "chat_template": tokenizer.chat_template}
    return {"weights": weights_hash(model.named_parameters()), **{
        name: sha256(json.dumps(content, sort_keys=True).encode())
        for name, content in contents.items()}}


def weights_hash(parameters: Iterable[tuple[str, nn.Parameter]]) -> str:
    """Return the sha256 of named parameters, with their names, shapes and types."""
    digest = hashlib.sha256()
    for name, parameter in parameters:
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        values = parameter.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without(text: str, *names: str) -> dict[str, object]:
    """Return a JSON object without some of its entries."""
    return {key: value for key, value in json.loads(text).items() if key not in names}
