"""Checks of the exercises about soft labels and calibration: each recognises likely mistakes."""

# mypy: allow-untyped-calls

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.course import solutions
from workbench.course.checks import (
    Answer,
    Wrong,
    expect,
    given_back,
    near,
    one_number,
    refuse_mistakes,
)
from workbench.losses import kl_per_token
from workbench.measure.accuracies import Floats


def soft_loss(answer: Answer) -> None:
    """Check a loss with labels and soft labels, and which logits its gradient reaches."""
    # A weight other than one half, and other numbers of examples and classes.
    z = torch.tensor([[2.0, -1.0, 0.5, 0.0], [0.0, 3.0, -2.0, 1.0], [-1.0, 0.5, 1.5, 2.5]])
    t = torch.tensor([[3.0, 1.0, -2.0, 0.5], [1.0, 1.5, 2.0, -1.0], [-2.0, 0.0, 0.5, 4.0]])
    y, T, weight = torch.tensor([0, 1, 2]), 2.5, 0.3
    value = torch.as_tensor(given_back(answer(z.clone(), t.clone(), y.clone(), T, weight),
                                       "one number"), dtype=torch.float32)
    if value.numel() == len(y):
        raise Wrong("That is a loss for each example; return their mean.")
    refuse_mistakes(one_number(value), _mistakes_of_soft_loss(z, t, y, T, weight), atol=1e-4)
    expect(float(value), float(solutions.soft_loss(z, t, y, T, weight)), atol=1e-4)
    again = one_number(answer(z.clone(), t.clone(), y.clone(), 4.0, 0.8))
    if not near(again, solutions.soft_loss(z, t, y, 4.0, 0.8), atol=1e-4):
        raise Wrong("Right at temperature 2.5 and weight 0.3, but not at 4 and 0.8: use both "
                    "arguments.")
    _gradient_of_soft_loss(answer, z, t, y)
    far = one_number(answer(torch.tensor([[200.0, 0.0]]), torch.tensor([[0.0, 200.0]]),
                            torch.tensor([0]), 1.0, 1.0))
    if not near(far, 200, atol=1e-2):
        raise Wrong(f"Right here, but {far:.1f} in place of 200 where the two are far apart: a "
                    "probability is too small for a float there. Take log_softmax, not the log of "
                    "softmax.")


def _mistakes_of_soft_loss(z: Tensor, t: Tensor, y: Tensor, T: float,
                           weight: float) -> list[tuple[float, str]]:
    """Return the numbers that mistakes lead to, each with its message."""
    hard, soft = float(cross_entropy(z, y)), _kl(t / T, z / T)
    plain = _kl(t, z)

    def mixed(soft: float, hard: float = hard, share: float = weight) -> float:
        return (1 - share) * hard + share * soft

    direction = ("That is KL(student || teacher): weight the mean by the teacher's probabilities. "
                 "(torch.nn.functional.kl_div takes the other one first.)")
    p, q = (t / T).softmax(-1), (z / T).softmax(-1)
    return [
        (mixed(soft), "The factor T^2 is missing: a higher temperature makes the gradient of the "
                      "soft part about T^2 times smaller, and the factor makes up for it."),
        (mixed(T * soft), "The soft part is multiplied by T; multiply it by T^2."),
        (mixed(soft / T**2), "The soft part is divided by T^2; multiply it."),
        (mixed(T**2 * soft, T**2 * hard), "T^2 belongs to the soft part only: the hard one has no "
                                          "temperature."),
        *((mixed(factor * _kl(z / T, t / T)), direction) for factor in (T**2, 1)),
        *((mixed(factor * _kl(t, z / T)), "The temperature divides only the student's logits; "
                                          "divide the teacher's too.") for factor in (T**2, 1)),
        *((mixed(factor * _kl(t / T, z)), "The temperature divides only the teacher's logits; "
                                          "divide the student's too.") for factor in (T**2, 1)),
        *((mixed(factor * plain), "The temperature does not change the soft part: divide both "
                                  "logits by it.") for factor in (T**2, 1)),
        (mixed(T * plain), "The temperature divides probabilities; divide the logits, before the "
                           "softmax."),
        (mixed(T**2 * _kl(t * T, z * T)), "The logits are multiplied by the temperature; divide "
                                          "them by it."),
        *((mixed(factor * soft, float(cross_entropy(z / T, y))),
           "The hard part is at the temperature T; labels are compared at temperature 1.")
          for factor in (T**2, 1)),
        (mixed(T**2 * soft, float(cross_entropy(t, y))), "The hard part has the teacher's logits; "
                                                         "it is the student that learns."),
        (mixed(T**2 * soft, share=1 - weight), "The weights are the wrong way round: `weight` is "
                                               "the share of the soft part."),
        (hard + weight * T**2 * soft, "The hard part counts 1 - weight."),
        ((1 - weight) * hard + T**2 * soft, "The soft part counts `weight`."),
        (mixed(T**2 * soft / z.shape[-1]), "That is the mean over the classes too; add up over the "
                                           "classes, and take the mean over the examples."),
        (mixed(T**2 * soft * len(y)), "The soft part is the sum over the examples; take the mean."),
        (mixed(-T**2 * soft), "The sign of the soft part is wrong: a KL is never below 0."),
        (mixed(-T**2 * float((p * q.log()).sum(-1).mean())),
         "The soft part is the cross-entropy with the teacher: the teacher's own entropy is still "
         "in it. A KL is 0 where the two agree."),
        (mixed(T**2 * float((p * (p.log() - q)).sum(-1).mean())),
         "The student's probabilities stand where their logarithm belongs. "
         "(torch.nn.functional.kl_div takes log-probabilities first.)"),
        (mixed(T**2 * float((p * (p.log() - q.log())).sum(0).mean())),
         "That adds up over the examples and averages over the classes; do it the other way "
         "round."),
    ]


def _kl(p_logits: Tensor, q_logits: Tensor) -> float:
    """Return the mean over examples of KL(p || q)."""
    return float(kl_per_token(p_logits, q_logits).mean())


def _gradient_of_soft_loss(answer: Answer, z: Tensor, t: Tensor, y: Tensor) -> None:
    """Check that the loss has a gradient for the student, and none for the teacher."""
    student, teacher = z.clone().requires_grad_(), t.clone().requires_grad_()
    value = answer(student, teacher, y.clone(), 2.5, 0.3)
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise Wrong("The number is right, but it has no gradient: nothing can be trained on it. "
                    "Return a tensor, and detach only the teacher.")
    value.backward()
    if teacher.grad is not None and bool(teacher.grad.any()):
        raise Wrong("The number is right, but its gradient reaches the teacher's logits too, so "
                    "the teacher would move towards the student. Detach them.")
    wanted, = torch.autograd.grad(solutions.soft_loss(student, teacher, y, 2.5, 0.3), student)
    if not near(0 if student.grad is None else student.grad, wanted, atol=1e-5):
        raise Wrong("The number is right, but not its gradient: part of the student is detached.")


def calibration_error(answer: Answer) -> None:
    """Check the expected calibration error on confidences with an empty bin."""
    # None is on an edge. The bins (of 4) have 0, 2, 3 and 5 examples; gaps have both signs.
    confidence = np.array([0.97, 0.55, 0.3, 0.9, 0.8, 0.6, 0.45, 0.95, 0.85, 0.7])
    right = np.array([1, 0, 1, 1, 1, 1, 0, 0, 0, 1], dtype=bool)

    def value_of(c: Floats, r: Floats, bins: int) -> float:
        with warnings.catch_warnings(action="ignore"):  # means of empty bins
            return one_number(answer(c.copy(), r.copy(), bins))

    value = value_of(confidence, right, 4)
    if np.isnan(value):
        raise Wrong("The result is not a number: the first of the 4 bins in the check is empty, "
                    "and the mean of nothing is not defined. Leave empty bins out.")
    wanted = float(solutions.calibration_error(confidence, right, 4))
    refuse_mistakes(value, _mistakes_of_calibration_error(confidence, right, wanted))
    expect(value, wanted)
    if not near(value_of(confidence, right, 3), solutions.calibration_error(confidence, right, 3)):
        raise Wrong("Right for 4 bins, but not for 3: use the argument.")
    sure, hits = np.array([1.0, 0.9, 1.0, 0.4]), np.array([False, True, True, False])
    try:
        certain = value_of(sure, hits, 4)
    except (IndexError, ValueError) as error:
        certain = str(error)  # type: ignore[assignment]
    if isinstance(certain, str) or not near(certain, 0.325):
        raise Wrong(f"Right, but for a confidence of exactly 1, where it gives {certain}: that "
                    "belongs to the last bin, together with those just below 1.")


def _mistakes_of_calibration_error(confidence: Floats, right: NDArray[np.bool_],
                                   wanted: float) -> list[tuple[float, str]]:
    """Return the numbers that mistakes lead to with 4 bins, each with its message."""
    which = np.ceil(confidence * 4).astype(int) - 1
    groups = [np.flatnonzero(which == b) for b in range(1, 4)]
    size = np.array([len(rows) for rows in groups]) / len(right)
    difference = np.asarray(right - confidence)
    gap = np.array([difference[rows].mean() for rows in groups])
    middle = np.array([right[rows].mean() - (b + 0.5) / 4 for b, rows in enumerate(groups, 1)])
    in_order = np.argsort(confidence)
    ends = np.linspace(confidence.min(), confidence.max(), 5)[1:-1]
    between = np.bincount(np.searchsorted(ends, confidence), difference)
    opposite = ("Gaps of opposite sign cancel: take the absolute value in each bin, before you add "
                "the bins up.")
    return [
        (abs(gap).mean(), "All bins count the same; each counts the share of the examples that are "
                          "in it."),
        (abs(gap).sum() / 4, "All bins count the same, the empty one too; each counts the share of "
                             "the examples that are in it."),
        (abs(gap).sum(), "That is the sum over the bins; weight each by the share of the examples "
                         "that are in it."),
        *((sign * difference.mean(), opposite) for sign in (1, -1)),
        (abs(difference).mean(), "The absolute value is taken for each example; take it for each "
                                 "bin, of accuracy minus mean confidence."),
        (abs(gap).max(), "That is the largest gap, the maximum calibration error; take the "
                         "weighted mean of the gaps."),
        (size @ gap**2, "The gaps are squared; take their absolute values."),
        (np.sqrt(size @ gap**2), "That is the root of the mean squared gap; take the mean of the "
                                 "absolute values."),
        (size @ abs(middle), "The middle of a bin stands where the mean confidence of its examples "
                             "belongs."),
        (wanted * 100, "That is in percent; return a number from 0 to 1."),
        (wanted * len(right), "That weights a bin by how many examples it has; take their share."),
        *((sum(abs(difference[rows].sum()) for rows in np.array_split(order, 4)) / len(right),
           "These bins have equal numbers of examples; take bins of equal width.")
          for order in (in_order, np.arange(len(right)))),
        (abs(between).sum() / len(right), "These bins go from the smallest confidence to the "
                                          "largest; they should go from 0 to 1."),
    ]
