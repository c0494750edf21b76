# %% [markdown]
# # More on 03: ensembles, next tokens, decisions and transfer
#
# > **Claim you can check:** with few or wrong labels an ensemble is hardly better than one network. A network that
# > the ensemble taught copies its teacher, mistakes included, and is not shown to be better than a network without a
# > teacher. With few labels a teacher that knows *nothing* helps more, and so does label smoothing. A language
# > model's own soft tokens, in the same context, teach it nothing. A teacher of decisions should be cold to act, and
# > warm to explore. Soft answers of an old network to new inputs (LwF) keep the old digits if somebody says which
# > task an input is of. If nobody does, LwF keeps no more than fine-tuning with a small learning rate.
#
# | | |
# |---|---|
# | **Objectives** | compare an ensemble, peers and a pupil at equal budget, with costs and controls · measure whether a pupil imitates its teacher · distil next tokens and actions · separate what helps new learning from what keeps old knowledge · say what LwF, self-distillation and SDFT have in common |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); the scenarios of [01](../01_catastrophic_forgetting.ipynb) |
# | **Time** | 60 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import itertools
import json
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds

# %%
from sklearn.linear_model import RidgeClassifierCV

from workbench.learners import CONTROLS, LEARNERS, Batch, Finetune, fit, make_optimizer
from workbench.measure.calibration import agreement, expected_calibration_error
from workbench.models import StackedMLP
from workbench.plots.styles import COLOURS, styles_of
from workbench.runs.evaluation import evaluate
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.studies import RESULTS
from workbench.tasks import make_stream
from workbench.tasks.variants import with_few_examples

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
# Are four networks worth their price? We ask in two cases: 100 labelled digits, and 200 of which **30 % are wrong**.
# The three methods above compete with
#
# - **one network** that learns from labels alone, and one with **label smoothing**: the cheap alternatives;
# - two **controls** of *taught by 4*: the four teachers are *untrained* (random weights), or their answers are
#   *shuffled* among the digits of a batch.
#
# Each method had the same budget of 12 settings: 30, 60, 150 or 300 steps, times three settings of its own. These
# are weight decay 0, 3 or 10 (one network, ensemble); strength 0.5, 1 or 3 (mutual); smoothing 0.3, 0.6 or 0.9; and
# temperature and weight of the teacher (1, 0.5), (1, 0.9) or (4, 0.9). A teacher learns for as many steps as its
# pupil. `scripts/tune_further.py` chose by accuracy on validation digits, which are as few and as often wrong as the
# training digits, with other splits and other seeds than below. The outcome, with the worst and the best of the 12:

# %%
for case, methods in chosen["ensembles"].items():
    print(f"{case}:")
    for name, found in methods.items():
        config, scores = found["config"], found["validation"]
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

# %%
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

# %%
by_split = results["accuracy"].unstack("method", sort=False)  # rows: case and split
gains = 100 * by_split.sub(by_split["one network"], axis=0).drop(columns="one network")
gain_figure, gain_axes = plt.subplots(1, 2, figsize=(9.5, 3.2), sharey=True)
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
few_low, few_high = (pd.Series(end, gains.columns) for end in seed_interval(
    gains.loc["100 labels"].to_numpy()))
noisy_ends = seed_interval(gains.loc["200 labels, 30 % wrong", "taught by 4"])
verdict("in neither case is the ensemble's pupil shown to be better than one network, and the "
        "ensemble gains less than 2 points; with 100 labels label smoothing and an untrained "
        "teacher gain.", few_low["taught by 4"] < 0 and noisy_ends[0] < 0
        and few_high["ensemble of 4"] < 2 and few_low[["label smoothing", "control: untrained"]]
        .min() > 0)
ignorant = trained["100 labels", "control: untrained", 0][0].teacher.predict(digits.test.x).exp()
print("the largest probability in an untrained teacher's answer:",
      percent(ignorant.max(-1).values.mean()))

# %% [markdown]
# - **The ensemble gains half a point to one.** Its members differ in their random weights alone, and mostly agree.
# - **Mutual learning** gains as much with 100 labels. With wrong labels it is not shown to gain, and neither is
#   *taught by 4* in either case.
# - **A teacher that knows nothing is the better teacher with 100 labels.** It answers about 10 % for each class,
#   whatever the digit. To learn from such answers is to be told "be less sure", which is label smoothing. So this
#   gain, about two points, is regularisation, and no knowledge. If our table had no controls, nobody would know. With
#   wrong labels the two have wide intervals, and are not shown to gain.
# - **They cost calibration.** The ECE of both is above 50 %. With 100 labels they are right in nine of ten cases, and
#   their probabilities claim 36 % and 18 %. Use them to rank classes, and not as probabilities. With wrong labels the
#   pupil and the peers have the lowest ECE and cross-entropy: 25 and 26 % in place of 30 %, 0.74 nats in place of
#   0.83.
# - The figure has 12 intervals of 95 % each. So roughly every second such figure has an interval that misses the
#   truth: do not build on one that just misses 0.
#
# **Does the pupil imitate its teacher?** [Stanton et al. (2021)](https://arxiv.org/abs/2106.05945) found pupils that
# disagree with their teacher although they could match it, and that closer imitation is not always better. We measure
# *agreement*, the share of digits on which both predict the same class. Two good networks agree anyway. So the pupil
# must be compared with networks that never saw the teacher, above all *where the teacher is wrong*.

# %%
agreements = {}
for case, name, split in itertools.product(chosen["ensembles"], (
        "taught by 4", "one network", "label smoothing"), SPLITS):
    learner, task, p = trained[case, name, split]
    teacher = trained[case, "taught by 4", split][0].teacher
    answers = [one.predict(task.train.x).argmax(-1).numpy() for one in (learner, teacher)]
    same = p.argmax(-1) == (guide := teacher.predict(task.test.x).argmax(-1).numpy())
    agreements[case[:10], name, split] = (agreement(*answers).mean(), same.mean(),
                                          same[guide != task.test.y.numpy()].mean())
fidelity = pd.DataFrame(agreements, ["labelled digits", "new digits", "where it is wrong"]).T
print(fidelity.groupby(level=[0, 1], sort=False).agg(percent_over_seeds).to_string())
copied = fidelity["where it is wrong"].unstack(1)
verdict("the pupil repeats more of its teacher's mistakes than one network does.",
        seed_interval((copied["taught by 4"] - copied["one network"]).to_numpy())[0] > 0)

# %% [markdown]
# *Where it is wrong* is the agreement on the new digits that the ensemble gets wrong. The pupil does imitate. It
# agrees on more new digits than the others, and repeats nine of ten mistakes with 100 labels, and eight of ten with
# wrong ones. It is no perfect copy. With 100 labels it agrees on *all* labelled digits, which every method does: they
# do not determine the answers to new digits. And the better imitator is not the better classifier here, as Stanton et
# al. found too. The reason is plain: its teacher is hardly better than one network. (*One network* has a small
# advantage in this table. It begins with the same weights as one of the four.)
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
# A language model is a classifier of the next token. So every method of the earlier sections applies to it, one token
# at a time. The model here is `nano` (0.04 million weights); lesson [04](../04_the_model_as_its_own_teacher.ipynb)
# introduces it and its village. It learns who keeps 24 things, from 96 demonstrations: each thing is asked for in
# four phrasings. The test has two other phrasings. The target of each token is
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
# $\mathrm{KL}(q\,\|\,q)=0$, and its gradient $q-q$ is 0. With $w=1/(1+\lambda)$, *pretrained* is therefore SFT with a
# penalty: $\lambda$ times the KL from the pretrained model, which is LwF for a language model (`sft_kl` in lesson
# 05).

# %%
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
# six combinations of learning rate and $w$ (*hard*: six learning rates), each looked at every 20 steps on validation
# items. Then it trained other seeds up to the chosen point, and tested those.
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
# - **Right labels: soft tokens buy nothing.** All methods of `nano` know nearly everything, and born-again differs
#   from hard by -0.4 to +0.2 points: its soft labels *are* the hard ones. A target that gives its token less than 1
#   costs nats by design (*smoothing*, and every mixture). Compare nats only between methods with similar targets.
# - **Wrong labels: soft tokens know more, and the student does not.** For mislabelled training items the teachers
#   give 37 % to the wrong name and 31 % to the right one, where the hard label gives 100 and 0 (measured beforehand
#   for three seeds, `tests/test_study_of_soft_labels.py`). All the same born-again is not shown to differ from hard:
#   -6 to +3 points. Label smoothing, which needs no teacher, gains 3 to 16.
# - **Old skills (`tiny`).** *pretrained* keeps 10 points more than hard (9 to 12). But it learned less: on validation
#   items it never reached 95 % in 120 steps, and on the test it is 8 points lower (-23 to +8). So this is no
#   comparison at the same accuracy. Among the points above 90 % on validation items (one seed) it keeps 65 % at most,
#   and hard 56 %. With $w=0$ it stays at 2 % of the new skill, and keeps everything: its own soft tokens teach it
#   nothing. Label smoothing keeps 11 points *less* than hard (5 to 16). Born-again is not shown to differ from hard.
# - **The controls** are not shown to be better than hard, but for *untrained* with right labels (0.2 to 1.4 points).
#   The soft labels of a random network are nearly uniform, so this is label smoothing.
#
# **And SDFT?** Take the formula with $w=0$ and the *pretrained* model as the teacher: it teaches exactly nothing.
# SDFT makes one change: this teacher sees **a demonstration in its prompt**. Now $p$ and $q$ differ where the
# demonstration says something that the model does not know. A second change: the tokens are those of the student's
# own answers, and not those of the demonstration. So the targets are in the model's own style; lesson
# [05](../05_sdft.ipynb) measures how much more it keeps. The soft labels of this section carry what the model knows
# already. Those of SDFT carry what the demonstration adds. Softness itself is not the point.
#
# **Limits.** Two tiny models, one skill with one answer to each question, temperature 1, and no larger teacher. Where
# a question has several right answers, a soft label could carry more than a hard one.

# %% [markdown]
# ## Policy distillation: a teacher for actions
#
# A soft label need not be about classes. Here it is a distribution over *actions*. The teacher is a table $Q(s,a)$:
# the discounted reward that it expects after action $a$ in cell $s$. **Policy distillation** ([Rusu et al., arXiv
# 1511.06295](https://arxiv.org/abs/1511.06295)) fits a student $\pi$ to the softened teacher:
#
# $$\min_\pi \sum_s \mathrm{KL}\big(p_T(\cdot\,|\,s)\,\|\,\pi(\cdot\,|\,s)\big),\qquad
# p_T(a\,|\,s)\propto e^{Q(s,a)/T}$$
#
# Which temperature is right? It depends on the purpose: to **act** well now (exploitation), or to **explore**.
#
# The world has two rooms and one door. Episodes begin in the top left corner, S. The goal G pays 1 and a pit x costs
# 1; both end the episode. One move in ten goes in a random direction. A reward at move $t$ counts $0.95^{t-1}$. The
# world is so small that the return of a policy is *exact*, from one linear system. Only the learning is random.

# %%
MAP = ["S..#...", "...#.x.", ".......", ".x.#...", "...#..G"]
DISCOUNT, COLD, grid_rng = 0.95, 1e-9, np.random.default_rng(0)  # COLD leaves the best action only
cells = [(r, c) for r, row in enumerate(MAP) for c, kind in enumerate(row) if kind != "#"]
reward = np.select([[MAP[r][c] == kind for r, c in cells] for kind in "Gx"], [1.0, -1.0])
inside, moves = reward == 0, ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
ahead = np.array([[cells.index(to) if (to := (r + a, c + b)) in cells else i for a, b in moves]
                  for i, (r, c) in enumerate(cells)])  # the next cell; into a wall: the same
chance = np.zeros((len(cells), 4, len(cells)))  # of the next cell, by cell and action
for action, actual in np.ndindex(4, 4):
    chance[np.arange(len(cells)), action, ahead[:, actual]] += 0.9 * (action == actual) + 0.025
chance *= inside[:, None, None]
best_table = np.zeros((len(cells), 4))
for _ in range(1000):  # value iteration
    best_table = chance @ (reward + DISCOUNT * best_table.max(-1))

# %% [markdown]
# The value of a policy is $V=(I-\gamma P_\pi)^{-1}P_\pi r$. Its **return** is the mean of $V$ over all cells: a good
# policy knows the way from everywhere, not from S alone. The second function is policy distillation. The student's
# logits are linear in some features of a cell, and it is fitted to the labels of all cells.

# %%
def mean_return(policy):  # exact, of policies (..., cells, 4)
    step = np.einsum("...sa,sat->...st", policy, chance)
    system = np.eye(len(cells)) - DISCOUNT * step
    return np.linalg.solve(system, (step @ reward)[..., None])[..., inside, 0].mean(-1)


def distil(labels, features):  # the logits of students, from labels (..., cells, 4)
    x, p = torch.tensor(features, dtype=torch.float64), torch.tensor(labels)
    w = torch.zeros(*p.shape[:-2], x.shape[1], 4, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.2)
    for _ in range(300):
        loss = -(p * (x @ w).log_softmax(-1)).sum()  # the KL, but for the labels' own entropy
        w.grad, = torch.autograd.grad(loss, w)
        optimizer.step()
    return (x @ w).detach().numpy()


# %% [markdown]
# The teachers learn by **Q-learning**. There are 60 of them, with random numbers of their own. Each begins with an
# empty table and takes 4,000 steps: enough to find the goal, and too few to know every cell. 30 % of the actions are
# random.

# %%
def learn(steps, table, guide=None, explore=0.3):
    """Q-learning from tables (..., cells, 4). A guide acts, or the learner with random actions."""
    q, after = table.reshape(-1, *table.shape[-2:]).copy(), chance.cumsum(-1)
    row, at = np.arange(len(q)), np.zeros(len(q), int)  # each episode begins at S
    for _ in range(steps):
        odds = ((1 - explore) * softmax(q[row, at] / COLD, -1) + explore / 4 if guide is None
                else guide.reshape(q.shape)[row, at])
        took = (odds.cumsum(-1) > grid_rng.random((len(q), 1))).argmax(-1)
        to = (after[at, took] > grid_rng.random((len(q), 1))).argmax(-1)
        aim = reward[to] + DISCOUNT * inside[to] * q[row, to].max(-1)
        q[row, at, took] += 0.2 * (aim - q[row, at, took])
        at = np.where(inside[to] & (grid_rng.random(len(q)) < 0.99), to, 0)
    return q.reshape(table.shape)


# %% [markdown]
# At each temperature we look at four policies:
#
# - the **softened** teacher itself;
# - a **small student**: 16 features (row, column, walls around it) in place of a table's 31 cells. It acts by its
#   distribution, or always takes its **likeliest** action;
# - a **guided learner**. It begins with an empty table and learns for 2,000 steps by Q-learning. The softened teacher
#   chooses its actions while it learns. Then we ask for the return of its own best actions.
#
# Two **controls** go through the same: the teacher's labels shuffled among the cells, and an untrained table of
# random numbers.

# %%
HEATS, empty = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 3), np.zeros((60, len(cells), 4))  # 60 seeds
taught = learn(4000, empty)
shuffled_cells = grid_rng.permuted(np.tile(np.arange(len(cells)), (60, 1)), axis=1)[..., None]
teachers = {"teacher": taught, "shuffled": np.take_along_axis(taught, shuffled_cells, 1),
          "untrained": grid_rng.normal(scale=taught.std(), size=taught.shape)}
senses = np.hstack([*(np.eye(7)[list(where)] for where in zip(*cells, strict=True)),
                   ahead == np.arange(len(cells))[:, None]])  # row, column, walls
middle = taught[mean_return(softmax(taught / COLD, -1)).argsort()[30]].argmax(-1)  # its actions
returns = {}  # by teacher and policy: (settings, seeds)
for name, table in teachers.items():
    soft = np.stack([softmax(table / heat, -1) for heat in HEATS])
    small, guided = distil(soft, senses), learn(2000, np.zeros(soft.shape), soft)
    returns.update({(name, kind): mean_return(softmax(logits, -1)) for kind, logits in {
        "softened": np.log(soft + 1e-300), "small student": small,
        "small student, likeliest": small / COLD, "guided learner": guided / COLD}.items()})

# %% [markdown]
# The baselines have no temperature: the teacher's best action; a small student that imitates it (**hard labels**);
# 2,000 steps of Q-learning without a teacher; and 2,000 more steps of the teacher itself. There are also
# **generations**: a guided learner becomes the teacher of the next, five times.
#
# Some of this can be proved. (1) A KL is at least 0, and it is 0 only between equal distributions. So a student that
# can express every policy, such as a table, *is* the softened teacher. (2) As $T\to0$, a soft label becomes the best
# action, and distillation becomes imitation. (3) A table that is distilled into the next, with its log probabilities
# softened again each time, is $\mathrm{softmax}(Q/T^g)$ after $g$ generations: at $T=1$ nothing changes, below it
# becomes greedy, above it becomes random. Without new experience no generation knows more than the first teacher.

# %%
imitator, explored = distil(softmax(taught / COLD, -1), senses), (0.1, 0.3, 0.5, 0.8)
offspring = {0.01: taught, 0.5: taught}
for heat in [*offspring] * 5:
    offspring[heat] = learn(2000, empty, softmax(offspring[heat] / heat, -1))
returns.update({name: mean_return(softmax(logits, -1)) for name, logits in {
    ("hard labels", "best action"): [taught / COLD], ("hard labels", "small student"): [imitator],
    ("hard labels", "small student, likeliest"): [imitator / COLD],
    **{("fifth generation", f"T = {heat}"): [q / COLD] for heat, q in offspring.items()},
    **{(name, "learns 2,000 steps"): [learn(2000, q, explore=part) / COLD for part in explored]
       for name, q in {"no teacher": empty, "teacher": taught}.items()}}.items()})
table_student = mean_return(softmax(distil(softmax(taught / HEATS[2], -1), np.eye(len(cells))), -1))
verdict("a student with a table of its own returns the same as the softened teacher, to 0.002; "
        "and two generations at T = 0.5 are one at T = 0.25.",
        abs(table_student - returns["teacher", "softened"][2]).max() < 2e-3 and np.allclose(
            softmax(np.log(softmax(taught / 0.5, -1)) / 0.5, -1), softmax(taught / 0.25, -1)))

# %% [markdown]
# A setting (temperature, or share of random actions) is chosen on 20 seeds. The table has the return of the 40
# *other* seeds, with its 95 % interval. The best return that is possible is 0.74, and random moves have -0.37.

# %%
grid_table = {}
for name, values in returns.items():
    best, settings = values[:, :20].mean(1).argmax(), {7: HEATS, 4: explored}.get(len(values), "-")
    low, high = seed_interval(values[best, 20:])
    grid_table[name] = (f"{values[best, 20:].mean():5.2f} ({low:5.2f} to {high:5.2f})",
                        settings[best])
print(pd.DataFrame(grid_table, ["return", "T or share"]).T.to_string())
misses = best_table[np.arange(len(cells)), middle] < best_table.max(-1) - 0.02
by_guide, choice = returns["teacher", "guided learner"], "small student, likeliest"
verdict("to act, the coldest teacher is best; to explore, T = 0.5 is better than the coldest and "
        "the hottest.", returns["teacher", "softened"].mean(1).argmax() == 0
        and all(seed_interval((by_guide[4] - by_guide[other])[20:])[0] > 0 for other in (0, -1)))
soft_gain = np.subtract(*(returns[name, choice] for name in ("teacher", "hard labels")))
print("small student, soft labels minus hard:", *(f"T = {heat}: {low:+.2f} to {high:+.2f}"
      for heat, low, high in zip(HEATS, *seed_interval(soft_gain.T), strict=True)), sep="\n  ")

# %% [markdown]
# The figure has the mean over all 60 seeds, with its interval. On the right is the teacher in the middle of the 60,
# by return: its best action in each cell. Each orange action loses more than 0.02 of what is possible from there.

# %%
grid_figure, (curves, world) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(3, 2),
                                            subplot_kw={"label": f"Mean return at T = {HEATS}:"})
for kind, x, y, colour in (("softened", 0.6, -0.33, "#D55E00"), ("guided learner", 0.2, 0.61,
                           "#0072B2"), ("small student, likeliest", 0.0105, 0.17, "#009E73")):
    mean = returns["teacher", kind].mean(1)
    half = mean - seed_interval(returns["teacher", kind].T)[0]
    curves.errorbar(HEATS, mean, half, fmt="o-", capsize=4, color=colour)
    curves.text(x, y, kind, color=colour, fontweight="bold")
    describe(curves, f"{curves.get_label()} {kind}: {mean.round(2).tolist()}.")
curves.set(xscale="log", xlabel="temperature of the teacher", ylabel="return", ylim=(-0.4, 0.7))
for i, (r, c) in enumerate(cells):
    world.text(c, r, "↑→↓←"[middle[i]] if inside[i] else MAP[r][c], fontsize=16,
               color=("black", "#D55E00")[int(misses[i])], ha="center", va="center")
world.imshow([[kind == "#" for kind in row] for row in MAP], cmap="Greys", alpha=0.5)
wb.show(describe(world, f"Map: {misses.sum()} of 28 best actions of the middle teacher are wrong."))

# %% [markdown]
# - **To act, be cold.** The softened teacher is best at the lowest temperature, where it is the greedy teacher. Every
#   increase of the temperature lowers its return. The authors of policy distillation say the same of Q-values: they
#   have to be made sharper, while the logits of a classifier are made softer.
# - **To explore, be warm.** The guided learner is best at $T=0.5$, where acting by the teacher returns nothing. A
#   cold guide repeats its routes, and a hot one walks at random. (Computed beforehand from the same matrices: in 400
#   steps the guide at T = 0.01, 0.5 and 3 reaches the goal 23, 2.6 and 0.6 times, and its visits are spread as if
#   over 12, 17 and 14 cells alike.) So one teacher has two best temperatures, and they differ by a factor of 50.
# - **What the teacher knows matters.** Learners with a shuffled or an untrained guide are worse than those of
#   the teacher, and not shown to differ from learners without any guide: those intervals overlap.
# - **For the small student soft labels are not better than hard ones.** At low temperatures the two tie. At high ones
#   soft labels are worse, even for its likeliest action. The reason: for large $T$ the KL tends to $1/8T^2$ times the
#   squared error of $Q$ (less its mean in each cell). Then the student spends its few features on the large
#   differences beside the pits and the goal, and not on the question which action is best.
# - **The student's gain is not free.** A guided learner reaches about the return of its teacher in 2,000 steps of its
#   own. But a teacher that goes on for 2,000 steps is better than any student: it keeps its table, and the student
#   was given only a policy. Over five generations errors add up, and the warm line loses most.
#
# **Limits.** One world, in which both purposes matter. We also tried others. Where a second, small reward lay near S,
# all learners went there, at any temperature. In larger worlds 4,000 steps did not find the goal. Learning rate and
# numbers of steps were not searched.

# %% [markdown]
# ## Transfer: from the digits 0 to 4 to the digits 5 to 9
#
# A network has learned 0 to 4 from all their training digits. Now it meets 5 to 9. There are two questions. Does old
# knowledge help to learn the *new* digits? And are the *old* ones kept?
#
# ### Does old knowledge help?
#
# A **warm start** takes all weights of the old network. A **fresh start** takes new random weights. Both learn 5 to 9
# from the same few labels. Of the learning rates 0.0003, 0.001 and 0.003, the last was the best for both on
# validation digits (for the warm start a tie with 0.001). To look at the features alone we freeze them: a linear
# *read-out* is fitted on the last hidden layer of the old network (ridge regression, with the penalty by
# cross-validation). Its **controls** are read-outs of a network with *random* weights, and of the *pixels*. Somebody
# says that the digit is one of 5 to 9 (the task scenario).

# %%
def learn_task(learner, stream, task, lr, steps=300, every=20):
    """Learn a task; return accuracies on both tasks: shape (points, seeds, tasks)."""
    learner.begin(stream.tasks[task])
    training = fit(learner, stream.tasks[task], make_optimizer(learner, lr), steps=steps,
                   batch_size=32)
    points = [evaluate(learner, stream, task) for i, _ in enumerate(training, 1) if i % every == 0]
    learner.end(stream.tasks[task])
    return np.array(points)


def network(weights=None):
    """Return networks with the given weights, or with new random ones."""
    made = StackedMLP(64, (100, 100), 10, SEEDS)
    made.restart(1) if weights is None else made.hold(weights)
    return made


# %%
halves, old_weights = {}, {}
for scenario, split in itertools.product(("task", "class"), SPLITS):
    stream = halves[scenario, split] = make_stream("halved-digits", scenario, 2, split)
    learner = Finetune(StackedMLP(64, (100, 100), 10, SEEDS))
    learn_task(learner, stream, 0, lr=1e-3, steps=200, every=200)
    old_weights[scenario, split] = learner.model.snapshot()


def read_out(model, train, test):
    """Return the accuracy of linear classifiers on the last hidden layer, or on pixels."""
    train_x, test_x = (part.x[None] if model is None else model.trace(part.x)[0][-1].detach()
                       for part in (train, test))
    return np.mean([RidgeClassifierCV(np.logspace(-4, 3, 8)).fit(a, train.y).score(b, test.y)
                    for a, b in zip(train_x, test_x, strict=True)])


# %%
LABELS, start_accuracies = (10, 20, 40, 80), {}
for split, labels in itertools.product(SPLITS, LABELS):
    stream, old = halves["task", split], old_weights["task", split]
    few = with_few_examples(stream, labels, split).tasks[1]
    few_stream = replace(stream, tasks=(stream.tasks[0], few))
    for name, weights in {"warm": old, "fresh": None}.items():
        points = learn_task(Finetune(network(weights)), few_stream, 1, 3e-3, steps=200, every=20)
        for step in (20, 200):
            start_accuracies[f"{name}, {step} steps", split, labels] = (
                points[step // 20 - 1, :, 1].mean())
    for name, model in {"old": network(old), "random": network(), "pixels": None}.items():
        start_accuracies[f"read-out: {name}", split, labels] = read_out(model, few.train, few.test)

# %%
starts = pd.Series(start_accuracies).unstack()  # rows: start and split; columns: labels
print(starts.groupby(level=0, sort=False).agg(percent_over_seeds).to_string())
PAIRS = (*((f"warm, {n} steps", f"fresh, {n} steps") for n in (20, 200)),
         *(("read-out: old", f"read-out: {other}") for other in ("random", "pixels")))
differences = {(a, b): 100 * (starts.loc[a] - starts.loc[b]) for a, b in PAIRS}
early, late = (seed_interval(differences[pair].to_numpy()) for pair in PAIRS[:2])
verdict("a warm start is nowhere shown to be better than a fresh one; after 20 steps with 80 "
        "labels it is worse.", (early[0] < 0).all() and (late[0] < 0).all() and early[1][-1] < 0)

# %% [markdown]
# Again the paired differences are clearer. On the left the whole network is trained; on the right the features are
# frozen.

# %%
start_figure, start_axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
PLACES = ((0, "after 20 steps"), (0, "after 200 steps"), (1, "a random network"), (1, "pixels"))
for i, ((panel, label), gain) in enumerate(zip(PLACES, differences.values(), strict=True)):
    half = gain.mean() - seed_interval(gain.to_numpy())[0]
    start_axes[panel].errorbar(np.arange(len(LABELS)) + 0.08 * (i % 2), gain.mean(), half,
                               fmt="o-", capsize=4, color=COLOURS[i % 2], label=label)
    describe(start_axes[panel], f"{start_axes[panel].get_label()} {label}: "
                                f"{gain.mean().round(1).tolist()} points.")
for ax, title in zip(start_axes, ("warm minus fresh start", "read-out of the old network minus"),
                     strict=True):
    ax.set(title=title, xlabel="labels of 5 to 9", ylabel="points of accuracy",
           xticks=range(len(LABELS)), xticklabels=LABELS)
    ax.axhline(0, color="black", linewidth=1)
    ax.legend(frameon=False, loc="lower right")
wb.show(start_figure)

# %% [markdown]
# **Knowing 0 to 4 does not help to learn 5 to 9.** After 200 steps the two starts are not shown to differ. After 20
# steps the warm one is behind, at the same learning rate. The old features are nowhere better than the pixels. With
# 10 labels they are even worse than those of a random network, and with 80 they are a little better. Why? Perhaps
# because the old network has learned what separates 0 to 4, which need not be what separates a 5 from a 6. Others
# found before that warm starts can generalise worse ([Ash and Adams, 2020](https://arxiv.org/abs/1910.08475), where
# more data of the same classes arrive). It does not follow that transfer never pays: these old data are few and
# special.
#
# ### Are the old digits kept? Learning without forgetting
#
# Now all labels of 5 to 9 are there, and no example of 0 to 4. **LwF** ([Li and Hoiem, arXiv
# 1606.09282](https://arxiv.org/abs/1606.09282)) asks the old network about the **new** inputs: if this 7 had to be
# one of 0 to 4, which one? The student learns the labels, and keeps these soft answers:
#
# $$L=\tfrac12\,\mathrm{CE}(y, q)+\tfrac12\,s\,T^2\,\mathrm{KL}\big(p^{\text{old}}_T\,\|\,q^{\text{old}}_T\big)$$
#
# Here $q$ is the student, *old* means a softmax over the outputs 0 to 4, $T=2$, and $s$ is the strength. By hand, on
# one batch, with random networks as the student:

# %%
new_task, random_network = halves["class", 0].tasks[1], network()
student = LEARNERS["lwf"](network(old_weights["class", 0]), strength=10.0)
student.end(halves["class", 0].tasks[0])  # keeps the old network
student.begin(new_task)
student.model.hold(random_network.snapshot())
shown = Batch(new_task.train.x[:32].expand(3, -1, -1), new_task.train.y[:32].expand(3, -1),
              new_task.masks[1])
new_logits, old_logits = random_network(shown.x), network(old_weights["class", 0])(shown.x)
hard_loss = -new_logits.log_softmax(-1).gather(-1, shown.y[..., None]).mean((1, 2))
log_q, log_p = ((logits[..., :5] / 2).log_softmax(-1) for logits in (new_logits, old_logits))
soft_loss = 2**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean(1)
verdict("by hand and by the package the loss of LwF is the same.",
        torch.allclose((hard_loss + 10 * soft_loss) / 2, student.loss(shown)))

# %% [markdown]
# In the **task** scenario somebody says whether a digit is one of 0 to 4 or of 5 to 9. In the **class** scenario
# nobody does, and all ten outputs compete. LwF's **controls** are an old network that is *untrained*, and answers
# that are *shuffled* among the digits of a batch. **Born again** is the self-distillation of lesson 03: it learns 5
# to 9 twice, each time from the old weights, and the second time the first network teaches it about 5 to 9.
#
# Forgetting alone is no result: a network that learns nothing forgets nothing. So we ask how much of 0 to 4 is left
# at the moment when 5 to 9 are first known to 95 % (task) or 85 % (class). Each method has the best of nine settings
# by this measure, on validation digits of other splits: three learning rates times strength 1, 10 or 30 (LwF and its
# controls) or times weight 0.5, 0.8 or 1 (born again); fine-tuning has nine learning rates. All methods ended with
# the same rate: 0.0005 (task) and 0.0002 (class).

# %%
paths, fine_tuned = {}, None  # paths by scenario, method and split: (points, seeds, tasks)
for (scenario, split), stream in halves.items():
    for name, found in chosen["transfer"][scenario].items():
        learner = (LEARNERS | CONTROLS)[found["learner"]](network(), **found["options"])
        if name != "control: untrained":  # it takes its random weights for the old network
            learner.model.hold(old_weights[scenario, split])
        learner.end(stream.tasks[0])
        learner.model.hold(old_weights[scenario, split])
        if name == "born again":  # after fine-tuning at the same rate: its first generation
            learner.begin(stream.tasks[1])
            learner.model.hold(fine_tuned)
            again = replace(stream.tasks[1], generation=2)
            stream = replace(stream, tasks=(stream.tasks[0], again))
        paths[scenario, name, split] = learn_task(learner, stream, 1, found["lr"])
        fine_tuned = learner.model.snapshot()

# %%
kept_rows = {}
for (scenario, name, split), path in paths.items():
    for seed, own in enumerate(path.swapaxes(0, 1)):  # (points, tasks)
        enough = own[:, 1] >= chosen["levels"][scenario]
        old_then = own[enough.argmax(), 0] if enough.any() else np.nan
        kept_rows[scenario, name, split, seed] = enough.any(), old_then, *own[-1]
kept = pd.DataFrame(kept_rows, ["reached", "old then", "old, at the end", "new, at the end"]).T
kept = kept.astype(float).groupby(level=[0, 1, 2], sort=False).mean()
print(kept.groupby(level=[0, 1], sort=False).agg(lambda own: percent(
    own.mean()) if own.name == "reached" else percent_over_seeds(own.dropna())).to_string())
lwf_ends = {scenario: 100 * np.array(seed_interval(own["lwf"] - own["finetune"]))
            for scenario, own in kept["old then"].unstack(1).groupby(level=0)}
print("LwF minus finetune:", {name: own.round(1).tolist() for name, own in lwf_ends.items()})
verdict("at the same new accuracy LwF keeps more of the old digits if the task is told, and not if "
        "it is not.", lwf_ends["task"][0] > 0 and lwf_ends["class"][0] < 0)

# %%
path_figure, path_axes = plt.subplots(1, 2, figsize=(10, 3.8))
for ax, (scenario, start) in zip(path_axes, (("task", 80), ("class", 0)), strict=True):
    for name, style in styles_of(chosen["transfer"][scenario]).items():
        mean = 100 * np.mean([paths[scenario, name, split] for split in SPLITS], axis=(0, 2))
        ax.plot(mean[:, 1], mean[:, 0], label=name, **style | {"markevery": 3})
        describe(ax, f"{ax.get_label()} {scenario} scenario, {name} ends at {mean[-1, 1]:.0f} % "
                     f"new and {mean[-1, 0]:.0f} % old.")
    ax.axvline(100 * chosen["levels"][scenario], color="grey", linestyle=":")
    ax.set(title=f"{scenario} scenario", xlabel="accuracy on 5 to 9 (%)", xlim=(start, 100),
           ylim=(0.85 * start, 101))
path_axes[0].set_ylabel("accuracy on 0 to 4 (%)")
path_axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(path_figure)

# %% [markdown]
# In the table, *reached* is the share of the networks that reached the level, and *old then* the mean over these. In
# the figure each path runs from left to right as 5 to 9 are learned. It is the mean over 15 networks, and the dotted
# line is the level. The axes of the left panel begin at 80 % and at 68 %.
#
# - **The task is told: LwF keeps nearly everything.** The knowledge of the old network matters: an untrained old
#   network protects no more than fine-tuning, and with shuffled answers more is lost.
# - **The task is not told: everybody forgets.** LwF is better than its controls, so the old answers do carry
#   knowledge. But plain fine-tuning with the learning rate 0.0002 keeps 1 to 8 points more at the level. The reason:
#   LwF compares old classes with old ones. Nothing in its loss compares a 3 with an 8, while the labels only ever
#   reward the outputs 5 to 9. (The smallest strength was the best one. With strength 0 LwF is fine-tuning: Adam does
#   not notice that the loss is halved.) Lesson [02](../02_measuring_retention.ipynb) found no gain either, with five
#   tasks.
# - **Born again protects nothing.** In the class scenario it even keeps less than fine-tuning. Its teacher has itself
#   forgotten, and is asked about 5 to 9 only. Self-distillation keeps what *this* teacher still knows and is asked
#   about.
#
# ### The link to SDFT
#
# LwF *is* self-distillation: the teacher is the student as it was before the new task. Born-again networks ask their
# teacher about inputs that it was trained on. LwF asks about inputs that the teacher has never seen. So it needs no
# old data: the soft answer to a 7 says a little about what the network thinks of a 3. LwF keeps the old *function* on
# the new inputs, and only there. The new knowledge comes from the labels, in a second term that pulls against the
# first.
#
# SDFT has one term. Its teacher sees a **demonstration in its prompt**, and so the same soft answers carry the *new*
# knowledge too. And it answers along the **student's own words**, not along given texts. What is kept is what the
# demonstration does not change in the teacher's answers, on the words that the student uses now: its style, for
# example. Neither method stores old data, and neither is told to keep what the new inputs never touch. The class
# scenario shows what that can mean. Lesson [06](../06_many_skills.ipynb) measures how much SDFT keeps.
#
# ## What to remember
#
# - Show controls. Without the untrained teacher the gains of soft labels would have looked like knowledge.
# - A pupil copies its teacher, mistakes included. How much it gains is another question.
# - A soft label adds what the teacher knows and the student does not: nothing in the same context, a demonstration in
#   another one.
# - LwF keeps what the old network is asked about. Whether that suffices depends on the scenario.
#
# **What would change your mind?** If *taught by 4* had gained and its controls had not, the ensemble's knowledge
# would be the reason. If the pupil repeated no more of its teacher's mistakes than a network without a teacher, it
# would not imitate. If LwF with shuffled answers had kept old digits, any second term in the loss would do. If a warm
# start had won with ten labels, knowledge of 0 to 4 would transfer.
#
# ## Limits
#
# - One small data set, small networks, and four members that differ in their initial weights alone. Ensembles of large
#   networks, or of members that see different examples, may gain more; they were not tried here.
# - The intervals are over five splits of the same 1,797 digits: too narrow for new digits, and five is few.
# - Validation digits were as few as the training digits, so that the choices of settings are themselves uncertain. The
#   number of steps has four values: what is best may lie between them.
# - The best smoothing with wrong labels, 0.9, and the best strength of LwF and learning rates in the class scenario,
#   lie at the edge of their grids (fine-tuning at half that rate did not reach 85 % in 300 steps).
# - One pair of tasks. Other pairs may transfer.
# - The sections on next tokens and on decisions state their own limits.
#
# ## Try it yourself
#
# - `chosen["transfer"]["task"]["lwf"]["options"]["strength"] = 0.1`, then run the cell of the paths again. How much
#   protection is needed?
# - In the first example set `members` to 16. By how much do cross-entropy and accuracy improve? Is Jensen's
#   inequality far from equality?
# - `workbench run --stream halved-digits --scenario task --learner lwf-shuffled --seeds 0 1 2`: the control, with the
#   learning rate of the course. Compare with `--learner lwf`.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
