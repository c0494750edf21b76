"""Tasks: which examples, in which split, with which answers allowed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.errors import ConfigError, UnknownNameError
from workbench.tasks import SCENARIOS, STREAMS, Examples, make_stream
from workbench.tasks.digits import MOST_TASKS, load_digits
from workbench.tasks.stream import build_stream

PARTS = ("train", "validation", "test")
T, F = True, False


def rows(task):
    """Return the examples of all parts as a list of byte strings."""
    return [x.numpy().tobytes() for part in PARTS for x in getattr(task, part).x]


def test_parts_are_65_10_and_25_percent_of_all_digits():
    sizes = [len(y) for _, y in load_digits()]
    assert sum(sizes) == 1797
    np.testing.assert_allclose(np.array(sizes) / 1797, [0.65, 0.10, 0.25], atol=0.002)


def test_parts_are_stratified():
    whole = np.bincount(np.concatenate([y for _, y in load_digits()])) / 1797
    for _, y in load_digits():
        # Each part has within one example of its fair share of every digit.
        np.testing.assert_allclose(np.bincount(y), whole * len(y), atol=1.01)


def test_parts_have_no_image_in_common_beyond_those_the_data_hold_twice():
    from sklearn.datasets import load_digits as original

    images = original().data
    result = [x.tobytes() for part, _ in load_digits() for x in part]
    assert len(set(result)) == len(np.unique(images, axis=0)), "every image is there"
    assert len(result) == len(images), "and none more often than in the data"


def test_pixels_are_centred_on_the_training_part_and_span_two():
    x = load_digits()[0][0]
    assert abs(x.mean()) < 1e-6
    assert np.ptp(x) == pytest.approx(2)


@pytest.mark.parametrize("name", STREAMS)
def test_same_seed_same_data_and_another_seed_other_data(name):
    tasks = min(2, MOST_TASKS.get(name, 2))
    first = make_stream(name, tasks=tasks).data_hash()
    assert make_stream(name, tasks=tasks).data_hash() == first
    assert make_stream(name, tasks=tasks, data_seed=1).data_hash() != first


def test_split_has_five_tasks_of_two_new_digits_each():
    stream = make_stream("split-digits")
    assert [t.name for t in stream.tasks] == ["0 or 1", "2 or 3", "4 or 5", "6 or 7", "8 or 9"]
    assert (stream.scenario, stream.outputs) == ("class", 10)
    for i, task in enumerate(stream.tasks):
        assert task.index == i
        assert task.classes == (2 * i, 2 * i + 1)
        for part in PARTS:
            assert set(getattr(task, part).y.tolist()) == set(task.classes)
    assert sum(len(getattr(t, part)) for t in stream.tasks for part in PARTS) == 1797


def test_split_shows_the_digits_that_its_labels_name():
    split = load_digits()
    for i, task in enumerate(make_stream("split-digits").tasks):
        for part, (x, y) in zip(PARTS, split, strict=True):
            np.testing.assert_array_equal(getattr(task, part).x.numpy(), x[y // 2 == i])
            np.testing.assert_array_equal(getattr(task, part).y.numpy(), y[y // 2 == i])


def test_split_in_the_domain_scenario_asks_for_parity_in_shared_outputs():
    stream = make_stream("split-digits", "domain")
    assert stream.outputs == 2
    by_class = make_stream("split-digits", "class")
    for task, other in zip(stream.tasks, by_class.tasks, strict=True):
        assert task.classes == (0, 1)
        assert torch.equal(task.train.y, other.train.y % 2)


def test_permuted_keeps_the_first_task_and_shuffles_the_pixels_of_the_others():
    stream = make_stream("permuted-digits", tasks=4)
    first = stream.tasks[0]
    for part, (x, y) in zip(PARTS, load_digits(), strict=True):
        np.testing.assert_array_equal(getattr(first, part).x.numpy(), x)
        np.testing.assert_array_equal(getattr(first, part).y.numpy(), y)
    columns = [c.numpy().tobytes() for c in first.train.x.T.contiguous()]
    orders = set()
    for task in stream.tasks[1:]:
        shuffled = [c.numpy().tobytes() for c in task.train.x.T.contiguous()]
        assert sorted(shuffled) == sorted(columns), "the same pixels"
        assert shuffled != columns, "in another order"
        assert torch.equal(task.train.y, first.train.y), "under the same labels"
        assert torch.equal(task.test.x.sort(1).values, first.test.x.sort(1).values)
        orders.add(tuple(shuffled))
    assert len(orders) == 3, "each task in an order of its own"


def test_permuted_has_as_many_tasks_as_one_likes():
    assert len(make_stream("permuted-digits", tasks=12)) == 12


def test_rotated_turns_counter_to_the_rows_by_thirty_degrees_a_task():
    stream = make_stream("rotated-digits", tasks=4)
    upright = stream.tasks[0].train.x.view(-1, 8, 8)
    np.testing.assert_allclose(upright.flatten(1), load_digits()[0][0], atol=1e-6)
    quarter = stream.tasks[3].train.x.view(-1, 8, 8)
    turned = {k: torch.rot90(upright, k, (1, 2)) for k in (-1, 1)}
    agrees = [k for k, images in turned.items() if torch.allclose(quarter, images, atol=1e-4)]
    assert len(agrees) == 1, "a quarter turn is exactly that"
    for task in stream.tasks[1:]:
        assert not torch.allclose(task.train.x, stream.tasks[0].train.x, atol=0.1)
        np.testing.assert_array_equal(task.train.y.numpy(), load_digits()[0][1])


# Allowed outputs of three tasks of two classes, worked out by hand. Training: one row per task
# met so far. Testing: row = trained through, from "not at all" on; column = tested on.
TRAINING = {
    "task": [[[T, T, F, F, F, F]],
             [[T, T, F, F, F, F], [F, F, T, T, F, F]],
             [[T, T, F, F, F, F], [F, F, T, T, F, F], [F, F, F, F, T, T]]],
    "class": [[[T, T, F, F, F, F]],
              [[T, T, T, T, F, F]] * 2,
              [[T, T, T, T, T, T]] * 3],
    "domain": [[[T, T]] * 1, [[T, T]] * 2, [[T, T]] * 3],
}
TESTING = {
    "task": [[[T, T, F, F, F, F], [F, F, T, T, F, F], [F, F, F, F, T, T]]] * 4,
    "class": [[[T, T, T, T, T, T]] * 3,
              [[T, T, F, F, F, F]] * 3,
              [[T, T, T, T, F, F]] * 3,
              [[T, T, T, T, T, T]] * 3],
    "domain": [[[T, T]] * 3] * 4,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_masks_are_those_worked_out_by_hand(scenario):
    stream = make_stream("split-digits", scenario, tasks=3)
    assert [t.masks.tolist() for t in stream.tasks] == TRAINING[scenario]
    result = [[stream.mask(i, j).tolist() for j in range(3)] for i in range(-1, 3)]
    assert result == TESTING[scenario]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_label_is_an_allowed_answer_once_its_task_is_met(scenario):
    stream = make_stream("split-digits", scenario)
    for task in stream.tasks:
        for part in PARTS:
            assert task.masks[task.index][getattr(task, part).y].all()


def test_data_hash_changes_with_a_pixel_and_with_a_label():
    def stream(x=0.0, y=0):
        parts = [Examples(torch.full((3, 2), x), torch.tensor([y, 1, 0])) for _ in range(3)]
        return build_stream("own", "domain", ["a"], [tuple(parts)], 2)

    assert stream().data_hash() == stream().data_hash()
    assert len({stream().data_hash(), stream(x=1e-7).data_hash(), stream(y=1).data_hash()}) == 3


def test_data_hash_depends_on_the_order_of_tasks():
    one, two = make_stream("split-digits", tasks=2).tasks
    parts = [tuple(Examples(p.x, p.y % 2) for p in (t.train, t.validation, t.test))
             for t in (one, two)]
    hashes = {build_stream("own", "domain", ["a", "b"], order, 2).data_hash()
              for order in (parts, parts[::-1])}
    assert len(hashes) == 2


def test_unknown_stream_and_scenario_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="'mnist'.*permuted-digits, rotated.*split-digits"):
        make_stream("mnist")
    with pytest.raises(UnknownNameError, match="'online'; known: class, domain, task"):
        make_stream("split-digits", "online")


def test_too_many_and_too_few_tasks_are_refused():
    with pytest.raises(ConfigError, match="at most 5 tasks of two, not 6"):
        make_stream("split-digits", tasks=6)
    for name in STREAMS:
        for tasks in (0, -1):
            with pytest.raises(ConfigError, match=f"at least one task, not {tasks}"):
                make_stream(name, tasks=tasks)
