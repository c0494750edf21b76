# %% [markdown]
# # Three small proofs: temperature, label smoothing, hard labels
#
# > **Claim you can check:** at a large temperature $T$, the gradient of the distillation loss without its factor $T^2$
# > is nearly proportional to $1/T^2$. Label smoothing changes no prediction of kernel ridge regression. If such a model
# > has memorised its labels, it learns nothing from its own hard labels. A penalty removes a larger share of the noise
# > in the labels than of the true labels.
#
# | | |
# |---|---|
# | **Objectives** | derive the factor $T^2$ · prove two facts about kernel ridge regression · measure which part of the labels a penalty removes |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | about 30 minutes to work through, under 20 seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

import workbench as wb
from workbench import kernel
from workbench.course import verdict
from workbench.plots import describe, draw_band, percent
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# ## Proof 1: the factor $T^2$ in the loss of distillation
#
# Lesson 03 multiplies the KL divergence of two softened distributions by $T^2$. Let $p_T$ be the probabilities of the
# teacher, and $q_T$ those of the student, both at temperature $T$.
#
# **The claim.** If $T$ is large, the gradient of $\mathrm{KL}(p_T\,\|\,q_T)$ with respect to the student's logits is
# nearly proportional to $1/T^2$.
#
# **Proof.**
#
# - The gradient is $(q_T-p_T)/T$. The division by $T$ comes from the softmax, in which the logits are divided by $T$.
# - Let there be $K$ classes, and let the logits $z$ have mean 0. (We may subtract their mean: this does not change the
#   softmax.) If $T$ is large, all $z/T$ are small, and $e^{z/T}$ is about $1+z/T$. The sum of $e^{z/T}$ over the
#   classes is about $K$. So each probability is about $(1+z/T)/K$.
# - So $q_T-p_T$ is about $(z_\text{student}-z_\text{teacher})/(KT)$, and the gradient is about
#   $(z_\text{student}-z_\text{teacher})/(KT^2)$.
#
# With the factor $T^2$ the gradient has about the same size at every large $T$.
#
# The figure shows the length of the gradient for one student and one teacher, with five classes.

# %%
student = torch.tensor([2.0, -1, 0, 1, -2], dtype=torch.float64, requires_grad=True)
teacher = torch.tensor([-1.0, 3, 1, -2, -1], dtype=torch.float64)


def gradient_at(T):
    """Return the gradient of the KL divergence with respect to the student's logits."""
    log_p, log_q = (teacher / T).log_softmax(0), (student / T).log_softmax(0)
    return torch.autograd.grad((log_p.exp() * (log_p - log_q)).sum(), student)[0]


# %%
formula = (student - teacher).detach() / 5
TEMPERATURES = np.geomspace(1, 100, 9)
lengths = np.array([float(gradient_at(T).norm()) for T in TEMPERATURES])
size_ax = plt.subplots(figsize=(7.5, 3.6))[1]
for name, values, place, ink in (("without $T^2$", lengths, (11, 0.02), COLOURS[1]), (
        "with $T^2$", TEMPERATURES**2 * lengths, (11, 1.7), COLOURS[0])):
    size_ax.loglog(TEMPERATURES, values, "o-", color=ink)
    size_ax.text(*place, name, color=ink)
size_ax.loglog(TEMPERATURES, float(formula.norm()) / TEMPERATURES**2, ":", color="black")
size_ax.set(xlabel="temperature $T$ (log scale)", ylabel="length of the gradient (log scale)",
            xticks=(1, 10, 100), xticklabels=(1, 10, 100), ylim=(5e-5, 5))
size_ax.text(1, 0.002, "dotted: formula for large $T$")
wb.show(describe(size_ax, "Length of the gradient by temperature: " + "; ".join(
    f"T = {T:.0f}: {values:.2g}, times T squared {T**2 * values:.2f}"
    for T, values in zip(TEMPERATURES[::4], lengths[::4], strict=True)) + "."))

# %%
verdict("at T = 100, T^2 times the gradient differs from the formula by less than 0.05.",
        (100**2 * gradient_at(100) - formula).abs().max() < 0.05)

# %% [markdown]
# ## Proof 2: label smoothing changes no prediction
#
# *Label smoothing* with share $\epsilon$ replaces each target by $1-\epsilon$ times the target, plus $\epsilon/10$ for
# each of the ten classes.
#
# **The claim.** Kernel ridge regression predicts the same class for every image, with or without label smoothing.
#
# **Proof.** Fitting is linear. So the new score of an image for a class is $(1-\epsilon)$ times the old score, plus a
# second number. The second number is the score that a fit to the constant target $\epsilon/10$ gives to this image. It
# is the same number for all ten classes. So the class with the largest score stays the same.
#
# Self-distillation does change predictions, because it gives each image its own soft label.
#
# ## Proof 3: hard self-labels teach nothing to a model that has memorised its labels
#
# The *hard self-label* of a training image is the class that the model predicts for the image. A model has *memorised*
# its labels if the hard self-label of each training image is the label that was given to it.
#
# **The claim.** If a model has memorised its labels, a student that is fitted to its hard self-labels is the same
# model.
#
# **Proof.** The hard self-labels are equal to the given labels. So the student is fitted to the same labels again.
#
# So in self-distillation, only *soft* labels can change a prediction of such a model.
#
# ## Proofs 2 and 3 on real digits
#
# The data are those of lesson 03: 500 training digits with 30 % of wrong labels. The other 1,297 digits are test digits
# here. For proof 2 the penalty is 0.03. For proof 3 it is 0.001, because a model with this penalty memorises every
# label.
#
# The figure shows one seed. In the left panel, a point is a class. Label smoothing moves all ten scores along one rising
# line, so their order stays the same. In the other panels, a point is a training image. Below the line, its given label
# has the highest score. At penalty 0.001 all points lie below the line: the model has memorised its labels. At penalty
# 0.1 it has not memorised all of them.
#
# Lesson 03 uses penalty 0.03 for *plain training*. We also check how many labels one round memorises: over 99 % at
# this penalty, and less than 99 % at 0.1, the next larger penalty of lesson 03.

# %%
images, digits = load_digits(return_X_y=True)


def noisy_digits(seed):
    """Return similarities of training digits, of all others to them, noisy and true targets."""
    rng = np.random.default_rng(seed)
    order, wrong = rng.permutation(len(images)), rng.random(len(images)) < 0.3
    noisy = np.where(wrong, (digits + rng.integers(1, 10, len(digits))) % 10, digits)
    similar = rbf_kernel(images[order], images[order[:500]], 1 / (64 * images.var()))
    return similar[:500], similar[500:], *(np.eye(10)[y[order[:500]]] for y in (noisy, digits))


# %%
K_of_0, across_of_0, y_of_0, true_of_0 = noisy_digits(0)
hard, smooth = (kernel.soft_rounds(K_of_0, targets, 0.03, 1, across_of_0)[0, 0]
                for targets in (y_of_0, 0.8 * y_of_0 + 0.02))  # scores of one test image
given = y_of_0 == 1
wrongly = (y_of_0 != true_of_0).any(1)


def given_and_other(penalty):
    """Return for each training image the score of its given label, and the highest other score."""
    scores = kernel.soft_rounds(K_of_0, y_of_0, penalty, 1)[0]
    return scores[given], np.where(given, -np.inf, scores).max(1)


# %%
def draw_scores(ax, penalty):
    """Draw the two scores of each training image."""
    own, other = given_and_other(penalty)
    for name, rows, ink, marker in (("label right", ~wrongly, COLOURS[0], "o"),
                                    ("label wrong", wrongly, COLOURS[1], "s")):
        ax.plot(own[rows], other[rows], marker, color=ink, markersize=3, label=name)
    ax.axline((0, 0), slope=1, color="#555555", linewidth=1)
    ax.set(title=f"Proof 3, penalty {penalty}", xlabel="score of the given label",
           ylabel="highest other score", xlim=(-0.05, 1.1), ylim=(-0.05, 1.1))
    describe(ax, f"Penalty {penalty}: {percent((own > other).mean())} of the training images have "
             "their highest score for the given label.")


# %%
facts, (order_ax, *memory_axes) = plt.subplots(1, 3, figsize=(10, 3.6))
order_ax.plot(hard, smooth, "o", color=COLOURS[0])
order_ax.axline((0, smooth[0] - 0.8 * hard[0]), slope=0.8, color="#555555", linewidth=1)
for k in hard.argsort()[-2:]:
    order_ax.text(hard[k] - 0.03, smooth[k], f"class {k}", ha="right", va="center")
order_ax.set(title="Proof 2, one test image", xlabel="score, fitted to the labels",
             ylabel="score, fitted to smoothed labels")
for ax, penalty in zip(memory_axes, (0.001, 0.1), strict=True):
    draw_scores(ax, penalty)
memory_axes[0].legend(frameon=False, fontsize=9)
describe(order_ax, "Ten scores of one test image with label smoothing against those without: all "
         f"on one rising line. The highest is class {hard.argmax()} on both axes.")
wb.show(facts)

# %%
def check_facts(seed):
    """Return whether both facts hold, and the share of the labels memorised at 0.03 and 0.1."""
    K, across, y, _ = noisy_digits(seed)
    plain, smoothed = (kernel.soft_rounds(K, targets, 0.03, 1, across)[0].argmax(-1)
                       for targets in (y, 0.8 * y + 0.02))
    own = kernel.soft_rounds(K, y, [0.001, 0.03, 0.1], 1)[:, 0].argmax(-1) == y.argmax(1)
    return (plain == smoothed).all(), own[0].all(), own[1].mean(), own[2].mean()


# %%
smoothing, hard_labels, memorised, less = np.transpose([check_facts(seed) for seed in range(30)])
verdict("in all 30 seeds, smoothed labels give the same predictions on the test digits.",
        smoothing.all())
verdict("in all 30 seeds, hard self-labels at penalty 0.001 are the given labels.",
        hard_labels.all())
verdict("one round memorises over 99 % of its labels at penalty 0.03, and less at penalty 0.1.",
        less.mean() < 0.99 < memorised.mean())

# %% [markdown]
# ## What does a penalty remove?
#
# One round multiplies the targets by the matrix $A=K(K+\lambda I)^{-1}$. Let $v$ be an eigenvector of $K$ of length 1.
# Its eigenvalue is $s=\sum_{ij}K_{ij}v_iv_j$, a sum over all pairs of images. This sum is large only if similar images
# $i$ and $j$ have entries $v_i$ and $v_j$ of the same sign. $A$ multiplies the eigenvector by $s/(s+\lambda)$. So $A$
# nearly keeps an eigenvector with a large $s$, and makes one with a small $s$ much smaller.
#
# The noisy targets are the true targets plus the *noise*: the changes that the wrong labels make. Fitting is linear, so
# we can apply $A$ to each of the two parts alone. We measure the length of each part (the square root of the sum of its
# squares) before and after.
#
# **Prediction:** similar images mostly have the same true label, and the noise is random. So at every penalty less of
# the noise is left than of the true targets.

# %%
STRENGTHS = [0.03, 0.1, 0.3, 1.0, 3.0]


def left_of(seed):
    """Return the shares of the length of true targets and noise that are left: (penalties, 2)."""
    K, _, noisy, true = noisy_digits(seed)
    parts = (true, noisy - true)
    return [[np.linalg.norm(kernel.smoother(K, lam) @ part) / np.linalg.norm(part)
             for part in parts] for lam in STRENGTHS]


# %%
kept = np.array([left_of(seed) for seed in range(5)])
left_ax = plt.subplots(figsize=(7.5, 3.4))[1]
for i, (name, place) in enumerate({"true targets": 93, "noise": 60}.items()):
    draw_band(left_ax, STRENGTHS, kept[..., i], name, color=COLOURS[i], marker="os"[i])
    left_ax.text(0.35, place, name, color=COLOURS[i])
left_ax.set(xscale="log", xlabel="penalty (log scale)", ylabel="length left (%)", ylim=(0, 103),
            xticks=STRENGTHS, xticklabels=STRENGTHS)
left_table = pd.DataFrame(kept.mean(0), STRENGTHS, ["true targets", "noise"]).rename_axis("penalty")
wb.show(describe(left_ax, "Length left after one round: " + "; ".join(
    f"penalty {lam}: {percent(truth)} of the true targets, {percent(noise)} of the noise"
    for lam, (truth, noise) in zip(STRENGTHS, kept.mean(0), strict=True)) + "."))
wb.show_numbers(left_table, "length left after one round", percent)
verdict("at each of the five penalties, less is left of the noise than of the true targets.",
        (kept[..., 1] < kept[..., 0]).all())

# %% [markdown]
# A larger penalty removes more of both parts. At each penalty, a larger share of the noise is removed: at penalty 0.3,
# for example, 47 % of the noise and 9 % of the true targets. Therefore a well-chosen penalty helps against wrong
# labels.
#
# ## What would change your mind?
#
# - If one prediction had changed with label smoothing, proof 2 or the code would contain a mistake.
# - If one hard self-label had differed from its given label, the model would not have memorised its labels. Then proof 3
#   would say nothing about this model.
#
# ## Try it yourself
#
# - In `check_facts`, replace `0.8 * y + 0.02` by another mixture, for example `0.3 * y + 0.07`. Does a prediction
#   change?
# - In `noisy_digits`, replace `0.3` by `0.6`. Does a penalty still remove more of the noise than of the true targets?
#
# ## Limits
#
# - Proofs 2 and 3 are about kernel ridge regression. Label smoothing does change predictions of a network:
#   it is two points more accurate than early stopping
#   ([Networks and wrong labels](self_distillation_controls.ipynb)).
# - Proof 3 needs a model that has memorised *all* its labels. At penalty 0.03 some labels are not memorised, so hard
#   self-labels can change the model a little.
# - The wrong labels are drawn at random. If similar images had the same wrong label, a penalty would
#   remove less of these wrong labels.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
