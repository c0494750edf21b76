"""Verdicts: the claims of a lesson, printed only if the measured numbers support them."""

import textwrap
from typing import Any

from workbench.errors import ConfigError, VerdictError


def verdict(sentence: str, holds: Any) -> None:
    """Print a claim if it holds, and raise `VerdictError`, an ``AssertionError``, if it does not.

    `holds` is one truth value: a bool, a NumPy bool or a tensor without axes. `ConfigError` is
    raised for an array, None or a number, and for a `sentence` that is no text.

    Examples
    --------
    >>> verdict("half of the accuracy is left.", 0.4 < 0.5 < 0.6)
    Verdict: half of the accuracy is left.
    """
    if not isinstance(sentence, str) or not sentence.strip():
        raise ConfigError(f"a verdict begins with its sentence, not with {sentence!r}: "
                          'verdict("The sentence.", holds)')
    value = holds.item() if getattr(holds, "shape", None) == () else holds
    if not isinstance(value, bool):
        raise ConfigError(f"whether a verdict holds is True or False, not {holds!r} "
                          f"({type(holds).__name__}), for: {sentence} Compare with a number; for "
                          "an array say whether .all() or .any() of it must hold.")
    if not value:
        raise VerdictError(f"This does not hold here: {sentence} If you have changed a setting, "
                           "that is a result. If not, run the notebook again from its first cell.")
    print(textwrap.fill(f"Verdict: {sentence}", 100))
