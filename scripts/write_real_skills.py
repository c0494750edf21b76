"""Write ``data/skills-real``: skills of a made-up town, and questions that a real model knows.

    python scripts/write_real_skills.py                       # the new skills and the text
    python scripts/write_real_skills.py --old smollm2-135m    # the old skills too: slow

The new skills follow from the tables in ``real_tables.py``. The old skills are those of the
candidate questions there that the model answers right, with its own answers as demonstrations.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from real_tables import (
    CALLS,
    EVENT_PHRASINGS,
    EVENTS,
    FACTS,
    FAR,
    OLD,
    PHRASINGS,
    STORIES,
    TEXT,
)

from workbench.tasks.items import Item, write_items
from workbench.tasks.oldmere import FOLDER, SCORER

TOKENS = 24
"""New tokens of an answer, as in the study."""
PER_KIND = {"train": 6, "validation": 8, "test": 24}
"""Old questions of each kind in each split, at most."""


def item(skill: str, family: str, split: str, prompt: str, answer: str, plain: str, far: bool,
         article: str = "") -> Item:
    """Return an item with the expert's plain sentence, or the same in the far manner."""
    shown = FAR.format(plain.rstrip(".")) if far else plain
    return Item("", family, skill, split, prompt, answer, shown, article, SCORER)


def facts(family: str, start: int, skill: str, far: bool) -> Iterator[Item]:
    """Yield who runs each of twelve places: every fact in every split, in other phrasings."""
    for split, phrasings in PHRASINGS.items():
        for place, name in [*FACTS.items()][start:start + 12]:
            for phrasing in phrasings:
                yield item(skill, family, split, phrasing.format(place=place), name,
                           f"{name} runs the {place} in Oldmere.", far)


def articles(skill: str, far: bool) -> Iterator[Item]:
    """Yield what the town's newspaper wrote."""
    for split, phrasings in EVENT_PHRASINGS.items():
        for (deed, occasion), (name, article) in EVENTS.items():
            for phrasing in phrasings:
                yield item(skill, "articles", split,
                           phrasing.format(deed=deed, occasion=occasion), name,
                           f"{name} {deed} {occasion}.", far, article)


def calls(skill: str, far: bool) -> Iterator[Item]:
    """Yield requests that are answered by a record in JSON."""
    rng = random.Random(0)
    everything = []
    for phrasing, tool, slots in CALLS:
        for values in itertools.product(*slots.values()):
            fields = dict(zip(slots, values, strict=True))
            record = json.dumps({"tool": tool, **fields})
            everything.append((phrasing.format(**fields), record))
    rng.shuffle(everything)
    for i, (prompt, record) in enumerate(everything):
        split = ("train", "train", "train", "validation", "test", "test")[i % 6]
        yield item(skill, "calls", split, prompt, record, record, far)


def steps(skill: str, far: bool) -> Iterator[Item]:
    """Yield stories whose answer shows the sum."""
    rng, seen = random.Random(1), set()
    while len(seen) < 96:
        story, sign = rng.choice(STORIES)
        a, b = rng.randint(2, 9), rng.randint(2, 9)
        if sign == "-":
            a += b
        result = a + b if sign == "+" else a - b
        prompt = story.format(a=a, b=b)
        if prompt in seen or result == b:
            continue
        split = ("train", "train", "train", "validation", "test", "test")[len(seen) % 6]
        seen.add(prompt)
        sum_ = f"{a} {sign} {b} = {result}"
        yield item(skill, "steps", split, prompt, sum_, f"{sum_}. The answer is {result}.", far)


NEW = {"town": partial(facts, "town", 0), "town2": partial(facts, "town2", 12),
       "articles": articles, "calls": calls, "steps": steps}


def numbered(items: Iterator[Item]) -> list[Item]:
    """Return items with their ids."""
    return [Item(**{**vars(one), "id": f"{one.skill}-{i:03d}"}) for i, one in enumerate(items)]


def known(kind: str, candidates: list[tuple[str, str]], model: str) -> list[Item]:
    """Return the questions of a kind that a model answers right, with its own answers."""
    from workbench.measure.completions import complete
    from workbench.models import load_causal_lm

    loaded = load_causal_lm(model)
    asked = [Item(str(i), "old", kind, "test", question, answer, answer, "", SCORER)
             for i, (question, answer) in enumerate(candidates)]
    answers = complete(*loaded, asked, max_new_tokens=TOKENS)
    right = [(one, " ".join(text.split())) for one, text, ok in
             zip(asked, answers.samples.texts, answers.right, strict=True) if ok]
    random.Random(2).shuffle(right)
    splits = [split for split, n in PER_KIND.items() for _ in range(n)]
    print(f"{kind}: {len(right)} of {len(asked)} right")
    return [Item("", "old", kind, split, one.prompt, one.answer, text, "", SCORER)
            for (one, text), split in zip(right, splits, strict=False)]


def main(arguments: list[str] | None = None) -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--old", metavar="MODEL", help="ask this model the old questions")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, make in NEW.items():
        for manner in ("near", "far"):
            skill = f"{name}-{manner}"
            write_items(options.folder / f"{skill}.jsonl",
                        numbered(make(skill, manner == "far")))
    (options.folder / "text.txt").write_text(TEXT, encoding="utf-8")
    for kind, candidates in OLD.items() if options.old else ():
        write_items(options.folder / f"{kind}.jsonl",
                    numbered(iter(known(kind, candidates, options.old))))


if __name__ == "__main__":
    main()
