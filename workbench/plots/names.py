"""Names beside dots, each at the nearest free place."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.transforms import IdentityTransform
from numpy.typing import ArrayLike, NDArray

from workbench.measure.accuracies import Floats

NAME_SIZE = 10


class DotNames(Artist):
    """Names beside dots; the highest dot is named first.

    They are placed whenever the axes are drawn, because the layout is known only then.

    Parameters
    ----------
    dots : array-like, shape (names, 2)
        In data coordinates.
    lines : array-like, shape (lines, 2, 2)
        Both ends of lines that no name may cover, such as intervals; in data coordinates.
    """

    def __init__(self, ax: Axes, names: Sequence[str], dots: ArrayLike, colours: Sequence[str],
                 lines: ArrayLike = ()) -> None:
        super().__init__()
        self.dots = np.asarray(dots, dtype=float).reshape(-1, 2)
        self.lines = np.asarray(lines, dtype=float).reshape(-1, 2, 2)
        self.order = np.argsort(-self.dots[:, 1], kind="stable")
        pixels: dict[str, Any] = {"transform": IdentityTransform(), "in_layout": False}
        self.names = [ax.text(0, 0, name, fontsize=NAME_SIZE, color=_readable(colour),
                              ha="center", va="center", **pixels)
                      for name, colour in zip(names, colours, strict=True)]
        self.leaders = [Line2D([], [], color="#999999", linewidth=0.8, zorder=1, **pixels)
                        for _ in names]
        self.set(zorder=-1, in_layout=False)  # drawn before the names, which it moves
        for artist in (*self.leaders, self):
            ax.add_artist(artist)

    def draw(self, renderer: Any) -> None:
        """Move the names to their places, before they are drawn."""
        ax = self.axes
        assert ax is not None
        dots = ax.transData.transform(self.dots)
        ends = np.sort(ax.transData.transform(self.lines.reshape(-1, 2)).reshape(-1, 2, 2), axis=1)
        taken = np.concatenate([_boxes(dots, [14, 14]),
                                np.hstack([ends[:, 0] - 3, ends[:, 1] + 3])])
        written, frame = np.zeros((0, 4)), np.array(ax.bbox.extents)
        for i in self.order:
            size = np.array(self.names[i].get_window_extent(renderer).size)
            box, line = _free_place(dots[i], size, frame, np.concatenate([taken, written]),
                                    written)
            written = np.concatenate([written, box[None], _boxes(line, [2, 2])])
            self.names[i].set_position(tuple(box.reshape(2, 2).mean(0)))
            self.leaders[i].set_data(*(np.stack([dots[i], line[-1]]).T if len(line) else ([], [])))


def _readable(colour: str) -> str:
    """Return a colour, darker if need be, that has a contrast of 4.5 to white (WCAG 2, 1.4.3)."""
    rgb = np.array(to_rgb(colour))
    while np.dot(rgb ** 2.2, [0.2126, 0.7152, 0.0722]) > 1.05 / 4.5 - 0.05:
        rgb *= 0.95
    return to_hex(tuple(rgb))


def _free_place(dot: Floats, size: Floats, frame: Floats, taken: Floats, written: Floats
                ) -> tuple[Floats, Floats]:
    """Return the nearest free box for a name, and points on the line to it if it is far.

    A line must not cross the boxes `written`, of other names and their lines. If every line does,
    the nearest free box is returned.
    """
    rows = np.arange(-16, 17) * (size[1] + 2) / 2
    shifts = np.array([[side * across, up] for across, up in product(range(10, 190, 15), rows)
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
