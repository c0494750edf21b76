"""Dot plots of shares with intervals: a row for each method, or learned against retained."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from workbench.plots.display import describe, over_seeds, percent
from workbench.plots.labels import add_text, name_ticks, percent_limits
from workbench.plots.names import DotNames
from workbench.plots.styles import styles_of

Share = tuple[float, float, float]
"""A share from 0 to 1, and the two ends of its interval."""


def plot_dots(series: Mapping[str, Mapping[str, Share]], ax: Axes | None = None, title: str = "",
              measure: str = "accuracy (%)", reference: tuple[str, float] | None = None) -> Axes:
    """Draw a row for each method, with a dot and an interval for each series.

    A series with the name of a method has the colour and marker of the method. The value of the
    first series is written beside the axes, in its colour. A share without an interval, such as
    ``(0.5, 0.5, 0.5)``, is a dot alone.

    Parameters
    ----------
    series : mapping of str to mapping of str to (float, float, float)
        By name of the series and of the method, a share and the ends of its interval. All series
        have the methods of the first one, in any order.
    reference : (str, float), optional
        A level to compare with, such as ``("chance", 0.1)``.
    """
    ax = ax or plt.subplots()[1]
    names, styles = list(next(iter(series.values()))), styles_of(series)
    for k, (label, shares) in enumerate(series.items()):
        colour = styles[label]["color"]
        for i, name in enumerate(names):
            value, low, high = (100 * number for number in shares[name])
            y = i + 0.3 * (k - (len(series) - 1) / 2)
            ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
            ax.plot(value, y, styles[label]["marker"], color=colour, markersize=6,
                    label=label if i == 0 and len(series) > 1 else None)
            if k == 0:
                ax.text(1.01, i, percent(value / 100), transform=ax.get_yaxis_transform(),
                        va="center", fontsize=9, color=colour if len(series) > 1 else "black")
    if reference is not None:
        ax.axvline(100 * reference[1], color="#555555", linestyle=":", label=reference[0])
    ax.set_ylim(len(names) - 0.4, -0.6)
    percent_limits(ax, "x")
    name_ticks(ax, names, "y")
    add_text(ax, title, measure)
    if len(series) > 1 or reference is not None:  # below the axes: it makes them no narrower
        down = ScaledTranslation(0, -40 / 72, ax.figure.dpi_scale_trans)
        ax.legend(frameon=False, fontsize=9, loc="upper center", ncols=4,
                  bbox_to_anchor=(0.5, 0), bbox_transform=ax.transAxes + down)
    texts = ["; ".join(f"{name} {percent(shares[name][0])}" + (
        f" ({percent(shares[name][1])} to {percent(shares[name][2])})"
        if shares[name][1] < shares[name][2] else "") for name in names)
        for shares in series.values()]
    parts = ". ".join(f"{label}: {text}" for label, text in zip(series, texts, strict=True))
    if reference is not None:
        parts += f". {reference[0]}: {percent(reference[1])}"
    return describe(ax, f"Dots with 95 % intervals, {title or measure}. {parts}.")


def plot_methods(runs: pd.DataFrame, ax: Axes | None = None, title: str = "",
                 learned: str = "new", retained: str = "retention",
                 labels: tuple[str, str] = ("accuracy on the new skill", "retention"),
                 methods: Sequence[str] = ()) -> Axes:
    """Draw a mark for each method: how much it has learned, and how much it has retained.

    A mark is the mean over seeds, its lines are 95 % t intervals, cut at 0 and 100 %, and small
    dots are seeds. Both axes show 0 to 100 %. A star is at the goal, the upper right corner.

    Parameters
    ----------
    runs : DataFrame
        A row for each run, such as `workbench.runs.studies.ends` of a study: the column ``method``,
        and shares in the columns `learned` and `retained`.
    labels : (str, str)
        Names of the two measures, for the axes.
    methods : sequence of str, optional
        All methods of a comparison, so that each has the same style in all its figures.
    """
    ax = ax or plt.subplots(figsize=(6.8, 4))[1]
    styles, texts, dots, intervals = styles_of(methods or runs["method"]), [], {}, []
    for method in map(str, runs["method"].unique()):
        own, style = runs[runs["method"] == method], styles[method] | {"linestyle": ""}
        sides = [over_seeds(own[name]) for name in (learned, retained)]
        (x, left, right), (y, low, high) = ([100 * end for end in side] for side in sides)
        if len(own) > 1:
            ax.plot(100 * own[learned], 100 * own[retained], **(style | {"marker": "."}),
                    markersize=4, alpha=0.5)
        for line in (((left, y), (right, y)), ((x, low), (x, high))):
            ax.plot(*zip(*line, strict=True), color=style["color"], linewidth=1.3, alpha=0.7)
            intervals.append(line)
        ax.plot(x, y, **style, markersize=9, zorder=3)
        dots[method] = (x, y)
        texts.append(f"{method}: " + ", ".join(
            f"{label} {percent(mean)}" + f" ({percent(low)} to {percent(high)})" * (low < high)
            for label, (mean, low, high) in zip(labels, sides, strict=True)))
    ax.plot(100, 100, "*", color="#777777", fillstyle="none", markersize=15, zorder=1)
    intervals.append(((97, 97), (103, 103)))  # no name may cover the star either
    percent_limits(ax, "x")
    percent_limits(ax)
    add_text(ax, title, f"learned: {labels[0]} (%)", f"retained: {labels[1]} (%)")
    ax.annotate("all learned, all retained ☆", (1, 1), (0, 5), "axes fraction", "offset points",
                ha="right", va="bottom", fontsize=9, color="#555555")
    ax.set_title(ax.get_title(), pad=22)
    DotNames(ax, list(dots), list(dots.values()), [styles[name]["color"] for name in dots],
             intervals)
    return describe(ax, f"{title or 'What each method has learned and retained'}. A mark for each "
                    f"method, with 95 % intervals over seeds. {'; '.join(texts)}.")
