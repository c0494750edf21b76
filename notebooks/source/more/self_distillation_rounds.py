# %% [markdown]
# # Many rounds: collapse, and the best filter
#
# > **Claim you can check:** without labels, a model that learns from its own predictions loses everything. The number
# > of rounds until then has bounds that hold for every kernel with positive eigenvalues. If labels are mixed in with
# > the best shares, as many further rounds as the kernel has different eigenvalues reach the best filter: the best
# > model that can have a penalty of its own for each eigenvalue. The best shares need the truth, so this is no method.
#
# | | |
# |---|---|
# | **Objectives** | prove two bounds on the rounds until collapse, and look for kernels that break them · see self-distillation as a polynomial filter · compute what rounds can reach at best, and say why that is no method |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); eigenvectors, polynomials |
# | **Time** | about an hour to work through, a few seconds to run |
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
# Lesson 03 proved three facts. Here are two more claims. They are about kernel ridge regression. The Gram matrix $K$ holds
# the similarities of all pairs of training inputs. With the penalty $\lambda$ and the labels $y$, the fitted values are
# $K(K+\lambda I)^{-1}y$. Along an eigenvector of $K$ with the eigenvalue $s$, each round multiplies the labels by
# $s/(s+\lambda)$.
#
# ## Without labels: the collapse
#
# **The first claim: without labels the model collapses, after a number of rounds with known bounds.** Let the kernel have
# positive eigenvalues only, so that it can fit any labels. Each round takes the *smoothest* function (the one with the
# smallest $f^\top K^{-1}f$, the square of its kernel norm, for its values $f$ on the $n$ inputs) whose mean squared
# distance from the predictions before is at most $\epsilon$ ([Mobahi et al., 2020](https://arxiv.org/abs/2002.05715)).
# Once the predictions have a mean square of at most $\epsilon$, the function 0 will do: the model has collapsed. Let
# $T$ be the number of rounds until the predictions are that small, and $r=\|y\|/\sqrt{n\epsilon}$. Here and below
# $\|\cdot\|$ is the ordinary length of a vector. For every such kernel $r-1\le T\le r^2$.
#
# **Proof.** Let $z_0=y$, and $z_t$ the predictions after round $t$. Each round moves them by exactly
# $\sqrt{n\epsilon}$: after a shorter move the function could still be made smoother. So, by the triangle inequality,
# $\|z_T\|\ge\|y\|-T\sqrt{n\epsilon}$. Collapse needs $\|z_T\|\le\sqrt{n\epsilon}$: that is the lower bound. For the
# upper one, a round is ridge with some penalty (that of its Lagrange function), so that every eigenvector keeps a share
# from 0 to 1. Therefore $\langle z_t,z_{t-1}-z_t\rangle\ge0$, and $\|z_t\|^2\le\|z_{t-1}\|^2-n\epsilon$. A square
# cannot fall below 0, so that there are at most $r^2$ such rounds.

# %% tags=["nbval-ignore-output"]
spectra, inside = np.random.default_rng(0), []
for ratio in (1.5, 2.5, 3.5, 4.5, 6.5):
    print(f"r = {ratio}: predicted {ratio - 1} to {ratio**2:5} rounds; measured", end="")
    for width, end in ((0, ","), (2, ","), (6, ","), (12, "\n")):  # eigenvalues 1 to 10^-width
        counts = [kernel.rounds_until_collapse(
            np.diag(10**spectra.uniform(-width, 0, 60)), y, float(np.mean(y**2)) / ratio**2)
            for y in spectra.normal(size=(25, 60, 1))]
        inside += [ratio - 1 <= rounds <= ratio**2 for rounds in counts]
        print(f"{min(counts):3} to{max(counts):3}", end=end)
verdict("in 500 of 500 runs the collapse comes within the bounds.", sum(inside) == 500)

# %% [markdown]
# The first of the four columns has equal eigenvalues. There the number of rounds is the lower bound, rounded up. In the
# others the largest eigenvalue is up to a hundred, a million and $10^{12}$ times the smallest. The collapse takes
# longer there. Each round removes mainly the directions with the smallest eigenvalues that are left. So the moves have
# different directions, and their lengths do not simply add up. No kernel here comes near the upper bound. To come near
# it, each round would have to delete some directions completely and leave all others as they are.
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
decay_ax.set(xlabel="round (0: the labels)", ylabel="eigenvector, largest first",
             yticks=[0, 19], yticklabels=[1, 20])
plt.colorbar(image, label="share of the labels that is left")
wb.show(describe(decay_ax, "Share of the labels left along the first and the last eigenvector: "
                 + "; ".join(f"round {t}: {z[0, 0]:.2f} and {z[-1, 0]:.2f}"
                             for t, z in enumerate(left)) + "."))

# %% [markdown]
# The directions with small eigenvalues go first, one after another. These are the fine details of a function, where
# noise is often larger than signal. So the first rounds may help, and later ones take away what the data say.
#
# ## With labels: the best filter
#
# **The second claim: with $k$ different eigenvalues, $k$ further rounds reach the best filter.** A *filter* multiplies the
# labels along each eigenvector by a factor $g$, which depends on the eigenvalue $s>0$ alone. Ridge is the filter $g=p$
# with $p=s/(s+\lambda)$. Each further round is fitted to a share $w$ of the labels and $1-w$ of the predictions before.
# The share may differ from round to round, and may be negative. After $k$ further rounds $g=p\,P(p)$, where $P$ is a
# polynomial of degree at most $k$ with $P(1)=1$.
#
# **Proof.** Ridge has $P=1$. In the next round $P(p)$ becomes $w+(1-w)\,p\,P(p)$: the degree grows by one, and the
# value at 1 stays 1. The other way round, the constant coefficient of a polynomial $P$ gives its share $w$, and the
# rest, divided by $1-w$ and $p$, is the polynomial of the round before. A polynomial of degree $k$ can have any values
# at $k$ places below 1, and the value 1 at 1. So the filter can have any value at each of $k$ eigenvalues. (It is not
# reached exactly where a $1-w$ would be 0, but as closely as one likes.)
#
# Along eigenvector $j$ let the labels be the truth $\theta_j$ plus noise of standard deviation $\sigma$. Then the risk
# of a filter is $\sum_j\big((1-g_j)^2\theta_j^2+\sigma^2g_j^2\big)$, and the smallest possible one is the *floor*. Take
# eight eigenvalues, and the truth along one of the eight directions. Each number of rounds gets its best penalty of 41
# and its best shares. **Prediction:** if the truth is along the smallest eigenvalue, ridge is at about 8 times the
# floor: to let this direction through, it must let through the noise of all eight. After 8 further rounds the floor is
# reached, wherever the truth is.

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
bars_ax.set(xlabel="rounds of self-distillation after ridge (0: ridge alone)",
            ylabel="risk over floor", ylim=(0, 9.2))
wb.show(describe(bars_ax, f"Bars of mean risk over floor: {over.mean(1).round(2).tolist()}."))
verdict("ridge is at up to 8 times the floor; after 8 rounds the floor is reached, to 1e-6.",
        7.9 < over[0, 7] < 8.1 and abs(over[8] - 1).max() < 1e-6)

# %% [markdown]
# Bars are means of the eight cases, and points are the cases. Seven rounds are nearly enough, because the penalty is
# chosen too. One round is ahead of the best ridge on average, because its penalty and its share are chosen *together*. In
# [One round, exactly](self_distillation_one_round.ipynb) the penalty was fixed. (If the truth is along one of the smallest eigenvalues, one round gains almost nothing.)
# The best shares need the truth, so that this is a bound and not a method. With a few validation examples one would
# choose a single number, the number of rounds, as in [lesson 03](../03_self_distillation.ipynb).
#
# **What would change your mind?** Self-distillation would be more than a choice of penalty if it reached a lower risk
# than every ridge regression *with choices that can be made from data*. Here it reaches a lower one with shares that
# were computed from the truth. In lesson 03, with choices made on validation data, it did not. With only 100 noisy
# labels it gained one or two points of accuracy ([Generations](self_distillation_generations.ipynb)).
#
# ## Try it yourself
#
# - Let the truth lie along two of the eight directions (`truth = (a + b) / 2**0.5`). How many rounds are needed now?
# - Give two of the eight eigenvalues the same value. After how many rounds is the floor reached?
# - Search for a kernel that collapses close to the upper bound $r^2$: change the eigenvalues *and* the labels.
#
# ## Limits
#
# Both claims are about kernel ridge regression, and the first is about rounds that each choose a new penalty. The 500 runs
# look at four kinds of spectra with random labels; the proof covers all others. They can show a mistake in the code or
# the proof, and nothing about data. The rounds of a network are not filters.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
