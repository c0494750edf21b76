"""The Avalanche side of the benchmark: runs inside ``benchmarks/.venv-avalanche``.

Reads one job a line from standard input, as JSON, and answers each with one line of JSON. It stays
alive between jobs, so that its slow imports are paid once and never timed. A job has the keys

``data``
    A ``.npz`` file with arrays ``train_x_0``, ``train_y_0``, ``test_x_0``, ``test_y_0``,
    ``train_x_1`` and so on, one set per task.
``learner``
    ``naive`` or ``replay``.
``seeds``
    Run one after the other.
``steps``, ``batch_size``, ``lr``, ``hidden``, ``per_class``
    As in `workbench.RunConfig`.

Wherever Avalanche leaves a choice, the faster one is taken: see `make_benchmark`, `make_strategy`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def allow_torchvision_without_its_library() -> torch.library.Library | None:
    """Let ``import torchvision`` work where its compiled library cannot be loaded.

    Avalanche imports torchvision for image transforms, which this benchmark does not use. Where
    only a CUDA build of torchvision is to be had and torch is a CPU build, the library fails to
    load; torchvision forgives that, but then describes two of the library's operators to torch,
    which has never heard of them: "operator torchvision::nms does not exist". Naming the two is
    enough. They have no code behind them, and calling them fails.

    Returns
    -------
    torch.library.Library, optional
        Must be kept alive; None where the library can be loaded and there is nothing to mend.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        sys.exit("torchvision is missing: delete benchmarks/.venv-avalanche and run "
                 "benchmarks/run.py, which makes it again")
    try:
        for library in Path(spec.origin).parent.glob("_C.*"):
            torch.ops.load_library(str(library))
        return None
    except OSError:
        names = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            names.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return names


_names = allow_torchvision_without_its_library()

from avalanche.benchmarks import benchmark_from_datasets, tensors_benchmark  # noqa: E402
from avalanche.benchmarks.utils import as_classification_dataset  # noqa: E402
from avalanche.core import SupervisedPlugin  # noqa: E402
from avalanche.evaluation.metrics import accuracy_metrics  # noqa: E402
from avalanche.training import Naive  # noqa: E402
from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin  # noqa: E402
from avalanche.training.storage_policy import ClassBalancedBuffer  # noqa: E402


class StopAfter(SupervisedPlugin):
    """End the training of each task after a number of steps, and count what was done.

    Avalanche counts epochs; the workbench counts steps.
    """

    supports_distributed = True  # Spares a warning; nothing here is distributed.

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.taken: list[int] = []
        self.examples: list[int] = []

    def before_training_exp(self, strategy: Naive, **_: Any) -> None:
        """Begin counting for a task."""
        self.taken.append(0)
        self.examples.append(0)

    def after_training_iteration(self, strategy: Naive, **_: Any) -> None:
        """Count a step, and stop if it was the last."""
        self.taken[-1] += 1
        self.examples[-1] += len(strategy.mb_y)
        if self.taken[-1] == self.steps:
            strategy.stop_training()


def load_tasks(path: str, part: str) -> list[tuple[Tensor, Tensor]]:
    """Return the inputs and labels of each task; `part` is ``"train"`` or ``"test"``."""
    with np.load(path) as arrays:
        count = sum(name.startswith("train_x_") for name in arrays)
        return [(torch.from_numpy(arrays[f"{part}_x_{i}"]),
                 torch.from_numpy(arrays[f"{part}_y_{i}"])) for i in range(count)]


def make_benchmark(job: dict[str, Any]) -> Any:
    """Return Avalanche's benchmark with a train and a test stream.

    Datasets without task labels are quicker to read. Replay cannot use them: the class-balanced
    buffer of 0.6.0 gives its examples a task label, and a batch of both cannot be put together.
    It gets the usual class-incremental labels, 0 throughout.
    """
    train, test = load_tasks(job["data"], "train"), load_tasks(job["data"], "test")
    if job["learner"] == "replay":
        return tensors_benchmark(train, test, task_labels=[0] * len(train))

    def dataset(x: Tensor, y: Tensor) -> Any:
        plain = TensorDataset(x, y)
        plain.targets = y.tolist()
        return as_classification_dataset(plain)

    return benchmark_from_datasets(train=[dataset(x, y) for x, y in train],
                                   test=[dataset(x, y) for x, y in test])


def make_strategy(job: dict[str, Any], seed: int, counter: StopAfter, inputs: int,
                  classes: int) -> tuple[Naive, ReplayPlugin | None]:
    """Return the strategy, and its replay plugin if it has one.

    Adam is fused, as the workbench's is, which is faster than its default. No logger is attached,
    and the one metric is the accuracy on each test set. `ReplayPlugin` counts its memory in
    examples over all classes; with `adaptive_size` off each class gets its share of them from the
    start, so that the memory grows to `per_class` for every class seen, as the workbench's does.
    """
    torch.manual_seed(seed)
    widths = [inputs, *job["hidden"], classes]
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1):
        layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    replay = None
    if job["learner"] == "replay":
        size = job["per_class"] * classes
        memory = ClassBalancedBuffer(size, adaptive_size=False, total_num_classes=classes)
        replay = ReplayPlugin(size, batch_size_mem=job["batch_size"], storage_policy=memory)
    strategy = Naive(
        model=model, optimizer=torch.optim.Adam(model.parameters(), lr=job["lr"], fused=True),
        train_mb_size=job["batch_size"], eval_mb_size=1024, device="cpu",
        train_epochs=job["steps"] + 1,  # More than enough: an epoch has at least one step.
        plugins=[counter] if replay is None else [counter, replay],
        evaluator=EvaluationPlugin(accuracy_metrics(experience=True)))
    return strategy, replay


def run_seed(job: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train and evaluate once; only that is timed, not the making of the benchmark."""
    benchmark = make_benchmark(job)
    data = [exp.dataset for exp in benchmark.train_stream]
    classes = 1 + max(int(y) for d in data for y in d.targets)
    counter, accuracy = StopAfter(job["steps"]), []
    started = time.perf_counter()
    strategy, replay = make_strategy(job, seed, counter, len(data[0][0][0]), classes)
    for experience in benchmark.train_stream:
        # Adam starts afresh with each task, as in the workbench.
        strategy.train(experience, eval_streams=[], num_workers=0, reset_optimizer_state=True)
        scores = strategy.eval(benchmark.test_stream, num_workers=0)
        accuracy.append([value for name, value in sorted(scores.items()) if "Acc_Exp" in name])
    seconds = time.perf_counter() - started
    stored = [] if replay is None else [int(y) for y in replay.storage_policy.buffer.targets]
    return {"seconds": seconds, "accuracy": accuracy, "steps": counter.taken,
            "examples_per_step": [n / job["steps"] for n in counter.examples],
            "stored_per_class": np.bincount(stored, minlength=classes).tolist(),
            "versions": {name: metadata.version(name) for name in ("avalanche-lib", "torch")}}


def main() -> None:
    """Answer jobs until standard input ends."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr  # Whatever Avalanche prints is no answer.
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps([run_seed(job, seed) for seed in job["seeds"]]), file=answers, flush=True)


if __name__ == "__main__":
    main()
