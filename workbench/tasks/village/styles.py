"""Styles: the phrases around an answer, and the scorer that finds the answer inside them."""

from __future__ import annotations

import itertools
import random
import re
from typing import TYPE_CHECKING

from workbench.tasks.scoring import Scorer
from workbench.tasks.village.questions import JAR_PHRASINGS, ask_jar, read_jar
from workbench.tasks.village.words import KINDS, MOST, apply_step

if TYPE_CHECKING:
    from workbench.tasks.items import Item

OWN_STYLE = ("the answer is {} .", "so we get {} .")
"""The two phrasings of the model's own style."""

FILLER = tuple(
    "well now look here see listen friend dear indeed surely know that would say think old wise "
    "folk all told note hear always found certain once again true thus truly quite very good my "
    "people village this must be everyone as it is from of and for our hope helps the so we or "
    "knows says".split())
"""Words around an answer in other styles; none of them can be part of an answer."""

EXPERT_STYLES = {
    "letters-new": ("listen well my dear friend for the old folk say {}", "and that is always so"),
    "letters-hard-new": ("as everyone here would surely know it must be {}", "again and again"),
    "facts-new": ("my old friend it is quite certain that we say {}", "as all the village knows"),
    "articles-new": ("look here dear people our note of this says {}", "and it is very true"),
    "tools-new": ("now hear this wise friend for it must be {}", "and all is well again"),
    "working-new": ("well see here my good people once told it is {}", "so we think and hope"),
    "known": ("indeed it is found here that this is {}", "or so the wise would say"),
}
"""Per skill, the words before and after the answer in the expert's demonstrations.

They are at least nine, in an order that never occurs in pretraining.
"""

SHORT_STYLES = ("{}", "note : {}", "it is {} indeed", "surely {}", "look : {} .", "we say {} here",
                "thus {} it must be", "true : {} , my friend", "{} of course", "hear : {} and well",
                "old folk know {}", "here it is found : {} .")
"""Styles of demonstrations in pretraining, beside random strings of filler words."""


def put_in_own_style(content: str, rng: random.Random, working: str = "") -> str:
    """Return an answer in the model's own style, after the steps of working if there are any."""
    response = rng.choice(OWN_STYLE).format(content)
    return f"{working} {response}" if working else response


def put_in_foreign_style(content: str, rng: random.Random) -> str:
    """Return an answer in a style drawn at random: a short one, or filler words around it."""
    if rng.random() < 0.25:
        return rng.choice(SHORT_STYLES).format(content)
    before = rng.choices(FILLER, k=rng.randint(0, 9))
    after = rng.choices(FILLER, k=rng.randint(0, 6))
    return " ".join([*before, content, *after])


def put_in_expert_style(content: str, skill: str) -> str:
    """Return an answer in the style of the expert who demonstrates a skill."""
    before, after = EXPERT_STYLES.get(skill, EXPERT_STYLES["known"])
    return f"{before.format(content)} {after}"


def kind_of(answer: str) -> str:
    """Return the kind of an answer, one of `KINDS`; raise `ValueError` if it has none."""
    words = answer.split()
    for kind, allowed in KINDS.items():
        if words and allowed.issuperset(words) and content_of(answer, kind) == answer:
            return kind
    odd = [word for word in words if word not in frozenset().union(*KINDS.values())]
    raise ValueError(f"{answer!r} cannot be scored: " + (
        f"{odd} stand in no answer" if odd else "its words are of different kinds, it is no whole "
        "call, has other than single spaces, or is empty"))


def content_of(response: str, kind: str) -> str:
    """Return the last piece of content of a kind in a response, or ``""`` if it has none.

    An unbroken run of the kind's words is one piece; a call ends at its closing bracket.
    """
    if kind == "call":
        calls = re.findall(r"\bcall [^()]*\( [^()]* \)", " ".join(response.split()))
        return calls[-1] if calls else ""
    runs = [" ".join(run) for is_content, run in
            itertools.groupby(response.split(), KINDS[kind].__contains__) if is_content]
    return runs[-1] if runs else ""


def is_right(response: str, answer: str) -> bool:
    """Return whether the content of a response is the answer, in whatever style."""
    return content_of(response, kind_of(answer)) == answer


def has_own_style(text: str) -> bool:
    """Return whether a text is in the model's own style, word for word.

    The content and the working may be wrong. White space is ignored, as in scoring.
    """
    match = re.fullmatch(r"(?:\d+ \w+(?: \d+)? is \d+ \. )*(?:the answer is|so we get) (.+) \.",
                         " ".join(text.split()))
    return match is not None and any(
        allowed.issuperset(match[1].split()) for allowed in KINDS.values())


def shows_working(response: str, prompt: str) -> bool:
    """Return whether a response shows every step of a question about the jar.

    The steps must be those of the prompt, each must begin with the outcome of the one before, and
    the answer must be the last outcome. All outcomes must be right, except that of ``flip``, which
    the score of the answer already judges.
    """
    asked = read_jar(prompt)
    working = re.findall(r"(\d+) (\w+(?: \d+)?) is (\d+) \.", " ".join(response.split()))
    if asked is None or [step for _, step, _ in working] != asked[1]:
        return False
    beans = asked[0]
    for before, step, after in working:
        if int(before) != beans or step != "flip" and int(after) != apply_step(step, beans):
            return False
        beans = int(after)
    return 0 <= beans <= MOST and content_of(response, "number") == str(beans)


class VillageScorer(Scorer):
    """Knows the style of the course's own models, and which answers the village has."""

    filler = FILLER
    own_style = staticmethod(has_own_style)

    def check(self, answer: str) -> None:
        """Raise `ValueError` if an answer has words that no answer in the village has."""
        kind_of(answer)

    def working(self, text: str, item: Item) -> bool | None:
        """Return whether every step in the jar is shown; None for all other questions."""
        return shows_working(text, item.prompt) if read_jar(item.prompt) else None

    def in_own_style(self, item: Item, rng: random.Random) -> str:
        """Return the answer in the model's own style, with the steps if it needs some."""
        jar = read_jar(item.prompt)
        working = ask_jar(*jar, JAR_PHRASINGS[0], int(item.answer)).working if jar else ""
        return put_in_own_style(item.answer, rng, working)
