"""Figures of responses of language models: token by token, and rates of right answers."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text, fitting_size, name_ticks, percent_limits
from workbench.plots.styles import COLOURS, HATCHES, styles_of

TOKENS_A_ROW = 10
DARK_NATS = 4.0
"""End of the scale of `plot_token_kl`: a larger KL has one darker colour."""
KL_COLOURS = mpl.colormaps["Blues"].with_extremes(over="#031634")


def plot_token_kl(words: Sequence[str], kl: ArrayLike, ax: Axes, index: int | None = None,
                  title: str = "How far the teacher is from the student (KL, nats)") -> Axes:
    """Draw the tokens of a response, coloured by the KL at their position.

    The scale is the same for all responses: from white at 0 to dark blue at `DARK_NATS`, and darker
    beyond. It is drawn beside the tokens.

    Parameters
    ----------
    kl : array-like, shape (tokens,)
        KL in nats at each of `words`.
    index : int, optional
        Position of the token that gets a frame.
    """
    values = np.asarray(kl, dtype=float)
    rows = -(-len(words) // TOKENS_A_ROW)
    columns = -(-len(words) // rows)
    cells = np.full(rows * columns, np.nan)
    cells[:len(words)] = values
    image = ax.imshow(cells.reshape(rows, columns), cmap=KL_COLOURS, vmin=0, vmax=DARK_NATS,
                      aspect="auto")
    for i, (word, value) in enumerate(zip(words, values, strict=True)):
        row, column = divmod(i, columns)
        colour = "white" if value > 0.55 * DARK_NATS else "black"
        # The scale takes the width of a column.
        ax.text(column, row - 0.18, word, ha="center", va="center", color=colour,
                fontweight="bold", fontsize=fitting_size(ax, word, columns + 1))
        ax.text(column, row + 0.25, f"{value:.2f}", ha="center", va="center", color=colour,
                fontsize=8)
    if index is not None:
        row, column = divmod(index, columns)
        ax.add_patch(Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, fill=False,
                               edgecolor=COLOURS[1], linewidth=3))
    ax.set_xticks(range(columns), [str(i + 1) for i in range(columns)])
    ax.set_yticks(range(rows), [f"+{row * columns}" if row else "" for row in range(rows)])
    ax.tick_params(axis="y", length=0)
    add_text(ax, title, "position in the response")
    ax.grid(False)
    _draw_scale(image, ax)
    largest = ", ".join(f"{values[i]:.2f} at {words[i]}" for i in np.argsort(-values)[:3])
    return describe(ax, f"Response “{' '.join(words)}”, one cell for each token, coloured by KL. "
                    f"Largest values: {largest}; {values.sum():.2f} nats in all.")


def _draw_scale(image: AxesImage, ax: Axes) -> None:
    """Draw the scale of the colours beside the axes; it is a part of the picture of the axes."""
    scale = ax.figure.colorbar(image, ax=ax, extend="max", ticks=[0, DARK_NATS / 2, DARK_NATS],
                               fraction=0.04, pad=0.02)
    scale.ax.set_yticklabels(["0", f"{DARK_NATS / 2:g}", f"{DARK_NATS:g} nats\nor more"],
                             fontsize=8)
    scale.outline.set_linewidth(0.5)


def plot_next_token(before: str, sides: Mapping[str, Mapping[str, float]],
                    axes: Sequence[Axes]) -> None:
    """Draw the next-token distribution of each model, on axes of its own.

    Parameters
    ----------
    sides : mapping of str to mapping of str to float
        Per model the probabilities of its likeliest tokens after `before`, highest first.
    """
    for i, ((name, top), ax) in enumerate(zip(sides.items(), axes, strict=True)):
        words, rows = list(top), np.arange(len(top))
        ax.barh(rows, [100 * top[word] for word in words], color=COLOURS[i],
                hatch="" if i == 0 else "//", edgecolor="white")
        name_ticks(ax, words, "y")
        ax.invert_yaxis()
        for row, p in zip(rows, top.values(), strict=True):
            ax.text(100 * p + 2, float(row), percent(p), va="center", fontsize=9)
        ax.set_xlim(0, 118)
        add_text(ax, name, "probability (%)")
        ax.grid(False, axis="y")
        likeliest = ", ".join(f"{word} {percent(top[word])}" for word in words[:3])
        describe(ax, f"After “{before or 'nothing yet'}” the {name} would say: {likeliest}.")


def plot_rates(rates: Mapping[str, Mapping[str, Mapping[str, float]]], ax: Axes,
               title: str = "") -> Axes:
    """Draw groups of bars with their intervals.

    `rates` has per series and group ``rate``, ``low`` and ``high``, from 0 to 1. A series may lack
    groups.
    """
    groups = list(dict.fromkeys(group for series in rates.values() for group in series))
    width = 0.8 / len(rates)
    texts, styles = [], styles_of(rates)
    for i, (name, series) in enumerate(rates.items()):
        x = [groups.index(group) + (i - (len(rates) - 1) / 2) * width for group in series]
        mean, low, high = (np.array([100 * group[key] for group in series.values()])
                           for key in ("rate", "low", "high"))
        ax.bar(x, mean, 0.92 * width, label=name, color=styles[name]["color"], edgecolor="white",
               hatch=HATCHES[i % len(HATCHES)])
        ax.errorbar(x, mean, [np.clip(mean - low, 0, None), np.clip(high - mean, 0, None)],
                    fmt="none", ecolor="black", capsize=2, linewidth=1)
        texts.append(f"{name}: " + ", ".join(f"{group} {percent(values['rate'])}"
                                             for group, values in series.items()))
    percent_limits(ax)
    add_text(ax, title, ylabel="right answers (%)", legend=True)
    name_ticks(ax, groups)
    return describe(ax, f"Bars with 95 % intervals: {title[:1].lower()}{title[1:].rstrip('?.')}. "
                    + "; ".join(texts) + ".")
