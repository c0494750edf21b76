"""Figures of soft labels: an image, the softened distribution, and its wrong classes alone."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.special import entr, softmax

from workbench.measure.accuracies import Floats
from workbench.plots.display import describe, percent
from workbench.plots.labels import CHARACTER
from workbench.plots.separation import share
from workbench.plots.styles import COLOURS

WRONG, RIGHT = COLOURS[0], COLOURS[2]
NAME_SIZE = 9


def soften(logits: ArrayLike, temperature: float) -> Floats:
    """Return the softmax of logits divided by a temperature, over the last axis."""
    return np.asarray(softmax(np.asarray(logits, dtype=float) / temperature, axis=-1))


def wrong_shares(logits: ArrayLike, label: int, temperature: float) -> Floats:
    """Return the softened probabilities of the wrong classes as shares; the label has 0.

    They do not depend on the logit of the true class.
    """
    wrong = np.array(logits, dtype=float)
    wrong[label] = -np.inf
    return soften(wrong, temperature)


def plot_soft_label(image: ArrayLike, logits: ArrayLike, label: int, temperature: float,
                    names: Sequence[str], figure: Figure) -> Figure:
    """Draw an image, its distribution at a temperature, and the wrong classes of it alone.

    Parameters
    ----------
    image : array-like, shape (side * side,)
    logits : array-like, shape (classes,)
    label : int
        The true class.
    names : sequence of str
        Names of the classes.
    figure : Figure
        Of 10 by 3.7 inches.
    """
    # A fixed layout: a computed one takes longer than all else in a redraw.
    figure.set_layout_engine("none")
    gap = 0.3 + CHARACTER * NAME_SIZE / 72 * max(len(f"{name} (true)") for name in names)
    left, middle, right = figure.subplots(1, 3, width_ratios=[0.8, 1.4, 1.4], gridspec_kw={
        "left": 0.02, "right": 0.97, "top": 0.84, "bottom": 0.16,
        "wspace": gap / ((9.5 - 2 * gap) / 3)})  # in units of the mean width of the axes
    p, plain = soften(logits, temperature), soften(logits, 1.0)
    _image(image, f"true class: {names[label]}", left)
    _distribution(p, plain, label, names, temperature, middle)
    _wrong_classes(wrong_shares(logits, label, temperature), float(np.delete(p, label).sum()),
                   label, names, right)
    return figure


def _image(image: ArrayLike, title: str, ax: Axes) -> Axes:
    """Draw a square grey image, large values dark."""
    pixels = np.asarray(image, dtype=float)
    side = int(len(pixels) ** 0.5)
    ax.imshow(pixels.reshape(side, side), cmap="gray_r")
    ax.axis("off")
    ax.set_title(title, fontsize=11)
    return describe(ax, f"Image, {title}.")


def _distribution(p: Floats, plain: Floats, label: int, names: Sequence[str],
                      temperature: float, ax: Axes) -> Axes:
    """Draw a distribution over classes `p`, and a tick at `plain`, that at temperature 1."""
    colours = [RIGHT if c == label else WRONG for c in range(len(p))]
    _bars(p, colours, names, label, ax)
    ax.plot(100 * plain, range(len(p)), "|", color="black", markersize=11, markeredgewidth=1.6)
    nats, most = float(entr(p).sum()), np.log(len(p))
    ax.set_title(f"softened at temperature {temperature:g}\n"
                 f"entropy {nats:.2f} nats (at most {most:.2f})", fontsize=11)
    ax.set_xlabel("probability (%); black tick: at temperature 1", fontsize=10)
    first, second = np.argsort(-p, kind="stable")[:2]
    parts = ", ".join(f"{share(p[c])} to {names[c]}"
                      for c in dict.fromkeys((first, second, label)))
    return describe(ax, f"At temperature {temperature:g} the soft label gives {parts}. The true "
                    f"class {names[label]} has {share(plain[label])} at temperature 1. The entropy "
                    f"is {nats:.2f} nats; equal probabilities would have {most:.2f}.")


def _wrong_classes(shares: Floats, rest: float, label: int, names: Sequence[str], ax: Axes
                   ) -> Axes:
    """Draw how the wrong classes share `rest`, the probability that they have together."""
    _bars(shares, [WRONG] * len(shares), names, label, ax, left_out=label)
    ax.set_title(f"the wrong classes alone\n({share(rest)} of the soft label)", fontsize=11)
    ax.set_xlabel("share of the wrong classes (%)", fontsize=10)
    first, second = np.argsort(-shares, kind="stable")[:2]
    wrong = len(shares) - 1
    return describe(ax, f"The {wrong} wrong classes together have {share(rest)}. The largest parts "
                    f"of this sum are {percent(shares[first])} for {names[first]} and "
                    f"{percent(shares[second])} for {names[second]}. If all {wrong} were equally "
                    f"likely, each part would be {percent(1 / wrong)}.")


def _bars(values: Floats, colours: Sequence[str], names: Sequence[str], label: int, ax: Axes,
          left_out: int | None = None) -> None:
    """Draw a horizontal bar for each class, with its value in percent at the right."""
    rows = range(len(values))
    ax.barh(rows, 100 * values, color=colours, height=0.72)
    for row, value in enumerate(values):
        text = "left out" if row == left_out else share(value).replace("below ", "<")
        ax.text(103, row, text, va="center", fontsize=9)
    ax.set_yticks(rows, [f"{name} (true)" if c == label else name for c, name in enumerate(names)],
                  fontsize=NAME_SIZE)
    ax.get_yticklabels()[label].set_fontweight("bold")
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.set_xlim(0, 128)
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.tick_params("x", labelsize=9)
    ax.grid(False, axis="y")
