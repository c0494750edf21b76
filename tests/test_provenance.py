"""Where code and data come from: revisions, line ends in clones, and the data of a wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from workbench.errors import ModelError
from workbench.models.verify import check_manifest
from workbench.system import provenance
from workbench.system.provenance import data_path, git_revision, restore

ROOT = Path(__file__).parent.parent
MODEL = ("data", "models", "nano-lm")


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, tmp_path):
    """Git with its own defaults, whatever the settings of this machine."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


def git(*words, cwd):
    return subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *map(str, words)],
                          cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "-m", "all", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project folder without git, taken for that of the running code."""
    def make(path="project", attributes=True) -> Path:
        root = tmp_path / path
        for parts in (MODEL, ("data", "skills")):
            shutil.copytree(ROOT.joinpath(*parts), root.joinpath(*parts))
        (root / "workbench").mkdir()
        for name in ("pyproject.toml", ".ci/run", "workbench/__init__.py",
                     "notebooks/00_start_here.ipynb", ".gitattributes"):
            if (ROOT / name).exists() and (attributes or name != ".gitattributes"):
                (root / name).parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, root / name)
        monkeypatch.setattr(provenance, "package_folder", lambda: root / "workbench")
        return root
    return make


def clone(source: Path, target: Path, monkeypatch) -> Path:
    """Clone as Git for Windows does by default, and take the clone for the running code's."""
    git("clone", "--quiet", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", source, target,
        cwd=source)
    monkeypatch.setattr(provenance, "package_folder", lambda: target / "workbench")
    return target


def test_a_clone_with_converted_line_ends_has_every_file_byte_for_byte(project, tmp_path,
                                                                       monkeypatch):
    source = project()
    git("init", "--quiet", cwd=source)
    commit(source)
    copy = clone(source, tmp_path / "clone", monkeypatch)
    check_manifest(copy.joinpath(*MODEL), required=True)
    names = git("ls-files", cwd=source).splitlines()
    assert len(names) > 20
    assert [n for n in names if (source / n).read_bytes() != (copy / n).read_bytes()] == []


def test_the_remedy_for_a_damaged_model_mends_a_clone(project, tmp_path, monkeypatch):
    # Cloned before .gitattributes came: git believes that the converted files are unchanged.
    source = project(attributes=False)
    git("init", "--quiet", cwd=source)
    commit(source)
    copy = clone(source, tmp_path / "my clone", monkeypatch)
    shutil.copy(ROOT / ".gitattributes", source)
    commit(source)
    git("pull", "--quiet", cwd=copy)
    model = copy.joinpath(*MODEL)
    with pytest.raises(ModelError, match="is damaged or has been replaced") as refused:
        check_manifest(model, required=True)
    message = str(refused.value)
    folder, command = re.search(r"Delete (.+), then run: (git .+)$", message).groups()
    assert Path(folder) == model
    shutil.rmtree(folder)
    assert restore(model) == f"Run: {command}"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    check_manifest(model, required=True)


def test_a_download_without_git_is_told_to_copy_the_files_again(project):
    root = project()
    assert restore(data_path("models", "nano-lm")) == (
        f"Delete {root.joinpath(*MODEL)}, download the project again, and copy data/models/nano-lm "
        "from it to this place.")


def test_a_model_of_the_reader_s_own_comes_from_elsewhere(tmp_path):
    assert restore(tmp_path) == f"Restore {tmp_path} from the place where it came from."


def test_the_revision_is_the_project_s_with_a_mark_for_changes(project):
    root = project()
    assert git_revision() is None, "there is no repository"
    git("init", "--quiet", cwd=root)
    assert git_revision() is None, "nothing is committed"
    revision = commit(root)
    assert git_revision() == revision
    (root / "workbench" / "__init__.py").write_text("changed")
    assert git_revision() == f"{revision}+changes"


def test_a_download_inside_another_repository_has_no_revision(project, tmp_path):
    project("other/project")
    git("init", "--quiet", cwd=tmp_path / "other")
    commit(tmp_path / "other")
    assert git_revision() is None


def test_a_download_inside_a_repository_that_ignores_it_has_no_revision(project, tmp_path):
    root = project("other/project")
    (tmp_path / "other" / ".gitignore").write_text("project/\n")
    git("init", "--quiet", cwd=tmp_path / "other")
    commit(tmp_path / "other")
    assert git_revision() is None
    git("init", "--quiet", cwd=root)
    (root / ".gitignore").write_text("workbench/\n")
    commit(root)
    assert git_revision() is None, "the code is not part of the repository"


def test_a_repository_named_by_variables_is_not_the_project_s(project, tmp_path, monkeypatch):
    # As in a hook of another repository.
    root = project()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("a")
    git("init", "--quiet", cwd=tmp_path / "other")
    other = commit(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(root))
    assert git("rev-parse", "HEAD", cwd=root) == other
    assert git_revision() is None


def test_data_are_found_in_the_project_s_folder():
    assert data_path("skills") == ROOT / "data" / "skills" and data_path().is_dir()
