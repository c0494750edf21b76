"""Tune the settings of lesson 02 on validation data and write them to a file.

Every method gets five values of its one setting, and three seeds that are not used for testing.
Run from the root of the project; it takes about three minutes::

    .venv/bin/python scripts/tune_digits.py
"""

from __future__ import annotations

import json
from pathlib import Path

import workbench as wb
from workbench.system.provenance import environment

SEEDS = (100, 101, 102)
GRIDS = {
    "ewc": ("strength", (1.0, 3.0, 10.0, 30.0, 100.0)),
    "ewc-shuffled-fisher": ("strength", (1.0, 3.0, 10.0, 30.0, 100.0)),
    "si": ("strength", (0.03, 0.1, 0.3, 1.0, 3.0)),
    "lwf": ("strength", (0.03, 0.1, 0.3, 1.0, 3.0)),
    "derpp": ("alpha", (0.03, 0.1, 0.3, 1.0, 3.0)),
}
STREAMS = {"permuted-digits": "domain", "split-digits": "class"}
OUT = Path("data/results/tuning_digits.json")


def main() -> None:
    """Search the grids; write the scores and the best values."""
    results: dict[str, dict[str, object]] = {}
    for stream, scenario in STREAMS.items():
        results[stream] = {}
        for learner, (option, values) in GRIDS.items():
            config = wb.RunConfig(stream=stream, scenario=scenario, learner=learner, seeds=SEEDS)
            scores = wb.tune(config, option, values)
            best = max(scores, key=scores.__getitem__)
            results[stream][learner] = {"option": option, "best": best, "scores": scores}
            print(f"{stream}, {learner}: best {option} {best:g}, {scores}", flush=True)
    OUT.write_text(json.dumps({
        "command": "python scripts/tune_digits.py", "seeds": SEEDS, "steps": config.steps,
        "environment": environment(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
