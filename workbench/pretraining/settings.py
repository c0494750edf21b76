"""The settings of pretraining, and the learning rate that follows from them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import torch

from workbench.errors import ConfigError, positive, whole
from workbench.models.sizes import SIZES
from workbench.system.runtime import pick_device, require_device


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
    """Rows at a time; few, so that the activations of a layer stay in the processor's cache."""
    weight_decay: float = 0.01
    """Of AdamW."""
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

    def resolved(self) -> PretrainConfig:
        """Return the config with ``auto`` and 0 replaced by the values for this machine."""
        # Apple's GPU gains nothing at this size, so `auto` never takes it.
        name = "cpu" if self.device == "auto" and not torch.cuda.is_available() else self.device
        device = pick_device(name).type
        require_device(device)
        precision = self.precision
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
