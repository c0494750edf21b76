"""Time the pretraining of the tiny language model, and the gate.

Run from the repository root::

    .venv/bin/python benchmarks/language.py

How many tokens a second pretraining takes is set beside how fast this machine multiplies matrices,
in float32 and in bfloat16, measured in the same run and in turns. A model of N parameters needs at
least 6 N operations a token, forward and backward; what attention and everything else costs is not
counted, so the share is a lower bound. The result is a table on standard output and
``artifacts/bench/language.json``; it is no test, and nothing fails when it changes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rates import matrix_rate

from workbench.measure.gate import gate
from workbench.models import load_causal_lm
from workbench.models.sizes import CONTEXT, SIZES, make_model
from workbench.pretraining import PretrainConfig
from workbench.pretraining.loop import Pretraining
from workbench.pretraining.tokenizer import vocabulary
from workbench.system.runtime import threads
from workbench.tasks import load_skill

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench" / "language.json"
SQUARE = (1024, 1024, 1024)
STEPS, WARM_UP = 12, 3


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--repeats", type=int, default=5,
                        help="measurements of each, of which the median counts (default 5)")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def tokens_per_second(run: Pretraining, steps: int) -> float:
    """Return how many tokens a second some optimiser steps take, documents made anew included."""
    began = time.perf_counter()
    for step in range(steps):
        run.step(step)
    return steps * run.config.batch_size * CONTEXT / (time.perf_counter() - began)


def measure_pretraining(size: str, count: int, repeats: int) -> dict[str, Any]:
    """Return tokens a second, matrix rates and their ratio; each repeat measures all in turn."""
    config = PretrainConfig(size=size, device="cpu", threads=count).resolved()
    parameters = make_model(size, len(vocabulary()), 0).num_parameters()
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    speeds: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    with threads(count), tempfile.TemporaryDirectory() as folder:
        run = Pretraining(config, Path(folder), {"step": 0})
        tokens_per_second(run, WARM_UP)
        for _ in range(repeats):
            speeds.append(tokens_per_second(run, STEPS))
            for name, dtype in kinds.items():
                rates[name].append(matrix_rate(SQUARE, dtype))
    speed = float(np.median(speeds))
    best = {name: float(np.median(found)) for name, found in rates.items()}
    reached = 6 * parameters * speed
    return {"size": size, "parameters": parameters, "precision": config.precision,
            "tokens_per_second": speed, "all_tokens_per_second": speeds,
            "operations_per_second": reached, "matrix_rates": best, "all_matrix_rates": rates,
            "share_of_better_rate": reached / max(best.values())}


def measure_gate(repeats: int) -> dict[str, Any]:
    """Return the median seconds to load the tiny model and to run the gate on two skills."""
    loads, gates = [], {skill: [] for skill in ("facts-new", "articles-new", "working-new")}
    items = {skill: load_skill(skill, "train")[:96] for skill in gates}
    load_causal_lm("tiny")  # imports
    with threads(1):
        for _ in range(repeats):
            began = time.perf_counter()
            model, tokenizer = load_causal_lm("tiny")
            loads.append(time.perf_counter() - began)
            for skill, found in gates.items():
                began = time.perf_counter()
                gate(model, tokenizer, items[skill])
                found.append(time.perf_counter() - began)
    return {"load_seconds": float(np.median(loads)), "items": 96,
            "gate_seconds": {skill: float(np.median(found)) for skill, found in gates.items()}}


def main() -> None:
    """Measure, print, and write the report."""
    asked = parse_arguments()
    pretraining = measure_pretraining(asked.size, asked.threads, asked.repeats)
    report = {"pretraining": pretraining, "gate": measure_gate(asked.repeats),
              "threads": asked.threads, "machine": platform.processor() or platform.machine(),
              "versions": {"python": platform.python_version(), "torch": torch.__version__}}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    rates = {name: f"{rate / 1e9:.1f}" for name, rate in pretraining["matrix_rates"].items()}
    print(f"# The tiny language model, {asked.threads} threads, medians of {asked.repeats}\n")
    print(f"pretraining, {pretraining['size']} ({pretraining['parameters'] / 1e6:.2f} M "
          f"parameters, {pretraining['precision']}): "
          f"{pretraining['tokens_per_second']:,.0f} tokens a second, at least "
          f"{pretraining['operations_per_second'] / 1e9:.1f} billion operations a second")
    print(f"matrix products of {SQUARE[0]} by {SQUARE[0]}: {rates['fp32']} (float32) and "
          f"{rates['bf16']} (bfloat16) billion operations a second")
    print(f"share of the better one: {pretraining['share_of_better_rate']:.2f}\n")
    print(f"loading the model: {report['gate']['load_seconds']:.2f} s (one thread, after imports)")
    for skill, seconds in report["gate"]["gate_seconds"].items():
        print(f"gate on {skill}, {report['gate']['items']} items: {seconds:.1f} s (one thread)")
    print(f"\nwritten: {OUTPUT}")


if __name__ == "__main__":
    main()
