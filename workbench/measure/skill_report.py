"""Accuracy of a language model by skill, retention, and KL to its base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, UndefinedMetricError, texts
from workbench.measure.comparison import Drift
from workbench.measure.completions import Completions, complete, rates_of
from workbench.tasks import Item, spread
from workbench.tasks.text import load_new_and_old

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def assess(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_skills: Sequence[str],
           base: PreTrainedModel | None = None, split: str = "test", most: int = 0,
           old_skills: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what a model knows, from its greedy responses without context.

    The skills, `new_skills` (on which the model was trained) and `old_skills` (see
    `load_new_and_old`), are names of shipped skills or JSON Lines files; at most `most` items of
    each are asked, or all if it is 0. The report has the rates of `rates_of` for all ``skills``,
    and for ``families`` of old ones. Its ``kl_to_base`` is KL(base || model) in nats a response on
    ``new`` and ``old`` prompts, None where there is no base or no prompt. Raises `ConfigError` if a
    skill has no items in the split.
    """
    skills: dict[str, Any] = {}
    families: dict[str, list[Completions]] = {}
    prompts: dict[str, list[Item]] = {"new": [], "old": []}
    new, old = load_new_and_old(texts("new_skills", new_skills), old_skills)
    for skill, all_items in (new | old).items():
        items = spread([item for item in all_items if item.split == split], most)
        if not items:
            raise ConfigError(f"{skill} has no items in the split {split!r}")
        completions = complete(model, tokenizer, items)
        family = items[0].family
        skills[skill] = {"new": skill in new, "family": family, **completions.summary()}
        prompts["new" if skill in new else "old"] += spread(items, 48)
        if skill not in new:
            families.setdefault(family, []).append(completions)
    drift = {kind: Drift(base, tokenizer, items).of(model) if base is not None and items else None
             for kind, items in prompts.items()}
    return {"split": split, "skills": skills,
            "families": {family: rates_of(parts) for family, parts in families.items()},
            "kl_to_base": drift}


def retention(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    r"""Return the mean of accuracy after training over accuracy before it, shape (...).

    :math:`\frac1n\sum_j a_j/b_j` over the skills j that were known before (:math:`b_j>0`). It is
    relative because a skill known to 80 % can lose at most 80 points; it may be above 1. Raises
    `UndefinedMetricError` if no old skill was known.
    """
    b, a = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    known = b > 0
    if not known.any():
        raise UndefinedMetricError("retention needs an old skill that was known before: " + (
            "all accuracies before training are 0" if len(b) else "no old skills were tested"))
    return np.asarray((a[..., known] / b[known]).mean(-1))
