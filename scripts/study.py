"""Make a study: search a learning rate for every method, then compare the methods at it.

    python scripts/study.py one_skill --skills facts-new      # one of its skills
    python scripts/study.py many_skills --methods sft sdft    # some methods
    python scripts/study.py noisy_teacher --workers 2         # two runs at a time

The search uses validation items and its own seed; the comparison uses test items and other seeds.
Runs that are already in ``data/results/<study>.csv.gz`` are not repeated, so a stopped script can
be started again. A study takes many hours.
"""

from __future__ import annotations

import argparse
import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from study_plan import (
    AT_RATE,
    BEYOND,
    CHOSEN_FOR,
    ENOUGH_OF,
    EVERY,
    EVERY_OF,
    METHODS,
    MODELS,
    NOISE,
    ORDERS,
    PLAN,
    RATES,
    RATES_OF,
    REAL,
    REAL_OPTIONS,
    SEEDS,
    SEEDS_OF,
    SEVERAL,
    STEPS,
    TUNING_SEED,
)

from workbench.config import RunConfig
from workbench.learners import Learner
from workbench.learners.text import ComposedPerSkill
from workbench.models import load_causal_lm
from workbench.runs import sweep
from workbench.runs.studies import (
    ENOUGH,
    RESULTS,
    RUN,
    choose,
    points,
    stage_measures,
)
from workbench.system.files import locked
from workbench.system.runtime import pick_device
from workbench.tasks import Stream


class Task(NamedTuple):
    """A run to make; the first five fields are `workbench.runs.studies.RUN`."""

    part: str
    order: str
    method: str
    rate: float
    seed: int
    steps: int
    model: str


def search(name: str, steps: int, model: str) -> Iterator[Task]:
    """Yield every method at every learning rate; of several skills only in the first order."""
    for order, methods in PLAN[name].items():
        if name not in SEVERAL or order == ORDERS[0]:
            for method in methods:
                if method not in CHOSEN_FOR and method not in AT_RATE:
                    rates = RATES_OF.get(method, RATES[name])
                    for rate in (*rates, *BEYOND.get((name, method), ())):
                        yield Task("validation", order, method, rate, TUNING_SEED, steps, model)


def comparison(name: str, steps: int, model: str, searched: pd.DataFrame) -> Iterator[Task]:
    """Yield every method with every seed, at the setting chosen by the search."""
    for order, methods in PLAN[name].items():
        for method in methods:
            tuned = CHOSEN_FOR.get(method, method)
            own = searched[(searched["method"] == tuned)
                           & (searched["order"] == (ORDERS[0] if order in ORDERS else order))]
            if method in AT_RATE:
                rate, last = AT_RATE[method], steps
            elif own.empty:
                continue  # left out by --skills or --methods
            elif name in SEVERAL:
                rate, last = choose_in_a_row(stage_measures(own)), steps
            else:
                point = choose(own, ENOUGH_OF.get(name, ENOUGH))
                rate = float(point["rate"])
                last = steps if name in ENOUGH_OF else int(point["step"])
            last = steps if method == "sdft, all steps" else last
            for seed in SEEDS_OF.get(method, SEEDS_OF.get(order, SEEDS)):
                yield Task("test", order, method, rate, seed, last, model)


def choose_in_a_row(measures: pd.DataFrame) -> float:
    """Return the learning rate for several skills in a row.

    Among the rates at which every skill is learned in its stage, it has the best final mean over
    all skills; if there is none, the best final mean over the new skills. (The mean over all skills
    alone would favour learning nothing.)
    """
    able = measures[measures["learned"] >= ENOUGH]
    best = able["all"].idxmax() if len(able) else measures["ACC"].idxmax()
    return float(measures.loc[best, "rate"])


def one_run(task: Task) -> pd.DataFrame:
    """Make one run of a study and return its rows."""
    return sweep.one_run(as_run(task), further=retrieval_rows)


def as_run(task: Task) -> sweep.SweepRun:
    """Return a run with all its settings."""
    every = EVERY_OF.get(task.order, EVERY) * (3 if task.part == "test" else 1)
    one_skill = task.order not in ORDERS
    settings: dict[str, Any] = {
        "stream": "skills", "skills": tuple(task.order.split()), "lr": task.rate,
        "seeds": (task.seed,), "steps": task.steps, "evaluate_every": every,
        "evaluate_on": task.part, "items": 48, "diagnose": one_skill, "clip": 1.0,
        "model": task.model}
    method = METHODS[task.method]
    if task.order in PLAN["real_skills"]:
        settings |= REAL[task.part] | {"device": pick_device().type}
        method = method | {"options": {"max_new_tokens": 24,
                                       **REAL_OPTIONS.get(method["learner"], {}),
                                       **method.get("options", {})}}
    return sweep.SweepRun(*task[:5], RunConfig(**(settings | method)),
                          early=one_skill and task.part == "validation")


def retrieval_rows(learner: Learner, stream: Stream, step: int, part: str) -> list[sweep.Row]:
    """Return how often the right module is retrieved, and the accuracy if the skill is told.

    All are means over skills; questions of a skill known before have no module. Other learners have
    no modules, and no rows.
    """
    if not isinstance(learner, ComposedPerSkill):
        return []
    examples = [getattr(task, part) for task in (*stream.tasks, *stream.old_tasks)]
    chosen = [learner.retriever.choose(one.inputs) for one in examples]
    new = len(stream)
    told = [stream.right(learner.predict(examples[k].inputs, k), examples[k], new - 1, k)
            for k in range(new)]
    return [(step, "retrieved", "", float(np.mean([(chosen[k] == k).mean() for k in range(new)]))),
            (step, "retrieved_known", "",
             float(np.mean([(one < 0).mean() for one in chosen[new:]]))),
            (step, "told", "", float(np.mean([right.double().mean() for right in told])))]


def still_asked(study: pd.DataFrame, tasks: list[Task]) -> pd.DataFrame:
    """Return a study without the test runs at settings that are no longer chosen."""
    asked = {(*task[:5], task.steps * len(task.order.split())) for task in tasks}
    methods = {(task.order, task.method) for task in tasks}
    stale = {run for run, step in study.groupby(RUN)["step"].max().items()
             if run[0] == "test" and run[1:3] in methods and (*run, step) not in asked}
    runs = pd.MultiIndex.from_frame(study[RUN])
    return study[~runs.isin(list(stale))] if stale else study


def measure(name: str, tasks: list[Task], options: argparse.Namespace) -> pd.DataFrame:
    """Make the missing runs, write the study after each, and return it."""
    tests = [task for task in tasks if task.part == "test"]
    return sweep.add_runs(options.folder / f"{name}.csv.gz", tasks, train=one_run,
                          workers=options.workers, scheduler=options.scheduler,
                          keep=lambda study: still_asked(study, tests))


@torch.no_grad()
def perturb(model: torch.nn.Module) -> None:
    """Add Gaussian noise to every weight matrix of a model but the embeddings.

    The standard deviation of the noise is `NOISE` times that of each matrix.
    """
    rng = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.dim() > 1 and "embed" not in name:
            weight.add_(NOISE * weight.std() * torch.randn(weight.shape, generator=rng))


def main(arguments: list[str] | None = None) -> None:
    """Search, then compare."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("study", choices=list(PLAN))
    parser.add_argument("--skills", nargs="+", metavar="SKILL",
                        help="of one_skill: only these; of several skills in a row: one order")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD",
                        help="only these; default: all of the plan")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, for more machines")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is")
    parser.add_argument("--model", help="another model, for a trial in another --folder")
    parser.add_argument("--steps", type=int, help="steps per skill, for the same")
    options = parser.parse_args(arguments)
    if (options.model or options.steps) and options.folder == RESULTS:
        parser.error("--model and --steps are for trials: give another --folder, so that the "
                     "shipped study stays what it is")
    steps, orders = options.steps or STEPS[options.study], list(PLAN[options.study])
    if options.skills:
        orders = options.skills if options.study == "one_skill" else [" ".join(options.skills)]
    for order in orders:
        if order not in PLAN[options.study]:
            parser.error(f"{options.study} does not teach {order!r}; it teaches: "
                         f"{', '.join(PLAN[options.study])}")

    def wanted(tasks: Iterator[Task]) -> list[Task]:
        return [task for task in tasks if task.method in (options.methods or METHODS)
                and (task.order in orders or task.part == "validation" and task.order in ORDERS)]

    with tempfile.TemporaryDirectory() as folder, locked(options.folder):
        model = options.model or MODELS.get(options.study, "tiny")
        if options.study == "noisy_teacher":
            noisy, tokenizer = load_causal_lm(model)
            model = f"{folder}/noisy"
            perturb(noisy)
            noisy.save_pretrained(model)
            tokenizer.save_pretrained(model)
        study = measure(options.study, wanted(search(options.study, steps, model)), options)
        searched = points(study[study["part"] == "validation"])
        measure(options.study, wanted(comparison(options.study, steps, model, searched)), options)


if __name__ == "__main__":
    main()
