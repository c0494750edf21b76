"""Grading: verdicts are those of the checks, and no notebook costs another one anything."""

from __future__ import annotations

import contextlib
import csv
import inspect
import json
import sys
import time
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
from test_exercises import WRONG

import workbench
from workbench.course import exercises, grading, sandbox
from workbench.course.checks import Wrong

PACKAGE = Path(workbench.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
RIGHT = inspect.getsource(exercises["retention"].solution)


class Through(grading.Remote):
    """A function whose calls go through the messages of a sandbox, in this process."""

    def __init__(self, function):
        self.function = function

    def exchange(self, request):
        reply = sandbox.answer(self.function, json.loads(json.dumps(request)))
        return json.loads(json.dumps(reply))


def fault(name, answer):
    """What a check says about an answer, and how `check` introduces it."""
    try:
        exercises[name].check(answer)
    except Wrong as wrong:
        return f"not yet. {wrong}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("name", exercises)
def test_a_solution_is_right_through_the_messages_of_a_sandbox_too(name):
    assert fault(name, Through(exercises[name].solution)) is None


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_a_wrong_answer_is_told_the_same_through_the_messages_of_a_sandbox(name, answer, words):
    assert words in fault(name, Through(answer))


def notebook(*cells):
    """The text of a notebook of code cells."""
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [],
         "execution_count": None, "source": source} for i, source in enumerate(cells)]})


def retention(*lines):
    """A cell with a right answer, below lines that may fail or hang."""
    return "\n    ".join(["def retention(before, after):", *lines, "return after / before"])


HANDED_IN = {
    "anna/00_start_here.ipynb": notebook(
        "%matplotlib inline\nimport numpy as np\nraise SystemExit('a cell that is not needed')",
        "!ls\nfrom workbench.course import check\nfrom math import *",
        "LEAST = np.float64(1e-9)\ndef quotient(a, b):\n    return a / max(b, LEAST)",
        "retention = None",
        "%%time\ndef retention(before, after):\n    return pow(quotient(after, before), 1)",
        "this is no Python"),
    "bert/00_start_here-bert.ipynb": notebook("def retention(a, b):\n    return a - b"),
    "cleo/00_start_here.ipynb": (NOTEBOOKS / "00_start_here.ipynb").read_text(),
    # The first exercise hangs, and the second one is right.
    "dora/01_catastrophic_forgetting.ipynb": notebook(
        "def allowed_answer(logits, mask):\n    while True:\n        pass", "import torch",
        "from torch.nn import functional as F",
        inspect.getsource(exercises["masked_loss"].solution)),
    "emil/00_start_here.ipynb": notebook("import os", retention("os._exit(3)")),
    "finn/00_start_here.ipynb": notebook("x = 1", "def retention(before, after)\n    return 1"),
    "gina/00_start_here.ipynb": notebook(
        "import workbench.course\nfrom workbench.course import checks, exercises, check",
        "def check(name, answer):\n    print(name + ': right!')",
        "def retention(before, after):\n"
        "    checks.retention = exercises.check = workbench.course.check = lambda *a: None\n"
        "    return 'right'", "check('retention', retention)"),
    "hugo/00_start_here.ipynb": notebook(
        "import os", "def retention(before, after):\n    print('retention: right!', flush=True)\n"
        "    os.write(1, b'{\"passed\": true}')\n    return 0.6"),
    "iris/00_start_here.ipynb": notebook(retention(
        f"with open({str(PACKAGE / 'course' / 'checks.py')!r}, 'a') as file:",
        "    file.write('def retention(answer):\\n    pass\\n')")),
    "jens/00_start_here.ipynb": notebook("import subprocess", retention("subprocess.run(['ls'])")),
    "kira/00_start_here.ipynb": notebook(
        "import socket", retention("socket.create_connection(('127.0.0.1', 9), 1)")),
    "lars/00_start_here.ipynb": notebook("from workbench.course.solutions import retention"),
    "mona/00_start_here.ipynb": "{ no notebook",
    "mona/essay.pdf": "%PDF",
    "nils/my notes.ipynb": notebook("x = 1"),
    "nils/renamed.ipynb": notebook(retention(), 'check("retention", retention)'),
    ".hidden/00_start_here.ipynb": notebook(RIGHT),
}
EXPECTED = {
    "anna": [("retention", "yes", "right")],
    "bert": [("retention", "no", "That is a difference in points")],
    "cleo": [("retention", "no", "not attempted")],
    "dora": [("allowed_answer", "no", "stopped after 5 s"), ("masked_loss", "yes", "right")],
    "emil": [("retention", "no", "the kernel died (exit code 3)")],
    "finn": [("retention", "no", "syntax error in line 1 of the cell that defines retention")],
    "gina": [("retention", "no", "your function raised")],
    "hugo": [("retention", "no", "That is a difference in points")],
    "iris": [("retention", "no", "may not write outside of its temporary folder")],
    "jens": [("retention", "no", "may not start or stop processes")],
    "kira": [("retention", "no", "may not use the network")],
    "lars": [("retention", "no", "No module named 'workbench.course.solutions'")],
    "mona": [("retention", "no", "not a notebook"), ("", "no", "not a notebook")],
    "nils": [("", "no", "no exercise of the course"), ("retention", "yes", "right")],
}


def files_of_the_package():
    return {path: sha256(path.read_bytes()).hexdigest() for path in PACKAGE.rglob("*.py")}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The rows of the table for the notebooks above, and what was printed."""
    folder = tmp_path_factory.mktemp("graded")
    for name, text in HANDED_IN.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_text(text)
    before = files_of_the_package()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["workbench", "grade", "in", "--time-limit", "10"])
        with pytest.raises(SystemExit) as ended:
            workbench.cli.main()
    assert not ended.value.code
    assert files_of_the_package() == before
    with open(folder / "grades.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("student", EXPECTED)
def test_each_exercise_has_a_row_with_its_verdict_and_a_message(graded, student):
    rows = [row for row in graded if row["notebook"].startswith(student)]
    assert list(rows[0]) == ["notebook", "exercise", "passed", "message"]
    for row, (exercise, passed, words) in zip(rows, EXPECTED[student], strict=True):
        assert (row["exercise"], row["passed"]) == (exercise, passed), row
        assert words in row["message"] and "\n" not in row["message"]


def test_the_rows_are_in_the_order_of_the_files_and_no_hidden_file_is_read(graded):
    names = list(dict.fromkeys(row["notebook"] for row in graded))
    assert names == sorted(name for name in HANDED_IN if not name.startswith("."))


def test_nothing_of_a_sandbox_is_left_behind(graded):
    assert not [child for child in psutil.Process().children(recursive=True)
                if "sandbox.py" in " ".join(child.cmdline())]


def grade(content):
    """What is wrong with the exercise of one notebook."""
    return grading.grade_exercise(content.encode(), "retention", seconds=20)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not bound memory")
def test_too_much_memory_is_refused_to_the_function_alone():
    text = grade(notebook("import numpy as np", retention("np.ones(10**9)")))
    assert text.startswith("your function raised") and "allocate" in text


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_process_that_the_function_has_started_is_ended_with_it():
    """Where the sandbox could not stop the function from starting one."""
    text = grade(notebook("import ctypes, time", "def retention(before, after):\n"
                          "    pid = ctypes.CDLL(None).fork()\n    if pid == 0:\n"
                          "        time.sleep(600)\n    raise ValueError(f'forked {pid}')"))
    pid, deadline = int(text.split("forked ")[1]), time.monotonic() + 20
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the process is left"
            time.sleep(0.05)


def test_a_function_that_closes_the_channel_after_a_right_value_has_not_passed():
    solution = inspect.getsource(exercises["update_norm"].solution)
    content = notebook("import os", solution.replace(
        "    return", "    os.closerange(3, 30)\n    return"))
    text = grading.grade_exercise(content.encode(), "update_norm", seconds=20)
    assert text.startswith("the kernel died")


@pytest.mark.parametrize("cell", [
    "def retention(before, after):\n    ...",
    'def retention(before, after):\n    """Divide."""',
    "def retention(before, after):\n    pass"])
def test_a_stub_is_not_attempted_and_python_s_libraries_need_not_start_for_it(cell):
    with pytest.raises(sandbox.Problem, match="^not attempted$"):
        sandbox.needed([cell], "retention")


def test_a_notebook_without_the_function_says_so():
    with pytest.raises(sandbox.Problem, match="does not define retention"):
        sandbox.needed(["x = 1", "y = retention(1, 2)"], "retention")


def test_only_what_the_function_needs_is_run():
    code = sandbox.needed([
        "import numpy as np\nimport pandas as pd", "table = pd.DataFrame()", "rate = 2 * base",
        "base = np.pi", "def helper(x):\n    return x * rate", "np.random.seed(0)",
        "def retention(a, b, power=1):\n    table = 1\n    return [helper(x) for x in (a, b)]",
        "for i in range(3):\n    base += i", "retention(1, 2)"], "retention")
    assert [type(statement).__name__ for statement in code.body] == [
        "Import", "Assign", "Assign", "FunctionDef", "FunctionDef", "For"]


def test_no_table_is_overwritten_and_nothing_is_run_for_it(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "grade_exercise", lambda *asked: pytest.fail("it was graded"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "00_start_here.ipynb").write_text(notebook(RIGHT))
    (tmp_path / "mine.csv").write_text("mine")
    code, _, err = cli("grade", tmp_path / "in", "--out", tmp_path / "mine.csv")
    assert code == 2 and "exists and is left as it is" in err and "--out" in err
    assert (tmp_path / "mine.csv").read_text() == "mine"


@pytest.mark.parametrize(("words", "message"), [
    (["nowhere"], "nowhere is not a folder"),
    (["."], "holds no files"),
    ([".", "--jobs", "0"], "--jobs must be a whole number of at least 1"),
    ([".", "--time-limit", "0"], "--time-limit must be a finite number above 0")])
def test_a_command_that_cannot_work_is_told_and_writes_nothing(cli, tmp_path, monkeypatch, words,
                                                               message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("grade", *words)
    assert code == 2 and message in err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_grader_itself_becomes_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "exercises_in", lambda *asked: 1 / 0)
    path = tmp_path / "a.ipynb"
    path.write_text(notebook(RIGHT))
    row, = grading.grade_notebook(path, tmp_path, 1)
    assert row == grading.Grade("a.ipynb", "", "no", "could not be graded: ZeroDivisionError: "
                                                     "division by zero")
