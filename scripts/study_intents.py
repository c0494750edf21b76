"""Measure module composition on messages to assistants: the whole method, and transfer.

    python scripts/study_intents.py

The tasks are the domains of ``data/intents``, five intents each. Adapters are trained on shipped
embeddings of all-MiniLM-L6-v2, and inside that model (which needs the extra ``minilm``), there with
fewer tasks, steps and seeds. Settings are chosen on validation messages with seeds of their own;
test accuracies are over other seeds, the same for all methods. Measurements that are already in
``data/results/composed_intents.json`` are not repeated, so a stopped script can be started again.
It takes about half an hour on one core.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from intents_transfer import EARLIER, TRANSFERS, backbone_of, transfers
from numpy.typing import NDArray
from torch import Tensor

from workbench.config import RunConfig
from workbench.learners import Adapters, fit, make_optimizer
from workbench.learners.routing import PROJECTIONS
from workbench.measure.accuracies import Floats
from workbench.models.adapted import BASE, AdaptedBackbones
from workbench.models.backbones import PADDING
from workbench.models.composed import ComposedBackbones
from workbench.models.minilm import shipped_embeddings
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.runs.experiment import make_learner
from workbench.runs.studies import RESULTS
from workbench.system.files import write_atomically
from workbench.system.provenance import environment
from workbench.tasks.stream import Examples, build_stream
from workbench.tasks.utterances import UtteranceStream, make_utterance_stream, read_utterances

PATH = RESULTS / "composed_intents.json"
SETUPS: dict[str, dict[str, Any]] = {
    "embeddings, 8 tasks": {"tasks": 8, "steps": 100, "batch": 32, "seeds": (0, 1, 2, 3, 4),
                            "tuning": (100, 101), "rates": (1e-3, 3e-3, 1e-2)},
    "embeddings, 4 tasks": {"tasks": 4, "steps": 100, "batch": 32, "seeds": (0, 1, 2, 3, 4),
                            "tuning": (100, 101), "rates": (1e-3, 3e-3, 1e-2)},
    "LoRA, 4 tasks": {"tasks": 4, "steps": 20, "batch": 16, "seeds": (0, 1, 2),
                      "tuning": (100,), "rates": (1e-3, 3e-3)}}
"""Adapters on shipped embeddings, and LoRA inside MiniLM."""
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "adapters": ("adapters", {}),
    "composed": ("composed", {"orthogonality": 0.1}),
    "composed, not orthogonal": ("composed", {}),
    "faster 10": ("composed", {"faster": 10.0}),
    "faster 1": ("composed", {"faster": 1.0}),
    "joint": ("adapters", {})}
"""Learner and options. *joint* trains one adapter and one head on the messages of all tasks at
once, for as many steps as the others take in all."""
SMALL = ("adapters", "composed", "composed, not orthogonal", "joint")
VIEWS, CLUSTERS, SHRINKAGES = ("adapted", "shared"), (1, 5), (0.1, 0.3, 1.0, 3.0)
"""Settings of the signatures, whose clusters share one covariance. Their features are those under
each task's adapter, or those of the backbone."""
ROWS = 32
"""Texts of like length that go through the backbone together."""

def together(stream: UtteranceStream) -> UtteranceStream:
    """Return a stream of one task, which has the messages of all."""
    parts = [Examples(*(torch.cat([getattr(getattr(task, part), side) for task in stream.tasks])
                        for side in ("x", "y"))) for part in ("train", "validation", "test")]
    joint = build_stream("joint", "class", ["all"], [parts], stream.outputs)
    return replace(stream, tasks=joint.tasks)


def trained(setup: str, method: str, rate: float, seeds: tuple[int, ...]) -> tuple[Any, float]:
    """Return the models of a method that has learned all tasks, and its seconds a step."""
    plan, (learner, options) = SETUPS[setup], METHODS[method]
    config = RunConfig(stream="intents", learner=learner, options=options, seeds=seeds,
                       tasks=plan["tasks"], backbone=backbone_of(setup))
    stream = make_utterance_stream(tasks=plan["tasks"])
    steps = plan["steps"]
    if method == "joint":
        stream, steps = together(stream), steps * len(stream)
    made = make_learner(config, stream)
    assert isinstance(made, Adapters)
    took = 0.0
    for task in stream.tasks:
        made.begin(task)
        optimizer, began = make_optimizer(made, rate), time.perf_counter()
        for _ in fit(made, task, optimizer, steps=steps, batch_size=plan["batch"]):
            pass
        took += time.perf_counter() - began
    return made.model, took / (steps * len(stream) * len(seeds))


def features(model: AdaptedBackbones, x: Tensor, names: list[str]) -> Floats:
    """Return features of texts under several adapters, (n, names, features)."""
    rows = model.rows(x)
    order = (rows != PADDING).sum(1).argsort()
    parts = [model.features(part, names) for part in rows[order].split(ROWS)]
    found = torch.empty(len(x), len(names), model.backbone.features)
    found[order] = torch.cat(parts)
    return np.asarray(found.double())


class Judge:
    """Measures the models of one seed: the features of all messages are computed once."""

    def __init__(self, model: AdaptedBackbones, stream: UtteranceStream, i: int,
                 part: str) -> None:
        self.model, self.i, self.stream = model, i, stream
        self.names = [of_task[i] for of_task in model.adapters]
        asked = [getattr(task, part) for task in stream.tasks]
        self.task = np.repeat(np.arange(len(stream)), [len(one) for one in asked])
        self.y = torch.cat([one.y for one in asked]).numpy()
        every = features(model, torch.cat([one.x for one in asked]), [BASE, *self.names])
        self.base, self.asked = every[:, 0], every[:, 1:]
        pairs = zip(stream.tasks, self.names, strict=True)
        self.train = [features(model, task.train.x, [BASE, name]) for task, name in pairs]
        self.head = MomentClassifier("ranpac", projections=PROJECTIONS,
                                     random_state=model.seeds[i])
        for task, rows in zip(stream.tasks, self.train, strict=True):
            self.head.partial_fit(rows[:, 1], task.train.y.numpy())

    def retrieved(self, view: str, clusters: int, shrinkage: float) -> NDArray[np.intp]:
        """Return the task of each message by signatures of ``adapted`` or ``shared`` features."""
        retriever = ClusteredRetriever(Signature(
            "gmm", clusters, "tied", ridge=0, shrinkage=shrinkage,
            random_state=self.model.seeds[self.i]))
        for k, rows in enumerate(self.train):
            retriever.partial_fit(rows[:, int(view == "adapted")], np.full(len(rows), k))
        self.signature = retriever.signatures_[-1]
        return np.asarray(retriever.scores(self.asked if view == "adapted" else self.base)
                          .argmax(1))

    def right(self, chosen: NDArray[np.intp], head: str) -> NDArray[np.bool_]:
        """Return which messages get the right intent under the adapters of these tasks."""
        own = self.asked[np.arange(len(chosen)), chosen]
        if head == "global":
            return np.asarray(self.head.predict(own) == self.y)
        answers = np.empty(len(chosen), dtype=int)
        for k in range(len(self.names)):
            rows = torch.from_numpy(own[chosen == k]).float()
            answers[chosen == k] = self.model.head(rows, k, self.i).argmax(1)
        return np.asarray(answers == self.y)

    def measured(self, view: str, clusters: int, shrinkage: float, head: str) -> dict[str, float]:
        """Return accuracy per message, and its parts."""
        chosen = self.retrieved(view, clusters, shrinkage)
        found, right = chosen == self.task, self.right(chosen, head)
        return {"accuracy": right.mean(), "oracle": self.right(self.task, head).mean(),
                "retrieval": found.mean(), "class_if_task_right": right[found].mean(),
                "class_if_task_wrong": right[~found].mean() if (~found).any() else 0.0}

    def floats(self) -> dict[str, int]:
        """Return the numbers that are kept for the last task."""
        tensors = self.model.state_dict()
        k, own = len(self.names) - 1, f"{self.names[-1]}."
        per_seed = {f"head{k}.weight": 1, f"head{k}.bias": 1}
        return {"adapter": sum(t.numel() for name, t in tensors.items() if name.startswith(own)),
                "head": sum(tensors[name][0].numel() for name in per_seed),
                "signature": self.signature.means_.size + self.model.backbone.features**2}


def whole_method(setup: str, method: str) -> dict[str, Any]:
    """Return what a method measures on test messages, with settings chosen on validation."""
    plan = SETUPS[setup]
    stream = make_utterance_stream(tasks=plan["tasks"])
    grid = list(itertools.product(VIEWS, CLUSTERS, SHRINKAGES))
    tuned: dict[str, float] = {}
    for rate in plan["rates"]:
        model, _ = trained(setup, method, rate, plan["tuning"])
        if method == "joint":
            tuned[f"{rate:g}"] = float(np.mean(joint_right(model, stream, "validation")))
            continue
        judges = [Judge(model, stream, i, "validation") for i in range(len(plan["tuning"]))]
        for view, clusters, share in grid:
            tuned[f"{rate:g} {view} {clusters} {share:g}"] = float(np.mean(
                [judge.measured(view, clusters, share, "global")["accuracy"] for judge in judges]))
    best = max(tuned, key=lambda words: tuned[words]).split()
    model, seconds = trained(setup, method, float(best[0]), plan["seeds"])
    result: dict[str, Any] = {"rate": float(best[0]), "validation": tuned,
                              "seconds a step": round(seconds, 4)}
    if method == "joint":
        return result | {"accuracy": joint_right(model, stream, "test")}
    judges = [Judge(model, stream, i, "test") for i in range(len(plan["seeds"]))]
    for view, head in itertools.product(VIEWS, ("global", "task")):
        words = max((words for words in tuned if words.startswith(f"{best[0]} {view} ")),
                    key=lambda words: tuned[words]).split()
        own = [judge.measured(view, int(words[2]), float(words[3]), head) for judge in judges]
        result[f"{view}, {head}"] = {"clusters": int(words[2]), "shrinkage": float(words[3])} | {
            name: [float(one[name]) for one in own] for name in own[0]}
    result |= {"view": best[1], "floats": judges[0].floats()}
    if isinstance(model, ComposedBackbones):
        modules = [model.modules(i) for i in range(len(plan["seeds"]))]
        result["coefficients"] = [module.coefficients.tolist() for module in modules[0]]
        result["cosines"] = [float(np.mean([module.cosines() for module in of_seed[1:]]))
                             for of_seed in modules if of_seed[1].reused]
    return result


def joint_right(model: AdaptedBackbones, stream: UtteranceStream, part: str) -> list[float]:
    """Return the accuracy of one adapter and one head for all tasks, for each seed."""
    asked = getattr(together(stream).tasks[0], part)
    found = features(model, asked.x, model.adapters[0])
    return [float((model.head(torch.from_numpy(found[:, i]).float(), 0, i).argmax(1)
                   == asked.y).double().mean()) for i in range(len(model.seeds))]


def classifiers(tasks: int) -> dict[str, Any]:
    """Return the accuracy of simple classifiers over all intents on frozen embeddings."""
    stream, embedded = make_utterance_stream(tasks=tasks), shipped_embeddings().double().numpy()
    numbers = {one.text: i for i, one in enumerate(read_utterances())}
    table = embedded[[numbers[text] for text in stream.texts]]
    all_tasks = together(stream).tasks[0]

    def score(rule: str, part: str, seed: int, shrinkage: float | None) -> float:
        head = MomentClassifier(rule, shrinkage=shrinkage, projections=2000, random_state=seed)
        for task in stream.tasks:
            head.partial_fit(table[task.train.x], task.train.y.numpy())
        asked = getattr(all_tasks, part)
        return float((head.predict(table[asked.x]) == asked.y.numpy()).mean())

    share = max((0.03, 0.1, 0.3, 0.6, 0.9), key=lambda value: score("slda", "validation", 0, value))
    return {"slda shrinkage": share, "NCM": [score("ncm", "test", 0, None)],
            "SLDA": [score("slda", "test", 0, share)],
            "RanPAC": [score("ranpac", "test", seed, None) for seed in range(5)]}


def main() -> None:
    """Make what is missing, and write the file after each measurement."""
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(PATH.read_text()) if PATH.exists() else {}
    jobs: dict[str, Any] = {f"classifiers, {n} tasks": lambda n=n: classifiers(n) for n in (8, 4)}
    whole = {f"{setup}: {method}": lambda setup=setup, method=method: whole_method(setup, method)
             for setup in SETUPS for method in (METHODS if "8" in setup else SMALL)}
    transfer = {f"transfer, {name}: {earlier}": lambda name=name, earlier=earlier:
                transfers(name, earlier) for name in TRANSFERS for earlier in EARLIER}
    # Steps inside the model are slow, so they come last.
    jobs |= dict(sorted((whole | transfer).items(), key=lambda job: "LoRA" in job[0]))
    for key, job in jobs.items():
        if key in results:
            continue
        began = time.perf_counter()
        results[key] = job() | {"seconds": 0}
        results[key]["seconds"] = round(time.perf_counter() - began)
        results["made by"] = {"command": " ".join(["python", *sys.argv]),
                              "environment": environment()}
        write_atomically(PATH, (json.dumps(results) + "\n").encode())
        shown = results[key].get(f"{results[key].get('view')}, global", results[key])
        print(key, {name: round(float(np.mean(shown[name])), 3) for name in
                    ("accuracy", "oracle", "retrieval") if name in shown},
              {name: results[key].get(name) for name in ("rate", "view", "seconds")}, flush=True)


if __name__ == "__main__":
    main()
