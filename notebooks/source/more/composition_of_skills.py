# %% [markdown]
# # Composed modules for language skills
#
# > **Claim you can check:** a small language model gets one module per new skill. The module of a question is chosen by
# > hidden states. Then the model keeps 98 to 99 % of its known skills. SDFT trains one common set of weights, and keeps
# > about two thirds of the known skills. A module never loses a skill that it has learned, but some modules do not
# > learn their skill. Reuse of earlier modules has no clear effect on two of the new skills. The third is difficult:
# > only some seeds learn it. If the two others came before, more seeds learn it with reuse than without, but five seeds
# > are too few to be sure.
#
# | | |
# |---|---|
# | **Objectives** | follow one module from training to its answers · compare separate modules with SDFT and replay, over seeds and orders · divide accuracy into retrieval and answer · test whether reuse pays · say what each method costs |
# | **Prerequisites** | [08 Many skills in a row](../08_many_skills.ipynb), [11 Module composition](../11_module_composition.ipynb), [Retrieval of language skills](retrieval_of_skills.ipynb) |
# | **Time** | 45 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
from dataclasses import replace
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.learners import fit, make_optimizer
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.plots import describe, draw_band, percent, plot_differences, plot_dots

wb.prepare_notebook()

# %%
from workbench.models import load_causal_lm
from workbench.plots.display import over_seeds
from workbench.plots.sequences import plot_stages
from workbench.plots.styles import styles_of
from workbench.retrieval.prompts import PromptRetriever
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.studies import ends, load_study, points, stage_measures

# %% [markdown]
# ## Retrieve, then answer
#
# Lesson 08 taught three skills one after the other: new facts, new tools and new letters. It kept an **adapter** for
# each, a small set of additional weights. Here the same is done with the retrieval of lesson 10 and the composed modules
# of lesson 11:
#
# 1. The **pretrained** model reads the prompt. Its mean hidden state after the first layer describes the prompt.
# 2. Each skill has a **signature**, a few Gaussian clusters of such descriptions. The skill whose signature fits best is
#    retrieved.
# 3. The module of that skill answers. If the retrieved skill was known before, the pretrained model answers.
#
# The lesson [Retrieval of language skills](retrieval_of_skills.ipynb) studies steps 1 and 2. This is their result:

# %% tags=["nbval-ignore-output"]
config = wb.RunConfig(stream="skills", skills=("facts-new", "tools-new", "letters-new"),
                      learner="composed_per_skill", lora_rank=8, items=48)
stream = stream_of(config)
new, known = ([task.name for task in some] for some in (stream.tasks, stream.old_tasks))
model, tokenizer = load_causal_lm("tiny")
retriever = PromptRetriever(model, tokenizer, layer=1)
retriever.learn_known([task.train.inputs for task in stream.old_tasks], True)
for task in stream.tasks:
    retriever.learn(task.index, task.train.inputs, task.validation.inputs)
choices = {task.name: retriever.choose(task.test.inputs)
           for task in (*stream.tasks, *stream.old_tasks)}  # below 0: a known skill, no module
right = pd.Series({name: np.mean(own == new.index(name) if name in new else own < 0)
                   for name, own in choices.items()})

# %%
def of_48(share):
    """A share of the 48 test questions of a skill, and Wilson's 95 % interval."""
    return share, *wilson_interval(round(48 * share), 48)


wb.show(plot_dots({"questions": right.map(of_48).to_dict()}, plt.subplots(figsize=(7.5, 3.2))[1],
                  "Retrieved: the right module, or none for a known skill",
                  "test questions (%), 95 % intervals over questions"))

# %% [markdown]
# ## One module, from training to answers
#
# Here is one module for the new tools, trained now. It gets 100 steps of 16 questions. (The stored results below are
# from 120 steps of 32 questions.) Then the model gets questions on all skills, and it is not told the skill.

# %% tags=["nbval-ignore-output"]
short = replace(config, skills=("tools-new",), lr=3e-3, steps=100, batch_size=16, items=16)
short_stream = stream_of(short)
learner, tools = make_learner(short, short_stream), short_stream.tasks[0]
learner.begin(tools)
for _ in fit(learner, tools, make_optimizer(learner, short.lr), steps=short.steps,
             batch_size=short.batch_size, clip=1.0):
    pass
learner.end(tools)

# %% tags=["nbval-ignore-output"]
answered, unchanged = {"with the module": {}, "pretrained model": {}}, []
for task in (*short_stream.tasks, *short_stream.old_tasks):
    both = [learner.predict(task.test.inputs, told) for told in (None, -1)]  # -1: no module
    for answers, shares in zip(both, answered.values(), strict=True):
        shares[task.name] = of_48(
            short_stream.right(answers, task.test, 0, task.index).double().mean().item())
    unchanged.append(both[0] == both[1])
wb.show(plot_dots(answered, plt.subplots(figsize=(7.5, 3))[1], "One module, for the new tools",
                  "right answers (%), 95 % intervals over questions"))

# %%
verdict("one module answers most questions on the new tools.",
        answered["with the module"]["tools-new"][0] > 0.5)
verdict("the answers to all known questions are those of the pretrained model, word for word.",
        not unchanged[0] and all(unchanged[1:]))

# %% [markdown]
# ## Three skills in a row
#
# `scripts/study.py` taught the three skills with five seeds, in three orders, 120 steps each. The methods are:
#
# | method | what it does | skill given? |
# |---|---|---|
# | sft | trains one set of weights on the expert's answers (demonstrations) | no |
# | sdft | trains one set of weights; the student learns from the same model with a demonstration in its prompt | no |
# | replay | as sft; half of the loss is on stored examples of earlier skills | no |
# | adapter per skill | a separate adapter for each skill | **yes** |
# | composed, no reuse | a separate adapter for each skill | no: retrieved |
# | composed, not orthogonal | as *composed, no reuse*, and earlier units with learned coefficients (reuse) | no: retrieved |
# | composed | as *composed, not orthogonal*, and a penalty that keeps the new part orthogonal to earlier units | no: retrieved |
#
# All methods have the same steps, seeds and questions. The learning rate was chosen among three rates (*adapter per
# skill*: four), on validation questions in the **first order**, facts → tools → letters. The figure has this order too.

# %%
MODULES = "composed, not orthogonal"
record = points(pd.concat([load_study("many_skills"), load_study("composed_skills")])
                .query("part == 'test'"))
orders = [order for order in record["order"].unique()
          if {"replay", MODULES} <= set(record.query("order == @order")["method"])]
first = orders[0]
measures = stage_measures(record).set_index(["method", "order", "seed"])[
    ["learned", "ACC", "known", "all"]]
recorded = ends(record).query("method == @MODULES and order in @orders")
verdict("the retriever in this notebook is right exactly as often as the retriever of every stored "
        "run.", np.allclose(recorded[["retrieved", "retrieved_known"]],
                            [right[some].mean() for some in (new, known)], atol=1e-4))

# %%
LINES = ("sft", "sdft", "replay", MODULES)
stage_figure, stage_axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True)
for ax, skill in zip(stage_axes, (*first.split(), "retention"), strict=True):
    for method, style in styles_of(LINES).items():
        runs = record.query("order == @first and method == @method")
        values = runs.pivot(index="seed", columns="step", values=skill).to_numpy()
        draw_band(ax, range(4), values, method, bounded=True, **style)
        describe(ax, f"{ax.get_label()} {'known before' if skill == 'retention' else skill}, "
                     f"{method}: {', '.join(map(percent, values.mean(0)))}.")
    ax.set(title="known before" if skill == "retention" else skill, xticks=range(4), ylim=(-3, 103),
           xticklabels=["0", "1", "2", "3"], xlabel="skills learned")
stage_axes[0].set_ylabel("accuracy, or share kept (%)")
stage_axes[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(stage_figure)

# %% [markdown]
# The horizontal axis is the number of skills learned so far. Each of the first three panels is one new skill. The last
# one is the share kept of the five known skills: for each skill, its accuracy divided by its accuracy before training,
# and then the mean. Bands are 95 % intervals over five seeds.
#
# Modules do not change once they are learned. This is true **by construction**, so it is not a result. We must measure
# two things: is the right module retrieved, and is the skill learned at all?
#
# ## At the end, in three orders

# %%
METHODS = ("sft", "sdft", "replay", "adapter per skill", "composed, no reuse", MODULES, "composed")
runs_of = {key: 100 * values for key, values in measures.groupby(["method", "order"])}
panels = {"ACC": "accuracy on the three new skills", "known": "share kept of the known skills"}


def named(order):
    """An order of skills in words."""
    return " → ".join(skill.removesuffix("-new") for skill in order.split())


def in_points(values):
    """Mean and interval of a difference, in points."""
    return "{:+.0f} ({:+.0f} to {:+.0f})".format(
        *(100 * one for one in (np.mean(values), *seed_interval(values))))

# %%
end_figure, end_axes = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
for (y, method), order, (ax, measure) in product(enumerate(METHODS), orders, zip(
        end_axes, panels, strict=True)):
    if (method, order) in runs_of:
        values, style = runs_of[method, order][measure], styles_of(METHODS)[method]
        at = y + 0.25 * (orders.index(order) - 1)
        low, high = np.clip(seed_interval(values), 0, 100)
        ax.plot([low, high], [at, at], color=style["color"])
        ax.plot(values, [at] * len(values), style["marker"], color=style["color"], markersize=4)
        describe(ax, f"{ax.get_label()} {panels[measure]}, {method}, {named(order)}: "
                     f"{values.mean():.0f} % ({low:.0f} to {high:.0f}).")
for ax, title in zip(end_axes, panels.values(), strict=True):
    ax.set(title=title, xlabel="% at the end, a mark per seed", yticks=range(len(METHODS)),
           yticklabels=METHODS, ylim=(len(METHODS) - 0.5, -0.5))
wb.show(end_figure)

# %% [markdown]
# Each method has three rows, one for each order: from top to bottom facts → tools → letters, letters → tools → facts, and
# tools → facts → letters. *Composed* was run in the first order only. Lines are 95 % intervals, cut at 0 and 100.
#
# Runs with the same seed and order form a pair, so we look at differences. The next figure has *composed, not
# orthogonal* (here called *modules*) minus three other methods, in points. *New skills* is the accuracy on the three new
# skills, *known skills* the share kept of the known ones, and *all skills* the mean accuracy on all eight.

# %%
OTHERS = ("sdft", "replay", "adapter per skill")
leads = pd.concat({other: (measures.loc[MODULES] - measures.loc[other]).loc[orders]
                   for other in OTHERS}, names=["minus"])
lead_rows = {f"{other}: {named(order)}": (other, order) for other, order in product(OTHERS, orders)}
lead_figure, lead_axes = plt.subplots(1, 3, figsize=(11, 3.9))
for ax, measure, title in zip(lead_axes, ("ACC", "known", "all"), (
        "new skills", "known skills", "all skills"), strict=True):
    plot_differences({row: 100 * leads.loc[key, measure] for row, key in lead_rows.items()},
                     ax, title, "points")
    ax.set_yticks(range(9), lead_rows if ax is lead_axes[0] else [], fontsize=10)
    ax.set_ylim(8.5, -0.5)
wb.show(lead_figure)

# %%
mean_lead = leads.groupby(["minus", "seed"], sort=False).mean()  # over the orders, seed by seed
wb.show_numbers(mean_lead.groupby("minus", sort=False)[["ACC", "known", "all"]].agg(
    in_points).set_axis(["new skills", "known skills", "all skills"], axis=1).rename_axis(None),
    "modules minus another method, mean of the three orders, in points")
lowest = leads.groupby(["minus", "order"])["known"].agg(lambda gap: seed_interval(gap)[0])
verdict("modules keep more of the known skills than SDFT and replay do, in every order.",
        lowest[["sdft", "replay"]].min() > 0)
verdict("modules keep at least 97 % of the known skills in every run. SDFT loses about a third.",
        measures.loc[MODULES]["known"].min() > 0.97
        and 0.3 < 1 - measures.loc["sdft"].loc[orders]["known"].mean() < 0.4)

# %% [markdown]
# - **Known skills.** Modules keep everything except some known facts. SDFT loses a third, and replay a sixth. *Adapter
#   per skill* keeps everything, because the skill is given and nothing has to be retrieved.
# - **New skills.** SDFT learns all three in every run, and loses a part of them again. A module loses nothing, but with
#   some seeds it never learns the letters. So the intervals are wide: look at the single runs in the figure. Modules
#   end higher than SDFT in two of the three orders. In the order that begins with the letters, and in the mean of the
#   three orders, the interval of the difference contains 0.
# - **This lead over SDFT is a little optimistic.** We compare SDFT with *modules*, which have the highest accuracy of the
#   composed methods on the new test questions, in every order. The best of several methods is partly lucky. On the
#   validation questions (first order, one seed), *composed, no reuse* was as good, and *composed* was worse. On the test
#   questions in the first order, *modules* have 94 %, *composed* 85 %, *composed, no reuse* 83 %, and SDFT 82 %.
# - ***Composed, no reuse* and *adapter per skill*** are the same method, except for retrieval. Their runs start from
#   different random numbers, so their results differ a little.
#
# ## Accuracy = P(right module) × P(right answer from it)
#
# A question is answered right if its module is retrieved *and* this module gives the right answer. (Another module may
# happen to answer right, but this is rare here.) In the figure *right module* is the share of questions whose module is
# retrieved. *Skill told* is the accuracy if the skill is told, and *right answer* is the measured accuracy; here both
# are on the new skills. For the new skills the right module is always retrieved, so they do not test the product. Only
# the known facts do. They are printed below the figure.

# %%
modules = ends(record)[ends(record)["retrieved"].notna()]
split_up = modules.groupby(["order", "method"], sort=False)[["retrieved", "told", "new"]]
rows_of = {f"{named(order)}: {method}": own for (order, method), own in split_up}
wb.show(plot_dots({label: {row: over_seeds(own[column]) for row, own in rows_of.items()}
                   for label, column in (("right module", "retrieved"), ("skill told", "told"),
                                         ("right answer", "new"))},
                  plt.subplots(figsize=(9, 4.6))[1], "New skills: no loss by retrieval",
                  "questions (%), 95 % intervals over five seeds"))
wb.show_numbers(split_up.mean().rename(index=named, level=0).rename_axis([None, None]),
                "retrieval and answer, new skills", percent)

# %%
verdict("on the new skills retrieval loses nothing: in every run, the accuracy is the same as if "
        "the skill is told.", np.allclose(modules["new"], modules["told"], atol=1e-3))
before = record.query("step == 0")["facts-keepers"].iloc[0]
kept = modules[modules["order"].isin(orders)]["facts-keepers"].mean()
print(f"known facts: {percent(before)} right before, {percent(kept)} after; the product predicts "
      f"{percent(before * right['facts-keepers'])}")
verdict("for the known facts, the product is right to within 3 points: retrieval explains the "
        "loss.",
        abs(kept - before * right["facts-keepers"]) < 0.03)

# %% [markdown]
# So separate modules divide one problem into two problems that can be studied separately. Retrieval loses a few known
# facts, and nothing else. All other losses are skills that a module did not learn in 120 steps, above all the letters.
#
# ## Does reuse pay?
#
# The two figures compare the accuracy on the new skills at the end. The first figure shows two paired differences, in
# points: with reuse minus without reuse, and with the penalty minus without it.

# %%
at_end = modules.set_index(["method", "order", "seed"])[[*new, "new"]].set_axis(
    ["facts", "tools", "letters", "all three"], axis=1)
effects = {"reuse": at_end.loc[MODULES] - at_end.loc["composed, no reuse"],
           "penalty": (at_end.loc["composed"] - at_end.loc[MODULES]).dropna()}
effect_rows = {f"{name}, {named(order)}": 100 * own for name, effect in effects.items()
               for order, own in effect.groupby("order", sort=False)}
effect_figure, effect_axes = plt.subplots(1, 4, figsize=(11.5, 2.8), sharex=True)
for ax, skill in zip(effect_axes, at_end, strict=True):
    plot_differences({row: own[skill] for row, own in effect_rows.items()}, ax, skill, "points")
    ax.set_yticks(range(4), effect_rows if ax is effect_axes[0] else [], fontsize=10)
wb.show(effect_figure)
wb.show_numbers(pd.concat({name: effect.groupby("order", sort=False).agg(in_points)
                           for name, effect in effects.items()})
                .rename(index=named, level=1).rename_axis([None, None]), "reuse and penalty")

# %% [markdown]
# The second figure shows the accuracy on the letters for each seed. We say that a seed learns the letters if this
# accuracy is above 50 %. In one order the letters come first. There is nothing to reuse yet, so this order is a control.

# %%
letters = at_end["letters"].unstack().swaplevel().sort_index()  # a column for each seed
by_seed = letters.rename(columns="seed {}".format).set_axis(
    [f"{named(order)}: {method}" for order, method in letters.index])
wb.show(plot_stages(by_seed, plt.subplots(figsize=(9, 3.8))[1],
                    "Accuracy on the letters (%)"))
letters_last = [order for order in orders if order.endswith("letters-new")]
knows_letters = letters.loc[letters_last] > 0.5
counts = knows_letters.groupby("method").sum().sum(axis=1)[[MODULES, "composed, no reuse"]]

# %%
verdict(f"if two skills came before, the letters are learned in {counts.iloc[0]:.0f} of 10 runs "
        f"with reuse and no penalty, and in {counts.iloc[1]:.0f} of 10 runs without reuse.",
        tuple(counts) == (10, 4))
verdict("in both orders in which the letters come last, the same seeds learn the letters. This is "
        "true with reuse, and also without.",
        bool((knows_letters.groupby("method").nunique() == 1).all(axis=None)))
adapters = ends(record).query("method == 'adapter per skill' and order in @orders")
verdict("adapter per skill, also without reuse: 3 of 5 seeds learn the letters in each order.",
        all((own["letters-new"] > 0.5).sum() == 3 for _, own in adapters.groupby("order")))

# %% [markdown]
# **Reuse may help with the letters.** If they come last, *composed, not orthogonal* learns them in all runs, and
# *composed, no reuse* in fewer than half. If they come first, there is nothing to reuse, and the results are equal.
# *Composed* also reuses earlier units, but has the penalty too: it learns the letters with three of five seeds.
#
# But this is weaker than it looks:
#
# - **Ten runs have only five different seeds.** The seed and the position of a skill decide the start of its module and
#   the batches. Without reuse, nothing else matters. So the two orders with the letters last repeat *the same* training
#   of the letters, with equal numbers: 4 of 10 is 2 of 5, counted twice. With reuse, the two orders have the same
#   starts and batches, and only the earlier units differ.
# - **Without reuse, other starts let other seeds learn the letters.** In *composed, no reuse*, these are seeds 1 and 2 if
#   the letters come last, and seeds 0, 1 and 3 if they come first. If they come last, seed 0 ends at 48 %, close to our
#   limit of 50 %. *Adapter per skill* has other starts again, and there 3 of 5 seeds learn the letters.
# - **All intervals of the differences contain 0.**
#
# If reuse helps, we do not know *why*. Letters have nothing in common with facts or requests. A possible reason is
# speed: coefficients learn faster than the new part (lesson 11), so without reuse some seeds may need more than 120
# steps. A control with **shuffled units** was not run here. In this control, the numbers in the row $a_j$ of each
# earlier unit (lesson 11) have a random order. If shuffled units help as much, the content of
# the units does not matter.
#
# ## What it costs
#
# Choose a cost in the panel. Accuracy is the mean over all eight skills and the orders (*composed*: the first order
# only). *kB stored* counts examples, modules and signatures after three skills, but no weights of whole models. *Prompts
# read per answer* is 2 for the composed methods, because the pretrained model reads the prompt first. *Seconds to train*
# are those of the fastest run. The machine had other work at the same time, so they are rough.

# %%
from workbench.widgets import CostPanel

costs = ends(record).query("order in @orders and method in @METHODS").groupby("method")
intervals = measures["all"].loc[list(METHODS), orders].groupby(["method", "seed"]).mean().groupby(
    "method")
cost_table = pd.DataFrame({
    "accuracy": intervals.mean(),
    "low": intervals.agg(lambda values: seed_interval(values)[0]),
    "high": intervals.agg(lambda values: min(seed_interval(values)[1], 1.0)),
    "kB stored": costs["stored_bytes"].mean() / 1000,
    "seconds to train": costs["train_seconds"].min()}).loc[list(METHODS)]
cost_table["prompts read per answer"] = 1.0 + cost_table.index.str.startswith("composed")
CostPanel(cost_table)

# %% tags=["nbval-ignore-output"]
arrays = retriever.to_arrays()
of_one = sum(value.size for name, value in arrays.items() if name.startswith("signatures.7."))
axes_size = sum(value.size for name, value in arrays.items() if name.startswith("axes"))
module_bytes = ends(record).query("method == 'adapter per skill'")["stored_bytes"].iloc[0] / 3
print(f"numbers per skill: module {module_bytes / 4:,.0f}, signature {of_one:,}")
print(f"stored once: principal components {axes_size:,}, model {model.num_parameters():,}")

# %% [markdown]
# A module has about 99,000 numbers, 8 % of the model. Its signature adds 4,404: four means of 64 numbers, a covariance
# of 64 × 64, four weights, and the distances of 48 held-out questions, which only conformal sets need.
#
# SDFT stores no data and no modules. But to learn the next skill it needs the pretrained weights as its teacher, 5.3 MB
# beside its own. The panel does not count them. Three modules with all signatures are smaller, 1.6 MB, but they grow
# with every skill.
#
# ## Limits of this comparison
#
# - SDFT solves a harder problem: **one** set of weights for everything, without any choice. It needs no retriever, and
#   nothing grows with the number of skills.
# - The retriever has seen the questions of the **known** skills, and the skill of each. It does not store these
#   questions, but it needs them once. Replay needs them too. SFT and SDFT do not.
# - The methods learn from different targets. Modules and SFT imitate the expert's answers. SDFT imitates the answers that
#   the model itself gives when its prompt contains a demonstration. A module that is trained by SDFT was not tried.
#
# ## What to remember
#
# - Modules with retrieval keep the known skills. SDFT needs no choice of a module, but it must keep the pretrained
#   weights to learn the next skill. Which one is better depends on how easily the questions of different skills can be
#   separated.
# - With separate modules, look at two numbers: how often the right module is retrieved, and how often it answers right.
# - Count the independent runs. Ten runs with five seeds can be one result that is seen twice.
#
# **What would change your mind?** If modules had kept less of the known skills than SDFT, separate modules would have
# no advantage. If reuse helped with the letters, and shuffled units did not, the content of the earlier units would be
# useful.
#
# ## Try it yourself
#
# In the cell with one module, set `steps=50`. Is the skill learned? Do the known answers change?
#
# ## Limits
#
# There is one small pretrained model and a made-up village, with 48 test questions for each skill. Intervals over seeds
# show the variation of training only. The retriever has no seed: it depends only on the pretrained model and on the
# questions. The learning rate was chosen in the first order with one seed. The penalty's weight (0.03) and the layer were
# chosen on validation questions of the same order. The stored runs of the composed modules and those of lesson 08 were
# made at different times. Each tested fact is also in a training question, in another phrase.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
