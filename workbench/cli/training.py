"""The commands that train a language model on a skill and look at what became of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import INTERRUPTED, app
from workbench.cli.gating import label_of, pass_gate
from workbench.cli.streams import execute, first_lines, parse_options
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.record import RunRecord

@app.command()
def train(
    model: Annotated[str | None, typer.Option(help="tiny, nano, a folder or a hub id.")] = None,
    learner: Annotated[str | None, typer.Option(help="Method; 'help' lists them.")] = None,
    skill: Annotated[str | None, typer.Option(help="A skill, or a .jsonl file.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions per step.")] = None,
    clip: Annotated[float | None, typer.Option(
        help="Largest norm of the gradient; 1 by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of batches and sampling; 0 by default.")] = None,
    option: Annotated[list[str] | None, typer.Option(
        help="Setting of the learner's own: teacher=ema.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Train adapters; 0: all weights.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    precision: Annotated[str | None, typer.Option(
        help="fp32; or bf16 for matrix products, with weights in fp32.")] = None,
    items: Annotated[int | None, typer.Option(
        help="Test on so many items of each skill; 0: all; 48 by default.")] = None,
    diagnose: Annotated[bool | None, typer.Option(
        help="Measure drift, entropy and manner too, as is done by default.")] = None,
    force: Annotated[bool, typer.Option(help="Go on if the gate is not passed.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for model and record.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option(help="Show no progress bar.")] = False,
) -> None:
    """Train a language model on one skill; write it in the Hugging Face format, with its record."""
    if learner == "help":
        from workbench.learners.text import TEXT_LEARNERS

        print(first_lines(TEXT_LEARNERS))
        return
    given: dict[str, Any] = {name: value for name, value in {
        "model": model, "learner": learner, "lr": lr, "steps": steps, "batch_size": batch_size,
        "options": parse_options(option), "lora_rank": lora_rank, "device": device,
        "precision": precision, "clip": clip, "items": items, "diagnose": diagnose,
        "seeds": None if seed is None else (seed,)}.items() if value is not None}
    if resume is not None:
        if given or skill or out or force:
            raise ConfigError("--resume goes on with the settings that the run was begun with; "
                              "leave out the others")
        label = label_of(resume)
        record = execute({}, None, resume, not quiet)
    else:
        if out is None or skill is None:
            raise ConfigError("give --skill, what to learn, and --out, a folder for the model")
        settings = {"stream": "skills", "skills": (skill,), "learner": "sdft", "lr": 1e-4,
                    "steps": 120, "items": 48, "diagnose": True, "clip": 1.0,
                    "checkpoint_every": 20, **given}
        if settings["learner"] == "adapter_per_skill":  # which is told whose question it is
            settings["scenario"] = "task"
        label = pass_gate(settings, out, force)
        record = execute(settings, out, None, not quiet)
    report(record, label, as_json)
    if record.status == "stopped":
        print(f"stopped. Go on with: workbench train --resume {out or resume}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


def report(record: RunRecord, label: str, as_json: bool) -> None:
    """Print what was learned and what was kept."""
    from workbench.report import summary

    if as_json:
        print(json.dumps({**summary(record), "gate": label}))
        return
    config = record.config
    print(f"{config.learner} on {config.skills[0]}, {config.model}, seed {config.seeds[0]}: "
          f"{record.status}, {record.steps_taken} steps, {record.total_seconds:.1f} s"
          + (f"; {label}" if label else ""))
    rows = [(record.task_names[0], record.baseline[0, 0], record.accuracy[0, 0, 0])]
    rows += list(zip(record.watched_names, record.watched[0, 0], record.watched[0, 1],
                     strict=True))
    print(f"{'right (%)':24s}{'before':>8s}{'after':>8s}")
    for name, before, after in rows:
        print(f"{name:24s}{100 * before:8.1f}{100 * after:8.1f}")
    for i, name in enumerate(record.diagnostic_names):
        before, after = record.diagnostics[0, :2, i]
        print(f"{name:24s}{before:8.2f}{after:8.2f}")


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="A folder that `train` wrote, or any model.")] = "tiny",
    skill: Annotated[list[str] | None, typer.Option(
        help="New skills to test; those of the run by default.")] = None,
    base: Annotated[str | None, typer.Option(
        help="What it was made from; as the run says by default.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    items: Annotated[int, typer.Option(help="So many items of each skill; 0: all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Measure what a model can do, skill by skill, and how far it is from its base."""
    from workbench.assessment import assess
    from workbench.errors import UnknownNameError
    from workbench.models.loading import load_causal_lm
    from workbench.record import RunRecord
    from workbench.tasks import SPLITS

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    if items < 0:
        raise ConfigError(f"items must be at least 0, not {items}")
    if (Path(model) / "run.json").is_file():
        config = RunRecord.load(model).config
        skill, base = skill or list(config.skills), base or config.model
    found = assess(*load_causal_lm(model), skill or [], split=split, most=items,
                   base=load_causal_lm(base)[0] if base else None)
    if as_json:
        print(json.dumps({"model": model, "base": base, **found}))
        return
    print(f"{model}, {split} items: right (%), with 95 % intervals")
    for name, rates in found["skills"].items():
        right = rates["right"]
        print(f"  {name:20s}{100 * right['rate']:6.1f}  ({100 * right['low']:.1f} to "
              f"{100 * right['high']:.1f})"
              + (f"  own voice {100 * rates['own_voice']['rate']:5.1f}"
                 if "own_voice" in rates else "")
              + ("  working " + f"{100 * rates['working']['rate']:.1f}"
                 if "working" in rates else "") + ("  new" if rates["new"] else ""))
    for name, nats in found["kl_to_base"].items():
        print(f"  KL(base || model) on {name} prompts: "
              + ("not measured" if nats is None else f"{nats:.2f} nats a response"))
