"""Joint training: keep everything and go on learning all of it. The upper reference."""

from __future__ import annotations

from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.learners.digits.memory import draw, store
from workbench.tasks import Task


class Joint(Finetune):
    """Fine-tune on examples drawn evenly from every task met so far.

    The networks are not set back between tasks. A step takes a full batch for each task so far, so
    that no task is seen less often than fine-tuning sees it.
    """

    def begin(self, task: Task) -> None:
        """Store all of the task's examples."""
        # New: the whole task is kept, and before it is learned.
        store(self, task, None)
        self.masks = task.masks

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on a draw from all tasks so far, in place of the batch."""
        return super().loss(draw(self, batch.y.shape[1] * len(self.masks), self.masks)[0])
