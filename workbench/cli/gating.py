"""What a model has to pass before a command makes it its own teacher."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ConfigError, DataError, GateError, UnknownNameError

if TYPE_CHECKING:
    from workbench.config import RunConfig
    from workbench.gate import GateReport

TAUGHT_BY_THEMSELVES = ("sdft", "offline_distill")
"""Learners whose teacher is the model itself."""
REPORT = "gate.json"


def pass_gate(settings: dict[str, Any], out: Path | None, force: bool) -> str:
    """Refuse a run whose model is not what it was, or cannot teach itself.

    A model that an earlier run has trained must know what the record of that run says. A learner
    that is taught by the model itself needs one that passes the gate on each skill.

    Parameters
    ----------
    settings : dict
        Of the run, on text skills.
    out : Path, optional
        Where what was measured is kept.
    force : bool
        Go on all the same.

    Returns
    -------
    str
        What the run is labelled with.

    Raises
    ------
    GateError
        If it is refused.
    """
    from workbench.config import RunConfig
    from workbench.experiment import make_learner, stream_of
    from workbench.files import require_new_folder, write_atomically

    config = RunConfig(**settings)
    if out is not None:
        require_new_folder(out)
    make_learner(config, stream_of(config))  # settings that cannot work are refused first
    warning = require_start(config, force)
    label, reports = teach_itself(config, force)
    label += warning
    if out is not None and (reports or warning) and not (out / "run.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / REPORT, json.dumps(
            {"label": label, "passed": not warning and all(report.passed for report in reports),
             "reports": [json.loads(report.to_json()) for report in reports]}, indent=1).encode())
    return label


def teach_itself(config: RunConfig, force: bool) -> tuple[str, list[GateReport]]:
    """Return what the gate says of a model that is to be its own teacher."""
    from workbench.gate import ITEMS, gate, require
    from workbench.models import load_causal_lm
    from workbench.tasks import load_skill
    from workbench.teachers import ALL_HELP

    if config.learner not in TAUGHT_BY_THEMSELVES:
        return "no gate: not taught by itself", []
    shown = config.options.get("help", ALL_HELP)
    if shown not in (ALL_HELP, "own", "article+own"):
        return f"no gate: a control, its teacher is shown {shown!r}", []
    model, tokenizer = load_causal_lm(config.model, device=config.device)
    reports = [gate(model, tokenizer, load_skill(skill, "train")[:ITEMS], name=config.model,
                    max_new_tokens=int(config.options.get("max_new_tokens", 40)))
               for skill in config.skills]
    labels = [require(report, force) for report in reports]
    return next((label for label, report in zip(labels, reports, strict=True)
                 if not report.passed), labels[0]), reports


def require_start(config: RunConfig, force: bool) -> str:
    """Ask whether a model that an earlier run has trained knows what its record says.

    Returns
    -------
    str
        What a forced run's label ends with; empty where nothing was wrong.

    Raises
    ------
    GateError
        If it does not, or cannot be asked, and nothing was forced.
    """
    from workbench.models.loading import find_model

    folder = find_model(config.model)
    if not (folder / "run.json").is_file():
        return ""
    try:
        ask_again(folder, config)
    except GateError as error:
        if not force:
            raise GateError(f"{error} With --force it goes on, and is labelled.") from error
        return "; not what its record says, forced"
    return ""


def ask_again(folder: Path, config: RunConfig) -> None:
    """Put the questions of the run in a folder to the model there, as that run ended.

    Raises
    ------
    GateError
        If it answers otherwise, or cannot be asked.
    """
    from workbench.assessment import require_known
    from workbench.evaluation import evaluate
    from workbench.experiment import make_learner, stream_of
    from workbench.record import RunRecord

    record = RunRecord.load(folder)
    then = replace(record.config, model=config.model, device=config.device)
    if record.status != "complete":
        raise GateError(f"the run in {folder} is not complete, so that nothing says what the "
                        "model there knows. Go on with it first: workbench train --resume.")
    try:
        stream = stream_of(then)
    except (DataError, UnknownNameError) as error:
        raise GateError(f"what {folder} knows cannot be asked: {error}") from error
    if stream.data_hash() != record.data_hash:
        raise GateError(f"what {folder} knows cannot be asked: the items of "
                        f"{', '.join(then.skills)} have changed since. Restore them.")
    now = evaluate(make_learner(then, stream), stream, len(stream) - 1, then.evaluate_on)[0]
    names = [*record.task_names, *record.watched_names]
    known = [*record.accuracy[0, -1], *record.watched[0, -1]]
    require_known(dict(zip(names, known, strict=True)), dict(zip(names, now, strict=True)),
                  str(folder), min(record.examples))


def label_of(out: Path) -> str:
    """Return what a run was labelled with when it began; nothing where no gate was asked for.

    Raises
    ------
    ConfigError
        If the report is damaged.
    """
    path = out / REPORT
    if not path.is_file():
        return ""
    try:
        return str(json.loads(path.read_text())["label"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({type(error).__name__}: {error}). The run itself is "
                          "intact; move the report away to go on without its label.") from error
