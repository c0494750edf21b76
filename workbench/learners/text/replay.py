"""Replay for language models: old questions with their answers, mixed into every batch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from workbench.errors import ConfigError
from workbench.learners.text.sft import SFT, imitation
from workbench.models.encoding import context_of, encode, encode_responses
from workbench.models.logits import response_logits
from workbench.models.sampling import sample
from workbench.system.runtime import derive_seed, generator
from workbench.tasks import Item, Task, scorer_of
from workbench.tasks.text import TextExamples


@dataclass(eq=False)
class TextReplay(SFT):
    """Imitate the demonstrations, and as many stored examples of earlier skills.

    For a skill that the model knew before, it stores answers in the model's own style, or the
    demonstrations if that style is not known. For a new skill it stores the demonstrations. With
    `own_answers` it stores instead the model's own sampled answers that are right (On-Policy
    Replay, arXiv 2605.29495).
    """

    per_skill: int = 32
    """Number of stored examples of each earlier skill."""
    share: float = 0.5
    """Weight of the old examples in the loss, between 0 and 1."""
    own_answers: bool = False
    """Whether the model answers the old questions itself."""

    def __post_init__(self) -> None:
        if isinstance(self.share, bool | str) or not 0 < self.share < 1:
            raise ConfigError(f"share must be between 0 and 1, not {self.share!r}")
        super().__post_init__()

    def begin(self, task: Task) -> None:
        """Encode the demonstrations; before the first skill, store examples of the old skills."""
        super().begin(task)
        if not self.state:
            old = [part.items for part in task.old if isinstance(part, TextExamples)]
            self.store(old, task.index, own_style=True)

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the loss on new examples and on as many old ones."""
        new = super().loss_of(i, indices)
        # New: old examples are added.
        if not (stored := len(self.state.get(f"{i}.ids", ()))):
            return new
        old = torch.randint(stored, (len(indices),), generator=self.generators[i])
        prompts, prompts_mask, ids, mask = (self.state[f"{i}.{name}"][old].long()
                                            for name in ("prompts", "prompts_mask", "ids", "mask"))
        logits = response_logits(self.model.models[i], prompts, prompts_mask, ids, mask)
        return (1 - self.share) * new + self.share * imitation(logits, ids, mask)

    def end(self, task: Task) -> None:
        """Store some of the skill's demonstrations."""
        self.store([self.items], task.index + 1, own_style=False)

    def store(self, skills: Sequence[Sequence[Item]], index: int, own_style: bool) -> None:
        """Add examples of each skill, if any, to the state: int32 tokens and masks of bytes."""
        tokenizer, most = self.model.tokenizer, context_of(self.model.base)
        for i, seed in enumerate(self.model.seeds if skills else ()):
            rng = random.Random(derive_seed(seed, "replay", index))
            items = [item for skill in skills
                     for item in rng.sample(skill, min(self.per_skill, len(skill)))]
            responses = [own_style and scorer_of(item).in_own_style(item, rng)
                         or item.demonstration for item in items]
            if self.own_answers:
                items, responses = self.right_answers(i, items, index)
            if not items:
                continue
            prompts = encode(tokenizer, self.ask([item.prompt for item in items]), most)
            ids, mask = encode_responses(tokenizer, responses, most)
            for name, tensor in (("prompts", prompts[0].int()), ("prompts_mask", prompts[1].byte()),
                                 ("ids", ids.int()), ("mask", mask.byte())):
                old = self.state.get(f"{i}.{name}", tensor[:0])
                width = max(old.shape[1], tensor.shape[1])
                # Padding with masked zeros: prompts on the left, responses on the right.
                self.state[f"{i}.{name}"] = torch.cat([
                    pad(part, (width - part.shape[1], 0) if name.startswith("prompts")
                        else (0, width - part.shape[1])) for part in (old, tensor)])

    def right_answers(self, i: int, items: list[Item], index: int) -> tuple[list[Item], list[str]]:
        """Return the items that the model answers right, at temperature 1, and its answers."""
        answers = sample(self.model.models[i], self.model.tokenizer,
                         self.ask([item.prompt for item in items]), temperature=1.0,
                         max_new_tokens=self.max_new_tokens,
                         rng=generator(self.model.seeds[i], "own answers", index)).texts
        right = [(item, text) for item, text in zip(items, answers, strict=True)
                 if scorer_of(item).right(text, item)]
        return [item for item, _ in right], [text for _, text in right]
