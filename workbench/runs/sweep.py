"""Sweeps: many runs on text skills, on this machine or a cluster, kept in one table.

The table has the format of `workbench.runs.studies`. It is written after each run, and runs that it
has are not repeated. Dask distributes the runs: if a worker dies, another one repeats its run.
"""

from __future__ import annotations

import gzip
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.learners import Learner
from workbench.learners.text import TextLearner
from workbench.measure.comparison import perplexity
from workbench.runs.cluster import computed
from workbench.runs.evaluation import Snapshot
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.loop import run_stream
from workbench.runs.record import RunRecord
from workbench.runs.studies import COLUMNS, RUN, points, read_table
from workbench.system.files import to_json, write_atomically
from workbench.system.provenance import environment
from workbench.tasks import Stream, oldmere
from workbench.tasks.text import TextStream

Row = tuple[int, str, str, float]
"""Step, measure, skill (or empty) and value."""
MASTERED = 60
"""Steps with a known skill after which a run may end early."""


class SweepRun(NamedTuple):
    """A run of a sweep; the first five fields are its name, `workbench.runs.studies.RUN`."""

    part: str
    order: str
    method: str
    rate: float
    seed: int
    config: RunConfig
    early: bool = False
    """Whether it ends once the first skill has been known for `MASTERED` steps."""


say_at_once = partial(print, flush=True)
"""Prints a line at once, also into a file."""
Further = Callable[[Learner, Stream, int, str], Sequence[Row]]
"""Returns more rows of a trained learner, from stream, last step and part."""


def one_run(run: SweepRun, further: Further | None = None) -> pd.DataFrame:
    """Make a run and return its rows."""
    config = run.config
    stream = stream_of(config)
    learner = make_learner(config, stream)
    assert isinstance(learner, TextLearner) and isinstance(stream, TextStream)
    mastered: list[bool] = []
    needed = max(2, MASTERED // config.evaluate_every) if config.evaluate_every else 0

    def observe(snapshot: Snapshot) -> None:
        mastered.append(bool(snapshot.steps_taken and snapshot.scores[0, 0] >= 0.98))

    def stop() -> bool:
        return run.early and len(mastered) > needed and all(mastered[-needed:])

    rows = list(of_text(learner, stream, 0))
    record = run_stream(learner, stream, config, observer=observe, stop=stop)
    rows = rows_of(record, rows)
    last = rows[-1][0]
    if len(stream) == 1:
        train = stream.tasks[0].train
        right = stream.right(learner.predict(train.inputs), train, 0, 0)
        rows.append((last, "train_accuracy", run.order, float(right.double().mean())))
    rows += of_text(learner, stream, last)
    if further:
        rows += further(learner, stream, last, run.part)
    table = pd.DataFrame(rows, columns=["step", "measure", "skill", "value"])
    named: dict[str, Any] = dict(zip(RUN, run[:5], strict=True))
    return table.assign(**named, value=table["value"].round(4))


def of_text(learner: TextLearner, stream: TextStream, step: int) -> Iterator[Row]:
    """Yield the perplexity on the held-out text, where the old skills are those of Oldmere."""
    if {task.name for task in stream.old_tasks} & set(oldmere.OLD):
        yield step, "perplexity", "", perplexity(learner.model.models[0], learner.model.tokenizer,
                                                 oldmere.held_out_text())


def rows_of(record: RunRecord, first: Sequence[Row] = ()) -> list[Row]:
    """Return the measurements of a run of one seed by step, after the rows `first`."""
    steps, skills = record.config.steps, [*record.task_names, *record.old_names]
    known = dict(zip(record.curve_steps, zip(record.curve[0], record.diagnostics_curve[0],
                                             strict=True), strict=True))
    known = {step: pair for step, pair in known.items() if not np.isnan(pair[0]).any()}
    known[0] = np.append(record.baseline[0], record.old_accuracy[0, 0]), ()
    for i in range(record.task):  # the end of a skill replaces an evaluation at the same step
        known[(i + 1) * steps] = (np.append(record.accuracy[0, i], record.old_accuracy[0, i + 1]),
                                  record.diagnostics[0, i + 1])
    rows = [*first]
    for step in sorted(known):
        scores, diagnostics = known[step]
        rows += [(step, "accuracy", *pair) for pair in zip(skills, scores, strict=True)]
        rows += [(step, measure, "", value) for measure, value in
                 zip(record.diagnostic_names, diagnostics, strict=False) if value == value]
        if step and step % steps == 0:
            rows.append((step, "stored_bytes", "", record.stored_bytes[step // steps - 1]))
    return rows + [(step, f"{name}_seconds", "", round(value, 1))
                   for name, value in record.seconds.items()]


def add_runs(path: Path, runs: Sequence[Any], *, train: Callable[[Any], pd.DataFrame] = one_run,
             workers: int = 2, scheduler: str | None = None,
             keep: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
             say: Callable[[str], object] = say_at_once) -> pd.DataFrame:
    """Make the runs that a table lacks, write it after each, and return it.

    Parameters
    ----------
    path : path
        The table, ``NAME.csv.gz``; ``NAME.json`` beside it says how it was made.
    runs : sequence of SweepRun, or what `train` takes
        The first five fields of each are its name.
    train : callable
        Makes a run; it goes to the workers.
    workers, scheduler
        See `computed`.
    keep : callable, optional
        Returns the part of the present table that still holds.
    say : callable
        Called with a line after each run.

    Raises
    ------
    RecordError
        If the table is damaged or cannot be written.
    ModelError, TrainingError, ...
        The error of the first run that failed, after all others have been made.
    """
    study = read_table(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))
    study = keep(study) if keep else study
    done = set(study[RUN].itertuples(index=False, name=None))
    missing = [run for run in runs if run[:5] not in done]
    if missing:
        note = path.with_name(f"{path.name.removesuffix('.csv.gz')}.json")
        made = json.loads(note.read_text()) if note.exists() else {}
        for run in missing:
            made.setdefault(f"{run.part}: {run.order}: {run.method}", {
                "command": shlex.join(["python", *sys.argv]), "environment": environment()})
        write_atomically(note, (to_json(made, indent=1) + "\n").encode())
    failure: WorkbenchError | None = None
    for run, rows in computed(train, missing, workers, scheduler):
        if isinstance(rows, WorkbenchError):
            failure = failure or rows
            say(f"{' '.join(map(str, run[:5]))} failed: {rows}")
            continue
        study = pd.concat([study, rows] if len(study) else [rows], ignore_index=True)
        study = study[list(COLUMNS)]
        text = study.to_csv(index=False, lineterminator="\n")
        write_atomically(path, gzip.compress(text.encode(), mtime=0))
        end = points(rows).iloc[-1]
        say(f"{end['part']} {end['order']} {end['method']} rate {end['rate']:g} seed "
            f"{end['seed']} step {end['step']}: new {end['new']:.2f} retention "
            f"{end['retention']:.2f}")
    if failure:
        raise failure
    return study
