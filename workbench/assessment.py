"""What a model can do, skill by skill, how much it kept, and how far it is from its base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.answers import Answers, answer
from workbench.diagnostics import Drift
from workbench.errors import UndefinedMetricError, texts
from workbench.intervals import wilson_interval
from workbench.tasks import KNOWN_SKILLS, load_skill, spread

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def assess(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_skills: Sequence[str],
           base: PreTrainedModel | None = None, split: str = "test",
           most: int = 0) -> dict[str, Any]:
    """Measure a model without help, greedily.

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

    Returns
    -------
    dict
        ``skills``, and ``families`` of known skills: counts and rates with Wilson's 95 % intervals
        of right answers, of the own voice and of complete working. ``kl_to_base``: KL(base ||
        model) in nats a response, on ``new`` and ``old`` prompts; None where it cannot be
        measured.
    """
    new_skills = texts("new_skills", new_skills)
    skills: dict[str, Any] = {}
    families: dict[str, list[Answers]] = {}
    asked = {}
    for skill in (*new_skills, *(known for known in KNOWN_SKILLS if known not in new_skills)):
        items = spread(load_skill(skill, split), most)
        given = answer(model, tokenizer, items)
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
            "families": {family: _pooled(each) for family, each in families.items()},
            "kl_to_base": drift}


def _pooled(each: Sequence[Answers]) -> dict[str, Any]:
    rates: dict[str, Any] = {"n": sum(len(given.right) for given in each)}
    for name in ("right", "own_voice", "working"):
        values = np.concatenate([getattr(given, name) for given in each])
        low, high = wilson_interval(int(values.sum()), len(values))
        rates[name] = {"rate": float(values.mean()), "low": low, "high": high}
    return rates


def share_kept(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
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
        If no skill was known.
    """
    b, a = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    known = b > 0
    if not known.any():
        raise UndefinedMetricError("the share kept needs a skill that was known before: all "
                                   "accuracies before training are 0")
    return np.asarray((a[..., known] / b[known]).mean(-1))
