"""Records of sweeps and sequences: how they are read, and what is chosen from them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from workbench.diagnostics import DIAGNOSTICS
from workbench.errors import RecordError, UnknownNameError
from workbench.sweep_plots import (
    SHARES,
    UNITS,
    drift_points,
    plot_diagnostic,
    rank_correlation,
)
from workbench.sweeps import RESULTS, command_for, load_sequences, load_sweep, parse_run
from workbench.tasks import KNOWN_SKILLS


@pytest.fixture
def write(tmp_path):
    def make(*runs, name="facts-new-tune.json"):
        (tmp_path / name).write_text(json.dumps({"command": "make it", "runs": runs}))
        return tmp_path
    return make


def test_what_is_kept_is_relative_to_before_and_averaged_over_skills(sweep_run):
    parsed = parse_run(sweep_run())
    np.testing.assert_allclose(parsed.kept, [(0.9 + 1) / 2, (0.6 + 1) / 2])
    assert parsed.first(0.5) == 0 and parsed.first(0.9) == 1 and parsed.first(1.1) is None
    assert np.isnan(parsed.diagnostics[:, 1]).all()


def test_of_those_who_know_the_skill_the_one_is_chosen_that_keeps_most(write, sweep_run):
    folder = write(sweep_run(lr=1e-3, new=(0.96, 1.0), old=(0.2, 0.1)), sweep_run(lr=1e-4),
                   sweep_run(lr=1e-5, new=(0.1, 0.94), old=(1.0, 1.0)),
                   sweep_run("b", new=(0.3, 0.2), old=(0.1, 0.9)),
                   sweep_run("c", new=(0.9, 0.86), old=(0.1, 0.9)))
    sweep = load_sweep("facts-new", "tune", folder)
    chosen, point = sweep.choose("a")
    assert (chosen.lr, point) == (1e-4, 1)
    assert sweep.choose("a", enough=0.9)[0].lr == 1e-5
    chosen, point = sweep.choose("b")
    assert point == 0, "where nobody gets there, who knows it best"
    assert sweep.choose("c")[1] == 1, "but one or two questions do not decide"
    assert sweep.choose("c", enough=0.9)[1] == 0, "unless one gets there"
    assert sweep.methods == ["a", "b", "c"]
    with pytest.raises(UnknownNameError, match="unknown method in the record of facts-new 'd'"):
        sweep.of("d")
    assert sweep.at("a", 1e-3) is sweep.runs[0]
    with pytest.raises(UnknownNameError, match="unknown learning rate of 'a' '0.3'.*0.001"):
        sweep.at("a", 0.3)
    with pytest.raises(UnknownNameError, match="unknown diagnostic 'speed'"):
        sweep.diagnostic(chosen, "speed")


def test_drift_and_forgetting_are_paired(write, sweep_run):
    folder = write(sweep_run(), sweep_run(seed=1, old=(0.8, 0.4), kl=(2, 8)))
    sweep = load_sweep("facts-new", "tune", folder)
    np.testing.assert_allclose(drift_points(sweep, ["a"], "kl_new"), [[4, 0.2], [8, 0.3]])
    every = drift_points(sweep, ["a"], "kl_new", everywhere=True)
    assert len(every) == 4 and rank_correlation(every) == pytest.approx(1)
    assert np.isnan(rank_correlation(every[:2]))
    assert drift_points(sweep, [], "kl_new").shape == (0, 2)


def test_a_diagnostic_is_drawn_of_the_run_that_would_be_chosen(write, sweep_run):
    folder = write(sweep_run(), sweep_run(lr=1e-3, new=(0.96, 1.0), old=(0.2, 0.1), kl=(7, 9)))
    sweep = load_sweep("facts-new", "tune", folder)
    ax = plot_diagnostic(sweep, ["a"], "kl_new", Figure().subplots(), "drift")
    chosen, _ = sweep.choose("a")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), sweep.diagnostic(chosen, "kl_new"))
    np.testing.assert_allclose(ax.lines[0].get_xdata(), chosen.steps)
    ax = plot_diagnostic(sweep, ["a"], "kl_new", Figure().subplots(), "drift", lr=1e-3)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [7, 9])
    assert ax.get_ylabel() == "nats a response" and "a from" in ax.get_label()
    assert set(SHARES) | set(UNITS) == set(DIAGNOSTICS)


def test_shares_are_drawn_in_percent():
    sweep = load_sweep("facts-new", "tune")
    ax = plot_diagnostic(sweep, ["sft", "sdft"], "foreign_voice", Figure().subplots())
    assert [line.get_ydata()[-1] for line in ax.lines] == [100, 0] and ax.get_ylabel() == "%"


@pytest.mark.parametrize("content, said", [
    (None, "No such file"), ("{", "damaged"), ('{"runs": []}', "damaged"),
    ('{"command": "", "runs": [{"method": "a"}]}', "KeyError: 'lr'"), ("[]", "damaged")])
def test_a_record_that_cannot_be_read_says_how_to_make_it(content, said, tmp_path):
    if content is not None:
        (tmp_path / "tools-new-compare.json").write_text(content)
        (tmp_path / "sequences.json").write_text(content)
    with pytest.raises(RecordError, match=said) as caught:
        load_sweep("tools-new", "compare", tmp_path)
    assert "python scripts/sweep_skills.py compare tools-new" in str(caught.value)
    if content not in ('{"runs": []}',):
        with pytest.raises(RecordError, match="sequence_skills.py"):
            load_sequences(tmp_path)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*-new-*.json")), ids=lambda p: p.stem)
def test_every_shipped_record_can_be_read(path):
    skill, part = path.stem.rsplit("-", 1)
    sweep = load_sweep(skill, part)
    assert sweep.watched == list(KNOWN_SKILLS) and set(sweep.diagnostic_names) == set(DIAGNOSTICS)
    assert sweep.command == command_for(skill, part)
    for each in sweep.runs:
        points = len(each.steps)
        assert each.new.shape == (points,) and each.old.shape == (points, len(KNOWN_SKILLS))
        assert 0 <= each.new.min() and each.new.max() <= 1 and (each.kept <= 1.2).all()


def test_the_shipped_sequences_are_all_that_the_script_asks_for(monkeypatch):
    monkeypatch.syspath_prepend(str(RESULTS.parents[2] / "scripts"))
    from sequence_skills import METHODS, ORDERS, ORDERS_OF, SEEDS

    runs = load_sequences()
    assert len({run.skills for run in runs}) == len(ORDERS_OF["sdft"]) == 6
    assert {run.method for run in runs} == set(METHODS)
    for method in METHODS:
        own = [run for run in runs if run.method == method]
        assert sorted((run.skills, run.seed) for run in own) == sorted(
            (order, seed) for order in ORDERS_OF.get(method, ORDERS) for seed in SEEDS), method
        assert len({run.lr for run in own}) == 1, "one setting, whatever the order"
        assert all(run.new.shape == (4, 3) and run.old.shape == (4, len(KNOWN_SKILLS))
                   and run.seconds > 0 for run in own)
    stored = {run.method: run.stored_bytes for run in runs}
    assert stored["sdft"] == stored["sft"] == 0 < stored["replay"]


def test_what_is_stored_in_a_sequence_is_what_is_there_at_the_end(tmp_path):
    (tmp_path / "sequences.json").write_text(json.dumps({"runs": [{
        "method": "a", "skills": ["x", "y"], "seed": 3, "lr": 1e-4, "new": [[0, 0], [1, 0], [1, 1]],
        "old": [[1.0], [0.5], [0.25]], "stored_bytes": [10, 20],
        "seconds": {"train": 7.5, "evaluate": 100.0}}]}))
    run, = load_sequences(tmp_path)
    assert (run.stored_bytes, run.seconds, run.lr, run.seed) == (20, 7.5, 1e-4, 3)
    np.testing.assert_allclose(run.kept, [1, 0.5, 0.25])


def test_a_sequence_that_learned_nothing_is_never_chosen_for_keeping_all(monkeypatch):
    monkeypatch.syspath_prepend(str(RESULTS.parents[2] / "scripts"))
    from sequence_skills import score

    def run(learned, end, old):
        new = [[0, 0], [learned, 0], [end, learned]]
        return {"new": new, "old": [[1, 1], [1, 1], [old, old]]}

    nothing, learns, keeps = run(0.0, 0.0, 1.0), run(0.97, 0.8, 0.2), run(0.96, 0.7, 0.6)
    best = max((nothing, learns, keeps), key=score)
    assert best is keeps, "of those that learn, the one that ends with most of everything"
    half = run(0.5, 0.1, 0.1)
    assert max((nothing, half), key=score) is half, "where none learns enough, the new skills count"


def test_a_search_is_only_added_to_and_a_comparison_follows_what_was_chosen(monkeypatch):
    monkeypatch.syspath_prepend(str(RESULTS.parents[2] / "scripts"))
    from sweep_skills import Task, still_asked

    runs = [{"method": method, "lr": lr, "seed": seed, "steps": [40, steps]}
            for method, lr, seed, steps in [("sft", 1e-3, 0, 80), ("sft", 1e-3, 0, 120),
                                            ("sft", 1e-4, 1, 80), ("sdft", 1e-4, 0, 80)]]
    task = Task("sft", "facts-new", 1e-3, 0, "test", 80, "tiny")
    assert still_asked(runs, [task], "tune") == runs
    assert still_asked(runs, [task], "compare") == [runs[0], runs[3]]
