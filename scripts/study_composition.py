"""Measure on digits what each part of module composition is worth, and where it pays.

    python scripts/study_composition.py

Settings are chosen on validation images of a split of their own; test accuracies are over five
other splits. Measurements that are already in ``data/results/composition.json`` are not repeated,
so a stopped script can be started again. It takes about half an hour.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from workbench.config import RunConfig
from workbench.learners import Composed, fit, make_optimizer
from workbench.models.composed import ComposedBackbones
from workbench.runs.experiment import make_learner, run
from workbench.runs.studies import RESULTS
from workbench.system.files import write_atomically
from workbench.system.provenance import environment
from workbench.tasks import Stream, make_stream
from workbench.tasks.variants import with_few_examples

PATH = RESULTS / "composition.json"
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
SPLITS, TUNING_SPLIT = range(5), 5
SEEDS, TUNING_SEEDS = (0, 1, 2), (5, 6, 7)
TASKS = (3, 5)
PARTS: dict[str, dict[str, Any]] = {
    "no reuse": {"reuse": "none"},
    "reuse": {},
    "orthogonal, no reuse": {"faster": 1e-9, "orthogonality": 0.5},
    "composed": {"orthogonality": 0.5},
    "composed, l1": {"orthogonality": 0.5, "l1": 0.003},
    "composed, l2": {"orthogonality": 0.5, "l2": 0.003},
    "coefficients 1": {"reuse": "fixed"},
    "slow coefficients": {"faster": 1.0}}
"""Options of the learner ``composed`` for each set of its parts."""
STREAMS = ("digits-shifted", "permuted-digits")
"""Their last task shares parts with earlier ones, and shares nothing."""
STARTS: dict[str, dict[str, Any]] = {
    "no reuse": {"reuse": "none"}, "reuse": {}, "coefficients 1": {"reuse": "fixed"},
    "warm start": {"reuse": "none"}, "foreign units": {}}
"""Ways to begin the last task. A *warm start* copies the adapter of the task before. *Foreign
units* are the earlier ones with their inputs in random order: a control for mere capacity."""
RANKS, EXAMPLES, STEPS = (1, 4), 30, 160
ONE_RATE = 3e-3
"""A rate for both, to show what comes of not tuning each method."""
AT = (5, 10, 20, 40, 80, 160)


def parts(name: str, tasks: int) -> dict[str, Any]:
    """Return accuracy, retrieval and oracle of one set of parts on each split."""
    base = RunConfig(stream="digits-tasks", tasks=tasks, learner="composed", steps=150,
                     options=PARTS[name])
    tuned = {rate: float(run(replace(base, lr=rate, seeds=TUNING_SEEDS, data_seed=TUNING_SPLIT,
                                     evaluate_on="validation")).accuracy[:, -1].mean())
             for rate in RATES}
    best = max(tuned, key=lambda rate: tuned[rate])
    records = [run(replace(base, lr=best, seeds=SEEDS, data_seed=split)) for split in SPLITS]
    return {"rate": best, "validation": tuned,
            "accuracy": [float(one.accuracy[:, -1].mean()) for one in records],
            **{measure: [float(np.mean(one.retrieval[measure])) for one in records]
               for measure in ("retrieval", "oracle")}}


def with_few_later(stream: Stream, split: int) -> Stream:
    """Return a stream whose first task has all its examples, and the later ones few."""
    few = with_few_examples(stream, EXAMPLES, split)
    return replace(stream, tasks=(stream.tasks[0], *few.tasks[1:]))


def last_task(name: str, start: str, rank: int, rate: float, split: int, seeds: tuple[int, ...],
              part: str) -> list[float]:
    """Return the accuracy on the last task, told, after each number of steps in `AT`."""
    stream = with_few_later(make_stream(name, tasks=4, data_seed=split), split)
    config = RunConfig(stream=name, tasks=4, learner="composed", backbone="digits", seeds=seeds,
                       lora_rank=rank, steps=STEPS, lr=rate, options=STARTS[start])
    learner, curve = make_learner(config, stream), []
    assert isinstance(learner, Composed)
    for task in stream.tasks:
        last = task.index == len(stream) - 1
        if last and start == "foreign units":
            shuffle_inputs(learner.model, split)
        learner.begin(task)
        if task.index and start == "warm start":
            copy_last(learner.model)
        for step, _ in enumerate(fit(learner, task, make_optimizer(learner, rate), steps=STEPS,
                                     batch_size=min(32, len(task.train))), 1):
            if last and step in AT:
                asked = getattr(task, part)
                with torch.no_grad():
                    right = stream.right(learner.model(asked.x), asked, task.index, task.index)
                curve.append(float(right.double().mean()))
    return curve


@torch.no_grad()
def copy_last(model: ComposedBackbones) -> None:
    """Copy the new part of each seed's last module into its newest one."""
    for i in range(len(model.seeds)):
        before, newest = model.modules(i)[-2:]
        for layer in newest.layers.values():
            for side in (layer.lora_A, layer.lora_B):
                side[newest.name].weight.copy_(side[before.name].weight)


@torch.no_grad()
def shuffle_inputs(model: ComposedBackbones, split: int) -> None:
    """Put the inputs that the units read into a random order."""
    rng = torch.Generator().manual_seed(split)
    for i in range(len(model.seeds)):
        for module in model.modules(i):
            for layer in module.layers.values():
                A = layer.lora_A[module.name].weight
                A.copy_(A[:, torch.randperm(A.shape[1], generator=rng)])


def transfer(name: str, start: str, rank: int, rates: Sequence[float]) -> dict[str, Any]:
    """Return the curves of the last task on each split, at the best of the rates on validation."""
    tuned = {rate: float(np.mean(last_task(name, start, rank, rate, TUNING_SPLIT, TUNING_SEEDS[:2],
                                           "validation"))) for rate in rates}
    best = max(tuned, key=lambda rate: tuned[rate])
    return {"rate": best, "validation": tuned, "steps": AT,
            "accuracy": [last_task(name, start, rank, best, split, SEEDS[:2], "test")
                         for split in SPLITS]}


def main() -> None:
    """Make what is missing, and write the file after each measurement."""
    results: dict[str, Any] = json.loads(PATH.read_text()) if PATH.exists() else {}
    jobs = {f"parts: {name}, {tasks} tasks": lambda name=name, tasks=tasks: parts(name, tasks)
            for tasks in TASKS for name in PARTS}
    jobs |= {f"transfer: {stream}, {start}, rank {rank}":
             lambda stream=stream, start=start, rank=rank: transfer(stream, start, rank, RATES[1:])
             for rank in reversed(RANKS) for stream in STREAMS for start in STARTS
             if rank > 1 or start in ("no reuse", "reuse")}
    jobs |= {f"transfer at {ONE_RATE}: {stream}, {start}, rank 4":
             lambda stream=stream, start=start: transfer(stream, start, 4, [ONE_RATE])
             for stream in STREAMS for start in ("no reuse", "reuse")}
    for key, job in jobs.items():
        if key not in results:
            results[key] = job()
            results["made by"] = {"command": " ".join(["python", *sys.argv]),
                                  "environment": environment()}
            write_atomically(PATH, (json.dumps(results, indent=1) + "\n").encode())
            print(key, json.dumps(results[key]), flush=True)


if __name__ == "__main__":
    main()
