# %% [markdown]
# # 11. Module composition: reuse earlier adapters, and add a new part
#
# > **Claim you can check:** the adapter of a new task can be a sum: parts of earlier adapters, each times a learned
# > coefficient, plus a new part. A penalty keeps the new part orthogonal to the earlier ones. This sum is exactly one
# > ordinary adapter, and training it does not change the earlier adapters. But **learned coefficients bring no gain that
# > we can measure.** With five tasks, separate adapters with the penalty are about one point more accurate than separate
# > adapters without it. RanPAC, a simple classifier without adapters, is about as accurate as the whole method.
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
from torch.nn import functional as F

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_differences, plot_dots

wb.prepare_notebook()

# %% [markdown]
# ## Units and their coefficients
#
# A LoRA adapter adds the product $BA$ to the weight matrix of a layer. Row $j$ of $A$, written $a_j$, and column $j$ of
# $B$, written $b_j$, form **unit** $j$. For an input $x$, the unit computes one number, the dot product $a_j\cdot x$.
# It adds this number times the vector $b_j$ to the output of the layer. The product $BA$ is the sum of its units,
# $\sum_j b_j a_j^\top$.
#
# **Module composition** is a part of the method PROTEUS ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)). Each
# task has a **module**, which is an update of the weights. The module of task $k$ is the sum of all earlier units, each
# times a number, plus a new part:
#
# $$\Delta W_k = \sum_{j \text{ earlier}} s_j\, b_j a_j^\top \;+\; B_k A_k .$$
#
# The number $s_j$ is the **coefficient** of unit $j$. The product $B_kA_k$ is the **new part**, an ordinary LoRA
# adapter. The new task trains its coefficients and its new part. The earlier units do not change.

# %%
from workbench.plots.diagrams import diagram
from workbench.plots.styles import COLOURS

wb.show(diagram("composition"), vector=True)

# %% [markdown]
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
# We take the frozen backbone and the three tasks of lesson 09: 4 or 5, then 6 or 7, then 8 or 9. Each adapter changes
# two layers, and has rank 4 in each layer. So in each layer the second task can reuse four units, and adds four new
# units.
#
# First the package trains the module of the first task.

# %%
from workbench.learners import batch_order, fit, make_optimizer

stream = wb.make_stream("digits-tasks", tasks=3)
config = wb.RunConfig(stream="digits-tasks", learner="composed", seeds=(0, 1, 2, 3, 4), steps=150,
                      lr=1e-3, options={"orthogonality": 0.5})


# %%
def learn(learner, task, rate=config.lr):
    """Train a learner on one task."""
    learner.begin(task)
    list(fit(learner, task, make_optimizer(learner, rate), steps=150, batch_size=32))  # all steps
    learner.end(task)


package = wb.make_learner(replace(config, seeds=(0,)), stream)
learn(package, stream.tasks[0])

# %% [markdown]
# Now we train the module of the second task by hand. The next cell copies the earlier units, the new part and the head
# from the package. The head turns features into logits. The coefficients begin at 0.
#
# A factor of 30 makes the coefficients learn faster. In one step Adam changes a number by about the learning rate, here
# 0.001. So a coefficient would need about 1,000 steps from 0 to 1. We train a smaller number instead, `"s / 30"`, and
# multiply it by 30.

# %%
second = stream.tasks[1]
package.begin(second)
module, backbone = package.model.modules(0)[1], package.model.backbone
hand = {}
for layer in module.layers:
    (A, B), (new_A, new_B) = module.units(layer), module.new(layer)  # new_B begins at 0
    start = {"A": A, "B": B, "s / 30": torch.zeros(4), "new A": new_A, "new B": new_B}
    hand[layer] = {name: numbers.detach().clone() for name, numbers in start.items()}
head = [numbers[0].detach().clone() for numbers in package.model.heads[1]]

# %% [markdown]
# In the next cell, the factor 2 is the scale of the adapters (lesson 09). The $B$ of the earlier units contains this
# factor already.

# %%
def changed(x, layer):
    """The output of a layer, changed by the composed module."""
    own = hand[layer]
    reused = x @ own["A"].T * (30 * own["s / 30"]) @ own["B"].T
    new = 2 * x @ own["new A"].T @ own["new B"].T
    return backbone.get_submodule(layer)(x) + reused + new


def logits_by_hand(x):
    """The logits of the two classes of the second task."""
    features = backbone.norm(changed(changed(x, "hidden").relu(), "output"))
    return (features @ head[0] + head[1])[:, list(second.classes)]


# %% [markdown]
# The loss is the cross-entropy of the two digits, plus 0.5 times a **penalty**. The penalty is the sum of the squared
# cosines between the rows of the new $A$ and the rows of the earlier $A$. It is 0 if all new rows are orthogonal to all
# earlier rows. So it keeps a new unit from repeating an earlier one. Whenever we use the penalty, the new rows are also
# orthogonal to the earlier rows when training starts (**orthogonal initialisation**).
#
# We train the coefficients, the new part and the head for 40 steps, and keep the coefficients after each step.

# %%
trained = [own[name] for own in hand.values() for name in ("s / 30", "new A", "new B")] + head
optimizer = torch.optim.Adam([numbers.requires_grad_() for numbers in trained], lr=config.lr)
s_by_hand = [torch.zeros(2, 4)]  # (layers, units), before training
for rows in batch_order(0, 1, len(second.train), steps=40, batch_size=32):
    labels = second.train.y[rows] - 2  # the classes 2 and 3 become 0 and 1
    loss = F.cross_entropy(logits_by_hand(second.train.x[rows]), labels)
    for own in hand.values():
        cosines = F.normalize(own["new A"]) @ F.normalize(own["A"]).T
        loss = loss + 0.5 * cosines.square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    s_by_hand.append(torch.stack([30 * own["s / 30"].detach() for own in hand.values()]))

# %% [markdown]
# Now the package trains the same module for the same 40 steps.

# %%
list(fit(package, second, make_optimizer(package, config.lr), steps=40, batch_size=32))
logits = package.model(second.test.x)[0, :, list(second.classes)]
verdict("our coefficients, and our logits of all test images, are equal to those of the package.",
        torch.allclose(s_by_hand[-1], module.coefficients, atol=1e-3)
        and torch.allclose(logits_by_hand(second.test.x), logits, atol=1e-3))

# %%
panels = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)[1]
for k, (ax, layer) in enumerate(zip(panels, hand, strict=True)):
    ax.set_prop_cycle(color=COLOURS)
    ax.plot(torch.stack(s_by_hand)[:, k], label=[f"unit {j}" for j in range(1, 5)])
    ax.plot([40] * 4, module.coefficients[k].detach(), "o", color="black", fillstyle="none")
    ax.set(title=f"layer “{layer}”", xlabel="steps", ylabel="coefficient")
    describe(ax, f"Coefficients of layer {layer} by hand; after 40 steps, as in the package, "
             + ", ".join(f"{s:.2f}" for s in s_by_hand[-1][k]) + ".")
wb.show(panels[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5)).figure)

# %% [markdown]
# A line is a coefficient of our module, and a circle is the same coefficient of the package.
#
# ### Later tasks change nothing
#
# Next the package learns all three tasks, with five seeds. We compare the first module and its head before and after the
# other two tasks.

# %%
learner = wb.make_learner(config, stream)
learn(learner, stream.tasks[0])
kept = {name: numbers.clone() for name, numbers in learner.model.state_dict().items()}
for task in stream.tasks[1:]:
    learn(learner, task)
after = learner.model.state_dict()
verdict("the other two tasks change no number of the first module and its head.",
        all(torch.equal(after[name], numbers) for name, numbers in kept.items()))

# %% [markdown]
# ### A composed module is an ordinary adapter
#
# To save a module, the package multiplies each earlier row of $A$ by the coefficient of its unit. Then it puts the rows
# of all $A$ into one matrix, and the columns of all $B$ into another. The result is an ordinary adapter. The library
# peft can load it without our package. Its rank is the number of all units.

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
print(f"rank {plain.peft_config['default'].r}: 2 x 4 reused units and 4 new units")
verdict("loaded by peft, the adapter gives the same features as the module.", gap < 1e-5)

# %% [markdown]
# ### Which units matter?
#
# The explorer shows the modules of seed 0. Each image gets the module of its true task. The logits come from the head
# that was trained together with this module.
#
# - The upper picture shows the coefficients of one task. Each column is a unit, and each row is a layer.
# - Each bar shows the change in accuracy if one unit is switched off.
# - Each dot shows the accuracy with the units that its label names.
#
# Choose a task, and switch units off. A unit that is off is off in both layers.

# %%
from workbench.widgets import CompositionExplorer

CompositionExplorer(learner, stream)

# %% [markdown]
# For the third task, “8 or 9”, the largest coefficient is 1.83. But if all reused units are off, nothing is lost: 88 of
# 88 images are right, and 87 with all units. If all new units are off, the accuracy falls to 91 %. So a large
# coefficient does not show that its unit helps. If all units are off, 88 % are still right: the head and the frozen
# backbone do most of the work.
#
# ## The whole method, beside simple methods
#
# Now the task of a test image is not told. The whole method has three parts:
#
# 1. a composed module for each task;
# 2. a **signature** for each task (lesson 10): two Gaussian clusters, fitted to features that are computed with the
#    module of this task. The task with the highest log density is retrieved;
# 3. one **global head** for the classes of all tasks, which replaces the heads from training. It is a ridge regression
#    on 500 random features, as in RanPAC (lesson 09). The random features of a training image are computed with the
#    module of its own task, and the random features of a test image with the retrieved module.
#
# We compare six methods:
#
# | row | method |
# |---|---|
# | composed, task told | the whole method as an oracle: it is told the true task of each image |
# | RanPAC | the same ridge regression on the features of the frozen backbone, without any adapter |
# | composed | the whole method |
# | separate | the whole method, but without reuse and without the penalty: each task has an adapter of its own |
# | nearest mean | the class with the nearest mean in the features of the frozen backbone, without any adapter |
# | composed, random task | a control: the whole method, but the task is drawn at random |
#
# The learning rates of *composed* (0.001) and *separate* (0.0003) were chosen from four rates, on the validation images
# of another split.

# %%
separate = wb.make_learner(replace(config, options={"reuse": "none"}), stream)
for task in stream.tasks:
    learn(separate, task, rate=3e-4)
x, y = (torch.cat([getattr(task.test, name) for task in stream.tasks]) for name in "xy")
truth = torch.cat([torch.full((len(task.test),), task.index) for task in stream.tasks])
drawn = torch.as_tensor(np.random.default_rng(0).integers(3, size=len(x)))  # random tasks


# %%
from workbench.retrieval.classifiers import MomentClassifier


def frozen(inputs):
    """Features of the frozen backbone, without an adapter."""
    return learner.model.features(inputs, ["__base__"])[:, 0].double()


def simple(rule, seed=0):
    """Answers of a simple classifier, which learns the frozen features task by task."""
    classifier = MomentClassifier(rule, projections=500, random_state=seed)
    for task in stream.tasks:
        classifier.partial_fit(frozen(task.train.x), task.train.y.numpy())
    return torch.as_tensor(classifier.predict(frozen(x)))


# %%
answers = {"composed, task told": learner.predict(x, truth).argmax(-1),
           "RanPAC": torch.stack([simple("ranpac", seed) for seed in config.seeds]),
           "composed": learner.predict(x).argmax(-1),  # the task is retrieved
           "separate": separate.predict(x).argmax(-1),
           "nearest mean": simple("ncm")[None],
           "composed, random task": learner.predict(x, drawn).argmax(-1)}
accuracy = {name: (classes == y).double().mean(1).numpy() for name, classes in answers.items()}

# %%
from workbench.plots.display import over_seeds

dots = {name: over_seeds(shares) for name, shares in accuracy.items()}
wb.show(plot_dots({"test images": dots}, plt.subplots(figsize=(8, 3.2))[1],
                  "Six classes, in three tasks", "accuracy (%), 95 % intervals over five seeds",
                  ("chance", 1 / 6)))
wb.show_numbers(pd.Series(accuracy).map(percent_over_seeds).to_frame("accuracy"),
                "six methods, accuracy")

# %% [markdown]
# All seeds have the same split of the images. *Nearest mean* uses no random numbers, so it has no interval. With a random
# task, 46 % of the answers are right, more than a third: the global head knows all classes, so a wrong module can still
# give the right class.
#
# Now we subtract the accuracies of two methods, seed by seed.

# %%
for name in ("separate", "RanPAC"):
    low, high = 100 * np.array(seed_interval(accuracy["composed"] - accuracy[name]))
    verdict(f"accuracy of composed minus accuracy of {name}: the 95 % interval is {low:+.1f} to "
            f"{high:+.1f} points, and contains 0.", low < 0 < high)

# %% [markdown]
# So with three tasks **the whole method is not shown to be better than separate adapters or RanPAC**. It also costs
# more: to find the task, it sends each image through the backbone three times, once with each module. RanPAC sends it
# once. [Composition compared](more/composition_compared.ipynb) adds eleven methods, and tests most methods also with
# five tasks.
#
# As in lesson 09, we ask whether the errors come from the choice of the task or from the head.

# %%
retrieved, right = learner.retrieve(x), answers["composed"] == y
found, same = retrieved == truth, answers["composed"] // 2 == retrieved
print("task right:", percent(found.double().mean()))
print("class right, if the task is right:", percent(right[found].double().mean()))
print("class right, if the task is wrong:", percent(right[~found].double().mean()))
verdict("if the task is right, more than 99 % of the answers are right.",
        right[found].double().mean() > 0.99)
verdict("more than 99 % of the answers are digits of the retrieved task.",
        same.double().mean() > 0.99)

# %% [markdown]
# Nearly all errors are errors of retrieval. If the retrieved task is wrong, no answer is right. With a random task,
# some answers were right although the task was wrong. A likely reason for the difference: a wrong task is retrieved
# only if the features of the image look like those of the wrong task. The head uses the same features, so it gives a
# digit of the wrong task.
#
# ## Which part raises the accuracy?
#
# `scripts/study_composition.py` measured variants of the method, with three tasks and with five (all ten digits). It
# used five splits of the images, with three seeds each. The learning rate of each variant was chosen from the same four
# rates, on the validation images of a sixth split.
#
# | variant | coefficients of earlier units | penalty |
# |---|---|---|
# | separate | all fixed at 0 | no |
# | reuse only | learned | no |
# | penalty only | all fixed at 0 | yes |
# | composed | learned | yes |
# | coefficients 1 | all fixed at 1 | no |
#
# The figure shows by how many points each variant is more accurate than *separate*: the mean difference, and its 95 %
# interval over the five splits.

# %%
from workbench.runs.studies import RESULTS

study = json.loads((RESULTS / "composition.json").read_text())
VARIANTS = {"reuse only": "reuse", "penalty only": "orthogonal, no reuse", "composed": "composed",
            "coefficients 1": "coefficients 1"}


def measured(variant, tasks, measure):
    """A measure of a variant on each of the five splits, in percent."""
    return 100 * np.array(study[f"parts: {variant}, {tasks} tasks"][measure])


def gain(name, tasks, measure="accuracy"):
    """Points by which a variant is better than separate adapters, on each split."""
    return measured(VARIANTS[name], tasks, measure) - measured("no reuse", tasks, measure)


# %%
def show_gains(measures):
    """Draw the differences from separate adapters in some measures, named for the titles."""
    axes = plt.subplots(len(measures), 2, figsize=(9, 0.4 + 2.4 * len(measures)), sharex=True,
                        sharey=True, squeeze=False)[1]
    table = {}
    for row, (measure, title) in zip(axes, measures.items(), strict=True):
        for ax, tasks in zip(row, (3, 5), strict=True):
            gains = {name: gain(name, tasks, measure) for name in VARIANTS}
            plot_differences(gains, ax, f"{title}, {tasks} tasks", "minus separate, in points")
            table[f"{title}, {tasks} tasks"] = {
                name: f"{points.mean():+z.1f} ({low:+z.1f} to {high:+z.1f})"
                for name, points in gains.items() for low, high in [seed_interval(points)]}
    wb.show(axes[0, 0].figure)
    wb.show_numbers(pd.DataFrame(table), f"{', '.join(measures.values())}, minus separate")

# %%
show_gains({"accuracy": "Accuracy"})

# %%
highest = max(seed_interval(gain("reuse only", tasks))[1] for tasks in (3, 5))
verdict("reuse only: both intervals in the figure end below half a point.", highest < 0.5)
more_right, more_found = (seed_interval(gain("penalty only", 5, measure))
                          for measure in ("accuracy", "retrieval"))
verdict("penalty only, five tasks: the accuracy is {:.1f} to {:.1f} points higher than with "
        "separate adapters (95 % interval).".format(*more_right), more_right[0] > 0.5)
verdict("penalty only, five tasks: the share of images whose task is found is {:.1f} to {:.1f} "
        "points higher than with separate adapters (95 % interval).".format(*more_found),
        more_found[0] > 0.5)
told = [measured(name, tasks, "oracle").mean()
        for name in ("no reuse", *VARIANTS.values()) for tasks in (3, 5)]
verdict(f"if the task is told, each variant is right for {min(told):.1f} to {max(told):.1f} % of "
        "the images.", min(told) > 98)

# %% [markdown]
# Each interval in the figure comes from five pairs of accuracies, one pair for each split. Write the function that
# computes such an interval. In the exercise there is one pair for each seed.
#
# {{exercise worth_composing}}

# %%
def worth_composing(with_reuse, without):
    ...


check("worth_composing", worth_composing)

# %% [markdown]
# {{solution worth_composing}}
#
# **Do learned coefficients help?** We measure no gain. With three tasks, *reuse only* is 0.4 points less accurate than
# *separate*. With five tasks the difference is about 0. With the penalty, learned coefficients do not help either: with
# five tasks *composed* gains 0.7 points, and *penalty only* gains 1.2.
#
# **Why not?** If the task is told, separate adapters are already right for 99 % of the images. So there is almost
# nothing to gain once the right task is found.
#
# **Why does the penalty help with five tasks?** The right task is found for more images. We do not know why. Perhaps
# orthogonality is not the reason: *coefficients 1* has no penalty, and gains 0.8 points in accuracy.
#
# **Do the results depend on the learning rates?** Possibly. With five tasks, the smallest of the four rates was best for
# every variant. With three tasks, the rate of *separate* (0.0003) is smaller than that of the other variants (0.001).
# So other rates might change the differences.
#
# **Does reuse help where tasks share parts?** [Reuse in depth](more/reuse_in_depth.ipynb) tests this with turned and
# inverted digits. It measures no gain either, but it cannot exclude a gain of two points.
#
# The figure shows two measures behind these answers: the share of images whose task is found, and the accuracy if the
# task is told.

# %%
show_gains({"retrieval": "Task found", "oracle": "Accuracy, task told"})

# %% [markdown]
# With three tasks, *reuse only* gains 0.4 points if the task is told. But it finds the task for fewer images, by 0.7
# points.
#
# ## Where it breaks, and language models
#
# | lesson | content |
# |---|---|
# | [Where it breaks: finding the task](more/composition_failures.ipynb) | four cases in which the task is not found. One case is an image of a task that was never learned: for about half of such images the method finds that they belong to no learned task |
# | [Where it breaks: the answer](more/composition_failures_answer.ipynb) | three cases in which the answer is wrong |
# | [Composition on messages](more/composition_of_intents.ipynb), [Does an earlier task help?](more/composition_of_intents_transfer.ipynb) | messages to eight assistants, read by a language model |
# | [Retrieval of language skills](more/retrieval_of_skills.ipynb), [Composed modules for language skills](more/composition_of_skills.ipynb) | skills of a language model, beside SDFT (lesson 05) and replay (lesson 08) |
#
# ## What to remember
#
# - A composed module is a sum of earlier units with coefficients and a new part. It is exactly an ordinary adapter, and
#   no later task changes it.
# - On these tasks **learned coefficients bring no gain that we can measure**.
# - With five tasks the **orthogonal penalty**, with the orthogonal initialisation, raises the accuracy of separate
#   adapters by about one point, because the right task is found for more images. This needs no reuse.
# - Nearly all errors are errors of retrieval. RanPAC is about as accurate as the whole method, needs no adapter,
#   and costs less.
#
# ## What the paper claims, and what this lesson did
#
# A public review of PROTEUS describes each new adapter as "a selective combination of past adapters plus a new,
# orthogonal component". Reviewers also asked how much the orthogonal part gains without reuse. This lesson measures
# this gain on small data. **The paper's tables are not reproduced**: they need a large vision transformer and its data
# sets. The authors' code for this part is not public. We reconstructed the module and the penalty from public reviews
# and other published code. The faster learning of the coefficients and the orthogonal initialisation are our own.
#
# **What would change your mind?** If learned coefficients gained several points, with a well-chosen learning rate for
# each variant, reuse would be useful. One should test this with a larger backbone, and with tasks that are hard to
# learn from few examples.
#
# ## Try it yourself
#
# - The option `faster` is the factor 30 of the coefficients. Set it to 1:
#   `slow = wb.make_learner(replace(config, options={"orthogonality": 0.5, "faster": 1.0}), stream)`. Let `slow` learn
#   the three tasks with `learn`. How large are the coefficients in `slow.model.modules(0)[2].coefficients`?
#
# ## Limits
#
# One small backbone and tiny images, in three or five easy tasks: there is little room for reuse to help. All splits
# use the same 1,797 digits, so for new digits the uncertainty is larger than the intervals show. We did not search the
# weight of the penalty. We show many intervals without a correction for their number, so some may miss the true value.
#
# **Next:** [12 Your own task](12_your_own_task.ipynb)
