"""One adapter per skill: nothing is forgotten, if the learner is told which adapter to use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from workbench.errors import ConfigError
from workbench.learners.text.sft import SFT
from workbench.tasks import Task


class AdapterPerSkill(SFT):
    """Imitate the demonstrations in a fresh adapter for each skill, and keep them all."""

    scenarios: ClassVar[tuple[str, ...]] = ("task",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model.lora_rank:
            raise ConfigError("this learner trains adapters: set lora_rank to at least 1")

    def begin(self, task: Task) -> None:
        """Add a fresh adapter; the first skill uses the one that exists."""
        # New: each skill starts from the pretrained model.
        while len(self.model.adapters) <= task.index:
            self.model.add_adapters()
        super().begin(task)

    def stored_bytes(self) -> int:
        """Return the bytes per seed of all adapters."""
        return len(self.model.adapters) * self.model.vector(0).nbytes

    def write(self, folder: Path, tasks: Sequence[str]) -> str:
        """Write the last adapter; with one seed and several skills, also each to its own folder."""
        for k, skill in enumerate(tasks if len(tasks) > 1 and len(self.model.seeds) == 1 else ()):
            adapter = self.model.with_adapter(self.model.adapters[k][0])
            adapter.write(folder / f"{k}-{Path(skill).stem}")
        return super().write(folder, tasks)

    def models_for(self, task: int | None) -> list[Any]:
        """Return the models with the adapters of a skill; without adapters for an unknown skill."""
        adapters = self.model.adapters
        if task is None or not 0 <= task < len(adapters):
            return [self.model.base] * len(self.model.seeds)
        return [self.model.with_adapter(name) for name in adapters[task]]
