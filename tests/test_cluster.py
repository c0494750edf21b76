"""Calls on processes or a Dask cluster: none is lost when a worker is killed.

The workers import this file, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from workbench.errors import ConfigError, TrainingError
from workbench.runs.cluster import cluster, computed

dask = pytest.importorskip("dask")


def square(run):
    """The square of the first entry."""
    if run[0] < 0:
        raise TrainingError("the loss is not finite")
    return run[0] ** 2


def dies_once(run):
    """A call whose worker is killed the first time, while others are at work."""
    number, folder = run
    if number == 1 and not (folder / "killed").exists():
        (folder / "killed").touch()
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return number ** 2


def dies_always(run):
    """A call that kills every worker, beside one that does not."""
    if run[0] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return run[0] ** 2


def trimming(run):
    """How much free memory a worker keeps before it gives some back (glibc)."""
    return os.environ["MALLOC_TRIM_THRESHOLD_"]


def test_one_worker_is_this_process_and_an_error_does_not_end_the_others():
    results = dict(computed(square, [(2,), (-1,), (3,)], workers=1))
    assert results[2,] == 4 and results[3,] == 9
    assert str(results[-1,]) == "the loss is not finite"
    assert list(computed(square, [])) == []


def test_workers_keep_their_memory_for_the_next_step():
    assert [kept for _, kept in computed(trimming, [(1,), (2,)], workers=2)] == [str(2**33)] * 2


def test_a_worker_that_is_killed_loses_no_run(tmp_path):
    runs = [(number, tmp_path) for number in range(6)]
    results = list(computed(dies_once, runs, workers=2))
    assert (tmp_path / "killed").exists()
    assert sorted((run[0], value) for run, value in results) == [(n, n * n) for n in range(6)]


def test_a_run_that_kills_every_worker_is_given_up_and_told():
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        results = dict(computed(dies_always, [(0,), (1,)], workers=2))
    assert results[0,] == 0 and isinstance(results[1,], TrainingError)
    assert "Perhaps the memory was full: use fewer workers." in str(results[1,])


def test_runs_go_to_the_workers_of_a_scheduler():
    with cluster(1, None) as client:
        address = client.scheduler_info()["address"]
        own = dict(computed(where, [(0,), (1,)], scheduler=address))
    assert os.getpid() not in own.values() and len(set(own.values())) == 1


def where(run):
    """The process of a worker."""
    return os.getpid()


def test_a_scheduler_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match=r"no Dask scheduler at tcp://127.0.0.1:9 .*dask worker"):
        list(computed(square, [(1,)], scheduler="tcp://127.0.0.1:9"))


def test_without_dask_one_worker_still_works_and_several_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert list(computed(square, [(3,)], workers=1)) == [((3,), 9)]
    with pytest.raises(ConfigError, match="several workers need Dask. Install it: .*one worker"):
        list(computed(square, [(3,)], workers=2))
