"""`ScenarioExplorer`: one digit under three scenarios."""

from collections.abc import Sequence

import ipywidgets as w
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from workbench.config import RunConfig
from workbench.learners import fit, make_optimizer
from workbench.plots import describe, percent
from workbench.plots.labels import add_text
from workbench.plots.styles import COLOURS
from workbench.runs.experiment import make_learner
from workbench.system.runtime import threads
from workbench.tasks import SCENARIOS, Stream, make_stream
from workbench.tasks.stream import masked
from workbench.widgets.view import View, choice

FORBIDDEN_COLOUR = "#999999"
"""Colour of the cross and the label of an answer that is not allowed."""


def draw_answers(ax: Axes, p: Tensor, mask: Tensor, labels: Sequence[str], right: int) -> None:
    """Draw the probability of each allowed answer, and a cross in the place of any other.

    `p` has the probabilities and `mask` says which answers are allowed, both of shape (outputs,).
    """
    for c in range(len(labels)):
        if mask[c]:
            ax.bar(c, 100 * float(p[c]), color=COLOURS[2 if c == right else 0])
        else:
            ax.plot(c, 4, "x", color=FORBIDDEN_COLOUR, markersize=9, markeredgewidth=2)
    ax.set_ylim(0, 103)
    ax.set_xticks(range(len(labels)), labels)
    ax.grid(False, axis="x")
    for c, tick in enumerate(ax.get_xticklabels()):
        tick.set_color(COLOURS[2] if c == right else "black" if mask[c] else FORBIDDEN_COLOUR)
        tick.set_fontweight("bold" if c == right else "normal")


class ScenarioExplorer(View):
    """Ask networks about one test digit under the task, domain and class scenario.

    For each scenario a network with the same hidden layers, seed and batches is fine-tuned on the
    five tasks of split digits, with `steps` per task. The weights after each task are kept.
    """

    def __init__(self, seed: int = 0, steps: int = 200) -> None:
        super().__init__()
        self.streams: dict[str, Stream] = {}
        self.networks: dict[str, list[Tensor]] = {}
        self.models = {}
        for scenario in SCENARIOS:
            config = RunConfig(scenario=scenario, seeds=(seed,), steps=steps)
            stream = make_stream(config.stream, scenario)
            learner = make_learner(config, stream)
            self.streams[scenario], self.models[scenario] = stream, learner.model
            self.networks[scenario] = []
            with threads(1):
                for task in stream.tasks:
                    for _ in fit(learner, task, make_optimizer(learner, config.lr), steps=steps,
                                 batch_size=config.batch_size):
                        pass
                    self.networks[scenario].append(learner.model.vector().detach().clone())
        self.names = [task.name for task in self.streams["class"].tasks]
        numbered = [(name, i) for i, name in enumerate(self.names)]
        self.scenario = w.ToggleButtons(options=list(SCENARIOS), value="class",
                                        description="scenario")
        self.trained = choice("trained up to", numbered, 0)
        self.tested = choice("a digit of task", numbered, 0)
        self.example = w.BoundedIntText(value=0, min=0, max=30, description="number",
                                        layout=w.Layout(width="160px"))
        self.lay_out([self.scenario], [self.trained, self.tested, self.example])

    def probabilities(self, scenario: str) -> tuple[Tensor, Tensor, int]:
        """Return the probability of each output, the mask of allowed outputs, and the label."""
        i, j, n = self.trained.value, self.tested.value, self.example.value
        stream = self.streams[scenario]
        test = stream.tasks[j].test
        logits = self._logits(scenario, i, j, test.x[n:n + 1])
        return logits[0].softmax(-1), stream.mask(i, j), int(test.y[n])

    def accuracy(self, scenario: str, trained: int, tested: int) -> float:
        """Return the accuracy on one task's test digits, after all training up to another."""
        test = self.streams[scenario].tasks[tested].test
        right = self._logits(scenario, trained, tested, test.x).argmax(-1) == test.y
        return float(right.double().mean())

    def _logits(self, scenario: str, trained: int, tested: int, x: Tensor) -> Tensor:
        """Return the logits on digits of a task, masked: shape (digits, outputs)."""
        with torch.no_grad():
            logits = self.models[scenario].forward_with(self.networks[scenario][trained], x[None])
        return masked(logits, self.streams[scenario].mask(trained, tested))[0]

    def figure(self) -> Figure:
        """Return the digit, the answer under the chosen scenario, and the accuracy in all three."""
        scenario, j = self.scenario.value, self.tested.value
        p, mask, right = self.probabilities(scenario)
        figure = Figure(figsize=(9.5, 3.4), layout="constrained")
        left, middle, last = figure.subplots(1, 3, width_ratios=[1, 2.4, 1.4])
        image = self.streams["class"].tasks[j].test.x[self.example.value].reshape(8, 8)
        left.imshow(image.numpy(), cmap="gray_r")
        left.axis("off")
        left.set_title("the digit")
        labels = ["even", "odd"] if scenario == "domain" else [str(c) for c in range(len(p))]
        answer, forbidden = int(p.argmax()), (~mask).nonzero().flatten().tolist()
        draw_answers(middle, p, mask, labels, right)
        add_text(middle, f"{scenario} scenario: the network answers {labels[answer]}, "
                 f"correct is {labels[right]}",
                 "green: correct answer" + bool(forbidden) * "\n×: answer not allowed",
                 "probability (%)")
        accuracies = {s: self.accuracy(s, self.trained.value, j) for s in SCENARIOS}
        for k, (s, value) in enumerate(accuracies.items()):
            last.bar(s, 100 * value, color=COLOURS[3 + k], alpha=1 if s == scenario else 0.4)
            last.text(k, 100 * value + 1, f"{100 * value:.0f}", ha="center", va="bottom")
        last.set_ylim(0, 112)
        last.set_yticks([])
        last.grid(False)
        add_text(last, f"accuracy (%)\non {self.tested.label}")
        describe(middle, f"A digit from the task {self.tested.label}, after training on all tasks "
                 f"up to {self.trained.label}. In the {scenario} scenario ({SCENARIOS[scenario]}) "
                 f"the network answers {labels[answer]} with probability "
                 f"{percent(float(p[answer]))}; the correct answer is {labels[right]}. "
                 + (f"Not allowed: {', '.join(labels[c] for c in forbidden)}." if forbidden
                    else "All answers are allowed."))
        describe(last, "Accuracy on that task: "
                 + ", ".join(f"{s} {percent(v)}" for s, v in accuracies.items()) + ".")
        return figure

    def table(self) -> pd.DataFrame:
        """Return the accuracy in percent on each task after all training, by scenario."""
        tasks = range(len(self.names))
        return pd.DataFrame({s: [percent(self.accuracy(s, tasks[-1], j)) for j in tasks]
                             for s in SCENARIOS}, index=pd.Index(self.names, name="tested on"))
