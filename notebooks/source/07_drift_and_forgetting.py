# %% [markdown]
# # 7. Drift and forgetting
#
# > **Claim you can check:** the *drift* of a model measures how different its answers are before and after training.
# > Drift on questions about **old** skills grows together with forgetting, in each of six methods. Drift on questions
# > about the **new** skill can mislead: one method has less drift than another and forgets more. A network can have
# > little drift without training on its own answers. And a network that trains on its own answers can have a large
# > drift.
#
# | | |
# |---|---|
# | **Objectives** | compute the drift of a model by hand · compare drift with forgetting · read four measurements that trainers do not log · learn from a reward, by hand · repeat the central experiment of *RL's Razor* on digits |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb); [06 What makes SDFT work](06_what_makes_sdft_work.ipynb) helps |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import copy

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check, solutions, verdict
from workbench.plots import describe, percent
from workbench.runs.studies import ends, load_study, points

wb.prepare_notebook()
model, tokenizer = wb.load_causal_lm("tiny")

# %% [markdown]
# ## Six methods
#
# Lesson 05 trained a model on one new skill: who keeps each of 24 things (*facts-new*). This lesson compares six ways
# of training. An expert has written a **demonstration** for each question.
#
# | method | training |
# |---|---|
# | `sft` | supervised fine-tuning: the model imitates the demonstrations word by word |
# | `sdft` | self-distillation fine-tuning: the model answers itself. At each word it imitates a teacher. The teacher is the pretrained model with the demonstration in its prompt |
# | `sdft ema` | `sdft`, but the weights of the teacher are a moving average of the weights of the model in training |
# | `replay` | `sft`, with stored examples of the old skills in every batch |
# | `sft_kl` | `sft`, with a penalty on the distance from the pretrained model |
# | `grpo` | no demonstrations: the reward is 1 if the model's own answer is right, and 0 if not (explained below) |
#
# `scripts/study.py` trained each method at six learning rates, and tested it every 20 steps on validation items.
# **Retention** is the accuracy on the five known skills divided by the accuracy before training. **Forgetting** is 1
# minus retention.
#
# ## How far did a model move?
#
# The **drift** is the KL divergence KL(pretrained ‖ trained). It measures how different the answers of two models are.
# The pretrained model samples an answer to each question. At each word of the answer, both models give probabilities
# for the next word. We compute the KL divergence of these probabilities, and add it up over the words. The drift is the
# mean over the answers, in nats per answer.
#
# We train for 20 steps with SFT, and compute the drift by hand: on 24 questions about the new skill, and on 30 about
# the five known skills.

# %%
import tempfile

from workbench.runs.experiment import stream_of
from workbench.tasks import spread

folder = tempfile.TemporaryDirectory()
config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="sft", lr=3e-4, steps=20,
                      items=6, diagnose=True)
record = wb.run(config, out=folder.name)
trained = wb.load_causal_lm(folder.name)[0]
text_stream = stream_of(config)
questions = {
    "kl_new": spread(text_stream.tasks[0].test.items, 24),
    "kl_old": [item for task in text_stream.old_tasks for item in spread(task.test.items, 6)]}

# %%
from workbench.models import make_prompt, sample
from workbench.models.logits import response_logits
from workbench.system.runtime import generator


@torch.no_grad()
def drift_of(trained_model, items):
    """Return KL(pretrained || trained) in nats per answer."""
    prompts = [make_prompt(tokenizer, item.prompt) for item in items]
    own = sample(model, tokenizer, prompts, temperature=1.0, rng=generator(0, "drift"))
    log_p, log_q = (response_logits(m, own.prompt_ids, own.prompt_mask, own.ids, own.mask)
                    .log_softmax(-1) for m in (model, trained_model))
    kl = (log_p.exp() * (log_p - log_q)).sum(-1)  # one number for each word
    return float((kl * own.mask).sum(1).mean())

# %%
for prompts_of in ("kl_new", "kl_old"):
    nats = drift_of(trained, questions[prompts_of])
    recorded = record.diagnostics[0, -1, record.diagnostic_names.index(prompts_of)]
    print(f"{prompts_of}: {nats:.2f} nats per answer")
    verdict("the drift by hand equals the one that the run has recorded.",
            np.isclose(nats, recorded, rtol=1e-4))

# %% [markdown]
# ## Does forgetting grow with drift?
#
# *RL's Razor* ([Shenfeld et al., arXiv 2509.04259](https://arxiv.org/abs/2509.04259)) says that forgetting follows the
# drift on questions about the **new** skill ("new prompts" below). Another paper ([arXiv
# 2607.04364](https://arxiv.org/abs/2607.04364)) says that for forgetting the drift on questions about **old** skills
# ("old prompts") matters.
#
# Each point below is the end of one run: six methods, six learning rates. A **rank correlation** compares two orders:
# the runs sorted by drift, and the runs sorted by forgetting. It is 1 if a run with more drift always forgets more.
#
# First the drift on new prompts. (The means in the description of the picture are over all six learning
# rates, good and bad.)

# %%
from workbench.plots.studies import drift_correlation
from workbench.widgets import DriftExplorer

one_skill = points(load_study("one_skill"))  # one row for each evaluation of a run
methods = ["sft", "sdft", "sdft ema", "replay", "sft_kl", "grpo"]
tuned = one_skill.query("part == 'validation' and order == 'facts-new' and method in @methods")
drift = DriftExplorer(tuned, methods)
drift

# %% [markdown]
# Now the drift on old prompts. Here the points lie closer to one rising curve.

# %%
on_old = DriftExplorer(tuned, methods)
on_old.prompts.value = "kl_old"
on_old.snapshot()

# %% [markdown]
# The next cell computes the rank correlation from every evaluation of the runs, not only from their ends. So the
# numbers differ a little from those above. The cell also compares `sdft` and `sft_kl` at the three highest learning
# rates.

# %%
kinds = {"kl_new": "new prompts", "kl_old": "old prompts"}
correlation = pd.DataFrame({
    name: {words: drift_correlation(rows, kind) for kind, words in kinds.items()}
    for name, rows in (*tuned.groupby("method", sort=False), ("all six", tuned))})
print("rank correlation of forgetting with the drift on")
print(correlation.map("{:.2f}".format).to_string())
high = ends(tuned).query("method in ['sft_kl', 'sdft'] and rate >= 3e-4")
high = high.set_index(["method", "rate"]).sort_index()
print("\ndrift in nats per answer, and forgetting:")
print(high[[*kinds]].round(1).rename(columns=kinds).assign(
    forgotten=(1 - high["retention"]).map(percent)).to_string())
sdft_high, kl_run, sdft_run = high.loc["sdft"], high.loc["sft_kl", 1e-3], high.loc["sdft", 3e-4]

# %%
verdict("in each of the six methods the drift on old prompts rises with forgetting.",
        (correlation.loc["old prompts"] > 0.9).all())
verdict("over all six together, forgetting follows the drift on old prompts more closely.",
        correlation["all six"]["old prompts"] > correlation["all six"]["new prompts"] + 0.05)
verdict("from 3e-4 on, SDFT keeps about the same drift on new prompts, and forgets more and more.",
        np.ptp(sdft_high["kl_new"]) < 2 and np.ptp(sdft_high["retention"]) > 0.5)
verdict("sft_kl at 1e-3 has less than half of the drift on new prompts that sdft has at 3e-4, and "
        "forgets over four times as much.", kl_run["kl_new"] < 0.5 * sdft_run["kl_new"]
        and 1 - kl_run["retention"] > 4 * (1 - sdft_run["retention"]))

# %% [markdown]
# In most methods more drift comes with more forgetting, whether we measure the drift on new or on old prompts. The
# drift on new prompts misleads in three places:
#
# - **Within `sdft ema`.** The rank correlation between forgetting and the drift on new prompts is only 0.56.
# - **Within `sdft`.** The drift on new prompts stays near 11 nats at the three highest learning rates, while forgetting
#   grows from 15 to 98 %. A likely reason: when the student answers the new questions as its teacher does, the loss is
#   near 0. From then on these answers do not change. The answers to old questions still change.
# - **Between methods.** At 3e-4 and 1e-3 the penalty of `sft_kl` keeps the drift on new prompts small (1.8 and
#   4.9 nats). The model forgets nevertheless: 22 % and 73 %.
#
# Two cautions. Forgetting is measured on the old skills, and the old prompts ask about the same skills. So it is no
# surprise that the drift on old prompts agrees better with forgetting. And with other methods the correlation can be
# lower: [RL's Razor in depth](more/razor_in_depth.ipynb) has all 16 methods of the study.
#
# ## What a trainer does not log
#
# Training programs log the loss or the reward. Both say little about forgetting. The study measured four other
# things. One is the **entropy**, the uncertainty of the model: it is 0 nats if the model is certain of its next word.
# All runs below have the learning rate 3e-4.

# %%
from workbench.plots.studies import plot_diagnostic

titles = {"foreign_style": "answers not in its own style", "length": "length of an answer",
          "entropy": "entropy of its own answers",
          "context_right": "right with a demonstration"}
four = Figure(figsize=(8.6, 4.8), layout="constrained")
for i, (ax, (measure, title)) in enumerate(zip(four.subplots(2, 2).flat, titles.items(),
                                               strict=True)):
    plot_diagnostic(tuned, ["sft", "sdft", "replay", "sft_kl"], measure, ax, title,
                    legend=i % 2 == 1, rate=3e-4)
wb.show(four)

# %% [markdown]
# - **Style.** At step 40 every SFT answer is in the expert's style, but only 8 % of the answers are right (6 % before
#   training). So SFT loses the model's own style before it learns the facts.
# - **Length.** SFT answers have 17 tokens (words), as the expert's do. SDFT answers have 6.
# - **Entropy.** SFT becomes almost certain. `sft_kl` is the least certain. Its loss pulls the model towards the
#   expert's words, and its penalty pulls it towards the words of the pretrained model.
# - **Right with a demonstration.** We put the demonstration into the prompt and ask again. The SFT model can hardly use
#   it any more: it is right on only 12 % of the questions. The gate of lesson 04 would refuse this model as a teacher.
#
# The last point depends on the skill. The next table has all six skills of the study, on test items, at the settings
# that the rule of lesson 05 chose. Each number is a mean over five seeds (fifteen for *letters-hard-new*). Before
# training, the model with a demonstration in its prompt was always right.

# %%
last = ends(tuned).query("rate == 3e-4").set_index("method")
tested = ends(one_skill[one_skill["part"] == "test"]).query("method in ['sft', 'sdft']")
able = tested.groupby(["order", "method"])[["context_right", "new"]].mean().unstack()
able = able.rename(columns={"context_right": "with it", "new": "without it"})
print("right answers after training, with a demonstration in the prompt and without it:")
print(able.swaplevel(axis=1)[["sft", "sdft"]].map(percent).rename_axis(
    index=None, columns=[None, None]).to_string())
verdict("on facts-new at 3e-4 SFT ends in the expert's style, and can hardly use a demonstration. "
        "SDFT keeps its own style, and can still use one.",
        last.loc["sft", "foreign_style"] > 0.9 and last.loc["sdft", "foreign_style"] == 0
        and last.loc["sft", "context_right"] < 0.2 and last.loc["sdft", "context_right"] == 1)

# %%
still = able["with it"]
verdict("on tools-new SFT can still use a demonstration, too.", still.loc["tools-new", "sft"] > 0.9)
verdict("on letters-new SDFT loses over half of this ability, and on letters-hard-new both methods "
        "lose nearly all of it.",
        still.loc["letters-new", "sdft"] < 0.5 and still.loc["letters-hard-new"].max() < 0.1)

# %% [markdown]
# ## A reward in place of a teacher
#
# In **reinforcement learning** nobody demonstrates. The model samples answers, and a **reward** scores them: here 1
# if the answer is right, and 0 if not. A **policy gradient** method changes the weights so that answers with a high
# reward become more likely. One step:
#
# 1. Sample several answers to one question.
# 2. Compute the **advantage** of each answer: its reward minus the mean reward of the *other* answers.
# 3. Take a gradient step that raises the log-probability of each answer in proportion to its advantage. A negative
#    advantage lowers it.
#
# Example: of four answers one is right. Its advantage is 1 - 0 = 1. Each wrong answer has the advantage 0 - 1/3. If all
# four are wrong, or all right, every advantage is 0: then there is nothing to learn from this question.
#
# {{exercise advantages}}

# %%
def advantages(rewards):
    ...


check("advantages", advantages)

# %% [markdown]
# {{solution advantages}}
#
# Does a policy gradient step raise the expected reward? We can check it exactly. Let a model have three possible
# answers, with probabilities $p_c$ and rewards $r_c$. Let $\bar r$ be the expected reward. The gradient of $\bar r$
# with respect to the logit of answer $c$ is $p_c (r_c - \bar r)$.
#
# A step samples three answers. There are 3 × 3 × 3 = 27 possible samples. We compute the step of each one, and add up
# the steps, each weighted by the probability of its sample. This gives the expected step.

# %%
import itertools

logits = torch.tensor([0.3, -1.2, 0.8], dtype=torch.float64, requires_grad=True)
reward = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
p = logits.detach().softmax(0)
exact = p * (reward - (p * reward).sum())
average = torch.zeros(3, dtype=torch.float64)
for combination in itertools.product(range(3), repeat=3):
    answers = torch.tensor(combination)
    advantage = solutions.advantages(reward[answers][None])[0]
    objective = (advantage * logits.log_softmax(0)[answers]).mean()
    average += p[answers].prod() * torch.autograd.grad(objective, logits)[0]
print("exact:", exact.numpy().round(4), "  expected step:", average.numpy().round(4))
verdict("the expected step is the exact gradient of the expected reward.",
        torch.allclose(average, exact))

# %% [markdown]
# **GRPO** (group-relative policy optimization) is a policy gradient method for language models. It samples eight
# answers to each question. Its advantage has a slightly different formula: (reward - mean of all eight rewards) /
# standard deviation of the eight rewards.
#
# A reward can only teach if some answer is right. **pass@1** is the share of sampled answers that are right. **pass@8**
# is the share of questions with at least one right answer among eight. Before training:

# %%
from workbench.measure.completions import complete
from workbench.tasks import load_skill

pass_at_8 = {}
for skill in ("facts-new", "letters-new"):
    items = spread(load_skill(skill, "train"), 48)
    right = np.array([complete(model, tokenizer, items, temperature=1.0,
                               rng=torch.Generator().manual_seed(seed)).right
                      for seed in range(8)])
    pass_at_8[skill] = right.any(0).mean()
    print(f"{skill:12s} pass@1 {percent(right.mean())}, pass@8 {percent(pass_at_8[skill])}")
verdict("the model guesses a name now and then; it never guesses three letters.",
        pass_at_8["facts-new"] > 0.05 and pass_at_8["letters-new"] == 0)

# %% [markdown]
# Now the stored runs of `grpo` on *facts-new*, after 160 steps. Each question was asked six or seven times, with eight
# answers each time. So GRPO can learn more facts than pass@8 suggests. For *letters-new*, where no answer is right, we
# train GRPO here for five steps.

# %%
grpo_ends = ends(tuned).query("method == 'grpo'").set_index("rate")[["new", "retention"]]
print(grpo_ends.map(percent).rename(index="{:g}".format, columns={"new": "new skill"})
      .rename_axis("learning rate").to_string())
hopeless = wb.run(wb.RunConfig(stream="skills", skills=("letters-new",), learner="grpo", lr=1e-3,
                               steps=5, items=4, clip=1.0))
print("losses on letters-new:", hopeless.losses[0, 0].tolist())
verdict("GRPO learns a quarter of the facts at most: it finds few right answers to reward.",
        grpo_ends["new"].max() < 0.3)
verdict("where no answer is ever right, the loss is exactly 0 and nothing changes.",
        (hopeless.losses == 0).all() and (hopeless.accuracy == hopeless.baseline).all())

# %% [markdown]
# ## RL's Razor on digits
#
# *RL's Razor* asks: if a question has **many** right answers, how far must a model drift to learn to give one of them?
# We repeat its small experiment with a network that knows two tasks.
#
# - **Old task:** name the digit in an image that is rotated by 90 degrees.
# - **New task:** on an upright image, give a digit of the same **parity** (even or odd). For an image of a 4 the
#   answers 0, 2, 4, 6 and 8 are all right.
#
# One more input, a flag, tells the network the task: 1 for the new task, -1 for the old one.

# %%
def with_flag(part, flag):
    """Return images with one more input, which names the task, and their digits."""
    return F.pad(part.x, (0, 1), value=flag), part.y


upright, *_, rotated = wb.make_stream("rotated-digits", tasks=4).tasks
new_train, new_test = with_flag(upright.train, 1.0), with_flag(upright.test, 1.0)
old_train, old_test = with_flag(rotated.train, -1.0), with_flag(rotated.test, -1.0)

# %% [markdown]
# The **base** network learns the old task on all images, and the new task on only 100 images. The labels of these
# images are drawn anew in every training step: a random even digit for an even one, a random odd digit for an odd one.

# %%
def fresh_network(rng):
    """Return an untrained network with random weights."""
    network = torch.nn.Sequential(torch.nn.Linear(65, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64),
                                  torch.nn.ReLU(), torch.nn.Linear(64, 10))
    for w in network.parameters():
        torch.nn.init.uniform_(w, -w.shape[-1] ** -0.5, w.shape[-1] ** -0.5, generator=rng)
    return network

# %%
def base_network(x, digits, old_x, old_digits, rng):
    """Return a network that knows the old task well, and the new task in part."""
    network, few = fresh_network(rng), torch.randperm(len(digits), generator=rng)[:100]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(300):
        new = few[torch.randint(100, (32,), generator=rng)]
        old = torch.randint(len(old_digits), (32,), generator=rng)
        labels = digits[new] % 2 + 2 * torch.randint(5, (32,), generator=rng)
        logits_of_both = network(torch.cat([x[new], old_x[old]]))
        optimizer.zero_grad()
        F.cross_entropy(logits_of_both, torch.cat([labels, old_digits[old]])).backward()
        optimizer.step()
    return network.requires_grad_(False)

# %% [markdown]
# ### One image
#
# We train one base network for each of five seeds. Here is an image of a 4, and the answers of the first base.

# %%
bases = {seed: base_network(*new_train, *old_train, torch.Generator().manual_seed(seed))
         for seed in (0, 1, 2, 3, 4)}
example = int((new_test[1] == 4).nonzero()[0, 0])
base_p = bases[0](new_test[0][[example]]).softmax(1)
one_image = Figure(figsize=(7, 2.4), layout="constrained")
picture, bars = one_image.subplots(1, 2, width_ratios=(1, 3))
picture.imshow(new_test[0][example, :-1].reshape(8, 8), cmap="gray_r")
picture.axis("off")
_ = describe(picture, "An image of a 4.")

# %%
heights = (100 * base_p[0]).round().int().tolist()
bars.bar_label(bars.bar(range(10), heights, color=["#0072B2", "#BBBBBB"] * 5))
bars.set(xticks=range(10), ylim=(0, 1.25 * max(heights)), ylabel="probability (%)",
         xlabel="answer of the base (blue: right, grey: wrong)")
describe(bars, "The base's answers: " + ", ".join(
    f"{label}: {height} %" for label, height in enumerate(heights)) + ".")
wb.show(one_image)
print(f"Before rounding, the right answers together have {percent(float(base_p[0, ::2].sum()))}.")

# %% [markdown]
# Four methods start from this base and learn parity:
#
# | | a single right answer: 0 for even, 1 for odd | all five right answers |
# |---|---|---|
# | **imitates a target** (not its own answers) | `sft-one` | `base-right`: each right answer in proportion to its probability in the base |
# | **policy gradient** (its own answers, *on-policy*) | `rl-one`: reward 1 for this answer only | `rl`: reward 1 for every right answer |
#
# The target of `base-right` is made from the base's distribution. The probabilities of wrong answers are set to 0.
# Those of the right answers are scaled so that they sum to 1. *RL's Razor* calls this target an oracle.
#
# How far is each target from the base, for this 4? We take KL(target ‖ base), because KL(base ‖ target) is infinite:
# the targets have zeros.

# %%
def targets_of(digits, base_p):
    """Return the target, or the rewards, of each method: shape (images, 10)."""
    labels = torch.arange(10)
    right = (labels % 2 == digits[:, None] % 2).float()
    one = right * (labels < 2)
    base_right = base_p * right / (base_p * right).sum(1, keepdim=True)
    return {"sft-one": one, "base-right": base_right, "rl": right, "rl-one": one}

# %%
of_this_4 = targets_of(torch.tensor([4]), base_p)
distance = {name: float(torch.special.xlogy(of_this_4[name], of_this_4[name] / base_p).sum())
            for name in ("sft-one", "base-right")}
print(pd.Series(distance).map("{:.2f} nats".format).to_string())
any_right = np.random.default_rng(0).dirichlet(np.ones(5), 10_000)  # 10,000 other targets
others = (any_right * np.log(any_right / base_p[0, ::2].numpy())).sum(1)
verdict("of 10,000 random targets without wrong answers, none is as close to the base as "
        "base-right.",
        distance["base-right"] < min(others))
verdict("its distance is minus the logarithm of the base's probability of a right answer.",
        np.isclose(distance["base-right"], -np.log(float(base_p[0, ::2].sum())), rtol=1e-4))

# %% [markdown]
# ### All images
#
# All four methods use one loss: minus a weighted sum of the log-probabilities of the ten answers. Only the weights
# differ:
#
# - `sft-one`: the weights are its target, 1 for the one right answer and 0 for the others.
# - `base-right`: we sample eight answers to each image from its target. Each has the weight 1/8.
# - `rl` and `rl-one`: we sample eight answers to each image from the network itself. Each has the weight 1/8 times its
#   advantage.

# %%
def label_weights(method, table, p, rng):
    """Return the weight of each answer in the loss: shape (images, 10)."""
    if method.startswith("sft"):
        return table
    sampled_from = table if method == "base-right" else p
    answers = torch.multinomial(sampled_from, 8, replacement=True, generator=rng)
    weights = torch.full(answers.shape, 1.0)
    if method.startswith("rl"):
        weights = solutions.advantages(table.gather(1, answers))
    return torch.zeros_like(p).scatter_add(1, answers, weights / 8)

# %% [markdown]
# We train a copy of each base for 320 steps. Every 20 steps we measure it on test images: the drift KL(base ‖ network)
# on the new task, the accuracy on the new task (the share of answers with the right parity), and the accuracy on the
# old task. On digits, *forgotten* is the accuracy on the old task before training minus the accuracy now.

# %%
def measure_digits(network, base):
    """Return the drift on the new task, and the accuracy on the new and on the old task."""
    (x, digits), (old_x, old_digits) = new_test, old_test
    log_base, log_now = base(x).log_softmax(1), network(x).detach().log_softmax(1)
    parity = (log_now.argmax(1) % 2 == digits % 2).double().mean()
    old = (network(old_x).argmax(1) == old_digits).double().mean()
    return float((log_base.exp() * (log_base - log_now)).sum(1).mean()), float(parity), float(old)

# %%
def train_digits(method, seed):
    base, (x, digits) = bases[seed], new_train
    network, rng = copy.deepcopy(base).requires_grad_(True), torch.Generator().manual_seed(seed)
    optimizer, rows = torch.optim.SGD(network.parameters(), lr=0.1), []
    table = targets_of(digits, base(x).softmax(1))[method]
    for step in range(321):
        if step % 20 == 0:
            rows.append([method, seed, step, *measure_digits(network, base)])
        batch = torch.randint(len(x), (32,), generator=rng)
        log_p = network(x[batch]).log_softmax(1)
        weights = label_weights(method, table[batch], log_p.detach().exp(), rng)
        optimizer.zero_grad()
        (-(weights * log_p).sum(1).mean()).backward()
        optimizer.step()
    return rows

# %%
from workbench.plots.styles import styles_of

toy = pd.DataFrame([row for method in of_this_4 for seed in bases
                    for row in train_digits(method, seed)],
                   columns=["method", "seed", "step", "drift", "parity", "old"])
toy["forgotten"] = toy.groupby(["method", "seed"])["old"].transform("first") - toy["old"]
toy_means = toy.groupby(["method", "step"])[["drift", "parity", "forgotten"]].mean()
razor_figure = Figure(figsize=(9, 3.4), layout="constrained")
wide, corner = razor_figure.subplots(1, 2)
for method, style in styles_of(of_this_4).items():
    path = toy_means.loc[method]
    for ax in (wide, corner):
        ax.plot(path["drift"], 100 * path["forgotten"], markersize=4, label=method, **style)

# %%
wide.set(title="all paths", ylabel="forgotten on the old task (%)")
corner.set(title="the lower left corner, enlarged", xlim=(-0.02, 0.6), ylim=(-1, 20))
wide.legend(frameon=False, loc="lower right")
razor_figure.supxlabel("drift on the new task (nats)", fontsize=11)
describe(wide, "Drift and forgetting at the end: " + "; ".join(
    f"{method} {drift_now:.1f} nats, {percent(lost)}" for method, drift_now, lost in
    toy_means.groupby("method").last()[["drift", "forgotten"]].itertuples()) + ".")
describe(corner, "The corner with rl and base-right, enlarged.")
wb.show(razor_figure)

# %% [markdown]
# Each dot is a mean over five seeds, every 20 steps. All paths start at the lower left. `sft-one` and `rl-one` drift
# most and forget most: they allow a single answer, and the base seldom gives it. `rl` and `base-right` have little
# drift. (The two straight lines in the right picture are `sft-one` and `rl-one`, which leave it within 20 steps.)
#
# At the same step the methods have learned different amounts. So for each method we take the first evaluation at which
# the mean parity accuracy of the five seeds is at least 93 %.

# %%
from workbench.plots import percent_over_seeds

at_least_93 = toy_means.query("step > 0 and parity >= 0.93").reset_index("step")
matched = toy.merge(at_least_93.groupby("method")["step"].first().reset_index())
by_method = matched.groupby("method")
drifts, forgotten = by_method["drift"].mean(), by_method["forgotten"].mean()
print(pd.DataFrame({
    "drift": drifts.map("{:.2f} nats".format),
    "forgotten": by_method["forgotten"].agg(lambda lost: percent_over_seeds(lost.clip(lower=0)))})
    .loc[drifts.sort_values().index].rename_axis(None).to_string())
verdict("sft-one and rl-one have a large drift and forget over half. base-right and rl forget "
        "under a tenth.",
        forgotten[["base-right", "rl"]].max() < 0.1
        and forgotten[["sft-one", "rl-one"]].min() > 0.5)

# %%
verdict("a network can have little drift without training on its own answers: base-right has the "
        "least.",
        drifts.idxmin() == "base-right")
verdict("a network that trains on its own answers can have a large drift: rl-one has the largest.",
        drifts.idxmax() == "rl-one")
at_end = toy_means.groupby("method").last()
verdict("at the end of training base-right has less drift than rl, and has forgotten more.",
        at_end.loc["base-right", "drift"] < at_end.loc["rl", "drift"]
        and at_end.loc["base-right", "forgotten"] > at_end.loc["rl", "forgotten"])

# %% [markdown]
# So in this experiment the drift depends mostly on the allowed answers. Training on one's own answers does not make it
# small. Between `rl` and `base-right`, drift does not predict forgetting well, as the last verdict shows. [RL's Razor
# in depth](more/razor_in_depth.ipynb) adds two methods, a second old task, and the drift on old tasks.
#
# ## Which published claims do these results support?
#
# | published | here |
# |---|---|
# | forgetting follows the drift on **new** prompts (*RL's Razor*) | yes within most methods; no within `sdft ema`, within `sdft` at high learning rates, and between `sft_kl` and `sdft` |
# | the drift on **old** prompts matters (2607.04364) | yes, in every method |
# | imitating the oracle forgets even less than reinforcement learning (*RL's Razor*) | unclear at 93 % parity accuracy (4 % against 5 % on average over five seeds, and the intervals overlap); no at the end of training (12 % against 9 %) |
#
# **What would change your mind?** Suppose drift and forgetting had been unrelated. Then "SDFT forgets less because it
# stays close to the pretrained model" would be wrong. Suppose `base-right` had forgotten as much as `sft-one`, and
# `rl-one` as little as `rl`. Then training on one's own answers would be the cause of less forgetting.
#
# ## Try it yourself
#
# - In the first picture choose *every evaluation of each run*, and tick one method at a time. Where does the curve
#   bend?
# - Change the reward of `rl-one` in `targets_of` to *the digit itself*. Will it forget as much as before? Guess first.
#
# ## Limits
#
# - **Text.** There is one tiny language model and one new skill, and the study used one seed for each learning rate.
#   The four pictures of "What a trainer does not log" show one learning rate.
# - **Digits.** The network is small, with five seeds and one learning rate. The results may depend strongly on the 100
#   images with which the base learned the new task. And for `base-right` somebody must know which answers are right.
# - **Use.** To measure the drift on old prompts you need old prompts.
#
# **Next:** [08 Many skills in a row](08_many_skills.ipynb)
