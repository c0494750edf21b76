"""The commands of the language model: ``make-data``, ``pretrain`` and ``gate``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import INTERRUPTED, app, stop_on_interrupt, told_when_interrupted
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.tasks import Item


@app.command("make-data")
def make_data(
    out: Annotated[Path | None, typer.Option(
        help="Folder for the JSON Lines files; data/skills for seed 0.")] = None,
    seed: Annotated[int, typer.Option(help="Of the items; 0 gives those of the course.")] = 0,
) -> None:
    """Write the text skills of the village, one JSON Lines file each."""
    from workbench.tasks import read_items, write_skills

    if out is None and seed != 0:
        raise ConfigError("give --out for another seed than 0: data/skills holds the items of the "
                          "course, and the shipped model has been trained on some of the others")
    for path in write_skills(out or Path("data/skills"), seed):
        print(f"{path}: {len(read_items(path))} items")


@app.command()
def pretrain(
    out: Annotated[Path | None, typer.Option(help="Folder for the model.")] = None,
    size: Annotated[str | None, typer.Option(help="nano, tiny or small.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and documents.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; the size has its own.")] =
    None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    threads: Annotated[int | None, typer.Option(help="PyTorch threads; 0: all cores.")] = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="Steps between checkpoints.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option(help="Show no progress bar.")] = False,
) -> None:
    """Make a tiny language model from nothing, in the Hugging Face format."""
    from workbench.pretraining import PretrainConfig
    from workbench.pretraining import pretrain as make

    given: dict[str, Any] = {name: value for name, value in {
        "size": size, "seed": seed, "steps": steps, "device": device, "precision": precision,
        "threads": threads, "checkpoint_every": checkpoint_every}.items() if value is not None}
    if resume is not None and (given or out is not None):
        raise ConfigError("--resume goes on with the settings that the run was begun with; leave "
                          f"out: {', '.join([*given, *(['out'] if out else [])])}")
    folder = resume or out
    if folder is None:
        raise ConfigError("give --out, a folder for the model, or --resume")
    with told_when_interrupted(), stop_on_interrupt() as stop:
        log = make(None if resume else PretrainConfig(**given), folder, resume=resume is not None,
                   stop=stop.is_set, progress=not quiet)
    if as_json:
        print(json.dumps(log))
    else:
        last = log["curve"][-1] if log["curve"] else {}
        print(f"{log['config']['size']}, seed {log['config']['seed']}: {log['status']}, "
              f"{log['step']} steps, {log['seconds'] / 60:.1f} minutes")
        for skill, accuracy in last.items():
            if skill != "step":
                print(f"  {skill:18s}{100 * accuracy:5.1f} %"
                      + ("  with an example" if skill.endswith("-new") else ""))
    if log["status"] == "stopped":
        print(f"stopped. Go on with: workbench pretrain --resume {folder}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


@app.command()
def gate(
    model: Annotated[str, typer.Option(help="tiny, nano, a folder or a hub id.")] = "tiny",
    skill: Annotated[str, typer.Option(help="A skill of the village, or a .jsonl file.")] =
    "facts-new",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    items: Annotated[int, typer.Option(help="How many items to measure on.")] = 96,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Measure whether a model can be its own teacher on a skill; exit code 1 if it cannot."""
    from workbench.gate import gate as measure
    from workbench.models import load_causal_lm

    chosen = choose_items(skill, split, items)
    report = measure(*load_causal_lm(model), chosen, name=model)
    print(report.to_json() if as_json else report)
    raise typer.Exit(0 if report.passed else 1)


def choose_items(skill: str, split: str, count: int) -> list[Item]:
    """Return the first items of a split of a skill."""
    from workbench.errors import UnknownNameError
    from workbench.tasks import SPLITS, load_skill

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    if count < 1:
        raise ConfigError(f"items must be at least 1, not {count}")
    chosen = load_skill(skill, split)[:count]
    if not chosen:
        raise ConfigError(f"{skill} has no items in the split {split!r}")
    return chosen
