"""What of its skills a model has kept."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from workbench.errors import UndefinedMetricError
from workbench.measure.comparison import perplexity, retention


def test_what_is_kept_is_relative_to_what_was_known():
    assert retention([1, 0.5, 0], [0.5, 0.5, 0.9]) == pytest.approx(0.75)
    assert retention([0.8], [[0.8], [0.4]]).tolist() == [1, 0.5]
    with pytest.raises(UndefinedMetricError, match="needs an old skill that was known"):
        retention([0, 0], [1, 1])
    with pytest.raises(UndefinedMetricError, match="known before: no old skills were tested"):
        retention([], [])


def test_perplexity_is_the_exponential_of_the_mean_loss_and_at_most_the_vocabulary_if_flat(
        model, tokenizer):
    text = " ".join(["who keeps the red key ? the answer is ada ."] * 4)
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    end = torch.tensor([[tokenizer.eos_token_id]])
    total = 0.0
    for part in (ids[:, :24], ids[:, 24:]):
        with torch.no_grad():
            logits = model(torch.cat([end, part], 1)).logits[:, :-1]
        total -= float(logits.log_softmax(-1).gather(-1, part[..., None]).sum())
    expected = math.exp(total / ids.shape[1])
    assert perplexity(model, tokenizer, text, window=24) == pytest.approx(expected, rel=1e-5)
    flat = copy.deepcopy(model)
    with torch.no_grad():
        flat.lm_head.weight.zero_()
    assert perplexity(flat, tokenizer, text) == pytest.approx(len(tokenizer), rel=1e-4)
