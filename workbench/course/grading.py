"""Grade handed-in notebooks: checks run in this process, students' functions in sandboxes.

A check calls the student's function through a pipe (`workbench.course.sandbox`). A verdict
therefore never depends on the word of the notebook, and no notebook can disturb another one.
"""

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench.course import sandbox
from workbench.course.checks import Wrong
from workbench.course.exercises import exercises
from workbench.course.lab import LESSONS, ROOT, environment
from workbench.errors import DataError
from workbench.system.messages import receive, send
from workbench.system.values import decode, encode

STARTUP = 120
"""Seconds in which Python and its libraries must have started, also on a busy machine."""
LARGEST = 100_000_000
"""Bytes of the largest notebook that is read."""
INHERITED = ("PATH", "SYSTEMROOT", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
             "MKL_NUM_THREADS", "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE")
ERRORS = {kind.__name__: kind for kind in (ZeroDivisionError, ArithmeticError, IndexError,
                                           LookupError, TypeError, ValueError)}
"""The errors that checks tell apart."""
EXERCISE = re.compile(rb'### Exercise: `(\w+)`|check\(\\"(\w+)\\"')


@dataclass(frozen=True)
class Grade:
    """A row of the table; its fields are the columns."""

    notebook: str
    """Path below the folder of all notebooks."""
    exercise: str
    passed: str
    """``yes`` or ``no``."""
    message: str


class Stopped(Exception):
    """There is no function to call, or no longer; the message says why."""


class Remote:
    """A function in a sandbox. A call sends its arguments there and returns the value."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout
        self.process, self.requests, self.replies = process, process.stdin, process.stdout
        self.end: str | None = None
        """Why the process was killed, if it was."""

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        return self.ask(args, measure=False)[0]

    def measured(self, *args: Any) -> tuple[Any, int, float]:
        """Call the function; return its value, its memory in bytes and its processor time."""
        value, reply = self.ask(args, measure=True)
        return value, int(reply["bytes"]), float(reply["seconds"])

    def ask(self, args: tuple[Any, ...], measure: bool) -> tuple[Any, dict[str, Any]]:
        """Return the value of a call and the whole reply; raise the error that it raised."""
        reply = self.exchange({"args": encode(list(args)), "measure": measure})
        if "raised" in reply:
            names = [str(name) for name in reply["raised"]]
            near = next((ERRORS[name] for name in names if name in ERRORS), Exception)
            raise type(names[0], (near,), {})(reply["text"])
        try:
            value = decode(reply["value"])
            with torch.no_grad():
                for i, new in reply["changed"].items():
                    args[int(i)][...] = decode(new)
            # A sum that adds 0 to the value, and has the gradient that was computed there.
            for i, gradient in reply.get("gradients", {}).items():
                leaf = args[int(i)]
                value = value + ((leaf - leaf.detach()) * decode(gradient)).sum()
        except Exception as error:
            raise Stopped("the kernel sent a value that cannot be read") from error
        return value, reply

    def exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the reply."""
        with contextlib.suppress(OSError):  # where the process has ended, `receive` says why
            send(self.requests, request)
        return self.receive()

    def receive(self) -> dict[str, Any]:
        """Return the next message; raise `Stopped` if there is none, or it tells a problem."""
        try:
            message = receive(self.replies)
        except (EOFError, OSError):
            code = self.process.wait()
            raise Stopped(self.end or f"the kernel died (exit code {code})") from None
        except (ValueError, RecursionError) as error:
            raise Stopped("the kernel sent a message that cannot be read") from error
        if "problem" in message:
            raise Stopped(str(message["problem"]))
        return message

    def kill(self, reason: str) -> None:
        """End the process, and those in its group."""
        self.end = self.end or reason
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def limited(self, seconds: float, reason: str) -> Iterator[None]:
        """Kill the process if the block takes longer."""
        timer = threading.Timer(seconds, self.kill, [reason])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def sandbox_environment(folder: str) -> dict[str, str]:
    """Return the environment of a sandbox whose home and temporary folder is `folder`."""
    inherited = {name: value for name, value in environment().items() if name in INHERITED}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
            **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TMP", "TEMP"), folder)}


def grade_exercise(content: bytes, name: str, seconds: float) -> str | None:
    """Check one exercise of a notebook; return what is wrong, or None if nothing is."""
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as folder:
        Path(folder, sandbox.NOTEBOOK).write_bytes(content)
        process = subprocess.Popen(
            [sys.executable, "-P", str(sandbox.__file__), name, str(math.ceil(seconds + STARTUP))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder,
            env=sandbox_environment(folder), start_new_session=True)
        with process:
            function = Remote(process)
            try:
                with function.limited(STARTUP, f"the kernel did not start in {STARTUP} s"):
                    function.receive()
                with function.limited(seconds, f"stopped after {seconds:.3g} s"):
                    exercises[name].check(function)
            except (Wrong, Stopped) as fault:
                return str(fault)
            except Exception as error:
                return f"your function raised {type(error).__name__}: {error}"
            finally:
                function.kill("graded")
                with contextlib.suppress(OSError):  # a request that nobody has read
                    function.requests.close()
    return None


def exercises_in(path: Path, content: bytes) -> list[str]:
    """Return the exercises of a notebook: those of the lesson in its name, and those it shows."""
    shipped = {lesson.stem: lesson for lesson in sorted((ROOT / LESSONS).rglob("*.ipynb"))
               if ".ipynb_checkpoints" not in lesson.parts}
    # A file may be called 01_catastrophic_forgetting-anna.ipynb.
    lesson = max((stem for stem in shipped if stem in path.stem), key=len, default=None)
    text = (shipped[lesson].read_bytes() if lesson else b"") + content
    names = [(heading or call).decode() for heading, call in EXERCISE.findall(text)]
    return [name for name in dict.fromkeys(names) if name in exercises]


def grade_notebook(path: Path, folder: Path, seconds: float) -> list[Grade]:
    """Return a row for each exercise of a file, or one that says why there is none.

    Each exercise may use an equal share of the seconds.
    """
    label = path.relative_to(folder).as_posix()
    try:
        if path.suffix != ".ipynb" or path.stat().st_size > LARGEST:
            raise sandbox.Problem("not a notebook: expected a file that ends in .ipynb, of at "
                                  f"most {LARGEST // 10**6} MB")
        content = path.read_bytes()
        names = exercises_in(path, content)
        if not names:
            sandbox.code_cells(content)
            raise sandbox.Problem("no exercise of the course in this notebook, and no lesson of "
                                  "this name")
        faults = {name: grade_exercise(content, name, seconds / len(names)) for name in names}
    except sandbox.Problem as problem:
        faults = {"": str(problem)}
    except Exception as error:
        faults = {"": f"could not be graded: {type(error).__name__}: {error}"}
    return [Grade(label, name, "no" if fault else "yes",
                  " ".join(fault.split())[:500] if fault else "right")
            for name, fault in faults.items()]


def handed_in(folder: Path) -> list[Path]:
    """Return the files in and below a folder, without hidden ones and those in hidden folders."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder of the handed-in notebooks")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()
             and not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not files:
        raise DataError(f"{folder} holds no files: expected notebooks in it or in folders below")
    return files


def grade_all(files: list[Path], folder: Path, seconds: float,
              jobs: int) -> Iterator[list[Grade]]:
    """Yield the rows of each file in turn; `jobs` files are graded at the same time."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(lambda path: grade_notebook(path, folder, seconds), files)
    finally:
        pool.shutdown(cancel_futures=True)
