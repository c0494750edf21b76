"""From settings to a record: make the stream, the networks and the learner, and run them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.config import RunConfig
from workbench.errors import ConfigError, UnknownNameError
from workbench.learners import CONTROLS, LEARNERS, Learner
from workbench.loop import Observer, run_stream
from workbench.models import StackedMLP
from workbench.record import RunRecord
from workbench.tasks import Stream, make_stream


def make_learner(config: RunConfig, stream: Stream) -> Learner:
    """Return a fresh learner for a stream.

    Raises
    ------
    UnknownNameError
        If there is no such learner.
    ConfigError
        If it has no such option, or not with that value.
    """
    methods = LEARNERS | CONTROLS
    if config.learner not in methods:
        raise UnknownNameError("learner", config.learner, methods)
    method = methods[config.learner]
    known = [name for name in inspect.signature(method).parameters if name != "model"]
    for option in config.options:
        if option not in known:
            raise UnknownNameError(f"option of {config.learner!r}", option, known or ["none"])
    if stream.scenario not in method.scenarios:
        raise ConfigError(f"learner {config.learner!r} cannot do the {stream.scenario!r} scenario; "
                          f"it can do: {', '.join(method.scenarios)}")
    inputs = stream.tasks[0].train.x.shape[1]
    model = StackedMLP(inputs, config.hidden, stream.outputs, config.seeds)
    return method(model, **config.options)


def run(config: RunConfig, *, out: Path | str | None = None, observer: Observer | None = None,
        stop: Callable[[], bool] | None = None, progress: bool = False) -> RunRecord:
    """Run an experiment; see `workbench.loop.run_stream` for what the arguments do."""
    stream = make_stream(config.stream, config.scenario, config.tasks, config.data_seed)
    return run_stream(make_learner(config, stream), stream, config, out=out, observer=observer,
                      stop=stop, progress=progress)


def tune(config: RunConfig, option: str, values: Sequence[float]) -> dict[float, float]:
    """Return the validation accuracy at the end of the stream for each value of an option.

    Parameters
    ----------
    config : RunConfig
        The other settings. Use seeds that no comparison on test data uses.
    option : str
        Of the learner.
    values : sequence of float
        To try; give every method equally many.

    Returns
    -------
    dict of float to float
        Average accuracy (ACC), the mean over seeds, by value.
    """
    scores = {}
    for value in values:
        options = {**config.options, option: value}
        record = run(replace(config, options=options, evaluate_on="validation"))
        scores[value] = float(np.mean(record.matrix().average_accuracy()))
    return scores


def resume(out: Path | str, *, observer: Observer | None = None,
           stop: Callable[[], bool] | None = None, progress: bool = False) -> RunRecord:
    """Go on with the run in a folder, with the settings it was begun with."""
    config = RunRecord.load(out).config
    stream = make_stream(config.stream, config.scenario, config.tasks, config.data_seed)
    return run_stream(make_learner(config, stream), stream, config, out=out, resume=True,
                      observer=observer, stop=stop, progress=progress)
