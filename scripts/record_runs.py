"""Record the runs that the site and the demonstration play: ``data/recordings/*.json``.

python scripts/record_runs.py                # all
python scripts/record_runs.py clusters       # one
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import workbench as wb
from workbench.models.minilm import shipped_embeddings
from workbench.plots import percent
from workbench.plots.curves import task_curves_in_words
from workbench.plots.styles import look
from workbench.retrieval.projections import project
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.runs.evaluation import Snapshot
from workbench.runs.experiment import stream_of
from workbench.system.files import to_json
from workbench.system.provenance import data_path
from workbench.tasks.utterances import read_utterances
from workbench.widgets.player import record_curves
from workbench.widgets.side_by_side import SideBySide

QUERIES = 24
"""Messages whose task is retrieved in the recording of clusters, drawn at random."""


def forgetting() -> dict[str, Any]:
    """Record plain fine-tuning on five tasks of two digits, three networks."""
    config = wb.RunConfig(learner="finetune", seeds=(0, 1, 2), steps=200, evaluate_every=10)
    seen: list[Snapshot] = []
    wb.run(config, observer=seen.append)
    stream = stream_of(config)
    curve = np.array([one.scores for one in seen]).transpose(1, 0, 2)
    words = task_curves_in_words([one.steps_taken for one in seen], curve,
                                 [task.name for task in stream.tasks], "plain fine-tuning")
    return record_curves(seen, stream, config.steps, run=0, words=words,
                         title="plain fine-tuning, mean of three networks")


def sft_beside_sdft() -> dict[str, Any]:
    """Record the same model while it learns 24 facts by SFT and by SDFT."""
    empty: dict[str, Any] = {"kind": "answers", "run": -1, "words": "", "methods": [], "frames": [],
                             "questions": []}
    widget = SideBySide(looks=20, recording=empty).start().wait()
    if widget.trouble.value:
        raise SystemExit(widget.trouble.value)
    return widget.record()


def clusters() -> dict[str, Any]:
    """Record signatures of eight assistants, and the nearest cluster of some test messages."""
    messages = pd.DataFrame(read_utterances())
    features = shipped_embeddings().double().numpy()
    train, test = (messages.index[messages["split"] == part] for part in ("train", "test"))
    tasks = list(messages["task"].unique())
    retriever = ClusteredRetriever(Signature("gmm", 5, "tied", ridge=0, shrinkage=0.3),
                                   measure="mahalanobis")
    for task in tasks:  # one after the other: nothing that was learned before is touched
        rows = train[messages["task"][train] == task]
        retriever.partial_fit(features[rows], np.full(len(rows), task))
    places = project(features, "umap")
    places = (places - places.min(0)) / np.ptp(places, axis=0)
    where = lambda rows: np.round(places[rows], 3).tolist()  # noqa: E731
    shown, centres = [], {}
    for k, (task, signature) in enumerate(zip(tasks, retriever.signatures_, strict=True)):
        rows = train[messages["task"][train] == task]
        own = signature.distances(features[rows]).argmin(1)
        centres[task] = np.array([places[rows[own == c]].mean(0) if (own == c).any() else
                                  places[rows].mean(0) for c in range(len(signature.means_))])
        shown.append({"name": task, "colour": look(k)["color"], "points": where(rows),
                      "centres": np.round(centres[task], 3).tolist(),
                      "label": np.round(np.median(places[rows], axis=0), 3).tolist()})
    distances = np.stack([one.distances(features[test]) for one in retriever.signatures_], 1)
    nearest = distances.min(2).argmin(1)
    truth = messages["task"][test].map(tasks.index).to_numpy()
    frames: list[dict[str, Any]] = [{
        "tasks": k, "label": f"{k} tasks learned", "text":
        f"Task {k}, {tasks[k - 1]}: the features of its training messages form five clusters "
        "(diamonds). They are stored. Nothing learned before is changed." if k else
        "No task is learned yet."} for k in range(len(tasks) + 1)]
    drawn = np.random.default_rng(0).choice(len(test), QUERIES, replace=False)
    for n, i in enumerate(drawn, 1):
        found, right = tasks[nearest[i]], bool(nearest[i] == truth[i])
        cluster = int(distances[i, nearest[i]].argmin())
        correct = int((nearest[drawn[:n]] == truth[drawn[:n]]).sum())
        frames.append({
            "tasks": len(tasks), "label": f"message {n} of {QUERIES}",
            "text": f"“{messages['text'][test[i]]}” The nearest cluster is one of {found}: "
                    + ("right." if right else f"wrong, the message is for {tasks[truth[i]]}."),
            "score": f"right: {correct} of {n}",
            "query": {"point": where(test[i]), "centre": np.round(centres[found][cluster], 3)
                      .tolist(), "retrieved": int(nearest[i]), "right": right,
                      "distances": np.round(distances[i].min(1), 3).tolist()}})
    accuracy = percent(float((nearest == truth).mean()))
    frames.append(frames[-1] | {"label": "all messages", "score":
                                f"right: {accuracy} of all {len(test)} test messages"})
    return {"kind": "clusters", "run": 0, "seconds": 20.0, "tasks": shown, "frames": frames,
            "distances": "distance to the nearest cluster of each task",
            "words": f"A map of messages to {len(tasks)} assistants. Each assistant is learned as "
                     "five clusters of its messages. A new message goes to the assistant with the "
                     f"nearest cluster. This is right for {accuracy} of {len(test)} test messages. "
                     "Distances are measured in all 384 features, not in the map."}


RECORDINGS: dict[str, Callable[[], dict[str, Any]]] = {
    one.__name__: one for one in (forgetting, sft_beside_sdft, clusters)}


def main(names: list[str]) -> None:
    """Write the named recordings, or all."""
    for name in names or RECORDINGS:
        if name not in RECORDINGS:
            raise SystemExit(f"no recording {name!r}; there are: {', '.join(RECORDINGS)}")
        path = data_path("recordings", f"{name}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(to_json(RECORDINGS[name]()) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
