"""Colour, line style and marker of each series; a method has the same in every figure.

The first seven colours are those of Okabe & Ito, which can be told apart with any common colour
blindness. Line styles and markers differ as well, so that no figure depends on colour.
"""

from collections.abc import Iterable
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255",
           "#888888")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")
NOT_MEASURED = "#e4e4e4"
"""Colour of a cell without a measured value."""
METHOD_LOOKS: tuple[tuple[Any, ...], ...] = (
    # A method for digits has the style of its counterpart for language models.
    ("#D55E00", "--", "s", "finetune", "sft"),
    ("#0072B2", "-", "o", "ewc", "sdft"),
    ("#009E73", "-.", "^", "si", "sft_self_style", "sft on teacher, smaller rate"),
    ("#CC79A7", ":", "D", "lwf", "sft_kl"),
    ("#E69F00", LINES[4], "v", "replay", "sft, tested often"),
    ("#56B4E9", LINES[5], "P", "derpp", "off_policy_distillation"),
    ("#000000", LINES[6], "X", "joint", "grpo"),
    ("#888888", ":", "<", "ewc-shuffled-fisher", "distill-untrained"),
    ("#882255", "-.", ">", "replay-shuffled-labels", "sft on teacher",
     "composed, no reuse"),
    ("#999933", "--", "d", "replay-present", "sdft student", "off-policy, larger rate",
     "off-policy, one sample", "label_smoothing", "o_lora"),
    ("#332288", ":", "<", "sdft ema", "sdft, task-start teacher", "sdft, all steps", "born_again",
     "sd_lora"),
    ("#888888", LINES[4], "p", "sdft reverse", "off-policy, as sdft", "off-policy, 30 answers",
     "born_again-shuffled", "osf", "sft, larger rate"),
    ("#6B3E26", LINES[5], "h", "sft lora", "sft adapter", "adapter_per_skill", "adapter per skill",
     "sft and retrieval", "distill", "adapters"),
    ("#A6D96A", "-", "*", "sdft lora", "replay of own answers", "ensemble"),
    ("#117733", "--", "8", "sdft other", "sdft adapter", "sdft, larger rate", "self_distill_ema",
     "composed", "composed_per_skill"),
    ("#DDCC77", ":", "H", "sdft none", "mutual", "composed, not orthogonal"),
    ("#44AA99", "-.", "x", "teacher's answers, renewed", "sdft, tested often"),
    ("#F0027F", "--", "+", "student's answers, once"),
    ("#4D4D4D", ":", "1", "student's answers, renewed"))
METHOD_STYLES = {name: (colour, line, marker) for colour, line, marker, *names in METHOD_LOOKS
                 for name in names}
"""Colour, line style and marker of each method."""


def look(i: int) -> dict[str, Any]:
    """Return colour, line style and marker of the i-th series."""
    # The tenth series has the colour of the first, but another line style and marker.
    shift = i // len(COLOURS)
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[(i + shift) % len(LINES)],
            "marker": MARKERS[(i + shift) % len(MARKERS)]}


def styles_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return colour, line style and marker of each series of a figure, by name.

    A method has its style in `METHOD_STYLES`. Any other name gets the first style whose colour is
    free, or, once no colour is free, the first free style.
    """
    names = list(dict.fromkeys(names))
    styles = {name: dict(zip(("color", "linestyle", "marker"), METHOD_STYLES[name], strict=True))
              for name in names if name in METHOD_STYLES}
    looks = [look(i) for i in range(len(LINES) * len(COLOURS))]
    for name in names:
        if name not in styles:
            colours = {style["color"] for style in styles.values()}
            free = [style for style in looks if style not in styles.values()]
            styles[name] = next((style for style in free if style["color"] not in colours), free[0])
    return styles
