"""`doctor`: whether this machine is ready for the course, and what one command mends it."""

from __future__ import annotations

import html
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

PYTHON = (3, 11)
MEMORY_GB, DISK_GB = 2.0, 2.0
EXTRAS = {
    "models": "language models, from notebook 04 on",
    "retrieval": "clustered retrieval, from a later lesson on",
    "course": "building the notebooks",
    "test": "running the tests",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name, value : str
        What, and what was found.
    ok : bool
        Whether it will do.
    needed : bool
        Whether the course cannot be followed without it.
    fix : str
        The one command, or action, that mends it; empty where nothing is to be mended.
    """

    name: str
    value: str
    ok: bool = True
    needed: bool = True
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All checks; prints as a table."""

    checks: list[Check]

    @property
    def ready(self) -> bool:
        """Whether everything that is needed is there."""
        return all(check.ok for check in self.checks if check.needed)

    def verdict(self) -> str:
        """Return one line for people."""
        if self.ready:
            return "Ready: the course can run here."
        fixes = [check.fix for check in self.checks if check.needed and not check.ok]
        return "Not ready yet. First: " + fixes[0]

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps({"ready": self.ready, "checks": [asdict(c) for c in self.checks]},
                          indent=1)

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = []
        for c in self.checks:
            lines.append(f"{_mark(c):8s} {c.name:{width}s}  {c.value}")
            if not c.ok:
                lines.append(f"{'':8s} {'':{width}s}  → {c.fix}")
        return "\n".join([*lines, "", self.verdict()])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{_mark(c)}</td><td>{html.escape(c.name)}</td><td>"
                       f"{html.escape(c.value)}</td><td><code>{html.escape('' if c.ok else c.fix)}"
                       "</code></td></tr>" for c in self.checks)
        return ("<table><thead><tr><th>state</th><th>what</th><th>found</th><th>to mend it</th>"
                f"</tr></thead><tbody>{rows}</tbody></table>")

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        # What was found differs from machine to machine; a stored notebook keeps the verdict only.
        printer.text(self.verdict())  # type: ignore[attr-defined]


def doctor() -> Report:
    """Look at Python, packages, device, memory, disk, Chromium, extras and shipped models."""
    return Report([_python(), *_packages(), _device(), _threads(), _memory(), _disk(),
                   _chromium(), *_extras(), *_models()])


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome browser, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None


def requirements(extra: str | None = None) -> list[str]:
    """Return what the package requires, of itself or for one of its extras."""
    found = metadata.requires("workbench") or []
    if extra is None:
        return [r for r in found if "extra ==" not in r]
    return [r.split(";")[0].strip() for r in found
            if f'extra == "{extra}"' in r.replace("'", '"')]


def missing(requirement: str) -> str | None:
    """Return what is wrong with an installed package, or None if it meets the requirement."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"{wanted.name} is {version}, wanted {wanted.specifier}"
    return None


def _python() -> Check:
    found, wanted = platform.python_version(), ".".join(map(str, PYTHON))
    return Check("Python", found, sys.version_info >= PYTHON,
                 fix=f"install Python {wanted} or newer, then: make env PYTHON=python{wanted}")


def _packages() -> list[Check]:
    faults = [fault for r in requirements() if (fault := missing(r))]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in
                         ("torch", "numpy", "scikit-learn", "ipywidgets", "jupyterlab")
                         if not missing(name))
    return [Check("packages", "; ".join(faults) or versions, not faults, fix="make env")]


def _device() -> Check:
    if missing("torch"):
        return Check("device", "unknown without PyTorch", False, fix="make env")
    import torch

    from workbench.runtime import pick_device

    device = pick_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    return Check("device", f"{device.type} ({name}); the course needs no GPU")


def _threads() -> Check:
    pinned = os.environ.get("OMP_NUM_THREADS")
    return Check("threads", f"{os.cpu_count()} cores, OMP_NUM_THREADS {pinned or 'not set'}",
                 pinned is not None, False,
                 "start with: make lab (notebooks pin them in their first cell)")


def _memory() -> Check:
    if missing("psutil"):
        return Check("free memory", "unknown without psutil", False, fix="make env")
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Check("free memory", f"{free:.1f} GB", free >= MEMORY_GB,
                 fix=f"close other programs: {MEMORY_GB:g} GB should be free")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("free disk", f"{free:.1f} GB", free >= DISK_GB,
                 fix="make clean, and remove what else you can: "
                     f"{DISK_GB:g} GB should be free")


def _chromium() -> Check:
    path = find_chromium()
    return Check("Chromium", path or "not found; only the browser tests need it", path is not None,
                 False, "sudo apt-get install chromium (or your system's package of that name)")


def _extras() -> list[Check]:
    checks = []
    for extra, purpose in EXTRAS.items():
        faults = [fault for r in requirements(extra) if (fault := missing(r))]
        checks.append(Check(f"extra [{extra}]", "; ".join(faults) or f"there; for {purpose}",
                            not faults, False, "make env"))
    return checks


def _models() -> list[Check]:
    if missing("torch"):
        return []
    from workbench.errors import ModelError
    from workbench.models.loading import SHIPPED, find_model
    from workbench.models.manifest import check_manifest

    checks = []
    for name in SHIPPED:
        fault = ""
        try:
            check_manifest(find_model(name), required=True)
        except ModelError as error:
            fault = str(error)
        checks.append(Check(f"model {name}", fault or "whole", not fault, False,
                            f"git checkout -- data/models/{SHIPPED[name].name}"))
    return checks


def _mark(check: Check) -> str:
    return "ok" if check.ok else "MISSING" if check.needed else "optional"


if __name__ == "__main__":
    print(doctor())
