"""Language models in training: one per seed, begun from the same weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import RecordError
from workbench.models.adapters import (
    WithAdapter,
    adapter_parameters,
    add_adapter,
    names_of,
    save_adapter,
)
from workbench.models.fingerprint import fingerprint
from workbench.models.loading import load_causal_lm
from workbench.models.mlp import WEIGHTS
from workbench.models.prompts import template_form
from workbench.models.quiet import no_progress_bars
from workbench.system.files import write_atomically
from workbench.system.runtime import generator


class LanguageModels(nn.Module):
    """A pretrained model once per seed, and the pretrained model itself.

    Parameters
    ----------
    name_or_path : str or path
        See `workbench.models.load_causal_lm`.
    seeds : sequence of int
        One model for each.
    lora_rank : int
        0 trains all weights, in a copy of the model for each seed. Above 0, the seeds share one
        model and each trains an adapter of that rank on it.
    device : str
        Where to compute.

    Attributes
    ----------
    base : PreTrainedModel or WithAdapter
        The pretrained model, which is never trained.
    models : list of PreTrainedModel or WithAdapter
        What is trained, by seed. In evaluation mode throughout; gradients flow all the same, and
        there is no dropout.
    tokenizer : PreTrainedTokenizerBase
        Of all of them.
    adapters : list of list of str
        With LoRA, the names of the adapters by skill and seed; the last ones are trained.
    """

    def __init__(self, name_or_path: str | Path, seeds: Sequence[int], lora_rank: int = 0,
                 device: str = "cpu") -> None:
        super().__init__()
        self.seeds, self.lora_rank, self.name = tuple(seeds), lora_rank, str(name_or_path)
        base: Any
        base, self.tokenizer = load_causal_lm(name_or_path, device=device)
        template_form(self.tokenizer)  # one that cannot be used is refused before any training
        self.adapters: list[list[str]] = []
        self._other: Any = None
        # In a tuple, so that PyTorch does not count it among what is trained, saved or cleared.
        if lora_rank:
            self._trained: list[str] = []
            self._whole: tuple[Any, ...] = (base,)
            self.add_adapters()
            self._base: tuple[Any, ...] = (WithAdapter(self._whole[0], None, self._trained),)
        else:
            # Its weights keep `requires_grad`, by which PyTorch chooses how to multiply: without
            # it the last digits of its logits would differ from those of an untrained student.
            self._base = (base,)
            self.models: Any = nn.ModuleList(copy.deepcopy(base) for _ in seeds)

    @property
    def base(self) -> Any:
        """The pretrained model, which is never trained."""
        return self._base[0]

    def add_adapters(self) -> None:
        """Begin a fresh adapter for each seed; those before stay as they are."""
        names = names_of(self.seeds, len(self.adapters))
        for seed, name in zip(self.seeds, names, strict=True):
            self._whole = (add_adapter(self._whole[0], name, self.lora_rank,
                                       generator(seed, "adapter"), self.name),)
        self.adapters.append(names)
        self._trained[:] = names
        self.models = [self.with_adapter(name) for name in names]

    def with_adapter(self, name: str) -> WithAdapter:
        """Return the model with one of its adapters on."""
        return WithAdapter(self._whole[0], name, self._trained)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Yield what is trained, seed after seed."""
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

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Return what is trained, by seed and name; adapters also by skill."""
        if self.lora_rank:
            return {f"{name}.{key}": p.detach() for names in self.adapters for name in names
                    for key, p in adapter_parameters(self._whole[0], name).items()}
        return {f"{i}.{name}": p.detach() for i, model in enumerate(self.models)
                for name, p in model.named_parameters()}

    def load_state_dict(self, tensors: Any, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over what `state_dict` returned, with as many adapters as it has.

        Raises
        ------
        RuntimeError
            If it is not of these models.
        """
        saved = {key.split(".")[0] for key in tensors}
        while self.lora_rank and names_of(self.seeds, len(self.adapters))[0] in saved:
            self.add_adapters()
        own = self.state_dict()
        if own.keys() != tensors.keys():
            odd = sorted(own.keys() ^ tensors.keys())
            raise RuntimeError(f"{len(odd)} tensors are not in both, such as {odd[0]}")
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(tensors[name])

    def vector(self, i: int) -> Tensor:
        """Return a copy of what is trained of one seed, in float32: shape (parameters,)."""
        return torch.cat([p.detach().float().flatten() for p in trained(self.models[i])])

    def snapshot(self) -> Tensor:
        """Return a copy of what is trained, on the CPU: shape (seeds, parameters)."""
        return torch.stack([self.vector(i).cpu() for i in range(len(self.seeds))])

    def set_vector(self, i: int, vector: Tensor) -> None:
        """Give a seed's model the weights that `vector` returned."""
        fill(self.models[i], vector)

    def holding(self, vector: Tensor) -> Any:
        """Return a model with other weights in place of what is trained; the next call reuses it.

        Parameters
        ----------
        vector : Tensor, shape (parameters,)
            As `vector` returns it.
        """
        if self._other is None:
            if self.lora_rank:
                add_adapter(self._whole[0], "other", self.lora_rank, torch.Generator(), self.name)
                self._other = (self.with_adapter("other"),)
            else:
                self._other = (copy.deepcopy(self.models[0]),)
        fill(self._other[0], vector)
        return self._other[0]

    def write(self, folder: Path) -> str:
        """Write what was trained to a folder, and return the name of the file with the weights.

        One model is written as Hugging Face libraries read it: with its tokenizer, or as an
        adapter. Several are written by seed and name.

        Raises
        ------
        RecordError
            If the disk refuses.
        """
        if len(self.models) > 1:
            write_atomically(folder / WEIGHTS, safetensors.torch.save(self.state_dict()))
            return WEIGHTS
        try:
            with no_progress_bars():
                self.tokenizer.save_pretrained(folder)
                if self.lora_rank:
                    return self.write_adapter(self.adapters[-1][0], folder)
                self.models[0].save_pretrained(folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise RecordError(f"could not write the model to {folder}: {error}. The last "
                              "checkpoint is intact. Free some space and resume.") from error
        return "model.safetensors"

    def write_adapter(self, name: str, folder: Path) -> str:
        """Write one adapter to a folder, and return the name of the file with its weights."""
        return save_adapter(self._whole[0], name, folder)


def trained(model: Any) -> list[nn.Parameter]:
    """Return the parameters that are trained."""
    return [p for p in model.parameters() if p.requires_grad or isinstance(model, WithAdapter)]


@torch.no_grad()
def fill(model: Any, vector: Tensor) -> None:
    """Give a model the trained parameters that stand in a vector."""
    parameters = trained(model)
    parts = vector.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.copy_(part.view_as(parameter))
    # Autocast would go on with what it has cast of the weights before.
    torch.clear_autocast_cache()
