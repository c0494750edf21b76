"""Pretrain with several seeds and measure each on the test items.

Takes as long as that many trainings (about twenty minutes each on two cores); seeds whose folder
is there already are only measured. Run from the repository root::

    .venv/bin/python scripts/compare_seeds.py --seeds 0 1 2 --runs runs/pretraining
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.measure.completions import abilities
from workbench.models import load_causal_lm
from workbench.pretraining import PretrainConfig, pretrain
from workbench.pretraining.log import LOG
from workbench.system.files import sha256
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS

OUTPUT = Path("data/results/pretraining_seeds.json")


def measures(found: dict) -> dict[str, float]:
    """Return the figures that the model has to reach, by name."""
    figures = {f"{skill}: right": found[skill]["none"]["right"]["rate"] for skill in KNOWN_SKILLS}
    figures["working-jar: every step shown"] = found["working-jar"]["none"]["working"]["rate"]
    for skill in NEW_SKILLS:
        for context, name in (("none", "without help"), ("own", "with its own demonstration"),
                           ("other", "with another item's demonstration")):
            figures[f"{skill}: right {name}"] = found[skill][context]["right"]["rate"]
        figures[f"{skill}: own voice with its demonstration"] = (
            found[skill]["own"]["own_style"]["rate"])
    figures["working-new: every step shown"] = found["working-new"]["own"]["working"]["rate"]
    return figures


def main() -> None:
    """Train what is missing, measure all, and write the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/pretraining"))
    asked = parser.parse_args()
    each, made = [], []
    for seed in asked.seeds:
        folder = asked.runs / f"{asked.size}-{seed}"
        there = (folder / LOG).exists()
        log = pretrain(None if there else PretrainConfig(size=asked.size, seed=seed), folder,
                       resume=there, progress=True)
        each.append(measures(abilities(*load_causal_lm(folder), KNOWN_SKILLS, NEW_SKILLS)))
        made.append({"seed": seed, "minutes": round(log["seconds"] / 60, 1),
                     "settings": log["config"], "environment": log["environment"],
                     "sha256": sha256((folder / "model.safetensors").read_bytes())})
    record = {"command": f"scripts/compare_seeds.py --size {asked.size} --seeds "
                         + " ".join(map(str, asked.seeds)),
              "size": asked.size, "seeds": asked.seeds, "made": made,
              "measures": {name: [found[name] for found in each] for name in each[0]}}
    OUTPUT.write_text(json.dumps(record, indent=1) + "\n")
    for name, values in record["measures"].items():
        print(f"{name:60s}{sum(values) / len(values):6.3f}  {values}")


if __name__ == "__main__":
    main()
