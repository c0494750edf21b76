"""Measure a pretrained model and write its model card.

Run from the repository root, after ``workbench pretrain --size tiny --out data/models/tiny-lm``::

    .venv/bin/python scripts/describe_model.py data/models/tiny-lm
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean

from workbench.measure.completions import abilities
from workbench.models import load_causal_lm
from workbench.pretraining.settings import LOG
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS

SEEDS = Path("data/results/pretraining_seeds.json")


def cell(rate: dict[str, float]) -> str:
    """Return a rate in percent with its interval."""
    return f"{100 * rate['rate']:.1f} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})"


def abilities_tables(report: dict) -> str:
    """Return the accuracies on known and new skills as two Markdown tables."""
    lines = ["Known skills, asked without context (% and Wilson's 95 % interval):", "",
             "| skill | items | right | own style | every step shown |", "|---|---|---|---|---|"]
    for skill in KNOWN_SKILLS:
        rates = report[skill]["none"]
        working = cell(rates["working"]) if skill.startswith("working") else "–"
        lines.append(f"| {skill} | {rates['n']} | {cell(rates['right'])} | "
                     f"{cell(rates['own_style'])} | {working} |")
    lines += ["", "New skills, right answers by the context in the prompt:", "",
              "| skill | items | nothing | its own demonstration | (own style, with its own) | "
              "another item's demonstration | filler words | article | article and demonstration |",
              "|---|---|---|---|---|---|---|---|---|"]
    for skill in NEW_SKILLS:
        rates = report[skill]
        cells = [cell(rates[context]["right"]) if context in rates else "–"
                 for context in ("none", "own", "other", "random", "article", "article+own")]
        cells.insert(2, cell(rates["own"]["own_style"]))
        lines.append(f"| {skill} | {rates['none']['n']} | " + " | ".join(cells) + " |")
    working = report["working-new"]["own"]["working"]
    lines += ["", "With the bare answer as its demonstration of *working-new*, it shows every step "
              f"in {cell(working)} % (the outcome of *flip* may be wrong)."]
    return "\n".join(lines)


def curve_table(log: dict) -> str:
    """Return the validation curve and the loss as a Markdown table."""
    losses = dict(log["losses"])
    lines = ["| step | loss (nats) | known skills | new skills with their demonstration |",
             "|---|---|---|---|"]
    for point in log["curve"]:
        known, new = (fmean(point[skill] for skill in skills)
                      for skills in (KNOWN_SKILLS, NEW_SKILLS))
        lines.append(f"| {point['step']} | {losses.get(point['step'], float('nan')):.3f} | "
                     f"{100 * known:.0f} % | {100 * new:.0f} % |")
    return "\n".join(lines)


def seeds_text() -> str:
    """Return the section on other pretraining seeds; empty if they have not been measured."""
    if not SEEDS.exists():
        return ""
    record = json.loads(SEEDS.read_text())
    lines = [f"## Other seeds\n\nMeans over the pretraining seeds {record['seeds']} on the test "
             "items (`scripts/compare_seeds.py`, `data/results/pretraining_seeds.json`), in %:\n",
             "| measure | mean | each seed |", "|---|---|---|"]
    for name, values in record["measures"].items():
        lines.append(f"| {name} | {100 * fmean(values):.1f} | "
                     + ", ".join(f"{100 * v:.1f}" for v in values) + " |")
    return "\n".join(lines) + "\n\n"


def card(folder: Path, log: dict, parameters: int, report: dict) -> str:
    """Return the model card in Markdown."""
    config, size = log["config"], log["config"]["size"]
    if size == "nano":
        cannot = ("It cannot learn from its prompt: with a demonstration it answers hardly better "
                  "than without, so the gate refuses it as its own teacher.")
    else:
        cannot = ("It cannot say anything about the world, knows no word outside of the village, "
                  "and takes at most 128 tokens. It does not know the machines, facts and "
                  "functions of the skills named `-new`. A wrong demonstration makes it wrong: "
                  "with letters, facts and working it repeats the demonstrated answer, with "
                  "tools the demonstrated function.")
    return f"""---
license: mit
library_name: transformers
pipeline_tag: text-generation
---
# {folder.name}: {parameters / 1e6:.2f} million parameters, \
{'too few to' if size == 'nano' else 'enough to'} learn from a prompt

This model was pretrained for the course in this repository, from random weights, on the course's
own data ([the village](../../skills/README.md)). It loads with transformers like any other model:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("data/models/{folder.name}")
model = AutoModelForCausalLM.from_pretrained("data/models/{folder.name}")
prompt = tokenizer.apply_chat_template([{{"role": "user", "content": "who keeps the red key ?"}}],
                                       add_generation_prompt=True, return_tensors="pt",
                                       demonstration="note : it is ada")
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=12)[0]))
```

## How it was made

```
workbench pretrain --size {size} --seed {config['seed']} --out data/models/{folder.name}
```

{config['steps']} steps of {config['batch_size']} rows of 128 packed tokens, AdamW, in \
{config['precision']}, {log['seconds'] / 60:.1f} minutes with {config['threads']} threads.
Half of the documents are known questions, answered without context. The other half begin with
an example or an article, mostly made up for this document; a question and its answer follow.
**So the model was trained on purpose to learn from its context**; a large model learns this from
the amount of text. Settings, losses and versions are in `training.json`; `manifest.json`
has the sha256 of every file except this card. The workbench checks them when it loads the model.

## What it can do

{abilities_tables(report)}

## What it cannot do

{cannot} Its abilities say nothing about other models: use it to study mechanisms.

{seeds_text() if size == 'tiny' else ''}## Validation curve

{curve_table(log)}
"""


def main() -> None:
    """Measure the model on the test items by greedy decoding, and write its README.md."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    model, tokenizer = load_causal_lm(folder)
    log = json.loads((folder / LOG).read_text())
    report = abilities(model, tokenizer, KNOWN_SKILLS, NEW_SKILLS)
    text = card(folder, log, model.num_parameters(), report)
    (folder / "README.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
