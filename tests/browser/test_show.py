"""The instructor's demonstration, driven once as in a classroom: every tab, by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from workbench.course import demo, serving
from workbench.widgets.show import SCENES

SMALL = """() => [...document.querySelectorAll('.workbench-show *')].filter(
    one => one.getClientRects().length && [...one.childNodes].some(
        part => part.nodeType === 3 && part.textContent.trim())
    && parseFloat(getComputedStyle(one).fontSize) < 18 && !one.closest('.workbench-announcement')
).map(one => one.textContent)"""
"""Visible text below 18 px."""


@pytest.fixture(scope="module")
def url():
    address = f"http://127.0.0.1:{serving.free_port()}"
    arguments = demo.command([f"--port={address.rpartition(':')[2]}"])
    with serving.served(arguments, f"{address}/voila/static/voila.js", demo.settings()):
        yield address


def test_the_demonstration_is_driven_by_keyboard(page, url, screenshot):
    outside = []
    page.on("request", lambda one: outside.append(one.url)
            if one.url.startswith("http") and not one.url.startswith(url) else None)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(url)
    player = page.locator(".wb-player:visible")
    player.wait_for()
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_text(list(SCENES))
    tabs.first.focus()
    for k, name in enumerate(SCENES):
        if k:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
        expect(tabs.nth(k)).to_have_attribute("aria-selected", "true")
        # A recorded run plays from the moment at which its tab is opened.
        expect(player.get_by_role("button", name="Play", exact=True)).to_be_visible()
        slider = player.get_by_role("slider")
        expect(slider).to_have_js_property("value", slider.get_attribute("max"))
        assert int(player.get_attribute("data-draws")) > 20
        bottom = player.locator(".bar").bounding_box()
        assert bottom["y"] + bottom["height"] <= 720, f"{name} needs scrolling"
        assert page.evaluate(SMALL) == []
        screenshot(page, f"show-{k + 1}")
    ask_for_real(page, tabs, player)
    assert outside == [], "a classroom may have no network"


def ask_for_real(page, tabs, player):
    """Do a run for real, and go back to the recorded one."""
    tabs.nth(list(SCENES).index("Teacher")).click()
    questions = player.locator("tbody th[scope=row]")
    recorded = questions.all_inner_texts()
    page.get_by_role("button", name="Ask for real").filter(visible=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("""before => [...document.querySelectorAll('tbody th[scope=row]')]
        .filter(one => one.getClientRects().length)
        .some((one, i) => one.innerText !== before[i])""", arg=recorded)
    page.get_by_role("button", name="Reset").filter(visible=True).focus()
    page.keyboard.press("Enter")
    expect(questions).to_have_text(recorded)
