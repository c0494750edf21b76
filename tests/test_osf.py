"""OSF on backbones: the top directions of each weight stay, and one network learns all tasks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.config import RunConfig
from workbench.errors import ConfigError, UnknownNameError
from workbench.learners import OSF, fit, make_optimizer
from workbench.models.adapted import BASE
from workbench.models.backbones import load_backbone
from workbench.models.osf import OSFBackbones
from workbench.runs.answers import answer_example
from workbench.runs.experiment import load_adapters, make_learner, run, stream_of

DIGITS = RunConfig(stream="digits-tasks", learner="osf", seeds=(0, 1), steps=60, lr=3e-3)
SMALL = replace(DIGITS, steps=6, checkpoint_every=2)
LAYERS = ("hidden", "output")


def weights(learner, i):
    """The effective weights of the layers that change, of seed i."""
    network = learner.model.with_adapter(f"seed{i}").get_base_model()
    layers = [network.get_submodule(name) for name in LAYERS]
    return [(layer.base_layer.weight + layer.get_delta_weight(f"seed{i}")).detach().clone()
            for layer in layers]


def changes(config):
    """Yield a learner as it learns; weights before and after each task, by layer and seed."""
    stream = stream_of(config)
    learner = make_learner(config, stream)
    for task in stream.tasks:
        learner.begin(task)
        before = [weights(learner, i) for i in range(len(config.seeds))]
        for _ in fit(learner, task, make_optimizer(learner, config.lr), steps=config.steps,
                     batch_size=32):
            pass
        for i, old in enumerate(before):
            yield from zip(old, weights(learner, i), strict=True)
        learner.end(task)


def top(W, share):
    """The top singular directions of a matrix: (outputs, kept), (kept,), (kept, inputs)."""
    U, S, V = torch.linalg.svd(W, full_matrices=False)
    kept = int(share * len(S))
    return U[:, :kept], S[:kept], V[:kept]


@pytest.mark.parametrize(("backbone", "x"), [
    ("digits", torch.linspace(0, 1, 5 * 64).view(5, 64)), ("nano", torch.arange(12).view(2, 6))])
def test_a_fresh_network_is_the_backbone_and_the_next_task_begins_where_it_was(backbone, x):
    frozen = load_backbone(backbone)
    random = torch.get_rng_state()
    model = OSFBackbones(frozen, (0, 1), 3, 0)
    model.preserve(0.25)
    assert torch.equal(torch.get_rng_state(), random), "no number of the process's generator"
    features = model.features(x, ["seed0", "seed1", BASE])
    torch.testing.assert_close(features[:, 0], frozen(x))
    torch.testing.assert_close(features[:, 1], features[:, 2])
    with torch.no_grad():
        for p in model.with_adapter("seed0").parameters():
            p += 0.1
    learned = model.features(x, ["seed0"])
    assert float((learned[:, 0] - features[:, 0]).abs().max()) > 0.01
    model.add_adapters()
    torch.testing.assert_close(model.features(x, ["seed0"]), learned, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.features(x, ["seed1"])[:, 0], frozen(x))
    assert [len(model.adapters), len(model.heads), len(model.masks)] == [2, 2, 2]


@pytest.mark.parametrize(("share", "kept"), [(0.5, 32), (0.25, 16), (0.99, 63)])
def test_the_preserved_share_is_pefts_effective_rank(share, kept):
    learner = make_learner(replace(DIGITS, options={"preserved": share}), stream_of(DIGITS))
    for name in ("seed0", "seed1"):
        network = learner.model.with_adapter(name).get_base_model()
        assert [network.get_submodule(one).effective_rank[name] for one in LAYERS] == [kept] * 2
        sizes = {tuple(p.shape) for p in learner.model.with_adapter(name).parameters()}
        assert sizes == {(128, 64 - kept), (64, 64 - kept), (64 - kept,), (64 - kept, 64),
                         (64 - kept, 128)}


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_task_changes_no_preserved_direction(share):
    count = 0
    for old, new in changes(replace(DIGITS, options={"preserved": share})):
        U, S, V = top(old, share)
        change = new - old
        assert float(change.norm()) > 1
        assert float((U.mT @ change).norm() / change.norm()) < 1e-5
        assert float((change @ V.mT).norm() / change.norm()) < 1e-5
        torch.testing.assert_close(new @ V.mT, U * S, rtol=1e-3, atol=1e-5)
        count += 1
    assert count == 3 * 2 * 2


def test_peft_alone_lets_adam_change_the_preserved_directions(monkeypatch):
    monkeypatch.setattr(OSF, "after_step", lambda learner: None)
    for old, new in changes(DIGITS):
        U, _, V = top(old, 0.5)
        change = new - old
        assert 0.1 < float((U.mT @ change).norm() / change.norm()) < 0.6
        assert 0.01 < float((U.mT @ change @ V.mT).norm() / change.norm()) < 0.2


def test_seeds_share_what_is_frozen_and_learn_as_if_alone():
    stream, config = stream_of(SMALL), replace(SMALL, options={"head": "global"})
    learner = make_learner(config, stream)
    one, other = (dict(learner.model.with_adapter(name).get_base_model().named_parameters())
                  for name in ("seed0", "seed1"))
    assert one["norm.weight"] is other["norm.weight"] is learner.model.backbone.norm.weight
    before = {key: p.clone() for key, p in learner.model.backbone.named_parameters()}
    both = run(config)
    alone = run(replace(config, seeds=(1,)))
    np.testing.assert_array_equal(both.accuracy[1:], alone.accuracy)
    assert not np.array_equal(both.losses[0], both.losses[1])
    assert all(torch.equal(before[key], p) for key, p in load_backbone("digits").named_parameters())


@pytest.mark.parametrize("head", ["task", "global"])
def test_it_forgets_less_than_fine_tuning(head):
    config = replace(DIGITS, seeds=(0, 1, 2, 3, 4), steps=100, lr=1e-3, options={"head": head})
    kept = run(config).accuracy[:, -1].mean(1)
    plain = run(replace(config, learner="finetune", options={})).accuracy[:, -1].mean(1)
    assert kept.min() > plain.max()


def test_a_run_is_restored_from_its_folder_and_answers(tmp_path):
    config = replace(SMALL, seeds=(3,))
    record = run(config, out=tmp_path / "run")
    assert not [path for path in (tmp_path / "run").iterdir() if path.is_dir()]
    _, stream, learner = load_adapters(tmp_path / "run")
    right = [stream.right(learner.predict(task.test.x), task.test, 2, j).double().mean(1)
             for j, task in enumerate(stream.tasks)]
    np.testing.assert_array_equal(torch.stack(right, 1).numpy(), record.accuracy[:, -1])
    assert record.retrieval["retrieval"] == [[0.0, 0.0, 1.0]], "the last task, which holds all"
    assert record.retrieval["oracle"] == record.retrieval["accuracy"]
    answer = answer_example(learner, stream, 0, 0.1)
    assert (answer.forwards, answer.possible) == (1, None)


def test_all_heads_answer_together(tmp_path):
    run(SMALL, out=tmp_path / "run")
    _, stream, learner = load_adapters(tmp_path / "run")
    x = stream.tasks[0].test.x[:7]
    features = learner.model.features(x, ["seed1"])[:, 0]
    heads = [learner.model.head(features, k, 1) for k in range(3)]
    for k, task in enumerate(stream.tasks):
        assert learner.model.masks[k].nonzero().flatten().tolist() == sorted(task.classes)
    torch.testing.assert_close(learner.predict(x)[1], torch.stack(heads).amax(0))


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"preserved": 0}, ConfigError, "preserved=0 preserves 0 of the 64 singular"),
    ({"preserved": 0.01}, ConfigError, r"preserves 0 of the 64 singular directions of the layer "
                                       r"'hidden'.*take at least 1/64 and less than 1"),
    ({"preserved": 1}, ConfigError, "preserved=1 preserves 64 of the 64 singular"),
    ({"preserved": 1.5}, ConfigError, r"preserved must be from 0 to 1, not 1\.5"),
    ({"preserved": float("nan")}, ConfigError, "preserved must be from 0 to 1, not nan"),
    ({"preserved": "half"}, ConfigError, "preserved must be from 0 to 1, not 'half'"),
    ({"head": "both"}, UnknownNameError, "unknown head 'both'; known: global, task"),
    ({"retriever": "gmm"}, UnknownNameError, "unknown option of 'osf' 'retriever'"),
])
def test_a_wrong_option_is_refused_with_its_name(changes, error, message):
    with pytest.raises(error, match=message):
        run(replace(DIGITS, options=changes))
