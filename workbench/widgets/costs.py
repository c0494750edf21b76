"""`CostPanel`: the accuracy of methods against their cost."""

from collections.abc import Sequence

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.errors import DataError, UnknownNameError, texts
from workbench.plots import percent
from workbench.plots.costs import cost_text, plot_costs
from workbench.widgets.view import View, choice, tick_boxes

SHARES = ("low", "accuracy", "high")


class CostPanel(View):
    """Choose a cost and methods; see the accuracy of each method against its cost.

    Parameters
    ----------
    table : DataFrame
        A row for each method, whose name is the index. The column ``accuracy`` and, if intervals
        are known, ``low`` and ``high`` are from 0 to 1. Every other column is a cost of at least 0,
        with its unit in its name, such as ``seconds to train``.
    methods : sequence of str, optional
        The methods that are ticked at first; by default all.

    Raises
    ------
    DataError
        If a column is missing or has a value that cannot be drawn; the message names it.
    """

    def __init__(self, table: pd.DataFrame, methods: Sequence[str] | None = None) -> None:
        super().__init__()
        self.costs = _check(table)
        self.data = table
        for name in () if methods is None else texts("methods", methods):
            if name not in table.index:
                raise UnknownNameError("method in the table", name, table.index)
        self.cost = choice("cost", self.costs)
        self.log = w.Checkbox(value=False, description="log scale", indent=False,
                              layout=w.Layout(width="max-content"))
        self.ticks = tick_boxes(table.index, table.index if methods is None else methods)
        self.lay_out([self.cost, self.log], self.ticks.values())

    @property
    def ticked(self) -> pd.DataFrame:
        """The rows of the ticked methods."""
        return self.data.loc[[name for name, tick in self.ticks.items() if tick.value]]

    def figure(self) -> Figure:
        """Return the dots of the ticked methods."""
        figure = Figure(figsize=(8.6, 4.4), layout="constrained")
        plot_costs(self.ticked, self.cost.value, figure.subplots(), self.log.value,
                   methods=list(self.ticks))
        return figure

    def table(self) -> pd.DataFrame:
        """Return the ticked methods, cheapest first, with all their costs."""
        rows = self.ticked.sort_values(self.cost.value, kind="stable")
        shown = rows[self.costs].map(cost_text)
        shown.insert(0, "accuracy", rows["accuracy"].map(percent))
        if "low" in rows:
            shown.insert(1, "interval, 95 %", [f"{percent(low)} to {percent(high)}" for low, high
                                               in zip(rows["low"], rows["high"], strict=True)])
        return shown.rename_axis("method")


def _check(table: pd.DataFrame) -> list[str]:
    """Return the names of the costs; a table that cannot be drawn raises `DataError`."""
    if not isinstance(table, pd.DataFrame) or table.empty:
        raise DataError("table must be a pandas DataFrame with at least one row: one a method")
    if not table.index.is_unique or not all(isinstance(name, str) for name in table.index):
        raise DataError("the index of table must be the methods' names, each a text that occurs "
                        f"once, not {list(table.index)}")
    if not table.columns.is_unique:
        raise DataError(f"two columns of table have one name: {list(table.columns)}")
    if "accuracy" not in table:
        raise DataError(f"table has no column 'accuracy'; it has {list(table.columns)}")
    if ("low" in table) != ("high" in table):
        raise DataError("table has only one of the columns 'low' and 'high'; give both or none")
    costs = [str(name) for name in table.columns if name not in SHARES]
    if not costs:
        raise DataError("table has no column with a cost, such as 'seconds to train'")
    for name in table.columns:
        values, most = table[name], 1.0 if name in SHARES else np.inf
        if not pd.api.types.is_numeric_dtype(values):
            raise DataError(f"column {name!r} must hold numbers, not {values.dtype}")
        for method, value in values.items():
            if not (0 <= value <= most and np.isfinite(value)):
                end = "from 0 to 1" if name in SHARES else "of at least 0"
                raise DataError(f"column {name!r} must have finite numbers {end}; that of "
                                f"{method!r} is {value}")
    if "low" in table:
        for method, low, value, high in table[[*SHARES]].itertuples():
            if not low <= value <= high:
                raise DataError(f"columns 'low' and 'high' must enclose the accuracy; those of "
                                f"{method!r} are {low} and {high}, and its accuracy is {value}")
    return costs
