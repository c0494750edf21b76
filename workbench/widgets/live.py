"""`LiveTraining`: watch a network forget while it is trained."""

from __future__ import annotations

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
    record with checkpoints, from which Resume continues. After a change of the settings the picture
    is pale until the next start. The parameters are those of `RunConfig`.
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
        self.assemble()

    def assemble(self, *below: w.Widget) -> None:
        """Put settings and buttons above the picture, and the widgets `below` under it."""
        self._background = Background()
        self._stop = self._background.stopping
        self.pace = choice("pace", list(PACES), "watchable")
        # Stop does not wait: the training thread draws the final state.
        actions: dict[str, Callable[[], object]] = {
            "Start": self.start, "Stop": self._stop.set, "Resume": self.resume, "Reset": self.reset}
        self.buttons = {name: w.Button(description=name, tooltip=f"{name} training")
                        for name in actions}
        for name, action in actions.items():
            self.buttons[name].on_click(lambda _, action=action: action())
        self.bar = w.IntProgress(max=1, layout=w.Layout(width="60%"))
        self.status, self.verdict_box = w.HTML(), w.HTML()
        self.root.children = [row(*self.settings, self.pace),
                              row(*self.buttons.values(), self.bar), self.status, self.image,
                              *below, self.verdict_box, self.words, self.trouble]
        self._pale = False
        self._clear()
        for control in self.settings:
            control.observe(self._settings_changed, "value")

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
        if folder is not None and not self.running and self._stopped:
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

    @property
    def outdated(self) -> bool:
        """Whether the picture shows a training with other settings than those chosen now."""
        return bool(self._seen) and not self.running and self.config() != self._drawn[0]

    @property
    def _stopped(self) -> bool:
        return self.record is not None and self.record.status == "stopped"

    def verdict(self) -> str:
        """Return a sentence on the accuracy on the first task and on all tasks."""
        if self.record is None or self.record.status != "complete":
            return "No verdict yet: the training has not ended."
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
        seen, (config, title, names), pale = list(self._seen), self._drawn, self.outdated
        if pale:
            title = f"earlier training: {title}"
        curve = (np.array([one.scores for one in seen]).transpose(1, 0, 2) if seen
                 else np.zeros((1, 0, len(names))))
        plot_task_curves([one.steps_taken for one in seen], curve, names, config.steps, ax, title,
                         pale)
        ax.set_xlim(0, config.tasks * config.steps)
        return figure

    def table(self) -> pd.DataFrame:
        """Return the mean accuracy on every task, or a dash where its answers are not allowed."""
        seen = list(self._seen)  # about ten moments of it are shown
        places = sorted({round(i) for i in np.linspace(0, len(seen) - 1, 11)}) if seen else []
        shown = [seen[i] for i in places]
        config = self._drawn[0]
        rows = [["–" if config.scenario == "class" and 0 < one.steps_taken <= j * config.steps
                 else percent(value) for j, value in enumerate(one.scores.mean(0))]
                for one in shown]
        return pd.DataFrame(rows, index=pd.Index([one.steps_taken for one in shown], name="step"),
                            columns=self._drawn[2])

    def labels(self, config: RunConfig) -> tuple[str, list[str]]:
        """Return the title of the curves and their names."""
        return (f"{config.learner}, {config.scenario} scenario, learning rate {config.lr:g}",
                [task.name for task in make_stream(config.stream, config.scenario).tasks])

    def _clear(self) -> None:
        self.stop()
        self._background.discard()
        self.record: RunRecord | None = None
        config = self.config()
        self._drawn = config, *self.labels(config)
        self._seen: list[Progress] = []
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

    def read_out(self, words: str) -> None:
        """Announce nothing: the figure changes too often."""

    def _settings_changed(self, *_: object) -> None:
        """Show that the picture is of an earlier training, or the settings of an empty picture."""
        try:
            if not self._seen and not self.running:
                config = self.config()
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
        earlier = "Earlier training: " if self.outdated else ""
        self.verdict_box.value = f"<p><b>{earlier}{self.verdict()}</b></p>" if self.record else ""

    def _enable(self) -> None:
        """Enable the buttons that have an effect now.

        Both threads call this. The loop repeats if a training starts or ends meanwhile.
        """
        running = None
        while running != self.running:
            running = self.running
            for control in (self.buttons["Start"], *self.settings):
                control.disabled = running
            self.buttons["Stop"].disabled = not running
            self.buttons["Resume"].disabled = running or not self._stopped
            self._tell_status()
