"""The gate that a model must pass before it is made its own teacher.

SDFT assumes that the model answers better when it sees a demonstration. The gate measures this on
training items, with controls that distinguish reading the demonstration from luck. A value that
cannot be measured does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.errors import GateError
from workbench.losses import kl_per_token
from workbench.measure.completions import complete, contexts_of, full_context
from workbench.models import Samples
from workbench.models.encoding import context_of, encode_responses
from workbench.models.logits import response_logits
from workbench.system.files import to_json
from workbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ITEMS = 96
"""Number of items that the gate measures."""
FEWEST = 20
"""With fewer items the intervals are too wide for a conclusion."""
LEAST_ACCURACY = 0.8
"""A teacher with a lower accuracy teaches its mistakes."""
MOST_ARTEFACTS = 0.05
"""Largest share of the teacher's responses that may repeat the wording of the demonstration."""
SIGNS = ".,;:?!\"'()"
"""Signs that may stand around a word."""
AT_A_TIME = 16
"""Responses compared at once: logits over 150,000 tokens for all of them would fill the memory."""


@dataclass(frozen=True)
class Condition:
    """A claim of the gate, the measured values, and whether the claim holds."""

    claim: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class GateReport:
    """The measurements of the gate on `n` items, and whether it is passed.

    `context` has the rates of `Completions.summary` for each of
    `workbench.measure.completions.CONTEXTS`. `teacher_kl` and `target_kl` are the `distance` of the
    teacher, and of the target of SFT, from the model without context. `artefacts` are shares of the
    teacher's responses: those that repeat three or more words in a row of the wording of
    demonstration or article (``copied``), and those that are not in the model's own style
    (``foreign_style``; left out if the scorers do not know it). All `conditions` have to hold.
    """

    model: str
    skill: str
    n: int
    context: dict[str, Any]
    teacher_kl: dict[str, float]
    target_kl: dict[str, float]
    artefacts: dict[str, float]
    conditions: list[Condition]

    @property
    def passed(self) -> bool:
        """Whether there are conditions and every one holds."""
        return bool(self.conditions) and all(condition.holds for condition in self.conditions)

    def to_json(self) -> str:
        """Return the report as strict JSON; a number that is undefined becomes null."""
        return to_json({"passed": self.passed, **asdict(self)})

    def __str__(self) -> str:
        lines = [f"{self.model} on {self.skill}, {self.n} items: "
                 f"the gate is {'passed' if self.passed else 'NOT passed'}"]
        for name, rates in self.context.items():
            right = rates["right"]
            lines.append(f"  right with {name + ' ':.<14s} {100 * right['rate']:5.1f} %  "
                         f"({100 * right['low']:.1f} to {100 * right['high']:.1f})"
                         + (f", own style {100 * rates['own_style']['rate']:.1f} %"
                            if "own_style" in rates else ""))
        for c in self.conditions:
            lines.append(f"  [{'holds' if c.holds else 'FAILS'}] {c.claim}: {c.measured}")
        return "\n".join(lines)


def gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], *,
         name: str = "", max_new_tokens: int = 40) -> GateReport:
    """Measure whether a model can be its own teacher on training items of one skill.

    `name` is the name of the model in the report. Responses are greedy, with at most
    `max_new_tokens` tokens.
    """
    answers = {kind: complete(model, tokenizer, items, kind, max_new_tokens=max_new_tokens)
               for kind in contexts_of(items)}
    helped = full_context(items)
    teacher, alone = answers[helped], answers["none"].samples
    teacher_kl = distance(model, alone, teacher.samples.ids, teacher.samples.mask, teacher.samples)
    target_kl = distance(model, alone, *encode_responses(
        tokenizer, [item.demonstration for item in items], context_of(model)))
    artefacts = {"copied": sum(map(copies_wrapping, teacher.samples.texts, items)) / len(items)}
    if teacher.own_style is not None:
        artefacts["foreign_style"] = float((~teacher.own_style).mean())
    context = {kind: completions.summary() for kind, completions in answers.items()}
    return GateReport(name, items[0].skill, len(items), context, teacher_kl, target_kl, artefacts,
                      judge(context, helped, teacher_kl, target_kl, artefacts, len(items)))


def judge(context: dict[str, Any], helped: str, teacher_kl: dict[str, float],
          target_kl: dict[str, float], artefacts: dict[str, float], n: int) -> list[Condition]:
    """Return the conditions of the gate; a comparison with NaN does not hold."""
    own, alone, other = (context[kind]["right"] for kind in (helped, "none", "other"))
    # "other" is compared with "own": an article would help with any demonstration.
    matched = context["own"]["right"]

    def percent(rate: float) -> str:
        return f"{100 * rate:.1f} %"

    def ends(above: dict[str, float], below: dict[str, float]) -> str:
        return f"lower end {percent(above['low'])}, upper end {percent(below['high'])}"

    near, far = teacher_kl["per_response"], target_kl["per_response"]
    return [
        Condition(f"at least {FEWEST} items were measured", str(n), n >= FEWEST),
        Condition("the teacher is right more often than the student", ends(own, alone),
                  own["low"] > alone["high"]),
        Condition(f"the teacher is right at least {100 * LEAST_ACCURACY:.0f} % of the time",
                  percent(own["rate"]), own["rate"] >= LEAST_ACCURACY),
        Condition("an item's own demonstration beats another item's", ends(matched, other),
                  matched["low"] > other["high"]),
        Condition("the teacher is closer to the student than the demonstrations are",
                  f"{near:.2f} and {far:.2f} nats", near < far),
        Condition(f"at most {100 * MOST_ARTEFACTS:.0f} % of the teacher's responses repeat the "
                  "wording of the demonstration", percent(artefacts["copied"]),
                  artefacts["copied"] <= MOST_ARTEFACTS),
    ]


def require(report: GateReport, force: bool = False) -> str:
    """Return the label of a run: ``"gate passed"`` or ``"gate not passed, forced"``.

    Raises `GateError`, with the failed conditions, if the gate is not passed and not forced.
    """
    if report.passed:
        return "gate passed"
    if force:
        return "gate not passed, forced"
    failed = "; ".join(f"({i}) {c.claim}: {c.measured}" for i, c in enumerate(
        (c for c in report.conditions if not c.holds), 1))
    raise GateError(f"{report.model or 'the model'} cannot be its own teacher on {report.skill}. "
                    f"Conditions that fail: {failed or 'nothing was measured'}. Use a larger model "
                    "or an easier demonstration; with force, a run goes on and is labelled as "
                    "forced.")


@torch.no_grad()
def distance(model: PreTrainedModel, alone: Samples, ids: Tensor, mask: Tensor,
             teacher: Samples | None = None) -> dict[str, float]:
    """Return the KL in nats, ``per_token`` and ``per_response``, along responses (n, tokens).

    It is the KL from the model with the teacher's prompts to the model with the prompts of `alone`.
    Without a teacher, it is the KL from the target of SFT, which gives the tokens of the responses
    a probability of 1: their negative log-likelihood.
    """
    kl = []
    for rows in torch.arange(len(ids)).split(AT_A_TIME):
        response = ids[rows], mask[rows]
        without = response_logits(model, alone.prompt_ids[rows], alone.prompt_mask[rows], *response)
        if teacher is None:
            kl.append(functional.cross_entropy(without.cpu().transpose(1, 2), ids[rows],
                                               reduction="none"))
        else:
            shown = response_logits(model, teacher.prompt_ids[rows], teacher.prompt_mask[rows],
                                    *response)
            kl.append(kl_per_token(shown, without).cpu())
    total = float((torch.cat(kl) * mask).sum())
    return {"per_token": total / int(mask.sum()), "per_response": total / len(mask)}


def copies_wrapping(response: str, item: Item) -> bool:
    """Return whether a response repeats three words in a row of the text around the answer.

    That text is the rest of the demonstration and, if there is one, of the article. Words in a row
    that the question has too are no sign of copying: an answer may take them from there.
    """
    response, question = (f" {' '.join(plain_words(text))} " for text in (response, item.prompt))
    parts = (plain_words(part) for text in (item.demonstration, item.article)
             for part in re.split(re.escape(item.answer), text, flags=re.IGNORECASE))
    runs = (f" {' '.join(words[i:i + 3])} " for words in parts for i in range(len(words) - 2))
    return any(run in response and run not in question for run in runs)


def plain_words(text: str) -> list[str]:
    """Return the words of a text without signs around them."""
    return [plain for word in text.split() if (plain := word.strip(SIGNS))]
