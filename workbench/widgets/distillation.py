"""`LiveDistillation`: watch a language model learn one skill and keep or forget the others."""

import html
from collections.abc import Sequence

import ipywidgets as w

from workbench.config import RunConfig
from workbench.errors import texts
from workbench.learners.text import TEXT_LEARNERS
from workbench.measure.comparison import retention
from workbench.plots import percent
from workbench.runs.evaluation import Response
from workbench.runs.evaluation import Snapshot as Progress
from workbench.runs.experiment import stream_of
from workbench.tasks import NEW_SKILLS, Stream
from workbench.widgets.live import LiveRun
from workbench.widgets.view import choice


class LiveDistillation(LiveRun):
    """Train a language model on one skill; watch its answers and its accuracy on all skills.

    Parameters
    ----------
    model, steps, items, force
        As in `RunConfig` and `workbench.run`.
    skills : sequence of str
        New skills to choose from.
    looks : int
        Number of evaluations.
    """

    def __init__(self, model: str = "tiny", steps: int = 60, skills: Sequence[str] = NEW_SKILLS,
                 items: int = 12, looks: int = 12, force: bool = False) -> None:
        super().__init__()
        self.model, self.steps, self.items, self.seeds = model, steps, items, (0,)
        self.looks, self.force = looks, force
        self.learner = choice("learner", [name for name in TEXT_LEARNERS
                                          if name != "adapter_per_skill"], "sdft")
        self.skill = choice("new skill", list(texts("skills", skills)))
        self.lr = choice("learning rate", [1e-5, 3e-5, 1e-4, 3e-4, 1e-3], 1e-4)
        self.settings = [self.learner, self.skill, self.lr]
        self.answers = w.HTML()
        self.assemble(self.answers)

    def config(self) -> RunConfig:
        """Return the settings chosen in the controls."""
        return RunConfig(stream="skills", skills=(self.skill.value,), model=self.model,
                         learner=self.learner.value, lr=self.lr.value, seeds=self.seeds,
                         steps=self.steps, evaluate_every=max(1, self.steps // self.looks),
                         items=self.items, clip=1.0, checkpoint_every=10)

    def labels(self, config: RunConfig) -> tuple[str, Stream]:
        """Return the title of the curves, and the stream of the new skill and the old ones."""
        return (f"{config.learner} on {config.skills[0]}, learning rate {config.lr:g}",
                stream_of(config))

    def verdict(self) -> str:
        """Return a sentence on the accuracy on the new skill and the old ones."""
        record = self.record
        if record is None or record.status != "complete":
            return "No verdict yet: the training has not ended."
        learned = (f"{record.config.learner} answers {percent(record.accuracy[0, 0, 0])} of "
                   f"{record.task_names[0]} right (before: {percent(record.baseline[0, 0])}).")
        before, after = record.old_accuracy[0, 0], record.old_accuracy[0, 1]
        if not before.any():
            return f"{learned} Retention was not measured: no old skill was known before."
        retained = float(retention(before, after))
        worst = int((before - after).argmax())
        return (f"{learned} It kept {percent(retained)} of its old skills. The largest loss is in "
                f"{record.old_names[worst]}: from {percent(before[worst])} to "
                f"{percent(after[worst])}.")

    def _clear(self, ghost: bool = True) -> None:
        super()._clear(ghost)
        self.answers.value = ""

    def _tell_status(self, changed: bool = False) -> None:
        super()._tell_status(changed)
        responses = self._seen[-1].responses if self._seen else ()
        self.answers.value = _as_table(responses, self.outdated)

    def _observe(self, seen: Progress) -> None:
        self.answers.value = _as_table(seen.responses)
        super()._observe(seen)


def _as_table(responses: Sequence[Response], earlier: bool = False) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(one.task)}</td><td>{html.escape(one.question)}</td>"
        f"<td><b>{html.escape(one.response)}</b></td><td>{'right' if one.right else 'wrong'}</td>"
        "</tr>" for one in responses)
    answer = "answer in the earlier training" if earlier else "answer now"
    return (f"<table><thead><tr><th>skill</th><th>question</th><th>{answer}</th><th></th></tr>"
            f"</thead><tbody>{rows}</tbody></table>" if rows else "")
