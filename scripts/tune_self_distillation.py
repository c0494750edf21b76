"""Tune methods of self-distillation on noisy validation data, test them, and write a file.

Every method that has settings gets twelve choices of them, chosen on validation examples whose
labels are as often wrong as those of training, with seeds and splits that are not used for testing.
Run from the root of the project; it takes about half an hour. Results that are in the file already
stay. To begin anew, move the file away::

    .venv/bin/python scripts/tune_self_distillation.py
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

import workbench as wb
from workbench.system.provenance import environment

TUNING = {"seeds": (100, 101, 102, 103, 104), "splits": (100, 101)}
TESTING = {"seeds": (0, 1, 2, 3, 4), "splits": (0, 1, 2, 3, 4, 5)}
OUT = Path("data/results/self_distillation.json")
WORLDS: dict[str, dict[str, Any]] = {
    "digits, 30 % wrong": {"stream": "digits", "examples": 500, "label_noise": 0.3},
    "digits, 0 % wrong": {"stream": "digits", "examples": 500, "label_noise": 0.0},
    "digits, 10 % wrong": {"stream": "digits", "examples": 500, "label_noise": 0.1},
    "digits, 20 % wrong": {"stream": "digits", "examples": 500, "label_noise": 0.2},
    "digits, 40 % wrong": {"stream": "digits", "examples": 500, "label_noise": 0.4},
    "digits, 50 labels": {"stream": "digits", "examples": 50},
    "digits, 100 labels": {"stream": "digits", "examples": 100},
    "breast cancer, 30 % wrong": {"stream": "breast-cancer", "label_noise": 0.3},
    "wine, 30 % wrong": {"stream": "wine", "label_noise": 0.3},
    "diabetes, 30 % wrong": {"stream": "diabetes", "label_noise": 0.3},
}
LENGTHS = ((40, 200), (200, 600))
"""Steps to choose from: on the small tables, which are memorised sooner, and on digits."""


def choices(**settings: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return every combination of one of two lengths, weight decay and options."""
    made = []
    for length, *values in itertools.product((0, 1), *settings.values()):
        named = dict(zip(settings, values, strict=True))
        own = {name: named.pop(name) for name in ("weight_decay", "generations") if name in named}
        made.append({"steps": length, "options": named} | own)
    return made


SOFT = {"temperature": (1.0, 4.0), "weight": (0.5, 0.8, 1.0)}
MIXED = {"temperature": (1.0, 4.0), "weight": (0.5, 0.8, 0.95)}  # labels must count for something
STOPS = [{"steps": n} for n in (20, 30, 45, 65, 90, 120, 160, 200, 260, 350, 450, 600)]
METHODS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "plain": ("finetune", [{"steps": 600}]),
    "early stopping": ("finetune", STOPS),
    "weight decay": ("finetune", choices(weight_decay=(0.1, 0.3, 1.0, 2.0, 4.0, 10.0))),
    "label smoothing": ("label_smoothing", choices(smoothing=(0.2, 0.4, 0.6, 0.8, 0.9, 0.95))),
    "born again": ("born_again", choices(generations=(3,), **SOFT)),
    "moving average": ("self_distill_ema", choices(**MIXED)),
    "mutual": ("mutual", choices(members=(2,), temperature=(1.0, 4.0), strength=(0.5, 2.0, 8.0))),
    "larger teacher": ("distill", choices(width=(200,), **SOFT)),
    "ensemble of 4": ("ensemble", STOPS),
    "control: untrained teacher": ("distill-untrained", choices(**MIXED)),
    "control: shuffled answers": ("born_again-shuffled", choices(generations=(3,), **SOFT)),
    "control: born again, permuted": ("born_again-permuted", choices(generations=(3,), **SOFT)),
    "control: average, permuted": ("self_distill_ema-permuted", choices(**MIXED)),
}


def accuracies(settings: dict[str, Any], seeds: tuple[int, ...],
               splits: tuple[int, ...]) -> list[float]:
    """Return the accuracy (R2 of values) at the end, of each seed on each split."""
    values: list[float] = []
    for split in splits:
        config = wb.RunConfig(**settings, seeds=seeds, data_seed=split)
        values += wb.run(config).accuracy[:, -1, -1].tolist()
    return [round(value, 5) for value in values]


def study(world: dict[str, Any], done: Container[str]) -> dict[str, Any]:
    """Choose the settings of every method that is not done in a world, and test them."""
    results: dict[str, Any] = {}
    for name, (learner, grid) in METHODS.items():
        of_classes = learner == "label_smoothing" or learner.endswith("-permuted")
        if name in done or (of_classes and world["stream"] == "diabetes"):
            continue
        options = [world | {"learner": learner} | choice for choice in grid]
        for one in options:
            if one["steps"] < 2:
                one["steps"] = LENGTHS[world["stream"] == "digits"][one["steps"]]
        if learner == "distill":  # the teacher learns as long as its student
            options = [one | {"options": one["options"] | {"teacher_steps": one["steps"]}}
                       for one in options]
        scores = [float(np.mean(accuracies(one | {"evaluate_on": "validation"}, **TUNING)))
                  for one in options]
        best = options[int(np.argmax(scores))]
        results[name] = {"config": best, "validation": scores,
                         "test": accuracies(best, **TESTING)}
    return results


def main() -> None:
    """Go through the worlds; write the file after each."""
    results: dict[str, Any] = json.loads(OUT.read_text())["results"] if OUT.exists() else {}
    for name, world in WORLDS.items():
        new = study(world, results.get(name, {}))
        results[name] = results.get(name, {}) | new
        for method, result in new.items():
            print(f"{name}, {method}: {np.mean(result['test']):.4f}", flush=True)
        OUT.write_text(json.dumps({
            "command": "python scripts/tune_self_distillation.py", "tuning": TUNING,
            "testing": TESTING, "environment": environment(), "results": results}) + "\n")


if __name__ == "__main__":
    main()
