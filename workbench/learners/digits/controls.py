"""Negative controls: methods with their idea taken out and everything else left in.

If a control does as well as the method, the idea is not what helps.
"""

import torch

from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.replay import Replay
from workbench.tasks import Task


class ReplayShuffledLabels(Replay):
    """Replay whose stored examples have had their labels shuffled among themselves."""

    def end(self, task: Task) -> None:
        """Store examples, and shuffle the labels of all that are stored."""
        super().end(task)
        for seed, g in enumerate(self.generators):
            order = torch.randperm(self.state["y"].shape[1], generator=g)
            self.state["y"][seed] = self.state["y"][seed, order]


class ReplayPresent(Replay):
    """Replay of as many examples, but of the task at hand."""

    def begin(self, task: Task) -> None:
        """Store examples of this task in place of those of the last."""
        self.state.clear()
        super().begin(task)
        super().end(task)

    def end(self, task: Task) -> None:
        """Store nothing of a task that is over."""


class EWCShuffledFisher(EWC):
    """EWC with the Fisher information dealt out at random among the weights of each layer."""

    def end(self, task: Task) -> None:
        """Keep the weights and the shuffled Fisher information."""
        super().end(task)
        sizes = [p[0].numel() for p in self.model.parameters()]
        fisher = self.state[f"fisher.{task.index}"]
        for row, g in zip(fisher, self.generators, strict=True):
            for part in row.split(sizes):
                part.copy_(part[torch.randperm(len(part), generator=g)])
