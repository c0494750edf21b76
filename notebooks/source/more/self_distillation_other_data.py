# %% [markdown]
# # Few labels and other data
#
# > **Claim you can check:** *born-again networks* are networks that are taught by a network of the same form. Against tuned
# > early stopping, they are equal or worse on digits. On two other data sets with wrong labels they are about two points
# > better. Other methods without such a teacher gain as much there. If a good setting was not tried for one method, this alone
# > can decide a comparison.
#
# | | |
# |---|---|
# | **Objectives** | read two figures with ten data sets and five methods · use two controls · see how a missing setting decides a comparison |
# | **Prerequisites** | [Generations and calibration](self_distillation_generations.ipynb) |
# | **Time** | about 25 minutes to work through, a few seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, plot_differences
from workbench.plots.styles import look
from workbench.runs.studies import RESULTS

wb.prepare_notebook()

# %% [markdown]
# ## The question
#
# What does self-distillation add to **tuned early stopping**? With early stopping, the number of training steps is chosen on
# validation data, so that few wrong labels are memorised. We look at the stored results of a search. It was made
# for 500 digits with 0 to 40 % wrong labels, for 50 and 100 digits with right labels, and for three other data sets: breast
# cancer, wine and diabetes.
#
# | method | how it is trained |
# |---|---|
# | **born again** | three generations of networks; each learns the labels, and the soft labels of the one before |
# | **control: shuffled answers** | as born again, but the teacher's answers belong to other inputs of the batch |
# | **moving average** | the teacher is the mean of the student's own past weights |
# | **control: untrained teacher** | the teacher has random weights; its answers are nearly even, as in label smoothing |
# | **weight decay** | labels alone; the weights are pulled towards 0 |
#
# Each method could choose from twelve settings on each data set. The setting with the highest validation accuracy was taken.
# Then each method was tested on six splits of the data, with five seeds each.
#
# Diabetes is a regression: the value to predict is a number. There the share of explained variance takes the place of
# accuracy, and a wrong label is the label of another patient.

# %%
stored = json.loads((RESULTS / "self_distillation.json").read_text())["results"]
tuning = {data: stored[data] for data in sorted(stored, key=lambda data: (
    not data.startswith("digits"), "labels" in data, data))}
METHODS = ("born again", "control: shuffled answers", "moving average",
           "control: untrained teacher", "weight decay")
DIGITS, OTHERS = ([data for data in tuning if data.startswith("digits") == digits]
                  for digits in (True, False))


def gain(data, method, base="early stopping"):
    """Return the differences from base in points: the mean of five seeds for each split."""
    pairs = 100 * np.subtract(tuning[data][method]["test"], tuning[data][base]["test"])
    return pairs.reshape(6, 5).mean(1)  # splits, then seeds


# %%
def plot_gains(datasets, methods, height):
    """Draw the gains of methods over tuned early stopping: a row for each data set."""
    ax, texts = plt.subplots(figsize=(9, height))[1], {data: [] for data in datasets}
    for i, method in enumerate(methods):
        places = [k for k, data in enumerate(datasets) if method in tuning[data]]
        gains = [gain(datasets[k], method) for k in places]
        low, high = np.transpose([seed_interval(values) for values in gains])
        ax.errorbar(np.mean(gains, 1), np.add(places, 0.7 * ((i + 0.5) / len(methods) - 0.5)),
                    xerr=(high - low) / 2, capsize=2, label=method, **look(i) | {"linestyle": ""})
        for k, values in zip(places, gains, strict=True):
            texts[datasets[k]].append(f"{method} {values.mean():+.1f}")
    ax.axvline(0, color="black", linewidth=1)
    return describe(ax, "Points above tuned early stopping. " + ". ".join(
        f"{data}: {', '.join(parts)}" for data, parts in texts.items()) + ".")


# %% [markdown]
# ## Digits
#
# A mark is the mean over six splits of the data, and a line is its 95 % interval.

# %%
def finish(ax, datasets):
    """Name the rows and show the figure, with a legend above it."""
    ax.set(yticks=range(len(datasets)), yticklabels=datasets, ylim=(len(datasets) - 0.5, -0.5),
           xlabel="points above tuned early stopping")
    ax.figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    wb.show(ax)


def numbers(datasets, methods):
    """Return the gains in words: a row for each data set, a column for each method."""
    return pd.DataFrame({method: {data: "{:+.1f} ({:+.1f} to {:+.1f})".format(
        gain(data, method).mean(), *seed_interval(gain(data, method)))
        for data in datasets if method in tuning[data]} for method in methods}).fillna("–")


# %%
finish(plot_gains(DIGITS, METHODS, 5.4), DIGITS)
wb.show_numbers(numbers(DIGITS, METHODS), "points above tuned early stopping, digits")

# %% [markdown]
# Born again is as accurate as tuned early stopping, or one point worse. The moving average of weights is one to three points
# better. Is the knowledge of its teacher the reason?
#
# - With 500 labels, the control with *shuffled* answers gains about as much. So knowledge is not needed for the gain.
# - With 50 or 100 labels, none of them wrong, the shuffled answers gain nothing, and the moving average still gains one or two
#   points. This looks like an effect of knowledge. **Look at a second control before you say yes.** The *untrained teacher* knows
#   nothing, but it gains nearly as much, as the next figure shows.

# %%
few_fig, few_axes = plt.subplots(1, 2, figsize=(10, 2.4), sharex=True)
for ax, data in zip(few_axes, DIGITS[-2:], strict=True):
    plot_differences({control.replace("control: ", ""): gain(data, "moving average", control)
                      for control in (METHODS[1], METHODS[3])}, ax,
                     f"Moving average minus …\n{data}")
wb.show(few_fig)

# %% [markdown]
# Against the shuffled answers, both intervals are above 0. Against the untrained teacher, both contain 0. So these data do not show an effect of knowledge.
#
# With 50 labels, the shuffled answers seem to act like wrong labels. **So a method can be better than a control because the
# control does harm.**
#
# ## Breast cancer, wine and diabetes
#
# For these three data sets the figure shows two more methods. An *ensemble* averages the outputs of four networks. In the
# *permuted* control, the teacher's likeliest class stays, and the probabilities of all other classes are permuted
# ([Networks and wrong labels](self_distillation_controls.ipynb)). On breast cancer it is the same as born again, because two
# classes leave nothing to permute. For diabetes it does not exist.

# %%
ENSEMBLE, PERMUTED = "ensemble of 4", "control: born again, permuted"
finish(plot_gains(OTHERS, (*METHODS, ENSEMBLE, PERMUTED), 4.6), OTHERS)
wb.show_numbers(numbers(OTHERS, (*METHODS, ENSEMBLE, PERMUTED)),
                "points above tuned early stopping, three other data sets")

# %% [markdown]
# **Breast cancer and wine, with wrong labels.** Born again gains about two points. Two controls, *shuffled answers*
# and *untrained teacher*, are worse than born again. So here the teacher's answers help. Which part of them? On wine
# the permuted control is 1.6 points *better* than born again. So on wine the likeliest class helps, and the
# probabilities of the other classes do not.
#
# **Other methods gain as much.** On breast cancer, weight decay gains three points, and the ensemble over three. On wine the
# ensemble gains as much as born again.
#
# **Diabetes.** Only the ensemble gains, one point. The moving average and these two controls harm.

# %%
BREAST, DIABETES, WINE = OTHERS
verdict("on wine the permuted control is over 1 point better than born again.",
        gain(WINE, PERMUTED, "born again").mean() > 1)
verdict("on breast cancer and wine, born again is 1 to 3 points better than early stopping, and "
        "both controls are worse than born again.", all(
            1 < gain(data, "born again").mean() < 3
            and gain(data, "born again", control).mean() > 0
            for data in (BREAST, WINE) for control in METHODS[1:4:2]))
verdict("on breast cancer the ensemble gains more than born again. On wine the two gains differ by "
        "less than 1 point.",
        gain(BREAST, ENSEMBLE).mean() > gain(BREAST, "born again").mean()
        and abs(gain(WINE, ENSEMBLE).mean() - gain(WINE, "born again").mean()) < 1)

# %% [markdown]
# ## A setting that a method cannot choose
#
# In a first search, the methods could choose 200 or 600 steps on these three data sets, as on the digits. Early stopping could
# also choose fewer steps, and on wine it chose 30. Born again was then 15 points worse than early stopping. In the search that
# is shown here it can choose 40 or 200 steps, and it is better than early stopping.
#
# **If a good setting is missing from a method's list, this alone can decide the comparison.**
#
# ## What would change your mind?
#
# If born again were better than tuned early stopping, weight decay, an ensemble *and* every control, on several data
# sets, it would add something of its own. But on each of the ten data sets, one of these methods is as accurate as born
# again, or more accurate.
#
# ## Try it yourself
#
# - `wb.run(wb.RunConfig(stream="wine", label_noise=0.3, learner="born_again", generations=3, steps=200,
#   seeds=range(5)))` has five times the steps that were chosen. How much accuracy does it lose?
# - Compute `gain(data, "control: born again, permuted", "born again")` for the digits. On which of these data sets is the
#   permuted control better than born again?
#
# ## Limits
#
# - The data sets are small, and so are the networks. The intervals are over six splits of the same data, so they are too
#   narrow for new data.
# - Twelve settings were tried for each method. The best setting often has the smallest or the largest value that was
#   tried. So values outside this range may be better.
# - There are many intervals. About one 95 % interval in twenty does not contain the true value, by chance alone.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
