"""Choose the settings of two lessons in ``notebooks/more`` on validation data: ensembles, transfer.

Every method gets the same number of choices, on splits and seeds that the lesson does not test. Run
from the root of the project; it takes about five minutes on one free core::

    .venv/bin/python scripts/tune_further.py
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import workbench as wb
from workbench.learners import CONTROLS, LEARNERS, Finetune, Learner, fit, make_optimizer
from workbench.models import StackedMLP
from workbench.runs.evaluation import evaluate
from workbench.system.files import write_atomically
from workbench.system.provenance import environment
from workbench.tasks import Stream, make_stream
from workbench.tasks.variants import with_few_examples

SEEDS, SPLITS = (100, 101, 102, 103, 104), (100, 101)
OUT = Path("data/results/self_distillation_further.json")
WORLDS: dict[str, dict[str, Any]] = {
    "100 labels": {"examples": 100},
    "200 labels, 30 % wrong": {"examples": 200, "label_noise": 0.3}}
STEPS = (30, 60, 150, 300)
ANSWERS = ((1.0, 0.5), (1.0, 0.9), (4.0, 0.9))  # temperature and weight
DECAYS = (0.0, 3.0, 10.0)
FOUR = {"members": 4}
ENSEMBLES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "one network": ("finetune", [{"weight_decay": w} for w in DECAYS]),
    "label smoothing": ("label_smoothing",
                        [{"options": {"smoothing": s}} for s in (0.3, 0.6, 0.9)]),
    "ensemble of 4": ("ensemble", [{"weight_decay": w, "options": FOUR} for w in DECAYS]),
    "mutual, 4 peers": ("mutual", [{"options": FOUR | {"strength": s}} for s in (0.5, 1.0, 3.0)]),
    **{name: (learner, [{"options": FOUR | {"width": 100, "teacher_lr": 3e-3, "temperature": t,
                                            "weight": w}} for t, w in ANSWERS])
       for name, learner in (("taught by 4", "distill"),
                             ("control: untrained", "distill-untrained"),
                             ("control: shuffled", "distill-shuffled"))}}
"""Methods of the first section: a learner and three choices, each with four numbers of steps."""

LEVELS = {"task": 0.95, "class": 0.85}
RATES = (3e-4, 1e-3, 3e-3)
SLOWER = (2e-4, 5e-4, 1e-3)
TRANSFERS: dict[str, tuple[str, list[dict[str, float]], tuple[float, ...]]] = {
    "finetune": ("finetune", [{}], (1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3)),
    "born again": ("born_again", [{"weight": w} for w in (0.5, 0.8, 1.0)], SLOWER),
    **{name: (learner, [{"strength": s} for s in (1.0, 10.0, 30.0)], SLOWER)
       for name, learner in (("lwf", "lwf"), ("control: untrained", "lwf"),
                             ("control: shuffled", "lwf-shuffled"))}}
"""Methods of the second section: a learner, options and learning rates; nine choices each."""


def ensembles() -> dict[str, Any]:
    """Choose a setting of each method in each world."""
    results: dict[str, Any] = {}
    for world, (name, (learner, choices)) in itertools.product(WORLDS, ENSEMBLES.items()):
        configs, scores = [], []
        for steps, choice in itertools.product(STEPS, choices):
            options = choice.get("options", {})
            if "width" in options:
                options = options | {"teacher_steps": steps}
            configs.append({"stream": "digits", "learner": learner, "lr": 3e-3, "steps": steps,
                            **WORLDS[world], **choice, "options": options})
            scores.append(np.mean([wb.run(wb.RunConfig(
                **configs[-1], seeds=SEEDS, data_seed=split, evaluate_on="validation")
                ).accuracy[:, -1, -1].mean() for split in SPLITS]))
        best = int(np.argmax(scores))
        results.setdefault(world, {})[name] = {"config": configs[best],
                                             "validation": np.round(scores, 4).tolist()}
        print(world, name, configs[best], np.round(scores, 3), flush=True)
    return results


def halves(scenario: str, split: int, labels: int = 10_000) -> Stream:
    """Return the digits 0 to 4, and then some of 5 to 9."""
    stream = make_stream("halved-digits", scenario, 2, split)
    few = with_few_examples(stream, labels, split)
    return replace(stream, tasks=(stream.tasks[0], few.tasks[1]))


def learn(learner: Learner, stream: Stream, task: int, lr: float, steps: int,
          every: int = 0) -> NDArray[np.float64]:
    """Learn a task; return validation accuracies on both tasks: shape (points, seeds, tasks)."""
    learner.begin(stream.tasks[task])
    points = [evaluate(learner, stream, task, "validation")
              for i, _ in enumerate(fit(learner, stream.tasks[task], make_optimizer(learner, lr),
                                        steps=steps, batch_size=32), 1) if every and i % every == 0]
    learner.end(stream.tasks[task])
    return np.array(points)


def networks() -> StackedMLP:
    """Return untrained networks."""
    return StackedMLP(64, (100, 100), 10, SEEDS)


def after_old(name: str, learner: str, options: dict[str, Any], stream: Stream) -> Learner:
    """Return a learner that has learned 0 to 4."""
    old = Finetune(networks())
    learn(old, stream, 0, 1e-3, 200)
    own = (LEARNERS | CONTROLS)[learner](networks(), **options)
    own.model.restart(1)
    if name != "control: untrained":
        own.model.hold(old.model.snapshot())
    own.end(stream.tasks[0])
    own.model.hold(old.model.snapshot())
    return own


def kept(points: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return each seed's old accuracy at the first point with enough new accuracy, or NaN."""
    enough = points[..., 1] >= level
    old = points[enough.argmax(0), np.arange(points.shape[1]), 0]
    return np.where(enough.any(0), old, np.nan)


def transfers() -> dict[str, Any]:
    """Choose a setting of each method in the task and the class scenario."""
    results: dict[str, Any] = {}
    for scenario, (name, (learner, choices, rates)) in itertools.product(LEVELS, TRANSFERS.items()):
        settings, scores = [], []
        for options, lr in itertools.product(choices, rates):
            values = []
            for split in SPLITS:
                stream = halves(scenario, split)
                own = after_old(name, learner, options, stream)
                points = learn(own, stream, 1, lr, 300, every=10)
                if name == "born again":
                    again = replace(stream, tasks=(stream.tasks[0],
                                                   replace(stream.tasks[1], generation=2)))
                    points = learn(own, again, 1, lr, 300, every=10)
                values.append(kept(points, LEVELS[scenario]))
            settings.append({"learner": learner, "options": options, "lr": lr})
            scores.append(float(np.mean(values)))  # NaN if a network never learned enough
        best = int(np.nanargmax(scores))
        results.setdefault(scenario, {})[name] = settings[best] | {
            "validation": [None if np.isnan(score) else round(score, 4) for score in scores]}
        print(scenario, name, settings[best], np.round(scores, 3), flush=True)
    return results


def warm_and_fresh() -> dict[str, Any]:
    """Choose the learning rate of a warm and of a fresh start, with 20 labels of 5 to 9."""
    scores: dict[str, list[float]] = {}
    for name, lr in itertools.product(("warm start", "fresh start"), RATES):
        values = []
        for split in SPLITS:
            stream = halves("task", split, 20)
            own = after_old(name, "finetune", {}, stream)
            if name == "fresh start":
                own.model.restart(1)
            values.append(learn(own, stream, 1, lr, 200, every=200)[-1, :, 1].mean())
        scores.setdefault(name, []).append(round(float(np.mean(values)), 4))
    print(scores, flush=True)
    return {name: {"lr": max(zip(own, RATES, strict=True))[1], "validation": own}
            for name, own in scores.items()}  # of equal ones the largest rate


def main() -> None:
    """Make all choices; write the file."""
    torch.set_num_threads(1)
    results = {"warm or fresh": warm_and_fresh(), "transfer": transfers(), "ensembles": ensembles()}
    text = json.dumps({"command": "python scripts/tune_further.py", "seeds": SEEDS,
                       "splits": SPLITS, "steps": STEPS, "rates": RATES, "levels": LEVELS,
                       "environment": environment(), **results}, indent=1)
    write_atomically(OUT, (text + "\n").encode())


if __name__ == "__main__":
    main()
