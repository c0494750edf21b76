"""Models, tokenizers and chat templates made elsewhere: what is decided here, what is refused."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE, WordPiece
from transformers import PreTrainedTokenizerFast

from workbench.config import RunConfig
from workbench.errors import ConfigError, ModelError
from workbench.models import load_causal_lm, make_prompt, respell, sample
from workbench.models.adapters import no_progress_bars
from workbench.models.encoding import NO_LIMIT, context_of, decode, encode
from workbench.models.language import LanguageModels
from workbench.models.loading import SHIPPED
from workbench.models.logits import PromptCache, attends_to_all, response_logits
from workbench.models.prompts import SHORT_TURN, set_teacher_turn
from workbench.models.sizes import CONTEXT
from workbench.pretraining.tokenizer import make_tokenizer, vocabulary
from workbench.runs.experiment import run
from workbench.tasks import load_skill
from workbench.tasks.village.styles import has_own_style

WORDS = len(vocabulary())
QUESTION = "who keeps the red key ?"
SENTENCES = ["the answer is ada .", "so we get 12 , said ben .", "where is it ? it's \"here\" !"]
CHAT = ("{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}{% endfor %}"
        "<|assistant|>")


@pytest.fixture
def nano():
    return load_causal_lm("nano")


def write(folder, model, tokenizer):
    """Write a model folder without a manifest, as other programs do."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def change(path, **entries):
    """Change entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def byte_level(**special):
    """A byte-level tokenizer as of the GPT-2 family, which knows every text."""
    bare = Tokenizer(BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    bare.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<|end|>", **special)
    tokenizer.chat_template = CHAT
    return tokenizer


# Weights


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_are_float32_whatever_they_are_stored_in(nano, tmp_path, dtype):
    model, tokenizer = nano
    write(tmp_path, model.to(dtype), tokenizer)
    assert {t.dtype for t in load_file(tmp_path / "model.safetensors").values()} == {dtype}
    models = LanguageModels(tmp_path, (0,))
    loaded = models.models[0]
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert loaded.config.dtype == torch.float32, "and so it is written again"
    for name, stored in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(loaded.state_dict()[name], stored.float()), name


def test_a_step_too_small_for_bfloat16_moves_weights_stored_in_it(nano, tmp_path):
    write(tmp_path / "half", nano[0].to(torch.bfloat16), nano[1])
    before = LanguageModels(tmp_path / "half", (0,)).vector(0)
    run(RunConfig(stream="skills", skills=("facts-new",), model=str(tmp_path / "half"),
                  learner="sft", seeds=(0,), steps=1, batch_size=8, lr=1e-5, items=2),
        out=tmp_path / "run")
    after = LanguageModels(tmp_path / "run", (0,)).vector(0)
    assert (before != after).float().mean() > 0.9


def test_quantised_weights_are_refused(nano, tmp_path):
    write(tmp_path, *nano)
    change(tmp_path / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(ModelError, match="config.json says that the weights are quantised"):
        load_causal_lm(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_with_the_name_of_the_tensor(nano, tmp_path, value):
    model, tokenizer = nano
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[3, 4] = value
    write(tmp_path, model, tokenizer)
    with pytest.raises(ModelError, match=r"1 of the 4608 values of model.layers.0.mlp.up_proj."
                                         "weight are NaN or infinite"):
        load_causal_lm(tmp_path)


def test_a_model_that_computes_nan_from_finite_weights_is_refused(nano, tmp_path):
    model, tokenizer = nano
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.fill_(3e38)
    write(tmp_path, model, tokenizer)
    with pytest.raises(ModelError, match="logits are NaN or infinite though its weights are not"):
        load_causal_lm(tmp_path)


# Decoding


@pytest.mark.parametrize("name", SHIPPED)
def test_decoding_changes_nothing(name):
    _, tokenizer = load_causal_lm(name)
    for item in load_skill("tools-new", "test"):
        text = f"{item.prompt} {item.answer} {item.demonstration}"
        assert decode(tokenizer, tokenizer(text, return_tensors="pt")["input_ids"]) == [text]


def test_a_tokenizers_own_clean_up_of_spaces_takes_no_part(nano, tmp_path):
    model, tokenizer = nano
    write(tmp_path, model, tokenizer)
    change(tmp_path / "tokenizer_config.json", clean_up_tokenization_spaces=True)
    _, loaded = load_causal_lm(tmp_path)
    text = "who keeps the red key ? the answer is ada , ben ."
    assert loaded.decode(loaded(text)["input_ids"]) == text
    prompts = [make_prompt(tokenizer, item.prompt) for item in load_skill("tools-new", "test")]
    assert sample(model, loaded, prompts).texts == sample(model, tokenizer, prompts).texts


def test_special_tokens_in_a_prompt_are_not_split(tmp_path):
    write(tmp_path, qwen(300, eos_token_id=0), byte_level())
    change(tmp_path / "tokenizer_config.json", split_special_tokens=True)
    _, loaded = load_causal_lm(tmp_path)
    assert loaded("<|end|>")["input_ids"] == [loaded.eos_token_id]


def test_word_pieces_are_decoded_as_they_are(tmp_path):
    words = dict.fromkeys(["[UNK]", "</s>", *" ".join(SENTENCES[:2]).split(), "##s"])
    bare = Tokenizer(WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    bare.pre_tokenizer, bare.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece(cleanup=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]", eos_token="</s>")
    _, loaded = load_causal_lm(write(tmp_path, qwen(len(words), eos_token_id=1), tokenizer))
    for text in SENTENCES[:2]:
        assert decode(loaded, loaded(text, return_tensors="pt")["input_ids"]) == [text]


def test_style_and_score_do_not_depend_on_spaces_around_a_response():
    tokenizer = byte_level(pad_token="<|end|>")
    for text in (" the answer is ada .", "the answer is ada . ", "\nthe answer is ada .\n"):
        ids = tokenizer(text + "<|end|>", return_tensors="pt")["input_ids"]
        assert decode(tokenizer, ids) == ["the answer is ada ."]
        assert has_own_style(decode(tokenizer, ids)[0])


def test_sampled_texts_have_no_spaces_around_them():
    tokenizer = byte_level()
    prompts = [make_prompt(tokenizer, "a")] * 99
    result = sample(qwen(len(tokenizer), eos_token_id=0), tokenizer, prompts, temperature=1.0,
                   rng=torch.Generator().manual_seed(0), max_new_tokens=3)
    raw = tokenizer.batch_decode(result.ids, skip_special_tokens=True)
    assert result.texts == [text.strip() for text in raw] != raw


@pytest.mark.parametrize("text", [*SENTENCES, "tabs\tand  two spaces , é ü 字", "a\n\nb"])
def test_a_byte_level_tokenizer_gives_back_every_text(tmp_path, text):
    write(tmp_path, qwen(300, eos_token_id=0), byte_level())
    change(tmp_path / "tokenizer_config.json", clean_up_tokenization_spaces=True,
           clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=True)
    _, tokenizer = load_causal_lm(tmp_path)
    assert decode(tokenizer, tokenizer(text, return_tensors="pt")["input_ids"]) == [text]


@pytest.mark.parametrize("kind", ["qwen2", "gpt2", "bloom"])
@pytest.mark.parametrize("own", [make_tokenizer, byte_level],
                         ids=["words", "bytes"])
def test_a_tokenizer_splits_texts_as_its_file_says_whatever_the_architecture(tmp_path, kind, own):
    tokenizer = own()
    write(tmp_path, model_of(kind, len(tokenizer)), tokenizer)
    change(tmp_path / "config.json", eos_token_id=tokenizer.eos_token_id)
    _, loaded = load_causal_lm(tmp_path)
    for text in (f"<s> Q: {QUESTION} A:", "Who keeps 12 keys? It's Ada's. </s>"):
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert len(loaded) == len(tokenizer)


# Unknown words


@pytest.mark.parametrize("unknown", ["<|end|>", None])
def test_a_tokenizer_whose_unknown_token_is_its_end_token_knows_every_word(unknown):
    tokenizer = byte_level(**({"unk_token": unknown} if unknown else {}))
    prompt = make_prompt(tokenizer, "Who keeps the Zebra?")
    assert "<|end|>" in prompt
    ids, mask = encode(tokenizer, [prompt, "a"], 99)
    assert decode(tokenizer, ids[:1]) == ["<|user|>Who keeps the Zebra?<|assistant|>"]
    assert mask[1].sum() == 1


def test_only_words_that_are_unknown_are_named():
    tokenizer = make_tokenizer()
    with pytest.raises(ModelError, match="does not know 'zebra', 'key\\?' in the prompt"):
        encode(tokenizer, ["<s> Q: who keeps the zebra key? zebra A:"], 99)


# Architectures


@pytest.mark.parametrize(("typed", "asked"), [
    ("Who keeps the red key?", QUESTION),
    ("  who  keeps\nthe red key ?", QUESTION),
    ("Call F9(Tower), then 2.", "call f9 ( tower ) , then 2 ."),
    ("Who keeps the Zebra?", "who keeps the zebra ?"),
    ("", ""),
])
def test_a_typed_text_gets_the_spelling_of_a_tokenizer_without_capitals(typed, asked):
    assert respell(make_tokenizer(), typed) == asked
    assert respell(make_tokenizer(), asked) == asked


@pytest.mark.parametrize("settings", [{}, {"unk_token": "<|end|>"}, {"unk_token": "<|unk|>"}])
def test_a_typed_text_is_left_as_it_is_for_a_tokenizer_with_capitals(settings):
    typed = " Who keeps\nthe Red Key?"
    assert respell(byte_level(**settings), typed) == typed


def qwen(words, **settings):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(
            vocab_size=words, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=CONTEXT,
            **settings))


def model_of(kind, words=WORDS):
    """A tiny random model in some architecture; by default with the words of the village."""
    T, torch_state = transformers, torch.random.get_rng_state()  # noqa: N806
    torch.manual_seed(0)
    small = {"vocab_size": words, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    layered = small | {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    bert = layered | {"intermediate_size": 32, "max_position_embeddings": CONTEXT}
    made = {
        "gpt2": lambda: T.GPT2LMHeadModel(T.GPT2Config(
            **small, n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=2)),
        "qwen2": lambda: qwen(words, bos_token_id=1, eos_token_id=2, pad_token_id=0),
        "bloom": lambda: T.BloomForCausalLM(T.BloomConfig(
            **small, hidden_size=32, n_layer=2, n_head=2)),
        "mpt": lambda: T.MptForCausalLM(T.MptConfig(
            **small, d_model=32, n_layers=2, n_heads=2, max_seq_len=CONTEXT)),
        "mamba": lambda: T.MambaForCausalLM(T.MambaConfig(
            **small, hidden_size=32, state_size=4, num_hidden_layers=2)),
        "mistral": lambda: T.MistralForCausalLM(T.MistralConfig(
            **bert, num_key_value_heads=1, sliding_window=8)),
        "jamba": lambda: T.JambaForCausalLM(T.JambaConfig(
            **layered, intermediate_size=32, num_key_value_heads=1, num_experts=1,
            attn_layer_period=2, attn_layer_offset=1, mamba_d_state=4)),
        "opt": lambda: T.OPTForCausalLM(T.OPTConfig(
            **layered, ffn_dim=32, word_embed_proj_dim=32, max_position_embeddings=CONTEXT)),
        "roberta": lambda: T.RobertaForCausalLM(T.RobertaConfig(**bert)),
        "roberta decoder": lambda: T.RobertaForCausalLM(T.RobertaConfig(**bert, is_decoder=True)),
        "bert": lambda: T.BertLMHeadModel(T.BertConfig(**bert)),
        "xlnet": lambda: T.XLNetLMHeadModel(T.XLNetConfig(
            **small, d_model=32, n_layer=2, n_head=2, d_inner=32)),
        "rwkv": lambda: T.RwkvForCausalLM(T.RwkvConfig(
            **small, hidden_size=32, num_hidden_layers=2, context_length=CONTEXT)),
    }[kind]().eval()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() == 2:
                weight.mul_(15)  # so that what is predicted depends on more than the last token
    torch.random.set_rng_state(torch_state)
    return made


CAUSAL = ("gpt2", "qwen2", "bloom", "mpt", "opt", "mistral")


@pytest.mark.parametrize("kind", CAUSAL)
def test_causal_models_of_many_architectures_can_be_asked_and_trained(tmp_path, kind):
    folder = write(tmp_path / "lm", model_of(kind), make_tokenizer())
    model, tokenizer = load_causal_lm(folder)
    assert context_of(model) == (NO_LIMIT if kind == "bloom" else CONTEXT)
    prompts = [make_prompt(tokenizer, QUESTION), make_prompt(tokenizer, "show the key to ada .")]
    both = sample(model, tokenizer, prompts, max_new_tokens=5)
    for i, prompt in enumerate(prompts):
        alone = sample(model, tokenizer, [prompt], max_new_tokens=5)
        assert alone.texts == both.texts[i: i + 1], "padding changes nothing"
    with torch.no_grad():
        logits = response_logits(model, both.prompt_ids, both.prompt_mask, both.ids, both.mask)
        read = PromptCache(model, both.prompt_ids, both.prompt_mask)
        torch.testing.assert_close(read.logits(both.ids, both.mask), logits, atol=1e-5, rtol=1e-4)
    assert torch.equal(logits.argmax(-1)[both.mask.bool()], both.ids[both.mask.bool()]), (
        "each token is the likeliest after all that stand before it")
    for name in ("sft", "sdft"):
        record = run(RunConfig(
            stream="skills", skills=("facts-new",), model=str(folder), learner=name, seeds=(0,),
            steps=2, batch_size=4, lr=1e-3, items=2, options={"max_new_tokens": 4}), force=True)
        assert record.status == "complete" and (record.losses > 0).all()


@pytest.mark.parametrize("kind", ["mamba", "jamba"])
def test_a_recurrent_model_is_refused(tmp_path, kind):
    folder = write(tmp_path, model_of(kind), make_tokenizer())
    with pytest.raises(ModelError, match="cannot go on from a prompt that it has read"):
        load_causal_lm(folder)


def test_a_model_without_positions_has_no_limit():
    assert context_of(model_of("mamba")) == NO_LIMIT
    assert not attends_to_all(model_of("mamba"))


@pytest.mark.parametrize("kind", ["roberta", "bert", "xlnet"])
def test_a_model_that_sees_later_tokens_is_refused(tmp_path, kind):
    folder = write(tmp_path, model_of(kind), make_tokenizer())
    with pytest.raises(ModelError, match="is not causal: a later token changes"):
        load_causal_lm(folder)


@pytest.mark.parametrize("kind", ["roberta decoder", "rwkv"])
def test_a_model_that_takes_padding_for_text_is_refused(tmp_path, kind):
    folder = write(tmp_path, model_of(kind), make_tokenizer())
    with pytest.raises(ModelError, match="answers otherwise when a prompt is padded on the left"):
        load_causal_lm(folder)


def test_a_context_too_short_for_anything_is_refused(tmp_path):
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=WORDS, n_positions=4, n_embd=8, n_layer=1, n_head=2, eos_token_id=2))
    with pytest.raises(ModelError, match="takes 4 tokens, too few"):
        load_causal_lm(write(tmp_path, model, make_tokenizer()))


def test_loading_leaves_the_global_random_state_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    load_causal_lm("nano")
    assert torch.equal(before, torch.random.get_rng_state())


# Chat templates


def with_template(template):
    tokenizer = byte_level()
    tokenizer.chat_template = template
    tokenizer.name_or_path = "someone/some-lm"
    return tokenizer


SYSTEM = "{% if messages[0]['role'] != 'system' %}You help. Today is {{ strftime_now('%d %B') }}.\n"
PARTS = ("{% for m in messages %}{% for part in m['content'] %}{% if part['type'] == 'text' %}"
         "<{{ part['text'] }}>{% endif %}{% endfor %}{% endfor %}[A]")
PASSED = ("{{ article or '' }}|{{ demonstration or '' }}|"
          "{% for m in messages %}{{ m['content'] }}{% endfor %}")


def test_a_template_that_raises_is_quoted():
    tokenizer = with_template("{{ raise_exception('Only for customers of\nthe big plan!') }}")
    with pytest.raises(ModelError, match=r"the chat template of someone/some-lm fails .*: Only for "
                                         r"customers of the big plan!\. Set"):
        make_prompt(tokenizer, "Why?")


@pytest.mark.parametrize("template", ["{% if %}", "{{ messages[7]['content'] + 'x' }}",
                                      "{{ 1 / 0 }}"])
def test_a_template_that_is_broken_is_refused(template):
    with pytest.raises(ModelError, match="the chat template of someone/some-lm fails"):
        make_prompt(with_template(template), "Why?")


def test_a_template_that_leaves_the_question_out_is_refused(nano, tmp_path):
    with pytest.raises(ModelError, match="of someone/some-lm leaves the question out"):
        make_prompt(with_template("Hello. [A]"), "Why?")
    write(tmp_path, *nano)
    (tmp_path / "chat_template.jinja").write_text("Hello. [A]")
    with pytest.raises(ModelError, match="leaves the question out"):
        LanguageModels(tmp_path, (0,))


def test_a_template_for_lists_of_parts_gets_lists_of_parts():
    tokenizer = with_template(PARTS)
    assert make_prompt(tokenizer, "Why?") == "<Why?>[A]"
    text = make_prompt(tokenizer, "Why?", demonstration="So.", article="A text.")
    assert text.index("Why?") < text.index("A text.") < text.index("So.") < text.index("Now answer")


@pytest.mark.parametrize("template", [
    "{# no demonstration here #}" + CHAT, "{% if demonstrations %}x{% endif %}" + CHAT,
    "You give a demonstration. " + CHAT, "{% set demonstration = 'none' %}" + CHAT])
def test_a_template_that_only_has_the_word_demonstration_takes_none(template):
    text = make_prompt(with_template(template), "Why?", demonstration="So.", article="A text.")
    assert text.index("Why?") < text.index("A text.") < text.index("So.") < text.index("Now answer")


def test_what_a_template_takes_is_passed_to_it_and_the_rest_stands_in_the_turn():
    assert make_prompt(with_template(PASSED), "Why?") == "||Why?"
    assert make_prompt(with_template(PASSED), "Why?", demonstration="So.", article="A text.") == (
        "A text.|So.|Why?")
    only = PASSED.replace("{{ article or '' }}", "")
    assert make_prompt(with_template(only), "Why?", demonstration="So.", article="A text.") == (
        "|So.|A text.\n\nWhy?")
    only = PASSED.replace("{{ demonstration or '' }}", "")
    text = make_prompt(with_template(only), "Why?", demonstration="So.", article="A text.")
    assert text.startswith("A text.||\nWhy?") and "the question:\nSo.\n" in text


def test_a_template_that_shows_the_demonstration_in_place_of_the_question_is_refused():
    template = "{% if demonstration %}{{ demonstration }}{% else %}" + CHAT + "{% endif %}"
    with pytest.raises(ModelError, match="someone/some-lm leaves out: question, article"):
        make_prompt(with_template(template), "Why?")


def test_a_system_prompt_and_the_date_are_no_trouble():
    tokenizer = with_template(SYSTEM + "{% endif %}" + CHAT)
    assert make_prompt(tokenizer, "Why?").endswith("<|user|>Why?<|end|><|assistant|>")
    assert "So." in make_prompt(tokenizer, "Why?", demonstration="So.")


@pytest.mark.parametrize("template", [CHAT, PARTS, PASSED, SYSTEM + "{% endif %}" + CHAT])
def test_a_teachers_turn_of_ones_own_is_used_and_leaves_the_students_prompt_as_it_is(template):
    tokenizer = with_template(template)
    before = make_prompt(tokenizer, "Why?")
    for turn in (SHORT_TURN, "{question} (\"{context}\", {x} é 字 😀 \\n)\n'"):
        set_teacher_turn(tokenizer, turn)
        assert make_prompt(tokenizer, "Why?") == before
        shown = turn.replace("{question}", "Why?")
        for context, text in ((dict(demonstration="It's {{ So }}."), "It's {{ So }}."),
                              (dict(article="A."), "A."),
                              (dict(demonstration="So.", article="A."), "A. So.")):
            assert make_prompt(tokenizer, "Why?", **context) == before.replace(
                "Why?", shown.replace("{context}", text)), "the same but for the turn"


@pytest.mark.parametrize("turn", ["", "{question}", "{context}", "{question} {context} {context}"])
def test_a_teachers_turn_that_lacks_a_part_or_has_it_twice_is_refused(turn):
    with pytest.raises(ConfigError, match="must have {context} and {question} once each"):
        set_teacher_turn(with_template(CHAT), turn)


def test_a_template_is_examined_once_and_again_when_it_is_replaced(monkeypatch):
    tokenizer = with_template(CHAT)
    make_prompt(tokenizer, "Why?")
    rendered = []
    whole = tokenizer.apply_chat_template
    monkeypatch.setattr(tokenizer, "apply_chat_template",
                        lambda *args, **more: rendered.append(1) or whole(*args, **more))
    for _ in range(3):
        make_prompt(tokenizer, "Why?", demonstration="So.")
    assert len(rendered) == 3
    tokenizer.chat_template = PARTS
    assert make_prompt(tokenizer, "Why?") == "<Why?>[A]"


# Adapters


def adapter(folder, base="nano", **settings):
    """Write a random adapter; return the folder and its logits unmerged on a few tokens."""
    from peft import LoraConfig, get_peft_model

    model, _ = load_causal_lm(base)
    chosen = {"r": 2, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"} | settings
    with no_progress_bars():
        adapted = get_peft_model(model, LoraConfig(**chosen)).eval()
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng))
        with no_progress_bars():
            adapted.save_pretrained(folder)
        return folder, adapted(input_ids=IDS).logits


IDS = torch.arange(3, 12)[None]


@pytest.mark.parametrize("settings", [
    {}, {"target_modules": ["lm_head"]}, {"target_modules": ["embed_tokens", "q_proj"]},
    {"target_modules": ["lm_head", "embed_tokens"]}, {"modules_to_save": ["lm_head"]},
    {"modules_to_save": ["embed_tokens"]}, {"use_dora": True},
    {"target_modules": ["lm_head"], "ensure_weight_tying": True}],
    ids=lambda s: " ".join(f"{k}={v}" for k, v in s.items()))
def test_a_merged_adapter_gives_the_logits_it_was_trained_with(tmp_path, settings):
    folder, expected = adapter(tmp_path / "adapter", **settings)
    model, tokenizer = load_causal_lm(folder)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=IDS).logits, expected, atol=2e-3, rtol=1e-4)
        write(tmp_path / "whole", model, tokenizer)
        again, _ = load_causal_lm(tmp_path / "whole")
        torch.testing.assert_close(again(input_ids=IDS).logits, expected, atol=2e-3, rtol=1e-4)
    assert all(p.requires_grad for p in model.parameters()), "it is a model as any other"


def test_an_adapter_that_changes_when_merged_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.models.adapters._untie", lambda model: None)
    folder, _ = adapter(tmp_path / "adapter", target_modules=["lm_head"])
    with pytest.raises(ModelError, match="the adapter gives other logits than unmerged"):
        load_causal_lm(folder)


def test_an_adapter_that_cannot_be_merged_is_refused(tmp_path):
    from peft import PromptTuningConfig, get_peft_model

    model, _ = load_causal_lm("nano")
    adapted = get_peft_model(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    adapted.peft_config["default"].base_model_name_or_path = "nano"
    adapted.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cannot be merged"):
        load_causal_lm(tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_an_adapter_stored_in_half_precision_is_merged_in_float32(tmp_path, dtype):
    folder, expected = adapter(tmp_path / "adapter")
    path = folder / "adapter_model.safetensors"
    save_file({k: v.to(dtype) for k, v in load_file(path).items()}, path)
    model, _ = load_causal_lm(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model(input_ids=IDS).logits.detach(), expected, atol=1, rtol=0.05)


def test_missing_and_unexpected_tensors_of_an_adapter_are_named(tmp_path):
    folder, _ = adapter(tmp_path / "adapter")
    path = folder / "adapter_model.safetensors"
    whole = load_file(path)
    assert len(whole) == 4
    save_file({k: v for k, v in whole.items() if "q_proj" in k}, path)
    with pytest.raises(ModelError, match=r"2 missing: \S*v_proj.lora_A.weight, \S*v_proj.lora_B"):
        load_causal_lm(folder)
    save_file(whole | {"base_model.model.lm_head.lora_A.weight": torch.ones(2, 48)}, path)
    with pytest.raises(ModelError, match=r"1 unexpected: \S*lm_head.lora_A.weight\)"):
        load_causal_lm(folder)
    save_file({k.replace("q_proj", "o_proj"): v for k, v in whole.items()}, path)
    with pytest.raises(ModelError, match=r"2 missing: .*q_proj.*; 2 unexpected: .*o_proj"):
        load_causal_lm(folder)
    save_file({k: v * float("nan") for k, v in whole.items()}, path)
    with pytest.raises(ModelError, match=r"q_proj.lora_A.* are NaN or infinite"):
        load_causal_lm(folder)


def test_an_adapter_whose_base_cannot_be_loaded_names_both(tmp_path):
    folder, _ = adapter(tmp_path / "adapter")
    change(folder / "adapter_config.json", base_model_name_or_path="no such model")
    with pytest.raises(ModelError, match="adapter is an adapter for 'no such model', which cannot "
                                         "be loaded: there is no model 'no such model'"):
        load_causal_lm(folder)
    change(folder / "adapter_config.json", base_model_name_or_path=str(folder))
    with pytest.raises(ModelError, match="names as its base a model that is made from this"):
        load_causal_lm(folder)


def test_an_adapter_on_an_adapter_is_merged_into_the_merged_model(tmp_path):
    first, _ = adapter(tmp_path / "first")
    second, expected = adapter(tmp_path / "second", base=first, target_modules=["k_proj"])
    model, _ = load_causal_lm(second)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=IDS).logits, expected, atol=2e-3, rtol=1e-4)


def test_the_tokenizer_beside_an_adapter_is_used(nano, tmp_path):
    folder, _ = adapter(tmp_path / "adapter")
    tokenizer = nano[1]
    tokenizer.chat_template = tokenizer.chat_template.replace(" Q: ", " A: ")
    tokenizer.save_pretrained(folder)
    assert make_prompt(load_causal_lm(folder)[1], QUESTION) == f"<s> A: {QUESTION} A:"


@pytest.mark.parametrize("rank", [0, 2])
def test_training_goes_on_from_an_adapter(tmp_path, rank):
    settings = {"stream": "skills", "skills": ("facts-new",), "model": "nano", "learner": "sft",
                "seeds": (0,), "steps": 2, "batch_size": 8, "lr": 1e-2, "items": 4, "lora_rank": 2}
    first = run(RunConfig(**settings), out=tmp_path / "first")
    on = settings | {"model": str(tmp_path / "first"), "lora_rank": rank, "skills": ("tools-new",)}
    second = run(RunConfig(**on), out=tmp_path / "second")
    names = first.task_names + first.old_names
    known = dict(zip(names, [*first.accuracy[0, 0], *first.old_accuracy[0, 1]], strict=True))
    names = second.task_names + second.old_names
    begun = dict(zip(names, [*second.baseline[0], *second.old_accuracy[0, 0]], strict=True))
    assert {k: v for k, v in known.items() if k in begun} == {
        k: v for k, v in begun.items() if k in known}
    models = LanguageModels(tmp_path / "first", (0,))
    loaded, _ = load_causal_lm(tmp_path / "second")
    assert not torch.equal(models.base(input_ids=IDS).logits, loaded(input_ids=IDS).logits)
    if rank:
        config = json.loads((tmp_path / "second" / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(tmp_path / "first")


def test_an_adapter_on_tied_layers_is_merged_without_a_warning(tmp_path, recwarn):
    folder, _ = adapter(tmp_path / "adapter", target_modules=["lm_head"])
    recwarn.clear()
    LanguageModels(folder, (0,), lora_rank=2)
    assert not [str(warning.message) for warning in recwarn if warning.category is UserWarning]


@pytest.mark.parametrize("name", ["nano", "folder"])
def test_a_saved_adapter_names_its_base_as_it_was_given(nano, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "folder", *nano)
    LanguageModels(name, (0,), lora_rank=2).write(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == name
    load_causal_lm("out")


# Commands


def test_commands_train_evaluate_and_ask_an_adapter(cli, tmp_path):
    short = ("--learner", "sft", "--steps", 2, "--batch-size", 8, "--items", 4, "--quiet")
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli("train", "--model", "nano", "--skill", "facts-new", "--lora-rank", 2, *short,
               "--out", first)[0] == 0
    code, out, err = cli("train", "--model", first, "--skill", "tools-new", "--lora-rank", 2,
                         *short, "--out", second, "--json")
    assert (code, err) == (0, "") and json.loads(out)["status"] == "complete"
    for folder, base in ((first, "nano"), (second, str(first))):
        code, out, err = cli("evaluate", "--model", folder, "--items", 2, "--json")
        result = json.loads(out)
        assert (code, err, result["base"]) == (0, "", base) and result["kl_to_base"]["new"] > 0
    assert cli("gate", "--model", second, "--items", 20)[0] == 1


@pytest.mark.parametrize("words", [("evaluate",), ("gate", "--json"),
                                   ("train", "--skill", "facts-new", "--out", "out")])
def test_no_command_goes_on_with_weights_that_are_no_numbers(cli, nano, tmp_path, monkeypatch,
                                                             words):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = nano
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    write(tmp_path / "lm", model, tokenizer)
    code, out, err = cli(*words, "--model", "lm")
    assert (code, out) == (2, "") and "model.norm.weight are NaN" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_template_that_raises_is_one_line_of_an_error(cli, nano, tmp_path):
    write(tmp_path, *nano)
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('Only for\ncustomers!') }}")
    code, out, err = cli("gate", "--model", tmp_path)
    assert (code, out) == (2, "") and f"template of {tmp_path} fails" in err
    assert "Only for customers!" in err and err.count("\n") == 1
