"""Methods that learn from soft labels: identities, and equality with plain training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.learners import CONTROLS, LEARNERS, BornAgain, Distill, Ensemble, Mutual, fit
from workbench.learners.base import Batch, make_optimizer
from workbench.learners.digits.soft_label_controls import permute_wrong_classes
from workbench.losses import cross_entropy, distillation, label_loss, teacher_loss
from workbench.models import StackedMLP
from workbench.runs.experiment import make_learner, stream_of
from workbench.tasks.variants import with_generations

ALL = torch.ones(3, dtype=torch.bool)
QUICK = {"stream": "digits", "steps": 12, "hidden": (8,), "seeds": (0, 3), "label_noise": 0.3,
         "examples": 80}


def random_logits(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def train(learner_name, tasks=2, **settings):
    """Train through generations and return the learner and its weights after each."""
    config = wb.RunConfig(learner=learner_name, **QUICK | {"generations": tasks} | settings)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    weights = []
    for task in stream.tasks:
        learner.begin(task)
        for _ in fit(learner, task, make_optimizer(learner, 1e-2), steps=12, batch_size=16):
            pass
        learner.end(task)
        weights.append(learner.model.snapshot())
    return learner, weights


# Losses

@given(st.integers(0, 10**6), st.floats(0.3, 20))
@settings(max_examples=50, deadline=None)
def test_a_teacher_equal_to_the_student_gives_no_gradient(seed, temperature):
    student = random_logits(seed, 1, 5, 3).requires_grad_()
    distillation(student, student.detach(), ALL, temperature).sum().backward()
    assert student.grad.abs().max() < 1e-12


def test_the_square_of_the_temperature_keeps_the_gradient_as_the_temperature_grows():
    student, teacher = random_logits(0, 1, 50, 3).requires_grad_(), random_logits(1, 1, 50, 3)
    limit = student - teacher
    limit = (limit - limit.mean(-1, keepdim=True)).detach() / 3 / 50  # Hinton et al., section 2.1
    for temperature, tolerance in ((30.0, 0.1), (1000.0, 0.003)):
        gradient, = torch.autograd.grad(distillation(student, teacher, ALL, temperature).sum(),
                                        student)
        assert (gradient - limit).norm() < tolerance * limit.norm()


def test_without_weight_for_the_teacher_the_loss_is_that_of_the_labels_and_the_other_way_round():
    student, teacher = random_logits(0, 2, 5, 3), random_logits(1, 2, 5, 3)
    y = torch.randint(3, (2, 5), generator=torch.Generator().manual_seed(2))
    assert torch.equal(teacher_loss(student, teacher, y, ALL, weight=0),
                       cross_entropy(student, y, ALL))
    assert torch.equal(teacher_loss(student, teacher, y, ALL, weight=1, temperature=3),
                       distillation(student, teacher, ALL, 3))
    half = teacher_loss(student, teacher, y, ALL, weight=0.5)
    torch.testing.assert_close(2 * half, cross_entropy(student, y, ALL)
                               + distillation(student, teacher, ALL, 2))


def test_the_best_value_lies_between_label_and_teacher():
    y, teacher = torch.tensor([[1.0, 5.0]]), torch.tensor([[[3.0], [3.0]]])
    best = (0.75 * teacher + 0.25 * y[..., None]).requires_grad_()
    teacher_loss(best, teacher, y, torch.ones(1, dtype=torch.bool), weight=0.75).sum().backward()
    assert best.grad.abs().max() < 1e-6


def test_smoothed_labels_are_a_cross_entropy_with_the_smoothed_distribution():
    outputs = random_logits(0, 2, 5, 3)
    y = torch.randint(3, (2, 5), generator=torch.Generator().manual_seed(2))
    target = 0.8 * torch.nn.functional.one_hot(y, 3) + 0.2 / 3
    slow = -(target * outputs.log_softmax(-1)).sum(-1).mean(1)
    torch.testing.assert_close(label_loss(outputs, y, ALL, 0.2), slow)
    assert torch.equal(label_loss(outputs, y, ALL), cross_entropy(outputs, y, ALL))
    mask = torch.tensor([True, False, True])  # the forbidden output gets none of it
    two = label_loss(outputs[..., [0, 2]], (y == 2).long(), torch.ones(2, dtype=torch.bool), 0.2)
    allowed = y != 1
    assert torch.isfinite(label_loss(outputs, y.where(allowed, 0), mask, 0.2)).all()
    torch.testing.assert_close(
        label_loss(outputs, y.where(allowed, 0), mask, 0.2),
        label_loss(outputs[..., [0, 2]], (y.where(allowed, 0) == 2).long(),
                   torch.ones(2, dtype=torch.bool), 0.2))
    assert two.shape == (2,)


# Equal to plain training, bit for bit

@pytest.mark.parametrize("name, options", [
    ("born_again", {"weight": 0.0}), ("self_distill_ema", {"weight": 0.0}),
    ("distill", {"weight": 0.0, "teacher_steps": 3, "width": 9}),
    ("label_smoothing", {"smoothing": 0.0}), ("mutual", {"members": 1}),
    ("ensemble", {"members": 1})])
def test_without_its_idea_a_method_is_plain_training_bit_for_bit(name, options):
    _, plain = train("finetune", tasks=1)
    _, weights = train(name, tasks=1, options=options)
    assert torch.equal(weights[0], plain[0])


@pytest.mark.parametrize("stream", ["digits", "diabetes"])
def test_born_again_networks_without_weight_for_the_teacher_learn_alone_in_each_generation(stream):
    learner, weights = train("born_again", tasks=3, options={"weight": 0.0}, stream=stream)
    config = wb.RunConfig(learner="finetune", **QUICK | {"generations": 3, "stream": stream})
    tasks = stream_of(config).tasks
    for g, task in enumerate(tasks):
        alone = make_learner(config, stream_of(config))
        alone.model.restart(g)
        for _ in fit(alone, task, make_optimizer(alone, 1e-2), steps=12, batch_size=16):
            pass
        assert torch.equal(alone.model.snapshot(), weights[g])


def test_the_first_member_of_an_ensemble_is_the_network_that_trains_alone():
    _, plain = train("finetune", tasks=1)
    learner, weights = train("ensemble", tasks=1, options={"members": 3})
    torch.testing.assert_close(learner.by_member(weights[0])[:, 0], plain[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(learner.by_member(weights[0])[:, 1], plain[0])


# Each method does what it says

def test_a_generation_is_taught_by_the_one_before_and_begins_with_new_weights():
    config = wb.RunConfig(learner="born_again", generations=2, **QUICK)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    first = learner.model.snapshot()
    assert learner.begin(stream.tasks[0]) is None and learner.teach(stream.tasks[0].test.x) is None
    for _ in fit(learner, stream.tasks[0], make_optimizer(learner, 1e-2), steps=9, batch_size=16):
        pass
    trained = learner.predict(stream.tasks[0].test.x)
    learner.begin(stream.tasks[1])
    assert torch.equal(learner.teach(stream.tasks[0].test.x), trained)
    assert not torch.equal(learner.model.snapshot(), first), "not the weights of the first"


def test_in_a_later_task_born_again_networks_begin_where_the_task_began():
    stream = with_generations(wb.make_stream("halved-digits"), 2)
    learner = BornAgain(StackedMLP(64, (8,), 10, (0, 1)))
    starts = []
    for task in stream.tasks:
        learner.begin(task)
        starts.append(learner.model.snapshot())
        for _ in fit(learner, task, make_optimizer(learner, 1e-2), steps=5, batch_size=16):
            pass
    assert torch.equal(starts[2], starts[3]) and not torch.equal(starts[0], starts[1])


def test_the_mean_teacher_is_the_moving_average_of_the_weights():
    learner = make_learner(config := wb.RunConfig(
        learner="self_distill_ema", options={"rate": 0.25}, **QUICK), stream := stream_of(config))
    learner.begin(stream.tasks[0])
    expected = learner.model.snapshot()
    for _ in fit(learner, stream.tasks[0], make_optimizer(learner, 1e-2), steps=4, batch_size=16):
        expected = 0.75 * expected + 0.25 * learner.model.snapshot()
        torch.testing.assert_close(learner.state["teacher"], expected)


def test_an_ensemble_answers_with_the_mean_probability():
    learner = Ensemble(StackedMLP(4, (5,), 3, (0, 1)), members=3)
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    outputs = learner.model(x).view(2, 3, 7, 3)
    torch.testing.assert_close(learner.predict(x).exp(), outputs.softmax(-1).mean(1))
    values = Ensemble(StackedMLP(4, (5,), 1, (0, 1)), members=3)
    torch.testing.assert_close(values.predict(x), values.model(x).view(2, 3, 7, 1).mean(1))


def test_peers_learn_from_the_mean_of_their_divergences():
    learner = Mutual(StackedMLP(4, (5,), 3, (0, 1)), members=3, strength=0.7, temperature=2.0)
    rng = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(2, 6, 4, generator=rng), torch.randint(3, (2, 6), generator=rng), ALL)
    outputs = learner.answers(batch.x).view(2, 3, 6, 3)
    slow = torch.zeros(2)
    for i in range(3):
        slow = slow + cross_entropy(outputs[:, i], batch.y, ALL)
        for j in range(3):
            if j != i:
                slow = slow + 0.7 / 2 * distillation(outputs[:, i], outputs[:, j].detach(), ALL, 2)
    torch.testing.assert_close(learner.loss(batch), slow)
    learner.loss(batch).sum().backward()
    fast = torch.cat([p.grad.flatten() for p in learner.model.parameters()])
    learner.model.zero_grad()
    slow.sum().backward()
    torch.testing.assert_close(fast, torch.cat([p.grad.flatten()
                                                for p in learner.model.parameters()]))


def test_the_teacher_of_distillation_is_larger_and_trained_and_stays_as_it_is():
    config = wb.RunConfig(learner="distill", options={"width": 40, "teacher_steps": 60,
                                                      "teacher_lr": 1e-2}, **QUICK)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    task = stream.tasks[0]
    learner.begin(task)
    assert learner.teacher.model.widths == (64, 40, 10)
    right = (learner.teach(task.train.x).argmax(-1) == task.train.y).float().mean()
    assert right > 0.6
    before = learner.teach(task.test.x)
    for _ in fit(learner, task, make_optimizer(learner, 1e-2), steps=5, batch_size=16):
        pass
    assert torch.equal(learner.teach(task.test.x), before)


def test_an_untrained_teacher_is_one():
    config = wb.RunConfig(learner="distill-untrained", **QUICK)
    learner = make_learner(config, stream := stream_of(config))
    start = learner.teacher.model.snapshot()
    learner.begin(stream.tasks[0])
    assert torch.equal(learner.teacher.model.snapshot(), start)


@pytest.mark.parametrize("name", ["born_again", "distill", "lwf"])
def test_shuffled_answers_are_those_of_the_teacher_in_another_order(name):
    learner = CONTROLS[f"{name}-shuffled"](StackedMLP(64, (8,), 10, (0, 1)))
    task = with_generations(wb.make_stream("digits"), 2).tasks[1]
    learner.end(task)
    learner.begin(task)
    x = task.train.x[:30]
    shuffled, right = learner.teach(x), LEARNERS[name].teach(learner, x)
    assert not torch.equal(shuffled, right)
    torch.testing.assert_close(shuffled.sum(1), right.sum(1))


# In a run

@pytest.mark.parametrize("name", [name for name in (*LEARNERS, *CONTROLS)
                                  if name in ("born_again", "self_distill_ema", "distill", "mutual",
                                              "born_again-shuffled")])
@pytest.mark.parametrize("stop_at", [9, 12, 17])
def test_a_resumed_run_of_generations_is_the_uninterrupted_one_bit_for_bit(name, stop_at, tmp_path):
    options = {"teacher_steps": 5, "width": 9} if name == "distill" else {}
    config = wb.RunConfig(learner=name, generations=2, options=options, evaluate_every=4, **QUICK)
    whole = wb.run(config, out=tmp_path / "whole")
    steps = iter(range(100))
    part = wb.run(config, out=tmp_path / "part", stop=lambda: next(steps) >= stop_at)
    assert part.status == "stopped"
    resumed = wb.resume(tmp_path / "part")
    for array in ("accuracy", "losses", "curve"):
        np.testing.assert_array_equal(getattr(resumed, array), getattr(whole, array))
    files = [next((tmp_path / run).glob("weights.safetensors")) for run in ("whole", "part")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_values_are_learned_by_every_method_that_can():
    for name in ("finetune", "born_again", "self_distill_ema", "distill", "mutual"):
        record = wb.run(wb.RunConfig(stream="diabetes", learner=name, steps=60, lr=1e-2,
                                     hidden=(16,), seeds=(0, 1), generations=2))
        assert (record.accuracy[:, -1] > 0.2).all(), name


def test_weight_decay_shrinks_the_weights_and_none_is_adam():
    def weights(decay):
        learner = make_learner(config := wb.RunConfig(**QUICK), stream := stream_of(config))
        optimizer = (torch.optim.Adam(learner.model.parameters(), lr=1e-2, fused=True)
                     if decay is None else make_optimizer(learner, 1e-2, decay))
        for _ in fit(learner, stream.tasks[0], optimizer, steps=12, batch_size=16):
            pass
        return learner.model.snapshot()

    assert torch.equal(weights(None), weights(0.0))
    assert weights(5.0).norm() < 0.7 * weights(0.0).norm()


def test_a_share_is_from_0_to_1():
    for method, option in ((BornAgain, "weight"), (LEARNERS["label_smoothing"], "smoothing")):
        with pytest.raises(wb.errors.ConfigError, match=f"{option} must be from 0 to 1, not 1.2"):
            method(StackedMLP(2, (), 2, (0,)), **{option: 1.2})
    with pytest.raises(wb.errors.ConfigError, match="members"):
        Distill(StackedMLP(2, (), 2, (0,)), members=0)


def test_permuted_answers_keep_the_likeliest_class_and_the_entropy_and_nothing_else():
    answers = torch.randn(2, 400, 5, generator=torch.Generator().manual_seed(0))
    rngs = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    mixed = permute_wrong_classes(answers, rngs)
    assert torch.equal(mixed.argmax(-1), answers.argmax(-1))
    assert torch.equal(mixed.sort(-1).values, answers.sort(-1).values)
    second = answers.topk(2).indices[..., 1]
    kept = (mixed.topk(2).indices[..., 1] == second).float().mean()
    assert 0.2 < kept < 0.3, "the second class is any of four"
    for name in ("born_again", "self_distill_ema"):
        learner = CONTROLS[f"{name}-permuted"](StackedMLP(64, (8,), 10, (0, 1)))
        task = with_generations(wb.make_stream("digits"), 2).tasks[1]
        learner.begin(task)
        x = task.train.x[:30]
        given, right = learner.teach(x), LEARNERS[name].teach(learner, x)
        assert torch.equal(given.argmax(-1), right.argmax(-1)) and not torch.equal(given, right)
