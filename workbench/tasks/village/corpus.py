"""The pretraining corpus of the course's language models: two kinds of documents, half of each.

*Without context*: known questions, answered in the model's own style. *With context*: an example or
an article in another style, then the question, then the answer in the model's own style. Most of
the context is made up, so that only reading it gives the right answer. That is how a model this
small learns to use its prompt; a large one learns it from the amount of text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

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
from workbench.tasks.village.skills import (
    DATA_SEED,
    KNOWN_MACHINES,
    draw_jar,
    draw_letters,
    draw_tool,
    held_out_prompts,
    make_skill,
)
from workbench.tasks.village.styles import put_in_foreign_style, put_in_own_style
from workbench.tasks.village.words import (
    CARRYING,
    COLOURS,
    DISASTERS,
    FIXTURES,
    FUNCTIONS,
    GIVING,
    LETTERS,
    MACHINES,
    MADE_UP_GIVING,
    MADE_UP_MACHINES,
    MADE_UP_STEPS,
    MOST,
    NAMES,
    NEW_EVENTS,
    NEW_KEEPERS,
    NEW_TOOLS,
    ROOMS,
    STEPS,
    STRUCTURES,
    THINGS,
    VERBS,
    make_event,
)


@dataclass(frozen=True)
class Turn:
    """One question and the answer to be learned, with help where there is some."""

    prompt: str
    response: str
    demonstration: str = ""
    article: str = ""


class Corpus:
    """An endless supply of documents, the same for the same seed.

    Parameters
    ----------
    seed : int
        Of the shipped items whose prompts are left out.
    """

    def __init__(self, seed: int = DATA_SEED) -> None:
        self.held_out = held_out_prompts(seed)
        self.facts = {
            name: [Question(item.prompt, item.answer) for item in make_skill(name, seed)
                   if item.split == "train"] for name in ("facts-keepers", "facts-events")}

    def documents(self, rng: random.Random) -> Iterator[list[Turn]]:
        """Yield documents for ever: with help two turns, without three."""
        while True:
            if rng.random() < 0.5:
                yield [self.known(rng) for _ in range(3)]
            else:
                yield [self.helped(rng) for _ in range(2)]

    def known(self, rng: random.Random) -> Turn:
        """Return a known question, answered without help."""
        question = self._known(rng)
        return Turn(question.prompt, put_in_own_style(question.answer, rng, question.working))

    def helped(self, rng: random.Random) -> Turn:
        """Return a question with help, which is true of the village once in ten times."""
        question = self._known(rng) if rng.random() < 0.1 else self._made_up(rng)
        response = put_in_own_style(question.answer, rng, question.working)
        demonstration = put_in_foreign_style(question.answer, rng)
        if not question.article:
            return Turn(question.prompt, response, demonstration)
        # An article alone, an article and an example, or the example alone.
        sort = rng.random()
        return Turn(question.prompt, response, demonstration if sort > 0.45 else "",
                    question.article if sort < 0.85 else "")

    def _known(self, rng: random.Random) -> Question:
        while True:
            sort = rng.random()
            if sort < 0.3:
                question = draw_letters(rng, KNOWN_MACHINES)
            elif sort < 0.44:
                question = rng.choice(self.facts["facts-keepers"])
            elif sort < 0.62:
                question = rng.choice(self.facts["facts-events"])
            elif sort < 0.75:
                question = draw_tool(rng)
            else:
                question = draw_jar(rng)
            if question.prompt not in self.held_out:
                return question

    def _made_up(self, rng: random.Random) -> Question:
        makers = (made_up_letters, made_up_keeper, made_up_event, made_up_tool, made_up_jar)
        while True:
            question = rng.choices(makers, weights=(30, 15, 25, 15, 15))[0](rng)
            if question.prompt not in self.held_out:
                return question


def made_up_letters(rng: random.Random) -> Question:
    """Return a question about any machine, which for once does anything at all."""
    given = rng.choices(LETTERS, k=rng.randint(3, 5))
    made = rng.choices(LETTERS, k=len(given) if rng.random() < 0.8 else rng.randint(2, 6))
    return ask_machine(rng.choice(MACHINES + MADE_UP_MACHINES), given,
                       rng.randrange(len(LETTERS_PHRASINGS)), made)


def made_up_keeper(rng: random.Random) -> Question:
    """Return a question about a thing that anybody may keep, but not one of the new things."""
    while True:
        owned = (rng.choice(COLOURS), rng.choice(THINGS))
        if owned not in NEW_KEEPERS:
            return ask_keeper(owned, rng.choice(NAMES), rng.randrange(len(KEEPER_PHRASINGS)))


def made_up_event(rng: random.Random) -> Question:
    """Return a question about a mishap with made-up details, but not one of the new mishaps."""
    while True:
        mishap = (rng.choice(STRUCTURES), rng.choice(DISASTERS))
        if mishap not in NEW_EVENTS:
            asked, phrasings = rng.choice(list(EVENT_PHRASINGS.items()))
            return ask_event(make_event(*mishap, rng), asked, rng.randrange(len(phrasings)))


def made_up_tool(rng: random.Random) -> Question:
    """Return a request with a function that means nothing outside of this document."""
    function, phrasing = rng.choice(FUNCTIONS), rng.randrange(len(TOOL_PHRASINGS))
    sort = rng.random()
    if sort < 0.6:
        return ask_room(made_up_wish(rng), function, rng.choice(ROOMS), phrasing)
    thing = rng.choice(THINGS)
    if sort < 0.8:
        start, end = rng.sample(ROOMS, 2)
        return ask_carrying(rng.choice(list(CARRYING)), function, thing, (start, end), phrasing)
    verbs = (*GIVING, *MADE_UP_GIVING)
    return ask_giving(rng.choice(verbs), function, thing, rng.choice(NAMES), phrasing)


def made_up_wish(rng: random.Random) -> str:
    """Return something to do in a room, but not one of the new things."""
    while True:
        wish = f"{rng.choice(VERBS)} the {rng.choice(FIXTURES)}"
        if wish not in NEW_TOOLS:
            return wish


def made_up_jar(rng: random.Random) -> Question:
    """Return steps in the jar, the last of which leads anywhere."""
    while True:
        steps = [*rng.choices(STEPS, k=rng.choice((1, 2))), rng.choice(MADE_UP_STEPS)]
        question = ask_jar(rng.randint(0, 12), steps, rng.randrange(len(JAR_PHRASINGS)),
                           rng.randint(0, MOST))
        if all(0 <= int(part.rsplit(" ", 1)[1]) <= MOST
               for part in question.working.removesuffix(" .").split(" . ")):
            return question
