# %% [markdown]
# # Composition on messages
#
# > **Claim you can check:** the tasks here are messages to assistants, and each message has an *intent*: its purpose,
# > such as "block my card". On these messages reuse of earlier modules gives no gain. Composed modules are not better
# > than a separate adapter for each task. A nearest-class-mean classifier on fixed features is as good as both.
# > Training steps inside the language model do not change this. Some coefficients of reused units are large, but
# > without these units the accuracy is nearly the same.
#
# | | |
# |---|---|
# | **Objectives** | compare the whole method with and without reuse, paired by seed · divide its errors into those of retrieval and those of the head · measure the effect of training steps inside a language model · switch parts off, to test whether they are needed |
# | **Prerequisites** | [11 Module composition](../11_module_composition.ipynb); [Retrieval of messages](retrieval_of_messages.ipynb) |
# | **Time** | 35 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |
#
# The second part, [Does an earlier task help?](composition_of_intents_transfer.ipynb), tests reuse between tasks that
# share something.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.learners import fit, make_optimizer
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_differences, plot_dots

# %%
from workbench.plots.display import over_seeds
from workbench.plots.styles import styles_of
from workbench.runs.studies import RESULTS

wb.prepare_notebook()
study = json.loads((RESULTS / "composed_intents.json").read_text())
print("made by:", study["made by"]["command"])

# %% [markdown]
# ## The whole method on eight assistants
#
# The tasks are the eight assistants of [Retrieval of messages](retrieval_of_messages.ipynb): a bank, a travel agency,
# and so on. Each has five intents, with 24 training messages per intent. The methods learn the tasks one after another.
# Then each of 400 test messages gets one of 40 intents. The method is not told which assistant the message is for.
#
# **MiniLM**, a small language model, turns each message into 384 numbers, its **embedding**. The embeddings were
# computed once. They are the *shared* features. An adapter of rank 4 changes them linearly, and the result is the
# *adapted* features of its task. A method with adapters answers in two steps:
#
# 1. *Retrieval*: the signature that fits the message best gives the task. Signatures can describe *shared* or *adapted*
#    features.
# 2. *Head*: a classifier on the adapted features of that task gives the intent. The *global* head (lesson 11)
#    knows all 40 intents. The *task* head knows only the five intents of the retrieved task.
#
# | method | description |
# |---|---|
# | composed | a module per task: the units (rank-one parts) of earlier adapters with learned coefficients, and a new part. A penalty keeps the new part orthogonal to the units |
# | composed, not orthogonal | the same without the penalty |
# | faster 10, faster 1 | also without the penalty, and the coefficients learn 10 times as fast as other weights, or equally fast. In the two rows above they learn 30 times as fast |
# | adapters | a separate adapter per task, without reuse |
# | joint | one adapter and one head learn all 40 intents at once, with the same number of steps in total |
# | NCM | the class with the nearest mean; no adapter |
# | SLDA | class means, and one covariance for all classes; no adapter |
# | RanPAC | ridge regression on random features; no adapter |
#
# The learning rates were chosen on validation messages, from the same values for all methods with adapters. The settings
# of the signatures (number of clusters, shrinkage, adapted or shared features) were chosen on validation messages too.
# The stored results are from `scripts/study_intents.py`.

# %%
COMPOSED = ("composed", "composed, not orthogonal", "faster 10", "faster 1", "adapters")
SETUPS = ("embeddings, 8 tasks", "embeddings, 4 tasks", "LoRA, 4 tasks")


def chosen(setup, method):
    """Return the results by seed, with the features of signatures that validation chose."""
    own = study[f"{setup}: {method}"]
    return {name: np.array(values) for name, values in own[f"{own['view']}, global"].items()}


eight = {method: chosen(SETUPS[0], method)["accuracy"] for method in COMPOSED}
eight["joint"] = np.array(study[f"{SETUPS[0]}: joint"]["accuracy"])
eight |= {rule: np.array(study["classifiers, 8 tasks"][rule]) for rule in (
    "NCM", "SLDA", "RanPAC")}

# %%
shares = {
    "over seeds": {name: (own.mean(), *(seed_interval(own) if len(own) > 1 else [own.mean()] * 2))
                   for name, own in eight.items()},
    "over messages": {name: (own.mean(), *wilson_interval(round(400 * own.mean()), 400))
                      for name, own in eight.items()}}
wb.show(plot_dots(shares, plt.subplots(figsize=(8, 4.8))[1], "Eight assistants, 40 intents",
                  "right test messages (%)"))
wb.show_numbers(pd.Series(eight).map(percent_over_seeds).to_frame("right, over seeds"),
                "nine methods on eight assistants")

# %% [markdown]
# The figure shows two 95 % intervals for each method: one over seeds (Student's t), and one for the choice of the 400
# test messages (Wilson's interval for a share). NCM and SLDA have no interval over seeds, because nothing in them is
# random. All methods answer the same messages. So a difference between two methods is more exact than the intervals
# over messages suggest. We compare the methods seed by seed.

# %%
def gain_over_adapters(method, kind):
    """Accuracy minus that of separate adapters, in points, by seed; same features and head."""
    own, plain = (study[f"{SETUPS[0]}: {name}"][kind]["accuracy"] for name in (method, "adapters"))
    return 100 * np.subtract(own, plain)


def points_text(points):
    """The mean with its interval."""
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(points.mean(), *seed_interval(points))


# %% [markdown]
# The next figure shows accuracy minus that of separate adapters. Each panel has one choice of features for the
# signatures (adapted or shared) and one head (global or task). The printed lines below the figure compare the
# methods with the global head. There each method has the features that were chosen for it on validation messages. So
# two methods can have different features.

# %%
KINDS = ("adapted, global", "shared, global", "adapted, task", "shared, task")
kind_figure, kind_axes = plt.subplots(1, 4, figsize=(11.5, 2.6), sharex=True)
for ax, kind in zip(kind_axes, KINDS, strict=True):
    plot_differences({name.removeprefix("composed, "): gain_over_adapters(name, kind)
                      for name in COMPOSED[:-1]}, ax, kind, "gain in points")
    ax.set_ylim(3.5, -0.5)
    if ax is not kind_axes[0]:
        ax.set_yticks(range(4), [])
wb.show(kind_figure)
by_choice = {name: 100 * (eight[name] - eight["adapters"]) for name in COMPOSED[:-1]}
print("each method with the features chosen for it, global head: accuracy minus that of adapters, "
      "in points")
print(*(f"  {name}: {points_text(own)}" for name, own in by_choice.items()), sep="\n")

# %%
verdict("with the features chosen on validation messages, 'composed' and 'composed, not "
        "orthogonal' are a little less accurate than separate adapters.",
        all(seed_interval(by_choice[name])[1] < 0 for name in COMPOSED[:2]))
verdict("the simple classifiers NCM and SLDA, which train no adapter, are at least as good as all "
        "methods with adapters.", min(eight["NCM"].mean(), eight["SLDA"].mean())
        > max(eight[name].mean() for name in (*COMPOSED, "joint")))

# %% [markdown]
# The first verdict needs care: validation chose shared features for *composed, not orthogonal*, and adapted features
# for *adapters*. If both have the same features, the interval of their difference contains 0 in all four panels.
#
# One variant, *faster 10*, is better by about 1 point if the signatures use adapted features. With shared features it
# is equal or worse. The figure has sixteen 95 % intervals. Even without any true difference, about one of them would
# not contain 0, by chance. So we do not count this as a gain.
#
# ## Which messages are lost?
#
# A message can be right in two ways. Usually its task is found and the head gives the right intent. But the global head
# knows all intents, so a message under the wrong adapter may be right too:
#
# $$P(\text{right}) = P(\text{task right})\,P(\text{right}\mid\text{task right}) + P(\text{task wrong})\,
# P(\text{right}\mid\text{task wrong}).$$
#
# The next figure divides all messages into three parts: right, wrong after the wrong task, and wrong after the right
# task. The black marks show the accuracy if the task is told.

# %%
def parts_of(setup, method):
    """Shares of messages, and the share that is right if the task is told."""
    own = {name: np.mean(values) for name, values in chosen(setup, method).items()}
    found = own["retrieval"]
    return {"right": own["accuracy"],
            "task wrong, intent wrong": (1 - found) * (1 - own["class_if_task_wrong"]),
            "task right, intent wrong": found * (1 - own["class_if_task_right"]),
            "right if task told": own["oracle"]}

# %%
split = pd.DataFrame({name: parts_of(SETUPS[0], name) for name in COMPOSED}).T
bars = plt.subplots(figsize=(8, 2.8))[1]
split.iloc[:, :3].mul(100).plot.barh(stacked=True, ax=bars, width=0.7, edgecolor="white",
                                     color=["#009E73", "#D55E00", "#E69F00"])
bars.plot(100 * split.iloc[:, 3], range(len(split)), "kD", label="right if task told")
bars.set(xlabel="share of test messages (%)", xlim=(0, 100))
bars.invert_yaxis()
bars.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
wb.show(describe(bars, f"Stacked bars, {', '.join(split.columns)}: " + "; ".join(
    f"{name} {', '.join(map(percent, row))}" for name, row in split.iterrows()) + "."))
wb.show_numbers(split, "three parts of the messages", percent)

# %% [markdown]
# 12 to 13 % of the messages are lost after the wrong assistant is retrieved. 8 to 11 % are lost because the head gives
# a wrong intent although the assistant is right. Reuse reduces neither loss by more than about one point. Even if the
# task is told, composed modules are not better.
#
# ## Training steps inside the language model
#
# On embeddings an adapter can change the result only linearly. **LoRA** inside MiniLM puts adapters on the queries and
# values of all six layers, and each training step goes through the whole model. This is slow, so the study is small:
# the first four assistants, 20 steps of 16 messages per task, and three seeds. The settings were chosen with one other
# seed. For comparison, adapters on the embeddings of the same four assistants have 100 steps of 32 messages.
#
# The figure has five rows. *Told the task* is the accuracy if the task is told. *Task found* is the share of messages
# whose task is found. *Right* is the share of messages with the right intent, given by the global head. *Adapted* and
# *shared* name the features of the signatures.

# %%
MEASURES = {"told the task": ("adapted, global", "oracle"),
            "task found, adapted": ("adapted, global", "retrieval"),
            "task found, shared": ("shared, global", "retrieval"),
            "right, adapted": ("adapted, global", "accuracy"),
            "right, shared": ("shared, global", "accuracy")}
THREE = ("composed", "composed, not orthogonal", "adapters")
inside = pd.DataFrame({(setup, method): {label: study[f"{setup}: {method}"][view][measure]
                                         for label, (view, measure) in MEASURES.items()}
                       for setup in SETUPS[1:] for method in THREE})

# %%
def plot_inside(setup, ax):
    """Draw the measures of the methods of a setup, with intervals over seeds."""
    looks = styles_of(THREE)
    for j, method in enumerate(THREE):
        own, places = inside[setup, method], np.arange(len(MEASURES)) + 0.22 * (j - 1)
        mean = 100 * np.array([np.mean(values) for values in own])
        half = mean - 100 * np.array([seed_interval(values)[0] for values in own])
        ax.errorbar(mean, places, xerr=half, linestyle="", marker=looks[method]["marker"],
                    color=looks[method]["color"], capsize=3, label=method)
        describe(ax, f"{ax.get_label()} {setup}, {method}: " + ", ".join(
            f"{name} {one:.0f} %" for name, one in zip(MEASURES, mean, strict=True)) + ".")
    ax.set(title=setup, xlabel="%", yticks=range(len(MEASURES)), yticklabels=MEASURES)

# %%
inside_figure, inside_axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharex=True, sharey=True)
for setup, axes in zip(SETUPS[1:], inside_axes, strict=True):
    plot_inside(setup, axes)
inside_axes[0].invert_yaxis()
inside_axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
wb.show(inside_figure)
for setup in SETUPS[1:]:
    print(f"joint, {setup}:", percent_over_seeds(study[f"{setup}: joint"]["accuracy"]))
for rule in ("NCM", "SLDA", "RanPAC"):
    print(f"{rule} on embeddings:", percent(np.mean(study["classifiers, 4 tasks"][rule])))

# %% [markdown]
# **Steps inside the model change little here.** If the task is told, 82 to 85 % of the messages are right; on
# embeddings it is 84 %. Without being told the task, one LoRA adapter trained jointly is right for 81 %, and NCM, which
# has no training steps, for 84 %. The figure shows two more results:
#
# - We see no gain from reuse. The intervals of the paired differences, printed below, contain 0.
# - Inside MiniLM, signatures of *shared* features find 89 to 90 % of the tasks, and signatures of *adapted* features 86
#   to 88 %. For *adapters* the intervals overlap. Shared features also need fewer passes through MiniLM per message: one
#   pass to find the task, and one with its adapter. Adapted features need one pass with each of the four adapters. A
#   possible reason for the difference in tasks found: log densities under different adapters are not comparable in
#   general ([Retrieval with adapters](retrieval_with_adapters.ipynb)).

# %%
inside_gains = {name: 100 * (chosen(SETUPS[2], name)["accuracy"]
                             - chosen(SETUPS[2], "adapters")["accuracy"]) for name in THREE[:2]}
for name, points in inside_gains.items():
    print(f"inside MiniLM, '{name}' minus 'adapters': {points_text(points)} points")
verdict("inside MiniLM we cannot say that reuse is better or worse than separate adapters.",
        all(seed_interval(points)[0] < 0 < seed_interval(points)[1]
            for points in inside_gains.values()))
verdict("no method with steps inside MiniLM is better than NCM on the fixed embeddings.",
        np.mean(study["classifiers, 4 tasks"]["NCM"]) > max(
            np.mean(study[f"LoRA, 4 tasks: {name}"]["accuracy"]) if name == "joint" else
            chosen(SETUPS[2], name)["accuracy"].mean() for name in (*THREE, "joint")))

# %% [markdown]
# ### What it costs

# %%
costs = {}
for setup in SETUPS[1:]:
    for method in ("composed", "adapters"):
        own = study[f"{setup}: {method}"]
        costs[f"{setup}: {method}"] = {**own["floats"],
                                       "ms per step": round(1000 * own["seconds a step"], 1)}
wb.show_numbers(pd.DataFrame(costs).T.astype({name: int for name in own["floats"]}),
                "numbers stored for the fourth task, and time of a training step")

# %% [markdown]
# A module inside MiniLM is twelve times as large as one on embeddings. A step takes more than a hundred times as long.
# (The times are for one seed, 16 messages per step inside MiniLM and 32 on embeddings, on a busy machine.) Reuse itself
# needs little: one number for each unit and layer, 144 for the fourth task. Most of the stored numbers belong to the
# covariance matrix of the signature. NCM stores 5 means per task, 1,920 numbers, and needs one pass.
#
# ### What is reused?
#
# The figure shows the coefficients of the fourth task inside MiniLM (first seed, without the penalty). With a
# coefficient of 1, a unit is used as strongly as in the task where it was learned.

# %%
from workbench.plots.composition import plot_coefficients
from workbench.tasks.utterances import make_utterance_stream, read_utterances

domains = list(dict.fromkeys(one.task for one in read_utterances()))
fourth = np.array(study["LoRA, 4 tasks: composed, not orthogonal"]["coefficients"][3])
layers = [f"{layer} {side}" for layer in range(6) for side in ("query", "value")]
wb.show(plot_coefficients(fourth, layers, np.repeat(domains[:3], 4),
                          plt.subplots(figsize=(8.5, 4.4))[1]))

# %% [markdown]
# In every layer some coefficients are far from 0. Most are positive, but some are negative. Does this show that the task
# needs the units? We test this on the embeddings, where training takes only seconds.
#
# ## Live: switch the parts off
#
# We train composed modules without the penalty for all eight assistants on the embeddings, with three seeds. Then we
# switch off the reused part, the new part, or both. We measure the accuracy on the second to the eighth task, because
# the first task reuses nothing. The task is told. The answer comes from the head that was trained with the module. If
# both parts are off, only this head is left, and it gets features that it was not trained on.

# %%
from workbench.measure.composition import right_without

live_config = wb.RunConfig(stream="intents", learner="composed", seeds=(0, 1, 2))
live_stream = make_utterance_stream()
live = wb.make_learner(live_config, live_stream)
for task in live_stream.tasks:
    live.begin(task)
    for _ in fit(live, task, make_optimizer(live, 3e-3), steps=100, batch_size=32):
        pass

# %% tags=["nbval-ignore-output"]
switched = {}
for i, k in np.ndindex(3, 7):
    count = len(live.model.modules(i)[k + 1].owners)
    for name, off in {"all units": range(0), "without reused": range(count), "without new": range(
            count, count + 4), "head only": range(count + 4)}.items():
        switched.setdefault(name, np.zeros((3, 7)))[i, k] = right_without(
            live.model, live_stream, k + 1, i, off).mean()
wb.show(plot_dots({"accuracy": {name: over_seeds(values.mean(1))
                                for name, values in switched.items()}},
                  plt.subplots(figsize=(7.5, 2.2))[1], "Parts of the modules switched off",
                  "right messages, task told (%), 95 % intervals over three seeds"))

# %% tags=["nbval-ignore-output"]
last = live.model.modules(0)[7].coefficients.detach()
wb.show(plot_coefficients(last, ["adapter"], np.repeat(domains[:7], 4),
                          plt.subplots(figsize=(9.5, 1.8))[1]))
verdict("some coefficients of the last task are above 1 or below -1. But if all units are off, the "
        "accuracy changes by less than 3 points.", float(last.abs().max()) > 1 and abs(
            switched["head only"].mean() - switched["all units"].mean()) < 0.03)

# %% [markdown]
# So on embeddings the tasks do not need the units, although training makes some coefficients large. The head is a
# linear layer on 384 features, and it separates the five intents of a task without any unit. **A coefficient far from 0
# does not show that a unit is needed. Switch the unit off and measure.**
#
# ## What to remember
#
# - Compare a method with and without a part, with the same seeds. Compare it with simple classifiers too.
# - Composition can reuse only what earlier adapters have learned. Here they had little to learn, because the features
#   were good already.
# - With training steps inside the language model, we see no gain from reuse either. One such step takes more than 100
#   times as long as a step on embeddings.
#
# **What would change your mind?** If composed modules had been better than separate adapters with the features chosen
# on validation messages, reuse would pay. If the accuracy had fallen far without the units, they would be needed.
#
# ## Try it yourself
#
# - In the live cell set `seeds=(3, 4, 5)`, or `options={"reuse": "none"}`. Run it and the next cell. Which accuracy is
#   left without the new part?
#
# ## Limits
#
# There is one data set, 1,600 messages that a language model wrote, and one order of the tasks. MiniLM was trained on a
# billion pairs of sentences, so its features separate such messages already. With weaker features, adapters have more
# to learn, and perhaps more to share. The steps inside MiniLM are few: 20 per task, on four tasks and three seeds. The
# learning rate there was chosen from two values with one seed. More steps could change this part. Intervals over seeds
# do not include the uncertainty from the choice of test messages. Wilson's intervals include it, and are wider. The
# penalty had one weight (0.1). The form of composition is reconstructed.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
