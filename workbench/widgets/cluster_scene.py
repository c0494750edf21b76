"""The scene of the instructor's demonstration on clusters, and the task of a message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.measure.accuracies import Floats
from workbench.models.minilm import shipped_embeddings
from workbench.plots import percent
from workbench.plots.clusters import plot_clusters
from workbench.plots.styles import look
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.tasks.utterances import read_utterances
from workbench.widgets.player import Recording, load_recording
from workbench.widgets.recorded import RecordedRun

QUERIES = 7
"""Messages that are shown, with the share of errors of all test messages."""
SHORT, LONG = 15, 70
"""Characters of those from which they are drawn at random, so that they can be read in time."""


class Clusters(RecordedRun):
    """Signatures of eight assistants, and the nearest cluster of some test messages.

    Parameters
    ----------
    places : ndarray, shape (n, 2), optional
        The position of each message in the picture, from 0 to 1; by default those recorded.
    """

    def __init__(self, recording: Recording | None = None, places: Floats | None = None) -> None:
        super().__init__(recording or load_recording("clusters"), "Retrieve for real",
                         "Clusters are fitted, and other messages retrieved: some seconds.")
        self.places = np.array(self.recorded["places"]) if places is None else places

    def figure(self) -> Figure:
        """Return the map of the messages that were learned."""
        tasks = self.player.recording["tasks"]
        figure = Figure(figsize=(6, 4.5), layout="constrained")
        plot_clusters(np.concatenate([task["points"] for task in tasks]),
                      np.repeat([task["name"] for task in tasks],
                                [len(task["points"]) for task in tasks]), figure.subplots())
        return figure

    def table(self) -> pd.DataFrame:
        """Return how many of the messages are retrieved right."""
        frames = self.player.recording["frames"]
        return pd.DataFrame({"score": [frames[-2]["score"], frames[-1]["score"]]})

    def work(self) -> None:
        """Fit the clusters task by task, and retrieve messages that are drawn anew."""
        messages, features = pd.DataFrame(read_utterances()), shipped_embeddings().double().numpy()
        tasks = list(messages["task"].unique())
        train, test = (messages.index[messages["split"] == part] for part in ("train", "test"))
        # Five clusters a task, with the shrinkage that lesson more/retrieval_of_messages chooses.
        retriever = ClusteredRetriever(Signature("gmm", 5, "tied", ridge=0, shrinkage=0.3),
                                       measure="mahalanobis")
        shown, centres = [], []
        for k, task in enumerate(tasks):  # nothing that was learned before is touched
            rows = train[messages["task"][train] == task]
            signature = retriever.partial_fit(features[rows], np.full(len(rows), task)
                                              ).signatures_[-1]
            own = signature.distances(features[rows]).argmin(1)
            centres.append(np.array([self.places[rows[own == c] if (own == c).any() else rows
                                                 ].mean(0) for c in range(len(signature.means_))]))
            shown.append({"name": task, "colour": look(k)["color"],
                          "points": _rounded(self.places[rows]), "centres": _rounded(centres[-1]),
                          "label": _rounded(np.median(self.places[rows], axis=0))})
            if self.stopping:
                return
        distances = np.stack([one.distances(features[test]) for one in retriever.signatures_], 1)
        truth = messages["task"][test].map(tasks.index).to_numpy()
        right = distances.min(2).argmin(1) == truth
        random, errors = np.random.default_rng(self.number), round(QUERIES * (1 - right.mean()))
        texts = messages["text"][test]
        readable = texts.str.len().between(SHORT, LONG).to_numpy()
        drawn = np.concatenate([random.choice(np.flatnonzero(readable & (right == found)), number,
                                              replace=False)
                                for found, number in ((True, QUERIES - errors), (False, errors))])
        frames = learning(tasks) + retrieving(
            texts.to_numpy(), self.places[test], distances, truth, tasks, centres,
            drawn)
        accuracy = percent(float(right.mean()))
        self.emit({
            "kind": "clusters", "seconds": 30.0, "tasks": shown, "frames": frames,
            "places": self.recorded.get("places", _rounded(self.places)),
            "note": "The map is flat. Distances are measured in all 384 features, so the nearest "
                    "cluster can look far away.",
            "distances": "distance to the nearest cluster of each task (short: near)",
            "words": f"A map of messages to {len(tasks)} assistants. Each assistant is learned as "
                     "five clusters of its messages. A new message goes to the assistant with the "
                     f"nearest cluster. This is right for {accuracy} of {len(test)} test messages, "
                     f"and for {QUERIES - errors} of the {QUERIES} shown."}, play=True)


def _rounded(places: Floats) -> Any:
    return np.round(places, 3).tolist()


def learning(tasks: list[str]) -> list[dict[str, Any]]:
    """Return the frames in which one task after the other is learned."""
    return [{"tasks": k, "label": f"{k} task{'s' * (k != 1)} learned", "text":
             f"Task {k}, {tasks[k - 1]}: its training messages form five clusters. Their centres "
             "(diamonds) are stored. Nothing learned before is changed."
             if k else "No task is learned yet."}
            for k in range(len(tasks) + 1)]


def retrieving(texts: Any, places: Floats, distances: Floats, truth: Any, tasks: list[str],
               centres: list[Floats], drawn: Any) -> list[dict[str, Any]]:
    """Return the frames in which the task of each drawn message is retrieved, and the total.

    `distances` has shape (messages, tasks, clusters).
    """
    frames: list[dict[str, Any]] = []
    nearest = distances.min(2).argmin(1)
    right = nearest == truth
    for n, i in enumerate(drawn, 1):
        k = int(nearest[i])
        frames.append({
            "tasks": len(tasks), "label": f"message {n} of {len(drawn)}",
            "text": f"“{texts[i]}” The nearest cluster is one of {tasks[k]}: "
                    + ("right." if right[i] else f"wrong, the message is for {tasks[truth[i]]}."),
            "score": f"right: {right[drawn[:n]].sum()} of {n}",
            "query": {"point": _rounded(places[i]), "retrieved": k, "right": bool(right[i]),
                      "centre": _rounded(centres[k][distances[i, k].argmin()]),
                      "distances": _rounded(distances[i].min(1))}})
    return [*frames, frames[-1] | {"label": "all messages", "score": f"right: "
            f"{percent(float(right.mean()))} of all {len(truth)} test messages"}]
