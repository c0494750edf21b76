"""Supervised fine-tuning on the expert's demonstrations: the baseline that forgets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.learners.text.base import TextLearner
from workbench.losses import per_response
from workbench.models.encoding import context_of, encode_responses
from workbench.tasks import Item, Task


class SFT(TextLearner):
    """Minimise the cross-entropy of the demonstrations (supervised fine-tuning)."""

    def begin(self, task: Task) -> None:
        """Encode the questions and the demonstrations."""
        super().begin(task)
        max_response_tokens = context_of(self.model.base) - self.prompts[0].shape[1]
        self.targets = encode_responses(self.model.tokenizer, self.imitated(self.items),
                                        max_response_tokens)

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
