# %% [markdown]
# # 11. Module composition: reuse earlier adapters, and add a new part
#
# > **Claim you can check:** a *unit* is a small piece of a LoRA adapter. The update for a new task can be a sum: units
# > of earlier adapters, each times a coefficient, plus a new part. This sum is exactly one ordinary adapter, and
# > training it does not change the earlier adapters. We compare variants of the method, each with a learning rate
# > chosen on validation images. **Learned coefficients bring no gain that we can measure.** With five tasks, a penalty
# > that keeps new units orthogonal to earlier ones raises the accuracy by about one point, compared with separate
# > adapters. RanPAC, a simple classifier without adapters, is about as accurate as composed modules with retrieval.
#
# | | |
# |---|---|
# | **Objectives** | write a composed module by hand, and train it · export it as an ordinary adapter · compare the whole method with strong simple methods · find out which of its parts raises the accuracy |
# | **Prerequisites** | [09 Adapters and routing](09_adapters_and_routing.ipynb), [10 Clustered retrieval](10_clustered_retrieval.ipynb) |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import percent

wb.prepare_notebook()

# %% [markdown]
# ## Units and their coefficients
#
# A LoRA adapter adds the product $BA$ to the weight matrix of a layer. (The scale of notebook 09 is part of $B$ here.)
# Row $j$ of $A$, written $a_j$, and column $j$ of $B$, written $b_j$, form **unit** $j$. For an input $x$ the unit
# computes one number, the dot product $a_j\cdot x$. It adds this number times the vector $b_j$ to the output of the
# layer. The product $BA$ is the sum of its units, $\sum_j b_j a_j^\top$.
#
# **Module composition** is a part of the method PROTEUS ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)). Each
# task has a **module**, which is an update of the weights. The module of task $k$ is the sum of all earlier units, each
# times a number, plus a new part:
#
# $$\Delta W_k = \sum_{j \text{ earlier}} s_j\, b_j a_j^\top \;+\; B_k A_k .$$
#
# The number $s_j$ is the **coefficient** of unit $j$. The product $B_kA_k$ is the **new part**, an ordinary LoRA
# adapter. The new task trains its coefficients and its new part. The earlier units do not change. (We reconstructed
# this formula; see the end of the lesson.)
#
# Here is a toy with two units. The new task needs 0.7 times unit 0, and nothing of unit 1. Does training find these
# two coefficients?

# %%
rng = np.random.default_rng(0)
A, B = torch.tensor(rng.normal(size=(2, 6))), torch.tensor(rng.normal(size=(4, 2)))
inputs = torch.tensor(rng.normal(size=(50, 6)))
needed = inputs @ (0.7 * torch.outer(B[:, 0], A[0])).T  # the update that the task needs
s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
toy_optimizer = torch.optim.Adam([s], lr=0.05)
for _ in range(200):
    toy_loss = ((inputs @ A.T * s) @ B.T - needed).square().mean()
    toy_optimizer.zero_grad()
    toy_loss.backward()
    toy_optimizer.step()
print("coefficients:", ", ".join(f"{value:.2f}" for value in s.tolist()))
verdict("the coefficients become 0.7 and 0.", np.allclose(s.detach(), [0.7, 0], atol=0.01))

# %% [markdown]
# The expression `(inputs @ A.T * s) @ B.T` multiplies by $A$, then by the coefficients, then by $B$. In the exercise
# you write the update as one matrix, with a new part.
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
# We take the frozen backbone and the three tasks of notebook 09: 4 or 5, then 6 or 7, then 8 or 9. Adapters have rank
# 4, and there is one in each of two layers. So in each layer the second task can reuse four units, and adds four new
# ones.
#
# First the package trains the module of the first task. Then we train the module of the second task by hand.

# %%
from workbench.learners import batch_order, fit, make_optimizer

stream = wb.make_stream("digits-tasks", tasks=3)
config = wb.RunConfig(stream="digits-tasks", learner="composed", seeds=(0, 1, 2, 3, 4), steps=150,
                      lr=1e-3, options={"orthogonality": 0.5})


def learn(learner, task, rate=config.lr):
    """Train a learner on one task."""
    learner.begin(task)
    list(fit(learner, task, make_optimizer(learner, rate), steps=150, batch_size=32))
    learner.end(task)


# %% [markdown]
# In `learn`, `list(fit(...))` does all training steps.

# %%
package = wb.make_learner(replace(config, seeds=(0,)), stream)
learn(package, stream.tasks[0])

# %% [markdown]
# The next cell copies the start values of the second module: the earlier units, the coefficients (all 0), and the new
# part. It also copies the head of the second task, which turns features into logits.
#
# The code has two factors:
#
# - **`SCALE`** is the scale of the adapters (notebook 09), here 2. The package returns every $B$ times this factor. We
#   train the new $B$ without it: we divide by 2 at the start, and `by_hand` multiplies by 2.
# - **`FASTER`** is 30. In one step Adam changes a weight by about the learning rate, here 0.001. A coefficient would
#   need about 1,000 steps from 0 to 1, but the package trains for 150 steps. So we train a number `s`, and the
#   coefficient $s_j$ is 30 times this number.

# %%
second = stream.tasks[1]
package.begin(second)
module, backbone = package.model.modules(0)[1], package.model.backbone
SCALE, FASTER = 2, 30  # the coefficients learn 30 times faster
hand = {}
for layer in module.layers:
    (old_A, old_B), (new_A, new_B) = module.units(layer), module.new(layer)
    beginning = {"A": old_A, "B": old_B, "s": torch.zeros(4),
                 "new A": new_A, "new B": new_B / SCALE}
    hand[layer] = {name: numbers.detach().clone() for name, numbers in beginning.items()}
head = [numbers[0].detach().clone() for numbers in package.model.heads[1]]


# %%
def by_hand(x, layer):
    """The output of a layer with its composed module."""
    own = hand[layer]
    reused = x @ own["A"].T * (FASTER * own["s"]) @ own["B"].T
    new = SCALE * x @ own["new A"].T @ own["new B"].T
    return backbone.get_submodule(layer)(x) + reused + new


# %% [markdown]
# The loss is the cross-entropy of the two digits, plus 0.5 times a **penalty**. The penalty is the sum of the squared
# cosines between the rows of the new $A$ and the rows of the earlier $A$. It is 0 if all new rows are orthogonal to all
# earlier rows. So it keeps a new unit from repeating an earlier one. Whenever we use the penalty, the training also
# starts with new rows that are orthogonal to the earlier rows (**orthogonal initialisation**).
#
# The next cell trains the coefficients, the new part and the head for 40 steps.

# %%
from torch.nn import functional as F

trained = [own[name].requires_grad_() for own in hand.values() for name in ("s", "new A", "new B")]
trained += [numbers.requires_grad_() for numbers in head]
optimizer = torch.optim.Adam(trained, lr=config.lr)
for rows in batch_order(0, 1, len(second.train), steps=40, batch_size=32):
    hidden = by_hand(second.train.x[rows], "hidden").relu()
    logits = backbone.norm(by_hand(hidden, "output")) @ head[0] + head[1]
    loss = F.cross_entropy(logits[:, list(second.classes)], second.train.y[rows] - 2)
    for own in hand.values():
        cosines = F.normalize(own["new A"]) @ F.normalize(own["A"]).T
        loss = loss + 0.5 * cosines.square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# Now the package trains the same module for the same 40 steps. We compare its numbers with ours.

# %%
list(fit(package, second, make_optimizer(package, config.lr), steps=40, batch_size=32))
coefficients = torch.stack([FASTER * own["s"] for own in hand.values()])
verdict("after 40 steps by hand, and 40 steps by the package, the coefficients and the new parts "
        "are equal.",
        torch.allclose(coefficients, module.coefficients, atol=1e-3) and all(
            torch.allclose(module.new(layer)[0], own["new A"], atol=1e-3)
            and torch.allclose(module.new(layer)[1] / SCALE, own["new B"], atol=1e-3)
            for layer, own in hand.items()))

# %% [markdown]
# ### Later tasks change nothing
#
# Next the package learns all three tasks, with five seeds. After each task we keep a copy of all numbers that were
# learned so far.

# %%
from itertools import pairwise

learner, kept = wb.make_learner(config, stream), []
for task in stream.tasks:
    learn(learner, task)
    kept.append({name: t.clone() for name, t in learner.model.state_dict().items()})
verdict("the third task changes no bit of the first two modules and their heads, and the second "
        "task changes no bit of the first module and its head.",
        all(torch.equal(later[name], numbers) for earlier, later in pairwise(kept)
            for name, numbers in earlier.items()))

# %% [markdown]
# ### A composed module is an ordinary adapter
#
# To save a module, the package multiplies each earlier row of $A$ by the coefficient of its unit. Then the library peft
# puts the rows of all $A$ into one matrix, and the columns of all $B$ into another. The result is an ordinary adapter,
# and peft can load it without our package. Its rank is the number of all units.

# %%
import tempfile
from pathlib import Path

from peft import PeftModel

from workbench.models.backbones import load_backbone

third, images = learner.model.modules(0)[2], stream.tasks[2].test.x
folder = Path(tempfile.mkdtemp()) / "plain"
third.save(folder)
plain = PeftModel.from_pretrained(load_backbone("digits"), folder)
with torch.no_grad():
    gap = float((plain(images) - third(images)).abs().max())
print(f"rank {plain.peft_config['default'].r}: 2 x 4 reused units and 4 new ones")
verdict("loaded by peft, the exported adapter gives the same features to 1e-5.", gap < 1e-5)

# %% [markdown]
# ## The whole method, beside simple methods
#
# Now a test image may be of any task, and the task is not told. The whole method has three parts:
#
# 1. a composed module for each task;
# 2. a **signature** for each task (notebook 10): two Gaussian clusters, fitted to the features that the backbone
#    computes with the module of the task. The retrieved task is the one with the highest density;
# 3. one **global head** for the classes of all tasks. It uses the features of the retrieved module, and gives every
#    answer. The heads from training are not used any more.
#
# The global head is a ridge regression on 500 random features (notebook 09). It learns the tasks one after another, and
# keeps only sums over the training images. So it needs no image of an earlier task.
#
# We compare six methods. They are the rows of the figure:
#
# | row | method |
# |---|---|
# | composed, task told | the whole method as an oracle: it is told the true task of each image |
# | RanPAC | the same ridge regression, but on the features of the frozen backbone, without any adapter |
# | composed | the whole method |
# | separate | the whole method, but each task has its own adapter, without reuse and without penalty (in the code: `"no reuse"`) |
# | nearest mean | the class with the nearest mean in the features of the frozen backbone, without any adapter |
# | composed, random task | a control: the composed modules, but the task is drawn at random |
#
# The learning rates of *composed* and *separate* were chosen from four: 0.0003, 0.001, 0.003 and 0.01. For this choice
# we used the validation images of another split, which is not used for the results.
#
# The next cells define functions for the methods with modules, for those without adapters, and for the comparison.

# %%
from workbench.runs.studies import RESULTS

study = json.loads((RESULTS / "composition.json").read_text())  # by scripts/study_composition.py
OPTIONS = {"composed": {"orthogonality": 0.5}, "no reuse": {"reuse": "none"}}


def with_modules(stream, variant):
    """A learner with a module for each task, trained at the rate that the study chose."""
    made = wb.make_learner(replace(config, tasks=len(stream), options=OPTIONS[variant]), stream)
    for task in stream.tasks:
        learn(made, task, study[f"parts: {variant}, {len(stream)} tasks"]["rate"])
    return made


# %%
from workbench.retrieval.classifiers import MomentClassifier


def without_adapter(stream, model, rule, images):
    """Classes of images by a simple classifier on frozen features: (random matrices, images)."""
    answers = []
    for seed in config.seeds if rule == "ranpac" else (0,):
        classifier = MomentClassifier(rule, projections=500, random_state=seed)
        for task in stream.tasks:
            features = model.features(task.train.x, ["__base__"])[:, 0].double()
            classifier.partial_fit(features, task.train.y.numpy())
        answers.append(classifier.predict(model.features(images, ["__base__"])[:, 0].double()))
    return torch.tensor(np.array(answers))


# %%
def compare(tasks):
    """Correct answers of each method, shape (seeds, images), and where the task is found."""
    digits = wb.make_stream("digits-tasks", tasks=tasks)
    composed, separate = (with_modules(digits, variant) for variant in OPTIONS)
    x, y = (torch.cat([getattr(task.test, name) for task in digits.tasks]) for name in "xy")
    truth = torch.cat([torch.full((len(task.test),), task.index) for task in digits.tasks])
    random = torch.as_tensor(np.random.default_rng(0).integers(tasks, size=len(x)))
    found = composed.retrieve(x)
    classes = {"composed, task told": composed.predict(x, truth.expand(5, -1)).argmax(-1),
               "RanPAC": without_adapter(digits, composed.model, "ranpac", x),
               "composed": composed.predict(x, found).argmax(-1),
               "separate": separate.predict(x, separate.retrieve(x)).argmax(-1),
               "nearest mean": without_adapter(digits, composed.model, "ncm", x),
               "composed, random task": composed.predict(x, random.expand(5, -1)).argmax(-1)}
    return {name: answers == y for name, answers in classes.items()}, found == truth


# %%
from workbench.plots import describe, percent_over_seeds, plot_dots

results = {tasks: compare(tasks) for tasks in (3, 5)}
accuracies = {f"{tasks} tasks": {name: right.double().mean(1).numpy()
                                 for name, right in answers.items()}
              for tasks, (answers, _) in results.items()}
dots = {label: {name: (values.mean(), *(np.clip(seed_interval(values), 0, 1) if len(values) > 1
                                        else [values.mean()] * 2)) for name, values in one.items()}
        for label, one in accuracies.items()}
drawn = plot_dots(dots, plt.subplots(figsize=(8, 3.8))[1], "Accuracy after the last task",
                  "accuracy (%), 95 % intervals over five seeds")
wb.show(describe(drawn, "Accuracy of six methods, 3 and 5 tasks. The oracle is highest, the random "
                 "task lowest. RanPAC, composed and separate are close together. The next cell "
                 "prints all numbers."))

# %%
print(pd.DataFrame(accuracies).map(percent_over_seeds).to_string())

# %% [markdown]
# The numbers printed at the right edge of the figure are for three tasks. The intervals are over five seeds, with the
# same split of the images: for other test images the uncertainty is larger. *Nearest mean* uses no random numbers, so
# it has no interval.
#
# The next cell takes differences between two methods, seed by seed. If the 95 % interval of a difference contains 0, we
# cannot say which method is better.

# %%
three, five = accuracies.values()
low, high = 100 * np.array(seed_interval(three["composed"] - three["separate"]))
ridge = [100 * np.array(seed_interval(one["RanPAC"] - one["composed"])) for one in (three, five)]
verdict("3 tasks: the whole method is right for at least 94 % of the images, and for at least 98 % "
        "if the task is told.",
        three["composed"].mean() >= 0.94 and three["composed, task told"].mean() >= 0.98)
verdict(f"3 tasks, composed minus separate: the 95 % interval, paired over seeds, is {low:+.1f} "
        f"to {high:+.1f} points. It contains 0.", low < 0 < high and high - low < 10)
verdict("accuracy of RanPAC minus accuracy of composed: the 95 % interval is " + " and ".join(
    f"{ends[0]:+.1f} to {ends[1]:+.1f} points for {tasks} tasks"
    for ends, tasks in zip(ridge, (3, 5), strict=True)) + ". Both intervals contain 0.",
    all(ends[0] < 0 < ends[1] for ends in ridge))

# %% [markdown]
# A random module is the right one for one third of the images with three tasks, and for one fifth with five. But 46 %
# and 63 % of the answers are right: the global head knows all classes, so a wrong module can still give the right
# class.
#
# To find the task, the whole method sends an image through the backbone once with each module. RanPAC sends it once.
# [Composition compared](more/composition_compared.ipynb) shows eleven more methods, more variants, and all costs.
#
# ### Where are the errors?
#
# As in notebook 09, we split the accuracy of the whole method into the choice of the task and the answer. In the table,
# P(right | task right) is the share of right answers among the images whose task is found.

# %%
parts = {}
for tasks, (answers, is_found) in results.items():
    right = answers["composed"]
    parts[f"{tasks} tasks"] = {
        "P(task right)": is_found.double().mean(),
        "P(right | task right)": right[is_found].double().mean(),
        "P(right | task wrong)": right[~is_found].double().mean()}
print(pd.DataFrame(parts).map(percent).to_string())
verdict("most errors are errors of retrieval: with the right task, more than 98.5 % of the answers "
        "are right.",
        min(one["P(right | task right)"] for one in parts.values()) > 0.985)

# %% [markdown]
# If the retriever chooses a wrong task, the answer is nearly always wrong.
#
# ## Which part raises the accuracy?
#
# `scripts/study_composition.py` measured variants of the method on five splits of the images, with three seeds each.
# The learning rate of each variant was chosen as above, on the validation images of a sixth split. These are the
# variants:
#
# | variant | coefficients of earlier units | penalty |
# |---|---|---|
# | separate | all fixed at 0 | no |
# | reuse (learned reuse alone) | learned | no |
# | coefficients 1 | all fixed at 1 | no |
# | orthogonal, no reuse (the penalty alone) | all fixed at 0 | yes |
# | composed | learned | yes |
#
# The figure shows the accuracy of the last four variants minus the accuracy of *separate*, in points. The table under
# the figure has the same numbers: the mean difference, and in brackets its 95 % interval over the five splits.

# %%
from workbench.plots import plot_differences

VARIANTS = ("reuse", "coefficients 1", "orthogonal, no reuse", "composed")


def gain(variant, tasks, measure="accuracy"):
    """Points by which a variant is better than separate adapters, on each split."""
    return 100 * np.subtract(*(study[f"parts: {name}, {tasks} tasks"][measure]
                               for name in (variant, "no reuse")))


# %%
figure_2, axes_2 = plt.subplots(1, 2, figsize=(9, 2.8), sharex=True, sharey=True)
numbers = {}
for ax, tasks in zip(axes_2, (3, 5), strict=True):
    gains = {name: gain(name, tasks) for name in VARIANTS}
    plot_differences(gains, ax, f"Accuracy, {tasks} tasks", "difference to separate, in points")
    describe(ax, f"Four variants minus separate, {tasks} tasks. All differences are below two "
             "points. The table has the numbers.")
    numbers[f"{tasks} tasks"] = {
        name: "{:+.1f} ({:+.1f} to {:+.1f})".format(points.mean(), *seed_interval(points))
        for name, points in gains.items()}
wb.show(figure_2)
print(pd.DataFrame(numbers).to_string())

# %%
penalty, more_found = (seed_interval(gain("orthogonal, no reuse", 5, measure))
                       for measure in ("accuracy", "retrieval"))
told = [np.mean(study[f"parts: {name}, {tasks} tasks"]["oracle"])
        for name in ("no reuse", *VARIANTS) for tasks in (3, 5)]
verdict("learned reuse alone: the upper end of the 95 % interval of its gain is below half a "
        "point, with 3 and with 5 tasks.",
        max(seed_interval(gain("reuse", tasks))[1] for tasks in (3, 5)) < 0.5)
verdict(f"5 tasks, orthogonal penalty alone: the accuracy rises by {penalty[0]:.1f} to "
        f"{penalty[1]:.1f} points. The share of images whose task is found rises by "
        f"{more_found[0]:.1f} to {more_found[1]:.1f} points (95 % intervals).",
        penalty[0] > 0.5 and more_found[0] > 0.5)
verdict("3 tasks: the 95 % interval of the gain by the penalty alone contains 0.",
        np.prod(seed_interval(gain("orthogonal, no reuse", 3))) < 0)
verdict(f"if the task is told, every variant is right for {100 * min(told):.1f} to "
        f"{100 * max(told):.1f} % of the images.", min(told) > 0.98)

# %% [markdown]
# Write a function that computes such an interval from differences. In the exercise the pairs belong to seeds instead of
# splits.
#
# {{exercise worth_composing}}

# %%
def worth_composing(with_reuse, without):
    ...


check("worth_composing", worth_composing)

# %% [markdown]
# {{solution worth_composing}}
#
# **Do learned coefficients help?** We measure no gain. With three tasks, *reuse* is 0.4 points less accurate than
# *separate*. With five tasks the difference is about 0. With the penalty they do not help either: with five tasks
# *composed* gains 0.7 points, and the penalty alone 1.2.
#
# **Why not?** If the task is told, separate adapters are already right for 99 % of the images. So there is almost
# nothing to gain after the right task is found. Most errors are errors of retrieval, and learned coefficients alone do
# not increase the share of images whose task is found.
#
# **Is orthogonality the reason for the gain with five tasks?** We do not know. *Coefficients 1* has no penalty, and
# gains 0.8 points. So a gain is also possible without the penalty.
#
# **Do the results depend on the choice of the learning rates?** Possibly. With five tasks the smallest of the four
# rates was best for every variant, so a still smaller rate might change the differences. With three tasks *separate*
# has another rate (0.0003) than the other variants (0.001). So there the rate may cause a part of the differences.
#
# **Does reuse help where tasks share parts?** [Reuse in depth](more/reuse_in_depth.ipynb) tests this with turned and
# inverted digits. It measures no gain either, but it cannot exclude a gain of two points.
#
# ## An image of an unseen task
#
# Suppose an image belongs to a task that was never learned. The retriever still chooses a known task, so the answer is
# wrong. One can reject an image if its conformal set (notebook 10) is empty. With $\alpha=0.1$ this rejects 53 % of the
# images of unseen tasks (95 % interval: 33 % to 72 %). The first lesson of the next table measures it.
#
# ## Where it breaks
#
# | lesson | content |
# |---|---|
# | [Where it breaks: finding the task](more/composition_failures.ipynb) | four cases in which the task is not found, for example tasks that overlap |
# | [Where it breaks: the answer](more/composition_failures_answer.ipynb) | three cases in which the answer is wrong, for example an adapter that makes its features small |
# | [Composition on messages](more/composition_of_intents.ipynb) | messages to eight assistants, read by a language model |
# | [Does an earlier task help?](more/composition_of_intents_transfer.ipynb) | whether a task is learned better after another task of the same assistant |
# | [Retrieval of language skills](more/retrieval_of_skills.ipynb) | finding the skill of a question from the hidden states of a language model |
# | [Composed modules for language skills](more/composition_of_skills.ipynb) | one composed module for each of three skills of a language model, beside SDFT (lesson 05) and replay (lesson 08) |
#
# ## What to remember
#
# - A composed module is a sum of earlier units with coefficients and a new part. It is exactly an ordinary adapter, and
#   no later task changes it.
# - On these tasks **learned coefficients bring no gain that we can measure**. The modules are good enough without them.
# - With five tasks the **orthogonal penalty**, with the orthogonal initialisation, raises the accuracy by about one
#   point: the task of more images is found. This needs no reuse.
# - Most errors are errors of retrieval. RanPAC is about as accurate. It needs no adapter, and sends each image through
#   the backbone once.
#
# ## What the paper claims, and what this lesson did
#
# A public review of PROTEUS describes each new adapter as "a selective combination of past adapters plus a new,
# orthogonal component". Reviewers also asked for the gain of the orthogonal part without reuse. This lesson measures
# it, on small data. **The paper's tables are not reproduced**: they need a large vision transformer and its data sets.
# The authors' code for this part is not public. From public reviews and other published code we reconstructed the
# formula of the module, the penalty, and two details: each unit has one coefficient, and the penalty uses the rows of
# $A$, not the columns of $B$. Two things are our own: the learning rate of the coefficients, and the orthogonal
# initialisation.
#
# **What would change your mind?** Suppose learned coefficients raise the accuracy by several points, and each variant
# has a well chosen learning rate. Then reuse would be useful. One should test this with a larger backbone, and with
# tasks that are hard to learn from few examples.
#
# ## Try it yourself
#
# - The option `faster` is the factor 30 of the coefficients. Set it to 1:
#   `slow = wb.make_learner(replace(config, options={"orthogonality": 0.5, "faster": 1.0}), stream)`. Let `slow` learn
#   the three tasks with `learn`. How large are the coefficients in `slow.model.modules(0)[2].coefficients`?
# - `workbench run --stream digits-tasks --learner composed --option orthogonality=0.5 --out my-run`: which folders of
#   peft does it write, and what is the rank of the last one?
#
# ## Limits
#
# One small backbone and tiny images, in three or five easy tasks: there is little room for reuse to help. All splits
# use the same 1,797 digits, so for new digits the uncertainty is larger than the intervals show. The weight of the
# penalty was not searched. Rates were chosen from four, and the best may lie outside. We show many intervals without a
# correction for their number, so one of them can miss the true value by chance.
#
# **Next:** 12 Your own task (to come).
