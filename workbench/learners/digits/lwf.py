"""Learning without forgetting, of Li & Hoiem (ECCV 2016, arXiv 1606.09282)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.losses import cross_entropy, distillation
from workbench.tasks import Task
from workbench.teachers import TeacherWeights


@dataclass(eq=False)
class LwF(Finetune):
    """Fine-tune, and distil the network as it was before this task."""

    temperature: float = 2.0
    """Temperature of the softmax that is distilled."""
    strength: float = 1.0
    """Weight of the distillation, in addition to the share of old tasks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.teacher = TeacherWeights(self, "task_start")

    def begin(self, task: Task) -> None:
        """Set the weight of the new task: one over the number of tasks so far."""
        self.share = 1 / (task.index + 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on the labels and the distillation loss from the old network."""
        student = self.model(batch.x)
        new = cross_entropy(student, batch.y, batch.mask)
        if self.teacher.vectors is None:
            return new
        # New: the old network answers the new inputs, on each head that it was trained on.
        with torch.no_grad():
            teacher = self.teach(batch.x)
        heads = self.state["heads"]
        old = sum(distillation(student, teacher, head, self.temperature) for head in heads)
        return self.share * new + (1 - self.share) * self.strength * old / len(heads)

    def teach(self, x: Tensor) -> Tensor:
        """Return the outputs of the old network."""
        vectors = self.teacher.vectors
        assert vectors is not None, "there is no old network before the end of a task"
        return self.model.forward_with(vectors, x)

    def end(self, task: Task) -> None:
        """Take the network as it is now as the teacher of the next task."""
        self.teacher.take()
        self.state["heads"] = task.masks.unique(dim=0)
