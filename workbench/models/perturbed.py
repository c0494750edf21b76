"""A model that is damaged on purpose, for a teacher that is often wrong."""

from __future__ import annotations

import math
from typing import Any

import torch

from workbench.errors import ConfigError


@torch.no_grad()
def perturb(model: Any, noise: float, seed: int = 0) -> Any:
    """Add Gaussian noise to every weight matrix of a model but the embeddings, in place.

    `noise` is the standard deviation of the noise over that of each matrix. Returns the model;
    raises `ConfigError` if the noise is not a finite number of at least 0.
    """
    if isinstance(noise, (bool, str)) or not 0 <= noise < math.inf:
        raise ConfigError(f"noise must be a number of at least 0, not {noise!r}")
    rng = torch.Generator().manual_seed(seed)
    embeddings = {id(layer.weight) for layer in (model.get_input_embeddings(),
                                                 model.get_output_embeddings())}
    for weight in model.parameters():
        if weight.dim() > 1 and id(weight) not in embeddings:
            random = torch.randn(weight.shape, generator=rng).to(weight)
            weight.add_(noise * weight.std() * random)
    return model
