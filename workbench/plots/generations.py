"""Figure of self-distillation round by round: accuracy, calibration, agreement with round 1."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.measure.accuracies import Floats
from workbench.plots.curves import draw_band
from workbench.plots.display import describe, percent
from workbench.plots.labels import percent_limits
from workbench.plots.styles import COLOURS, look

MEASURES = {"accuracy": "accuracy (%)", "ece": "calibration error, ECE (%)",
            "agreement": "agreement with round 1 (%)"}
"""The columns that are drawn, and the titles of their panels."""
PREDICTED, BASELINE = COLOURS[1], "#555555"


def over_seeds(rounds: pd.DataFrame, measure: str) -> Floats:
    """Return a column of a table of rounds as an array of shape (seeds, rounds)."""
    return rounds.pivot(index="seed", columns="round", values=measure).to_numpy(dtype=float)


def plot_generations(rounds: pd.DataFrame, figure: Figure, heading: str = "", note: str = "",
                     predicted: float = math.inf, baseline: float | None = None,
                     word: str = "round") -> Figure:
    """Draw the measures of each round: the mean over seeds, its 95 % t interval, and each seed.

    Parameters
    ----------
    rounds : DataFrame
        A row for each round and seed: ``round`` (from 1), ``seed``, the columns of `MEASURES` as
        shares, and perhaps ``memorised``: the share of wrong labels that are predicted.
    figure : Figure
        Of 10.5 by 4.2 inches.
    heading, note : str
        Lines above the panels, one and two: the things measured, and notes on the curves.
    predicted : float
        The round of a vertical line; none is drawn beyond the last round.
    baseline : float, optional
        The accuracy of a horizontal line.
    word : str
        The name of a round.
    """
    # A fixed layout: a computed one takes longer than all else in a redraw.
    figure.set_layout_engine("none")
    axes = figure.subplots(1, 3, gridspec_kw={"left": 0.05, "right": 0.985, "top": 0.72,
                                              "bottom": 0.13, "wspace": 0.2})
    figure.text(0.012, 0.985, heading, fontsize=11, fontweight="bold", va="top")
    figure.text(0.012, 0.925, note, fontsize=9.5, va="top", linespacing=1.35)
    last = int(rounds["round"].max())
    for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        values = over_seeds(rounds, measure)
        draw_band(ax, range(1, last + 1), values, measure, bounded=True, markersize=4, **look(0))
        name = title.split(" (")[0].replace("round", word)
        if measure == "agreement":
            name += " (share of inputs with the same prediction)"
        text = (f"{name}: {percent(values[:, 0].mean())} at {word} 1 and "
                f"{percent(values[:, -1].mean())} at {word} {last}")
        if measure != "agreement":
            text += _best(values.mean(0), measure, word)
        if measure == "accuracy":
            text = f"{heading.rstrip('.')}. {note.split('. ')[0].rstrip('.')}. By {word}: {text}"
            if baseline is not None:
                ax.axhline(100 * baseline, color=BASELINE, linestyle=":", linewidth=1.5)
            if "memorised" in rounds:
                text += _add_memorised(ax, values, over_seeds(rounds, "memorised"), word)
        _finish(ax, measure, title.replace("round", word), predicted, last, word)
        describe(ax, f"{text[0].upper()}{text[1:]}.")
    return figure


def _best(means: Floats, measure: str, word: str) -> str:
    """Return in words the best round, if it is neither the first nor the last."""
    best, name = ((means.argmin(), "lowest") if measure == "ece" else (means.argmax(), "highest"))
    inside = 0 < best < len(means) - 1
    return f"; {name} at {word} {best + 1} with {percent(means[best])}" if inside else ""


def _add_memorised(ax: Axes, right: Floats, memorised: Floats, word: str) -> str:
    """Draw the share of wrong labels still memorised, name both curves, and tell when it ends."""
    count = memorised.shape[1]
    draw_band(ax, range(1, count + 1), memorised, "memorised", bounded=True, markersize=4,
              **look(3))
    for values, name, colour, side in ((right, "right", look(0)["color"], -1),
                                       (memorised, "wrong labels memorised", look(3)["color"], 1)):
        ax.annotate(name, (1, 100 * values[:, 0].mean()), (0, 7 * side), fontsize=9,
                    textcoords="offset points", color=colour,
                    va="bottom" if side > 0 else "top", bbox={
                        "facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8})
    gone = np.flatnonzero(memorised.mean(0) == 0)
    return (f"; wrong labels still memorised {percent(memorised[:, 0].mean())} at {word} 1, "
            + (f"none from {word} {gone[0] + 1} on" if len(gone) else "some at all drawn "
               f"{word}s"))


def _finish(ax: Axes, measure: str, title: str, predicted: float, last: int, word: str) -> None:
    """Set limits, ticks and title, and draw the predicted round."""
    if predicted <= last:
        ax.axvline(predicted, color=PREDICTED, linestyle="--", linewidth=1.5)
    percent_limits(ax)
    if measure == "ece":  # small numbers should be seen
        ax.set_ylim(*np.array([-0.03, 1.08]) * max(ax.dataLim.y1, 5))
    elif measure == "accuracy" and len(ax.texts):
        ax.set_ylim(-3, 114)  # space for a name above a curve at 100
    margin = 0.04 * max(last - 1, 1)
    ax.set_xlim(1 - min(margin, 0.6), last + margin)  # there is no round 0
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.tick_params(labelsize=9)
    ax.set_title(title, fontsize=11)
    ax.set_xlabel(word, fontsize=10)
