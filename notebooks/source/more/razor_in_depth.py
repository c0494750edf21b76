# %% [markdown]
# # More: RL's Razor in depth
#
# > **Claim you can check:** lesson 07 compares drift with forgetting. Its results also hold with 16 methods of training
# > a language model, and with two old tasks and six methods on digits. In both experiments, forgetting follows the
# > drift on the **old** skills or task more closely than the drift on the **new** skill or task.
#
# | | |
# |---|---|
# | **Objectives** | check the policy gradient exactly · compute the loss of GRPO by hand · compare drift and forgetting in 16 methods · compare six methods on digits · say how much of the forgetting the drift explains |
# | **Prerequisites** | [07 Drift and forgetting](../07_drift_and_forgetting.ipynb) |
# | **Time** | 40 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import copy

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import solutions, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds
from workbench.plots.sequences import plot_over_seeds, plot_stages
from workbench.plots.studies import drift_correlation
from workbench.plots.styles import styles_of

# %%
from workbench.runs.studies import load_study, points

wb.prepare_notebook()

# %% [markdown]
# ## Sixteen methods
#
# The **drift** of a trained model is KL(pretrained ‖ trained), a distance between the answers of two models. Sort the
# evaluations of all runs by drift, and sort them by forgetting. The **rank correlation** says how well the two orders
# agree. It is 1 if more drift always comes with more forgetting. Lesson 07 takes one point for each run, its end. Here
# every evaluation of a run is a point, so the numbers differ from those of lesson 07.
#
# Lesson 07 shows six methods. The figure has all 16 methods of the study. Lessons 05 and 06 explain them. Each method has
# six learning rates, and the skill is *facts-new*.

# %%
tuned = points(load_study("one_skill")).query("part == 'validation' and order == 'facts-new'")
kinds = {"kl_new": "new prompts", "kl_old": "old prompts"}
correlation = pd.DataFrame({
    name: {words: drift_correlation(rows, kind) for kind, words in kinds.items()}
    for name, rows in (*tuned.groupby("method", sort=False), ("all", tuned))}).T

# %%
ranks = Figure(figsize=(8, 5), layout="constrained").subplots()
looks = ({"color": "#D55E00", "marker": "s", "markersize": 8}, {"color": "#0072B2", "marker": "o"})
for (words, column), look in zip(correlation.items(), looks, strict=True):
    ranks.plot(column, column.index, **look, linestyle="", label=f"drift on {words}")
ranks.set(xlim=(-0.03, 1.03), xlabel="rank correlation of forgetting with the drift")
ranks.invert_yaxis()
ranks.legend(frameon=False, loc="center left")
wb.show(describe(ranks, "Rank correlations of forgetting with the drift on new and on old prompts: "
                 + "; ".join(f"{name} {new:.2f} and {old:.2f}"
                             for name, (new, old) in correlation.iterrows()) + "."))
wb.show_numbers(correlation, "rank correlations", "{:.2f}".format)

# %%
verdict("in each of the 16 methods the rank correlation of forgetting with the drift on old "
        "prompts is above 0.9.",
        len(correlation) == 17 and (correlation["old prompts"] > 0.9).all())
verdict("over all methods together, forgetting follows the drift on old prompts more closely than "
        "the drift on new prompts.",
        correlation.loc["all", "old prompts"] > correlation.loc["all", "new prompts"] + 0.05)

# %% [markdown]
# The correlation with the drift on new prompts is lowest for `sdft ema`, which is SDFT with a moving average as its
# teacher. For five methods both correlations are about equal: `sft`, `grpo`, `sdft reverse`, `sdft student` and
# `sft_kl`.
#
# ## Is a policy gradient step right on average?
#
# Lesson 07 says that the average step is exactly the gradient of the expected reward. We check this with a model that
# has three possible answers, with probabilities $p_c$ and rewards $r_c$. Let $\bar r$ be the expected reward. The
# gradient of $\bar r$ with respect to the logit of answer $c$ is $p_c (r_c - \bar r)$.
#
# A step samples three answers. The **advantage** of an answer is its reward minus the mean reward of the other two. So
# there are 3 × 3 × 3 = 27 possible samples. We compute the step for each sample, and multiply it by the probability of
# the sample. The sum of these 27 products is the average step.

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
print("exact:", exact.numpy().round(4), "  average step:", average.numpy().round(4))
verdict("the average step is the exact gradient of the expected reward.",
        torch.allclose(average, exact))

# %% [markdown]
# ## One step of GRPO by hand
#
# **GRPO** (group-relative policy optimization) samples eight answers to each question, and gives each answer a reward: 1
# if it is right, 0 if not. In GRPO the advantage of an answer is (its reward - the mean of the eight rewards) / the
# standard deviation of the eight rewards. First we sample answers to four questions. In the figure a row is a question,
# and each of its squares is an answer.

# %%
from workbench.learners.text.grpo import exact_match
from workbench.models.encoding import decode
from workbench.runs.experiment import make_learner, stream_of

grpo_config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="grpo", items=6)
learner, twin = (make_learner(grpo_config, stream_of(grpo_config)) for _ in range(2))
for each_learner in (learner, twin):
    each_learner.begin(stream_of(grpo_config).tasks[0])
four_questions = torch.tensor([0, 24, 48, 72])
asked = four_questions.repeat_interleave(8)  # each question eight times
prompts = learner.read(0, asked)  # the questions, read once by the model
ids, mask = learner.respond(0, prompts, 1.0)  # one sampled answer to each
texts = decode(learner.model.tokenizer, ids)
rewards = torch.tensor(exact_match(texts, [learner.items[j] for j in asked])).view(4, 8)

# %%
squares = Figure(figsize=(7, 2.2), layout="constrained").subplots()
squares.pcolormesh(rewards.numpy(), cmap="Blues", vmin=0, vmax=1.5, edgecolor="white", linewidth=3)
for (row, column), reward_of in np.ndenumerate(rewards.int().numpy()):
    squares.text(column + 0.5, row + 0.5, reward_of, ha="center", va="center")
squares.set(title="1: right, 0: wrong", xticks=[], ylim=(4, 0))
squares.set_yticks(np.arange(4) + 0.5, [learner.items[j].prompt for j in four_questions])
squares.grid(False)
wb.show(describe(squares, "Rewards of eight answers to each of four questions: " + "; ".join(
    f"{learner.items[j].prompt} {', '.join(map(str, row.tolist()))}"
    for j, row in zip(four_questions, rewards.int(), strict=True)) + "."))

# %% [markdown]
# The loss of an answer is minus its advantage times the mean log-probability of its words. The loss of the step is the
# mean over all 32 answers. The package's step expects a batch of 32 questions. It uses only the first four of them,
# with eight answers each. So the other 28 can be any questions.

# %%
relative = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-6)
log_p = prompts.logits(ids, mask).log_softmax(-1).gather(-1, ids[..., None])[..., 0]
each_answer = -relative.view(32, 1) * log_p * mask
by_hand = (each_answer.sum(1) / mask.sum(1)).mean()
unused = torch.zeros(28, dtype=torch.long)
by_package = twin.loss_of(0, torch.cat([four_questions, unused]))
print(f"by hand {by_hand.item():.4f}, by the package {by_package.item():.4f}")
verdict("the loss by hand equals the package's.", torch.allclose(by_hand, by_package, atol=1e-5))

# %% [markdown]
# Three questions have no right answer. All their advantages are 0, and the model learns nothing from them. On
# *letters-new* (lesson 07) the model gives no right answer to any question. There GRPO learns nothing at all:

# %%
hopeless = wb.run(wb.RunConfig(stream="skills", skills=("letters-new",), learner="grpo", lr=1e-3,
                               steps=5, items=4, clip=1.0))
print("losses on letters-new:", hopeless.losses[0, 0].tolist())
verdict("if no answer is ever right, the loss is exactly 0 and no accuracy changes.",
        (hopeless.losses == 0).all() and (hopeless.accuracy == hopeless.baseline).all())

# %% [markdown]
# ## Digits: two old tasks and six methods
#
# This is the experiment of lesson 07 in full. A network knows an **old task**: name the digit in an image that is
# changed. There are two old tasks. In the first the image is **rotated** by 90 degrees, in the second its pixels are
# **shuffled**. The **new task** is parity: on an upright image, give a digit of the same parity (even or odd). Five
# answers are right. The **base** network learned the old task on all images, and the new task on only 100.

# %%
def with_flag(part, flag):
    """Return images with one more input, which names the task, and their digits."""
    return F.pad(part.x, (0, 1), value=flag), part.y


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

# %%
SEEDS = tuple(range(10))
METHODS = ("sft-one", "sft-digit", "sft-random", "base-right", "rl", "rl-one")
styles = styles_of(METHODS)
data = {}
for old_task, stream, count in (("rotated", "rotated-digits", 4),
                                ("shuffled", "permuted-digits", 2)):
    upright, *_, changed = wb.make_stream(stream, tasks=count).tasks
    data[old_task] = [with_flag(part, flag) for task, flag in ((upright, 1.0), (changed, -1.0))
                      for part in (task.train, task.test)]
bases = {(old_task, seed): base_network(*new_train, *old_train, torch.Generator().manual_seed(seed))
         for old_task, (new_train, _, old_train, _) in data.items() for seed in SEEDS}

# %%
x_test, digits_test = data["rotated"][1]
this_4 = int((digits_test == 4).nonzero()[0, 0])  # the 4 of lesson 07
images = {"new task\nright: 0, 2, 4, 6, 8": x_test, "old task, rotated\nright: 4":
          data["rotated"][3][0], "old task, shuffled\nright: 4": data["shuffled"][3][0]}
pictures = Figure(figsize=(7, 2.6), layout="constrained")
for ax, (title, x) in zip(pictures.subplots(1, 3), images.items(), strict=True):
    ax.imshow(x[this_4, :64].reshape(8, 8), cmap="gray_r")
    ax.set_title(title, fontsize=11)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    describe(ax, f"A picture of a 4: {title}.".replace("\n", ", "))
wb.show(pictures)

# %% [markdown]
# Four methods are those of lesson 07. Two are new: `sft-digit` and `sft-random`.
#
# | method | what it imitates, or what is rewarded | for a 4 | trains on its own answers? |
# |---|---|---|---|
# | `sft-one` | imitates one right answer: 0 for even, 1 for odd | 0 | no |
# | `sft-digit` | imitates the digit itself | 4 | no |
# | `sft-random` | imitates one right answer, drawn once for each image | one of 0, 2, 4, 6, 8 | no |
# | `base-right` | imitates right answers, each in proportion to its probability in the base | any of 0, 2, 4, 6, 8 | no |
# | `rl` | policy gradient; every right answer has the reward 1 | any of 0, 2, 4, 6, 8 | yes |
# | `rl-one` | policy gradient; only 0 for even and 1 for odd have the reward 1 | 0 | yes |

# %%
def targets_of(digits, base_p, seed):
    """Return the target, or the rewards, of each method: shape (images, 10)."""
    labels, draws = torch.arange(10), torch.Generator().manual_seed(100 + seed)
    right = (labels % 2 == digits[:, None] % 2).float()
    one = right * (labels < 2)
    drawn = digits % 2 + 2 * torch.randint(5, (len(digits),), generator=draws)
    base_right = base_p * right / (base_p * right).sum(1, keepdim=True)
    return {"sft-one": one, "sft-digit": F.one_hot(digits, 10).float(),
            "sft-random": F.one_hot(drawn, 10).float(), "base-right": base_right,
            "rl": right, "rl-one": one}

# %% [markdown]
# The loss is the same as in lesson 07: minus a weighted sum of the log-probabilities of the ten answers.

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
# How far is each target from the base? The first column has KL(target ‖ base) for the 4 in the picture. (KL(base ‖
# target) is infinite, because the targets have zeros.) The second column has the mean over all test images and the ten
# bases of the rotated images. `rl` is left out, because it has no fixed target.

# %%
per_image = {seed: pd.DataFrame({
    name: torch.special.xlogy(target, target / base_p).sum(1).numpy()
    for name, target in targets_of(digits_test, base_p, seed).items() if name != "rl"})
    for seed in SEEDS for base_p in [bases["rotated", seed](x_test).softmax(1)]}
distance = pd.DataFrame({"this 4": per_image[0].loc[this_4],
                         "all images": pd.concat(per_image.values()).mean()})
print(distance.map("{:.2f} nats".format).to_string())
verdict("of these targets base-right is the closest to the base.",
        (distance.idxmin() == "base-right").all())

# %%
base_0 = bases["rotated", 0](x_test).softmax(1)
all_targets = {"the base": base_0, **targets_of(digits_test, base_0, 0)}
of_4 = pd.DataFrame({name: all_targets[name][this_4].numpy()
                     for name in ("the base", *distance.index[:4])}).T
target_map = Figure(figsize=(8, 2.8), layout="constrained").subplots()
plot_stages(of_4, target_map, "this 4: probability of each answer (%)")
wb.show(describe(target_map, "The picture of a 4, probability of the answers 0 to 9: " + "; ".join(
    f"{name} {', '.join(map(percent, row))}" for name, row in of_4.iterrows()) + "."))

# %% [markdown]
# The base gives some probability to each right answer. `base-right` keeps their proportions, and the other targets put
# everything on one answer. (For this picture `sft-random` drew the 4. The target of `rl-one` is that of `sft-one`.)
#
# Is `base-right` the closest of all targets without wrong answers? We try 10,000 random targets for this 4. A random
# target divides the probability between the five right answers.

# %%
p_of_4 = bases["rotated", 0](x_test[[this_4]]).softmax(1)[0, ::2].numpy()  # of the right answers
random_targets = np.random.default_rng(0).dirichlet(np.ones(5), 10_000)
distances = (random_targets * np.log(random_targets / p_of_4)).sum(1)
closest = distance.loc["base-right", "this 4"]
tries = Figure(figsize=(7.5, 2.4), layout="constrained").subplots()
tries.hist(distances, bins=80, color="#888888")
tries.axvline(closest, color=styles["base-right"]["color"])
tries.text(closest, 0.9 * tries.get_ylim()[1], "  base-right", color=styles["base-right"]["color"])
tries.set(xlabel="distance from the base (nats)", ylabel="random targets", xlim=(0, None))
wb.show(describe(tries, f"Histogram of the distances of 10,000 random targets from the base: the "
                 f"closest has {distances.min():.3f} nats, base-right has {closest:.3f} nats."))

# %%
verdict("none of the 10,000 targets is as close to the base as base-right.",
        distances.min() > closest)
verdict("the distance of base-right is -log P. Here P is the probability that the base gives a "
        "right answer.", np.isclose(closest, -np.log(p_of_4.sum())))

# %% [markdown]
# Now we train each method on the new task for 320 steps. Every 20 steps we measure, on test images, the drift and the
# accuracy on both tasks.

# %%
def drift_and_accuracy(network, base, x, digits, different):
    """Return KL(base || network), and the accuracy; `different` is 2 for parity, 10 for digits."""
    log_base, log_now = base(x).log_softmax(1), network(x).detach().log_softmax(1)
    right = log_now.argmax(1) % different == digits % different
    drift = (log_base.exp() * (log_base - log_now)).sum(1).mean()
    return [float(drift), float(right.double().mean())]

# %%
def train_digits(method, base, x, digits, new, old, seed):
    network, rng = copy.deepcopy(base).requires_grad_(True), torch.Generator().manual_seed(seed)
    optimizer, rows = torch.optim.SGD(network.parameters(), lr=0.1), []
    table = targets_of(digits, base(x).softmax(1), seed)[method]
    for step in range(321):
        if step % 20 == 0:
            rows.append([step, *drift_and_accuracy(network, base, *new, 2),
                         *drift_and_accuracy(network, base, *old, 10)])
        batch = torch.randint(len(x), (32,), generator=rng)
        log_p = network(x[batch]).log_softmax(1)
        weights = label_weights(method, table[batch], log_p.detach().exp(), rng)
        optimizer.zero_grad()
        (-(weights * log_p).sum(1).mean()).backward()
        optimizer.step()
    return pd.DataFrame(rows, columns=["step", "drift", "parity", "drift_old", "old"])

# %%
toy = pd.concat({(old_task, method, seed): train_digits(
    method, bases[old_task, seed], *new_train, new_test, old_test, seed)
                 for old_task, (new_train, new_test, _, old_test) in data.items()
                 for method in METHODS for seed in SEEDS},
                names=["old task", "method", "seed"]).reset_index(level=[0, 1, 2])
at_start = toy.groupby(["old task", "method", "seed"])["old"].transform("first")
toy["forgotten"] = at_start - toy["old"]
toy_means = toy.groupby(["old task", "method", "step"])[["drift", "parity", "forgotten"]].mean()

# %%
razor_figure = Figure(figsize=(10, 3.8), layout="constrained")
for ax, old_task in zip(razor_figure.subplots(1, 2, sharex=True, sharey=True), data, strict=True):
    for method, style in styles.items():
        path = toy_means.loc[old_task, method]
        ax.plot(path["drift"], 100 * path["forgotten"], markersize=4, label=method, **style)
    ax.set_xscale("symlog", linthresh=0.1)
    ax.set(title=f"old task: {old_task} images", xlabel="drift on the new task (nats, log scale)")
    at_end = toy_means.loc[old_task].groupby("method").last()
    describe(ax, f"{old_task} images, drift and forgetting at the end: " + "; ".join(
        f"{method} {row.drift:.1f} nats, {percent(row.forgotten)}"
        for method, row in at_end.iterrows()) + ".")
_ = razor_figure.axes[0].set_ylabel("forgotten on the old task (%)")

# %%
razor_figure.axes[0].legend(frameon=False)
wb.show(razor_figure)

# %% [markdown]
# Each marker is a mean over ten seeds, every 20 steps. All paths start at the lower left. `rl`, `base-right` and
# `sft-random` have little drift. `sft-one` and `rl-one` must answer 0 or 1. They have the largest drift and forget most.
# `sft-digit` lies between.
#
# Where the drift is small, more drift does not always mean more forgetting. We compare `sft-random` with `rl` at the end
# of training. The differences are paired: each is between two runs with the same seed.

# %%
ends = toy.query("step == 320").set_index(["method", "old task", "seed"])[["drift", "forgotten"]]
gaps = (ends.loc["sft-random"] - ends.loc["rl"]).groupby("old task")
limits = {old_task: seed_interval(gap) for old_task, gap in gaps}  # of drift and of forgotten
print("sft-random minus rl at the end: mean (95 % interval)")
for old_task, (low, high) in limits.items():
    nats, share = gaps.mean().loc[old_task]
    print(f"{old_task} images: drift {nats:+.2f} nats ({low[0]:+.2f} to {high[0]:+.2f}), forgotten "
          f"{100 * share:+.0f} points ({100 * low[1]:+.0f} to {100 * high[1]:+.0f})")
verdict("with rotated images sft-random has less drift than rl, but has forgotten more.",
        limits["rotated"][1][0] < 0 < limits["rotated"][0][1])
verdict("with shuffled images the difference in forgetting is below 5 points.",
        -0.05 < limits["shuffled"][0][1] and limits["shuffled"][1][1] < 0.05)

# %% [markdown]
# After the same number of steps the methods have learned different amounts. So for each method we take the first
# evaluation at which the parity accuracy (mean over the ten seeds) is at least 93 %. This choice does not depend on
# forgetting. In the figure the drift on the new task stands beside each method.

# %%
at_least_93 = toy_means.query("step > 0 and parity >= 0.93").reset_index("step")
matched = toy.merge(at_least_93.groupby(["old task", "method"])["step"].first().reset_index())
by_method = matched.groupby(["old task", "method"])
matched_means = by_method[["drift", "forgotten"]].mean()
parity_figure = Figure(figsize=(10, 3), layout="constrained")
for ax, old_task in zip(parity_figure.subplots(1, 2), data, strict=True):
    plot_over_seeds({f"{method}, {matched_means.loc[(old_task, method), 'drift']:.2f} nats": {
        method: by_method.get_group((old_task, method))["forgotten"]} for method in METHODS}, ax,
        f"forgotten, {old_task} images")
wb.show(parity_figure)
wb.show_numbers(by_method.agg({"drift": lambda drift: f"{drift.mean():.2f} nats",
                               "forgotten": percent_over_seeds}),
                "drift and forgetting at a parity accuracy of 93 %")

# %%
for old_task in data:
    drifts, forgotten = (matched_means.loc[old_task, column] for column in ("drift", "forgotten"))
    print(f"\n{old_task} images, at a parity accuracy of 93 %:")
    verdict("sft-one and rl-one forget over half. base-right forgets under a tenth.",
            forgotten["base-right"] < 0.1 and forgotten[["sft-one", "rl-one"]].min() > 0.5)
    verdict("base-right and sft-random do not train on their own answers, and have the least "
            "drift.", set(drifts.nsmallest(2).index) == {"base-right", "sft-random"})
    verdict("rl-one trains on its own answers, and has the most drift.",
            drifts.idxmax() == "rl-one")

# %% [markdown]
# ## How much of the forgetting does the drift explain?
#
# *RL's Razor* ([Shenfeld et al., arXiv 2509.04259](https://arxiv.org/abs/2509.04259)) fits forgetting with a quadratic
# function of the drift on the new task. In the paper this fit explains 96 % of the variance of forgetting. Here are the
# same shares for our digits.

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
        all(share["drift on the old task"] > share["drift on the new task"]
            for share in shares.values()))
verdict("the drift on the new task explains less than the 96 % of the paper.",
        all(share["drift on the new task"] < 0.96 for share in shares.values()))

# %% [markdown]
# The figure of the paths (drift against forgetting) shows one reason: with shuffled images `sft-digit` has much drift
# and forgets little.
#
# **What would change your mind?** Suppose the drift on the new task had explained 96 % here, too. Then the drift on
# new prompts might mislead only in our small language model.
#
# ## Try it yourself
#
# - Train `rl-one` with the digit itself as the rewarded answer. Will it forget as much as before? Guess first.
# - Use 100 other images for the base: change its seeds. Which verdicts still hold?
#
# ## Limits
#
# The language model is tiny, with one new skill and one seed for each setting. The network for digits is small, with ten
# seeds and one learning rate. Much depends on the 100 images with which the base learned the new task. When we gave
# all seeds the same 100 images, the base knew less of the new task, and `rl` and `rl-one` did not reach 93 % in 320 steps.
#
# **Back to:** [07 Drift and forgetting](../07_drift_and_forgetting.ipynb)
