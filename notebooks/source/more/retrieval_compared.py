# %% [markdown]
# # Retrieval compared: twelve retrievers, on digits and on messages
#
# > **Claim you can check:** signatures with covariances and the simple classifiers FeCAM and RanPAC find the task of
# > digits equally often. On messages to eight assistants no retriever finds 95 % of the tasks, not even a router that is
# > trained on all tasks at once. In a UMAP picture, the nearest task is mostly not the nearest one in the features.
#
# | | |
# |---|---|
# | **Objectives** | write a signature for many inputs and features · compare retrievers with intervals and controls · read the messages whose task is not found · compare distances in a picture with distances in the features |
# | **Prerequisites** | [10 Clustered retrieval](../10_clustered_retrieval.ipynb): signatures, shrinkage and controls |
# | **Time** | 55 minutes to work through, under 1 minute to run |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.plots import percent, plot_dots
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature

wb.prepare_notebook()

# %% [markdown]
# ## A signature for many inputs
#
# Lesson 10 wrote out the log density of one input under a Gaussian signature with the mean $\mu$ and the covariance
# $\Sigma$ of a task:
# $\log p(x) = -\tfrac12\big[(x-\mu)^\top\Sigma^{-1}(x-\mu) + \log|\Sigma| + d\log 2\pi\big]$, with $d$ features. Write
# it for many inputs.
#
# {{exercise signature}}

# %%
def signature(X, new):
    ...


check("signature", signature)

# %% [markdown]
# {{solution signature}}
#
# ## Digits: all rows
#
# There are five tasks of two digits each. The features are the 64 pixels, the same for all tasks. The tasks are learned
# one after another; only the joint router sees all tasks at once. There are three groups of retrievers.
#
# **Signatures.** *mean* has only the mean of the task. *kmeans* has the means of two clusters. *gaussian* is one
# Gaussian. *gmm* is a mixture of two Gaussians (Gaussian mixture model). *dpgmm* is a Dirichlet-process mixture: it may
# use fewer clusters than the two that are allowed. There are two clusters because each task has two classes. For the
# last three a tenth of the mean variance is added to every variance (shrinkage). The tenth was chosen on validation
# digits.
#
# **Simple classifiers** need only sums over the training inputs. *NCM* predicts the class with the nearest mean. *SLDA*
# has one covariance for all classes. *FeCAM* has one covariance per class. *RanPAC* is ridge regression on random
# features. The retrieved task is the task of the predicted class. Their settings are defaults.
#
# **Trained retrievers.** In the *prompt pool* (L2P) and the *prompt keys* (DualPrompt), each input moves the nearest
# keys towards itself during training. The *joint router* is a logistic regression on the inputs and classes of all
# tasks.

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
RETRIEVERS = {f"signature: {kind}": ClusteredRetriever(Signature(kind), "euclidean")
              for kind in ("mean", "kmeans")}
RETRIEVERS |= {f"signature: {kind}": ClusteredRetriever(Signature(kind, ridge=0, shrinkage=0.1))
               for kind in ("gaussian", "gmm", "dpgmm")}
RETRIEVERS |= {name: ClassAsTask(MomentClassifier(name.lower()))
               for name in ("NCM", "SLDA", "FeCAM", "RanPAC")}
RETRIEVERS |= {"prompt pool (L2P)": PromptPool(), "prompt keys (DualPrompt)": PromptPool(
    per_task=True), "joint router": LogisticRegression(max_iter=3000)}

# %% [markdown]
# There are two **controls**: a random guess, and the signature gmm fitted to inputs whose task labels were shuffled.

# %%
from workbench.tasks.digits import load_digits

right = {name: [] for name in [*RETRIEVERS, "control: random", "control: tasks shuffled"]}
for seed in range(5):
    (x, y), _, (new, digit) = load_digits(seed)
    rng, task = np.random.default_rng(seed), y // 2
    retrieved = {name: retrieve(method, x, task, y, new, range(5))
                 for name, method in RETRIEVERS.items()}
    retrieved["control: random"] = rng.integers(5, size=len(new))
    retrieved["control: tasks shuffled"] = retrieve(
        RETRIEVERS["signature: gmm"], x, rng.permutation(task), y, new, range(5))
    for name, tasks in retrieved.items():
        is_right = tasks == digit // 2
        right[name].append([is_right.mean(), is_right[digit < 2].mean()])  # all, first task

# %%
shares = {name: np.array(values) for name, values in right.items()}
dots = {label: {name: (values[:, k].mean(), *np.clip(seed_interval(values[:, k]), 0, 1))
                for name, values in shares.items()}
        for k, label in enumerate(("inputs of all tasks", "inputs of the first task"))}
wb.show(plot_dots(dots, plt.subplots(figsize=(8, 5.8))[1], "Digits, after all five tasks",
                  "task found (%), 95 % intervals over five splits"))

# %%
of_all, of_first = ({name: values[:, k].mean() for name, values in shares.items()} for k in (0, 1))
verdict("the signature gmm and the simple classifiers FeCAM and RanPAC find the task equally often "
        "(within 1.5 points), above 96 %. RanPAC needs no clusters.",
        of_all["signature: gmm"] > 0.96 and all(
            of_all[name] > 0.96 and abs(of_all[name] - of_all["signature: gmm"]) < 0.015
            for name in ("FeCAM", "RanPAC")))
verdict("after the last task, the prompt pool finds no input of its first task. All other "
        "retrievers find over half of them.", of_first["prompt pool (L2P)"] < 0.05 and all(
            share > 0.5 for name, share in of_first.items()
            if "pool" not in name and "control" not in name))
verdict("with shuffled task labels, signatures are at chance level.",
        of_all["control: tasks shuffled"] < 0.26)

# %% [markdown]
# In L2P a key leads to a prompt, and not to a task. To compare L2P, we assign each key to the last task that used it.
# Later tasks use nearly all keys of the earlier tasks again, so the earlier tasks have almost no keys left. This rule is
# ours. So the row is no result about L2P as a whole. DualPrompt trains one key per task and forgets none. But one key,
# compared by its direction, does not describe a task with two classes well enough.
#
# The joint router is no upper limit on digits: its borders are linear, and the borders of the Gaussians are not.
#
# ## Messages to eight assistants
#
# Now a harder stream: 1,600 short messages to eight assistants (bank, travel agency, ...), with five intents each.
# The features are the embeddings of the language model MiniLM, 384 numbers for each message. 120 training messages per
# task are too few to estimate covariances of 384 by 384. So all five clusters of a task share one covariance. Its
# shrinkage is chosen on validation messages.

# %%
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
best_shrinkage = max(validated, key=validated.get)
print(f"the best shrinkage on validation messages: {best_shrinkage:g}")

# %% [markdown]
# The regularisation strength of the joint router was chosen on the *test* messages. So its result is too optimistic: it
# shows the best that such a router could reach. The *oracle* is told the right task.

# %%
asked_x, asked_task, asked_label = part["test"]
order = list(dict.fromkeys(messages["task"]))
for_messages = RETRIEVERS | shrunk[best_shrinkage] | {
    "signature: kmeans": ClusteredRetriever(Signature("kmeans", 5), "euclidean"),
    "SLDA": ClassAsTask(MomentClassifier("slda", shrinkage=0.1)),
    "joint router": LogisticRegression(C=0.01, max_iter=3000)}  # the best C on test messages
found = {name: retrieve(one, *part["train"], asked_x, order) for name, one in for_messages.items()}
train_shuffled = np.random.default_rng(0).permutation(part["train"][1])
found["control: tasks shuffled"] = retrieve(
    for_messages["signature: gmm"], part["train"][0], train_shuffled, None, asked_x, order)
found["oracle"] = asked_task

# %% [markdown]
# The figure shows three shares: messages whose task is found, the same for the messages of the first task, and
# messages whose *class* (intent) is right. The predicted class is the nearest class mean among the classes of the
# retrieved task. The intervals are Wilson's, over 400 test messages (50 of the first task). If the intervals of two
# rows overlap a lot, we cannot say that the two retrievers differ.

# %%
head = MomentClassifier("ncm").fit(part["train"][0], part["train"][2])
owner = dict(zip(part["train"][2], part["train"][1], strict=True))
owners = np.array([owner[one] for one in head.classes_])


def with_interval(is_right):
    """A share and its Wilson interval."""
    return is_right.mean(), *wilson_interval(int(is_right.sum()), len(is_right))


table = {"task found": {}, "task found, first task": {}, "class right": {}}
for name, tasks in found.items():
    allowed = np.where(owners == tasks[:, None], head.scores(asked_x), -np.inf)
    is_found, classes = tasks == asked_task, head.classes_[allowed.argmax(1)]
    for column, values in zip(table, (is_found, is_found[asked_task == order[0]],
                                      classes == asked_label), strict=True):
        table[column][name] = with_interval(values)

# %%
wb.show(plot_dots(table, plt.subplots(figsize=(8, 6.4))[1], "Messages, after all eight tasks",
                  "share of the messages (%), 95 % intervals"))
score = {column: {name: values[0] for name, values in rows.items()}
         for column, rows in table.items()}
verdict("no retriever finds the task of 95 % of the messages, not even the router that is trained "
        "on all tasks at once. The signature gmm is within 4 points of this router.",
        max(share for name, share in score["task found"].items() if name != "oracle") < 0.95
        and abs(score["task found"]["joint router"] - score["task found"]["signature: gmm"]) < 0.04)

# %% [markdown]
# We had hoped for a retriever that finds the task of 95 % of the messages, and for a class accuracy within 3 points of
# the oracle. We reached neither. Is it the method? The joint router is trained on the labels of all tasks at once, with
# the same features, and does not find 95 % either. This points to the features and to the messages, not to retrieval by
# signatures.
#
# ## Read the messages that are lost
#
# Here are messages for which both the joint router and the signature gmm retrieve a wrong task. **Read them**, and say
# which assistant each one is for. Many are fragments or only describe a situation. Some are clear. A language model
# wrote the messages. A second language model of the same kind read the unusual ones, and a message was kept only if this
# reader was sure of its task (`data/intents/README.md`). So the task can be told, at least by such a model.

# %% tags=["nbval-ignore-output"]
# Which messages are lost depends on the last digits, which differ between processors.
taken = found["signature: gmm"]
lost = np.flatnonzero((taken != asked_task) & (found["joint router"] != asked_task))
texts = messages.loc[messages["split"] == "test", "text"].to_numpy()
print(f"{len(lost)} of {len(texts)} messages are lost by both; every second of them:")
for i in lost[::2]:
    print(f"  {asked_task[i]} (retrieved: {taken[i]}): {textwrap.shorten(texts[i], 60)}")

# %% [markdown]
# ## A picture and the features
#
# The cluster explorer of lesson 10 shows the messages in a picture by UMAP, which keeps neighbours together, but not
# distances. Which task is the nearest in the picture? And which is the nearest in all 384 features? There we take
# Mahalanobis distances between the means of the tasks, with one covariance for all tasks. The last column has the
# distance to the nearest task if the task labels are shuffled.

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
print(nearest.to_string(col_space=18))

# %% tags=["nbval-ignore-output"]
lost_share = 1 - score["task found"]["signature: gmm"]
verdict("for most tasks the nearest task in the picture is not the nearest one in the features.",
        (nearest.iloc[:, 0] == nearest.iloc[:, 1]).sum() < 4)
verdict(f"the bound for Gaussians with these means and this covariance (the normal form) is "
        f"{100 * b1:.1f} %, but {percent(lost_share)} of the test messages get a wrong task. So "
        "it is no bound on the error on real data.", b1 < lost_share / 20)

# %% [markdown]
# Even if the task labels are shuffled, the distance between two tasks is above 2, not 0. Each mean is taken over 120
# messages in 384 features, so two means always differ a little. Compare a distance with the one for shuffled tasks
# before you believe in it. Compare a bound with the held-out error. The normal form is explained in
# [Bounds of retrieval](bounds_of_retrieval.ipynb).
#
# ## What to remember
#
# - Simple classifiers find the task as often as signatures: FeCAM and RanPAC on digits, the nearest class mean on
#   messages. Show them beside any retriever.
# - Where every method loses about the same messages, look at the features and at the messages.
# - Gaps in a picture are not distances in the features.
#
# *dpgmm* follows the Dirichlet-process mixture of PROTEUS ([arXiv 2603.13235](https://arxiv.org/abs/2603.13235)),
# *reconstructed* from public code of its first author and not checked against the paper. The rule by which a key of the
# prompt pool belongs to a task is ours. The mean of a task already picked a prompt in S-Prompts (2022).
# `workbench.retrieval.classifiers` names the papers of the classifiers.
#
# **What would change your mind?** If signatures had found clearly more tasks than RanPAC and the joint router, clusters
# would carry information that simple classifiers miss. If retrieval with shuffled tasks had been above chance, the
# evaluation would have a leak.
#
# ## Try it yourself
#
# - `np.unique(retrieve(PromptPool(), *part["train"], asked_x, order[::-1]), return_counts=True)`: which tasks does
#   the prompt pool find if the tasks come in the opposite order?
# - `ClusteredRetriever(Signature("gmm", 5, "full", ridge=0, shrinkage=1))` on messages, in place of the signature
#   above: what happens if each of the five clusters has its own covariance of 384 by 384, from 120 messages?
#
# ## Limits
#
# The data are small: digits of 64 pixels, and messages that a language model wrote. The digit tasks share their pixels
# and overlap little. All splits use the same 1,797 digits, so for new digits the uncertainty is larger than the
# intervals show. The intervals for messages are over test messages, for one order of the tasks. The settings of the
# classifiers are defaults, except those named, while those of the signatures were chosen.
#
# **Back to:** [10 Clustered retrieval](../10_clustered_retrieval.ipynb)
