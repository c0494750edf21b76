"""Features in two dimensions, to look at, and the distances that such a picture does not show."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.measure.accuracies import Floats
from workbench.retrieval.bounds import Mixture, shared_bound

KINDS = ("umap", "pca", "lda")
_ONE_AT_A_TIME = threading.Lock()


def project(features: ArrayLike, kind: str, tasks: ArrayLike | None = None, random_state: int = 0,
            progress: Callable[[str], object] | None = None) -> Floats:
    """Return features in two dimensions.

    Parameters
    ----------
    features : array-like, shape (n, d)
        At least four rows of finite numbers.
    kind : {"umap", "pca", "lda"}
        ``lda`` separates the tasks as well as a plane can. It finds some separation for names drawn
        at random, too: compare with shuffled tasks.
    tasks : array-like, shape (n,), optional
        The task of each row; only ``lda`` needs it, and at least three tasks.
    random_state : int
        Seed of ``umap`` and ``pca``.
    progress : callable, optional
        Called with a text in each epoch of ``umap``. An error that it raises ends the work and is
        passed on.

    Returns
    -------
    ndarray, shape (n, 2)
    """
    X = checked(features)
    if kind == "umap":
        from umap import UMAP, layouts  # type: ignore[import-untyped]

        method = UMAP(n_neighbors=min(15, len(X) - 1), random_state=random_state, n_jobs=1)
        with _told_of_epochs(layouts, progress) if progress else nullcontext():
            return np.asarray(method.fit_transform(X), dtype=np.float64)
    if kind == "pca":
        return np.asarray(PCA(2, random_state=random_state).fit_transform(X), dtype=np.float64)
    if kind != "lda":
        raise UnknownNameError("projection", kind, KINDS)
    if tasks is None:
        raise ConfigError("the projection 'lda' needs the tasks; give tasks, or take 'pca'")
    codes = _task_codes(tasks, len(X))[1]
    if codes.max() < 2 or X.shape[1] < 2:
        raise DataError("the projection 'lda' needs at least 3 tasks and 2 features, because it "
                        "has one dimension fewer than tasks. Take 'pca'.")
    method = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=2)
    return np.asarray(method.fit(X, codes).transform(X), dtype=np.float64)


def separations(features: ArrayLike, tasks: ArrayLike) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    r"""Return how far the tasks are apart in the space of the features, by a Gaussian for each.

    The Gaussians share one covariance, that of the residuals from the means of the tasks, shrunk as
    in Ledoit & Wolf (2004) so that it exists for fewer samples than features too. All numbers are
    of these fitted Gaussians, not of the data. The distance of two tasks is never 0, even if their
    names are drawn at random: compare with shuffled tasks.

    Returns
    -------
    distances : DataFrame, shape (tasks, tasks)
        Mahalanobis distances of the means.
    bounds : DataFrame, shape (tasks, tasks)
        B1, `workbench.retrieval.bounds.shared_bound`, of each pair on its own.
    bound : float
        B1 of all tasks.
    """
    X = checked(features)
    names, codes = _task_codes(tasks, len(X))
    if len(names) < 2:
        raise DataError("distances of tasks need at least 2 tasks")
    means = np.stack([X[codes == k].mean(0) for k in range(len(names))])
    covariance = LedoitWolf(assume_centered=True).fit(X - means[codes]).covariance_
    covariance = covariance + 1e-12 * max(np.trace(covariance), 1e-12) * np.eye(X.shape[1])
    white = solve_triangular(np.linalg.cholesky(covariance), (means - means.mean(0)).T, lower=True)
    # The means in the space that they span: the distances are the same, in few dimensions.
    _, scale, rotation = np.linalg.svd(white, full_matrices=False)
    placed = (scale[:, None] * rotation).T
    gaussians = [Mixture(np.ones(1), mean[None], np.eye(len(mean))[None]) for mean in placed]
    distances = np.linalg.norm(placed[:, None] - placed, axis=-1)
    bounds = np.array([[np.nan if a is b else shared_bound([a, b], equal_covariance=True)
                        for b in gaussians] for a in gaussians])
    return (pd.DataFrame(distances, names, names), pd.DataFrame(bounds, names, names),
            shared_bound(gaussians, equal_covariance=True))


@contextmanager
def _told_of_epochs(layouts: ModuleType, progress: Callable[[str], object]) -> Iterator[None]:
    """Let UMAP call `progress` in each epoch, in place of its progress bar.

    An error that ends the work from inside a bar of tqdm leaves the lock of all bars locked: the
    next bar of the process, such as that of a training, would wait for ever.
    """
    def epochs(steps: range, **options: object) -> Iterator[int]:
        for epoch in steps:
            progress(f"{100 * epoch // len(steps)} % of the epochs")
            yield epoch

    with _ONE_AT_A_TIME, mock.patch.object(layouts, "tqdm", epochs):
        yield


def checked(features: ArrayLike) -> Floats:
    """Return features as an array of finite numbers of shape (n, d), or raise `DataError`."""
    X = np.asarray(features, dtype=np.float64)
    if X.ndim != 2 or len(X) < 4 or X.shape[1] < 2:
        raise DataError(f"features have shape {X.shape}, expected (n, d) with at least 4 rows and "
                        "2 columns. Flatten images with features.reshape(len(features), -1).")
    bad = ~np.isfinite(X).all(1)
    if bad.any():
        raise DataError(f"row {int(bad.argmax())} of the features has a value that is NaN or "
                        "infinite. Leave such rows out.")
    return X


def _task_codes(tasks: ArrayLike, count: int) -> tuple[list[str], Any]:
    names, codes = np.unique(np.asarray(tasks).astype(str), return_inverse=True)
    if codes.shape != (count,):
        raise DataError(f"tasks have shape {codes.shape}, expected ({count},), one for each row of "
                        "the features")
    return [str(name) for name in names], codes
