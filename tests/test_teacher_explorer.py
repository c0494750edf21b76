"""`TeacherExplorer` without a browser, and the figures it is made of."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from workbench.errors import ConfigError
from workbench.losses import DIRECTIONS, divergence
from workbench.measure.comparison import compare
from workbench.measure.completions import partners
from workbench.models import load_causal_lm, make_prompt, sample
from workbench.plots import alt_text
from workbench.plots.tokens import plot_next_token, plot_rates, plot_token_kl
from workbench.tasks import load_skill
from workbench.widgets import TeacherExplorer
from workbench.widgets.teacher import CONTEXTS

SKILLS = ("facts-new", "articles-new", "working-new")


@pytest.fixture(scope="module")
def loaded():
    return load_causal_lm("tiny")


@pytest.fixture
def explorer(loaded):
    widget = TeacherExplorer(*loaded, {name: load_skill(name, "test")[:8] for name in SKILLS})
    widget.redraw()
    return widget


def test_it_starts_with_the_first_question_and_its_own_demonstration(explorer):
    item = explorer.skills["facts-new"][0]
    assert explorer.question.value == item.prompt
    assert explorer.demonstration.value == item.demonstration
    assert explorer.trouble.value == "" and explorer.image.value[:4] == b"\x89PNG"
    assert f"teacher: <b>{explorer.comparison().answers['teacher']}" in explorer.responses.value
    assert item.answer in explorer.comparison().words


def test_each_choice_of_help_fills_the_boxes(explorer):
    items = explorer.skills["articles-new"]
    explorer.skill.value, explorer.item.value = "articles-new", 3
    explorer.context.value = "another item's demonstration"
    assert explorer.demonstration.value == partners(items)[3].demonstration
    explorer.context.value = "the item's article"
    assert explorer.article.value == items[3].article and explorer.demonstration.value == ""
    explorer.context.value = "nothing"
    assert explorer.article.value == explorer.demonstration.value == ""
    assert explorer.comparison().loss.max() == 0, "equal prompts, equal distributions"
    explorer.demonstration.value = "note : ada"
    explorer.context.value = "what I write"
    assert explorer.demonstration.value == "note : ada"
    explorer.context.value = "the item's article and demonstration"
    assert explorer.article.value == items[3].article
    assert explorer.demonstration.value == items[3].demonstration
    assert set(CONTEXTS.values()) == {"own", "other", "article", "article+own", "none", "free"}


def test_what_is_typed_before_the_choice_of_writing_has_arrived_is_kept(explorer):
    explorer.question.value = "who keeps the grey saw ?"
    explorer.context.value = "what I write"
    assert explorer.question.value == "who keeps the grey saw ?"
    explorer.item.value = 2
    assert explorer.question.value == explorer.skills["facts-new"][2].prompt


def test_a_shorter_skill_list_keeps_the_number_of_the_item_in_range(loaded):
    widget = TeacherExplorer(*loaded, {"facts-new": load_skill("facts-new", "test")[:8],
                                       "tools-new": load_skill("tools-new", "test")[:3]})
    widget.item.value = 7
    widget.skill.value = "tools-new"
    assert widget.item.value == 2
    assert widget.question.value == widget.skills["tools-new"][2].prompt


def test_what_is_typed_is_asked(explorer):
    explorer.question.value = "who keeps the grey saw ?"
    explorer.demonstration.value = "well it is olga"
    assert "olga" in explorer.comparison().words
    explorer.along.value = "student's response"
    assert explorer.comparison().answers["student"].split() == explorer.comparison().words[:-1]


def test_an_unknown_word_is_told_right_below_its_box_and_nothing_else_is_shown(explorer):
    explorer.question.value = "Who keeps the Zebra, not the saw?"
    note = explorer.notes["question"].value
    assert "does not know “zebra”, “not”." in note and 'role="alert"' in note
    below = explorer.root.children.index(explorer.question) + 1
    assert explorer.root.children[below] is explorer.notes["question"]
    assert explorer.notes["demonstration"].value == explorer.trouble.value == ""
    assert explorer.responses.value == explorer.words.value == "", "no answers of another question"
    assert explorer.image.layout.visibility == "hidden"
    explorer.demonstration.value = "<b>well</b> it is olga"
    assert "“&lt;b&gt;well&lt;/b&gt;”" in explorer.notes["demonstration"].value
    explorer.question.value, explorer.demonstration.value = "who keeps the red key ?", ""
    assert all(note.value == "" for note in explorer.notes.values())
    assert explorer.image.layout.visibility == "visible" and "student" in explorer.responses.value


def test_a_prompt_that_is_too_long_is_told_above_the_picture(explorer):
    explorer.demonstration.value = "so " * 120
    assert "room for 88" in explorer.trouble.value and explorer.responses.value == ""
    children = explorer.root.children
    assert children.index(explorer.trouble) < children.index(explorer.image)
    explorer.demonstration.value = "so"
    assert explorer.trouble.value == "" and explorer.responses.value != ""


def test_capitals_and_missing_spaces_are_accepted_and_it_is_shown_what_was_asked(explorer):
    explorer.question.value = "who keeps the red key ?"
    explorer.demonstration.value = "well , it is olga"
    before = explorer.responses.value
    assert all(note.value == "" for note in explorer.notes.values())
    explorer.question.value = "Who keeps the red key?"
    explorer.demonstration.value = "Well, it is olga"
    assert explorer.responses.value == before and explorer.trouble.value == ""
    assert "asked as: <b>who keeps the red key ?</b>" in explorer.notes["question"].value
    assert "asked as: <b>well , it is olga</b>" in explorer.notes["demonstration"].value
    assert explorer.asked()["question"] == "who keeps the red key ?"


def test_the_position_stays_inside_the_response_and_moves_the_bars(explorer):
    explorer.skill.value = "working-new"
    length = explorer.position.max
    explorer.position.value = length
    explorer.skill.value = "facts-new"
    assert explorer.position.max < length and explorer.position.value <= explorer.position.max
    explorer.position.value = 1
    first = explorer.words.value
    explorer.position.value = 4
    assert explorer.words.value != first and "After “" in explorer.words.value


def test_figure_and_table_have_the_numbers_of_the_comparison(explorer):
    result, table = explorer.comparison(), explorer.table()
    assert list(table["token"]) == result.words
    np.testing.assert_allclose(table["divergence (nats)"], result.loss, atol=0.006)
    assert table.index[0] == 1 and table["teacher"].iloc[-1].startswith("</s>")
    words = alt_text(explorer.figure())
    assert f"{result.loss.sum():.2f} nats in all" in words
    assert explorer.snapshot().table.equals(table)


def test_compare_equals_logits_of_whole_sequences(loaded):
    model, tokenizer = loaded
    result = compare(model, model, tokenizer, "who keeps the red key ?", "so ada", along="student")
    ids = tokenizer("<s> E: so ada Q: who keeps the red key ? A:", return_tensors="pt",
                    add_special_tokens=False)["input_ids"]
    printed = torch.tensor([tokenizer.convert_tokens_to_ids(result.words)])
    with torch.no_grad():
        logits = model(torch.cat([ids, printed], 1)).logits[0, ids.shape[1] - 1:-1]
    np.testing.assert_allclose(result.teacher, logits.softmax(-1), atol=1e-5)
    np.testing.assert_allclose(result.teacher.sum(1), 1, atol=1e-5)
    assert (result.loss > -1e-6).all()


def test_the_loss_of_a_sampled_token_is_the_divergence_after_both_prompts(loaded):
    model, tokenizer = loaded
    item = load_skill("facts-new", "test")[1]
    asked = model, model, tokenizer, item.prompt
    result = compare(*asked, item.demonstration, along="sample", seed=5)
    alone = make_prompt(tokenizer, item.prompt)
    printed = sample(model, tokenizer, [alone], temperature=1.0,
                  rng=torch.Generator().manual_seed(5))
    assert result.words == tokenizer.convert_ids_to_tokens(printed.ids[0].tolist())
    logits = []
    for prompt in (alone, make_prompt(tokenizer, item.prompt, demonstration=item.demonstration)):
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits.append(model(torch.cat([ids, printed.ids], 1)).logits[0, ids.shape[1] - 1:-1])
    for direction in DIRECTIONS:
        again = compare(*asked, item.demonstration, along="sample", direction=direction, seed=5)
        np.testing.assert_allclose(again.loss, divergence(*logits, direction), atol=1e-4)
    assert compare(*asked, along="sample").loss.max() == 0, "equal prompts"
    assert compare(*asked, item.demonstration).answers["student"] == (
        sample(model, tokenizer, [alone]).texts[0])


def test_every_control_of_several_students_changes_what_is_shown(loaded):
    model, tokenizer = loaded
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.lm_head.weight.mul_(0.5)
    widget = TeacherExplorer(model, tokenizer, {"facts-new": load_skill("facts-new", "test")[:4]},
                             {"before": model, "other": other})
    widget.redraw()
    seen = [widget.table().to_string()]
    for control, value in (("item", 2), ("direction", "reverse"), ("context", "nothing"),
                           ("context", "another item's demonstration"), ("seed", 3),
                           ("student", "other")):
        getattr(widget, control).value = value
        assert widget.trouble.value == ""
        seen.append(widget.table().to_string())
    assert len(set(seen)) == len(seen)
    before = widget.image.value
    widget.position.value = widget.position.max
    assert widget.image.value != before and widget.position.max == len(widget.table())
    assert "</s>" not in widget.announcement.value, "tokens are escaped"
    assert "student (sample 3)" in widget.responses.value
    title = widget.figure().axes[0].get_title()
    assert title == "Other: sample of the student, coloured by KL(student || teacher), nats"


def test_with_one_student_there_is_nothing_to_sample(explorer):
    assert "sample of the student" not in explorer.along.options
    shown = {control for line in explorer.root.children if hasattr(line, "children")
             for control in line.children}
    assert explorer.seed not in shown and explorer.direction not in shown


@pytest.mark.parametrize("skills, students", [({}, None), ({"facts-new": []}, None),
                                              (None, {})])
def test_nothing_to_ask_or_nobody_to_ask_is_refused(skills, students, loaded):
    with pytest.raises(ConfigError, match="at least one student and one skill"):
        TeacherExplorer(*loaded, {"a": load_skill("facts-new", "test")[:1]} if skills is None
                        else skills, students)


def test_figures_say_what_they_show():
    ax = Figure().subplots()
    plot_token_kl(["the", "answer", "ada"], [0.01, 0.0, 3.5], ax, index=2)
    assert "Largest values: 3.50 at ada" in ax.get_label()
    assert "3.51 nats in all" in ax.get_label()
    axes = Figure().subplots(1, 2)
    plot_next_token("the answer is", {"student": {"ada": 0.6, "ben": 0.3},
                                      "teacher": {"cleo": 0.99}}, axes)
    assert "After “the answer is” the student would say: ada 60 %, ben 30 %." == axes[0].get_label()
    assert "teacher would say: cleo 99 %" in axes[1].get_label()
    ax = Figure().subplots()
    plot_rates({"none": {"facts": {"rate": 0.02, "low": 0.0, "high": 0.1}},
                "own": {"facts": {"rate": 0.99, "low": 0.9, "high": 1.0},
                        "tools": {"rate": 0.5, "low": 0.4, "high": 0.6}}}, ax, "Rates")
    assert "none: facts 2 %" in ax.get_label() and "own: facts 99 %, tools 50 %" in ax.get_label()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["facts", "tools"]


def colours(kl):
    """The colours of the tokens, and the labels of the scale beside them."""
    ax = Figure().subplots()
    plot_token_kl(["so"] * len(kl), kl, ax)
    image, scale = ax.images[0], ax.figure.axes[1]
    return ([tuple(image.to_rgba(value)) for value in image.get_array()[0]],
            [label.get_text() for label in scale.get_yticklabels()])


def test_a_kl_has_the_same_colour_in_every_response():
    small, scale = colours([0.0, 1.97])
    large, other_scale = colours([1.97, 3.0, 14.44, 40.0])
    assert small[1] == large[0] and scale == other_scale == ["0", "2", "4 nats\nor more"]
    lightness = [sum(colour[:3]) for colour in (small[0], *large[:3])]
    assert lightness == sorted(lightness, reverse=True), "a larger KL is darker"
    assert len(set(lightness)) == 4 and large[2] == large[3], "beyond the scale one colour"
