"""`make env`: which Python it takes, and when it makes the environment again.

Python is a stub here that notes what it is asked to install, so that nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("pyproject.toml", "setup.py", "constraints.txt", "etc/jupyterlab-overrides.json")
STUB = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "new {version}" >> "$NOTES" ;;
"-m pip") case "$3" in install) echo "install" >> "$NOTES"; test ! -e "$BREAK" ;; esac ;;
"-c "*) exec {python} -I -S -c "import sys; sys.version_info = {version}; $2" ;;
esac
"""


@pytest.fixture
def pythons(tmp_path):
    """A folder of commands with the tools that the Makefile uses, and no Python yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("cat", "cp", "mkdir", "rm", "sh", "touch"):
        (folder / tool).symlink_to(shutil.which(tool))

    def add(name, *version):
        (folder / name).write_text(STUB.format(python=sys.executable, version=version))
        (folder / name).chmod(0o755)
    return add


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "my project"
    for name in ("Makefile", *NEEDED):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def make_env(tmp_path):
    """Run `make env` in a folder; returns what was made and installed, the exit code and words."""
    def call(folder, *words):
        notes = tmp_path / "notes"
        notes.write_text("")
        variables = {"PATH": str(tmp_path / "bin"), "NOTES": str(notes),
                     "BREAK": str(tmp_path / "break")}
        done = subprocess.run([shutil.which("make"), "env", *words], cwd=folder, env=variables,
                              capture_output=True, text=True)
        return notes.read_text().splitlines(), done.returncode, done.stdout + done.stderr
    return call


MADE_311 = ["new (3, 11)", "install"]


def test_the_environment_is_made_once(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    assert make_env(project)[:2] == (MADE_311, 0)
    assert make_env(project)[:2] == ([], 0)


@pytest.mark.parametrize("name", NEEDED)
def test_it_is_brought_up_to_date_after_a_change_of_what_it_is_made_from(name, project, pythons,
                                                                        make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    later = (project / ".venv" / ".stamp").stat().st_mtime + 10
    os.utime(project / name, (later, later))
    assert make_env(project)[:2] == (["install"], 0)


def test_a_moved_folder_gets_a_new_environment(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    (project / ".venv" / "old").touch()
    moved = project.rename(project.with_name("moved"))
    made, code, words = make_env(moved)
    assert (made, code) == (MADE_311, 0) and "was made for another folder" in words
    assert not (moved / ".venv" / "old").exists()
    assert make_env(moved)[:2] == ([], 0)


def test_a_copied_folder_gets_an_environment_of_its_own(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    copy = shutil.copytree(project, project.with_name("copy"), symlinks=True)
    assert make_env(copy)[:2] == (MADE_311, 0)
    assert make_env(project)[:2] == ([], 0)


def test_an_environment_of_unknown_origin_is_made_again(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    (project / ".venv" / ".made-for").unlink()
    assert make_env(project)[:2] == (MADE_311, 0)


def test_an_environment_whose_python_is_gone_is_made_again(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    (project / ".venv" / "bin" / "python").unlink()
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert make_env(project)[:2] == (MADE_311, 0)
    assert make_env(project)[:2] == ([], 0)


def test_another_python_that_is_asked_for_makes_the_environment_again(project, pythons, make_env):
    pythons("python3.11", 3, 11)
    pythons("python3.12", 3, 12)
    make_env(project)
    assert make_env(project, "PYTHON=python3.12")[0] == ["new (3, 12)", "install"]
    assert make_env(project, "PYTHON=python3.12")[:2] == ([], 0)
    assert make_env(project)[:2] == ([], 0), "without PYTHON the environment keeps its own"


def test_an_install_that_failed_is_gone_on_with(project, pythons, make_env, tmp_path):
    pythons("python3.11", 3, 11)
    (tmp_path / "break").touch()
    made, code, _ = make_env(project)
    assert made == MADE_311 and code != 0
    (tmp_path / "break").unlink()
    assert make_env(project)[:2] == (["install"], 0)
    assert make_env(project)[:2] == ([], 0)


def test_the_doctor_s_remedy_installs_into_an_environment_that_is_up_to_date(project, pythons,
                                                                            make_env):
    pythons("python3.11", 3, 11)
    make_env(project)
    assert make_env(project, "-B")[:2] == (["install"], 0)


def test_of_several_pythons_one_is_taken_for_which_everything_installs(project, pythons, make_env):
    pythons("python3", 3, 14)
    pythons("python3.10", 3, 10)
    pythons("python3.13", 3, 13)
    assert make_env(project)[0] == ["new (3, 13)", "install"]


@pytest.mark.parametrize("minor", [10, 14, 15])
def test_a_python_without_wheels_of_all_packages_is_refused_with_those_that_have_them(
        minor, project, pythons, make_env):
    pythons("python3", 3, minor)
    made, code, words = make_env(project)
    assert made == [] and code != 0
    assert "Python 3.11, 3.12 or 3.13 is needed" in words and "make env PYTHON=" in words
    made, code, words = make_env(project, "PYTHON=python3")
    assert made == [] and code != 0
    assert "python3 is missing, or is not Python 3.11, 3.12 or 3.13" in words
    assert not (project / ".venv").exists()
