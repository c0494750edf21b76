"""Killed with SIGKILL at moments that nobody chose, and resumed: the run comes out the same."""

from __future__ import annotations

import random
import signal
import time

import pytest

from workbench.checkpoint import RunFolder
from workbench.config import RunConfig
from workbench.experiment import resume, run
from workbench.record import RunRecord

KILLS = 6


def go_on(config, folder):
    """Begin the run in a folder, or go on with it: what somebody would do after a crash."""
    if (folder / "run.json").exists():
        resume(folder)
    else:
        run(RunConfig.from_json(config), out=folder)


def last_write(folder):
    path = folder / "run.json"
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.parametrize("learner", ["ewc", "si", "derpp", "lwf", "replay", "joint"])
def test_a_run_killed_again_and_again_equals_one_left_alone(learner, same_run, processes, tmp_path):
    # A checkpoint at every step, so that most kills come while files are being written.
    config = RunConfig(learner=learner, seeds=(0, 1), tasks=3, steps=60, batch_size=16,
                       hidden=(16,), checkpoint_every=1, evaluate_every=20, clip=1.0)
    whole, folder = run(config, out=tmp_path / "whole"), tmp_path / "run"
    killed_at = []
    for kill in range(KILLS):
        child = processes.Process(target=go_on, args=(config.to_json(), folder))
        before = last_write(folder)
        child.start()
        # The first is killed while it sets out, the others some time after they began to write.
        while kill and child.is_alive() and last_write(folder) == before:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.05))
        child.kill()
        child.join()
        if child.exitcode != -signal.SIGKILL:
            break
        if (folder / "run.json").exists():
            record = RunRecord.load(folder)
            assert record.status == "running"
            assert RunFolder(folder).tensors(), "the checkpoint is whole"
            killed_at.append(record.steps_taken)
    print("KILLED", learner, killed_at)
    assert killed_at == sorted(killed_at), "no kill loses what was saved"
    assert len(set(killed_at)) >= 3, f"killed under way, at steps {killed_at}"

    if RunRecord.load(folder).status != "complete":
        resume(folder)
    record = RunRecord.load(folder)
    assert record.status == "complete"
    same_run(record, whole, folder, tmp_path / "whole")
    assert len(list(folder.iterdir())) == 4, "lock, run.json, arrays and weights: no litter"
