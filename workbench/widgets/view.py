"""`View`: what all widgets share: a picture with words, and a snapshot where no kernel runs."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import ipywidgets as w
import pandas as pd
from matplotlib.figure import Figure

from workbench.plots import alt_text
from workbench.plots.display import picture, png

ANNOUNCED_WORDS = 25
UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"


@dataclass(frozen=True)
class Snapshot:
    """A widget as it stands: a static figure and a table, which need neither kernel nor mouse.

    Parameters
    ----------
    figure : Figure
        The picture; closed once it has been displayed.
    table : DataFrame
        The numbers in it.
    """

    figure: Figure
    table: pd.DataFrame

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle, metadata = picture(self.figure)
        display(bundle, metadata=metadata, raw=True)
        display({"text/html": self.table.to_html(), "text/plain": self.table.to_string()}, raw=True)


class View:
    """Base of the widgets.

    A subclass fills `root` with its controls and calls `redraw` when something has changed;
    `figure` and `table` say what there is to see. Figures are made without pyplot, which belongs to
    the main thread and would show them under whatever cell runs next. The picture is a PNG made in
    the kernel, so no front end needs an extension, and it is replaced in one message, so it does
    not flicker.
    """

    def __init__(self) -> None:
        self.image = w.Image(format="png", layout=w.Layout(max_width="100%"))
        self.words = w.HTML()
        self.words.add_class("workbench-words")
        self.announcement = w.HTML()
        self.announcement.add_class("workbench-announcement")
        self.trouble = w.HTML()
        self.root = w.VBox()

    def figure(self) -> Figure:
        """Return the picture of the present state."""
        raise TypeError(f"{type(self).__name__} does not say what it draws")

    def table(self) -> pd.DataFrame:
        """Return the numbers in the picture."""
        raise TypeError(f"{type(self).__name__} does not say what its numbers are")

    def redraw(self, *_: object) -> None:
        """Draw again; a fault is shown in the widget, since front ends swallow it."""
        try:
            figure = self.figure()
            self.image.value = png(figure)
            words = html.escape(alt_text(figure))
            self.words.value = f"<details open><summary>In words</summary>{words}</details>"
            self.trouble.value = ""
            self.read_out(alt_text(figure))
        except Exception as fault:
            self.complain(fault)

    def read_out(self, words: str) -> None:
        """Announce a new figure: by the first sentence of its alternative text, if it is short."""
        listed = words.split(". ")[0].split()
        self.announce(" ".join(listed[:ANNOUNCED_WORDS])
                      + (" …" if len(listed) > ANNOUNCED_WORDS else ""))

    def announce(self, words: str) -> None:
        """Have a screen reader read a short text; it cannot be seen."""
        self.announcement.value = (f'<div role="status" aria-live="polite" style="{UNSEEN}">'
                                   f"{html.escape(words)}</div>")

    def close(self) -> None:
        """Close the controls, so that nothing refers to this object any longer."""
        waiting: list[w.Widget] = [self.root]
        while waiting:
            closed = waiting.pop()
            waiting += getattr(closed, "children", ())
            closed.close()

    def complain(self, fault: BaseException) -> None:
        """Show an error inside the widget."""
        self.trouble.value = (f'<p role="alert" style="color:#b00020"><b>{type(fault).__name__}'
                              f"</b>: {html.escape(str(fault))}</p>")

    def snapshot(self) -> Snapshot:
        """Return the present state as a static figure and a table."""
        return Snapshot(self.figure(), self.table())

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.announcement not in self.root.children:
            self.root.children = (*self.root.children, self.announcement)
        self.redraw()
        # One output, several forms: the front end takes the widget if it has a kernel for it, and
        # the picture if not.
        bundle, metadata = picture(self.figure())
        live = {"application/vnd.jupyter.widget-view+json": {
            "version_major": 2, "version_minor": 0, "model_id": self.root.model_id}}
        display(live | bundle, metadata=metadata, raw=True)


def row(*children: w.Widget) -> w.HBox:
    """Return controls side by side, wrapping where the window is narrow."""
    return w.HBox(list(children), layout=w.Layout(flex_flow="row wrap", align_items="center"))


def choice(label: str, options: Any, value: Any = None) -> w.Dropdown:
    """Return a labelled drop-down, which the keyboard reaches as it does any other."""
    extra = {} if value is None else {"value": value}
    return w.Dropdown(options=options, description=label, style={"description_width": "initial"},
                      layout=w.Layout(width="max-content"), **extra)
