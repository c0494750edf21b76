"""Diagnostics of a language model in training: drift, entropy, style, and quality of the teacher.

Trainers log rewards and losses, which seldom explain forgetting. The drift from the pretrained
model, on trained and on other prompts, and the quality of the teacher often do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.learners import Learner
from workbench.learners.text import TextLearner
from workbench.measure.comparison import Drift
from workbench.measure.completions import complete, full_context, known_values, prompts_for
from workbench.models.logits import response_logits
from workbench.models.sampling import sample
from workbench.system.runtime import generator
from workbench.tasks import Stream, scorer_of, spread
from workbench.teachers import FULL_CONTEXT

DIAGNOSTICS = {
    "teacher_right": "share of right answers of the weights that teach, with their context",
    "context_right": "share of right answers of the student with the same context",
    "kl_new": "KL(pretrained || student) on prompts of the new skills, in nats a response",
    "kl_old": "KL(pretrained || student) on prompts of the known skills, in nats a response",
    "entropy": "entropy of the student on its own samples for the new skill, in nats a token",
    "foreign_style": "share of those samples that are not in the model's own style",
    "length": "tokens of those samples, the end token included",
}
"""The measurements of a `Probe`."""


class Probe:
    """Measures language models at the evaluations of a run.

    Parameters
    ----------
    learner : TextLearner
        Only its pretrained model is used.
    stream : TextStream
        The new and old skills.
    part : {"test", "validation"}
        The items to ask.
    items : int
        Number of items of each new skill; of each old skill a quarter of it.
    """

    names = tuple(DIAGNOSTICS)

    def __init__(self, learner: TextLearner, stream: Stream, part: str = "test",
                 items: int = 24) -> None:
        self.tasks = [spread(getattr(task, part).items, items) for task in stream.tasks]
        new = [item for task in self.tasks for item in task]
        old = [item for task in stream.old_tasks
               for item in spread(getattr(task, part).items, max(1, items // 4))]
        self.drifts = {name: Drift(learner.model.base, learner.model.tokenizer, asked,
                                   learner.max_new_tokens)
                       for name, asked in (("kl_new", new), ("kl_old", old)) if asked}

    @torch.no_grad()
    def measure(self, learner: Learner, task: int) -> NDArray[np.float64]:
        """Return the diagnostics of each seed on a task's skill: shape (seeds, len(names))."""
        assert isinstance(learner, TextLearner)
        items, tokenizer = self.tasks[task], learner.model.tokenizer
        context = full_context(items)
        most: dict[str, Any] = {"max_new_tokens": learner.max_new_tokens}
        teacher = getattr(learner, "teacher", None)
        rows = []
        for i, model in enumerate(learner.model.models):
            values = dict.fromkeys(self.names, np.nan)
            values["context_right"] = complete(model, tokenizer, items, context, **most).accuracy
            if teacher is not None and hasattr(teacher, "prompts"):
                shown = context if teacher.context == FULL_CONTEXT else teacher.context
                values["teacher_right"] = complete(teacher.weights.model(i), tokenizer, items,
                                                   shown, **most).accuracy
            for name, drift in self.drifts.items():
                values[name] = drift.of(model)
            own = sample(model, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                         rng=generator(0, "probe"), **most)
            logits = response_logits(model, own.prompt_ids, own.prompt_mask, own.ids, own.mask)
            log_p = logits.log_softmax(-1).cpu()
            entropy = -(log_p.exp() * log_p).sum(-1)
            values["entropy"] = float((entropy * own.mask).sum() / own.mask.sum())
            styles = known_values([scorer_of(item).own_style(text)
                                   for item, text in zip(items, own.texts, strict=True)])
            if styles is not None:
                values["foreign_style"] = float((~styles).mean())
            values["length"] = float(own.mask.sum(1).double().mean())
            rows.append(list(values.values()))
        return np.array(rows)
