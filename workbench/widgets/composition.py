"""`CompositionExplorer`: units that a module reuses, and accuracy without some of them."""

import threading
from collections.abc import Iterable, Sequence
from itertools import groupby

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from workbench.errors import ConfigError, ModelError, UnknownNameError
from workbench.learners import Composed, Learner
from workbench.measure.composition import right_without
from workbench.models.composition import REUSE, Composition
from workbench.plots import describe, percent
from workbench.plots.composition import (
    plot_coefficients,
    plot_each_unit_off,
    plot_switched,
    unit_numbers,
)
from workbench.tasks import Stream
from workbench.widgets.view import View, choice, row, tick_boxes

ALL_LAYERS, NEW = "all layers", "new"


class CompositionExplorer(View):
    """Choose a task; see which units its module reuses, and switch units off.

    The heat map has the coefficients of the module. A unit that is switched off is off in all
    layers. The accuracy is measured on the task's test inputs, with the task given. The head was
    trained with the module, and with all units on.

    Parameters
    ----------
    learner : Composed
        A learner ``composed``, ``o_lora`` or ``sd_lora`` that has learned the stream.
    stream : Stream
    seed : int
        One of the seeds of the learner.

    Raises
    ------
    ConfigError
        If the learner does not reuse units.
    ModelError
        If it has not learned this stream.
    UnknownNameError
        If it has no such seed.
    """

    def __init__(self, learner: Learner, stream: Stream, seed: int = 0) -> None:
        super().__init__()
        learner = _check(learner, stream, seed)
        self.model, self.stream, self.i = learner.model, stream, learner.model.seeds.index(seed)
        self.names = [task.name for task in stream.tasks]
        self._right: dict[tuple[int, frozenset[int]], NDArray[np.bool_]] = {}
        self._filling, self._lock = False, threading.Lock()
        self.ticks: list[w.Checkbox] = []
        self.task = choice("task", [(name, k) for k, name in enumerate(self.names)],
                           len(self.names) - 1)
        layers = _short(list(self.module.layers))
        self.layer = choice("layer", [ALL_LAYERS, *layers])
        self.buttons = {name: w.Button(description=name, layout=w.Layout(width="max-content"))
                        for name in ("all reused off", "all new off", "all on")}
        self.buttons["all reused off"].on_click(lambda _: self.switch(self.reused, False))
        self.buttons["all new off"].on_click(lambda _: self.switch(self.new, False))
        self.buttons["all on"].on_click(lambda _: self.switch(range(len(self.ticks)), True))
        self.units = row()
        self.task.observe(self._fill, "value")  # before the redraw, which needs the units
        self.lay_out([self.task, self.layer, *self.buttons.values()], [self.units])
        self._fill()

    @property
    def module(self) -> Composition:
        """The module of the chosen task."""
        return self.model.modules(self.i)[int(self.task.value)]

    @property
    def owners(self) -> list[str]:
        """The task that made each unit of the module, then `NEW` for each new unit."""
        tasks = {names[self.i]: task for names, task in zip(self.model.adapters, self.names,
                                                            strict=True)}
        return [tasks[owner] for owner in self.module.owners] + [NEW] * self.module.rank

    @property
    def reused(self) -> range:
        """The numbers of the reused units."""
        return range(len(self.module.owners))

    @property
    def new(self) -> range:
        """The numbers of the new units."""
        return range(len(self.module.owners), len(self.ticks))

    @property
    def off(self) -> list[int]:
        """The numbers of the units that are switched off."""
        return [j for j, tick in enumerate(self.ticks) if not tick.value]

    def _fill(self, *_: object) -> None:
        """Offer the units of the chosen task, all on."""
        owners = self.owners
        labels = [f"{owner}: {n}" for owner, n in zip(owners, unit_numbers(owners), strict=True)]
        old, self.ticks = self.ticks, list(tick_boxes(labels, labels).values())
        for tick in self.ticks:
            tick.layout.margin = "2px 12px 2px 2px"  # nearer to its own name than to the next
            tick.observe(self.redraw, "value")
        groups = [row(*(self.ticks[j] for j, _ in own))
                  for _, own in groupby(enumerate(owners), lambda pair: pair[1])]
        for group in groups:
            group.layout.margin = "0 16px 0 0"
        before, self.units.children = self.units.children, groups
        for gone in (*before, *old):
            gone.close()
        self.buttons["all reused off"].disabled = not self.reused

    def switch(self, units: Iterable[int], on: bool) -> None:
        """Switch units on or off, and redraw once."""
        self._filling = True
        for j in units:
            self.ticks[j].value = on
        self._filling = False
        self.redraw()

    def redraw(self, *_: object) -> None:
        """Redraw, but not while several units are switched."""
        if not self._filling:
            super().redraw()

    def right(self, off: Iterable[int] = ()) -> NDArray[np.bool_]:
        """Return which test inputs are answered right with units off; computed once."""
        key = self.task.value, frozenset(off)
        with self._lock:  # two threads of the kernel may ask, and a module has one list of units
            if key not in self._right:
                self._right[key] = right_without(self.model, self.stream, key[0], self.i, key[1])
            return self._right[key]

    def sentence(self) -> str:
        """Return a sentence on the accuracy with the ticked units and with all."""
        whole, ticked = self.right(), self.right(self.off)
        name = f"“{self.names[self.task.value]}”"
        if not self.off:
            return (f"All {len(self.ticks)} units are on; the accuracy on {name} is "
                    f"{percent(whole.mean())}, for {len(whole)} test inputs.")
        return (f"With {len(self.ticks) - len(self.off)} of {len(self.ticks)} units on, the "
                f"accuracy on {name} is {percent(ticked.mean())}; with all it is "
                f"{percent(whole.mean())}. Of {len(whole)} test inputs, "
                f"{(whole & ~ticked).sum()} become wrong and {(~whole & ticked).sum()} become "
                "right.")

    def read_out(self, words: str) -> None:
        """Announce the accuracies."""
        super().read_out(self.sentence())

    def figure(self) -> Figure:
        """Return coefficients, the effect of each unit, and accuracies."""
        k, owners = self.task.value, self.owners
        coefficients, layers = self._coefficients()
        figure = Figure(figsize=(10.5, 5 + 0.2 * max(len(layers) - 5, 0)), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[2, 1], height_ratios=[
            1.3 + 0.13 * max(len(layers) - 5, 0), 1])
        title = f"Coefficients of the units, task “{self.names[k]}”"
        plot_coefficients(coefficients, layers, owners, figure.add_subplot(grid[0, 0]), title,
                          self.off)
        whole = self.right()
        alone = np.array([self.right([j]).mean() for j in range(len(owners))])
        plot_each_unit_off(alone - whole.mean(), owners, len(whole),
                           figure.add_subplot(grid[1, 0]))
        choices = {"all units": (), "ticked units": self.off}
        if self.reused:
            choices |= {"no reused unit": self.reused, "no new unit": self.new}
        choices["no unit"] = range(len(owners))
        right = {name: self.right(off) for name, off in choices.items()}
        ax = plot_switched(right, figure.add_subplot(grid[:, 1]),
                           f"Accuracy, task told\nseed {self.model.seeds[self.i]}",
                           1 / len(self.stream.tasks[k].classes))
        units = f"{self._units_in_words()} " if self.off else ""
        note = " The head was trained with all units on. A unit that is off is off in all layers."
        told = note if self.off or self.layer.value != ALL_LAYERS else ""
        describe(ax, f"{units}{self.sentence()} {ax.get_label()}{told}")
        return figure

    def _coefficients(self) -> tuple[NDArray[np.float32], list[str]]:
        """Return the coefficients of the chosen layers, shape (layers, units), and their names."""
        values = self.module.coefficients.detach().numpy()
        layers = _short(list(self.module.layers))
        if self.layer.value == ALL_LAYERS:
            return values, layers
        at = layers.index(self.layer.value)
        return values[at:at + 1], layers[at:at + 1]

    def _units_in_words(self) -> str:
        groups = {}
        for owner, own in groupby(enumerate(self.owners), lambda pair: pair[1]):
            units = [j for j, _ in own]
            on = [self.ticks[j].description.split(": ")[-1] for j in units if self.ticks[j].value]
            groups[owner] = f"all {len(on)}" if len(on) == len(units) else ", ".join(on) or "none"
        return f"Units on: {'; '.join(f'{owner}: {on}' for owner, on in groups.items())}."

    def table(self) -> pd.DataFrame:
        """Return for each unit whether it is on, its coefficients, and the accuracy without it."""
        coefficients, layers = self._coefficients()
        whole = ["1 (fixed)"] * len(self.new)
        return pd.DataFrame(
            {"on": ["yes" if tick.value else "no" for tick in self.ticks]}
            | {f"coefficient, {layer}": [f"{s:.2f}" for s in own] + whole
               for layer, own in zip(layers, coefficients, strict=True)}
            | {"accuracy without it": [percent(self.right([j]).mean())
                                       for j in range(len(self.ticks))]},
            index=pd.Index([tick.description for tick in self.ticks], name="unit"))


def _check(learner: Learner, stream: Stream, seed: int) -> Composed:
    """Return the learner, if it reuses units and has learned the stream."""
    if not isinstance(learner, Composed):
        raise ConfigError(f"CompositionExplorer needs a learner that reuses units, not "
                          f"{type(learner).__name__}. Make one with RunConfig("
                          "learner='composed', ...) and make_learner.")
    if learner.reuse == "none":
        raise ConfigError("this learner reuses no unit, since its option reuse is 'none'. Make one "
                          f"with another: {', '.join(name for name in REUSE if name != 'none')}.")
    model = learner.model
    if seed not in model.seeds:
        raise UnknownNameError("seed", seed, map(str, model.seeds))
    if len(learner.tasks) < len(stream):
        raise ModelError(f"the learner has learned {len(learner.tasks)} of the {len(stream)} tasks "
                         "of the stream. Train it first: wb.run_stream(learner, stream, config).")
    learned = [tuple(mask.nonzero().flatten().tolist()) for mask in model.masks]
    if learned != [task.classes for task in stream.tasks]:
        raise ModelError(f"the learner has learned tasks with the classes {learned}, and those of "
                         f"the stream have {[task.classes for task in stream.tasks]}. Give the "
                         "stream that it was trained on.")
    return learner


def _short(layers: Sequence[str]) -> list[str]:
    """Return the names of layers without the parts that all have in common."""
    parts = [layer.split(".") for layer in layers]
    if len({len(own) for own in parts}) > 1 or len(parts) == 1:
        return list(layers)
    differ = [len({*at}) > 1 for at in zip(*parts, strict=True)]
    return [".".join(part for part, keep in zip(own, differ, strict=True) if keep)
            for own in parts]
