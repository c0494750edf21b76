"""Sweeps over methods, rates and seeds: the same rows wherever they are made, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from workbench import cli
from workbench.config import RunConfig
from workbench.errors import ConfigError, GateError, RecordError, TrainingError, UnknownNameError
from workbench.runs import sweep
from workbench.runs.studies import COLUMNS, RUN, read_table
from workbench.runs.sweep import SweepRun, add_runs

pytest.importorskip("distributed")
NAMES = [("sft", 1e-3, 0), ("sft", 1e-3, 1), ("sft", 1e-2, 0), ("sft", 1e-2, 1)]


def small(method="sft", rate=1e-3, seed=0):
    """A run of two steps."""
    config = RunConfig(stream="skills", skills=("facts-new",), model="nano", steps=2, items=4,
                       batch_size=4, learner=method, lr=rate, seeds=(seed,),
                       old_skills=("facts-keepers",))
    return SweepRun("test", "facts-new", method, rate, seed, config)


def rows(run, value=0.5):
    """The rows of a run that is not made."""
    measured = [(0, "accuracy", run.order, 0.0), (2, "accuracy", run.order, value),
                (0, "accuracy", "old", 1.0), (2, "accuracy", "old", value)]
    table = pd.DataFrame(measured, columns=["step", "measure", "skill", "value"])
    return table.assign(**dict(zip(RUN, run[:5], strict=True)))[list(COLUMNS)]


def killed_once(run):
    """A run that is made, but whose worker is killed the first time."""
    marker = Path(os.environ["KILLED"])
    if run.seed == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return sweep.one_run(run)


def fails(run):
    """A run that fails at one rate."""
    if run.rate == 1e-2:
        raise TrainingError("the loss is not finite")
    return rows(run)


def sorted_rows(table):
    return table.sort_values([*RUN, "step", "measure", "skill"]).reset_index(drop=True)


def without_seconds(table):
    return sorted_rows(table[~table["measure"].str.endswith("_seconds")])


def test_two_workers_give_the_rows_of_one_process_though_one_is_killed(tmp_path, monkeypatch):
    runs = [small(*name) for name in NAMES[:2]]
    one = add_runs(tmp_path / "one.csv.gz", runs, workers=1, say=lambda line: None)
    monkeypatch.setenv("KILLED", str(tmp_path / "killed"))
    lines = []
    two = add_runs(tmp_path / "two.csv.gz", runs, train=killed_once, say=lines.append)
    assert (tmp_path / "killed").exists() and len(lines) == 2
    pd.testing.assert_frame_equal(without_seconds(one), without_seconds(two))
    pd.testing.assert_frame_equal(read_table(tmp_path / "two.csv.gz"), two, check_dtype=False)


def test_a_run_that_fails_is_told_after_the_others_are_made(tmp_path):
    runs, lines = [small(*name) for name in NAMES], []
    with pytest.raises(TrainingError, match="the loss is not finite"):
        add_runs(tmp_path / "study.csv.gz", runs, train=fails, workers=1, say=lines.append)
    assert len(read_table(tmp_path / "study.csv.gz")[RUN].drop_duplicates()) == 2
    assert lines[-1] == "test facts-new sft 0.01 1 failed: the loss is not finite"
    again = add_runs(tmp_path / "study.csv.gz", runs, train=rows, workers=1, say=lines.append)
    assert len(lines) == 6 and len(again[RUN].drop_duplicates()) == 4, "only the missing are made"


STUDY = ["--skill", "facts-new", "--model", "nano", "--steps", "2", "--items", "4",
         "--batch-size", "4", "--workers", "1"]


def test_the_command_compares_methods_goes_on_and_refuses_another_study(tmp_path, capsys):
    words = ["study", *STUDY, "--out", str(tmp_path / "s"), "--rates", "1e-3"]
    own = ["--learners", "sft", "sdft:teacher=ema,rate=0.1", "--force"]
    assert cli.call([*words, *own]) == 0
    printed = capsys.readouterr().out
    assert printed.count("test facts-new ") == 2 and "sdft:teacher=ema,rate=0.1" in printed
    table = read_table(tmp_path / "s" / "study.csv.gz")
    assert set(table["method"]) == {"sft", "sdft:teacher=ema,rate=0.1"}
    assert cli.call([*words, *own, "--seeds", "0", "1"]) == 0
    assert capsys.readouterr().out.count("seed 1 step") == 2
    with pytest.raises(RecordError, match="holds a study with steps 2, not 3"):
        cli.call([*words, *own, "--steps", "3"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(RecordError, match="already holds mine.txt, which is left as it is"):
        cli.call(["study", *STUDY, "--out", str(tmp_path / "other")])


@pytest.mark.parametrize(("words", "error", "message"), [
    ([], ConfigError, "give --skill, the skill to learn, and --out"),
    (["--skill", "facts-new", "--out", "x", "--rates", "0"], ConfigError, "rates must be"),
    (["--skill", "facts-new", "--out", "x", "--learners", "sgd"], UnknownNameError,
     "unknown learner 'sgd'"),
    (["--skill", "facts-new", "--out", "x", "--workers", "0"], ConfigError, "workers must be")])
def test_wrong_options_are_refused_before_anything_is_made(words, error, message, tmp_path,
                                                           monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        cli.call(["study", *words])
    assert not (tmp_path / "x").exists()


def test_a_model_that_cannot_be_its_own_teacher_is_refused_before_the_study(tmp_path):
    with pytest.raises(GateError, match="cannot be its own teacher"):
        cli.call(["study", *STUDY, "--out", str(tmp_path / "s"), "--learners", "sdft:context=other",
                  "sdft"])
    assert not (tmp_path / "s" / "settings.json").exists(), "other settings can be tried there"


def test_a_study_that_is_killed_keeps_its_runs_and_makes_only_the_rest(tmp_path):
    words = [sys.executable, "-m", "workbench.cli", "study", *STUDY, "--learners", "sft",
             "--rates", "1e-3", "--seeds", "0", "1", "2", "3", "--out", str(tmp_path / "s")]
    path = tmp_path / "s" / "study.csv.gz"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not path.exists() and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    before = read_table(path)
    done = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    after = read_table(path)
    pd.testing.assert_frame_equal(after[:len(before)], before)
    kept = len(before[RUN].drop_duplicates())
    assert kept < 4 and done.count("seed ") == 4 - kept
    assert len(after[RUN].drop_duplicates()) == 4


