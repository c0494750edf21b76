"""`run_stream`: the only loop over tasks."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.config import RunConfig
from workbench.errors import ConfigError, NonFiniteError, RecordError, TrainingError
from workbench.learners import Adapters, Learner, fit, make_optimizer
from workbench.learners.text import TextLearner
from workbench.measure.accuracies import Floats
from workbench.runs import checkpoint
from workbench.runs.evaluation import (
    DIAGNOSTICS,
    Observer,
    Probe,
    Response,
    Snapshot,
    evaluate,
    measure_retrieval,
)
from workbench.runs.record import RunRecord
from workbench.runs.record_files import read_run_json
from workbench.system import processes
from workbench.system.files import locked, require_new_folder, sha256, to_json
from workbench.system.runtime import Timer, threads
from workbench.tasks import Stream


def run_stream(learner: Learner, stream: Stream, config: RunConfig, *,
               out: Path | str | None = None, resume: bool = False,
               gate: dict[str, Any] | None = None, observer: Observer | None = None,
               stop: Callable[[], bool] | None = None, progress: bool = False) -> RunRecord:
    """Train through a stream, evaluating on all tasks before it and after each.

    Parameters
    ----------
    learner, stream, config : Learner, Stream, RunConfig
        A fresh learner, the tasks and the settings.
    out : path, optional
        Folder of the run; without it nothing is written.
    resume : bool
        Continue the run in `out`, from its checkpoint. The result is bit for bit that of an
        uninterrupted run.
    gate : dict, optional
        Result of the gate for the record of a new run; see `RunRecord.gate`.
    observer : callable, optional
        Called with a `Snapshot` after each evaluation.
    stop : callable, optional
        Called between steps; the run stops, and can be resumed, when it returns True.
    progress : bool
        Show a progress bar.

    Returns
    -------
    RunRecord
        With status ``"complete"``, or ``"stopped"``.
    """
    if stream.scenario not in learner.scenarios:
        raise ConfigError(f"{type(learner).__name__} cannot do the {stream.scenario!r} scenario; "
                          f"it can do: {', '.join(learner.scenarios)}")
    probe = (Probe(learner, stream, config.evaluate_on)
             if config.diagnose and isinstance(learner, TextLearner) else None)
    folder = Path(out) if out is not None else None
    lock = (locked(folder, read_run_json if resume else require_new_folder) if folder else
            nullcontext())
    with lock, threads(config.threads):
        run = _Run(learner, stream, config, folder, probe, observer, stop)
        run.record.gate = gate
        return run.go(resume, progress)


class _Run:
    """The state of one call of `run_stream`."""

    def __init__(self, learner: Learner, stream: Stream, config: RunConfig,
                 folder: Path | None, probe: Probe | None, observer: Observer | None,
                 stop: Callable[[], bool] | None) -> None:
        self.learner, self.stream, self.config, self.folder = learner, stream, config, folder
        self.probe, self.observer, self.asked_to_stop = probe, observer, stop or (lambda: False)
        self.record = RunRecord.start(config, stream, DIAGNOSTICS if probe else ())
        settings = sha256(to_json(asdict(config)).encode())
        self.record.inputs = {"settings": settings, **learner.inputs()}
        self.optimizer: torch.optim.Optimizer | None = None

    def go(self, resume: bool, progress: bool) -> RunRecord:
        """Learn the remaining tasks, until asked to stop, and return the record."""
        from tqdm.auto import tqdm

        record, config = self.record, self.config
        if resume:
            record = self.restore()
        else:
            self.evaluate(-1, np.full(len(config.seeds), np.nan), on_curve=False, at_end=True)
            self.save()
        with tqdm(total=len(self.stream) * config.steps, initial=record.steps_taken, unit="step",
                  disable=not progress, desc=f"{config.learner}, {record.scenario}") as bar:
            while record.task < len(self.stream):
                if not self.learn_task(bar.update):
                    record.status = "stopped"
                    self.save()
                    return record
        if isinstance(self.learner, Adapters) and record.scenario != "task":
            with self.timed("evaluate"):
                record.retrieval = measure_retrieval(self.learner, self.stream, config.evaluate_on)
        record.status = "complete"
        if self.folder:
            checkpoint.finish(self.folder, record, self.learner)
        return record

    def learn_task(self, advance: Callable[[int], object]) -> bool:
        """Train on the next task, from its last checkpoint; return False when asked to stop."""
        record, config, learner = self.record, self.config, self.learner
        task = self.stream.tasks[record.task]
        if self.optimizer is None:
            if self.stop():  # before `begin`, so that a stopped run is cleanly between two tasks
                return False
            learner.begin(task)
            self.optimizer = make_optimizer(learner, config.lr, config.weight_decay)
        steps = fit(learner, task, self.optimizer, steps=config.steps, clip=config.clip,
                    batch_size=config.batch_size, start=record.step, precision=config.precision)
        while record.step < config.steps:
            with self.finite_values(), self.timed("train"):
                loss = next(steps)
            for seed, value in zip(config.seeds, loss.tolist(), strict=True):
                if not math.isfinite(value):
                    raise self.failure(f"the loss of seed {seed} is not finite")
            record.losses[:, record.task, record.step] = loss.numpy()
            record.step += 1
            advance(1)
            if record.step < config.steps:
                self.evaluate_if_due(loss)
                if self.stop():
                    return False
                if record.step % config.checkpoint_every == 0:
                    self.save()
        with self.timed("train"):
            learner.end(task)
        self.evaluate_if_due(loss)
        record.stored_bytes.append(learner.stored_bytes())
        record.task, record.step, self.optimizer = record.task + 1, 0, None
        self.save()
        return True

    def evaluate_if_due(self, loss: Tensor) -> None:
        """Evaluate at the end of a task, and within it every `evaluate_every` steps."""
        record, every = self.record, self.config.evaluate_every
        on_curve = every > 0 and record.step % every == 0
        at_end = record.step == self.config.steps
        if on_curve or at_end:
            self.require_finite_weights()
            self.evaluate(record.task, loss.double().numpy(), on_curve, at_end)

    def stop(self) -> bool:
        """Return whether one of the processes was asked to stop."""
        return processes.any_of(self.asked_to_stop())

    def failure(self, fault: str) -> TrainingError:
        """Return the error that names the step of a fault, and the checkpoint before it."""
        record, i = self.record, min(self.record.task, len(self.stream) - 1)
        kept = (f"The checkpoint before is intact in {self.folder}." if self.folder else
                "Nothing was kept: the run has no folder.")
        return TrainingError(f"{fault} at step {record.step} of {self.stream.tasks[i].name!r} "
                             f"(step {record.steps_taken} in all). {kept} Begin anew with a lower "
                             "lr, or with clip.")

    def require_finite_weights(self) -> None:
        if not all(bool(p.isfinite().all()) for p in self.learner.model.parameters()):
            raise self.failure("a weight is not finite")

    @contextmanager
    def finite_values(self) -> Iterator[None]:
        """Turn a `NonFiniteError` inside the block into a `TrainingError`."""
        try:
            yield
        except NonFiniteError as error:
            raise self.failure(f"a value is not finite ({error})") from error

    def evaluate(self, trained: int, loss: Floats, on_curve: bool, at_end: bool) -> None:
        """Evaluate on all tasks, for the curve, the matrix and the observer.

        `trained` is the last task begun, and -1 before any training; `at_end` holds there too.
        """
        record, config, tasks = self.record, self.config, len(self.stream)
        responses: list[Response] = []
        diagnostics = np.zeros((len(config.seeds), 0))
        with self.finite_values() if trained >= 0 else nullcontext(), self.timed("evaluate"):
            scores = evaluate(self.learner, self.stream, trained, config.evaluate_on, responses)
            if self.probe:
                diagnostics = self.probe.measure(max(trained, 0))
        if on_curve:
            every = config.evaluate_every
            point = trained * (config.steps // every) + record.step // every - 1
            record.curve[:, point], record.diagnostics_curve[:, point] = scores, diagnostics
        if at_end:
            row = record.accuracy[:, trained] if trained >= 0 else record.baseline
            row[:], record.old_accuracy[:, trained + 1] = np.split(scores, [tasks], 1)
            record.diagnostics[:, trained + 1] = diagnostics
        if self.observer is not None:  # it is given copies
            self.observer(Snapshot(record.task, record.step, record.steps_taken,
                                   tasks * config.steps, scores.copy(), record.accuracy.copy(),
                                   loss.copy(), tuple(responses)))

    def save(self) -> None:
        """Save the current state of the run, if it has a folder."""
        self.require_finite_weights()
        if self.folder:
            checkpoint.save(self.folder, self.record, self.learner, self.optimizer)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to those of the record."""
        with Timer() as timer:
            yield
        self.record.seconds[name] += timer.seconds

    def restore(self) -> RunRecord:
        """Restore the run from its checkpoint, and return its record."""
        assert self.folder is not None, "resume needs out"
        saved = checkpoint.unfinished(self.folder, self.record)
        tensors = checkpoint.read_checkpoint(self.folder)
        if saved.step > 0:
            # `begin` sets attributes that are not in the state; the state is replaced below.
            self.learner.begin(self.stream.tasks[saved.task])
            self.optimizer = make_optimizer(self.learner, self.config.lr,
                                            self.config.weight_decay)
            checkpoint.restore_optimizer(self.optimizer, tensors)
        try:
            self.learner.load_state_dict(tensors)
        except RuntimeError as error:
            raise RecordError(f"{self.folder}: the checkpoint is not of these networks: "
                              f"{error}") from error
        saved.status = "running"
        self.record = saved
        return saved
