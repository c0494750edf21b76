"""The command line: what it prints, what it refuses and in which words, and Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from workbench.cli import COMMANDS, main, runs, stop_on_interrupt
from workbench.cli.language import Evaluate, evaluate
from workbench.cli.parsing import gather, list_options, parse
from workbench.cli.runs import Gated
from workbench.config import RunConfig
from workbench.learners import CONTROLS, LEARNERS, ON_BACKBONES
from workbench.learners.routing import RETRIEVERS
from workbench.learners.text import TEXT_LEARNERS
from workbench.models.loading import SHIPPED
from workbench.runs import experiment
from workbench.runs.record import RunRecord
from workbench.runs.record_files import ARRAYS
from workbench.tasks import SCENARIOS, STREAMS

COMMAND = [sys.executable, "-m", "workbench.cli"]
SMALL = ("--steps", "5", "--tasks", "2", "--quiet")


@pytest.fixture(scope="module")
def printed():
    """What a real process prints for three seeds, progress bar and all."""
    words = [w for w in SMALL if w != "--quiet"]
    return subprocess.run([*COMMAND, "run", *words, "--seeds", "0", "1", "2", "--json"],
                          capture_output=True, text=True, timeout=120)


def strict(text: str):
    """Read JSON as every language can: without NaN and Infinity."""
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")
    return json.loads(text, parse_constant=refuse)


def same_content(a, b) -> None:
    first, second = RunRecord.load(a), RunRecord.load(b)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    assert first.status == second.status == "complete"
    assert (a / "weights.safetensors").read_bytes() == (b / "weights.safetensors").read_bytes()


def test_stdout_of_a_real_process_is_json_only_and_the_bar_goes_to_stderr(printed):
    assert printed.returncode == 0, printed.stderr
    strict(printed.stdout)
    assert printed.stdout.count("\n") == 1
    assert "finetune" in printed.stderr and "10/10" in printed.stderr
    assert "Traceback" not in printed.stderr


def test_json_has_seeds_first(printed):
    message = strict(printed.stdout)
    assert np.shape(message["accuracy"]) == (3, 2, 2)
    assert np.shape(message["baseline"]) == (3, 2)
    assert message["seconds"] > 0 and message["steps"] == 10
    assert {"ACC", "BWT", "forgetting"} <= set(message["metrics"])
    assert all(len(values) == 3 for values in message["metrics"].values())
    R = np.array(message["accuracy"])
    np.testing.assert_allclose(message["metrics"]["ACC"], R[:, -1].mean(1))
    np.testing.assert_allclose(message["metrics"]["BWT"], R[:, 1, 0] - R[:, 0, 0])


def test_the_command_line_measures_what_the_package_measures(printed):
    record = experiment.run(experiment.RunConfig(steps=5, tasks=2, seeds=(0, 1, 2)))
    np.testing.assert_array_equal(strict(printed.stdout)["accuracy"], record.accuracy)


def test_seeds_may_be_given_with_spaces_commas_or_one_by_one(cli):
    ways = (["--seeds", "0", "1", "2"], ["--seeds", "0,1,2"],
            ["--seeds", "0", "--seeds", "1", "--seeds", "2"])
    message = [strict(cli("run", *SMALL, "--json", *way)[1]) for way in ways]
    assert [s["config"]["seeds"] for s in message] == [[0, 1, 2]] * 3
    assert message[0]["accuracy"] == message[1]["accuracy"] == message[2]["accuracy"]


def test_a_list_ends_at_the_next_option():
    words = ["x", "--seeds", "0", "1", "--json", "--seeds=2", "-h", "--lr", "-1", "--option", "a=1"]
    assert gather(words, {"--seeds", "--option"}) == [
        "x", "--json", "-h", "--lr", "-1", "--seeds", "0", "1", "2", "--option", "a=1"]


def test_every_list_of_every_command_is_read_alike():
    assert list_options(Gated, runs.RunForm) == {"--seeds", "--hidden", "--skills", "--option"}
    assert list_options(Gated, runs.TrainForm) >= {"--seed", "--skill", "--option"}
    for words in (["--skill", "a", "b"], ["--skill=a", "--skill", "b"]):
        assert parse(Evaluate, words, evaluate).skill == ("a", "b")
    repeated = ["--option", "a=1", "--lr", "3", "--option", "b=no", "--lr", "2"]
    settings = parse(Gated, repeated, runs.run, runs.RunForm).settings
    assert settings.options == {"a": 1, "b": "no"} and settings.lr == 2


def test_options_reach_the_learner(cli):
    code, out, _ = cli("run", *SMALL, "--json", "--learner", "ewc", "--option", "strength=2.5")
    assert (code, strict(out)["config"]["options"]) == (0, {"strength": 2.5})


@pytest.mark.parametrize(("words", "known"), [
    (["--learner", "replai"], [*LEARNERS, *CONTROLS]),
    (["--stream", "split-mnist"], list(STREAMS)),
    (["--scenario", "classes"], list(SCENARIOS)),
    (["--learner", "ewc", "--option", "power=3"], ["'power'", "'ewc'", "strength"]),
    (["--learner", "finetune", "--option", "strength=3"], ["'strength'", "none"]),
])
def test_an_unknown_name_is_told_with_the_known_ones(words, known, cli, tmp_path):
    code, out, err = cli("run", *SMALL, *words, "--json", "--out", tmp_path / "x")
    assert (code, out) == (2, "")
    assert err.startswith("error: unknown ") and len(err.splitlines()) == 1
    assert all(name in err for name in known), err
    assert words[-1].split("=")[0] in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("words", "message"), [
    (["--seeds", "0", "one"], "--seeds: takes whole numbers"),
    (["--seeds", "1", "1"], "seeds must be different"),
    (["--learner", "ewc", "--option", "strength"], "--option: takes name=value"),
    (["--steps", "0"], "steps must be a whole number of at least 1"),
    (["--lr", "-1"], "lr must be a finite number above 0"),
    (["--lr", "fast"], "--lr: could not convert string to float: 'fast'"),
    (["--lr"], "Missing value for argument '--lr'"),
    (["--colour", "red"], "Unrecognized options: --colour, red"),
    (["folder"], "Unrecognized options: folder"),
])
def test_a_setting_that_cannot_work_is_told_in_one_line(words, message, cli):
    code, out, err = cli("run", *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err and len(err.splitlines()) == 1


def test_a_mistake_in_a_real_process_leaves_no_traceback():
    # On a console that lacks a character of the message.
    done = subprocess.run([*COMMAND, "run", "--seeds", "\u2013"], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: --seeds: takes whole numbers such as 0 1 2, not ['?']")
    assert done.stderr.count("\n") == 1


def test_a_command_that_does_not_exist_is_told_with_those_that_do(cli):
    code, out, err = cli("trian")
    assert (code, out) == (2, "") and "unknown command 'trian'" in err
    assert all(name in err for name in COMMANDS)
    code, out, err = cli()
    assert (code, err) == (2, "") and out.startswith("usage: workbench COMMAND")


def test_the_options_of_run_are_the_fields_of_its_settings_with_what_is_said_of_them(cli):
    code, out, _ = cli("run", "--help")
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", out).split())
    assert code == 0
    for field in fields(RunConfig):
        name = "option" if field.name == "options" else field.name.replace("_", "-")
        assert f"--{name}" in text, name
    assert "Optimiser steps per task. (default: 200)" in text
    assert "One network per seed, trained side by side." in text


def test_the_list_of_commands_loads_nothing_heavy():
    code = ("import json, sys; sys.argv = ['workbench', '--help']; from workbench.cli import main\n"
            "try:\n    main()\nfinally:\n    print(json.dumps(sorted(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    loaded = json.loads(done.stdout.splitlines()[-1])
    heavy = {"torch", "numpy", "pandas", "matplotlib", "transformers", "sklearn"}
    assert "tyro" in loaded and not heavy & {*loaded}


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_no_console_encoding_makes_a_command_fail(encoding, cli, tmp_path, monkeypatch):
    assert cli("run", *SMALL, "--seeds", "0", "1", "--out", tmp_path / "run")[0] == 0
    for words in (("show", tmp_path / "run"), ("run", "--help"), ("run", "--learner", "\u2013")):
        consoles = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["workbench", *map(str, words)])
            patch.setattr(sys, "stdout", consoles[0])
            patch.setattr(sys, "stderr", consoles[1])
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = (console.flush() or console.buffer.getvalue() for console in consoles)
        assert (ended.value.code or 0) == (2 if "--learner" in words else 0), err
        assert b"Traceback" not in err and b"Error" not in err
        assert "--learner" not in words or b"unknown learner '?'" in err


def test_generations_and_wrong_labels_are_options_of_a_run(cli, tmp_path):
    words = ("--stream", "digits", "--learner", "born_again", "--generations", "3",
             "--label-noise", "0.3", "--seeds", "4", "5", "--steps", "5", "--quiet", "--json")
    code, out, _ = cli("run", *words, "--out", str(tmp_path / "run"))
    result = json.loads(out)
    assert code == 0 and result["tasks"] == ["0 to 9", "0 to 9, generation 2",
                                             "0 to 9, generation 3"]
    assert np.shape(result["accuracy"]) == (2, 3, 3)
    record = RunRecord.load(tmp_path / "run")
    assert (record.config.generations, record.config.label_noise) == (3, 0.3)
    stream = experiment.stream_of(record.config)
    assert stream.data_hash() == record.data_hash, "the wrong labels are part of the data"


def test_help_lists_every_stream_and_learner(cli):
    code, out, _ = cli("run", "--stream", "help")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [
        *STREAMS, "intents", "skills"]
    assert "(usually in the class scenario)" in out
    code, out, _ = cli("run", "--learner", "help")
    assert code == 0
    listed = [line for line in out.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in listed] == [
        *LEARNERS, *CONTROLS, *ON_BACKBONES, *TEXT_LEARNERS]
    assert all(len(line.split()) > 3 for line in listed), "each with what it does"
    code, out, _ = cli("run", "--retriever", "help")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [*RETRIEVERS]


def test_help_names_the_commands_and_the_settings(cli):
    code, out, _ = cli("--help")
    assert code == 0 and all(word in out for word in ("doctor", "run", "show"))
    code, out, _ = cli("run", "--help")
    assert code == 0 and all(f"--{word}" in out for word in
                             ("stream", "scenario", "learner", "seeds", "out", "resume", "json"))


def test_show_prints_no_interval_beyond_what_the_metric_can_be(cli, tmp_path, monkeypatch):
    cli("run", *SMALL, "--seeds", "0", "1", "2", "--out", tmp_path / "run")
    spread = {"ACC": np.array([1.0, 0.99, 0.79]), "BWT": np.array([-1.0, -0.99, -0.6])}
    monkeypatch.setattr("workbench.cli.tables.summarise", lambda matrix: (spread, {}))
    _, table, _ = cli("show", tmp_path / "run")
    rows = {line.split()[0]: line for line in table.splitlines() if "95 % interval" in line}
    assert rows["ACC"].endswith("0.632 to 1.000") and rows["BWT"].endswith("-1.000 to -0.297")


def test_show_prints_what_the_run_printed(cli, tmp_path):
    folder = tmp_path / "run"
    _, message, _ = cli("run", *SMALL, "--seeds", "0", "1", "2", "--json", "--out", folder)
    code, shown, err = cli("show", folder, "--json")
    assert (code, err) == (0, "") and strict(shown) == strict(message)
    code, table, _ = cli("show", folder)
    acc = np.mean(strict(message)["metrics"]["ACC"])
    assert code == 0 and "after 2 or 3" in table and "seeds 0, 1, 2: complete" in table
    row = next(line for line in table.splitlines() if line.startswith("ACC "))
    assert f"{acc:.3f}" in row and "95 % interval" in row
    assert any(line.startswith("FWT") and "–" in line for line in table.splitlines())


def test_show_of_what_is_no_run_is_told_in_one_line(cli, tmp_path):
    code, out, err = cli("show", tmp_path / "nothing")
    assert (code, out) == (2, "") and "holds no run.json" in err and len(err.splitlines()) == 1


def test_a_second_run_into_a_folder_is_refused_and_the_first_untouched(cli, tmp_path, fingerprint):
    folder = tmp_path / "run"
    assert cli("run", *SMALL, "--out", folder)[0] == 0
    before = fingerprint(folder)
    code, out, err = cli("run", *SMALL, "--learner", "replay", "--out", folder)
    assert (code, out) == (2, "") and "already holds a run" in err
    assert fingerprint(folder) == before


WRITERS = {
    "run": ("run", *SMALL), "train": ("train", "--model", "nano", "--skill", "facts-new"),
    "run of skills": ("run", "--stream", "skills", "--skills", "facts-new", "--model", "nano"),
    "pretrain": ("pretrain", "--size", "nano", "--steps", "1"),
    "make-data": ("make-data",)}
"""Every command that writes files."""


@pytest.fixture
def nothing_computed(monkeypatch):
    """Fail where a network is made or loaded."""
    def refuse(*args, **kwargs):
        raise AssertionError("a network was made before the output folder was refused")

    monkeypatch.setattr(torch.nn.Module, "__init__", refuse)


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("name", ["model.safetensors", "notes.txt", ".hidden", "arrays-mine.npz",
                                  "facts-new.jsonl"])
def test_no_command_overwrites_what_it_did_not_write(command, name, cli, tmp_path, fingerprint,
                                                     nothing_computed):
    (tmp_path / name).write_text("mine")
    before = fingerprint(tmp_path)
    code, out, err = cli(*WRITERS[command], "--out", tmp_path)
    if command == "make-data" and name != "facts-new.jsonl":
        assert code == 0, "its files can stand beside others"
    else:
        assert (code, out) == (2, "") and str(tmp_path) in err and "left as it is" in err
        assert fingerprint(tmp_path) == before
    assert (tmp_path / name).read_text() == "mine"


def test_a_model_is_never_its_own_output(cli, tmp_path, fingerprint, nothing_computed):
    folder = shutil.copytree(SHIPPED["nano"], tmp_path / "mine")
    before = fingerprint(folder)
    for command in ("train", "run of skills"):
        words = [folder if word == "nano" else word for word in WRITERS[command]]
        code, _, err = cli(*words, "--out", folder)
        assert code == 2 and "already holds" in err and fingerprint(folder) == before


@pytest.mark.parametrize("command", WRITERS)
def test_an_output_below_a_file_is_refused_first(command, cli, tmp_path, nothing_computed):
    (tmp_path / "file").touch()
    code, out, err = cli(*WRITERS[command], "--out", tmp_path / "file" / "x" / "y")
    assert (code, out) == (2, "") and "could not make" in err and len(err.splitlines()) == 1


def test_make_data_leaves_equal_files_and_an_empty_folder_is_fine(cli, tmp_path, fingerprint):
    assert cli("make-data", "--out", tmp_path)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert cli("make-data", "--out", tmp_path)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "empty").mkdir()
    assert cli("run", *SMALL, "--out", tmp_path / "empty")[0] == 0


def test_resume_takes_no_other_settings(cli, tmp_path):
    code, _, err = cli("run", "--resume", tmp_path, "--lr", "0.01", "--seeds", "0", "--out", "x")
    assert code == 2 and all(word in err for word in ("settings", "lr", "seeds", "out"))


def test_resume_of_a_finished_run_is_refused_and_the_run_untouched(cli, tmp_path, fingerprint):
    folder = tmp_path / "run"
    assert cli("run", *SMALL, "--out", folder)[0] == 0
    before = fingerprint(folder)
    code, out, err = cli("run", "--resume", folder)
    assert (code, out) == (2, "") and "complete" in err and "workbench show" in err
    assert fingerprint(folder) == before


@pytest.fixture
def in_the_foreground():
    """Ctrl-C as a terminal has it, even where these tests run as a job in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_within_a_task_and_resume_gives_the_run_never_stopped(cli, tmp_path,
                                                                           in_the_foreground):
    folder, whole = tmp_path / "stopped", tmp_path / "whole"
    settings = ("--learner", "replay", "--tasks", "2", "--steps", "600", "--json")
    process = subprocess.Popen([*COMMAND, "run", *settings, "--out", folder], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # The first checkpoint within a task is written at step 100.
        deadline = time.monotonic() + 60
        while not list(folder.glob("checkpoint-*[1-9]00.safetensors")):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert f"Continue with: workbench run --resume {folder}" in err and "Traceback" not in err
    assert strict(out)["status"] == "stopped"
    stopped = RunRecord.load(folder)
    assert stopped.status == "stopped" and stopped.step > 0, "in the middle of a task"

    code, out, _ = cli("run", "--resume", folder, "--json", "--quiet")
    assert code == 0 and strict(out)["status"] == "complete"
    assert cli("run", *settings, "--quiet", "--out", whole)[0] == 0
    same_content(folder, whole)


def test_in_the_background_ctrl_c_stays_ignored(in_the_foreground):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_second_ctrl_c_ends_at_once(cli, monkeypatch, in_the_foreground):
    reached = []

    def slow(*args, stop, **kwargs):
        signal.raise_signal(signal.SIGINT)
        reached.append(stop())
        signal.raise_signal(signal.SIGINT)
        reached.append("after the second")

    monkeypatch.setattr(experiment, "run", slow)
    code, _, err = cli("run", *SMALL)
    assert reached == [True], "the first asks, the second does not wait"
    assert code == 130 and "resumed from its last checkpoint" in err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
