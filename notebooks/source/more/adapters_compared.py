# %% [markdown]
# # Adapters compared: merging, a global head, five splits, and costs
#
# > **Claim you can check:** three adapters that are merged into one are less accurate than the choice of one adapter.
# > With a head over all classes, retrieval is about as accurate as with one head per task. On five splits of the images,
# > no retrieval is shown to be better or worse than a classifier without any adapter, which needs a single pass through
# > the backbone.
#
# | | |
# |---|---|
# | **Objectives** | merge adapters in three ways with peft · replace the head of each task by one head over all classes · repeat a comparison on other splits · count passes and stored numbers |
# | **Prerequisites** | [09 Adapters and routing](../09_adapters_and_routing.ipynb) |
# | **Time** | 45 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.models.adapted import BASE
from workbench.plots import describe, plot_differences, plot_dots

wb.prepare_notebook()

# %% [markdown]
# ## The adapters of notebook 09
#
# The setting is that of notebook 09: a frozen backbone, three tasks of two digits each, and one adapter and one head for
# each task. There are five seeds. A test image can be any of the six digits, and its task is not told.

# %%
SEEDS = (0, 1, 2, 3, 4)
config = wb.RunConfig(stream="digits-tasks", learner="adapters", retriever="random", seeds=SEEDS,
                      steps=150, lr=3e-3, options={"head": "task"})
stream = wb.make_stream("digits-tasks", tasks=3)
learner = wb.make_learner(config, stream)
wb.run_stream(learner, stream, config)
images = torch.cat([task.test.x for task in stream.tasks])
labels = torch.cat([task.test.y for task in stream.tasks])
true_task = torch.cat([torch.full((len(t.test),), t.index) for t in stream.tasks])

# %% [markdown]
# ## Merging the adapters
#
# Can we avoid the choice if we merge the three adapters into one? An adapter adds the update $s\,BA$ to a weight matrix.
# The function `add_weighted_adapter` of peft has several ways to merge the updates $B_iA_i$ of several adapters. We try
# three:
#
# - **cat** stacks the three matrices $A$, and also the three matrices $B$. The product of the stacked matrices is
#   exactly the weighted sum of the three updates. Its rank is at most the sum of the three ranks, here 12.
# - **svd** (singular value decomposition) gives the matrix of rank 4, the rank of one adapter, that is nearest to this
#   sum.
# - **linear** adds the $A$s and the $B$s separately. Their product also contains cross terms $B_iA_j$ with $i\ne j$. No
#   training made these two matrices fit together.
#
# We first give each adapter the weight 1/3. The exact result is then the *mean update*.

# %% tags=["nbval-ignore-output"]
shared = learner.model.with_adapter(None).model
of_seed_0 = [names[0] for names in learner.model.adapters]
first_layer = shared.base_model.model.get_submodule("hidden")
for kind in ("cat", "svd", "linear"):
    shared.add_weighted_adapter(of_seed_0, [1 / 3] * 3, f"{kind}-1-seed0", kind)
updates = {kind: first_layer.get_delta_weight(f"{kind}-1-seed0").detach()
           for kind in ("cat", "svd", "linear")}
average = sum(first_layer.get_delta_weight(name) for name in of_seed_0).detach() / 3
print("norm of (merged update - mean update), divided by the norm of the mean update")
for kind, update in updates.items():
    print(f"{kind:7s}{(update - average).norm() / average.norm():.2f}")
verdict("cat is exact, svd loses a part, and linear loses more than svd.",
        torch.allclose(updates["cat"], average, atol=1e-6)
        and 0.1 < (updates["svd"] - average).norm() < (updates["linear"] - average).norm())

# %% [markdown]
# The numbers are for the first layer of seed 0. If the merged update were zero, the number would be 1. For *linear* it is
# 1.20. So *linear* is further from the mean update than no update at all.
#
# How accurate are merged adapters? A merged adapter gives one set of features. The three heads give two logits each,
# and the largest of the six logits is the answer. This compares logits of separately trained heads, which are not
# comparable, as notebook 09 has shown. For each of the three ways we try two weights of the adapters, 1/3 (the mean) and
# 1 (the sum). We take the weight that is better on validation images.

# %%
@torch.no_grad()
def merged_accuracy(kind, weight, seed, part="test"):
    """Return the accuracy of one seed with its three adapters merged."""
    names = [of_task[seed] for of_task in learner.model.adapters]
    name = f"{kind}-{round(weight * 3)}-seed{seed}"
    if name not in shared.peft_config:
        shared.add_weighted_adapter(names, [weight] * 3, name, kind)
    right = []
    for task in stream.tasks:
        features = learner.model.with_adapter(name)(getattr(task, part).x)
        logits = torch.stack([learner.model.head(features, k, seed) for k in range(3)]).amax(0)
        right.append((logits.argmax(1) == getattr(task, part).y).double())
    return float(torch.cat(right).mean())

# %%
def merged_over_seeds(kind):
    """Return the test accuracy of each seed with the weight that is best on validation images."""
    best = max((1 / 3, 1), key=lambda weight: np.mean(
        [merged_accuracy(kind, weight, i, "validation") for i in range(5)]))
    return np.array([merged_accuracy(kind, best, i) for i in range(5)])


merged = {f"merged ({kind})": merged_over_seeds(kind) for kind in ("cat", "svd", "linear")}

# %% [markdown]
# ## A global head
#
# Notebook 09 chooses an adapter with *gmm*: the signature of each task has two Gaussian clusters, fitted to the features
# under the adapter of that task. The retriever *gmm, shared* uses the backbone's own features. Here we train both again.
#
# So far the head of the chosen adapter answers. It knows only the two digits of its task. A **global head** is one ridge
# regression (least squares with a penalty) over all six digits, on 500 random features. It is computed from sums over the
# training images. For each training image these sums use the features under the adapter of that image's task. At the
# test, the global head gets the features under the chosen adapter. So the digit can be right even if the adapter is wrong.
#
# **RanPAC, no adapter** is the same ridge regression on the backbone's own features.

# %%
from workbench.learners.routing import Router
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.signatures import Signature

SIGNATURE = Signature("gmm", clusters=2, ridge=0, shrinkage=0.1)  # as in notebook 09


def chosen_tasks(adapted):
    """Return the tasks that gmm chooses: shape (seeds, n)."""
    routers = [Router(learner.model, i, "gmm", SIGNATURE, "log_density", adapted) for i in SEEDS]
    for router in routers:
        for task in stream.tasks:
            router.learn(task)
    return torch.tensor(np.array([router.choose(images) for router in routers]))

# %%
def ridge_on_backbone(seed, tasks):
    """Return the accuracy of RanPAC on the backbone's own features."""
    ridge = MomentClassifier("ranpac", projections=500, random_state=seed)
    for task in tasks:
        ridge.partial_fit(learner.model.features(task.train.x, [BASE])[:, 0], task.train.y)
    return np.mean([ridge.score(learner.model.features(task.test.x, [BASE])[:, 0], task.test.y)
                    for task in tasks])

# %%
def accuracy(tasks, head):
    """Return the accuracy of each seed if image i gets the adapter of task `tasks[seed, i]`."""
    learner.head = head
    return (learner.predict(images, tasks).argmax(-1) == labels).double().mean(1).numpy()


chosen = {"gmm": chosen_tasks(True), "gmm, shared": chosen_tasks(False)}
methods = {**merged, **{name: accuracy(tasks, "task") for name, tasks in chosen.items()},
           **{f"{name}, global head": accuracy(tasks, "global") for name, tasks in chosen.items()},
           "RanPAC, no adapter": np.array([ridge_on_backbone(i, stream.tasks) for i in SEEDS]),
           "oracle": accuracy(true_task.expand(5, -1), "task")}

# %%
dots = {"three tasks": {name: (values.mean(), *np.clip(seed_interval(values), 0, 1))
                        for name, values in methods.items()}}
figure = Figure(figsize=(8, 3.6), layout="constrained")
plot_dots(dots, figure.subplots(), "Accuracy on six digits after three tasks",
          "test images with the right digit (%), 95 % intervals over seeds")
wb.show(figure)
verdict("'gmm, global head' reaches 93 %; all merged adapters stay below 85 %.",
        methods["gmm, global head"].mean() >= 0.93
        and max(values.mean() for values in merged.values()) < 0.85)
verdict("RanPAC without an adapter is within 3 points of 'gmm, global head'.",
        abs(methods["RanPAC, no adapter"].mean() - methods["gmm, global head"].mean()) < 0.03)

# %% [markdown]
# ## Five splits of the images
#
# The best methods have nearly the same accuracy, and all seeds use one split into training and test images. So we repeat
# three of them on five splits, with two seeds each: *gmm, global head*, *gmm, shared, global head* and *RanPAC, no
# adapter*.

# %% tags=["nbval-ignore-output"]
# Tenths of a point differ between processors.
def gains(data_seed):
    """Return the accuracy of both gmm minus that of RanPAC on one split, in points."""
    tasks = wb.make_stream("digits-tasks", tasks=3, data_seed=data_seed).tasks
    without = np.mean([ridge_on_backbone(seed, tasks) for seed in (0, 1)])
    runs = [wb.run(replace(config, retriever="gmm", seeds=(0, 1), data_seed=data_seed,
                           options={"features": kind})) for kind in ("adapted", "shared")]
    return [100 * (record.accuracy[:, -1].mean() - without) for record in runs]


gained = pd.DataFrame([gains(i) for i in range(5)], columns=["gmm", "gmm, shared"])
intervals = {name: seed_interval(gained[name].to_numpy()) for name in gained}
verdict("over the five splits both 95 % intervals contain 0: " + " and ".join(
    f"{low:+.1f} to {high:+.1f} points for '{name}'" for name, (low, high) in intervals.items())
    + ".", all(low < 0 < high for low, high in intervals.values()))

# %% tags=["nbval-ignore-output"]
figure_splits = Figure(figsize=(8, 2.2), layout="constrained")
differences = figure_splits.subplots()
plot_differences(gained, differences, "Retrieval minus RanPAC without an adapter, five splits",
                 "difference in accuracy, in points; above 0 retrieval is better")
for row, points in enumerate(gained.to_numpy().T):
    differences.plot(points[0], row + 0.2, "X", color="#D55E00", label="" if row else "first split")
    differences.plot(points[1:], [row + 0.2] * 4, "o", color="grey", markersize=4,
                     label="" if row else "other splits")
differences.set_ylim(1.6, -0.4)
differences.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
describe(differences, f"{differences.get_label()} First split: {gained.loc[0].round(1).to_dict()}.")
wb.show(figure_splits)

# %% [markdown]
# The blue dots are means over the five splits, with 95 % intervals. **Neither kind of retrieval is shown to be better or
# worse than RanPAC without an adapter.** This test can miss a true difference of two points, because there are only
# five splits, and they share images.
#
# The orange cross is the first split, which is also the split of the figure before. With two seeds, retrieval looks 3.2 and
# 4.9 points better there. With five seeds *gmm, global head* was about one point worse, and *gmm, shared, global head*
# about three points better. The reason is that RanPAC without an adapter differs much between seeds. Over the five splits
# both intervals contain 0. So one split is not enough: more seeds change the training, but not the images.
#
# ## The cost of each method
#
# *Passes* counts how often an image must go through the backbone. *Numbers stored* counts the numbers that are stored
# beside the backbone after three tasks: adapters, heads, keys, signatures, and the matrices of a ridge regression. The
# random matrix of RanPAC is not counted, because it can be generated again from its seed. A head of one task has two
# outputs of 64 weights and a bias. The head of *sequential*, a single adapter for all tasks, has six outputs. *entropy*
# takes the most confident head, and *prompt-keys* the task of the nearest trained key (notebook 09).

# %%
adapter = sum(p.numel() for p in learner.model.with_adapter(of_seed_0[0]).parameters())
own_head, six_outputs = 64 * 2 + 2, 64 * 6 + 6
signature = 2 * (64 + 64 * 65 // 2)  # two clusters: a mean and half of a symmetric matrix each
ridge_sums = 500 * 501 // 2 + 500 * 6
costs = pd.DataFrame([
    ("sequential", 1, adapter + six_outputs), ("merged (svd)", 1, adapter + 3 * own_head),
    ("entropy", 3, 3 * (adapter + own_head)), ("prompt-keys", 2, 3 * (adapter + own_head + 64)),
    ("gmm", 3, 3 * (adapter + own_head + signature)),
    ("gmm, shared, global head", 2, 3 * (adapter + signature) + ridge_sums),
    ("RanPAC, no adapter", 1, ridge_sums)], columns=["method", "passes", "numbers stored"])
print(costs.to_string(index=False, formatters={"numbers stored": "{:,}".format}))
verdict("RanPAC without an adapter needs the fewest passes, but it stores more numbers than gmm.",
        ridge_sums > 3 * (adapter + own_head + signature))

# %% [markdown]
# The table counts only the necessary passes. *prompt-keys* and *gmm, shared* need one pass without an adapter for the
# choice, and one with the chosen adapter for the answer. To choose, *gmm* computes the features with every adapter, and
# the answer uses the features of the chosen adapter again. (The package's own command `workbench retrieve` computes these
# features a second time, so it reports one pass more.) With *svd* and *linear* the merged adapter is as large as one
# adapter; with *cat* it is as large as three.
#
# *entropy* and *gmm* need one pass for each adapter. With 64 tasks these are 64 passes. The package has a retriever
# that needs fewer adapters, `shortlist`. It takes the two tasks with the nearest class means in the backbone's
# features, and runs only the adapters of these two tasks.
#
# ## What to remember
#
# - A merged adapter needs no choice, but here it is much less accurate than a chosen adapter.
# - Repeat a comparison on other splits of the data. More seeds do not replace other splits.
# - Count the passes through the backbone beside the accuracy.
#
# **What would change your mind?** If merged adapters were nearly as accurate as the oracle, no retriever would be needed.
# If the interval of one kind of retrieval were above 0 on the five splits, retrieval would be better than RanPAC without
# an adapter on these digits.
#
# ## Try it yourself
#
# - `(chosen["gmm"] == true_task).double().mean(1)` is the share of right tasks. Is the global head ever right with a wrong
#   adapter? Compare with `methods["gmm, global head"]`.
# - Call `merged_accuracy("linear", 1 / 3, 0)` and `merged_accuracy("linear", 1, 0)`. Which weight is better, and why?
#
# ## Limits
#
# Six digits of 8 by 8 pixels, one backbone, and one order of the tasks. Five splits of the same images are compared in the
# last figure, one in the figure before. Only two settings were searched: the weight of merged adapters, and the penalty of
# the ridge regression, which the package chooses on a fifth of the training images.
#
# **Back to:** [09 Adapters and routing](../09_adapters_and_routing.ipynb)
