"""Many calls of a function, on processes of this machine or on a Dask cluster.

If a worker dies, another one repeats its call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from workbench.errors import ConfigError, TrainingError, WorkbenchError
from workbench.system.provenance import install_command

KEEP_MEMORY = {f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": 2**33
               for name in ("TRIM", "MMAP")}
"""Dask makes its workers give memory back at once. A training step asks for the same memory again,
and takes 40 % longer if it gets new pages each time (glibc; ``docs/LOG.md``)."""


def computed(train: Callable[[Any], Any], runs: Sequence[Any], workers: int = 2,
             scheduler: str | None = None) -> Iterator[tuple[Any, Any]]:
    """Yield each run with its result, or its `WorkbenchError`, as soon as it is complete.

    `scheduler` is the address of a Dask scheduler, such as ``tcp://host:8786``, whose workers have
    this package and the same files. Without one, `workers` processes of this machine are used; with
    one worker, this process.
    """
    if not runs:
        return
    if scheduler is None and workers == 1:
        for run in runs:
            yield run, attempt(train, run)
        return
    with cluster(workers, scheduler) as client:
        import distributed

        as_completed: Any = distributed.as_completed
        futures = {client.submit(attempt, train, run, pure=False): run for run in runs}
        for future in as_completed(futures):
            try:
                result = future.result()
            except distributed.scheduler.KilledWorker:
                result = TrainingError("each worker that made this run was killed. Perhaps the "
                                       "memory was full: use fewer workers.")
            yield futures[future], result
            future.release()


def attempt(train: Callable[[Any], Any], run: Any) -> Any:
    """Return the result of a run, or its error, which must not end the others."""
    try:
        return train(run)
    except WorkbenchError as error:
        return error


@contextmanager
def cluster(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Yield a client of a scheduler, or of a cluster of processes that ends with the block."""
    try:
        import distributed
        from dask import config
    except ImportError as error:
        raise ConfigError("several workers need Dask. Install it: "
                         f"{install_command('distributed')}, or use one worker.") from error
    dask: Any = distributed
    if scheduler is None:
        # One thread each, and no limit at which a worker is killed.
        with (config.set(KEEP_MEMORY),
              dask.LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=0,
                                silence_logs=logging.ERROR, dashboard_address=":0") as local,
              dask.Client(local) as client):
            yield client
        return
    try:
        client = dask.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(f"there is no Dask scheduler at {scheduler} ({error}). Start one with: "
                          "dask scheduler, and workers with: dask worker ADDRESS") from error
    with client:
        yield client
