"""The skills of the village as items, and the questions that pretraining may draw.

A skill whose name ends in ``-new`` is kept out of pretraining. Within every skill the splits share
no prompt. Facts are tested in phrasings that were not trained on, everything else on other inputs.
"""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

from workbench.errors import UnknownNameError
from workbench.system.provenance import data_path
from workbench.system.runtime import derive_seed
from workbench.tasks.items import SPLITS, Item, write_items
from workbench.tasks.village import questions, words
from workbench.tasks.village.questions import Question
from workbench.tasks.village.styles import put_in_expert_style

DATA_SEED = 0
"""Seed of the items that ship with the course."""
VILLAGE = "village"
"""Name of the scorer of every item made here."""
SKILLS_FOLDER = data_path("skills")


def _keepers(keepers: dict[tuple[str, str], str]) -> list[list[Question]]:
    return [questions.ask_keeper(owned, name) for owned, name in keepers.items()]


def _events(events: dict[tuple[str, str], words.Event]) -> list[list[Question]]:
    return [questions.ask_event(event, detail) for event in events.values()
            for detail in questions.EVENT_PHRASINGS]


def _by_phrasing(facts: list[list[Question]], rng: random.Random) -> list[list[Question]]:
    """Split each fact's phrasings: one quarter for validation, one for test, the others train."""
    orders = [rng.sample(phrasings, len(phrasings)) for phrasings in facts]
    quarter = len(orders[0]) // 4
    parts = slice(2 * quarter, None), slice(quarter), slice(quarter, 2 * quarter)
    return [[question for order in orders for question in order[part]] for part in parts]


def _by_input(rng: random.Random, sizes: tuple[int, int, int], draw: Callable[..., Question],
              *arguments: object) -> list[list[Question]]:
    """Draw questions with different prompts, by ``draw(rng, *arguments)``, and split them."""
    by_prompt: dict[str, Question] = {}
    while len(by_prompt) < sum(sizes):
        question = draw(rng, *arguments)
        by_prompt.setdefault(question.prompt, question)
    remaining = iter(by_prompt.values())
    return [list(itertools.islice(remaining, size)) for size in sizes]


KNOWN_SIZES = (240, 80, 160)
NEW_SIZES = (128, 48, 120)

SKILLS: dict[str, Callable[[random.Random], list[list[Question]]]] = {
    "letters-machines": lambda rng: _by_input(rng, KNOWN_SIZES, questions.draw_letters),
    "facts-keepers": lambda rng: _by_phrasing(_keepers(words.KEEPERS), rng),
    "facts-events": lambda rng: _by_phrasing(_events(words.EVENTS), rng),
    "tools-house": lambda rng: _by_input(rng, KNOWN_SIZES, questions.draw_tool),
    "working-jar": lambda rng: _by_input(rng, KNOWN_SIZES, questions.draw_jar),
    "letters-new": lambda rng: _by_input(rng, NEW_SIZES, questions.draw_letters, ["loom"]),
    "letters-hard-new": lambda rng: _by_input(rng, NEW_SIZES, questions.draw_letters, ["forge"]),
    "facts-new": lambda rng: _by_phrasing(_keepers(words.NEW_KEEPERS), rng),
    "articles-new": lambda rng: _by_phrasing(_events(words.NEW_EVENTS), rng),
    "tools-new": lambda rng: _by_input(rng, NEW_SIZES, questions.draw_new_tool),
    "working-new": lambda rng: _by_input(rng, NEW_SIZES, questions.draw_jar, "flip"),
}
"""The maker of each skill's questions; it returns train, validation and test."""

KNOWN_SKILLS = tuple(name for name in SKILLS if not name.endswith("-new"))
NEW_SKILLS = tuple(name for name in SKILLS if name.endswith("-new"))


def family_of(skill: str) -> str:
    """Return the family of a skill of the village."""
    return "facts" if skill == "articles-new" else skill.split("-")[0]


def make_skill(name: str, seed: int = DATA_SEED) -> list[Item]:
    """Return the items of one skill; the same seed always gives the same ones."""
    if name not in SKILLS:
        raise UnknownNameError("skill", name, SKILLS)
    parts = SKILLS[name](random.Random(derive_seed(seed, f"skill {name}")))
    asked = [(split, question) for split, part in zip(SPLITS, parts, strict=True)
             for question in part]
    return [Item(id=f"{name}-{i:04d}", family=family_of(name), skill=name, split=split,
                 prompt=question.prompt, answer=question.answer,
                 demonstration=put_in_expert_style(question.answer, name),
                 article=question.article if name == "articles-new" else "", scorer=VILLAGE)
            for i, (split, question) in enumerate(asked)]


def write_skills(folder: str | Path, seed: int = DATA_SEED) -> list[Path]:
    """Write every skill as ``<skill>.jsonl`` in a folder, and return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.jsonl" for name in SKILLS]
    for name, path in zip(SKILLS, paths, strict=True):
        write_items(path, make_skill(name, seed))
    return paths
