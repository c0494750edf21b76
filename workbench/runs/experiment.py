"""Running an experiment: from settings to stream, networks, learner and record."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.config import RunConfig
from workbench.errors import ConfigError, RecordError, UnknownNameError
from workbench.learners import (
    CONTROLS,
    LEARNERS,
    ON_BACKBONES,
    ON_VALUES,
    OSF,
    Adapters,
    Composed,
    Learner,
)
from workbench.learners.text import TEXT_LEARNERS, TextLearner
from workbench.models import StackedMLP
from workbench.models.adapted import AdaptedBackbones
from workbench.models.backbones import load_backbone
from workbench.models.composed import ComposedBackbones, ComposedModels
from workbench.models.encoding import check_items_against
from workbench.models.language import LanguageModels
from workbench.models.osf import OSFBackbones
from workbench.runs.admission import admit
from workbench.runs.checkpoint import read_tensors
from workbench.runs.evaluation import Observer
from workbench.runs.loop import run_stream
from workbench.runs.record import RunRecord
from workbench.runs.record_files import file_entry, read_run_json
from workbench.system.files import require_new_folder
from workbench.system.runtime import require_device
from workbench.tasks import Stream, make_stream
from workbench.tasks.text import TEXT_STREAM, TextStream, make_text_stream
from workbench.tasks.utterances import (
    INTENTS,
    INTENTS_STREAM,
    UtteranceStream,
    make_utterance_stream,
)
from workbench.tasks.variants import with_few_examples, with_generations, with_label_noise


def method_of(config: RunConfig) -> type[Learner]:
    """Return the class of a config's learner; raise `UnknownNameError` if the stream has none."""
    methods: Mapping[str, type[Learner]] = (
        TEXT_LEARNERS if config.stream == TEXT_STREAM else
        ON_BACKBONES if config.backbone else LEARNERS | CONTROLS)
    if config.learner not in methods:
        raise UnknownNameError("learner", config.learner, methods)
    return methods[config.learner]


def make_learner(config: RunConfig, stream: Stream) -> Learner:
    """Return a fresh learner for a stream.

    Raises
    ------
    UnknownNameError
        If the learner or an option of it is not known.
    ConfigError
        If an option has a wrong value, or the learner cannot do the scenario.
    """
    method = method_of(config)
    known = [name for name in inspect.signature(method).parameters if name != "model"]
    for option in config.options:
        if option not in known:
            raise UnknownNameError(f"option of {config.learner!r}", option, known or ["none"])
    if stream.scenario not in method.scenarios:
        raise ConfigError(f"learner {config.learner!r} cannot do the {stream.scenario!r} scenario; "
                          f"it can do: {', '.join(method.scenarios)}")
    if stream.tasks[0].train.y.is_floating_point() and config.learner not in ON_VALUES:
        raise ConfigError(f"learner {config.learner!r} needs classes, and the labels of the stream "
                          f"{config.stream!r} are values; there it can be: {', '.join(ON_VALUES)}")
    model: Any
    options: Any = config.options
    if config.backbone:
        backbone = load_backbone(config.backbone)
        table = backbone.encode(stream.texts) if isinstance(stream, UtteranceStream) else None
        backbones = (ComposedBackbones if method.composes else
                     OSFBackbones if method is OSF else AdaptedBackbones)
        model = backbones(backbone, config.seeds, stream.outputs, config.lora_rank, table)
        if method in (Adapters, Composed):
            options = {"retriever": config.retriever, **config.options}
    elif isinstance(stream, TextStream):
        models = ComposedModels if method.composes else LanguageModels
        model = models(config.model, config.seeds, config.lora_rank, require_device(config.device),
                       config.teacher_turn)
        for name, items in stream.items().items():  # before anything is computed
            check_items_against(model.tokenizer, items, name)
    else:
        model = StackedMLP(stream.tasks[0].train.x.shape[1], config.hidden, stream.outputs,
                           config.seeds)
    learner = method(model, **options)
    if isinstance(learner, TextLearner | Adapters):
        for task in stream.tasks:
            learner.check(task)
    return learner


def stream_of(config: RunConfig) -> Stream:
    """Return the stream of a config.

    If the config has no scenario, a learner with a single scenario decides it, and otherwise the
    stream's usual one is taken.
    """
    scenarios = method_of(config).scenarios
    scenario = config.scenario or (scenarios[0] if len(scenarios) == 1 else None)
    if config.stream == TEXT_STREAM:
        return make_text_stream(config.skills, scenario, config.items, config.old_skills)
    if config.of_labelled_texts:
        path = INTENTS if config.stream == INTENTS_STREAM else config.stream
        return make_utterance_stream(path, scenario, config.tasks)
    stream = make_stream(config.stream, scenario, config.tasks, config.data_seed)
    if config.examples:
        stream = with_few_examples(stream, config.examples, config.data_seed)
    stream = with_label_noise(stream, config.label_noise, config.seeds)
    return with_generations(stream, config.generations) if config.generations > 1 else stream


def run(config: RunConfig, *, out: Path | str | None = None, force: bool = False,
        observer: Observer | None = None, stop: Callable[[], bool] | None = None,
        progress: bool = False) -> RunRecord:
    """Run an experiment.

    A method whose model is its own teacher needs a model that passes the gate
    (`workbench.measure.gate`) on each skill. A model that an earlier run trained must be unchanged.

    Parameters
    ----------
    config : RunConfig
        The settings.
    force : bool
        Run even if the gate is not passed; the record is then labelled as forced.
    out, observer, stop, progress
        See `workbench.runs.loop.run_stream`.

    Raises
    ------
    GateError
        If the gate is not passed, or the model differs from its record.
    RecordError
        If `out` contains files already, or cannot be created.
    """
    if out is not None:
        require_new_folder(Path(out))  # before a model is loaded
    stream = stream_of(config)
    learner = make_learner(config, stream)
    gate = admit(learner, stream, config, force)
    return run_stream(learner, stream, config, out=out, gate=gate, observer=observer, stop=stop,
                      progress=progress)


def tune(config: RunConfig, option: str, values: Sequence[float]) -> dict[float, float]:
    """Return the validation accuracy at the end of the stream for each value of an option.

    Parameters
    ----------
    config : RunConfig
        The other settings. Use seeds that no comparison on test data uses.
    option : str
        An option of the learner.
    values : sequence of float
        Values to try; use the same number for every method.

    Returns
    -------
    dict of float to float
        Average accuracy (ACC) by value, the mean over seeds.
    """
    scores = {}
    for value in values:
        options = {**config.options, option: value}
        record = run(replace(config, options=options, evaluate_on="validation"))
        scores[value] = float(np.mean(record.matrix().average_accuracy()))
    return scores


def resume(out: Path | str, *, observer: Observer | None = None,
           stop: Callable[[], bool] | None = None, progress: bool = False) -> RunRecord:
    """Continue the run in a folder with its own settings."""
    config = RunRecord.load(out).config
    stream = stream_of(config)
    learner = make_learner(config, stream)
    return run_stream(learner, stream, config, out=out, resume=True, observer=observer, stop=stop,
                      progress=progress)


def load_adapters(out: Path | str) -> tuple[RunRecord, Stream, Adapters]:
    """Return the record, the stream and the learner of a complete run that keeps adapters.

    Raises `RecordError` if it is another run, is not complete, or its data or backbone changed.
    """
    folder, record = Path(out), RunRecord.load(out)
    if not issubclass(method_of(record.config), Adapters) or record.status != "complete":
        raise RecordError(f"{folder} holds a run of {record.config.learner} that is "
                          f"{record.status}; retrieval needs a complete run of adapters")
    stream = stream_of(record.config)
    learner = make_learner(record.config, stream)
    assert isinstance(learner, Adapters)
    if stream.data_hash() != record.data_hash:
        raise RecordError(f"{folder}: the data have changed since this run. Run again.")
    if learner.inputs()["weights"] != record.inputs.get("weights"):
        raise RecordError(f"{folder}: the adapters are of another backbone than "
                          f"{record.config.backbone} is now. Restore it, or run again.")
    learner.load_state_dict(read_tensors(folder, file_entry(folder, read_run_json(folder),
                                                            "weights")))
    return record, stream, learner
