"""The mean teacher, of Tarvainen & Valpola (NeurIPS 2017, arXiv 1703.01780)."""

from dataclasses import dataclass

from torch import Tensor

from workbench.learners.digits.soft_labels import SoftLabels
from workbench.tasks import Task
from workbench.teachers import TeacherWeights


@dataclass(eq=False)
class SelfDistillEMA(SoftLabels):
    """Learn from labels, and from a moving average of the network's own weights."""

    rate: float = 0.02
    """Rate of the moving average, above 0 and at most 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.teacher = TeacherWeights(self, "ema", self.rate)

    def begin(self, task: Task) -> None:
        """Begin the average with the network's weights, before its first step."""
        self.teacher.begin()

    def teach(self, x: Tensor) -> Tensor:
        """Return the outputs of the average."""
        return self.model.forward_with(self.state["teacher"], x)

    def after_step(self) -> None:
        """Move the average."""
        self.teacher.follow()
