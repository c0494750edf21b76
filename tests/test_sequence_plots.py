"""Figures of several skills in a row: the right numbers, and nothing drawn where none is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from workbench.measure.intervals import seed_interval
from workbench.plots.sequences import plot_changes, plot_over_seeds, plot_stages
from workbench.plots.styles import METHOD_STYLES

SHARES = [0.2, 0.3, 0.4]


@pytest.fixture
def ax():
    return Figure(figsize=(6, 3), layout="constrained").subplots()


def test_a_method_has_its_mean_its_interval_and_a_dot_per_seed(ax):
    plot_over_seeds({"sft": {"sft": SHARES}, "sdft": {"sdft": [0.99, 1.0, 0.9]}}, ax, "ACC")
    interval, dots, mean = ax.lines[:3]
    np.testing.assert_allclose(interval.get_xdata(), 100 * np.array(seed_interval(SHARES)))
    np.testing.assert_allclose(dots.get_xdata(), [20, 30, 40])
    np.testing.assert_allclose(mean.get_xydata(), [[30, 0]])
    assert ax.texts[0].get_text() == "30"
    assert mean.get_color() == METHOD_STYLES["sft"][0]
    assert ax.lines[3].get_xdata().max() == 100, "no accuracy is above 100 %"
    assert "ACC" in ax.get_label() and "sft 30 (5 to 55)" in ax.get_label()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["sft", "sdft"]


def test_methods_of_one_row_are_apart_and_named_once_in_the_legend(ax):
    rows = {"one": {"sft": SHARES, "sdft": SHARES}, "two": {"sdft": [0.5]}}
    plot_over_seeds(rows, ax, legend=True)
    heights = [line.get_ydata()[0] for line in ax.lines if line.get_label() in ("sft", "sdft")]
    assert heights[0] < 0 < heights[1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["sft", "sdft"]
    assert "two: sdft 50." in ax.get_label(), "one seed has no interval"


def test_a_skill_that_is_not_yet_taught_has_an_empty_cell_and_not_0_percent(ax):
    table = pd.DataFrame([[np.nan, 0.9, 0.0]], index=["facts-new"],
                         columns=["before", "after facts-new", "after tools-new"])
    plot_stages(table, ax, "sft")
    assert [text.get_text() for text in ax.texts] == ["90", "0"]
    image = ax.images[0]
    shown = image.to_rgba(image.get_array())[0]
    assert tuple(shown[0]) != tuple(shown[2]) and shown[0][0] == shown[0][1] == shown[0][2]
    assert "before" not in ax.get_label()
    assert "facts-new: 90 % after facts-new, 0 % after tools-new" in ax.get_label()


def test_a_loss_is_red_a_gain_blue_and_no_change_white_and_all_are_told(ax):
    table = pd.DataFrame([[-0.62, 0.031, 0.004], [np.nan, -1.0, 1.0]], ["sft", "sdft"],
                         ["facts", "tools", "letters"])
    plot_changes(table, ax)
    assert [text.get_text() for text in ax.texts] == ["-62", "+3", "0", "-100", "+100"]
    assert "sft: facts -62, tools +3, letters 0. sdft: tools -100, letters +100." in ax.get_label()
    image = ax.images[0]
    (lost, _, same), (unknown, *_) = image.to_rgba(image.get_array())[..., :3]
    gained = image.to_rgba(image.get_array())[1, 2, :3]
    assert lost[0] > lost[2] + 0.2 and gained[2] > gained[0] + 0.2
    assert same.min() > 0.93 and unknown[0] == unknown[1] == unknown[2] < 0.93
    assert [text.get_color() for text in ax.texts][2:] == ["black", "white", "white"]


def test_numbers_that_could_not_be_read_are_left_out_of_the_cells_but_told(ax):
    names = [f"task {k}" for k in range(40)]
    plot_changes(pd.DataFrame([[-0.5] * 40], ["sft"], names), ax)
    assert not ax.texts and "task 39 -50" in ax.get_label()
