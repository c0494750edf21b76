"""What a model is asked with each sort of context, and how the answers are counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.measure.completions import CONTEXTS, complete, partners, prompts_for
from workbench.models.sizes import make_model
from workbench.pretraining.tokenizer import vocabulary
from workbench.tasks import NEW_SKILLS, SCORERS, make_skill
from workbench.tasks.village.styles import FILLER, content_of, kind_of


def items_of(skill, split="test"):
    return [item for item in make_skill(skill) if item.split == split]


@pytest.mark.parametrize("skill", NEW_SKILLS)
def test_partners_have_another_answer_and_share_as_little_of_it_as_any(skill):
    items = items_of(skill)
    for item, partner in zip(items, partners(items), strict=True):
        assert partner.answer != item.answer
    if skill == "tools-new":
        functions = [(i.answer.split()[1], p.answer.split()[1])
                     for i, p in zip(items, partners(items), strict=True)]
        assert all(a != b for a, b in functions), "the same call with another room tells half"


def test_without_two_different_answers_there_are_no_partners():
    item = items_of("facts-new")[0]
    with pytest.raises(ConfigError, match="no partner with another answer"):
        partners([item, replace(item, id="x", prompt="y")])


def test_each_help_puts_into_the_prompt_what_it_says(tokenizer):
    items = items_of("articles-new")
    prompts = {context: prompts_for(tokenizer, items, context) for context in CONTEXTS}
    for i, item in enumerate(items):
        asked = f"Q: {item.prompt} A:"
        assert prompts["none"][i] == f"<s> {asked}"
        assert prompts["own"][i] == f"<s> E: {item.demonstration} {asked}"
        assert prompts["article"][i] == f"<s> N: {item.article} {asked}"
        assert prompts["article+own"][i] == (
            f"<s> N: {item.article} E: {item.demonstration} {asked}")
        filler = prompts["random"][i].split(" Q: ")[0].removeprefix("<s> E: ").split()
        assert len(filler) == len(item.demonstration.split()) and set(filler) <= set(FILLER)
        shown = prompts["other"][i].split(" Q: ")[0]
        assert content_of(shown, kind_of(partners(items)[i].answer)) != item.answer


@pytest.mark.parametrize("field", ["prompt", "answer", "demonstration", "article"])
@pytest.mark.parametrize("token", ["</s>", "<unk>", "<pad>"])
def test_special_tokens_inside_an_item_are_refused_with_its_id_and_field(tokenizer, field, token):
    items = items_of("articles-new")[:3]
    items[1] = replace(items[1], **{field: f"{getattr(items[1], field)} x{token} x"})
    with pytest.raises(DataError, match=f"item '{items[1].id}' of articles-new: the "
                                        f"field '{field}' contains '{token}', a special token"):
        prompts_for(tokenizer, items)
    prompts_for(tokenizer, [items[0], items[2]])


def test_random_help_is_the_same_at_each_call(tokenizer):
    items = items_of("facts-new")
    assert prompts_for(tokenizer, items, "random") == prompts_for(tokenizer, items, "random")


def test_filler_has_no_word_of_the_answer(tokenizer):
    item = replace(items_of("facts-new")[0], answer="well so", scorer="exact",
                   demonstration="well so " * 200)
    words = prompts_for(tokenizer, [item], "random")[0].split(" Q: ")[0].split()[2:]
    assert len(words) == 400 and not {"well", "so"} & set(words)


def test_the_courses_models_know_the_filler_of_every_scorer():
    for scorer in SCORERS.values():
        assert len(scorer.filler) > 20 and set(scorer.filler) <= set(vocabulary())


def test_what_the_scorers_do_not_know_is_left_out_of_the_rates(tokenizer):
    model = make_model("nano", len(vocabulary()), 0).eval()
    items = items_of("working-new")[:4]
    assert set(complete(model, tokenizer, items, max_new_tokens=4).summary()) == {
        "n", "right", "own_style", "working"}
    facts = items_of("facts-new")[:4]
    assert set(complete(model, tokenizer, facts, max_new_tokens=4).summary()) == {
        "n", "right", "own_style"}
    items[2] = replace(items[2], scorer="contains")
    mixed = complete(model, tokenizer, items, max_new_tokens=4)
    assert set(mixed.summary()) == {"n", "right"} and mixed.own_style is mixed.working is None


def test_unknown_help_and_missing_articles_are_refused(tokenizer):
    with pytest.raises(UnknownNameError, match="unknown context 'hint'; known: article, article"):
        prompts_for(tokenizer, items_of("facts-new"), "hint")
    with pytest.raises(ConfigError, match="needs items with an article"):
        prompts_for(tokenizer, items_of("facts-new"), "article")


def test_answers_are_counted_with_intervals(tokenizer):
    model = make_model("nano", len(vocabulary()), 0).eval()
    items = items_of("facts-new")
    result = complete(model, tokenizer, items, max_new_tokens=4)
    rates = result.summary()
    assert rates["n"] == len(items) and rates["right"]["rate"] == result.accuracy == 0
    assert rates["right"]["low"] == 0 < rates["right"]["high"] < 0.1
    with pytest.raises(ConfigError, match="no items"):
        complete(model, tokenizer, [])
