"""`SoftLabelExplorer`: the soft label of an image at any temperature."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from workbench.errors import DataError
from workbench.measure.accuracies import Floats
from workbench.plots.separation import share
from workbench.plots.soft_labels import plot_soft_label, soften, wrong_shares
from workbench.widgets.view import View, choice, steps

TEMPERATURES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 14.0, 20.0)


class SoftLabelExplorer(View):
    """Move the temperature of a network's answer to an image; see the classes that it confuses.

    Images are listed from the one whose two likeliest classes are closest.

    Parameters
    ----------
    images : array-like, shape (n, side * side)
        Such as the digits of `workbench.tasks`.
    logits : array-like, shape (n, classes)
        Of a trained network.
    labels : array-like of int, shape (n,)
        The true classes.
    names : sequence of str, optional
        Names of the classes; by default their numbers.

    Raises
    ------
    DataError
        If shapes do not fit, a number is not finite, or a label is no class.
    """

    def __init__(self, images: ArrayLike, logits: ArrayLike, labels: ArrayLike,
                 names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.images = _numbers("images", images)
        self.logits = _numbers("logits", logits)
        self.labels, classes = np.asarray(labels), self.logits.shape[1]
        self.names = [str(c) for c in range(classes)] if names is None else list(names)
        self._check()
        p = soften(self.logits, 1.0)
        top = np.argsort(-p, axis=1, kind="stable")[:, :2]
        gaps = p[np.arange(len(p)), top[:, 0]] - p[np.arange(len(p)), top[:, 1]]
        order = np.argsort(gaps, kind="stable")
        self.image_number = choice("image, most unsure first", [
            (f"{rank}. {self._story(i, *top[i])}, {share(p[i, top[i, 0]])} to "
             f"{share(p[i, top[i, 1]])}", int(i)) for rank, i in enumerate(order, 1)])
        self.temperature = steps("temperature", TEMPERATURES, 1.0)
        self.temperature.continuous_update = True  # the bars move with the slider
        self.lay_out([self.image_number, self.temperature])

    def _check(self) -> None:
        n, classes = self.logits.shape
        if not n or classes < 2:
            raise DataError(f"logits have shape {self.logits.shape}, expected (n, classes) with "
                            "at least one image and two classes")
        if len(self.images) != n or int(self.images.shape[1] ** 0.5) ** 2 != self.images.shape[1]:
            raise DataError(f"images have shape {self.images.shape}, expected ({n}, side * side), "
                            "a square image for each row of logits")
        if self.labels.shape != (n,) or self.labels.dtype.kind not in "iu" or not (
                0 <= self.labels.min() <= self.labels.max() < classes):
            raise DataError(f"labels must be {n} whole numbers from 0 to {classes - 1}, one for "
                            f"each row of logits; they have shape {self.labels.shape} and type "
                            f"{self.labels.dtype}")
        if len(self.names) != classes:
            raise DataError(f"names has {len(self.names)} names, expected one for each of the "
                            f"{classes} columns of logits")

    def _story(self, i: int, first: int, second: int) -> str:
        """Return in words which classes an image is between."""
        true, one, other = (self.names[c] for c in (self.labels[i], first, second))
        if true == one:
            return f"{true} that could be {other}"
        return f"{true} taken for {one}" + ("" if true == other else f" or {other}")

    def figure(self) -> Figure:
        """Return the image, its soft label, and the wrong classes alone."""
        i = self.image_number.value
        return plot_soft_label(self.images[i], self.logits[i], int(self.labels[i]),
                               self.temperature.value, self.names, Figure(figsize=(10, 3.7)))

    def table(self) -> pd.DataFrame:
        """Return for each class its logit, its probability, and its share of the wrong ones."""
        i, temperature = self.image_number.value, self.temperature.value
        p, label = soften(self.logits[i], temperature), int(self.labels[i])
        shares = [share(v) for v in wrong_shares(self.logits[i], label, temperature)]
        shares[label] = "left out"
        return pd.DataFrame({"logit": [f"{v:.2f}" for v in self.logits[i]],
                             f"probability at temperature {temperature:g}": [share(v) for v in p],
                             "share of the wrong classes": shares},
                            index=pd.Index(self.names, name="class"))


def _numbers(name: str, values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 2 or not np.isfinite(numbers).all():
        raise DataError(f"{name} must be finite numbers in two axes, the first for the images; "
                        f"they have shape {numbers.shape}")
    return numbers
