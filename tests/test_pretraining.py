"""Pretraining: settings, the loss, and that an interrupted run ends as one never interrupted."""

from __future__ import annotations

import functools
import json
import math
import time

import pytest
import torch

from workbench.errors import ConfigError, RecordError
from workbench.measure.completions import complete
from workbench.models import load_causal_lm
from workbench.models.sizes import SIZES, make_model
from workbench.pretraining import PretrainConfig, loop, pretrain
from workbench.pretraining.loop import weighted_loss
from workbench.pretraining.settings import learning_rate

SMALL = PretrainConfig(size="nano", steps=7, batch_size=4, micro_batch=2, precision="fp32",
                       device="cpu", threads=1, evaluate_every=5, checkpoint_every=2)


@pytest.fixture(scope="module", autouse=True)
def short_answers():
    """Validate on answers of two tokens: after seven steps a model says nothing right anyway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "complete", functools.partial(complete, max_new_tokens=2))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "lm"
    return folder, pretrain(SMALL, folder)


def test_a_run_leaves_a_model_folder_a_log_and_nothing_else(whole):
    folder, log = whole
    assert {p.name for p in folder.iterdir()} == {
        ".lock", "chat_template.jinja", "config.json", "generation_config.json", "manifest.json",
        "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"}
    assert log["status"] == "complete" and log["step"] == 7
    assert [point["step"] for point in log["curve"]] == [5, 7]
    assert set(log["curve"][0]) > {"facts-new", "letters-machines"}
    load_causal_lm(folder)


def stop_after(steps):
    asked = iter(range(99))
    return lambda: next(asked) >= steps


@pytest.mark.parametrize("moments", [[1], [4], [3, 2], [6]])
def test_a_stopped_run_goes_on_to_the_same_weights(whole, tmp_path, moments):
    folder, config = tmp_path / "lm", SMALL
    for steps in moments:
        log = pretrain(config, folder, stop=stop_after(steps))
        assert log["status"] == "stopped"
        config = None
    log = pretrain(None, folder)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (folder / name).read_bytes() == (whole[0] / name).read_bytes(), name
    assert log["curve"] == whole[1]["curve"] and log["losses"] == whole[1]["losses"]
    assert not list(folder.glob("checkpoint-*"))


def test_a_run_killed_while_it_tidied_up_is_finished(whole, tmp_path):
    import shutil

    folder = shutil.copytree(whole[0], tmp_path / "lm")
    (folder / "manifest.json").unlink()
    (folder / "checkpoint-0000006.safetensors").write_bytes(b"left over")
    pretrain(None, folder)
    assert not list(folder.glob("checkpoint-*"))
    assert (folder / "manifest.json").read_bytes() == (whole[0] / "manifest.json").read_bytes()


def test_a_complete_run_is_returned_as_it_is(whole, fingerprint):
    before = fingerprint(whole[0])
    assert pretrain(None, whole[0])["status"] == "complete"
    assert fingerprint(whole[0]) == before


def test_a_model_that_cannot_be_written_leaves_the_checkpoint(whole, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("transformers.LlamaForCausalLM.save_pretrained", full)
        with pytest.raises(RecordError, match="No space left on device. Its last checkpoint is"):
            pretrain(SMALL, tmp_path / "lm")
    pretrain(None, tmp_path / "lm")
    weights = [(folder / "model.safetensors").read_bytes()
               for folder in (tmp_path / "lm", whole[0])]
    assert weights[0] == weights[1]


def test_a_folder_that_holds_a_model_is_left_alone(whole, fingerprint):
    before = fingerprint(whole[0])
    with pytest.raises(RecordError, match="already holds a run, which is left as it is"):
        pretrain(SMALL, whole[0])
    assert fingerprint(whole[0]) == before


def test_what_cannot_be_resumed_is_named(tmp_path):
    with pytest.raises(RecordError, match="holds no training.json"):
        pretrain(None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    pretrain(SMALL, tmp_path / "lm", stop=stop_after(3))
    log = json.loads((tmp_path / "lm" / "training.json").read_text())
    checkpoint = tmp_path / "lm" / log["checkpoint"]["file"]
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RecordError, match=r"checkpoint-0000003.safetensors: it is damaged"):
        pretrain(None, tmp_path / "lm")
    checkpoint.write_bytes(content)
    (tmp_path / "lm" / "training.json").write_text(json.dumps(log | {"config": {"colour": 1}}))
    with pytest.raises(RecordError, match=r"settings that cannot be used.*colour"):
        pretrain(None, tmp_path / "lm")
    for name in ("status", "step", "seconds", "losses", "curve", "environment"):
        (tmp_path / "lm" / "training.json").write_text(json.dumps(
            {key: value for key, value in log.items() if key != name}))
        with pytest.raises(RecordError, match=f"training.json cannot be used: {name} is None"):
            pretrain(None, tmp_path / "lm")
    (tmp_path / "lm" / "training.json").write_text(json.dumps(log | {"checkpoint": {"file": "x"}}))
    with pytest.raises(RecordError, match="checkpoint names no file with its sha256"):
        pretrain(None, tmp_path / "lm")
    other = log | {"config": log["config"] | {"size": "tiny"}}
    (tmp_path / "lm" / "training.json").write_text(json.dumps(other))
    with pytest.raises(RecordError, match="is not of a tiny model"):
        pretrain(None, tmp_path / "lm")
    (tmp_path / "lm" / "training.json").write_text("{}")
    with pytest.raises(RecordError, match=r"training.json cannot be used"):
        pretrain(None, tmp_path / "lm")


def test_micro_batches_add_up_to_the_batch(whole, tmp_path):
    from dataclasses import replace

    log = pretrain(replace(SMALL, steps=3, micro_batch=4), tmp_path / "lm")
    same = pretrain(replace(SMALL, steps=3), tmp_path / "again")
    a, b = (load_causal_lm(tmp_path / n)[0].get_input_embeddings().weight for n in ("lm", "again"))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert log["config"] != same["config"]


def test_the_loss_weighs_tokens():
    model = make_model("nano", 20, 0)
    tokens = torch.tensor([[1, 5, 6, 7]])
    log_p = model(tokens).logits[0].log_softmax(-1)
    by_hand = -(0.1 * log_p[0, 5] + 1.0 * log_p[1, 6] + 0.0 * log_p[2, 7])
    weights = torch.tensor([[9.0, 0.1, 1.0, 0.0]])
    torch.testing.assert_close(weighted_loss(model, tokens, weights), by_hand)


def test_the_learning_rate_goes_up_in_a_line_and_down_half_a_cosine():
    rates = [learning_rate(step, 120, 1e-3) for step in range(120)]
    assert rates[0] == pytest.approx(1e-4) and rates[9] == pytest.approx(1e-3)
    assert max(rates) == pytest.approx(1e-3) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[65] == pytest.approx(1e-3 * (0.005 + 0.995 * 0.5), rel=1e-6)
    assert rates[-1] < 1e-5


def test_what_is_left_open_is_decided_and_stored():
    result = PretrainConfig(size="nano").resolved()
    assert result.steps == SIZES["nano"].steps and result.precision in ("fp32", "bf16")
    assert result.device in ("cpu", "cuda", "mps") and result.threads >= 1


@pytest.mark.parametrize("gpu, supported, precision", [
    (False, False, "fp32"), (True, False, "fp32"), (True, True, "bf16")])
def test_precision_follows_from_the_device_and_not_from_a_timing(gpu, supported, precision,
                                                                 monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)

    def no_clock():
        raise AssertionError("nothing is timed")
    monkeypatch.setattr(time, "perf_counter", no_clock)
    assert PretrainConfig(size="nano").resolved().precision == precision


@pytest.mark.parametrize(("changes", "printed"), [
    ({"size": "huge"}, "size must be one of nano, tiny, small"), ({"steps": -1}, "steps must be"),
    ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
    ({"seed": 1.5}, "seed must be"), ({"precision": "fp16"}, "precision must be auto, fp32 or"),
    ({"device": "gpu"}, "device must be auto, cpu, cuda or mps, not 'gpu'")])
def test_settings_that_cannot_work_are_refused(changes, printed):
    with pytest.raises(ConfigError, match=printed):
        PretrainConfig(**changes)


def test_the_log_says_with_what_it_was_made_and_a_fresh_model_is_as_unsure_as_can_be(whole):
    log = json.loads((whole[0] / "training.json").read_text())
    assert log["environment"]["packages"]["torch"] and log["seconds"] > 0
    model = make_model("nano", 289, 0)
    tokens = torch.randint(0, 289, (4, 64), generator=torch.Generator().manual_seed(0))
    loss = weighted_loss(model, tokens, torch.ones(4, 64)) / (4 * 63)
    assert float(loss) == pytest.approx(math.log(289), abs=0.1)
