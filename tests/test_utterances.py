"""Labelled texts: the intents of the course, and files of one's own with their faults."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter

import pytest

from workbench.errors import DataError
from workbench.tasks.utterances import INTENTS, read_utterances

GOOD = [{"text": f"{label} {split} {i}", "label": label, "task": task, "split": split}
        for task, label in (("bank", "lost"), ("bank", "send"), ("home", "lamp"))
        for split in ("train", "validation", "test") for i in range(2)]


@pytest.fixture(scope="module")
def intents():
    return read_utterances()


def words(text: str) -> frozenset[str]:
    """The words of a text, without case and punctuation."""
    return frozenset(re.findall(r"\w+", text.casefold()))


def test_the_intents_have_8_tasks_of_5_labels_with_24_6_and_10_messages(intents):
    assert len({one.task for one in intents}) == 8
    assert set(Counter({(one.task, one.label) for one in intents}).values()) == {1}
    assert set(Counter(task for task, _ in {(i.task, i.label) for i in intents}).values()) == {5}
    sizes = Counter((one.label, one.split) for one in intents)
    assert {(split, n) for (_, split), n in sizes.items()} == {
        ("train", 24), ("validation", 6), ("test", 10)}


def test_no_two_messages_of_different_splits_share_more_than_half_of_their_words(intents):
    sets = [(words(one.text), one) for one in intents]
    near = [(one.text, other.text) for (a, one), (b, other) in itertools.combinations(sets, 2)
            if one.split != other.split and 2 * len(a & b) > len(a | b)]
    assert not near
    assert len({" ".join(sorted(a)) for a, _ in sets}) == len(intents), "none is there twice"


def test_the_messages_follow_no_template(intents):
    beginnings = Counter(" ".join(one.text.casefold().split()[:3]) for one in intents
                         if len(one.text.split()) > 3)
    assert max(beginnings.values()) <= len(intents) / 100
    lengths = [len(one.text.split()) for one in intents]
    assert 0.05 < sum(n < 5 for n in lengths) / len(lengths) < 0.10
    assert 0.03 < sum(n > 22 for n in lengths) / len(lengths) < 0.08


def test_no_message_has_an_address_or_a_long_number(intents):
    odd = [one.text for one in intents if re.search(r"@|https?:|www\.|\d[\d -]{6,}\d", one.text)]
    assert not odd


def test_the_card_says_what_the_file_holds(intents):
    card = (INTENTS.parent / "README.md").read_text(encoding="utf-8")
    assert "CC0" in card and "A language model wrote all messages" in card
    assert all(one.label in card and one.task in card for one in intents)


def write(path, records, newline="\n", start=""):
    """Write records as JSON Lines, in which a text stands as it is."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_bytes((start + newline.join(lines) + newline).encode())
    return path


@pytest.mark.parametrize(("newline", "start"), [("\n", ""), ("\r\n", ""), ("\n\n", "\ufeff")],
                         ids=["plain", "crlf", "blank lines and a byte-order mark"])
def test_a_file_of_one_s_own_is_read(newline, start, tmp_path):
    path = write(tmp_path / "own.jsonl", GOOD, newline, start)
    assert [vars(one) for one in read_utterances(path)] == GOOD


@pytest.mark.parametrize(("change", "message"), [
    ({"label": 7}, "line 1: the field 'label' must be text in quotation marks, not int"),
    ({"text": "  "}, "line 1: the field 'text' is empty"),
    ({"text": "half \ud83d"}, "line 1: the field 'text' has half a character"),
    ({"split": "dev"}, "line 1: split 'dev' is not one of train, validation, test"),
    ({"intent": "lost"}, "line 1: unknown field 'intent'. Known are text, label, task, split"),
    ({"task": "home"}, "line 2: the label 'lost' is of task 'bank' here and of 'home' in line"),
    ({"text": "lost  test 0"}, "line 5: the text 'lost test 0' is in 'test' here and in 'train'"),
])
def test_the_first_fault_is_named_with_its_line(change, message, tmp_path):
    path = write(tmp_path / "own.jsonl", [GOOD[0] | change, *GOOD[1:]])
    with pytest.raises(DataError, match=re.escape(f"{path}, {message}")):
        read_utterances(path)


@pytest.mark.parametrize(("records", "message"), [
    ([], "is empty. Expected one JSON object a line with the fields text, label, task, split"),
    (["[1, 2]"], "line 1: expected an object, found list"),
    (["{"], "line 1, column 2: not valid JSON"),
    ([{k: v for k, v in GOOD[0].items() if k != "task"}], "line 1: the field 'task' is missing"),
    (GOOD[:4], "the label 'lost' has no texts in the split 'test'"),
])
def test_a_file_that_is_no_stream_is_refused(records, message, tmp_path):
    with pytest.raises(DataError, match=re.escape(message)):
        read_utterances(write(tmp_path / "own.jsonl", records))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.jsonl.*Give a JSON Lines file with the fields text"):
        read_utterances(tmp_path / "none.jsonl")
