"""Colour, line style and marker of each series; a method has the same in every figure.

The first seven colours are those of Okabe & Ito, which can be told apart with any common colour
blindness. Line styles and markers differ as well, so that no figure depends on colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255",
           "#888888")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")
METHOD_STYLES: dict[str, tuple[str, Any, str]] = {
    # Digits. A method that also trains language models has the same style there.
    "finetune": ("#D55E00", "--", "s"),
    "ewc": ("#0072B2", "-", "o"),
    "si": ("#009E73", "-.", "^"),
    "lwf": ("#CC79A7", ":", "D"),
    "replay": ("#E69F00", LINES[4], "v"),
    "derpp": ("#56B4E9", LINES[5], "P"),
    "joint": ("#000000", LINES[6], "X"),
    "ewc-shuffled-fisher": ("#888888", ":", "<"),
    "replay-shuffled-labels": ("#882255", "-.", ">"),
    "replay-present": ("#999933", "--", "d"),
    # Language models.
    "sft": ("#D55E00", "--", "s"),
    "sdft": ("#0072B2", "-", "o"),
    "off_policy_distillation": ("#56B4E9", LINES[5], "P"),
    "sft_self_style": ("#009E73", "-.", "^"),
    "sft_kl": ("#CC79A7", ":", "D"),
    "grpo": ("#000000", LINES[6], "X"),
    "sft on teacher": ("#882255", "-.", ">"),
    "sdft ema": ("#332288", ":", "<"),
    "sdft student": ("#999933", "--", "d"),
    "sdft reverse": ("#888888", LINES[4], "p"),
    "sft lora": ("#6B3E26", LINES[5], "h"),
    "sdft lora": ("#A6D96A", "-", "*"),
    "sdft other": ("#117733", "--", "8"),
    "sdft none": ("#DDCC77", ":", "H"),
    "adapter_per_skill": ("#6B3E26", LINES[5], "h"),
    "adapter per skill": ("#6B3E26", LINES[5], "h"),
    "sdft, task-start teacher": ("#332288", ":", "<"),
    "sdft, all steps": ("#332288", ":", "<"),
    "sdft, larger rate": ("#117733", "--", "8"),
    "off-policy, larger rate": ("#999933", "--", "d"),
    "off-policy, one sample": ("#999933", "--", "d"),
    "off-policy, as sdft": ("#888888", LINES[4], "p"),
    "off-policy, 30 answers": ("#888888", LINES[4], "p"),
}
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
