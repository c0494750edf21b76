"""Dark experience replay++: replay old examples with the logits they once had.

Buzzega et al., "Dark Experience for General Continual Learning" (NeurIPS 2020, arXiv 2004.07211).
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.learners.base import Batch, positive, whole
from workbench.learners.finetune import Finetune
from workbench.learners.memory import draw
from workbench.losses import cross_entropy
from workbench.models import StackedMLP
from workbench.tasks import Task


class DERpp(Finetune):
    """Fine-tune, keep the labels of stored examples right, and their logits where they were.

    The store is a reservoir: after any number of examples each has had the same chance to be in it.
    It fills while learning, so that it does not need to know where a task ends.

    Parameters
    ----------
    model : StackedMLP
        The networks.
    capacity : int
        Examples stored in all.
    alpha : float
        Weight of the stored logits.
    beta : float
        Weight of the stored labels.
    """

    def __init__(self, model: StackedMLP, capacity: int = 100, alpha: float = 0.5,
                 beta: float = 0.5) -> None:
        super().__init__(model)
        whole(capacity=capacity)
        positive(alpha=alpha, beta=beta)
        self.capacity, self.alpha, self.beta = capacity, alpha, beta

    def begin(self, task: Task) -> None:
        """Note what may be answered on each task so far."""
        self.masks = task.masks
        self.state.setdefault("offered", torch.zeros(len(self.generators), dtype=torch.int64))

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on new examples, on old labels and on old logits; then store."""
        logits = self.model(batch.x)
        loss = cross_entropy(logits, batch.y, batch.mask)
        if "x" in self.state:
            old, index = draw(self, batch.y.shape[1], self.masks)
            stored = self.state["logits"][torch.arange(len(index))[:, None], index]
            # New: a stored example is to get the logits it had when it was stored...
            drift = (self.model(old.x) - stored).square().mean((1, 2))
            old, _ = draw(self, batch.y.shape[1], self.masks)
            # ... and another one the label it has.
            loss = loss + self.alpha * drift + self.beta * super().loss(old)
        self._offer(batch, logits.detach())
        return loss

    def _offer(self, batch: Batch, logits: Tensor) -> None:
        new = {"x": batch.x, "y": batch.y, "logits": logits,
               "task": torch.full_like(batch.y, len(self.masks) - 1)}
        for seed, g in enumerate(self.generators):
            count = int(self.state["offered"][seed])
            arrivals = torch.arange(count, count + batch.y.shape[1])
            # Reservoir sampling: the k-th arrival lands on a place below k, and stays if it exists.
            drawn = torch.rand(len(arrivals), generator=g, dtype=torch.float64) * (arrivals + 1)
            places = torch.where(arrivals < self.capacity, arrivals, drawn.long())
            # Of two arrivals at one place the later stays.
            last = {place: i for i, place in enumerate(places.tolist()) if place < self.capacity}
            kept, source = list(last), list(last.values())
            for name, tensor in new.items():
                self._room(name, tensor, int(min(count + len(arrivals), self.capacity)))
                self.state[name][seed, kept] = tensor[seed, source]
        self.state["offered"] += batch.y.shape[1]

    def _room(self, name: str, tensor: Tensor, size: int) -> None:
        old = self.state.get(name, tensor[:, :0])
        if old.shape[1] < size:
            more = torch.zeros(len(old), size - old.shape[1], *old.shape[2:], dtype=old.dtype)
            self.state[name] = torch.cat([old, more], 1)
