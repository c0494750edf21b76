"""The commands of the language model: data, pretraining and the gate, and their mistakes."""

from __future__ import annotations

import json

import pytest

from workbench.models import load_causal_lm, make_prompt
from workbench.tasks import SKILLS, read_items


def test_make_data_writes_every_skill(cli, tmp_path):
    code, out, _ = cli("make-data", "--out", tmp_path / "new" / "skills")
    assert code == 0 and out.count("items") == len(SKILLS)
    assert len(read_items(tmp_path / "new" / "skills" / "facts-new.jsonl")) == 192


NANO = ("--size", "nano", "--steps", "3", "--threads", "1", "--device", "cpu", "--precision",
        "fp32", "--quiet")


def test_pretrain_makes_a_model_that_the_gate_can_measure(cli, tmp_path):
    folder = tmp_path / "lm"
    code, out, err = cli("pretrain", *NANO, "--out", folder)
    assert code == 0 and "nano, seed 0: complete, 3 steps" in out
    assert "facts-new" in out and "with an example" in out and err == ""
    code, out, _ = cli("gate", "--model", folder, "--skill", "facts-new", "--items", 24, "--json")
    assert code == 1 and json.loads(out)["passed"] is False
    code, out, _ = cli("pretrain", "--resume", folder, "--json", "--quiet")
    assert code == 0 and json.loads(out)["status"] == "complete"


def test_the_gate_lets_the_tiny_model_pass(cli):
    code, out, _ = cli("gate", "--model", "tiny", "--skill", "articles-new", "--items", 32)
    assert code == 0 and "tiny on articles-new, 32 items: the gate is passed" in out
    assert "article+own" in out and "FAILS" not in out
    code, out, _ = cli("gate", "--model", "tiny", "--skill", "articles-new", "--items", 32,
                       "--json")
    report = json.loads(out)
    assert code == 0 and report["n"] == 32
    assert set(report) == {"passed", "model", "skill", "n", "context", "teacher_kl", "target_kl",
                           "artefacts", "conditions"}
    right = report["context"]["own"]["right"]
    assert 0 <= right["low"] <= right["rate"]


def test_a_teachers_turn_of_ones_own_is_what_the_teacher_sees(cli, tmp_path):
    words = ("gate", "--model", "tiny", "--skill", "facts-new", "--items", 24, "--json")
    usual, own = (json.loads(cli(*words, *more)[1]) for more in (
        (), ("--teacher-turn", "{context} {question}")))
    assert usual["context"]["none"] == own["context"]["none"], "the student sees the same"
    assert usual["teacher_kl"] != own["teacher_kl"]
    code, _, err = cli(*words, "--teacher-turn", "{question}")
    assert code == 2 and "must have {context} and {question} once each" in err
    code, _, err = cli("train", "--model", "nano", "--skill", "facts-new", "--learner", "sft",
                       "--steps", 1, "--items", 2, "--teacher-turn", "{context} {question}",
                       "--out", tmp_path / "run", "--quiet")
    assert code == 0, err
    _, tokenizer = load_causal_lm(tmp_path / "run")
    assert "so it is ada who ?" in make_prompt(tokenizer, "who ?", demonstration="so it is ada")


def test_a_file_of_ones_own_can_be_measured(cli, tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"id": str(i), "family": "facts", "skill": "mine", "split": "train",
              "prompt": f"who keeps the {colour} key ?", "answer": name,
              "demonstration": f"note : {name}"}
             for i, (colour, name) in enumerate([("red", "ada"), ("blue", "ben")])]
    path.write_text("\n".join(map(json.dumps, lines)))
    code, out, _ = cli("gate", "--skill", path)
    assert code == 1 and "[FAILS] at least 20 items were measured: 2" in out


@pytest.mark.parametrize(("words", "printed"), [
    (("gate", "--model", "huge"), "there is no model 'huge'"),
    (("gate", "--model", "nobody/nothing"), "hf download nobody/nothing"),
    (("gate", "--skill", "cooking"), "unknown skill 'cooking'; known: articles-far"),
    (("gate", "--skill", "none.jsonl"), "none.jsonl"),
    (("gate", "--split", "all"), "unknown split 'all'"),
    (("gate", "--items", "0"), "items must be a whole number of at least 1"),
    (("make-data", "--seed", "1"), "give --out for another seed"),
    (("pretrain", "--device", "gpu", "--out", "x"), "device must be auto, cpu, cuda or mps"),
    (("pretrain",), "give --out, a folder for the model, or --resume"),
    (("pretrain", "--size", "huge", "--out", "x"), "size must be one of nano, tiny, small"),
    (("pretrain", "--resume", "x", "--seed", "1"), "leave out: seed"),
    (("pretrain", "--resume", "nowhere"), "holds no training.json"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_mistakes_are_told_in_one_line(cli, words, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*words)
    assert code == 2 and out == ""
    assert printed in err and err.startswith("error: ") and err.count("\n") == 1
    assert "Traceback" not in err
