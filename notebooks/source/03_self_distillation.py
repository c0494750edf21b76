# %% [markdown]
# # 3. Self-distillation: what can a model learn from itself?
#
# > **Claim you can check:** the small probabilities that a network predicts contain knowledge. A student that learns
# > from them can name 62 % of the images of a digit that it has never seen. In *self-distillation* a model learns from
# > the predictions of an earlier model of the same kind. On digits with 30 % wrong labels, this makes a model 13
# > points more accurate if a setting of the model, the *penalty*, is too small. But a well-chosen penalty gives the
# > same accuracy without self-distillation.
#
# | | |
# |---|---|
# | **Objectives** | read a soft label at any temperature · write the loss of distillation · follow a proof about repeated self-distillation · compare self-distillation with the strongest baseline |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb); softmax, cross-entropy, eigenvectors |
# | **Time** | about 50 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_differences, plot_dots
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# ## Soft labels
#
# The label of an image says only: *this is a 4*. It is a **hard label**. A trained network says more: *a 4, perhaps a
# 9, certainly not a 0*. Its outputs are numbers called **logits**, one for each class. The softmax turns logits into
# probabilities. These probabilities are a **soft label**.
#
# The logits can be divided by a **temperature** $T$ before the softmax. If $T$ is above 1, the small probabilities
# become larger.
#
# We train three networks on 1,167 images of handwritten digits. Later they are the teachers of other networks. The
# explorer shows the soft labels of the first network for test images. The right panel shows only the nine wrong
# classes, scaled so that their sum is 100 %. The *entropy* measures uncertainty: it is 0 nats if one class has 100 %,
# and 2.30 nats if all ten classes have 10 %. (The *nat* is its unit with natural logarithms.) The images are sorted:
# the network is least sure about the first one, a 1 that could be an 8.
#
# Raise the temperature. Which other digits become likely?

# %% tags=["nbval-ignore-output"]
from workbench.learners import Finetune, fit, make_optimizer
from workbench.models import StackedMLP
from workbench.widgets import SoftLabelExplorer

digits_task = wb.make_stream("digits").tasks[0]
test_digits = digits_task.test
teachers = Finetune(StackedMLP(64, (100, 100), 10, seeds=(0, 1, 2)))
for _ in fit(teachers, digits_task, make_optimizer(teachers, 1e-3), steps=600, batch_size=32):
    pass
SoftLabelExplorer(test_digits.x, teachers.predict(test_digits.x)[0], test_digits.y)

# %% [markdown]
# ## The loss of distillation
#
# In **distillation** one network, the student, is trained on the soft labels of another network, the teacher
# ([Hinton, Vinyals & Dean, 2015](https://arxiv.org/abs/1503.02531)). Let $p_T$ be the teacher's probabilities at
# temperature $T$, and $q_T$ the student's. The loss of one image is
#
# $$T^2\,\mathrm{KL}(p_T\,\|\,q_T),\qquad \mathrm{KL}(p\,\|\,q)=\sum_{\text{classes }k}p(k)\,\big(\log p(k)-\log q(k)\big).$$
#
# The KL divergence is 0 if the two distributions are equal, and above 0 otherwise. Its gradient is nearly proportional
# to $1/T^2$ if $T$ is large. With the factor $T^2$, the gradient has about the same size at every large $T$ ([Three
# small proofs](more/self_distillation_proofs.ipynb)). Often the student is trained on a weighted sum of this loss and
# the cross-entropy with the labels.
#
# {{exercise soft_loss}}

# %%
def soft_loss(student, teacher, y, temperature, weight):
    ...


check("soft_loss", soft_loss)

# %% [markdown]
# {{solution soft_loss}}
#
# ## Do the small probabilities contain knowledge?
#
# We repeat an experiment of Hinton, Vinyals and Dean. The teacher was trained on all ten digits. The student learns
# from the teacher's soft labels, but it sees no image of one digit, for example of the 9. The soft labels tell the
# student only that some 4s and 7s look a little like a 9. Then we test the student on images of the 9.
#
# **Prediction:** a student trained on hard labels names no image of the 9 correctly. A student trained on soft labels
# names many of them correctly, and more at a higher temperature.
#
# We compare hard labels, soft labels at three temperatures, and two **controls** at $T=10$. In the controls, the soft
# labels contain no knowledge about the image:
#
# - **untrained teacher**: the soft labels come from a network with random weights;
# - **shuffled answers**: each image gets the trained teacher's soft label of another image, drawn at random.
#
# For each of these six kinds of labels we train thirty students: three for each left-out digit. Each mark in the
# figure below is a mean over the ten left-out digits. Students that know nothing about the images are right for 10 %
# on average, by *chance*. For example, if all students always answer 8, they are right for 100 % of the images of the
# 8, and for 0 % of the images of the nine other digits.

# %%
left_out = torch.arange(10).repeat_interleave(3)  # one digit for each of the thirty students
digit_x, digit_y = digits_task.train.x, digits_task.train.y
allowed = (digit_y != left_out[:, None]).float()  # (students, images)
answers = teachers.predict(digit_x).repeat(10, 1, 1)  # (students, images, classes)
untrained = Finetune(StackedMLP(64, (100, 100), 10, seeds=(3, 4, 5)))
order = torch.randperm(len(digit_x), generator=torch.Generator().manual_seed(0))
right = 1000 * F.one_hot(digit_y, 10).float()  # the softmax gives probability 1 to the label
TAUGHT_BY = {"hard labels": (right.repeat(30, 1, 1), 1),  # logits, and the temperature
             "soft labels, T = 1": (answers, 1),
             "soft labels, T = 3": (answers, 3), "soft labels, T = 10": (answers, 10),
             "control: untrained teacher": (untrained.predict(digit_x).repeat(10, 1, 1), 10),
             "control: shuffled answers": (answers[:, order], 10)}


# %%
def students_without(teacher, temperature, steps=300):
    """Return thirty trained students; student i sees no image of the digit left_out[i]."""
    students, rng = StackedMLP(64, (100, 100), 10, (0, 1, 2) * 10), torch.Generator().manual_seed(0)
    students.restart(1)  # other initial weights than the teachers had
    optimizer = torch.optim.Adam(students.parameters(), 1e-3, fused=True)
    for _ in range(steps):
        rows = torch.multinomial(allowed, 32, generator=rng)  # (students, batch)
        targets = teacher[torch.arange(30)[:, None], rows]
        log_p = (targets / temperature).log_softmax(-1)
        log_q = (students(digit_x[rows]) / temperature).log_softmax(-1)
        loss = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean(1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return students


# %% [markdown]
# In the figure, *correct* is the share of the images of the left-out digit that are named correctly. *False alarms* is
# the share of the images of the other nine digits that wrongly get the name of the left-out digit.

# %%
shares, unseen = {"correct": {}, "false alarms": {}}, test_digits.y == left_out[:, None]
for taught_by, (teacher, temperature) in TAUGHT_BY.items():
    predicted = students_without(teacher, temperature)(test_digits.x).argmax(-1)
    as_unseen = predicted == left_out[:, None]
    for measure, images_of in {"correct": unseen, "false alarms": ~unseen}.items():
        by_student = (as_unseen & images_of).sum(1) / images_of.sum(1)
        shares[measure][taught_by] = by_student.view(10, 3).mean(1).numpy()  # (digits,)

# %%
from workbench.plots.display import over_seeds

named = pd.DataFrame({measure: {name: values.mean() for name, values in by_label.items()}
                      for measure, by_label in shares.items()})
wb.show(plot_dots({measure: {name: over_seeds(values) for name, values in by_label.items()}
                   for measure, by_label in shares.items()},
                  plt.subplots(figsize=(8, 3.6))[1], "Images of a digit that was never seen",
                  "share of the images (%), 95 % intervals over ten digits", ("chance", 0.1)))
wb.show_numbers(named, "six kinds of labels", percent)

# %%
hot, cold = (shares["correct"][f"soft labels, T = {T}"] for T in (10, 1))
verdict("after training on hard labels, no image of a left-out digit is named correctly.",
        shares["correct"]["hard labels"].max() == 0)
verdict("for each left-out digit, more images are named correctly at T = 10 than at T = 1. In both "
        "controls the share is below 15 %.", (hot > cold).all() and hot.mean() > 0.5
        and named["correct"].filter(like="control").max() < 0.15)

# %% [markdown]
# The prediction was right for hard labels: none of these labels is the left-out digit, so the students learn not to give
# this answer. With soft labels the share grows with the temperature. But for $T=1$ the prediction was wrong, because 6 %
# is not many. In the controls, *correct* and *false alarms* are equal, so these students do not recognise the left-out
# digit.
#
# **So the small probabilities contain knowledge.** The rest of this lesson asks what a model can learn from its own
# predictions if some labels are wrong.
#
# ## A model that learns from its own predictions
#
# In **self-distillation** the teacher and the student are models of the same kind, with the same settings and the same
# training inputs. The first model is fitted to the labels, the second model to the outputs of the first model, and so
# on. Each fit is called a **round**.
#
# We use **kernel ridge regression** (*ridge* for short), because we can prove facts about it. Its outputs are scores,
# one for each class. It predicts the class with the largest score. In round 1, the target of a score is 1 if the
# image has the label of this class, and 0 otherwise. A *kernel* returns the similarity of two images, here from 0
# to 1. Training has two aims: the scores are close to the targets, and similar images get similar scores. A number
# $\lambda>0$, the **penalty**, is the weight of the second aim.
#
# Let the matrix $K$ hold the similarities of all pairs of training images. Let $y$ be the targets of one class. Then
# the scores of the training images are $Ay$ with $A=K(K+\lambda I)^{-1}$.
#
# **The penalty removes a part of the labels.** Take an eigenvector of $K$ with eigenvalue $s$. It is also an
# eigenvector of $A$, with eigenvalue $s/(s+\lambda)$. The targets $y$ are a sum of parts, one part along each
# eigenvector. A round multiplies each part by its $s/(s+\lambda)$. This factor is near 1 if $s$ is much larger than
# $\lambda$. It is near 0 if $s$ is much smaller: the penalty removes this part.
#
# **Why does this help against wrong labels?** An eigenvector has one entry for each training image. If $s$ is large,
# similar images mostly have entries of the same sign. If $s$ is small, they often have entries of opposite signs. But
# similar images mostly have the same right label. So the right labels consist mostly of parts with a large $s$. Wrong
# labels are random, so they change the parts along all eigenvectors. Most eigenvectors have a small $s$. So the
# penalty removes a larger share of these changes than of the right labels.
#
# **The data** are 500 training images and 300 validation images of digits. In both sets 30 % of the labels are wrong:
# each wrong label is one of the nine other digits, drawn at random. The test images are the other 997 images, with
# their true labels. In the code, `accuracy` takes one row of predictions for each model.

# %%
images, digits = load_digits(return_X_y=True)


def noisy_digits(seed):
    """Return similarities of training images, those of all others to them, targets, `accuracy`."""
    rng = np.random.default_rng(seed)
    order, wrong = rng.permutation(len(images)), rng.random(len(images)) < 0.3
    noisy = np.where(wrong, (digits + rng.integers(1, 10, len(digits))) % 10, digits)[order]

    def accuracy(rows):  # on the test images, of the row that is best on the validation images
        best = (rows[:, :300] == noisy[500:800]).mean(1).argmax()
        return (rows[best, 300:] == digits[order[800:]]).mean()

    similar = rbf_kernel(images[order], images[order[:500]], 1 / (64 * images.var()))
    return similar[:500], similar[500:], np.eye(10)[noisy[:500]], accuracy


# %%
K_of_0, _, y_of_0, _ = noisy_digits(0)
s, vectors = np.linalg.eigh(K_of_0)
s_range = np.geomspace(s.min(), s.max(), 100)
right_of_0 = np.eye(10)[digits[np.random.default_rng(0).permutation(len(images))[:500]]]
parts = {"right labels": right_of_0, "changes by wrong labels": y_of_0 - right_of_0}
bins = np.geomspace(s.min(), s.max(), 12)
squares = {name: 100 * ((vectors.T @ part)**2).sum(1) / (part**2).sum()
           for name, part in parts.items()}

# %%
removed, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7.5, 4.4))
for lam, ink in ((0.03, COLOURS[2]), (1, COLOURS[3])):
    above.plot(s_range, 100 * s_range / (s_range + lam), color=ink)
    above.text(0.9 * lam, 52, f"penalty {lam}", color=ink, ha="right")
for place, (name, square), ink in zip(((32, 24), (0.13, 21)), squares.items(), COLOURS,
                                      strict=False):
    below.hist(s, bins, weights=square, histtype="step", color=ink, linewidth=2)
    below.text(*place, name, color=ink)
above.set(xscale="log", ylabel="%", title="What one round leaves of a part")
below.set(ylabel="%", title="Where the parts are", xlabel="eigenvalue $s$ (log scale)")
describe(above, f"What one round leaves at s = 0.1: {percent(0.1 / 0.13)} at penalty 0.03, "
         f"{percent(0.1 / 1.1)} at penalty 1.")
describe(below, "Share of the squared length at s below 0.3: " + ", ".join(
    f"{name} {square[s < 0.3].sum():.0f} %" for name, square in squares.items()) + ".")
wb.show(removed)

# %% [markdown]
# The squared lengths of all parts add up to 100 %. The lower panel shows at which $s$ they lie, for the right labels
# and for the changes that wrong labels make. 65 % of the changes lie at $s$ below 0.3. There penalty 1 leaves less
# than a quarter of a part. Only 7 % of the right labels lie there ([Three small
# proofs](more/self_distillation_proofs.ipynb) measures how much a penalty removes of both).
#
# ## Many rounds with labels are like one round with a larger penalty
#
# From the second round on, let the targets be the mixture $\alpha y+(1-\alpha)f$. Here $f$ are the scores of the round
# before, and $\alpha$ is the share of the labels.
#
# **The claim.** Let $\alpha$ be above 0 and below 1. With more and more rounds, the scores converge to those of one
# round with the penalty $\lambda/\alpha$.
#
# **Proof.** Take one eigenvector of $K$, with eigenvalue $s$. Let $y_s$ be the part of the labels along this
# eigenvector, and $g$ the same part of the scores after some round. The next round turns $g$ into
# $\frac{s}{s+\lambda}\,\big(\alpha y_s+(1-\alpha)g\big)$. First we look for a value $f_s$ of $g$
# that a round does not change:
#
# - The equation is $f_s=\frac{s}{s+\lambda}\,\big(\alpha y_s+(1-\alpha)f_s\big)$.
# - Multiply by $s+\lambda$, and collect the terms with $f_s$: $\;(\lambda+\alpha s)\,f_s=\alpha s\,y_s$.
# - Divide by $\lambda+\alpha s$: $\;f_s=\frac{\alpha s}{\alpha s+\lambda}\,y_s=\frac{s}{s+\lambda/\alpha}\,y_s$. This
#   is one round with penalty $\lambda/\alpha$.
#
# Then we show that $g$ converges to $f_s$. Subtract the equation of $f_s$ from the formula for the next round: one
# round turns $g-f_s$ into $\frac{s}{s+\lambda}\,(1-\alpha)\,(g-f_s)$. The factor before $(g-f_s)$ is below 1, so the
# distance goes to 0.

# %%
from workbench import kernel

A = K_of_0 @ np.linalg.inv(K_of_0 + 0.5 * np.eye(500))
scores = A @ y_of_0
for _ in range(149):
    scores = A @ (0.2 * y_of_0 + 0.8 * scores)
limit = kernel.soft_rounds(K_of_0, y_of_0, penalty=2.5, rounds=1)[0]
verdict("with share 0.2 of the labels, 150 rounds at penalty 0.5 give the same scores as one "
        "round at penalty 2.5 (difference below 1e-10).", np.abs(scores - limit).max() < 1e-10)
verdict("the faster function `kernel.soft_rounds` returns the same scores.", np.allclose(
    scores, kernel.soft_rounds(K_of_0, y_of_0, 0.5, 150, weight=0.2)[-1]))

# %% [markdown]
# The experiment below uses no labels after the first round ($\alpha=0$). The proof does not cover this case. After $n$
# rounds, each part of the labels is multiplied by $\big(\frac{s}{s+\lambda}\big)^n$. The parts with a small $s$ become
# small first, as with a larger penalty. After too many rounds, most of the right labels are removed too. So the number
# of rounds must be chosen. The figure shows both cases; the dots are measured on the 150 rounds above.

# %%
LEFT = {"With 20 % of the labels in each round": {
            "1 round, penalty 0.5": s_range / (s_range + 0.5),
            "1 round, penalty 2.5": s_range / (s_range + 2.5)},
        "Without labels after round 1": {f"round {n}, penalty 0.03": (s_range / (s_range + 0.03))**n
                                         for n in (1, 5, 40)}}
before, after = (np.linalg.norm(vectors.T @ targets, axis=1) for targets in (y_of_0, scores))
measured, some = 100 * after / before, np.searchsorted(s, s_range[::6])

# %%
rounds_figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
axes[0].plot(s[some], measured[some], "o", color="black", label="150 rounds, penalty 0.5")
for ax, (title, curves) in zip(axes, LEFT.items(), strict=True):
    for ink, (name, left) in zip(COLOURS, curves.items(), strict=False):
        ax.plot(s_range, 100 * left, color=ink, label=name)
    ax.set(xscale="log", ylim=(-3, 103), xlabel="eigenvalue $s$ (log scale)", title=title)
    ax.legend(frameon=False, fontsize=9)
    describe(ax, f"{title}, left of a part at s = 1: " + ", ".join(
        f"{name} {percent(np.interp(1, s_range, left))}" for name, left in curves.items()) + ".")
axes[0].set_ylabel("left of a part (%)")
describe(axes[0], f"{axes[0].get_label()} Measured after 150 rounds at penalty 0.5: "
         f"{np.interp(1, s, measured):.0f} %.")
wb.show(rounds_figure)

# %% [markdown]
# ## Wrong labels: how much does self-distillation gain, and over which baseline?
#
# At penalty 0.03, one round *memorises* its labels: for over 99 % of the training images it predicts the given label,
# even if this label is wrong ([Three small proofs](more/self_distillation_proofs.ipynb)). We compare five methods, with
# 30 seeds each.
#
# | method | chosen on the validation images |
# |---|---|
# | **one round** at penalty 0.03: plain training | nothing |
# | **soft rounds**: self-distillation at penalty 0.03, without labels after round 1 | the number of rounds, 1 to 40 |
# | **tuned ridge**: one round, the strongest baseline | the penalty, from 40 values |
# | **nearest neighbours**: the most frequent label among the $k$ most similar training images | $k$, from 1 to 40 |
# | **control**: two rounds at penalty 0.03; in round 2 the targets of each image are the round-1 scores of another image | nothing |
#
# **Prediction:** soft rounds are much more accurate than one round, but hardly more accurate than tuned ridge. Tuned
# ridge already has a well-chosen penalty.

# %%
PENALTIES = [0.01, 0.03, 0.1, 0.3, 1.0]


def compare(seed):
    """Return the accuracies of the methods; one round and soft rounds at five penalties."""
    K, across, y, accuracy = noisy_digits(seed)
    rounds = kernel.soft_rounds(K, y, PENALTIES, 40, across).argmax(-1)
    ridges = kernel.soft_rounds(K, y, np.geomspace(0.01, 10, 40), 1, across).argmax(-1)
    nearest = y[(-across).argsort(1)[:, :40]].cumsum(1).argmax(-1).T
    mixed = np.random.default_rng(seed).permutation(kernel.soft_rounds(K, y, 0.03, 1)[0])
    control = kernel.soft_rounds(K, mixed, 0.03, 1, across).argmax(-1)
    return [accuracy(ridges[:, 0]), accuracy(nearest), accuracy(control),
            *[accuracy(each[:1]) for each in rounds], *[accuracy(each) for each in rounds]]


# %% tags=["nbval-ignore-output"]
ridge, neighbours, shuffled, *at_penalties = np.transpose([compare(seed) for seed in range(30)])
one_round, soft_rounds = at_penalties[:5], at_penalties[5:]
methods = {"one round": one_round[1], "soft rounds": soft_rounds[1], "tuned ridge": ridge,
           "nearest neighbours": neighbours, "control": shuffled}
gains = {name: 100 * (soft_rounds[1] - values) for name, values in methods.items()}
compared, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(10, 3.2))
plot_dots({"accuracy": {name: over_seeds(values) for name, values in methods.items()}}, left_ax,
          "Five methods", reference=("chance", 0.1))
plot_differences({name: gains[name] for name in ("tuned ridge", "nearest neighbours")}, right_ax,
                 "Soft rounds minus …", "difference in points")
wb.show(compared)

# %% tags=["nbval-ignore-output"]
wb.show_numbers(pd.DataFrame({
    "accuracy (%)": {name: f"{100 * values.mean():.1f}" for name, values in methods.items()},
    "soft rounds minus this method (points)": {
        name: "{:+.2f} ({:+.2f} to {:+.2f})".format(gain.mean(), *seed_interval(gain))
        for name, gain in gains.items() if gain.any()}}).loc[list(methods)].fillna("–"),
    "five methods, 30 seeds")
verdict("soft rounds are over 10 points more accurate than one round.",
        np.mean(soft_rounds[1] - one_round[1]) > 0.1)
verdict("the accuracies of soft rounds and tuned ridge differ by less than 1 point.",
        np.abs(seed_interval(soft_rounds[1] - ridge)).max() < 0.01)

# %% [markdown]
# Both parts of the prediction were right. We see no difference between soft rounds and tuned ridge: the interval in
# the right panel contains 0. The control is at chance: 10 %. So each image needs its own scores as targets in round 2.
#
# The next figure compares soft rounds with one round at five penalties.

# %% tags=["nbval-ignore-output"]
study_ax = plt.subplots(figsize=(8, 3.8))[1]
for ink, name, place, values in ((COLOURS[1], "one round", 80, one_round), (
        COLOURS[0], "soft rounds", 91.8, soft_rounds)):
    low, high = 100 * np.array([seed_interval(v) for v in values]).T
    study_ax.errorbar(PENALTIES, (low + high) / 2, (high - low) / 2, color=ink, marker="o",
                      capsize=3)
    study_ax.text(0.036, place, name, color=ink)
study_ax.axhline(100 * ridge.mean(), color="black", linestyle=":")
study_ax.text(1.3, 100 * ridge.mean(), "tuned ridge", va="center")
study_ax.set(xscale="log", xlabel="penalty of every round", ylabel="accuracy in %",
             xticks=PENALTIES, xticklabels=PENALTIES)
wb.show(describe(study_ax, "Accuracy by penalty: " + "; ".join(
    f"at {lam} one round {percent(a.mean())}, soft rounds {percent(b.mean())}"
    for lam, a, b in zip(PENALTIES, one_round, soft_rounds, strict=True)) + "."))

# %% [markdown]
# So a comparison at only one penalty misleads. **On these data, a tuned penalty improves plain training as much as soft
# rounds do.**
#
# ## When does self-distillation help, and when does it harm?
#
# - **It helps** if the penalty is too small. At the penalty that is best for one round, a second round gains nothing
#   ([One round, exactly](more/self_distillation_one_round.ipynb)). But on only 100 noisy labels, several rounds were
#   one or two points more accurate than tuned ridge, if their penalty was tuned too ([Rounds on fresh
#   inputs](more/self_distillation_fresh_inputs.ipynb)).
# - **It harms** after too many rounds ([Many rounds](more/self_distillation_rounds.ipynb)).
# - **In networks**, the small probabilities helped with the left-out digit. They harm if the teacher has learned wrong
#   labels ([Networks and wrong labels](more/self_distillation_controls.ipynb)). On two other data sets with wrong
#   labels, self-distillation is about two points better than early stopping, but other methods gain as much ([Few
#   labels and other data](more/self_distillation_other_data.ipynb)).
# - **A language model** learns nothing from its own soft labels if teacher and student have the same prompt. The
#   student already predicts these soft labels, so the loss is 0 ([A language model's own soft
#   labels](more/self_distillation_next_tokens.ipynb)).
#
# You do not need these lessons for the next one. Further cases: [When is a wrong label
# corrected?](more/self_distillation_correction.ipynb), [Generations and
# calibration](more/self_distillation_generations.ipynb), [Teachers that mislead](more/misleading_teachers.ipynb),
# [Ensembles](more/self_distillation_ensembles.ipynb), [A teacher for
# decisions](more/self_distillation_decisions.ipynb), [Transfer](more/self_distillation_transfer.ipynb).
#
# ## What would change your mind?
#
# - If a soft label contained nothing beyond its likeliest class, a student could not name a digit that it never saw. At
#   $T=10$ it can.
# - If self-distillation added something that a tuned penalty cannot give, it would be more accurate than tuned ridge.
#   On 500 labels it was not.
#
# ## Try it yourself
#
# In `noisy_digits`, make all labels right (`< 0` in place of `< 0.3`). Does self-distillation still gain?
#
# ## Limits
#
# - The images are small and easy.
# - All seeds use the same 1,797 images. With other images, the results can differ by more than the intervals show.
# - Wrong labels are drawn at random here. People make mistakes mostly on images that look like another class.
# - The proof is about kernel ridge regression. Networks can behave differently.
#
# In the rounds of this lesson, the teacher has the same data as its student. In the next lesson, the teacher and the
# student have the same weights, but the teacher knows more: its prompt contains an example.
#
# **Next:** [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb)
