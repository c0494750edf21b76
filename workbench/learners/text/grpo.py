"""GRPO (Shao et al., arXiv 2402.03300): learning from a reward, with one update per sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import ConfigError, whole
from workbench.learners.text.base import TextLearner
from workbench.losses import per_response
from workbench.models.encoding import decode
from workbench.tasks import Item, scorer_of

Reward = Callable[[Sequence[str], Sequence[Item]], Sequence[float]]


@dataclass(eq=False)
class GRPO(TextLearner):
    """Sample several responses to each question; make the better ones of a group more likely.

    The demonstrations are not used. The attribute `reward` is a function of texts and items that
    returns a number for each text; by default `exact_match`, which uses the answers.
    """

    group: int = 8
    """Number of responses to each question. A batch has `batch_size` responses, in whole groups."""
    temperature: float = 1.0
    """Temperature of sampling."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(2, group=self.group)
        self.reward: Reward = exact_match

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return a loss whose gradient raises the expected reward."""
        if len(indices) < self.group:
            raise ConfigError(f"batch_size must be at least the group of {self.group}, not "
                              f"{len(indices)}")
        asked = indices[: len(indices) // self.group].repeat_interleave(self.group)
        prompts = self.read(i, asked)
        ids, mask = self.respond(i, prompts, self.temperature)
        rewards = judge(self.reward, decode(self.model.tokenizer, ids),
                        [self.items[int(j)] for j in asked]).view(-1, self.group)
        # Relative to the first, equal rewards of a group are exactly 0, without rounding errors.
        rewards = rewards - rewards[:, :1]
        advantages = (rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-6)
        log_p = (prompts.logits(ids, mask) / self.temperature).log_softmax(-1)
        log_p = log_p.gather(-1, ids.to(log_p.device)[..., None])[..., 0]
        return per_response(-advantages.view(-1, 1).to(log_p.device) * log_p, mask)


def exact_match(texts: Sequence[str], items: Sequence[Item]) -> list[float]:
    """Return 1 for each response that the item's scorer counts as right, else 0."""
    return [float(scorer_of(item).right(text, item))
            for text, item in zip(texts, items, strict=True)]


def judge(reward: Reward, texts: Sequence[str], items: Sequence[Item]) -> Tensor:
    """Return the rewards of some responses to some items: shape (n,).

    Raises `ConfigError` if the function fails or does not return a finite number for each response.
    """
    name = getattr(reward, "__name__", type(reward).__name__)
    try:
        rewards = torch.as_tensor(reward(texts, items), dtype=torch.float32)
    except Exception as error:
        raise ConfigError(f"the reward function {name} failed on {len(texts)} responses, such "
                          f"as {texts[0]!r}: {type(error).__name__}: {error}") from error
    if rewards.shape != (len(texts),) or not rewards.isfinite().all():
        raise ConfigError(f"the reward function {name} must return {len(texts)} finite "
                          f"numbers, one for each response; it returned shape "
                          f"{tuple(rewards.shape)}, {int((~rewards.isfinite()).sum())} of "
                          "them not finite")
    return rewards
