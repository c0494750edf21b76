"""Pretrain with several seeds and measure each model on the test items.

Each pretraining takes about twenty minutes on two cores; a seed whose folder exists is only
measured. Run from the repository root::

    .venv/bin/python scripts/compare_seeds.py --seeds 0 1 2 --runs runs/pretraining
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.measure.completions import abilities
from workbench.models import load_causal_lm
from workbench.pretraining import PretrainConfig, pretrain
from workbench.pretraining.settings import LOG
from workbench.system.files import sha256
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS

OUTPUT = Path("data/results/pretraining_seeds.json")


def measures(report: dict) -> dict[str, float]:
    """Return the rates that the model has to reach, by name."""
    rates = {f"{skill}: right": report[skill]["none"]["right"]["rate"] for skill in KNOWN_SKILLS}
    rates["working-jar: every step shown"] = report["working-jar"]["none"]["working"]["rate"]
    for skill in NEW_SKILLS:
        for context, name in (("none", "without help"), ("own", "with its own demonstration"),
                              ("other", "with another item's demonstration")):
            rates[f"{skill}: right {name}"] = report[skill][context]["right"]["rate"]
        rates[f"{skill}: own style with its demonstration"] = (
            report[skill]["own"]["own_style"]["rate"])
    rates["working-new: every step shown"] = report["working-new"]["own"]["working"]["rate"]
    return rates


def main() -> None:
    """Pretrain the missing models, measure all, and write the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/pretraining"))
    options = parser.parse_args()
    rates, made = [], []
    for seed in options.seeds:
        folder = options.runs / f"{options.size}-{seed}"
        exists = (folder / LOG).exists()
        log = pretrain(None if exists else PretrainConfig(size=options.size, seed=seed), folder,
                       progress=True)
        rates.append(measures(abilities(*load_causal_lm(folder), KNOWN_SKILLS, NEW_SKILLS)))
        made.append({"seed": seed, "minutes": round(log["seconds"] / 60, 1),
                     "settings": log["config"], "environment": log["environment"],
                     "sha256": sha256((folder / "model.safetensors").read_bytes())})
    record = {"command": f"scripts/compare_seeds.py --size {options.size} --seeds "
                         + " ".join(map(str, options.seeds)),
              "size": options.size, "seeds": options.seeds, "made": made,
              "measures": {name: [of_seed[name] for of_seed in rates] for name in rates[0]}}
    OUTPUT.write_text(json.dumps(record, indent=1) + "\n")
    for name, values in record["measures"].items():
        print(f"{name:60s}{sum(values) / len(values):6.3f}  {values}")


if __name__ == "__main__":
    main()
