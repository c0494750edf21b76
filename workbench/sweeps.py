"""Recorded comparisons of methods on text skills: many learning rates, several seeds.

They take hours, so that a script makes them (``scripts/sweep_skills.py``) and the course reads
them; notebooks train a named part again and hold it against the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.assessment import share_kept
from workbench.errors import RecordError, UnknownNameError
from workbench.provenance import data_path
from workbench.runfiles import Floats

RESULTS = data_path("results", "skills")
ENOUGH = 0.95
"""New-skill accuracy at which methods are compared."""
WORN = "-worn"
"""Ends the name of a sweep with a model that is damaged."""
NEARLY = 0.045
"""Two of 48 questions: who is so near to the best of a method is not told from it."""


@dataclass(frozen=True)
class Trained:
    """One training run, seen every few steps.

    Parameters
    ----------
    method : str
        Name of the method in the sweep.
    lr : float
        Learning rate.
    seed : int
        Of batches and sampling.
    steps : ndarray of int, shape (points,)
        When it was looked at.
    new_before : float
        Accuracy on the new skill before training.
    new : ndarray, shape (points,)
        The same later.
    old, old_before : ndarray, shape (points, known) and (known,)
        Accuracy on what was known, and what it was before training.
    diagnostics : ndarray, shape (points, diagnostics)
        See `workbench.diagnostics`.
    train : float
        Accuracy on the training items at the end; NaN where it was not measured.
    """

    method: str
    lr: float
    seed: int
    steps: NDArray[np.int64]
    new_before: float
    new: Floats
    old: Floats
    old_before: Floats
    diagnostics: Floats
    train: float = float("nan")

    @property
    def kept(self) -> Floats:
        """What is kept of the known skills (see `share_kept`): shape (points,)."""
        return share_kept(self.old_before, self.old)

    def first(self, accuracy: float) -> int | None:
        """Return the first point at which the new skill is so well known; None if at none."""
        there = np.flatnonzero(self.new >= accuracy)
        return int(there[0]) if len(there) else None


@dataclass(frozen=True)
class Sweep:
    """All runs on one new skill.

    Parameters
    ----------
    skill : str
        The new skill.
    part : {"tune", "compare"}
        Every learning rate on validation items, or several seeds at the chosen one on test items.
    runs : list of Trained
        In the order in which they were made.
    watched, diagnostic_names : list of str
        What the columns of `Trained.old` and `Trained.diagnostics` are.
    command : str
        What makes the record.
    """

    skill: str
    part: str
    runs: list[Trained]
    watched: list[str]
    diagnostic_names: list[str]
    command: str

    @property
    def methods(self) -> list[str]:
        """The methods, in order."""
        return list(dict.fromkeys(run.method for run in self.runs))

    def of(self, method: str) -> list[Trained]:
        """Return the runs of one method.

        Raises
        ------
        UnknownNameError
            If there are none.
        """
        found = [run for run in self.runs if run.method == method]
        if not found:
            raise UnknownNameError(f"method in the record of {self.skill}", method, self.methods)
        return found

    def at(self, method: str, lr: float) -> Trained:
        """Return the first run of a method at a learning rate.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        runs = {run.lr: run for run in reversed(self.of(method))}
        if lr not in runs:
            raise UnknownNameError(f"learning rate of {method!r}", f"{lr:g}",
                                   [f"{each:g}" for each in sorted(runs)])
        return runs[lr]

    def diagnostic(self, run: Trained, name: str) -> Floats:
        """Return one diagnostic of a run at each point."""
        if name not in self.diagnostic_names:
            raise UnknownNameError("diagnostic", name, self.diagnostic_names)
        return run.diagnostics[:, self.diagnostic_names.index(name)]

    def choose(self, method: str, enough: float = ENOUGH) -> tuple[Trained, int]:
        """Return the run, and the point in it, that one would choose.

        Of the points that know the new skill well enough, the one that keeps most of the old;
        where there is none, the same of those that are within `NEARLY` of the method's best. The
        same rule for all methods.
        """
        points = [(run, i) for run in self.of(method) for i in range(len(run.steps))]
        best = max(run.new[i] for run, i in points)
        wanted = enough if best >= enough else best - NEARLY
        there = [(run, i) for run, i in points if run.new[i] >= wanted]
        return max(there, key=lambda p: float(p[0].kept[p[1]]))


@dataclass(frozen=True)
class Sequence:
    """One run through several skills.

    Parameters
    ----------
    method : str
        Name of the method.
    skills : tuple of str
        In the order in which they were learned.
    seed : int
        Of batches and sampling.
    new : ndarray, shape (stages, skills)
        Accuracy on each new skill, before the first and after each, in the order of `skills`.
    old : ndarray, shape (stages, known)
        Accuracy on what was known.
    lr : float
        Learning rate.
    stored_bytes : int
        What the learner keeps at the end beside the model: examples, adapters, a second model.
    seconds : float
        Of training, without looking; two runs at a time on two cores.
    """

    method: str
    skills: tuple[str, ...]
    seed: int
    new: Floats
    old: Floats
    lr: float = float("nan")
    stored_bytes: int = 0
    seconds: float = float("nan")

    @property
    def kept(self) -> Floats:
        """What is kept of the known skills: shape (stages,)."""
        return share_kept(self.old[0], self.old)


def load_sequences(folder: Path = RESULTS) -> list[Sequence]:
    """Read the record of skills learned in a row; see `load_sweep` for what is raised."""
    path = folder / "sequences.json"
    remedy = "Restore it with git checkout, or make it: python scripts/sequence_skills.py"
    try:
        said = json.loads(path.read_text())
        return [Sequence(run["method"], tuple(run["skills"]), int(run["seed"]),
                         np.array(run["new"], dtype=float), np.array(run["old"], dtype=float),
                         float(run["lr"]), int(run["stored_bytes"][-1]),
                         float(run["seconds"]["train"]))
                for run in said["runs"]]
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}. {remedy}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RecordError(f"{path} is damaged ({type(error).__name__}: {error}). {remedy}"
                          ) from error


def command_for(skill: str, part: str) -> str:
    """Return the command that makes the record of a sweep."""
    return (f"python scripts/sweep_skills.py {part} {skill.removesuffix(WORN)}"
            + " --worn 0.7" * skill.endswith(WORN))


def load_sweep(skill: str, part: str = "compare", folder: Path = RESULTS) -> Sweep:
    """Read the record of a sweep.

    Raises
    ------
    RecordError
        If it is missing or damaged; the message says how to make it.
    """
    path = folder / f"{skill}-{part}.json"
    remedy = f"Restore it with git checkout, or make it: {command_for(skill, part)}"
    try:
        said = json.loads(path.read_text())
        runs = [parse_run(run) for run in said["runs"]]
        first = said["runs"][0]
        return Sweep(skill, part, runs, first["watched"], first["diagnostic_names"],
                     said["command"])
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}. {remedy}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RecordError(f"{path} is damaged ({type(error).__name__}: {error}). {remedy}"
                          ) from error


def parse_run(said: dict[str, Any]) -> Trained:
    """Return a run as the script writes it."""
    def floats(values: Iterable[Any]) -> Floats:
        return np.array(values, dtype=float)  # None becomes NaN

    return Trained(said["method"], float(said["lr"]), int(said["seed"]),
                   np.array(said["steps"], dtype=np.int64), float(said["new_before"]),
                   floats(said["new"]), floats(said["old"]), floats(said["old_before"]),
                   floats(said["diagnostics"]), float(said.get("train", "nan")))
