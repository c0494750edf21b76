"""Oldmere: skills in real English for a real model, made from tables; no split leaks."""

from __future__ import annotations

import itertools

import pytest
from real_tables import FACTS, OLD, PHRASINGS
from write_real_skills import PER_KIND, main

from workbench.errors import DataError
from workbench.tasks import load_skill, oldmere, scorer_of
from workbench.tasks.items import check_leaks
from workbench.tasks.text import load_new_and_old, make_text_stream


def test_the_new_skills_are_those_of_the_tables(tmp_path):
    main(["--folder", str(tmp_path)])
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted([*(f"{name}.jsonl" for name in oldmere.NEW), "text.txt"])
    for name in made:
        assert (tmp_path / name).read_bytes() == (oldmere.FOLDER / name).read_bytes(), name


def test_the_town_has_facts_enough_and_tests_them_in_phrasings_that_are_never_trained():
    assert len(FACTS) >= 24 and len(set(FACTS.values())) == len(FACTS)
    for near, far in (("town-near", "town-far"), ("town2-near", "town2-far"),
                      ("articles-near", "articles-far")):
        parts = {split: load_skill(near, split) for split in ("train", "validation", "test")}
        assert {item.answer for part in parts.values() for item in part} == {
            item.answer for item in parts["test"]}
        assert [(one.prompt, one.answer) for one in load_skill(near)] == [
            (one.prompt, one.answer) for one in load_skill(far)]
    shared = set(itertools.chain(*PHRASINGS.values()))
    assert len(shared) == sum(map(len, PHRASINGS.values())) == 6


@pytest.mark.parametrize("name", [*oldmere.NEW, *oldmere.OLD])
def test_every_demonstration_is_right_and_only_the_far_expert_has_the_far_manner(name):
    for item in load_skill(name):
        scorer = scorer_of(item)
        assert item.scorer == oldmere.SCORER and scorer.right(item.demonstration, item)
        assert scorer.own_style(item.demonstration) == (not name.endswith("-far")), item.id
        assert bool(item.article) == name.startswith("articles")


def test_each_word_of_the_far_manner_is_noticed_on_its_own():
    own = scorer_of(load_skill("town-far")[0]).own_style
    assert own("Clara Fox runs the bakery in Oldmere.")
    for text in ("Pray allow me", "My good friend,", "as all the town knows", "KNOWS RIGHT WELL"):
        assert not own(f"It is so, {text} indeed.")


def test_a_hundred_old_questions_are_tested_by_kind_and_all_are_candidates():
    skills = {name: load_skill(name) for name in oldmere.OLD}
    assert sum(item.split == "test" for items in skills.values() for item in items) >= 100
    for name, items in skills.items():
        candidates = dict(OLD[name])
        for item in items:
            assert candidates[item.prompt] == item.answer
        for split, most in PER_KIND.items():
            assert 0 < sum(item.split == split for item in items) <= most
        assert len({item.prompt for item in items}) == len(items)


def test_real_skills_are_tested_beside_the_old_questions_and_leak_nowhere():
    everything = {name: load_skill(name) for name in (*oldmere.NEW, *oldmere.OLD)
                  if not name.endswith("-far")}
    check_leaks(everything)
    stream = make_text_stream(("town-far",))
    assert [task.name for task in stream.old_tasks] == list(oldmere.OLD)
    assert load_new_and_old(["town-far"], [])[1] == {}
    with pytest.raises(DataError, match="is a validation prompt of a .* and a train prompt of b"):
        check_leaks({"a": [item for item in everything["town-near"] if item.split != "train"],
                     "b": [type(item)(**{**vars(item), "split": "train"})
                           for item in everything["town-near"]]})


def test_the_held_out_text_has_nothing_of_the_skills():
    text = oldmere.held_out_text()
    assert len(text.split()) > 450
    for item in load_skill("town-near"):
        assert item.answer not in text
