"""Negative controls of the methods with a teacher: a part of its answers is taken out.

If a control does as well as the method, that part is not what helps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.learners.digits.born_again import BornAgain
from workbench.learners.digits.distill import Distill
from workbench.learners.digits.lwf import LwF
from workbench.learners.digits.self_distill_ema import SelfDistillEMA
from workbench.tasks import Task


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
