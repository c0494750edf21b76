"""LoRA adapters on a base model (Hu et al., arXiv 2106.09685), through peft.

Several are trained on one base, each with a name; a saved one is merged into its base.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import ModelError, whole
from workbench.models.verify import as_model_error, check_weights, read_json
from workbench.system.files import write_atomically

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TOLERANCE = 1e-4
"""How far logits may move in merging, as a share of the largest."""


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Turn off progress bars inside the block, which a notebook would store, and peft's warnings.

    The loader itself refuses the faults that peft warns about (missing tensors, shared weights).
    """
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\b")
            yield
    finally:
        if enabled:
            logging.enable_progress_bar()


class WithAdapter:
    """A model that is called with one of its adapters on, or without any if `name` is None.

    Several of these share one model; all other attributes are the model's. They also share the list
    `trained` of the weights in training. peft turns off the gradient of adapters that are not on;
    here it stays on, so that the backward pass reaches them all.
    """

    def __init__(self, model: PeftModel, name: str | None, trained: list[nn.Parameter]) -> None:
        self.model, self.name, self.trained = model, name, trained

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Call the model with this adapter on."""
        try:
            if self.name is None:
                with self.model.disable_adapter():
                    return self.model(*inputs, **named)
            if self.model.active_adapter != self.name:
                self.model.set_adapter(self.name)
            return self.model(*inputs, **named)
        finally:
            for parameter in self.trained:
                parameter.requires_grad_(True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return the weights of the adapter, or those of the base under its own names."""
        if self.name is not None:
            return [(name.replace(f".{self.name}.", "."), weight) for name, weight in
                    self.model.named_parameters() if f".{self.name}." in name]
        return [(name.replace(".base_layer.", "."), weight) for name, weight in
                self.model.get_base_model().named_parameters() if ".lora_" not in name]

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights in `named_parameters`."""
        return [weight for _, weight in self.named_parameters()]

    def write(self, folder: Path) -> str:
        """Write the adapter in the format of peft; return the name of the file with its weights."""
        from peft import get_peft_model_state_dict

        assert self.name is not None  # only adapters are written
        folder.mkdir(parents=True, exist_ok=True)
        config = copy.copy(self.model.peft_config[self.name])
        config.inference_mode = True
        config.save_pretrained(str(folder))
        weights = get_peft_model_state_dict(self.model, adapter_name=self.name,
                                            save_embedding_layers=False)
        write_atomically(folder / ADAPTER_WEIGHTS, safetensors.torch.save(
            {key: weight.contiguous() for key, weight in weights.items()}))
        return ADAPTER_WEIGHTS


def add_adapter(model: Any, name: str, rank: int, rng: torch.Generator, base: str,
                layers: Sequence[str] = ()) -> PeftModel:
    """Put a fresh adapter on a model; untrained, it does not change the outputs.

    The adapter is on the linear layers with these names, by default on every one but the output
    layer, with updates of the given rank and scale 2. As in peft, A is uniform, bounded by one over
    the root of the inputs, and B is 0. The name has no dots; `base` is the name or folder of the
    base, which a saved adapter records.
    """
    from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    whole(rank=rank)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, task_type=None if layers else "CAUSAL_LM",
                        target_modules=list(layers) or "all-linear", base_model_name_or_path=base)
    with no_progress_bars():
        # Made without memory first, so that the global random state does not change.
        if isinstance(model, PeftModel):
            adapted: Any = model
            adapted.add_adapter(name, config, low_cpu_mem_usage=True)
        else:
            model.name_or_path = base  # peft takes it from there
            adapted = get_peft_model(model, config, adapter_name=name, low_cpu_mem_usage=True)
        fresh = {}
        for key, empty in WithAdapter(adapted, name, []).named_parameters():
            weight = torch.zeros(empty.shape)
            if ".lora_A." in key:
                bound = 1 / math.sqrt(empty.shape[1])
                weight.uniform_(-bound, bound, generator=rng)
            fresh[key] = weight.to(adapted.device)
        set_peft_model_state_dict(adapted, fresh, name, low_cpu_mem_usage=True)
    return adapted.eval()  # type: ignore[no-any-return]


def base_of(folder: Path) -> str:
    """Check the files of an adapter, and return the name or path of its base model."""
    path = folder / ADAPTER_CONFIG
    base = read_json(path).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(f"{path} names no base_model_name_or_path (it is {base!r}). Write there "
                         "the name or folder of the model that the adapter was trained on.")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"{folder} holds an adapter without {ADAPTER_WEIGHTS}; other weights "
                         "could run code when opened. Save the adapter as safetensors.")
    return base


def lora_layers(model: PeftModel, name: str, others: Sequence[str] = ()) -> dict[str, Any]:
    """Return the linear layers of a model that have a LoRA adapter with this name, by their names.

    Raises `ModelError` if there are none, and if one of the other adapters is on other layers.
    """
    found = {one: {key: layer for key, layer in model.get_base_model().named_modules()
                   if one in getattr(layer, "lora_A", {})} for one in (name, *others)}
    for one, layers in found.items():
        if not layers:
            raise ModelError(f"the adapter {one!r} is on no linear layer; composition needs LoRA")
        if odd := sorted(layers.keys() ^ found[name].keys()):
            raise ModelError(f"only one of the adapters {name!r} and {one!r} is on the layer "
                             f"{odd[0]}. Units can be reused on their own layers only.")
    return found[name]


def load_units(model: PeftModel, folder: Path, name: str, base: str) -> None:
    """Load a saved adapter of peft under a name, so that its units can be reused; it stays frozen.

    `base` is the name or folder of the model. Raises `ModelError` if the adapter is of another base
    model or does not fit, has missing or unexpected tensors or a NaN, and for a name that is taken.
    """
    found = base_of(folder)
    if found != base:
        raise ModelError(f"{folder} is an adapter of {found!r}, not of {base!r}. Units can be "
                         "reused on their own base model only.")
    if name in model.peft_config:
        raise ModelError(f"the model has an adapter {name!r} already; give another name")
    try:
        with no_progress_bars(), torch.random.fork_rng([]):  # peft draws weights before it loads
            with as_model_error(f"{folder}: the adapter could not be put on {base}"):
                model.load_adapter(folder, name, torch_device=str(model.device))
            _check_keys(model, folder, name)
        if not all(bool(p.isfinite().all()) for p in WithAdapter(model, name, []).parameters()):
            raise ModelError(f"{folder} has weights that are NaN or infinite. Train it again.")
    except ModelError:
        if name in model.peft_config:
            model.delete_adapter(name)
        raise


def merge_adapter(model: Any, folder: Path, base: str) -> Any:
    """Return a model with an adapter merged into its weights; both must have the same logits.

    `model` is the base model in float32, which is changed; `base` is its name in error messages. If
    the adapter changes one of two layers that share their weights (the embeddings and the output
    layer), each first gets its own: otherwise merging would change both. Raises `ModelError` if the
    adapter does not fit, has missing or unexpected tensors or a NaN, or cannot be merged.
    """
    from peft import PeftModel

    with as_model_error(f"{folder}: the adapter could not be put on {base}"), no_progress_bars():
        adapted: Any = PeftModel.from_pretrained(model, folder)
        adapted.eval()
    _check_keys(adapted, folder)
    check_weights(adapted, folder)
    _untie(model)
    before = _probe(adapted)
    kind = type(adapted.base_model).__name__  # some, such as prompts, cannot be merged
    problem = f"{folder}: an adapter of the kind {kind} cannot be merged"
    with as_model_error(problem, "Use LoRA."), no_progress_bars():
        merged = adapted.merge_and_unload()
    gap = float((_probe(merged) - before).abs().max() / before.abs().max())
    if not gap <= TOLERANCE:
        raise ModelError(f"{folder}: merged into {base}, the adapter gives other logits than "
                         f"unmerged (by {gap:.2g} of the largest). Merge it with the program that "
                         "trained it, and use the whole model.")
    return merged.requires_grad_(True).eval()


def _check_keys(adapted: Any, folder: Path, name: str = "default") -> None:
    """Refuse an adapter file with missing or unexpected tensors; peft at most warns of them."""
    from peft import get_peft_model_state_dict

    with safetensors.safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        stored = set(file.keys())
    # peft may store the embeddings beside an adapter on them.
    expected, more = (set(get_peft_model_state_dict(
        adapted, adapter_name=name, save_embedding_layers=stores)) for stores in (False, True))
    allowed = expected | more
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
    return model(input_ids=ids.to(model.device)).logits.float()  # type: ignore[no-any-return]
