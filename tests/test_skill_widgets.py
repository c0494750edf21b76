"""The views of lessons on SDFT without a browser: what they compute, show and tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.errors import ConfigError, UnknownNameError
from workbench.models import load_causal_lm, make_prompt, sample
from workbench.plots.styles import METHOD_STYLES
from workbench.runs.experiment import run
from workbench.runs.studies import load_study, points
from workbench.tasks import KNOWN_SKILLS, load_skill
from workbench.tasks.items import write_items
from workbench.widgets import (
    DriftExplorer,
    LiveDistillation,
    ParetoExplorer,
    SkillRetention,
)
from workbench.widgets import live as live_module


@pytest.fixture(autouse=True)
def draw_at_the_end_only(monkeypatch):
    monkeypatch.setattr(live_module, "REDRAW_SECONDS", 60.0)


@pytest.fixture
def study(study_rows):
    return points(pd.concat([
        study_rows(), study_rows(seed=1, old=(0.8, 0.4), kl=(2, 8)),
        study_rows("b", new=(0.3, 0.4), old=(0.5, 0.2), kl=(3, 9))]))


def drawn(widget) -> bool:
    widget.redraw()
    return widget.trouble.value == "" and widget.image.value[:4] == b"\x89PNG"


# Studies

def test_pareto_compares_at_the_accuracy_of_the_slider(study):
    widget = ParetoExplorer(study)
    words = ("On average over the runs of a method, a ends at 100 % on the new skill and a "
             "retention of 75 %")
    assert drawn(widget) and words in widget.words.value
    table = widget.table()
    assert table.loc["a", "runs that reach it"] == "2 of 2" and table.loc["a", "steps"] == "40"
    assert table.loc["a", "retention, mean"] == "75 %"
    assert table.loc["a", "retention, best"] == "80 %"
    assert table.loc["b", "runs that reach it"] == "0 of 1" and table.loc["b", "steps"] == "–"
    widget.level.value = 0.4
    assert widget.table().loc["a", "steps"] == "20" and widget.table().loc["b", "steps"] == "40"
    assert list(ParetoExplorer(study, ["b"]).table().index) == ["b"]
    with pytest.raises(UnknownNameError, match="unknown method"):
        ParetoExplorer(study, ["nobody"])


def test_drift_says_how_well_it_tells_what_is_forgotten(study):
    widget = DriftExplorer(study)
    assert drawn(widget) and "3 points in all" in widget.words.value
    assert widget.table().loc["all together", "rank correlation"] == "1.00"
    assert widget.table().loc["b", "rank correlation"] == "–", "from one point nothing follows"
    widget.when.value = "every evaluation of each run"
    assert "6 points in all" in widget.words.value and widget.trouble.value == ""
    widget.ticks["a"].value = False
    assert list(widget.table().index) == ["b", "all together"]
    widget.ticks["b"].value = False
    assert len(widget.table()) == 0 and widget.trouble.value == ""
    widget.prompts.value = "kl_old"
    assert widget.trouble.value == ""


# Skills in a row

def in_a_row(method, order, seed, last) -> pd.DataFrame:
    rows = [(20 * stage, "accuracy", skill, value)
            for stage, values in enumerate([(0, 0, 1.0), (1, 0, 0.9), (last, 1, 0.5 + last / 2)])
            for skill, value in zip([*order.split(), "known"], values, strict=True)]
    table = pd.DataFrame(rows, columns=["step", "measure", "skill", "value"])
    return table.assign(part="test", order=order, method=method, rate=1e-4, seed=seed)


def test_skills_in_a_row_are_shown_per_order_and_method():
    one, two = "facts-new tools-new", "tools-new facts-new"
    runs = points(pd.concat([*(in_a_row("sdft", one, seed, 0.8 + seed / 10) for seed in range(3)),
                             in_a_row("sft", one, 0, 0.0), in_a_row("sft", two, 0, 0.5)]))
    widget = SkillRetention(runs)
    assert drawn(widget)
    assert widget.order.options[0] == ("facts-new → tools-new", one)
    table = widget.table()
    assert table.loc["sdft", "facts-new"] == "90 %" and table.loc["sft", "facts-new"] == "0 %"
    assert table.loc["sdft", "new skills, mean"].startswith("95 % (")
    assert table.loc["sft", "known skills"] == "50 %"
    assert len(widget.figure().axes) == 3, "a panel a skill, one for the rest, none empty"
    colours = {line.get_label(): line.get_color() for line in widget.figure().axes[0].lines}
    assert colours["sft"] == METHOD_STYLES["sft"][0] and colours["sdft"] == METHOD_STYLES["sdft"][0]
    widget.ticks["sdft"].value = False
    assert widget.figure().axes[0].lines[0].get_color() == colours["sft"]
    widget.order.value = two
    assert list(widget.table().index) == ["sft"] and widget.trouble.value == ""
    widget.ticks["sft"].value = False
    assert widget.trouble.value == "" and len(widget.table()) == 0
    assert list(SkillRetention(runs, ["sdft"]).table().index) == ["sdft"]
    with pytest.raises(UnknownNameError, match="unknown method"):
        SkillRetention(runs, ["nobody"])
    with pytest.raises(ConfigError, match="at least one run"):
        SkillRetention(runs[:0])


# Live

def test_a_live_training_and_a_cell_that_samples_do_not_disturb_each_other(assert_same_run):
    model, tokenizer = load_causal_lm("nano")
    prompts = [make_prompt(tokenizer, "who keeps the red key ?")] * 8

    def ask():
        return sample(model, tokenizer, prompts, temperature=1.0, max_new_tokens=8,
                      rng=torch.Generator().manual_seed(0)).texts

    widget, alone = short(), ask()
    widget.start()
    answers = [ask()]
    while widget.running:
        answers.append(ask())
    assert all(each == alone for each in answers)
    assert widget.wait().record.status == "complete"
    assert_same_run(widget.record, run(widget.config(), force=True))


def short(learner="sdft", steps=4) -> LiveDistillation:
    widget = LiveDistillation("nano", steps=steps, items=2, force=True)
    widget.learner.value, widget.pace.value = learner, "as fast as it goes"
    return widget


def test_live_training_ends_with_a_verdict_curves_and_answers():
    widget = short().start().wait()
    assert widget.trouble.value == "" and widget.record.status == "complete"
    assert f" % of {widget.skill.value} right (before: " in widget.verdict_box.value
    assert widget.verdict_box.value.startswith("<p><b>sdft answers ")
    assert widget.answers.value.count("<tr>") == 1 + 2 * 6
    assert ("right" in widget.answers.value) and ("<b>" in widget.answers.value)
    assert list(widget.table().columns) == [widget.skill.value, *KNOWN_SKILLS]
    assert len(widget.table()) == 5, "before, and after each step"
    assert len(widget.player.recording["frames"]) == 5


def test_a_changed_setting_is_told_beside_the_answers_of_the_earlier_training():
    widget = short()
    assert widget.status.value == "<p>Press Start to train sdft.</p>"
    widget.start().wait()
    assert widget.status.value == "" and "<th>answer now</th>" in widget.answers.value
    widget.learner.value = "sft"
    assert widget.status.value == "<p>Settings changed: press Start to train sft.</p>"
    assert "<th>answer in the earlier training</th>" in widget.answers.value
    assert "earlier training: sdft on" in widget.words.value
    assert "Earlier training: sdft answers" in widget.verdict_box.value
    widget.learner.value = "sdft"
    assert widget.status.value == "" and "<th>answer now</th>" in widget.answers.value


def test_live_training_on_a_readers_own_text_has_no_old_skills_and_says_so(tmp_path):
    path = str(tmp_path / "mine.jsonl")
    write_items(path, [replace(item, scorer="contains") for item in load_skill("facts-new")])
    widget = LiveDistillation("nano", steps=2, items=2, skills=(path,))
    widget.learner.value = "sft"
    widget.start().wait()
    assert widget.trouble.value == "" and list(widget.table().columns) == [path]
    assert "Retention was not measured: no old skill was known" in widget.verdict_box.value
    assert [one["name"] for one in widget.player.recording["series"]] == [path]


def test_live_training_can_be_stopped_and_resumed_to_the_same_end():
    whole, parts = short(steps=8).start().wait(), short(steps=8)
    original = parts._observe
    parts._observe = lambda seen: (original(seen), seen.steps_taken == 3 and parts._stop.set())
    parts.start().wait()
    assert parts.record.status == "stopped" and not parts.buttons["Resume"].disabled
    parts._observe = original
    parts.resume().wait()
    np.testing.assert_array_equal(parts.record.losses, whole.record.losses)
    assert parts.learner.disabled is False
    parts.reset()
    assert parts.record is None and parts.answers.value == ""


def test_a_fault_in_training_is_shown():
    widget = LiveDistillation("nano", steps=2, items=2)
    widget.model = "huge"
    widget.start().wait()
    assert "there is no model &#x27;huge&#x27;" in widget.trouble.value


@pytest.mark.parametrize("make", [
    lambda one, several: ParetoExplorer(one, methods="sdft"),
    lambda one, several: DriftExplorer(one, methods="sdft"),
    lambda one, several: SkillRetention(several, methods="sft"),
    lambda one, several: LiveDistillation(skills="facts-new")])
def test_a_single_text_is_no_sequence(make):
    one, several = (points(load_study(name)) for name in ("one_skill", "many_skills"))
    with pytest.raises(ConfigError, match="must be a sequence of texts .*not the single text"):
        make(one, several)
