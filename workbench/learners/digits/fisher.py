"""The exact diagonal of the Fisher information, for all seeds at once."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.models import StackedMLP
from workbench.tasks.stream import masked


def diagonal_fisher(model: StackedMLP, x: Tensor, mask: Tensor) -> Tensor:
    r"""Return the diagonal of the Fisher information of each seed, averaged over examples.

    :math:`F_i=\frac1n\sum_x\sum_c p(c|x)\,(\partial\log p(c|x)/\partial\theta_i)^2`: the sum runs
    over all answers, weighted by their probability. The "empirical" Fisher of many libraries takes
    the label alone, or the square of a mean gradient, which are other quantities (Kunstner et al.,
    arXiv 1905.12558).

    In a linear layer the gradient of one example is its input times the slope at its output. The
    sum of squares over examples is therefore one product of squared inputs and squared slopes.

    `x` has shape (n, inputs); `mask`, of shape (outputs,), is True where an output may be answered.
    Returns shape (seeds, parameters), in the order of `StackedMLP.vector`.
    """
    inputs, outputs = model.trace(x)
    log_p = masked(outputs[-1], mask).log_softmax(-1)
    total = torch.zeros_like(model.vector())
    for answer in mask.nonzero().flatten():
        chosen = log_p[..., answer]
        slopes = torch.autograd.grad(chosen.sum(), outputs, retain_graph=True)
        p = chosen.detach().exp().unsqueeze(-1)
        weighted = [p * slope.square() for slope in slopes]
        of_weights = [h.detach().square().transpose(1, 2) @ w
                      for h, w in zip(inputs, weighted, strict=True)]
        of_biases = [w.sum(1) for w in weighted]
        total += torch.cat([part.flatten(1) for part in of_weights + of_biases], 1)
    return total / len(x)
