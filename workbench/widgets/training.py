"""`LiveTraining`: watch a network forget while it is trained on digits."""

from workbench.config import RunConfig
from workbench.learners import LEARNERS
from workbench.plots import percent
from workbench.tasks import SCENARIOS, Stream, make_stream
from workbench.widgets.live import LiveRun
from workbench.widgets.view import choice


class LiveTraining(LiveRun):
    """Train on a stream of digits; the parameters are those of `RunConfig`."""

    def __init__(self, stream: str = "split-digits", seeds: tuple[int, ...] = (0, 1, 2),
                 steps: int = 200) -> None:
        super().__init__()
        self.stream, self.seeds, self.steps = stream, seeds, steps
        self.learner = choice("learner", list(LEARNERS))
        self.scenario = choice("scenario", list(SCENARIOS), make_stream(stream).scenario)
        self.lr = choice("learning rate", [3e-4, 1e-3, 3e-3, 1e-2], 1e-3)
        self.settings = [self.learner, self.scenario, self.lr]
        self.assemble()

    def config(self) -> RunConfig:
        """Return the settings chosen in the controls."""
        return RunConfig(stream=self.stream, scenario=self.scenario.value,
                         learner=self.learner.value, lr=self.lr.value, seeds=self.seeds,
                         steps=self.steps, evaluate_every=max(1, self.steps // 20))

    def verdict(self) -> str:
        """Return a sentence on the accuracy on the first task and on all tasks."""
        if self.record is None or self.record.status != "complete":
            return "No verdict yet: the training has not ended."
        own = self.record.accuracy[:, 0, 0].mean()
        end = self.record.accuracy[:, -1].mean(0)
        kept = end[0] / own if own else float("nan")
        word = "forgot" if kept < 0.5 else "partly forgot" if kept < 0.9 else "kept"
        return (f"{self.record.config.learner} {word} the first task ({percent(own)} right after "
                f"learning it, {percent(end[0])} at the end) and ends at {percent(end.mean())} "
                "on average over all tasks.")

    def labels(self, config: RunConfig) -> tuple[str, Stream]:
        """Return the title of the curves, and the stream whose tasks they are of."""
        return (f"{config.learner}, {config.scenario} scenario, learning rate {config.lr:g}",
                make_stream(config.stream, config.scenario))
