"""`ScatterPlot`: the points of jupyter-scatter, drawn so that no change is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.measure.accuracies import Floats

MANY = 5000
"""Number of points from which they are smaller, and chosen ones have no ring, to draw faster."""
LIMITS = (-1.05, 1.05)
"""Ends of both axes."""
PAUSE_S = 0.5
"""Shortest time between two messages that make the front end draw all points."""


class ScatterPlot:
    """A scatter plot with a lasso, in `widget`; its traits `selection` and `hovering` hold rows.

    Parameters
    ----------
    frame : DataFrame
        A row for each point; the columns task and label are shown beside the pointer.
    coordinates : ndarray, shape (n, 2)
    """

    def __init__(self, frame: pd.DataFrame, coordinates: Floats) -> None:
        import jscatter  # type: ignore[import-untyped]

        self._frame = frame
        self._scale(coordinates)
        many = len(frame) >= MANY
        self._scatter = jscatter.Scatter(
            data=frame, x="x", y="y", x_scale=LIMITS, y_scale=LIMITS, height=400, axes=False,
            size=2 if many else 4, opacity_unselected=0.15, tooltip=True,
            tooltip_properties=["task", "label"], tooltip_histograms=False,
            options={"pointSizeSelected": 0, "pointOutlineWidth": 0} if many else {})
        self.widget = self._scatter.show()
        self._sending, self._sent = threading.Lock(), -PAUSE_S
        self._timer: threading.Timer | None = None

    @property
    def waiting(self) -> bool:
        """Whether a change has not been sent yet."""
        return self._timer is not None

    def draw(self, coordinates: Floats, groups: pd.Categorical, colours: Sequence[str],
             named: bool) -> None:
        """Draw points of shape (n, 2) in a colour for each group; `named` writes their tasks.

        The front end ignores a message that comes while it is drawing. So a quick change waits, and
        of several only the last is sent.
        """
        self._latest = coordinates, pd.Series(groups), list(colours), named
        self._send()

    def _send(self) -> None:
        with self._sending:
            if self._timer is not None:
                self._timer.cancel()
            wait = self._sent + PAUSE_S - time.monotonic()
            if wait > 0:
                self._timer = threading.Timer(wait, self._send)
                self._timer.daemon = True
                self._timer.start()
                return
            coordinates, groups, colours, named = self._latest
            self._scale(coordinates)
            with self.widget.hold_sync():  # one message
                self._scatter.color(by=groups, map=colours, skip_widget_update=True)
                # A list, so that a chosen point keeps its colour.
                self.widget.color_selected = self.widget.color
                self._scatter.xy("x", "y", LIMITS, LIMITS, animate=False)
                # None first, otherwise the names stay where they are. A blank name, since the front
                # end wipes old names only where there is a new one.
                self._scatter.label(by=None)
                self._frame["name"] = self._frame["task"] if named else " "
                self._scatter.label(by="name", font="arial bold", positioning="highest_density")
            self._sent, self._timer = time.monotonic(), None

    def select(self, rows: NDArray[np.intp] | None) -> None:
        """Emphasise some points; None emphasises no point."""
        self._scatter.selection(rows)

    def close(self) -> None:
        """Drop a change that has not been sent."""
        if self._timer is not None:
            self._timer.cancel()

    def _scale(self, coordinates: Floats) -> None:
        """Scale coordinates to -1 to 1: with other limits the names of tasks would be misplaced."""
        low, high = coordinates.min(0), coordinates.max(0)
        scaled = 2 * (coordinates - low) / np.maximum(high - low, 1e-12) - 1
        self._frame["x"], self._frame["y"] = scaled.T
