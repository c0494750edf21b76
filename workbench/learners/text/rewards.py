"""Rewards: a number for each response, from a function that is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.tasks import Item, scorer_of

Reward = Callable[[Sequence[str], Sequence[Item]], Sequence[float]]


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
