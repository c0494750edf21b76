"""The form of a lesson: short, each name assigned in one cell, no long line, no clipped picture."""

from __future__ import annotations

import ast
import base64
import io
import re
from collections import Counter, defaultdict
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from workbench.course.sandbox import names_of

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = {path.relative_to(FOLDER).with_suffix("").as_posix(): path
             for path in sorted(FOLDER.rglob("*.ipynb"))
             if ".ipynb_checkpoints" not in path.parts}
MOST_CELLS, LONGEST_CELL, WIDEST_LINE = 30, 15, 100
MOST_NUMBERS, MOST_WORDS, MOST_CODE = 150, 500, 60
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,.]*(e[-+]?\d+)?")
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


def is_picture(output):
    """Whether a stored output is a picture, or a widget, whose static form is one."""
    data = output.get("data", {})
    return any(form.startswith("image/") for form in data) or bool(
        re.search("<img|<svg", data.get("text/html", "")))


def printed_numbers(notebook):
    """The count of the numbers that a reader sees in the outputs, where there are too many.

    Text is counted that is printed or the plain form of a result. Not counted are pictures, and
    what is folded: tables of `show_numbers`, and figures in words.
    """
    texts = [output.get("text", "") or output.get("data", {}).get("text/plain", "")
             for cell in code_cells(notebook) for output in cell.get("outputs", [])
             if not is_picture(output)
             and "<details" not in output.get("data", {}).get("text/html", "")]
    number = sum(len(list(NUMBER.finditer(text))) for text in texts)
    return [f"{number} numbers are printed"] if number > MOST_NUMBERS else []


def leftovers(notebook):
    """Results that mean nothing to a reader, such as ``Text(0, 0.5, 'loss')``."""
    return [f"cell {i} shows {shown[:40]}" for i, cell in enumerate(code_cells(notebook), 1)
            for output in cell.get("outputs", []) if output.output_type == "execute_result"
            and set(output.data) == {"text/plain"}
            for shown in [output.data["text/plain"]]
            if re.match(r"[\[(]*(Text\(|<|array\(|[A-Z]\w+Container)", shown)]


def words_of(text):
    """The number of words in Markdown that a reader has to read in a row.

    A word has a letter or a digit. A formula is one word, and so is the text of a link without its
    address. Hints and solutions are folded, and not counted; nor is the table that heads a lesson
    (objectives, prerequisites, time, memory). All other tables are.
    """
    text = re.sub(r"<details.*?</details>|^\| \| \|$.*?(?=\n\n|\Z)", "", text, flags=re.S | re.M)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "formula", text, flags=re.S)
    text = re.sub(r"\]\([^)]*\)|<[^>]*>", " ", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def far_from_a_picture(notebook):
    """Stretches between two pictures, or from the start or to the end, that are too long.

    Words are those of `words_of`, lines of code those that are not empty. Pictures are stored
    outputs and images in Markdown. The code that draws a picture stands before it. Cells are
    counted from 0, those of Markdown too.
    """
    found, words, lines = [], 0, 0
    for i, cell in enumerate([*notebook.cells, None]):
        parts = ([""] if cell is None else re.split(r"!\[[^]]*\]\([^)]*\)|<img[^>]*>", cell.source)
                 if cell.cell_type == "markdown" else [cell.source])
        if cell is not None and cell.cell_type == "code":
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
            parts = ["", ""] if any(map(is_picture, cell.get("outputs", []))) else [""]
        for k, part in enumerate(parts):
            if k or cell is None:
                where = "the end" if cell is None else f"the picture of cell {i}"
                found += [f"{count} {unit} before {where}" for count, most, unit in (
                    (words, MOST_WORDS, "words"), (lines, MOST_CODE, "lines of code"))
                    if count > most]
                words = lines = 0
            words += words_of(part)
    return found


RULES = (too_many_cells, long_cells, wide_lines, repeated_pictures, clipped_pictures,
         reassigned_names, bare_asserts, leftovers, printed_numbers, far_from_a_picture)


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


def shown(text="", **data):
    """A stored output: what a cell shows with this plain text."""
    return nbformat.v4.new_output("display_data", {"text/plain": text} | {
        form.replace("_", "/"): value for form, value in data.items()})


@pytest.mark.parametrize(("text", "count"), [
    ("1 -2.5 +3 61 % 1e-4 3,000", 6), ("f9 x1 v2.0 2.", 1), ("0.25 (0.20 to 0.30)", 3)])
def test_numbers_are_counted_once_each_and_names_are_none(text, count):
    assert len(list(NUMBER.finditer(text))) == count


def test_numbers_are_counted_that_a_reader_sees_at_once():
    numbers = "1 " * 151
    assert printed_numbers(notebook("1", texts=[numbers])) == ["151 numbers are printed"]
    assert not printed_numbers(notebook("1", texts=["1 " * 150]))
    made = notebook("1", "2")
    made.cells[1].outputs = [shown(numbers, text_html="<table>")]
    assert printed_numbers(made), "a table is not folded"
    made.cells[1].outputs = [shown(numbers, text_html="<details><table>"),
                             shown(numbers, image_png="aa", text_html="<img>")]
    assert not printed_numbers(made)


@pytest.mark.parametrize(("text", "seen"), [
    ("Text(0, 0.5, 'loss')", True), ("[<Line2D object at 0x7f>]", True), ("0.25", False),
    ("'a text'", False)])
def test_a_result_without_meaning_is_seen(text, seen):
    made = notebook("1")
    made.cells[0].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": text})]
    assert bool(leftovers(made)) == seen


@pytest.mark.parametrize(("text", "count"), [
    ("Two words", 2), ("- a *b* | c", 3), ("[the link](a b c.md)", 2), ("$a + b$ is $$c\n- d$$", 3),
    ("one <details><summary>Hint</summary>\n\na b\n\n</details> two", 2),
    ("# 6\n\n| | |\n|---|---|\n| **Time** | 6 minutes |\n\nend", 2),
    ("| | new | old |\n|---|---|---|\n| sft | 3 | 4 |", 5)])
def test_words_are_counted_that_a_reader_reads(text, count):
    assert words_of(text) == count


def lesson(*parts):
    """A notebook: an int is that many words, an int in a list that many lines; else Markdown."""
    made = nbformat.v4.new_notebook()
    for part in parts:
        if isinstance(part, list):
            cell = nbformat.v4.new_code_cell("x\n\n" * part[0], outputs=part[1:])
        else:
            cell = nbformat.v4.new_markdown_cell("a " * part if isinstance(part, int) else part)
        made.cells.append(cell)
    return made


PICTURE = shown(image_png="aa")


@pytest.mark.parametrize("parts", [
    (500, [60, PICTURE], 500, [60]), ("a " * 300 + "![a b](c.png)" + "a " * 499,),
    (300, [1, shown(text_html="<svg>")], 300), (300, [1, shown(image_svg="<svg>")], 300)])
def test_a_lesson_with_a_picture_at_the_limit_has_no_fault(parts):
    assert far_from_a_picture(lesson(*parts)) == []


@pytest.mark.parametrize(("parts", "fault"), [
    ((501,), "501 words before the end"), ((300, [1], 201), "501 words before the end"),
    ((501, [1, PICTURE]), "501 words before the picture of cell 1"),
    (([61, PICTURE],), "61 lines of code before the picture of cell 0"),
    (([1, PICTURE], [40], [21]), "61 lines of code before the end"),
    ((300, "b " * 201 + "<img src=a>"), "501 words before the picture of cell 1")])
def test_a_long_stretch_without_a_picture_is_named(parts, fault):
    assert far_from_a_picture(lesson(*parts)) == [fault]
