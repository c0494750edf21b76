"""`View`, the base of all widgets: a picture with words, and a static snapshot."""

import gc
import html
import itertools
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable
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
    """The state of a widget as a figure and a table, to be shown without a kernel."""

    figure: Figure
    table: pd.DataFrame

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle, metadata = picture(self.figure)
        display(bundle, metadata=metadata, raw=True)
        display({"text/html": self.table.to_html(), "text/plain": self.table.to_string()}, raw=True)


class View(ABC):
    """Base of the widgets.

    A subclass puts its controls into `root`, calls `redraw` after a change, and defines `figure`
    and `table`. Figures are made without pyplot, which belongs to the main thread and would show
    them under the next cell. The picture is a PNG made in the kernel: front ends need no extension,
    and it is replaced in one message, without flicker.
    """

    def __init__(self) -> None:
        self.image = w.Image(format="png", layout=w.Layout(max_width="100%"))
        self.words = w.HTML()
        self.words.add_class("workbench-words")
        self.announcement = w.HTML()
        self.announcement.add_class("workbench-announcement")
        self.trouble = w.HTML()
        self.root = w.VBox()

    @abstractmethod
    def figure(self) -> Figure:
        """Return the picture of the current state."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Return the numbers in the picture."""

    def lay_out(self, *rows: Iterable[w.Widget], picture: w.Widget | None = None) -> None:
        """Put rows of controls above the picture, and redraw when one of them changes.

        `picture` is the box of the picture if something is beside it.
        """
        controls = [list(one) for one in rows]
        for control in itertools.chain(*controls):
            control.observe(self.redraw, "value")
        self.root.children = [*(row(*one) for one in controls), picture or self.image, self.words,
                              self.trouble]

    def redraw(self, *_: object) -> None:
        """Redraw; an error is shown in the widget, because front ends hide it."""
        # A full collection of garbage takes 0.2 s where PyTorch is loaded. It can wait until the
        # picture is sent.
        collecting = gc.isenabled()
        gc.disable()
        try:
            words = self.draw()
            self.words.value = ("<details open><summary>In words</summary>"
                                f"{html.escape(words)}</details>")
            self.trouble.value = ""
            self.read_out(words)
        except Exception as fault:
            self.complain(fault)
        finally:
            if collecting:
                gc.enable()

    def draw(self) -> str:
        """Draw the current state, and return its alternative text."""
        figure = self.figure()
        self.image.value = png(figure)
        return alt_text(figure)

    def read_out(self, words: str) -> None:
        """Announce the first sentence of the alternative text `words`, cut if it is long."""
        sentence = words.split(". ")[0].split()
        self.announce(" ".join(sentence[:ANNOUNCED_WORDS])
                      + (" …" if len(sentence) > ANNOUNCED_WORDS else ""))

    def announce(self, words: str) -> None:
        """Send a short text to screen readers; it is invisible."""
        self.announcement.value = (f'<div role="status" aria-live="polite" style="{UNSEEN}">'
                                   f"{html.escape(words)}</div>")

    def close(self) -> None:
        """Close the controls, so that nothing refers to this object."""
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
        """Return the current state as a static figure and a table."""
        return Snapshot(self.figure(), self.table())

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.announcement not in self.root.children:
            self.root.children = (*self.root.children, self.announcement)
        self.redraw()
        # The front end shows the widget if it has a kernel for it, otherwise the picture.
        bundle, metadata = picture(self.figure())
        live = {"application/vnd.jupyter.widget-view+json": {
            "version_major": 2, "version_minor": 0, "model_id": self.root.model_id}}
        display(live | bundle, metadata=metadata, raw=True)


def row(*children: w.Widget) -> w.HBox:
    """Return controls side by side, wrapped in a narrow window."""
    return w.HBox(list(children), layout=w.Layout(flex_flow="row wrap", align_items="center"))


def tick_boxes(names: Iterable[str], ticked: Container[str]) -> dict[str, w.Checkbox]:
    """Return a tick box for each name."""
    return {name: w.Checkbox(value=name in ticked, description=name, indent=False,
                             layout=w.Layout(width="max-content")) for name in names}


def choice(label: str, options: Any, value: Any = None) -> w.Dropdown:
    """Return a drop-down with a label."""
    extra = {} if value is None else {"value": value}
    return w.Dropdown(options=options, description=label, style={"description_width": "initial"},
                      layout=w.Layout(width="max-content"), **extra)


def slider_style(label: str) -> dict[str, Any]:
    """Return the settings of a slider with a label, which acts at the end of a move."""
    return {"description": label, "continuous_update": False, "layout": w.Layout(width="420px"),
            "style": {"description_width": "150px"}}


def steps(label: str, values: Iterable[float], value: float,
          form: str = "{:g}") -> w.SelectionSlider:
    """Return a slider over some values, and over the one it starts with."""
    return w.SelectionSlider(options=[(form.format(v), v) for v in sorted({*values, value})],
                             value=value, **slider_style(label))
