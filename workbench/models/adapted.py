"""`AdaptedBackbones`: one frozen backbone with adapters and a linear head for each seed."""

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models.adapters import ADAPTER_WEIGHTS, WithAdapter, add_adapter, base_of
from workbench.models.backbones import Backbone
from workbench.models.mlp import WEIGHTS
from workbench.models.verify import weights_hash
from workbench.system.files import write_atomically
from workbench.system.runtime import generator
from workbench.tasks.stream import masked

BASE = "__base__"
"""Name of the backbone without an adapter, as in peft."""
ROWS = 256
"""Rows that go through the backbone together: more would leave the processor's cache."""


class AdaptedBackbones:
    """A frozen backbone that all seeds share, with adapters and linear heads for each seed.

    Parameters
    ----------
    backbone : Backbone
    seeds : sequence of int
        A seed sets the initial weights of its adapters and heads.
    outputs : int
    rank : int
        Rank of the adapters.
    table : Tensor, optional
        Encoded inputs, shape (N, ...); examples are then numbers of its rows.

    Attributes
    ----------
    adapters : list of list of str
        Names by adapter and seed. The last ones are trained.
    heads : list of nn.ParameterList
        Weights (seeds, features, outputs) and biases (seeds, 1, outputs), one for each adapter.
    masks : list of Tensor
        The outputs that each head may answer, at first all: bool, shape (outputs,).
    """

    def __init__(self, backbone: Backbone, seeds: Sequence[int], outputs: int, rank: int,
                 table: Tensor | None = None) -> None:
        self.backbone, self.seeds, self.rank, self.table = backbone, tuple(seeds), rank, table
        self.outputs = outputs
        self.adapters: list[list[str]] = []
        self.heads: list[nn.ParameterList] = []
        self.masks: list[Tensor] = []
        self._trained: list[nn.Parameter] = []
        # With the same weights; the backbone itself stays without adapters.
        self._shared: Any = copy.deepcopy(backbone, {id(p): p for p in backbone.parameters()})
        self.add_adapters()

    def add_adapters(self) -> None:
        """Start a fresh adapter and head for each seed; earlier ones stay unchanged."""
        k, features = len(self.adapters), self.backbone.features
        generators = [generator(seed, "adapter", k) for seed in self.seeds]
        self.adapters.append(self._fresh(k, generators))
        self.masks.append(torch.ones(self.outputs, dtype=torch.bool))
        self._train(self.adapters[-1])
        self.heads.append(nn.ParameterList(torch.stack([
            torch.empty(shape).uniform_(-features**-0.5, features**-0.5, generator=rng)
            for rng in generators]) for shape in ((features, self.outputs), (1, self.outputs))))

    def _fresh(self, k: int, generators: Sequence[torch.Generator]) -> list[str]:
        """Put the k-th adapter of each seed on the backbone, and return their names."""
        names = [f"adapter{k}-seed{i}" for i in range(len(self.seeds))]
        for rng, name in zip(generators, names, strict=True):
            self._shared = add_adapter(self._shared, name, self.rank, rng,
                                       self.backbone.name_or_path, self.backbone.layers)
        return names

    def _train(self, names: Sequence[str]) -> None:
        """Make the weights of these adapters the trained ones."""
        self._trained[:] = [p for name in names for p in self.with_adapter(name).parameters()]

    def load_adapter(self, folder: Path, k: int, i: int) -> None:
        """Load an adapter in the format of peft in place of the k-th one of seed i.

        Raises `ModelError` if it is of another base model, or has other tensors.
        """
        base = base_of(folder)
        if base != self.backbone.name_or_path:
            raise ModelError(f"{folder} is an adapter of {base!r}, not of "
                             f"{self.backbone.name_or_path!r}. Load it on its own base model.")
        weights = safetensors.torch.load_file(folder / ADAPTER_WEIGHTS)
        own = dict(self.with_adapter(self.adapters[k][i]).named_parameters())
        if _shapes(own) != _shapes(weights):
            raise ModelError(f"{folder / ADAPTER_WEIGHTS} has other tensors than an adapter of "
                             f"rank {self.rank} on {', '.join(self.backbone.layers[:4])}")
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(weights[key])

    def with_adapter(self, name: str | None) -> WithAdapter:
        """Return the backbone with one of its adapters on, or with none."""
        return WithAdapter(self._shared, name, self._trained)

    def rows(self, x: Tensor) -> Tensor:
        """Return encoded inputs of examples."""
        return x if self.table is None else self.table[x]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits under the trained adapters: (seeds, n, outputs).

        Examples have shape (n, ...), or (seeds, n, ...) if each seed has its own.
        """
        axes = 2 if self.table is None else 1
        own = x if x.dim() > axes else x.expand(len(self.seeds), *x.shape)
        features = torch.stack([self.with_adapter(name)(self.rows(part))
                                for name, part in zip(self.adapters[-1], own, strict=True)])
        weight, bias = self.heads[-1]
        return masked(torch.baddbmm(bias, features, weight), self.masks[-1])

    @torch.no_grad()
    def features(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Return the features of encoded inputs under several adapters: (n, names, features).

        `BASE` is the name of the backbone without an adapter. Several adapters go through the
        backbone together. peft's `adapter_names` gives the same features, but its time for many
        rows grows with the square of the number of adapters (``benchmarks/retrieval.py``).
        """
        together = max(ROWS // len(x), 1)
        blocks = []
        for start in range(0, len(names), together):
            group = names[start:start + together]
            with self._stacked(group):
                parts = [self.backbone(part.repeat(len(group), *[1] * (x.dim() - 1)))
                         .view(len(group), len(part), -1) for part in x.split(ROWS)]
            blocks.append(torch.cat(parts, 1))
        return torch.cat(blocks).transpose(0, 1)

    @contextmanager
    def _stacked(self, names: Sequence[str]) -> Iterator[None]:
        """Let each layer add the update of the first adapter to the first rows, and so on."""
        hooks = []
        for name in self.backbone.layers if {*names} != {BASE} else ():
            A, B = self._factors(name, names)
            update = partial(_add_updates, A.mT, B.mT)
            hooks.append(self.backbone.get_submodule(name).register_forward_hook(update))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _factors(self, layer: str, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return updates of a layer: A (names, rank, inputs), scaled B (names, outputs, rank)."""
        adapted = self._shared.base_model.model.get_submodule(layer)
        A, B = (_weights(side, names) for side in (adapted.lora_A, adapted.lora_B))
        return A, adapted.scaling[self.adapters[0][0]] * B

    @torch.no_grad()
    def mixed(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Return the features of encoded inputs, each under its own adapter: (n, features)."""
        features: Tensor = self._shared(x, adapter_names=list(names))
        return features

    @torch.no_grad()
    def head(self, features: Tensor, k: int, i: int) -> Tensor:
        """Return the logits of the k-th head of seed i: (n, features) to (n, outputs)."""
        weight, bias = self.heads[k]
        return masked(features @ weight[i] + bias[i], self.masks[k])

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the trained parameters."""
        return itertools.chain(self._trained, self.heads[-1])

    def clip(self, limit: float) -> None:
        """Shrink each seed's gradient to at most `limit` in Euclidean norm."""
        for i, name in enumerate(self.adapters[-1]):
            own = [p.grad for p in self.with_adapter(name).parameters() if p.grad is not None]
            own += [p.grad[i] for p in self.heads[-1] if p.grad is not None]
            norm = torch.stack([g.norm() for g in own]).norm()
            for g in own:
                g.mul_((limit / norm.clamp_min(1e-12)).clamp_max(1.0))

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The hash of the backbone's weights."""
        return {"weights": weights_hash(self.backbone.named_parameters())}

    def state_dict(self) -> dict[str, Tensor]:
        """Return heads and adapters, by the name of the adapter."""
        adapters = {f"{name}.{key}": tensor.detach() for names in self.adapters for name in names
                    for key, tensor in self._tensors(name)}
        heads = {f"head{k}.{name}": tensor.detach()
                 for k, (head, mask) in enumerate(zip(self.heads, self.masks, strict=True))
                 for name, tensor in (("weight", head[0]), ("bias", head[1]), ("mask", mask))}
        return adapters | heads

    def _tensors(self, name: str) -> Iterable[tuple[str, Tensor]]:
        """Return all tensors of an adapter that have to be stored."""
        return self.with_adapter(name).named_parameters()

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned; raise `RuntimeError` for tensors of other models."""
        while f"head{len(self.heads)}.weight" in tensors:
            self.add_adapters()
        own = self.state_dict()
        if _shapes(own) != _shapes(tensors):
            odd = sorted(own.keys() ^ tensors.keys()) or ["one of another shape"]
            raise RuntimeError(f"the tensors are of other adapters or heads, such as {odd[0]}")
        for name, parameter in own.items():
            parameter.copy_(tensors[name])

    def write(self, folder: Path) -> str:
        """Write heads and adapters to a folder; return the name of their file."""
        write_atomically(folder / WEIGHTS, safetensors.torch.save(self.state_dict()))
        return WEIGHTS


def _add_updates(A: Tensor, B: Tensor, layer: nn.Module, inputs: tuple[Tensor],
                 output: Tensor) -> Tensor:
    """Return the output of a layer plus the update of each adapter on its share of the rows."""
    x = inputs[0].reshape(len(A), -1, inputs[0].shape[-1])
    return output + (x @ A @ B).view_as(output)


def _weights(side: Any, names: Sequence[str]) -> Tensor:
    """Return one of the two matrices of several adapters, 0 for `BASE`: (names, ...)."""
    weights: dict[str, Tensor] = {name: layer.get_parameter("weight")
                                  for name, layer in side.items()}
    empty = torch.zeros_like(next(iter(weights.values())))
    return torch.stack([weights.get(name, empty) for name in names])


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
