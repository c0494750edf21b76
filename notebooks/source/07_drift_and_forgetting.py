# %% [markdown]
# # 7. Drift and forgetting
#
# > **Claim you can check:** the *drift* of a model measures how much training has changed its answers. In each of six
# > methods, forgetting follows the drift on questions about **old** skills. The drift on questions about the **new**
# > skill can mislead: in the method `sdft` it is about the same at three learning rates, but the model forgets more at
# > each higher rate. A method can have less drift of both kinds than another method, and still forget more. A network
# > can have little drift without training on its own answers. And a network that trains on its own answers can have a
# > large drift.
#
# | | |
# |---|---|
# | **Objectives** | compute the drift of a model by hand · compare drift with forgetting · read two measurements besides the loss · learn from a reward · repeat the central experiment of *RL's Razor* on digits |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb); [06 What makes SDFT work](06_what_makes_sdft_work.ipynb) helps |
# | **Time** | 50 minutes to work through, under 1 minute to run on two CPU cores |
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
# of training on this skill.
#
# | method | training |
# |---|---|
# | `sft` | fine-tuning: the model imitates an expert's answers (the **demonstrations**) word by word |
# | `sdft` | the model answers the question, and imitates a teacher at each word of its own answer. The teacher is the pretrained model with the demonstration in its prompt |
# | `sdft ema` | `sdft`, but the weights of the teacher are a moving average of the student's weights |
# | `replay` | `sft`, with stored examples of the old skills in every batch |
# | `sft_kl` | `sft`, with a penalty on the KL divergence from the pretrained model |
# | `grpo` | no demonstrations: the model answers, and gets a reward for a right answer (explained below) |
#
# **Retention** is the accuracy on the five known skills divided by the accuracy before training. **Forgetting** is 1
# minus retention.
#
# ## How far did a model move?
#
# The **drift** is the KL divergence KL(pretrained ‖ trained). We measure it in three steps:
#
# 1. The pretrained model samples an answer to each question.
# 2. At each word of the answer, both models give a distribution over the next word. We compute the KL divergence of
#    these two distributions. The sum over the words is the drift of this answer.
# 3. The drift of the model is the mean over the answers. Its unit is nats per answer.
#
# We train for 20 steps with SFT. Then we compute the drift on 24 questions about the new skill (**new prompts**), and
# on 30 questions about the five known skills (**old prompts**).

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
    "new prompts": spread(text_stream.tasks[0].test.items, 24),
    "old prompts": [item for task in text_stream.old_tasks for item in spread(task.test.items, 6)]}

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
kinds = {"kl_new": "new prompts", "kl_old": "old prompts"}  # names in the stored results
recorded = dict(zip(record.diagnostic_names, record.diagnostics[0, -1], strict=True))
for column, kind in kinds.items():
    nats = drift_of(trained, questions[kind])
    print(f"drift on {kind}: {nats:.2f} nats per answer")
    verdict("the package gives the same drift.", np.isclose(nats, recorded[column], rtol=1e-4))

# %% [markdown]
# ## Does forgetting grow with drift?
#
# *RL's Razor* ([Shenfeld et al., arXiv 2509.04259](https://arxiv.org/abs/2509.04259)) says that forgetting follows the
# drift on **new** prompts. Another paper ([arXiv 2607.04364](https://arxiv.org/abs/2607.04364)) says that forgetting
# follows the drift on **old** prompts.
#
# The study (`scripts/study.py`) trained each method at six learning rates. Each point below is the end of one run, so
# there are 36 points. A **rank correlation** compares two orders: the runs sorted by drift, and the runs sorted by
# forgetting. It is 1 if a run with more drift always forgets more.
#
# First the drift on new prompts:

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
wb.show(on_old.figure())

# %% [markdown]
# The next figure has the rank correlation within each method, and over all 36 runs.

# %%
last = ends(tuned)
correlation = pd.DataFrame({kind: {
    name: drift_correlation(rows, column)
    for name, rows in (*last.groupby("method", sort=False), ("all six", last))}
    for column, kind in kinds.items()})

# %%
from workbench.plots.styles import styles_of

ranks = Figure(figsize=(7, 2.8), layout="constrained").subplots()
for kind, colour, marker in (("new prompts", "#D55E00", "s"), ("old prompts", "#0072B2", "o")):
    ranks.plot(correlation[kind], correlation.index, marker, color=colour, label=f"drift on {kind}")
ranks.set(xlim=(-0.03, 1.03), xlabel="rank correlation of forgetting with the drift")
ranks.invert_yaxis()
ranks.legend(frameon=False, loc="center left")
wb.show(describe(ranks, "Rank correlations of forgetting with the drift on new and on old prompts: "
                 + "; ".join(f"{name} {new:.2f} and {old:.2f}"
                             for name, (new, old) in correlation.iterrows()) + "."))
wb.show_numbers(correlation, "rank correlations", "{:.2f}".format)

# %%
verdict("in each of the six methods the rank correlation of forgetting with the drift on old "
        "prompts is above 0.9.", (correlation["old prompts"] > 0.9).all())
verdict("over all 36 runs, forgetting follows the drift on old prompts more closely than the "
        "drift on new prompts.",
        correlation.loc["all six", "old prompts"] > correlation.loc["all six", "new prompts"] + 0.1)

# %% [markdown]
# Now we look at single runs: `sdft` and `sft_kl` at the three highest learning rates. A line joins the runs of a
# method, and a number is a learning rate.

# %%
high = last.query("method in ['sdft', 'sft_kl'] and rate >= 3e-4").rename(columns=kinds)
high = high.assign(forgotten=100 * (1 - high["retention"])).sort_values(["method", "rate"])
high = high.set_index(["method", "rate"])[["new prompts", "old prompts", "forgotten"]]
sides = Figure(figsize=(9, 3.2), layout="constrained").subplots(1, 2, sharey=True)
for ax, kind in zip(sides, kinds.values(), strict=True):
    for method, style in styles_of(["sdft", "sft_kl"]).items():
        ax.plot(high.loc[method, kind], high.loc[method, "forgotten"], label=method, **style)
    for (_, rate), run in high.iterrows():
        ax.annotate(f"{rate:g}", (run[kind], run["forgotten"]), (7, -4),
                    textcoords="offset points", fontsize=9)
    ax.set(xlabel=f"drift on {kind} (nats per answer)", ylim=(0, 104), xmargin=0.15)
    describe(ax, f"Forgotten share against drift on {kind}: " + "; ".join(
        f"{name} at {rate:g} {run[kind]:.1f} nats, {run['forgotten']:.0f} %"
        for (name, rate), run in high.iterrows()) + ".")

# %%
sides[0].set_ylabel("forgotten (%)")
sides[1].legend(frameon=False, loc="lower right")
wb.show(sides[0].figure)
wb.show_numbers(high, "drift (nats per answer) and forgetting (%)", "{:.1f}".format)
of_sdft, of_kl, both = high.loc["sdft"], high.loc["sft_kl"], [3e-4, 1e-3]
verdict("sdft has about the same drift on new prompts at all three learning rates. It forgets "
        "more at each higher rate.", np.ptp(of_sdft["new prompts"]) < 2
        and (np.diff(of_sdft["forgotten"]) > 30).all())
verdict("at 3e-4 and at 1e-3 sft_kl has less drift than sdft on both kinds of prompts, but "
        "forgets more.", (of_kl < of_sdft).loc[both, list(kinds.values())].all(axis=None)
        and (of_kl["forgotten"] > of_sdft["forgotten"] + 5)[both].all())

# %% [markdown]
# - **Within `sdft`** the drift on new prompts misleads. It stays near 11 nats, while forgetting grows from 15 to 98 %.
#   A likely reason: at each of these rates the student ends with its teacher's answers to the new questions. But
#   nothing in the training keeps its answers to old questions as they were.
# - **Between two methods** the drift on old prompts can mislead too. At 3e-4 and at 1e-3 `sft_kl` has less of both
#   kinds of drift than `sdft` (on old prompts 0.2 against 0.9 nats, and 2.8 against 3.3), but forgets more.
#
# A caution: forgetting is measured on the old skills, and old prompts are questions about these skills. So it is no
# surprise that forgetting follows the drift on old prompts. [RL's Razor in depth](more/razor_in_depth.ipynb) compares
# all 16 methods of the study.
#
# ## What the loss does not show
#
# The loss does not show how the answers of a model change. Here are two other measurements. Each curve is one run with
# the learning rate 3e-4.

# %%
from workbench.plots.sequences import plot_over_seeds
from workbench.plots.studies import plot_by_rate, plot_diagnostic

titles = {"foreign_style": "answers in another style",
          "context_right": "right with a demonstration"}
two = Figure(figsize=(8.6, 2.8), layout="constrained")
for ax, (measure, title) in zip(two.subplots(1, 2), titles.items(), strict=True):
    plot_diagnostic(tuned, ["sft", "sdft", "replay", "sft_kl"], measure, ax, title, 3e-4,
                    legend=measure == "context_right")
wb.show(two)
at_40 = tuned.query("method == 'sft' and rate == 3e-4 and step in [0, 40]")["new"]
print("sft, right answers before training and at step 40:", ", ".join(map(percent, at_40)))

# %% [markdown]
# - **Style.** At step 40 no SFT answer is in the model's own style any more. But only 8 % of the answers are right (6 %
#   before training). So SFT loses the style before it learns the facts.
# - **Right with a demonstration.** We put the demonstration into the prompt, and ask again. After SFT only 12 % of the
#   answers are right. The gate of lesson 04 would refuse this model as a teacher.
#
# The last result depends on the skill, and on the seed. The next figure has the same measurement for all six skills.
# Before training it was 100 %. The rule of lesson 05 chose the learning rates and steps. A large mark is a mean over at
# least five seeds, black dots are seeds, and a line is a 95 % interval.

# %%
tested = ends(one_skill.query("part == 'test' and method in ['sft', 'sdft']"))
shown = tested.pivot_table("context_right", "order", "method")[["sft", "sdft"]]
with_one = Figure(figsize=(8, 3.6), layout="constrained")
rows = {skill: {method: one["context_right"] for method, one in runs.groupby("method")}
        for skill, runs in tested.groupby("order")}
wb.show(plot_over_seeds(rows, with_one.subplots(), "right with a demonstration, after training",
                        legend=True))
wb.show_numbers(shown, "right answers with a demonstration in the prompt", percent)
verdict("after SFT these shares are 50 % or less, except on tools-new. After SDFT they are 75 % or "
        "more, except on letters-new and letters-hard-new.",
        list(shown.index[shown["sft"].round(2) > 0.5]) == ["tools-new"]
        and list(shown.index[shown["sdft"].round(2) < 0.75]) == ["letters-hard-new", "letters-new"])

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
# Example: one of four answers is right. Its advantage is 1 - 0 = 1. Each wrong answer has the advantage
# 0 - 1/3 = -1/3. If all four are wrong, or all right, every advantage is 0. Then the model learns nothing from this
# question.
#
# On average over the samples, the step is exactly the gradient of the expected reward ([RL's Razor in
# depth](more/razor_in_depth.ipynb) checks this).
#
# {{exercise advantages}}

# %%
def advantages(rewards):
    ...


check("advantages", advantages)

# %% [markdown]
# {{solution advantages}}
#
# **GRPO** (group-relative policy optimization) is a policy gradient method for language models. It samples eight
# answers to each question. Its advantage is (reward - mean of all eight rewards) / standard deviation of the eight
# rewards.
#
# A reward can only teach if some answer is right. **pass@1** is the share of sampled answers that are right. **pass@8**
# is the share of questions with at least one right answer among eight. Here are both before training, for *facts-new*
# and for *letters-new*, where the right answer is a sequence of three letters.

# %%
from workbench.measure.completions import complete
from workbench.tasks import load_skill

for skill in ("facts-new", "letters-new"):
    items = spread(load_skill(skill, "train"), 48)
    right = np.array([complete(model, tokenizer, items, temperature=1.0,
                               rng=torch.Generator().manual_seed(seed)).right
                      for seed in range(8)])  # shape (answers, questions)
    print(f"{skill:12s} pass@1 {percent(right.mean())}, pass@8 {percent(right.any(0).mean())}")

# %% [markdown]
# On *letters-new* no answer is right, so all advantages are 0 and GRPO changes nothing. On *facts-new* it can learn. The
# figure has the stored runs after 160 steps.

# %%
grpo_ends = last.query("method == 'grpo'").set_index("rate")[["new", "retention"]]
wb.show(plot_by_rate(tuned, ["grpo"], Figure(figsize=(9, 2.8), layout="constrained")))
wb.show_numbers(grpo_ends, "grpo at each learning rate", percent)
verdict("GRPO learns at most a quarter of the facts.", grpo_ends["new"].max() <= 0.25)

# %% [markdown]
# GRPO learns little because it finds few right answers to reward. Before training, eight answers contain a right one
# for only 12 % of the questions. In training, the model answers each question about fifty times. So it can find right
# answers to more than these 12 %.
#
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
# The **base** network learns the old task on all images, and the new task on only 100 images. In every training step,
# the images of the new task get random labels: an even digit for an image of an even digit, and an odd digit for an
# image of an odd digit.

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
        logits = network(torch.cat([x[new], old_x[old]]))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.cat([labels, old_digits[old]])).backward()
        optimizer.step()
    return network.requires_grad_(False)

# %% [markdown]
# ### One image
#
# We train one base network for each of five seeds. For an image of a 4, about half of the answers of the first base are
# right:

# %%
bases = {seed: base_network(*new_train, *old_train, torch.Generator().manual_seed(seed))
         for seed in range(5)}
base_p = bases[0](new_test[0][new_test[1] == 4][:1]).softmax(1)
print("right answers together:", percent(base_p[0, ::2].sum().item()))

# %% [markdown]
# Four methods start from this base and learn parity. Two imitate a target. Two train **on-policy**, that is, on their
# own answers, with a policy gradient.
#
# | | accepts one answer: 0 for even, 1 for odd | accepts all five right answers |
# |---|---|---|
# | **imitates a target** | `sft-one`: the target is this answer | `base-right`: the target is the base's distribution without its wrong answers |
# | **policy gradient** | `rl-one`: reward 1 for this answer only | `rl`: reward 1 for every right answer |
#
# To make the target of `base-right`, we set the probabilities of the wrong answers to 0, and scale the others so that
# they sum to 1. For this 4, their sum rises from 51 % to 100 %, so each about doubles. The target of `sft-one` raises
# the answer 0 from 5 % to 100 %. No other target without wrong answers is as close to the base, measured by KL(target ‖
# base) ([RL's Razor in depth](more/razor_in_depth.ipynb) checks this). *RL's Razor* calls this target an oracle.

# %%
METHODS = ("sft-one", "base-right", "rl", "rl-one")


def targets_of(digits, base_p):
    """Return the target, or the rewards, of each method: shape (images, 10)."""
    right = (torch.arange(10) % 2 == digits[:, None] % 2).float()
    one = right * (torch.arange(10) < 2)
    base_right = base_p * right / (base_p * right).sum(1, keepdim=True)
    return dict(zip(METHODS, (one, base_right, right, one), strict=True))

# %%
targets = targets_of(torch.tensor([4]), base_p)
answers_to_4 = {"answers of the base": base_p, "target of base-right": targets["base-right"],
                "target of sft-one": targets["sft-one"]}
columns = Figure(figsize=(9, 2.5), layout="constrained").subplots(1, 3, sharey=True)
for ax, (title, p) in zip(columns, answers_to_4.items(), strict=True):
    bars = ax.bar(range(10), 100 * p[0].numpy(), color=["#009E73", "#BBBBBB"] * 5)
    ax.set(title=title, xlabel="answer (green: right)", xticks=range(10))
    describe(ax, f"Bars, {title}: " + ", ".join(
        f"{digit} {percent(share)}" for digit, share in enumerate(p[0].tolist())) + ".")
columns[0].set_ylabel("probability (%)")
wb.show(columns[0].figure)

# %% [markdown]
# ### All images
#
# All four methods use one loss: minus a weighted sum of the log-probabilities of the ten answers. Only the weights
# differ:
#
# - `sft-one`: the weight is 1 for the accepted answer, and 0 for the others.
# - `base-right`: we sample eight answers from the target. Each has the weight 1/8.
# - `rl` and `rl-one`: we sample eight answers from the network itself. Each has the weight 1/8 times its advantage.

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
# We train a copy of each base for 320 steps. Every 20 steps we measure on test images:
#
# - the drift KL(base ‖ network) on the new task,
# - the accuracy on the new task: the share of images whose likeliest answer has the right parity,
# - the accuracy on the old task. *Forgotten* is the accuracy before training minus the accuracy now.

# %%
def measure_digits(network, base):
    """Return the drift on the new task, and the accuracy on the new and on the old task."""
    (x, digits), (old_x, old_digits) = new_test, old_test
    log_base, log_now = base(x).log_softmax(1), network(x).detach().log_softmax(1)
    drift_now = (log_base.exp() * (log_base - log_now)).sum(1).mean().item()
    parity = (log_now.argmax(1) % 2 == digits % 2).double().mean().item()
    return drift_now, parity, (network(old_x).argmax(1) == old_digits).double().mean().item()

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
toy = pd.DataFrame([row for method in METHODS for seed in bases
                    for row in train_digits(method, seed)],
                   columns=["method", "seed", "step", "drift", "parity", "old"])
toy["forgotten"] = toy.groupby(["method", "seed"])["old"].transform("first") - toy["old"]
toy_means = toy.groupby(["method", "step"])[["drift", "parity", "forgotten"]].mean()
at_end = toy_means.groupby("method").last()

# %%
razor_figure = Figure(figsize=(8, 3.6), layout="constrained")
plane = razor_figure.subplots()
for method, style in styles_of(METHODS).items():
    plane.plot(toy_means.loc[method, "drift"], 100 * toy_means.loc[method, "forgotten"],
               markersize=4, label=method, **style)
plane.set(xlabel="drift on the new task (nats, log scale)", ylabel="forgotten (%)")
plane.set_xscale("symlog", linthresh=0.1)
plane.legend(frameon=False)
describe(plane, "Drift and forgetting at the end: " + "; ".join(
    f"{method} {row.drift:.1f} nats, {percent(row.forgotten)}"
    for method, row in at_end.iterrows()) + ".")
wb.show(razor_figure)

# %% [markdown]
# Each marker is a mean over five seeds, at one evaluation. All paths start at the lower left. `sft-one` and `rl-one`
# accept only one answer, and the base seldom gives this answer. They have the largest drift and forget most. `rl` and
# `base-right` have little drift.
#
# After the same number of steps the methods have learned different amounts. So for each method we take the first
# evaluation at which the parity accuracy (mean over the seeds) is at least 93 %. The base has 90 %, because only the
# likeliest answer counts. For the 4 above this is a right answer, although all right answers together have only 51 %.

# %%
from workbench.plots import percent_over_seeds

reached = toy_means.query("step > 0 and parity >= 0.93").reset_index("step").groupby("method")
matched = toy[toy["step"] == toy["method"].map(reached["step"].first())].groupby("method")
by_drift = matched.agg({"drift": "mean", "forgotten": percent_over_seeds}).sort_values("drift")
matched_axes = Figure(figsize=(7.5, 2.5), layout="constrained").subplots()
wb.show(plot_over_seeds({f"{method}, drift {by_drift.loc[method, 'drift']:.2f} nats": {
    method: matched.get_group(method)["forgotten"]} for method in METHODS},
    matched_axes, "forgotten at 93 % parity accuracy"))
wb.show_numbers(by_drift, "drift (nats) and forgetting at 93 % parity accuracy")
print("parity accuracy of the base:", percent(toy.query("step == 0")["parity"].mean()))
drifts, forgotten = matched["drift"].mean(), matched["forgotten"].mean()

# %%
verdict("sft-one and rl-one forget over half. base-right and rl forget under a tenth.",
        forgotten[["base-right", "rl"]].max() < 0.1
        and forgotten[["sft-one", "rl-one"]].min() > 0.5)
verdict("base-right does not train on its own answers, and has the least drift. rl-one trains on "
        "its own answers, and has the most.",
        drifts.idxmin() == "base-right" and drifts.idxmax() == "rl-one")

# %%
from workbench.measure.intervals import seed_interval

final = toy.query("step == 320").pivot(index="seed", columns="method", values="forgotten")
difference = final["base-right"] - final["rl"]  # of the same seed
low_end, high_end = seed_interval(difference)
print(f"At the end base-right has forgotten {100 * difference.mean():.0f} points more than rl "
      f"(95 % interval {100 * low_end:.0f} to {100 * high_end:.0f}).")
verdict("at the end rl has over twice as much drift as base-right. The interval of the difference "
        "in forgetting contains 0.",
        at_end.loc["rl", "drift"] > 2 * at_end.loc["base-right", "drift"]
        and low_end < 0 < high_end)

# %% [markdown]
# So in this experiment the two methods that accept many answers have little drift. On-policy training alone does not
# keep the drift small. And `rl` has more drift than `base-right`, but we see no clear difference in forgetting.
# [RL's Razor in depth](more/razor_in_depth.ipynb) adds two methods, a second old task, and the drift on old tasks.
#
# ## Which published claims do these results support?
#
# | published | here |
# |---|---|
# | forgetting follows the drift on **new** prompts (*RL's Razor*) | in part: the rank correlation is 0.89 to 1.00 in four of six methods, 0.70 in `replay` and 0.37 in `sdft ema` |
# | forgetting follows the drift on **old** prompts (2607.04364) | yes within each method: the rank correlation is at least 0.93. Between `sft_kl` and `sdft` this drift misleads at two learning rates, as the drift on new prompts does |
# | training on the oracle's answers forgets even less than reinforcement learning (*RL's Razor*) | unclear: at 93 % parity accuracy `base-right` has forgotten 4 % and `rl` 5 %. At the end of training they have forgotten 12 % and 9 %. Neither difference is clear |
#
# **What would change your mind?** Suppose drift and forgetting had been unrelated. Then "SDFT forgets less because it
# stays close to the pretrained model" would be wrong. Suppose `base-right` had forgotten as much as `sft-one`, and
# `rl-one` as little as `rl`. Then on-policy training would be the likely cause of less forgetting.
#
# ## Try it yourself
#
# - In `targets_of`, the last `one` is the reward of `rl-one`. Change it to `F.one_hot(digits, 10).float()`: now only
#   the digit itself is rewarded. Will `rl-one` forget as much as before? Guess first, and then run the cells of *All
#   images*. Verdicts may fail: they hold for the old reward.
#
# ## Limits
#
# - **Text.** There is one tiny language model and one new skill, with one seed for each learning rate. Six runs are few
#   for the rank correlation of a method.
# - **Digits.** The network is small, with five seeds and one learning rate. The results may depend strongly on the 100
#   images with which the base learned the new task. And for `base-right` somebody must know which answers are right.
# - **Use.** To measure the drift on old prompts you need old prompts.
#
# **Next:** [08 Many skills in a row](08_many_skills.ipynb)
