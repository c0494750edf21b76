"""Learning methods: one readable file each."""

from workbench.learners.base import Batch, Learner
from workbench.learners.digits.controls import (
    EWCShuffledFisher,
    ReplayPresent,
    ReplayShuffledLabels,
)
from workbench.learners.digits.derpp import DERpp
from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.finetune import Finetune, Joint
from workbench.learners.digits.lwf import LwF
from workbench.learners.digits.replay import Replay
from workbench.learners.digits.si import SI
from workbench.learners.fit import fit

LEARNERS: dict[str, type[Learner]] = {
    "finetune": Finetune, "joint": Joint, "ewc": EWC, "si": SI, "lwf": LwF, "replay": Replay,
    "derpp": DERpp}
"""The methods by the names used in configs and on the command line."""

CONTROLS: dict[str, type[Learner]] = {
    "ewc-shuffled-fisher": EWCShuffledFisher, "replay-shuffled-labels": ReplayShuffledLabels,
    "replay-present": ReplayPresent}
"""Negative controls, run like the methods."""

__all__ = ["CONTROLS", "LEARNERS", "Batch", "DERpp", "EWC", "Finetune", "Joint", "Learner",
           "LwF", "Replay", "SI", "fit"]
