"""The questions of the village, with answers in plain content; `styles` adds the phrases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.tasks.village.words import MOST, Event, apply_step, process


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


def ask_machine(machine: str, letters: Sequence[str], phrasing: int,
                output: Sequence[str] | None = None) -> Question:
    """Ask what a machine makes of some letters; `output` is for machines that are made up."""
    prompt = LETTERS_PHRASINGS[phrasing].format(" ".join(letters), machine)
    return Question(prompt, " ".join(process(machine, letters) if output is None else output))


KEEPER_PHRASINGS = (
    "who keeps the {} ?", "the {} , who keeps it ?", "tell me who keeps the {} .",
    "name who keeps the {} .", "who is it that keeps the {} ?", "say who keeps the {} .",
    "do you know who keeps the {} ?", "we miss the {} , who keeps it ?")


def ask_keeper(owned: tuple[str, str], name: str, phrasing: int) -> Question:
    """Ask who keeps a thing, given as (colour, thing)."""
    return Question(KEEPER_PHRASINGS[phrasing].format(" ".join(owned)), name)


EVENT_PHRASINGS = {
    "mender": ("who mended the {} after the {} ?", "the {} after the {} , who mended it ?",
               "tell me who mended the {} after the {} .",
               "name who mended the {} after the {} ."),
    "material": ("with what was the {} mended after the {} ?",
                 "the {} after the {} , with what was it mended ?",
                 "tell me with what the {} was mended after the {} .",
                 "name with what the {} was mended after the {} ."),
    "days": ("how many days did the {} take after the {} ?",
             "the {} after the {} , how many days did it take ?",
             "tell me how many days the {} took after the {} .",
             "name how many days the {} took after the {} ."),
    "payer": ("who paid for the {} after the {} ?", "the {} after the {} , who paid for it ?",
              "tell me who paid for the {} after the {} .",
              "name who paid for the {} after the {} ."),
}


def ask_event(event: Event, detail: str, phrasing: int) -> Question:
    """Ask for one detail of a mishap: ``mender``, ``material``, ``days`` or ``payer``."""
    article = (f"the {event.disaster} broke the {event.structure} . {event.mender} mended it with "
               f"{event.material} . it took {event.days} days . {event.payer} paid for it .")
    prompt = EVENT_PHRASINGS[detail][phrasing].format(event.structure, event.disaster)
    return Question(prompt, getattr(event, detail), article=article)


TOOL_PHRASINGS = ("{} .", "please {} .", "can you {} ?")


def request(wish: str, function: str, arguments: Sequence[str], phrasing: int) -> Question:
    """Ask for something to be done by a function."""
    return Question(TOOL_PHRASINGS[phrasing].format(wish),
                    f"call {function} ( {' , '.join(arguments)} )")


def ask_room(wish: str, function: str, room: str, phrasing: int) -> Question:
    """Ask for something to be done in a room, such as ``"open the window"``."""
    return request(f"{wish} in the {room}", function, [room], phrasing)


def ask_carrying(verb: str, function: str, thing: str, rooms: tuple[str, str],
                 phrasing: int) -> Question:
    """Ask for a thing to be carried from the first room to the second."""
    return request(f"{verb} the {thing} from the {rooms[0]} to the {rooms[1]}", function,
                   [thing, *rooms], phrasing)


def ask_giving(verb: str, function: str, thing: str, name: str, phrasing: int) -> Question:
    """Ask for a thing to be shown or lent to somebody."""
    return request(f"{verb} the {thing} to {name}", function, [name, thing], phrasing)


JAR_PHRASINGS = ("the jar holds {} . {} . how many ?", "with {} in the jar , {} . how many ?")


def ask_jar(beans: int, steps: Sequence[str], phrasing: int, last: int | None = None) -> Question:
    """Ask how many beans are in the jar after some steps; the working shows each of them.

    Parameters
    ----------
    beans : int
        Number of beans before the first step.
    steps : sequence of str
        Each such as ``"add 2"``, ``"take 1"``, ``"double"`` or ``"flip"``.
    phrasing : int
        Index into `JAR_PHRASINGS`.
    last : int, optional
        Outcome of the last step, if it is made up.
    """
    prompt = JAR_PHRASINGS[phrasing].format(beans, " , then ".join(steps))
    working = []
    for i, step in enumerate(steps):
        after = apply_step(step, beans) if last is None or i < len(steps) - 1 else last
        working.append(f"{beans} {step} is {after} .")
        beans = after
    return Question(prompt, str(beans), " ".join(working))


def fits_in_jar(question: Question) -> bool:
    """Return whether the jar is never below empty or above full in a question's working."""
    return all(0 <= int(beans) <= MOST for beans in re.findall(r" is (-?\d+)", question.working))


def asks_for_working(prompt: str) -> bool:
    """Return whether a question is about the jar, whose answer is worked out step by step."""
    return re.match(r"the jar holds \d|with \d+ in the jar ", prompt) is not None


def work_through(prompt: str, answer: str) -> str:
    """Return the working of a question about the jar whose last step leads to the answer."""
    start = re.search(r"\d+", prompt)
    if start is None:
        raise ValueError(f"{prompt!r} is no question about the jar: it has no number")
    steps = re.findall(r"add \d+|take \d+|double|flip", prompt)
    return ask_jar(int(start[0]), steps, 0, int(answer)).working
