"""The output of the commands that train, as tables and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from workbench.learners import CONTROLS, LEARNERS, ON_BACKBONES
from workbench.learners.routing import RETRIEVERS
from workbench.learners.text import TEXT_LEARNERS
from workbench.measure.intervals import seed_interval
from workbench.measure.metrics import LIMITS, summarise
from workbench.runs.record import RunRecord
from workbench.system.files import to_json
from workbench.tasks import NEW_SKILLS, STREAMS


def listing(kind: str) -> str:
    """Return the known streams, learners or retrievers, with descriptions."""
    if kind == "stream":
        known = "\n".join(f"{name}  (usually in the {usual} scenario)"
                          for name, (*_, usual) in STREAMS.items())
        return (f"{known}\nintents  (labelled texts for a backbone; or the path of a .jsonl file)\n"
                f"skills  (a language model; --skills {' '.join(NEW_SKILLS)})")
    if kind == "retriever":
        return "\n".join(f"{name:14s}{text}" for name, text in RETRIEVERS.items())
    return (f"for streams of digits\n{first_lines(LEARNERS | CONTROLS)}\n"
            f"for adapters on a backbone\n{first_lines(ON_BACKBONES)}\n"
            f"for text skills\n{first_lines(TEXT_LEARNERS)}")


def first_lines(methods: Mapping[str, type]) -> str:
    """Return the names of methods with the first line of their docstrings."""
    return "\n".join(f"  {name:26s}{(method.__doc__ or '').splitlines()[0]}"
                     for name, method in methods.items())


def print_record(record: RunRecord, as_json: bool, one_model: bool = False) -> None:
    """Print a record as JSON, as tables, or as the table of `train` for one language model."""
    if as_json:
        print(to_json(summary(record)))
    elif one_model:
        print_training(record)
    else:
        print_tables(record)


def summary(record: RunRecord) -> dict[str, Any]:
    """Return what ``workbench run --json`` prints: lists with seeds first."""
    defined, undefined = summarise(record.matrix())
    return {"accuracy": record.accuracy.tolist(), "baseline": record.baseline.tolist(),
            "old": {"names": record.old_names, "accuracy": record.old_accuracy.tolist()},
            "diagnostics": {"names": record.diagnostic_names,
                            "values": record.diagnostics.tolist()},
            "metrics": {k: np.asarray(v).tolist() for k, v in defined.items()},
            "undefined": undefined, "seconds": record.total_seconds,
            "gate": record.gate and record.gate["label"], **retrieval(record),
            "config": asdict(record.config), "scenario": record.scenario, "status": record.status,
            "tasks": record.task_names, "steps": record.steps_taken,
            "samples": record.samples_seen, "stored_bytes": record.stored_bytes}


def retrieval(record: RunRecord) -> dict[str, Any]:
    """Return retrieval and its parts, by seed and task after the last task; None without them."""
    known = record.retrieval or {}
    return {"retrieval": known.get("retrieval"), "oracle": known.get("oracle"),
            "confusion": known.get("confusion"),
            "decomposition": known and {
                "task_right": known["retrieval"],
                "class_right_if_task_right": known["class_if_task_right"],
                "class_right_if_task_wrong": known["class_if_task_wrong"]} or None}


def state(record: RunRecord) -> str:
    """Return status, steps, seconds and the gate's label of a record in one line."""
    label = f"; {record.gate['label']}" if record.gate else ""
    return f"{record.status}, {record.steps_taken} steps, {record.total_seconds:.1f} s{label}"


def print_tables(record: RunRecord) -> None:
    """Print the accuracies and metrics of a run."""
    print(f"{record.config.learner} on {record.config.stream}, {record.scenario} scenario, seeds "
          f"{', '.join(map(str, record.config.seeds))}: {state(record)}\n")
    stages = [f"after {name}" for name in record.task_names]
    rows = pd.DataFrame(100 * record.accuracy.mean(0), stages, record.task_names)
    print("accuracy (%), mean over seeds; row: trained through, column: tested on")
    print(rows.to_string(float_format="{:.1f}".format, na_rep="–"), end="\n\n")
    if record.old_names:
        known = pd.DataFrame(100 * record.old_accuracy.mean(0), ["before", *stages],
                             record.old_names)
        print("accuracy (%) on what was known before; never trained on")
        print(known.to_string(float_format="{:.1f}".format), end="\n\n")
    if record.retrieval:
        names = ("retrieval", "accuracy", "oracle", "class_if_task_right", "class_if_task_wrong")
        means = pd.DataFrame({name.replace("_", " "): pd.DataFrame(
            record.retrieval[name], columns=record.task_names, dtype=float).mean()
            for name in names}).T
        print(f"after the last task, retriever {record.config.retriever} (%), mean over seeds")
        print((100 * means).to_string(float_format="{:.1f}".format, na_rep="–"), end="\n\n")
    defined, undefined = summarise(record.matrix())
    for name, values in defined.items():
        scores, interval = np.atleast_1d(values), ""
        if len(scores) > 1:
            # Clipped to values that the metric can have, which does not change its coverage.
            interval_ends = np.asarray(seed_interval(scores))
            low, high = interval_ends.clip(*LIMITS.get(name, (0.0, 1.0)))
            interval = f"  95 % interval {low:.3f} to {high:.3f}"
        print(f"{name:20s}{scores.mean():7.3f}{interval}")
    for name, reason in undefined.items():
        print(f"{name:20s}      –  {reason}")


def print_training(record: RunRecord) -> None:
    """Print the accuracies of one language model before and after training."""
    config = record.config
    print(f"{config.learner} on {config.skills[0]}, {config.model}, seed {config.seeds[0]}: "
          f"{state(record)}")
    rows = [(record.task_names[0], record.baseline[0, 0], record.accuracy[0, 0, 0])]
    rows += list(zip(record.old_names, record.old_accuracy[0, 0], record.old_accuracy[0, 1],
                     strict=True))
    print(f"{'right (%)':24s}{'before':>8s}{'after':>8s}")
    for name, before, after in rows:
        print(f"{name:24s}{100 * before:8.1f}{100 * after:8.1f}")
    for i, name in enumerate(record.diagnostic_names):
        before, after = record.diagnostics[0, :2, i]
        print(f"{name:24s}{before:8.2f}{after:8.2f}")
