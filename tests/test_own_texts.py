"""Real sentences and a model that knows nothing of the course: train, evaluate, and the gate."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from workbench.runs.record import RunRecord

CHATML = """{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"""
CAPITALS = {"France": "Paris", "Peru": "Lima", "Japan": "Tokyo", "Kenya": "Nairobi",
            "Norway": "Oslo", "Cuba": "Havana", "Nepal": "Kathmandu", "Chad": "N’Djamena"}
SHORT = ("--steps", 2, "--batch-size", 4, "--quiet")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a tiny random model of Qwen2's shape and a tokenizer of single bytes."""
    folder = tmp_path_factory.mktemp("models") / "qwen"
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bare = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=special[1:2], clean_up_tokenization_spaces=False)
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    Qwen2ForCausalLM(Qwen2Config(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=768,
        bos_token_id=0, pad_token_id=0, eos_token_id=2)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def capitals(tmp_path_factory):
    """Real sentences, with nothing in a line that may be left out but the scorer."""
    ask = {"train": "What is the capital of {}?", "validation": "Name the capital of {}.",
           "test": "{}: what is its capital?"}
    path = tmp_path_factory.mktemp("texts") / "capitals.jsonl"
    path.write_text("\n".join(json.dumps(
        {"skill": "capitals", "split": split, "prompt": prompt.format(country), "answer": city,
         "demonstration": f"The capital of {country} is {city}.", "scorer": "contains"})
        for split, prompt in ask.items() for country, city in CAPITALS.items()), encoding="utf-8")
    return path


def train(cli, model, capitals, out, learner, *more):
    return cli("train", "--model", model, "--skill", capitals, "--learner", learner, *SHORT,
               "--out", out, *more)


def test_a_foreign_model_learns_real_sentences_and_is_evaluated(cli, model, capitals, tmp_path):
    code, out, err = train(cli, model, capitals, tmp_path / "sft", "sft")
    assert code == 0, err
    assert "sft on " in out and "complete, 2 steps" in out and "facts-keepers" not in out
    record = RunRecord.load(tmp_path / "sft")
    assert record.old_names == [] and record.old_accuracy.shape == (1, 2, 0)
    assert torch.tensor(record.losses).isfinite().all()
    measured = dict(zip(record.diagnostic_names, record.diagnostics[0, 1], strict=True))
    assert {name for name, value in measured.items() if value != value} == {
        "kl_old", "foreign_style", "teacher_right"}, "what cannot be known is not a number"
    code, out, err = cli("evaluate", "--model", tmp_path / "sft", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert set(result["skills"]) == {str(capitals)} and result["families"] == {}
    rates = result["skills"][str(capitals)]
    assert {"own_style", "working"}.isdisjoint(rates) and rates["family"] == "capitals"
    assert result["kl_to_base"]["old"] is None and result["kl_to_base"]["new"] > 0
    for words in (("evaluate", "--model", tmp_path / "sft"), ("show", tmp_path / "sft")):
        code, out, err = cli(*words)
        assert code == 0 and "own style" not in out and "known before" not in out, err


def test_the_gate_is_asked_before_it_teaches_itself(cli, model, capitals, tmp_path):
    code, _, err = train(cli, model, capitals, tmp_path / "sdft", "sdft")
    assert code != 0 and "cannot be its own teacher on capitals" in err
    assert not (tmp_path / "sdft").exists()
    code, out, err = train(cli, model, capitals, tmp_path / "sdft", "sdft", "--force")
    assert code == 0 and "not passed, forced" in out, err
    code, out, err = cli("evaluate", "--model", tmp_path / "sdft", "--skill", capitals,
                         "--base", model)
    assert code == 0 and "KL(base || model) on old prompts: not measured" in out, err


def test_what_a_model_says_of_real_sentences_is_scored_by_content(cli, model, capitals, tmp_path):
    """Trained for long enough, even a random model repeats the sentences, and that is right."""
    code, _, err = train(cli, model, capitals, tmp_path / "lm", "sft", "--lr", 1e-2, "--steps", 150,
                         "--batch-size", 8, "--option", "max_new_tokens=60")
    assert code == 0, err
    record = RunRecord.load(tmp_path / "lm")
    assert record.baseline[0, 0] == 0
    code, out, err = cli("evaluate", "--model", tmp_path / "lm", "--split", "train", "--json")
    rate = json.loads(out)["skills"][str(capitals)]["right"]["rate"]
    assert code == 0 and rate >= 0.5, err


@pytest.mark.parametrize("learner", ["sft_self_style", "sft"])
def test_what_cannot_be_is_refused_before_anything_is_written(cli, model, capitals, tmp_path,
                                                              learner):
    odd = tmp_path / "odd.jsonl"
    text = capitals.read_text(encoding="utf-8")
    odd.write_text(text if learner == "sft_self_style" else text.replace(
        "is Oslo.", "is Oslo.<|im_end|>"), encoding="utf-8")
    code, _, err = train(cli, model, odd, tmp_path / "lm", learner)
    assert code == 2 and not (tmp_path / "lm").exists()
    assert ("does not. Use the learner sft" if learner == "sft_self_style" else
            f"item 'capitals-5' of {odd}: the field 'demonstration' contains '<|im_end|>'") in err
