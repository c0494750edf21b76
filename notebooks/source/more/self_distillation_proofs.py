# %% [markdown]
# # Three small proofs: temperature, label smoothing, hard labels
#
# > **Claim you can check:** at a large temperature $T$, the gradient of the distillation loss without its factor $T^2$
# > is nearly proportional to $1/T^2$. Label smoothing changes no prediction of kernel ridge regression. If such a model
# > has memorised its labels, it learns nothing from its own hard labels. A larger penalty removes more of the wrong
# > labels than of the right ones.
#
# | | |
# |---|---|
# | **Objectives** | derive the factor $T^2$ · prove two facts about kernel ridge regression · measure which part of the labels a penalty removes |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | about 30 minutes to work through, under 20 seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

import workbench as wb
from workbench import kernel
from workbench.course import verdict
from workbench.plots import percent

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

# %%
student = torch.tensor([2.0, -1, 0, 1, -2], dtype=torch.float64, requires_grad=True)
teacher = torch.tensor([-1.0, 3, 1, -2, -1], dtype=torch.float64)
print("T       gradient for the first logit, times T^2")
for T in (1, 10, 100):
    log_p, log_q = (teacher / T).log_softmax(0), (student / T).log_softmax(0)
    gradient = torch.autograd.grad((log_p.exp() * (log_p - log_q)).sum(), student)[0]
    print(f"{T:<7} {T**2 * gradient[0]:.4f}")
print(f"formula {(student[0] - teacher[0]) / 5:.4f}")
verdict("at T = 100, T^2 times the gradient differs from the formula by less than 0.05.", abs(
    T**2 * gradient - (student - teacher) / 5).max() < 0.05)

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
# Lesson 03 uses penalty 0.03 for *plain training*. We also check that one round memorises over 99 % of its labels at
# this penalty, and less at the next larger penalty of lesson 03, which is 0.1.

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
# $i$ and $j$ have entries $v_i$ and $v_j$ of the same sign. $A$ nearly keeps such an eigenvector, and makes an
# eigenvector with a small $s$ much smaller.
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
print("penalty   left of the true targets   left of the noise")
for lam, (of_truth, of_noise) in zip(STRENGTHS, kept.mean(0), strict=True):
    print(f"{lam:<9} {percent(of_truth):<26} {percent(of_noise)}")
verdict("at each of the five penalties, less is left of the noise than of the true targets.",
        (kept[..., 1] < kept[..., 0]).all())

# %% [markdown]
# A larger penalty removes more of both parts, but it removes much more of the noise. Therefore a well-chosen penalty
# helps against wrong labels.
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
