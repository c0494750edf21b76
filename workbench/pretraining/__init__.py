"""How the tiny language model came to be what it is."""

from workbench.pretraining.loop import pretrain, validate
from workbench.pretraining.settings import PretrainConfig

__all__ = ["PretrainConfig", "pretrain", "validate"]
