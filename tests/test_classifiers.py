"""Classifiers on running sums are those of scikit-learn, in pieces or at once."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import check_estimator

from workbench.errors import DataError, UnknownNameError
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import RIDGES, RULES, MomentClassifier
from workbench.tasks.digits import load_digits


@pytest.fixture(scope="module")
def digits():
    """Train and test pixels of digits, the same number of each, with the digits."""
    (x, y), _, (test_x, test_y) = load_digits()
    rows = np.concatenate([np.flatnonzero(y == digit)[:110] for digit in range(10)])
    rows = np.random.default_rng(0).permutation(rows)
    return x[rows].astype(np.float64), y[rows], test_x.astype(np.float64), test_y


@pytest.mark.parametrize("rule", RULES)
def test_scikit_learn_accepts_it(rule):
    check_estimator(MomentClassifier(rule, projections=60))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pieces", ["by class", "mixed", "one at the end"])
def test_learned_in_pieces_it_is_the_one_learned_at_once(rule, pieces, digits):
    x, y, test_x, _ = digits
    classifier = MomentClassifier(rule, projections=100, ridge=1.0)
    parts = {"by class": [np.flatnonzero(y == digit) for digit in range(10)],
             "mixed": np.array_split(np.arange(len(y)), [700, 710, 900]),
             "one at the end": [np.arange(len(y) - 1), [len(y) - 1]]}[pieces]
    for part in parts:
        classifier.partial_fit(x[part], y[part])
    at_once = MomentClassifier(rule, projections=100, ridge=1.0).fit(x, y)
    order = np.argsort(classifier.classes_)
    expected = at_once.scores(test_x)
    np.testing.assert_allclose(classifier.scores(test_x)[:, order], expected,
                               rtol=0, atol=1e-9 * abs(expected).max())


def test_nearest_mean_is_that_of_scikit_learn(digits):
    x, y, test_x, _ = digits
    theirs = NearestCentroid().fit(x, y)
    ours = MomentClassifier("ncm").fit(x, y)
    np.testing.assert_allclose(ours._means, theirs.centroids_)
    assert np.array_equal(ours.predict(test_x), theirs.predict(test_x))


@pytest.mark.parametrize("shrinkage", [1e-4, 0.1, 0.9])
def test_slda_is_the_discriminant_analysis_of_scikit_learn(shrinkage, digits):
    x, y, test_x, _ = digits
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=None, priors=np.full(10, 0.1),
                                        covariance_estimator=None)
    ours = MomentClassifier("slda", shrinkage=shrinkage).fit(x, y)
    # scikit-learn shrinks each class after scaling its features: shrink the covariance here.
    theirs.fit(x, y)
    d = x.shape[1]
    covariance = (1 - shrinkage) * theirs.covariance_ + (
        shrinkage * np.trace(theirs.covariance_) / d * np.eye(d))
    coefficients = np.linalg.solve(covariance, theirs.means_.T)
    scores = test_x @ coefficients - (theirs.means_.T * coefficients).sum(0) / 2
    np.testing.assert_allclose(ours.scores(test_x), scores, rtol=1e-6)
    assert np.array_equal(ours.predict(test_x), scores.argmax(1))


def test_slda_without_shrinkage_predicts_as_scikit_learn_does(digits):
    x, y, test_x, _ = digits
    varying = x.std(0) > 0.2
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(10, 0.1))
    theirs.fit(x[:, varying], y)
    ours = MomentClassifier("slda", shrinkage=0.0).fit(x[:, varying], y)
    difference = ours.scores(test_x[:, varying]) - theirs.decision_function(test_x[:, varying])
    assert np.ptp(difference, axis=1).max() < 1e-6, "apart from what all classes share"


def test_random_features_are_solved_as_ridge_regression(digits):
    x, y, test_x, _ = digits
    ours = MomentClassifier("ranpac", projections=200, ridge=3.0).fit(x, y)
    theirs = Ridge(3.0, fit_intercept=False, solver="cholesky")
    theirs.fit(ours._project(x), (y[:, None] == np.arange(10)).astype(float))
    np.testing.assert_allclose(ours.scores(test_x), theirs.predict(ours._project(test_x)),
                               atol=1e-8)
    assert (ours._project(x) >= 0).all() and (ours._project(x) == 0).mean() > 0.3


def test_the_ridge_is_the_one_with_the_least_error_on_a_fifth_of_the_newest_rows(digits):
    x, y, _, _ = digits
    ours = MomentClassifier("ranpac", projections=150).fit(x, y)
    order = np.random.default_rng([0, len(x)]).permutation(len(x))
    fit, test = order[:880], order[880:]
    H, Y = ours._project(x), (y[:, None] == np.arange(10)).astype(float)
    errors = []
    for ridge in RIDGES:
        model = Ridge(ridge, fit_intercept=False, solver="svd").fit(H[fit], Y[fit])
        errors.append(((model.predict(H[test]) - Y[test])**2).mean())
    assert ours.ridge_ == RIDGES[np.argmin(errors)]
    assert MomentClassifier("ranpac", projections=150).partial_fit(x, y).ridge_ == ours.ridge_


def test_fecam_is_its_formula():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3))
    y = np.repeat([0, 1], 40)
    distances = []
    for label in (0, 1):
        rows = x[y == label]
        covariance = np.cov(rows.T, bias=True)
        off = covariance[~np.eye(3, dtype=bool)].mean()
        raised = covariance + np.diag(covariance).mean() * np.eye(3) + off * (1 - np.eye(3))
        deviation = np.sqrt(np.diag(raised))
        inverse = np.linalg.inv(raised / np.outer(deviation, deviation))
        distances.append([(row - rows.mean(0)) @ inverse @ (row - rows.mean(0)) for row in x])
    np.testing.assert_allclose(-MomentClassifier("fecam").fit(x, y).scores(x).T, distances)


@pytest.mark.parametrize("rule", RULES)
def test_it_reads_digits_and_can_be_stored_bit_for_bit(rule, digits):
    x, y, test_x, test_y = digits
    classifier = MomentClassifier(rule, projections=300).fit(x, y)
    assert classifier.score(test_x, test_y) > 0.85
    arrays = {name: values.copy() for name, values in classifier.to_arrays().items()}
    assert all(values.dtype.kind in "if" for values in arrays.values())
    restored = MomentClassifier(rule, projections=300).load_arrays(arrays, range(10))
    assert np.array_equal(restored.scores(test_x), classifier.scores(test_x))


@pytest.mark.parametrize(("rule", "X", "y", "message"), [
    ("fecam", np.eye(3)[:2], [0, 1], "covariance of the class '0' is singular: 1 sample of 3"),
    ("slda", np.eye(2), [0, 1], "covariance of the classes together is singular: 2 samples of 2"),
    ("fecam", np.full((4, 2), 5.0), [0, 0, 1, 1], "class '0' is singular: 2 samples of 2 features"),
    ("ncm", [[0, 1], [np.nan, 0]], [0, 1], "row 1, feature 0 of X is NaN"),
])
def test_rows_that_cannot_be_used_are_named(rule, X, y, message):
    with pytest.raises(DataError, match=message):
        MomentClassifier(rule).fit(X, y)


def test_an_unknown_rule_is_named():
    with pytest.raises(UnknownNameError, match="unknown rule 'lda'; known: fecam"):
        MomentClassifier("lda").fit(np.eye(2), [0, 1])


# A class read as a task

@pytest.mark.parametrize("rule", RULES)
def test_the_task_is_that_of_the_predicted_class(rule, digits):
    x, y, test_x, test_y = digits
    retriever = ClassAsTask(MomentClassifier(rule, projections=300)).fit(x, y // 2, labels=y)
    classifier = MomentClassifier(rule, projections=300).fit(x, y)
    assert np.array_equal(retriever.predict(test_x), classifier.predict(test_x) // 2)
    expected = classifier.scores(test_x).reshape(-1, 5, 2).max(2)
    assert np.array_equal(retriever.scores(test_x), expected)
    arrays = retriever.to_arrays()
    restored = ClassAsTask(MomentClassifier(rule, projections=300)).load_arrays(
        arrays, range(5), labels=range(10))
    assert np.array_equal(restored.scores(test_x), expected)


def test_ranpac_finds_the_task_of_digits_learned_task_after_task(digits):
    x, y, test_x, test_y = digits
    retriever = ClassAsTask()
    for task in (3, 0, 4, 1, 2):
        rows = y // 2 == task
        retriever.partial_fit(x[rows], y[rows] // 2, labels=y[rows])
    assert retriever.classes_.tolist() == [3, 0, 4, 1, 2]
    assert retriever.score(test_x, test_y // 2) > 0.96


def test_classes_that_cannot_be_read_as_tasks_are_named():
    X, tasks = np.eye(4), ["a", "a", "b", "b"]
    with pytest.raises(DataError, match="the class 'x' is of the tasks 'a' and 'b'"):
        ClassAsTask().fit(X, tasks, labels=["x", "y", "x", "z"])
    with pytest.raises(DataError, match="3 labels and 4 rows of features. Give one label for each"):
        ClassAsTask().fit(X, tasks, labels=["x", "y", "z"])
    learned = ClassAsTask().fit(X, tasks, labels=["x", "y", "z", "z"])
    with pytest.raises(DataError, match="the class 'x' is of the tasks 'a' and 'c'"):
        learned.partial_fit(X, ["c"] * 4, labels=["x", "u", "v", "w"])
    assert learned.classes_.tolist() == ["a", "b"]


def test_a_task_that_the_classifier_refuses_changes_nothing(digits):
    x, y, test_x, _ = digits
    learned = ClassAsTask(MomentClassifier("fecam")).fit(x[y < 4], y[y < 4] // 2, labels=y[y < 4])
    before = learned.scores(test_x)
    with pytest.raises(DataError, match="the class '9' is singular: 1 sample of 64"):
        learned.partial_fit(x[y == 9][:1], [4], labels=[9])
    assert np.array_equal(learned.scores(test_x), before)
    rows = (y == 4) | (y == 5)
    learned.partial_fit(x[rows], y[rows] // 2, labels=y[rows])
    assert learned.classifier_.classes_.tolist() == [0, 1, 2, 3, 4, 5]
