"""The questions of the village, with answers in plain content; `styles` adds the phrases."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.tasks.village import words


@dataclass(frozen=True)
class Question:
    """One question and its right answer."""

    prompt: str
    answer: str
    """The content that is scored: tokens separated by single spaces."""
    working: str = ""
    """Each step written out, for questions about the jar."""
    article: str = ""
    """A text from which the answer can be read, for questions about events."""


LETTERS_PHRASINGS = ("put {} through the {} .", "what comes of {} in the {} ?")


def draw_letters(rng: random.Random, machines: Sequence[str] = words.KNOWN_MACHINES,
                 made_up: bool = False) -> Question:
    """Draw three to five letters for one of the machines; its output may be made up."""
    letters = rng.choices(words.LETTERS, k=rng.randint(3, 5))
    output: list[str] = []
    if made_up:
        length = len(letters) if rng.random() < 0.8 else rng.randint(2, 6)
        output = rng.choices(words.LETTERS, k=length)
    machine = rng.choice(machines)
    return Question(rng.choice(LETTERS_PHRASINGS).format(" ".join(letters), machine),
                    " ".join(output or words.process(machine, letters)))


KEEPER_PHRASINGS = (
    "who keeps the {} ?", "the {} , who keeps it ?", "tell me who keeps the {} .",
    "name who keeps the {} .", "who is it that keeps the {} ?", "say who keeps the {} .",
    "do you know who keeps the {} ?", "we miss the {} , who keeps it ?")


def ask_keeper(owned: tuple[str, str], name: str) -> list[Question]:
    """Ask in every phrasing who keeps a thing, given as (colour, thing)."""
    return [Question(phrasing.format(" ".join(owned)), name) for phrasing in KEEPER_PHRASINGS]


_CLAUSES = {
    "mender": ("who mended the {} after the {}", "who mended it", "who mended the {} after the {}"),
    "material": ("with what was the {} mended after the {}", "with what was it mended",
                 "with what the {} was mended after the {}"),
    "days": ("how many days did the {} take after the {}", "how many days did it take",
             "how many days the {} took after the {}"),
    "payer": ("who paid for the {} after the {}", "who paid for it",
              "who paid for the {} after the {}"),
}
EVENT_PHRASINGS = {
    detail: (direct + " ?", "the {} after the {} , " + short + " ?", "tell me " + indirect + " .",
             "name " + indirect + " .") for detail, (direct, short, indirect) in _CLAUSES.items()}
"""Per detail of a mishap, questions with places for what broke and for what broke it."""


def ask_event(event: words.Event, detail: str) -> list[Question]:
    """Ask in every phrasing for one of the details in `EVENT_PHRASINGS`."""
    article = (f"the {event.disaster} broke the {event.structure} . {event.mender} mended it with "
               f"{event.material} . it took {event.days} days . {event.payer} paid for it .")
    return [Question(phrasing.format(event.structure, event.disaster), getattr(event, detail),
                     article=article) for phrasing in EVENT_PHRASINGS[detail]]


TOOL_PHRASINGS = ("{} .", "please {} .", "can you {} ?")


def draw_tool(rng: random.Random, made_up: str = "") -> Question:
    """Draw a request for one of the known functions, or for a made-up one of this name."""
    phrasing, kind = rng.choice(TOOL_PHRASINGS), rng.random()
    if kind < 0.6:
        wish = _made_up_wish(rng) if made_up else rng.choice(list(words.TOOLS))
        return _ask_room(wish, made_up or words.TOOLS[wish], rng.choice(words.ROOMS), phrasing)
    thing = rng.choice(words.THINGS)
    if kind < 0.8:
        start, end = rng.sample(words.ROOMS, 2)
        verb = rng.choice(list(words.CARRYING))
        return _ask_tool(f"{verb} the {thing} from the {start} to the {end}",
                         made_up or words.CARRYING[verb], [thing, start, end], phrasing)
    verb = rng.choice((*words.GIVING, *(words.MADE_UP_GIVING if made_up else ())))
    name = rng.choice(words.NAMES)
    return _ask_tool(f"{verb} the {thing} to {name}", made_up or words.GIVING[verb], [name, thing],
                     phrasing)


def draw_new_tool(rng: random.Random) -> Question:
    """Draw a request for one of the new functions."""
    wish, function = rng.choice(list(words.NEW_TOOLS.items()))
    return _ask_room(wish, function, rng.choice(words.ROOMS), rng.choice(TOOL_PHRASINGS))


def _made_up_wish(rng: random.Random) -> str:
    """Return something to do in a room, other than the new requests."""
    while True:
        wish = f"{rng.choice(words.VERBS)} the {rng.choice(words.FIXTURES)}"
        if wish not in words.NEW_TOOLS:
            return wish


def _ask_room(wish: str, function: str, room: str, phrasing: str) -> Question:
    return _ask_tool(f"{wish} in the {room}", function, [room], phrasing)


def _ask_tool(wish: str, function: str, arguments: Sequence[str], phrasing: str) -> Question:
    return Question(phrasing.format(wish), f"call {function} ( {' , '.join(arguments)} )")


JAR_PHRASINGS = ("the jar holds {} . {} . how many ?", "with {} in the jar , {} . how many ?")


def ask_jar(beans: int, steps: Sequence[str], phrasing: str, last: int | None = None) -> Question:
    """Ask how many beans are in the jar after some steps; the working shows each of them.

    A step is such as ``"add 2"`` or ``"flip"``; `last` is its outcome if the last is made up.
    """
    prompt = phrasing.format(beans, " , then ".join(steps))
    working = []
    for i, step in enumerate(steps):
        after = words.apply_step(step, beans) if last is None or i < len(steps) - 1 else last
        working.append(f"{beans} {step} is {after} .")
        beans = after
    return Question(prompt, str(beans), " ".join(working))


def draw_jar(rng: random.Random, last: str = "") -> Question:
    """Draw two or three steps that never leave the jar; with `last`, one or two before it."""
    while True:
        beans = rng.randint(0, 12)
        count = rng.choice((1, 2)) if last else rng.choice((2, 3))
        steps = [*rng.choices(words.STEPS, k=count), *([last] if last else [])]
        question = ask_jar(beans, steps, rng.choice(JAR_PHRASINGS))
        if fits_in_jar(question):
            return question


def fits_in_jar(question: Question) -> bool:
    """Return whether the jar is never below empty or above full in a question's working."""
    outcomes = re.findall(r" is (-?\d+)", question.working)
    return all(0 <= int(beans) <= words.MOST for beans in outcomes)


def read_jar(prompt: str) -> tuple[int, list[str]] | None:
    """Return the beans and the steps of a question about the jar; None for all other questions."""
    beans = re.match(r"(?:the jar holds|with(?= \d+ in the jar )) (\d+)", prompt)
    return beans and (int(beans[1]), re.findall(r"add \d+|take \d+|double|flip", prompt))
