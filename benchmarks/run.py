"""Time the workbench against Avalanche on class-incremental split digits, on one thread.

Run from the repository root::

    .venv/bin/python benchmarks/run.py

Both sides learn five tasks of two digits in a 64-100-100-10 network, with the same examples, the
same number of steps and the same batch size, and are tested on all five test sets after each task.
They take turns, so that a busy moment of the machine hits both. What is timed is training and
evaluation, after imports, loading of data and a short warm-up. The result is a table on standard
output and ``artifacts/bench/digits.json``; it is no test, and nothing fails when it changes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "artifacts" / "bench" / "digits.json"

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Both sides run on the CPU, on one thread.
for _pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_pool] = "1"

from avalanche_side import Avalanche, make_environment  # noqa: E402

try:
    import numpy as np
    import torch
    from results import as_markdown, summarise

    import workbench as wb
    from workbench.tasks import Stream
except ImportError as error:
    sys.exit(f"The workbench cannot be imported ({error}). Install it first, in the repository "
             "root: .venv/bin/python -m pip install -e .")

LEARNERS = {"naive": "finetune", "replay": "replay"}
"""Name in the table, which is also Avalanche's, and name in the workbench."""
ONE, FIVE = (0,), (0, 1, 2, 3, 4)
PER_CLASS = 10
WARM_UP_STEPS = 20


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5,
                        help="runs of the workbench, of which the median counts (default 5)")
    parser.add_argument("--avalanche-repeats", type=int, default=3,
                        help="the same for Avalanche, which takes longer (default 3)")
    parser.add_argument("--steps", type=int, default=200,
                        help="steps per task (default 200); fewer for a quick look")
    parser.add_argument("--without-avalanche", action="store_true",
                        help="time the workbench alone; no second environment is made")
    arguments = parser.parse_args()
    for name in ("repeats", "avalanche_repeats", "steps"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    return arguments


def make_config(learner: str, seeds: tuple[int, ...], steps: int) -> wb.RunConfig:
    """Return the settings of a run of the workbench; Avalanche's job is made from them."""
    return wb.RunConfig(
        stream="split-digits", scenario="class", learner=LEARNERS[learner], seeds=seeds,
        options={"per_class": PER_CLASS} if learner == "replay" else {}, steps=steps,
        batch_size=32)


def run_workbench(config: wb.RunConfig, stream: Stream) -> dict[str, Any]:
    """Train and evaluate once, all seeds stacked."""
    started = time.perf_counter()
    record = wb.run_stream(wb.make_learner(config, stream), stream, config)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "accuracy": record.accuracy.tolist(),
            "steps": [[record.losses.shape[2]] * record.task] * len(config.seeds)}


def run_avalanche(avalanche: Avalanche, learner: str, config: wb.RunConfig,
                  data: Path) -> dict[str, Any]:
    """Train and evaluate once for each seed, one after the other."""
    results = avalanche.run({
        "data": str(data), "learner": learner, "seeds": config.seeds, "steps": config.steps,
        "batch_size": config.batch_size, "lr": config.lr, "hidden": config.hidden,
        "per_class": PER_CLASS})
    return {"seconds": sum(r["seconds"] for r in results),
            "accuracy": [r["accuracy"] for r in results], "steps": [r["steps"] for r in results],
            **{key: results[0][key]
               for key in ("examples_per_step", "stored_per_class", "versions")}}


def save_data(stream: Stream, path: Path) -> None:
    """Write each task's examples for the worker, so that both sides have the same split."""
    arrays = {f"{part}_{axis}_{i}": getattr(getattr(task, part), axis).numpy()
              for i, task in enumerate(stream.tasks)
              for part in ("train", "test") for axis in ("x", "y")}
    np.savez(path, **arrays)


def measure(repeats: dict[str, int], steps: int, stream: Stream, avalanche: Avalanche | None,
            data: Path) -> dict[tuple[str, str, int], list[dict[str, Any]]]:
    """Return all runs by (learner, side, seeds), the sides taking turns.

    Parameters
    ----------
    repeats : dict of str to int
        How often each side runs: ``workbench``, and ``avalanche`` where there is one.
    steps : int
        Per task.
    stream : Stream
        The tasks.
    avalanche : Avalanche, optional
        The worker.
    data : path
        File with the tasks, for the worker.

    Raises
    ------
    SystemExit
        If a side took another number of steps than it was asked for.
    """
    def once(side: str, learner: str, seeds: tuple[int, ...], steps: int) -> dict[str, Any]:
        config = make_config(learner, seeds, steps)
        if side == "workbench":
            return run_workbench(config, stream)
        assert avalanche is not None
        return run_avalanche(avalanche, learner, config, data)

    for learner, side in product(LEARNERS, repeats):
        once(side, learner, ONE, min(WARM_UP_STEPS, steps))
    runs: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for i in range(max(repeats.values())):
        print(f"round {i + 1} of {max(repeats.values())}", file=sys.stderr)
        for learner, seeds, side in product(LEARNERS, (ONE, FIVE), repeats):
            if i < repeats[side]:
                result = once(side, learner, seeds, steps)
                if result["steps"] != [[steps] * len(stream)] * len(seeds):
                    sys.exit(f"{side} took {result['steps']} steps, by seed and task, with "
                             f"{learner}, not {steps} each: the times cannot be compared")
                runs.setdefault((learner, side, len(seeds)), []).append(result)
    return runs


def main() -> None:
    """Measure, print the table and write it down."""
    arguments = parse_arguments()
    stream = wb.make_stream("split-digits", "class", tasks=5, data_seed=0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        save_data(stream, data)
        repeats = {"workbench": arguments.repeats}
        if arguments.without_avalanche:
            runs = measure(repeats, arguments.steps, stream, None, data)
        else:
            make_environment()
            repeats["avalanche"] = arguments.avalanche_repeats
            with Avalanche() as avalanche:
                runs = measure(repeats, arguments.steps, stream, avalanche, data)
    report = {
        "settings": {"tasks": len(stream), "steps": arguments.steps, "batch_size": 32,
                     "threads": 1, "per_class": PER_CLASS, "data_sha256": stream.data_hash()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "workbench": wb.__version__},
        "rows": summarise(runs)}
    print(as_markdown(report))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"All runs are in {OUTPUT.relative_to(ROOT)}.", file=sys.stderr)


if __name__ == "__main__":
    main()
