"""Losses: golden values, identities, and nothing that leaks past a mask."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.losses import (
    cross_entropy,
    distillation,
    kl_per_token,
    masked,
    quadratic_penalty,
)

OUTPUTS = 5
logit = st.floats(-80, 80, width=32)


def some_logits(n=3):
    row = st.lists(logit, min_size=OUTPUTS, max_size=OUTPUTS)
    return st.lists(row, min_size=n, max_size=n).map(lambda rows: torch.tensor([rows]))


some_masks = st.lists(st.booleans(), min_size=OUTPUTS, max_size=OUTPUTS).filter(any).map(
    torch.tensor)
temperatures = st.floats(0.5, 20)


@given(some_logits(), some_masks)
def test_a_forbidden_output_has_probability_exactly_zero(logits, mask):
    p = masked(logits, mask).softmax(-1)
    assert (p[..., ~mask] == 0).all()
    torch.testing.assert_close(p.sum(-1), torch.ones(1, 3))


@given(some_logits(), some_masks, st.integers(0, 99))
def test_a_forbidden_output_gets_a_gradient_of_exactly_zero(logits, mask, pick):
    logits.requires_grad_()
    y = mask.nonzero().flatten()[pick % int(mask.sum())].expand(1, 3)
    cross_entropy(logits, y, mask).sum().backward()
    assert (logits.grad[..., ~mask] == 0).all()
    assert logits.grad.isfinite().all()


@given(some_logits(), some_logits(), some_masks, temperatures)
def test_distillation_leaks_neither_value_nor_gradient_past_the_mask(a, b, mask, temperature):
    a.requires_grad_()
    loss = distillation(a, b, mask, temperature)
    loss.sum().backward()
    assert (a.grad[..., ~mask] == 0).all()
    changed = torch.where(mask, b, b + 7)
    assert torch.equal(distillation(a, changed, mask, temperature), loss)


@given(some_logits(), some_masks, st.integers(0, 99))
def test_cross_entropy_is_torchs_on_the_allowed_columns(logits, mask, pick):
    column = torch.tensor([pick % int(mask.sum())] * 3)
    y = mask.nonzero().flatten()[column][None]
    wanted = F.cross_entropy(logits[0][:, mask], column)
    torch.testing.assert_close(cross_entropy(logits, y, mask)[0], wanted, rtol=1e-5, atol=1e-5)


def test_cross_entropy_of_even_logits_is_the_log_of_the_number_allowed():
    y = torch.zeros(2, 4, dtype=torch.int64)
    mask = torch.tensor([True, True, True, False, False])
    torch.testing.assert_close(cross_entropy(torch.zeros(2, 4, 5), y, mask),
                               torch.full((2,), math.log(3)))


def test_cross_entropy_takes_a_mask_for_each_example():
    logits = torch.tensor([[[0.0, 0.0, 5.0], [0.0, 0.0, 5.0]]])
    mask = torch.tensor([[[True, True, False], [True, True, True]]])
    wanted = (math.log(2) + math.log(2 + math.exp(5))) / 2
    result = cross_entropy(logits, torch.tensor([[0, 1]]), mask)
    assert result.tolist() == pytest.approx([wanted])


def test_each_seed_has_a_loss_of_its_own():
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, 4, OUTPUTS, generator=draw)
    y, mask = torch.randint(OUTPUTS, (3, 4), generator=draw), torch.ones(OUTPUTS, dtype=torch.bool)
    for s in range(3):
        one = slice(s, s + 1)
        torch.testing.assert_close(cross_entropy(a, y, mask)[one],
                                   cross_entropy(a[one], y[one], mask))
        torch.testing.assert_close(distillation(a, b, mask)[one],
                                   distillation(a[one], b[one], mask))


@given(some_logits(), some_masks, temperatures)
def test_distillation_of_equal_logits_is_zero(logits, mask, temperature):
    assert distillation(logits, logits, mask, temperature).tolist() == [0]


@given(some_logits(), some_logits(), some_masks, temperatures)
def test_distillation_is_never_below_zero(a, b, mask, temperature):
    assert distillation(a, b, mask, temperature) >= -1e-4


@given(some_logits(), some_logits(), some_masks, temperatures)
@settings(max_examples=50)
def test_distillation_is_the_sum_written_out(student, teacher, mask, temperature):
    def probabilities(logits):
        e = [math.exp((z - max(logits)) / temperature) for z in logits]
        return [x / sum(e) for x in e]

    total = 0.0
    for a, b in zip(student[0].double(), teacher[0].double(), strict=True):
        q, p = probabilities(a[mask].tolist()), probabilities(b[mask].tolist())
        total += sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True) if pi > 0 < qi)
    wanted = temperature ** 2 * total / 3
    result = distillation(student.double(), teacher.double(), mask, temperature)
    assert result.item() == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_the_square_of_the_temperature_keeps_the_size_of_the_gradient():
    # Hinton et al.: at high temperature the gradient tends to the difference of centred logits
    # over the number of outputs, whatever the temperature.
    mask = torch.ones(4, dtype=torch.bool)
    teacher = torch.tensor([[[1.0, -2.0, 0.5, 0.0]]])
    student = torch.tensor([[[0.0, 1.0, -1.0, 2.0]]])
    wanted = (student - student.mean() - teacher + teacher.mean()) / 4
    for temperature in (100.0, 1000.0):
        a = student.clone().requires_grad_()
        distillation(a, teacher, mask, temperature).sum().backward()
        torch.testing.assert_close(a.grad, wanted, rtol=0.05, atol=1e-3)


def test_distillation_pulls_the_student_and_not_the_teacher_apart():
    mask = torch.ones(2, dtype=torch.bool)
    a = torch.zeros(1, 1, 2, requires_grad=True)
    distillation(a, torch.tensor([[[2.0, 0.0]]]), mask).sum().backward()
    assert a.grad[0, 0, 0] < 0 < a.grad[0, 0, 1]


def test_quadratic_penalty_is_half_the_weighted_sum_of_squares():
    parameters = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    anchor = torch.tensor([[0.0, 4.0, 3.0], [0.0, 1.0, -2.0]])
    importance = torch.tensor([[2.0, 0.5, 9.0], [7.0, 3.0, 0.25]])
    # (2*1 + .5*4 + 9*0) / 2 and (7*0 + 3*1 + .25*4) / 2
    assert quadratic_penalty(parameters, anchor, importance).tolist() == [2.0, 2.0]
    assert quadratic_penalty(anchor, anchor, importance).tolist() == [0.0, 0.0]


def test_quadratic_penalty_pulls_with_importance_times_distance():
    parameters = torch.tensor([[1.0, 2.0]], requires_grad=True)
    quadratic_penalty(parameters, torch.tensor([[0.0, 5.0]]), torch.tensor([[2.0, 4.0]])
                      ).sum().backward()
    assert parameters.grad.tolist() == [[2.0, -12.0]]


def test_kl_per_token_of_two_coins():
    p, q = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    assert float(kl_per_token(p, q)) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert float(kl_per_token(q, p)) == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))


@given(st.integers(0, 10**6))
def test_kl_per_token_is_0_for_equal_and_above_for_others_and_ignores_shifts(seed):
    draw = torch.Generator().manual_seed(seed)
    a, b = (3 * torch.randn(2, 4, 7, generator=draw, dtype=torch.float64) for _ in range(2))
    assert (kl_per_token(a, a) == 0).all()
    assert kl_per_token(a, b).shape == (2, 4) and (kl_per_token(a, b) > 0).all()
    torch.testing.assert_close(kl_per_token(a + 5, b - 3), kl_per_token(a, b))
    p, q = a.softmax(-1), b.softmax(-1)
    torch.testing.assert_close(kl_per_token(a, b), (p * (p / q).log()).sum(-1))


def test_the_slope_of_kl_per_token_on_the_student_is_student_minus_teacher():
    teacher = torch.tensor([1.0, -2.0, 0.5])
    student = torch.tensor([0.0, 1.0, -1.0], requires_grad=True)
    kl_per_token(teacher, student).backward()
    torch.testing.assert_close(student.grad, student.detach().softmax(-1) - teacher.softmax(-1))
