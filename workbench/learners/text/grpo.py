"""Reinforcement learning from a reward: what is left where nobody demonstrates anything.

Group-relative policy gradient (GRPO: Shao et al., arXiv 2402.03300), one update per sample.
"""

from __future__ import annotations

from torch import Tensor

from workbench.errors import ConfigError, positive
from workbench.learners.text.base import TextLearner
from workbench.learners.text.rewards import Reward, exact_match, judge
from workbench.losses import per_response
from workbench.models.encoding import decode
from workbench.models.language import LanguageModels


class GRPO(TextLearner):
    """Sample several responses to each question, and favour those better than their group.

    The demonstrations are not looked at; the answers are, through the reward.

    Parameters
    ----------
    model : LanguageModels
        One model per seed.
    group : int
        Responses to each question. A batch of 32 has 32 responses in all, or as many as whole
        groups make.
    temperature : float
        At which responses are sampled.
    max_new_tokens : int
        Longest response.

    Attributes
    ----------
    reward : callable
        Takes texts and items, returns a number for each; `exact_match`, unless replaced.
    """

    def __init__(self, model: LanguageModels, group: int = 8, temperature: float = 1.0,
                 max_new_tokens: int = 40) -> None:
        super().__init__(model, max_new_tokens)
        positive(temperature=temperature)
        if not isinstance(group, int) or group < 2:
            raise ConfigError(f"group must be a whole number of at least 2, not {group!r}: a "
                              "response is judged beside others to the same question")
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
        # Counted from the first, where all of a group fare alike these are 0 without rounding, and
        # there is nothing to learn from.
        rewards = rewards - rewards[:, :1]
        better = (rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-6)
        log_p = (prompts.logits(ids, mask) / self.temperature).log_softmax(-1)
        each = log_p.gather(-1, ids.to(log_p.device)[..., None])[..., 0]
        return per_response(-better.view(-1, 1).to(each.device) * each, mask)
