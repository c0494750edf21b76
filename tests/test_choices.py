"""Choices from tables of scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import PCA

from workbench.errors import ConfigError, DataError
from workbench.retrieval.choices import batch_vote, lowest_entropy, shortlist
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.tasks.digits import load_digits

TABLES = arrays(np.float64, (7, 4), elements=st.floats(-5, 5))


def test_the_surest_task_is_chosen():
    table = [[[0.5, 0.5], [0.9, 0.1]], [[1.0, 0.0], [0.99, 0.01]]]
    assert lowest_entropy(table).tolist() == [1, 0]


@given(TABLES, TABLES)
@settings(max_examples=50, deadline=None)
def test_a_shortlist_of_one_is_the_first_score_and_one_of_all_the_second(first, second):
    assert np.array_equal(shortlist(first, second, 1), first.argmax(1))
    whole = shortlist(first, second, 4)
    assert np.array_equal(second[range(7), whole], second.max(1))


def test_a_shortlist_reads_no_second_score_outside_it():
    second = [[0.0, 1.0, np.nan], [np.nan, 1.0, 2.0]]
    assert shortlist([[3, 2, 1], [0, 5, 4]], second).tolist() == [1, 2]
    with pytest.raises(DataError, match="row 1, task 1 of second scores is nan"):
        shortlist([[3, 2, 1], [5, 0, 4]], [[0, 1, 2], [0, 1, np.nan]])


def test_one_vote_for_batches_of_one_task_leaks_and_for_mixed_ones_fails():
    """Digits in two components: an input alone is found two times of three."""
    (x, y), _, (test_x, test_y) = load_digits()
    pca = PCA(2, random_state=0).fit(x)
    retriever = ClusteredRetriever(Signature(clusters=2)).fit(pca.transform(x), y // 2)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.flatnonzero(test_y // 2 == k))[:80]
                            for k in range(5)])
    scores, task = retriever.scores(pca.transform(test_x[order])), test_y[order] // 2
    batches = np.arange(400) // 16
    mixed = rng.permutation(batches)
    alone = (scores.argmax(1) == task).mean()
    assert 0.6 < alone < 0.75
    assert np.array_equal(batch_vote(scores, np.arange(400)), scores.argmax(1))
    assert (batch_vote(scores, batches) == task).mean() > 0.97
    assert (batch_vote(scores, mixed) == task).mean() < 0.35, "chance is 0.2"


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: lowest_entropy(np.zeros((2, 2))), DataError, r"expected \(n, tasks, classes\)"),
    (lambda: shortlist(np.zeros((2, 2)), np.zeros((2, 3))), DataError, r"expected \(2, 2\)"),
    (lambda: shortlist(np.zeros((2, 2)), np.zeros((2, 2)), 3), ConfigError, "keep must be from 1"),
    (lambda: batch_vote(np.zeros((2, 2)), [0]), DataError, r"shape \(1,\), expected \(2,\)"),
    (lambda: batch_vote([[np.inf, 0]], [0]), DataError, "row 0, task 0 of scores is inf"),
])
def test_tables_that_cannot_be_used_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
