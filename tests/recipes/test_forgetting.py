"""Two tasks: fine-tuning forgets the first, and methods that keep examples do not."""

from __future__ import annotations

import pytest

from workbench.config import RunConfig
from workbench.runs.experiment import run


def two_tasks(learner, scenario="class", **changes):
    config = RunConfig(learner=learner, scenario=scenario, seeds=(0, 1, 2), tasks=2, **changes)
    return run(config).accuracy  # (seeds, trained through, tested on)


def test_fine_tuning_learns_each_task_and_forgets_the_first_altogether():
    R = two_tasks("finetune")
    assert (R[:, 0, 0] > 0.97).all()
    assert (R[:, 1, 1] > 0.95).all()
    assert (R[:, 1, 0] < 0.02).all()


@pytest.mark.parametrize("learner", ["joint", "replay", "derpp"])
def test_keeping_examples_keeps_both_tasks(learner):
    R = two_tasks(learner)
    assert (R[:, 0, 0] > 0.97).all()
    assert (R[:, 1] > (0.93 if learner == "joint" else 0.85)).all()


@pytest.mark.parametrize("learner", ["finetune", "ewc", "si", "lwf", "replay"])
def test_told_the_task_hardly_anything_is_forgotten(learner):
    assert (two_tasks(learner, "task")[:, 1] > 0.9).all()


def test_no_learning_no_forgetting():
    # Negative control: with a vanishing learning rate both tasks stay at chance.
    R = two_tasks("finetune", "domain", lr=1e-9)
    assert abs(R[:, 1, 0] - R[:, 0, 0]).max() < 0.02
    assert abs(R.mean() - 0.5) < 0.2
