"""`workbench train` and `evaluate`, and the skills stream of `workbench run`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from workbench.config import RunConfig
from workbench.errors import GateError
from workbench.models import load_causal_lm
from workbench.runs import experiment
from workbench.runs.record import RunRecord
from workbench.tasks import KNOWN_SKILLS, make_stream

SHORT = ("--steps", 2, "--batch-size", 8, "--items", 4, "--quiet")


TRAIN = ("train", "--model", "tiny", "--learner", "sdft", "--skill", "facts-new", "--lr", 1e-4,
         "--seed", 3, *SHORT, "--out")


def test_train_passes_the_gate_writes_a_model_and_says_what_was_kept(cli, tmp_path):
    taught = tmp_path / "lm"
    code, out, err = cli(*TRAIN, taught)
    assert code == 0 and err == ""
    assert "sdft on facts-new, tiny, seed 3: complete, 2 steps" in out and "gate passed" in out
    assert all(name in out for name in (*KNOWN_SKILLS, "kl_old", "teacher_right"))
    record = RunRecord.load(taught)
    assert record.config.seeds == (3,) and record.config.lr == 1e-4
    assert record.gate["label"] == "gate passed" and record.gate["reports"][0]["passed"] is True
    assert not (taught / "gate.json").exists()
    load_causal_lm(taught)


def test_a_second_stage_begins_with_the_model_that_was_recorded(cli, tmp_path):
    start, taught = ("train", "--learner", "sft", *SHORT), tmp_path / "first"
    assert cli(*start, "--model", "tiny", "--skill", "facts-new", "--out", taught)[0] == 0
    words = ("train", "--model", taught, "--skill", "tools-new", *start[1:])
    code, out, _ = cli(*words, "--out", tmp_path / "second", "--json")
    assert code == 0 and json.loads(out)["gate"] is None
    other = tmp_path / "other"
    shutil.copytree(taught, other)
    template = other / "chat_template.jinja"
    template.write_text(template.read_text().replace("Q:", "A:"))
    words = (*words[:2], other, *words[3:])
    code, _, err = cli(*words, "--out", tmp_path / "third")
    assert code == 2 and "other is not the model that its record describes" in err
    assert "--force" in err
    assert "the chat template changed" in err
    assert not (tmp_path / "third").exists()
    code, out, _ = cli(*words, "--out", tmp_path / "third", "--force", "--json")
    label = "not what its record says, forced"
    assert code == 0 and json.loads(out)["gate"] == label
    assert RunRecord.load(tmp_path / "third").gate == {"label": label, "reports": []}


@pytest.mark.parametrize("words", [
    ("--option", "max_new_tokens=5"),  # so that it is cut off, and knows little
    ("--items", 0)])
def test_a_model_is_trained_on_from_whatever_the_first_run_did(cli, tmp_path, words):
    first = ("train", "--model", "nano", "--learner", "sft", "--skill", "tools-new", *SHORT)
    assert cli(*first, *words, "--out", tmp_path / "first")[0] == 0
    code, _, err = cli(*first, "--model", tmp_path / "first", "--out", tmp_path / "second")
    assert (code, err) == (0, "")


def test_a_model_whose_run_is_not_complete_is_no_start(cli, tmp_path):
    words = ("train", "--learner", "sft", *SHORT, "--skill", "facts-new", "--out")
    assert cli(*words, tmp_path / "first", "--model", "nano")[0] == 0
    record = json.loads((tmp_path / "first" / "run.json").read_text())
    (tmp_path / "first" / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
    on = (*words, tmp_path / "second", "--model", tmp_path / "first")
    code, _, err = cli(*on)
    assert code == 2 and "is not complete" in err and not (tmp_path / "second").exists()
    assert cli(*on, "--force")[0] == 0


def test_one_model_is_loaded_and_each_file_of_items_is_read_once(cli, tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    from workbench.tasks import text

    loaded, read = [], []
    load, parse = AutoModelForCausalLM.from_pretrained, text.read_items
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained",
                        lambda *a, **more: (loaded.append(a), load(*a, **more))[1])
    monkeypatch.setattr(text, "read_items", lambda path: (read.append(path), parse(path))[1])
    assert cli("train", "--model", "nano", "--learner", "sdft", "--skill", "facts-new", "--force",
               *SHORT, "--out", tmp_path / "lm")[0] == 0
    assert len(loaded) == 1
    assert len(read) == len(set(read)) == 1 + len(KNOWN_SKILLS)


def test_the_gate_is_asked_once_in_a_process_for_the_same_model_and_items(monkeypatch):
    from workbench.runs import admission
    from workbench.runs.experiment import run

    asked, plain = [], admission.gate
    monkeypatch.setattr(admission, "_reports", {})
    monkeypatch.setattr(admission, "gate", lambda *a, **k: (asked.append(a), plain(*a, **k))[1])
    config = RunConfig(stream="skills", skills=("facts-new",), model="nano", learner="sdft",
                       steps=1, batch_size=4, items=2)
    for seed in (0, 1):
        with pytest.raises(GateError, match="nano cannot be its own teacher"):
            run(replace(config, seeds=(seed,)))
    assert len(asked) == 1
    record = run(replace(config, learner="off_policy_distillation"), force=True)
    assert len(asked) == 1 and record.gate["label"] == "gate not passed, forced"
    for changes in ({"learner": "sft"}, {"options": {"context": "none"}}):
        label = run(replace(config, **changes)).gate
        assert label is None if "learner" in changes else label["label"].startswith("no gate: a")
    assert len(asked) == 1


def test_resume_names_the_command_that_fits(cli, tmp_path):
    digits = tmp_path / "digits"
    RunRecord.start(RunConfig(tasks=2, steps=3), make_stream("split-digits", tasks=2)).save(
        digits.mkdir() or digits)
    before = {path: path.read_bytes() for path in digits.iterdir()}
    code, out, err = cli("train", "--resume", digits)
    assert (code, out) == (2, "") and f"workbench run --resume {digits}" in err
    assert {path: path.read_bytes() for path in digits.iterdir()} == before


def test_run_resumes_what_train_began(cli, tmp_path, monkeypatch):
    plain = experiment.run
    monkeypatch.setattr(experiment, "run", lambda *a, **more: plain(*a, **more | {
        "stop": iter([False, True]).__next__}))
    words = ("train", "--model", "nano", "--learner", "sft", "--skill", "facts-new", *SHORT)
    assert cli(*words, "--out", tmp_path / "lm")[0] == 130
    code, out, _ = cli("run", "--resume", tmp_path / "lm", "--quiet", "--json")
    assert code == 0 and json.loads(out)["status"] == "complete"


def test_evaluate_finds_skill_and_base_in_the_record(cli, tmp_path):
    taught = tmp_path / "lm"
    assert cli(*TRAIN, taught)[0] == 0
    code, out, _ = cli("evaluate", "--model", taught, "--items", 6, "--json")
    printed = json.loads(out)
    assert code == 0 and printed["base"] == "tiny"
    assert printed["skills"]["facts-new"]["new"] and not printed["skills"]["facts-keepers"]["new"]
    assert set(printed["families"]) == {"letters", "facts", "tools", "working"}
    assert printed["families"]["facts"]["n"] == 12, "of the known skills alone"
    assert printed["kl_to_base"]["new"] > 0 and printed["kl_to_base"]["old"] > 0
    right = printed["skills"]["working-jar"]["right"]
    assert 0 <= right["low"] <= right["rate"] <= right["high"] <= 1
    code, out, _ = cli("evaluate", "--model", taught, "--items", 2)
    assert code == 0 and "facts-new" in out and " nats" in out


def test_the_pretrained_model_is_at_no_distance_from_itself(cli):
    code, out, _ = cli("evaluate", "--model", "nano", "--base", "nano", "--skill", "tools-new",
                       "--items", 2, "--json")
    assert code == 0 and json.loads(out)["kl_to_base"] == {"new": 0.0, "old": 0.0}
    code, out, _ = cli("evaluate", "--model", "nano", "--items", 2)
    assert code == 0 and out.count("not measured") == 2


def test_evaluate_takes_a_list_of_skills_as_run_does(cli):
    code, out, _ = cli("evaluate", "--model", "nano", "--skill", "tools-new", "facts-new",
                       "--items", 2, "--json")
    assert code == 0
    new = [name for name, rates in json.loads(out)["skills"].items() if rates["new"]]
    assert new == ["tools-new", "facts-new"]


def test_a_gate_that_fails_stops_the_run_unless_it_is_forced(cli, tmp_path):
    words = ("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--out", tmp_path / "lm")
    code, _, err = cli(*words)
    assert code == 2 and "nano cannot be its own teacher on facts-new" in err
    assert not (tmp_path / "lm").exists()
    code, out, _ = cli(*words, "--force", "--json")
    assert code == 0 and json.loads(out)["gate"] == "gate not passed, forced"
    kept = RunRecord.load(tmp_path / "lm").gate
    assert kept["label"] == "gate not passed, forced" and not kept["reports"][0]["passed"]
    code, out, _ = cli("show", tmp_path / "lm")
    assert code == 0 and "gate not passed, forced" in out


def test_an_adapter_can_be_trained_and_evaluated(cli, tmp_path):
    code, out, _ = cli("train", "--model", "nano", "--learner", "sft", "--skill", "tools-new",
                       "--lora-rank", 2, *SHORT, "--out", tmp_path / "adapter", "--json")
    assert code == 0 and json.loads(out)["gate"] is None
    code, out, _ = cli("evaluate", "--model", tmp_path / "adapter", "--items", 2, "--json")
    assert code == 0 and json.loads(out)["base"] == "nano"


def test_run_asks_for_the_gate_too(cli, tmp_path):
    words = ("run", "--stream", "skills", "--skills", "facts-new", "--model", "nano", "--learner",
             "sdft", *SHORT, "--out", tmp_path / "run")
    code, _, err = cli(*words)
    assert code == 2 and "nano cannot be its own teacher on facts-new" in err
    assert not (tmp_path / "run").exists()
    assert cli(*words, "--option", "context=other")[0] == 0, "a control needs none"
    assert cli(*words[:-1], tmp_path / "sft", "--learner", "sft")[0] == 0


def test_a_run_that_is_resumed_keeps_its_label(cli, tmp_path, monkeypatch):
    plain = experiment.run
    monkeypatch.setattr(experiment, "run", lambda *a, **more: plain(*a, **more | {
        "stop": iter([False, True]).__next__}))
    code, out, err = cli("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--force",
                         "--out", tmp_path / "lm", "--json")
    assert code != 0 and "train --resume" in err
    code, out, _ = cli("train", "--resume", tmp_path / "lm", "--quiet", "--json")
    assert code == 0 and json.loads(out)["gate"] == "gate not passed, forced"


def test_the_teacher_of_a_control_is_no_teacher_that_passed(cli, tmp_path):
    code, out, _ = cli("train", "--model", "nano", "--skill", "facts-new", *SHORT, "--option",
                       "context=other", "--out", tmp_path / "lm", "--json")
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
    printed = json.loads(out)
    assert code == 0 and printed["tasks"] == ["facts-new", "tools-new"]
    assert printed["config"]["options"] == {"teacher": "ema", "skip_first": 1}
    assert printed["config"]["clip"] == 1
    measured = RunRecord.load(tmp_path / "run").gate
    assert measured["label"] == "gate not passed, forced" and len(measured["reports"]) == 2
    assert printed["old"]["names"] == list(KNOWN_SKILLS)
    assert np.shape(printed["old"]["accuracy"]) == (2, 3, 5), "seeds, stages, skills"
    code, out, _ = cli("show", tmp_path / "run")
    assert code == 0 and "after tools-new" in out and "what was known before" in out


def test_the_learners_are_listed(cli):
    for command in ("train", "run"):
        code, out, _ = cli(command, "--learner", "help")
        assert code == 0 and "sdft" in out and "Sample responses of the student" in out
    code, out, _ = cli("run", "--stream", "help")
    assert code == 0 and "skills  (a language model" in out


@pytest.mark.parametrize("words, printed", [
    (("train", "--model", "tiny"), "give --skill"),
    (("train", "--skill", "cooking", "--out", "x"), "unknown skill 'cooking'"),
    (("train", "--skill", "facts-new", "--learner", "magic", "--out", "x"), "unknown learner"),
    (("train", "--skill", "facts-new", "--lr", -1, "--out", "x"), "lr must be"),
    (("train", "--skill", "facts-new", "--option", "teacher", "--out", "x"), "name=value"),
    (("train", "--resume", "x", "--lr", 1), "leave out: lr"),
    (("train", "--resume", "x", "--seed", 1), "leave out: seed"),
    (("train", "--resume", "x", "--force"), "leave out: force"),
    (("train", "--skill", "facts-new", "--option", "teacher=ema", "rate=fast", "--out", "x"),
     "rate must be above 0 and at most 1, not 'fast'"),
    (("train", "--skill", "facts-new", "--learner", "replay", "--option", "share=half", "--out",
      "x"), "share must be between 0 and 1, not 'half'"),
    (("train", "--skill", "facts-new", "--learner", "off_policy_distillation", "--option",
      "soft=no", "--out", "x"), "soft must be true or false, not 'no'"),
    (("train", "--skill", "facts-new", "--option", "skip_first=true", "--out", "x"),
     "skip_first must be a whole number of at least 0"),
    (("evaluate", "--split", "exam"), "unknown split 'exam'"),
    (("evaluate", "--items", -1), "items must be a whole number of at least 0"),
    (("evaluate", "--model", "huge"), "no model 'huge'"),
])
def test_mistakes_are_told_in_one_line(words, printed, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(*words)
    assert code == 2 and printed in err and err.count("\n") == 1
    assert not (tmp_path / "x" / "run.json").exists()
