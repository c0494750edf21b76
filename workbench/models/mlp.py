"""A multilayer perceptron that is several at once: one per seed, side by side in every tensor.

The axis of seeds comes first everywhere. Networks of this size are bound by the cost of calling an
operation, not by its arithmetic, so that five stacked networks train in little more time than one.
They share no parameter, so the gradient of the sum of their losses is the gradient of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.runtime import generator


class StackedLinear(nn.Module):
    """``x @ weight + bias``, with a weight and a bias for each seed.

    Initialised as `torch.nn.Linear` is: uniform within one over the root of `inputs`.

    Parameters
    ----------
    inputs, outputs : int
        Number of features in and out.
    generators : sequence of torch.Generator
        One per seed; a seed's weights are the same whatever other seeds it is stacked with.
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.stack([
                torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]))

        self.weight = draw(inputs, outputs)
        self.bias = draw(1, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (seeds, n, inputs) to (seeds, n, outputs)."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedMLP(nn.Module):
    """Fully connected ReLU networks, one per seed.

    Parameters
    ----------
    inputs : int
        Features of an example.
    hidden : sequence of int
        Units in each hidden layer.
    outputs : int
        Classes.
    seeds : sequence of int
        One network for each.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int,
                 seeds: Sequence[int]) -> None:
        super().__init__()
        generators = [generator(seed, "initial weights") for seed in seeds]
        widths = [inputs, *hidden, outputs]
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            layers += [StackedLinear(widths[i], widths[i + 1], generators), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.seeds = tuple(seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : Tensor, shape (seeds, n, inputs) or (n, inputs)
            Examples; without the axis of seeds all networks get the same ones.

        Returns
        -------
        Tensor, shape (seeds, n, outputs)
        """
        if x.dim() == 2:
            x = x.expand(len(self.seeds), *x.shape)
        return self.layers(x)  # type: ignore[no-any-return]

    def vector(self) -> Tensor:
        """Return all parameters of each seed in one row: shape (seeds, parameters)."""
        return torch.cat([p.flatten(1) for p in self.parameters()], 1)

    def gradient(self) -> Tensor:
        """Return the gradient of `vector`: shape (seeds, parameters)."""
        return torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten(1)
                          for p in self.parameters()], 1)

    def forward_with(self, vector: Tensor, x: Tensor) -> Tensor:
        """Return the logits with other parameters in place of the network's own.

        Parameters
        ----------
        vector : Tensor, shape (seeds, parameters)
            As `vector` returns it. Gradients flow back to it.
        x : Tensor, shape (seeds, n, inputs)
            Examples.
        """
        parameters, start = {}, 0
        for name, p in self.named_parameters():
            size = p[0].numel()
            parameters[name] = vector[:, start:start + size].reshape(len(vector), *p.shape[1:])
            start += size
        return functional_call(self, parameters, (x,))  # type: ignore[no-any-return]
