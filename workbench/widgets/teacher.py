"""`TeacherExplorer`: put a demonstration into the prompt and see the distribution move."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from workbench.answers import partners
from workbench.language_plots import plot_next_token, plot_token_kl
from workbench.losses import kl_per_token
from workbench.models.encoding import context_of, encode
from workbench.models.logits import response_logits
from workbench.models.prompts import make_prompt
from workbench.models.sampling import sample
from workbench.runtime import threads
from workbench.tasks import Item
from workbench.widgets.view import View, choice, row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 40
HELPS = {"its own demonstration": "own", "another item's demonstration": "other",
         "its article": "article", "nothing": "none", "what I write": "free"}


@dataclass(frozen=True)
class Comparison:
    """A response, and what student and teacher gave to each of its tokens.

    Parameters
    ----------
    words : list of str
        Its tokens.
    kl : ndarray, shape (tokens,)
        KL(teacher || student) in nats.
    student, teacher : ndarray, shape (tokens, vocabulary)
        Probabilities.
    answers : dict of str to str
        What each of the two says when asked.
    """

    words: list[str]
    kl: NDArray[np.float32]
    student: NDArray[np.float32]
    teacher: NDArray[np.float32]
    answers: dict[str, str]


def compare(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, question: str,
            demonstration: str = "", article: str = "", along: str = "teacher") -> Comparison:
    """Ask a model with and without help, and compare the two along the response of one of them.

    Parameters
    ----------
    model, tokenizer
        From `workbench.models.load_causal_lm`.
    question, demonstration, article : str
        See `workbench.models.make_prompt`.
    along : {"teacher", "student"}
        Whose response the distributions are compared along.
    """
    prompts = {"student": make_prompt(tokenizer, question),
               "teacher": make_prompt(tokenizer, question, demonstration=demonstration,
                                      article=article)}
    said = {name: sample(model, tokenizer, [prompt], max_new_tokens=LONGEST)
            for name, prompt in prompts.items()}
    response = said[along]
    logits = {}
    with torch.no_grad():
        for name, prompt in prompts.items():
            ids, mask = encode(tokenizer, [prompt], context_of(model))
            logits[name] = response_logits(model, ids, mask, response.ids, response.mask)[0].cpu()
    words = list(tokenizer.convert_ids_to_tokens(response.ids[0].tolist()))
    kl = kl_per_token(logits["teacher"], logits["student"]).clamp_min(0)  # no -0.00 by rounding
    return Comparison(
        words, kl.numpy(),
        logits["student"].softmax(-1).numpy(), logits["teacher"].softmax(-1).numpy(),
        {name: each.texts[0] for name, each in said.items()})


class TeacherExplorer(View):
    """One question, the same weights asked twice: alone, and with help in the prompt.

    Question, demonstration and article can be edited, and text can be dragged into them. Above are
    the tokens of the response, coloured by KL(teacher || student); below, what both would say at
    the chosen position.

    Parameters
    ----------
    model, tokenizer
        From `workbench.models.load_causal_lm`.
    skills : mapping of str to sequence of Item
        Questions to start from, by skill.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 skills: Mapping[str, Sequence[Item]]) -> None:
        super().__init__()
        self.model, self.tokenizer, self.skills = model, tokenizer, dict(skills)
        self._filling = False
        self._seen: tuple[tuple[str, ...], Comparison] | None = None
        wide = w.Layout(width="98%")
        style = {"description_width": "110px"}
        self.skill = choice("skill", list(self.skills))
        self.item = w.BoundedIntText(value=0, min=0, max=0, description="item",
                                     layout=w.Layout(width="160px"))
        self.help = choice("shown in the prompt", list(HELPS))
        self.along = choice("compare along", ["teacher's response", "student's response"])
        self.question = w.Text(description="question", layout=wide, style=style,
                               continuous_update=False)
        self.demonstration = w.Textarea(description="demonstration", layout=wide, style=style,
                                        continuous_update=False, rows=1)
        self.article = w.Textarea(description="article", layout=wide, style=style,
                                  continuous_update=False, rows=2)
        self.position = w.IntSlider(value=1, min=1, max=1, description="position",
                                    continuous_update=False)
        self.said = w.HTML()
        for control in (self.skill, self.item, self.help):
            control.observe(self._fill, "value")
        for control in (self.question, self.demonstration, self.article):
            control.observe(self._edited, "value")
        for control in (self.along, self.position):
            control.observe(self.redraw, "value")
        self.root.children = [row(self.skill, self.item, self.help), self.question,
                              self.demonstration, self.article, row(self.along, self.position),
                              self.said, self.image, self.words, self.trouble]
        self._fill()

    def _fill(self, *_: object) -> None:
        """Put the chosen item and help into the boxes."""
        if self._filling:
            return
        items = self.skills[self.skill.value]
        kind = HELPS[self.help.value]
        self._filling = True
        try:
            self.item.max = len(items) - 1
            item = items[min(self.item.value, len(items) - 1)]
            self.question.value = item.prompt
            if kind != "free":
                self.demonstration.value = "" if kind not in ("own", "other") else (
                    item if kind == "own" else partners(items)[items.index(item)]).demonstration
                self.article.value = item.article if kind == "article" else ""
        except Exception as fault:
            self.complain(fault)
            return
        finally:
            self._filling = False
        self.redraw()
        if not self.trouble.value:  # to where the two differ most
            self.position.value = int(self.comparison().kl.argmax()) + 1

    def _edited(self, *_: object) -> None:
        if not self._filling:
            self.redraw()

    def comparison(self) -> Comparison:
        """Return the comparison for what stands in the boxes; made anew when they change."""
        asked = (self.question.value.strip(), self.demonstration.value.strip(),
                 self.article.value.strip(), self.along.value.split("'")[0])
        if self._seen is None or self._seen[0] != asked:
            with threads(1):
                self._seen = (asked, compare(self.model, self.tokenizer, *asked))
        return self._seen[1]

    def redraw(self, *_: object) -> None:
        """Draw again, with the position kept inside the response."""
        if self._filling:
            return
        try:
            found = self.comparison()
        except Exception as fault:
            self.complain(fault)
            return
        self._filling = True
        self.position.max = len(found.words)
        self._filling = False
        self.said.value = (f"<p>student: <b>{html.escape(found.answers['student'])}</b><br>"
                           f"teacher: <b>{html.escape(found.answers['teacher'])}</b></p>")
        super().redraw()

    def figure(self) -> Figure:
        """Return the response coloured by KL, and both distributions at the chosen position."""
        found = self.comparison()
        at = min(self.position.value, len(found.words)) - 1
        figure = Figure(figsize=(9.5, 4.6))
        halves: Any = figure.subfigures(2, 1, height_ratios=[1, 1.6])
        above, below = halves
        whose = self.along.value.split("'")[0]
        plot_token_kl(found.words, found.kl, above.subplots(), at,
                      f"The {whose}'s response, coloured by KL(teacher || student) in nats")
        before = " ".join(found.words[:at])
        plot_next_token(before, {"student": self._top(found.student[at]),
                                 "teacher": self._top(found.teacher[at])}, below.subplots(1, 2))
        return figure

    def table(self) -> pd.DataFrame:
        """Return per token of the response its KL and each side's likeliest word."""
        found = self.comparison()
        rows: list[dict[str, Any]] = []
        for word, kl, student, teacher in zip(found.words, found.kl, found.student, found.teacher,
                                              strict=True):
            rows.append({"token": word, "KL (nats)": round(float(kl), 2),
                         "student": self._best(student), "teacher": self._best(teacher)})
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="position"))

    def _top(self, probabilities: NDArray[np.float32], count: int = 5) -> dict[str, float]:
        best = np.argsort(-probabilities)[:count]
        return {str(word): float(probabilities[i]) for i, word in
                zip(best, self.tokenizer.convert_ids_to_tokens(best.tolist()), strict=True)}

    def _best(self, probabilities: NDArray[np.float32]) -> str:
        word, p = next(iter(self._top(probabilities, 1).items()))
        return f"{word} {100 * p:.0f} %"
