"""`SkillRetention`: several skills in a row, and what each stage leaves of those before."""

from __future__ import annotations

from collections.abc import Sequence as Several

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.errors import ConfigError, texts
from workbench.plots import percent, percent_over_seeds
from workbench.runfiles import Floats
from workbench.sweep_plots import plot_sequence
from workbench.sweeps import Sequence
from workbench.widgets.view import View, choice, row

KNOWN = "what was known"


class SkillRetention(View):
    """Curves of each new skill and of the known ones, stage by stage.

    Parameters
    ----------
    runs : sequence of Sequence
        From `workbench.sweeps.load_sequences`.
    shown : sequence of str
        Methods that are ticked to begin with; all, where none is named.
    """

    def __init__(self, runs: Several[Sequence], shown: Several[str] = ()) -> None:
        super().__init__()
        if not runs:
            raise ConfigError("SkillRetention needs at least one run")
        shown = texts("shown", shown)
        self.runs = list(runs)
        orders = list(dict.fromkeys(run.skills for run in self.runs))
        self.order = choice("order", [(" → ".join(skills), skills) for skills in orders])
        methods = list(dict.fromkeys(run.method for run in self.runs))
        self.ticks = {name: w.Checkbox(value=name in (shown or methods), description=name,
                                       indent=False, layout=w.Layout(width="max-content"))
                      for name in methods}
        for control in (self.order, *self.ticks.values()):
            control.observe(self.redraw, "value")
        self.root.children = [row(self.order), row(*self.ticks.values()), self.image, self.words,
                              self.trouble]

    def curves(self) -> dict[str, dict[str, Floats]]:
        """Return per skill, and for what was known, the curves of each ticked method.

        Each of shape (seeds, stages): before the first skill, then after each.
        """
        skills = self.order.value
        chosen = {name: [run for run in self.runs if run.method == name and run.skills == skills]
                  for name, tick in self.ticks.items() if tick.value}
        chosen = {name: runs for name, runs in chosen.items() if runs}
        found = {skill: {name: np.stack([run.new[:, j] for run in runs])
                         for name, runs in chosen.items()} for j, skill in enumerate(skills)}
        return found | {KNOWN: {name: np.stack([run.kept for run in runs])
                                for name, runs in chosen.items()}}

    def figure(self) -> Figure:
        """Return one panel per skill, and one for what was known."""
        curves = self.curves()
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        columns = -(-len(curves) // 2)
        stages = ["before", *(f"after {skill}" for skill in self.order.value)]
        for i, (name, each) in enumerate(curves.items()):
            plot_sequence(each, stages, figure.add_subplot(2, columns, i + 1),
                          name, list(self.ticks), "kept" if name == KNOWN else "accuracy",
                          legend=i == columns - 1)
        return figure

    def table(self) -> pd.DataFrame:
        """Return accuracies at the end, with 95 % intervals over seeds of the new skills' mean."""
        curves = self.curves()
        rows: dict[str, dict[str, str]] = {}
        for method in next(iter(curves.values())):
            ends = {name: each[method][:, -1] for name, each in curves.items()}
            mean = np.mean([ends[skill] for skill in self.order.value], axis=0)
            rows[method] = {name: percent(float(end.mean())) for name, end in ends.items()}
            rows[method]["new skills, mean"] = percent_over_seeds(mean)
        return pd.DataFrame(rows).T.rename_axis("at the end")
