"""Shapes of the diagrams: a light sheet in inches, and the boxes, arrows and words on it."""

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D
from numpy.typing import ArrayLike

from workbench.plots.display import describe
from workbench.plots.styles import METHOD_STYLES

WIDTH, HEIGHT = 8.0, 3.6
"""Size of a diagram in inches."""
INK, GREY = "#1a1a1a", "#6b6b6b"
EXPERT, OWN = METHOD_STYLES["sft"][0], METHOD_STYLES["sdft"][0]
"""Colours of the expert's words, which SFT imitates, and of the model's own words."""
NEW = "#E69F00"
"""Colour of all that a new task trains."""
LIT = "#F0E442"
"""Colour of a lamp that is on."""
TASKS = ("#009E73", "#CC79A7", NEW)
"""Colours of three tasks."""
SIZE, TITLE_SIZE = 11, 15
"""Sizes of words in points: the smallest, and that of the title."""


def sheet(title: str, words: str) -> Axes:
    """Return axes in inches on a white sheet, with a title and the alternative text `words`.

    The sheet brings its own background, so that it can be read on a dark page too.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    say(ax, 0.15, HEIGHT - 0.27, title, size=TITLE_SIZE, weight="bold")
    return describe(ax, words)


def figure_of(ax: Axes) -> Figure:
    """Return the figure of a sheet."""
    assert isinstance(ax.figure, Figure)
    return ax.figure


def tint(colour: str, strength: float = 0.2) -> str:
    """Return a colour mixed with white; at a `strength` of 1 the colour itself."""
    red, green, blue = (strength * part + 1 - strength for part in to_rgb(colour))
    return to_hex((red, green, blue))


def tidy(words: str) -> str:
    """Return words of the village without the spaces beside punctuation marks."""
    return re.sub(r" (?=[.,?)])|(?<=\() ", "", words)


def say(ax: Axes, x: float, y: float, words: str, **look: Any) -> Text:
    """Write words at the left of (x, y), or centred there with ``ha="center"``."""
    return ax.text(x, y, words, **{"size": SIZE, "color": INK, "ha": "left", "va": "center",
                                   "linespacing": 1.25, **look})


def box(ax: Axes, x: float, y: float, width: float, height: float, words: str = "",
        colour: str = GREY, fill: str = "", edge: float = 1.5, line: str = "-",
        **look: Any) -> None:
    """Draw a box with words in its centre; (x, y) is its lower left corner.

    Its edge has the `colour`, and its inside the colour `fill`, by default a tint of `colour`.
    """
    corner = min(0.06, width / 3, height / 3)
    ax.add_patch(FancyBboxPatch((x, y), width, height, f"round,pad=0,rounding_size={corner}",
                                facecolor=fill or tint(colour), linestyle=line, linewidth=edge,
                                edgecolor=colour if edge else "none", zorder=2, clip_on=False))
    if words:
        say(ax, x + width / 2, y + height / 2, words, **{"ha": "center", **look})


def arrow(ax: Axes, *points: tuple[float, float], colour: str = INK, width: float = 1.8,
          line: str = "-") -> None:
    """Draw an arrow along straight lines through the points."""
    ax.add_patch(FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=6 + 4 * width,
                                 color=colour, linewidth=width, linestyle=line, zorder=2.5,
                                 joinstyle="miter", capstyle="butt", clip_on=False))


def digit(ax: Axes, pixels: ArrayLike, x: float, y: float, size: float) -> None:
    """Draw an image of 8 by 8 pixels in a frame; (x, y) is its lower left corner.

    The pixels of one grey are one path, which keeps the file small.
    """
    box(ax, x, y, size, size, fill="white", edge=1)
    image = np.asarray(pixels, dtype=float).reshape(8, 8)
    image = (image - image.min()) / np.ptp(image)
    for grey in np.unique(image)[1:]:
        squares = [Path.unit_rectangle().transformed(Affine2D().translate(j, 7 - i).scale(size / 8)
                                                     .translate(x, y))
                   for i, j in np.argwhere(image == grey)]
        # Without a thin line of the same grey, pale gaps would appear between the pixels.
        ax.add_patch(PathPatch(Path.make_compound_path(*squares), color=str(1 - grey),
                               linewidth=0.2, zorder=3, clip_on=False))
