"""The scenes of the demonstration: their recorded runs, and the same runs for real."""

from __future__ import annotations

import json

import numpy as np
import pytest

import workbench as wb
from workbench.course import demo
from workbench.errors import WorkbenchError
from workbench.plots import alt_text, percent
from workbench.widgets import scenes
from workbench.widgets.cluster_scene import Clusters
from workbench.widgets.scenes import Forgetting, Scenarios, Teacher
from workbench.widgets.show import SCENES, SECONDS, Show


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(scenes, "STEPS", 20)


def done(scene):
    scene.start().wait()
    assert scene.trouble.value == ""
    made = scene.player.recording
    assert json.loads(json.dumps(made)) == made and made["run"] == scene.recorded["run"] + 1
    assert alt_text(scene.figure()) and len(scene.table())
    return made


def test_every_scene_opens_on_a_recorded_run_of_five_seconds_and_plays_when_its_tab_is_opened():
    show = Show()
    assert len(show.scenes) == len(SCENES) == 5
    assert all(scene.player.recording["seconds"] == SECONDS for scene in show.scenes)
    plays = [scene.player.plays for scene in show.scenes]
    show.tabs.selected_index = 2
    show.tabs.selected_index = 4
    assert [scene.player.plays - before for scene, before in
            zip(show.scenes, plays, strict=True)] == [0, 0, 1, 0, 1]
    for scene in show.scenes:
        assert alt_text(scene.figure()) and len(scene.table())


def test_forgetting_for_real_is_the_run_of_its_settings(few_steps):
    made = done(Forgetting())
    record = wb.run(wb.RunConfig(learner="finetune", seeds=(0, 1, 2), steps=20))
    np.testing.assert_allclose(made["frames"][-1]["y"], record.accuracy[:, -1].mean(0), atol=1e-4)


def test_scenarios_for_real_are_the_accuracies_on_the_tasks_so_far(few_steps):
    made = done(Scenarios())
    assert [one["name"] for one in made["series"]] == ["task", "domain", "class"]
    for j, scenario in enumerate(("task", "domain", "class")):
        record = wb.run(wb.RunConfig(learner="finetune", scenario=scenario, seeds=(0, 1, 2),
                                     steps=20))
        ends = [frame["y"][j] for frame in made["frames"] if frame["x"] in (20, 40, 100)]
        wanted = [record.accuracy[:, k, :k + 1].mean() for k in (0, 1, 4)]
        np.testing.assert_allclose(ends, wanted, atol=1e-4)


def test_the_teacher_for_real_answers_other_questions_and_far_more_of_them_right():
    scene = Teacher()
    made = done(scene)
    alone, shown = (own[0] for own in made["frames"][-1]["bars"])
    assert alone < 0.2 and shown > 0.9
    assert made["questions"] != scene.recorded["questions"]
    assert all(one["right"] is None for one in made["frames"][0]["answers"][0])
    last = made["frames"][-1]["answers"]
    assert sum(one["right"] for one in last[1]) > sum(one["right"] for one in last[0])


def test_clusters_for_real_retrieve_other_messages_by_the_nearest_cluster():
    scene = Clusters()
    made = done(scene)
    queries = [frame["query"] for frame in made["frames"] if "query" in frame]
    assert all(np.argmin(one["distances"]) == one["retrieved"] for one in queries)
    assert [frame["tasks"] for frame in made["frames"][:9]] == list(range(9))
    texts = [frame["text"] for frame in made["frames"][9:]]
    assert texts != [frame["text"] for frame in scene.recorded["frames"][9:]]
    right = sum(one["right"] for one in queries[:-1])
    assert made["frames"][-2]["score"] == f"right: {right} of {len(queries) - 1}"
    accuracy = made["frames"][-1]["score"].split("right: ")[1].split(" of")[0]
    assert accuracy in made["words"] and 0.8 < int(accuracy.removesuffix(" %")) / 100 < 0.95
    assert percent(0.86) == accuracy, "the log and the guide name it"


def test_reset_shows_the_recorded_run_from_its_beginning():
    scene = Teacher()
    done(scene)
    scene.buttons["Reset"].click()
    assert scene.player.recording["frames"] == scene.recorded["frames"] and not scene.player.live


def test_the_demonstration_needs_the_folder_of_the_project(tmp_path):
    with pytest.raises(WorkbenchError, match="show.py is missing: .* Clone or download"):
        demo.command(root=tmp_path)
