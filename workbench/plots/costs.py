"""Figure of accuracy against cost: a dot for each method, with its name beside it."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import ArrayLike, NDArray

from workbench.measure.accuracies import Floats
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text
from workbench.plots.styles import styles_of

NAME_SIZE = 10


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
    ax : Axes
        Its position must be final, because names are placed beside the dots.
    log : bool
        Whether the cost has a logarithmic axis, with 0 at its left end.
    methods : list of str, optional
        The names that get colours; by default those of the table. Give all methods of a comparison,
        so that each has the same style in all its figures.
    """
    styles = styles_of(methods or table.index)
    texts = []
    for name, row in table.sort_values(cost, kind="stable").iterrows():
        style, value = styles[str(name)], 100 * row["accuracy"]
        text = f"{name} {percent(row['accuracy'])} at {cost_text(row[cost])}"
        if "low" in table:
            low, high = 100 * row["low"], 100 * row["high"]
            ax.errorbar(row[cost], value, [[value - low], [high - value]], capsize=3,
                        linewidth=1.4, color=style["color"])
            text += f" (from {percent(row['low'])} to {percent(row['high'])})"
        ax.plot(row[cost], value, linestyle="", marker=style["marker"], color=style["color"],
                markersize=8, zorder=3)
        texts.append(text)
    _scale(ax, table[cost].to_numpy(dtype=float), log)
    ax.margins(y=0.2)
    add_text(ax, title, f"{cost}{' (log scale)' * log}", "accuracy (%)")
    _name_dots(ax, table, cost, styles)
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


def _name_dots(ax: Axes, table: pd.DataFrame, cost: str, styles: dict[str, dict[str, Any]]
               ) -> None:
    """Write each name at the nearest free place beside its dot, highest first."""
    ax.autoscale(False)
    canvas: Any = FigureCanvasAgg(ax.figure)  # type: ignore[arg-type]
    renderer = canvas.get_renderer()
    to_data = ax.transData.inverted()
    table = table.sort_values("accuracy", ascending=False)
    low, dots, high = (ax.transData.transform(np.stack([table[cost], 100 * table[end]], 1))
                       for end in (("low", "accuracy", "high") if "low" in table
                                   else ("accuracy",) * 3))
    taken = np.concatenate([_boxes(dots, [14, 14]), np.hstack([low - [5, 1], high + [5, 1]])])
    written, frame = np.zeros((0, 4)), np.array(ax.bbox.extents)
    for name, dot in zip(table.index, dots, strict=True):
        text = ax.text(0, 0, str(name), fontsize=NAME_SIZE, color=styles[name]["color"],
                       ha="center", va="center")
        size = np.array(text.get_window_extent(renderer).size)
        box, line = _free_place(dot, size, frame, np.concatenate([taken, written]), written)
        written = np.concatenate([written, box[None], _boxes(line, [2, 2])])
        text.set_position(tuple(to_data.transform(box.reshape(2, 2).mean(0))))
        if len(line):
            ax.plot(*to_data.transform([dot, line[-1]]).T, color="#999999", linewidth=0.8,
                    zorder=1)


def _free_place(dot: Floats, size: Floats, frame: Floats, taken: Floats, written: Floats
                ) -> tuple[Floats, Floats]:
    """Return the nearest free box for a name, and points on the line to it if it is far.

    A line must not cross the boxes `written`, of other names and their lines. If every line does,
    the nearest free box is returned.
    """
    rows = np.arange(-12, 13) * (size[1] + 2) / 2
    shifts = np.array([[side * across, up] for across, up in product(range(10, 130, 15), rows)
                       for side in (1, -1)])
    away = np.hypot(np.abs(shifts[:, 0]) - 10, shifts[:, 1])
    shifts = shifts[np.argsort(away, kind="stable")]
    boxes = _boxes(dot + shifts + np.sign(shifts) * size / 2 * [1, 0], size + 2)
    inside = ((boxes[:, :2] >= frame[:2]) & (boxes[:, 2:] <= frame[2:])).all(1)
    free = np.flatnonzero(inside & ~_overlaps(boxes, taken).any(1))
    places = []
    for i in (free if len(free) else [0]):
        near = np.hypot(*shifts[i]) < 14
        line = dot + np.linspace(0.1, 1, 0 if near else 20)[:, None] * shifts[i]
        places.append((boxes[i], line))
        if not _overlaps(_boxes(line, [0, 0]), written).any():
            return places[-1]
    return places[0]


def _boxes(middles: Floats, size: ArrayLike) -> Floats:
    """Return boxes of a size: x and y of the lower left, then of the upper right corner."""
    half = np.asarray(size, dtype=float) / 2
    return np.hstack([middles - half, middles + half])


def _overlaps(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which boxes (rows) overlap which others (columns)."""
    return np.asarray(((boxes[:, None, :2] < others[:, 2:])
                       & (others[:, :2] < boxes[:, None, 2:])).all(-1))
