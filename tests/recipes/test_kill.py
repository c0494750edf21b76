"""Real processes: killed at moments that nobody chose, short of disk, in each other's way.

Resumed, each run comes out as if nothing had been.
"""

from __future__ import annotations

import json
import random
import resource
import threading
from dataclasses import asdict

import pytest
from tqdm.auto import tqdm

from workbench.config import RunConfig
from workbench.errors import RecordError
from workbench.runs.checkpoint import read_checkpoint
from workbench.runs.experiment import resume, run
from workbench.runs.record import RunRecord

STEPS, TASKS = 60, 3


def go_on(config, folder):
    """Begin the run in a folder, or go on with it: what somebody would do after a crash."""
    tqdm.set_lock(threading.RLock())  # its usual lock would outlive a killed process
    if (folder / "run.json").exists():
        resume(folder)
    else:
        run(RunConfig.from_json(config), out=folder, force=True)


def steps_on_disk(folder):
    path = folder / "run.json"
    return json.loads(path.read_text())["steps_taken"] if path.exists() else -1


@pytest.mark.parametrize("learner", ["ewc", "si", "derpp", "lwf", "replay", "joint"])
def test_a_run_killed_again_and_again_equals_one_left_alone(learner, assert_same_run, kill_once,
                                                            tmp_path):
    # A checkpoint at every step, so that most kills come while files are being written.
    config = RunConfig(learner=learner, seeds=(0, 1), tasks=TASKS, steps=STEPS, batch_size=16,
                       hidden=(16,), checkpoint_every=1, evaluate_every=20, clip=1.0)
    whole, folder = run(config, out=tmp_path / "whole"), tmp_path / "run"
    killed_at = []
    # Once as it sets out, then soon after two random steps of each task.
    moments = [-1] + [STEPS * task + step for task in range(TASKS)
                      for step in sorted(random.sample(range(1, STEPS - 10), 2))]
    for moment in moments:
        if not kill_once(go_on, (asdict(config), folder), lambda: steps_on_disk(folder), moment):
            break
        if (folder / "run.json").exists():
            record = RunRecord.load(folder)
            assert record.status == "running"
            assert read_checkpoint(folder), "the checkpoint is whole"
            killed_at.append(record.steps_taken)
    assert killed_at == sorted(killed_at), "no kill loses what was saved"
    assert len({step // STEPS for step in killed_at}) >= 2, f"killed only at steps {killed_at}"

    if RunRecord.load(folder).status != "complete":
        resume(folder)
    record = RunRecord.load(folder)
    assert record.status == "complete"
    assert_same_run(record, whole, folder, tmp_path / "whole")
    assert len(list(folder.iterdir())) == 4, "lock, run.json, arrays and weights: no litter"


def test_a_language_model_killed_again_and_again_equals_one_left_alone(assert_same_run, kill_once,
                                                                      tmp_path):
    config = RunConfig(stream="skills", skills=("facts-new", "tools-new"), model="nano",
                       learner="sdft", options={"teacher": "ema"}, steps=5, batch_size=8, items=2,
                       checkpoint_every=1)
    whole, folder = run(config, out=tmp_path / "whole", force=True), tmp_path / "run"
    killed_at = []
    for moment in (1, 4, 7):
        if not kill_once(go_on, (asdict(config), folder), lambda: steps_on_disk(folder), moment):
            break
        killed_at.append(steps_on_disk(folder))
        assert read_checkpoint(folder), "the checkpoint is whole"
    assert killed_at and killed_at == sorted(killed_at), "no kill loses what was saved"
    if RunRecord.load(folder).status != "complete":
        resume(folder)
    assert_same_run(RunRecord.load(folder), whole, folder, tmp_path / "whole")


def run_with_small_files(config, folder, limit, printed):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        run(RunConfig.from_json(config), out=folder)
    except RecordError as error:
        printed.send(str(error))


def test_a_limit_on_file_size_is_met_in_the_middle_of_a_write(tiny, assert_same_run, processes,
                                                              tmp_path):
    settings, folder = tiny(learner="si"), tmp_path / "run"
    whole = run(settings, out=tmp_path / "whole")
    asked = iter(range(9))
    run(settings, out=tmp_path / "first", stop=lambda: next(asked) == 0)
    limit = next((tmp_path / "first").glob("checkpoint-*")).stat().st_size
    heard, printed = processes.Pipe(duplex=False)
    child = processes.Process(target=run_with_small_files,
                              args=(asdict(settings), folder, limit + 500, printed))
    child.start()
    assert heard.poll(60)
    assert "could not write" in (message := heard.recv())
    assert "File too large" in message
    child.join()
    assert RunRecord.load(folder).steps_taken == 0
    assert not list(folder.glob(".*.partial"))
    assert_same_run(resume(folder), whole, folder, tmp_path / "whole")


def run_and_wait(config, folder, begun, go_on):
    def stop():
        begun.set()
        assert go_on.wait(60)
        return False

    run(RunConfig.from_json(config), out=folder, stop=stop)


def test_a_folder_in_use_by_another_process_is_refused(tiny, assert_same_run, processes, tmp_path):
    folder = tmp_path / "run"
    begun, go_on = processes.Event(), processes.Event()
    child = processes.Process(target=run_and_wait, args=(asdict(tiny()), folder, begun, go_on))
    child.start()
    assert begun.wait(60)
    with pytest.raises(RecordError, match="in use by another run. Wait for it, or give"):
        resume(folder)
    with pytest.raises(RecordError, match="already holds a run, which is left as it is"):
        run(tiny(), out=folder)
    go_on.set()
    child.join()
    assert child.exitcode == 0
    assert_same_run(RunRecord.load(folder), run(tiny()))
