"""Teachers: which weights produce the targets, and which extra context they see."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UnknownNameError, fraction
from workbench.measure.completions import CONTEXTS, full_context, prompts_for
from workbench.models.encoding import context_of, encode
from workbench.models.logits import PromptCache, attends_to_all, cache_bytes, take_prompts
from workbench.tasks import Item

WEIGHTS = {
    "base": "the pretrained model's, throughout; with LoRA, the adapter switched off",
    "task_start": "the student's as they were when the skill began",
    "ema": "a moving average of the student's, kept in float32",
    "student": "the student's own, as they are now",
}
"""The choices of a teacher's weights."""
MOST_BYTES = 2**29
"""Largest prompt cache that a teacher keeps; beyond it, prompts are read at each step."""
FULL_CONTEXT = "all"
"""The demonstration, after the article where the skill has one."""


class TeacherWeights:
    r"""Which weights produce the targets of distillation, for digits and for language models.

    The state of the student, `learner`, keeps copies and averages, so that they are checkpointed.
    `source` is one of `WEIGHTS`. `rate` is the r of the average, above 0 and at most 1: at each
    step :math:`\phi \leftarrow (1-r)\,\phi + r\,\theta`. bfloat16 rounds such small steps away, so
    the average is kept in float32.
    """

    def __init__(self, learner: Any, source: str = "base", rate: float = 0.02) -> None:
        if source not in WEIGHTS:
            raise UnknownNameError("teacher", source, WEIGHTS)
        fraction(rate=rate)
        self.learner, self.source, self.rate = learner, source, rate

    @property
    def vectors(self) -> Tensor | None:
        """The stored weights of the teacher, if any: shape (seeds, parameters)."""
        return self.learner.state.get("teacher")  # type: ignore[no-any-return]

    def take(self) -> None:
        """Take the student's present weights as the teacher's."""
        self.learner.state["teacher"] = self.learner.model.snapshot()

    def begin(self) -> None:
        """Prepare for a task; called before its first step."""
        if self.source == "task_start" or (self.source == "ema" and self.vectors is None):
            self.take()

    def follow(self, i: int | None = None) -> None:
        """Move the average towards the student; at the first step the two are equal.

        `i` is the position of the seed of a language model; small networks move all at once.
        """
        if self.source == "ema" and i is None:
            self.learner.state["teacher"].lerp_(self.learner.model.snapshot(), self.rate)
        elif self.source == "ema":
            self.learner.state["teacher"][i].lerp_(self.learner.model.vector(i).cpu(), self.rate)

    def model(self, i: int) -> Any:
        """Return the language model that teaches seed i."""
        if self.source == "base":
            return self.learner.model.base
        if self.source == "student":
            return self.learner.model.models[i]
        return self.learner.model.holding(self.learner.state["teacher"][i])


class Teacher:
    """A language model that sees a context which the student does not.

    The context is ``"all"``, or one of `workbench.measure.completions.CONTEXTS`. `begin` sets
    `prompts`: ids and mask of the prompts with their context.
    """

    def __init__(self, weights: TeacherWeights, context: str = FULL_CONTEXT) -> None:
        if context not in (FULL_CONTEXT, *CONTEXTS):
            raise UnknownNameError("context", context, (FULL_CONTEXT, *CONTEXTS))
        self.weights, self.context = weights, context
        self._read: dict[int, PromptCache] = {}

    def begin(self, items: Sequence[Item], max_response_tokens: int) -> None:
        """Prepare to teach a skill; raise `ModelError` if a prompt and its response do not fit."""
        context = full_context(items) if self.context == FULL_CONTEXT else self.context
        models = self.weights.learner.model
        self.texts = prompts_for(models.tokenizer, items, context)
        self.prompts = encode(models.tokenizer, self.texts,
                              context_of(models.base) - max_response_tokens)
        self._read.clear()
        self.weights.begin()

    @torch.no_grad()
    def logits(self, i: int, indices: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits of responses to the items at `indices`: (n, tokens, vocabulary).

        `i` is the position of the seed; `ids` and `mask` (n, tokens) are the responses, padded on
        the right.
        """
        model = self.weights.model(i)
        # A teacher that stays the same through a skill reads its prompts once. Not without context:
        # the student may then be its equal, and a difference by rounding would give a gradient.
        if (self.weights.source in ("base", "task_start") and self.context != "none"
                and attends_to_all(model) and cache_bytes(model, self.prompts[0]) <= MOST_BYTES):
            key = i if self.weights.source == "task_start" else 0  # seeds share the base
            if key not in self._read:
                self._read[key] = PromptCache(model, *self.prompts)
            return self._read[key].select(indices).logits(ids, mask)
        # Computed exactly as the student's, so that equal models have equal logits.
        return PromptCache(model, *take_prompts(self.prompts, indices)).logits(ids, mask)
