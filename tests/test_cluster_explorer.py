"""Task clusters: projections, distances, figures, and every control of `ClusterExplorer`."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.covariance import LedoitWolf
from tqdm.auto import tqdm

from workbench.errors import ConfigError, DataError, UnknownNameError
from workbench.plots import alt_text
from workbench.plots.clusters import (
    confusion,
    plot_clusters,
    plot_confusion,
    plot_task_retention,
)
from workbench.retrieval.projections import project, separations
from workbench.widgets import ClusterExplorer
from workbench.widgets import clusters as module
from workbench.widgets.scatter import PAUSE_S

TASKS = ("banking", "cooking", "home", "travel")
EACH = 15


def make(seed=0, each=EACH, d=6, apart=4.0):
    """Gaussian tasks on the axes, with two labels each and a text for each input."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(4), each)
    features = rng.normal(size=(4 * each, d))
    features[np.arange(4 * each), codes] += apart
    tasks = np.array(TASKS)[codes]
    labels = [f"{task}_{i % 2}" for i, task in enumerate(tasks)]
    texts = [f"text <{i}> of {task}" for i, task in enumerate(tasks)]
    return features, tasks, labels, texts


def retrieved(tasks):
    """Right but for three inputs of banking, two of them taken for home; the last is not tested."""
    found = list(tasks)
    found[:3] = ["home", "home", "travel"]
    found[-1] = None
    return found


@pytest.fixture
def explorer():
    data = make()
    rng = np.random.default_rng(1)
    opened = ClusterExplorer(
        *data, retrieved=retrieved(data[1]), clusters=np.arange(len(data[1])) % 3,
        set_sizes=1 + np.arange(len(data[1])) % 2,
        retention={"banking": [[0.9, 0.8, 0.7, 0.4], [0.8, 0.8, 0.6, 0.2]],
                   "cooking": [np.nan, 0.9, 0.8, 0.75]},
        coordinates=rng.normal(size=(len(data[1]), 2)))
    opened.redraw()
    yield opened
    opened.close()


def drawn(explorer):
    """The points as sent to the scatter plot: x, y and the number of the group."""
    until = time.monotonic() + 20
    while explorer.scatter.waiting and time.monotonic() < until:
        time.sleep(PAUSE_S / 10)
    return np.asarray(explorer.scatter.widget.points)


# Projections and distances


@pytest.mark.parametrize("kind", ["pca", "lda"])
def test_a_projection_has_two_columns_and_is_the_same_each_time(kind):
    features, tasks, *_ = make()
    first = project(features, kind, tasks)
    assert first.shape == (len(features), 2)
    assert np.array_equal(first, project(features, kind, tasks))


def test_lda_separates_tasks_that_pca_does_not_show():
    rng = np.random.default_rng(0)
    tasks = np.repeat(["a", "b", "c"], 60)
    features = np.column_stack([rng.normal(size=(180, 4)) * 30, rng.normal(size=(180, 2)) * 0.3])
    features[:, 4:] += np.repeat([[0, 0], [3, 0], [0, 3]], 60, axis=0)

    def ratio(xy):
        means = np.stack([xy[tasks == task].mean(0) for task in "abc"])
        within = np.mean([xy[tasks == task].std(0).mean() for task in "abc"])
        return np.linalg.norm(means[0] - means[1]) / within

    assert ratio(project(features, "lda", tasks)) > 4 > ratio(project(features, "pca"))


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"kind": "tsne"}, UnknownNameError, "umap"),
    ({"kind": "lda"}, ConfigError, "needs the tasks"),
    ({"kind": "lda", "tasks": ["a", "b"] * 5}, DataError, "at least 3 tasks"),
    ({"kind": "lda", "tasks": ["a", "b"]}, DataError, r"expected \(10,\)"),
    ({"features": np.zeros((10, 2, 2))}, DataError, "Flatten images"),
    ({"features": np.zeros((3, 2))}, DataError, "at least 4 rows"),
    ({"features": np.array([[0.0, 1], [2, 3], [4, np.nan], [5, 6]])}, DataError, "row 2"),
])
def test_a_projection_refuses_what_it_cannot_use(change, error, words):
    asked = {"features": np.eye(10), "kind": "pca"} | change
    with pytest.raises(error, match=words):
        project(**asked)


def test_umap_tells_its_progress_and_an_error_in_the_telling_ends_it():
    told = []
    found = project(make()[0], "umap", progress=told.append)
    assert found.shape == (4 * EACH, 2) and np.isfinite(found).all()
    assert told[0] == "0 % of the epochs" and told[-1] == "99 % of the epochs"

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project(make()[0], "umap", progress=stop)
    # A progress bar in another thread, such as that of a training, is not kept waiting.
    bar = threading.Thread(target=lambda: list(tqdm(range(3), file=io.StringIO())), daemon=True)
    bar.start()
    bar.join(60)
    assert not bar.is_alive()


def test_distances_are_mahalanobis_with_the_shrunk_shared_covariance():
    features, tasks, *_ = make()
    distances, bounds, bound = separations(features, tasks)
    means = {task: features[tasks == task].mean(0) for task in TASKS}
    residuals = features - np.stack([means[task] for task in tasks])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(residuals).covariance_)
    gap = means["banking"] - means["home"]
    expected = np.sqrt(gap @ precision @ gap)
    assert distances.loc["banking", "home"] == pytest.approx(expected)
    assert bounds.loc["banking", "home"] == pytest.approx(norm.cdf(-expected / 2))
    # The bound of all tasks is the sum over the foreign ones, averaged over the tasks.
    assert bound == pytest.approx(np.nansum(bounds.to_numpy()) / 4)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_distances_do_not_depend_on_rotation_or_scale(seed):
    features, tasks, *_ = make(seed, each=8)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    before, after = separations(features, tasks)[0], separations(7 * features @ rotation, tasks)[0]
    assert np.allclose(before, after) and np.allclose(before, before.T)


def test_there_are_distances_with_fewer_samples_than_features_and_shuffled_tasks_have_some_too():
    features, tasks, *_ = make(d=300)
    shuffled = np.random.default_rng(0).permutation(tasks)
    true, chance = (separations(features, names)[0].to_numpy()[~np.eye(4, dtype=bool)]
                    for names in (tasks, shuffled))
    assert np.isfinite(true).all() and true.mean() > chance.mean() > 0.5


def test_one_task_has_no_distances():
    with pytest.raises(DataError, match="at least 2 tasks"):
        separations(np.eye(5), ["a"] * 5)


# Figures


def test_the_scatter_plot_names_each_task_at_the_median_of_its_points():
    xy = np.array([[0.0, 0], [1, 0], [2, 9], [10, 10], [12, 10], [11, 11]])
    ax = plot_clusters(xy, ["a"] * 3 + ["b"] * 3, title="UMAP")
    assert {text.get_text(): text.get_position() for text in ax.texts} == {
        "a": (1, 0), "b": (11, 10)}
    assert {line.get_marker() for line in ax.lines} == {"o", "s"}
    assert "6 points of 2 tasks" in alt_text(ax.figure)


def test_emphasised_points_are_in_front_of_faint_ones_and_counted():
    ax = plot_clusters(np.random.default_rng(0).normal(size=(6, 2)), ["a", "b"] * 3,
                       groups=["right", "wrong"] * 3, chosen=[True, False, True] + [False] * 3)
    assert "2 of them emphasised" in alt_text(ax.figure)
    assert sorted(line.get_alpha() for line in ax.lines) == [0.12, 0.12, 0.7, 0.7]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["right", "wrong"]


def test_confusion_has_a_row_of_shares_for_each_task():
    shares = confusion(["a", "a", "a", "b"], ["a", "c", "c", "b"])
    assert shares.loc["a"].tolist() == pytest.approx([1 / 3, 0, 2 / 3])
    assert shares.loc["b"].tolist() == [0, 1, 0]
    assert shares.loc["c"].isna().all()
    words = alt_text(plot_confusion(shares).figure)
    assert "a 33 % right, 67 % taken for c" in words and "c not defined right" in words
    assert "b 100 % right" not in alt_text(plot_confusion(shares, chosen="a").figure)


def test_names_of_many_tasks_are_numbered_in_the_columns():
    names = [f"a long name {i}" for i in range(14)]
    ax = plot_confusion(confusion(names, names))
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["1", "2"]
    assert ax.get_yticklabels()[1].get_text().replace("\n", " ") == "a long name 1 (2)"


def test_a_retention_curve_begins_when_its_task_is_learned():
    ax = plot_task_retention({"a": np.array([[0.9, 0.5]]), "b": np.array([[np.nan, 0.8]])})
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 1]
    assert "a from 90 % after stage 1 to 50 % after stage 2" in alt_text(ax.figure)
    only = plot_task_retention({"a": np.array([[0.9, 0.5]]), "b": np.array([[np.nan, 0.8]])},
                               chosen="b")
    assert "a from" not in alt_text(only.figure)


def test_a_task_has_the_same_colour_in_the_scatter_plot_and_in_its_curve():
    scatter = plot_clusters(np.eye(2), ["a", "b"])
    curve = plot_task_retention({"b": np.array([[0.9, 0.5]])}, tasks=["a", "b"])
    assert curve.lines[0].get_color() == scatter.lines[1].get_color()
    assert curve.lines[0].get_marker() == scatter.lines[1].get_marker()


# The widget


def test_all_points_are_shown_at_first(explorer):
    assert drawn(explorer).shape[0] == 4 * EACH
    assert explorer.projection.label == "UMAP"
    assert len(explorer.selected) == 4 * EACH
    assert "1 to 6 of 60 points" in explorer.contents.value
    assert not explorer.trouble.value


def test_texts_are_escaped(explorer):
    assert "text &lt;0&gt; of banking" in explorer.contents.value


def test_a_chosen_task_is_shown_in_all_pictures_together(explorer):
    before = explorer.image.value
    explorer.task.value = "banking"
    assert explorer.selected.tolist() == list(range(EACH))
    assert np.array_equal(explorer.scatter.widget.selection, np.arange(EACH))
    words = explorer.words.value
    assert "15 of them emphasised" in words
    assert "banking 80 % right, 13 % taken for home" in words and "cooking 1" not in words
    assert "banking from 85 % after stage 1 to 30 % after stage 4" in words
    assert explorer.table().iloc[:, -1].to_dict() == {
        "cooking": "0 %", "home": "13 %", "travel": "7 %"}
    assert explorer.image.value != before
    assert "banking to" in explorer.distances.value


def test_errors_can_be_chosen_and_read_without_a_mouse(explorer):
    explorer.task.value, explorer.group.value = "banking", "errors"
    assert explorer.selected.tolist() == [0, 1, 2]
    explorer.task.value = "home"
    assert explorer.group.value == "errors" and "No points" in explorer.contents.value
    explorer.group.value = "wrongly retrieved as this task"
    assert explorer.selected.tolist() == [0, 1]
    explorer.task.value = "all tasks"
    assert explorer.group.value == "all" and len(explorer.selected) == 4 * EACH


@pytest.mark.parametrize(("group", "count"), [("label banking_1", 7), ("cluster 2", 5)])
def test_a_label_and_a_cluster_are_groups(explorer, group, count):
    explorer.task.value = "banking"
    explorer.group.value = group
    assert len(explorer.selected) == count
    assert f"{count} points" in explorer.announcement.value


def test_the_slider_goes_through_the_points(explorer):
    explorer.task.value = "banking"
    assert explorer.first.max == EACH
    explorer.first.value = 10
    assert "10 to 15 of 15 points" in explorer.contents.value
    assert "text &lt;9&gt;" in explorer.contents.value
    explorer.group.value = "errors"
    assert (explorer.first.value, explorer.first.max) == (1, 3)


def test_a_lasso_shows_its_texts_and_an_empty_one_shows_all(explorer):
    explorer.task.value = "home"
    explorer.scatter.widget.selection = np.array([50, 3], dtype=np.uint32)
    assert explorer.group.value == "drawn with the lasso"
    assert explorer.selected.tolist() == [3, 50]
    assert "text &lt;3&gt;" in explorer.contents.value
    assert "2 of them emphasised" in explorer.words.value
    explorer.scatter.widget.selection = np.array([7], dtype=np.uint32)
    assert explorer.selected.tolist() == [7]
    explorer.scatter.widget.selection = np.array([], dtype=np.uint32)
    assert (explorer.task.value, explorer.group.value) == ("all tasks", "all")
    assert len(explorer.selected) == 4 * EACH


def test_the_point_under_the_pointer_is_read_out(explorer):
    explorer.scatter.widget.hovering = 1
    assert "text &lt;1&gt; of banking" in explorer.under_pointer.value
    assert "retrieved: home (wrong)" in explorer.under_pointer.value
    explorer.scatter.widget.hovering = None
    assert "text &lt;1&gt;" in explorer.under_pointer.value


@pytest.mark.parametrize(("colour", "names"), [
    ("task", list(TASKS)), ("retrieved task", [*TASKS, "not tested"]),
    ("right or wrong", ["right", "wrong", "not tested"]), ("set size", ["1", "2"]),
    ("cluster", ["0", "1", "2"])])
def test_points_are_coloured_by_what_is_chosen(explorer, colour, names):
    explorer.colour.value = colour
    points = drawn(explorer)
    assert len(np.unique(points[:, 2])) == len(names) == len(explorer.scatter.widget.color)
    assert explorer.scatter.widget.color_selected == explorer.scatter.widget.color
    assert all(name in explorer.legend.value for name in names)
    assert not explorer.trouble.value


def test_only_what_was_given_is_offered():
    data = make()
    plain = ClusterExplorer(*data)
    assert plain.colour.options == ("task",)
    assert [label for label, _ in plain.projection.options] == ["PCA", "LDA"]
    assert "errors" not in plain.group.options
    assert list(plain.table().columns) == ["distance", "if shuffled", "B1"]
    plain.redraw()
    assert not plain.trouble.value and "error measured" not in plain.distances.value
    plain.close()


def test_shuffled_tasks_keep_the_picture_and_lose_the_separation(explorer):
    before, table = drawn(explorer), explorer.table()
    explorer.shuffled.value = True
    after = drawn(explorer)
    assert np.array_equal(before[:, :2], after[:, :2])
    assert not np.array_equal(before[:, 2], after[:, 2])
    assert np.array_equal(np.bincount(before[:, 2].astype(int)),
                          np.bincount(after[:, 2].astype(int)))
    chance = explorer.table()
    assert "if shuffled" not in chance
    assert chance["distance"].astype(float).max() < table["distance"].astype(float).min()
    assert explorer.points.wrong.mean() > 0.5
    assert "tasks shuffled" in explorer.words.value
    explorer.shuffled.value = False
    assert np.array_equal(drawn(explorer), before) and explorer.table().equals(table)


def test_lda_is_fitted_again_to_shuffled_tasks(explorer):
    explorer.projection.value = "lda"
    before = drawn(explorer)
    explorer.shuffled.value = True
    assert not np.allclose(drawn(explorer)[:, :2], before[:, :2])


def test_of_quick_changes_the_last_is_drawn(explorer):
    for kind in ("pca", "lda", "umap", "pca"):
        explorer.projection.value = kind
    xy = project(explorer.features, "pca")
    low, high = xy.min(0), xy.max(0)
    expected = (2 * (xy - low) / (high - low) - 1) / 1.05
    assert np.allclose(drawn(explorer)[:, :2], expected, atol=1e-5)


def test_changes_from_two_threads_are_made_one_after_the_other(explorer):
    with explorer._lock:
        other = threading.Thread(target=lambda: setattr(explorer.task, "value", "home"))
        other.start()
        other.join(0.2)
        assert other.is_alive() and len(explorer.selected) == 4 * EACH
    other.join(20)
    assert len(explorer.selected) == EACH and "(home, all)" in explorer.contents.value


def test_the_static_form_is_the_labelled_scatter_plot_and_the_distances(explorer):
    explorer.task.value = "banking"
    snapshot = explorer.snapshot()
    assert {text.get_text() for text in snapshot.figure.axes[0].texts} == set(TASKS)
    assert list(snapshot.table.columns) == ["distance", "if shuffled", "B1", "given this task"]


def test_a_computation_moves_the_points_and_the_same_seed_gives_the_same(explorer, monkeypatch):
    monkeypatch.setattr(module, "project", lambda features, kind, random_state, progress: (
        progress("50 % of the epochs"),
        np.random.default_rng(random_state).normal(size=(len(features), 2)))[1])
    explorer.projection.value = "pca"
    explorer.seed.value = 3
    explorer.buttons["Compute UMAP"].click()
    explorer.wait()
    assert explorer.projection.label == "UMAP" and "seed 3" in explorer.progress.value
    assert np.array_equal(explorer.coordinates(),
                          np.random.default_rng(3).normal(size=(4 * EACH, 2)))
    assert explorer.buttons["Cancel"].disabled


def test_a_cancelled_computation_keeps_the_coordinates(explorer, monkeypatch):
    going = threading.Event()

    def slow(features, kind, random_state, progress):
        while True:
            progress("1 % of the epochs")
            going.set()
            time.sleep(0.001)

    monkeypatch.setattr(module, "project", slow)
    before = explorer.coordinates()
    explorer.compute()
    assert going.wait(20)
    assert explorer.buttons["Compute UMAP"].disabled and not explorer.buttons["Cancel"].disabled
    assert explorer.progress.value == "UMAP: 1 % of the epochs"
    explorer.task.value = "home"
    assert len(explorer.selected) == EACH
    explorer.buttons["Cancel"].click()
    explorer.wait()
    assert explorer.coordinates() is before and "kept" in explorer.progress.value
    assert not explorer.buttons["Compute UMAP"].disabled and not explorer.trouble.value


def test_a_failed_computation_says_so_and_keeps_the_coordinates(explorer, monkeypatch):
    def fail(*_, **__):
        raise DataError("no neighbours <here>")

    monkeypatch.setattr(module, "project", fail)
    before = explorer.coordinates()
    explorer.compute()
    explorer.wait()
    assert "no neighbours &lt;here&gt;" in explorer.trouble.value
    assert explorer.coordinates() is before and "Failed" in explorer.progress.value


def test_digits_are_shown_as_pictures():
    features, tasks, labels, _ = make()
    images = np.random.default_rng(0).integers(0, 17, (len(tasks), 8, 8)).astype(float)
    digits = ClusterExplorer(features, tasks, labels, images, retrieved=retrieved(tasks))
    assert digits.contents.value.count("<img") == 16
    assert 'alt="input 0: banking, banking_0; retrieved: home (wrong)"' in digits.contents.value
    digits.scatter.widget.hovering = 4
    assert "<img" in digits.under_pointer.value
    digits.close()


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"tasks": ["a"] * 3}, DataError, "task: 3 values, but 60 rows"),
    ({"labels": ["a"] * 61}, DataError, "label: 61 values"),
    ({"contents": ["a"] * 2}, DataError, "contents: 2 values"),
    ({"contents": list(range(60))}, DataError, "sequence of texts, or an array of images"),
    ({"contents": np.zeros((60, 8))}, DataError, "sequence of texts, or an array of images"),
    ({"clusters": [1.0, None] * 30}, DataError, "cluster: the value of row 1 is missing"),
    ({"retrieved": ["moon"] * 60}, UnknownNameError, "retrieved task 'moon'.*banking"),
    ({"retention": {"moon": [1.0]}}, UnknownNameError, "task in retention 'moon'"),
    ({"coordinates": np.zeros((60, 3))}, DataError, r"shape \(60, 3\)"),
    ({"coordinates": np.full((60, 2), np.nan)}, DataError, "finite"),
    ({"features": np.full((60, 2), np.inf)}, DataError, "row 0"),
    ({"tasks": ["a"] * 60}, DataError, "at least 2 tasks"),
])
def test_bad_data_are_refused_with_the_reason(change, error, words):
    given = dict(zip(("features", "tasks", "labels", "contents"), make(), strict=True)) | change
    with pytest.raises(error, match=words):
        ClusterExplorer(**given)
