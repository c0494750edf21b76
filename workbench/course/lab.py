"""Open the student's copy of the course in JupyterLab, on this machine only and with a token.

JupyterLab saves a notebook while one reads it. Students therefore work in a copy of the lessons,
which git ignores, and the shipped notebooks stay unchanged.
"""

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
"""Folder of the student's copy, beside ``notebooks``, so that relative paths hold."""
FIRST = "00_start_here.ipynb"
INSTRUCTIONS = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
                "OPENBLAS_CORETYPE": "Haswell",
                "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
"""Limits PyTorch, NumPy and their libraries to instructions that most x86 processors have.

With newer ones sums have other last digits, and notebooks other numbers than the stored ones."""


def copy_lessons(root: Path = ROOT, folder: Path | None = None) -> list[Path]:
    """Copy the lessons and the glossary to the student's copy, and return the paths that are new.

    The copy is made in `folder`, by default the project's folder `root`. No file is overwritten.

    Raises `WorkbenchError` if there are no lessons, or the copy cannot be written.
    """
    copy = (folder or root) / COPY
    if not (root / LESSONS / FIRST).is_file():
        raise WorkbenchError(f"{root / LESSONS / FIRST} is missing: the notebooks are part of the "
                             "project's folder, not of the installed package. Clone or download "
                             "the project, and start from there.")
    lessons = sorted(path.relative_to(root / LESSONS) for path in (root / LESSONS).rglob("*")
                     if path.suffix in (".ipynb", ".md") and ".ipynb_checkpoints" not in path.parts)
    new = [path for path in lessons if not os.path.lexists(copy / path)]
    for path in new:
        target = copy / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkbenchError(f"could not make the folder {target.parent}: {error.strerror}. "
                                 "Move away what is in its place, or make the folder above it "
                                 "writable.") from error
        write_atomically(target, (root / LESSONS / path).read_bytes())
    return new


def link_project(folder: Path, root: Path = ROOT) -> None:
    """Make links in `folder` to the project's files and folders, to which lessons refer.

    So a class shares one project that nobody can change, and each student has a copy of the
    lessons. What is in the way stays, except links that lead nowhere any more.

    Raises `WorkbenchError` if a link cannot be made.
    """
    for path in sorted(root.iterdir()):
        link = folder / path.name
        hidden = path.name.startswith((".", COPY)) or path.suffix == ".egg-info"
        if hidden or path == folder or link.exists():
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path)
        except OSError as error:
            raise WorkbenchError(f"could not make the link {link} to {path}: {error.strerror}. "
                                 "Choose a folder in which you may write, on a disk that can hold "
                                 "symbolic links.") from error


def set_aside(root: Path = ROOT) -> Path | None:
    """Rename the student's copy in `root` and return its new path, or None if there is no copy.

    Raises `WorkbenchError` if that fails: on Windows, for example, if a program uses a file in it.
    """
    if not (root / COPY).exists():
        return None
    kept = next(path for number in count(1)
                if not os.path.lexists(path := root / f"{COPY}-old-{number}"))
    try:
        (root / COPY).rename(kept)
    except OSError as error:
        raise WorkbenchError(f"could not rename {root / COPY} to {kept.name}: {error.strerror}. "
                             "Close JupyterLab and other programs that use the folder, then try "
                             "again.") from error
    return kept


def command(extra: Sequence[str], browser: bool, root: Path = ROOT,
            hub: bool = False) -> list[str]:
    """Return the command line of JupyterLab, with further arguments at the end.

    It serves the folder of the whole project, because lessons link to its other folders. With
    `hub`, it is the server of one student, which JupyterHub starts and tells its address.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    program = "jupyterhub.singleuser" if hub else "jupyterlab"
    return [sys.executable, "-m", program, f"--ServerApp.root_dir={root}",
            f"--LabApp.default_url=/lab/tree/{COPY}/{FIRST}",
            *([] if hub else ["--ServerApp.ip=127.0.0.1"]),
            *(["--allow-root"] if is_root else []), *([] if browser else ["--no-browser"]), *extra]


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


def has_avx2(processors: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this is Linux on an x86 processor with the instructions AVX2."""
    return processors.exists() and " avx2 " in processors.read_text()


def environment() -> dict[str, str]:
    """Return the environment for JupyterLab and its kernels, as the Makefile sets it."""
    search = [os.path.join(sys.prefix, "share", "jupyter"), os.environ.get("JUPYTER_PATH")]
    return {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
            **(INSTRUCTIONS if has_avx2() else {}), **os.environ,
            # This environment comes first, so that the kernel `python3` is its own.
            "JUPYTER_PATH": os.pathsep.join(filter(None, search))}


def start(extra: Sequence[str] = (), fresh: bool = False, root: Path = ROOT,
          folder: Path | None = None, hub: bool = False) -> int:
    """Open the student's copy of the course in JupyterLab, which replaces this process.

    `extra` are further arguments for JupyterLab. With `fresh`, a new copy is made, and the old one
    kept under another name. With `folder`, the copy is in that folder, beside links to the project.
    `hub` is as in `command`. Returns the exit code of JupyterLab on Windows; elsewhere it does not
    return. Raises `WorkbenchError` if the copy cannot be made or renamed.
    """
    home = folder.resolve() if folder else root
    if fresh and (kept := set_aside(home)):
        print(f"Your earlier copy of the course is now {kept.name}/.")
    if new := copy_lessons(root, home):
        print(f"Copied to {COPY}/: {', '.join(path.as_posix() for path in new)}.")
    if home != root:
        link_project(home, root)
    print(f"You work in {COPY}/; the notebooks in {LESSONS}/ stay as they are.", flush=True)
    browser = has_browser() and not hub
    if not browser and not hub:
        print("No browser here: open the URL with the token that JupyterLab prints below.",
              flush=True)
    arguments = command(extra, browser, home, hub)
    if os.name == "nt":  # where execv returns to the shell at once
        return subprocess.run(arguments, env=environment()).returncode
    os.execve(arguments[0], arguments, environment())
