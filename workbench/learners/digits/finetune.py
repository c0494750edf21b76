"""The two references, fine-tuning and joint training, and the storing of examples."""

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.learners.base import Batch, Learner
from workbench.losses import label_loss
from workbench.tasks import Task


class Finetune(Learner):
    """Minimise the loss on the labels of the present task (also called naive, or SGD)."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on the batch; the squared error where labels are values."""
        return label_loss(self.model(batch.x), batch.y, batch.mask)


class Rehearsal(Finetune):
    """The base of the methods that store examples, chosen at random by each seed.

    The state has them as ``x`` (seeds, n, ...), ``y`` and ``task`` (seeds, n).
    """

    def begin(self, task: Task) -> None:
        """Keep the masks of the tasks so far."""
        self.masks = task.masks

    def store(self, task: Task, per_class: int | None) -> None:
        """Store `per_class` training examples of each class, or all where it is None."""
        # One row of labels for all seeds, or one row for each.
        rows = task.train.y.expand(len(self.generators), -1)
        drawn = []
        for y, rng in zip(rows, self.generators, strict=True):
            members = [(y == label).nonzero().flatten() for label in task.classes]
            drawn.append(torch.cat([of_class[torch.randperm(len(of_class), generator=rng)]
                                    [:per_class] for of_class in members]))
        if len({len(kept) for kept in drawn}) > 1:
            raise ConfigError(f"some seeds have fewer than per_class={per_class} examples of a "
                              f"class of task {task.name!r}: store fewer, or give more examples")
        index = torch.stack(drawn)
        new = {"x": task.train.x[index], "y": task.train.labels(index),
               "task": torch.full_like(index, task.index)}
        for name, tensor in new.items():
            old = self.state.get(name, tensor[:, :0])
            self.state[name] = torch.cat([old, tensor], 1)

    def draw(self, size: int) -> tuple[Batch, Tensor]:
        """Draw stored examples with replacement; also return their positions: (seeds, size)."""
        stored = self.state["y"].shape[1]
        index = torch.stack([torch.randint(stored, (size,), generator=g) for g in self.generators])
        seeds = torch.arange(len(index))[:, None]
        x, y, task = (self.state[name][seeds, index] for name in ("x", "y", "task"))
        return Batch(x, y, self.masks[task]), index


class Joint(Rehearsal):
    """Fine-tune on examples drawn evenly from every task met so far.

    The networks are not reset between tasks. A step takes a full batch for each task so far, so
    that each task is seen as often as in fine-tuning.
    """

    def begin(self, task: Task) -> None:
        """Store all of the task's examples."""
        super().begin(task)
        # New: the whole task is stored, before it is learned.
        self.store(task, None)

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on examples of all tasks so far, in place of the batch."""
        return super().loss(self.draw(batch.y.shape[1] * len(self.masks))[0])
