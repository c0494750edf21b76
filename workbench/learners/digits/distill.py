"""Distillation from a larger teacher, of Hinton, Vinyals & Dean (arXiv 1503.02531)."""

from dataclasses import dataclass

from torch import Tensor

from workbench.learners.base import fit, make_optimizer
from workbench.learners.digits.ensembles import Ensemble
from workbench.learners.digits.soft_labels import SoftLabels
from workbench.models import StackedMLP
from workbench.tasks import Task


@dataclass(eq=False)
class Distill(SoftLabels):
    """Learn from labels, and from a larger network or an ensemble that learned them before."""

    width: int = 400
    """Units in each hidden layer of the teacher."""
    members: int = 1
    """Networks of the teacher; several are an ensemble."""
    teacher_steps: int = 400
    """Steps of the teacher on each task, with 32 examples each."""
    teacher_lr: float = 1e-3
    """Learning rate of the teacher."""

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs, *hidden, outputs = self.model.widths
        self.teacher = Ensemble(StackedMLP(inputs, [self.width] * len(hidden), outputs,
                                           self.model.seeds), self.members)

    def begin(self, task: Task) -> None:
        """Train the teacher on the task, starting from its weights after the task before."""
        if "teacher" in self.state:
            self.teacher.model.hold(self.state["teacher"])
        self.train_teacher(task)
        self.state["teacher"] = self.teacher.model.snapshot()

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned, and the teacher with it."""
        super().load_state_dict(tensors)
        if "teacher" in self.state:
            self.teacher.model.hold(self.state["teacher"])

    def train_teacher(self, task: Task) -> None:
        """Train the teacher on the labels of a task."""
        for _ in fit(self.teacher, task, make_optimizer(self.teacher, self.teacher_lr),
                     steps=self.teacher_steps, batch_size=32):
            pass

    def teach(self, x: Tensor) -> Tensor:
        """Return the teacher's outputs."""
        return self.teacher.predict(x)
