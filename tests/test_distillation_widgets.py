"""Soft labels, generations and costs: the numbers, the pictures, and what is refused."""

from __future__ import annotations

import html
import itertools
import math

import ipywidgets as w
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.special import entr
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from workbench.errors import DataError, UnknownNameError
from workbench.plots import alt_text
from workbench.plots.costs import plot_costs
from workbench.plots.soft_labels import RIGHT, WRONG, soften, wrong_shares
from workbench.tasks.digits import load_digits
from workbench.widgets import CostPanel, GenerationExplorer, SoftLabelExplorer, rounds
from workbench.widgets.rounds import NOISES, PENALTIES, digits_kernel, exact_model, probabilities

LOGITS = np.array([[9.0, 0.0, 1.0], [0.0, 2.0, 2.1], [3.0, 5.0, 0.0]])
IMAGES = np.arange(12.0).reshape(3, 4)
LABELS = np.array([0, 1, 0])


def moved(widget, name, value):
    """Move a control, and return the words before and after."""
    widget.redraw()
    before = html.unescape(widget.words.value)
    getattr(widget, name).value = value
    assert widget.trouble.value == ""
    return before, html.unescape(widget.words.value)


# Soft labels

@given(st.lists(st.floats(-20, 20), min_size=2, max_size=12), st.floats(0.25, 10),
       st.floats(1.0, 4.0))
def test_a_higher_temperature_keeps_the_order_and_raises_the_entropy(logits, low, factor):
    cold, hot = soften(logits, low), soften(logits, low * factor)
    assert cold.sum() == pytest.approx(1) and hot.sum() == pytest.approx(1)
    assert (np.diff(hot[np.argsort(logits)]) >= -1e-12).all()
    assert entr(hot).sum() >= entr(cold).sum() - 1e-9


def test_soft_labels_have_the_values_worked_out_by_hand():
    odds = math.log(9)
    np.testing.assert_allclose(soften([odds, 0], 1.0), [0.9, 0.1])
    np.testing.assert_allclose(soften([odds, 0], 2.0), [0.75, 0.25])  # odds of 9 become 3
    np.testing.assert_allclose(wrong_shares([50.0, odds, 0], 0, 2.0), [0, 0.75, 0.25])


def test_wrong_classes_keep_their_shares_when_the_true_one_takes_all():
    assert soften([5000.0, 1.0, 0.0], 0.25)[1] == 0
    np.testing.assert_allclose(wrong_shares([5000.0, 1.0, 0.0], 0, 1.0)[1:], soften([1.0, 0], 1.0))


def test_images_are_listed_from_the_most_unsure_one():
    explorer = SoftLabelExplorer(IMAGES, LOGITS, LABELS, ["cat", "dog", "fox"])
    texts, numbers = zip(*explorer.image_number.options, strict=True)
    assert numbers == (1, 2, 0) and explorer.image_number.value == 1
    p = soften(LOGITS[1], 1.0)
    assert texts[0] == f"1. dog taken for fox, {100 * p[2]:.0f} % to {100 * p[1]:.0f} %"
    assert texts[1].startswith("2. cat taken for dog,")
    assert texts[2].startswith("3. cat that could be fox,")
    third = SoftLabelExplorer(IMAGES, LOGITS, [1, 0, 2]).image_number.options
    assert [text.split(",")[0] for text, _ in third] == [
        "1. 0 taken for 2 or 1", "2. 2 taken for 1 or 0", "3. 1 taken for 0 or 2"]


def test_the_bars_are_the_soft_label_and_its_wrong_classes():
    explorer = SoftLabelExplorer(IMAGES, LOGITS, LABELS)
    explorer.temperature.value = 4.0
    image, soft, wrong = explorer.figure().axes
    np.testing.assert_array_equal(image.images[0].get_array(), IMAGES[1].reshape(2, 2))
    widths = [bar.get_width() for bar in soft.patches]
    np.testing.assert_allclose(widths, 100 * soften(LOGITS[1], 4.0))
    np.testing.assert_allclose(soft.lines[0].get_xdata(), 100 * soften(LOGITS[1], 1.0))
    assert [to_hex(bar.get_facecolor()).upper() for bar in soft.patches] == [WRONG, RIGHT, WRONG]
    assert [tick.get_text() for tick in soft.get_yticklabels()] == ["0", "1 (true)", "2"]
    shares = [bar.get_width() for bar in wrong.patches]
    np.testing.assert_allclose(shares, 100 * wrong_shares(LOGITS[1], 1, 4.0))
    assert sum(shares) == pytest.approx(100) and shares[1] == 0
    table = explorer.table()
    assert table.loc["1", "share of the wrong classes"] == "left out"
    assert table.loc["2", "probability at temperature 4"] == f"{widths[2]:.0f} %"


def test_each_control_of_the_soft_labels_changes_the_words():
    explorer = SoftLabelExplorer(IMAGES, LOGITS, LABELS)
    before, after = moved(explorer, "temperature", 20.0)
    assert "At temperature 1 " in before and "At temperature 20 " in after
    before, after = moved(explorer, "image_number", 0)
    assert "true class: 1" in before and "true class: 0" in after
    for _, value in explorer.temperature.options:
        moved(explorer, "temperature", value)
    assert explorer.temperature.options[0][1] == 0.25 and value == 20
    assert explorer.temperature.continuous_update


@pytest.mark.parametrize("change, named", [
    ({"images": IMAGES[:2]}, "images have shape"), ({"images": np.ones((3, 5))}, "images have"),
    ({"logits": np.full((3, 3), np.nan)}, "logits must be finite"), ({"logits": [1, 2]}, "logits"),
    ({"labels": [0, 1, 3]}, "labels"), ({"labels": [0, 1]}, "labels"),
    ({"labels": [0.0, 1.0, 0.0]}, "labels"), ({"names": ["cat"]}, "names has 1"),
    ({"logits": np.ones((3, 1))}, "two classes")])
def test_soft_labels_that_do_not_fit_are_refused(change, named):
    arguments = {"images": IMAGES, "logits": LOGITS, "labels": LABELS} | change
    with pytest.raises(DataError, match=named):
        SoftLabelExplorer(**arguments)


# Generations

def test_predictions_become_probabilities_as_worked_out_by_hand():
    np.testing.assert_allclose(probabilities(np.array([[0.5, -0.2, 1.5], [-1, -2, 0]])),
                               [[0.25, 0, 0.75], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("noise, penalty", [*itertools.product(NOISES[1:], PENALTIES)])
def test_in_the_exact_model_the_labels_are_corrected_at_the_predicted_round(noise, penalty):
    shown = exact_model(noise, penalty, 60)
    memorised = shown.table["memorised"].to_numpy()
    assert np.flatnonzero(memorised == 0)[0] + 1 == shown.predicted < 60
    assert set(memorised) <= {0.0, 1.0}
    np.testing.assert_allclose(shown.table["accuracy"], 1 - noise * memorised)
    np.testing.assert_allclose(shown.table["agreement"],
                               1 - noise * (memorised[0] - memorised))


def test_the_calibration_of_the_exact_model_is_what_its_two_confidences_give():
    table = exact_model(0.5, 0.03, 8).table
    labels = np.repeat([0, 1, 2, 3], 30)
    targets = np.concatenate([[(c + 1 + i % 3) % 4 if i < 15 else c for i in range(30)]
                              for c in range(4)])
    fitted = KernelRidge(alpha=0.03, kernel="precomputed")
    gram = np.where(labels[:, None] == labels, 0.5, 0.1)
    np.fill_diagonal(gram, 1)
    p = probabilities(fitted.fit(gram, np.eye(4)[targets]).predict(gram))
    right = targets == labels
    assert (p.argmax(1) == targets).all()
    expected = (1 - p.max(1))[right].sum() + p.max(1)[~right].sum()
    assert table["ece"][0] == pytest.approx(expected / 120)


def test_a_prediction_is_told_whether_it_is_drawn_lies_beyond_or_does_not_exist():
    explorer = GenerationExplorer()
    explorer.redraw()
    assert "corrected at round 6 (dashed line)" in explorer.words.value
    assert "none from round 6 on" in explorer.words.value
    lines = explorer.figure().axes[1].lines
    assert [6, 6] in [list(line.get_xdata()) for line in lines]
    explorer.rounds.value = 5
    assert "at round 6 (beyond the 5 drawn)" in explorer.words.value
    assert "some at all drawn rounds" in explorer.words.value
    assert len(explorer.figure().axes[1].lines) == len(lines) - 1
    explorer.noise.value = 0.0
    assert "No predicted round: no label is wrong" in explorer.words.value
    assert "memorised" not in explorer.table()
    explorer.source.value = "digits, kernel"
    assert "No predicted round: real digits" in explorer.words.value


@pytest.fixture(scope="module")
def kernel():
    return digits_kernel(0.3, 0.1, 3)


def test_rounds_on_digits_are_kernel_ridge_fitted_to_its_own_predictions(kernel):
    (x, y), _, (new, labels) = load_digits()
    own = np.random.default_rng(2).choice(len(x), rounds.LABELLED, replace=False)
    train = x[own].astype(float)
    gram = rbf_kernel(train, gamma=rounds.GAMMA)
    fresh = rbf_kernel(new.astype(float), train, gamma=rounds.GAMMA)
    targets = rounds._mislabelled(y[own], 0.3, 2)
    assert (targets.argmax(1) != y[own]).sum() == 0.3 * rounds.LABELLED
    model = KernelRidge(alpha=0.1, kernel="precomputed")
    table = kernel.table[kernel.table["seed"] == 2].set_index("round")
    answers = []
    for number in (1, 2, 3):
        answers.append(model.fit(gram, targets).predict(fresh).argmax(1))
        targets = model.predict(gram)
        assert table["accuracy"][number] == pytest.approx((answers[-1] == labels).mean())
        assert table["agreement"][number] == pytest.approx((answers[-1] == answers[0]).mean())
    assert kernel.table.groupby("seed").size().tolist() == [3] * rounds.SEEDS


def test_more_noise_keeps_the_wrong_labels_and_adds_others():
    y = np.arange(200) % 10
    some, more = (rounds._mislabelled(y, noise, 0).argmax(1) for noise in (0.2, 0.5))
    assert (some != y).sum() == 40 and (more != y).sum() == 100
    assert (some[some != y] == more[some != y]).all()


def test_the_baseline_is_the_best_penalty_for_one_round(kernel):
    alone = {penalty: digits_kernel(0.3, penalty, 2).table.query("round == 1")["accuracy"].mean()
             for penalty in PENALTIES}
    best = max(alone, key=alone.get)
    assert kernel.baseline == pytest.approx(alone[best]) and kernel.predicted == math.inf
    assert f"one round with penalty {best:g}, the best of 6" in kernel.note


def network_table() -> pd.DataFrame:
    return pd.DataFrame([{"noise": noise, "generation": generation, "seed": seed,
                          "accuracy": 0.9 - noise + 0.01 * generation + 0.02 * seed,
                          "ece": 0.02 * generation, "agreement": 1.1 - 0.1 * generation}
                         for noise, generation, seed in itertools.product(
                             (0.0, 0.25), (1, 2, 3), range(3))])


def test_networks_are_a_source_only_when_their_table_is_there():
    assert [*GenerationExplorer().source.options] == ["exact model", "digits, kernel"]
    explorer = GenerationExplorer(network_table())
    explorer.redraw()
    explorer.source.value = "digits, networks"
    assert explorer.penalty.disabled and explorer.noise.value == 0.25  # the nearest to 0.3
    assert [noise for _, noise in explorer.noise.options] == [0, 0.25]
    mean = explorer.figure().axes[0].lines[0]
    np.testing.assert_allclose(mean.get_ydata(), [68, 69, 70])
    table = explorer.table()
    assert [*table.columns] == ["accuracy", "calibration error, ECE",
                                "agreement with generation 1"]
    assert table.loc[3, "accuracy"] == "70 % (65 % to 75 %)" and table.index.name == "generation"
    assert "networks have no closed form" in explorer.words.value
    explorer.noise.value = 0.0
    assert "accuracy: 93 %" in explorer.words.value
    explorer.source.value = "exact model"
    assert not explorer.penalty.disabled and explorer.noise.value == 0
    assert len(explorer.noise.options) == len(NOISES)


@pytest.mark.parametrize("name, value", [("noise", 0.5), ("penalty", 1.0), ("rounds", 10),
                                         ("source", "digits, kernel")])
def test_each_control_of_the_generations_changes_the_words(name, value):
    explorer = GenerationExplorer()
    before, after = moved(explorer, name, value)
    assert before != after


def test_a_change_of_the_source_draws_once(monkeypatch):
    explorer, drawn = GenerationExplorer(network_table()), []
    figure = explorer.figure
    monkeypatch.setattr(explorer, "figure", lambda: drawn.append(1) or figure())
    explorer.source.value = "digits, networks"
    assert len(drawn) == 1


@pytest.mark.parametrize("change, named", [
    (lambda t: t.drop(columns="ece"), "no column 'ece'"),
    (lambda t: t.assign(accuracy=90.0), "column 'accuracy' .* from 0 to 1, not 90"),
    (lambda t: t.assign(agreement=np.nan), "column 'agreement'"),
    (lambda t: t.assign(seed="a"), "column 'seed' of networks must hold numbers"),
    (lambda t: t.iloc[:0], "one row"), (lambda t: pd.concat([t, t]), "one row"),
    (lambda t: t[t["generation"] > 1], "column 'generation'"),
    (lambda t: t.iloc[:-1], "column 'generation' .* noise 0.25 and seed 2")])
def test_a_table_of_networks_that_cannot_be_drawn_is_refused(change, named):
    with pytest.raises(DataError, match=named):
        GenerationExplorer(change(network_table()))


# Costs

def cost_table() -> pd.DataFrame:
    return pd.DataFrame({"seconds to train": [2.0, 10.0, 4.0], "kilobytes kept": [0, 190, 38],
                         "accuracy": [0.9, 0.95, 0.93], "low": [0.88, 0.94, 0.9],
                         "high": [0.92, 0.96, 0.95]}, index=["plain", "ensemble", "smoothed"])


def test_the_dots_are_at_cost_and_accuracy_with_their_intervals():
    panel = CostPanel(cost_table())
    ax = panel.figure().axes[0]
    dots = {line.get_xdata()[0]: line.get_ydata()[0] for line in ax.lines
            if line.get_markersize() == 8}
    assert dots == pytest.approx({2.0: 90, 4.0: 93, 10.0: 95})
    ends = np.array([bar.get_segments()[0][:, 1] for bar in ax.collections])
    np.testing.assert_allclose(ends, [[88, 92], [90, 95], [94, 96]])  # cheapest first
    assert sorted(text.get_text() for text in ax.texts) == ["ensemble", "plain", "smoothed"]
    assert "plain 90 % at 2 (from 88 % to 92 %); smoothed" in alt_text(panel.figure())
    table = panel.table()
    assert [*table.index] == ["plain", "smoothed", "ensemble"]
    assert table.loc["ensemble", "interval, 95 %"] == "94 % to 96 %"


def test_each_control_of_the_costs_changes_the_picture():
    panel = CostPanel(cost_table())
    before, after = moved(panel, "cost", "kilobytes kept")
    assert "against seconds to train" in before and "against kilobytes kept" in after
    shown = panel.image.value
    panel.log.value = True
    assert panel.image.value != shown and panel.figure().axes[0].get_xscale() == "symlog"
    colours = [text.get_color() for text in panel.figure().axes[0].texts]
    panel.ticks["plain"].value = False
    assert "plain" not in panel.words.value and "plain" not in panel.table().index
    left = panel.figure().axes[0].texts
    assert {text.get_text() for text in left} == {"ensemble", "smoothed"}
    assert {text.get_color() for text in left} < set(colours)
    panel.cost.value = "seconds to train"
    assert panel.figure().axes[0].get_xscale() == "log"
    for tick in panel.ticks.values():
        tick.value = False
    assert "no method is ticked" in panel.words.value and panel.trouble.value == ""
    assert panel.table().empty


def test_only_the_methods_asked_for_are_ticked_and_unknown_ones_refused():
    assert [*CostPanel(cost_table(), ["plain"]).ticked.index] == ["plain"]
    with pytest.raises(UnknownNameError, match="tuned"):
        CostPanel(cost_table(), ["tuned"])


@pytest.mark.parametrize("same", [1, 8])
def test_names_of_many_methods_do_not_overlap(same):
    rng = np.random.default_rng(same)
    count = 8
    table = pd.DataFrame({"floats": rng.integers(1, 1 + 20 // same, count) * 100.0,
                          "accuracy": rng.uniform(0.85, 0.95, count)},
                         index=[f"method number {i}" for i in range(count)])
    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    ax = plot_costs(table, "floats", figure.subplots())
    FigureCanvasAgg(figure).draw()  # names are placed when the figure has its layout
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == count
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("change, named", [
    (lambda t: t.drop(columns="accuracy"), "no column 'accuracy'"),
    (lambda t: t.drop(columns="low"), "'low' and 'high'"),
    (lambda t: t[["accuracy"]], "no column with a cost"),
    (lambda t: t.assign(accuracy=[90, 95, 93]), "column 'accuracy' .*'plain' is 90"),
    (lambda t: t.assign(low=0.91), "'low' and 'high' must enclose .*'plain'"),
    (lambda t: t.assign(seconds=[1, -1, 2]), "column 'seconds' .*'ensemble' is -1"),
    (lambda t: t.assign(seconds=[1, 2, np.inf]), "column 'seconds' .*'smoothed' is inf"),
    (lambda t: t.assign(seconds=[1, np.nan, 2]), "column 'seconds' .*'ensemble' is nan"),
    (lambda t: t.assign(seconds="2 s"), "column 'seconds' must hold numbers"),
    (lambda t: t.reset_index(drop=True), "index of table"), (lambda t: t.iloc[:0], "one row"),
    (lambda t: pd.concat([t, t]), "index of table"), (lambda t: t.to_dict(), "DataFrame"),
    (lambda t: pd.concat([t, t], axis=1), "two columns")])
def test_a_table_of_costs_that_cannot_be_drawn_is_refused(change, named):
    with pytest.raises(DataError, match=named):
        CostPanel(change(cost_table()))


# All three

@pytest.mark.parametrize("make", [lambda: SoftLabelExplorer(IMAGES, LOGITS, LABELS),
                                  lambda: GenerationExplorer(network_table()),
                                  lambda: CostPanel(cost_table())])
def test_it_is_shown_live_as_a_picture_and_in_words_and_every_control_has_a_name(
        make, monkeypatch):
    widget, seen = make(), []
    monkeypatch.setattr("IPython.display.display",
                        lambda data, metadata=None, raw=False: seen.append(data))
    widget._ipython_display_()
    widget.snapshot()._ipython_display_()
    live, picture, table = seen
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.root.model_id
    assert live["text/plain"] == picture["text/plain"] == alt_text(widget.figure())
    assert html.escape(alt_text(widget.figure())) in widget.words.value
    assert "nan" not in table["text/plain"] and "<table" in table["text/html"]
    controls = [c for row in widget.root.children if isinstance(row, w.HBox) for c in row.children]
    assert len(controls) >= 2
    assert all(c.description and c.tabbable is not False for c in controls)
