"""Figures of the toy of task retrieval: inputs, errors beside bounds, and conformal sets."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from workbench.plots.display import describe
from workbench.plots.labels import add_text
from workbench.plots.styles import COLOURS, MARKERS, styles_of
from workbench.retrieval.simulation import Outcome

FLOOR = 1e-5
"""The smallest error that is drawn; smaller ones are at its place."""
NOTHING = "says nothing"
SHOWN = 60
"""Inputs of each task in the picture."""
LOOKS = {"measured": (COLOURS[0], "o"), "true": ("#000000", "D"), "bound": (COLOURS[1], "s")}


def share(value: float) -> str:
    """Return a share in percent with two digits; ``"below 0.001 %"`` under the floor."""
    return f"{100 * value:.2g} %" if value >= FLOOR else f"below {100 * FLOOR:g} %"


def plot_outcome(outcome: Outcome, figure: Figure) -> Figure:
    """Draw inputs, errors beside bounds, and conformal sets of a toy."""
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.75], height_ratios=[2.2, 1])
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
        if row["kind"] == "bound" and row["value"] >= 1:
            marker, text = ">", NOTHING
        else:
            text = share(row["value"]) if row["value"] or row["kind"] == "bound" else "0 %"
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
    ax.set_xlabel("wrong task (%, log scale); hollow: does not hold here", fontsize=10)
    ax.set_title("errors and bounds", fontsize=11)
    parts = {kind: "; ".join(text for text, k in zip(texts, kinds, strict=True) if k == kind)
             for kind in LOOKS}
    return describe(ax, f"Inputs given to a wrong task: {parts['measured']}. With the "
                    f"{parts['true']}. Bounds: {parts['bound']}.")


def plot_sets(outcome: Outcome, ax: Axes) -> Axes:
    """Draw the coverage of conformal sets and of a chi-square cut-off beside the one asked for."""
    sets = outcome.sets
    ax.axvline(100 * sets["asked"], color="grey", linestyle="--", linewidth=1.2)
    ax.plot([100 * sets["low"], 100 * sets["high"]], [0, 0], color=COLOURS[5], linewidth=7,
            alpha=0.6, solid_capstyle="butt")
    for y, (name, colour) in enumerate((("coverage", COLOURS[0]),
                                        ("chi-square coverage", COLOURS[1]))):
        ax.plot(100 * sets[name], y, "os"[y], color=colour, markersize=8, zorder=3)
        ax.text(1.03, y, share(sets[name]), transform=ax.get_yaxis_transform(), va="center",
                fontsize=9)
    ax.set_ylim(1.6, -0.6)
    ax.set_xlim(-3, 103)
    ax.set_yticks([0, 1], ["conformal", "chi-square"], fontsize=9)
    ax.tick_params("x", labelsize=9)
    ax.set_xlabel(f"sets with the right task (%); asked: {100 * sets['asked']:g}\n"
                  f"conformal: {sets['size']:.2f} tasks a set, {share(sets['empty'])} empty",
                  fontsize=9)
    return describe(ax, f"Conformal sets hold the right task for {share(sets['coverage'])} of "
                    f"inputs; asked {share(sets['asked'])}, expected "
                    f"{share(sets['expected'])}, with {share(sets['low'])} to "
                    f"{share(sets['high'])} in 95 % of draws. They have {sets['size']:.2f} tasks "
                    f"on average and {share(sets['empty'])} are empty. A chi-square cut-off holds "
                    f"it for {share(sets['chi-square coverage'])}.")


def plot_inputs(outcome: Outcome, ax: Axes) -> Axes:
    """Draw the first two features of some inputs, with the name of each task at its clusters."""
    toy = outcome.toy
    reach = np.abs(outcome.centres[..., :2]).max() + 4
    hidden = 0
    for k, (name, x) in enumerate(zip(toy.names, outcome.inputs[:, :SHOWN, :2], strict=True)):
        seen = (np.abs(x) < reach).all(1)
        hidden += int((~seen).sum())
        ax.plot(*x[seen].T, linestyle="", marker=MARKERS[k % len(MARKERS)], markersize=3,
                alpha=0.55, color=COLOURS[k % len(COLOURS)])
        for centre in outcome.centres[k, :, :2]:
            ax.text(*centre, name, ha="center", va="center", fontsize=11, fontweight="bold",
                    path_effects=[withStroke(linewidth=3, foreground="white")])
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.tick_params(labelsize=8)
    outside = f"; {hidden} outside" if hidden else ""
    ax.set_title(f"inputs, 2 of {toy.dimension} features{outside}", fontsize=11)
    return describe(ax, f"Points: {SHOWN} inputs of each task, in the two features that hold the "
                    f"centres, out of {toy.dimension}{outside}. The tasks "
                    f"{', '.join(toy.names)} lie on a circle, {toy.separation:g} apart.")


def plot_error_against_separation(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a `workbench.retrieval.simulation.sweep`: errors and bounds on a log axis.

    The held-out error of log densities has its 95 % band. Left of the vertical line the condition
    of the paper says nothing.
    """
    texts, styles = [], styles_of(table["name"].unique())
    for name, rows in table.groupby("name", sort=False):
        style = styles[str(name)]
        value = rows["value"].where((rows["value"] >= FLOOR) & (rows["value"] <= 1))
        drawn = value.notna().any()
        ax.plot(rows["separation"], value, label=str(name), markersize=4, linewidth=1.6, **style)
        if name == "fitted log density":
            ax.fill_between(rows["separation"], rows["low"].clip(FLOOR), rows["high"],
                            color=style["color"], alpha=0.2, linewidth=0)
        if drawn:
            last = value.last_valid_index()
            texts.append(f"{name} {share(float(value[last]))} at a separation of "
                         f"{rows['separation'][last]:g}")
        else:
            texts.append(f"{name} {NOTHING}")
    paper = table[(table["name"] == "paper's condition") & (table["value"] < 1)]
    if len(paper):
        ax.axvline(paper["separation"].min(), color=styles["paper's condition"]["color"],
                   linestyle=":", linewidth=1.2)
        texts.append(f"the paper's condition {NOTHING} below {paper['separation'].min():g}")
    ax.set_yscale("log")
    ax.set_ylim(FLOOR / 1.3, 1.3)
    ax.set_yticks([FLOOR, 1e-4, 1e-3, 1e-2, 0.1, 1], ["0.001", "0.01", "0.1", "1", "10", "100"])
    ax.minorticks_off()
    add_text(ax, "", "separation (Mahalanobis distance)", "wrong task (%, log scale)", legend=True)
    return describe(ax, f"Errors and bounds against separation, where they end: "
                    f"{'; '.join(texts)}.")
