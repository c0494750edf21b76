"""Checks before a run: the gate, and whether a trained model is unchanged since its record."""

import json
from pathlib import Path
from typing import Any

from workbench.config import RunConfig
from workbench.errors import GateError
from workbench.learners import Learner
from workbench.learners.text import TextLearner
from workbench.measure.gate import ITEMS, GateReport, gate, require
from workbench.models.loading import find_model
from workbench.models.verify import INPUTS
from workbench.runs.record import RunRecord
from workbench.system.files import sha256
from workbench.tasks import Stream, Task
from workbench.tasks.text import TextExamples
from workbench.teachers import FULL_CONTEXT

_reports: dict[tuple[str, ...], GateReport] = {}
"""Reports of the gate in this process, by the content of model and items."""


def admit(learner: Learner, stream: Stream, config: RunConfig,
          force: bool) -> dict[str, Any] | None:
    """Check that a run's model can be its own teacher, and is the model of its record.

    Returns the value of `RunRecord.gate`: ``label``, and the gate's ``reports`` on training items
    of each task; None if nothing had to be checked. A check that fails raises `GateError`, unless
    `force` is set.
    """
    if not isinstance(learner, TextLearner):
        return None
    labels: list[str] = []
    reports: list[GateReport] = []
    try:
        require_recorded(learner, find_model(config.model))
    except GateError as error:
        if not force:
            raise GateError(f"{error} With --force the run goes on, and is labelled.") from error
        labels.append("not what its record says, forced")
    if learner.needs_gate and learner.context in (FULL_CONTEXT, "own", "article+own"):
        reports = [measure(learner, task, config.model) for task in stream.tasks]
        # A failed report comes first: its label is that of the run.
        ordered = sorted(reports, key=lambda report: report.passed)
        labels.insert(0, [require(report, force) for report in ordered][0])
    elif learner.needs_gate:
        labels.insert(0, f"no gate: a control, its teacher is shown {learner.context!r}")
    if not labels:
        return None
    return {"label": "; ".join(labels),
            "reports": [json.loads(report.to_json()) for report in reports]}


def measure(learner: TextLearner, task: Task, name: str) -> GateReport:
    """Return the gate's report on a task, measured once in a process for the same content."""
    assert isinstance(task.train, TextExamples)
    key = (name, *learner.inputs().values(), sha256(task.train.content()),
           str(learner.max_new_tokens))
    if key not in _reports:
        _reports[key] = gate(learner.model.base, learner.model.tokenizer,
                             task.train.items[:ITEMS], name=name,
                             max_new_tokens=learner.max_new_tokens)
    return _reports[key]


def require_recorded(learner: TextLearner, folder: Path) -> None:
    """Check that a model trained by an earlier run is still the model of that run's record.

    Otherwise the effect of other weights, or of another tokenizer or chat template, would be taken
    for forgetting. Raises `GateError` if the run is not complete, or the tokenizer or chat template
    has changed, and `RecordError` if the record or the weights are damaged.
    """
    if not (folder / "run.json").is_file():
        return
    record = RunRecord.load(folder)  # this checks the hash of the weights
    if record.status != "complete":
        raise GateError(f"the run in {folder} is not complete, so its record does not show "
                        "what the model knows. Continue it first: workbench train --resume.")
    changed = [INPUTS[name] for name in ("tokenizer", "chat_template")
               if record.inputs.get(name) != learner.inputs()[name]]
    if changed:
        raise GateError(f"{folder} is not the model that its record describes: since it was "
                        f"trained, {' and '.join(changed)} changed. Restore the former version, "
                        "or train again into another folder.")
