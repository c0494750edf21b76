"""Figures: drawn where asked, told in words with the right numbers, and not by colour alone."""

from __future__ import annotations

import base64
import io
import itertools
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from nbconvert.exporters import HTMLExporter
from PIL import Image

from workbench import plots
from workbench.learners import LEARNERS
from workbench.learners.text import TEXT_LEARNERS
from workbench.measure.intervals import seed_interval
from workbench.measure.metrics import AccuracyMatrix
from workbench.plots import alt_text, display, percent_over_seeds
from workbench.plots.labels import percent_limits
from workbench.plots.styles import METHOD_STYLES, NOT_MEASURED, look, styles_of
from workbench.widgets.view import View

R = np.array([[[0.91, 0.02, 0.0], [0.55, 0.8, 0.1], [0.204, 0.6, 0.997]],
              [[0.93, 0.04, 0.0], [0.45, 0.9, 0.1], [0.302, 0.5, 0.993]],
              [[0.95, 0.03, 0.0], [0.50, 0.7, 0.1], [0.253, 0.4, 0.995]]])
NAMES = ["0 or 1", "2 or 3", "4 or 5"]
UNFINISHED = R.copy()
UNFINISHED[:, 2] = np.nan
CURVE = np.where(np.arange(6)[:, None] < 4, np.linspace(0.1, 0.9, 18).reshape(6, 3), np.nan)


@pytest.fixture(autouse=True)
def nothing_open():
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(6, 3)).subplots()


@pytest.fixture
def printed(monkeypatch):
    """What `show` hands to the front end: bundles and metadata."""
    seen = []
    monkeypatch.setattr("IPython.display.display",
                        lambda data, metadata=None, raw=False: seen.append((data, metadata, raw)))
    return seen


def draw(kind: str, ax, R=R):
    """Draw one of the plots from these accuracies."""
    return {
        "matrix": lambda: plots.plot_accuracy_matrix(AccuracyMatrix(R), NAMES, ax),
        "retention": lambda: plots.plot_retention({"ewc": R, "joint": R}, NAMES, ax),
        "curves": lambda: plots.plot_task_curves(np.arange(1, 7) * 10, R.reshape(-1, 9)[:, :6, None]
                                                 * np.ones(3), NAMES, 20, ax),
        "bars": lambda: plots.plot_bars({"ewc": R[..., -1, :].mean(-1)}, ax, "ACC"),
    }[kind]()


KINDS = ["matrix", "retention", "curves", "bars"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_draws_on_the_axes_it_is_given_and_returns_them(kind, ax):
    assert draw(kind, ax) is ax and ax.has_data()
    assert plt.get_fignums() == [], "and opens no figure beside"


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_makes_its_own_axes_where_none_are_given(kind):
    made = draw(kind, None)
    assert made.has_data() and plt.get_fignums() == [made.figure.number]
    plt.close(made.figure)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [R[:1], UNFINISHED, UNFINISHED[:1]], ids=["one", "nan", "both"])
def test_one_seed_or_values_not_there_can_be_drawn_and_told(kind, data, ax, recwarn):
    draw(kind, ax, data)
    words = alt_text(ax.figure)
    assert display.png(ax.figure).startswith(b"\x89PNG")
    assert words and "nan" not in words
    assert not recwarn.list, [str(w.message) for w in recwarn.list]


def test_the_matrix_is_told_with_the_diagonal_and_the_last_row(ax):
    words = alt_text(draw("matrix", ax).figure)
    mean = R.mean(0)
    assert f"right after learning each task {100 * np.diagonal(mean).mean():.0f} %" in words
    assert words.endswith("25 % on 0 or 1, 50 % on 2 or 3, 100 % on 4 or 5.")


def test_the_matrix_writes_every_cell_and_leaves_out_what_is_not_there(ax):
    draw("matrix", ax, UNFINISHED)
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    assert texts[0, 0] == "93" and texts[1, 1] == "80" and texts[0, 1] == "50"
    assert [texts[j, 2] for j in range(3)] == ["–"] * 3
    drawn = ax.images[0].get_array()
    assert drawn.mask[2].all() and not drawn.mask[:2].any()
    np.testing.assert_allclose(drawn[:2], R.mean(0)[:2])
    assert {t.get_color() for t in ax.texts if t.get_text() == "–"} == {"black"}, "on white"


@pytest.mark.parametrize("scenario", ["class", "domain", None])
def test_the_matrix_shows_no_number_where_no_answer_was_allowed(scenario, ax):
    plots.plot_accuracy_matrix(AccuracyMatrix(R, scenario=scenario), NAMES, ax)
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    later = [(1, 0), (2, 0), (2, 1)]
    assert ([texts[cell] for cell in later] == ["–"] * 3) == (scenario == "class")
    assert ("not allowed" in ax.get_xlabel()) == (scenario == "class")
    assert ("grey and have no number" in alt_text(ax.figure)) == (scenario == "class")
    assert to_hex(ax.images[0].get_cmap().get_bad()) == NOT_MEASURED
    assert texts[0, 2] == "25"


def test_the_matrix_has_light_letters_on_dark_cells_and_dark_on_light(ax):
    draw("matrix", ax)
    colours = {t.get_position(): t.get_color() for t in ax.texts}
    assert colours[0, 0] == "black" and colours[2, 0] == "white"


def test_retention_is_the_mean_over_the_tasks_seen_so_far(ax):
    draw("retention", ax)
    seen = np.stack([R[:, k, :k + 1].mean(1) for k in range(3)], 1)
    ewc = next(line for line in ax.lines if line.get_label() == "ewc")
    np.testing.assert_allclose(ewc.get_ydata(), 100 * seen.mean(0))
    end = f"{100 * R[:, -1].mean():.0f} %"
    assert f"ewc ends at {end}; joint ends at {end}." in alt_text(ax.figure)


def test_retention_has_the_interval_over_seeds(ax):
    plots.plot_retention({"ewc": R}, NAMES, ax)
    low, high = seed_interval(100 * R[:, 0, :1].mean(1))
    edge = ax.collections[0].get_paths()[0].vertices
    at_first = edge[edge[:, 0] == 1, 1]
    np.testing.assert_allclose([at_first.min(), at_first.max()], [low, high])


@pytest.mark.parametrize("shares", [[1.05, 1.06, 1.07], [0.0, 0.02, 0.01], [0.97, 0.99, 1.0]])
def test_an_interval_beyond_0_or_100_percent_is_drawn_whole(shares, ax):
    """A retention above 100 %, from 101 to 111, was once drawn as 100 to 100."""
    values = np.array(shares)[:, None] * np.ones(2)
    plots.draw_band(ax, [0, 1], values, "retention", **look(0))
    low, high = seed_interval(100 * values[:, 0])
    edge = ax.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([edge.min(), edge.max()], [low, high])
    percent_limits(ax)
    bottom, top = ax.get_ylim()
    assert bottom < min(low, 0) and max(high, 100) < top


@pytest.mark.parametrize("shares, beyond", [([0.97, 0.99, 1.0], False), ([0.0, 0.02, 0.0], False),
                                            ([1.05, 1.06, 1.07], True)])
def test_the_interval_of_an_accuracy_ends_where_accuracies_end(shares, beyond, ax):
    values = np.array(shares)[:, None, None] * np.ones((1, 1))
    plots.plot_task_curves([5], values, ["first"], 10, ax)
    edge = ax.collections[0].get_paths()[0].vertices[:, 1]
    whole = seed_interval(100 * values[:, 0, 0])
    np.testing.assert_allclose([edge.min(), edge.max()],
                               whole if beyond else np.clip(whole, 0, 100))


def test_limits_are_0_to_100_percent_where_nothing_is_drawn_beyond(ax):
    percent_limits(ax)
    assert ax.get_ylim() == (-3, 103), "of empty axes too"
    ax.plot([40, 60], [np.nan, 40])
    percent_limits(ax)
    percent_limits(ax, "x")
    assert ax.get_ylim() == ax.get_xlim() == (-3, 103)


def test_a_legend_lists_lines_in_the_order_in_which_they_end(ax):
    plots.plot_retention({"low": 0.1 * R, "high": R, "middle": 0.5 * R}, NAMES, ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["high", "middle", "low"]


def test_task_curves_tell_the_last_step_reached(ax):
    plots.plot_task_curves(np.arange(10, 70, 10), CURVE[None], NAMES, 20, ax, "EWC while training")
    words = alt_text(ax.figure)
    now = CURVE[3]
    assert "EWC".lower() in words.lower() and "at step 40: " in words
    assert all(f"{n} {100 * v:.0f} %" in words for n, v in zip(NAMES, now, strict=True))
    assert len(ax.lines[0].get_xdata()) == 4, "nothing is drawn beyond"


def test_task_curves_before_any_training_are_told_to_be_empty(ax):
    plots.plot_task_curves([], np.zeros((1, 0, 3)), NAMES, 20, ax)
    assert "nothing trained yet" in alt_text(ax.figure)


def test_the_interval_of_an_accuracy_in_bars_ends_at_100_percent_and_that_of_points_does_not(ax):
    plots.plot_bars({"ewc": [0.9, 1.0, 1.0]}, ax)
    assert "(from 82 % to 100 %)" in alt_text(ax.figure)
    ax.clear()
    plots.plot_bars({"ewc": [0.9, 1.0, 1.0]}, ax, measure="points")
    assert "(from 82 % to 111 %)" in alt_text(ax.figure)


def test_a_band_is_not_drawn_below_the_lowest_possible_value(ax):
    values = np.array([0.0, 0.0, 0.6])[:, None] * np.ones(2)
    plots.draw_band(ax, [0, 1], values, "retention", lowest=0, **look(0))
    edge = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edge.min() == 0 and edge.max() == pytest.approx(seed_interval(100 * values[:, 0])[1])


def test_bars_tell_mean_interval_and_reference(ax):
    values = {"ewc": [0.2, 0.22, 0.18], "replay": [0.9, 0.91, 0.89]}
    plots.plot_bars(values, ax, "ACC", reference=("chance", 0.104))
    words = alt_text(ax.figure)
    for name, seeds in values.items():
        low, high = (f"{100 * float(edge):.0f} %" for edge in seed_interval(seeds))
        assert f"{name} {100 * np.mean(seeds):.0f} % (from {low} to {high})" in words
    assert "chance 10 %" in words
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [20, 90])
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), 10.4)


@pytest.mark.parametrize("aspect, most", [("color", 9), ("linestyle", 7), ("marker", 9)])
def test_nine_series_differ_in_colour_and_marker_and_seven_in_their_line(aspect, most):
    assert len({str(look(i)[aspect]) for i in range(most)}) == most
    assert len({str(look(i)) for i in range(49)}) == 49, "of more, no two look the same"


def test_a_method_has_its_style_whatever_is_drawn_beside_it():
    names = ["m0", "sdft", "m1", "sft", *(f"n{i}" for i in range(20))]
    styles = styles_of(names)
    assert list(styles_of(["sft"]).values()) == [styles["sft"]] != [styles["sdft"]]
    assert styles_of(["finetune"])["finetune"] == styles["sft"], "as it is the same"
    nine = [styles[name]["color"] for name in names[:9]]
    assert len(set(nine)) == 9, "a name that is no method takes a colour that is free"
    assert len({str(style) for style in styles.values()}) == len(names)
    assert styles_of(names) == styles
    assert list(styles_of(["a", "b"]).values()) == [look(0), look(1)]


@pytest.mark.parametrize("names", [LEARNERS, [*TEXT_LEARNERS, "sft on teacher"]], ids=["digits",
                                                                                       "text"])
def test_every_learner_has_a_style_of_its_own(names):
    assert set(names) <= set(METHOD_STYLES)
    for aspect in range(3)[::2]:
        assert len({METHOD_STYLES[name][aspect] for name in names}) == len(names)


def test_seven_curves_are_drawn_with_seven_looks(ax):
    plots.plot_retention({f"m{i}": R * (1 - i / 10) for i in range(7)}, NAMES, ax)
    named = [line for line in ax.lines if line.get_label().startswith("m")]
    assert len(named) == len({to_hex(line.get_color()) for line in named}) == 7
    assert len({line.get_marker() for line in named}) == 7
    assert len({str(line._unscaled_dash_pattern) for line in named}) == 7


def test_seven_bars_differ_in_hatch_as_well(ax):
    plots.plot_bars({f"m{i}": [0.1 * i] for i in range(7)}, ax)
    assert len({bar.get_hatch() or "" for bar in ax.patches}) == 7


def test_show_hands_over_a_picture_with_its_words_and_a_text_twin(printed):
    axes = draw("bars", None)
    words = alt_text(axes.figure)
    display.show(axes)
    (picture, metadata, raw), (twin, _, _) = printed
    assert raw and base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert metadata == {"image/png": {"alt": words}} and picture["text/plain"] == words
    assert twin["text/plain"] == words and words in twin["text/html"]
    assert "<details>" in twin["text/html"]
    assert plt.get_fignums() == [], "the figure is not shown a second time"


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_exported_pictures_have_their_alternative_texts(template, printed):
    """`lab` is the template of `jupyter nbconvert --to html`; it has no place for one at a PNG."""
    class Counts(View):
        def figure(self):
            return plots.describe(Figure().subplots(), 'A "widget" with 1 < 2.').figure

        def table(self):
            return pd.DataFrame({"n": [1]})

    display.show(draw("bars", None))
    Counts()._ipython_display_()
    Counts().snapshot()._ipython_display_()
    cell = nbformat.v4.new_code_cell(execution_count=1, outputs=[
        nbformat.v4.new_output("display_data", data, metadata=metadata or {})
        for data, metadata, _ in printed])
    exporter = HTMLExporter(template_name=template)
    page, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    pictures = [words["alt"] for words in tags(page, "img")]
    assert pictures == [printed[0][0]["text/plain"], *2 * ['A "widget" with 1 < 2.']]


def tags(page, name):
    result = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == name:
                result.append(dict(attributes))

    Reader().feed(page)
    return result


def test_the_pictures_of_a_figure_are_the_same_small_one():
    axes = draw("matrix", None)
    full = io.BytesIO()
    axes.figure.savefig(full, format="png")
    bundle, _ = display.picture(axes.figure)
    assert bundle["image/png"] in bundle["text/html"]
    small = base64.b64decode(bundle["image/png"])
    assert len(small) < 0.6 * len(full.getvalue())
    before, after = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), dtype=int)
                     for each in (full.getvalue(), small))
    assert abs(before - after).mean() < 1 and abs(before - after).max() < 40


def test_words_are_escaped_in_html_and_plain_in_text(printed, ax):
    ax.plot([0, 1])
    plots.describe(ax, "a < b & <script>")
    display.show(ax.figure)
    assert "a &lt; b &amp; &lt;script&gt;" in printed[1][0]["text/html"]
    assert printed[1][0]["text/plain"] == "a < b & <script>"


def test_a_share_is_told_in_whole_percent():
    assert [plots.percent(v) for v in (0.613, 1.0, 0.0, float("nan"))] == [
        "61 %", "100 %", "0 %", "not defined"]


def test_a_mean_is_told_with_its_interval_over_seeds():
    assert percent_over_seeds([0.2, 0.3, 0.4]) == "30 % (5 % to 55 %)"
    assert percent_over_seeds([0.0, 0.1, 0.0]) == "3 % (0 % to 18 %)", "no share is below 0"
    assert percent_over_seeds([0.9, 1.0, 1.0]) == "97 % (82 % to 100 %)"
    assert percent_over_seeds([-0.1, 0.1, 1.1]).endswith("(-10 % to 110 %)"), "these go beyond"
    assert percent_over_seeds(0.5) == percent_over_seeds([0.5]) == "50 %"


def test_shares_are_dots_with_their_intervals_and_values(ax):
    shares = {"one": (0.5, 0.4, 0.6), "other": (0.25, 0.25, 0.25)}
    plots.plot_dots({"all": shares, "first": shares}, ax, "Found", reference=("chance", 0.1))
    words = alt_text(ax.figure)
    assert "all: one 50 % (40 % to 60 %); other 25 %. first: one 50 %" in words
    assert words.endswith("chance: 10 %.")
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == [50, 25]
    assert [text.get_text() for text in ax.texts] == ["50 %", "25 %"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["all", "first", "chance"]
    plots.plot_dots({"sdft and more": shares, "sft": shares}, ax.figure.add_subplot())
    drawn = {line.get_color() for line in ax.figure.axes[1].lines if line.get_marker() == "s"}
    assert drawn == {METHOD_STYLES["sft"][0]}, "a method has its own colour and marker"


RUNS = pd.DataFrame({"method": ["sft"] * 3 + ["sdft"], "new": [0.98, 1.0, 1.0, 0.9],
                     "retention": [0.2, 0.3, 0.4, 1.05]})


def test_a_method_is_a_mark_at_what_it_learned_and_retained_with_both_intervals(ax):
    plots.plot_methods(RUNS, ax, "Two methods")
    marks = {line.get_color(): line.get_xydata()[0] for line in ax.lines
             if line.get_markersize() == 9}
    looks = {name: METHOD_STYLES[name][0] for name in ("sft", "sdft")}
    np.testing.assert_allclose(marks[looks["sft"]], [100 * 2.98 / 3, 30])
    np.testing.assert_allclose(marks[looks["sdft"]], [90, 105])
    across, down = (line.get_xydata() for line in ax.lines if line.get_color() == looks["sft"]
                    and len(line.get_xydata()) == 2)
    low, high = seed_interval(RUNS["retention"][:3])
    np.testing.assert_allclose(down[:, 1], [100 * low, 100 * high])
    assert across[1, 0] == 100, "no accuracy is above 100 %"
    words = alt_text(ax.figure)
    assert "sft: accuracy on the new skill 99 % (96 % to 100 %), retention 30 % (5 % to 55 %)" in (
        words)
    assert words.endswith("sdft: accuracy on the new skill 90 %, retention 105 %."), "one seed"


@pytest.mark.parametrize("rows", [slice(0, 3), slice(3, 4)])
def test_the_axes_of_methods_are_0_to_100_percent_whatever_is_drawn(rows, ax):
    plots.plot_methods(RUNS[rows].assign(retention=0.5), ax)
    assert ax.get_xlim() == ax.get_ylim() == (-3, 103)


def test_names_stay_beside_their_marks_apart_and_inside_when_the_layout_changes():
    runs = pd.DataFrame({"method": list(METHOD_STYLES)[:14], "new": 0.97, "retention": 0.93})
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    ax = plots.plot_methods(runs, figure.subplots())
    for size in ((7, 4.4), (12, 8)):
        figure.set_size_inches(size)
        (canvas := FigureCanvasAgg(figure)).draw()
        names = [text for text in ax.texts if text.get_text() in METHOD_STYLES]
        boxes = [text.get_window_extent(canvas.get_renderer()) for text in names]
        assert len(boxes) == 14
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        mark = ax.transData.transform((97, 93))
        for box in boxes:
            assert not box.contains(*mark) and ax.bbox.padded(1).contains(*box.min)
            assert ax.bbox.padded(1).contains(*box.max)
            assert np.hypot(*(np.clip(mark, box.min, box.max) - mark)) < 250
    for text in names:
        rgb = np.array(to_rgb(text.get_color()))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 4.4, "it can be read on white"


def test_no_name_of_a_method_covers_the_star():
    runs = pd.DataFrame({"method": ["sdft", "sdft, all steps"] * 3, "retention": 0.987,
                         "new": [0.86, 0.86, 0.875, 0.875, 0.89, 0.89]})
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    ax = plots.plot_methods(runs, figure.subplots())
    (canvas := FigureCanvasAgg(figure)).draw()
    star = ax.transData.transform((100, 100))
    for text in ax.texts:
        if text.get_text() in METHOD_STYLES:
            box = text.get_window_extent(canvas.get_renderer())
            assert np.hypot(*(np.clip(star, box.min, box.max) - star)) > 9


def test_numbers_are_folded_and_their_file_is_in_the_link(printed):
    table = pd.DataFrame({"a < b": [0.613, np.nan]}, ["sft", "sdft"])
    display.show_numbers(table, "2 methods", plots.percent)
    (data, _, raw), = printed
    assert raw and data["text/html"].startswith("<details><summary>The numbers: 2 methods<")
    assert "61 %" in data["text/html"] and "a &lt; b" in data["text/html"]
    assert data["text/plain"].splitlines()[0] == "The numbers: 2 methods"
    assert data["text/plain"].splitlines()[2].split() == ["sft", "61", "%"]
    (link,) = tags(data["text/html"], "a")
    assert link["download"] == "2-methods.csv"
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;base64"
    file = io.BytesIO(base64.b64decode(content))
    pd.testing.assert_frame_equal(pd.read_csv(file, index_col=0), table)
    assert "color" not in data["text/html"], "it has the colours of the page, light or dark"


def test_differences_are_dots_with_their_intervals_and_a_line_at_0(ax):
    gains = {"one": [1.0, 2.0, 3.0], "other": [-1.0, 0.0, 1.0]}
    plots.plot_differences(gains, ax, "3 tasks", "points")
    low, high = seed_interval(np.array(gains["one"]))
    assert f"one +2.0 (from {low:+.1f} to {high:+.1f})" in alt_text(ax.figure)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [2.0, 0.0]
    assert [line.get_xdata() for line in ax.lines if list(line.get_ydata()) == [0, 1]] == [[0, 0]]
    spans = [collection.get_segments()[0][:, 0].tolist() for collection in ax.collections]
    np.testing.assert_allclose(spans[0], [low, high])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "other"]


def test_differences_on_axes_that_share_their_rows_begin_at_the_top():
    for ax in (axes := plt.subplots(1, 2, sharey=True)[1]):
        plots.plot_differences({"one": [1.0, 2.0], "other": [0.0, 1.0]}, ax)
    assert all(ax.get_ylim()[0] > 1 and ax.get_ylim()[1] < 0 for ax in axes)
