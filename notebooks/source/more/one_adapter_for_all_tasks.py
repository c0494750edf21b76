# %% [markdown]
# # One adapter for all tasks
#
# > **Claim you can check:** three digit tasks come one after another, and all of them train the same adapter. The head is
# > not trained by gradient descent. It is computed from sums over the training images. With this head the accuracy on all
# > digits is about as high as with one adapter per task. But this works only if the learning rate is so small that the
# > adapter hardly changes. So the adapter is of no use here: a method without any adapter is as good.
#
# | | |
# |---|---|
# | **Objectives** | compute a head from running sums, without gradients · see when such sums become out of date · search a learning rate on validation images |
# | **Prerequisites** | [09 Adapters and routing](../09_adapters_and_routing.ipynb) |
# | **Time** | 25 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import verdict
from workbench.models.backbones import load_backbone
from workbench.plots import describe, percent, plot_dots

wb.prepare_notebook()

# %% [markdown]
# ## A head from running sums
#
# The setting is that of lesson 09: a frozen backbone, and three tasks with two digits each. A test image can be any
# of the six digits, and its task is not told.
#
# RanPAC (McDonnell et al., NeurIPS 2023) computes a classifier without gradients. The matrix $H$ has a row for each
# training image: its **random features**. They are the backbone's features times a fixed random matrix, with negative
# values set to 0. The matrix $Y$ has a 1 in the column of the right digit, and 0 elsewhere. **Ridge regression** is least
# squares plus a penalty: $\lambda$ times the sum of the squared weights. Its weights are
#
# $$W = (H^\top H + \lambda I)^{-1} H^\top Y .$$
#
# Both products are sums over the training images. So each task can add its own part, and its images need not be stored.

# %%
stream, backbone = wb.make_stream("digits-tasks", tasks=3), load_backbone("digits")
random_matrix = np.random.default_rng(0).normal(size=(64, 500))


def random_features(x):
    """Return the random features of images, computed from the backbone's features: (n, 500)."""
    return np.maximum(backbone(x).detach().double().numpy() @ random_matrix, 0)


products, targets, weights = np.zeros((500, 500)), np.zeros((500, 6)), []
for task in stream.tasks:
    H, Y = random_features(task.train.x), np.eye(6)[task.train.y]
    products += H.T @ H
    targets += H.T @ Y
    weights.append(np.linalg.solve(products + 1.0 * np.eye(500), targets))  # penalty 1

# %% [markdown]
# The figure shows the accuracy on each task after each stage. The head chooses among all digits that it has seen so far.

# %%
from workbench.plots.sequences import plot_stages

tests = [task.test for task in stream.tasks]
after = pd.DataFrame(np.nan, [task.name for task in stream.tasks],
                     [f"after {task.name}" for task in stream.tasks])
for i, test in enumerate(tests):
    for j in range(i, 3):
        answers = (random_features(test.x) @ weights[j])[:, :2 * j + 2].argmax(1)
        after.iloc[i, j] = (answers == test.y.numpy()).mean()
wb.show(plot_stages(after, None, "A head from running sums: accuracy (%)"))

# %%
from workbench.retrieval.classifiers import MomentClassifier

package = MomentClassifier("ranpac", projections=500, ridge=1.0, random_state=0)
for task in stream.tasks:
    package.partial_fit(backbone(task.train.x).detach().double().numpy(), task.train.y)
scores = np.concatenate([random_features(test.x) @ weights[-1] for test in tests])
by_package = np.concatenate([package.scores(backbone(test.x).detach().double().numpy())
                             for test in tests])
labels = np.concatenate([test.y for test in tests])
print("test accuracy, one seed, penalty 1:", percent((scores.argmax(1) == labels).mean()))
verdict("the package gives the same scores as the sums by hand.",
        np.allclose(scores, by_package, atol=1e-5))

# %% [markdown]
# This is the method *RanPAC, no adapter* of lesson 09, with one difference. Here the penalty $\lambda$ is 1. The package
# tries several penalties and takes the best one on a fifth of the training images. With a chosen penalty the accuracy is
# higher, about 95 % (see the figure below).
#
# The frozen backbone gives an image the same features at any time. So the sums never become out of date: they are the
# same as if all images had come at once, and nothing is forgotten. But in the heat map above the accuracy on an earlier
# task falls. The reason: the head chooses among two digits at first, and among six at the end.
#
# ## Two methods with one adapter
#
# We now train one adapter, and compute the head from the sums of its features.
#
# - **sequential, aligned head** trains the adapter on one task after another, with the usual head. After each task it
#   computes the features of that task's images with the adapter as it is then, and adds their products to the running sums.
#   At the test the ridge regression gives the answer, not the trained head.
# - **first task only, ridge** trains the adapter on the first task and freezes it. Then it computes the same sums for all
#   tasks.
#
# Earlier work found that simple baselines can be hard to beat. [arXiv 2406.09384](https://arxiv.org/abs/2406.09384) studies
# methods that choose a prompt for each image by its features, and reports that a simple baseline is often as good.
#
# We run each method with four learning rates, and choose the rate on validation images.

# %%
from workbench.learners import fit, make_optimizer

SEEDS = (0, 1, 2, 3, 4)
config = wb.RunConfig(stream="digits-tasks", learner="finetune", seeds=SEEDS, steps=150, lr=3e-3)


def right(ridges, model, part):
    """Return the accuracy of each seed's ridge regression on the features of its adapter."""
    answers = [[ridge.predict(model.features(getattr(task, part).x, [name])[:, 0])
                == getattr(task, part).y.numpy() for task in stream.tasks]
               for name, ridge in zip(model.adapters[0], ridges, strict=True)]
    return np.array([np.concatenate(of_seed).mean() for of_seed in answers])

# %%
def one_adapter(rate, trained_tasks):
    """Return accuracies (validation, test), and how much the features of the first task change."""
    one = wb.make_learner(config, stream)
    names = one.model.adapters[0]
    ridges = [MomentClassifier("ranpac", projections=500, random_state=i) for i in SEEDS]
    features = []
    for task in stream.tasks:
        if task.index < trained_tasks:
            for _ in fit(one, task, make_optimizer(one, rate), steps=150, batch_size=32):
                pass
        for name, ridge in zip(names, ridges, strict=True):
            ridge.partial_fit(one.model.features(task.train.x, [name])[:, 0], task.train.y)
        features.append(one.model.features(stream.tasks[0].train.x, names))
    change = (features[-1] - features[0]).norm() / features[0].norm()
    return right(ridges, one.model, "validation"), right(ridges, one.model, "test"), float(change)

# %% tags=["nbval-ignore-output"]
# If two rates are nearly equally good, another processor may find the other one best.
RATES = (1e-5, 1e-4, 1e-3, 3e-3)
results = {method: {rate: one_adapter(rate, trained_tasks) for rate in RATES}
           for method, trained_tasks in (("sequential, aligned head", 3),
                                         ("first task only, ridge", 1))}
best = {method: max(RATES, key=lambda rate: of_rate[rate][0].mean())
        for method, of_rate in results.items()}

# %% tags=["nbval-ignore-output"]
from workbench.plots.display import over_seeds
from workbench.plots.styles import styles_of

rate_figure = Figure(figsize=(10, 3.3), layout="constrained")  # shown in the next cell
right_ax, change_ax = rate_figure.subplots(1, 2)
for (method, of_rate), style in zip(results.items(), styles_of(results).values(), strict=True):
    mean, low, high = 100 * np.array([over_seeds(test) for _, test, _ in of_rate.values()]).T
    right_ax.errorbar(range(4), mean, (mean - low, high - mean), capsize=3, label=method, **style)
    changes = [100 * change for *_, change in of_rate.values()]
    change_ax.plot(range(4), changes, label=method, **style)
    for ax, own in ((right_ax, mean), (change_ax, changes)):
        describe(ax, f"{ax.get_label()} {method}, at the rates {RATES}: "
                 f"{np.round(own).astype(int).tolist()} %.")
right_ax.set(title="accuracy on six digits", ylim=(0, 103), ylabel="%")
_ = change_ax.set(title="change of the first task's features", ylim=(0, 106), ylabel="%")

# %% tags=["nbval-ignore-output"]
for ax in (right_ax, change_ax):
    ax.set(xlabel="learning rate", xticks=range(4), xticklabels=[f"{rate:g}" for rate in RATES])
change_ax.legend(frameon=False, loc="upper left")
wb.show(rate_figure)

# %% tags=["nbval-ignore-output"]
wb.show_numbers(pd.DataFrame({method: {f"rate {rate:g}": test.mean() for rate, (_, test, _) in
                                       of_rate.items()} for method, of_rate in results.items()}),
                "accuracy at each rate", percent)
aligned = results["sequential, aligned head"]
for method, rate in best.items():
    print(f"best rate on validation images, {method}: {rate:g}")
verdict("at the smallest rate the features of the first task change by less than 5 %, and the "
        "aligned head is right for more than 90 % of the images; at the largest rate the features "
        "change by more than 50 %, and it is right for less than 40 %.",
        aligned[1e-5][2] < 0.05 and aligned[1e-5][1].mean() > 0.9
        and aligned[3e-3][2] > 0.5 and aligned[3e-3][1].mean() < 0.4)

# %% [markdown]
# The right panel compares the first task's features before and after the later tasks: the norm of their change, divided by
# their norm before. For *sequential, aligned head* it is 1 % to 101 %. The accuracy of this method falls as the rate grows
# (left panel). The reason: at the larger rates the later tasks change the adapter. So the sums of the first task were computed from
# features that the adapter does not give any more. At the smallest rate the aligned head works, because the adapter
# hardly changes. But then the adapter has also hardly learned.
#
# *First task only, ridge* is right for 95 % to 96 % at all four rates, because its adapter does not change after the first
# task.
#
# ## Beside the methods of lesson 09
#
# The figure compares both methods, each at its best rate, with five other methods:
#
# - *sequential* trains the same single adapter and keeps its usual head.
# - *RanPAC, no adapter* is the ridge regression on the backbone's own features.
# - *gmm, global head* has one adapter per task, chooses it by Gaussian clusters, and answers with a ridge regression over
#   all six digits.
# - *joint* trains one adapter on the images of all tasks so far.
# - *oracle, global head* is *gmm, global head*, except that it is told which adapter is right.

# %%
def without_adapter(seed):
    """Return the accuracy of RanPAC on the backbone's own features, with the penalty chosen."""
    ridge = MomentClassifier("ranpac", projections=500, random_state=seed)
    for task in stream.tasks:
        ridge.partial_fit(backbone(task.train.x).detach().numpy(), task.train.y)
    return np.mean([ridge.score(backbone(test.x).detach().numpy(), test.y) for test in tests])

# %%
retrieval = wb.run(replace(config, learner="adapters", retriever="gmm"))
sequential, joint = (wb.run(replace(config, learner=name)).accuracy[:, -1].mean(1)
                     for name in ("finetune", "joint"))
methods = {"sequential": sequential,
           **{method: results[method][best[method]][1] for method in results},
           "RanPAC, no adapter": np.array([without_adapter(seed) for seed in SEEDS]),
           "gmm, global head": retrieval.accuracy[:, -1].mean(1), "joint": joint,
           "oracle, global head": np.array(retrieval.retrieval["oracle"]).mean(1)}

# %%
wb.show(plot_dots({"methods": {name: over_seeds(values) for name, values in methods.items()}},
                  plt.subplots(figsize=(8, 3.2))[1], "Accuracy on six digits after three tasks",
                  "test images with the right digit (%), 95 % intervals over seeds"))

# %%
verdict("both methods with one adapter, at their best rate, and RanPAC without an adapter are "
        "within 3 points of 'gmm, global head'.", max(
            abs(methods[name].mean() - methods["gmm, global head"].mean())
            for name in (*results, "RanPAC, no adapter")) < 0.03)

# %% [markdown]
# At its best rate *sequential, aligned head* is far better than *sequential*. But its adapter brings no gain that we can
# measure: *RanPAC, no adapter* is as good (95 %, and 96 % with the adapter). At the rate of *sequential*, 0.003, the
# aligned head does not help at all: both are right for 33 % of the images.
#
# *First task only, ridge* stores one adapter and the two products. An image goes through the backbone once.

# %%
model = wb.make_learner(config, stream).model
adapter = sum(p.numel() for p in model.with_adapter(model.adapters[0][0]).parameters())
half_of_products = 500 * 501 // 2  # the matrix is symmetric
print(f"numbers stored: {adapter + half_of_products + targets.size:,}, "
      f"of which the adapter has {adapter:,}")

# %% [markdown]
# ## What to remember
#
# - A head from running sums forgets nothing, as long as the features do not change.
# - Sums become out of date if a later task trains the adapter at a usual learning rate.
# - Try learning rates for a baseline until smaller and larger ones are both worse. (We stopped earlier: see Limits.) Also
#   compare with a baseline that trains nothing.
#
# ## Limits
#
# Three tasks of two digits, one backbone, one order of the tasks, one split of the images, five seeds. The best rate of
# both methods is the smallest that was tried. With a still smaller rate the adapter would change even less. So the aligned
# head would become nearly the same as *RanPAC, no adapter*. We did not search the number of random features (500).
# Differences of two or three points between the best methods are not established:
# [Adapters compared](adapters_compared.ipynb) compares three of them on five splits.
#
# **What would change your mind?** Suppose that the aligned head were best at a rate at which the adapter changes much. Then
# it would be worth training one adapter on all tasks. If *RanPAC, no adapter* were far below the others, the adapter would
# have learned something that the backbone lacks.
#
# ## Try it yourself
#
# - `one_adapter(1e-4, 2)[1].mean()` is the test accuracy if the adapter is trained on the first two tasks only. Is it
#   between the two methods in the left panel?
# - Replace `projections=500` by 50 or 2,000 in the cells that define `one_adapter` and `without_adapter`. Which methods need
#   more random features?
# - Take five tasks, with `wb.make_stream("digits-tasks", tasks=5)` and `tasks=5` in `config`; write 10 for 6 in
#   `np.zeros((500, 6))` and `np.eye(6)`. Which method loses most?
#
# **Back to:** [09 Adapters and routing](../09_adapters_and_routing.ipynb)
