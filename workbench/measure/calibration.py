"""Calibration: whether the confidence of a prediction is its chance to be right; and agreement."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.errors import DataError, whole
from workbench.measure.accuracies import Floats
from workbench.measure.metrics import Score, as_score

ROUNDING = 1e-3
"""Most that the probabilities of an example may differ from a sum of 1: float16 rounds by less."""


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike,
                               bins: int = 15) -> Score:
    r"""Return the ECE of Guo et al. (2017, arXiv 1706.04599), from 0 to 1, per leading index.

    :math:`\sum_b \frac{n_b}{n}\,|\mathrm{acc}_b-\mathrm{conf}_b|`: the confidence of a prediction
    is its probability, bin b of B holds confidences in :math:`(b/B, (b+1)/B]`, and acc and conf are
    the means of a bin.

    The value depends on the number of bins and of examples, so compare only values with the same
    numbers. With few examples in a bin it is too high: by chance, even a calibrated model is above
    0. With few bins it can be too low: errors of opposite sign cancel within a bin.

    Parameters
    ----------
    probabilities : array_like, shape (..., n, classes)
        Rows sum to 1. Leading axes, such as seeds, are kept.
    labels : array_like, shape (n,) or (..., n)
        Whole numbers from 0 to classes - 1.
    bins : int
        Number of bins of equal width.

    Raises
    ------
    DataError
        If a row is not one of probabilities, or labels or shapes do not fit.
    """
    confidence, right = _confidence(probabilities, labels)
    inside = _bin(confidence, bins)[..., None] == np.arange(bins)
    gaps = ((right - confidence)[..., None] * inside).mean(-2)  # n_b / n is in this mean
    return as_score(np.abs(gaps).sum(-1))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> pd.DataFrame:
    """Return the points of a reliability diagram, one row for each bin that is not empty.

    Arguments and errors are those of `expected_calibration_error`; examples of all leading indices
    are pooled. The columns are ``bin`` (its number, from 0), ``confidence`` and ``accuracy`` (the
    means of its examples), and ``count`` (their number).
    """
    confidence, right = _confidence(probabilities, labels)
    rows = pd.DataFrame({"bin": _bin(confidence, bins).ravel(), "confidence": confidence.ravel(),
                         "accuracy": right.ravel()})
    return rows.groupby("bin", as_index=False).agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), count=("bin", "size"))


def agreement(a: ArrayLike, b: ArrayLike) -> Score:
    """Return the share of examples on which two models predict the same class, per leading index.

    Each argument has either predicted classes, which are whole numbers of shape (..., n), or
    probabilities of shape (..., n, classes), whose largest value is the prediction. Leading axes
    are broadcast: generations can be compared with their first teacher at once. Raises `DataError`
    if they do not fit.
    """
    first, second = _predictions("a", a), _predictions("b", b)
    try:
        equal = np.equal(first, second)
    except ValueError:
        equal = np.array([])
    if not equal.shape[-1] == first.shape[-1] == second.shape[-1]:
        raise DataError(f"the predictions of a and b have shapes {first.shape} and {second.shape}: "
                        "the last axis must have the same examples, and leading axes broadcast")
    return as_score(np.asarray(equal.mean(-1)))


def _confidence(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Return the largest probabilities, and 1 where they are the label's: (..., n) both."""
    p, y = _checked("probabilities", probabilities), _classes("labels", labels)
    if y.shape not in (p.shape[:-1], p.shape[-2:-1]):
        raise DataError(f"labels have shape {y.shape}, which does not fit probabilities of shape "
                        f"{p.shape}: expected {p.shape[:-1]} or {p.shape[-2:-1]}")
    bad = np.argwhere((y < 0) | (y >= p.shape[-1]))
    if len(bad):
        raise DataError(f"labels{bad[0].tolist()} is {y[tuple(bad[0])]}, expected a whole number "
                        f"from 0 to {p.shape[-1] - 1}: probabilities have {p.shape[-1]} classes")
    return p.max(-1), (p.argmax(-1) == y).astype(np.float64)


def _bin(confidence: Floats, bins: int) -> NDArray[np.intp]:
    whole(bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    return np.searchsorted(edges[1:-1], confidence)  # an edge belongs to the bin below it


def _checked(name: str, values: Any) -> Floats:
    """Return probabilities as floats; others raise `DataError`."""
    p = np.asarray(values, dtype=np.float64)
    if p.ndim < 2 or not p.size:
        raise DataError(f"{name} have shape {p.shape}, expected (..., n, classes) with at least "
                        "one example and one class")
    bad = np.argwhere(~(((p >= 0).all(-1)) & (np.abs(p.sum(-1) - 1) <= ROUNDING)))
    if len(bad):
        row = p[tuple(bad[0])]
        raise DataError(f"{name}{bad[0].tolist()} is {np.round(row[:4], 4).tolist()}"
                        f"{' and more' * (len(row) > 4)} with a sum of {row.sum():.4g}, expected "
                        "numbers of at least 0 with a sum of 1. If these are logits, take the "
                        "softmax first.")
    return p


def _classes(name: str, values: Any) -> NDArray[np.int64]:
    """Return whole numbers of shape (..., n); others raise `DataError`."""
    y = np.asarray(values)
    if y.dtype.kind not in "iu" or not y.ndim or not y.size:
        raise DataError(f"{name} must be the numbers of classes, whole numbers of shape (n,) or "
                        f"(..., n), not {y.dtype} of shape {y.shape}")
    return y.astype(np.int64)


def _predictions(name: str, values: Any) -> NDArray[np.int64]:
    if np.asarray(values).dtype.kind == "f":
        return np.asarray(_checked(name, values).argmax(-1), dtype=np.int64)
    return _classes(name, values)
