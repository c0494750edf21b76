"""How it is learned: one readable file per method."""

from workbench.learners.base import Batch, Learner
from workbench.learners.controls import EWCShuffledFisher, ReplayPresent, ReplayShuffledLabels
from workbench.learners.derpp import DERpp
from workbench.learners.ewc import EWC
from workbench.learners.finetune import Finetune
from workbench.learners.fit import fit
from workbench.learners.joint import Joint
from workbench.learners.lwf import LwF
from workbench.learners.replay import Replay
from workbench.learners.si import SI

LEARNERS: dict[str, type[Learner]] = {
    "finetune": Finetune,
    "joint": Joint,
    "ewc": EWC,
    "si": SI,
    "lwf": LwF,
    "replay": Replay,
    "derpp": DERpp,
}
"""The methods by the names used in configs and on the command line."""

CONTROLS: dict[str, type[Learner]] = {
    "ewc-shuffled-fisher": EWCShuffledFisher,
    "replay-shuffled-labels": ReplayShuffledLabels,
    "replay-present": ReplayPresent,
}
"""Negative controls, which can be run as the methods are."""

__all__ = ["CONTROLS", "LEARNERS", "Batch", "DERpp", "EWC", "Finetune", "Joint", "Learner",
           "LwF", "Replay", "SI", "fit"]
