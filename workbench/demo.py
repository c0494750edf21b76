"""The story without a browser: every lesson's headline experiment, its verdict and its figure."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.answers import answer
from workbench.config import RunConfig
from workbench.display import png
from workbench.experiment import run
from workbench.files import write_atomically
from workbench.gate import gate
from workbench.intervals import seed_interval
from workbench.language_plots import plot_rates
from workbench.models import load_causal_lm
from workbench.plots import alt_text, percent, plot_bars, plot_retention, use_style
from workbench.tasks import NEW_SKILLS, SCENARIOS, load_skill

SEEDS = (0, 1, 2, 3, 4)


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
        said = "; ".join(f"{n} {percent(v.mean())} ({_interval(v)})"
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


LESSONS: tuple[Callable[[], Lesson], ...] = (forgetting, own_teacher)
"""In the order of the course; each lesson adds its own."""


def main(out: Path | str = "artifacts/demo") -> list[Verdict]:
    """Run all lessons, print their verdicts, and write the figures and one page.

    Parameters
    ----------
    out : path
        Folder for the PNG files and ``index.html``, which holds everything and needs no network.

    Returns
    -------
    list of Verdict
    """
    use_style()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    lessons = [lesson() for lesson in LESSONS]
    for lesson in lessons:
        for name, figure in lesson.figures.items():
            write_atomically(folder / f"{name}.png", png(figure))
    write_atomically(folder / "index.html", page(lessons).encode())
    verdicts = [verdict for lesson in lessons for verdict in lesson.verdicts]
    for v in verdicts:
        print(f"{'holds' if v.holds else 'FAILS':6s} {v.claim}\n       {v.measured}")
    print(f"\nThe page: {folder / 'index.html'}")
    return verdicts


def page(lessons: list[Lesson]) -> str:
    """Return the self-contained HTML page of some lessons."""
    parts = []
    for lesson in lessons:
        table = pd.DataFrame([[v.claim, v.measured, "holds" if v.holds else "fails"]
                              for v in lesson.verdicts], columns=["claim", "measured", "verdict"])
        figures = "".join(
            f'<figure><img alt="{html.escape(alt_text(f))}" '
            f'src="data:image/png;base64,{base64.b64encode(png(f)).decode()}">'
            f"<figcaption>{html.escape(alt_text(f))}</figcaption></figure>"
            for f in lesson.figures.values())
        parts.append(f"<h2>{html.escape(lesson.title)}</h2>{table.to_html(index=False)}{figures}")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The workbench in two minutes</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border: 1px solid #bbb; padding: .4em .6em; text-align: left; }}
img {{ max-width: 100%; }} figcaption {{ color: #444; font-size: 15px; }}
</style></head><body>
<h1>The workbench in two minutes</h1>
<p>Measured just now on this machine; the digits over {len(SEEDS)} seeds, in brackets the 95 %
interval.</p>
{"".join(parts)}
</body></html>
"""


def _interval(values: np.ndarray) -> str:
    low, high = seed_interval(values)
    return f"{percent(float(low))} to {percent(float(high))}"
