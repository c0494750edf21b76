"""Every retriever keeps scikit-learn's contract, learns task after task, and can be stored."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import check_estimator

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import RULES, MomentClassifier
from workbench.retrieval.conformal import ConformalTaskSets
from workbench.retrieval.prompt_pool import PromptPool
from workbench.retrieval.retrievers import HELD_OUT, MEASURES, ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.tasks.digits import load_digits

EVERY = [*(ClusteredRetriever(measure=measure) for measure in MEASURES),
         ClusteredRetriever(Signature("kmeans"), "euclidean"),
         ClusteredRetriever(Signature(covariance="tied"), dtype="float32"),
         ClusteredRetriever(Signature("gaussian", covariance="diag"), "mahalanobis"),
         *(ClassAsTask(MomentClassifier(rule, projections=60)) for rule in RULES),
         PromptPool(), PromptPool(per_task=True)]


@pytest.fixture(scope="module")
def digits():
    """Train and test features of digits in 16 principal components, with the task of each."""
    (x, y), _, (test_x, test_y) = load_digits()
    pca = PCA(16, random_state=0).fit(x)
    return pca.transform(x), y // 2, pca.transform(test_x), test_y // 2


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_scikit_learn_accepts_it(retriever):
    check_estimator(retriever, expected_failed_checks={
        "check_fit_score_takes_y": "after fit, it gives the same tasks to partial_fit, which "
                                   "learns each task once and refuses a known one"})


def test_retrieval_needs_no_torch():
    names = ("retrievers", "class_as_task", "prompt_pool", "choices", "bounds", "conformal")
    code = (f"import sys, {', '.join(f'workbench.retrieval.{name}' for name in names)}; "
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Task after task

def one_by_one(retriever, x, task, order):
    for name in order:
        retriever.partial_fit(x[task == name], task[task == name])
    return retriever


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_learned_task_after_task_it_is_the_one_learned_at_once(retriever, digits):
    x, task, test_x, _ = digits
    if isinstance(retriever, ClassAsTask):  # of which the ridge is chosen on the newest rows
        retriever = clone(retriever).set_params(classifier__ridge=1.0)
    at_once = clone(retriever).fit(x, task)
    pieces = one_by_one(clone(retriever), x, task, range(5))
    np.testing.assert_allclose(pieces.scores(test_x), at_once.scores(test_x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_tasks_stand_in_the_order_in_which_they_were_learned(retriever, digits):
    x, task, test_x, test_task = digits
    names = np.array(["zero", "one", "two", "three", "four"])
    learned = one_by_one(clone(retriever), x, names[task], names[[3, 0, 4, 1, 2]])
    assert learned.classes_.tolist() == ["three", "zero", "four", "one", "two"]
    if not isinstance(retriever, PromptPool):  # which forgets
        assert learned.score(test_x, names[test_task]) > 0.7, "chance is 0.2"


@pytest.mark.parametrize("measure", [m for m in MEASURES if m not in ("background", "p_value")])
def test_a_new_task_leaves_earlier_scores_as_they_are_bit_for_bit(measure, digits):
    x, task, test_x, _ = digits
    retriever = ClusteredRetriever(Signature(clusters=2), measure).fit(x[task < 3], task[task < 3])
    signatures, before = list(retriever.signatures_), retriever.scores(test_x)
    retriever.partial_fit(x[task > 2], task[task > 2])
    assert np.array_equal(retriever.scores(test_x)[:, :3], before)
    assert all(a is b for a, b in zip(retriever.signatures_, signatures, strict=False))


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_what_cannot_be_learned_changes_nothing(retriever, digits):
    x, task, test_x, _ = digits
    learned = clone(retriever).fit(x[task < 2], task[task < 2])
    before = learned.scores(test_x)
    broken = x[task == 2].copy()
    broken[1, 3] = np.nan
    with pytest.raises(DataError, match="row 1, feature 3 of X is NaN"):
        learned.partial_fit(broken, task[task == 2])
    with pytest.raises(DataError, match="the task '1' is already known"):
        learned.partial_fit(x[task > 0], task[task > 0])
    with pytest.raises(DataError, match="names of tasks are <U1 here and int64 before"):
        learned.partial_fit(x[task == 2], ["c"] * (task == 2).sum())
    with pytest.raises(ValueError, match="X has 15 features, but .* is expecting 16"):
        learned.partial_fit(x[task == 2, 1:], task[task == 2])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        learned.partial_fit(x[:0], task[:0])
    assert np.array_equal(learned.scores(test_x), before) and learned.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_a_stored_retriever_comes_back_bit_for_bit_and_learns_on(retriever, digits):
    x, task, test_x, _ = digits
    learned = one_by_one(clone(retriever), x, task, [2, 0, 1])
    arrays = {name: values.copy() for name, values in learned.to_arrays().items()}
    assert all(values.dtype.kind in "if" for values in arrays.values())
    restored = clone(retriever).load_arrays(arrays, [2, 0, 1])
    for last in (None, 4, 3):
        if last is not None:
            for one in (learned, restored):
                one.partial_fit(x[task == last], task[task == last])
        assert np.array_equal(restored.scores(test_x), learned.scores(test_x))
        assert np.array_equal(restored.predict(test_x), learned.predict(test_x))


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_names_that_do_not_fit_the_stored_tasks_are_refused(retriever, digits):
    arrays = clone(retriever).fit(*digits[:2]).to_arrays()
    with pytest.raises(DataError, match="the task 'b' is named 2 times"):
        clone(retriever).load_arrays(arrays, ["a", "b", "b", "c", "d"])
    with pytest.raises(DataError, match="4 names, but 5 stored: give the name of each task"):
        clone(retriever).load_arrays(arrays, ["a", "b", "c", "d"])


@pytest.mark.parametrize("retriever", EVERY, ids=repr)
def test_a_task_that_was_never_learned_is_named_at_test_time(retriever, digits):
    x, task, test_x, test_task = digits
    learned = clone(retriever).fit(x[task < 2], task[task < 2])
    with pytest.raises(UnknownNameError, match="unknown task '2'; known: 0, 1"):
        learned.score(test_x, test_task)


# Signatures under adapters

def test_digits_find_their_task(digits):
    x, task, test_x, test_task = digits
    for measure in MEASURES:
        retriever = ClusteredRetriever(Signature(clusters=2), measure).fit(x, task)
        assert retriever.score(test_x, test_task) > (0.8 if measure == "euclidean" else 0.93)
        shuffled = np.random.default_rng(0).permutation(task)
        control = ClusteredRetriever(Signature(clusters=2), measure).fit(x, shuffled)
        assert control.score(test_x, test_task) < 0.45, "chance is 0.2"


@pytest.fixture(scope="module")
def adapted(digits):
    """The features under five adapters, of which one shrinks them to a thousandth."""
    scale = np.array([1.0, 1.0, 1.0, 1e-3, 1.0])[:, None]
    return digits[0][:, None] * scale, digits[2][:, None] * scale


def test_a_shrunken_adapter_misleads_log_densities_and_not_distances(digits, adapted):
    x, task, test_x, test_task = digits
    right = {}
    for measure in MEASURES:
        plain = ClusteredRetriever(Signature(), measure).fit(x, task)
        shrunken = ClusteredRetriever(Signature(ridge=1e-10), measure).fit(adapted[0], task)
        right[measure] = [plain.score(test_x, test_task), shrunken.score(adapted[1], test_task)]
    assert right["log_density"][0] > 0.95 > 0.6 > right["log_density"][1]
    assert right["euclidean"][1] < 0.6
    for measure in ("mahalanobis", "relative", "p_value", "background"):
        assert abs(np.diff(right[measure])) < 0.03, measure


def test_adapted_features_may_come_task_after_task(digits, adapted):
    _, task, _, _ = digits
    for measure in ("mahalanobis", "relative", "p_value"):
        at_once = ClusteredRetriever(measure=measure).fit(adapted[0], task)
        pieces = ClusteredRetriever(measure=measure)
        for k in range(5):
            pieces.partial_fit(adapted[0][task == k, k], task[task == k])
        assert np.array_equal(at_once.scores(adapted[1]), pieces.scores(adapted[1]))
        with pytest.raises(DataError, match="rows of 2 tasks: features of an adapter are those"):
            at_once.partial_fit(adapted[0][:9, 0], [7, 7, *[8] * 7])


def test_the_background_under_adapters_needs_all_tasks(digits, adapted):
    _, task, _, _ = digits
    retriever = ClusteredRetriever(measure="background")
    for k in range(5):
        retriever.partial_fit(adapted[0][task == k, k], task[task == k])
    with pytest.raises(DataError, match="needs rows of all tasks under each adapter"):
        retriever.scores(adapted[1])
    at_once = ClusteredRetriever(measure="background").fit(adapted[0], task)
    with pytest.raises(DataError, match="needs rows of all tasks under each adapter"):
        at_once.partial_fit(adapted[0][:9, 0], [7] * 9)


def test_the_background_changes_no_winner_on_shared_features_and_says_what_is_foreign(digits):
    x, task, test_x, _ = digits
    signature = Signature("gaussian", ridge=0.01, shrinkage=0.1)
    background = ClusteredRetriever(signature, "background").fit(x, task)
    plain = ClusteredRetriever(signature).fit(x, task)
    difference = plain.scores(test_x) - background.scores(test_x)
    assert np.ptp(difference, axis=1).max() < 1e-9
    expected = clone(signature).fit(x).score_samples(test_x)
    np.testing.assert_allclose(difference[:, 0], expected, rtol=1e-9)


def test_relative_and_p_value_are_those_of_the_held_out_rows(digits):
    x, task, test_x, _ = digits
    held_out = np.zeros(len(x), dtype=bool)
    for k in range(5):
        held_out[np.flatnonzero(task == k)[:40]] = True
    fitted = {m: ClusteredRetriever(measure=m).fit(x, task, held_out) for m in HELD_OUT}
    scores = {m: fitted[m].scores(test_x) for m in HELD_OUT}
    for k in range(5):
        signature = Signature(clusters=1).fit(x[(task == k) & ~held_out])
        apart = signature.distances(x[(task == k) & held_out])[:, 0]
        new = signature.distances(test_x)[:, 0]
        np.testing.assert_allclose(scores["relative"][:, k], -new / apart.mean())
    sets = ConformalTaskSets(dict(zip("abcde", fitted["relative"].held_out_, strict=True)))
    p = sets.p_values(fitted["relative"].distances(test_x))
    less = p - scores["p_value"]
    assert (less > 0).all() and (less < 1 / 41).all(), "no rank is changed"
    best = p == p.max(1, keepdims=True)
    tied = best.sum(1) > 1
    nearest = np.where(best, scores["relative"], -np.inf).argmax(1)
    assert tied.sum() > 10 and (scores["p_value"].argmax(1) == nearest)[tied].all()


def test_rows_kept_apart_are_the_asked_share_of_each_task(digits):
    x, task, _, _ = digits
    retriever = ClusteredRetriever(measure="p_value", validation_fraction=0.25).fit(x, task)
    for held_out, count in zip(retriever.held_out_, np.bincount(task), strict=True):
        assert len(held_out) == np.ceil(count / 4)
    assert not any(map(len, ClusteredRetriever().fit(x, task).held_out_))


@pytest.mark.parametrize(("X", "y", "message"), [
    (np.zeros((3, 2)), ["a", "a", "b"], "the task 'b' has 1 sample"),
    (np.zeros((4, 3, 2)), ["a", "a", "b", "b"], r"shape \(4, 3, 2\), expected \(n, 2, d\)"),
    (np.full((4, 2, 2), np.inf), ["a", "a", "b", "b"], "row 0, task 0, feature 0 of X is infin"),
    (np.zeros((2, 2)), ["a", "a"], "the task 'a': feature 0 has the same value in all 2 rows"),
])
def test_features_that_cannot_be_used_are_named(X, y, message):
    with pytest.raises(DataError, match=message):
        ClusteredRetriever(Signature("gaussian", ridge=0)).fit(X, y)


@pytest.mark.parametrize(("settings", "held_out", "error", "message"), [
    ({"measure": "distance"}, None, UnknownNameError, "unknown measure 'distance'; known: back"),
    ({"validation_fraction": 1.0}, None, ConfigError, "validation_fraction must be between 0 and"),
    ({"measure": "relative"}, np.zeros(8, bool), DataError, "task 'a' has no held-out rows"),
    ({}, np.ones(8, bool), DataError, "the task 'a' has 4 samples, of which 4 are held out"),
    ({"signature": Signature("mean"), "measure": "p_value"}, None, DataError, "no distance to co"),
    ({}, np.ones(8), DataError, "a bool for each of the 8 rows, not float64"),
])
def test_settings_that_cannot_work_are_named(settings, held_out, error, message):
    X = np.random.default_rng(0).normal(size=(8, 2))
    if "signature" in settings:
        X[:] = 1.0
    with pytest.raises(error, match=message):
        ClusteredRetriever(**settings).fit(X, list("aaaabbbb"), held_out)


def test_too_few_held_out_rows_for_the_asked_alpha_are_named(digits):
    x, task, test_x, _ = digits
    retriever = ClusteredRetriever(measure="p_value", validation_fraction=0.03).fit(x, task)
    sets = ConformalTaskSets(dict(zip("abcde", retriever.held_out_, strict=True)))
    with pytest.raises(ConfigError, match="at least 99 held-out scores of each task, and a has 7"):
        sets.predict(retriever.distances(test_x), alpha=0.01)


def test_features_of_another_kind_than_those_fitted_are_named(digits, adapted):
    x, task, test_x, _ = digits
    with pytest.raises(DataError, match=r"expected \(n, 5, d\)"):
        ClusteredRetriever().fit(adapted[0], task).scores(test_x)
    with pytest.raises(DataError, match=r"shape \(450, 5, 16\), expected \(n, d\)"):
        ClusteredRetriever().fit(x, task).scores(adapted[1])
