"""Item files: read back as written, and every fault named with its line."""

from __future__ import annotations

import json

import pytest

from workbench.errors import DataError
from workbench.tasks import Item, make_skill, read_items
from workbench.tasks.items import write_items

GOOD = {"id": "x-1", "family": "facts", "skill": "x-new", "split": "train",
        "prompt": "who keeps the red key ?", "answer": "ada", "demonstration": "so ada",
        "scorer": "village"}


REAL = {"skill": "capitals", "split": "train", "prompt": "What is the capital of France?",
        "answer": "Paris", "demonstration": "The capital of France is Paris."}
"""A line with nothing that may be left out."""


@pytest.fixture
def file(tmp_path):
    def write(*lines) -> str:
        path = tmp_path / "skill.jsonl"
        path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
        return str(path)
    return write


def other(number, **changes):
    return GOOD | {"id": f"x-{number}", "prompt": f"who keeps the key {number} ?"} | changes


def test_items_come_back_as_they_were(tmp_path):
    items = make_skill("articles-new")
    write_items(tmp_path / "a.jsonl", items)
    assert read_items(tmp_path / "a.jsonl") == items
    first = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert list(first) == ["id", "family", "skill", "split", "prompt", "answer", "demonstration",
                           "article", "scorer"]


def test_an_article_may_be_missing_and_lines_may_be_blank(file):
    assert read_items(file(GOOD, "", other(2))) == [Item(**GOOD), Item(**other(2))]


def test_real_sentences_are_read_and_what_is_left_out_follows_from_the_rest(file):
    other = REAL | {"split": "test", "prompt": "And of Peru?", "answer": "Lima",
                    "demonstration": "Lima.", "family": "Capitals of the Americas",
                    "id": "any", "scorer": "contains"}
    first, second = read_items(file("", REAL, other))
    assert first == Item(**REAL, id="capitals-2", family="capitals", article="", scorer="exact")
    assert second == Item(**other)


@pytest.mark.parametrize(("lines", "printed"), [
    ([GOOD, "{\"id\": "], r"line 2, column 8: not valid JSON"),
    ([GOOD, "[1, 2]"], r"line 2: expected an object, found list"),
    ([{k: v for k, v in GOOD.items() if k != "answer"}], r"line 1: the field 'answer' is missing"),
    ([GOOD, other(2, answer=7)], r"line 2: the field 'answer' must be text .*, not int"),
    ([GOOD, other(2, article=None)], r"line 2: the field 'article' must be text .*, not None"),
    ([GOOD, other(2, demonstration=" ")], r"line 2: the field 'demonstration' is empty"),
    ([GOOD, other(2, colour="red")], r"line 2: unknown field 'colour'"),
    ([GOOD, other(2, split="new")], r"line 2: split 'new' is not one of train, validation, test"),
    ([GOOD, other(2, scorer="x")], r"line 2: scorer 'x' is not one of exact, contains, village"),
    ([GOOD, other(2, answer="zebra")],
     r"line 2: the answer 'zebra' cannot be scored: .*choose another scorer than 'village'"),
    ([REAL | {"demonstration": "It is Parisian."}], "does not say the answer 'Paris'"),
    ([GOOD, other(2, demonstration="note : nobody")],
     r"line 2: the demonstration 'note : nobody' does not say the answer 'ada'"),
    ([GOOD, "", other(1)], r"line 3: id 'x-1' is already in line 1"),
    ([GOOD, "", other(2, prompt=GOOD["prompt"], split="test")],
     r"line 3: the prompt 'who keeps the red key \?' is in 'test' here and in 'train' in line 1"),
    ([GOOD, json.dumps(other(2, prompt="who ? \ud83d"))],
     r"line 2: the field 'prompt' has half a character \('\\ud83d', a lone surrogate\) at "
     "position 7. Write the whole character"),
    ([json.dumps(GOOD | {"id": "\udc00"})], "line 1: the field 'id' has half a character"),
    ([json.dumps(GOOD | {"a\udc00": "x"})], r"line 1: unknown field 'a\\udc00'"),
    ([GOOD, '{"id": ' + "7" * 5000 + "}"],
     "line 2: a number cannot be read .*must be text in quotation marks"),
    (['{"id": ' + "[" * 100_000 + "]" * 100_000 + "}"],
     "line 1: lists or objects are nested too deeply"),
    ([GOOD, json.dumps(other(2))[:-1] + ', "answer": "ben"}'],
     "line 2: the field 'answer' is given 2 times. Keep one of them"),
    ([GOOD, json.dumps(other(2))[:-1] + ', "article": {"a": 1, "a": 1}}'],
     "line 2: the field 'a' is given 2 times"),
    ([GOOD, other(2, prompt="who  keeps the red key ?", split="test")],
     r"line 2: the prompt 'who  keeps the red key \?' is in 'test' here and in 'train' in line 1"),
    ([GOOD, other(2, prompt=" who keeps\u00a0the\u2028red key ?\t", split="validation")],
     r"is in 'validation' here and in 'train' in line 1"),
    ([GOOD | {"prompt": "who is Zo\u00eb ?"}, other(2, prompt="who is Zoe\u0308 ?", split="test")],
     r"is in 'test' here and in 'train' in line 1. .* spaces .* count as the same"),
    ([], r"is empty. Expected one JSON object a line with the fields id, family"),
    (["", "  "], r"is empty"),
])
def test_each_fault_is_named_with_its_line(file, lines, printed):
    path = file(*lines)
    with pytest.raises(DataError, match=printed) as error:
        read_items(path)
    assert path in str(error.value)


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path):
    with pytest.raises(DataError, match="No such file.*make-data"):
        read_items(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(json.dumps(GOOD).encode() + b"\n\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary.jsonl, line 2: not UTF-8 .*Save the file with"):
        read_items(tmp_path / "binary.jsonl")


@pytest.mark.parametrize("written", [
    "\ufeff{0}\n{1}\n", "{0}\r\n{1}\r\n", "{0}\n\ufeff{1}\n", "{0}\n\ufeff\n{1}",
    "\ufeff\r\n{0}\r{1}"],
    ids=["mark", "windows", "joined files", "mark alone", "old mac"])
def test_byte_order_marks_and_line_ends_of_other_systems_are_read(written, tmp_path):
    path = tmp_path / "skill.jsonl"
    path.write_bytes(written.format(json.dumps(GOOD), json.dumps(other(2))).encode())
    assert read_items(path) == [Item(**GOOD), Item(**other(2))]


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path):
    odd = other(2, prompt="say\u2028who keeps\x85it\u2029now ?")
    path = tmp_path / "skill.jsonl"
    path.write_text("\n".join(json.dumps(x, ensure_ascii=False) for x in (GOOD, odd)),
                    encoding="utf-8")
    assert read_items(path)[1].prompt == odd["prompt"]
