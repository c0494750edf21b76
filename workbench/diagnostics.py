"""What a language model in training has become: how far it went, how sure it is, how it speaks.

Trainers log rewards and losses. What explains forgetting is seldom among them: how far the model
has moved from the pretrained one, on the prompts it is trained on and on those it is not, and how
good the teacher is from which it learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.answers import answer, full_context, known_values, prompts_for
from workbench.learners import Learner
from workbench.learners.text import TextLearner
from workbench.losses import kl_per_token
from workbench.models.logits import response_logits
from workbench.models.sampling import Samples, sample
from workbench.runtime import generator
from workbench.tasks import Item, Stream, scorer_of, spread
from workbench.tasks.text import TextExamples

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DIAGNOSTICS = {
    "teacher_right": "share of right answers of the weights that teach, shown their help",
    "helped_right": "share of right answers of the student, shown the same help",
    "kl_new": "KL(pretrained || student) on prompts of the new skills, in nats a response",
    "kl_old": "KL(pretrained || student) on prompts of the known skills, in nats a response",
    "entropy": "entropy of the student on its own samples for the new skill, in nats a token",
    "foreign_voice": "share of those samples that are not in the model's own voice",
    "length": "tokens of those samples, the end token included",
}
"""What a `Probe` measures."""
AT_A_TIME = 32
"""Responses whose distributions are held at once."""


class Drift:
    """How far models are from the pretrained one on some prompts.

    Parameters
    ----------
    base, tokenizer
        The pretrained model, from `workbench.models.load_causal_lm`.
    items : sequence of Item
        Whose questions are asked, without help.
    max_new_tokens : int
        Longest response.
    """

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 items: Sequence[Item], max_new_tokens: int = 40) -> None:
        self.said = sample(base, tokenizer, prompts_for(tokenizer, items), temperature=1.0,
                           rng=generator(0, "drift"), max_new_tokens=max_new_tokens)
        self.base = base

    def of(self, model: PreTrainedModel) -> float:
        """Return KL(pretrained || model) along the pretrained model's samples, nats a response."""
        said, total = self.said, 0.0
        # A few at a time, and the pretrained model asked anew: with a large vocabulary what it gave
        # to all of them would take gigabytes.
        for rows in torch.arange(len(said.ids)).split(AT_A_TIME):
            some = Samples(said.prompt_ids[rows], said.prompt_mask[rows], said.ids[rows],
                           said.mask[rows], [])
            each = kl_per_token(_logits(self.base, some), _logits(model, some)).cpu()
            total += float((each * some.mask).sum())
        return total / len(said.ids)


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
        known = [item for task in stream.watched
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
            help = full_context(items)
            most: dict[str, Any] = {"max_new_tokens": learner.max_new_tokens}
            found["helped_right"] = answer(model, learner.model.tokenizer, items, help,
                                           **most).accuracy
            teacher = getattr(learner, "teacher", None)
            if teacher is not None and hasattr(teacher, "prompts"):
                shown = help if teacher.help == "all" else teacher.help
                found["teacher_right"] = answer(
                    teacher.weights.model(i), learner.model.tokenizer, items, shown,
                    **most).accuracy
            for name, drift in self.drifts.items():
                found[name] = drift.of(model)
            own = sample(model, learner.model.tokenizer,
                         prompts_for(learner.model.tokenizer, items), temperature=1.0,
                         rng=generator(0, "probe"), **most)
            log_p = _logits(model, own).log_softmax(-1).cpu()
            entropy = -(log_p.exp() * log_p).sum(-1)
            found["entropy"] = float((entropy * own.mask).sum() / own.mask.sum())
            styles = known_values([scorer_of(item).own_style(text)
                                   for item, text in zip(items, own.texts, strict=True)])
            if styles is not None:
                found["foreign_voice"] = float((~styles).mean())
            found["length"] = float(own.mask.sum(1).double().mean())
            rows.append([found[name] for name in self.names])
        return np.array(rows)


@torch.no_grad()
def _logits(model: Any, said: Samples) -> Tensor:
    return response_logits(model, said.prompt_ids, said.prompt_mask, said.ids, said.mask)


def _some(examples: Any, most: int) -> Sequence[Item]:
    assert isinstance(examples, TextExamples)
    return spread(examples.items, most)
