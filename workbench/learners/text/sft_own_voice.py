"""The oracle: supervised fine-tuning on the right answers, put as the model itself would put them.

Nobody has such data. It shows what would be had if they did: the same content as the expert's, and
nothing of the expert's manner.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from workbench.learners.text.sft import SFT
from workbench.runtime import derive_seed
from workbench.tasks import Item
from workbench.tasks.skills import put_in_own_voice


class SFTOwnVoice(SFT):
    """Minimise the cross-entropy of the answers in the model's own voice (an oracle)."""

    def imitated(self, items: Sequence[Item]) -> list[str]:
        """Return the answers in the model's own voice."""
        # New: only this. All seeds imitate the same texts, as they do of the expert's.
        rng = random.Random(derive_seed(0, "own voice"))
        return [put_in_own_voice(item, rng) for item in items]
