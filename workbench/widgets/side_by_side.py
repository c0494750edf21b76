"""`SideBySide`: what a model answers while it learns, by SFT and by SDFT at the same time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.config import RunConfig
from workbench.measure.comparison import retention
from workbench.plots import percent
from workbench.plots.answers import plot_answers
from workbench.plots.styles import METHOD_STYLES
from workbench.runs.evaluation import Response, Snapshot
from workbench.runs.experiment import run
from workbench.widgets.player import SECONDS, Recording, load_recording
from workbench.widgets.recorded import RecordedRun

VALIDATED = {"sft": {"lr": 3e-4, "steps": 120}, "sdft": {"lr": 1e-4, "steps": 100}}
"""Learning rate and steps of each method on *facts-new*, chosen on validation questions: see the
comparison in lesson 05."""


class SideBySide(RecordedRun):
    """Answers of two models to the same questions, while one learns by SFT and one by SDFT.

    It opens on a recorded training. A button trains both anew; each evaluation is a frame.

    Parameters
    ----------
    settings : mapping of str to mapping
        ``lr`` and ``steps`` by learner.
    model, skill, items : as in `RunConfig`
    looks : int
        Evaluations of each method.
    recording : dict, optional
        What is shown at first; by default the recording that ships with the project.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, Any]] = VALIDATED, model: str = "tiny",
                 skill: str = "facts-new", items: int = 16, looks: int = 10,
                 recording: Recording | None = None) -> None:
        super().__init__(recording or load_recording("sft_beside_sdft"), "Train for real",
                         "Both models are trained now: about a minute.")
        self.settings = {**settings}
        self.configs = [RunConfig(stream="skills", skills=(skill,), model=model, learner=learner,
                                  items=items, clip=1.0, seeds=(0,), **own,
                                  evaluate_every=max(1, own["steps"] // looks))
                        for learner, own in self.settings.items()]

    def figure(self) -> Figure:
        """Return the answers before and after the training."""
        return plot_answers(self.player.recording)

    def table(self) -> pd.DataFrame:
        """Return what each method has learned and kept at the end of the recording."""
        last = self.player.recording["frames"][-1]
        return pd.DataFrame(last["bars"], [m["label"] for m in self.player.recording["methods"]],
                            ["learned", "kept"]).map(percent)

    def work(self) -> None:
        """Train both models, each in a thread of its own."""
        self._seen: list[list[Snapshot]] = [[] for _ in self.configs]
        self._lock, loaded = threading.Lock(), threading.Event()
        with ThreadPoolExecutor(len(self.configs)) as pool:
            jobs = []
            # Transformers cannot load two models at once: one thread loads and is evaluated after
            # the other, and they train when all have been.
            for m, config in enumerate(self.configs):
                there = threading.Event()

                def observe(seen: Snapshot, m: int = m, there: threading.Event = there) -> None:
                    self._observe(m, seen)
                    there.set()
                    loaded.wait()
                jobs.append(pool.submit(run, config, observer=observe, stop=lambda: self.stopping))
                while not (there.wait(0.1) or jobs[-1].done()):
                    pass
            loaded.set()
            for job in jobs:
                job.result()

    def _observe(self, method: int, seen: Snapshot) -> None:
        """Show a frame when both methods have reached it; called from the training threads."""
        with self._lock:
            self._seen[method].append(seen)
            if len(self._seen[method]) <= min(map(len, self._seen)):
                self.emit(self.record())

    @property
    def _note(self) -> str:
        """The settings of the methods, as a sentence."""
        own = ", ".join(f"{config.learner.upper()} {config.lr:g} and {config.steps}"
                        for config in self.configs)
        chosen = ", each chosen on validation data" * (self.settings == VALIDATED)
        return f"Learning rates and steps{chosen}: {own}."

    def record(self) -> Recording:
        """Return the frames that all methods have reached as a recording."""
        frames = list(zip(*self._seen, strict=False))
        first = frames[0][0].responses
        skill = self.configs[0].skills[0]
        shown = choose_questions(first, skill)
        return {
            "kind": "answers", "run": self.number, "seconds": SECONDS,
            "words": in_words(self.configs, frames, shown), "note": self._note,
            "bars": ["learned", "kept"],
            "methods": [{"label": config.learner.upper(),
                         "colour": METHOD_STYLES[config.learner][0]} for config in self.configs],
            "questions": [{"group": "new skill" if first[i].task == skill else "known before",
                           "text": first[i].question, "answer": first[i].answer} for i in shown],
            "frames": [frame_of(self.configs, moment, frames[0], shown) for moment in frames]}


def choose_questions(responses: Sequence[Response], skill: str) -> list[int]:
    """Return which responses are shown: all of the new skill, one of each known skill."""
    seen: set[str] = set()
    shown = []
    for i, one in enumerate(responses):
        if one.task == skill or one.task not in seen:
            shown.append(i)
        seen.add(one.task)
    return shown


def frame_of(configs: Sequence[RunConfig], moment: Sequence[Snapshot], before: Sequence[Snapshot],
             shown: Sequence[int]) -> dict[str, Any]:
    """Return one moment of all methods: answers, and what is learned and kept (shares)."""
    notes = [f"step {seen.steps_taken} of {seen.steps_total}" for seen in moment]
    return {"label": f"{100 * moment[-1].steps_taken / moment[-1].steps_total:.0f} % of training",
            "notes": notes, "bars": [[round(float(seen.scores[0, 0]), 4),
                                      round(retained(start, seen), 4)]
                                     for start, seen in zip(before, moment, strict=True)],
            "answers": [[{"text": seen.responses[i].response, "right": seen.responses[i].right,
                          "expert": seen.responses[i].own_style is False} for i in shown]
                        for seen in moment]}


def retained(before: Snapshot, now: Snapshot) -> float:
    """Return the mean retention of the known skills."""
    known = np.asarray(before.scores)[0, 1:]
    return float(retention(known, np.asarray(now.scores)[0, 1:])) if known.any() else float("nan")


def in_words(configs: Sequence[RunConfig], frames: Sequence[Sequence[Snapshot]],
             shown: Sequence[int]) -> str:
    """Return the alternative text of a recording: its last frame."""
    parts = []
    for config, before, now in zip(configs, frames[0], frames[-1], strict=True):
        right = sum(now.responses[i].right for i in shown)
        foreign = sum(now.responses[i].own_style is False for i in shown)
        parts.append(f"{config.learner.upper()} at step {now.steps_taken} of {now.steps_total}: "
                     f"{percent(now.scores[0, 0])} of the new skill right, "
                     f"{percent(retained(before, now))} of the known skills kept; of the "
                     f"{len(shown)} answers shown {right} are right and {foreign} are not in "
                     "the model's own style")
    return f"Answers of models while they are trained. {'. '.join(parts)}."
