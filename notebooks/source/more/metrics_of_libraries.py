# %% [markdown]
# # Measures in different libraries
#
# > **Claim you can check:** libraries and papers use the same name for different formulas. For one and the same accuracy
# > matrix, they give three numbers for forgetting, two for backward transfer, and three for the average accuracy.
#
# | | |
# |---|---|
# | **Objectives** | read a measure from its formula, not from its name · compute each rule by hand · see when the rules disagree |
# | **Prerequisites** | [02 Measuring retention](../02_measuring_retention.ipynb) |
# | **Time** | 30 minutes to read and to do the exercise, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import describe, plot_accuracy_matrix, plot_dots
from workbench.plots.display import over_seeds
from workbench.plots.labels import write_cells

wb.prepare_notebook()

# %% [markdown]
# ## One matrix, eight rules
#
# `R[i, j]` is the accuracy on task `j` after training on the tasks 0 to `i`. In this matrix, the accuracy on the first
# task rises after training on the second task (0.90 to 0.95), and falls after the third (to 0.60). The accuracy on the
# second task rises after training on the third (0.85 to 0.88).

# %%
R = np.array([[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]])
wb.show(plot_accuracy_matrix(wb.AccuracyMatrix(R), ["task 0", "task 1", "task 2"],
                             plt.subplots(figsize=(5.5, 2.8))[1]))

# %% [markdown]
# FACIL, Avalanche, Mammoth and PILOT are libraries. We read their rules in their source code (versions in
# `docs/REFERENCES.md`). The other names in the table are papers: Chaudhry et al. (2018), Díaz-Rodríguez et al. (2018),
# and GEM, by Lopez-Paz & Ranzato (2017).
#
# | measure | used by | rule |
# |---|---|---|
# | backward transfer | GEM, Mammoth, this course | for each task except the last: last row minus diagonal; then the mean |
# | backward transfer | Díaz-Rodríguez | for each cell below the diagonal: `R[i, j] - R[j, j]`; then the mean |
# | forgetting | Chaudhry, FACIL, this course | for each task except the last: best accuracy in all rows *before* the last, minus last row; then the mean |
# | forgetting | Avalanche | for each task except the last: diagonal minus last row; then the mean |
# | forgetting | Mammoth, PILOT | for each task except the last: best accuracy in all rows *including* the last, minus last row; then the mean |
# | average accuracy | GEM (ACC) | mean of the last row |
# | average accuracy | PILOT (AIA, average incremental accuracy) | for each row: mean accuracy on the tasks trained so far; then the mean |
# | average accuracy | Díaz-Rodríguez | mean of all cells on and below the diagonal |
#
# Rows before the training of a task do not count for the best accuracy on this task.

# %%
def rules(R):
    """The value of each rule for one matrix."""
    rows, columns = np.indices(R.shape)
    own, last, old = np.diagonal(R), R[-1], slice(0, len(R) - 1)  # old: all tasks except the last
    trained = np.where(rows >= columns, R, -np.inf)
    return {("backward transfer", "GEM, Mammoth, this course"): (last - own)[old].mean(),
            ("backward transfer", "Díaz-Rodríguez"): (R - own)[rows > columns].mean(),
            ("forgetting", "Chaudhry, FACIL, this course"):
                (trained[:-1].max(0) - last)[old].mean(),
            ("forgetting", "Avalanche"): (own - last)[old].mean(),
            ("forgetting", "Mammoth, PILOT"): (trained.max(0) - last)[old].mean(),
            ("average accuracy", "GEM"): last.mean(),
            ("average accuracy", "PILOT"): np.mean([R[i, :i + 1].mean() for i in range(len(R))]),
            ("average accuracy", "Díaz-Rodríguez"): R[rows >= columns].mean()}


# %% [markdown]
# For this matrix, each rule is a sum over the cells, each cell times a weight. The figure shows the weights. The cells lie as
# in the figure above. We compute a weight as the change of the value if the cell changes a little.

# %%
def weights(rule, step=1e-6):
    """Return by how much the value of a rule changes with each cell of `R`."""
    cells = np.eye(R.size).reshape(-1, *R.shape)
    return np.array([(rules(R + step * cell)[rule] - rules(R)[rule]) / step
                     for cell in cells]).reshape(R.shape)


def fraction(weight):
    return str(Fraction(weight).limit_denominator(12))


# %%
weights_fig, panels = plt.subplots(2, 4, figsize=(10, 4.6))
for ax, rule in zip(panels.flat, rules(R), strict=True):
    ax.imshow(weights(rule), "RdBu", vmin=-0.8, vmax=0.8, aspect="auto")
    write_cells(ax, weights(rule), fraction, lambda weight: abs(weight) > 0.6)
    ax.set(xticks=[], yticks=[])
    ax.set_title("\n".join(rule), fontsize=9)
    ax.grid(False)
    describe(ax, f"{': '.join(rule)}: " + ", ".join(
        f"{fraction(weight)} times R[{i}, {j}]"
        for (i, j), weight in np.ndenumerate(weights(rule)) if abs(weight) > 0.01) + ".")
wb.show(weights_fig)

# %% [markdown]
# For example, look at the three rules for forgetting. All subtract the last row, but from different cells. In the rule
# of Mammoth and PILOT, both cells of task 1 have the weight 0. The best accuracy on task 1 is in the last row itself, so
# the difference is 0: for this rule, nothing of task 1 is forgotten.

# %%
small = pd.Series(rules(R), name="value")
one_matrix = {": ".join(rule): (value,) * 3 for rule, value in small.items()}
wb.show(plot_dots({"value": one_matrix}, plt.subplots(figsize=(8, 4.2))[1],
                  "Eight rules, one matrix", "value (%)"))
wb.show_numbers(small.to_frame(), "eight rules for one matrix", "{:.4f}".format)

# %%
verdict("on this matrix, the three rules for forgetting give three different numbers. Always say "
        "which formula you used.",
        np.allclose(small, [-.135, -.0733, .16, .135, .175, .76, .8533, .83], atol=1e-3))

# %%
package, _ = wb.summarise(wb.AccuracyMatrix(R))
verdict("the package gives the same numbers as four of our rules: the two marked “this course”, "
        "ACC (GEM) and AIA (PILOT).",
        np.allclose(small.iloc[[0, 2, 5, 6]],
                    [package[name] for name in ("BWT", "forgetting", "ACC", "AIA")]))

# %% [markdown]
# ## Does it matter in a real run?
#
# The rules for forgetting differ only if the accuracy on a task rises after the task was learned. Here we compute all
# eight rules for two runs of lesson 02: replay with new classes in each task, and fine-tuning with shuffled pixels. Each
# number is the mean over five seeds.

# %%
SEEDS = (0, 1, 2, 3, 4)
runs = {"replay, new classes": wb.run(wb.RunConfig(
            stream="split-digits", scenario="class", learner="replay", seeds=SEEDS)),
        "fine-tuning, shuffled pixels": wb.run(wb.RunConfig(
            stream="permuted-digits", scenario="domain", learner="finetune", seeds=SEEDS))}
of_seeds = {name: pd.concat([pd.Series(rules(one)) for one in run.accuracy], axis=1).T
            for name, run in runs.items()}
real = pd.DataFrame({name: values.mean() for name, values in of_seeds.items()})

# %%
wb.show(plot_dots({name: {": ".join(rule): over_seeds(values[rule]) for rule in values}
                   for name, values in of_seeds.items()}, plt.subplots(figsize=(8, 5))[1],
                  "Eight rules, two runs", "value (%), 95 % intervals over five seeds"))
wb.show_numbers(real, "eight rules for two runs", "{:.3f}".format)

# %%
spread = {name: real.loc[name].max() - real.loc[name].min() for name in real.index.levels[0]}
verdict("in both runs the rules for forgetting agree within half a point. The two rules for "
        "backward transfer differ by more than 2 points, and those for the average accuracy by "
        "more than 3.",
        (spread["forgetting"] < 0.005).all() and (spread["backward transfer"] > 0.02).all()
        and (spread["average accuracy"] > 0.03).all())

# %% [markdown]
# ## Forward transfer
#
# **Forward transfer** (FWT, from the paper of GEM) asks: how much do the earlier tasks help a task that is not trained
# yet? It needs one more row of numbers: `b[j]`, the accuracy on task `j` before any training. For each task except the
# first, take `R[j-1, j] - b[j]`; then the mean.

# %%
b = np.array([0.10, 0.12, 0.15])
forward = np.mean([R[j - 1, j] - b[j] for j in range(1, len(R))])
print(f"forward transfer: {forward:.3f}")
verdict("forward transfer computed by hand is that of the package.",
        np.isclose(forward, wb.AccuracyMatrix(R, b).forward_transfer()))

# %% [markdown]
# In the class scenario FWT has no meaning. Classes that the network has not seen yet are not allowed as answers, so
# `R[j-1, j]` is always 0. The package raises an error in place of a number.

# %%
from workbench.errors import UndefinedMetricError

try:
    runs["replay, new classes"].matrix().forward_transfer()
except UndefinedMetricError as reason:
    print(reason)

# %% [markdown]
# ## Write one measure yourself
#
# {{exercise retention_matrix}}

# %%
def retention_matrix(R):
    ...


check("retention_matrix", retention_matrix)

# %% [markdown]
# {{solution retention_matrix}}
#
# **What would change your mind?** Give the matrix `R` to a library. If its number differs from our number for this
# library, we have read its source code wrongly, or a newer version has changed the rule.
#
# ## Try it yourself
#
# - Change two cells of `R` so that all three rules for forgetting agree. Why is one cell not enough?
# - Why can the forgetting of Mammoth and PILOT never be negative? Which information is lost?
# - Suppose that a library never tests a task before its training, and writes 0 into all cells above the diagonal. Which
#   measures of this lesson would change?
#
# ## Limits
#
# The rules are those of the versions that we read. Some libraries also weight tasks by their number of test examples;
# all rules here weight tasks equally.
#
# **Back to:** [02 Measuring retention](../02_measuring_retention.ipynb)
