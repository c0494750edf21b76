# %% [markdown]
# # Reuse in depth: which units are reused, and does their content help?
#
# > **Claim you can check:** composed modules do reuse earlier units: the reused part of an update is not small. But a
# > large coefficient does not show that a unit helps. For one task we switch all reused units off, and over five seeds the
# > accuracy does not fall on average. Now take a task that shares parts with earlier tasks. If modules with and without
# > reuse are trained at the same learning rate, the accuracy with reuse is higher in the first steps. But it is also
# > higher on tasks that share no pattern of pixels. If the learning rate of each is chosen on validation images, we
# > measure no advantage.
#
# | | |
# |---|---|
# | **Objectives** | measure the size of an update without multiplying large matrices · switch units off · measure the angle between the inputs that two modules use · test whether the content of earlier units helps |
# | **Prerequisites** | [11 Module composition](../11_module_composition.ipynb) |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from dataclasses import replace
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_bars, plot_differences
from workbench.plots.sequences import plot_over_seeds
from workbench.plots.styles import COLOURS, LINES

# %%
wb.prepare_notebook()

# %% [markdown]
# ## Two learners
#
# A **unit** is a row $a_j$ of the matrix $A$ of an adapter, with the column $b_j$ of its $B$. A composed module reuses
# the units of earlier tasks, each with a learned **coefficient**, and adds a **new part** (lesson 11). We train
# composed modules for the three tasks of lesson 11, with five seeds. We train them twice: with the penalty that keeps new
# parts orthogonal to earlier units (`learner`), and without it (`free`).

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
# ## A toy: does training find the coefficients?
#
# The toy has one layer and two earlier units, and no new part. The new task needs 0.7 times unit 0, and nothing of
# unit 1. Does training find these two coefficients?

# %%
rng = np.random.default_rng(0)
old_A, old_B = torch.tensor(rng.normal(size=(2, 6))), torch.tensor(rng.normal(size=(4, 2)))
inputs = torch.tensor(rng.normal(size=(50, 6)))
needed = inputs @ (0.7 * torch.outer(old_B[:, 0], old_A[0])).T  # the update that the task needs
s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
optimizer, path = torch.optim.Adam([s], lr=0.05), []
for _ in range(200):
    path.append(s.detach().numpy().copy())
    loss = ((inputs @ old_A.T * s) @ old_B.T - needed).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
verdict("training finds the coefficients 0.7 and 0.", np.allclose(s.detach(), [0.7, 0], atol=0.01))

# %%
toy = plt.subplots(figsize=(7, 2.6))[1]
for unit, values in enumerate(np.transpose(path)):
    toy.plot(values, color=COLOURS[unit], linestyle=LINES[unit])
    toy.text(203, values[-1], f"unit {unit}", color=COLOURS[unit], va="center")
toy.set(xlim=(0, 225), xticks=range(0, 201, 50), xlabel="training step", ylabel="coefficient")
wb.show(describe(toy, "Lines of the coefficients in training: both begin at 0. Unit 0 ends at "
                 f"{path[-1][0]:.2f}, unit 1 at {path[-1][1]:.2f}."))

# %% [markdown]
# ## How large is the reused part?
#
# The size of an update is its **Frobenius norm**: the square root of the sum of its squared entries. We need not compute
# the large matrix $BA$. Its squared norm is $\operatorname{tr}(B^\top B\,AA^\top)$. The trace tr is the sum of the diagonal.
# $B^\top B$ and $AA^\top$ are small: they have $r$ rows and $r$ columns, where $r$ is the rank.
#
# {{exercise update_norm}}

# %%
def update_norm(A, B):
    ...


check("update_norm", update_norm)

# %% [markdown]
# {{solution update_norm}}
#
# The printed lines show how large the reused part of the third module is beside its new part, as a mean over five seeds.
# The figure has the **singular values** of the whole update of a layer. Each says how strongly the update acts along one
# of its directions. The update of a layer has rank 12 here, so there are 12 values. A value near 0 means that the update
# hardly acts along this direction.

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

# %%
for layer, (reused, new) in zip(third.layers, sizes.mean(0), strict=True):
    print(f"{layer}: the reused part has {percent(reused / new)} of the size of the new part")
strengths = (spectrum / spectrum.max()).tolist()
bars = plt.subplots(figsize=(7, 2.4))[1]
bars.bar(range(1, 13), [100 * strength for strength in strengths], color=COLOURS[0])
bars.set(xlabel="singular value", ylabel="% of the largest", xticks=range(1, 13),
         title="hidden layer, seed 0")
wb.show(describe(bars, "Bars of the singular values of the hidden layer, in % of the largest: "
                 f"{', '.join(map(percent, strengths))}."))
verdict("third task, mean over seeds and layers: the reused part is smaller than the new part, but "
        "larger than a tenth of it.", 0.1 < (sizes[..., 0] / sizes[..., 1]).mean() < 1)

# %% [markdown]
# In the layer `hidden` the reused part is nearly as large as the new part. Three of the twelve singular values are above
# half of the largest, so most of the size of the update is in a few directions.
#
# ## Do the reused units matter?
#
# In the explorer of lesson 11 you switched units off. Now we do the same in code, for the third task (8 or 9) and five
# seeds. The model is told the task. The answer comes from the head that was trained together with this module, with all units on.

# %%
from workbench.measure.composition import right_without

switched = {"all units": (), "no reused unit": range(8), "no new unit": range(8, 12),
            "no unit": range(12)}
right = {name: np.array([right_without(learner.model, stream, 2, seed, off).mean()
                         for seed in range(5)]) for name, off in switched.items()}
wb.show(plot_bars(right, plt.subplots(figsize=(7, 2.4))[1], "Third task, units switched off"))
low, high = seed_interval(right["no reused unit"] - right["all units"])
print(f"no reused unit minus all units: {100 * low:+.1f} to {100 * high:+.1f} points")
verdict("third task, five seeds: without any reused unit the 95 % interval of the change contains "
        "0, and no loss above 2 points; without the new units every seed loses more than 5 points.",
        -0.02 < low < 0 < high and (right["no new unit"] < right["all units"] - 0.05).all())

# %% [markdown]
# The reused units alone (*no new unit*) give at most three right answers more, or three fewer, than no unit at all. There
# are 88 test images. So a large coefficient, or a large norm of the reused part, does not show that reuse helps.
#
# ## Do two modules use the same directions of the input?
#
# A new part computes the dot products of its input with the rows of its $A$, and uses nothing else of the input. The
# weighted sums of these rows form a subspace. How close are two subspaces? We use the first **principal angle**: the
# smallest angle between a vector of one subspace and a vector of the other. Its cosine is the *largest cosine*. If it is 1,
# the subspaces share a direction. If it is 0, every vector of one is orthogonal to every vector of the other.
#
# {{exercise largest_cosine}}

# %%
def largest_cosine(A, other):
    ...


check("largest_cosine", largest_cosine)

# %% [markdown]
# {{solution largest_cosine}}
#
# The figure shows, for each pair of tasks, the largest cosine between their new parts. It is a mean over seeds and layers.
# Two *random* subspaces of the same size (4 dimensions, of 64 or 128 inputs) have a largest cosine of 0.33 on average.

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
    pairs = "; ".join(f"“{late.name}” with “{early.name}”: {table[late.index, early.index]:.2f}"
                      for early, late in combinations(stream.tasks, 2))
    describe(ax, f"Largest cosine, {title}: {pairs}; random parts: {by_chance:.2f}.")
wb.show(figure)

# %%
apart = torch.stack([m.cosines() for i in range(5) for m in learner.model.modules(i)[1:]])
verdict("with the penalty the largest cosine of new and earlier units is below 0.1, for all seeds, "
        "tasks and layers. Without the penalty, the largest cosine of two new parts is on average "
        "higher than that of random parts.",
        float(apart.max()) < 0.1 and by_chance < cosines["no penalty"][[1, 2, 2], [0, 0, 1]].mean())

# %% [markdown]
# ## Does reuse help where tasks share parts?
#
# Reuse should help most if a new task shares parts with earlier tasks, and has few examples. We compare two streams of
# four tasks:
#
# - **`digits-shifted`**: the same digits in four forms, one for each task: as they were scanned; turned by 90 degrees;
#   inverted (light and dark exchanged); and turned *and* inverted. So the last task shares parts with the second and third.
# - **`permuted-digits`**, the control: each task puts the pixels of all its images in one random order, and each task has
#   another order. So the tasks have no pattern of pixels in common. They still have the same ten digits.
#
# The first task has all its training images, and each later task has 30. We measure the accuracy on the last task after
# 5, 10, 20, 40, 80 and 160 steps. The model is told the task. There are five splits of the images, with two seeds each
# (`scripts/study_composition.py`). In the figure a thin line is one split, and a band is the 95 % interval over splits.
#
# *No reuse* trains an adapter of its own for the last task. *Reuse* trains coefficients of the earlier units, and a new
# part. There are two ways to set the learning rate:
#
# - **one rate**: both have 0.003;
# - **chosen rates**: each has the best of 0.001, 0.003 and 0.01 on validation images. The best rate has the highest mean
#   accuracy over the six measurements. Most of these are early, so the choice prefers a rate that learns fast. For both
#   the chosen rate is 0.01.

# %%
from workbench.plots import draw_band
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
    describe(ax, f"{ax.get_title()}: reuse and no reuse rise, then stay level. Table below.")
axes_2[0, 0].legend(frameon=False, loc="lower right")
figure_2.supylabel("accuracy on the last task (%)")
wb.show(figure_2)

# %%
wb.show_numbers(pd.DataFrame({(rate, which, one): curve(which, one, rate).mean(0) for rate in RATES
                              for which in (SHARED, NOTHING) for one in STARTS[:2]}, at).T,
                "accuracy on the last task after each number of steps", percent)

# %% [markdown]
# How many points is the accuracy with *reuse* higher than with *no reuse*? The figure has the mean paired difference,
# with its 95 % interval.

# %%
lead = {(rate, which): 100 * (curve(which, "reuse", rate) - curve(which, "no reuse", rate))
        for rate in RATES for which in (SHARED, NOTHING)}
lead_axes = plt.subplots(1, 2, figsize=(10, 2.6), sharex=True, sharey=True)[1]
for ax, (title, step) in zip(lead_axes, (("after 5 steps", 0), ("at the end", -1)), strict=True):
    plot_differences({f"{which}, {rate}": values[:, step] for (rate, which), values
                      in lead.items()}, ax, title, "reuse minus no reuse, in points")
wb.show(lead_axes[0].figure)

# %%
verdict("at one rate for both, the accuracy after 5 steps is higher with reuse, in the control "
        "stream too.",
        min(seed_interval(lead["one rate", which][:, 0])[0] for which in (SHARED, NOTHING)) > 0)
verdict("at the chosen rates, all intervals contain 0, after 5 steps and at the end.",
        all(np.prod(seed_interval(lead["chosen rates", which][:, step])) < 0
            for which in (SHARED, NOTHING) for step in (0, -1)))

# %% [markdown]
# With one rate for both, the accuracy with reuse is higher in the first steps. But it is also higher in the control
# stream, where the tasks have no pattern of pixels in common. So this advantage does not show that knowledge is reused.
# A possible reason is speed: the coefficients learn thirty times faster than other weights (lesson 11), in the control
# stream too. With chosen rates no advantage is measured. (After 160 steps the accuracy is a little lower with the chosen
# rates than with 0.003, because the choice looks at all six measurements.)
#
# ### Does the content of the units count?
#
# Five ways to begin the last task of `digits-shifted`, with chosen rates:
#
# | start | what it is |
# |---|---|
# | no reuse | an adapter of its own |
# | reuse | learned coefficients of earlier units, and a new part |
# | warm start | no reuse, but the new part begins as a copy of the previous task's adapter |
# | coefficients 1 | the coefficient of every earlier unit is fixed at 1 |
# | foreign units | a control: like *reuse*, but before the last task the columns of each earlier $A$ are put in a random order. The number and the size of the units stay the same, but their learned content is lost |
#
# The figure has the accuracy at the end, for adapters of rank 4 and of rank 1. A small dot is one split. The table below
# it has two more columns:
#
# - *steps to 76 %*: after this number of steps, the mean accuracy was at least 76 % for the first time in our six
#   measurements. (76 % is nine tenths of the final accuracy of *no reuse*.)
# - *numbers*: how many numbers are stored for the last task. The earlier units are stored anyway, and are not counted.

# %%
goal = 0.9 * curve(SHARED, "no reuse")[:, -1].mean()
lines, at_end = [], {}
for start, rank in [(start, 4) for start in STARTS] + [(start, 1) for start in STARTS[:2]]:
    values = at_end[f"{start}, rank {rank}"] = curve(SHARED, start, rank=rank)
    coefficients = 6 * rank * (start in ("reuse", "foreign units"))  # of 3 tasks, in 2 layers
    lines.append((start, rank, percent_over_seeds(values[:, -1]),
                  at[int(np.argmax(values.mean(0) >= goal))], rank * (64 + 128) * 2 + coefficients))
columns = ["start", "rank", "accuracy at the end", f"steps to {percent(goal)}", "numbers"]
of_starts = pd.DataFrame(lines, columns=columns).set_index(["start", "rank"])

# %%
ends_of = plot_over_seeds({name: {name: values[:, -1]} for name, values in at_end.items()},
                          plt.subplots(figsize=(8, 3.4))[1], "last task of digits-shifted, at the "
                          "end", "accuracy (%)")
wb.show(describe(ends_of, "Accuracy on the last task at the end, with 95 % intervals over splits: "
                 + "; ".join(f"{name} {percent_over_seeds(values[:, -1])}"
                             for name, values in at_end.items()) + "."))
wb.show_numbers(of_starts, "five starts, at the end")

# %% [markdown]
# Four of these differences, paired by split. The control is the stream `permuted-digits`.

# %%
contrasts = {"reuse - no reuse": (SHARED, "reuse", "no reuse"),
             "reuse - foreign units": (SHARED, "reuse", "foreign units"),
             "reuse - foreign units, control": (NOTHING, "reuse", "foreign units"),
             "no reuse - warm start": (SHARED, "no reuse", "warm start")}
ahead = {name: 100 * (curve(which, one, "chosen rates")
                      - curve(which, other, "chosen rates"))[:, -1]
         for name, (which, one, other) in contrasts.items()}
wb.show(plot_differences(ahead, plt.subplots(figsize=(8, 2.6))[1], "at the end",
                         "difference in accuracy, in points"))
verdict("at the end the accuracy with reuse is higher than with foreign units on the tasks that "
        "share parts; on the control stream the interval contains 0.",
        seed_interval(ahead["reuse - foreign units"])[0] > 0
        > np.prod(seed_interval(ahead["reuse - foreign units, control"])))

# %% [markdown]
# At the end *reuse* is 1.0 points better than *no reuse*. The 95 % interval is -0.7 to 2.7, so a gain of two points is
# possible: our data cannot exclude it. *Reuse* is 2.6 points better than *foreign units* on the tasks that share parts, and
# 0.3 on the control stream. This suggests that the content of the units helps. But the two intervals overlap, we did not
# test the difference between the two streams, and we made many comparisons. *Warm start* ends 4.6 points below *no reuse*;
# we did not look for the reason.
#
# ## What to remember
#
# - The size of an update $BA$ needs two small matrices only.
# - The reused part is smaller than the new part, but not small. Its size does not show that it helps: switch it off.
# - Choose a learning rate for each variant, and compare also on a control stream. At one rate for both, reuse seems to
#   help, even where tasks have no pattern of pixels in common.
# - No gain of reuse over *no reuse* is measured. A gain of two points on the task that shares parts is not excluded.
#
# **What would change your mind?** Suppose each variant has its chosen rate, and on tasks that share parts reuse gains
# several points over *no reuse*, but foreign units do not. Then the content of earlier units would be useful.
#
# ## Try it yourself
#
# - In the explorer of lesson 11 choose the second task (6 or 7), and switch all new units off. Compare the accuracy
#   with that of all units off. Do the reused units alone help more than on the third task?
# - `curve(NOTHING, "warm start")[:, -1].mean()` is the final accuracy of *warm start* on the control stream. How far is
#   it from that of *no reuse*?
#
# ## Limits
#
# One small backbone and tiny images. All splits use the same 1,797 digits, so for new digits the uncertainty is larger
# than the intervals show. The verdict on switched-off units is about one task of 88 test images: one image is 1.1 points.
# In the second half three learning rates were tried. The largest (0.01) was best for all five starts, so a still larger
# one may be better. *Foreign units* are our control, not the paper's.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
