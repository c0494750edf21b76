"""Live and recorded runs in a real JupyterLab: curves, digits, ghost, play, scrub by keyboard."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from steps import ERRORS

CELLS = ["""
import workbench as wb
from workbench.widgets import LiveTraining, SideBySide
wb.prepare_notebook()
live = LiveTraining(steps=60)
live.pace.value = "as fast as it goes"
live
""", "SideBySide()"]
PALE = "path[opacity='0.3']:not([d=''])"


def test_live_curves_and_recorded_answers(page_of, screenshot):
    page = page_of("player", CELLS)
    curves(page, page.locator(".jp-OutputArea-output").filter(
        has=page.get_by_role("button", name="Start", exact=True)), screenshot)
    answers(page, page.locator(".jp-OutputArea-output").filter(
        has=page.get_by_role("button", name="Train for real", exact=True)), screenshot)
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


def curves(page, box, screenshot):
    start, player = box.get_by_role("button", name="Start", exact=True), box.locator(".wb-player")
    digits = player.locator(".digits figure")
    expect(digits).to_have_text(["not yet"] * 10)
    start.click()
    box.get_by_text(re.compile("finetune forgot the first task")).wait_for()
    expect(player.get_by_role("img", name=re.compile("at step 300"))).to_be_visible()
    right = ["right" in one for one in digits.evaluate_all("all => all.map(one => one.className)")]
    assert sum(right[-2:]) > sum(right[:8]), "the last digits are known, the first are forgotten"
    slider = player.get_by_role("slider", name="moment of the run")
    expect(slider).to_have_attribute("aria-valuetext", "step 300")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "step 297")
    slider.evaluate("one => { one.value = 20; one.dispatchEvent(new Event('input')); }")
    expect(slider).to_have_attribute("aria-valuetext", "step 60")
    expect(digits.nth(0)).to_have_class("right")
    expect(digits.nth(2)).to_have_class("unmet")
    screenshot(page, "player-curves-earlier")
    assert player.locator(PALE).count() == 0, "there is no earlier training yet"
    box.get_by_label("learner").select_option("replay")
    start.click()
    box.get_by_text(re.compile("replay (partly forgot|kept) the first task")).wait_for()
    assert player.locator(PALE).count() == 5, "the curves of the training before stay, pale"
    screenshot(page, "player-curves-ghost")
    box.get_by_role("button", name="Reset", exact=True).click()
    expect(player.locator(PALE)).to_have_count(0)


def answers(page, box, screenshot):
    player = box.locator(".wb-player")
    play = player.get_by_role("button", name="Play", exact=True)
    expert = player.locator("td.expert")
    expect(expert).to_have_count(0)
    play.focus()
    page.keyboard.press("Enter")
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    expect(player).to_contain_text("100 % of training")
    expect(play).to_be_visible()
    assert expert.count() > 3 and player.locator("td.wrong").count() >= 2
    screenshot(page, "player-answers")
    drawn = int(player.get_attribute("data-draws"))
    assert drawn > 20, "it moves while it plays"
    box.get_by_role("button", name="Train for real", exact=True).click()
    expect(player).to_contain_text("step 0 of 120")
    box.get_by_role("button", name="Reset", exact=True).click()
    expect(player).to_contain_text("0 % of training")
    expect(box.get_by_role("button", name="Train for real", exact=True)).to_be_enabled()
