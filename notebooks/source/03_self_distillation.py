# %% [markdown]
# # 3. Self-distillation: what can a model learn from itself?
#
# > **Claim you can check:** a network can learn from the probabilities that another network predicts. It then names
# > 62 % of the images of a digit that it never saw. In *self-distillation* a model learns from the predictions of an
# > earlier model of the same kind. We test it with kernel ridge regression on 500 images of digits; 30 % of the labels
# > are wrong. At a small value of its setting, the *penalty*, self-distillation makes the model 13 points more
# > accurate. But with a well-chosen penalty, the model is as accurate without self-distillation.
#
# | | |
# |---|---|
# | **Objectives** | read a soft label at any temperature · write the loss of distillation · follow a proof about repeated self-distillation · compare self-distillation with the strongest baseline |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb); softmax, cross-entropy, eigenvectors |
# | **Time** | about 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

import workbench as wb
from workbench import kernel
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent
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
# grow, and we can see them.
#
# We train three networks on 1,167 images of handwritten digits. Later they are the teachers of other networks. The
# explorer shows the soft labels of the first network for test images. The image for which the network is most unsure
# comes first. The *entropy* $-\sum_k p(k)\log p(k)$, in *nats*, measures how unsure it is. The entropy is 0 if one
# class has 100 %, and 2.30 if all ten classes have 10 %. The right panel shows only the wrong classes; their
# probabilities are scaled so that their sum is 100 %.
#
# Find a 4 that could be a 9. Then raise the temperature. Which other digits become likely?

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
# ([Hinton, Vinyals & Dean, 2015](https://arxiv.org/abs/1503.02531)). Let $p_T$ be the probabilities of the teacher, and
# $q_T$ those of the student, both at temperature $T$. The loss of one image is
#
# $$T^2\,\mathrm{KL}(p_T\,\|\,q_T),\qquad \mathrm{KL}(p\,\|\,q)=\sum_{\text{classes }k}p(k)\,\big(\log p(k)-\log q(k)\big).$$
#
# The KL divergence is 0 if the two distributions are equal, and above 0 otherwise. Often the student is trained on a
# weighted sum of this loss and the cross-entropy with the labels.
#
# **Why is there a factor $T^2$?** At a large $T$, the gradient of the KL is nearly proportional to $1/T^2$. The factor
# $T^2$ cancels this. So the weight of this loss in the sum need not change with $T$ ([Three small
# proofs](more/self_distillation_proofs.ipynb)).
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
# Hinton, Vinyals and Dean answer this question with an experiment. We repeat it with our digits. The teacher was
# trained on all ten digits. The student learns from the teacher's soft labels, but sees no image of one digit, for
# example of the 9. The soft labels tell the student only that some of the 4s and 7s look a little like a 9. Then we
# test the student on images of the 9.
#
# **Prediction:** after training on hard labels, the student names no image of the 9 correctly. After training on soft
# labels it names many, and more at a high temperature.
#
# We compare six ways of training: on hard labels, on soft labels at three temperatures, and two **controls**. Each way
# has thirty students: ten left-out digits times three random seeds. In the controls the soft labels contain no
# knowledge about the digit in the image:
#
# - **untrained teacher**: the soft labels come from a network with random weights;
# - **shuffled answers**: each image gets the trained teacher's soft label of another image, drawn at random.
#
# For both controls we expect about 10 %, called *chance*. For example, suppose that all students always answer 8. Then
# the students that never saw an 8 name 100 % of the 8s correctly. For each of the other nine left-out digits, the share
# is 0 %. The mean over the ten digits is 10 %.
#
# The next three cells prepare the labels, define the loss, and train the thirty students of one way.

# %%
left_out, every_class = torch.arange(10).repeat_interleave(3), torch.ones(10, dtype=torch.bool)
digit_x, digit_y = digits_task.train.x, digits_task.train.y
allowed = (digit_y != left_out[:, None]).float()  # (students, images)
answers = teachers.predict(digit_x).repeat(10, 1, 1)  # (students, images, classes)
untrained = Finetune(StackedMLP(64, (100, 100), 10, seeds=(3, 4, 5)))
order = torch.randperm(len(digit_x), generator=torch.Generator().manual_seed(0))
TAUGHT_BY = {"hard labels": (None, 1), "soft labels, T = 1": (answers, 1),  # logits, temperature
             "soft labels, T = 3": (answers, 3), "soft labels, T = 10": (answers, 10),
             "control: untrained teacher": (untrained.predict(digit_x).repeat(10, 1, 1), 10),
             "control: shuffled answers": (answers[:, order], 10)}


# %%
def training_loss(outputs, teacher, y, temperature):
    """Return the sum over the students of the loss on hard labels, or on a teacher's logits."""
    if teacher is None:
        return F.cross_entropy(outputs.transpose(1, 2), y, reduction="sum") / y.shape[1]
    log_p = (teacher / temperature).log_softmax(-1)
    log_q = (outputs / temperature).log_softmax(-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean(1).sum()


by_package = wb.losses.distillation(untrained.predict(digit_x), answers[:3], every_class, 3)
verdict("the loss written out above is equal to the one in the package.", torch.isclose(
    training_loss(untrained.predict(digit_x), answers[:3], digit_y, 3), by_package.sum()))


# %%
def students_without(teacher, temperature, steps=300):
    """Return thirty trained students; each never saw one digit."""
    students, rng = StackedMLP(64, (100, 100), 10, (0, 1, 2) * 10), torch.Generator().manual_seed(0)
    students.restart(1)  # other initial weights than the teachers had
    optimizer = torch.optim.Adam(students.parameters(), 1e-3, fused=True)
    for _ in range(steps):
        rows = torch.multinomial(allowed, 32, generator=rng)  # (students, batch)
        targets = None if teacher is None else teacher[torch.arange(30)[:, None], rows]
        optimizer.zero_grad()
        training_loss(students(digit_x[rows]), targets, digit_y[rows], temperature).backward()
        optimizer.step()
    return students


# %% [markdown]
# In the table, *left-out digit named* is the share of the left-out images that are named correctly. *Others called so*
# is the share of the images of other digits that wrongly get the name of the left-out digit. If both shares are equal,
# the students do not recognise the left-out digit.

# %%
named, unseen = {}, test_digits.y == left_out[:, None]
print(f"{'student taught by':29}{'left-out digit named':>20}{'others called so':>20}")
for taught_by, (teacher, temperature) in TAUGHT_BY.items():
    predicted = students_without(teacher, temperature)(test_digits.x).argmax(-1)
    as_unseen = predicted == left_out[:, None]
    named[taught_by] = (as_unseen & unseen).sum(1) / unseen.sum(1)  # (students,)
    by_mistake = ((as_unseen & ~unseen).sum(1) / (~unseen).sum(1)).mean()
    print(f"{taught_by:29}{percent(named[taught_by].mean()):>20}{percent(by_mistake):>20}")

# %% [markdown]
# A bar is the mean over the ten left-out digits. Each small numeral names a left-out digit. Its horizontal position is
# the mean of the three students that never saw this digit.

# %% tags=["nbval-ignore-output"]
ax = plt.subplots(figsize=(8, 4.4))[1]
for place, shares in enumerate(100 * values.view(10, 3).mean(1) for values in named.values()):
    ax.barh(place, shares.mean(), color=COLOURS[0 if place < 4 else 8], alpha=0.5)
    for digit, value in enumerate(shares):
        ax.text(value, place + (digit - 4.5) * 0.09, digit, ha="center", va="center", fontsize=8)
ax.axvline(10, color="black", linestyle=":")
ax.text(11, 0, "chance: 10 %", va="center", fontsize=9)
ax.set(yticks=range(6), yticklabels=named, xlim=(-3, 100),
       xlabel="images of the left-out digit that are named correctly (%)")
ax.invert_yaxis()
wb.show(describe(ax, "Bars: images of the left-out digit named correctly, mean over ten digits: "
                 + "; ".join(f"{name} {percent(v.mean())}" for name, v in named.items()) + "."))

# %%
hard_labels, cold, hot = (named[name].view(10, 3).mean(1) for name in (
    "hard labels", "soft labels, T = 1", "soft labels, T = 10"))
verdict("after training on hard labels, no image of a left-out digit is named correctly.",
        hard_labels.max() == 0)
verdict("after training on soft labels at T = 10, over half of these images are named correctly; "
        "for each digit more than at T = 1.", hot.mean() > 0.5 and (hot > cold).all())
verdict("soft labels at T = 1 are not enough: under 15 % of these images are named correctly.",
        cold.mean() < 0.15)
verdict("in both controls at most 15 % of these images are named correctly (chance: 10 %).",
        max(named[name].mean() for name in named if "control" in name) < 0.15)

# %% [markdown]
# The prediction was right in two parts. With hard labels no such image is named correctly. With soft labels the share
# grows with the temperature: 6 %, 29 %, 62 %. But for $T=1$ the prediction was wrong, because 6 % is not many.
#
# In the row *shuffled answers* the 8 is far to the right. The students of this row call most images an 8. So the three
# students that never saw an 8 are often right by chance. They did not learn how an 8 looks.
#
# **So the small probabilities contain knowledge.** In this experiment the teacher had learned from right labels. The
# rest of this lesson asks what a model can learn from its own predictions if some labels are wrong.
#
# ## A model that learns from its own predictions
#
# In **self-distillation** the teacher and the student are models of the same kind with the same settings, and both are
# trained on the same inputs. The first model is fitted to the labels. The next model is fitted to the predictions of
# the first one, and so on. Each fit is called a **round**. There are no new data. Can a model still gain from this?
#
# We use **kernel ridge regression** (*ridge* for short), because we can prove facts about it. This model has a score
# for each class, and predicts the class with the largest score. In training, each score has a target. It is 1 if the
# image has the label of this class, and 0 otherwise. A *kernel* is a function that returns the similarity of two
# images, here from 0 to 1. The score of an image is a weighted sum of its similarities to the training images. The
# weights are chosen for two aims: the scores are close to the targets, and similar images get similar scores. A number
# $\lambda>0$, the **penalty**, is the weight of the second aim.
#
# The scores have a formula. Let the matrix $K$ hold the similarities of all pairs of training images, and let $y$ be
# the targets of one class. Then the scores of the training images are $Ay$ with $A=K(K+\lambda I)^{-1}$.
#
# **What does the penalty remove?** An eigenvector of $K$ has one entry for each training image. Write $y$ as a sum of
# parts, one part along each eigenvector. Take an eigenvector with eigenvalue $s$. It is also an eigenvector of $A$,
# with eigenvalue $s/(s+\lambda)$. So $A$ multiplies the part of $y$ along it by $s/(s+\lambda)$. This factor is near 1
# if $s$ is much larger than $\lambda$. It is near 0 if $s$ is much smaller: the penalty removes this part.
#
# **Why does this remove wrong labels?** For an eigenvector $v$ of length 1, $s$ is the sum of $K_{ij}v_iv_j$ over all
# pairs of images. So if $s$ is large, $v_i$ and $v_j$ mostly have the same sign for similar images $i$ and $j$.
# Similar images mostly have the same right label too. So right labels have their largest parts along eigenvectors with
# a large $s$. Wrong labels are drawn at random, so they have a part along every eigenvector, and most eigenvectors have
# a small $s$. So a larger penalty removes more of the wrong labels than of the right ones ([Three small
# proofs](more/self_distillation_proofs.ipynb) measures this).
#
# **The data**: 500 images of digits with labels, and 30 % of the labels are wrong. A wrong label is one of the nine
# other digits, drawn at random. There are also 300 validation images; 30 % of their labels are wrong too. Accuracy is
# measured on the other 997 images with their true labels.
#
# The next function prepares these data. It also returns a function `accuracy`. This function gets the predictions for
# several settings (`candidates`). It chooses the setting that is best on the validation images, and returns its
# accuracy on the 997 images.

# %%
images, digits = load_digits(return_X_y=True)


def noisy_digits(seed):
    """Return similarities of training digits, of all others to them, targets, and `accuracy`."""
    rng = np.random.default_rng(seed)
    order, wrong = rng.permutation(len(images)), rng.random(len(images)) < 0.3
    noisy = np.where(wrong, (digits + rng.integers(1, 10, len(digits))) % 10, digits)[order]

    def accuracy(candidates):  # on test digits, of the candidate that is best on validation
        best = (candidates[:, :300] == noisy[500:800]).mean(1).argmax()
        return (candidates[best, 300:] == digits[order[800:]]).mean()

    similar = rbf_kernel(images[order], images[order[:500]], 1 / (64 * images.var()))
    return similar[:500], similar[500:], np.eye(10)[noisy[:500]], accuracy


# %% [markdown]
# The next function computes the rounds. From the second round on, the targets are a mixture: `share` times the labels,
# plus `1 - share` times the scores of the round before. With `share=0` the labels are not used again.

# %%
def rounds_by_hand(K, y, penalty, rounds, share=0.0):
    """Return the scores after each round; share is the weight of the labels in later rounds."""
    A = K @ np.linalg.inv(K + penalty * np.eye(len(K)))
    scores = [A @ y]
    for _ in range(rounds - 1):
        scores.append(A @ (share * y + (1 - share) * scores[-1]))
    return np.array(scores)


K_of_0, _, y_of_0, _ = noisy_digits(0)
verdict("the rounds written out here are equal to those of the package.", np.allclose(
    rounds_by_hand(K_of_0, y_of_0, 0.5, 5), kernel.soft_rounds(K_of_0, y_of_0, 0.5, 5)))

# %% [markdown]
# ## With labels in every round, many rounds are like one round with a larger penalty
#
# Let each later round be fitted to the mixture $\alpha y+(1-\alpha)f$. Here $f$ are the scores of the round before, and
# $\alpha$ is the share of the labels, a number above 0 and below 1.
#
# **The claim.** With more and more rounds, the scores converge to those of one round with the penalty $\lambda/\alpha$.
#
# **Proof.** Suppose first that the scores converge to a limit; we check this at the end. Take one eigenvector of $K$,
# with eigenvalue $s$. Let $y_s$ be the part of the labels along this eigenvector, and $f_s$ the part of the limit. One
# more round does not change the limit. This gives an equation for $f_s$. We solve it in three steps:
#
# - The equation is $f_s=\frac{s}{s+\lambda}\,\big(\alpha y_s+(1-\alpha)f_s\big)$.
# - Multiply by $s+\lambda$, and collect the terms with $f_s$: $\;(\lambda+\alpha s)\,f_s=\alpha s\,y_s$.
# - Divide by $\lambda+\alpha s$: $\;f_s=\frac{\alpha s}{\alpha s+\lambda}\,y_s=\frac{s}{s+\lambda/\alpha}\,y_s$. This
#   is one round with penalty $\lambda/\alpha$.
#
# The scores do converge. Let $g_s$ be this part of the scores now. One round turns it into
# $\frac{s}{s+\lambda}\,\big(\alpha y_s+(1-\alpha)g_s\big)$. Subtract the equation of $f_s$. The distance between $g_s$
# and $f_s$ is multiplied by $(1-\alpha)\,\frac{s}{s+\lambda}$. This factor is below 1, so the distance goes to 0.

# %%
limit = rounds_by_hand(K_of_0, y_of_0, 0.5 / 0.2, rounds=1)[0]
last_round = rounds_by_hand(K_of_0, y_of_0, 0.5, rounds=150, share=0.2)[-1]
verdict("with weight 0.2 for the labels, 150 rounds at penalty 0.5 give the same scores as one "
        "round at penalty 2.5 (difference below 1e-10).", np.abs(last_round - limit).max() < 1e-10)

# %% [markdown]
# So with labels in every round, the scores converge to those of one round with a larger penalty.
#
# The experiment below uses no labels after the first round ($\alpha=0$). For this case the proof does not hold, but the
# first rounds have a similar effect. After $n$ rounds, each part of the labels is multiplied by
# $\big(\frac{s}{s+\lambda}\big)^n$. So the parts with a small $s$ become small first. They contain much of the wrong
# labels. Later rounds also remove the right labels, and in the end all scores are near 0. So the number of rounds must
# be chosen.
#
# ## Wrong labels: how large is the gain, and over which baseline?
#
# A model with a small penalty *memorises* its labels: for nearly all training images it predicts the given label, even
# if this label is wrong. At penalty 0.03 it memorises over 99 % of them ([Three small
# proofs](more/self_distillation_proofs.ipynb)). We compare five methods, with 30 seeds each.
#
# | method | chosen on the noisy validation images |
# |---|---|
# | **one round** at penalty 0.03: plain training | nothing |
# | **soft rounds**: self-distillation at penalty 0.03; after round 1 the targets are the scores of the round before | the number of rounds, 1 to 40 |
# | **tuned ridge**: one round | the penalty, from 40 values |
# | **nearest neighbours**: the most frequent label among the $k$ most similar training images | $k$, from 1 to 40 |
# | **control**: one round at penalty 0.03; the targets of each image are the scores of another image | nothing |
#
# **Prediction:** soft rounds are much more accurate than one round. They are hardly more accurate than tuned ridge. The
# reason: they act much like a larger penalty, and tuned ridge has the best penalty already.

# %%
PENALTIES = [0.01, 0.03, 0.1, 0.3, 1.0]


def compare(seed):
    """Return the accuracy of each method; one round and soft rounds have five penalties."""
    K, across, y, accuracy = noisy_digits(seed)
    rounds = kernel.soft_rounds(K, y, PENALTIES, 40, across).argmax(-1)
    ridges = kernel.soft_rounds(K, y, np.geomspace(0.01, 10, 40), 1, across).argmax(-1)
    nearest = y[(-across).argsort(1)[:, :40]].cumsum(1).argmax(-1).T
    mixed = np.random.default_rng(seed).permutation(kernel.soft_rounds(K, y, 0.03, 1)[0])
    control = kernel.soft_rounds(K, mixed, 0.03, 1, across).argmax(-1)
    return [accuracy(ridges[:, 0]), accuracy(nearest), accuracy(control),
            *[accuracy(one[:1]) for one in rounds], *[accuracy(one) for one in rounds]]


# %% tags=["nbval-ignore-output"]
ridge, neighbours, shuffled, *at_penalties = np.transpose([compare(seed) for seed in range(30)])
one_round, soft_rounds = at_penalties[:5], at_penalties[5:]
print(f"soft rounds: accuracy {soft_rounds[1].mean():.3f}\n")
print("other method         accuracy   soft rounds minus it, with 95 % interval")
for name, values in {"one round": one_round[1], "tuned ridge": ridge,
                     "nearest neighbours": neighbours, "control: shuffled": shuffled}.items():
    low, high = seed_interval(soft_rounds[1] - values)
    print(f"{name:18}    {values.mean():.3f}      {(soft_rounds[1] - values).mean():+.4f} "
          f"({low:+.4f} to {high:+.4f})")
verdict("soft rounds gain over 10 points of accuracy over one round.",
        np.mean(soft_rounds[1] - one_round[1]) > 0.1)
verdict("the difference between soft rounds and tuned ridge is less than 1 point.",
        np.abs(seed_interval(soft_rounds[1] - ridge)).max() < 0.01)

# %% [markdown]
# Both parts of the prediction were right. Soft rounds gain 13 points over one round. We see no difference between soft
# rounds and tuned ridge: the interval contains 0.
#
# How large is the gain over one round at other penalties? The figure compares five of them.

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

# %%
verdict("at penalty 0.01 soft rounds gain over 15 points over one round; at penalty 1.0 they gain "
        "less than 1 point.", np.mean(soft_rounds[0] - one_round[0]) > 0.15
        and abs(np.mean(soft_rounds[-1] - one_round[-1])) < 0.01)

# %% [markdown]
# At penalty 0.01 the gain is 18 points, and at penalty 1.0 it is nearly 0. So a comparison at only one penalty
# misleads. **On these data, a tuned penalty improves plain training as much as soft rounds do.**
#
# ## When does self-distillation help, and when does it harm?
#
# It helps if the penalty is too small. But on these 500 labels a tuned penalty helps as much, and too many rounds harm.
# In the experiment with the left-out digit, the teacher had learned right labels, and the small probabilities helped.
# If a teacher network has learned wrong labels, the small probabilities can harm. Twelve further lessons measure such
# cases. You do not need them for the next lesson.
#
# | lesson | result |
# |---|---|
# | [One round, exactly](more/self_distillation_one_round.ipynb) | one round lowers the error if the penalty is too small; at the best penalty it gains nothing |
# | [When is a wrong label corrected?](more/self_distillation_correction.ipynb) | under simple assumptions, one can compute after which round all wrong labels are corrected |
# | [Many rounds](more/self_distillation_rounds.ipynb) | without labels in later rounds, all scores become 0 in the end |
# | [Rounds on fresh inputs](more/self_distillation_fresh_inputs.ipynb) | for linear models, rounds on new inputs gain no more than rounds on the same inputs |
# | [Networks and wrong labels](more/self_distillation_controls.ipynb) | if the teacher has learned wrong labels, the likeliest class in its soft label helps, and the other classes harm |
# | [Generations and calibration](more/self_distillation_generations.ipynb) | if each network is taught by the one before, no network is clearly better than the first (on 500 digits) |
# | [Few labels and other data](more/self_distillation_other_data.ipynb) | on two other data sets, networks that are taught by a network of the same kind gain two points; other methods gain as much |
# | [Teachers that mislead](more/misleading_teachers.ipynb) | a teacher that is worse than its student can help, if the student has some right labels of its own |
# | [Ensembles](more/self_distillation_ensembles.ipynb) | four networks together are less than one point better than one network; we see no gain for a network that is taught by the four |
# | [A language model's own soft labels](more/self_distillation_next_tokens.ipynb) | for the same prompt, a language model's own soft labels teach it nothing |
# | [A teacher for decisions](more/self_distillation_decisions.ipynb) | if the classes are actions in a small world, a low temperature is best to act well, and a higher one to explore the world |
# | [Transfer](more/self_distillation_transfer.ipynb) | a network learns new digits; soft labels from its old weights protect the old digits only if the task of each image is given |
#
# ## What would change your mind?
#
# - If a soft label contained nothing beyond its likeliest class, a student could not name a digit that it never saw. At
#   $T=10$ it names 62 % of the images of such a digit. In the controls it names 10 %.
# - If self-distillation added something that a tuned penalty cannot give, it would be more accurate than tuned ridge.
#   Here it was not. Two other lessons found exceptions. With only 100 noisy labels, self-distillation was one or two
#   points more accurate ([Fresh inputs](more/self_distillation_fresh_inputs.ipynb)). If the shares of the labels are
#   computed from the true answers, it can also be more accurate ([Many rounds](more/self_distillation_rounds.ipynb)).
#   But nobody knows the true answers in practice.
#
# ## Try it yourself
#
# - In `TAUGHT_BY`, replace `10` by `100` for the soft labels. Is a higher temperature still better?
# - In `noisy_digits`, make all labels right (`< 0` in place of `< 0.3`). Which gains are left?
#
# ## Limits
#
# - The images are small and easy, and the networks are small.
# - Wrong labels are drawn at random here. People make mistakes mostly on images that look like another class.
# - The proof is about kernel ridge regression. Networks can behave differently ([Networks and wrong
#   labels](more/self_distillation_controls.ipynb)).
# - We tuned the penalty, but not the kernel: it has the default setting of scikit-learn's support vector machine.
# - All seeds use the same 1,797 images. For statements about other images, the intervals are too narrow.
#
# In self-distillation the teacher has the same data as its student. In the next lesson teacher and student have the
# same weights, and the teacher knows more, because its prompt contains an example.
#
# **Next:** [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb)
