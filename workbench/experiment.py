"""From settings to a record: make the stream, the networks and the learner, and run them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.config import RunConfig
from workbench.diagnostics import Probe
from workbench.errors import ConfigError, UnknownNameError
from workbench.evaluation import Observer
from workbench.learners import CONTROLS, LEARNERS, Learner
from workbench.learners.text import TEXT_LEARNERS, TextLearner
from workbench.loop import run_stream
from workbench.models import StackedMLP
from workbench.models.language import LanguageModels
from workbench.models.special_tokens import check_items_against
from workbench.record import RunRecord
from workbench.runtime import require_device
from workbench.tasks import Stream, make_stream
from workbench.tasks.text import TEXT_STREAM, TextStream, make_text_stream


def make_learner(config: RunConfig, stream: Stream) -> Learner:
    """Return a fresh learner for a stream.

    Raises
    ------
    UnknownNameError
        If there is no such learner.
    ConfigError
        If it has no such option, or not with that value.
    """
    methods: Mapping[str, type[Learner]] = (
        TEXT_LEARNERS if isinstance(stream, TextStream) else LEARNERS | CONTROLS)
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
    model: Any
    if isinstance(stream, TextStream):
        model = LanguageModels(config.model, config.seeds, config.lora_rank,
                               require_device(config.device))
        for name, items in stream.items().items():  # before anything is computed
            check_items_against(model.tokenizer, items, name)
    else:
        model = StackedMLP(stream.tasks[0].train.x.shape[1], config.hidden, stream.outputs,
                           config.seeds)
    options: Any = config.options
    learner = method(model, **options)
    if isinstance(learner, TextLearner):
        for task in stream.tasks:
            learner.check(task)
    return learner


def stream_of(config: RunConfig) -> Stream:
    """Return the stream that a config asks for."""
    if config.stream == TEXT_STREAM:
        return make_text_stream(config.skills, config.scenario, config.items,
                                config.old_skills)
    return make_stream(config.stream, config.scenario, config.tasks, config.data_seed)


def run(config: RunConfig, *, out: Path | str | None = None, observer: Observer | None = None,
        stop: Callable[[], bool] | None = None, progress: bool = False) -> RunRecord:
    """Run an experiment; see `workbench.loop.run_stream` for what the arguments do."""
    return _start(config, out, False, observer, stop, progress)


def _start(config: RunConfig, out: Path | str | None, resume: bool, observer: Observer | None,
           stop: Callable[[], bool] | None, progress: bool) -> RunRecord:
    stream = stream_of(config)
    learner = make_learner(config, stream)
    probe = (Probe(learner, stream, config.evaluate_on)
             if config.diagnose and isinstance(learner, TextLearner) else None)
    return run_stream(learner, stream, config, out=out, resume=resume, probe=probe,
                      observer=observer, stop=stop, progress=progress)


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
    return _start(RunRecord.load(out).config, out, True, observer, stop, progress)
