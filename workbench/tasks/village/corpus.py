"""The pretraining corpus of the course's language models: two kinds of documents, half of each.

*Without context*: known questions, answered in the model's own style. *With context*: an example or
an article in another style, then the question, then the answer in the model's own style. Most
context is made up, so that the right answer can only be read from it. A model this small learns in
this way to use its prompt; a large one learns it from the amount of text.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbench.tasks.village import questions, words
from workbench.tasks.village.questions import Question
from workbench.tasks.village.skills import NEW_SKILLS, SKILLS, make_skill
from workbench.tasks.village.styles import put_in_foreign_style, put_in_own_style

Maker = Callable[[random.Random], Question]


@dataclass(frozen=True)
class Turn:
    """One question and the answer to be learned, with context if there is any."""

    prompt: str
    response: str
    demonstration: str = ""
    article: str = ""


class Corpus:
    """An endless supply of documents.

    They have no prompt of a new skill, and no validation or test prompt of a known one: `held_out`.
    """

    def __init__(self) -> None:
        items = [item for name in SKILLS for item in make_skill(name)]
        self.held_out = {item.prompt for item in items
                         if item.split != "train" or item.skill in NEW_SKILLS}
        keepers, events = (
            [Question(item.prompt, item.answer) for item in items
             if item.skill == name and item.split == "train"]
            for name in ("facts-keepers", "facts-events"))
        self.known_makers = (questions.draw_letters, lambda rng: rng.choice(keepers),
                             lambda rng: rng.choice(events), questions.draw_tool,
                             questions.draw_jar)

    def documents(self, rng: random.Random) -> Iterator[list[Turn]]:
        """Yield documents without end: three turns without context, or two with it."""
        while True:
            if rng.random() < 0.5:
                yield [self._known(rng) for _ in range(3)]
            else:
                yield [self._with_context(rng) for _ in range(2)]

    def _known(self, rng: random.Random) -> Turn:
        """Return a known question, answered without context."""
        question = self._draw(rng, self.known_makers, KNOWN_SHARES)
        return Turn(question.prompt, put_in_own_style(question.answer, rng, question.working))

    def _with_context(self, rng: random.Random) -> Turn:
        """Return a question with context, which is true of the village once in ten times."""
        question = (self._draw(rng, self.known_makers, KNOWN_SHARES) if rng.random() < 0.1
                    else self._draw(rng, MADE_UP_MAKERS, MADE_UP_SHARES))
        response = put_in_own_style(question.answer, rng, question.working)
        demonstration = put_in_foreign_style(question.answer, rng)
        if not question.article:
            return Turn(question.prompt, response, demonstration)
        # An article alone, an article and an example, or the example alone.
        kind = rng.random()
        return Turn(question.prompt, response, demonstration if kind > 0.45 else "",
                    question.article if kind < 0.85 else "")

    def _draw(self, rng: random.Random, makers: Sequence[Maker],
              shares: Sequence[float]) -> Question:
        """Return a question that is not held out; `shares` add up the makers' shares so far."""
        while True:
            question = rng.choices(makers, cum_weights=shares)[0](rng)
            if question.prompt not in self.held_out:
                return question


def made_up_keeper(rng: random.Random) -> Question:
    """Return a question about any thing but the new ones, kept by anybody."""
    while True:
        owned = (rng.choice(words.COLOURS), rng.choice(words.THINGS))
        if owned not in words.NEW_KEEPERS:
            return rng.choice(questions.ask_keeper(owned, rng.choice(words.NAMES)))


def made_up_event(rng: random.Random) -> Question:
    """Return a question about any mishap but the new ones, with made-up details."""
    while True:
        mishap = (rng.choice(words.STRUCTURES), rng.choice(words.DISASTERS))
        if mishap not in words.NEW_EVENTS:
            detail = rng.choice(list(questions.EVENT_PHRASINGS))
            return rng.choice(questions.ask_event(words.make_event(*mishap, rng), detail))


def made_up_jar(rng: random.Random) -> Question:
    """Return steps in the jar; the outcome of the last is drawn at random."""
    while True:
        steps = [*rng.choices(words.STEPS, k=rng.choice((1, 2))), rng.choice(words.MADE_UP_STEPS)]
        question = questions.ask_jar(rng.randint(0, 12), steps, rng.choice(questions.JAR_PHRASINGS),
                                     rng.randint(0, words.MOST))
        if questions.fits_in_jar(question):
            return question


KNOWN_SHARES = (0.3, 0.44, 0.62, 0.75, 1.0)
MADE_UP_MAKERS: tuple[Maker, ...] = (
    lambda rng: questions.draw_letters(rng, words.MACHINES + words.MADE_UP_MACHINES, made_up=True),
    made_up_keeper, made_up_event,
    lambda rng: questions.draw_tool(rng, made_up=rng.choice(words.FUNCTIONS)), made_up_jar)
MADE_UP_SHARES = (30, 45, 70, 85, 100)
