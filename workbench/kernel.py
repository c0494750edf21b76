"""Self-distillation of kernel ridge regression in closed form: arrays in, arrays out.

A model is fitted to labels, the next one to its predictions, and so on. The rounds change the part
of the labels along each eigenvector of the Gram matrix on its own, so that one eigendecomposition
gives all rounds.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from workbench.errors import ConfigError, DataError, positive, whole
from workbench.measure.accuracies import Floats


def _matrix(name: str, values: ArrayLike, rows: int | None = None,
            columns: int | None = None) -> Floats:
    """Return a finite matrix, or raise `DataError` with its name and the expected shape."""
    matrix = np.asarray(values, dtype=np.float64)
    wanted = f"({rows or 'rows'}, {columns or 'columns'})"
    if matrix.ndim != 2 or not matrix.size or rows not in (None, len(matrix)) or columns not in (
            None, matrix.shape[1]):
        raise DataError(f"{name} must have shape {wanted}, not {matrix.shape}")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise DataError(f"{name}[{row}, {column}] is {matrix[row, column]}, expected "
                        "a finite number")
    return matrix


def _eigh(gram: ArrayLike) -> tuple[Floats, Floats]:
    """Return eigenvalues of at least 0, shape (n,), and eigenvectors, shape (n, n)."""
    matrix = _matrix("gram", gram)
    matrix = _matrix("gram", matrix, len(matrix), len(matrix))
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-10 * abs(matrix).max()):
        raise DataError("gram must be symmetric: give the kernel of the training inputs with "
                        "themselves, and that of new inputs as the argument new")
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-8 * abs(values).max():
        raise DataError(f"gram has the negative eigenvalue {values[0]:.3g}, so that it is no "
                        "kernel; expected a positive semidefinite matrix")
    return np.maximum(values, 0), vectors


def smoother(gram: ArrayLike, penalty: float) -> Floats:
    r"""Return :math:`A = K(K+\lambda I)^{-1}`, which turns labels into fitted values: (n, n)."""
    positive(penalty=penalty)
    values, vectors = _eigh(gram)
    return np.asarray((vectors * (values / (values + penalty))) @ vectors.T)


def soft_rounds(gram: ArrayLike, targets: ArrayLike, penalty: ArrayLike, rounds: int,
                new: ArrayLike | None = None, weight: ArrayLike = 0.0) -> Floats:
    """Return the predictions after each round of self-distillation.

    Round 1 is kernel ridge on the targets. Each later round is fitted to the predictions of the
    round before on the training inputs, mixed with a share of the targets.

    Parameters
    ----------
    gram : array of shape (n, n)
        Kernel of the training inputs, symmetric and positive semidefinite.
    targets : array of shape (n, outputs)
        Numbers, or labels as rows with a single 1.
    penalty : float or array of shape (penalties,)
        Above 0; added to the diagonal of `gram`. An array gives the result a first axis.
    rounds : int
        At least 1.
    new : array of shape (m, n), optional
        Kernel of new inputs (rows) with the training inputs.
    weight : float or array of shape (rounds - 1,)
        Share of the targets in each later round; the rest are predictions. Any finite number.

    Returns
    -------
    array of shape (rounds, m, outputs)
        For new inputs, or for the n training inputs if `new` is None. With several penalties
        (penalties, rounds, m, outputs).

    Raises
    ------
    ConfigError
        For a penalty, a number of rounds or a weight that cannot work.
    DataError
        For matrices of other shapes, with missing values, or a `gram` that is no kernel.
    """
    whole(rounds=rounds)
    penalties, weights = np.asarray(penalty, dtype=np.float64), np.asarray(weight, np.float64)
    if penalties.ndim > 1 or not (np.isfinite(penalties) & (penalties > 0)).all():
        raise ConfigError(f"penalty must be one or several finite numbers above 0, not {penalty!r}")
    if weights.shape not in ((), (rounds - 1,)) or not np.isfinite(weights).all():
        raise ConfigError(f"weight must be a finite number, or one for each of {rounds - 1} later "
                          f"rounds, not {weight!r}")
    values, vectors = _eigh(gram)
    labels = vectors.T @ _matrix("targets", targets, len(values))
    onto = vectors * values if new is None else _matrix("new", new, columns=len(values)) @ vectors
    shrink = 1 / (values + penalties[..., None])
    kept = [shrink]
    for share in np.broadcast_to(weights, rounds - 1):
        kept.append((share + (1 - share) * values * kept[-1]) * shrink)
    return np.asarray(onto @ (np.stack(kept, -2)[..., None] * labels))


def equal_similarity(within: float, across: float, per_class: int, classes: int) -> Floats:
    """Return the Gram matrix with 1 on its diagonal and two other entries, class after class."""
    whole(per_class=per_class)
    whole(2, classes=classes)
    gram = np.kron(np.where(np.eye(classes), within, across), np.ones((per_class, per_class)))
    np.fill_diagonal(gram, 1)
    return np.asarray(gram)


def correction_round(within: float, across: float, per_class: int, penalty: float,
                     margin: float) -> float:
    r"""Return the first round at which no wrong label is left in the predictions.

    Inputs have similarity 1 with themselves, `within` with their class and `across` with other
    classes (`equal_similarity`). All classes are equally large, and equally frequent among the
    labels. A round multiplies differences within a class by :math:`a=(1-c)/(1-c+\lambda)`, and
    differences between classes by :math:`b=e/(e+\lambda)` with :math:`e=1-c+m(c-d)`. A wrong label
    is corrected once :math:`b^t\Delta>a^t(1+\Delta)`.

    The entries c and d are from -1 to 1, c below 1; m is `per_class`. The `margin` :math:`\Delta`,
    from -1 to 1, is the smallest difference, in any class, of the share with the right label and
    the share with one wrong label. If it is not above 0, or c is not above d, no round corrects all
    labels, and the result is infinite; otherwise it is a whole number of at least 1.
    """
    whole(per_class=per_class)
    positive(penalty=penalty)
    for name, value in (("within", within), ("across", across), ("margin", margin)):
        if not -1 <= value <= 1 or (name == "within" and value == 1):
            raise ConfigError(f"{name} must be from -1 to 1{' and below 1' * (name == 'within')}, "
                              f"not {value!r}")
    if margin <= 0 or within <= across:
        return math.inf
    own = 1 - within
    between = own + per_class * (within - across)
    # log(b / a) without the cancellation of two numbers near 1.
    growth = math.log1p(penalty / own) - math.log1p(penalty / between)
    return math.floor(math.log1p(1 / margin) / growth) + 1.0


def collapse_bounds(targets: ArrayLike, tolerance: float) -> tuple[float, float]:
    r"""Return bounds on `rounds_until_collapse` that hold for every kernel: (low, high).

    With :math:`r=\|y\|/\sqrt{n\epsilon}` they are r - 1 and :math:`r^2`.
    """
    positive(tolerance=tolerance)
    labels = _matrix("targets", targets)
    squared = float((labels**2).sum() / (len(labels) * tolerance))
    return math.sqrt(squared) - 1, squared


def rounds_until_collapse(gram: ArrayLike, targets: ArrayLike, tolerance: float) -> int:
    r"""Return the number of rounds before the model becomes 0 everywhere.

    Each round takes the smoothest function (the smallest norm) whose mean squared distance from the
    predictions before, summed over outputs, is at most `tolerance`: kernel ridge with another
    penalty each time (Mobahi et al., 2020, arXiv 2002.05715). Once the predictions have a mean
    square of at most `tolerance`, this function is 0. `gram` must be positive definite; else
    `DataError`.
    """
    positive(tolerance=tolerance)
    values, vectors = _eigh(gram)
    if values[0] <= len(values) * np.finfo(float).eps * values[-1]:
        raise DataError(f"gram must be positive definite, its smallest eigenvalue is "
                        f"{values[0]:.3g}: leave out equal inputs, or add to its diagonal")
    squares = ((vectors.T @ _matrix("targets", targets, len(values)))**2).sum(1)
    allowed, done = len(values) * tolerance, 0
    while squares.sum() > allowed:
        def missed(log_penalty: float, squares: Floats = squares) -> float:
            left = 1 / (1 + values / math.exp(log_penalty))
            return float(left**2 @ squares - allowed)

        # Ridge with equal eigenvalues, all the smallest or all the largest one, is on either side.
        share = math.sqrt(allowed / squares.sum())
        ends = np.log(values[[0, -1]] * share / (1 - share)) + [-1e-6, 1e-6]
        penalty = math.exp(brentq(missed, *ends, xtol=1e-13))
        squares = squares * (values / (values + penalty))**2
        done += 1
    return done
