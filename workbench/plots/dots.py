"""Dot plots: shares with their intervals, a row for each method."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text, name_ticks, percent_limits
from workbench.plots.styles import COLOURS, MARKERS

Share = tuple[float, float, float]
"""A share from 0 to 1, and the two ends of its interval."""


def plot_dots(series: Mapping[str, Mapping[str, Share]], ax: Axes | None = None, title: str = "",
              measure: str = "accuracy (%)", reference: tuple[str, float] | None = None) -> Axes:
    """Draw a row for each method, with a dot and an interval for each series.

    The value of the first series is written beside the axes, in its colour. A share without an
    interval, such as ``(0.5, 0.5, 0.5)``, is a dot alone.

    Parameters
    ----------
    series : mapping of str to mapping of str to (float, float, float)
        By name of the series and of the method, a share and the ends of its interval. All series
        have the methods of the first one, in any order.
    reference : (str, float), optional
        A level to compare with, such as ``("chance", 0.1)``.
    """
    ax = ax or plt.subplots()[1]
    names = list(next(iter(series.values())))
    for k, (label, shares) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        for i, name in enumerate(names):
            value, low, high = (100 * number for number in shares[name])
            y = i + 0.3 * (k - (len(series) - 1) / 2)
            ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
            ax.plot(value, y, MARKERS[k % len(MARKERS)], color=colour, markersize=6,
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
