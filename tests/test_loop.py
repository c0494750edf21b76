"""`run_stream`: what it evaluates, counts and shows; stopped and resumed, nothing differs."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest
import torch

from workbench.config import RunConfig
from workbench.errors import ConfigError, RecordError
from workbench.learners import CONTROLS, LEARNERS, Finetune
from workbench.models import StackedMLP
from workbench.runs.experiment import make_learner, resume, run
from workbench.runs.loop import run_stream
from workbench.runs.record import RunRecord
from workbench.tasks import SCENARIOS, make_stream


def until(step):
    """Return what makes a run that is evaluated at every step stop after this one."""
    taken = [-1]

    def observe(snapshot):
        taken[0] = snapshot.steps_taken

    return {"observer": observe, "stop": lambda: taken[0] >= step}


# Evaluation and counting

@pytest.mark.parametrize("scenario", SCENARIOS)
def test_accuracy_is_the_share_of_right_answers_among_the_allowed(scenario, tiny):
    config = tiny(scenario=scenario)
    stream = make_stream(config.stream, scenario, config.tasks)
    learner = make_learner(config, stream)
    fresh = StackedMLP(64, config.hidden, stream.outputs, config.seeds)
    record = run_stream(learner, stream, config)
    for j, task in enumerate(stream.tasks):
        for scores, model, trained in ((record.baseline, fresh, -1),
                                       (record.accuracy[:, -1], learner.model, 2)):
            allowed = stream.mask(trained, j).nonzero().flatten()
            answers = allowed[model(task.test.x)[..., allowed].argmax(-1)]
            share = (answers == task.test.y).double().mean(1).numpy()
            np.testing.assert_allclose(scores[:, j], share)


def test_class_scenario_knows_nothing_of_tasks_not_yet_met(tiny):
    record = run(tiny(scenario="class"))
    for i in range(3):
        assert (record.accuracy[:, i, i + 1:] == 0).all()
        assert (record.accuracy[:, i, i] > 0).all()


def test_all_tasks_are_evaluated_before_training_and_after_each_task(tiny):
    seen = []
    record = run(tiny(evaluate_every=0), observer=seen.append)
    assert record.status == "complete"
    for array in (record.baseline, record.accuracy, record.losses):
        assert np.isfinite(array).all()
    assert [s.steps_taken for s in seen] == [0, 4, 8, 12]
    np.testing.assert_array_equal(seen[0].scores, record.baseline)
    for i in range(3):
        np.testing.assert_array_equal(seen[i + 1].scores, record.accuracy[:, i])
    assert {s.steps_total for s in seen} == {12}


@pytest.mark.parametrize("every, steps", [(1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                                          (2, [2, 4, 6, 8, 10, 12]), (3, [3, 7, 11]), (5, [])])
def test_the_curve_has_a_point_every_so_many_steps_of_each_task(every, steps, tiny):
    whole, record = run(tiny(evaluate_every=1)), run(tiny(evaluate_every=every))
    assert record.curve_steps.tolist() == steps
    assert record.curve.shape == (2, len(steps), 3)
    np.testing.assert_array_equal(record.curve, whole.curve[:, [s - 1 for s in steps]])
    # Fine-tuning does nothing after its last step, so the curve ends on the matrix.
    np.testing.assert_array_equal(whole.curve[:, 3::4], whole.accuracy)


def test_looking_into_tasks_changes_nothing(tiny):
    a, b = run(tiny(evaluate_every=1, learner="si")), run(tiny(evaluate_every=0, learner="si"))
    np.testing.assert_array_equal(a.accuracy, b.accuracy)
    np.testing.assert_array_equal(a.losses, b.losses)


def test_steps_samples_seconds_and_bytes_are_counted(tiny):
    record = run(tiny(learner="replay", options={"per_class": 3}))
    assert (record.steps_taken, record.samples_seen) == (12, 12 * 8)
    assert record.stored_bytes == [6 * n * (64 * 4 + 8 + 8) for n in (1, 2, 3)]
    assert record.seconds["train"] > 0 < record.seconds["evaluate"]
    assert record.total_seconds == sum(record.seconds.values())
    stream = make_stream("split-digits", tasks=3)
    assert record.examples == [len(t.test) for t in stream.tasks]


def test_validation_is_another_part_than_test(tiny):
    test, validation = run(tiny()), run(tiny(evaluate_on="validation"))
    np.testing.assert_array_equal(test.losses, validation.losses)
    assert not np.array_equal(test.accuracy, validation.accuracy)
    stream = make_stream("split-digits", tasks=3)
    assert validation.examples == [len(t.validation) for t in stream.tasks]


def test_stacked_seeds_score_as_each_would_alone(tiny):
    stack, alone = run(tiny(seeds=(3, 1, 2))), run(tiny(seeds=(1,)))
    np.testing.assert_allclose(stack.accuracy[1], alone.accuracy[0], atol=0.02)
    np.testing.assert_allclose(stack.losses[1], alone.losses[0], rtol=1e-4)


def test_threads_are_put_back_as_they_were(tiny):
    before = torch.get_num_threads()
    during = []
    run(tiny(threads=2), observer=lambda _: during.append(torch.get_num_threads()))
    assert (set(during), torch.get_num_threads()) == ({2}, before)


# Observers

def test_writing_to_what_an_observer_is_shown_changes_nothing(tiny, assert_same_run, tmp_path):
    def vandal(snapshot):
        for array in (snapshot.scores, snapshot.accuracy, snapshot.loss):
            array[:] = -1

    assert_same_run(run(tiny(), out=tmp_path / "a"),
             run(tiny(), out=tmp_path / "b", observer=vandal), tmp_path / "a", tmp_path / "b")


def test_what_an_observer_keeps_stays_as_it_was(tiny):
    seen, copies = [], []

    def observe(snapshot):
        seen.append(snapshot)
        copies.append((snapshot.scores.copy(), snapshot.accuracy.copy(), snapshot.loss.copy()))

    record = run(tiny(), observer=observe)
    for snapshot, copy in zip(seen, copies, strict=True):
        for now, then in zip((snapshot.scores, snapshot.accuracy, snapshot.loss), copy,
                             strict=True):
            np.testing.assert_array_equal(now, then)
    assert np.isnan(seen[0].loss).all()
    np.testing.assert_allclose(seen[1].loss, record.losses[:, 0, 1])
    assert [(s.task, s.step) for s in seen[:4]] == [(0, 0), (0, 2), (0, 4), (1, 2)]
    np.testing.assert_array_equal(seen[2].accuracy[:, 0], record.accuracy[:, 0])


@pytest.mark.parametrize("every", [0, 1, 2, 3])
def test_each_step_is_evaluated_once_and_shown_once(every, tiny, monkeypatch):
    from workbench.runs import loop

    steps, evaluated, plain = [], [], loop.evaluate
    monkeypatch.setattr(loop, "evaluate", lambda *a: (evaluated.append(a), plain(*a))[1])
    record = run(tiny(evaluate_every=every), observer=lambda seen: steps.append(seen.steps_taken))
    assert steps == sorted({0, 4, 8, 12, *record.curve_steps.tolist()})
    assert len(evaluated) == len(steps)


def test_the_last_point_of_a_curve_is_the_row_of_the_matrix_after_the_end_of_the_task(tiny):
    class Late(Finetune):
        """Changes its networks when a task has ended, as methods that merge or average do."""

        def end(self, task):
            for parameter in self.model.parameters():
                parameter.data.mul_(-1)

    config = tiny(evaluate_every=4, steps=4)
    stream = make_stream(config.stream, config.scenario, config.tasks)
    learner = Late(StackedMLP(64, config.hidden, stream.outputs, config.seeds))
    record = run_stream(learner, stream, config)
    np.testing.assert_array_equal(record.curve, record.accuracy)


# Stopped and resumed, with three tasks of four steps: before any training, within a task, before
# its last step, and between two tasks.

STOPS = {"scenario=class": [0, 2, 4, 5, 11], "scenario=task": range(12), "scenario=domain": [7]}


@pytest.mark.parametrize("name, stops", [
    *itertools.product(LEARNERS, STOPS), *((name, "scenario=class") for name in CONTROLS)])
def test_a_stopped_and_resumed_run_equals_one_never_stopped(name, stops, tiny, assert_same_run,
                                                            tmp_path):
    options = {"teacher_steps": 4} if name.startswith("distill") else {}  # else 400
    config = tiny(learner=name, scenario=stops.removeprefix("scenario="), clip=0.5,
                  evaluate_every=1, checkpoint_every=3, options=options)
    whole, go_on = run(config, out=tmp_path / "whole"), run
    for step in STOPS[stops]:
        where = (config,) if go_on is run else ()
        record = go_on(*where, out=tmp_path / "parts", **until(step))
        assert (record.status, record.steps_taken) == ("stopped", step)
        go_on = resume
    record = resume(tmp_path / "parts")
    assert_same_run(record, whole, tmp_path / "parts", tmp_path / "whole")
    assert_same_run(RunRecord.load(tmp_path / "parts"), whole)


def test_a_run_asked_to_stop_at_once_between_tasks_stays_where_it_is(tiny, assert_same_run,
                                                                     tmp_path):
    config = tiny(learner="joint", evaluate_every=1)
    whole = run(config, out=tmp_path / "whole")
    run(config, out=tmp_path / "run", **until(8))
    for _ in range(2):
        assert resume(tmp_path / "run", stop=lambda: True).steps_taken == 8
    assert_same_run(resume(tmp_path / "run"), whole, tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("moment", range(7))
def test_ctrl_c_leaves_a_folder_that_can_be_resumed(moment, tiny, assert_same_run, tmp_path):
    config = tiny(learner="derpp", checkpoint_every=3)
    whole = run(config, out=tmp_path / "whole")
    count = iter(range(100))

    def interrupt(*_):
        if next(count) == moment + 1:
            signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends
        return False

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    try:
        with pytest.raises(KeyboardInterrupt):
            run(config, out=tmp_path / "run", stop=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert RunRecord.load(tmp_path / "run").status == "running"
    assert_same_run(resume(tmp_path / "run"), whole, tmp_path / "run", tmp_path / "whole")


def test_an_observer_that_fails_leaves_a_folder_that_can_be_resumed(tiny, assert_same_run,
                                                                    tmp_path):
    def observe(snapshot):
        if snapshot.steps_taken == 6:
            raise ZeroDivisionError

    whole = run(tiny(), out=tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        run(tiny(), out=tmp_path / "run", observer=observe)
    assert_same_run(resume(tmp_path / "run"), whole, tmp_path / "run", tmp_path / "whole")


def test_seconds_add_up_over_interruptions(tiny, tmp_path):
    before = run(tiny(evaluate_every=1), out=tmp_path / "run", **until(6)).seconds.copy()
    after = resume(tmp_path / "run").seconds
    assert all(after[name] > before[name] > 0 for name in ("train", "evaluate"))


# What cannot be run

def test_a_scenario_the_learner_cannot_do_is_refused_before_anything_is_written(
        tiny, tmp_path, monkeypatch):
    class Told(Finetune):
        scenarios = ("task",)

    config, stream = tiny(learner="told"), make_stream("split-digits", "domain", 3)
    with pytest.raises(ConfigError, match="Told cannot do the 'domain' scenario.*can do: task"):
        run_stream(Told(StackedMLP(64, (8,), 2, (0, 1))), stream, config, out=tmp_path / "run")
    monkeypatch.setitem(LEARNERS, "told", Told)
    with pytest.raises(ConfigError, match="'told' cannot do the 'domain' scenario"):
        run(tiny(learner="told", scenario="domain"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert run(tiny(learner="told", scenario="task")).status == "complete"


def test_other_settings_than_the_run_was_begun_with_are_refused(tiny, tmp_path, fingerprint):
    run(tiny(), out=tmp_path / "run", **until(4))
    before, other = fingerprint(tmp_path / "run"), tiny(steps=5)
    stream = make_stream("split-digits", tasks=3)
    with pytest.raises(RecordError, match="begun with other settings.*steps=4"):
        run_stream(make_learner(other, stream), stream, other, out=tmp_path / "run", resume=True)
    assert fingerprint(tmp_path / "run") == before


def test_other_data_than_the_run_was_begun_with_are_refused(tiny, tmp_path, fingerprint):
    config = tiny()
    run(config, out=tmp_path / "run", **until(4))
    before, stream = fingerprint(tmp_path / "run"), make_stream("split-digits", None, 3, 1)
    with pytest.raises(RecordError, match="data have changed"):
        run_stream(make_learner(config, stream), stream, config, out=tmp_path / "run", resume=True)
    assert fingerprint(tmp_path / "run") == before


@pytest.mark.parametrize("changes, printed", [
    ({"steps": 0}, "steps"), ({"batch_size": 2.5}, "batch_size"), ({"tasks": True}, "tasks"),
    ({"seeds": ()}, "seeds"), ({"seeds": (1, 1)}, "seeds"), ({"seeds": ("a",)}, "seeds"),
    ({"seeds": 3}, "seeds"), ({"seeds": (-1,)}, "seeds"), ({"hidden": (0,)}, "hidden"),
    ({"lr": 0}, "lr"), ({"lr": "x"}, "lr"), ({"lr": float("inf")}, "lr"), ({"clip": -1}, "clip"),
    ({"evaluate_on": "train"}, "evaluate_on"), ({"evaluate_every": -1}, "evaluate_every"),
    ({"data_seed": -1}, "data_seed"), ({"options": 3}, "options"), ({"clip": True}, "clip"),
    ({"diagnose": 1}, "diagnose"), ({"seeds": "12"}, "seeds"), ({"hidden": "12"}, "hidden"),
    ({"stream": "skills", "skills": "facts-new"}, "skills must be a sequence .*not the single"),
    ({"stream": "skills", "skills": (1,)}, "skills must be a sequence of texts, not"),
    ({"stream": "skills", "skills": 3}, "skills must be a sequence of texts, not 3"),
])
def test_a_setting_that_cannot_work_is_refused_by_name(changes, printed):
    with pytest.raises(ConfigError, match=printed):
        RunConfig(**changes)
