"""Divergences per token: from three words worked out by hand to what TRL computes."""

from __future__ import annotations

import importlib
import itertools
import math
import os
import warnings

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from workbench.errors import ConfigError, UnknownNameError
from workbench.losses import DIRECTIONS, divergence, per_response

STUDENT, TEACHER = [0.5, 0.3, 0.2], [0.1, 0.3, 0.6]
WORDS = 7
ALPHA = {"forward": 0.0, "reverse": 1.0, "jsd": 0.3}
"""What TRL calls the directions; with it, the weight of the teacher in the mixture."""

logits = st.lists(st.floats(-30, 30, width=32), min_size=WORDS, max_size=WORDS).map(
    lambda row: torch.tensor(row, dtype=torch.float64))
directions = st.sampled_from(sorted(DIRECTIONS))
weights = st.floats(0.01, 0.99)
tops = st.fixed_dictionaries({"top_k": st.integers(1, WORDS), "tail": st.booleans(),
                              "top_of": st.sampled_from(["teacher", "student"])})


def logs():
    return (torch.tensor(p, dtype=torch.float64).log() for p in (STUDENT, TEACHER))


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def jsd(q, p, beta):
    mixture = [beta * b + (1 - beta) * a for a, b in zip(p, q, strict=True)]
    return beta * kl(q, mixture) + (1 - beta) * kl(p, mixture)


# By hand

@pytest.mark.parametrize("direction, beta, wanted", [
    ("forward", 0.5, 0.1 * math.log(1 / 5) + 0.6 * math.log(3)),
    ("reverse", 0.5, 0.5 * math.log(5) + 0.2 * math.log(1 / 3)),
    # The mixture of a quarter teacher and three quarters student is .4, .3, .3.
    ("jsd", 0.25, 0.25 * (0.1 * math.log(1 / 4) + 0.6 * math.log(2))
     + 0.75 * (0.5 * math.log(5 / 4) + 0.2 * math.log(2 / 3))),
])
def test_over_three_words_it_is_the_sum_written_out(direction, beta, wanted):
    student, teacher = logs()
    result = divergence(student + 4, teacher - 1, direction, beta=beta)
    assert float(result) == pytest.approx(wanted)


@pytest.mark.parametrize("top_k, top_of, tail, teacher, student", [
    (1, "teacher", True, [0.6, 0.4], [0.2, 0.8]),
    (1, "student", True, [0.1, 0.9], [0.5, 0.5]),
    (2, "teacher", True, [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]),
    (2, "teacher", False, [2 / 3, 1 / 3], [0.4, 0.6]),
    (2, "student", False, [0.25, 0.75], [5 / 8, 3 / 8]),
    (1, "student", False, [1.0], [1.0]),
])
def test_the_likeliest_words_are_compared_with_the_rest_as_one_or_renormalised(
        top_k, top_of, tail, teacher, student):
    for direction, wanted in (("forward", kl(teacher, student)), ("reverse", kl(student, teacher)),
                              ("jsd", jsd(teacher, student, 0.5))):
        result = divergence(*logs(), direction, top_k=top_k, top_of=top_of, tail=tail)
        assert float(result) == pytest.approx(wanted, abs=1e-12), direction


# Slopes

def test_the_slope_of_the_forward_kl_is_student_minus_teacher():
    student, teacher = draw(0, 4, WORDS).requires_grad_(), draw(1, 4, WORDS)
    divergence(student, teacher, "forward").sum().backward()
    torch.testing.assert_close(student.grad, student.detach().softmax(-1) - teacher.softmax(-1))


SETTINGS = [{}, *({"top_k": 3, "top_of": whose, "tail": tail}
                  for whose, tail in itertools.product(("teacher", "student"), (True, False)))]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_slope_is_that_of_finite_differences(direction, settings):
    teacher, student = (draw(seed, 2, WORDS) for seed in (2, 3))
    assert torch.autograd.gradcheck(
        lambda logits: divergence(logits, teacher, direction, beta=0.3, **settings),
        student.requires_grad_(), eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_between_equals_value_and_slope_are_exactly_0_and_not_a_rounding_error(direction, settings):
    # Adam takes steps of full size however small the slope is.
    teacher = draw(0, 8, 300).float()
    student = teacher.clone().requires_grad_()
    each = divergence(student, teacher, direction, **settings)
    each.sum().backward()
    assert (each == 0).all() and (student.grad == 0).all()


# The same as TRL's

@pytest.fixture(scope="module")
def trl():
    name = "trl.experimental.sdft.loss_utils"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        if os.environ.get("CI") == "true":  # there, a comparison that is skipped has failed
            return importlib.import_module(name)
        return pytest.importorskip(name)


def assert_same(ours, theirs):
    """Assert that two functions of student and teacher have the same values and slopes."""
    for seed in range(5):
        teacher, slopes = draw(seed, 3, 4, WORDS), []
        for function in (ours, theirs):
            student = draw(seed + 100, 3, 4, WORDS).requires_grad_()
            value = function(student, teacher)
            assert value.shape == (3, 4)
            slope, = torch.autograd.grad((value * draw(seed + 200, 3, 4)).sum(), student)
            slopes.append((value, slope))
        torch.testing.assert_close(slopes[0], slopes[1], rtol=0, atol=1e-9)
        assert (slopes[0][1].abs().sum(-1) > 1e-6).all(), "nothing vanishes"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_over_the_whole_vocabulary_it_is_what_trl_computes(direction, trl):
    def ours(student, teacher):
        return divergence(student, teacher, direction, beta=0.3)

    assert_same(ours, lambda student, teacher: trl.compute_full_logit_self_distillation_loss(
        student, teacher, distillation_alpha=ALPHA[direction]))
    assert_same(ours, lambda student, teacher: trl.compute_divergence(
        student.log_softmax(-1), teacher.log_softmax(-1), ALPHA[direction]))


@pytest.mark.parametrize("tail", [True, False])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_over_the_students_likeliest_words_it_is_what_trl_computes(direction, tail, trl):
    assert_same(lambda student, teacher: divergence(student, teacher, direction, beta=0.3, top_k=3,
                                                    top_of="student", tail=tail),
                lambda student, teacher: trl.compute_topk_self_distillation_loss(
                    student, teacher, distillation_topk=3, distillation_add_tail=tail,
                    distillation_alpha=ALPHA[direction]))


# Properties

@given(logits, logits, directions, weights, st.one_of(st.just({}), tops))
def test_it_is_never_below_0(student, teacher, direction, beta, top):
    assert divergence(student, teacher, direction, beta=beta, **top) >= -1e-6 * bool(top) - 1e-12


@given(logits, logits, directions, weights, tops)
def test_all_words_are_the_whole_and_fewer_with_a_tail_a_lower_bound(
        student, teacher, direction, beta, top):
    whole = divergence(student, teacher, direction, beta=beta)
    every = divergence(student, teacher, direction, beta=beta, **(top | {"top_k": WORDS}))
    torch.testing.assert_close(every, whole, rtol=0, atol=1e-5)
    # To tell fewer outcomes apart can only bring two distributions nearer (data processing).
    assert divergence(student, teacher, direction, beta=beta, **(top | {"tail": True})
                      ) <= whole + 1e-6


@given(logits, logits, weights)
def test_the_jsd_is_at_most_the_entropy_of_its_weight_and_at_a_half_symmetric(a, b, beta):
    entropy = -beta * math.log(beta) - (1 - beta) * math.log(1 - beta)
    assert divergence(a, b, "jsd", beta=beta) <= entropy + 1e-12
    there, back = divergence(a, b, "jsd"), divergence(b, a, "jsd")
    torch.testing.assert_close(there, back, rtol=1e-9, atol=1e-12)
    assert there <= math.log(2) + 1e-12
    never_the_same = torch.eye(2) * 60
    assert divergence(*never_the_same, "jsd").item() == pytest.approx(math.log(2))


@given(logits, logits, directions, st.one_of(st.just({}), tops), st.floats(-50, 50))
def test_a_constant_added_to_all_logits_changes_nothing(student, teacher, direction, top, shift):
    if top:  # which of several equally likely words are kept is open
        assume(len({round(x, 6) for x in student.tolist()}) == WORDS)
        assume(len({round(x, 6) for x in teacher.tolist()}) == WORDS)
    torch.testing.assert_close(divergence(student + shift, teacher - 2 * shift, direction, **top),
                               divergence(student, teacher, direction, **top), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("settings, error, complaint", [
    ({"direction": "sideways"}, UnknownNameError, "direction 'sideways'; known: forward, jsd, rev"),
    ({"beta": 0}, ConfigError, "beta must be between 0 and 1, not 0"),
    ({"beta": 1.0}, ConfigError, "beta must be between 0 and 1, not 1.0"),
    ({"beta": math.nan}, ConfigError, "beta must be"),
    ({"top_k": 0}, ConfigError,
     "top_k must be a whole number from 1 to the 3 tokens there are, not 0"),
    ({"top_k": 4}, ConfigError,
     "top_k must be a whole number from 1 to the 3 tokens there are, not 4"),
    ({"top_k": 2, "top_of": "both"}, UnknownNameError, "top_of 'both'; known: student, teacher"),
])
def test_a_setting_that_cannot_work_is_refused_by_name(settings, error, complaint):
    with pytest.raises(error, match=complaint):
        divergence(torch.zeros(3), torch.zeros(3), **settings)


# The mean over responses

def test_short_responses_weigh_as_much_as_long_ones():
    each, mask = torch.ones(2, 9), torch.ones(2, 9, dtype=torch.int64)
    each[0], mask[0, 1:] = 3, 0
    assert float(per_response(each, mask)) == 2, "and not 12 / 10"


@pytest.mark.parametrize("after", [50.0, math.inf, math.nan])
def test_the_end_token_counts_and_what_comes_after_does_not_whatever_it_is(after):
    each = torch.tensor([[1.0, 2.0, 6.0, after], [4.0, after, after, 9.0]], requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])
    loss = per_response(each, mask)
    assert loss.item() == 3.5
    loss.backward()
    torch.testing.assert_close(each.grad, torch.tensor([[1 / 6] * 3 + [0], [1 / 2, 0, 0, 0]]))


def test_a_response_without_tokens_adds_0_and_a_batch_without_tokens_is_refused():
    each, mask = torch.full((2, 3), 4.0), torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert float(per_response(each, mask)) == 2
    with pytest.raises(ConfigError, match="no token of the batch counts: 0 tokens in 2 responses"):
        per_response(each, torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ConfigError, match="2 tokens in 2 .* the first 2 of each are skipped. Skip"):
        per_response(each, mask, skip_first=2)
    assert mask.tolist() == [[1, 1, 0], [0, 0, 0]], "and the mask is left as it was"


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 8))
@example([7, 3], 1)  # just a fifth
def test_skipping_warns_when_it_leaves_out_more_than_a_fifth_and_only_then(lengths, skip):
    assume(max(lengths) > skip)
    mask = (torch.arange(20) < torch.tensor(lengths)[:, None]).long()
    each = torch.arange(20.0).expand(len(lengths), 20)
    left = [list(range(skip, n)) for n in lengths]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = per_response(each, mask, skip)
    wanted = sum(sum(row) / len(row) for row in left if row) / len(lengths)
    assert float(result) == pytest.approx(wanted, rel=1e-6)
    gone = sum(lengths) - sum(map(len, left))
    assert len(heard) == (5 * gone > sum(lengths))
    assert all(f"skip_first={skip} leaves out {gone} of {sum(lengths)}" in str(w.message)
               for w in heard)
