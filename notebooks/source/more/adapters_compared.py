# %% [markdown]
# # Adapters compared: merging, a global head, five splits, five tasks, and costs
#
# > **Claim you can check:** three adapters that are merged into one are less accurate than the choice of one adapter.
# > With a head over all classes, retrieval is about as accurate as with one head per task. On five splits of the
# > images, neither of two retrievers is shown to be better or worse than a classifier without any adapter. With five
# > tasks instead of three, a retriever that uses the adapters finds the right task less often.
#
# | | |
# |---|---|
# | **Objectives** | merge adapters in three ways with peft · replace the head of each task by one head over all classes · repeat a comparison on other splits and with more tasks · count passes and stored numbers |
# | **Prerequisites** | [09 Adapters and routing](../09_adapters_and_routing.ipynb) |
# | **Time** | 35 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.models.adapted import BASE
from workbench.plots import describe, plot_differences, plot_dots
from workbench.plots.display import over_seeds

wb.prepare_notebook()

# %% [markdown]
# ## The adapters of lesson 09
#
# The setting is that of lesson 09: a frozen backbone, three tasks of two digits each, and one adapter and one head
# for each task. There are five seeds. A test image can be any of the six digits, and its task is not told.

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
# Can we avoid the choice if we merge the three adapters into one? An adapter adds the update $s\,BA$ to a weight
# matrix. The function `add_weighted_adapter` of peft has several ways to merge the updates $B_iA_i$ of several
# adapters. We try three:
#
# - **cat** stacks the three matrices $A$, and also the three matrices $B$. The product of the stacked matrices is
#   exactly the weighted sum of the three updates. Its rank is at most the sum of the three ranks, here 12.
# - **svd** (singular value decomposition) gives the matrix of rank 4, the rank of one adapter, that is nearest to this
#   sum.
# - **linear** adds the $A$s and the $B$s separately. Their product also contains cross terms $B_iA_j$ with $i\ne j$. In
#   such a term the two matrices come from different adapters, which were never trained together.
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
verdict("cat is exact, svd loses a part, and linear loses more than svd.",
        torch.allclose(updates["cat"], average, atol=1e-6)
        and 0.1 < (updates["svd"] - average).norm() < (updates["linear"] - average).norm())

# %% tags=["nbval-ignore-output"]
limit = 4 * float(average.std())
update_figure, update_axes = plt.subplots(1, 4, figsize=(11, 3.1), sharey=True)
for ax, (kind, update) in zip(update_axes, ({"mean update": average} | updates).items(),
                              strict=True):
    distance = float((update - average).norm() / average.norm())
    ax.imshow(update, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    ax.grid(False)
    ax.set(title=f"{kind}\ndistance {distance:.2f}", xlabel="input")
    describe(ax, f"Heat map of the update {kind}: its distance from the mean update is "
             f"{distance:.2f} times the norm of the mean update.")
update_axes[0].set_ylabel("output")
wb.show(update_figure)

# %% [markdown]
# Each panel is an update of the first layer of seed 0: red cells are below 0, and blue cells above. The *distance* is the
# norm of merged minus mean update, divided by the norm of the mean update. If the merged update were zero, the distance
# would be 1. For *linear* it is 1.20. So *linear* is further from the mean update than no update at all.
#
# How accurate are merged adapters? A merged adapter gives one set of features. The three heads give two logits each,
# and the largest of the six logits is the answer. But a head of a wrong task can have the largest logit: the heads were
# trained separately (see *the most confident head* in lesson 09). For each of the three ways we try two weights of
# the adapters, 1/3 (the mean) and 1 (the sum). We take the weight that is better on validation images. Lesson 09
# shows *cat* with the weight 1/3.

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
# We choose an adapter with two retrievers of lesson 09, *gmm* and *gmm, shared*. Both fit two Gaussian clusters to
# each task. *gmm* uses the features under the adapter of the task, and *gmm, shared* uses the backbone's own features.
#
# So far the head of the chosen adapter answers. It knows only the two digits of its task. A **global head** is one
# ridge regression (least squares with a penalty) over all six digits, on 500 random features. Each training image
# enters with its features under the adapter of its own task. A test image enters with its features under the chosen
# adapter. So the digit can be right even if the adapter is wrong.
#
# **RanPAC, no adapter** is the same ridge regression on the backbone's own features.

# %%
from workbench.learners.routing import Router
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.signatures import Signature

SIGNATURE = Signature("gmm", clusters=2, ridge=0, shrinkage=0.1)  # as in lesson 09


def chosen_tasks(model, tasks, name="gmm", adapted=True):
    """Return the tasks that a retriever chooses for the test images: shape (seeds, n)."""
    routers = [Router(model, i, name, SIGNATURE, "log_density", adapted) for i in SEEDS]
    for router in routers:
        for task in tasks:
            router.learn(task)
    x = torch.cat([task.test.x for task in tasks])
    return torch.tensor(np.array([router.choose(x) for router in routers]))

# %%
def shared_features(x):
    """Return the features of the backbone without an adapter."""
    return learner.model.features(x, [BASE])[:, 0]


def fit_ridge(seed, tasks):
    """Return the ridge regression of RanPAC on the backbone's own features."""
    ridge = MomentClassifier("ranpac", projections=500, random_state=seed)
    for task in tasks:
        ridge.partial_fit(shared_features(task.train.x), task.train.y)
    return ridge

# %%
def ridge_on_backbone(seed, tasks):
    """Return the accuracy of RanPAC without an adapter."""
    ridge = fit_ridge(seed, tasks)
    return np.mean([ridge.score(shared_features(task.test.x), task.test.y) for task in tasks])

# %%
def accuracy(tasks, head):
    """Return the accuracy of each seed if image i gets the adapter of task `tasks[seed, i]`."""
    learner.head = head
    return (learner.predict(images, tasks).argmax(-1) == labels).double().mean(1).numpy()


chosen = {"gmm": chosen_tasks(learner.model, stream.tasks),
          "gmm, shared": chosen_tasks(learner.model, stream.tasks, adapted=False)}
methods = {**merged, **{name: accuracy(tasks, "task") for name, tasks in chosen.items()},
           **{f"{name}, global head": accuracy(tasks, "global") for name, tasks in chosen.items()},
           "RanPAC, no adapter": np.array([ridge_on_backbone(i, stream.tasks) for i in SEEDS]),
           "oracle": accuracy(true_task.expand(5, -1), "task")}

# %%
dots = {"three tasks": {name: over_seeds(values) for name, values in methods.items()}}
wb.show(plot_dots(dots, plt.subplots(figsize=(8, 3.6))[1],
                  "Accuracy on six digits after three tasks",
                  "test images with the right digit (%), 95 % intervals over seeds"))

# %%
verdict("'gmm, global head' reaches 93 %; all merged adapters stay below 85 %.",
        methods["gmm, global head"].mean() >= 0.93
        and max(values.mean() for values in merged.values()) < 0.85)
verdict("RanPAC without an adapter is within 3 points of 'gmm, global head'.",
        abs(methods["RanPAC, no adapter"].mean() - methods["gmm, global head"].mean()) < 0.03)

# %% [markdown]
# ## Five splits of the images
#
# The best methods have nearly the same accuracy, and all seeds use one split into training and test images. So we
# repeat three of them on five splits, with two seeds each: *gmm, global head*, *gmm, shared, global head* and *RanPAC,
# no adapter*.

# %% tags=["nbval-ignore-output"]
# Tenths of a point differ between processors.
def gains(data_seed):
    """Return by how many points both retrievers, with a global head, are better than RanPAC."""
    tasks = wb.make_stream("digits-tasks", tasks=3, data_seed=data_seed).tasks
    without = np.mean([ridge_on_backbone(seed, tasks) for seed in (0, 1)])
    runs = [wb.run(replace(config, retriever="gmm", seeds=(0, 1), data_seed=data_seed,
                           options={"features": kind})) for kind in ("adapted", "shared")]
    return [100 * (record.accuracy[:, -1].mean() - without) for record in runs]


gained = pd.DataFrame(map(gains, range(5)), columns=[f"{name}, global head" for name in chosen])
intervals = {name: seed_interval(gained[name].to_numpy()) for name in gained}
verdict("over the five splits both 95 % intervals contain 0: " + " and ".join(
    f"{low:+.1f} to {high:+.1f} points for '{name}'" for name, (low, high) in intervals.items())
    + ".", all(low < 0 < high for low, high in intervals.values()))

# %% tags=["nbval-ignore-output"]
figure_splits, differences = plt.subplots(figsize=(8, 2.2))
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
# The blue dots are means over the five splits, with 95 % intervals. **Neither kind of retrieval is shown to be better
# or worse than RanPAC without an adapter.** This test can miss a true difference of two points, because there are only
# five splits, and they share images.
#
# The orange crosses are the first split. From this split alone, retrieval would look 3.2 and 4.9 points better. But over
# the five splits the means are -0.8 and +1.5 points. A part of the gap comes from having only two seeds: the figure in
# *A global head* has the first split with five seeds, and there *gmm, global head* is about one point worse than RanPAC,
# and *gmm, shared, global head* about three points better. But more seeds cannot replace other splits: they change the
# training, not the images.
#
# ## Five tasks
#
# Does retrieval become harder with more tasks? We now take five tasks with all ten digits and the same settings. Two of
# the five tasks, 0 or 1 and 2 or 3, have digits on which the backbone was pretrained. We compare all six retrievers of
# lesson 09. A random choice is right for 33 % of the images with three tasks, and for 20 % with five.

# %%
five = wb.make_stream("digits-tasks", tasks=5)
five_config = replace(config, tasks=5)
five_learner = wb.make_learner(five_config, five)
_ = wb.run_stream(five_learner, five, five_config)

# %%
def right_tasks(model, tasks):
    """Return the share of test images with the right task, by retriever: shape (seeds,)."""
    x = torch.cat([task.test.x for task in tasks])
    found = {name: chosen_tasks(model, tasks, name)
             for name in ("prompt-pool", "prompt-keys", "entropy", "gmm")}
    found["gmm, shared"] = chosen_tasks(model, tasks, adapted=False)
    found["ranpac"] = torch.tensor(np.array([  # each task has two labels
        fit_ridge(seed, tasks).predict(shared_features(x)) // 2 for seed in SEEDS]))
    true = torch.cat([task.test.y for task in tasks]) // 2
    return {name: (one == true).double().mean(1).numpy() for name, one in found.items()}

# %%
by_tasks = {"3 tasks": right_tasks(learner.model, stream.tasks),
            "5 tasks": right_tasks(five_learner.model, five.tasks)}
wb.show(plot_dots({label: {name: over_seeds(values) for name, values in shares.items()}
                   for label, shares in by_tasks.items()}, plt.subplots(figsize=(8, 3.4))[1],
                  "How often does each method find the task?",
                  "test images with the right task (%), 95 % intervals over seeds"))
with_five = {name: shares.mean() for name, shares in by_tasks["5 tasks"].items()}
verdict("with five tasks, entropy gives a wrong task for more than 25 % of the images, gmm for "
        "about 10 %, and 'gmm, shared' for less than 5 %.", with_five["entropy"] < 0.75
        and 0.85 < with_five["gmm"] < 0.95 and with_five["gmm, shared"] > 0.95)

# %% [markdown]
# With five tasks instead of three, *gmm* finds the right task for 89 % of the images instead of 95 %. *entropy* falls
# from 76 % to 66 %. *gmm, shared* and *ranpac* lose about one point. For *gmm* there is a likely reason. An adapter was
# trained on two digits. Its training did not control its features of other digits. By chance, these features can lie
# near the clusters of the adapter's task. Each further adapter is a further chance for such an error.
#
# There is a second reason to be careful. *gmm* compares densities that were computed with different adapters. The
# lesson [Retrieval with adapters](retrieval_with_adapters.ipynb) shows a case in which such a comparison fails.
#
# ## The costs
#
# *Passes* says how often an image goes through the backbone. *Numbers stored* counts the numbers that are stored beside
# the backbone after three tasks: adapters, heads, keys, clusters, and the sums of the ridge regression. We do not count
# the stored images of *joint*. We also do not count the random matrix of RanPAC, because its seed is enough to generate
# it again. The figure shows the methods of lesson 09 and of this lesson.

# %%
adapter = sum(p.numel() for p in learner.model.with_adapter(of_seed_0[0]).parameters())
heads = 3 * (64 * 2 + 2)  # three heads: two outputs each, of 64 weights and a bias
pairs = 3 * adapter + heads  # each adapter with its head
clusters = 3 * 2 * (64 + 64 * 65 // 2)  # each: a mean and half of a symmetric matrix
ridge_sums = 500 * 501 // 2 + 500 * 6  # half of a symmetric matrix, and 500 numbers per digit

# %%
costs = {"sequential, joint": (1, adapter + 6 * 65),  # one head with six outputs
         "random adapter, oracle": (1, pairs), "merged (cat)": (1, pairs),
         "merged (svd), merged (linear)": (1, adapter + heads),
         "prompt-pool": (2, pairs + 10 * 64), "prompt-keys": (2, pairs + 3 * 64),  # keys
         "entropy": (3, pairs), "gmm": (3, pairs + clusters), "gmm, shared": (2, pairs + clusters),
         "ranpac": (2, pairs + ridge_sums), "RanPAC, no adapter": (1, ridge_sums),
         "gmm, global head": (3, 3 * adapter + clusters + ridge_sums),
         "gmm, shared, global head": (2, 3 * adapter + clusters + ridge_sums)}
table = pd.DataFrame(costs, ["passes", "numbers stored"]).T
verdict("RanPAC without an adapter needs one pass and gmm needs three, but RanPAC stores more "
        "numbers.", costs["RanPAC, no adapter"][0] < costs["gmm"][0]
        and costs["RanPAC, no adapter"][1] > costs["gmm"][1])

# %%
cost_figure, cost_axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
for ax, name in zip(cost_axes, table, strict=True):
    ax.barh(range(len(table)), table[name], color="#0072B2", height=0.6)
    for row, number in enumerate(table[name]):
        ax.annotate(f"{number:,}", (number, row), (4, 0), textcoords="offset points",
                    va="center", fontsize=9)
    ax.set(title=name, xlim=(0, 1.25 * table[name].max()), ylim=(len(table) - 0.4, -0.6),
           yticks=range(len(table)), yticklabels=table.index)
    ax.grid(False, axis="y")
    describe(ax, f"Bars, {name}: {table[name].to_dict()}.")
cost_axes[0].set_xticks(range(4))
cost_axes[1].set_xticks([0, 50_000, 100_000, 150_000], ["0", "50,000", "100,000", "150,000"])
wb.show(cost_figure)
wb.show_numbers(table, "passes and numbers stored", "{:,}".format)

# %% [markdown]
# RanPAC without an adapter stores 128,250 numbers: sums over the training images. The 3,000 weights of its ridge
# regression are computed from these sums. An answer needs only the weights. The sums are needed for learning further
# tasks.
#
# With *svd* and *linear* the merged adapter is as large as one adapter; with *cat* it is as large as three.
#
# *gmm, shared* needs one pass without an adapter for the choice, and one pass with the chosen adapter for the answer.
# *gmm* needs one pass for each adapter. Its answer needs no further pass, because the features of the chosen adapter
# are already computed. With 64 tasks these are 64 passes. The package has a retriever that needs fewer passes,
# `shortlist`. It takes the two tasks with the nearest class means in the backbone's features, and runs only the
# adapters of these two tasks.
#
# ## What to remember
#
# - A merged adapter needs no choice, but here it is much less accurate than a chosen adapter.
# - Repeat a comparison on other splits of the data. More seeds do not replace other splits.
# - Repeat a comparison with more tasks too. Here a retriever that uses the adapters became worse.
# - Count the passes through the backbone beside the accuracy.
#
# **What would change your mind?** If merged adapters were nearly as accurate as the oracle, no retriever would be
# needed. If the interval of one kind of retrieval were above 0 on the five splits, retrieval would be better than
# RanPAC without an adapter on these digits.
#
# ## Try it yourself
#
# - `(chosen["gmm"] == true_task).double().mean(1)` is the share of right tasks. Is the global head ever right with a
#   wrong adapter? Compare with `methods["gmm, global head"]`.
# - The stream `intents` has short messages to eight assistants, for example of a bank or a travel agency. Each
#   assistant is a task. Train at the command line: `workbench run --stream intents --learner adapters --retriever
#   gaussian --option shrinkage=0.3 --steps 100 --lr 3e-3 --out my-run`. Then ask for the task of a message: `workbench
#   retrieve --run my-run --text "my card is gone"`. Is the chosen task sensible?
# - Call `merged_accuracy("linear", 1 / 3, 0)` and `merged_accuracy("linear", 1, 0)`. Which weight is better, and why?
#
# ## Limits
#
# We used digits of 8 by 8 pixels, one backbone, and one order of the tasks. Only the comparison on five splits uses
# more than one split. Only two settings were searched: the weight of merged adapters, and the penalty of the ridge
# regression, which the package chooses on a fifth of the training images.
#
# **Back to:** [09 Adapters and routing](../09_adapters_and_routing.ipynb)
