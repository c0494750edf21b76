"""Multilayer perceptrons, one per seed, stacked in every tensor.

The first axis is the seeds. The time of such small networks is that of calling operations, not of
arithmetic: five stacked networks train in little more time than one. They share no parameter, so
the gradient of the sum of their losses is the gradient of each.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.system.files import write_atomically
from workbench.system.runtime import generator

WEIGHTS = "weights.safetensors"
"""The file of all seeds' weights in the folder of a run."""


class StackedMLP(nn.Module):
    """Fully connected ReLU networks, one per seed.

    Parameters
    ----------
    inputs, outputs : int
        Features of an example, and classes.
    hidden : sequence of int
        Units in each hidden layer.
    seeds : sequence of int
        One network for each.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int,
                 seeds: Sequence[int]) -> None:
        super().__init__()
        self.seeds = tuple(seeds)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        generators = [generator(seed, "initial weights") for seed in seeds]
        widths = [inputs, *hidden, outputs]
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            # As in torch.nn.Linear: uniform, bounded by one over the root of the inputs.
            bound = 1 / math.sqrt(before)
            for parameters, shape in ((self.weights, (before, after)), (self.biases, (1, after))):
                parameters.append(nn.Parameter(torch.stack([
                    torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators])))
        # A plain tuple of the same parameters: iterating a ParameterList is slow.
        self._layers = tuple(zip(self.weights, self.biases, strict=True))

    def trace(self, x: Tensor, layers: Sequence[tuple[Tensor, Tensor]] = ()
              ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs and the outputs of each layer; the last output is the logits.

        They have shapes (seeds, n, features). `x` has shape (seeds, n, inputs), or (n, inputs) if
        all networks get the same examples. `layers` are other weights and biases than their own.
        """
        layers = layers or self._layers
        h = x if x.dim() == 3 else x.expand(len(layers[0][0]), *x.shape)
        inputs, outputs = [], []
        for weight, bias in layers:
            inputs.append(h)
            outputs.append(torch.baddbmm(bias, h, weight))
            h = outputs[-1].relu()
        return inputs, outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (seeds, n, outputs); see `trace`."""
        return self.trace(x)[1][-1]

    def forward_with(self, vector: Tensor, x: Tensor) -> Tensor:
        """Return the logits with the parameters in `vector` (seeds, parameters); see `trace`.

        Gradients flow back to `vector`.
        """
        sizes = [p[0].numel() for p in self.parameters()]
        parts = [part.reshape(len(vector), *p.shape[1:])
                 for part, p in zip(vector.split(sizes, 1), self.parameters(), strict=True)]
        half = len(self.weights)
        return self.trace(x, tuple(zip(parts[:half], parts[half:], strict=True)))[1][-1]

    def vector(self) -> Tensor:
        """Return all parameters of each seed in one row: shape (seeds, parameters)."""
        return torch.cat([p.flatten(1) for p in self.parameters()], 1)

    def snapshot(self) -> Tensor:
        """Return a copy of all parameters: shape (seeds, parameters)."""
        return self.vector().detach().clone()

    def clip(self, limit: float) -> None:
        """Shrink each seed's gradient to at most `limit` in Euclidean norm."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        factors = (limit / norms.clamp_min(1e-12)).clamp_max(1.0)
        for g in gradients:
            g.mul_(factors.view(-1, 1, 1))

    def write(self, folder: Path) -> str:
        """Write the weights to a folder; return the name of their file."""
        write_atomically(folder / WEIGHTS, safetensors.torch.save(dict(self.state_dict())))
        return WEIGHTS
