"""Every figure, with long names and extreme values: nothing is cut off, overlaps or is rotated."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import workbench as wb
from workbench import plots, widgets
from workbench.measure.metrics import AccuracyMatrix
from workbench.models import load_causal_lm
from workbench.plots import (
    answers,
    composition,
    costs,
    curves,
    dots,
    draw_band,
    generations,
    labels,
    separation,
    sequences,
    soft_labels,
    studies,
    tokens,
    use_style,
)
from workbench.plots.diagrams import DIAGRAMS, diagram
from workbench.plots.display import png
from workbench.plots.styles import look
from workbench.retrieval.simulation import measure, sweep
from workbench.retrieval.toy import Toy
from workbench.tasks import load_skill
from workbench.widgets import (
    ClusterExplorer,
    CompositionExplorer,
    CostPanel,
    DriftExplorer,
    GenerationExplorer,
    LiveDistillation,
    LiveTraining,
    ParetoExplorer,
    RetentionExplorer,
    ScenarioExplorer,
    SeparationLab,
    SideBySide,
    SkillRetention,
    SoftLabelExplorer,
    TeacherExplorer,
)
from workbench.widgets.player import load_recording

METHODS = ("sft", "replay-shuffled-labels", "another item's demonstration",
           "sdft, task-start teacher", "adapter, chosen by words", "off-policy, 30 answers",
           "only the present task")
TASKS = ("0 or 1", "articles-new", "facts-keepers", "tools-house (known)", "2 or 3")
SIZES = {"small": 0.0, "usual": 0.6, "large": 1.06}
"""Shares: none, some, and more than there was; the latter only of what has no upper bound."""


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        use_style()
        yield


# What is drawn

def shares(size: str, *shape: int) -> np.ndarray:
    """Return shares around one of `SIZES`, the same at each call."""
    values = SIZES[size] + np.random.default_rng(0).normal(0, 0.05, shape)
    return np.clip(values, 0, None) if size == "large" else np.clip(values, 0, 1)


def points(size: str, order: str = "articles-new", steps: tuple[int, ...] = (0, 20, 40)):
    """Return the points of a study of all methods, as `workbench.runs.studies.points` does."""
    rows = []
    for method, seed, step in itertools.product(METHODS, range(3), steps):
        retention = float(shares(size, 9).reshape(3, 3)[seed, min(step // 20, 2)])
        rows.append({"part": "test", "order": order, "method": method, "rate": 1e-4, "seed": seed,
                     "step": step, "new": float(shares("usual", 3)[seed]), "retention": retention,
                     "kl_new": 10.0 * step, "kl_old": 300.0 - step, "foreign_style": 0.5,
                     "length": 2000.0 * step, **dict.fromkeys(order.split(), retention)})
    return pd.DataFrame(rows)


def figure_of(draw, *grid, size=(7.0, 3.6)) -> Figure:
    figure = Figure(figsize=size)
    axes = figure.subplots(*(grid or (1, 1)), squeeze=False)
    for ax in axes.flat:
        draw(ax)
    return figure


def token_figure(count: int) -> Figure:
    words = (["the", "answer", "is", "olga", "conservatory", "</s>"] * count)[:count]
    kl = np.linspace(0, 123.456, count)
    return figure_of(lambda ax: tokens.plot_token_kl(words, kl, ax, count - 1),
                     size=(8, 1.9 + 0.05 * count))


def rates(size: str) -> dict:
    group = {"rate": min(SIZES[size], 1.0), "low": 0.0, "high": 1.0}
    return {name: {task: group for task in (*TASKS, "working-new")} for name in METHODS[:4]}


def next_tokens() -> Figure:
    figure = Figure(figsize=(9.5, 2.6))
    top = {"conservatory": 0.999, "answer": 1e-9, "<unk>": 0.0, "the": 0.0, "olga": 0.0}
    tokens.plot_next_token("so", {name: top for name in METHODS[2:4]},
                                   figure.subplots(1, 2))
    return figure


@functools.cache
def record(learner: str) -> wb.RunRecord:
    return wb.run(wb.RunConfig(learner=learner, seeds=(0, 1, 2), steps=4))


def retention_explorer(metric: str) -> RetentionExplorer:
    widget = RetentionExplorer({name: record("finetune") for name in METHODS[:4]})
    widget.metric.value = metric
    return widget


def teacher_explorer(skill: str) -> TeacherExplorer:
    model, tokenizer = load_causal_lm("tiny")
    widget = TeacherExplorer(model, tokenizer, {skill: load_skill(skill, "test")[:4]},
                             {"after training by sdft, task-start teacher": model})
    widget.direction.value = "reverse"
    return widget


def cluster_explorer(task: str, names: tuple[str, ...]) -> ClusterExplorer:
    """Tasks on a grid, so that the names at their medians are apart."""
    codes = np.repeat(np.arange(len(names)), 20)
    rng = np.random.default_rng(0)
    xy = np.stack([codes % 2, codes // 2], 1) + rng.normal(0, 0.05, (len(codes), 2))
    tasks = np.array(names)[codes]
    widget = ClusterExplorer(
        xy, tasks, tasks, list(tasks), coordinates=xy, retrieved=np.roll(tasks, 3),
        retention={name: shares("usual", 3, len(names)) for name in names})
    widget.task.value, widget.group.value = task, "errors"
    widget.colour.value = "retrieved task"
    widget.scatter.close()
    return widget


def beside(widget: ClusterExplorer) -> Figure:
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    widget.draw_beside(figure)
    return figure


def soft_label(temperature: float, names: tuple[str, ...]) -> Figure:
    rng, classes = np.random.default_rng(0), len(names)
    explorer = SoftLabelExplorer(rng.random((2, 64)), 9 * np.eye(classes)[:2], [0, 1], names)
    explorer.temperature.value = temperature
    assert soft_labels.plot_soft_label(rng.random(64), np.arange(classes), 0, 1.0, names,
                                       Figure(figsize=(10, 3.7)))
    return explorer.figure()


def network_table() -> pd.DataFrame:
    rows = itertools.product((0.0, 0.7), range(1, 6), range(3))
    return pd.DataFrame([{"noise": noise, "generation": generation, "seed": seed,
                          "accuracy": 1 - noise, "ece": 0.1 * generation, "agreement": 0.2 * seed}
                         for noise, generation, seed in rows])


def generation_explorer(source: str, noise: float) -> GenerationExplorer:
    explorer = GenerationExplorer(network_table())
    explorer.source.value, explorer.noise.value = source, noise
    explorer.rounds.value = 50
    return explorer


def cost_table() -> pd.DataFrame:
    accuracy = np.array([0.94, 0.945, 0.951, 0.963, 0.957, 0.944, 0.0])
    return pd.DataFrame({
        "seconds to train": [2.1, 2.2, 8.4, 10.5, 21, 2.0, 0.05],
        "networks to answer": [1, 1, 1, 5, 1, 1, 1],
        "kilobytes kept": [38, 38, 38, 190, 38, 0, 1e6],
        "accuracy": accuracy, "low": np.clip(accuracy - 0.01, 0, 1), "high": accuracy + 0.01},
        index=METHODS)


def cost_panel(cost: str, log: bool) -> Figure:
    panel = CostPanel(cost_table())
    panel.cost.value, panel.log.value = cost, log
    return panel.figure()


@functools.cache
def composed(tasks: int) -> tuple:
    """Return a learner that has learned a stream of long names, and the stream."""
    config = wb.RunConfig(stream="digits-tasks", tasks=tasks, learner="composed", steps=2)
    stream = wb.make_stream("digits-tasks", tasks=tasks)
    stream = dataclasses.replace(stream, tasks=tuple(
        dataclasses.replace(task, name=name) for task, name in zip(
            stream.tasks, TASKS, strict=False)))
    learner = wb.make_learner(config, stream)
    wb.run_stream(learner, stream, config)
    return learner, stream


def composition_explorer(tasks: int, task: int) -> Figure:
    explorer = CompositionExplorer(*composed(tasks))
    explorer.task.value = task
    explorer.ticks[0].value = explorer.ticks[-1].value = False
    return explorer.figure()


def coefficients(layers: int, per_task: int, scale: float, ax) -> None:
    owners = [name for name in (*TASKS, "new") for _ in range(per_task)]
    values = scale * np.random.default_rng(0).normal(0, 1, (layers, 5 * per_task))
    composition.plot_coefficients(values, [f"{i // 2}.{'qv'[i % 2]}_proj" for i in range(layers)],
                                  owners, ax, off=[0, per_task, 5 * per_task])


FIGURES = {
    **{f"{name}, {size}": draw for size in SIZES for name, draw in {
        "retention": lambda size=size: plots.plot_retention(
            {name: shares(size, 3, 5, 5) for name in METHODS}, TASKS,
            title="Two new digits per task, all to be told apart").figure,
        "task curves": lambda size=size: plots.plot_task_curves(
            [0, 5, 1000], shares(size, 3, 3, 5), TASKS, 200).figure,
        "band": lambda size=size: figure_of(lambda ax: (
            draw_band(ax, range(4), shares(size, 3, 4), "retention", **look(0)),
            labels.percent_limits(ax))),
        "long texts": lambda: figure_of(lambda ax: (
            ax.plot(range(4), label="rl-no-baseline"), labels.add_text(
                ax, "old task: shuffled digits", "KL(base || now) on images of the new task, in "
                "nats, on a logarithmic scale", "forgotten (%)", legend=True)), 1, 2,
            size=(9, 3.3)),
        "bars": lambda size=size: plots.plot_bars(
            {name: shares(size, 3) for name in METHODS}, title="What is it about replay? "
            "(class scenario, with all the labels shuffled)", reference=("chance", 0.1)).figure,
        "differences": lambda size=size: plots.plot_differences(
            {name: 4 - shares(size, 3) for name in METHODS}, title="What is it about replay?",
            measure="points more than without").figure,
        "dots": lambda size=size: figure_of(lambda ax: dots.plot_dots(
            {name: dict.fromkeys(METHODS, (value, 0.9 * value, 1.1 * value)) for name, value in zip(
                ("all tasks", "the first task"), shares(size, 2), strict=True)}, ax,
            "Share of the inputs whose task is found", "task found (%)", ("asked for", 0.9)),
            size=(7, 4.6)),
        "rates": lambda size=size: figure_of(lambda ax: tokens.plot_rates(
            rates(size), ax, "New skills, by what stands in the prompt"), size=(9, 3.8)),
        "pareto": lambda size=size: figure_of(lambda ax: studies.plot_pareto(
            points(size), METHODS, ax, 0.95, "articles-new: learned against kept"),
            size=(8.6, 4.2)),
        "by rate": lambda size=size: studies.plot_by_rate(pd.concat(
            points(size).assign(rate=rate) for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)),
            METHODS, Figure(figsize=(10, 3.6), layout="constrained")),
        "drift": lambda size=size: figure_of(lambda ax: studies.plot_drift(
            points(size), METHODS, "kl_old", ax, "the further, the more is forgotten?")),
        "sequence": lambda size=size: figure_of(lambda ax: studies.plot_sequence(
            {name: shares(size, 3, 4) for name in METHODS[:4]}, ["before", *(
                f"after {task}" for task in TASKS[:3])], ax, "articles-new", measure="kept"),
            1, 3, size=(11, 3.6)),
        "over seeds": lambda size=size: figure_of(lambda ax: sequences.plot_over_seeds(
            {name: {name: shares(size, 3)} for name in METHODS}, ax, "retention"), 1, 2,
            size=(11, 4.4)),
        "stages": lambda size=size: figure_of(lambda ax: sequences.plot_stages(pd.DataFrame(
            shares(size, 5, 4), TASKS, ["before", *(f"after {task}" for task in TASKS[:3])]), ax,
            "sdft: accuracy (%)"), 1, 2, size=(10, 3.8)),
        "changes": lambda size=size: figure_of(lambda ax: sequences.plot_changes(pd.DataFrame(
            shares(size, 7, 5) - 1, METHODS, TASKS), ax), 1, 2, size=(11, 4.4)),
        "methods": lambda size=size: figure_of(lambda ax: dots.plot_methods(
            points(size), ax, "All methods, at the setting that the rule chose"), 1, 2,
            size=(11, 4.4)),
        "pareto explorer": lambda size=size: ParetoExplorer(points(size)).figure(),
        "drift explorer": lambda size=size: DriftExplorer(points(size)).figure(),
        "skills in a row": lambda size=size: SkillRetention(points(
            size, "facts-new articles-new letters-new", (0, 20, 40, 60))).figure(),
    }.items()},
    **{f"diagnostic {name}": lambda name=name: figure_of(lambda ax: studies.plot_diagnostic(
        points("usual"), METHODS[:4], name, ax, "answers that are not in its own style", 1e-4),
        2, 2, size=(8.2, 4.2)) for name in ("kl_new", "foreign_style", "length")},
    **{f"clusters, {len(names)} tasks, {task}{place}": lambda task=task, names=names, draw=draw:
       draw(cluster_explorer(task, names)) for names in (TASKS[:3], TASKS, tuple(
           f"{task} {k}" for k in (1, 2) for task in TASKS)) for task in ("all tasks", names[1])
       for place, draw in (("", ClusterExplorer.figure), (", beside", beside))},
    **{f"diagram {name}": lambda name=name: diagram(name) for name in DIAGRAMS},
    "matrix": lambda: plots.plot_accuracy_matrix(
        AccuracyMatrix(shares("usual", 3, 5, 5)), TASKS, title="Replay: accuracy (%)").figure,
    "matrix of ten": lambda: plots.plot_accuracy_matrix(
        AccuracyMatrix(shares("usual", 10, 10)), TASKS * 2).figure,
    **{f"{count} tokens": lambda count=count: token_figure(count) for count in (1, 6, 15, 40)},
    "next tokens": next_tokens,
    "side by side": lambda: SideBySide().figure(),
    "answers": lambda: answers.plot_answers(load_recording("teacher")),
    "live training": lambda: LiveTraining().figure(),
    "live distillation": lambda: LiveDistillation("nano").figure(),
    "scenarios": lambda: ScenarioExplorer(steps=2).figure(),
    "separation": lambda: SeparationLab().figure(),
    "separation, few features": lambda: SeparationLab(Toy(0.0, 2, 3, 20)).figure(),
    "separation, nothing holds": lambda: SeparationLab(
        Toy(14.0, 64, 3, 400, "own", 2.0, 0.125, 0.01)).figure(),
    "errors and bounds": lambda: figure_of(
        lambda ax: separation.plot_errors(measure(Toy()).errors, ax), size=(9, 4)),
    "conformal sets": lambda: figure_of(lambda ax: separation.plot_sets(measure(Toy()), ax)),
    "inputs of a toy": lambda: figure_of(lambda ax: separation.plot_inputs(measure(Toy()), ax)),
    "all of a toy": lambda: separation.plot_outcome(measure(Toy(scale=8.0)),
                                                    Figure(figsize=(10, 4.6))),
    "error against separation": lambda: figure_of(
        lambda ax: separation.plot_error_against_separation(sweep(Toy(), range(1, 15)), ax)),
    **{f"explorer of {metric}": lambda metric=metric: retention_explorer(metric).figure()
       for metric in ("accuracy", "retention", "loss since its best")},
    **{f"soft label at {temperature:g}, {names[0]}": lambda temperature=temperature, names=names:
       soft_label(temperature, names) for temperature in (0.25, 20.0)
       for names in (tuple("0123456789"), TASKS)},
    **{f"generations, {source}, {value:g}": lambda source=source, value=value: generation_explorer(
        source, value).figure() for source in ("exact model", "digits, kernel", "digits, networks")
       for value in (0.0, 0.7)},
    "generations": lambda: generations.plot_generations(
        network_table().query("noise == 0").rename(columns={"generation": "round"}),
        Figure(figsize=(10.5, 4.2)), "Digits", "No line."),
    **{f"costs, {cost}{', log' * log}": lambda cost=cost, log=log: cost_panel(cost, log)
       for cost in ("seconds to train", "networks to answer", "kilobytes kept")
       for log in (False, True)},
    **{f"composition of {tasks} tasks, {task}": lambda tasks=tasks, task=task: composition_explorer(
        tasks, task) for tasks, task in ((3, 0), (3, 2), (5, 4))},
    **{f"coefficients, {layers} by {per_task}, {scale:g}": lambda layers=layers, per_task=per_task,
       scale=scale: figure_of(lambda ax: coefficients(layers, per_task, scale, ax),
                              size=(9, 4)) for layers, per_task, scale in (
           (1, 1, 0.01), (2, 4, 1.0), (12, 2, 0.2), (12, 8, 100.0))},
    **{f"each unit off, {count}": lambda count=count: figure_of(
        lambda ax: composition.plot_each_unit_off(np.linspace(-0.9, 0.4, count),
                                                  [TASKS[0]] * (count - 1) + ["new"], 7, ax))
       for count in (1, 12, 40)},
    "switched": lambda: figure_of(lambda ax: composition.plot_switched(
        {name: [k < 3 for k in range(9)] for name in METHODS[:5]}, ax, "Accuracy", 0.1)),
    **{f"angles of {count} tasks": lambda count=count: composition.plot_angles(
        np.full((count, count), 0.123), TASKS[:count], chance=0.4).figure for count in (2, 5)},
    "costs without intervals": lambda: figure_of(lambda ax: costs.plot_costs(
        cost_table().drop(columns=["low", "high"]), "seconds to train", ax)),
    **{f"teacher, {skill}": lambda skill=skill: teacher_explorer(skill).figure()
       for skill in ("facts-new", "tools-new", "working-new")},
}


# What must be true of it

def drawn_texts(ax) -> list:
    """Return the texts of axes that are to be seen."""
    ticks = []
    if ax.axison:
        for axis, view in ((ax.xaxis, ax.viewLim.intervalx), (ax.yaxis, ax.viewLim.intervaly)):
            low, high = sorted(view)
            ticks += [tick.label1 for tick in axis.get_major_ticks()
                      if low <= tick.get_loc() <= high]
    legend = ax.get_legend()
    texts = [*ticks, *ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label,
             *(legend.get_texts() if legend else ())]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def drawn_limits(ax) -> np.ndarray:
    """Return the ends of all that is drawn in data coordinates: ((x, y) low, (x, y) high)."""
    intervals = [path.vertices for drawn in ax.collections for path in drawn.get_paths()]
    points = np.concatenate([ax.dataLim.get_points(), *intervals])
    points = points[np.isfinite(points).all(1)]
    return np.array([points.min(0), points.max(0)]) if len(points) else np.zeros((0, 2))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_overlaps_or_is_rotated(name):
    figure = FIGURES[name]()
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that finds no room says so in a warning
        canvas.draw()
    renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
    boxes = {}
    for number, ax in enumerate(figure.axes):
        if ax.axison and len(limits := drawn_limits(ax)):
            view = np.sort(ax.viewLim.get_points(), axis=0)
            slack = 1e-9 * (1 + np.abs(limits))
            assert (view[0] <= limits[0] + slack[0]).all(), f"drawn below the limits: {limits}"
            assert (limits[1] - slack[1] <= view[1]).all(), f"drawn above the limits: {limits}"
        legend = ax.get_legend()
        if legend is not None:
            boxes[f"legend {number}"] = legend.get_window_extent(renderer)
            assert not any(boxes[f"legend {number}"].padded(-1).overlaps(other.bbox)
                           for other in figure.axes), "a legend covers a picture"
        for text in drawn_texts(ax):
            assert text.get_rotation() == 0 or text is ax.yaxis.label, f"rotated: {text}"
            boxes[f"{number}: {text.get_text()!r} {len(boxes)}"] = text.get_window_extent(renderer)
    for text in figure.texts:
        boxes[f"figure: {text.get_text()!r}"] = text.get_window_extent(renderer)
    for label, box in boxes.items():
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, (
            f"cut off: {label}")
    texts = {label: box for label, box in boxes.items() if not label.startswith("legend")}
    for (one, a), (other, b) in itertools.combinations(texts.items(), 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one} overlaps {other}"


@pytest.mark.parametrize("size", SIZES)
def test_a_figure_drawn_again_is_the_same_picture(size):
    figure = SkillRetention(points(size, "facts-new articles-new", (0, 20, 40))).figure()
    assert png(figure) == png(figure)


def test_all_plots_and_widgets_are_looked_at():
    text = Path(__file__).read_text()
    for module in (answers, composition, costs, curves, dots, generations, separation, sequences,
                   soft_labels, studies, tokens):
        for name, thing in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("plot_") and thing.__module__ == module.__name__:
                assert f".{name}(" in text, name
    assert all(f"{name}(" in text for name in widgets.__all__)
