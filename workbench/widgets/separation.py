"""`SeparationLab`: a toy of task retrieval, its errors beside bounds, and conformal sets."""

import math

import ipywidgets as w
import pandas as pd
from matplotlib.figure import Figure

from workbench.plots.separation import coverage, plot_outcome, reading, share
from workbench.retrieval.simulation import Outcome, measure
from workbench.retrieval.toy import COVARIANCES, Toy
from workbench.widgets.view import View, choice, slider_style, steps

FREEDOM = (math.inf, 10.0, 5.0, 3.0, 2.0)


class SeparationLab(View):
    """Move separation, dimension and other settings of a toy; see its errors, bounds and sets.

    Five tasks have clusters of known densities. Signatures are fitted to some inputs and tested on
    others; all bounds but one use the known densities, and one uses the fitted ones.
    """

    def __init__(self, toy: Toy | None = None) -> None:
        super().__init__()
        self.start = start = Toy() if toy is None else toy
        self._measured: dict[Toy, Outcome] = {}
        self.separation = w.FloatSlider(
            value=start.separation, min=0, max=max(14, start.separation), step=0.5,
            readout_format=".1f", **slider_style("separation (sd)"))
        self.dimension = steps("dimension (features)", (2, 4, 8, 16, 32, 64), start.dimension)
        self.clusters = w.IntSlider(value=start.clusters, min=1, max=max(3, start.clusters),
                                    **slider_style("clusters per task"))
        self.samples = steps("inputs per task", (20, 50, 100, 200, 400), start.samples)
        self.scale = steps(f"scale of adapter {start.names[-1]}",
                           (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0), start.scale, "{:g} ×")
        self.alpha = steps("alpha: error rate of sets", (0.01, 0.02, 0.05, 0.1, 0.2, 0.3),
                           start.alpha, "{:.0%}")
        self.covariance = choice("covariance", [(text, name) for name, text in COVARIANCES.items()],
                                 start.covariance)
        tails = [(_tail(f), f) for f in sorted({*FREEDOM, start.freedom}, reverse=True)]
        self.tails = choice("tails", tails, start.freedom)
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
        return plot_outcome(self.outcome(), Figure(figsize=(10, 4.6)))

    def table(self) -> pd.DataFrame:
        """Return errors and bounds with their intervals, and the conformal sets."""
        outcome = self.outcome()
        rows = [[name, reading(row), f"{share(row['low'])} to {share(row['high'])}"
                 if row["low"] < row["high"] else "", row["why"]]
                for name, row in outcome.errors.iterrows()]
        sets = outcome.sets
        rows += [["conformal coverage", coverage(sets["coverage"]),
                  f"{coverage(sets['low'])} to {coverage(sets['high'])}",
                  f"expected {coverage(sets['expected'])}"],
                 ["conformal sets, mean size", f"{sets['size']:.2f} tasks", "", ""],
                 ["conformal sets, empty", share(sets["empty"]), "", ""],
                 ["chi-square cut-off, coverage", coverage(sets["chi-square coverage"]), "", ""]]
        return pd.DataFrame(rows, columns=["", "value", "interval, 95 %", "note"]).set_index("")


def _tail(freedom: float) -> str:
    return "Gaussian" if freedom == math.inf else f"t, {freedom:g} degrees of freedom"
