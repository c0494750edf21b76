"""Variants of a stream: wrong labels, few examples, and generations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench import RunConfig, make_stream
from workbench.errors import ConfigError
from workbench.runs.experiment import make_learner, stream_of
from workbench.tasks.stream import Examples, build_stream
from workbench.tasks.tables import load_table
from workbench.tasks.variants import with_few_examples, with_generations, with_label_noise


def tiny(labels, classes=4):
    y = torch.tensor(labels)
    part = Examples(torch.arange(len(y), dtype=torch.float32)[:, None], y)
    return build_stream("tiny", "class", ["a"], [[part] * 3], classes)


@given(st.integers(2, 60), st.floats(0.01, 1), st.integers(0, 99))
def test_exactly_the_asked_share_of_labels_is_wrong_and_in_a_class_of_the_task(n, wrong, seed):
    clean = tiny([i % 4 for i in range(n)])
    noisy = with_label_noise(clean, wrong, (seed,)).tasks[0]
    for part in (noisy.train, noisy.validation):
        assert (part.y != clean.tasks[0].train.y).sum() == round(wrong * n)
        assert part.y.min() >= 0 and part.y.max() <= 3 and part.y.dtype == torch.int64
    assert torch.equal(noisy.test.y, clean.tasks[0].test.y), "test labels stay right"


def test_every_other_class_is_equally_likely_as_the_wrong_one():
    noisy = with_label_noise(tiny([1] * 6000), 1.0, (0,)).tasks[0].train.y[0]
    counts = noisy.bincount(minlength=4)
    assert counts[1] == 0
    assert all(1850 < counts[c] < 2150 for c in (0, 2, 3)), counts


def test_seeds_have_wrong_labels_of_their_own_whoever_they_are_stacked_with():
    stream = make_stream("digits")
    three = with_label_noise(stream, 0.3, (4, 5, 6)).tasks[0]
    alone = with_label_noise(stream, 0.3, (5,)).tasks[0]
    assert torch.equal(three.train.y[1], alone.train.y[0])
    assert not torch.equal(three.train.y[0], three.train.y[1])
    wrong = three.train.y != stream.tasks[0].train.y
    assert wrong.sum(1).tolist() == [round(0.3 * len(three.train))] * 3


def test_later_tasks_have_wrong_labels_among_their_own_classes():
    stream = with_label_noise(make_stream("halved-digits"), 0.5, (0,))
    for task, classes in zip(stream.tasks, (range(5), range(5, 10)), strict=True):
        assert set(task.train.y.flatten().tolist()) == set(classes)


def test_a_wrong_value_is_that_of_another_example():
    clean = make_stream("diabetes")
    noisy = with_label_noise(clean, 0.4, (0,)).tasks[0].train.y[0]
    right = clean.tasks[0].train.y
    assert torch.equal(noisy.sort().values, right.sort().values)
    assert 0.35 < (noisy != right).float().mean() <= 0.4


def test_no_noise_is_the_same_stream_and_a_single_class_is_refused():
    stream = make_stream("wine")
    assert with_label_noise(stream, 0.0) is stream
    with pytest.raises(ConfigError, match="label_noise must be from 0 to 1, not 1.5"):
        with_label_noise(stream, 1.5)
    with pytest.raises(ConfigError, match="task 'a' has a single class"):
        with_label_noise(tiny([0, 0], 1), 0.5)


def test_few_examples_are_drawn_from_train_and_validation_and_all_test_examples_stay():
    whole = make_stream("digits").tasks[0]
    few, again, other = (with_few_examples(make_stream("digits"), 50, seed).tasks[0]
                         for seed in (0, 0, 1))
    assert (len(few.train), len(few.validation), len(few.test)) == (50, 50, len(whole.test))
    pairs = {(x.numpy().tobytes(), int(y)) for x, y in zip(whole.train.x, whole.train.y,
                                                           strict=True)}
    assert all((x.numpy().tobytes(), int(y)) in pairs
               for x, y in zip(few.train.x, few.train.y, strict=True))
    assert torch.equal(few.train.x, again.train.x) and not torch.equal(few.train.x, other.train.x)
    assert len(with_few_examples(make_stream("wine"), 10**6).tasks[0].train) == 115
    with pytest.raises(ConfigError, match="examples"):
        with_few_examples(make_stream("wine"), 0)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_generations_repeat_each_task_with_its_own_masks(scenario):
    stream = with_generations(make_stream("halved-digits", scenario), 3)
    assert [task.name for task in stream.tasks] == [
        "0 to 4", "0 to 4, generation 2", "0 to 4, generation 3",
        "5 to 9", "5 to 9, generation 2", "5 to 9, generation 3"]
    assert [task.generation for task in stream.tasks] == [1, 2, 3] * 2
    for i, task in enumerate(stream.tasks):
        assert task.index == i and task.masks.shape == (i + 1, 10)
        for t in range(i + 1):
            assert torch.equal(task.masks[t], stream.mask(i, t))
    assert stream.mask(2, 0).sum() == 5
    assert stream.mask(3, 0).sum() == (10 if scenario == "class" else 5)


def test_a_config_asks_for_variants():
    config = RunConfig(stream="digits", learner="born_again", generations=2, label_noise=0.3,
                       examples=100, seeds=(0, 1))
    stream = stream_of(config)
    assert len(stream) == 2 and stream.tasks[1].train.y.shape == (2, 100)
    with pytest.raises(ConfigError, match="are for small networks"):
        RunConfig(stream="digits-tasks", label_noise=0.1)
    with pytest.raises(ConfigError, match="are for small networks"):
        RunConfig(stream="skills", skills=("facts-new",), generations=2)
    for field, value in (("label_noise", -0.1), ("generations", 0), ("examples", -1),
                         ("weight_decay", -1.0)):
        with pytest.raises(ConfigError, match=field):
            RunConfig(**{field: value})


def test_a_stream_of_few_tasks_is_not_asked_for_more():
    with pytest.raises(ConfigError, match="'digits' has no more than 1 task.*, not 2: ask"):
        make_stream("digits", tasks=2)
    with pytest.raises(ConfigError, match="'halved-digits' has no more than 2 task.*, not 3"):
        make_stream("halved-digits", tasks=3)


@pytest.mark.parametrize(("name", "rows", "features", "classes"), [
    ("breast-cancer", 569, 30, 2), ("wine", 178, 13, 3), ("diabetes", 442, 10, None)])
def test_tables_are_complete_and_scaled_by_their_training_part(name, rows, features, classes):
    parts = load_table(name)
    assert sum(len(y) for _, y in parts) == rows
    x, y = parts[0]
    assert x.shape[1] == features
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-4)
    if classes:
        assert {*np.concatenate([y for _, y in parts]).tolist()} == {*range(classes)}
    else:
        assert abs(y.mean()) < 1e-6 and abs(y.std() - 1) < 1e-5
    stream = make_stream(name)
    assert stream.outputs == (classes or 1)
    assert len(stream.labels) == (classes or 0)


def test_the_score_of_values_is_the_share_of_variance_explained_and_never_below_0():
    stream = make_stream("diabetes")
    test = stream.tasks[0].test
    perfect, mean = test.y[None, :, None], torch.full((1, len(test), 1), float(test.y.mean()))
    half = (perfect + mean) / 2
    scores = [float(stream.score(outputs, test, 0, 0)) for outputs in (perfect, mean, half,
                                                                       -perfect)]
    assert scores == pytest.approx([1, 0, 0.75, 0], abs=1e-6)


def test_a_method_that_needs_classes_is_refused_where_labels_are_values():
    config = RunConfig(stream="diabetes", learner="ewc")
    with pytest.raises(ConfigError, match="'ewc' needs classes.*finetune"):
        make_learner(config, stream_of(config))
