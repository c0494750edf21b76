"""`TokenKLMap`: what SDFT's loss says to each token of the student's own response."""

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

from workbench.answers import full_context, prompts_for
from workbench.errors import ConfigError
from workbench.language_plots import plot_next_token, plot_token_kl
from workbench.losses import DIRECTIONS, divergence
from workbench.models.encoding import context_of, encode
from workbench.models.logits import response_logits
from workbench.models.sampling import sample
from workbench.runtime import threads
from workbench.tasks import Item
from workbench.teachers import ALL_HELP
from workbench.widgets.view import View, choice, row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HELPS = {"its own demonstration": ALL_HELP, "another item's demonstration": "other",
         "nothing": "none"}
SHOWN = 5


@dataclass(frozen=True)
class TokenLoss:
    """A response of the student, and student and teacher at each of its tokens.

    Parameters
    ----------
    words : list of str
        The tokens, the end token included.
    loss : ndarray, shape (tokens,)
        The divergence at each, in nats.
    student, teacher : ndarray, shape (tokens, vocabulary)
        Probabilities.
    """

    words: list[str]
    loss: NDArray[np.float32]
    student: NDArray[np.float32]
    teacher: NDArray[np.float32]


@torch.no_grad()
def token_loss(student: PreTrainedModel, teacher: PreTrainedModel,
               tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], index: int,
               help: str = ALL_HELP, direction: str = "forward", seed: int = 0) -> TokenLoss:
    """Sample a response of the student to an item, and return the loss of each of its tokens.

    Parameters
    ----------
    student, teacher : PreTrainedModel
        Who answers without help, and who is shown it.
    tokenizer : PreTrainedTokenizerBase
        Of both.
    items : sequence of Item
        Of one skill; another's demonstration is taken from them.
    index : int
        Which item.
    help, direction : str
        See `workbench.learners.text.SDFT`.
    seed : int
        Of the sampling, at temperature 1.
    """
    if help == ALL_HELP:
        help = full_context(items)
    alone, helped = (prompts_for(tokenizer, items, kind)[index] for kind in ("none", help))
    said = sample(student, tokenizer, [alone], temperature=1.0,
                  rng=torch.Generator().manual_seed(seed))
    logits = []
    for model, prompt in ((student, alone), (teacher, helped)):
        ids, mask = encode(tokenizer, [prompt], context_of(model))
        logits.append(response_logits(model, ids, mask, said.ids, said.mask)[0].cpu())
    loss = divergence(logits[0], logits[1], direction).clamp_min(0)  # no -0.00 by rounding
    words = list(tokenizer.convert_ids_to_tokens(said.ids[0].tolist()))
    return TokenLoss(words, loss.numpy(), logits[0].softmax(-1).numpy(),
                     logits[1].softmax(-1).numpy())


class TokenKLMap(View):
    """The student's response, coloured by its loss, and what both would say at a chosen token.

    Parameters
    ----------
    students : mapping of str to PreTrainedModel
        By name, such as before and after training; at least one.
    teacher : PreTrainedModel
        Who is shown the demonstration; for SDFT the pretrained model.
    tokenizer : PreTrainedTokenizerBase
        Of all of them.
    items : sequence of Item
        Of one skill.
    """

    def __init__(self, students: Mapping[str, PreTrainedModel], teacher: PreTrainedModel,
                 tokenizer: PreTrainedTokenizerBase, items: Sequence[Item]) -> None:
        super().__init__()
        if not students or not items:
            raise ConfigError("TokenKLMap needs at least one student and one item")
        self.students, self.teacher, self.tokenizer = dict(students), teacher, tokenizer
        self.items = list(items)
        self._filling = False
        self._seen: tuple[tuple[Any, ...], TokenLoss] | None = None
        narrow = w.Layout(width="160px")
        self.student = choice("student", list(self.students))
        self.item = w.BoundedIntText(value=0, min=0, max=len(self.items) - 1, description="item",
                                     layout=narrow)
        self.seed = w.BoundedIntText(value=0, min=0, max=9999, description="sample",
                                     layout=narrow)
        self.help = choice("the teacher is shown", list(HELPS))
        self.direction = choice("divergence", list(DIRECTIONS))
        self.position = w.IntSlider(value=1, min=1, max=1, description="position",
                                    continuous_update=False)
        self.asked = w.HTML()
        for control in (self.student, self.item, self.seed, self.help, self.direction,
                        self.position):
            control.observe(self.redraw, "value")
        self.root.children = [row(self.student, self.item, self.seed),
                              row(self.help, self.direction, self.position), self.asked,
                              self.image, self.words, self.trouble]

    def found(self) -> TokenLoss:
        """Return the response and its losses; made anew when a control has changed."""
        asked = (self.student.value, self.item.value, HELPS[self.help.value],
                 self.direction.value, self.seed.value)
        if self._seen is None or self._seen[0] != asked:
            with threads(1):
                self._seen = (asked, token_loss(self.students[asked[0]], self.teacher,
                                                self.tokenizer, self.items, *asked[1:]))
        return self._seen[1]

    def redraw(self, *_: object) -> None:
        """Draw again, with the position kept inside the response."""
        if self._filling:
            return
        try:
            length = len(self.found().words)
        except Exception as fault:
            self.complain(fault)
            return
        self._filling = True
        self.position.max = length
        self._filling = False
        item = self.items[self.item.value]
        self.asked.value = (f"<p>asked: <b>{html.escape(item.prompt)}</b> · the teacher is shown: "
                            f"{html.escape(self.help.value)}</p>")
        super().redraw()

    def figure(self) -> Figure:
        """Return the response coloured by its loss, and both distributions at the position."""
        found = self.found()
        at = min(self.position.value, len(found.words)) - 1
        figure = Figure(figsize=(9.5, 4.6))
        halves: Any = figure.subfigures(2, 1, height_ratios=[1, 1.6])
        above, below = halves
        plot_token_kl(found.words, found.loss, above.subplots(), at,
                      f"A response of the student {self.student.value}, coloured by its loss "
                      f"({self.direction.value}, nats)")
        plot_next_token(" ".join(found.words[:at]), {
            "student": self._top(found.student[at]), "teacher": self._top(found.teacher[at])},
            below.subplots(1, 2))
        return figure

    def table(self) -> pd.DataFrame:
        """Return per token its loss, and what both thought likeliest."""
        found = self.found()
        rows: list[dict[str, Any]] = []
        for i, word in enumerate(found.words):
            best = [next(iter(self._top(side[i], 1).items()))
                    for side in (found.student, found.teacher)]
            rows.append({"token": word, "loss (nats)": round(float(found.loss[i]), 2),
                         "student": f"{best[0][0]} {100 * best[0][1]:.0f} %",
                         "teacher": f"{best[1][0]} {100 * best[1][1]:.0f} %"})
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="position"))

    def _top(self, probabilities: NDArray[np.float32], count: int = SHOWN) -> dict[str, float]:
        best = np.argsort(-probabilities)[:count]
        return {str(word): float(probabilities[i]) for i, word in
                zip(best, self.tokenizer.convert_ids_to_tokens(best.tolist()), strict=True)}
