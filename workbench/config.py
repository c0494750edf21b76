"""The settings of a run, each explained by the string under it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from workbench.errors import ConfigError


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run; stored in its record."""

    stream: str = "split-digits"
    """Which stream of tasks: ``split-digits``, ``permuted-digits``, ``rotated-digits``; or
    ``skills``: text skills for a language model."""
    scenario: str | None = None
    """``task``, ``domain`` or ``class``; None takes the stream's usual one."""
    learner: str = "finetune"
    """Which method learns; ``workbench run --learner help`` lists them."""
    options: dict[str, float | int | bool | str] = field(default_factory=dict)
    """Settings of the learner's own, such as ``{"strength": 100.0}`` for EWC."""
    seeds: tuple[int, ...] = (0,)
    """One network per seed, trained side by side. A seed sets initial weights and batch order."""
    tasks: int = 5
    """How many tasks; split digits has at most five of two classes. With ``skills``, as many as
    there are skills."""
    steps: int = 200
    """Optimiser steps per task."""
    batch_size: int = 32
    """New examples per step."""
    lr: float = 1e-3
    """Learning rate of Adam, which starts afresh with each task."""
    hidden: tuple[int, ...] = (100, 100)
    """Units in each hidden layer of a network for digits."""
    model: str = "tiny"
    """Which language model learns the skills: ``tiny``, ``nano``, a folder or a hub id."""
    skills: tuple[str, ...] = ()
    """Which text skills are learned, in order; their names, or paths of JSON Lines files."""
    old_skills: tuple[str, ...] | None = None
    """Text skills that the model knows already, by name or path; they are tested, to measure
    retention. None takes those that the course's models know, if the new skills are the course's
    too, and otherwise none."""
    lora_rank: int = 0
    """Rank of the adapters that are trained in place of a language model's weights; 0: none."""
    items: int = 0
    """Of each text skill, test on so many items at most; 0 takes them all."""
    clip: float | None = None
    """Largest gradient norm per seed; None leaves gradients as they are."""
    data_seed: int = 0
    """Seed of what all networks share: the split of the data and the pixel permutations."""
    diagnose: bool = False
    """Whether to measure a language model's drift, entropy and manner at every evaluation."""
    evaluate_on: str = "test"
    """``test``, or ``validation`` while settings are being chosen."""
    evaluate_every: int = 0
    """Steps between evaluations within a task; 0 evaluates only between tasks."""
    checkpoint_every: int = 100
    """Steps between checkpoints, when the run has a folder."""
    device: str = "cpu"
    """Where a language model computes: ``cpu``, ``cuda`` or ``mps``."""
    precision: str = "fp32"
    """``fp32``; or ``bf16`` for a language model's matrix products, its weights staying fp32."""
    threads: int = 1
    """PyTorch threads; for networks this small one is fastest."""

    def __post_init__(self) -> None:
        for name, least in (("tasks", 1), ("steps", 1), ("batch_size", 1), ("checkpoint_every", 1),
                            ("threads", 1), ("evaluate_every", 0), ("data_seed", 0),
                            ("lora_rank", 0), ("items", 0)):
            if not _whole(getattr(self, name), least):
                raise ConfigError(f"{name} must be a whole number of at least {least}, "
                                  f"not {getattr(self, name)!r}")
        for name, least in (("seeds", 0), ("hidden", 1)):
            given = getattr(self, name)
            numbers = tuple(given) if isinstance(given, Iterable) else (None,)
            if not all(_whole(number, least) for number in numbers):
                raise ConfigError(f"{name} must be whole numbers of at least {least}, "
                                  f"not {given!r}")
            object.__setattr__(self, name, numbers)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different whole numbers from 0 up, not {self.seeds}")
        object.__setattr__(self, "skills", tuple(self.skills))
        if (self.stream == "skills") != bool(self.skills):
            raise ConfigError("skills are for the stream 'skills', and it needs at least one; not "
                              f"{self.skills!r} with the stream {self.stream!r}")
        if self.old_skills is not None:
            old = self.old_skills
            if isinstance(old, str) or not all(isinstance(name, str) and name for name in old):
                raise ConfigError("old_skills must be a sequence of names or paths, such as "
                                  f"('facts-keepers',), or None, not {old!r}")
            if not self.skills:
                raise ConfigError(f"old_skills are for the stream 'skills', not {self.stream!r}")
            object.__setattr__(self, "old_skills", tuple(old))
        if self.skills:
            object.__setattr__(self, "tasks", len(self.skills))
        for name in ("lr", "clip"):
            value = getattr(self, name)
            optional = name == "clip"
            if not (optional and value is None) and not _above_zero(value):
                raise ConfigError(f"{name} must be a finite number above 0"
                                  f"{' or None' if optional else ''}, not {value!r}")
        if not isinstance(self.options, dict):
            raise ConfigError(f"options must be a dict of settings, not {self.options!r}")
        for name, choices in (("device", ("cpu", "cuda", "mps")), ("precision", ("fp32", "bf16"))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be {' or '.join(choices)}, "
                                  f"not {getattr(self, name)!r}")
        if not self.skills and (self.device, self.precision) != ("cpu", "fp32"):
            raise ConfigError("device and precision are for language models, the stream 'skills'; "
                              "networks for digits compute on the cpu in fp32")
        if self.evaluate_on not in ("test", "validation"):
            raise ConfigError(f"evaluate_on must be 'test' or 'validation', "
                              f"not {self.evaluate_on!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return {key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> RunConfig:
        """Return the config with these settings.

        Raises
        ------
        ConfigError
            If a setting is not known; the message lists those that are.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ConfigError(f"unknown settings {unknown}; known: {sorted(known)}")
        return cls(**settings)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _above_zero(value: object) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)
            and 0 < value < math.inf)
