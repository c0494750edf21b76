"""Errors a reader can act on: each says what is wrong, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class WorkbenchError(Exception):
    """Base of every error this package raises on purpose."""


class UnknownNameError(WorkbenchError, ValueError):
    """A name that is not one of the known ones.

    Parameters
    ----------
    kind : str
        What the name should have named, such as ``"learner"``.
    name : object
        The name that was given.
    known : iterable of str
        The names that exist; they are listed in the message.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


class ConfigError(WorkbenchError, ValueError):
    """A setting with a value that cannot work; the message names the field."""


class UndefinedMetricError(WorkbenchError, ValueError):
    """A metric that these accuracies do not define; the message says why."""


class RecordError(WorkbenchError):
    """A run folder that cannot be read or written; the message names the file and the fault."""


class DataError(WorkbenchError, ValueError):
    """Data that cannot be used; the message names the file, the line and the field."""


class ModelError(WorkbenchError):
    """A model, tokenizer or prompt that cannot be used; the message says what fits instead."""


class NonFiniteError(ModelError):
    """A model whose logits are NaN or infinite."""


class GateError(WorkbenchError):
    """A model that cannot be its own teacher; the message says what did not hold."""


class TrainingError(WorkbenchError):
    """Training that cannot go on; the message says at which step and what was kept."""


class VerdictError(WorkbenchError, AssertionError):
    """A claim of a lesson that does not hold for the numbers measured; the message names it."""
