"""Language models in the one loop: what is recorded, stopped and resumed, and what goes wrong."""

from __future__ import annotations

import json
import math
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.config import RunConfig
from workbench.errors import (
    ConfigError,
    ModelError,
    RecordError,
    TrainingError,
    UnknownNameError,
)
from workbench.learners.text import TEXT_LEARNERS
from workbench.measure.comparison import assess
from workbench.models import load_causal_lm
from workbench.models.language import LanguageModels
from workbench.models.loading import SHIPPED
from workbench.models.sampling import sample
from workbench.models.verify import fingerprint as fingerprint_of
from workbench.runs import experiment
from workbench.runs.evaluation import DIAGNOSTICS
from workbench.runs.experiment import make_learner, resume, stream_of
from workbench.runs.record import RunRecord
from workbench.tasks import KNOWN_SKILLS
from workbench.tasks.text import make_text_stream

run = partial(experiment.run, force=True)  # nano cannot be its own teacher


def settings(**changes) -> RunConfig:
    return RunConfig(**({"stream": "skills", "skills": ("facts-new", "tools-new"), "model": "nano",
                         "learner": "sdft", "seeds": (0,), "steps": 2, "batch_size": 8, "lr": 1e-3,
                         "items": 4, "checkpoint_every": 1, "evaluate_every": 1} | changes))


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "two"
    return run(settings(seeds=(0, 3), diagnose=True), out=folder), folder


def test_the_record_holds_new_skills_known_ones_and_diagnostics(two_seeds):
    record, folder = two_seeds
    assert record.status == "complete" and record.scenario == "domain"
    assert record.task_names == ["facts-new", "tools-new"]
    assert record.old_names == list(KNOWN_SKILLS)
    assert record.accuracy.shape == (2, 2, 2) and record.old_accuracy.shape == (2, 3, 5)
    assert record.curve.shape == (2, 4, 7)
    assert record.diagnostics.shape == (2, 3, len(DIAGNOSTICS))
    for name in ("accuracy", "baseline", "old_accuracy", "curve", "losses"):
        assert np.isfinite(getattr(record, name)).all(), name
    np.testing.assert_array_equal(record.curve[:, 1::2, 2:], record.old_accuracy[:, 1:])
    np.testing.assert_array_equal(record.curve[:, 1::2, :2], record.accuracy)
    loaded = RunRecord.load(folder)
    np.testing.assert_array_equal(loaded.diagnostics, record.diagnostics)


def test_drift_is_nothing_before_training_and_something_after(two_seeds):
    record, _ = two_seeds
    for name in ("kl_new", "kl_old"):
        drift = record.diagnostics[:, :, record.diagnostic_names.index(name)]
        assert (drift[:, 0] == 0).all() and (drift[:, 1:] > 0).all()


def test_a_frozen_teacher_stays_as_right_as_it_was(two_seeds):
    record, _ = two_seeds
    right = record.diagnostics_curve[:, :, record.diagnostic_names.index("teacher_right")]
    assert (right[:, 0] == right[:, 1]).all() and (right[:, 2] == right[:, 3]).all()


def test_seeds_share_nothing_but_the_beginning(two_seeds):
    record, folder = two_seeds
    assert (record.losses[0] != record.losses[1]).any()
    alone = run(settings(seeds=(3,)))
    np.testing.assert_array_equal(alone.losses[0], record.losses[1])
    weights = json.loads((folder / "run.json").read_text())["files"]["weights"]["file"]
    assert weights == "weights.safetensors", "of several seeds"


@pytest.mark.parametrize("changes", [
    *({"learner": name, **({"lora_rank": 2} if name.endswith("_per_skill") else {})}
      for name in TEXT_LEARNERS),
    {"options": {"teacher": "ema"}}, {"options": {"teacher": "task_start"}},
    {"options": {"teacher": "student"}}, {"lora_rank": 2}, {"diagnose": True},
    {"precision": "bf16"},
], ids=lambda c: " ".join(f"{k}={v}" for k, v in c.items()))
def test_a_stopped_and_resumed_run_equals_one_never_stopped(changes, assert_same_run, tmp_path):
    config = settings(**changes)
    whole = run(config, out=tmp_path / "whole")
    for moment in (1, 2):
        asked = iter(range(99))
        go = (lambda **more: run(config, out=tmp_path / "parts", **more)) if moment == 1 else (
            lambda **more: resume(tmp_path / "parts", **more))
        assert go(stop=lambda: next(asked) == 1).status == "stopped"  # noqa: B023
    record = resume(tmp_path / "parts")
    assert_same_run(record, whole, tmp_path / "parts", tmp_path / "whole")


def test_one_seed_is_written_as_a_model_that_others_can_load(tmp_path):
    record = run(settings(skills=("facts-new",)), out=tmp_path / "lm")
    model, tokenizer = load_causal_lm(tmp_path / "lm")
    learner = make_learner(record.config, stream_of(record.config))
    asked = learner.ask(["who keeps the red drum ?"])
    assert sample(model, tokenizer, asked).texts[0]
    trained = torch.cat([p.flatten() for p in model.parameters()])
    pretrained = torch.cat([p.flatten() for p in learner.model.base.parameters()])
    assert not torch.equal(trained, pretrained)


def test_an_adapter_is_written_and_merged_when_loaded(tmp_path):
    config = settings(skills=("facts-new",), lora_rank=2, steps=3)
    record = run(config, out=tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    model, tokenizer = load_causal_lm(tmp_path / "adapter")
    items = make_text_stream(("facts-new",), most=4).tasks[0].test.items
    learner = make_learner(config, stream_of(config))
    texts = sample(model, tokenizer, learner.ask([i.prompt for i in items])).texts
    assert record.examples[0] == len(texts) == 4


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    from workbench.learners.text import SFT

    config = settings(learner="sft", skills=("facts-new",), steps=6, checkpoint_every=2)
    plain, steps = SFT.loss_of, iter(range(99))

    def broken(self, i, chosen):
        return plain(self, i, chosen) * (math.nan if next(steps) == 4 else 1)

    monkeypatch.setattr(SFT, "loss_of", broken)
    with pytest.raises(TrainingError, match=r"seed 0 is not finite at step 4 of 'facts-new'.*"
                                            r"checkpoint before is intact"):
        run(config, out=tmp_path / "run")
    monkeypatch.setattr(SFT, "loss_of", plain)
    saved = RunRecord.load(tmp_path / "run")
    assert (saved.status, saved.step) == ("running", 4)
    whole = run(config)
    np.testing.assert_array_equal(resume(tmp_path / "run").losses, whole.losses)


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    config = settings(learner="sft", skills=("facts-new",), steps=6, lr=1e30)
    with pytest.raises(TrainingError, match="not finite"):
        run(config, out=tmp_path / "run")
    kept = load_file(next((tmp_path / "run").glob("checkpoint-*.safetensors")))
    assert all(bool(t.isfinite().all()) for name, t in kept.items() if name.startswith("model."))


def test_numbers_that_end_while_sampling_stop_the_run_too(tmp_path, monkeypatch):
    from workbench.learners.text import SDFT

    plain, steps = SDFT.rollout, iter(range(99))

    def broken(self, i, chosen, prompts):
        if next(steps) == 2:
            prompts.last = prompts.last * float("nan")
        return plain(self, i, chosen, prompts)

    monkeypatch.setattr(SDFT, "rollout", broken)
    config = settings(skills=("facts-new",), steps=4)
    with pytest.raises(TrainingError, match=r"a value is not finite \(the model's logits are .* at "
                                            r"step 2 of 'facts-new' "
                                            r"\(step 2 in all\). The checkpoint before is intact"):
        run(config, out=tmp_path / "run")
    assert RunRecord.load(tmp_path / "run").step == 2


@pytest.mark.parametrize("learner", ["sdft", "sft", "grpo"])
def test_a_rate_that_is_far_too_high_ends_in_an_error_with_the_step(learner):
    config = settings(learner=learner, skills=("facts-new",), steps=8, lr=1e12, evaluate_every=0)
    with pytest.raises(TrainingError, match="not finite.* at step .* Begin anew with a lower lr"):
        run(config)


def test_weights_that_are_no_numbers_are_not_evaluated_as_forgetting():
    with pytest.raises(TrainingError, match="a weight is not finite at step 1 of 'facts-new'"):
        run(settings(learner="sft", skills=("facts-new",), steps=1, lr=1e39))


def test_digits_are_stopped_by_it_too(tiny):
    with pytest.raises(TrainingError, match="not finite at step .* Nothing was kept"):
        run(tiny(lr=1e30, steps=50))


@pytest.mark.parametrize("changes, error, printed", [
    ({"skills": ()}, ConfigError, "it needs at least one"),
    ({"skills": ("facts-new", "facts-new")}, ConfigError, "must be different skills"),
    ({"skills": ("cooking",)}, UnknownNameError, "unknown skill 'cooking'"),
    ({"scenario": "class"}, UnknownNameError, "unknown scenario for text skills 'class'"),
    ({"learner": "ewc"}, UnknownNameError, "unknown learner 'ewc'; known: adapter_per_skill"),
    ({"learner": "adapter_per_skill", "lora_rank": 2, "scenario": "domain"}, ConfigError,
     "cannot do the 'domain'"),
    ({"learner": "adapter_per_skill"}, ConfigError, "set lora_rank"),
    ({"options": {"teacher": "wise"}}, UnknownNameError, "unknown teacher 'wise'; known: base,"),
    ({"options": {"direction": "up"}}, UnknownNameError, "unknown direction 'up'"),
    ({"options": {"context": "luck"}}, UnknownNameError, "unknown context 'luck'"),
    ({"options": {"max_new_tokens": 4000}}, ConfigError, "leaves no room for a prompt"),
    ({"model": "huge"}, ModelError, "no model 'huge'"),
    ({"device": "gpu"}, ConfigError, "device must be cpu or cuda or mps, not 'gpu'"),
    ({"device": "cuda"}, ConfigError, "finds no such GPU here; take cpu"),
    ({"device": "mps"}, ConfigError, "finds no such GPU here; take cpu"),
    ({"precision": "int8"}, ConfigError, "precision must be fp32 or bf16, not 'int8'"),
])
def test_settings_that_cannot_work_are_refused_before_anything_is_written(changes, error, printed,
                                                                          tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(error, match=printed):
        run(settings(**changes), out=tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_skills_are_not_for_digits():
    with pytest.raises(ConfigError, match="skills are for the stream 'skills'"):
        RunConfig(skills=("facts-new",))
    for setting in ({"device": "cuda"}, {"precision": "bf16"}):
        with pytest.raises(ConfigError, match="device and precision are for language models"):
            RunConfig(**setting)


@pytest.mark.parametrize("teacher", ["base", "task_start", "ema"])
def test_in_bf16_too_a_seed_learns_as_if_it_were_alone(teacher):
    one, two = (run(settings(seeds=seeds, skills=("facts-new",), precision="bf16",
                             options={"teacher": teacher})) for seeds in ((3,), (0, 3)))
    np.testing.assert_array_equal(one.losses[0], two.losses[1])


def test_in_bf16_products_are_rounded_and_weights_are_not():
    whole, half = (run(settings(learner="sft", precision=name)) for name in ("fp32", "bf16"))
    gap = np.abs(half.losses / whole.losses - 1)
    assert 1e-6 < gap.max() < 0.02
    learner = make_learner(half.config, stream_of(half.config))
    assert {p.dtype for p in learner.model.parameters()} == {torch.float32}


def test_a_model_without_a_chat_template_cannot_be_asked(tmp_path):
    model, tokenizer = load_causal_lm("nano")
    model.save_pretrained(tmp_path)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no chat template.*instruction-tuned"):
        LanguageModels(tmp_path, (0,))


def test_a_prompt_with_help_that_does_not_fit_is_refused_not_cut(tmp_path):
    lines = [{"id": f"{split}{i}", "family": "facts", "skill": "mine", "split": split,
              "prompt": f"{ask} who keeps the red key ?", "answer": name,
              "demonstration": "well " * 300 + name, "scorer": "contains"}
             for split, ask in (("train", "say"), ("validation", "tell me"), ("test", "name"))
             for i, name in enumerate(["ada"])]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(ModelError, match="tokens, and there is room for"):
        run(settings(skills=(str(path),), batch_size=1), out=tmp_path / "run")


def test_a_single_text_is_no_sequence_of_skills():
    for refused in (lambda: make_text_stream("facts-new"),
                    lambda: assess(None, None, "facts-new")):
        with pytest.raises(ConfigError, match="not the single text 'facts-new'"):
            refused()


def change_weights(folder):
    path = folder / "model.safetensors"
    save_file({name: tensor + 0.1 for name, tensor in load_file(path).items()}, path,
              {"format": "pt"})


def change_tokenizer(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"red"', '"rad"'))


def change_template(folder):
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace("Q:", "A:"))


def change_config(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-02'))


@pytest.mark.parametrize("change, printed", [
    (change_weights, "the weights of the pretrained model changed"),
    (change_tokenizer, "the tokenizer changed"), (change_template, "the chat template changed"),
    (change_config, "the config of the pretrained model changed"),
    (lambda folder: (change_weights(folder), change_template(folder)),
     "the weights of the pretrained model and the chat template changed")])
def test_a_run_is_not_resumed_from_another_model(change, printed, tmp_path, fingerprint):
    base, folder = tmp_path / "base", tmp_path / "run"
    shutil.copytree(SHIPPED["nano"], base)
    (base / "manifest.json").unlink()
    config = settings(model=str(base), lora_rank=2, learner="sft", skills=("facts-new",))
    asked = iter([False, True])
    assert run(config, out=folder, stop=lambda: next(asked)).status == "stopped"
    shutil.copytree(base, tmp_path / "kept")
    before, content = fingerprint(folder), fingerprint(base)
    change(base)
    assert fingerprint(base) != content
    with pytest.raises(RecordError, match=f"cannot be continued: since the run began, {printed}"):
        resume(folder)
    assert fingerprint(folder) == before
    shutil.rmtree(base)
    shutil.copytree(tmp_path / "kept", base)
    assert resume(folder).status == "complete"


def test_settings_edited_by_hand_are_noticed(tiny, tmp_path):
    experiment.run(tiny(), out=tmp_path, stop=lambda: True)
    path = tmp_path / "run.json"
    record = json.loads(path.read_text())
    record["config"]["lr"] = 0.5
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match="since the run began, the settings in run.json changed"):
        resume(tmp_path)


def test_a_model_written_again_has_the_same_fingerprint(tmp_path):
    model, tokenizer = load_causal_lm("nano")
    tokenizer(["one", "two three"], padding=True)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert fingerprint_of(*load_causal_lm(tmp_path)) == fingerprint_of(*load_causal_lm("nano"))


def test_the_data_decide_the_hash():
    first = stream_of(settings()).data_hash()
    assert first == stream_of(settings()).data_hash()
    assert first != stream_of(settings(skills=("tools-new", "facts-new"))).data_hash()
    assert first != stream_of(settings(items=5)).data_hash()


def test_items_are_taken_evenly_and_training_items_all():
    stream = make_text_stream(("facts-new",), most=10)
    assert len(stream.tasks[0].train) == 96 and len(stream.tasks[0].test) == 10
    prompts = [item.prompt for item in stream.tasks[0].test.items]
    assert len(set(prompts)) == 10
    assert len({item.answer for item in stream.tasks[0].test.items}) > 4, "not the first few facts"
