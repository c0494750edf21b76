r"""Hard next tokens against soft ones: the records that the lesson on self-distillation reads.

A language model is fine-tuned on the demonstrations of a skill. The target of each token is
``weight * one-hot + (1 - weight) * soft``, where the soft distribution is one of `SOFT`. For each
method, six combinations of learning rate and weight are looked at every 20 steps on validation
items, and one of these points is chosen by one of `RULES`; then other seeds are trained to there
and tested. A share of the training and validation items may name a wrong answer; the test items
are always right. Run from the root of the project, on one core for 15 minutes each::

    python scripts/study_soft_labels.py --model nano
    python scripts/study_soft_labels.py --model tiny --rule keep --noise 0 --steps 120 \
        --tuning-seeds 100 --test-seeds 0 1 2
"""

import argparse
import copy
import gzip
import itertools
import json
import random
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

import workbench as wb
from workbench.learners.base import batch_order
from workbench.losses import per_response
from workbench.measure.comparison import retention
from workbench.measure.completions import complete
from workbench.models.encoding import encode, encode_responses
from workbench.models.logits import response_logits, take_prompts
from workbench.models.prompts import make_prompt
from workbench.models.sizes import make_model
from workbench.runs import studies
from workbench.system.files import write_atomically
from workbench.system.provenance import environment
from workbench.system.runtime import derive_seed
from workbench.tasks import Item, load_skill, spread

SOFT = {
    "hard": "none: the demonstrations' own tokens",
    "smoothing": "uniform over the vocabulary",
    "pretrained": "the model before fine-tuning, without context",
    "born-again": "the model after fine-tuning on the hard tokens",
    "shuffled": "those of born-again, of another token of the demonstrations",
    "untrained": "a model of the same size with random weights",
}
WEIGHTS = {"hard": (1.0,), "smoothing": (0.8, 0.9, 0.95)}  # the others: (0, 0.5, 0.9)
RATES = {"nano": (5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 8e-3),
         "tiny": (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3)}
RULES = {"learn": "the highest accuracy on the new skill, and of equal ones the lowest loss",
         "keep": "of those that know 95 % of the new skill, the one that keeps most; see "
                 "`workbench.runs.studies.choose`"}
SKILL, KNOWN = "facts-new", ("facts-keepers", "tools-house", "working-jar")
LOOK, BATCH = 20, 32
MEASURES = ("loss", "accuracy", "retention")


def misname(items: list[Item], share: float, seed: int) -> list[Item]:
    """Return items of which a share names another answer of the skill."""
    rng = random.Random(derive_seed(seed, "wrong answers"))
    answers, wrong = sorted({item.answer for item in items}), []
    for item in items:
        other = rng.choice([answer for answer in answers if answer != item.answer])
        words = [other if word == item.answer else word for word in item.demonstration.split()]
        changed = Item(**{**vars(item), "answer": other, "demonstration": " ".join(words)})
        wrong.append(changed if rng.random() < share else item)
    return wrong


def mix(weight: float, ids: Tensor, soft: Tensor) -> Tensor:
    """Return the targets: the tokens with a weight, and soft targets (n, tokens, vocabulary)."""
    return ((1 - weight) * soft).scatter_add(2, ids[..., None],
                                             torch.full((*ids.shape, 1), float(weight)))


class Study:
    """A model, a skill with a share of wrong answers, and what is measured."""

    def __init__(self, name: str, skill: str, noise: float) -> None:
        self.name, self.noise = name, noise
        self.pretrained, self.tokenizer = wb.load_causal_lm(name)
        self.items = {split: load_skill(skill, split) for split in ("train", "validation", "test")}
        self.known = {(split, skill): spread(load_skill(skill, split), 40)
                      for split in ("validation", "test") for skill in KNOWN}
        self.before = {split: self.accuracies(self.pretrained, split) for split in
                       ("validation", "test")}

    def texts(self, split: str, seed: int) -> tuple[Tensor, ...]:
        """Return prompts and responses as ids and masks; wrong answers are not in the test."""
        items = self.items[split]
        if split != "test":
            items = misname(items, self.noise, derive_seed(seed, split))
        asked = [make_prompt(self.tokenizer, item.prompt) for item in items]
        return (*encode(self.tokenizer, asked, 88),
                *encode_responses(self.tokenizer, [item.demonstration for item in items], 40))

    def accuracies(self, model: Any, split: str) -> list[float]:
        """Return the accuracy on each known skill."""
        return [complete(model, self.tokenizer, self.known[split, skill]).accuracy
                for skill in KNOWN]

    @torch.no_grad()
    def soft(self, method: str, texts: tuple[Tensor, ...], seed: int, teacher: Any) -> Tensor:
        """Return the soft targets of all tokens: (n, tokens, vocabulary)."""
        words = len(self.tokenizer)
        if method in ("hard", "smoothing"):
            return torch.full((*texts[2].shape, words), 1 / words)
        model = {"pretrained": self.pretrained,
                 "untrained": make_model(self.name, words, seed + 1000)}.get(method, teacher)
        targets = response_logits(model, *texts).softmax(-1)
        if method == "shuffled":
            rows = texts[3].bool()
            rng = torch.Generator().manual_seed(derive_seed(seed, "shuffled"))
            targets[rows] = targets[rows][torch.randperm(int(rows.sum()), generator=rng)]
        return targets

    def train(self, method: str, weight: float, lr: float, seed: int, split: str,
              steps: int, every: int, teacher: Any = None) -> tuple[Any, list[dict[str, float]]]:
        """Fine-tune one model; return it, and its measures every so many steps."""
        texts = self.texts("train", seed)
        targets = mix(weight, texts[2], self.soft(method, texts, seed, teacher))
        model, looks = copy.deepcopy(self.pretrained), []
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
        for step, rows in enumerate(batch_order(seed, 0, len(targets), steps, BATCH), 1):
            ids, mask = texts[2][rows], texts[3][rows]
            log_q = response_logits(model, *take_prompts(texts[:2], rows), ids,
                                    mask).log_softmax(-1)
            optimizer.zero_grad()
            per_response(-(targets[rows] * log_q).sum(-1), mask).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % every == 0 or step == steps:
                looks.append({"step": step} | self.measure(model, seed, split))
        return model, looks

    @torch.no_grad()
    def measure(self, model: Any, seed: int, split: str) -> dict[str, float]:
        """Return loss (nats a token), accuracy on the new skill, and retention of the known."""
        texts = self.texts(split, seed)
        log_q = response_logits(model, *texts).log_softmax(-1)
        nats = -log_q.gather(2, texts[2][..., None])[..., 0]
        items = self.items[split] if split == "test" else misname(
            self.items[split], self.noise, derive_seed(seed, split))
        return {"loss": float(per_response(nats, texts[3])),
                "accuracy": complete(model, self.tokenizer, items).accuracy,
                "retention": float(retention(self.before[split],
                                            self.accuracies(model, split)))}


def choose(looks: pd.DataFrame, rule: str) -> dict[str, Any]:
    """Return weight, rate and step of the chosen point, from looks on validation items."""
    means = looks.groupby(["weight", "rate", "step"], as_index=False)[list(MEASURES)].mean()
    if rule == "keep":
        chosen = studies.choose(means.rename(columns={"accuracy": "new"}))
    else:
        means["accuracy"] = means["accuracy"].round(3)  # the record has five digits
        chosen = means.sort_values(["accuracy", "loss"], ascending=[False, True]).iloc[0]
    return {"weight": float(chosen["weight"]), "lr": float(chosen["rate"]),
            "steps": int(chosen["step"])}


def run(study: Study, methods: Sequence[str], rule: str, steps: int,
        seeds: dict[str, Sequence[int]]) -> pd.DataFrame:
    """Search, choose and test each method; return a row per look at a run."""
    chosen: dict[str, dict[str, Any]] = {}
    teachers: dict[int, Any] = {}
    tables = []

    def train(part: str, method: str, setting: dict[str, Any], every: int) -> pd.DataFrame:
        rows = []
        for seed in seeds[part]:
            model, looks = study.train(method, **setting, seed=seed, split=part, every=every,
                                       teacher=teachers.get(seed))
            if method == "hard" and every == setting["steps"]:
                teachers[seed] = model
            rows += [{"model": study.name, "noise": study.noise, "method": method, "part": part,
                      "weight": setting["weight"], "rate": setting["lr"], "seed": seed} | look
                     for look in looks]
        return pd.DataFrame(rows)

    for method in methods:
        rates = RATES[study.name] if method == "hard" else sorted(
            RATES[study.name], key=lambda rate: abs(rate - chosen["hard"]["lr"]))[:2]
        searched = pd.concat([
            train("validation", method, {"weight": weight, "lr": rate, "steps": steps}, LOOK)
            for weight, rate in itertools.product(WEIGHTS.get(method, (0.0, 0.5, 0.9)), rates)])
        setting = chosen[method] = choose(searched, rule)
        if method == "hard":  # the teachers of the other searches, at the chosen setting
            train("validation", method, setting, setting["steps"])
        tested = train("test", method, setting, setting["steps"])
        print(study.noise, method, setting, "\n", tested[list(MEASURES)].agg(["mean", "std"]),
              flush=True)
        tables += [searched, tested]
    return pd.concat(tables)


def main() -> None:
    """Write the record of one model."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", choices=sorted(RATES))
    parser.add_argument("--rule", default="learn", choices=sorted(RULES))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--methods", nargs="+", default=list(SOFT))
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--tuning-seeds", type=int, nargs="+", default=[100, 101])
    parser.add_argument("--test-seeds", type=int, nargs="+", default=list(range(15)))
    parser.add_argument("--out", type=Path, default=Path("data/results"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    seeds = {"validation": asked.tuning_seeds, "test": asked.test_seeds}
    table = pd.concat([run(Study(asked.model, SKILL, noise), asked.methods, asked.rule,
                           asked.steps, seeds) for noise in asked.noise])
    path = asked.out / f"soft_labels_{asked.model}.csv.gz"
    text = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
    write_atomically(path, gzip.compress(text.encode(), mtime=0))
    write_atomically(asked.out / f"soft_labels_{asked.model}.json", (json.dumps({
        "command": shlex.join(["python", *sys.argv]), "environment": environment()}, indent=1)
        + "\n").encode())


if __name__ == "__main__":
    main()
