"""`ParetoExplorer`, `DriftExplorer` and `SkillRetention`: the runs of a study."""

from collections.abc import Sequence

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.errors import ConfigError, UnknownNameError, texts
from workbench.measure.accuracies import Floats
from workbench.plots import percent, percent_over_seeds, studies
from workbench.runs.studies import ENOUGH, RUN, ends
from workbench.widgets.view import View, choice, tick_boxes

KNOWN = "known skills"


class StudyView(View):
    """Base of the views of a study: its points and a tick box per method.

    `points` are from `workbench.runs.studies.points`, of one part. `methods` are ticked at first,
    all by default.
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
        self.lay_out([self.level], self.ticks.values())

    def figure(self) -> Figure:
        """Return the paths of all runs."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        studies.plot_pareto(self.points, self.ticked, figure.subplots(), self.level.value,
                            f"{self.skill}: retention against new-skill accuracy")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method the runs that reach the accuracy, their steps and their retention."""
        rows = {}
        trained = self.points[self.points["step"] > 0]
        for method in self.ticked:
            own = trained[trained["method"] == method]
            there = own[own["new"] >= self.level.value].groupby(RUN, sort=False).head(1)
            rows[method] = {"runs that reach it": f"{len(there)} of {own.groupby(RUN).ngroups}"}
            if len(there):
                best = there.iloc[int(there["retention"].argmax())]
                rows[method] |= {"steps": f"{there['step'].median():.0f}",
                                 "retention, mean": percent(there["retention"].mean()),
                                 "retention, best": percent(best["retention"]),
                                 "learning rate of the best": f"{best['rate']:g}"}
        table = pd.DataFrame(rows).T.fillna("–")
        return table.rename_axis(f"new skill: {percent(self.level.value)}")


class DriftExplorer(StudyView):
    """KL of each run from the pretrained model, against the share forgotten."""

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__(points, methods)
        self.prompts = choice("drift measured",
                              [(text, name) for name, text in studies.PROMPTS.items()])
        self.when = choice("points", ["the end of each run", "every evaluation of each run"])
        self.lay_out([self.prompts, self.when], self.ticks.values())

    @property
    def drawn(self) -> pd.DataFrame:
        """The points to draw, of all methods."""
        return ends(self.points) if self.when.value == "the end of each run" else self.points

    def figure(self) -> Figure:
        """Return the scatter of forgetting against drift."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        studies.plot_drift(self.drawn, self.ticked, self.prompts.value, figure.subplots(),
                           f"{self.skill}: forgetting against drift")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method mean drift and forgetting, and their rank correlation."""
        drawn = self.drawn[self.drawn["method"].isin(self.ticked)]
        rows = {}
        for name in [*self.ticked, "all together"] if self.ticked else []:
            own = drawn if name == "all together" else drawn[drawn["method"] == name]
            own = own.dropna(subset=self.prompts.value)
            r = studies.drift_correlation(own, self.prompts.value)
            rows[name] = {"drift, mean (nats per answer)": f"{own[self.prompts.value].mean():.2f}",
                          "forgotten, mean": percent(1 - own["retention"].mean()),
                          "rank correlation": "–" if np.isnan(r) else f"{r:.2f}"}
        return pd.DataFrame(rows).T


class SkillRetention(StudyView):
    """Curves of each new skill and of the known skills after each stage; see `StudyView`."""

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__(points, methods)
        self.order = choice("order", [(order.replace(" ", " → "), order)
                                      for order in points["order"].unique()])
        self.lay_out([self.order], self.ticks.values())

    def curves(self) -> dict[str, dict[str, Floats]]:
        """Return, per new skill and for the known skills, a curve of each ticked method.

        A curve has shape (seeds, stages): before the first skill, then after each.
        """
        order = self.order.value
        runs = self.points[(self.points["order"] == order)
                           & self.points["method"].isin(self.ticked)]
        methods = [name for name in self.ticked if name in set(runs["method"])]
        columns = {skill: skill for skill in order.split()} | {KNOWN: "retention"}
        return {name: {method: runs[runs["method"] == method].pivot(
            index="seed", columns="step", values=column).to_numpy() for method in methods}
            for name, column in columns.items()}

    def figure(self) -> Figure:
        """Return a panel per new skill, and one for the known skills."""
        curves = self.curves()
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        columns = -(-len(curves) // 2)
        stages = ["before", *(f"after {skill}" for skill in self.order.value.split())]
        for i, (name, by_method) in enumerate(curves.items()):
            studies.plot_sequence(by_method, stages, figure.add_subplot(2, columns, i + 1),
                                  name, list(self.ticks),
                                  "retention" if name == KNOWN else "accuracy",
                                  legend=i == columns - 1)
        return figure

    def table(self) -> pd.DataFrame:
        """Return the final accuracies, and the 95 % interval of the new skills' mean."""
        curves = self.curves()
        rows: dict[str, dict[str, str]] = {}
        for method in curves[KNOWN]:
            ends = {name: by_method[method][:, -1] for name, by_method in curves.items()}
            new = sum(ends[skill] for skill in self.order.value.split()) / (len(ends) - 1)
            rows[method] = {name: percent(float(end.mean())) for name, end in ends.items()}
            rows[method]["new skills, mean"] = percent_over_seeds(new)
        return pd.DataFrame(rows).T.rename_axis("at the end")
