# %% [markdown]
# # Transfer: old knowledge and new digits
#
# > **Claim you can check:** a network knows the digits 0 to 4, and learns 5 to 9. We see no advantage of the old knowledge for the
# > new digits. *Learning without forgetting* (LwF) asks the old network for soft labels of the new images. LwF keeps the old
# > digits if the task of each image is given. If not, it keeps no more than fine-tuning with a small learning rate.
#
# | | |
# |---|---|
# | **Objectives** | measure separately whether old knowledge helps new learning, and whether it is kept · write the loss of LwF · compare LwF, self-distillation and SDFT |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); the scenarios of [01](../01_catastrophic_forgetting.ipynb) |
# | **Time** | about 35 minutes to work through, under 30 seconds to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import itertools
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, draw_band, percent, plot_dots

# %%
import torch
from sklearn.linear_model import RidgeClassifierCV

from workbench.learners import CONTROLS, LEARNERS, Batch, Finetune, fit, make_optimizer
from workbench.models import StackedMLP
from workbench.plots.display import over_seeds
from workbench.plots.styles import COLOURS, look, styles_of
from workbench.runs.evaluation import evaluate
from workbench.runs.studies import RESULTS
from workbench.tasks import make_stream
from workbench.tasks.variants import with_few_examples

wb.prepare_notebook()
SPLITS, SEEDS = range(5), (0, 1, 2)
chosen = json.loads((RESULTS / "self_distillation_further.json").read_text())

# %% [markdown]
# A network has learned the digits 0 to 4 from all their training images. Now it learns 5 to 9. There are two questions. Does the
# old knowledge help to learn the *new* digits? And are the *old* digits kept?
#
# There are five splits of the data with three seeds each. All intervals are 95 % intervals over the five splits. If the
# interval of a difference contains 0, we say: *we see no difference*.
#
# We use two of the three scenarios of lesson 01. The next figure shows all three, for tasks of two digits. In the
# **task** scenario the network is told whether an image shows one of 0 to 4 or one of 5 to 9. In the **class**
# scenario it is not told, and all ten outputs compete.

# %%
from workbench.plots.diagrams import diagram

wb.show(diagram("scenarios"), vector=True)

# %% [markdown]
# ## Does old knowledge help?
#
# Here we use the task scenario: the network is told that an image shows one of the digits 5 to 9.
#
# **Training.** A **warm start** takes all weights of the old network. A **fresh start** takes new random weights. Both learn 5 to 9
# from the same few labels. We tried the learning rates 0.0003, 0.001 and 0.003 on validation digits, with 20 labels and 200
# steps. For both starts 0.003 was best. (For the warm start, 0.001 was equally good.)
#
# **Frozen features.** We also look at the features of the old network alone. A **read-out** is a linear classifier on its last
# hidden layer, while the network stays as it is. (It is ridge regression; its penalty is chosen by cross-validation.) The
# **controls** are read-outs of a network with *random* weights, and of the *pixels*.

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

# %% tags=["nbval-ignore-output"]
starts = pd.Series(start_accuracies).unstack()  # rows: start and split; columns: labels
TITLES = ("warm minus fresh start", "read-out: old network minus")
PAIRS = (*((f"warm, {n} steps", f"fresh, {n} steps") for n in (20, 200)),
         *(("read-out: old", f"read-out: {other}") for other in ("random", "pixels")))
differences = {(a, b): 100 * (starts.loc[a] - starts.loc[b]) for a, b in PAIRS}
early, late = (seed_interval(differences[pair].to_numpy()) for pair in PAIRS[:2])
for labels, low, high in zip(LABELS, *early, strict=True):
    print(f"warm minus fresh start, 20 steps, {labels} labels: {low:+.1f} to {high:+.1f} points")
verdict("no interval shows a gain of the warm start over the fresh one. After 20 steps with 80 "
        "labels it is worse.", (early[0] < 0).all() and (late[0] < 0).all() and early[1][-1] < 0)

# %% [markdown]
# The next figure shows the accuracies: means over the five splits, with 95 % intervals and a thin line for each split. In the
# first two panels the whole network is trained. In the third the features are frozen.

# %% tags=["nbval-ignore-output"]
level_figure, level_axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True)
PANELS = {"after 20 steps": ("fresh, 20 steps", "warm, 20 steps"),
          "after 200 steps": ("fresh, 200 steps", "warm, 200 steps"),
          "read-out": ("read-out: random", "read-out: old", "read-out: pixels")}
for ax, (title, names) in zip(level_axes, PANELS.items(), strict=True):
    for i, name in enumerate(names):
        draw_band(ax, range(4), starts.loc[name].to_numpy(), name, bounded=True, **look(i))
    ax.set(title=title, xlabel="labels of 5 to 9", xticks=range(4), xticklabels=LABELS)
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    describe(ax, f"{title}, accuracy on 5 to 9 by labels: " + "; ".join(
        f"{name} {', '.join(map(percent, starts.loc[name].mean()))}" for name in names) + ".")
level_axes[0].set(ylabel="accuracy on 5 to 9 (%)", ylim=(20, 102))
wb.show(level_figure)

# %% [markdown]
# The paired differences are clearer. On the left the whole network is trained. On the right the features are frozen.

# %% tags=["nbval-ignore-output"]
start_figure, start_axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
PLACES = ((0, "after 20 steps"), (0, "after 200 steps"), (1, "a random network"), (1, "pixels"))
for i, ((panel, label), gain) in enumerate(zip(PLACES, differences.values(), strict=True)):
    half = gain.mean() - seed_interval(gain.to_numpy())[0]
    start_axes[panel].errorbar(np.arange(len(LABELS)) + 0.08 * (i % 2), gain.mean(), half,
                               fmt="o-", capsize=4, color=COLOURS[i % 2], label=label)
    described = start_axes[panel].get_label() or TITLES[panel]
    points = ", ".join(f"{mean:+.1f}" for mean in gain.mean())
    describe(start_axes[panel], f"{described} {label}: {points} points;")
for ax, title in zip(start_axes, TITLES, strict=True):
    ax.set(title=title, xlabel="labels of 5 to 9", ylabel="points of accuracy",
           xticks=range(len(LABELS)), xticklabels=LABELS)
    ax.axhline(0, color="black", linewidth=1)
    ax.legend(frameon=False, loc="lower right")
wb.show(start_figure)

# %% tags=["nbval-ignore-output"]
wb.show_numbers(starts.groupby(level=0, sort=False).mean(), "accuracy by number of labels", percent)

# %% [markdown]
# **We see no advantage of knowing 0 to 4.**
#
# - After 200 steps we see no difference between the two starts.
# - After 20 steps, at the same learning rate, the warm start is worse with 40 and with 80 labels. With 10 and 20 labels its mean
#   is also lower, but the intervals contain 0.
# - The old features are nowhere better than the pixels. With 10 labels they are even worse than those of a random network. With
#   80 labels they are a little better than those.
#
# Why? Perhaps the old network has learned features that separate the digits 0 to 4. These features do not always separate a 5 from
# a 6. Earlier work found that a warm start can generalise worse ([Ash & Adams, 2020](https://arxiv.org/abs/1910.08475)). In that
# work the new data show the same classes as the old data. The old data of this lesson are few and special. With other data,
# transfer may help.
#
# ## Are the old digits kept? Learning without forgetting
#
# Now all labels of 5 to 9 are available, and no image of 0 to 4. **Learning without forgetting** (LwF,
# [Li & Hoiem, 2016](https://arxiv.org/abs/1606.09282)) shows the **new** images to the old network: if this 7 had to be one of 0 to
# 4, which one would it be? The next figure shows the answers of the old network to the new training images.

# %% tags=["nbval-ignore-output"]
from workbench.plots.sequences import plot_stages

named = []
for split in SPLITS:
    new = halves["class", split].tasks[1].train
    soft = (network(old_weights["class", split])(new.x)[..., :5] / 2).softmax(-1).detach().mean(0)
    named.append([soft[new.y == label].mean(0).tolist() for label in range(5, 10)])
asked = pd.DataFrame(np.mean(named, axis=0), [f"image of a {label}" for label in range(5, 10)],
                     [f"answer {label}" for label in range(5)])
wb.show(plot_stages(asked, plt.subplots(figsize=(6.5, 3))[1],
                    "Mean soft label of the old network, T = 2 (%)"))

# %% [markdown]
# So a soft label contains something that the old network knows: which old digit a new image resembles. The student learns the new
# labels, and also these soft labels:
#
# $$L=\tfrac12\,\mathrm{CE}(y, q)+\tfrac12\,s\,T^2\,\mathrm{KL}\big(p^{\text{old}}_T\,\|\,q^{\text{old}}_T\big).$$
#
# - CE is the cross-entropy, $y$ is the label, and $q$ are the student's probabilities.
# - $p^{\text{old}}_T$ is the softmax of the old network over the outputs 0 to 4 only, at temperature $T=2$. $q^{\text{old}}_T$ is
#   the same softmax of the student.
# - The number $s$ is the **strength**.
#
# Here is the loss, written out for one batch. The student has random weights.

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
verdict("the loss of LwF written here and the package's are equal.",
        torch.allclose((hard_loss + 10 * soft_loss) / 2, student.loss(shown)))

# %% [markdown]
# ## The comparison
#
# We compare five methods in both scenarios:
#
# | method | what it does |
# |---|---|
# | finetune | learns the labels of 5 to 9 alone |
# | lwf | as above |
# | control: untrained | LwF with a teacher of random weights; the student starts from the old weights |
# | control: shuffled | LwF with the soft labels shuffled among the images of a batch |
# | born again | self-distillation. A first network learns 5 to 9, starting from the old weights. A second one does the same, and the first one is its teacher on 5 to 9 |
#
# **The measure.** A network that learns nothing forgets nothing. So we compare networks that know 5 to 9 about equally well. The
# **level** is an accuracy of 95 % (task) or 85 % (class) on 5 to 9. We test every 20 steps. At the first test that reaches the
# level, we measure the accuracy on 0 to 4.
#
# **Settings.** Each method has nine settings. For LwF and its controls these are three learning rates times strength 1, 10 or 30.
# For born again they are three learning rates times a weight of the teacher of 0.5, 0.8 or 1. Fine-tuning has nine learning
# rates. The best setting was chosen with the measure above, on validation digits of other splits. All methods chose the same
# learning rate: 0.0005 (task) and 0.0002 (class).

# %%
paths, fine_tuned = {}, None  # paths by scenario, method and split: (points, seeds, tasks)
for (scenario, split), stream in halves.items():
    for name, settings in chosen["transfer"][scenario].items():
        learner = (LEARNERS | CONTROLS)[settings["learner"]](network(), **settings["options"])
        if name != "control: untrained":  # the teacher of this control has random weights
            learner.model.hold(old_weights[scenario, split])
        learner.end(stream.tasks[0])
        learner.model.hold(old_weights[scenario, split])
        if name == "born again":  # its first network is the fine-tuned one (same learning rate)
            learner.begin(stream.tasks[1])
            learner.model.hold(fine_tuned)
            again = replace(stream.tasks[1], generation=2)
            stream = replace(stream, tasks=(stream.tasks[0], again))
        paths[scenario, name, split] = learn_task(learner, stream, 1, settings["lr"])
        fine_tuned = learner.model.snapshot()

# %% [markdown]
# Each path in the next figure runs from left to right while 5 to 9 are learned. It is the mean of 15 networks. The dotted line
# is the level. The axes of the left panel begin at 80 % and at 68 %.

# %%
path_figure, path_axes = plt.subplots(1, 2, figsize=(10, 3.8))
for ax, (scenario, start) in zip(path_axes, (("task", 80), ("class", 0)), strict=True):
    for name, style in styles_of(chosen["transfer"][scenario]).items():
        mean = 100 * np.mean([paths[scenario, name, split] for split in SPLITS], axis=(0, 2))
        ax.plot(mean[:, 1], mean[:, 0], label=name, **style | {"markevery": 3})
        describe(ax, f"{ax.get_label() or f'{scenario} scenario, % new and % old in the end:'} "
                     f"{name} {mean[-1, 1]:.0f} and {mean[-1, 0]:.0f};")
    ax.axvline(100 * chosen["levels"][scenario], color="grey", linestyle=":")
    ax.set(title=f"{scenario} scenario", xlabel="accuracy on 5 to 9 (%)", xlim=(start, 100),
           ylim=(0.85 * start, 101))
path_axes[0].set_ylabel("accuracy on 0 to 4 (%)")
path_axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(path_figure)

# %% [markdown]
# We compare the methods where their paths cross the dotted line. The next figure has the accuracy on the old digits at
# this level (*old then* in the outputs) and at the end, with intervals. The numbers at the right are those at the
# level. In three cases one of 15 networks never reaches the level: *lwf* and *shuffled* in the task scenario, and
# *untrained* in the class scenario. It is left out there.

# %% tags=["nbval-ignore-output"]
kept_rows = {}
for (scenario, name, split), path in paths.items():
    for seed, own in enumerate(path.swapaxes(0, 1)):  # (points, tasks)
        enough = own[:, 1] >= chosen["levels"][scenario]
        old_then = own[enough.argmax(), 0] if enough.any() else np.nan
        kept_rows[scenario, name, split, seed] = enough.any(), old_then, *own[-1]
kept = pd.DataFrame(kept_rows, ["reached", "old then", "old at the end", "new at the end"]).T
kept = kept.astype(float).groupby(level=[0, 1, 2], sort=False).mean()

# %% tags=["nbval-ignore-output"]
old_figure, old_axes = plt.subplots(1, 2, figsize=(10, 3.4))
for ax, (scenario, own) in zip(old_axes, kept.groupby(level=0, sort=False), strict=True):
    plot_dots({label: {name: over_seeds(shares.dropna()) for name, shares in own[column].groupby(
        level=1, sort=False)} for column, label in (
        ("old then", "at the level"), ("old at the end", "at the end"))}, ax,
        f"{scenario} scenario", "accuracy on 0 to 4 (%)")
old_axes[1].set_yticklabels([])
wb.show(old_figure)
wb.show_numbers(kept.groupby(level=[0, 1], sort=False).mean(), "five methods in two scenarios",
                percent)

# %%
lwf_ends = {scenario: 100 * np.array(seed_interval(own["lwf"] - own["finetune"]))
            for scenario, own in kept["old then"].unstack(1).groupby(level=0)}
for name, (low, high) in lwf_ends.items():
    print(f"{name} scenario, old then, lwf minus finetune: {low:+.1f} to {high:+.1f} points")
verdict("at the same new accuracy, LwF keeps more of the old digits than fine-tuning in the task "
        "scenario. In the class scenario it does not.",
        lwf_ends["task"][0] > 0 and lwf_ends["class"][0] < 0)

# %% [markdown]
# - **Task scenario: LwF keeps nearly everything.** The knowledge of the old network matters. With an untrained network in its
#   place, LwF keeps no more than fine-tuning. With shuffled soft labels it keeps less than fine-tuning.
# - **Class scenario: all methods forget.** A likely reason: the labels always reward one of the outputs 5 to 9. LwF compares
#   old classes only with old classes, so no term of its loss asks for the answer 3 in place of 8. LwF is better than its
#   controls, so the soft labels contain knowledge. But fine-tuning with the learning rate 0.0002 keeps 1 to 8 points more than
#   LwF at the level. Lesson [02](../02_measuring_retention.ipynb) found no gain of LwF either, with five tasks.
# - **Born again keeps nothing extra.** In the class scenario it even keeps less than fine-tuning. Its teacher answers
#   only about 5 to 9, and has forgotten as much as fine-tuning. Self-distillation can keep only what its teacher still
#   knows, and only on the inputs that the teacher is asked about.
#
# (In the class scenario the smallest strength of LwF was best. With strength 0, LwF would be fine-tuning.)
#
# ## What LwF and SDFT have in common
#
# LwF *is* self-distillation: the teacher is the student before the new task. Born-again networks ask their teacher about inputs
# that it was trained on. LwF asks about new inputs. So it needs no old data. The soft label of a 7 contains a little of
# what the network knows about a 3. LwF keeps the old function on the new inputs, and only there. The new knowledge comes from
# the labels, in the other term of the loss. The two terms work against each other.
#
# **SDFT** (self-distillation fine-tuning, lesson [05](../05_sdft.ipynb)) has one term. Its teacher is the same language model with a
# **demonstration in its prompt**. A demonstration is the answer of an expert. So the soft labels contain the *new* knowledge
# too. The teacher gives its probabilities for the words of an answer that the **student itself** has written, and not
# for a given text. Where the demonstration does not change the teacher's answers, the loss asks for no change.

# %%
wb.show(diagram("teacher_and_student"), vector=True)

# %% [markdown]
# Neither method stores old data. Neither has a term that protects the model on inputs that are unlike the new ones. So old
# answers can be lost, as in the class scenario. Lesson [08](../08_many_skills.ipynb) measures how much SDFT keeps.
#
# ## What to remember
#
# LwF keeps the old network's answers on the inputs that the old network is asked about. It depends on the scenario whether this is
# enough.
#
# ## What would change your mind?
#
# If LwF with shuffled answers had kept the old digits, any second term in the loss would be enough. If a warm start had been
# better with ten labels, knowledge of 0 to 4 would help to learn 5 to 9.
#
# ## Try it yourself
#
# - Set `chosen["transfer"]["task"]["lwf"]["options"]["strength"] = 0.1`, then run the cell of the paths and the next two again. How
#   much protection is needed?
# - `workbench run --stream halved-digits --scenario task --learner lwf-shuffled --seeds 0 1 2` runs the control with the learning
#   rate of the course. Compare with `--learner lwf`.
#
# ## Limits
#
# - There is one small data set, the networks are small, and there is one pair of tasks. Other pairs may transfer.
# - The intervals are over five splits of the same 1,797 digits. So they are too narrow for new digits, and five is few.
# - Some of the best settings lie at the end of their list: the learning rate 0.003 of both starts, and in the class scenario
#   the strength of LwF and its learning rate. (Fine-tuning at 0.0001 did not reach 85 % in 300 steps.)
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
