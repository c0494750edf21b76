# %% [markdown]
# # 6. What makes SDFT work
#
# > **Claim you can check:** SDFT forgets less than SFT because it imitates answers in the model's own style. It learns
# > the skill because the teacher sees the right demonstration. SDFT also differs from SFT in its targets (whole
# > distributions) and in its answers (sampled by the student). On one skill, at the same learning rate, these two
# > differences have no clear effect. In two small examples own answers do matter: in one they help, and in the other
# > they can help or hurt.
#
# | | |
# |---|---|
# | **Objectives** | separate three causes by controls · compare forward and reverse KL · see when own answers help and when they hurt · compute the lowest possible loss · compare teachers, and LoRA |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb) |
# | **Time** | 50 minutes to work through, under a minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.losses import divergence
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_methods
from workbench.plots.studies import plot_by_rate, table_by_rate
from workbench.plots.styles import COLOURS, HATCHES
from workbench.runs.studies import at_common_step, ends, load_study, points

wb.prepare_notebook()

# %% [markdown]
# ## Whose words, which targets, whose answers?
#
# SFT trains on the expert's demonstrations. SDFT trains the student towards a teacher that sees the demonstration. The
# two methods differ in three ways:
#
# - **Whose words** are imitated: the expert's words, or words in the model's own style.
# - **Which targets** are used: one word at each position (a *hard* target), or the teacher's whole distribution (a
#   *soft* target).
# - **Whose answers** are used. **On-policy** training uses answers that the student samples during training.
#   **Off-policy** training uses other answers, such as those of a data set or of the teacher.
#
# Five methods separate these three causes:
#
# | method | words | targets | training answers |
# |---|---|---|---|
# | `sft` | the expert's | hard | off-policy: the demonstrations |
# | `sft_self_style` | the model's own | hard | off-policy: right answers that we wrote in the model's own style |
# | `sft on teacher` | the model's own | hard | off-policy: four for each question, sampled by the teacher |
# | `off_policy_distillation` | the model's own | soft | off-policy: the same answers of the teacher |
# | `sdft` | the model's own | soft | on-policy: sampled by the student at every step |
#
# `sft_self_style` is an **oracle**: in practice nobody has such answers. We have them because we made the tasks.
#
# The skill is *facts-new*. As in lesson 05, a rule chooses the learning rate and the number of steps of each method, on
# validation questions. Five runs with other seeds use this setting. They are tested on test questions.

# %%
one_skill = points(load_study("one_skill"))  # a row for each evaluation of a run
searched, tested = (one_skill[one_skill["part"] == part] for part in ("validation", "test"))
facts_searched, facts = (part.query("order == 'facts-new'") for part in (searched, tested))
by_seed = ends(facts).pivot(index="seed", columns="method")
learned, retained = by_seed["new"], by_seed["retention"]
five = ["sft", "sft_self_style", "sft on teacher", "off_policy_distillation", "sdft"]

# %%
def show_ends(names):
    """Draw methods at the end of their five runs, and give the numbers in a folded table."""
    chosen = ends(facts[facts["method"].isin(names)])
    table = chosen.groupby("method").agg(
        rate=("rate", lambda rates: f"{rates.iloc[0]:g}"), steps=("step", "first"),
        new=("new", percent_over_seeds), retention=("retention", percent_over_seeds))
    wb.show(plot_methods(chosen))
    wb.show_numbers(table.loc[names], ", ".join(names))

# %%
show_ends(five)
verdict("all four methods that imitate the model's own style keep far more than SFT.",
        retained[five[1:]].mean().min() > retained["sft"].mean() + 0.2)

# %% [markdown]
# A mark is the mean of five runs. Its lines are 95 % intervals, and small dots are single runs. Four methods lie
# together near the upper right corner: they have learned the skill, and they have kept at least 90 % of the other
# skills. SFT is far below them.
#
# Two of the four methods have a retention of 93 %, and two have 90 %. But the rule also chose different learning rates:
# 3e-5 for the first two (`sft on teacher` and `off_policy_distillation`), and 1e-4 for the other two. So we now compare
# them at the same learning rate, on validation questions, with one seed.
#
# Not all runs are equally long. So at each learning rate we compare the four runs at the last step that all of them
# reached. This step stands below the learning rate. The lines nearly coincide, so each is drawn a little to the side.

# %%
wb.show(plot_by_rate(facts_searched, five[1:], plt.figure(figsize=(10, 3.4))))
wb.show_numbers(table_by_rate(facts_searched, five[1:]), "new skill | retention, in percent")
same = at_common_step(facts_searched[facts_searched["method"].isin(five[1:])]).groupby("rate")
spread = same[["new", "retention"]].max() - same[["new", "retention"]].min()
verdict("at the same learning rate and step the four methods differ by less than 10 points on the "
        "new skill and less than 6 points in retention. So here the gain over SFT comes from the "
        "words that are imitated. It comes neither from soft targets nor from on-policy training.",
        (spread.max() < [0.1, 0.06]).all())

# %% [markdown]
# ## Does the demonstration matter?
#
# There are two controls. In `sdft other` the teacher sees the demonstration of **another question**. In `sdft none` it
# sees **no demonstration**.

# %%
show_ends(["sdft", "sdft other", "sdft none"])
verdict("the student learns the skill only if the teacher sees the right demonstration.",
        learned["sdft"].min() > 0.9
        and learned[["sdft other", "sdft none"]].max(axis=None) < 0.1)

# %% [markdown]
# ## Forward or reverse KL
#
# The paper's equations have the reverse KL, and its experiments used the forward KL (lesson 05). Does the choice
# matter? Let $p$ be the teacher's distribution at one position and $q$ the student's. The **forward** KL is
# $\mathrm{KL}(p\|q)=\sum_v p(v)\log\frac{p(v)}{q(v)}$. The **reverse** KL is $\mathrm{KL}(q\|p)$, with the roles
# exchanged.
#
# Both are 0 only if $p=q$, but their gradients differ. Take three words. The student gives them the probabilities 0.98,
# 0.019 and 0.001. The teacher gives them 0.01, 0.01 and 0.98. The figure shows the negative gradient with respect to
# each logit: a step of gradient descent moves the logits in this direction. The scale of the right panel is ten times
# finer.

# %%
student_logits = torch.tensor([0.98, 0.019, 0.001]).log().requires_grad_()
teacher_logits = torch.tensor([0.01, 0.01, 0.98]).log()
pulls = {direction: -torch.autograd.grad(
    divergence(student_logits, teacher_logits, direction), student_logits)[0].numpy()
    for direction in ("forward", "reverse")}
words = ["student's first choice", "student's second choice", "teacher's choice"]
pulled = pd.DataFrame(pulls, words)

# %%
panels = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True)[1]
for ax, direction, hatch in zip(panels, pulls, HATCHES, strict=False):
    ax.bar_label(ax.barh(words, pulled[direction], color=COLOURS[0], hatch=hatch,
                         edgecolor="white"), fmt="%+.3f", padding=3)
    ax.margins(x=0.4)
    ax.locator_params("x", nbins=5)
    ax.set(title=f"{direction} KL", xlabel="change of the logit (negative gradient)")
    describe(ax, f"Bars, {direction} KL, change of the logits: " + ", ".join(
        f"{word} {change:+.3f}" for word, change in pulled[direction].items()) + ".")
panels[0].invert_yaxis()
wb.show(panels[0].figure)
verdict("the forward KL raises the teacher's choice most. The reverse KL raises the student's "
        "second choice most.", pulls["forward"].argmax() == 2 and pulls["reverse"].argmax() == 1)

# %% [markdown]
# The forward KL weights each word by the *teacher's* probability, and its negative gradient is $p-q$. So it raises the
# teacher's choice even if the student gives this word almost no probability. The reverse KL weights each word by the
# *student's* probability. Here the teacher's choice has a weight of only 0.001, so its logit hardly moves. What the
# student's first choice loses goes mostly to the second choice, whose weight is 0.019.
#
# How well is *facts-new* learned with the forward KL (`sdft`) and with the reverse KL?

# %%
show_ends(["sdft", "sdft reverse"])
settings = ends(facts).groupby("method")[["rate", "step"]].first()
verdict("the reverse KL learns less than the forward KL, although the rule chose for it a higher "
        "learning rate and more steps.",
        seed_interval(learned["sdft"] - learned["sdft reverse"])[0] > 0
        and (settings.loc["sdft reverse"] > settings.loc["sdft"]).all())

# %% [markdown]
# ## Between off-policy and on-policy
#
# In the paper on-policy training is better: its figure 6 shows an accuracy of about 70 % on the new skill, against 63 %
# off-policy. *Retaining by Doing* ([arXiv 2510.18874](https://arxiv.org/abs/2510.18874)) reports that a model forgets
# less if it trains on its own answers. There it is enough to write new answers once in each **epoch** (pass over the
# questions). So there are two questions. **Who** writes the answers? **How often** are new answers written? All methods
# here use soft targets:
#
# | method | who writes | when |
# |---|---|---|
# | `off_policy_distillation` | the teacher | once, before training |
# | `teacher's answers, renewed` | the teacher | in every epoch |
# | `student's answers, once` | the student | once, before training |
# | `student's answers, renewed` | the student | in every epoch |
# | `sdft` | the student | at every step |

# %%
ladder = ["off_policy_distillation", "teacher's answers, renewed", "student's answers, once",
          "student's answers, renewed", "sdft"]
between = facts_searched[facts_searched["method"].isin(ladder)]
wb.show(plot_by_rate(between, ladder, plt.figure(figsize=(10.5, 3.4))))
wb.show_numbers(table_by_rate(between, ladder), "new skill | retention, in percent, one seed")
moderate = at_common_step(between).query("rate <= 3e-4").groupby("rate")[["new", "retention"]]
gap = 100 * (moderate.max() - moderate.min()).max()
verdict(f"up to a learning rate of 3e-4 the five methods differ by at most {gap['new']:.0f} points "
        f"on the new skill and {gap['retention']:.0f} points in retention. Neither the writer nor "
        "the renewal makes a clear difference here.", gap.max() < 8)

# %% [markdown]
# The next figure has five seeds and test questions, each method at the setting that the rule chose.

# %%
show_ends(ladder)

# %% [markdown]
# The marks lie on one another. The four methods at a learning rate of 1e-4 learn 98 % and keep 90 %.
#
# Why is there no clear difference? At each position the student learns the next word from the words before it, the
# **prefix**. Nearly all of the loss is on one word, the name (lesson 05). Up to the name, the student's answers and the
# teacher's answers have the same prefixes. On-policy training should matter where the prefixes differ.
#
# [Own answers, or the teacher's?](more/own_answers_or_the_teachers.ipynb) tests three such cases: long answers
# (*working-new*), a harder skill, and a teacher that is right on only 40 % of the questions. With a single skill we
# found **no case** in which on-policy training clearly teaches more. But the intervals are wide: a difference of up to
# 18 points on the new skill cannot be excluded. In one case the five methods differ widely in retention: on
# *working-new*, at a learning rate of 1e-3 and with one seed. The retention is 51 % with SDFT, 56 % with
# `student's answers, once`, and 75 % or more with the other three methods.
#
# With three skills in a row, SDFT ends 3 to 4 points higher than off-policy distillation, on the new skills and in
# retention. The largest part of this difference comes from one order of the skills
# ([Own answers in a row](more/own_answers_in_a_row.ipynb)).
#
# ## The fork: only on-policy training reaches 100 %
#
# When do own answers matter? Two small examples show it. In the first example a path forks into two branches, and only
# one branch leads to the goal. The teacher's demonstration says which branch is correct. The student does not see the
# demonstration, so it must guess. In the wrong branch the student sees its mistake. Then it either turns back and
# reaches the goal, or it goes on and fails. Before training it turns back with probability $h$, its **habit**.
#
# **Off-policy, the student's success stays at $\frac12+\frac12h$. On-policy, it tends to 1.** Proof:
#
# 1. Each branch is correct in half of the cases, and the student does not know which. So on average it chooses the
#    correct branch with probability $\frac12$, even if it prefers one side.
# 2. The teacher never enters the wrong branch, so its walks contain no example of this place. Off-policy, the student
#    keeps its habit there. It succeeds if it guesses right, or if it guesses wrong and turns back: $\frac12+\frac12h$.
# 3. On its own walks the student enters the wrong branch half of the time. There the teacher's distribution says: turn
#    back. The student learns this, and its success tends to 1.
#
# In the code training does not change the guess at the fork: it is right with probability $\frac12$. Let $q$ be the
# student's distribution in the wrong branch, and $p$ the teacher's. Let $s$ be the share of the training walks that
# reach this branch. In each round $q$ moves towards $p$: it becomes $q+s\,(p-q)$.

# %%
def fork(on_policy, habit, rounds=40):
    """Return the student's probability of success after training."""
    reached = 0.5 if on_policy else 0  # the share of the training walks in the wrong branch
    turn_back = habit  # the student's probability of turning back there
    for _ in range(rounds):
        turn_back = turn_back + reached * (1 - turn_back)  # the teacher's probability is 1
    return 0.5 + 0.5 * turn_back

# %%
habits = np.linspace(0, 1, 11)
off_policy, on_policy = fork(False, habits), fork(True, habits)
fork_axes = plt.subplots(figsize=(6, 2.8))[1]
for label, success, colour in (("off-policy", off_policy, COLOURS[0]),
                               ("on-policy", on_policy, COLOURS[2])):
    fork_axes.plot(100 * habits, 100 * success, color=colour)
    fork_axes.text(40, 100 * success[4] - 6, label, color=colour, va="top")
fork_axes.set(xlabel="habit: the student turned back before training (%)", ylabel="success (%)",
              ylim=(0, 104))
wb.show(describe(fork_axes, "Success after training. On-policy it is "
                 f"{percent(on_policy.min())} with every habit. Off-policy it rises from "
                 f"{percent(off_policy[0])} without the habit to {percent(off_policy[-1])}."))

# %%
verdict("off-policy the success is 1/2 + h/2, on-policy it is 1.",
        np.allclose(off_policy, (1 + habits) / 2, atol=1e-12)
        and np.allclose(on_policy, 1, atol=1e-9))

# %% [markdown]
# ## The tightrope: on-policy training can help or hurt
#
# In the second example a walker balances on a rope for $T$ steps. Its state is the time $t$ and the position $d$; it
# starts in the middle, at $d=0$. At each step the walker moves by -1, 0 or +1. Then the wind moves it by -1 or +1, with
# probability 0.1 each. The walker falls if $|d|\ge4$.
#
# The teacher always moves towards the middle. So its own walks never leave $|d|\le1$. The student has a distribution
# over the three moves for each state $(t,d)$. At first all moves are equally likely. Its mistakes can take the student
# to $|d|=2$ or 3, which the teacher's walks never reach.
#
# The student is trained as at the fork: in each state $q$ becomes $q+s\,(p-q)$. Here $s$ is the share of the training
# walks that reach the state. The moves in these walks are chosen by the teacher (off-policy), by the student
# (on-policy), or by one of the two at random, each with probability $\frac12$ (*mixed*). All shares are computed
# exactly, without sampling.

# %%
WIND = (0.1, 0.8, 0.1)
TEACHER = np.eye(3)[1 - np.sign(np.arange(-3, 4))]  # a row for each d, a column for each move


def visits(walker):
    """Return the share of the walks that are at each d from -3 to 3, at t = 0, 1, ..., T."""
    shares = [np.eye(7)[3]]  # all walks start at d = 0
    for moves in walker:
        after = np.zeros(11)  # d from -5 to 5
        for move in range(3):
            for wind in range(3):
                after[move + wind:move + wind + 7] += shares[-1] * moves[:, move] * WIND[wind]
        shares.append(after[2:-2])  # the walks at |d| = 4 or 5 have fallen
    return np.array(shares)

# %%
def balance(T, by_teacher, rounds=40):
    """Return the student's probability of a fall within T steps, before and after each round."""
    student, falls = np.full((T, 7, 3), 1 / 3), []
    for _ in range(rounds + 1):
        falls.append(1 - visits(student)[-1].sum())
        training_walks = visits(by_teacher * TEACHER + (1 - by_teacher) * student)
        student = student + training_walks[:-1, :, None] * (TEACHER - student)
    return np.array(falls)


WALKS = {"off-policy": 1, "mixed": 0.5, "on-policy": 0}  # the share of moves by the teacher
fell = {(T, name): balance(T, share) for T in (20, 160) for name, share in WALKS.items()}

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for ax, T in zip(axes, (20, 160), strict=True):
    for name, colour in zip(WALKS, COLOURS, strict=False):
        ax.plot(100 * fell[T, name], color=colour, label=name)
    ax.set(title=f"Falls within {T} steps", xlabel="rounds of training", ylim=(0, 102))
    describe(ax, f"Falls within {T} steps, before training and after 10 and 40 rounds: "
             + "; ".join(f"{name} " + ", ".join(percent(fell[T, name][k]) for k in (0, 10, 40))
                         for name in WALKS) + ".")
axes[0].set_ylabel("falls (%)")
axes[0].legend(frameon=False)
wb.show(figure)

# %%
off, mixed, on = ({T: fell[T, name][[10, 20, 40]] for T in (20, 160)} for name in WALKS)
print("falls within 160 steps after 10 rounds:", ", ".join(
    f"{name} {percent(fell[160, name][10])}" for name in WALKS))
verdict("after training the on-policy student falls least often within 20 steps, but most often "
        "within 160 steps. Within 160 steps the mixed student falls least often.",
        (on[20] < mixed[20]).all() and (mixed[20] < off[20]).all()
        and (mixed[160] < off[160]).all() and (off[160] < on[160]).all())

# %% [markdown]
# **Within 20 steps on-policy training helps.** The student's own walks reach $|d|=2$, so the student learns to return
# from there. The off-policy student never sees $|d|=2$ in training.
#
# **Within 160 steps on-policy training hurts, because the student falls too early.** At first its walks end long before
# step 160, so it does not reach the late states that it must learn. The teacher's walks reach the end, but they stay at
# $|d|\le1$. Mixed walks reach late states and also leave the middle.
#
# For text this suggests two things. Own answers help if the student writes prefixes that the teacher would not write.
# Own answers can hurt if a mistake comes early: then the student seldom sees the later prefixes of a right answer.
#
# ## The floor of the loss
#
# At the fork the student can only guess, so its loss there cannot become 0. How low can the SDFT loss get? The lowest
# possible loss is its **floor**. The same prompt can have different demonstrations: at the fork, *left is correct* and
# *right is correct*. If the teacher's distribution differs between the demonstrations, the floor is above 0.
#
# Take one prompt and one prefix. Demonstration $c$ has the probability $\pi_c$, and $p_c$ is the teacher's distribution
# of the next word with this demonstration. The student does not see $c$, so it has one distribution $q$ for all
# demonstrations. Let $\bar p=\sum_c\pi_c p_c$ be the **mean teacher**. Then the loss has two parts:
#
# $$\sum_c\pi_c\,\mathrm{KL}(p_c\|q)=\sum_c\pi_c\,\mathrm{KL}(p_c\|\bar p)+\mathrm{KL}(\bar p\|q).$$
#
# **Proof.** $\log\frac{p_c}{q}=\log\frac{p_c}{\bar p}+\log\frac{\bar p}{q}$. Take the mean over the words, weighted by
# $p_c$, and then the mean over $c$, weighted by $\pi_c$. The first logarithm gives the first part. The second logarithm
# is the same for all $c$, so only its weights are added up: $\sum_c\pi_c p_c=\bar p$. This gives the second part.
#
# The first part does not depend on the student. It is the **mutual information** $I(Y;C)$ of the word $Y$ and the
# demonstration $C$: how much the demonstration tells about the word. The second part is at least 0. It is 0 only if
# $q=\bar p$. **So the best student is the mean teacher, and the floor is $I(Y;C)$.** We check the equation with 1,000
# random examples. Each has five random teachers with random weights $\pi_c$, and a random student.

# %%
def kl(a, b):
    """Return KL(a || b) in nats over the last axis."""
    return (a * np.log(a / b)).sum(-1)


rng = np.random.default_rng(0)
p = rng.dirichlet(np.ones(8), (1000, 5))  # (examples, teachers, words)
q, weights = rng.dirichlet(np.ones(8), (1000, 1)), rng.dirichlet(np.ones(5), 1000)
mean_teacher = (weights[:, :, None] * p).sum(1, keepdims=True)
verdict("with random teachers and students the equation holds to 1e-12.", np.allclose(
    (weights * kl(p, q)).sum(1), (weights * kl(p, mean_teacher)).sum(1) + kl(mean_teacher, q)[:, 0],
    rtol=0, atol=1e-12))

# %% [markdown]
# How high is the floor? Take ten demonstrations, each as likely as the others, and 50 words. Each teacher gives 98 % to
# its right word, and the rest in equal parts to the other words. In the case `one rule` all ten demonstrations show the
# same right word. In the case `ten answers` each demonstration shows a different right word. We train one student for
# each case.

# %%
students = {}
for case, right_words in {"one rule": np.zeros(10, int), "ten answers": np.arange(10)}.items():
    teachers = np.full((10, 50), 0.02 / 49)
    teachers[np.arange(10), right_words] = 0.98
    logits = torch.zeros(50, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    course = []
    for _ in range(300):
        loss = divergence(logits.expand(10, 50), torch.tensor(teachers).log()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    students[case] = {"losses": course, "floor": abs(kl(teachers, teachers.mean(0)).mean()),
                      "right word": logits.detach().softmax(-1)[right_words].mean().item()}

# %%
curves = plt.subplots(figsize=(7, 3))[1]
for (case, values), colour in zip(students.items(), COLOURS, strict=False):
    curves.plot(values["losses"], color=colour)
    curves.axhline(values["floor"], color=colour, linestyle=":")
    curves.text(300, values["floor"] + 0.1, f"{case}: floor {values['floor']:.3f}", color=colour,
                ha="right")
curves.set(xlabel="steps", ylabel="loss (nats)", ylim=(-0.1, None))
wb.show(describe(curves, "Loss of two students. " + " ".join(
    f"In the case {case} it falls from {values['losses'][0]:.2f} to {values['losses'][-1]:.2f} "
    f"nats; the floor is {values['floor']:.2f}." for case, values in students.items())))

# %%
trained = pd.DataFrame(students).T.assign(losses=lambda table: table["losses"].str[-1])
trained = trained.rename(columns={"losses": "last loss"}).astype(float)
wb.show_numbers(trained, "losses in nats, probability of the right word", "{:.3f}".format)
rule, ten = trained["right word"]
verdict("in both cases the loss ends at the floor. The student learns the shared rule, but it "
        "cannot learn the different answers.",
        np.allclose(trained["last loss"], trained["floor"], atol=1e-3)
        and rule > 0.97 and ten < 0.5)

# %% [markdown]
# **For SDFT this means:** if a prompt can have different demonstrations, the student can learn the part that they
# share. It cannot know the part in which they differ. A loss that stops above 0 need not be a failure of training. If
# each prompt has only one demonstration, as in *facts-new*, the floor is 0.
#
# ## Whose weights teach
#
# The teacher's weights can be those of the pretrained model (`sdft`, the default here), a moving average of the
# student's weights (`sdft ema`), or the student's present weights (`sdft student`). At low learning rates the three
# teachers give nearly the same result:

# %%
three = ["sdft", "sdft ema", "sdft student"]
slow = at_common_step(facts_searched.query("method in @three and rate <= 1e-4"))
slow = slow.groupby("rate")[["new", "retention"]]
verdict("at each learning rate up to 1e-4 the three teachers differ by less than 3 points.",
        slow.ngroups == 3 and (slow.max() - slow.min()).max(axis=None) < 0.03)

# %% [markdown]
# At 3e-4 `sdft student` first learns the skill. Later in the training it gives no right answer any more. The other two
# teachers still teach the skill. [Whose weights teach](more/whose_weights_teach.ipynb) shows these runs.
#
# ## Adapters in place of all weights
#
# **LoRA** (low-rank adaptation) adds to each weight matrix the product of two small matrices, an *adapter*, and trains
# only the adapters. Here each product has rank 8. The teacher is the same model with its adapters switched off. Does
# LoRA forget less? Each method with LoRA is tuned in the same way, with six learning rates that are ten times as high
# as those without LoRA.

# %%
adapters = ["sft", "sft lora", "sdft", "sdft lora"]
show_ends(adapters)
verdict("adapters do not reduce forgetting. The retention of SDFT is nearly the same with LoRA "
        "and without, and the retention of SFT is lower with LoRA.",
        seed_interval(retained["sdft lora"] - retained["sft lora"])[0] > 0.5
        and abs(retained["sdft lora"].mean() - retained["sdft"].mean()) < 0.05
        and seed_interval(retained["sft"] - retained["sft lora"])[0] > 0)

# %% [markdown]
# ## Which of the paper's claims these results support
#
# The paper says that SDFT forgets less because it is on-policy. With one skill we do not find this. With three skills in
# a row, SDFT ends 3 to 4 points higher than off-policy distillation; the largest part of this comes from one order. Own
# answers can be necessary (the fork), and they can hurt (the tightrope). In the paper a moving average is the best
# teacher. Here it is no better teacher than the pretrained model.
#
# **What would change your mind?** If `sft_self_style` had forgotten as much as SFT at equal new-skill accuracy, the
# style would not be the cause. If another question's demonstration had taught the skill, the right one would not be
# necessary. If `sdft` had learned or kept clearly more than `off_policy_distillation` at the same rate, on-policy
# training would be a cause.
#
# ## Try it yourself
#
# Go back to *The floor of the loss*. In the case `ten answers`, let each answer belong to two demonstrations: write
# `np.arange(10) // 2`. Is the new floor above or below 2.233 nats? Say why. Then run this cell and the two cells after
# it. (4 minutes)
#
# ## Limits
#
# - There is one artificial world and one tiny model. Seeds change only the order of the batches and the sampling.
# - We made the expert's style very different from the model's own. With real data the advantage of SDFT may be smaller.
# - Answers are short. The paper's models are large and its answers long, so on-policy training may matter more there.
# - Comparisons at the same learning rate have one seed. Results at the chosen settings have five seeds, all tested with
#   the same 48 questions.
# - In the fork and the tightrope, training in one state changes no other state. A language model generalises from one
#   prefix to others.
#
# **Next:** [07 Drift and forgetting](07_drift_and_forgetting.ipynb)
