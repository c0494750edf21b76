"""Diagrams of the ideas of the course: tasks in a row, and how their modules are found and made."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from workbench.plots.diagram_shapes import (
    GREY,
    INK,
    NEW,
    OWN,
    TASKS,
    arrow,
    box,
    digit,
    figure_of,
    say,
    sheet,
    tint,
)
from workbench.plots.display import percent
from workbench.tasks.digits import load_digits


def examples(part: int = 0) -> list[NDArray[np.float32]]:
    """Return the most typical image of each digit among the training (0) or test images (2)."""
    images, digits = load_digits()[part]
    groups = [images[digits == number] for number in range(10)]
    return [group[np.square(group - group.mean(0)).sum(1).argmin()] for group in groups]


def scenarios() -> Figure:
    """Draw one test digit, and the answers that each scenario allows."""
    ax = sheet(
        "Three scenarios: the same digit, three questions",
        "Diagram of the three scenarios. A network has learned two tasks, first 0 or 1, then 2 or "
        "3. It is shown a 2. In the task scenario the question is: 2 or 3? The answers 2 and 3 are "
        "allowed, 0 and 1 are not. In the domain scenario the question is: the first or the second "
        "digit of its task? The same two answers serve all tasks. In the class scenario the "
        "question is: which digit of all? The answers 0, 1, 2 and 3 are all allowed, so this is "
        "the hardest question. The right answer is 2, and in the domain scenario the first.")
    images = examples()
    say(ax, 0.15, 2.97, "learned", weight="bold")
    for task, y in enumerate((1.82, 0.6)):
        box(ax, 0.15, y, 1.62, 0.95, colour=TASKS[task])
        say(ax, 0.96, y + 0.78, f"task {task}: {2 * task} or {2 * task + 1}", ha="center")
        for i in range(2):
            digit(ax, images[2 * task + i], 0.32 + 0.72 * i, y + 0.06, 0.56)
    arrow(ax, (0.96, 1.82), (0.96, 1.55))
    say(ax, 2.35, 2.4, "shown now", weight="bold")
    digit(ax, examples(2)[2], 2.3, 1.22, 1.0)
    for i, (name, question, answers, allowed, right, note) in enumerate((
            ("task", "2 or 3?", "0123", "23", "2", "0 and 1 are\nnot allowed"),
            ("domain", "first or second of its task?", ("first", "second"), ("first", "second"),
             "first", "same answers\nfor all tasks"),
            ("class", "which of all digits so far?", "0123", "0123", "2",
             "all compete:\nthe hardest"))):
        y = 2.22 - 1.03 * i
        arrow(ax, (3.35, 1.72), (3.8, y + 0.38))
        say(ax, 3.9, y + 0.67, name, weight="bold")
        say(ax, 4.75, y + 0.67, f"“{question}”")
        for j, answer in enumerate(answers):
            width, shown = 2.4 / len(answers), f"{answer} ✓" if answer == right else answer
            colour, fill, line, ink = ((OWN, "", "-", INK) if answer in allowed else
                                       (GREY, "white", ":", GREY))
            box(ax, 3.9 + width * j, y, width - 0.1, 0.42, shown, colour, fill, line=line,
                color=ink)
        say(ax, 6.45, y + 0.21, note)
    return figure_of(ax)


ACCURACIES = np.array([[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]])
"""The accuracy matrix that lesson 02 computes with: row = trained through, column = tested on."""


def accuracy_matrix() -> Figure:
    """Draw an accuracy matrix of three tasks, and three ways to read it."""
    R, forgotten = ACCURACIES, percent(ACCURACIES[:-1, 0].max() - ACCURACIES[-1, 0])[:-2]
    learned, end = percent(np.diagonal(R).mean()), percent(R[-1].mean())
    ax = sheet(
        "The accuracy matrix: rows are moments, columns are tasks",
        "Diagram of an accuracy matrix of three tasks. A row is a moment: after task 0, 1 or 2. A "
        "column is the task that is tested. "
        + " ".join(f"After task {i}: {', '.join(map(percent, row))}." for i, row in enumerate(R))
        + f" The diagonal is right after learning; its mean, {learned}, is the learning accuracy. "
        f"Down a column one sees forgetting: task 0 falls from {percent(R[1, 0])} to "
        f"{percent(R[2, 0])}, {forgotten} points. The last row is the end; its mean is ACC, {end}.")
    say(ax, 0.15, 2.66, "trained", weight="bold")
    say(ax, 2.93, 2.93, "tested on", weight="bold", ha="center")
    box(ax, 1.42, 0.34, 3.02, 0.62, colour=INK, fill="white", line="--")
    for i, row in enumerate(R):
        y = 2.02 - 0.8 * i
        say(ax, 0.15, y + 0.23, f"after task {i}")
        say(ax, 1.93 + 1.0 * i, 2.66, f"task {i}", ha="center")
        for j, value in enumerate(row):
            box(ax, 1.5 + 1.0 * j, y, 0.86, 0.46, percent(value), INK,
                to_hex(colormaps["cividis"](value)), edge=3 * (i == j), weight="bold" if i == j
                else "normal", color="white" if value < 0.45 else "black")
    arrow(ax, (1.93, 1.22), (1.93, 0.88), width=2.5)
    box(ax, 4.85, 2.08, 0.5, 0.34, colour=INK, fill="white", edge=3)
    arrow(ax, (5.1, 1.65), (5.1, 1.25), width=2.5)
    box(ax, 4.85, 0.48, 0.5, 0.34, colour=INK, fill="white", line="--")
    for y, heading, meaning in (
            (2.25, "right after learning", f"mean: learning accuracy {learned}"),
            (1.45, f"task 0 forgets {forgotten} points",
             f"{percent(R[1, 0])}, then {percent(R[2, 0])}"),
            (0.65, "at the end", f"mean: ACC {end}")):
        say(ax, 5.55, y + 0.12, heading, weight="bold")
        say(ax, 5.55, y - 0.12, meaning)
    return figure_of(ax)


HIT = (4.62, 1.62)
"""Centre of the cluster that the features of the image are in."""
SIGNATURES = (((3.38, 2.3), (4.55, 0.94)), ((3.52, 1.58), HIT), ((4.56, 2.28), (3.4, 0.9)))
"""Centres of the clusters of three tasks, in inches."""


def retrieval() -> Figure:
    """Draw how the clusters of the tasks choose the adapter that answers."""
    ax = sheet(
        "Clusters find the task. Its adapter answers.",
        "Diagram of task retrieval. A test image, a 6, goes through a frozen backbone, which turns "
        "it into features. Each of three tasks, 4 or 5, 6 or 7, and 8 or 9, has a signature: two "
        "clusters in the features of its training images. The image lies in a cluster of 6 or 7, "
        "so this task is retrieved. Each task has an adapter of its own. The adapter of the "
        "retrieved task answers: 6. The adapters of the other tasks are not used. Learning a new "
        "task adds a signature and an adapter, and changes no earlier one.")
    for x, stage in ((0.2, "image"), (1.35, "network"), (2.8, "signatures:\nclusters of each task"),
                     (5.75, "one adapter\nfor each task"), (7.22, "answer")):
        say(ax, x, 2.72, stage, weight="bold", va="bottom")
    digit(ax, examples(2)[6], 0.15, 1.2, 0.85)
    box(ax, 1.35, 1.1, 1.05, 1.05, "backbone,\nfrozen")
    box(ax, 2.8, 0.6, 2.4, 2.05, fill="white")
    for k, centres in enumerate(SIGNATURES):
        name = f"{4 + 2 * k} or {5 + 2 * k}"
        for x, y in centres:
            ax.add_patch(Ellipse((x, y), 1.0, 0.52, facecolor=tint(TASKS[k]), edgecolor=TASKS[k],
                                 linewidth=1.5, zorder=2.2))
            say(ax, x, y, name + " ★" * ((x, y) == HIT), ha="center")
        box(ax, 5.75, 2.03 - 0.7 * k, 1.15, 0.58, name, TASKS[k], "" if k == 1 else "white",
            line="-" if k == 1 else ":")
    say(ax, 1.35, 0.88, "★ features")
    for start, end in ((1.0, 1.35), (2.4, 2.8), (5.12, 5.75), (6.9, 7.35)):
        arrow(ax, (start, 1.62), (end, 1.62))
    say(ax, 7.6, 1.62, "6", size=26, weight="bold", ha="center")
    say(ax, 0.15, 0.25, "A new task adds clusters and an adapter. "
        "Those of earlier tasks never change.")
    return figure_of(ax)


COEFFICIENTS = (0.1, 0.5, -0.6, -0.4, 1.7, 0.9, -0.7, 1.8)
"""Those of lesson 11: first layer, third of three tasks, seed 0, rounded."""


def composition() -> Figure:
    """Draw the module of a third task: earlier units with learned coefficients, and a new part."""
    numbers = [f"{s:.1f}".replace("-", "−") for s in COEFFICIENTS]
    ax = sheet(
        "A new module = earlier units × learned numbers + a new part",
        "Diagram of module composition for task 2, the third task. The four units of task 0 and "
        "the four units of task 1 are frozen. Each is multiplied by a number that task 2 learns, "
        f"here {', '.join(numbers)}. A new part of four units is added, which a penalty keeps "
        "orthogonal to the earlier units. Task 2 trains only these numbers and the new part. The "
        "sum of all twelve units is one ordinary adapter of rank 12.")
    for k, (name, below) in enumerate((("units of task 0", "frozen, times"),
                                       ("units of task 1", "frozen, times"),
                                       ("new part", "orthogonal to\nthe earlier units"))):
        x = 0.15 + 1.98 * k
        if k < 2:
            box(ax, x, 0.85, 1.72, 0.36, colour=NEW, edge=0)
        say(ax, x + 0.85, 2.85, name, weight="bold", ha="center")
        for j in range(4):
            box(ax, x + 0.43 * j + 0.08, 1.62, 0.26, 1.0, colour=TASKS[k])
            if k < 2:
                say(ax, x + 0.43 * j + 0.21, 1.03, numbers[4 * k + j], ha="center")
        say(ax, x + 0.85, 1.52, below, ha="center", va="top")
        say(ax, x + 0.85, 0.67, "learned numbers" * (k < 2), ha="center")
        say(ax, x + 1.84, 2.1, "++="[k], size=20, weight="bold", ha="center")
    for j, height in enumerate([*np.abs(COEFFICIENTS) / 1.8, 1, 1, 1, 1]):
        box(ax, 6.16 + 0.145 * j, 1.62, 0.11, max(height, 0.08), colour=TASKS[j // 4])
    say(ax, 7.0, 2.85, "module of task 2", weight="bold", ha="center")
    say(ax, 7.0, 1.52, "one adapter,\nrank 12", ha="center", va="top")
    box(ax, 0.15, 0.12, 0.3, 0.24, colour=NEW)
    say(ax, 0.55, 0.24, "trained for task 2. The earlier units never change.")
    return figure_of(ax)
