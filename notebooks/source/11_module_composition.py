# %% [markdown]
# # 11. Module composition: reuse what was learned, add what is new
#
# > **Claim you can check:** the module of a new task can be a sum of earlier units, each with a learned coefficient,
# > and a new part. It is exactly a plain adapter, and learning it changes no earlier module. CLAIM
#
# | | |
# |---|---|
# | **Objectives** | write a composed module by hand, and train it · export it to peft · measure what is reused, without multiplying large matrices · run the whole method against strong simple baselines · find out which of its parts pays, and where |
# | **Prerequisites** | [09 Adapters and routing](09_adapters_and_routing.ipynb), [10 Clustered retrieval](10_clustered_retrieval.ipynb); singular values |
# | **Time** | 60 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

import workbench as wb
from workbench.course import check, verdict
from workbench.learners import batch_order, fit, make_optimizer
from workbench.measure.intervals import seed_interval
from workbench.models.backbones import load_backbone
from workbench.plots import describe, percent, percent_over_seeds

wb.prepare_notebook()

# %% [markdown]
# ## Two units and one coefficient
#
# The update of a layer by an adapter is $BA$. It is a sum of **units**: unit $j$ is the row $a_j$ of $A$ and the column
# $b_j$ of $B$, and adds $b_j a_j^\top$. The row says what the unit *reads* from its input, and the column what it
# *writes* to the output. Module composition ([PROTEUS](https://arxiv.org/abs/2603.13235)) gives a new task the units of
# all earlier tasks, each with one learned number, its **coefficient** $s_j$, and a **new part** of low rank:
#
# $$\Delta W_k = \sum_{j \text{ earlier}} s_j\, b_j a_j^\top \;+\; B_k A_k .$$
#
# Earlier units are frozen. The new task trains the coefficients and the new part. (The code of this part of the method
# is not public. The form here is reconstructed from what reviewers and other published code say about it.)
#
# Suppose a new task needs 0.7 times unit 0, and nothing of unit 1. Can training find that out?

# %%
rng = np.random.default_rng(0)
A, B = torch.tensor(rng.normal(size=(2, 6))), torch.tensor(rng.normal(size=(4, 2)))
inputs = torch.tensor(rng.normal(size=(50, 6)))
needed = inputs @ (0.7 * torch.outer(B[:, 0], A[0])).T  # what the task needs from the layer
s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
toy_optimizer = torch.optim.Adam([s], lr=0.05)
for _ in range(200):
    toy_loss = (inputs @ A.T * s @ B.T - needed).square().mean()
    toy_optimizer.zero_grad()
    toy_loss.backward()
    toy_optimizer.step()
print("coefficients:", ", ".join(f"{value:.2f}" for value in s.tolist()))
verdict("the coefficients become 0.7 and 0.", np.allclose(s.detach(), [0.7, 0], atol=0.01))

# %% [markdown]
# Mind `inputs @ A.T * s @ B.T`: the coefficients stand between the two thin matrices, and the product $BA$ is never
# formed.
#
# {{exercise compose}}

# %%
def compose(A, B, s, new_A, new_B):
    ...


check("compose", compose)

# %% [markdown]
# {{solution compose}}
#
# ## A composed module in a network
#
# We take the backbone and the three tasks of notebook 09: 4 or 5, then 6 or 7, then 8 or 9. Adapters have rank 4, so
# the second task has four units to reuse in each of two layers, and adds four. The package learns the first task. Then
# we train the module of the second task by hand.

# %%
stream = wb.make_stream("digits-tasks", tasks=3)
config = wb.RunConfig(stream="digits-tasks", learner="composed", seeds=(0, 1, 2, 3, 4), steps=150,
                      lr=1e-3, options={"orthogonality": 0.5})
package = wb.make_learner(replace(config, seeds=(0,)), stream)


def learn(learner, task, steps=150):
    """Train a learner on one task."""
    learner.begin(task)
    for _ in fit(learner, task, make_optimizer(learner, config.lr), steps=steps, batch_size=32):
        pass
    learner.end(task)


# %%
learn(package, stream.tasks[0])
second = stream.tasks[1]
package.begin(second)
module, backbone = package.model.modules(0)[1], load_backbone("digits")
hand = {}
for layer in module.layers:
    (A_old, B_old), (A_new, B_new) = module.units(layer), module.new(layer)
    hand[layer] = [t.detach().clone() for t in (A_old, B_old, A_new, B_new / 2, torch.zeros(4))]
head = [p[0].detach().clone() for p in package.model.heads[1]]


def by_hand(x, layer):
    """The output of a layer with its composed module."""
    A, B, new_A, new_B, s = hand[layer]
    reused = x @ A.T * (30 * s) @ B.T
    return backbone.get_submodule(layer)(x) + reused + 2 * x @ new_A.T @ new_B.T


# %% [markdown]
# The loss is the cross-entropy of the two digits, plus a penalty that keeps the new part **orthogonal** to the units:
# the sum of the squared cosines between what it reads and what they read. The 2 in `by_hand` is the scale of all
# adapters here. Two details matter. The coefficients learn 30
# times faster than other weights (`30 * s`). Adam moves each weight by about its rate, so at the rate of the new part a
# coefficient would need a thousand steps to come from 0 to 1. And the new rows of $A$ begin orthogonal to the old ones.

# %%
trained = [p.requires_grad_() for _, _, *own in hand.values() for p in own]
trained += [p.requires_grad_() for p in head]
optimizer = torch.optim.Adam(trained, lr=config.lr)
for rows in batch_order(0, 1, len(second.train), steps=40, batch_size=32):
    hidden = by_hand(second.train.x[rows], "hidden").relu()
    logits = backbone.norm(by_hand(hidden, "output")) @ head[0] + head[1]
    loss = F.cross_entropy(logits[:, list(second.classes)], second.train.y[rows] - 2)
    for old_A, _, new_A, *_ in hand.values():
        loss = loss + 0.5 * (F.normalize(new_A) @ F.normalize(old_A).T).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
for _ in fit(package, second, make_optimizer(package, config.lr), steps=40, batch_size=32):
    pass
coefficients = torch.stack([30 * s for *_, s in hand.values()])
verdict("after 40 steps by hand and by the package the coefficients and the new parts are equal.",
        torch.allclose(coefficients, module.coefficients, atol=1e-3) and all(torch.allclose(
            torch.cat(module.new(layer)[:1]), hand[layer][2], atol=1e-3) for layer in hand))

# %% [markdown]
# ### Nothing earlier changes, and the result is a plain adapter
#
# Now all three tasks, five seeds at once. After each task we keep a copy of everything that was learned so far: units,
# coefficients and heads.

# %%
learner, kept = wb.make_learner(config, stream), []
for task in stream.tasks:
    learn(learner, task)
    kept.append({name: t.clone() for name, t in learner.model.state_dict().items()})
verdict("after two more tasks all numbers of the first module, its head and the second module are "
        "the same, equal in every bit.", all(torch.equal(later[name], t) for earlier, later in
                                             zip(kept, kept[1:], strict=False)
                                             for name, t in earlier.items()))

# %% [markdown]
# A composed module needs no special code later. peft's `add_weighted_adapter` with the combination `cat` puts the
# matrices of several adapters below and beside each other; we multiply each coefficient into the row of $A$ of its
# unit. The result is an ordinary adapter whose rank is the number of all units, and anybody can load it with peft.

# %%
from peft import PeftModel

third, images = learner.model.modules(0)[2], stream.tasks[2].test.x
folder = Path(tempfile.mkdtemp()) / "plain"
third.save(folder)
plain = PeftModel.from_pretrained(load_backbone("digits"), folder)
with torch.no_grad():
    gap = float((plain(images) - third(images)).abs().max())
print(f"rank {plain.peft_config['default'].r}: 2 x 4 reused units and 4 new ones")
verdict("loaded by peft, the exported adapter gives the same features to 1e-5.", gap < 1e-5)

# %% [markdown]
# ## What is reused?
#
# How large is the reused part of an update, and how large the new one? The matrices $BA$ need not be formed for that:
# $\lVert BA\rVert_F^2=\operatorname{tr}(B^\top B\,AA^\top)$ needs two matrices of the size rank by rank.
#
# {{exercise update_norm}}

# %%
def update_norm(A, B):
    ...


check("update_norm", update_norm)

# %% [markdown]
# {{solution update_norm}}

# %%
from workbench.models.factored import norm, singular_values


def norms(module, layer):
    """The norms of the reused and of the new part of a layer."""
    A, B = module.units(layer)
    s = module.coefficients[list(module.layers).index(layer)]
    return float(norm(A, B * s)), float(norm(*module.new(layer)))


with torch.no_grad():
    sizes = np.array([[norms(learner.model.modules(i)[2], layer) for layer in third.layers]
                      for i in range(5)])
    values = singular_values(*third.factors("hidden"))
print(pd.DataFrame(sizes.mean(0), third.layers, ["reused", "new"]).round(2).to_string())
print("singular values of the whole update, hidden layer:", np.round(values.numpy(), 2))
verdict("five seeds: the reused part is smaller than the new one, but not nothing.",
        0.1 < (sizes[..., 0] / sizes[..., 1]).mean() < 1)

# %% [markdown]
# The figure shows the coefficients of the third task. Each column is a unit of an earlier task; 1 would be as strong as
# in the task that made it.

# %%
from workbench.plots.composition import plot_angles, plot_coefficients

names = [task.name for task in stream.tasks]
owners = [names[int(owner[len("adapter")])] for owner in third.owners]
wb.show(plot_coefficients(third.coefficients.detach(), list(third.layers), owners,
                          plt.subplots(figsize=(8.5, 2.4))[1]))

# %% [markdown]
# Do tasks read the same from their inputs? The **principal angles** between two subspaces answer it: the first is the
# smallest angle between a direction of one and a direction of the other. A cosine of 1 means that both read one common
# direction, a cosine of 0 that they read nothing in common.
#
# {{exercise largest_cosine}}

# %%
def largest_cosine(A, other):
    ...


check("largest_cosine", largest_cosine)

# %% [markdown]
# {{solution largest_cosine}}

# %%
from workbench.measure.composition import new_part_cosines, random_cosine

free = wb.make_learner(replace(config, options={}), stream)
for task in stream.tasks:
    learn(free, task)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
by_chance = np.mean([random_cosine(4, inputs) for inputs in (64, 128)])
cosines = {title: np.mean([new_part_cosines(one.model.modules(i)) for i in range(5)], (0, 1))
           for title, one in (("no penalty", free), ("orthogonality 0.5", learner))}
for ax, (title, table) in zip(axes, cosines.items(), strict=True):
    plot_angles(table, names, ax, title, chance=by_chance)
wb.show(figure)

# %%
apart = torch.stack([m.cosines() for i in range(5) for m in learner.model.modules(i)[1:]])
verdict("with the penalty the largest cosine between new and earlier units is below 0.1, for all "
        "seeds, tasks and layers; without it is above 0.3, a little more than by chance.",
        float(apart.max()) < 0.1 and 0.3 < cosines["no penalty"][~np.eye(3, dtype=bool)].mean()
        and cosines["no penalty"][~np.eye(3, dtype=bool)].mean() < by_chance + 0.2)

# %% [markdown]
# Do the reused units *matter*? Switch units off. The bars show what happens if one unit alone is off. The task is told
# here, and the head is that of the task.

# %%
from workbench.widgets import CompositionExplorer

CompositionExplorer(learner, stream)

# %% [markdown]
# ## The whole method, and the strongest simple methods
#
# Now everything together: composed modules, a signature of two Gaussian clusters per task in the features of its
# module (notebook 10), and a **global head**, RanPAC's ridge regression over the classes of all tasks (notebook 09). A
# test image may be of any task. Beside it stand
#
# - the same modules with another choice of the module: *told* (the oracle), *random*, nearest k-means cluster
#   (S-Prompts), learned keys (L2P), the task of RanPAC's class, and a logistic regression trained on all tasks at once;
# - *separate adapters*: no reuse, no penalty;
# - classifiers on the frozen backbone, with no adapter at all: nearest class mean (NCM), SLDA, FeCAM, RanPAC;
# - one model that learns all tasks in sequence: plain fine-tuning, and three relatives of composition. **O-LoRA** is
#   the sum of all adapters, each kept orthogonal to earlier ones. **SD-LoRA** freezes the directions of earlier
#   adapters, and learns one magnitude for each. **OSF**, by peft, protects the top singular directions of the weights;
# - *joint* training of one adapter on the images of all tasks so far.
#
# Learning rates were chosen on validation images for each method, from the same four.

# %%
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature

RETRIEVERS = {"k-means": ClusteredRetriever(Signature("kmeans", 2), "euclidean"),
              "RanPAC's class": ClassAsTask(MomentClassifier("ranpac")),
              "learned keys": PromptPool()}
RULES = {rule: MomentClassifier(rule.lower()) for rule in ("NCM", "SLDA", "FeCAM", "RanPAC")}


def on_frozen(stream, model, new):
    """Tasks that retrievers find, and classes of simple classifiers, in frozen features."""
    train = [model.features(task.train.x, ["__base__"])[:, 0].double() for task in stream.tasks]
    labels = [task.train.y.numpy() for task in stream.tasks]
    tasks = {"joint router": LogisticRegression(max_iter=3000).fit(
        torch.cat(train), np.concatenate(labels) // 2).predict(new)}
    for name, one in (RETRIEVERS | RULES).items():
        fitted = clone(one)
        for k, (x, y) in enumerate(zip(train, labels, strict=True)):
            own = np.full(len(x), k)
            fitted.partial_fit(x, *((y,) if name in RULES else (own, y) if isinstance(
                one, ClassAsTask) else (own,)))
        tasks[name] = fitted.predict(new)
    return tasks


# %%
def test_images(stream):
    """All test images, and the label and the task of each."""
    tests = [task.test for task in stream.tasks]
    tasks = torch.cat([torch.full((len(one),), k) for k, one in enumerate(tests)])
    return torch.cat([one.x for one in tests]), torch.cat([one.y for one in tests]), tasks


def with_modules(stream, options):
    """A learner with a module per task."""
    one = wb.make_learner(replace(config, tasks=len(stream), options=options), stream)
    for task in stream.tasks:
        learn(one, task)
    return one


# %%
def compare(tasks):
    """Accuracy and share of tasks found, shape (seeds,), of each way; 3 or 5 tasks."""
    digits = wb.make_stream("digits-tasks", tasks=tasks)
    composed, separate = (with_modules(digits, options) for options in (
        {"orthogonality": 0.5}, {"reuse": "none"}))
    x, y, truth = test_images(digits)
    frozen = on_frozen(digits, composed.model, composed.model.features(x, ["__base__"])[:, 0])
    chance = np.random.default_rng(0).integers(tasks, size=len(x))
    ways = {"told": truth, "GMM": composed.retrieve(x), **{name: frozen[name] for name in (
        "joint router", *RETRIEVERS)}, "random": chance}
    ways = {f"composed, {name}": torch.as_tensor(t).expand(5, -1) for name, t in ways.items()}
    chosen = ways | {"separate, GMM": separate.retrieve(x)}
    right = {name: (separate if "separate" in name else composed).predict(x, t).argmax(-1) == y
             for name, t in chosen.items()}
    right |= {f"no adapter, {name}": torch.tensor(frozen[name])[None] == y for name in RULES}
    return right, {name: t == truth for name, t in chosen.items()}


# %%
def in_sequence(tasks):
    """Accuracy, shape (seeds,), of the methods with a single model."""
    own = {"osf": {"preserved": 0.25}}
    return {name: wb.run(replace(config, tasks=tasks, learner=name, lr=rate, options=own.get(
        name, {}))).accuracy[:, -1].mean(1) for name, rate in RATES.items()}


RATES = {"finetune": 1e-3, "joint": 3e-3, "o_lora": 3e-4, "sd_lora": 3e-4, "osf": 3e-4}
right, task_right = zip(*(compare(tasks) for tasks in (3, 5)), strict=True)
accuracy = [{name: values.double().mean(1).numpy() for name, values in table.items()}
            | in_sequence(tasks) for table, tasks in zip(right, (3, 5), strict=True)]
table = pd.DataFrame(dict(zip(("3 tasks", "5 tasks"), accuracy, strict=True)))
print(table.map(percent_over_seeds).to_string())
