"""The checks of the exercises: each tries a function out and says what is wrong with it."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from workbench.course import solutions

Answer = Callable[..., Any]


class Wrong(Exception):
    """An answer is not right; the message tells the student in which way."""


def given_back(value: Any, what: str = "a number") -> Any:
    """Return what a function returned, or say that it returned nothing."""
    if value is None or value is ...:
        raise Wrong(f"The function returns nothing yet; it should return {what}.")
    return value


def _size(value: Any) -> int:
    # Of a tensor `np.size` returns a method.
    return value.numel() if isinstance(value, torch.Tensor) else int(np.size(value))


def _number(value: Any) -> float:
    given_back(value)
    if _size(value) != 1:
        raise Wrong(f"Expected one number, got {_size(value)} of them: add them up, or average?")
    return float(value)


def _near(value: Any, wanted: Any) -> bool:
    value, wanted = np.asarray(value, dtype=float), np.asarray(wanted, dtype=float)
    return value.shape == wanted.shape and bool(
        np.allclose(value, wanted, atol=1e-6, equal_nan=True))


def share_kept(answer: Answer) -> None:
    """Check a share of what was there before."""
    value = _number(answer(0.8, 0.2))
    if _near(value, -0.6) or _near(value, 0.6):
        raise Wrong("That is a difference in points; a share is a quotient.")
    if _near(value, 4.0):
        raise Wrong("80 % that became 20 % gave 4: the quotient is upside down.")
    if _near(value, 25.0):
        raise Wrong("That is in percent; return a share from 0 to 1.")
    if not _near(value, 0.25):
        raise Wrong(f"80 % that became 20 % should give 0.25, not {value:g}.")
    again = _number(answer(0.9, 0.9))
    if not _near(again, 1.0):
        raise Wrong(f"90 % that stayed 90 % should give 1, not {again:g}.")


def allowed_answer(answer: Answer) -> None:
    """Check the best answer among the allowed ones."""
    logits = torch.tensor([[5.0, -2.0, -1.0, 0.0], [1.0, -3.0, -9.0, 4.0]])
    mask = torch.tensor([False, True, True, False])
    value = torch.as_tensor(given_back(answer(logits.clone(), mask), "one index for each row"))
    if value.shape != (2,):
        raise Wrong(f"Expected one index for each of 2 rows, got shape {tuple(value.shape)}.")
    if value.tolist() == [0, 3]:
        raise Wrong("Output 0 wins the first row, but the mask does not allow it.")
    if value.tolist() == [1, 0]:
        raise Wrong("These are places among the allowed outputs; give them among all outputs.")
    if not mask[value.long()].all():
        raise Wrong("A forbidden output wins where all allowed logits are below 0. Multiplying by "
                    "the mask leaves forbidden logits at 0, which is not low.")
    if value.tolist() != [2, 1]:
        raise Wrong(f"The best allowed outputs are [2, 1], not {value.tolist()}.")


def masked_loss(answer: Answer) -> None:
    """Check the cross-entropy over the allowed outputs."""
    logits = torch.tensor([[2.0, 1.0, 3.0, -1.0], [0.5, -2.0, 1.0, 2.0]])
    y, mask = torch.tensor([1, 0]), torch.tensor([True, True, False, False])
    value = given_back(answer(logits.clone(), y, mask))
    if _size(value) == 2:
        raise Wrong("That is a loss for each example; return their mean.")
    value = _number(value)
    wanted = float(solutions.masked_loss(logits, y, mask))
    plain = float(torch.nn.functional.cross_entropy(logits, y))
    zeroed = float(torch.nn.functional.cross_entropy(logits * mask, y))
    if _near(value, plain):
        raise Wrong("The forbidden outputs still take part in the softmax: the mask is not used.")
    if _near(value, zeroed):
        raise Wrong("A logit of 0 is not a probability of 0: exp(0) is 1.")
    if _near(value, 2 * wanted):
        raise Wrong("That is the sum over the examples; return their mean.")
    if _near(value, -wanted):
        raise Wrong("The sign is wrong: a loss is the negative log-probability.")
    if not abs(value - wanted) < 1e-4:
        raise Wrong(f"On the example in the check it gives {value:.4f} and should give "
                    f"{wanted:.4f} (in nats).")


def backward_transfer(answer: Answer) -> None:
    """Check backward transfer on a matrix on which rival definitions differ."""
    R = np.array([[0.9, 0.5, 0.2], [0.95, 0.85, 0.4], [0.6, 0.88, 0.8]])
    value = _number(answer(R.copy()))
    wanted = float(solutions.backward_transfer(R))
    if _near(value, -wanted):
        raise Wrong("The sign is wrong: backward transfer is below 0 when tasks are forgotten.")
    if _near(value, wanted * 2 / 3):
        raise Wrong("The last task is in your average; it has had no time to change.")
    if _near(value, float(np.mean([R[-1, j] - R[:, j].max() for j in range(2)]))):
        raise Wrong("That compares with the best so far, which is Chaudhry's forgetting; compare "
                    "with the moment each task was learned.")
    if _near(value, float(np.mean([R.T[-1, j] - R[j, j] for j in range(2)]))):
        raise Wrong("That reads the last column: rows are what was trained, columns what is "
                    "tested.")
    if not _near(value, wanted):
        raise Wrong(f"On the example in the check it gives {value:.4f} and should give "
                    f"{wanted:.4f}.")


def retention(answer: Answer) -> None:
    """Check the matrix of retained shares."""
    R = np.array([[0.8, 0.5, 0.2], [0.4, 0.5, 0.4], [0.2, 0.6, 1.0]])
    value = np.asarray(given_back(answer(R.copy()), "an array like R"), dtype=float)
    wanted = solutions.retention(R)
    learned = np.tril(np.ones_like(R, dtype=bool))
    if value.shape != R.shape:
        raise Wrong(f"Expected an array of shape {R.shape} like R, got {value.shape}.")
    if _near(value[learned], (R / np.diagonal(R)[:, None])[learned]):
        raise Wrong("Each row is divided by the diagonal, but a task is a column.")
    if _near(value[learned], (R - np.diagonal(R))[learned]):
        raise Wrong("That is a difference; retention is a quotient.")
    if _near(value[learned], wanted[learned]) and not np.isnan(value[~learned]).all():
        raise Wrong("Right below the diagonal, but before a task is learned there is nothing to "
                    "retain: put np.nan there.")
    if not _near(value, wanted):
        raise Wrong(f"After all three tasks the first should be at {wanted[2, 0]:g}; yours is "
                    f"{value[2, 0]:g}.")


def ewc_penalty(answer: Answer) -> None:
    """Check the quadratic penalty."""
    weights, anchor = np.array([1.0, 2.0, -1.0]), np.array([0.0, 2.0, 1.0])
    fisher = np.array([3.0, 5.0, 0.25])
    value = given_back(answer(weights, anchor, fisher))
    if _size(value) == 3:
        raise Wrong("That is a penalty for each weight; add them up to one number.")
    value = _number(value)
    if _near(value, 4.0):
        raise Wrong("Twice too much: the half is missing.")
    if _near(value, 2.5):
        raise Wrong("All weights count the same: the Fisher information is not used.")
    if _near(value, 0.5 * (fisher * np.abs(weights - anchor)).sum()):
        raise Wrong("The distance has to be squared.")
    if _near(value, 0.5 * (fisher**2 * (weights - anchor) ** 2).sum()):
        raise Wrong("The Fisher information is squared as well; only the distance should be.")
    if not _near(value, 2.0):
        raise Wrong(f"On the example in the check it gives {value:g} and should give 2.")


def reservoir(answer: Answer) -> None:
    """Check that every item has the same chance to be kept."""
    rng = np.random.default_rng(0)
    first = given_back(answer(iter(range(5)), 10, rng), "a list of items")
    if sorted(first) != list(range(5)):
        raise Wrong(f"From 5 items with room for 10, all 5 should be kept, not {list(first)}.")
    length, capacity, runs = 20, 5, 2000
    counts = np.zeros(length)
    for _ in range(runs):
        kept = list(answer(iter(range(length)), capacity, rng))
        if len(kept) != capacity:
            raise Wrong(f"With room for {capacity} and {length} items, {len(kept)} are kept.")
        if len(set(kept)) < capacity:
            raise Wrong("The same item is kept twice.")
        counts[kept] += 1
    share = counts / runs
    # Standard error of each share: sqrt(0.25 * 0.75 / 2000) = 0.01; five of them are allowed.
    if abs(share - capacity / length).max() > 0.05:
        odd = int(abs(share - capacity / length).argmax())
        raise Wrong(f"Each of {length} items should be kept in {capacity / length:.0%} of the "
                    f"runs; item {odd} was in {share[odd]:.0%}.")
