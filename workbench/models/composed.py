"""Backbones and language models with a composed module for each task and seed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from workbench.errors import UnknownNameError
from workbench.models.adapted import BASE, AdaptedBackbones
from workbench.models.adapters import WithAdapter
from workbench.models.composition import REUSE, Composition
from workbench.models.language import LanguageModels
from workbench.system.runtime import generator
from workbench.tasks.stream import masked


class Composing:
    """Adds composed modules to a class that keeps adapters by task and seed."""

    reuse, faster, separate = "learned", 1.0, False
    adapters: list[list[str]]
    seeds: tuple[int, ...]
    _shared: Any
    _trained: list[nn.Parameter]

    def prepare(self, reuse: str, faster: float, separate: bool) -> None:
        """Set how modules are made; called before a second task is begun.

        `reuse` is one of `composition.REUSE`; for `faster` see `Composition`; `separate` says
        whether a new part begins orthogonal to the units.
        """
        if reuse not in REUSE:
            raise UnknownNameError("reuse", reuse, REUSE)
        self.reuse, self.faster, self.separate = reuse, faster, separate

    def with_adapter(self, name: str | None) -> WithAdapter:
        """Return the model with the module of a task and seed on, or with none."""
        modules: dict[str, Composition] = self.__dict__.setdefault("_modules_by_name", {})
        if name in modules:
            return modules[name]
        for k, names in enumerate(self.adapters):
            if name in names:
                earlier = [of_task[names.index(name)] for of_task in self.adapters[:k]]
                before = self.with_adapter(earlier[-1]) if earlier else None
                assert before is None or isinstance(before, Composition)
                modules[name] = Composition(self._shared, name, self._trained, earlier, self.reuse,
                                            before, self.faster)
                return modules[name]
        return WithAdapter(self._shared, name, self._trained)

    def add_adapters(self) -> None:
        """Start a fresh module for each seed; earlier ones stay unchanged."""
        super().add_adapters()  # type: ignore[misc]
        for i in range(len(self.adapters[0])):
            if (k := len(self.adapters) - 1):
                self.modules(i)[k].draw(generator(self.seeds[i], "adapter", k), self.separate)

    def modules(self, i: int) -> list[Composition]:
        """Return the composed modules of a seed, by task."""
        found = [self.with_adapter(names[i]) for names in self.adapters]
        return [module for module in found if isinstance(module, Composition)]


class ComposedBackbones(Composing, AdaptedBackbones):
    """A frozen backbone with a composed module and a head for each task and seed.

    All seeds go through the backbone together.
    """

    def add_adapters(self) -> None:
        """Start a fresh module and head for each seed; earlier ones stay unchanged."""
        super().add_adapters()
        for parameter in self._trained:
            parameter.requires_grad_(True)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits under the modules in training: (seeds, n, outputs)."""
        axes = 2 if self.table is None else 1
        own = x if x.dim() > axes else x.expand(len(self.seeds), *x.shape)
        rows = torch.cat([self.rows(part) for part in own])
        with self._stacked(self.adapters[-1]):
            features = self.backbone(rows).view(len(self.seeds), -1, self.backbone.features)
        weight, bias = self.heads[-1]
        return masked(torch.baddbmm(bias, features, weight), self.masks[-1])

    def _factors(self, layer: str, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        pairs = []
        for name in names:
            module = self.with_adapter(self.adapters[0][0] if name == BASE else name)
            assert isinstance(module, Composition)
            A, B = module.factors(layer)
            pairs.append((A, B * 0) if name == BASE else (A, B))
        rank = max(len(A) for A, _ in pairs)
        return (torch.stack([pad(A, (0, 0, 0, rank - len(A))) for A, _ in pairs]),
                torch.stack([pad(B, (0, rank - B.shape[1])) for _, B in pairs]))

    @torch.no_grad()
    def mixed(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Return the features of encoded inputs, each under its own module: (n, features)."""
        features = torch.empty(len(x), self.backbone.features)
        for name in dict.fromkeys(names):
            own = torch.tensor([one == name for one in names])
            features[own] = self.features(x[own], [name])[:, 0]
        return features


class ComposedModels(Composing, LanguageModels):
    """A pretrained language model with a composed module for each skill and seed."""
