"""The guide for instructors: sections, minutes, widgets, exercises, links and numbers."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from build_lessons import notes_on

import workbench.widgets
from workbench.course import exercises
from workbench.widgets.player import load_recording
from workbench.widgets.show import SCENES

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "INSTRUCTORS.md"
TEXT = GUIDE.read_text(encoding="utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
NUMBER = re.compile(r"(?<![\d.])(?:\d+\.\d+|\d+(?= %))")
"""A percentage, or a number with decimals."""
MINUTES = re.compile(r"\*\*Minutes:\*\* (\d+) to show, (\d+) to work through\.")
WORDS = 280
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def section(path):
    """Return the notes on a lesson."""
    notes = notes_on(path.stem, GUIDE)
    assert notes, f"{GUIDE} has no section “## {path.stem[:2]} Title”"
    return notes


def table(text):
    """Return the rows of the first Markdown table of a text, without its head."""
    lines = re.search(r"(?:^\|.*\n)+", text, re.M)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words_of(path):
    """Return all that a lesson says and shows, with one kind of space."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        parts.append(cell.source)
        for output in cell.get("outputs", []):
            parts += [output.get("text", ""), json.dumps(output.get("data", {}).get("text/plain"),
                                                         ensure_ascii=False)]
    return re.sub(r"\s+", " ", " ".join(parts).replace("\\n", " "))


@each_lesson
def test_a_lesson_has_a_short_section_with_minutes_clicks_answers_and_a_title(path):
    notes = section(path)
    assert re.search(rf"^## {path.stem[:2]} \w.+$", TEXT, re.M)
    assert len(notes.split()) <= WORDS
    asked = re.search(r"\*\*Time\*\* \| (?:about )?(\d+) minutes", words_of(path))
    assert int(MINUTES.search(notes)[2]) == int(asked[1])  # those of the lesson
    for part in ("**Clicks", "**Misconceptions**", "**In class:**", "**Discussion**"):
        assert part in notes
    clicks = notes.split("**Misconceptions**")[0]
    assert clicks.count("Ask") >= 2
    assert clicks.count("Expected") >= clicks.count("Ask")


@each_lesson
def test_widgets_and_exercises_are_those_of_the_lesson(path):
    notes, lesson = section(path), words_of(path)
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", notes))
    used = {name for name in workbench.widgets.__all__ if re.search(rf"\b{name}\(", lesson)}
    assert named == used
    own = set(re.findall(r"### Exercise: `(\w+)`", lesson))
    assert own == {name for name in re.findall(r"`(\w+)`", notes) if name in exercises}


@each_lesson
def test_measured_numbers_are_printed_or_stated_in_the_lesson(path):
    """Except those marked †, which the guide's author measured."""
    claims = [re.sub(r"\s+", " ", item) for item in re.split(r"\n(?=- |\d\. |\n)", section(path))]
    there = set(NUMBER.findall(words_of(path)))
    missing = {one for claim in claims if not claim.rstrip().endswith("†")
               for one in NUMBER.findall(claim)} - there
    assert not missing


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert len(links) > 10
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


def test_the_demonstration_is_described_tab_by_tab():
    rows = table(TEXT.split("## The demonstration")[1])
    assert [row[0] for row in rows] == list(SCENES)
    for (_, question, _), row in zip(SCENES.values(), rows, strict=True):
        assert row[1][0].lower() + row[1][1:] == question.removeprefix("Vote: ")
        recorded = load_recording(row[0].lower().replace(" ", "_"))
        # Each run begins with 100 % of what was known before.
        assert set(NUMBER.findall(row[2])) <= {"100", *NUMBER.findall(recorded["words"])}


def test_the_minutes_of_each_plan_add_up():
    plans = dict(re.findall(r"^### ([^:\n]+): .*\n((?:(?!##).*\n)*)", TEXT, re.M))
    totals = {name: sum(int(row[0]) for row in table(text)) for name, text in plans.items()
              if not name.startswith("Four")}
    assert totals == {"15 minutes": 15, "90 minutes": 90, "Half a day": 240}


def test_the_four_weeks_have_all_lessons_exercises_and_the_minutes_of_the_sections():
    weeks = table(TEXT.split("### Four weeks")[1])
    minutes = {path.stem[:2]: list(map(int, MINUTES.search(section(path)).groups()))
               for path in LESSONS}
    assert [n for row in weeks for n in row[1].split(", ")] == list(minutes)
    assert all(int(a[0]) + 1 == int(b[0]) for a, b in pairwise(weeks))
    for _, lessons, show, rest, home, handed_in, _ in weeks:
        shown, at_home = map(sum, zip(*(minutes[n] for n in lessons.split(", ")), strict=True))
        assert [int(show), int(show) + int(rest), int(home)] == [shown, 90, at_home]
        theirs = {name for path in LESSONS if path.stem[:2] in lessons for name in
                  re.findall(r"### Exercise: `(\w+)`", words_of(path))}
        assert set(re.findall(r"`(\w+)`", handed_in)) == theirs
