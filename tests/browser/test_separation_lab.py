"""The separation lab in a real JupyterLab, every control used, the sliders by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from steps import ERRORS

CELL = """
import workbench as wb
from workbench.widgets import SeparationLab
wb.prepare_notebook()
SeparationLab()
"""
MOVES = {"separation (sd)": "Home", "dimension (features)": "ArrowLeft",
         "clusters per task": "ArrowRight", "inputs per task": "End", "scale of adapter E": "Home",
         "alpha: error rate of sets": "ArrowLeft"}
"""The label of each slider, and a key that moves it."""


@pytest.fixture
def page(page_of):
    return page_of("separation_lab", [CELL])


def test_each_control_of_the_separation_lab(page, screenshot):
    box = page.locator(".jp-OutputArea-output").filter(
        has=page.locator("label", has_text="separation (sd)")).first
    box.scroll_into_view_if_needed()
    words, picture = box.locator(".workbench-words"), box.locator("img")
    expect(words).to_contain_text("lie on a circle, 6 apart")
    screenshot(page, "10-separation-lab")
    for label, key in MOVES.items():
        before, shown = words.text_content(), picture.get_attribute("src")
        control = box.locator(".widget-hslider").filter(
            has=page.locator("label", has_text=label))
        control.get_by_role("slider").focus()
        page.keyboard.press(key)
        expect(words).not_to_have_text(before)
        expect(picture).not_to_have_attribute("src", shown)
    expect(words).to_contain_text("lie on a circle, 0 apart")
    expect(words).to_contain_text("out of 16")
    expect(words).to_contain_text("Asked for: 95.0 %")
    expect(words).to_contain_text("assumes one embedding")
    box.get_by_label("tails").select_option("t, 3 degrees of freedom")
    expect(words).to_contain_text("assumes Gaussian clusters")
    box.get_by_label("covariance").select_option("a full covariance for each cluster")
    expect(words).to_contain_text("assumes equal covariances")
    expect(box.locator(".workbench-announcement")).to_contain_text("Inputs given to a wrong task")
    screenshot(page, "10-separation-lab-moved")
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"
