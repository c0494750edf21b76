"""The pretraining corpus of the course's language models: two kinds of documents, half of each.

*Without context*: known questions, answered in the model's own style. *With context*: an example or
an article in another style, then the question, then the answer in the model's own style. Most
context is made up, so that the right answer can only be read from it. A model this small learns in
this way to use its prompt; a large one learns it from the amount of text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.tasks.village import questions, words
from workbench.tasks.village.questions import Question
from workbench.tasks.village.skills import (
    draw_jar,
    draw_letters,
    draw_tool,
    held_out_prompts,
    make_skill,
)
from workbench.tasks.village.styles import put_in_foreign_style, put_in_own_style


@dataclass(frozen=True)
class Turn:
    """One question and the answer to be learned, with help if there is any."""

    prompt: str
    response: str
    demonstration: str = ""
    article: str = ""


class Corpus:
    """An endless supply of documents, without the prompts of `held_out_prompts`."""

    def __init__(self) -> None:
        self.held_out = held_out_prompts()
        self.facts = {
            name: [Question(item.prompt, item.answer) for item in make_skill(name)
                   if item.split == "train"] for name in ("facts-keepers", "facts-events")}

    def documents(self, rng: random.Random) -> Iterator[list[Turn]]:
        """Yield documents without end: three turns without help, or two with help."""
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
        kind = rng.random()
        return Turn(question.prompt, response, demonstration if kind > 0.45 else "",
                    question.article if kind < 0.85 else "")

    def _known(self, rng: random.Random) -> Question:
        while True:
            kind = rng.random()
            if kind < 0.3:
                question = draw_letters(rng)
            elif kind < 0.44:
                question = rng.choice(self.facts["facts-keepers"])
            elif kind < 0.62:
                question = rng.choice(self.facts["facts-events"])
            elif kind < 0.75:
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
    """Return a question about any machine, with an output drawn at random."""
    letters = rng.choices(words.LETTERS, k=rng.randint(3, 5))
    output = rng.choices(words.LETTERS, k=len(letters) if rng.random() < 0.8 else rng.randint(2, 6))
    return questions.ask_machine(rng.choice(words.MACHINES + words.MADE_UP_MACHINES), letters,
                                 rng.randrange(len(questions.LETTERS_PHRASINGS)), output)


def made_up_keeper(rng: random.Random) -> Question:
    """Return a question about any thing but the new ones, kept by anybody."""
    while True:
        owned = (rng.choice(words.COLOURS), rng.choice(words.THINGS))
        if owned not in words.NEW_KEEPERS:
            return questions.ask_keeper(owned, rng.choice(words.NAMES),
                                        rng.randrange(len(questions.KEEPER_PHRASINGS)))


def made_up_event(rng: random.Random) -> Question:
    """Return a question about any mishap but the new ones, with made-up details."""
    while True:
        mishap = (rng.choice(words.STRUCTURES), rng.choice(words.DISASTERS))
        if mishap not in words.NEW_EVENTS:
            detail, phrasings = rng.choice(list(questions.EVENT_PHRASINGS.items()))
            return questions.ask_event(words.make_event(*mishap, rng), detail,
                                       rng.randrange(len(phrasings)))


def made_up_tool(rng: random.Random) -> Question:
    """Return a request with a function that means nothing outside of this document."""
    function, phrasing = rng.choice(words.FUNCTIONS), rng.randrange(len(questions.TOOL_PHRASINGS))
    kind = rng.random()
    if kind < 0.6:
        return questions.ask_room(made_up_wish(rng), function, rng.choice(words.ROOMS), phrasing)
    thing = rng.choice(words.THINGS)
    if kind < 0.8:
        start, end = rng.sample(words.ROOMS, 2)
        return questions.ask_carrying(rng.choice(list(words.CARRYING)), function, thing,
                                      (start, end), phrasing)
    verbs = (*words.GIVING, *words.MADE_UP_GIVING)
    return questions.ask_giving(rng.choice(verbs), function, thing, rng.choice(words.NAMES),
                                phrasing)


def made_up_wish(rng: random.Random) -> str:
    """Return something to do in a room, other than the new requests."""
    while True:
        wish = f"{rng.choice(words.VERBS)} the {rng.choice(words.FIXTURES)}"
        if wish not in words.NEW_TOOLS:
            return wish


def made_up_jar(rng: random.Random) -> Question:
    """Return steps in the jar; the outcome of the last is drawn at random."""
    while True:
        steps = [*rng.choices(words.STEPS, k=rng.choice((1, 2))), rng.choice(words.MADE_UP_STEPS)]
        question = questions.ask_jar(rng.randint(0, 12), steps,
                                     rng.randrange(len(questions.JAR_PHRASINGS)),
                                     rng.randint(0, words.MOST))
        if questions.fits_in_jar(question):
            return question
