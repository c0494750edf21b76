# %% [markdown]
# # Composition of intents
#
# > **Claim you can check:** CLAIM
#
# | | |
# |---|---|
# | **Objectives** | compare the whole method with and without reuse, paired by seed · split its accuracy into retrieval and intents · see what steps inside a language model change · test transfer with a control that must show it |
# | **Prerequisites** | [11 Module composition](../11_module_composition.ipynb); the messages of [10 Clustered retrieval](../10_clustered_retrieval.ipynb) |
# | **Time** | 30 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.learners import fit, make_optimizer
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.plots import describe, percent, percent_over_seeds
from workbench.plots.styles import styles_of
from workbench.runs.studies import RESULTS

wb.prepare_notebook()
study = json.loads((RESULTS / "composed_intents.json").read_text())
print("made by:", study["made by"]["command"])

# %% [markdown]
# ## The whole method on eight assistants
#
# The tasks are the eight assistants of notebook 10 (bank, travel agency, ...), with five intents each and 24 training
# messages per intent. The methods learn them one after another. Then each of 400 test messages must get one of 40
# intents, and nobody says which assistant it is for.
#
# - **composed**: a module for each task, which reuses the units of earlier tasks with learned coefficients. Its new
#   part is kept orthogonal to them. Signatures retrieve the task, and a global head (RanPAC's) names the intent;
# - **composed, not orthogonal**: without this penalty; also with coefficients that learn as fast as the other weights
#   (*faster 1*), or 10 times faster, and not 30 times, as usual;
# - **adapters**: the same without reuse, an adapter of its own for each task;
# - **joint**: one adapter and one head that learn all 40 intents at once, for as many steps in all;
# - **NCM, SLDA, RanPAC**: simple classifiers over the 40 intents, with no adapter at all.
#
# The features are embeddings of MiniLM that were computed once. An adapter has rank 4 and changes them linearly. All
# settings (learning rate; clusters, shrinkage and features of the signatures) were chosen on validation messages, from
# the same values for all methods. `scripts/study_intents.py` made the numbers.

# %%
COMPOSED = ("composed", "composed, not orthogonal", "faster 10", "faster 1", "adapters")
SETUPS = ("embeddings, 8 tasks", "embeddings, 4 tasks", "LoRA, 4 tasks")


def chosen(setup, method):
    """What was measured with the features of signatures that validation chose, by seed."""
    own = study[f"{setup}: {method}"]
    return {name: np.array(values) for name, values in own[f"{own['view']}, global"].items()}


eight = {method: chosen(SETUPS[0], method)["accuracy"] for method in COMPOSED}
eight["joint"] = np.array(study[f"{SETUPS[0]}: joint"]["accuracy"])
eight |= {rule: np.array(study["classifiers, 8 tasks"][rule]) for rule in (
    "NCM", "SLDA", "RanPAC")}
print(pd.Series({name: percent_over_seeds(values) for name, values in eight.items()}).to_string())

# %% [markdown]
# The thick lines are intervals over seeds (Student's t); NCM and SLDA have nothing random. The thin lines are Wilson's
# intervals over the 400 test messages. All methods answer the same messages, so compare differences, seed by seed.

# %%
def plot_dots(values, messages, ax):
    """Draw the accuracy of methods with both intervals."""
    styles, texts = styles_of(values), []
    for row, (name, own) in enumerate(values.items()):
        mean = own.mean()
        wilson = wilson_interval(round(mean * messages), messages)
        ax.plot(100 * np.array(wilson), [row, row], color=styles[name]["color"], linewidth=0.8)
        if len(own) > 1:
            ax.plot(100 * np.array(seed_interval(own)), [row, row],
                    color=styles[name]["color"], linewidth=4, alpha=0.5)
        ax.plot(100 * mean, row, color=styles[name]["color"], marker=styles[name]["marker"])
        texts.append(f"{name} {percent(mean)}")
    ax.set(yticks=range(len(values)), yticklabels=values, xlabel="test messages right (%)")
    ax.invert_yaxis()
    return describe(ax, f"Dots with intervals, test messages right: {'; '.join(texts)}.")


wb.show(plot_dots(eight, 400, plt.subplots(figsize=(8, 3.8))[1]))

# %%
gains = {name: 100 * (eight[name] - eight["adapters"]) for name in COMPOSED[:-1]}
for name, points in gains.items():
    print(f"{name} minus adapters: {points.mean():+.1f} points "
          f"({seed_interval(points)[0]:+.1f} to {seed_interval(points)[1]:+.1f})")
verdict("no kind of reuse is shown to be better than separate adapters.",
        all(seed_interval(points)[0] < 0 for points in gains.values()))
verdict("NCM, which trains nothing, has the highest or nearly the highest accuracy of all.",
        eight["NCM"].mean() > max(one.mean() for one in eight.values()) - 0.01)

# %% [markdown]
# ## Where messages are lost
#
# A message is right if its task is found *and* the head names the intent. (The global head knows all intents, so a
# message under the wrong adapter may still be right.) This splits the messages into three parts:
#
# $$\text{right} = P(\text{task})\,P(\text{right}\mid\text{task}) + P(\text{wrong task})\,P(\text{right}\mid\text{wrong
# task}).$$

# %%
def parts_of(setup, method):
    """Shares of messages: right, lost by retrieval, lost by the head; and the oracle's right."""
    own = {name: np.mean(values) for name, values in chosen(setup, method).items()}
    found = own["retrieval"]
    return {"right": own["accuracy"],
            "task wrong, intent wrong": (1 - found) * (1 - own["class_if_task_wrong"]),
            "task found, intent wrong": found * (1 - own["class_if_task_right"]),
            "told the task (oracle)": own["oracle"]}


split = pd.DataFrame({name: parts_of(SETUPS[0], name) for name in COMPOSED}).T
print(split.map(percent).to_string())
figure, ax = plt.subplots(figsize=(8, 2.8))
split.iloc[:, :3].mul(100).plot.barh(stacked=True, ax=ax, width=0.7, edgecolor="white",
                                     color=["#009E73", "#D55E00", "#E69F00"])
ax.plot(100 * split.iloc[:, 3], range(len(split)), "kD", label="right if told the task")
ax.set(xlabel="share of test messages (%)", xlim=(0, 100))
ax.invert_yaxis()
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
wb.show(describe(ax, "Stacked bars: " + "; ".join(f"{name} {', '.join(map(percent, row))}"
                                                  for name, row in split.iterrows())))

# %% [markdown]
# SPLIT
#
# ## Steps inside the language model
#
# On embeddings an adapter can only change the result linearly. Real **LoRA** puts adapters on the queries and values
# of all six layers of MiniLM, and each training step goes through the model. That is slow on one core, so this part is
# small: the first four assistants, 20 steps of 16 messages per task, three seeds, and one seed to choose settings.
# Beside it stand adapters on the embeddings of the same four assistants, with 100 steps of 32 messages.

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
print(inside.map(percent_over_seeds).T.to_string())
for setup in SETUPS[1:]:
    print(f"joint, {setup}:", percent_over_seeds(study[f"{setup}: joint"]["accuracy"]))
for rule in ("NCM", "SLDA", "RanPAC"):
    print(f"{rule} on embeddings:", percent(np.mean(study["classifiers, 4 tasks"][rule])))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
looks = styles_of(THREE)
for ax, setup in zip(axes, SETUPS[1:], strict=True):
    for j, method in enumerate(THREE):
        own, places = inside[setup, method], np.arange(len(MEASURES)) + 0.22 * (j - 1)
        mean = 100 * np.array([np.mean(values) for values in own])
        half = mean - 100 * np.array([seed_interval(values)[0] for values in own])
        ax.errorbar(mean, places, xerr=half, linestyle="", marker=looks[method]["marker"],
                    color=looks[method]["color"], capsize=3, label=method)
        describe(ax, f"{ax.get_label()} {setup}, {method}: {mean.round().tolist()}.")
    ax.set(title=setup, xlabel="%", yticks=range(len(MEASURES)), yticklabels=MEASURES)
axes[0].invert_yaxis()
axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
wb.show(figure)

# %% [markdown]
# INSIDE
#
# ### What it costs

# %%
costs = {}
for setup in SETUPS[1:]:
    for method in ("composed", "adapters"):
        own = study[f"{setup}: {method}"]
        costs[f"{setup}: {method}"] = {
            "module": own["floats"]["adapter"], "head": own["floats"]["head"],
            "signature": own["floats"]["signature"], "passes, adapted": 4 + 1,
            "passes, shared": 1 + 1, "ms a step": f"{1000 * own['seconds a step']:.2g}"}
print("numbers kept for the 4th task; passes through the backbone per message; time of a step")
print(pd.DataFrame(costs).T.to_string())

# %% [markdown]
# COSTS
#
# ### What is reused
#
# The coefficients of the fourth task inside MiniLM (first seed). A coefficient of 1 would reuse a unit as strongly as
# the task that made it.

# %%
from workbench.plots.composition import plot_coefficients
from workbench.tasks.utterances import make_utterance_stream, read_utterances

domains = list(dict.fromkeys(one.task for one in read_utterances()))
fourth = np.array(study["LoRA, 4 tasks: composed, not orthogonal"]["coefficients"][3])
layers = [f"{layer} {side}" for layer in range(6) for side in ("query", "value")]
wb.show(plot_coefficients(fourth, layers, np.repeat(domains[:3], 4),
                          plt.subplots(figsize=(8.5, 4.4))[1]))

# %% [markdown]
# COEFFICIENTS
#
# ## A stream on which composition should pay
#
# The eight assistants have little in common. So we make streams in which tasks share something. The later task is
# always the same: **three intents of one assistant, with 5 messages each**. Three earlier tasks are compared:
#
# - **same intents**: 14 other messages for each of the *same three* intents. This is a positive control: if nothing is
#   gained here, the measurement cannot see transfer;
# - **same domain**: the other two intents of the same assistant;
# - **another domain**: two intents of another assistant. This is the negative control: what helps here is more
#   capacity, and no shared knowledge.
#
# The later task is told, and only its three intents can be answered. It begins in five ways: *no reuse* (a fresh
# adapter); *reuse* (learned coefficients, from 0); *coefficients 1*; a *warm start* (a copy of the earlier adapter);
# and *head only* (no adapter: only the linear head learns). There are eight assistants and ten draws of intents and
# messages. The rate is chosen for each curve on validation messages of two other draws.

# %%
EARLIER = ("same intents", "same domain", "another domain")
STARTS = ("no reuse", "head only", "reuse", "coefficients 1", "warm start")


def curves_of(backbone, earlier, start, few):
    """Accuracy on the later task: shape (steps, draws, domains)."""
    earlier = "nothing" if start in ("no reuse", "head only") else earlier
    return np.array(study[f"transfer, {backbone}: {earlier}"][f"{start}, {few}"]["accuracy"])


def plot_curves(backbone, few, starts, axes):
    """Draw accuracy against steps, a panel for each earlier task."""
    steps, looks = study[f"transfer, {backbone}: nothing"]["at"], styles_of(STARTS)
    for ax, earlier in zip(axes, EARLIER, strict=True):
        for start in starts:
            mean = 100 * curves_of(backbone, earlier, start, few).mean((1, 2))
            ax.plot(range(len(steps)), mean, **looks[start], label=start)
            describe(ax, f"{ax.get_label()} {earlier}, {start}: {mean.round(1).tolist()} %.")
        ax.set(title=f"earlier: {earlier}", xlabel="steps", xticks=range(len(steps)),
               xticklabels=steps)
    axes[0].set_ylabel("test messages right (%)")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
plot_curves("embeddings", 5, STARTS, axes)
wb.show(figure)

# %% [markdown]
# The curves cross, so we compare in pairs: the same later task with the same messages, minus *no reuse*. The mean over
# draws is one number for each assistant, and the interval is over the eight assistants.

# %%
def gain_table(backbone, few, starts, place):
    """Points of accuracy over `no reuse` after a number of steps, by assistant."""
    return {(start, earlier): 100 * (curves_of(backbone, earlier, start, few)
                                     - curves_of(backbone, earlier, "no reuse", few)
                                     )[place].mean(0) for start in starts for earlier in EARLIER}


def shown_gains(gains):
    """A table with means and intervals."""
    text = {pair: f"{points.mean():+.1f} ({seed_interval(points)[0]:+.1f} to "
                  f"{seed_interval(points)[1]:+.1f})" for pair, points in gains.items()}
    return pd.Series(text).unstack().loc[list(dict.fromkeys(s for s, _ in text)), [*EARLIER]]


later_gains = {(few, place): gain_table("embeddings", few, STARTS[1:], place)
               for few in (5, 10) for place in (1, 2, 4)}
for (few, place), table in later_gains.items():
    if place == 2:
        print(f"{few} messages per intent, points over no reuse after 10 steps:")
        print(shown_gains(table).to_string(), end="\n\n")

# %% [markdown]
# TRANSFER
#
# ### The same with steps inside MiniLM
#
# One draw, eight assistants, 5 messages per intent, one learning rate (0.003), 20 steps on the earlier task.

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
plot_curves("LoRA", 5, ("no reuse", "reuse", "warm start"), axes)
wb.show(figure)
inside_gains = gain_table("LoRA", 5, ("reuse", "warm start"), 2)
print("points over no reuse after 10 steps inside MiniLM:")
print(shown_gains(inside_gains).to_string())

# %% [markdown]
# LORATRANSFER
#
# ## Live: switch the parts off
#
# Does a module that reuses units *use* them? We train composed modules for all eight assistants on the embeddings,
# three seeds, and then switch off the reused part, the new part, or both. The task is told, and the answer is that of
# the head that was trained with the module. With both parts off only this head is left, on features for which it was
# not trained.

# %%
from workbench.measure.composition import right_without

live_config = wb.RunConfig(stream="intents", learner="composed", seeds=(0, 1, 2))
live_stream = make_utterance_stream()
live = wb.make_learner(live_config, live_stream)
for task in live_stream.tasks:
    live.begin(task)
    for _ in fit(live, task, make_optimizer(live, 3e-3), steps=100, batch_size=32):
        pass

# %%
switched = {}
for i, k in np.ndindex(3, 7):
    module = live.model.modules(i)[k + 1]
    old, new = (range(len(module.owners)), range(len(module.owners), len(module.owners) + 4))
    for name, off in {"all units": (), "without reused": old, "without new": new,
                      "head only": (*old, *new)}.items():
        switched.setdefault(name, np.zeros((3, 7)))[i, k] = right_without(
            live.model, live_stream, k + 1, i, off).mean()
print(pd.Series({name: percent_over_seeds(values.mean(1)) for name, values in
                 switched.items()}).to_string())
wb.show(plot_coefficients(live.model.modules(0)[7].coefficients.detach(), ["identity"],
                          np.repeat(domains[:7], 4), plt.subplots(figsize=(9.5, 1.8))[1]))
