"""The solved edition: in every lesson each stub is replaced by its folded solution, and checked.

All other cells are those that nbval runs, so that only imports and the replaced cells run here.
"""

from __future__ import annotations

import ast
import re

import nbformat
import pytest
from test_form import NOTEBOOKS, code_cells

CHECK = re.compile(r'^check\("(\w+)", \1\)$', re.M)
STUBS = [(lesson, name) for lesson, path in NOTEBOOKS.items()
         for cell in code_cells(nbformat.read(path, as_version=4))
         for name in CHECK.findall(cell.source)]


def folded_solution(notebook, name):
    """Return the code that a reader of the notebook finds below an exercise."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    solutions = re.findall(r"<summary>Solution</summary>\n\n```python\n(.+?)```", text, re.S)
    return next(code for code in solutions if re.search(rf"^def {name}\(", code, re.M))


def solved(cell, name, solution):
    """Return the code of a cell with a stub replaced by its solution."""
    tree = ast.parse(cell)
    stub = next(node for node in tree.body
                if isinstance(node, ast.FunctionDef) and node.name == name)
    lines = cell.splitlines()
    lines[stub.lineno - 1:stub.end_lineno] = solution.splitlines()
    return "\n".join(lines)


def imports_of(cells):
    """Return the import statements of some cells, in order."""
    return "\n".join(ast.unparse(node) for cell in cells for node in ast.parse(cell.source).body
                     if isinstance(node, (ast.Import, ast.ImportFrom)))


@pytest.mark.parametrize(("lesson", "name"), STUBS, ids=lambda word: word)
def test_the_solution_passes_the_check_where_a_student_would_write_it(lesson, name, capsys):
    notebook = nbformat.read(NOTEBOOKS[lesson], as_version=4)
    cells = code_cells(notebook)
    stub = next(i for i, cell in enumerate(cells) if f"def {name}(" in cell.source)
    check = next(i for i, cell in enumerate(cells) if name in CHECK.findall(cell.source))
    code = "\n".join(cells[i].source for i in sorted({stub, check}))
    namespace: dict[str, object] = {}
    exec(imports_of(cells[:check]), namespace)
    exec(code, namespace)
    assert f"{name}: not yet." in capsys.readouterr().out, "the stub is no answer"
    exec(solved(code, name, folded_solution(notebook, name)), namespace)
    assert capsys.readouterr().out.endswith(f"{name}: right!\n")


def test_every_stub_is_tried():
    stubs = [name for path in NOTEBOOKS.values() for name in
             re.findall(r'check\(\\"(\w+)\\"', path.read_text())]
    assert sorted(stubs) == sorted(name for _, name in STUBS)
