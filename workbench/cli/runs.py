"""The commands that train on streams and skills, and ``show``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from workbench.cli.app import Gated, Output, Resumed, finish, resumed, stop_on_interrupt
from workbench.cli.parsing import checked, form, parse
from workbench.config import RunConfig
from workbench.errors import ConfigError

RunForm = form(RunConfig, {"options": "option"})
TrainForm = form(RunConfig, {"options": "option", "skills": "skill", "seeds": "seed"},
                 hidden=("stream", "scenario", "tasks", "hidden", "data_seed"))
TRAINING = TrainForm(stream="skills", learner="sdft", lr=1e-4, steps=120, items=48, diagnose=True,
                     clip=1.0, checkpoint_every=20)
"""Default settings of ``train``."""


@dataclass(frozen=True)
class Show(Output):
    """Options of `show`."""

    folder: tyro.conf.Positional[Path]
    """Folder of a run."""


def run(words: list[str]) -> int:
    """Train a learner on a stream and evaluate it on all tasks after each."""
    from workbench.cli.tables import listing

    options = resumed(words, run) or parse(Gated, words, run, RunForm)
    if isinstance(options, Gated) and "help" in (options.settings.stream, options.settings.learner):
        print(listing(options.settings.stream == "help"))
        return 0
    return execute(options, run)


def train(words: list[str]) -> int:
    """Train a language model on one skill; write it in the Hugging Face format, with its record."""
    from workbench.cli.tables import first_lines
    from workbench.runs.record import RunRecord

    options = resumed(words, train)
    if options is not None:
        config = RunRecord.load(options.resume).config
        if config.stream != "skills" or len(config.skills) > 1 or len(config.seeds) > 1:
            raise ConfigError(f"{options.resume} holds a run on {config.stream} with "
                              f"{config.tasks} tasks and {len(config.seeds)} seeds, which is "
                              f"continued with: workbench run --resume {options.resume}")
    else:
        options = parse(Gated, words, train, TrainForm, Gated(settings=TRAINING))
        if options.settings.learner == "help":
            from workbench.learners.text import TEXT_LEARNERS

            print(first_lines(TEXT_LEARNERS))
            return 0
        if options.out is None or not options.settings.skills:
            raise ConfigError("give --skill, the skill to learn, and --out, a folder for the model")
        if len(options.settings.skills) > 1 or len(options.settings.seeds) > 1:
            raise ConfigError("train makes one model: give one --skill and one --seed. Several "
                              "are for: workbench run --stream skills --skills ... --seeds ...")
    return execute(options, train)


def show(words: list[str]) -> int:
    """Print the accuracies and metrics of a run."""
    from workbench.cli.tables import print_record
    from workbench.runs.record import RunRecord

    options = parse(Show, words, show)
    print_record(RunRecord.load(options.folder), options.json)
    return 0


def execute(options: Resumed | Gated[Any], command: Callable[[list[str]], int]) -> int:
    """Run or resume, print the record, and return the exit code of `run` or `train`.

    The first Ctrl-C stops after the current step, a second one at once.
    """
    from workbench.cli.tables import print_record
    from workbench.runs import experiment

    with stop_on_interrupt() as stop:
        if isinstance(options, Resumed):
            record = experiment.resume(options.resume, stop=stop.is_set,
                                       progress=not options.quiet)
        else:
            record = experiment.run(checked(RunConfig, options.settings), out=options.out,
                                    force=options.force, stop=stop.is_set,
                                    progress=not options.quiet)
    print_record(record, options.json, one_model=command is train)
    folder = options.resume if isinstance(options, Resumed) else options.out
    return finish(record.status, command, folder)
