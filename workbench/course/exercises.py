"""Exercises: goals, hints from vague to plain, and checks that say what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.course import checks, language_checks, solutions
from workbench.course.checks import Wrong
from workbench.errors import UnknownNameError


@dataclass(frozen=True)
class Exercise:
    """One exercise: a function to write."""

    name: str
    """Name of the function."""
    goal: str
    """Purpose of the function, in Markdown."""
    difficulty: int
    """From 1 to 3."""
    minutes: int
    hints: tuple[str, ...]
    """From vague to plain, without code of the solution: the student edition has them too."""
    check: Callable[[Callable[..., Any]], None]
    """Raises `Wrong`, with a message for the student, if a function is not right."""

    @property
    def solution(self) -> Callable[..., Any]:
        """The reference answer."""
        return getattr(solutions, self.name)  # type: ignore[no-any-return]


exercises = {e.name: e for e in (
    Exercise(
        "share_kept", "Write `share_kept(before, after)`: which share of the accuracy before is "
        "still there after? Both are numbers from 0 to 1. (The share is above 1 where the accuracy "
        "has grown.)", 1, 2,
        ("If 80 % became 40 %, half was kept.", "It is a quotient.",
         "Divide the accuracy that is left by the accuracy that there was."), checks.share_kept),
    Exercise(
        "allowed_answer", "Write `allowed_answer(logits, mask)`: for logits of shape `(n, outputs)`"
        " and a mask of shape `(outputs,)`, True where an output may be answered, return the index "
        "of the best *allowed* output of each row.", 1, 5,
        ("An output that may not be answered should lose against any that may.",
         "Give the forbidden outputs a logit that is lower than every other.",
         "`masked_fill` fills where a mask is True, so it needs the opposite of this mask; fill "
         "with minus infinity. Then take `argmax` over the last axis."),
        checks.allowed_answer),
    Exercise(
        "masked_loss", "Write `masked_loss(logits, y, mask)`: the mean cross-entropy of labels `y` "
        "when only the allowed outputs take part in the softmax.", 2, 10,
        ("A forbidden output must have probability exactly 0.",
         "Of which logit is the exponential 0?",
         "`F.cross_entropy` takes logits: fill the forbidden ones with minus infinity first, and "
         "keep all columns, so that the labels still fit."),
        checks.masked_loss),
    Exercise(
        "backward_transfer", "Write `backward_transfer(R)` as Lopez-Paz & Ranzato define it: how "
        "much did each task but the last change, on average, between the moment it was learned and "
        "the end? `R[i, j]` is the accuracy on task `j` after training through task `i`.", 1, 5,
        ("Which row of `R` is the end? Which cells are the moments of learning?",
         "`R[-1, j]` and `R[j, j]`. The last task has had no time to change.",
         "For each `j` from 0 to `len(R) - 2` subtract the second of these from the first; average "
         "the differences."),
        checks.backward_transfer),
    Exercise(
        "retention", "Write `retention(R)`: an array like `R` with the accuracy on task `j` after "
        "task `k`, divided by the accuracy right after task `j` was learned, and `np.nan` where "
        "task `j` was not yet learned.", 2, 10,
        ("The divisors stand on the diagonal of `R`.",
         "Column `j` is divided by `R[j, j]`: does `R / x` divide rows or columns by `x`?",
         "`np.diagonal(R)` has the divisors in the order of the columns, and `np.tril` of an array "
         "of ones marks the learned cells. `np.where` puts the two together."),
        checks.retention),
    Exercise(
        "ewc_penalty", "Write `ewc_penalty(weights, anchor, fisher)`: half the squared distance of "
        "the weights from the anchor, where each weight counts by its Fisher information. All are "
        "vectors; the result is one number.", 2, 5,
        ("A weight with no Fisher information may go anywhere for free.",
         "Square the distance of each weight first.",
         "Multiply each squared distance by its Fisher information, add them all up, and take "
         "half."), checks.ewc_penalty),
    Exercise(
        "reservoir", "Write `reservoir(items, capacity, rng)`: go through `items` once and keep "
        "`capacity` of them, so that in the end each has had the same chance to be kept. You may "
        "not know in advance how many there are. `rng.integers(n)` draws from 0 to n - 1.", 3, 15,
        ("The first `capacity` items are simply kept. What chance must the next one have?",
         "Item number `k` (from 0) must be kept with chance `capacity / (k + 1)`, and push out "
         "one of the kept at random.",
         "Draw a place among `k + 1` places. If it is one of the `capacity` places that you keep, "
         "the item goes there; if not, it is dropped."),
        checks.reservoir),
    Exercise(
        "token_kl", "Write `token_kl(teacher_logits, student_logits)`: the forward KL, "
        "KL(teacher || student), at every position. Both are tensors of shape "
        "`(tokens, vocabulary)`; the result has shape `(tokens,)`, in nats.", 2, 10,
        ("Softmax first: logits are not probabilities. In KL(p || q) the average is taken under p.",
         "Sum over the vocabulary: p times (log p minus log q), with p the teacher.",
         "Take `log_softmax` over the last axis of both. The teacher's probabilities are the "
         "exponential of its log-probabilities."), language_checks.token_kl),
    Exercise(
        "may_teach", "Write `may_teach(alone, own, other)`: may the model be its own teacher? Each "
        "argument is a pair `(right answers, questions)`: asked alone, with its own demonstration, "
        "and with another item's. Say True exactly if the *lower* end of Wilson's 95 % interval "
        "with its own demonstration lies above the *upper* ends of both others. "
        "`wilson_interval(right, total)` gives (low, high). (The gate of the package asks for "
        "more: see above.)", 2, 10,
        ("A gate that is in doubt stays shut: compare the worst case of one with the best case of "
         "the others.", "There are two comparisons, and both have to hold.",
         "Make the three intervals. One comparison is enough if you take the larger of the two "
         "upper ends."), language_checks.may_teach),
    Exercise(
        "sdft_loss", "Write `sdft_loss(teacher_logits, student_logits, mask)`: the loss of one "
        "SDFT step. The logits have shape `(responses, tokens, vocabulary)`, the mask "
        "`(responses, tokens)`: 1 at the tokens of a response, its end token included, and 0 "
        "after. Take the forward KL at each token, its mean over the tokens of each response, and "
        "the mean of those.", 2, 10,
        ("Three means, from the inside out: over the vocabulary (under the teacher), over the "
         "tokens of a response, over the responses.",
         "What the mask leaves out must count neither above nor below the line.",
         "Multiply the KL of each token by the mask, and add up along each response. The number of "
         "tokens of a response is the sum of its mask."),
        language_checks.sdft_loss),
    Exercise(
        "moving_average", "Write `moving_average(average, weights, rate)`: the teacher's weights "
        "after one step of an exponential moving average that follows the student's `weights`. "
        "Return new tensors; change nothing in place.", 1, 5,
        ("How much of the old average is left after one step at a rate of 0.01?",
         "A share `rate` comes from the student, the rest from the average as it was.",
         "Two products and one sum; the two shares add up to 1."), language_checks.moving_average),
    Exercise(
        "choose_point", "Write `choose_point(new, kept, enough)`: at several points of a search a "
        "method has the accuracy `new` on the new skill and keeps a share `kept` of the old "
        "(arrays of shape `(points,)`). Return the number of the point to choose, counted from 0: "
        "of those that know the skill to at least `enough`, the one that keeps most; where none "
        "does, the one that knows it best. (A simpler form of the rules by which the records of "
        "this lesson and the last were made.) Ties do not matter.", 1, 5,
        ("Why not simply the one that keeps most? Look at what it has learned.",
         "Points that know too little must lose against all that know enough, and be counted "
         "nevertheless.",
         "`np.where` can give the points that know too little a share below 0, so that `np.argmax` "
         "never takes one. Treat the case that no point knows enough apart."),
        language_checks.choose_point),
)}
"""All exercises of the course by the name of the function to write."""

_hinted: dict[str, int] = {}


def _find(name: str) -> Exercise:
    if name not in exercises:
        raise UnknownNameError("exercise", name, exercises)
    return exercises[name]


def _not_yet(name: str, message: str) -> None:
    print(textwrap.fill(f"{name}: {message}", 100, break_on_hyphens=False))
    # Every notebook imports workbench as wb.
    print(f'For a hint: wb.hint("{name}")')


def check(name: str, answer: Callable[..., Any]) -> None:
    """Check a student's function and print what is wrong with it, or that it is right.

    A wrong answer raises nothing: the rest of the notebook still runs.
    """
    exercise = _find(name)
    try:
        exercise.check(answer)
    except Wrong as wrong:
        _not_yet(name, f"not yet. {wrong}")
    except Exception as error:
        _not_yet(name, f"your function raised {type(error).__name__}: {error}")
    else:
        print(f"{name}: right!")


def hint(name: str) -> None:
    """Print the next hint of an exercise; after the last one, print it again."""
    hints = _find(name).hints
    i = _hinted.get(name, 0)
    _hinted[name] = min(i + 1, len(hints) - 1)
    print(textwrap.fill(f"Hint {i + 1} of {len(hints)}: {hints[i]}", 100, break_on_hyphens=False))
