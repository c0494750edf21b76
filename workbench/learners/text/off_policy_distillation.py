"""Distillation off-policy: the teacher's own responses, sampled once before training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from workbench.errors import flag, whole
from workbench.learners.text.sdft import SDFT
from workbench.learners.text.sft import imitation
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache
from workbench.models.sampling import continue_prompts, draw_uniform
from workbench.system.runtime import generator
from workbench.tasks import Task
from workbench.teachers import FULL_CONTEXT

AT_A_TIME = 64
"""Responses that the teacher is asked for at once."""


class OffPolicyDistillation(SDFT):
    """Move the student to the helped teacher on responses of the teacher's, not of its own.

    Parameters
    ----------
    model : LanguageModels
        One model per seed.
    direction, context, temperature, max_new_tokens
        See `SDFT`. The teacher is the pretrained model.
    samples : int
        Responses of the teacher to each question.
    soft : bool
        False imitates the sampled tokens alone: SFT on the teacher's responses.
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
        """Have the teacher answer every question."""
        super().begin(task)
        # New: nothing of the student's is ever sampled. The seed is that of run and task, so that
        # a resumed run samples the same again.
        prompts = tuple(part.repeat_interleave(self.samples, 0) for part in self.teacher.prompts)
        self.said = []
        for i, seed in enumerate(self.model.seeds):
            rng = generator(seed, "teacher's responses", task.index)
            uniform = draw_uniform(len(prompts[0]), self.max_new_tokens, self.temperature, rng)
            teacher = self.teacher.weights.model(i)
            with torch.no_grad():
                parts = [continue_prompts(PromptCache(teacher, *part[:2]), self.model.tokenizer,
                                          self.max_new_tokens, self.temperature, part[2])
                         for part in zip(*(each.split(AT_A_TIME) for each in (*prompts, uniform)),
                                         strict=True)]
            width = max(ids.shape[1] for ids, _ in parts)
            self.said.append(tuple(torch.cat([pad(part[k], (0, width - part[k].shape[1]))
                                              for part in parts]) for k in (0, 1)))

    def rollout(self, i: int, indices: Tensor, prompts: PromptCache) -> tuple[Tensor, Tensor]:
        """Return one of the teacher's responses to each question."""
        which = torch.randint(self.samples, (len(indices),), generator=self.generators[i])
        ids, mask = (part[indices * self.samples + which] for part in self.said[i])
        length = int(mask.sum(1).max())
        return ids[:, :length], mask[:, :length]

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the divergence from the teacher, or the cross-entropy of its tokens."""
        if self.soft:
            return super().loss_of(i, indices)
        prompts = self.read(i, indices)
        ids, mask = self.rollout(i, indices, prompts)
        return imitation(prompts.logits(ids, mask), ids, mask)

