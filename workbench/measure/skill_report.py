"""Accuracy of a language model by skill, retention, and KL to its base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, UndefinedMetricError, texts
from workbench.measure.completions import Completions, complete, rates_of
from workbench.measure.drift import Drift
from workbench.tasks import Item, spread
from workbench.tasks.text import load_new_and_old

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def assess(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_skills: Sequence[str],
           base: PreTrainedModel | None = None, split: str = "test", most: int = 0,
           old_skills: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure a model's greedy responses without context.

    Parameters
    ----------
    new_skills : sequence of str
        Skills the model was trained on: names of shipped skills, or JSON Lines files.
    base : PreTrainedModel, optional
        The model before training; without it no KL is measured.
    most : int
        Most items of each skill in the split; 0 takes all.
    old_skills : sequence of str, optional
        Skills the model knew before; the default is that of
        `workbench.tasks.text.load_new_and_old`.

    Returns
    -------
    dict
        ``skills``, and ``families`` of old skills: see `workbench.measure.completions.rates_of`.
        ``kl_to_base``: KL(base || model) in nats a response, on ``new`` and ``old`` prompts; None
        where it cannot be measured.

    Raises
    ------
    ConfigError
        If a skill has no items in the split.
    """
    new_skills = texts("new_skills", new_skills)
    skills: dict[str, Any] = {}
    families: dict[str, list[Completions]] = {}
    prompts: dict[str, list[Item]] = {"new": [], "old": []}
    new, old = load_new_and_old(new_skills, old_skills)
    for skill, all_items in (new | old).items():
        items = spread([item for item in all_items if item.split == split], most)
        if not items:
            raise ConfigError(f"{skill} has no items in the split {split!r}")
        completions = complete(model, tokenizer, items)
        prompts["new" if skill in new_skills else "old"] += spread(items, 48)
        skills[skill] = {"new": skill in new_skills, "family": items[0].family,
                         **completions.summary()}
        if skill not in new_skills:
            families.setdefault(items[0].family, []).append(completions)
    drift = {kind: Drift(base, tokenizer, items).of(model) if base is not None and items else None
             for kind, items in prompts.items()}
    return {"split": split, "skills": skills,
            "families": {family: rates_of(parts) for family, parts in families.items()},
            "kl_to_base": drift}


def retention(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    r"""Return the mean of accuracy after training over accuracy before it, shape (...).

    :math:`\frac1n\sum_j a_j/b_j` over the skills j that were known before (:math:`b_j>0`). It is
    relative because a skill known to 80 % can lose at most 80 points; it may be above 1.

    Parameters
    ----------
    before : array-like, shape (skills,)
        Accuracies before training.
    after : array-like, shape (..., skills)
        Accuracies later.

    Raises
    ------
    UndefinedMetricError
        If there are no old skills, or none of them was known.
    """
    b, a = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    known = b > 0
    if not known.any():
        raise UndefinedMetricError("retention needs an old skill that was known before: " + (
            "all accuracies before training are 0" if len(b) else "no old skills were tested"))
    return np.asarray((a[..., known] / b[known]).mean(-1))
