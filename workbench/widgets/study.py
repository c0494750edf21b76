"""`ParetoExplorer` and `DriftExplorer`: the runs of a study on one skill."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.errors import ConfigError, UnknownNameError, texts
from workbench.plots import percent
from workbench.plots.studies import PROMPTS, drift_correlation, plot_drift, plot_pareto
from workbench.runs.studies import ENOUGH, RUN, ends
from workbench.widgets.view import View, choice, row, tick_boxes


class StudyView(View):
    """Base of the views of a study: its points and a tick box per method.

    Parameters
    ----------
    points : DataFrame
        From `workbench.runs.studies.points`, of one part; if empty, ConfigError is raised.
    methods : sequence of str, optional
        Methods ticked at first; all by default. An unknown one raises UnknownNameError.
    """

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__()
        if points.empty:
            raise ConfigError(f"{type(self).__name__} needs at least one run")
        self.points, names = points, list(points["method"].unique())
        for name in () if methods is None else texts("methods", methods):
            if name not in names:
                raise UnknownNameError("method in the study", name, names)
        self.ticks = tick_boxes(names, names if methods is None else methods)

    def lay_out(self, *controls: w.Widget) -> None:
        """Put the controls above the picture, and redraw when they change."""
        for control in (*controls, *self.ticks.values()):
            control.observe(self.redraw, "value")
        self.root.children = [row(*controls), row(*self.ticks.values()), self.image, self.words,
                              self.trouble]

    @property
    def ticked(self) -> list[str]:
        """The ticked methods."""
        return [name for name, tick in self.ticks.items() if tick.value]

    @property
    def skill(self) -> str:
        """The skill that is taught."""
        return str(self.points["order"].iloc[0])


class ParetoExplorer(StudyView):
    """New-skill accuracy against retention, and the retention at equal accuracy."""

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__(points, methods)
        self.level = w.FloatSlider(value=ENOUGH, min=0.1, max=1.0, step=0.05, readout_format=".0%",
                                   description="compare at", continuous_update=False)
        self.lay_out(self.level)

    def figure(self) -> Figure:
        """Return the paths of all runs."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        plot_pareto(self.points, self.ticked, figure.subplots(), self.level.value,
                    f"{self.skill}: learned against kept")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method the runs that reach the accuracy, their steps and their retention."""
        rows = {}
        trained = self.points[self.points["step"] > 0]
        for method in self.ticked:
            own = trained[trained["method"] == method]
            there = own[own["new"] >= self.level.value].groupby(RUN, sort=False).head(1)
            rows[method] = {"runs that get there": f"{len(there)} of {own.groupby(RUN).ngroups}"}
            if len(there):
                best = there.iloc[int(there["retention"].argmax())]
                rows[method] |= {"steps": f"{there['step'].median():.0f}",
                                 "kept, mean": percent(there["retention"].mean()),
                                 "kept, best": percent(best["retention"]),
                                 "learning rate of the best": f"{best['rate']:g}"}
        table = pd.DataFrame(rows).T.fillna("–")
        return table.rename_axis(f"first at {percent(self.level.value)}")


class DriftExplorer(StudyView):
    """KL of each run from the pretrained model, against the share forgotten."""

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__(points, methods)
        self.prompts = choice("KL measured", [(text, name) for name, text in PROMPTS.items()])
        self.when = choice("points", ["the end of each run", "every look at each run"])
        self.lay_out(self.prompts, self.when)

    @property
    def drawn(self) -> pd.DataFrame:
        """The points to draw, of all methods."""
        return ends(self.points) if self.when.value == "the end of each run" else self.points

    def figure(self) -> Figure:
        """Return the scatter of forgetting against drift."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        plot_drift(self.drawn, self.ticked, self.prompts.value, figure.subplots(),
                   f"{self.skill}: the further, the more is forgotten?")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method mean drift and forgetting, and their rank correlation."""
        drawn = self.drawn[self.drawn["method"].isin(self.ticked)]
        rows = {}
        for name in [*self.ticked, "all together"] if self.ticked else []:
            own = drawn if name == "all together" else drawn[drawn["method"] == name]
            own = own.dropna(subset=self.prompts.value)
            r = drift_correlation(own, self.prompts.value)
            rows[name] = {"KL, mean (nats)": f"{own[self.prompts.value].mean():.2f}",
                          "forgotten, mean": percent(1 - own["retention"].mean()),
                          "rank correlation": "–" if np.isnan(r) else f"{r:.2f}"}
        return pd.DataFrame(rows).T
