"""Multilayer perceptrons, one per seed, stacked in every tensor.

The first axis is the seeds. Such small networks spend their time on calling operations, not on
arithmetic: five stacked networks train in little more time than one. They share no parameter, so
the gradient of the sum of their losses is the gradient of each.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
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
        One network for each, or several.
    members : int
        Number of networks of each seed. They are neighbours in the first axis of every tensor, and
        differ in their initial weights.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, seeds: Sequence[int],
                 members: int = 1) -> None:
        super().__init__()
        self.widths = (inputs, *hidden, outputs)
        self.seeds, self.members = tuple(seeds), members
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(self.widths):
            for parameters, shape in ((self.weights, (before, after)), (self.biases, (1, after))):
                parameters.append(nn.Parameter(torch.empty(len(self.seeds) * members, *shape)))
        # A plain tuple of the same parameters: iterating a ParameterList is slow.
        self._layers = tuple(zip(self.weights, self.biases, strict=True))
        self.restart()

    @torch.no_grad()
    def restart(self, draw: int = 0) -> None:
        """Draw new initial weights, as in `torch.nn.Linear`; each `draw` gives others."""
        for i in range(len(self.seeds) * self.members):
            number = draw * self.members + i % self.members
            rng = generator(self.seeds[i // self.members], "initial weights",
                            *([number] if number else []))
            for weight, bias in self._layers:
                # Uniform, bounded by one over the root of the inputs.
                bound = 1 / math.sqrt(weight.shape[1])
                weight[i].uniform_(-bound, bound, generator=rng)
                bias[i].uniform_(-bound, bound, generator=rng)

    def trace(self, x: Tensor, layers: Sequence[tuple[Tensor, Tensor]] = ()
              ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs and the outputs of each layer; the last output is the logits.

        They have shapes (seeds, n, features). `x` has shape (seeds, n, inputs), or (n, inputs) if
        all networks get the same examples. `layers` replaces their own weights and biases.
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
        parts = self._parts(vector)
        half = len(self.weights)
        return self.trace(x, tuple(zip(parts[:half], parts[half:], strict=True)))[1][-1]

    def _parts(self, vector: Tensor) -> list[Tensor]:
        """Return the parameters in `vector` in their own shapes."""
        sizes = [p[0].numel() for p in self.parameters()]
        return [part.reshape(len(vector), *p.shape[1:])
                for part, p in zip(vector.split(sizes, 1), self.parameters(), strict=True)]

    @torch.no_grad()
    def hold(self, vector: Tensor) -> None:
        """Take the parameters in `vector` (seeds, parameters)."""
        for p, part in zip(self.parameters(), self._parts(vector), strict=True):
            p.copy_(part)

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
