"""The plan of ``scripts/study.py``: methods, orders of skills, learning rates, steps and seeds.

Every method gets the same number of steps and learning rates. The rates are the same, but larger
for adapters.
"""

from __future__ import annotations

import itertools
from typing import Any

METHODS: dict[str, dict[str, Any]] = {
    "sft": {"learner": "sft"},
    "sdft": {"learner": "sdft"},
    "sft_self_style": {"learner": "sft_self_style"},
    "off_policy_distillation": {"learner": "off_policy_distillation"},
    "sft on teacher": {"learner": "off_policy_distillation", "options": {"soft": False}},
    "sft on teacher, smaller rate": {"learner": "off_policy_distillation",
                                     "options": {"soft": False}},
    "sft_kl": {"learner": "sft_kl"},
    "replay": {"learner": "replay"},
    "grpo": {"learner": "grpo"},
    "sdft reverse": {"learner": "sdft", "options": {"direction": "reverse"}},
    "sdft ema": {"learner": "sdft", "options": {"teacher": "ema"}},
    "sdft student": {"learner": "sdft", "options": {"teacher": "student"}},
    "sdft, task-start teacher": {"learner": "sdft", "options": {"teacher": "task_start"}},
    "sdft other": {"learner": "sdft", "options": {"context": "other"}},
    "sdft none": {"learner": "sdft", "options": {"context": "none"}},
    "sdft, all steps": {"learner": "sdft"},
    "sft, larger rate": {"learner": "sft"},
    "sdft, larger rate": {"learner": "sdft"},
    "sft, tested often": {"learner": "sft", "evaluate_every": 6, "diagnose": False},
    "sdft, tested often": {"learner": "sdft", "evaluate_every": 6, "diagnose": False},
    "off-policy, as sdft": {"learner": "off_policy_distillation"},
    "off-policy, larger rate": {"learner": "off_policy_distillation"},
    "off-policy, one sample": {"learner": "off_policy_distillation", "options": {"samples": 1}},
    "off-policy, 30 answers": {"learner": "off_policy_distillation", "options": {"samples": 30}},
    "teacher's answers, renewed": {"learner": "off_policy_distillation",
                                   "options": {"samples": 1, "renew": 3}},
    "student's answers, renewed": {"learner": "off_policy_distillation",
                                   "options": {"samples": 1, "renew": 3, "writer": "student"}},
    "student's answers, once": {"learner": "off_policy_distillation",
                                "options": {"writer": "student"}},
    "replay of own answers": {"learner": "replay", "options": {"own_answers": True}},
    "sft lora": {"learner": "sft", "lora_rank": 8},
    "sdft lora": {"learner": "sdft", "lora_rank": 8},
    "adapter per skill": {"learner": "adapter_per_skill", "lora_rank": 8, "scenario": "task"},
    "sft adapter": {"learner": "sft", "lora_rank": 16},
    "sdft adapter": {"learner": "sdft", "lora_rank": 16},
    "composed": {"learner": "composed_per_skill", "lora_rank": 8,
                 "options": {"faster": 10.0, "orthogonality": 0.03}},
    "composed, not orthogonal": {"learner": "composed_per_skill", "lora_rank": 8,
                                 "options": {"faster": 10.0}},
    "composed, no reuse": {"learner": "composed_per_skill", "lora_rank": 8,
                           "options": {"reuse": "none"}},
}
"""The settings of each method. They override those of the part. Only an adapter per skill is told
the skill of a question; composed modules are retrieved by the prompt."""
CHOSEN_FOR = {"sdft other": "sdft", "sdft none": "sdft", "sdft, all steps": "sdft",
              "off-policy, as sdft": "sdft", "sdft, tested often": "sdft",
              "sft, tested often": "sft"}
"""Methods with the setting that was chosen for another one. "All steps" has only its learning rate.
"""
AT_RATE = {"off-policy, 30 answers": 1e-4, "sdft, larger rate": 3e-4,
           "off-policy, larger rate": 3e-4, "sft, larger rate": 3e-5,
           "sft on teacher, smaller rate": 1e-4}
"""Controls at a fixed learning rate: that of SDFT, or three times as large as the chosen one."""
ORDERS = tuple(" ".join(order) for order in itertools.permutations(
    ("facts-new", "tools-new", "letters-new")))
LONGEST = ("sft", "sdft", "off_policy_distillation")
IN_A_ROW = (*LONGEST, "sdft, task-start teacher", "replay", "sft_self_style", "adapter per skill",
            "grpo", "sft_kl", "replay of own answers")
RENEWED = ("teacher's answers, renewed", "student's answers, renewed",
           "student's answers, once")
"""Between off-policy and on-policy: three steps are an epoch of 96 questions, 32 a step."""
COMPOSED = ("composed", "composed, not orthogonal", "composed, no reuse")
PLAN: dict[str, dict[str, tuple[str, ...]]] = {
    "one_skill": {
        "facts-new": ("sft", "sdft", "sft_self_style", "off_policy_distillation", "sft on teacher",
                      "sft_kl", "replay", "sdft reverse", "sdft ema", "sdft student", "grpo",
                      "sft lora", "sdft lora", "sdft other", "sdft none", *RENEWED),
        "tools-new": ("sft", "sdft"),
        "letters-new": ("sft", "sdft", "sdft, all steps"),
        "working-new": ("sft", "sdft", "off_policy_distillation", "off-policy, one sample",
                        "sdft, all steps", *RENEWED),
        "articles-new": ("sft", "sdft"),
        "letters-hard-new": ("sft", "sdft", "off_policy_distillation", "off-policy, as sdft")},
    "noisy_teacher": {
        "working-new": ("sdft", "off_policy_distillation", "off-policy, one sample",
                        "sft on teacher")},
    "many_skills": dict.fromkeys(ORDERS, LONGEST) | {
        ORDERS[0]: (*IN_A_ROW, "sdft, larger rate", "off-policy, larger rate"),
        ORDERS[5]: (*IN_A_ROW, "off-policy, 30 answers", "sdft, larger rate",
                    "off-policy, larger rate"),
        ORDERS[2]: IN_A_ROW},
    "composed_skills": {
        ORDERS[0]: COMPOSED, **dict.fromkeys((ORDERS[5], ORDERS[2]), COMPOSED[1:])},
    "real_skills": {
        "town-far": ("sft", "sft, larger rate", "sdft", "sdft ema", "off_policy_distillation",
                     "sft on teacher", "sft on teacher, smaller rate", "replay of own answers",
                     "sft adapter", "sdft adapter", "sft, tested often", "sdft, tested often")},
}
"""The methods of each study, by order of skills."""
RATES = {"one_skill": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3), "noisy_teacher": (1e-4, 3e-4, 1e-3),
         "many_skills": (1e-4, 3e-4, 1e-3), "composed_skills": (1e-3, 3e-3, 1e-2),
         "real_skills": (3e-5, 1e-4, 2e-4)}
RATES_OF = {"sft lora": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
            "sdft lora": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
            "adapter per skill": (1e-3, 3e-3, 1e-2, 3e-2),
            **dict.fromkeys(("sft adapter", "sdft adapter"), (3e-4, 1e-3, 3e-3))}
"""Adapters need larger learning rates."""
BEYOND = {("real_skills", "sft"): (1e-5,), ("real_skills", "sft on teacher"): (4e-4,),
          ("real_skills", "replay of own answers"): (4e-4,),
          ("real_skills", "sft adapter"): (1e-4,)}
"""One rate more, where the best of the others was the lowest or the highest."""
STEPS = {"one_skill": 160, "noisy_teacher": 160, "many_skills": 120, "composed_skills": 120,
         "real_skills": 72}
"""Steps per skill."""
SEVERAL = ("many_skills", "composed_skills")
"""The studies of several skills in a row."""
EVERY, EVERY_OF = 40, {"facts-new": 20, **dict.fromkeys(ORDERS, 0)}
"""Steps between evaluations; 0: only at the end of each skill."""
TUNING_SEED, SEEDS, SEEDS_OF = 100, range(5), {
    "letters-hard-new": range(15), "town-far": range(3), "sft, tested often": range(5),
    "sdft, tested often": range(5)}
"""By order of skills or method. Fifteen seeds where five were too few: some find the rule and most
do not. Three for the real model, with which a run takes up to half an hour."""
MODELS = {"real_skills": "smollm2-135m"}
"""The model of a study; by default ``tiny``."""
REAL: dict[str, dict[str, Any]] = {
    "validation": {"batch_size": 8, "diagnose": False, "evaluate_every": 24},
    "test": {"batch_size": 8, "items": 12, "evaluate_every": 24}}
"""Settings of the real model by part. An evaluation takes as long as ten steps, so it does not ask
all questions, and the search has no diagnostics."""
ENOUGH_OF = {"real_skills": 0.5}
"""New-skill accuracy at which the methods of a study are compared, if it is not `ENOUGH`. In the
same number of steps SDFT does not teach the real model all facts. Test runs go to the last step."""
REAL_OPTIONS: dict[str, dict[str, Any]] = {
    "sdft": {"temperature": 0.5, "sampled_tokens": 12},
    "off_policy_distillation": {"temperature": 0.5, "samples": 2}}
"""Options of learners with the real model. At temperature 1 its own answers hardly ever come to a
place where the teacher knows the name (``docs/LOG.md``). SDFT cuts them after twelve tokens: a step
then takes a third less time than with 24 tokens, and SDFT learned more. The teacher's answers are
short and sampled once, so they are not cut."""
NOISE = 0.7
"""Noise in the weights of the noisy teacher, as a share of their standard deviation."""
