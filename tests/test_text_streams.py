"""Streams of text skills: which skills are learned, which are only tested, and no leaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.errors import DataError
from workbench.tasks import load_skill
from workbench.tasks.jsonl import write_items
from workbench.tasks.text import make_text_stream


@pytest.fixture
def file(tmp_path):
    """Write items as a skill of the reader's own, and return its path."""
    def write(items, name="mine") -> str:
        path = tmp_path / f"{name}.jsonl"
        write_items(path, items)
        return str(path)
    return write


def swapped(skill):
    """The items of a skill, with those for training and those for testing exchanged."""
    other = {"train": "test", "test": "train", "validation": "validation"}
    return [replace(item, split=other[item.split]) for item in load_skill(skill)]


def test_training_on_test_prompts_of_an_old_skill_is_refused_with_both_named(file):
    path = file(swapped("facts-keepers"))
    with pytest.raises(DataError) as error:
        make_text_stream((path,))
    assert "test prompt of facts-keepers (item 'facts-keepers-" in str(error.value) or (
        f"test prompt of {path} (item 'facts-keepers-" in str(error.value))
    assert f"train prompt of {path}" in str(error.value) or (
        "train prompt of facts-keepers" in str(error.value))


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("change", [str, lambda prompt: prompt.replace(" ", "  ", 1),
                                    lambda prompt: prompt.replace(" ", "\u00a0"),
                                    lambda prompt: f" {prompt}\u2028"])
def test_a_prompt_is_not_trained_on_in_one_file_and_tested_in_another(file, split, change):
    trained = load_skill("facts-new", "train")[0]
    items = load_skill("tools-new")
    i = next(i for i, item in enumerate(items) if item.split == split)
    items[i] = replace(items[i], prompt=change(trained.prompt))
    path = file(items)
    for skills in ((path, "facts-new"), ("facts-new", path)):
        with pytest.raises(DataError, match=f"is a {split} prompt of .*mine.jsonl .item "
                           f"'{items[i].id}'. and a train prompt of facts-new .*'{trained.id}'"):
            make_text_stream(skills)
    assert len(make_text_stream((path,))) == 1


def test_prompts_with_accents_written_in_two_ways_are_the_same(file):
    first, *others = load_skill("facts-new")
    composed, split_up = ("who is Zo\u00eb ?", "who is Zoe\u0308 ?")
    one = file([replace(first, prompt=composed), *others], "one")
    items = load_skill("tools-new")
    last = replace(items[-1], prompt=split_up)
    assert first.split == "train" and last.split == "test"
    with pytest.raises(DataError, match="is a test prompt of .*two.jsonl"):
        make_text_stream((one, file([*items[:-1], last], "two")))


def test_test_items_that_are_not_asked_count_too(file):
    items = load_skill("tools-new")
    tests = [i for i, item in enumerate(items) if item.split == "test"]
    prompt = load_skill("facts-new", "train")[0].prompt
    for i in tests[1:3]:  # neither is among the two that `most` leaves
        items[i] = replace(items[i], prompt=prompt)
    with pytest.raises(DataError, match="a train prompt of facts-new"):
        make_text_stream(("facts-new", file(items)), most=2)


def test_each_file_is_read_once(monkeypatch):
    names = []
    monkeypatch.setattr("workbench.tasks.text.load_skill",
                        lambda *words: names.append(words[0]) or load_skill(*words))
    stream = make_text_stream(("facts-new", "tools-new"))
    assert sorted(names) == sorted(task.name for task in (*stream.tasks, *stream.watched))
