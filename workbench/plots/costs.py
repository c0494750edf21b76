"""Figure of accuracy against cost: a dot for each method, with its name beside it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from workbench.measure.accuracies import Floats
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text
from workbench.plots.names import DotNames
from workbench.plots.styles import styles_of


def cost_text(cost: float) -> str:
    """Return a cost with at most three digits, ``"1,250"`` or ``"0.042"``."""
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"


def plot_costs(table: pd.DataFrame, cost: str, ax: Axes, log: bool = False,
               title: str = "", methods: list[str] | None = None) -> Axes:
    """Draw the accuracy of each method against a cost, with its interval.

    Parameters
    ----------
    table : DataFrame
        A row for each method; columns `cost`, ``accuracy`` and perhaps ``low`` and ``high``, from
        0 to 1.
    log : bool
        Whether the cost has a logarithmic axis, with 0 at its left end.
    methods : list of str, optional
        The names that get colours; by default those of the table. Give all methods of a comparison,
        so that each has the same style in all its figures.
    """
    styles = styles_of(methods or table.index)
    texts, intervals = [], []
    for name, row in table.sort_values(cost, kind="stable").iterrows():
        style, value = styles[str(name)], 100 * row["accuracy"]
        text = f"{name} {percent(row['accuracy'])} at {cost_text(row[cost])}"
        if "low" in table:
            low, high = 100 * row["low"], 100 * row["high"]
            ax.errorbar(row[cost], value, [[value - low], [high - value]], capsize=3,
                        linewidth=1.4, color=style["color"])
            intervals.append([(row[cost], low), (row[cost], high)])
            text += f" (from {percent(row['low'])} to {percent(row['high'])})"
        ax.plot(row[cost], value, linestyle="", marker=style["marker"], color=style["color"],
                markersize=8, zorder=3)
        texts.append(text)
    _scale(ax, table[cost].to_numpy(dtype=float), log)
    ax.margins(y=0.2)
    add_text(ax, title, f"{cost}{' (log scale)' * log}", "accuracy (%)")
    DotNames(ax, [str(name) for name in table.index],
             np.stack([table[cost], 100 * table["accuracy"]], 1),
             [styles[str(name)]["color"] for name in table.index], intervals)
    return describe(ax, f"Dots, accuracy against {cost}, cheapest first: "
                    f"{'; '.join(texts) or 'no method is ticked'}.")


def _scale(ax: Axes, costs: Floats, log: bool) -> None:
    """Set limits and ticks of the cost."""
    positive = costs[costs > 0]
    if not log or not len(positive):
        most = costs.max() if len(positive) else 1.0
        ax.set_xlim(-0.05 * most, 1.1 * most)
    else:
        low, high = positive.min(), positive.max()
        if len(positive) < len(costs):  # 0 has no logarithm
            ax.set_xscale("symlog", linthresh=low, linscale=1)
            ax.set_xlim(-0.3 * low, 3 * high)
        else:
            ax.set_xscale("log")
            ax.set_xlim(low / 2.5, 2.5 * high)
            if high < 300 * low:
                ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.minorticks_off()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: cost_text(value)))
