"""Teachers: whose weights they have, what they are shown, and that they stay in line."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from workbench.errors import ConfigError, ModelError, UnknownNameError
from workbench.learners.text import SDFT
from workbench.losses import DIRECTIONS, divergence
from workbench.measure.completions import partners
from workbench.models.encoding import encode_responses
from workbench.models.language import LanguageModels, fill, trained
from workbench.models.logits import attends_to_all, response_logits, take_prompts
from workbench.tasks.text import TextExamples, make_text_stream
from workbench.teachers import WEIGHTS, Teacher, TeacherWeights

CHOSEN = torch.arange(4)


@pytest.fixture(scope="session")
def skills():
    """Three small skills; only the second has articles."""
    stream = make_text_stream(("tools-new", "articles-new", "facts-new"))
    return [shortened(task, task.train.items[:8]) for task in stream.tasks]


def sdft(models, **options):
    return SDFT(models, max_new_tokens=10, **options)


def shortened(task, items):
    examples = TextExamples(torch.arange(len(items)), torch.zeros(len(items)).long(), tuple(items))
    return replace(task, train=examples)


@pytest.fixture(scope="session")
def models():
    """Fresh nano models."""
    def make(seeds=(0, 1), rank=0) -> LanguageModels:
        return LanguageModels("nano", seeds, rank)
    return make


def begun(models, task, **options):
    learner = sdft(models, **options)
    learner.begin(task)
    return learner


def move(models, i, seed=0, size=0.05):
    """Give a student other weights."""
    noise = torch.randn(models.vector(i).shape, generator=torch.Generator().manual_seed(seed))
    fill(models.models[i], models.vector(i) + size * noise)


def close(a, b):
    """Equal up to rounding."""
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("weights", ["base", "task_start"])
def test_prompts_read_once_give_what_prompts_read_each_time_give(weights, rank, models, skills):
    learner = begun(models(rank=rank), skills[1], teacher=weights)
    move(learner.model, 0)
    if weights == "task_start":
        learner.begin(skills[1])  # with what has been learned since
    ids, mask = what_is_said(learner)
    for i, chosen in ((0, CHOSEN), (1, torch.tensor([7, 0, 3, 3])), (0, CHOSEN + 2)):
        each_time = response_logits_of(learner.teacher, i, chosen, ids, mask)
        once = learner.teacher.logits(i, chosen, ids, mask)
        assert once.shape == each_time.shape and not once.requires_grad
        close(once[mask == 1], each_time[mask == 1])
        first = learner.teacher.logits(i, chosen, ids[:, :1], mask[:, :1])
        close(first, each_time[:, :1])
    assert len(learner.teacher._read) == (1 if weights == "base" else 2)


@pytest.mark.parametrize("config, fits", [
    (LlamaConfig(), True), (Qwen2Config(), True), (Qwen3Config(), True),
    (MistralConfig(sliding_window=8), False), (MistralConfig(sliding_window=None), True),
    (Gemma3TextConfig(), False), (GPT2Config(), True), (MambaConfig(), False)],
    ids=lambda c: getattr(c, "model_type", str(c)))
def test_prompts_are_kept_only_where_each_layer_sees_all_of_them(config, fits):
    assert attends_to_all(SimpleNamespace(config=config)) is fits


def response_logits_of(teacher, i, chosen, ids, mask):
    """The same without keeping anything."""
    with torch.no_grad():
        return response_logits(teacher.weights.model(i), *take_prompts(teacher.prompts, chosen),
                               ids, mask)


@pytest.mark.parametrize("weights, context, kept", [
    ("base", "all", True), ("task_start", "other", True), ("ema", "all", False),
    ("student", "all", False), ("base", "none", False)])
def test_prompts_are_read_once_for_teachers_that_stay_the_same(weights, context, kept, models,
                                                              skills, monkeypatch):
    learner = begun(models((0,)), skills[0], teacher=weights, context=context)
    learner.loss_of(0, CHOSEN)
    assert bool(learner.teacher._read) == kept
    monkeypatch.setattr("workbench.teachers.MOST_BYTES", 10)
    learner.begin(skills[0])
    learner.loss_of(0, CHOSEN)
    assert not learner.teacher._read, "nor where they take too much memory"


def what_is_said(learner):
    """Return some responses of different lengths."""
    return encode_responses(learner.model.tokenizer, [
        "the answer is ada .", "so", "so we get call f18 ( garden ) .", "3 add 4 is 7 ."], 99)


# Where there is nothing to learn, and where there is

@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_equal_weights_and_equal_contexts_leave_a_loss_of_exactly_0_and_nothing_moves(
        weights, rank, models, skills, learn):
    # Nothing at all: Adam makes full steps of slopes that are not quite 0.
    learner = sdft(models(rank=rank), teacher=weights, context="none")
    before = [learner.model.vector(i) for i in range(2)]
    assert (learn(learner, skills[0], steps=2, batch_size=4) == 0).all()
    assert all(torch.equal(learner.model.vector(i), before[i]) for i in range(2))


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_demonstration_moves_the_student_and_the_teacher_has_no_slope(
        weights, rank, models, skills):
    learner = begun(models(rank=rank), skills[0], teacher=weights, context="own")
    teacher = learner.teacher.logits(0, CHOSEN, *what_is_said(learner))
    assert not teacher.requires_grad
    loss = learner.loss_of(0, CHOSEN)
    assert loss > 0.01
    loss.backward()
    slopes = [p.grad for p in trained(learner.model.models[0])]
    assert all(slope.isfinite().all() for slope in slopes)
    assert sum(float(slope.abs().sum()) for slope in slopes) > 0.01
    untouched = [*learner.model.base.parameters(), *learner.model.models[1].parameters()]
    if learner.model._other is not None:
        untouched += learner.model._other.parameters()
    assert all(p.grad is None for p in untouched)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_loss_is_the_divergence_on_what_the_student_itself_said(
        direction, models, skills, monkeypatch):
    learner = begun(models(), skills[0], direction=direction)
    ids, mask = what_is_said(learner)
    monkeypatch.setattr(learner, "rollout", lambda *_: (ids, mask))
    each = divergence(alone(learner.model.models[0], learner.prompts, ids, mask),
                      alone(learner.model.base, learner.teacher.prompts, ids, mask), direction)
    wanted = sum(row[m.bool()].mean() for row, m in zip(each, mask, strict=True)) / 4
    torch.testing.assert_close(learner.loss_of(0, CHOSEN), wanted, rtol=1e-4, atol=1e-5)


# In line

def by_itself(models, context="all"):
    """A teacher with the weights of the student."""
    return Teacher(TeacherWeights(SimpleNamespace(model=models, state={}), "student"), context)


def alone(model, prompts, ids, mask):
    """Return the logits of responses, one unpadded row at a time; 0 where the mask is."""
    rows = []
    for prompt, real, answer, m in zip(*(part[CHOSEN] for part in prompts), ids, mask, strict=True):
        prompt, answer = prompt[real.bool()], answer[m.bool()]
        logits = model(torch.cat([prompt, answer])[None]).logits[0, len(prompt) - 1:-1]
        rows.append(torch.nn.functional.pad(logits, (0, 0, 0, ids.shape[1] - len(logits))))
    return torch.stack(rows)


@pytest.mark.parametrize("rank", [0, 4])
def test_student_and_teacher_line_up_with_the_response_whatever_stands_before_it(
        rank, models, skills):
    learner = begun(models(rank=rank), skills[0], context="own")
    move(learner.model, 0)
    ids, mask = what_is_said(learner)
    lengths = [part[1][CHOSEN].sum(1) for part in (learner.prompts, learner.teacher.prompts)]
    assert (lengths[1] > lengths[0] + 10).all() and all(len(set(n.tolist())) > 1 for n in lengths)
    for result, model, prompts in (
            (learner.read(0, CHOSEN).logits(ids, mask), learner.model.models[0], learner.prompts),
            (learner.teacher.logits(0, CHOSEN, ids, mask), learner.model.base,
             learner.teacher.prompts)):
        wanted = alone(model, prompts, ids, mask)
        torch.testing.assert_close(result * mask[..., None], wanted, rtol=1e-4, atol=1e-4)


def test_the_padding_that_all_chosen_prompts_have_is_cut_off_and_nothing_else():
    ids = torch.tensor([[0, 0, 0, 5], [0, 0, 6, 7], [1, 2, 3, 4]])
    mask = (ids > 0).long()
    assert [part.tolist() for part in take_prompts((ids, mask), torch.tensor([1, 0]))] == [
        [[6, 7], [0, 5]], [[1, 1], [0, 1]]]
    assert torch.equal(take_prompts((ids, mask), torch.tensor([2, 0]))[0], ids[[2, 0]])


# Whose weights

def averaging(models, task, rate):
    weights = TeacherWeights(SimpleNamespace(model=models, state={}), "ema", rate)
    weights.begin()
    return weights


@pytest.mark.parametrize("rank", [0, 4])
def test_an_average_goes_the_rate_of_the_way_to_the_student(rank, models, skills):
    students = models(rank=rank)
    teacher = averaging(students, skills[0], rate=0.1)
    before = [students.vector(i) for i in range(2)]
    fill(students.models[0], before[0] + 1)
    teacher.follow(0)
    teacher.follow(1)
    torch.testing.assert_close(teacher.vectors[0], before[0] + 0.1)
    assert torch.equal(teacher.vectors[1], before[1]), "who stays is a fixed point"
    quick = averaging(students, skills[0], rate=1)
    move(students, 0)
    quick.follow(0)
    torch.testing.assert_close(quick.vectors[0], students.vector(0))


def test_an_average_in_training_is_the_sum_of_all_students_so_far(models, skills):
    rate, learner, seen = 0.3, begun(models((0,)), skills[0], teacher="ema", rate=0.3), []
    optimizer = torch.optim.SGD(learner.model.parameters(), 0.1)
    for _ in range(4):
        seen.append(learner.model.vector(0))
        optimizer.zero_grad()
        learner.loss_of(0, CHOSEN).backward()
        optimizer.step()
    wanted = (1 - rate) ** 3 * seen[0] + sum(
        rate * (1 - rate) ** (3 - k) * seen[k] for k in (1, 2, 3))
    assert (wanted - seen[0]).abs().max() > 1e-4
    torch.testing.assert_close(learner.state["teacher"][0], wanted, rtol=1e-5, atol=1e-7)
    learner.begin(skills[1])
    torch.testing.assert_close(learner.state["teacher"][0], wanted, rtol=1e-5, atol=1e-7)


def test_an_average_is_kept_in_float32_since_bfloat16_would_hardly_move(models, skills):
    rate, students = 0.01, models((0,))
    students.models[0].to(torch.bfloat16)
    teacher, start = averaging(students, skills[0], rate), students.vector(0)
    assert teacher.vectors.dtype == torch.float32
    naive = start.bfloat16()  # the average as the published code keeps it
    fill(students.models[0], start * 1.05)
    target = students.vector(0)
    for _ in range(300):
        teacher.follow(0)
        naive.mul_(1 - rate).add_(target.bfloat16(), alpha=rate)

    def covered(average):
        return float((average - start) @ (target - start) / (target - start).square().sum())

    assert covered(teacher.vectors[0]) == pytest.approx(1 - 0.99 ** 300, abs=0.001)
    assert covered(naive.float()) < 0.2


@pytest.mark.parametrize("rank", [0, 4])
def test_a_frozen_teacher_is_the_pretrained_model_throughout(
        rank, models, skills, learn):
    learner = sdft(models(rank=rank))
    learn(learner, skills[0], steps=3, batch_size=4)
    move(learner.model, 0)
    ids, mask = what_is_said(learner)
    fresh = by_itself(models((5,), rank=rank))  # whose adapter still adds nothing
    fresh.begin(skills[0].train.items, 10)
    wanted = fresh.logits(0, CHOSEN, ids, mask)
    student = learner.read(0, CHOSEN).logits(ids, mask)
    close(learner.teacher.logits(0, CHOSEN, ids, mask)[mask == 1], wanted[mask == 1])
    learner.teacher.context = "none"  # so that it reads its prompts each time
    assert torch.equal(learner.teacher.logits(0, CHOSEN, ids, mask), wanted)
    assert torch.equal(learner.read(0, CHOSEN).logits(ids, mask), student), "the student is back"
    assert learner.read(0, CHOSEN).logits(ids, mask).requires_grad
    assert learner.state == {}, "and nothing is stored for it"


def test_an_adapter_comes_back_on_after_an_error(models, skills):
    students = models((0,), rank=4)
    before = students.vector(0)
    with pytest.raises(ValueError, match="input_ids"):
        students.base(input_ids=None)
    assert torch.equal(students.vector(0), before) and len(before) > 0
    move(students, 0)
    learner = begun(students, skills[0], teacher="base", context="none")
    assert learner.loss_of(0, CHOSEN) > 0


def test_seeds_with_adapters_share_one_model_and_each_gets_its_own_gradient(models, skills):
    shared, alone = begun(models((0, 1), rank=4), skills[0]), begun(models((1,), rank=4), skills[0])
    assert shared.model.models[0].model is shared.model.models[1].model
    assert shared.model.base.model is shared.model.models[0].model
    torch.testing.assert_close(shared.model.vector(1), alone.model.vector(0), rtol=0, atol=0)
    for learner in (shared, alone):
        for i in range(len(learner.model.seeds)):
            move(learner.model, i, learner.model.seeds[i])
    torch.stack([shared.loss_of(i, CHOSEN) for i in range(2)]).sum().backward()
    alone.loss_of(0, CHOSEN).backward()
    slopes = [[p.grad for p in trained(model)] for model in (*shared.model.models,
                                                             alone.model.models[0])]
    for first, second, by_itself in zip(*slopes, strict=True):
        torch.testing.assert_close(second, by_itself, rtol=1e-4, atol=1e-7)
        assert first is not None and not torch.equal(first, second)
    assert all(p.grad is None for p in shared.model.base.parameters())


@pytest.mark.parametrize("rank", [0, 4])
def test_a_stage_teacher_is_the_student_at_the_beginning_of_the_skill(rank, models, skills, learn):
    learner = sdft(models(rank=rank), teacher="task_start")
    learn(learner, skills[0], steps=2, batch_size=4)
    learner.begin(skills[2])
    ids, mask = what_is_said(learner)
    student = [learner.read(i, CHOSEN).logits(ids, mask) for i in range(2)]
    assert not torch.equal(*student)
    learn(learner, skills[2], steps=2, batch_size=4)
    for i in range(2):
        # To be asked what the student was, without context.
        learner.teacher.prompts, learner.teacher.context = learner.prompts, "none"
        assert torch.equal(learner.teacher.logits(i, CHOSEN, ids, mask), student[i])
        assert not torch.equal(learner.read(i, CHOSEN).logits(ids, mask), student[i])
    assert learner.stored_bytes() == 0, "the next stage has another teacher"


# What it is shown

def shown(models, task, context):
    teacher = by_itself(models, context)
    teacher.begin(task.train.items, 10)
    return [models.tokenizer.decode(row[real.bool()]) for row, real in
            zip(*teacher.prompts, strict=True)]


def test_a_teacher_is_shown_all_there_is_or_what_was_asked_for(models, skills):
    students = models((0,))
    for task in skills:
        items = task.train.items
        asked = [f"Q: {item.prompt} A:" for item in items]
        article = [f"N: {item.article} " if item.article else "" for item in items]
        example = [f"E: {item.demonstration} " for item in items]
        assert shown(students, task, "none") == [f"<s> {q}" for q in asked]
        assert shown(students, task, "all") == [
            f"<s> {''.join(parts)}" for parts in zip(article, example, asked, strict=True)]
        assert shown(students, task, "own") == [
            f"<s> {''.join(parts)}" for parts in zip(example, asked, strict=True)]
        others = [f"E: {other.demonstration} " for other in partners(items)]
        assert shown(students, task, "other") == [
            f"<s> {''.join(parts)}" for parts in zip(others, asked, strict=True)]
        assert all(a != b for a, b in zip(others, example, strict=True))


def test_a_prompt_that_leaves_no_room_is_never_cut_but_refused_by_name(models, skills):
    items = skills[0].train.items
    long = replace(items[3], demonstration=" ".join(["well"] * 120))
    learner = sdft(models((0,)))
    with pytest.raises(ModelError, match=r"the prompt '<s> E: well .* has 1\d\d tokens, and there "
                                         "is room for 118 before the response.*nothing is cut"):
        learner.begin(shortened(skills[0], [*items[:3], long]))


@pytest.mark.parametrize("options, error, complaint", [
    ({"teacher": "best"}, UnknownNameError, "teacher 'best'; known: base, ema, .*task_start"),
    ({"context": "both"}, UnknownNameError, "context 'both'; known: all, .*none, other, own"),
    ({"rate": 0}, ConfigError, "rate must be above 0 and at most 1, not 0"),
    ({"rate": 1.5}, ConfigError, "rate must be above 0 and at most 1, not 1.5"),
])
def test_a_name_or_rate_that_cannot_work_is_refused(options, error, complaint, models):
    with pytest.raises(error, match=complaint):
        SDFT(models((0,)), **options)


def test_help_that_a_skill_does_not_have_is_refused(models, skills):
    with pytest.raises(ConfigError, match="'article' needs items with an article"):
        begun(models((0,)), skills[0], context="article")
