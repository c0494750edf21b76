"""The oracle: supervised fine-tuning on the right answers, in the model's own style.

Such data do not exist in practice. They show the effect of style alone: the content is the
expert's, the style is not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from workbench.errors import ConfigError
from workbench.learners.text.sft import SFT
from workbench.system.runtime import derive_seed
from workbench.tasks import Item, Task, scorer_of
from workbench.tasks.text import TextExamples


class SFTSelfStyle(SFT):
    """Minimise the cross-entropy of the answers in the model's own style (an oracle)."""

    def check(self, task: Task) -> None:
        """Refuse items whose scorer does not know the model's own style."""
        assert isinstance(task.train, TextExamples)
        self.imitated(task.train.items)

    def imitated(self, items: Sequence[Item]) -> list[str]:
        """Return the answers in the model's own style.

        Raises
        ------
        ConfigError
            If the scorer of an item does not know the model's own style.
        """
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
