# %% [markdown]
# # Generations and calibration
#
# > **Claim you can check:** in a chain of networks, each network is taught by the one before. On 500 digits, no network of the
# > chain is clearly better than the first one. The average of all networks of the chain is no better than the average of as many
# > independent networks. A low calibration error does not show that a model is good.
#
# | | |
# |---|---|
# | **Objectives** | train a chain of networks · measure accuracy, calibration and agreement · compare with a control, and with an ensemble of equal cost |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb) |
# | **Time** | about 40 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.calibration import agreement, expected_calibration_error, reliability
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_dots
from workbench.plots.styles import COLOURS, look
from workbench.runs.studies import RESULTS

wb.prepare_notebook()

# %% [markdown]
# ## A chain of networks
#
# **Born-again networks** ([Furlanello et al., 2018](https://arxiv.org/abs/1805.04770)) form a chain. The first network
# learns the labels. Each later network starts from new random weights. It learns from the labels and from the soft labels of
# the network before it. Each network is called a **generation**. All generations have the same form and see the same images.
#
# The next cell has the whole loop. The stream contains the same task six times, one time for each generation.

# %%
from workbench.learners.base import fit, make_optimizer
from workbench.runs.experiment import make_learner, stream_of


def train_generations(config):
    """Return test probabilities (generations, seeds, n, 10), and the test labels."""
    stream, probabilities = stream_of(config), []
    learner = make_learner(config, stream)
    for task in stream.tasks:  # the same task in each generation
        learner.begin(task)  # born_again: the trained network teaches, and a new one begins
        optimizer = make_optimizer(learner, config.lr)
        for _ in fit(learner, task, optimizer, steps=config.steps, batch_size=32):
            pass  # each step minimises learner.loss, on labels and on the teacher's soft labels
        probabilities.append(learner.predict(task.test.x).softmax(-1).numpy())
    return np.array(probabilities), task.test.y.numpy()


# %% [markdown]
# There are 500 labelled digits. All labels are right, or 30 % are wrong. The labels of the test digits are always right.
# We compare three methods over six generations of 200 steps each:
#
# | method | how it is trained |
# |---|---|
# | **born again** | as above |
# | **control: shuffled answers** | as born again, but each image gets the teacher's soft label of another image of its batch |
# | **longer training** | one network is trained for 1,200 steps without a restart, on labels alone |
#
# Born again and its control could each choose from six settings: temperature 1 or 4, and weight 0.5, 0.8 or 1 of the
# teacher. We take the setting with the highest accuracy on validation digits, after three generations. The validation labels
# are wrong as often as the training labels. This search used other splits of the data and other seeds than this lesson. Here
# there are three splits with four seeds each. So there are twelve networks for each method and generation.
#
# (With right labels, 200 steps are few. A search in
# [Networks and wrong labels](self_distillation_controls.ipynb) chose 600 there.)

# %%
chosen = json.loads((RESULTS / "self_distillation.json").read_text())["results"]
NOISES, SPLITS, SEEDS, LAST = (0.0, 0.3), range(3), range(4), 6
METHODS = {"born again": "born_again", "control: shuffled answers": "born_again-shuffled",
           "longer training": "finetune"}
TRIED = [{"temperature": t, "weight": w} for t in (1.0, 4.0) for w in (0.5, 0.8, 1.0)]

def settings_of(method, noise, split, **other):
    tuned = chosen[f"digits, {percent(noise)} wrong"].get(method)
    return wb.RunConfig(**{
        "stream": "digits", "examples": 500, "label_noise": noise, "steps": 200, "seeds": SEEDS,
        "data_seed": split, "generations": LAST, "learner": METHODS[method],
        "options": TRIED[np.argmax(tuned["validation"][:6])] if tuned else {}} | other)

trained = {(method, noise): [train_generations(settings_of(method, noise, split))
                             for split in SPLITS] for method in METHODS for noise in NOISES}

# %% [markdown]
# The next figure shows the answers of six generations to the test images of a 3, with right labels. Each row is a soft label:
# the mean over these images and the four seeds of the first split.

# %% tags=["nbval-ignore-output"]
from workbench.plots.sequences import plot_stages

answer_figure, answer_axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True)
for ax, method in zip(answer_axes, ("born again", "control: shuffled answers"), strict=True):
    answers, labels = trained[method, 0.0][0]
    soft = pd.DataFrame(answers[:, :, labels == 3].mean((1, 2)), range(1, LAST + 1))
    plot_stages(soft, ax, method).set_xlabel("probability of each class (%)")
    describe(ax, f"Heat map, {method}: the mean probability of class 3 in generations 1 to {LAST} "
                 f"is {', '.join(map(percent, soft[3]))}.")
answer_axes[0].set_ylabel("generation")
wb.show(answer_figure)

# %% [markdown]
# The answers of born again stay nearly the same. Those of the control are spread over all classes from generation 2 on: the
# teacher's answers belong to other images, so the student learns to be unsure.
#
# ## Three measures
#
# **Accuracy** is the share of test digits that a network names correctly.
#
# **Calibration.** The *confidence* of a prediction is its largest probability. A network is **calibrated** if it is right as
# often as its confidence says. Of the predictions with a confidence of 70 %, for example, 70 % are right. The **expected
# calibration error** (ECE) measures how far a network is from this
# ([Guo et al., 2017](https://arxiv.org/abs/1706.04599)). An ECE of 0 is perfect.
#
# **Agreement** is the share of test digits on which a network predicts the same class as the first network of its chain.
#
# {{exercise calibration_error}}

# %%
def calibration_error(confidence, right, bins):
    ...


check("calibration_error", calibration_error)

# %% [markdown]
# {{solution calibration_error}}
#
# Now we measure all generations. The package's function `wb.run` trains the same chain, so we can check our loop.

# %%
rows = []
for (method, noise), of_splits in trained.items():
    for split, (answers, labels) in enumerate(of_splits):
        rows += [(method, noise, g + 1, 4 * split + seed, *measures)
                 for g, of_seeds in enumerate(zip(
                     (answers.argmax(-1) == labels).mean(-1), agreement(answers, answers[0]),
                     expected_calibration_error(answers, labels), strict=True))
                 for seed, measures in enumerate(zip(*of_seeds, strict=True))]
table = pd.DataFrame(rows, columns=["method", "noise", "generation", "seed", "accuracy",
                                    "agreement", "ece"])
ends = 100 * table.groupby(["noise", "method", "generation"]).mean()[["accuracy", "ece"]]
by_package = wb.run(settings_of("born again", 0.3, 0, generations=2, seeds=(0, 1)))
verdict("the loop above and wb.run give the same accuracies.", np.allclose(
    by_package.accuracy[:, 1, 1], table.query(
        "method == 'born again' and noise == 0.3 and generation == 2 and seed < 2")["accuracy"]))

# %% tags=["nbval-ignore-output"]
curves_fig, panels = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey="col")
for (noise, part), row in zip(table.groupby("noise"), panels, strict=True):
    for ax, measure in zip(row, ("accuracy", "ece", "agreement"), strict=True):
        name = f"{measure.replace('ece', 'ECE')} in %, {percent(noise)} wrong labels"
        for i, (method, own) in enumerate(part.groupby("method", sort=False)):
            values = 100 * own.pivot(index="seed", columns="generation", values=measure)
            ax.plot(values.columns, values.mean(), **look(i), markersize=4, label=method)
            ax.fill_between(values.columns, *seed_interval(values), color=COLOURS[i], alpha=0.2)
        ax.set_title(name, size=11)
    describe(row[0], f"{percent(noise)} wrong labels, generation {LAST}: " + "; ".join(
        f"{method} accuracy {accuracy:.0f} %, ECE {ece:.0f} %"
        for method, accuracy, ece in ends.loc[noise].xs(LAST, level=1).itertuples()) + ".")
curves_fig.supxlabel("generation", fontsize=11)
curves_fig.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
wb.show(curves_fig)

# %% [markdown]
# Bands are 95 % intervals over the twelve networks. Is any generation better than the first one? Now we look at paired
# differences: the first network and the later ones have the same data.

# %% tags=["nbval-ignore-output"]
wide = table.pivot(index=["noise", "method", "seed"], columns="generation", values="accuracy")
gains = 100 * wide.sub(wide[1], axis=0)
gain_figure, gain_axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
for ax, (noise, part) in zip(gain_axes, gains.groupby("noise"), strict=True):
    for i, (method, own) in enumerate(part[range(2, LAST + 1)].groupby("method", sort=False)):
        means, (low, high) = own.mean(), seed_interval(own)
        ax.errorbar(means.index + 0.1 * (i - 1), means, (means - low, high - means), capsize=3,
                    label=method, markersize=5, **look(i))
        describe(ax, f"{ax.get_label() if i else 'Points over generation 1. '}{method}, "
                 f"generations 2 to {LAST}: {', '.join(map('{:+.1f}'.format, means))}. ")
    ax.axhline(0, color="black", linewidth=1)
    ax.set(title=f"{percent(noise)} wrong labels", xlabel="generation", xticks=range(2, LAST + 1))
gain_axes[0].set_ylabel("points over generation 1")
gain_axes[0].legend(frameon=False, fontsize=9, loc="lower left")
wb.show(gain_figure)

# %% tags=["nbval-ignore-output"]
wb.show_numbers(gains.groupby(["noise", "method"]).mean(), "points over generation 1",
                "{:+.1f}".format)

# %%
mean_gain = gains.groupby(["method", "noise"]).mean()
verdict("no generation of born again is a point better than the first network. In generation 6, "
        "the control has gained more than born again. With wrong labels, longer training loses "
        "over 8 points.",
        mean_gain.loc["born again"].max(axis=None) < 1
        and (mean_gain.loc["control: shuffled answers", LAST] > mean_gain.loc["born again", LAST])
        .all() and mean_gain.loc[("longer training", 0.3), LAST] < -8)

# %% [markdown]
# **With wrong labels**, born again loses 0.7 points in six generations, and longer training loses twelve. The loss of born
# again is small because each generation takes only 200 steps from new weights. So it memorises few wrong labels. This
# is an effect of early stopping, and not of the teacher.
#
# **With right labels**, longer training gains 1.4 points, because 200 steps were too few. Born again has no clear gain.
#
# **The control.** A shuffled soft label contains nothing about its image. With right labels, shuffled answers cost four points
# in generation 2. The first network's confident answers to *other* images act like wrong labels. Later teachers are less
# confident. Their answers are spread over all digits. So each target is a mixture of the label and nearly equal
# probabilities for all digits. This is close to *label smoothing*: there a share of each label is spread evenly over all
# classes. The mixture gains 1.5 points. **So a gain over the first network does not show that the
# teacher's knowledge helped. Compare with the control.**
#
# **Agreement.** All generations of born again agree with the first network on 95 to 97 % of the digits. Longer training on
# wrong labels lowers the agreement to 79 %.
#
# ## A low calibration error does not show a good model
#
# Look at the ECE in the figure.
#
# - In the last generation the control is as accurate as any other method. But its ECE is by far the highest, because its
#   answers are the least confident.
# - With wrong labels, the first network has an ECE of 32 %. *Longer training lowers the ECE while the accuracy falls.*
#
# So a model with a low ECE can be bad, and a model with a high ECE can be good. Why is the ECE of the first network so high?
# A **reliability diagram** shows the accuracy of answers by their confidence. A calibrated model is on the diagonal. The
# left panel shows the first network, and the right panel the network after longer training. Each panel has two curves. One
# is measured with the right test labels, and one with test labels of which 30 % are wrong, as in training.

# %% tags=["nbval-ignore-output"]
reliable_fig, pair = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True)
draw = np.random.default_rng(0)
for ax, (method, g) in zip(pair, (("born again", 1), ("longer training", LAST)), strict=True):
    answers = np.stack([p[g - 1] for p, _ in trained[method, 0.3]])  # (splits, seeds, n, 10)
    right = np.broadcast_to([[y] for _, y in trained[method, 0.3]], answers.shape[:-1])
    noisy = (right + draw.integers(1, 10, right.shape) * (draw.random(right.shape) < 0.3)) % 10
    for i, (name, y) in enumerate((("right labels", right), ("30 % wrong labels", noisy))):
        curve, error = 100 * reliability(answers, y, 10), expected_calibration_error(answers, y)
        ax.plot(curve["confidence"], curve["accuracy"], **look(i), label=name)
        describe(ax, f"{ax.get_label() if i else ''} {method}, generation {g}, {name}: ECE "
                     f"{percent(error.mean())}.")
    ax.plot([0, 100], [0, 100], color="#888888", linewidth=1)
    ax.set(title=f"{method}, generation {g}", xlabel="confidence in %", ylabel="accuracy in %")
pair[1].legend(loc="lower right")
wb.show(reliable_fig)

# %% [markdown]
# **Left, the first network.** It has learned labels of which 30 % are wrong. Its confidence estimates how often its answer
# agrees with such a noisy label. Even a right answer agrees only in 70 % of the cases. So answers with a
# confidence of about 65 % are nearly always right. Measured with right labels, the confidence is far too low. Measured
# with noisy labels, the confidence is closer to the accuracy. For confidences below 70 %, the accuracy is higher than
# the confidence. Above 70 %, the accuracy is lower.
#
# **Right, after longer training.** The network has memorised its labels, so it is now confident, also on test digits.
# Measured with noisy labels, this confidence is too high. Measured with right labels, it fits by accident, because two
# errors cancel. Wrong labels made the network too unsure, and memorising made it too sure.
#
# ## An ensemble of all generations
#
# Six generations cost six trainings. We can average the probabilities of all six networks. Such an average is called an
# **ensemble**. But there is another ensemble of equal cost: six *independent* networks with the same number of steps.
# (Born again costs a little more, because it also computes the teacher's answers.) The numbers at the right of the
# next figure are accuracies.

# %% tags=["nbval-ignore-output"]
kept = []
for noise in NOISES:
    for split, (answers, labels) in enumerate(trained["born again", noise]):
        equal = settings_of("born again", noise, split, learner="ensemble",
                            options={"members": LAST}, generations=1)
        independent = train_generations(equal)[0][0]
        for name, p in {"one network": answers[0], "last generation": answers[-1],
                        "all generations": answers.mean(0),
                        "independent networks": independent}.items():
            right = (p.argmax(-1) == labels).mean(-1)
            kept += [(percent(noise), name, a, e) for a, e in zip(
                right, expected_calibration_error(p, labels), strict=True)]
kept = pd.DataFrame(kept, columns=["wrong labels", "answers", "accuracy", "ECE"])

# %% tags=["nbval-ignore-output"]
from workbench.plots.display import over_seeds

kept_figure, kept_axes = plt.subplots(1, 2, figsize=(10, 3))
for ax, (noise, part) in zip(kept_axes, kept.groupby("wrong labels"), strict=True):
    plot_dots({measure: {name: over_seeds(own[measure]) for name, own in part.groupby(
        "answers", sort=False)} for measure in ("accuracy", "ECE")}, ax, f"{noise} wrong labels",
        "accuracy and ECE (%)")
kept_axes[1].set_yticklabels([])
wb.show(kept_figure)
wb.show_numbers(kept.groupby(["wrong labels", "answers"], sort=False).mean(),
                "ensembles and single networks: mean accuracy and ECE", percent)

# %% tags=["nbval-ignore-output"]
from workbench.widgets import GenerationExplorer

for noise, part in kept.groupby("wrong labels"):
    scores = 100 * part.groupby("answers")["accuracy"].agg(np.array)
    for name in ("one network", "all generations"):
        low, high = seed_interval(scores["independent networks"] - scores[name])
        print(f"{noise:>4} wrong labels: independent networks minus {name}: "
              f"{(low + high) / 2:+.1f} points ({low:+.1f} to {high:+.1f})")
explorer = GenerationExplorer(table.query("method == 'born again'"))
explorer.source.value = "digits, networks"
explorer

# %% [markdown]
# With right labels the two ensembles are equally accurate, about half a point above one network. With wrong labels the
# independent networks are 0.7 points better than one network, and the generations together gain nothing. A likely reason:
# an average helps only if the networks make different mistakes. A student that imitates its teacher makes similar mistakes.
#
# No ensemble here has a lower ECE than one network. Averaging makes answers less confident, and single networks were
# already not confident enough.
#
# **The explorer** has three sources. Try each of them.
#
# - *exact model*: the model of [When is a wrong label corrected?](self_distillation_correction.ipynb). The round that corrects
#   all wrong labels can be computed.
# - *digits, kernel*: here rounds help about as much as a larger penalty.
# - *digits, networks*: the born-again networks of this lesson. Here rounds hardly change anything.
#
# ## What to remember
#
# - Judge generations by accuracy, calibration *and* agreement, and compare with a control. On 500 digits, born-again
#   training adds nothing to early stopping. Shuffled answers gain more than the teacher's own answers.
# - The ECE depends on the labels that it is measured with. Wrong labels in training make a network look unsure. A low ECE
#   can be two errors that cancel.
# - If you train six networks, compare with an ensemble of six independent ones. Here it was as good or better.
#
# [Few labels and other data](self_distillation_other_data.ipynb) asks the same question for other data. There the
# teacher's answers help sometimes.
#
# ## What would change your mind?
#
# If a generation were clearly better than the first network *and* than the control with shuffled answers, the teacher's
# knowledge would matter. Here no generation is.
#
# ## Try it yourself
#
# - In the explorer choose *digits, kernel*, no wrong labels and a penalty of 3. After how many rounds has the model
#   collapsed, so that its accuracy is near 10 %?
# - Take 600 steps in `settings_of`. Which curves change most with wrong labels?
#
# ## Limits
#
# - The networks are small, and there are 1,797 digits of 64 pixels. The intervals are over seeds and three splits of the same
#   digits. So they are too narrow for new digits.
# - Settings were chosen from six, on noisy validation digits.
# - Wrong labels are drawn at random. Real wrong labels depend on the image, and may be harder to correct.
# - Published gains of born-again networks are for large networks on natural images. This lesson says nothing about them.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
