"""`RetentionExplorer`: the accuracy matrices of several learners."""

from collections.abc import Mapping

import ipywidgets as w
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workbench.errors import ConfigError
from workbench.measure.accuracies import Floats
from workbench.measure.metrics import AccuracyMatrix
from workbench.plots import describe, draw_band, percent
from workbench.plots.labels import add_legend, add_text, name_ticks, percent_limits
from workbench.plots.styles import NOT_MEASURED, styles_of
from workbench.runs.record import RunRecord
from workbench.widgets.view import View, choice, row, tick_boxes

METRICS = {
    "accuracy": "accuracy (%)",
    "retention": "retention: accuracy in % of the accuracy right after learning",
    "loss since its best": "accuracy lost since its best (points)",
}


class RetentionExplorer(View):
    """Compare learners and seeds; a cell is chosen with the mouse or the keyboard.

    On the left is the matrix of one learner, as buttons: Tab reaches a cell, Enter chooses it. On
    the right are the curves of the chosen task for all ticked learners. A cell without a value is
    grey and shows a dash. In the class scenario these are the tasks not learned yet, whose answers
    are not allowed. The records must be of the same stream and scenario; otherwise a ConfigError is
    raised.
    """

    def __init__(self, records: RunRecord | Mapping[str, RunRecord]) -> None:
        super().__init__()
        if isinstance(records, RunRecord):
            records = {records.config.learner: records}
        if not records:
            raise ConfigError("RetentionExplorer needs at least one record")
        self.records = dict(records)
        first = next(iter(self.records.values()))
        self.names = first.task_names
        for label, record in self.records.items():
            if ((record.task_names, record.scenario, record.data_hash)
                    != (first.task_names, first.scenario, first.data_hash)):
                raise ConfigError(f"the record of {label!r} is of another stream or scenario than "
                                  "the first; compare runs on the same one")
        self.learner = choice("matrix of", list(self.records))
        shared = [s for s in first.config.seeds
                  if all(s in record.config.seeds for record in self.records.values())]
        self.seed = choice("seed", [("mean of all", -1), *((str(s), s) for s in shared)], -1)
        self.metric = choice("show", list(METRICS))
        self.ticks = tick_boxes(self.records, self.records)
        self.cell = (len(self.names) - 1, 0)
        self.reading = w.HTML()
        self.lay_out([self.learner, self.seed, self.metric],
                     [w.Label("curves of"), *self.ticks.values()],
                     picture=row(w.VBox([self._grid(), self.reading]), self.image))

    def values(self, learner: str) -> Floats:
        """Return the chosen metric of one learner: shape (seeds, trained, tested)."""
        record = self.records[learner]
        chosen = self.seed.value
        seeds = slice(None) if chosen < 0 else [record.config.seeds.index(chosen)]
        R = record.matrix().answerable()[seeds]
        if self.metric.value == "retention":
            return AccuracyMatrix(R).retention()
        if self.metric.value == "loss since its best":
            learned = np.tri(R.shape[1], dtype=bool)
            best = np.maximum.accumulate(np.where(learned, R, -np.inf), axis=1)
            return np.where(learned, best - R, np.nan)
        return R

    def choose(self, trained: int, tested: int) -> None:
        """Choose a cell of the matrix."""
        self.cell = (trained, tested)
        self.redraw()

    def sentence(self) -> str:
        """Return a sentence on the value in the chosen cell."""
        i, j = self.cell
        value = self.values(self.learner.value)[:, i, j].mean()
        return (f"{self.learner.value}, trained on all tasks up to “{self.names[i]}”, tested on "
                f"“{self.names[j]}”: {self.metric.value} {percent(value)}.")

    def redraw(self, *_: object) -> None:
        """Redraw the curves and the matrix."""
        super().redraw()
        try:
            self._colour()
            self.reading.value = f"<p>{self.sentence()}</p>"
        except Exception as fault:
            self.complain(fault)

    def figure(self) -> Figure:
        """Return the curves of the chosen task."""
        figure = Figure(figsize=(6.8, 3.6), layout="constrained")
        ax = figure.subplots()
        i, j = self.cell
        texts, styles = [], styles_of(self.ticks)
        for label, tick in self.ticks.items():
            if tick.value:
                curve = self.values(label)[:, j:, j]
                draw_band(ax, np.arange(j, len(self.names)), curve, label,
                          bounded=self.metric.value != "retention", lowest=0, **styles[label])
                texts.append(f"{label} {percent(curve.mean(0)[-1])} at the end")
        ax.axvline(i, color="grey", linestyle=":", linewidth=1.5)
        chosen = 100 * self.values(self.learner.value)[:, i, j].mean()
        if not np.isnan(chosen):
            ax.plot(i, chosen, "o", markersize=13, markerfacecolor="none", color="black")
        # At least from 0 to 100, so that a small difference looks small.
        percent_limits(ax)
        ax.set_xlim(-0.3, len(self.names) - 0.7)
        add_legend(ax, by_end=True)
        name_ticks(ax, [f"after\n{n}" for n in self.names])
        add_text(ax, f"Task “{self.names[j]}”", ylabel=METRICS[self.metric.value])
        describe(ax, f"{self.sentence()} Curves of {self.metric.value} on task {self.names[j]}: "
                 f"{'; '.join(texts) or 'no learner is ticked'}.")
        return figure

    def table(self) -> pd.DataFrame:
        """Return the matrix of the chosen learner in percent; undefined cells are empty."""
        values = self.values(self.learner.value).mean(0)
        shown = [["" if np.isnan(v) else f"{100 * v:.0f} %" for v in line] for line in values]
        return pd.DataFrame(shown, index=[f"after {n}" for n in self.names], columns=self.names)

    def _grid(self) -> w.GridBox:
        tasks = range(len(self.names))
        self.cells = {(i, j): w.Button(layout=w.Layout(width="58px", height="30px", margin="1px"))
                      for i in tasks for j in tasks}
        for cell, button in self.cells.items():
            button.on_click(lambda _, cell=cell: self.choose(*cell))
        children = [w.Label(""), *map(w.Label, self.names)]
        for i in tasks:
            children += [w.Label(f"after {self.names[i]}"), *(self.cells[i, j] for j in tasks)]
        return w.GridBox(children, layout=w.Layout(
            grid_template_columns=f"max-content repeat({len(self.names)}, 62px)"))

    def _colour(self) -> None:
        values = self.values(self.learner.value).mean(0)
        for (i, j), button in self.cells.items():
            value, chosen, known = values[i, j], (i, j) == self.cell, not np.isnan(values[i, j])
            button.description = f"{100 * value:.0f}" if known else "–"
            shade = mpl.colormaps["cividis"](float(np.clip(value, 0, 1))) if known else NOT_MEASURED
            button.style.button_color = to_hex(shade)
            button.style.text_color = "white" if known and value < 0.55 else "black"
            button.style.font_weight = "bold" if chosen else "normal"
            button.style.text_decoration = "underline" if chosen else "none"
            button.tooltip = f"after {self.names[i]}, tested on {self.names[j]}: {percent(value)}"
