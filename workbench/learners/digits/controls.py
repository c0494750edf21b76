"""Negative controls: methods without their main idea, and otherwise unchanged.

If a control does as well as the method, the idea is not the reason why the method helps.
"""

import torch

from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.replay import Replay
from workbench.tasks import Task


class ReplayShuffledLabels(Replay):
    """Replay in which the labels of the stored examples are shuffled."""

    def end(self, task: Task) -> None:
        """Store examples, and shuffle the labels of all that are stored."""
        super().end(task)
        for seed, g in enumerate(self.generators):
            order = torch.randperm(self.state["y"].shape[1], generator=g)
            self.state["y"][seed] = self.state["y"][seed, order]


class ReplayPresent(Replay):
    """Replay of the same number of examples, but of the current task."""

    def begin(self, task: Task) -> None:
        """Store examples of this task, and remove those of the task before."""
        self.state.clear()
        super().begin(task)
        super().end(task)

    def end(self, task: Task) -> None:
        """Store nothing of a task that has ended."""


class EWCShuffledFisher(EWC):
    """EWC with the Fisher information of each layer assigned to its weights at random."""

    def end(self, task: Task) -> None:
        """Keep the weights and the shuffled Fisher information."""
        super().end(task)
        sizes = [p[0].numel() for p in self.model.parameters()]
        fisher = self.state[f"fisher.{task.index}"]
        for row, g in zip(fisher, self.generators, strict=True):
            for part in row.split(sizes):
                part.copy_(part[torch.randperm(len(part), generator=g)])
