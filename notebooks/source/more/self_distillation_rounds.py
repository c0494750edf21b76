# %% [markdown]
# # Many rounds: collapse, and the best filter
#
# > **Claim you can check:** a model that learns only from its own predictions loses everything after some rounds. The number
# > of rounds has a lower and an upper bound. A *filter* multiplies the labels along each eigenvector of the kernel by a
# > factor. If each round learns from a mixture of predictions and labels, ridge regression and then $k$ rounds can reach the
# > best filter. Here $k$ is the number of different eigenvalues. But the best mixtures can be computed only from the truth.
# > So this is not a method for real data.
#
# | | |
# |---|---|
# | **Objectives** | prove two bounds on the rounds until the collapse, and test them on kernels · see self-distillation as a polynomial filter · compute the lowest risk that rounds can reach |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); eigenvectors, polynomials |
# | **Time** | about 30 minutes to work through, a few seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import workbench as wb
from workbench import kernel
from workbench.course import verdict
from workbench.plots import describe
from workbench.plots.styles import COLOURS, LINES

wb.prepare_notebook()

# %% [markdown]
# This lesson is about **kernel ridge regression**, the model of lesson 03. We need four things from there:
#
# - The matrix $K$ holds the similarities of all pairs of the $n$ training inputs.
# - The number $\lambda>0$ is the penalty, and the vector $y$ holds the labels.
# - The fitted values are $K(K+\lambda I)^{-1}y$.
# - So along an eigenvector of $K$ with eigenvalue $s$, the labels are multiplied by $s/(s+\lambda)$. This is a number
#   between 0 and 1.
#
# A *round* fits the model to the predictions of the round before.
#
# ## Without labels: the collapse
#
# In this section each round chooses its own penalty ([Mobahi et al., 2020](https://arxiv.org/abs/2002.05715)). Let all
# eigenvalues be positive. Then the model can fit any labels.
#
# **The rule of a round.** Let the vector $f$ hold the values of a function on the $n$ inputs. A function is *allowed*
# if its mean squared distance from the previous predictions is at most $\epsilon$. The round takes the *smoothest*
# allowed function. This is the function with the smallest $f^\top K^{-1}f$.
#
# If the previous predictions have a mean square of at most $\epsilon$, the function 0 is allowed. It is the smoothest function
# of all. So the next model is 0 everywhere: the model has **collapsed**.
#
# The next figure shows one collapse. There are twenty eigenvalues from 1 to 0.001, and all labels are 1. We write the
# rounds out: `brentq` finds the penalty for which the step has the right length.

# %%
eigenvalues, left = np.geomspace(1, 1e-3, 20), [np.ones((20, 1))]
tolerance = 1 / 4.5**2
while np.mean(left[-1]**2) > tolerance:
    def excess(lam, z=left[-1]):  # mean square of the step with this penalty, minus tolerance
        return np.mean(z[:, 0]**2 * (lam / (eigenvalues + lam))**2) - tolerance
    lam = brentq(excess, 1e-9, 1e9)
    left.append(kernel.smoother(np.diag(eigenvalues), lam) @ left[-1])
verdict("the loop written here and the package need the same number of rounds.", len(left) - 1
        == kernel.rounds_until_collapse(np.diag(eigenvalues), np.ones((20, 1)), tolerance))

# %% tags=["nbval-ignore-output"]
decay_ax = plt.subplots(figsize=(8, 3.6))[1]
image = decay_ax.imshow(np.hstack(left), aspect="auto", vmin=0, vmax=1)
decay_ax.set(xlabel="round (0: the labels)", ylabel="eigenvalue", yticks=[0, 19],
             yticklabels=["1", "0.001"])
plt.colorbar(image, label="share of the labels that is left")
wb.show(describe(decay_ax, f"Map of the labels left in rounds 0 to {len(left) - 1}. After round 1 "
                 f"the share is {left[1][0, 0]:.2f} for eigenvalue 1 and {left[1][-1, 0]:.2f} for "
                 f"0.001; in the end {left[-1][0, 0]:.2f} and {left[-1][-1, 0]:.2f}."))

# %% [markdown]
# The directions with small eigenvalues disappear first, one after another. They are the fine details of a function, where
# noise is often larger than signal. So the first rounds may help. Later rounds remove the large patterns of the data too.
#
# **The claim.** Let $T$ be the number of rounds until the mean square of the predictions is at most $\epsilon$. Let
# $\|\cdot\|$ be the length of a vector, and $r=\|y\|/\sqrt{n\epsilon}$. Then $r-1\le T\le r^2$ for every such kernel.
#
# **Proof.** Let $z_0=y$, and let $z_t$ be the predictions after round $t$.
#
# - *Each round is a step of length $\sqrt{n\epsilon}$.* The step $z_{t-1}-z_t$ cannot be longer. If it were shorter, a smoother
#   function would still be allowed.
# - *Lower bound.* $T$ steps can shorten $y$ by at most $T\sqrt{n\epsilon}$. So $\|z_T\|\ge\|y\|-T\sqrt{n\epsilon}$. After
#   round $T$, $\|z_T\|\le\sqrt{n\epsilon}$. Together these give $T\ge r-1$.
# - *Upper bound.* By the rule of Lagrange multipliers, each round is ridge regression with some penalty. So each component
#   of $z_t$ is that of $z_{t-1}$ times a number from 0 to 1. Therefore $\langle z_t,\,z_{t-1}-z_t\rangle\ge0$.
# - Now expand the square: $\|z_{t-1}\|^2=\|z_t\|^2+2\langle z_t,\,z_{t-1}-z_t\rangle+\|z_{t-1}-z_t\|^2\ge\|z_t\|^2+n\epsilon$. So
#   each round lowers the squared length by at least $n\epsilon$. It starts at $\|y\|^2=r^2n\epsilon$ and cannot fall below 0.
#   So there are at most $r^2$ rounds.
#
# We test the bounds on 500 random cases. There are five values of $r$ and four kinds of kernels. The kernels differ in the
# ratio of the largest eigenvalue to the smallest one. In the next figure the four kinds are drawn side by side at each
# $r$. Two marks and a line show the smallest and the largest number of rounds in 25 cases. If the two are equal, there
# is one mark.

# %% tags=["nbval-ignore-output"]
rng, inside, counts = np.random.default_rng(0), [], {}  # counts by ratio r and width
for ratio in (1.5, 2.5, 3.5, 4.5, 6.5):
    for width in (0, 2, 6, 12):  # eigenvalues from 1 to 10^-width
        counts[ratio, width] = [kernel.rounds_until_collapse(
            np.diag(10**rng.uniform(-width, 0, 60)), y, float(np.mean(y**2)) / ratio**2)
            for y in rng.normal(size=(25, 60, 1))]
        inside += [ratio - 1 <= rounds <= ratio**2 for rounds in counts[ratio, width]]
verdict("in 500 of 500 cases the number of rounds is within the bounds.", sum(inside) == 500)

# %% tags=["nbval-ignore-output"]
bounds_ax, r = plt.subplots(figsize=(8, 4))[1], np.linspace(1.2, 6.8, 100)
bounds_ax.fill_between(r, r - 1, r**2, color="#e4e4e4")
bounds_ax.text(5.6, 19, "between the bounds:\n$r-1$ to $r^2$", ha="center")
for k, width in enumerate((0, 2, 6, 12)):
    name = f"at most $10^{{{width}}}$" if width else "1"
    for (ratio, own_width), rounds in counts.items():
        if own_width == width:
            bounds_ax.plot([ratio + 0.09 * k - 0.13] * 2, [min(rounds), max(rounds)],
                           "-" + "os^D"[k], color=COLOURS[k], markersize=5,
                           label=name if ratio == 1.5 else None)
bounds_ax.set(xlabel="r", ylabel="rounds until the collapse", ylim=(0, 26))
bounds_ax.legend(title="ratio of the eigenvalues", frameon=False, loc="upper left")
wb.show(describe(bounds_ax, "Smallest and largest number of rounds in 25 cases, between the bounds "
                 "r - 1 and r squared. " + " ".join(f"r = {ratio}, ratio at most 10^{width}: "
                 f"{min(own)} to {max(own)}." for (ratio, width), own in counts.items())))

# %% [markdown]
# If all eigenvalues are equal (ratio 1), the number of rounds is the lower bound, rounded up. With unequal eigenvalues there
# are often more rounds. The reason: each round removes mainly the directions with the smallest eigenvalues that are left.
# So the steps point in different directions, and their lengths do not simply add up.
#
# At $r=6.5$ the largest number is 14, far below the upper bound 42.25. To come near this bound, each round would have to
# delete some directions completely and leave all others as they are.
#
# ## With labels: the best filter
#
# Now the penalty $\lambda$ is fixed, and each round may use labels again. A **filter** multiplies the labels along each
# eigenvector by a factor $g$. The factor depends only on the eigenvalue $s>0$. Ridge regression is the filter $g=p$ with
# $p=s/(s+\lambda)$.
#
# A round is fitted to a mixture: $w$ times the labels plus $1-w$ times the previous predictions. The share $w$ may differ
# from round to round, and it may be negative. The next figure shows the filters of one round.

# %% tags=["nbval-ignore-output"]
s = np.linspace(0.01, 1, 100)
p = s / (s + 0.3)
one_ax = plt.subplots(figsize=(7.5, 3.4))[1]
filters = {"ridge alone": p} | {f"one round, w = {w}": p * (w + (1 - w) * p)
                                for w in (2, 0.5, 0, -1)}
for k, (name, g) in enumerate(filters.items()):
    one_ax.plot(s, g, linestyle=LINES[k], color=COLOURS[k], label=name)
one_ax.axhline(0, color="black", linewidth=1)
one_ax.set(xlabel="eigenvalue s", ylabel="factor g", title="Filters with the penalty 0.3")
one_ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(describe(one_ax, "Filters of one round, by eigenvalue. Ridge alone rises from 0 to 0.77. "
                 "One round with the share 2 lies above it, the shares 0.5 and 0 lie below it, and "
                 "with the share -1 the factor is negative for eigenvalues below 0.3."))

# %% [markdown]
# Ridge regression can only choose the penalty. A round also chooses $w$, so it reaches filters of another form.
#
# **The claim.** Let there be $k$ different eigenvalues. Then ridge regression and $k$ rounds can reach the best filter.
#
# **Proof, step 1: rounds are polynomials.** We show that the filter after some rounds is $g=p\,P(p)$. Here $P$ is a
# polynomial with $P(1)=1$, and its degree is at most the number of rounds.
#
# - Ridge regression alone is $g=p$, so $P=1$.
# - The labels of the next round are multiplied by $w+(1-w)\,p\,P(p)$, and the fit multiplies by $p$ again. So the new
#   polynomial is $w+(1-w)\,p\,P(p)$. Its degree is larger by one. Its value at $p=1$ is $w+(1-w)=1$.
#
# **Step 2: every such polynomial can be reached.** Take any polynomial with value 1 at 1. Its constant coefficient is the
# share $w$ of the last round. Subtract $w$, and divide by $(1-w)\,p$. The result is the polynomial of the round before. It has
# value 1 at 1, and its degree is smaller by one. Repeat this until the degree is 0. (If some $1-w$ is 0, this filter
# is not reached exactly, but it can be approximated as closely as we want.)
#
# **Step 3: $k$ eigenvalues need degree $k$.** A polynomial of degree $k$ can have any values at $k+1$ places. Choose
# the value 1 at $p=1$, and any values at the $k$ different $p$ of the eigenvalues, which are all below 1. So each
# eigenvalue can have any factor $g$.
#
# **How low is the risk?** Along eigenvector $j$, let the labels be the truth $\theta_j$ plus noise with standard deviation
# $\sigma$. The *risk* is the expected squared error of a filter: the signal lost plus the noise kept,
# $\sum_j\big((1-g_j)^2\theta_j^2+\sigma^2g_j^2\big)$. The smallest risk of any filter is the *floor*.
#
# Take eight eigenvalues from 1 to 0.1, and $\sigma=0.1$. The truth lies along one of the eight eigenvectors, with length 1. We
# try each of the eight. For each number of rounds we take the best of 41 penalties, and the best shares.
#
# **Prediction:** the risk of ridge regression is about 8 times the floor if the truth lies along the eigenvector with the
# smallest eigenvalue. To keep the signal there, ridge must keep the noise in all eight directions. After 8 rounds the
# floor is reached in all eight cases.
#
# The next cell computes the best shares. It first finds the best polynomial by least squares, and then the shares as in
# step 2.

# %%
def best_weights(kept, truth, noise, rounds):
    """Return the share of the labels in each round after ridge, for the smallest risk."""
    basis = kept * (kept**np.arange(1, rounds + 1) - 1)  # P = 1 + a sum of c (p^k - 1)
    P = np.linalg.lstsq(np.vstack([truth * basis, noise * basis]), np.vstack(
        [truth * (1 - kept), -noise * kept]), rcond=None)[0]
    P = np.append(1 - P.sum(), P)
    # Step 2: the last share is c0, the share before it is c1 / (c1 + ... + ck), and so on.
    return (P / P[::-1].cumsum()[::-1])[-2::-1] if rounds else 0.0


# %%
def best_filter(spectrum, truth, noise, rounds):
    """Return the smallest risk over 41 penalties, and the factors of its filter."""
    risks = []
    for lam in np.geomspace(0.001, 10, 41):
        kept = (spectrum / (spectrum + lam))[:, None]
        G = kernel.soft_rounds(np.diag(spectrum), np.eye(len(spectrum)), lam, rounds + 1,
                               weight=best_weights(kept, truth, noise, rounds))[-1]
        risks.append((np.sum((truth - G @ truth)**2) + noise**2 * np.sum(G**2), np.diag(G)))
    return min(risks, key=lambda pair: pair[0])


# %% [markdown]
# First one case: the truth lies along the eigenvector with the smallest eigenvalue, 0.1. The best filter keeps this direction
# and deletes all others. Ridge regression cannot do this. Eight rounds can.

# %% tags=["nbval-ignore-output"]
eight, hardest = np.geomspace(1, 0.1, 8), np.eye(8)[7][:, None]
factors = {rounds: best_filter(eight, hardest, 0.1, rounds)[1] for rounds in (0, 2, 4, 8)}
filter_ax = plt.subplots(figsize=(7.5, 3.4))[1]
for k, (rounds, g) in enumerate(factors.items()):
    filter_ax.plot(eight, g, "os^D"[k], linestyle=LINES[k], color=COLOURS[k], markersize=5,
                   label=f"{rounds} rounds" if rounds else "ridge alone")
filter_ax.set(xscale="log", xlabel="eigenvalue", ylabel="factor g", xticks=[0.1, 0.2, 0.5, 1],
              xticklabels=["0.1 (truth)", "0.2", "0.5", "1"],
              title="The best filter that each number of rounds reaches")
filter_ax.minorticks_off()
filter_ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(describe(filter_ax, "Factors at the eight eigenvalues, from 1 to 0.1. " + " ".join(
    f"{rounds} rounds: {', '.join(map('{:.2f}'.format, g.round(2) + 0))}."
    for rounds, g in factors.items())))

# %% [markdown]
# Now we take all eight cases.

# %%
floor = 1 / (1 + 1 / 0.1**2)
risk_ratio = np.array([[best_filter(eight, truth[:, None], 0.1, rounds)[0] / floor
                        for truth in np.eye(8)] for rounds in range(9)])
bars_ax = plt.subplots(figsize=(7.5, 3.6))[1]
bars_ax.bar(range(9), risk_ratio.mean(1), color=COLOURS[0], alpha=0.5)
bars_ax.plot(range(9), risk_ratio, ".", color=COLOURS[6])
for rounds, value in enumerate(risk_ratio.mean(1)):
    bars_ax.text(rounds, 8.6, f"{value:.2f}", ha="center")
bars_ax.set(xlabel="rounds of self-distillation after ridge (0: ridge alone)",
            ylabel="risk divided by the floor", ylim=(0, 9.2))
wb.show(describe(bars_ax, "Mean risk divided by the floor, after 0 to 8 rounds: "
                 f"{', '.join(f'{mean:.2f}' for mean in risk_ratio.mean(1))}."))
verdict("the risk of ridge is up to 8 times the floor. After 8 rounds it is the floor.",
        7.9 < risk_ratio[0, 7] < 8.1 and abs(risk_ratio[8] - 1).max() < 1e-6)

# %% [markdown]
# A bar is the mean of the eight cases, and the points are the cases. Seven rounds are nearly enough, because the penalty is
# chosen too. This is one more free number.
#
# One round has a lower mean risk than the best ridge regression, because its penalty and its share are chosen *together*. In
# [One round, exactly](self_distillation_one_round.ipynb) the penalty was fixed first, and one round gained nothing at
# the best penalty. (If the truth lies along an eigenvector with one of the three smallest eigenvalues, one round gains
# almost nothing here too.)
#
# The best shares were computed from the truth. So the result is a bound for all methods of this kind, and not a method. With a
# few validation examples one would choose only one number, the number of rounds, as in
# [lesson 03](../03_self_distillation.ipynb).
#
# ## What would change your mind?
#
# Self-distillation would be more than a choice of the penalty if it had a lower risk than every ridge regression, *and* all
# choices were made from data. Here its risk is lower, but its shares were computed from the truth. In lesson 03 the choices
# were made on validation data, and it was not better. With only 100 noisy labels it gained one or two points of accuracy
# ([Rounds on fresh inputs](self_distillation_fresh_inputs.ipynb)).
#
# ## Try it yourself
#
# - Let the truth lie along two of the eight directions (`truth = (a + b) / 2**0.5`). How many rounds are needed now?
# - Give two of the eight eigenvalues the same value. After how many rounds is the floor reached?
# - Search for a kernel that collapses close to the upper bound $r^2$. Change the eigenvalues *and* the labels.
#
# ## Limits
#
# - Both claims are about kernel ridge regression. In the first claim each round chooses a new penalty.
# - The 500 cases are four kinds of kernels with random labels. The proof covers all other kernels. The cases can show a
#   mistake in the code or in the proof. They say nothing about real data.
# - The claims do not hold for networks. A round of a network does not multiply the labels along each eigenvector by a factor.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
