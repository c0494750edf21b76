"""`doctor` checks whether this machine is ready for the course, and names a fix for each fault."""

import html
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.system import provenance

PYTHON, PYTHON_END = (3, 11), (3, 14)
"""The oldest Python for which every pinned package has a wheel, and the first that is too new."""
MEMORY_GB, DISK_GB = 2.0, 2.0
EXTRAS = {
    "models": "language models, from lesson 04 on",
    "retrieval": "pictures of clusters, in more/retrieval_of_messages",
    "minilm": "embedding texts of your own with all-MiniLM-L6-v2",
    "scale": "a study on several processes or machines",
    "demo": "the instructor's demonstration",
    "classroom": "a class on one server",
    "course": "building the notebooks",
    "test": "running the tests",
}
LESSON_EXTRAS = ("models", "retrieval")
"""Extras without which a lesson fails."""


@dataclass(frozen=True)
class Check:
    """One check and its result."""

    name: str
    value: str
    ok: bool = True
    needed: bool = True
    """Whether a lesson fails without it."""
    fix: str = ""
    """The command or action that repairs a fault; shown only if `ok` is false."""


@dataclass(frozen=True)
class Report:
    """All checks; prints as a table."""

    checks: list[Check]

    @property
    def ready(self) -> bool:
        """Whether every check that a lesson needs is passed."""
        return all(check.ok for check in self.checks if check.needed)

    def verdict(self) -> str:
        """Return the result in one line, with the first fix if there is a fault."""
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
        lines = [f"{_mark(c):8s} {c.name:{width}s}  {c.value}"
                 + ("" if c.ok else f"\n{'':{8 + 1 + width}s}  → {c.fix}") for c in self.checks]
        return "\n".join([*lines, "", self.verdict()])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{_mark(c)}</td><td>{html.escape(c.name)}</td><td>"
                       f"{html.escape(c.value)}</td><td><code>{html.escape('' if c.ok else c.fix)}"
                       "</code></td></tr>" for c in self.checks)
        return ("<table><thead><tr><th>state</th><th>check</th><th>found</th><th>remedy</th>"
                f"</tr></thead><tbody>{rows}</tbody></table>")

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        # The values differ between machines; a stored notebook has the verdict only.
        printer.text(self.verdict())  # type: ignore[attr-defined]


def doctor() -> Report:
    """Check Python, packages, device, memory, disk, Chromium, extras, and the shipped data."""
    return Report([_python(), _package(), _packages(), _device(), _threads(), _memory(), _disk(),
                   _chromium(), *(_extra(*extra) for extra in EXTRAS.items()), *_data()])


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome browser, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def requirements(extra: str | None = None) -> list[str]:
    """Return the requirements of the package, or of one of its extras."""
    try:
        required = metadata.requires("workbench") or []
    except metadata.PackageNotFoundError:
        return []  # reported as a check of its own
    if extra is None:
        return [r for r in required if "extra ==" not in r]
    return [r.split(";")[0].strip() for r in required
            if f'extra == "{extra}"' in r.replace("'", '"')]


def missing(requirement: str) -> str | None:
    """Return the fault of an installed package, or None if it meets the requirement."""
    from packaging.requirements import Requirement

    required = Requirement(requirement)
    try:
        version = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        return f"{required.name} is not installed"
    if not required.specifier.contains(version, prereleases=True):
        return f"{required.name} is {version}, wanted {required.specifier}"
    return None


def _package() -> Check:
    own, first = provenance.package_folder().resolve(), provenance.first_on_path()
    installed = provenance.installed_package()
    if first and first not in (own, installed):
        return Check("workbench", f"another package of this name comes first on the path: {first}",
                     False, fix=provenance.off_the_path(first))
    if installed is None:
        return Check("workbench", f"{own} is not installed in this environment", False,
                     fix=provenance.install_project(*LESSON_EXTRAS))
    if installed != own:
        fix = (provenance.off_the_path(own) if provenance.on_python_path(own) else
               provenance.install_project(*LESSON_EXTRAS))
        return Check("workbench", f"{own} is running, but {installed} is installed", False, fix=fix)
    return Check("workbench", str(own))


def _python() -> Check:
    newest = f"3.{PYTHON_END[1] - 1}"
    again = (f"py -{newest} -m venv --clear .venv, and install again (README)" if os.name == "nt"
             else f"make env PYTHON=python{newest}")
    return Check("Python", platform.python_version(), PYTHON <= sys.version_info[:2] < PYTHON_END,
                 fix=f"install Python {newest} (3.{PYTHON[1]} is the oldest that works), then: "
                     + again)


def _faulty(required: list[str]) -> dict[str, str]:
    """Return the fault of each requirement that is not met."""
    return {r.split(";")[0].strip(): fault for r in required if (fault := missing(r))}


def _packages() -> Check:
    faults = _faulty(requirements())
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in
                         ("torch", "numpy", "scikit-learn", "ipywidgets", "jupyterlab")
                         if not missing(name))
    return Check("packages", "; ".join(faults.values()) or versions, not faults,
                 fix=provenance.install_command(*faults))


def _device() -> Check:
    if missing("torch"):
        return Check("device", "unknown without PyTorch", False,
                     fix=provenance.install_command("torch"))
    import torch

    from workbench.system.runtime import pick_device

    device = pick_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    return Check("device", f"{device.type} ({name}); the course needs no GPU")


def _threads() -> Check:
    pinned = os.environ.get("OMP_NUM_THREADS")
    return Check("threads", f"{os.cpu_count()} cores, OMP_NUM_THREADS {pinned or 'not set'}",
                 pinned is not None, False,
                 "start with: make lab (notebooks set it too, in their first cell)")


def _memory() -> Check:
    if missing("psutil"):
        return Check("free memory", "unknown without psutil", False,
                     fix=provenance.install_command("psutil"))
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Check("free memory", f"{free:.1f} GB", free >= MEMORY_GB,
                 fix=f"close other programs: {MEMORY_GB:g} GB should be free")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("free disk", f"{free:.1f} GB", free >= DISK_GB,
                 fix=f"remove files until {DISK_GB:g} GB are free (make clean removes old runs)")


def _chromium() -> Check:
    path = find_chromium()
    return Check("Chromium", path or "not found; only the browser tests need it", path is not None,
                 False, "sudo apt-get install chromium (or your system's package of that name)")


def _extra(extra: str, purpose: str) -> Check:
    faults = _faulty(requirements(extra))
    return Check(f"extra [{extra}]", "; ".join(faults.values()) or f"for {purpose}", not faults,
                 extra in LESSON_EXTRAS, provenance.install_command(*faults))


def _data() -> list[Check]:
    if not requirements() or _faulty(requirements()):
        return []  # reading the data needs the packages
    from workbench.models.backbones import DIGITS
    from workbench.models.loading import SHIPPED
    from workbench.models.minilm import EMBEDDINGS, shipped_embeddings
    from workbench.models.published import PUBLISHED
    from workbench.models.verify import check_manifest
    from workbench.tasks import SKILLS, load_skill

    return [*(_shipped(f"model {name}", folder, partial(check_manifest, folder, required=True))
              for name, folder in (*SHIPPED.items(), ("digits", DIGITS))),
            _shipped("embeddings of the intents", EMBEDDINGS, shipped_embeddings),
            _shipped("text skills", provenance.data_path("skills"),
                     lambda: [load_skill(name) for name in SKILLS]),
            *map(_published, PUBLISHED)]


def _shipped(name: str, folder: Path, read: Callable[[], object]) -> Check:
    try:
        read()
    except WorkbenchError as error:
        return Check(name, str(error), False, fix=provenance.restore(folder))
    return Check(name, "complete")


def _published(name: str) -> Check:
    from workbench.models.published import fetch_again, folder_of
    from workbench.models.verify import check_manifest

    folder, title, fix = folder_of(name), f"model {name}", f"workbench get-model {name}"
    if not folder.is_dir():
        return Check(title, "not fetched (optional, needs a network)", False, False, fix)
    try:
        check_manifest(folder, required=True)
    except WorkbenchError as error:
        return Check(title, str(error), False, False, fetch_again(name))
    return Check(title, f"complete, in {folder}")


def _mark(check: Check) -> str:
    return "ok" if check.ok else "MISSING" if check.needed else "optional"


if __name__ == "__main__":
    print(doctor())
