"""pyproject.toml, constraints.txt, environment.yml and the Makefile ask for the same things."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from workbench import __version__
from workbench.doctor import EXTRAS, PYTHON, missing, requirements

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
ASKED = [*PROJECT["dependencies"], *(r for extra in OPTIONAL.values() for r in extra)]
PINNED = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()
          if line.strip() and not line.startswith("#")]
PINS = {canonicalize_name(pin.name): pin for pin in PINNED}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def version(pin: Requirement) -> Version:
    return Version(str(pin.specifier).removeprefix("=="))


def extras(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_required_is_pinned_within_its_range(asked):
    requirement = Requirement(asked)
    assert requirement.specifier, "a range"
    assert requirement.specifier.contains(version(PINS[canonicalize_name(requirement.name)]))


def test_every_pin_is_exact_and_stands_once():
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) for pin in PINNED)
    assert len(PINS) == len(PINNED) > len(ASKED)


def test_what_is_installed_is_what_is_pinned():
    other = {}
    for name, pin in PINS.items():
        try:
            found = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            continue  # Pins may be for other systems; those that are required are looked at below.
        if found.public != version(pin).public:
            other[name] = (str(found), str(version(pin)))
    assert other == {}


def test_everything_required_is_installed():
    assert [fault for asked in ASKED if (fault := missing(asked))] == []


def test_the_doctor_reads_each_extra_s_own_requirements():
    # A part, not all: the metadata are those of the last `make env`.
    known = {None: PROJECT["dependencies"], **OPTIONAL}
    for extra, asked in known.items():
        read = {str(Requirement(r)) for r in requirements(extra)}
        assert read and read <= {str(Requirement(r)) for r in asked}


def test_the_version_is_the_same_everywhere():
    assert metadata.version("workbench") == PROJECT["version"] == __version__


def test_python_3_11_is_the_oldest_everywhere():
    assert PROJECT["requires-python"] == ">=3.11" and PYTHON == (3, 11)
    assert "sys.version_info < (3, 11)" in (ROOT / "Makefile").read_text()


def test_conda_takes_a_python_that_the_project_takes():
    python = next(d for d in CONDA["dependencies"] if str(d).startswith("python="))
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert wanted.contains(python.removeprefix("python=") + ".0")
    assert "pip" in CONDA["dependencies"]


def test_conda_installs_the_same_extras_through_the_same_constraints():
    pip = next(d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict))
    assert pip[0] == "-c constraints.txt"
    package = next(line for line in pip if line.startswith("-e ."))
    made = re.search(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert extras(package.removeprefix("-e .")) == extras(made[1]) == list(OPTIONAL)


def test_make_installs_through_the_constraints():
    assert "-c constraints.txt -e '.[$(EXTRAS)]'" in (ROOT / "Makefile").read_text()


def test_the_doctor_looks_at_every_extra():
    assert set(EXTRAS) == set(OPTIONAL)


def test_make_looks_for_kernels_in_its_own_environment_first():
    done = subprocess.run(["make", "-s", "--eval", "probe: ; @echo $$JUPYTER_PATH", "probe"],
                          cwd=ROOT, env={**os.environ, "JUPYTER_PATH": "/elsewhere"},
                          capture_output=True, text=True, check=True)
    own = str(ROOT / ".venv" / "share" / "jupyter")
    assert done.stdout.strip().splitlines()[-1] == f"{own}:/elsewhere"


def test_every_commit_hook_is_a_tool_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"], "nothing is fetched"
    found = {hook["id"]: hook for hook in hooks[0]["hooks"]}
    assert set(found) == {"ruff", "mypy", "codespell"}
    for name, hook in found.items():
        assert hook["language"] == "system" and hook["entry"].startswith(f".venv/bin/{name}")
