"""Distillation on responses that were sampled beforehand: off-policy, or nearly on-policy."""

import torch
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError, flag, whole
from workbench.learners.text.sdft import SDFT
from workbench.learners.text.sft import imitation
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache
from workbench.models.sampling import sample
from workbench.system.runtime import generator
from workbench.tasks import Task
from workbench.teachers import FULL_CONTEXT

WRITERS = ("teacher", "student")


class OffPolicyDistillation(SDFT):
    """Move the student to the teacher on responses that are sampled before they are needed.

    Parameters
    ----------
    writer : {"teacher", "student"}
        Who writes the responses: the pretrained model with the context, or the student without it.
    samples : int
        Number of responses to each question.
    renew : int
        Steps after which all responses are sampled anew; 0 samples them once, before training. A
        student that writes them anew at every epoch is approximately on-policy ("Retaining
        by Doing", arXiv 2510.18874).
    soft : bool
        If False, the student imitates the sampled tokens: SFT.

    For the other options see `SDFT`. The teacher is the pretrained model.
    """

    def __init__(self, model: LanguageModels, direction: str = "forward",
                 context: str = FULL_CONTEXT, temperature: float = 1.0, samples: int = 4,
                 soft: bool = True, writer: str = "teacher", renew: int = 0,
                 sampled_tokens: int = 0, max_new_tokens: int = 40) -> None:
        super().__init__(model, direction, "base", context, temperature=temperature,
                         sampled_tokens=sampled_tokens, max_new_tokens=max_new_tokens)
        whole(samples=samples)
        whole(0, renew=renew)
        flag(soft=soft)
        if sampled_tokens and not soft:
            raise ConfigError("sampled_tokens cuts responses, and a student that imitates them "
                              "(soft=False) would never learn to end one. Leave it out.")
        if writer not in WRITERS:
            raise UnknownNameError("writer", writer, WRITERS)
        self.samples, self.soft, self.writer, self.renew = samples, soft, writer, renew

    def begin(self, task: Task) -> None:
        """Sample the responses to every question."""
        super().begin(task)
        self.task_index = task.index
        self.state["step"] = torch.zeros((), dtype=torch.int64)
        self.write_responses()

    def write_responses(self) -> None:
        """Sample all responses of all seeds; the random numbers follow from run, task and step."""
        teaches, step = self.writer == "teacher", int(self.state["step"])
        texts = self.teacher.texts if teaches else self.ask([item.prompt for item in self.items])
        for i, seed in enumerate(self.model.seeds):
            model = self.teacher.weights.model(i) if teaches else self.model.models[i]
            written = sample(model, self.model.tokenizer,
                             [text for text in texts for _ in range(self.samples)],
                             max_new_tokens=self.sampled_tokens, temperature=self.temperature,
                             rng=generator(seed, "teacher's responses", self.task_index,
                                           *(step,) * (step > 0)))
            self.state[f"{i}.ids"], self.state[f"{i}.mask"] = written.ids, written.mask

    def after_step(self) -> None:
        """Sample the responses anew when it is time."""
        # New: the student of every step answers in SDFT, and that of every `renew` steps here.
        self.state["step"] += 1
        if self.renew and int(self.state["step"]) % self.renew == 0:
            self.write_responses()

    def stored_bytes(self) -> int:
        """Return 0: the responses can be deleted after the skill."""
        return 0

    def rollout(self, i: int, indices: Tensor, prompts: PromptCache) -> tuple[Tensor, Tensor]:
        """Return one of the sampled responses to each question."""
        which = torch.randint(self.samples, (len(indices),), generator=self.generators[i])
        ids, mask = (self.state[f"{i}.{name}"][indices * self.samples + which]
                     for name in ("ids", "mask"))
        length = int(mask.sum(1).max())
        return ids[:, :length], mask[:, :length]

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the divergence from the teacher, or the cross-entropy of the tokens."""
        if self.soft:
            return super().loss_of(i, indices)
        prompts = self.read(i, indices)
        ids, mask = self.rollout(i, indices, prompts)
        return imitation(prompts.logits(ids, mask), ids, mask)
