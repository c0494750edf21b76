# %% [markdown]
# # 7. Drift and forgetting
#
# > **Claim you can check:** the further training moves a model from its starting point, the more the model forgets. The
# > distance is a KL divergence. On questions about old skills it rises with forgetting in every method. On questions
# > about the new skill it does not do so in every method. Training on the model's own answers is not needed to stay close to
# > the starting point, and it is not enough.
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
# ## What is compared
#
# In **SFT** (supervised fine-tuning) the model imitates an expert's demonstration word by word. In **SDFT**
# (self-distillation fine-tuning) the model answers a question itself, and each word of its answer is pulled towards the
# distribution that the same model has when it also sees the demonstration. The stored results of notebook 05 have both
# methods and eleven others, on one new skill: who keeps each of 24 things (*facts-new*). This lesson uses six methods:
#
# | method | what it does |
# |---|---|
# | `sft` | imitates the demonstrations |
# | `sdft` | imitates itself with the demonstration; the teacher has the pretrained weights |
# | `sdft ema` | the same, but the teacher's weights are a moving average of the student's |
# | `replay` | `sft`, with stored examples of the old skills in every batch |
# | `sft_kl` | `sft`, with a penalty on the KL from the pretrained model |
# | `grpo` | sees no demonstration; a reward says whether its answer is right (explained below) |
#
# `scripts/study.py` trained each method at six learning rates. It evaluated each run every 20 steps, on validation
# items. **Retention** is the accuracy on the five known skills divided by the accuracy before training, and
# **forgetting** is 1 minus retention.
#
# ## How far did a model move?
#
# The **drift** of a trained model is KL(pretrained ‖ trained). It is measured on answers that the pretrained model
# samples. At each word of an answer, both models give a distribution of the next word. The KL divergence of these two
# distributions is computed, and added up over the words of the answer. The drift is the mean over the answers, in **nats**
# (the unit of a natural logarithm) per answer.
#
# We train for 20 steps with SFT, and compute the drift twice: on 24 questions about the new skill, and on 30 about the
# five known skills.

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
# KL from the pretrained model on prompts of the **new** task. Others ([arXiv
# 2607.04364](https://arxiv.org/abs/2607.04364)) say that the drift on prompts of the **old** tasks matters. Each point
# below is the end of one run: six methods, six learning rates. First the drift on new prompts. You can choose the
# prompts, the methods and the points.

# %%
from workbench.plots.studies import drift_correlation
from workbench.widgets import DriftExplorer

one_skill = points(load_study("one_skill"))  # one row for each evaluation of a run
tuned = one_skill.query("part == 'validation' and order == 'facts-new'")
methods = ["sft", "sdft", "sdft ema", "replay", "sft_kl", "grpo"]
drift = DriftExplorer(tuned, methods)
drift

# %% [markdown]
# Now the drift on prompts of the known skills:

# %%
on_old = DriftExplorer(tuned, methods)
on_old.prompts.value = "kl_old"
on_old.snapshot()

# %% [markdown]
# The points lie closer to one rising curve. A **rank correlation** says how well two orders agree: it is 1 if the run with
# more drift always forgets more. The pictures use the end of each run. The table uses every evaluation, and all 13
# methods of the study (notebook 06 explains the others).

# %%
kinds = {"kl_new": "new prompts", "kl_old": "old prompts"}
correlation = pd.DataFrame({
    name: {words: drift_correlation(rows, kind) for kind, words in kinds.items()}
    for name, rows in (*tuned.groupby("method", sort=False), ("all", tuned))}).T
print("rank correlation of forgetting with the drift on")
print(correlation.map("{:.2f}".format).to_string())
high = ends(tuned).query("method == 'sdft' and rate >= 3e-4").set_index("rate")
print("\nsdft, drift in nats per answer, and forgetting:")
print(high[[*kinds]].round(1).rename(columns=kinds).assign(
    forgotten=(1 - high["retention"]).map(percent)).to_string())
verdict("in every method the drift on old prompts rises with forgetting.",
        (correlation["old prompts"] > 0.9).all())
verdict("the drift on new prompts fails in SDFT at high learning rates: it stays the same, and "
        "forgetting grows.", np.ptp(high["kl_new"]) < 2 and np.ptp(high["retention"]) > 0.5)

# %% [markdown]
# Why? At these learning rates the SDFT student has learned to answer new questions as its teacher does. Then its drift on new
# prompts stays near 11 nats. Its answers to other questions still change, and forgetting grows from 15 to 98 %.
#
# `sft_kl` is another exception. At learning rates up to 1e-3 its penalty keeps the drift on new prompts small. The
# model forgets the old skills nevertheless.
#
# Two cautions. The old prompts ask about the skills that are tested, so a closer fit is no surprise. And the methods
# were chosen because they differ; a correlation over such methods is not a law.
#
# ## What a trainer does not log
#
# Training programs log the loss or the reward. Both say little about forgetting. The study measured four other
# things at every evaluation. **Entropy** says how uncertain the model is: it is 0 nats if the model is certain of its next
# word. All runs below have the learning rate 3e-4.

# %%
from workbench.plots.studies import plot_diagnostic

titles = {"foreign_style": "answers in another style", "length": "length of an answer",
          "entropy": "entropy of its own answers",
          "context_right": "right with a demonstration"}
four = Figure(figsize=(8.6, 4.8), layout="constrained")
for i, (ax, (measure, title)) in enumerate(zip(four.subplots(2, 2).flat, titles.items(),
                                               strict=True)):
    plot_diagnostic(tuned, ["sft", "sdft", "replay", "sft_kl"], measure, ax, title,
                    legend=i % 2 == 1, rate=3e-4)
wb.show(four)

# %% [markdown]
# - **Style.** At step 40 every SFT answer is in the expert's style. The model's own style is gone before the facts are
#   learned.
# - **Length.** SFT answers have 17 tokens, as the expert's do; SDFT answers have 6.
# - **Entropy.** SFT becomes almost certain. `sft_kl` is the least certain: it is pulled to the expert and to the
#   pretrained model, and mixes the two styles.
# - **Right with a demonstration.** We put the demonstration into the prompt and ask again. SFT cannot use it any more: it
#   is right less often with the demonstration than without. It would fail the gate of notebook 04, so it could not go on
#   with SDFT.
#
# The last point does not hold in every skill. These are five seeds on test items, at the settings that notebook 05 chose:

# %%
last = ends(tuned).query("rate == 3e-4").set_index("method")
tested = ends(one_skill[one_skill["part"] == "test"]).query("method in ['sft', 'sdft']")
able = tested.groupby(["order", "method"])["context_right"].mean().unstack()[["sft", "sdft"]]
print("right with a demonstration, after training on:")
print(able.map(percent).rename_axis(index=None, columns=None).to_string())
verdict("on facts-new SFT ends in the expert's style, and can hardly use a demonstration any more; "
        "SDFT keeps both.",
        last.loc["sft", "foreign_style"] > 0.9 and last.loc["sdft", "foreign_style"] == 0
        and last.loc["sft", "context_right"] < 0.2 and last.loc["sdft", "context_right"] == 1)
verdict("other skills differ: SFT keeps this ability on tools-new; on letters-new SDFT loses half "
        "of it.", able.loc["tools-new", "sft"] > 0.9 and able.loc["letters-new", "sdft"] < 0.5)

# %% [markdown]
# ## A reward in place of a teacher
#
# In **reinforcement learning** nobody demonstrates. The model samples answers, and a **reward** scores them: here 1
# if the answer is right, and 0 if not. The **policy** is the model's distribution of answers. A **policy gradient** step
# makes answers with a high reward more likely:
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
# Does this step raise the expected reward? We can check it exactly. Let a model have three possible answers, with
# probabilities $p_c$ and rewards $r_c$. The gradient of the expected reward with respect to the logit of answer $c$ is
# $p_c (r_c - \bar r)$, where $\bar r$ is the expected reward. Three sampled answers can be one of 3 × 3 × 3 = 27
# combinations. We compute the gradient step of each combination, weight it by the probability of the combination,
# and add up.

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
print("exact:", exact.numpy().round(4), "  mean of the 27:", average.numpy().round(4))
verdict("on average the step is the exact gradient of the expected reward.",
        torch.allclose(average, exact))

# %% [markdown]
# **GRPO** (group-relative policy optimization) is such a method for language models. It samples eight answers to each
# question. Its advantages are the rewards minus the mean of all eight, divided by their standard deviation. Here is the
# loss of one step for four questions, written out.

# %%
from workbench.learners.text.grpo import exact_match
from workbench.models.encoding import decode
from workbench.runs.experiment import make_learner

grpo_config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="grpo", items=6)
learner, twin = (make_learner(grpo_config, stream_of(grpo_config)) for _ in range(2))
for each_learner in (learner, twin):
    each_learner.begin(stream_of(grpo_config).tasks[0])
four_questions = torch.tensor([0, 24, 48, 72])
asked = four_questions.repeat_interleave(8)
prompts = learner.read(0, asked)  # the questions, read once by the model
ids, mask = learner.respond(0, prompts, 1.0)  # one sampled answer to each
texts = decode(tokenizer, ids)
rewards = torch.tensor(exact_match(texts, [learner.items[j] for j in asked])).view(4, 8)
print("rewards of 8 answers to each of 4 questions:\n", rewards.int().numpy())

# %%
relative = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-6)
log_p = prompts.logits(ids, mask).log_softmax(-1).gather(-1, ids[..., None])[..., 0]
each_answer = -relative.view(32, 1) * log_p * mask
by_hand = (each_answer.sum(1) / mask.sum(1)).mean()
by_package = twin.loss_of(0, torch.cat([four_questions, torch.zeros(28, dtype=torch.long)]))
print(f"by hand {by_hand.item():.4f}, by the package {by_package.item():.4f}")
verdict("the loss by hand equals the package's.", torch.allclose(by_hand, by_package, atol=1e-5))

# %% [markdown]
# A reward can only teach if some answer is right. **pass@1** is the share of sampled answers that are right. **pass@8** is
# the share of questions with at least one right answer among eight. Before training:

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
# Next, the stored runs of `grpo` on *facts-new*, at their last evaluation. Each step asks 4 questions and samples 8
# answers to each, so 96 steps are four passes over the 96 training questions. On *letters-new* no answer is ever right, so we train five steps live.

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
# *RL's Razor* asks: if a question has **many** right answers, how far must a model move to give one of them? We repeat its
# small experiment with a network that knows two tasks.
#
# - **Old task:** name the digit in an image that is rotated by 90 degrees.
# - **New task:** on an upright image, give a digit of the same **parity** (even or odd). For an image of a 4 the
#   answers 0, 2, 4, 6 and 8 are all right.
#
# One more input tells the network which task is meant: 1 for the new task, -1 for the old one. The **base** network learns
# the old task on all images, and the new task on only 100 images. There the label of an even digit is one of the five
# even digits, drawn at random, and the label of an odd digit is one of the five odd digits.

# %%
def tasks_of(name, count):
    """Return the training and test images of the new task, then of the old task."""
    every = wb.make_stream(name, tasks=count).tasks
    return [(F.pad(part.x, (0, 1), value=flag), part.y)
            for task, flag in ((every[0], 1.0), (every[-1], -1.0))
            for part in (task.train, task.test)]


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
# Here is one image of a 4, and the answers of a base network. Even answers are right.

# %%
SEEDS = (0, 1, 2, 3, 4)
digits_data = {"rotated": tasks_of("rotated-digits", 4), "shuffled": tasks_of("permuted-digits", 2)}
bases = {(old_task, seed): base_network(*new_train, *old_train, torch.Generator().manual_seed(seed))
         for old_task, (new_train, _, old_train, _) in digits_data.items() for seed in SEEDS}
test_x, test_digits = digits_data["rotated"][1]
example = int((test_digits == 4).nonzero()[0, 0])
base_p = bases["rotated", 0](test_x[[example]]).softmax(1)

# %%
one_image = Figure(figsize=(7, 2.4), layout="constrained")
picture, bars = one_image.subplots(1, 2, width_ratios=(1, 3))
picture.imshow(test_x[example, :-1].reshape(8, 8), cmap="gray_r")
picture.axis("off")
describe(picture, "An image of a 4.")
heights = (100 * base_p[0]).round().int().tolist()
bars.bar_label(bars.bar(range(10), heights, color=["#0072B2", "#BBBBBB"] * 5))
bars.set(xticks=range(10), ylim=(0, 1.25 * max(heights)), ylabel="probability (%)",
         xlabel="answer of the base (blue: right, grey: wrong)")
describe(bars, "The base's answers: " + ", ".join(
    f"{label}: {height} %" for label, height in enumerate(heights)) + ".")
wb.show(one_image)
print(f"Together the right answers have {percent(float(base_p[0, ::2].sum()))}.")

# %% [markdown]
# Six methods learn parity from here. Four imitate labels; two follow a reward. **On-policy** means: trained on answers
# that the network itself gives now.
#
# | method | what it imitates, or what is rewarded | for this 4 | on-policy? |
# |---|---|---|---|
# | `sft-one` | imitates one right label: 0 for even, 1 for odd | 0 | no |
# | `sft-digit` | imitates the digit itself | 4 | no |
# | `sft-random` | imitates a right label, drawn once for each image | one of 0, 2, 4, 6, 8 | no |
# | `base-right` | imitates right answers that the base gives | 0, 2, 4, 6, 8, as often as the base | no |
# | `rl` | policy gradient; rewards its own answer if right | any of 0, 2, 4, 6, 8 | yes |
# | `rl-one` | policy gradient; rewards only 0 for even and 1 for odd | 0 | yes |
#
# The target of `base-right` is the base's own distribution, with all wrong answers removed. *RL's Razor* calls this
# target an oracle.
#
# How far is each target from the base, for this 4? Here we take KL(target ‖ base). `rl` has no fixed target.

# %%
def tables_of(digits, base_p, rng):
    """Return each method's target or reward for each label: shape (images, 10)."""
    labels = torch.arange(10)
    right = (labels % 2 == digits[:, None] % 2).float()
    one = right * (labels < 2)
    drawn_label = digits % 2 + 2 * torch.randint(5, (len(digits),), generator=rng)
    base_right = base_p * right / (base_p * right).sum(1, keepdim=True)
    return {"sft-one": one, "sft-digit": F.one_hot(digits, 10).float(),
            "sft-random": F.one_hot(drawn_label, 10).float(), "base-right": base_right,
            "rl": right, "rl-one": one}

# %%
seed_7 = torch.Generator().manual_seed(7)
of_this_4 = tables_of(torch.tensor([4]), base_p, seed_7)
distance = {name: float(torch.special.xlogy(target, target / base_p).sum())
            for name, target in of_this_4.items() if name != "rl"}
print(pd.Series(distance).map("{:.2f} nats".format).to_string())
any_right = np.random.default_rng(0).dirichlet(np.ones(5), 10_000)  # targets that are always right
others = (any_right * np.log(any_right / base_p[0, ::2].numpy())).sum(1)
verdict("no other target that is always right is closer to the base than base-right.",
        distance["base-right"] < min(others))
verdict("its distance is minus the logarithm of the base's probability of a right answer.",
        np.isclose(distance["base-right"], -np.log(float(base_p[0, ::2].sum())), rtol=1e-4))

# %% [markdown]
# ### All images
#
# All six methods use one loss: a weighted sum of the log-probabilities of the ten labels. Only the weights differ. The
# first three use the table above as it is. The others sample eight answers to each image: `base-right` from the base,
# `rl` and `rl-one` from the network itself. A sampled answer of `base-right` has the weight 1/8; for `rl` and `rl-one`
# the weight is 1/8 of the advantage.

# %%
def label_weights(method, table, p, rng):
    """Return the weight of each label in the loss: shape (images, 10)."""
    if method.startswith("sft"):
        return table
    sampled_from = table if method == "base-right" else p
    answers = torch.multinomial(sampled_from, 8, replacement=True, generator=rng)
    weights = torch.full(answers.shape, 1.0)
    if method.startswith("rl"):
        weights = solutions.advantages(table.gather(1, answers))
    return torch.zeros_like(p).scatter_add(1, answers, weights / 8)

# %% [markdown]
# The drift is KL(base ‖ network), on test images. For the new task an answer is right if its parity is right. The cell
# after it trains a copy of the base for 320 steps, and measures it every 20 steps.

# %%
def measure_digits(network, base, tests):
    """Return drift and accuracy on the new task, then on the old task."""
    values = []
    for (x, digits), different in zip(tests, (2, 10), strict=True):
        log_base, log_now = base(x).log_softmax(1), network(x).detach().log_softmax(1)
        values.append(float((log_base.exp() * (log_base - log_now)).sum(1).mean()))
        right = log_now.argmax(1) % different == digits % different
        values.append(float(right.double().mean()))
    return values

# %%
def train_digits(method, base, x, digits, tests, seed):
    network, rng = copy.deepcopy(base).requires_grad_(True), torch.Generator().manual_seed(seed)
    optimizer, rows = torch.optim.SGD(network.parameters(), lr=0.1), []
    table = tables_of(digits, base(x).softmax(1), rng)[method]
    for step in range(321):
        if step % 20 == 0:
            rows.append([step, *measure_digits(network, base, tests)])
        batch = torch.randint(len(x), (32,), generator=rng)
        log_p = network(x[batch]).log_softmax(1)
        weights = label_weights(method, table[batch], log_p.detach().exp(), rng)
        optimizer.zero_grad()
        (-(weights * log_p).sum(1).mean()).backward()
        optimizer.step()
    return pd.DataFrame(rows, columns=["step", "drift", "parity", "drift_old", "old"])

# %% [markdown]
# We train everything twice. In the second experiment the old task has images with **shuffled** pixels in place of
# rotated ones. This takes some twenty seconds.

# %%
from workbench.plots.styles import styles_of

styles = styles_of(of_this_4)
toy = pd.concat({(old_task, method, seed): train_digits(
    method, bases[old_task, seed], *new_train, (new_test, old_test), seed)
                 for old_task, (new_train, new_test, _, old_test) in digits_data.items()
                 for method in of_this_4 for seed in SEEDS},
                names=["old task", "method", "seed"]).reset_index(level=[0, 1, 2])
at_start = toy.groupby(["old task", "method", "seed"])["old"].transform("first")
toy["forgotten"] = at_start - toy["old"]
toy_means = toy.groupby(["old task", "method", "step"])[["drift", "parity", "forgotten"]].mean()

# %%
def draw_paths(ax, means, widest, highest, column=0.0):
    """Draw forgetting against drift: a path for each method that ends inside."""
    names_at = -np.inf
    for method, (x_end, _, y_end) in means.groupby("method").last().sort_values(
            "forgotten").iterrows():
        if x_end < widest:
            path, style = means.loc[method], styles[method]
            ax.plot(path["drift"], 100 * path["forgotten"], markersize=4, **style)
        if 0.12 * widest < x_end < widest:
            names_at = max(100 * y_end, names_at + 0.09 * highest)  # names must not overlap
            ax.text(max(x_end + 0.03 * widest, column), names_at, method, color=style["color"])
    ax.set(xlim=(-0.03 * widest, 1.05 * widest), ylim=(-0.05 * highest, highest))

# %%
razor_figure = Figure(figsize=(9, 6), layout="constrained")
axes = razor_figure.subplots(2, 2)
for (above, below), old_task in zip(axes.T, digits_data, strict=True):
    means = toy_means.loc[old_task]
    draw_paths(above, means, 8.5, 90)
    draw_paths(below, means, 0.8, 30, column=0.58)
    above.set_title(f"old task: {old_task} images")
    below.set(title="its lower left corner, enlarged", xlabel="drift on the new task (nats)")
    at_end = means.groupby("method").last()
    describe(above, f"{old_task} images: drift from {at_end['drift'].min():.1f} nats to "
             f"{at_end['drift'].max():.1f} nats; forgotten at the end: " + ", ".join(
                 f"{method} {percent(lost)}" for method, lost in at_end["forgotten"].items()) + ".")
    describe(below, "The corner, enlarged.")
razor_figure.supylabel("forgotten on the old task (%)", fontsize=11)
wb.show(razor_figure)

# %% [markdown]
# Each dot is a mean over five seeds, every 20 steps. The paths start at the lower left. Three methods stay in that
# corner, which the second row enlarges: `rl`, `base-right` and `sft-random`. The two that must answer 0 or 1 go far to the
# right and forget most. Inside the corner drift says less: with rotated images, at 0.2 nats, `sft-random` has forgotten
# about four times as much as `rl`.
#
# The methods have learned different amounts at the same step. So we compare them at the first evaluation with
# a parity accuracy of 93 % (mean of the seeds). Forgetting plays no part in this choice.

# %%
from workbench.plots import percent_over_seeds

at_least_93 = toy_means.query("step > 0 and parity >= 0.93").reset_index("step")
matched = toy.merge(at_least_93.groupby(["old task", "method"])["step"].first().reset_index())
by_method = matched.groupby(["old task", "method"])
matched_means = by_method[["drift", "forgotten"]].mean()
for old_task in digits_data:
    print(f"\n{old_task} images:")
    print(by_method.agg({"drift": "mean", "forgotten": lambda lost: percent_over_seeds(
        lost.clip(lower=0))}).loc[old_task].sort_values("drift").rename_axis(None)
        .to_string(float_format="{:.2f} nats".format))

# %%
for old_task in digits_data:
    drifts, forgotten = (matched_means.loc[old_task, column] for column in ("drift", "forgotten"))
    print(f"\n{old_task} images:")
    verdict("sft-one and rl-one go far and forget over half; base-right forgets under a tenth.",
            forgotten["base-right"] < 0.1 and forgotten[["sft-one", "rl-one"]].min() > 0.5)
    verdict("training on its own answers is not needed to stay close: base-right and sft-random "
            "are the closest, and they do without.",
            set(drifts.nsmallest(2).index) == {"base-right", "sft-random"})
    verdict("it is not enough either: rl-one trains on its own answers, and goes farthest.",
            drifts.idxmax() == "rl-one")

# %% [markdown]
# *RL's Razor* reports that a quadratic function of the drift on the new task explains 96 % of the variance of forgetting.
# How much does it explain here?

# %%
def explained(table, by):
    """Return the share of the variance of forgetting that a quadratic function explains."""
    quadratic = np.polynomial.Polynomial.fit(table[by], table["forgotten"], 2)
    return 1 - (table["forgotten"] - quadratic(table[by])).var() / table["forgotten"].var()


shares = {old_task: {words: explained(rows, by) for by, words in
                     (("drift", "drift on the new task"), ("drift_old", "drift on the old task"))}
          for old_task, rows in toy.query("step > 0").groupby("old task")}
print(pd.DataFrame(shares).T.map(percent).rename_axis(None).to_string())
verdict("the drift on the old task explains more than the drift on the new task.",
        all(share["drift on the old task"] > 0.9 > share["drift on the new task"]
            for share in shares.values()))

# %% [markdown]
# So drift on the new task explains less here than in the paper. The figure shows one reason: with shuffled images
# `sft-digit` goes far and forgets little. A likely reason: it must become certain on the new images, but its answers on
# the old ones need not change.
#
# ## Which published claims do these results support?
#
# | published | here |
# |---|---|
# | forgetting follows the KL from the pretrained model on **new** prompts (*RL's Razor*) | in most methods; not in SDFT at high learning rates, nor in SFT with a KL penalty, nor in `sft-digit` with shuffled images |
# | the drift on **old** prompts matters (2607.04364) | yes, in every method and in both experiments with digits |
# | imitating the oracle forgets even less than reinforcement learning (*RL's Razor*) | with rotated images, on average over five seeds (the intervals overlap); with shuffled images both forget very little |
#
# **What would change your mind?** Suppose drift and forgetting had been unrelated. Then "SDFT forgets less because it
# stays close to the pretrained model" would be wrong. Suppose `base-right` had forgotten as much as `sft-one`, and `rl-one`
# as little as `rl`. Then being on-policy would be the cause.
#
# ## Try it yourself
#
# - In the first widget choose *every evaluation of each run*, and tick one method at a time. Where does the curve
#   bend?
# - Add a method to `tables_of`, for example *either of two right labels*. Where will it end? Guess first.
# - Change the reward of `rl-one` to *the digit itself*. Will it forget as much as `rl-one`?
#
# ## Limits
#
# - **Text.** There is one tiny language model and one new skill, and the study used one seed for each learning rate.
#   The four pictures of what trainers do not log show one learning rate.
# - **Digits.** The network is small, with five seeds and one learning rate. `base-right` needs somebody who tells
#   right answers from wrong ones. Much depends on the 100 images of the base. With one fixed choice of them for all
#   seeds, the base knew less of the new task, and `rl` and `rl-one` did not reach 93 % in 320 steps.
# - **Use.** To measure the drift on old prompts you need old prompts.
#
# **Next:** [08 Many skills in a row](08_many_skills.ipynb)
