# %% [markdown]
# # 9. Adapters and routing
#
# > **Claim you can check:** an *adapter* is a small set of extra weights for a network. Each task gets its own adapter,
# > and training on later tasks does not change it. But for each input one adapter must be chosen. With the right
# > adapter the accuracy is 99 %; with a random adapter it is 33 %. A method that learns to choose can forget: after two
# > more tasks, the method *prompt-pool* finds the right adapter for no image of the first task.
#
# | | |
# |---|---|
# | **Objectives** | put adapters on a frozen network with the library peft · show that earlier adapters do not change · measure how often the right adapter is chosen, and how often the answer is right · compare with simple baselines, and count the passes through the backbone |
# | **Prerequisites** | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb), [02 Measuring retention](02_measuring_retention.ipynb) |
# | **Time** | 45 minutes to read and to do the exercise, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import describe, draw_band, percent, percent_over_seeds, plot_dots
from workbench.plots.display import over_seeds

wb.prepare_notebook()

# %% [markdown]
# ## A backbone and three tasks
#
# A **backbone** is a pretrained network. Its weights are *frozen*: they do not change any more. Our backbone has two
# linear layers and a layer norm. It turns an image into 64 numbers, the **features** of the image. It was pretrained on
# turned images of the digits 0 to 3: it had to name the digit and the turn.
#
# Three tasks come one after another. Each has two new digits: first 4 or 5, then 6 or 7, then 8 or 9. A test image can
# show any of the six digits, and nobody tells the model its task. Lesson 01 called this the *class scenario*.

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
# In the code, the six digits 4 to 9 have the labels 0 to 5. So `label // 2` is the number of the task: 0, 1 or 2.
#
# ## One adapter for each task
#
# A **LoRA adapter** (low-rank adaptation) adds a small update $s\,BA$ to the weight matrix $W$ of a layer. The layer
# then uses $W + s\,BA$. The matrix $A$ has $r$ rows, and $B$ has $r$ columns; $r$ is the *rank*. Only $A$ and $B$ are
# trained. The scale is $s$ = `lora_alpha` / $r$, here 2. At the start $B$ is zero, so a new adapter changes nothing.
# The library peft can put several adapters on one model, each with a name.
#
# Each task also gets a **head**: a linear layer that turns the features into logits, one for each of its two digits.

# %%
from peft import LoraConfig, get_peft_model

from workbench.models.backbones import load_backbone

torch.manual_seed(0)  # peft fills A with PyTorch's random numbers
settings = LoraConfig(r=4, lora_alpha=8, target_modules=["hidden", "output"])
model = get_peft_model(load_backbone("digits"), settings, adapter_name="task0")
model.add_adapter("task1", settings)
model.add_adapter("task2", settings)
heads = [nn.Linear(64, 2) for _ in stream.tasks]
trained, total = model.get_nb_trainable_parameters()  # one adapter is trainable at a time
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
        loss = F.cross_entropy(logits, task.train.y[rows] - 2 * task.index)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %% [markdown]
# Right after the training of a task, we store the logits for its test images. After the last task we compute these
# logits again, and compare.

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
verdict("each adapter gives the same logits as right after its training, equal in every bit.",
        all(torch.equal(a, b) for a, b in zip(at_the_time, at_the_end, strict=True)))

# %% [markdown]
# The figure shows the trained adapter of task 0 in the layer `output`. Each number is a pixel, and all matrices have
# the same colours: red is negative, blue is positive. The update $s\,BA$ has as many numbers as $W$, but it is
# computed from the few numbers of $B$ and $A$. Here $r$ = 4, so each row of the update is a weighted sum of the four
# rows of $A$.

# %%
layer = model.base_model.model.output
W, B, A = (part.weight.detach().numpy() for part in (
    layer.base_layer, layer.lora_B["task0"], layer.lora_A["task0"]))
matrices = {"W, frozen": W, "B": B, "A": A, "sBA, added to W": 2 * B @ A}  # the scale s is 2
canvas, starts = np.full((64, 448), np.nan), [0, 150, 176, 320]
lora_axes = Figure(figsize=(9.5, 2), layout="constrained").subplots()
for (name, matrix), x in zip(matrices.items(), starts, strict=True):
    (rows, columns), y = matrix.shape, 32 - len(matrix) // 2
    canvas[y:y + rows, x:x + columns] = matrix
    lora_axes.text(x + columns / 2, -6, name, ha="center")
    lora_axes.text(x + columns / 2, 76, f"{matrix.size:,} numbers", ha="center", fontsize=9)

# %%
lora_axes.imshow(canvas, cmap="RdBu", vmin=-0.3, vmax=0.3, interpolation="nearest")
lora_axes.set(ylim=(80, -16))
lora_axes.axis("off")
wb.show(describe(lora_axes, "Heat maps of four matrices: " + "; ".join(
    f"{name}, {len(matrix)} by {matrix.shape[1]}, {matrix.size:,} numbers of mean size "
    f"{np.abs(matrix).mean():.2f}" for name, matrix in matrices.items()) + "."))

# %% [markdown]
# Nothing is forgotten, because the training of a later task does not touch the earlier adapters. But we told the model
# the task of each image. A method that is told something unknown in practice is called an **oracle**.
#
# ## Which adapter?
#
# **Task retrieval**, or **routing**, chooses a task from the image alone, and so an adapter. A method that does this is
# called a **retriever**. We begin with two extreme cases: the oracle, and a random choice.
#
# From here on we use the package's learner `adapters`. It trains one adapter and one head for each task, with the
# settings from above and with five seeds. The head of the chosen task answers. All seeds share the backbone and the
# split into training and test images. The brackets below are 95 % intervals for the mean over seeds.

# %%
SEEDS = (0, 1, 2, 3, 4)
config = wb.RunConfig(stream="digits-tasks", learner="adapters", retriever="random", seeds=SEEDS,
                      steps=150, lr=3e-3, options={"head": "task"})
# The results of the retriever "random" are not used: below we choose the tasks ourselves.
learner = wb.make_learner(config, stream)
wb.run_stream(learner, stream, config)
images = torch.cat([task.test.x for task in stream.tasks])
labels = torch.cat([task.test.y for task in stream.tasks])
true_task = labels // 2

# %%
def is_right(tasks):
    """Return whether each answer is right if image i gets the adapter of task `tasks[seed, i]`."""
    return (learner.predict(images, tasks).argmax(-1) == labels).double().numpy()


def accuracy(tasks):
    """Return the accuracy of each seed, with the tasks of `is_right`."""
    return is_right(tasks).mean(1)

# %% [markdown]
# What happens if every image gets the adapter and the head of the same task? A cell of the figure is the mean over five
# seeds. The oracle takes the cells of the diagonal. A random choice takes the three cells of a row equally often.

# %%
from workbench.plots.sequences import plot_stages

same_adapter = pd.DataFrame({
    f"adapter for {task.name}": is_right(torch.full((5, len(images)), task.index)).mean(0)
    for task in stream.tasks}).groupby(true_task.numpy()).mean()
same_adapter.index = [f"images of {task.name}" for task in stream.tasks]
wb.show(plot_stages(same_adapter, Figure(figsize=(6, 2.5)).subplots(),
                    "Images with the right digit (%)"))

# %%
rng = np.random.default_rng(0)
oracle = accuracy(true_task.expand(5, -1))
at_random = accuracy(torch.tensor(rng.integers(3, size=(5, len(images)))))
print("accuracy with the right adapter: ", percent_over_seeds(oracle))
print("accuracy with a random adapter:  ", percent_over_seeds(at_random))
verdict("the accuracy with a random adapter is a third of the oracle's accuracy.",
        abs(at_random.mean() - oracle.mean() / 3) < 0.03)

# %% [markdown]
# Here a wrong adapter always gives a wrong answer, because the head of another task does not have the right digit. In
# general, an answer can be right even with the adapter of a wrong task:
#
# $$P(\text{right}) = P(\text{task right})\,P(\text{class right}\mid\text{task right})
#   + P(\text{task wrong})\,P(\text{class right}\mid\text{task wrong}).$$
#
# "Task right" means that the right task was chosen. "Class right" means that the answer, here the digit, is right.
# These shares show whether the errors come from the choice of the task or from the head.
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
# A first idea: let every adapter and its head answer, and choose the task of the most confident head. Confidence is
# often measured by the **entropy** of a head's probabilities, for example in TUNA ([arXiv
# 2508.08165](https://arxiv.org/abs/2508.08165)). A low entropy means a confident head. Each head has only two digits.
# So the head with the lowest entropy is the head that gives the largest probability to its answer.
#
# How confident is each head on images of its own task, and on images of other tasks? The figure shows seed 0.

# %%
with torch.no_grad():  # probabilities of each head: shape (images, heads, outputs)
    largest = learner.routers[0].probabilities(images).max(-1)
own_task = true_task[:, None].numpy() == np.arange(3)
groups = {"images of the head's own task": largest[own_task],
          "images of another task": largest[~own_task]}

# %%
figure_2 = Figure(figsize=(7, 2.6), layout="constrained")
ax = figure_2.subplots()
ax.hist(list(groups.values()), np.linspace(0.5, 1, 11), label=list(groups),
        color=["#0072B2", "#D55E00"],
        weights=[np.full(len(values), 100 / len(values)) for values in groups.values()])
ax.set(xlabel="probability that a head gives to its answer", ylabel="share of images (%)",
       title="How sure are the heads of their answers?")
ax.legend(frameon=False)
above = (f"{percent((values > 0.95).mean())} of {name}" for name, values in groups.items())
describe(ax, f"Histograms of the probability of the answer: above .95 for {', '.join(above)}.")
wb.show(figure_2)

# %% [markdown]
# The head for 4 and 5 was never trained on an 8. It must still answer 4 or 5, and often it is very sure. **So a
# confident head can be the head of a wrong task.** But confidence contains some information: a head gives more than
# 0.95 to its answer for 98 % of the images of its own task, and for 72 % of the other images.
#
# ## Six methods of task retrieval
#
# We compare six retrievers, with the same trained adapters.
#
# Two retrievers train **keys**. A key is a vector of 64 numbers, like the backbone's features of an image. Training
# moves keys towards the features of training images. A test image gets the task of the key that is nearest to its
# features.
#
# - **prompt-pool** follows L2P (Wang et al., CVPR 2022). All tasks share ten keys. Each training image moves its five
#   nearest keys. In L2P a key does not belong to a task, so we add a rule. After each task we check each key: do at
#   least half of the task's images have this key among their five nearest keys? If yes, the key now belongs to this
#   task, even if it belonged to an earlier task. Keys without a task are not used for test images.
# - **prompt-keys** follows DualPrompt (Wang et al., ECCV 2022). Each task has one key. Only the images of this task
#   train it.
#
# One retriever uses the heads:
#
# - **entropy** takes the task of the most confident head, as above.
#
# Two retrievers describe each task by two Gaussian distributions, called *clusters*, which are fitted to the features
# of its training images. A test image gets the task whose cluster has the highest probability density at the features
# of the image. Lesson 10 explains these retrievers.
#
# - **gmm** (Gaussian mixture model): each task's clusters use features that are computed with the adapter of this task.
#   So a test image has three sets of features, one for each adapter.
# - **gmm, shared**: the features are those of the backbone without an adapter.
#
# One retriever first predicts the digit:
#
# - **ranpac** follows RanPAC (McDonnell et al., NeurIPS 2023), a classifier without adapters. It multiplies the
#   backbone's features by a fixed random matrix, and sets negative values to 0. The results are 500 *random features*.
#   A ridge regression (least squares with a penalty on large weights) predicts the digit from them. The task of this
#   digit is chosen.

# %%
from workbench.learners.routing import Router
from workbench.retrieval.signatures import Signature

SIGNATURE = Signature("gmm", clusters=2, ridge=0, shrinkage=0.1)  # lesson 10 explains this


def choose(name, adapted=True):
    """Return the tasks that a retriever chooses for the test images: shape (seeds, images)."""
    routers = [Router(learner.model, i, name, SIGNATURE, "log_density", adapted) for i in SEEDS]
    for router in routers:
        for task in stream.tasks:
            router.learn(task)
    return torch.tensor(np.array([router.choose(images) for router in routers]))

# %%
from workbench.models.adapted import BASE  # the backbone without an adapter
from workbench.retrieval.classifiers import MomentClassifier


def ranpac(seed):
    """Return the labels that RanPAC predicts for the test images."""
    ridge = MomentClassifier("ranpac", projections=500, random_state=seed)
    for task in stream.tasks:
        ridge.partial_fit(learner.model.features(task.train.x, [BASE])[:, 0], task.train.y)
    return ridge.predict(learner.model.features(images, [BASE])[:, 0])

# %%
predicted = torch.tensor(np.array([ranpac(seed) for seed in SEEDS]))
chosen = {name: choose(name) for name in ("prompt-pool", "prompt-keys", "entropy", "gmm")}
chosen |= {"gmm, shared": choose("gmm", adapted=False), "ranpac": predicted // 2}
right_task = {name: (tasks == true_task).double().mean(1).numpy()
              for name, tasks in chosen.items()}

# %%
figure_3 = Figure(figsize=(8, 2.9), layout="constrained")
plot_dots({"three tasks": {name: over_seeds(shares) for name, shares in right_task.items()}},
          figure_3.subplots(), "How often does each method find the task?",
          "test images with the right task (%), 95 % intervals over seeds",
          reference=("random choice", 1 / 3))
wb.show(figure_3)
verdict("prompt-pool is no better than a random choice.", right_task["prompt-pool"].mean() < 0.36)
verdict("'gmm, shared' and ranpac find the right task for more than 95 % of the images.",
        min(right_task[name].mean() for name in ("gmm, shared", "ranpac")) > 0.95)

# %% [markdown]
# For the choice *gmm, shared* and *ranpac* use no adapter, and *gmm* uses all three. We did not tune the settings of
# the two methods with keys, so other settings may work better.
#
# ### Shared keys forget
#
# Why does *prompt-pool* fail? We take only the test images of the first task. After each task, we measure how often the
# right task is chosen for these images (left). On the right is the task of each of the ten shared keys, for seed 0.

# %%
from workbench.retrieval.prompt_pool import PromptPool


def follow_keys(per_task, seed):
    """Return, after each task, the share of task 0 with the right task, and each key's task."""
    pool, shares, owners = PromptPool(per_task=per_task, random_state=seed), [], []
    for task in stream.tasks:
        shared = learner.routers[seed].shared  # computes the backbone's features
        pool.partial_fit(shared(task.train.x), np.full(len(task.train), task.index))
        shares.append(float((pool.predict(shared(stream.tasks[0].test.x)) == 0).mean()))
        owners.append(pool.owners_)
    return shares, owners

# %%
from workbench.plots.styles import COLOURS, look

keys = {name: np.array([follow_keys(per_task, seed)[0] for seed in SEEDS])
        for name, per_task in (("prompt-pool", False), ("prompt-keys", True))}
after = [f"after {task.name}" for task in stream.tasks]
figure_4 = Figure(figsize=(9.5, 2.8), layout="constrained")
curves, key_tasks = figure_4.subplots(1, 2)
for k, (name, shares) in enumerate(keys.items()):
    draw_band(curves, range(3), shares, name, bounded=True, **look(k))
    curves.text(2, 100 * shares[:, 2].mean() + 5, name, color=COLOURS[k], ha="right")
curves.set_xticks(range(3), after)
curves.set(ylim=(-4, 104), ylabel="right task (%)", title="Images of the first task")
_ = describe(curves, "Curves, images of the first task with the right task. " + "; ".join(
    f"{name}: " + ", ".join(map(percent, shares.mean(0))) for name, shares in keys.items()) + ".")

# %%
from matplotlib.colors import ListedColormap

owners = np.array(follow_keys(per_task=False, seed=0)[1])  # -1: a key without a task
key_tasks.imshow(owners, ListedColormap(["#e4e4e4", *COLOURS[:3]]), aspect="auto", vmin=-1)
for (row, key), owner in np.ndenumerate(owners):
    key_tasks.text(key, row, owner if owner >= 0 else "–", ha="center", va="center",
                   color="white" if owner >= 0 else "black")
key_tasks.set_yticks(range(3), after)
key_tasks.set(xticks=range(10), xlabel="key (–: no task)", title="prompt-pool: the task of a key")
key_tasks.grid(False)
describe(key_tasks, "The tasks of the ten keys of prompt-pool, -1 for none. " + ". ".join(
    f"{name}: {', '.join(map(str, row))}" for name, row in zip(after, owners, strict=True)) + ".")
wb.show(figure_4)

# %%
wb.show_numbers(pd.DataFrame({name: map(percent_over_seeds, shares.T)
                              for name, shares in keys.items()}, after), "images of the first task")
verdict("after two more tasks, prompt-pool chooses a wrong task for every image of the first task.",
        keys["prompt-pool"][:, 2].max() == 0)

# %% [markdown]
# With seed 0, each task takes over the same five keys. A likely reason: the first task moves five keys towards its
# images, and the other five keys stay random. So the moved keys are also nearest for images of later tasks. In the end
# all five keys belong to the last task. The adapters have not changed, but only the last adapter is chosen. **The
# retriever has forgotten, not the adapters.** This result depends on our rule. It says nothing about the original L2P,
# which does not choose a task.
#
# With *prompt-keys*, a key does not change after its task. But each new task adds a key. For about half of the first
# task's images the key of a later task is nearer, so these images get a wrong task.
#
# ## Accuracy and cost of all methods
#
# The last figure compares the six retrievers with a random adapter, the oracle, and four methods that choose no
# adapter:
#
# - **sequential** trains a single adapter and one head with six outputs on one task after another. Lesson 01 trained a
#   whole network in this way.
# - **merged** replaces the three adapters by their mean. The three heads give six logits, and the largest logit is the
#   answer.
# - **RanPAC, no adapter** answers with the digit that RanPAC predicts. This is the same ridge regression as in the
#   retriever *ranpac*.
# - **joint** trains a single adapter on the images of all tasks so far. It must also store these images.
#
# Beside each name stands the number of *passes*: how often an image goes through the backbone. A retriever with two
# passes needs one for the choice and one for the answer. The dotted line is the oracle.

# %%
@torch.no_grad()
def merged_accuracy(seed):
    """Return the accuracy of one seed with the mean of its three adapters."""
    adapters = [names[seed] for names in learner.model.adapters]
    peft_model = learner.model.with_adapter(None).model
    # "cat": the new update is the weighted sum of the three updates.
    peft_model.add_weighted_adapter(adapters, [1 / 3] * 3, f"mean-{seed}", "cat")
    features = learner.model.with_adapter(f"mean-{seed}")(images)
    # `head` returns six logits: the two of head k, and very low values for the other digits.
    logits = torch.stack([learner.model.head(features, k, seed) for k in range(3)]).amax(0)
    return float((logits.argmax(1) == labels).double().mean())

# %%
one_config = replace(config, learner="finetune", options={})
sequential, joint = (wb.run(replace(one_config, learner=name)).accuracy[:, -1].mean(1)
                     for name in ("finetune", "joint"))
methods = {"random adapter": at_random, "sequential": sequential,
           "merged": np.array([merged_accuracy(seed) for seed in SEEDS]),
           **{name: accuracy(tasks) for name, tasks in chosen.items()},
           "RanPAC, no adapter": (predicted == labels).double().mean(1).numpy(),
           "joint": joint, "oracle": oracle}

# %%
passes = dict.fromkeys(methods, 1)
passes |= dict.fromkeys(("prompt-pool", "prompt-keys", "gmm, shared", "ranpac"), 2)
passes |= {"entropy": 3, "gmm": 3}

# %%
named = {f"{name} ({passes[name]})": over_seeds(values) for name, values in methods.items()}
wb.show(plot_dots({"all": named}, Figure(figsize=(8, 4.4)).subplots(),
                  "Accuracy, and passes in brackets",
                  "images with the right digit (%), 95 % intervals over seeds",
                  reference=("oracle", oracle.mean())))
wb.show_numbers(pd.DataFrame({"right digit": {name: percent_over_seeds(values)
                                              for name, values in methods.items()},
                              "passes": passes}), "accuracy and passes")
verdict("gmm reaches at least 93 %; merged, entropy and both methods with keys stay below 85 %.",
        methods["gmm"].mean() >= 0.93 and max(methods[name].mean() for name in (
            "merged", "entropy", "prompt-pool", "prompt-keys")) < 0.85)
verdict("RanPAC without an adapter is within 3 points of gmm.",
        abs(methods["RanPAC, no adapter"].mean() - methods["gmm"].mean()) < 0.03)

# %% [markdown]
# *gmm, shared* reaches 98 %, and *RanPAC, no adapter* 95 % with a wide interval. All five seeds use one split
# of the images. **So this figure cannot tell whether *gmm, shared* is better or worse than RanPAC without an adapter.**
# The lesson [Adapters compared](more/adapters_compared.ipynb) uses five splits, and one head for all six digits. It
# compares both *gmm* retrievers with RanPAC without an adapter. Both 95 % intervals for the difference in accuracy
# contain 0.
#
# Even a perfect choice, that of the oracle, gains only about four points over *RanPAC, no adapter*.
#
# *entropy* and *gmm* need one pass for each adapter: with 64 tasks, these are 64 passes. *RanPAC, no adapter* needs
# only one pass, but it stores about seven times as many numbers as *gmm* (*Adapters compared* counts them). RanPAC
# needs most of these numbers only to learn further tasks.
#
# The lesson [One adapter for all tasks](more/one_adapter_for_all_tasks.ipynb) changes *sequential*: a ridge regression
# replaces the head, and the learning rate is much smaller. Then *sequential*, *gmm* and RanPAC without an adapter are
# about equally accurate. But training hardly changes the adapter of *sequential*.
#
# ## What to remember
#
# - With one adapter per task no adapter forgets. But the choice of the adapter can fail.
# - Report how often the right task is chosen, and how often the answer is right. Show the oracle and a random choice
#   beside your method.
# - A confident head can be the head of a wrong task. Keys that all tasks train can forget the earlier tasks.
# - Show the strongest simple baseline in the same figure, and repeat the comparison on other splits. Here we found no
#   clear difference in accuracy between the two *gmm* retrievers and RanPAC without an adapter.
#
# ## Limits
#
# We used six digits of 8 by 8 pixels, one small backbone, one order of the tasks, and one split of the images. The
# intervals show only the variation between trainings. All adapters have rank 4 and one learning rate. Only the penalty
# of the ridge regression was tuned, on a fifth of the training images.
#
# **What would change your mind?**
#
# - If the most confident head were nearly as accurate as the oracle, we would need no other retriever.
# - Suppose that all tasks have the same digits, but turned or inverted (see *Try it yourself*). If *gmm* were clearly
#   more accurate there than RanPAC without an adapter, one adapter per task could be worth its cost.
#
# ## Try it yourself
#
# - `record = wb.run(wb.RunConfig(stream="digits-shifted", learner="adapters", steps=150, lr=3e-3))`: now all tasks have
#   the same digits, but turned or inverted. Does the learner confuse one task with another
#   (`record.retrieval["confusion"]`)? How far is its accuracy (`record.retrieval["accuracy"]`) from that of the oracle
#   (`record.retrieval["oracle"]`)?
# - In the cell that defines `model`, give each head six outputs instead of two. Train with `task.train.y[rows]` as the
#   target, and remove `+ 2 * k` from the line that computes the accuracy. Choose for each test image the head with the
#   lowest entropy. Does it belong to the right task more often than before?
#
# **Next:** [10 Clustered retrieval](10_clustered_retrieval.ipynb)
