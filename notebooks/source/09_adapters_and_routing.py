# %% [markdown]
# # 9. Adapters and routing
#
# > **Claim you can check:** each task gets one small adapter. Training on a new task then changes no output of an
# > earlier adapter, not even in the last bit. But for each input one adapter must be chosen. If the right adapter is
# > always chosen, the accuracy is 99 %. With a random choice it falls to a third of that. A method that chooses with
# > trained vectors, which all tasks share, no longer finds the earlier adapters after new tasks.
#
# | | |
# |---|---|
# | **Objectives** | put LoRA adapters on a frozen network with peft · show that earlier adapters do not change · measure the choice of the adapter and its answer separately · compare methods that choose an adapter, that merge the adapters, and that use none |
# | **Prerequisites** | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb), [02 Measuring retention](02_measuring_retention.ipynb) |
# | **Time** | 55 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import describe, percent, percent_over_seeds, plot_differences

wb.prepare_notebook()

# %% [markdown]
# ## A backbone and three tasks
#
# A **backbone** is a pretrained network whose weights do not change any more; they are *frozen*. Our backbone is
# small: two layers and a layer norm. It was pretrained to recognise the digits 0 to 3 in four positions: upright, and
# turned by 90, 180 and 270 degrees (`scripts/pretrain_digits.py`). It turns an image into 64 numbers, its
# **features**.
#
# Three tasks, numbered 0, 1 and 2, come one after another. Each task has two digits that the backbone has never seen: 4 or 5, then 6 or 7,
# then 8 or 9. A test image can be any of the six digits, and its task is not told. Notebook 01 called this the
# *class scenario*.

# %%
stream = wb.make_stream("digits-tasks", tasks=3)
figure = Figure(figsize=(7, 1.7), layout="constrained")
for panel, digit in zip(figure.subplots(1, 6), range(6), strict=True):
    train_set = stream.tasks[digit // 2].train
    panel.imshow(train_set.x[train_set.y == digit][0].reshape(8, 8), cmap="gray_r")
    panel.set_title(f"task {digit // 2}: {stream.labels[digit]}")
    panel.axis("off")
    panel.set_label(f"An image of {stream.labels[digit]}, of task {digit // 2}.")
wb.show(figure)

# %% [markdown]
# ## One adapter for each task
#
# An **adapter** is a small set of extra weights for a frozen network. A **LoRA adapter** adds a small update to the
# weight matrix $W$ of chosen layers: $W + s\,BA$. The matrix $A$ has $r$ rows, and $B$ has $r$ columns; $r$ is the
# *rank*. Only $A$ and $B$ are trained. The scale is $s$ = `lora_alpha` / $r$, here 2. At the start $B$ is zero, so a
# new adapter changes nothing. The library peft can put several adapters on one model, each with a name.
#
# Each task also gets a **head**: a linear layer that turns the features into logits, one for each of its two digits.

# %%
from peft import LoraConfig, get_peft_model

from workbench.models.backbones import load_backbone

torch.manual_seed(0)  # peft draws A from PyTorch's own generator
settings = LoraConfig(r=4, lora_alpha=8, target_modules=["hidden", "output"])
model = get_peft_model(load_backbone("digits"), settings, adapter_name="task0")
model.add_adapter("task1", settings)
model.add_adapter("task2", settings)
heads = [nn.Linear(64, 2) for _ in stream.tasks]
trained, total = model.get_nb_trainable_parameters()
print(f"{trained:,} numbers in one adapter; {total - 3 * trained:,} in the backbone")

# %%
from workbench.learners import batch_order


def train(task, head):
    """Train the adapter and the head of one task with the usual training loop."""
    model.set_adapter(f"task{task.index}")
    weights = [p for p in model.parameters() if p.requires_grad] + [*head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=3e-3)
    for rows in batch_order(0, task.index, len(task.train), steps=150, batch_size=32):
        logits = head(model(task.train.x[rows]))
        loss = F.cross_entropy(logits, task.train.y[rows] - task.classes[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# %% [markdown]
# After each task we store the logits that its adapter and its head give for its test images. After the last task we
# compute these logits again, and compare.

# %%
@torch.no_grad()
def answer(k, x):
    """Return the logits of adapter and head number k."""
    model.set_adapter(f"task{k}")
    return heads[k](model(x))


# %%
at_the_time = []
for task in stream.tasks:
    train(task, heads[task.index])
    at_the_time.append(answer(task.index, task.test.x))
at_the_end = [answer(task.index, task.test.x) for task in stream.tasks]
own = [float((logits.argmax(1) + 2 * k == stream.tasks[k].test.y).double().mean())
       for k, logits in enumerate(at_the_end)]
print("accuracy, each task with its own adapter:", ", ".join(map(percent, own)))
verdict("after two more tasks, the first adapter gives the same logits, equal in every bit.",
        all(torch.equal(a, b) for a, b in zip(at_the_time, at_the_end, strict=True)))

# %% [markdown]
# No other protection against forgetting was needed, because the training of a later task does not touch the weights of
# an earlier adapter. But we told the model which adapter to use. A method that is told something which nobody knows at
# test time is an **oracle**. The accuracy above is that of an oracle.
#
# From here on we use the package's class `AdaptedBackbones`, which keeps the adapters of several seeds on one
# backbone. The next cell loads your three adapters into this class, and checks that the features are the same. The
# class computes the features with all three adapters in one call.

# %%
from workbench.models.adapted import BASE, AdaptedBackbones

folder = Path(tempfile.mkdtemp())
model.save_pretrained(folder, save_embedding_layers=False)
package = AdaptedBackbones(load_backbone("digits"), seeds=(0,), outputs=6, rank=4)
package.add_adapters()
package.add_adapters()
x, by_hand = stream.tasks[0].test.x, []
for k in range(3):
    package.load_adapter(folder / f"task{k}", k, 0)
    model.set_adapter(f"task{k}")
    by_hand.append(model(x).detach())
together = package.features(x, [names[0] for names in package.adapters])  # one name for each seed
verdict("the package gives the same features as the adapters trained by hand.",
        torch.allclose(together, torch.stack(by_hand, 1), atol=1e-5))

# %% [markdown]
# ## Which adapter?
#
# We now train with five seeds. A seed sets the initial weights of adapters and heads, and the order of the batches.
# The backbone and the split into training and test images are the same for all seeds. The learner `adapters` trains
# one adapter and one head for each task. At the test its `predict` can be told the task of each image. Otherwise it
# finds the task from the image alone, and uses the adapter of that task. This is called **task retrieval** or
# **routing**.

# %%
SEEDS = (0, 1, 2, 3, 4)
config = wb.RunConfig(stream="digits-tasks", learner="adapters", retriever="random", seeds=SEEDS,
                      steps=150, lr=3e-3, options={"head": "task"})
learner = wb.make_learner(config, stream)
wb.run_stream(learner, stream, config)
images = torch.cat([task.test.x for task in stream.tasks])
labels = torch.cat([task.test.y for task in stream.tasks])
true_task = torch.cat([torch.full((len(t.test),), t.index) for t in stream.tasks])


def accuracy(tasks):
    """Return the accuracy of each seed if image i gets the adapter of task `tasks[seed, i]`."""
    return (learner.predict(images, tasks).argmax(-1) == labels).double().mean(1).numpy()


# %%
rng = np.random.default_rng(0)
oracle = accuracy(true_task.expand(5, -1))
at_random = torch.tensor(rng.integers(3, size=(5, len(images))))
print("accuracy with the right adapter: ", percent_over_seeds(oracle))
print("accuracy with a random adapter:  ", percent_over_seeds(accuracy(at_random)))
verdict("a random choice among three adapters leaves a third of the oracle's accuracy.",
        abs(accuracy(at_random).mean() - oracle.mean() / 3) < 0.03)

# %% [markdown]
# Here a wrong adapter always gives a wrong answer, because the head of another task does not have the right digit. In
# general the accuracy depends on how often the task is right, and on how often the class is right in each case:
#
# $$P(\text{right}) = P(\text{task right})\,P(\text{class right}\mid\text{task right})
#   + P(\text{task wrong})\,P(\text{class right}\mid\text{task wrong}).$$
#
# Here $P(\text{task wrong}) = 1 - P(\text{task right})$. If an accuracy is low, these probabilities say why.
#
# {{exercise decomposition}}

# %%
def decomposition(task_right, class_right):
    ...


check("decomposition", decomposition)

# %% [markdown]
# {{solution decomposition}}
#
# ## The most confident head
#
# A first idea is to let every adapter answer, and to take the answer of the most confident head. Confidence is
# measured by the *entropy* of a head's probabilities: a lower entropy means a more confident head. With two digits per
# head, the lowest entropy is the same as the largest probability. (TUNA,
# [arXiv 2508.08165](https://arxiv.org/abs/2508.08165), is a published method that selects an adapter by entropy.)
#
# How confident is each head on images of its own task, and on images of the other tasks?

# %%
@torch.no_grad()
def confidence(seed):
    """Return the largest probability of each head for each image: shape (n, tasks)."""
    return learner.routers[seed].probabilities(images).max(-1)


largest = confidence(0)
own_task = true_task[:, None].numpy() == np.arange(3)
groups = {"images of the head's own task": largest[own_task],
          "images of another task": largest[~own_task]}


# %%
def plot_confidence(groups, ax):
    """Draw how often each probability occurs, in steps of 5 points."""
    steps = np.linspace(0.5, 1, 11)
    ax.hist(list(groups.values()), steps, color=["#0072B2", "#D55E00"], label=list(groups),
            weights=[np.full(len(values), 100 / len(values)) for values in groups.values()])
    ax.set(xlabel="probability that a head gives to its answer", ylabel="share of images (%)")
    ax.legend(frameon=False)
    above = (f"{percent((values > 0.95).mean())} of {name}" for name, values in groups.items())
    describe(ax, f"Histograms of the probability of the answer: above .95 for {', '.join(above)}.")


figure_2 = Figure(figsize=(7, 2.6), layout="constrained")
plot_confidence(groups, figure_2.subplots())
wb.show(figure_2)

# %% [markdown]
# The figure shows one seed. The head for 4 and 5 was never trained on an 8. It must still answer 4 or 5, and it is
# often very sure. Each head was trained alone, so a probability of 0.99 from one head need not mean the same as 0.99 from
# another. **The confidences of separately trained heads are not comparable.** They still carry information: below, the
# most confident head is the right one far more often than one time in three.
#
# ## Six methods of task retrieval
#
# We now compare six methods that choose a task from the image. They all choose among the same trained adapters.
#
# - **prompt-pool** follows L2P (Wang et al., CVPR 2022). It has ten trained vectors, the *keys*. A key is as long as
#   the backbone's feature vector. In training, each image moves its five nearest keys towards its features. In L2P
#   each key belongs to a *prompt*: trained vectors that are put before the input of a transformer. We need a task, not
#   a prompt. So we add our own rule: each key is assigned to the last task that used it, and an image gets the task of
#   its nearest key.
# - **prompt-keys** follows DualPrompt (Wang et al., ECCV 2022). It has one key for each task. A key is trained on the
#   images of its task only.
# - **entropy** takes the task of the most confident head, as above.
# - **gmm** fits a Gaussian mixture with two clusters to the features of each task, computed with the adapter of that
#   task. A test image goes to the task that has the cluster with the highest density at the image's features. The two
#   clusters are called the *signature* of the task; notebook 10 is about signatures.
# - **gmm, shared** does the same with the backbone's own features, computed without any adapter.
# - **ranpac** follows RanPAC (McDonnell et al., NeurIPS 2023), a classifier that needs no adapter. It multiplies the
#   backbone's features by a fixed random matrix, sets negative values to 0, and predicts one of the six digits by ridge
#   regression (least squares with a penalty). The task is the one that has the predicted digit.
#
# The package calls these methods *retrievers*. A `Router` learns one task after another with one retriever, and
# chooses the task of each image.

# %%
from workbench.learners import fit, make_optimizer
from workbench.learners.routing import Router
from workbench.retrieval.signatures import Signature

NAMES = ("prompt-pool", "prompt-keys", "entropy", "gmm", "ranpac")
# Two Gaussians with full covariances; a tenth of the mean variance is added to each variance.
SIGNATURE = Signature("gmm", clusters=2, ridge=0, shrinkage=0.1)


def make_router(learner, i, name, adapted, tasks):
    """Return the router of seed number i after it has learned the tasks."""
    router = Router(learner.model, i, name, SIGNATURE, "log_density", adapted)
    for task in tasks:
        router.learn(task)
    return router


# %%
def retrieved_tasks(learner, tasks):
    """Return the tasks that each retriever chooses: tensors of shape (seeds, n)."""
    x, chosen = torch.cat([task.test.x for task in tasks]), {}
    for label in (*NAMES, "gmm, shared"):
        name, adapted = label.removesuffix(", shared"), label != "gmm, shared"
        routers = [make_router(learner, i, name, adapted, tasks) for i in range(len(SEEDS))]
        chosen[label] = torch.tensor(np.array([router.choose(x) for router in routers]))
    return chosen


def right_tasks(chosen, tasks):
    """Return the share of images with the right task: for each retriever, shape (seeds,)."""
    true = torch.cat([torch.full((len(task.test),), task.index) for task in tasks])
    return {name: (choice == true).double().mean(1).numpy() for name, choice in chosen.items()}


# %% [markdown]
# We measure this for the three tasks, and also for five tasks with all ten digits and the same settings. Two of the
# five tasks, 0 or 1 and 2 or 3, have digits on which the backbone was pretrained.

# %%
from dataclasses import replace

from workbench.measure.intervals import seed_interval

five = wb.make_stream("digits-tasks", tasks=5)
five_learner = wb.make_learner(replace(config, tasks=5), five)
for task in five.tasks:
    five_learner.begin(task)
    for _ in fit(five_learner, task, make_optimizer(five_learner, 3e-3), steps=150, batch_size=32):
        pass
chosen = retrieved_tasks(learner, stream.tasks)
of_three = right_tasks(chosen, stream.tasks)
of_five = right_tasks(retrieved_tasks(five_learner, five.tasks), five.tasks)

# %%
def plot_dots(groups, ax, title, xlabel):
    """Draw the mean over seeds and its 95 % interval; a row for each method, a mark for a group."""
    texts, looks = [], (("#0072B2", "o"), ("#D55E00", "s"))
    for k, (group, by_method) in enumerate(groups.items()):
        for i, (method, values) in enumerate(by_method.items()):
            mean, (low, high) = 100 * values.mean(), np.clip(seed_interval(100 * values), 0, 100)
            row = i + 0.24 * (k - (len(groups) - 1) / 2)
            ax.plot([low, high], [row, row], color=looks[k][0])
            ax.plot(mean, row, looks[k][1], color=looks[k][0], label="" if i else group)
            texts.append(f"{method} ({group}) {mean:.0f} % ({low:.0f} % to {high:.0f} %)")
    ax.set(title=title, xlabel=xlabel, xlim=(0, 103), ylim=(len(by_method) - 0.4, -0.6))
    ax.set_yticks(range(len(by_method)), by_method)
    describe(ax, f"Dots with 95 % intervals over seeds, {title}: {'; '.join(texts)}.")


# %%
figure_3 = Figure(figsize=(8, 3.4), layout="constrained")
tasks_panel = figure_3.subplots()
plot_dots({"3 tasks": of_three, "5 tasks": of_five}, tasks_panel,
          "How often is the task right?", "share of test images with the right task (%)")
tasks_panel.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.25))
wb.show(figure_3)
verdict("with three tasks, ranpac finds the task at least as often as gmm.",
        of_three["ranpac"].mean() >= of_three["gmm"].mean())
verdict("with five tasks, entropy gives the wrong task for more than 25 % of the images, gmm for "
        "about 10 %, and 'gmm, shared' for less than 5 %.",
        of_five["entropy"].mean() < 0.75 and 0.85 < of_five["gmm"].mean() < 0.95
        and of_five["gmm, shared"].mean() > 0.95)

# %% [markdown]
# A random choice is right for 33 % of the images with three tasks, and for 20 % with five. The prompt pool is no better.
# The two methods on the backbone's own features, *gmm, shared* and *ranpac*, lose least with more tasks. *gmm* with
# adapted features loses more. A likely reason: each adapter was trained on two digits only, so its features for the
# other eight digits can be anything. Also, densities of different features are not strictly comparable; notebook 10
# shows when this does harm.
#
# The intervals are over seeds. The backbone's features and the split of the images are the same for all seeds, so *gmm,
# shared* does not vary at all. An interval without width does not mean that the result is certain. Below we repeat
# the comparison on other splits.
#
# ### Shared keys forget
#
# Why does the prompt pool fail? We take the test images of the first task only. After every task we count how many of
# them are assigned to the first task. After one task there is no other choice, so the first row is 100 %.

# %%
from workbench.retrieval.prompt_pool import PromptPool


def kept_by_keys(per_task, seed):
    """Return the share of the first task's images with the right task, after each of the tasks."""
    pool, shares = PromptPool(per_task=per_task, random_state=seed), []
    for task in stream.tasks:
        shared = learner.routers[seed].shared
        pool.partial_fit(shared(task.train.x), np.full(len(task.train), task.index))
        shares.append(float((pool.predict(shared(stream.tasks[0].test.x)) == 0).mean()))
    return shares


# %%
keys = {name: np.array([kept_by_keys(per_task, seed) for seed in SEEDS])
        for name, per_task in (("prompt-pool", False), ("prompt-keys", True))}
print(pd.DataFrame({name: map(percent_over_seeds, shares.T) for name, shares in keys.items()},
                   [f"after {task.name}" for task in stream.tasks]).to_string())
print("\nprompt-pool, seed 0: the task of each of the ten keys (-1: key not used)")
pool = PromptPool(random_state=0)
for task in stream.tasks:
    pool.partial_fit(learner.routers[0].shared(task.train.x),
                     np.full(len(task.train), task.index))
    print(f"after {task.name}:", pool.owners_)
verdict("after two more tasks, the prompt pool assigns almost no image of the first task to it.",
        keys["prompt-pool"][:, 2].mean() < 0.3)

# %% [markdown]
# All three tasks use the same five keys, so at the end all five belong to the last task. The adapters have not changed,
# but two of them are never chosen any more. **The retriever has forgotten, not the adapters.** This is a result about
# shared keys under our rule. It does not judge L2P as a whole: L2P has one head for all classes, and does not need
# to know the task.
#
# The keys of DualPrompt do not forget, because the key of the first task is never trained again. The first task still
# loses half of its images: for these images the key of a later task is nearer.
#
# ## Merging the adapters
#
# Can we avoid the choice if we merge the three adapters into one? The function `add_weighted_adapter` of peft has
# several ways to do it. We try three:
#
# - **cat** stacks the three matrices $A$, and also the three matrices $B$. The product of the stacked matrices is
#   exactly the weighted sum of the three updates $B_iA_i$. Its rank is up to the sum of the three ranks.
# - **svd** is the best approximation of this sum that has the rank of one adapter.
# - **linear** adds the $A$s and the $B$s separately. Their product also contains cross terms $B_iA_j$, for which no task
#   was trained.

# %% tags=["nbval-ignore-output"]
three = [f"task{k}" for k in range(3)]
for kind in ("cat", "svd", "linear"):
    model.add_weighted_adapter(three, [1 / 3] * 3, kind, kind)
updates = {kind: model.base_model.model.hidden.get_delta_weight(kind).detach()
           for kind in ("cat", "svd", "linear")}
average = sum(model.base_model.model.hidden.get_delta_weight(name) for name in three).detach() / 3
print("norm of (merged update - mean update), divided by the norm of the mean update")
for kind, update in updates.items():
    print(f"{kind:7s}{(update - average).norm() / average.norm():.2f}")
verdict("cat is exact, svd loses a part, and linear loses more than svd.",
        torch.allclose(updates["cat"], average, atol=1e-6)
        and 0.1 < (updates["svd"] - average).norm() < (updates["linear"] - average).norm())


# %% [markdown]
# The numbers are for the first layer, and for the adapters that we trained by hand. A zero update would have the value
# 1. The value of *linear* is above 1, so *linear* is a worse approximation of the mean update than no update.
#
# How accurate are merged adapters? A merged adapter gives one set of features. The three heads give two logits each,
# and the largest of the six logits is the answer. This compares logits of separately trained heads, which are not
# comparable, as we saw. The weight of each adapter is 1/3 (the mean) or 1 (the sum). We take the weight that is better
# on validation images.

# %%
@torch.no_grad()
def merged_accuracy(kind, weight, seed, part="test"):
    """Return the accuracy of one seed with its three adapters merged."""
    shared = learner.model.with_adapter(None).model
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
# ## The accuracy of all methods
#
# The figure below needs five more methods:
#
# - **sequential** trains a single adapter on one task after another. Notebook 01 has shown that this forgets.
# - **joint** trains a single adapter on the images of all tasks so far. It is a strong reference, but not an upper
#   bound: the oracle is also told the task of each image.
# - **RanPAC, no adapter** uses RanPAC directly as the classifier. So RanPAC appears in this lesson twice: as
#   *ranpac* it gives only the task, and here it gives the answer (with 500 random features in place of 1,000).
# - **gmm, global head** and **gmm, shared, global head** choose an adapter by *gmm* or *gmm, shared*. The answer comes
#   from a ridge regression over all six digits, on the features of the chosen adapter. With such a *global head* the
#   class can be right even if the adapter is wrong.

# %%
from workbench.retrieval.classifiers import MomentClassifier


def ridge_on_backbone(seed, tasks):
    """Return the accuracy of RanPAC on the backbone's own features."""
    ridge = MomentClassifier("ranpac", projections=500, random_state=seed)
    for task in tasks:
        ridge.partial_fit(learner.model.features(task.train.x, [BASE])[:, 0], task.train.y)
    return np.mean([ridge.score(learner.model.features(task.test.x, [BASE])[:, 0], task.test.y)
                    for task in tasks])


# %%
one_config = replace(config, learner="finetune", options={})
sequential, joint = (wb.run(replace(one_config, learner=name)).accuracy[:, -1].mean(1)
                     for name in ("finetune", "joint"))
learner.head = "global"  # now the ridge regression answers
global_head = {f"{name}, global head": accuracy(chosen[name]) for name in ("gmm", "gmm, shared")}
learner.head = "task"
methods = {"random adapter": accuracy(at_random), "sequential": sequential, **merged,
           **{name: accuracy(chosen[name]) for name in NAMES[:4]}, **global_head,
           "RanPAC, no adapter": np.array([ridge_on_backbone(i, stream.tasks) for i in SEEDS]),
           "joint": joint, "oracle": oracle}

# %%
figure_4 = Figure(figsize=(8, 4.6), layout="constrained")
plot_dots({"3 tasks": methods}, figure_4.subplots(), "Accuracy on six digits after three tasks",
          "test images with the right digit (%)")
wb.show(figure_4)
verdict("sequential training ends at 40 % or less, and the oracle at 98 % or more.",
        sequential.mean() <= 0.4 and oracle.mean() >= 0.98)
verdict("'gmm, global head' reaches 93 %; entropy, both kinds of keys and all merged adapters "
        "stay below 85 %.", methods["gmm, global head"].mean() >= 0.93
        and max(methods[name].mean() for name in (*merged, *NAMES[:3])) < 0.85)
verdict("RanPAC without an adapter is within 3 points of 'gmm, global head'.",
        abs(methods["RanPAC, no adapter"].mean() - methods["gmm, global head"].mean()) < 0.03)

# %% [markdown]
# The best methods have nearly the same accuracy. So we repeat three of them on five splits of the images, with two
# seeds each: *gmm, global head*, *gmm, shared, global head* and *RanPAC, no adapter*.

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
figure_5 = Figure(figsize=(8, 2.2), layout="constrained")
differences = figure_5.subplots()
plot_differences(gained, differences, "Retrieval minus RanPAC without an adapter, five splits",
                 "difference in accuracy, in points; above 0 retrieval is better")
for row, points in enumerate(gained.to_numpy().T):
    differences.plot(points[0], row + 0.2, "X", color="#D55E00", label="" if row else "first split")
    differences.plot(points[1:], [row + 0.2] * 4, "o", color="grey", markersize=4,
                     label="" if row else "other splits")
differences.set_ylim(1.6, -0.4)
differences.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
describe(differences, f"{differences.get_label()} First split: {gained.loc[0].round(1).to_dict()}.")
wb.show(figure_5)

# %% [markdown]
# The blue dots are means over the five splits, with 95 % intervals. **Neither kind of retrieval is shown to be better or
# worse than RanPAC without an adapter.** This test can miss a true difference of two points, because there are only
# five splits, and they share images. On the first split alone, *gmm, shared* looks clearly better. So one split is not
# enough: five seeds vary the training, but not the images.
#
# The oracle is about four points above *RanPAC, no adapter*, so a better choice can gain little here. One adapter per
# task may still be worth its cost, for example if the features of the backbone are useless for a task, or if tasks must
# be added, replaced or deleted without any change to the others.
#
# A third possibility is one adapter for all tasks. The lesson
# [One adapter for all tasks](more/one_adapter_for_all_tasks.ipynb) tries two such methods, which need no choice. At its
# best learning rate, each of them is about as good as *gmm, global head*.
#
# ## The cost of each method
#
# *Passes* counts how often an image must go through the backbone. *Numbers stored* counts the numbers that are stored
# beside the backbone after three tasks: adapters, heads, keys, signatures, and the matrices of a ridge regression. The
# random matrix of RanPAC is not counted, because it can be generated again from its seed.

# %%
adapter, own_head = trained, 64 * 6 + 6
signature = 2 * (64 + 64 * 65 // 2)  # two clusters: a mean and half of a symmetric matrix each
ridge_sums = 500 * 501 // 2 + 500 * 6
costs = pd.DataFrame([
    ("sequential", 1, adapter + own_head), ("merged (svd)", 1, adapter + 3 * own_head),
    ("entropy", 3, 3 * (adapter + own_head)), ("prompt-keys", 2, 3 * (adapter + own_head + 64)),
    ("gmm", 3, 3 * (adapter + own_head + signature)),
    ("gmm, shared, global head", 2, 3 * (adapter + signature) + ridge_sums),
    ("RanPAC, no adapter", 1, ridge_sums)], columns=["method", "passes", "numbers stored"])
print(costs.to_string(index=False, formatters={"numbers stored": "{:,}".format}))

# %% [markdown]
# The table counts only the necessary passes. *prompt-keys* and *gmm, shared* need one pass without an adapter for the
# choice, and one with the chosen adapter for the answer. To choose, *gmm* computes the features with every adapter, and
# the answer uses those of the chosen adapter again. (`workbench retrieve` computes them once more, and counts this
# pass.) With *svd* and *linear* the merged adapter is as large as one adapter; with *cat* it is as large as three.
#
# *entropy* and *gmm* need one pass for each adapter. With 64 tasks these are 64 passes. The package has a retriever
# that needs fewer adapters, `shortlist`. It takes the two tasks with the nearest class means in the backbone's
# features, and runs only the adapters of these two tasks.
#
# ## The paper behind the next notebook
#
# The method of the next notebook comes from *Continual Fine-Tuning with Provably Accurate and Parameter-Free Task
# Retrieval* ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)); the method is named PROTEUS. Its abstract makes
# these claims:
#
# | the abstract | keep in mind |
# |---|---|
# | learned retrieval of prompts "is prone to forgetting" | This depends on whether tasks share the keys. You have seen keys that forget, and keys that do not. |
# | retrieval is **parameter-free** | No *retriever* is trained. But signatures have settings: the number of clusters, the form of the covariance matrix, and a small value added to its diagonal. |
# | error bounds **link** low error to well-organised clusters | Such a bound holds if the true densities are known. It does not guarantee a low error on real data. Notebook 10 shows the measured error beside such bounds. |
# | retrieval and prediction improve **under large shifts in task semantics** | This means: if the tasks differ strongly in meaning. Summaries often leave this condition out. Our tasks are similar, and a simple method is as good. |
#
# Summaries on the web add numbers that are not in the abstract ("up to 57 % gains in retrieval and 30 % in
# classification"). The abstract does not mention the cost of one pass per adapter. It does not name classifiers that
# choose no adapter, such as RanPAC. You should compare with them. **We did not reproduce the tables of the paper**: its
# images and its backbone are too large for this course.
#
# ## What to remember
#
# - With one adapter per task no adapter forgets. But the choice of the adapter can fail.
# - Report how often the task is right, and how often the class is right. Show the oracle and a random choice beside
#   your method.
# - The confidences of separately trained heads are not comparable. Keys forget the earlier tasks if every
#   task trains them.
# - Show the strongest simple baseline in the same figure, and repeat the comparison on other splits. Here this baseline
#   is as good as retrieval.
#
# ## Limits
#
# Six digits of 8 by 8 pixels, one backbone of 16,704 weights, and one order of the tasks. There is one split of the
# images, except where five are named. Only two settings were searched: the weight of merged adapters, and the penalty
# of the ridge regression, which the package chooses on a fifth of the training images. All adapters have rank 4 and one
# learning rate, and the keys have their default settings.
#
# **What would change your mind?**
#
# - If merged adapters, or the most confident head, were nearly as accurate as the oracle, no retriever would be needed.
# - If the prompt pool had not forgotten the first task, its result would be no reason to use signatures.
# - If RanPAC without an adapter were clearly worse on tasks that differ more, the extra passes of retrieval would be
#   worth their cost. The first item below has such tasks.
#
# ## Try it yourself
#
# - `record = wb.run(wb.RunConfig(stream="digits-shifted", learner="adapters", steps=150, lr=3e-3))`: now all tasks
#   have the same digits, but turned or inverted. Is a task confused with another one
#   (`record.retrieval["confusion"]`)? How far is the accuracy (`record.retrieval["accuracy"]`) from that of the oracle
#   (`record.retrieval["oracle"]`)?
# - On the command line: `workbench run --stream intents --learner adapters --retriever gaussian --option
#   shrinkage=0.3 --steps 100 --lr 3e-3 --out my-run`, then `workbench retrieve --run my-run --text "my card is
#   gone"`.
# - In the cell that defines `model`, give each head six outputs instead of two, and train with `task.train.y` as the
#   target. Then let all three heads answer all test images, and take the answer with the lowest entropy. How often is
#   the task right now, and why?
#
# **Next:** [10 Clustered retrieval](10_clustered_retrieval.ipynb)
