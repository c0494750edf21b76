# %% [markdown]
# # 10. Clustered retrieval: which task is this input of?
#
# > **Claim you can check:** a few Gaussian clusters per task find the task of an input without a trained retriever,
# > and learning more tasks changes none of them. Simple classifiers find it as well. A bound that is computed from
# > *fitted* clusters can be far below the error on new data. Conformal sets keep their promise, for the first task as
# > for the last.
#
# | | |
# |---|---|
# | **Objectives** | write a signature by hand · compare errors with bounds, and know which error each bound is about · compare retrievers fairly · choose a score that survives a shrunken adapter · make task sets with a proven rate of error · find a leak in an evaluation |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb), [09 Adapters and routing](09_adapters_and_routing.ipynb); means, covariances and Gaussian densities |
# | **Time** | 75 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import describe, percent, percent_over_seeds
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature

wb.prepare_notebook()

# %% [markdown]
# ## A signature by hand
#
# A model keeps an adapter for each task, and nobody says which task an input is of. The retriever must find it. We
# begin with a toy that has two features, so that everything can be seen. It has three tasks with three clusters each.
# The clusters lie on a circle, and the tasks take turns.
#
# A **signature** describes the features of one task. The first one here is a single Gaussian with mean $\mu$ and
# covariance $\Sigma$. An input $x$ goes to the task with the highest log density
# $\log p(x) = -\tfrac12\big[(x-\mu)^\top\Sigma^{-1}(x-\mu) + \log|\Sigma| + d\log 2\pi\big]$, where $d$ is the
# number of features. The first term in the brackets is the squared *Mahalanobis distance*.

# %%
from workbench.retrieval.toy import Toy, draw, mixtures

toy = Toy(separation=4, dimension=2, clusters=3, tasks=3)
toy_train, toy_test = (draw(toy, mixtures(toy), 200, part) for part in (1, 2))  # (tasks, n, d)
shown = toy_test[0, 0]
by_hand = []
for rows in toy_train:
    mean, covariance = rows.mean(0), np.cov(rows.T, bias=True)
    squared = (shown - mean) @ np.linalg.inv(covariance) @ (shown - mean)
    constant = math.log(np.linalg.det(covariance)) + len(shown) * math.log(2 * math.pi)
    by_hand.append(-(squared + constant) / 2)
by_package = [Signature("gaussian", ridge=0).fit(rows).log_densities(shown[None])[0, 0]
              for rows in toy_train]
verdict("by hand and by the package the log densities are the same.",
        np.allclose(by_hand, by_package))

# %% [markdown]
# {{exercise signature}}

# %%
def signature(X, new):
    ...


check("signature", signature)

# %% [markdown]
# {{solution signature}}
#
# One Gaussian may be too simple. The figure below has three kinds of signature. The coloured areas show the task that
# is retrieved. The points are test inputs, which no signature was fitted to.

# %%
from workbench.plots.styles import COLOURS, MARKERS

KINDS = {"nearest mean": ClusteredRetriever(Signature("mean"), "euclidean"),
         "one Gaussian": ClusteredRetriever(Signature("gaussian")),
         "three clusters": ClusteredRetriever(Signature("gmm", 3))}
toy_found = {name: kind.fit(toy_train.reshape(-1, 2), np.repeat(toy.names, 200)).score(
    toy_test.reshape(-1, 2), np.repeat(toy.names, 200)) for name, kind in KINDS.items()}
verdict("all tasks have about the same mean and covariance, so that one Gaussian finds less than "
        "half (a third is chance); three clusters a task find over 90 %.",
        toy_found["one Gaussian"] < 0.45 and toy_found["three clusters"] > 0.9)

# %%
side = np.linspace(-11, 11, 160)
grid = np.stack(np.meshgrid(side, side), -1)
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.4), sharey=True)
for ax, (name, kind) in zip(axes, KINDS.items(), strict=True):
    areas = kind.scores(grid.reshape(-1, 2)).argmax(1).reshape(160, 160)
    ax.contourf(side, side, areas, [-1, 0, 1, 2], colors=COLOURS[:3], alpha=0.3)
    for k, (inputs, task) in enumerate(zip(toy_test, mixtures(toy), strict=True)):
        ax.plot(*inputs[:80].T, MARKERS[k], color=COLOURS[k], markersize=3)
        for centre in task.means:
            ax.text(*1.6 * centre, toy.names[k], ha="center", va="center", fontweight="bold")
    ax.set(title=f"{name}: {percent(toy_found[name])} right", xlabel="feature 1")
    describe(ax, f"Map of retrieved tasks by {name}: {percent(toy_found[name])} of the inputs "
                 f"of tasks {', '.join(toy.names)} are in the area of their own task.")
axes[0].set_ylabel("feature 2")
wb.show(figure)

# %% [markdown]
# ## Error against separation
#
# How far apart must clusters be? Move the sliders. There are five tasks, and their true densities are known here. The
# bounds are on the error of retrieval *with those true densities*. The measured errors are those of signatures fitted
# to some inputs, so a bound says nothing about them. A hollow mark is a bound that does not hold in this setting.

# %%
from workbench.plots.separation import plot_error_against_separation
from workbench.retrieval.simulation import measure, sweep
from workbench.widgets import SeparationLab

SeparationLab(Toy(separation=6, dimension=8))

# %% [markdown]
# **B1 in four lines.** (1) An input $x$ of cluster $p$ is lost only if a cluster $q$ of another task has
# $q(x)\ge p(x)$. (2) For one such $q$ this has probability
# $\int p\,\mathbb 1[q\ge p]\le\int p\sqrt{q/p}=\int\sqrt{pq}$, because the root is at least 1 wherever the
# indicator is 1. (3) For two Gaussians the integral is $e^{-D_B}$, with
# $\bar\Sigma$ the mean of the covariances, $\Delta\mu$ the difference of the means, and
# $D_B=\tfrac18\Delta\mu^\top\bar\Sigma^{-1}\Delta\mu+\tfrac12\log\big(|\bar\Sigma|/\sqrt{|\Sigma_p||\Sigma_q|}\big)$.
# (4) Add up over all $q$ of other tasks, and average over $p$. With equal covariances the probability in step 2 is
# known exactly: it is $\Phi(-\Delta/2)$, where $\Phi$ is the normal distribution function and $\Delta$ the
# Mahalanobis distance of the means. The sum of these is the *normal form*.
#
# **B2** is for features under a different adapter for each task, where densities cannot be compared so directly. It
# is proved too, from the tails of chi-square variables (`workbench.retrieval.bounds.adapted_bound`). **The paper's
# condition** is a *reconstruction* from a script of the first author of [PROTEUS](https://arxiv.org/abs/2603.13235):
# the theorems could not be read for this course.

# %%
swept = {d: sweep(Toy(dimension=d), np.arange(1, 14.5)) for d in (2, 32)}
wb.show(plot_error_against_separation(swept[32], plt.subplots(figsize=(8.5, 4))[1]))
curves = {d: table.pivot(index="separation", columns="name", values="value")
          for d, table in swept.items()}
verdict("the error with the true densities is below the normal form, B1 and B2 everywhere.",
        all((each["true densities"] <= each[["normal form", "B1", "B2"]].min(axis=1) + 1e-12).all()
            for each in curves.values()))
far, near = curves[32].loc[8], curves[2].loc[8:10]
verdict("in 32 features at a distance of 8, signatures fitted to 100 inputs a task lose more than "
        "20 times the share that B1 allows the true densities.",
        far["fitted log density"] > 20 * far["B1"])
verdict("in 2 features at distances of 8 to 10 the paper's condition, as reconstructed, certifies "
        "less than the exact error: it can be false.",
        (near["paper's condition"] < near["true densities"]).all())

# %% [markdown]
# Why can it be false? With equal covariances it falls with the distance as $e^{-\Delta^2/4}$, and the exact error as
# $e^{-\Delta^2/8}$. In 32 features, drawn above, it says nothing below a distance of 10.
#
# {{exercise bhattacharyya_bound}}

# %%
def bhattacharyya_bound(mean_a, cov_a, mean_b, cov_b):
    ...


check("bhattacharyya_bound", bhattacharyya_bound)

# %% [markdown]
# {{solution bhattacharyya_bound}}
#
# ## Real features: the digits
#
# There are five tasks of two digits each. The features are the 64 pixels, the same for all tasks. The signatures
# *kmeans*, *gmm* and *dpgmm* (a Dirichlet-process mixture, which may drop clusters) have two clusters per task, as
# many as classes. For *gaussian*, *gmm* and *dpgmm* a tenth of the mean variance is added to every variance; this was
# chosen on validation digits. All retrievers but the last one learn the tasks one after another, and never see an
# earlier task again. Beside the signatures there are
#
# - simple **classifiers** that keep running sums (NCM: nearest class mean; SLDA; FeCAM; RanPAC). The task of the
#   predicted *class* is the retrieved task. Their settings are defaults;
# - the **prompt pool** (L2P) and **prompt keys** (DualPrompt), which are trained: inputs pull keys towards them;
# - the **joint router**, a logistic regression that sees all tasks at once, with their classes.
#
# There are two **controls**: a random guess, and signatures of inputs whose task labels were shuffled.

# %%
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression


def retrieve(retriever, x, task, label, new, order):
    """Learn the tasks in this order, and return the retrieved task of new inputs."""
    found = clone(retriever)
    if isinstance(found, LogisticRegression):  # all tasks at once
        owner = dict(zip(label, task, strict=True))
        return np.array([owner[one] for one in found.fit(x, label).predict(new)])
    for one in order:
        rows = task == one
        classes = (label[rows],) if isinstance(found, ClassAsTask) else ()
        found.partial_fit(x[rows], task[rows], *classes)
    return found.predict(new)


# %%
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool

RETRIEVERS = {f"signature: {kind}": ClusteredRetriever(Signature(kind), "euclidean")
              for kind in ("mean", "kmeans")}
RETRIEVERS |= {f"signature: {kind}": ClusteredRetriever(Signature(kind, ridge=0, shrinkage=0.1))
               for kind in ("gaussian", "gmm", "dpgmm")}
RETRIEVERS |= {name: ClassAsTask(MomentClassifier(name.lower()))
               for name in ("NCM", "SLDA", "FeCAM", "RanPAC")}
RETRIEVERS |= {"prompt pool (L2P)": PromptPool(), "prompt keys (DualPrompt)": PromptPool(
    per_task=True), "joint router": LogisticRegression(max_iter=3000)}

# %%
from workbench.tasks.digits import load_digits

splits = [load_digits(seed) for seed in range(5)]
digits_right = {name: [] for name in [*RETRIEVERS, "control: random", "control: tasks shuffled"]}
for seed, ((x, y), _, (new, digit)) in enumerate(splits):
    rng, task = np.random.default_rng(seed), y // 2
    found = {name: retrieve(one, x, task, y, new, range(5)) for name, one in RETRIEVERS.items()}
    found["control: random"] = rng.integers(5, size=len(new))
    found["control: tasks shuffled"] = retrieve(
        RETRIEVERS["signature: gmm"], x, rng.permutation(task), y, new, range(5))
    for name, tasks in found.items():
        right = tasks == digit // 2
        digits_right[name].append([right.mean(), right[digit < 2].mean()])

# %%
shares = {name: np.array(values) for name, values in digits_right.items()}
print(pd.DataFrame({name: [percent_over_seeds(values[:, 0]), percent(values[:, 1].mean())]
                    for name, values in shares.items()},
                   index=["task found, 5 splits", "first task, after the last"]).T.to_string())
found_share = {name: values[:, 0].mean() for name, values in shares.items()}
verdict("signatures and the simple classifiers FeCAM and RanPAC tie, above 96 %; RanPAC needs no "
        "clusters.", found_share["RanPAC"] > 0.96 and abs(
            found_share["RanPAC"] - found_share["signature: gmm"]) < 0.015)
verdict("the prompt pool finds none of its first task after the last; all others find over half.",
        shares["prompt pool (L2P)"][:, 1].mean() < 0.05
        and all(values[:, 1].mean() > 0.5 for name, values in shares.items()
                if "pool" not in name and "control" not in name))
verdict("with shuffled tasks signatures guess.", found_share["control: tasks shuffled"] < 0.26)

# %% [markdown]
# In L2P a key leads to a prompt, and not to a task. To compare it, we count a key for the task that used it last, and
# later tasks use nearly all keys that were in use. That rule is ours, so this row is no result about L2P as a whole.
# DualPrompt trains one key for each task and forgets none, but one direction is not enough here. The joint router is
# no upper limit on digits: its borders are linear, and those of the Gaussians are not.
#
# ## A certificate that certifies the wrong thing
#
# For real data the densities are not known. One may put the *fitted* clusters into B1 instead. Here they are mixtures
# of eight clusters in 64 features, fitted to some 230 inputs per task.

# %% tags=["nbval-ignore-output"]
from workbench.retrieval.bounds import Mixture, shared_bound

plug_in = []
for (x, y), _, (new, digit) in splits:
    fitted = ClusteredRetriever(Signature("gmm", 8, ridge=1e-3)).fit(x, y // 2)
    bound = shared_bound([Mixture(one.weights_, one.means_, one.covariances_)
                          for one in fitted.signatures_])
    plug_in.append([bound, 1 - fitted.score(x, y // 2), 1 - fitted.score(new, digit // 2)])
plug_in = pd.DataFrame(plug_in, columns=["B1 of the fit", "error, fitted inputs", "held-out error"])
print(plug_in.map("{:.4f}".format).to_string())
verdict("the certificate reads 0.0000 in each of five splits, and at least 3 % of new inputs go to "
        "the wrong task.", plug_in["B1 of the fit"].max() < 5e-5
        and plug_in["held-out error"].min() > 0.03)

# %% [markdown]
# B1 is true: of inputs drawn from these mixtures fewer than one in ten thousand would be lost. But digits are not
# drawn from them. Eight full covariances are fitted too closely to 230 inputs, and B1 sees nothing but the fit. (Two
# clusters with more added variance lose 1 %: see the table above.) **Show the held-out error beside any bound.**
#
# ## Sets of tasks with a proven rate of error
#
# Can one promise anything without knowing the densities? One can name a *set* of tasks that the input may be of. Let
# a score say how strange an input is to task $k$, such as its squared Mahalanobis distance to the signature. Keep $n$
# inputs of the task apart, on which nothing is fitted or chosen. **The proof in five lines**
# ([Vovk et al., 2005](https://link.springer.com/book/10.1007/b106715)):
#
# 1. The scores of the $n$ held-out inputs and of a new input of the task are exchangeable: any order is equally
#    likely.
# 2. So the rank of the new one, counted from the strangest, is each of $1,\dots,n+1$ with the same probability (no
#    ties).
# 3. Its p-value is that rank as a share: $p_k=(1+\#\{\text{held-out scores at least as high}\})/(n+1)$.
# 4. Hence $P(p_k\le\alpha)=\lfloor\alpha(n+1)\rfloor/(n+1)\le\alpha$, whatever the distribution.
# 5. The set of all tasks with $p_k>\alpha$ leaves the right one out with that probability. No other task occurs in
#    the proof, so later tasks cannot change it.
#
# {{exercise p_value}}

# %%
def p_value(score, held_out):
    ...


check("p_value", p_value)

# %% [markdown]
# {{solution p_value}}
#
# The usual cut-off is another one: the squared distance has a chi-square distribution, *if* the clusters are Gaussian
# and their parameters known. We compare the two on Gaussian clusters, and on clusters with heavier tails: t
# distributions with 3 and 2 degrees of freedom. Signatures are fitted to 400 inputs per task in 8 features, which
# costs the chi-square cut-off little (see the first row). 98 % is asked, and the figures are means of 20 draws.

# %% tags=["nbval-ignore-output"]
from workbench.retrieval.conformal import ConformalTaskSets, p_values

in_percent = "{:.1f} %".format
tails = {}
for name, freedom in {"Gaussian": math.inf, "t, 3 degrees": 3.0, "t, 2 degrees": 2.0}.items():
    drawn = [measure(Toy(dimension=8, samples=400, alpha=0.02, freedom=freedom,
                         random_state=i)).sets for i in range(20)]
    tails[name] = pd.DataFrame(drawn)[["coverage", "chi-square coverage", "size"]].mean()
tails = pd.DataFrame(tails).T
print(pd.DataFrame({"conformal": tails["coverage"].mul(100).map(in_percent),
                    "chi-square": tails["chi-square coverage"].mul(100).map(in_percent),
                    "tasks in a conformal set": tails["size"].map("{:.2f}".format)}).to_string())
verdict("conformal sets hold the right task in 98 % whatever the tails; a chi-square cut-off "
        "leaves out one in ten where tails are heavy.", (abs(tails["coverage"] - 0.98) < 0.01).all()
        and (tails["chi-square coverage"].iloc[1:] < 0.92).all())

# %% [markdown]
# The promise has a price. Coverage is proved, usefulness is not: with heavy tails a set has four or five of the five
# tasks, which says little. And the rate is an average over inputs and held-out samples. It is not promised for each
# class or group.
#
# ## Each task under its own adapter
#
# So far all tasks shared their features. Now the backbone of notebook 09 gets an adapter for each of three tasks, and
# each signature describes features under *its* adapter. The validation inputs of a task are held out. The training
# loop is that of notebook 02. After each task we ask for the p-values of all test inputs for the **first** task. (To
# choose a task, an input goes through the backbone once for each adapter, so the cost grows with the number of
# tasks.)

# %%
from workbench.learners import fit, make_optimizer
from workbench.runs.experiment import make_learner, stream_of

config = wb.RunConfig(stream="digits-tasks", learner="adapters", seeds=(0, 1, 2, 3, 4))
stream = stream_of(config)
learner = make_learner(config, stream)


def together(part):
    """Inputs of all tasks, and the positions of their tasks."""
    own = [getattr(task, part) for task in stream.tasks]
    return torch.cat([one.x for one in own]), np.repeat(range(3), [len(one) for one in own])


test_x, test_task = together("test")

# %%
def p_values_of_the_first_task(router):
    """For all test inputs, under the first task's adapter."""
    x = learner.model.features(test_x, router.names([0]))[:, 0].double().numpy()
    distances = router.retriever.signatures_[0].distances(x).min(1)
    return p_values(distances, router.retriever.held_out_[0])


stages = []
for task in stream.tasks:
    learner.begin(task)
    for _ in fit(learner, task, make_optimizer(learner, 3e-3), steps=150, batch_size=32):
        pass
    learner.end(task)
    stages.append([p_values_of_the_first_task(router) for router in learner.routers])

# %% tags=["nbval-ignore-output"]
verdict("the p-values of the first task are the same bit for bit after it and after the last, so "
        "that its sets are too.", np.array_equal(stages[0], stages[-1]))
held_in, sizes = [], []
for router in learner.routers:
    sets = ConformalTaskSets(dict(zip("012", router.retriever.held_out_, strict=True)))
    members = sets.predict(router.retriever.distances(router.features(test_x)), alpha=0.1)
    held_in.append([members[test_task == k, k].mean() for k in range(3)])
    sizes.append(members.sum(1).mean())
for task, share in zip(stream.tasks, np.mean(held_in, 0), strict=True):
    print(f"right task in the set, asked 90 %: {percent(share)} of {task.name}")
unseen = (np.array(stages[0])[:, test_task > 0] > 0.1).mean()
print(f"tasks in a set: {np.mean(sizes):.1f}; inputs of later tasks that the first task, then "
      f"alone, took for its own: {percent(unseen)}")

# %% [markdown]
# With 36 held-out inputs the proof gives $1-\lfloor 0.1\cdot 37\rfloor/37=92$ %, a little more than was asked. The
# luck of these 36 moves the coverage of a task by about 4 points, and all five seeds share them; the proof is about
# the average over such samples. (Strictly, the shrinkage of the signatures was chosen on validation digits, if for
# other features. For an exact promise keep inputs apart on which nothing at all was chosen.) For an input of a task
# that nobody has learned nothing is promised: the first task alone took about a quarter of such inputs for its own.
#
# ## A shrunken adapter
#
# Densities of *different* features are not comparable. Multiply the features of the last task's adapter by 0.1, fit
# its signature to the shrunken features, and test with shrunken features. No information is lost. But each log
# density under this adapter grows by $d\log 10$, here $64\log 10\approx147$, for every input. (The added share of the
# variance is 0.01 here.)

# %%
(train_x, train_task), (held_x, held_task) = together("train"), together("validation")
seen_task = np.append(train_task, held_task)
apart = np.arange(len(seen_task)) >= len(train_task)
under_adapters = [(router.features(torch.cat([train_x, held_x])), router.features(test_x))
                  for router in learner.routers]  # (n, tasks, d)


def shrunken(name, scale, **settings):
    """Share of tasks found, for each seed, with the last adapter's features times the scale."""
    one = ClusteredRetriever(Signature("gmm", **settings), name)
    times = np.array([1, 1, scale])[:, None]
    return np.array([one.fit(seen * times, seen_task, apart).score(new * times, test_task)
                     for seen, new in under_adapters])


# %%
scales = (1, 0.1, 0.001)
survival = {name: {scale: shrunken(name, scale, ridge=0, shrinkage=0.01) for scale in scales}
            for name in ("log_density", "mahalanobis", "relative", "p_value", "background")}
for name in ("mahalanobis", "relative", "p_value"):  # the ridge stays while features shrink
    survival[f"{name}, ridge fixed"] = {scale: shrunken(name, scale, ridge=0.01)
                                        for scale in scales}
print(pd.DataFrame(survival).T.map(percent_over_seeds).to_string())
means = pd.DataFrame(survival).T.map(np.mean)
verdict("with one adapter at a thousandth log densities guess; others find as many as before.",
        means.loc["log_density", 0.001] < 0.4 and np.ptp(means.iloc[1:5], axis=1).max() < 0.005)
verdict("with a fixed ridge distances fail too, at a tenth; in units of the task's own distances, "
        "or as ranks, they lose less than 10 points.",
        means.loc["mahalanobis, ridge fixed", 0.1] < 0.6
        and (means[1] - means[0.1]).iloc[-2:].max() < 0.1)

# %% [markdown]
# *relative* is the distance in units of the mean over the task's own held-out inputs; *p_value* is its rank among
# them. *background* is the log density less that of one Gaussian over the rows of **all** tasks under the same
# adapter. It is best here, but it needs the rows of all tasks for each adapter, and a model that learns task after
# task does not have them.
#
# In the last three rows 0.01 is added to every variance whatever the features, like `reg_covar` of scikit-learn. It
# outweighs the variances of features that shrink, and then all distances shrink too. In units of the task's own
# distances most tasks are still found at a tenth. At a thousandth the covariance no longer counts beside the ridge:
# only the Euclidean distance to the means is left. It still finds 85 % in those units, and fewer by rank.
#
# {{exercise surviving_score}}

# %%
def surviving_score(distances, log_dets, held_out):
    ...


check("surviving_score", surviving_score)

# %% [markdown]
# {{solution surviving_score}}
#
# ## Find the leak
#
# In published work a task is not always retrieved for single inputs. The public code of HESTIA, a follow-up to
# PROTEUS, chooses one task for each *batch* of a test loader. How the results in the paper were obtained is not
# public, so we do not know whether it matters there. Here is such a loop. On the digits, in two features only (PCA),
# so that tasks overlap, it reports 100 %.

# %%
from sklearn.decomposition import PCA


def evaluate(scores, tasks, size=16):
    """Share of the inputs whose task is found."""
    right = 0
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        for start in range(0, len(rows), size):
            batch = rows[start:start + size]
            chosen = scores[batch].mean(0).argmax()
            right += (chosen == tasks[batch]).sum()
    return right / len(tasks)


# %% [markdown]
# {{exercise find_the_leak}}

# %%
def find_the_leak(scores, tasks):
    ...


check("find_the_leak", find_the_leak)

# %% [markdown]
# {{solution find_the_leak}}
#
# The inputs of a batch tell each other their task: a mean over 16 of them has a quarter of the noise. In use, inputs
# come one by one, or mixed. A mixed batch gets one task for all its inputs, and four of five are wrong.

# %%
from workbench.retrieval.choices import batch_vote

leak = []
for (x, y), _, (new, digit) in splits:
    plane, task = PCA(2).fit(x), digit // 2
    scores = ClusteredRetriever(Signature("gmm", 2)).fit(plane.transform(x), y // 2).scores(
        plane.transform(new))
    mixed = batch_vote(scores, np.arange(len(task)) // 16)
    leak.append([(scores.argmax(1) == task).mean(), evaluate(scores, task, 4),
                 evaluate(scores, task), (mixed == task).mean()])
leak = pd.DataFrame(leak, columns=["alone", "4 of one task", "16 of one task", "16 mixed"])
print(leak.apply(percent_over_seeds).to_string())
verdict("in batches of one task retrieval seems perfect; for one input it finds seven of ten.",
        leak["16 of one task"].min() > 0.98 and 0.6 < leak["alone"].mean() < 0.75
        and leak["16 mixed"].mean() < 0.3)

# %% [markdown]
# ## Messages to eight assistants
#
# Now a harder stream: 1,600 short messages to eight assistants (bank, travel agency, ...), five intents each. The
# features are embeddings of MiniLM with 384 numbers. 120 training messages per task cannot support covariances of 384
# by 384. So the covariances are shrunk towards a sphere, and the clusters of a task share one. How strongly they are
# shrunk is chosen on validation messages. The strength of the joint router was chosen on the *test* messages: its row
# is a ceiling for such a router, and no fair result.

# %%
from workbench.measure.intervals import wilson_interval
from workbench.models.minilm import shipped_embeddings
from workbench.tasks.utterances import read_utterances

messages, embedded = pd.DataFrame(read_utterances()), shipped_embeddings().double().numpy()
part = {split: (embedded[rows.index], *rows[["task", "label"]].to_numpy(str).T)
        for split, rows in messages.groupby("split")}
shrunk = {value: {f"signature: {kind}": ClusteredRetriever(Signature(
    kind, 5, "tied", ridge=0, shrinkage=value)) for kind in ("gaussian", "gmm", "dpgmm")}
    for value in (0.1, 0.3, 1)}
validated = {value: np.mean([one.fit(*part["train"][:2]).score(*part["validation"][:2])
                             for one in signatures.values()])
             for value, signatures in shrunk.items()}

# %%
asked_x, asked_task, asked_label = part["test"]
order = list(dict.fromkeys(messages["task"]))
for_messages = RETRIEVERS | shrunk[max(validated, key=validated.get)] | {
    "signature: kmeans": ClusteredRetriever(Signature("kmeans", 5), "euclidean"),
    "SLDA": ClassAsTask(MomentClassifier("slda", shrinkage=0.1)),
    "joint router": LogisticRegression(C=0.01, max_iter=3000)}  # best on test: a ceiling
told = {name: retrieve(one, *part["train"], asked_x, order) for name, one in for_messages.items()}
train_shuffled = np.random.default_rng(0).permutation(part["train"][1])
told["control: tasks shuffled"] = retrieve(
    for_messages["signature: gmm"], part["train"][0], train_shuffled, None, asked_x, order)
told["oracle"] = asked_task
head = MomentClassifier("ncm").fit(part["train"][0], part["train"][2])
owner = dict(zip(part["train"][2], part["train"][1], strict=True))

# %% [markdown]
# The predicted class is the nearest class mean among the classes of the retrieved task. The intervals are Wilson's,
# over 400 test messages. Rows whose intervals overlap this much are not shown to differ.

# %%
table, owners = {}, np.array([owner[one] for one in head.classes_])
for name, tasks in told.items():
    allowed = np.where(owners == tasks[:, None], head.scores(asked_x), -np.inf)
    correct, classes = tasks == asked_task, head.classes_[allowed.argmax(1)]
    ends = wilson_interval(int(correct.sum()), len(correct))
    table[name] = {"task found": correct.mean(), "95 %": " to ".join(map(percent, ends)),
                   "first task": correct[asked_task == order[0]].mean(),
                   "class right": (classes == asked_label).mean()}
table = pd.DataFrame(table).T
scored = table.drop(columns="95 %").astype(float)
print(scored.map(percent).assign(**{"95 %": table["95 %"]}).to_string())
verdict("no retriever finds 95 %, not even the router that is trained on all tasks at once; the "
        "best signature is within 4 points of it.", scored.drop("oracle")["task found"].max() < 0.95
        and np.ptp(scored.loc[["joint router", "signature: gmm"], "task found"]) < 0.04)

# %% [markdown]
# We had hoped for a retriever that finds 95 %, and for an accuracy within 3 points of the oracle's. Neither came. Is
# it the method? The joint router is trained on the labels of all tasks at once with the same features, and does not
# find 95 % either. This points to the features and to the messages, not to retrieval by signatures. **Read the
# messages that both lose**, and say which assistant each is for. Many are fragments, or only tell a situation; some
# are plain. A second reader, a language model of the same kind as the author, was sure of the task of every unusual
# message that was kept (`data/intents/README.md`). So the task can be told, at least by such a model.

# %% tags=["nbval-ignore-output"]
# Which messages are lost depends on the last digits, which differ between processors.
taken = told["signature: gmm"]
lost = np.flatnonzero((taken != asked_task) & (told["joint router"] != asked_task))
texts = messages.loc[messages["split"] == "test", "text"].to_numpy()
print(f"{len(lost)} of {len(texts)} messages are lost by both; every second of them:")
for i in lost[::2]:
    print(f"  {asked_task[i]:>10s} (told {taken[i]}): {textwrap.shorten(texts[i], 66)}")
gmm_of_messages = clone(for_messages["signature: gmm"]).fit(*part["train"][:2])
by_task = pd.DataFrame(gmm_of_messages.scores(asked_x), asked_task,
                       gmm_of_messages.classes_)[order]
retention = {name: [np.nan] * k + [float((by_task.loc[name].iloc[:, :j + 1].idxmax(axis=1) == name)
                                         .mean()) for j in range(k, len(order))]
             for k, name in enumerate(order)}

# %% [markdown]
# ## Look at them
#
# Choose points with the lasso, or by task and group, and read them. The colour *right or wrong* shows the lost test
# messages. Then tick *tasks shuffled*, the control. The positions stay, because UMAP was not told the tasks, and the
# distances fall.
#
# Two more colours: the *cluster* of its task's signature that a message is nearest to, and the *set size*, the number of
# tasks in its conformal set (scores of the validation messages, at most 10 % left out). The retention curve of a task is
# the share of its test messages that are found after it and after each later task. Its signature never changes, but
# each new task is one more with which its messages can be confused.

# %%
from workbench.widgets import ClusterExplorer

distances_to = {task: one.distances(embedded) for task, one in
                zip(gmm_of_messages.classes_, gmm_of_messages.signatures_, strict=True)}
held = {task: away[(messages["split"] == "validation") & (messages["task"] == task)].min(1)
        for task, away in distances_to.items()}
possible = ConformalTaskSets(held).predict(gmm_of_messages.distances(embedded), alpha=0.1)
clusters = [distances_to[task][i].argmin() for i, task in enumerate(messages["task"])]
retrieved = np.full(len(messages), None, dtype=object)
retrieved[(messages["split"] == "test").to_numpy()] = told["signature: gmm"]
ClusterExplorer(embedded, messages["task"], messages["label"], list(messages["text"]),
                retrieved=retrieved, clusters=clusters, set_sizes=possible.sum(1),
                retention=retention, coordinates=shipped_embeddings("umap"))

# %% [markdown]
# **A gap in a picture does not say how far tasks are apart.** UMAP keeps neighbours, not distances. Which task is the
# nearest in the picture, and which in all 384 features (Mahalanobis distances between the means, with one covariance
# for all tasks)? And how near is the nearest if tasks are drawn at random?

# %% tags=["nbval-ignore-output"]
from workbench.retrieval.projections import separations

picture = pd.DataFrame(shipped_embeddings("umap").numpy()).groupby(messages["task"]).median()
near_by = {a: np.linalg.norm(picture - picture.loc[a], axis=1).argsort()[1] for a in order}
far_off, _, b1 = separations(*part["train"][:2])
by_chance = separations(part["train"][0], train_shuffled)[0]
nearest = pd.DataFrame({a: {
    "in the picture": picture.index[near_by[a]], "in all features": far_off[a].drop(a).idxmin(),
    "distance": f"{far_off[a].drop(a).min():.1f}",
    "if shuffled": f"{by_chance[a].drop(a).min():.1f}"} for a in order}).T
print(nearest.to_string())
lost_share = 1 - scored.loc["signature: gmm", "task found"]
verdict("for most tasks the nearest one in the picture is not the nearest in the features. The "
        f"normal form is {100 * b1:.1f} %, and {percent(lost_share)} are lost: again no bound.",
        b1 < lost_share / 20 and (nearest.iloc[:, 0] == nearest.iloc[:, 1]).sum() < 4)

# %% [markdown]
# Tasks drawn at random have a distance above 2, not 0: in 384 features the means of 120 messages each always differ
# somewhere. So compare with shuffled tasks before you believe in a distance, and with the held-out error before you
# believe in a bound.
#
# ## What to remember
#
# - The task of an input can be found from signatures that are fitted task by task. Nothing that was learned changes
#   later. A pool of keys that all tasks share loses the first task, by the rule used here.
# - Simple classifiers find it as well: RanPAC on digits, the nearest class mean on messages. Show them beside any
#   retriever.
# - B1 and B2 are proved, for known densities. With fitted densities they are worthless as certificates for data.
# - Densities under different adapters are not comparable. Ranks among a task's own held-out distances do not depend
#   on the scale of an adapter. They also give sets with a proven rate of error, whatever the distribution and
#   whatever is learned later.
# - Score inputs one by one. A batch of one task gives its task away.
#
# ## What the paper claims, and what this lesson did
#
# The idea of signatures under each task's adapter, and of a bound by separation, is from PROTEUS ([arXiv
# 2603.13235](https://arxiv.org/abs/2603.13235)), whose abstract reports better retrieval and prediction under large
# shifts in task semantics. **Its tables are not reproduced here**: they need a large vision transformer and its data
# sets. Its other half, composing each adapter from earlier ones, is not in this lesson. *Reconstructed* from public
# code of the first author, and not checked against the paper: the condition on the separation, the unweighted maximum
# over clusters, and the Dirichlet-process mixture (*dpgmm*). *Ours*: B1 (a sum of classical Bhattacharyya bounds), B2
# and conformal sets in this use, the scores *relative* and *p_value*, and the rule by which a key of the prompt pool
# counts for a task. That the nearest mean picks a prompt is older (S-Prompts, 2022);
# `workbench.retrieval.classifiers` names the papers of the classifiers.
#
# **What would change your mind?** If signatures had found clearly more tasks than RanPAC and the joint router,
# clusters would carry something that simple classifiers miss. If retrieval with shuffled tasks had been above chance,
# the evaluation would leak. If coverage had fallen with heavy tails, or the first task's p-values had changed, there
# would be an error in the proof or in the code.
#
# ## Try it yourself
#
# - In the SeparationLab choose tails with 2 degrees of freedom: from which separation on do sets have one task?
# - Put one cluster per task into the certificate, `Signature("gaussian", ridge=1e-3)`: do bound and held-out error
#   agree now?
# - `np.unique(retrieve(PromptPool(), *part["train"], asked_x, order[::-1]), return_counts=True)`: which tasks does
#   the prompt pool find if the tasks come in the opposite order?
# - `ClusteredRetriever(Signature("gmm", 5, "full", ridge=0, shrinkage=1))` on messages, in place of the retriever
#   above: what do five covariances of 384 by 384 from 120 messages do?
#
# ## Limits
#
# Small data: digits of 64 pixels, and messages that a language model wrote. The digit tasks share their pixels and
# overlap little. Intervals over splits share the same 1,797 digits, so they are too narrow for new digits. Intervals
# for messages are over test messages, for one order of the tasks. The classifiers' settings are defaults, except
# those named, while those of signatures were chosen. Conformal sets assume that new inputs of a task are like its
# held-out ones: a shift of the inputs breaks the promise.
#
# **Next:** [11 Module composition](11_module_composition.ipynb)
