"""Makes the environment that Avalanche needs, and talks to the worker inside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv-avalanche"
REQUIREMENTS = HERE / "avalanche-requirements.txt"
WORKER = HERE / "avalanche_worker.py"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def _shown(command: list[str]) -> str:
    """Return the command as one would type it in the repository root."""
    root = str(HERE.parent) + os.sep
    return " ".join(word.replace(root, "") for word in command)


def make_environment() -> None:
    """Make the environment, unless it was made with the same requirements before.

    Raises
    ------
    SystemExit
        If a command fails; the message names it, and what may be done.
    """
    installed = ENVIRONMENT / "installed-requirements.txt"
    if installed.exists() and installed.read_text() == REQUIREMENTS.read_text():
        return
    print("Making benchmarks/.venv-avalanche. This happens once, takes some minutes and needs a "
          "package index.", file=sys.stderr)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", str(ENVIRONMENT)],
                    [str(PYTHON), "-m", "pip", "install", "-qq", "-r", str(REQUIREMENTS)]):
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            sys.exit(f"The environment for Avalanche could not be made. What failed was\n"
                     f"    {_shown(command)}\n"
                     "pip's complaint is above. Once it is seen to, run the benchmark again; or run"
                     " it with --without-avalanche to time the workbench alone.")
    shutil.copyfile(REQUIREMENTS, installed)


class Avalanche:
    """The worker, as a context: started on entry, ended on exit.

    Examples
    --------
    >>> with Avalanche() as avalanche:  # doctest: +SKIP
    ...     results = avalanche.run({"learner": "naive", "seeds": [0], ...})
    """

    def __enter__(self) -> Avalanche:
        # Not a pipe: nobody reads it while the worker runs, and a full pipe would stop it.
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(PYTHON), str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True, cwd=HERE.parent,
            env=os.environ | ONE_THREAD | {"CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "disabled"})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if kind is not None:
            self._process.terminate()  # It may be in the middle of a job.
        self._process.communicate()  # Closes its input, upon which it ends.
        self._log.close()

    def run(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a job and return one result a seed; see `avalanche_worker` for both.

        Raises
        ------
        SystemExit
            If the worker ended; the message has the last of what it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._log.seek(0)
            said = "".join(self._log.readlines()[-15:])
            sys.exit(f"The Avalanche worker ended with:\n\n{said}\n"
                     "If a package is missing or will not import, delete "
                     "benchmarks/.venv-avalanche and run the benchmark again, which makes it anew.")
        return json.loads(answer)  # type: ignore[no-any-return]
