"""Learning methods for language models: one readable file each."""

from workbench.learners.text.adapter_per_skill import AdapterPerSkill
from workbench.learners.text.base import TextLearner
from workbench.learners.text.composed_per_skill import ComposedPerSkill
from workbench.learners.text.grpo import GRPO
from workbench.learners.text.off_policy_distillation import OffPolicyDistillation
from workbench.learners.text.replay import TextReplay
from workbench.learners.text.sdft import SDFT
from workbench.learners.text.sft import SFT, SFTSelfStyle, SFTWithKL

TEXT_LEARNERS: dict[str, type[TextLearner]] = {
    "sft": SFT, "sft_kl": SFTWithKL, "sft_self_style": SFTSelfStyle,
    "off_policy_distillation": OffPolicyDistillation, "sdft": SDFT, "replay": TextReplay,
    "grpo": GRPO, "adapter_per_skill": AdapterPerSkill,
    "composed_per_skill": ComposedPerSkill}
"""The methods by the names used in configs and on the command line."""

__all__ = ["SDFT", "SFT", "TEXT_LEARNERS", "AdapterPerSkill", "ComposedPerSkill", "GRPO",
           "OffPolicyDistillation", "SFTSelfStyle", "SFTWithKL", "TextLearner", "TextReplay"]
