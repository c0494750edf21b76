"""Figures of the toy of task retrieval: inputs, errors beside bounds, and conformal sets."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.plots.display import describe
from workbench.plots.labels import add_text
from workbench.plots.styles import COLOURS, MARKERS, look
from workbench.retrieval.simulation import Outcome

FLOOR = 1e-5
"""The smallest error that is drawn; smaller ones are at its place."""
NOTHING = "says nothing"
SHOWN = 60
"""Inputs of each task in the picture."""
SERIES = {"fitted log density": 0, "true densities": 6, "normal form": 2, "B1": 1, "B2": 4,
          "paper's condition": 7, "B1 of the fitted densities": 8}
"""The series drawn against separation, and the number of the look of each."""
LOOKS = {"measured": (COLOURS[0], "o"), "true": ("#000000", "D"), "bound": (COLOURS[1], "s")}


def share(value: float) -> str:
    """Return a share in percent with two digits; ``"below 0.001 %"`` below the floor."""
    if 0 < value < FLOOR:
        return f"below {100 * FLOOR:g} %"
    return f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.2g} %"


def reading(row: Any) -> str:
    """Return the value of a row of `errors` in words."""
    if row["kind"] != "bound":
        return share(row["value"])
    # A bound is never 0, though it may be too small for a number of the machine.
    return NOTHING if row["value"] >= 1 else share(max(row["value"], 1e-300))


def plot_outcome(outcome: Outcome, figure: Figure) -> Figure:
    """Draw inputs, errors beside bounds, and conformal sets of a toy, in 10 by 4.6 inches."""
    # A fixed layout: a computed one takes a fifth of the time of a redraw.
    figure.set_layout_engine("none")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.6], height_ratios=[2.1, 1], left=0.085,
                               right=0.805, top=0.93, bottom=0.135, wspace=0.97, hspace=0.33)
    plot_errors(outcome.errors, figure.add_subplot(grid[:, 1]))
    plot_sets(outcome, figure.add_subplot(grid[1, 0]))
    plot_inputs(outcome, figure.add_subplot(grid[0, 0]))
    return figure


def plot_errors(errors: pd.DataFrame, ax: Axes) -> Axes:
    """Draw `errors` of `workbench.retrieval.simulation.Outcome`, a row each, on a log axis."""
    texts = []
    for y, (name, row) in enumerate(errors.iterrows()):
        colour, marker = LOOKS[row["kind"]]
        holds = not row["why"]
        low, value, high = np.clip([row["low"], row["value"], row["high"]], FLOOR, 1)
        text = reading(row)
        if text == NOTHING:
            marker = ">"
        if low < high:
            ax.plot([low, high], [y, y], color=colour, linewidth=2)
        ax.plot(value, y, marker, color=colour, markersize=8, zorder=3,
                markerfacecolor=colour if holds else "white")
        note = text if holds else f"{text}\n{row['why']}"
        ax.text(1.03, y, note, transform=ax.get_yaxis_transform(), va="center",
                fontsize=9 if holds else 8, color="black" if holds else "#666666")
        interval = f" ({share(row['low'])} to {share(row['high'])})" if low < high else ""
        texts.append(f"{name} {text}{interval}" + ("" if holds else f" ({row['why']})"))
    ax.set_xscale("log")
    ax.set_xlim(FLOOR / 1.6, 1.6)
    ax.set_ylim(len(errors) - 0.4, -0.6)
    ax.set_xticks([FLOOR, 1e-4, 1e-3, 1e-2, 0.1, 1],
                  ["≤ 0.001", "0.01", "0.1", "1", "10", "100"], fontsize=9)
    ax.minorticks_off()
    ax.set_yticks(range(len(errors)), list(errors.index), fontsize=9)
    kinds = list(errors["kind"])
    for y, (above, below) in enumerate(pairwise(kinds)):
        if above != below:
            ax.axhline(y + 0.5, color="#bbbbbb", linewidth=0.8)
    ax.set_xlabel("wrong task (%, log scale); hollow: no valid bound here", fontsize=10)
    ax.set_title("errors, and bounds on the error with true densities", fontsize=11)
    parts = {kind: "; ".join(text for text, k in zip(texts, kinds, strict=True) if k == kind)
             for kind in LOOKS}
    return describe(ax, f"Inputs given to a wrong task: {parts['measured']}. With the "
                    f"{parts['true']}. Bounds on the error with true densities: "
                    f"{parts['bound']}.")


def coverage(value: float) -> str:
    """Return a coverage in percent with one decimal."""
    return f"{100 * value:.1f} %"


def plot_sets(outcome: Outcome, ax: Axes) -> Axes:
    """Draw the coverage of conformal sets and of a chi-square cut-off beside the requested one."""
    sets = outcome.sets
    ax.axvline(100 * sets["asked"], color="grey", linestyle="--", linewidth=1.2)
    ax.plot([100 * sets["low"], 100 * sets["high"]], [0, 0], color=COLOURS[5], linewidth=7,
            alpha=0.6, solid_capstyle="butt")
    for y, (name, colour) in enumerate((("coverage", COLOURS[0]),
                                        ("chi-square coverage", COLOURS[1]))):
        ax.plot(100 * sets[name], y, "os"[y], color=colour, markersize=8, zorder=3)
        ax.text(1.03, y, coverage(sets[name]), transform=ax.get_yaxis_transform(), va="center",
                fontsize=9)
    ax.set_ylim(1.6, -0.6)
    least = 100 * min(sets["chi-square coverage"], sets["coverage"], sets["low"])
    margin = 0.06 * (100 - least)
    ax.set_xlim(least - margin, 100 + margin)
    ax.set_yticks([0, 1], ["conformal", "chi-square"], fontsize=9)
    ax.tick_params("x", labelsize=9)
    ax.set_xlabel(f"sets with the right task (%); asked: {100 * sets['asked']:g}\n"
                  f"conformal: {sets['size']:.2f} tasks per set, {share(sets['empty'])} empty",
                  fontsize=9)
    return describe(ax, f"Conformal sets contain the right task for {coverage(sets['coverage'])} "
                    f"of the inputs. Asked for: {coverage(sets['asked'])}; expected by the theory: "
                    f"{coverage(sets['expected'])}; in 95 % of draws between "
                    f"{coverage(sets['low'])} and {coverage(sets['high'])}. A set has "
                    f"{sets['size']:.2f} tasks on average; {share(sets['empty'])} of the sets are "
                    "empty. Sets with a chi-square cut-off contain the right task for "
                    f"{coverage(sets['chi-square coverage'])}.")


def plot_inputs(outcome: Outcome, ax: Axes) -> Axes:
    """Draw the first two features of some inputs, with each task's name beside its clusters."""
    toy = outcome.toy
    reach = 1.1 * (np.abs(outcome.centres[..., :2]).max() + 5)
    hidden = 0
    for k, (name, x) in enumerate(zip(toy.names, outcome.inputs[:, :SHOWN, :2], strict=True)):
        seen = (np.abs(x) < reach).all(1)
        hidden += int((~seen).sum())
        ax.plot(*x[seen].T, linestyle="", marker=MARKERS[k % len(MARKERS)], markersize=3,
                alpha=0.55, color=COLOURS[k % len(COLOURS)])
        for c, centre in enumerate(outcome.centres[k, :, :2]):
            # Outside the points; without separation in the order of the circle.
            angle = 2 * np.pi * (k + c * toy.tasks) / (toy.tasks * toy.clusters)
            away = centre if toy.separation else np.array([np.cos(angle), np.sin(angle)])
            across, up = centre + 4.4 * away / np.linalg.norm(away)
            ax.text(across, up, name, ha="center", va="center", fontsize=11, fontweight="bold")
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    ax.tick_params(labelsize=8)
    outside = f"; {hidden} outside" if hidden else ""
    ax.set_title(f"inputs, 2 of {toy.dimension} features{outside}", fontsize=11)
    return describe(ax, f"Points: {SHOWN} inputs of each task, in the two features that hold the "
                    f"centres, out of {toy.dimension}{outside}. The tasks "
                    f"{', '.join(toy.names)} lie on a circle, {toy.separation:g} apart.")


def plot_error_against_separation(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a `workbench.retrieval.simulation.sweep`: errors and bounds on a log axis.

    Series that the table does not have are left out. The held-out error of the log density has its
    95 % band. Values under `FLOOR` and bounds of 1 or more are not drawn.
    """
    there = set(table["name"])
    texts, style = [], {name: look(i) for name, i in SERIES.items() if name in there}
    for name in style:
        rows = table[table["name"] == name].set_index("separation")
        value = rows["value"].where((rows["value"] >= FLOOR) & (rows["value"] < 1)).dropna()
        ax.plot(value.index, value, label=name, markersize=4, linewidth=1.6, **style[name])
        if rows["kind"].eq("measured").all():
            ax.fill_between(rows.index, rows["low"].clip(FLOOR), rows["high"].clip(FLOOR),
                            color=style[name]["color"], alpha=0.2, linewidth=0)
        texts.append(f"{name} {share(value.iloc[0])} at {value.index[0]:g} and "
                     f"{share(value.iloc[-1])} at {value.index[-1]:g}" if len(value)
                     else f"{name} nowhere between {100 * FLOOR:g} and 100 %")
    paper = table[(table["name"] == "paper's condition") & (table["value"] < 1)]
    if len(paper):
        first = float(paper["separation"].min())
        ax.axvline(first, color=style["paper's condition"]["color"], linestyle=":", linewidth=1.2,
                   label="the paper's condition says nothing to the left of this line")
        texts.append(f"the paper's condition {NOTHING} below {first:g}")
    ax.set_yscale("log")
    ax.set_ylim(FLOOR / 1.3, 1.3)
    ax.set_yticks([FLOOR, 1e-4, 1e-3, 1e-2, 0.1, 1], ["0.001", "0.01", "0.1", "1", "10", "100"])
    ax.minorticks_off()
    add_text(ax, "", "separation (Mahalanobis distance)", "wrong task (%, log scale)", legend=True)
    return describe(ax, "Share of inputs given to a wrong task against separation, first and last "
                    f"point drawn: {'; '.join(texts)}.")
