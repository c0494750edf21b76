"""Strict JSON: every number that programs read is finite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench
from workbench.measure.gate import Condition, GateReport
from workbench.pretraining import PretrainConfig
from workbench.pretraining.loop import Pretraining
from workbench.pretraining.settings import LOG
from workbench.system.files import to_json

NAN, INFINITE = float("nan"), float("inf")


def strict(text):
    """Read JSON as browsers do: a bare NaN or Infinity is no JSON."""
    def refuse(name):
        raise ValueError(f"{name} is not JSON")
    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_not_finite_become_null_at_every_depth():
    value = {"a": NAN, "b": [1, (INFINITE, -INFINITE)], "c": {"d": 0.5, "e": True, "f": None}}
    assert strict(to_json(value)) == {"a": None, "b": [1, [None, None]],
                                      "c": {"d": 0.5, "e": True, "f": None}}


def test_finite_values_are_written_as_json_dumps_writes_them():
    value = {"name": "ä", "numbers": [1, 2.5, -3], "empty": {}, "nothing": None}
    assert to_json(value) == json.dumps(value)
    assert to_json(value, indent=1) == json.dumps(value, indent=1)


def test_what_json_has_no_type_for_is_refused():
    with pytest.raises(TypeError):
        to_json({"a": {1, 2}})


def test_a_gate_that_measured_nothing_is_reported_in_strict_json():
    report = GateReport("m", "facts-new", 0, {}, {"per_token": NAN}, {"per_token": INFINITE},
                        {"copied": NAN}, [Condition("is measured", "nan", False)])
    result = strict(report.to_json())
    assert result["teacher_kl"] == {"per_token": None} and result["passed"] is False


def test_a_log_of_pretraining_is_strict_json(tmp_path):
    log = {"losses": [[50, NAN]], "curve": [{"step": 50, "facts-keepers": NAN}]}
    Pretraining(PretrainConfig(size="nano").resolved(), tmp_path, log).write_log()
    assert strict((tmp_path / LOG).read_text())["losses"] == [[50, None]]


def test_results_are_written_by_to_json_alone():
    """Items of a skill and the checks of doctor hold no numbers with a fraction.

    Messages to another process are no results, and may be NaN.
    """
    package = Path(workbench.__file__).parent
    writers = {path.relative_to(package).as_posix() for path in package.rglob("*.py")
               if "json.dump" in path.read_text(encoding="utf-8")}
    assert writers <= {"system/files.py", "course/doctor.py", "tasks/items.py", "tasks/text.py",
                       "system/messages.py", "models/verify.py", "tasks/utterances.py"}
