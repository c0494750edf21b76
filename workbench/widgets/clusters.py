"""`ClusterExplorer`: choose points of tasks in a picture, and read them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from workbench.retrieval.projections import project
from workbench.widgets.background import Background
from workbench.widgets.cluster_view import ClusterView
from workbench.widgets.points import ALL, ALL_TASKS, IMAGES_SHOWN, LASSO, TEXTS_SHOWN
from workbench.widgets.scatter import ScatterPlot
from workbench.widgets.view import row


class Cancelled(Exception):
    """The reader has cancelled the work."""


class ClusterExplorer(ClusterView):
    """See inputs of tasks as points, read them in groups, and compare with the true distances.

    Points are chosen with the lasso of the scatter plot or, without a mouse, by task and group. A
    chosen task is emphasised in all pictures: its points, its row in the confusion matrix, its
    retention curve, and its distances in the space of the features. The parameters are those of
    `workbench.widgets.cluster_view.ClusterView`.
    """

    def assemble(self) -> None:
        """Make the controls and the scatter plot, and put them into `root`."""
        self._background = Background()
        self._filling = False
        self._lassoed: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self.seed = w.BoundedIntText(value=0, min=0, max=9999, description="seed",
                                     style={"description_width": "initial"},
                                     layout=w.Layout(width="110px"))
        self.buttons = {name: w.Button(description=name, tooltip=tip) for name, tip in {
            "Compute UMAP": "Compute new UMAP coordinates with this seed",
            "Cancel": "Cancel the computation and keep the old coordinates"}.items()}
        self.progress = w.Label()
        self.first = w.IntSlider(value=1, min=1, max=1, description="from point",
                                 continuous_update=False, layout=w.Layout(width="500px"))
        self.legend, self.under_pointer, self.contents = (w.HTML() for _ in range(3))
        self.contents.add_class("workbench-contents")
        self.scatter = ScatterPlot(self.points.frame, self.coordinates())
        self.scatter.widget.observe(self._alone(self._draw_lasso), "selection")
        self.scatter.widget.observe(self._hover, "hovering")
        self.buttons["Compute UMAP"].on_click(lambda _: self.compute())
        self.buttons["Cancel"].on_click(lambda _: self.cancel())
        for control, change in ((self.task, self._fill_groups), (self.group, self._choose),
                                (self.colour, self._place), (self.projection, self._place),
                                (self.shuffled, self._shuffle), (self.first, self._read)):
            control.observe(self._alone(change), "value")
        left = w.VBox([self.scatter.widget, self.legend, self.under_pointer, self.first,
                       self.contents], layout=w.Layout(width="520px"))
        self.image.layout.align_self = "flex-start"  # otherwise it is stretched
        right = w.VBox([self.image, self.distances], layout=w.Layout(width="560px"))
        self.root.children = [
            row(self.task, self.group, self.colour, self.projection, self.shuffled),
            row(self.seed, *self.buttons.values(), self.progress),
            w.HBox([left, right], layout=w.Layout(flex_flow="row wrap")),
            self.words, self.trouble]
        self._enable()
        self._draw_points()
        self._take_group()

    def _alone(self, change: Callable[..., None]) -> Callable[..., None]:
        """Return a handler that waits until the other handlers have ended, in any thread."""
        def handler(event: Any) -> None:
            with self._lock:
                change(event)
        return handler

    def _place(self, *_: object) -> None:
        """Draw the points anew, with the numbers and words about them."""
        try:
            self._draw_points()
        except Exception as fault:
            self.complain(fault)
            return
        self.redraw()

    def _draw_points(self) -> None:
        values, colours = self.points.colours(self.colour.value)
        # The names of shuffled tasks would all be in the middle.
        self.scatter.draw(self.coordinates(), values, colours, named=not self.shuffled.value)
        self.legend.value = '<div style="line-height:1.4">' + " ".join(
            f'<span style="white-space:nowrap"><span style="color:{colour}">●</span> '
            f"{html.escape(str(name))}</span>"
            for name, colour in zip(values.categories, colours, strict=True)) + "</div>"

    def _shuffle(self, *_: object) -> None:
        self.points.name_tasks(self._tasks[self.shuffled.value])
        self._fill_groups()
        self._place()

    def _fill_groups(self, *_: object) -> None:
        """Offer the groups of the chosen task, and keep the chosen group where it has one."""
        self._filling, kept = True, self.group.value
        self.group.options = self.points.groups(self.task.value)
        self.group.value = kept if kept in self.group.options and kept != LASSO else ALL
        self._filling = False
        self._choose()

    def _choose(self, *_: object) -> None:
        """Choose the points of the group, and show them everywhere."""
        if self._filling:
            return
        self._take_group()
        self.redraw()
        self.announce(f"{len(self.selected)} points: {self._name_group()}.")

    def _take_group(self) -> None:
        self.selected = (self._lassoed if self.group.value == LASSO
                         else self.points.members(self.task.value, self.group.value))
        self._filling = True
        everything = len(self.selected) == len(self.features)
        self.scatter.select(None if everything else self.selected)
        self.first.value = 1
        self.first.max = max(len(self.selected), 1)
        self._filling = False
        self._read()

    def _draw_lasso(self, change: Mapping[str, Any]) -> None:
        """Take over the points that were chosen in the picture; none means all."""
        if self._filling:
            return
        self._lassoed = np.sort(np.asarray([] if change["new"] is None else change["new"],
                                           dtype=np.intp))
        if not len(self._lassoed):
            self.task.value, self.group.value = ALL_TASKS, ALL
        elif self.group.value == LASSO:
            self._choose()
        else:
            self.group.value = LASSO

    def _name_group(self) -> str:
        group = str(self.group.value)
        return group if group == LASSO else f"{self.task.value}, {group}"

    def _read(self, *_: object) -> None:
        """Show some of the chosen points as texts or images."""
        if self._filling:
            return
        start = self.first.value - 1
        shown = self.selected[start:start + (IMAGES_SHOWN if self.points.images else TEXTS_SHOWN)]
        name = html.escape(self._name_group())
        self.contents.value = f"<p>No points: {name}.</p>" if not len(shown) else (
            f"<p><b>{start + 1} to {start + len(shown)} of {len(self.selected)} points</b> "
            f"({name})</p>{self.points.several(shown)}")

    def _hover(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.under_pointer.value = self.points.one(int(change["new"]))

    def compute(self) -> None:
        """Compute UMAP coordinates in another thread; the old ones are shown until then."""
        if not self._background.running:
            self.trouble.value, self.progress.value = "", "UMAP: searching for neighbours"
            self._background.launch(self._compute, self._enable)

    def cancel(self) -> None:
        """Cancel the computation; its search for neighbours cannot be interrupted."""
        self._background.stopping.set()
        self.progress.value = "Cancelling: UMAP stops at its next epoch."

    def _compute(self) -> None:
        try:
            found = project(self.features, "umap", random_state=self.seed.value,
                            progress=self._tell)
            self._tell("")
        except Cancelled:
            self.progress.value = "Cancelled: the old coordinates are kept."
            return
        except Exception as fault:
            self.progress.value = "Failed: the old coordinates are kept."
            self.complain(fault)
            return
        with self._lock:
            self._places["umap", False] = found
            self.progress.value = f"UMAP with seed {self.seed.value} is shown."
            self.projection.options = self.projections()
            self.projection.value = "umap"
            self._place()

    def _tell(self, text: str) -> None:
        """Show the progress of UMAP; called in its thread, where it raises to end the work."""
        if self._background.stopping.is_set():
            raise Cancelled
        if text:
            self.progress.value = f"UMAP: {text}"

    def wait(self) -> None:
        """Wait until a computation of UMAP has ended."""
        self._background.wait()

    def close(self) -> None:
        """Cancel a computation, and close the controls."""
        self._background.stopping.set()
        self.scatter.close()
        super().close()

    def _enable(self) -> None:
        self.buttons["Compute UMAP"].disabled = self._background.running
        self.buttons["Cancel"].disabled = not self._background.running
