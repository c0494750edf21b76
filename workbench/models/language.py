"""Language models in training: one per seed, all starting from the same weights."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import RecordError
from workbench.models.adapters import WithAdapter, add_adapter, no_progress_bars
from workbench.models.loading import load_causal_lm
from workbench.models.mlp import WEIGHTS
from workbench.models.prompts import make_prompt, set_teacher_turn
from workbench.models.verify import fingerprint
from workbench.system.files import write_atomically
from workbench.system.runtime import generator


class LanguageModels:
    """A pretrained model (`base`, never trained), and one in training per seed (`models`).

    With a `lora_rank` of 0, all weights are trained, in a copy of the model for each seed. Above 0,
    the seeds share one model and each trains an adapter of that rank on it; `adapters` has their
    names by skill and seed; the last ones are trained. All models stay in evaluation mode: they
    have gradients but no dropout. With a `teacher_turn`, the tokenizer is changed by
    `workbench.models.prompts.set_teacher_turn`.
    """

    def __init__(self, name_or_path: str | Path, seeds: Sequence[int], lora_rank: int = 0,
                 device: str = "cpu", teacher_turn: str = "") -> None:
        self.seeds, self.lora_rank, self.name = tuple(seeds), lora_rank, str(name_or_path)
        # The weights of the base keep `requires_grad`, by which PyTorch chooses how to multiply:
        # without it the last digits of its logits would differ from those of an untrained student.
        self.base: Any
        self.base, self.tokenizer = load_causal_lm(name_or_path, device=device)
        make_prompt(self.tokenizer, "?")  # refuses an unusable template before any training
        if teacher_turn:
            set_teacher_turn(self.tokenizer, teacher_turn)
        self.adapters: list[list[str]] = []
        self._trained: list[nn.Parameter] = []
        self._shared = self.base  # with LoRA, the base with all adapters
        self._other: Any = None
        self.models: list[Any] = [] if lora_rank else [copy.deepcopy(self.base) for _ in seeds]
        if lora_rank:
            self.add_adapters()
            self.base = WithAdapter(self._shared, None, self._trained)

    def add_adapters(self) -> None:
        """Start a fresh adapter for each seed; earlier ones stay unchanged."""
        names = [f"skill{len(self.adapters)}-seed{i}" for i in range(len(self.seeds))]
        for seed, name in zip(self.seeds, names, strict=True):
            self._shared = add_adapter(self._shared, name, self.lora_rank,
                                       generator(seed, "adapter"), self.name)
        self.adapters.append(names)
        self.models = [self.with_adapter(name) for name in names]
        self._trained[:] = self.parameters()

    def with_adapter(self, name: str) -> WithAdapter:
        """Return the model with one of its adapters on."""
        return WithAdapter(self._shared, name, self._trained)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the trained parameters, seed after seed."""
        for model in self.models:
            yield from trained(model)

    def clip(self, limit: float) -> None:
        """Shrink each seed's gradient to at most `limit` in Euclidean norm."""
        for model in self.models:
            torch.nn.utils.clip_grad_norm_(trained(model), limit)

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The hashes of the pretrained model, its tokenizer and its chat template."""
        return fingerprint(self.base, self.tokenizer)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the trained parameters by seed and name; adapters also by skill."""
        models: dict[str, Any] = {name: self.with_adapter(name) for names in self.adapters
                                  for name in names}
        models = models or {str(i): model for i, model in enumerate(self.models)}
        return {f"{key}.{name}": p.detach() for key, model in models.items()
                for name, p in model.named_parameters()}

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned; raise `RuntimeError` for tensors of other models."""
        while self.lora_rank and any(key.startswith(f"skill{len(self.adapters)}-")
                                     for key in tensors):
            self.add_adapters()
        own = self.state_dict()
        if own.keys() != tensors.keys():
            odd = sorted(own.keys() ^ tensors.keys())
            raise RuntimeError(f"{len(odd)} tensors are not in both, such as {odd[0]}")
        for name, parameter in own.items():
            parameter.copy_(tensors[name])

    def vector(self, i: int) -> Tensor:
        """Return a copy of the trained parameters of seed i in float32: shape (parameters,)."""
        return torch.cat([p.detach().float().flatten() for p in trained(self.models[i])])

    def snapshot(self) -> Tensor:
        """Return a copy of all trained parameters on the CPU: shape (seeds, parameters)."""
        return torch.stack([self.vector(i).cpu() for i in range(len(self.seeds))])

    def holding(self, vector: Tensor) -> Any:
        """Return a model with the trained parameters in `vector`; the next call reuses it."""
        if self._other is None:
            if self.lora_rank:
                add_adapter(self._shared, "other", self.lora_rank, torch.Generator(), self.name)
                self._other = self.with_adapter("other")
            else:
                self._other = copy.deepcopy(self.models[0])
        fill(self._other, vector)
        return self._other

    def write(self, folder: Path) -> str:
        """Write the trained models to a folder; return the name of the file with the weights.

        One model is written in the Hugging Face format, with its tokenizer: whole, or as an
        adapter. Several are written by seed and name. Raises `RecordError` if that fails.
        """
        if len(self.models) > 1:
            write_atomically(folder / WEIGHTS, safetensors.torch.save(self.state_dict()))
            return WEIGHTS
        try:
            with no_progress_bars():
                self.tokenizer.save_pretrained(folder)
                if self.lora_rank:
                    return self.models[0].write(folder)  # type: ignore[no-any-return]
                self.models[0].save_pretrained(folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise RecordError(f"could not write the model to {folder}: {error}. The last "
                              "checkpoint is intact. Free some space and resume.") from error
        return "model.safetensors"


def trained(model: Any) -> list[nn.Parameter]:
    """Return the trained parameters of a model."""
    return [p for p in model.parameters() if p.requires_grad or isinstance(model, WithAdapter)]


@torch.no_grad()
def fill(model: Any, vector: Tensor) -> None:
    """Set the trained parameters of a model to the values in a vector."""
    parameters = trained(model)
    parts = vector.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.copy_(part.view_as(parameter))
    torch.clear_autocast_cache()  # autocast would otherwise use a copy of the old weights
