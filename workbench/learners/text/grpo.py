"""Reinforcement learning from a reward, without demonstrations.

Group-relative policy gradient (GRPO: Shao et al., arXiv 2402.03300), one update per sample.
"""

from __future__ import annotations

from torch import Tensor

from workbench.errors import ConfigError, positive, whole
from workbench.learners.text.base import TextLearner
from workbench.learners.text.rewards import Reward, exact_match, judge
from workbench.losses import per_response
from workbench.models.encoding import decode
from workbench.models.language import LanguageModels


class GRPO(TextLearner):
    """Sample several responses to each question, and favour those better than their group.

    The demonstrations are not used; the answers are, through the reward.

    Parameters
    ----------
    group : int
        Responses to each question. A batch has as many responses as `batch_size`, in whole groups.
    temperature : float
        Of sampling.

    Attributes
    ----------
    reward : callable
        Takes texts and items, returns a number for each; `exact_match`, unless replaced.
    """

    def __init__(self, model: LanguageModels, group: int = 8, temperature: float = 1.0,
                 max_new_tokens: int = 40) -> None:
        super().__init__(model, max_new_tokens)
        positive(temperature=temperature)
        whole(2, group=group)
        self.group, self.temperature = group, temperature
        self.reward: Reward = exact_match

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return a loss whose gradient raises the expected reward."""
        if len(indices) < self.group:
            raise ConfigError(f"batch_size must be at least the group of {self.group}, not "
                              f"{len(indices)}")
        asked = indices[: len(indices) // self.group].repeat_interleave(self.group)
        prompts = self.read(i, asked)
        ids, mask = self.respond(i, prompts, self.temperature)
        texts = decode(self.model.tokenizer, ids)
        items = [self.items[int(j)] for j in asked]
        rewards = judge(self.reward, texts, items).view(-1, self.group)
        # Relative to the first, equal rewards of a group are exactly 0, without rounding errors.
        rewards = rewards - rewards[:, :1]
        advantages = (rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-6)
        log_p = (prompts.logits(ids, mask) / self.temperature).log_softmax(-1)
        log_p = log_p.gather(-1, ids.to(log_p.device)[..., None])[..., 0]
        return per_response(-advantages.view(-1, 1).to(log_p.device) * log_p, mask)
