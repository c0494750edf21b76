"""Texts and limits of axes: labels that fit, and limits that show all data."""

import textwrap
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

CHARACTER = 0.58
"""Mean width of a character, as a share of the font size (DejaVu Sans)."""
LINE = 1.25
"""Height of a line of text, as a share of the font size."""
SMALLEST = 6.5
"""Font size below which numbers are left out of cells and bars."""
LEGEND_SIZE, TITLE_SIZE, LABEL_SIZE = 9, 13, 11


def add_legend(ax: Axes, by_end: bool = False) -> None:
    """Put a legend to the right of the axes, with long names wrapped.

    With `by_end`, lines are listed by their last value, highest first, so that names are near them.
    """
    handles, names = ax.get_legend_handles_labels()
    if by_end:
        ends = [-np.nan_to_num(np.asarray(handle.get_ydata(), dtype=float)[-1])
                for handle in handles if isinstance(handle, Line2D)]
        order = np.argsort(ends, kind="stable")
        handles, names = [handles[i] for i in order], [names[i] for i in order]
    if names:
        width = min(max(0.35 * _width(ax), 60.0), 160.0)
        ax.legend(handles, [_wrap(name, width, LEGEND_SIZE) for name in names], frameon=False,
                  fontsize=LEGEND_SIZE, loc="center left", bbox_to_anchor=(1.0, 0.5))


def add_text(ax: Axes, title: str = "", xlabel: str = "", ylabel: str = "", legend: bool = False,
             by_end: bool = False) -> None:
    """Write title and axis labels, wrapped to the size of the axes, after a `legend` if asked."""
    if legend:
        add_legend(ax, by_end)
    width, height = _width(ax), _height(ax)
    ax.set_title(_wrap(title, width, TITLE_SIZE))
    ax.set_xlabel(_wrap(xlabel, width, LABEL_SIZE))
    ax.set_ylabel(_wrap(ylabel, height, LABEL_SIZE))


def name_ticks(ax: Axes, names: Sequence[str], axis: str = "x") -> None:
    """Name the ticks 0, 1, … of an axis without overlap; call it when the legend is there.

    Long names are wrapped; if that is not enough, the font becomes smaller.
    """
    width, height = _width(ax), _height(ax)
    across, down = ((0.92 * width / max(len(names), 1), 0.4 * height) if axis == "x"
                    else (0.4 * width, height / max(len(names), 1)))
    wrapped, size = _fit(names, across, down)
    set_ticks = ax.set_xticks if axis == "x" else ax.set_yticks
    set_ticks(range(len(names)), wrapped, fontsize=size)


def head_columns(ax: Axes, groups: Sequence[tuple[str, int]]) -> None:
    """Write names above groups of columns 0, 1, …, below the title; call it after `add_text`.

    `groups` has a name and a number of columns for each group.
    """
    columns = sum(count for _, count in groups)
    across = 0.85 * _width(ax) * min(count for _, count in groups) / columns
    names, size = _fit([name for name, _ in groups], across, 0.4 * _height(ax))
    start = -0.5
    for name, (_, count) in zip(names, groups, strict=True):
        ax.annotate(name, (start + count / 2, 1), (0, 4), ("data", "axes fraction"),
                    "offset points", ha="center", va="bottom", fontsize=size)
        start += count
    lines = max(name.count("\n") + 1 for name in names)
    ax.set_title(ax.get_title(), pad=8 + LINE * size * lines)


def fitting_size(ax: Axes, text: str, columns: int) -> float:
    """Return the font size, at most 11, at which bold text fits one of the columns of the axes."""
    return min(11.0, 0.92 * _width(ax) / columns / (1.15 * CHARACTER * max(len(text), 1)))


def write_cells(ax: Axes, cells: NDArray[np.float64], text: Callable[[float], str],
                dark: Callable[[float], bool]) -> None:
    """Write the numbers into the cells of a heat map if they can be read; NaN has none.

    Parameters
    ----------
    dark : callable
        Whether the colour of a cell is dark, so that its number must be white.
    """
    texts = {place: text(float(value)) for place, value in np.ndenumerate(cells)
             if not np.isnan(value)}
    size = min(10.0, fitting_size(ax, max(texts.values(), key=len, default=""), cells.shape[1]),
               _height(ax) / len(cells) / LINE)
    for (i, j), number in texts.items() if size >= SMALLEST else ():
        ax.text(j, i, number, ha="center", va="center", fontsize=size,
                color="white" if dark(float(cells[i, j])) else "black")


def percent_limits(ax: Axes, axis: str = "y") -> None:
    """Show 0 to 100 % of an axis, and more if data lie beyond; call it after drawing."""
    ends = [end for end in getattr(ax.dataLim, f"interval{axis}") if np.isfinite(end)]
    low, high = min([0.0, *ends]), max([100.0, *ends])
    margin = 0.03 * (high - low)
    (ax.set_ylim if axis == "y" else ax.set_xlim)(low - margin, high + margin)


def _wrap(text: str, width: float, size: float, break_words: bool = False) -> str:
    characters = max(int(width / (CHARACTER * size)), 1)
    return "\n".join(textwrap.fill(line, characters, break_long_words=break_words)
                     for line in text.split("\n"))


def _width(ax: Axes) -> float:
    """Return the approximate width of the axes in points, once the figure has its layout."""
    spec = ax.get_subplotspec()
    share, columns = 1.0, 1
    if spec is not None:
        ratios = np.array(spec.get_gridspec().get_width_ratios(), dtype=float)
        columns, share = len(ratios), ratios[spec.colspan].sum() / ratios.sum()
    names = max((_longest(label.get_text()) * float(label.get_fontsize())
                 for label in ax.get_yticklabels()), default=0.0)
    legend, taken = ax.get_legend(), 0.0
    if legend is not None:
        longest = max(_longest(text.get_text()) for text in legend.get_texts())
        taken = longest * CHARACTER * LEGEND_SIZE + 40
        others = [other for other in ax.figure.axes if other is not ax and other.has_data()]
        if any(other.get_legend() is None for other in others):
            taken /= columns  # one legend makes all columns narrower
    whole = 72 * ax.figure.bbox.width / ax.figure.dpi
    return max(float(share * whole - max(50, 25 + CHARACTER * names) - taken), 40.0)


def _fit(names: Sequence[str], across: float, down: float) -> tuple[list[str], int]:
    """Return names wrapped to a width and a height in points, and their font size, 7 to 10."""
    for size in (10, 9, 8, 7):
        wrapped = [_wrap(name, across, size, break_words=size == 7) for name in names]
        if all(_longest(name) * CHARACTER * size <= across
               and (name.count("\n") + 1) * LINE * size <= down for name in wrapped):
            break
    return wrapped, size


def _longest(text: str) -> int:
    """Return the number of characters of the longest line."""
    return max(map(len, text.split("\n")))


def _height(ax: Axes) -> float:
    return float(72 * ax.bbox.height / ax.figure.dpi)
