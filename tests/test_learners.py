"""Learners: each does what its paper says, and each seed is on its own."""

from __future__ import annotations

import inspect

import pytest
import torch

from workbench.config import RunConfig
from workbench.errors import ConfigError, UnknownNameError
from workbench.learners import CONTROLS, EWC, LEARNERS, SI, DERpp, Finetune, Joint, LwF, Replay
from workbench.learners.base import Batch, Learner
from workbench.learners.digits.ewc import diagonal_fisher
from workbench.losses import cross_entropy
from workbench.models import StackedMLP
from workbench.runs.experiment import make_learner
from workbench.tasks import SCENARIOS, make_stream

STREAMS = {scenario: make_stream("split-digits", scenario, tasks=3) for scenario in SCENARIOS}
STREAM = STREAMS["class"]
EVERY = LEARNERS | CONTROLS


def some_batch(task, seeds=2, n=8, start=0):
    rows = torch.arange(start, start + n).expand(seeds, n)
    return Batch(task.train.x[rows], task.train.y[rows], task.masks[task.index])


def members(task):
    """Return the training examples of a task, by their bytes: their labels."""
    return {x.numpy().tobytes(): int(y) for x, y in zip(task.train.x, task.train.y, strict=True)}


# Every learner

@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_one_file_of_at_most_100_lines(name):
    assert len(inspect.getsource(inspect.getmodule(LEARNERS[name])).splitlines()) <= 100


@pytest.mark.parametrize("name", EVERY)
def test_a_restored_learner_goes_on_as_if_nothing_had_been(name, networks, learn):
    learner, other = (EVERY[name](networks(STREAM, seeds)) for seeds in ((0, 1), (8, 9)))
    learn(learner, STREAM.tasks[0])
    learner.begin(STREAM.tasks[1])
    learner.loss(some_batch(STREAM.tasks[1]))
    saved = {k: v.clone() for k, v in learner.state_dict().items()}
    other.begin(STREAM.tasks[1])
    other.load_state_dict(saved)
    untouched = {k: v.clone() for k, v in saved.items()}
    for start in (0, 8):
        batch = some_batch(STREAM.tasks[1], start=start)
        assert torch.equal(learner.loss(batch), other.loss(batch))
    left, right = learner.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[k], right[k]) for k in left)
    assert all(torch.equal(untouched[k], v) for k, v in saved.items()), "and took copies"


@pytest.mark.parametrize("name", EVERY)
def test_a_seed_learns_in_a_stack_as_it_does_alone(name, networks, learn):
    stack, alone = (EVERY[name](networks(STREAM, seeds)) for seeds in ((3, 1, 2), (1,)))
    for task in STREAM.tasks[:2]:
        a, b = learn(stack, task), learn(alone, task)
        torch.testing.assert_close(a[1], b[0], rtol=1e-4, atol=1e-5)
    # A seed may have several networks.
    torch.testing.assert_close(stack.model.vector().chunk(3)[1], alone.model.vector(),
                               rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, bytes_of", [
    ("finetune", lambda parameters, examples: 0),
    ("joint", lambda parameters, examples: examples * (64 * 4 + 8 + 8)),
    ("ewc", lambda parameters, examples: 2 * 2 * parameters * 4),
    ("si", lambda parameters, examples: 5 * parameters * 4),
    ("lwf", lambda parameters, examples: parameters * 4 + 6 // 2),  # and one head for both seeds
    ("replay", lambda parameters, examples: 2 * 2 * 10 * (64 * 4 + 8 + 8)),
    ("derpp", lambda parameters, examples: 80 * (64 * 4 + 8 + 8 + 6 * 4) + 8),
    ("label_smoothing", lambda parameters, examples: 0),
    ("born_again", lambda parameters, examples: parameters * 4),  # where its last task began
    ("self_distill_ema", lambda parameters, examples: parameters * 4),
    ("ensemble", lambda parameters, examples: 0),
    ("mutual", lambda parameters, examples: 0),
])
def test_stored_bytes_are_those_of_one_seed(name, bytes_of, networks, learn):
    learner = LEARNERS[name](networks(STREAM))
    for task in STREAM.tasks[:2]:
        learn(learner, task)
    examples = sum(len(t.train) for t in STREAM.tasks[:2])
    assert learner.stored_bytes() == bytes_of(learner.model.vector().shape[1], examples)


@pytest.mark.parametrize("name, options, complaint", [
    ("ewc", {"strength": -1.0}, "strength must be .* above 0, not -1.0"),
    ("ewc", {"strength": "big"}, "strength must be .* above 0, not 'big'"),
    ("ewc", {"strength": True}, "strength must be"),
    ("ewc", {"strength": float("nan")}, "strength must be"),
    ("ewc", {"strength": float("inf")}, "strength must be"),
    ("si", {"strength": 0}, "strength must be"),
    ("si", {"damping": -1e-3}, "damping must be"),
    ("lwf", {"temperature": 0}, "temperature must be"),
    ("replay", {"per_class": 0}, "per_class must be a whole number of at least 1, not 0"),
    ("replay", {"per_class": 2.5}, "per_class must be a whole number"),
    ("derpp", {"capacity": True}, "capacity must be a whole number"),
    ("derpp", {"alpha": -1}, "alpha must be"),
])
def test_an_option_that_cannot_work_is_refused_by_name(name, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make_learner(RunConfig(learner=name, options=options), STREAM)


def test_an_unknown_learner_or_option_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="'gem'; known: .*derpp, .*ewc, .*replay, .*si"):
        make_learner(RunConfig(learner="gem"), STREAM)
    with pytest.raises(UnknownNameError, match="option of 'si' 'lambda'; known: damping, strength"):
        make_learner(RunConfig(learner="si", options={"lambda": 1}), STREAM)


def test_a_learner_without_a_loss_says_so():
    with pytest.raises(TypeError, match="Learner does not define loss"):
        Learner(StackedMLP(2, (), 2, (0,))).loss(None)


# EWC

def test_fisher_is_the_sum_over_examples_and_answers_done_slowly():
    model = StackedMLP(4, (5, 3), 4, (0, 1))
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([True, False, True, True])
    slow = torch.zeros_like(model.vector())
    for s in range(2):
        for example in x:
            for answer in range(3):
                vector = model.vector().detach().requires_grad_()
                logits = model.forward_with(vector, example.expand(2, 1, 4))[s, 0, mask]
                log_p = logits.log_softmax(0)[answer]
                slope, = torch.autograd.grad(log_p, vector)
                slow[s] += log_p.exp().detach() * slope[s] ** 2 / len(x)
    torch.testing.assert_close(diagonal_fisher(model, x, mask), slow, rtol=1e-4, atol=1e-7)
    assert slow.count_nonzero() > 20


def test_fisher_of_a_linear_model_is_the_hessian_worked_out_by_hand():
    model = StackedMLP(3, (), 4, (0,))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(4, dtype=torch.bool)
    p = model(x)[0].detach().softmax(-1)
    weights = torch.einsum("ni,nc->ic", x ** 2, p * (1 - p)) / 6
    biases = (p * (1 - p)).mean(0)
    fisher = diagonal_fisher(model, x, everything)[0]
    torch.testing.assert_close(fisher, torch.cat([weights.flatten(), biases]))

    def loss(vector):
        labels = torch.tensor([[0, 1, 2, 3, 0, 1]])  # the curvature does not depend on them
        return cross_entropy(model.forward_with(vector, x[None]), labels, everything).sum()

    hessian = torch.func.hessian(loss)(model.vector().detach())[0, :, 0]
    torch.testing.assert_close(fisher, hessian.diagonal(), rtol=1e-4, atol=1e-6)


def test_ewc_adds_half_strength_times_fisher_times_distance_for_each_old_task(networks, learn):
    learner, task = EWC(networks(STREAM), strength=3.0), STREAM.tasks[2]
    for old in STREAM.tasks[:2]:
        learn(learner, old)
    learn(plain := Finetune(learner.model), task)  # moves away from both anchors
    batch, now = some_batch(task), learner.model.vector()
    penalty = sum(1.5 * (learner.state[f"fisher.{i}"] * (now - learner.state[f"anchor.{i}"]) ** 2
                         ).sum(1) for i in range(2))
    assert (penalty > 0).all()
    torch.testing.assert_close(learner.loss(batch), plain.loss(batch) + penalty)


def test_ewc_with_a_huge_strength_holds_the_weights_that_matter(networks, learn):
    moved = []
    for strength in (1e8, 1e-8):
        learner = EWC(networks(STREAM), strength)
        learn(learner, STREAM.tasks[0], steps=30)
        fisher, anchor = learner.state["fisher.0"], learner.state["anchor.0"]
        learn(learner, STREAM.tasks[1], steps=30)
        moved.append((fisher * (learner.model.vector() - anchor) ** 2).sum(1))
    assert (moved[0] < 0.05 * moved[1]).all()


def test_ewc_with_a_tiny_strength_is_fine_tuning(networks, learn):
    ewc, plain = EWC(networks(STREAM), 1e-12), Finetune(networks(STREAM))
    for task in STREAM.tasks[:2]:
        torch.testing.assert_close(learn(ewc, task), learn(plain, task), rtol=0, atol=1e-6)


# SI

def test_si_path_adds_up_to_the_drop_in_loss(networks):
    learner, task = SI(networks(STREAM)), STREAM.tasks[0]
    learner.begin(task)
    batch, optimizer = some_batch(task, n=60), torch.optim.SGD(learner.model.parameters(), 0.02)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        losses.append(learner.loss(batch))
        losses[-1].sum().backward()
        optimizer.step()
    losses.append(Finetune(learner.model).loss(batch))
    learner.end(task)
    drop = (losses[0] - losses[-1]).detach()
    assert (drop > 0.3).all()
    torch.testing.assert_close(learner.state["path"].sum(1), drop, rtol=0.01, atol=0)


def test_si_importance_is_gain_over_squared_distance_summed_over_tasks(networks):
    learner, wanted = SI(networks(STREAM), damping=0.01), 0
    draw = torch.Generator().manual_seed(0)
    for task in STREAM.tasks[:2]:
        learner.begin(task)
        batch, plain = some_batch(task), Finetune(learner.model)
        learner.loss(batch)  # with the penalty, whose slope is not to count
        learner.model.zero_grad()
        plain.loss(batch).sum().backward()
        slope = torch.cat([p.grad.flatten(1) for p in learner.model.parameters()], 1)
        for p in learner.model.parameters():  # one step, here downhill and there uphill
            p.data += 0.1 * torch.empty_like(p).uniform_(-1, 1, generator=draw).sign()
        moved = learner.model.vector().detach() - learner.state["anchor"]
        gain = -slope * moved
        assert (gain > 1e-4).any() and (gain < -1e-4).any()
        learner.end(task)
        wanted = wanted + gain.clamp_min(0) / (moved ** 2 + 0.01)
    torch.testing.assert_close(learner.state["importance"], wanted, rtol=1e-4, atol=1e-5)


def test_si_penalty_is_strength_times_importance_times_squared_distance(networks, learn):
    learner = SI(networks(STREAM), strength=2.0)
    learn(learner, STREAM.tasks[0], steps=20)
    learner.begin(STREAM.tasks[1])
    plain = learn(Finetune(learner.model), STREAM.tasks[1])  # moves away from the anchor
    assert plain.isfinite().all()
    moved, batch = learner.model.vector() - learner.state["anchor"], some_batch(STREAM.tasks[1])
    penalty = (learner.state["importance"] * moved ** 2).sum(1)
    assert (penalty > 0).all()
    torch.testing.assert_close(learner.loss(batch),
                               Finetune(learner.model).loss(batch) + 2 * penalty)


# LwF

@pytest.mark.parametrize("scenario, heads", [
    ("task", {(1, 1, 0, 0, 0, 0), (0, 0, 1, 1, 0, 0)}),
    ("class", {(1, 1, 1, 1, 0, 0)}),
    ("domain", {(1, 1)}),
])
def test_lwf_teacher_answers_on_the_heads_it_knew(scenario, heads, networks, learn):
    stream = STREAMS[scenario]
    learner = LwF(networks(stream))
    for task in stream.tasks[:2]:
        learn(learner, task)
    assert {tuple(h.int().tolist()) for h in learner.state["heads"]} == heads
    assert torch.equal(learner.state["teacher"], learner.model.vector())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lwf_distils_nothing_while_student_and_teacher_are_the_same(scenario, networks, learn):
    stream = STREAMS[scenario]
    learner, task = LwF(networks(stream)), stream.tasks[1]
    learn(learner, stream.tasks[0])
    learner.begin(task)
    batch = some_batch(task)
    at_start = learner.loss(batch)
    torch.testing.assert_close(at_start, Finetune(learner.model).loss(batch) / 2, rtol=0, atol=1e-6)
    learn(Finetune(learner.model), task)
    assert (learner.loss(batch) > Finetune(learner.model).loss(batch) / 2 + 1e-4).all()


# Replay, joint training and DER++

def test_replay_stores_so_many_of_each_class_of_its_tasks_and_no_others(networks, learn):
    learner = Replay(networks(STREAM), per_class=7)
    for met, task in enumerate(STREAM.tasks, 1):
        learn(learner, task)
        known = [members(t) for t in STREAM.tasks[:met]]
        for s in range(2):
            x, y, of = (learner.state[k][s] for k in ("x", "y", "task"))
            assert torch.bincount(y).tolist() == [7] * 2 * met
            for example, label, t in zip(x, y, of, strict=True):
                assert known[t][example.numpy().tobytes()] == label
            assert len({example.numpy().tobytes() for example in x}) == 14 * met, "no repeats"
    assert not torch.equal(learner.state["x"][0], learner.state["x"][1]), "each seed its own"


@pytest.mark.parametrize("name", ["replay", "joint", "derpp"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_old_examples_are_drawn_with_the_masks_of_the_stream(scenario, name, networks, learn):
    stream = STREAMS[scenario]
    learner = LEARNERS[name](networks(stream))
    for task in stream.tasks[:2]:
        learn(learner, task)
    learner.begin(stream.tasks[2])
    batch, index = learner.draw(60)
    of = learner.state["task"].gather(1, index)
    assert set(of.flatten().tolist()) == ({0, 1, 2} if name == "joint" else {0, 1})
    for s, i in torch.cartesian_prod(torch.arange(2), torch.arange(60)):
        assert torch.equal(batch.mask[s, i], stream.mask(2, int(of[s, i])))
        assert batch.mask[s, i, batch.y[s, i]]
        assert members(stream.tasks[of[s, i]])[batch.x[s, i].numpy().tobytes()] == batch.y[s, i]


def test_replay_weighs_new_and_old_by_the_tasks_they_speak_for(networks, learn):
    learner, task = Replay(networks(STREAM)), STREAM.tasks[2]
    for old in STREAM.tasks[:2]:
        learn(learner, old)
    learner.begin(task)
    states, batch = [g.get_state() for g in learner.generators], some_batch(task)
    old, _ = learner.draw(8)
    for g, state in zip(learner.generators, states, strict=True):
        g.set_state(state)
    plain = Finetune(learner.model)
    torch.testing.assert_close(learner.loss(batch), plain.loss(batch) / 3 + plain.loss(old) * 2 / 3)


def test_joint_keeps_every_example_and_draws_all_tasks_alike(networks, learn):
    learner = Joint(networks(STREAM))
    for task in STREAM.tasks:
        learn(learner, task)
    assert torch.bincount(learner.state["task"][0]).tolist() == [len(t.train) for t in STREAM.tasks]
    _, index = learner.draw(6000)
    shares = torch.bincount(learner.state["task"].gather(1, index).flatten()) / 12000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.03)


def test_derpp_reservoir_gives_every_example_the_same_chance(networks):
    seeds, capacity, arrivals = 400, 10, 100
    learner = DERpp(StackedMLP(1, (), 2, range(seeds)), capacity)
    learner.begin(make_stream("split-digits", "domain", tasks=1).tasks[0])
    both = torch.ones(2, dtype=torch.bool)
    for ids in torch.arange(arrivals, dtype=torch.float32).view(10, 10):
        x = ids.view(1, -1, 1).expand(seeds, -1, 1)
        learner.loss(Batch(x, torch.zeros(seeds, 10, dtype=torch.int64), both))
    kept = learner.state["x"]
    assert kept.shape == (seeds, capacity, 1)
    assert all(len(set(row.flatten().tolist())) == capacity for row in kept), "no repeats"
    times = torch.bincount(kept.flatten().long(), minlength=arrivals)
    expected = seeds * capacity / arrivals
    chi_squared = ((times - expected) ** 2 / expected).sum()
    assert chi_squared < 150, "99 degrees of freedom: 99 +- 14"
    assert 40 < kept.mean() < 59, "neither the first nor the last are favoured"


def test_derpp_stores_the_logits_of_the_moment_and_keeps_to_its_capacity(networks):
    learner = DERpp(networks(STREAM), capacity=20)
    optimizer, at_the_time = torch.optim.Adam(learner.model.parameters(), 1e-2), {}
    for task in STREAM.tasks[:2]:
        learner.begin(task)
        for start in range(0, 64, 8):
            batch = some_batch(task, start=start)
            logits = learner.model(batch.x).detach()
            for s, i in torch.cartesian_prod(torch.arange(2), torch.arange(8)).tolist():
                at_the_time[s, batch.x[s, i].numpy().tobytes()] = (
                    logits[s, i].clone(), int(batch.y[s, i]), task.index)
            optimizer.zero_grad()
            learner.loss(batch).sum().backward()
            optimizer.step()
            assert learner.state["x"].shape[1] == min(20, 64 * task.index + start + 8)
    assert learner.state["offered"].tolist() == [128, 128]
    x, y, of, kept = (learner.state[k] for k in ("x", "y", "task", "logits"))
    for s, i in torch.cartesian_prod(torch.arange(2), torch.arange(20)).tolist():
        logits, label, task = at_the_time[s, x[s, i].numpy().tobytes()]
        torch.testing.assert_close(kept[s, i], logits, rtol=0, atol=1e-5)
        assert (y[s, i], of[s, i]) == (label, task)
    assert set(of.flatten().tolist()) == {0, 1}, "old and new, without being told of tasks"
