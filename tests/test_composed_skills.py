"""A composed module per skill: retrieved by the prompt, resumed bit for bit; known skills stay."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import GPT2Config, GPT2LMHeadModel

from workbench.config import RunConfig
from workbench.errors import ConfigError, UnknownNameError
from workbench.measure.intervals import seed_interval
from workbench.models import load_causal_lm, make_prompt
from workbench.retrieval.prompts import PromptRetriever
from workbench.runs.experiment import make_learner, resume, run, stream_of
from workbench.runs.loop import run_stream
from workbench.runs.studies import RESULTS
from workbench.tasks import load_skill

NEW, KNOWN = ("facts-new", "tools-new", "letters-new"), ("facts-keepers", "working-jar")
SMALL = RunConfig(stream="skills", skills=NEW[:2], old_skills=KNOWN, model="nano", seeds=(0, 1),
                  learner="composed_per_skill", lora_rank=2, steps=4, batch_size=4, lr=3e-3,
                  items=6, checkpoint_every=2)


@pytest.fixture(scope="module")
def tiny():
    return load_causal_lm("tiny")


def asked(skill, split):
    return [item.prompt for item in load_skill(skill, split)]


def test_the_state_of_a_prompt_is_its_mean_whatever_stands_beside_it(tiny):
    model, tokenizer = tiny
    questions = [*asked("facts-new", "test")[:3], *asked("working-jar", "test")[:2]]
    together = PromptRetriever(model, tokenizer, layer=2).states(questions)
    for row, question in zip(together, questions, strict=True):
        ids = tokenizer(make_prompt(tokenizer, question), return_tensors="pt",
                        add_special_tokens=False).input_ids
        with torch.no_grad():
            hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[2]
        np.testing.assert_allclose(row, hidden[0].mean(0), atol=1e-4)


def test_positions_are_counted_from_the_first_token_where_they_are_learned(tiny):
    tokenizer = tiny[1]
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=32, n_layer=2, n_head=2,
                        bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(torch.arange(128.0)[:, None].expand(-1, 32).sin())
    retriever = PromptRetriever(model, tokenizer)
    questions = [*asked("facts-new", "test")[:2], *asked("working-jar", "test")[:2]]
    alone = np.concatenate([retriever.states([question]) for question in questions])
    np.testing.assert_allclose(retriever.states(questions), alone, atol=1e-4)


@pytest.mark.parametrize("apart", [True, False])
def test_prompts_find_their_skill_and_known_skills_are_found_better_one_by_one(tiny, apart):
    retriever = PromptRetriever(*tiny)
    retriever.learn_known([asked(skill, "train") for skill in KNOWN], apart)
    first = retriever.to_arrays()
    for k, skill in enumerate(NEW):
        retriever.learn(k, asked(skill, "train"), asked(skill, "validation"))
    later = retriever.to_arrays()
    assert all(np.array_equal(later[name], value) for name, value in first.items()
               if name != "skills"), "learning a skill changes nothing earlier"
    right = {k: (retriever.choose(asked(skill, "test")) == k).mean() for k, skill in enumerate(NEW)}
    assert min(right.values()) >= 0.95
    kept = (retriever.choose(asked("facts-keepers", "test")) < 0).mean()
    assert kept > 0.85 if apart else kept < 0.7
    assert retriever.skills == [-1, *([-2] * apart), 0, 1, 2]
    again = PromptRetriever(*tiny)
    again.load_arrays(later)
    questions = asked("facts-new", "test")
    assert np.array_equal(again.choose(questions), retriever.choose(questions))
    assert len(retriever.retriever.held_out_[-1]) == len(asked("letters-new", "validation"))


def test_without_known_skills_the_components_are_those_of_the_first_skill(tiny):
    retriever = PromptRetriever(*tiny, components=8)
    retriever.learn(0, asked("facts-new", "train"))
    axes = retriever.axes["components"]
    np.testing.assert_allclose(axes @ axes.T, np.eye(8), atol=1e-10)
    retriever.learn(1, asked("tools-new", "train"))
    assert retriever.axes["components"] is axes
    assert (retriever.choose(asked("tools-new", "test")) == 1).all()


@pytest.fixture(scope="module")
def taught():
    stream = stream_of(SMALL)
    learner = make_learner(SMALL, stream)
    run_stream(learner, stream, SMALL)
    return stream, learner


def test_answers_are_those_of_the_retrieved_module_and_of_the_pretrained_model(taught):
    stream, learner = taught
    base = load_causal_lm("nano")[0]
    for task in (*stream.tasks, *stream.old_tasks):
        questions = task.test.inputs
        chosen, answers = learner.retriever.choose(questions), learner.predict(questions)
        for k in np.unique(chosen):
            rows = np.flatnonzero(chosen == k)
            own = learner.predict([questions[row] for row in rows], int(k))
            assert own == [[texts[row] for row in rows] for texts in answers]
    known = [learner.model.base(input_ids=torch.arange(6)[None]).logits,
             base(input_ids=torch.arange(6)[None]).logits]
    torch.testing.assert_close(*known)
    module = learner.model.modules(0)[1]
    assert module.owners == ("skill0-seed0",) * 2
    assert float(module.coefficients.detach().abs().max()) > 0


def test_the_new_part_of_each_skill_has_a_draw_of_its_own(taught):
    first, second = taught[1].model.modules(0)
    layer = next(iter(first.layers))
    A, other = first.new(layer)[0], second.new(layer)[0]
    cosine = torch.nn.functional.cosine_similarity(A.detach(), other.detach()).abs().max()
    assert float(cosine) < 0.9


def test_a_learner_is_restored_with_its_retriever_and_its_bytes_are_counted(taught):
    stream, learner = taught
    again = make_learner(SMALL, stream)
    again.load_state_dict(learner.state_dict())
    questions = stream.tasks[1].test.inputs
    assert again.predict(questions) == learner.predict(questions)
    modules = learner.model.modules(0)
    numbers = sum(p.numel() for module in modules for p in module.parameters())
    assert learner.stored_bytes() == 4 * numbers + sum(t.nbytes for t in learner.state.values())
    assert again.stored_bytes() == learner.stored_bytes()


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path):
    whole = run(SMALL, out=tmp_path / "whole")
    turns = iter(range(1000))
    run(SMALL, out=tmp_path / "parts", stop=lambda: next(turns) >= 6)
    again = resume(tmp_path / "parts")
    assert np.array_equal(again.accuracy, whole.accuracy)
    assert np.array_equal(again.losses, whole.losses)


def test_each_module_is_written_as_a_plain_adapter(tmp_path):
    config = replace(SMALL, seeds=(0,))
    stream = stream_of(config)
    learner = make_learner(config, stream)
    run_stream(learner, stream, config, out=tmp_path / "run")
    folder = next((tmp_path / "run").rglob("1-tools-new"))
    theirs = PeftModel.from_pretrained(load_causal_lm("nano")[0], folder)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        gap = (theirs(input_ids=ids).logits
               - learner.models_for(1)[0](input_ids=ids).logits).abs().max()
        largest = learner.models_for(1)[0](input_ids=ids).logits.abs().max()
    assert float(gap / largest) < 1e-5
    assert theirs.peft_config["default"].r == 4


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"lora_rank": 0}, ConfigError, "trains adapters: set lora_rank to at least 1"),
    ({"options": {"known": "some"}}, UnknownNameError, "unknown value of known 'some'"),
    ({"options": {"reuse": "some"}}, UnknownNameError, "unknown reuse 'some'"),
    ({"options": {"orthogonality": -1.0}}, ConfigError, "orthogonality must be a finite number"),
    ({"options": {"layer": 99}}, ConfigError, "layer must be from 1 to"),
])
def test_a_wrong_setting_is_refused_with_its_name(changes, error, message):
    with pytest.raises(error, match=message):
        run(replace(SMALL, **changes))


# Recorded

def test_on_digits_reuse_buys_nothing_and_orthogonality_a_point():
    study = json.loads((RESULTS / "composition.json").read_text())

    def gain(name, tasks):
        one, other = (study[f"parts: {key}, {tasks} tasks"]["accuracy"]
                      for key in (name, "no reuse"))
        return seed_interval(100 * np.subtract(one, other))

    assert gain("reuse", 3)[1] < 0.5 and gain("reuse", 5)[1] < 0.5
    assert gain("orthogonal, no reuse", 5)[0] > 0.5
    made = study["made by"]
    assert made["command"].startswith("python scripts/") and made["environment"]["git"]
    for key, values in study.items():
        assert key == "made by" or (np.shape(values["accuracy"])[0] == 5
                                    and values["rate"] in map(float, values["validation"]))
