"""Verdicts: printed if they hold, raised if not, and refused if neither can be told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.course import verdict
from workbench.errors import ConfigError, VerdictError


@pytest.mark.parametrize("holds", [True, np.bool_(True), np.float32(2) > 1, np.ones(3).all(),
                                   np.array(True), torch.ones(3).all()])
def test_a_claim_that_holds_is_printed(holds, capsys):
    assert verdict("it forgot.", holds) is None
    assert capsys.readouterr().out == "Verdict: it forgot.\n"


@pytest.mark.parametrize("holds", [False, np.bool_(False), np.float32(2) < 1,
                                   torch.zeros(3).any()])
def test_a_claim_that_does_not_hold_is_raised_with_its_sentence(holds, capsys):
    with pytest.raises(VerdictError, match="This does not hold here: it forgot[.]") as caught:
        verdict("it forgot.", holds)
    assert isinstance(caught.value, AssertionError)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("holds", [None, float("nan"), np.nan, np.float64(1), 1, 0, "True", [],
                                   [True], np.array([True, True]), np.array([True]),
                                   torch.tensor([True, False]), torch.tensor(1.0)], ids=repr)
def test_what_is_no_truth_value_is_refused_with_the_sentence(holds, capsys):
    with pytest.raises(ConfigError, match="True or False, not .*for: it forgot[.]"):
        verdict("it forgot.", holds)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("sentence", [True, "", " ", None])
def test_the_sentence_comes_first(sentence):
    with pytest.raises(ConfigError, match="begins with its sentence"):
        verdict(sentence, True)


def test_a_long_sentence_is_printed_on_lines_of_at_most_100_characters(capsys):
    verdict("word " * 60 + "end.", True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3 and max(map(len, lines)) <= 100 and lines[-1].endswith("end.")
