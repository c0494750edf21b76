"""The views of self-distillation in a real JupyterLab, every control used, sliders by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from steps import ERRORS, box_with

CELLS = ["""
import itertools
import pandas as pd
import workbench as wb
from sklearn.linear_model import LogisticRegression
from workbench.tasks.digits import load_digits
from workbench.widgets import CostPanel, GenerationExplorer, SoftLabelExplorer
wb.prepare_notebook()
(x, y), _, (images, labels) = load_digits()
model = LogisticRegression(max_iter=500).fit(x, y)
networks = pd.DataFrame([
    {"noise": n, "generation": g, "seed": s, "accuracy": .9 - n + .01 * g + .01 * s,
     "ece": .02 * g, "agreement": 1.02 - .02 * g}
    for n, g, s in itertools.product((0., .4), range(1, 6), range(3))])
costs = pd.DataFrame({"seconds to train": [2., 10, 4], "kilobytes kept": [0, 190, 38],
                      "accuracy": [.9, .95, .93], "low": [.88, .94, .9], "high": [.92, .96, .95]},
                     index=["plain", "ensemble", "smoothed"])
""", "SoftLabelExplorer(images, model.decision_function(images), labels)",
         "GenerationExplorer(networks)", "CostPanel(costs)"]


@pytest.fixture
def page(page_of):
    return page_of("distillation_widgets", CELLS)


def press(page, box, label, key):
    """Move a slider with a key, and wait until the picture and then its words have changed."""
    shown = box.locator("img").get_attribute("src")
    words = box.locator(".workbench-words")
    before = words.text_content()
    slider = box.locator(".widget-hslider").filter(has=page.locator("label", has_text=label))
    slider.get_by_role("slider").focus()
    page.keyboard.press(key)
    expect(box.locator("img")).not_to_have_attribute("src", shown)
    expect(words).not_to_have_text(before)


def test_each_control_of_the_views_of_self_distillation(page, screenshot):
    soft_labels(page, screenshot)
    generations(page, screenshot)
    costs(page, screenshot)
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


def soft_labels(page, screenshot):
    box, words = box_with(page, "temperature")
    expect(words).to_contain_text("At temperature 1 the soft label gives")
    screenshot(page, "03-soft-labels")
    press(page, box, "temperature", "End")
    expect(words).to_contain_text("At temperature 20 the")
    press(page, box, "temperature", "Home")
    expect(words).to_contain_text("At temperature 0.25 the")
    for _ in range(8):
        press(page, box, "temperature", "ArrowRight")
    expect(words).to_contain_text("At temperature 4 the")
    before = words.text_content()
    images = box.get_by_label("image, most unsure first")
    assert images.locator("option").count() == 450
    images.select_option(index=2)
    expect(words).not_to_have_text(before)
    expect(box.locator(".workbench-announcement")).to_contain_text("Image, true class")
    screenshot(page, "03-soft-labels-moved")


def generations(page, screenshot):
    box, words = box_with(page, "wrong labels")
    expect(words).to_contain_text("corrected at round 6 (dashed line)")
    screenshot(page, "03-generations-exact")
    press(page, box, "wrong labels", "End")
    expect(words).to_contain_text("70 % wrong labels")
    press(page, box, "penalty", "ArrowRight")
    expect(words).to_contain_text("corrected at round 7")
    press(page, box, "rounds", "Home")
    expect(words).to_contain_text("beyond the 5 drawn")
    box.get_by_label("source").select_option("digits, kernel")
    expect(words).to_contain_text("No predicted round: real digits are not equally similar")
    press(page, box, "wrong labels", "ArrowLeft")
    expect(words).to_contain_text("60 % wrong labels; measured on 450 clean test digits, 5 seeds")
    press(page, box, "rounds", "End")
    expect(words).to_contain_text("at round 50")
    press(page, box, "penalty", "Home")
    screenshot(page, "03-generations-digits")
    box.get_by_label("source").select_option("digits, networks")
    expect(words).to_contain_text("networks have no closed form")
    expect(words).to_contain_text("40 % wrong labels")
    press(page, box, "wrong labels", "Home")
    expect(words).to_contain_text("0 % wrong labels")
    screenshot(page, "03-generations-networks")
    box.get_by_label("source").select_option("exact model")
    expect(words).to_contain_text("No predicted round: no label is wrong")


def costs(page, screenshot):
    box, words = box_with(page, "cost")
    picture = box.locator("img")
    expect(words).to_contain_text("accuracy against seconds to train")
    screenshot(page, "03-costs")
    box.get_by_label("cost", exact=True).select_option("kilobytes kept")
    expect(words).to_contain_text("accuracy against kilobytes kept")
    shown = picture.get_attribute("src")
    box.get_by_label("log scale").check()
    expect(picture).not_to_have_attribute("src", shown)
    screenshot(page, "03-costs-log")
    for name in ("plain", "ensemble", "smoothed"):
        box.get_by_label(name, exact=True).uncheck()
        expect(words).not_to_contain_text(name)
    expect(words).to_contain_text("no method is ticked")
    box.get_by_label("ensemble", exact=True).check()
    expect(words).to_contain_text("ensemble 95 %")
