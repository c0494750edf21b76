"""The settings of a run, each explained by the string under it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from workbench.errors import ConfigError


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run; stored in its record."""

    stream: str = "split-digits"
    """Which stream of tasks: ``split-digits``, ``permuted-digits`` or ``rotated-digits``."""
    scenario: str | None = None
    """``task``, ``domain`` or ``class``; None takes the stream's usual one."""
    learner: str = "finetune"
    """Which method learns; ``workbench run --learner help`` lists them."""
    options: dict[str, float | int | bool] = field(default_factory=dict)
    """Settings of the learner's own, such as ``{"strength": 100.0}`` for EWC."""
    seeds: tuple[int, ...] = (0,)
    """One network per seed, trained side by side. A seed sets initial weights and batch order."""
    tasks: int = 5
    """How many tasks; split digits has at most five of two classes."""
    steps: int = 200
    """Optimiser steps per task."""
    batch_size: int = 32
    """New examples per step."""
    lr: float = 1e-3
    """Learning rate of Adam, which starts afresh with each task."""
    hidden: tuple[int, ...] = (100, 100)
    """Units in each hidden layer."""
    clip: float | None = None
    """Largest gradient norm per seed; None leaves gradients as they are."""
    data_seed: int = 0
    """Seed of what all networks share: the split of the data and the pixel permutations."""
    evaluate_on: str = "test"
    """``test``, or ``validation`` while settings are being chosen."""
    evaluate_every: int = 0
    """Steps between evaluations within a task; 0 evaluates only between tasks."""
    checkpoint_every: int = 100
    """Steps between checkpoints, when the run has a folder."""
    threads: int = 1
    """PyTorch threads; for networks this small one is fastest."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name in ("tasks", "steps", "batch_size", "checkpoint_every", "threads"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, "
                                  f"not {getattr(self, name)!r}")
        if self.evaluate_every < 0:
            raise ConfigError(f"evaluate_every must be 0 or more, not {self.evaluate_every}")
        if not self.lr > 0:
            raise ConfigError(f"lr must be above 0, not {self.lr!r}")
        if self.clip is not None and not self.clip > 0:
            raise ConfigError(f"clip must be above 0 or None, not {self.clip!r}")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different whole numbers from 0 up, not {self.seeds}")
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
