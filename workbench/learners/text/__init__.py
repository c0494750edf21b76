"""How language models learn: one readable file per method."""

from workbench.learners.text.adapter_per_skill import AdapterPerSkill
from workbench.learners.text.base import TextLearner
from workbench.learners.text.offline_distill import OfflineDistill
from workbench.learners.text.replay import TextReplay
from workbench.learners.text.rl import GroupRL
from workbench.learners.text.sdft import SDFT
from workbench.learners.text.sft import SFT
from workbench.learners.text.sft_kl import SFTWithKL
from workbench.learners.text.sft_own_voice import SFTOwnVoice

TEXT_LEARNERS: dict[str, type[TextLearner]] = {
    "sft": SFT,
    "sft_kl": SFTWithKL,
    "sft_own_voice": SFTOwnVoice,
    "offline_distill": OfflineDistill,
    "sdft": SDFT,
    "replay": TextReplay,
    "rl": GroupRL,
    "adapter_per_skill": AdapterPerSkill,
}
"""The methods for the skills stream, by the names used in configs and on the command line."""

__all__ = ["SDFT", "SFT", "TEXT_LEARNERS", "AdapterPerSkill", "GroupRL", "OfflineDistill",
           "SFTOwnVoice", "SFTWithKL", "TextLearner", "TextReplay"]
