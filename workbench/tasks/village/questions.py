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


def ask_machine(machine: str, letters: Sequence[str], phrasing: str,
                output: Sequence[str] | None = None) -> Question:
    """Ask what a machine makes of some letters; `output` is for machines that are made up."""
    return Question(phrasing.format(" ".join(letters), machine),
                    " ".join(output or process(machine, letters)))


KEEPER_PHRASINGS = (
    "who keeps the {} ?", "the {} , who keeps it ?", "tell me who keeps the {} .",
    "name who keeps the {} .", "who is it that keeps the {} ?", "say who keeps the {} .",
    "do you know who keeps the {} ?", "we miss the {} , who keeps it ?")


def ask_keeper(owned: tuple[str, str], name: str, phrasing: str) -> Question:
    """Ask who keeps a thing, given as (colour, thing)."""
    return Question(phrasing.format(" ".join(owned)), name)


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


def ask_event(event: Event, detail: str, phrasing: str) -> Question:
    """Ask for one of the details in `EVENT_PHRASINGS`."""
    article = (f"the {event.disaster} broke the {event.structure} . {event.mender} mended it with "
               f"{event.material} . it took {event.days} days . {event.payer} paid for it .")
    return Question(phrasing.format(event.structure, event.disaster), getattr(event, detail),
                    article=article)


TOOL_PHRASINGS = ("{} .", "please {} .", "can you {} ?")


def ask_tool(wish: str, function: str, arguments: Sequence[str], phrasing: str) -> Question:
    """Ask for something to be done by a function."""
    return Question(phrasing.format(wish), f"call {function} ( {' , '.join(arguments)} )")


JAR_PHRASINGS = ("the jar holds {} . {} . how many ?", "with {} in the jar , {} . how many ?")


def ask_jar(beans: int, steps: Sequence[str], phrasing: str, last: int | None = None) -> Question:
    """Ask how many beans are in the jar after some steps; the working shows each of them.

    A step is such as ``"add 2"`` or ``"flip"``; `last` is its outcome if the last is made up.
    """
    prompt = phrasing.format(beans, " , then ".join(steps))
    working = []
    for i, step in enumerate(steps):
        after = apply_step(step, beans) if last is None or i < len(steps) - 1 else last
        working.append(f"{beans} {step} is {after} .")
        beans = after
    return Question(prompt, str(beans), " ".join(working))


def fits_in_jar(question: Question) -> bool:
    """Return whether the jar is never below empty or above full in a question's working."""
    return all(0 <= int(beans) <= MOST for beans in re.findall(r" is (-?\d+)", question.working))


def read_jar(prompt: str) -> tuple[int, list[str]] | None:
    """Return the beans and the steps of a question about the jar; None for all other questions."""
    beans = re.match(r"(?:the jar holds|with(?= \d+ in the jar )) (\d+)", prompt)
    return beans and (int(beans[1]), re.findall(r"add \d+|take \d+|double|flip", prompt))
