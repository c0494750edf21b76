"""Several networks for each seed: an ensemble, and peers that teach each other."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.losses import distillation, label_loss
from workbench.models import StackedMLP


@dataclass(eq=False)
class Ensemble(Finetune):
    """Train several networks alone, and answer with the mean of their probabilities."""

    members: int = 4
    """Networks of each seed. They differ in their initial weights and see the same batches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs, *hidden, outputs = self.model.widths
        self.model = StackedMLP(inputs, hidden, outputs, self.model.seeds, self.members)

    def by_member(self, values: Tensor) -> Tensor:
        """Return values of all networks with the seeds first: shape (seeds, members, ...)."""
        return values.view(len(self.generators), self.members, *values.shape[1:])

    def for_members(self, values: Tensor) -> Tensor:
        """Return values of each seed, once for each of its members: shape (networks, ...)."""
        return values.repeat_interleave(self.members, 0)

    def answers(self, x: Tensor) -> Tensor:
        """Return the outputs of all networks: shape (networks, n, outputs)."""
        outputs: Tensor = self.model(x if x.dim() == 2 else self.for_members(x))
        return outputs

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the members' losses."""
        return self.by_member(label_loss(self.answers(batch.x), self.for_members(batch.y),
                                         batch.mask)).sum(1)

    def predict(self, x: Tensor, task: int | None = None) -> Tensor:
        """Return the log of the mean probability; the mean output where labels are values."""
        with torch.no_grad():
            outputs = self.by_member(self.answers(x))
        if outputs.shape[-1] == 1:
            return outputs.mean(1)
        return outputs.log_softmax(-1).logsumexp(1) - math.log(self.members)


@dataclass(eq=False)
class Mutual(Ensemble):
    """Train several networks on labels and on each other's answers; the first one answers.

    Deep mutual learning, of Zhang et al. (CVPR 2018, arXiv 1706.00384).
    """

    temperature: float = 1.0
    """Temperature of the softmaxes that the peers exchange."""
    strength: float = 1.0
    """Weight of the mean divergence from the peers, beside the labels."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum over networks of the loss on labels and the divergence from peers."""
        outputs, y = self.answers(batch.x), self.for_members(batch.y)
        loss = self.by_member(label_loss(outputs, y, batch.mask)).sum(1)
        if self.members == 1:
            return loss
        # New: each network learns from every other one. Rolled by k, they meet their k-th peer.
        answers = self.by_member(outputs)
        for k in range(1, self.members):
            peers = answers.detach().roll(k, 1).flatten(0, 1)
            away = (label_loss(outputs, peers.squeeze(-1), batch.mask) if y.is_floating_point()
                    else distillation(outputs, peers, batch.mask, self.temperature))
            loss = loss + self.strength * self.by_member(away).sum(1) / (self.members - 1)
        return loss

    def predict(self, x: Tensor, task: int | None = None) -> Tensor:
        """Return the outputs of the first network."""
        with torch.no_grad():
            return self.by_member(self.answers(x))[:, 0]
