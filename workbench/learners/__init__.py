"""Learning methods: one readable file each."""

from workbench.learners.adapters import Adapters
from workbench.learners.base import Batch, Learner, batch_order, fit, make_optimizer
from workbench.learners.composed import Composed, OLoRA, SDLoRA
from workbench.learners.digits import controls, soft_label_controls
from workbench.learners.digits.born_again import BornAgain
from workbench.learners.digits.distill import Distill
from workbench.learners.digits.ensembles import Ensemble, Mutual
from workbench.learners.digits.ewc import EWC
from workbench.learners.digits.finetune import Finetune, Joint
from workbench.learners.digits.lwf import LwF
from workbench.learners.digits.replay import DERpp, Replay
from workbench.learners.digits.self_distill_ema import SelfDistillEMA
from workbench.learners.digits.si import SI
from workbench.learners.digits.soft_labels import LabelSmoothing
from workbench.learners.osf import OSF

LEARNERS: dict[str, type[Learner]] = {
    "finetune": Finetune, "joint": Joint, "ewc": EWC, "si": SI, "lwf": LwF, "replay": Replay,
    "derpp": DERpp, "label_smoothing": LabelSmoothing, "born_again": BornAgain,
    "self_distill_ema": SelfDistillEMA, "distill": Distill, "ensemble": Ensemble,
    "mutual": Mutual}
"""The methods by the names used in configs and on the command line."""

ON_BACKBONES: dict[str, type[Learner]] = {
    **{name: LEARNERS[name] for name in ("finetune", "joint", "replay", "derpp")},
    "adapters": Adapters, "composed": Composed, "o_lora": OLoRA, "sd_lora": SDLoRA,
    "osf": OSF}
"""The methods on a backbone: the first four train a single adapter, the others one for each task,
and osf the backbone's own weights."""

ON_VALUES = ("finetune", "si", "born_again", "self_distill_ema", "distill", "ensemble", "mutual",
             "distill-untrained", "distill-shuffled", "born_again-shuffled")
"""The methods that can learn labels that are values, as in ``diabetes``."""

CONTROLS: dict[str, type[Learner]] = {
    "ewc-shuffled-fisher": controls.EWCShuffledFisher,
    "replay-shuffled-labels": controls.ReplayShuffledLabels,
    "replay-present": controls.ReplayPresent,
    "distill-untrained": soft_label_controls.DistillUntrained,
    "distill-shuffled": soft_label_controls.DistillShuffled,
    "lwf-shuffled": soft_label_controls.LwFShuffled,
    "born_again-shuffled": soft_label_controls.BornAgainShuffled,
    "born_again-permuted": soft_label_controls.BornAgainPermuted,
    "self_distill_ema-permuted": soft_label_controls.SelfDistillEMAPermuted}
"""Negative controls, run like the methods."""

__all__ = ["CONTROLS", "LEARNERS", "ON_BACKBONES", "ON_VALUES", "Adapters", "Batch", "BornAgain",
           "Composed", "DERpp", "Distill", "EWC", "Ensemble", "Finetune", "Joint", "LabelSmoothing",
           "Learner", "LwF", "Mutual", "OLoRA", "OSF", "Replay", "SDLoRA", "SI", "SelfDistillEMA",
           "batch_order", "fit", "make_optimizer"]
