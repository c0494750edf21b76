"""`ClusterView`: the data, pictures and numbers of `ClusterExplorer`."""

from __future__ import annotations

import html
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from workbench.errors import DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.plots import alt_text, percent
from workbench.plots.clusters import confusion, plot_clusters, plot_confusion, plot_task_retention
from workbench.plots.display import png
from workbench.retrieval.projections import checked, project, separations
from workbench.widgets.points import ALL_TASKS, OUTCOME, SET_SIZE, Points, compact
from workbench.widgets.view import View, choice

COLOURINGS = ("task", "retrieved task", OUTCOME, SET_SIZE, "cluster")
NAMES = {"umap": "UMAP", "pca": "PCA", "lda": "LDA"}


class ClusterView(View):
    """Points of several tasks in a picture, with their retrieval and retention beside it.

    Parameters
    ----------
    features : array-like, shape (n, d)
    tasks, labels : array-like of str, shape (n,)
    contents : sequence of str, or ndarray of shape (n, height, width)
        Texts or images.
    retrieved : sequence of str or None, shape (n,), optional
        The task that was retrieved for each input; None or "" for inputs that were not tested, such
        as those that signatures were fitted to.
    clusters : array-like, shape (n,), optional
        The cluster of each input.
    set_sizes : array-like of int, shape (n,), optional
        The number of tasks in the conformal set of each input.
    retention : mapping of str to array-like, shape (seeds, stages) or (stages,), optional
        Accuracy on a task after each stage, NaN before the task is learned.
    coordinates : array-like, shape (n, 2), optional
        UMAP coordinates computed before. Without them PCA is shown at first.
    """

    def __init__(self, features: ArrayLike, tasks: ArrayLike, labels: ArrayLike,
                 contents: Sequence[str] | NDArray[Any], *, retrieved: Any = None,
                 clusters: ArrayLike | None = None, set_sizes: ArrayLike | None = None,
                 retention: Mapping[str, ArrayLike] | None = None,
                 coordinates: ArrayLike | None = None) -> None:
        super().__init__()
        self.features = checked(features)
        self.points = Points(len(self.features), tasks, labels, contents, retrieved, clusters,
                             set_sizes)
        self.retention = {name: np.atleast_2d(np.asarray(values, dtype=float))
                          for name, values in (retention or {}).items()}
        for name in self.retention:
            if name not in self.points.tasks:
                raise UnknownNameError("task in retention", name, self.points.tasks)
        self._places: dict[tuple[str, bool], Floats] = {}
        if coordinates is not None:
            placed = np.asarray(coordinates, dtype=np.float64)
            if placed.shape != (len(self.features), 2) or not np.isfinite(placed).all():
                raise DataError(f"coordinates have shape {placed.shape}; expected are finite "
                                f"numbers of shape ({len(self.features)}, 2)")
            self._places["umap", False] = placed
        own = self.points.frame["task"].to_numpy()
        self._tasks = {False: own, True: np.random.default_rng(0).permutation(own)}
        self._separations: dict[bool, tuple[pd.DataFrame, pd.DataFrame, float]] = {}
        if len(self.points.tasks) < 2:
            raise DataError("ClusterExplorer needs at least 2 tasks, of which it shows distances")
        self.selected: NDArray[np.intp] = np.arange(len(self.features))
        self._waiting = False
        # A front end may let two threads of the kernel handle its messages at a time.
        self._lock = threading.RLock()
        self._drawn: tuple[str, bool] | None = None
        self.distances = w.HTML()
        self.task = choice("task", [ALL_TASKS, *self.points.tasks])
        self.group = choice("group", self.points.groups(ALL_TASKS))
        self.colour = choice("colour", [name for name in COLOURINGS if name in self.points.frame])
        self.projection = choice("picture", self.projections())
        self.shuffled = w.Checkbox(description="tasks shuffled (control)", indent=False,
                                   layout=w.Layout(width="max-content"))
        self.assemble()

    @abstractmethod
    def assemble(self) -> None:
        """Make the scatter plot, and put everything into `root`."""

    @property
    def chosen(self) -> str | None:
        """The chosen task; None for all."""
        return None if self.task.value == ALL_TASKS else str(self.task.value)

    def projections(self) -> list[tuple[str, str]]:
        """Return the pictures that can be shown now, as label and kind."""
        kinds = ["umap"] * (("umap", False) in self._places) + ["pca"]
        return [(NAMES[kind], kind) for kind in kinds + ["lda"] * (len(self.points.tasks) > 2)]

    def coordinates(self) -> Floats:
        """Return the coordinates of the picture, shape (n, 2); those of LDA depend on the tasks."""
        kind = self.projection.value
        key = kind, kind == "lda" and self.shuffled.value
        if key not in self._places:
            self._places[key] = project(self.features, kind, self._tasks[key[1]])
        return self._places[key]

    def separations(self, shuffled: bool) -> tuple[pd.DataFrame, pd.DataFrame, float]:
        """Return distances, bounds and the bound of all tasks; computed when first asked for."""
        if shuffled not in self._separations:
            self._separations[shuffled] = separations(self.features, self._tasks[shuffled])
        return self._separations[shuffled]

    def _ipython_display_(self) -> None:
        self._waiting = True  # the points come first
        super()._ipython_display_()
        self._waiting = False
        self.redraw()

    def redraw(self, *_: object) -> None:
        """Redraw the pictures beside the points, the distances and the words, if they change."""
        if self._waiting:
            return
        with self._lock:
            self._redraw()

    def _redraw(self) -> None:
        try:
            if self._drawn != (self.task.value, self.shuffled.value):
                figure = Figure(figsize=(5.6, 4.4), layout="constrained")
                self.draw_beside(figure)
                self.image.value = png(figure)
                self.distances.value = self._notes() + compact(self.table().reset_index())
                self._drawn = self.task.value, self.shuffled.value
            words = html.escape(alt_text(self.figure()))
            self.words.value = f"<details open><summary>In words</summary>{words}</details>"
            self.trouble.value = ""
        except Exception as fault:
            self.complain(fault)

    def figure(self) -> Figure:
        """Return the labelled scatter plot with the pictures beside it."""
        figure = Figure(figsize=(11, 5.2), layout="constrained")
        halves: Any = figure.subfigures(1, 2, width_ratios=[1.1, 1])
        strong = np.zeros(len(self.features), dtype=bool)
        strong[self.selected] = True
        groups = None if self.colour.value == "task" else self.points.colours(self.colour.value)[0]
        title = NAMES[self.projection.value] + (", tasks shuffled" if self.shuffled.value else "")
        plot_clusters(self.coordinates(), self.points.frame["task"], halves[0].subplots(), title,
                      groups, strong)
        self.draw_beside(halves[1])
        return figure

    def draw_beside(self, figure: Any) -> None:
        """Draw the confusion matrix and the retention curve, where they were given."""
        tested = self.points.frame[self.points.tested]
        count = (not tested.empty) + bool(self.retention)
        # A part for each, so that the legend of one does not make the other narrower.
        parts = list(figure.subfigures(count, 1, squeeze=False).flat) if count else []
        if not tested.empty:
            plot_confusion(confusion(tested["task"], tested["retrieved task"]),
                           parts.pop(0).subplots(), chosen=self.chosen)
        if self.retention:
            plot_task_retention(self.retention, parts.pop(0).subplots(),
                                f"Retention: {self.chosen or 'all tasks'}", self.chosen,
                                self.points.tasks)

    def table(self) -> pd.DataFrame:
        """Return the distances of the chosen task to each other, or of each to its nearest."""
        distances, bounds, _ = self.separations(self.shuffled.value)
        tested = self.points.frame[self.points.tested]
        tasks = self.points.tasks
        pairs = [(a, str(distances.loc[a].drop(a).idxmin())) for a in tasks]
        if self.chosen:
            pairs = [(self.chosen, b) for b in tasks if b != self.chosen]
        rows = {}
        for a, b in pairs:
            cells = {"distance": f"{distances.loc[a, b]:.1f}"}
            if not self.shuffled.value:
                cells["if shuffled"] = f"{self.separations(True)[0].loc[a, b]:.1f}"
            cells["B1"] = small_percent(float(bounds.loc[a, b]))
            if not tested.empty:
                found = tested["retrieved task"][tested["task"] == a]
                cells["given this task"] = percent(float((found == b).mean()))
            rows[b if self.chosen else f"{a} to {b}"] = cells
        return pd.DataFrame(rows).T.rename_axis(
            f"{self.chosen} to" if self.chosen else "to the nearest")

    def _notes(self) -> str:
        """Return the text above the distances."""
        tested = self.points.tested
        error = (f"; error measured <b>{percent(self.points.wrong[tested].mean())}</b>"
                 if tested.any() else "")
        bound = small_percent(self.separations(self.shuffled.value)[2])
        return ("<p style='line-height:1.3;margin:4px 0'><b>Gaps in the picture are not "
                "separation.</b> These distances are measured in all "
                f"{self.features.shape[1]} features: Mahalanobis distances of Gaussians fitted to "
                "the tasks, with one shared covariance. B1 is a bound "
                "for inputs drawn from these Gaussians, not for the data. “If shuffled” is the "
                f"distance of tasks drawn at random. All tasks: B1 <b>{bound}</b>{error}.</p>")


def small_percent(share: float) -> str:
    """Return a bound in percent, with one digit if it is small; above 100 % it says nothing."""
    if share > 1:
        return "says nothing"
    return percent(share) if share >= 0.1 else f"{100 * share:.1g} %"
