# %% [markdown]
# # Decisions and transfer
#
# > **Claim you can check:** in one small world, a teacher of decisions should be cold to act, and warm to explore.
# > Knowing the digits 0 to 4 is not shown to help to learn 5 to 9. Learning without forgetting (LwF) asks an old
# > network for soft answers to new inputs. It keeps the old digits if somebody says which task an input is of. If
# > nobody does, it keeps no more than fine-tuning with a small learning rate.
#
# | | |
# |---|---|
# | **Objectives** | distil actions, and find the temperature at which a teacher is best to act and to explore · measure separately whether old knowledge helps new learning, and whether it is kept · compare LwF, self-distillation and SDFT |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); the scenarios of [01](../01_catastrophic_forgetting.ipynb) |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import itertools
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds

# %%
from sklearn.linear_model import RidgeClassifierCV

from workbench.learners import CONTROLS, LEARNERS, Batch, Finetune, fit, make_optimizer
from workbench.models import StackedMLP
from workbench.plots.styles import COLOURS, styles_of
from workbench.runs.evaluation import evaluate
from workbench.runs.studies import RESULTS
from workbench.tasks import make_stream
from workbench.tasks.variants import with_few_examples

wb.prepare_notebook()
SPLITS, SEEDS = range(5), (0, 1, 2)
chosen = json.loads((RESULTS / "self_distillation_further.json").read_text())

# %% [markdown]
# ## Policy distillation: a teacher for actions
#
# A soft label need not be about classes. Here it is a distribution over *actions*. The teacher is a table $Q(s,a)$:
# the discounted reward that it expects after action $a$ in cell $s$. **Policy distillation** ([Rusu et al., arXiv
# 1511.06295](https://arxiv.org/abs/1511.06295)) fits a student $\pi$ to the softened teacher:
#
# $$\min_\pi \sum_s \mathrm{KL}\big(p_T(\cdot\,|\,s)\,\|\,\pi(\cdot\,|\,s)\big),\qquad
# p_T(a\,|\,s)\propto e^{Q(s,a)/T}$$
#
# Which temperature is right? It depends on the purpose: to **act** well now (exploitation), or to **explore**.
#
# The world has two rooms and one door. Episodes begin in the top left corner, S. The goal G pays 1 and a pit x costs
# 1; both end the episode. One move in ten goes in a random direction. A reward at move $t$ counts $0.95^{t-1}$. The
# world is so small that the return of a policy is *exact*, from one linear system. Only the learning is random.

# %%
MAP = ["S..#...", "...#.x.", ".......", ".x.#...", "...#..G"]
DISCOUNT, COLD, grid_rng = 0.95, 1e-9, np.random.default_rng(0)  # COLD leaves the best action only
cells = [(r, c) for r, row in enumerate(MAP) for c, kind in enumerate(row) if kind != "#"]
reward = np.select([[MAP[r][c] == kind for r, c in cells] for kind in "Gx"], [1.0, -1.0])
inside, moves = reward == 0, ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
ahead = np.array([[cells.index(to) if (to := (r + a, c + b)) in cells else i for a, b in moves]
                  for i, (r, c) in enumerate(cells)])  # the next cell; into a wall: the same
chance = np.zeros((len(cells), 4, len(cells)))  # of the next cell, by cell and action
for action, actual in np.ndindex(4, 4):
    chance[np.arange(len(cells)), action, ahead[:, actual]] += 0.9 * (action == actual) + 0.025
chance *= inside[:, None, None]
best_table = np.zeros((len(cells), 4))
for _ in range(1000):  # value iteration
    best_table = chance @ (reward + DISCOUNT * best_table.max(-1))

# %% [markdown]
# The value of a policy is $V=(I-\gamma P_\pi)^{-1}P_\pi r$. Its **return** is the mean of $V$ over all cells: a good
# policy knows the way from everywhere, not from S alone. The second function is policy distillation. The student's
# logits are linear in some features of a cell, and it is fitted to the labels of all cells.

# %%
def mean_return(policy):  # exact, of policies (..., cells, 4)
    step = np.einsum("...sa,sat->...st", policy, chance)
    system = np.eye(len(cells)) - DISCOUNT * step
    return np.linalg.solve(system, (step @ reward)[..., None])[..., inside, 0].mean(-1)


def distil(labels, features):  # the logits of students, from labels (..., cells, 4)
    x, p = torch.tensor(features, dtype=torch.float64), torch.tensor(labels)
    w = torch.zeros(*p.shape[:-2], x.shape[1], 4, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.2)
    for _ in range(300):
        loss = -(p * (x @ w).log_softmax(-1)).sum()  # the KL, but for the labels' own entropy
        w.grad, = torch.autograd.grad(loss, w)
        optimizer.step()
    return (x @ w).detach().numpy()


# %% [markdown]
# The teachers learn by **Q-learning**. There are 60 of them, with random numbers of their own. Each begins with an
# empty table and takes 4,000 steps: enough to find the goal, and too few to know every cell. 30 % of the actions are
# random.

# %%
def learn(steps, table, guide=None, explore=0.3):
    """Q-learning from tables (..., cells, 4). A guide acts, or the learner with random actions."""
    q, after = table.reshape(-1, *table.shape[-2:]).copy(), chance.cumsum(-1)
    row, at = np.arange(len(q)), np.zeros(len(q), int)  # each episode begins at S
    for _ in range(steps):
        odds = ((1 - explore) * softmax(q[row, at] / COLD, -1) + explore / 4 if guide is None
                else guide.reshape(q.shape)[row, at])
        took = (odds.cumsum(-1) > grid_rng.random((len(q), 1))).argmax(-1)
        to = (after[at, took] > grid_rng.random((len(q), 1))).argmax(-1)
        aim = reward[to] + DISCOUNT * inside[to] * q[row, to].max(-1)
        q[row, at, took] += 0.2 * (aim - q[row, at, took])
        at = np.where(inside[to] & (grid_rng.random(len(q)) < 0.99), to, 0)
    return q.reshape(table.shape)


# %% [markdown]
# At each temperature we look at four policies:
#
# - the **softened** teacher itself;
# - a **small student**: 16 features (row, column, walls around it) in place of a table's 31 cells. It acts by its
#   distribution, or always takes its **likeliest** action;
# - a **guided learner**. It begins with an empty table and learns for 2,000 steps by Q-learning. The softened teacher
#   chooses its actions while it learns. Then we ask for the return of its own best actions.
#
# Two **controls** go through the same: the teacher's labels shuffled among the cells, and an untrained table of
# random numbers.

# %%
HEATS, empty = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 3), np.zeros((60, len(cells), 4))  # 60 seeds
taught = learn(4000, empty)
shuffled_cells = grid_rng.permuted(np.tile(np.arange(len(cells)), (60, 1)), axis=1)[..., None]
teachers = {"teacher": taught, "shuffled": np.take_along_axis(taught, shuffled_cells, 1),
          "untrained": grid_rng.normal(scale=taught.std(), size=taught.shape)}
senses = np.hstack([*(np.eye(7)[list(where)] for where in zip(*cells, strict=True)),
                   ahead == np.arange(len(cells))[:, None]])  # row, column, walls
middle = taught[mean_return(softmax(taught / COLD, -1)).argsort()[30]].argmax(-1)  # its actions
returns = {}  # by teacher and policy: (settings, seeds)
for name, table in teachers.items():
    soft = np.stack([softmax(table / heat, -1) for heat in HEATS])
    small, guided = distil(soft, senses), learn(2000, np.zeros(soft.shape), soft)
    returns.update({(name, kind): mean_return(softmax(logits, -1)) for kind, logits in {
        "softened": np.log(soft + 1e-300), "small student": small,
        "small student, likeliest": small / COLD, "guided learner": guided / COLD}.items()})

# %% [markdown]
# The baselines have no temperature: the teacher's best action; a small student that imitates it (**hard labels**);
# 2,000 steps of Q-learning without a teacher; and 2,000 more steps of the teacher itself. There are also
# **generations**: a guided learner becomes the teacher of the next, five times.
#
# Some of this can be proved. (1) A KL is at least 0, and it is 0 only between equal distributions. So a student that
# can express every policy, such as a table, *is* the softened teacher. (2) As $T\to0$, a soft label becomes the best
# action, and distillation becomes imitation. (3) A table that is distilled into the next, with its log probabilities
# softened again each time, is $\mathrm{softmax}(Q/T^g)$ after $g$ generations: at $T=1$ nothing changes, below it
# becomes greedy, above it becomes random. Without new experience no generation knows more than the first teacher.

# %%
imitator, explored = distil(softmax(taught / COLD, -1), senses), (0.1, 0.3, 0.5, 0.8)
offspring = {0.01: taught, 0.5: taught}
for heat in [*offspring] * 5:
    offspring[heat] = learn(2000, empty, softmax(offspring[heat] / heat, -1))
returns.update({name: mean_return(softmax(logits, -1)) for name, logits in {
    ("hard labels", "best action"): [taught / COLD], ("hard labels", "small student"): [imitator],
    ("hard labels", "small student, likeliest"): [imitator / COLD],
    **{("fifth generation", f"T = {heat}"): [q / COLD] for heat, q in offspring.items()},
    **{(name, "learns 2,000 steps"): [learn(2000, q, explore=part) / COLD for part in explored]
       for name, q in {"no teacher": empty, "teacher": taught}.items()}}.items()})
table_student = mean_return(softmax(distil(softmax(taught / HEATS[2], -1), np.eye(len(cells))), -1))
verdict("a student with a table of its own returns the same as the softened teacher, to 0.002; "
        "and two generations at T = 0.5 are one at T = 0.25.",
        abs(table_student - returns["teacher", "softened"][2]).max() < 2e-3 and np.allclose(
            softmax(np.log(softmax(taught / 0.5, -1)) / 0.5, -1), softmax(taught / 0.25, -1)))

# %% [markdown]
# A setting (temperature, or share of random actions) is chosen on 20 seeds. The table has the return of the 40
# *other* seeds, with its 95 % interval. The best return that is possible is 0.74, and random moves have -0.37.

# %% tags=["nbval-ignore-output"]
grid_table = {}
for name, values in returns.items():
    best, settings = values[:, :20].mean(1).argmax(), {7: HEATS, 4: explored}.get(len(values), "-")
    low, high = seed_interval(values[best, 20:])
    grid_table[name] = (f"{values[best, 20:].mean():5.2f} ({low:5.2f} to {high:5.2f})",
                        settings[best])
print(pd.DataFrame(grid_table, ["return", "T or share"]).T.to_string())
misses = best_table[np.arange(len(cells)), middle] < best_table.max(-1) - 0.02
by_guide, choice = returns["teacher", "guided learner"], "small student, likeliest"
verdict("to act, the coldest teacher is best; to explore, T = 0.5 is better than the coldest and "
        "the hottest.", returns["teacher", "softened"].mean(1).argmax() == 0
        and all(seed_interval((by_guide[4] - by_guide[other])[20:])[0] > 0 for other in (0, -1)))
soft_gain = np.subtract(*(returns[name, choice] for name in ("teacher", "hard labels")))
print("small student, soft labels minus hard:", *(f"T = {heat}: {low:+.2f} to {high:+.2f}"
      for heat, low, high in zip(HEATS, *seed_interval(soft_gain.T), strict=True)), sep="\n  ")

# %% [markdown]
# The figure has the mean over all 60 seeds, with its interval. On the right is the teacher in the middle of the 60,
# by return: its best action in each cell. An orange action is worse than the best one in its cell: the expected return
# from there is lower by more than 0.02. Grey cells are walls.

# %% tags=["nbval-ignore-output"]
grid_figure, (curves, world) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(3, 2),
                                            subplot_kw={"label": f"Mean return at T = {HEATS}:"})
for kind, x, y, colour in (("softened", 0.6, -0.33, "#D55E00"), ("guided learner", 0.2, 0.61,
                           "#0072B2"), ("small student, likeliest", 0.0105, 0.17, "#009E73")):
    mean = returns["teacher", kind].mean(1)
    half = mean - seed_interval(returns["teacher", kind].T)[0]
    curves.errorbar(HEATS, mean, half, fmt="o-", capsize=4, color=colour)
    curves.text(x, y, kind, color=colour, fontweight="bold")
    describe(curves, f"{curves.get_label()} {kind}: {mean.round(2).tolist()}.")
curves.set(xscale="log", xlabel="temperature of the teacher", ylabel="return", ylim=(-0.4, 0.7))
for i, (r, c) in enumerate(cells):
    world.text(c, r, "↑→↓←"[middle[i]] if inside[i] else MAP[r][c], fontsize=16,
               color=("black", "#D55E00")[int(misses[i])], ha="center", va="center")
world.imshow([[kind == "#" for kind in row] for row in MAP], cmap="Greys", alpha=0.5)
wb.show(describe(world, f"Map: {misses.sum()} of 28 best actions of the middle teacher are wrong."))

# %% [markdown]
# - **To act, be cold.** The softened teacher is best at the lowest temperature, where it is the greedy teacher. Every
#   increase of the temperature lowers its return. The authors of policy distillation say the same of Q-values: they
#   have to be made sharper, while the logits of a classifier are made softer.
# - **To explore, be warm.** The guided learner is best at $T=0.5$, where acting by the teacher returns nothing. A
#   cold guide repeats its routes, and a hot one walks at random. (Computed beforehand from the same matrices: in 400
#   steps the guide at T = 0.01, 0.5 and 3 reaches the goal 23, 2.6 and 0.6 times, and its visits are spread as if
#   over 12, 17 and 14 cells alike.) So one teacher has two best temperatures. They differ at least thirtyfold: $T=0.3$
#   and 0.5 are not shown to differ as guides, and 0.01 is the coldest that we tried.
# - **What the teacher knows matters.** Learners with a shuffled or an untrained guide are worse than those of the
#   teacher. They are not shown to differ from learners without any guide: the differences, seed by seed, are -0.05 to
#   +0.18 and -0.15 to +0.06.
# - **For the small student soft labels are not better than hard ones.** At low temperatures the two tie. At high ones
#   soft labels are worse, even for its likeliest action. A likely reason: for large $T$ the KL tends to $1/(8T^2)$
#   times a squared error: that of $T$ times the student's logits as an estimate of $Q$ (both less their mean in each
#   cell). Then the student spends its few features on the large differences beside the pits and the goal, and not on
#   the question which action is best.
# - **The student's gain is not free.** A guided learner reaches about the return of its teacher in 2,000 steps of its
#   own. But a teacher that goes on for 2,000 steps is better than any student: it keeps its table, and the student
#   was given only a policy. Over five generations the warm line falls from 0.54 to 0.31. The cold line does not fall: a
#   first learner with a cold guide has 0.39 and the fifth 0.46, which is a little less than the teacher's 0.52.
#
# **Limits.** One world, in which both purposes matter. We also tried others. Where a second, small reward lay near S,
# all learners went there, at any temperature. In larger worlds 4,000 steps did not find the goal. Learning rate and
# numbers of steps were not searched. Both best shares of random actions, 0.1 and 0.8, are the ends of their grid.

# %% [markdown]
# ## Transfer: from the digits 0 to 4 to the digits 5 to 9
#
# A network has learned 0 to 4 from all their training digits. Now it meets 5 to 9. There are two questions. Does old
# knowledge help to learn the *new* digits? And are the *old* ones kept?
#
# ### Does old knowledge help?
#
# A **warm start** takes all weights of the old network. A **fresh start** takes new random weights. Both learn 5 to 9
# from the same few labels. Of the learning rates 0.0003, 0.001 and 0.003, the last was the best for both on
# validation digits, after 200 steps with 20 labels (for the warm start a tie with 0.001). To look at the features
# alone we freeze them: a linear *read-out* is fitted on the last hidden layer of the old network (ridge regression,
# with the penalty by cross-validation). Its **controls** are read-outs of a network with *random* weights, and of the
# *pixels*. Somebody says that the digit is one of 5 to 9 (the task scenario).

# %%
def learn_task(learner, stream, task, lr, steps=300, every=20):
    """Learn a task; return accuracies on both tasks: shape (points, seeds, tasks)."""
    learner.begin(stream.tasks[task])
    training = fit(learner, stream.tasks[task], make_optimizer(learner, lr), steps=steps,
                   batch_size=32)
    points = [evaluate(learner, stream, task) for i, _ in enumerate(training, 1) if i % every == 0]
    learner.end(stream.tasks[task])
    return np.array(points)


def network(weights=None):
    """Return networks with the given weights, or with new random ones."""
    made = StackedMLP(64, (100, 100), 10, SEEDS)
    made.restart(1) if weights is None else made.hold(weights)
    return made


# %%
halves, old_weights = {}, {}
for scenario, split in itertools.product(("task", "class"), SPLITS):
    stream = halves[scenario, split] = make_stream("halved-digits", scenario, 2, split)
    learner = Finetune(StackedMLP(64, (100, 100), 10, SEEDS))
    learn_task(learner, stream, 0, lr=1e-3, steps=200, every=200)
    old_weights[scenario, split] = learner.model.snapshot()


def read_out(model, train, test):
    """Return the accuracy of linear classifiers on the last hidden layer, or on pixels."""
    train_x, test_x = (part.x[None] if model is None else model.trace(part.x)[0][-1].detach()
                       for part in (train, test))
    return np.mean([RidgeClassifierCV(np.logspace(-4, 3, 8)).fit(a, train.y).score(b, test.y)
                    for a, b in zip(train_x, test_x, strict=True)])


# %%
LABELS, start_accuracies = (10, 20, 40, 80), {}
for split, labels in itertools.product(SPLITS, LABELS):
    stream, old = halves["task", split], old_weights["task", split]
    few = with_few_examples(stream, labels, split).tasks[1]
    few_stream = replace(stream, tasks=(stream.tasks[0], few))
    for name, weights in {"warm": old, "fresh": None}.items():
        points = learn_task(Finetune(network(weights)), few_stream, 1, 3e-3, steps=200, every=20)
        for step in (20, 200):
            start_accuracies[f"{name}, {step} steps", split, labels] = (
                points[step // 20 - 1, :, 1].mean())
    for name, model in {"old": network(old), "random": network(), "pixels": None}.items():
        start_accuracies[f"read-out: {name}", split, labels] = read_out(model, few.train, few.test)

# %% tags=["nbval-ignore-output"]
starts = pd.Series(start_accuracies).unstack()  # rows: start and split; columns: labels
print(starts.groupby(level=0, sort=False).agg(percent_over_seeds).to_string())
PAIRS = (*((f"warm, {n} steps", f"fresh, {n} steps") for n in (20, 200)),
         *(("read-out: old", f"read-out: {other}") for other in ("random", "pixels")))
differences = {(a, b): 100 * (starts.loc[a] - starts.loc[b]) for a, b in PAIRS}
early, late = (seed_interval(differences[pair].to_numpy()) for pair in PAIRS[:2])
verdict("a warm start is nowhere shown to be better than a fresh one; after 20 steps with 80 "
        "labels it is worse.", (early[0] < 0).all() and (late[0] < 0).all() and early[1][-1] < 0)

# %% [markdown]
# Again the paired differences are clearer. On the left the whole network is trained; on the right the features are
# frozen.

# %% tags=["nbval-ignore-output"]
start_figure, start_axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
PLACES = ((0, "after 20 steps"), (0, "after 200 steps"), (1, "a random network"), (1, "pixels"))
for i, ((panel, label), gain) in enumerate(zip(PLACES, differences.values(), strict=True)):
    half = gain.mean() - seed_interval(gain.to_numpy())[0]
    start_axes[panel].errorbar(np.arange(len(LABELS)) + 0.08 * (i % 2), gain.mean(), half,
                               fmt="o-", capsize=4, color=COLOURS[i % 2], label=label)
    describe(start_axes[panel], f"{start_axes[panel].get_label()} {label}: "
                                f"{gain.mean().round(1).tolist()} points.")
for ax, title in zip(start_axes, ("warm minus fresh start", "read-out: old network minus ..."),
                     strict=True):
    ax.set(title=title, xlabel="labels of 5 to 9", ylabel="points of accuracy",
           xticks=range(len(LABELS)), xticklabels=LABELS)
    ax.axhline(0, color="black", linewidth=1)
    ax.legend(frameon=False, loc="lower right")
wb.show(start_figure)

# %% [markdown]
# **Knowing 0 to 4 is not shown to help to learn 5 to 9.** After 200 steps the two starts are not shown to differ.
# After 20 steps, at the same learning rate, the warm one is behind with 80 labels, and on average with fewer. The old
# features are nowhere better than the pixels. With 10 labels they are even worse than those of a random network, and
# with 80 they are a little better. Why? Perhaps because the old network has learned what separates 0 to 4, which need
# not be what separates a 5 from a 6. Others found before that warm starts can generalise worse ([Ash and Adams,
# 2020](https://arxiv.org/abs/1910.08475), where more data of the same classes arrive). It does not follow that
# transfer never pays: these old data are few and special.
#
# ### Are the old digits kept? Learning without forgetting
#
# Now all labels of 5 to 9 are there, and no example of 0 to 4. **LwF** ([Li and Hoiem, arXiv
# 1606.09282](https://arxiv.org/abs/1606.09282)) asks the old network about the **new** inputs: if this 7 had to be
# one of 0 to 4, which one? The student learns the labels, and keeps these soft answers:
#
# $$L=\tfrac12\,\mathrm{CE}(y, q)+\tfrac12\,s\,T^2\,\mathrm{KL}\big(p^{\text{old}}_T\,\|\,q^{\text{old}}_T\big)$$
#
# Here $q$ is the student, *old* means a softmax over the outputs 0 to 4, $T=2$, and $s$ is the strength. By hand, on
# one batch, with random networks as the student:

# %%
new_task, random_network = halves["class", 0].tasks[1], network()
student = LEARNERS["lwf"](network(old_weights["class", 0]), strength=10.0)
student.end(halves["class", 0].tasks[0])  # keeps the old network
student.begin(new_task)
student.model.hold(random_network.snapshot())
shown = Batch(new_task.train.x[:32].expand(3, -1, -1), new_task.train.y[:32].expand(3, -1),
              new_task.masks[1])
new_logits, old_logits = random_network(shown.x), network(old_weights["class", 0])(shown.x)
hard_loss = -new_logits.log_softmax(-1).gather(-1, shown.y[..., None]).mean((1, 2))
log_q, log_p = ((logits[..., :5] / 2).log_softmax(-1) for logits in (new_logits, old_logits))
soft_loss = 2**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean(1)
verdict("by hand and by the package the loss of LwF is the same.",
        torch.allclose((hard_loss + 10 * soft_loss) / 2, student.loss(shown)))

# %% [markdown]
# In the **task** scenario somebody says whether a digit is one of 0 to 4 or of 5 to 9. In the **class** scenario
# nobody does, and all ten outputs compete. LwF's **controls** are an old network that is *untrained*, and answers
# that are *shuffled* among the digits of a batch. **Born again** is self-distillation, as in lesson 03: it learns 5
# to 9 twice, each time from the old weights, and the second time the first network teaches it about 5 to 9.
#
# Forgetting alone is no result: a network that learns nothing forgets nothing. So we ask how much of 0 to 4 is left
# when 5 to 9 are first known to 95 % (task) or 85 % (class); we look every 20 steps. Each method has the best of nine
# settings
# by this measure, on validation digits of other splits: three learning rates times strength 1, 10 or 30 (LwF and its
# controls) or times weight 0.5, 0.8 or 1 (born again); fine-tuning has nine learning rates. All methods ended with
# the same rate: 0.0005 (task) and 0.0002 (class).

# %%
paths, fine_tuned = {}, None  # paths by scenario, method and split: (points, seeds, tasks)
for (scenario, split), stream in halves.items():
    for name, settings in chosen["transfer"][scenario].items():
        learner = (LEARNERS | CONTROLS)[settings["learner"]](network(), **settings["options"])
        if name != "control: untrained":  # it takes its random weights for the old network
            learner.model.hold(old_weights[scenario, split])
        learner.end(stream.tasks[0])
        learner.model.hold(old_weights[scenario, split])
        if name == "born again":  # after fine-tuning at the same rate: its first generation
            learner.begin(stream.tasks[1])
            learner.model.hold(fine_tuned)
            again = replace(stream.tasks[1], generation=2)
            stream = replace(stream, tasks=(stream.tasks[0], again))
        paths[scenario, name, split] = learn_task(learner, stream, 1, settings["lr"])
        fine_tuned = learner.model.snapshot()

# %% tags=["nbval-ignore-output"]
kept_rows = {}
for (scenario, name, split), path in paths.items():
    for seed, own in enumerate(path.swapaxes(0, 1)):  # (points, tasks)
        enough = own[:, 1] >= chosen["levels"][scenario]
        old_then = own[enough.argmax(), 0] if enough.any() else np.nan
        kept_rows[scenario, name, split, seed] = enough.any(), old_then, *own[-1]
kept = pd.DataFrame(kept_rows, ["reached", "old then", "old, at the end", "new, at the end"]).T
kept = kept.astype(float).groupby(level=[0, 1, 2], sort=False).mean()
print(kept.groupby(level=[0, 1], sort=False).agg(lambda own: percent(
    own.mean()) if own.name == "reached" else percent_over_seeds(own.dropna())).to_string())
lwf_ends = {scenario: 100 * np.array(seed_interval(own["lwf"] - own["finetune"]))
            for scenario, own in kept["old then"].unstack(1).groupby(level=0)}
print("LwF minus finetune:", {name: own.round(1).tolist() for name, own in lwf_ends.items()})
verdict("at the same new accuracy LwF keeps more of the old digits if the task is told, and not if "
        "it is not.", lwf_ends["task"][0] > 0 and lwf_ends["class"][0] < 0)

# %%
path_figure, path_axes = plt.subplots(1, 2, figsize=(10, 3.8))
for ax, (scenario, start) in zip(path_axes, (("task", 80), ("class", 0)), strict=True):
    for name, style in styles_of(chosen["transfer"][scenario]).items():
        mean = 100 * np.mean([paths[scenario, name, split] for split in SPLITS], axis=(0, 2))
        ax.plot(mean[:, 1], mean[:, 0], label=name, **style | {"markevery": 3})
        describe(ax, f"{ax.get_label()} {scenario} scenario, {name} ends at {mean[-1, 1]:.0f} % "
                     f"new and {mean[-1, 0]:.0f} % old.")
    ax.axvline(100 * chosen["levels"][scenario], color="grey", linestyle=":")
    ax.set(title=f"{scenario} scenario", xlabel="accuracy on 5 to 9 (%)", xlim=(start, 100),
           ylim=(0.85 * start, 101))
path_axes[0].set_ylabel("accuracy on 0 to 4 (%)")
path_axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(path_figure)

# %% [markdown]
# In the table, *reached* is the share of the networks that reached the level, and *old then* the mean over these. In
# the figure each path runs from left to right as 5 to 9 are learned. It is the mean over 15 networks, and the dotted
# line is the level. The axes of the left panel begin at 80 % and at 68 %.
#
# - **The task is told: LwF keeps nearly everything.** The knowledge of the old network matters: an untrained old
#   network protects no more than fine-tuning, and with shuffled answers more is lost.
# - **The task is not told: everybody forgets.** LwF is better than its controls, so the old answers do carry
#   knowledge. But plain fine-tuning with the learning rate 0.0002 keeps 1 to 8 points more at the level. The reason:
#   LwF compares old classes with old ones. Nothing in its loss compares a 3 with an 8, while the labels only ever
#   reward the outputs 5 to 9. (The smallest strength was the best one. With strength 0 LwF is fine-tuning: Adam does
#   not notice that the loss is halved.) Lesson [02](../02_measuring_retention.ipynb) found no gain either, with five
#   tasks.
# - **Born again protects nothing.** In the class scenario it even keeps less than fine-tuning. Its teacher has itself
#   forgotten, and is asked about 5 to 9 only. Self-distillation keeps what *this* teacher still knows and is asked
#   about.
#
# ### The link to SDFT
#
# LwF *is* self-distillation: the teacher is the student as it was before the new task. Born-again networks ask their
# teacher about inputs that it was trained on. LwF asks about new inputs, which the teacher has never seen. So it
# needs no old data: the soft answer to a 7 says a little about what the network thinks of a 3. LwF keeps the old
# *function* on the new inputs, and only there. The new knowledge comes from the labels, in a second term that pulls
# against the first.
#
# SDFT has one term. Its teacher sees a **demonstration in its prompt**, and so the same soft answers carry the *new*
# knowledge too. And it answers along the **student's own words**, not along given texts. What is kept is what the
# demonstration does not change in the teacher's answers, on the words that the student uses now: its style, for
# example. Neither method stores old data, and neither is told to keep what the new inputs never touch. The class
# scenario shows what that can mean. Lesson [08](../08_many_skills.ipynb) measures how much SDFT keeps.
#
# ## What to remember
#
# - The best temperature of a teacher depends on the purpose: to act, or to explore.
# - LwF keeps what the old network is asked about. Whether that suffices depends on the scenario.
#
# **What would change your mind?** If LwF with shuffled answers had kept old digits, any second term in the loss would
# do. If a warm start had won with ten labels, knowledge of 0 to 4 would transfer.
#
# ## Limits
#
# - One small data set and small networks. One pair of tasks: other pairs may transfer.
# - The intervals are over five splits of the same 1,797 digits: too narrow for new digits, and five is few.
# - Some of the best settings lie at the edge of their grids: the strength of LwF and the learning rates in the class
#   scenario (fine-tuning at half that rate did not reach 85 % in 300 steps).
# - The section on decisions states its own limits.
#
# ## Try it yourself
#
# - `chosen["transfer"]["task"]["lwf"]["options"]["strength"] = 0.1`, then run the cell of the paths and the next two
#   again. How much protection is needed?
# - `workbench run --stream halved-digits --scenario task --learner lwf-shuffled --seeds 0 1 2`: the control, with the
#   learning rate of the course. Compare with `--learner lwf`.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
