"""Several processes that train one model: their run is that of one process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from workbench.errors import ConfigError
from workbench.learners import Learner
from workbench.models import load_causal_lm
from workbench.runs.record import RunRecord
from workbench.system import processes
from workbench.system.runtime import generator
from workbench.tasks import make_stream

TRAIN = ["-m", "workbench.cli", "train", "--model", "nano", "--skill", "facts-new", "--steps", "6",
         "--items", "4", "--batch-size", "8", "--lr", "1e-3", "--clip", "0.5", "--quiet", "--force"]


LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
"""``accelerate launch`` with the flags of the course. Without ``--multi_gpu``, which it adds itself
where there are GPUs, it starts a single process."""


def launched(tmp_path, number):
    """Train in a number of processes; return the finished command and its folder."""
    folder = tmp_path / f"of-{number}"
    launch = [sys.executable, *LAUNCH] if number > 1 else [sys.executable]
    done = subprocess.run([*launch, *TRAIN, "--learner", "sft", "--out", str(folder)],
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    return done, folder


@pytest.mark.parametrize("launch", [LAUNCH, ACCELERATE])
def test_there_are_two_of_them(launch):
    code = ("import os\nfrom workbench.system.processes import *\n"
            "with together('cpu'): line = f'{rank()} {count()} {any_of(rank() == 1)}\\n'\n"
            "os.write(1, line.encode())  # in one piece, since both write to the same pipe")
    without = "--no_python" if launch is ACCELERATE else "--no-python"
    done = subprocess.run([sys.executable, *launch, without, sys.executable, "-c", code],
                          check=True, capture_output=True, text=True, timeout=300)
    assert sorted(done.stdout.split("\n"))[1:] == ["0 2 True", "1 2 True"]


def weights(folder):
    return torch.cat([p.detach().flatten() for p in load_causal_lm(folder)[0].parameters()])


def test_two_processes_train_as_one_does(tmp_path):
    (one, alone), (two, shared) = (launched(tmp_path, number) for number in (1, 2))
    assert one.returncode == two.returncode == 0, two.stderr
    assert two.stdout.count("nano") == one.stdout.count("nano") > 0, "one of them prints"
    before, a, b = load_causal_lm("nano")[0], weights(alone), weights(shared)
    moved = (a - torch.cat([p.detach().flatten() for p in before.parameters()])).norm()
    assert (a - b).norm() < 1e-3 * moved
    records = [RunRecord.load(folder) for folder in (alone, shared)]
    np.testing.assert_allclose(records[0].accuracy, records[1].accuracy)


def test_each_process_draws_its_own_random_numbers_and_one_alone_those_it_always_had(
        networks, monkeypatch):
    model = networks(make_stream("split-digits", tasks=2))

    def first_draw(number, of):
        monkeypatch.setattr(processes, "rank", lambda: number)
        monkeypatch.setattr(processes, "count", lambda: of)
        return float(torch.rand((), generator=Learner(model).generators[0]))

    alone = float(torch.rand((), generator=generator(0, "learner")))
    assert first_draw(0, 1) == alone
    assert len({first_draw(0, 2), first_draw(1, 2), alone}) == 3


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    assert processes.own_rows(torch.arange(6)[None]).shape == (1, 6)
    monkeypatch.setattr(processes, "count", lambda: 4)
    with pytest.raises(ConfigError, match="batch_size 6 cannot be shared by 4 processes; give a"):
        processes.own_rows(torch.arange(6)[None])
    monkeypatch.setattr(processes, "count", lambda: 2)
    rows = []
    for rank in (0, 1):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        rows += processes.own_rows(torch.arange(6)[None])[0].tolist()
    assert sorted(rows) == list(range(6))


def test_a_run_is_continued_by_one_process(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    code, _, err = cli("run", "--resume", tmp_path)
    assert code == 2 and "a run is continued by one process: start without a launcher" in err
