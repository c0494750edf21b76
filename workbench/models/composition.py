"""Module composition: reuse the units of earlier adapters, and add a new low-rank part.

A *unit* is one rank-1 piece of an adapter: a row of its A and the column of its B. The update of a
layer for task k is

    sum over earlier units j of  s_j b_j a_j^T   +   B_k A_k

with one learned coefficient s_j for each layer and unit. Earlier units stay frozen. After PROTEUS
(arXiv 2603.13235), reconstructed: the code of its composition is not public.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.errors import ModelError, UnknownNameError
from workbench.models import factored
from workbench.models.adapters import WithAdapter, lora_layers
from workbench.system.files import require_new_folder

if TYPE_CHECKING:
    from peft import PeftModel

REUSE = {
    "learned": "a learned coefficient for each layer and unit, which begins at 0",
    "fixed": "all coefficients are 1: the sum of all adapters (as O-LoRA, arXiv 2310.14152)",
    "magnitudes": "a learned magnitude for each layer and earlier adapter, whose direction is "
                  "frozen (as SD-LoRA, arXiv 2501.13198)",
    "none": "no earlier unit is used: an adapter of its own for each task",
}
"""How a module uses the units of earlier adapters."""
TEMPORARY = "__export__"


class Composition(WithAdapter):
    """A model that is called with one composed module on.

    Parameters
    ----------
    model : PeftModel
        With LoRA adapters on linear layers.
    name : str
        The adapter that is the new part; it is trained.
    trained : list of nn.Parameter
        See `WithAdapter`.
    reused : sequence of str
        The adapters whose units are used.
    reuse : str
        One of `REUSE`.
    before : Composition, optional
        The module of the task before, where magnitudes begin.
    faster : float
        Learning rate of learned coefficients, as a multiple of the optimiser's.

    Attributes
    ----------
    layers : dict of str to LoRA layer
    owners : tuple of str
        The adapter of each unit: length units.
    weights : nn.Parameter
        Coefficients divided by `faster`, (layers, units), or magnitudes, (layers, adapters).
    off : list of int
        Units that are switched off: numbers in `owners`, then those of the new part.
    """

    def __init__(self, model: "PeftModel", name: str, trained: list[nn.Parameter],
                 reused: Sequence[str] = (), reuse: str = "learned",
                 before: "Composition | None" = None, faster: float = 1.0) -> None:
        super().__init__(model, name, trained)
        if reuse not in REUSE:
            raise UnknownNameError("reuse", reuse, REUSE)
        for adapter in (name, *reused):
            if adapter not in model.peft_config:
                raise UnknownNameError("adapter", adapter, model.peft_config)
        if name in reused:
            raise ModelError(f"the new part {name!r} is also among the reused adapters. Leave it "
                             "out there: a module always uses its new part.")
        self.reuse, self.reused = reuse, () if reuse == "none" else tuple(reused)
        self.layers = lora_layers(model, name, self.reused)
        configs: Any = model.peft_config
        self.rank = configs[name].r
        self.ranks = [configs[adapter].r for adapter in self.reused]
        self.owners = tuple(adapter for adapter, rank in zip(self.reused, self.ranks, strict=True)
                            for _ in range(rank))
        self._none = self.new(next(iter(self.layers)))[0].detach()[:0]  # on the model's device
        self.off: list[int] = []
        self.faster = faster
        self.weights = nn.Parameter(self._start(before), requires_grad=reuse != "fixed")

    @torch.no_grad()
    def _start(self, before: "Composition | None") -> Tensor:
        if self.reuse != "magnitudes":
            shape = len(self.layers), len(self.owners)
            return self._none.new_full(shape, float(self.reuse == "fixed"))
        norms = self._norms()
        if before is None:
            return norms
        return torch.cat([before.weights, norms[:, before.weights.shape[1]:]], 1)

    def _norms(self) -> Tensor:
        """Return the norm of each earlier update: shape (layers, adapters)."""
        norms = [factored.norm(layer.lora_A[one].weight, layer.lora_B[one].weight)
                 for layer in self.layers.values() for one in self.reused]
        return (torch.stack(norms) if norms else self._none).reshape(len(self.layers), -1)

    @property
    def coefficients(self) -> Tensor:
        """The coefficient of each unit in each layer: shape (layers, units)."""
        if self.reuse != "magnitudes":
            return self.faster * self.weights if self.reuse == "learned" else self.weights
        shares = self.weights / self._norms().detach().clamp_min(1e-12)
        adapters = torch.tensor([j for j, rank in enumerate(self.ranks) for _ in range(rank)],
                                dtype=torch.long, device=shares.device)
        return shares.index_select(1, adapters)

    def units(self, layer: str) -> tuple[Tensor, Tensor]:
        """Return the frozen units of a layer: A (units, inputs), and B (outputs, units), scaled."""
        lora = self.layers[layer]
        A, B = [own.detach() for own in self.new(layer)]
        return (torch.cat([A[:0], *(lora.lora_A[one].weight.detach() for one in self.reused)]),
                torch.cat([B[:, :0], *(lora.scaling[one] * lora.lora_B[one].weight.detach()
                                       for one in self.reused)], 1))

    def new(self, layer: str) -> tuple[Tensor, Tensor]:
        """Return the new part of a layer: A (rank, inputs), and B (outputs, rank), scaled."""
        lora = self.layers[layer]
        return lora.lora_A[self.name].weight, lora.scaling[self.name] * lora.lora_B[
            self.name].weight

    def gates(self) -> Tensor:
        """Return the factor of each unit, 1 for new and 0 for off: (layers, units + rank)."""
        own = self.weights.new_ones(len(self.layers), self.rank)
        gates = torch.cat([self.coefficients, own], 1)
        off = torch.tensor(self.off, dtype=torch.long, device=gates.device)
        return gates.index_fill(1, off, 0.0) if self.off else gates

    def factors(self, layer: str) -> tuple[Tensor, Tensor]:
        """Return the whole update of a layer: A (units + rank, inputs), and B (outputs, ...)."""
        (A, B), (new_A, new_B) = self.units(layer), self.new(layer)
        gate = self.gates()[list(self.layers).index(layer)]
        return torch.cat([A, new_A]), torch.cat([B, new_B], 1) * gate

    @torch.no_grad()
    def draw(self, rng: torch.Generator, orthogonal: bool) -> None:
        """Draw the new A as `add_adapter` does; if `orthogonal`, orthogonal to the units' rows.

        The rows keep their lengths. A layer whose units leave no other direction stays as drawn.
        """
        for layer in self.layers:
            A, units = self.new(layer)[0], self.units(layer)[0]
            bound = A.shape[1] ** -0.5
            drawn = torch.empty(A.shape).uniform_(-bound, bound, generator=rng).to(A.device)
            basis = torch.linalg.qr(units.mT)[0]
            if orthogonal and 0 < basis.shape[1] < len(basis):
                rest = drawn - drawn @ basis @ basis.mT
                drawn = rest * (drawn.norm(dim=1) / rest.norm(dim=1))[:, None]
            A.copy_(drawn)

    def penalty(self, l1: float = 0.0, l2: float = 0.0, orthogonality: float = 0.0) -> Tensor:
        r"""Return the regulariser, shape ().

        :math:`\lambda_1\lVert s\rVert_1 + \lambda_2\lVert s\rVert_2^2 + \lambda_\perp\sum_\ell
        \lVert\hat A_{k\ell}\hat A_{<k\ell}^\top\rVert_F^2`, where the rows of both matrices are
        scaled to length 1, so that the new part cannot lower it by being short.
        """
        total = self.weights.new_zeros(())
        if l1 or l2:
            s = self.coefficients
            total = total + l1 * s.abs().sum() + l2 * s.square().sum()
        if orthogonality and self.reused:
            total = total + orthogonality * sum(
                (nn.functional.normalize(self.new(layer)[0])
                 @ nn.functional.normalize(self.units(layer)[0]).mT).square().sum()
                for layer in self.layers)
        return total

    @torch.no_grad()
    def cosines(self) -> Tensor:
        """Return the largest principal cosine of new part and units by layer: shape (layers,)."""
        return torch.stack([factored.principal_cosines(self.new(layer)[0], self.units(layer)[0])[0]
                            for layer in self.layers])

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Call the model with this module on."""
        with self._reusing():
            return super().__call__(*inputs, **named)

    @contextmanager
    def _reusing(self) -> Iterator[None]:
        """Make each layer add its reused units, except those that are off."""
        count = len(self.owners)
        with ExitStack() as hooks:  # a handle of a hook removes it at the end
            for (name, layer), gate in zip(self.layers.items(), self.gates(), strict=True):
                if self.reused:
                    hooks.enter_context(layer.register_forward_hook(
                        partial(_add, *self.units(name), gate[:count])))
                if self.off:
                    hooks.enter_context(layer.lora_A[self.name].register_forward_hook(
                        partial(_multiply, gate[count:])))
            yield

    def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return the weights of the new part, and the learned weights of the units."""
        own = super().named_parameters()
        return own + ([("reuse", self.weights)] if self.reused and self.reuse != "fixed" else [])

    @torch.no_grad()
    def export(self, name: str) -> None:
        """Add the module to the model as a plain adapter; its rank is the sum of its parts' ranks.

        peft concatenates the adapters (``cat``), and each coefficient is multiplied into the row of
        A of its unit; units that are off get 0. Raises `ModelError` if the name is taken (peft
        itself would return silently) or a coefficient is not finite.
        """
        if name in self.model.peft_config:
            raise ModelError(f"the model has an adapter {name!r} already; give another name")
        for row, unit in (~self.coefficients.isfinite()).nonzero().tolist():
            raise ModelError(
                f"a coefficient is not finite: that of unit {unit} ({self.owners[unit]}) in "
                f"layer {list(self.layers)[row]}. The training has diverged: train again at a "
                "smaller learning rate.")
        parts = [*self.reused, self.name]
        with torch.random.fork_rng([]):  # peft draws weights, and then writes over them
            self.model.add_weighted_adapter(parts, [1.0] * len(parts), name, "cat")
        for layer, gate in zip(self.layers.values(), self.gates(), strict=True):
            layer.lora_A[name].weight *= gate[:, None]

    def save(self, folder: Path) -> None:
        """Write the module as a plain adapter of peft to a new folder.

        Raises `RecordError` for a folder that has files already, and the errors of `export`.
        """
        require_new_folder(folder)
        self.write(folder)

    def write(self, folder: Path) -> str:
        """Write the module as `save` does, also over files; return the file of the weights."""
        self.export(TEMPORARY)
        try:
            return WithAdapter(self.model, TEMPORARY, self.trained).write(folder)
        finally:
            self.model.delete_adapter(TEMPORARY)


def _multiply(gate: Tensor, layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """Return the output of a layer, each number multiplied by its gate."""
    return output * gate


def _add(A: Tensor, B: Tensor, s: Tensor, layer: nn.Module, inputs: tuple[Tensor],
         output: Tensor) -> Tensor:
    """Return the output of a layer plus what its units add to it."""
    return output + (inputs[0] @ A.mT) * s @ B.mT
