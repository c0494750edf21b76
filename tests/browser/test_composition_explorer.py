"""The composition explorer in a real JupyterLab, every control used, ticks by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from steps import ERRORS, box_with

CELLS = ["""
import workbench as wb
from workbench.widgets import CompositionExplorer
wb.prepare_notebook()
config = wb.RunConfig(stream="digits-shifted", tasks=4, learner="composed", seeds=(0,), steps=150,
                      lr=1e-2, options={"orthogonality": 0.5})
stream = wb.make_stream("digits-shifted", tasks=4)
learner = wb.make_learner(config, stream)
record = wb.run_stream(learner, stream, config)
""", "CompositionExplorer(learner, stream)"]


@pytest.fixture
def page(page_of):
    return page_of("composition_explorer", CELLS)


def test_each_control_of_the_composition_explorer(page, screenshot):
    box, words = box_with(page, "layer")
    picture = box.locator("img")
    expect(words).to_contain_text("All 16 units are on; the accuracy on “turned and inverted” is")
    screenshot(page, "11-composition")
    box.get_by_label("task", exact=True).select_option("inverted")
    expect(words).to_contain_text("All 12 units are on; the accuracy on “inverted” is")
    shown = picture.get_attribute("src")
    box.get_by_label("new: 4").focus()
    page.keyboard.press("Space")
    expect(words).to_contain_text("new: 1, 2, 3. With 11 of 12 units on")
    expect(picture).not_to_have_attribute("src", shown)
    expect(box.locator(".workbench-announcement")).to_contain_text("With 11 of 12 units on")
    box.get_by_label("turned 90°: 2").uncheck()
    expect(words).to_contain_text("turned 90°: 1, 3, 4; new: 1, 2, 3.")
    box.get_by_label("layer", exact=True).select_option("output")
    expect(words).to_contain_text("layer output:")
    screenshot(page, "11-composition-layer")
    box.get_by_label("layer", exact=True).select_option("all layers")
    box.get_by_role("button", name="all on").click()
    expect(words).to_contain_text("All 12 units are on")
    box.get_by_role("button", name="all reused off").click()
    expect(words).to_contain_text("as scanned: none; turned 90°: none; new: all 4.")
    box.get_by_role("button", name="all new off").focus()
    page.keyboard.press("Enter")
    expect(words).to_contain_text("With 0 of 12 units on, the accuracy on “inverted” is")
    screenshot(page, "11-composition-off")
    box.get_by_label("task", exact=True).select_option("as scanned")
    expect(words).to_contain_text("All 4 units are on; the accuracy on “as scanned” is")
    expect(box.get_by_role("button", name="all reused off")).to_be_disabled()
    assert box.locator(".widget-checkbox").count() == 4, "ticks of another task are left"
    wide = page.evaluate("box => box.scrollWidth - box.clientWidth", box.element_handle())
    assert wide <= 1, "the controls are wider than the page"
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"
