"""The checks of the exercises: each tries a function out and says what is wrong with it."""

# mypy: allow-untyped-calls

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from workbench.course import solutions
from workbench.measure.accuracies import Floats

Answer = Callable[..., Any]


class Wrong(Exception):
    """A wrong answer; the message explains the mistake to the student."""


def given_back(value: Any, what: str = "a number") -> Any:
    """Return the value of a student's function, or raise `Wrong` if it is None or ``...``."""
    if value is None or value is ...:
        raise Wrong(f"The function returns nothing yet; it should return {what}.")
    return value


def refuse_mistakes(value: Any, mistakes: Iterable[tuple[Any, str]], atol: float = 1e-6) -> None:
    """Raise `Wrong` with the message of the first mistake that leads to this value."""
    for mistaken, message in mistakes:
        if near(value, mistaken, atol):
            raise Wrong(message)


def expect(value: float, wanted: float, atol: float = 1e-6) -> None:
    """Raise `Wrong` with both numbers if they differ."""
    if not near(value, wanted, atol):
        raise Wrong(f"On the example in the check it gives {value:.4f} and should give "
                    f"{wanted:.4f}.")


def near(value: Any, wanted: Any, atol: float = 1e-6) -> bool:
    """Return whether two numbers or arrays agree, also in shape."""
    value, wanted = np.asarray(value, dtype=float), np.asarray(wanted, dtype=float)
    return value.shape == wanted.shape and bool(
        np.allclose(value, wanted, atol=atol, equal_nan=True))


def one_number(value: Any) -> float:
    """Return one number as a float, or raise `Wrong`."""
    size = torch.as_tensor(given_back(value)).numel()
    if size != 1:
        raise Wrong(f"Expected one number, got {size} of them: add them up, or average?")
    return float(value)


def as_array(value: Any, shape: tuple[int, ...], what: str) -> Floats:
    """Return an answer as an array, or raise `Wrong` if it has another shape."""
    array = np.asarray(given_back(value, what), dtype=np.float64)
    if array.shape != shape:
        raise Wrong(f"Expected {what}, of shape {shape}, got shape {array.shape}.")
    return array


def retention(answer: Answer) -> None:
    """Check the share of the earlier accuracy that is left."""
    value = one_number(answer(0.8, 0.2))
    refuse_mistakes(abs(value), [
        (0.6, "That is a difference in points; a share is a quotient."),
        (4, "80 % that became 20 % gave 4: the quotient is upside down."),
        (25, "That is in percent; return a share from 0 to 1.")])
    if not near(value, 0.25):
        raise Wrong(f"80 % that became 20 % should give 0.25, not {value:g}.")
    again = one_number(answer(0.9, 0.9))
    if not near(again, 1.0):
        raise Wrong(f"90 % that stayed 90 % should give 1, not {again:g}.")
    grown = one_number(answer(0.5, 0.6))
    if not near(grown, 1.2):
        raise Wrong(f"50 % that grew to 60 % should give 1.2, not {grown:g}: the share can be "
                    "above 1.")


def allowed_answer(answer: Answer) -> None:
    """Check the best answer among the allowed ones."""
    # The allowed outputs are neither the first ones nor neighbours, so that a place among them
    # differs from a place among all.
    logits = torch.tensor([[5.0, -2.0, 2.0, -1.0, 0.0], [1.0, -3.0, 7.0, -9.0, 4.0]])
    mask = torch.tensor([False, True, False, True, False])
    value = torch.as_tensor(given_back(answer(logits.clone(), mask), "one index for each row"))
    if value.shape != (2,):
        raise Wrong(f"Expected one index for each of 2 rows, got shape {tuple(value.shape)}.")
    if value.tolist() == [0, 2]:
        raise Wrong("Output 0 wins the first row, but the mask does not allow it.")
    if value.tolist() == [1, 0]:
        raise Wrong("These are places among the allowed outputs; give them among all outputs.")
    if not mask[value.long()].all():
        raise Wrong("A forbidden output wins where all allowed logits are below 0. Multiplying by "
                    "the mask leaves forbidden logits at 0, which is not low.")
    if value.tolist() != [3, 1]:
        raise Wrong(f"The best allowed outputs are [3, 1], not {value.tolist()}.")
    low = torch.as_tensor(answer(logits - 50 * mask, mask))
    if low.tolist() != [3, 1]:
        raise Wrong("Right where the allowed logits are near 0, but wrong where they are near -50: "
                    "the forbidden ones must be lower than any number, so fill with minus "
                    "infinity.")


def masked_loss(answer: Answer) -> None:
    """Check the cross-entropy over the allowed outputs."""
    # Of the allowed outputs 0, 2, 3 and 5 the labels are 0 and 3: no renumbering of the labels
    # that ignores the mask leads to the right columns of `logits[:, mask]`.
    logits = torch.tensor([[2.0, 1.0, 3.0, -1.0, 0.5, 1.5], [0.5, -2.0, 1.0, 2.0, 2.5, -0.5],
                           [1.0, 0.0, -1.0, 0.5, 3.0, 2.0]])
    y, mask = torch.tensor([0, 3, 3]), torch.tensor([True, False, True, True, False, True])
    value = given_back(answer(logits.clone(), y, mask))
    if torch.as_tensor(value).numel() == len(y):
        raise Wrong("That is a loss for each example; return their mean.")
    value = one_number(value)
    wanted = float(solutions.masked_loss(logits, y, mask))
    cross_entropy = torch.nn.functional.cross_entropy
    refuse_mistakes(value, [
        (cross_entropy(logits, y), "The forbidden outputs still take part in the softmax: use the "
                                   "mask before the softmax."),
        (cross_entropy(logits[:, mask], y),
         "The columns of logits[:, mask] are numbered anew, from 0, but the labels still count all "
         "outputs: label 3 is column 2 there."),
        (cross_entropy(logits * mask, y), "A logit of 0 is not a probability of 0: exp(0) is 1."),
        (len(y) * wanted, "That is the sum over the examples; return their mean."),
        (-wanted, "The sign is wrong: a loss is the negative log-probability."),
        (wanted / np.log(2), "That is in bits; return the loss in nats.")])
    expect(value, wanted, atol=1e-4)
    # A softmax does not change when all logits of a row are shifted.
    if not near(one_number(answer(logits - 50, y, mask)), wanted, atol=1e-4):
        raise Wrong("Right where the logits are near 0, but wrong where they are near -50: the "
                    "forbidden ones must be lower than any number, so fill with minus infinity.")


def backward_transfer(answer: Answer) -> None:
    """Check backward transfer on a matrix on which rival definitions differ."""
    R = np.array([[0.9, 0.5, 0.2, 0.1], [0.95, 0.85, 0.4, 0.3], [0.7, 0.86, 0.75, 0.2],
                  [0.6, 0.88, 0.5, 0.8]])
    value = one_number(answer(R.copy()))
    wanted = float(solutions.backward_transfer(R))
    best = ("That compares with the best so far, which is Chaudhry's forgetting; compare with the "
            "moment each task was learned.")
    refuse_mistakes(value, [
        (-wanted, "The sign is wrong: backward transfer is below 0 when tasks are forgotten."),
        (3 * wanted, "That is the sum over the tasks; return their mean."),
        (wanted * 3 / 4, "The last task is in your average; it has had no time to change."),
        (np.mean(R[-1, :3] - R[:3, :3].max(0)), best),
        (np.mean(R[-1, :3] - R[:4, :3].max(0)), best),
        (np.mean(R[-1, :3] - R[-2, :3]), "That compares with the row before the last; compare with "
                                         "the moment each task was learned."),
        (np.mean(R[:3, -1] - np.diagonal(R)[:3]), "That reads the last column: rows are what was "
                                                  "trained, columns what is tested.")])
    expect(value, wanted)
    three = one_number(answer(R[:3, :3].copy()))
    if not near(three, solutions.backward_transfer(R[:3, :3])):
        raise Wrong("Right for four tasks, but not for three: use len(R) for the number of tasks.")


def retention_matrix(answer: Answer) -> None:
    """Check the matrix of retained shares."""
    R = np.array([[0.8, 0.3, 0.2], [0.4, 0.5, 0.4], [0.2, 0.6, 0.9]])
    value = np.asarray(given_back(answer(R.copy()), "an array like R"), dtype=float)
    wanted = solutions.retention_matrix(R)
    learned = np.tril(np.ones_like(R, dtype=bool))
    if value.shape != R.shape:
        raise Wrong(f"Expected an array of shape {R.shape} like R, got {value.shape}.")
    refuse_mistakes(value[learned], [
        ((R / np.diagonal(R)[:, None])[learned],
         "Each row is divided by the diagonal, but a task is a column."),
        ((R - np.diagonal(R))[learned], "That is a difference; retention is a quotient.")])
    if near(value[learned], wanted[learned]) and not np.isnan(value[~learned]).all():
        raise Wrong("Right below the diagonal, but before a task is learned there is nothing to "
                    "retain: put np.nan there.")
    if not near(value, wanted):
        k, j = np.argwhere(~np.isclose(value, wanted, atol=1e-6, equal_nan=True))[0]
        raise Wrong(f"On the example in the check your cell [{k}, {j}] is {value[k, j]:g} and "
                    f"should be {wanted[k, j]:g}.")
    two = np.asarray(answer(R[:2, :2].copy()), dtype=float)
    if not near(two, solutions.retention_matrix(R[:2, :2])):
        raise Wrong("Right for three tasks, but not for two: use len(R) for the number of tasks.")


def ewc_penalty(answer: Answer) -> None:
    """Check the quadratic penalty."""
    # No distance is 1, whose square and size are the same.
    weights, anchor = np.array([2.0, 2.0, 0.5]), np.array([0.0, 2.0, 1.0])
    fisher = np.array([3.0, 5.0, 8.0])
    value = given_back(answer(weights.copy(), anchor.copy(), fisher.copy()))
    if torch.as_tensor(value).numel() == 3:
        raise Wrong("That is a penalty for each weight; add them up to one number.")
    value = one_number(value)
    distance = weights - anchor
    refuse_mistakes(value, [
        (14, "Twice too much: the half is missing."),
        (7 / 3, "That is the mean over the weights; take the sum."),
        (0.5 * (distance**2).sum(), "All weights count the same: the Fisher information is not "
                                    "used."),
        (0.5 * (fisher * abs(distance)).sum(), "The distance has to be squared."),
        (0.5 * (fisher * distance).sum() ** 2,
         "The sum is squared; square the distance of each weight before you add."),
        (0.5 * (fisher**2 * distance**2).sum(),
         "The Fisher information is squared as well; only the distance should be.")])
    expect(value, 7)


def reservoir(answer: Answer) -> None:
    """Check that every item has the same chance to be kept."""
    rng = np.random.default_rng(0)
    # Items are no numbers, so that an item differs from its place in the stream.
    short = list("abcde")
    first = given_back(answer(iter(short), 10, rng), "a list of items")
    if sorted(map(str, first)) != short:
        raise Wrong(f"From the 5 items {short} with room for 10, all 5 should be kept, not "
                    f"{list(first)}.")
    # In a short stream a chance of 1 / k in place of 1 / (k + 1) shows; in a long one it is small.
    for length, capacity in ((20, 5), (4, 2)):
        _even(answer, list("abcdefghijklmnopqrst"[:length]), capacity, rng)


def _even(answer: Answer, items: list[str], capacity: int, rng: np.random.Generator) -> None:
    """Check that each item is kept in the same share of 2,000 runs."""
    runs = 2000
    counts = dict.fromkeys(items, 0)
    for _ in range(runs):
        kept = list(answer(iter(items), capacity, rng))
        if len(kept) != capacity:
            raise Wrong(f"With room for {capacity} and {len(items)} items, {len(kept)} are kept.")
        if len(set(kept)) < capacity:
            raise Wrong("The same item is kept twice.")
        for item in kept:
            if item not in counts:
                raise Wrong(f"It keeps {item!r}, which is no item of the stream: keep the items, "
                            "not their numbers.")
            counts[item] += 1
    even = capacity / len(items)
    # The standard error of a share is at most sqrt(0.5 * 0.5 / 2000) = 0.011.
    item = max(counts, key=lambda item: abs(counts[item] / runs - even))
    if abs(counts[item] / runs - even) > 0.05:
        raise Wrong(f"Each of {len(items)} items should be kept in {even:.0%} of the runs; number "
                    f"{items.index(item)} (counted from 0), {item!r}, was kept in "
                    f"{counts[item] / runs:.0%}.")
