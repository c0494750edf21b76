# %% [markdown]
# # Generations, calibration, and a teacher that misleads
#
# > **Claim you can check:** on 500 digits, a network that is taught by its predecessor is no better than that
# > predecessor. All generations together are no better than as many independent networks. Rounds of self-distillation
# > on fresh inputs remove noise first and signal later. A formula says when, and the same inputs do as well. A student
# > that has some right labels of its own can be helped by a teacher that is worse than this student would be alone. A
# > student without own labels becomes as good as its teacher, and no better.
#
# | | |
# |---|---|
# | **Objectives** | train generations, and judge them by accuracy, calibration and agreement · compare with an ensemble of equal cost and with a control · predict the best number of rounds · find the quality at which a teacher begins to harm |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); means and variances |
# | **Time** | two sittings of about an hour, with a break marked between them; under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.calibration import agreement, expected_calibration_error, reliability
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds
from workbench.plots.styles import COLOURS, look

wb.prepare_notebook()

# %% [markdown]
# ## Generations of networks
#
# **Born-again networks** ([Furlanello et al., arXiv 1805.04770](https://arxiv.org/abs/1805.04770)) form a chain. The
# first network learns the labels. Each later one begins with new random weights, and learns from the labels and from
# the soft answers of the network before it. All have the same form and see the same examples. Here is the whole loop.
# In the code, the stream has the same task once for each generation.

# %%
from workbench.learners.base import fit, make_optimizer
from workbench.runs.experiment import make_learner, stream_of


def train_generations(config):
    """Return test probabilities (generations, seeds, n, 10), and the test labels."""
    stream, answers = stream_of(config), []
    learner = make_learner(config, stream)
    for task in stream.tasks:  # the same task again and again
        learner.begin(task)  # born_again: the trained network teaches, and a new one begins
        optimizer = make_optimizer(learner, config.lr)
        for _ in fit(learner, task, optimizer, steps=config.steps, batch_size=32):
            pass  # each step minimises learner.loss: of labels and of the teacher's answers
        answers.append(learner.predict(task.test.x).softmax(-1).numpy())
    return np.array(answers), task.test.y.numpy()

# %% [markdown]
# We use 500 labelled digits, with right labels or with 30 % wrong ones. Test labels are always right. Three methods go
# through six generations:
#
# - **born again**;
# - **control: shuffled answers**: the teacher's answers are dealt out at random among the inputs of a batch;
# - **longer training**: one network trains on through all generations, on labels alone.
#
# Each generation has 200 steps. (This is short if all labels are right: the search of
# [Networks and wrong labels](self_distillation_controls.ipynb) chose 600 there.) Born
# again and its control each had six settings to choose from: temperature 1 or 4, and a weight of the teacher of 0.5,
# 0.8 or 1. Each setting was tried with three generations. We take the one with the highest accuracy on validation
# digits, which have as many wrong labels. The search used five seeds on each of two splits, and none of these is used
# here. There are twelve networks: four seeds on each of three splits.

# %%
chosen = json.loads(Path("../../data/results/self_distillation.json").read_text())["results"]
NOISES, SPLITS, SEEDS, LAST = (0.0, 0.3), range(3), range(4), 6
METHODS = {"born again": "born_again", "control: shuffled answers": "born_again-shuffled",
           "longer training": "finetune"}
TRIED = [{"temperature": t, "weight": w} for t in (1.0, 4.0) for w in (0.5, 0.8, 1.0)]

def settings_of(method, noise, split, **other):
    tuned = chosen[f"digits, {percent(noise)} wrong"].get(method)
    return wb.RunConfig(**{
        "stream": "digits", "examples": 500, "label_noise": noise, "steps": 200, "seeds": SEEDS,
        "data_seed": split, "generations": LAST, "learner": METHODS[method],
        "options": TRIED[np.argmax(tuned["validation"][:6])] if tuned else {}} | other)

trained = {(method, noise): [train_generations(settings_of(method, noise, split))
                             for split in SPLITS] for method in METHODS for noise in NOISES}

# %% [markdown]
# ## Calibration
#
# A network is **calibrated** if it is right as often as it is confident: among the answers with a confidence of 70 %,
# 70 % are right. The expected calibration error (ECE) measures how far it is from that
# ([Guo et al., arXiv 1706.04599](https://arxiv.org/abs/1706.04599)).
#
# {{exercise calibration_error}}

# %%
def calibration_error(confidence, right, bins):
    ...


check("calibration_error", calibration_error)

# %% [markdown]
# {{solution calibration_error}}
#
# The third measure is the **agreement** with the first teacher: on how many test digits the answer is the same.

# %%
rows = []
for (method, noise), of_splits in trained.items():
    for split, (answers, labels) in enumerate(of_splits):
        rows += [(method, noise, g + 1, 4 * split + seed, *measures)
                 for g, of_seeds in enumerate(zip(
                     (answers.argmax(-1) == labels).mean(-1), agreement(answers, answers[0]),
                     expected_calibration_error(answers, labels), strict=True))
                 for seed, measures in enumerate(zip(*of_seeds, strict=True))]
table = pd.DataFrame(rows, columns=["method", "noise", "generation", "seed", "accuracy",
                                    "agreement", "ece"])
by_package = wb.run(settings_of("born again", 0.3, 0, generations=2, seeds=(0, 1)))
verdict("the loop above does as wb.run does.", np.allclose(
    by_package.accuracy[:, 1, 1], table.query(
        "method == 'born again' and noise == 0.3 and generation == 2 and seed < 2")["accuracy"]))

# %% tags=["nbval-ignore-output"]
curves_fig, panels = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey="col")
for (noise, part), row in zip(table.groupby("noise"), panels, strict=True):
    for ax, measure in zip(row, ("accuracy", "ece", "agreement"), strict=True):
        name = f"{measure.replace('ece', 'ECE')} in %, {percent(noise)} wrong labels"
        for i, method in enumerate(METHODS):
            values = 100 * part[part["method"] == method].pivot(index="seed", columns="generation",
                                                                values=measure)
            ax.plot(values.columns, values.mean(), **look(i), markersize=4, label=method)
            ax.fill_between(values.columns, *seed_interval(values), color=COLOURS[i], alpha=0.2)
        ends = part[part["generation"] == LAST].groupby("method")[measure].mean().map(percent)
        describe(ax, f"{name}: at the last generation {ends.to_dict()}.").set_title(name, size=11)
curves_fig.supxlabel("generation", fontsize=11)
curves_fig.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
wb.show(curves_fig)

# %% [markdown]
# Bands are 95 % intervals over the twelve networks. Is any generation better than the first one? The differences in
# accuracy are paired: the same data, and the same first network.

# %% tags=["nbval-ignore-output"]
wide = table.pivot(index=["noise", "method", "seed"], columns="generation", values="accuracy")
gains = 100 * wide.sub(wide[1], axis=0)
summary = gains[[2, 3, LAST]].groupby(["noise", "method"], sort=False).agg(
    lambda v: f"{v.mean():+.1f} ({seed_interval(v)[0]:+.1f} to {seed_interval(v)[1]:+.1f})")
print("points minus generation 1:\n", summary.to_string())
mean_gain = gains.groupby(["method", "noise"]).mean()
verdict("no generation of born again is a point better than the first network; the control with "
        "shuffled answers gains more; with wrong labels, longer training loses over 8 points.",
        mean_gain.loc["born again"].max(axis=None) < 1
        and (mean_gain.loc["control: shuffled answers", LAST] > mean_gain.loc["born again", LAST])
        .all() and mean_gain.loc[("longer training", 0.3), LAST] < -8)

# %% [markdown]
# *With wrong labels*, born again loses 0.7 points in six generations, and longer training loses twelve. This is the
# effect of early stopping: each generation starts from new weights and takes 200 steps, so that it memorises few wrong labels.
# *With right labels*, longer training gains 1.4 points, because 200 steps were too few, and born again has no clear
# gain. In neither case do we see a gain from the teacher.
#
# Now the control. Shuffled answers say nothing about the input. In generation 2 with right labels they cost four
# points: the first network is sure, and its sure answers to *other* images act like wrong labels. Later teachers are
# unsure. Their shuffled answers spread a share of each label over the other digits, as label smoothing does, and that
# gains 1.5 points. **So a gain over the first network does not show that the teacher's knowledge helped. Look at the
# control.**
#
# The generations of born again agree with the first network on 95 to 97 % of the digits, and stay there. Longer training
# on wrong labels moves away from it, down to 79 %.
#
# Now look at the ECE. That of the control is by far the highest: its answers are the least confident, and at the last
# generation they are as accurate as any. With 30 % wrong labels the ECE of the first network is 32 %, and *longer
# training lowers it while the accuracy falls*. So a model with a low ECE can be bad, and one with a high ECE can be
# good. Why is the ECE so high at first? A **reliability diagram** shows the accuracy of answers against their
# confidence; a calibrated model is on the diagonal. We draw it for the right test labels, and for test labels of which
# 30 % are wrong, like those of training.

# %% tags=["nbval-ignore-output"]
reliable_fig, pair = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True)
draw = np.random.default_rng(0)
for ax, (method, g) in zip(pair, (("born again", 1), ("longer training", LAST)), strict=True):
    answers = np.stack([p[g - 1] for p, _ in trained[method, 0.3]])  # (splits, seeds, n, 10)
    right = np.broadcast_to([[y] for _, y in trained[method, 0.3]], answers.shape[:-1])
    noisy = (right + draw.integers(1, 10, right.shape) * (draw.random(right.shape) < 0.3)) % 10
    for i, (name, y) in enumerate((("right labels", right), ("30 % wrong labels", noisy))):
        curve, error = 100 * reliability(answers, y, 10), expected_calibration_error(answers, y)
        ax.plot(curve["confidence"], curve["accuracy"], **look(i), label=name)
        describe(ax, f"{ax.get_label() if i else ''} {method}, generation {g}, {name}: ECE "
                     f"{percent(error.mean())}.")
    ax.plot([0, 100], [0, 100], color="#888888", linewidth=1)
    ax.set(title=f"{method}, generation {g}", xlabel="confidence in %", ylabel="accuracy in %")
pair[1].legend(loc="lower right")
wb.show(reliable_fig)

# %% [markdown]
# The network has learned labels of which 30 % are wrong, and its confidence is about **those**: answers with a
# confidence of about 65 % are already nearly always right. So the confidence is far too low for right labels, and less
# so for noisy ones. Longer training makes the network confident in the labels that it has memorised. This confidence is
# too high for noisy labels. For right labels it happens to fit: two errors cancel. Wrong labels made the network
# unsure, and memorising made it too sure.
#
# ## An ensemble of all generations
#
# Six generations cost six trainings. Their probabilities can be averaged. But so can those of six *independent*
# networks with the same steps: the ensemble of equal cost. (Born again costs a little more, because it also computes
# its teacher's answers.)

# %% tags=["nbval-ignore-output"]
kept = []
for noise in NOISES:
    for split, (answers, labels) in enumerate(trained["born again", noise]):
        equal = settings_of("born again", noise, split, learner="ensemble",
                            options={"members": LAST}, generations=1)
        independent = train_generations(equal)[0][0]
        for name, p in {"one network": answers[0], "last generation": answers[-1],
                        "all generations": answers.mean(0),
                        "independent networks": independent}.items():
            right = (p.argmax(-1) == labels).mean(-1)
            kept += [(percent(noise), name, a, e) for a, e in zip(
                right, expected_calibration_error(p, labels), strict=True)]
kept = pd.DataFrame(kept, columns=["wrong labels", "answers", "accuracy", "ECE"])
print(kept.groupby(["wrong labels", "answers"], sort=False).agg(percent_over_seeds).to_string())

# %% tags=["nbval-ignore-output"]
from workbench.widgets import GenerationExplorer

for noise, part in kept.groupby("wrong labels"):
    scores = 100 * part.groupby("answers")["accuracy"].agg(np.array)
    for name in ("one network", "all generations"):
        low, high = seed_interval(scores["independent networks"] - scores[name])
        print(f"{noise:>4} wrong labels: independent networks minus {name}: "
              f"{(low + high) / 2:+.1f} points ({low:+.1f} to {high:+.1f})")
explorer = GenerationExplorer(table.query("method == 'born again'"))
explorer.source.value = "digits, networks"
explorer

# %% [markdown]
# With right labels the two ensembles tie, about half a point above one network. With wrong labels independent networks
# gain 0.7 points on one network, and all generations together gain nothing. A likely reason: an average helps only
# where errors differ, and a student that imitates its teacher shares its errors. No ensemble here has a lower ECE:
# averaging makes answers less confident, and these networks were not confident enough before.
#
# In the explorer, choose each of the three sources. In the *exact model* of
# [When is a wrong label corrected?](self_distillation_correction.ipynb) the round that corrects the wrong
# labels is known beforehand. With *digits, kernel* rounds help about as much as a larger penalty. *Digits, networks*
# has the born-again networks from above: there, rounds hardly matter.
#
# **A good place for a break.** So far: judge generations by three measures, and against a control and an ensemble.

# %% [markdown]
# ## Fresh inputs: noise goes first, signal later
#
# So far each generation has seen the same inputs. Often there are many inputs *without* labels, and each generation can
# have fresh ones, answered by the model before. Is that better? For linear models there is a theory
# ([Wu, Yang & Sun, arXiv 2602.14029](https://arxiv.org/abs/2602.14029)). We build it in a few lines.
#
# Inputs have $d$ independent directions with variances $s_j$, and the truth is $y=\sum_j x_j\theta_j+$ noise with
# standard deviation $\sigma$. Round 1 is ridge regression with penalty $\lambda$ on $n$ labelled inputs. In each later
# round there are $n$ fresh inputs, and the labels are the predictions of the model before. **Two things happen to the
# coefficient in direction $j$.** Its mean and variance are taken over random draws of the inputs and the noise:
#
# 1. *Signal is lost.* With very many inputs, ridge multiplies the coefficient by $s_j/(s_j+\lambda)$. With $n$ inputs
#    its mean is multiplied by $p_j=s_j/(s_j+\kappa)$, with a larger penalty $\kappa$. It solves
#    $\kappa=\lambda+\tfrac{\kappa}{n}\sum_j p_j$, and the code finds it numerically. After $t$ rounds the mean is
#    $p_j^t\,\theta_j$. Strong directions ($s_j\gg\kappa$) keep their signal for long; weak ones lose it at once.
# 2. *Noise is removed.* Let $V_j$ be $s_j$ times the variance of the coefficient. A round makes it $p_j^2\,(V_j+E/n)$.
#    The part with $E$ is new in each round, because its inputs are a sample. $E$ is the mean squared error of the new
#    model on new labels of the same kind: $E=\big(\sum_k(1-p_k)^2m_k+\sigma^2\big)/\big(1-\tfrac1n\sum_kp_k^2\big)$.
#    Here $m_k$ is $s_k$ times the mean square of the coefficient of the model that gives the labels (in round 1, of the
#    truth). Only round 1 has $\sigma$: later labels have no noise of their own.
#
# (These are *deterministic equivalents*: limits for large $n$ and $d$, not exact for finite ones.) The risk is the
# signal lost plus the noise left. **Prediction:** with a small penalty there is much noise. The risk falls until a
# round loses as much signal as it removes noise. Then it rises, in the end to the variance of the signal. With a
# large penalty little noise is left after round 1, and each further round mainly loses signal.

# %%
from scipy.optimize import brentq


def predicted_risk(s, theta, sigma, n, penalty, rounds):
    """Return the signal lost and the noise left after each round: shape (rounds, 2)."""
    kappa = brentq(lambda k: penalty + k * np.sum(s / (s + k)) / n - k, penalty, penalty + s.sum())
    p, mean, noise, parts = s / (s + kappa), theta, 0 * s, []
    for t in range(rounds):
        spread = (1 - p)**2 @ (s * mean**2 + noise) + (sigma**2 if t == 0 else 0)
        noise = p**2 * (noise + spread / (1 - p @ p / n) / n)
        mean = p * mean
        parts.append((s @ (theta - mean)**2, noise.sum()))
    return np.array(parts)


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
# An example has 100 directions with $s_j=1/j$ and $\theta_j\propto1/j$, and 80 labels. The noise has the variance of
# the signal, which is 1. The prediction for five penalties is printed before any model is fitted.

# %%
PENALTIES, ROUNDS, TRIALS = (0.003, 0.01, 0.03, 0.1, 0.3), 16, 60
toy_s = 1 / np.arange(1, 101)
toy_theta = toy_s / np.sqrt(np.sum(toy_s**3))
world = (toy_s, toy_theta, 1.0, 80)  # variances, truth, noise, labels
foreseen = {lam: predicted_risk(*world, lam, ROUNDS) for lam in PENALTIES}
for lam, parts in foreseen.items():
    print(f"penalty {lam}: predicted bottom at round {parts.sum(1).argmin() + 1} of {ROUNDS}, risk "
          f"{parts.sum(1).min():.3f}; at round 1 {parts[0].sum():.3f}")
measured = {lam: np.array([measured_risk(*world, lam, ROUNDS, seed) for seed in range(TRIALS)])
            for lam in PENALTIES}

# %% tags=["nbval-ignore-output"]
risk_fig, (left, other) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
counted = range(1, ROUNDS + 1)
for i, (lam, values) in enumerate(measured.items()):
    left.plot(counted, foreseen[lam].sum(1), color=COLOURS[i])
    left.text(16.4, foreseen[lam][-1].sum(), f"penalty {lam}", color=COLOURS[i], va="center")
    left.errorbar(counted, values.mean(0), np.ptp(seed_interval(values), 0) / 2, color=COLOURS[i],
                  fmt="o", markersize=4, linewidth=1)
    describe(left, f"{left.get_label() if i else ''} Risk at penalty {lam} is lowest at round "
                   f"{values.mean(0).argmin() + 1}, predicted {foreseen[lam].sum(1).argmin() + 1}.")
left.set(yscale="log", xlim=(0.5, 20.5), title="lines predicted, dots measured", ylabel="risk",
         yticks=(0.1, 0.2, 0.5, 1), yticklabels=("0.1", "0.2", "0.5", "1"))
other.stackplot(counted, foreseen[0.03].T, labels=("signal lost", "noise left"), colors=COLOURS[4:])
plt.setp([left, other], xlabel="round", ylabel="risk", xticks=(1, 5, 10, 15))
other.legend(loc="upper left", title="penalty 0.03, predicted")
wb.show(risk_fig)

# %% [markdown]
# At the middle penalties the curves are U-shaped. The bottom comes later for smaller penalties; at 0.3, the largest, it
# is at round 1. Which is better: several rounds, or one round with its best penalty? In lesson 03 the two were equal in
# practice. Here the formula, which knows the truth, chooses the best settings of both (31 penalties, and up to 16
# rounds). Then 300 new trials measure the difference.

# %% tags=["nbval-ignore-output"]
far = max(np.abs(measured[lam].mean(0) / foreseen[lam].sum(1) - 1).max() for lam in PENALTIES)
verdict(f"means of {TRIALS} trials are within 10 % of the prediction in every round.", far < 0.1)
fine = np.geomspace(0.001, 1, 31)
risks = {lam: predicted_risk(*world, lam, ROUNDS).sum(1) for lam in fine}
once, often = (min(fine, key=lambda lam: risks[lam][:end].min()) for end in (1, ROUNDS))
stop = risks[often].argmin() + 1
tries = {"one round": (once, 1, True), "fresh inputs": (often, stop, True), "same inputs": (
    often, stop, False)}
final = {name: np.array([measured_risk(*world, lam, end, k, fresh)[-1] for k in range(99, 399)])
         for name, (lam, end, fresh) in tries.items()}
for name, (lam, end, _) in tries.items():
    low, high = seed_interval(final[name] - final["one round"])
    print(f"{name:12}: {end} at penalty {lam:.2f}, {risks[lam][end - 1]:.4f} predicted, "
          f"{final[name].mean():.4f} measured; difference {low:+.4f} to {high:+.4f}")
verdict("the same inputs do as well.", np.mean(final["same inputs"] - final["fresh inputs"]) < 2e-3)

# %% [markdown]
# (The prediction is for fresh inputs.) So two rounds have a risk that is 8 % lower than that of one round, even at its
# best penalty. **But this is not due to the fresh inputs: with the same inputs it is 11 % lower.** Two rounds on the
# same inputs are another filter, $p^2$ in place of $p$. In [Many rounds](self_distillation_rounds.ipynb), too, more
# rounds reach better filters if the truth chooses the settings. Fresh inputs bring some variance of their own, $E/n$,
# and the same inputs do not.
#
# **Now the digits**, with kernel ridge. There are 100 labelled digits with 30 % wrong labels, or 50 with right ones.
# The model of each later round learns the answers to one of three sets of inputs:
#
# - **same inputs**: the labelled ones, as in lesson 03;
# - **fresh inputs**: in each round as many new ones as there are labelled ones;
# - **one large set**: in each round all those inputs at once, five times as many.
#
# The penalty grows with the number of inputs, so that it counts the same per input. Five penalties times one to six rounds
# are 30 choices, and the best is chosen on 100 noisy validation digits. **One round** has 30 penalties to choose from,
# so that the budget is equal. Accuracy is that on 400 other digits. There are 20 seeds.

# %%
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

images, digits = load_digits(return_X_y=True)
similar = rbf_kernel(images, gamma=1 / (64 * images.var()))


def classes_by_round(gram, labels, first, later, penalty):
    solved = [(rows, np.linalg.solve(gram[rows][:, rows] + penalty * len(rows) * np.eye(len(rows)),
                                     gram[rows]).T) for rows in (first, *later)]
    answers, classes = np.eye(10)[labels], []
    for rows, weights in solved + 4 * solved[1:] * (len(later) == 1):
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
WORLDS = {"100 labels, 30 % wrong": (100, 0.3), "50 labels, all right": (50, 0.0)}
by_source = {name: np.array([study_of_sources(seed, *size) for seed in range(20)])
             for name, size in WORLDS.items()}
for name, values in by_source.items():  # (seeds, sources, penalties, rounds, 2)
    single = np.array([study_of_sources(seed, *WORLDS[name], True) for seed in range(20)])
    ridge = np.array([v[v[:, 0].argmax(), 1] for v in single[:, 0, :, 0]])
    print(f"{name}: one round {100 * ridge.mean():.1f} %")
    for source, of_seeds in zip(SOURCES, values.swapaxes(0, 1), strict=True):
        best = [v[np.unravel_index(v[..., 0].argmax(), v.shape[:2])][1] for v in of_seeds]
        low, high = 100 * np.array(seed_interval(best - ridge))
        print(f"  several rounds, {source:13}: {100 * np.mean(best):.1f} %; minus one round "
              f"{(low + high) / 2:+.1f} points ({low:+.1f} to {high:+.1f})")

# %% tags=["nbval-ignore-output"]
shown, three = plt.subplots(1, 3, figsize=(10, 4.2), sharey=True)
wrong = 100 - 100 * by_source["100 labels, 30 % wrong"][..., 1].mean(0)
for ax, source, of_penalties in zip(three, SOURCES, wrong, strict=True):
    for i, (lam, error) in enumerate(zip(STRENGTHS, of_penalties, strict=True)):
        ax.plot(range(1, 7), error, **look(i), markersize=4, label=f"{lam:.2g}")
    lowest = of_penalties.argmin(1) + 1
    describe(ax, f"{source}: the error is lowest at rounds {lowest.tolist()} of six, for penalties "
                 f"from small to large.").set(title=source, xlabel="round")
three[0].set_ylabel("error in %")
shown.legend(*three[0].get_legend_handles_labels(), loc="outside right center", title="penalty")
wb.show(shown)

# %% [markdown]
# With the middle penalties the error falls first and then rises, and the lowest point comes sooner for larger
# penalties. With the smallest ones six rounds are too few to see it rise. On the same inputs and on one large set, most
# penalties reach about the same lowest error. On fresh inputs, larger penalties with fewer rounds reach a lower one.
#
# **Compared with one round at its chosen penalty, most results are a tie.** The exception is *same inputs* with 100 labels,
# 30 % of them wrong: 1.5 points are gained (0.6 to 2.3). So several rounds can be better than any penalty, as in the
# example. Lesson 03 had 500 labels, and found a tie. Fresh inputs are not better than the same ones.
#
# ### Few labels, and other data
#
# The same question for networks, with the results of
# [Networks and wrong labels](self_distillation_controls.ipynb) and of other data: what does self-distillation add to
# *tuned early stopping*? Each method had twelve choices on each data set, by validation accuracy. Dots are differences
# on test data, with 95 % intervals over six splits (means of five seeds). Diabetes is a regression: there the share of
# explained variance takes the place of accuracy, and a wrong label is the label of another patient. The *untrained
# teacher* gives nearly even answers, as label smoothing does.

# %% tags=["nbval-ignore-output"]
dot_fig, dots = plt.subplots(figsize=(9, 1.2 + 0.6 * len(chosen)))
for k, results in enumerate(chosen.values()):
    for i, method in enumerate(("born again", "control: shuffled answers", "moving average",
                                "control: untrained teacher", "weight decay")):
        splits = 100 * np.subtract(results[method]["test"], results["early stopping"]["test"])
        low, high = seed_interval(splits.reshape(6, 5).mean(1))
        dots.errorbar((low + high) / 2, k + 0.16 * (i - 2), xerr=(high - low) / 2, capsize=3,
                    **look(i) | {"linestyle": ""}, label=None if k else method)
        describe(dots, f"{dots.get_label() * (k + i > 0)} {[*chosen][k]}, {method} {low:+.1f} to "
                     f"{high:+.1f}.")
dots.axvline(0, color="black", linewidth=1)
dots.set(yticks=range(len(chosen)), yticklabels=chosen, xlabel="points above tuned early stopping",
       ylim=(len(chosen) - 0.5, -0.5))
dot_fig.legend(loc="outside upper center", ncols=3)
wb.show(dot_fig)

# %% [markdown]
# On digits born again ties with tuned early stopping, or loses a point. The moving average of weights gains one to
# three points there. With 500 labels the control with *shuffled* answers gains about as much. With 50 or 100 labels,
# all right, this control gains nothing, and the moving average still gains one or two points. Does its knowledge help
# with few labels? **Look at a second control before you say yes.** The untrained teacher knows nothing, and it gains
# nearly as much there; the moving average is ahead of it by 0.3 to 0.4 points, which is less than the intervals can
# tell. With 50 labels shuffled answers seem to act like wrong labels. So a method can be ahead of a control because the
# control does *harm*.
#
# On breast cancer and wine with wrong labels, born again gains about two points, and both controls are behind: here the
# teacher's answers help. But on wine its control with the other classes *permuted*
# ([Networks and wrong labels](self_distillation_controls.ipynb); not drawn) is another
# 1.6 points ahead. (Breast cancer has two classes, so that nothing can be permuted.) So on wine the likeliest class
# helps, and not what is said about the others. It is not the only way. On breast cancer weight decay gains three
# points, and an ensemble of four, not drawn, over three; on wine that ensemble gains as much as born again. On diabetes
# no method that is drawn helps; that ensemble gains one. The moving average harms.
#
# A first search let the tables choose between 200 and 600 steps, as the digits do. Early stopping, which has shorter
# trainings, chose 30 on wine, and born again was 15 points behind. With 40 or 200 steps to choose from, it is ahead.
# **A choice that a method does not have can decide a comparison.**
#
# ## A teacher that misleads
#
# ### A teacher that has memorised wrong labels, and answers that are made sharper
#
# A network learns 200 digits, and memorises most of the 30 % wrong labels. Its successors see the same digits, and only
# the answers of the network before, never the labels. There are four kinds of answers: a *hard* one is the likeliest
# class alone; a *sharp* one is the softmax of twice the logits, a *soft* one that of the logits, and a *flat* one that
# of half the logits. Each chain has six generations, and there are ten of each: five seeds on each of two splits. We
# measure the accuracy on test digits, the *sure errors* (the share of test digits that are answered wrongly with a
# confidence over 90 %), the ECE, and the share of the wrong labels that are still answered on the training digits.
#
# **Before you go on: with which kind of answer are most memorised labels forgotten? Which kind is best on new digits?
# With which one do errors become more certain?**

# %%
import torch

from workbench.learners.digits.born_again import BornAgain


class Sharpened(BornAgain):
    """Learn labels in the first generation; later only the answers to logits times a factor."""

    def loss(self, batch):
        teacher = self.teach(batch.x)
        if teacher is None:
            return super().loss(batch)
        answers = (self.factors * teacher).softmax(-1)
        return -(answers * self.model(batch.x).log_softmax(-1)).sum(-1).mean(1)


# %%
from dataclasses import replace


def train(learner, task, steps, lr=1e-3):
    for _ in fit(learner, task, make_optimizer(learner, lr), steps=steps, batch_size=32):
        pass


def judge(learner, task, right):
    """Return accuracy, sure errors, ECE, and the share of wrong labels that is still answered."""
    p, labels = learner.predict(task.test.x).softmax(-1).numpy(), task.test.y.numpy()
    errors, wrong = p.argmax(-1) != labels, task.train.y != right
    still = (learner.predict(task.train.x).argmax(-1) == task.train.y) & wrong
    return [1 - errors.mean(1), (errors & (p.max(-1) > 0.9)).mean(1),
            expected_calibration_error(p, labels), (still.sum(1) / wrong.sum(1)).numpy()]


# %%
from workbench.models import StackedMLP
from workbench.tasks import Examples, make_stream
from workbench.tasks.variants import with_few_examples, with_generations, with_label_noise


def chains(split, seeds=(0, 1, 2, 3, 4)):
    clean = with_few_examples(make_stream("digits", data_seed=split), 200, split)
    stream = with_generations(with_label_noise(clean, 0.3, 4 * seeds), 6)  # four chains at once
    learner, measures = Sharpened(StackedMLP(64, (100, 100), 10, 4 * seeds)), []
    learner.factors = torch.tensor([*FACTORS.values()]).repeat_interleave(5).view(-1, 1, 1)
    for task in stream.tasks:
        learner.begin(task)
        train(learner, task, 200, 3e-3)
        measures.append(judge(learner, task, clean.tasks[0].train.y))
    return np.array(measures).reshape(6, 4, 4, 5)  # generations, measures, chains, seeds


# %% tags=["nbval-ignore-output"]
FACTORS = {"hard": 1e4, "sharp": 2.0, "soft": 1.0, "flat": 0.5}
passed_on = 100 * np.concatenate([chains(0), chains(1)], -1)
titles = ("accuracy", "sure errors", "ECE", "memorised wrong labels")
chain_fig, four = plt.subplots(1, 4, figsize=(11, 3.4))
for ax, title, values in zip(four, titles, passed_on.swapaxes(0, 1), strict=True):
    for i, name in enumerate(FACTORS):
        ax.plot(range(1, 7), values[:, i].mean(1), **look(i), markersize=4, label=name)
        ax.fill_between(range(1, 7), *seed_interval(values[:, i].T), color=COLOURS[i], alpha=0.15)
    last = dict(zip(FACTORS, values[-1].mean(1).round(1).tolist(), strict=True))
    describe(ax, f"{title}: {values[0].mean():.1f} % at first; at generation 6 in % {last}.")
    ax.set_title(f"{title} in %", fontsize=10)
chain_fig.supxlabel("generation", fontsize=11)
chain_fig.legend(*four[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
wb.show(chain_fig)

# %% tags=["nbval-ignore-output"]
change = dict(zip(FACTORS, (passed_on[-1] - passed_on[0]).swapaxes(0, 1), strict=True))
by_chain = {name: [f"{low:+.1f} to {high:+.1f}" for low, high in zip(
    *seed_interval(values.T), strict=True)] for name, values in change.items()}
print("from the first to the last generation, in points (95 % intervals):")
print(pd.DataFrame(by_chain, index=titles).T.to_string())
means = {name: values.mean(1) for name, values in change.items()}
verdict("soft and flat answers drop over 25 points of the memorised labels, and gain less than "
        "3 points on new digits; hard and sharp answers add sure errors, soft ones remove them.",
        all(means[name][3] < -25 and abs(means[name][0]) < 3 for name in ("soft", "flat"))
        and min(means["hard"][1], means["sharp"][1]) > 1 > 0 > means["soft"][1])

# %% [markdown]
# - **With soft and flat answers most memorised labels are forgotten**: the share still answered falls from 89 to about
#   55 %. (The new answer need not be the right one.) With hard answers it falls by nine points only. In lesson 03 a
#   kernel that had memorised everything passed its labels on unchanged.
# - **New digits profit little.** Forgetting wrong training labels is not the same as being right elsewhere. Sharp
#   answers gain most, three to six points. We do not know why, and it is one setting: do not take it as a rule.
# - **Hard and sharp answers make errors certain.** There are no more errors than before, but sure errors rise from 3 to
#   5 % of all answers. The answers hide from a later generation that the first one was in doubt.
# - **Flat answers lose all certainty**: each generation halves the logits, until every class is nearly equally likely.
#   The order of the classes survives, so the accuracy does too. The confidence falls to about 12 %, so that the ECE is
#   high. It is a **collapse**, like that of ridge regression in [Many rounds](self_distillation_rounds.ipynb).
#
# ### Where help turns to harm
#
# A student has 50 right labels, and about 700 inputs without labels. A teacher answers these. Teachers have learned
# from 400 other digits, of which 0 to 90 % had wrong labels, so that their accuracy falls from 93 to about 10 %. When
# does the student do better without its teacher? **A natural guess:** where the teacher is worse than the student
# alone. There are four kinds of teaching. The first two and the last put half of the loss on the student's own labels:
#
# - **random errors**: each wrong label of the teacher was any other digit, and its soft answers are passed on;
# - **random errors, hard answers**: only the likeliest class is passed on;
# - **random errors, no own labels**: the student has the teacher's soft answers alone;
# - **errors with a system**: each wrong label of the teacher was the next digit, so that a 3 became a 4.
#
# Controls: the best teacher's answers shuffled among the inputs; an untrained teacher; a **collapsed** teacher, which
# answers 0 to everything.

# %%
from workbench.learners.digits.finetune import Finetune
from workbench.losses import distillation

RANDOM, SYSTEM = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.7)

class Taught(Finetune):
    """Learn few right labels, and a teacher's answers to inputs without labels."""

    def loss(self, batch):
        rows = torch.stack([torch.randint(len(self.pool), (32,), generator=rng)
                            for rng in self.generators])
        answers = self.answers.gather(1, rows[..., None].expand(-1, -1, 10))
        taught = distillation(self.model(self.pool[rows]), answers, batch.mask, temperature=1.0)
        return self.weight * taught + (1 - self.weight) * super().loss(batch)


# %%
def teachers(split, seeds=range(4)):
    """Return the student's task, inputs without labels, and answers and accuracy of teachers."""
    task, draw = make_stream("digits", data_seed=split).tasks[0], np.random.default_rng(split)
    own, learned, pool = np.split(draw.permutation(len(task.train)), [50, 450])
    labels = []
    for k, shares in enumerate((RANDOM, SYSTEM)):
        for share in np.repeat(shares, len(seeds)):
            shift = (draw.integers(1, 10, 400) if k == 0 else 1) * (draw.random(400) < share)
            labels.append(task.train.y[learned] + torch.tensor(shift))
    few, noisy = (replace(task, train=Examples(task.train.x[rows], y)) for rows, y in (
        (own, task.train.y[own]), (learned, torch.stack(labels) % 10)))
    learner = Finetune(StackedMLP(64, (100,), 10, [*range(100, 104)] * 16))
    train(learner, noisy, 200)
    right = (learner.predict(task.test.x).argmax(-1) == task.test.y).float().mean(1)
    return few, task.train.x[pool], learner.predict(task.train.x[pool]), right.view(2, 8, 4)


# %%
def students(split):
    """Return accuracies: teachers (4, 8, seeds), their students, and student alone and controls."""
    task, pool, answers, quality = teachers(split)
    spread, system = answers[:32], answers[32:]
    shuffled = spread[:4, torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))]
    untrained = StackedMLP(64, (100,), 10, range(200, 204))(pool).detach()
    collapsed = 0 * untrained + 10 * torch.eye(10)[0]  # sure that all are a 0
    learner = Taught(StackedMLP(64, (100,), 10, [*range(4)] * 36))
    learner.pool, learner.answers = pool, torch.cat([
        spread, 1e4 * spread, spread, system, spread[:4], shuffled, untrained, collapsed])
    learner.weight = torch.tensor([0.5] * 64 + [1] * 32 + [0.5] * 32 + [0] * 4 + [0.5] * 12)
    train(learner, task, 250)
    right = (learner.predict(task.test.x).argmax(-1) == task.test.y).float().mean(1).view(36, 4)
    return quality[[0, 0, 0, 1]].numpy(), right[:32].view(4, 8, 4).numpy(), right[32:].numpy()


# %% tags=["nbval-ignore-output"]
KINDS = ("random errors", "random errors, hard answers", "random errors, no own labels",
         "errors with a system")
quality, helped, others = (np.concatenate(v, -1) for v in zip(*map(students, SPLITS), strict=True))
gain_fig, both = plt.subplots(1, 2, figsize=(10, 4.4))
for i, (kind, good) in enumerate(zip(KINDS, 100 * quality.mean(-1), strict=True)):
    gain, label = 100 * (helped[i] - others[0]), both[0].get_label() if i else ""
    for a in both:
        a.errorbar(good, gain.mean(-1), np.ptp(seed_interval(gain.T), 0) / 2, **look(i), label=kind)
        a.axhline(0, color="black", linewidth=1)
    describe(both[0], f"{label} {kind}: from the best to the worst teacher, points gained are "
                      f"{gain.mean(-1).round().tolist()}.").set_ylabel("points above student alone")
both[1].set(title="the same, enlarged", xlim=(57, 96), ylim=(-24, 14))
gain_fig.supxlabel("accuracy of the teacher in %", fontsize=11)
gain_fig.legend(*both[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
wb.show(gain_fig)

# %% tags=["nbval-ignore-output"]
for name, values in zip(("alone", "shuffled", "untrained", "collapsed"), others, strict=True):
    print(f"student, {name}: {percent_over_seeds(values)}")
limits = {}
for kind, good, gain in zip(KINDS, quality, helped - others[0], strict=True):
    b, at = (gain < 0).argmax(0), np.arange(12)  # the first teacher that harms
    share = gain[b - 1, at] / (gain[b - 1, at] - gain[b, at])
    limits[kind] = 100 * (good[b - 1, at] + share * (good[b, at] - good[b - 1, at]))
    low, high = seed_interval(limits[kind] - 100 * others[0])
    print(f"{kind}: teachers help down to {limits[kind].mean():.0f} %; minus student alone "
          f"{(low + high) / 2:+.1f} ({low:+.1f} to {high:+.1f})")
verdict("without own labels, help ends where the teacher is as good as the student alone, within 2 "
        "points; with half own labels it ends at a teacher that is 5 to 20 points worse.", all(
            abs(d) < 2 if "no own" in kind else -20 < d < -5 for kind, d in (
                (kind, v.mean() - 100 * others[0].mean()) for kind, v in limits.items())))

# %% [markdown]
# **The guess is right for a student without own labels, and only for it.** Such a student becomes as good as its
# teacher: in the figure, its line rises by one point for each point of the teacher. So help ends where the teacher is
# as good as the student alone. With half of the loss on 50 right labels, a teacher may be about eleven points worse
# than the student alone and still help. The student is then better than its teacher: a teacher that is right on 79 %
# makes a student that is right on 85 %, and alone the student has 83 %. This limit hardly depends on the kind of error.
# (It lies between two teachers that we trained, and is interpolated.)
#
# **The size of the harm does depend on it.** The worst teachers are right in one case of ten. Soft answers to random
# errors then cost about ten points: such a teacher is unsure, and an unsure answer teaches little. With hard answers,
# or with errors that have a system, such a teacher costs 30 to 42 points. A collapsed teacher, sure of one class, is
# the worst for a student with own labels: it falls to 23 %. Shuffled answers and an untrained teacher cost about six
# points. So here the teacher's knowledge of new inputs helps, unlike its answers to the 500 labelled digits above.
#
# ## What to remember
#
# - Judge generations by accuracy, calibration *and* agreement, and with a control. On 500 digits born-again training
#   adds nothing to early stopping, and shuffled answers gain more than the teacher's own. On wine and breast cancer it
#   gains two points, and an ensemble gains as much or more.
# - Ask what a control does by itself. A control that does harm makes every method look good.
# - The ECE depends on the labels that it is measured with. Wrong labels in training make a network look unsure, and a
#   low ECE can be two errors that cancel.
# - If you pay for six networks, independent ones are the baseline. They were as good or better.
# - Rounds on fresh inputs remove noise first and signal later. The formula gives the best number of rounds before
#   anything is fitted. The gain over one round at its best penalty is small, and the same inputs give it too.
# - A teacher may be worse than the student alone and still help, if the student keeps right labels of its own. Unsure
#   teachers do less harm than sure and wrong ones, or those whose errors have a system. Soft answers keep the doubt.
#
# **What would change your mind?** If a generation had been clearly better than the first network *and* than shuffled
# answers, the teacher's knowledge would matter. If the measured risk had been far from the formula, 100 directions
# would be too few for it. If students without own labels had been better than their teachers, imitation on new inputs
# would remove errors by itself.
#
# ## Try it yourself
#
# - In the GenerationExplorer choose *digits, kernel*, no wrong labels and a penalty of 3: after how many rounds has the
#   model collapsed?
# - Put `toy_theta` along the first five directions only. Does the gain of several rounds over one grow?
# - Give the students 0.9 in place of 0.5 as `weight`. At which teacher does help end now? Where must it end for 1?
# - Let the errors with a system be on one class alone, a 3 that is always called an 8. Look at the accuracy by class.
# - Take 600 steps in `settings_of`. Which curves change most with wrong labels?
# - `wb.run(wb.RunConfig(stream="wine", label_noise=0.3, learner="born_again", generations=3, steps=200,
#   seeds=range(5)))` has five times the steps that were chosen. How much does it lose?
#
# ## Limits
#
# Small networks, and 1,797 digits of 64 pixels. Intervals are over seeds and few splits of the same digits, so they are
# too narrow for new digits. Settings of born again and its control were chosen from six, on noisy validation digits;
# those of the chains and of the students (200 and 250 steps, half of the loss) were chosen by nobody and are only
# examples. In the formula inputs are Gaussian and independent. Wrong labels are drawn by us: real ones depend on the
# input, and may be harder to correct. Published gains of born-again networks are for large networks on natural images,
# which this lesson says nothing about.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
