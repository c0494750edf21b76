"""One adapter per skill: nothing is forgotten, if one is told which adapter to use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from workbench.errors import ConfigError
from workbench.learners.text.sft import SFT
from workbench.models.language import LanguageModels
from workbench.models.sampling import sample
from workbench.tasks import Task


class AdapterPerSkill(SFT):
    """Imitate the demonstrations in a fresh adapter for each skill, and keep them all.

    Parameters
    ----------
    model : LanguageModels
        With LoRA.
    max_new_tokens : int
        Longest response.
    """

    scenarios = ("task",)

    def __init__(self, model: LanguageModels, max_new_tokens: int = 40) -> None:
        super().__init__(model, max_new_tokens)
        if not model.lora_rank:
            raise ConfigError("adapter_per_skill trains adapters: set lora_rank to at least 1")
        self.fresh = torch.stack([model.vector(i) for i in range(len(model.seeds))])
        self.training = -1

    def begin(self, task: Task) -> None:
        """Put on a fresh adapter."""
        super().begin(task)
        # New: each skill starts where the pretrained model is.
        self.training = task.index
        self.wear(self.fresh)

    def end(self, task: Task) -> None:
        """Keep the adapter."""
        worn = torch.stack([self.model.vector(i) for i in range(len(self.model.seeds))])
        self.state[f"adapter.{task.index}"] = worn

    def write(self, folder: Path, tasks: Sequence[str]) -> str:
        """Write the last adapter to the folder and, of several, each to one of its own in it."""
        for k, skill in enumerate(tasks if len(tasks) > 1 else ()):
            self.wear(self.state[f"adapter.{k}"])
            own = folder / f"{k}-{Path(skill).stem}"
            own.mkdir(exist_ok=True)
            self.model.write(own)
        return super().write(folder, tasks)

    def wear(self, vectors: torch.Tensor) -> None:
        """Give each seed an adapter."""
        for i, vector in enumerate(vectors):
            self.model.set_vector(i, vector)

    def predict(self, x: Any, task: int | None = None) -> Any:
        """Answer with the adapter of the skill that was named; with none, where there is none."""
        worn = torch.stack([self.model.vector(i) for i in range(len(self.model.seeds))])
        own = self.state.get(f"adapter.{task}", worn if task == self.training else None)
        try:
            if own is not None:
                self.wear(own)
                return super().predict(x)
            prompts, answers = self.ask(x), []
            for i in range(len(self.model.seeds)):
                with self.model.pretrained(i) as base:
                    answers.append(sample(base, self.model.tokenizer, prompts,
                                          max_new_tokens=self.max_new_tokens).texts)
            return answers
        finally:
            self.wear(worn)
