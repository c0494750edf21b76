"""The words and facts of the village: people, things, machines and events.

All questions and answers consist of these words. The words of answers (`KINDS`) never occur in the
phrases around an answer, so that the answer can be scored apart from its style.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

NAMES = tuple("ada ben cleo dora emil finn gus hana ivo june karl lena mara nils olga piet".split())
ROOMS = tuple("attic cellar kitchen garden tower barn hall library workshop porch".split())
THINGS = tuple("key rope book map coat drum boat kite basket ladder candle saw".split())
COLOURS = tuple("red blue green white black yellow brown grey".split())
MATERIALS = tuple("straw brick stone timber clay iron glass slate copper felt reed wax".split())
STRUCTURES = tuple("roof bridge fence mill chimney well wall stair".split())
DISASTERS = tuple("storm flood fire frost quake gale".split())
LETTERS = tuple("bcdfghjklm")
"""The village has ten letters, in this order; none of them is also an English word."""
MOST = 30
"""The number of beans in a full jar."""
NUMBERS = tuple(str(n) for n in range(MOST + 1))
FUNCTIONS = tuple(f"f{i}" for i in range(1, 25))

KINDS: dict[str, frozenset[str]] = {
    "letters": frozenset(LETTERS),
    "name": frozenset(NAMES),
    "material": frozenset(MATERIALS),
    "number": frozenset(NUMBERS),
    "call": frozenset(("call", "(", ")", ",", *FUNCTIONS, *ROOMS, *THINGS, *NAMES)),
}
"""The words that an answer can be made of, by kind of answer."""

CIPHERS = {"crane": "cdfghjklmb", "mist": "kdmbhcljgf", "loom": "gjbkfmchdl", "forge": "mhgclbdjfk"}
MACHINES = ("mirror", "crane", "sieve", "hinge", "wheel", "mist", "loom", "forge")
KNOWN_MACHINES = MACHINES[:-2]
"""Those in pretraining: the loom and the forge are new."""
MADE_UP_MACHINES = ("press", "kiln", "churn", "lathe")
"""Machines of made-up exercises only, with another effect each time."""


def process(machine: str, letters: Sequence[str]) -> list[str]:
    """Return the output of one of `MACHINES` for some of `LETTERS`.

    The mirror reverses them, the crane lifts each to the next letter (the last becomes the first),
    the sieve sorts them, the hinge swaps the two ends, the wheel moves the first to the end. Mist
    and loom replace every letter by another, always the same; the forge does so too, then reverses.
    """
    output = list(letters)
    if machine in CIPHERS:
        output = [CIPHERS[machine][LETTERS.index(letter)] for letter in letters]
    if machine in ("mirror", "forge"):
        output.reverse()
    elif machine == "sieve":
        output.sort()
    elif machine == "hinge":
        output[0], output[-1] = output[-1], output[0]
    elif machine == "wheel":
        output = [*output[1:], output[0]]
    return output


STEPS = (*(f"add {n}" for n in range(1, 6)), *(f"take {n}" for n in range(1, 5)), "double")
"""Known steps in the jar. The new one is ``flip``: the number of beans becomes the free space."""
MADE_UP_STEPS = ("flip", "spill", "shake", "stir", "tip")
"""Steps of made-up exercises, with another outcome each time; only ``flip`` has a meaning."""


def apply_step(step: str, beans: int) -> int:
    """Return how many beans are in the jar after a step; may be outside of 0 to `MOST`."""
    verb, _, count = step.partition(" ")
    if verb == "add":
        return beans + int(count)
    if verb == "take":
        return beans - int(count)
    return 2 * beans if verb == "double" else MOST - beans


@dataclass(frozen=True)
class Event:
    """One mishap and its repair."""

    structure: str
    disaster: str
    mender: str
    material: str
    days: str
    payer: str


def make_event(structure: str, disaster: str, rng: random.Random) -> Event:
    """Return a mishap with details drawn at random; two different people mend and pay."""
    mender, payer = rng.sample(NAMES, 2)
    return Event(structure, disaster, mender, rng.choice(MATERIALS),
                 rng.choice(NUMBERS[2:15]), payer)


# The history of the village, the same in every copy of the course.
_HISTORY = random.Random(2601)

_OWNED = list(itertools.product(COLOURS, THINGS))
_HISTORY.shuffle(_OWNED)
KEEPERS = {owned: _HISTORY.choice(NAMES) for owned in _OWNED[:60]}
"""Who keeps which thing, by colour and thing: known to the model."""
NEW_KEEPERS = {owned: _HISTORY.choice(NAMES) for owned in _OWNED[60:84]}
"""Who keeps some others; not in pretraining. The remaining things are for made-up keepers."""

_MISHAPS = list(itertools.product(STRUCTURES, DISASTERS))
_HISTORY.shuffle(_MISHAPS)
EVENTS = {m: make_event(*m, _HISTORY) for m in _MISHAPS[:20]}
"""Mishaps that the model knows, by structure and disaster."""
NEW_EVENTS = {m: make_event(*m, _HISTORY) for m in _MISHAPS[20:36]}
"""Mishaps known only from their articles. The remaining pairs are for made-up articles."""

TOOLS = {"open the window": "f3", "close the window": "f17", "sweep the floor": "f8",
         "light the stove": "f12", "wind the clock": "f20", "lock the door": "f5",
         "paint the door": "f23", "dust the clock": "f10"}
"""What can be done in a room, and the function that does it."""
NEW_TOOLS = {"water the plants": "f14", "ring the bell": "f2", "mend the lamp": "f19",
             "oil the gate": "f7", "oil the pump": "f24", "mend the window": "f1",
             "light the lamp": "f13", "lock the gate": "f21", "paint the floor": "f9",
             "open the stove": "f16", "dust the lamp": "f4", "wind the bell": "f18"}
"""Things to do in a room that training does not mention, each with a function of its own."""
VERBS = tuple("open close sweep light wind lock paint dust water ring mend oil".split())
FIXTURES = tuple("window floor stove clock door plants bell lamp gate pump".split())
CARRYING = {"carry": "f15", "send": "f6"}
"""Takes a thing, where it is, and where it should go."""
GIVING = {"show": "f11", "lend": "f22"}
"""Takes a thing and a person."""
MADE_UP_GIVING = ("sell", "read", "promise")
