"""What a language model in training has become: how far it went, how sure it is, how it speaks.

Trainers log rewards and losses. What explains forgetting is seldom among them: how far the model
has moved from the pretrained one, on the prompts it is trained on and on those it is not, and how
good the teacher is from which it learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.measure.drift import Drift, logits_of
from workbench.measure.completions import complete, full_context, known_values, prompts_for
from workbench.learners import Learner
from workbench.learners.text import TextLearner
from workbench.models.sampling import sample
from workbench.system.runtime import generator
from workbench.tasks import Item, Stream, scorer_of, spread
from workbench.tasks.text import TextExamples

DIAGNOSTICS = {
    "teacher_right": "share of right answers of the weights that teach, with their context",
    "context_right": "share of right answers of the student with the same context",
    "kl_new": "KL(pretrained || student) on prompts of the new skills, in nats a response",
    "kl_old": "KL(pretrained || student) on prompts of the known skills, in nats a response",
    "entropy": "entropy of the student on its own samples for the new skill, in nats a token",
    "foreign_style": "share of those samples that are not in the model's own voice",
    "length": "tokens of those samples, the end token included",
}
"""What a `Probe` measures."""


class Probe:
    """Measures language models beside the evaluations of a run.

    Parameters
    ----------
    learner : TextLearner
        Before training; only its pretrained model is used.
    stream : Stream
        Of text skills.
    part : {"test", "validation"}
        Whose items are asked.
    items : int
        How many of each skill.
    """

    names = tuple(DIAGNOSTICS)

    def __init__(self, learner: TextLearner, stream: Stream, part: str = "test",
                 items: int = 24) -> None:
        self.tasks = [_some(getattr(task, part), items) for task in stream.tasks]
        known = [item for task in stream.old_tasks
                 for item in _some(getattr(task, part), max(1, items // 4))]
        model, most = learner.model, learner.max_new_tokens
        self.drifts = {name: Drift(model.base, model.tokenizer, asked, most)
                       for name, asked in (("kl_new", [i for task in self.tasks for i in task]),
                                           ("kl_old", known)) if asked}

    def measure(self, learner: Learner, task: int) -> NDArray[np.float64]:
        """Return the diagnostics of each seed: shape (seeds, len(names)).

        Parameters
        ----------
        learner : TextLearner
            As it is now; it is left as it is.
        task : int
            The skill that is being learned.
        """
        assert isinstance(learner, TextLearner)
        rows = []
        for i, model in enumerate(learner.model.models):
            found = dict.fromkeys(self.names, np.nan)
            items = self.tasks[task]
            context = full_context(items)
            most: dict[str, Any] = {"max_new_tokens": learner.max_new_tokens}
            found["context_right"] = complete(model, learner.model.tokenizer, items, context,
                                           **most).accuracy
            teacher = getattr(learner, "teacher", None)
            if teacher is not None and hasattr(teacher, "prompts"):
                shown = context if teacher.context == "all" else teacher.context
                found["teacher_right"] = complete(
                    teacher.weights.model(i), learner.model.tokenizer, items, shown,
                    **most).accuracy
            for name, drift in self.drifts.items():
                found[name] = drift.of(model)
            own = sample(model, learner.model.tokenizer,
                         prompts_for(learner.model.tokenizer, items), temperature=1.0,
                         rng=generator(0, "probe"), **most)
            log_p = logits_of(model, own).log_softmax(-1).cpu()
            entropy = -(log_p.exp() * log_p).sum(-1)
            found["entropy"] = float((entropy * own.mask).sum() / own.mask.sum())
            styles = known_values([scorer_of(item).own_style(text)
                                   for item, text in zip(items, own.texts, strict=True)])
            if styles is not None:
                found["foreign_style"] = float((~styles).mean())
            found["length"] = float(own.mask.sum(1).double().mean())
            rows.append([found[name] for name in self.names])
        return np.array(rows)


def _some(examples: Any, most: int) -> Sequence[Item]:
    assert isinstance(examples, TextExamples)
    return spread(examples.items, most)
