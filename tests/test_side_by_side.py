"""`SideBySide`: both methods train as alone, and what is shown is what they answered."""

from __future__ import annotations

import re

import pytest

import workbench as wb
from workbench.errors import ConfigError
from workbench.measure.comparison import retention
from workbench.plots import alt_text, percent
from workbench.widgets import SideBySide
from workbench.widgets import side_by_side as module

SHORT = {"sft": {"lr": 1e-3, "steps": 4}, "sdft": {"lr": 1e-3, "steps": 2}}


def small() -> SideBySide:
    return SideBySide(SHORT, items=2, looks=2)


@pytest.fixture(scope="module")
def trained():
    return small().start().wait()


def test_it_opens_on_the_recorded_run_and_says_how_its_settings_were_chosen():
    widget = SideBySide()
    assert widget.player.recording["frames"] and not widget.player.live
    assert widget.player.recording["note"] == (
        "Learning rates and steps, each chosen on validation data: SFT 0.0003 and 120, "
        "SDFT 0.0001 and 100.")
    widget.redraw()
    assert alt_text(widget.figure()) == widget.player.recording["words"]
    assert not widget.action.disabled and widget.buttons["Stop"].disabled


def test_both_methods_train_as_they_do_alone(trained):
    assert trained.trouble.value == ""
    made = trained.player.recording
    assert [frame["notes"] for frame in made["frames"]] == [
        ["step 0 of 4", "step 0 of 2"], ["step 2 of 4", "step 1 of 2"],
        ["step 4 of 4", "step 2 of 2"]]
    assert "chosen" not in made["note"] and trained.player.live
    for m, config in enumerate(trained.configs):
        record = wb.run(config)
        assert made["frames"][-1]["bars"][m] == pytest.approx(
            [record.accuracy[0, 0, 0], float(retention(*record.old_accuracy[0, :2]))], abs=1e-4)


def test_it_shows_two_questions_of_the_new_skill_and_one_of_each_known_skill(trained):
    groups = [one["group"] for one in trained.player.recording["questions"]]
    assert groups == ["new skill"] * 2 + ["known before"] * 5


def test_words_and_table_are_those_of_the_last_answers(trained):
    made = trained.player.recording
    for method, answers, (learned, _) in zip(("SFT", "SDFT"), made["frames"][-1]["answers"],
                                             made["frames"][-1]["bars"], strict=True):
        right = sum(one["right"] for one in answers)
        expert = sum(one["expert"] for one in answers)
        assert re.search(rf"{method} at step .*? {percent(learned)} of the new skill right, .*? of "
                         rf"the 7 answers shown {right} are right and {expert} are not in",
                         made["words"])
        assert trained.table().loc[method, "learned"] == percent(learned)


def test_a_training_can_be_stopped_and_the_recorded_run_shown_again():
    widget = SideBySide({"sft": {"lr": 1e-3, "steps": 4000}, "sdft": {"lr": 1e-3, "steps": 4000}},
                        items=2, looks=4000)
    recorded = widget.player.recording
    widget.start()
    assert widget.action.disabled and not widget.buttons["Stop"].disabled
    widget.stop()
    assert not widget.action.disabled and widget.trouble.value == ""
    widget.buttons["Reset"].click()
    assert widget.player.recording["frames"] == recorded["frames"] and not widget.player.live
    assert widget.player.recording["run"] != recorded["run"], "the browser starts it anew"


def test_an_error_is_shown_inside(monkeypatch):
    def fail(*args, **kwargs):
        raise ConfigError("no <room> left")
    monkeypatch.setattr(module, "run", fail)
    widget = small().start().wait()
    assert "no &lt;room&gt; left" in widget.trouble.value
    assert not widget.action.disabled
