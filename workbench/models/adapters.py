"""LoRA adapters by name on one base model (Hu et al., arXiv 2106.09685), through peft."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import nn

from workbench.models.merging import ADAPTER_WEIGHTS
from workbench.models.quiet import no_progress_bars
from workbench.system.files import write_atomically

if TYPE_CHECKING:
    from peft import PeftModel


class WithAdapter:
    """A model that is called with one of its adapters on, or without any if `name` is None.

    Several of these share one model; all other attributes are the model's. They also share the list
    `trained` of the adapters in training. peft turns off the gradient of adapters that are not on;
    here it stays on, so that the backward pass reaches them all.
    """

    def __init__(self, model: PeftModel, name: str | None, trained: list[str]) -> None:
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
            for name in self.trained:
                for parameter in adapter_parameters(self.model, name).values():
                    parameter.requires_grad_(True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return the weights of the adapter, or those of the base under its own names."""
        if self.name is not None:
            return list(adapter_parameters(self.model, self.name).items())
        return [(name.replace(".base_layer.", "."), weight) for name, weight in
                self.model.get_base_model().named_parameters() if ".lora_" not in name]

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights in `named_parameters`."""
        return [weight for _, weight in self.named_parameters()]


def adapter_parameters(model: PeftModel, name: str) -> dict[str, nn.Parameter]:
    """Return the weights of one adapter, by names without that of the adapter."""
    cache: dict[str, dict[str, nn.Parameter]] = model.__dict__.setdefault("_by_adapter", {})
    if name not in cache:
        cache[name] = {n.replace(f".{name}.", "."): p for n, p in model.named_parameters()
                       if f".{name}." in n}
    return cache[name]


def add_adapter(model: Any, name: str, rank: int, rng: torch.Generator, base: str) -> PeftModel:
    """Put a fresh adapter on a model; untrained, it does not change the logits.

    The adapter is on every linear layer but the output layer, with updates of the given rank and
    scale 2. As in peft, A is uniform, bounded by one over the root of the inputs, and B is 0. The
    name has no dots; `base` is the name or folder of the base, which a saved adapter records.
    """
    from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    config = LoraConfig(r=rank, lora_alpha=2 * rank, task_type="CAUSAL_LM",
                        target_modules="all-linear", base_model_name_or_path=base)
    with no_progress_bars():
        # Made without memory first, so that the global random state does not change.
        if isinstance(model, PeftModel):
            adapted: Any = model
            adapted.add_adapter(name, config, low_cpu_mem_usage=True)
        else:
            model.name_or_path = base  # peft takes it from there
            adapted = get_peft_model(model, config, adapter_name=name, low_cpu_mem_usage=True)
        fresh = {}
        for key, empty in adapter_parameters(adapted, name).items():
            weight = torch.zeros(empty.shape)
            if ".lora_A." in key:
                bound = 1 / math.sqrt(empty.shape[1])
                weight.uniform_(-bound, bound, generator=rng)
            fresh[key] = weight.to(adapted.device)
        set_peft_model_state_dict(adapted, fresh, name, low_cpu_mem_usage=True)
    adapted.__dict__["_by_adapter"].pop(name)
    return adapted.eval()  # type: ignore[no-any-return]


def save_adapter(model: PeftModel, name: str, folder: Path) -> str:
    """Write an adapter in the format of peft; return the name of the file with its weights."""
    from peft import get_peft_model_state_dict

    folder.mkdir(exist_ok=True)
    config = copy.copy(model.peft_config[name])
    config.inference_mode = True
    config.save_pretrained(str(folder))
    weights = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    write_atomically(folder / ADAPTER_WEIGHTS, safetensors.torch.save(
        {key: weight.contiguous() for key, weight in weights.items()}))
    return ADAPTER_WEIGHTS
