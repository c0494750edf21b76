"""What must be true of every stored notebook, whatever it teaches."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from build_lessons import budget, place_of, read_source, sources_in, target_of
from nbval.plugin import get_sanitize_patterns

from workbench.course.exercises import exercises

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Long ones that are not needed to follow the argument; there may be none.
MORE = sorted((ROOT / "notebooks" / "more").glob("*.ipynb"))
NOTEBOOKS = LESSONS + MORE
GLOSSARY = ROOT / "notebooks" / "GLOSSARY.md"
SOURCES = sources_in(ROOT / "notebooks" / "source")
SANITIZE = ROOT / "tests" / "sanitize.cfg"
LARGEST_KB = 700
LONGER = ("05_sdft", "08_many_skills")


def name_of(notebook):
    """The name of a lesson, such as 05_sdft or more/a_lesson."""
    return notebook.relative_to(ROOT / "notebooks").with_suffix("").as_posix()


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)


def code_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def test_every_source_has_its_notebook_and_the_other_way_round():
    assert [place_of(path)[1] for path in SOURCES] == [name_of(path) for path in NOTEBOOKS]
    assert LESSONS


@every_notebook
def test_cells_were_run_in_order_from_a_fresh_kernel(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_no_cell_ended_in_an_error(path):
    errors = [output for cell in code_cells(path) for output in cell.outputs
              if output.output_type == "error"]
    assert errors == []


@every_notebook
def test_no_widget_state_is_stored(path):
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    assert "application/vnd.jupyter.widget-state+json" not in path.read_text()


@every_notebook
def test_it_is_small_and_names_its_kernel(path):
    assert path.stat().st_size < LARGEST_KB * 1024
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@every_notebook
def test_every_picture_has_an_alternative_text_with_numbers_from_the_data(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                words = output.metadata["image/png"]["alt"]
                assert len(words) > 40, f"cell {cell.execution_count}: {words!r}"
                assert output.data["text/plain"] == words


@every_notebook
def test_every_widget_has_a_picture_beside_it_for_readers_without_a_kernel(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            if "application/vnd.jupyter.widget-view+json" in data:
                assert "image/png" in data


@every_notebook
def test_time_and_memory_were_measured_and_are_within_the_budget(path):
    measured = nbformat.read(path, as_version=4).metadata["workbench"]
    longest = 90 if path.stem in LONGER else 60
    assert measured["budget"] == budget(name_of(path)) == {"seconds": longest, "megabytes": 1500}
    for unit, most in measured["budget"].items():
        assert 0 < measured["used"][unit] <= most


@every_notebook
def test_first_cell_says_claim_objectives_prerequisites_time_and_memory(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    for word in ("Claim", "Objectives", "Prerequisites", "Time", "Memory"):
        assert f"**{word}" in first.source


@every_notebook
def test_it_says_what_would_change_your_mind_and_what_to_try(path):
    text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells)
    for phrase in ("What would change your mind?", "## Try it yourself", "## Limits"):
        assert phrase in text


@every_notebook
def test_no_cell_installs_anything(path):
    assert [cell.source for cell in code_cells(path) if "pip install" in cell.source] == []


@every_notebook
def test_headings_go_down_one_level_at_a_time(path):
    text = "\n".join(re.sub(r"```.*?```", "", cell.source, flags=re.S)
                     for cell in nbformat.read(path, as_version=4).cells
                     if cell.cell_type == "markdown")
    levels = [len(m.group(1)) for m in re.finditer(r"^(#+) ", text, flags=re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: place_of(path)[1])
def test_notebook_and_source_say_the_same(path):
    built = nbformat.read(target_of(path, ROOT / "notebooks"), as_version=4)
    source = read_source(path)
    assert [(c.cell_type, c.source) for c in built.cells] == [
        (c.cell_type, c.source) for c in source.cells], f"run: make build NAME={place_of(path)[1]}"


def test_every_exercise_is_set_checked_and_solved_in_some_notebook():
    text = "\n".join(path.read_text() for path in SOURCES)
    for name in exercises:
        assert f"{{{{exercise {name}}}}}" in text
        assert f"{{{{solution {name}}}}}" in text
        assert f'check("{name}", {name})' in text


def test_links_between_notebooks_and_the_glossary_lead_somewhere():
    for path in (*NOTEBOOKS, GLOSSARY):
        for target in re.findall(r"\]\(([\w./-]+\.(?:ipynb|md))\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_links_of_the_readme_and_the_documents_lead_to_files_and_to_headings_of_lessons():
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target, heading in re.findall(r"\]\((?!\w+:)([^()#]+)(?:#((?:[^()]|\([^()]*\))*))?\)",
                                          re.sub("`.*?`", "", path.read_text(), flags=re.S)):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
            if heading and target.endswith(".ipynb"):
                cells = nbformat.read(path.parent / target, as_version=4).cells
                names = re.findall(r"^#+ (.+)$", "\n".join(
                    cell.source for cell in cells if cell.cell_type == "markdown"), re.M)
                assert heading in {name.replace(" ", "-") for name in names}, (
                    f"{path.name} links to {target}#{heading}, which is no heading")


def test_the_glossary_explains_some_25_words_in_alphabetical_order():
    words = re.findall(r"^\| \*\*(.+?)\*\*", GLOSSARY.read_text(), re.M)
    assert 20 <= len(words) <= 32 and words == sorted(words, key=str.casefold)


@pytest.mark.parametrize(("path", "following"), list(pairwise(LESSONS)), ids=lambda p: p.stem)
def test_every_lesson_but_the_last_ends_with_a_link_to_the_next(path, following):
    last = nbformat.read(path, as_version=4).cells[-1].source
    assert re.findall(r"\*\*Next:\*\* \[.+?\]\((.+?)\)$", last) == [following.name]


def lessons_before(last_cell, name, texts):
    """The lessons that the last cell of more/name leads back to, and that have a link to it."""
    return [back for back in re.findall(r"\*\*Back to:\*\* \[.+?\]\(\.\./(.+?)\)$", last_cell)
            if f"](more/{name})" in texts.get(back, "")]


def test_every_lesson_in_more_ends_with_a_link_back_to_a_lesson_that_links_to_it():
    texts = {path.name: path.read_text() for path in LESSONS}
    for path in MORE:
        last = nbformat.read(path, as_version=4).cells[-1].source
        assert lessons_before(last, path.name, texts), (
            f"{name_of(path)} must end with **Back to:** [A lesson](../NN_lesson.ipynb), and that "
            f"lesson must have a link to more/{path.name}")


@pytest.mark.parametrize(("last_cell", "holds"), [
    ("Limits.\n\n**Back to:** [03 One](../03_one.ipynb)", True),
    ("**Back to:** [03 One](03_one.ipynb)", False),
    ("**Back to:** [03 One](../03_one.ipynb) and more", False),
    ("**Next:** [03 One](../03_one.ipynb)", False),
    ("**Back to:** [04 Other, without a link](../04_other.ipynb)", False),
    ("**Back to:** [05 There is none](../05_none.ipynb)", False)])
def test_which_link_back_counts(last_cell, holds):
    texts = {"03_one.ipynb": "See [more](more/long.ipynb).", "04_other.ipynb": "more/long.ipynb"}
    assert bool(lessons_before(last_cell, "long.ipynb", texts)) == holds


@pytest.mark.parametrize(("before", "after"), [
    ("kept 61 % of it", "kept_PERCENT_of_it"), ("-0.5 %", "PERCENT"), ("0.123456", "0.123"),
    ("at 0x7f3a2b", "at_ADDRESS"), ("took 3.2 s", "took_TIME"), ("4.71 nats", "NATS"),
    ("+1.5 points (-0.6 to +2.5 points)", "POINTS_(POINTS)"), ("1.5 of it", "1.5_of_it"),
    ("sft -0.6 (from -1.2 to +0.0); x", "sft_POINTS;_x"),
    ("on cuda:0", "on_DEVICE"), ("in /tmp/a/b.txt", "in_PATH"), ("a   b", "a_b"),
    (" 61%|###   | 6/10", "PROGRESS"),
    ('src="data:image/png;base64,iVBOR0/w+A=="', 'src="data:image/png;PICTURE"'),
    ("Verdict: it forgot.", "Verdict:_it_forgot."),
])
def test_what_may_differ_between_machines_is_left_out_of_the_comparison(before, after):
    assert sanitize(before, get_sanitize_patterns(SANITIZE.read_text())) == after


def test_every_sanitize_rule_is_read_by_nbval():
    text = SANITIZE.read_text()
    headings = [line for line in text.splitlines() if re.fullmatch(r"\[[a-z ]+\]", line)]
    assert len(get_sanitize_patterns(text)) == text.count("regex: ") == len(headings) == 11


def sanitize(text, rules):
    for regex, replacement in rules:
        text = re.sub(regex, replacement, text)
    return text
