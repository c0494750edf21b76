"""Time, bytes and accuracy of an adapter per task for 2 to 64 tasks, and one call beside a loop.

Run from the repository root::

    .venv/bin/python benchmarks/tasks.py

The tasks are the ten digits, turned by another part of the full circle in each, so that they become
more alike the more there are. Each has an adapter on the digits backbone and a signature of two
clusters. The features of 256 images under all adapters are computed in one call, by peft's
`adapter_names` and by a loop over `set_adapter`, in turns, in one thread. The table goes to
standard output, with the figure to ``artifacts/bench``; nothing fails when it changes.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded

import argparse  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from scipy.ndimage import rotate  # noqa: E402

from workbench.learners import Adapters, fit, make_optimizer  # noqa: E402
from workbench.models.adapted import AdaptedBackbones  # noqa: E402
from workbench.models.backbones import load_backbone  # noqa: E402
from workbench.plots import use_style  # noqa: E402
from workbench.runs.evaluation import measure_retrieval  # noqa: E402
from workbench.tasks import Stream  # noqa: E402
from workbench.tasks.digits import load_digits  # noqa: E402
from workbench.tasks.stream import Examples, build_stream  # noqa: E402

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench"
STEPS, IMAGES, REPEATS = 60, 256, 5


def turned(count: int) -> Stream:
    """Return a stream of `count` tasks: all digits, turned by another angle in each."""
    def turn(x: np.ndarray, angle: float) -> torch.Tensor:
        images = rotate(x.reshape(-1, 8, 8), angle, axes=(2, 1), reshape=False, order=1,
                        mode="nearest")
        return torch.tensor(images.reshape(-1, 64))

    angles = [360 * k / count for k in range(count)]
    parts = [[Examples(turn(x, angle), torch.tensor(y)) for x, y in load_digits()]
             for angle in angles]
    return build_stream("turned", "domain", [f"{angle:g}°" for angle in angles], parts, 10)


def ways(model: AdaptedBackbones, x: torch.Tensor) -> dict[str, float]:
    """Return the median seconds of each way to the features under all adapters."""
    names = [name for name, in model.adapters]
    shared = model.with_adapter(None).model

    def loop() -> torch.Tensor:
        features = []
        for name in names:
            shared.set_adapter(name)
            features.append(shared(x))
        return torch.stack(features, 1)

    sides = {"one call": lambda: model.features(x, names), "loop": loop, "adapter_names": lambda:
             model.mixed(x.repeat_interleave(len(names), 0), names * len(x))}
    seconds = {side: [] for side in sides}
    with torch.no_grad():
        for _ in range(REPEATS):
            for side, run in sides.items():
                began = time.perf_counter()
                run()
                seconds[side].append(time.perf_counter() - began)
    return {side: float(np.median(taken)) for side, taken in seconds.items()}


def measure(count: int) -> dict[str, float]:
    """Return what `count` tasks cost, and how well they are found."""
    stream = turned(count)
    model = AdaptedBackbones(load_backbone("digits"), (0,), 10, 4)
    learner = Adapters(model)
    for task in stream.tasks:
        learner.begin(task)
        for _ in fit(learner, task, make_optimizer(learner, 3e-3), steps=STEPS, batch_size=32):
            pass
        learner.end(task)
    retrieval = measure_retrieval(learner, stream)
    result = {key: float(np.mean(retrieval[key])) for key in ("retrieval", "accuracy", "oracle")}
    x = stream.tasks[0].test.x[:IMAGES]
    one = x[:1]
    began = time.perf_counter()
    for _ in range(REPEATS):
        learner.predict(one)
    answer = (time.perf_counter() - began) / REPEATS
    adapters = 4 * sum(p.numel() for p in model.with_adapter(model.adapters[0][0]).parameters())
    seconds = ways(model, x)
    return {"tasks": count, **result, "ms an answer": 1e3 * answer,
            "kB of adapters": count * adapters / 1e3,
            "kB of signatures, head": learner.stored_bytes() / 1e3,
            "loop / one call": seconds["loop"] / seconds["one call"],
            "adapter_names / one call": seconds["adapter_names"] / seconds["one call"]}


def draw(table: pd.DataFrame) -> Figure:
    """Draw accuracy, time and bytes against the number of tasks."""
    use_style()
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    shown = {"accuracy (%)": ("oracle", "accuracy", "retrieval"),
             "milliseconds an answer": ("ms an answer",),
             "kilobytes stored": ("kB of signatures, head", "kB of adapters")}
    for ax, (label, columns) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        for column, marker in zip(columns, "os^", strict=False):
            scale = 100 if "%" in label else 1
            ax.plot(table["tasks"], scale * table[column], marker=marker, label=column)
        ax.set_xscale("log", base=2)
        ax.set_xticks(table["tasks"], table["tasks"].astype(int))
        ax.set(xlabel="tasks", title=label, ylim=(0, None))
        if len(columns) > 1:
            ax.legend(frameon=False)
    return figure


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    torch.set_num_threads(1)
    table = pd.DataFrame([measure(count) for count in parser.parse_args().tasks])
    print(f"# {IMAGES} images for the ratios, 1 thread, medians of {REPEATS}\n")
    print(table.to_string(index=False, float_format="{:.2f}".format))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    table.to_csv(OUTPUT / "tasks.csv", index=False)
    draw(table).savefig(OUTPUT / "tasks.png")
    print(f"\nwritten: {OUTPUT / 'tasks.csv'} and tasks.png")


if __name__ == "__main__":
    main()
