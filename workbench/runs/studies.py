"""Studies: recorded comparisons of methods on text skills, each one tidy table.

A study takes hours, so a script makes it (``scripts/study.py``) and the course reads it. A row is
one measured value: ``part`` (validation or test items), ``order`` (the skills taught, separated by
spaces), ``method``, ``rate`` (learning rate), ``seed``, ``step``, ``measure``, ``skill`` (the skill
measured, or empty) and ``value``.
"""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import RecordError, UnknownNameError
from workbench.measure.metrics import AccuracyMatrix
from workbench.system.provenance import data_path, restore

RESULTS = data_path("results")
STUDIES = ("one_skill", "noisy_teacher", "many_skills", "composed_skills", "real_skills")
RUN = ["part", "order", "method", "rate", "seed"]
"""The columns that identify a run."""
COLUMNS = {"part": str, "order": str, "method": str, "rate": float, "seed": int, "step": int,
           "measure": str, "skill": str, "value": float}
ENOUGH = 0.95
"""New-skill accuracy at which methods are compared."""
NEARLY = 0.045
"""Two of 48 questions: so small a difference from a method's best accuracy is ignored."""


def load_study(name: str, folder: Path = RESULTS) -> pd.DataFrame:
    """Return a study: one row per measured value, in the order in which the runs were made.

    Raises `UnknownNameError` if there is no such study, and `RecordError`, which names the command
    that makes it, if its file is missing or damaged.
    """
    if name not in STUDIES:
        raise UnknownNameError("study", name, list(STUDIES))
    return read_table(folder / f"{name}.csv.gz",
                      f" Or make it again: python scripts/study.py {name}")


def read_table(path: Path, remedy: str = "") -> pd.DataFrame:
    """Return the table in a file, or raise `RecordError`; see `load_study`."""
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(text) != list(COLUMNS):
            raise ValueError(f"its columns are {list(text)}, expected {list(COLUMNS)}")
        study = text.astype(COLUMNS)  # by Python's float, which gives back every bit
        repeated = study.duplicated([column for column in COLUMNS if column != "value"])
        if study.empty or not np.isfinite(study[["rate", "value"]]).all(axis=None):
            raise ValueError("it has no rows, or a value that is not finite")
        if repeated.any():
            raise ValueError(f"line {int(repeated.argmax()) + 2} repeats a measurement")
    except (OSError, EOFError, ValueError, zlib.error) as error:  # pandas' errors are ValueErrors
        fault = (error.strerror if isinstance(error, FileNotFoundError) else
                 f"the file is damaged ({type(error).__name__}: {error})")
        raise RecordError(f"{path}: {fault}. {restore(path)}{remedy}") from error
    return study


def points(study: pd.DataFrame) -> pd.DataFrame:
    """Return one row per evaluation of a run and one column per measure.

    The first row of each run, step 0, is measured before training. Accuracy has a column per skill.
    Three columns are computed: ``new`` and ``all``, the mean accuracy on the skills taught and on
    all skills, and ``retention``, the mean over the skills not taught of accuracy divided by
    accuracy before training, where that was not 0 (see `workbench.measure.comparison.retention`).
    """
    accuracy = study["measure"] == "accuracy"
    names = study["measure"].mask(accuracy, study["skill"])
    index = pd.MultiIndex.from_frame(study[[*RUN, "step"]].drop_duplicates())
    wide = study.assign(name=names).pivot(index=[*RUN, "step"], columns="name", values="value")
    wide = wide.loc[index, names.unique()].rename_axis(columns=None)
    scores = wide[study.loc[accuracy, "skill"].unique()]
    taught = wide.index.to_frame()["order"].str.get_dummies(" ").reindex(columns=scores.columns)
    before = scores.groupby(level=RUN, sort=False).transform("first")
    return wide.assign(
        new=scores.where(taught == 1).mean(axis=1), all=scores.mean(axis=1),
        retention=(scores / before.where(before > 0)).mask(taught == 1).mean(axis=1)).reset_index()


def ends(points: pd.DataFrame) -> pd.DataFrame:
    """Return the last point of each run."""
    return points.groupby(RUN, sort=False).tail(1)


def at_common_step(points: pd.DataFrame) -> pd.DataFrame:
    """Return, for each learning rate, the points at the last step that all its methods reached."""
    last = points.groupby(["rate", "method"])["step"].max().groupby("rate").min()
    return points[points["step"] == points["rate"].map(last)]


def choose(points: pd.DataFrame, enough: float = ENOUGH) -> pd.Series:
    """Return the chosen point of a method, by the same rule for all methods.

    It is the point with the highest retention among those whose new-skill accuracy is at least
    `enough`, or, if there are none, among those within `NEARLY` of the method's best.
    """
    trained = points[points["step"] > 0]
    best = trained["new"].max()
    able = trained[trained["new"] >= (enough if best >= enough else best - NEARLY)]
    return able.iloc[int(able["retention"].argmax())]


def stage_measures(points: pd.DataFrame) -> pd.DataFrame:
    """Return the final measures of each run through several skills, one row per run.

    ``learned`` (learning accuracy), ``ACC`` and ``BWT`` are those of `workbench.AccuracyMatrix`;
    ``known`` is the retention of the skills known before, and ``all`` the mean accuracy on all
    skills.
    """
    rows = []
    for _, stages in points.groupby(RUN, sort=False):
        end = stages.iloc[-1]
        matrix = AccuracyMatrix(stages[end["order"].split()].to_numpy()[1:])
        rows.append(end[RUN].to_dict() | {
            "learned": matrix.learning_accuracy(), "ACC": matrix.average_accuracy(),
            "BWT": matrix.backward_transfer(), "known": end["retention"], "all": end["all"]})
    return pd.DataFrame(rows)
