"""Open the course in JupyterLab: the student's own copy, on this machine only, with its token on.

JupyterLab saves a notebook while one reads it. Students therefore work in a copy of the lessons,
which git ignores, and the shipped notebooks stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.system.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
LESSONS = "notebooks"
COPY = "my-course"
"""Folder of the student's copy. It stands beside ``notebooks``, so that relative paths hold."""
FIRST = "00_start_here.ipynb"


def lessons(folder: Path) -> list[Path]:
    """Return the notebooks below a folder, relative to it, without JupyterLab's own copies."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*.ipynb"))
    return [path for path in found if not any(part.startswith(".") for part in path.parts)]


def copy_lessons(root: Path = ROOT) -> list[Path]:
    """Copy each lesson that the student has no file of; a file that is there is never changed.

    Parameters
    ----------
    root : Path
        Folder of the project.

    Returns
    -------
    list of Path
        What was copied, relative to the copy.

    Raises
    ------
    WorkbenchError
        If there are no lessons, or the copy cannot be written.
    """
    if not (root / LESSONS / FIRST).is_file():
        raise WorkbenchError(f"{root / LESSONS / FIRST} is missing: the notebooks are part of the "
                             "project's folder, not of the installed package. Clone or download "
                             "the project, and start from there.")
    new = [path for path in lessons(root / LESSONS) if not os.path.lexists(root / COPY / path)]
    for path in new:
        target = root / COPY / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkbenchError(f"could not make the folder {target.parent}: {error.strerror}. "
                                 "Move away what is in its place, or make the project's folder "
                                 "writable.") from error
        write_atomically(target, (root / LESSONS / path).read_bytes())
    return new


def set_aside(root: Path = ROOT) -> Path | None:
    """Give the student's copy another name, so that the next start makes a new one.

    Returns
    -------
    Path or None
        The copy under its new name, or None where there was none.

    Raises
    ------
    WorkbenchError
        If the folder cannot be renamed, as when a program on Windows has a file of it open.
    """
    if not (root / COPY).exists():
        return None
    kept = next(path for number in count(1)
                if not os.path.lexists(path := root / f"{COPY}-old-{number}"))
    try:
        (root / COPY).rename(kept)
    except OSError as error:
        raise WorkbenchError(f"could not rename {root / COPY} to {kept.name}: {error.strerror}. "
                             "Close JupyterLab and what else uses the folder, then try "
                             "again.") from error
    return kept


def command(extra: Sequence[str], browser: bool, root: Path = ROOT) -> list[str]:
    """Return the command line of JupyterLab.

    Parameters
    ----------
    extra : sequence of str
        Further arguments for JupyterLab.
    browser : bool
        Whether to open one; if not, the URL is printed for the reader to open.
    root : Path
        Folder to serve: the project's, since lessons have links to what lies beside them.
    """
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}",
             "--ServerApp.ip=127.0.0.1", f"--LabApp.default_url=/lab/tree/{COPY}/{FIRST}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")
    if not browser:
        words.append("--no-browser")
    return [*words, *extra]


def has_browser() -> bool:
    """Return whether a browser with a screen can be opened here."""
    if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def environment() -> dict[str, str]:
    """Return the environment for JupyterLab and its kernels, as the Makefile sets it."""
    own = os.path.join(sys.prefix, "share", "jupyter")
    search = [own, *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
            **os.environ,
            # Looked at first, so that the kernel `python3` is this environment's.
            "JUPYTER_PATH": os.pathsep.join(search)}


def start(extra: Sequence[str] = (), fresh: bool = False, root: Path = ROOT) -> int:
    """Open the student's copy of the course in JupyterLab, which takes this process over.

    Parameters
    ----------
    extra : sequence of str
        Further arguments for JupyterLab.
    fresh : bool
        Whether to start over with a new copy. The old one is kept under another name.
    root : Path
        Folder of the project.

    Returns
    -------
    int
        Exit code of JupyterLab, on Windows; elsewhere the function does not return.

    Raises
    ------
    WorkbenchError
        If the copy cannot be made or renamed.
    """
    kept = set_aside(root) if fresh else None
    if kept:
        print(f"Your earlier copy of the course is now {kept.name}/.")
    new = copy_lessons(root)
    if new:
        print(f"Copied to {COPY}/: {', '.join(path.as_posix() for path in new)}.")
    print(f"You work in {COPY}/; the notebooks in {LESSONS}/ stay as they are.", flush=True)
    browser = has_browser()
    if not browser:
        print("No browser here: open the URL with the token that JupyterLab prints below.",
              flush=True)
    words = command(extra, browser, root)
    if os.name == "nt":  # where execv returns to the shell at once
        return subprocess.run(words, env=environment()).returncode
    os.execve(words[0], words, environment())
