"""`GenerationExplorer`: self-distillation round by round, in an exact model and on digits."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.errors import DataError
from workbench.plots import percent_over_seeds
from workbench.plots.generations import MEASURES, over_seeds, plot_generations
from workbench.widgets.rounds import (
    NOISES,
    PENALTIES,
    Rounds,
    digits_kernel,
    exact_model,
    of_networks,
)
from workbench.widgets.view import View, choice, steps

EXACT, KERNEL, NETWORKS = "exact model", "digits, kernel", "digits, networks"
LENGTHS = (5, 10, 20, 50)


class GenerationExplorer(View):
    """Choose label noise, penalty and rounds; see accuracy, calibration and agreement with round 1.

    In the exact model all members of a class are equally similar, so that the round at which the
    wrong labels are corrected is known beforehand. The calibration of a kernel is that of its
    predictions clipped at 0 and divided by their sum.

    Parameters
    ----------
    networks : DataFrame, optional
        Results of networks: a row for each ``noise``, ``generation`` (from 1) and ``seed``, with
        ``accuracy``, ``ece`` and ``agreement`` (with generation 1), from 0 to 1.

    Raises
    ------
    DataError
        If a column of `networks` is missing or cannot be drawn; the message names it.
    """

    def __init__(self, networks: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.networks = networks
        if networks is not None:
            _check(networks)
        self.source = choice("source", [EXACT, KERNEL, *([NETWORKS] * (networks is not None))])
        self.noise = steps("wrong labels", NOISES, 0.3, "{:.0%}")
        self.penalty = steps("penalty", PENALTIES, 0.1)
        self.rounds = steps("rounds", LENGTHS, 20)
        self.source.observe(self._switch, "value")  # before the redraw, which needs its noises
        self.lay_out([self.source, self.rounds], [self.noise, self.penalty])

    def _switch(self, *_: object) -> None:
        """Offer the settings of the chosen source."""
        self.penalty.disabled = self.source.value == NETWORKS
        noises = NOISES
        if self.networks is not None and self.source.value == NETWORKS:
            noises = tuple(sorted(self.networks["noise"].unique()))
        nearest = min(noises, key=lambda noise: abs(noise - self.noise.value))
        self.noise.unobserve(self.redraw, "value")  # one redraw is enough
        self.noise.options = [(f"{noise:.0%}", noise) for noise in noises]
        self.noise.value = nearest
        self.noise.observe(self.redraw, "value")

    def measured(self) -> Rounds:
        """Return the rounds for the current controls."""
        noise, rounds = self.noise.value, self.rounds.value
        if self.networks is not None and self.source.value == NETWORKS:
            return of_networks(self.networks, noise, rounds)
        make = exact_model if self.source.value == EXACT else digits_kernel
        return make(noise, self.penalty.value, rounds)

    @property
    def word(self) -> str:
        """The name of a round."""
        return "generation" if self.source.value == NETWORKS else "round"

    def figure(self) -> Figure:
        """Return the curves of the three measures."""
        shown = self.measured()
        return plot_generations(shown.table, Figure(figsize=(10.5, 4.2)), shown.heading,
                                shown.note, shown.predicted, shown.baseline, self.word)

    def table(self) -> pd.DataFrame:
        """Return the measures of each round, with 95 % t intervals over seeds."""
        rounds = self.measured().table
        names = {**MEASURES, **({"memorised": "memorised (%)"} if "memorised" in rounds else {})}
        return pd.DataFrame(
            {title.split(" (")[0].replace("round", self.word):
             [percent_over_seeds(seeds) for seeds in over_seeds(rounds, name).T]
             for name, title in names.items()},
            index=pd.Index(np.sort(rounds["round"].unique()), name=self.word))


def _check(networks: pd.DataFrame) -> None:
    """Raise `DataError` for a table that cannot be drawn."""
    keys = ["noise", "generation", "seed"]
    for name in (*keys, *MEASURES):
        if name not in networks:
            raise DataError(f"networks has no column {name!r}; it needs noise, generation, seed, "
                            "accuracy, ece and agreement")
        values, top = networks[name], 1.0 if name in ("noise", *MEASURES) else np.inf
        if not pd.api.types.is_numeric_dtype(values):
            raise DataError(f"column {name!r} of networks must hold numbers, not {values.dtype}")
        bad = values[~((values >= 0) & (values <= top))]
        if len(bad):
            raise DataError(f"column {name!r} of networks must be "
                            f"{'from 0 to 1' if top == 1 else 'at least 0'}, not {bad.iloc[0]}")
    if networks.empty or networks.duplicated(keys).any():
        raise DataError("networks must have one row, and only one, for each noise, generation and "
                        "seed")
    for noise, rows in networks.groupby("noise"):
        wanted = np.arange(1, rows["generation"].max() + 1)
        for seed, own in rows.groupby("seed"):
            if not np.array_equal(np.sort(own["generation"]), wanted):
                raise DataError(f"column 'generation' of networks must be {wanted.tolist()} for "
                                f"noise {noise} and seed {seed}, not "
                                f"{sorted(own['generation'])}")
