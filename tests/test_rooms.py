"""The rooms of the package: who may import whom, what an import costs, and how long files are."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

PACKAGE = Path(workbench.__file__).parent
ROOMS = ("errors", "config", "system", "tasks", "models", "losses", "measure", "retrieval",
         "kernel", "teachers", "learners", "runs", "pretraining", "plots", "widgets", "course",
         "cli")
"""In order: a room imports only itself and rooms before it."""
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "ipywidgets", "pandas",
         "transformers", "IPython", "tyro")


def room_of(path: Path) -> str:
    """`workbench/tasks/digits.py` and `workbench/tasks/__init__.py` are of the room tasks."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> list[str]:
    """Every dotted name imported anywhere in a module, also inside functions."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def rooms_imported(source: str) -> set[str]:
    """The rooms that a module imports; `__init__` stands for the package itself."""
    result = set()
    for name in imported(ast.parse(source)):
        first, _, rest = (name + ".").partition(".")
        if first == "workbench":
            room = rest.split(".")[0]
            result.add(room if room in ROOMS else "__init__")
    return result


def dangers(source: str) -> list[str]:
    """What in a module could run code out of a file."""
    tree, result = ast.parse(source), []
    for name in imported(tree):
        if name.split(".")[0] in ("pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"):
            result.append(name)
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in ("eval", "exec", "compile", "torch.load", "torch.jit.load", "pd.read_pickle"):
            result.append(called)
        if isinstance(node, ast.Call) and any(
                k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords):
            result.append("allow_pickle")
        if called == "np.load" and "allow_pickle" not in [k.arg for k in node.keywords]:
            result.append("np.load without allow_pickle=False")
    return result


def test_every_file_belongs_to_a_room_and_every_room_is_there():
    assert {room_of(path) for path in FILES} == {*ROOMS, "__init__"}


@pytest.mark.skipif(not (PACKAGE.parent / ".git").exists(), reason="not a git checkout")
def test_git_ignores_no_file_of_the_package():
    ignored = subprocess.run(["git", "check-ignore", "--no-index", *map(str, FILES)],
                             cwd=PACKAGE.parent, capture_output=True, text=True).stdout
    assert ignored == ""


def test_the_top_of_the_package_can_be_seen_at_a_glance():
    top = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert sum(path.is_file() for path in top) <= 6 and sum(path.is_dir() for path in top) <= 12


def test_the_architecture_lists_the_rooms_in_this_order():
    drawing = (PACKAGE.parent / "docs" / "ARCHITECTURE.md").read_text().split("```")[1]
    listed = [line.split()[0] for line in drawing.strip().splitlines()]
    assert [re.sub(r"(\.py|/)$", "", name) for name in listed] == list(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_itself_and_rooms_before_it(path):
    room = room_of(path)
    allowed = {"__init__", *ROOMS[: ROOMS.index(room) + 1]} if room in ROOMS else set()
    later = rooms_imported(path.read_text()) - allowed
    assert not later, f"{room} imports {sorted(later)}, which come after it"


def test_only_tasks_and_pretraining_know_the_village():
    knowing = {path.relative_to(PACKAGE).as_posix() for path in FILES
               if any(name.startswith("workbench.tasks.village")
                      for name in imported(ast.parse(path.read_text())))}
    knowing = {name for name in knowing if not name.startswith(("tasks/village/", "pretraining/"))}
    assert knowing == {"tasks/__init__.py", "tasks/items.py", "tasks/text.py"}


def test_the_walk_finds_imports_of_every_kind():
    source = ("import workbench.runs.loop\nfrom workbench import learners, __version__\n"
              "def f():\n    from workbench.tasks.digits import make_stream\n"
              "if TYPE_CHECKING:\n    import workbench.plots as p\nimport workbenchlike.demo\n")
    assert rooms_imported(source) == {"runs", "learners", "__init__", "tasks", "plots"}


def test_importing_the_package_loads_nothing_heavy():
    code = "import json, sys, workbench; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=PACKAGE.parent)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert "workbench" in loaded
    assert not loaded & set(HEAVY)


def test_every_public_name_is_that_of_its_home():
    for name in workbench.__all__:
        home = importlib.import_module(f"workbench.{workbench._HOMES[name]}")
        assert getattr(workbench, name) is getattr(home, name)
    assert dir(workbench) == workbench.__all__


def test_an_unknown_public_name_is_told_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'train'.*'run'"):
        workbench.train  # noqa: B018


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_a_method_fits_on_100_lines():
    methods = [p for p in FILES if room_of(p) == "learners" and p.stem not in ("base", "routing")]
    assert len(methods) > 8
    longer = {"adapters.py": 140}  # it has the settings of its retrievers too
    assert {p.name: lines(p) for p in methods if lines(p) > longer.get(p.name, 100)} == {}


def test_no_file_of_the_package_is_long():
    assert {p.name: lines(p) for p in FILES if lines(p) > 260} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_runs_code_out_of_a_file(path):
    # The sandbox runs students' functions, in a process of its own.
    allowed = ["compile", "exec"] if path == PACKAGE / "course" / "sandbox.py" else []
    assert sorted(dangers(path.read_text())) == allowed


def test_the_search_for_code_out_of_files_finds_it():
    source = ("import pickle\nfrom joblib import load\ntorch.load(p)\neval('1')\nmodel.eval()\n"
              "np.load(p, allow_pickle=True)\nnp.load(p, allow_pickle=False)\nnp.load(p)\n")
    assert sorted(dangers(source)) == sorted(["pickle", "joblib.load", "torch.load", "eval",
                                              "allow_pickle", "np.load without allow_pickle=False"])
