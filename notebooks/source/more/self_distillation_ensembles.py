# %% [markdown]
# # Ensembles, and a language model's next tokens
#
# > **Claim you can check:** with few or wrong labels an ensemble is about one point better than one network at most.
# > A network that the ensemble taught is not shown to be better than a network without a teacher. With few labels it
# > repeats some of its teacher's mistakes, and a teacher that knows *nothing* helps more; so does label smoothing. A
# > language model's own soft tokens, in the same context, teach it nothing.
#
# | | |
# |---|---|
# | **Objectives** | compare an ensemble, peers and a pupil at equal budget, with costs and controls · measure whether a pupil imitates its teacher · distil next tokens, and say what SDFT changes |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import itertools
import json
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds

# %%
from workbench.measure.calibration import expected_calibration_error
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.studies import RESULTS

wb.prepare_notebook()
SPLITS, SEEDS = range(5), (0, 1, 2)
chosen = json.loads((RESULTS / "self_distillation_further.json").read_text())

# %% [markdown]
# ## Ensembles: four networks, or one that four have taught
#
# Until now there was one teacher. Now there are several networks:
#
# - **Ensemble**: four networks are trained alone, and their probabilities are averaged.
# - **Mutual learning** ([Zhang et al., arXiv 1706.00384](https://arxiv.org/abs/1706.00384)): four peers learn the
#   labels and each other's soft answers at the same time. One of them answers in the end.
# - **Taught by 4**: an ensemble is distilled into one network that is as wide as each of its members.
#
# **In cross-entropy an ensemble is never worse than its members are on average.** Proof: $-\log$ is convex. So for
# each input $-\log\frac14\sum_k p_k(y)\le\frac14\sum_k-\log p_k(y)$, by Jensen's inequality. For accuracy and for
# calibration nothing like this holds. Here is the ensemble by hand:

# %%
def train(config):
    """Return a trained learner, its task, and the seconds that this took."""
    config_stream, start = stream_of(config), time.perf_counter()
    learner = make_learner(config, config_stream)
    wb.run_stream(learner, config_stream, config)
    return learner, config_stream.tasks[0], time.perf_counter() - start


four, digits, _ = train(wb.RunConfig(stream="digits", learner="ensemble", examples=100,
                                     options={"members": 4}, lr=3e-3, steps=60))
by_member = four.answers(digits.test.x).softmax(-1).detach()  # (members, digits, classes)
by_hand, positions = by_member.mean(0), torch.arange(len(digits.test))

# %%
member_losses = -by_member[:, positions, digits.test.y].log()
ensemble_loss = -by_hand[positions, digits.test.y].log()
member_accuracies = (by_member.argmax(-1) == digits.test.y).double().mean(1).tolist()
print("accuracy: members", *map(percent, member_accuracies), "and ensemble",
      percent((by_hand.argmax(-1) == digits.test.y).double().mean()))
print(f"cross-entropy: members {member_losses.mean():.2f} nats, ensemble "
      f"{ensemble_loss.mean():.2f} nats")
verdict("by hand and by the package the answers are the same; for every digit the ensemble's loss "
        "is at most the members' mean.",
        torch.allclose(by_hand, four.predict(digits.test.x)[0].exp(), atol=1e-5)
        and (ensemble_loss <= member_losses.mean(0) + 1e-5).all())

# %% [markdown]
# Are four networks worth their price? We ask in two cases: 100 labelled digits, and 200, with **30 % wrong labels**.
# The three methods above compete with
#
# - **one network** that learns from labels alone, and one with **label smoothing**: the cheap alternatives;
# - two **controls** of *taught by 4*: the four teachers are *untrained* (random weights), or their answers are
#   *shuffled* among the digits of a batch.
#
# Each method had the same budget of 12 settings: 30, 60, 150 or 300 steps, times three settings of its own. These are
# weight decay 0, 3 or 10 (one network, ensemble); strength 0.5, 1 or 3 (mutual); smoothing 0.3, 0.6 or 0.9; and
# temperature and weight of the teacher (1, 0.5), (1, 0.9) or (4, 0.9). A teacher learns for as many steps as its
# pupil, without weight decay; so it is not the tuned *ensemble of 4*. `scripts/tune_further.py` chose by accuracy on
# validation digits, which are as few and as often wrong as the training digits, with other splits and other seeds
# than below. These are the chosen settings, with the validation accuracy of the worst and the best of the 12:

# %%
for case, methods in chosen["ensembles"].items():
    print(f"{case}:")
    for name, result in methods.items():
        config, scores = result["config"], result["validation"]
        options = {key: value for key, value in config["options"].items()
                   if key in ("strength", "smoothing", "temperature", "weight")} or {
            "weight decay": config["weight_decay"]}
        print(f"  {name:18} {config['steps']:3} steps,", ", ".join(
            f"{key} {value:g}" for key, value in options.items()),
            f"(validation {percent(min(scores))} to {percent(max(scores))})")

# %% [markdown]
# Now the test. There are five splits of the data, each with other labelled digits, and three seeds on each: 15
# networks or ensembles of a method. The three of a split share their digits, so we take their mean, and all intervals
# are over the **five splits**.

# %% tags=["nbval-ignore-output"]
trained, result_rows = {}, []
for case, methods in chosen["ensembles"].items():
    for name, split in itertools.product(methods, SPLITS):
        learner, task, seconds = train(wb.RunConfig(**methods[name]["config"], seeds=SEEDS,
                                                    data_seed=split))
        p, y = learner.predict(task.test.x).softmax(-1).numpy(), task.test.y.numpy()
        trained[case, name, split] = learner, task, p
        result_rows.append({
            "case": case, "method": name, "split": split, "seconds": seconds / len(SEEDS),
            "accuracy": (p.argmax(-1) == y).mean(), "ECE": expected_calibration_error(p, y).mean(),
            "cross-entropy": -np.log(p[:, range(len(y)), y]).mean()})
results = pd.DataFrame(result_rows).set_index(["case", "method", "split"])
print(results.groupby(["case", "method"], sort=False).agg(
    {"accuracy": percent_over_seeds, "ECE": percent_over_seeds, "cross-entropy": "mean"}
).round(2).to_string())

# %% [markdown]
# Those intervals are wide because the splits differ. The **paired** differences from one network on the same split are
# much clearer. Controls are grey.

# %% tags=["nbval-ignore-output"]
by_split = results["accuracy"].unstack("method", sort=False)  # rows: case and split
gains = 100 * by_split.sub(by_split["one network"], axis=0).drop(columns="one network")
gain_figure, gain_axes = plt.subplots(1, 2, figsize=(9.5, 3.2), sharex=True, sharey=True)
for ax, (case, own) in zip(gain_axes, gains.groupby(level=0), strict=True):
    for i, (name, low, high) in enumerate(zip(gains, *seed_interval(own.to_numpy()), strict=True)):
        colour = "#888888" if "control" in name else "#0072B2"
        ax.plot([low, high], [i, i], color=colour)
        ax.plot(own[name].mean(), i, "o", color=colour)
        describe(ax, f"{ax.get_label()} {name} {low:+.1f} to {high:+.1f} points.")
    ax.axvline(0, color="black", linewidth=1)
    ax.set(title=case, xlabel="points of accuracy over one network", yticks=range(len(gains.T)),
           yticklabels=gains.columns)
gain_axes[0].invert_yaxis()
wb.show(gain_figure)

# %%
few_low, few_high, noisy_low, noisy_high = (
    pd.Series(end, gains.columns) for own_case in chosen["ensembles"]
    for end in seed_interval(gains.loc[own_case].to_numpy()))
verdict("in neither case is the ensemble's pupil shown to be better than one network, and in both "
        "the ensemble gains less than 2 points; with 100 labels label smoothing and an untrained "
        "teacher gain.", max(few_low["taught by 4"], noisy_low["taught by 4"]) < 0
        and max(few_high["ensemble of 4"], noisy_high["ensemble of 4"]) < 2
        and few_low[["label smoothing", "control: untrained"]].min() > 0)
ignorant = trained["100 labels", "control: untrained", 0][0].teacher.predict(digits.test.x).exp()
print("the largest probability in an untrained teacher's answer:",
      percent(ignorant.max(-1).values.mean()))

# %% [markdown]
# - **The ensemble gains 0.6 and 0.8 points** (intervals 0.1 to 1.1, and 0.5 to 1.1). Its members differ in their
#   initial weights alone, and mostly agree.
# - **Mutual learning** gains as much with 100 labels. With wrong labels it is not shown to gain, and neither is
#   *taught by 4* in either case.
# - **With 100 labels a teacher that knows nothing is better than the ensemble as a teacher**, by 0.2 to 2.3 points
#   (paired). It answers about 10 % for each class, whatever the digit. A pupil of such answers learns to be less sure,
#   as with label smoothing. So this gain, about two points, is regularisation and not knowledge. Had *taught by 4*
#   gained as much, only this control could have told the two apart. With wrong labels neither of these two is shown to
#   gain: their intervals are wide.
# - **They cost calibration.** The ECE of both is above 50 %. With 100 labels they are right in nine of ten cases, and
#   their probabilities claim 36 % and 18 %. Use them to rank classes, and not as probabilities. With wrong labels the
#   pupil and the peers have the lowest ECE: 25 and 26 % in place of 30 %. But this is no effect of a teacher: they were
#   trained for 60 steps, and one network for 150. After 60 steps and without weight decay, one network has an ECE of
#   25 % and a cross-entropy of 0.74 nats too (measured beforehand).
# - The figure has 12 intervals of 95 % each. If they were independent, nearly every second such figure would have an
#   interval that misses the truth. So trust no interval that only just excludes 0: here those of *ensemble of 4* and
#   *mutual* with 100 labels.
#
# **Does the pupil imitate its teacher?** [Stanton et al. (2021)](https://arxiv.org/abs/2106.05945) found pupils that
# disagree with their teacher although they could match it, and that closer imitation is not always better. We measure
# *agreement*, the share of digits on which both predict the same class. Two good networks agree anyway, and two
# networks with the same training make similar mistakes. So the pupil is compared with a network that differs in one
# thing only: it has no teacher. The steps, the initial weights and the labels are the same. We look above all at the
# digits *where the teacher is wrong*. Each network is trained from three draws of initial weights that no member had.

# %%
def restarted(config, split, draw):
    """Return a learner, trained from initial weights that no member of the teacher had."""
    config = wb.RunConfig(**config, seeds=SEEDS, data_seed=split)
    config_stream = stream_of(config)
    learner = make_learner(config, config_stream)
    learner.model.restart(draw)  # draws 0 to 3 are those of the members
    wb.run_stream(learner, config_stream, config)
    return learner


NETWORKS = {}  # by case and name: a setting
for case, methods in chosen["ensembles"].items():
    pupil, alone = (methods[name]["config"] for name in ("taught by 4", "one network"))
    NETWORKS |= {(case, "taught by 4"): pupil, (case, "one network"): alone, (
        case, "same steps, no teacher"): alone | {"steps": pupil["steps"], "weight_decay": 0.0}}


# %% tags=["nbval-ignore-output"]
agreements = {}
for ((case, name), config), split in itertools.product(NETWORKS.items(), SPLITS):
    first, task, _ = trained[case, "taught by 4", split]
    teacher, learners = first.teacher, [restarted(config, split, draw) for draw in (4, 5, 6)]
    guide, seen = (teacher.predict(x).argmax(-1) for x in (task.test.x, task.train.x))
    same = torch.stack([one.predict(task.test.x).argmax(-1) == guide for one in learners])
    same_seen = torch.stack([one.predict(task.train.x).argmax(-1) == seen for one in learners])
    agreements[case[:10], name, split] = [part.double().mean().item() for part in (
        same_seen, same, same[:, guide != task.test.y])]
fidelity = pd.DataFrame(agreements, ["labelled digits", "new digits", "where it is wrong"]).T
print(fidelity.groupby(level=[0, 1], sort=False).agg(percent_over_seeds).to_string())

# %% tags=["nbval-ignore-output"]
copied = 100 * fidelity["where it is wrong"].unstack(1)
copy_ends = {case: seed_interval(own["taught by 4"] - own["same steps, no teacher"])
             for case, own in copied.groupby(level=0)}
for case, (low, high) in copy_ends.items():
    print(f"{case}: the pupil repeats {low:+.1f} to {high:+.1f} points more of the mistakes")
verdict("with 100 labels the pupil repeats more of its teacher's mistakes than a network without a "
        "teacher does; with wrong labels the difference is less than 5 points.",
        copy_ends["100 labels"][0] > 0 and copy_ends["200 labels"][1] < 5)

# %% [markdown]
# *Where it is wrong* is the agreement on the new digits that the ensemble gets wrong. In the table the pupil agrees
# with 86 % of these mistakes with 100 labels, and with 75 % with wrong labels. Does it have them from its teacher?
# *One network* agrees with far fewer, but it was trained for more steps, and with weight decay. The fair control is
# *same steps, no teacher*: 77 % and 73 %. So with 100 labels the pupil does imitate: 4 to 14 points of the mistakes
# come from the teacher. With wrong labels this is not shown (-2 to +5 points): the networks were taught the same
# wrong labels, and that alone explains most of the agreement. (The pupils of the first table begin with the weights
# of one member. Here all networks begin with other weights, because a network that begins as a member does agrees
# more.)
#
# It is no perfect copy. With 100 labels every method agrees on *all* labelled digits: these do not determine the
# answers to new digits. Nor is the better imitator the better classifier, as Stanton et al. found too. A likely reason:
# its teacher is only 1.1 and 1.4 points better than one network.
#
# **What does it cost?** Choose a cost. *Networks to train* counts teachers and peers; *networks to keep* is what
# has to be stored, and asked, for an answer.

# %% tags=["nbval-ignore-output"]
from workbench.widgets import CostPanel

NUMBERS = {"ensemble of 4": (4, 4), "mutual, 4 peers": (4, 1), "taught by 4": (5, 1)}
noisy = results.loc["200 labels, 30 % wrong"].drop(
    ["control: untrained", "control: shuffled"], level="method")
costs = noisy.groupby("method", sort=False)[["accuracy", "seconds"]].mean()
costs["low"], costs["high"] = seed_interval(noisy["accuracy"].unstack("method")[costs.index])
costs[["networks to train", "networks to keep"]] = [
    NUMBERS.get(name, (1, 1)) for name in costs.index]
CostPanel(costs.rename(columns={"seconds": "seconds to train"}))

# %% [markdown]
# *Seconds* are those of this computer, a third of the time for three seeds side by side; they include the different
# numbers of steps that were chosen.

# %% [markdown]
# ## A language model's own soft next tokens
#
# A language model is a classifier of the next token. So every method of the last section applies to it, one token at
# a time. Three names from later lessons: **SFT** (supervised fine-tuning) trains on the tokens of demonstrations;
# **SDFT** (self-distillation fine-tuning) lets the model teach itself, with a demonstration in the teacher's prompt;
# **LwF** asks the model as it was before. The model here is `nano` (0.04 million weights); lesson
# [04](../04_the_model_as_its_own_teacher.ipynb) introduces it and its village. It learns who keeps 24 things, from 96
# demonstrations: each thing is asked for in four phrasings. The test has two other phrasings. The target of each
# token is
#
# $$\text{target} = w\cdot\text{one-hot} + (1-w)\cdot p,$$
#
# and the methods differ in $p$ alone: nothing (*hard*, $w=1$); the uniform distribution (*smoothing*); the model
# before fine-tuning (*pretrained*); the same model after fine-tuning on the hard tokens (*born-again*); or a control.
# By hand:

# %%
from workbench.learners import batch_order
from workbench.learners.text.sft import imitation
from workbench.losses import kl_per_token, per_response
from workbench.measure.completions import complete
from workbench.models.encoding import encode, encode_responses, make_prompt
from workbench.models.logits import response_logits, take_prompts
from workbench.tasks import load_skill

nano, words = wb.load_causal_lm("nano")
keepers = {split: load_skill("facts-new", split) for split in ("train", "test")}
read = {split: (*encode(words, [make_prompt(words, item.prompt) for item in items], 88),
                *encode_responses(words, [item.demonstration for item in items], 40))
        for split, items in keepers.items()}  # prompts and responses: ids and mask of each


# %%
import copy


def fine_tune(target, lr, steps, seed=0):
    """Return a copy of nano, trained on targets (items, tokens, vocabulary)."""
    model, texts = copy.deepcopy(nano), read["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    for rows in batch_order(seed, 0, len(target), steps, 32):
        ids, mask = texts[2][rows], texts[3][rows]
        logits = response_logits(model, *take_prompts(texts[:2], rows), ids, mask)
        optimizer.zero_grad()
        per_response(-(target[rows] * logits.log_softmax(-1)).sum(-1), mask).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


# %% [markdown]
# One case can be proved: **the model's own soft tokens, in the same context, teach it nothing.** The loss is
# $\mathrm{KL}(q\,\|\,q)=0$, and its gradient $q-q$ is 0. So the *pretrained* target does nothing but hold the model
# where it is. With $w=1/(1+\lambda)$ its loss is, up to a factor and a constant, that of SFT plus $\lambda$ times the
# KL from the pretrained model. This is LwF for a language model (`sft_kl` in lesson 05).

# %% tags=["nbval-ignore-output"]
own_logits = response_logits(nano, *read["train"])
(kl_per_token(own_logits.detach(), own_logits) * read["train"][3]).sum().backward()
verdict("on its own soft tokens the model's loss has a gradient of exactly 0.",
        not any(weight.grad.any() for weight in nano.parameters()))
one_hot = torch.nn.functional.one_hot(read["train"][2], len(words)).float()
tuned = fine_tune(one_hot, 5e-3, 240)
soft_tokens = response_logits(tuned, *read["train"]).softmax(-1).detach()
live = {"hard": tuned, "born-again": fine_tune(soft_tokens, 5e-3, 240)}
for name, model in live.items():
    nats = imitation(response_logits(model, *read["test"]), *read["test"][2:])
    print(f"{name}: {percent(complete(model, words, keepers['test']).accuracy)} right, "
          f"{nats.item():.4f} nats a token")
sure = (soft_tokens * one_hot).sum(-1)[read["train"][3] == 1]
print(f"a soft label of born-again gives its token {sure.mean():.4f}, at least {sure.min():.4f}")

# %% [markdown]
# So the soft label of a model that knows its training items is the hard label. Lesson 03 proved the same for
# a model that interpolates: its own labels change nothing.
#
# But one seed shows nothing, and settings matter. `scripts/study_soft_labels.py` gave every method the same budget of
# six settings, each measured every 20 steps on validation items. *Hard* had six learning rates. The others had three
# values of $w$ and the two learning rates nearest to the best one of *hard*, which is a small advantage for *hard*. Two
# seeds chose for `nano`, and one for `tiny`. Then other seeds were trained up to the chosen point, and tested.
#
# - `nano`, 15 seeds, twice: with right labels, and with **30 % of the demonstrations naming a wrong person**, in
#   the validation items too. Chosen: the highest accuracy, and of equal ones the lowest loss.
# - `tiny`, three seeds. It can keep old skills, and `nano` loses them all. So the rule is that of lesson 05: of the
#   points that know 95 % of the new skill, the one that keeps most. *Kept* is accuracy on three old skills relative
#   to before.
#
# Controls: *shuffled*, the soft labels of another token; *untrained*, those of a model with random weights.

# %%
trials = pd.concat(pd.read_csv(RESULTS / f"soft_labels_{name}.csv.gz")
                   for name in ("nano", "tiny")).query("part == 'test'")
print(trials.groupby(["model", "noise", "method"], sort=False).agg(**{
    "right": ("accuracy", percent_over_seeds), "kept": ("retention", percent_over_seeds),
    "nats a token": ("loss", lambda seeds: "{:.3f} to {:.3f}".format(*seed_interval(seeds)))}
).to_string())
minus_hard = trials[(trials["model"] == "nano") & (trials["noise"] == 0.3)].pivot(
    index="seed", columns="method", values="accuracy")
minus_hard = 100 * minus_hard.drop(columns="hard").sub(minus_hard["hard"], axis=0)
for name, low, high in zip(minus_hard, *seed_interval(minus_hard), strict=True):
    print(f"wrong labels, {name} minus hard: {low:+.0f} to {high:+.0f} points")
verdict("with wrong labels born-again is not shown to differ from hard; smoothing is better.",
        np.prod(seed_interval(minus_hard["born-again"])) < 0
        and seed_interval(minus_hard["smoothing"])[0] > 0)

# %% [markdown]
# - **Right labels: a teacher's soft tokens are not shown to help.** All methods of `nano` know nearly everything, and
#   born-again differs from hard by -0.4 to +0.2 points: its soft labels nearly *are* the hard ones. A target that
#   gives its token less than 1 costs nats by design (*smoothing*, and every mixture). Compare nats only between
#   methods with similar targets.
# - **Wrong labels: the soft tokens know more, but the student does not.** For mislabelled training items the teachers
#   give 37 % to the wrong name and 31 % to the right one, where the hard label gives 100 and 0 (measured beforehand
#   for three seeds, `tests/test_study_of_soft_labels.py`). Still, born-again is not shown to differ from hard: -6 to +3
#   points. Label smoothing, which needs no teacher, gains 3 to 16. But this gain depends on the settings: *untrained*
#   has nearly the same targets, with $w=0.9$ and 180 steps in place of 0.8 and 100, and is not shown to gain (-12 to
#   +1).
# - **Old skills (`tiny`).** *pretrained* keeps 10 points more than hard (9 to 12). But it learned less: on validation
#   items it never reached 95 % in 120 steps, and on the test it is 8 points lower (-23 to +8). So this is no
#   comparison at the same accuracy. Among the points above 90 % on validation items (one seed) it keeps 65 % at most,
#   and hard 56 %. With $w=0$ it stays at 2 % of the new skill, and keeps everything: its own soft tokens teach it
#   nothing. Label smoothing keeps 11 points *less* than hard (5 to 16). Born-again is not shown to differ from hard.
# - **The controls** are not shown to be better than hard, with one exception: *untrained* with right labels gains 0.2
#   to 1.4 points. The soft labels of a random network are nearly uniform, so this is label smoothing, which gains the
#   same.
#
# **And SDFT?** Take the formula with $w=0$ and the *pretrained* model as the teacher: it teaches exactly nothing.
# SDFT makes one change: this teacher sees **a demonstration in its prompt**. Now $p$ and $q$ differ where the
# demonstration says something that the model does not know. A second change: the tokens are those of the student's
# own answers, and not those of the demonstration. So the targets are in the model's own style; lesson
# [05](../05_sdft.ipynb) measures how much more it keeps. The soft labels of this section carry what the model knows
# already. Those of SDFT carry what the demonstration adds. Softness itself is not the point.
#
# **Limits.** Two tiny models, one skill with one answer to each question, temperature 1, and no larger teacher. With
# wrong labels the best learning rate of *hard* was the largest one tried. Three seeds of `tiny` are few. Where
# a question has several right answers, a soft label could carry more than a hard one.
#
# ## What to remember
#
# - Show controls. An untrained teacher gained more than one that knows: a gain from soft labels need not be knowledge.
# - Compare like with like. A pupil repeats its teacher's mistakes, but so does a network with the same steps and
#   labels: with 100 labels the teacher explains some of the agreement, and with wrong labels none is shown.
# - A soft label adds what the teacher knows and the student does not: nothing in the same context, a demonstration in
#   another one.
#
# **What would change your mind?** If *taught by 4* had gained and its controls had not, the ensemble's knowledge
# would be the reason. If with 100 labels the pupil repeated no more of its teacher's mistakes than a network with the
# same steps and no teacher, it would not be shown to imitate.
#
# ## Limits
#
# - One small data set, small networks, and four members that differ in their initial weights alone. Ensembles of large
#   networks, or of members that see different examples, may gain more; they were not tried here.
# - The intervals are over five splits of the same 1,797 digits: too narrow for new digits, and five is few.
# - Validation digits were as few as the training digits, so that the choices of settings are themselves uncertain. The
#   number of steps has four values: what is best may lie between them.
# - Some of the best settings lie at the edge of their grids: 300 steps (one network and smoothing with 100 labels),
#   smoothing 0.9 and strength 3 with wrong labels, and weight 0.9 of the teacher.
# - The section on next tokens states its own limits.
#
# ## Try it yourself
#
# - In the first example set `members` to 16. By how much do cross-entropy and accuracy improve? Is Jensen's
#   inequality far from equality?
# - In `fine_tune`, take 60 steps for the teacher. Its soft labels are softer then. Does born-again still change nothing?
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
