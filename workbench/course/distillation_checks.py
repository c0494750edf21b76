"""Checks of the exercises about self-distillation: each recognises likely mistakes."""

# mypy: allow-untyped-calls

import warnings

import numpy as np

from workbench.course import solutions
from workbench.course.checks import Answer, Wrong, expect, near, one_number, refuse_mistakes


def best_mixing(answer: Answer) -> None:
    """Check the best share of a student in a mixture with its teacher."""
    y, teacher = np.array([1.0, -2.0, 0.5, 3.0, -1.0]), np.array([0.8, -0.9, 1.1, 1.6, -0.2])
    student = np.array([0.3, -0.7, 0.9, 2.2, 0.1])
    value = one_number(answer(y.copy(), teacher.copy(), student.copy()))
    step, error = student - teacher, y - teacher
    wanted, squared = float(solutions.best_mixing(y, teacher, student)), step @ step
    refuse_mistakes(value, [
        (-wanted, "The sign is wrong: a student in the direction of the labels has a share above "
                  "0."),
        (1 - wanted, "That is the share of the teacher; return that of the student."),
        (1 / wanted, "The quotient is upside down."),
        (error @ step, "Divide by the sum of the squared differences."),
        (error @ step / np.sqrt(squared), "The differences below the line have to be squared."),
        (error @ step / np.sqrt(squared * (error @ error)), "That is a correlation; the errors do "
         "not belong below the line."),
        (error @ step / (error @ error), "That divides by the squared errors of the teacher; "
         "divide by the squared differences between student and teacher."),
        (2 * wanted, "Twice too much: the derivative of a square has a 2 on both sides."),
        (wanted / 2, "Half of it: the derivative of a square has a 2 on both sides."),
        (5 * wanted, "One of the two is a mean and the other a sum."),
        (wanted / 5, "One of the two is a mean and the other a sum."),
        (y @ step / squared, "The difference should explain the error of the teacher, and not the "
                             "labels: take the teacher's predictions off."),
        (error @ student / (student @ student), "A mixture moves from the teacher to the student: "
         "use their difference, and not the student's predictions."),
        (np.cov(error, step)[0, 1] / step.var(ddof=1), "That takes the means off: a mixture has "
         "no intercept.")])
    expect(value, wanted)
    for labels, words in ((teacher - 2 * step, "below 0"), (teacher + 3 * step, "above 1")):
        again = one_number(answer(labels.copy(), teacher.copy(), student.copy()))
        right = float(solutions.best_mixing(labels, teacher, student))
        if not near(again, right):
            raise Wrong(f"The best share may be {words}: here it is {right:g}, not {again:g}.")


def correction_round(answer: Answer) -> None:
    """Check the round at which the last wrong label is corrected."""
    c, d, m, penalty, margin = 0.3, 0.25, 20, 0.08, 0.15
    value = one_number(answer(c, d, m, penalty, margin))
    a, odds = (1 - c) / (1 - c + penalty), (1 + margin) / margin

    def log_b(e: float) -> float:
        return float(np.log(e / (e + penalty)))

    e = 1 - c + m * (c - d)
    threshold = np.log(odds) / (log_b(e) - np.log(a))
    wanted = np.floor(threshold) + 1
    mistakes = [
        (m * (c - d), np.log(odds), "The 1 - c of e is missing."),
        (1 - c + c - d, np.log(odds), "The number of examples in a class is missing in e."),
        (e, -np.log(margin), "Above the line is the logarithm of (1 + Delta) / Delta."),
        (e, np.log((1 - margin) / margin), "Above the line there is 1 + Delta, and not 1 - Delta."),
        (1e12, np.log(odds), "b is missing: what differs between classes shrinks too.")]
    wrong = [(np.floor(above / (log_b(between) - np.log(a))) + 1, words)
             for between, above, words in mistakes]
    refuse_mistakes(value, [
        (threshold, "The threshold is right; return the first whole round above it."),
        (wanted - 1, "That is the last round with a wrong label: return the first one above the "
                     "threshold."),
        (-threshold, "The sign is wrong: is a above the line, in place of b?"),
        (np.floor(-threshold) + 1, "The sign is wrong: is a above the line, in place of b?"),
        (np.floor(odds * a / np.exp(log_b(e))) + 1, "Two logarithms are missing."), *wrong])
    expect(value, wanted)
    if not near(one_number(answer(0.5, 0.1, 10, 0.5, 0.5)), 2):
        raise Wrong("Right in the first example, but not for c = 0.5, d = 0.1, m = 10, lambda = "
                    "0.5 and Delta = 0.5, where it is round 2.")
    for low in (0.0, -0.2):
        with warnings.catch_warnings(action="ignore"):
            try:
                never = one_number(answer(c, d, m, penalty, low))
            except (ArithmeticError, ValueError) as error:
                raise Wrong(f"For a margin of {low:g} it fails ({error}). No round corrects such "
                            "labels: return np.inf.") from error
        if never != np.inf:
            raise Wrong(f"For a margin of {low:g} it gives {never:g}, but no round corrects such "
                        "labels: return np.inf.")
