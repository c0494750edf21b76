"""Figures of composed modules: reused units, the effect of each, and angles between tasks."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from workbench.errors import DataError
from workbench.measure.accuracies import Floats
from workbench.measure.intervals import wilson_interval
from workbench.plots.display import describe, percent
from workbench.plots.labels import (
    SMALLEST,
    add_text,
    fitting_size,
    head_columns,
    name_ticks,
    percent_limits,
    write_cells,
)
from workbench.plots.styles import COLOURS

OTHERS = "#777777"


def unit_numbers(owners: Sequence[str]) -> list[int]:
    """Return the number of each unit among those of its owner, from 1."""
    seen: Counter[str] = Counter()
    numbers = []
    for owner in owners:
        seen[owner] += 1
        numbers.append(seen[owner])
    return numbers


def plot_coefficients(coefficients: ArrayLike, layers: Sequence[str], owners: Sequence[str],
                      ax: Axes | None = None, title: str = "Coefficients of the reused units",
                      off: Collection[int] = ()) -> Axes:
    """Draw the coefficient of each reused unit in each layer as a heat map.

    A coefficient of 1 reuses a unit as strongly as the task that made it. The colours end at 1, or
    at the largest coefficient if that is larger, so that small coefficients look small.

    Parameters
    ----------
    coefficients : array-like, shape (layers, units)
        Such as `workbench.models.composition.Composition.coefficients`.
    owners : sequence of str
        The name of the task that made each unit, in the order of the columns. Names beyond the
        coefficients stand for units of the new part: they have no coefficient and are grey.
    off : collection of int
        Columns that are switched off; they are hatched.
    """
    values = np.asarray(coefficients, dtype=float)
    if values.ndim != 2 or len(values) != len(layers) or not np.isfinite(values).all():
        raise DataError("coefficients must be finite numbers, a row for each of the "
                        f"{len(layers)} layers; they have shape {values.shape}")
    if len(owners) < max(values.shape[1], 1):
        raise DataError(f"owners has {len(owners)} names, expected at least one, and one for each "
                        f"of the {values.shape[1]} units. The first task reuses no unit.")
    ax = ax or plt.subplots()[1]
    count, used = len(owners), values.shape[1]
    limit = max(1.0, float(np.abs(values).max(initial=0)))
    cells = np.pad(values, ((0, 0), (0, count - used)), constant_values=np.nan)
    image = ax.imshow(cells, vmin=-limit, vmax=limit, aspect="auto",
                      cmap=mpl.colormaps["RdBu_r"].with_extremes(bad="#dddddd"))
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.015, 0, 0.02, 1)),
                             ticks=[-limit, 0, limit], format="%.3g")
    bar.ax.tick_params(labelsize=9)
    write_cells(ax, cells, _number, lambda value: abs(value) > 0.65 * limit)
    if used < count:
        ax.text((used + count - 1) / 2, (len(values) - 1) / 2, "always 1", ha="center",
                va="center", fontsize=min(10.0, fitting_size(ax, "always 1", count)
                                          * (count - used)))
    for column in off:
        ax.add_patch(Rectangle((column - 0.5, -0.5), 1, len(values), facecolor="white", alpha=0.8,
                               edgecolor="#aaaaaa", hatch="//", linewidth=0))
    name_ticks(ax, layers, "y")
    ax.set_xticks(range(count), [f"{number}\n×" if j in off else f"{number}"
                                 for j, number in enumerate(unit_numbers(owners))],
                  fontsize=min(9.0, fitting_size(ax, "12", count)))
    _separate(ax, owners)
    ax.grid(False)
    add_text(ax, title, f"unit ({'×: off; ' if off else ''}coefficient 1: as strong as in its own "
             "task)")
    head_columns(ax, [(name, len(list(own))) for name, own in groupby(owners)])
    return describe(ax, f"Heat map, {title[:1].lower()}{title[1:]}, "
                    f"{f'layer {layers[0]}' if len(layers) == 1 else f'{len(layers)} layers'}: "
                    f"{_coefficients_in_words(values, layers, owners)}.")


def _number(value: float) -> str:
    """Return a number with two decimals and without a 0 before them: ``"-.05"``."""
    if not round(value, 2):
        return "0"
    return ("-" if value < 0 else "") + f"{abs(value):.2f}".removeprefix("0")


def _separate(ax: Axes, owners: Sequence[str]) -> None:
    """Show one column for each unit, with a line between units of two owners."""
    ax.set_xlim(-0.5, len(owners) - 0.5)
    for j in range(1, len(owners)):
        if owners[j] != owners[j - 1]:
            ax.axvline(j - 0.5, color="black", linewidth=1.2)
    ax.grid(False, axis="x")


def _quoted(name: str) -> str:
    """Return a name, in quotes if it has several words, such as “8 or 9”."""
    return f"“{name}”" if " " in name else name


def _coefficients_in_words(values: Floats, layers: Sequence[str], owners: Sequence[str]) -> str:
    if not values.size:
        return "no unit is reused"
    groups = []
    for owner in dict.fromkeys(owners[:values.shape[1]]):
        own = values[:, [name == owner for name in owners[:values.shape[1]]]]
        groups.append(f"units of {_quoted(owner)} from {_number(own.min())} to "
                      f"{_number(own.max())}")
    i, j = divmod(int(np.abs(values).argmax()), values.shape[1])
    return (f"{'; '.join(groups)}; farthest from 0 is {_number(values[i, j])}, of unit "
            f"{unit_numbers(owners)[j]} of {_quoted(owners[j])} in layer {layers[i]}")


def plot_each_unit_off(changes: ArrayLike, owners: Sequence[str], inputs: int, ax: Axes,
                       title: str = "Change in accuracy if one unit is off") -> Axes:
    """Draw how the accuracy changes when one unit is switched off, a bar for each unit.

    Parameters
    ----------
    changes : array-like, shape (units,)
        Accuracy with one unit off, minus that with all units.
    owners : sequence of str, shape (units,)
        As in `plot_coefficients`.
    inputs : int
        The number of test inputs.
    """
    points = 100 * np.asarray(changes, dtype=float)
    ax.bar(range(len(points)), points, 0.8,
           color=[COLOURS[2] if value > 0 else COLOURS[1] for value in points])
    ax.axhline(0, color="black", linewidth=1)
    low, high = min(-5.0, points.min()), max(2.0, points.max())
    margin = 0.25 * (high - low)
    ax.set_ylim(low - margin, high + margin)
    texts = [f"{value:+.1f}" if value else "0" for value in points]
    size = min(9.0, fitting_size(ax, max(texts, key=len), len(points)))
    for j, (text, value) in enumerate(zip(texts, points, strict=True)):
        if size >= SMALLEST:
            ax.annotate(text, (j, value), (0, 2 if value >= 0 else -2),
                        textcoords="offset points", ha="center", fontsize=size,
                        va="bottom" if value >= 0 else "top")
    _separate(ax, owners)
    ax.set_xticks([])
    add_text(ax, title, f"one of the {inputs} test inputs is {100 / inputs:.1f} points", "points")
    names = [f"unit {n} of {_quoted(owner)}"
             for n, owner in zip(unit_numbers(owners), owners, strict=True)]
    worst = int(points.argmin())
    told = (f"the largest loss is {-points[worst]:.1f} points, without {names[worst]}"
            if points[worst] < 0 else "it is lower for no unit")
    return describe(ax, f"Bars, change in accuracy when only one unit is off: {told}. For "
                    f"{int((points == 0).sum())} of {len(points)} units it stays the same.")


def plot_switched(right: Mapping[str, ArrayLike], ax: Axes, title: str = "",
                  chance: float | None = None) -> Axes:
    """Draw the accuracy with several choices of units: a dot each, with Wilson's 95 % interval.

    Parameters
    ----------
    right : mapping of str to array-like of bool, shape (test inputs,)
        Which inputs are answered right; the second choice is compared with the first.
    chance : float, optional
        The accuracy of guesses, a dotted line.
    """
    texts, names = [], []
    for row, (name, answers) in enumerate(right.items()):
        count, total = int(np.sum(answers)), len(np.asarray(answers))
        low, high = wilson_interval(count, total)
        colour = (*COLOURS[:2], *[OTHERS] * len(right))[row]
        ax.plot([100 * low, 100 * high], [row, row], color=colour)
        ax.plot(100 * count / total, row, "osDDD"[min(row, 2)], color=colour, markersize=8)
        names.append(f"{name}\n{percent(count / total)}")
        texts.append(f"{name} {percent(count / total)} ({count} of {total})")
    if chance is not None:
        ax.axvline(100 * chance, color="grey", linestyle=":", linewidth=1.2)
    ax.set_ylim(len(right) - 0.5, -0.5)
    percent_limits(ax, "x")
    name_ticks(ax, names, "y")
    add_text(ax, title, f"%{'; dotted: chance' if chance is not None else ''}")
    ax.grid(False, axis="y")
    return describe(ax, f"Dots with 95 % intervals, accuracy: {'; '.join(texts)}.")


def plot_angles(cosines: ArrayLike, names: Sequence[str], ax: Axes | None = None,
                title: str = "Largest cosine between new parts",
                chance: float | None = None) -> Axes:
    """Draw a heat map of how much the new parts of two tasks read in common.

    Parameters
    ----------
    cosines : array-like, shape (tasks, tasks)
        Of one layer, or the mean over layers, of `workbench.measure.composition.new_part_cosines`.
    names : sequence of str
        Names of the tasks, at least two.
    chance : float, optional
        The cosine of random new parts; see `workbench.measure.composition.random_cosine`.
    """
    values = np.asarray(cosines, dtype=float)
    if values.shape != (len(names), len(names)) or len(names) < 2:
        raise DataError(f"cosines have shape {values.shape}, expected one row and column for each "
                        f"of the {len(names)} tasks, at least two. Choose a layer, or take the "
                        "mean over layers.")
    ax = ax or plt.subplots()[1]
    later = np.tril(np.ones_like(values, dtype=bool), -1)[1:, :-1]
    cells = np.where(later, values[1:, :-1], np.nan)
    ax.imshow(cells, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    size = min(10.0, fitting_size(ax, "0.00", len(cells)))
    for i, j in np.argwhere(later):
        ax.text(j, i, f"{cells[i, j]:.2f}", ha="center", va="center", fontsize=size,
                color="white" if cells[i, j] <= 0.55 else "black")
    name_ticks(ax, names[1:], "y")
    name_ticks(ax, names[:-1])
    random = "" if chance is None else f"random new parts have {chance:.2f}"
    add_text(ax, title, f"earlier task\n{random}".strip(), "later task")
    ax.grid(False)
    told = "; ".join(f"{names[i + 1]} with {names[j]} {cells[i, j]:.2f}"
                     for i, j in np.argwhere(later))
    return describe(ax, f"Heat map, {title[:1].lower()}{title[1:]}: {told}"
                    f"{random and '; '}{random}.")
