"""The gate that a model must pass before it is made its own teacher.

SDFT assumes that the model answers better when it is shown a demonstration. The gate measures that
on the items one would train on, with the controls that tell reading the demonstration from luck,
and fails closed: what cannot be measured does not pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.errors import GateError
from workbench.losses import kl_per_token
from workbench.measure.completions import Completions, complete, prompts_for
from workbench.models.encoding import context_of, encode, encode_responses
from workbench.models.logits import response_logits
from workbench.system.files import to_json
from workbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ITEMS = 96
"""How many items the gate looks at."""
FEWEST = 20
"""With fewer items the intervals are too wide to tell anything."""
LEAST_ACCURACY = 0.8
"""A teacher that is wrong more often than this allows teaches its mistakes."""
MOST_ARTEFACTS = 0.05
"""Share of the teacher's responses that may carry over how the demonstration was put."""


@dataclass(frozen=True)
class Condition:
    """One thing that has to hold."""

    claim: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class GateReport:
    """What the gate measured, and whether it is passed.

    Parameters
    ----------
    model, skill : str
        What was measured.
    n : int
        Items.
    context : dict
        Per context (see `workbench.measure.completions.CONTEXTS`) the rates of right answers, of
        the own style and of complete working, each with Wilson's 95 % interval.
    teacher_kl, target_kl : dict
        In nats, ``per_token`` and ``per_response``: how far the teacher's distribution is from the
        model's without context, along the teacher's responses; and the same for what SFT
        imitates, a distribution with all its mass on the demonstration's tokens, whose KL is
        their negative log-likelihood.
    artefacts : dict
        Shares of the teacher's responses that repeat three or more words of how demonstration or
        article were put (``copied``), and that are not in the model's own style
        (``foreign_style``; left out if the scorers do not know it).
    conditions : list of Condition
        All have to hold.
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
        """Whether every condition holds; with none there is nothing to pass on."""
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
                         + (f", own voice {100 * rates['own_style']['rate']:.1f} %"
                            if "own_style" in rates else ""))
        for c in self.conditions:
            lines.append(f"  [{'holds' if c.holds else 'FAILS'}] {c.claim}: {c.measured}")
        return "\n".join(lines)


def gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], *,
         name: str = "", max_new_tokens: int = 40) -> GateReport:
    """Measure whether a model can be its own teacher on some items.

    Parameters
    ----------
    model, tokenizer
        From `workbench.models.load_causal_lm`.
    items : sequence of Item
        Of one skill: those that one would train on.
    name : str
        Of the model, for the report.
    max_new_tokens : int
        Longest response.

    Returns
    -------
    GateReport
    """
    kinds = ["none", "own", "other", "random"]
    if all(item.article for item in items):
        kinds += ["article", "article+own"]
    answers = {kind: complete(model, tokenizer, items, kind, max_new_tokens=max_new_tokens)
               for kind in kinds}
    helped = "article+own" if "article+own" in kinds else "own"
    teacher = answers[helped]
    teacher_kl = teacher_drift(model, tokenizer, items, teacher)
    target_kl = demonstration_drift(model, tokenizer, items)
    texts = list(zip(teacher.samples.texts, items, strict=True))
    artefacts = {"copied": sum(copies_wrapping(text, item) for text, item in texts) / len(texts)}
    if teacher.own_style is not None:
        artefacts["foreign_style"] = float((~teacher.own_style).mean())
    context = {kind: given.summary() for kind, given in answers.items()}
    return GateReport(name, items[0].skill, len(items), context, teacher_kl, target_kl, artefacts,
                      judge(context, helped, teacher_kl, target_kl, artefacts, len(items)))


def judge(context: dict[str, Any], helped: str, teacher_kl: dict[str, float],
          target_kl: dict[str, float], artefacts: dict[str, float], n: int) -> list[Condition]:
    """Return the conditions of the gate; a comparison with NaN does not hold."""
    own, alone, other = (context[kind]["right"] for kind in (helped, "none", "other"))
    # Beside "other" stands "own", never an article: that would help whatever is demonstrated.
    matched = context["own"]["right"]

    def percent(rate: float) -> str:
        return f"{100 * rate:.1f} %"

    near, far = teacher_kl["per_response"], target_kl["per_response"]
    return [
        Condition(f"at least {FEWEST} items were measured", str(n), n >= FEWEST),
        Condition("the teacher is right more often than the student",
                  f"at least {percent(own['low'])} against at most {percent(alone['high'])}",
                  own["low"] > alone["high"]),
        Condition(f"the teacher is right at least {100 * LEAST_ACCURACY:.0f} % of the time",
                  percent(own["rate"]), own["rate"] >= LEAST_ACCURACY),
        Condition("its own demonstration helps and another item's does not",
                  f"at least {percent(matched['low'])} against at most {percent(other['high'])}",
                  matched["low"] > other["high"]),
        Condition("the teacher is nearer to the model than the demonstrations are",
                  f"{near:.2f} against {far:.2f} nats a response", near < far),
        Condition(f"at most {100 * MOST_ARTEFACTS:.0f} % of the teacher's responses repeat how the "
                  "demonstration was put", percent(artefacts["copied"]),
                  artefacts["copied"] <= MOST_ARTEFACTS),
    ]


def require(report: GateReport, force: bool = False) -> str:
    """Refuse to go on without a passed gate; forced, return the label that the run must carry.

    Returns
    -------
    str
        ``"gate passed"`` or ``"gate not passed, forced"``.

    Raises
    ------
    GateError
        If the gate is not passed and nothing was forced; the message names what failed.
    """
    if report.passed:
        return "gate passed"
    if force:
        return "gate not passed, forced"
    failed = "; ".join(f"{c.claim} ({c.measured})" for c in report.conditions if not c.holds)
    raise GateError(f"{report.model or 'the model'} cannot be its own teacher on {report.skill}: "
                    f"does not hold: {failed or 'nothing was measured'}. Use a larger model or an "
                    "easier demonstration; forced, a run goes on and is labelled as forced.")


@torch.no_grad()
def teacher_drift(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                  items: Sequence[Item], teacher: Completions) -> dict[str, float]:
    """Return KL(teacher || model without context) along the teacher's own responses, in nats."""
    said = teacher.samples
    alone = encode(tokenizer, prompts_for(tokenizer, items), context_of(model))
    each = []
    for rows in _chunks(len(items)):
        ids, mask = said.ids[rows], said.mask[rows]
        helped = response_logits(model, said.prompt_ids[rows], said.prompt_mask[rows], ids, mask)
        without = response_logits(model, alone[0][rows], alone[1][rows], ids, mask)
        each.append(kl_per_token(helped, without).cpu())
    return _averages(torch.cat(each), said.mask)


@torch.no_grad()
def demonstration_drift(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                        items: Sequence[Item]) -> dict[str, float]:
    """Return KL(all mass on the demonstration || model without context), in nats."""
    ids, mask = encode_responses(tokenizer, [item.demonstration for item in items],
                                 context_of(model))
    alone = encode(tokenizer, prompts_for(tokenizer, items), context_of(model))
    each = []
    for rows in _chunks(len(items)):
        logits = response_logits(model, alone[0][rows], alone[1][rows], ids[rows], mask[rows])
        each.append(torch.nn.functional.cross_entropy(logits.cpu().transpose(1, 2), ids[rows],
                                                      reduction="none"))
    return _averages(torch.cat(each), mask)


def _chunks(items: int, size: int = 16) -> Iterator[slice]:
    """Yield rows a few at a time: with 150,000 words in a vocabulary, logits fill the memory."""
    yield from (slice(start, start + size) for start in range(0, items, size))


def _averages(each: Tensor, mask: Tensor) -> dict[str, float]:
    total, tokens = float((each * mask).sum()), int(mask.sum())
    return {"per_token": total / tokens if tokens else math.nan, "per_response": total / len(mask)}


def copies_wrapping(response: str, item: Item) -> bool:
    """Whether a response repeats three words in a row of what stands around the answer.

    In the demonstration, or in the article where there is one.
    """
    response = " ".join(response.split())
    wrapping = (part for text in (item.demonstration, item.article)
                for part in re.split(re.escape(item.answer), text, flags=re.IGNORECASE))
    for part in wrapping:
        words = part.split()
        if any(f" {' '.join(words[i:i + 3])} " in f" {response} "
               for i in range(len(words) - 2)):
            return True
    return False
