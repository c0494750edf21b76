# %% [markdown]
# # Retrieval of messages: eight assistants, a picture, and messages to read
#
# > **Claim you can check:** on messages to eight assistants no retriever finds the task of 95 % of the messages, not even
# > a router that is trained on all tasks at once. A picture of the messages can mislead: for five of the eight tasks, the
# > nearest task in the picture is not the nearest task in the features.
#
# | | |
# |---|---|
# | **Objectives** | compare retrievers on a harder stream, with intervals and controls · read the messages whose task is not found · compare distances in a picture with distances in the features |
# | **Prerequisites** | [10 Clustered retrieval](../10_clustered_retrieval.ipynb): signatures, shrinkage, conformal sets and controls; the retrievers of [Retrieval compared](retrieval_compared.ipynb) |
# | **Time** | 30 minutes to work through, under 1 minute to run |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import wilson_interval
from workbench.plots import describe, percent, plot_dots

wb.prepare_notebook()

# %% [markdown]
# ## Messages to eight assistants
#
# The stream has 1,600 short messages to eight assistants (bank, travel agency, ...). Each assistant is a task with five
# classes, the *intents* of the messages. The features are 384 numbers for each message, its **embedding** by the language
# model MiniLM.
#
# 120 training messages per task are too few to estimate covariances of 384 by 384. So the five clusters of one task have
# one common covariance. To each of its variances we add the mean variance, times a factor. This factor is the
# **shrinkage**. It is chosen on validation messages from 0.1, 0.3 and 1.

# %%
from workbench.models.minilm import shipped_embeddings
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.tasks.utterances import read_utterances

messages, embedded = pd.DataFrame(read_utterances()), shipped_embeddings().double().numpy()
for name, text in messages.groupby("task")["text"].first().head(3).items():
    print(f"{name}: {text}")
part = {split: (embedded[rows.index], *rows[["task", "label"]].to_numpy(str).T)
        for split, rows in messages.groupby("split")}

# %%
shrunk = {value: {f"signature: {kind}": ClusteredRetriever(Signature(
    kind, 5, "tied", ridge=0, shrinkage=value)) for kind in ("gaussian", "gmm", "dpgmm")}
    for value in (0.1, 0.3, 1)}
validated = pd.DataFrame({value: {
    name: one.fit(*part["train"][:2]).score(*part["validation"][:2])
    for name, one in signatures.items()} for value, signatures in shrunk.items()})
best_shrinkage = validated.mean().idxmax()
print(f"the best shrinkage on validation messages: {best_shrinkage:g}")

# %% tags=["nbval-ignore-output"]
from workbench.plots.styles import look

ax = plt.subplots(figsize=(7.5, 3))[1]
drawn = [*validated.iterrows(), ("mean of the three", validated.mean())]
for k, (name, shares) in enumerate(drawn):
    ax.plot(shares.index, 100 * shares, label=name, **look(k))
ax.set(xscale="log", xlabel="shrinkage (log scale)", ylabel="task found (%)", xticks=[0.1, 0.3, 1],
       xticklabels=["0.1", "0.3", "1"], title="Validation messages")
ax.minorticks_off()
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(describe(ax, "Validation messages whose task is found, by shrinkage. " + "; ".join(
    f"{value:g}: mean of the three {100 * share:.1f} %" for value, share in
    validated.mean().items()) + "."))

# %% [markdown]
# The shrinkage with the highest mean is chosen. The means differ by less than two points.
#
# The rows of the next figure are the retrievers of [Retrieval compared](retrieval_compared.ipynb), with one control: the
# signature gmm with shuffled task labels. Two rows need care:
#
# - *joint router*: we chose its regularisation (the strength of the penalty on large weights) on the *test* messages, on
#   purpose. So its result is too good. It shows the best that such a router could reach.
# - *oracle*: it is told the right task. Its class accuracy is the accuracy with perfect retrieval.

# %%
from workbench.retrieval.class_as_task import ClassAsTask
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.prompt_pool import PromptPool


def retrieve(retriever, x, task, label, new, order):
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
def classifier(name, **settings):
    """The retriever that takes the task of the class which a simple classifier predicts."""
    return ClassAsTask(MomentClassifier(name, **settings))


RETRIEVERS = {"signature: mean": ClusteredRetriever(Signature("mean"), "euclidean"),
              "signature: kmeans": ClusteredRetriever(Signature("kmeans", 5), "euclidean"),
              **shrunk[best_shrinkage], "NCM": classifier("ncm"),
              "SLDA": classifier("slda", shrinkage=0.1), "FeCAM": classifier("fecam"),
              "RanPAC": classifier("ranpac"), "prompt pool (L2P)": PromptPool(),
              "prompt keys (DualPrompt)": PromptPool(per_task=True),
              "joint router": LogisticRegression(C=0.01, max_iter=3000)}  # C: best on test messages

# %%
asked_x, asked_task, asked_label = part["test"]
order = list(dict.fromkeys(messages["task"]))
found = {name: retrieve(one, *part["train"], asked_x, order) for name, one in RETRIEVERS.items()}
train_shuffled = np.random.default_rng(0).permutation(part["train"][1])
found["control: tasks shuffled"] = retrieve(
    RETRIEVERS["signature: gmm"], part["train"][0], train_shuffled, None, asked_x, order)
found["oracle"] = asked_task

# %% [markdown]
# The figure shows three shares: messages whose task is found, the same for the messages of the first task, and
# messages whose *class* (intent) is right. The predicted class is one of the classes of the retrieved task: the class
# whose mean is nearest to the message. The intervals are **Wilson intervals**, which are 95 % intervals for a share that
# is counted on $n$ messages. Here $n$ is 400 for all tasks, and 50 for the first task. If the intervals of two rows
# overlap a lot, we cannot say that the two retrievers differ.

# %%
head = MomentClassifier("ncm").fit(part["train"][0], part["train"][2])
owner = dict(zip(part["train"][2], part["train"][1], strict=True))
owners = np.array([owner[one] for one in head.classes_])


def with_interval(is_right):
    """A share and its Wilson interval."""
    return is_right.mean(), *wilson_interval(int(is_right.sum()), len(is_right))

# %%
table = {"task found": {}, "task found, first task": {}, "class right": {}}
for name, tasks in found.items():
    allowed = np.where(owners == tasks[:, None], head.scores(asked_x), -np.inf)
    is_found, classes = tasks == asked_task, head.classes_[allowed.argmax(1)]
    for column, values in zip(table, (is_found, is_found[asked_task == order[0]],
                                      classes == asked_label), strict=True):
        table[column][name] = with_interval(values)

# %%
wb.show(plot_dots(table, Figure(figsize=(8, 6.4), layout="constrained").subplots(),
                  "Messages, after all eight tasks", "share of the messages (%), 95 % intervals"))
score = {column: {name: values[0] for name, values in rows.items()}
         for column, rows in table.items()}
verdict("no retriever finds the task of 95 % of the messages, not even the router that is trained "
        "on all tasks at once. The signature gmm is within 4 points of this router.",
        max(share for name, share in score["task found"].items() if name != "oracle") < 0.95
        and abs(score["task found"]["joint router"] - score["task found"]["signature: gmm"]) < 0.04)
verdict(f"the signature gmm finds the task of {percent(score['task found']['signature: gmm'])} of "
        "the test messages.", 0.8 < score["task found"]["signature: gmm"] < 0.95)

# %% [markdown]
# We had two aims: to find the task of 95 % of the messages, and to come within 3 points of the oracle's class accuracy
# (90 %). We reached neither: at best the task is found for 90 % of the messages, and the class is right for 82 %. The
# joint router is trained on the labels of all tasks at once, with the same features, and does not find 95 % either. So
# signatures alone are not the reason. The limit can come from the features, from the messages themselves, or from the
# small number of training messages. This comparison does not show which.
#
# On messages even the nearest class mean (NCM) finds the task as often as the signature gmm does (88 %). RanPAC finds it
# for 84 %.
#
# Which tasks are lost? The next figure shows five retrievers. The tasks stand in the order in which they were learned.

# %% tags=["nbval-ignore-output"]
from workbench.plots.sequences import plot_stages

shown = ["signature: gmm", "NCM", "RanPAC", "joint router", "prompt pool (L2P)"]
by_task = pd.DataFrame({name: pd.Series(found[name] == asked_task).groupby(asked_task).mean()
                        for name in shown}).T[order]
wb.show(plot_stages(by_task, plt.subplots(figsize=(9, 3))[1],
                    "Messages of each task whose task is found (%)"))
verdict("the prompt pool finds less than 10 % of the messages of each of the first six tasks.",
        by_task.loc["prompt pool (L2P)", order[:6]].max() < 0.1)

# %% [markdown]
# Each share is of 50 messages, so it is uncertain by about 10 points. The other four retrievers lose some messages of
# every task. The keys of the prompt pool forget the earlier tasks (lesson 09).
#
# ## Read the messages that get a wrong task
#
# Here are messages for which both the joint router and the signature gmm retrieve a wrong task. **Read them**, and say
# which assistant each one is for. Many are fragments or only describe a situation. Some are clear.
#
# A language model wrote the messages. Three of ten are *unusual*: for example fragments, long stories, or requests that
# only describe a situation. A second language model of the same kind labelled the unusual messages, without seeing the
# labels of the first. An unusual message was kept only if both labels were the same and the second model was sure
# (`data/intents/README.md`). So at least this model can tell the task of an unusual message. Perhaps, then, the features
# limit retrieval more than the messages do. But this is no proof, because both models may share their errors. The other
# messages were not checked.

# %% tags=["nbval-ignore-output"]
# Processors round differently in the last digits. So the list can differ between computers.
taken = found["signature: gmm"]
lost = np.flatnonzero((taken != asked_task) & (found["joint router"] != asked_task))
texts = messages.loc[messages["split"] == "test", "text"].to_numpy()
print(f"{len(lost)} of {len(texts)} messages get a wrong task from both; every second of them:")
for i in lost[::2]:
    print(f"  {asked_task[i]} (retrieved: {taken[i]}): {textwrap.shorten(texts[i], 60)}")

# %% [markdown]
# The joint router retrieves a wrong task for about 10 % of the 400 messages. These are about 40 messages, and gmm
# retrieves a wrong task for 28 of them.
#
# ## Look at the messages
#
# The widget shows all messages as points in a picture. The method **UMAP** makes this picture from the embeddings. It
# puts messages with similar embeddings close together. Draw a line around some points with the mouse (the lasso tool),
# or choose a task and a group in the menus. Then read the messages of these points.
#
# - The colour *right or wrong* shows the test messages that get a wrong task. Would you have known their task?
# - The colour *set size* shows how many tasks are in the conformal set of a message. The validation messages are held out,
#   and $\alpha=0.1$. (The shrinkage was chosen on them. So strictly the proof of lesson 10 does not apply.) Do messages
#   between two groups have large sets?
# - The colour *cluster* shows the nearest cluster in the signature of the message's own task.
# - *Retention* is here the share of a task's test messages whose task is found. (In lesson 02 it was divided by the share
#   right after the task.) The signature of a task never changes. But each new task is one more task that can be
#   retrieved wrongly, so the share can fall.
# - *Tasks shuffled* is the control. UMAP does not use the tasks, so the points do not move. But the widget also
#   lists the distances between the tasks, computed in all 384 features, and these become smaller.

# %%
of_messages = shrunk[best_shrinkage]["signature: gmm"]
is_test = (messages["split"] == "test").to_numpy()
all_scores = pd.DataFrame(of_messages.scores(embedded), columns=of_messages.classes_)[order]
retrieved_task = all_scores.idxmax(axis=1).where(is_test, None)
tested = all_scores[is_test].set_index(messages["task"][is_test])
retention = {name: [np.nan] * k + [float((tested.loc[name].iloc[:, :j + 1].idxmax(axis=1) == name)
                                         .mean()) for j in range(k, len(order))]
             for k, name in enumerate(order)}  # after each task from its own on

# %%
from workbench.retrieval.conformal import ConformalTaskSets
from workbench.widgets import ClusterExplorer

distances_to = {task: one.distances(embedded) for task, one in
                zip(of_messages.classes_, of_messages.signatures_, strict=True)}
held_out = {task: away[(messages["split"] == "validation") & (messages["task"] == task)].min(1)
            for task, away in distances_to.items()}
possible = ConformalTaskSets(held_out).predict(of_messages.distances(embedded), alpha=0.1)
clusters = [distances_to[task][i].argmin() for i, task in enumerate(messages["task"])]
ClusterExplorer(embedded, messages["task"], messages["label"], list(messages["text"]),
                retrieved=retrieved_task, clusters=clusters, set_sizes=possible.sum(1),
                retention=retention, coordinates=shipped_embeddings("umap"))

# %% [markdown]
# ## A picture and the features
#
# **The distance between two groups of points in this picture is not the distance between the two tasks.** UMAP keeps
# neighbours together, but not distances. Which task is the nearest in the picture? And which is the nearest in all 384
# features?
#
# In all 384 features we use the Mahalanobis distance between the means of two tasks, with one covariance for all tasks.
# The last column repeats this with shuffled task labels: it has the distance to the nearest task.

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
verdict(f"if the tasks were Gaussians with these means and this covariance, at most "
        f"{100 * b1:.1f} % of the messages would get a wrong task. In fact {percent(lost_share)} "
        "of the test messages do. So the bound does not hold for these messages.",
        b1 < lost_share / 20)

# %% [markdown]
# The bound (`b1` in the code) is the *normal form*, explained in [Bounds of retrieval](bounds_of_retrieval.ipynb). Here
# it is computed from fitted means and a fitted covariance. That lesson shows that a bound from fitted clusters can be
# far below the error. Also, the tasks need not be Gaussian.
#
# With shuffled task labels the distance between two tasks is still above 2. Each mean is over only 120 messages in 384
# features, so two means differ by chance. So compare a distance with the distance for shuffled labels, and compare a bound
# with the held-out error.
#
# ## What to remember
#
# - Show a simple classifier beside any retriever. Here the nearest class mean finds the task as often as signatures.
# - If several methods fail on many of the same messages (here 28 of 400 for both the joint router and the signature gmm),
#   look at the features and at the messages.
# - Gaps in a picture are not distances in the features.
#
# **What would change your mind?** If signatures had found the task of clearly more messages than the joint router,
# clusters would carry information that simple classifiers miss. If retrieval with shuffled tasks had been above chance,
# the evaluation would have a leak.
#
# ## Try it yourself
#
# - `np.unique(retrieve(PromptPool(), *part["train"], asked_x, order[::-1]), return_counts=True)`: which tasks does
#   the prompt pool find if the tasks come in the opposite order?
# - `own = ClusteredRetriever(Signature("gmm", 5, "full", ridge=0, shrinkage=1))`: each of the five clusters has its own
#   covariance. Does `(retrieve(own, *part["train"], asked_x, order) == asked_task).mean()` differ much from the 88 % of
#   the signature gmm?
#
# ## Limits
#
# A language model wrote the messages. The intervals are over test messages, for one order of the tasks. The classifiers
# have default settings, except for the shrinkage of SLDA. The shrinkage of the signatures was chosen on validation
# messages. The best shrinkage, 1, is the largest that was tried, so a larger one may be better.
#
# **Back to:** [10 Clustered retrieval](../10_clustered_retrieval.ipynb)
