"""Joint training on the examples of all tasks so far: the upper reference."""

from __future__ import annotations

from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.learners.digits.memory import draw, store
from workbench.tasks import Task


class Joint(Finetune):
    """Fine-tune on examples drawn evenly from every task met so far.

    The networks are not reset between tasks. A step takes a full batch for each task so far, so
    that each task is seen as often as in fine-tuning.
    """

    def begin(self, task: Task) -> None:
        """Store all of the task's examples."""
        # New: the whole task is stored, before it is learned.
        store(self, task, None)
        self.masks = task.masks

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on examples of all tasks so far, in place of the batch."""
        return super().loss(draw(self, batch.y.shape[1] * len(self.masks), self.masks)[0])
