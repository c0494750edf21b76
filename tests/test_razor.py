"""The toy of RL's Razor: its targets, its policy gradient, and what it finds."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError, UnknownNameError
from workbench.losses import kl_per_token
from workbench.runs.razor import (
    METHODS,
    Point,
    RazorResult,
    advantages,
    at_matched_accuracy,
    nearest,
    pull,
    razor,
)

SHORT = {"seeds": (0, 1), "methods": ("oracle", "rl"), "lrs": (0.1,), "steps": (1, 3)}


@pytest.fixture(scope="module")
def found():
    """Three seeds and all methods, at one learning rate, to half of the usual steps."""
    return razor(lrs=(0.1,), steps=(320, 160, 80, 40, 20, 10))


@pytest.fixture(scope="module")
def short():
    return razor(**SHORT)


def some_distributions(count, labels=6, seed=0):
    return torch.randn(count, labels, generator=torch.Generator().manual_seed(seed)) * 3


def kl(p, q):
    return torch.where(p > 0, p * (p.clamp_min(1e-30).log() - q.log()), 0.0).sum(-1)


@settings(max_examples=30)
@given(st.lists(st.floats(-20, 20, width=32), min_size=6, max_size=6),
       st.lists(st.booleans(), min_size=6, max_size=6).filter(any))
def test_the_nearest_has_no_mass_on_wrong_labels_and_the_odds_of_the_base_on_right_ones(row, right):
    base, mask = torch.tensor(row), torch.tensor(right)
    p = nearest(base, mask)
    assert (p[~mask] == 0).all()
    torch.testing.assert_close(p.sum(), torch.tensor(1.0))
    torch.testing.assert_close(p[mask] / p.max(), (base[mask] - base[mask].max()).exp())


@pytest.mark.parametrize("accuracy", [1.0, 0.9, 0.5])
def test_no_labelling_as_accurate_is_nearer_to_the_base(accuracy):
    base, right = some_distributions(1)[0], torch.tensor([True, False] * 3)
    p = base.softmax(-1)

    def with_mass(logits):
        return accuracy * nearest(logits, right) + (1 - accuracy) * nearest(base, ~right)

    oracle, others = with_mass(base), with_mass(some_distributions(200, seed=1))
    one = torch.where(right, 0.0, 1.0 - accuracy) * nearest(base, ~right)
    one[0] = accuracy
    for other in (*others, one):
        assert kl(oracle, p) <= kl(other, p) + 1e-6
        if accuracy < 1:
            assert kl(p, oracle) <= kl(p, other.clamp_min(1e-30)) + 1e-6
    # What it takes to move all mass onto right labels, and no more.
    if accuracy == 1:
        torch.testing.assert_close(kl(oracle, p), -p[right].sum().log())


@pytest.mark.parametrize("baseline", [True, False])
def test_the_policy_gradient_is_on_average_that_of_the_expected_reward(baseline):
    logits = torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([[1.0, 0.0, 0.5]], dtype=torch.float64)
    p = logits.detach().softmax(-1)[0]
    # All that three answers can be, each as often as they are drawn.
    loss = torch.zeros((), dtype=torch.float64)
    for answers in itertools.product(range(3), repeat=3):
        often = math.prod(float(p[a]) for a in answers)
        loss = loss + often * pull(logits, advantages(torch.tensor([answers]), reward, baseline))
    (found,) = torch.autograd.grad(loss.sum(), logits)
    wanted = -p * (reward[0] - (p * reward[0]).sum())
    torch.testing.assert_close(found[0], wanted)


def test_a_group_of_answers_that_all_fare_alike_teaches_nothing_but_without_a_baseline():
    answers, reward = torch.tensor([[0, 2, 2, 0]]), torch.tensor([[1.0, 0.0, 1.0]])
    assert (advantages(answers, reward) == 0).all()
    torch.testing.assert_close(advantages(answers, reward, baseline=False),
                               torch.tensor([[0.5, 0.0, 0.5]]))


def test_the_untouched_base_is_at_no_distance_and_has_forgotten_nothing(short):
    for name in ("kl", "kl_old", "forgetting"):
        assert (getattr(short.base, name) == 0).all()
    assert ((0.8 < short.base.accuracy) & (short.base.accuracy < 0.95)).all()
    assert (short.base.old_accuracy > 0.9).all()


def test_the_points_are_in_order_and_hold_together(found):
    assert [(p.method, p.lr, p.step) for p in found.points] == [
        (method, 0.1, step) for method in METHODS for step in (10, 20, 40, 80, 160, 320)]
    for point in (found.base, *found.points):
        for name in ("kl", "accuracy", "kl_old", "old_accuracy", "forgetting"):
            assert getattr(point, name).shape == (3,) and np.isfinite(getattr(point, name)).all()
        assert (point.kl >= 0).all() and (point.kl_old >= 0).all()
        np.testing.assert_allclose(point.forgetting, found.base.old_accuracy - point.old_accuracy)


def test_the_same_settings_give_the_same_result_and_seeds_do_not_meet(short):
    def same(a, b):
        return all(np.array_equal(getattr(p, f.name), getattr(q, f.name))
                   for p, q in zip(a, b, strict=True) for f in fields(Point))

    assert same(short.points, razor(**SHORT).points)
    alone = razor(**{**SHORT, "seeds": (1,), "methods": ("rl",), "steps": (3,)})
    np.testing.assert_allclose(alone.points[0].kl, short.points[-1].kl[1:], rtol=1e-4)
    assert short.points[-1].kl[0] != short.points[-1].kl[1]


def test_at_matched_accuracy_far_labels_move_far_and_forget_most(found):
    """The paper's finding, with much slack: far labels were at 5 to 100 times the KL."""
    at = at_matched_accuracy(found, 0.93)
    assert set(at) == set(METHODS)
    for near in ("oracle", "oracle-samples", "sft-random", "rl"):
        for far in ("sft-one", "sft-two", "rl-one"):
            assert (2 * at[near].kl < at[far].kl).all()
            assert (at[near].forgetting + 0.05 < at[far].forgetting).all()
    # The oracle is nearer than the policy gradient, and on policy alone is no protection.
    assert (at["oracle"].kl < at["rl"].kl).all()
    assert found.r_squared() > 0.75
    assert found.r_squared("kl_old") > 0.75


def point(method, lr, step, accuracy, forgetting=0.0):
    two = np.array([0.0, 1.0])
    return Point(method, lr, step, two, two * 0 + accuracy, two, two, two * forgetting)


def test_matching_takes_the_first_point_that_gets_there_whatever_it_forgets():
    points = (point("a", 0.1, 1, 0.5), point("a", 0.1, 2, 0.9, 1.0), point("a", 0.1, 3, 0.95),
              point("a", 0.2, 1, 0.99), point("b", 0.1, 9, 0.6), point("c", 0.1, 9, 0.9))
    result = RazorResult((0, 1), points[0], points, 0.0)
    at = at_matched_accuracy(result, 0.9)
    assert list(at) == ["a", "c"]
    assert at["a"] is points[1]


def test_forgetting_that_is_a_quadratic_is_explained_and_chance_is_not():
    x = np.linspace(0, 1, 8)
    noise = np.random.default_rng(0).normal(size=8)
    for y, low, high in ((x - x**2, 0.999999, 1.0001), (noise, -0.001, 0.8)):
        points = tuple(Point("a", 0.1, i, x[i:i + 1], x, x, x, y[i:i + 1]) for i in range(8))
        assert low < RazorResult((0,), points[0], points, 0.0).r_squared() < high


@pytest.mark.parametrize(("changes", "words"), [
    ({"methods": ()}, "methods, lrs and steps must not be empty"),
    ({"lrs": ()}, "must not be empty"),
    ({"lrs": (0.1, 0.0)}, "lr must be a finite number above 0"),
    ({"lrs": (math.nan,)}, "lr must be a finite number above 0"),
    ({"steps": (0,)}, "steps must be a whole number of at least 1"),
    ({"steps": (1.5,)}, "steps must be a whole number"),
    ({"seeds": ()}, "seeds must be different whole numbers"),
    ({"seeds": (0, 0)}, "seeds must be different whole numbers"),
    ({"seeds": (-1,)}, "seeds must be whole numbers of at least 0"),
])
def test_settings_that_cannot_work_are_told_by_name(changes, words):
    with pytest.raises(ConfigError, match=words):
        razor(**{**SHORT, **changes})


@pytest.mark.parametrize("changes", [{"methods": ("rl", "ppo")}, {"old": "fashion"}])
def test_names_that_are_not_known_are_told_with_those_that_are(changes):
    with pytest.raises(UnknownNameError, match="unknown .*; known: .*(rl|rotated)"):
        razor(**{**SHORT, **changes})


@pytest.mark.parametrize("accuracy", [0, 1.01, math.nan])
def test_an_accuracy_that_is_no_share_is_refused(short, accuracy):
    with pytest.raises(ConfigError, match="accuracy must be above 0 and at most 1"):
        at_matched_accuracy(short, accuracy)


def test_the_old_task_can_be_shuffled_digits():
    assert (razor(**SHORT, old="permuted-digits").base.old_accuracy > 0.9).all()


def test_kl_is_from_the_base_to_the_network():
    base, now = torch.tensor([0.0, 0.0]), torch.tensor([0.0, -30.0])
    assert kl_per_token(base, now) > 10 > kl_per_token(now, base)


def test_the_figure_says_how_far_each_method_went():
    from matplotlib.figure import Figure

    from workbench.plots import alt_text
    from workbench.plots.studies import plot_razor

    result = razor(seeds=(0,), methods=("oracle", "sft-one"), lrs=(0.1,), steps=(20, 60))
    figure = Figure()
    ax = plot_razor(result, figure.subplots(), "turned")
    far = max(point.kl.mean() for point in result.points if point.method == "sft-one")
    assert f"sft-one up to {far:.1f} nats" in alt_text(figure)
    assert [line.get_label() for line in ax.lines] == ["oracle", "sft-one"]
    assert len(ax.lines[0].get_xdata()) == 2
