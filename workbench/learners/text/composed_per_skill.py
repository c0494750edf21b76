"""One composed module per skill; the skill of a question is retrieved from its prompt."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.errors import UnknownNameError
from workbench.learners.text.adapter_per_skill import AdapterPerSkill
from workbench.models.composed import ComposedModels
from workbench.retrieval.prompts import PromptRetriever
from workbench.tasks import Task
from workbench.tasks.text import TextExamples


@dataclass(eq=False)
class ComposedPerSkill(AdapterPerSkill):
    """Imitate the demonstrations in a composed module for each skill, and keep them all.

    In the scenario ``domain`` the skill of a question is retrieved from its prompt; see
    `PromptRetriever`. Questions of skills that were known before go to the pretrained model.
    """

    scenarios = ("domain", "task")
    composes = True

    model: ComposedModels  # type: ignore[assignment]
    reuse: str = "learned"
    """How units of earlier skills are used; one of `workbench.models.composition.REUSE`."""
    faster: float = 30.0
    """Learning rate of the coefficients, as a multiple of that of the run."""
    l1: float = field(default=0.0, metadata={"weight": True})
    """Weight of the coefficients' absolute values in the loss."""
    l2: float = field(default=0.0, metadata={"weight": True})
    """Weight of the coefficients' squares in the loss."""
    orthogonality: float = field(default=0.0, metadata={"weight": True})
    """Weight of the squared cosines between the inputs that new and earlier units read."""
    known: str = "each"
    """Signatures of the skills known before: ``each`` its own, ``one`` for all of them, or
    ``none``; then every question goes to the module of a new skill."""
    clusters: int = 4
    """Number of clusters of each signature."""
    layer: int = 1
    """The layer whose hidden states are clustered."""

    def __post_init__(self) -> None:
        if self.known not in ("each", "one", "none"):
            raise UnknownNameError("value of known", self.known, ("each", "one", "none"))
        super().__post_init__()
        self.model.prepare(self.reuse, self.faster, self.orthogonality > 0)
        self.retriever = PromptRetriever(self.model.base, self.model.tokenizer, self.layer,
                                         clusters=self.clusters)

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the loss on the demonstrations, and the penalties on the module."""
        penalty = self.model.modules(i)[-1].penalty(self.l1, self.l2, self.orthogonality)
        return super().loss_of(i, indices) + penalty

    def end(self, task: Task) -> None:
        """Fit a signature to the skill; before the first, also to the skills known before."""
        super().end(task)
        old = [part.inputs for part in task.old]
        if old and self.known != "none" and not self.retriever.skills:
            self.retriever.learn_known(old, apart=self.known == "each")
        assert isinstance(task.validation, TextExamples)
        self.retriever.learn(task.index, task.train.inputs, task.validation.inputs)
        self.state = {name: torch.from_numpy(np.array(values))
                      for name, values in self.retriever.to_arrays().items()}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned, and the retriever from it."""
        super().load_state_dict(tensors)
        if self.state:
            self.retriever.load_arrays({name: t.numpy() for name, t in self.state.items()})

    def stored_bytes(self) -> int:
        """Return the bytes per seed of all modules and of the retriever."""
        modules = sum(p.nbytes for module in self.model.modules(0) for p in module.parameters())
        return modules + sum(tensor.nbytes for tensor in self.state.values())

    def predict(self, x: Any, task: int | None = None) -> Any:
        """Return the likeliest responses by the retrieved skills: a list of texts per seed."""
        if task is not None or not self.retriever.skills:
            return super().predict(x, task)
        chosen = self.retriever.choose(x)
        responses = [[""] * len(x) for _ in self.model.seeds]
        for skill in np.unique(chosen):
            rows = np.flatnonzero(chosen == skill)
            answers = super().predict([x[row] for row in rows], int(skill))
            for texts, answer in zip(responses, answers, strict=True):
                for row, text in zip(rows, answer, strict=True):
                    texts[row] = text
        return responses
