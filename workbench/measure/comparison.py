"""Comparisons of language models: a student with its teacher, and a trained model with its base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn.functional import cross_entropy

from workbench.errors import ConfigError, UndefinedMetricError, texts
from workbench.losses import divergence, kl_per_token
from workbench.measure.completions import Completions, complete, prompts_for, rates_of
from workbench.models import make_prompt, sample
from workbench.models.encoding import NO_LIMIT, encode
from workbench.models.logits import response_logits
from workbench.system.runtime import generator
from workbench.tasks import Item, spread
from workbench.tasks.text import load_new_and_old

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_A_TIME = 32
"""Responses compared at once: logits over a large vocabulary for all would take gigabytes."""


@dataclass(frozen=True)
class Comparison:
    """A response, and the distributions of student and teacher at each of its tokens.

    `words` are its tokens, the end token included. `loss` (tokens,) is the divergence at each
    token, in nats: the loss of SDFT there. `student` and `teacher` (tokens, vocabulary) are
    probabilities. `answers` has the responses of ``student`` and ``teacher``.
    """

    words: list[str]
    loss: NDArray[np.float32]
    student: NDArray[np.float32]
    teacher: NDArray[np.float32]
    answers: dict[str, str]


@torch.no_grad()
def compare(student: PreTrainedModel, teacher: PreTrainedModel,
            tokenizer: PreTrainedTokenizerBase, question: str, demonstration: str = "",
            article: str = "", *, along: str = "teacher", direction: str = "forward",
            seed: int = 0) -> Comparison:
    """Compare a student without context and a teacher with it, along a response of one of them.

    The two may be the same model. `along` chooses the response: the greedy one of the ``"teacher"``
    or the ``"student"``, or a ``"sample"`` of the student at temperature 1 with `seed`, as in
    training. `direction` is one of `workbench.losses.DIRECTIONS`.
    """
    asked = {"student": (student, make_prompt(tokenizer, question)),
             "teacher": (teacher, make_prompt(tokenizer, question, demonstration=demonstration,
                                              article=article))}
    samples = {name: sample(model, tokenizer, [prompt], rng=torch.Generator().manual_seed(seed),
                            temperature=float(name == "student" and along == "sample"))
               for name, (model, prompt) in asked.items()}
    response = samples["teacher" if along == "teacher" else "student"]
    logits = {name: response_logits(model, samples[name].prompt_ids, samples[name].prompt_mask,
                                    response.ids, response.mask)[0].cpu()
              for name, (model, _) in asked.items()}
    # Rounding can make a divergence of 0 negative.
    loss = divergence(logits["student"], logits["teacher"], direction).clamp_min(0)
    return Comparison(
        list(tokenizer.convert_ids_to_tokens(response.ids[0].tolist())), loss.numpy(),
        logits["student"].softmax(-1).numpy(), logits["teacher"].softmax(-1).numpy(),
        {name: own.texts[0] for name, own in samples.items()})


class Drift:
    """Measures how far models are from the pretrained one, along its samples.

    The samples are responses of `base` to the questions of `items`, without context.
    """

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 items: Sequence[Item], max_new_tokens: int = 40) -> None:
        own = sample(base, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                     rng=generator(0, "drift"), max_new_tokens=max_new_tokens)
        self.base, self.samples = base, (own.prompt_ids, own.prompt_mask, own.ids, own.mask)

    @torch.no_grad()
    def of(self, model: PreTrainedModel) -> float:
        """Return KL(pretrained || model) along the pretrained model's samples, nats a response."""
        total = 0.0
        for part in zip(*(tensor.split(AT_A_TIME) for tensor in self.samples), strict=True):
            kl = kl_per_token(response_logits(self.base, *part), response_logits(model, *part))
            total += float((kl.cpu() * part[-1]).sum())
        return total / len(self.samples[0])


@torch.no_grad()
def perplexity(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str,
               window: int = 256) -> float:
    r"""Return the perplexity of a text, :math:`\exp(-\frac1n\sum_t \log p(x_t|x_{<t}))`.

    The text is read in parts of `window` tokens, each after the end token alone. Raises
    `ModelError` if the tokenizer does not know a word of it.
    """
    ids, _ = encode(tokenizer, [text], NO_LIMIT, "text")
    start = torch.tensor([[tokenizer.eos_token_id]])
    total = 0.0
    for part in ids.split(window, 1):
        logits = response_logits(model, start, torch.ones_like(start), part, torch.ones_like(part))
        total += float(cross_entropy(logits[0].cpu(), part[0], reduction="sum"))
    return float(np.exp(total / ids.shape[1]))


def assess(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_skills: Sequence[str],
           base: PreTrainedModel | None = None, split: str = "test", most: int = 0,
           old_skills: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a model's accuracy on each skill, from its greedy responses without context.

    The skills, `new_skills` (on which the model was trained) and `old_skills` (see
    `load_new_and_old`), are names of shipped skills or JSON Lines files; at most `most` items of
    each are used, or all if `most` is 0. The report has the rates of `rates_of` for all ``skills``,
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
    return {"split": split, "skills": skills,
            "families": {family: rates_of(parts) for family, parts in families.items()},
            "kl_to_base": {kind: Drift(base, tokenizer, items).of(model)
                           if base is not None and items else None
                           for kind, items in prompts.items()}}


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
