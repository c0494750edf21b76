"""Negative controls of the methods with a teacher: a part of its answers is taken out.

If a control does as well as the method, that part does not explain the gain.
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


class _Shuffled:
    """A method whose soft labels are shuffled among the examples of a batch."""

    generators: list[torch.Generator]

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the teacher's answers to other inputs of the batch: (seeds, n, outputs)."""
        answers = super().teach(x)  # type: ignore[misc]
        return None if answers is None else torch.stack([
            rows[torch.randperm(len(rows), generator=rng)]
            for rows, rng in zip(answers, self.generators, strict=True)])


class BornAgainShuffled(_Shuffled, BornAgain):
    """Born-again networks whose soft labels are shuffled among the examples of a batch."""


class DistillShuffled(_Shuffled, Distill):  # type: ignore[misc]
    """Distillation whose soft labels are shuffled among the examples of a batch."""


class LwFShuffled(_Shuffled, LwF):  # type: ignore[misc]
    """Learning without forgetting whose soft labels are shuffled among the examples of a batch."""


def permute_wrong_classes(answers: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Return logits (seeds, n, outputs) in which all but the largest of a row are permuted.

    The likeliest class and the entropy stay the same. The information about the other classes is
    lost. All outputs are permuted, so that the task must allow all of them.
    """
    order = answers.argsort(-1, descending=True)
    noise = torch.stack([torch.rand(order.shape[1:], generator=rng) for rng in generators])
    noise[..., 0] = -1  # the likeliest class stays in front
    mixed = order.gather(-1, noise.argsort(-1))
    return torch.empty_like(answers).scatter_(-1, mixed, answers.gather(-1, order))


class _Permuted:
    """A method whose soft labels have their wrong classes permuted."""

    generators: list[torch.Generator]

    def teach(self, x: Tensor) -> Tensor | None:
        """Return the teacher's answers with the wrong classes permuted: (seeds, n, outputs)."""
        answers = super().teach(x)  # type: ignore[misc]
        return None if answers is None else permute_wrong_classes(answers, self.generators)


class BornAgainPermuted(_Permuted, BornAgain):
    """Born-again networks whose soft labels have their wrong classes permuted."""


class SelfDistillEMAPermuted(_Permuted, SelfDistillEMA):  # type: ignore[misc]
    """Learning from a moving average whose answers have their wrong classes permuted."""
