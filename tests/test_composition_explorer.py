"""What units of composed modules do: switched off, drawn, and in `CompositionExplorer`."""

from __future__ import annotations

import html
import math
from dataclasses import replace

import ipywidgets as w
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workbench.config import RunConfig
from workbench.errors import ConfigError, DataError, ModelError, UnknownNameError
from workbench.measure.composition import new_part_cosines, random_cosine, right_without
from workbench.measure.intervals import wilson_interval
from workbench.plots import alt_text
from workbench.plots.composition import (
    plot_angles,
    plot_coefficients,
    plot_each_unit_off,
    plot_switched,
    unit_numbers,
)
from workbench.runs.experiment import make_learner, run_stream, stream_of
from workbench.widgets import CompositionExplorer, composition

CONFIG = RunConfig(stream="digits-shifted", tasks=3, learner="composed", seeds=(3, 5), steps=150,
                   lr=1e-2, options={"orthogonality": 0.5})
NAMES = ["as scanned", "turned 90°", "inverted"]


def taught(config):
    stream = stream_of(config)
    learner = make_learner(config, stream)
    run_stream(learner, stream, config)
    return learner, stream


@pytest.fixture(scope="module")
def learned():
    return taught(CONFIG)


@pytest.fixture
def explorer(learned):
    widget = CompositionExplorer(*learned, seed=5)
    widget.redraw()
    yield widget
    assert widget.trouble.value == ""
    assert all(module.off == [] for i in (0, 1) for module in widget.model.modules(i))
    widget.close()


def words(widget) -> str:
    return html.unescape(widget.words.value)


def tick(widget, label) -> w.Checkbox:
    return next(one for one in widget.ticks if one.description == label)


# Measured

def test_with_all_units_on_the_answers_are_those_of_the_learner(learned):
    learner, stream = learned
    head, learner.head = learner.head, "task"
    for k, task in enumerate(stream.tasks):
        right = stream.right(learner.predict(task.test.x, k), task.test, k, k).numpy()
        for i in (0, 1):
            assert np.array_equal(right_without(learner.model, stream, k, i), right[i])
    learner.head = head


def test_without_reused_units_it_is_as_with_coefficients_of_0(learned):
    learner, stream = learned
    module = learner.model.modules(1)[2]
    off = right_without(learner.model, stream, 2, 1, range(8))
    assert module.off == []
    assert not np.array_equal(off, right_without(learner.model, stream, 2, 1))
    kept = module.weights.detach().clone()
    with torch.no_grad():
        module.weights.zero_()
    assert np.array_equal(right_without(learner.model, stream, 2, 1), off)
    with torch.no_grad():
        module.weights.copy_(kept)


def test_units_are_on_again_after_an_error(learned, monkeypatch):
    learner, stream = learned
    monkeypatch.setattr(learner.model, "features", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        right_without(learner.model, stream, 1, 0, [2])
    assert learner.model.modules(0)[1].off == []


def test_the_cosine_of_two_tasks_is_that_of_new_part_and_units(learned):
    modules = learned[0].model.modules(0)
    cosines = new_part_cosines(modules)
    assert cosines.shape == (2, 3, 3)
    np.testing.assert_allclose(cosines[:, 1, 0], modules[1].cosines())
    np.testing.assert_allclose(cosines, cosines.transpose(0, 2, 1), atol=1e-6)
    np.testing.assert_allclose(cosines[:, range(3), range(3)], 1, atol=1e-6)
    # The units of the third task's module span more than either new part alone.
    assert (cosines[:, 2, :2].max(1) <= modules[2].cosines().numpy() + 1e-6).all()


def test_random_lines_have_the_mean_cosine_of_their_dimension():
    assert random_cosine(1, 2) == pytest.approx(2 / math.pi, abs=0.05)
    assert random_cosine(1, 3) == pytest.approx(0.5, abs=0.05)
    assert random_cosine(3, 3) == pytest.approx(1)
    assert random_cosine(4, 64) > random_cosine(4, 128) > random_cosine(1, 128)


# Drawn

@pytest.fixture
def ax():
    return Figure(figsize=(7, 3.6)).subplots()


S = [[0.5, -0.25, 0.0], [0.04, 1.5, -0.001]]
OWNERS = ["a", "a", "b", "new", "new"]


def test_units_are_numbered_within_their_owner():
    assert unit_numbers(OWNERS) == [1, 2, 1, 1, 2]
    assert unit_numbers([]) == []


def test_coefficients_are_coloured_around_0_and_written_into_the_cells(ax):
    plot_coefficients(S, ["hidden", "output"], OWNERS, ax)
    image = ax.images[0]
    drawn = image.get_array()
    np.testing.assert_allclose(drawn[:, :3], S)
    assert drawn.mask[:, 3:].all(), "a new unit has no coefficient"
    assert image.get_clim() == (-1.5, 1.5)
    cells = {t.get_position(): t.get_text() for t in ax.texts[:6]}
    assert cells == {(0, 0): ".50", (1, 0): "-.25", (2, 0): "0", (0, 1): ".04", (1, 1): "1.50",
                     (2, 1): "0"}
    assert [t.get_text() for t in ax.texts[6:]] == ["always 1", "a", "b", "new"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "1", "1", "2"]
    assert [line.get_xdata()[0] for line in ax.lines] == [1.5, 2.5]
    assert alt_text(ax.figure).endswith(
        "2 layers: units of a from -.25 to 1.50; units of b from 0 to 0; farthest from 0 is 1.50, "
        "of unit 2 of a in layer output.")


def test_names_of_several_words_are_quoted(ax):
    plot_coefficients([[0.5, 1.5]], ["hidden"], ["4 or 5", "6 or 7"], ax)
    assert alt_text(ax.figure).endswith("of unit 1 of “6 or 7” in layer hidden.")


def test_small_coefficients_look_small(ax):
    image = plot_coefficients(0.1 * np.ones((1, 2)), ["hidden"], ["a", "b"], ax).images[0]
    assert image.get_clim() == (-1, 1)
    red, green, blue, _ = image.cmap(image.norm(0.1))
    assert min(red, green, blue) > 0.85, "almost white"


def test_units_that_are_off_are_hatched_and_marked(ax):
    plot_coefficients(S, ["hidden", "output"], OWNERS, ax, off=[1, 4])
    assert [(p.get_x(), p.get_hatch()) for p in ax.patches] == [(0.5, "//"), (3.5, "//")]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2\n×", "1", "1", "2\n×"]
    assert "×: off" in ax.get_xlabel()


def test_a_module_without_reuse_is_told_so(ax):
    plot_coefficients(np.zeros((2, 0)), ["hidden", "output"], ["new"], ax)
    assert "no unit is reused" in alt_text(ax.figure)


@pytest.mark.parametrize(("values", "owners", "message"), [
    ([[1.0, math.nan]], ["a", "b"], "coefficients must be finite numbers, a row for each of the 1"),
    ([1.0, 2.0], ["a", "b"], r"they have shape \(2,\)"),
    ([[1.0], [2.0]], ["a"], r"they have shape \(2, 1\)"),
    ([[1.0, 2.0]], ["a"], "owners has 1 names, expected at least one, and one for each of the 2"),
    (np.zeros((1, 0)), [], "The first task reuses no unit"),
])
def test_coefficients_that_cannot_be_drawn_are_refused(values, owners, message):
    with pytest.raises(DataError, match=message):
        plot_coefficients(values, ["hidden"], owners)


def test_bars_are_the_changes_in_points(ax):
    plot_each_unit_off([0.0, -0.125, 0.02], ["a", "a", "new"], 50, ax)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0, -12.5, 2])
    assert [t.get_text() for t in ax.texts] == ["0", "-12.5", "+2.0"]
    low, high = ax.get_ylim()
    assert low < -12.5 and 2 < high
    assert ax.get_xlabel() == "one of the 50 test inputs is 2.0 points"
    told = alt_text(ax.figure)
    assert "the largest loss is 12.5 points, without unit 2 of a" in told
    assert "For 1 of 3 units it stays the same" in told


def test_bars_of_units_that_nothing_depends_on_look_small(ax):
    plot_each_unit_off([0.0, 0.01], ["a", "new"], 100, ax)
    assert ax.get_ylim()[1] - ax.get_ylim()[0] > 7, "a point is not the whole height"
    assert "it is lower for no unit" in alt_text(ax.figure)


def test_dots_are_accuracies_with_their_intervals(ax):
    right = {"all units": [True] * 9 + [False], "ticked units": [True] * 4 + [False] * 6}
    plot_switched(right, ax, chance=0.5)
    dots = [line for line in ax.lines if line.get_marker() in ("o", "s")]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [90, 40]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 100 * np.array(wilson_interval(9, 10)))
    assert ax.lines[-1].get_xdata()[0] == 50 and "dotted: chance" in ax.get_xlabel()
    assert "all units 90 % (9 of 10); ticked units 40 % (4 of 10)." in alt_text(ax.figure)
    assert len({to_hex(dot.get_color()) for dot in dots}) == 2


def test_angles_are_drawn_once_for_each_two_tasks(ax):
    cosines = [[1, 0.2, 0.9], [0.2, 1, 0.4], [0.9, 0.4, 1]]
    plot_angles(cosines, NAMES, ax, chance=0.33)
    drawn = ax.images[0].get_array()
    assert drawn.mask.tolist() == [[False, True], [False, False]]
    np.testing.assert_allclose(drawn.compressed(), [0.2, 0.9, 0.4])
    assert {t.get_text(): t.get_color() for t in ax.texts} == {
        "0.20": "white", "0.90": "black", "0.40": "white"}
    assert [t.get_text() for t in ax.get_xticklabels()] == NAMES[:2]
    assert alt_text(ax.figure).endswith(
        "turned 90° with as scanned 0.20; inverted with as scanned 0.90; inverted with turned 90° "
        "0.40; random new parts have 0.33.")


@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 2), (3,)])
def test_angles_of_several_layers_are_refused(shape):
    with pytest.raises(DataError, match=r"one row and column for each of the 3 tasks.*mean over"):
        plot_angles(np.zeros(shape), NAMES)


# The explorer

def test_it_opens_with_all_units_of_the_last_task(explorer, learned):
    learner, stream = learned
    assert [one.description for one in explorer.ticks] == [
        f"{name}: {n}" for name in ("as scanned", "turned 90°", "new") for n in (1, 2, 3, 4)]
    heat, bars, dots = explorer.figure().axes
    module = learner.model.modules(1)[2]  # seed 5 is the second
    np.testing.assert_allclose(heat.images[0].get_array()[:, :8], module.coefficients.detach())
    whole = right_without(learner.model, stream, 2, 1).mean()
    for j, bar in enumerate(bars.patches):
        alone = right_without(learner.model, stream, 2, 1, [j]).mean()
        assert bar.get_height() == pytest.approx(100 * (alone - whole))
    assert [label.get_text().replace("\n", " ").rsplit(" ", 2)[0]
            for label in dots.get_yticklabels()] == [
        "all units", "ticked units", "no reused unit", "no new unit", "no unit"]
    values = [float(line.get_xdata()[0]) for line in dots.lines if line.get_marker() in "osD"]
    assert values[0] == values[1] == pytest.approx(100 * whole)
    for value, off in zip(values[2:], (range(8), range(8, 12), range(12)), strict=True):
        assert value == pytest.approx(
            100 * right_without(learner.model, stream, 2, 1, off).mean())
    assert "All 12 units are on; the accuracy on “inverted” is " in words(explorer)


def test_a_unit_that_is_unticked_changes_picture_words_and_accuracy(explorer, learned):
    learner, stream = learned
    before = explorer.image.value
    whole = right_without(learner.model, stream, 2, 1)
    for label in ("new: 1", "new: 4", "turned 90°: 2"):
        tick(explorer, label).value = False
    ticked = right_without(learner.model, stream, 2, 1, [5, 8, 11])
    assert ticked.mean() < whole.mean()
    assert explorer.image.value != before
    assert ("Units on: as scanned: all 4; turned 90°: 1, 3, 4; new: 2, 3. With 9 of 12 units on, "
            f"the accuracy on “inverted” is {100 * ticked.mean():.0f} %; with all it is "
            f"{100 * whole.mean():.0f} %. Of 269 test inputs, {(whole & ~ticked).sum()} become "
            f"wrong and {(~whole & ticked).sum()} become right.") in words(explorer)
    assert "With 9 of 12 units on" in explorer.announcement.value
    heat = explorer.figure().axes[0]
    assert [patch.get_x() + 0.5 for patch in heat.patches] == [5, 8, 11]


def test_buttons_switch_a_group_and_draw_once(explorer, monkeypatch):
    drawn = []
    monkeypatch.setattr(composition, "plot_switched", lambda right, *_: drawn.append(right) or
                        Figure().subplots())
    explorer.buttons["all reused off"].click()
    assert explorer.off == list(range(8)) and len(drawn) == 1
    assert np.array_equal(drawn[0]["ticked units"], drawn[0]["no reused unit"])
    explorer.buttons["all new off"].click()
    assert explorer.off == list(range(12)) and len(drawn) == 2
    explorer.buttons["all on"].click()
    assert explorer.off == [] and len(drawn) == 3
    assert np.array_equal(drawn[2]["ticked units"], drawn[2]["all units"])


def test_another_task_has_its_own_units_all_on(explorer):
    tick(explorer, "new: 1").value = False
    old = explorer.ticks[0]
    explorer.task.value = 0
    assert [one.description for one in explorer.ticks] == [f"new: {n}" for n in (1, 2, 3, 4)]
    assert explorer.off == [] and explorer.buttons["all reused off"].disabled
    assert "no unit is reused" in words(explorer) and "accuracy on “as scanned”" in words(explorer)
    assert old.comm is None, "the old boxes are closed"
    explorer.task.value = 1
    assert len(explorer.ticks) == 8 and not explorer.buttons["all reused off"].disabled


def test_a_layer_is_shown_alone(explorer):
    explorer.layer.value = "output"
    heat = explorer.figure().axes[0]
    np.testing.assert_allclose(heat.images[0].get_array()[:, :8],
                               explorer.module.coefficients[1:].detach())
    assert [label.get_text() for label in heat.get_yticklabels()] == ["output"]
    assert "coefficients of the units, task “inverted”, layer output:" in words(explorer)
    assert "off in all layers" in words(explorer)
    assert list(explorer.table().columns) == ["on", "coefficient, output", "accuracy without it"]


def test_nothing_is_computed_twice(explorer, monkeypatch):
    monkeypatch.setattr(composition, "right_without", lambda *_: 1 / 0)
    tick(explorer, "new: 1").value = False  # alone: its bar is known
    explorer.buttons["all new off"].click()
    explorer.layer.value = "hidden"
    assert explorer.trouble.value == ""
    tick(explorer, "new: 1").value = True
    assert "ZeroDivisionError" in explorer.trouble.value, "a new choice is computed"
    explorer.buttons["all on"].click()


def test_the_static_form_has_the_numbers(explorer):
    tick(explorer, "turned 90°: 3").value = False
    table = explorer.snapshot().table
    assert table.loc["turned 90°: 3", "on"] == "no" and (table["on"] == "yes").sum() == 11
    s = float(explorer.module.coefficients[0, 6].detach())
    assert table.loc["turned 90°: 3", "coefficient, hidden"] == f"{s:.2f}"
    assert table.loc["new: 1", "coefficient, output"] == "1 (fixed)"


def test_the_pictures_of_widget_and_snapshot_have_the_same_words(explorer):
    assert alt_text(explorer.snapshot().figure) in words(explorer)


@pytest.mark.parametrize("learner", ["o_lora", "sd_lora"])
def test_the_twins_can_be_explored(learner):
    widget = CompositionExplorer(*taught(replace(CONFIG, learner=learner, seeds=(0,), steps=20,
                                                 options={})))
    widget.redraw()
    widget.buttons["all reused off"].click()
    assert widget.trouble.value == "" and "With 4 of 12 units on" in words(widget)


def test_layers_of_transformers_have_short_names():
    names = [f"model.layers.{i}.self_attn.{q}_proj" for i in (0, 1) for q in "qv"]
    assert composition._short(names) == ["0.q_proj", "0.v_proj", "1.q_proj", "1.v_proj"]
    assert composition._short(["hidden", "output"]) == ["hidden", "output"]
    assert composition._short(["a.identity"]) == ["a.identity"]
    assert composition._short(["a.b", "c"]) == ["a.b", "c"]


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"learner": "adapters"}, ConfigError, "needs a learner that reuses units, not Adapters. Make"),
    ({"options": {"reuse": "none"}}, ConfigError, "reuse is 'none'. Make one with another:"),
    ({}, ModelError, r"has learned 0 of the 3 tasks.*Train it first: wb\.run_stream"),
])
def test_a_learner_that_cannot_be_explored_is_refused(changes, error, message):
    config = replace(CONFIG, **({"options": {}} | changes))
    stream = stream_of(config)
    with pytest.raises(error, match=message):
        CompositionExplorer(make_learner(config, stream), stream, seed=3)


def test_another_seed_or_stream_is_refused(learned):
    learner, stream = learned
    with pytest.raises(UnknownNameError, match="unknown seed 4; known: 3, 5"):
        CompositionExplorer(learner, stream, seed=4)
    other = stream_of(replace(CONFIG, stream="digits-tasks"))
    with pytest.raises(ModelError, match="Give the stream that it was trained on"):
        CompositionExplorer(learner, other, seed=3)
    fewer = stream_of(replace(CONFIG, tasks=2))
    with pytest.raises(ModelError, match="Give the stream that it was trained on"):
        CompositionExplorer(learner, fewer, seed=3)
