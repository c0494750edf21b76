"""`SeparationLab`: a toy of task retrieval, its errors beside bounds, and conformal sets."""

import math

import ipywidgets as w
import pandas as pd
from matplotlib.figure import Figure

from workbench.plots.separation import NOTHING, plot_outcome, share
from workbench.retrieval.simulation import COVARIANCES, Outcome, Toy, measure
from workbench.widgets.view import View, choice

TAILS = {"Gaussian": math.inf, "t, 10 degrees of freedom": 10.0, "t, 5 degrees of freedom": 5.0,
         "t, 3 degrees of freedom": 3.0, "t, 2 degrees of freedom": 2.0}


class SeparationLab(View):
    """Move separation, dimension and other settings of a toy; see its errors, bounds and sets.

    Five tasks have clusters of known densities. Signatures are fitted to some inputs and tested on
    others; the bounds are those of the known densities, and one is that of the fitted ones.
    """

    def __init__(self, toy: Toy | None = None) -> None:
        super().__init__()
        self.start = Toy() if toy is None else toy
        self._measured: dict[Toy, Outcome] = {}
        look = {"continuous_update": False, "style": {"description_width": "150px"},
                "layout": w.Layout(width="420px")}
        self.separation = w.FloatSlider(value=self.start.separation, min=0, max=14, step=0.5,
                                        readout_format=".1f", description="separation (sd)", **look)
        self.dimension = w.SelectionSlider(
            options=[2, 4, 8, 16, 32, 64], value=self.start.dimension,
            description="dimension (features)", **look)
        self.clusters = w.IntSlider(value=self.start.clusters, min=1, max=3,
                                    description="clusters a task", **look)
        self.samples = w.SelectionSlider(options=[20, 50, 100, 200, 400], value=self.start.samples,
                                         description="samples a task", **look)
        self.scale = w.SelectionSlider(
            options=[(f"{s:g} ×", s) for s in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)],
            value=self.start.scale, description="scale of adapter E", **look)
        self.alpha = w.SelectionSlider(
            options=[(f"{100 * a:g} %", a) for a in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)],
            value=self.start.alpha, description="alpha (sets may miss)", **look)
        self.covariance = choice("covariance", [(text, name) for name, text in COVARIANCES.items()],
                                 self.start.covariance)
        self.tails = choice("tails", list(TAILS.items()), self.start.freedom)
        self.lay_out([self.separation, self.dimension], [self.clusters, self.samples],
                     [self.scale, self.alpha], [self.covariance, self.tails])

    def toy(self) -> Toy:
        """Return the settings chosen in the controls."""
        return Toy(self.separation.value, self.dimension.value, self.clusters.value,
                   self.samples.value, self.covariance.value, self.tails.value, self.scale.value,
                   self.alpha.value, self.start.tasks, self.start.random_state)

    def outcome(self) -> Outcome:
        """Return the errors, bounds and sets for the current controls."""
        toy = self.toy()
        if toy not in self._measured:
            self._measured = {toy: measure(toy)}
        return self._measured[toy]

    def figure(self) -> Figure:
        """Return the inputs, the errors beside the bounds, and the coverage of the sets."""
        return plot_outcome(self.outcome(), Figure(figsize=(10, 4.6), layout="constrained"))

    def table(self) -> pd.DataFrame:
        """Return errors and bounds with their intervals, and the conformal sets."""
        outcome = self.outcome()
        rows = [[name, NOTHING if row["kind"] == "bound" and row["value"] >= 1
                 else share(row["value"]),
                 f"{share(row['low'])} to {share(row['high'])}" if row["low"] < row["high"] else "",
                 row["why"]] for name, row in outcome.errors.iterrows()]
        sets = outcome.sets
        rows += [["conformal coverage", share(sets["coverage"]),
                  f"{share(sets['low'])} to {share(sets['high'])}",
                  f"expected {share(sets['expected'])}"],
                 ["conformal sets, mean size", f"{sets['size']:.2f} tasks", "", ""],
                 ["conformal sets, empty", share(sets["empty"]), "", ""],
                 ["chi-square cut-off, coverage", share(sets["chi-square coverage"]), "", ""]]
        return pd.DataFrame(rows, columns=["", "value", "interval, 95 %", "note"]).set_index("")
