"""Streams of text skills: which skills are learned, which are only tested, and no leaks."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from workbench.config import RunConfig
from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.learners.text import TEXT_LEARNERS
from workbench.learners.text.grpo import exact_match
from workbench.models.language import LanguageModels
from workbench.runs.experiment import make_learner, stream_of
from workbench.system.files import to_json
from workbench.tasks import KNOWN_SKILLS, load_skill
from workbench.tasks.items import write_items
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
    assert sorted(names) == sorted(task.name for task in (*stream.tasks, *stream.old_tasks))


def names(tasks):
    return tuple(task.name for task in tasks)


def plain(items):
    """Items as a reader would write them who knows nothing of the village."""
    return [replace(item, scorer="contains") for item in items]


def test_beside_skills_of_the_village_those_that_the_model_knows_are_tested(file):
    assert names(make_text_stream(("facts-new",)).old_tasks) == KNOWN_SKILLS
    assert names(make_text_stream((KNOWN_SKILLS[0],)).old_tasks) == KNOWN_SKILLS[1:]
    assert names(make_text_stream((file(load_skill("facts-new")),)).old_tasks) == KNOWN_SKILLS


def test_beside_a_readers_own_texts_nothing_is_tested_unless_it_is_named(file):
    path, old = file(plain(load_skill("facts-new"))), file(load_skill("letters-new"), "old")
    assert make_text_stream((path,)).old_tasks == ()
    assert make_text_stream((path, "tools-new")).old_tasks == ()
    assert names(make_text_stream((path,), old=("tools-house", old)).old_tasks) == (
        "tools-house", old)
    assert make_text_stream(("facts-new",), old=()).old_tasks == ()


def test_a_task_brings_the_training_examples_of_the_old_skills():
    old = ("tools-house", "working-jar")
    for task in make_text_stream(("facts-new", "tools-new"), most=4, old=old).tasks:
        assert [part.items for part in task.old] == [
            tuple(load_skill(name, "train")) for name in old]


@pytest.mark.parametrize("old, error, complaint", [
    (("facts-new",), ConfigError, r"must be different skills.*with the old skills"),
    (("tools-house", "tools-house"), ConfigError, "must be different skills"),
    (("cooking",), UnknownNameError, "unknown skill 'cooking'"),
    (("none.jsonl",), DataError, "none.jsonl")])
def test_old_skills_that_cannot_be_are_refused(old, error, complaint):
    with pytest.raises(error, match=complaint):
        make_text_stream(("facts-new",), old=old)


def test_an_old_skill_needs_items_to_be_tested_on(file):
    path = file(load_skill("letters-new", "train"))
    with pytest.raises(ConfigError, match="no items in the split 'validation'.* an old skill"):
        make_text_stream(("facts-new",), old=(path,))


@pytest.mark.parametrize("old", ["facts-keepers", ("",), (3,)])
def test_old_skills_in_settings_are_a_sequence_of_names(old):
    with pytest.raises(ConfigError, match="old_skills must be a sequence of names or paths"):
        RunConfig(stream="skills", skills=("facts-new",), old_skills=old)


def test_old_skills_in_settings_reach_the_stream_and_are_for_texts_alone():
    config = RunConfig(stream="skills", skills=("facts-new",), learner="sft",
                       old_skills=["tools-house"])
    assert RunConfig.from_json(json.loads(to_json(asdict(config)))) == config
    assert names(stream_of(config).old_tasks) == ("tools-house",)
    with pytest.raises(ConfigError, match="old_skills are for the stream 'skills'"):
        RunConfig(old_skills=())


def test_a_stream_scores_each_item_as_it_asks(file):
    items = load_skill("facts-new")
    mixed = [replace(item, scorer=("exact", "contains", "village")[i % 3])
             for i, item in enumerate(items)]
    stream = make_text_stream((file(mixed),))
    asked = stream.tasks[0].test
    sentences = [f"So we get {item.answer} ." for item in asked.items]
    exact = torch.tensor([item.scorer == "exact" for item in asked.items])
    assert exact.any() and not exact.all()
    right = stream.right([sentences, [item.answer for item in asked.items]], asked, 0, 0)
    assert right[0].equal(~exact) and right[1].all()
    assert torch.tensor(exact_match(sentences, asked.items)).bool().equal(~exact)


def test_a_skill_whose_demonstrations_score_0_is_pointed_out(file):
    items = [replace(item, scorer="exact") for item in load_skill("facts-new")]
    with pytest.warns(UserWarning, match="no demonstration is right by its own scorer.*contains"):
        make_text_stream((file(items),))


def test_replay_of_old_texts_in_an_unknown_style_uses_their_demonstrations(file):
    old = file(plain(load_skill("letters-new")), "old")
    stream = make_text_stream(("facts-new",), old=("tools-house", old))
    learner = TEXT_LEARNERS["replay"](LanguageModels("nano", (0,)), per_skill=3)
    learner.begin(stream.tasks[0])
    decode = learner.model.tokenizer.decode
    texts = [decode(ids[mask.bool()]).removesuffix(" </s>") for ids, mask in
             zip(learner.state["0.ids"], learner.state["0.mask"], strict=True)]
    shown = [{item.demonstration for item in load_skill(name)}
             for name in ("tools-house", "letters-new")]
    assert [text in shown[i // 3] for i, text in enumerate(texts)] == [False] * 3 + [True] * 3


def test_replay_without_old_skills_is_fine_tuning_until_the_first_skill_is_stored(learn):
    stream = make_text_stream(("facts-new", "tools-new"), old=())
    replay, sft = (TEXT_LEARNERS[name](LanguageModels("nano", (0,))) for name in ("replay", "sft"))
    same = [torch.equal(*(learn(learner, task, steps=2, batch_size=4)
                          for learner in (replay, sft))) for task in stream.tasks]
    assert same == [True, False] and len(replay.state["0.ids"]) == 64


def test_the_oracle_of_style_is_refused_where_the_style_is_not_known(file):
    path = file(plain(load_skill("facts-new")))
    config = RunConfig(stream="skills", skills=("tools-new", path), model="nano",
                       learner="sft_self_style")
    with pytest.raises(ConfigError, match="item 'facts-new-0000' of facts-new has the scorer "
                                          "'contains'.*Use the learner sft"):
        make_learner(config, stream_of(config))
