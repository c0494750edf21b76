"""One composed module for each task: earlier units, reused with coefficients, and a new part."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.learners.adapters import Adapters
from workbench.learners.base import Batch
from workbench.models.composed import ComposedBackbones


@dataclass(eq=False)
class Composed(Adapters):
    """Train a composed module and a head for each task; retrieve the task of an input.

    After PROTEUS (arXiv 2603.13235). Earlier modules, heads and signatures never change. The
    retriever ``last`` makes no choice: the module of the last task reads all inputs.
    """

    composes = True

    model: ComposedBackbones
    reuse: str = "learned"
    """How units of earlier tasks are used; one of `workbench.models.composition.REUSE`."""
    faster: float = 30.0
    """Learning rate of the coefficients, as a multiple of that of the run."""
    l1: float = field(default=0.0, metadata={"weight": True})
    """Weight of the coefficients' absolute values in the loss."""
    l2: float = field(default=0.0, metadata={"weight": True})
    """Weight of the coefficients' squares in the loss."""
    orthogonality: float = field(default=0.0, metadata={"weight": True})
    """Weight of the squared cosines between the inputs that new and earlier units read. It has no
    effect if `reuse` is ``none``: then there are no earlier units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model.prepare(self.reuse, self.faster, self.orthogonality > 0)

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on the batch, and the penalties on each module."""
        weights = {"l1": self.l1, "l2": self.l2, "orthogonality": self.orthogonality}
        penalties = [self.model.modules(i)[-1].penalty(**weights)
                     for i in range(len(self.model.seeds))]
        return super().loss(batch) + torch.stack(penalties)


@dataclass(eq=False)
class OLoRA(Composed):
    """One model, the sum of all adapters, each kept orthogonal to earlier ones (arXiv 2310.14152).

    Nothing is retrieved. The heads of all tasks answer together.
    """

    retriever: str = "last"
    head: str = "task"
    reuse: str = "fixed"
    orthogonality: float = field(default=0.5, metadata={"weight": True})


@dataclass(eq=False)
class SDLoRA(Composed):
    """One model: frozen directions, whose magnitudes are learned again (arXiv 2501.13198)."""

    retriever: str = "last"
    head: str = "task"
    reuse: str = "magnitudes"
