"""`LiveTraining`: watch a network forget while it is trained."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.config import RunConfig
from workbench.learners import LEARNERS
from workbench.plots import percent, plot_task_curves
from workbench.runs.evaluation import Snapshot as Progress
from workbench.runs.experiment import resume, run
from workbench.runs.record import RunRecord
from workbench.tasks import SCENARIOS, make_stream
from workbench.widgets.background import Background
from workbench.widgets.view import View, choice, row

REDRAW_SECONDS = 0.2
ANNOUNCE_SECONDS = 5.0
"""Shortest time between two announcements of the progress to a screen reader."""
PACES = {"slow": 60, "watchable": 150, "as fast as it goes": 0}
"""Steps a second; 0 does not wait."""


class LiveTraining(View):
    """Train on a stream of digits and watch the accuracy on every task, step by step.

    The training runs in its own thread, because no click arrives while a cell runs. It writes a
    record with checkpoints, from which Resume continues. The parameters are those of `RunConfig`.
    """

    force = False
    """Whether to train even if the gate refuses the model."""

    def __init__(self, stream: str = "split-digits", seeds: tuple[int, ...] = (0, 1, 2),
                 steps: int = 200) -> None:
        super().__init__()
        self.stream, self.seeds, self.steps = stream, seeds, steps
        self.learner = choice("learner", list(LEARNERS))
        self.scenario = choice("scenario", list(SCENARIOS), make_stream(stream).scenario)
        self.lr = choice("learning rate", [3e-4, 1e-3, 3e-3, 1e-2], 1e-3)
        self.settings: list[w.Widget] = [self.learner, self.scenario, self.lr]
        self.lay_out()

    def lay_out(self, *below: w.Widget) -> None:
        """Put settings and buttons above the picture, and the widgets `below` under it."""
        self._background = Background()
        self._stop = self._background.stopping
        self._lock = threading.Lock()
        self.pace = choice("pace", list(PACES), "watchable")
        # Stop does not wait: the training thread draws the final state.
        actions: dict[str, Callable[[], object]] = {
            "Start": self.start, "Stop": self._stop.set, "Resume": self.resume, "Reset": self.reset}
        self.buttons = {name: w.Button(description=name, tooltip=f"{name} training")
                        for name in actions}
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: actions[name]())
        self.bar = w.IntProgress(max=1, layout=w.Layout(width="60%"))
        self.verdict_box = w.HTML()
        self.root.children = [row(*self.settings, self.pace),
                              row(*self.buttons.values(), self.bar), self.image, *below,
                              self.verdict_box, self.words, self.trouble]
        self._clear()

    def config(self) -> RunConfig:
        """Return the settings chosen in the controls."""
        return RunConfig(stream=self.stream, scenario=self.scenario.value,
                         learner=self.learner.value, lr=self.lr.value, seeds=self.seeds,
                         steps=self.steps, evaluate_every=max(1, self.steps // 20))

    def start(self) -> LiveTraining:
        """Remove the previous training and start one with the chosen settings."""
        if not self.running:
            self._clear()
            out = self._background.new_folder() / "run"
            self._launch("started", lambda: run(self.config(), out=out, force=self.force,
                                                observer=self._observe, stop=self._stop.is_set))
        return self

    def stop(self) -> LiveTraining:
        """Stop the training after the current step, and wait until it has stopped."""
        self._stop.set()
        return self.wait()

    def resume(self) -> LiveTraining:
        """Continue a training that was stopped."""
        folder = self._background.folder
        if (not self.running and folder is not None and self.record is not None
                and self.record.status == "stopped"):
            self._launch("resumed", lambda: resume(folder / "run", observer=self._observe,
                                                   stop=self._stop.is_set))
        return self

    def reset(self) -> LiveTraining:
        """Stop the training and remove its record and files."""
        self._clear()
        self.redraw()
        return self

    def close(self) -> None:
        """Stop the training, remove its files, and close the controls."""
        self._clear()
        super().close()

    def wait(self) -> LiveTraining:
        """Wait until the training has ended or stopped; an interrupt stops it."""
        self._background.wait()
        return self

    @property
    def running(self) -> bool:
        """Whether a training is running."""
        return self._background.running

    def verdict(self) -> str:
        """Return a sentence on the accuracy on the first task and on all tasks."""
        if self.record is None or self.record.status != "complete":
            return "No verdict yet: the training has not come to its end."
        own = self.record.accuracy[:, 0, 0].mean()
        end = self.record.accuracy[:, -1].mean(0)
        kept = end[0] / own if own else float("nan")
        word = "forgot" if kept < 0.5 else "partly forgot" if kept < 0.9 else "kept"
        return (f"{self.record.config.learner} {word} the first task ({percent(own)} right after "
                f"learning it, {percent(end[0])} at the end) and ends at {percent(end.mean())} "
                "on average over all tasks.")

    def figure(self) -> Figure:
        """Return the curves so far."""
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        ax = figure.subplots()
        with self._lock:
            steps, curve = np.array(self._steps), np.array(self._curve)
        config, names = self._drawn
        curve = curve.transpose(1, 0, 2) if len(steps) else np.zeros((1, 0, len(names)))
        plot_task_curves(steps, curve, names, config.steps, ax, self.title(config))
        ax.set_xlim(0, config.tasks * config.steps)
        return figure

    def title(self, config: RunConfig) -> str:
        """Return the title of the curves."""
        return f"{config.learner}, {config.scenario} scenario, learning rate {config.lr:g}"

    def table(self) -> pd.DataFrame:
        """Return the mean accuracy on every task, at about ten moments."""
        with self._lock:
            steps, curve = list(self._steps), list(self._curve)
        chosen = sorted({round(i) for i in np.linspace(0, len(steps) - 1, 11)}) if steps else []
        rows = [[percent(value) for value in curve[i].mean(0)] for i in chosen]
        return pd.DataFrame(rows, index=pd.Index([steps[i] for i in chosen], name="step"),
                            columns=self._drawn[1])

    def names(self, config: RunConfig) -> list[str]:
        """Return the names of the curves."""
        return [t.name for t in make_stream(config.stream, config.scenario).tasks]

    def _clear(self) -> None:
        self.stop()
        self._background.discard()
        self.record: RunRecord | None = None
        config = self.config()
        self._drawn = config, self.names(config)
        with self._lock:
            self._steps: list[int] = []
            self._curve: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
        self._last_draw = self._last_step = self._last_words = 0.0
        self.bar.value, self.verdict_box.value, self.trouble.value = 0, "", ""
        self._enable()

    def _launch(self, word: str, work: Callable[[], RunRecord]) -> None:
        self.announce(f"Training has {word}.")
        self._last_words = time.monotonic()
        self._background.launch(lambda: self._work(work), self._enable)

    def _work(self, work: Callable[[], RunRecord]) -> None:
        try:
            self.record = work()
            self.redraw()
            self.verdict_box.value = f"<p><b>{self.verdict()}</b></p>"
            word = "stopped" if self.record.status == "stopped" else "ended"
            self.announce(f"Training has {word} at step {self.record.steps_taken}.")
        except Exception as fault:
            self.complain(fault)
            self.announce("Training has stopped with an error.")

    def _observe(self, seen: Progress) -> None:
        """Record an evaluation; called from the training thread."""
        with self._lock:
            self._steps.append(seen.steps_taken)
            self._curve.append(seen.scores)
        self.bar.max, self.bar.value = seen.steps_total, seen.steps_taken
        if time.monotonic() - self._last_draw > REDRAW_SECONDS:
            self.redraw()
            self._last_draw = time.monotonic()
        if time.monotonic() - self._last_words >= ANNOUNCE_SECONDS:
            self.announce(f"Step {seen.steps_taken} of {seen.steps_total}.")
            self._last_words = time.monotonic()
        pace = PACES[self.pace.value]
        if pace:
            done = seen.steps_taken - self._last_step
            self._stop.wait(max(0.0, done) / pace)
        self._last_step = seen.steps_taken

    def read_out(self, words: str) -> None:
        """Announce no figure: they change too often."""

    def _enable(self) -> None:
        """Enable the buttons that have an effect now.

        Both threads call this. The loop repeats if a training has started or ended meanwhile, so
        that the buttons always fit the current state.
        """
        running = None
        while running != self.running:
            running = self.running
            stopped = self.record is not None and self.record.status == "stopped"
            for name, usable in (("Start", not running), ("Stop", running), ("Reset", True),
                                 ("Resume", not running and stopped)):
                self.buttons[name].disabled = not usable
            for control in self.settings:
                control.disabled = running
