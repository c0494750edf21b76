"""Teachers: which weights produce the targets, and which extra context they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.errors import UnknownNameError, fraction
from workbench.measure.completions import CONTEXTS, full_context, prompts_for
from workbench.models.encoding import context_of, encode
from workbench.models.logits import (
    PromptCache,
    attends_to_all,
    cache_bytes,
    trim,
)
from workbench.tasks import Item

WEIGHTS = {
    "base": "the pretrained model's, throughout; with LoRA, the adapter switched off",
    "task_start": "the student's as they were when the skill began",
    "ema": "a moving average of the student's, kept in float32",
    "student": "the student's own, as they are now",
}
"""Whose weights a teacher has."""

MOST_BYTES = 2**29
"""Beyond this, keeping the prompts costs more memory than reading them again costs time."""
FULL_CONTEXT = "all"
"""The demonstration, after the article where the skill has one."""


class Learning(Protocol):
    """What a teacher needs of a learner: its networks, and the state that is checkpointed."""

    model: Any
    state: dict[str, Tensor]


class TeacherWeights:
    r"""Which weights produce the targets of distillation, for digits and for language models.

    Parameters
    ----------
    learner : Learning
        Who is taught. Copies and averages are kept in its state, and so are checkpointed.
    source : str
        One of `WEIGHTS`.
    rate : float
        Of the average: after each step :math:`\phi \leftarrow (1-r)\,\phi + r\,\theta`. In
        bfloat16 such small steps are rounded away, which is why the average is kept in float32.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such source, or the rate is not above 0 and at most 1.
    """

    def __init__(self, learner: Learning, source: str = "base", rate: float = 0.02) -> None:
        if source not in WEIGHTS:
            raise UnknownNameError("teacher", source, WEIGHTS)
        fraction(rate=rate)
        self.learner, self.source, self.rate = learner, source, rate

    @property
    def vectors(self) -> Tensor | None:
        """The teacher's weights, where they are kept apart: shape (seeds, parameters)."""
        return self.learner.state.get("teacher")

    def take(self) -> None:
        """Take the student's present weights as the teacher's."""
        self.learner.state["teacher"] = self.learner.model.snapshot()

    def begin(self) -> None:
        """Prepare for a task; called before its first step."""
        if self.source == "task_start" or (self.source == "ema" and self.vectors is None):
            self.take()

    def follow(self, i: int) -> None:
        """Move the average of one seed towards its student; to be called before each step.

        Before the first step the two are equal, so that calling it there changes nothing.
        """
        if self.source == "ema":
            self.learner.state["teacher"][i].lerp_(self.learner.model.vector(i).cpu(), self.rate)

    def model(self, i: int) -> Any:
        """Return the language model that teaches one seed."""
        if self.source == "base":
            return self.learner.model.base
        if self.source == "student":
            return self.learner.model.models[i]
        return self.learner.model.holding(self.learner.state["teacher"][i])


class Teacher:
    """A language model that sees a context which the student does not.

    Parameters
    ----------
    weights : TeacherWeights
        Which weights it has.
    context : str
        Which context it sees: ``"all"``, or one of `workbench.measure.completions.CONTEXTS`.

    Attributes
    ----------
    prompts : tuple of Tensor
        Ids and mask of the prompts with their context, set by `begin`.
    """

    def __init__(self, weights: TeacherWeights, context: str = FULL_CONTEXT) -> None:
        if context not in (FULL_CONTEXT, *CONTEXTS):
            raise UnknownNameError("context", context, (FULL_CONTEXT, *CONTEXTS))
        self.weights, self.context = weights, context
        self._read: dict[int, PromptCache] = {}

    def begin(self, items: Sequence[Item], max_response_tokens: int) -> None:
        """Prepare to teach some items.

        Parameters
        ----------
        items : sequence of Item
            Of one skill.
        max_response_tokens : int
            Tokens that a response may take.

        Raises
        ------
        ModelError
            If a prompt with its context leaves no room for the response: it is never cut.
        """
        context = full_context(items) if self.context == FULL_CONTEXT else self.context
        models = self.weights.learner.model
        self.prompts = encode(models.tokenizer, prompts_for(models.tokenizer, items, context),
                              context_of(models.base) - max_response_tokens)
        self._read.clear()
        self.weights.begin()

    @torch.no_grad()
    def logits(self, i: int, indices: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what the teacher of one seed gives to each token of some responses.

        Parameters
        ----------
        i : int
            Which seed, by position.
        indices : Tensor of int64, shape (n,)
            Which items the responses are to.
        ids, mask : Tensor of int64, shape (n, tokens)
            The responses, padded on the right.

        Returns
        -------
        Tensor of float32, shape (n, tokens, vocabulary)
            Without gradient.
        """
        model = self.weights.model(i)
        if (self.keeps and attends_to_all(model)
                and cache_bytes(model, self.prompts[0]) <= MOST_BYTES):
            whose = i if self.weights.source == "task_start" else 0  # seeds share a frozen teacher
            if whose not in self._read:
                self._read[whose] = PromptCache(model, *self.prompts)
            return self._read[whose].select(indices).logits(ids, mask)
        # Computed as the student's are: where both are equal, so are their logits, to the bit.
        return PromptCache(model, *take_prompts(self.prompts, indices)).logits(ids, mask)

    @property
    def keeps(self) -> bool:
        """Whether to read the prompts once: for a teacher that stays the same through a skill.

        Not without context: there the student may be its equal, and what differs by rounding alone
        would be a slope to follow.
        """
        return self.weights.source in ("base", "task_start") and self.context != "none"


def take_prompts(prompts: tuple[Tensor, Tensor], indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return some prompts with the padding on the left that they all have cut off."""
    return trim(*(part[indices] for part in prompts))
