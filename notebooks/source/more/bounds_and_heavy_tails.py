# %% [markdown]
# # Bounds and heavy tails: two more bounds, a lab, and sets of tasks for any distribution
#
# > **Claim you can check:** a second bound on the error of retrieval, B2, is proved for clusters with known densities. A
# > third bound, a condition that we reconstructed from public code of a paper's author, can be smaller than the true error.
# > A distribution has *heavy tails* if very distant inputs are not rare. Conformal sets still have their error rate
# > there, but they contain nearly all tasks.
#
# | | |
# |---|---|
# | **Objectives** | say what each bound assumes · find a setting in which the reconstructed condition is false · compare conformal sets with a chi-square threshold |
# | **Prerequisites** | [10 Clustered retrieval](../10_clustered_retrieval.ipynb): conformal sets; [Bounds of retrieval](bounds_of_retrieval.ipynb): B1; determinants, the chi-square distribution |
# | **Time** | 30 minutes to work through, under half a minute to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import chi2, ncx2

import workbench as wb
from workbench.course import verdict
from workbench.plots import describe, plot_dots
from workbench.plots.styles import COLOURS
from workbench.retrieval.toy import Toy

wb.prepare_notebook()

# %% [markdown]
# ## Two more bounds
#
# [Bounds of retrieval](bounds_of_retrieval.ipynb) has two bounds on the error of a retriever that knows the true
# densities: B1 and the normal form. Here are two more.
#
# **B2** is for tasks that each have their own adapter. The adapter of a task changes the features of an input. So the
# densities of two tasks are densities of different features, and the overlap $\int\sqrt{pq}\,dx$, on which B1 is built,
# has no meaning. The idea of B2 is this. Choose a number as a threshold. An input gets a wrong task only if its
# distance to its own cluster is above the threshold, or if its distance to a cluster of another task is below it. We
# add the probabilities of these two events. For Gaussian features the squared distances have tails like those of
# chi-square variables. Bounds on these tails are known (Laurent & Massart, 2000; Birgé, 2001).
#
# For the formula, take one cluster, with the covariance $\Sigma$ under its own adapter, and $d$ features. Take one cluster of
# the signature of another task, with the mean $m$ and the covariance $S$, under the adapter of that task.
#
# - With the adapter of the other task, compute the features of the inputs of the first cluster.
# - **Whiten** these features: subtract $m$, and transform so that $S$ becomes the identity.
# - Let $a$ be the mean and $C$ the covariance of the whitened features.
# - Let $\kappa=\log(|S|/|\Sigma|)$.
# - Compute $G=\|a\|^2+\mathrm{tr}\,C+\kappa-d$ and $R=\sqrt{\mathrm{tr}\,C^2+2a^\top Ca}+\sqrt d$.
# - Compute $\sqrt t=\tfrac12\big(\sqrt{R^2+2G}-R\big)$. It is large if the other task is far away.
#
# There is one $t$ for each cluster of the other tasks. The error for inputs of the first cluster is at most $e^{-\min
# t}+\sum e^{-t}$. The first term is for a distance to the own cluster that is too large. The sum is for distances to the
# other clusters that are too small. B2 is the mean of this number over all clusters. The docstring of
# `workbench.retrieval.bounds.adapted_bound` has the proof.
#
# The figure has two spherical clusters of variance 1, at a distance of 6 in 32 features. B2 counts the two filled areas.
# The threshold is $d+2\sqrt{dt}+2t$. Each area is at most $e^{-t}$.

# %%
d, noncentral = 32, 6**2  # features, and the square of the distance between the two means
R = math.sqrt(d + 2 * noncentral) + math.sqrt(d)  # here C = I and kappa = 0; so G = 36
t = ((math.sqrt(R**2 + 2 * noncentral) - R) / 2) ** 2
threshold = d + 2 * math.sqrt(d * t) + 2 * t
own, other = chi2(d), ncx2(d, noncentral)  # squared distances of an input to the two clusters
areas = {"own cluster": own.sf(threshold), "other cluster": other.cdf(threshold)}
verdict(f"each area is at most {100 * math.exp(-t):.1f} %; the areas are "
        + " and ".join(f"{100 * area:.1f} %" for area in areas.values()) + ".",
        max(areas.values()) <= math.exp(-t))

# %%
squares, ax = np.linspace(0, 130, 521), plt.subplots(figsize=(8, 3))[1]
for name, density, wrong, colour, side in (
        ("own cluster", own, squares > threshold, COLOURS[0], "right"),
        ("other cluster", other, squares < threshold, COLOURS[1], "left")):
    curve = density.pdf(squares)
    ax.plot(squares, curve, color=colour)
    ax.fill_between(squares[wrong], curve[wrong], color=colour)
    ax.text(squares[curve.argmax()], curve.max(), f"   to the {name}   ", color=colour, ha=side)
ax.axvline(threshold, color="#555555", linestyle=":")
ax.text(threshold, 0.05, " threshold", color="#555555")
ax.set(xlabel="squared distance of an input", ylabel="density", ylim=(0, 0.056))
wb.show(describe(ax, f"Densities of two squared distances, with a threshold of {threshold:.0f}. "
                 + ", ".join(f"{name}: {100 * area:.1f} % on the wrong side"
                             for name, area in areas.items()) + "."))

# %% [markdown]
# **The paper's condition** is a bound of the same kind. We did not have the theorems of the paper, PROTEUS
# ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)). So we *reconstructed* the condition from a script by its first
# author. The condition says how large the separation must be for an error of at most $\epsilon$. For spherical clusters of
# variance 1 at a distance $\Delta$ it has two parts:
#
# 1. $\Delta$ must be at least $\sqrt{3d}$. For a smaller distance the condition says nothing.
# 2. Let $u=\Delta^2/2$. Then the condition promises an error of at most $\epsilon=N e^{-u^2/(2u+4d)}$. In the script,
#    $N-1$ is the number of other tasks times the number of clusters of all tasks. For the five tasks of the
#    figure, with two clusters each, $N=1+4\cdot10=41$.
#
# (The general form is in the docstrings of `paper_delta` and `paper_bound`.)
#
# The figure has five tasks with two clusters each, in 32 features. *True densities* is the exact error of a retriever that
# knows the densities. *B1* and *B2* are bounds on this error. *Paper's condition* is the $\epsilon$ that the condition
# promises. Bounds above 100 % and points below 0.001 % are not drawn.

# %%
from workbench.plots.separation import plot_error_against_separation
from workbench.retrieval.simulation import measure, sweep

CURVES = ["true densities", "B1", "B2", "paper's condition"]
swept = {d: sweep(Toy(dimension=d), np.arange(1, 14.5)).query("name in @CURVES") for d in (2, 32)}
wb.show(plot_error_against_separation(swept[32], plt.subplots(figsize=(8.5, 3.8))[1]))
curves = {d: table.pivot(index="separation", columns="name", values="value")
          for d, table in swept.items()}
verdict("at every separation the error with the true densities is at most B1, and at most B2.", all(
    (each["true densities"] <= each[["B1", "B2"]].min(axis=1) + 1e-12).all()
    for each in curves.values()))
near = curves[2].loc[8:10]
verdict("with 2 features and separations of 8 to 10, the reconstructed condition is smaller than "
        "the exact error. So it is not always a valid bound.",
        (near["paper's condition"] < near["true densities"]).all())

# %% [markdown]
# Why can the condition be false? For equal covariances and large distances the promised $\epsilon$ decreases as
# $e^{-\Delta^2/4}$. But the exact error decreases only as $e^{-\Delta^2/8}$. So for large $\Delta$ the promised
# $\epsilon$ is too small. The figure does not show this, because it has 32 features, and the second verdict is for 2
# features. With 32 features the condition says nothing for distances below 10.
#
# ## A lab
#
# Move the sliders of the lab. It has five tasks with known densities.
#
# - Right: the errors of fitted signatures (blue), the exact error (black), and the bounds (orange). Fitted signatures find
#   the task in three ways: by the log density, by the Mahalanobis distance, and by the p-value of this distance. The marker
#   of a bound is hollow (not filled) if its assumptions are not met in this setting, or if it is no valid bound. The text
#   beside it says why.
# - Left, above: some of the inputs.
# - Left, below: the share of conformal sets that contain the right task. If one draws held-out and test inputs many times,
#   this share lies inside the blue bar in 95 % of the draws. *Chi-square* is another threshold, explained below. A set can
#   be empty: then the input looks unusual for all tasks.
#
# Three settings to try: more features; fewer inputs per task; a smaller scale for task E (the lab multiplies the features
# of task E by this scale). Which errors and bounds change?

# %%
from workbench.widgets import SeparationLab

SeparationLab(Toy(separation=6, dimension=8))

# %% [markdown]
# ## Heavy tails
#
# A set of tasks can also be made with another threshold. If the clusters are Gaussian and their parameters are known,
# the squared distance of an input to its cluster has a chi-square distribution. So the 98 % quantile of this distribution
# can be the threshold: the set has all tasks whose squared distance is below it. We compare this with conformal sets, on
# Gaussian clusters and on clusters with heavier tails (t distributions with 3 and with 2 degrees of freedom).
#
# **Coverage** is the share of sets that contain the right task. We ask for 98 %. Signatures are fitted to 400 inputs per
# task in 8 features, so their parameters are not exact. On Gaussian clusters this lowers the coverage of the chi-square
# threshold only a little: see the row *Gaussian*. Each dot is the mean of 20 random data sets.

# %% tags=["nbval-ignore-output"]
from workbench.measure.intervals import seed_interval

RULES = {"conformal": "coverage", "chi-square": "chi-square coverage"}
coverage, sizes = {name: {} for name in RULES}, {}
for name, freedom in {"Gaussian": math.inf, "t (3 degrees)": 3.0, "t (2 degrees)": 2.0}.items():
    drawn = pd.DataFrame([measure(Toy(dimension=8, samples=400, alpha=0.02, freedom=freedom,
                                      random_state=i)).sets for i in range(20)])
    sizes[name] = drawn["size"].mean()
    for rule, column in RULES.items():
        coverage[rule][name] = (drawn[column].mean(), *seed_interval(drawn[column].to_numpy()))
covered = plot_dots(coverage, plt.subplots(figsize=(7.5, 2.9))[1], "",
                    "sets with the right task (%), 95 % intervals", ("asked for", 0.98))
covered.set_xlim(85, 100.5)
wb.show(covered)

# %% tags=["nbval-ignore-output"]
means = {rule: [value for value, _, _ in values.values()] for rule, values in coverage.items()}
coverages = pd.DataFrame(means, index=list(sizes)).map(lambda share: f"{100 * share:.1f} %")
wb.show_numbers(coverages, "sets with the right task")
print("tasks in a conformal set: " + ", ".join(f"{name} {size:.2f}" for name, size in
                                               sizes.items()))
verdict("conformal sets contain the right task for 98 % of the inputs (to within 1 point), for all "
        "three distributions. With heavy tails, the chi-square threshold misses the right task of "
        "one input in ten.", all(abs(value - 0.98) < 0.01 for value in means["conformal"])
        and max(means["chi-square"][1:]) < 0.92)

# %% [markdown]
# The proof (lesson 10) gives a coverage of at least 98 % on average over all data sets. Two of the means over 20 data
# sets are a little below 98 %. Chance can explain this: the interval of *t (2 degrees)* contains 98 %, and the interval
# of *Gaussian* ends at 98.0 %.
#
# Conformal sets have a price. It is proved that they contain the right task often enough. It is not proved that they are
# small. With heavy tails a set has four or five of the five tasks, so it says little about the task. The coverage is an
# average over new inputs and over held-out samples. For one class or group it can be lower.
#
# ## What to remember
#
# - B2 is proved for known Gaussian densities, also if each task has its own adapter.
# - The paper's condition, as reconstructed, says nothing for small distances and can be false for large ones.
# - The chi-square threshold needs Gaussian clusters. The error rate of conformal sets holds for all distributions.
#
# The condition on the separation is *reconstructed* from public code of the first author of PROTEUS, and not checked
# against the paper. B2 and the use of conformal sets for tasks are our own.
#
# **What would change your mind?** If the exact error had been above B2 in any setting with known Gaussian densities, the
# proof would be wrong. If the coverage of conformal sets had fallen with heavy tails, there would be an error in their
# proof or in the code.
#
# ## Try it yourself
#
# - In the lab choose tails with 2 degrees of freedom. From which separation on do the sets have one task on average?
# - In the lab choose a full covariance for each cluster. Which marker becomes hollow, and why?
# - `measure(Toy(separation=6)).errors` has the numbers of the lab. Which bound is nearest to the exact error at
#   separations of 4, 6 and 10?
#
# ## Limits
#
# All inputs are drawn from known distributions, with five tasks whose centres lie on a circle in two of the features.
# The paper's own theorems may say something else than our reconstruction of its script.
#
# **Back to:** [10 Clustered retrieval](../10_clustered_retrieval.ipynb)
