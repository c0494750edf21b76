"""One adapter for each task, and retrieval of the task."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from workbench.errors import DataError, UnknownNameError
from workbench.learners.base import Batch, Learner
from workbench.learners.routing import Router
from workbench.losses import cross_entropy
from workbench.models.adapted import AdaptedBackbones
from workbench.models.mlp import WEIGHTS
from workbench.retrieval.base import part
from workbench.retrieval.signatures import Signature
from workbench.system.files import write_atomically
from workbench.tasks import Task


@dataclass(eq=False)
class Adapters(Learner):
    """Train an adapter and a head for each task; retrieve an input's task, and use its adapter.

    Earlier adapters, heads and signatures never change.
    """

    model: AdaptedBackbones  # type: ignore[assignment]
    retriever: str = "gmm"
    """One of `workbench.learners.routing.RETRIEVERS`."""
    head: str = "global"
    """``global``: RanPAC's ridge regression over the classes of all tasks. ``task``: the head that
    was trained with the adapter, which knows the classes of its task only."""
    features: str = "adapted"
    """Features of signatures: ``adapted`` (under each task's adapter) or ``shared`` (of the
    backbone). Other retrievers use shared features."""
    measure: str = "log_density"
    """Measure of signatures; one of `workbench.retrieval.retrievers.MEASURES`."""
    clusters: int = 2
    """Number of clusters of a signature."""
    covariance: str = "full"
    """Covariance of signatures: ``full``, ``tied`` or ``diag``."""
    shrinkage: float = 0.1
    """Share of the mean variance that is added to every variance of a signature."""
    routers: list[Router] = field(init=False, repr=False)
    """A router for each seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in (("head", ("global", "task")), ("features", ("adapted", "shared"))):
            if getattr(self, name) not in choices:
                raise UnknownNameError(name, getattr(self, name), choices)
        signature = Signature("gmm", self.clusters, self.covariance, ridge=0.0,
                              shrinkage=self.shrinkage)
        self.routers = [Router(self.model, i, self.retriever, signature, self.measure,
                               self.features == "adapted") for i in range(len(self.model.seeds))]

    @property
    def tasks(self) -> list[int]:
        """The tasks that have been learned."""
        return self.routers[0].tasks

    def inputs(self) -> dict[str, str]:
        """Return the hash of the backbone's weights."""
        return self.model.inputs

    def check(self, task: Task) -> None:
        """Raise `DataError` for a task with too few examples; called before a run."""
        least = max(2, self.clusters)
        if len(task.train) < least:
            raise DataError(f"the task {task.name!r} has {len(task.train)} training examples. A "
                            f"signature with {self.clusters} clusters needs at least {least}.")

    def begin(self, task: Task) -> None:
        """Add a fresh adapter and head; the first task uses those that exist."""
        # New: each task starts from the backbone.
        while len(self.model.adapters) <= task.index:
            self.model.add_adapters()
        self.model.masks[-1][:] = False
        self.model.masks[-1][list(task.classes)] = True

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on the batch."""
        return cross_entropy(self.model(batch.x), batch.y, batch.mask)

    def end(self, task: Task) -> None:
        """Let the routers learn the task."""
        for router in self.routers:
            router.learn(task)
        self.state = {f"{i}.{name}": torch.from_numpy(np.array(values))
                      for i, router in enumerate(self.routers)
                      for name, values in router.to_arrays().items()}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned, and the routers from it."""
        super().load_state_dict(tensors)
        arrays = {name: values.numpy() for name, values in self.state.items()}
        for i, router in enumerate(self.routers if arrays else []):
            router.load_arrays(part(arrays, str(i)))

    def retrieve(self, x: Tensor) -> Tensor:
        """Return the retrieved task of each example: int64, shape (seeds, n)."""
        rows = self.model.rows(x)
        return torch.stack([torch.from_numpy(router.choose(rows)) for router in self.routers])

    @torch.no_grad()
    def predict(self, x: Tensor, task: int | Tensor | None = None) -> Tensor:
        """Return the logits (seeds, n, outputs).

        `task` is the task of all examples, or of each, shape (seeds, n); it is retrieved if None.
        A task that has not been learned uses the adapter in training.
        """
        if not self.tasks or (isinstance(task, int) and task not in self.tasks):
            return self.model(x)
        if task is None:
            task = self.retrieve(x)
        chosen = torch.as_tensor(task).expand(len(self.routers), len(x))
        return torch.stack([router.answer(self.model.rows(x), tasks, self.head == "global")
                            for router, tasks in zip(self.routers, chosen, strict=True)])

    def write(self, folder: Path, tasks: Sequence[str]) -> str:
        """Write all that is needed to retrieve and answer; return the name of its file.

        With one seed, each adapter is also written in the format of peft.
        """
        if len(self.model.seeds) == 1:
            self.write_adapters(folder, tasks)
        write_atomically(folder / WEIGHTS, safetensors.torch.save(self.state_dict()))
        return WEIGHTS

    def write_adapters(self, folder: Path, tasks: Sequence[str]) -> None:
        """Write the first seed's adapter of each task in the format of peft."""
        for task, names in zip(tasks, self.model.adapters, strict=True):
            name = re.sub(r"[^\w-]+", "-", f"{self.model.adapters.index(names)}-{task}")
            self.model.with_adapter(names[0]).write(folder / name)
