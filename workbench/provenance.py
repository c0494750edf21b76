"""Where the code and its data come from: the project's folder, its revision, the versions used."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import Any

PACKAGES = ("workbench", "torch", "numpy", "scikit-learn", "transformers")


def package_folder() -> Path:
    """Return the folder of the package that is running."""
    return Path(str(resources.files("workbench")))


def project_root() -> Path | None:
    """Return the top folder of the project, or None if the package was installed from a wheel."""
    root = package_folder().parent
    return root if (root / "pyproject.toml").is_file() else None


def data_path(*parts: str) -> Path:
    """Return the path of a shipped file or folder.

    A wheel brings the data along inside the package; in the project's folder they stand beside it.

    Parameters
    ----------
    *parts : str
        The path below ``data/``, such as ``"models", "tiny-lm"``.
    """
    inside = package_folder() / "data"
    return (inside if inside.is_dir() else package_folder().parent / "data").joinpath(*parts)


def git_revision() -> str | None:
    """Return the commit of the project, with ``+changes`` if the code has been edited since.

    None if the project's folder is not itself a git checkout. A repository that merely contains the
    folder, such as one into which a zip file was unpacked, does not count.
    """
    root = project_root()
    if root is None:
        return None
    try:
        if not os.path.samefile(_git(root, "rev-parse", "--show-toplevel"), root):
            return None
        _git(root, "ls-files", "--error-unmatch", "workbench/__init__.py")
        changed = _git(root, "status", "--porcelain", "--", "workbench")
        return _git(root, "rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def restore(path: Path) -> str:
    """Return an instruction that brings back a shipped file or folder as it was published.

    It depends on where the project came from: a git clone, a download, or a wheel. The file or
    folder is deleted first, because git takes a file of unchanged date and size for unchanged.
    """
    if not path.is_relative_to(data_path()):
        return f"Restore {path} from the place where it came from."
    root = project_root()
    if root is None:
        return (f'Install the package again from its wheel: "{sys.executable}" -m pip install '
                "--force-reinstall --no-deps WHEEL")
    name = path.relative_to(root).as_posix()
    if git_revision() is None:
        return f"Delete {path}, download the project again, and copy {name} from it to this place."
    first = f"Delete {path}, then run" if path.exists() else "Run"
    return f'{first}: git -C "{root}" checkout -- {name}'


def _git(folder: Path, *words: str) -> str:
    """Run git in a folder and return its output; variables that name another repository are off."""
    others = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=True,
                          encoding="utf-8", errors="replace", timeout=5,
                          env={k: v for k, v in os.environ.items() if k not in others}
                          ).stdout.strip()


def package_version(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def environment() -> dict[str, Any]:
    """Return versions, platform and git revision, as stored in every record."""
    return {"python": platform.python_version(), "platform": sys.platform,
            "machine": platform.machine(), "git": git_revision(),
            "packages": {name: package_version(name) for name in PACKAGES}}
