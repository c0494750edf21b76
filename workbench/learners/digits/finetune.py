"""Fine-tuning on the present task alone: the baseline that forgets."""

from __future__ import annotations

from torch import Tensor

from workbench.learners.base import Batch, Learner
from workbench.losses import cross_entropy


class Finetune(Learner):
    """Minimise the cross-entropy on the present task (also called naive, or SGD)."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on the batch."""
        return cross_entropy(self.model(batch.x), batch.y, batch.mask)
