"""Widgets without a browser: what they compute, show and tell, and which controls are usable."""

from __future__ import annotations

import gc
import html
import os
import subprocess
import sys
import threading
import time
import weakref

import ipywidgets as w
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import workbench as wb
from workbench.errors import ConfigError
from workbench.measure.metrics import AccuracyMatrix
from workbench.plots import alt_text
from workbench.plots.styles import NOT_MEASURED
from workbench.tasks import SCENARIOS
from workbench.widgets import LiveTraining, RetentionExplorer, ScenarioExplorer
from workbench.widgets import live as live_module

SMALL = {"seeds": (0, 1), "steps": 30, "tasks": 3, "lr": 1e-2}


def training(learner="finetune", pace="as fast as it goes") -> LiveTraining:
    widget = LiveTraining(seeds=(0, 1), steps=40)
    widget.learner.value, widget.lr.value, widget.pace.value = learner, 1e-2, pace
    return widget


def usable(widget) -> set[str]:
    return {name for name, button in widget.buttons.items() if not button.disabled}


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def draw_at_the_end_only(monkeypatch):
    monkeypatch.setattr(live_module, "REDRAW_SECONDS", 60.0)


@pytest.fixture(scope="module")
def finished():
    """Trainings that have come to their end."""
    return {name: training(name).start().wait() for name in ("finetune", "replay")}


@pytest.fixture(scope="module")
def records():
    return {name: wb.run(wb.RunConfig(learner=name, **SMALL)) for name in ("finetune", "replay")}


@pytest.fixture
def explorer(records):
    return RetentionExplorer(records)


@pytest.fixture(scope="module")
def scenarios():
    return ScenarioExplorer(steps=20)


@pytest.mark.parametrize("learner", ["finetune", "replay"])
def test_training_ends_in_a_verdict_with_the_numbers_of_the_run(learner, finished):
    widget = finished[learner]
    assert widget.record.status == "complete" and widget.bar.value == widget.bar.max == 200
    R = wb.run(widget.config()).accuracy
    np.testing.assert_array_equal(widget.record.accuracy, R)
    own, end = R[:, 0, 0].mean(), R[:, -1, 0].mean()
    word = {"finetune": "forgot", "replay": "kept" if end >= 0.9 * own else "partly forgot"}
    assert (end < 0.5 * own) == (learner == "finetune")
    assert widget.verdict() == (
        f"{learner} {word[learner]} the first task ({100 * own:.0f} % right after learning it, "
        f"{100 * end:.0f} % at the end) and ends at {100 * R[:, -1].mean():.0f} % on average over "
        "all tasks.")
    assert widget.verdict() in widget.verdict_box.value and widget.trouble.value == ""
    assert usable(widget) == {"Start", "Reset"} and not widget.learner.disabled


def test_training_can_be_stopped_and_resumed_to_the_run_never_stopped():
    widget = training("replay", pace="slow")
    assert usable(widget) == {"Start", "Reset"}
    widget.start()
    assert usable(widget) == {"Stop", "Reset"} and widget.learner.disabled
    until(lambda: widget.bar.value > 0)
    widget.stop()
    assert not widget.running and widget.record.status == "stopped"
    assert 0 < widget.record.steps_taken < 200
    assert usable(widget) == {"Start", "Resume", "Reset"} and not widget.lr.disabled
    assert widget.verdict().startswith("No verdict yet")
    seen = len(widget._seen)
    widget.pace.value = "as fast as it goes"
    widget.resume().wait()
    assert widget.record.status == "complete" and len(widget._seen) > seen
    whole = wb.run(widget.config())
    np.testing.assert_array_equal(widget.record.accuracy, whole.accuracy)
    np.testing.assert_array_equal(widget.record.curve, whole.curve)


def test_clicks_do_what_the_buttons_say():
    widget = training(pace="slow")
    widget.buttons["Start"].click()
    until(lambda: widget.bar.value > 0)
    widget.buttons["Stop"].click()
    widget.wait()
    assert widget.record.status == "stopped"
    widget.pace.value = "as fast as it goes"
    widget.buttons["Resume"].click()
    assert widget.wait().record.status == "complete"
    widget.buttons["Reset"].click()
    assert widget.record is None


def test_reset_while_it_trains_stops_and_forgets():
    widget = training(pace="slow").start()
    until(lambda: widget.bar.value > 0)
    widget.reset()
    assert not widget.running and widget.record is None and widget.bar.value == 0
    assert widget.table().empty and "nothing trained yet" in widget.words.value
    assert usable(widget) == {"Start", "Reset"} and widget.verdict_box.value == ""


def test_a_changed_setting_makes_the_picture_pale_and_says_what_to_press(monkeypatch):
    widget = training()
    assert widget.status.value == "<p>Press Start to train finetune.</p>"
    widget.learner.value = "replay"
    assert widget.status.value == "<p>Press Start to train replay.</p>"
    assert "replay, class scenario" in widget.words.value, "the empty picture has the new title"
    widget.start().wait()
    colour, told = widget.figure().axes[0].lines[0].get_color(), widget.verdict_box.value
    assert widget.status.value == "" and not widget.outdated and "<b>replay" in told
    widget.lr.value = 3e-3
    assert widget.outdated
    assert widget.status.value == "<p>Settings changed: press Start to train replay.</p>"
    assert "Settings changed" in widget.announcement.value
    pale = widget.figure().axes[0]
    assert pale.get_title().startswith("earlier training: replay, class scenario")
    assert to_hex(pale.lines[0].get_color()) > to_hex(colour)
    assert widget.verdict_box.value == told.replace("<b>", "<b>Earlier training: ")
    widget.pace.value = "watchable"  # no setting of the training
    widget.lr.value = 1e-2
    assert widget.status.value == "" and widget.verdict_box.value == told
    assert widget.figure().axes[0].lines[0].get_color() == colour
    widget.learner.value = "finetune"
    widget.reset()
    assert widget.status.value == "<p>Press Start to train finetune.</p>"
    assert "earlier" not in widget.words.value and widget.verdict_box.value == ""


def test_a_training_resumed_after_a_change_of_settings_is_that_of_the_old_ones():
    widget = training(pace="slow").start()
    until(lambda: widget.bar.value > 0)
    widget.stop()
    widget.pace.value, widget.learner.value = "as fast as it goes", "replay"
    assert widget.outdated
    widget.resume()
    assert not widget.outdated or not widget.running, "no pale picture of a training that runs"
    widget.wait()
    until(lambda: "Earlier training: finetune" in widget.verdict_box.value)
    assert widget.record.config.learner == "finetune"
    assert "Settings changed" in widget.status.value


def test_a_setting_that_cannot_be_used_is_told(monkeypatch):
    def fail():
        raise ConfigError("no such setting")
    widget = training()
    monkeypatch.setattr(widget, "config", fail)
    widget.learner.value = "replay"
    assert "no such setting" in widget.trouble.value


def test_an_error_is_shown_inside_and_not_raised(monkeypatch, records):
    def fail(*args, **kwargs):
        raise ConfigError("no <room> left")
    monkeypatch.setattr(live_module, "run", fail)
    widget = training().start().wait()
    assert "ConfigError" in widget.trouble.value and 'role="alert"' in widget.trouble.value
    assert "no &lt;room&gt; left" in widget.trouble.value
    assert ">Training has stopped with an error.</div>" in widget.announcement.value
    assert usable(widget) == {"Start", "Reset"}
    monkeypatch.setattr(live_module, "run", lambda *args, **kwargs: records["finetune"])
    assert widget.start().wait().trouble.value == "" and widget.record.status == "complete"


def test_a_click_in_the_moment_in_which_start_is_enabled_starts(monkeypatch, records):
    calls, enabled, clicked = [], threading.Event(), threading.Event()
    monkeypatch.setattr(live_module, "run",
                        lambda *args, **kwargs: calls.append(1) or records["finetune"])
    widget = training()

    def hold(change) -> None:
        if change["new"] is False and not clicked.is_set():
            enabled.set()
            assert clicked.wait(60)
    widget.buttons["Start"].observe(hold, "disabled")
    widget.start()
    assert enabled.wait(60)
    widget.buttons["Start"].click()
    clicked.set()
    widget.wait()
    until(lambda: usable(widget) == {"Start", "Reset"})
    assert len(calls) == 2 and not widget.running


def test_buttons_are_those_of_a_training_that_starts_while_another_one_ends(monkeypatch, records):
    go = threading.Event()
    results = [lambda: records["finetune"], lambda: go.wait(60) and records["replay"]]
    monkeypatch.setattr(live_module, "run", lambda *args, **kwargs: results.pop(0)())
    widget, threads = training(), []

    def start_at_once(change) -> None:  # while the other buttons are still to be changed
        if change["new"] is False and len(threads) == 1:
            threads.append(widget._background._thread)
            widget.start()
    widget.buttons["Start"].observe(start_at_once, "disabled")
    threads.append(None)
    widget.start()
    until(lambda: len(threads) == 2)
    threads[1].join(60)
    assert usable(widget) == {"Stop", "Reset"} and widget.learner.disabled
    go.set()
    until(lambda: usable(widget) == {"Start", "Reset"})


INTERRUPTED = """
import os, signal, threading
import workbench.widgets.training as live
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
widget = live.LiveTraining(seeds=(0,), steps=60)
widget.pace.value = "slow"
began = threading.Event()
observe = widget._observe
widget._observe = lambda seen: (observe(seen), seen.steps_taken and began.set())
threading.Thread(target=lambda: began.wait(120) and os.kill(os.getpid(), signal.SIGINT)).start()
try:
    widget.start().wait()
except KeyboardInterrupt:
    print("interrupted", widget.running, widget.record.status)
other = live.LiveTraining(seeds=(0,), steps=60)
for each in (widget, other):
    each.pace.value = "as fast as it goes"
    each.start().wait()
steps = [[seen.steps_taken for seen in each._seen] for each in (widget, other)]
print(widget.record.status, steps[0][-1], steps[0] == steps[1])
"""


def process(script, tmp_path, *arguments):
    """Run a script in a process of its own, with a folder for temporary files of its own."""
    (tmp_path / "temporary").mkdir()
    own = {"TMPDIR": str(tmp_path / "temporary"), "TEMP": str(tmp_path / "temporary")}
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True,
                          text=True, timeout=300, env=os.environ | own, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent there")
def test_an_interrupt_while_waiting_stops_the_training_and_the_next_start_is_alone(tmp_path):
    done = process(INTERRUPTED, tmp_path)
    wanted = ["interrupted False stopped", "complete 300 True"]
    assert done.stdout.splitlines() == wanted, done.stderr


def test_an_interrupt_stops_before_it_is_raised_again(monkeypatch):
    widget = training(pace="slow").start()
    wait = widget._background._wait

    def interrupted() -> None:
        monkeypatch.setattr(widget._background, "_wait", wait)
        raise KeyboardInterrupt
    monkeypatch.setattr(widget._background, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        widget.wait()
    assert not widget.running and widget.record.status == "stopped"


def folders(path) -> list[str]:
    return sorted(name for name in os.listdir(path) if name.startswith("workbench-live-"))


@pytest.mark.parametrize("end", ["reset", "close", "start"])
def test_the_folder_of_a_training_is_removed(end, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    widget = training()
    assert folders(tmp_path) == [], "there is none before the first start"
    widget.start().wait()
    first, = folders(tmp_path)
    getattr(widget, end)()
    if end == "start":
        widget.wait()
        assert len(folders(tmp_path)) == 1 and folders(tmp_path) != [first]
        widget.reset()
    assert folders(tmp_path) == []


def test_a_closed_widget_stops_and_can_be_forgotten():
    widgets = [training(pace="slow").start()]
    until(lambda: widgets[0].bar.value > 0)
    background, gone = widgets[0]._background, weakref.ref(widgets[0])
    widgets[0].close()
    assert not background.running and widgets[0].root.comm is None
    widgets.clear()
    until(lambda: gc.collect() >= 0 and gone() is None)


LEFT = """
import sys, threading
from workbench.widgets import LiveTraining
widget = LiveTraining(seeds=(0,), steps=5000)
widget.pace.value = sys.argv[1]
began = threading.Event()
observe = widget._observe
widget._observe = lambda seen: (observe(seen), seen.steps_taken and began.set())
widget.start()
assert began.wait(120)
print("left")
"""


@pytest.mark.parametrize("pace", ["slow", "as fast as it goes"])
def test_the_end_of_the_process_stops_the_training_and_removes_its_folder(pace, tmp_path):
    done = process(LEFT, tmp_path, pace)
    assert done.stdout == "left\n" and done.returncode == 0, done.stderr
    assert folders(tmp_path / "temporary") == []


def test_a_screen_reader_hears_the_start_the_end_and_a_little_between(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(live_module, "REDRAW_SECONDS", 0.0)
    widget, heard = training(), []
    widget.announcement.observe(lambda change: heard.append((now[0], change["new"])), "value")
    observe = widget._observe

    def later(seen) -> None:
        now[0] += 0.7
        observe(seen)
    widget._observe = later
    words = []
    widget.words.observe(lambda change: words.append(change["new"]), "value")
    widget.start().wait()
    assert len(words) > 40, "the picture and its words are drawn at every look"
    assert now[0] - 100 > 60
    times = [time for time, _ in heard]
    assert all(later - sooner >= 5 for sooner, later in zip(times[:-2], times[1:-1], strict=True))
    assert 8 < len(heard) < 2 + (now[0] - 100) / 5
    texts = [text[text.index(">") + 1:].removesuffix("</div>") for _, text in heard]
    assert texts[0] == "Training has started." and texts[-1] == "Training has ended at step 200."
    assert all(len(text.split()) <= 7 for text in texts)
    assert "aria-live" in widget.announcement.value
    assert not any(live in widget.words.value for live in ("aria-live", "role="))


def test_a_change_of_a_control_is_announced_in_few_words(explorer):
    explorer.cells[1, 0].click()
    assert explorer.sentence().rstrip(".") in html.unescape(explorer.announcement.value)
    assert "aria-live" not in explorer.words.value + explorer.reading.value
    explorer.read_out("word " * 60)
    assert len(explorer.announcement.value.split(">")[1].split()) == 26


def test_a_snapshot_of_training_has_the_curves_and_the_table(finished):
    widget = finished["finetune"]
    shot = widget.snapshot()
    assert isinstance(shot.figure, Figure) and isinstance(shot.table, pd.DataFrame)
    assert list(shot.table.columns) == widget.record.task_names and shot.table.index[-1] == 200
    early = shot.table.loc[(shot.table.index > 0) & (shot.table.index <= 40), "2 or 3":]
    assert (early == "–").all().all() and not (shot.table.loc[0] == "–").any()
    end = widget.record.accuracy[:, -1].mean(0)
    assert list(shot.table.iloc[-1]) == [f"{100 * v:.0f} %" for v in end]
    assert f"{100 * end[-1]:.0f} %" in alt_text(shot.figure)


def asked(R):
    """The accuracies on tasks learned already: in the class scenario others allow no answer."""
    return np.where(np.tri(R.shape[-1], dtype=bool), R, np.nan)


@pytest.mark.parametrize("metric", ["accuracy", "retention", "loss since its best"])
def test_the_explorer_shows_the_metric_it_names(metric, explorer, records):
    explorer.metric.value, explorer.learner.value = metric, "replay"
    R = records["replay"].accuracy
    T = R.shape[-1]
    if metric == "accuracy":
        wanted = asked(R)
    elif metric == "retention":
        wanted = AccuracyMatrix(R).retention()
    else:
        wanted = np.full_like(R, np.nan)
        for s, i, j in np.ndindex(R.shape):
            if i >= j:
                wanted[s, i, j] = max(R[s, j:i + 1, j]) - R[s, i, j]
    np.testing.assert_allclose(explorer.values("replay"), wanted)
    for (i, j), button in explorer.cells.items():
        value = wanted[:, i, j].mean()
        assert button.description == ("–" if np.isnan(value) else f"{100 * value:.0f}")
        assert explorer.names[i] in button.tooltip and explorer.names[j] in button.tooltip
        assert (to_hex(button.style.button_color) == NOT_MEASURED) == np.isnan(value)
    assert len(explorer.cells) == T * T and explorer.trouble.value == ""
    assert explorer.table().iloc[2, 0] == f"{100 * wanted[:, 2, 0].mean():.0f} %"
    assert explorer.table().iloc[0, 2] == ""


def test_a_chosen_cell_is_read_out_marked_and_drawn(explorer, records):
    explorer.cells[1, 0].click()
    value = f"{100 * records['finetune'].accuracy[:, 1, 0].mean():.0f} %"
    printed = ("finetune, trained on all tasks up to “2 or 3”, tested on “0 or 1”: "
            f"accuracy {value}.")
    assert explorer.sentence() == printed and printed in explorer.reading.value
    assert printed in html.unescape(explorer.words.value)
    marked = [c for c, b in explorer.cells.items() if b.style.font_weight == "bold"]
    assert marked == [(1, 0)]
    assert explorer.figure().axes[0].get_title() == "Task “0 or 1”"
    explorer.metric.value = "retention"
    explorer.cells[0, 2].click()
    assert "retention not defined" in explorer.reading.value and explorer.trouble.value == ""


def test_one_seed_or_the_mean_of_all_is_shown(explorer, records):
    R = records["finetune"].accuracy
    assert [label for label, _ in explorer.seed.options] == ["mean of all", "0", "1"]
    explorer.seed.label = "1"
    np.testing.assert_array_equal(explorer.values("finetune"), asked(R[1:2]))
    assert explorer.cells[0, 0].description == f"{100 * R[1, 0, 0]:.0f}"


def test_only_seeds_that_all_runs_have_can_be_chosen(records):
    other = wb.run(wb.RunConfig(learner="joint", **SMALL | {"seeds": (1, 2)}))
    widget = RetentionExplorer({**records, "joint": other})
    assert [label for label, _ in widget.seed.options] == ["mean of all", "1"]
    widget.seed.label = "1"
    np.testing.assert_array_equal(widget.values("joint"), asked(other.accuracy[:1]))
    np.testing.assert_array_equal(widget.values("replay"), asked(records["replay"].accuracy[1:]))


def test_ticks_choose_the_curves(explorer):
    assert {"finetune", "replay"} <= {x.get_label() for x in explorer.figure().axes[0].lines}
    explorer.ticks["replay"].value = False
    labels = {x.get_label() for x in explorer.figure().axes[0].lines}
    assert "finetune" in labels and "replay" not in labels
    assert "replay" not in explorer.words.value
    explorer.ticks["finetune"].value = False
    assert "no learner is ticked" in explorer.words.value


@pytest.mark.parametrize("other", [{"scenario": "task"}, {"tasks": 2}, {"data_seed": 1},
                                   {"stream": "permuted-digits"}])
def test_runs_on_different_streams_are_refused(other, records):
    record = wb.run(wb.RunConfig(**{**SMALL, "steps": 2, **other}))
    with pytest.raises(ConfigError, match="'other' is of another stream"):
        RetentionExplorer({**records, "other": record})


def test_an_explorer_of_nothing_is_refused_and_one_record_is_enough(records):
    with pytest.raises(ConfigError, match="at least one record"):
        RetentionExplorer({})
    assert list(RetentionExplorer(records["replay"]).ticks) == ["replay"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_score_as_runs_of_their_own(scenario, scenarios):
    record = wb.run(wb.RunConfig(scenario=scenario, seeds=(0,), steps=20))
    R = [[scenarios.accuracy(scenario, i, j) for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(R, record.accuracy[0])
    assert list(scenarios.table()[scenario]) == [f"{100 * v:.0f} %" for v in R[-1]]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_answers_that_are_not_allowed_have_a_cross_and_no_bar(scenario, scenarios):
    scenarios.scenario.value, scenarios.trained.value, scenarios.tested.value = scenario, 1, 0
    allowed = {"task": [0, 1], "domain": [0, 1], "class": [0, 1, 2, 3]}[scenario]
    p, mask, right = scenarios.probabilities(scenario)
    assert torch.equal(mask, scenarios.streams[scenario].mask(1, 0))
    assert mask.nonzero().flatten().tolist() == allowed
    assert right in allowed and p[~mask].eq(0).all() and float(p.sum()) == pytest.approx(1)
    forbidden = [i for i in range(len(p)) if i not in allowed]
    ax = scenarios.figure().axes[1]
    bars = {round(bar.get_x() + bar.get_width() / 2): bar for bar in ax.patches}
    assert sorted(bars) == allowed, "no bar where no answer is allowed"
    assert [line.get_xdata()[0] for line in ax.lines] == forbidden
    assert all(line.get_marker() == "x" and line.get_ydata()[0] < 10 for line in ax.lines)
    assert ("not allowed" in ax.get_xlabel()) == bool(forbidden)
    assert [bars[i].get_height() for i in allowed] == pytest.approx((100 * p[allowed]).tolist())
    assert to_hex(bars[right].get_facecolor()) == "#009e73", "the right answer is green"
    assert f"In the {scenario} scenario" in scenarios.words.value
    told = ("Not allowed: " + ", ".join(map(str, forbidden)) if forbidden
            else "All answers are allowed")
    assert told in scenarios.words.value


@pytest.mark.parametrize("kind", ["live", "explorer", "scenarios"])
def test_a_widget_is_shown_live_as_a_picture_and_in_words(kind, request, monkeypatch):
    widget = training() if kind == "live" else request.getfixturevalue(kind)
    seen = []
    monkeypatch.setattr("IPython.display.display",
                        lambda data, metadata=None, raw=False: seen.append((data, metadata)))
    widget._ipython_display_()
    (bundle, metadata), = seen
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.root.model_id
    words = alt_text(widget.figure())
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == words and bundle["image/png"]
    assert html.escape(words) in widget.words.value
    assert widget.root.children.count(widget.announcement) == 1
    if kind == "live":
        assert widget.player in widget.root.children and widget.image not in widget.root.children
    else:
        assert bytes(widget.image.value).startswith(b"\x89PNG")
    seen.clear()
    widget.snapshot()._ipython_display_()
    (picture, _), (table, _) = seen
    assert picture["text/plain"] == words and "<table" in table["text/html"]


@pytest.mark.parametrize("kind", ["live", "explorer", "scenarios"])
def test_every_control_has_a_name_and_can_be_reached(kind, request):
    widget = training() if kind == "live" else request.getfixturevalue(kind)
    widget.redraw()
    controls, waiting = [], [widget.root]
    while waiting:
        one = waiting.pop()
        waiting += getattr(one, "children", ())
        if isinstance(one, w.Button | w.Dropdown | w.Checkbox | w.ToggleButtons | w.BoundedIntText):
            controls.append(one)
    assert len(controls) >= 4
    assert all((c.tooltip or c.description).strip("– ") and c.tabbable is not False
               for c in controls)
