"""The settings of pretraining, the learning rate that follows from them, and the log."""

import json
import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from workbench.errors import ConfigError, RecordError, positive, whole
from workbench.models.sizes import SIZES
from workbench.system.files import require_new_folder
from workbench.system.provenance import environment
from workbench.system.runtime import require_device


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides the weights; stored in the training log."""

    size: str = "tiny"
    """``nano``, ``tiny`` or ``small``; sets shape, steps and learning rate."""
    seed: int = 0
    """Seed of the initial weights and of the documents."""
    steps: int = 0
    """Optimiser steps; 0 takes the number of the size."""
    batch_size: int = 24
    """Rows of packed documents per step, each as long as the model's context."""
    micro_batch: int = 12
    """Rows computed at a time; few, so that the activations of a layer stay in the processor's
    cache."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    precision: str = "auto"
    """``fp32`` or ``bf16`` (autocast); ``auto`` is bf16 on a GPU that supports it, else fp32."""
    device: str = "auto"
    """``cpu`` or ``cuda``; ``auto`` takes the GPU when there is one."""
    threads: int = 0
    """PyTorch threads; 0 takes all cores, up to eight."""
    evaluate_every: int = 400
    """Steps between points of the validation curve."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"size must be one of {', '.join(SIZES)}, not {self.size!r}")
        whole(0, seed=self.seed, steps=self.steps, threads=self.threads)
        whole(batch_size=self.batch_size, micro_batch=self.micro_batch,
              evaluate_every=self.evaluate_every, checkpoint_every=self.checkpoint_every)
        if self.weight_decay != 0:
            positive(weight_decay=self.weight_decay)
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            raise ConfigError(f"device must be auto, cpu, cuda or mps, not {self.device!r}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, not {self.precision!r}")

    def resolved(self) -> Self:
        """Return the config with ``auto`` and 0 replaced by the values for this machine."""
        device, precision = self.device, self.precision
        if device == "auto":  # never Apple's GPU, which gains nothing at this size
            device = "cuda" if torch.cuda.is_available() else "cpu"
        require_device(device)
        if precision == "auto":
            # Not by a timing, which would lead to other weights on a busy machine.
            fast = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if fast else "fp32"
        return replace(self, steps=self.steps or SIZES[self.size].steps, device=device,
                       threads=self.threads or min(os.cpu_count() or 1, 8), precision=precision)


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Return the rate of a step: a linear warm-up over the first twelfth, then half a cosine."""
    warm_up = max(1, steps // 12)
    if step < warm_up:
        return highest * (step + 1) / warm_up
    return highest * (0.005 + 0.995 * 0.5 * (1 + math.cos(
        math.pi * (step - warm_up) / max(1, steps - warm_up))))


LOG = "training.json"
FIELDS = {"config": dict, "status": str, "step": int, "seconds": float, "losses": list,
          "curve": list, "environment": dict}
"""Fields that every training log has, with their types."""


def find_log(config: PretrainConfig | None, folder: Path) -> dict[str, Any]:
    """Return the log of a new run; without a config, that of the run in the folder.

    Raises `RecordError` if a new run cannot use the folder, or the log is missing or damaged.
    """
    if config is not None:
        require_new_folder(folder)
        return {"format": "workbench-pretraining", "config": asdict(config.resolved()),
                "status": "running", "step": 0, "seconds": 0.0, "losses": [], "curve": [],
                "environment": environment()}
    try:
        log: dict[str, Any] = json.loads((folder / LOG).read_text())
        if log["format"] != "workbench-pretraining":
            raise ValueError("not the log of a pretraining run")
        for name, kind in FIELDS.items():
            if not isinstance(log.get(name), kind):
                raise ValueError(f"{name} is {log.get(name)!r}, expected {kind.__name__}")
        if "checkpoint" in log and set(log["checkpoint"]) != {"file", "sha256"}:
            raise ValueError("checkpoint names no file with its sha256")
    except FileNotFoundError:
        raise RecordError(f"{folder} holds no {LOG}: there is no pretraining run to continue. "
                          "Give the folder named by --out.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{folder / LOG} cannot be used: {error}. Restore it from a copy, or run "
                          "again into another folder.") from error
    return log


def settings_of(log: dict[str, Any], folder: Path) -> PretrainConfig:
    """Return the settings in a log; raise `RecordError` if they cannot be used on this machine."""
    try:
        config = PretrainConfig(**log["config"])
    except (TypeError, ConfigError) as error:
        raise RecordError(f"{folder / LOG} has settings that cannot be used: {error}. Restore it "
                          "from a copy, or run again into another folder.") from error
    if config.device == "cuda" and not torch.cuda.is_available():
        raise RecordError(f"{folder} was begun on a GPU, and there is none here. Resume it on a "
                          "machine with a GPU, or run again into another folder.")
    return config
