"""`Player` draws a recording of a run in the browser; here are the recordings of the live widgets.

A recording is a dict of plain JSON types, which `player.js` draws and plays: ``kind``, ``run``
(recordings of one training have the same), ``seconds`` (how long it plays), ``words`` (its
alternative text) and ``frames``, each with a ``label``. The front end draws the curves, so that a
new point costs some hundred bytes and a few milliseconds, and no picture is made in the kernel.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from workbench.errors import DataError
from workbench.measure.accuracies import Floats
from workbench.measure.intervals import seed_interval
from workbench.plots.styles import look
from workbench.runs.evaluation import Response, Snapshot, shown_examples
from workbench.system.provenance import data_path
from workbench.tasks import Stream

Recording = dict[str, Any]
SECONDS = 8.0
"""How long a recording plays."""
ANSWERS = "Answers of one network to one test image of each class:"
DASHES = ("none", "9 4", "9 3 2 3", "2 3", "7 2 2 2 2 2", "5 3", "1 2")
"""Line styles of the browser, in the order of `workbench.plots.styles.LINES`."""


class Player(anywidget.AnyWidget):
    """Shows a recording with a button and a slider; a `live` one shows its newest frame."""

    _esm = Path(__file__).with_name("player.js").read_text(encoding="utf-8")
    recording = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    plays = traitlets.Int(0).tag(sync=True)

    def play(self) -> None:
        """Play the recording from where it is."""
        self.plays += 1


def load_recording(name: str) -> Recording:
    """Return a recording that ships with the project; `DataError` if there is none of this name."""
    path = data_path("recordings", f"{name}.json")
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.json")))
        raise DataError(f"there is no recording {name!r} in {path.parent}; there are: {names}")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def record_curves(seen: Sequence[Snapshot], stream: Stream, steps: int, *, run: int, title: str,
                  words: str, ghost: Sequence[dict[str, Any]] = ()) -> Recording:
    """Return the accuracy on each task after each evaluation, and the answers to some digits.

    Parameters
    ----------
    seen : sequence of Snapshot
        The evaluations so far.
    stream : Stream
    steps : int
        Steps for each task.
    run : int
        Another number for each training.
    ghost : sequence of dict
        Frames of an earlier training, which are drawn pale.
    """
    tasks = [*stream.tasks, *stream.old_tasks]
    series = [{"name": task.name, "colour": look(j)["color"], "dash": DASHES[j % len(DASHES)],
               "start": j * steps if j < len(stream) else 0} for j, task in enumerate(tasks)]
    phases = [{"name": task.name, "start": j * steps, "end": (j + 1) * steps}
              for j, task in enumerate(stream.tasks)]
    images = _images(stream)
    frames = [_frame(one, stream, bool(images)) for one in seen]
    return {"kind": "curves", "run": run, "seconds": SECONDS, "title": title, "words": words,
            "steps": len(stream) * steps, "series": series, "phases": phases, "images": images,
            "answers": ANSWERS, "frames": frames, "ghost": list(ghost)}


def _frame(seen: Snapshot, stream: Stream, with_images: bool) -> dict[str, Any]:
    """Return an evaluation as a frame: means over seeds, with 95 % t intervals cut at 0 and 1."""
    step = seen.steps_taken
    frame = {"x": step, "y": _rounded(seen.scores.mean(0)), "label": f"step {step}"}
    if len(seen.scores) > 2:
        low, high = np.clip(np.asarray(seed_interval(seen.scores)), 0, 1)
        frame |= {"low": _rounded(low), "high": _rounded(high)}
    if with_images:
        met = [task.name for task in stream.tasks[:seen.task + 1]] if step else []
        frame["images"] = [_answer(one, stream) if one.task in met else None
                           for one in seen.responses]
    return frame


def _answer(one: Response, stream: Stream) -> list[Any]:
    """Return the answer to an image; without names of classes only whether it is right."""
    word = "right" if one.right else "wrong"
    return [f"“{one.response}”" if stream.labels else word, one.right]


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]


def _images(stream: Stream) -> list[dict[str, str]]:
    """Return the shown test images of each task, as data URIs; none where inputs are no images."""
    found = []
    for task in stream.tasks:
        inputs = task.test.x
        if inputs.ndim != 2 or inputs.shape[1] != 64:
            return []
        for i in shown_examples(task.test):
            pixels = inputs[i].numpy().reshape(8, 8)
            grey = 255 * (1 - (pixels - pixels.min()) / max(np.ptp(pixels), 1e-9))
            file = io.BytesIO()
            Image.fromarray(grey.astype(np.uint8)).save(file, "png")
            label = int(task.test.y[i])
            found.append({"label": stream.labels[label] if stream.labels else str(label),
                          "src": "data:image/png;base64," + base64.b64encode(file.getvalue()
                                                                             ).decode()})
    return found
