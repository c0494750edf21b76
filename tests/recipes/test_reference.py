"""Accuracies at the end of whole streams lie in the bands measured for them (mean of 3 seeds)."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.config import RunConfig
from workbench.runs.experiment import run

# stream, scenario, learner, options, lowest and highest accuracy after the last task in percent
BANDS = [
    ("split-digits", "class", "finetune", {}, 19, 21),
    ("split-digits", "class", "ewc", {}, 0, 22),
    ("split-digits", "class", "si", {}, 0, 22),
    ("split-digits", "class", "lwf", {}, 0, 22),
    ("split-digits", "class", "replay", {"per_class": 10}, 88, 100),
    ("split-digits", "class", "joint", {}, 94, 100),
    ("split-digits", "domain", "finetune", {}, 80, 86),
    ("permuted-digits", "domain", "finetune", {}, 42, 62),
    ("permuted-digits", "domain", "ewc", {"strength": 100.0}, 58, 100),
    ("permuted-digits", "domain", "replay", {}, 84, 100),
]


@pytest.mark.parametrize("stream, scenario, learner, options, low, high", BANDS,
                         ids=str)
def test_final_accuracy_is_in_its_band(stream, scenario, learner, options, low, high):
    record = run(RunConfig(stream=stream, scenario=scenario, learner=learner, options=options,
                           seeds=(0, 1, 2)))
    final = 100 * record.matrix().average_accuracy()
    assert low <= final.mean() <= high, f"seeds: {final}"
    if scenario == "class":
        # Every method but a broken one has learned the task it has just been trained on.
        assert np.diagonal(record.accuracy, axis1=1, axis2=2).mean() > 0.85
