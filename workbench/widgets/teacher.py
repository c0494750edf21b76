"""`TeacherExplorer`: put a demonstration into the prompt and see the distribution move."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from workbench.errors import ConfigError
from workbench.losses import DIRECTIONS
from workbench.measure.comparison import Comparison, compare
from workbench.measure.completions import partners
from workbench.models import respell
from workbench.models.encoding import unknown_words
from workbench.plots.tokens import plot_next_token, plot_token_kl
from workbench.system.runtime import threads
from workbench.tasks import Item
from workbench.widgets.view import View, choice, row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHOWN = 5
CONTEXTS = {"the item's own demonstration": "own", "another item's demonstration": "other",
            "the item's article": "article",
            "the item's article and demonstration": "article+own",
            "nothing": "none", "what I write": "free"}
RESPONSES = {"teacher's response": "teacher", "student's response": "student",
             "sample of the student": "sample"}


class TeacherExplorer(View):
    """Compare a student with a teacher that has more in its prompt, on one question.

    Question, demonstration and article can be edited. A tokenizer without capital letters gets
    them in its own spelling (`workbench.models.respell`); the line below a box says what was asked,
    or which words the model does not know. The upper figure shows the tokens of the response,
    coloured by the divergence of teacher and student; the lower one the likeliest next tokens of
    both at the chosen position.

    Parameters
    ----------
    model, tokenizer
        From `workbench.models.load_causal_lm`; the teacher, and by default also the student.
    skills : mapping of str to sequence of Item
        Items to choose from, by skill; at least one skill, and one item of each.
    students : mapping of str to PreTrainedModel, optional
        Students to choose from, such as before and after training. The widget then also offers a
        sampled response and the direction of the divergence, as in training.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 skills: Mapping[str, Sequence[Item]],
                 students: Mapping[str, PreTrainedModel] | None = None) -> None:
        super().__init__()
        self.model, self.tokenizer, self.skills = model, tokenizer, dict(skills)
        self.students = {"the same model": model} if students is None else dict(students)
        if not self.students or not self.skills or not all(self.skills.values()):
            raise ConfigError("TeacherExplorer needs at least one student and one skill, and at "
                              "least one item of each skill")
        self._filling = False
        self._seen: dict[tuple[Any, ...], Comparison] = {}
        wide, narrow = w.Layout(width="98%"), w.Layout(width="160px")
        style = {"description_width": "110px"}
        self.skill = choice("skill", list(self.skills))
        self.item = w.BoundedIntText(value=0, min=0, max=0, description="item", layout=narrow)
        self.context = choice("shown in the prompt", list(CONTEXTS))
        along = list(RESPONSES) if students else list(RESPONSES)[:2]
        self.along = choice("compare along", along, along[-1 if students else 0])
        self.student = choice("student", list(self.students))
        self.seed = w.BoundedIntText(value=0, min=0, max=9999, description="sample", layout=narrow)
        self.direction = choice("divergence", list(DIRECTIONS))
        self.question = w.Text(description="question", layout=wide, style=style,
                               continuous_update=False)
        self.demonstration, self.article = (
            w.Textarea(description=name, layout=wide, style=style, continuous_update=False,
                       rows=rows) for name, rows in (("demonstration", 1), ("article", 2)))
        self.boxes = {"question": self.question, "demonstration": self.demonstration,
                      "article": self.article}
        self.notes = {name: w.HTML() for name in self.boxes}
        self.position = w.IntSlider(value=1, min=1, max=1, description="position",
                                    continuous_update=False)
        self.responses = w.HTML()
        for control in (self.skill, self.item, self.context):
            control.observe(self._fill, "value")
        for control in (self.question, self.demonstration, self.article, self.along, self.student,
                        self.seed, self.direction, self.position):
            control.observe(self.redraw, "value")
        training = [row(self.student, self.seed, self.direction)] if students else []
        typed = [part for name, box in self.boxes.items() for part in (box, self.notes[name])]
        # Errors are shown under the boxes, where they are visible without scrolling.
        self.root.children = [row(self.skill, self.item, self.context), *training, *typed,
                              self.trouble, row(self.along, self.position), self.responses,
                              self.image, self.words]
        self._fill()

    def _fill(self, change: Any = None) -> None:
        """Put the chosen item and its context into the text boxes."""
        items, context = self.skills[self.skill.value], CONTEXTS[self.context.value]
        # Typed text may arrive before the choice of “what I write”: keep it.
        if self._filling or change and change["owner"] is self.context and context == "free":
            return
        self._filling = True
        try:
            self.item.max = len(items) - 1
            i = self.item.value
            self.question.value = items[i].prompt
            if context != "free":
                shown = partners(items)[i] if context == "other" else items[i]
                self.demonstration.value = (
                    shown.demonstration if context in ("own", "other", "article+own") else "")
                self.article.value = items[i].article if context.startswith("article") else ""
        except Exception as fault:
            self.complain(fault)
            return
        finally:
            self._filling = False
        self.redraw()
        if self.responses.value:  # to the position at which the two differ most
            self.position.value = int(self.comparison().loss.argmax()) + 1

    def comparison(self) -> Comparison:
        """Return the comparison for the current controls; it is cached until they change."""
        key = (self.student.value, *self.asked().values(), RESPONSES[self.along.value],
               self.direction.value, self.seed.value)
        if key not in self._seen:
            student, *texts, along, direction, seed = key
            with threads(1):
                self._seen = {key: compare(self.students[student], self.model, self.tokenizer,
                                           *texts, along=along, direction=direction, seed=seed)}
        return self._seen[key]

    def asked(self) -> dict[str, str]:
        """Return question, demonstration and article in the spelling of the model."""
        return {name: respell(self.tokenizer, box.value.strip())
                for name, box in self.boxes.items()}

    def redraw(self, *_: object) -> None:
        """Redraw, with the position kept inside the response."""
        if self._filling:
            return
        try:
            if self._note_spelling():
                self._clear()
                return
            shown = self.comparison()
        except Exception as fault:
            self._clear()
            self.complain(fault)
            return
        self.image.layout.visibility = "visible"
        self._filling = True
        self.position.max = len(shown.words)
        self._filling = False
        super().redraw()
        number = f" (sample {self.seed.value})" if "sample" in self.along.value else ""
        student, teacher = (html.escape(shown.answers[who]) for who in ("student", "teacher"))
        self.responses.value = (f"<p>student{number}: <b>{student}</b><br>"
                                f"teacher: <b>{teacher}</b></p>")

    def _note_spelling(self) -> bool:
        """Write below each box the text that is asked, and return whether a word is unknown."""
        unknown = False
        for name, text in self.asked().items():
            words, note = unknown_words(self.tokenizer, text), ""
            if words:
                listed = ", ".join(f"“{html.escape(word)}”" for word in words)
                note = (f'<span role="alert" style="color:#b00020">The model does not know '
                        f"{listed}. Please use other words.</span>")
            elif text.split() != self.boxes[name].value.split():
                note = f"asked as: <b>{html.escape(text)}</b>"
            self.notes[name].value = note and f'<div style="margin-left:114px">{note}</div>'
            unknown = unknown or bool(words)
        return unknown

    def _clear(self) -> None:
        """Hide responses and picture: they belong to another question."""
        self.responses.value = self.words.value = self.trouble.value = ""
        self.image.layout.visibility = "hidden"

    def read_out(self, words: str) -> None:
        """Announce the likeliest tokens at the chosen position."""
        here = self.table().loc[self.position.value]
        self.announce(f"student {here['student']}, teacher {here['teacher']}")

    def figure(self) -> Figure:
        """Return the response coloured by its loss, and both distributions at the position."""
        shown = self.comparison()
        at = min(self.position.value, len(shown.words)) - 1
        figure = Figure(figsize=(9.5, 4.6), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=[1, 1.4])
        whose = self.along.value
        if "sample" in whose:
            whose = f"{self.student.value}: {whose}"
        measure = DIRECTIONS[self.direction.value].split(":")[0]
        plot_token_kl(shown.words, shown.loss, halves[0].subplots(), at,
                      f"{whose[0].upper()}{whose[1:]}, coloured by {measure}, nats")
        plot_next_token(" ".join(shown.words[:at]), {
            "student": self._top(shown.student[at]), "teacher": self._top(shown.teacher[at])},
            halves[1].subplots(1, 2))
        return figure

    def table(self) -> pd.DataFrame:
        """Return the divergence and both likeliest tokens at each token of the response."""
        shown = self.comparison()
        columns = {"token": shown.words, "divergence (nats)": shown.loss.round(2).tolist()} | {
            name: [f"{word} {100 * p:.0f} %" for probabilities in side
                   for word, p in self._top(probabilities, 1).items()]
            for name, side in (("student", shown.student), ("teacher", shown.teacher))}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(shown.words) + 1, name="position"))

    def _top(self, probabilities: NDArray[np.float32], count: int = SHOWN) -> dict[str, float]:
        best = np.argsort(-probabilities)[:count]
        return {str(word): float(probabilities[i]) for i, word in
                zip(best, self.tokenizer.convert_ids_to_tokens(best.tolist()), strict=True)}
