"""Composition on intents: the script's measures, its streams, and the record that it made."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from intents_transfer import EARLIER, FEW, TRANSFERS, Transfer, copy_last
from study_intents import METHODS, SETUPS, SMALL, VIEWS, Judge, together, trained

from workbench.config import RunConfig
from workbench.measure.intervals import seed_interval
from workbench.runs.experiment import run
from workbench.runs.studies import RESULTS
from workbench.tasks.utterances import make_utterance_stream


@pytest.fixture(scope="module")
def record():
    return json.loads((RESULTS / "composed_intents.json").read_text())


def test_the_script_measures_what_a_run_records(monkeypatch):
    setup = "embeddings, 4 tasks"
    monkeypatch.setitem(SETUPS, setup, SETUPS[setup] | {"steps": 4, "tasks": 2})
    model, _ = trained(setup, "composed", 3e-3, (0, 1))
    options = {"clusters": 5, "covariance": "tied", "shrinkage": 0.3, **METHODS["composed"][1]}
    config = RunConfig(stream="intents", tasks=2, learner="composed", seeds=(0, 1), steps=4,
                       lr=3e-3)
    for view, head in (("adapted", "global"), ("shared", "task")):
        theirs = run(replace(config, options=options | {"features": view, "head": head})).retrieval
        for i in range(2):
            judge = Judge(model, make_utterance_stream(tasks=2), i, "test")
            own = judge.measured(view, 5, 0.3, head)
            for name in ("accuracy", "oracle", "retrieval"):
                assert own[name] == pytest.approx(np.mean(theirs[name][i])), (view, name)


def test_the_joint_stream_has_all_messages_in_one_task():
    stream = make_utterance_stream(tasks=3)
    joint = together(stream)
    assert len(joint) == 1 and joint.tasks[0].classes == tuple(range(15))
    for part in ("train", "validation", "test"):
        own = [getattr(task, part) for task in stream.tasks]
        everything = getattr(joint.tasks[0], part)
        assert everything.x.equal(torch.cat([one.x for one in own]))
        assert everything.y.equal(torch.cat([one.y for one in own]))


def test_only_what_the_earlier_task_shares_differs_between_the_streams():
    streams = {earlier: Transfer("embeddings", (0, 1), earlier) for earlier in EARLIER}
    texts = streams["nothing"].utterances
    for earlier, stream in streams.items():
        assert all(part.x.equal(streams["nothing"].train[few].x)
                   for few, part in stream.train.items())
        assert (stream.steps == 0) == (earlier == "nothing")
        for net in range(16):
            later = {texts[i].label for i in stream.train[5].x[net]}
            before = {texts[i].label for i in stream.earlier.x[net]}
            domains = {texts[i].task for i in [*stream.train[5].x[net], *stream.earlier.x[net]]}
            assert len(later) == 3
            if earlier in ("same intents", "same domain"):
                assert len(domains) == 1 and (before == later) == (earlier == "same intents")
            elif earlier == "another domain":
                assert len(domains) == 2 and len(before) == 2
            assert {*stream.earlier.x[net].tolist()}.isdisjoint(stream.train[10].x[net].tolist())
            assert {texts[i].split for i in stream.asked["test"].x[net]} == {"test"}
            assert {texts[i].label for i in stream.asked["test"].x[net]} == later


def test_a_warm_start_has_the_earlier_update_and_head_only_none():
    stream = Transfer("embeddings", (0,), "same domain")
    state = stream.before()
    learner = stream.learner("warm start", state)
    learner.model.add_adapters()
    copy_last(learner.model)
    x = torch.arange(8)[:, None].expand(8, 3)
    for i in range(2):
        first, second = learner.model.modules(i)
        rows = learner.model.rows(x[i])
        torch.testing.assert_close(first(rows), second(rows))
        assert not torch.allclose(first(rows), rows)
    alone = stream.learner("head only", state)
    alone.model.add_adapters()
    stream.learn(alone, stream.train[5], 1e-2, 3, 15, head_only=True)
    module = alone.model.modules(0)[1]
    torch.testing.assert_close(module(rows), rows)


def test_the_record_is_complete_and_names_how_it_was_made(record):
    assert record["made by"]["command"] == "python scripts/study_intents.py"
    assert set(record["made by"]["environment"]) >= {"python", "git"}
    keys = {f"{setup}: {method}" for setup in SETUPS
            for method in (METHODS if "8" in setup else SMALL)}
    keys |= {f"transfer, {name}: {earlier}" for name in TRANSFERS for earlier in EARLIER}
    keys |= {f"classifiers, {n} tasks" for n in (4, 8)}
    assert set(record) == keys | {"made by"}


@pytest.mark.parametrize("setup", SETUPS)
def test_settings_are_the_best_of_an_equal_number_on_validation(record, setup):
    for method in METHODS if "8" in setup else SMALL:
        own = record[f"{setup}: {method}"]
        best = max(own["validation"], key=own["validation"].get).split()
        assert own["rate"] == float(best[0])
        if method == "joint":
            assert len(own["validation"]) == len(SETUPS[setup]["rates"])
            continue
        assert len(own["validation"]) == 16 * len(SETUPS[setup]["rates"])
        assert own["view"] == best[1] in VIEWS
        for view in VIEWS:
            one = own[f"{view}, global"]
            right = (np.array(one["retrieval"]) * one["class_if_task_right"]
                     + (1 - np.array(one["retrieval"])) * one["class_if_task_wrong"])
            np.testing.assert_allclose(right, one["accuracy"])
            assert len(right) == len(SETUPS[setup]["seeds"])
        if method == "composed":
            assert max(own["cosines"]) < 0.1, "the penalty keeps new parts apart"


def gain(record, backbone, earlier, start, few, place):
    """Points over no reuse, by domain."""
    own, none = (np.array(record[f"transfer, {backbone}: {name}"][f"{one}, {few}"]["accuracy"])
                 for name, one in ((earlier, start), ("nothing", "no reuse")))
    assert own.shape == none.shape
    return 100 * (own - none)[place].mean(0)


def test_the_positive_control_shows_transfer_and_a_shared_domain_does_not(record):
    assert list(record["transfer, embeddings: same domain"]["reuse, 5"]) == [
        "rate", "validation", "accuracy"]
    for few in FEW:
        for start in ("warm start", "reuse"):
            assert seed_interval(gain(record, "embeddings", "same intents", start, few, 2))[0] > 0
        shared, foreign = (gain(record, "embeddings", earlier, "reuse", few, 2)
                           for earlier in ("same domain", "another domain"))
        low, high = seed_interval(shared - foreign)
        assert low < 0 < high, "sharing a domain is worth nothing"
        assert abs(shared.mean()) < 1


def test_reuse_is_nowhere_shown_to_be_better_than_separate_adapters(record):
    for setup in SETUPS:
        adapters = record[f"{setup}: adapters"]
        for method in ("composed", "composed, not orthogonal"):
            for view in VIEWS:
                own = record[f"{setup}: {method}"][f"{view}, global"]["accuracy"]
                difference = np.subtract(own, adapters[f"{view}, global"]["accuracy"])
                assert seed_interval(difference)[0] < 0, (setup, method, view)
