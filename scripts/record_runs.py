"""Record the runs that the site and the demonstration play: ``data/recordings/*.json``.

``python scripts/record_runs.py`` records all, ``python scripts/record_runs.py clusters`` one. Each
is what the scene of that name shows when it does its run for real.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.models.minilm import shipped_embeddings
from workbench.retrieval.projections import project
from workbench.system.files import to_json
from workbench.system.provenance import data_path
from workbench.widgets.cluster_scene import Clusters
from workbench.widgets.recorded import RecordedRun
from workbench.widgets.scenes import Forgetting, Scenarios, Teacher
from workbench.widgets.side_by_side import SideBySide

EMPTY: dict[str, Any] = {"kind": "curves", "words": "", "frames": [], "series": [], "phases": []}


def clusters() -> Clusters:
    """Return the scene of clusters, with a map by UMAP."""
    places = project(shipped_embeddings().double().numpy(), "umap")
    return Clusters(EMPTY, np.round((places - places.min(0)) / np.ptp(places, axis=0), 3))


SCENES: dict[str, Callable[[], RecordedRun]] = {
    "forgetting": lambda: Forgetting(EMPTY), "scenarios": lambda: Scenarios(EMPTY),
    "teacher": lambda: Teacher(EMPTY), "clusters": clusters,
    "sft_beside_sdft": lambda: SideBySide(looks=20, recording=EMPTY)}


def main(names: list[str]) -> None:
    """Record the named scenes, or all."""
    for name in names or SCENES:
        if name not in SCENES:
            raise SystemExit(f"no recording {name!r}; there are: {', '.join(SCENES)}")
        scene = SCENES[name]().start().wait()
        if scene.trouble.value:
            raise SystemExit(f"{name}: {scene.trouble.value}")
        recording = {key: value for key, value in scene.player.recording.items() if key != "sent"}
        path = data_path("recordings") / f"{name}.json"
        path.write_text(to_json(recording) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
