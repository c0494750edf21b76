"""The commands of the first lessons: ``doctor``, ``run`` and ``show``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import INTERRUPTED, app, stop_on_interrupt, told_when_interrupted
from workbench.cli.gating import pass_gate
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.record import RunRecord


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say whether this machine is ready for the course, and what mends it if not."""
    from workbench.doctor import doctor as examine

    report = examine()
    print(report.to_json() if as_json else report)
    raise typer.Exit(0 if report.ready else 1)


@app.command()
def run(
    stream: Annotated[str | None, typer.Option(help="Stream of tasks; 'help' lists them.")] = None,
    scenario: Annotated[str | None, typer.Option(help="task, domain or class.")] = None,
    learner: Annotated[str | None, typer.Option(help="Method; 'help' lists them.")] = None,
    seeds: Annotated[list[str] | None, typer.Option(help="One network each: 0 1 2.")] = None,
    option: Annotated[list[str] | None, typer.Option(
        help="Setting of the learner's own: strength=30.")] = None,
    tasks: Annotated[int | None, typer.Option(help="How many tasks.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps per task.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="New examples per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.")] = None,
    model: Annotated[str | None, typer.Option(
        help="Language model for the stream 'skills'.")] = None,
    skills: Annotated[list[str] | None, typer.Option(
        help="Text skills in order, for the stream 'skills'.")] = None,
    lora_rank: Annotated[int | None, typer.Option(
        help="Train a language model's adapters of this rank; 0: all weights.")] = None,
    items: Annotated[int | None, typer.Option(
        help="Test on so many items of each text skill; 0: all.")] = None,
    device: Annotated[str | None, typer.Option(
        help="Where a language model computes: cpu, cuda or mps.")] = None,
    precision: Annotated[str | None, typer.Option(
        help="Of a language model's matrix products: fp32 or bf16.")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    force: Annotated[bool, typer.Option(
        help="Go on if a language model does not pass the gate.")] = False,
    data_seed: Annotated[int | None, typer.Option(help="Which split of the data.")] = None,
    evaluate_every: Annotated[int | None, typer.Option(
        help="Steps between evaluations within a task; 0: none.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to keep the run in.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option(help="Show no progress bar.")] = False,
) -> None:
    """Train a learner on a stream and evaluate it on all tasks after each."""
    if "help" in (stream, learner):
        print(listing(stream == "help"))
        return
    given = {name: value for name, value in {
        "stream": stream, "scenario": scenario, "learner": learner, "tasks": tasks, "steps": steps,
        "batch_size": batch_size, "lr": lr, "data_seed": data_seed,
        "evaluate_every": evaluate_every, "model": model, "skills": skills,
        "lora_rank": lora_rank, "device": device, "precision": precision,
        "clip": clip, "items": items, "seeds": parse_seeds(seeds),
        "options": parse_options(option)}.items() if value is not None}
    if resume is not None and (given or out is not None):
        raise ConfigError("--resume goes on with the settings that the run was begun with; leave "
                          f"out: {', '.join([*given, *(['out'] if out else [])])}")
    if resume is None and given.get("stream") == "skills":
        label = pass_gate(given, out, force)
        if not quiet:
            print(label, file=sys.stderr)
    record = execute(given, out, resume, not quiet)
    print_record(record, as_json)
    if record.status == "stopped":
        where = out or resume
        print("stopped. " + (f"Go on with: workbench run --resume {where}" if where else
                             "Without --out nothing was kept."), file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
         as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the accuracies and metrics of a run."""
    from workbench.record import RunRecord

    print_record(RunRecord.load(folder), as_json)


def execute(settings: dict[str, Any], out: Path | None, resume: Path | None,
            progress: bool) -> RunRecord:
    """Run or resume; the first Ctrl-C stops between two steps, a second one at once."""
    from workbench import experiment
    from workbench.config import RunConfig

    with told_when_interrupted(), stop_on_interrupt() as stop:
        if resume is not None:
            return experiment.resume(resume, stop=stop.is_set, progress=progress)
        return experiment.run(RunConfig(**settings), out=out, stop=stop.is_set, progress=progress)


def parse_seeds(words: list[str] | None) -> tuple[int, ...] | None:
    """Return seeds given as ``0 1 2`` or ``0,1,2``."""
    if words is None:
        return None
    try:
        return tuple(int(part) for word in words for part in word.split(",") if part)
    except ValueError:
        raise ConfigError(f"--seeds takes whole numbers such as 0 1 2, not {words}") from None


def parse_options(words: list[str] | None) -> dict[str, float | int | bool | str] | None:
    """Return options given as ``name=value``: numbers, ``true`` or ``false``, or names."""
    if words is None:
        return None
    options: dict[str, float | int | bool | str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name or not value:
            raise ConfigError("--option takes name=value, such as strength=30 or teacher=ema, "
                              f"not {word!r}")
        try:
            options[name] = (value == "true" if value in ("true", "false") else
                             int(value) if value.lstrip("-").isdigit() else float(value))
        except ValueError:
            options[name] = value
    return options


def listing(streams: bool) -> str:
    """Return the known streams, or the known learners with what they do."""
    if streams:
        from workbench.tasks import NEW_SKILLS, STREAMS
        known = "\n".join(f"{name}  (usually in the {usual} scenario)"
                          for name, (_, usual) in STREAMS.items())
        return f"{known}\nskills  (a language model; --skills {' '.join(NEW_SKILLS)})"
    from workbench.learners import CONTROLS, LEARNERS
    from workbench.learners.text import TEXT_LEARNERS
    return (f"for streams of digits\n{first_lines(LEARNERS | CONTROLS)}\n"
            f"for text skills\n{first_lines(TEXT_LEARNERS)}")


def first_lines(methods: Mapping[str, type]) -> str:
    """Return names with the first line of what is said of each."""
    return "\n".join(f"  {name:24s}{(method.__doc__ or '').splitlines()[0]}"
                     for name, method in methods.items())


def print_record(record: RunRecord, as_json: bool) -> None:
    """Print a record as JSON, or as tables for people."""
    import numpy as np
    import pandas as pd

    from workbench.intervals import seed_interval
    from workbench.metrics import LIMITS, summarise
    from workbench.report import summary

    if as_json:
        print(json.dumps(summary(record)))
        return
    print(f"{record.config.learner} on {record.config.stream}, {record.scenario} scenario, seeds "
          f"{', '.join(map(str, record.config.seeds))}: {record.status}, {record.steps_taken} "
          f"steps, {record.total_seconds:.1f} s\n")
    rows = pd.DataFrame(100 * record.accuracy.mean(0), columns=record.task_names,
                        index=[f"after {name}" for name in record.task_names])
    print("accuracy (%), mean over seeds; row: trained through, column: tested on")
    print(rows.to_string(float_format="{:.1f}".format, na_rep="–"), end="\n\n")
    if record.watched_names:
        stages = ["before", *(f"after {name}" for name in record.task_names)]
        known = pd.DataFrame(100 * record.watched.mean(0), columns=record.watched_names,
                             index=stages)
        print("accuracy (%) on what was known before; never trained on")
        print(known.to_string(float_format="{:.1f}".format), end="\n\n")
    defined, undefined = summarise(record.matrix())
    for name, values in defined.items():
        each = np.atleast_1d(values)
        interval = ""
        if len(each) > 1:
            low, high = seed_interval(each, limits=LIMITS.get(name, (0.0, 1.0)))
            interval = f"  95 % interval {low:.3f} to {high:.3f}"
        print(f"{name:20s}{each.mean():7.3f}{interval}")
    for name, reason in undefined.items():
        print(f"{name:20s}      –  {reason}")
