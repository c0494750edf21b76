"""Metrics: golden values worked out by hand, identities, and what other libraries make of it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import ConfigError, UndefinedMetricError, UnknownNameError
from workbench.measure.metrics import AccuracyMatrix, summarise

R = [[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]]
B = [0.10, 0.12, 0.15]
MAMMOTH = [[0.90], [0.95, 0.85], [0.60, 0.88, 0.80]]
"""The same run as a library that evaluates only the tasks seen stores it."""
NAN = float("nan")
NAMES = {"ACC", "AIA", "BWT", "FWT", "forgetting", "learning_accuracy", "AURC", "AURC_clipped"}

# By hand, one line per metric:
GOLDEN = {
    "ACC": (0.60 + 0.88 + 0.80) / 3,                               # .76
    "AIA": (0.90 + (0.95 + 0.85) / 2 + (0.60 + 0.88 + 0.80) / 3) / 3,  # .8533
    "learning_accuracy": (0.90 + 0.85 + 0.80) / 3,                 # .85
    "BWT": ((0.60 - 0.90) + (0.88 - 0.85)) / 2,                    # -.135
    "FWT": ((0.50 - 0.12) + (0.40 - 0.15)) / 2,                    # .315
    "forgetting": ((0.95 - 0.60) + (0.85 - 0.88)) / 2,             # .16
    "AURC": (17 / 18 + 173 / 170) / 2,                             # (.9444 + 1.0176) / 2 = .9810
    "AURC_clipped": (11 / 12 + 1) / 2,                             # .9583
}
ROUNDED = {"ACC": 0.76, "AIA": 0.8533, "learning_accuracy": 0.85, "BWT": -0.135, "FWT": 0.315,
           "forgetting": 0.16, "AURC": 0.9810, "AURC_clipped": 0.9583}


def of(R, b=None, scenario=None):
    """Return the metrics of a matrix that are defined."""
    return summarise(AccuracyMatrix(R, b, scenario))[0]


# Golden values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NAMES))
def test_golden_vector(name):
    value = of(R, B)[name]
    assert isinstance(value, float)
    assert value == pytest.approx(GOLDEN[name], abs=1e-12)
    assert value == pytest.approx(ROUNDED[name], abs=5e-5)


def test_methods_and_summary_agree():
    matrix = AccuracyMatrix(R, B)
    assert summarise(matrix) == ({
        "ACC": matrix.average_accuracy(), "AIA": matrix.average_incremental_accuracy(),
        "BWT": matrix.backward_transfer(), "FWT": matrix.forward_transfer(),
        "forgetting": matrix.forgetting(), "learning_accuracy": matrix.learning_accuracy(),
        "AURC": matrix.area_under_retention(), "AURC_clipped": matrix.area_under_retention(clip=1),
    }, {})


def test_retention_curves_and_their_areas_by_hand():
    rho = AccuracyMatrix(R).retention()
    expected = [[1, NAN, NAN], [19 / 18, 1, NAN], [2 / 3, 88 / 85, 1]]
    np.testing.assert_allclose(rho, expected, rtol=1e-12)
    # Trapezoids over [0, 1, 2] for task 0 and [1, 2] for task 1, divided by their length.
    first = ((rho[0, 0] + rho[1, 0]) / 2 + (rho[1, 0] + rho[2, 0]) / 2) / 2
    second = (rho[1, 1] + rho[2, 1]) / 2
    assert (first, second) == pytest.approx((0.9444, 1.0176), abs=5e-5)
    assert AccuracyMatrix(R).area_under_retention() == pytest.approx((first + second) / 2)


def test_intransigence_by_hand():
    joint = AccuracyMatrix([[0.92, NAN, NAN], [NAN, 0.90, NAN], [NAN, NAN, 0.70]])
    expected = (0.02 + 0.05 - 0.10) / 3
    assert AccuracyMatrix(R).intransigence(joint) == pytest.approx(expected)
    assert AccuracyMatrix(R).intransigence(joint.R) == pytest.approx(expected)


# What other libraries compute from the same matrix ------------------------------------------------


def diaz_accuracy(R):
    return np.mean([R[i][j] for i in range(len(R)) for j in range(i + 1)])


def diaz_backward(R):
    return np.mean([R[i][j] - R[j][j] for i in range(len(R)) for j in range(i)])


def diaz_forward(R):
    return np.mean([R[i][j] for j in range(len(R)) for i in range(j)])


def continuum_backward(R):
    pairs = len(R) * (len(R) - 1) / 2
    return sum(R[i][j] - R[j][j] for i in range(1, len(R)) for j in range(i - 1)) / pairs


def continuum_forward(R):
    return np.mean([R[i][j] for i in range(len(R)) for j in range(i)])


def avalanche_forgetting(R):
    return np.mean([R[j][j] - R[-1][j] for j in range(len(R) - 1)])


def mammoth_forgetting(R):
    """As in Mammoth, in place padding included."""
    for i in range(len(R) - 1):
        R[i] += [0.0] * (len(R) - len(R[i]))
    best = np.max(np.array(R), axis=0)
    return np.mean([best[j] - R[-1][j] for j in range(len(R) - 1)])


def rwalk_forgetting(R):
    """As in the paper: the maximum also runs over rows from before the task was trained."""
    return np.mean([max(row[j] for row in R[:-1]) - R[-1][j] for j in range(len(R) - 1)])


@pytest.mark.parametrize(("rule", "theirs", "ours"), [
    (diaz_accuracy, 0.83, "ACC"),
    (diaz_accuracy, 0.83, "AIA"),
    (diaz_backward, -0.0733, "BWT"),
    (continuum_backward, -0.10, "BWT"),
    (diaz_forward, 0.3667, "FWT"),
    (continuum_forward, 0.81, "FWT"),
    (avalanche_forgetting, 0.135, "forgetting"),
    (mammoth_forgetting, 0.175, "forgetting"),
])
def test_other_rules_give_other_numbers(rule, theirs, ours):
    assert rule(copy.deepcopy(R)) == pytest.approx(theirs, abs=5e-5)
    assert abs(of(R, B)[ours] - theirs) > 0.01


def test_forgetting_starts_where_the_task_was_trained():
    high_before = [[0.9, 0.7, 0.2], [0.9, 0.5, 0.2], [0.9, 0.5, 0.8]]
    assert of(high_before)["forgetting"] == pytest.approx(0)
    assert rwalk_forgetting(high_before) == pytest.approx(0.1)
    assert rwalk_forgetting(R) == pytest.approx(of(R)["forgetting"])


# Traps --------------------------------------------------------------------------------------------


def test_callers_ragged_list_is_left_alone():
    theirs, ours = copy.deepcopy(MAMMOTH), copy.deepcopy(MAMMOTH)
    mammoth_forgetting(theirs)
    assert theirs != MAMMOTH, "the trap itself: Mammoth's rule pads in place"
    matrix = AccuracyMatrix(ours)
    summarise(matrix)
    assert ours == MAMMOTH
    np.testing.assert_array_equal(np.isnan(matrix.R), np.triu(np.ones((3, 3), bool), 1))


def test_inputs_are_copied_and_the_copies_are_read_only():
    r, b = np.array(R), np.array(B)
    matrix = AccuracyMatrix(r, b)
    r[:], b[:] = 0, 0
    np.testing.assert_array_equal(matrix.R, R)
    np.testing.assert_array_equal(matrix.b, B)
    for stored in (matrix.R, matrix.b):
        with pytest.raises(ValueError, match="read-only"):
            stored[0] = 1


def test_ragged_runs_have_the_same_metrics_but_no_forward_transfer():
    full, ragged = of(R, B), of(MAMMOTH, B)
    assert set(full) - set(ragged) == {"FWT"}
    assert ragged == {k: v for k, v in full.items() if k != "FWT"}


def test_ragged_lists_with_seeds():
    matrix = AccuracyMatrix([MAMMOTH, MAMMOTH])
    assert matrix.R.shape == (2, 3, 3)
    np.testing.assert_allclose(matrix.forgetting(), [0.16, 0.16])


def test_ragged_list_the_other_way_round_is_refused():
    # Rows are tasks, as PILOT stores them: row 1 starts at task 1's first evaluation.
    with pytest.raises(ConfigError, match=r"row 2 has 1 values, expected 3 to 3.*transposed"):
        AccuracyMatrix([[0.90, 0.95, 0.60], [0.85, 0.88], [0.80]])
    with pytest.raises(ConfigError, match="row 0 has 3 values, expected 1 to 2"):
        AccuracyMatrix([[0.9, 0.5, 0.2], [0.9, 0.8]])


def test_not_evaluated_is_never_read_as_zero():
    cells = np.array(R)
    cells[2, 1] = NAN
    defined, undefined = summarise(AccuracyMatrix(cells, B))
    assert set(defined) == {"FWT", "learning_accuracy"}
    for name, reason in undefined.items():
        assert reason.startswith(name.removesuffix("_clipped"))
        assert "R[2, 1] (trained through task 2, tested on task 1)" in reason
        assert "not evaluated" in reason
    with pytest.raises(UndefinedMetricError, match=r"retention needs R\[2, 1\]"):
        AccuracyMatrix(cells).retention()
    assert of([[0.9, 0.5], [0.0, 0.8]])["ACC"] == pytest.approx(0.4), "a measured 0 is a 0"


def test_null_from_json_is_not_evaluated():
    assert np.isnan(AccuracyMatrix([[0.9, None], [0.5, 0.8]]).R[0, 1])


@pytest.mark.parametrize("missing", [(i, j) for i in range(3) for j in range(3)])
def test_each_metric_needs_just_its_own_cells(missing):
    lower, last, diagonal = missing[1] <= missing[0], missing[0] == 2, missing[0] == missing[1]
    old = missing[1] < 2
    needs = {"ACC": last, "AIA": lower, "learning_accuracy": diagonal,
             "BWT": old and (last or diagonal), "FWT": missing[1] == missing[0] + 1,
             "forgetting": old and lower, "AURC": old and lower, "AURC_clipped": old and lower}
    cells = np.array(R)
    cells[missing] = NAN
    defined, undefined = summarise(AccuracyMatrix(cells, B))
    assert set(undefined) == {name for name, needed in needs.items() if needed}
    assert set(defined) | set(undefined) == NAMES
    for name, value in defined.items():
        assert value == pytest.approx(GOLDEN[name])


def test_the_run_with_the_missing_cell_is_named():
    cells = np.array([R, R, R])
    cells[1, 2, 0] = NAN
    with pytest.raises(UndefinedMetricError, match=r"R\[2, 0\] .* in run 1; cells missing: 1"):
        AccuracyMatrix(cells).average_accuracy()


def test_rows_are_trained_through_and_columns_tested_on():
    # After task 1, task 0 is lost; task 1 was never good before it was trained.
    forgets = of([[1.0, 0.0], [0.2, 0.6]], [0.0, 0.0])
    assert forgets["ACC"] == pytest.approx(0.4)
    assert forgets["BWT"] == pytest.approx(-0.8)
    assert forgets["FWT"] == pytest.approx(0.0)
    transposed = of(np.transpose(R), B)
    for name in NAMES - {"learning_accuracy"}:
        assert abs(transposed[name] - GOLDEN[name]) > 1e-3, name


def test_forgetting_may_be_negative_and_mammoths_may_not():
    better = [[0.5, 0.1], [0.9, 0.8]]
    assert of(better)["forgetting"] == pytest.approx(-0.4)
    assert mammoth_forgetting(copy.deepcopy(better)) == 0


def test_forward_transfer_is_undefined_in_the_class_scenario():
    zeros_ahead = np.tril(np.array(R))
    with pytest.raises(UndefinedMetricError, match="class scenario.* always 0"):
        AccuracyMatrix(zeros_ahead, B, "class").forward_transfer()
    defined, undefined = summarise(AccuracyMatrix(zeros_ahead, B, "class"))
    assert set(undefined) == {"FWT"} and set(defined) == NAMES - {"FWT"}
    for scenario in (None, "task", "domain"):
        assert of(R, B, scenario)["FWT"] == pytest.approx(0.315)


def test_forward_transfer_needs_the_accuracies_before_training():
    with pytest.raises(UndefinedMetricError, match="FWT needs b"):
        AccuracyMatrix(R).forward_transfer()
    with pytest.raises(UndefinedMetricError, match=r"FWT needs b\[2\] \(task 2 before"):
        AccuracyMatrix(R, [0.1, 0.1, NAN]).forward_transfer()
    assert of(R, [NAN, 0.12, 0.15])["FWT"] == pytest.approx(0.315), "b[0] takes no part"


def test_one_task_defines_no_comparison():
    defined, undefined = summarise(AccuracyMatrix([[0.8]], [0.1]))
    assert defined == {"ACC": 0.8, "AIA": 0.8, "learning_accuracy": 0.8}
    assert set(undefined) == {"BWT", "FWT", "forgetting", "AURC", "AURC_clipped"}
    assert all("at least 2" in reason for reason in undefined.values())
    assert AccuracyMatrix([[0.8]]).retention().tolist() == [[1.0]]


def test_retention_of_what_was_not_learnt_is_undefined():
    cells = [[0.9, 0.1, 0.1], [0.5, 0.0, 0.1], [0.4, 0.3, 0.8]]
    with pytest.raises(UndefinedMetricError, match=r"divides by R\[1, 1\].*task 1 was not learnt"):
        AccuracyMatrix(cells).retention()
    with pytest.raises(UndefinedMetricError, match=r"R\[1, 1\], here 0 in run 1"):
        AccuracyMatrix([R, cells]).area_under_retention()
    last_fails = [[0.8, 0.1], [0.4, 0.0]]
    assert of(last_fails)["AURC"] == pytest.approx(0.75), "the last task takes no part in AURC"
    with pytest.raises(UndefinedMetricError, match="task 1"):
        AccuracyMatrix(last_fails).retention()


def test_intransigence_needs_the_whole_second_run():
    with pytest.raises(TypeError, match="joint"):
        AccuracyMatrix(R).intransigence()
    once = np.full((3, 3), NAN)
    once[2] = 0.9  # joint training on everything, once: says nothing about tasks <= k
    with pytest.raises(UndefinedMetricError, match=r"joint run, needs R\[0, 0\]"):
        AccuracyMatrix(R).intransigence(once)
    with pytest.raises(ConfigError, match="joint has 2 tasks, this run has 3"):
        AccuracyMatrix(R).intransigence([[0.9, 0.5], [0.9, 0.9]])
    assert "intransigence" not in of(R, B)


def test_intransigence_pairs_seeds_and_broadcasts_one_reference():
    joint, runs = AccuracyMatrix(np.ones((3, 3))), AccuracyMatrix([R, 0.5 * np.array(R)])
    np.testing.assert_allclose(runs.intransigence(joint), [0.15, 0.575])
    np.testing.assert_allclose(runs.intransigence(runs), [0, 0])
    with pytest.raises(ValueError, match="broadcast"):
        runs.intransigence(np.ones((5, 3, 3)))


@pytest.mark.parametrize(("cells", "message"), [
    ([[90.0, 50.0], [95.0, 85.0]], r"R\[0, 0\] is 90, expected .* 0 to 1; .*divide by 100"),
    ([[0.9, 50.0], [0.5, 0.8]], r"R\[0, 1\] is 50, expected .* 0 to 1; .*divide by 100"),
    ([[0.9, 0.5], [-0.1, 0.8]], r"R\[1, 0\] is -0.1, expected accuracies from 0 to 1$"),
    ([[0.9, 0.5], [0.1, np.inf]], r"R\[1, 1\] is inf, expected accuracies from 0 to 1$"),
    ([0.9, 0.8], r"shape \(\.\.\., T, T\).*not \(2,\)"),
    ([[0.9, 0.8]], r"not \(1, 2\)"),
    (np.zeros((3, 0, 0)), r"T at least 1, not \(3, 0, 0\)"),
    (0.9, "nested lists, not float"),
])
def test_wrong_matrices_are_refused(cells, message):
    with pytest.raises(ConfigError, match=message):
        AccuracyMatrix(cells)


def test_masked_cells_are_not_evaluated_rather_than_taken_as_they_are():
    masked = np.ma.masked_greater(np.array(R), 0.94)  # R[1, 0]
    assert np.isnan(AccuracyMatrix(masked).R[1, 0])
    with pytest.raises(UndefinedMetricError, match=r"R\[1, 0\]"):
        AccuracyMatrix(masked).forgetting()
    assert AccuracyMatrix(masked).average_accuracy() == pytest.approx(GOLDEN["ACC"])
    counts = np.ma.masked_array([[1, 0], [1, 1]], mask=[[0, 1], [0, 0]])
    assert np.isnan(AccuracyMatrix(counts).R[0, 1]), "whole numbers too"


def test_what_rounding_adds_to_1_is_cut_and_what_is_more_is_refused():
    rounded = AccuracyMatrix([[1 + 1e-7, -1e-9], [0.5, np.float32(1) + np.float32(1e-7)]])
    assert rounded.R.max() == 1 and rounded.R.min() == 0
    with pytest.raises(ConfigError, match=r"R\[0, 0\] is 1.00001") as raised:
        AccuracyMatrix([[1.00001, 0], [0, 1]])
    assert "100" not in str(raised.value).split("expected")[1], "these are no percentages"


@pytest.mark.parametrize("cells, message", [
    ([[0.9, 0.5], ["90%", 0.5]], r"R\[1, 0\] is '90%', expected a number"),
    ([["0.9", 0.5], [0.9, 0.5]], r"R\[0, 0\] is '0.9', expected a number"),
    (np.array([["0.9", "0.5"], ["0.9", "0.5"]]), r"R\[\] is of <U3, expected a number"),
    ([[0.9, 0.5], [{}, 0.5]], r"R\[1, 0\] is \{\}, expected"),
    ([[0.9, 0.5], [1j, 0.5]], r"R\[1, 0\] is 1j, expected"),
    ((row for row in R), r"R must be an array or nested lists, not generator; .* list\(\.\.\.\)"),
    ("90%", "R must be an array or nested lists, not str"),
    ([R, MAMMOTH, [[0.9, 0.1], [0.5, 0.9]]],
     r"seeds with different numbers of tasks: \[3, 3, 2\]"),
])
def test_what_is_no_matrix_of_numbers_is_named(cells, message):
    with pytest.raises(ConfigError, match=message):
        AccuracyMatrix(cells)


def test_wrong_baselines_and_scenarios_are_refused():
    with pytest.raises(ConfigError, match=r"b must have shape \(3,\), .*not \(2,\)"):
        AccuracyMatrix(R, [0.1, 0.1])
    with pytest.raises(ConfigError, match=r"b must have shape \(2, 3\), .*not \(3, 3\)"):
        AccuracyMatrix([R, R], [B, B, B])
    with pytest.raises(ConfigError, match=r"b\[1\] is 12, .*divide by 100"):
        AccuracyMatrix(R, [0.1, 12, 15])
    with pytest.raises(UnknownNameError, match="unknown scenario 'Class'; known: class, domain"):
        AccuracyMatrix(R, B, "Class")


def test_seeds_may_share_one_baseline():
    shared, own = of([R, R], B), of([R, R], [B, B])
    np.testing.assert_array_equal(shared["FWT"], own["FWT"])
    assert shared["FWT"].shape == (2,)


# Properties ---------------------------------------------------------------------------------------

ACCURACY = st.integers(1, 100).map(lambda right: right / 100)


@st.composite
def runs(draw, min_tasks=2, seeds=True):
    """Draw (R, b) of up to 5 tasks, with up to 4 seeds in front or none."""
    tasks = draw(st.integers(min_tasks, 5))
    lead = (draw(st.integers(1, 4)),) if seeds else ()
    return (draw(arrays(np.float64, (*lead, tasks, tasks), elements=ACCURACY)),
            draw(arrays(np.float64, (*lead, tasks), elements=ACCURACY)))


@given(runs(), st.randoms())
def test_reordering_seeds_reorders_the_metrics(run, random):
    cells, before = run
    order = list(range(len(cells)))
    random.shuffle(order)
    straight, shuffled = of(cells, before), of(cells[order], before[order])
    for name in NAMES:
        np.testing.assert_array_equal(shuffled[name], straight[name][order])
    rho = AccuracyMatrix(cells).retention()
    np.testing.assert_array_equal(AccuracyMatrix(cells[order]).retention(), rho[order])


@given(runs())
def test_all_seeds_at_once_is_each_seed_alone(run):
    cells, before = run
    together = of(cells, before)
    for name in NAMES:
        alone = [of(one, b)[name] for one, b in zip(cells, before, strict=True)]
        assert all(isinstance(value, float) for value in alone)
        np.testing.assert_allclose(together[name], alone, rtol=0, atol=1e-12)


@given(runs(seeds=False))
def test_two_leading_axes(run):
    cells, before = run
    stacked = of(np.broadcast_to(cells, (2, 3, *cells.shape)), before)
    for name, value in of(cells, before).items():
        np.testing.assert_allclose(stacked[name], np.full((2, 3), value), rtol=0, atol=1e-12)


@given(arrays(np.float64, st.integers(2, 6), elements=ACCURACY))
def test_nothing_changes_nothing_is_forgotten(accuracies):
    metrics = of(np.tile(accuracies, (len(accuracies), 1)), accuracies)
    mean = accuracies.mean()
    for name, expected in {"BWT": 0, "FWT": 0, "forgetting": 0, "AURC": 1, "AURC_clipped": 1,
                           "ACC": mean, "learning_accuracy": mean}.items():
        assert metrics[name] == pytest.approx(expected, abs=1e-12), name


@given(runs(seeds=False))
def test_ranges(run):
    metrics = of(*run)
    for name in ("ACC", "AIA", "learning_accuracy", "AURC_clipped"):
        assert 0 <= metrics[name] <= 1 + 1e-12, name
    for name in ("BWT", "FWT", "forgetting"):
        assert -1 <= metrics[name] <= 1, name
    assert metrics["AURC_clipped"] <= metrics["AURC"] + 1e-12


@given(runs(min_tasks=1, seeds=False))
def test_accuracy_is_what_was_learnt_plus_what_came_back(run):
    cells, tasks = run[0], len(run[0])
    metrics = of(cells)
    back = metrics["BWT"] if tasks > 1 else 0
    expected = metrics["learning_accuracy"] + (tasks - 1) / tasks * back
    assert metrics["ACC"] == pytest.approx(expected, abs=1e-12)


@given(runs(seeds=False))
def test_forgetting_is_at_least_minus_backward_transfer(run):
    cells, tasks = run[0], len(run[0])
    metrics = of(cells)
    forgetting, back = metrics["forgetting"], metrics["BWT"]
    assert forgetting >= -back - 1e-12
    # Equal just where no task was ever better, before the last row, than right after training.
    peaked = all(cells[j, j] >= cells[j:-1, j].max() for j in range(tasks - 1))
    assert (abs(forgetting + back) < 1e-12) == peaked
    assert tasks > 2 or peaked


@given(runs(seeds=False))
def test_the_last_row_in_the_maximum_hides_gains(run):
    """Mammoth's rule on the rows that it sees is ours with each task's gains set to 0."""
    cells, tasks = run[0], len(run[0])
    ragged = [cells[i, :i + 1].tolist() for i in range(tasks)]
    per_task = [cells[j:-1, j].max() - cells[-1, j] for j in range(tasks - 1)]
    assert of(ragged)["forgetting"] == pytest.approx(np.mean(per_task), abs=1e-12)
    assert mammoth_forgetting(ragged) == pytest.approx(np.maximum(per_task, 0).mean(), abs=1e-12)


@given(runs(seeds=False), ACCURACY)
def test_only_forward_transfer_looks_above_the_diagonal(run, other):
    cells, before = run
    changed = np.where(np.triu(np.ones_like(cells), 1) == 1, other, cells)
    straight, masked = of(cells, before), of(changed, before)
    assert {k: v for k, v in straight.items() if k != "FWT"} == {
        k: v for k, v in masked.items() if k != "FWT"}
    assert masked["FWT"] == pytest.approx(other - before[1:].mean(), abs=1e-12)


@given(runs(seeds=False), st.floats(0.5, 1))
def test_retention_does_not_depend_on_the_scale(run, factor):
    whole, part = AccuracyMatrix(run[0]), AccuracyMatrix(run[0] * factor)
    np.testing.assert_allclose(part.retention(), whole.retention(), rtol=1e-12)
    assert part.forgetting() == pytest.approx(factor * whole.forgetting(), abs=1e-12)


def test_in_the_class_scenario_a_task_not_trained_yet_has_no_accuracy():
    R = np.array([[[0.9, 0.0], [0.5, 0.8]]])
    np.testing.assert_array_equal(AccuracyMatrix(R, scenario="class").answerable(),
                                  [[[0.9, np.nan], [0.5, 0.8]]])
    for scenario in ("task", "domain", None):
        np.testing.assert_array_equal(AccuracyMatrix(R, scenario=scenario).answerable(), R)
