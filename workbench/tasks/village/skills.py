"""The skills of the village as items, and the questions that pretraining may draw.

A skill whose name ends in ``-new`` is kept out of pretraining. Within every skill the splits share
no prompt. Facts are tested in phrasings that were not trained on, everything else on other inputs.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.errors import UnknownNameError
from workbench.system.provenance import data_path
from workbench.system.runtime import derive_seed
from workbench.tasks.items import SPLITS, Item, check_items, write_items
from workbench.tasks.village.questions import (
    EVENT_PHRASINGS,
    JAR_PHRASINGS,
    KEEPER_PHRASINGS,
    LETTERS_PHRASINGS,
    TOOL_PHRASINGS,
    Question,
    ask_carrying,
    ask_event,
    ask_giving,
    ask_jar,
    ask_keeper,
    ask_machine,
    ask_room,
)
from workbench.tasks.village.styles import put_in_expert_style
from workbench.tasks.village.words import (
    CARRYING,
    EVENTS,
    GIVING,
    KEEPERS,
    LETTERS,
    MACHINES,
    MOST,
    NAMES,
    NEW_EVENTS,
    NEW_KEEPERS,
    NEW_MACHINES,
    NEW_TOOLS,
    ROOMS,
    STEPS,
    THINGS,
    TOOLS,
)

DATA_SEED = 0
"""Of the items that ship with the course."""

VILLAGE = "village"
"""Name of the scorer of every item made here."""

KNOWN_MACHINES = tuple(m for m in MACHINES if m not in NEW_MACHINES)


def draw_letters(rng: random.Random, machines: Iterable[str]) -> Question:
    """Draw three to five letters for one of some machines."""
    letters = rng.choices(LETTERS, k=rng.randint(3, 5))
    return ask_machine(rng.choice(list(machines)), letters,
                       rng.randrange(len(LETTERS_PHRASINGS)))


def draw_tool(rng: random.Random) -> Question:
    """Draw a request that the house has a function for."""
    phrasing, sort = rng.randrange(len(TOOL_PHRASINGS)), rng.random()
    if sort < 0.6:
        return ask_room(*rng.choice(list(TOOLS.items())), rng.choice(ROOMS), phrasing)
    thing = rng.choice(THINGS)
    if sort < 0.8:
        start, end = rng.sample(ROOMS, 2)
        return ask_carrying(*rng.choice(list(CARRYING.items())), thing, (start, end), phrasing)
    return ask_giving(*rng.choice(list(GIVING.items())), thing, rng.choice(NAMES), phrasing)


def draw_new_tool(rng: random.Random) -> Question:
    """Draw a request of the new kind."""
    return ask_room(*rng.choice(list(NEW_TOOLS.items())), rng.choice(ROOMS),
                    rng.randrange(len(TOOL_PHRASINGS)))


def draw_jar(rng: random.Random, last: str = "") -> Question:
    """Draw two or three steps that never leave the jar; with `last`, one or two before it."""
    while True:
        beans = rng.randint(0, 12)
        count = rng.choice((1, 2)) if last else rng.choice((2, 3))
        steps = [*rng.choices(STEPS, k=count), *([last] if last else [])]
        question = ask_jar(beans, steps, rng.randrange(len(JAR_PHRASINGS)))
        if all(0 <= int(n) <= MOST for n in (*_outcomes(question), question.answer)):
            return question


def _outcomes(question: Question) -> list[str]:
    return [part.rsplit(" is ", 1)[1].removesuffix(" .")
            for part in question.working.split(" . ")]


def keeper_questions(keepers: dict[tuple[str, str], str]) -> list[list[Question]]:
    """Return per fact its question in every phrasing."""
    return [[ask_keeper(owned, name, p) for p in range(len(KEEPER_PHRASINGS))]
            for owned, name in keepers.items()]


def event_questions(events: dict[tuple[str, str], object]) -> list[list[Question]]:
    """Return per detail of each event its question in every phrasing."""
    return [[ask_event(event, asked, p) for p in range(len(phrasings))]  # type: ignore[arg-type]
            for event, (asked, phrasings) in itertools.product(events.values(),
                                                               EVENT_PHRASINGS.items())]


def _by_phrasing(facts: list[list[Question]], rng: random.Random) -> list[list[Question]]:
    """Split facts by phrasing: of each, a quarter validate, a quarter test, the others train."""
    parts: list[list[Question]] = [[], [], []]
    for phrasings in facts:
        order = rng.sample(phrasings, len(phrasings))
        quarter = len(order) // 4
        for part, chosen in zip(parts, (order[2 * quarter:], order[:quarter],
                                        order[quarter: 2 * quarter]), strict=True):
            part += chosen
    return parts


def _by_input(draw: Callable[[random.Random], Question], sizes: tuple[int, int, int],
              rng: random.Random) -> list[list[Question]]:
    """Draw questions with different prompts and split them."""
    found: dict[str, Question] = {}
    while len(found) < sum(sizes):
        question = draw(rng)
        found.setdefault(question.prompt, question)
    questions = iter(found.values())
    return [list(itertools.islice(questions, size)) for size in sizes]


KNOWN_SIZES = (240, 80, 160)
NEW_SIZES = (128, 48, 120)

SKILLS: dict[str, Callable[[random.Random], list[list[Question]]]] = {
    "letters-machines": lambda rng: _by_input(
        lambda r: draw_letters(r, KNOWN_MACHINES), KNOWN_SIZES, rng),
    "facts-keepers": lambda rng: _by_phrasing(keeper_questions(KEEPERS), rng),
    "facts-events": lambda rng: _by_phrasing(event_questions(dict(EVENTS)), rng),
    "tools-house": lambda rng: _by_input(draw_tool, KNOWN_SIZES, rng),
    "working-jar": lambda rng: _by_input(draw_jar, KNOWN_SIZES, rng),
    "letters-new": lambda rng: _by_input(lambda r: draw_letters(r, ["loom"]), NEW_SIZES, rng),
    "letters-hard-new": lambda rng: _by_input(
        lambda r: draw_letters(r, ["forge"]), NEW_SIZES, rng),
    "facts-new": lambda rng: _by_phrasing(keeper_questions(NEW_KEEPERS), rng),
    "articles-new": lambda rng: _by_phrasing(event_questions(dict(NEW_EVENTS)), rng),
    "tools-new": lambda rng: _by_input(draw_new_tool, NEW_SIZES, rng),
    "working-new": lambda rng: _by_input(lambda r: draw_jar(r, "flip"), NEW_SIZES, rng),
}
"""Per skill, what makes its questions: train, validation, test."""

KNOWN_SKILLS = tuple(name for name in SKILLS if not name.endswith("-new"))
NEW_SKILLS = tuple(name for name in SKILLS if name.endswith("-new"))


def family_of(skill: str) -> str:
    """Return the family of a skill of the village."""
    return "facts" if skill == "articles-new" else skill.split("-")[0]


def make_skill(name: str, seed: int = DATA_SEED) -> list[Item]:
    """Return the items of one skill; the same seed always gives the same ones.

    Raises
    ------
    UnknownNameError
        If there is no such skill.
    """
    if name not in SKILLS:
        raise UnknownNameError("skill", name, SKILLS)
    parts = SKILLS[name](random.Random(derive_seed(seed, f"skill {name}")))
    items: list[Item] = []
    for split, questions in zip(SPLITS, parts, strict=True):
        for question in questions:
            items.append(Item(
                id=f"{name}-{len(items):04d}", family=family_of(name), skill=name, split=split,
                prompt=question.prompt, answer=question.answer,
                demonstration=put_in_expert_style(question.answer, name),
                article=question.article if name == "articles-new" else "", scorer=VILLAGE))
    check_items(items, name)
    return items


def write_skills(folder: str | Path, seed: int = DATA_SEED) -> list[Path]:
    """Write every skill as ``<skill>.jsonl`` in a folder, and return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.jsonl" for name in SKILLS]
    for name, path in zip(SKILLS, paths, strict=True):
        write_items(path, make_skill(name, seed))
    return paths


@functools.cache
def held_out_prompts(seed: int = DATA_SEED) -> frozenset[str]:
    """Return the prompts that pretraining must never meet.

    Those of validation and test items of known skills, and all those of new skills.
    """
    return frozenset(item.prompt for name in SKILLS for item in make_skill(name, seed)
                     if item.split != "train" or name in NEW_SKILLS)


SKILLS_FOLDER = data_path("skills")
