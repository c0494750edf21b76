"""What several test files need: small settings, one thread, and ways to compare runs."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch is loaded, here and in children

import json  # noqa: E402
import multiprocessing  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from hashlib import sha256  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from workbench.cli import main  # noqa: E402
from workbench.config import RunConfig  # noqa: E402
from workbench.learners import fit, make_optimizer  # noqa: E402
from workbench.models import StackedMLP  # noqa: E402
from workbench.models.sizes import make_model  # noqa: E402
from workbench.pretraining.tokenizer import make_tokenizer, vocabulary  # noqa: E402
from workbench.runs.record_files import ARRAYS  # noqa: E402
from workbench.runs.studies import COLUMNS  # noqa: E402

torch.set_num_threads(1)
# The same examples on every machine, however slow it is.
settings.register_profile("workbench", deadline=None, derandomize=True, database=None)
settings.load_profile("workbench")


@pytest.fixture(scope="session")
def tiny():
    """Settings of a run that takes a few hundredths of a second."""
    def make(**changes) -> RunConfig:
        return RunConfig(**({"seeds": (0, 1), "tasks": 3, "steps": 4, "batch_size": 8,
                             "hidden": (8,), "checkpoint_every": 1, "evaluate_every": 2} | changes))
    return make


@pytest.fixture(scope="session")
def learn():
    """Train a learner on one task, as `run_stream` does; returns the losses, (seeds, steps)."""
    def train(learner, task, steps=5, batch_size=8):
        learner.begin(task)
        optimizer = make_optimizer(learner, 1e-2)
        losses = list(fit(learner, task, optimizer, steps=steps, batch_size=batch_size))
        learner.end(task)
        return torch.stack(losses, 1)
    return train


@pytest.fixture(scope="module")
def tokenizer():
    """The tokenizer of the shipped models, made anew."""
    return make_tokenizer()


@pytest.fixture(scope="module")
def model():
    """An untrained language model of the smallest size."""
    return make_model("nano", len(vocabulary()), seed=0).eval()


@pytest.fixture(scope="session")
def networks():
    """Small networks for a stream."""
    def make(stream, seeds=(0, 1), hidden=(8,)) -> StackedMLP:
        return StackedMLP(stream.tasks[0].train.x.shape[1], hidden, stream.outputs, seeds)
    return make


@pytest.fixture(scope="session")
def assert_same_run():
    """Assert that two records, and the weights in their folders, are equal bit for bit."""
    def compare(a, b, folder_a=None, folder_b=None) -> None:
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        for name in ("config", "scenario", "old_names", "diagnostic_names", "status", "task",
                     "step", "stored_bytes", "data_hash", "examples", "task_names",
                     "samples_seen"):
            assert getattr(a, name) == getattr(b, name), name
        if folder_a is not None:
            names = [json.loads((Path(f) / "run.json").read_text())["files"]["weights"]["file"]
                     for f in (folder_a, folder_b)]
            weights = [(Path(f) / name).read_bytes()
                       for f, name in zip((folder_a, folder_b), names, strict=True)]
            assert weights[0] == weights[1] and weights[0]
    return compare


@pytest.fixture(scope="session")
def study_rows():
    """Make the rows of one run of a study, as the script writes them."""
    def make(method="a", rate=1e-4, seed=0, new=(0.5, 1.0), old=(0.9, 0.6), kl=(1.0, 4.0),
             order="facts-new", part="validation") -> pd.DataFrame:
        """One run over two known skills, of which the second is kept whole."""
        rows = [(0, "accuracy", order, 0.1), (0, "accuracy", "x", 1.0), (0, "accuracy", "y", 0.5)]
        for i, (learned, kept, nats) in enumerate(zip(new, old, kl, strict=True)):
            step = 20 * (i + 1)
            rows += [(step, "accuracy", order, learned), (step, "accuracy", "x", kept),
                     (step, "accuracy", "y", 0.5), (step, "kl_new", "", nats),
                     (step, "kl_old", "", nats / 2)]
        table = pd.DataFrame(rows, columns=["step", "measure", "skill", "value"])
        return table.assign(part=part, order=order, method=method, rate=rate, seed=seed)[[*COLUMNS]]
    return make


@pytest.fixture(scope="session")
def fingerprint():
    """Return the hash of every file in a folder, by name."""
    def hashes(folder: Path) -> dict[str, str]:
        return {p.name: sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}
    return hashes


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout, stderr."""
    def call(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())
    return call


@pytest.fixture(scope="session")
def kill_once(processes):
    """Run a function in a process and kill it soon after it has got to some step on disk.

    Returns whether it was killed; False if it had come to its end by itself.
    """
    def kill(target, args, steps_on_disk, moment) -> bool:
        child = processes.Process(target=target, args=args)
        child.start()
        while child.is_alive() and steps_on_disk() < moment:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.02))
        child.kill()
        child.join()
        return child.exitcode == -signal.SIGKILL
    return kill


@pytest.fixture(scope="session")
def processes():
    """Real processes that start in hundredths of a second: forked off one that has PyTorch."""
    # torch._dynamo takes seconds and would be loaded by the first optimiser of every child.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["workbench.runs.experiment", "sklearn.datasets", "tqdm.auto",
                                    "sklearn.model_selection", "torch._dynamo"])
    return context
