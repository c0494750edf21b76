"""Pretraining of the tiny language model."""

from workbench.pretraining.loop import pretrain, validate
from workbench.pretraining.settings import PretrainConfig

__all__ = ["PretrainConfig", "pretrain", "validate"]
