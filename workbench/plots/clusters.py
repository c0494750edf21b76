"""Figures of task clusters: a labelled scatter plot, retrieval confusion, retention of a task."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from workbench.measure.accuracies import Floats
from workbench.plots.curves import draw_band
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text, fitting_size, name_ticks, percent_limits
from workbench.plots.styles import look

MOST_NAMED = 12
"""Groups beyond this number get no legend."""


def plot_clusters(coordinates: ArrayLike, tasks: ArrayLike, ax: Axes | None = None,
                  title: str = "", groups: ArrayLike | None = None,
                  chosen: ArrayLike | None = None) -> Axes:
    """Draw points in two dimensions, with the name of each task at the median of its points.

    Parameters
    ----------
    coordinates : array-like, shape (n, 2)
    tasks : array-like of str, shape (n,)
    groups : array-like, shape (n,), optional
        The groups that colours and markers distinguish, such as right and wrong; by default the
        tasks.
    chosen : array-like of bool, shape (n,), optional
        The points to emphasise.
    """
    ax = ax or plt.subplots()[1]
    xy, tasks = np.asarray(coordinates, dtype=float), np.asarray(tasks).astype(str)
    by = pd.Series(tasks if groups is None else groups).astype("category").cat
    strong = np.ones(len(xy), bool) if chosen is None else np.asarray(chosen, dtype=bool)
    size = float(np.clip(150 / np.sqrt(len(xy)), 1.5, 6))
    for k, name in enumerate(by.categories):
        style = look(k) | {"linestyle": "", "markeredgewidth": 0, "markersize": size}
        own = (by.codes == k).to_numpy()
        if not strong.all():
            ax.plot(*xy[own & ~strong].T, **style, alpha=0.12)
            style["markersize"] *= 1.3
        ax.plot(*xy[own & strong].T, **style, alpha=0.7, label=str(name))
    names = np.unique(tasks)
    medians = np.stack([np.median(xy[tasks == name], axis=0) for name in names])
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    for name, (x, y) in zip(names, medians, strict=True):
        ax.text(x, y, name, ha="center", va="center", fontweight="bold", path_effects=halo)
    ax.set_xticks([])
    ax.set_yticks([])
    named = groups is not None and len(by.categories) <= MOST_NAMED
    add_text(ax, title, legend=named)
    legend = ax.get_legend()
    for handle in legend.get_lines() if legend else ():
        handle.set_markersize(7)
    text = f"Scatter plot, {title or 'two dimensions'}: {len(xy)} points of {len(names)} tasks"
    if not strong.all():
        text += f", {strong.sum()} of them emphasised"
    if len(names) > 1:
        apart = np.linalg.norm(medians[:, None] - medians, axis=-1)
        np.fill_diagonal(apart, np.inf)
        text += ". Nearest medians in this picture: " + ", ".join(
            f"{a} to {names[i]}" for a, i in zip(names, apart.argmin(1), strict=True))
    return describe(ax, text + ".")


def confusion(tasks: ArrayLike, retrieved: ArrayLike) -> pd.DataFrame:
    """Return the share of each task's inputs (rows) for which each task is retrieved (columns).

    A row without inputs is NaN.
    """
    counts = pd.crosstab(np.asarray(tasks).astype(str), np.asarray(retrieved).astype(str))
    names = sorted({*counts.index, *counts.columns})
    counts = counts.reindex(index=names, columns=names, fill_value=0)
    return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def plot_confusion(shares: pd.DataFrame, ax: Axes | None = None,
                   title: str = "Retrieved task (% of each row)",
                   chosen: str | None = None) -> Axes:
    """Draw shares of `confusion` as a heat map, with a frame around the row of a chosen task."""
    ax = ax or plt.subplots()[1]
    values = shares.to_numpy(dtype=float)
    ax.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    size = min(10.0, fitting_size(ax, "100", len(values)))
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, "–" if np.isnan(value) else f"{100 * value:.0f}", ha="center", va="center",
                fontsize=size, color="white" if value <= 0.55 else "black",
                fontweight="bold" if i == j else "normal")
    if chosen in shares.index:
        ax.add_patch(Rectangle((-0.5, list(shares.index).index(chosen) - 0.5), len(values), 1,
                               fill=False, edgecolor="#D55E00", linewidth=3, clip_on=False))
    names = columns = [str(name) for name in shares.index]
    longest = max(names, key=len)
    rows = 1 + (fitting_size(ax, longest, len(names)) < 9)
    size = min(10.0, fitting_size(ax, longest, -(-len(names) // rows)))
    if size < 7:
        columns, rows, size = [str(j + 1) for j in range(len(names))], 1, 9
        names = [f"{name} ({j + 1})" for j, name in enumerate(names)]
    ax.set_xticks(range(len(names)), columns, fontsize=size)
    for tick in ax.xaxis.get_major_ticks()[1::2] if rows == 2 else ():
        tick.set_pad(4 + 1.3 * size)  # in two rows by turns, since one is too narrow
    name_ticks(ax, names, "y")
    add_text(ax, title, "retrieved", "task")
    ax.grid(False)
    told = []
    for i, name in enumerate(shares.index):
        if chosen in (None, name) or chosen not in shares.index:
            others = np.delete(values[i], i)
            told.append(f"{name} {percent(values[i, i])} right")
            if len(others) and others.max() > 0:
                most = shares.columns.delete(i)[int(others.argmax())]
                told[-1] += f", {percent(others.max())} taken for {most}"
    return describe(ax, f"Heat map, {title.lower()}: {'; '.join(told)}.")


def plot_task_retention(retention: Mapping[str, Floats], ax: Axes | None = None,
                        title: str = "Retention", chosen: str | None = None,
                        tasks: Sequence[str] | None = None) -> Axes:
    """Draw the accuracy on each task after each stage, with a chosen task in front of the others.

    Parameters
    ----------
    retention : mapping of str to ndarray, shape (seeds, stages)
        NaN before the task is learned.
    tasks : sequence of str, optional
        All tasks, in the order of their colours; by default those of `retention`.
    """
    ax = ax or plt.subplots()[1]
    told, order = [], list(retention if tasks is None else tasks)
    for name, values in retention.items():
        stages = np.flatnonzero(~np.isnan(values).any(0))
        curve = 100 * values[:, stages]
        if chosen is None:
            ax.plot(stages + 1, curve.mean(0), label=name, markersize=4,
                    **look(order.index(name)))
        elif name != chosen:
            ax.plot(stages + 1, curve.mean(0), color="#bbbbbb", linewidth=1)
        else:
            draw_band(ax, stages + 1, curve / 100, name, bounded=True, markersize=5, zorder=3,
                      **look(order.index(name)))
        if len(stages) and chosen in (None, name):
            told.append(f"{name} from {percent(curve[:, 0].mean() / 100)} after stage "
                        f"{stages[0] + 1} to {percent(curve[:, -1].mean() / 100)} after stage "
                        f"{stages[-1] + 1}")
    ax.set_xticks(range(1, 1 + max(values.shape[1] for values in retention.values())))
    percent_limits(ax)
    add_text(ax, title, "tasks learned", "accuracy (%)", legend=chosen is None, by_end=True)
    return describe(ax, f"Curves, {title[0].lower()}{title[1:]}: "
                    f"{'; '.join(told) or 'nothing measured'}.")
