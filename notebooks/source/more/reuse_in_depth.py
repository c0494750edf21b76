# %% [markdown]
# # Reuse in depth: which units are reused, and does their content help?
#
# > **Claim you can check:** composed modules do reuse earlier units: the reused part of an update is not small. But a
# > large coefficient does not show that a unit helps. If all reused units are switched off, the accuracy stays the same.
# > On a task that shares parts with earlier tasks, reuse is ahead in the first steps if modules with and without reuse
# > learn at the same rate. But it is as far ahead on tasks that share nothing. If a rate is chosen for each, the lead is
# > gone.
#
# | | |
# |---|---|
# | **Objectives** | measure the size of an update without multiplying large matrices · switch units off · measure the angle between the inputs that two modules use · test whether the content of earlier units helps |
# | **Prerequisites** | [11 Module composition](../11_module_composition.ipynb); singular values |
# | **Time** | 55 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import percent, percent_over_seeds

wb.prepare_notebook()

# %% [markdown]
# ## Two learners
#
# A **unit** is a row $a_j$ of the matrix $A$ of an adapter, with the column $b_j$ of its $B$. A composed module reuses
# the units of earlier tasks, each with a learned **coefficient**, and adds a **new part** (notebook 11). We train
# composed modules for the three tasks of notebook 11, with five seeds, once with and once without the penalty that keeps
# new parts orthogonal to earlier units.

# %%
from workbench.learners import fit, make_optimizer

stream = wb.make_stream("digits-tasks", tasks=3)
config = wb.RunConfig(stream="digits-tasks", learner="composed", seeds=(0, 1, 2, 3, 4), steps=150,
                      lr=1e-3, options={"orthogonality": 0.5})
learner = wb.make_learner(config, stream)
free = wb.make_learner(replace(config, options={}), stream)  # without the penalty
for one in (learner, free):
    for task in stream.tasks:
        one.begin(task)
        list(fit(one, task, make_optimizer(one, config.lr), steps=150, batch_size=32))
        one.end(task)

# %% [markdown]
# ## How large is the reused part?
#
# The size of an update is its **Frobenius norm**: the square root of the sum of its squared entries. The large matrix
# $BA$ is not needed for this. $\lVert BA\rVert_F^2=\operatorname{tr}(B^\top B\,AA^\top)$, and the two factors have the
# size rank by rank.
#
# {{exercise update_norm}}

# %%
def update_norm(A, B):
    ...


check("update_norm", update_norm)

# %% [markdown]
# {{solution update_norm}}
#
# The table shows the size of both parts of the third module, as a mean over five seeds. The **singular values** say
# along how many directions the update acts. The update of a layer has rank 12 here, so it has 12 singular values.

# %%
from workbench.models.factored import norm, singular_values

third = learner.model.modules(0)[2]
sizes = np.zeros((5, 2, 2))  # seeds, layers, reused and new
with torch.no_grad():
    for i in range(5):
        own = learner.model.modules(i)[2]
        for k, layer in enumerate(own.layers):
            reused_A, reused_B = own.units(layer)
            sizes[i, k] = norm(reused_A, reused_B * own.coefficients[k]), norm(*own.new(layer))
    spectrum = singular_values(*third.factors("hidden"))
print(pd.DataFrame(sizes.mean(0), list(third.layers), ["reused", "new"]).round(2).to_string())
print("singular values, hidden layer, seed 0:", *(f"{value:.2f}" for value in spectrum))
verdict("third task, mean over seeds and layers: the reused part is smaller than the new part, but "
        "larger than a tenth of it.", 0.1 < (sizes[..., 0] / sizes[..., 1]).mean() < 1)

# %% [markdown]
# A few directions make up most of the update: three of the twelve singular values are above 0.5.
#
# ## Do the reused units matter?
#
# The explorer below belongs to seed 0. Its upper picture shows the coefficients of a task, here the third one. Each
# column is a unit of an earlier task. A coefficient of 1 means that the unit is as strong as in the task for which it
# was trained. The bars show the change in accuracy if only this unit is switched off. The dots show the accuracy with
# several units off. The task is told, and the head is the one that was trained with this task.
#
# Choose a task, and switch units off.

# %%
from workbench.widgets import CompositionExplorer

CompositionExplorer(learner, stream)

# %% [markdown]
# For the third task and this seed: with all reused units off, the accuracy stays at 99 %. With all new units off it
# falls to 91 %, and with no unit at all to 88 %. So large coefficients, and a large norm, do not show that reuse helps.

# %%
from workbench.measure.composition import right_without

all_on, no_reused, no_new = (right_without(learner.model, stream, 2, 0, off).mean()
                             for off in ((), range(8), range(8, 12)))
verdict("third task, seed 0: without any reused unit the accuracy is the same; without the new "
        "units it is more than 5 points lower.",
        abs(all_on - no_reused) < 0.01 and no_new < all_on - 0.05)

# %% [markdown]
# ## Do two modules use the same directions of the input?
#
# A new part computes the dot products of its input with the rows of its $A$, and uses nothing else of the input. The
# weighted sums of these rows form a subspace. The **principal angles** measure how close two subspaces are. The first one is the smallest angle between a vector of one
# subspace and a vector of the other. If its cosine is 1, the subspaces share a direction. If its cosine is 0, every
# vector of one is orthogonal to every vector of the other.
#
# {{exercise largest_cosine}}

# %%
def largest_cosine(A, other):
    ...


check("largest_cosine", largest_cosine)

# %% [markdown]
# {{solution largest_cosine}}
#
# The figure shows the largest cosine for each two tasks, as a mean over seeds and layers. Two *random* subspaces of this
# size have a largest cosine of 0.33 on average.

# %%
from workbench.measure.composition import new_part_cosines, random_cosine
from workbench.plots.composition import plot_angles

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
by_chance = np.mean([random_cosine(4, inputs) for inputs in (64, 128)])
cosines = {title: np.mean([new_part_cosines(one.model.modules(i)) for i in range(5)], (0, 1))
           for title, one in (("no penalty", free), ("with the penalty", learner))}
for ax, (title, table) in zip(axes, cosines.items(), strict=True):
    plot_angles(table, [task.name for task in stream.tasks], ax, f"largest cosine, {title}",
                chance=by_chance)
wb.show(figure)
apart = torch.stack([m.cosines() for i in range(5) for m in learner.model.modules(i)[1:]])
verdict("with the penalty the largest cosine of new and earlier units is below 0.1, for all seeds, "
        "tasks and layers. Without it, it is on average above that of random parts.",
        float(apart.max()) < 0.1 and by_chance < cosines["no penalty"][[1, 2, 2], [0, 0, 1]].mean())

# %% [markdown]
# ## Does reuse help where tasks share parts?
#
# Reuse should help most if a new task shares parts with earlier tasks, and has few examples. We compare two streams of
# four tasks:
#
# - **`digits-shifted`**: the same digits as scanned, turned by 90 degrees, inverted (light and dark exchanged), and at
#   last turned *and* inverted. So the last task shares parts with the second and the third.
# - **`permuted-digits`**, the control: in each task the pixels are shuffled in an order of its own. So the tasks have no
#   pattern of pixels in common.
#
# The first task has all its training images, and each later task has 30. We measure the accuracy on the last task after
# 5, 10, 20, 40, 80 and 160 steps. The model is told the task. There are five splits of the images, with two seeds each
# (`scripts/study_composition.py`). A thin line is one split, and a band is the 95 % interval over splits.
#
# *No reuse* trains an adapter of its own for the last task. *Reuse* trains coefficients of the earlier units, and a new
# part. There are two ways to set the learning rate. Either both have **one rate**, 0.003. Or each has its **chosen
# rate**: the one of three (0.001, 0.003, 0.01) with the highest validation accuracy, as a mean over the six points. This
# choice favours fast learning more than a high accuracy at the end.

# %%
from workbench.plots import describe, draw_band
from workbench.plots.styles import COLOURS
from workbench.runs.studies import RESULTS

study = json.loads((RESULTS / "composition.json").read_text())
SHARED, NOTHING = "digits-shifted", "permuted-digits"
STARTS = ("no reuse", "reuse", "warm start", "coefficients 1", "foreign units")
RATES = {"one rate": "transfer at 0.003", "chosen rates": "transfer"}


def curve(stream, start, rate="chosen rates", rank=4):
    """Accuracy on the last task: (splits, steps)."""
    return np.array(study[f"{RATES[rate]}: {stream}, {start}, rank {rank}"]["accuracy"])


# %%
at = study[f"transfer: {SHARED}, reuse, rank 4"]["steps"]
figure_2, axes_2 = plt.subplots(2, 2, figsize=(9.5, 6), sharey="col", layout="constrained")
for ax, (rate, which) in zip(axes_2.flat, [(rate, which) for rate in RATES
                                          for which in (SHARED, NOTHING)], strict=True):
    for i, start in enumerate(STARTS[:2]):
        draw_band(ax, range(len(at)), curve(which, start, rate), start, color=COLOURS[i])
    ax.set(title=f"{which}, {rate}", xlabel="steps", xticks=range(len(at)), xticklabels=at)
    describe(ax, f"{ax.get_title()}, accuracy after {at} steps: " + "; ".join(
        f"{one} {np.round(100 * curve(which, one, rate).mean(0))}" for one in STARTS[:2]))
axes_2[0, 0].legend(frameon=False, loc="lower right")
figure_2.supylabel("accuracy on the last task (%)")
wb.show(figure_2)

# %% [markdown]
# How far is *reuse* ahead of *no reuse*? The table has 95 % intervals of the paired difference, in points.

# %%
lead = {(rate, which): 100 * (curve(which, "reuse", rate) - curve(which, "no reuse", rate))
        for rate in RATES for which in (SHARED, NOTHING)}
print(pd.DataFrame({case: {title: "{:+.1f} to {:+.1f}".format(*seed_interval(values[:, step]))
                           for title, step in (("after 5 steps", 0), ("at the end", -1))}
                    for case, values in lead.items()}).T.to_string())
verdict("at one rate for both, reuse is ahead after 5 steps, in the control stream too.",
        min(seed_interval(lead["one rate", which][:, 0])[0] for which in (SHARED, NOTHING)) > 0)
verdict("at the rate chosen for each, all intervals contain 0, after 5 steps and at the end.",
        all(np.prod(seed_interval(lead["chosen rates", which][:, step])) < 0
            for which in (SHARED, NOTHING) for step in (0, -1)))

# %% [markdown]
# With one rate for both, reuse is ahead in the first steps. But it is as far ahead in the control stream, where tasks
# share nothing. So this lead does not show that knowledge is reused. It may be speed: the coefficients learn thirty
# times faster. With chosen rates the lead after 5 steps is gone. (After 160 steps the chosen rates are a little worse
# than 0.003, because they were chosen for the whole curve.)
#
# ### Does the content of the units count?
#
# Five ways to begin the last task of `digits-shifted`, with chosen rates:
#
# | start | what it is |
# |---|---|
# | no reuse | an adapter of its own |
# | reuse | learned coefficients of earlier units, and a new part |
# | warm start | no reuse, but the new part begins as a copy of the adapter of the task before |
# | coefficients 1 | the coefficient of every earlier unit is fixed at 1 |
# | foreign units | like *reuse*, but each earlier unit gets the entries of its input in a random order. There are as many weights, but the learned content is lost |
#
# In the table, *steps* is the number of steps to 90 % of the final accuracy of *no reuse*. *Numbers* are those that are
# kept for the last task.

# %%
goal = 0.9 * curve(SHARED, "no reuse")[:, -1].mean()
lines = []
for start, rank in [(start, 4) for start in STARTS] + [(start, 1) for start in STARTS[:2]]:
    values = curve(SHARED, start, rank=rank)
    coefficients = 6 * rank * (start in ("reuse", "foreign units"))  # of 3 tasks, in 2 layers
    lines.append((start, rank, percent_over_seeds(values[:, -1]),
                  at[int(np.argmax(values.mean(0) >= goal))], rank * (64 + 128) * 2 + coefficients))
columns = ["start", "rank", "accuracy at the end", f"steps to {percent(goal)}", "numbers"]
print(pd.DataFrame(lines, columns=columns).to_string(index=False))

# %%
pairs = {"reuse - no reuse": (SHARED, "reuse", "no reuse"),
         "reuse - foreign units": (SHARED, "reuse", "foreign units"),
         "reuse - foreign units, control": (NOTHING, "reuse", "foreign units"),
         "no reuse - warm start": (SHARED, "no reuse", "warm start")}
ahead = {name: 100 * (curve(which, one, "chosen rates")
                      - curve(which, other, "chosen rates"))[:, -1]
         for name, (which, one, other) in pairs.items()}
print(pd.DataFrame({name: {"mean": f"{values.mean():+.1f}", "95 % interval": "{:+.1f} to {:+.1f}"
                           .format(*seed_interval(values))} for name, values in ahead.items()}
                   ).T.to_string())
verdict("at the end reuse is ahead of foreign units on the tasks that share parts; on the control "
        "stream the interval contains 0.",
        seed_interval(ahead["reuse - foreign units"])[0] > 0
        > np.prod(seed_interval(ahead["reuse - foreign units, control"])))

# %% [markdown]
# At the end *reuse* is 1.0 points ahead of *no reuse* (95 % interval -0.7 to 2.7). So a gain of two points is not
# excluded. *Reuse* is 2.6 points ahead of *foreign units* on the tasks that share parts, and 0.3 on the control stream.
# This suggests that the content of the units helps. But we made many comparisons, so one such interval can occur by
# chance. A warm start ends 4.6 points below *no reuse*.
#
# ## What to remember
#
# - The size of an update $BA$ needs two small matrices only.
# - The reused part is smaller than the new part, but not small. Its size does not show that it helps: switch it off.
# - Compare at a chosen rate for each variant, and beside a control. At one rate for both, reuse seems to help, even where
#   tasks share nothing.
# - No gain of reuse is measured. A gain of two points on the task that shares parts is not excluded.
#
# **What would change your mind?** If reuse gained several points with a chosen rate for each variant on tasks that share
# parts, and foreign units did not, the content of earlier units would be useful.
#
# ## Try it yourself
#
# - In the explorer choose the third task, and switch all new units off. How much of the task can the reused units do
#   alone? Compare this with all units off.
# - `curve(NOTHING, "warm start")[:, -1].mean()`: what does a copy of the adapter before cost if tasks share nothing?
#
# ## Limits
#
# One small backbone and tiny images. All splits use the same 1,797 digits, so for new digits the uncertainty is larger
# than the intervals show. Three learning rates were tried here, and the largest was best for all ways, so a better
# rate may lie outside. *Foreign units* are our control, not the paper's.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
