"""One network that learns all tasks and keeps the top singular directions of its weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.learners.adapters import Adapters
from workbench.models.osf import OSFBackbones


@dataclass(eq=False)
class OSF(Adapters):
    """Train one network, and keep the top singular directions of its weights (arXiv 2504.07097).

    Nothing is retrieved. The heads of all tasks answer together. See `OSFBackbones`.
    """

    model: OSFBackbones
    retriever: str = field(default="last", init=False)
    head: str = "task"
    preserved: float = field(default=0.5, metadata={"share": True})
    """Share of the singular directions of each weight matrix that a task leaves as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model.preserve(self.preserved)

    def after_step(self) -> None:
        """Make the trained directions orthogonal to those that are preserved."""
        self.model.project()

    def write_adapters(self, folder: Path, tasks: Sequence[str]) -> None:
        """Write no adapters: the method trains the weights themselves."""
