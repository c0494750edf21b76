"""Handouts: what stands on them, and that no file is overwritten."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from make_handouts import LINES, PICTURES, handout, main, words_of

from workbench.course import exercises

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
GLOSSARY = (ROOT / "notebooks" / "GLOSSARY.md").read_text()


class Page(HTMLParser):
    """The text of a page, its pictures and its links."""

    def __init__(self, source):
        super().__init__()
        self.pictures, self.links, self.lines, self.text = [], [], 0, ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.pictures += [attrs] if tag == "img" else []
        self.links += [attrs] if tag == "a" else []
        self.lines += attrs.get("class") == "line"

    def handle_data(self, data):
        self.text += data


def plain(markdown):
    """Words of Markdown without its marks."""
    return re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "", html.unescape(markdown)))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_handout_has_claim_objectives_pictures_exercises_and_words_and_no_code(path):
    notebook = nbformat.read(path, as_version=4)
    page = Page(handout(notebook, GLOSSARY))
    words = " ".join(plain(page.text))
    first = notebook.cells[0].source
    claim = " ".join(line[1:] for line in first.splitlines() if line.startswith(">"))
    objectives = re.search(r"Objectives\*\* \| (.+) \|", first)[1]
    assert " ".join(plain(claim)) in words
    assert all(" ".join(plain(part)) in words for part in objectives.split(" · "))
    own = re.findall(r"### Exercise: `(\w+)`", path.read_text())
    assert all(" ".join(plain(exercises[name].goal)) in words for name in own)
    assert page.lines == LINES * len(own)
    assert not any(line in page.text for name in own for line in exercises[name].hints)
    assert 0 < len(page.pictures) <= PICTURES
    assert all(len(picture["alt"]) > 20 for picture in page.pictures)
    code = [line for cell in notebook.cells if cell.cell_type == "code"
            for line in cell.source.splitlines() if len(line) > 20]
    assert not page.links and not any(line in page.text for line in code)
    assert page.text.split("Words")[1].strip()


def test_the_words_are_those_that_a_lesson_uses():
    text = "We measure the KL divergence of LoRA; relearning is no term."
    assert [terms for terms, _ in words_of(text, GLOSSARY)] == [
        "**adapter**, **LoRA**", "**KL divergence**, **nat**"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "GLOSSARY.md").write_text(GLOSSARY)
    cell = nbformat.v4.new_markdown_cell(
        "# A lesson\n\n> **Claim:** it forgets.\n\n| | |\n|---|---|\n| **Objectives** | a · b |")
    for name in ("01_first", "02_second"):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]),
                       tmp_path / "notebooks" / f"{name}.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_those_named(project, capsys):
    main(["02"])
    assert [path.name for path in (project / "handouts").iterdir()] == ["02_second.html"]
    assert "it forgets" in (project / "handouts" / "02_second.html").read_text()


@pytest.mark.parametrize(("words", "message"), [
    ([], "02_second.html exists"), (["09"], "no lesson begins with 09")])
def test_no_handout_is_overwritten_and_none_is_written_then(project, capsys, words, message):
    (project / "handouts").mkdir()
    (project / "handouts" / "02_second.html").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert [path.read_text() for path in (project / "handouts").iterdir()] == ["mine"]


def test_a_lesson_without_its_first_cell_is_told(project, capsys):
    cell = nbformat.v4.new_markdown_cell("# A lesson")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), project / "notebooks" / "01_x.ipynb")
    with pytest.raises(SystemExit):
        main(["01_x"])
    assert "01_x.ipynb: its first cell should have" in capsys.readouterr().err
