# %% [markdown]
# # Many rounds: collapse, and the best filter
#
# > **Claim you can check:** without labels, a model that learns from its own predictions loses everything, and the number
# > of rounds until then has bounds that hold for every kernel. If labels are mixed in well, as many rounds as the kernel
# > has different eigenvalues reach the best model that any choice of penalties could make.
#
# | | |
# |---|---|
# | **Objectives** | prove two bounds on the rounds until collapse, and look for kernels that break them · see self-distillation as a polynomial filter · compute what rounds can reach at best, and say why that is no method |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); eigenvectors, polynomials |
# | **Time** | 40 minutes to work through, a few seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import workbench as wb
from workbench import kernel
from workbench.course import verdict
from workbench.plots import describe
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# Lesson 03 proved claims 1 to 5. Here are two more. They are about kernel ridge regression: with the Gram matrix $K$,
# the penalty $\lambda$ and the labels $y$, the fitted values are $K(K+\lambda I)^{-1}y$. Along an eigenvector of $K$
# with the eigenvalue $s$, each round multiplies the labels by $s/(s+\lambda)$.
#
# ## Without labels: the collapse
#
# **6. The claim: without labels the model collapses, after a number of rounds with known bounds.** Let the kernel have
# positive eigenvalues only, so that it can fit any labels. Now let each round take the function of
# smallest norm whose mean squared distance from the predictions before is at most $\epsilon$ ([Mobahi et al.,
# 2020](https://arxiv.org/abs/2002.05715)). Once the predictions have a mean square of at most $\epsilon$, the function
# 0 will do: the model has collapsed. Let $T$ be the number of rounds before that, and $r=\|y\|/\sqrt{n\epsilon}$. For
# every such kernel $r-1\le T\le r^2$. **Proof.** Let $z_0=y$. Each round moves the predictions $z$ by exactly
# $\sqrt{n\epsilon}$: after a shorter move the norm could still be made smaller. So, by the triangle inequality,
# $\|z_T\|\ge\|y\|-T\sqrt{n\epsilon}$, and collapse needs $\|z_T\|\le\sqrt{n\epsilon}$: that is the lower bound. A round is ridge with some penalty, and so
# $\langle z_t,z_{t-1}-z_t\rangle\ge0$, since every eigenvector keeps a share from 0 to 1. Therefore
# $\|z_t\|^2\le\|z_{t-1}\|^2-n\epsilon$, and the square is used up after $r^2$ rounds: that is the upper bound.

# %% tags=["nbval-ignore-output"]
spectra, inside = np.random.default_rng(0), []
for ratio in (1.5, 2.5, 3.5, 4.5, 6.5):
    print(f"r = {ratio}: predicted {ratio - 1} to {ratio**2:5} rounds; measured", end="")
    for width, end in ((0, ","), (2, ","), (6, ","), (12, "\n")):  # eigenvalues 1 to 10^-width
        found = [kernel.rounds_until_collapse(np.diag(10**spectra.uniform(-width, 0, 60)), y, float(
            np.mean(y**2)) / ratio**2) for y in spectra.normal(size=(25, 60, 1))]
        inside += [ratio - 1 <= rounds <= ratio**2 for rounds in found]
        print(f"{min(found):3} to{max(found):3}", end=end)
verdict("in 500 of 500 runs the collapse comes within the bounds.", sum(inside) == 500)

# %% [markdown]
# The first of the four columns has equal eigenvalues. There the number of rounds is the lower bound, rounded up. In the
# others the eigenvalues are up to a hundred, a million and $10^{12}$ times apart. The collapse takes longer there. Each
# round removes mainly the directions with the smallest eigenvalues that are left, so that the moves have different
# directions, and their lengths do not simply add up. No kernel here comes near the upper bound. To come
# near it, each move would have to be at a right angle to what is left, and then leave all directions alike.
#
# How does it look? Here are the predictions along twenty eigenvectors, round by round, for eigenvalues from 1 to 0.001.

# %%
sight, left = np.geomspace(1, 1e-3, 20), [np.ones((20, 1))]
tolerance = 1 / 4.5**2
while np.mean(left[-1]**2) > tolerance:  # each round: the penalty at which the move has its length
    def move(lam, z=left[-1]):
        return np.mean(z[:, 0]**2 * (lam / (sight + lam))**2) - tolerance
    lam = brentq(move, 1e-9, 1e9)
    left.append(kernel.smoother(np.diag(sight), lam) @ left[-1])
verdict("by hand the model collapses after as many rounds as in the package.", len(left) - 1
        == kernel.rounds_until_collapse(np.diag(sight), np.ones((20, 1)), tolerance))

# %% tags=["nbval-ignore-output"]
decay_ax = plt.subplots(figsize=(8, 3.6))[1]
image = decay_ax.imshow(np.hstack(left), aspect="auto", vmin=0, vmax=1)
decay_ax.set(xlabel="round (0: the labels)", ylabel="eigenvector, largest first", yticks=[0, 19])
plt.colorbar(image, label="share of the labels that is left")
wb.show(describe(decay_ax, "Share of the labels left along the first and the last eigenvector: "
                 + "; ".join(f"round {t}: {z[0, 0]:.2f} and {z[-1, 0]:.2f}"
                             for t, z in enumerate(left)) + "."))

# %% [markdown]
# The directions with small eigenvalues go first, one after another. These are the details of a function, and often its
# noise. So the first rounds may help, and later ones take away what the data say.
#
# ## With labels: the best filter
#
# **7. The claim: with $r$ different eigenvalues, $r$ further rounds reach the best filter.** A *filter* is the factor
# $g$ for each eigenvalue, all above 0. Each round mixes in a share $w$ of the labels, which may be another one in each
# round, and may be negative. After the first fit and $r$ more rounds, the labels along an eigenvector are
# multiplied by $g=p\,P(p)$ with $p=s/(s+\lambda)$, where $P$ is a polynomial of degree $r$ with $P(1)=1$. **Proof.** In
# the next round $P(p)$ becomes $w+(1-w)\,p\,P(p)$: the degree grows by one, and the value at 1 stays 1. Backwards, the
# share $w$ is the constant coefficient of $P$. A polynomial of degree $r$ can have any values at $r$ places and the
# value 1 at 1. So the filter can have any value at each of $r$ eigenvalues. (It is not reached exactly where a
# coefficient $1-w$ would be 0, but as closely as one likes.)
#
# The risk of a filter is known for known truth $\theta$ and noise $\sigma$: $\sum_j(1-g_j)^2\theta_j^2+\sigma^2g_j^2$,
# and the smallest possible one is the *floor*. Take eight eigenvalues, and the truth along one of the eight directions.
# Each number of rounds gets its best penalty of 41 and its best shares. **Prediction:** if the truth is along the
# smallest eigenvalue, ridge is at about 8 times the floor, since it must let through the noise of all eight directions.
# After 8 further rounds the floor is reached, wherever the truth is.

# %%
def best_weights(kept, truth, noise, rounds):
    """Return the share of the labels in each further round for the smallest risk."""
    basis = kept * (kept**np.arange(1, rounds + 1) - 1)  # P = 1 + a sum of c (p^k - 1)
    P = np.linalg.lstsq(np.vstack([truth * basis, noise * basis]), np.vstack(
        [truth * (1 - kept), -noise * kept]), rcond=None)[0]
    P = np.append(1 - P.sum(), P)
    # The share of a round is the constant coefficient of its polynomial, divided by P(1).
    return (P / P[::-1].cumsum()[::-1])[-2::-1] if rounds else 0.0


def filter_risk(spectrum, truth, noise, rounds, lam):
    kept = (spectrum / (spectrum + lam))[:, None]
    G = kernel.soft_rounds(np.diag(spectrum), np.eye(len(spectrum)), lam, rounds + 1,
                           weight=best_weights(kept, truth, noise, rounds))[-1]
    return np.sum((truth - G @ truth)**2) + noise**2 * np.sum(G**2)


# %%
eight, floor = np.geomspace(1, 0.1, 8), 1 / (1 + 1 / 0.1**2)
over = np.array([[min(filter_risk(eight, truth[:, None], 0.1, rounds, lam)
                      for lam in np.geomspace(0.001, 10, 41)) / floor for truth in np.eye(8)]
                 for rounds in range(9)])
bars_ax = plt.subplots(figsize=(7.5, 3.6))[1]
bars_ax.bar(range(9), over.mean(1), color=COLOURS[0], alpha=0.5)
bars_ax.plot(range(9), over, ".", color=COLOURS[6])
for rounds, value in enumerate(over.mean(1)):
    bars_ax.text(rounds, 8.6, f"{value:.2f}", ha="center")
bars_ax.set(xlabel="rounds of self-distillation after ridge (0: ridge alone)", ylabel="risk over floor",
            ylim=(0, 9.2))
wb.show(describe(bars_ax, f"Bars of mean risk over floor: {over.mean(1).round(2).tolist()}."))
verdict("ridge is at up to 8 times the floor; after 8 rounds the floor is reached, to 1e-6.",
        7.9 < over[0, 7] < 8.1 and abs(over[8] - 1).max() < 1e-6)

# %% [markdown]
# Bars are means of the eight cases, and points are the cases. Seven rounds are nearly enough, because the penalty is
# chosen too. Even one round is ahead of the best ridge here: its penalty and its share are chosen *together*. Claim 1
# fixed the penalty. The best shares need the truth, so that this is a bound and not a method. With a few validation
# examples one would choose a single number, the number of rounds, as in [lesson 03](../03_self_distillation.ipynb).
#
# **What would change your mind?** Self-distillation would be more than a choice of penalty if it reached a lower risk
# than every ridge regression *with choices that can be made from data*. Here it reaches a lower one with shares that were
# computed from the truth. In lesson 03, with choices made on validation data, it did not.
#
# ## Try it yourself
#
# - Let the truth lie along two of the eight directions (`truth = (a + b) / 2**0.5`). How many rounds are needed now?
# - Give two of the eight eigenvalues the same value. After how many rounds is the floor reached?
# - Search for a kernel that collapses close to the upper bound $r^2$: change the eigenvalues *and* the labels.
#
# ## Limits
#
# Both claims are about kernel ridge regression, and claim 6 about rounds that choose their penalty anew. The 500 runs look
# at four kinds of spectra with random labels; the proof covers all others. A network's rounds are no filters.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
