"""Born-again networks, of Furlanello et al. (ICML 2018, arXiv 1805.04770)."""

from dataclasses import dataclass

from torch import Tensor

from workbench.learners.digits.soft_labels import SoftLabels
from workbench.tasks import Task
from workbench.teachers import TeacherWeights


@dataclass(eq=False)
class BornAgain(SoftLabels):
    """Start from new weights in each generation, taught by the generation before.

    The first generation of a task learns from labels alone.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.teacher = TeacherWeights(self, "task_start")

    def begin(self, task: Task) -> None:
        """Take the last generation as the teacher, and start from new weights."""
        if task.generation == 1:
            self.state = {"start": self.model.snapshot()} if task.index else {}
            return
        # New: the network that has learned this task teaches its successor.
        self.teacher.take()
        if "start" in self.state:  # a later task starts from the weights of the earlier ones
            self.model.hold(self.state["start"])
        else:
            self.model.restart(task.generation - 1)

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the outputs of the generation before."""
        vectors = self.teacher.vectors
        return None if vectors is None else self.model.forward_with(vectors, x)
