# %% [markdown]
# # Measures in different libraries
#
# > **Claim you can check:** libraries use the same name for different formulas. On one and the same accuracy matrix
# > they give three numbers for forgetting, two for backward transfer, and three for the average accuracy.
#
# | | |
# |---|---|
# | **Objectives** | read a measure from its formula, not from its name · compute each rule by hand · see when the rules disagree |
# | **Prerequisites** | [02 Measuring retention](../02_measuring_retention.ipynb) |
# | **Time** | 20 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict

wb.prepare_notebook()

# %% [markdown]
# ## One matrix, eight rules
#
# `R[i, j]` is the accuracy on task `j` after training on the tasks 0 to `i`. In this matrix, the first task improves
# after the second and then loses much. The second task improves after the third.

# %%
R = np.array([[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]])

# %% [markdown]
# We read the rules in the source code of the libraries (versions in `docs/REFERENCES.md`). The papers are those of
# Chaudhry et al. (2018), Díaz-Rodríguez et al. (2018), and Lopez-Paz & Ranzato (2017), whose method is called GEM.
#
# | measure | used by | rule |
# |---|---|---|
# | backward transfer | GEM, Mammoth, this course | mean of last row minus diagonal, over all tasks except the last |
# | backward transfer | Díaz-Rodríguez | mean of `R[i, j] - R[j, j]` over all cells with `i > j` |
# | forgetting | Chaudhry, FACIL, this course | best accuracy *before* the last row, minus the last row |
# | forgetting | Avalanche | diagonal minus last row |
# | forgetting | Mammoth, PILOT | best accuracy *with* the last row, minus the last row |
# | average accuracy | GEM (ACC) | mean of the last row |
# | average accuracy | PILOT (AIA, average incremental accuracy) | mean accuracy on the tasks seen so far, then mean over all rows |
# | average accuracy | Díaz-Rodríguez | mean of all cells with `i >= j` |

# %%
def rules(R):
    """The value of each rule for one matrix."""
    rows, columns = np.indices(R.shape)
    own, last, old = np.diagonal(R), R[-1], slice(0, len(R) - 1)  # old: all tasks but the last
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


# %%
small = pd.Series(rules(R), name="value")
print(small.round(4).to_string())
verdict("on this matrix, three rules for forgetting give three numbers. Always say which formula a "
        "number is from.",
        np.allclose(small, [-.135, -.0733, .16, .135, .175, .76, .8533, .83], atol=1e-3))

# %%
package, _ = wb.summarise(wb.AccuracyMatrix(R))
verdict("the rules marked “this course”, ACC and AIA are those of the package.",
        np.allclose(small.iloc[[0, 2, 5, 6]],
                    [package[name] for name in ("BWT", "forgetting", "ACC", "AIA")]))

# %% [markdown]
# ## Does it matter in a real run?
#
# The rules for forgetting differ only if a task improves after it was learned. Here we compute them for replay, with
# new classes in each task, and for fine-tuning with shuffled pixels. Each number is the mean over five seeds.

# %%
SEEDS = (0, 1, 2, 3, 4)
runs = {"replay, new classes": wb.run(wb.RunConfig(learner="replay", seeds=SEEDS)),
        "fine-tuning, shuffled pixels": wb.run(wb.RunConfig(stream="permuted-digits", seeds=SEEDS))}
real = pd.DataFrame({name: pd.concat([pd.Series(rules(one)) for one in run.accuracy], axis=1)
                     .mean(axis=1) for name, run in runs.items()})
print(real.round(3).to_string())

# %%
spread = real.loc["forgetting"].max() - real.loc["forgetting"].min()
verdict("in both runs the rules for forgetting agree within one point. The rules for the average "
        "accuracy differ by more.",
        (spread < 0.01).all()
        and (real.loc["average accuracy"].max() - real.loc["average accuracy"].min() > 0.03).all())

# %% [markdown]
# **What would change your mind?** If a library computed another number on this matrix than our rule for it, our
# reading of its source would be wrong. Newer versions may also have changed.
#
# ## Try it yourself
#
# - Change one cell of `R` so that all three rules for forgetting agree.
# - Why can the rule of Mammoth and PILOT never be negative? Which information is lost?
# - Avalanche fills its matrix with 0 where a task was not tested. Which of the rules would that change?
#
# ## Limits
#
# The rules are those of the versions that we read. Some libraries also weight tasks by their number of test examples;
# all rules here weight tasks equally.
#
# **Back to:** [02 Measuring retention](../02_measuring_retention.ipynb)
