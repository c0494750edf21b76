# %% [markdown]
# # Retrieval of language skills
#
# > **Claim you can check:** a few Gaussian clusters of hidden states find the skill of a question, without a trained
# > retriever. This is easy if the skills have different kinds of questions. It also works for new and known *facts*,
# > which are asked for in the same words, but only because the retriever recognises the single facts. If a new fact was
# > left out when the signature of the new facts was fitted, more than half of its questions go to the known facts.
#
# | | |
# |---|---|
# | **Objectives** | retrieve the skill of a question by hidden states · see which questions are lost, and why · compare with simpler methods and with controls · test whether a retriever recognises a kind of question or single facts · read conformal sets |
# | **Prerequisites** | [08 Many skills in a row](../08_many_skills.ipynb), [10 Clustered retrieval](../10_clustered_retrieval.ipynb) |
# | **Time** | 40 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |
#
# The second part, [Composed modules for language skills](composition_of_skills.ipynb), trains a module for each skill.

# %%
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import wilson_interval
from workbench.plots import describe, percent, plot_dots

wb.prepare_notebook()

# %%
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier

from workbench.models import load_causal_lm, make_prompt
from workbench.plots.sequences import plot_stages
from workbench.retrieval.classifiers import MomentClassifier
from workbench.retrieval.conformal import ConformalTaskSets
from workbench.retrieval.projections import separations
from workbench.retrieval.prompts import PromptRetriever
from workbench.runs.experiment import stream_of

# %% [markdown]
# ## The skills, and the retriever
#
# In lesson 08 a small language model learned three new skills. The table has these three, and the five skills that it
# knew before:
#
# | skill | a question |
# |---|---|
# | new: `facts-new` | who keeps the red drum ? |
# | new: `tools-new` | can you oil the gate in the cellar ? |
# | new: `letters-new` | put b f g through the loom . |
# | known: `facts-keepers` | who keeps the blue coat ? |
# | known: `facts-events` | who mended the stair after the quake ? |
# | known: `tools-house` | lend the book to finn . |
# | known: `letters-machines` | put f g c through the mirror . |
# | known: `working-jar` | the jar holds 10 . add 3 , then take 2 . how many ? |
#
# Suppose that each new skill has its own module. Then each question needs the right module, and a question on a known
# skill needs none. The choice has two steps:
#
# 1. The **pretrained** model reads the prompt. Its weights never change. The mean of its hidden states after the first
#    layer describes the prompt. Only the 64 most important directions are kept (principal components).
# 2. Each skill has a **signature**: four Gaussian clusters of such descriptions. The skill whose signature gives the
#    highest density is **retrieved**.
#
# No question is stored. A signature has only numbers: means, a covariance, and a few others. Here is the mean hidden
# state of one prompt, written out, before the principal components:

# %%
config = wb.RunConfig(stream="skills", skills=("facts-new", "tools-new", "letters-new"),
                      learner="composed_per_skill", lora_rank=8, items=48)
stream = stream_of(config)
tasks = (*stream.tasks, *stream.old_tasks)
new, known = ([task.name for task in some] for some in (stream.tasks, stream.old_tasks))
model, tokenizer = load_causal_lm("tiny")
question = stream.tasks[0].test.inputs[0]
encoded = tokenizer(make_prompt(tokenizer, question), return_tensors="pt",
                    add_special_tokens=False)
with torch.no_grad():
    layers = model(**encoded, output_hidden_states=True).hidden_states
by_hand = layers[1][0].mean(0).double().numpy()
verdict("the mean hidden state written out here is that of the package.", np.allclose(
    by_hand, PromptRetriever(model, tokenizer, layer=1).states([question])[0], atol=1e-5))

# %% [markdown]
# ## To which skill does a question belong?
#
# The retriever must separate known questions from new ones. There are three ways: no signature for the known skills;
# **one** common signature for all five; or **one for each**. A known question that goes to another *known* skill counts
# as right, because the pretrained model answers both. There are 48 test questions per skill.

# %%
def learned(way, layer=1):
    """A retriever that has learned the known skills in one of three ways, and then the new."""
    one = PromptRetriever(model, tokenizer, layer)
    if way != "none":
        one.learn_known([task.train.inputs for task in stream.old_tasks], way == "each")
    for task in stream.tasks:
        one.learn(task.index, task.train.inputs, task.validation.inputs)
    return one


WAYS = {"none": "no known signature", "one": "one for all known skills",
        "each": "one for each known skill"}
retrievers = {way: learned(way) for way in WAYS}
chosen = {way: {task.name: one.choose(task.test.inputs) for task in tasks}
          for way, one in retrievers.items()}

# %% tags=["nbval-ignore-output"]
names, side = new + known, [0, 1, 2, 3, 3, 3, 3, 3]  # the right column of each skill
shares = {way: np.array([np.bincount(np.where(chosen[way][name] < 0, 3, chosen[way][name]),
                                     minlength=4) / 48 for name in names]) for way in WAYS}
right = pd.DataFrame({way: shares[way][range(8), side] for way in WAYS}, names)

# %% tags=["nbval-ignore-output"]
retrieval_figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), sharey=True)
for ax, way in zip(axes, WAYS, strict=True):
    plot_stages(pd.DataFrame(shares[way], names, ["facts", "tools", "letters", "known"]), ax)
    ax.set_title(WAYS[way], fontsize=11)
    ax.set_xlabel("retrieved (%)")
    describe(ax, f"Heat map, {WAYS[way]}. Questions that go to the right column: " + ", ".join(
        f"{name} {percent(share)}" for name, share in right[way].items()) + ".")
wb.show(retrieval_figure)

# %% tags=["nbval-ignore-output"]
ends_of_144 = wilson_interval(144, 144)
verdict(f"all 144 questions on the three new skills go to their own skill, in all three ways (95 % "
        f"interval {percent(ends_of_144[0])} to 100 %). The goal, set before the test, was 95 %.",
        right[:3].min(axis=None) == 1)
verdict("with one signature for all known skills, about half of the known facts go to the new "
        "facts.", 0.35 < right.loc["facts-keepers", "one"] < 0.65)
verdict("with one signature for each known skill, more than 90 % of the questions on every skill "
        "are retrieved correctly.", right["each"].min() > 0.9)

# %% [markdown]
# The left panel shows why the known skills need signatures: without them *every* known question goes to some module.
#
# The four clusters of a signature share one covariance. With one signature for all known skills, this covariance must
# be wide enough for five very different skills. So its density is low, and the narrow signature of the new facts often
# wins. More clusters find more of the known facts. But one signature for each skill finds the most (measured
# beforehand):
#
# | signature of the known skills | known facts found |
# |---|---|
# | 4 clusters | 48 % |
# | 16 clusters | 56 % |
# | 8 clusters, each with its own covariance | 67 % |
# | one signature for each skill | 92 % |
#
# Clusters are found without labels, so they do not match the skills.
#
# ## Which questions are lost?
#
# With known signatures, all lost questions ask who keeps an object. New and known facts are asked for in the same eight
# phrases. Every colour and every object of a new fact also occurs in a known fact. Only the *pair* is new. The cell
# prints the known questions that were taken for new ones with one signature for each known skill. Beside each question
# are the new facts about the same object.

# %% tags=["nbval-ignore-output"]
def facts(questions):
    """The colour and the object of each question about keepers."""
    return [tuple(re.search(r"the (\w+) (\w+)", one).groups()) for one in questions]


keepers = stream.old_tasks[known.index("facts-keepers")]
new_facts, old_facts = (set(facts(one.train.inputs)) for one in (stream.tasks[0], keepers))
for text, choice in zip(keepers.test.inputs, chosen["each"]["facts-keepers"], strict=True):
    if choice == 0:
        colour, thing = facts([text])[0]
        print(f"  {text:40s} new facts about a {thing}: "
              f"{', '.join(sorted(one for one, other in new_facts if other == thing))}")

# %%
verdict(f"no fact is in both skills ({len(new_facts)} new, {len(old_facts)} known). Every colour "
        "and every object of the new facts also occurs in known facts.",
        not new_facts & old_facts and all({fact[i] for fact in new_facts} <= {
            fact[i] for fact in old_facts} for i in (0, 1)))

# %% [markdown]
# Two skills are easily confused if their distance is small. We fit one covariance for all skills. The **Mahalanobis
# distance** $\Delta$ between two means is their distance in standard deviations of this covariance. Suppose that both
# skills were exactly Gaussian with this covariance, and equally frequent. Then even the best rule would choose the wrong
# skill for a share $\Phi(-\Delta/2)$ of the questions. ($\Phi$ is the distribution function of the standard normal
# distribution.) This share is the *expected error*, a column of the folded table. Even random groups of questions have
# means that are a little apart. So, for comparison, the grey marks are the distance to the nearest skill after the
# skills of the questions were shuffled.

# %%
def together(part):
    """The states of all skills after the first layer, and the skill of each."""
    own = [getattr(task, part).inputs for task in tasks]
    return (retrievers["each"].states([text for texts in own for text in texts]),
            np.repeat(names, [len(texts) for texts in own]))


states, skill_of = {}, {}
for part in ("train", "validation", "test"):
    states[part], skill_of[part] = together(part)
projected = {part: retrievers["each"].project(values) for part, values in states.items()}
shuffled = np.random.default_rng(0).permutation(skill_of["train"])
apart, pair_bound, _ = separations(projected["train"], skill_of["train"])
by_chance = separations(projected["train"], shuffled)[0]

# %% tags=["nbval-ignore-output"]
nearest = {name: apart[name].drop(name).idxmin() for name in names}
near = pd.DataFrame({name: {
    "nearest skill": other, "distance": round(apart.loc[name, other], 1),
    "if shuffled": round(by_chance[name].drop(name).min(), 1),
    "expected error": f"{100 * pair_bound.loc[name, other]:.2g} %"}
    for name, other in nearest.items()}).T

# %% tags=["nbval-ignore-output"]
near_ax = plt.subplots(figsize=(8, 3.6))[1]
near_ax.plot(near["distance"], range(8), "o", color="#0072B2", label="distance", ms=8)
near_ax.plot(near["if shuffled"], range(8), "X", color="#777777", label="if shuffled", ms=8)
near_ax.set(xlabel="distance to the nearest skill (standard deviations, log scale)",
            xscale="log", ylim=(7.5, -0.5), yticks=range(8),
            yticklabels=[f"{name} – {other}" for name, other in nearest.items()])
near_ax.set_xticks(ticks := [0.5, 1, 2, 5, 10, 20, 40], ticks)
near_ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
wb.show(describe(near_ax, "Dots, distance to the nearest skill: " + "; ".join(
    f"{name} {row['distance']} ({row['nearest skill']}), if shuffled {row['if shuffled']}"
    for name, row in near.iterrows()) + "."))
wb.show_numbers(near, "the nearest skill of each skill")

# %%
verdict("new and known facts are nearer to each other than any other two skills.",
        apart.loc["facts-new", "facts-keepers"] == apart.where(apart > 0).min(axis=None))

# %% [markdown]
# The distance between new and known facts is 1.9, two to three times that of shuffled skills. For tools (3.8) and
# letters (4.4) it is more than four times that of shuffled skills. So a rule with one common covariance must confuse
# many new facts with known facts. Our signatures do better because each skill has its *own* covariance.
#
# ## Do simpler methods do as well?
#
# All methods in the figure get the same questions. The rows are:
#
# - *signatures*, layer 0, 1 or 4: descriptions from this layer; layer 0 is the word embeddings. *One cluster*: layer
#   1, with one Gaussian per skill in place of four;
# - *NCM* chooses the nearest mean. *SLDA* uses one covariance for all skills. *RanPAC* is a ridge regression on random
#   features. All three get the hidden states of layer 1, without principal components;
# - *words*: the chooser of lesson 08. It finds the stored question with the most similar words and takes its skill (TF-IDF:
#   rare words count more than frequent words). *Words and pairs* also uses pairs of neighbouring words;
# - *control*: signatures that are fitted after the labels of all eight skills were shuffled.
#
# The intervals are Wilson's: over 48 questions for one kind of facts, over 96 for both, and over 288 for the other skills.

# %%
def skills_of(numbers):
    """Names of retrieved skills; the numbers of known ones are negative."""
    return np.array([new[k] if k >= 0 else known[-1 - k] for k in numbers])


test_texts = [text for task in tasks for text in task.test.inputs]
train_texts = [text for task in tasks for text in task.train.inputs]
of_layers = {1: retrievers["each"], 0: learned("each", 0), 4: learned("each", 4)}
found = {f"signatures, layer {i}": skills_of(one.choose(test_texts))
         for i, one in of_layers.items()}
ours = retrievers["each"].retriever
found["signatures, one cluster"] = clone(ours).set_params(signature__clusters=1).fit(
    projected["train"], skill_of["train"]).predict(projected["test"])
found |= {rule: MomentClassifier(rule.lower()).fit(states["train"], skill_of["train"]).predict(
    states["test"]) for rule in ("NCM", "SLDA", "RanPAC")}

# %%
for n, name in ((1, "words (lesson 08)"), (2, "words and pairs")):
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, n)).fit(train_texts)
    found[name] = KNeighborsClassifier(1, metric="cosine").fit(
        words.transform(train_texts), skill_of["train"]).predict(words.transform(test_texts))
found["control: skills shuffled"] = clone(ours).fit(projected["train"], shuffled).predict(
    projected["test"])

# %%
FACTS = ["facts-new", "facts-keepers"]
GROUPS = {"both kinds of facts": FACTS, "new facts": FACTS[:1], "known facts": FACTS[1:],
          "other six skills": [name for name in names if name not in FACTS]}
found_share = {group: {} for group in GROUPS}
for name, skills in found.items():
    correct = pd.Series((skills == skill_of["test"]) | (
        np.isin(skills, known) & np.isin(skill_of["test"], known)))
    by_skill = correct.groupby(skill_of["test"]).mean()
    for group, own in GROUPS.items():
        mean, count = by_skill[own].mean(), 48 * len(own)
        found_share[group][name] = mean, *wilson_interval(round(count * mean), count)

# %% tags=["nbval-ignore-output"]
found_figure, found_axes = plt.subplots(1, 2, figsize=(11.5, 5.4))
for ax, pair in zip(found_axes, (("both kinds of facts", "other six skills"),
                                 ("new facts", "known facts")), strict=True):
    plot_dots({group: found_share[group] for group in pair}, ax, "",
              "questions whose skill is found (%)")
wb.show(found_figure)
wb.show_numbers(pd.DataFrame(found_share), "ten methods, questions whose skill is found",
                lambda share: "{} ({} to {})".format(*map(percent, share)))

# %%
table = pd.DataFrame(found_share["both kinds of facts"], ["mean", "low", "high"]).T
main = table.loc["signatures, layer 1"]
verdict("signatures find more of the questions on facts than the words of lesson 08, NCM, SLDA and "
        "RanPAC. But they have no clear lead over pairs of words or over one cluster.",
        main["low"] > table.loc[["words (lesson 08)", "NCM", "SLDA", "RanPAC"], "mean"].max()
        and table.loc[["words and pairs", "signatures, one cluster"], "high"].min() > main["mean"])

# %% tags=["nbval-ignore-output"]
rng, of_new = np.random.default_rng(1), [np.isin(skill_of[part], new) for part in ("train", "test")]
own_rows, own_skills = projected["train"][of_new[0]], skill_of["train"][of_new[0]]
by_guess = np.mean([clone(ours).fit(own_rows, rng.permutation(own_skills)).score(
    projected["test"][of_new[1]], skill_of["test"][of_new[1]]) for _ in range(20)])
verdict(f"second control, new skills only: if their labels are shuffled, {percent(by_guess)} of "
        "the questions get the right skill (mean of 20 shuffles). A guess among three gives 33 %.",
        0.22 < by_guess < 0.42)

# %% [markdown]
# - **Four clusters are no better than one.** The gain over SLDA comes from a covariance for each skill. It does not
#   come from the 64 principal components: with them, SLDA finds 74 % of both kinds of facts (measured beforehand).
# - **Pairs of words do as well on facts.** It is enough that a stored question contains the two words of the fact, such
#   as *red drum*. But the training questions must be stored. A signature stores no question, but the model has to read
#   each prompt once more. On the other six skills, words and pairs find 94 %, and signatures 100 %.
# - **The first layer is the best of the three.** Word embeddings (layer 0) contain words but no pairs. In the last layer
#   new and known facts are mixed. Layer and number of components were chosen on validation questions.
# - **The controls know nothing about skills**, and find no more than a guess. With all eight skills shuffled, most
#   questions go to a known skill, because most labels are known skills. This is why the control finds 79 % of the known
#   facts and 8 % of the new ones.
#
# ## Does it recognise the *kind* of question, or the facts?
#
# Each test question on facts asks for a fact that also occurs in a training question, in another phrase. This is fair,
# because a fact that was never taught cannot be answered. But it does not show that the retriever can distinguish *new
# facts* from *known facts* as kinds of facts. So we fit the signature of a skill without one sixth of its facts, and test
# on questions about these facts. We do this six times, so that each fact is left out once.

# %% tags=["nbval-ignore-output"]
def without_their_facts(skill):
    """Share of questions whose skill is found if their facts are left out of its signature."""
    own, right_side = np.flatnonzero(skill_of["train"] == skill), []
    asked = np.array([" ".join(fact) for fact in facts([train_texts[i] for i in own])])
    for out in np.array_split(np.random.default_rng(0).permutation(np.unique(asked)), 6):
        left = own[np.isin(asked, out)]
        fitted = clone(ours).fit(np.delete(projected["train"], left, axis=0),
                                 np.delete(skill_of["train"], left))
        right_side += list(fitted.predict(projected["train"][left]) == skill)
    return np.mean(right_side)


# %% tags=["nbval-ignore-output"]
unseen = [without_their_facts(skill) for skill in ("facts-new", "facts-keepers")]
verdict("if a fact was left out of the signature of its skill, the right skill is found for {} of "
        "the questions on new facts, and for {} of those on known facts. The mean is {}; a guess "
        "gives 50 %. So the retriever recognises single facts, and hardly the kind of fact.".format(
            *map(percent, [*unseen, np.mean(unseen)])), unseen[0] < 0.5 and np.mean(unseen) < 0.65)

# %% [markdown]
# The share for known facts is still high, but this does not show that the kind is recognised. If a fact was left out,
# 59 % of the questions on *new* facts go to the known facts too.
#
# Tools and letters are different. Their test questions have combinations that no training question has, and all are
# found. These skills have words of their own, such as *loom*. In this made-up village, different kinds of questions look
# very different. This is the main reason why retrieval is easy here.
#
# ## How certain is a choice?
#
# A **conformal set** (lesson 10) contains all skills to which a question may belong. The validation questions
# are held out, 48 per skill: no signature is fitted to them. We ask that the set contains the right skill in at least
# 90 % of the cases. The possible p-values are 1/49, 2/49, ..., 49/49, and only the first four are at most 0.1. So the
# theory gives $1-4/49=92$ %. How many skills are in a set?

# %%
rows = np.concatenate([projected["train"], projected["validation"]])
owner = np.concatenate([skill_of["train"], skill_of["validation"]])
with_held_out = clone(ours).fit(rows, owner, np.arange(len(rows)) >= len(train_texts))
order_of_names = list(with_held_out.classes_)
task_sets = ConformalTaskSets(dict(zip(order_of_names, with_held_out.held_out_, strict=True)))
members = pd.DataFrame(task_sets.predict(with_held_out.distances(projected["test"]), alpha=0.1),
                       columns=order_of_names)[names]
in_set = members.groupby(skill_of["test"]).mean().loc[names]
coverage, size = np.diagonal(in_set), in_set.sum(axis=1)

# %% tags=["nbval-ignore-output"]
set_figure, set_ax = plt.subplots(figsize=(9.5, 3.9))
plot_stages(in_set.set_axis([f"{name} (mean size {size[name]:.2f})" for name in names]).rename(
    columns=lambda name: name.replace("-", "-\n")), set_ax, "sets that contain a skill (%)")
set_ax.set_ylabel("questions on")
listed = ", ".join(f"{name} {percent(share)}" for name, share in zip(names, coverage, strict=True))
wb.show(describe(set_ax, "Heat map, skills in conformal sets. Sets with the right skill: "
    f"{listed}. " + ", ".join(f"Sets of {one} with {other}: {percent(in_set.loc[one, other])}"
    for one, other in (("facts-new", "facts-keepers"), ("tools-new", "tools-house"))) + "."))
verdict(f"the sets contain the right skill for {percent(coverage.mean())} of the questions. About "
        "three quarters of the sets of new facts also contain the known facts.",
        0.88 < coverage.mean() < 0.97 and 0.6 < in_set.loc["facts-new", "facts-keepers"] < 0.9)

# %% [markdown]
# Retrieval gives only the best skill. For new facts it was right in 48 of 48 cases. The set shows how certain this choice
# is. If a set contains both the new and the known facts, the honest answer is "one of these two skills", and a system
# could ask the user. New tools are similar: 56 % of their sets also contain `tools-house`.
#
# (The guarantee of 92 % is an average over all possible held-out questions, as in lesson 10. It does not hold exactly
# here, because the layer was chosen on the same validation questions.)
#
# ## What to remember
#
# - Hidden states of the pretrained model separate kinds of questions, without a trained retriever.
# - Ask which questions the retriever has *not* seen. New facts are found because the same facts were seen in other
#   phrases.
# - Two skills that differ only in pairs of words are harder to separate. The distance between them is small, and
#   conformal sets show for which questions both skills are possible.
#
# **What would change your mind?** If shuffled skills had been retrieved more often than by chance, the fit would have
# used information from the test. If most new facts that were left out had gone to the right skill, the retriever would
# recognise the kind of fact.
#
# ## Try it yourself
#
# - `learned("each", layer=2)`: which questions are lost in the second layer?
# - `skills_of(retrievers["each"].choose(["who keeps the red loom ?"]))`: nobody keeps this object. Which skill is
#   retrieved?
# - Ask for sets with 97 %: `task_sets.predict(with_held_out.distances(projected["test"]), alpha=0.03)`. How many
#   skills are in a set?
#
# ## Limits
#
# There is one small pretrained model and a made-up village, with 48 test questions for each skill. The retriever has no
# seed: it depends only on the pretrained model and on the questions. Layer and number of components were chosen on
# validation questions. The retriever has seen the questions of the **known** skills, and the skill of each, but it does
# not store these questions. Each tested fact is also in a training question, in another phrase.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
