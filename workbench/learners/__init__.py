"""Learning methods: one readable file each."""

from workbench.learners.adapters import Adapters
from workbench.learners.base import Batch, Learner, batch_order, fit, make_optimizer
from workbench.learners.digits import controls
from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.finetune import Finetune, Joint
from workbench.learners.digits.lwf import LwF
from workbench.learners.digits.replay import DERpp, Replay
from workbench.learners.digits.si import SI

LEARNERS: dict[str, type[Learner]] = {
    "finetune": Finetune, "joint": Joint, "ewc": EWC, "si": SI, "lwf": LwF, "replay": Replay,
    "derpp": DERpp}
"""The methods by the names used in configs and on the command line."""

ON_BACKBONES: dict[str, type[Learner]] = {
    **{name: LEARNERS[name] for name in ("finetune", "joint", "replay", "derpp")},
    "adapters": Adapters}
"""The methods that train adapters on a backbone; all but the last train a single adapter."""

CONTROLS: dict[str, type[Learner]] = {
    "ewc-shuffled-fisher": controls.EWCShuffledFisher,
    "replay-shuffled-labels": controls.ReplayShuffledLabels,
    "replay-present": controls.ReplayPresent}
"""Negative controls, run like the methods."""

__all__ = ["CONTROLS", "LEARNERS", "ON_BACKBONES", "Adapters", "Batch", "DERpp", "EWC",
           "Finetune", "Joint", "Learner", "LwF", "Replay", "SI", "batch_order", "fit",
           "make_optimizer"]
