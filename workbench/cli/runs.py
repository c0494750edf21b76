"""The commands that train, the command ``show``, and common options, exit codes and Ctrl-C."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import tyro

from workbench.cli.parsing import Flag, checked, form, name_of, parse
from workbench.config import RunConfig
from workbench.errors import ConfigError

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit codes: a measured model did not pass; the command was wrong; Ctrl-C."""
Settings = TypeVar("Settings")
Command = Callable[[list[str]], int]


@dataclass(frozen=True, kw_only=True)
class Output:
    """Options of a command that prints text or JSON."""

    json: Flag = False
    """Print JSON on stdout."""


@dataclass(frozen=True, kw_only=True)
class Printing(Output):
    """Options of the output of a run."""

    quiet: Flag = False
    """Show no progress bar."""


@dataclass(frozen=True, kw_only=True)
class Resumed(Printing):
    """Options of a resumed run."""

    resume: Path
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class New(Printing, Generic[Settings]):
    """Options of a new run."""

    settings: Settings
    out: Path | None = None
    """A new folder for the run. Without it nothing is kept."""
    resume: Path | None = None
    """Continue the run in this folder, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Gated(New[Settings]):
    """Options of a new run that the gate may refuse."""

    force: Flag = False
    """Go on if the model does not pass the gate; the record is labelled as forced."""


@dataclass(frozen=True)
class Show(Output):
    """Options of `show`."""

    folder: tyro.conf.Positional[Path]
    """Folder of a run."""


RunForm = form(RunConfig, {"options": "option"})
TrainForm = form(RunConfig, {"options": "option", "skills": "skill", "seeds": "seed"},
                 hidden=("stream", "scenario", "tasks", "hidden", "data_seed", "backbone",
                         "retriever"))
TRAINING = TrainForm(stream="skills", learner="sdft", lr=1e-4, steps=120, items=48, diagnose=True,
                     clip=1.0, checkpoint_every=20)
"""Default settings of ``train``."""


def run(words: list[str]) -> int:
    """Train a learner on a stream and evaluate it on all tasks after each."""
    from workbench.cli.tables import listing

    options = resumed(words, run) or parse(Gated, words, run, RunForm)
    if isinstance(options, Gated):
        for kind in ("stream", "learner", "retriever"):
            if getattr(options.settings, kind) == "help":
                print(listing(kind))
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


def execute(options: Resumed | Gated[Any], command: Command) -> int:
    """Run or resume, print the record, and return the exit code of `run` or `train`.

    The first Ctrl-C stops after the current step, a second one at once.
    """
    from workbench.cli.tables import print_record
    from workbench.runs import experiment
    from workbench.system import processes

    device = "cpu" if isinstance(options, Resumed) else options.settings.device
    with processes.together(device), stop_on_interrupt() as stop:
        first = processes.rank() == 0
        bar = first and not options.quiet
        if isinstance(options, Resumed):
            if processes.count() > 1:
                raise ConfigError("a run is continued by one process: start without a launcher")
            folder: Path | None = options.resume
            record = experiment.resume(options.resume, stop=stop.is_set, progress=bar)
        else:
            folder = options.out
            record = experiment.run(checked(RunConfig, options.settings),
                                    out=folder if first else None, force=options.force,
                                    stop=stop.is_set, progress=bar)
    if not first:
        return 0
    print_record(record, options.json, one_model=command is train)
    return finish(record.status, command, folder)


def resumed(words: list[str], command: Command) -> Resumed | None:
    """Return the options of a resumed run, or None without ``--resume``; refuse other settings."""
    if not any(word.split("=")[0] == "--resume" for word in words) or {"-h", "--help"} & {*words}:
        return None
    options, others = parse(Resumed, words, command, return_unknown=True)
    if others:
        names = [word.lstrip("-").split("=")[0] for word in others if word.startswith("-")]
        raise ConfigError("--resume continues a run with the settings that it was started with; "
                          f"leave out: {', '.join(names or others)}")
    return options  # type: ignore[no-any-return]


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C inside the block; a second one interrupts.

    An interrupt that is ignored, as in background jobs of a shell, stays ignored.
    """
    stop = threading.Event()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield stop
        return

    def handle(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def finish(status: str, command: Command, folder: Path | None) -> int:
    """Return the exit code of a run; if Ctrl-C stopped it, print how to continue it."""
    if status != "stopped":
        return 0
    advice = (f"Continue with: workbench {name_of(command)} --resume {folder}" if folder else
              "Without --out nothing was kept.")
    print(f"stopped. {advice}", file=sys.stderr)
    return INTERRUPTED
