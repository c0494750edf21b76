"""A record as plain JSON values, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from workbench.measure.metrics import summarise
from workbench.runs.record import RunRecord
from workbench.runs.record_files import Floats


def summary(record: RunRecord) -> dict[str, Any]:
    """Return the output of ``workbench run --json``: lists with seeds first, None for NaN."""
    def lists(array: Floats) -> Any:
        return np.where(np.isnan(array), None, array).tolist()  # type: ignore[call-overload]

    defined, undefined = summarise(record.matrix())
    return {"accuracy": lists(record.accuracy), "baseline": lists(record.baseline),
            "old": {"names": record.old_names, "accuracy": lists(record.old_accuracy)},
            "diagnostics": {"names": record.diagnostic_names,
                            "values": lists(record.diagnostics)},
            "metrics": {k: np.asarray(v).tolist() for k, v in defined.items()},
            "undefined": undefined, "seconds": record.total_seconds,
            "gate": record.gate and record.gate["label"],
            "config": asdict(record.config), "scenario": record.scenario, "status": record.status,
            "tasks": record.task_names, "steps": record.steps_taken,
            "samples": record.samples_seen, "stored_bytes": record.stored_bytes}
