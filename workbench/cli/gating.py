"""What a model has to pass before a command makes it its own teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.config import RunConfig

TAUGHT_BY_THEMSELVES = ("sdft", "offline_distill")
"""Learners whose teacher is the model itself."""
REPORT = "gate.json"


def pass_gate(settings: dict[str, Any], out: Path | None, force: bool) -> str:
    """Refuse a self-taught run whose model fails the gate on a skill, or is not what it was.

    A model that an earlier run has trained must know what the record of that run says.

    Parameters
    ----------
    settings : dict
        Of the run.
    out : Path, optional
        Where what was measured is kept.
    force : bool
        Go on all the same.

    Returns
    -------
    str
        What the run is labelled with.
    """
    from workbench.config import RunConfig
    from workbench.experiment import make_learner, stream_of
    from workbench.files import write_atomically
    from workbench.gate import ITEMS, gate, require
    from workbench.models import load_causal_lm
    from workbench.tasks import load_skill
    from workbench.teachers import ALL_HELP

    config = RunConfig(**settings)
    make_learner(config, stream_of(config))  # settings that cannot work are refused first
    if config.stream == "skills" and not force:
        require_start(config)
    if config.learner not in TAUGHT_BY_THEMSELVES:
        return "no gate: not taught by itself"
    shown = config.options.get("help", ALL_HELP)
    if shown not in (ALL_HELP, "own", "article+own"):
        return f"no gate: a control, its teacher is shown {shown!r}"
    model, tokenizer = load_causal_lm(config.model, device=config.device)
    reports = [gate(model, tokenizer, load_skill(skill, "train")[:ITEMS], name=config.model,
                    max_new_tokens=int(config.options.get("max_new_tokens", 40)))
               for skill in config.skills]
    labels = [require(report, force) for report in reports]
    label = next((label for label, report in zip(labels, reports, strict=True)
                  if not report.passed), labels[0])
    if out is not None and not (out / "run.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / REPORT, json.dumps(
            {"label": label, "passed": all(report.passed for report in reports),
             "reports": [json.loads(report.to_json()) for report in reports]}, indent=1).encode())
    return label


def require_start(config: RunConfig) -> None:
    """Ask whether a model that a run has trained knows what its record says.

    Raises
    ------
    GateError
        If it does not.
    RecordError
        If the record is damaged.
    """
    from workbench.assessment import assess, require_known
    from workbench.models import load_causal_lm
    from workbench.record import RunRecord

    if not (Path(config.model) / "run.json").is_file():
        return
    record = RunRecord.load(config.model)
    if record.status != "complete" or record.scenario == "task":
        return  # there is no one model whose knowledge was recorded
    recorded = dict(zip([*record.task_names, *record.watched_names],
                        [*record.accuracy[0, -1], *record.watched[0, -1]], strict=True))
    found = assess(*load_causal_lm(config.model, device=config.device), record.config.skills,
                   split=record.config.evaluate_on, most=record.config.items)
    measured = {skill: rates["right"]["rate"] for skill, rates in found["skills"].items()}
    require_known(recorded, measured, config.model)


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
