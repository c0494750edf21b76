"""Replay of stored examples: with their labels, and with the logits that they once had."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learners.base import Batch
from workbench.learners.digits.finetune import Rehearsal
from workbench.losses import cross_entropy
from workbench.tasks import Task


@dataclass(eq=False)
class Replay(Rehearsal):
    """Fine-tune on the batch and on as many stored examples.

    Robins (1995), in the form of Chaudhry et al. (arXiv 1902.10486).
    """

    per_class: int = 10
    """Number of stored examples of each class."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on new and old examples, each weighted by its number of tasks."""
        if "x" not in self.state:
            return super().loss(batch)
        # New: old examples are added. After t earlier tasks they represent t of t + 1 tasks.
        old, _ = self.draw(batch.y.shape[1])
        logits = self.model(torch.cat([batch.x, old.x], 1))
        of_new, of_old = logits.split(batch.y.shape[1], 1)
        share = 1 / len(self.masks)
        return (share * cross_entropy(of_new, batch.y, batch.mask)
                + (1 - share) * cross_entropy(of_old, old.y, old.mask))

    def end(self, task: Task) -> None:
        """Store some of the task's examples."""
        self.store(task, self.per_class)


@dataclass(eq=False)
class DERpp(Rehearsal):
    """Fine-tune, and keep the labels and the logits of stored examples.

    Dark experience replay++, of Buzzega et al. (NeurIPS 2020, arXiv 2004.07211). The store is a
    reservoir: every example so far is in it with the same probability. It fills while learning, and
    so does not depend on where a task ends.
    """

    capacity: int = 100
    """Number of stored examples."""
    alpha: float = 0.5
    """Weight of the stored logits."""
    beta: float = 0.5
    """Weight of the stored labels."""

    def begin(self, task: Task) -> None:
        """Keep the masks of the tasks so far; before the first, no example has been offered."""
        super().begin(task)
        self.state.setdefault("offered", torch.zeros(len(self.generators), dtype=torch.int64))

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on new examples, on old labels and on old logits; then store."""
        size = batch.y.shape[1]
        if "x" not in self.state:
            logits = self.model(batch.x)
            self._offer(batch, logits.detach())
            return cross_entropy(logits, batch.y, batch.mask)
        # New: some stored examples are trained on the logits they had when they were stored...
        dark, index = self.draw(size)
        stored = self.state["logits"][torch.arange(len(index))[:, None], index]
        # ... and others on their labels.
        old, _ = self.draw(size)
        logits = self.model(torch.cat([batch.x, dark.x, old.x], 1))
        of_new, of_dark, of_old = logits.split(size, 1)
        self._offer(batch, of_new.detach())
        loss: Tensor = cross_entropy(of_new, batch.y, batch.mask)
        loss = loss + self.alpha * (of_dark - stored).square().mean((1, 2))
        return loss + self.beta * cross_entropy(of_old, old.y, old.mask)

    def _offer(self, batch: Batch, logits: Tensor) -> None:
        """Offer the examples of a step to the reservoir."""
        new = {"x": batch.x, "y": batch.y, "logits": logits,
               "task": torch.full_like(batch.y, len(self.masks) - 1)}
        arrivals = int(self.state["offered"][0]) + torch.arange(batch.y.shape[1])
        self.state["offered"] += len(arrivals)
        for name, tensor in new.items():
            old = self.state.get(name, tensor[:, :0])
            if free := min(len(arrivals), self.capacity - old.shape[1]):
                self.state[name] = torch.cat([old, torch.zeros_like(tensor[:, :free])], 1)
        for seed, g in enumerate(self.generators):
            # Reservoir sampling: the k-th arrival takes a random place below k, if it exists.
            drawn = torch.rand(len(arrivals), generator=g, dtype=torch.float64) * (arrivals + 1)
            places = torch.where(arrivals < self.capacity, arrivals, drawn.long())
            # Of two arrivals at one place, the later one stays.
            last = {place: i for i, place in enumerate(places.tolist()) if place < self.capacity}
            for name, tensor in new.items() if last else ():
                self.state[name][seed, list(last)] = tensor[seed, list(last.values())]
