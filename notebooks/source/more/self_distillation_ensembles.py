# %% [markdown]
# # Ensembles: four networks, or one network taught by four
#
# > **Claim you can check:** with few labels or with wrong labels, an ensemble of four networks is better than one network by
# > less than one point on average. We see no gain for one network that is taught by the ensemble. With few labels, this network
# > repeats some mistakes of its teacher. Label smoothing, and a teacher that knows *nothing*, help more with few labels.
#
# | | |
# |---|---|
# | **Objectives** | prove what an ensemble guarantees · compare it with networks that teach each other and with one taught network, each with twelve settings and with controls · measure whether a student imitates its teacher |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); the expected calibration error (ECE) of [Generations and calibration](self_distillation_generations.ipynb) |
# | **Time** | about 30 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import itertools
import json
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_dots

# %%
from workbench.measure.calibration import expected_calibration_error
from workbench.plots.display import over_seeds
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.studies import RESULTS

wb.prepare_notebook()
SPLITS, SEEDS = range(5), (0, 1, 2)
chosen = json.loads((RESULTS / "self_distillation_further.json").read_text())

# %% [markdown]
# ## Three uses of several networks
#
# - **Ensemble.** Four networks are trained alone. Their probabilities are averaged.
# - **Mutual learning** ([Zhang et al., 2018](https://arxiv.org/abs/1706.00384)). Four networks, called *peers*, are trained at
#   the same time. They learn the labels and each other's soft labels. In the end one of them answers.
# - **Taught by 4.** An ensemble is the teacher of one network, the *student*. The student is as wide as one member of the
#   ensemble.
#
# **A guarantee.** The cross-entropy of an ensemble is at most the mean cross-entropy of its members.
#
# *Proof.* The function $-\log$ is convex. Let $p_k(y)$ be the probability that member $k$ gives to the right class $y$. By
# Jensen's inequality, $-\log\frac14\sum_kp_k(y)\le\frac14\sum_k-\log p_k(y)$ for each input.
#
# There is no such guarantee for accuracy or for calibration. Here is an ensemble, written out and compared with the package's.
# A *nat* is the unit of the natural logarithm.

# %%
def train(config):
    """Return a trained learner, its task, and the seconds that this took."""
    config_stream, start = stream_of(config), time.perf_counter()
    learner = make_learner(config, config_stream)
    wb.run_stream(learner, config_stream, config)
    return learner, config_stream.tasks[0], time.perf_counter() - start


four, digits, _ = train(wb.RunConfig(stream="digits", learner="ensemble", examples=100,
                                     options={"members": 4}, lr=3e-3, steps=60))
by_member = four.answers(digits.test.x).softmax(-1).detach()  # (members, digits, classes)
by_hand, positions = by_member.mean(0), torch.arange(len(digits.test))

# %%
member_losses = -by_member[:, positions, digits.test.y].log()
ensemble_loss = -by_hand[positions, digits.test.y].log()
member_accuracies = (by_member.argmax(-1) == digits.test.y).double().mean(1).tolist()
same_answer = (by_member.argmax(-1) == by_member[0].argmax(-1)).all(0)
print("accuracy: members", *map(percent, member_accuracies), "and ensemble",
      percent((by_hand.argmax(-1) == digits.test.y).double().mean()))
print(f"cross-entropy: members {member_losses.mean():.2f} nats, ensemble "
      f"{ensemble_loss.mean():.2f} nats")
verdict("the ensemble written here and the package's give the same answers. For every digit the "
        "ensemble's loss is at most the mean of its members.",
        torch.allclose(by_hand, four.predict(digits.test.x)[0].exp(), atol=1e-5)
        and (ensemble_loss <= member_losses.mean(0) + 1e-5).all())

# %% [markdown]
# A dot in the next figure is a test digit. Its height is the gain: the mean loss of the members minus the loss of the ensemble.
# No gain is below 0, as the proof says. Most gains are nearly 0. The larger ones are at digits with a large loss, for which the
# members often predict different classes.

# %% tags=["nbval-ignore-output"]
jensen_ax, gain = plt.subplots(figsize=(6.8, 3.6))[1], member_losses.mean(0) - ensemble_loss
for group, colour, name in ((same_answer, "#0072B2", "members predict the same class"),
                            (~same_answer, "#D55E00", "members predict different classes")):
    jensen_ax.semilogx(member_losses.mean(0)[group], gain[group], ".", markersize=6,
                       color=colour, label=f"{name} ({percent(group.double().mean())})")
jensen_ax.axhline(0, color="#555555", linewidth=1)
jensen_ax.set(xlabel="mean loss of the members (nats)", ylabel="gain of the ensemble (nats)",
              title="The gain of the ensemble, for each test digit")
jensen_ax.legend(frameon=False, fontsize=9)
wb.show(describe(jensen_ax, "A dot for each test digit: the gain of the ensemble against the mean "
                 "loss of its members. No gain is below 0. The mean gain is "
                 f"{gain[same_answer].mean():.2f} nats where the members predict the same class "
                 f"({percent(same_answer.double().mean())} of the digits), and "
                 f"{gain[~same_answer].mean():.2f} nats where they do not."))

# %% [markdown]
# ## A fair comparison
#
# Are four networks worth their price? We ask this in two cases: 100 labelled digits, and 200 labelled digits with **30 %
# wrong labels**. The three methods compete with cheap alternatives and with controls:
#
# | method | what it is | its own settings |
# |---|---|---|
# | one network | labels alone | weight decay (it pulls the weights towards 0): 0, 3 or 10 |
# | label smoothing | a share of each label is spread evenly over all classes | share 0.3, 0.6 or 0.9 |
# | ensemble of 4 | see above | weight decay 0, 3 or 10 |
# | mutual, 4 peers | see above | strength (factor of the loss on the peers' answers) 0.5, 1 or 3 |
# | taught by 4 | see above | temperature and weight of the teacher: (1, 0.5), (1, 0.9) or (4, 0.9) |
# | control: untrained | as *taught by 4*, but the four teachers have random weights | as *taught by 4* |
# | control: shuffled | as *taught by 4*, but each answer belongs to another digit of the batch | as *taught by 4* |
#
# Each method has 12 settings: its own three, times 30, 60, 150 or 300 steps. The teacher of *taught by 4* is trained for as many
# steps as its student, and without weight decay. So this teacher is not the same as the tuned *ensemble of 4*.
#
# The settings were chosen by `scripts/tune_further.py`, by accuracy on validation digits. There are as many validation digits
# as training digits, with the same share of wrong labels. The splits and seeds of the search are not used below. The folded
# table has the chosen settings, with the validation accuracy of the worst and of the best of the 12.

# %%
settings = {}
for case, methods in chosen["ensembles"].items():
    for name, result in methods.items():
        config, scores = result["config"], result["validation"]
        options = {key: value for key, value in config["options"].items()
                   if key in ("strength", "smoothing", "temperature", "weight")} or {
            "weight decay": config["weight_decay"]}
        settings[case, name] = {
            "steps": config["steps"], "other settings": ", ".join(
                f"{key} {value:g}" for key, value in options.items()),
            "worst (validation)": percent(min(scores)), "best (validation)": percent(max(scores))}
wb.show_numbers(pd.DataFrame(settings).T, "chosen settings of the seven methods")

# %% [markdown]
# Now the test. There are five splits of the data, with three seeds each. The three seeds of a split use the same digits, so
# we take their mean. All intervals are over the **five splits**. The figure shows accuracy (high is good) and ECE (low is
# good). The numbers at the right are accuracies.

# %% tags=["nbval-ignore-output"]
trained, result_rows = {}, []
for case, methods in chosen["ensembles"].items():
    for name, split in itertools.product(methods, SPLITS):
        learner, task, seconds = train(wb.RunConfig(**methods[name]["config"], seeds=SEEDS,
                                                    data_seed=split))
        p, y = learner.predict(task.test.x).softmax(-1).numpy(), task.test.y.numpy()
        trained[case, name, split] = learner, task, p
        result_rows.append({
            "case": case, "method": name, "split": split, "seconds": seconds / len(SEEDS),
            "accuracy": (p.argmax(-1) == y).mean(), "ECE": expected_calibration_error(p, y).mean(),
            "cross-entropy": -np.log(p[:, range(len(y)), y]).mean()})
results = pd.DataFrame(result_rows).set_index(["case", "method", "split"])

# %% tags=["nbval-ignore-output"]
case_figure, case_axes = plt.subplots(1, 2, figsize=(10, 4.2))
for ax, (case, own) in zip(case_axes, results.groupby("case", sort=False), strict=True):
    plot_dots({measure: {name: over_seeds(shares) for name, shares in own[measure].groupby(
        "method", sort=False)} for measure in ("accuracy", "ECE")}, ax, case,
        "accuracy and ECE (%)")
case_axes[1].set_yticklabels([])
wb.show(case_figure)
wb.show_numbers(results.groupby(["case", "method"], sort=False)[
    ["accuracy", "ECE", "cross-entropy"]].mean(), "mean accuracy, ECE and cross-entropy",
    "{:.2f}".format)

# %% [markdown]
# These intervals are wide because the splits differ. The **paired** differences from one network on the same split are much
# clearer. Controls are grey.

# %% tags=["nbval-ignore-output"]
by_split = results["accuracy"].unstack("method", sort=False)  # rows: case and split
gains = 100 * by_split.sub(by_split["one network"], axis=0).drop(columns="one network")
gain_figure, gain_axes = plt.subplots(1, 2, figsize=(9.5, 3.2), sharex=True, sharey=True)
for ax, (case, own) in zip(gain_axes, gains.groupby(level=0), strict=True):
    for i, (name, low, high) in enumerate(zip(gains, *seed_interval(own.to_numpy()), strict=True)):
        colour = "#888888" if "control" in name else "#0072B2"
        ax.plot([low, high], [i, i], color=colour)
        ax.plot(own[name].mean(), i, "o", color=colour)
    means = (f"{name} {mean:+.1f}" for name, mean in own.mean().items())
    describe(ax, f"Points over one network, {case}: {'; '.join(means)}.")
    ax.axvline(0, color="black", linewidth=1)
    ax.set(title=case, xlabel="points of accuracy over one network", yticks=range(len(gains.T)),
           yticklabels=gains.columns)
gain_axes[0].invert_yaxis()
wb.show(gain_figure)

# %%
few_low, few_high, noisy_low, noisy_high = (
    pd.Series(end, gains.columns) for own_case in chosen["ensembles"]
    for end in seed_interval(gains.loc[own_case].to_numpy()))
verdict("in both cases we see no gain of 'taught by 4' over one network, and the ensemble gains "
        "less than 2 points. With 100 labels, 'label smoothing' and 'control: untrained' gain.",
        max(few_low["taught by 4"], noisy_low["taught by 4"]) < 0
        and max(few_high["ensemble of 4"], noisy_high["ensemble of 4"]) < 2
        and few_low[["label smoothing", "control: untrained"]].min() > 0)
untrained_teacher = trained["100 labels", "control: untrained", 0][0].teacher
untrained_answers = untrained_teacher.predict(digits.test.x).exp()
print("mean of the largest probability in an untrained teacher's answers:",
      percent(untrained_answers.max(-1).values.mean()))

# %% [markdown]
# If the 95 % interval of a difference contains 0, we say: *we see no difference*.
#
# - **The ensemble gains 0.5 points with 100 labels and 0.8 points with wrong labels** (intervals: almost 0 to 1.1, and
#   0.5 to 1.1). Its members differ only in their initial weights, and mostly agree.
# - **Mutual learning** gains about as much with 100 labels. With wrong labels we see no gain.
# - **Taught by 4**: we see no gain in either case.
# - **With 100 labels, a student of a teacher that knows nothing is better than a student of the ensemble**, by 0.2 to 2.3 points
#   (paired). The untrained teacher answers about 10 % for each class, for every digit. Its student learns to be less sure, as
#   with label smoothing. So its gain over one network, 1.9 points, is regularisation, and not an effect of knowledge. With
#   wrong labels, we see no gain of label smoothing or of the untrained teacher; their intervals are wide.
# - **Label smoothing and the untrained teacher harm calibration.** Both methods have an ECE above 50 %. With 100 labels, both
#   are right in nine of ten cases, but their mean confidence is only 36 % and 18 %.
# - **With wrong labels, *taught by 4* and *mutual* have the lowest ECE**: 25 % and 26 %, and one network has 30 %. But the
#   soft labels are not the reason. These two methods were trained for 60 steps, and one network for 150. One network with 60
#   steps and without weight decay also has an ECE of 25 %, and a cross-entropy of 0.74 nats. (We measured this beforehand.)
#
# The figure has 12 intervals of 95 % each. If they were independent, almost half of all such figures would contain an interval
# that misses the true value. So do not trust an interval whose end is very near 0. Here these are the intervals of *ensemble of
# 4* and *mutual* with 100 labels.
#
# ## Does the student imitate its teacher?
#
# [Stanton et al. (2021)](https://arxiv.org/abs/2106.05945) found students that disagree with their teacher although they could
# match it. They also found that better imitation is not always better for accuracy. **Agreement** is the share of digits on which
# student and teacher predict the same class.
#
# Two good networks agree anyway, and two networks with the same training make similar mistakes. So we compare the student with a
# network that differs in one thing only: it has no teacher. Its steps, initial weights and labels are the same. We look
# mainly at the digits *where the teacher is wrong*. Each network is trained three times, each time from new initial
# weights. No member of the ensemble had these weights.

# %%
def restarted(config, split, draw):
    """Return a learner, trained from initial weights that no member of the teacher had."""
    config = wb.RunConfig(**config, seeds=SEEDS, data_seed=split)
    config_stream = stream_of(config)
    learner = make_learner(config, config_stream)
    learner.model.restart(draw)  # draws 0 to 3 are those of the members
    wb.run_stream(learner, config_stream, config)
    return learner


NETWORKS = {}  # by case and name: a setting
for case, methods in chosen["ensembles"].items():
    student, alone = (methods[name]["config"] for name in ("taught by 4", "one network"))
    NETWORKS |= {(case, "taught by 4"): student, (case, "one network"): alone, (
        case, "same steps, no teacher"): alone | {"steps": student["steps"], "weight_decay": 0.0}}


# %% [markdown]
# The figure shows the agreement on the new digits that the teacher (the ensemble) classifies wrongly, on all new digits, and
# on the labelled digits. The first one is the share of the teacher's mistakes that a network repeats. It is also written at
# the right.

# %% tags=["nbval-ignore-output"]
agreements = {}
for ((case, name), config), split in itertools.product(NETWORKS.items(), SPLITS):
    first, task, _ = trained[case, "taught by 4", split]
    teacher, learners = first.teacher, [restarted(config, split, draw) for draw in (4, 5, 6)]
    guide, seen = (teacher.predict(x).argmax(-1) for x in (task.test.x, task.train.x))
    said = torch.stack([one.predict(task.test.x).argmax(-1) for one in learners])
    same_seen = torch.stack([one.predict(task.train.x).argmax(-1) == seen for one in learners])
    agreements[case, name, split] = [part.double().mean().item() for part in (
        same_seen, said == guide, (said == guide)[:, guide != task.test.y], said == task.test.y)]
COLUMNS = ["labelled", "new", "teacher wrong", "accuracy"]
fidelity = pd.DataFrame(agreements, COLUMNS).T

# %% tags=["nbval-ignore-output"]
same_figure, same_axes = plt.subplots(1, 2, figsize=(10, 2.9))
SHOWN = {"teacher wrong": "new, teacher wrong", "new": "all new", "labelled": "labelled"}
for ax, (case, own) in zip(same_axes, fidelity.groupby(level=0), strict=True):
    plot_dots({label: {name: over_seeds(shares) for name, shares in own[column].groupby(
        level=1, sort=False)} for column, label in SHOWN.items()}, ax, case,
        "agreement with the teacher (%)")
same_axes[1].set_yticklabels([])
wb.show(same_figure)
wb.show_numbers(fidelity.groupby(level=[0, 1], sort=False).mean(),
                "agreement with the teacher, and accuracy", percent)

# %% tags=["nbval-ignore-output"]
print("taught by 4, minus the same steps without a teacher, in points (95 % interval):")
extra = 100 * (fidelity.xs("taught by 4", level=1)
               - fidelity.xs("same steps, no teacher", level=1))[COLUMNS[2:]]
ends = {case: np.array(seed_interval(own.to_numpy())) for case, own in extra.groupby(level=0)}
for case, (low, high) in ends.items():  # each has the two columns
    print(f"  {case}: mistakes of the teacher {low[0]:+.1f} to {high[0]:+.1f}, "
          f"accuracy {low[1]:+.1f} to {high[1]:+.1f}")
verdict("with 100 labels, the student repeats more of its teacher's mistakes than a network with "
        "the same steps and no teacher. With wrong labels we see no such difference.",
        ends["100 labels"][0, 0] > 0 > ends["200 labels, 30 % wrong"][0, 0]
        and ends["200 labels, 30 % wrong"][1, 0] > 0)

# %% [markdown]
# The student repeats 86 % of the teacher's mistakes with 100 labels, and 75 % with wrong labels. Did it learn these mistakes
# from its teacher?
#
# *One network* repeats far fewer of them. But it was trained for more steps, and with weight decay. The fair control is *same
# steps, no teacher*. It repeats 77 % and 73 %.
#
# - **With 100 labels, the student does imitate.** It repeats 4 to 14 points more of the mistakes than the fair control.
# - **With wrong labels, we see no imitation** (-2 to +5 points). Both networks learned the same wrong labels. This may
#   explain most of the agreement.
#
# The imitation is not perfect. With 100 labels, every network gives the teacher's answer on *all* labelled digits. Still they
# differ on new digits. So the labelled digits do not determine the answers to new digits.
#
# **More imitation does not mean more accuracy here.** With 100 labels the student imitates, but we see no difference between its
# accuracy and that of the fair control. With wrong labels we see no imitation, but the student is 0.2 to 1.3 points more
# accurate. (An interval that begins so near 0 is weak evidence.)
#
# ## What does it cost?
#
# The panel shows the case with wrong labels. Choose a cost. *Networks to train* includes teachers and peers. *Networks to
# keep* is the number of networks that must be stored and run to get an answer.

# %% tags=["nbval-ignore-output"]
from workbench.widgets import CostPanel

NUMBERS = {"ensemble of 4": (4, 4), "mutual, 4 peers": (4, 1), "taught by 4": (5, 1)}
noisy = results.loc["200 labels, 30 % wrong"].drop(
    ["control: untrained", "control: shuffled"], level="method")
costs = noisy.groupby("method", sort=False)[["accuracy", "seconds"]].mean()
costs["low"], costs["high"] = seed_interval(noisy["accuracy"].unstack("method")[costs.index])
costs[["networks to train", "networks to keep"]] = [
    NUMBERS.get(name, (1, 1)) for name in costs.index]
CostPanel(costs.rename(columns={"seconds": "seconds to train"}))

# %% [markdown]
# *Seconds* were measured on this computer. Three seeds were trained at the same time, and the time was divided by three.
# The methods have different numbers of steps, and more steps take longer.
#
# ## What to remember
#
# - Show controls. With few labels, a student of an untrained teacher gained more than a student of the ensemble.
#   So a gain from soft labels is not always due to knowledge.
# - Compare like with like. A student repeats its teacher's mistakes, but so does a network with the same steps and labels.
#   With 100 labels the teacher explains some of the agreement. With wrong labels we see no imitation.
#
# ## What would change your mind?
#
# If *taught by 4* gained and its controls did not, the ensemble's knowledge would be the reason. Take the student with 100
# labels, and a network with the same steps and no teacher. If both repeated the same share of the teacher's mistakes, we would
# have no evidence of imitation.
#
# ## Try it yourself
#
# In the first example set `members` to 16. By how much do cross-entropy and accuracy improve? Is Jensen's inequality far
# from equality?
#
# ## Limits
#
# - There is one small data set, the networks are small, and the four members differ only in their initial weights. Ensembles of
#   large networks, or of members that see different examples, may gain more. They were not tried here.
# - The intervals are over five splits of the same 1,797 digits. So they are too narrow for new digits, and five is few.
# - There were as few validation digits as training digits, so the chosen settings are uncertain. Only four numbers of steps were
#   tried, and the best one may lie between them.
# - Some of the best settings lie at the end of their list: 300 steps (one network and smoothing with 100 labels), smoothing 0.9
#   and strength 3 with wrong labels, and weight 0.9 of the teacher.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
