"""Every lesson's headline experiment, its verdicts and its figures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from workbench.answers import answer
from workbench.assessment import share_kept
from workbench.config import RunConfig
from workbench.experiment import run
from workbench.gate import gate
from workbench.intervals import wilson_interval
from workbench.language_plots import plot_rates
from workbench.models import load_causal_lm
from workbench.plots import percent, percent_over_seeds, plot_bars, plot_retention
from workbench.record import RunRecord
from workbench.sweep_plots import plot_sequence
from workbench.sweeps import load_sequences
from workbench.tasks import NEW_SKILLS, SCENARIOS, load_skill

SEEDS = (0, 1, 2, 3, 4)
SKILLS = ("facts-new", "tools-new", "letters-new")
ITEMS, STEPS = 48, 120
"""Test questions of each skill, and steps of training on each."""


@dataclass(frozen=True)
class Verdict:
    """What a lesson claims, what was measured just now, and whether the one bears out the other."""

    lesson: str
    claim: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class Lesson:
    """The outcome of a lesson's headline experiment."""

    title: str
    verdicts: list[Verdict]
    figures: dict[str, Figure]


def forgetting() -> Lesson:
    """Fine-tune on split digits under the three scenarios, and with the remedies."""
    title = "Catastrophic forgetting"
    learners = ("finetune", "ewc", "lwf", "replay", "joint")
    classes = {name: run(RunConfig(learner=name, seeds=SEEDS), progress=True) for name in learners}
    scenarios = {"class": classes["finetune"]} | {
        name: run(RunConfig(scenario=name, seeds=SEEDS), progress=True)
        for name in SCENARIOS if name != "class"}

    curves = Figure(figsize=(8, 3.8))
    plot_retention({n: r.accuracy for n, r in classes.items()}, classes["joint"].task_names,
                   curves.subplots(), "Two new digits per task, all to be told apart")
    bars = Figure(figsize=(7, 3.6))
    final = {name: record.accuracy[:, -1].mean(1) for name, record in scenarios.items()}
    plot_bars(final, bars.subplots(), "Fine-tuning: three questions about the same digits")

    acc = {name: record.accuracy[:, -1].mean(1) for name, record in classes.items()}

    def verdict(claim: str, names: list[str], values: list[np.ndarray],
                holds: bool) -> Verdict:
        said = "; ".join(f"{n} {percent_over_seeds(v)}"
                         for n, v in zip(names, values, strict=True))
        return Verdict(title, claim, said, holds)

    weak = ["ewc", "lwf"]
    return Lesson(title, [
        verdict("Fine-tuning forgets all but the last task.", ["finetune"], [acc["finetune"]],
                bool(acc["finetune"].mean() < 0.21)),
        verdict("The network had room for all of them.", ["joint"], [acc["joint"]],
                bool(acc["joint"].mean() > 0.94)),
        verdict("How much is lost depends on the question.", list(final), list(final.values()),
                bool(final["task"].mean() > final["domain"].mean() > final["class"].mean())),
        verdict("Ten stored examples a class keep most of it.", ["replay"], [acc["replay"]],
                bool(acc["replay"].mean() > 0.88)),
        verdict("With new classes EWC and LwF help no more than nothing.", weak,
                [acc[n] for n in weak], bool(max(acc[n].mean() for n in weak) < 0.22)),
    ], {"forgetting": curves, "scenarios": bars})


def own_teacher() -> Lesson:
    """Ask the tiny model with and without demonstrations, and send two models through the gate."""
    title = "The model as its own teacher"
    rates: dict[str, dict[str, dict[str, float]]] = {}
    passes = {}
    for name in ("tiny", "nano"):
        model, tokenizer = load_causal_lm(name)
        for skill in NEW_SKILLS:
            items = load_skill(skill, "test")[:48]
            for help in ("none", "own", "other") if name == "tiny" else ("own",):
                found: Any = answer(model, tokenizer, items, help).summary()["right"]
                rates.setdefault(f"{name}, {help}", {})[skill] = found
        passes[name] = gate(model, tokenizer, load_skill("facts-new", "train")[:48]).passed
    figure = Figure(figsize=(9, 3.8))
    plot_rates(rates, figure.subplots(), "New skills, by what stands in the prompt")

    def span(series: str) -> str:
        values = [each["rate"] for each in rates[series].values()]
        return f"{percent(min(values))} to {percent(max(values))} by skill"

    def least(series: str) -> float:
        return min(each["rate"] for each in rates[series].values())

    def most(series: str) -> float:
        return max(each["rate"] for each in rates[series].values())

    return Lesson(title, [
        Verdict(title, "The same weights are right once they see a demonstration.",
                f"alone {span('tiny, none')}; with it {span('tiny, own')}",
                most("tiny, none") < 0.2 and least("tiny, own") > 0.9),
        Verdict(title, "Another item's demonstration does not help.", span("tiny, other"),
                most("tiny, other") < 0.2),
        Verdict(title, "A model too small to read it is kept out by the gate.",
                f"with a demonstration {span('nano, own')}", passes == {"tiny": True,
                                                                        "nano": False}),
    ], {"own_teacher": figure})


@functools.cache
def taught() -> dict[str, RunRecord]:
    """Teach the tiny model three skills in a row, by SFT and by SDFT at the chosen settings."""
    rates = {run.method: run.lr for run in load_sequences()}
    return {name: run(RunConfig(stream="skills", skills=SKILLS, learner=name, lr=rates[name],
                                steps=STEPS, items=ITEMS, clip=1.0), progress=True)
            for name in ("sft", "sdft")}


def one_skill() -> Lesson:
    """Hold SFT beside SDFT after the first skill."""
    title, records = "Self-distillation: one new skill", taught()
    known = records["sft"].watched_names
    bars: dict[str, dict[str, dict[str, float]]] = {}
    for name, record in {"before": records["sft"], **records}.items():
        new = record.baseline[0, 0] if name == "before" else record.accuracy[0, 0, 0]
        old = record.watched[0, 0 if name == "before" else 1]
        bars[name] = {skill: _counted(value) for skill, value in
                      zip((SKILLS[0], *known), (new, *old), strict=True)}
    figure = Figure(figsize=(9, 3.8))
    plot_rates(bars, figure.subplots(), "A new skill, and what was known")
    new = {name: float(record.accuracy[0, 0, 0]) for name, record in records.items()}
    kept = {name: float(share_kept(*record.watched[0, :2])) for name, record in records.items()}

    def said(values: dict[str, float]) -> str:
        return "; ".join(f"{name} {percent(value)}" for name, value in values.items())

    return Lesson(title, [
        Verdict(title, "Both learn it.", said(new), min(new.values()) >= 0.9),
        Verdict(title, "The one that is its own teacher keeps far more of what was known.",
                said(kept), kept["sdft"] > 0.85 and kept["sdft"] - kept["sft"] > 0.2),
    ], {"one_skill": figure})


def skills_in_a_row() -> Lesson:
    """Go on to two more skills, and hold the end against the record of five seeds."""
    title, records = "Self-distillation: three skills in a row", taught()
    figure = Figure(figsize=(11, 3.6))
    stages = ["before", *(f"after {skill}" for skill in SKILLS)]
    for j, (skill, ax) in enumerate(zip(SKILLS, figure.subplots(1, 3), strict=True)):
        plot_sequence({name: np.append(record.baseline[:, None, j], record.accuracy[:, :, j], 1)
                       for name, record in records.items()}, stages, ax, skill)
    now = {name: float(record.accuracy[0, -1].mean()) for name, record in records.items()}
    five = {name: np.array([run.new[-1].mean() for run in load_sequences()
                            if run.method == name and run.skills == SKILLS]) for name in records}

    def said(name: str) -> str:
        return (f"{name} knows {percent(now[name])} of the three at the end; five seeds on record "
                f"{percent_over_seeds(five[name])}")

    return Lesson(title, [
        Verdict(title, "Fine-tuning keeps nothing of the first two.", said("sft"),
                bool(records["sft"].accuracy[0, -1, :2].mean() < 0.1)),
        Verdict(title, "Self-distillation ends with most of all three, and stores no examples.",
                said("sdft"), bool(five["sdft"].mean() >= 0.8 and now["sdft"] > 0.7)
                and not any(records["sdft"].stored_bytes)),
    ], {"skills_in_a_row": figure})


LESSONS: tuple[Callable[[], Lesson], ...] = (forgetting, own_teacher, one_skill, skills_in_a_row)
"""In the order of the course; each lesson adds its own."""


def _counted(rate: float) -> dict[str, float]:
    low, high = wilson_interval(round(rate * ITEMS), ITEMS)
    return {"rate": rate, "low": float(low), "high": float(high)}
