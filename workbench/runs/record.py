"""`RunRecord`: settings and results of a run, in a folder of open formats.

``run.json`` holds settings, versions, timings and the hash of every other file; an ``.npz`` file
the arrays; ``weights.safetensors`` the networks. Nothing is pickled. Reading checks all of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config import RunConfig
from workbench.errors import ConfigError
from workbench.measure.accuracies import Floats
from workbench.measure.metrics import AccuracyMatrix
from workbench.runs.record_files import ARRAYS, FORMAT, VERSION, file_entry, read_both
from workbench.system.files import read_checked, sha256, to_json, unusable, write_atomically
from workbench.system.provenance import environment
from workbench.tasks import Stream

FIELDS = {"scenario": str, "task_names": list, "old_names": list, "diagnostic_names": list,
          "data_hash": str, "examples": list, "status": str, "task": int, "step": int,
          "seconds": dict, "stored_bytes": list, "environment": dict}
"""Fields that ``run.json`` must have beside the settings."""


@dataclass
class RunRecord:
    """Settings and results of a run; NaN marks values that were not, or not yet, measured.

    Attributes
    ----------
    config, scenario : RunConfig, str
        The settings, and the scenario of the stream.
    task_names, old_names, diagnostic_names : list of str
        Names of the tasks, of the old tasks, which are only tested, and of the diagnostics.
    accuracy : ndarray, shape (seeds, tasks, tasks)
        Share of correct answers; row: trained through, column: tested on.
    baseline : ndarray, shape (seeds, tasks)
        Accuracy before any training.
    losses : ndarray, shape (seeds, tasks, steps)
        Training loss in nats.
    curve : ndarray, shape (seeds, points, tasks + old)
        Accuracy on tasks and old tasks, at the steps `curve_steps`.
    old_accuracy : ndarray, shape (seeds, tasks + 1, old)
        Accuracy on old tasks, before any training and after each task.
    diagnostics, diagnostics_curve : ndarray, shape (seeds, tasks + 1 or points, diagnostics)
        See `workbench.runs.evaluation`; measured together with `old_accuracy` and `curve`.
    data_hash, examples : str, list of int
        sha256 of all examples; number of examples of `config.evaluate_on` in each task.
    status : {"running", "stopped", "complete"}
    task, step : int
        Tasks finished, and steps taken in the next one.
    seconds : dict
        Seconds of ``train`` and ``evaluate``, summed over interruptions.
    stored_bytes : list of int
        Bytes per seed kept beside the weights, after each task.
    environment : dict
        Versions, platform and git revision.
    gate : dict or None
        For a method whose model is its own teacher, or a forced run: ``label`` and the gate's
        ``reports``, one for each skill.
    retrieval : dict or None
        Of the learner ``adapters``; see `workbench.runs.evaluation.measure_retrieval`.
    inputs : dict of str to str
        sha256 of the ``settings`` and, for language models, of the rest of
        `workbench.models.verify.INPUTS`.
    """

    config: RunConfig
    scenario: str
    task_names: list[str]
    accuracy: Floats
    baseline: Floats
    losses: Floats
    curve: Floats
    old_accuracy: Floats
    diagnostics: Floats
    diagnostics_curve: Floats
    data_hash: str
    examples: list[int]
    old_names: list[str] = field(default_factory=list)
    diagnostic_names: list[str] = field(default_factory=list)
    status: str = "running"
    task: int = 0
    step: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"train": 0.0, "evaluate": 0.0})
    stored_bytes: list[int] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=environment)
    gate: dict[str, Any] | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    retrieval: dict[str, Any] | None = None

    @classmethod
    def start(cls, config: RunConfig, stream: Stream,
              diagnostic_names: Iterable[str] = ()) -> RunRecord:
        """Return the empty record of a new run."""
        old = [t.name for t in stream.old_tasks]
        diagnostics = list(diagnostic_names)
        shapes = wanted_shapes(config, len(stream), len(old), len(diagnostics))
        empty: dict[str, Any] = {name: np.full(shape, np.nan) for name, shape in shapes.items()}
        return cls(config, stream.scenario, [t.name for t in stream.tasks], **empty,
                   data_hash=stream.data_hash(), old_names=old, diagnostic_names=diagnostics,
                   examples=[len(getattr(t, config.evaluate_on))
                             for t in (*stream.tasks, *stream.old_tasks)])

    @property
    def curve_steps(self) -> NDArray[np.int64]:
        """Steps since the start of the run at the points of `curve`."""
        every, steps = self.config.evaluate_every, self.config.steps
        if not every:
            return np.zeros(0, dtype=np.int64)
        within = np.arange(every, steps + 1, every)
        return np.concatenate([within + i * steps for i in range(len(self.task_names))])

    @property
    def steps_taken(self) -> int:
        """Optimiser steps taken so far."""
        return self.task * self.config.steps + self.step

    @property
    def samples_seen(self) -> int:
        """New training examples seen so far by each network (repeats included)."""
        return self.steps_taken * self.config.batch_size

    @property
    def total_seconds(self) -> float:
        """Seconds spent training and evaluating all seeds together."""
        return sum(self.seconds.values())

    def matrix(self, seed: int | None = None) -> AccuracyMatrix:
        """Return the accuracy matrix of one seed (by position), or of all with seeds first."""
        index = slice(None) if seed is None else seed
        return AccuracyMatrix(self.accuracy[index], self.baseline[index], self.scenario)

    def save(self, folder: Path, **files: dict[str, str]) -> None:
        """Write the arrays and then ``run.json`` into an existing folder, each atomically.

        `files` are further entries for ``run.json``, such as ``weights``: file and sha256.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(self, name) for name in ARRAYS})
        arrays = buffer.getvalue()
        name = f"arrays-{sha256(arrays)[:12]}.npz"
        write_atomically(folder / name, arrays)
        plain = {key: value for key, value in vars(self).items() if key not in ARRAYS}
        text = to_json({"format": FORMAT, "version": VERSION, **plain,
                        "config": asdict(self.config), "steps_taken": self.steps_taken,
                        "samples_seen": self.samples_seen,
                        "files": {"arrays": {"file": name, "sha256": sha256(arrays)}, **files}},
                       indent=1)
        write_atomically(folder / "run.json", text.encode())
        for old in folder.glob("arrays-*.npz"):
            if old.name != name:
                old.unlink()

    @classmethod
    def load(cls, folder: Path | str) -> RunRecord:
        """Read a record and check it.

        Raises
        ------
        RecordError
            If a file is missing, damaged, foreign, or of another version; the message names it
            and says what to do. Nothing is changed on disk.
        """
        folder = Path(folder)
        run_json, arrays = read_both(folder)
        if "weights" in run_json["files"]:
            read_checked(folder, file_entry(folder, run_json, "weights"))
        values = {"gate": None, "retrieval": None, "inputs": {}, **run_json}  # as older records
        wrong = [f"no {name}" if values.get(name) is None else
                 f"{name} is {values[name]!r}, expected {kind.__name__}"
                 for name, kind in {**FIELDS, "inputs": dict}.items()
                 if not isinstance(values.get(name), kind)]
        gate = values["gate"]
        if not (gate is None or isinstance(gate, dict) and isinstance(gate.get("label"), str)):
            wrong.append(f"gate is {gate!r}, expected null or an object with a label")
        if not isinstance(values["retrieval"], dict | None):
            wrong.append(f"retrieval is {values['retrieval']!r}, expected null or an object")
        if wrong:
            raise unusable(folder / "run.json", ", ".join(wrong))
        try:
            config = RunConfig.from_json(run_json["config"])
        except (ConfigError, KeyError, TypeError) as error:
            raise unusable(folder / "run.json", f"config: {error}") from error
        keywords: dict[str, Any] = {**arrays, "gate": gate, "inputs": values["inputs"],
                                    "retrieval": values["retrieval"]}
        keywords |= {name: values[name] for name in FIELDS}
        record = cls(config=config, **keywords)
        record.check(folder)
        return record

    def check(self, folder: Path) -> None:
        """Raise `RecordError` unless counts and shapes of arrays agree with the settings."""
        tasks, steps = len(self.task_names), self.config.steps
        if self.status not in ("running", "stopped", "complete"):
            raise unusable(folder / "run.json", f"unknown status {self.status!r}")
        if not (0 <= self.task <= tasks and 0 <= self.step < steps
                and self.steps_taken <= tasks * steps):
            raise unusable(folder / "run.json", f"task {self.task}, step {self.step} do not exist "
                                                f"in {tasks} tasks of {steps} steps")
        for name, shape in wanted_shapes(self.config, tasks, len(self.old_names),
                                         len(self.diagnostic_names)).items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64:
                raise unusable(folder, f"array {name!r} has shape {array.shape} of {array.dtype}, "
                                       f"but run.json asks for {shape} of float64: the two files "
                                       "are not of the same run")


def wanted_shapes(config: RunConfig, tasks: int, old: int,
                  diagnostics: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a record."""
    seeds = len(config.seeds)
    points = tasks * (config.steps // config.evaluate_every) if config.evaluate_every else 0
    return {"accuracy": (seeds, tasks, tasks), "baseline": (seeds, tasks),
            "losses": (seeds, tasks, config.steps), "curve": (seeds, points, tasks + old),
            "old_accuracy": (seeds, tasks + 1, old),
            "diagnostics": (seeds, tasks + 1, diagnostics),
            "diagnostics_curve": (seeds, points, diagnostics)}
