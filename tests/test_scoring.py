"""Scorers: what counts as right for any text, and what is known of a model's own style."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, SCORERS, Item, load_skill, scorer_of
from workbench.tasks.scoring import normalised


def item(answer, scorer):
    return Item("x-1", "x", "x", "train", "What?", answer, f"It is {answer}.", scorer=scorer)


@pytest.mark.parametrize(("text", "answer", "right"), [
    ("Paris", "Paris", True), ("paris.", "Paris", True), ("  PARIS \n", "Paris", True),
    ("Paris!?", "Paris.", True), ("Paris\u3002", "Paris", True), ("Paris \u2026", "Paris", True),
    ("New  York", "New York", True), ("NEW\u00a0YORK", "new york.", True),
    ("Stra\u00dfe", "STRASSE", True), ("Zoe\u0308", "zo\u00eb", True),
    ("It is Paris.", "Paris", False), ("Par is", "Paris", False), ("", "Paris", False),
    ("Paris, France", "Paris", False), (".", "Paris", False), ("", "?", False), ("?", "?", True),
    ("!", "?", False), ("3.5", "3.5", True), ("35", "3.5", False), ("5 %", "5", False),
    ("\u6771\u4eac\u3002", "\u6771\u4eac", True)])
def test_exact_match_forgives_case_spaces_and_final_punctuation_alone(text, answer, right):
    question = item(answer, "exact")
    assert scorer_of(question).right(text, question) is right


@pytest.mark.parametrize(("text", "answer", "right"), [
    ("The capital of France is Paris.", "Paris", True), ("paris, of course", "Paris", True),
    ("It is (Paris)", "paris.", True), ("The Parisian way", "Paris", False), ("", "Paris", False),
    ("about 13 or 3.5 in f3 and 1,3", "3", False), ("about 3, or so", "3", True),
    ("it was 3.", "3", True), ("3.5 m", "3.5", True), ("10,000 people", "10,000", True),
    ("10,000 people", "10", False), ("new   york is", "New York", True), ("C++ is", "C++", True),
    ("\u7b54\u3048\u306f\u6771\u4eac\u3067\u3059", "\u6771\u4eac", True),
    ("\u7b54\u3048\u306f\u4eac\u90fd\u3067\u3059", "\u6771\u4eac", False)])
def test_contains_looks_for_whole_words_and_whole_numbers(text, answer, right):
    question = item(answer, "contains")
    assert scorer_of(question).right(text, question) is right


@given(st.text(min_size=1).filter(str.strip), st.sampled_from(["", ".", "!", " ?", "\n"]))
def test_every_answer_is_right_whatever_stands_after_it_and_however_accents_are_written(text, end):
    question = item(text, "exact")
    for form in ("NFC", "NFD"):
        response = f" {unicodedata.normalize(form, text)}{end}"
        if normalised(text).strip(" .!?…。！？"):
            assert SCORERS["exact"].right(response, question), response
            assert SCORERS["contains"].right(response, question), response
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize("name", ["exact", "contains"])
def test_of_any_other_text_the_own_style_is_not_known(name):
    question, scorer = item("Paris", name), SCORERS[name]
    assert scorer.own_style("Paris") is None and scorer.working("Paris", question) is None
    assert scorer.in_own_style(question, random.Random(0)) is None


def test_the_village_knows_the_own_style_of_every_item_of_the_course():
    for skill in (*KNOWN_SKILLS, *NEW_SKILLS):
        for question in load_skill(skill):
            scorer, rng = scorer_of(question), random.Random(0)
            text = scorer.in_own_style(question, rng)
            assert question.scorer == "village" and scorer.right(text, question)
            assert scorer.own_style(text) is True
            assert scorer.working(text, question) is (
                True if question.family == "working" else None)
            assert scorer.right(question.demonstration, question)
            assert scorer.own_style(question.demonstration) is False


@pytest.mark.parametrize("skill", ["facts-new", "letters-new", "tools-new", "working-new"])
@pytest.mark.parametrize("change", [lambda text: f" {text}", lambda text: f"{text}  ",
                                    lambda text: f"\n{text}\n",
                                    lambda text: text.replace(" ", "  ")])
def test_in_the_village_style_content_and_working_agree_about_spaces(skill, change):
    for question in load_skill(skill, "test")[:20]:
        scorer = scorer_of(question)
        text = change(scorer.in_own_style(question, random.Random(1)))
        assert scorer.right(text, question) and scorer.own_style(text), text
        assert scorer.working(text, question) in (None, True)
