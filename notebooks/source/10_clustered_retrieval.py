# %% [markdown]
# # 10. Clustered retrieval: which task is this input of?
#
# > **Claim you can check:** the task of an input can be found without a trained retriever. Each task is described by
# > a few Gaussian clusters, and learning more tasks changes none of them. On digits one simple classifier, RanPAC, finds
# > the task as often. One can also name a *set* of tasks for each input, and choose how often the sets must contain the
# > right task, for example 90 %. On average over random held-out inputs, this rate holds for any distribution.
#
# | | |
# |---|---|
# | **Objectives** | write a signature by hand · compare it fairly with simple baselines · make sets of tasks with a proven error rate · find a leak in an evaluation |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb), [09 Adapters and routing](09_adapters_and_routing.ipynb); means, covariances and Gaussian densities |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_dots
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature

wb.prepare_notebook()

# %% [markdown]
# ## A signature by hand
#
# In notebook 09 each task had its own adapter, and the adapter had to be chosen for each input. A **retriever** makes
# this choice: it finds the task from the input alone. We begin with a toy that has two features, so that everything
# can be drawn. Nine clusters of inputs lie on a circle. In their order on the circle, the clusters belong to task A, B,
# C, A, B, C, A, B, C.
#
# A **signature** describes the features of one task. The first signature here is a single Gaussian. Its mean $\mu$
# and its covariance $\Sigma$ are computed from the training inputs of the task. The log density of an input $x$ with
# $d$ features is
#
# $$\log p(x) = -\tfrac12\big[(x-\mu)^\top\Sigma^{-1}(x-\mu) + \log|\Sigma| + d\log 2\pi\big].$$
#
# The first term in the brackets is the square of the **Mahalanobis distance**. This distance says how many standard
# deviations $x$ is away from the mean. The standard deviation is that of the Gaussian along the line from the mean to
# $x$. $|\Sigma|$ is the determinant of $\Sigma$. The retrieved task is the task with the highest log density.
#
# The next cell computes the log density of one input for each task, by hand and with the package.

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
verdict("the log densities by hand are equal to those of the package.",
        np.allclose(by_hand, by_package))

# %% [markdown]
# One Gaussian may be too simple for a task. So we compare three kinds of signature: the mean alone (the task with the
# nearest mean is retrieved), one Gaussian, and three Gaussian clusters per task. With several clusters, the score of a
# task is the log density of its best cluster.

# %%
KINDS = {"nearest mean": ClusteredRetriever(Signature("mean"), "euclidean"),
         "one Gaussian": ClusteredRetriever(Signature("gaussian")),
         "three clusters": ClusteredRetriever(Signature("gmm", 3))}
toy_right = {name: kind.fit(toy_train.reshape(-1, 2), np.repeat(toy.names, 200)).score(
    toy_test.reshape(-1, 2), np.repeat(toy.names, 200)) for name, kind in KINDS.items()}
verdict("one Gaussian per task finds the task of less than half of the inputs (chance: a "
        "third). Three clusters per task find it for over 90 %.",
        toy_right["one Gaussian"] < 0.45 and toy_right["three clusters"] > 0.9)

# %% [markdown]
# The clusters of each task lie evenly around the circle. So the distributions of the three tasks have the same mean and
# the same covariance, and a Gaussian knows nothing else. The fitted means and covariances differ a little, because the
# training inputs are random. One Gaussian finds the task of 43 % of the inputs here, and of 36 % to 45 % with five other
# draws of the inputs (computed beforehand). This is not much more than a third.
#
# In the figure the coloured areas show the retrieved task. The points are test inputs, which were not used to fit the
# signatures.

# %%
from workbench.plots.styles import COLOURS, MARKERS

side = np.linspace(-11, 11, 160)
grid = np.stack(np.meshgrid(side, side), -1)
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.4), sharey=True)
for ax, (name, kind) in zip(axes, KINDS.items(), strict=True):
    areas = kind.scores(grid.reshape(-1, 2)).argmax(1).reshape(160, 160)
    ax.contourf(side, side, areas, [-1, 0, 1, 2], colors=COLOURS[:3], alpha=0.3)
    for k, (inputs, task) in enumerate(zip(toy_test, mixtures(toy), strict=True)):
        ax.plot(*inputs[:80].T, MARKERS[k], color=COLOURS[k], markersize=3)
        for x, y in 1.6 * task.means:
            ax.text(x, y, toy.names[k], ha="center", va="center", fontweight="bold")
    ax.set(title=f"{name}: {percent(toy_right[name])} right", xlabel="feature 1")
    describe(ax, f"Map of retrieved tasks, {name}: {percent(toy_right[name])} of inputs are right.")
wb.show(axes[0].set_ylabel("feature 2").figure)

# %% [markdown]
# ## Beside simple baselines
#
# Now we use real data: the digits, in five tasks of two digits each. The features are the 64 pixels. The next table
# lists the methods, which are the rows of the figure. The joint router gets the inputs of all tasks at once. All other
# methods learn the tasks one after another, and see each task only once. The two controls are not retrievers: they show
# the result of chance.
#
# | row | how the task is found |
# |---|---|
# | signature: mean | the nearest task mean |
# | signature: gmm | two Gaussian clusters per task (a *Gaussian mixture model*) |
# | NCM (nearest class mean) | the nearest *class* mean. The retrieved task is the task of this class |
# | RanPAC | ridge regression on random features predicts a class (notebook 09). The retrieved task is the task of this class |
# | prompt pool (L2P) | the task of the nearest key. There are ten trained keys for all tasks together (notebook 09) |
# | prompt keys (DualPrompt) | the task of the nearest key. There are five trained keys, one per task |
# | joint router | logistic regression, trained on the inputs and classes of all tasks. The retrieved task is the task of the predicted class |
# | control: random | a random guess |
# | control: tasks shuffled | signature gmm, fitted to inputs with shuffled task labels |
#
# For *signature: gmm* we compute the mean of the 64 variances of a cluster, and add a tenth of this mean to each
# variance. This keeps the variances away from 0. It is called **shrinkage**; here the shrinkage is 0.1. It was chosen on
# validation digits. (`ridge=0` in the code: we add no other number.)
#
# The function `retrieve` fits a method to the tasks, and returns the task that it finds for each new input. The cell after
# it lists the methods.

# %%
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression


def retrieve(retriever, x, task, label, new, order):
    """Learn the tasks in this order, and return the retrieved task of new inputs."""
    fitted = clone(retriever)
    if isinstance(fitted, LogisticRegression):  # all tasks at once
        owner = dict(zip(label, task, strict=True))
        return np.array([owner[predicted] for predicted in fitted.fit(x, label).predict(new)])
    for name in order:
        rows = task == name
        classes = (label[rows],) if isinstance(fitted, ClassAsTask) else ()
        fitted.partial_fit(x[rows], task[rows], *classes)
    return fitted.predict(new)

# %%
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool

gmm = ClusteredRetriever(Signature("gmm", ridge=0, shrinkage=0.1))
RETRIEVERS = {"signature: mean": ClusteredRetriever(Signature("mean"), "euclidean"),
              "signature: gmm": gmm,
              "NCM": ClassAsTask(MomentClassifier("ncm")),
              "RanPAC": ClassAsTask(MomentClassifier("ranpac")),
              "prompt pool (L2P)": PromptPool(),
              "prompt keys (DualPrompt)": PromptPool(per_task=True),
              "joint router": LogisticRegression(max_iter=3000)}

# %% [markdown]
# We repeat the comparison on five splits into training and test digits.

# %%
from workbench.tasks.digits import load_digits

splits = [load_digits(seed) for seed in range(5)]
right = {name: [] for name in [*RETRIEVERS, "control: random", "control: tasks shuffled"]}
for seed, ((x, y), _, (new, digit)) in enumerate(splits):
    rng, task = np.random.default_rng(seed), y // 2
    retrieved = {name: retrieve(method, x, task, y, new, range(5))
                 for name, method in RETRIEVERS.items()}
    retrieved["control: random"] = rng.integers(5, size=len(new))
    retrieved["control: tasks shuffled"] = retrieve(gmm, x, rng.permutation(task), y, new, range(5))
    for name, tasks in retrieved.items():
        is_right = tasks == digit // 2
        right[name].append([is_right.mean(), is_right[digit < 2].mean()])  # all, first task

# %%
shares = {name: np.array(values) for name, values in right.items()}
dots = {label: {name: (values[:, k].mean(), *np.clip(seed_interval(values[:, k]), 0, 1))
                for name, values in shares.items()}
        for k, label in enumerate(("inputs of all tasks", "inputs of the first task"))}
wb.show(plot_dots(dots, plt.subplots(figsize=(8, 4.6))[1], "After all five tasks",
                  "task found (%), 95 % intervals over five splits"))

# %%
of_all = {name: values[:, 0].mean() for name, values in shares.items()}
of_first = {name: values[:, 1].mean() for name, values in shares.items()}
verdict("the signature gmm and RanPAC find the task equally often (within 1.5 points), above 96 %.",
        of_all["RanPAC"] > 0.96 and abs(of_all["RanPAC"] - of_all["signature: gmm"]) < 0.015)
verdict("after the last task, the prompt pool finds the task for no input of its first task. All "
        "other retrievers find it for over half of these inputs.",
        of_first["prompt pool (L2P)"] < 0.05 and all(
            share > 0.5 for name, share in of_first.items()
            if "pool" not in name and "control" not in name))
verdict("with shuffled task labels, signatures are at chance level.",
        of_all["control: tasks shuffled"] < 0.26)

# %% [markdown]
# So signatures work, but **they are not needed here**: RanPAC, a simple classifier, finds the task as often. The simpler
# NCM finds it for 91 % of the inputs.
# [Retrieval compared](more/retrieval_compared.ipynb) has five more rows and an exercise on signatures.
#
# **Can we know the error before we measure it?** [Bounds of retrieval](more/bounds_of_retrieval.ipynb) proves an upper
# bound on the error. It holds if the true densities of the clusters are known. For real data we only have *fitted*
# clusters, and then the true error can be far above the bound. So show the error on held-out inputs beside any bound.
#
# ## Sets of tasks with a proven error rate
#
# Can an error rate be proved without knowing the densities? Yes, if the retriever may name a *set* of tasks. We need
#
# - a **score of strangeness**: it is high if an input does *not* look like task $k$. (Until now a high score meant a good
#   fit.) We use the squared Mahalanobis distance to the nearest cluster of the signature of task $k$;
# - $n$ **held-out** inputs of each task. They are not used to fit the signature, and not used to choose a setting;
# - the error rate $\alpha$ that we accept, for example 0.1.
#
# Count the held-out scores of task $k$ that are at least as high as the score of a new input. Add 1, and divide by
# $n+1$. The result is the **p-value** $p_k$ of the new input for task $k$. It is small if the input looks stranger than
# most held-out inputs of the task. The **conformal set** of the input contains every task $k$ with $p_k>\alpha$.
#
# **The claim.** The conformal set misses the right task with a probability of at most $\alpha$, for any distribution
# of the inputs. The probability is over the new input and the held-out inputs, which are both drawn at random. **The
# proof** ([Vovk et al., 2005](https://link.springer.com/book/10.1007/b106715)):
#
# 1. Take the $n$ held-out scores of the right task and the score of the new input. All $n+1$ inputs are drawn
#    independently from the same task, and none was used for fitting. So every order of the $n+1$ scores has the same
#    probability.
# 2. Rank the scores; the highest score has rank 1. The rank of the new input is $1,2,\dots,n+1$, each with probability
#    $1/(n+1)$. (We assume that no two scores are equal.)
# 3. The rank of the new input is the number of held-out scores above its score, plus 1. So its p-value for the right task
#    is its rank divided by $n+1$.
# 4. The set misses the right task if this p-value is at most $\alpha$. This is so for the ranks up to $\alpha(n+1)$. There
#    are $\lfloor\alpha(n+1)\rfloor$ such ranks, where $\lfloor\cdot\rfloor$ rounds down. Each has probability $1/(n+1)$. So
#    the probability of a miss is $\lfloor\alpha(n+1)\rfloor/(n+1)$, which is at most $\alpha$.
# 5. The proof uses inputs of the right task only. So learning more tasks does not change this probability.
#
# {{exercise p_value}}

# %%
def p_value(score, held_out):
    ...


check("p_value", p_value)

# %% [markdown]
# {{solution p_value}}
#
# Now the digits again. The validation digits are held out: about 36 per task. The tasks are learned one after another.
# After each task we compute the p-values of all test digits for task 0, the digits 0 and 1. These p-values should stay the
# same while more tasks are learned. At the end we make the conformal sets, and count how many contain the right task.

# %%
from workbench.retrieval.conformal import ConformalTaskSets, p_values

contained, sizes, stages = [], [], []
for (x, y), (held, held_digit), (new, digit) in splits:
    all_x, all_task = np.concatenate([x, held]), np.concatenate([y, held_digit]) // 2
    is_held = np.arange(len(all_x)) >= len(x)
    learned = clone(gmm)
    for k in range(5):
        rows = all_task == k
        learned.partial_fit(all_x[rows], all_task[rows], is_held[rows])
        stages.append(p_values(learned.distances(new)[:, 0], learned.held_out_[0]))
    sets = ConformalTaskSets(dict(zip("01234", learned.held_out_, strict=True)))
    members = sets.predict(learned.distances(new), alpha=0.1)
    contained.append([members[digit // 2 == k, k].mean() for k in range(5)])
    sizes.append(members.sum(1).mean())

# %% tags=["nbval-ignore-output"]
coverage = {f"{2 * k} or {2 * k + 1}": (values.mean(), *np.clip(seed_interval(values), 0, 1))
            for k, values in enumerate(np.array(contained).T)}
covered = plot_dots({"by task": coverage}, plt.subplots(figsize=(8, 3.2))[1],
                    "Conformal sets of five tasks", "sets with the right task (%), 95 % intervals",
                    ("asked for", 0.9))
covered.set_xlim(70, 101)
wb.show(covered)
print(f"over all tasks and splits: {percent(np.mean(contained))} of the sets contain the right "
      f"task; a set has {np.mean(sizes):.2f} tasks on average")
verdict("the p-values for task 0 do not change in any bit from the end of task 0 to the end of the "
        "last task.",
        all(np.array_equal(stages[i], stages[i + 4]) for i in range(0, 25, 5)))
verdict("over all tasks and splits, the sets contain the right task at least as often as we asked "
        "(90 %).", 0.9 <= np.mean(contained) < 0.96)

# %% [markdown]
# The first verdict above compares the p-values for task 0 at two times: when only task 0 was learned, and at the end.
#
# For 36 held-out inputs the proof gives $1-\lfloor 0.1\cdot 37\rfloor/37=92$ %. This is an average over new inputs and
# over random choices of the held-out inputs. For one particular set of 36 held-out inputs the rate may be lower. So a mean
# over five splits can be below 90 %, as it is for 6 or 7 (89 %).
#
# This example has one small fault. The shrinkage was chosen on the same validation digits that are held out here. The
# proof needs held-out inputs that were not used to choose any setting. So strictly it does not cover this example.
#
# A set can be empty, or contain all tasks: the proof does not say that sets are small. Three lessons continue here:
#
# - [Bounds and heavy tails](more/bounds_and_heavy_tails.ipynb) compares conformal sets with a threshold that is right only
#   for Gaussian clusters. In some of its data very distant inputs are not rare (**heavy tails**).
# - [Retrieval with adapters](more/retrieval_with_adapters.ipynb) gives each task its own adapter.
# - [Retrieval of messages](more/retrieval_of_messages.ipynb) has harder data: short messages to eight assistants. There,
#   every retriever finds the task of less than 95 % of the messages.
#
# ## Find the leak
#
# Published code does not always retrieve the task of single inputs. The signatures of this lesson come from a method named
# PROTEUS (see the end of the lesson). HESTIA is a later method that builds on it. The public code of HESTIA takes the test
# inputs in batches, and chooses one task for a whole batch. We do not know whether the results in its paper were obtained
# in this way.
#
# The next cell has such a loop. It takes the scores of all inputs for all tasks, and the right tasks. On the digits it
# reports 100 %, although we keep only two features and the tasks overlap. (The two features are the two directions in
# which the digits vary most. The method to find them is called PCA, principal component analysis.)

# %%
from sklearn.decomposition import PCA


def evaluate(scores, tasks, size=16):
    """Share of the inputs whose task is found."""
    count = 0
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        for start in range(0, len(rows), size):
            batch = rows[start:start + size]
            chosen = scores[batch].mean(0).argmax()
            count += (chosen == tasks[batch]).sum()
    return count / len(tasks)

# %% [markdown]
# {{exercise find_the_leak}}

# %%
def find_the_leak(scores, tasks):
    ...


check("find_the_leak", find_the_leak)

# %% [markdown]
# {{solution find_the_leak}}
#
# All inputs of a batch have the same task, and the loop averages their scores. A mean over 16 scores depends much less on
# chance than one score. A single input does not have this information. In use, inputs come one by one, or mixed. A mixed
# batch gets one task for all its inputs, and four of five inputs get a wrong task. The next cell measures all these cases
# on the five splits.

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
leak = pd.DataFrame(leak, columns=["each input alone", "batches of 4, one task",
                                   "batches of 16, one task", "batches of 16, mixed tasks"])

# %%
print(leak.apply(percent_over_seeds).to_string())
verdict("in batches of one task, retrieval seems perfect. For single inputs it finds seven of ten.",
        leak.iloc[:, 2].min() > 0.98 and 0.6 < leak.iloc[:, 0].mean() < 0.75
        and leak.iloc[:, 3].mean() < 0.3)

# %% [markdown]
# ## What to remember
#
# - Signatures are fitted task by task, and later tasks do not change them. The prompt pool, whose keys are shared by all
#   tasks, loses the first task (with our rule of notebook 09).
# - A simple classifier can find the task as often: RanPAC on digits. Show one beside any retriever.
# - If a bound is computed from fitted densities, the error on real data can be larger than this bound.
# - Conformal sets have a proven error rate, for any distribution. Later tasks do not change this rate.
# - Score inputs one by one. A batch of one task gives information about the task that a single input does not have.
#
# ## What the paper claims, and what this lesson did
#
# The signatures come from *Continual Fine-Tuning with Provably Accurate and Parameter-Free Task Retrieval*
# ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)). The method is named PROTEUS. The lesson
# [Retrieval with adapters](more/retrieval_with_adapters.ipynb) comments on the claims of its abstract. **The tables of
# the paper are not reproduced here**: they need a large vision transformer and its data sets.
#
# - The score is the largest log density among the clusters of the task. We took it from public code of the first author,
#   and did not compare it with the paper.
# - Two parts are our own: the use of conformal sets for tasks, and the rule for the keys of the prompt pool.
# - One idea is older: S-Prompts (2022) already used the nearest centre of a cluster to choose a prompt.
#
# **What would change your mind?** If signatures had found the task of clearly more inputs than RanPAC, clusters would
# carry information that this simple classifier misses. If retrieval with shuffled tasks had been above chance, the
# evaluation would have a leak. If the p-values for task 0 had changed, there would be an error in the proof or in the
# code.
#
# ## Try it yourself
#
# - With 36 held-out inputs the smallest useful $\alpha$ is 1/37, about 0.027. Why? Use `alpha=0.03` in the cell with the
#   conformal sets. How many tasks does a set have now?
# - `np.unique(retrieve(PromptPool(), x, y // 2, y, new, range(4, -1, -1)), return_counts=True)`: which tasks does the
#   prompt pool find if the tasks come in the opposite order?
#
# ## Limits
#
# The data are small: digits of 64 pixels. The digit tasks overlap little. All splits use the same 1,797 images. The
# intervals show only how much the result depends on the split. For images by other writers the uncertainty is larger. The
# settings of the classifiers are defaults, while the shrinkage of the signatures was chosen. Conformal sets assume that
# new inputs of a task are like its held-out inputs: if the inputs shift, the proof does not apply.
#
# **Next:** [11 Module composition](11_module_composition.ipynb)
