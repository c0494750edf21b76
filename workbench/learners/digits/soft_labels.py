"""Learning from soft labels: smoothed labels, and the base of methods with a teacher."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.losses import label_loss, teacher_loss


@dataclass(eq=False)
class LabelSmoothing(Finetune):
    """Fine-tune on labels mixed with an even spread over all classes (arXiv 1512.00567)."""

    smoothing: float = field(default=0.1, metadata={"share": True})
    """Share of a label that is spread evenly."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy with the smoothed labels."""
        return label_loss(self.model(batch.x), batch.y, batch.mask, self.smoothing)


@dataclass(eq=False)
class SoftLabels(Finetune):
    """The base of the methods in which a teacher answers the same inputs."""

    temperature: float = 2.0
    """Temperature of both softmaxes; see `workbench.losses.distillation`."""
    weight: float = field(default=0.5, metadata={"share": True})
    """Share of the teacher's answers in the loss; the rest is that of the labels."""

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the teacher's outputs (seeds, n, outputs), or None while there is no teacher."""
        raise TypeError(f"{type(self).__name__} does not define teach")

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on the labels, mixed with that on the teacher's answers."""
        with torch.no_grad():
            teacher = self.teach(batch.x)
        student = self.model(batch.x)
        if teacher is None:
            return label_loss(student, batch.y, batch.mask)
        return teacher_loss(student, teacher, batch.y, batch.mask, temperature=self.temperature,
                            weight=self.weight)
