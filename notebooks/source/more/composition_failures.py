# %% [markdown]
# # Where it breaks
#
# > **Claim you can check:** composed modules with signatures and a global head name the class of about 94 % of new
# > digits, with no hint of the task. Seven small changes break this. Five of them have a simple remedy. Two have none
# > here: tasks that overlap, and tasks that nobody has learned. Some failures are not where one looks for them: few
# > samples do little harm, and *as many samples as features* do much.
#
# | | |
# |---|---|
# | **Objectives** | make each failure happen, beside a case that works · tell a failure of retrieval from one of the head · know the remedy, or that there is none |
# | **Prerequisites** | [10 Clustered retrieval](../10_clustered_retrieval.ipynb), [11 Module composition](../11_module_composition.ipynb) |
# | **Time** | 30 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.ndimage import rotate
from sklearn.metrics import roc_auc_score

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds

wb.prepare_notebook()

# %%
from workbench.learners import fit, make_optimizer
from workbench.plots.styles import styles_of
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.conformal import ConformalTaskSets
from workbench.retrieval.retrievers import ClusteredRetriever
from workbench.retrieval.signatures import Signature
from workbench.retrieval.simulation import measure
from workbench.retrieval.toy import Toy, draw, exact_error, mixtures
from workbench.runs.experiment import make_learner, stream_of
from workbench.tasks.stream import Examples

SPLITS, DRAWS, SIZES = range(5), range(10), (200, 400, 600, 700, 900)
SIGNATURE = Signature("gmm", ridge=0, shrinkage=0.1)  # that of the learner
MEASURES = ["task found", "class right", "class right, task told"]

# %% [markdown]
# ## The system that works
#
# There are three tasks of two digits each: 4 and 5, 6 and 7, 8 and 9. Each task has a composed module, a signature of
# two Gaussian clusters in the features of its module, and its share of one global head. A new input is never told its
# task. Numbers are means over five splits of the digits, with 95 % intervals. The two toys have ten draws each.

# %%
def teach(split, change=lambda tasks: tasks):
    """Return the tasks of a split, changed if asked, and a composed learner of them."""
    config = wb.RunConfig(stream="digits-tasks", learner="composed", seeds=(split,),
                          data_seed=split)
    stream = stream_of(config)
    masks = torch.ones(3, stream.outputs, dtype=torch.bool)  # each head has a mask of its own
    tasks = [replace(task, index=k, masks=masks[:k + 1])
             for k, task in enumerate(change(stream.tasks))]
    learner = make_learner(config, stream)
    for task in tasks:
        learner.begin(task)
        list(fit(learner, task, make_optimizer(learner, 3e-3), steps=100, batch_size=32))
        learner.end(task)
    return tasks, learner


# %%
def judge(tasks, learner):
    """Return shares of test inputs: task found, class right, and class right with task told."""
    x, y = (torch.cat([getattr(task.test, name) for task in tasks]) for name in "xy")
    own = torch.cat([torch.full((len(task.test),), task.index) for task in tasks])
    classes = (learner.predict(x, told)[0].argmax(-1) for told in (None, own))
    pairs = (learner.retrieve(x)[0] == own, *(one == y for one in classes))
    return [float(right.double().mean()) for right in pairs]


systems = [teach(split) for split in SPLITS]
working = pd.DataFrame([judge(*system) for system in systems], columns=MEASURES)
print(working.apply(percent_over_seeds).to_string())
verdict("with the task told nearly all classes are right; with the task retrieved, as many as "
        "tasks are found.", working["class right, task told"].min() > 0.97
        and abs(working["task found"] - working["class right"]).max() < 0.02)

# %% [markdown]
# Retrieval decides, in this system: a wrong task gives a wrong class. So most cases ask about retrieval.
#
# ## Overlapping tasks
#
# One might expect a better retriever to separate any tasks. But tasks can share inputs. In this toy all densities are
# known, so the best possible rule is known too. There are three tasks with two round clusters each, in 8 features. The
# retriever is fitted to 1,000 inputs a task. The distance is that of neighbouring clusters, in standard deviations.

# %%
overview = {}  # by case: shares of the system that works, that fails, and with a remedy
overlap = {}
for distance in (6, 4, 3, 2, 1):
    made = [measure(Toy(separation=distance, dimension=8, samples=1000, tasks=3, random_state=i))
            for i in DRAWS]
    overlap[distance] = pd.DataFrame([[*(1 - one.errors["value"][[
        "true densities", "fitted log density"]]), one.sets["size"]] for one in made],
        columns=["best possible", "retrieved", "tasks in a set"])
print(pd.DataFrame({distance: [percent(one["best possible"].mean()),
                               percent_over_seeds(one["retrieved"]),
                               f"{one['tasks in a set'].mean():.1f}"]
                    for distance, one in overlap.items()}, overlap[6].columns).T.to_string())

# %%
missing = {distance: (one["best possible"] - one["retrieved"]).mean()
           for distance, one in overlap.items()}
verdict(f"at a distance of 2 {percent(overlap[2]['retrieved'].mean())} of the tasks are found, and "
        f"{percent(overlap[2]['best possible'].mean())} is the best possible; the difference is "
        "below 2 points at every distance.",
        max(missing.values()) < 0.02 and overlap[2]["best possible"].mean() < 0.7)
overview["overlapping tasks", "clusters 6 and 2 apart"] = (
    overlap[6]["retrieved"], overlap[2]["retrieved"], None, overlap[2]["best possible"])

# %% [markdown]
# **What to do:** no retriever on these features helps; look for other features, or answer with a set of tasks (the
# last column, with 90 % asked), which says honestly that two or three tasks are possible.
#
# ## Heavy tails
#
# One might expect far-off inputs to be a matter of the *score*, and more examples to help. Here the clusters are 6
# apart, but their inputs have a t distribution. With 2 degrees of freedom its variance is infinite. The remedy that we
# try is **trimming**: fit the signature, leave out the fifth of its inputs that are farthest from it, and fit again.

# %%
def trimmed(rows):
    """Leave out the fifth that is farthest from clusters fitted to the rows."""
    far = Signature("gmm", 2).fit(rows).distances(rows).min(1)
    return rows[far <= np.quantile(far, 0.8)]


def tail_shares(toy, score="log_density", trim=False):
    """Return the share of tasks found, and the smallest weight of a cluster."""
    rows, new = (list(draw(toy, mixtures(toy), *n)) for n in ((toy.samples, 1), (400, 2)))
    rows = [trimmed(one) if trim else one for one in rows]
    retriever = ClusteredRetriever(Signature("gmm", 2), score).fit(
        np.vstack(rows), np.repeat(toy.names, [len(one) for one in rows]))
    weights = [signature.weights_.min() for signature in retriever.signatures_]
    return retriever.score(np.vstack(new), np.repeat(toy.names, 400)), min(weights)


# %% tags=["nbval-ignore-output"]
WAYS = {"log density": {}, "Mahalanobis distance": {"score": "mahalanobis"},
        "p-value": {"score": "p_value"}, "trimmed, log density": {"trim": True}}
tails, lone = {}, {}
for name, freedom, samples in (("Gaussian", np.inf, 1600), ("t, 3 degrees", 3.0, 1600),
                               ("t, 2 degrees", 2.0, 100), ("t, 2 degrees", 2.0, 1600)):
    toys = [Toy(dimension=8, freedom=freedom, samples=samples, random_state=i) for i in DRAWS]
    results = {way: np.array([tail_shares(toy, **options) for toy in toys])
               for way, options in WAYS.items()}
    lone[name, samples] = int((results["log density"][:, 1] * samples < 1.5).sum())
    tails[name, samples] = {way: shares for way, (shares, _) in zip(
        WAYS, (one.T for one in results.values()), strict=True)}
    tails[name, samples]["best possible"] = np.full(10, 1 - exact_error(toys[0]))
print(pd.DataFrame(tails).map(lambda shares: f"{100 * shares.mean():.0f} ± " + percent(
    shares.mean() - seed_interval(shares)[0])).to_string())

# %% tags=["nbval-ignore-output"]
heavy = tails["t, 2 degrees", 1600]
for (name, samples), number in lone.items():
    print(f"{name}, {samples} inputs: a cluster has a single input in {number} of 10 draws")
best = heavy["best possible"].mean()
verdict("with 2 degrees and 1,600 inputs a task all three scores are 4 points or more below the "
        "best possible rule; trimming brings the log density to within 2 points of it.",
        max(heavy[way].mean() for way in list(WAYS)[:3]) < best - 0.04
        and heavy["trimmed, log density"].mean() > best - 0.02)
verdict("with more inputs the log density does not find more tasks.",
        heavy["log density"].mean() < tails["t, 2 degrees", 100]["log density"].mean())
overview["heavy tails", "Gaussian, and t with 2 degrees"] = (
    tails["Gaussian", 1600]["log density"], heavy["log density"], heavy["trimmed, log density"],
    heavy["best possible"])

# %% [markdown]
# Part of the loss is in the data: the best possible rule itself finds fewer tasks. The rest is in the *fit*. In half of
# the draws one of the two clusters is spent on a single far-off input, and among more inputs there are farther ones.
# (Computed beforehand: with 6,400 inputs a task, 72 %.) Another score cannot repair this, though two of them lose less
# with 1,600 inputs. **What to do:** trim, and fit again. (Of four other ways to trim that we tried, three
# were as good, and trimming by the distance from the median was worse. Conformal sets keep their promise, but have
# many tasks: see lesson 10.)
#
# ## As many samples as features
#
# One might expect signatures with full covariances to fail whenever a task has fewer examples than features
# ($n<d=64$). Without any ridge they cannot be computed at all. But *how small* may the ridge be? Here the adapted
# features of the digits are kept, and each signature, a single Gaussian, is fitted to $n$ examples of its task.

# %%
def features_of(tasks, learner, part):
    """Return features under each module, without any, and the task and class of the inputs."""
    own, router = [getattr(task, part) for task in tasks], learner.routers[0]
    x, y = (torch.cat([getattr(one, name) for one in own]) for name in "xy")
    return {"adapted": learner.model.features(x, router.names(router.tasks)).double().numpy(),
            "shared": router.shared(x), "class": y.numpy(),
            "task": np.repeat(range(len(own)), [len(one) for one in own])}


def few_samples(split, n, **settings):
    """Return the share of tasks found by Gaussians of n examples a task."""
    train, new = (digits[split][part] for part in ("train", "test"))
    rows = np.concatenate([np.flatnonzero(train["task"] == k)[:n] for k in range(3)])
    one = ClusteredRetriever(Signature("gaussian", **settings))
    return one.fit(train["adapted"][rows], train["task"][rows]).score(new["adapted"], new["task"])


# %%
digits = [{part: features_of(*one, part) for part in ("train", "test")} for one in systems]
RIDGES = {"a tenth of the mean variance": {"ridge": 0, "shrinkage": 0.1},
          "ridge 1e-8": {"ridge": 1e-8}, "ridge 1e-4": {"ridge": 1e-4}}
COUNTS = (16, 32, 48, 56, 64, 72, 96, 192)
by_count = {name: {n: np.array([few_samples(split, n, **settings) for split in SPLITS])
                   for n in COUNTS} for name, settings in RIDGES.items()}
tiny, tenth = by_count["ridge 1e-8"], by_count["a tenth of the mean variance"]
verdict(f"with a ridge of 1e-8 the worst is not the fewest examples: {percent(tiny[16].mean())} "
        f"with 16, {percent(tiny[64].mean())} with 64, {percent(tiny[192].mean())} with 192.",
        min(COUNTS, key=lambda n: tiny[n].mean()) == 64 and tiny[64].mean() < 0.83 < 0.85
        < tiny[16].mean())
verdict("with a tenth of the mean variance added, 16 to 192 examples find 85 % or more.",
        min(shares.mean() for shares in tenth.values()) > 0.85)
overview["as many samples as features", "192 and 64 examples a task"] = (
    tiny[192], tiny[64], tenth[64])

# %% [markdown]
# **Why at $n\approx d$?** A likely reason: with far fewer examples the signature is flat. Its distance says how far an
# input is from the plane of the examples, which still tells digits apart. At $n\approx d$ the plane fills the space, and
# the smallest variance is an accident of the sample. Its direction decides. In regression the same peak is known from
# *double descent* ([Belkin et al., 2019](https://arxiv.org/abs/1812.11118)). (Computed beforehand, in a toy with 32
# features: 97, 42 and 98 % from 8, 32 and 100 examples.) **What to do:** add a share of the mean variance.
#
# ## Ill-conditioned random projections
#
# The head has the same trap. It is a ridge regression on random features, $\max(0, Rx)$. The package chooses the ridge
# on a fifth of the examples. What if the ridge is tiny? One might expect a large **condition number** (largest by
# smallest eigenvalue of $H^\top H+\lambda I$) to spoil the answer. There are 700 examples. The first rows are the
# global head, with the task told; the others are RanPAC on the backbone's features, without any module.

# %%
def projected(split, kind, size):
    """Return accuracies of the chosen ridge and of 1e-8 in double and single, and log10 cond."""
    train, new = (digits[split][part] for part in ("train", "test"))
    x, x_new = (one["shared"] if kind == "RanPAC" else
                one["adapted"][np.arange(len(one["task"])), one["task"]] for one in (train, new))
    chosen = MomentClassifier(projections=size, random_state=split).fit(x, train["class"])
    matrix, accuracies = np.random.default_rng(split).normal(size=(x.shape[1], size)), []
    for dtype in (np.float32, np.float64):
        H, H_new = (np.maximum(rows @ matrix, 0).astype(dtype) for rows in (x, x_new))
        G = H.T @ H + dtype(1e-8) * np.eye(size, dtype=dtype)
        weights = np.linalg.solve(G, H.T @ np.eye(6, dtype=dtype)[train["class"]])
        accuracies.append(((H_new @ weights).argmax(1) == new["class"]).mean())
    values = np.abs(np.linalg.eigvalsh(G))  # of the double one
    conditions = np.log10(values.max() / values.min())
    return chosen.score(x_new, new["class"]), *accuracies[::-1], conditions


# %% tags=["nbval-ignore-output"]
heads = {(kind, size): pd.DataFrame(
    [projected(split, kind, size) for split in SPLITS],
    columns=["chosen ridge", "1e-8, double", "1e-8, single", "condition"])
    for kind, sizes in (("global head", (200, 700, 900)), ("RanPAC", SIZES)) for size in sizes}
head_means = pd.DataFrame({key: one.mean() for key, one in heads.items()}).T
print(head_means.iloc[:, :3].map(percent).assign(
    condition=head_means["condition"].map("1e{:.0f}".format)).to_string())
double, single = (head_means.loc["RanPAC"][f"1e-8, {kind}"] for kind in ("double", "single"))
verdict("in double precision 900 random features work, and 700, as many as examples, fail; in "
        "single precision both fail. The chosen ridge is never below 90 %.", double[900] > 0.85
        and max(double[700], single[700], single[900]) < 0.5
        and head_means["chosen ridge"].min() > 0.9)
overview["random projections (head)", "200 and 700 features, ridge 1e-8"] = (
    *(heads["global head", size]["1e-8, double"] for size in (200, 700)),
    heads["global head", 700]["chosen ridge"])

# %%
peaks, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
by_size = {name: {size: heads["RanPAC", size][name].to_numpy() for size in SIZES}
           for name in ("chosen ridge", "1e-8, double", "1e-8, single")}
for ax, curves, middle in ((left, by_count, 64), (right, by_size, 700)):
    for style, (name, curve) in zip(styles_of("abc").values(), curves.items(), strict=True):
        shares = 100 * np.array(list(curve.values()))
        ax.errorbar(list(curve), shares.mean(1), shares.mean(1) - seed_interval(shares.T)[0],
                    capsize=3, label=name, **style)
        describe(ax, f"{ax.get_label()} {name}, at {list(curve)}: {shares.mean(1).round()} %.")
    ax.axvline(middle, color="grey", linestyle=":")
    ax.legend(frameon=False, loc="lower right" if ax is left else "lower left")
left.set(xlabel="examples a task (dotted: features)", ylabel="right (%)", title="task found")
right.set(xlabel="random features (dotted: examples)", title="class right, RanPAC", ylim=(0, 102))
wb.show(peaks)

# %% [markdown]
# The condition number alone does not tell. In double precision 1e15 works, because directions without data get no
# weight. In single precision it does not. The likely reason is that rounding errors are larger than the ridge, and
# these directions get noise. **What to do:** let the ridge be chosen on examples kept apart, and solve in double
# precision.
#
# ## A shrunken adapter
#
# Lesson 10 showed that log densities under different adapters cannot be compared. What does it cost the whole system?
# The features of the last task's module are multiplied by a factor, in training and test alike. The signatures and
# the global head are fitted to what results. One might expect that a score which does not depend on the scale,
# such as *relative* or *p_value*, is enough. The remedy *unit size* divides the features of each module by their root
# mean square over its own training examples, once, before anything else.

# %%
def shrunken(split, factor, scores, unit_size):
    """Yield for each score the shares of: task found, class right, and right if told."""
    train, new = (digits[split][part] for part in ("train", "test"))
    of_task = [train["task"] == k for k in range(3)]
    x, x_new = (one["adapted"] * np.array([1, 1, factor])[:, None] for one in (train, new))
    if unit_size:
        sizes = [[np.sqrt((x[rows, k]**2).mean())] for k, rows in enumerate(of_task)]
        x, x_new = x / sizes, x_new / sizes
    head = MomentClassifier(projections=500, random_state=split)
    for k, rows in enumerate(of_task):
        head.partial_fit(x[rows, k], train["class"][rows])
    for score in scores:
        tasks = ClusteredRetriever(SIGNATURE, score).fit(x, train["task"]).predict(x_new)
        yield [(tasks == new["task"]).mean(), *(head.score(
            x_new[range(len(own)), own], new["class"]) for own in (tasks, new["task"]))]


# %%
SCORES = {False: ["log_density", "relative", "p_value"], True: ["log_density"]}
scaled = {(factor, unit_size): np.array([  # (splits, scores, measures)
    list(shrunken(split, factor, scores, unit_size)) for split in SPLITS])
          for unit_size, scores in SCORES.items() for factor in (1, 0.5, 0.1, 0.01)}
rows = {(score + ", unit size" * unit_size, factor): shares[:, i].mean(0)
        for (factor, unit_size), shares in scaled.items()
        for i, score in enumerate(SCORES[unit_size])}
scaled_means = pd.DataFrame(rows, MEASURES).T.sort_index(ascending=[True, False])
print(scaled_means.map(percent).to_string())

# %%
verdict("at half the size the log density finds under two thirds of the tasks; relative distances "
        "and p-values find as many at every size.", rows["log_density", 0.5][0] < 0.66
        and max(np.ptp(scaled_means.loc[one, "task found"]) for one in SCORES[False][1:]) < 0.01)
verdict("at a hundredth the head fails too, even with the task told. With unit size all is as "
        "before.", rows["p_value", 0.01][2] < 0.75
        and np.ptp(scaled_means.loc["log_density, unit size"], axis=0).max() < 0.01)
overview["shrunken adapter", "factor 1 and 0.1"] = tuple(
    scaled[key][:, 0, 0] for key in ((1, False), (0.1, False), (0.1, True)))

# %% [markdown]
# So the score is only half of the remedy. The global head has one ridge for all modules, and a ridge that suits large
# features wipes out small ones. **What to do:** bring the features of each module to unit size.
#
# ## Near-duplicate tasks
#
# The first task, 4 or 5, is now given twice, and there is no other task. Each copy has half of the examples. In the
# second copy they may be turned a little. One might expect retrieval near chance between two copies to ruin the
# accuracy. There are two cases. Either both copies use the *same* class names, or the second has names of its *own*
# for the same two digits.

# %%
def copy_of(task, half, angle=0, raised=0):
    """Return half of a task's examples, turned, and their classes with a number added."""
    made = {}
    for part in ("train", "validation", "test"):
        one = getattr(task, part)
        rows = torch.randperm(len(one), generator=torch.Generator().manual_seed(0))[half::2]
        turned = rotate(one.x[rows].numpy().reshape(-1, 8, 8), angle, (2, 1), reshape=False,
                        order=1, mode="nearest")
        made[part] = Examples(torch.tensor(turned.reshape(-1, 64)), one.y[rows] + raised)
    return replace(task, **made, classes=tuple(name + raised for name in task.classes))


# %%
copies = {}
for names, angle in (("own", 30), ("own", 10), ("own", 0), ("same", 0)):
    taught = [teach(split, lambda tasks, angle=angle, raised=2 * (names == "own"): (
        copy_of(tasks[0], 0), copy_of(tasks[0], 1, angle, raised))) for split in SPLITS]
    copies[f"{names} names, turned by {angle}°"] = pd.DataFrame(
        [judge(*one) for one in taught], columns=MEASURES)
turned, _, own, same = copies.values()
print(pd.concat(copies).groupby(level=0).agg(percent_over_seeds).to_string())
verdict("between two copies of a task retrieval guesses. With the same names it costs nothing that "
        "can be seen; with names of its own, half of the answers.",
        max(abs(one["task found"].mean() - 0.5) for one in (own, same)) < 0.06
        and same["class right"].mean() > 0.94 and own["class right"].mean() < 0.56)
overview["near-duplicate tasks (class)", "turned by 30° and by 0°; remedy: same names"] = tuple(
    one["class right"] for one in (turned, own, same))

# %% [markdown]
# Retrieval *within* the copies carries no information, and none is needed if the answers agree. **What to do:** look
# at how the retriever mixes up its tasks, and give two tasks that it cannot tell apart the same answers, or merge them.
# If the same input must have two different answers, nothing helps.
#
# ## An unseen task
#
# One might expect that an input of a task which nobody has learned is *far* from every signature, and so rejected. An
# empty conformal set does that: no task has a p-value above $\alpha$. But a conformal set promises something about
# inputs of *known* tasks only. We leave out each task in turn, teach the two others, and give the third.

# %%
ALPHAS, unseen, largest = (0.05, 0.1, 0.2), {}, {}
for out in range(3):
    for split in SPLITS:
        _, learner = teach(split, lambda tasks, out=out: [*tasks[:out], *tasks[out + 1:]])
        new = features_of(systems[split][0], learner, "test")
        signatures, strange = learner.routers[0].retriever, new["task"] == out
        sets = ConformalTaskSets(dict(zip("ab", signatures.held_out_, strict=True)))
        distances = signatures.distances(new["adapted"])
        largest[out, split] = roc_auc_score(strange, -sets.p_values(distances).max(1))
        for alpha in ALPHAS:
            empty = ~sets.predict(distances, alpha).any(1)
            unseen[out, split, alpha] = empty[strange].mean(), empty[~strange].mean()
rejected = pd.DataFrame(unseen, ["unseen", "known"]).T.unstack(2)  # rows: task left out, split
by_split = rejected.groupby(level=1).mean()

# %% tags=["nbval-ignore-output"]
table = {f"rejected at {alpha}": {
    **{f"unseen: {task.name}": percent_over_seeds(rejected.loc[k]["unseen", alpha])
       for k, task in enumerate(systems[0][0])},
    "unseen, all three": percent_over_seeds(by_split["unseen", alpha]),
    "known, all three": percent_over_seeds(by_split["known", alpha])} for alpha in ALPHAS}
print(pd.DataFrame(table).to_string())
auroc = pd.Series(largest)
ends = seed_interval(auroc.groupby(level=1).mean())
print(f"AUROC of the largest p-value: {auroc.mean():.2f} ({ends[0]:.2f} to {ends[1]:.2f}); by task "
      "left out:", auroc.groupby(level=0).mean().round(2).tolist())
verdict("at 0.1 between a third and three quarters of the unseen inputs are rejected, and under a "
        "tenth of the known ones.", 1 / 3 < by_split["unseen", 0.1].mean() < 3 / 4
        and by_split["known", 0.1].mean() < 0.1)
overview["unseen task (rejected)", "known inputs kept, unseen ones rejected, at 0.1"] = (
    1 - by_split["known", 0.1], by_split["unseen", 0.1], None)

# %% [markdown]
# The share depends much on the task that is left out, and on the split: 6 or 7 is the hardest to notice. The AUROC says
# that unseen inputs *do* look stranger: an unseen input has a smaller p-value than a known one in nine of ten pairs.
# But the threshold comes from known tasks, and nothing says where unseen ones lie. A larger $\alpha$ rejects more of
# them, and more known inputs. **What to do:** nothing that is set on known tasks alone can promise more. Measure the
# share on a task that you leave out on purpose, and do not read a set with a task in it as "known".
#
# ## All cases at once

# %%
MARKS = {"works": ("#0072B2", "o", 0), "fails": ("#D55E00", "X", 0),
         "with a remedy": ("#009E73", "^", 0.24), "best possible": ("#000000", "|", -0.24)}
gallery, dots = plt.subplots(figsize=(9.5, 5.6))
for y, ((case, setting), results) in enumerate(overview.items()):
    for (name, (colour, mark, shift)), shares in zip(MARKS.items(), results, strict=False):
        if shares is not None:
            mean, (low, high) = np.mean(shares), np.clip(seed_interval(shares), 0, 1)
            dots.errorbar(100 * mean, y + shift, xerr=100 * np.array([[mean - low], [high - mean]]),
                          fmt=mark, color=colour, capsize=3, ms=9, mew=2,
                          label=name if case.startswith("heavy") else None)
            describe(dots, f"{dots.get_label()} {case} ({setting}), {name}: {percent(mean)}.")
dots.set(xlabel="right (%)", xlim=(0, 102), ylim=(6.5, -0.6), yticks=range(len(overview)),
         yticklabels=[f"{case}\n{setting}" for case, setting in overview])
dots.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1), ncols=4)
wb.show(gallery)

# %% [markdown]
# Each row has its own data and its own meaning of *right*: compare marks within a row. Where the row does not say
# otherwise, it is the share of tasks found. A black mark is the best possible rule for the failing data.
#
# ## What to remember
#
# | what goes wrong | why | what to do |
# |---|---|---|
# | tasks overlap | the features do not tell | other features, or sets of tasks |
# | heavy tails | the fit follows single inputs, and more data do not help | trim and fit again |
# | as many samples as features | the smallest variance is an accident | add a share of the mean variance |
# | random projections, tiny ridge | the same, and rounding in single precision | choose the ridge; double precision |
# | an adapter shrinks | log densities are not comparable; one ridge for all modules | unit size for each module |
# | a task comes twice | retrieval can only guess | the same answers for both; otherwise nothing |
# | a task was never learned | nobody promised to notice | nothing: measure the share, say it |
#
# **What would change your mind?** If a retriever had beaten the best possible rule in the toy, the toy or the exact
# error would be wrong. If retrieval had told two halves of one task apart, the evaluation would leak. If more known
# inputs than 10 % had been rejected at 0.1, over many splits, the proof of conformal sets or the code would be wrong.
#
# ## Try it yourself
#
# - `tail_shares(Toy(dimension=8, freedom=1.0, samples=1600))`: with one degree of freedom not even the mean exists.
#   What does `trim=True` do there?
# - `[few_samples(0, 64, ridge=10.0**-k) for k in range(1, 11)]`: how large must a ridge be at $n=d$?
# - `list(shrunken(0, 0.01, ["mahalanobis"], False))`: which of the three numbers does Mahalanobis distance save?
# - Turn the second copy by 5 or 20 degrees: from which angle on are two tasks different?
#
# ## Limits
#
# Small data: three tasks of two digits, one order, one network, and two toys. Intervals over splits share the same
# 1,797 digits, so they are too narrow for new digits. The composed modules have their usual settings, with no
# penalties. Remedies were tried on the failures that they are for, and their settings (a fifth left out, a tenth of
# the variance) were not tuned. Failures were made one at a time; two at once may need more.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
