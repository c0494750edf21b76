"""A model's responses to the items of a skill, with each kind of context, and their scores."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.errors import ConfigError, UnknownNameError
from workbench.measure.intervals import wilson_interval
from workbench.models.encoding import check_items_against
from workbench.models.prompts import make_prompt
from workbench.models.sampling import Samples, sample
from workbench.system.runtime import derive_seed
from workbench.tasks import Item, load_skill, scorer_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXTS = {
    "none": "the question alone: the student",
    "own": "the expert's demonstration of this very question: the teacher",
    "other": "the demonstration of another question of the skill, with a quite different answer",
    "random": "as many filler words as the demonstration has",
    "article": "the article that the answer can be read from",
    "article+own": "the article and the demonstration",
}
"""The possible texts in the prompt before the question."""


def contexts_of(items: Sequence[Item]) -> list[str]:
    """Return the contexts that items allow: those with an article only if all have one."""
    return [context for context in CONTEXTS if not context.startswith("article")
            or all(item.article for item in items)]


def full_context(items: Sequence[Item]) -> str:
    """Return the context with the demonstration and, if all items have one, the article."""
    return "article+own" if "article+own" in contexts_of(items) else "own"


def partners(items: Sequence[Item]) -> list[Item]:
    """Return for each item the item whose answer shares the fewest words with its answer.

    The demonstration of a similar item would be no control: it contains half of the answer. Raises
    `ConfigError` if no item has another answer.
    """
    words = [Counter(item.answer.split()) for item in items]
    controls = []
    for i, item in enumerate(items):
        after = [*range(i + 1, len(items)), *range(i)]
        others = [j for j in after if items[j].answer != item.answer]
        if not others:
            raise ConfigError(f"item {item.id!r} has no partner with another answer; give items "
                              "with at least two different answers")
        controls.append(items[min(others, key=lambda j: (words[i] & words[j]).total())])
    return controls


def prompts_for(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item],
                context: str = "none") -> list[str]:
    """Return the prompt for each item of a skill with one of `CONTEXTS`.

    The filler words of ``"random"`` are the same at each call.
    """
    if context not in CONTEXTS:
        raise UnknownNameError("context", context, CONTEXTS)
    if context not in contexts_of(items):
        raise ConfigError(f"context {context!r} needs items with an article; the skill has none")
    check_items_against(tokenizer, items)
    rng = random.Random(derive_seed(0, "random help"))
    prompts = []
    for item, shown in zip(items, partners(items) if context == "other" else items, strict=True):
        demonstration = "" if context in ("none", "article") else shown.demonstration
        if context == "random":
            answer = item.answer.lower().split()
            words = [word for word in scorer_of(item).filler if word not in answer]
            demonstration = " ".join(rng.choices(words, k=len(demonstration.split())))
        prompts.append(make_prompt(tokenizer, item.prompt, demonstration=demonstration,
                                   article=item.article if context.startswith("article") else ""))
    return prompts


@dataclass(frozen=True)
class Completions:
    """A model's responses to some items with one of `CONTEXTS`.

    For each item, `right` says whether the content is right, `own_style` whether the response is in
    the model's own style (None if the scorers do not know it), and `working` whether every step is
    shown (None if the items do not ask for steps).
    """

    context: str
    samples: Samples
    right: NDArray[np.bool_]
    own_style: NDArray[np.bool_] | None
    working: NDArray[np.bool_] | None

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    def summary(self) -> dict[str, object]:
        """Return the rates with Wilson's 95 % intervals as plain JSON types; see `rates_of`."""
        return rates_of([self])


def rates_of(parts: Sequence[Completions]) -> dict[str, object]:
    """Return the shares of ``right``, ``own_style`` and ``working`` with Wilson's 95 % intervals.

    A measure that is not known for all responses is left out.
    """
    rates: dict[str, object] = {"n": sum(len(part.right) for part in parts)}
    for name in ("right", "own_style", "working"):
        known = [values for part in parts if (values := getattr(part, name)) is not None]
        if len(known) == len(parts):
            values = np.concatenate(known)
            low, high = wilson_interval(int(values.sum()), len(values))
            rates[name] = {"rate": float(values.mean()), "low": low, "high": high}
    return rates


def known_values(values: Sequence[bool | None]) -> NDArray[np.bool_] | None:
    """Return values as an array, or None if one of them is not known."""
    return None if None in values else np.array(values, dtype=bool)


def complete(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item],
             context: str = "none", *, temperature: float = 0.0,
             rng: torch.Generator | None = None, max_new_tokens: int = 40) -> Completions:
    """Return a model's scored responses to items; see `prompts_for` and `sample`."""
    if not items:
        raise ConfigError("there are no items to answer; is the split empty?")
    samples = sample(model, tokenizer, prompts_for(tokenizer, items, context), rng=rng,
                     temperature=temperature, max_new_tokens=max_new_tokens)
    scored = list(zip(map(scorer_of, items), samples.texts, items, strict=True))
    return Completions(
        context, samples, np.array([scorer.right(text, item) for scorer, text, item in scored]),
        known_values([scorer.own_style(text) for scorer, text, _ in scored]),
        known_values([scorer.working(text, item) for scorer, text, item in scored]))


def abilities(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, known: Sequence[str],
              new: Sequence[str]) -> dict[str, dict[str, dict[str, object]]]:
    """Return the rates of greedy responses to test items, by skill and context.

    The skills `known` are asked only without context, the skills `new` with each context.
    """
    rates = {}
    for skill in (*known, *new):
        items = load_skill(skill, "test")
        rates[skill] = {context: complete(model, tokenizer, items, context).summary()
                        for context in (["none"] if skill in known else contexts_of(items))}
    return rates
