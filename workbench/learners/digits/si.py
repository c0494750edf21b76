"""Synaptic intelligence, of Zenke, Poole & Ganguli (ICML 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.losses import quadratic_penalty
from workbench.tasks import Task


@dataclass(eq=False)
class SI(Finetune):
    """Fine-tune, with a penalty on moving important weights away from their last values.

    The importance of a weight is its share in the decrease of the loss.
    """

    strength: float = 0.3
    """Weight of the penalty (c)."""
    damping: float = 1e-3
    """Keeps the importance of a weight that hardly moved finite (xi)."""

    def begin(self, task: Task) -> None:
        """Start a new path from the present weights."""
        start = self.model.snapshot()
        self.state.setdefault("importance", torch.zeros_like(start))
        self.state |= {"anchor": start, "path": torch.zeros_like(start),
                       "last": start.clone(), "gradient": torch.zeros_like(start)}

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on the batch plus the penalty; store the slope of the batch's loss."""
        self._walk()
        loss = super().loss(batch)
        # New: the slope of the task's own loss, without the penalty's, as in the paper.
        slopes = torch.autograd.grad(loss.sum(), list(self.model.parameters()), retain_graph=True)
        self.state["gradient"] = torch.cat([s.flatten(1) for s in slopes], 1)
        penalty = quadratic_penalty(self.model.vector(), self.state["anchor"],
                                    2 * self.state["importance"])
        return loss + self.strength * penalty

    def end(self, task: Task) -> None:
        """Turn the path into importance: gain per squared distance."""
        self._walk()
        moved = self.model.vector().detach() - self.state["anchor"]
        gain = self.state["path"].clamp_min(0)
        self.state["importance"] += gain / (moved.square() + self.damping)

    def _walk(self) -> None:
        # New: gain of the last step = -slope * movement, summed along the path, weight by weight.
        now = self.model.vector().detach()
        self.state["path"] -= self.state["gradient"] * (now - self.state["last"])
        self.state["last"] = now
