"""Recordings for the browser: what they hold, and that they can be sent as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

import workbench as wb
from workbench.errors import DataError
from workbench.runs.evaluation import shown_examples
from workbench.runs.experiment import stream_of
from workbench.widgets.player import load_recording, record_curves

NAMES = ("forgetting", "sft_beside_sdft", "clusters")


def recorded(**settings):
    config = wb.RunConfig(**({"steps": 20, "evaluate_every": 10, "tasks": 2, "seeds": (0, 1, 2)}
                             | settings))
    seen, stream = [], stream_of(config)
    record = wb.run(config, observer=seen.append)
    return record, seen, stream, record_curves(seen, stream, config.steps, run=3, title="a title",
                                               words="the words")


@pytest.fixture(scope="module")
def split_digits():
    return recorded(lr=1e-2)


def test_curves_are_the_means_of_the_run_and_no_task_begins_before_it_is_learned(split_digits):
    record, _, _, made = split_digits
    assert json.loads(json.dumps(made)) == made
    assert [frame["x"] for frame in made["frames"]] == [0, 10, 20, 30, 40]
    assert [one["start"] for one in made["series"]] == [0, 20] and made["steps"] == 40
    assert [(p["start"], p["end"]) for p in made["phases"]] == [(0, 20), (20, 40)]
    for place, row in ((2, 0), (4, 1)):
        np.testing.assert_allclose(made["frames"][place]["y"], record.accuracy[:, row].mean(0),
                                   atol=1e-4)
        frame = made["frames"][place]
        assert all(0 <= low <= y <= high <= 1 for low, y, high in
                   zip(frame["low"], frame["y"], frame["high"], strict=True))


def test_a_digit_has_an_answer_once_its_task_is_met_and_it_is_that_of_the_first_network(
        split_digits):
    _, seen, stream, made = split_digits
    assert [one["label"] for one in made["images"]] == ["0", "1", "2", "3"]
    assert made["frames"][0]["images"] == [None] * 4
    assert made["frames"][1]["images"][2:] == [None, None]
    last = made["frames"][-1]["images"]
    assert [one[0] for one in last] == [f"“{r.response}”" for r in seen[-1].responses]
    assert [one[1] for one in last] == [r.response == r.answer for r in seen[-1].responses]
    task = stream.tasks[1].test
    assert task.y[shown_examples(task)].tolist() == [2, 3]


def test_where_outputs_have_no_names_an_answer_is_right_or_wrong():
    made = recorded(stream="split-digits", scenario="domain", seeds=(0,))[3]
    words = {one[0] for frame in made["frames"] for one in frame["images"] if one}
    assert words <= {"right", "wrong"} and words and "low" not in made["frames"][0]


def test_inputs_that_are_no_images_have_no_row_of_images():
    made = recorded(stream="wine", tasks=1, seeds=(0,))[3]
    assert made["images"] == [] and "images" not in made["frames"][0]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recording_has_words_and_frames_and_the_name_of_each(name):
    shipped = load_recording(name)
    assert len(shipped["words"]) > 80 and shipped["seconds"] > 0 and len(shipped["frames"]) > 10
    assert all(frame["label"] for frame in shipped["frames"])


def test_the_shipped_answers_tell_what_the_course_claims():
    shipped = load_recording("sft_beside_sdft")
    last = shipped["frames"][-1]
    (sft_learned, sft_kept), (sdft_learned, sdft_kept) = last["bars"]
    assert min(sft_learned, sdft_learned) > 0.9 and sdft_kept > sft_kept + 0.2
    sft, sdft = last["answers"]
    assert sum(one["expert"] for one in sft) > 3 > 0 == sum(one["expert"] for one in sdft)
    assert "chosen on validation data" in shipped["note"]


def test_a_missing_recording_is_named_with_those_there_are():
    with pytest.raises(DataError, match="no recording 'x' in .*there are: clusters"):
        load_recording("x")
