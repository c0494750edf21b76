"""Figures of accuracies: matrix, curves and bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike

from workbench.measure.accuracies import Floats
from workbench.measure.intervals import seed_interval
from workbench.measure.metrics import AccuracyMatrix
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_legend, add_text, name_ticks, percent_limits
from workbench.plots.styles import COLOURS, HATCHES, NOT_MEASURED, look, styles_of


def plot_accuracy_matrix(matrix: AccuracyMatrix, names: Sequence[str], ax: Axes | None = None,
                         title: str = "Accuracy (%)") -> Axes:
    """Draw the mean accuracy matrix as a heat map: a row per task learned, a column per test.

    A cell without a measured value is grey and has no number. In the class scenario these are also
    the tasks not learned yet: their answers are not allowed, so no network could be right.
    """
    ax = ax or plt.subplots()[1]
    R = matrix.answerable().reshape(-1, *matrix.R.shape[-2:]).mean(0)
    ax.imshow(R, vmin=0, vmax=1, cmap=mpl.colormaps["cividis"].with_extremes(bad=NOT_MEASURED),
              aspect="auto")
    for (i, j), value in np.ndenumerate(R):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        ax.text(j, i, text, ha="center", va="center",
                color="white" if value <= 0.55 else "black",
                fontweight="bold" if i == j else "normal")
    name_ticks(ax, [f"after {n}" for n in names], "y")
    name_ticks(ax, names)
    early = bool((np.isnan(R) & ~np.isnan(matrix.R.mean(tuple(range(matrix.R.ndim - 2))))).any())
    add_text(ax, title, "tested on" + early * "\n(–: not learned yet, its answers are not allowed)")
    ax.grid(False)
    return describe(ax, f"Heat map, {title.lower()}: right after learning each task "
                    f"{percent(np.diagonal(R).mean())} on average; after the last task "
                    + ", ".join(f"{percent(v)} on {n}" for n, v in zip(names, R[-1], strict=True))
                    + "." + early * " Cells of tasks not learned yet are grey and have no number.")


def plot_retention(series: Mapping[str, ArrayLike], names: Sequence[str], ax: Axes | None = None,
                   title: str = "What is kept of the tasks seen so far") -> Axes:
    """Draw the mean accuracy on the tasks learned so far against their number.

    Parameters
    ----------
    series : mapping of str to array-like, shape (seeds, tasks, tasks) or (tasks, tasks)
        Accuracies by name of the method.
    """
    ax = ax or plt.subplots()[1]
    texts, styles = [], styles_of(series)
    for label, R in series.items():
        R = np.array(R, dtype=float, ndmin=3)
        seen = np.stack([R[:, k, : k + 1].mean(1) for k in range(R.shape[1])], 1)
        draw_band(ax, np.arange(1, R.shape[1] + 1), seen, label, bounded=True, **styles[label])
        texts.append(f"{label} ends at {percent(seen[:, -1].mean())}")
    ax.set_xticks(range(1, len(names) + 1))
    percent_limits(ax)
    add_text(ax, title, "tasks learned", "accuracy (%)", legend=True, by_end=True)
    return describe(ax, f"Curves of {title[0].lower()}{title[1:]}: {'; '.join(texts)}.")


def draw_band(ax: Axes, x: ArrayLike, values: Floats, label: str, bounded: bool = False,
              lowest: float = -np.inf, **style: Any) -> None:
    """Draw the mean over seeds (first axis) in percent, its 95 % t interval, and each seed.

    With `bounded`, the interval is cut at 0 and 100 %, as an accuracy cannot lie beyond. A
    retention can be above 100 % but not below 0: its `lowest` is 0.
    """
    values = 100 * np.asarray(values)
    ax.plot(x, values.mean(0), label=label, **style)
    if len(values) > 2:
        low, high = seed_interval(values)
        if bounded and not ((values < 0) | (values > 100)).any():
            low, high = np.maximum(low, 0), np.minimum(high, 100)
        low = np.maximum(low, 100 * lowest)
        ax.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if len(values) > 1:
        ax.plot(x, values.T, color=style["color"], alpha=0.25, linewidth=0.7)


def plot_task_curves(steps: ArrayLike, curve: Floats, names: Sequence[str],
                     steps_per_task: int, ax: Axes | None = None,
                     title: str = "Accuracy while training", pale: bool = False) -> Axes:
    """Draw the accuracy on every task against the training step.

    Parameters
    ----------
    curve : ndarray, shape (seeds, points, tasks)
        Accuracy at each of `steps` since the start; points not reached yet are NaN.
    pale : bool
        Whether to draw the curves in pale colours, because they are of an earlier training.
    """
    ax = ax or plt.subplots()[1]
    steps = np.asarray(steps)
    there = ~np.isnan(curve).any((0, 2))
    for j, name in enumerate(names):
        style = look(j)
        if pale:
            style["color"] = tuple(0.25 * part + 0.75 for part in to_rgb(style["color"]))
        draw_band(ax, steps[there], curve[:, there, j], name, bounded=True, markevery=0.1, **style)
    for k in range(1, len(names)):
        ax.axvline(k * steps_per_task, color="grey", linewidth=0.8)
    ax.set_xlim(0, len(names) * steps_per_task)
    percent_limits(ax)
    add_text(ax, title, "steps", "accuracy (%)", legend=True)
    return describe(ax, task_curves_in_words(steps, curve, names, title))


def task_curves_in_words(steps: ArrayLike, curve: Floats, names: Sequence[str],
                         title: str = "Accuracy while training") -> str:
    """Return the alternative text of `plot_task_curves`."""
    there = ~np.isnan(curve).any((0, 2))
    if not there.any():
        return f"Empty axes: {title.lower()}, nothing trained yet."
    now = curve[:, there][:, -1].mean(0)
    return (f"Curves of {title.lower()}, at step {np.asarray(steps)[there][-1]}: "
            + ", ".join(f"{n} {percent(v)}" for n, v in zip(names, now, strict=True)) + ".")


def plot_bars(values: Mapping[str, ArrayLike], ax: Axes | None = None, title: str = "",
              measure: str = "accuracy (%)", reference: tuple[str, float] | None = None) -> Axes:
    """Draw a horizontal bar per method with the 95 % t interval over seeds, and a dot per seed.

    Intervals are cut at 0 and 100 %, or at a seed beyond them.

    Parameters
    ----------
    values : mapping of str to array-like, shape (seeds,)
        Shares from 0 to 1.
    measure : str
        Label of the axis. Intervals of an ``accuracy`` are cut at 0 and 100 %.
    reference : (str, float), optional
        A level to compare with, such as ``("chance", 0.1)``.
    """
    ax = ax or plt.subplots()[1]
    texts, styles = [], styles_of(values)
    for i, (label, seeds) in enumerate(values.items()):
        shares = 100 * np.atleast_1d(np.asarray(seeds, dtype=float))
        ax.barh(i, shares.mean(), color=styles[label]["color"], alpha=0.75, edgecolor="white",
                hatch=HATCHES[i % len(HATCHES)])
        text = f"{label} {percent(shares.mean() / 100)}"
        if len(shares) > 2:
            low, high = map(float, seed_interval(shares))
            if measure.startswith(("accuracy", "retention")):
                # Wider if a value lies beyond: the interval always holds the mean.
                least, most = min(0, shares.min(), shares.mean()), max(100, shares.max())
                low, high = max(low, least), min(high, max(most, shares.mean()))
            ax.errorbar(shares.mean(), i, xerr=[[shares.mean() - low], [high - shares.mean()]],
                        color="black", capsize=4, linewidth=1.2)
            text += f" (from {percent(low / 100)} to {percent(high / 100)})"
        ax.plot(shares, np.full(len(shares), i), ".", color="black", markersize=4)
        texts.append(text)
    if reference is not None:
        ax.axvline(100 * reference[1], color="grey", linestyle=":", label=reference[0])
        texts.append(f"{reference[0]} {percent(reference[1])}")
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    add_legend(ax)
    name_ticks(ax, list(values), "y")
    add_text(ax, title, measure)
    return describe(ax, f"Bars, {title.lower() or measure}, with 95 % intervals over seeds: "
                    f"{'; '.join(texts)}.")


def plot_differences(values: Mapping[str, ArrayLike], ax: Axes | None = None, title: str = "",
                     measure: str = "difference in points") -> Axes:
    """Draw a dot per method, the mean of paired differences, with its 95 % t interval and 0.

    `values` has the differences of each method, shape (seeds,), at least two.
    """
    ax = ax or plt.subplots()[1]
    texts = []
    for i, (label, seeds) in enumerate(values.items()):
        differences = np.asarray(seeds, dtype=float)
        mean, (low, high) = differences.mean(), seed_interval(differences)
        ax.errorbar(mean, i, xerr=[[mean - low], [high - mean]], fmt="o", color=COLOURS[0],
                    capsize=4, linewidth=1.4)
        texts.append(f"{label} {mean:+.1f} (from {low:+.1f} to {high:+.1f})")
    ax.axvline(0, color="#555555", linewidth=1)
    ax.set_ylim(len(values) - 0.5, -0.5)  # not inverted: two axes may share it
    name_ticks(ax, list(values), "y")
    add_text(ax, title, measure)
    return describe(ax, f"Dots, {title or measure}, {measure}, with 95 % intervals: "
                    f"{'; '.join(texts)}.")
