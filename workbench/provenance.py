"""Which code on which machine made a result."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("workbench", "torch", "numpy", "scikit-learn", "transformers")


def git_revision() -> str | None:
    """Return the commit that the code is from, with ``+changes`` if it has been edited since.

    None outside a git checkout.
    """
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True,
                              text=True, check=True, timeout=5).stdout.strip()
    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


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
