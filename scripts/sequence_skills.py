"""Teach several skills in a row, each method at the setting that was chosen for it.

    python scripts/sequence_skills.py                  # all methods and seeds
    python scripts/sequence_skills.py --methods sdft   # some

Writes ``data/results/skills/sequences.json``. Runs already in the file are not repeated. The
learning rate is chosen on validation items of the first order, with a seed of its own
(``sequences-tune.json``), and the same for every order; every method gets as many steps a skill.
The methods go through three orders, three of them through all six, and controls through one or two.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path
from typing import Any

import numpy as np

from workbench.config import RunConfig
from workbench.experiment import run
from workbench.files import write_atomically
from workbench.provenance import environment
from workbench.sweeps import ENOUGH, RESULTS

ORDERS = (("facts-new", "tools-new", "letters-new"), ("letters-new", "tools-new", "facts-new"),
          ("tools-new", "facts-new", "letters-new"))
ALL_ORDERS = tuple(itertools.permutations(ORDERS[0]))
ORDERS_OF = dict.fromkeys(("sft", "sdft", "offline_distill"), ALL_ORDERS) | {
    "offline, 30 answers": ORDERS[1:2], "sdft, larger rate": ORDERS[:2],
    "offline, larger rate": ORDERS[:2]}
"""Who goes through other orders than the three."""
RATES = (1e-4, 3e-4, 1e-3)
RATES_OF = {"adapter per skill": (1e-3, 3e-3, 1e-2, 3e-2)}
"""Adapters need larger ones: at 1e-3 they have learned nothing yet."""
STEPS = 120
TUNING_SEED, SEEDS = 100, (0, 1, 2, 3, 4)
METHODS: dict[str, dict[str, Any]] = {
    "sft": {"learner": "sft"},
    "sdft": {"learner": "sdft"},
    "sdft, stage teacher": {"learner": "sdft", "options": {"teacher": "stage"}},
    "replay": {"learner": "replay"},
    "sft_own_voice": {"learner": "sft_own_voice"},
    "offline_distill": {"learner": "offline_distill"},
    "adapter per skill": {"learner": "adapter_per_skill", "lora_rank": 8, "scenario": "task"},
    "rl": {"learner": "rl"},
    "sft_kl": {"learner": "sft_kl"},
    "offline, 30 answers": {"learner": "offline_distill", "options": {"samples": 30}},
    "sdft, larger rate": {"learner": "sdft"},
    "offline, larger rate": {"learner": "offline_distill"},
}
"""What is compared. A stage teacher is the student as it was when the skill began. An adapter per
skill is told which skill a question is from; nobody else is."""
NOT_TUNED = {"offline, 30 answers": 1e-4, "sdft, larger rate": 3e-4, "offline, larger rate": 3e-4}
"""Controls, and the learning rate they are run at: that of SDFT, and one three times as large."""

Task = tuple[str, tuple[str, ...], int, str, float]


def one_run(task: Task) -> dict[str, Any]:
    """Run one method through one order."""
    method, skills, seed, part, lr = task
    record = run(RunConfig(stream="skills", skills=skills, lr=lr, seeds=(seed,), steps=STEPS,
                           evaluate_on=part, items=48, clip=1.0, **METHODS[method]))
    new = np.vstack([record.baseline[0], record.accuracy[0]])
    return {"method": method, "skills": list(skills), "seed": seed, "lr": lr, "steps": STEPS,
            "new": new.round(4).tolist(), "old": record.watched[0].round(4).tolist(),
            "stored_bytes": record.stored_bytes,
            "seconds": {k: round(v, 1) for k, v in record.seconds.items()}}


def key(said: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells one run from another."""
    return (said["method"], tuple(said["skills"]), said["seed"], said["lr"])


def measure(path: Path, tasks: list[Task], workers: int) -> list[dict[str, Any]]:
    """Run what the file does not have yet, writing it after each run; return all runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = json.loads(path.read_text()) if path.exists() else {
        "command": "python scripts/sequence_skills.py", "runs": [], "environment": environment()}
    done = {key(run) for run in held["runs"]}
    wanted = [t for t in tasks if (t[0], t[1], t[2], t[4]) not in done]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for result in pool.imap(one_run, wanted):
            held["runs"].append(result)
            print(f"{result['method']:18s} {' '.join(result['skills'])} seed {result['seed']} lr "
                  f"{result['lr']:g}: new {result['new'][-1]} old "
                  f"{np.mean(result['old'][-1]):.2f}", flush=True)
            write_atomically(path, (json.dumps(held) + "\n").encode())
    return list(held["runs"])


def score(run: dict[str, Any]) -> tuple[bool, float]:
    """Return what is chosen by, much as with one skill: first learn enough, then keep most.

    Of the rates at which the skills are learned, each in its stage, the one that ends with the best
    mean over all skills, new and known; where they are learned at none, the one that ends with the
    best mean over the new. (By that first mean alone the best would be to learn nothing.)
    """
    new, old = np.array(run["new"]), np.array(run["old"])
    if np.diag(new[1:]).mean() >= ENOUGH:
        return True, float(np.append(new[-1], old[-1]).mean())
    return False, float(new[-1].mean())


def main() -> None:
    """Tune, then compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    tuning: list[Task] = [(method, ORDERS[0], TUNING_SEED, "validation", lr)
                          for method in given.methods if method not in NOT_TUNED
                          for lr in RATES_OF.get(method, RATES)]
    tuned = measure(RESULTS / "sequences-tune.json", tuning, given.workers)
    tasks: list[Task] = []
    for method in given.methods:
        lr = NOT_TUNED.get(method) or max((run for run in tuned if run["method"] == method),
                                          key=score)["lr"]
        print(f"{method}: lr {lr:g}", flush=True)
        tasks += [(method, order, seed, "test", lr)
                  for order in ORDERS_OF.get(method, ORDERS) for seed in SEEDS]
    measure(RESULTS / "sequences.json", tasks, given.workers)


if __name__ == "__main__":
    main()
