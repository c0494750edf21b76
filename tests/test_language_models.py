"""Language models in the standard format: prompts, loading, sampling, and every way to go wrong."""

from __future__ import annotations

import json
import random
import shutil
from itertools import islice

import pytest
import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from workbench.errors import ConfigError, ModelError, UnknownNameError
from workbench.models import load_causal_lm, make_prompt, sample
from workbench.models.encoding import encode
from workbench.models.loading import SHIPPED
from workbench.models.logits import response_logits
from workbench.models.sizes import CONTEXT, SIZES, make_model
from workbench.models.verify import MANIFEST, check_manifest, write_manifest
from workbench.pretraining.tokenizer import (
    encode_document,
    make_batch,
    make_tokenizer,
    vocabulary,
)
from workbench.tasks import SKILLS, make_skill
from workbench.tasks.village.corpus import Corpus, Turn

QUESTION = "who keeps the red key ?"


@pytest.fixture
def folder(tmp_path, model, tokenizer):
    """A model folder as `save_pretrained` leaves it, with a manifest."""
    model.save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    write_manifest(tmp_path / "lm")
    return tmp_path / "lm"


def test_the_tokenizer_has_one_token_for_every_word_of_every_item(tokenizer):
    words = vocabulary()
    assert len(set(words)) == len(words) == len(tokenizer) and words[:3] == ["<pad>", "<s>", "</s>"]
    for name in SKILLS:
        for item in make_skill(name):
            text = " ".join((item.prompt, item.answer, item.demonstration, item.article)).strip()
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids, text
            assert tokenizer.decode(ids) == text


def test_every_word_of_pretraining_has_a_token():
    words = {word for document in islice(Corpus().documents(random.Random(0)), 2000)
             for turn in document
             for text in (turn.article, turn.demonstration, turn.prompt, turn.response)
             for word in text.split()}
    assert len(words) > 250 and words <= set(vocabulary())


def test_the_students_prompt_and_the_teachers(tokenizer):
    assert make_prompt(tokenizer, QUESTION) == f"<s> Q: {QUESTION} A:"
    assert make_prompt(tokenizer, QUESTION, demonstration="so ada") == (
        f"<s> E: so ada Q: {QUESTION} A:")
    assert make_prompt(tokenizer, QUESTION, article="it broke .", demonstration="so ada") == (
        f"<s> N: it broke . E: so ada Q: {QUESTION} A:")


def test_the_chat_template_does_conversations_and_marks_the_answers(tokenizer):
    messages = [{"role": "user", "content": QUESTION},
                {"role": "assistant", "content": "the answer is ada ."},
                {"role": "user", "content": QUESTION}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == f"<s> Q: {QUESTION} A: the answer is ada . </s> Q: {QUESTION} A:"
    marked = tokenizer.apply_chat_template(messages[:2], return_dict=True,
                                           return_assistant_tokens_mask=True)
    answered = [i for i, m in zip(marked["input_ids"], marked["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(answered) == "the answer is ada . </s>"
    with pytest.raises(Exception, match="roles are user and assistant, not system"):
        tokenizer.apply_chat_template([{"role": "system", "content": "x"}], tokenize=False)


def test_packed_documents_are_what_the_chat_template_writes(tokenizer):
    turn = Turn(QUESTION, "the answer is ada .", "so ada indeed", "the storm broke the mill .")
    ids, weights = encode_document([turn], {w: i for i, w in enumerate(vocabulary())})
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": turn.response}],
        tokenize=False, demonstration=turn.demonstration, article=turn.article)
    assert tokenizer.decode(ids) == text
    heavy = [i for i, weight in zip(ids, weights, strict=True) if weight == 1]
    assert tokenizer.decode(heavy) == "the answer is ada . </s>"


def test_batches_follow_from_the_seed():
    corpus = Corpus()
    first, again, other = (make_batch(corpus, 3, random.Random(s)) for s in (1, 1, 2))
    assert first[0].shape == first[1].shape == (3, CONTEXT)
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])
    assert (first[0][:, 0] == 1).all(), "every row begins with the start of a document"


def test_a_model_of_each_size_and_none_of_another():
    counts = {size: make_model(size, 100, 0).num_parameters() for size in SIZES}
    assert counts["nano"] < counts["tiny"] < counts["small"] < 2.1e6
    with pytest.raises(UnknownNameError, match="unknown size 'huge'; known: nano, small, tiny"):
        make_model("huge", 100, 0)


def test_initial_weights_follow_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b, c = (make_model("nano", 50, seed).get_input_embeddings().weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_plain_template_gets_the_turn_of_the_paper(tokenizer):
    plain = make_tokenizer()
    plain.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert make_prompt(plain, "Why?") == "Why?"
    text = make_prompt(plain, "Why?", demonstration="So.", article="A text.")
    assert text.index("Why?") < text.index("A text.") < text.index("So.") < text.index("Now answer")
    plain.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        make_prompt(plain, "Why?")


# Sampling

def seeded(seed):
    """A generator in a known state."""
    return torch.Generator().manual_seed(seed)


def test_greedy_samples_equal_a_loop_without_cache_or_padding(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION),
               make_prompt(tokenizer, "show the key to ada .")]
    result = sample(model, tokenizer, prompts, max_new_tokens=6)
    for row, prompt in enumerate(prompts):
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
        for step in range(int(result.mask[row].sum())):
            with torch.no_grad():
                following = model(ids).logits[0, -1].argmax()
            assert following == result.ids[row, step]
            ids = torch.cat([ids, following.view(1, 1)], 1)


def test_sampling_is_seeded_and_leaves_the_global_state_alone(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION)] * 3
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    a, b, c = (sample(model, tokenizer, prompts, temperature=1.0, rng=seeded(s),
                      max_new_tokens=8).ids for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert not torch.equal(a[0], a[1]), "each prompt has a draw of its own"
    assert torch.equal(before, torch.random.get_rng_state())


def test_sampling_draws_from_the_full_distribution_at_a_temperature(model, tokenizer):
    prompt = make_prompt(tokenizer, QUESTION)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        expected = (model(ids).logits[0, -1] / 0.5).softmax(-1)
    drawn = sample(model, tokenizer, [prompt] * 4000, temperature=0.5, max_new_tokens=1,
                   rng=seeded(0), batch_size=1000).ids[:, 0]
    counts = torch.bincount(drawn, minlength=len(expected)) / len(drawn)
    assert (counts - expected).abs().max() < 4 * (expected.max() / len(drawn)).sqrt() + 0.005
    assert (counts > 0).sum() > 100, "no top-k, no top-p"


def test_a_response_ends_with_its_first_end_token(model, tokenizer):
    result = sample(model, tokenizer, [make_prompt(tokenizer, QUESTION)] * 200, temperature=3.0,
                   rng=seeded(0), max_new_tokens=30)
    ended = 0
    for ids, mask, text in zip(result.ids, result.mask, result.texts, strict=True):
        real = ids[mask.bool()].tolist()
        assert mask.tolist() == sorted(mask.tolist(), reverse=True)
        assert 2 not in real[:-1], "nothing follows the end"
        ended += real[-1] == 2
        assert "</s>" not in text and "<pad>" not in text.split()[len(real):]
        assert (ids[~mask.bool()] == 0).all()
    assert ended > 5


def test_prompts_are_padded_on_the_left_and_never_cut(tokenizer):
    ids, mask = encode(tokenizer, ["<s> Q: who", "<s> who keeps the red key"], 10)
    assert ids.shape == (2, 6) and mask[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert ids[0, :3].tolist() == [0, 0, 0]
    with pytest.raises(ModelError, match="has 11 tokens, and there is room for 10.*nothing is cut"):
        encode(tokenizer, ["who " * 11], 10)


def test_prompt_and_response_have_to_fit_the_context(model, tokenizer):
    prompt = make_prompt(tokenizer, QUESTION, demonstration="so " * 90)
    with pytest.raises(ModelError, match="100 tokens, and there is room for 88"):
        sample(model, tokenizer, [prompt], max_new_tokens=40)
    sample(model, tokenizer, [prompt], max_new_tokens=CONTEXT - 100)


def test_unknown_words_are_named(model, tokenizer):
    with pytest.raises(ModelError, match="does not know 'zebra', 'key\\?' in the prompt"):
        sample(model, tokenizer, [make_prompt(tokenizer, "who keeps the zebra key?")])


@pytest.mark.parametrize("settings", [{"max_new_tokens": 0}, {"temperature": -1.0},
                                      {"batch_size": 0}])
def test_settings_that_cannot_work_are_refused(model, tokenizer, settings):
    with pytest.raises(ConfigError, match="must be at least"):
        sample(model, tokenizer, [make_prompt(tokenizer, QUESTION)], **settings)
    with pytest.raises(ConfigError, match="no prompts"):
        sample(model, tokenizer, [])


def test_logits_of_a_response_do_not_depend_on_padding_and_line_up(model, tokenizer):
    short, long = make_prompt(tokenizer, QUESTION), make_prompt(tokenizer, QUESTION,
                                                               demonstration="so it is ada")
    result = sample(model, tokenizer, [short, long], temperature=1.0, rng=seeded(0),
                   max_new_tokens=7)
    with torch.no_grad():
        both = response_logits(model, result.prompt_ids, result.prompt_mask, result.ids,
                               result.mask)
        for row, prompt in enumerate((short, long)):
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
            real = result.ids[row][result.mask[row].bool()]
            alone = model(torch.cat([ids, real[None]], 1)).logits[0, ids.shape[1] - 1:-1]
            torch.testing.assert_close(both[row, : len(real)], alone, atol=1e-5, rtol=1e-4)


# Loading


def test_a_folder_loads_with_the_workbench_and_with_transformers_alike(folder):
    ours, tokenizer = load_causal_lm(folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    prompt = make_prompt(AutoTokenizer.from_pretrained(folder), QUESTION, demonstration="so ada")
    assert prompt == make_prompt(tokenizer, QUESTION, demonstration="so ada")
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert torch.equal(ours(ids).logits, theirs(ids).logits)
    assert not ours.training and tokenizer.padding_side == "left"


def damage(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_a_damaged_weight_file_is_refused_with_its_hash(folder):
    expected = json.loads((folder / MANIFEST).read_text())["sha256"]["model.safetensors"]
    damage(folder / "model.safetensors")
    with pytest.raises(ModelError, match=rf"model.safetensors is damaged.*{expected[:12]}"):
        load_causal_lm(folder)


def test_swapped_weights_are_refused(folder):
    other = make_model("nano", len(vocabulary()), seed=9)
    other.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"model.safetensors is damaged or has been replaced"):
        load_causal_lm(folder)


def test_a_missing_file_and_a_broken_manifest_are_refused(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer.json is missing; manifest.json names it"):
        check_manifest(folder)
    (folder / MANIFEST).write_text("{")
    with pytest.raises(ModelError, match="is not a manifest"):
        check_manifest(folder)


def test_weights_cut_short_are_refused_also_without_a_manifest(folder):
    (folder / MANIFEST).unlink()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="could not be loaded"):
        load_causal_lm(folder)


def test_a_tokenizer_with_too_many_tokens_or_another_end_is_refused(folder):
    (folder / MANIFEST).unlink()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"does not fit the model: its highest token is number \d+"
                                         r", the model has embeddings for \d+"):
        load_causal_lm(folder)
    tokenizer = make_tokenizer()
    tokenizer.eos_token = "A:"
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"ends a text with token 5, the model with \[2\]"):
        load_causal_lm(folder)


def test_pickled_weights_and_code_of_the_models_own_are_refused(folder):
    (folder / MANIFEST).unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*.safetensors.*pytorch_model.bin, which could run"):
        load_causal_lm(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "x.Y"}}))
    with pytest.raises(ModelError, match="asks to run the model's own code"):
        load_causal_lm(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="config.json is not valid JSON"):
        load_causal_lm(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="config.json is missing"):
        load_causal_lm(folder)


def test_weights_of_another_shape_adapters_and_files_that_were_added_are_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="adapter_config.json is not listed in manifest.json"):
        load_causal_lm(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ModelError, match="names no base_model_name_or_path"):
        load_causal_lm(folder)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "nano"}')
    with pytest.raises(ModelError, match="holds an adapter without adapter_model.safetensors"):
        load_causal_lm(folder)
    (folder / "adapter_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(ModelError, match=r"do not fit the config \(\d+ missing keys, such as"):
        load_causal_lm(folder)
    (folder / "config.json").write_text(json.dumps(
        config | {"transformers_weights": "pytorch_model.bin"}))
    with pytest.raises(ModelError, match="names pytorch_model.bin as weights"):
        load_causal_lm(folder)
    (folder / "config.json").write_text(json.dumps(config))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.bin"}}))
    with pytest.raises(ModelError, match="names part-2.bin as weights"):
        load_causal_lm(folder)
    index.write_text("{")
    with pytest.raises(ModelError, match="index.json is not valid JSON"):
        load_causal_lm(folder)
    index.unlink()
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "part-1.bin"}}')
    load_causal_lm(folder)


def test_a_shipped_model_without_its_manifest_is_refused(folder, monkeypatch):
    (folder / MANIFEST).unlink()
    monkeypatch.setitem(SHIPPED, "tiny", folder)
    with pytest.raises(ModelError, match="manifest.json is missing"):
        load_causal_lm("tiny")


def test_a_models_own_generation_settings_take_no_part(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION)] * 20
    plain = [sample(model, tokenizer, prompts, temperature=t, rng=seeded(0), max_new_tokens=8).ids
             for t in (0.0, 1.0)]
    own = model.generation_config
    model.generation_config = GenerationConfig(repetition_penalty=5.0, top_k=1, num_beams=2,
                                               min_p=0.9, eos_token_id=2, pad_token_id=0)
    try:
        for ids, t in zip(plain, (0.0, 1.0), strict=True):
            again = sample(model, tokenizer, prompts, temperature=t, rng=seeded(0),
                           max_new_tokens=8).ids
            assert torch.equal(ids, again)
        assert model.generation_config.repetition_penalty == 5.0, "they are left as they were"
    finally:
        model.generation_config = own


def test_logits_are_float32_whatever_the_model_computes_in(tokenizer):
    model = make_model("nano", len(vocabulary()), 0).to(torch.bfloat16).eval()
    result = sample(model, tokenizer, [make_prompt(tokenizer, QUESTION)], max_new_tokens=3)
    logits = response_logits(model, result.prompt_ids, result.prompt_mask, result.ids, result.mask)
    assert logits.dtype == torch.float32


def test_a_hub_id_that_is_not_here_says_what_to_download_where():
    with pytest.raises(ModelError, match=r"hf download nobody/nothing-lm --local-dir nothing-lm.*"
                                         r"config.json"):
        load_causal_lm("nobody/nothing-lm")
    with pytest.raises(ModelError, match="there is no model 'no such thing'. Give one of tiny"):
        load_causal_lm("no such thing")


def test_a_hub_id_in_the_local_cache_is_found(folder, tmp_path, monkeypatch):
    cache = tmp_path / "hub"
    revision = cache / "models--someone--some-lm" / "snapshots" / ("0" * 40)
    shutil.copytree(folder, revision)
    refs = cache / "models--someone--some-lm" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    model, _ = load_causal_lm("someone/some-lm")
    assert model.num_parameters() == make_model("nano", len(vocabulary()), 0).num_parameters()


def test_peft_adapters_can_be_put_on_and_switched_off(folder):
    from peft import LoraConfig, get_peft_model

    model, tokenizer = load_causal_lm(folder)
    ids = tokenizer(make_prompt(tokenizer, QUESTION), return_tensors="pt")["input_ids"]
    before = model(ids).logits
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"],
                                               init_lora_weights=False))
    assert not torch.allclose(adapted(ids).logits, before)
    with adapted.disable_adapter():
        torch.testing.assert_close(adapted(ids).logits, before)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_models_are_whole_and_small(name):
    check_manifest(SHIPPED[name])
    weights = SHIPPED[name] / "model.safetensors"
    assert weights.stat().st_size < 8e6
    assert safetensors.torch.load_file(weights)
    assert "auto_map" not in json.loads((SHIPPED[name] / "config.json").read_text())
    assert (SHIPPED[name] / "README.md").exists(), "a model ships with its card"
