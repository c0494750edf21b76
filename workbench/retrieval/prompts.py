"""Retrieval of a skill by the hidden states of a prompt, in the pretrained model."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import ConfigError
from workbench.measure.accuracies import Floats
from workbench.models.encoding import context_of, encode
from workbench.models.prompts import make_prompt
from workbench.retrieval.base import Arrays, part
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature

ROWS = 64
"""Prompts that go through the model together."""


class PromptRetriever:
    """A signature per skill: Gaussian clusters of the mean hidden states of its prompts.

    The states are those of the pretrained model, whose weights never change, in one layer. They
    are projected on the principal components of the prompts that are learned first.

    Parameters
    ----------
    model, tokenizer
        The pretrained model.
    layer : int
        0 takes the embeddings, 1 the output of the first layer.
    components : int
        Largest number of principal components.
    clusters : int
        Number of clusters of each signature; they share one covariance.
    """

    def __init__(self, model: Any, tokenizer: Any, layer: int = 1, components: int = 64,
                 clusters: int = 4) -> None:
        deepest = model.config.num_hidden_layers
        if not 0 <= layer <= deepest:
            raise ConfigError(f"layer must be from 1 to {deepest}, or 0 for the embeddings, not "
                              f"{layer!r}")
        self.model, self.tokenizer, self.layer = model, tokenizer, layer
        self.components = components
        self.axes: Arrays = {}
        self.retriever = ClusteredRetriever(Signature(
            "gmm", clusters, "tied", ridge=0.0, shrinkage=0.01, random_state=0))

    @property
    def skills(self) -> list[int]:
        """The skills that have been learned."""
        return [int(skill) for skill in getattr(self.retriever, "classes_", ())]

    @torch.no_grad()
    def states(self, questions: Sequence[str]) -> Floats:
        """Return the mean hidden state of each question's prompt: shape (n, hidden size)."""
        means: list[Tensor] = []
        inner = self.model  # peft wraps a model in one that takes any argument
        inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
        for start in range(0, len(questions), ROWS):
            prompts = [make_prompt(self.tokenizer, one) for one in questions[start:start + ROWS]]
            ids, mask = encode(self.tokenizer, prompts, context_of(self.model))
            named = {"input_ids": ids, "attention_mask": mask}
            if "position_ids" in inspect.signature(inner.forward).parameters:
                # Counted from the first token of each prompt, whatever is padded before it.
                named["position_ids"] = (mask.cumsum(1) - 1).clamp_min(0)
            hidden = self.model(**{key: t.to(self.model.device) for key, t in named.items()},
                                output_hidden_states=True).hidden_states[self.layer].cpu()
            weights = mask[..., None].float()
            means.append((hidden * weights).sum(1) / weights.sum(1))
        return torch.cat(means).double().numpy()

    def project(self, states: Floats) -> Floats:
        """Return states in principal components: shape (n, components)."""
        return np.asarray((states - self.axes["mean"]) @ self.axes["components"].T)

    def prepare(self, questions: Sequence[str]) -> None:
        """Compute the principal components of the first prompts."""
        from sklearn.decomposition import PCA

        states = self.states(questions)
        fitted = PCA(min(self.components, *states.shape), svd_solver="full").fit(states)
        self.axes = {"mean": fitted.mean_, "components": fitted.components_}

    def learn(self, skill: int, questions: Sequence[str], held_out: Sequence[str] = ()) -> None:
        """Fit a signature to the prompts of a skill; store the distances of held-out prompts."""
        if not self.axes:
            self.prepare(questions)
        states = self.states([*questions, *held_out])
        apart = np.arange(len(states)) >= len(questions)
        self.retriever.partial_fit(self.project(states), np.full(len(states), skill), apart)

    def learn_known(self, skills: Sequence[Sequence[str]], apart: bool) -> None:
        """Fit signatures to the prompts of skills that need no module.

        These skills get negative numbers: one for each if `apart`, and otherwise one for all.
        """
        every = [question for questions in skills for question in questions]
        self.prepare(every)
        for j, questions in enumerate(skills if apart else [every]):
            self.learn(-1 - j, questions)

    def choose(self, questions: Sequence[str]) -> NDArray[np.int64]:
        """Return the retrieved skill of each question, one at a time: shape (n,)."""
        return np.asarray(self.retriever.predict(self.project(self.states(questions))))

    def to_arrays(self) -> Arrays:
        """Return all that was learned, as arrays under flat names."""
        return {f"axes.{name}": values for name, values in self.axes.items()} | {
            f"signatures.{name}": values for name, values in self.retriever.to_arrays().items()
        } | {"skills": np.array(self.skills)}

    def load_arrays(self, arrays: Arrays) -> None:
        """Restore what `to_arrays` returned."""
        self.axes = part(arrays, "axes")
        self.retriever.load_arrays(part(arrays, "signatures"), arrays["skills"].tolist())
