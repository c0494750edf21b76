"""The command ``study``: a sweep over methods, learning rates and seeds."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic

from workbench.cli.parsing import Flag, checked, form, parse, parse_options
from workbench.cli.runs import TRAINING, Settings
from workbench.config import RunConfig
from workbench.errors import ConfigError, RecordError, positive, whole
from workbench.system.files import locked, require_new_folder, to_json, write_atomically

TABLE, NOTE = "study.csv.gz", "settings.json"


@dataclass(frozen=True, kw_only=True)
class Study(Generic[Settings]):
    """Options of `study`."""

    settings: Settings
    out: Path | None = None
    """Folder of the study; a study that was stopped goes on in its folder."""
    learners: tuple[str, ...] = ("sft", "sdft")
    """Methods to compare; options of one follow a colon: ``sdft:teacher=ema,rate=0.05``."""
    rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates of every method."""
    workers: int = 2
    """Processes of this machine, each with one run at a time."""
    scheduler: str | None = None
    """Address of a Dask scheduler, such as ``tcp://host:8786``, whose workers make the runs in
    place of processes of this machine. They need this package and the same files."""
    force: Flag = False
    """Go on if the model does not pass the gate."""


StudyForm = form(RunConfig, {"options": "option", "skills": "skill", "seeds": "seeds"},
                 hidden=("stream", "scenario", "tasks", "hidden", "data_seed", "backbone",
                         "retriever", "learner", "lr", "checkpoint_every"))


def study(words: list[str]) -> int:
    """Compare methods at several learning rates and seeds, on this machine or on a cluster."""
    options = parse(Study, words, study, StudyForm, Study(settings=StudyForm(
        stream="skills", steps=TRAINING.steps, items=TRAINING.items, clip=TRAINING.clip)))
    from workbench.runs.sweep import add_runs

    if options.out is None or not options.settings.skills:
        raise ConfigError("give --skill, the skill to learn, and --out, a folder for the study")
    whole(workers=options.workers)
    for rate in options.rates:
        positive(rates=rate)
    runs = planned(checked(RunConfig, options.settings), options.learners, options.rates)
    shared = settings_shared_by(runs[0].config)
    with locked(options.out, lambda folder: require_same_study(folder, shared)):
        require_gate(runs, options.force)
        write_atomically(options.out / NOTE, (to_json(shared, indent=1) + "\n").encode())
        table = add_runs(options.out / TABLE, runs, workers=options.workers,
                         scheduler=options.scheduler)
    print_study(table)
    print(f"The table: {options.out / TABLE} (workbench.runs.studies.read_table reads it)")
    return 0


def planned(config: RunConfig, learners: tuple[str, ...], rates: tuple[float, ...]) -> list[Any]:
    """Return the runs of a study: every method at every rate with every seed."""
    from workbench.runs.experiment import method_of
    from workbench.runs.sweep import SweepRun

    runs = []
    for method in learners:
        name, _, own = method.partition(":")
        changes: dict[str, Any] = {"learner": name, "options": config.options | parse_options(
            [word for word in own.split(",") if word])}
        method_of(replace(config, **changes))  # an unknown learner is refused before any run
        runs += [SweepRun(config.evaluate_on, " ".join(config.skills), method, rate, seed,
                          replace(config, **changes, lr=rate, seeds=(seed,)))
                 for rate in rates for seed in config.seeds]
    return runs


def settings_shared_by(config: RunConfig) -> dict[str, Any]:
    """Return the settings that all runs of a study share, as they are stored."""
    varied = ("learner", "options", "lr", "seeds")
    shared = {name: value for name, value in asdict(config).items() if name not in varied}
    return dict(json.loads(to_json(shared)))


def require_same_study(folder: Path, shared: dict[str, Any]) -> None:
    """Refuse a folder with other files, or with a study of other settings."""
    note = folder / NOTE
    if not note.is_file():
        require_new_folder(folder)
        return
    before = json.loads(note.read_text(encoding="utf-8"))
    if changed := sorted(name for name in shared if shared[name] != before.get(name)):
        name = changed[0]
        raise RecordError(f"{folder} holds a study with {name} {before.get(name)!r}, not "
                          f"{shared[name]!r}. Give the same settings to go on with it, or another "
                          "folder with --out.")


def require_gate(runs: list[Any], force: bool) -> None:
    """Check the gate for each method whose model is its own teacher, before any run."""
    from workbench.runs.admission import admit
    from workbench.runs.experiment import make_learner, method_of, stream_of

    for config in {run.method: run.config for run in runs}.values():
        if method_of(config).needs_gate:
            stream = stream_of(config)
            admit(make_learner(config, stream), stream, config, force)


def print_study(table: Any) -> None:
    """Print new-skill accuracy and retention at the end of the runs, means over seeds."""
    from workbench.runs.studies import ends, points

    last = ends(points(table))
    print(f"{'method':32s}{'rate':>8s}{'seeds':>7s}{'new':>8s}{'kept':>8s}   (%, means)")
    for (method, rate), part in last.groupby(["method", "rate"], sort=False):
        kept = part["retention"].mean()
        print(f"{method:32s}{rate:8g}{len(part):7d}{100 * part['new'].mean():8.1f}"
              + (f"{100 * kept:8.1f}" if kept == kept else "       –"))
