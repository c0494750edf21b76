"""Figures of several skills in a row: methods over seeds, and each skill after each stage."""

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from workbench.measure.intervals import seed_interval
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text, name_ticks, percent_limits
from workbench.plots.styles import NOT_MEASURED, styles_of


def plot_over_seeds(rows: Mapping[str, Mapping[str, ArrayLike]], ax: Axes | None = None,
                    title: str = "", measure: str = "%", legend: bool = False) -> Axes:
    """Draw methods over seeds: a mark at the mean, a 95 % t interval, and a dot per seed.

    The interval is cut at 0 and 100 %, or at a seed beyond them. If a row is one method, its mean
    is written above the mark.

    Parameters
    ----------
    rows : mapping of str to mapping of str to array-like, shape (seeds,)
        By name of the row, the shares of each method of that row, from 0 to 1.
    legend : bool
        Whether to name the methods in a legend; not needed where each row is one method.
    """
    ax = ax or plt.subplots()[1]
    styles = styles_of(method for methods in rows.values() for method in methods)
    texts, labelled = [], set()
    for i, (row, methods) in enumerate(rows.items()):
        words = []
        for k, (method, seeds) in enumerate(methods.items()):
            shares, style = 100 * np.asarray(seeds, dtype=float), styles[method]
            y = i + 0.16 * (k - (len(methods) - 1) / 2)
            words.append(f"{method} {shares.mean():.0f}")
            if len(shares) > 1:
                low, high = np.clip(np.asarray(seed_interval(shares)), min(0, shares.min()),
                                    max(100, shares.max()))
                ax.plot([low, high], [y, y], color=style["color"], linewidth=1.5)
                words[-1] += f" ({low:.0f} to {high:.0f})"
            ax.plot(shares, np.full(len(shares), y), ".", color="black", markersize=3, zorder=3)
            ax.plot(shares.mean(), y, color=style["color"], marker=style["marker"], linestyle="",
                    label=method if method not in labelled else None)
            if len(methods) == 1:
                ax.annotate(f"{shares.mean():.0f}", (shares.mean(), y), (0, 5), ha="center",
                            va="bottom", textcoords="offset points", fontsize=9)
            labelled.add(method)
        texts.append(words[0] if list(methods) == [row] else f"{row}: {', '.join(words)}")
    ax.set_ylim(len(rows) - 0.5, -0.6)
    percent_limits(ax, "x")
    add_text(ax, title, measure, legend=legend)
    ax.set_yticks(range(len(rows)), [textwrap.fill(row, 30) for row in rows], fontsize=10)
    return describe(ax, f"Dots, {title} ({measure}), mean with 95 % interval over seeds: "
                    f"{'; '.join(texts)}.")


def plot_stages(accuracies: pd.DataFrame, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw the accuracy on each skill after each stage as a heat map.

    A cell without a value, NaN, is grey and empty: it is not the same as 0 %.

    Parameters
    ----------
    accuracies : DataFrame
        Shares from 0 to 1: a row per skill, a column per stage.
    """
    ax = ax or plt.subplots()[1]
    cells = accuracies.to_numpy(dtype=float)
    ax.imshow(cells, vmin=0, vmax=1, aspect="auto",
              cmap=plt.get_cmap("cividis").with_extremes(bad=NOT_MEASURED))
    for (i, j), share in np.ndenumerate(cells):
        if not np.isnan(share):
            ax.text(j, i, f"{100 * share:.0f}", ha="center", va="center",
                    color="white" if share <= 0.55 else "black")
    ax.grid(False)
    add_text(ax, title)
    name_ticks(ax, [str(name) for name in accuracies.columns])
    name_ticks(ax, [str(name) for name in accuracies.index], "y")
    return describe(ax, f"Heat map, {title}. " + ". ".join(
        f"{skill}: " + ", ".join(f"{percent(share)} {stage}" for stage, share in row.items()
                                 if not np.isnan(share))
        for skill, row in accuracies.iterrows()) + ".")
