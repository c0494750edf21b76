"""The gate: what it measures, and that it lets nothing through that it could not measure."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from workbench.errors import GateError
from workbench.losses import kl_per_token
from workbench.measure.completions import complete
from workbench.measure.gate import (
    FEWEST,
    GateReport,
    copies_wrapping,
    distance,
    gate,
    judge,
    require,
)
from workbench.models import load_causal_lm, make_prompt
from workbench.models.encoding import encode_responses
from workbench.models.sizes import CONTEXT, make_model
from workbench.pretraining.tokenizer import make_tokenizer, vocabulary
from workbench.tasks import Item, load_skill


def rates(rate, low=None, high=None):
    return {"right": {"rate": rate, "low": rate if low is None else low,
                      "high": rate if high is None else high}, "own_style": {"rate": 1.0}}


GOOD = {"context": {"none": rates(0.05, 0.02, 0.1), "own": rates(0.98, 0.92, 1.0),
                 "other": rates(0.03, 0.0, 0.1)}, "helped": "own",
        "teacher_kl": {"per_token": 0.5, "per_response": 3.0},
        "target_kl": {"per_token": 4.0, "per_response": 60.0},
        "artefacts": {"foreign_style": 0.0, "copied": 0.0}, "n": 96}


def passed(**changes):
    return all(condition.holds for condition in judge(**(GOOD | changes)))


def test_a_good_teacher_passes():
    assert passed()
    assert len(judge(**GOOD)) == 6


def test_an_article_cannot_stand_in_for_reading_the_demonstration():
    shown = GOOD["context"] | {"own": rates(0.05, 0.02, 0.1), "article+own": rates(0.99, 0.95, 1.0)}
    assert not passed(context=shown, helped="article+own")


def helped(**changes):
    return GOOD["context"] | changes


@pytest.mark.parametrize("changes", [
    {"n": FEWEST - 1},
    {"context": helped(none=rates(0.95, 0.9, 0.99))},
    {"context": helped(own=rates(0.7, 0.6, 0.8))},
    {"context": helped(own=rates(math.nan))},
    {"context": helped(none=rates(math.nan))},
    {"context": helped(other=rates(0.9, 0.85, 0.95))},
    {"context": helped(other=rates(math.nan))},
    {"teacher_kl": {"per_token": 9.0, "per_response": 70.0}},
    {"teacher_kl": {"per_token": math.nan, "per_response": math.nan}},
    {"target_kl": {"per_token": math.nan, "per_response": math.nan}},
    {"artefacts": {"foreign_style": 0.2, "copied": 0.2}},
    {"artefacts": {"foreign_style": 0.0, "copied": math.nan}},
], ids=str)
def test_each_condition_can_fail_alone_and_nan_fails_it(changes):
    assert not passed(**changes)


def report(conditions):
    return GateReport("m", "facts-new", 96, GOOD["context"], GOOD["teacher_kl"], GOOD["target_kl"],
                      GOOD["artefacts"], conditions)


def test_a_failed_gate_is_refused_or_labelled_and_an_empty_one_fails():
    good = report(judge(**GOOD))
    assert good.passed and require(good) == "gate passed"
    bad = report(judge(**(GOOD | {"n": 3})))
    with pytest.raises(GateError, match=r"m cannot be its own teacher on facts-new[.] Conditions "
                                        r"that fail: \(1\) at least 20 items were measured: 3"):
        require(bad)
    assert require(bad, force=True) == "gate not passed, forced"
    assert not report([]).passed
    with pytest.raises(GateError, match="nothing was measured"):
        require(report([]))
    assert "NOT passed" in str(bad) and "[FAILS] at least 20 items" in str(bad)
    assert json.loads(bad.to_json())["passed"] is False


def item(demonstration, answer="ada", article=""):
    return Item("x", "facts", "facts-new", "train", "who keeps the red key ?", answer,
                demonstration, article)


def test_copying_from_the_article_counts_too():
    shown = item("so ada", article="the storm broke the mill . ada mended it with clay .")
    assert copies_wrapping("ada mended it with clay .", shown)
    assert not copies_wrapping("the answer is ada .", shown)


def test_words_that_the_question_has_too_are_not_copied_from_the_demonstration():
    one = dataclasses.replace(item("ada runs the mill in Oldmere, as we say", "ada"),
                              prompt="Who runs the mill in Oldmere?")
    assert not copies_wrapping("The one who runs the mill in Oldmere is Ada.", one)
    assert copies_wrapping("The mill in Oldmere, as we say.", one)


@pytest.mark.parametrize(("response", "copied"), [
    ("the answer is ada .", False), ("my old friend it is ada", True),
    ("old friend ada", False), ("friend it is ada", True), ("ada as all the village", True)])
def test_copying_is_three_words_in_a_row_of_the_wrapping(response, copied):
    assert copies_wrapping(response, item("my old friend it is ada as all the village")) is copied


def test_a_long_answer_that_is_read_off_is_no_copying():
    shown = item("hear this call f3 ( attic ) and all is well", "call f3 ( attic )")
    assert not copies_wrapping("the answer is call f3 ( attic ) .", shown)


def test_copying_does_not_depend_on_spaces_nor_on_the_case_of_the_answer():
    assert copies_wrapping(" my  old\nfriend ada", item("my old friend it is ada"))
    assert copies_wrapping("My, old friend. Ada", item("My old friend: ada"))
    assert not copies_wrapping("New York City it is", item("new york city", "New York City"))
    assert not copies_wrapping("say new york city", item("new york city", "New York City"))


@pytest.fixture(scope="module")
def untrained():
    return make_model("nano", len(vocabulary()), 3).eval(), make_tokenizer()


def test_drifts_equal_sums_by_hand(untrained):
    model, tokenizer = untrained
    items = load_skill("facts-new", "train")[:5]
    teacher = complete(model, tokenizer, items, "own", max_new_tokens=6)
    alone = complete(model, tokenizer, items, max_new_tokens=6).samples
    result = distance(model, alone, teacher.samples.ids, teacher.samples.mask, teacher.samples)
    by_token, nll, tokens, targets = 0.0, 0.0, 0, 0
    with torch.no_grad():
        for row, each in enumerate(items):
            printed = teacher.samples.ids[row][teacher.samples.mask[row].bool()]
            logits = []
            for demonstration in (each.demonstration, ""):
                prompt = tokenizer(make_prompt(tokenizer, each.prompt, demonstration=demonstration),
                                   return_tensors="pt", add_special_tokens=False)["input_ids"]
                whole = torch.cat([prompt, printed[None]], 1)
                logits.append(model(whole).logits[0, prompt.shape[1] - 1:-1])
            by_token += float(kl_per_token(*logits).sum())
            tokens += len(printed)
            target = tokenizer(f"{each.demonstration} </s>", return_tensors="pt",
                               add_special_tokens=False)["input_ids"]
            whole = torch.cat([prompt, target], 1)  # the prompt without context comes last
            log_p = model(whole).logits[0, prompt.shape[1] - 1:-1].log_softmax(-1)
            nll -= float(log_p.gather(1, target[0, :, None]).sum())
            targets += target.shape[1]
    assert result["per_token"] == pytest.approx(by_token / tokens, rel=1e-3)
    assert result["per_response"] == pytest.approx(by_token / 5, rel=1e-3)
    aim = distance(model, alone, *encode_responses(
        tokenizer, [each.demonstration for each in items], CONTEXT))
    assert aim["per_response"] == pytest.approx(nll / 5, rel=1e-4)
    assert aim["per_token"] == pytest.approx(nll / targets, rel=1e-4)


def test_an_untrained_model_does_not_pass(untrained):
    result = gate(*untrained, load_skill("facts-new", "train")[:24], name="untrained")
    assert not result.passed
    assert {c.holds for c in result.conditions} == {True, False}
    assert json.loads(result.to_json())["context"]["own"]["right"]["rate"] == 0


@pytest.mark.parametrize(("name", "passes"), [("tiny", True), ("nano", False)])
def test_the_tiny_model_passes_and_the_nano_model_does_not(name, passes):
    result = gate(*load_causal_lm(name), load_skill("facts-new", "train")[:48], name=name)
    assert result.passed is passes
    assert result.context["none"]["right"]["rate"] < 0.2
