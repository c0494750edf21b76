"""`Points`: the inputs that `ClusterExplorer` shows, checked, with their groups and contents."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from workbench.errors import DataError, UnknownNameError
from workbench.plots.styles import COLOURS

ALL = "all"
ALL_TASKS = "all tasks"
LASSO = "drawn with the lasso"
ERRORS, TAKEN = "errors", "wrongly retrieved as this task"
UNTESTED = "not tested"
TEXTS_SHOWN, IMAGES_SHOWN = 6, 16
SET_SIZE, OUTCOME = "set size", "right or wrong"
COMPACT = ("<style>.workbench-compact td, .workbench-compact th {padding: 1px 12px 1px 0; "
           "text-align: left; vertical-align: top; line-height: 1.3}</style>")
OUTCOME_COLOURS = {"right": COLOURS[0], "wrong": COLOURS[1], UNTESTED: "#bbbbbb"}


class Points:
    """The inputs of some tasks, in `frame` with a row for each, and their texts or images.

    The parameters are those of `ClusterExplorer`.
    """

    def __init__(self, count: int, tasks: ArrayLike, labels: ArrayLike,
                 contents: Sequence[str] | NDArray[Any], retrieved: Any = None,
                 clusters: ArrayLike | None = None, set_sizes: ArrayLike | None = None) -> None:
        self.images = isinstance(contents, np.ndarray) and contents.ndim == 3
        self.contents = contents
        if not self.images and not all(isinstance(text, str) for text in contents):
            raise DataError("contents must be a sequence of texts, or an array of images of shape "
                            "(n, height, width)")
        columns: dict[str, Any] = {"task": tasks, "label": labels, "cluster": clusters,
                                   SET_SIZE: set_sizes, "retrieved task": retrieved}
        for name, column in {**columns, "contents": contents}.items():
            if column is not None and len(column) != count:
                raise DataError(f"{name}: {len(column)} values, but {count} rows of features. Give "
                                "one for each row.")
            if column is not None and name in columns and name != "retrieved task":
                missing = pd.isna(pd.Series(column)).to_numpy()
                if missing.any():
                    raise DataError(f"{name}: the value of row {missing.argmax()} is missing. Give "
                                    "one for each row of features.")
        self.frame = pd.DataFrame({name: np.asarray(column) for name, column in columns.items()
                                   if column is not None})
        for name in ("task", "label"):
            self.frame[name] = self.frame[name].astype(str)
        self.tasks = sorted(self.frame["task"].unique())
        self.tested = np.zeros(count, dtype=bool)
        if retrieved is not None:
            found = pd.Series(retrieved, dtype=object)
            self.tested = (found.notna() & (found != "")).to_numpy()
            self.frame["retrieved task"] = found.astype(str).where(self.tested, UNTESTED)
            for name in self.frame["retrieved task"][self.tested].unique():
                if name not in self.tasks:
                    raise UnknownNameError("retrieved task", name, self.tasks)
        self._low, self._high = ((float(np.min(contents)), float(np.max(contents)))
                                 if self.images and count else (0.0, 1.0))
        self.name_tasks(self.frame["task"].to_numpy())

    def name_tasks(self, tasks: NDArray[Any]) -> None:
        """Give the points other tasks, such as shuffled ones, and compute again which are right."""
        self.frame["task"] = tasks
        if self.tested.any():
            right = self.frame["retrieved task"] == self.frame["task"]
            self.frame[OUTCOME] = np.where(self.tested, np.where(right, "right", "wrong"), UNTESTED)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which points were retrieved as another task: shape (n,)."""
        if OUTCOME not in self.frame:
            return np.zeros(len(self.frame), dtype=bool)
        return np.asarray(self.frame[OUTCOME] == "wrong")

    def groups(self, task: str) -> list[str]:
        """Return the groups that can be chosen of a task, or of all."""
        own = self.frame if task == ALL_TASKS else self.frame[self.frame["task"] == task]
        names = [ALL]
        if self.tested.any():
            names += [ERRORS] if task == ALL_TASKS else [ERRORS, TAKEN]
        for column in ("label", "cluster"):
            if column in own and own[column].nunique() <= 40:
                names += [f"{column} {value}" for value in sorted(own[column].unique())]
        return [*names, LASSO]

    def members(self, task: str, group: str) -> NDArray[np.intp]:
        """Return the rows of a group, in order."""
        frame = self.frame
        own = np.ones(len(frame), bool) if task == ALL_TASKS else (frame["task"] == task).to_numpy()
        if group == TAKEN:
            own = (frame["retrieved task"] == task).to_numpy() & self.wrong
        elif group == ERRORS:
            own = own & self.wrong
        elif group != ALL:  # such as “label lost_card”
            column, value = group.split(" ", 1)
            own = own & (frame[column].astype(str) == value).to_numpy()
        return np.flatnonzero(own)

    def colours(self, column: str) -> tuple[pd.Categorical, list[str]]:
        """Return the values of a column as categories, and a colour for each."""
        values = self.frame[column]
        if column in ("task", "retrieved task"):  # a task has the same colour in both
            names = [*self.tasks, *{UNTESTED} & set(values)]
        elif column == OUTCOME:
            names = [name for name in OUTCOME_COLOURS if name in set(values)]
        else:
            names = sorted(values.unique())
        steps = colormaps["viridis"](np.linspace(0, 0.95, len(names)))
        colours = [OUTCOME_COLOURS.get(name) or (to_hex(steps[k]) if column == SET_SIZE
                                                 else COLOURS[k % len(COLOURS)])
                   for k, name in enumerate(names)]
        return pd.Categorical(values, names), colours

    def facts(self, i: int) -> str:
        """Return in words where a point belongs."""
        row = self.frame.iloc[i]
        words = f"{row['task']}, {row['label']}"
        if self.tested[i]:
            words += f"; retrieved: {row['retrieved task']}" + (" (wrong)" if self.wrong[i] else "")
        return words + (f"; set of {row[SET_SIZE]}" if SET_SIZE in row else "")

    def one(self, i: int) -> str:
        """Return a point as HTML: its text or image, and where it belongs."""
        return f"{self._content(i, 40)} <small>{html.escape(self.facts(i))}</small>"

    def several(self, rows: NDArray[np.intp]) -> str:
        """Return points as HTML: a table of texts, or a row of images with their labels."""
        if self.images:
            return "".join(
                '<figure style="display:inline-block;margin:2px;width:120px;text-align:center;'
                f'vertical-align:top;line-height:1.2">{self._content(i, 56)}<figcaption><small>'
                f"{html.escape(self.facts(i))}</small></figcaption></figure>" for i in rows)
        shown = self.frame.iloc[rows]
        columns = {"text": [self.contents[i] for i in rows],
                   "task: label": shown["task"] + ": " + shown["label"]}
        columns |= {name: shown[name] for name in ("retrieved task", SET_SIZE) if name in shown}
        return compact(pd.DataFrame(columns))

    def _content(self, i: int, width: int) -> str:
        if not self.images:
            return f"“{html.escape(self.contents[i])}”"
        scaled = (self.contents[i] - self._low) / max(self._high - self._low, 1e-12)  # type: ignore[operator]
        file = io.BytesIO()
        Image.fromarray(np.uint8(255 * scaled)).save(file, "png")
        data = base64.b64encode(file.getvalue()).decode()
        return (f'<img alt="input {i}: {html.escape(self.facts(i))}" style="width:{width}px;'
                f'image-rendering:pixelated" src="data:image/png;base64,{data}">')


def compact(table: pd.DataFrame) -> str:
    """Return a table as HTML with low rows."""
    return COMPACT + table.to_html(border=0, index=False, classes="workbench-compact")
