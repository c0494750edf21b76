# %% [markdown]
# # Networks and wrong labels: which part of a soft label helps?
#
# > **Claim you can check:** a teacher network has learned from partly wrong labels, and a student network learns from
# > its answers. The likeliest class in an answer, and its probability, help the student. The probabilities of the
# > other classes harm the student. They contain the wrong label. *Early stopping* trains a network for fewer steps. It
# > is as accurate as a network that is taught by an earlier network of the same form. *Label smoothing* needs no
# > teacher either. It is two points more accurate than these two methods.
#
# | | |
# |---|---|
# | **Objectives** | use controls to find which part of a soft label helps · compare eleven ways of training, most of them with tuned settings · see how the result depends on the share of wrong labels |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | about 30 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_dots
from workbench.plots.styles import COLOURS
from workbench.runs.experiment import make_learner, stream_of

wb.prepare_notebook()

# %% [markdown]
# ## Three parts of a teacher's answer
#
# A teacher's answer to an image is a soft label. It has three parts:
#
# 1. *which class is likeliest*;
# 2. *how sure* the teacher is: the probability of this class;
# 3. *how the other classes share the rest* of the probability.
#
# In [lesson 03](../03_self_distillation.ipynb) a student learned about a digit that it never saw. No training image
# showed this digit, so the digit was hardly ever the likeliest class in an answer. Only the third part contained
# information about the digit. There the teacher had right labels. Does the third part also help if some labels are
# wrong?
#
# ## The methods and the controls
#
# There are 500 labelled digits, and 30 % of the labels are wrong. Each method is trained 30 times: on six splits of
# the data, with five seeds each. Each seed has its own wrong labels.
#
# | method | how it is trained |
# |---|---|
# | plain | 600 steps on the labels; no setting is chosen |
# | early stopping | on the labels; only the number of steps is chosen, on validation digits |
# | weight decay | large weights are made smaller in each step; the strength is chosen |
# | label smoothing | a share of each label is spread evenly over all classes |
# | born again | three networks, one after the other; each starts from new weights, and the network before is its teacher ([Furlanello et al., 2018](https://arxiv.org/abs/1805.04770)) |
# | moving average | the teacher is the mean of the student's own past weights ([Tarvainen & Valpola, 2017](https://arxiv.org/abs/1703.01780)) |
# | ensemble of 4 | four networks are trained on the labels; the mean of their probabilities is the answer |
#
# **Controls** take parts of the teacher's answer away:
#
# | control | what is changed |
# |---|---|
# | permuted | in each answer, the likeliest class keeps its probability; the other nine probabilities are put into a random order. So parts 1 and 2 stay, and part 3 is lost. There is one such control for *born again* and one for *moving average* |
# | shuffled answers | as *born again*, but the teacher's answers belong to other images of the batch |
# | untrained teacher | the teacher has random weights, so all classes have nearly the same probability in its answers. Mixed with the label, this is like label smoothing |
#
# A made-up example: an image of a 3 has the wrong label 8. The first row is the teacher's answer. The other rows show what the
# controls make of it. Permuted, the wrong label loses its 20 %.

# %%
from workbench.plots.sequences import plot_stages

ANSWERS = {"teacher's answer": [1, 2, 5, 60, 1, 6, 1, 2, 20, 2],
           "permuted": [2, 20, 1, 60, 2, 5, 2, 6, 1, 1],
           "shuffled answers": [1, 1, 2, 1, 4, 1, 1, 75, 2, 12],
           "untrained teacher": [10, 11, 10, 9, 10, 11, 9, 10, 10, 10]}
classes = [{3: "3 (true)", 8: "8 (label)"}.get(digit, str(digit)) for digit in range(10)]
wb.show(plot_stages(pd.DataFrame(ANSWERS, classes).T / 100, plt.subplots(figsize=(8, 2.6))[1],
                    "Three controls, for one image: probabilities (%)"))

# %% [markdown]
# **Settings.** *Plain* always takes 600 steps. Each other method had twelve combinations of settings. The best
# combination was chosen on validation digits; 30 % of their labels are wrong too. The settings were chosen with other
# splits and seeds than those of the test below (`scripts/tune_self_distillation.py` does this, and its results are
# stored). In the folded table, *weight* is the share of the loss on the teacher's answers; the rest is the loss on the labels.
#
# Two more methods were tuned and tested in the same way, and are not trained here. Two networks that teach each other
# ([Zhang et al., 2018](https://arxiv.org/abs/1706.00384)) are 0.9 points more accurate than early stopping (95 %
# interval: 0.1 to 1.6). The student of a teacher with twice as many units is 0.7 points less accurate (-1.3 to 0.0).

# %%
from workbench.system.provenance import data_path

tuning = json.loads(data_path("results", "self_distillation.json").read_text())["results"]
chosen = {method: result["config"] for method, result in tuning["digits, 30 % wrong"].items()
          if method not in ("mutual", "larger teacher")}
table = pd.DataFrame({
    method: {name: config[name] for name in ("steps", "weight_decay") if name in config}
    | config.get("options", {}) for method, config in chosen.items()}).T
wb.show_numbers(table.rename(columns={"weight_decay": "weight decay"}), "chosen settings",
                lambda value: "" if np.isnan(value) else f"{value:g}")

# %% [markdown]
# **Predictions:**
#
# - (a) The probabilities of the other classes help here too. So *born again* and *moving average* are more accurate
#   than their permuted controls.
# - (b) The permuted controls are more accurate than the untrained teacher. So the likeliest class and its probability
#   help.
#
# Now each method is trained with its chosen settings and tested on digits with true labels.

# %%
def train_and_test(settings, split):
    """Return accuracy and two shares of wrong labels (explained below), shape (3, seeds)."""
    config = wb.RunConfig(**settings, seeds=range(5), data_seed=split)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    accuracy = wb.run_stream(learner, stream, config).accuracy[:, -1, -1]
    noisy = stream.tasks[0].train.y
    truth = stream_of(replace(config, label_noise=0.0)).tasks[0].train.y
    first, second = learner.predict(stream.tasks[0].train.x).topk(2).indices.unbind(-1)
    wrong = noisy != truth
    corrected = wrong & (first == truth)
    return np.array([accuracy, (wrong & (first == noisy)).sum(1) / wrong.sum(1),
                     (corrected & (second == noisy)).sum(1) / corrected.sum(1)])


# %%
by_split = {name: np.transpose([train_and_test(config, split).mean(1) for split in range(6)])
            for name, config in chosen.items()}  # (3, splits)


def ahead(name, other):
    """Return mean and 95 % interval over the splits of a difference in points of accuracy."""
    points = 100 * (by_split[name][0] - by_split[other][0])
    return points.mean(), *seed_interval(points)


# %% [markdown]
# The left picture shows how many points of accuracy each method is above early stopping, with 95 % intervals over the
# six splits. The numbers at its right edge are the accuracies. The right picture shows the share of the wrong training
# labels that a network has *memorised*: it predicts the wrong label. Controls are grey.

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 4.4), sharey=True, width_ratios=[1.6, 1])
for place, (name, (accuracy, memorised, _)) in enumerate(by_split.items()):
    ink, (mean, low, high) = COLOURS[8 if "control" in name else 0], ahead(name, "early stopping")
    left.plot([low, high], [place, place], color=ink)
    left.plot(mean, place, "o", color=ink)
    left.text(1.03, place, percent(accuracy.mean()), transform=left.get_yaxis_transform(),
              va="center", fontsize=9)
    right.barh(place, 100 * memorised.mean(), color=ink, alpha=0.5)
left.axvline(0, color="black", linewidth=1)
left.text(1, -1, "accuracy", transform=left.get_yaxis_transform(), va="center", fontsize=9)
left.set(yticks=range(11), yticklabels=by_split, xlabel="points above early stopping")
right.set(xlabel="wrong labels memorised (%)", xlim=(0, 100), ylim=(10.6, -1.5))
wb.show(describe(left, "Points above early stopping: " + "; ".join(
    f"{name} {ahead(name, 'early stopping')[0]:+.1f}" for name in by_split) + "."))

# %%
stored = np.array([tuning["digits, 30 % wrong"][name]["test"] for name in by_split])
verdict("the accuracies differ from the stored ones by less than half a point.", abs(
    stored.reshape(-1, 6, 5).mean((1, 2)) - [v[0].mean() for v in by_split.values()]).max() < 0.005)
verdict("plain training memorises over three times as many wrong labels as early stopping, and its "
        "accuracy is over 2 points lower.", ahead("early stopping", "plain")[1] > 2
        and by_split["plain"][1].mean() > 3 * by_split["early stopping"][1].mean())

# %%
for name, control in (("born again", "control: born again, permuted"),
                      ("moving average", "control: average, permuted")):
    verdict(f"prediction (a) fails for {name}: its permuted control is more accurate.",
            ahead(control, name)[1] > 0)
verdict("prediction (b) holds for the moving average: its permuted control is more accurate than "
        "the untrained teacher, and than label smoothing.", min(
            ahead("control: average, permuted", other)[1] for other in (
                "control: untrained teacher", "label smoothing")) > 0)

# %% [markdown]
# ## Why do the other classes harm?
#
# Take the training images that have a wrong label, but for which the network predicts the true class. How often is the
# wrong label the second likeliest class? Each wrong label was drawn at random from nine classes. If the network had
# learned nothing from the wrong labels, the wrong label would be in second place for about one in nine of these images
# (11 %). The numbers at the right edge of the figure are these shares.

# %% tags=["nbval-ignore-output"]
from workbench.plots.display import over_seeds

looked = ("plain", "early stopping", "moving average", "control: average, permuted")
wb.show(plot_dots({label: {name: over_seeds(by_split[name][k]) for name in looked} for k, label in (
    (2, "in second place"), (1, "memorised"))}, plt.subplots(figsize=(7.5, 3))[1],
    "Where the wrong labels are", "share of images (%)", ("in second place by chance", 1 / 9)))
wb.show_numbers(pd.DataFrame({name: by_split[name][1:].mean(1) for name in looked}, [
    "memorised", "in second place"]).T, "wrong labels memorised, and in second place", percent)
print("accuracy of label smoothing minus moving average: {:.1f} points ({:.1f} to {:.1f})".format(
    *ahead("label smoothing", "moving average")))
verdict("the wrong label is in second place more than twice as often as by chance (one in nine).",
        min(by_split[name][2].mean() for name in ("early stopping", "moving average")) > 2 / 9)
verdict("the moving average memorises over twice as many wrong labels as its permuted control.",
        by_split["moving average"][1].mean() > 2 * by_split["control: average, permuted"][1].mean())

# %% [markdown]
# The share is far larger than 11 %. So the networks have partly learned the wrong labels, even for images that they
# classify correctly. The teacher's soft labels contain this information, and the student learns it. Permuting the other
# classes deletes this information from the soft labels, and keeps the likeliest class. So the permuted control of the
# moving average memorises fewer wrong labels: 8 % in place of 23 %. (It also learns the labels themselves, with a
# weight of 5 %. So the wrong label is still mostly in second place.)
#
# **How much does each part gain over early stopping?** All these students also learn from the given labels, with a
# smaller weight. The soft labels differ:
#
# | the soft labels contain | method | points gained |
# |---|---|---|
# | nearly equal probabilities for all classes | untrained teacher, label smoothing | about 2 |
# | the likeliest class and its probability; the rest is in random order | moving average, permuted | about 4 |
# | all classes, as the teacher gives them | moving average | below 2 |
#
# Each method has its own settings, so these differences are only approximate. But with equal settings the permuted
# control is more accurate too (see *Try it yourself*).
#
# **Which baseline should we compare with?** Born-again networks are five points better than plain training. But early
# stopping is five points better too. So compare with early stopping. Label smoothing has no teacher. It is as accurate
# as the untrained teacher, and about half a point better than the moving average (the 95 % interval begins at about 0).
# Only the permuted control of the moving average is clearly better than label smoothing.
#
# The share of memorised wrong labels does not explain all differences in accuracy. The moving average memorises about
# as many wrong labels as plain training, but its accuracy is 92 %, and that of plain training is 85 %. *Born again*
# memorises fewer wrong labels than its permuted control (3 % and 7 %), but is less accurate.
#
# Label smoothing changes no prediction of kernel ridge regression ([Three small
# proofs](self_distillation_proofs.ipynb)). Here label smoothing gains two points. This is no contradiction: the proof
# needs a model that is linear in its labels, and a network trained with cross-entropy is not.
#
# ## From no wrong labels to 40 %
#
# The same search was made with other shares of wrong labels. It takes half an hour, and its results are stored.
#
# **Prediction:** without wrong labels there is nothing wrong to memorise, so the permuted controls are as accurate as
# their methods. With more wrong labels, the controls are ahead by more points.

# %%
SHARES, DRAWN = (0, 10, 20, 30, 40), {  # methods, with the numbers of their colours
    "label smoothing": 1, "control: untrained teacher": 8, "moving average": 0,
    "control: average, permuted": 5, "born again": 2, "control: born again, permuted": 4}


def tested(method):
    """Return the stored accuracies in percent, a mean over the seeds: (noise, splits)."""
    return 100 * np.array([tuning[f"digits, {share} % wrong"][method]["test"]
                           for share in SHARES]).reshape(len(SHARES), 6, 5).mean(2)


ahead_by = {name: tested(name) - tested("early stopping") for name in DRAWN}

# %% tags=["nbval-ignore-output"]
sweep_ax = plt.subplots(figsize=(9.2, 4))[1]
for nudge, (name, rows) in enumerate(ahead_by.items()):
    low, high = np.array([seed_interval(row) for row in rows]).T
    ink, at = COLOURS[DRAWN[name]], np.array(SHARES) + 0.5 * nudge - 1.25
    sweep_ax.errorbar(at, rows.mean(1), (high - low) / 2, color=ink, marker="o", markersize=4,
                      linewidth=1.2, capsize=2, label=name)
sweep_ax.axhline(0, color="black", linewidth=1)
sweep_ax.set(xlabel="wrong labels (%)", xticks=SHARES, ylabel="points above early stopping")
sweep_ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(describe(sweep_ax, "Points above tuned early stopping with 0, 10, 20, 30 and 40 % of "
                 "wrong labels: " + "; ".join(
                     f"{name} {', '.join(f'{v:+.1f}' for v in rows.mean(1))}"
                     for name, rows in ahead_by.items()) + "."))

# %% [markdown]
# Label smoothing and the untrained teacher gain over two points *without any wrong labels*. So they are not a special remedy
# for wrong labels. They act as regularisation, and this helps these networks also if all labels are right.
#
# How far is each permuted control ahead of its method? The next figure shows the paired differences, with 95 % intervals over
# the six splits.

# %%
lead = {name: seed_interval((tested(control) - tested(name)).T) for name, control in (
    ("born again", "control: born again, permuted"),
    ("moving average", "control: average, permuted"))}
lead_ax = plt.subplots(figsize=(7.5, 3.2))[1]
for k, (name, (low, high)) in enumerate(lead.items()):
    middle, ink = (low + high) / 2, COLOURS[DRAWN[name]]
    lead_ax.errorbar(np.array(SHARES) + 0.8 * k - 0.4, middle, high - middle, color=ink, capsize=4,
                     fmt="os"[k] + "-")
    describe(lead_ax, f"{lead_ax.get_label() if k else 'Points by which the control is ahead. '}"
             f"{name}: {', '.join(map('{:+.1f}'.format, middle))}. ")
lead_ax.axhline(0, color="black", linewidth=1)
lead_ax.set(xlabel="wrong labels (%)", xticks=SHARES, ylabel="points: control minus its method")
lead_ax.text(11, 3.4, "born again", color=COLOURS[2])
lead_ax.text(12, 0.3, "moving average", color=COLOURS[0])
wb.show(lead_ax)

# %%
verdict("with 20 % of wrong labels or more, both permuted controls are more accurate than their "
        "methods.", all(low[2:].min() > 0 for low, _ in lead.values()))
verdict("without wrong labels, no difference is shown between the moving average and its permuted "
        "control.", lead["moving average"][0][0] < 0 < lead["moving average"][1][0])
verdict("the prediction fails for born again: its control is more accurate even then.",
        lead["born again"][0][0] > 0)

# %%
smoothed, untrained = (seed_interval((tested("control: born again, permuted") - tested(name))[3])
                       for name in ("label smoothing", "control: untrained teacher"))
print("30 % wrong labels: born again, permuted, minus another method (points, 95 % intervals)\n"
      f"untrained teacher {untrained[0]:+.1f} to {untrained[1]:+.1f}\n"
      f"label smoothing   {smoothed[0]:+.1f} to {smoothed[1]:+.1f}")
verdict("prediction (b) holds for born again too, by less than one point.",
        0 < untrained[0] < untrained[1] < 1)
verdict("no difference is shown between this control and label smoothing.",
        smoothed[0] < 0 < smoothed[1])

# %% [markdown]
# - Without wrong labels, the moving average and its control do not differ measurably, as predicted. Born-again networks
#   are half a point less accurate than their control even then. This was not predicted.
# - With 20 % of wrong labels or more, the controls are ahead by two to three points on average. For the moving average
#   the lead grows with the share of wrong labels. For born-again networks it does not: the lead is largest, three
#   points, at 10 %.
#
# So ask three questions about every gain. Is the baseline tuned? Does a method without a teacher gain as much? Which
# part of the teacher's answer is needed?
#
# ## What would change your mind?
#
# If a teacher's probabilities of the other classes helped against wrong labels, the permuted controls would be less
# accurate than their methods. They are more accurate.
#
# ## Try it yourself
#
# - Is the permuted control better because of the permutation, or because of its settings? Copy the `config` of
#   *control: average, permuted*, replace its `options` by those of *moving average*, and call `train_and_test` for the
#   six splits. We measured this. With equal settings the control is 2.4 points more accurate (95 % interval: 1.7 to
#   3.1). For *born again* (replace the `steps` too) it is 2.5 points more accurate (2.2 to 2.9).
# - `workbench run --stream digits --learner born_again --generations 5 --label-noise 0.3 --seeds 0 1 2` trains five
#   generations. Replace `born_again` by `finetune`. Then one network is trained for the steps of all five generations,
#   without a teacher.
# - Print `by_split[name][2].mean()` for all methods. Which method has the wrong label in second place least often?
#
# ## Limits
#
# - An image of 8 by 8 pixels contains little information besides its class, and the networks have two layers. So a
#   teacher has little to add. Published gains of born-again networks are for large networks with right labels.
# - Wrong labels are drawn at random here. When people label images, they make mistakes mostly on images that look like
#   another class. A teacher network may make the same mistakes.
# - The teacher learned from the same wrong labels. In the experiment with a left-out digit the teacher had right
#   labels, and there the other classes helped.
# - The computing time was not the same for all methods. An ensemble trains four networks, and born-again networks are
#   trained three times.
# - A method and its permuted control have different settings, because each was tuned alone.
# - For most methods we tried only two numbers of steps and two temperatures. A better setting may be smaller or larger.
# - The settings were chosen on two splits with 180 validation labels each, 30 % of them wrong. These labels cannot show
#   which of the best settings is really the best.
# - All intervals are over splits of the same 1,797 digits. For other digits the uncertainty is larger. There are also
#   many intervals: by chance, about one 95 % interval in twenty does not contain the true value.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
