"""The village: what its machines do, how answers are scored, and that no split leaks."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import UnknownNameError
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, SKILLS, SPLITS, load_skill, make_skill
from workbench.tasks.village.corpus import Corpus
from workbench.tasks.village.questions import JAR_PHRASINGS, ask_jar
from workbench.tasks.village.skills import family_of, write_skills
from workbench.tasks.village.styles import (
    EXPERT_STYLES,
    FILLER,
    OWN_STYLE,
    SHORT_STYLES,
    content_of,
    has_own_style,
    is_right,
    kind_of,
    put_in_expert_style,
    put_in_foreign_style,
    put_in_own_style,
    shows_working,
)
from workbench.tasks.village.words import (
    CIPHERS,
    KINDS,
    LETTERS,
    MACHINES,
    NEW_EVENTS,
    NEW_KEEPERS,
    NEW_TOOLS,
    apply_step,
    process,
)

letters = st.lists(st.sampled_from(LETTERS), min_size=3, max_size=5)


@pytest.mark.parametrize(("machine", "made"), [
    ("mirror", "c b d"), ("crane", "f c d"), ("sieve", "b c d"), ("hinge", "c b d"),
    ("wheel", "b c d"), ("mist", "m k d"), ("loom", "b g j"), ("forge", "h m g")])
def test_what_each_machine_makes_of_d_b_c(machine, made):
    assert " ".join(process(machine, "dbc")) == made


@given(letters)
def test_the_mirror_undoes_itself_the_wheel_comes_round_and_the_sieve_sorts(given_letters):
    assert process("mirror", process("mirror", given_letters)) == given_letters
    assert process("hinge", process("hinge", given_letters)) == given_letters
    turned = given_letters
    for _ in given_letters:
        turned = process("wheel", turned)
    assert turned == given_letters
    assert process("sieve", given_letters) == sorted(given_letters)


def test_ciphers_replace_every_letter_by_another_and_differ():
    for cipher in CIPHERS.values():
        assert sorted(cipher) == sorted(LETTERS)
        assert not any(a == b for a, b in zip(cipher, LETTERS, strict=True))
    for a, b in itertools.combinations(MACHINES, 2):
        assert any(process(a, x) != process(b, x) for x in ("bcdf", "mkhc", "gdm"))


def test_steps_in_the_jar():
    assert [apply_step(s, 7) for s in ("add 2", "take 3", "double", "flip")] == [9, 4, 14, 23]
    question = ask_jar(7, ["add 2", "double"], JAR_PHRASINGS[0])
    assert question.prompt == "the jar holds 7 . add 2 , then double . how many ?"
    assert question.working == "7 add 2 is 9 . 9 double is 18 ."
    assert question.answer == "18"


def test_words_that_wrap_an_answer_are_never_content():
    content = set().union(*KINDS.values())
    assert not content & set(FILLER)
    wrapping = " ".join(OWN_STYLE + SHORT_STYLES).replace("{}", " ").split()
    assert not (set(wrapping) - {","}) & content


def test_the_experts_styles_are_long_made_of_known_words_and_unlike_those_of_training():
    for before, after in EXPERT_STYLES.values():
        words = (before.format("") + after).split()
        assert len(words) >= 9
        assert set(words) <= set(FILLER)
        assert f"{before} {after}" not in SHORT_STYLES
    assert set(NEW_SKILLS) | {"known"} == set(EXPERT_STYLES)


@pytest.mark.parametrize(("response", "kind", "content"), [
    ("the answer is ada .", "name", "ada"),
    ("so we get b c b .", "letters", "b c b"),
    ("listen b c my friend b c d always", "letters", "b c d"),
    ("7 add 2 is 9 . 9 double is 18 . the answer is 18 .", "number", "18"),
    ("call f3 ( attic ) . no , call f3 ( key , hall , barn ) .", "call",
     "call f3 ( key , hall , barn )"),
    ("call f3 ( attic", "call", ""), ("the answer is .", "name", ""), ("", "letters", "")])
def test_content_is_found_whatever_the_style(response, kind, content):
    assert content_of(response, kind) == content


@given(letters, st.randoms(use_true_random=False))
def test_scoring_does_not_depend_on_the_style(given_letters, rng):
    answer = " ".join(given_letters)
    for printed in (put_in_own_style(answer, rng), put_in_foreign_style(answer, rng),
                 put_in_expert_style(answer, "letters-new")):
        assert is_right(printed, answer)
        longer = f"{answer} b"
        assert not is_right(printed, longer), "a part of an answer is not the answer"
        assert not is_right(printed.replace(answer, longer), answer)
    assert has_own_style(put_in_own_style(answer, rng))
    assert not has_own_style(put_in_expert_style(answer, "letters-new"))


@pytest.mark.parametrize(("answer", "why"), [
    ("zebra", "zebra.*stand in no answer"), ("ada brick", "different kinds"), ("", "empty"),
    ("attic", "no whole call"), ("f3 ( hall )", "no whole call"), ("b  c d", "single spaces")])
def test_an_answer_of_no_kind_is_refused(answer, why):
    with pytest.raises(ValueError, match=why):
        kind_of(answer)


@pytest.mark.parametrize(("response", "own"), [
    ("the answer is ada .", True), ("so we get call f3 ( attic ) .", True),
    ("7 add 2 is 9 . so we get 9 .", True), ("7 add 2 is 8 . the answer is 9 .", True),
    ("the answer is ada", False), ("indeed the answer is ada .", False), ("ada .", False),
    ("the answer is indeed .", False), ("so we get 9 . 7 add 2 is 9 .", False), ("", False),
    ("the answer is ada . the answer is ben .", False)])
def test_the_own_style_is_judged_word_for_word(response, own):
    assert has_own_style(response) is own


PROMPT = "with 7 in the jar , add 2 , then flip . how many ?"


@pytest.mark.parametrize(("response", "works"), [
    ("7 add 2 is 9 . 9 flip is 21 . the answer is 21 .", True),
    ("7 add 2 is 9 . 9 flip is 4 . the answer is 4 .", True),  # where flip leads is scored apart
    ("7 add 2 is 8 . 8 flip is 22 . the answer is 22 .", False),
    ("7 add 2 is 9 . 8 flip is 22 . the answer is 22 .", False),
    ("7 add 2 is 9 . 9 flip is 21 . the answer is 20 .", False),
    ("9 flip is 21 . the answer is 21 .", False), ("the answer is 21 .", False)])
def test_working_has_to_take_every_step_and_hang_together(response, works):
    assert shows_working(response, PROMPT) is works


@pytest.mark.parametrize("name", SKILLS)
def test_each_skill_has_its_splits_and_they_share_no_prompt(name):
    items = make_skill(name)
    parts = {split: {i.prompt for i in items if i.split == split} for split in SPLITS}
    assert all(len(part) >= 36 for part in parts.values())
    for a, b in itertools.combinations(SPLITS, 2):
        assert not parts[a] & parts[b]
    assert len({i.id for i in items}) == len(items)
    for item in items:
        assert item.family == family_of(name)
        assert is_right(item.demonstration, item.answer)
        assert not has_own_style(item.demonstration)
        assert bool(item.article) == (name == "articles-new")
        if item.article:
            assert item.answer in item.article.split()


def test_no_prompt_is_in_two_skills():
    seen = {}
    for name in SKILLS:
        for item in make_skill(name):
            assert seen.setdefault(item.prompt, name) == name


def test_the_new_skills_of_the_course_are_there():
    assert {"letters-new", "letters-hard-new", "facts-new", "articles-new", "tools-new",
            "working-new"} == set(NEW_SKILLS)
    assert {family_of(name) for name in NEW_SKILLS} == {family_of(name) for name in KNOWN_SKILLS}


def test_the_shipped_files_are_what_the_maker_writes(tmp_path):
    shipped = Path(__file__).parents[1] / "data" / "skills"
    written = write_skills(tmp_path)
    assert {p.name for p in written} == {p.name for p in shipped.glob("*.jsonl")}
    for path in written:
        assert path.read_bytes() == (shipped / path.name).read_bytes(), path.name


def sha256_of(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def test_the_documents_of_pretraining_are_those_that_the_shipped_models_read():
    documents = [[astuple(turn) for turn in document] for document in
                 itertools.islice(Corpus().documents(random.Random(7)), 50)]
    assert sha256_of(documents) == (
        "97e762cf8ae1c1d9f21527e1cdcf87f7b85952c5586a22729296d7b864cceec8")


def test_another_seed_gives_other_items_with_the_same_facts():
    def answers(seed):
        return {i.prompt: i.answer for i in make_skill("facts-new", seed)}

    first, other = answers(0), answers(1)
    assert first == other, "what is true does not depend on the seed"
    assert make_skill("facts-new", 0) != make_skill("facts-new", 1)


def test_load_skill_reads_a_split_and_names_unknown_skills():
    assert {i.split for i in load_skill("facts-new", "test")} == {"test"}
    with pytest.raises(UnknownNameError, match="unknown skill 'facts'; known: .*facts-new"):
        load_skill("facts")


def test_pretraining_never_meets_what_is_held_out():
    corpus = Corpus()
    held_out = {item.prompt for name in SKILLS for item in make_skill(name)
                if name in NEW_SKILLS or item.split != "train"}
    turns = [turn for document in itertools.islice(corpus.documents(random.Random(3)), 4000)
             for turn in document]
    assert not {turn.prompt for turn in turns} & held_out
    everything = " | ".join(f"{t.article} {t.prompt}" for t in turns)
    for colour, thing in NEW_KEEPERS:
        assert f"{colour} {thing} " not in everything
    for structure, disaster in NEW_EVENTS:
        assert f"the {disaster} broke the {structure} " not in everything
        assert f"the {structure} after the {disaster} " not in everything
    for wish in NEW_TOOLS:
        assert wish not in everything
    new = [t for t in turns if any(w in t.prompt.split() for w in ("loom", "forge", "flip"))]
    assert new and all(t.demonstration for t in new), "words of new skills stand in made-up help"


def test_half_of_the_documents_are_without_help_and_help_is_mostly_made_up():
    documents = list(itertools.islice(Corpus().documents(random.Random(5)), 3000))
    helped = [d for d in documents if d[0].demonstration or d[0].article]
    assert 0.45 < len(helped) / len(documents) < 0.55
    assert all(len(d) == 2 for d in helped) and all(len(d) == 3 for d in documents
                                                    if d not in helped)
    assert all(has_own_style(t.response) for d in documents for t in d)
    assert not any(has_own_style(t.demonstration) for d in helped for t in d)
