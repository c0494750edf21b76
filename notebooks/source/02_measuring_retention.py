# %% [markdown]
# # 2. Measuring retention
#
# > **Claim you can check:** one table of accuracies holds the usual measures of forgetting; libraries
# > read different numbers off the same table; and by accuracy and by forgetting, in the class scenario
# > only methods that keep old examples do better than fine-tuning.
#
# | | |
# |---|---|
# | **Objectives** | build the accuracy matrix · compute and tell apart the usual measures · compare seven methods fairly · find out *why* a remedy works |
# | **Prerequisites** | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb) |
# | **Time** | 60 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check
from workbench.plots import percent, plot_accuracy_matrix, plot_bars, plot_retention

wb.prepare_notebook()
SEEDS = (0, 1, 2, 3, 4)

# %% [markdown]
# ## The accuracy matrix
#
# After every task, test on every task. Row *i*: trained through task *i*. Column *j*: tested on
# task *j*. Here for replay, which keeps ten old examples of each class.

# %%
replay = wb.run(wb.RunConfig(learner="replay", scenario="class", seeds=SEEDS))
wb.show(plot_accuracy_matrix(replay.matrix(), replay.task_names, title="Replay: accuracy (%)"))

# %% [markdown]
# The matrix, by hand, for one network. `fit` is the step loop of the package; a learner says what its
# loss is and what it does at the end of a task.

# %%
from workbench.learners import fit, make_optimizer
from workbench.tasks import make_stream

stream = make_stream("split-digits", scenario="class")
learner = wb.make_learner(wb.RunConfig(learner="replay", seeds=(0,)), stream)
R_by_hand = np.full((5, 5), np.nan)
for i, task in enumerate(stream.tasks):
    learner.begin(task)
    for _ in fit(learner, task, make_optimizer(learner, 1e-3), steps=200, batch_size=32):
        pass
    learner.end(task)
    for j, tested in enumerate(stream.tasks):
        logits = learner.predict(tested.test.x)[0].masked_fill(~stream.mask(i, j), -torch.inf)
        R_by_hand[i, j] = (logits.argmax(1) == tested.test.y).double().mean()

# %%
assert np.allclose(R_by_hand, replay.accuracy[0], atol=0.05)
print("The loop above and the package agree.")

# %% [markdown]
# ## What is read off it
#
# With `R[i, j]` as above, `T` tasks, and `b[j]` the accuracy on task `j` before any training:
#
# | measure | formula | question |
# |---|---|---|
# | ACC | mean of the last row | how good is it in the end? |
# | BWT | mean of `R[T-1, j] - R[j, j]`, `j < T-1` | what did later tasks do to earlier ones? |
# | forgetting | mean of the best so far minus `R[T-1, j]` | how far below its best is a task? |
# | FWT | mean of `R[j-1, j] - b[j]` | does a task help one not yet seen? |
# | learning accuracy | mean of the diagonal | was each task learned at all? |
# | retention | `R[k, j] / R[j, j]` | which share of what was learned is left? |

# %%
def read_off(R, b):
    """The measures above, for one matrix."""
    T = len(R)
    earlier = range(T - 1)
    return {"ACC": R[-1].mean(),
            "BWT": np.mean([R[-1, j] - R[j, j] for j in earlier]),
            "forgetting": np.mean([R[j:T - 1, j].max() - R[-1, j] for j in earlier]),
            "FWT": np.mean([R[j - 1, j] - b[j] for j in range(1, T)]),
            "learning_accuracy": np.diagonal(R).mean()}


# The matrix of three tasks that the tests of the package use.
R = np.array([[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]])
b = np.array([0.10, 0.12, 0.15])
mine = read_off(R, b)
theirs, _ = wb.summarise(wb.AccuracyMatrix(R, b))
assert all(np.isclose(mine[name], theirs[name]) for name in mine)
print("By hand and by the package:", {name: round(float(v), 3) for name, v in mine.items()})

# %% [markdown]
# In the class scenario FWT has no meaning: answers from tasks not yet seen are not allowed, so
# `R[j-1, j]` is 0 whatever the network knows. The package says so instead of printing a number.

# %%
from workbench.errors import UndefinedMetricError

try:
    replay.matrix().forward_transfer()
except UndefinedMetricError as reason:
    print("Undefined:", reason)

# %% [markdown]
# ## Where libraries disagree
#
# Names do not settle what is computed. The same `R`, by the rules of widely used libraries (read in
# their source, versions in `docs/REFERENCES.md`):

# %%
seen = np.tril(np.ones((3, 3), dtype=bool))
below = np.tril(np.ones((3, 3), dtype=bool), -1)
rules = pd.DataFrame([
    ("backward transfer", "GEM, Mammoth, here", mine["BWT"]),
    ("backward transfer", "Díaz-Rodríguez: all later rows", (R - np.diagonal(R))[below].mean()),
    ("forgetting", "FACIL, here (after Chaudhry): best before the end", mine["forgetting"]),
    ("forgetting", "Avalanche: first minus last", np.mean([R[j, j] - R[-1, j] for j in (0, 1)])),
    ("forgetting", "Mammoth, PILOT: the end counts as best", (R.max(0) - R[-1])[:2].mean()),
    ("average", "ACC: last row", mine["ACC"]),
    ("average", "PILOT's “average accuracy”: mean over time (AIA)", theirs["AIA"]),
    ("average", "Díaz-Rodríguez: all learned cells", R[seen].mean()),
], columns=["measure", "rule", "value"])
print(rules.round(4).to_string(index=False))

# %%
assert np.allclose(rules["value"], [-.135, -.0733, .16, .135, .175, .76, .8533, .83], atol=1e-3)
print("Verdict: three rules for forgetting, three numbers. Always say which rule a number is from.")

# %% [markdown]
# {{exercise backward_transfer}}

# %%
def backward_transfer(R):
    ...


check("backward_transfer", backward_transfer)

# %% [markdown]
# {{solution backward_transfer}}
#
# {{exercise retention_matrix}}

# %%
def retention_matrix(R):
    ...


check("retention_matrix", retention_matrix)

# %% [markdown]
# {{solution retention_matrix}}

# %% [markdown]
# ## Seven methods
#
# | method | idea | keeps |
# |---|---|---|
# | finetune | nothing: the baseline | – |
# | EWC | hold weights that the old answers depend on | two numbers per weight and task |
# | SI | the same, importance measured while learning | four numbers per weight |
# | LwF | imitate the old network on the new inputs | one old network |
# | replay | mix old examples in | 10 examples per class |
# | DER++ | replay with the logits of the time | 100 examples and their logits |
# | joint | see everything: the upper reference | all data |
#
# A strength that is too low does nothing; one too high stops all learning. A fair comparison gives
# every method that has a strength the same number of tries, on validation data and with other seeds.
# That search takes minutes, so its result is shipped (with the script that makes it), and one cell is
# done again here.

# %%
tuning = json.loads(Path("../data/results/tuning_digits.json").read_text())
found = tuning["results"]["permuted-digits"]
for name, search in found.items():
    shown = "  ".join(f"{value}: {percent(score)}" for value, score in search["scores"].items())
    print(f"{name:20s} {search['option']:8s} best {search['best']:<5g} of {shown}")

# %%
config = wb.RunConfig(stream="permuted-digits", learner="si", seeds=tuning["seeds"])
again = wb.tune(config, "strength", [found["si"]["best"]])
assert abs(again[found["si"]["best"]] - max(found["si"]["scores"].values())) < 0.05
print("Done again: SI's best score is as recorded.")

# %% [markdown]
# ## First comparison: shuffled pixels (domain scenario)
#
# Five tasks, the same ten digits each time, with the pixels shuffled in another way.

# %%
METHODS = ("finetune", "ewc", "si", "lwf", "replay", "derpp", "joint")


def compare(stream, scenario, seeds=SEEDS):
    """A record for each method, at its validated setting, on test data."""
    best = {name: {s["option"]: s["best"]} for name, s in tuning["results"][stream].items()}
    return {name: wb.run(wb.RunConfig(stream=stream, scenario=scenario, learner=name, seeds=seeds,
                                      options=best.get(name, {}))) for name in METHODS}


permuted = compare("permuted-digits", "domain")
wb.show(plot_retention({name: r.accuracy for name, r in permuted.items()},
                       [str(i) for i in range(1, 6)], title="Shuffled pixels"))

# %%
def report(records):
    """Final accuracy, gain over fine-tuning (paired interval), accuracy when learned, and cost."""
    from workbench.measure.intervals import seed_interval

    rows, base = {}, records["finetune"].matrix().average_accuracy()
    for name, r in records.items():
        m = r.matrix()
        low, high = seed_interval(m.average_accuracy() - base)
        gain = "–" if name == "finetune" else f"{percent(low)} to {percent(high)}"
        rows[name] = [percent(m.average_accuracy().mean()), gain,
                      percent(m.learning_accuracy().mean()), percent(m.forgetting().mean()),
                      f"{r.stored_bytes[-1] / 1000:.0f} kB"]
    return pd.DataFrame(rows, index=["ACC", "gain, 95 %", "learned", "forgetting", "keeps"]).T


print(report(permuted).to_string())

# %%
permuted_acc = {name: r.matrix().average_accuracy() for name, r in permuted.items()}
assert 0.42 < permuted_acc["finetune"].mean() < 0.65 and permuted_acc["ewc"].mean() > 0.58
assert permuted_acc["replay"].mean() > 0.84 and permuted_acc["joint"].mean() > 0.9
print("Verdict: holding weights helps here; keeping a few examples helps much more.")

# %% [markdown]
# The penalties pay for what they keep: look at the column *learned*. A method that learns nothing
# new forgets nothing either, which is why forgetting alone is never a result. Intransigence says how
# much worse than joint training each task was learned:

# %%
stiff = {n: permuted[n].matrix().intransigence(permuted["joint"].matrix()) for n in METHODS[:-1]}
wb.show(plot_bars(stiff, title="Intransigence: worse than joint when learned",
                  measure="points of accuracy"))

# %% [markdown]
# ## Second comparison: new classes (class scenario)
#
# Three seeds are enough here: the differences are far larger than the intervals.

# %%
classes = compare("split-digits", "class", seeds=SEEDS[:3])
wb.show(plot_retention({name: r.accuracy for name, r in classes.items()},
                       classes["joint"].task_names,
                       title="Two new digits per task, all to be told apart"))

# %%
print(report(classes).to_string())

# %%
classes_acc = {name: r.matrix().average_accuracy().mean() for name, r in classes.items()}
assert 0.19 < classes_acc["finetune"] < 0.21
assert max(classes_acc[name] for name in ("ewc", "si", "lwf")) < 0.22
assert classes_acc["replay"] > 0.88 and classes_acc["joint"] > 0.94
print("Verdict: with new classes EWC, SI and LwF tie with fine-tuning, each at its best strength.")

# %% [markdown]
# That is not a fault of the implementation: van de Ven et al. (2022) find 20 to 22 % for the same
# three on MNIST. Their penalties protect each task's answers, but nothing tells the network how to
# compare an old class with a new one.

# %% [markdown]
# ## Why does a remedy work? Two negative controls
#
# **Replay.** Does it help because of what the old examples *say*, or would any second term in the
# loss do? Control 1: the stored examples get labels shuffled among themselves. Control 2: as many
# examples are replayed, but of the task at hand.

# %%
import inspect

from workbench.learners.digits import controls

print(inspect.getsource(controls.ReplayShuffledLabels))

# %%
shuffled = wb.run(wb.RunConfig(learner="replay-shuffled-labels", seeds=SEEDS[:3]))
present = wb.run(wb.RunConfig(learner="replay-present", seeds=SEEDS[:3]))
replay_controls = {"replay": classes["replay"], "labels shuffled": shuffled,
                   "only the present task": present, "finetune": classes["finetune"]}
wb.show(plot_bars({n: r.matrix().average_accuracy() for n, r in replay_controls.items()},
                  title="What is it about replay? (class scenario)"))

# %% [markdown]
# **EWC.** Does it matter *which* weights are held, as the theory says, or would any pull do? Control:
# the same Fisher values, dealt out to the weights at random within each layer. A random pull should
# have its own best strength, so it had the same five tries on the same validation data.

# %%
print(inspect.getsource(controls.EWCShuffledFisher))

# %%
random_best = found["ewc-shuffled-fisher"]["best"]
random_pull = wb.run(wb.RunConfig(stream="permuted-digits", learner="ewc-shuffled-fisher",
                                  options={"strength": random_best}, seeds=SEEDS))

# %%
ewc_controls = {"EWC": permuted["ewc"], "Fisher shuffled": random_pull,
                "finetune": permuted["finetune"]}
ewc_acc = {n: r.matrix().average_accuracy() for n, r in ewc_controls.items()}
wb.show(plot_bars(ewc_acc, title="What is it about EWC? (shuffled pixels)"))

# %%
from workbench.measure.intervals import seed_interval

gain = ewc_acc["EWC"] - ewc_acc["Fisher shuffled"]
low, high = seed_interval(gain)
print(f"Held by importance rather than at random: accuracy higher by {percent(gain.mean())} "
      f"(95 % interval {percent(low)} to {percent(high)}).")
assert shuffled.accuracy[:, -1].mean() < 0.5 and present.accuracy[:, -1].mean() < 0.25
assert gain.mean() > 0.02 < (ewc_acc["Fisher shuffled"] - ewc_acc["finetune"]).mean()
print("Verdict: replay lives on true labels of old examples. EWC's importances matter, but a pull "
      "at random already gives part of its gain.")

# %% [markdown]
# ## Explore
#
# Choose a cell by mouse, or with Tab and Enter; tick the learners whose curves you want to see.

# %%
from workbench.widgets import RetentionExplorer

explorer = RetentionExplorer(classes)
explorer.learner.value = "replay"
explorer.metric.value = "retention"
explorer

# %% [markdown]
# {{exercise ewc_penalty}}

# %%
def ewc_penalty(weights, anchor, fisher):
    ...


check("ewc_penalty", ewc_penalty)

# %% [markdown]
# {{solution ewc_penalty}}
#
# {{exercise reservoir}}

# %%
def reservoir(items, capacity, rng):
    ...


check("reservoir", reservoir)

# %% [markdown]
# {{solution reservoir}}

# %% [markdown]
# **What would change your mind?** If shuffled labels had helped as much as true ones, replay would be
# a mere regulariser. If a random pull had done as well as EWC's, the Fisher information would be
# decoration. And if a strength outside the grids lifted EWC above 22 % with new classes, our tie
# would be a fault of our search: try one.
#
# ## Try it yourself
#
# - `compare("rotated-digits", "domain")` (it has no recorded search: use the one of shuffled pixels).
# - Replay with `options={"per_class": 1}`: how few examples are enough?
# - Another split of the data: `data_seed=1`. Does the order of the methods change?
#
# ## Limits
#
# One data set and one small network. The intervals are over seeds at one split of the data. Replay
# and DER++ may keep data, which privacy or size may forbid; the penalties keep none.
#
# **Next:** [03 Self-distillation](03_self_distillation.ipynb)
