"""Figures of several skills: methods over seeds, each skill after each stage, and its change."""

import textwrap
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from numpy.typing import ArrayLike

from workbench.plots.display import describe, over_seeds, percent
from workbench.plots.labels import add_text, name_ticks, percent_limits, write_cells
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
            mean, low, high = (100 * end for end in over_seeds(seeds))
            y = i + 0.16 * (k - (len(methods) - 1) / 2)
            words.append(f"{method} {mean:.0f}")
            if len(shares) > 1:
                ax.plot([low, high], [y, y], color=style["color"], linewidth=1.5)
                words[-1] += f" ({low:.0f} to {high:.0f})"
            ax.plot(shares, np.full(len(shares), y), ".", color="black", markersize=3, zorder=3)
            ax.plot(mean, y, color=style["color"], marker=style["marker"], linestyle="",
                    label=method if method not in labelled else None)
            if len(methods) == 1:
                ax.annotate(f"{mean:.0f}", (mean, y), (0, 5), ha="center", va="bottom",
                            textcoords="offset points", fontsize=9)
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
    ax = _heat_map(accuracies, ax, title, plt.get_cmap("cividis"), 0,
                   lambda share: f"{100 * share:.0f}", lambda share: share <= 0.55)
    return describe(ax, f"Heat map, {title}. " + ". ".join(
        f"{skill}: " + ", ".join(f"{percent(share)} {stage}" for stage, share in row.items()
                                 if not np.isnan(share))
        for skill, row in accuracies.iterrows()) + ".")


def plot_changes(changes: pd.DataFrame, ax: Axes | None = None,
                 title: str = "Change in accuracy (points)") -> Axes:
    """Draw what each method has lost and gained as a heat map: red is a loss, blue a gain.

    The colours reach from -100 to 100 points in every figure; 0 is white. A cell without a value,
    NaN, is grey and empty.

    Parameters
    ----------
    changes : DataFrame
        Accuracy after training minus accuracy before, from -1 to 1: a row for each method, a
        column for each task or skill.
    """
    ax = _heat_map(changes, ax, title, plt.get_cmap("RdBu"), -1, _points,
                   lambda change: abs(change) > 0.65)
    return describe(ax, f"Heat map, {title[:1].lower()}{title[1:]}. " + ". ".join(
        f"{method}: " + ", ".join(f"{name} {_points(change)}" for name, change in row.items()
                                  if not np.isnan(change))
        for method, row in changes.iterrows()) + ".")


def _points(change: float) -> str:
    """Return a change of a share in points with its sign: ``"-62"``, ``"+3"`` or ``"0"``."""
    return f"{round(100 * change):+d}" if round(100 * change) else "0"


def _heat_map(table: pd.DataFrame, ax: Axes | None, title: str, colours: Colormap, lowest: float,
              text: Callable[[float], str], dark: Callable[[float], bool]) -> Axes:
    """Draw cells from `lowest` to 1, with their numbers; `dark` says which cells are dark."""
    ax = ax or plt.subplots()[1]
    cells = table.to_numpy(dtype=float)
    ax.imshow(cells, vmin=lowest, vmax=1, aspect="auto",
              cmap=colours.with_extremes(bad=NOT_MEASURED))
    ax.grid(False)
    add_text(ax, title)
    name_ticks(ax, [str(name) for name in table.columns])
    name_ticks(ax, [str(name) for name in table.index], "y")
    write_cells(ax, cells, text, dark)
    return ax
