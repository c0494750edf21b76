"""Scenes of the instructor's demonstration on training: forgetting, scenarios, the teacher."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.config import RunConfig
from workbench.measure.completions import complete
from workbench.models import load_causal_lm
from workbench.plots import percent, plot_task_curves
from workbench.plots.answers import plot_answers
from workbench.plots.curves import task_curves_in_words
from workbench.plots.styles import COLOURS
from workbench.runs.evaluation import Snapshot
from workbench.runs.experiment import run, stream_of
from workbench.tasks import SCENARIOS, Item, load_skill, make_stream, spread
from workbench.widgets.player import SECONDS, Recording, load_recording, record_curves
from workbench.widgets.recorded import RecordedRun

STEPS = 200
"""Steps for each task of digits."""
ASKED = 48
"""Questions of which the share of right answers is measured."""


class Curves(RecordedRun):
    """A scene of curves."""

    def figure(self) -> Figure:
        """Return the curves of the recording."""
        shown, figure = self.player.recording, Figure(figsize=(8.5, 3.6), layout="constrained")
        table = self.table()
        plot_task_curves(table.index, table.to_numpy()[None], list(map(str, table)), STEPS,
                         figure.subplots(), shown["title"])
        return figure

    def table(self) -> pd.DataFrame:
        """Return the share of each curve at each step."""
        shown = self.player.recording
        return pd.DataFrame([frame["y"] for frame in shown["frames"]],
                            [frame["x"] for frame in shown["frames"]],
                            [one["name"] for one in shown["series"]], dtype=float)


class Forgetting(Curves):
    """Plain fine-tuning on five tasks of two digits, three networks."""

    def __init__(self, recording: Recording | None = None) -> None:
        super().__init__(recording or load_recording("forgetting"), "Train for real",
                         "Three networks are trained now: some seconds.")

    def work(self) -> None:
        """Train, and show each evaluation."""
        config = RunConfig(learner="finetune", seeds=(0, 1, 2), steps=STEPS, evaluate_every=10)
        stream, seen = stream_of(config), list[Snapshot]()
        names = [task.name for task in stream.tasks]

        def observe(one: Snapshot) -> None:
            seen.append(one)
            curve = np.array([each.scores for each in seen]).transpose(1, 0, 2)
            words = task_curves_in_words([each.steps_taken for each in seen], curve, names,
                                         "plain fine-tuning")
            self.emit(record_curves(seen, stream, STEPS, run=self.number, words=words,
                                    title="plain fine-tuning, mean of three networks"))
        run(config, observer=observe, stop=lambda: self.stopping)


class Scenarios(Curves):
    """The same network and digits in the three scenarios: the accuracy on the tasks so far."""

    def __init__(self, recording: Recording | None = None) -> None:
        super().__init__(recording or load_recording("scenarios"), "Train for real",
                         "Three networks are trained in each scenario: some seconds.")

    def work(self) -> None:
        """Train in one scenario after the other."""
        stream, points = make_stream("split-digits"), dict[int, list[float | None]]()
        for j, scenario in enumerate(SCENARIOS):
            def observe(seen: Snapshot, j: int = j) -> None:
                known = seen.scores[:, :1 + min(seen.task, len(stream) - 1)]
                points.setdefault(seen.steps_taken, [None] * len(SCENARIOS))[j] = round(
                    float(known.mean()), 4)
                self.emit(self._record(points, len(stream), [t.name for t in stream.tasks]))
            run(RunConfig(learner="finetune", scenario=scenario, seeds=(0, 1, 2), steps=STEPS,
                          evaluate_every=10), observer=observe, stop=lambda: self.stopping)

    def _record(self, points: dict[int, list[float | None]], tasks: int, names: list[str]
                ) -> Recording:
        series = [{"name": name, "colour": COLOURS[j], "dash": "none", "start": 0}
                  for j, name in enumerate(SCENARIOS)]
        phases = [{"name": name, "start": j * STEPS, "end": (j + 1) * STEPS}
                  for j, name in enumerate(names)]
        last = points[max(points)]
        words = "; ".join(f"{name} {percent(value)}" for name, value in
                          zip(SCENARIOS, last, strict=True) if value is not None)
        return {"kind": "curves", "seconds": SECONDS, "steps": tasks * STEPS, "series": series,
                "phases": phases, "images": [], "ghost": [],
                "title": "accuracy on all digits so far, mean of three networks",
                "words": "Curves of plain fine-tuning in three scenarios: the accuracy on all "
                         f"tasks so far, at step {max(points)}: {words}.",
                "frames": [{"x": x, "y": y, "label": f"step {x}"} for x, y in points.items()]}


class Teacher(RecordedRun):
    """The same weights, asked without and with a demonstration in the prompt."""

    def __init__(self, recording: Recording | None = None) -> None:
        super().__init__(recording or load_recording("teacher"), "Ask for real",
                         "The model answers now: some seconds.")

    def figure(self) -> Figure:
        """Return the answers."""
        return plot_answers(self.player.recording)

    def table(self) -> pd.DataFrame:
        """Return the share of right answers with each prompt."""
        shown = self.player.recording
        return pd.DataFrame({"right": [percent(own[0]) for own in shown["frames"][-1]["bars"]]},
                            [method["label"] for method in shown["methods"]])

    def work(self) -> None:
        """Ask, and play the answers word by word."""
        model, tokenizer = load_causal_lm("tiny")
        items = list(spread(load_skill("facts-new", "test"), ASKED))
        random.Random(self.number).shuffle(items)
        answers = [complete(model, tokenizer, items, context) for context in ("none", "own")]
        self.emit(teacher_recording(items, [(list(one.samples.texts), one.right.tolist(),
                                             one.own_style is not None and
                                             (~one.own_style).tolist()) for one in answers]),
                  play=True)


def teacher_recording(items: Sequence[Item], answers: Sequence[tuple[list[str], list[bool], Any]],
                      shown: int = 6) -> Recording:
    """Return the first answers word by word; `answers` has texts, rights and foreign styles."""
    rates = [sum(rights) / len(rights) for _, rights, _ in answers]
    most = max(len(text.split()) for texts, _, _ in answers for text in texts[:shown])
    frames = []
    for k in range(most + 1):
        frames.append({
            "label": f"word {k} of {most}", "notes": ["nothing else", "sees the expert's answer"],
            "bars": [[rate if k == most else 0.0] for rate in rates],
            "answers": [[{"text": " ".join(text.split()[:k]), "right": right if k == most else None,
                          "expert": bool(foreign)} for text, right, foreign in
                         zip(texts[:shown], rights, foreigns or [False] * shown, strict=False)]
                        for texts, rights, foreigns in answers]})
    words = " and ".join(f"{percent(rate)} {prompt} a demonstration in the prompt" for rate, prompt
                         in zip(rates, ("without", "with"), strict=True))
    return {"kind": "answers", "seconds": 5.0, "bars": ["right"], "frames": frames,
            "words": f"The same model answers {len(items)} questions about new facts: {words} are "
                     "right.", "note": f"Right: the share of {len(items)} questions.",
            "methods": [{"label": "question alone", "colour": COLOURS[0]},
                        {"label": "with demonstration", "colour": COLOURS[2]}],
            "questions": [{"group": "new facts, same weights", "text": item.prompt,
                           "answer": item.answer} for item in items[:shown]]}
