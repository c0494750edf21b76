# %% [markdown]
# # Networks and wrong labels: which part of a soft label helps?
#
# > **Claim you can check:** with wrong training labels, the likeliest class in a teacher's answer and its probability
# > help a student network. The probabilities of the other classes harm it, because they contain the wrong label. Networks
# > that are taught by their predecessor are only as accurate as early stopping. Label smoothing has no teacher, and is two
# > points more accurate than both.
#
# | | |
# |---|---|
# | **Objectives** | take a soft label apart with controls · compare thirteen ways of training, each with tuned settings · see how the result depends on the share of wrong labels |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | about 50 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent
from workbench.plots.styles import COLOURS
from workbench.runs.experiment import make_learner, stream_of
from workbench.system.provenance import data_path

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
# In the experiment with a left-out digit ([lesson 03](../03_self_distillation.ipynb)), only the third part contained
# information about that digit. There the teacher had right labels. Does the third part also help if some labels are wrong?
#
# ## The methods and the controls
#
# There are 500 labelled digits, and 30 % of the labels are wrong. Each method is trained 30 times: on six splits of
# the data, with five seeds each. Each seed has its own wrong labels.
#
# | method | how it is trained |
# |---|---|
# | plain | 600 steps on the labels; no setting is chosen |
# | early stopping | the number of steps is chosen |
# | weight decay | the strength of the weight decay is chosen |
# | label smoothing | a share of each label is spread evenly over all classes |
# | born again | three networks, one after the other; each starts from new weights, and the network before is its teacher ([Furlanello et al., 2018](https://arxiv.org/abs/1805.04770)) |
# | moving average | the teacher is the mean of the student's own past weights ([Tarvainen & Valpola, 2017](https://arxiv.org/abs/1703.01780)) |
# | mutual | two networks are trained at the same time and teach each other ([Zhang et al., 2018](https://arxiv.org/abs/1706.00384)) |
# | larger teacher | the teacher has twice as many units in each layer, and is trained on the same labels |
# | ensemble of 4 | four networks answer together |
#
# **Controls** take parts of the teacher's answer away:
#
# | control | what is changed |
# |---|---|
# | permuted | in each answer, the probabilities of all classes but the likeliest are permuted; parts 1 and 2 stay. There is one such control for *born again* and one for *moving average* |
# | shuffled answers | as *born again*, but the teacher's answers belong to other images of the batch |
# | untrained teacher | the teacher has random weights; its answers are nearly even, as in label smoothing |
#
# **Settings.** Each method but *plain* had twelve combinations of settings. The best one was chosen on validation digits;
# 30 % of their labels are wrong too. The choice used other splits and seeds than the test below
# (`scripts/tune_self_distillation.py`; its results are stored). In the list, *weight* is the share of the loss on the
# teacher's answers. *Strength* is the factor of the loss on the other network's answers. *Members* is the number of
# networks.

# %%
tuning = json.loads(data_path("results", "self_distillation.json").read_text())["results"]
for method, result in tuning["digits, 30 % wrong"].items():
    config = result["config"]
    settings = {name: config[name] for name in ("steps", "weight_decay") if name in config}
    settings |= config.get("options", {})
    print(f"{method:29}", ", ".join(f"{name} {value:g}" for name, value in settings.items()))

# %% [markdown]
# **Predictions:**
#
# - (a) The probabilities of the other classes help here too. So *born again* and *moving average* are more accurate than
#   their permuted controls.
# - (b) The permuted controls are more accurate than the untrained teacher.
#
# Now each method is trained with its chosen settings and tested on digits with true labels.

# %%
def train_and_test(settings, split):
    """Return accuracy, wrong labels memorised, and wrong labels in second place: (3, seeds)."""
    config = wb.RunConfig(**settings, seeds=range(5), data_seed=split)
    stream = stream_of(config)
    learner = make_learner(config, stream)
    accuracy = wb.run_stream(learner, stream, config).accuracy[:, -1, -1]
    noisy, truth = (stream_of(one).tasks[0].train.y for one in (config, replace(
        config, label_noise=0.0)))
    first, second = learner.predict(stream.tasks[0].train.x).topk(2).indices.unbind(-1)
    wrong = noisy != truth
    corrected = wrong & (first == truth)
    return np.array([accuracy, (wrong & (first == noisy)).sum(1) / wrong.sum(1),
                     (corrected & (second == noisy)).sum(1) / corrected.sum(1)])


# %%
by_split = {name: np.transpose([train_and_test(result["config"], split).mean(1)
                                for split in range(6)])
            for name, result in tuning["digits, 30 % wrong"].items()}  # (3, splits)


def ahead(name, other):
    """Return mean and 95 % interval over the splits of a difference in points of accuracy."""
    points = 100 * (by_split[name][0] - by_split[other][0])
    return points.mean(), *seed_interval(points)


# %% [markdown]
# On the left is the difference from early stopping in points of accuracy, with 95 % intervals over the six splits. The
# accuracy stands beside it. On the right is the share of the wrong training labels that a network has *memorised*: it
# predicts the wrong label. Controls are grey.

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 4.8), sharey=True, width_ratios=[1.6, 1])
for place, (name, (accuracy, memorised, _)) in enumerate(by_split.items()):
    ink, (mean, low, high) = COLOURS[8 if "control" in name else 0], ahead(name, "early stopping")
    left.plot([low, high], [place, place], color=ink)
    left.plot(mean, place, "o", color=ink)
    left.text(1.03, place, percent(accuracy.mean()), transform=left.get_yaxis_transform(),
              va="center", fontsize=9)
    right.barh(place, 100 * memorised.mean(), color=ink, alpha=0.5)
left.axvline(0, color="black", linewidth=1)
left.text(1, -1, "accuracy", transform=left.get_yaxis_transform(), va="center", fontsize=9)
left.set(yticks=range(13), yticklabels=by_split, xlabel="points above early stopping")
right.set(xlabel="wrong labels memorised (%)", xlim=(0, 100), ylim=(12.6, -1.5))
wb.show(describe(left, "Points above early stopping: " + "; ".join(
    f"{name} {ahead(name, 'early stopping')[0]:+.1f}" for name in by_split) + "."))

# %%
stored = np.array([tuning["digits, 30 % wrong"][name]["test"] for name in by_split])
verdict("the accuracies are equal to the stored ones, to half a point.", abs(
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
# Take the training images with a wrong label for which the network predicts the true class. How often is the given wrong
# label the second likeliest class? There are nine classes besides the true one. If the network knew only how similar the
# digits are, the share would be about one in nine.

# %% tags=["nbval-ignore-output"]
for name in ("early stopping", "moving average"):
    print(f"{name:15} the wrong label is in second place for {percent(by_split[name][2].mean())}")
print("accuracy of label smoothing minus moving average: {:.1f} points ({:.1f} to {:.1f})".format(
    *ahead("label smoothing", "moving average")))
verdict("the wrong label is in second place for over two in nine of these images.",
        min(by_split[name][2].mean() for name in ("early stopping", "moving average")) > 2 / 9)

# %% [markdown]
# The share is far larger than one in nine. So the networks have partly learned the wrong labels, even for images that they
# classify correctly. The teacher's soft labels contain this information, and the student learns it. Permuting the other
# classes deletes it, and keeps the likeliest class.
#
# **How much does each part gain over early stopping?**
#
# | the student's targets contain | method | points gained |
# |---|---|---|
# | nearly equal probabilities | untrained teacher, label smoothing | about 2 |
# | also the likeliest class and its probability | moving average, permuted | about 4 |
# | also the other classes, as the teacher gives them | moving average | below 2 |
#
# (Each method has its own settings. So these differences are only approximate.)
#
# **Which baseline should we compare with?** Born-again networks are five points better than plain training. But early
# stopping is five points better too. So compare with early stopping. Label smoothing has no teacher. It is as accurate as
# the untrained teacher, and half a point better than the moving average (95 % interval: 0.0 to 1.1). Only the permuted
# controls gain more.
#
# Memorised labels do not explain everything. The moving average memorises about as many wrong labels as plain training,
# but its accuracy is much higher.
#
# Lesson 03 proved that label smoothing changes no prediction of kernel ridge regression. Here it gains two points. This is
# no contradiction: the proof needs a model that is linear in its labels, and a network trained with cross-entropy is not.
#
# ## From no wrong labels to 40 %
#
# The same search was made with other shares of wrong labels. It takes half an hour, and its results are stored.
# **Prediction:** without wrong labels there is nothing to memorise, so the permuted controls are as accurate as their
# methods. With more wrong labels the lead of the controls grows.

# %%
SHARES, DRAWN = (0, 10, 20, 30, 40), {  # methods, with the numbers of their colours
    "label smoothing": 1, "control: untrained teacher": 8, "moving average": 0,
    "control: average, permuted": 5, "born again": 2, "control: born again, permuted": 4}


def tested(method):
    """Return the stored accuracies in percent, a mean over the seeds: (noise, splits)."""
    return 100 * np.array([tuning[f"digits, {share} % wrong"][method]["test"]
                           for share in SHARES]).reshape(len(SHARES), 6, 5).mean(2)


ahead_by = {name: tested(name) - tested("early stopping") for name in DRAWN}

# %%
lead = {name: seed_interval((tested(control) - tested(name)).T) for name, control in (
    ("born again", "control: born again, permuted"),
    ("moving average", "control: average, permuted"))}
print("points by which the permuted control is more accurate: 95 % intervals over six splits\n")
print(f"{'wrong labels:':16}", *(f"{share:>9} %  " for share in SHARES))
for name, (low, high) in lead.items():
    print(f"{name:16}", *(f"{a:+.1f} to {b:+.1f} " for a, b in zip(low, high, strict=True)))
verdict("with 20 % of wrong labels or more, both permuted controls are more accurate than their "
        "methods.", all(low[2:].min() > 0 for low, _ in lead.values()))
verdict("without wrong labels, no difference is shown between the moving average and its permuted "
        "control.", lead["moving average"][0][0] < 0 < lead["moving average"][1][0])

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
# - Without wrong labels the moving average and its control are equal, as predicted. Born-again networks are half a
#   point less accurate than their control even there.
# - With 20 % of wrong labels or more, the controls lead by one to four points. For the moving average the lead grows with
#   the share of wrong labels. For born-again networks it does not: it is largest, three points, at 10 %.
# - Label smoothing and the untrained teacher gain over two points *without any wrong labels*. So they are not a special
#   cure for wrong labels. They regularise, and these networks need regularisation anyway.
#
# So ask three questions about every gain. Is the baseline tuned? Does a method without a teacher gain as much? Which part
# of the teacher's answer is needed?
#
# ## What would change your mind?
#
# If a teacher's probabilities of the other classes helped against wrong labels, the permuted controls would be less
# accurate than their methods. They are more accurate.
#
# ## Try it yourself
#
# - `workbench run --stream digits --learner born_again --generations 5 --label-noise 0.3 --seeds 0 1 2` trains five
#   generations. Compare with `--learner finetune`: the same number of steps, without a teacher.
# - Print `by_split[name][2].mean()` for all methods. Which method has the wrong label in second place least often?
#
# ## Limits
#
# - An image of 8 by 8 pixels contains little information besides its class, and the networks have two layers. So a teacher
#   has little to add. Published gains of born-again networks are for large networks with right labels.
# - Wrong labels are drawn at random here. When people label images, they make mistakes mostly on images that look like
#   another class. A teacher network may make the same mistakes.
# - The teacher learned from the same wrong labels. In the experiment with a left-out digit the teacher had right labels,
#   and there the other classes helped.
# - Each method had twelve combinations of settings, but not the same computing time. An ensemble trains four networks, and
#   born-again networks are trained three times.
# - For most methods we tried only two numbers of steps and two temperatures. So the best setting is nearly always the
#   smallest or the largest one, and a better one may lie outside. The larger teacher has as many steps as its student,
#   and its own settings are not tuned.
# - The settings were chosen on two splits with 180 validation labels each, 30 % of them wrong. The best settings differ so
#   little that these labels cannot show which one is best.
# - All intervals are over splits of the same 1,797 digits. For other digits the uncertainty is larger. There are also many
#   intervals: by chance, about one 95 % interval in twenty does not contain the true value.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
