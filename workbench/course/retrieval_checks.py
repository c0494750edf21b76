"""Checks of the exercises about retrieval: each recognises likely mistakes."""

# mypy: allow-untyped-calls

import warnings
from typing import Any

import numpy as np

from workbench.course import solutions
from workbench.course.checks import (
    Answer,
    Wrong,
    as_array,
    expect,
    near,
    one_number,
    refuse_mistakes,
)
from workbench.measure.accuracies import Floats


def signature(answer: Answer) -> None:
    """Check the log density of a fitted Gaussian."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 3)) @ rng.normal(size=(3, 3)) + [4.0, -2.0, 1.0]
    new = X[:4] + rng.normal(size=(4, 3))
    value = as_array(answer(X.copy(), new.copy()), (4,), "a log density for each of 4 new rows")
    wanted, gap = solutions.signature(X, new), new - X.mean(0)
    biased, unbiased = np.cov(X.T, bias=True), np.cov(X.T)
    constant = 3 * np.log(2 * np.pi)

    def density(covariance: Floats, gaps: Floats = gap) -> Floats:
        squared = (gaps @ np.linalg.inv(covariance) * gaps).sum(1)
        return np.asarray(-0.5 * (squared + np.linalg.slogdet(covariance)[1] + constant))

    squared, log_det = (gap @ np.linalg.inv(biased) * gap).sum(1), np.linalg.slogdet(biased)[1]
    refuse_mistakes(value, [
        (density(unbiased), "That divides by n - 1; the maximum-likelihood covariance divides by "
                            "n, the number of rows."),
        (wanted + constant / 2, "The constant with 2 pi is missing: it counts once for each "
                                "feature."),
        (wanted - np.log(2 * np.pi) / 2 + constant / 2,
         "The constant with 2 pi counts once for each feature, not once in all."),
        (wanted + log_det / 2, "The determinant is missing: a narrow Gaussian has a higher "
                               "density."),
        (wanted - log_det / 2, "The log determinant needs the factor 1/2 too."),
        (wanted + log_det, "The sign of the log determinant is wrong: a narrow Gaussian has a "
                           "higher density."),
        (wanted - (np.exp(log_det) - log_det) / 2, "That has the determinant; take its logarithm."),
        (squared, "That is the squared Mahalanobis distance; the log density needs the "
                  "determinant and a constant too."),
        (-squared / 2, "The determinant and the constant are missing."),
        (np.exp(wanted), "That is the density; return its logarithm."),
        (-wanted, "The sign is wrong: the log density falls with the distance."),
        (wanted - squared / 2, "The factor 1/2 of the squared distance is missing."),
        (density(np.diag(np.diag(biased))), "That uses the variances only; use the whole "
                                            "covariance."),
        (density(biased, new), "The mean was not subtracted from the new rows."),
        (-0.5 * ((gap @ biased * gap).sum(1) + log_det + constant),
         "The covariance stands where its inverse belongs.")])
    if not near(value, wanted):
        raise Wrong(f"On the example in the check the first row gives {value[0]:.4f} and should "
                    f"give {wanted[0]:.4f}.")
    many = rng.normal(size=(900, 300)) / 30
    with warnings.catch_warnings(action="ignore"):
        far = np.asarray(answer(many.copy(), many[:2].copy()), dtype=float)
    if not near(far, solutions.signature(many, many[:2]), atol=1e-3):
        raise Wrong("Right in 3 features, but not in 300, where the determinant is too small for "
                    "a float: take np.linalg.slogdet, which returns its sign and logarithm.")


def bhattacharyya_bound(answer: Answer) -> None:
    """Check B1 of two Gaussians."""
    a, b = np.array([1.0, -1.0, 0.5]), np.array([-0.5, 0.5, 2.0])
    A = np.array([[1.5, 0.4, 0.0], [0.4, 0.8, 0.2], [0.0, 0.2, 1.2]])
    B = np.array([[0.5, -0.2, 0.1], [-0.2, 2.0, 0.0], [0.1, 0.0, 0.9]])
    value = one_number(answer(a.copy(), A.copy(), b.copy(), B.copy()))
    wanted = float(solutions.bhattacharyya_bound(a, A, b, B))
    gap, middle = a - b, (A + B) / 2
    squared = float(gap @ np.linalg.solve(middle, gap))
    spread = -np.log(wanted) - squared / 8
    summed = float(gap @ np.linalg.solve(A + B, gap)) / 8
    refuse_mistakes(value, [
        (-np.log(wanted), "That is the distance D_B; the bound is the exponential of minus it."),
        (np.log(wanted), "That is minus the distance D_B; take its exponential."),
        (1 / wanted, "The sign of the exponent is wrong: clusters that are far apart are seldom "
                     "confused."),
        (wanted / 2, "That is half of B1. For two tasks it is a bound as well, but B1, the sum "
                     "over clusters, has no factor 1/2."),
        (2 * wanted, "That is the sum over both tasks; each is drawn half of the time."),
        (np.exp(-squared / 8), "The part with the determinants is missing."),
        (np.exp(-squared / 8 - 2 * spread), "The part with the determinants needs the factor 1/2."),
        (np.exp(-squared / 8 + spread), "The sign of the part with the determinants is wrong: "
                                        "it is never below 0."),
        (np.exp(-spread), "The part with the means is missing."),
        *((np.exp(-squared / k - spread), f"The squared distance of the means has the factor 1/8, "
                                          f"not 1/{k}.") for k in (1, 2, 4)),
        (np.exp(-np.sqrt(squared) / 8 - spread), "The distance of the means has to be squared."),
        *((np.exp(-summed - part), "The sum of the covariances stands where their mean belongs.")
          for part in (spread, spread + 1.5 * np.log(2))),
        (np.exp(-squared / 8 - spread - np.linalg.slogdet(A @ B)[1] / 4),
         "The determinants of the two covariances are missing in the denominator.")])
    expect(value, wanted)
    d, narrow = 400, np.eye(400) / 900
    with warnings.catch_warnings(action="ignore"):
        many = one_number(answer(np.zeros(d), narrow, np.full(d, 0.005), narrow))
    if not near(many, np.exp(-d * 0.005**2 * 900 / 8)):
        raise Wrong("Right in 3 features, but not in 400, where a determinant is too small for a "
                    "float: take np.linalg.slogdet, which returns its sign and logarithm.")


def surviving_score(answer: Answer) -> None:
    """Check a score on adapters that were scaled down in two ways."""
    usual = np.array([8.0, 9.0, 10.0])
    spread = np.array([0.5, 0.6, 0.7, 0.8, 1, 1.1, 1.4, 1.6, 1.8])
    held_out = [level * np.roll(spread, k) for k, level in enumerate(usual)]
    # Own distances are usual ones for the task, the others are 4 to 8 times as large.
    right = np.array([0, 2, 1, 2, 0, 1])
    distances = usual * np.array([[0.9, 5, 4], [6, 7, 1.2], [4, 0.7, 8], [5, 4, 0.6], [1.3, 6, 4.5],
                                  [7, 1.05, 5]])
    log_dets = np.array([-3.0, -2.0, -4.0])

    def winners(scale: float, added: float) -> Any:
        """Shrink the last task's distances, and add to its log determinant."""
        times, plus = np.array([1, 1, scale]), np.array([0, 0, added])
        given = [own * t for own, t in zip(held_out, times, strict=True)]
        value = answer(distances * times, log_dets + plus, given)
        return as_array(value, (6, 3), "a score for each of 6 inputs and 3 tasks")

    plain = winners(1, 0)
    if not plain.std():
        raise Wrong("All scores are equal.")
    if ((-plain).argmax(1) == right).all():
        raise Wrong("The sign is wrong: the best task must have the highest score, and a distance "
                    "is lowest there.")
    if not (plain.argmax(1) == right).all():
        raise Wrong(f"Before any features are scaled down, your scores are highest for the tasks "
                    f"{plain.argmax(1).tolist()}, but the right tasks are {right.tolist()}.")
    if not (winners(1, -90).argmax(1) == right).all():
        raise Wrong("If the features of the last adapter are scaled down, its task has the highest "
                    "score everywhere. Its log determinant fell by 90, and the distances stayed "
                    "the same. Do not use log_dets.")
    if not (winners(0.05, -60).argmax(1) == right).all():
        raise Wrong("Right if the distances stay the same. But if all distances of the last task "
                    "are divided by 20, including those of its held-out inputs, this task has the "
                    "highest score too often. Compare the distance of an input with those of the "
                    "task's own held-out inputs.")
    alone = np.concatenate([as_array(answer(row[None].copy(), log_dets.copy(), held_out), (1, 3),
                                   "a score for each of 3 tasks") for row in distances])
    if not near(alone, plain):
        raise Wrong("The score of an input depends on the other inputs that are tested. Compare it "
                    "with the held-out inputs only.")


def p_value(answer: Answer) -> None:
    """Check a conformal p-value."""
    # Of 11 held-out scores 2 are below, 2 equal and 7 above: no mistake gives the right share.
    held_out = np.array([7.0, 3.0, 4.0, 9.0, 5.0, 1.0, 8.0, 4.0, 6.0, 11.0, 10.0])
    value = one_number(answer(4.0, held_out.copy()))
    both = "the new score counts too, and so does a held-out score that is equal"
    less = "That counts the scores that are lower; count those that are at least as high."
    refuse_mistakes(value, [
        (9 / 11, "The new score counts too, in the numerator and in the denominator. Without it "
                 "the p-value can be 0, and the error rate is too high."),
        (9 / 12, "The 1 in the numerator is missing: the new score is as high as itself."),
        (10 / 11, "The 1 in the denominator is missing: with the new score there are n + 1."),
        (8 / 12, "A held-out score that is equal counts: compare with >=."),
        (7 / 11, f"Two things are missing: {both}."), (7 / 12, f"Two things are missing: {both}."),
        *((wrong, less) for wrong in (5 / 12, 4 / 11, 4 / 12, 3 / 12, 2 / 11, 3 / 11, 2 / 12)),
        (10, "That is a number of inputs; return a share.")])
    expect(value, 10 / 12)
    for score, wanted, words in ((99.0, 1 / 12, "higher than all"),
                                 (0.0, 1, "lower than all")):
        again = one_number(answer(score, held_out.copy()))
        if not near(again, wanted):
            raise Wrong(f"A score that is {words} held-out scores should have the p-value "
                        f"{wanted:g}, not {again:.4f}.")
    if not near(one_number(answer(4.0, held_out[:3].copy())), 3 / 4):
        raise Wrong("Right for 11 held-out scores, but not for 3: use len(held_out).")


def find_the_leak(answer: Answer) -> None:
    """Check the accuracy of an evaluation without its leak."""
    rng = np.random.default_rng(1)
    tasks = np.repeat([0, 1, 2], [64, 32, 48])
    scores = rng.normal(size=(len(tasks), 3)) + 0.9 * np.eye(3)[tasks]
    scores[tasks == 1, 1] += 1.0  # another accuracy in each task
    value = one_number(answer(scores.copy(), tasks.copy()))
    right = scores.argmax(1) == tasks
    batches = [np.flatnonzero(tasks == k)[i:i + 16] for k in range(3)
               for i in range(0, (tasks == k).sum(), 16)]
    refuse_mistakes(value, [
        (sum(len(rows) * (scores[rows].mean(0).argmax() == tasks[rows[0]]) for rows in batches)
         / len(tasks), "That is the number with the leak: the inputs of one batch still choose "
                       "together, and all of them have the same task."),
        (np.mean([right[tasks == k].mean() for k in range(3)]),
         "That is the mean over tasks; every input counts once, and the tasks have different "
         "numbers of inputs."),
        (1 - right.mean(), "That is the share that is wrong."),
        (right.sum(), "That is a number of inputs; return a share.")])
    expect(value, float(right.mean()))
    order = rng.permutation(len(tasks))
    again = one_number(answer(scores[order], tasks[order]))
    if not near(again, right.mean()):
        raise Wrong("The result depends on the order of the inputs. Each input must be judged by "
                    "its own scores.")


def decomposition(answer: Answer) -> None:
    """Check the three numbers of the decomposition of an accuracy."""
    task_right = np.array([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1], dtype=bool)
    class_right = np.array([1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 1], dtype=bool)
    value = as_array(answer(task_right.copy(), class_right.copy()), (3,), "three numbers")
    wanted = np.array([8 / 12, 6 / 8, 1 / 4])
    refuse_mistakes(value, [
        ([8 / 12, 6 / 12, 1 / 12], "Numbers 2 and 3 are shares of all inputs; P(class right | task "
                                   "right) is a share of those whose task is right."),
        ([8 / 12, 6 / 7, 1 / 7], "Those are P(task right | class right) and so on: divide by the "
                                 "inputs whose task is right, or wrong."),
        ([8 / 12, 6 / 8, 3 / 4],
         "Number 3 is the share whose class is wrong; take the right ones."),
        ([4 / 12, 6 / 8, 1 / 4], "Number 1 is the share whose task is wrong."),
        ([8 / 12, 1 / 4, 6 / 8], "Numbers 2 and 3 are exchanged."),
        ([8 / 12, 6 / 8, 7 / 12],
         "Number 3 is the accuracy on all inputs; leave those out whose task is right."),
        ([8 / 12, 7 / 12, 7 / 12],
         "Numbers 2 and 3 are the accuracy on all inputs; take only those whose task is right, or "
         "wrong."),
        ([8, 6, 1], "Those are numbers of inputs; return shares.")])
    together = value[0] * value[1] + (1 - value[0]) * value[2]
    if near(together, 7 / 12) and not near(value, wanted):
        raise Wrong("Together they give the right accuracy, but each part is wrong: "
                    "P(task right), P(class right | task right), P(class right | task wrong).")
    if not near(value, wanted):
        raise Wrong(f"On the example in the check it gives {np.round(value, 4).tolist()} and "
                    f"should give {np.round(wanted, 4).tolist()}.")
    for all_right, expected in ((True, [1, 0.5, np.nan]), (False, [0, np.nan, 0.5])):
        with warnings.catch_warnings(action="ignore"):
            try:
                parts = answer(np.full(2, all_right), np.array([True, False]))
            except ZeroDivisionError as error:
                raise Wrong(f"Where all tasks are {'right' if all_right else 'wrong'} it fails "
                            f"({error}). A share of no inputs is not defined: return np.nan.",
                            ) from error
        if not near(as_array(parts, (3,), "three numbers"), expected):
            raise Wrong(f"Where all tasks are {'right' if all_right else 'wrong'}, one number is a "
                        "share of no inputs. It is not defined: return np.nan for it.")
