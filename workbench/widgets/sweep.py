"""`ParetoExplorer` and `DriftExplorer`: every run of a sweep, from two sides."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.plots import percent
from workbench.sweep_plots import (
    PROMPTS,
    drift_points,
    plot_drift,
    plot_pareto,
    rank_correlation,
)
from workbench.sweeps import ENOUGH, Sweep
from workbench.widgets.view import View, choice, row


class SweepView(View):
    """What both share: the methods to tick.

    Parameters
    ----------
    sweep : Sweep
        From `workbench.sweeps.load_sweep`.
    methods : sequence of str, optional
        Ticked at first; all by default.
    """

    def __init__(self, sweep: Sweep, methods: Sequence[str] | None = None) -> None:
        super().__init__()
        self.sweep = sweep
        for name in methods or ():
            sweep.of(name)
        self.ticks = {name: w.Checkbox(value=methods is None or name in methods, description=name,
                                       indent=False, layout=w.Layout(width="max-content"))
                      for name in sweep.methods}

    def lay_out(self, *controls: w.Widget) -> None:
        """Put the controls above the picture, and listen to them."""
        for control in (*controls, *self.ticks.values()):
            control.observe(self.redraw, "value")
        self.root.children = [row(*controls), row(*self.ticks.values()), self.image, self.words,
                              self.trouble]

    @property
    def ticked(self) -> list[str]:
        """The methods that are ticked."""
        return [name for name, tick in self.ticks.items() if tick.value]


class ParetoExplorer(SweepView):
    """New-skill accuracy against what is kept, and who keeps most at the same accuracy."""

    def __init__(self, sweep: Sweep, methods: Sequence[str] | None = None) -> None:
        super().__init__(sweep, methods)
        self.level = w.FloatSlider(value=ENOUGH, min=0.1, max=1.0, step=0.05, readout_format=".0%",
                                   description="compare at", continuous_update=False)
        self.lay_out(self.level)

    def figure(self) -> Figure:
        """Return the paths of all runs."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        plot_pareto(self.sweep, self.ticked, figure.subplots(), self.level.value,
                    f"{self.sweep.skill}: learned against kept")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method how many runs get to the accuracy, how soon, and what they keep."""
        rows = {}
        for method in self.ticked:
            runs = self.sweep.of(method)
            there = [(run, i) for run in runs
                     if (i := run.first(self.level.value)) is not None]
            kept = [float(run.kept[i]) for run, i in there]
            rows[method] = {
                "runs that get there": f"{len(there)} of {len(runs)}",
                "steps": f"{np.median([run.steps[i] for run, i in there]):.0f}" if there else "–",
                "kept, mean": percent(float(np.mean(kept))) if kept else "–",
                "kept, best": percent(max(kept)) if kept else "–",
                "learning rate of the best":
                    f"{there[int(np.argmax(kept))][0].lr:g}" if kept else "–"}
        return pd.DataFrame(rows).T.rename_axis(f"first at {percent(self.level.value)}")


class DriftExplorer(SweepView):
    """How far each run went from the pretrained model, against what it forgot."""

    def __init__(self, sweep: Sweep, methods: Sequence[str] | None = None) -> None:
        super().__init__(sweep, methods)
        self.prompts = choice("KL measured", [(text, name) for name, text in PROMPTS.items()])
        self.when = choice("points", ["the end of each run", "every look at each run"])
        self.lay_out(self.prompts, self.when)

    @property
    def everywhere(self) -> bool:
        """Whether every look at a run is drawn."""
        return bool(self.when.value == "every look at each run")

    def figure(self) -> Figure:
        """Return the scatter of forgetting against drift."""
        figure = Figure(figsize=(8.6, 4.2), layout="constrained")
        plot_drift(self.sweep, self.ticked, self.prompts.value, figure.subplots(), self.everywhere,
                   f"{self.sweep.skill}: the further, the more is forgotten?")
        return figure

    def table(self) -> pd.DataFrame:
        """Return per method mean drift and forgetting, and how well the one tells the other."""
        rows = {}
        for method in self.ticked:
            points = drift_points(self.sweep, [method], self.prompts.value, self.everywhere)
            rows[method] = {"KL, mean (nats)": f"{points[:, 0].mean():.2f}",
                            "forgotten, mean": percent(float(points[:, 1].mean())),
                            "rank correlation": _number(rank_correlation(points))}
        every = drift_points(self.sweep, self.ticked, self.prompts.value, self.everywhere)
        if len(every):
            rows["all together"] = {"KL, mean (nats)": f"{every[:, 0].mean():.2f}",
                                    "forgotten, mean": percent(float(every[:, 1].mean())),
                                    "rank correlation": _number(rank_correlation(every))}
        return pd.DataFrame(rows).T


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
