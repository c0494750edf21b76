"""`Learner`: the interface of every method; and `fit`, the one step loop, which trains them all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from workbench.errors import flag, not_negative, positive, share, whole
from workbench.models import StackedMLP
from workbench.system import processes
from workbench.system.runtime import generator
from workbench.tasks import Task


@dataclass(frozen=True)
class Batch:
    """Examples of one step."""

    x: Tensor  # inputs: shape (seeds, n, ...)
    y: Tensor  # index of the correct output, int64, or correct value: shape (seeds, n)
    mask: Tensor  # outputs that may be answered, bool: broadcastable to (seeds, n, outputs)


@dataclass(eq=False)
class Learner:
    """A method of learning one task after another.

    A subclass defines `loss`, and where needed `begin` and `end`. It sees one task at a time, never
    the stream or its evaluation. Options are fields of a dataclass. A number must be above 0, and
    whole if its default is whole; one with ``metadata={"share": True}`` is from 0 to 1, and one
    with ``metadata={"weight": True}`` at least 0.
    """

    model: StackedMLP
    """The networks, one per seed."""
    state: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    """All values that are carried from task to task beside the weights: importances, a teacher,
    stored examples. They are checkpointed, restored and counted as stored bytes."""
    generators: list[torch.Generator] = field(init=False, repr=False)
    """One per seed, for the random numbers of the method itself."""

    scenarios: ClassVar[tuple[str, ...]] = ("task", "domain", "class")
    """The scenarios in which the method makes sense. A single one is chosen automatically."""
    needs_gate: ClassVar[bool] = False
    """Whether the model is its own teacher, so that the gate is checked before a run."""
    composes: ClassVar[bool] = False
    """Whether it trains composed modules; see `workbench.models.composition`."""
    context = ""
    """The context that the model sees as its own teacher; see `completions.CONTEXTS`."""

    def __post_init__(self) -> None:
        for option in fields(self):
            if option.metadata.get("share"):
                share(**{option.name: getattr(self, option.name)})
            elif option.metadata.get("weight"):
                not_negative(**{option.name: getattr(self, option.name)})
            elif isinstance(option.default, bool):
                flag(**{option.name: getattr(self, option.name)})
            elif isinstance(option.default, int):
                whole(**{option.name: getattr(self, option.name)})
            elif isinstance(option.default, float):
                positive(**{option.name: getattr(self, option.name)})
        own = (processes.rank(),) if processes.count() > 1 else ()  # each draws its own numbers
        self.generators = [generator(seed, "learner", *own) for seed in self.model.seeds]

    def begin(self, task: Task) -> None:
        """Prepare for a task; called once before its first step."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of each network on a batch: shape (seeds,)."""
        raise TypeError(f"{type(self).__name__} does not define loss")

    def after_step(self) -> None:
        """Update values that follow the weights, such as their average; called after each step."""

    def end(self, task: Task) -> None:
        """Store the values that the method keeps of a task; called once after its last step."""

    def predict(self, x: Tensor, task: int | None = None) -> Tensor:
        """Return the logits (seeds, n, outputs); `task` is None except in the task scenario."""
        with torch.no_grad():
            return self.model(x)  # type: ignore[no-any-return]

    def write(self, folder: Path, tasks: Sequence[str]) -> str:
        """Write the trained weights; return the name of their file."""
        return self.model.write(folder)

    def inputs(self) -> dict[str, str]:
        """Return the hashes of a run's inputs other than its settings and data, by name."""
        return {}

    def stored_bytes(self) -> int:
        """Return the bytes per seed that are kept beside the weights."""
        return sum(t.nbytes for t in self.state.values()) // len(self.generators)

    def state_dict(self) -> dict[str, Tensor]:
        """Return weights, state and random generators as tensors under dotted names."""
        return ({f"model.{k}": v for k, v in self.model.state_dict().items()}
                | {f"state.{k}": v for k, v in self.state.items()}
                | {f"generator.{i}": g.get_state() for i, g in enumerate(self.generators)})

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.state = {k: v.clone() for k, v in part("state.").items()}
        for i, state in part("generator.").items():
            self.generators[int(i)].set_state(state)


def batch_order(seed: int, task: int, examples: int, steps: int, batch_size: int) -> Tensor:
    """Return the indices of the examples of each step of a task: shape (steps, batch_size).

    Every example is seen once before any is seen again. The order depends on the seed and the task
    alone, so that it need not be saved and all methods see the same batches.
    """
    rng = generator(seed, "batches", task)
    epochs = -(-steps * batch_size // examples)
    order = torch.cat([torch.randperm(examples, generator=rng) for _ in range(epochs)])
    return order[: steps * batch_size].view(steps, batch_size)


def make_optimizer(learner: Learner, lr: float,
                   weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Return Adam over all seeds; it works element by element, so that seeds stay independent.

    With `weight_decay` it is AdamW, with decoupled weight decay.
    """
    return torch.optim.AdamW(learner.model.parameters(), lr=lr, weight_decay=weight_decay,
                             fused=True)


def fit(learner: Learner, task: Task, optimizer: torch.optim.Optimizer, *, steps: int,
        batch_size: int, clip: float | None = None, start: int = 0,
        precision: str = "fp32") -> Iterator[Tensor]:
    """Train on one task, step by step; the caller calls `begin` before and `end` after.

    After each step it yields the loss from before the step: shape (seeds,), on the CPU. The caller
    may then look at the run, save it, or stop.

    Parameters
    ----------
    clip : float, optional
        Largest gradient norm of a seed.
    start : int
        Steps already taken, when a run is resumed.
    precision : {"fp32", "bf16"}
        Precision of the matrix products; weights and Adam's moments are float32 in both cases.
    """
    order = torch.stack([batch_order(seed, task.index, len(task.train), steps, batch_size)
                         for seed in learner.model.seeds], 1)
    parameters = list(learner.model.parameters())
    mask = task.masks[task.index]
    for indices in map(processes.own_rows, order[start:]):
        batch = Batch(task.train.x[indices], task.train.labels(indices), mask)
        with torch.autocast(parameters[0].device.type, torch.bfloat16, precision == "bf16"):
            loss = learner.loss(batch)
        for p in parameters:  # faster than optimizer.zero_grad()
            p.grad = None
        loss.sum().backward()
        processes.average(parameters)
        if clip is not None:
            learner.model.clip(clip)
        optimizer.step()
        learner.after_step()
        yield loss.detach().cpu()
