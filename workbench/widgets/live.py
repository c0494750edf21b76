"""`LiveRun`, the base of the widgets that train: buttons, curves, and a thread of its own."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import ipywidgets as w
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.config import RunConfig
from workbench.measure.accuracies import Floats
from workbench.plots import percent, plot_task_curves
from workbench.plots.curves import task_curves_in_words
from workbench.runs.evaluation import Snapshot as Progress
from workbench.runs.experiment import resume, run
from workbench.runs.record import RunRecord
from workbench.tasks import Stream
from workbench.widgets.background import BackgroundView
from workbench.widgets.player import Player, record_curves
from workbench.widgets.view import choice, row

REDRAW_SECONDS = 0.2
ANNOUNCE_SECONDS = 5.0
"""Shortest time between two announcements of the progress to a screen reader."""
PACES = {"slow": 60, "watchable": 150, "as fast as it goes": 0}
"""Steps a second; 0 does not wait."""


class LiveRun(BackgroundView):
    """Train in a thread of its own, and watch the accuracy on every task, step by step.

    The run writes a record with checkpoints, from which Resume continues. After a change of the
    settings the picture is pale until the next start. The curves of the training before stay,
    pale, until Reset. A subclass has `learner`, `steps` and `settings`, and calls `assemble`.
    """

    learner: w.Dropdown
    steps: int
    settings: list[w.Widget]
    force = False
    """Whether to train even if the gate refuses the model."""

    def assemble(self, *below: w.Widget) -> None:
        """Put settings and buttons above the picture, and the widgets `below` under it."""
        self._stop = self._background.stopping
        self.player = Player(live=True)
        self.pace = choice("pace", list(PACES), "watchable")
        # Stop does not wait: the training thread draws the final state.
        actions: dict[str, Callable[[], object]] = {
            "Start": self.start, "Stop": self._stop.set, "Resume": self.resume, "Reset": self.reset}
        self.buttons = {n: w.Button(description=n, tooltip=f"{n} training") for n in actions}
        for name, action in actions.items():
            self.buttons[name].on_click(lambda _, action=action: action())
        self.bar = w.IntProgress(max=1, layout={"width": "60%"})
        self.status, self.verdict_box = w.HTML(), w.HTML()
        self.root.children = [row(*self.settings, self.pace),
                              row(*self.buttons.values(), self.bar), self.status, self.player,
                              *below, self.verdict_box, self.words, self.trouble]
        self._pale, self._run = False, 0
        self._seen: list[Progress] = []
        self._clear(ghost=False)
        for control in self.settings:
            control.observe(self._settings_changed, "value")

    @abstractmethod
    def config(self) -> RunConfig:
        """Return the settings chosen in the controls."""

    @abstractmethod
    def verdict(self) -> str:
        """Return a sentence on what was learned and kept."""

    @abstractmethod
    def labels(self, config: RunConfig) -> tuple[str, Stream]:
        """Return the title of the curves, and the stream with their tasks."""

    def start(self) -> Self:
        """Remove the previous training and start one with the chosen settings."""
        if not self.running:
            self._clear()
            out = self._background.new_folder() / "run"
            self._launch("started", lambda: run(self.config(), out=out, force=self.force,
                                                observer=self._observe, stop=self._stop.is_set))
        return self

    def resume(self) -> Self:
        """Continue a training that was stopped."""
        folder = self._background.folder
        if folder is not None and not self.running and self._stopped:
            self._launch("resumed", lambda: resume(folder / "run", observer=self._observe,
                                                   stop=self._stop.is_set))
        return self

    def reset(self) -> Self:
        """Stop the training and remove its record and files, and the curves of the one before."""
        self._clear(ghost=False)
        self.redraw()
        return self

    @property
    def outdated(self) -> bool:
        """Whether the picture shows a training with other settings than the controls have now."""
        return bool(self._seen) and not self.running and self._values() != self._chosen

    @property
    def _stopped(self) -> bool:
        return self.record is not None and self.record.status == "stopped"

    @property
    def _curves(self) -> tuple[list[int], Floats, list[str], str]:
        """The steps, the curves, their names and their title."""
        seen, (_, title, stream) = list(self._seen), self._drawn
        names = [task.name for task in (*stream.tasks, *stream.old_tasks)]
        curve = (np.array([one.scores for one in seen]).transpose(1, 0, 2) if seen
                 else np.zeros((1, 0, len(names))))
        return ([one.steps_taken for one in seen], curve, names,
                f"earlier training: {title}" if self.outdated else title)

    def figure(self) -> Figure:
        """Return the curves so far."""
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        ax, config, (taken, curve, names, title) = figure.subplots(), self._drawn[0], self._curves
        plot_task_curves(taken, curve, names, config.steps, ax, title, self.outdated)
        ax.set_xlim(0, config.tasks * config.steps)
        return figure

    def draw(self) -> str:
        """Send the curves to the front end, which draws them; `figure` is their static form."""
        config, _, stream = self._drawn
        taken, curve, names, title = self._curves
        words = task_curves_in_words(taken, curve, names, title)
        self.player.recording = record_curves(
            list(self._seen), stream, config.steps, run=self._run, title=title, words=words,
            ghost=self._ghost) | {"pale": self.outdated, "sent": time.time()}
        return words

    def read_out(self, words: str) -> None:
        """Announce nothing: the curves change too often."""

    def table(self) -> pd.DataFrame:
        """Return the mean accuracy on every task, or a dash where its answers are not allowed."""
        seen, config = list(self._seen), self._drawn[0]  # about ten moments of it are shown
        places = sorted({round(i) for i in np.linspace(0, len(seen) - 1, 11)}) if seen else []
        rows = {seen[i].steps_taken:
                ["–" if config.scenario == "class" and 0 < seen[i].steps_taken <= j * config.steps
                 else percent(value) for j, value in enumerate(seen[i].scores.mean(0))]
                for i in places}
        return pd.DataFrame.from_dict(rows, "index", columns=self._curves[2]).rename_axis("step")

    def _values(self) -> list[object]:
        return [control.value for control in self.settings]

    def _clear(self, ghost: bool = True) -> None:
        """Forget the training; with `ghost`, its curves stay."""
        self.stop()
        kept = self.player.recording["frames"] if ghost and len(self._seen) > 1 else []
        self._ghost = [{"x": one["x"], "y": one["y"]} for one in kept]
        self._run += 1
        self._background.discard()
        self.record: RunRecord | None = None
        config, self._chosen = self.config(), self._values()
        self._drawn = config, *self.labels(config)
        self._seen = []
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
            self._show_verdict()
            word = "stopped" if self._stopped else "ended"
            self.announce(f"Training has {word} at step {self.record.steps_taken}.")
        except Exception as fault:
            self.complain(fault)
            self.announce("Training has stopped with an error.")

    def _observe(self, seen: Progress) -> None:
        """Record an evaluation; called from the training thread."""
        self._seen.append(seen)
        self.bar.max, self.bar.value = seen.steps_total, seen.steps_taken
        if time.monotonic() - self._last_draw > REDRAW_SECONDS:
            self.redraw()
            self._last_draw = time.monotonic()
        if time.monotonic() - self._last_words >= ANNOUNCE_SECONDS:
            self.announce(f"Step {seen.steps_taken} of {seen.steps_total}.")
            self._last_words = time.monotonic()
        if PACES[self.pace.value]:
            self._stop.wait(max(0.0, seen.steps_taken - self._last_step) / PACES[self.pace.value])
        self._last_step = seen.steps_taken

    def _settings_changed(self, *_: object) -> None:
        """Show that the picture is of an earlier training, or the settings of an empty picture."""
        try:
            if not self._seen and not self.running:
                config, self._chosen = self.config(), self._values()
                self._drawn = config, *self.labels(config)
                self.redraw()
            self._tell_status(changed=True)
        except Exception as fault:
            self.complain(fault)

    def _tell_status(self, changed: bool = False) -> None:
        """Say what to press, and draw the picture pale, or no longer pale, if that has changed."""
        outdated, text = self.outdated, ""
        if outdated or not (self._seen or self.running):
            text = (f"{'Settings changed: p' if outdated else 'P'}ress Start to train "
                    f"{self.learner.value}.")
        self.status.value = f"<p>{text}</p>" if text else ""
        if outdated != self._pale:
            self._pale, trouble = outdated, self.trouble.value
            self.redraw()
            self.trouble.value = self.trouble.value or trouble
            self._show_verdict()
        if changed and text:
            self.announce(text)

    def _show_verdict(self) -> None:
        earlier = "Earlier training: " * self.outdated
        self.verdict_box.value = f"<p><b>{earlier}{self.verdict()}</b></p>" if self.record else ""

    def _enable(self) -> None:
        """Enable the buttons that have an effect now; called by both threads."""
        running = None  # the loop repeats if a training starts or ends meanwhile
        while running != self.running:
            running = self.running
            for control in (self.buttons["Start"], *self.settings):
                control.disabled = running
            self.buttons["Stop"].disabled = not running
            self.buttons["Resume"].disabled = running or not self._stopped
            self._tell_status()
