"""Language models in training: one per seed, begun from the same weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import RecordError
from workbench.files import write_atomically
from workbench.models.loading import load_causal_lm
from workbench.models.mlp import WEIGHTS
from workbench.models.prompts import template_form
from workbench.models.quiet import no_progress_bars
from workbench.runtime import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LanguageModels(nn.Module):
    """A pretrained model once per seed, and the pretrained model itself.

    Parameters
    ----------
    name_or_path : str or path
        See `workbench.models.load_causal_lm`.
    seeds : sequence of int
        One model for each.
    lora_rank : int
        0 trains all weights. Above 0, adapters of that rank on every linear layer (LoRA, Hu et
        al., arXiv 2106.09685) are trained and everything else stays.
    device : str
        Where to compute.

    Attributes
    ----------
    models : list of PreTrainedModel
        In evaluation mode throughout; gradients flow all the same, and nothing is dropped out.
    tokenizer : PreTrainedTokenizerBase
        Of all of them.
    """

    def __init__(self, name_or_path: str | Path, seeds: Sequence[int], lora_rank: int = 0,
                 device: str = "cpu") -> None:
        super().__init__()
        self.seeds, self.lora_rank, self.name = tuple(seeds), lora_rank, str(name_or_path)
        base, self.tokenizer = load_causal_lm(name_or_path, device=device)
        template_form(self.tokenizer)  # one that cannot be used is refused before any training
        # Its weights keep `requires_grad`, by which PyTorch chooses how to multiply: without it
        # the last digits of its logits would differ from those of an untrained student.
        if lora_rank:
            each = [_with_adapter(copy.deepcopy(base), lora_rank, seed, self.name)
                    for seed in seeds]
        else:
            each = [copy.deepcopy(base) for _ in seeds]
        self.models: Sequence[Any] = nn.ModuleList(each)  # type: ignore[assignment]
        # In a tuple, so that it is no part of what is trained, saved or counted.
        self._base = (base,)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Yield what is trained, seed after seed."""
        for model in self.models:
            yield from trained(model)

    def clip(self, limit: float) -> None:
        """Shrink each seed's gradient to at most `limit` in Euclidean norm."""
        for model in self.models:
            torch.nn.utils.clip_grad_norm_(trained(model), limit)

    @contextmanager
    def pretrained(self, i: int) -> Iterator[PreTrainedModel]:
        """Give the pretrained model: with LoRA, the model of a seed with its adapter off."""
        with self.models[i].disable_adapter() if self.lora_rank else nullcontext():
            yield self.models[i] if self.lora_rank else self._base[0]

    @property
    def base(self) -> PreTrainedModel:
        """The pretrained model, which is never trained."""
        return self._base[0]

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Return what is trained, by seed and name; shared weights stand once."""
        return {f"{i}.{name}": p.detach() for i, model in enumerate(self.models)
                for name, p in model.named_parameters() if p.requires_grad}

    def load_state_dict(self, tensors: Any, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over what `state_dict` returned.

        Raises
        ------
        RuntimeError
            If it is not of these models.
        """
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

    def set_vector(self, i: int, vector: Tensor) -> None:
        """Give a seed's model the weights that `vector` returned."""
        fill(self.models[i], vector)

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
                # Without this, peft asks the hub for the base model's vocabulary.
                adapters = {"save_embedding_layers": False} if self.lora_rank else {}
                self.models[0].save_pretrained(folder, **adapters)
                self.tokenizer.save_pretrained(folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise RecordError(f"could not write the model to {folder}: {error}. The last "
                              "checkpoint is intact. Free some space and resume.") from error
        return "adapter_model.safetensors" if self.lora_rank else "model.safetensors"


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are trained."""
    return [p for p in model.parameters() if p.requires_grad]


@torch.no_grad()
def fill(model: nn.Module, vector: Tensor) -> None:
    """Give a model the trained parameters that stand in a vector."""
    parameters = trained(model)
    parts = vector.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.copy_(part.view_as(parameter))
    # Autocast would go on with what it has cast of the weights before.
    torch.clear_autocast_cache()


def _with_adapter(model: Any, rank: int, seed: int, name: str) -> Any:
    from peft import LoraConfig, get_peft_model

    model.name_or_path = name  # what peft names as the base in the saved adapter
    with no_progress_bars(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(derive_seed(seed, "adapter"))
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, task_type="CAUSAL_LM",
                                                target_modules="all-linear")).eval()
