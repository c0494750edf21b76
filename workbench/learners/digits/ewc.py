"""Elastic weight consolidation: keep the weights that old answers depend on.

Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks" (PNAS 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.errors import positive
from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.learners.digits.fisher import diagonal_fisher
from workbench.losses import quadratic_penalty
from workbench.models import StackedMLP
from workbench.tasks import Task


class EWC(Finetune):
    """Fine-tune, pulled back to the weights after each old task by their Fisher information.

    Parameters
    ----------
    strength : float
        Weight of the penalty (lambda). The best value differs by orders of magnitude between
        scenarios and must be searched for.
    """

    def __init__(self, model: StackedMLP, strength: float = 30.0) -> None:
        super().__init__(model)
        positive(strength=strength)
        self.strength = strength

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on the batch and one penalty per old task."""
        loss = super().loss(batch)
        if not self.state:
            return loss
        # New: each old task keeps its own anchor and its own importances.
        weights, kept = self.model.vector(), self.state
        penalties = [quadratic_penalty(weights, kept[f"anchor.{i}"], kept[f"fisher.{i}"])
                     for i in range(len(kept) // 2)]
        return loss + self.strength * torch.stack(penalties).sum(0)

    def end(self, task: Task) -> None:
        """Keep the weights and the Fisher information of the task just learned."""
        self.state[f"anchor.{task.index}"] = self.model.snapshot()
        self.state[f"fisher.{task.index}"] = diagonal_fisher(
            self.model, task.train.x, task.masks[task.index])
