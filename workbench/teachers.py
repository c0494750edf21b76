"""Who is imitated: some weights, shown some help."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from workbench.answers import HELP, prompts_for
from workbench.errors import ConfigError, UnknownNameError
from workbench.models.encoding import context_of, encode
from workbench.models.language import LanguageModels, fill
from workbench.models.logits import (
    PromptCache,
    attends_to_all,
    cache_bytes,
    trim,
)
from workbench.tasks import Item

WEIGHTS = {
    "frozen": "the pretrained model's, throughout; with LoRA, the adapter switched off",
    "stage": "the student's as they were when the skill began",
    "ema": "a moving average of the student's, kept in float32",
    "live": "the student's own, as they are now",
}
"""Whose weights a teacher has."""

MOST_BYTES = 2**29
"""Beyond this, keeping the prompts costs more memory than reading them again costs time."""
ALL_HELP = "all"
"""The demonstration, after the article where the skill has one."""


class Teacher:
    r"""A model that answers with help what the student has to answer without.

    Parameters
    ----------
    models : LanguageModels
        The students.
    state : dict of str to Tensor
        The learner's; averages and copies are kept in it, and so are checkpointed.
    weights : str
        One of `WEIGHTS`.
    help : str
        ``"all"``, or one of `workbench.answers.HELP`.
    rate : float
        Of the average: after each step :math:`\phi \leftarrow (1-r)\,\phi + r\,\theta`. In
        bfloat16 such small steps are rounded away, which is why the average is kept in float32.
    """

    def __init__(self, models: LanguageModels, state: dict[str, Tensor], weights: str = "frozen",
                 help: str = ALL_HELP, rate: float = 0.02) -> None:
        if weights not in WEIGHTS:
            raise UnknownNameError("teacher", weights, WEIGHTS)
        if help not in (ALL_HELP, *HELP):
            raise UnknownNameError("help", help, (ALL_HELP, *HELP))
        if isinstance(rate, (bool, str)) or not 0 < rate <= 1:
            raise ConfigError(f"rate must be above 0 and at most 1, not {rate!r}")
        self.models, self.state, self.weights, self.help = models, state, weights, help
        self.rate = rate
        self._copy: Any = None
        self._read: dict[int, PromptCache] = {}

    def begin(self, items: Sequence[Item], room: int) -> None:
        """Prepare to teach some items.

        Parameters
        ----------
        items : sequence of Item
            Of one skill.
        room : int
            Tokens that a response may take.

        Raises
        ------
        ModelError
            If a prompt with its help leaves no room for the response: it is never cut.
        """
        help = self.help
        if help == ALL_HELP:
            help = "article+own" if all(item.article for item in items) else "own"
        tokenizer = self.models.tokenizer
        self.prompts = encode(tokenizer, prompts_for(tokenizer, items, help),
                              context_of(self.models.base) - room)
        self._read.clear()
        if self.weights == "stage" or (self.weights == "ema" and "teacher" not in self.state):
            self.state["teacher"] = torch.stack([self.models.vector(i).cpu()
                                                 for i in range(len(self.models.seeds))])

    def follow(self, i: int) -> None:
        """Move the average of one seed towards its student; to be called before each step.

        Before the first step the two are equal, so that calling it there changes nothing.
        """
        if self.weights == "ema":
            self.state["teacher"][i].lerp_(self.models.vector(i).cpu(), self.rate)

    @contextmanager
    def model(self, i: int) -> Iterator[Any]:
        """Give the model that teaches one seed."""
        if self.weights == "frozen":
            with self.models.pretrained(i) as base:
                yield base
        elif self.weights == "live":
            yield self.models.models[i]
        else:
            if self._copy is None:
                self._copy = copy.deepcopy(self.models.models[0])
            fill(self._copy, self.state["teacher"][i])
            yield self._copy

    @torch.no_grad()
    def logits(self, i: int, chosen: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what the teacher of one seed gives to each token of some responses.

        Parameters
        ----------
        i : int
            Which seed, by position.
        chosen : Tensor of int64, shape (n,)
            Which items the responses are to.
        ids, mask : Tensor of int64, shape (n, tokens)
            The responses, padded on the right.

        Returns
        -------
        Tensor of float32, shape (n, tokens, vocabulary)
            Without gradient.
        """
        with self.model(i) as model:
            if (self.keeps and attends_to_all(model)
                    and cache_bytes(model, self.prompts[0]) <= MOST_BYTES):
                # One for all seeds where they share a teacher.
                whose = i if self.weights == "stage" or self.models.lora_rank else 0
                if whose not in self._read:
                    self._read[whose] = PromptCache(model, *self.prompts)
                return self._read[whose].select(chosen).logits(ids, mask)
            # Computed as the student's are: where both are equal, so are their logits, to the bit.
            return PromptCache(model, *take_prompts(self.prompts, chosen)).logits(ids, mask)

    @property
    def keeps(self) -> bool:
        """Whether to read the prompts once: for a teacher that stays the same through a skill.

        Not without help: there the student may be its equal, and what differs by rounding alone
        would be a slope to follow.
        """
        return self.weights in ("frozen", "stage") and self.help != "none"


def take_prompts(prompts: tuple[Tensor, Tensor], chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return some prompts with the padding on the left that they all have cut off."""
    return trim(*(part[chosen] for part in prompts))
