"""Shared by all figures: style, alternative text, and numbers as text."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from workbench.measure.intervals import seed_interval


def use_style() -> None:
    """Set fonts and sizes that can be read on a projector."""
    mpl.rcParams.update({
        "figure.figsize": (7.0, 3.6), "figure.dpi": 96, "savefig.dpi": 96, "font.size": 11,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.alpha": 0.25, "figure.constrained_layout.use": True, "image.cmap": "cividis",
        "lines.linewidth": 2.0, "lines.markersize": 6, "svg.hashsalt": "workbench",
    })


def describe(ax: Axes, text: str) -> Axes:
    """Attach an alternative text to axes, for `alt_text` and `workbench.show`."""
    ax.set_label(text)
    return ax


def alt_text(figure: Any) -> str:
    """Return the alternative texts of all axes of a figure, in reading order."""
    texts = [str(ax.get_label()) for ax in figure.axes]
    return " ".join(t for t in texts if t and not t.startswith("<"))


def percent(value: float) -> str:
    """Return a share as whole percent: ``0.613`` gives ``"61 %"``; NaN ``"not defined"``."""
    return "not defined" if np.isnan(value) else f"{100 * value:.0f} %"


def percent_over_seeds(values: ArrayLike) -> str:
    """Return mean and 95 % t interval, ``"40 % (15 % to 65 %)"``; for one seed only the value.

    The interval is cut at 0 and 1, or at the smallest or largest share beyond them.
    """
    shares = np.atleast_1d(np.asarray(values, dtype=float))
    text = percent(float(shares.mean()))
    if len(shares) > 1:
        interval = np.asarray(seed_interval(shares))
        low, high = np.clip(interval, min(0, shares.min()), max(1, shares.max()))
        text += f" ({percent(low)} to {percent(high)})"
    return text
