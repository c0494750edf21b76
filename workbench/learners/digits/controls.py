"""Negative controls: methods with their idea taken out and everything else left in.

If a control does as well as the method, the idea is not what helps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.learners.digits.born_again import BornAgain
from workbench.learners.digits.distill import Distill
from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.lwf import LwF
from workbench.learners.digits.replay import Replay
from workbench.learners.digits.self_distill_ema import SelfDistillEMA
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


class DistillUntrained(Distill):
    """Distillation from a teacher that has learned nothing."""

    def train_teacher(self, task: Task) -> None:
        """Leave the teacher as it is."""


class BornAgainShuffled(BornAgain):
    """Born-again networks whose soft labels are shuffled among the examples of a batch."""

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the answers of the generation before to other inputs of the batch."""
        answers = super().teach(x)
        return None if answers is None else _shuffled(answers, self.generators)


class DistillShuffled(Distill):
    """Distillation whose soft labels are shuffled among the examples of a batch."""

    def teach(self, x: Tensor) -> Tensor:
        """Return the teacher's answers to other inputs of the batch."""
        return _shuffled(super().teach(x), self.generators)


class LwFShuffled(LwF):
    """Learning without forgetting whose soft labels are shuffled among the examples of a batch."""

    def teach(self, x: Tensor) -> Tensor:
        """Return the old network's answers to other inputs of the batch."""
        return _shuffled(super().teach(x), self.generators)


def _shuffled(answers: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Return the answers (seeds, n, outputs), dealt out to other examples, for each seed."""
    return torch.stack([rows[torch.randperm(len(rows), generator=rng)]
                        for rows, rng in zip(answers, generators, strict=True)])


def permute_wrong_classes(answers: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Return logits (seeds, n, outputs) in which all but the largest of a row are permuted.

    The likeliest class and the entropy stay. What the answer says of the other classes is lost.
    """
    order = answers.argsort(-1, descending=True)
    noise = torch.stack([torch.rand(order.shape[1:], generator=rng) for rng in generators])
    noise[..., 0] = -1  # the likeliest class stays in front
    mixed = order.gather(-1, noise.argsort(-1))
    return torch.empty_like(answers).scatter_(-1, mixed, answers.gather(-1, order))


class BornAgainPermuted(BornAgain):
    """Born-again networks whose soft labels have their wrong classes permuted, each on its own."""

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the answers of the generation before, with the wrong classes permuted."""
        answers = super().teach(x)
        return None if answers is None else permute_wrong_classes(answers, self.generators)


class SelfDistillEMAPermuted(SelfDistillEMA):
    """Learning from a moving average whose answers have their wrong classes permuted."""

    def teach(self, x: Tensor) -> Tensor:
        """Return the answers of the average, with the wrong classes permuted."""
        return permute_wrong_classes(super().teach(x), self.generators)
