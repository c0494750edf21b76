"""Transfer, for ``scripts/study_intents.py``: whether an earlier task helps a later one.

The later task is three intents of a domain, with few messages. The earlier one has much in common
with it, something, or nothing, and the later adapter begins in several ways.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from study_composition import copy_last
from torch import Tensor

from workbench.learners import Batch, Composed
from workbench.models.backbones import load_backbone
from workbench.models.composed import ComposedBackbones
from workbench.models.minilm import find_minilm
from workbench.system.runtime import generator
from workbench.tasks.stream import Examples
from workbench.tasks.utterances import read_utterances

EARLIER = {"nothing": "there is none",
           "same intents": "other messages of the three intents",
           "same domain": "two other intents of their domain",
           "another domain": "two intents of another domain"}
"""What the earlier task is; the later one is three intents of a domain."""
STARTS: dict[str, dict[str, Any]] = {
    "no reuse": {"reuse": "none"}, "head only": {"reuse": "none"}, "reuse": {},
    "coefficients 1": {"reuse": "fixed"}, "warm start": {"reuse": "none"}}
"""Ways to begin the later task. A *warm start* copies the adapter of the earlier task, and *head
only* trains no adapter for the later one."""
FEW, AT = (5, 10), (2, 5, 10, 20, 40)
"""Messages for each later intent, and the steps after which accuracy is measured."""
ALONE = ("no reuse", "head only")
"""The starts to which no earlier task matters."""
KEPT_APART, EARLIER_BATCH, BATCH = 10, 16, 15
"""Messages of each intent that an earlier task does not see; batches."""
TRANSFERS: dict[str, dict[str, Any]] = {
    "embeddings": {"draws": tuple(range(10)), "tuning": (100, 101), "starts": tuple(STARTS),
                   "rates": (3e-4, 1e-3, 3e-3, 1e-2), "few": FEW, "at": AT, "earlier steps": 60},
    "LoRA": {"draws": (0,), "tuning": (), "starts": ("no reuse", "reuse", "warm start"),
             "rates": (3e-3,), "few": FEW[:1], "at": AT[:3], "earlier steps": 20}}
"""A draw chooses the intents and messages of each of the eight domains."""


def backbone_of(setup: str) -> str:
    """Return the name of a setup's backbone."""
    return "minilm" if setup.startswith("embeddings") else str(find_minilm())


class Transfer:
    """An earlier and a later task for each domain and draw: all are trained side by side."""

    def __init__(self, name: str, draws: tuple[int, ...], earlier: str) -> None:
        self.utterances, self.name = read_utterances(), name
        self.steps = TRANSFERS[name]["earlier steps"] if earlier != "nothing" else 0
        self.domains = list(dict.fromkeys(one.task for one in self.utterances))
        nets = [(d, draw) for draw in draws for d in range(len(self.domains))]
        self.seeds = tuple(1000 * draw + d for d, draw in nets)
        chosen = [self._draw(d, draw) for d, draw in nets]
        first = [self._draw((d + 1 + draw % 7) % 8, draw)[:2] if earlier == "another domain"
                 else own[2:] if earlier == "same intents" else own[:2]
                 for (d, draw), own in zip(nets, chosen, strict=True)]
        self.earlier = self._examples([[numbers["train"][KEPT_APART:] for numbers in one]
                                       for one in first], 0)
        self.train = {few: self._examples([[numbers["train"][:few] for numbers in own[2:]]
                                           for own in chosen], 3) for few in FEW}
        self.asked = {part: self._examples([[numbers[part] for numbers in own[2:]]
                                            for own in chosen], 3)
                      for part in ("validation", "test")}
        self.table = load_backbone(backbone_of(name)).encode([u.text for u in self.utterances])

    def _draw(self, domain: int, draw: int) -> list[dict[str, list[int]]]:
        """Return the messages of the five intents of a domain in the order of a draw."""
        rng = np.random.default_rng([draw, domain])
        own = [i for i, one in enumerate(self.utterances) if one.task == self.domains[domain]]
        intents = list(dict.fromkeys(self.utterances[i].label for i in own))
        return [{split: [own[j] for j in rng.permutation(len(own)) if (
            self.utterances[own[j]].label, self.utterances[own[j]].split) == (intents[k], split)]
            for split in ("train", "validation", "test")} for k in rng.permutation(len(intents))]

    @staticmethod
    def _examples(numbers: list[list[list[int]]], first: int) -> Examples:
        x = torch.tensor([[i for of_class in net for i in of_class] for net in numbers])
        y = torch.tensor([[first + c for c, of_class in enumerate(net) for _ in of_class]
                          for net in numbers])
        return Examples(x, y)

    def learner(self, start: str, state: dict[str, Tensor] | None = None) -> Composed:
        """Return a learner, with what it has learned of the earlier task."""
        model = ComposedBackbones(load_backbone(backbone_of(self.name)), self.seeds, 6, 4,
                                  self.table)
        learner = Composed(model, **STARTS[start])
        if state is not None:
            model.load_state_dict(state)
        return learner

    def learn(self, learner: Composed, part: Examples, rate: float, steps: int, size: int,
              at: tuple[int, ...] = (), asked: Examples | None = None,
              head_only: bool = False) -> list[list[float]]:
        """Train the newest modules; return the accuracy of each after some numbers of steps."""
        mask = torch.zeros(6, dtype=torch.bool)
        mask[part.y.unique()] = True
        learner.model.masks[-1] = mask
        rng = generator(0, "transfer", len(learner.model.adapters))
        weights = learner.model.heads[-1] if head_only else learner.model.parameters()
        optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0, fused=True)
        curve, size = [], min(size, part.x.shape[1])
        for step in range(1, steps + 1):
            rows = torch.randperm(part.x.shape[1], generator=rng)[:size]
            loss = learner.loss(Batch(part.x[:, rows], part.y[:, rows], mask)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step in at:
                assert asked is not None
                with torch.no_grad():
                    right = learner.model(asked.x).argmax(-1) == asked.y
                curve.append(right.double().mean(1).tolist())
        return curve

    def before(self) -> dict[str, Tensor]:
        """Return what is learned of the earlier task."""
        learner = self.learner("no reuse")
        self.learn(learner, self.earlier, 3e-3, self.steps, EARLIER_BATCH)
        return {key: t.clone() for key, t in learner.model.state_dict().items()}

    def after(self, state: dict[str, Tensor], start: str, few: int, rate: float, part: str,
              at: tuple[int, ...]) -> list[list[float]]:
        """Return the accuracy on the later task, told: (steps, domains and draws)."""
        learner = self.learner(start, state)
        learner.model.add_adapters()
        if start == "warm start":
            copy_last(learner.model)
        return self.learn(learner, self.train[few], rate, max(at), BATCH, at, self.asked[part],
                          start == "head only")


def transfers(name: str, earlier: str) -> dict[str, Any]:
    """Return the curves of the later task for each start, at rates chosen on validation."""
    plan = TRANSFERS[name]
    tested = Transfer(name, plan["draws"], earlier)
    learned = tested.before()
    tuning = Transfer(name, plan["tuning"], earlier) if plan["tuning"] else None
    tuning_state = tuning.before() if tuning else {}
    result: dict[str, Any] = {"at": plan["at"]}
    starts = [start for start in plan["starts"] if (start in ALONE) == (earlier == "nothing")]
    for start, few in itertools.product(starts, plan["few"]):
        tuned = {rate: float(np.mean(tuning.after(tuning_state, start, few, rate, "validation",
                                                  plan["at"])))
                 for rate in plan["rates"]} if tuning else dict.fromkeys(plan["rates"], 0.0)
        rate = max(tuned, key=lambda one: tuned[one])
        curve = np.array(tested.after(learned, start, few, rate, "test", plan["at"]))
        result[f"{start}, {few}"] = {
            "rate": rate, "validation": tuned if tuning else None,
            "accuracy": curve.reshape(len(plan["at"]), len(plan["draws"]), -1).round(4).tolist()}
        print(name, earlier, start, few, rate, curve.mean(1).round(3), flush=True)
    return result
