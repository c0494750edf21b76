"""A Jupyter workbench on why neural networks and language models forget, and what helps.

Importing this package is cheap: PyTorch, scikit-learn and matplotlib are loaded when a name that
needs them is first used.

Examples
--------
>>> import workbench as wb
>>> record = wb.run(wb.RunConfig(learner="replay", seeds=(0, 1, 2)))  # doctest: +SKIP
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# The module of each public name. `__getattr__` imports it on first use, which keeps
# `import workbench` free of heavy packages; `tests/test_rooms.py` tests that.
_HOMES = {
    "AccuracyMatrix": "measure.metrics",
    "RunConfig": "config",
    "RunRecord": "runs.record",
    "hint": "course",
    "load_causal_lm": "models",
    "make_learner": "runs.experiment",
    "make_stream": "tasks",
    "prepare_notebook": "plots.display",
    "resume": "runs.experiment",
    "run": "runs.experiment",
    "show": "plots.display",
    "show_numbers": "plots.display",
    "summarise": "measure.metrics",
    "tune": "runs.experiment",
    "run_stream": "runs.loop",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"workbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
