"""`SkillRetention`: accuracy on every skill while several are learned in a row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from workbench.measure.accuracies import Floats
from workbench.plots import percent, percent_over_seeds
from workbench.plots.studies import plot_sequence
from workbench.widgets.study import StudyView
from workbench.widgets.view import choice

KNOWN = "what was known"


class SkillRetention(StudyView):
    """Curves of each new skill and of the known ones after each stage; see `StudyView`."""

    def __init__(self, points: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__(points, methods)
        self.order = choice("order", [(order.replace(" ", " → "), order)
                                      for order in points["order"].unique()])
        self.lay_out(self.order)

    def curves(self) -> dict[str, dict[str, Floats]]:
        """Return, per new skill and for the known ones, a curve of each ticked method.

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
            plot_sequence(by_method, stages, figure.add_subplot(2, columns, i + 1),
                          name, list(self.ticks), "kept" if name == KNOWN else "accuracy",
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
