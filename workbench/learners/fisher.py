"""The exact diagonal of the Fisher information, for all seeds at once."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.losses import masked
from workbench.models import StackedLinear, StackedMLP


def diagonal_fisher(model: StackedMLP, x: Tensor, mask: Tensor) -> Tensor:
    r"""Return how much each weight matters to the answers, averaged over examples.

    :math:`F_i=\frac1n\sum_x\sum_c p(c|x)\,(\partial\log p(c|x)/\partial\theta_i)^2`: the sum runs
    over every answer that the model could give, weighted by how likely it finds it. The "empirical"
    Fisher of many libraries takes the label alone, or the square of a mean gradient, which are
    other quantities (Kunstner et al., arXiv 1905.12558).

    In a linear layer the gradient of one example is its input times the slope at its output, so the
    sum of squares over examples is one product of squared inputs and squared slopes: no gradient
    of a single example is ever formed.

    Parameters
    ----------
    model : StackedMLP
        The networks.
    x : Tensor, shape (n, inputs)
        Examples.
    mask : Tensor of bool, shape (outputs,)
        Outputs that may be answered.

    Returns
    -------
    Tensor, shape (seeds, parameters)
        In the order of `StackedMLP.vector`.
    """
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def note(_: torch.nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        inputs.append(arguments[0].detach())
        outputs.append(output)

    hooks = [layer.register_forward_hook(note) for layer in model.layers
             if isinstance(layer, StackedLinear)]
    log_p = masked(model(x), mask).log_softmax(-1)
    for hook in hooks:
        hook.remove()

    total = torch.zeros_like(model.vector())
    for answer in mask.nonzero().flatten():
        chosen = log_p[..., answer]
        slopes = torch.autograd.grad(chosen.sum(), outputs, retain_graph=True)
        p = chosen.detach().exp().unsqueeze(-1)
        parts = []
        for h, slope in zip(inputs, slopes, strict=True):
            weighted = p * slope.square()
            parts += [(h.square().transpose(1, 2) @ weighted).flatten(1), weighted.sum(1)]
        total += torch.cat(parts, 1)
    return total / len(x)
