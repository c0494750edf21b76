"""Notebook 01 from top to bottom in a real JupyterLab, and every control of its widgets clicked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from steps import ERRORS


@pytest.fixture
def first(open_notebook, run_all, screenshot):
    page = open_notebook("01_catastrophic_forgetting")
    assert page.get_by_text("official Jupyter news").count() == 0
    counts = run_all(page)
    assert counts == [str(i) for i in range(1, len(counts) + 1)]
    errors = page.locator(ERRORS)
    assert errors.count() == 0, errors.first.inner_text()
    screenshot(page, "01-top")
    return page


def output_with(page, label):
    """The output that holds a button with this label."""
    return page.locator(".jp-OutputArea-output").filter(
        has=page.get_by_role("button", name=label, exact=True)).first


def step_of(box):
    words = box.locator(".workbench-words").text_content()
    result = re.search(r"at step (\d+)", words or "")
    return int(result.group(1)) if result else 0


def test_notebook_01_and_each_control_of_its_widgets(first, screenshot):
    page = first
    shown = page.get_by_role("img", name=re.compile("^Bars, accuracy on the task “0 or 1”"))
    expect(shown).to_be_visible()
    live_training(page, screenshot)
    scenario_explorer(page, screenshot)
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


def live_training(page, screenshot):
    box = output_with(page, "Start")
    box.scroll_into_view_if_needed()
    start, stop, resume, reset = (box.get_by_role("button", name=name, exact=True)
                                  for name in ("Start", "Stop", "Resume", "Reset"))
    words, curves = box.locator(".workbench-words"), box.locator(".wb-player")
    # The cell has trained once. The picture is pale once it does not fit the settings.
    expect(words).to_contain_text("at step 1000")
    box.get_by_label("learner").select_option("replay")
    box.get_by_role("paragraph").filter(
        has_text="Settings changed: press Start to train replay.").wait_for()
    expect(words).to_contain_text("earlier training: finetune")
    expect(box.get_by_text("Earlier training: finetune forgot the first task")).to_be_visible()
    screenshot(page, "01-live-changed")
    box.get_by_label("learner").select_option("finetune")
    expect(words).not_to_contain_text("earlier training")
    reset.click()
    expect(words).to_contain_text("nothing trained yet")
    box.get_by_role("paragraph").filter(has_text="Press Start to train finetune.").wait_for()
    expect(stop).to_be_disabled()
    expect(resume).to_be_disabled()
    box.get_by_label("pace").select_option("slow")

    start.click()
    expect(stop).to_be_enabled()
    expect(start).to_be_disabled()
    expect(words).to_contain_text(re.compile("at step [1-9]"))
    drawn = curves.get_attribute("data-draws")
    expect(curves).not_to_have_attribute("data-draws", drawn)
    stop.click()
    # The picture and its words come before the button.
    expect(resume).to_be_enabled()
    assert 0 < step_of(box) < 1000
    expect(box.locator(".workbench-announcement")).to_contain_text("Training has stopped at step")
    screenshot(page, "01-live-stopped")

    box.get_by_label("pace").select_option("as fast as it goes")
    resume.click()
    expect(words).to_contain_text("at step 1000")
    box.get_by_text("finetune forgot the first task").wait_for()
    expect(box.locator(".workbench-announcement")).to_contain_text("Training has ended")
    screenshot(page, "01-live-finished")

    reset.click()
    expect(words).to_contain_text("nothing trained yet")
    box.get_by_label("learner").select_option("replay")
    box.get_by_label("scenario", exact=True).select_option("domain")
    box.get_by_label("learning rate", exact=True).select_option("0.003")
    start.focus()
    page.keyboard.press("Enter")
    expect(words).to_contain_text("at step 1000")
    box.get_by_text(re.compile("replay (kept|partly forgot) the first task")).wait_for()
    expect(words).to_contain_text("domain scenario, learning rate 0.003")
    screenshot(page, "01-live-replay")


def scenario_explorer(page, screenshot):
    box = output_with(page, "domain")
    box.scroll_into_view_if_needed()
    words = box.locator(".workbench-words")
    expect(words).to_contain_text("Not allowed: 2, 3, 4, 5, 6, 7, 8, 9.")
    for scenario in ("task", "domain", "class"):
        box.get_by_role("button", name=scenario, exact=True).click()
        expect(words).to_contain_text(f"In the {scenario} scenario")
        screenshot(page, f"01-scenario-{scenario}")
    box.get_by_label("trained up to").select_option("2 or 3")
    expect(words).to_contain_text("after training on all tasks up to 2 or 3")
    box.get_by_label("a digit of task").select_option("6 or 7")
    expect(words).to_contain_text("A digit from the task 6 or 7")
    picture = box.locator("img")
    shown = picture.get_attribute("src")
    number = box.get_by_label("number")
    number.fill("1")
    number.press("Enter")
    expect(picture).not_to_have_attribute("src", shown)  # another digit
    screenshot(page, "01-scenario-digit")


@pytest.fixture
def fourth(open_notebook, run_all, screenshot):
    page = open_notebook("04_the_model_as_its_own_teacher")
    counts = run_all(page)
    assert counts == [str(i) for i in range(1, len(counts) + 1)]
    errors = page.locator(ERRORS)
    assert errors.count() == 0, errors.first.inner_text()
    return page


def test_notebook_04_and_each_control_of_the_teacher_explorer(fourth, screenshot):
    page = fourth
    box = page.locator(".jp-OutputArea-output").filter(
        has=page.get_by_label("shown in the prompt")).first
    box.scroll_into_view_if_needed()
    words, question = box.locator(".workbench-words"), box.get_by_label("question")
    demonstration, article = box.get_by_label("demonstration"), box.get_by_label("article")
    screenshot(page, "04-explorer-start")

    box.get_by_label("skill").select_option("articles-new")
    expect(question).to_have_value(re.compile("after the"))
    before = question.input_value()
    number = box.get_by_label("item")
    number.fill("5")
    number.press("Enter")
    expect(question).not_to_have_value(before)

    helps = box.get_by_label("shown in the prompt")
    own = demonstration.input_value()
    helps.select_option("another item's demonstration")
    expect(demonstration).not_to_have_value(own)
    screenshot(page, "04-explorer-other")
    helps.select_option("the item's article")
    expect(article).to_have_value(re.compile("broke the"))
    expect(demonstration).to_have_value("")
    screenshot(page, "04-explorer-article")
    helps.select_option("nothing")
    expect(words).to_contain_text("0.00 nats in all")

    # What is typed is asked; an unknown word is told right below its box, without scrolling.
    helps.select_option("what I write")
    question.fill("Who keeps the purple saw?")
    question.press("Enter")
    told = box.get_by_text("does not know “purple”")
    told.wait_for()
    expect(told).to_be_in_viewport()
    asked, note = question.bounding_box(), told.bounding_box()
    assert 0 <= note["y"] - asked["y"] - asked["height"] < 40
    screenshot(page, "04-explorer-fault")
    question.fill("Who keeps the grey saw?")
    question.press("Enter")
    expect(told).to_have_count(0)
    expect(box.get_by_text("asked as: who keeps the grey saw ?")).to_be_in_viewport()
    screenshot(page, "04-explorer-capitals")

    # Text can be dragged from the page into the prompt.
    demonstration.fill("")
    demonstration.press("Tab")
    printed = box.locator("p b").nth(1)  # not there while there is a fault
    printed.click(click_count=3, position={"x": 10, "y": 8})  # selects the line
    page.wait_for_function("() => / (is|get) /.test(getSelection().toString())")
    page.mouse.down()
    for x in (140, 150):  # browsers ask for a second move before they let text be dropped
        demonstration.hover(position={"x": x, "y": 12})
    page.mouse.up()
    expect(demonstration).to_have_value(re.compile("the answer is|so we get"))
    demonstration.fill("well it is olga")
    demonstration.press("Tab")
    expect(words).to_contain_text("olga")
    box.get_by_label("compare along").select_option("student's response")
    expect(words).to_contain_text("Response “")
    box.get_by_label("compare along").select_option("teacher's response")
    expect(words).to_contain_text("olga")
    slider = box.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(words).to_contain_text(re.compile("After “(the answer is|so we get)”"))
    screenshot(page, "04-explorer-olga")
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


SMALL = """
import workbench as wb
from workbench.widgets import RetentionExplorer
wb.prepare_notebook()
records = {n: wb.run(wb.RunConfig(learner=n, seeds=(0, 1), tasks=3, steps=60))
           for n in ("finetune", "replay")}
RetentionExplorer(records)
"""


@pytest.fixture
def retention(page_of):
    return page_of("retention", [SMALL])


def test_each_control_of_the_retention_explorer(retention, screenshot):
    page = retention
    box = page.locator(".jp-OutputArea-output").filter(has=page.get_by_label("matrix of")).first
    words = box.locator(".workbench-words")
    expect(words).to_contain_text(
        "finetune, trained on all tasks up to “4 or 5”, tested on “0 or 1”")
    screenshot(page, "retention-start")

    box.get_by_label("matrix of").select_option("replay")
    expect(words).to_contain_text("replay, trained on all tasks up to")
    box.get_by_label("show").select_option("retention")
    expect(words).to_contain_text("retention")
    picture = box.locator("img")
    shown = picture.get_attribute("src")
    box.get_by_label("seed").select_option("1")
    expect(picture).not_to_have_attribute("src", shown)

    # The mouse: a cell says what it is when hovered, and is chosen when clicked.
    cell = box.get_by_title("after 2 or 3, tested on 2 or 3")
    expect(cell).to_have_attribute("title", re.compile(r": \d+ %$"))
    cell.click()
    expect(words).to_contain_text("trained on all tasks up to “2 or 3”, tested on “2 or 3”")
    # The keyboard: Tab leads to the next cell, Enter chooses it.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(words).to_contain_text("trained on all tasks up to “2 or 3”, tested on “4 or 5”")
    box.get_by_label("show").select_option("accuracy")
    expect(words).to_contain_text("tested on “4 or 5”: accuracy not defined")
    expect(box.get_by_title("after 2 or 3, tested on 4 or 5")).to_have_text("–")

    box.get_by_title("after 4 or 5, tested on 0 or 1").click()
    expect(words).to_contain_text("finetune")
    box.get_by_label("finetune").uncheck()
    expect(words).not_to_contain_text("finetune")
    screenshot(page, "retention-end")


def test_stored_notebook_shows_pictures_where_no_kernel_has_its_widgets(open_notebook,
                                                                       screenshot):
    """As a reader sees it who opens the notebook and runs nothing."""
    page = open_notebook("01_catastrophic_forgetting")
    for call in ("live = LiveTraining()", "explorer = ScenarioExplorer()"):
        cell = page.locator(".jp-CodeCell").filter(has_text=call).first
        cell.scroll_into_view_if_needed()
        expect(cell.locator(".jp-OutputArea-output img")).to_be_visible()
        assert cell.get_by_text("Error displaying widget").count() == 0
        screenshot(page, f"01-stored-{call.split()[0]}")
