"""Learners of text skills: each does what it says, and each seed is on its own."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from workbench.config import RunConfig
from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.learners import fit, make_optimizer
from workbench.learners.text import TEXT_LEARNERS
from workbench.learners.text.grpo import exact_match
from workbench.losses import kl_per_token
from workbench.models.encoding import encode, encode_responses
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache
from workbench.runs.checkpoint import optimizer_tensors, restore_optimizer
from workbench.runs.experiment import make_learner
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, load_skill
from workbench.tasks.items import write_items
from workbench.tasks.text import TextExamples, make_text_stream
from workbench.tasks.village.styles import has_own_style, is_right, shows_working

OPTIONS = {
    "sft": {}, "sft_kl": {}, "sft_self_style": {}, "off_policy_distillation": {"samples": 2},
    "off_policy_distillation, hard": {"samples": 2, "soft": False},
    "off_policy_distillation, renewed": {"samples": 1, "writer": "student", "renew": 1}, "sdft": {},
    "sdft, stage": {"teacher": "task_start"}, "sdft, ema": {"teacher": "ema", "direction": "jsd"},
    "replay": {"per_skill": 3}, "replay, own": {"per_skill": 3, "own_answers": True},
    "grpo": {"group": 2}, "adapter_per_skill": {},
}
every_learner = pytest.mark.parametrize("case, rank", [
    *((case, 0) for case in OPTIONS if case != "adapter_per_skill"),
    *((case, 4) for case in OPTIONS if case == "sdft, ema" or "," not in case)])
CHOSEN = torch.tensor([3, 0, 5, 2])


def taste(texts, items):
    """A reward that no two responses share."""
    return range(len(texts))


def make(case, rank=0, seeds=(0, 1), **more):
    name = case.split(",")[0]
    learner = TEXT_LEARNERS[name](LanguageModels("nano", seeds, rank), max_new_tokens=8,
                                  **(OPTIONS.get(case, {}) | more))
    learner.reward = taste  # only grpo looks at it
    return learner


@pytest.fixture(scope="session")
def tasks():
    """Two skills with a few items."""
    stream = make_text_stream(("facts-new", "working-new"))
    return [replace(task, train=TextExamples(torch.arange(8), torch.zeros(8).long(),
                                             task.train.items[:8])) for task in stream.tasks]


def assert_equal(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def by_hand(model, prompts, responses):
    """Return the logits and tokens of each response, asked one at a time and without padding."""
    for ids, real, printed, m in zip(*prompts, *responses, strict=True):
        prompt, printed = ids[real.bool()], printed[m.bool()]
        yield model(torch.cat([prompt, printed])[None]).logits[0, len(prompt) - 1:-1], printed


def imitation_by_hand(learner, prompts, responses, i=0):
    return sum(F.cross_entropy(logits, printed) for logits, printed in by_hand(
        learner.model.models[i], prompts, responses)) / len(prompts[0])


def rows(pair, chosen=CHOSEN):
    return tuple(part[chosen].long() for part in pair)


# Every learner

@pytest.mark.parametrize("name", TEXT_LEARNERS)
def test_a_text_learner_is_one_file_of_at_most_100_lines(name):
    assert len(inspect.getsource(inspect.getmodule(TEXT_LEARNERS[name])).splitlines()) <= 100


@every_learner
def test_a_seed_learns_alone_bit_for_bit_what_it_learns_beside_others(case, rank, tasks, learn):
    stack, alone = make(case, rank, (2, 1)), make(case, rank, (1,))
    before = stack.model.vector(1)
    for task in tasks:
        a, b = (learn(learner, task, steps=2, batch_size=4) for learner in (stack, alone))
        assert a.shape == (2, 2) and a.isfinite().all()
        assert torch.equal(a[1], b[0])
        after = stack.model.vector(1)
        assert torch.equal(after, alone.model.vector(0))
        assert not torch.equal(after, before), "each step changes the weights"
        before = after
    assert not torch.equal(a[0], a[1]), "and other seeds other weights"


@every_learner
def test_a_learner_saved_within_a_task_goes_on_bit_for_bit(case, rank, tasks, learn):
    straight = make(case, rank)
    learn(straight, tasks[0], steps=2, batch_size=4)
    straight.begin(tasks[1])
    optimizer = make_optimizer(straight, 1e-2)
    steps = fit(straight, tasks[1], optimizer, steps=4, batch_size=4)
    next(steps), next(steps)
    saved = {name: tensor.clone() for name, tensor in
             (straight.state_dict() | optimizer_tensors(optimizer)).items()}
    wanted = list(steps)
    resumed = make(case, rank)  # a new process knows nothing of the first task
    resumed.begin(tasks[1])
    optimizer = make_optimizer(resumed, 1e-2)
    restore_optimizer(optimizer, saved)
    resumed.load_state_dict(saved)
    result = list(fit(resumed, tasks[1], optimizer, steps=4, batch_size=4, start=2))
    assert torch.equal(torch.stack(result), torch.stack(wanted))
    for learner in (straight, resumed):
        learner.end(tasks[1])
    assert_equal(resumed.state_dict(), straight.state_dict())


@pytest.mark.parametrize("case, options, complaint", [
    ("sft", {"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least 1, not 0"),
    ("sft", {"max_new_tokens": 128}, "max_new_tokens=128 leaves no room .* context of 128 tokens"),
    ("sft_kl", {"strength": 0}, "strength must be a finite number above 0, not 0"),
    ("off_policy_distillation", {"samples": 0},
     "samples must be a whole number of at least 1, not 0"),
    ("off_policy_distillation", {"temperature": 0.0}, "temperature must be"),
    ("sdft", {"temperature": -1}, "temperature must be"),
    ("sdft", {"sampled_tokens": 41},
     "sampled_tokens=41 must not be more than max_new_tokens=40"),
    ("off_policy_distillation", {"sampled_tokens": 3, "soft": False},
     "would never learn to end one"),
    ("sdft", {"skip_first": -1},
     "skip_first must be a whole number of at least 0, not -1"),
    ("sdft", {"top_k": -5},
     "top_k must be a whole number of at least 0, not -5"),
    ("off_policy_distillation", {"renew": -1}, "renew must be a whole number of at least 0"),
    ("replay", {"own_answers": 1}, "own_answers must be true or false, not 1"),
    ("replay", {"per_skill": 0}, "per_skill must be a whole number of at least 1, not 0"),
    ("replay", {"share": 1}, "share must be between 0 and 1, not 1"),
    ("grpo", {"group": 1}, "group must be a whole number of at least 2, not 1"),
    ("grpo", {"temperature": 0}, "temperature must be"),
    ("adapter_per_skill", {}, "this learner trains adapters: set lora_rank to at least 1"),
])
def test_an_option_that_cannot_work_is_refused_by_name(case, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        TEXT_LEARNERS[case](LanguageModels("nano", (0,)), **options)


# Imitation

@pytest.mark.parametrize("case", ["sft", "sft_self_style"])
def test_imitation_is_cross_entropy_of_each_response_to_its_end_and_of_nothing_else(case, tasks):
    learner = make(case)
    learner.begin(tasks[1])
    tokenizer = learner.model.tokenizer
    printed = learner.imitated(tasks[1].train.items)
    targets = rows(learner.targets)
    for ids, mask, j in zip(*targets, CHOSEN.tolist(), strict=True):
        assert tokenizer.decode(ids[mask.bool()]) == f"{printed[j]} </s>"
    prompts = rows(learner.prompts)
    assert len(set(prompts[1].sum(1).tolist())) > 1, "there is padding"
    torch.testing.assert_close(learner.loss_of(0, CHOSEN), imitation_by_hand(
        learner, prompts, targets), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [0, 4])
def test_the_leash_is_0_at_first_and_then_strength_times_the_kl_on_the_same_tokens(
        rank, tasks, learn):
    plain, held, free = make("sft", rank), *(make("sft_kl", rank, strength=s) for s in (3., 1e-12))
    for learner in (plain, held, free):
        learner.begin(tasks[0])
    assert torch.equal(held.loss_of(0, CHOSEN), plain.loss_of(0, CHOSEN))
    torch.testing.assert_close(*(learn(learner, tasks[0], steps=3, batch_size=4)
                                 for learner in (free, plain)), rtol=1e-5, atol=1e-6)
    held.model.load_state_dict(plain.model.state_dict())
    drift = [kl_per_token(before, after).mean() for (before, _), (after, _) in zip(*(
        by_hand(model, rows(held.prompts), rows(held.targets))
        for model in (held.model.base, held.model.models[0])), strict=True)]
    assert min(drift) > 0.01
    torch.testing.assert_close(held.loss_of(0, CHOSEN) - plain.loss_of(0, CHOSEN),
                               3 * sum(drift) / 4, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("skill", NEW_SKILLS)
def test_the_oracle_says_what_is_right_in_the_models_own_style(skill):
    items = load_skill(skill, "train")
    texts = make("sft_self_style", seeds=(0,)).imitated(items)
    for text, item in zip(texts, items, strict=True):
        assert is_right(text, item.answer) and has_own_style(text)
        assert shows_working(text, item.prompt) == (item.family == "working")
    assert {"so we get" in text for text in texts} == {True, False}, "in both of its phrasings"


@pytest.mark.parametrize("case", ["sft", "sdft", "grpo"])
def test_a_demonstration_with_a_special_token_is_refused_before_anything_is_encoded(case, tasks):
    first, *others = tasks[0].train.items
    odd = replace(first, demonstration=f"so {first.answer} </s> the answer is")
    task = replace(tasks[0], train=replace(tasks[0].train, items=(*others, odd)))
    learner = make(case, seeds=(0,))
    with pytest.raises(DataError, match=f"'{first.id}' of facts-new: .* '</s>'"):
        learner.begin(task)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_file_with_a_special_token_is_refused_when_the_learner_is_made(split, tmp_path):
    items = load_skill("facts-new")
    i = next(i for i, item in enumerate(items) if item.split == split)
    items[i] = replace(items[i], prompt=f"{items[i].prompt} <s>")
    path = str(tmp_path / "mine.jsonl")
    write_items(path, items)
    config = RunConfig(stream="skills", skills=(path,), model="nano", learner="sft")
    with pytest.raises(DataError, match=f"'{items[i].id}' of .*mine.jsonl: the field 'prompt' "
                                        "contains '<s>'"):
        make_learner(config, make_text_stream(config.skills))


# Distillation

def test_offline_distillation_imitates_what_the_pretrained_teacher_said_before(tasks, learn):
    name = "off_policy_distillation"
    soft, hard = (make(case) for case in (name, f"{name}, hard"))
    for learner in (soft, hard):
        learner.begin(tasks[0])
    printed = [soft.state[name].clone() for name in ("1.ids", "1.mask")]
    learn(soft, tasks[0], steps=2, batch_size=4)
    soft.begin(tasks[0])
    for learner in (soft, hard):  # never sampled anew
        assert all(torch.equal(a, learner.state[name])
                   for a, name in zip(printed, ("1.ids", "1.mask"), strict=True))
    assert printed[0].shape[0] == 16 and not torch.equal(soft.state["0.ids"], soft.state["1.ids"])
    state = hard.generators[0].get_state()
    ids, mask = hard.rollout(0, CHOSEN, hard.read(0, CHOSEN))
    hard.generators[0].set_state(state)
    options = hard.state["0.ids"].view(8, 2, -1)[CHOSEN][:, :, :ids.shape[1]]
    assert (options == ids[:, None]).all(-1).any(1).all(), "to these questions"
    torch.testing.assert_close(hard.loss_of(0, CHOSEN), imitation_by_hand(
        hard, rows(hard.prompts), (ids, mask)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["sdft", "off_policy_distillation"])
def test_responses_in_training_can_be_cut_and_predictions_are_not(case, tasks):
    whole, cut = (make(case, seeds=(0,), sampled_tokens=tokens) for tokens in (0, 3))
    lengths = []
    for learner in (whole, cut):
        learner.begin(tasks[0])
        ids, mask = learner.rollout(0, CHOSEN, learner.read(0, CHOSEN))
        lengths.append((ids.shape[1], int(mask.sum(1).max())))
    assert lengths[1] == (3, 3) and lengths[0][0] > 3, "no answer of the village ends so early"
    questions = tasks[0].train.inputs
    assert whole.predict(questions) == cut.predict(questions)


def test_renewed_responses_are_those_of_the_student_of_that_step(tasks, learn):
    learner = make("off_policy_distillation", seeds=(0,), samples=1, writer="student", renew=2)
    learner.begin(tasks[0])
    written, optimizer = [learner.state["0.ids"]], make_optimizer(learner, 1e-2)
    for _ in fit(learner, tasks[0], optimizer, steps=3, batch_size=4):
        written.append(learner.state["0.ids"])
    assert [a is b for a, b in zip(written, written[1:], strict=False)] == [True, False, True]
    again = make("off_policy_distillation", seeds=(0,), samples=1, writer="student")
    again.begin(tasks[0])
    assert torch.equal(again.state["0.ids"], written[0]), "first those of the pretrained model"
    again.model.load_state_dict(learn_steps(tasks[0], 2).model.state_dict())
    again.state["step"] += 2
    again.write_responses()
    assert torch.equal(again.state["0.ids"], written[2])
    assert again.stored_bytes() == 0
    with pytest.raises(UnknownNameError, match="unknown writer 'expert'; known: student, teacher"):
        make("off_policy_distillation", seeds=(0,), writer="expert")


def learn_steps(task, steps):
    """A learner that took so many steps, with responses that are renewed every two."""
    learner = make("off_policy_distillation", seeds=(0,), samples=1, writer="student", renew=2)
    learner.begin(task)
    for _ in zip(range(steps), fit(learner, task, make_optimizer(learner, 1e-2), steps=3,
                                   batch_size=4), strict=False):
        pass
    return learner


# Replay

def test_replay_keeps_so_many_examples_of_each_skill_that_was_known_or_learned(tasks, learn):
    learner = make("replay")
    decode = learner.model.tokenizer.decode
    for met, task in enumerate(tasks, 1):
        learn(learner, task, steps=1, batch_size=4)
        known = [{f"<s> Q: {item.prompt} A:": item for item in items} for items in
                 (*(load_skill(name, "train") for name in KNOWN_SKILLS),
                  *(t.train.items for t in tasks[:met]))]
        for i in range(2):
            kept = [learner.state[f"{i}.{name}"] for name in
                    ("prompts", "prompts_mask", "ids", "mask")]
            assert all(len(part) == 3 * (5 + met) for part in kept)
            assert (kept[1].int().diff(dim=1) >= 0).all() and (kept[3].int().diff(dim=1) <= 0).all()
            for n, (prompt, real, ids, mask) in enumerate(zip(*kept, strict=True)):
                item = known[n // 3][decode(prompt[real.bool()])]
                text = decode(ids[mask.bool()]).removesuffix(" </s>")
                assert text == item.demonstration if n >= 15 else (
                    is_right(text, item.answer) and has_own_style(text)
                    and shows_working(text, item.prompt) == (item.family == "working"))
                assert decode(ids[mask.bool()]).endswith(" </s>") and not prompt[~real.bool()].any()
    for first in range(0, 21, 3):  # without the padding, of which they may have more or less
        printed = [[ids[ids > 0].tolist() for ids in learner.state[f"{i}.ids"][first: first + 3]]
                for i in range(2)]
        assert printed[0] != printed[1], "each seed keeps its own"
    assert learner.stored_bytes() == sum(t.nbytes for t in learner.state.values()) // 2


def test_replay_of_own_answers_keeps_those_that_are_right_and_no_others(tasks):
    learner = make("replay", seeds=(0,), per_skill=20, own_answers=True)
    learner.begin(tasks[0])
    learner.end(tasks[0])
    decode = learner.model.tokenizer.decode
    known = {f"<s> Q: {item.prompt} A:": item for items in
             (*(load_skill(name, "train") for name in KNOWN_SKILLS), tasks[0].train.items)
             for item in items}
    kept = [(known[decode(prompt[real.bool()])], decode(ids[mask.bool()]))
            for prompt, real, ids, mask in zip(*(learner.state[f"0.{name}"] for name in (
                "prompts", "prompts_mask", "ids", "mask")), strict=True)]
    assert 20 < len(kept) < 100, "nano answers many of the 108 right, and not all"
    assert all(is_right(text, item.answer) for item, text in kept)


def test_replay_weighs_new_and_old_examples_by_their_share(tasks):
    learner, plain = make("replay", share=0.25), make("sft")
    for each in (learner, plain):
        each.begin(tasks[0])
    state = learner.generators[0].get_state()
    old = torch.randint(15, (4,), generator=learner.generators[0])
    learner.generators[0].set_state(state)
    stored = [rows([learner.state[f"0.{name}"], learner.state[f"0.{mask}"]], old)
              for name, mask in (("prompts", "prompts_mask"), ("ids", "mask"))]
    torch.testing.assert_close(
        learner.loss_of(0, CHOSEN),
        0.75 * plain.loss_of(0, CHOSEN) + 0.25 * imitation_by_hand(plain, *stored),
        rtol=1e-4, atol=1e-5)


def test_replay_keeps_all_there_are_where_more_are_asked_for(tasks):
    learner = make("replay", seeds=(0,), per_skill=1000)
    learner.begin(tasks[0])
    assert len(learner.state["0.ids"]) == sum(len(load_skill(s, "train")) for s in KNOWN_SKILLS)


# Rewards

@pytest.fixture
def judged(tasks, monkeypatch):
    """A learner whose responses and rewards are given: its loss, and what was said."""
    def judge(rewards, group=4, rank=0, texts=("the answer is ada .", "so we get karl .",
                                               "so", "it is surely piet")):
        learner = make("grpo", rank, (0,), group=group)
        learner.begin(tasks[0])
        printed = encode_responses(learner.model.tokenizer, list(texts), 99)
        monkeypatch.setattr(learner, "respond", lambda *_: printed)
        learner.reward = rewards if callable(rewards) else lambda texts, items: rewards
        return learner, printed
    return judge


def log_p(learner, asked, printed):
    return torch.stack([-F.cross_entropy(logits, ids) for logits, ids in by_hand(
        learner.model.models[0], rows(learner.prompts, asked), printed)])


def test_a_response_is_judged_beside_the_others_to_the_same_question(judged):
    learner, printed = judged([1, 0, 5, 5], group=2)
    deviation = 0.5 ** 0.5  # of 1 and 0, about .5
    wanted = torch.tensor([0.5 / deviation, -0.5 / deviation, 0, 0])
    result = learner.loss_of(0, CHOSEN)
    asked = torch.tensor([3, 3, 0, 0])  # a batch of four is two questions, twice each
    torch.testing.assert_close(result, -(wanted * log_p(learner, asked, printed)).mean(),
                               rtol=1e-4, atol=1e-5)


def test_a_step_makes_what_was_rewarded_likelier_and_the_rest_less_so(judged, tasks):
    item = tasks[0].train.items[int(CHOSEN[0])]
    learner, printed = judged(exact_match, group=2, texts=(
        f"so we get {item.answer} .", "so we get the key ."))
    assert exact_match([f"so we get {item.answer} .", "so"], [item, item]) == [1, 0]
    asked = CHOSEN[[0, 0]]
    before = log_p(learner, asked, printed)
    learner.loss_of(0, CHOSEN[:2]).backward()
    torch.optim.SGD(learner.model.parameters(), 1e-3).step()
    change = (log_p(learner, asked, printed) - before).tolist()
    assert change[0] > 0 > change[1]


@pytest.mark.parametrize("reward", [0, 1, 0.1, 1 / 3, -0.9])
def test_equal_rewards_teach_nothing_at_all(reward, judged):
    learner, _ = judged([reward] * 3, group=3, texts=("so", "the answer is ada .", "it is"))
    learner.loss_of(0, CHOSEN).backward()
    assert all((p.grad == 0).all() for p in learner.model.parameters())


def angry(texts, items):
    raise KeyError("score")


def nothing(texts, items):
    return None


@pytest.mark.parametrize("reward, complaint", [
    (angry, "the reward function angry failed on 4 responses, such as '.*': KeyError: 'score'"),
    (nothing, "the reward function nothing failed"),
    ([1, 0], r"must return 4 finite numbers, one for each response; it returned shape \(2,\)"),
    ([[1], [0], [1], [0]], r"4 finite numbers.*it returned shape \(4, 1\)"),
    ([1, 0, float("nan"), 1], "4 finite numbers"), ([1, 0, float("inf"), 1], "4 finite numbers"),
])
def test_a_reward_function_that_cannot_be_used_is_refused_by_name(reward, complaint, judged):
    learner, _ = judged(reward)
    with pytest.raises(ConfigError, match=complaint):
        learner.loss_of(0, CHOSEN)


def test_a_group_larger_than_the_batch_is_refused(tasks):
    learner = make("grpo", group=5)
    learner.begin(tasks[0])
    with pytest.raises(ConfigError, match="batch_size must be at least the group of 5, not 4"):
        learner.loss_of(0, CHOSEN)


# An adapter per skill

def test_an_adapter_per_skill_forgets_nothing_if_told_which_to_use(tasks, learn):
    learner, questions = make("adapter_per_skill", 4), tasks[0].test.inputs[:6]
    fresh = [learner.model.vector(i) for i in range(2)]
    pretrained = [learner.predict(questions, 0), learner.predict(questions)]
    assert pretrained[0] == pretrained[1]
    learn(learner, tasks[0], steps=20, batch_size=4)
    first, logits = learner.predict(questions, 0), first_logits(learner, questions)
    assert first != pretrained[0] and learner.predict(questions, 1) == pretrained[0]
    learner.begin(tasks[1])
    assert all(torch.equal(learner.model.vector(i), fresh[i]) for i in range(2))
    learn(learner, tasks[1], steps=20, batch_size=4)
    assert learner.predict(questions, 0) == first
    assert torch.equal(first_logits(learner, questions), logits), "bit for bit"
    assert learner.predict(questions, 1) != first
    assert learner.predict(questions, None) == learner.predict(questions, 7) == pretrained[0]
    assert learner.stored_bytes() == 2 * 4 * len(fresh[0])
    again = make("adapter_per_skill", 4)
    again.load_state_dict({k: v.clone() for k, v in learner.state_dict().items()})
    assert torch.equal(first_logits(again, questions), logits)
    assert again.predict(questions, 1) == learner.predict(questions, 1)


def first_logits(learner, questions):
    """Logits with the first skill's adapter of the first seed."""
    model = learner.model.with_adapter(learner.model.adapters[0][0])
    prompts = encode(learner.model.tokenizer, learner.ask(questions), 99)
    with torch.no_grad():
        return PromptCache(model, *prompts).last


def test_an_adapter_per_skill_has_to_be_told_the_skill():
    config = RunConfig(stream="skills", skills=("facts-new",), model="nano", lora_rank=2,
                       learner="adapter_per_skill")
    with pytest.raises(ConfigError, match="cannot do the 'domain' scenario; it can do: task"):
        make_learner(config, make_text_stream(config.skills, "domain"))
    assert make_learner(config, make_text_stream(config.skills, "task")).model.lora_rank == 2
