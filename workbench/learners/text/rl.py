"""Reinforcement learning from a reward: what is left where nobody demonstrates anything.

Group-relative policy gradient (GRPO: Shao et al., arXiv 2402.03300), one update per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.learners.base import positive
from workbench.learners.text.base import TextLearner
from workbench.learners.text.sdft import draw_responses
from workbench.losses import per_response
from workbench.models.language import LanguageModels
from workbench.tasks import Item
from workbench.tasks.voices import is_right
from workbench.teachers import take_prompts

Reward = Callable[[Sequence[str], Sequence[Item]], Sequence[float]]


def exact_match(texts: Sequence[str], items: Sequence[Item]) -> list[float]:
    """Return 1 for each response whose content is the answer, whatever the voice, and else 0."""
    return [float(is_right(text, item.answer)) for text, item in zip(texts, items, strict=True)]


class GroupRL(TextLearner):
    """Sample several responses to each question, and favour those better than their group.

    The demonstrations are not looked at; the answers are, through the reward.

    Parameters
    ----------
    model : LanguageModels
        One model per seed.
    group : int
        Responses to each question. A batch of 32 has 32 responses whatever the group.
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

    def loss_of(self, i: int, chosen: Tensor) -> Tensor:
        """Return a loss whose gradient raises the expected reward."""
        if len(chosen) < self.group:
            raise ConfigError(f"batch_size must be at least the group of {self.group}, not "
                              f"{len(chosen)}")
        asked = chosen[: len(chosen) // self.group].repeat_interleave(self.group)
        ids, mask = draw_responses(self.model.models[i], self.model, self.generators[i],
                                   take_prompts(self.prompts, asked), self.max_new_tokens,
                                   self.temperature)
        texts = self.model.tokenizer.batch_decode(ids, skip_special_tokens=True)
        rewards = self.judge(texts, [self.items[int(j)] for j in asked]).view(-1, self.group)
        # Counted from the first, where all of a group fare alike these are 0 without rounding, and
        # there is nothing to learn from.
        rewards = rewards - rewards[:, :1]
        better = (rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-6)
        log_p = self.logits(i, asked, ids, mask).log_softmax(-1)
        each = log_p.gather(-1, ids.to(log_p.device)[..., None])[..., 0]
        return per_response(-better.view(-1, 1).to(each.device) * each, mask)

    def judge(self, texts: Sequence[str], items: Sequence[Item]) -> Tensor:
        """Return the rewards: shape (n,).

        Raises
        ------
        ConfigError
            If the reward function raises, or does not return a finite number for each response.
        """
        name = getattr(self.reward, "__name__", "the reward")
        try:
            rewards = torch.as_tensor(self.reward(texts, items), dtype=torch.float32)
        except Exception as error:
            raise ConfigError(f"the reward function {name} failed on {len(texts)} responses, such "
                              f"as {texts[0]!r}: {type(error).__name__}: {error}") from error
        if rewards.shape != (len(texts),) or not rewards.isfinite().all():
            raise ConfigError(f"the reward function {name} must return {len(texts)} finite "
                              f"numbers, one for each response; it returned shape "
                              f"{tuple(rewards.shape)}")
        return rewards
