"""`workbench train` and `evaluate`, and the skills stream of `workbench run`."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from workbench.models import load_causal_lm
from workbench.record import RunRecord
from workbench.tasks import KNOWN_SKILLS
from workbench.tasks.village.skills import SKILLS_FOLDER

SHORT = ("--steps", 2, "--batch-size", 8, "--items", 4, "--quiet")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    return tmp_path_factory.mktemp("taught") / "lm"


def test_train_passes_the_gate_writes_a_model_and_says_what_was_kept(cli, taught):
    code, out, err = cli("train", "--model", "tiny", "--learner", "sdft", "--skill", "facts-new",
                         "--lr", 1e-4, "--seed", 3, *SHORT, "--out", taught)
    assert code == 0 and err == ""
    assert "sdft on facts-new, tiny, seed 3: complete, 2 steps" in out and "gate passed" in out
    assert all(name in out for name in (*KNOWN_SKILLS, "kl_old", "teacher_right"))
    record = RunRecord.load(taught)
    assert record.config.seeds == (3,) and record.config.lr == 1e-4
    assert json.loads((taught / "gate.json").read_text())["passed"] is True
    load_causal_lm(taught)


def test_a_second_stage_begins_with_the_model_that_was_recorded(cli, tmp_path):
    start, taught = ("train", "--learner", "sft", *SHORT, "--items", 24), tmp_path / "first"
    assert cli(*start, "--model", "tiny", "--skill", "facts-new", "--out", taught)[0] == 0
    words = ("train", "--model", taught, "--skill", "tools-new", *start[1:])
    code, out, _ = cli(*words, "--out", tmp_path / "second", "--json")
    assert code == 0 and json.loads(out)["gate"] == "no gate: not taught by itself"
    other = tmp_path / "other"
    shutil.copytree(taught, other)
    template = other / "chat_template.jinja"
    template.write_text(template.read_text().replace("Q:", "A:"))
    words = (*words[:2], other, *words[3:])
    code, _, err = cli(*words, "--out", tmp_path / "third")
    assert code == 2 and "other does not know what its record says" in err and "--force" in err
    assert not (tmp_path / "third").exists()
    code, out, _ = cli(*words, "--out", tmp_path / "third", "--force", "--json")
    label = "no gate: not taught by itself; not what its record says, forced"
    assert code == 0 and json.loads(out)["gate"] == label
    kept = json.loads((tmp_path / "third" / "gate.json").read_text())
    assert kept["label"] == label and not kept["passed"]


@pytest.mark.parametrize("words", [
    ("--option", "max_new_tokens=5"),  # so that it is cut off, and knows little
    ("--items", 0)])
def test_it_is_asked_as_it_was_when_the_record_was_made(cli, tmp_path, words):
    first = ("train", "--model", "nano", "--learner", "sft", "--skill", "tools-new", *SHORT)
    assert cli(*first, *words, "--out", tmp_path / "first")[0] == 0
    code, _, err = cli(*first, "--model", tmp_path / "first", "--out", tmp_path / "second")
    assert (code, err) == (0, "")


def test_what_cannot_be_asked_is_said(cli, tmp_path):
    skill = tmp_path / "mine.jsonl"
    shutil.copy(SKILLS_FOLDER / "tools-new.jsonl", skill)
    words = ("train", "--learner", "sft", *SHORT, "--skill")
    assert cli(*words, skill, "--model", "nano", "--out", tmp_path / "first")[0] == 0
    on = (*words, "facts-new", "--model", tmp_path / "first", "--out", tmp_path / "second")
    text = skill.read_text()
    skill.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    code, _, err = cli(*on)
    assert code == 2 and "the items of" in err and "mine.jsonl have changed since" in err
    skill.unlink()
    code, _, err = cli(*on)
    assert code == 2 and "what" in err and "mine.jsonl" in err and "--force" in err
    skill.write_text(text)
    record = json.loads((tmp_path / "first" / "run.json").read_text())
    (tmp_path / "first" / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
    code, _, err = cli(*on)
    assert code == 2 and "is not complete" in err
    assert cli(*on, "--force")[0] == 0


def test_evaluate_finds_skill_and_base_in_the_record(cli, taught):
    code, out, _ = cli("evaluate", "--model", taught, "--items", 6, "--json")
    said = json.loads(out)
    assert code == 0 and said["base"] == "tiny"
    assert said["skills"]["facts-new"]["new"] and not said["skills"]["facts-keepers"]["new"]
    assert set(said["families"]) == {"letters", "facts", "tools", "working"}
    assert said["families"]["facts"]["n"] == 12, "of the known skills alone"
    assert said["kl_to_base"]["new"] > 0 and said["kl_to_base"]["old"] > 0
    right = said["skills"]["working-jar"]["right"]
    assert 0 <= right["low"] <= right["rate"] <= right["high"] <= 1
    code, out, _ = cli("evaluate", "--model", taught, "--items", 2)
    assert code == 0 and "facts-new" in out and "nats a response" in out


def test_the_pretrained_model_is_at_no_distance_from_itself(cli):
    code, out, _ = cli("evaluate", "--model", "nano", "--base", "nano", "--skill", "tools-new",
                       "--items", 2, "--json")
    assert code == 0 and json.loads(out)["kl_to_base"] == {"new": 0.0, "old": 0.0}
    code, out, _ = cli("evaluate", "--model", "nano", "--items", 2)
    assert code == 0 and out.count("not measured") == 2


def test_a_gate_that_fails_stops_the_run_unless_it_is_forced(cli, tmp_path):
    words = ("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--out", tmp_path / "lm")
    code, _, err = cli(*words)
    assert code == 2 and "nano cannot be its own teacher on facts-new" in err
    assert not (tmp_path / "lm").exists()
    code, out, _ = cli(*words, "--force", "--json")
    assert code == 0 and json.loads(out)["gate"] == "gate not passed, forced"
    label = json.loads((tmp_path / "lm" / "gate.json").read_text())
    assert label["label"] == "gate not passed, forced" and not label["passed"]


def test_an_adapter_can_be_trained_and_evaluated(cli, tmp_path):
    code, out, _ = cli("train", "--model", "nano", "--learner", "sft", "--skill", "tools-new",
                       "--lora-rank", 2, *SHORT, "--out", tmp_path / "adapter", "--json")
    assert code == 0 and json.loads(out)["gate"] == "no gate: not taught by itself"
    code, out, _ = cli("evaluate", "--model", tmp_path / "adapter", "--items", 2, "--json")
    assert code == 0 and json.loads(out)["base"] == "nano"


def test_run_asks_for_the_gate_too(cli, tmp_path):
    words = ("run", "--stream", "skills", "--skills", "facts-new", "--model", "nano", "--learner",
             "sdft", *SHORT, "--out", tmp_path / "run")
    code, _, err = cli(*words)
    assert code == 2 and "nano cannot be its own teacher on facts-new" in err
    assert not (tmp_path / "run").exists()
    assert cli(*words, "--option", "help=other")[0] == 0, "a control needs none"
    assert cli(*words[:-1], tmp_path / "sft", "--learner", "sft")[0] == 0


def test_a_run_that_is_resumed_keeps_its_label(cli, tmp_path, monkeypatch):
    from workbench import experiment

    plain = experiment.run
    monkeypatch.setattr(experiment, "run", lambda *a, **more: plain(*a, **more | {
        "stop": iter([False, True]).__next__}))
    code, out, err = cli("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--force",
                         "--out", tmp_path / "lm", "--json")
    assert code != 0 and "train --resume" in err
    code, out, _ = cli("train", "--resume", tmp_path / "lm", "--quiet", "--json")
    assert code == 0 and json.loads(out)["gate"] == "gate not passed, forced"
    (tmp_path / "lm" / "gate.json").write_text("{")
    code, _, err = cli("train", "--resume", tmp_path / "lm")
    assert code == 2 and "gate.json is damaged" in err


def test_the_teacher_of_a_control_is_no_teacher_that_passed(cli, tmp_path):
    code, out, _ = cli("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--option",
                       "help=other", "--out", tmp_path / "lm", "--json")
    assert code == 0
    assert json.loads(out)["gate"] == "no gate: a control, its teacher is shown 'other'"


def test_an_adapter_per_skill_is_a_folder_per_skill(cli, tmp_path):
    words = ("--model", "nano", "--learner", "adapter_per_skill", "--lora-rank", 2, *SHORT)
    code, out, _ = cli("train", "--skill", "tools-new", *words, "--out", tmp_path / "one", "--json")
    assert code == 0 and (tmp_path / "one" / "adapter_model.safetensors").is_file()
    code, _, _ = cli("run", "--stream", "skills", "--scenario", "task", "--skills", "facts-new",
                     "tools-new", *words, "--out", tmp_path / "run")
    assert code == 0
    kept = [(tmp_path / "run" / name / "adapter_model.safetensors").read_bytes()
            for name in ("0-facts-new", "1-tools-new", ".")]
    assert kept[0] != kept[1] == kept[2]
    code, out, _ = cli("evaluate", "--model", tmp_path / "run" / "0-facts-new", "--items", 2,
                       "--skill", "facts-new", "--json")
    assert code == 0 and "facts-new" in json.loads(out)["skills"]


def test_run_takes_the_skills_stream(cli, tmp_path):
    code, out, _ = cli("run", "--stream", "skills", "--skills", "facts-new", "tools-new",
                       "--model", "nano", "--learner", "sdft", "--option", "teacher=ema",
                       "skip_first=1", *SHORT, "--seeds", 0, 1, "--out", tmp_path / "run", "--json",
                       "--force", "--clip", 1)
    said = json.loads(out)
    assert code == 0 and said["tasks"] == ["facts-new", "tools-new"]
    assert said["config"]["options"] == {"teacher": "ema", "skip_first": 1}
    assert said["config"]["clip"] == 1
    measured = json.loads((tmp_path / "run" / "gate.json").read_text())
    assert measured["label"] == "gate not passed, forced" and len(measured["reports"]) == 2
    assert said["watched"]["names"] == list(KNOWN_SKILLS)
    assert np.shape(said["watched"]["accuracy"]) == (2, 3, 5), "seeds, stages, skills"
    code, out, _ = cli("show", tmp_path / "run")
    assert code == 0 and "after tools-new" in out and "what was known before" in out


def test_the_learners_are_listed(cli):
    for command in ("train", "run"):
        code, out, _ = cli(command, "--learner", "help")
        assert code == 0 and "sdft" in out and "Sample responses of the student" in out
    code, out, _ = cli("run", "--stream", "help")
    assert code == 0 and "skills  (a language model" in out


@pytest.mark.parametrize("words, said", [
    (("train", "--model", "tiny"), "give --skill"),
    (("train", "--skill", "cooking", "--out", "x"), "unknown skill 'cooking'"),
    (("train", "--skill", "facts-new", "--learner", "magic", "--out", "x"), "unknown learner"),
    (("train", "--skill", "facts-new", "--lr", -1, "--out", "x"), "lr must be"),
    (("train", "--skill", "facts-new", "--option", "teacher", "--out", "x"), "name=value"),
    (("train", "--resume", "x", "--lr", 1), "leave out the others"),
    (("train", "--resume", "x", "--seed", 1), "leave out the others"),
    (("train", "--resume", "x", "--force"), "leave out the others"),
    (("train", "--skill", "facts-new", "--option", "teacher=ema", "rate=fast", "--out", "x"),
     "rate must be above 0 and at most 1, not 'fast'"),
    (("train", "--skill", "facts-new", "--learner", "replay", "--option", "share=half", "--out",
      "x"), "share must be between 0 and 1, not 'half'"),
    (("train", "--skill", "facts-new", "--learner", "offline_distill", "--option", "soft=no",
      "--out", "x"), "soft must be true or false, not 'no'"),
    (("train", "--skill", "facts-new", "--option", "skip_first=true", "--out", "x"),
     "whole numbers of at least 0"),
    (("evaluate", "--split", "exam"), "unknown split 'exam'"),
    (("evaluate", "--items", -1), "items must be at least 0"),
    (("evaluate", "--model", "huge"), "no model 'huge'"),
])
def test_mistakes_are_told_in_one_line(words, said, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(*words)
    assert code == 2 and said in err and err.count("\n") == 1
    assert not (tmp_path / "x" / "run.json").exists()
