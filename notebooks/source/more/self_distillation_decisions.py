# %% [markdown]
# # A teacher for decisions
#
# > **Claim you can check:** a teacher can also give soft labels for *actions*. In one small world, the best temperature of the
# > teacher depends on the purpose. To act well, the temperature must be low. To explore the world, it must be higher.
#
# | | |
# |---|---|
# | **Objectives** | understand Q-learning in a world of 31 cells · distil actions into a student · find the best temperature for acting and the best one for exploring |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); nothing about reinforcement learning |
# | **Time** | about 40 minutes to work through, under 30 seconds to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_differences
from workbench.plots.sequences import plot_stages
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# ## A small world
#
# In **reinforcement learning** nobody gives the right action. A learner acts in a world and gets rewards. Our world is a map of
# cells with two rooms and one door.
#
# | word | meaning here |
# |---|---|
# | **action** | a move up, right, down or left. One move in ten goes in a random direction |
# | **reward** | 1 in the goal G, -1 in a pit x, and 0 elsewhere |
# | **episode** | a walk that begins in the top left corner, S. It ends in the goal or in a pit |
# | **policy** $\pi$ | for each cell, the probabilities of the four actions |
# | **discount** $\gamma=0.95$ | a reward at move $t$ counts $\gamma^{t-1}$ times. So early rewards count more |
# | **value** $V$ of a cell | the expected sum of discounted rewards from this cell on |
# | **return** of a policy | the mean value of all cells except the goal and the pits. So a good policy must know the way from every cell |
# | **$Q(s,a)$** | the expected sum of discounted rewards after action $a$ in cell $s$ |
# | **greedy** | a greedy policy always takes the action with the largest $Q$ |
#
# The code below builds the map. Then it computes the table $Q$ of the best possible policy by **value iteration**. All entries
# are 0 at first. In each iteration, a new entry $Q(s,a)$ is the expected value of a sum: the reward in the next
# cell of the map, plus $\gamma$ times the largest old entry of that cell. The figure shows the result.

# %%
MAP = ["S..#...", "...#.x.", ".......", ".x.#...", "...#..G"]
DISCOUNT, GREEDY, grid_rng = 0.95, 1e-9, np.random.default_rng(0)
cells = [(r, c) for r, row in enumerate(MAP) for c, kind in enumerate(row) if kind != "#"]
reward = np.select([[MAP[r][c] == kind for r, c in cells] for kind in "Gx"], [1.0, -1.0])
inside, moves = reward == 0, ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
ahead = np.array([[cells.index(to) if (to := (r + a, c + b)) in cells else i for a, b in moves]
                  for i, (r, c) in enumerate(cells)])  # the next cell, or the same at a wall
chance = np.zeros((len(cells), 4, len(cells)))  # of the next cell, by cell and action
for action, actual in np.ndindex(4, 4):
    chance[np.arange(len(cells)), action, ahead[:, actual]] += 0.9 * (action == actual) + 0.025
chance *= inside[:, None, None]
best_table = np.zeros((len(cells), 4))
for _ in range(1000):  # value iteration
    best_table = chance @ (reward + DISCOUNT * best_table.max(-1))

# %%
def draw_map(ax, shades, texts, title, colours="black"):
    """Draw a shade from 0 to 1 and a text in each cell of the map. Walls are grey."""
    grid = np.full((len(MAP), len(MAP[0])), np.nan)
    grid[tuple(np.transpose(cells))] = shades
    ax.imshow(grid, plt.get_cmap("Blues").with_extremes(bad="#999999"), vmin=0, vmax=1.5)
    for (r, c), text, colour in zip(cells, texts, np.broadcast_to(colours, len(cells)),
                                    strict=True):
        ax.text(c, r, text, ha="center", va="center", color=colour)
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(False)
    return ax


# %%
best_value = best_table.max(-1)
world_ax = draw_map(
    plt.subplots(figsize=(6, 4))[1], best_value,
    [f"{'S ' * (i == 0)}{'↑→↓←'[best_table[i].argmax()]}\n{best_value[i]:.2f}" if inside[i]
     else MAP[r][c] for i, (r, c) in enumerate(cells)], "The best action and its value")
wb.show(describe(world_ax, "Map of the two rooms. Each cell has the best action and its value, "
                 f"from {best_value[0]:.2f} in S to {best_value.max():.2f} beside the goal. The "
                 "arrows lead through the door to the goal, and away from the pits."))

# %% [markdown]
# Let $P_\pi$ be the matrix of the probabilities to go from one cell to another with policy $\pi$, and let $r$ be the rewards of
# the cells. A value is the expected reward of the first move, plus $\gamma$ times the value of the next cell:
# $V=P_\pi(r+\gamma V)$. This is the linear system $(I-\gamma P_\pi)V=P_\pi r$. So the return of a policy can be
# computed exactly.
#
# ## Policy distillation
#
# The teacher is a table $Q(s,a)$. **Policy distillation** ([Rusu et al., 2015](https://arxiv.org/abs/1511.06295)) turns the table
# into soft labels with a temperature $T$, and fits a student policy $\pi$ to them:
#
# $$\min_\pi \sum_s \mathrm{KL}\big(p_T(\cdot\,|\,s)\,\|\,\pi(\cdot\,|\,s)\big),\qquad
# p_T(a\,|\,s)\propto e^{Q(s,a)/T}.$$
#
# At a low temperature $p_T$ is nearly greedy. (In the code, `GREEDY` is a temperature so low that only the best action is left.) At
# a high temperature all actions are nearly equally likely. The figure shows the soft labels in the cell on the right of the
# upper pit, from the table of the best possible policy. At $T=0.5$ the three safe actions are similarly likely, and the move
# into the pit is still unlikely.

# %%
TEMPS, beside_pit = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 3), best_table[cells.index((1, 6))]
soft_labels = pd.DataFrame({f"T = {temp}": softmax(beside_pit / temp) for temp in TEMPS},
                           ["up", "right", "down", "left (pit)"])
wb.show(plot_stages(soft_labels, plt.subplots(figsize=(8, 2.6))[1],
                    "Soft label of the cell beside the upper pit (%)"))

# %% [markdown]
# In the next cell, `mean_return` computes the return, and `distil` does policy distillation. The student's logits are linear in
# some features of a cell.

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
        loss = -(p * (x @ w).log_softmax(-1)).sum()  # the KL plus a constant
        w.grad, = torch.autograd.grad(loss, w)
        optimizer.step()
    return (x @ w).detach().numpy()


# %% [markdown]
# ## The teachers
#
# The teachers learn by **Q-learning**. After each move, one entry of the table changes: $Q(s,a)$ goes 20 % of the way towards
# *reward plus discounted best value of the next cell*. With probability 30 % the action is random, so that the learner sees new
# cells. Otherwise it is greedy. While a table learns, one move in a hundred also ends the episode.
#
# There are 60 teachers with different random numbers. Each begins with a table of zeros, and takes 4,000 steps. This is
# enough to find the goal, but too few to know every cell. The next figure shows this.

# %%
def learn(steps, table, guide=None, explore=0.3):
    """Learn tables (..., cells, 4). The guide chooses the actions, or else the learner itself."""
    q, after = table.reshape(-1, *table.shape[-2:]).copy(), chance.cumsum(-1)
    row, at = np.arange(len(q)), np.zeros(len(q), int)  # each episode begins at S
    for _ in range(steps):
        odds = ((1 - explore) * softmax(q[row, at] / GREEDY, -1) + explore / 4 if guide is None
                else guide.reshape(q.shape)[row, at])
        took = (odds.cumsum(-1) > grid_rng.random((len(q), 1))).argmax(-1)
        to = (after[at, took] > grid_rng.random((len(q), 1))).argmax(-1)
        aim = reward[to] + DISCOUNT * inside[to] * q[row, to].max(-1)
        q[row, at, took] += 0.2 * (aim - q[row, at, took])
        at = np.where(inside[to] & (grid_rng.random(len(q)) < 0.99), to, 0)
    return q.reshape(table.shape)


# %%
empty = np.zeros((60, len(cells), 4))
taught = learn(4000, empty)
actions = taught.argmax(-1)  # the best action of each teacher in each cell
bad = best_table[np.arange(len(cells)), actions] < best_table.max(-1) - 0.02
median = mean_return(softmax(taught / GREEDY, -1)).argsort()[30]

# %% tags=["nbval-ignore-output"]
teacher_figure, (one_ax, all_ax) = plt.subplots(1, 2, figsize=(10, 3.6))
kinds = [("S " * (i == 0), MAP[r][c])[not inside[i]] for i, (r, c) in enumerate(cells)]
draw_map(one_ax, 0 * reward, [kind + "↑→↓←"[action] * int(free) for kind, action, free in zip(
    kinds, actions[median], inside, strict=True)], "The median teacher (orange: wrong)",
    np.where(bad[median], "#D55E00", "black"))
draw_map(all_ax, bad.mean(0), [percent(share) if free else kind for kind, share, free in zip(
    kinds, bad.mean(0), inside, strict=True)], "Share of the 60 teachers that are wrong")
describe(one_ax, f"Map: {bad[median].sum()} of {inside.sum()} best actions of the median teacher "
         "are wrong.")
describe(all_ax, f"Map: {percent(bad.mean(0)[inside].min())} to {percent(bad.mean(0).max())} of "
         "the teachers have a wrong best action in a cell.")
wb.show(teacher_figure)

# %% [markdown]
# On the left is the teacher with the median return of the 60. An arrow is its best action in a cell. An orange arrow is worse
# than the best possible action: in the table of the best possible policy, its $Q$ is lower by more than 0.02.
#
# ## Three ways to use a teacher
#
# At each temperature we look at
#
# - the **softened teacher**: the policy $p_T$ itself;
# - a **small student**. Its inputs are 16 features of a cell (row, column, and walls around the cell). With 16 features for 31
#   cells, it cannot express every policy. It either draws its action from its probabilities, or always takes its
#   **likeliest** action;
# - a **guided learner**. It begins with a table of zeros, and learns for 2,000 steps by Q-learning. While it learns, the softened
#   teacher (the *guide*) chooses its actions. Then we measure the return of its own greedy policy. So here the teacher
#   is used to *explore* the world.
#
# There are two **controls**: a teacher whose labels are *shuffled* among the cells, and an *untrained* table of random numbers.

# %%
shuffled_cells = grid_rng.permuted(np.tile(np.arange(len(cells)), (60, 1)), axis=1)[..., None]
teachers = {"teacher": taught, "shuffled": np.take_along_axis(taught, shuffled_cells, 1),
          "untrained": grid_rng.normal(scale=taught.std(), size=taught.shape)}
senses = np.hstack([*(np.eye(7)[list(where)] for where in zip(*cells, strict=True)),
                   ahead == np.arange(len(cells))[:, None]])  # row, column, walls
returns = {}  # by teacher and policy: (settings, seeds)
for name, table in teachers.items():
    soft = np.stack([softmax(table / temp, -1) for temp in TEMPS])
    small, guided = distil(soft, senses), learn(2000, np.zeros(soft.shape), soft)
    returns.update({(name, kind): mean_return(softmax(logits, -1)) for kind, logits in {
        "softened": np.log(soft + 1e-300), "small student": small,
        "small student, likeliest": small / GREEDY, "guided learner": guided / GREEDY}.items()})

# %% [markdown]
# The baselines have no temperature:
#
# - the greedy policy of the teacher itself;
# - **hard labels**: a small student that learns the teacher's best action alone;
# - 2,000 steps of Q-learning without a teacher;
# - 2,000 more steps of the teacher.
#
# There are also five **generations**: the teacher guides the first learner, the first learner guides the second, and so on.
#
# **Three facts.**
#
# 1. A KL is 0 only if the two distributions are equal. A table can express every policy. So a student with a table that is
#    trained to the minimum is equal to the softened teacher.
# 2. If $T$ goes to 0, a soft label becomes the best action. Then distillation is imitation of the best action.
# 3. Suppose that each generation is a distillation into a table, without Q-learning. The first student has the policy
#    $\mathrm{softmax}(Q/T)$. The second student learns from the log probabilities of the first, divided by $T$. So its policy
#    is $\mathrm{softmax}(Q/T^2)$. After $g$ generations the policy is $\mathrm{softmax}(Q/T^g)$. With more generations it
#    becomes greedy if $T$ is below 1, and random if $T$ is above 1. Without new experience, no generation knows more than
#    the first teacher.

# %%
imitator, explored = distil(softmax(taught / GREEDY, -1), senses), (0.1, 0.3, 0.5, 0.8)
offspring = {0.01: [taught], 0.5: [taught]}  # by temperature: the teacher and its generations
for temp in [*offspring] * 5:
    offspring[temp].append(learn(2000, empty, softmax(offspring[temp][-1] / temp, -1)))
returns.update({name: mean_return(softmax(logits, -1)) for name, logits in {
    ("hard labels", "best action"): [taught / GREEDY], ("hard labels", "small student"): [imitator],
    ("hard labels", "small student, likeliest"): [imitator / GREEDY],
    **{("fifth generation", f"T = {temp}"): [q[-1] / GREEDY] for temp, q in offspring.items()},
    **{(name, "learns 2,000 steps"): [learn(2000, q, explore=part) / GREEDY for part in explored]
       for name, q in {"no teacher": empty, "teacher": taught}.items()}}.items()})

# %%
table_student = mean_return(softmax(distil(softmax(taught / TEMPS[2], -1), np.eye(len(cells))), -1))
verdict("fact 1: a student with a table has the same return as the softened teacher, to 0.002.",
        abs(table_student - returns["teacher", "softened"][2]).max() < 2e-3)
verdict("fact 3: two generations at T = 0.5 give the same policy as one at T = 0.25.", np.allclose(
    softmax(np.log(softmax(taught / 0.5, -1)) / 0.5, -1), softmax(taught / 0.25, -1)))

# %% [markdown]
# ## Results
#
# For each row of the figure, the best setting is chosen on 20 seeds. A setting is a temperature, or a share of random actions.
# The figure shows the mean return on the 40 *other* seeds, with its 95 % interval. The row *hard labels, best action* is the
# greedy policy of the teacher itself. Two dotted lines show the return of random moves and of the best possible policy.

# %%
chosen, labelled = {}, {}
for name, values in returns.items():
    best, settings = values[:, :20].mean(1).argmax(), {7: TEMPS, 4: explored}.get(len(values))
    chosen[name] = values[best, 20:]
    labelled[": ".join(name) + (f", {'T =' if len(settings) == 7 else 'share'} {settings[best]}"
                                if settings else "")] = chosen[name]
limits = {"random moves": mean_return(np.full(best_table.shape, 0.25)),
          "best possible": mean_return(softmax(best_table / GREEDY, -1))}

# %%
def draw_rows(rows, ax, title, measure):
    """Draw means with 95 % intervals, and return them as a table."""
    plot_differences(rows, ax, title, measure)
    numbers = pd.DataFrame({name: (values.mean(), *seed_interval(values)) for name, values in
                            rows.items()}, [measure, "low", "high"]).T
    describe(ax, f"{title or measure}, with 95 % intervals: " + "; ".join(
        f"{name} {mean:.2f} ({low:.2f} to {high:.2f})"
        for name, mean, low, high in numbers.itertuples()) + ".")
    return numbers


# %% tags=["nbval-ignore-output"]
all_rows = plt.subplots(figsize=(9, 6))[1]
row_table = draw_rows(labelled, all_rows, "", "return")
for name, value in limits.items():
    all_rows.axvline(value, color="#555555", linestyle=":")
    all_rows.text(value, -0.8, f"{name}: {value:.2f}", ha="center", va="bottom")
wb.show(describe(all_rows, f"{all_rows.get_label()} " + " ".join(
    f"{name}: {value:.2f}." for name, value in limits.items())))
wb.show_numbers(row_table, "return at the best setting, with 95 % intervals", "{:.2f}".format)

# %% tags=["nbval-ignore-output"]
by_guide, choice = returns["teacher", "guided learner"], "small student, likeliest"
verdict("to act, the lowest temperature is best. To explore, T = 0.5 is better than the lowest and "
        "the highest.", returns["teacher", "softened"].mean(1).argmax() == 0
        and all(seed_interval((by_guide[4] - by_guide[other])[20:])[0] > 0 for other in (0, -1)))
soft_gain = np.subtract(*(returns[name, choice] for name in ("teacher", "hard labels")))

# %% [markdown]
# ### To act, and to explore
#
# The next figure has the mean over all 60 seeds at each temperature, with its interval.

# %% tags=["nbval-ignore-output"]
curves = plt.subplots(figsize=(7, 3.6))[1]
for kind, x, y, colour in (("softened", 0.35, -0.33, "#D55E00"), ("guided learner", 0.2, 0.61,
                           "#0072B2"), ("small student, likeliest", 0.0105, 0.17, "#009E73")):
    at_temps = returns["teacher", kind]  # (temperatures, seeds)
    mean = at_temps.mean(1)
    curves.errorbar(TEMPS, mean, mean - seed_interval(at_temps.T)[0], fmt="o-", capsize=4,
                    color=colour)
    curves.text(x, y, kind.replace("softened", "softened teacher"), color=colour, weight="bold")
    describe(curves, f"{curves.get_label()}Return of {kind} is highest at T = "
                     f"{TEMPS[mean.argmax()]}: {mean.max():.2f}. ")
curves.set(xscale="log", xlabel="temperature of the teacher", ylabel="return", ylim=(-0.4, 0.7),
           xticks=TEMPS, xticklabels=TEMPS)
wb.show(curves)

# %% [markdown]
# The next cell looks at the softened teachers as guides. At each temperature, each of the 60 guides takes 400 steps. As in
# Q-learning, one move in a hundred also ends the episode. We count how often a guide reaches the goal, and how many
# different pairs of cell and action it tries. There are $28\cdot 4=112$ pairs, because no action is taken in the goal and
# in the two pits. The figure shows means over the 60 guides. The dotted line is at 0.5, the best temperature of a guide.

# %% tags=["nbval-ignore-output"]
walk_rng, each, walks = np.random.default_rng(0), np.arange(60), {}
for temp, own in zip(TEMPS, returns["teacher", "softened"], strict=True):
    guide, tried = softmax(taught / temp, -1), np.zeros(taught.shape, bool)
    place, goals = np.zeros(60, int), 0
    for _ in range(400):
        move = (guide[each, place].cumsum(-1) > walk_rng.random((60, 1))).argmax(-1)
        tried[each, place, move] = True
        place = (chance.cumsum(-1)[place, move] > walk_rng.random((60, 1))).argmax(-1)
        goals += (reward[place] == 1).mean()
        place *= inside[place] & (walk_rng.random(60) < 0.99)  # cell 0 is S
    walks[temp] = own.mean(), goals, tried.sum() / 60
walks = pd.DataFrame(walks, ["return of the guide", "reaches the goal (times)",
                             f"pairs tried (of {4 * inside.sum()})"]).T

# %% tags=["nbval-ignore-output"]
walk_figure, walk_axes = plt.subplots(1, 3, figsize=(10, 2.8))
for ax, (name, means) in zip(walk_axes, walks.items(), strict=True):
    ax.plot(range(len(TEMPS)), means, "o-", color="#0072B2")
    ax.axvline(TEMPS.index(0.5), color="#555555", linestyle=":", linewidth=1)
    ax.set(title=name, xticks=range(len(TEMPS)), xticklabels=TEMPS, xlabel="temperature",
           ylim=(min(0, 1.3 * means.min()), 1.15 * means.max()))
    describe(ax, f"{name}: " + ", ".join(f"{mean:.3g} at T = {temp:g}" for temp, mean in
                                         means.items()) + ".")
wb.show(walk_figure)
wb.show_numbers(walks, "the softened teachers as guides", "{:.2f}".format)

# %% [markdown]
# - **To act, use a low temperature.** The softened teacher has its highest return at the lowest temperature, where it is nearly
#   greedy. Each increase of the temperature lowers its return. Rusu et al. also use a low temperature for Q-values.
# - **To explore, use a higher temperature.** The guided learner is best at $T=0.5$. At this temperature, the softened
#   teacher itself has a return of only about 0. A guide with a low temperature repeats its routes: at $T=0.01$ it reaches
#   the goal 23 times in 400 steps, but it tries only 28 of the 112 pairs. At $T=0.5$ it reaches the goal 2.8 times, and tries
#   71 pairs. A guide with a high temperature walks almost at random: at $T=3$ it tries 68 pairs, but it reaches the goal
#   only 0.6 times.
# - So one teacher has two best temperatures, and they differ by a factor of at least 10. The best guide has $T=0.3$ or
#   0.5: we see no difference between these two. The best policy has $T=0.01$, the lowest value that we tried; 0.03 is
#   nearly as good.
#
# ### Does the teacher's knowledge matter?
#
# The next figure shows 95 % intervals of paired differences between returns. The left panel has the 40 seeds and the
# settings of the figure of results. (The first row names its own temperatures.) The right panel has all 60 seeds.
# There the small student takes its likeliest action, and *hard* means hard labels. If an interval contains 0, we say:
# *we see no difference*.

# %% tags=["nbval-ignore-output"]
helped, shuffled_guide, untrained_guide = (chosen[name, "guided learner"] for name in teachers)
unguided = chosen["no teacher", "learns 2,000 steps"]
gaps = {"guide: T = 0.5 minus T = 0.3": (by_guide[4] - by_guide[3])[20:],
        "guide: teacher minus shuffled": helped - shuffled_guide,
        "guide: teacher minus untrained": helped - untrained_guide,
        "guide: shuffled minus none": shuffled_guide - unguided,
        "guide: untrained minus none": untrained_guide - unguided,
        "guided learner minus its teacher": helped - chosen["hard labels", "best action"],
        "teacher after 2,000 more steps minus guided learner":
            chosen["teacher", "learns 2,000 steps"] - helped}

# %% tags=["nbval-ignore-output"]
gap_figure, (gap_ax, soft_ax) = plt.subplots(1, 2, figsize=(10.5, 3.8), width_ratios=[1.5, 1])
soft_gaps = {f"T = {temp}": gain for temp, gain in zip(TEMPS, soft_gain, strict=True)}
gap_table = pd.concat([
    draw_rows(gaps, gap_ax, "Guides and learners", "difference in return"),
    draw_rows(soft_gaps, soft_ax, "Student: soft minus hard", "difference in return")])
for ax in (gap_ax, soft_ax):
    ax.set_xlim(-0.25, 0.47)
wb.show(gap_figure)
wb.show_numbers(gap_table, "differences in return, with 95 % intervals", "{:+.2f}".format)

# %% [markdown]
# - **The teacher's knowledge matters.** Learners with a shuffled or an untrained guide are worse than learners with the
#   teacher. We see no difference between them and learners without any guide. The intervals of these two differences are
#   -0.05 to +0.18 (shuffled) and -0.15 to +0.06 (untrained).
# - **For the small student, soft labels are not better than hard ones.** If the student takes its likeliest action, we see
#   no difference up to $T=0.1$. From $T=0.3$ on, soft labels are worse. A likely reason: at a high temperature
#   the student fits all values of $Q$. Its few features then describe the large differences near the pits and the goal. They
#   do not describe well which action is best.
# - **More training of the teacher is better than a student.** A guided learner takes 2,000 steps of its own. We then see no
#   difference between its return and that of its teacher. But a teacher that goes on for 2,000 steps is better. It keeps its
#   table, and a guided learner begins with zeros.
#
# ### Generations
#
# The last figure shows the generations, with the teacher as generation 0. Generation 1 is a guided learner with new random
# numbers, so its return is not exactly that of the first figure of results.

# %% tags=["nbval-ignore-output"]
lineage_ax = plt.subplots(figsize=(6.5, 3))[1]
for k, (temp, tables) in enumerate(offspring.items()):
    lineage = mean_return(softmax(np.stack(tables) / GREEDY, -1))[:, 20:]
    means, (low, high) = lineage.mean(1), seed_interval(lineage.T)
    lineage_ax.errorbar(np.arange(6) + 0.06 * k, means, (means - low, high - means), capsize=4,
                        fmt="os"[k] + "-", color=COLOURS[k], label=f"T = {temp}")
    describe(lineage_ax, f"{lineage_ax.get_label() if k else 'Return of generations 0 to 5. '}T = "
             f"{temp}: {', '.join(map('{:.2f}'.format, means))}. ")
    for label, earlier in {"generation 1": lineage[1], "the teacher": lineage[0]}.items():
        print("T = {}: generation 5 minus {:12} {:+.2f} to {:+.2f}".format(
            temp, label, *seed_interval(lineage[5] - earlier)))
lineage_ax.set(xlabel="generation (0: the teacher)", ylabel="return", ylim=(0, 0.7))
lineage_ax.legend(frameon=False, loc="lower left")
wb.show(lineage_ax)

# %% [markdown]
# **Generations do not help.** At $T=0.5$ the return falls from 0.53 in the first generation to 0.31 in the fifth. At $T=0.01$ we
# see no difference between the first generation (0.41) and the fifth (0.46). The fifth is a little worse than the teacher
# (0.52).
#
# ## What to remember
#
# The best temperature of a teacher depends on the purpose: to act, or to explore.
#
# ## What would change your mind?
#
# If one temperature were best for both purposes, there would be no reason to distinguish them. If a guide with shuffled labels
# helped as much, the teacher's knowledge would not be needed.
#
# ## Try it yourself
#
# - Move the goal or a pit in `MAP`. Is a higher temperature still better to explore?
# - Let the teachers learn for 8,000 steps. Which temperatures are best now?
#
# ## Limits
#
# - This is one world, in which both purposes matter. We also tried others. In some there was a second, small reward near S. There
#   all learners went to the small reward, at any temperature. In larger worlds, 4,000 steps were too few to find the goal.
# - The learning rate and the numbers of steps were not tuned. The best shares of random actions, 0.1 and 0.8, are the ends of
#   their list.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
