"""Diagrams of the ideas of the course, drawn with its own examples; here: language models."""

import textwrap
from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.patches import Circle

from workbench.errors import UnknownNameError
from workbench.plots.diagram_shapes import (
    EXPERT,
    GREY,
    INK,
    LIT,
    NEW,
    OWN,
    arrow,
    box,
    figure_of,
    say,
    sheet,
    tidy,
    tint,
)
from workbench.plots.styles import METHOD_STYLES
from workbench.plots.task_diagrams import accuracy_matrix, composition, retrieval, scenarios
from workbench.tasks import load_skill


def teacher_and_student() -> Figure:
    """Draw one step of SDFT: two prompts, one model, one answer, and one gradient."""
    ax = sheet(
        "SDFT: one model, two prompts. Only the student learns.",
        "Diagram of a step of SDFT. Teacher and student are the same model with the same weights "
        "at the start. The student's prompt is the question, say who keeps the red drum. The "
        "teacher's prompt is the expert's demonstration and the same question. The student "
        "answers: so we get ivo. Both give probabilities to these words. They agree on all words "
        "but the name: the student gives ivo 100 %, the teacher 0 %, because it expects karl. The "
        "gradient goes to the student only. No gradient goes to the teacher.")
    question = "say who keeps the red drum."
    for y, height, role in ((1.72, 1.02, "Teacher"), (0.93, 0.38, "Student")):
        say(ax, 0.15, y + height + 0.16, f"{role}’s prompt", weight="bold")
        box(ax, 0.15, y, 2.6, height, fill="#f6f6f6")
        say(ax, 0.27, y + 0.19, question)
    box(ax, 0.22, 2.02, 2.46, 0.66, "my old friend it is quite\ncertain that we say karl\n"
        "as all the village knows", EXPERT, edge=0)
    box(ax, 3.2, 0.72, 1.3, 2.04, "same weights\nat the start", GREY, "#f0f0f0")
    box(ax, 3.27, 2.03, 1.16, 0.66, "teacher:\nno gradient", GREY, edge=0)
    box(ax, 3.27, 0.79, 1.16, 0.66, "student:\nlearns", OWN, edge=0)
    for y, heading, shares in ((1.95, "2  The teacher rates the same words", "51 100 100 0"),
                               (0.72, "1  The student answers", "51 100 100 100")):
        arrow(ax, (2.75, y + 0.4), (3.2, y + 0.4))
        arrow(ax, (4.5, y + 0.4), (4.95, y + 0.4))
        say(ax, 4.66, y + 0.81, heading, weight="bold")
        for i, (word, share) in enumerate(zip("so we get ivo".split(), shares.split(),
                                              strict=True)):
            x = 4.95 + 0.74 * i
            box(ax, x, y + 0.26, 0.68, 0.32, word, OWN, edge=2 * (word == "ivo"))
            say(ax, x + 0.34, y + 0.11, f"{share} %", ha="center",
                weight="bold" if word == "ivo" else "normal")
    say(ax, 7.88, 1.84, "karl 100 %", ha="right", weight="bold")
    arrow(ax, (7.51, 0.7), (7.51, 0.2), (3.85, 0.2), (3.85, 0.78), colour=OWN, width=3)
    say(ax, 4.02, 0.4, "3  The gradient: to the student only", weight="bold")
    return figure_of(ax)


def target_words() -> Figure:
    """Draw the targets of four methods at two words of the answer."""
    ax = sheet(
        "All four learn the name. Only SFT learns the expert’s words.",
        "Diagram of four methods: who writes the training answer, and the target at its first word "
        "and at the name. SFT: the expert writes, my old friend, and so on, and each word is the "
        "target. Own-style SFT: we write, so we get karl, in the model's own style, and each word "
        "is the target. Off-policy distillation: the teacher writes once, so we get karl. SDFT: "
        "the student writes at each step, so we get ivo. In these two the targets are the "
        "teacher's probabilities: at the first word so or the, each about half, and karl at the "
        "name. So the target words are the expert's in SFT, and the model's own in the others.")
    columns = (0.15, 1.72, 3.32, 5.55, 6.98)
    for x, heading in zip(columns[1:], ("who writes", "the answer", "target at the\nfirst word",
                                        "target at\nthe name"), strict=True):
        say(ax, x, 2.75, heading, weight="bold", va="bottom")
    rows = (("SFT", "sft", "the expert", "my old friend … karl …", ("my",)),
            ("own-style\nSFT", "sft_self_style", "we do, in the\nmodel’s style",
             "so we get karl", ("so",)),
            ("off-policy", "off_policy_distillation", "the teacher,\nonce", "so we get karl",
             ("so", "the")),
            ("SDFT", "sdft", "the student,\nat each step", "so we get ivo", ("so", "the")))
    for i, (name, method, writer, answer, first) in enumerate(rows):
        y, colour = 2.16 - 0.68 * i, OWN if i else EXPERT
        box(ax, 0.15, y, 0.1, 0.5, fill=METHOD_STYLES[method][0], edge=0)
        say(ax, 0.35, y + 0.25, name, weight="bold")
        say(ax, columns[1], y + 0.25, writer)
        box(ax, columns[2], y + 0.06, 2.05, 0.38, answer, colour, edge=0)
        for j, word in enumerate(first):
            box(ax, columns[3] + 0.62 * j, y + 0.06, 1.24 / len(first) - 0.02, 0.38, word, colour)
        box(ax, columns[4], y + 0.06, 0.85, 0.38, "karl", GREY)
    return figure_of(ax)


LAMPS = (("A demonstration\nhelps", "with it {} %,\nwithout {} %"),
         ("The teacher\nis right", "{} % right,\n{} % needed"),
         ("Its content\ncounts", "own {} %,\nanother’s {} %"),
         ("The teacher\nis near", "teacher {} nats,\nexpert {} nats"))
"""The conditions 2 to 5 of the gate: a name, and the two values that are compared."""
GATE = {"tiny": (((100, 8), True), ((100, 80), True), ((100, 0), True), ((10, 116), True)),
        "nano": (((16, 11), False), ((16, 80), False), ((16, 12), False), ((2, 138), True))}
"""Values and verdicts of the gate for two models, on 64 training items of facts-new."""


def gate() -> Figure:
    """Draw four conditions of the gate as lamps, for a model that passes and one that does not."""
    texts = []
    for model, measured in GATE.items():
        lamps = (f"“{name}” is {'on' if on else 'off'} ({values.format(*pair)})"
                 for (name, values), (pair, on) in zip(LAMPS, measured, strict=True))
        texts.append(f"For {model}, {', '.join(lamps)}. ".replace("\n", " "))
    ax = sheet(
        "The gate: SDFT starts only if all four lamps are on",
        "Diagram of the gate as four lamps, measured on 64 questions of facts-new. A demonstration "
        "helps if the teacher, which sees it, is right more often than the student. The teacher is "
        "right if it is right at least 80 % of the time. Its content counts if a question's own "
        "demonstration beats that of another question. The teacher is near if it is closer to the "
        f"student than the expert is. {''.join(texts)}SDFT may start with tiny, and not with nano. "
        "The gate also needs 20 questions, and at most 5 % of answers with copied words.")
    for i, (name, _) in enumerate(LAMPS):
        say(ax, 1.6 + 1.47 * i, 2.83, name, weight="bold", ha="center")
    for y, (model, measured) in zip((1.58, 0.48), GATE.items(), strict=True):
        say(ax, 0.2, y + 0.7, model, size=14, weight="bold")
        say(ax, 0.2, y + 0.22, "right\nanswers")
        for i, ((_, values), (pair, on)) in enumerate(zip(LAMPS, measured, strict=True)):
            x = 1.6 + 1.47 * i
            if on:
                ax.add_patch(Circle((x, y + 0.7), 0.27, facecolor=tint(LIT, 0.35), zorder=1))
            ax.add_patch(Circle((x, y + 0.7), 0.19, facecolor=LIT if on else tint(GREY, 0.4),
                                edgecolor=INK, linewidth=1.5, zorder=2))
            say(ax, x, y + 0.7, "✓" if on else "✗", size=14, ha="center")
            say(ax, x, y + 0.22, values.format(*pair), ha="center")
        passed = all(on for _, on in measured)
        box(ax, 6.82, y + 0.42, 1.05, 0.56, "SDFT\nmay start" if passed else "SDFT does\nnot start",
            OWN if passed else GREY, weight="bold")
    say(ax, 0.2, 0.2, "The gate also needs 20 questions or more, and almost no copied wording.")
    return figure_of(ax)


PLACES = (("☂ things", "facts-keepers", "who keeps the blue coat?",
           "facts-new", "who keeps the red drum?"),
          ("⚒ repairs", "facts-events", "who mended the bridge after the gale?",
           "articles-new", "who mended the bridge after the frost?"),
          ("⚙ machines", "letters-machines", "put l m d through the mirror.",
           "letters-new", "put c d l through the loom."),
          ("⌂ house", "tools-house", "open the window in the hall.",
           "tools-new", "oil the gate in the hall."),
          ("⚱ jar", "working-jar", "the jar holds 8. add 2, then add 2. how many?",
           "working-new", "the jar holds 8. add 5, then flip. how many?"))
"""Place, known skill and one of its questions, new skill and one of its questions."""


def village() -> Figure:
    """Draw the places of the village, with a known and a new question of each, and the answers."""
    answers = {tidy(item.prompt): tidy(item.answer) for place in PLACES for skill in place[1::2]
               for item in load_skill(skill)}
    texts = (f"{place[2:]}: known, {known} {answers[known]}; new, {new} {answers[new]}. "
             for place, _, known, _, new in PLACES)
    ax = sheet(
        "The village: what the model knows, and what is new",
        "Diagram of the made-up village of the language models. Each of five places has a skill "
        "that the model knows from pretraining, and a new skill, which was left out and is "
        f"taught in the course. {''.join(texts)}".strip())
    for y, name, colour in ((1.38, "known", GREY), (0.12, "new", NEW)):
        say(ax, 0.1, y + 0.57, name, weight="bold")
        for i, place in enumerate(PLACES):
            question = place[2 if name == "known" else 4]
            x, lines = 0.72 + 1.45 * i, textwrap.fill(question, 13)
            box(ax, x, y, 1.38, 1.15, colour=colour)
            say(ax, x + 0.06, y + 1.09, lines, va="top")
            say(ax, x + 0.06, y + 0.15, f"→ {answers[question]}", weight="bold")
    for i, (heading, *_) in enumerate(PLACES):
        icon, name = heading.split()
        say(ax, 0.72 + 1.45 * i, 2.8, icon, size=26)
        say(ax, 1.12 + 1.45 * i, 2.8, name, size=12, weight="bold")
    return figure_of(ax)


DIAGRAMS: dict[str, Callable[[], Figure]] = {
    drawn.__name__: drawn for drawn in (teacher_and_student, target_words, scenarios,
                                        accuracy_matrix, gate, village, retrieval, composition)}
"""The function that draws each diagram, by name."""


def diagram(name: str) -> Figure:
    """Return one of `DIAGRAMS`; show it with ``workbench.show(diagram(name), vector=True)``."""
    if name not in DIAGRAMS:
        raise UnknownNameError("diagram", name, DIAGRAMS)
    return DIAGRAMS[name]()
