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
# | **Objectives** | read one figure with ten data sets and five methods · use two controls · see how a missing setting decides a comparison |
# | **Prerequisites** | [Generations and calibration](self_distillation_generations.ipynb) |
# | **Time** | about 25 minutes to work through, a few seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe
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

# %% tags=["nbval-ignore-output"]
stored = json.loads((RESULTS / "self_distillation.json").read_text())["results"]
tuning = {data: stored[data] for data in sorted(stored, key=lambda data: (
    not data.startswith("digits"), "labels" in data, data))}
METHODS = ("born again", "control: shuffled answers", "moving average",
           "control: untrained teacher", "weight decay")


def gain(data, method, base="early stopping"):
    """Return low end, mean and high end of the difference from base, in points."""
    pairs = 100 * np.subtract(tuning[data][method]["test"], tuning[data][base]["test"])
    by_split = pairs.reshape(6, 5).mean(1)  # splits, then seeds
    low, high = seed_interval(by_split)
    return low, by_split.mean(), high


# %%
print("born again minus tuned early stopping, in points (95 % interval over six splits):")
for data in tuning:
    print(f"  {data:28} {gain(data, METHODS[0])[1]:+5.1f} ", "({0:+.1f} to {2:+.1f})".format(
        *gain(data, METHODS[0])))

# %% tags=["nbval-ignore-output"]
dot_fig, dots = plt.subplots(figsize=(9, 1.2 + 0.6 * len(tuning)))
for k, data in enumerate(tuning):
    for i, method in enumerate(METHODS):
        low, mean, high = gain(data, method)
        dots.errorbar(mean, k + 0.16 * (i - 2), xerr=(high - low) / 2, capsize=3,
                      **look(i) | {"linestyle": ""}, label=None if k else method)
dots.axvline(0, color="black", linewidth=1)
dots.set(yticks=range(len(tuning)), yticklabels=tuning, xlabel="points above tuned early stopping",
         ylim=(len(tuning) - 0.5, -0.5))
dot_fig.legend(loc="outside upper center", ncols=3)
describe(dots, "Points of born again above tuned early stopping: " + "; ".join(
    f"{data} {gain(data, METHODS[0])[1]:+.1f}" for data in tuning) + ".")
wb.show(dot_fig)

# %% [markdown]
# Dots are means, and lines are 95 % intervals over six splits.
#
# ## Digits
#
# Born again is as accurate as tuned early stopping, or one point worse. The moving average of weights is one to three points
# better. Is the knowledge of its teacher the reason?
#
# - With 500 labels, the control with *shuffled* answers gains about as much. So knowledge is not needed for the gain.
# - With 50 or 100 labels, none of them wrong, the shuffled answers gain nothing, and the moving average still gains one or two
#   points. This looks like an effect of knowledge. **Look at a second control before you say yes.** The *untrained teacher* knows
#   nothing, but it gains nearly as much, as the next cell shows.

# %%
print("moving average minus untrained teacher, in points (95 % interval over six splits):")
for data in ("digits, 50 labels", "digits, 100 labels"):
    print(f"  {data:20}", "{1:+.1f} ({0:+.1f} to {2:+.1f})".format(
        *gain(data, "moving average", "control: untrained teacher")))

# %% [markdown]
# Both intervals contain 0. So these data do not show an effect of knowledge.
#
# With 50 labels, the shuffled answers seem to act like wrong labels. **So a method can be better than a control because the
# control does harm.**
#
# ## Breast cancer, wine and diabetes
#
# **Breast cancer and wine, with wrong labels.** Born again gains about two points, and both controls are worse than born again.
# So here the teacher's answers help. Which part of them? In another control, the likeliest class stays, and the
# probabilities of all other classes are *permuted* ([Networks and wrong labels](self_distillation_controls.ipynb)).
# On wine this control is 1.6 points *better* than born again. So on wine the likeliest class helps, and the
# probabilities of the other classes do not. (Breast cancer has only two classes, so nothing can be permuted.)
#
# **Other methods gain as much.** On breast cancer, weight decay gains three points. An ensemble of four networks (not in the
# figure) gains over three points there. On wine this ensemble gains as much as born again.
#
# **Diabetes.** No method in the figure helps, and the moving average harms. The ensemble gains one point.

# %%
BREAST, WINE, DIABETES = (next(data for data in tuning if data.startswith(start))
                          for start in ("breast", "wine", "diabetes"))
ensembles = {data: gain(data, "ensemble of 4")[1] for data in (BREAST, WINE, DIABETES)}
for data, mean in ensembles.items():
    print(f"ensemble of 4 minus early stopping, {data}: {mean:+.1f} points")
print("permuted control minus born again, {}: {:+.1f} points".format(
    WINE, gain(WINE, "control: born again, permuted", "born again")[1]))

# %%
verdict("on breast cancer and wine, born again is 1 to 3 points better than early stopping, and "
        "both controls are worse than born again.", all(
            1 < gain(data, "born again")[1] < 3 and gain(data, "born again")[1] > max(
                gain(data, control)[1] for control in METHODS[1:4:2]) for data in (BREAST, WINE)))
verdict("on breast cancer the ensemble gains more than born again. On wine the two gains differ by "
        "less than 1 point.",
        ensembles[BREAST] > gain(BREAST, "born again")[1]
        and abs(ensembles[WINE] - gain(WINE, "born again")[1]) < 1)

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
