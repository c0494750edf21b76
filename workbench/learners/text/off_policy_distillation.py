"""Distillation off-policy: the teacher's own responses, sampled once before training."""

import torch
from torch import Tensor

from workbench.errors import flag, whole
from workbench.learners.text.sdft import SDFT
from workbench.learners.text.sft import imitation
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache
from workbench.models.sampling import sample
from workbench.system.runtime import generator
from workbench.tasks import Task
from workbench.teachers import FULL_CONTEXT


class OffPolicyDistillation(SDFT):
    """Move the student to the helped teacher on responses of the teacher's, not of its own.

    The teacher is the pretrained model. `samples` is the number of its responses to each question;
    with `soft` False, their tokens alone are imitated: SFT. For the other options see `SDFT`.
    """

    def __init__(self, model: LanguageModels, direction: str = "forward",
                 context: str = FULL_CONTEXT, temperature: float = 1.0, samples: int = 4,
                 soft: bool = True, max_new_tokens: int = 40) -> None:
        super().__init__(model, direction, "base", context, temperature=temperature,
                         max_new_tokens=max_new_tokens)
        whole(samples=samples)
        flag(soft=soft)
        self.samples, self.soft = samples, soft

    def begin(self, task: Task) -> None:
        """Sample the teacher's responses to every question."""
        super().begin(task)
        # New: the student is never sampled. The seed follows from run and task, so that a resumed
        # run samples the same responses again.
        texts = [text for text in self.teacher.texts for _ in range(self.samples)]
        self.responses = []
        for i, seed in enumerate(self.model.seeds):
            said = sample(self.teacher.weights.model(i), self.model.tokenizer, texts,
                          max_new_tokens=self.max_new_tokens, temperature=self.temperature,
                          rng=generator(seed, "teacher's responses", task.index))
            self.responses.append((said.ids, said.mask))

    def rollout(self, i: int, indices: Tensor, prompts: PromptCache) -> tuple[Tensor, Tensor]:
        """Return one of the teacher's responses to each question."""
        which = torch.randint(self.samples, (len(indices),), generator=self.generators[i])
        ids, mask = (part[indices * self.samples + which] for part in self.responses[i])
        length = int(mask.sum(1).max())
        return ids[:, :length], mask[:, :length]

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the divergence from the teacher, or the cross-entropy of its tokens."""
        if self.soft:
            return super().loss_of(i, indices)
        prompts = self.read(i, indices)
        ids, mask = self.rollout(i, indices, prompts)
        return imitation(prompts.logits(ids, mask), ids, mask)
