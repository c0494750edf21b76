"""Time an SDFT step, and compare SDFT's outcome with that of TRL's SDFTTrainer.

Run from the repository root::

    .venv/bin/python benchmarks/sdft.py            # both; about half an hour on two cores
    .venv/bin/python benchmarks/sdft.py speed      # or one of them
    .venv/bin/python benchmarks/sdft.py agreement
    .venv/bin/python benchmarks/sdft.py --quick    # does it run at all? writes no record

*Speed*: the workbench's SFT and SDFT and TRL's SDFT take turns, one step each, on the same batches.
TRL is made to sample the same tokens, so that both SDFTs do the same work. Where the
time of a step goes is set beside what its matrix products alone would take at the rate that this
machine reaches. Then, how long training takes until the new skill is mastered. Written to
``artifacts/bench/sdft.json``.

*Agreement*: SDFT by the workbench and by TRL, the same items, steps and seeds, once with the same
batches and sampled tokens and once with TRL's own; both are scored by the workbench. Written to
``data/results/trl_agreement.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the tiny model is fastest on the processor
for _pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_pool] = "1"

try:
    import numpy as np
    import torch
    import trl_sdft
    from rates import matrix_rate
    from torch.utils.flop_counter import FlopCounterMode

    from workbench.config import RunConfig
    from workbench.learners import batch_order, fit, make_optimizer
    from workbench.learners.text import SDFT, TextLearner
    from workbench.measure.completions import complete
    from workbench.measure.intervals import seed_interval
    from workbench.runs.experiment import make_learner, stream_of
    from workbench.system.provenance import environment, package_version
    from workbench.system.runtime import generator, threads
    from workbench.tasks.text import TextExamples
except ImportError as error:
    sys.exit(f"{error}. This needs the workbench and TRL: "
             ".venv/bin/python -m pip install -e . -c constraints.txt trl==1.16.0")

ROOT = Path(__file__).resolve().parent.parent
SPEED = ROOT / "artifacts" / "bench" / "sdft.json"
AGREEMENT = ROOT / "data" / "results" / "trl_agreement.json"
SKILL, BATCH, LR, STEPS, ITEMS = "facts-new", 32, 1e-4, 60, 48
WARM_UP = 3
PHASES = ("sampling", "student forward", "teacher forward", "loss", "backward", "optimiser")
SQUARE, DECODING = (1024, 1024, 1024), (BATCH, 160, 448)
MASTERED, EVERY, AT_MOST = 0.95, 5, 300
RACERS = (("sft", 1e-3), ("sft", 3e-4), ("sdft", 1e-4), ("sdft", 3e-4))
"""The rate that the search chose of each method, and the next larger one."""


class Ours:
    """A method of the workbench in training, step by step.

    Parameters
    ----------
    method : str
        Learner.
    steps : int
        That will be taken.
    lr, seed
        Of the training.
    clock : callable
        What phases are measured by: seconds, or a count of operations.
    **settings
        Others of `workbench.RunConfig`, such as the model.
    """

    def __init__(self, method: str, steps: int, lr: float = LR, seed: int = 0,
                 clock: Callable[[], float] = time.perf_counter, **settings: Any) -> None:
        config = RunConfig(stream="skills", skills=(SKILL,), learner=method, seeds=(seed,), lr=lr,
                           steps=steps, batch_size=BATCH, items=ITEMS, **settings)
        self.stream, self.clock = stream_of(config), clock
        self.task = self.stream.tasks[0]
        learner = make_learner(config, self.stream)
        assert isinstance(learner, TextLearner)
        learner.begin(self.task)
        optimizer = make_optimizer(learner, lr)
        self.learner, self.phases = learner, {name: [] for name in PHASES}
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.losses: list[float] = []
        self.responses: list[torch.Tensor] = []
        self._spent: dict[str, float] = {}
        if isinstance(learner, SDFT):
            learner.rollout = self._noting(self._timed("sampling", learner.rollout))
            learner.read = self._reading(learner.read)
            learner.teacher.logits = self._timed("teacher forward", learner.teacher.logits)
        learner.logits = self._timed("student forward", learner.logits)
        learner.loss = self._timed("all of the loss", learner.loss)
        optimizer.step = self._timed("optimiser", optimizer.step)
        self._steps = fit(learner, self.task, optimizer, steps=steps, batch_size=BATCH,
                          precision=config.precision, clip=config.clip)

    def _timed(self, name: str, function: Any) -> Any:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = self.clock()
            result = function(*arguments, **named)
            self._spent[name] = self.clock() - began
            return result
        return timed

    def _reading(self, read: Any) -> Any:
        """Time the student's reading of prompts and of responses together."""
        def reading(*arguments: Any) -> Any:
            began = self.clock()
            prompts = read(*arguments)
            spent, logits = self.clock() - began, prompts.logits

            def timed(*responses: Any) -> Any:
                began = self.clock()
                result = logits(*responses)
                self._spent["student forward"] = spent + self.clock() - began
                return result

            prompts.logits = timed
            return prompts
        return reading

    def _noting(self, rollout: Any) -> Any:
        def noting(*arguments: Any) -> Any:
            ids, mask = rollout(*arguments)
            self.responses.append(ids)
            return ids, mask
        return noting

    def step(self) -> None:
        """Take a step and note how long it took, as a whole and by phase."""
        self._spent, began = dict.fromkeys(PHASES, 0.0), (time.perf_counter(), time.process_time())
        at = self.clock()
        self.losses.append(float(next(self._steps)))
        whole = self.clock() - at
        self.seconds.append(time.perf_counter() - began[0])
        self.cpu.append(time.process_time() - began[1])
        spent = self._spent
        spent["backward"] = whole - spent["all of the loss"] - spent["optimiser"]
        spent["loss"] = spent.pop("all of the loss") - sum(spent[name] for name in PHASES[:3])
        for name in PHASES:
            self.phases[name].append(spent[name])

    @property
    def model(self) -> Any:
        """The student."""
        return self.learner.model.models[0]

    def rows(self, steps: int = 0) -> list[dict[str, str]]:
        """Return the items for TRL, in the order of the batches of so many steps; 0: as stored."""
        items = self.learner.items
        if steps:
            order = batch_order(self.learner.model.seeds[0], 0, len(items), steps, BATCH)
            items = tuple(items[int(i)] for i in order.flatten())
        return trl_sdft.rows_for(self.learner.model.tokenizer, items)

    def draw(self) -> torch.Generator:
        """Return a generator that draws what the learner's own drew from its beginning on."""
        return generator(self.learner.model.seeds[0], "learner")


def same_prompts(ours: Ours, trainer: Any) -> bool:
    """Whether TRL makes the same tokens of every item's student's and teacher's prompt."""
    theirs = trl_sdft.prompt_ids(trainer, ours.rows())
    own = [[row[real.bool()].tolist() for row, real in zip(*prompts, strict=True)]
           for prompts in (ours.learner.prompts, ours.learner.teacher.prompts)]
    return list(theirs) == own


def same_responses(ours: Ours, seen: trl_sdft.Seen) -> list[bool]:
    """Return for each step whether both sides sampled the same tokens, every one of them."""
    return [torch.equal(a, b) for a, b in zip(ours.responses, seen.responses, strict=True)]


def measure_steps(rounds: int, settings: dict[str, Any] | None = None,
                  **changed: Any) -> dict[str, Any]:
    """Return the medians of all sides, which take turns step by step, and those of the phases.

    Parameters
    ----------
    rounds : int
        Steps of each side that count; a few before them do not.
    settings : dict, optional
        Of ours, other than those above.
    **changed
        Settings of TRL's other than `trl_sdft.MATCHED`.
    """
    count, settings = rounds + WARM_UP, settings or {}
    sdft, sft = (Ours(method, count, **settings) for method in ("sdft", "sft"))
    seen = trl_sdft.Seen()
    rates: dict[str, list[float]] = {"large": [], "decoding": []}

    def between() -> None:
        sdft.step()
        sft.step()
        if len(sdft.seconds) % 5 == 0:
            rates["large"].append(matrix_rate(SQUARE, torch.float32, seconds=0.1))
            rates["decoding"].append(matrix_rate(DECODING, torch.float32, seconds=0.02))

    with trl_sdft.trainer_for(sdft.rows(count), steps=count, batch_size=BATCH, lr=LR, seed=0,
                              seen=seen, draw=sdft.draw(), between=between, **changed) as trainer:
        equal = same_prompts(sdft, trainer)
        trainer.train()
    sides = {"sdft": sdft, "sft": sft, "trl": seen}
    found: dict[str, Any] = {
        "rounds": rounds, "same_prompts": equal,
        "steps_with_the_same_responses": sum(same_responses(sdft, seen)[WARM_UP:]),
        "response_tokens": float(np.mean([ids.shape[1] for ids in sdft.responses])),
        "seconds": {name: median(side.seconds) for name, side in sides.items()},
        "cpu_seconds": {name: median(side.cpu) for name, side in sides.items()},
        "phases": {name: median(values) for name, values in sdft.phases.items()},
        "matrix_rates": {name: float(np.median(values)) for name, values in rates.items() if values}
    }
    for kind in ("seconds", "cpu_seconds"):
        of = found[kind]
        found[f"ratios_{kind}"] = {"sdft / sft": of["sdft"] / of["sft"],
                                   "trl / sdft": of["trl"] / of["sdft"]}
    found["all_seconds"] = {name: side.seconds for name, side in sides.items()}
    return found


def median(values: list[float]) -> float:
    """Return the median without the warm-up."""
    return float(np.median(values[WARM_UP:]))


def count_operations(steps: int = 3) -> dict[str, float]:
    """Return the operations of an SDFT step's matrix products by phase, without attention's."""
    with FlopCounterMode(display=False) as counter:
        ours = Ours("sdft", steps, clock=lambda: float(counter.get_total_flops()))
        for _ in range(steps):
            ours.step()
    return {name: float(np.mean(values)) for name, values in ours.phases.items()}


def scores(model: Any, ours: Ours) -> dict[str, Any]:
    """Return a model's accuracy on the new skill and on each known one, 48 test items of each."""
    def of(task: Any) -> float:
        assert isinstance(task.test, TextExamples)
        return complete(model, ours.learner.model.tokenizer, task.test.items).accuracy

    return {"new": of(ours.task), "old": [of(task) for task in ours.stream.old_tasks]}


def kept(after: dict[str, Any], before: dict[str, Any]) -> float:
    """Return the mean over known skills of accuracy relative to before."""
    return float(np.mean(np.divide(after["old"], before["old"])))


def race(seeds: range, at_most: int) -> list[dict[str, Any]]:
    """Return how long each method trains until the new skill is mastered on validation items.

    Methods take turns, a few steps each; what is counted is training alone.
    """
    results = []
    for seed in seeds:
        running = {racer: Ours(racer[0], at_most, racer[1], seed, clip=1.0) for racer in RACERS}
        before = scores(next(iter(running.values())).learner.model.base,
                        next(iter(running.values())))
        while running:
            for (method, lr), ours in list(running.items()):
                for _ in range(min(EVERY, at_most - len(ours.seconds))):
                    ours.step()
                right = complete(ours.model, ours.learner.model.tokenizer,
                               ours.task.validation.items).accuracy
                if right < MASTERED and len(ours.seconds) < at_most:
                    continue
                del running[method, lr]
                results.append({
                    "method": method, "lr": lr, "seed": seed, "mastered": right >= MASTERED,
                    "steps": len(ours.seconds), "seconds": sum(ours.seconds),
                    "cpu_seconds": sum(ours.cpu), "validation": right,
                    "kept": kept(scores(ours.model, ours), before)})
                print(f"seed {seed}: {method} at {lr:g}: {right:.2f} after "
                      f"{len(ours.seconds)} steps", file=sys.stderr)
    return results


def weights(model: Any) -> torch.Tensor:
    """Return all weights as one vector."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def agree(seeds: range, steps: int) -> dict[str, Any]:
    """Return each seed's scores by side, and how far the two are apart with the same draws."""
    each: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for seed in seeds:
        ours = Ours("sdft", steps, seed=seed)
        before = before or scores(ours.learner.model.base, ours)
        settings: dict[str, Any] = {"steps": steps, "batch_size": BATCH, "lr": LR, "seed": seed}
        with trl_sdft.trainer_for(ours.rows(steps), seen=trl_sdft.Seen(), **settings) as trainer:
            equal = same_prompts(ours, trainer)
        for _ in range(steps):
            ours.step()
        same = trl_sdft.train(ours.rows(steps), draw=ours.draw(), **settings)
        own = trl_sdft.train(ours.rows(), shuffle_dataset=True, **settings)
        moved = (weights(ours.model) - weights(ours.learner.model.base)).norm()
        gaps = np.abs(np.subtract(ours.losses, same.losses)) / np.abs(ours.losses)
        found: dict[str, Any] = {
            "seed": seed, "same_prompts": equal,
            "steps_with_the_same_responses": sum(same_responses(ours, same)),
            "largest_relative_loss_gap": float(gaps.max()),
            "median_relative_loss_gap": float(np.median(gaps)),
            "weights_apart_relative_to_moved": float(
                (weights(ours.model) - weights(same.model)).norm() / moved)}
        for name, model in (("workbench", ours.model), ("trl, same draws", same.model),
                            ("trl, own draws", own.model)):
            score = scores(model, ours)
            found[name] = score | {"kept": kept(score, before)}
            print(f"seed {seed}, {name}: new {score['new']:.3f}, kept {found[name]['kept']:.3f}",
                  file=sys.stderr)
        each.append(found)
    watched = [task.name for task in ours.stream.old_tasks]
    return {"watched": watched, "before": before, "seeds": each, "summary": {
        measure: summarise({name: [found[name][measure] for found in each] for name in
                            ("workbench", "trl, same draws", "trl, own draws")})
        for measure in ("new", "kept")}}


def summarise(values: dict[str, list[float]]) -> dict[str, Any]:
    """Return mean and Student's 95 % interval of each side, and of the paired differences."""
    def described(numbers: list[float]) -> dict[str, float]:
        low, high = seed_interval(numbers)
        return {"mean": float(np.mean(numbers)), "low": float(low), "high": float(high)}

    found: dict[str, Any] = {name: described(numbers) for name, numbers in values.items()}
    ours = found["workbench"]
    for name, numbers in values.items():
        if name != "workbench":
            theirs = found[name]
            found[f"{name} - workbench"] = described(
                np.subtract(numbers, values["workbench"]).tolist())
            theirs["overlaps"] = ours["low"] <= theirs["high"] and theirs["low"] <= ours["high"]
    return found


def show_speed(report: dict[str, Any]) -> None:
    """Print the speed as tables."""
    steps, operations = report["steps"], report["operations"]
    print(f"# An SDFT step, tiny model, {SKILL}, batch {BATCH}, one thread\n\n"
          f"Medians of {steps['rounds']} steps each, taken in turns; prompts equal token for token:"
          f" {steps['same_prompts']}; equal responses in {steps['steps_with_the_same_responses']} "
          f"steps, of {steps['response_tokens']:.1f} tokens.\n")
    print("| step | ms | ms of processor |\n| --- | ---: | ---: |")
    for name, what in (("sft", "SFT, workbench"), ("sdft", "SDFT, workbench"),
                       ("trl", f"SDFT, TRL {report['environment']['trl']}")):
        print(f"| {what} | {1e3 * steps['seconds'][name]:.0f} | "
              f"{1e3 * steps['cpu_seconds'][name]:.0f} |")
    recomputing = report["steps_with_trl_recomputing"]
    print("\n| ratio | of seconds | of processor seconds | bar |\n| --- | ---: | ---: | --- |")
    for name, bar in (("sdft / sft", "at most 1.4"), ("trl / sdft", "at least 1.3, goal 1.6")):
        print(f"| {name} | {steps['ratios_seconds'][name]:.2f} | "
              f"{steps['ratios_cpu_seconds'][name]:.2f} | {bar} |")
    print(f"| trl / sdft, TRL recomputing activations, its default | "
          f"{recomputing['ratios_seconds']['trl / sdft']:.2f} | "
          f"{recomputing['ratios_cpu_seconds']['trl / sdft']:.2f} | none |")
    rates = steps["matrix_rates"]
    print(f"\nFloor: matrix products alone, at {rates['large'] / 1e9:.0f} billion operations a "
          f"second (1024 square, float32; at the decoding's shape, {rates['decoding'] / 1e9:.0f})."
          "\n\n| phase of ours | ms | share | million operations | floor, ms |\n"
          "| --- | ---: | ---: | ---: | ---: |")
    whole = sum(steps["phases"].values())
    for name, seconds in [*steps["phases"].items(), ("all", whole)]:
        count = operations.get(name, sum(operations.values()))
        print(f"| {name} | {1e3 * seconds:.1f} | {seconds / whole:.0%} | {count / 1e6:.0f} | "
              f"{1e3 * count / rates['large']:.1f} |")
    print(f"\nSeconds of training to {MASTERED} on the validation items, looked at every {EVERY} "
          f"steps, at most {AT_MOST}:\n\n| method | rate | seeds there | steps | seconds | "
          "accuracy kept |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for method, lr in RACERS:
        runs = [r for r in report["race"] if (r["method"], r["lr"]) == (method, lr)]
        steps_, seconds, left = (np.median([r[key] for r in runs])
                                 for key in ("steps", "seconds", "kept"))
        print(f"| {method} | {lr:g} | {sum(r['mastered'] for r in runs)} of {len(runs)} | "
              f"{steps_:.0f} | {seconds:.1f} | {left:.2f} |")


def show_agreement(report: dict[str, Any]) -> None:
    """Print the agreement as a table."""
    seeds = report["seeds"]
    print(f"\n# SDFT by the workbench and by TRL {report['environment']['trl']}, {SKILL}, "
          f"{report['config']['steps']} steps, {len(seeds)} seeds\n\nMeans with Student's 95 % "
          "intervals; differences are paired by seed.\n\n| | new skill | known skills kept |\n"
          "| --- | --- | --- |")
    for name in report["summary"]["new"]:
        cells = [report["summary"][measure][name] for measure in ("new", "kept")]
        print(f"| {name} | " + " | ".join(
            f"{c['mean']:.3f} ({c['low']:.3f} to {c['high']:.3f})"
            + ("" if "overlaps" not in c else ", overlaps" if c["overlaps"] else ", apart")
            for c in cells) + " |")
    alike = [found["steps_with_the_same_responses"] for found in seeds]
    gaps, apart = ([f"{found[key]:.0e}" for found in seeds] for key in
                   ("median_relative_loss_gap", "weights_apart_relative_to_moved"))
    print(f"\nWith the same draws, by seed: equal responses in {alike} steps; median relative gap "
          f"of the losses {gaps}; weights apart, of what was moved, {apart}.\n")
    for name, value in report["config"]["matched"].items():
        print(f"- {name}: TRL's own {value['trl']!r}, here {value['here']!r}")


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("all", "speed", "agreement"), default="all")
    parser.add_argument("--rounds", type=int, default=60, help="steps timed (default 60)")
    parser.add_argument("--seeds", type=int, default=5, help="of the agreement (default 5)")
    parser.add_argument("--race-seeds", type=int, default=3, help="of the race (default 3)")
    parser.add_argument("--quick", action="store_true", help="a few steps of each, no record")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the reports."""
    asked = parse_arguments()
    rounds, steps, most = (asked.rounds, STEPS, AT_MOST) if not asked.quick else (2, 2, 2)
    seeds, racing = (range(2), range(1)) if asked.quick else (range(asked.seeds),
                                                              range(asked.race_seeds))
    made: dict[str, Any] = {
        "command": shlex.join([".venv/bin/python", "benchmarks/sdft.py", *sys.argv[1:]]),
        "environment": environment() | {
            name: package_version(name) for name in ("trl", "accelerate", "datasets")}}
    reports: list[tuple[Path, dict[str, Any]]] = []
    with threads(1):
        if asked.what in ("all", "speed"):
            reports.append((SPEED, made | {
                "steps": measure_steps(rounds), "operations": count_operations(),
                "steps_with_trl_recomputing": measure_steps(rounds // 2,
                                                            gradient_checkpointing=True),
                "race": race(racing, most)}))
            show_speed(reports[-1][1])
        if asked.what in ("all", "agreement"):
            config = {"skill": SKILL, "batch_size": BATCH, "lr": LR, "steps": steps,
                      "items": ITEMS, "model": "tiny", "trl": trl_sdft.MATCHED,
                      "matched": trl_sdft.differing_defaults()}
            reports.append((AGREEMENT, made | {"config": config} | agree(seeds, steps)))
            show_agreement(reports[-1][1])
    for path, report in reports:
        if not asked.quick:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(report, indent=1) + "\n")
            print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
