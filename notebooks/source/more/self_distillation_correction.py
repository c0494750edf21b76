# %% [markdown]
# # When is a wrong label corrected?
#
# > **Claim you can check:** in an idealised model, let the right label be the most frequent one in each class. Then
# > rounds of self-distillation correct *all* wrong labels from a certain round on, and this round can be computed in
# > advance. For given similarities, penalty and size of the classes it depends only on the *margin*: the share of the
# > right label minus the share of the most frequent wrong label. If the margin is the same, the share of wrong labels
# > does not matter.
#
# | | |
# |---|---|
# | **Objectives** | prove at which round all wrong labels are corrected · compute this round, and compare it with 18 measured ones · see what happens on real digits |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); eigenvectors, logarithms |
# | **Time** | about 40 minutes to work through, under 20 seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench import kernel
from workbench.course import check, verdict
from workbench.plots import describe, percent
from workbench.plots.sequences import plot_changes
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# ## The idea
#
# The model is kernel ridge regression, as in [lesson 03](../03_self_distillation.ipynb). Each class has a score, and
# the class with the largest score is the prediction. A model with a small penalty memorises its labels, also the wrong
# ones. But its scores are *soft*: the score of the right class is not 0. So later rounds may predict the right class
# for an example whose label is wrong. Then this label is **corrected**.
#
# ## The idealised model
#
# - An input has similarity 1 with itself, $c$ with the other inputs of its class, and $d$ with inputs of other classes.
#   The number $d$ is smaller than $c$.
# - Each class has $m$ examples. We assume that each label occurs equally often among all examples of all classes.
# - The **margin** $\Delta$ of a class is the share of its examples with the right label, minus the share with the most
#   frequent wrong label. For example, 70 % with the right label and 20 % with the same wrong label give $\Delta=0.5$.
#   We assume $\Delta>0$.
#
# In the first round the model is fitted to the labels. Each later round is fitted to the scores of the round before. As
# in lesson 03, a round multiplies the component of an eigenvector with eigenvalue $s$ by $s/(s+\lambda)$, where
# $\lambda$ is the penalty.
#
# ## Two factors
#
# The matrix of similarities has two important eigenvalues: $1-c$ and $e=1-c+m(c-d)$ (step 1
# of the proof). Each gives a factor:
#
# - $a=\dfrac{1-c}{1-c+\lambda}$ is the factor of one round for differences *inside* a class.
# - $b=\dfrac{e}{e+\lambda}$ is the factor of one round for differences *between* classes. Because $e>1-c$, $b>a$.
#
# Take two examples of one class, one with a wrong label and one with the right label. The difference between their
# targets is a difference inside a class. So it shrinks faster than a difference between classes.
#
# ## The claim and its proof
#
# **The claim.** All wrong labels of a class are corrected in each round $t$ with
# $$t>\frac{\log\big((1+\Delta)/\Delta\big)}{\log(b/a)}.$$
#
# **An example.** We make five classes with twenty examples each. The similarity is 0.5 within a class and 0.1 across
# classes. The penalty is 0.05. In each class, 14 examples have the right label, and 6 have the same wrong label. So the
# margin is 0.4. The left panel shows $a^t$ and $b^t$: the share of a difference that is left after $t$ rounds. The
# right panel shows two scores of the examples whose label is wrong: of the wrong label, and of the right one.

# %%
true_class = np.repeat(np.arange(5), 20)
similar = kernel.equal_similarity(0.5, 0.1, per_class=20, classes=5)


def scores_by_round(counts, penalty, rounds=40):
    """Return the scores after each round, the given labels, and which of them are wrong."""
    shift = np.tile(np.repeat(np.arange(len(counts)), counts), 5)  # 0: the label is right
    labels = (true_class + shift) % 5
    return kernel.soft_rounds(similar, np.eye(5)[labels], penalty, rounds), labels, shift > 0


# %%
scores, labels, wrong = scores_by_round((14, 6), 0.05)
turn, t = int(kernel.correction_round(0.5, 0.1, 20, 0.05, margin=0.4)), np.arange(1, 41)
factors = {"a^t: inside a class": (0.5 / 0.55)**t, "b^t: between classes": (8.5 / 8.55)**t}
of_wrong = {"wrong label": scores[:, wrong, labels[wrong]].mean(1),
            "right label": scores[:, wrong, true_class[wrong]].mean(1)}

# %%
factors_fig, (factor_ax, score_ax) = plt.subplots(1, 2, figsize=(10, 3.6))
for ax, curves in ((factor_ax, factors), (score_ax, of_wrong)):
    for ink, (name, values) in zip((COLOURS[1], COLOURS[0]), curves.items(), strict=True):
        ax.plot(t, 100 * values, color=ink)
        ax.text(25, 100 * values[24] + 3, name.replace("^t", "$^t$"), color=ink)
    ax.set(xlabel="round $t$", ylim=(0, 105))
    describe(ax, f"In hundredths at rounds 1, {turn} and 40: " + "; ".join(
        "{} {:.0f}, {:.0f}, {:.0f}".format(name, *100 * values[[0, turn - 1, 39]])
        for name, values in curves.items()) + ".")
factor_ax.set_ylabel("left of a difference (%)")
score_ax.axvline(turn, color="black", linestyle="--")
score_ax.set(ylabel="score (in hundredths)", title=f"Predicted round: {turn} (dashed)")
wb.show(factors_fig)

# %% [markdown]
# **Proof.**
#
# *Step 1: the eigenvectors.* A vector has one entry for each example. The matrix of similarities has three kinds of
# eigenvectors:
#
# - Vectors that sum to 0 inside each class. The eigenvalue is $1-c$. To see this, take an example with the entry $v$.
#   The example itself gives $v$. The other entries of its class sum to $-v$ and have the similarity $c$, so they give
#   $-cv$. The entries of each other class sum to 0. The sum is $(1-c)v$. One round multiplies these vectors by $a$.
# - Vectors with one value for each class, where these values sum to 0. The eigenvalue is $e$. To see this, take an
#   example whose class has the value 1. Then the values of the other classes sum to $-1$. The example itself gives 1,
#   the $m-1$ others of its class give $c$ each, and the other classes give $-md$ together. The sum is
#   $1+(m-1)c-md=e$. One round multiplies these vectors by $b$.
# - The constant vector.
#
# *Step 2: three parts of the targets.* Fix a label $j$. The targets for $j$ are a vector: the entry of an example is 1
# if the example has the label $j$, and 0 if not. Let $q_j$ be the share of label $j$ in the class of the example. We
# write each entry as a sum of three parts:
#
# - The first part is (target $-\,q_j$). This part sums to 0 inside each class.
# - The second part is ($q_j\,-$ mean of $q_j$ over the classes). This part has one value for each class, and the values
#   sum to 0.
# - The third part is the mean of $q_j$ over the classes. This part is constant.
#
# The figure shows these parts for a smaller example: three classes A, B and C, with four examples each. A column is an
# example. *A as B* is an example of class A with the wrong label B. The label $j$ is A. The penalty is 0.5, so $a=0.5$
# and $b=0.81$.

# %%
names = [first if k < 3 else f"{first} as {second}" for first, second in ("AB", "BC", "CA")
         for k in range(4)]
target = np.array([name[-1] == "A" for name in names], float)  # 1 if the label is A
q = target.reshape(3, 4).mean(1).repeat(4)
parts = np.array([target - q, q - q.mean(), np.full(12, q.mean())])
eigenvalues = np.array([0.5, 0.5 + 4 * 0.4, 1 + 3 * 0.5 + 8 * 0.1])

# %%
parts_fig, parts_axes = plt.subplots(2, 1, figsize=(10, 5))
for ax, rounds in zip(parts_axes, (0, 3), strict=True):
    left = (eigenvalues / (eigenvalues + 0.5))[:, None]**rounds * parts
    plot_changes(pd.DataFrame([*left, left.sum(0)], ["inside classes", "between classes",
                 "constant", "sum: scores for A" if rounds else "sum: targets for A"], names),
                 ax, (f"After {rounds} rounds" if rounds else "Targets") + " (in hundredths)")
wb.show(parts_fig)
small_gram = kernel.equal_similarity(0.5, 0.1, per_class=4, classes=3)
verdict("after 3 rounds the three parts add up to the scores of the model.", np.allclose(
    kernel.soft_rounds(small_gram, target[:, None], 0.5, 3)[-1, :, 0], left.sum(0), 0, 1e-10))

# %% [markdown]
# After three rounds an eighth of the part inside the classes is left. The score of *A as B* is 34 for its right label
# A. The figure does not show its score for B. But the three classes are alike, so this is the score of *C as A* for A:
# 27. So the label of *A as B* is corrected.
#
# *Step 3: the scores.* After $t$ rounds the first part is multiplied by $a^t$, and the second by $b^t$. So the score of
# the example for label $j$ is
# $$a^t\,(\text{target}-q_j)+b^t\,q_j,$$
# plus a number. This number comes from the mean of $q_j$ over the classes. Each label occurs equally often, so the
# number is the same for every label $j$. It does not change which score is largest, and we leave it out.
#
# *Step 4: right against wrong.* Take an example with the wrong label $w$. Its right label is $r$.
#
# - The score of $w$ is $a^t(1-q_w)+b^tq_w$, because its target is 1.
# - The score of $r$ is $-a^tq_r+b^tq_r$, because its target is 0.
# - So the score of $r$ is larger if $b^t(q_r-q_w)>a^t(1+q_r-q_w)$.
#
# For example, let 70 % of the class have the right label $r$, and 30 % the wrong label $w$. Let $a^t=0.3$ and
# $b^t=0.9$. Then the score of $w$ is $0.3\cdot 0.7+0.9\cdot 0.3=0.48$. The score of $r$ is
# $-0.3\cdot 0.7+0.9\cdot 0.7=0.42$. The label is not yet corrected. Some rounds later $a^t$ is 0.2 and $b^t$ is 0.87.
# Then the scores are 0.40 and 0.47, and the label is corrected.
#
# *Step 5: all other labels.* Any other label $j$ has the score $(b^t-a^t)\,q_j$. The score of $r$ is larger, because
# $b>a$ and $q_r>q_j$.
#
# *Step 6: the last wrong label.* The condition of step 4 is fulfilled last for the most frequent wrong label. There
# $q_r-q_w$ is smallest; it is $\Delta$. So all wrong labels are corrected if $b^t\Delta>a^t(1+\Delta)$. Divide by
# $a^t\Delta$, and take logarithms. This is the claim.
#
# So for given $a$ and $b$ the number of rounds depends only on the margin $\Delta$.
#
# {{exercise correction_round}}

# %%
def correction_round(within, across, per_class, penalty, margin):
    ...


check("correction_round", correction_round)

# %% [markdown]
# {{solution correction_round}}
#
# ## Is the predicted round exact?
#
# We return to the five classes with twenty examples each. There are six kinds of noise. In `(6, 5, 5, 4)`, 6 examples of
# each class have the right label, and 5, 5 and 4 examples have three different wrong labels. For each kind of noise we try
# three penalties.

# %%
NOISES = ((17, 3), (14, 3, 2, 1), (14, 6), (8, 6, 4, 2), (11, 9), (6, 5, 5, 4))


def share_corrected(counts, penalty):
    """Return the share of the wrong labels whose right class is predicted, after each round."""
    scores, _, wrong = scores_by_round(counts, penalty)
    return (scores.argmax(-1) == true_class)[:, wrong].mean(1)


# %%
def predicted_round(counts, penalty):
    margin = (counts[0] - max(counts[1:])) / 20
    return kernel.correction_round(0.5, 0.1, 20, penalty, margin)


exact = [predicted_round(counts, lam) == 1 + share_corrected(counts, lam).tolist().index(1)
         for counts in NOISES for lam in (8.0, 0.5, 0.05)]
verdict("in 18 of 18 cases (6 kinds of noise, 3 penalties) the predicted round is exact.",
        sum(exact) == 18)

# %% [markdown]
# The figure shows the six cases with penalty 0.05. A diamond is the predicted round. Dark blue: no wrong label is
# corrected. Yellow: all are. Other colours: some are.

# %%
rounds_ax = plt.subplots(figsize=(9, 3.2))[1]
for i, counts in enumerate(NOISES):
    rounds_ax.pcolormesh(np.arange(0.5, 41), [i - 0.4, i + 0.4],
                         share_corrected(counts, 0.05)[None], vmin=0, vmax=1)
    rounds_ax.plot(predicted_round(counts, 0.05), i, "D", color=COLOURS[1])
    margin = (counts[0] - max(counts[1:])) / 20
    rounds_ax.text(0, i, f"{counts}: {percent(1 - counts[0] / 20)} wrong, margin {margin:g}",
                   ha="right", va="center")
rounds_ax.set(xlabel="round (penalty 0.05)", yticks=[], xlim=(0.5, 40.5), ylim=(5.5, -0.5))
wb.show(describe(rounds_ax, "All wrong labels are corrected from the predicted round on: " + "; "
                 .join(f"{counts} round {predicted_round(counts, 0.05):g}" for counts in NOISES)
                 + "."))

# %% [markdown]
# Compare the two rows with 30 % of wrong labels. If all wrong labels of a class are equal, `(14, 6)`, the correction
# takes longer than if there are three different ones. Now compare the two rows with margin 0.1. The shares of wrong
# labels are 60 % and 45 %, but the predicted round is the same: 27. With 70 % of wrong labels, all of them are
# corrected: the right label is still the most frequent one.
#
# ## Real digits
#
# The explorer shows the same model with other numbers. The dashed line is the predicted round. Raise the noise and the
# penalty. Then choose *digits, kernel*. On real digits the similarities are not equal, so there is no predicted round.
# After the best round the accuracy falls again.

# %%
from workbench.widgets import GenerationExplorer

GenerationExplorer()

# %% [markdown]
# ## What would change your mind?
#
# If one of the 18 predicted rounds were wrong, the proof or the code would contain a mistake. If the number of rounds
# depended on the share of wrong labels alone, the two rows with 30 % of wrong labels would be equal.
#
# ## Try it yourself
#
# - Print `share_corrected((10, 10), 0.05)`. How many wrong labels are corrected? Compare with the margin.
# - In the explorer choose *digits, kernel* and 40 % of wrong labels. Which penalty needs the fewest rounds to its best
#   accuracy?
#
# ## Limits
#
# In the idealised model all inputs of a class are equally similar, and the accuracy is measured on the training
# examples. Real inputs differ: see *digits, kernel*. The formula is not about networks.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
