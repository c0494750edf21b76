"""The story without a browser: verdicts, pictures and one page that needs nothing else."""

from __future__ import annotations

import base64
import re
from functools import partial
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from workbench import demo, lessons
from workbench.config import RunConfig
from workbench.experiment import run
from workbench.lessons import Lesson, Verdict
from workbench.plots import describe, percent

STEPS = 15


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What `main` returns, its folder, and what it printed, with fewer steps and seeds."""
    import contextlib
    import io

    folder, printed = tmp_path_factory.mktemp("demo") / "new" / "folder", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(lessons, "SEEDS", (0, 1))
        patch.setattr(lessons, "RunConfig", partial(RunConfig, steps=STEPS))
        patch.setattr(lessons, "STEPS", 2)
        patch.setattr(lessons, "ITEMS", 6)
        verdicts = demo.main(folder)
    lessons.taught.cache_clear()
    return verdicts, folder, printed.getvalue()


class Page(HTMLParser):
    """Tags with their attributes, and the text of table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.cells, self._in_cell = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_cell = tag == "td"
        if self._in_cell:
            self.cells.append("")

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data):
        if self._in_cell:
            self.cells[-1] += data


def test_verdicts_are_printed_with_what_was_measured(told):
    verdicts, folder, printed = told
    assert len(verdicts) == 12
    for verdict in verdicts:
        word = "holds" if verdict.holds else "FAILS"
        assert f"{word}  {verdict.claim}\n       {verdict.measured}\n" in printed
    assert str(folder / "index.html") in printed


def test_a_verdict_holds_when_the_numbers_say_so(told):
    verdicts = {v.claim.split()[0]: v for v in told[0] if "forgetting" in v.lesson}
    acc = {name: run(RunConfig(learner=name, seeds=(0, 1), steps=STEPS)).accuracy[:, -1].mean(1)
           for name in ("finetune", "joint")}
    forgets, room = verdicts["Fine-tuning"], verdicts["The"]
    assert forgets.measured.startswith(f"finetune {percent(acc['finetune'].mean())} (")
    assert forgets.holds == (acc["finetune"].mean() < 0.21)
    assert room.measured.startswith(f"joint {percent(acc['joint'].mean())} (")
    # After so few steps nothing has been learned: a verdict has to be able to fail.
    assert acc["joint"].mean() < 0.94 and not room.holds


def test_every_figure_is_written_as_a_picture(told):
    pictures = sorted(told[1].glob("*.png"))
    assert [p.name for p in pictures] == [
        "forgetting.png", "one_skill.png", "own_teacher.png", "scenarios.png",
        "skills_in_a_row.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    assert {p.name for p in told[1].iterdir()} == {p.name for p in pictures} | {"index.html"}


def test_the_page_needs_nothing_but_itself(told):
    text = (told[1] / "index.html").read_text()
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe"), tag
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_picture_on_the_page_is_inline_with_its_words(told):
    page = Page((told[1] / "index.html").read_text())
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    names = ("forgetting", "scenarios", "own_teacher", "one_skill", "skills_in_a_row")
    for image, name in zip(images, names, strict=True):
        content = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        assert content == (told[1] / f"{name}.png").read_bytes()
    assert "finetune ends at" in images[0]["alt"] and "domain" in images[1]["alt"]
    assert "tiny, own: letters-new" in images[2]["alt"]
    assert "before: facts-new" in images[3]["alt"] and "letters-new" in images[4]["alt"]


def test_the_lesson_on_language_models_holds_and_names_what_it_measured(told):
    verdicts = [v for v in told[0] if v.lesson == "The model as its own teacher"]
    assert len(verdicts) == 3 and all(v.holds for v in verdicts)
    assert verdicts[0].measured.startswith("alone 0 % to ") and "100 %" in verdicts[0].measured


def test_the_lessons_on_self_distillation_fail_where_little_was_learned(told):
    verdicts = [v for v in told[0] if v.lesson.startswith("Self-distillation")]
    assert [v.holds for v in verdicts] == [False, False, True, False], "after two steps"
    assert verdicts[0].measured.startswith("sft 0 %; sdft ")
    assert "five seeds on record" in verdicts[2].measured


def test_the_page_has_the_table_of_verdicts(told):
    verdicts, folder, _ = told
    text = (folder / "index.html").read_text()
    said = [cell for v in verdicts
            for cell in (v.claim, v.measured, "holds" if v.holds else "fails")]
    assert Page(text).cells == said


def test_what_a_lesson_says_is_escaped_on_the_page():
    figure = Figure()
    describe(figure.subplots(), 'a "b" <i>')
    lesson = Lesson("<b>", [Verdict("<b>", "1 < 2 & <script>", "x", True)], {"f": figure})
    text = demo.page([lesson])
    assert "<script>" not in text and "<b>" not in text and "<i>" not in text
    assert Page(text).cells[0] == "1 < 2 & <script>"
    assert dict(next(a for t, a in Page(text).tags if t == "img"))["alt"] == 'a "b" <i>'
