"""What a model knows, and whether it is still what its record says."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from workbench.assessment import SAME, require_known, share_kept
from workbench.config import RunConfig
from workbench.errors import GateError, UndefinedMetricError
from workbench.experiment import resume, run
from workbench.record import RunRecord


def test_what_is_kept_is_relative_to_what_was_known():
    assert share_kept([1, 0.5, 0], [0.5, 0.5, 0.9]) == pytest.approx(0.75)
    assert share_kept([0.8], [[0.8], [0.4]]).tolist() == [1, 0.5]
    with pytest.raises(UndefinedMetricError, match="needs an old skill that was known"):
        share_kept([0, 0], [1, 1])
    with pytest.raises(UndefinedMetricError, match="known before: no old skills were tested"):
        share_kept([], [])


def test_a_model_that_knows_what_it_knew_may_begin():
    recorded, known = {"a": 0.5, "b": 1.0}, {"a": 0.5 + 0.9 * SAME, "b": 1.0, "c": 0.0}
    require_known(recorded, known, "m", 48)
    with pytest.raises(GateError):
        require_known(recorded, known | {"a": 0.5 + 1.1 * SAME}, "m", 48)
    require_known({}, {}, "m", 48)


@pytest.mark.parametrize("before, now, questions", [
    (0.9, 0.8, 48), (0.8, 0.7, 48),  # equally far, however they are rounded
    (1.0, 0.5, 4), (0.75, 0.25, 4)])
def test_what_other_processors_round_is_let_pass(before, now, questions):
    require_known({"a": before}, {"a": now}, "m", questions)
    with pytest.raises(GateError):
        require_known({"a": before}, {"a": now - 1 / questions}, "m", questions)


@pytest.mark.parametrize("now, said", [
    ({"a": 0.2, "b": 1.0}, "m does not know what its record says .a: 50 % recorded, 20 % now"),
    ({"a": 0.9, "b": 1.0}, "a: 50 % recorded, 90 % now"),
    ({"a": 0.5}, "b: 100 % recorded, not measured now"),
    ({"a": np.nan, "b": 1.0}, "a: 50 % recorded, nan % now"),
])
def test_a_model_that_does_not_is_refused(now, said):
    with pytest.raises(GateError, match=said):
        require_known({"a": 0.5, "b": 1.0}, now, "m", 48)


def stopped_between_tasks(config, folder):
    """A run that has finished its first task and not begun its second."""
    asked = iter([False] * config.steps + [True])
    assert run(config, out=folder, stop=asked.__next__).status == "stopped"
    record = RunRecord.load(folder)
    assert (record.task, record.step) == (1, 0)
    return record


def test_a_stage_is_not_begun_by_other_weights_than_those_that_ended_the_last(tiny, tmp_path):
    folder = tmp_path / "run"
    first, other = tiny(lr=0.1, steps=30), tiny(lr=1e-9, steps=30)
    known = stopped_between_tasks(first, folder).accuracy[:, 0, 0]
    assert known.min() > 0.5
    shutil.copytree(folder, tmp_path / "whole")
    stopped_between_tasks(other, tmp_path / "other")
    swap_weights(folder, tmp_path / "other")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(GateError, match="seed 0 does not know what its record says"):
        resume(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert resume(tmp_path / "whole").status == "complete"


def swap_weights(folder, source):
    """Put another run's checkpoint in the place of a run's own, hash and all."""
    mine, theirs = (json.loads((path / "run.json").read_text()) for path in (folder, source))
    entry = theirs["files"]["checkpoint"]
    shutil.copy(source / entry["file"], folder / entry["file"])
    mine["files"]["checkpoint"] = entry
    (folder / "run.json").write_text(json.dumps(mine))


def test_what_was_known_before_is_asked_too_and_every_seed(tmp_path):
    config = RunConfig(stream="skills", skills=("facts-new", "tools-new"), model="nano",
                       learner="sft", lr=1e-9, steps=2, batch_size=4, items=24, seeds=(0, 1))
    record = stopped_between_tasks(config, tmp_path)
    j = int(record.watched[1, 1].argmax())
    assert record.watched[1, 1, j] > 0.5
    record.watched[1, 1, j] = 0  # of the second seed, after the first task
    said = json.loads((tmp_path / "run.json").read_text())
    record.save(tmp_path, checkpoint=said["files"]["checkpoint"])
    with pytest.raises(GateError, match=f"seed 1 does not know .*{record.watched_names[j]}: 0 %"):
        resume(tmp_path)
