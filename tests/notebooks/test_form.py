"""The form of a lesson: short, each name assigned in one cell, no long line, no clipped picture."""

from __future__ import annotations

import ast
import base64
import io
import symtable
from collections import Counter, defaultdict
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = {path.relative_to(FOLDER).with_suffix("").as_posix(): path
             for path in sorted(FOLDER.rglob("*.ipynb"))
             if ".ipynb_checkpoints" not in path.parts}
MOST_CELLS, LONGEST_CELL, WIDEST_LINE = 30, 15, 100
FAINT = 16  # of 255 grey levels: what no reader sees
# Statements whose names, where nothing else mentions them, are gone when they end.
BLOCKS = (ast.For, ast.While, ast.With, ast.Try, ast.If)
IMPORTS = (ast.Import, ast.ImportFrom)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def too_many_cells(notebook):
    """The number of code cells, where there are too many."""
    number = len(code_cells(notebook))
    return [f"{number} code cells"] if number > MOST_CELLS else []


def long_cells(notebook):
    """Code cells of too many lines."""
    return [f"cell {i} has {lines} lines" for i, cell in enumerate(code_cells(notebook), 1)
            if (lines := len(cell.source.splitlines())) > LONGEST_CELL]


def wide_lines(notebook):
    """Printed lines that do not fit into a window beside the file list."""
    return [f"cell {i}: {line}" for i, cell in enumerate(code_cells(notebook), 1)
            for output in cell.get("outputs", []) if output.output_type == "stream"
            for line in output.text.splitlines() if len(line) > WIDEST_LINE]


def pictures(notebook):
    """The stored pictures, as text in base 64, with the numbers of their cells."""
    return [(output.data["image/png"], i) for i, cell in enumerate(code_cells(notebook), 1)
            for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def repeated_pictures(notebook):
    """Pictures that are stored twice."""
    shown = Counter(picture for picture, _ in pictures(notebook))
    return [f"a picture is there {times} times" for times in shown.values() if times > 1]


def clipped_pictures(notebook):
    """Pictures in which something touches the border, such as a label that is cut off."""
    found = []
    for picture, i in pictures(notebook):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"), int)
        for side, edge in {"top": pixels[0], "bottom": pixels[-1],
                           "left": pixels[:, 0], "right": pixels[:, -1]}.items():
            if np.abs(edge - pixels[0, 0]).max() > FAINT:
                found.append(f"cell {i}: something is cut off at the {side}")
    return found


def names_of(statement):
    """What one statement of a cell binds, and which names of the notebook it mentions at all.

    What a function or a comprehension has for itself is neither.
    """
    top = symtable.symtable(ast.unparse(statement), "a cell", "exec")
    binds = {symbol.get_name() for symbol in top.get_symbols()
             if symbol.is_assigned() or symbol.is_imported()}
    mentions, tables = {symbol.get_name() for symbol in top.get_symbols()}, [*top.get_children()]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        mentions |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return binds, mentions


def reassigned_names(notebook):
    """Names that two cells bind, so that a cell between them cannot be run again.

    A cell may bind a name several times. The same import may stand in several cells. The variable
    of a loop, and any other name that appears only in `for`, `while`, `with`, `try` and `if`
    statements that bind it themselves, may be used again; so may `_`.
    """
    bound, kept = defaultdict(set), set()
    for i, cell in enumerate(code_cells(notebook), 1):
        for statement in ast.parse(cell.source).body:
            binds, mentions = names_of(statement)
            kept |= mentions if not isinstance(statement, BLOCKS) else mentions - binds
            for name in binds:
                bound[name].add((0, ast.unparse(statement)) if isinstance(statement, IMPORTS)
                                else (i, ""))
    return [f"{name} is bound in {len(places)} cells" for name, places in bound.items()
            if len(places) > 1 and name in kept and name != "_"]


def bare_asserts(notebook):
    """Cells with an assert: `verdict` checks a claim too, and prints it."""
    return [f"cell {i}" for i, cell in enumerate(code_cells(notebook), 1)
            if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))]


RULES = (too_many_cells, long_cells, wide_lines, repeated_pictures, clipped_pictures,
         reassigned_names, bare_asserts)


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_lesson_has_the_form_that_its_readers_need(rule, name):
    assert rule(nbformat.read(NOTEBOOKS[name], as_version=4)) == []


def notebook(*cells, **outputs):
    """A notebook of code cells; the first has these outputs."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.cells[0].outputs = [nbformat.v4.new_output("stream", text=text)
                             for text in outputs.get("texts", [])]
    made.cells[0].outputs += [nbformat.v4.new_output("display_data", {"image/png": picture})
                              for picture in outputs.get("pictures", [])]
    return made


@pytest.mark.parametrize("cells", [
    ("x = 1", "x = 2"),
    ("low, high = 1, 2", "low, top = 3, 4"),
    ("x = 1", "x += 1"),
    ("x = 1", "for x in range(3):\n    pass"),
    ("for x in range(3):\n    pass\nprint(x)", "for x in range(3):\n    pass"),
    ("with open('a') as f:\n    y = f.read()\nprint(y)", "if True:\n    y = 2"),
    ("def x():\n    ...", "x = 1"),
    ("class X:\n    ...", "from a import X"),
    ("from a import x", "from b import x"),
    ("import a", "import b as a"),
    ("[y := 1, y]", "y = 2"),
    ("def f():\n    return x", "for x in 'ab':\n    f()", "for x in 'cd':\n    f()"),
    ("print([x for y in z])", "for x in 'ab':\n    pass", "for x in 'cd':\n    pass"),
], ids=" | ".join)
def test_a_name_that_two_cells_bind_is_seen(cells):
    assert reassigned_names(notebook(*cells))


@pytest.mark.parametrize("cells", [
    ("x = 1\nx = 2\nx += 1", "print(x)"),
    ("for x in 'ab':\n    y = x\n    print(y)", "for x in 'cd':\n    print(x)"),
    ("with open('a') as f:\n    f.read()", "with open('b') as f:\n    f.read()"),
    ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)",) * 2,
    ("from a import x", "from a import x\nprint(x)"),
    ("def f(x):\n    y = x\n    return y", "x = y = 1"),
    ("[x for x in 'ab']", "{x: 1 for x in 'ab'}", "x = 1"),
    ("x = {}", "x['a'] = 1\nx.b = 2"),
    ("a, _ = 1, 2", "_, b = 3, 4"),
], ids=" | ".join)
def test_what_may_be_used_again_is_not_taken_for_a_fault(cells):
    assert reassigned_names(notebook(*cells)) == []


def test_an_assert_is_seen_wherever_it_stands_in_a_cell():
    assert bare_asserts(notebook("x = 1", "for x in 'ab':\n    assert x")) == ["cell 2"]


@pytest.mark.parametrize(("place", "faults"), [
    (0.5, []), (1.0, ["cell 1: something is cut off at the right"])])
def test_a_label_that_is_cut_off_is_seen(place, faults):
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.text(place, 0.5, "a label", ha="center")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    picture = base64.b64encode(file.getvalue()).decode()
    assert clipped_pictures(notebook("1", pictures=[picture])) == faults


def test_length_width_and_pictures_are_seen_one_above_the_limit_and_not_at_it():
    assert too_many_cells(notebook(*["1"] * 31)) and not too_many_cells(notebook(*["1"] * 30))
    assert long_cells(notebook("1\n" * 16)) and not long_cells(notebook("1\n" * 15))
    assert wide_lines(notebook("1", texts=["ok\n" + "x" * 101])) == ["cell 1: " + "x" * 101]
    assert not wide_lines(notebook("1", texts=["x" * 100 + "\n" + "y" * 100]))
    assert repeated_pictures(notebook("1", pictures=["aa", "bb", "aa"]))
    assert not repeated_pictures(notebook("1", pictures=["aa", "bb"]))
