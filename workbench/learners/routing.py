"""`Router`: chooses the adapter of an input, and answers with it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.models.adapted import BASE, AdaptedBackbones
from workbench.retrieval.base import Arrays, part
from workbench.retrieval.choices import lowest_entropy, shortlist
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import RULES, MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool
from workbench.retrieval.retrievers import MEASURES, ClusteredRetriever
from workbench.retrieval.signatures import COVARIANCES, KINDS, Signature
from workbench.tasks import Task
from workbench.tasks.stream import FORBIDDEN

RETRIEVERS = {
    **{kind: f"signature: {text}" for kind, text in KINDS.items()},
    **{rule: f"task of the predicted class: {text}" for rule, text in RULES.items()},
    "shortlist": "two tasks by the nearest class mean of shared features, and of these the one "
                 "whose signature, a Gaussian, fits best under its adapter",
    "prompt-pool": "task of the nearest learned key (L2P)",
    "prompt-keys": "the same with one key for each task (DualPrompt)",
    "entropy": "task whose adapter and head are the surest",
    "random": "any task",
    "last": "no choice: the last task's module reads all inputs, and all heads answer together",
}
"""The retrievers of a run. The oracle's accuracy is reported with each of them."""
KEPT = 2
"""Tasks on a shortlist."""
PROJECTIONS = 500
"""Random features of the global head."""


class Router:
    """Chooses a task, and so an adapter, for each input of one seed, and answers.

    Parameters
    ----------
    model : AdaptedBackbones
    i : int
        Position of the seed.
    name : str
        One of `RETRIEVERS`.
    signature, measure : Signature, str
        Settings and measure of signatures; see `ClusteredRetriever`.
    adapted : bool
        Whether signatures are of features under each task's adapter, not of shared ones.

    Attributes
    ----------
    tasks : list of int
        Positions of the tasks that have been learned.
    retriever : TaskRetriever or None
        The retriever that chooses the task.
    first : TaskRetriever or None
        The retriever that makes the shortlist.
    head : MomentClassifier
        The global head: RanPAC's ridge regression over the classes of all tasks, on the features of
        each example under the adapter of its task.
    """

    def __init__(self, model: AdaptedBackbones, i: int, name: str, signature: Signature,
                 measure: str, adapted: bool) -> None:
        for kind, chosen, known in (
                ("retriever", name, RETRIEVERS), ("measure", measure, MEASURES),
                ("covariance", signature.covariance, COVARIANCES)):
            if chosen not in known:
                raise UnknownNameError(kind, chosen, known)
        seed = model.seeds[i]
        self.model, self.i, self.name, self.measure = model, i, name, measure
        self.tasks: list[int] = []
        self.clustered = name in KINDS or name == "shortlist"
        self.adapted = self.clustered and (adapted or name == "shortlist")
        if name == "shortlist" and measure not in ("log_density", "mahalanobis"):
            raise ConfigError("a shortlist is scored by the measure log_density or mahalanobis, "
                              f"not {measure!r}")
        if self.adapted and measure == "background":
            raise ConfigError("the measure 'background' needs the examples of all tasks under each "
                              "adapter, and they come one task after another: take features=shared "
                              "or another measure")
        self.retriever: Any = None
        self.first: Any = ClassAsTask(MomentClassifier("ncm")) if name == "shortlist" else None
        self.head = MomentClassifier("ranpac", projections=PROJECTIONS, random_state=seed)
        if self.clustered:
            kind = "gaussian" if name == "shortlist" else name
            signature = Signature(**signature.get_params() | {"kind": kind, "random_state": seed})
            self.retriever = ClusteredRetriever(signature, measure, random_state=seed)
        elif name in RULES:
            self.retriever = ClassAsTask(MomentClassifier(name, random_state=seed))
        elif name.startswith("prompt-"):
            self.retriever = PromptPool(per_task=name == "prompt-keys", random_state=seed)

    def learn(self, task: Task) -> None:
        """Learn to recognise a task; its validation examples are held out."""
        train, held_out = (self.model.rows(part.x) for part in (task.train, task.validation))
        shared, y = self.shared(train), np.full(len(train), task.index)
        for retriever in (self.first, self.retriever):
            if isinstance(retriever, ClusteredRetriever):
                rows = torch.cat([train, held_out])
                name = self.names([task.index])[0] if self.adapted else BASE
                retriever.partial_fit(
                    self.model.features(rows, [name])[:, 0].double().numpy(),
                    np.full(len(rows), task.index), np.arange(len(rows)) >= len(train))
            elif isinstance(retriever, ClassAsTask):
                # Classes of two tasks are two classes, also where their outputs are shared.
                retriever.partial_fit(shared, y, y * self.model.outputs + task.train.y.numpy())
            elif retriever is not None:
                retriever.partial_fit(shared, y)
        features = self.model.features(train, self.names([task.index]))[:, 0]
        self.head.partial_fit(features.double().numpy(), task.train.y.numpy())
        self.tasks.append(task.index)

    def answer(self, rows: Tensor, tasks: Tensor, by_global_head: bool) -> Tensor:
        """Return the logits of encoded inputs, each under the adapter of a task: (n, outputs).

        They come from the global head, or from the head that was trained with the adapter.
        """
        features = self.model.mixed(rows, self.names(tasks.tolist()))
        logits = torch.full((len(rows), self.model.outputs), FORBIDDEN)
        if by_global_head:
            scores = self.head.scores(features.double().numpy())
            logits[:, self.head.classes_] = torch.from_numpy(scores).float()
            return logits
        if self.name == "last":
            return torch.stack([self.model.head(features, k, self.i) for k in self.tasks]).amax(0)
        for k in tasks.unique().tolist():
            own = tasks == k
            logits[own] = self.model.head(features[own], k, self.i)
        return logits

    def to_arrays(self) -> Arrays:
        """Return all that was learned, as arrays under flat names."""
        arrays: Arrays = {"tasks": np.array(self.tasks)}
        for kind, one in self._learned().items():
            labels = {"labels": one.classifier_.classes_} if isinstance(one, ClassAsTask) else {}
            own = one.to_arrays() | {"names": one.classes_} | labels
            arrays |= {f"{kind}.{name}": values for name, values in own.items()}
        return arrays

    def load_arrays(self, arrays: Arrays) -> None:
        """Restore what `to_arrays` returned."""
        self.tasks = arrays["tasks"].tolist()
        for kind, one in self._learned().items():
            own = part(arrays, kind)
            names = [own.pop(name) for name in ("names", "labels") if name in own]
            one.load_arrays(own, *names)

    def _learned(self) -> dict[str, Any]:
        parts = {"first": self.first, "retriever": self.retriever, "head": self.head}
        return {kind: one for kind, one in parts.items() if one is not None}

    @property
    def forwards(self) -> int:
        """How often an input goes through the backbone for the choice of a task."""
        if self.name in ("random", "last"):
            return 0
        if self.first is not None:
            return 1 + min(KEPT, len(self.tasks))
        return len(self.tasks) if self.adapted or self.name == "entropy" else 1

    def names(self, tasks: Any) -> list[str]:
        """Return the names of this seed's adapters for some tasks."""
        return [self.model.adapters[k][self.i] for k in tasks]

    def shared(self, rows: Tensor) -> Floats:
        """Return the features of encoded inputs without an adapter: (n, features)."""
        return self.model.features(rows, [BASE])[:, 0].double().numpy()

    def features(self, rows: Tensor) -> Floats:
        """Return features as the signatures need them: (n, d) or (n, tasks, d)."""
        if not self.adapted:
            return self.shared(rows)
        return self.model.features(rows, self.names(self.tasks)).double().numpy()

    def choose(self, rows: Tensor) -> NDArray[np.int64]:
        """Return the retrieved task of each encoded input: shape (n,)."""
        if self.name == "random":
            places = np.random.default_rng(self.model.seeds[self.i]).integers(
                len(self.tasks), size=len(rows))
        elif self.name == "last":
            places = np.full(len(rows), len(self.tasks) - 1)
        elif self.name == "entropy":
            places = lowest_entropy(self.probabilities(rows))
        elif self.first is not None:
            places = self._from_shortlist(rows)
        else:
            places = self.retriever.scores(self.features(rows)).argmax(1)
        return np.asarray(self.tasks)[places]

    def probabilities(self, rows: Tensor) -> Floats:
        """Return the probabilities of each task's own head: (n, tasks, outputs)."""
        features = self.model.features(rows, self.names(self.tasks))
        logits = torch.stack([self.model.head(features[:, k], task, self.i)
                              for k, task in enumerate(self.tasks)], 1)
        return logits.double().softmax(-1).numpy()

    def _from_shortlist(self, rows: Tensor) -> NDArray[np.intp]:
        scores = self.first.scores(self.shared(rows))
        keep = min(KEPT, len(self.tasks))
        kept = np.argsort(-scores, axis=1, kind="stable")[:, :keep]
        # Only these adapters run; the scores of the others stay NaN and are not read.
        names = self.names(np.asarray(self.tasks)[kept.flatten()])
        features = self.model.mixed(rows.repeat_interleave(keep, 0), names).double().numpy()
        second = np.full(scores.shape, np.nan)
        row = np.repeat(np.arange(len(rows)), keep)
        for k, signature in enumerate(self.retriever.signatures_):
            own = kept.flatten() == k
            if own.any():
                second[row[own], k] = (
                    signature.log_densities(features[own]).max(1) if self.measure == "log_density"
                    else -signature.distances(features[own]).min(1))
        return shortlist(scores, second, keep)
