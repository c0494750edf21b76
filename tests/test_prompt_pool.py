"""A pool of learned keys is trained as L2P's, and forgets."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.errors import ConfigError
from workbench.retrieval.prompt_pool import PromptPool
from workbench.tasks.digits import load_digits


@pytest.fixture(scope="module")
def digits():
    """Train and test pixels of digits, with the task of each."""
    (x, y), _, (test_x, test_y) = load_digits()
    return x, y // 2, test_x, test_y // 2


def one_by_one(retriever, x, task, order):
    for name in order:
        retriever.partial_fit(x[task == name], task[task == name])
    return retriever


@pytest.mark.parametrize("per_task", [False, True])
def test_a_pool_finds_the_first_task_less_than_the_last_and_keys_of_their_own_do_not(per_task,
                                                                                     digits):
    """More tasks make retrieval harder for any method: only the order tells forgetting."""
    x, task, test_x, test_task = digits
    rates = {}
    for order in ([0, 1, 2, 3, 4], [1, 2, 3, 4, 0]):
        pools = [one_by_one(PromptPool(per_task=per_task, random_state=seed), x, task, order)
                 for seed in range(5)]
        rates[order[0]] = np.mean([pool.score(test_x[test_task == 0], test_task[test_task == 0])
                                   for pool in pools])
    learned_last_minus_first = rates[1] - rates[0]
    if per_task:
        assert abs(learned_last_minus_first) < 0.15
    else:
        assert learned_last_minus_first > 0.6
    router = LogisticRegression(max_iter=500).fit(x, task)
    assert router.score(test_x, test_task) > 0.85, "trained on all tasks at once"


def test_keys_of_their_own_stay_as_they_are_and_a_pool_is_written_over(digits):
    x, task, _, _ = digits
    for per_task in (False, True):
        pool = one_by_one(PromptPool(per_task=per_task), x, task, [0, 1])
        keys = pool.keys_.copy()
        one_by_one(pool, x, task, [2])
        assert np.array_equal(pool.keys_[:len(keys)], keys) == per_task


def test_selected_keys_are_pulled_towards_the_features_and_others_stay(digits):
    x, task, _, _ = digits
    before, after = (PromptPool(pool=50, epochs=epochs).fit(x[task == 0], task[task == 0])
                     for epochs in (0, 5))
    moved = (before.keys_ != after.keys_).any(1)
    assert 0 < moved.sum() < 50
    assert (after.owners_[~moved] == -1).all() and (after.owners_[moved] == 0).any()

    def cosine(pool):
        keys = pool.keys_ / np.linalg.norm(pool.keys_, axis=1, keepdims=True)
        rows = x[task == 0] / np.linalg.norm(x[task == 0], axis=1, keepdims=True)
        return np.sort(rows @ keys.T, axis=1)[:, -5:].mean()

    assert cosine(after) > cosine(before) + 0.05


def test_a_pull_is_the_gradient_of_the_mean_cosine_of_the_selected_keys():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 3))
    one = dict(pool=4, selected=2, epochs=1, batch_size=6, rate=1e-6)
    start = PromptPool(**{**one, "epochs": 0}).fit(x, np.zeros(6, int)).keys_
    step = (PromptPool(**one).fit(x, np.zeros(6, int)).keys_ - start) / 1e-6
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)

    def value(keys):
        cosines = unit @ (keys / np.linalg.norm(keys, axis=1, keepdims=True)).T
        return np.sort(cosines, axis=1)[:, -2:].sum(1).mean()

    numeric = np.zeros_like(start)
    for place in np.ndindex(start.shape):
        nudge = np.zeros_like(start)
        nudge[place] = 1e-6
        numeric[place] = (value(start + nudge) - value(start - nudge)) / 2e-6
    np.testing.assert_allclose(step, numeric, atol=1e-5)


def test_more_selected_keys_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="selected must be from 1 to the pool of 3, not 5"):
        PromptPool(pool=3).fit(np.eye(4), list("aabb"))
