"""Experience replay, of Robins (1995), in the form of Chaudhry et al. (arXiv 1902.10486)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Rehearsal
from workbench.losses import cross_entropy
from workbench.tasks import Task


@dataclass(eq=False)
class Replay(Rehearsal):
    """Fine-tune on the batch and on as many stored examples."""

    per_class: int = 10
    """Number of stored examples of each class."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on new examples and on old ones, each weighted by the tasks it covers."""
        if "x" not in self.state:
            return super().loss(batch)
        # New: old examples join in. After t earlier tasks they stand for t of t + 1 tasks.
        old, _ = self.draw(batch.y.shape[1])
        logits = self.model(torch.cat([batch.x, old.x], 1))
        of_new, of_old = logits.split(batch.y.shape[1], 1)
        share = 1 / len(self.masks)
        return (share * cross_entropy(of_new, batch.y, batch.mask)
                + (1 - share) * cross_entropy(of_old, old.y, old.mask))

    def end(self, task: Task) -> None:
        """Store some of the task's examples."""
        self.store(task, self.per_class)
