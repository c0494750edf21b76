"""Checks of the exercises about composed updates: each recognises likely mistakes."""

# mypy: allow-untyped-calls

import warnings
from typing import Any

import numpy as np

from workbench.course import solutions
from workbench.course.checks import (
    Answer,
    Wrong,
    as_array,
    given_back,
    near,
    refuse_mistakes,
)
from workbench.measure.accuracies import Floats


def compose(answer: Answer) -> None:
    """Check the update of a layer from units, coefficients and a new part."""
    # With equal sizes no wrong product raises an error, so that each can be named.
    parts = _parts(3, 3, 3, 3)
    value = as_array(answer(*_copies(parts)), (3, 3), "the update as one matrix")
    wanted = solutions.compose(*parts)
    refuse_mistakes(value, _mistakes_of_compose(wanted, *parts))
    if not near(value, wanted):
        row, column = np.argwhere(~np.isclose(value, wanted, atol=1e-6))[0]
        raise Wrong(f"On the example in the check your cell [{row}, {column}] is "
                    f"{value[row, column]:.4f} and should be {wanted[row, column]:.4f}.")
    for units, words in ((2, "with 2 units, a new part of rank 1, 5 inputs and 4 outputs"),
                         (0, "for the first task, which has no units: the update is the new part")):
        parts = _parts(units, 1, 5, 4)
        try:
            again = np.asarray(answer(*_copies(parts)), dtype=float)
        except (IndexError, TypeError, ValueError) as error:
            raise Wrong(f"Right where all sizes are 3, but it fails {words}. ({error})") from error
        if not near(again, solutions.compose(*parts)):
            raise Wrong(f"Right where all sizes are 3, but not {words}.")


def _parts(units: int, rank: int, inputs: int, outputs: int) -> tuple[Floats, ...]:
    """Return the arguments of `compose`."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(units, inputs)), rng.normal(size=(outputs, units)),
            np.array([0.5, -2.0, 0.8])[:units],
            rng.normal(size=(rank, inputs)), rng.normal(size=(outputs, rank)))


def _copies(arrays: tuple[Floats, ...]) -> list[Floats]:
    return [array.copy() for array in arrays]


def _mistakes_of_compose(wanted: Floats, A: Floats, B: Floats, s: Floats, new_A: Floats,
                         new_B: Floats) -> list[tuple[Floats, str]]:
    """Return the matrices that mistakes lead to, each with its message."""
    new, column = new_B @ new_A, s[:, None]
    outputs = ("The coefficients are multiplied into rows of B, which belong to the outputs. Unit "
               "j is column j of B and row j of A.")
    inputs = ("The coefficients are multiplied into columns of A, which belong to the inputs. Unit "
              "j is row j of A and column j of B.")
    order = "The product is the wrong way round: the update is B times A, since A reads the input."
    return [
        (wanted.T, "That is transposed: a row of the update belongs to an output, and a column to "
                   "an input."),
        (wanted - new, "The new part is missing: add the product of new_B and new_A."),
        (new, "That is the new part only: the units are missing."),
        (wanted - new + (new_B * s) @ new_A, "The coefficients are multiplied into the new part "
                                             "too; they belong to the units only."),
        (B @ A + (new_B * s) @ new_A, "The coefficients are multiplied into the new part; they "
                                      "belong to the units."),
        (column * (B @ A) + new, outputs), (column * (B @ A + new), outputs),
        ((B @ A) * s + new, inputs), ((B @ A + new) * s, inputs),
        (B @ A + new, "All coefficients count as 1: s is not used."),
        ((B * s**2) @ A + new, "The coefficients count twice: multiply them into A or into B, but "
                               "not into both."),
        *((share * B @ A + new, "All units have the same coefficient; each has its own in s.")
          for share in (s.sum(), s.mean())),
        *((product + new_A @ new_B, order)
          for product in ((A * s) @ B, A @ (B * s), (column * A) @ B)),
        *((left @ right, "The matrices are added before they are multiplied, so that units meet "
                         "the new part. Multiply first, and add the two products.")
          for left, right in ((B * s + new_B, A + new_A), (B + new_B, column * A + new_A))),
    ]


def worth_composing(answer: Answer) -> None:
    """Check the interval of a paired difference on seeds that differ more than the methods."""
    without = np.array([0.81, 0.89, 0.76, 0.93, 0.85])
    with_reuse = without + [0.010, 0.018, 0.004, 0.022, 0.019]
    parts = given_back(answer(with_reuse.copy(), without.copy()), "three numbers")
    if isinstance(parts, (tuple, list)) and len(parts) == 2:
        raise Wrong("It returns two things; return three numbers: mean, lower end, upper end.")
    value = as_array(parts, (3,), "three numbers")
    wanted = np.array(solutions.worth_composing(with_reuse, without))
    refuse_mistakes(value, _mistakes_of_worth_composing(with_reuse, without, wanted), atol=1e-5)
    if not near(value, wanted, atol=1e-5):
        raise Wrong(f"On the example in the check it gives {np.round(value, 4).tolist()} and "
                    f"should give {np.round(wanted, 4).tolist()}.")
    few = with_reuse[[0, 2, 3]] - [0.015, 0, 0.01], without[[0, 2, 3]]
    with warnings.catch_warnings(action="ignore"):
        again = as_array(answer(*_copies(few)), (3,), "three numbers")
    if not near(again, solutions.worth_composing(*few), atol=1e-5):
        raise Wrong("Right for 5 seeds, but not for 3: the quantile and the standard error depend "
                    "on the number of pairs.")


def _mistakes_of_worth_composing(with_reuse: Floats, without: Floats,
                                 wanted: Floats) -> list[tuple[Any, str]]:
    """Return what mistakes lead to with 5 seeds, each with its message."""
    from scipy import stats

    gain, (mean, low, high) = with_reuse - without, wanted
    n, half = len(gain), high - mean
    t = stats.t.ppf(0.975, n - 1)
    error = half / t
    # Standard errors of both means, and of their difference if they are taken for independent.
    errors = [one.std(ddof=1) / np.sqrt(n) for one in (with_reuse, without)]
    apart = np.hypot(*errors)
    welch = (n - 1) / sum((one / apart)**4 for one in errors)
    wide, narrow = t * sum(errors), t * (errors[0] - errors[1])
    unpaired = ("That is not paired: accuracies differ more from seed to seed than between the two "
                "arrays, and that is in the interval. Take the difference of each pair first.")
    normal = ("That has the quantile of the normal distribution; the one of Student's t with 4 "
              "degrees of freedom is clearly larger.")
    ddof = "np.std divides by n; take ddof=1, which divides by n - 1."

    def around(half: float) -> tuple[float, float, float]:
        return mean, mean - half, mean + half

    return [
        *((around(quantile * apart), unpaired) for quantile in (
            t, 1.96, *(stats.t.ppf(0.975, degrees) for degrees in (2 * n - 2, welch)))),
        *((around(half), "That subtracts the ends of two intervals. Take the difference of each "
                         "pair, and one interval of these.") for half in (wide, narrow)),
        *((around(quantile * error), normal) for quantile in (1.96, 2)),
        (around(1.96 * gain.std() / np.sqrt(n)), f"{normal} Also, {ddof}"),
        (around(t * gain.std() / np.sqrt(n)), ddof),
        (around(stats.t.ppf(0.95, n - 1) * error),
         "That is a 90 % interval: 2.5 % are left out on each side, so take the quantile at "
         "0.975."),
        (around(stats.t.ppf(0.975, n) * error), "There is one degree of freedom less than there "
                                                "are pairs."),
        (around(error), "That is one standard error; multiply it by the quantile."),
        *((around(quantile * error * np.sqrt(n)),
           "That has the standard deviation of one difference; the one of the mean is smaller by "
           "the root of the number of pairs.") for quantile in (t, 1.96, 1)),
        (around(half / np.sqrt(n)), "That divides by the number of pairs; divide by its root."),
        (around(t * gain.var(ddof=1) / np.sqrt(n)), "That has the variance; take its root first."),
        ((mean, gain.min(), gain.max()), "Those are the smallest and the largest difference."),
        ((-mean, -high, -low), "The sign is wrong: subtract `without` from `with_reuse`."),
        ((mean, high, low), "The two ends are exchanged: the lower one is first."),
        ((low, mean, high), "The order is: mean, lower end, upper end."),
        ((low, high, mean), "The order is: mean, lower end, upper end."),
        ((mean, -half, half), "Add the mean to both ends."),
        (100 * wanted, "That is in percent; return differences of shares from 0 to 1."),
    ]
