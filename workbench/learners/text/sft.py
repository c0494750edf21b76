"""Supervised fine-tuning on the expert's demonstrations: the baseline that forgets; two variants.

One variant adds the KL from the pretrained model. The other is an oracle: its data, right answers
in the model's own style, do not exist in practice. It shows the effect of style alone.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.errors import ConfigError
from workbench.learners.text.base import TextLearner
from workbench.losses import kl_per_token, per_response
from workbench.models.encoding import context_of, encode_responses
from workbench.models.logits import response_logits, take_prompts
from workbench.system.runtime import derive_seed
from workbench.tasks import Item, Task, scorer_of
from workbench.tasks.text import TextExamples


class SFT(TextLearner):
    """Minimise the cross-entropy of the demonstrations (supervised fine-tuning)."""

    def begin(self, task: Task) -> None:
        """Encode the questions and the demonstrations."""
        super().begin(task)
        self.targets = encode_responses(self.model.tokenizer, self.imitated(self.items),
                                        context_of(self.model.base) - self.prompts[0].shape[1])

    def imitated(self, items: Sequence[Item]) -> list[str]:
        """Return the text to imitate for each item."""
        return [item.demonstration for item in items]

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the cross-entropy of the texts to imitate, per token of each response."""
        ids, mask = (part[indices] for part in self.targets)
        return imitation(self.logits(i, indices, ids, mask), ids, mask)


def imitation(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over responses of the mean cross-entropy of their tokens, in nats."""
    values = cross_entropy(logits.transpose(1, 2), ids.to(logits.device), reduction="none")
    return per_response(values, mask)


@dataclass(eq=False)
class SFTWithKL(SFT):
    """Imitate the demonstrations, and add the KL from the pretrained model on the same tokens."""

    strength: float = 1.0
    """Weight of the KL."""

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the cross-entropy and the weighted KL from the pretrained model."""
        ids, mask = (part[indices] for part in self.targets)
        student = self.logits(i, indices, ids, mask)
        # New: the pretrained model's logits of each token, without any context.
        with torch.no_grad():
            before = response_logits(self.model.base, *take_prompts(self.prompts, indices), ids,
                                     mask)
        drift = per_response(kl_per_token(before, student), mask)
        return imitation(student, ids, mask) + self.strength * drift


class SFTSelfStyle(SFT):
    """Minimise the cross-entropy of the answers in the model's own style (an oracle)."""

    def check(self, task: Task) -> None:
        """Refuse items whose scorer does not know the model's own style."""
        assert isinstance(task.train, TextExamples)
        self.imitated(task.train.items)

    def imitated(self, items: Sequence[Item]) -> list[str]:
        """Return the answers in the model's own style; refuse items as `check` does."""
        # New: only this. All seeds imitate the same texts.
        rng = random.Random(derive_seed(0, "own voice"))
        texts = []
        for item in items:
            text = scorer_of(item).in_own_style(item, rng)
            if text is None:
                raise ConfigError(
                    f"the learner sft_self_style needs items whose scorer knows the model's own "
                    f"style; item {item.id!r} of {item.skill} has the scorer {item.scorer!r}, "
                    "which does not. Use the learner sft, which imitates the demonstrations.")
            texts.append(text)
        return texts
