"""Time steps of SFT and SDFT on the real model, in turns, and measure the memory.

Run from the repository root, after ``workbench get-model smollm2-135m``::

    OMP_NUM_THREADS=2 .venv/bin/python benchmarks/real.py

Each method trains the same adapter on the same questions. SDFT is timed with and without reading
only once the tokens that all prompts begin with (the system message). ``--fetch`` also times how
long the model takes from the command that fetches it, into an empty folder, to its first answer; it
needs a network. Printed, and written to ``artifacts/bench/real.json``; it is no test, and nothing
fails when it changes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from workbench.config import RunConfig
from workbench.learners import Learner, fit, make_optimizer
from workbench.models import logits
from workbench.runs.experiment import make_learner, stream_of
from workbench.system.files import to_json
from workbench.system.provenance import environment

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench" / "real.json"
SHARED = logits.SHARED
ANSWER = """
from workbench.models import load_causal_lm, make_prompt, sample
model, tokenizer = load_causal_lm("smollm2-135m")
prompt = make_prompt(tokenizer, "What is the capital of France?")
print(sample(model, tokenizer, [prompt], max_new_tokens=24).texts[0])
"""


def first_answer() -> dict[str, float]:
    """Return the seconds from the command to the converted model, and then to its first answer."""
    commands = {"to fetch and convert": ["-m", "workbench.cli", "get-model", "smollm2-135m"],
                "to the first answer": ["-c", ANSWER]}
    seconds = {}
    with TemporaryDirectory() as cache:
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True,
                           env=os.environ | {"WORKBENCH_CACHE": cache})
            seconds[name] = time.perf_counter() - start
    return seconds


def steps_of(method: str, rank: int, steps: int):
    """Yield after each step of a method, with its learner."""
    config = RunConfig(stream="skills", skills=("town-far",), model="smollm2-135m", old_skills=(),
                       learner=method, lora_rank=rank, lr=1e-4, steps=steps, batch_size=8, clip=1.0,
                       options={"max_new_tokens": 24})
    stream = stream_of(config)
    learner: Learner = make_learner(config, stream)
    task = stream.tasks[0]
    learner.begin(task)
    yield from fit(learner, task, make_optimizer(learner, config.lr), steps=steps, batch_size=8,
                   clip=1.0)


def main() -> None:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="steps timed of each (default 5)")
    parser.add_argument("--rank", type=int, default=16, help="of the adapter; 0: all weights")
    parser.add_argument("--fetch", action="store_true", help="time the first answer too")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    fetched = first_answer() if options.fetch else {}
    sides = {name: steps_of(method, options.rank, options.rounds + 1) for name, method in
             {"sft": "sft", "sdft": "sdft", "sdft, each prompt whole": "sdft"}.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for k in range(options.rounds + 1):
        for name, steps in sides.items():
            logits.SHARED = 10**9 if "whole" in name else SHARED
            start = time.perf_counter()
            next(steps)
            if k:  # in the first step the prompts with demonstrations are read
                seconds[name].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in seconds.items()}
    report = {"seconds a step": medians,
              "seconds": fetched,
              "sdft / sft": medians["sdft"] / medians["sft"],
              "whole / shared": medians["sdft, each prompt whole"] / medians["sdft"],
              "GB, three learners in one process":
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
              "threads": torch.get_num_threads(), "rank": options.rank,
              "environment": environment()}
    print(to_json({key: value for key, value in report.items() if key != "environment"}, 1))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(to_json(report, 1) + "\n")


if __name__ == "__main__":
    main()
