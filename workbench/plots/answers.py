"""Figure of answers side by side: before training, and after each method."""

import textwrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.plots.display import describe, percent

WRONG, EXPERT, FAINT = "#fbe3d6", "#a33c00", "#666666"
SIZE, LINE = 10, 0.19
"""Font size in points, and the height of a line in inches."""


def plot_answers(recording: dict[str, Any]) -> Figure:
    """Draw the last answers of a recording of the kind ``answers`` as a table.

    Answers of a training stand beside those before it, which all methods share.

    Wrong answers have a coloured cell and a cross. Answers that are not in the model's own style
    are in italics.
    """
    questions, methods = recording["questions"], recording["methods"]
    first, last = recording["frames"][0], recording["frames"][-1]
    trained = first["answers"][0][0]["right"] is not None
    heads = ["question (right answer)", *["before"] * trained, *(
        f"{'after ' * trained}{m['label']}, {note}"
        for m, note in zip(methods, last["notes"], strict=True))]
    colours = ["black", *[FAINT] * trained, *(m["colour"] for m in methods)]
    shares = ["", *[""] * trained, *(", ".join(f"{name} {percent(share)}" for name, share in
                                  zip(recording["bars"], own, strict=True))
                        for own in last["bars"])]
    widths = [25, *[26] * trained, *[33 if trained else 48] * len(methods)]
    columns = [*[first["answers"][0]] * trained, *last["answers"]]
    rows: list[tuple[str, list[str], list[dict[str, Any] | None]]] = []
    for q, question in enumerate(questions):
        if not q or question["group"] != questions[q - 1]["group"]:
            rows.append((question["group"], [], []))
        answers = [column[q] for column in columns]
        texts = [f"{question['text']} ({question['answer']})",
                 *(f"{'✓' if a['right'] else '✗'} {a['text']}" for a in answers)]
        rows.append(("", [textwrap.fill(t, width) for t, width in zip(texts, widths, strict=True)],
                     [None, *answers]))
    note = f"✗ wrong. Italics: not in the model's own style. {recording['note']}"
    heights = [LINE * (1.3 + max((t.count("\n") for t in texts), default=0.2))
               for _, texts, _ in rows]
    height = sum(heights) + 4.5 * LINE
    figure = Figure(figsize=(10.5, height))
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.01, 0, 0.98, 1))
    ax.set(xlim=(0, sum(widths)), ylim=(height, 0))
    ax.axis("off")
    lefts = [sum(widths[:k]) for k in range(len(widths))]
    for left, head, share, colour in zip(lefts, heads, shares, colours, strict=True):
        ax.text(left + 0.5, LINE, head, color=colour, fontsize=SIZE, fontweight="bold", va="center")
        ax.text(left + 0.5, 2 * LINE, share, fontsize=SIZE, va="center")
    y = 2.8 * LINE
    for (group, texts, answers), height in zip(rows, heights, strict=True):
        if group:
            ax.text(0.5, y + height / 2, group, fontsize=SIZE, fontweight="bold", va="center")
            ax.plot([0, sum(widths)], [y + height] * 2, color="#999999", linewidth=0.8)
        for left, width, text, answer in zip(lefts, widths, texts, answers, strict=False):
            if answer is not None and not answer["right"]:
                ax.add_patch(Rectangle((left, y), width - 0.5, height - 0.02, color=WRONG))
            ax.text(left + 0.5, y + height / 2, text, fontsize=SIZE, va="center", linespacing=1.15,
                    style="italic" if answer and answer["expert"] else "normal")
        y += height
    ax.text(0.5, y + 0.8 * LINE, note, fontsize=SIZE, va="center")
    describe(ax, recording["words"])
    return figure
