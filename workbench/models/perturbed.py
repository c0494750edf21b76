"""A model that is damaged on purpose, for a teacher that is often wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from workbench.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def perturb(model: PreTrainedModel, noise: float, seed: int = 0) -> PreTrainedModel:
    """Add Gaussian noise to every weight matrix but those of the embeddings, in place.

    Parameters
    ----------
    model : PreTrainedModel
        Is changed.
    noise : float
        Standard deviation of the noise over that of the matrix it is added to.
    seed : int
        Of the noise.

    Returns
    -------
    PreTrainedModel
        The same model.

    Raises
    ------
    ConfigError
        If the noise is negative or no number.
    """
    if isinstance(noise, (bool, str)) or not 0 <= noise < float("inf"):
        raise ConfigError(f"noise must be a number of at least 0, not {noise!r}")
    rng = torch.Generator().manual_seed(seed)
    embeddings = {id(layer.weight) for layer in (model.get_input_embeddings(),
                                                 model.get_output_embeddings())}
    for weight in model.parameters():
        if weight.dim() > 1 and id(weight) not in embeddings:
            drawn = torch.randn(weight.shape, generator=rng).to(weight)
            weight.add_(noise * weight.std() * drawn)
    return model
