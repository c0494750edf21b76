"""Where code and data come from (folder, revision, versions), and how to install them again."""

import functools
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from importlib import metadata, resources
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

PACKAGES = ("workbench", "torch", "numpy", "scikit-learn", "transformers")


def package_folder() -> Path:
    """Return the folder of the package that is running."""
    return Path(str(resources.files("workbench")))


def project_root() -> Path | None:
    """Return the top folder of the project, or None if the package was installed from a wheel."""
    root = package_folder().parent
    return root if (root / "pyproject.toml").is_file() else None


def data_path(*parts: str) -> Path:
    """Return the path of a shipped file or folder, such as ``data_path("models", "tiny-lm")``.

    In a wheel the data are inside the package, and in the project's folder beside it.
    """
    inside = package_folder() / "data"
    return (inside if inside.is_dir() else package_folder().parent / "data").joinpath(*parts)


def installed_package() -> Path | None:
    """Return the folder of the package that is installed in this environment, or None."""
    own = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for path in (own, sys.path):
        for distribution in metadata.distributions(name="workbench", path=path):
            origin = json.loads(distribution.read_text("direct_url.json") or "{}")
            if origin.get("dir_info", {}).get("editable"):
                project = Path(url2pathname(urlparse(origin["url"]).path))
                return (project / "workbench").resolve()
            return Path(str(distribution.locate_file("workbench"))).resolve()
    return None


def first_on_path() -> Path | None:
    """Return the first package or module called `workbench` on the path, or None.

    The current folder is skipped, since notebooks run in another one. So is an editable
    installation: Python looks for it after the whole path.
    """
    entries = [e for e in sys.path if e and Path(e).resolve() != Path.cwd().resolve()]
    spec = PathFinder.find_spec("workbench", entries)
    place = next(iter(spec.submodule_search_locations or ()), spec.origin) if spec else None
    return Path(place).resolve() if place else None


def install_command(*wanted: str) -> str:
    """Return the command that installs requirements into the environment that is running."""
    root = project_root()
    if root and os.name != "nt" and Path(sys.prefix).resolve() == root.resolve() / ".venv":
        return _command("make", "-C", str(root), "-B", "env")
    pins = ("-c", str(root / "constraints.txt")) if root else ()
    return _command(sys.executable, "-m", "pip", "install", *pins, *wanted)


def install_project(*extras: str) -> str:
    """Return the command that installs this project, with extras, into this environment."""
    root = project_root()
    if root is None:
        return "install the package again from its wheel"
    return install_command("-e", f"{root}[{','.join(extras)}]")


def on_python_path(package: Path) -> bool:
    """Return whether the variable PYTHONPATH names the folder that contains a package."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return package.parent.resolve() in [Path(entry).resolve() for entry in entries if entry]


def off_the_path(package: Path) -> str:
    """Return an instruction after which Python no longer imports a package."""
    if not on_python_path(package):
        return f"rename or remove {package}"
    if os.name == "nt":
        return f"remove {package.parent} from the environment variable PYTHONPATH"
    return "unset PYTHONPATH"


def _command(*words: str) -> str:
    """Return a command line; words that a shell would split or interpret are quoted."""
    return " ".join(word if re.fullmatch(r"[\w./:\\=+-]+", word) else f'"{word}"' for word in words)


def git_revision() -> str | None:
    """Return the commit of the project, with ``+changes`` if the code has been edited since.

    None if the project's folder is not the top of a git checkout, for example if a zip file was
    unpacked inside another repository.
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
    """Return an instruction that restores a shipped file or folder.

    It depends on the source of the project: a git clone, a download, or a wheel. The file or folder
    is deleted first, because git regards a file of unchanged date and size as unchanged.
    """
    if not path.is_relative_to(data_path()):
        return f"Restore {path} from the place where it came from."
    root = project_root()
    if root is None:
        again = _command(sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps")
        return f"Install the package again from its wheel: {again} WHEEL"
    name = path.relative_to(root).as_posix()
    if git_revision() is None:
        return f"Delete {path}, download the project again, and copy {name} from it to this place."
    first = f"Delete {path}, then run" if path.exists() else "Run"
    return f"{first}: {_command('git', '-C', str(root), 'checkout', '--', name)}"


def _git(folder: Path, *words: str) -> str:
    """Run git in a folder, without variables that name another repository; return its output."""
    others = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=True,
                          encoding="utf-8", errors="replace", timeout=30,
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
