# %% [markdown]
# # Why do the methods help?
#
# > **Claim you can check:** replay helps because the stored examples have their true labels. EWC helps partly because
# > it protects the important weights: with the same penalty on random weights, it is 6 points worse. But a penalty on
# > random weights also helps.
#
# | | |
# |---|---|
# | **Objectives** | choose a strength fairly · see what a penalty costs · remove the main idea of a method, and measure what is left |
# | **Prerequisites** | [02 Measuring retention](../02_measuring_retention.ipynb) |
# | **Time** | 50 minutes to read and to do the two exercises, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import inspect
import json
from pathlib import Path

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import percent, plot_bars, plot_differences

wb.prepare_notebook()
SEEDS = (0, 1, 2, 3, 4)

# %% [markdown]
# ## How the strengths were chosen
#
# Every method with a strength got five values. The table has the accuracy on validation data, with three seeds that no
# other experiment uses. The highest value of each line is used. `alpha` is the weight of the stored logits in DER++.
# `ewc-shuffled-fisher` is a control of EWC; it is explained below.

# %%
tuning = json.loads(Path("../../data/results/tuning_digits.json").read_text())
search = tuning["results"]["permuted-digits"]
for name, one in search.items():
    scores = "  ".join(f"{float(value):>4g}: {percent(score)}"
                       for value, score in one["scores"].items())
    print(f"{name:20s} {one['option']:9s} {scores}")

# %% [markdown]
# The search takes several minutes. `scripts/tune_digits.py` made it. We repeat one entry.

# %%
si_best = search["si"]["best"]
si_config = wb.RunConfig(stream="permuted-digits", learner="si", seeds=tuning["seeds"])
repeated = wb.tune(si_config, "strength", [si_best])[si_best]
verdict("the repeated score of SI at its best strength is the score in the table.",
        abs(repeated - max(search["si"]["scores"].values())) < 0.05)

# %% [markdown]
# ## What a penalty costs
#
# A penalty makes it harder to learn the next task. **Intransigence** measures this: the accuracy of joint training
# right after a task, minus the accuracy of the method at the same moment. A positive value means that the method
# learned the tasks less well than joint training.

# %%
METHODS = ("finetune", "ewc", "si", "lwf", "replay", "derpp", "joint")
best = {name: {one["option"]: one["best"]} for name, one in search.items()}
permuted = {name: wb.run(wb.RunConfig(stream="permuted-digits", learner=name, seeds=SEEDS,
                                      options=best.get(name, {}))) for name in METHODS}
lag = {name: 100 * permuted[name].matrix().intransigence(permuted["joint"].matrix())
       for name in METHODS[:-1]}
wb.show(plot_differences(lag, title="Intransigence with shuffled pixels",
                         measure="points (positive: learned less well than with joint training)"))

# %%
verdict("EWC, SI and LwF learn new tasks less well than joint training. Fine-tuning, replay and "
        "DER++ do not.", all(lag[name].mean() > 1 for name in ("ewc", "si", "lwf"))
        and all(lag[name].mean() < 0 for name in ("finetune", "replay", "derpp")))

# %% [markdown]
# ## Replay: does it need the true labels?
#
# Does replay help because of the information in the old examples? Or would any extra term in the loss help as much?
# We test two **controls**: copies of replay without its main idea.
#
# - `replay-shuffled-labels`: the labels of the stored examples are shuffled.
# - `replay-present`: the same number of examples is replayed, but they come from the current task.
#
# This is the whole code of the first control:

# %%
from workbench.learners.digits import controls

print(inspect.getsource(controls.ReplayShuffledLabels))

# %%
replay_runs = {name: wb.run(wb.RunConfig(learner=name, seeds=SEEDS[:3])) for name in (
    "replay", "replay-shuffled-labels", "replay-present", "finetune")}
replay_acc = {name: run.matrix().average_accuracy() for name, run in replay_runs.items()}
wb.show(plot_bars(replay_acc, title="Replay and its controls, new classes"))

# %%
verdict("replay needs old examples with their true labels.", replay_acc["replay"].mean() > 0.88
        and replay_acc["replay-shuffled-labels"].mean() < 0.5
        and replay_acc["replay-present"].mean() < 0.25)

# %% [markdown]
# ## EWC: does it need the right weights?
#
# The penalty of EWC keeps each weight near its old value, in proportion to its **Fisher information**. This number is
# large if a small change of the weight changes the predicted probabilities a lot.
#
# Does it matter which weights are kept near their old values? Or would a penalty on any weights work as well? The
# control, `ewc-shuffled-fisher`, has the same Fisher values, but assigns them to the weights of each layer at random.
# Its strength was tuned like that of EWC: with the same five values, on the same validation data.

# %%
print(inspect.getsource(controls.EWCShuffledFisher))

# %%
shuffled_fisher = wb.run(wb.RunConfig(stream="permuted-digits", learner="ewc-shuffled-fisher",
                                      options=best["ewc-shuffled-fisher"], seeds=SEEDS))
ewc_runs = {"ewc": permuted["ewc"], "ewc-shuffled-fisher": shuffled_fisher,
            "finetune": permuted["finetune"]}
ewc_acc = {name: run.matrix().average_accuracy() for name, run in ewc_runs.items()}
wb.show(plot_bars(ewc_acc, title="EWC and its control, shuffled pixels"))

# %%
gain = ewc_acc["ewc"] - ewc_acc["ewc-shuffled-fisher"]
low, high = (100 * end for end in seed_interval(gain))
print(f"EWC minus its control: {100 * gain.mean():.0f} points of accuracy "
      f"(95 % interval over seeds: {low:.0f} to {high:.0f}).")
rest = ewc_acc["ewc-shuffled-fisher"] - ewc_acc["finetune"]
verdict("it matters which weights EWC protects. But a penalty on random weights already gives a "
        "part of its gain.", gain.mean() > 0.02 < rest.mean())

# %% [markdown]
# ## Write two parts yourself
#
# {{exercise ewc_penalty}}

# %%
def ewc_penalty(weights, anchor, fisher):
    ...


check("ewc_penalty", ewc_penalty)

# %% [markdown]
# {{solution ewc_penalty}}
#
# DER++ must choose which 100 examples to store while the examples arrive one by one. A **reservoir** does this.
#
# {{exercise reservoir}}

# %%
def reservoir(items, capacity, rng):
    ...


check("reservoir", reservoir)

# %% [markdown]
# {{solution reservoir}}

# %% [markdown]
# **What would change your mind?** If shuffled labels had helped as much as true labels, replay would only be a
# regulariser: an extra term that keeps the network from fitting the new task too closely. If the random penalty had
# worked as well as EWC, the Fisher information would not matter.
#
# ## Try it yourself
#
# - Run the control of EWC at the strength of EWC: `options={"strength": 30.0}`. Why is the comparison unfair?
# - Run replay with `options={"per_class": 1}`. Is it still better than both controls?
# - Repeat the comparison of EWC with `data_seed=1`.
#
# ## Limits
#
# This is one data set and one small network. The intervals are over seeds, at one split of the data. The controls
# answer only whether the main idea matters here, not whether it matters for large models.
#
# **Back to:** [02 Measuring retention](../02_measuring_retention.ipynb)
