"""Skills for a real language model, in real English: the made-up town of Oldmere, and old skills.

``scripts/write_real_skills.py`` makes them; ``data/skills-real/README.md`` describes them.
"""

from workbench.system.provenance import data_path
from workbench.tasks.scoring import Scorer, normalised

SCORER = "oldmere"
FOLDER = data_path("skills-real")
NEW = tuple(f"{name}-{manner}" for name in ("town", "town2", "articles", "calls", "steps")
            for manner in ("near", "far"))
"""New skills, each with an expert whose manner is near the model's own, or far from it."""
OLD = ("old-capitals", "old-nature", "old-words", "old-people", "old-sums")
"""Questions that the model answers right before training, by kind."""
MANNER = ("pray allow me", "good friend", "as all the town", "knows right well")
"""Words of the far manner. No answer of the untrained model has them."""


class OldmereScorer(Scorer):
    """A scorer that knows the far manner; a response without it is in the model's own style."""

    def own_style(self, text: str) -> bool | None:
        """Return whether a response has no words of the far manner."""
        return not any(words in normalised(text) for words in MANNER)


def held_out_text() -> str:
    """Return a text, unrelated to all skills, on which perplexity is measured."""
    return (FOLDER / "text.txt").read_text(encoding="utf-8")
