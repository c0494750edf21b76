# %% [markdown]
# # More: SDFT on five other skills
#
# > **Claim you can check:** lesson 05 compares SFT and SDFT on one new skill. Here are five others. On *tools-new*,
# > *letters-new* and *working-new* SDFT learns as much as SFT or more, and keeps far more of the known skills. On
# > *articles-new* this holds up to an accuracy of 80 %; SDFT reaches 95 % only at a learning rate that destroys the known
# > skills. On *letters-hard-new* neither method learns reliably.
#
# | | |
# |---|---|
# | **Objectives** | compare two methods on five kinds of skills · tell memorised answers from a learned rule · say on which skills SDFT fails · find the known skill that SDFT forgets |
# | **Prerequisites** | [05 SDFT](../05_sdft.ipynb) |
# | **Time** | about 30 minutes to work through, a few seconds to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, percent_over_seeds, plot_differences, plot_methods
from workbench.plots.sequences import plot_changes, plot_stages
from workbench.plots.studies import plot_by_rate
from workbench.plots.styles import styles_of

# %%
from workbench.runs.studies import ends, load_study, points
from workbench.tasks import KNOWN_SKILLS, load_skill

wb.prepare_notebook()
known = list(KNOWN_SKILLS)

# %% [markdown]
# ## Five skills
#
# In **SFT** (supervised fine-tuning) the model imitates an expert's answer, the **demonstration**, word by word. In **SDFT**
# (self-distillation fine-tuning) the model answers itself, and imitates a teacher at each word. The teacher is the
# pretrained model with the demonstration in its prompt.
#
# Here is one training item of each skill. The expert has a style of its own, with many words around the answer.

# %%
skills = ["tools-new", "letters-new", "working-new", "articles-new", "letters-hard-new"]
for skill in skills:
    item = load_skill(skill, "train")[0]
    print(f"{skill}\n  question:      {item.prompt}\n  demonstration: {item.demonstration}\n"
          f"  answer:        {item.answer}")

# %% [markdown]
# - *tools-new*: new functions to call. The test asks for the same functions in other words.
# - *letters-new*: a new machine that changes letters by a rule. The test has other letters.
# - *working-new*: sums with a jar and one new kind of step, *flip*. The model usually writes out its working. The expert
#   gives only the result. The test has other sums.
# - *articles-new*: facts from articles of the village newspaper. The test asks about the same facts in other words.
# - *letters-hard-new*: a machine whose rule has two steps. The test has other letters.
#
# So on *letters-new*, *letters-hard-new* and *working-new* the model must find a rule. It is not enough to remember the
# examples.
#
# ## How much is kept at each level of the new skill?
#
# As in lesson 05 we searched with six learning rates for each method, and one seed. Here each run was tested every 40 steps
# on validation items. **Retention** is the accuracy on the five known skills divided by the accuracy before training.
#
# The horizontal axis of the figure is an accuracy on the new skill. Take all evaluations of a method with at least this
# accuracy. The vertical axis shows the highest retention among them.

# %%
one_skill = points(load_study("one_skill"))  # one row for each evaluation of a run
searched, tested = (one_skill.query("part == @part") for part in ("validation", "test"))
levels = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
best = pd.DataFrame({level: searched[searched["new"] >= level].groupby(["order", "method"])[
    "retention"].max() for level in levels})
styles = styles_of(["sft", "sdft"])
by_level = Figure(figsize=(10, 2.9), layout="constrained")
panels = dict(zip(skills, by_level.subplots(1, 5, sharex=True, sharey=True), strict=True))

# %%
for skill, ax in panels.items():
    words = []
    for method, style in styles.items():
        row = best.loc[skill, method] if (skill, method) in best.index else best.iloc[0] * np.nan
        ax.plot(100 * row.index, 100 * row, **style, label=method, markersize=5)
        reached = row.dropna()
        words.append(f"{method} never reaches 30 %" if reached.empty else
                     f"at {percent(reached.index[-1])} {method} keeps {percent(reached.iloc[-1])}")
    ax.set_title(skill, fontsize=11)
    describe(ax, f"{skill}, by accuracy on the new skill: {', '.join(words)}.")
by_level.axes[0].set(ylim=(-5, 110), ylabel="highest retention (%)")
by_level.axes[0].legend(loc="lower left", frameon=False)
by_level.supxlabel("accuracy on the new skill, at least (%)", fontsize=11)
wb.show(by_level)

# %%
lead = (best.xs("sdft", level=1) - best.xs("sft", level=1)).loc[skills, :0.8].stack().dropna()
wb.show_numbers(best.loc[skills].rename(columns=percent), "highest retention at each accuracy",
                percent)
verdict("on tools-new, letters-new and articles-new both methods reach 80 %, and SDFT keeps over "
        "20 points more at every level up to 80 %.",
        (lead > 0.2).all()
        and set(lead.index.get_level_values(0)) == {"tools-new", "letters-new", "articles-new"})

# %% [markdown]
# A line that is missing or ends early means: no evaluation reached that accuracy. SFT does not reach 30 % on
# *working-new*. On *letters-hard-new* only SDFT reaches 30 %. On *articles-new* the SDFT evaluations with at least 90 %
# on the new skill keep almost none of the known skills. Retention can be a little above 100 %, because a known skill can
# become better. (The folded table also has methods of lesson 06 on *working-new*.)
#
# ## Five seeds, on test items
#
# The learning rate and the number of steps of each method were chosen in the search, by the rule of lesson 05:
#
# 1. Keep the evaluations with at least 95 % on the new skill. If there are none, the limit is two right answers (of 48)
#    below the method's best evaluation.
# 2. Of these evaluations, choose the one with the highest retention.
#
# The chosen settings were run with five new seeds (fifteen for *letters-hard-new*), and measured on test items.
#
# In each panel, a mark is a mean, its lines are 95 % intervals over the seeds, and small dots are single seeds. The
# intervals do not include the chance in the choice of the questions. The table below the figure has the chosen settings.
# There *trained* is the accuracy on the training items at the end.

# %%
final = ends(tested).query("order in @skills and method in ['sft', 'sdft']")
settings = final.groupby(["order", "method"]).agg(
    rate=("rate", "first"), steps=("step", "first"), new=("new", percent_over_seeds),
    retention=("retention", percent_over_seeds), trained=("train_accuracy", "mean"))
dots = Figure(figsize=(10, 7), layout="constrained")
for skill, ax in zip(skills, dots.subplots(2, 3).flat, strict=False):
    plot_methods(final.query("order == @skill"), ax, skill, methods=list(styles))
dots.axes[5].remove()
wb.show(dots)
wb.show_numbers(settings.loc[[(skill, method) for skill in skills for method in styles]].assign(
    trained=settings["trained"].map(percent)), "the chosen settings and their results")

# %% [markdown]
# SFT and SDFT had the same seeds. So we can also compare them seed by seed: the next figure has the mean difference of
# each skill, with its 95 % interval.

# %%
by_seed = final.pivot(index=["order", "seed"], columns="method")
gaps = {measure: {skill: 100 * (rows["sdft"] - rows["sft"]).loc[skill] for skill in skills}
        for measure, rows in (("new", by_seed["new"]), ("retention", by_seed["retention"]))}
pair = Figure(figsize=(9, 2.8), layout="constrained")
for ax, (measure, values) in zip(pair.subplots(1, 2, sharex=True, sharey=True), gaps.items(),
                                 strict=True):
    title = "accuracy on the new skill" if measure == "new" else measure
    plot_differences(values, ax, title, "SDFT minus SFT, in points")
wb.show(pair)
for skill in skills[:3]:
    sft_new, sdft_new = by_seed["new"].loc[skill][["sft", "sdft"]].mean()
    verdict(f"on {skill} SDFT learns about as much as SFT or more, and keeps far more.",
            sdft_new > max(0.85, sft_new - 0.05)
            and seed_interval(gaps["retention"][skill])[0] > 35)

# %% [markdown]
# ## Memorised, or learned?
#
# *tools-new* gives the same result as *facts-new* in lesson 05. On *letters-new* and *working-new* SFT was run at the
# highest learning rate, because it learns most there. This rate destroys all other skills. Would a lower learning rate
# be better for SFT? Each row of the figure is one run of SFT at a lower rate, 3e-4. Its cells are the accuracies at the
# end: on the training items, on new items, and on the five known skills. A grey cell was not measured.

# %%
slower = ends(searched).query("method == 'sft' and rate == 3e-4 and order in @skills[1:3]")
slower = slower.set_index("order")[["train_accuracy", "new", "retention", *known]]
wb.show(plot_stages(
    slower[["train_accuracy", "new", *known]].rename(columns={
        "train_accuracy": "training items", "new": "new items"}),
    plt.subplots(figsize=(9, 2.3))[1],
    f"SFT at 3e-4, after {ends(searched)['step'].max()} steps: accuracy (%)"))
wb.show_numbers(slower.T, "SFT at 3e-4", percent)
verdict("on working-new SFT memorises the training items and does not find the rule.",
        slower.loc["working-new", "train_accuracy"] > 0.95 > 0.15
        > slower.loc["working-new", "new"])
verdict("after this training the model has also lost the known skill of working step by step "
        "(working-jar).",
        slower.loc["working-new", "working-jar"] < 0.05)

# %% [markdown]
# No: at this rate SFT keeps 74 % of the known skills (folded table), but it is right on only 2 % and 10 % of the new
# items. A likely reason on *letters-new*: the expert's answer is three letters among some fifteen other words, and SFT
# learns the other words first. On *working-new* the SDFT teacher gives high probabilities to working that is written out
# in the model's own style. So the student continues to write out its working.
#
# SDFT ends at 92 % on *letters-new* and at 88 % on *working-new*, although its settings had reached 95 % in the search. An
# evaluation that was chosen because it was just above 95 % was partly lucky. On new questions its accuracy is often a little
# lower. What if SDFT trains for all 160 steps?

# %%
longer = ends(tested).query("method in ['sdft', 'sdft, all steps'] and order in @skills[1:3]")
two = Figure(figsize=(10, 3.6), layout="constrained")
for skill, ax in zip(skills[1:3], two.subplots(1, 2), strict=True):
    plot_methods(longer.query("order == @skill"), ax, skill)
wb.show(two)
wb.show_numbers(longer.groupby(["order", "method"]).agg(
    steps=("step", "first"), new=("new", percent_over_seeds),
    retention=("retention", percent_over_seeds)), "SDFT with the chosen steps and with all steps")
all_steps = longer[longer["method"] == "sdft, all steps"].groupby("order")["new"].mean()
verdict("with all steps letters-new reaches 100 %, and working-new stays where it is.",
        all_steps["letters-new"] > 0.98 and abs(all_steps["working-new"] - longer.query(
            "method == 'sdft' and order == 'working-new'")["new"].mean()) < 0.03)

# %% [markdown]
# On *letters-new* the longer training costs three points of retention (from 85 to 82 %). On *working-new* the model answers
# all training questions right, and one in eight new questions wrong.
#
# ## Where SDFT fails
#
# **Articles.** At low learning rates SDFT learns the facts in the two phrasings that it was trained on. In other
# phrasings it answers about 70 % of the questions correctly. It loses most of one known skill, *facts-events*. It
# reaches over 95 % only at a learning rate that destroys all known skills. We choose settings with at least 95 % where
# there are any, so we chose this learning rate. A choice at 80 % would have kept far more, and more than SFT keeps (see
# the first figure).
#
# The figure shows SDFT at four learning rates, at the last evaluation of each run (validation items, one seed).

# %%
articles = ends(searched).query(
    "order == 'articles-new' and method == 'sdft' and rate in [1e-4, 3e-4, 1e-3, 3e-3]")
wb.show(plot_by_rate(articles, ["sdft"], plt.figure(figsize=(9, 3))))
wb.show_numbers(articles.set_index("rate")[["train_accuracy", "new", "facts-events", "retention"]]
                .rename(columns={"train_accuracy": "trained phrasings", "new": "other phrasings"}),
                "SDFT on articles-new, last evaluation of each learning rate", percent)
verdict("SDFT learns over 95 % in other phrasings only where it loses nearly all known skills.",
        (articles.query("new > 0.95")["retention"] < 0.1).all() and articles["new"].max() > 0.95)

# %% [markdown]
# **Letters with a harder rule.** Neither method learns *letters-hard-new* reliably with the chosen settings. SFT remembers
# the examples and does not find the rule of the machine.

# %%
hard = by_seed["new"].loc["letters-hard-new"]
for method in styles:
    print(f"{method}: {(hard[method] > 0.5).sum()} of {len(hard)} seeds get more than half right")
sft_hard = settings.loc["letters-hard-new", "sft"]
verdict("with three of fifteen seeds SDFT answers more than half of the test questions right, at a "
        "learning rate that destroys all known skills.",
        (hard["sdft"] > 0.5).sum() == 3 and len(hard) == 15
        and by_seed["retention"].loc["letters-hard-new"]["sdft"].mean() < 0.02)
verdict("SFT answers nearly all training items right, and a fifth of the test items.",
        sft_hard["trained"] > 0.95 and 0.15 < hard["sft"].mean() < 0.25)
teacher = tested.query("order == 'letters-hard-new' and method == 'sdft'")["teacher_right"].min()
print(f"the teacher, with the demonstration in its prompt: {percent(teacher)} right")
verdict("the teacher of letters-hard-new is always right.", teacher == 1)

# %% [markdown]
# So a right teacher is not enough to learn this rule.
#
# ## What does SDFT forget?
#
# The three skills *facts-new*, *tools-new* and *letters-new* each have a **sibling**: a known skill whose questions use nearly
# the same words. The figure shows how many points of accuracy SDFT lost or gained on each known skill.
# We leave out *working-new*, where SDFT loses almost nothing, and the two skills where the chosen learning rate destroys
# all known skills.

# %%
siblings = {"facts-new": "facts-keepers", "tools-new": "tools-house",
            "letters-new": "letters-machines"}
runs = tested.query("method == 'sdft'").groupby(["order", "seed"])[known]
lost = (runs.first() - runs.last()).groupby("order").mean().loc[list(siblings)]
wb.show(plot_changes(-lost, plt.subplots(figsize=(8.5, 2.4))[1]))
for skill, sibling in siblings.items():
    verdict(f"on {skill} SDFT loses mainly the sibling, {sibling}.",
            lost.loc[skill].idxmax() == sibling and lost.loc[skill].nlargest(2).iloc[1] < 0.15)

# %% [markdown]
# **What would change your mind?** Suppose SFT at some learning rate had kept as much as SDFT at the same new-skill accuracy.
# Then the result of lesson 05 might hold for one skill only. On *articles-new* this happens at 90 %, where both methods
# keep under 10 %. On *tools-new* and *letters-new* SDFT keeps far more at all six levels.
#
# ## Try it yourself
#
# - Add `sdft` at the learning rate 1e-4 to the heat map in *Memorised, or learned?* Which known skills does it keep?
# - `ends(searched).query("order == 'letters-hard-new'")` has all methods that were tried there. Which one learns most?
# - In lesson 05 the strength of the penalty of `sft_kl` was not tuned. In a terminal, run `workbench train --learner
#   sft_kl --option strength=0.1 --skill facts-new --out runs/kl`. Is there a strength at which this method keeps as much
#   as SDFT?
#
# ## Limits
#
# Five skills of one small made-up world, one tiny model, one pretraining seed. Where no evaluation reached 95 %, the
# methods are compared at different new-skill accuracies. The search has one seed for each setting, and every seed is
# tested on the same 48 questions.
#
# **Back to:** [05 SDFT](../05_sdft.ipynb)
