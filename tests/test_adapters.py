"""Adapters on a backbone: nothing old changes, one call is a loop, runs are resumed bit for bit."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import PeftModel

from workbench.cli import call
from workbench.cli.tables import print_record
from workbench.config import RunConfig
from workbench.errors import ConfigError, DataError, ModelError, RecordError, UnknownNameError
from workbench.learners import Adapters, fit, make_optimizer
from workbench.learners.routing import RETRIEVERS
from workbench.models.adapted import BASE, AdaptedBackbones
from workbench.models.adapters import add_adapter
from workbench.models.backbones import load_backbone
from workbench.runs.evaluation import measure_retrieval
from workbench.runs.experiment import load_adapters, make_learner, resume, run, stream_of
from workbench.tasks import make_stream

DIGITS = RunConfig(stream="digits-tasks", learner="adapters", seeds=(0, 1), steps=60, lr=3e-3)
SMALL = replace(DIGITS, tasks=2, steps=6, checkpoint_every=2)
TEXTS = ["my card is gone", "book me a train to Rome please", "wifi down again"]


@pytest.fixture(scope="module")
def learned():
    """A learner, and the logits of each adapter as they were when its task was over."""
    stream = stream_of(DIGITS)
    learner = make_learner(DIGITS, stream)
    before = []
    for task in stream.tasks:
        learner.begin(task)
        for _ in fit(learner, task, make_optimizer(learner, 3e-3), steps=60, batch_size=32):
            pass
        learner.end(task)
        before.append([logits_of(learner, task.index, i) for i in range(2)])
    return stream, learner, before


def logits_of(learner, k, i):
    """The logits of one adapter and its head on the first test images of the stream."""
    x = make_stream("digits-tasks", tasks=3).tasks[0].test.x[:20]
    with torch.no_grad():
        features = learner.model.with_adapter(learner.model.adapters[k][i])(x)
        return learner.model.head(features, k, i).clone()


def test_learning_later_tasks_changes_no_bit_of_earlier_adapters_and_heads(learned):
    _, learner, before = learned
    for k, of_task in enumerate(before):
        for i, logits in enumerate(of_task):
            assert torch.equal(logits_of(learner, k, i), logits)
    assert not torch.equal(before[0][0], before[1][0])


@pytest.mark.parametrize("name", ["digits", "tiny"])
def test_features_under_all_adapters_in_one_call_are_those_of_a_loop(name):
    backbone = load_backbone(name)
    x = (torch.randn(7, 64, generator=torch.Generator().manual_seed(0)) if name == "digits" else
         backbone.encode(TEXTS))
    model = AdaptedBackbones(backbone, (0, 1), 4, 3)
    model.add_adapters()
    names = [n for pair in model.adapters for n in pair]
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():  # a fresh adapter changes nothing
        for adapter in names:
            for p in model.with_adapter(adapter).parameters():
                p.copy_(torch.randn(p.shape, generator=rng) / 4)
        loop = torch.stack([model.with_adapter(n)(x) for n in (None, *names)], 1)
    together = model.features(x, [BASE, *names])
    torch.testing.assert_close(together, loop, rtol=1e-4, atol=1e-5)
    assert float((loop[:, 0] - loop[:, 1]).abs().max()) > 0.1
    own = model.mixed(x[:3], [names[2], BASE, names[0]])
    torch.testing.assert_close(own, torch.stack([loop[0, 3], loop[1, 0], loop[2, 1]]),
                               rtol=1e-4, atol=1e-5)


def test_a_fresh_adapter_leaves_the_features_as_they_are():
    model = AdaptedBackbones(load_backbone("digits"), (0,), 4, 3)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.features(x, [BASE])[:, 0], load_backbone("digits")(x))
    torch.testing.assert_close(model.features(x, [BASE])[:, 0],
                               model.features(x, model.adapters[0])[:, 0])


def test_a_saved_adapter_is_read_by_peft_and_by_us_and_refused_on_another_base(learned, tmp_path):
    _, learner, _ = learned
    model = learner.model
    model.with_adapter(model.adapters[1][0]).write(tmp_path / "one")
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    expected = model.features(x, [model.adapters[1][0]])[:, 0]
    theirs = PeftModel.from_pretrained(load_backbone("digits"), tmp_path / "one")
    torch.testing.assert_close(theirs(x), expected)
    fresh = AdaptedBackbones(load_backbone("digits"), (5,), 4, 4)
    fresh.load_adapter(tmp_path / "one", 0, 0)
    torch.testing.assert_close(fresh.features(x, fresh.adapters[0])[:, 0], expected)
    with pytest.raises(ModelError, match="has other tensors than an adapter of rank 2"):
        AdaptedBackbones(load_backbone("digits"), (5,), 4, 2).load_adapter(tmp_path / "one", 0, 0)
    with pytest.raises(ModelError, match="an adapter of 'digits', not of 'tiny'"):
        AdaptedBackbones(load_backbone("tiny"), (5,), 4, 4).load_adapter(tmp_path / "one", 0, 0)


def test_accuracy_is_what_its_three_parts_say_and_the_oracle_is_better(learned):
    stream, learner, _ = learned
    result = {k: np.array(v, dtype=float) for k, v in measure_retrieval(learner, stream).items()
              if k != "retriever"}
    found = result["retrieval"]
    parts = (found * np.nan_to_num(result["class_if_task_right"])
             + (1 - found) * np.nan_to_num(result["class_if_task_wrong"]))
    np.testing.assert_allclose(parts, result["accuracy"], atol=1e-12)
    np.testing.assert_allclose(np.diagonal(result["confusion"], axis1=1, axis2=2), found)
    np.testing.assert_allclose(result["confusion"].sum(2), 1)
    assert result["oracle"].mean() > result["accuracy"].mean() > 0.85
    assert result["oracle"].mean() > 0.95


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_each_retriever_runs_and_is_restored_from_its_folder(retriever, tmp_path):
    config = replace(SMALL, retriever=retriever, steps=20)
    record = run(config, out=tmp_path / "run")
    _, stream, again = load_adapters(tmp_path / "run")
    assert measure_retrieval(again, stream) == record.retrieval
    found = np.mean(record.retrieval["retrieval"])
    assert 0.3 < found < 0.7 if retriever == "random" else found > 0.45
    if retriever in ("gaussian", "gmm", "dpgmm", "slda", "ranpac", "shortlist"):
        assert found > 0.85


@pytest.mark.parametrize("measure", ["log_density", "mahalanobis"])
def test_a_shortlist_of_all_tasks_chooses_as_its_second_score_does(measure):
    config = replace(SMALL, steps=20, seeds=(0,), retriever="shortlist",
                     options={"measure": measure})
    short = run(config).retrieval
    whole = run(replace(config, retriever="gaussian")).retrieval
    assert short["confusion"] == whole["confusion"]  # two tasks, and two are kept


def test_a_table_without_a_wrong_task_is_printed_without_a_warning(recwarn, capsys):
    record = run(SMALL)
    record.retrieval["class_if_task_wrong"] = [[None, 0.5], [None, 0.25]]
    print_record(record, as_json=False)
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("class if task wr"))
    assert line.split()[-2:] == ["–", "37.5"]
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


@pytest.fixture(scope="module", params=["adapters", "composed", "osf"])
def uninterrupted(request, tmp_path_factory):
    """The settings of a run, its record and its folder."""
    config = replace(SMALL, learner=request.param, tasks=3)
    folder = tmp_path_factory.mktemp("whole")
    return config, run(config, out=folder), folder


@pytest.mark.parametrize("stop_after", [1, 3, 4, 7, 9, 13])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, uninterrupted, stop_after):
    config, whole, folder = uninterrupted
    calls = iter(range(1000))
    run(config, out=tmp_path / "parts", stop=lambda: next(calls) >= stop_after)
    again = resume(tmp_path / "parts")
    assert again.retrieval == whole.retrieval
    np.testing.assert_array_equal(again.accuracy, whole.accuracy)
    np.testing.assert_array_equal(again.losses, whole.losses)
    weights = [(kept / "weights.safetensors").read_bytes() for kept in (folder, tmp_path / "parts")]
    assert weights[0] == weights[1]


def test_shared_classes_get_heads_of_their_own(tmp_path):
    record = run(replace(SMALL, stream="digits-shifted", steps=40, options={"head": "task"}))
    assert record.scenario == "domain"
    assert np.mean(record.retrieval["oracle"]) > 0.8


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"retriever": "psychic"}, UnknownNameError, "unknown retriever 'psychic'; known: dpgmm"),
    ({"options": {"head": "big"}}, UnknownNameError, "unknown head 'big'; known: global, task"),
    ({"options": {"clusters": 0}}, ConfigError, "clusters must be a whole number of at least 1"),
    ({"learner": "ewc"}, UnknownNameError, "unknown learner 'ewc'; known: adapters"),
    ({"backbone": "tiny"}, ConfigError, "'tiny' is not for the stream 'digits-tasks'"),
    ({"tasks": 6}, ConfigError, "at most 5 tasks of two, not 6"),
    ({"options": {"measure": "luck"}}, UnknownNameError, "unknown measure 'luck'"),
    ({"options": {"covariance": "round"}}, UnknownNameError, "unknown covariance 'round'"),
    ({"options": {"measure": "background"}}, ConfigError, "take features=shared"),
    ({"retriever": "shortlist", "options": {"measure": "p_value"}}, ConfigError,
     "scored by the measure log_density or mahalanobis, not 'p_value'"),
    ({"options": {"clusters": 5000}}, DataError, "the task '6 or 7' has .* at least 5000"),
])
def test_a_wrong_setting_is_refused_with_its_name(changes, error, message):
    with pytest.raises(error, match=message):
        config = replace(SMALL, **changes)
        make_learner(config, stream_of(config))  # before anything is computed


def test_the_adapters_of_another_backbone_are_not_used(tmp_path, monkeypatch):
    run(SMALL, out=tmp_path / "run")
    other = load_backbone("digits")
    other.hidden.bias.data += 1
    monkeypatch.setattr("workbench.runs.experiment.load_backbone", lambda name: other)
    with pytest.raises(RecordError, match="of another backbone than digits is now"):
        load_adapters(tmp_path / "run")


def test_the_command_line_trains_and_retrieves(tmp_path, capsys):
    folder = str(tmp_path / "run")
    assert call(f"run --stream digits-tasks --tasks 2 --backbone digits --learner adapters "
                f"--retriever gmm --seeds 0 1 --steps 40 --lr 3e-3 --out {folder} --json "
                "--quiet".split()) == 0
    result = json.loads(capsys.readouterr().out)
    assert np.shape(result["retrieval"]) == np.shape(result["oracle"]) == (2, 2)
    assert set(result["decomposition"]) == {
        "task_right", "class_right_if_task_right", "class_right_if_task_wrong"}
    assert call(["retrieve", "--run", folder, "--example", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["task"] in ("6 or 7", "8 or 9") and answer["label"] in "6789"
    assert set(answer["possible"]) <= {"6 or 7", "8 or 9"} and answer["forwards"] == 3
    assert call(["show", folder]) == 0
    shown = capsys.readouterr().out
    assert "after the last task, retriever gmm (%), mean over seeds" in shown
    assert all(f"\n{row}  " in shown for row in ("retrieval", "oracle", "class if task wrong"))
    assert call(["retrieve", "--run", folder, "--example", "3"]) == 0
    assert "possible tasks" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="give --example, not --text"):
        call(["retrieve", "--run", folder, "--text", "hello"])
    with pytest.raises(ConfigError, match="example must be from 0 to"):
        call(["retrieve", "--run", folder, "--example", "100000"])
    with pytest.raises(ConfigError, match="alpha = 0.001 needs at least 999 held-out"):
        call(["retrieve", "--run", folder, "--example", "3", "--alpha", "0.001"])


def test_intents_are_retrieved_from_the_shipped_embeddings(tmp_path, capsys):
    folder = str(tmp_path / "run")
    assert call(f"run --stream intents --tasks 2 --learner adapters --retriever gaussian --option "
                f"shrinkage=0.3 --steps 30 --lr 3e-3 --out {folder} --json --quiet".split()) == 0
    assert np.mean(json.loads(capsys.readouterr().out)["retrieval"]) > 0.8
    assert call(["retrieve", "--run", folder, "--text", "card gone", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "banking"
    assert sorted(p.name for p in (tmp_path / "run").iterdir() if p.is_dir()) == [
        "0-banking", "1-travel"]


def test_an_adapter_may_be_put_on_named_layers_only():
    backbone = load_backbone("digits")
    adapted = add_adapter(backbone, "one", 2, torch.Generator().manual_seed(0), "digits",
                          ("output",))
    assert {n for n, _ in adapted.named_parameters() if "lora" in n} == {
        f"base_model.model.output.lora_{side}.one.weight" for side in "AB"}
    assert isinstance(Adapters(AdaptedBackbones(load_backbone("digits"), (0,), 2, 1)), Adapters)
