"""The step loop: which examples each step sees, and what it does with the gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.learners import LEARNERS, Finetune, batch_order, fit, make_optimizer
from workbench.models import StackedMLP
from workbench.tasks import make_stream

STREAM = make_stream("split-digits", tasks=2)
TASK = STREAM.tasks[0]


def watch(cls, seen):
    """Return the learner class, made to note the inputs of every step."""
    class Watching(cls):
        def loss(self, batch):
            seen.append(batch.x.clone())
            return super().loss(batch)
    return Watching


@given(st.integers(0, 9), st.integers(0, 4), st.integers(1, 50), st.integers(1, 20),
       st.integers(1, 20))
@settings(max_examples=50)
def test_every_example_is_seen_once_before_any_is_seen_again(seed, task, examples, steps, size):
    order = batch_order(seed, task, examples, steps, size)
    assert order.shape == (steps, size)
    for epoch in order.flatten().split(examples):
        assert len(set(epoch.tolist())) == len(epoch), "no repeats within an epoch"
        assert set(epoch.tolist()) <= set(range(examples))
    counts = torch.bincount(order.flatten(), minlength=examples)
    assert counts.max() - counts.min() <= 1


def test_epochs_tasks_and_seeds_have_orders_of_their_own():
    first, second = batch_order(0, 0, 40, 10, 8).flatten().split(40)
    orders = [first, second, batch_order(1, 0, 40, 5, 8).flatten(),
              batch_order(0, 1, 40, 5, 8).flatten()]
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert torch.equal(batch_order(0, 0, 40, 10, 8)[:5].flatten(), first), "and repeat"


def test_all_learners_see_the_same_batches(networks, learn):
    batches = {}
    for name, cls in LEARNERS.items():
        seen = []
        learner = watch(cls, seen)(networks(STREAM))
        for task in STREAM.tasks:
            learn(learner, task, steps=4)
        batches[name] = torch.stack(seen)
    assert batches["finetune"].shape == (8, 2, 8, 64)
    for name, result in batches.items():
        assert torch.equal(result, batches["finetune"]), name


def test_a_seed_sees_the_same_batches_whoever_it_is_stacked_with(networks, learn):
    stacked, alone = [], []
    learn(watch(Finetune, stacked)(networks(STREAM, (5, 2, 9))), TASK)
    learn(watch(Finetune, alone)(networks(STREAM, (2,))), TASK)
    assert torch.equal(torch.stack(stacked)[:, 1], torch.stack(alone)[:, 0])
    assert not torch.equal(stacked[0][0], stacked[0][1]), "seeds see batches of their own"


def test_batches_are_training_examples_with_their_labels_and_mask(networks):
    seen = []

    class Noting(Finetune):
        def loss(self, batch):
            seen.append(batch)
            return super().loss(batch)

    learner = Noting(networks(STREAM))
    task = STREAM.tasks[1]
    list(fit(learner, task, make_optimizer(learner, 1e-3), steps=3, batch_size=8))
    known = {x.numpy().tobytes(): int(y) for x, y in zip(task.train.x, task.train.y, strict=True)}
    for batch in seen:
        assert torch.equal(batch.mask, task.masks[1])
        for x, y in zip(batch.x.flatten(0, 1), batch.y.flatten(), strict=True):
            assert known[x.numpy().tobytes()] == y


def test_a_run_begun_in_the_middle_sees_the_rest_of_the_batches(networks):
    whole, rest = [], []
    for seen, start in ((whole, 0), (rest, 2)):
        learner = watch(Finetune, seen)(networks(STREAM))
        list(fit(learner, TASK, make_optimizer(learner, 1e-3), steps=5, batch_size=8, start=start))
    assert torch.equal(torch.stack(whole[2:]), torch.stack(rest))


def test_the_loss_yielded_is_the_one_before_the_step(networks):
    seen = []
    learner = watch(Finetune, seen)(networks(STREAM))
    first = Finetune(networks(STREAM))
    steps = fit(learner, TASK, make_optimizer(learner, 1e-2), steps=5, batch_size=8)
    loss = next(steps)
    order = torch.stack([batch_order(s, 0, len(TASK.train), 5, 8)[0] for s in (0, 1)])
    y = TASK.train.y[order]
    logits = first.model(TASK.train.x[order])[..., :2]
    wanted = torch.nn.functional.cross_entropy(logits.transpose(1, 2), y, reduction="none").mean(1)
    torch.testing.assert_close(loss, wanted.detach())
    assert not torch.equal(learner.model.vector(), first.model.vector()), "once it is taken"
    assert not loss.requires_grad


def network_with_gradients():
    model = StackedMLP(2, (), 2, (0, 1, 2))
    a, b = model.parameters()
    a.grad = torch.tensor([[[3.0, 0.0], [0.0, 0.0]], [[0.1, 0.0], [0.2, 0.0]], [[0.0, 0.0]] * 2])
    b.grad = torch.tensor([[[0.0, 4.0]], [[0.0, 0.2]], [[0.0, 0.0]]])
    return model, a, b


def test_clipping_limits_the_norm_of_each_seed_over_all_parameters():
    model, a, b = network_with_gradients()  # norms: 5, 0.3 and 0
    model.clip(1.0)
    torch.testing.assert_close(a.grad[0], torch.tensor([[0.6, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(b.grad[0], torch.tensor([[0.0, 0.8]]))


def test_clipping_leaves_small_gradients_of_other_seeds_alone():
    (model, a, b), (_, was_a, was_b) = network_with_gradients(), network_with_gradients()
    model.clip(1.0)
    assert torch.equal(a.grad[1:], was_a.grad[1:])
    assert torch.equal(b.grad[1:], was_b.grad[1:])


def test_clipping_passes_over_parameters_without_a_gradient():
    model, a, idle = network_with_gradients()
    idle.grad = None
    model.clip(1.0)
    assert a.grad[0].norm() == pytest.approx(1)
    assert idle.grad is None


def test_fit_clips_when_asked_to(networks):
    norms = {}
    for clip in (None, 0.01):
        learner = Finetune(networks(STREAM))
        for _ in fit(learner, TASK, make_optimizer(learner, 1e-3), steps=3, batch_size=8,
                     clip=clip):
            gradient = torch.cat([p.grad.flatten(1) for p in learner.model.parameters()], 1)
            norms.setdefault(clip, []).append(gradient.norm(dim=1))
    assert torch.stack(norms[None]).min() > 0.05
    torch.testing.assert_close(torch.stack(norms[0.01]), torch.full((3, 2), 0.01))


# Fine-tuning on "0 or 1", 16 hidden units, seed 0, lr 1e-3, batches of 32: losses of 20 steps.
CURVE = [
    0.708503, 0.751909, 0.738196, 0.668853, 0.691988, 0.677994, 0.665012,
    0.677183, 0.633039, 0.650758, 0.656323, 0.629818, 0.609579, 0.607826,
    0.614541, 0.608845, 0.576781, 0.577751, 0.581300, 0.550067,
]


def test_the_loss_curve_is_the_one_on_record(networks):
    learner = Finetune(networks(STREAM, seeds=(0,), hidden=(16,)))
    losses = list(fit(learner, TASK, make_optimizer(learner, 1e-3), steps=20, batch_size=32))
    torch.testing.assert_close(torch.cat(losses), torch.tensor(CURVE), rtol=1e-4, atol=0)
