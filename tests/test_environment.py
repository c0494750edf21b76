"""pyproject.toml, constraints.txt, environment.yml and the Makefile ask for the same things."""

from __future__ import annotations

import os
import re
import shlex
import shutil
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
from workbench.course.doctor import EXTRAS, LESSON_EXTRAS, PYTHON, PYTHON_END, missing, requirements

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
ASKED = [*PROJECT["dependencies"], *(r for extra in OPTIONAL.values() for r in extra)]
PINNED = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()
          if line.strip() and not line.startswith("#")]
HERE = [pin for pin in PINNED if not pin.marker or pin.marker.evaluate()]
"""The pins for this Python."""
PINS = {canonicalize_name(pin.name): pin for pin in HERE}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
README = (ROOT / "README.md").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


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
    assert len(PINS) == len(HERE) > len(ASKED)


@pytest.mark.parametrize("python", ["3.11.0", "3.11.5", "3.12.0", "3.13.9"])
def test_each_python_that_is_offered_has_exactly_one_pin_of_each_package(python):
    marks = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    names = [pin.name for pin in PINNED if not pin.marker or pin.marker.evaluate(marks)]
    assert len(names) == len(set(names)) and set(names) == {pin.name for pin in PINNED}


def test_what_is_installed_is_what_is_pinned():
    other = {}
    for name, pin in PINS.items():
        try:
            result = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            continue  # Pins may be for other systems; those that are required are looked at below.
        if result.public != version(pin).public:
            other[name] = (str(result), str(version(pin)))
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


def test_the_pythons_that_are_offered_are_the_same_everywhere():
    assert (PYTHON, PYTHON_END) == ((3, 11), (3, 14))
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    makefile = (ROOT / "Makefile").read_text()
    assert "(3, 11) <= sys.version_info[:2] < (3, 14)" in makefile
    offered = {f"3.{minor}" for minor in range(PYTHON[1], PYTHON_END[1])}
    assert set(re.findall(r"python(3\.\d+)", makefile)) == offered
    assert "Python 3.11, 3.12 or 3.13" in README
    assert set(re.findall(r"(?:[Pp]ython|py -)\s?(3\.\d+)", README)) <= offered


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
    result = {hook["id"]: hook for hook in hooks[0]["hooks"]}
    assert set(result) == {"ruff", "mypy", "codespell"}
    for name, hook in result.items():
        assert hook["language"] == "system" and hook["entry"].startswith(f".venv/bin/{name}")


def jobs():
    """The jobs of all workflows, by name."""
    return {name: job for path in WORKFLOWS
            for name, job in yaml.safe_load(path.read_text())["jobs"].items()}


def commands() -> list[list[str]]:
    """The commands that the workflows run, in order, as words; not those that fetch a model."""
    lines = [line for name, job in jobs().items() if name != "real" for step in job["steps"]
             for line in step.get("run", "").splitlines()]
    return [shlex.split(line) for line in lines]


def test_every_test_runs_on_linux_and_a_smoke_test_on_macos_and_windows():
    everything, smoke = jobs()["all"], jobs()["smoke"]
    assert "ubuntu" in everything["runs-on"]
    assert [".ci/run"] in commands() and os.access(ROOT / ".ci" / "run", os.X_OK)
    systems = " ".join(smoke["strategy"]["matrix"]["os"])
    assert "macos" in systems and "windows" in systems
    for words in (["workbench", "doctor"], ["python", "-c", "import workbench"]):
        assert words in commands()


def test_actions_are_pinned_by_version_and_pythons_are_those_of_the_project():
    steps = [step for job in jobs().values() for step in job["steps"] if "uses" in step]
    assert steps and all(re.fullmatch(r"actions/[\w-]+@v\d+(\.\d+)*", s["uses"]) for s in steps)
    pythons = [step["with"]["python-version"] for step in steps if "with" in step]
    pythons += jobs()["smoke"]["strategy"]["matrix"]["python"]
    pythons.remove("${{ matrix.python }}")
    assert len(pythons) > 2
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(p + ".0") for p in pythons)


def test_workflows_name_commands_and_files_that_exist(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = []
    for words in commands():
        assert words[0] in ("python", "workbench", "echo", ".ci/run")
        if words[0] == "workbench":
            # What the doctor finds is another matter than whether there is one.
            code, _, err = cli(*words[1:], *(["--help"] if words[1] == "doctor" else []))
            assert code == 0, err
            ran.append(words[1])
        for word in words:
            if word.startswith("tests/") or word.endswith(".txt"):
                assert (ROOT / word).is_file(), word
            if word.startswith(".["):
                assert set(extras(word)) <= set(OPTIONAL)
    assert {"doctor", "run", "show"} <= set(ran)


def test_the_real_model_is_fetched_and_tested_in_a_workflow_of_its_own_and_nowhere_else():
    steps = [step.get("run", "") for step in jobs()["real"]["steps"]]
    tests = ".venv/bin/python -m pytest -p no:cacheprovider -q -m real tests/test_real.py"
    assert steps[-4:] == ["make env", ".venv/bin/workbench get-model smollm2-135m", tests,
                          ".venv/bin/python scripts/record_real.py"]
    assert not [words for words in commands() if "get-model" in words]
    assert "-m 'not real'" in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome", None])
def test_ci_installs_a_browser_only_where_the_browser_tests_would_find_none(browser, tmp_path):
    notes = tmp_path / "notes"
    for name in ("make", "apt-get", "sudo", *filter(None, [browser])):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "{notes}"\n')
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "dirname", "env", "id"):
        (tmp_path / name).symlink_to(shutil.which(name))
    subprocess.run([ROOT / ".ci" / "run"], env={"PATH": str(tmp_path)}, check=True)
    told = notes.read_text()
    assert ("install" in told) is (browser is None) and told.endswith("make test\n")


def test_the_commands_for_windows_in_the_readme_are_those_of_make():
    block = README.split("```bat\n")[1].split("```")[0].strip().splitlines()
    make, install, lab = (line.split() for line in block)
    assert make == ["py", "-3.13", "-m", "venv", ".venv"]
    assert install[:4] == [r".venv\Scripts\python", "-m", "pip", "install"]
    assert install[4:7] == ["-c", "constraints.txt", "-e"]
    assert set(LESSON_EXTRAS) <= set(extras(install[7])) <= set(OPTIONAL)
    assert lab == [r".venv\Scripts\workbench", "lab"]
