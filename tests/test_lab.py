"""`make lab`: a copy of the course on this machine only, with its token on, also as root."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from workbench.cli import call
from workbench.course import lab
from workbench.errors import WorkbenchError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path):
    """A project with a glossary and two lessons, one of them in a folder below."""
    (tmp_path / "notebooks" / "more" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("00_start_here", "more/20_other", "more/.ipynb_checkpoints/20_other-checkpoint"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"shipped {name}")
    (tmp_path / "notebooks" / "GLOSSARY.md").write_text("shipped words")
    (tmp_path / "notebooks" / "conftest.py").write_text("stays")
    return tmp_path


@pytest.fixture
def asked(project, monkeypatch):
    """What `start` would turn the process into, and its environment."""
    def call(*arguments, browser=True, fresh=False):
        taken = []
        monkeypatch.setattr(lab, "has_browser", lambda: browser)
        monkeypatch.setattr(os, "execve", lambda *words: taken.append(words))
        lab.start(arguments, fresh, project)
        (path, words, environment), = taken
        assert path == words[0] == sys.executable
        return words, environment
    return call


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text()
            for path in sorted(folder.rglob("*")) if path.is_file()}


LESSONS = {"GLOSSARY.md": "shipped words", "00_start_here.ipynb": "shipped 00_start_here",
           "more/20_other.ipynb": "shipped more/20_other"}


def test_the_first_start_copies_every_lesson_and_opens_the_copy(project, asked, capsys):
    words, _ = asked()
    assert contents(project / "my-course") == LESSONS
    assert value(words, "LabApp.default_url") == ["/lab/tree/my-course/00_start_here.ipynb"]
    assert value(words, "ServerApp.root_dir") == [str(project)]
    assert "You work in my-course/" in capsys.readouterr().out


def test_what_a_student_has_written_is_never_changed_and_new_lessons_come(project, asked):
    asked()
    (project / "my-course" / "00_start_here.ipynb").write_text("my answers")
    (project / "my-course" / "notes.ipynb").write_text("my notes")
    (project / "notebooks" / "00_start_here.ipynb").write_text("shipped anew")
    (project / "notebooks" / "01_next.ipynb").write_text("shipped 01_next")
    asked()
    assert contents(project / "my-course") == {
        **LESSONS, "00_start_here.ipynb": "my answers", "notes.ipynb": "my notes",
        "01_next.ipynb": "shipped 01_next"}


def test_starting_over_keeps_every_earlier_copy_under_another_name(project, asked, capsys):
    asked()
    for i in (1, 2):
        (project / "my-course" / "00_start_here.ipynb").write_text(f"my answers {i}")
        asked(fresh=True)
        assert f"Your earlier copy of the course is now my-course-old-{i}/" in (
            capsys.readouterr().out)
    assert contents(project / "my-course") == LESSONS
    for i in (1, 2):
        assert contents(project / f"my-course-old-{i}") == {
            **LESSONS, "00_start_here.ipynb": f"my answers {i}"}


def test_starting_over_where_there_is_no_copy_is_a_first_start(project, asked):
    asked(fresh=True)
    assert contents(project / "my-course") == LESSONS
    assert sorted(path.name for path in project.iterdir()) == ["my-course", "notebooks"]


def test_a_lesson_that_can_only_be_read_becomes_a_file_that_can_be_saved(project):
    (project / "notebooks" / "00_start_here.ipynb").chmod(0o444)
    lab.copy_lessons(project)
    assert (project / "my-course" / "00_start_here.ipynb").stat().st_mode & 0o200


def test_a_copy_that_fails_leaves_no_part_of_a_lesson_behind(project, monkeypatch):
    def full(*names):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WorkbenchError, match="No space left"):
        lab.copy_lessons(project)
    monkeypatch.undo()
    assert contents(project / "my-course") == {}
    lab.copy_lessons(project)
    assert contents(project / "my-course") == LESSONS


def test_a_file_in_the_place_of_the_copy_is_left_alone_and_named(project):
    (project / "my-course").write_text("a file")
    with pytest.raises(WorkbenchError, match="my-course: .*Move away what is in its place"):
        lab.copy_lessons(project)
    assert (project / "my-course").read_text() == "a file"


def test_a_copy_in_use_that_cannot_be_renamed_is_told(project, monkeypatch):
    def used(*names):
        raise PermissionError(13, "Permission denied")
    lab.copy_lessons(project)
    monkeypatch.setattr(Path, "rename", used)
    with pytest.raises(WorkbenchError, match="my-course-old-1: Permission denied. Close Jupyter"):
        lab.set_aside(project)


def test_a_package_without_the_project_s_folder_is_told(tmp_path):
    with pytest.raises(WorkbenchError, match="00_start_here.ipynb is missing.*Clone or download"):
        lab.copy_lessons(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [lab.COPY, f"{lab.COPY}-old-1"])
def test_git_ignores_the_copies(folder):
    patterns = (ROOT / ".gitignore").read_text().split()
    assert any(Path(f"{folder}/").match(pattern.rstrip("/")) for pattern in patterns)


def test_links_and_paths_in_the_lessons_lead_from_the_copy_to_the_same_files(tmp_path):
    for folder in ("notebooks", "data", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    result = []
    for path in lab.copy_lessons(tmp_path):
        home = (tmp_path / "my-course" / path).parent
        if path.suffix == ".md":
            result += [home / target for target in
                       re.findall(r"\]\(([^):#]+)\)", (home / path.name).read_text())]
            continue
        for cell in nbformat.read(home / path.name, as_version=4).cells:
            pattern = (r"\]\(([^):#]+)\)" if cell.cell_type == "markdown"
                       else r"[\"'](\.\./[^\"']+)[\"']")
            # A line break inside a link is a space to Markdown and no part of its target.
            result += [home / target for target in re.findall(pattern, cell.source)]
    assert len(result) > 10 and any("data" in target.parts for target in result)
    assert [target for target in result if not target.exists()] == []


def test_the_command_line_passes_what_it_does_not_know_on_to_jupyterlab(monkeypatch):
    seen = []
    monkeypatch.setattr(lab, "start", lambda extra, fresh, folder, hub: seen.append(
        (extra, fresh, folder, hub)) or 3)
    for arguments in (["--port=9999", "--debug"], ["--debug", "--fresh"],
                      ["--hub", "--folder", "mine"]):
        assert call(["lab", *arguments]) == 3
    assert seen == [(["--port=9999", "--debug"], False, None, False),
                    (["--debug"], True, None, False), ([], False, Path("mine"), True)]


def test_a_copy_in_another_folder_has_links_to_the_project(project, tmp_path_factory, monkeypatch):
    home, taken = tmp_path_factory.mktemp("home") / "course", []
    (project / "data").mkdir()
    (project / ".venv").mkdir()
    (project / "my-course-old-1").mkdir()
    home.mkdir()
    (home / "README.md").write_text("my own")
    (home / "data").symlink_to(project / "moved")  # leads nowhere
    (project / "README.md").write_text("shipped")
    monkeypatch.setattr(os, "execve", lambda *words: taken.append(words[1]))
    lab.start(root=project, folder=home, hub=True)
    assert contents(home / "my-course") == LESSONS
    assert (home / "data").readlink() == project / "data"
    assert (home / "notebooks").readlink() == project / "notebooks"
    assert (home / "README.md").read_text() == "my own"
    assert {path.name for path in home.iterdir()} == {"README.md", "data", "my-course", "notebooks"}
    assert not (project / "my-course").exists()
    (words,) = taken
    assert words[1:3] == ["-m", "jupyterhub.singleuser"]
    assert value(words, "ServerApp.root_dir") == [str(home)]
    assert value(words, "ServerApp.ip") == [], "JupyterHub says where to listen"


def test_a_folder_in_which_no_link_can_be_made_is_told(project, tmp_path_factory, monkeypatch):
    def refused(*names):
        raise OSError(1, "Operation not permitted")
    monkeypatch.setattr(Path, "symlink_to", refused)
    with pytest.raises(WorkbenchError, match="notebooks: Operation not permitted. Choose a folder"):
        lab.link_project(tmp_path_factory.mktemp("home"), project)


@pytest.mark.parametrize(("target", "flag"), [("lab", ""), ("fresh", " --fresh")])
def test_make_starts_the_course_and_hands_flags_on(target, flag):
    printed = subprocess.run(["make", "-n", target, "LAB_FLAGS=--port=1", "PYTHON=python3"],
                             cwd=ROOT, capture_output=True, text=True).stdout
    assert f"workbench lab{flag} --port=1" in printed


def test_kernels_get_the_settings_of_the_makefile_without_make(asked, monkeypatch):
    makefile = (ROOT / "Makefile").read_text()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("JUPYTER_PATH", "elsewhere")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    _, environment = asked()
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM",
                 "PYTHONHASHSEED", "HF_HUB_OFFLINE"):
        assert re.search(rf"export {name} [?:]= {environment[name]}\n", makefile), name
    for name, instructions in lab.INSTRUCTIONS.items():
        assert f"export {name} ?= {instructions}\n" in makefile
    assert (environment.items() >= lab.INSTRUCTIONS.items()) == lab.has_avx2()
    assert environment["OMP_NUM_THREADS"] == "3", "what the reader has set stays"
    first, second = environment["JUPYTER_PATH"].split(os.pathsep)
    assert first.startswith(sys.prefix) and second == "elsewhere"


@pytest.mark.parametrize(("flags", "has"), [("sse avx avx2 bmi2", True), ("sse avx bmi2", False)])
def test_instructions_are_limited_only_to_what_the_processor_has(tmp_path, flags, has):
    assert not lab.has_avx2(tmp_path / "cpuinfo"), "no such file on other systems"
    (tmp_path / "cpuinfo").write_text(f"vendor_id : GenuineIntel\nflags : fpu {flags} rdseed\n")
    assert lab.has_avx2(tmp_path / "cpuinfo") == has


def value(words, name):
    return [w.split("=", 1)[1] for w in words if w.startswith(f"--{name}=")]


def test_it_listens_on_this_machine_only():
    assert value(lab.command([], browser=True), "ServerApp.ip") == ["127.0.0.1"]


def test_the_token_stays_on():
    words = " ".join(lab.command([], browser=False)).lower()
    assert "token" not in words and "password" not in words and "disable" not in words


def test_it_serves_this_checkout():
    (root,) = value(lab.command([], browser=True), "ServerApp.root_dir")
    assert Path(root) == ROOT and (ROOT / "notebooks" / lab.FIRST).exists()


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_where_one_is_root(user, allowed, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in lab.command([], browser=True)) is allowed


def test_a_system_without_user_numbers_is_no_root(monkeypatch):
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert "--allow-root" not in lab.command([], browser=True)


def test_without_a_browser_none_is_opened_and_the_reader_is_told(asked, capsys):
    assert "--no-browser" in asked(browser=False)[0]
    assert "open the URL with the token" in capsys.readouterr().out


def test_with_a_browser_it_is_opened(asked, capsys):
    assert "--no-browser" not in asked(browser=True)[0]
    assert "token" not in capsys.readouterr().out


def test_further_arguments_come_last_so_that_they_win(asked):
    assert asked("--port=9999", "--debug")[0][-2:] == ["--port=9999", "--debug"]


def test_linux_without_a_screen_has_no_browser(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(lab.webbrowser, "get", lambda: object())
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not lab.has_browser()
    monkeypatch.setenv("DISPLAY", ":0")
    assert lab.has_browser()


def test_a_screen_without_a_browser_has_none(monkeypatch):
    def none():
        raise lab.webbrowser.Error("could not locate runnable browser")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(lab.webbrowser, "get", none)
    assert not lab.has_browser()
