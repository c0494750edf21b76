"""Studies: how they are read, what is computed from them, and the script that makes them."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from workbench.errors import RecordError, UnknownNameError
from workbench.measure.comparison import retention
from workbench.measure.metrics import AccuracyMatrix
from workbench.plots import percent
from workbench.plots.studies import (
    UNITS,
    drift_correlation,
    plot_by_rate,
    plot_diagnostic,
    plot_drift,
    table_by_rate,
)
from workbench.plots.styles import METHOD_STYLES, styles_of
from workbench.runs import sweep
from workbench.runs.evaluation import DIAGNOSTICS
from workbench.runs.studies import (
    COLUMNS,
    RESULTS,
    RUN,
    STUDIES,
    at_common_step,
    choose,
    ends,
    load_study,
    points,
    stage_measures,
)
from workbench.tasks import KNOWN_SKILLS, oldmere

HEADER = ",".join(COLUMNS)
ROW = "validation,facts-new,a,0.0001,0,0,accuracy,x,1.0"
RETRIEVED = ("retrieved", "retrieved_known", "told")
"""Of composed modules: shares of questions, and the accuracy if the skill is told."""


def old_skills(study):
    """The skills that a study does not teach."""
    return list(oldmere.OLD if "town-far" in set(study["order"]) else KNOWN_SKILLS)


@pytest.fixture(scope="module")
def shipped():
    return {name: load_study(name) for name in STUDIES}


@pytest.fixture
def script(monkeypatch):
    """The script that makes studies; in it a run is counted."""
    import study

    study.made = []
    original = study.one_run
    monkeypatch.setattr(study, "one_run", lambda task: (study.made.append(task), original(task))[1])
    return study


# Computed from the table

def test_a_point_is_an_evaluation_with_a_column_per_measure(study_rows):
    table = points(pd.concat([study_rows("b"), study_rows("a", kl=(1.0, np.nan)).dropna()]))
    assert list(table["method"].unique()) == ["b", "a"], "in the order in which they were made"
    assert list(table["step"]) == [0, 20, 40] * 2
    np.testing.assert_allclose(table["new"], [0.1, 0.5, 1.0] * 2)
    np.testing.assert_allclose(table["x"], [1.0, 0.9, 0.6] * 2)
    np.testing.assert_allclose(table["all"], [1.6 / 3, 1.9 / 3, 2.1 / 3] * 2)
    np.testing.assert_allclose(table["kl_new"], [np.nan, 1, 4, np.nan, 1, np.nan])
    assert list(ends(table)["step"]) == [40, 40]


def test_retention_is_relative_to_before_and_averaged_over_skills_not_taught(study_rows, shipped):
    np.testing.assert_allclose(points(study_rows())["retention"],
                               [1, (0.9 + 1) / 2, (0.6 + 1) / 2])
    rows = study_rows()
    rows.loc[(rows["skill"] == "x") & (rows["step"] == 0), "value"] = 0.0
    np.testing.assert_allclose(points(rows)["retention"], [1, 1, 1], err_msg="x was never known")
    for study in shipped.values():
        for _, run in list(points(study).groupby(RUN))[::20]:
            old = run[old_skills(study)].to_numpy()
            np.testing.assert_allclose(run["retention"], retention(old[0], old))


def test_of_the_points_that_know_the_skill_the_one_is_chosen_that_keeps_most(study_rows):
    table = points(pd.concat([
        study_rows(rate=1e-3, new=(0.96, 1.0), old=(0.2, 0.1)), study_rows(rate=1e-4),
        study_rows(rate=1e-5, new=(0.1, 0.94), old=(1.0, 1.0)),
        study_rows("b", new=(0.3, 0.2), old=(0.1, 0.9)),
        study_rows("c", new=(0.9, 0.86), old=(0.1, 0.9)),
        study_rows("d", new=(0.1, 0.0), old=(0.9, 0.8))]))
    own = {method: rows for method, rows in table.groupby("method")}
    assert tuple(choose(own["a"])[["rate", "step"]]) == (1e-4, 40)
    assert choose(own["a"], enough=0.9)["rate"] == 1e-5
    assert choose(own["b"])["step"] == 20, "where no point gets there, one that knows it best"
    assert choose(own["c"])["step"] == 40, "but one or two questions do not decide"
    assert choose(own["c"], enough=0.9)["step"] == 20, "unless one gets there"
    assert choose(own["d"])["step"] == 20, "what was known before training is no choice"


def test_methods_are_compared_at_the_last_step_that_all_reached(study_rows):
    table = points(pd.concat([study_rows(), study_rows("b", new=(0.5,), old=(0.9,), kl=(1.0,)),
                              study_rows(rate=1e-3), study_rows("b", rate=1e-3)]))
    assert at_common_step(table).groupby("rate")["step"].unique().map(list).to_dict() == {
        1e-4: [20], 1e-3: [40]}


def test_runs_through_several_skills_come_to_the_measures_of_the_accuracy_matrix(shipped):
    table = points(shipped["many_skills"].query("part == 'test'"))
    measures = stage_measures(table)
    assert len(measures) == table.groupby(RUN).ngroups
    order = "letters-new tools-new facts-new"
    one = table.query("method == 'sdft' and order == @order and seed == 3")
    matrix = AccuracyMatrix(one[order.split()].to_numpy()[1:])
    row = measures.query("method == 'sdft' and order == @order and seed == 3").iloc[0]
    assert row["learned"] == matrix.learning_accuracy() and row["ACC"] == matrix.average_accuracy()
    assert row["BWT"] == matrix.backward_transfer() < 0
    assert row["known"] == one["retention"].iloc[-1]
    np.testing.assert_allclose(row["all"], one[[*order.split(), *KNOWN_SKILLS]].iloc[-1].mean())


# Drawn

def test_drift_and_forgetting_are_paired(study_rows):
    table = points(pd.concat([study_rows(), study_rows(seed=1, old=(0.8, 0.4), kl=(2, 8))]))
    ax = plot_drift(ends(table), ["a"], "kl_new", Figure().subplots())
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[4, 20], [8, 30]])
    ax = plot_drift(table, ["a"], "kl_new", Figure().subplots())
    assert len(ax.lines[0].get_xdata()) == 4, "not from before training: nothing has moved"
    assert drift_correlation(table, "kl_new") == pytest.approx(1)
    assert np.isnan(drift_correlation(ends(table), "kl_new")), "of two points"
    assert "log" not in ax.get_xlabel() + ax.get_xscale(), "too narrow for powers of ten"
    ax = plot_drift(table.assign(kl_new=[np.nan, 0.1, 8] * 2), ["a"], "kl_new", Figure().subplots())
    assert ax.get_xscale() == "symlog" and "log scale" in ax.get_xlabel()


def test_a_diagnostic_is_drawn_of_the_run_at_the_rate(study_rows):
    table = points(pd.concat([study_rows(), study_rows(rate=1e-3, new=(0.96, 1.0), old=(0.2, 0.1),
                                                       kl=(7, 9))]))
    ax = plot_diagnostic(table, ["a"], "kl_new", Figure().subplots(), "drift", 1e-4)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[20, 1], [40, 4]])
    ax = plot_diagnostic(table, ["a"], "kl_new", Figure().subplots(), "drift", 1e-3)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [7, 9])
    assert ax.get_ylabel() == "nats per answer" and "a 9" in ax.get_label()
    assert set(UNITS) == set(DIAGNOSTICS)


def test_methods_are_compared_at_the_same_rate_and_step(study_rows):
    table = points(pd.concat([
        study_rows(), study_rows(method="b").query("step < 40"), study_rows(rate=1e-3)]))
    by_rate = table_by_rate(table, ["b", "a"])
    assert list(by_rate) == ["0.0001", "0.001"] and list(by_rate.index) == ["at step", "b", "a"]
    assert list(by_rate.loc["at step"]) == ["20", "40"] and by_rate.loc["b", "0.001"] == "-"
    at_20 = table.query("method == 'a' and rate == 1e-4 and step == 20").iloc[0]
    expected = f"{100 * at_20['new']:.0f} | {100 * at_20['retention']:.0f}"
    assert by_rate.loc["a", "0.0001"] == by_rate.loc["b", "0.0001"] == expected
    new, retention = plot_by_rate(table, ["b", "a"], Figure()).axes
    np.testing.assert_allclose(new.lines[1].get_ydata()[0], 100 * at_20["new"])
    np.testing.assert_allclose(retention.lines[0].get_ydata(), [100 * at_20["retention"], np.nan])
    assert [label.get_text() for label in new.get_xticklabels()] == ["0.0001\n20", "0.001\n40"]
    assert "b " + percent(at_20["new"]) + ", not defined; a " in new.get_label()


def test_shares_are_drawn_in_percent(shipped):
    table = points(shipped["one_skill"].query("order == 'facts-new' and part == 'validation'"))
    ax = plot_diagnostic(table, ["sft", "sdft"], "foreign_style", Figure().subplots(), "", 3e-4)
    assert [line.get_ydata()[-1] for line in ax.lines] == [100, 0] and ax.get_ylabel() == "%"


def test_methods_of_a_study_differ_in_colour_and_marker_and_look_the_same_in_all(shipped):
    seen: dict[str, list] = {}
    for study in shipped.values():
        for _, drawn in study.groupby("part" if study is shipped["many_skills"]
                                      else ["part", "order"]):
            styles = styles_of(drawn["method"])
            for aspect in ("color", "marker"):
                assert len({style[aspect] for style in styles.values()}) == len(styles)
            for method, style in styles.items():
                assert method in METHOD_STYLES
                seen.setdefault(method, []).append(style)
    assert all(style == styles[0] for styles in seen.values() for style in styles)
    assert len(seen["sft"]) > 10 and seen["sft"][0]["color"] != seen["sdft"][0]["color"]


# Read

@pytest.mark.parametrize("content, message", [
    (None, "No such file"), (b"{", "damaged"), (b"", "damaged"),
    (f"{HEADER}\n".encode(), "no rows"), (f"{HEADER}\n{ROW}\n{ROW}\n".encode(), "line 3 repeats"),
    (f"{HEADER}\n{ROW[:-3]}nan\n".encode(), "not finite"),
    (f"{HEADER}\n{ROW[:-3]}\n".encode(), "damaged"),
    (f"{HEADER}\n{ROW[:-3]}much\n".encode(), "damaged"),
    (b"method,value\na,1.0\n", "its columns are"), (b"a\n1,2\n3\n4,5,6\n", "damaged")])
def test_a_study_that_cannot_be_read_says_how_to_make_it(content, message, tmp_path):
    if content is not None:
        packed = content if len(content) < 2 else gzip.compress(content)
        (tmp_path / "many_skills.csv.gz").write_bytes(packed)
    with pytest.raises(RecordError, match=message) as caught:
        load_study("many_skills", tmp_path)
    assert "python scripts/study.py many_skills" in str(caught.value)
    assert "many_skills.csv.gz" in str(caught.value)


def test_a_study_that_is_cut_off_is_refused(tmp_path):
    whole = (RESULTS / "one_skill.csv.gz").read_bytes()
    (tmp_path / "one_skill.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match="damaged"):
        load_study("one_skill", tmp_path)
    with pytest.raises(UnknownNameError, match="unknown study 'none'.*one_skill"):
        load_study("none")


# Shipped

def test_the_shipped_studies_are_what_the_script_asks_for(shipped, script):
    for name, study in shipped.items():
        table = points(study)
        tasks = [*script.search(name, script.STEPS[name], "tiny"),
                 *script.comparison(name, script.STEPS[name], "tiny",
                                    table[table["part"] == "validation"])]
        made = set(table[RUN].itertuples(index=False, name=None))
        assert not {task[:5] for task in tasks} - made, "all are made"
        assert {run[1:3] for run in made if run[0] == "test"} == {
            task[1:3] for task in tasks if task.part == "test"}, "no other method is"
        assert script.still_asked(study, tasks).equals(study), "nothing is at another setting"


def test_every_shipped_value_is_in_its_range(shipped):
    shares = [name for name, unit in UNITS.items() if unit == "%"]
    for study in shipped.values():
        scores = study[study["measure"].isin(["accuracy", "train_accuracy", *shares])]
        assert scores["value"].between(0, 1).all() and (study["value"] >= 0).all()
        table = points(study)
        assert table[[*old_skills(study), "new"]].notna().all(axis=None)
        assert (table["retention"] <= 1.2).all() and (table.groupby(RUN)["step"].min() == 0).all()
    measures = set(pd.concat(shipped.values())["measure"])
    assert measures == {*DIAGNOSTICS, "accuracy", "train_accuracy", "stored_bytes",
                        "train_seconds", "evaluate_seconds", "perplexity", *RETRIEVED}
    assert set(RETRIEVED) <= set(shipped["composed_skills"]["measure"])
    assert set(shipped["one_skill"].query("measure in @DIAGNOSTICS")["measure"]) == set(DIAGNOSTICS)
    stored = points(shipped["many_skills"]).groupby("method")["stored_bytes"].max()
    assert stored["sdft"] == stored["sft"] == 0 < stored["replay"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_part_of_a_shipped_study_says_how_it_was_made(name, shipped):
    made = json.loads((RESULTS / f"{name}.json").read_text())
    for part, order, method in set(shipped[name][["part", "order", "method"]].itertuples(
            index=False, name=None)):
        note = made.get(f"{part}: {order}: {method}") or made.get(f"{part}: {order}") or made[part]
        assert note["command"].startswith("python scripts/") and note["environment"]["git"]


# Made

def test_a_study_of_several_skills_is_made_and_resumed(script, tmp_path):
    words = ["many_skills", "--skills", *script.ORDERS[0].split(), "--methods", "sft",
             "--model", "nano", "--steps", "2", "--folder", str(tmp_path)]
    original, script.SEEDS = script.one_run, range(1)

    def stopped(task):
        if len(script.made) == 2:
            raise KeyboardInterrupt
        return original(task)

    script.one_run = stopped
    with pytest.raises(KeyboardInterrupt):
        script.main(words)
    assert len(load_study("many_skills", tmp_path)[RUN].drop_duplicates()) == 2, "none is lost"
    script.one_run = original
    script.main(words)
    assert len(script.made) == len({task[:5] for task in script.made}) == 4, "none is repeated"
    study = load_study("many_skills", tmp_path)
    table = points(study)
    assert list(table["step"]) == [0, 2, 4, 6] * 4 and list(table.columns[6:9]) == [
        "facts-new", "tools-new", "letters-new"]
    assert list(table["part"].unique()) == ["validation", "test"]
    assert table["stored_bytes"].notna().sum() == 12
    searched = table.query("part == 'validation'")
    assert searched["rate"].nunique() == 3 and table["rate"].iloc[-1] == script.choose_in_a_row(
        stage_measures(searched))
    made = json.loads((tmp_path / "many_skills.json").read_text())
    assert set(made) == {f"{part}: {script.ORDERS[0]}: sft" for part in ("validation", "test")}
    assert (study.set_index(RUN) == load_study("many_skills", tmp_path).set_index(RUN)).all(
        axis=None)


def test_the_settings_of_a_method_override_those_of_its_part(script):
    every = {method: script.as_run(script.Task("test", "town-far", method, 1e-5, 0, 72, "nano"))
             .config.evaluate_every for method in ("sft", "sft, tested often")}
    assert every == {"sft": 24, "sft, tested often": 6}


def test_a_study_of_one_skill_looks_within_a_run_and_stops_when_it_is_mastered(script, monkeypatch):
    monkeypatch.setattr(script, "EVERY", 1)
    monkeypatch.setattr(sweep, "MASTERED", 2)
    task = script.Task("validation", "tools-new", "sft", 1e-3, 100, 3, "nano")
    table = points(script.one_run(task))
    assert list(table["step"]) == [0, 1, 2, 3] and table["kl_new"].notna().sum() == 3
    last = table.iloc[-1]
    assert last[["train_accuracy", "stored_bytes", "train_seconds"]].notna().all()
    assert table["train_accuracy"].notna().sum() == 1 and "teacher_right" not in table
    observed = []
    run_stream = sweep.run_stream

    def knows_all(learner, stream, config, observer, stop):
        def observe(snapshot):
            snapshot.scores[:] = 1.0
            observed.append(snapshot.steps_taken)
            observer(snapshot)
        return run_stream(learner, stream, config, observer=observe, stop=stop)

    monkeypatch.setattr(sweep, "run_stream", knows_all)
    early = points(script.one_run(task._replace(steps=50)))
    assert list(early["step"]) == [0, 1, 2] == observed
    assert early["train_accuracy"].notna().sum() == 1


def test_a_trial_does_not_touch_the_shipped_study(script, capsys):
    for words, message in ((["one_skill", "--model", "nano"], "another --folder"),
                           (["one_skill", "--skills", "tools"], "does not teach 'tools'")):
        with pytest.raises(SystemExit):
            script.main(words)
        assert message in capsys.readouterr().err


def test_the_real_model_is_trained_on_a_gpu_where_there_is_one(script, monkeypatch):
    monkeypatch.setattr(script, "pick_device", lambda: torch.device("cuda", 0))
    task = script.Task("test", "town-far", "sft", 1e-4, 0, 72, "smollm2-135m")
    assert script.as_run(task).config.device == "cuda"
    assert script.as_run(task._replace(order="facts-new")).config.device == "cpu"


def test_a_sequence_that_learned_nothing_is_never_chosen_for_keeping_all(script):
    nothing, learns, keeps, half = (
        {"rate": rate, "learned": learned, "ACC": acc, "all": overall}
        for rate, learned, acc, overall in [(1.0, 0.0, 0.0, 0.6), (2.0, 0.97, 0.5, 0.4),
                                            (3.0, 0.96, 0.4, 0.5), (4.0, 0.5, 0.1, 0.2)])
    best = script.choose_in_a_row(pd.DataFrame([nothing, learns, keeps]))
    assert best == 3.0, "of those that learn, the one that ends with most of everything"
    assert script.choose_in_a_row(pd.DataFrame([nothing, half])) == 4.0, (
        "where none learns enough, the new skills count")


def test_a_search_is_only_added_to_and_a_comparison_follows_what_was_chosen(script, study_rows):
    def rows(part, **changes):
        return pd.concat([study_rows(rate=rate, part=part, **changes) for rate in (1e-3, 1e-4)])

    study = pd.concat([rows("validation"), rows("test"), rows("test", method="b"),
                       study_rows(seed=1, rate=1e-3, part="test")])
    task = script.Task("test", "facts-new", "a", 1e-3, 0, 40, "tiny")
    left = script.still_asked(study, [task])[RUN].drop_duplicates()
    assert [tuple(run[2:]) for run in left.itertuples(index=False)] == [
        ("a", 1e-3, 0), ("a", 1e-4, 0), ("a", 1e-3, 0), ("b", 1e-3, 0), ("b", 1e-4, 0)]
    left = script.still_asked(study, [task._replace(steps=80)])
    assert not ((left["method"] == "a") & (left["part"] == "test")).any(), "of other steps"
