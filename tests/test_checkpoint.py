"""Checkpoints: a full disk, a second run and a half-written file cost nothing that was saved."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from workbench.errors import RecordError
from workbench.runs.checkpoint import optimizer_tensors, read_checkpoint, restore_optimizer
from workbench.runs.experiment import resume, run
from workbench.runs.record import RunRecord
from workbench.system.files import write_atomically

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")


def full_disk(folder, name):
    """Make writing a file fail as on a full disk: its content goes to /dev/full."""
    (folder / f".{name}.partial").symlink_to("/dev/full")


def settings(tiny):
    return tiny(learner="si", checkpoint_every=2)  # saved at steps 0, 2, 4, 6, 8, 10 and 12


# A full disk

@linux_only
@pytest.mark.parametrize("step, kept", [(2, 0), (4, 2), (10, 8), (12, 10)])
def test_a_full_disk_at_a_checkpoint_leaves_the_one_before(step, kept, tiny, assert_same_run,
                                                           tmp_path):
    folder, whole = tmp_path / "run", run(settings(tiny), out=tmp_path / "whole")
    folder.mkdir()
    name = f"checkpoint-{step:07d}.safetensors"
    full_disk(folder, name)
    with pytest.raises(RecordError, match=f"could not write .*{name}: No space left on device.*"
                                          "saved before is intact.*resume"):
        run(settings(tiny), out=folder)
    assert RunRecord.load(folder).steps_taken == kept
    assert read_checkpoint(folder)
    assert not list(folder.glob(".*.partial")), "nothing half-written is left"
    assert_same_run(resume(folder), whole, folder, tmp_path / "whole")


@linux_only
@pytest.mark.parametrize("asked", [0, 3, 9])
def test_a_full_disk_at_run_json_leaves_the_checkpoint_before(asked, tiny, assert_same_run,
                                                              tmp_path):
    folder, whole = tmp_path / "run", run(settings(tiny), out=tmp_path / "whole")
    times = iter(range(100))

    def fill():
        if next(times) == asked:
            full_disk(folder, "run.json")
        return False

    with pytest.raises(RecordError, match="could not write .*run.json: No space left on device"):
        run(settings(tiny), out=folder, stop=fill)
    kept = RunRecord.load(folder)
    assert kept.steps_taken == asked // 2 * 2
    assert read_checkpoint(folder)
    assert_same_run(resume(folder), whole, folder, tmp_path / "whole")
    assert len(list(folder.glob("arrays-*"))) == 1, "what the failed attempt left is cleared away"


@linux_only
def test_a_full_disk_at_the_very_end_loses_nothing(tiny, assert_same_run, tmp_path):
    folder, whole = tmp_path / "run", run(settings(tiny), out=tmp_path / "whole")
    folder.mkdir()
    full_disk(folder, "weights.safetensors")
    with pytest.raises(RecordError, match="weights.safetensors: No space left"):
        run(settings(tiny), out=folder)
    assert RunRecord.load(folder).steps_taken == 12
    assert_same_run(resume(folder), whole, folder, tmp_path / "whole")


@linux_only
def test_a_full_disk_at_the_first_write_leaves_a_folder_that_can_be_used(tiny, assert_same_run,
                                                                         tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    full_disk(folder, "checkpoint-0000000.safetensors")
    with pytest.raises(RecordError, match="No space left"):
        run(tiny(), out=folder)
    assert_same_run(run(tiny(), out=folder), run(tiny()))


# Two runs, one folder

def test_a_second_run_into_a_finished_folder_is_refused(tiny, tmp_path, fingerprint):
    run(tiny(), out=tmp_path / "run")
    before = fingerprint(tmp_path / "run")
    with pytest.raises(RecordError, match="already holds a run, which is left as it is.*--resume"):
        run(tiny(learner="ewc"), out=tmp_path / "run")
    with pytest.raises(RecordError, match="complete: there is nothing to resume"):
        resume(tmp_path / "run")
    assert fingerprint(tmp_path / "run") == before


def test_a_second_run_into_a_stopped_folder_is_refused(tiny, tmp_path, fingerprint):
    run(tiny(), out=tmp_path / "run", stop=lambda: True)
    before = fingerprint(tmp_path / "run")
    with pytest.raises(RecordError, match="already holds a run"):
        run(tiny(), out=tmp_path / "run")
    assert fingerprint(tmp_path / "run") == before


def test_a_folder_in_use_by_the_same_process_is_refused(tiny, assert_same_run, tmp_path):
    def again():
        with pytest.raises(RecordError, match="in use by another run"):
            resume(tmp_path / "run")
        return False

    assert_same_run(run(tiny(), out=tmp_path / "run", stop=again), run(tiny()))


def test_a_folder_is_free_again_after_an_error(tiny, tmp_path):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as kept:  # as a notebook keeps the last error
        run(tiny(), out=tmp_path / "run", stop=fail)
    assert resume(tmp_path / "run").status == "complete"
    del kept


def test_a_folder_that_cannot_be_made_is_refused(tiny, tmp_path):
    (tmp_path / "file").touch()
    for folder in ("file", "file/run"):
        with pytest.raises(RecordError, match="could not make .*/file"):
            run(tiny(), out=tmp_path / folder)
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(RecordError, match="could not make .*/run"):
        run(tiny(), out=tmp_path / "run")


# What a checkpoint is

def test_a_running_folder_holds_one_checkpoint_and_a_finished_one_holds_weights(tiny, tmp_path):
    result = []

    def look():
        run_json = json.loads((tmp_path / "run" / "run.json").read_text())
        names = sorted(p.name for p in (tmp_path / "run").iterdir())
        files = [entry["file"] for entry in run_json["files"].values()]
        assert names == sorted([".lock", "run.json", *files])
        result.append(run_json["files"]["checkpoint"]["file"])
        return False

    run(tiny(checkpoint_every=2), out=tmp_path / "run", stop=look)
    steps = [int(name.removeprefix("checkpoint-")[:7]) for name in result]
    assert steps == [0, 0, 0, 2, 4, 4, 4, 6, 8, 8, 8, 10]
    run_json = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run_json["files"].keys() == {"arrays", "weights"}


def test_an_optimiser_goes_on_from_its_tensors_as_if_nothing_had_been():
    def step(parameter, optimizer):
        optimizer.zero_grad()
        parameter.pow(3).sum().backward()
        optimizer.step()

    one = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    first = torch.optim.Adam([one], lr=0.1, fused=True)
    for _ in range(3):
        step(one, first)
    other = torch.nn.Parameter(one.detach().clone())
    second = torch.optim.Adam([other], lr=0.1, fused=True)
    restore_optimizer(second, {k: v.clone() for k, v in optimizer_tensors(first).items()})
    for _ in range(3):
        step(one, first)
        step(other, second)
        assert torch.equal(one, other)
    assert optimizer_tensors(None) == {}


def test_a_failed_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    (tmp_path / ".file.partial").mkdir()  # cannot be opened for writing
    with pytest.raises(RecordError, match="could not write .*file: Is a directory"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
