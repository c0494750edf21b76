"""What a model can do, skill by skill, how much it kept, and how far it is from its base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ConfigError, UndefinedMetricError, texts
from workbench.measure.completions import Completions, complete, rates_of
from workbench.measure.drift import Drift
from workbench.tasks import spread
from workbench.tasks.text import load_new_and_old

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def assess(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_skills: Sequence[str],
           base: PreTrainedModel | None = None, split: str = "test", most: int = 0,
           old_skills: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure a model without context, greedily.

    Parameters
    ----------
    model, tokenizer
        The model.
    new_skills : sequence of str
        What it has been taught: skills of the village, or JSON Lines files.
    base : PreTrainedModel, optional
        What it was made from; without it no KL is measured.
    split : {"train", "validation", "test"}
        Whose items.
    most : int
        So many items of each skill at most; 0 takes all.
    old_skills : sequence of str, optional
        What it knew before; by default as `workbench.tasks.text.load_new_and_old` has it.

    Returns
    -------
    dict
        ``skills``, and ``families`` of old skills: counts and rates with Wilson's 95 % intervals
        of right answers, and, where they are known, of the model's own style and of complete
        working. ``kl_to_base``: KL(base || model) in nats a response, on ``new`` and ``old``
        prompts; None where it cannot be measured.

    Raises
    ------
    ConfigError
        If a skill has no items in the split.
    """
    new_skills = texts("new_skills", new_skills)
    skills: dict[str, Any] = {}
    families: dict[str, list[Completions]] = {}
    asked = {}
    new, old = load_new_and_old(new_skills, old_skills)
    for skill, whole in (new | old).items():
        items = spread([item for item in whole if item.split == split], most)
        if not items:
            raise ConfigError(f"{skill} has no items in the split {split!r}")
        given = complete(model, tokenizer, items)
        asked[skill] = items
        skills[skill] = {"new": skill in new_skills, "family": items[0].family, **given.summary()}
        if skill not in new_skills:
            families.setdefault(items[0].family, []).append(given)
    drift: dict[str, float | None] = {"new": None, "old": None}
    if base is not None:
        for name in drift:
            pooled = [item for skill, items in asked.items()
                      if (skill in new_skills) == (name == "new") for item in spread(items, 48)]
            if pooled:
                drift[name] = Drift(base, tokenizer, pooled).of(model)
    return {"split": split, "skills": skills,
            "families": {family: rates_of(each) for family, each in families.items()},
            "kl_to_base": drift}


def retention(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    r"""Return how much of what was known is still known: the mean of after over before.

    :math:`\frac1n\sum_j a_j/b_j` over the skills j that were known at all (:math:`b_j>0`); above 1
    where a skill has improved. Relative, since a skill known to 80 % can only lose so much.

    Parameters
    ----------
    before : array-like, shape (skills,)
        Accuracies before training.
    after : array-like, shape (..., skills)
        Accuracies later.

    Returns
    -------
    ndarray, shape (...)

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
