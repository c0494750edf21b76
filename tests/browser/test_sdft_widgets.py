"""The views of the lessons on SDFT in a real JupyterLab, every control used."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from steps import ERRORS, box_with

from workbench.runs.studies import load_study, points

CELLS = ["""
import copy
import torch
import workbench as wb
from workbench.runs.studies import load_study, points
from workbench.tasks import load_skill
from workbench.widgets import (DriftExplorer, LiveDistillation, ParetoExplorer, SkillRetention,
                               TeacherExplorer)
wb.prepare_notebook()
model, tokenizer = wb.load_causal_lm("tiny")
study = points(load_study("one_skill")).query("order == 'facts-new' and part == 'validation'")
""", """
items = load_skill("facts-new", "train")[:6]
other = copy.deepcopy(model)
with torch.no_grad():
    other.lm_head.weight.add_(0.5 * torch.randn(other.lm_head.weight.shape,
                                                generator=torch.Generator().manual_seed(0)))
TeacherExplorer(model, tokenizer, {"facts-new": items}, {"before": model, "other": other})
""", 'ParetoExplorer(study, ["sft", "sdft"])', 'DriftExplorer(study, ["sft", "sdft"])', """
SkillRetention(points(load_study("many_skills")).query("part == 'test'"), ["sft", "sdft"])
""", """
LiveDistillation("nano", steps=240, skills=("facts-new", "tools-new"), items=3, force=True)
"""]


@pytest.fixture
def page(page_of):
    return page_of("sdft_widgets", CELLS)


def test_each_control_of_the_views_of_sdft(page, screenshot):
    teacher(page, screenshot)
    pareto(page, screenshot)
    drift(page, screenshot)
    skills_in_a_row(page, screenshot)
    live(page, screenshot)
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


def teacher(page, screenshot):
    box, words = box_with(page, "shown in the prompt")
    expect(words).to_contain_text("Response “")
    screenshot(page, "05-teacher")
    item, sample, question = (box.get_by_label(label, exact=True)
                              for label in ("item", "sample", "question"))
    expect(question).to_have_value("say who keeps the red drum .")
    item.fill("5")
    item.press("Enter")
    expect(question).not_to_have_value("say who keeps the red drum .")
    before = words.text_content()
    for n in range(1, 9):
        sample.fill(str(n))
        sample.press("Enter")
        expect(box).to_contain_text(f"student (sample {n})")
        if words.text_content() != before:
            break
    assert words.text_content() != before, "eight other samples all read the same"
    before = words.text_content()
    box.get_by_label("divergence").select_option("reverse")
    expect(words).not_to_have_text(before)
    slider = box.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(words).to_contain_text("After “nothing yet”")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(words).to_contain_text(re.compile("After “(the answer is|so we get)”"))
    screenshot(page, "05-teacher-position")
    before = words.text_content()
    box.get_by_label("shown in the prompt").select_option("another item's demonstration")
    expect(words).not_to_have_text(before)
    expect(words).not_to_contain_text("; 0.00 nats in all")
    box.get_by_label("shown in the prompt").select_option("nothing")
    expect(words).to_contain_text("; 0.00 nats in all")
    box.get_by_label("student").select_option("other")
    expect(words).not_to_contain_text("; 0.00 nats in all")


def pareto(page, screenshot):
    box, words = box_with(page, "compare at")
    expect(words).to_contain_text("sdft ends at")
    picture = box.locator("img")
    shown = picture.get_attribute("src")
    slider = box.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(picture).not_to_have_attribute("src", shown)
    box.get_by_label("replay", exact=True).check()
    expect(words).to_contain_text("replay ends at")
    expect(words).to_contain_text(" sft ends at")
    box.get_by_label("sft", exact=True).uncheck()
    expect(words).not_to_contain_text(" sft ends at")
    screenshot(page, "05-pareto")


def drift(page, screenshot):
    box, words = box_with(page, "drift measured")
    study = points(load_study("one_skill")).query("order == 'facts-new' and part == 'validation'")
    ends = study.query("step > 0 and method in ['sft', 'sdft']").groupby(["method", "rate"])
    runs = f"{ends.ngroups} points in all"
    expect(words).to_contain_text(runs)
    box.get_by_label("drift measured").select_option("on old prompts")
    expect(words).to_contain_text("on old prompts, " + runs)
    box.get_by_label("points").select_option("every evaluation of each run")
    expect(words).not_to_contain_text(runs)
    box.get_by_label("grpo", exact=True).check()
    expect(words).to_contain_text("grpo ")
    screenshot(page, "05-drift")


def skills_in_a_row(page, screenshot):
    box, words = box_with(page, "order")
    expect(words).to_contain_text(" sft ends at")
    expect(words).to_contain_text("Curves of facts-new")
    before = words.text_content()
    box.get_by_label("order").select_option("tools-new → facts-new → letters-new")
    expect(words).not_to_have_text(before)
    box.get_by_label("sft", exact=True).uncheck()
    expect(words).not_to_contain_text(" sft ends at")
    expect(words).to_contain_text("sdft ends at")
    screenshot(page, "06-skill-retention")


def live(page, screenshot):
    box, words = box_with(page, "new skill")
    start, stop, resume, reset = (box.get_by_role("button", name=name, exact=True)
                                  for name in ("Start", "Stop", "Resume", "Reset"))
    expect(words).to_contain_text("nothing trained yet")
    box.get_by_label("new skill").select_option("tools-new")
    box.get_by_label("learning rate", exact=True).select_option("0.001")
    box.get_by_label("learner").select_option("sdft")
    box.get_by_label("pace").select_option("slow")
    start.click()
    expect(stop).to_be_enabled()
    expect(box.get_by_label("new skill")).to_be_disabled()
    expect(box.locator("table")).to_contain_text("tools-new")
    stop.click()
    expect(resume).to_be_enabled()
    assert "at step 240" not in (words.text_content() or "")
    screenshot(page, "05-live-stopped")
    box.get_by_label("pace").select_option("as fast as it goes")
    resume.click()
    expect(words).to_contain_text("at step 240")
    box.get_by_text(re.compile("sdft answers .* of tools-new right")).wait_for()
    screenshot(page, "05-live-finished")
    box.get_by_label("learner").select_option("sft")
    box.get_by_role("paragraph").filter(
        has_text="Settings changed: press Start to train sft.").wait_for()
    expect(words).to_contain_text("earlier training: sdft on tools-new")
    expect(box.locator("table")).to_contain_text("answer in the earlier training")
    screenshot(page, "05-live-changed")
    reset.click()
    expect(words).to_contain_text("nothing trained yet")
    box.get_by_role("paragraph").filter(has_text="Press Start to train sft.").wait_for()
    start.focus()
    page.keyboard.press("Enter")
    box.get_by_text(re.compile("sft answers .* of tools-new right")).wait_for()
