"""Measure every method on one new skill: tune on validation items, compare on test items.

    python scripts/sweep_skills.py tune facts-new          # each method, each learning rate
    python scripts/sweep_skills.py compare facts-new       # five other seeds at what was chosen
    python scripts/sweep_skills.py tune working-new --worn 0.7     # with a model that is damaged

Writes ``data/results/skills/<skill>-tune.json`` and ``-compare.json``. Runs already in a file are
not repeated. Every method gets the same number of steps and as many learning rates; the same ones,
except that adapters need larger, and that with a worn model only the middle three are searched.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbench.config import RunConfig
from workbench.diagnostics import Probe
from workbench.experiment import make_learner, stream_of
from workbench.files import write_atomically
from workbench.learners.text import TextLearner
from workbench.loop import run_stream
from workbench.models import load_causal_lm, wear
from workbench.provenance import environment
from workbench.sweeps import ENOUGH, NEARLY, RESULTS, WORN, load_sweep, parse_run

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
RATES_OF = dict.fromkeys(("sft lora", "sdft lora"), (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2))
"""Whose rates are others: as many, and larger."""
RATES_WORN = (1e-4, 3e-4, 1e-3)
STEPS, EVERY, EVERY_OF_LESSON = 160, 40, {"facts-new": 20}
"""Steps of a run, and steps between looks at it: more often at the skill the lesson is about."""
MASTERED = 60
"""Steps for which a skill must have been known before a tuning run ends early."""
TUNING_SEED, SEEDS = 100, range(5)
SEEDS_OF = {"letters-hard-new": range(15)}
"""Where five seeds could not tell: some find the rule and most do not."""

METHODS: dict[str, dict[str, Any]] = {
    "sft": {"learner": "sft"},
    "sdft": {"learner": "sdft"},
    "sft_own_voice": {"learner": "sft_own_voice"},
    "offline_distill": {"learner": "offline_distill"},
    "sft on teacher": {"learner": "offline_distill", "options": {"soft": False}},
    "sft_kl": {"learner": "sft_kl"},
    "replay": {"learner": "replay"},
    "sdft reverse": {"learner": "sdft", "options": {"direction": "reverse"}},
    "sdft ema": {"learner": "sdft", "options": {"teacher": "ema"}},
    "sdft live": {"learner": "sdft", "options": {"teacher": "live"}},
    "rl": {"learner": "rl"},
    "sft lora": {"learner": "sft", "lora_rank": 8},
    "sdft lora": {"learner": "sdft", "lora_rank": 8},
    "sft, four times the steps": {"learner": "sft"},
    "sdft, four times the steps": {"learner": "sdft"},
    "offline, one sample": {"learner": "offline_distill", "options": {"samples": 1}},
    "sdft other": {"learner": "sdft", "options": {"help": "other"}},
    "sdft none": {"learner": "sdft", "options": {"help": "none"}},
    "sdft, all steps": {"learner": "sdft"},
    "offline, as sdft": {"learner": "offline_distill"},
}
"""What is compared."""
TO_THE_END = {"sdft, all steps": "sdft"}
"""Who goes on to the last step, at the learning rate chosen for whom."""
LONGER = {"sft, four times the steps": 4, "sdft, four times the steps": 4}
"""Who is given more steps than the others, and is then looked at as much more seldom."""
CONTROLS = {"sdft other": "sdft", "sdft none": "sdft"}
"""What must not learn, and what it is a control of."""
NOT_TUNED = CONTROLS | TO_THE_END | {"offline, as sdft": "sdft"}
"""Who is run at the settings chosen for whom."""


class Task(NamedTuple):
    """A run: what is taught how, which items are asked, and to which model."""

    method: str
    skill: str
    lr: float
    seed: int
    part: str
    steps: int
    model: str


def config_for(task: Task) -> RunConfig:
    """Return the settings of one run."""
    every = EVERY_OF_LESSON.get(task.skill, EVERY) * LONGER.get(task.method, 1)
    if task.part == "test":
        every *= 3  # the choice is made, and what counts is the end
    return RunConfig(stream="skills", skills=(task.skill,), lr=task.lr, seeds=(task.seed,),
                     steps=task.steps, evaluate_every=every, evaluate_on=task.part, items=48,
                     diagnose=True, clip=1.0, model=task.model, **METHODS[task.method])


def one_run(task: Task) -> dict[str, Any]:
    """Run one configuration; a tuning run ends once the skill has been mastered for a while."""
    mastered = []

    def look(snapshot: Any) -> None:
        mastered.append(bool(snapshot.steps_taken and snapshot.scores[0, 0] >= 0.98))

    config = config_for(task)
    every = config.evaluate_every
    looks = max(2, MASTERED // every)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    assert isinstance(learner, TextLearner)
    record = run_stream(learner, stream, config, probe=Probe(learner, stream, task.part),
                        observer=look,
                        stop=lambda: task.part == "validation" and len(mastered) > looks
                        and all(mastered[-looks:]))
    train = stream.tasks[0].train
    seen = stream.right(learner.predict(train.inputs), train, 0, 0)
    complete = record.status == "complete"
    # The last look of a run that came to its end is the one at its end.
    looked = (task.steps - 1 if complete else record.step) // every
    at = [every * (i + 1) for i in range(looked)] + [task.steps] * complete
    new, old, diagnostics = (np.vstack([curve[0, :looked], *([end[0, -1:]] if complete else [])])
                             for curve, end in (
        (record.curve[:, :, :1], record.accuracy), (record.curve[:, :, 1:], record.watched),
        (record.diagnostics_curve, record.diagnostics)))
    return {"method": task.method, "lr": task.lr, "seed": task.seed, "steps": at,
            "new": new[:, 0].round(4).tolist(), "old": old.round(4).tolist(),
            "old_before": record.watched[0, 0].round(4).tolist(),
            "train": round(float(seen.double().mean()), 4),
            "new_before": float(record.baseline[0, 0]),
            "diagnostics": [[None if v != v else round(v, 4) for v in row]
                            for row in diagnostics.tolist()],
            "watched": record.watched_names, "diagnostic_names": record.diagnostic_names,
            "seconds": {k: round(v, 1) for k, v in record.seconds.items()}}


def still_asked(runs: list[dict[str, Any]], tasks: list[Task], part: str) -> list[dict[str, Any]]:
    """Return the runs that are not of another setting than the one that has now been chosen.

    A search is only ever added to.
    """
    if part == "tune":
        return runs
    asked = {(task.method, task.lr, task.seed, task.steps) for task in tasks}
    methods = {task.method for task in tasks}
    return [run for run in runs if run["method"] not in methods
            or (run["method"], run["lr"], run["seed"], run["steps"][-1]) in asked]


def measure(path: Path, tasks: list[Task], workers: int, part: str, worn: float) -> None:
    """Run what the file does not have yet, writing it after each run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = json.loads(path.read_text()) if path.exists() else {
        "command": "", "runs": [], "environment": environment(), "worn": worn}
    if held.get("worn", 0) != worn:
        raise SystemExit(f"{path} is of a model worn by {held.get('worn', 0):g}, not {worn:g}: "
                         "move it away first")
    held["runs"] = still_asked(held["runs"], tasks, part)
    done = {(r["method"], r["lr"], r["seed"]) for r in held["runs"]}
    missing = [task for task in tasks if (task.method, task.lr, task.seed) not in done]
    held["command"] = (f"python scripts/sweep_skills.py {part} {tasks[0].skill}"
                       + (f" --worn {worn:g}" if worn else ""))
    held |= {"rates": RATES_WORN if worn else RATES, "rates_of": RATES_OF, "steps": STEPS,
             "enough": ENOUGH, "nearly": NEARLY}
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for result in pool.imap(one_run, missing):
            held["runs"].append(result)
            print(f"{result['method']:16s} lr {result['lr']:g} seed {result['seed']} steps "
                  f"{result['steps'][-1]}: new {result['new'][-1]:.2f} kept "
                  f"{parse_run(result).kept[-1]:.2f}", flush=True)
            write_atomically(path, (json.dumps(held) + "\n").encode())


def main() -> None:
    """Tune or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tune", "compare"))
    parser.add_argument("skill")
    parser.add_argument("--methods", nargs="*", default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--worn", type=float, default=0.0, help="how much: see workbench's wear")
    given = parser.parse_args()
    given.methods = given.methods or [name for name in METHODS
                                      if given.what == "compare" or name not in NOT_TUNED]
    with tempfile.TemporaryDirectory() as folder:
        model = "tiny"
        if given.worn:
            model = f"{folder}/worn"
            worn, tokenizer = load_causal_lm("tiny")
            wear(worn, given.worn).save_pretrained(model)
            tokenizer.save_pretrained(model)
        name = given.skill + WORN * bool(given.worn)
        measure(RESULTS / f"{name}-{given.what}.json",
                list(wanted(given, name, model)), given.workers, given.what, given.worn)


def wanted(given: argparse.Namespace, name: str, model: str) -> Iterator[Task]:
    """Yield the runs that are asked for."""
    if given.what == "tune":
        for method in given.methods:
            for lr in RATES_WORN if given.worn else RATES_OF.get(method, RATES):
                yield Task(method, given.skill, lr, TUNING_SEED, "validation",
                           STEPS * LONGER.get(method, 1), model)
        return
    sweep = load_sweep(name, "tune")
    for method in given.methods:
        run, point = sweep.choose(NOT_TUNED.get(method, method))
        steps = STEPS if method in TO_THE_END else int(run.steps[point])
        for seed in SEEDS_OF.get(given.skill, SEEDS):
            yield Task(method, given.skill, run.lr, seed, "test", steps, model)


if __name__ == "__main__":
    main()
