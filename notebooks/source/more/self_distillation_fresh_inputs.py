# %% [markdown]
# # Rounds on fresh inputs
#
# > **Claim you can check:** a model can teach the next one on new inputs without labels. Such rounds remove noise first and
# > signal later. For linear models, a formula predicts the best number of rounds before any model is fitted. Several rounds can
# > be a little better than one round with its best penalty. But rounds on the *same* inputs gain as much.
#
# | | |
# |---|---|
# | **Objectives** | split the risk into lost signal and noise · predict the best number of rounds · compare fresh inputs, the same inputs, and one round |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); ridge regression, means and variances |
# | **Time** | about 30 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, plot_differences
from workbench.plots.labels import name_ticks, write_cells
from workbench.plots.styles import COLOURS, look

wb.prepare_notebook()

# %% [markdown]
# ## The question
#
# In lesson 03 all rounds see the same inputs. Often there are many more inputs, but *without* labels. Then each round can have
# new inputs. The model of the round before gives them labels. Is this better than to use the same inputs again? For linear
# models there is a theory ([Wu, Yang & Sun, 2026](https://arxiv.org/abs/2602.14029)).
#
# **The model.** An input has $d$ independent features $x_1,\ldots,x_d$. Feature $j$ has the variance $s_j$. The label
# is $y=\sum_j\theta_jx_j+$ noise. The sum is the *signal*, and the numbers $\theta_j$ are the truth. The noise has the
# standard deviation $\sigma$.
#
# **The rounds.** Round 1 is ridge regression with penalty $\lambda$ on $n$ inputs with labels. Each later round is ridge
# regression on $n$ fresh inputs. Their labels are the predictions of the model before, without any new noise.
#
# **The risk** is the mean squared difference between prediction and truth on a new input.
#
# ## What one round does to a coefficient
#
# Look at the coefficient that the model gives to feature $j$. It differs between random draws of the data. So it has a mean and
# a variance.
#
# **Signal is lost.** With very many inputs, ridge regression multiplies the coefficient by $s_j/(s_j+\lambda)$. With only $n$
# inputs, it multiplies the mean by a smaller number, $p_j=s_j/(s_j+\kappa)$. Here $\kappa$ is larger than $\lambda$, and
# is the solution of $\kappa=\lambda+\tfrac{\kappa}{n}\sum_jp_j$. The code solves this equation numerically. After $t$
# rounds the mean is $p_j^t\,\theta_j$. So features with a large variance ($s_j\gg\kappa$) keep their signal for many rounds.
# Features with a small variance lose it at once.
#
# **Noise is removed, and a little new noise comes in.** Let $V_j$ be $s_j$ times the variance of the coefficient. This is the
# noise in feature $j$. One round replaces $V_j$ by $p_j^2\,(V_j+E/n)$:
#
# - The factor $p_j^2$ is below 1, so old noise becomes smaller.
# - $E/n$ is new noise. It is there because the $n$ inputs of a round are a random sample.
#
# $E$ is the mean squared error of the new model on inputs that it has not seen. Their labels are made as in its training: in
# round 1 by the truth plus noise, later by the model before. The theory gives
# $E=\big(\sum_k(1-p_k)^2m_k+\sigma^2\big)/\big(1-\tfrac1n\sum_kp_k^2\big)$. Here $m_k$ is $s_k$ times the mean square
# of the coefficient that makes the labels. In round 1 this coefficient is $\theta_k$. Later it is the coefficient of
# the model before, and there is no $\sigma^2$, because no new noise is added to the labels.
#
# **The test problem** has 100 features with $s_j=1/j$, $\theta_j$ proportional to $1/j$, and $n=80$ labels. The signal has
# variance 1, and the noise too.

# %%
def risk_of_features(s, theta, sigma, n, penalty, rounds):
    """Return the signal lost and the noise left after each round: shape (rounds, 2, features)."""
    kappa = brentq(lambda k: penalty + k * np.sum(s / (s + k)) / n - k, penalty, penalty + s.sum())
    p, mean, noise, parts = s / (s + kappa), theta, 0 * s, []
    for t in range(rounds):
        spread = (1 - p)**2 @ (s * mean**2 + noise) + (sigma**2 if t == 0 else 0)
        noise = p**2 * (noise + spread / (1 - p @ p / n) / n)
        mean = p * mean
        parts.append((s * (theta - mean)**2, noise))
    return np.array(parts)


# %%
toy_s = 1 / np.arange(1, 101)
toy_theta = toy_s / np.sqrt(np.sum(toy_s**3))
problem = (toy_s, toy_theta, 1.0, 80)  # variances, truth, noise, labels
groups, some = ["1", "2 to 3", "4 to 10", "11 to 30", "31 to 100"], [1, 2, 3, 5, 7, 10, 13, 16]
of_rounds = risk_of_features(*problem, 0.01, 16)[np.subtract(some, 1)]
by_group = np.add.reduceat(of_rounds, [0, 1, 3, 10, 30], -1)  # (rounds, 2, groups)

# %%
parts_fig, part_axes = plt.subplots(1, 2, figsize=(10, 3.2))
for ax, i, title in zip(part_axes, (1, 0), ("Noise left", "Signal lost"), strict=True):
    ax.imshow(by_group[:, i].T, vmin=0, vmax=0.22, aspect="auto")
    ax.grid(False)
    ax.set(title=f"{title} (in hundredths)", xlabel="round", ylabel="features")
    name_ticks(ax, [str(t) for t in some])
    name_ticks(ax, groups, "y")
    write_cells(ax, by_group[:, i].T, lambda v: f"{100 * v:.0f}", lambda v: v < 0.12)
    describe(ax, f"Heat map, {title.lower()} (in hundredths). " + "; ".join(
        f"features {name}: {100 * values[0]:.0f} at round 1, {100 * values[4]:.0f} at round 7, "
        f"{100 * values[-1]:.0f} at round 16"
        for name, values in zip(groups, by_group[:, i].T, strict=True)) + ".")
wb.show(parts_fig)

# %% [markdown]
# The figure is for penalty 0.01. Each number is the sum over a group of features. After round 1 most of the noise is in
# features 11 to 100, which have a small variance. After seven rounds this noise is gone. The signal is lost later, mostly in
# features 1 to 3, because nearly all of the signal is there.
#
# The formulas for $\kappa$ and $E$ are limits for large $n$ and $d$. They come from the theory of random matrices. We do not
# prove them here; we compare them with measurements.
#
# **Prediction.** The risk is the signal lost plus the noise left.
#
# - With a small penalty there is much noise after round 1. The risk falls as long as a round removes more noise than signal.
#   After that it rises. After very many rounds it is the variance of the whole signal.
# - With a large penalty little noise is left after round 1. Then each further round mainly loses signal.

# %%
def measured_risk(s, theta, sigma, n, penalty, rounds, seed, fresh=True):
    """Return the risk after each round of one trial: shape (rounds,)."""
    rng, beta, risks = np.random.default_rng(seed), theta, []
    for t in range(rounds):
        if t == 0 or fresh:
            x = rng.normal(size=(n, len(s))) * s**0.5
        labels = x @ beta + (sigma * rng.normal(size=n) if t == 0 else 0)
        beta = np.linalg.solve(x.T @ x / n + penalty * np.eye(len(s)), x.T @ labels / n)
        risks.append(s @ (beta - theta)**2)
    return risks


# %% [markdown]
# The predictions for five penalties are computed before any model is fitted.

# %%
PENALTIES, ROUNDS, TRIALS = (0.003, 0.01, 0.03, 0.1, 0.3), 16, 60
predicted = {lam: risk_of_features(*problem, lam, ROUNDS).sum(-1) for lam in PENALTIES}
wb.show_numbers(pd.DataFrame({lam: {
    "risk after round 1": parts[0].sum(), "lowest risk": parts.sum(1).min(),
    "round of the lowest risk": parts.sum(1).argmin() + 1} for lam, parts in predicted.items()}).T
    .rename_axis("penalty"), "predictions for five penalties", "{:.3g}".format)
measured = {lam: np.array([measured_risk(*problem, lam, ROUNDS, k) for k in range(TRIALS)])
            for lam in PENALTIES}

# %% tags=["nbval-ignore-output"]
risk_fig, (left, other) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
index = range(1, ROUNDS + 1)
for i, (lam, values) in enumerate(measured.items()):
    left.plot(index, predicted[lam].sum(1), color=COLOURS[i])
    left.text(16.4, predicted[lam][-1].sum(), f"penalty {lam}", color=COLOURS[i], va="center")
    left.errorbar(index, values.mean(0), np.ptp(seed_interval(values), 0) / 2, color=COLOURS[i],
                  fmt="o", markersize=4, linewidth=1)
left.set(yscale="log", xlim=(0.5, 20.5), title="lines predicted, dots measured", ylabel="risk",
         yticks=(0.1, 0.2, 0.5, 1), yticklabels=("0.1", "0.2", "0.5", "1"))
other.stackplot(index, predicted[0.03].T, labels=("signal lost", "noise left"), colors=COLOURS[4:])
plt.setp([left, other], xlabel="round", ylabel="risk", xticks=(1, 5, 10, 15))
other.legend(loc="upper left", title="penalty 0.03, predicted")
bottoms = (f"{v.mean(0).argmin() + 1} for penalty {lam}" for lam, v in measured.items())
describe(left, f"Risk by round. The lowest measured risk is at round {', '.join(bottoms)}.")
wb.show(risk_fig)

# %%
far = max(np.abs(measured[lam].mean(0) / predicted[lam].sum(1) - 1).max() for lam in PENALTIES)
verdict(f"the mean of {TRIALS} trials is within 10 % of the prediction in every round.", far < 0.1)

# %% [markdown]
# At the middle penalties the curves first fall and then rise. The lowest point comes later if the penalty is smaller. At 0.3,
# the largest penalty, it is at round 1.
#
# ## Several rounds, or one round with its best penalty?
#
# In lesson 03 these two were about equal. Here the formula knows the truth, so it can choose the best settings of both. It
# tries 31 penalties and up to 16 rounds. Then 300 new trials measure the difference.

# %%
fine = np.geomspace(0.001, 1, 31)
risks = {lam: risk_of_features(*problem, lam, ROUNDS).sum((1, 2)) for lam in fine}
once, often = (min(fine, key=lambda lam: risks[lam][:end].min()) for end in (1, ROUNDS))
stop = risks[often].argmin() + 1
tries = {"one round": (once, 1, True), "fresh inputs": (often, stop, True), "same inputs": (
    often, stop, False)}
final = {name: np.array([measured_risk(*problem, lam, end, k, fresh)[-1] for k in range(99, 399)])
         for name, (lam, end, fresh) in tries.items()}

# %% tags=["nbval-ignore-output"]
base = final["one round"]
toy_gains = {f"{stop} rounds, {name}": 100 * (base - final[name]) / base.mean()
             for name in ("fresh inputs", "same inputs")}
wb.show(plot_differences(toy_gains, plt.subplots(figsize=(7.5, 2.2))[1], "Gain over one round",
                         "reduction of the risk (%), with 95 % intervals"))
wb.show_numbers(pd.DataFrame({name: {
    "rounds": end, "penalty": lam, "predicted risk": risks[lam][end - 1] if fresh else np.nan,
    "measured risk": final[name].mean()} for name, (lam, end, fresh) in tries.items()}).T,
    "one round and several rounds", "{:.3g}".format)
verdict("the mean risk with the same inputs is lower than the mean risk with fresh inputs.",
        np.mean(final["same inputs"] - final["fresh inputs"]) < 0)

# %% [markdown]
# With fresh inputs, two rounds have a risk that is 8 % lower than that of one round with its best penalty. **But the fresh inputs
# are not the reason. With the same inputs the risk is 11 % lower.**
#
# Why are two rounds better at all? On the same inputs, a second round squares the factor of each part of the labels (lesson
# 03). No single penalty gives these squares for all parts. In [Many rounds](self_distillation_rounds.ipynb), too, more rounds
# reach a lower risk if the truth chooses the settings. Fresh inputs bring new noise, $E/n$. The same inputs do not.
#
# ## Now the digits
#
# The model is kernel ridge regression, as in lesson 03. There are 100 labelled digits with 30 % wrong labels, or 50 labelled
# digits with right labels. The model of each later round is fitted to the predictions for one of three sets of inputs:
#
# | inputs of the later rounds | which inputs |
# |---|---|
# | **same inputs** | the labelled inputs, as in lesson 03 |
# | **fresh inputs** | in each round, as many new inputs as there are labelled ones |
# | **one large set** | in each round, the same large set: all fresh inputs together, five times as many as labelled ones |
#
# The large set has five times as many inputs, so its penalty is five times as large. Five penalties times one to six rounds
# are 30 settings. The best setting is chosen on 100 validation digits, with wrong labels as in training. **One round** can
# choose from 30 penalties, so both have 30 settings. Accuracy is measured on 400 other digits. There are 20 seeds.

# %%
images, digits = load_digits(return_X_y=True)
similar = rbf_kernel(images, gamma=1 / (64 * images.var()))


def classes_by_round(gram, labels, first, later, penalty):
    """Return the predicted classes of all inputs after each round."""
    solved = [(rows, np.linalg.solve(gram[rows][:, rows] + penalty * len(rows) * np.eye(len(rows)),
                                     gram[rows]).T) for rows in (first, *later)]
    answers, classes = np.eye(10)[labels], []
    for rows, weights in solved + 4 * solved[1:] * (len(later) == 1):  # one set: five times
        answers = weights @ answers[rows]  # fit to the answers on these rows, answer everywhere
        classes.append(answers.argmax(1))
    return classes


# %%
def study_of_sources(seed, labelled, wrong, one_round=False):
    """Return the share right on validation and test: shape (sources, penalties, rounds, 2)."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(digits))[:6 * labelled + 500]
    gram, right = similar[np.ix_(order, order)], digits[order]
    noisy = (right + draw.integers(1, 10, len(order)) * (draw.random(len(order)) < wrong)) % 10
    first, *fresh = np.arange(6 * labelled).reshape(6, -1)
    return [[[((c == noisy)[-500:-400].mean(), (c == right)[-400:].mean())
              for c in classes_by_round(gram, noisy, first, later, lam / labelled)]
             for lam in (np.geomspace(0.01, 5, 30) if one_round else STRENGTHS)]
            for later in ([[]] if one_round else ([first], fresh, [np.concatenate(fresh)]))]


STRENGTHS, SOURCES = np.geomspace(0.03, 1.5, 5), ("same inputs", "fresh inputs", "one large set")

# %% tags=["nbval-ignore-output"]
CASES = {"100 labels, 30 % wrong": (100, 0.3), "50 labels, all right": (50, 0.0)}
by_source = {name: np.array([study_of_sources(seed, *size) for seed in range(20)])
             for name, size in CASES.items()}  # (seeds, sources, penalties, rounds, 2)
chosen = {name: {} for name in CASES}  # accuracy on the test digits at the chosen setting, by seed
for name, size in CASES.items():
    single = np.array([study_of_sources(seed, *size, True) for seed in range(20)])
    for source, of_seeds in zip(("one round", *SOURCES), (
            single[:, 0], *by_source[name].swapaxes(0, 1)), strict=True):
        chosen[name][source] = np.array([v[np.unravel_index(
            v[..., 0].argmax(), v.shape[:2])][1] for v in of_seeds])

# %% tags=["nbval-ignore-output"]
gain_fig, gain_axes = plt.subplots(1, 2, figsize=(10, 2.8), sharex=True)
for ax, (name, by_inputs) in zip(gain_axes, chosen.items(), strict=True):
    gains = {source: 100 * (by_inputs[source] - by_inputs["one round"]) for source in SOURCES}
    plot_differences(gains, ax, f"Several rounds minus one round\n{name}")
wb.show(gain_fig)
wb.show_numbers(pd.DataFrame({name: {source: values.mean() for source, values in one.items()}
                              for name, one in chosen.items()}), "accuracy by inputs",
                lambda share: f"{100 * share:.1f} %")

# %% tags=["nbval-ignore-output"]
shown, three = plt.subplots(1, 3, figsize=(10, 4.2), sharey=True)
wrong = 100 - 100 * by_source["100 labels, 30 % wrong"][..., 1].mean(0)
for ax, source, of_penalties in zip(three, SOURCES, wrong, strict=True):
    for i, (lam, error) in enumerate(zip(STRENGTHS, of_penalties, strict=True)):
        ax.plot(range(1, 7), error, **look(i), markersize=4, label=f"{lam:.2g}")
    lowest = of_penalties.argmin(1) + 1
    describe(ax, f"{source}, from small to large penalty: lowest error at rounds "
                 f"{', '.join(map(str, lowest))} of six.").set(title=source, xlabel="round")
three[0].set_ylabel("error in %")
shown.legend(*three[0].get_legend_handles_labels(), loc="outside right center", title="penalty")
wb.show(shown)

# %% [markdown]
# The figure is for 100 labels. With the middle penalties the error first falls and then rises. The lowest point comes sooner
# for larger penalties. With the smallest penalties on the same inputs, or on one large set, six rounds are too few to see a
# rise.
#
# With the same inputs, and with one large set, the lowest error is about the same for most penalties. With fresh inputs, the
# lowest error is smaller for larger penalties, which need fewer rounds.
#
# **Compared with one round at its chosen penalty, we see no difference in most cases.** There is one exception. With 100 labels
# (30 % wrong) and the *same inputs*, 1.5 points are gained (0.6 to 2.3). So several rounds can be better than one round
# if both choose their settings in the same way. In lesson 03, with 500 labels, the difference was less than one point. Fresh
# inputs are not better than the same inputs.
#
# ## What to remember
#
# - Rounds on fresh inputs remove noise first and signal later.
# - The formula gives the best number of rounds before anything is fitted.
# - The gain over one round with its best penalty is small. The same inputs give this gain too.
#
# ## What would change your mind?
#
# If the measured risk had been far from the formula, the formula would need more than 100 features to be accurate. If fresh
# inputs were better than the same inputs on the digits, unlabelled data would be a reason for rounds.
#
# ## Try it yourself
#
# - Let only the first five features of `toy_theta` be different from 0. Does the gain of several rounds over one round grow?
# - Set the noise in `problem` to 0.3. Which penalty is now the best one for one round?
#
# ## Limits
#
# - In the formula the features are Gaussian and independent, and the settings are chosen by the truth.
# - Wrong labels of the digits are drawn at random. Real wrong labels depend on the image, and may be harder to correct.
# - Intervals are over 20 seeds of the same 1,797 digits. So they are too narrow for new digits.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
