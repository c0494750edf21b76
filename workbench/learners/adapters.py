"""One adapter for each task, and retrieval of the task."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from workbench.errors import UnknownNameError
from workbench.learners.base import Batch, Learner
from workbench.learners.routing import Router
from workbench.losses import cross_entropy
from workbench.models.adapted import AdaptedBackbones
from workbench.models.mlp import WEIGHTS
from workbench.retrieval.base import part
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.signatures import Signature
from workbench.system.files import write_atomically
from workbench.tasks import Task
from workbench.tasks.stream import FORBIDDEN

PROJECTIONS = 500
"""Random features of the global head."""


@dataclass(eq=False)
class Adapters(Learner):
    """Train an adapter and a head for each task; retrieve the task of an input, and use its own.

    Earlier adapters, heads and signatures never change.
    """

    model: AdaptedBackbones  # type: ignore[assignment]
    retriever: str = "gmm"
    """One of `workbench.learners.routing.RETRIEVERS`."""
    head: str = "global"
    """``global``: RanPAC's ridge regression over the classes of all tasks. ``task``: the head that
    was trained with the adapter, which knows the classes of its task only."""
    features: str = "adapted"
    """Of signatures: ``adapted``, those of each task's adapter, or ``shared``, those of the
    backbone. Other retrievers have shared features."""
    measure: str = "log_density"
    """Of signatures; one of `workbench.retrieval.retrievers.MEASURES`."""
    clusters: int = 2
    """Of signatures."""
    covariance: str = "full"
    """Of signatures: ``full``, ``tied`` or ``diag``."""
    shrinkage: float = 0.1
    """Of signatures: this share of the mean variance is added to every variance."""
    routers: list[Router] = field(init=False, repr=False)
    """One for each seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in (("head", ("global", "task")), ("features", ("adapted", "shared"))):
            if getattr(self, name) not in choices:
                raise UnknownNameError(name, getattr(self, name), choices)
        signature = Signature("gmm", self.clusters, self.covariance, ridge=0.0,
                              shrinkage=self.shrinkage)
        self.routers = [Router(self.model, i, self.retriever, signature, self.measure,
                               self.features == "adapted") for i in range(len(self.model.seeds))]
        self.global_heads = [MomentClassifier("ranpac", projections=PROJECTIONS, random_state=seed)
                             for seed in self.model.seeds]

    @property
    def tasks(self) -> list[int]:
        """The tasks that have been learned."""
        return self.routers[0].tasks

    def inputs(self) -> dict[str, str]:
        """Return the hash of the backbone's weights."""
        return self.model.inputs

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
        """Let the routers learn the task, and add its examples to the global heads."""
        rows = self.model.rows(task.train.x)
        for router, head in zip(self.routers, self.global_heads, strict=True):
            router.learn(task)
            features = self.model.features(rows, router.names([task.index]))[:, 0]
            head.partial_fit(features.double().numpy(), task.train.y.numpy())
        self._store()

    def _learned(self, i: int) -> dict[str, Any]:
        """Return the retrievers and the global head of a seed."""
        parts = {"first": self.routers[i].first, "retriever": self.routers[i].retriever,
                 "head": self.global_heads[i]}
        return {f"{i}.{name}": one for name, one in parts.items() if one is not None}

    def _store(self) -> None:
        """Put all that the retrievers and global heads have learned into the state."""
        self.state = {"tasks": torch.tensor(self.tasks)}
        for i in range(len(self.routers)):
            for key, one in self._learned(i).items():
                arrays = one.to_arrays() | {"names": one.classes_}
                if isinstance(one, ClassAsTask):
                    arrays["labels"] = one.classifier_.classes_
                self.state |= {f"{key}.{name}": torch.from_numpy(np.array(values))
                               for name, values in arrays.items()}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned, and the retrievers from it."""
        super().load_state_dict(tensors)
        arrays = {key: values.numpy() for key, values in self.state.items()}
        for i, router in enumerate(self.routers if arrays else []):
            router.tasks[:] = arrays["tasks"].tolist()
            for key, one in self._learned(i).items():
                own = part(arrays, key)
                names = [own.pop("names"), *([own.pop("labels")] if "labels" in own else [])]
                one.load_arrays(own, *names)

    def retrieve(self, x: Tensor) -> Tensor:
        """Return the retrieved task of each example: int64, shape (seeds, n)."""
        rows = self.model.rows(x)
        return torch.stack([torch.from_numpy(router.choose(rows)) for router in self.routers])

    @torch.no_grad()
    def predict(self, x: Tensor, task: int | Tensor | None = None) -> Tensor:
        """Return the logits (seeds, n, outputs).

        `task` is the task of all examples, or of each, shape (seeds, n); it is retrieved if None.
        A task that has not been learned has the adapter in training.
        """
        if not self.tasks or (isinstance(task, int) and task not in self.tasks):
            return self.model(x)
        if task is None:
            task = self.retrieve(x)
        chosen = torch.as_tensor(task).expand(len(self.routers), len(x))
        return torch.stack([self.answer(i, self.model.rows(x), tasks)
                            for i, tasks in enumerate(chosen)])

    def answer(self, i: int, rows: Tensor, tasks: Tensor) -> Tensor:
        """Return one seed's logits of encoded inputs, each of a given task: (n, outputs)."""
        features = self.model.mixed(rows, self.routers[i].names(tasks.tolist()))
        logits = torch.full((len(rows), self.model.outputs), FORBIDDEN)
        if self.head == "global":
            head = self.global_heads[i]
            logits[:, head.classes_] = torch.from_numpy(
                head.scores(features.double().numpy())).float()
            return logits
        for k in tasks.unique().tolist():
            own = tasks == k
            logits[own] = self.model.head(features[own], k, i)
        return logits

    def write(self, folder: Path, tasks: Sequence[str]) -> str:
        """Write all that is needed to retrieve and answer; return the name of its file.

        With one seed, each adapter is also written in the format of peft.
        """
        if len(self.model.seeds) == 1:
            for task, names in zip(tasks, self.model.adapters, strict=True):
                self.model.with_adapter(names[0]).write(folder / task.replace(" ", "-"))
        write_atomically(folder / WEIGHTS, safetensors.torch.save(self.state_dict()))
        return WEIGHTS
