"""Rounds of self-distillation for `GenerationExplorer`: an exact model, and digits."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.kernel import correction_round, equal_similarity, soft_rounds
from workbench.measure.accuracies import Floats
from workbench.measure.calibration import agreement, expected_calibration_error
from workbench.plots.display import percent
from workbench.tasks.digits import load_digits

Labels = NDArray[np.int64]
NOISES = tuple(round(0.1 * i, 1) for i in range(8))
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CLASSES, PER_CLASS, WITHIN, ACROSS = 4, 30, 0.5, 0.1
"""The exact model: its classes, their examples, and the similarities of these."""
LABELLED, SEEDS, GAMMA = 200, 5, 0.05
"""Digits: labelled examples, draws of them, and the width of the Gaussian kernel."""
CERTAIN = "The curves are computed exactly: nothing is random, so there are no intervals."
ECE = ("ECE (expected calibration error) compares confidence with accuracy. Scores below 0 count "
       "as 0; the scores of an input are divided by their sum.")


@dataclass(frozen=True)
class Rounds:
    """A table of rounds for `workbench.plots.generations`, and the texts of the picture."""

    table: pd.DataFrame
    heading: str
    note: str
    predicted: float = math.inf
    baseline: float | None = None


def probabilities(predictions: Floats) -> Floats:
    """Return predictions of a kernel as probabilities: clipped at 0, with a sum of 1 in each row.

    A row without a value above 0 becomes uniform.
    """
    clipped = np.maximum(predictions, 0)
    total = clipped.sum(-1, keepdims=True)
    uniform = np.full_like(clipped, 1 / clipped.shape[-1])
    return np.asarray(np.divide(clipped, total, out=uniform, where=total > 0))


def measured(predictions: Floats, labels: Labels, seed: int, bins: int = 15) -> pd.DataFrame:
    """Return the measures of predictions of shape (rounds, n, classes), a row for each round."""
    classes = predictions.argmax(-1)
    return pd.DataFrame({
        "round": range(1, len(classes) + 1), "seed": seed,
        "accuracy": (classes == labels).mean(-1),
        "ece": np.asarray(expected_calibration_error(probabilities(predictions), labels, bins)),
        "agreement": np.asarray(agreement(classes, classes[0]))})


@functools.lru_cache(64)
def exact_model(noise: float, penalty: float, rounds: int) -> Rounds:
    """Return rounds of kernel ridge on classes whose members are all equally similar.

    `noise` is one of `NOISES`: the wrong labels of a class are shared equally by the others.
    """
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    place, wrong = np.tile(np.arange(PER_CLASS), CLASSES), round(noise * PER_CLASS)
    noisy = np.where(place < wrong, labels + 1 + place % (CLASSES - 1), labels) % CLASSES
    gram = equal_similarity(WITHIN, ACROSS, PER_CLASS, CLASSES)
    predictions = soft_rounds(gram, np.eye(CLASSES)[noisy], penalty, rounds)
    # Only two confidences occur, of right and of wrong predictions. Narrow bins keep them apart.
    table = measured(predictions, labels, 0, bins=100)
    heading = (f"Exact model: {CLASSES} classes of {PER_CLASS}, {percent(noise)} wrong labels; "
               "measured on the training inputs, by their true labels")
    if not wrong:
        return Rounds(table, heading, f"No predicted round: no label is wrong. {CERTAIN}\n{ECE}")
    memorised = predictions.argmax(-1)[:, noisy != labels] == noisy[noisy != labels]
    table["memorised"] = memorised.mean(-1)
    predicted = correction_round(WITHIN, ACROSS, PER_CLASS, penalty,
                                 1 - noise - noise / (CLASSES - 1))
    where = "dashed line" if predicted <= rounds else f"beyond the {rounds} drawn"
    return Rounds(table, heading, f"Predicted: all wrong labels are corrected at round "
                  f"{predicted:g} ({where}). {CERTAIN}\n{ECE}", predicted)


@functools.cache
def _digits() -> tuple[Sequence[tuple[Floats, Floats, Labels]], Labels]:
    """Return for each seed kernels and labels of training digits, and the labels of test digits."""
    from sklearn.metrics.pairwise import rbf_kernel

    (x, y), _, (new, labels) = load_digits()
    draws = []
    for seed in range(SEEDS):
        own = np.random.default_rng(seed).choice(len(x), LABELLED, replace=False)
        train = x[own].astype(float)
        draws.append((rbf_kernel(train, gamma=GAMMA), rbf_kernel(new.astype(float), train,
                                                                 gamma=GAMMA), y[own]))
    return draws, labels


def _mislabelled(labels: Labels, noise: float, seed: int) -> Floats:
    """Return labels, some wrong, as rows with a single 1; with more noise these stay wrong."""
    rng = np.random.default_rng([seed, 1])
    noisy, order = labels.copy(), rng.permutation(len(labels))
    shift = rng.integers(1, 10, len(labels))
    wrong = order[:round(noise * len(labels))]
    noisy[wrong] = (noisy[wrong] + shift[wrong]) % 10
    return np.eye(10)[noisy]


@functools.cache
def _one_round() -> Floats:
    """Return the accuracy of one round: shape (penalties, noises)."""
    draws, labels = _digits()
    right = []
    for seed, (gram, new, y) in enumerate(draws):
        # Each output is computed on its own, so that one call serves all noises.
        targets = np.hstack([_mislabelled(y, noise, seed) for noise in NOISES])
        outputs = soft_rounds(gram, targets, PENALTIES, 1, new)[:, 0]
        answers = outputs.reshape(*outputs.shape[:2], len(NOISES), 10).argmax(-1)
        right.append((answers == labels[:, None]).mean(1))
    return np.asarray(np.mean(right, axis=0))


@functools.lru_cache(64)
def digits_kernel(noise: float, penalty: float, rounds: int) -> Rounds:
    """Return rounds of kernel ridge on digits, measured on clean test digits."""
    draws, labels = _digits()
    table = pd.concat([measured(soft_rounds(gram, _mislabelled(y, noise, seed), penalty, rounds,
                                            new), labels, seed)
                       for seed, (gram, new, y) in enumerate(draws)], ignore_index=True)
    alone = _one_round()[:, NOISES.index(noise)]
    best = float(alone.max())
    return Rounds(
        table, f"Digits, kernel ridge: {LABELLED} labelled digits, {percent(noise)} wrong labels; "
        f"measured on {len(labels)} clean test digits, {SEEDS} seeds",
        "No predicted round: real digits are not equally similar. Dotted: one round with penalty "
        f"{PENALTIES[int(alone.argmax())]:g}, the best of {len(PENALTIES)} on these test digits "
        f"({percent(best)}).\n{ECE}", baseline=best)


def of_networks(networks: pd.DataFrame, noise: float, rounds: int) -> Rounds:
    """Return the generations of networks in a table of `GenerationExplorer`."""
    rows = networks[(networks["noise"] == noise) & (networks["generation"] <= rounds)]
    seeds = rows["seed"].nunique()
    band = " The band is the 95 % interval of the mean over seeds." if seeds > 2 else ""
    return Rounds(
        rows.rename(columns={"generation": "round"}),
        f"Digits, networks: {percent(noise)} wrong labels; measured on clean test digits, "
        f"seeds: {seeds}", f"No predicted round: networks have no closed form.{band}")
