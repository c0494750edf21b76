"""Errors that say what is wrong, what was expected and what to do, and checks of arguments."""

import math
from collections.abc import Iterable
from typing import Any, TypeGuard


class WorkbenchError(Exception):
    """Base class of every error that this package raises on purpose."""


class UnknownNameError(WorkbenchError, ValueError):
    """A name that is not known; the message lists the known names of its kind, such as learners."""

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
    """A model that cannot be its own teacher; the message names the failed conditions."""


class TrainingError(WorkbenchError):
    """Training that cannot continue; the message names the step and the saved checkpoint."""


class VerdictError(WorkbenchError, AssertionError):
    """A claim of a lesson that does not hold for the numbers measured; the message names it."""


def whole(least: int = 1, /, **settings: object) -> None:
    """Raise `ConfigError` for a setting that is not a whole number of at least `least`."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def positive(**settings: object) -> None:
    """Raise `ConfigError` for a setting that is not a finite number above 0."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 < value < math.inf:
            raise ConfigError(f"{name} must be a finite number above 0, not {value!r}")


def not_negative(**settings: object) -> None:
    """Raise `ConfigError` for a setting that is not a finite number of at least 0."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 <= value < math.inf:
            raise ConfigError(f"{name} must be a finite number of at least 0, not {value!r}")


def fraction(**settings: object) -> None:
    """Raise `ConfigError` for a setting that is not above 0 and at most 1."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 < value <= 1:
            raise ConfigError(f"{name} must be above 0 and at most 1, not {value!r}")


def share(**settings: object) -> None:
    """Raise `ConfigError` for a setting that is not from 0 to 1."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 <= value <= 1:
            raise ConfigError(f"{name} must be from 0 to 1, not {value!r}")


def flag(**settings: object) -> None:
    """Raise `ConfigError` for a setting that is not True or False."""
    for name, value in settings.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, not {value!r}")


def texts(name: str, values: Any) -> tuple[str, ...]:
    """Return a sequence of texts as a tuple; a single string raises `ConfigError` too."""
    if isinstance(values, str):
        raise ConfigError(f"{name} must be a sequence of texts such as [{values!r}], "
                          f"not the single text {values!r}")
    members = tuple(values) if isinstance(values, Iterable) else (None,)
    if not all(isinstance(member, str) for member in members):
        raise ConfigError(f"{name} must be a sequence of texts, not {values!r}")
    return members


def whole_numbers(name: str, values: Any, least: int = 0) -> tuple[int, ...]:
    """Return whole numbers of at least `least` as a tuple; others raise `ConfigError`."""
    numbers = tuple(values) if isinstance(values, Iterable) else (None,)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= least for n in numbers):
        raise ConfigError(f"{name} must be whole numbers of at least {least}, not {values!r}")
    return numbers
