"""Figures about tokens: how far two distributions are apart, and what each would say next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from workbench.plots import COLOURS, describe, percent


def plot_token_kl(words: Sequence[str], kl: ArrayLike, ax: Axes, chosen: int | None = None,
                  title: str = "How far the teacher is from the student (KL, nats)") -> Axes:
    """Draw a response with a colour per token for the KL at its position.

    Parameters
    ----------
    words : sequence of str
        The tokens of the response.
    kl : array-like, shape (tokens,)
        In nats.
    ax : Axes
        Where to draw.
    chosen : int, optional
        Position to put a frame around.
    title : str
        Above the figure.
    """
    values = np.asarray(kl, dtype=float)
    ax.imshow(values[None], cmap="cividis", vmin=0, vmax=max(1.0, float(values.max())),
              aspect="auto")
    top = max(1.0, float(values.max()))
    for i, (word, value) in enumerate(zip(words, values, strict=True)):
        colour = "white" if value < 0.55 * top else "black"
        ax.text(i, -0.12, word, ha="center", va="center", color=colour, fontweight="bold",
                fontsize=11 if len(words) < 16 else 8)
        ax.text(i, 0.28, f"{value:.2f}", ha="center", va="center", color=colour,
                fontsize=9 if len(words) < 16 else 7)
    if chosen is not None:
        ax.add_patch(_frame(chosen))
    ax.set_xticks(range(len(words)), [str(i + 1) for i in range(len(words))])
    ax.set_yticks([])
    ax.set_xlabel("position in the response")
    ax.set_title(title)
    ax.grid(False)
    far = np.argsort(-values)[:3]
    said = ", ".join(f"{values[i]:.2f} at {words[i]}" for i in far)
    return describe(ax, f"Response “{' '.join(words)}”, one cell a token, coloured by KL: most is "
                    f"{said}; {values.sum():.2f} nats in all.")


def _frame(position: int) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((position - 0.48, -0.47), 0.96, 0.94, fill=False, edgecolor=COLOURS[1],
                     linewidth=3)


def plot_next_token(before: str, sides: Mapping[str, Mapping[str, float]],
                    axes: Sequence[Axes]) -> None:
    """Draw what each of some models would say next, side by side.

    Parameters
    ----------
    before : str
        What has been said so far; its end is shown.
    sides : mapping of str to mapping of str to float
        Per model the probability of its likeliest words, highest first.
    axes : sequence of Axes
        One per model.
    """
    for i, ((name, top), ax) in enumerate(zip(sides.items(), axes, strict=True)):
        words = list(top)
        ax.barh(words, [100 * top[word] for word in words], color=COLOURS[i],
                hatch="" if i == 0 else "//", edgecolor="white")
        ax.invert_yaxis()
        for word in words:
            ax.text(100 * top[word] + 2, word, percent(top[word]), va="center", fontsize=9)
        ax.set(xlim=(0, 118), xlabel="probability (%)", title=name)
        ax.grid(False, axis="y")
        said = ", ".join(f"{word} {percent(p)}" for word, p in list(top.items())[:3])
        describe(ax, f"After “{before or 'nothing yet'}” the {name} would say: {said}.")
