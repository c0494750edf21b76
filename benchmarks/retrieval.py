"""Time the scores of clustered retrieval beside a loop over scikit-learn's mixtures.

Run from the repository root::

    .venv/bin/python benchmarks/retrieval.py

Both sides have the same Gaussian mixtures with full covariances and score the same inputs in turns,
in one thread: scikit-learn by ``GaussianMixture.score_samples`` in double, and `Signature` in
double and in single. The clusters are so much alike that a fifth of the inputs is given to a wrong
task: winners that are far ahead would be the same in any precision. The result is a table on
standard output and ``artifacts/bench/retrieval.json``; it is no test, and nothing fails when it
changes.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import scipy  # noqa: E402
import sklearn  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

from workbench.retrieval.signatures import Signature  # noqa: E402

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench" / "retrieval.json"


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    for option, default in (("inputs", 10_000), ("tasks", 50), ("clusters", 8), ("features", 384),
                            ("repeats", 3)):
        parser.add_argument(f"--{option}", type=int, default=default)
    return parser.parse_args()


def make_signatures(tasks: int, clusters: int, d: int, rng: np.random.Generator,
                    ) -> list[Signature]:
    """Return signatures that are so much alike that some inputs are of another task's cluster."""
    signatures, common = [], rng.normal(size=(d, d))
    for _ in range(tasks):
        factors = common + 0.1 * rng.normal(size=(clusters, d, d))
        signatures.append(Signature(clusters=clusters).load_arrays({
            "weights": rng.dirichlet(np.full(clusters, 5.0)),
            "means": 0.02 * rng.normal(size=(clusters, d)),
            "spread": factors @ factors.transpose(0, 2, 1) / d + 0.1 * np.eye(d)}))
    return signatures


def draw(signatures: list[Signature], inputs: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return inputs of random clusters, and their tasks."""
    rows, tasks = [], []
    pairs = [(task, k) for task, s in enumerate(signatures) for k in range(len(s.weights_))]
    for count, (task, k) in zip(rng.multinomial(inputs, np.full(len(pairs), 1 / len(pairs))),
                                pairs, strict=True):
        factor = np.linalg.cholesky(signatures[task].covariances_[k])
        rows.append(signatures[task].means_[k] + rng.normal(size=(count, len(factor))) @ factor.T)
        tasks += [task] * count
    return np.concatenate(rows), np.array(tasks)


def as_scikit_learn(signature: Signature) -> GaussianMixture:
    """Return scikit-learn's mixture with the same clusters."""
    mixture = GaussianMixture(len(signature.weights_))
    mixture.weights_, mixture.means_ = signature.weights_, signature.means_
    factors = [np.linalg.cholesky(c) for c in signature.covariances_]
    mixture.precisions_cholesky_ = np.stack([np.linalg.inv(f).T for f in factors])
    return mixture


def timed(score: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    began = time.perf_counter()
    result = score()
    return time.perf_counter() - began, result


def main() -> None:
    """Measure, print, and write the report."""
    asked = parse_arguments()
    rng = np.random.default_rng(0)
    signatures = make_signatures(asked.tasks, asked.clusters, asked.features, rng)
    X, task = draw(signatures, asked.inputs, rng)
    mixtures = [as_scikit_learn(signature) for signature in signatures]
    sides: dict[str, Callable[[], Any]] = {
        "scikit-learn": lambda: np.stack([m.score_samples(X) for m in mixtures], 1),
        "Signature, double": lambda: np.stack([s.score_samples(X) for s in signatures], 1),
        "Signature, single": lambda: np.stack([s.score_samples(X, np.float32)
                                               for s in signatures], 1)}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    tables = {}
    for _ in range(asked.repeats):
        for side, score in sides.items():
            taken, tables[side] = timed(score)
            seconds[side].append(taken)
    medians = {side: float(np.median(taken)) for side, taken in seconds.items()}
    theirs, double, single = tables.values()
    report = {"settings": vars(asked), "seconds": seconds, "median_seconds": medians,
              "ratios": {side: medians["scikit-learn"] / s for side, s in medians.items()},
              "largest_difference": float(abs(theirs - double).max()),
              "right": float((theirs.argmax(1) == task).mean()),
              "same_winners": {side: float((table.argmax(1) == theirs.argmax(1)).mean())
                               for side, table in tables.items()},
              "machine": platform.processor() or platform.machine(),
              "versions": {m.__name__: m.__version__ for m in (np, scipy, sklearn)}}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"# {asked.inputs:,} inputs, {asked.tasks} tasks of {asked.clusters} clusters, "
          f"{asked.features} features, 1 thread, medians of {asked.repeats}\n")
    for side, taken in medians.items():
        print(f"{side:<18} {taken:8.2f} s   {report['ratios'][side]:5.2f} times as fast")
    print(f"\nlargest difference of a log density in double: {report['largest_difference']:.1e}")
    print(f"inputs whose task is found: {report['right']:.1%}")
    print("same winner as scikit-learn: " + ", ".join(
        f"{side} {share:.2%}" for side, share in list(report["same_winners"].items())[1:]))
    print(f"\nwritten: {OUTPUT}")


if __name__ == "__main__":
    main()
