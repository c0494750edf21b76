"""Elastic weight consolidation, of Kirkpatrick et al. (PNAS 2017), and the Fisher information."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Finetune
from workbench.losses import quadratic_penalty
from workbench.models import StackedMLP
from workbench.tasks import Task
from workbench.tasks.stream import masked


@dataclass(eq=False)
class EWC(Finetune):
    """Fine-tune, with a penalty on leaving each old task's weights, by Fisher information."""

    strength: float = 30.0
    """Weight of the penalty (lambda). The best value differs by orders of magnitude between
    scenarios and must be searched for."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on the batch and one penalty per old task."""
        loss = super().loss(batch)
        if not self.state:
            return loss
        # New: each old task keeps its own anchor and its own importances.
        weights, kept = self.model.vector(), self.state
        penalties = [quadratic_penalty(weights, kept[f"anchor.{i}"], kept[f"fisher.{i}"])
                     for i in range(len(kept) // 2)]
        return loss + self.strength * torch.stack(penalties).sum(0)

    def end(self, task: Task) -> None:
        """Keep the weights and the Fisher information of the task just learned."""
        self.state[f"anchor.{task.index}"] = self.model.snapshot()
        self.state[f"fisher.{task.index}"] = diagonal_fisher(
            self.model, task.train.x, task.masks[task.index])


def diagonal_fisher(model: StackedMLP, x: Tensor, mask: Tensor) -> Tensor:
    r"""Return the exact diagonal of the Fisher information: shape (seeds, parameters).

    :math:`F_i=\frac1n\sum_x\sum_c p(c|x)\,(\partial\log p(c|x)/\partial\theta_i)^2`: the sum runs
    over all answers, weighted by their probability. The "empirical" Fisher of many libraries takes
    only the label, or the square of a mean gradient; both are other quantities (Kunstner et al.,
    arXiv 1905.12558).

    In a linear layer the gradient of one example is its input times the slope at its output. The
    sum of squares over examples is therefore one product of squared inputs and squared slopes.

    `x` has shape (n, inputs); `mask`, of shape (outputs,), is True where an output may be answered.
    """
    inputs, outputs = model.trace(x)
    log_p = masked(outputs[-1], mask).log_softmax(-1)
    total = torch.zeros_like(model.vector())
    for answer in mask.nonzero().flatten():
        of_answer = log_p[..., answer]
        slopes = torch.autograd.grad(of_answer.sum(), outputs, retain_graph=True)
        p = of_answer.detach().exp().unsqueeze(-1)
        weighted = [p * slope.square() for slope in slopes]
        of_weights = [h.detach().square().transpose(1, 2) @ w
                      for h, w in zip(inputs, weighted, strict=True)]
        of_biases = [w.sum(1) for w in weighted]
        total += torch.cat([part.flatten(1) for part in of_weights + of_biases], 1)
    return total / len(x)
