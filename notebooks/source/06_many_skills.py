# %% [markdown]
# # 6. Many skills in a row
#
# > **Claim you can check:** taught three skills one after the other, a model that learns from itself ends
# > with three quarters of them or more, in any order, and two thirds of what it knew, and stores no old data;
# > plain fine-tuning loses every earlier new skill. Of what pretraining taught, self-distillation loses mainly
# > what is asked in nearly the same words as the new skill. Separate adapters forget nothing as long as
# > somebody says which to use.
#
# | | |
# |---|---|
# | **Objectives** | watch skills be learned and lost in a row · read the stage-by-task matrix of a language model · compare methods by one rule for all · say what each costs to train, to keep and to maintain · decide which you would deploy |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb); the measures of [02](02_measuring_retention.ipynb) |
# | **Time** | 40 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import check
from workbench.experiment import make_learner, stream_of
from workbench.intervals import seed_interval
from workbench.learners.fit import fit, make_optimizer
from workbench.metrics import AccuracyMatrix
from workbench.models.loading import SHIPPED
from workbench.plots import percent, percent_over_seeds
from workbench.sweeps import load_sequences
from workbench.tasks import load_skill, spread

wb.prepare_notebook()

# %%
record = load_sequences()
orders = list(dict.fromkeys(run.skills for run in record))
first, methods = orders[0], list(dict.fromkeys(run.method for run in record))
for order in orders:
    print(" → ".join(order))


def of(method, order=first):
    """The recorded runs of a method in an order, one per seed."""
    return [run for run in record if run.method == method and run.skills == order]


# %% [markdown]
# ## Skill after skill
#
# A model in use is taught again and again: this month new facts, next month new functions to call. Nobody
# wants to train on everything anew each time. So: three new skills of the village, one after the other,
# 120 steps each. After each, the model is asked about **all** of them, and about the five that it knew.
# Fine-tuning first, live, on two of the skills (and asked a third of the record's 48 questions each). A column
# is a stage.

# %%
live = wb.run(wb.RunConfig(stream="skills", skills=first[:2], learner="sft", lr=of("sft")[0].lr,
                           steps=120, items=16, clip=1.0))
stages = ["before", *(f"after {skill}" for skill in first[:2])]
rows = np.concatenate([np.vstack([live.baseline[0], live.accuracy[0]]), live.watched[0]], axis=1)
print(pd.DataFrame([[percent(value) for value in row] for row in rows], index=stages,
                   columns=[*first[:2], *live.watched_names]).T.to_string())

# %%
stored = of("sft")[0]
assert stored.seed == 0
assert np.allclose(stored.new[1:3, :2], live.accuracy[0], atol=0.15)
assert np.allclose(stored.old[1:3].mean(1), live.watched[0, 1:].mean(1), atol=0.15)
assert live.accuracy[0, 0, 0] > 0.8 and live.accuracy[0, 1, 0] < 0.2
print("Verdict: the first skill is gone after the second, and what was just trained agrees with "
      "the first two stages of the record.")

# %% [markdown]
# ## The record
#
# Nine methods, five seeds, most in three orders: `scripts/sequence_skills.py` made the record in some four
# hours. Each method got the same 120 steps a skill and the same three learning rates (adapters
# four larger ones, as at these they learned nothing); its rate was chosen on *validation* items of the first
# order, with another seed, by a rule like that of notebook 05: of the rates at which the skills are learned
# (95 % on average, each in its stage) the one that ends with most of everything, new and known; where they
# are learned at none, the one that ends with most of the new.
#
# **LoRA** adapters (*adapter per skill*) are small matrices added to each of the model's; they alone are trained,
# by SFT, one set a skill, and the method is *told* which to use. *replay* stores 32 examples of each skill,
# the known ones included, and gives them half of the loss. SDFT's teacher is the pretrained model throughout,
# that of *sdft, stage teacher* the student as it was when the skill began. Choose an order, and tick methods
# (lines are means, dots are seeds):

# %%
from workbench.widgets import SkillRetention

retention = SkillRetention(record, ["sft", "sdft", "replay", "adapter per skill"])
retention

# %% [markdown]
# ## What was learned, and what became of it
#
# `AccuracyMatrix` of notebook 02 takes language models as it took digits. *Learned* is the learning accuracy,
# the mean accuracy on each skill right after its own stage: what was never learned cannot be forgotten, and
# should not look as if it had been. ACC is the mean accuracy on the three at the end, BWT what became of a
# skill since it was learned, *known* the share kept of the five skills from before.


# %%
def summary(order):
    """The measures of each method in an order."""
    rows = {}
    for method in methods:
        runs = of(method, order)
        matrix = AccuracyMatrix([run.new[1:] for run in runs])
        rows[method] = {"learning rate": f"{runs[0].lr:g}",
                        "learned": percent_over_seeds(matrix.learning_accuracy()),
                        "ACC": percent_over_seeds(matrix.average_accuracy()),
                        "BWT": percent(np.mean(matrix.backward_transfer())),
                        "known": percent_over_seeds([run.kept[-1] for run in runs])}
    return pd.DataFrame(rows).T


print(summary(first).to_string())


# %%
def at_the_end(method, order=first):
    """Mean accuracy on the three new skills at the end, per seed."""
    return np.array([run.new[-1].mean() for run in of(method, order)])


gap = at_the_end("sdft") - at_the_end("sft")  # of the same seed
low, high = seed_interval(gap)
print(f"SDFT knows more of the three than SFT by {100 * gap.mean():.0f} points "
      f"({100 * low:.0f} to {100 * high:.0f}), paired over five seeds")
assert at_the_end("sdft").mean() >= 0.8 and at_the_end("sft").mean() <= 0.4 and low > 0.3
assert max(run.new[-1, :2].max() for run in of("sft")) < 0.1
assert abs(at_the_end("sft_own_voice").mean() - at_the_end("sdft").mean()) < 0.1
assert max(run.new[:, 1:].max() for run in of("rl")) < 0.05
print("Verdict: SDFT ends with four fifths of the three; SFT has lost the first two whole.")

# %% [markdown]
# Mind *learned*: in 120 steps SFT mostly does not learn the letters at all. The expert says the same letters
# in some fifteen words of his own, and it learns those first. What it had before is gone all the same, as the
# tools show, which it learns at once.
#
# Replay and the adapters learn the letters with some seeds and not with others (look at the dots: no seed
# stands where the mean does). *sft_kl* loses each skill at the next, as SFT does. *rl* is never
# once rewarded for a request or for letters, and learns a quarter of the facts: it keeps what was known
# because it learned next to nothing. And *sft_own_voice*, the oracle, ends where SDFT does, so that here too what
# counts most is whose manner is imitated (more on that below). Does SDFT, which stores no data, fall behind replay, which does?

# %%
for name, each in {"new skills": lambda run: run.new[-1].mean(),
                   "known": lambda run: run.kept[-1]}.items():
    sdft, replay = (np.array([each(run) for run in of(method)]) for method in ("sdft", "replay"))
    low, high = seed_interval(sdft - replay)
    print(f"{name}: SDFT minus replay {100 * (sdft - replay).mean():+.0f} points "
          f"({100 * low:+.0f} to {100 * high:+.0f}), paired")
assert at_the_end("sdft").mean() > at_the_end("replay").mean() - 0.1
print("Verdict: on the new skills SDFT is not behind by more than ten points; on the known ones "
      "replay keeps more, which is what its examples are of.")

# %% [markdown]
# ## What goes
#
# Every skill after each stage, a column a stage:

# %%
known = live.watched_names


def by_stage(method, order=first):
    """Mean accuracy over seeds: a row per skill, new and known; a column per stage."""
    runs = of(method, order)
    values = np.hstack([np.mean([run.new for run in runs], axis=0),
                        np.mean([run.old for run in runs], axis=0)])
    return pd.DataFrame(values.T, index=[*order, *known], columns=["before", *order])


for method in ("sft", "sdft"):
    print(method)
    print(by_stage(method).map(percent).to_string(), end="\n\n")

# %%
sibling = {"facts-new": "facts-keepers", "tools-new": "tools-house",
           "letters-new": "letters-machines"}
for order in orders:
    lost = -by_stage("sdft", order).loc[known].diff(axis=1)
    for skill in order:
        assert lost[skill].idxmax() == sibling[skill] and lost[skill].nlargest(2).iloc[1] < 0.15
print("Verdict: of what pretraining taught, each new skill costs SDFT its sibling and little else, "
      "in every order.")

# %% [markdown]
# New keepers cost old keepers, a new machine the old machines, new functions the old functions: things that
# are asked for in the same words and answered from the same place. SFT loses the nearest first too, and the
# rest at the next stage; the arithmetic stays longest.
#
# What was learned *since* is less safe. Letters have nothing in common with requests, cost *tools-house* nothing,
# and take some 40 points of *tools-new*. One suspect is the teacher: the pretrained model never knew those
# functions, and moves its student towards itself. Then a teacher that does know them, the student as it was
# when the skill began, should keep more.

# %%
print(pd.DataFrame({method: by_stage(method).iloc[:, -1].map(percent)
                    for method in ("sdft", "sdft, stage teacher")}).to_string())
gap = at_the_end("sdft, stage teacher") - at_the_end("sdft")
low, high = seed_interval(gap)
print(f"three new skills, stage minus frozen teacher: {100 * gap.mean():+.0f} points "
      f"({100 * low:+.0f} to {100 * high:+.0f}), paired")
assert abs(gap.mean()) < 0.1
print("Verdict: a teacher that knows the earlier skills makes no difference of ten points to them.")

# %% [markdown]
# So the suspect is innocent. It could have been told beforehand: a teacher is only ever asked about the *new*
# questions, and what it knows of others is never said. (Of what pretraining taught, its student even loses
# more: each teacher passes on what it has itself lost.) Perhaps what was learned in 120 steps is just less
# settled than what thousands of steps of pretraining taught; that was not tested. Either way self-distillation
# narrows forgetting, and does not end it.
#
# ## Is it the order?
#
# One order is one observation. The mean of the three new skills at the end, in two others:

# %%
for order in orders:
    ends = {method: percent_over_seeds(at_the_end(method, order))
            for method in methods if of(method, order)}
    print(" → ".join(order))
    print(pd.Series(ends).to_string(), end="\n\n")
    assert at_the_end("sdft", order).min() > at_the_end("sft", order).max()
ends = [at_the_end("sdft", order).mean() for order in orders]
assert min(ends) > 0.7 and max(ends) - min(ends) > 0.1
print("Verdict: in every order the worst seed of SDFT is above the best of SFT. The order matters "
      f"all the same: SDFT ends between {percent(min(ends))} and {percent(max(ends))}.")

# %% [markdown]
# What suffers is *tools-new*, wherever it is not last.
#
# ## Its own answers, or the teacher's?
#
# *offline_distill* is SDFT but for one thing: it learns on answers that the teacher wrote, not on its student's. For single
# skills of notebook 05 that made hardly a difference. In a row? And against *sft_own_voice*, the oracle? All three at the same
# rate. SDFT minus each, paired, in points:

# %%
off_policy = ("offline_distill", "sft_own_voice")
assert {run.lr for run in record if run.method in ("sdft", *off_policy)} == {1e-4}
gaps = {}
for order in orders:
    for method in off_policy:
        pairs = list(zip(of("sdft", order), of(method, order), strict=True))
        gaps[" → ".join(order), method] = {
            "new skills": [a.new[-1].mean() - b.new[-1].mean() for a, b in pairs],
            "known": [a.kept[-1] - b.kept[-1] for a, b in pairs]}
print(pd.DataFrame({which: {what: "{:+.0f} ({:+.0f} to {:+.0f})".format(
    100 * np.mean(values), *(100 * end for end in seed_interval(values)))
    for what, values in each.items()} for which, each in gaps.items()}).T.to_string())

# %%
second = " → ".join(orders[1])
for (order, _), each in gaps.items():
    if order == second:
        assert all(seed_interval(values)[0] > 0 for values in each.values())
    else:
        assert all(abs(np.mean(values)) < 0.06 for values in each.values())
print("Verdict: in two orders it makes little difference; in the other, with facts last, who "
      "learns on its own answers ends with more of everything.")

# %% [markdown]
# So here being **on-policy** counts for something at last. At which stage?

# %%
print(pd.concat({method: by_stage(method, orders[1]).iloc[:, 1:].map(percent)
                 for method in ("sdft", "offline_distill")}, axis=1).to_string())

# %% [markdown]
# At the last: after letters and tools both stand equal. Then the facts cost *offline_distill* letters and functions that
# have nothing to do with them, and *SDFT* even gets some of the old functions back. Perhaps a student that has drifted that far
# says other things than its teacher to begin with, and only who learns on what it says itself is corrected there; that was not
# tested, and one order of three is no rule.
#
# ## An adapter for each skill
#
# The other way out: leave the model as it is, and train an adapter for each skill. Nothing is overwritten: that
# the tables above show no loss is by construction. Here is one of them, live, for the first skill; ask
# everything with it and without it.

# %%
config = wb.RunConfig(stream="skills", skills=first[:1], learner="adapter_per_skill",
                      scenario="task", lora_rank=8, lr=of("adapter per skill")[0].lr, steps=120,
                      items=16, clip=1.0)
stream = stream_of(config)
learner, task = make_learner(config, stream), stream.tasks[0]
learner.begin(task)
for _ in fit(learner, task, make_optimizer(learner, config.lr), steps=config.steps,
             batch_size=config.batch_size, clip=config.clip):
    pass
learner.end(task)

# %%
tasks = (task, *stream.watched)


def right(task, adapter):
    """Which answers are right on a task's test items, asked with an adapter (None: without)."""
    given = learner.predict(task.test.inputs, adapter)
    return stream.right(given, task.test, 0, task.index)[0].numpy()


answers = {name: {task.name: right(task, adapter) for task in tasks}
           for name, adapter in (("without", None), ("with it", 0))}
print(pd.DataFrame({name: {task: percent(each.mean()) for task, each in row.items()}
                    for name, row in answers.items()}).to_string())

# %%
new, *old = (task.name for task in tasks)
assert answers["with it"][new].mean() > 0.7 and answers["without"][new].mean() < 0.2
lost = np.mean([answers["without"][name].mean() - answers["with it"][name].mean() for name in old])
sft = 1 - of("sft")[0].kept[1]
assert lost > max(0.2, sft - 0.1)
print(f"Verdict: with its adapter the model knows the skill, and {100 * lost:.0f} points less of "
      f"the rest; SFT of all weights loses {100 * sft:.0f} at this stage. But it can be taken off.")

# %% [markdown]
# Keeping adapters apart does not undo forgetting, it hides it behind a choice, and somebody must choose.
# A simple chooser: which training question is most like this one, by its words? It has to tell three new
# skills, and what needs no adapter, apart.

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier

skills = (*first, *old)
asked = [(item.prompt, skill if skill in first else "none")
         for skill in skills for item in load_skill(skill, "train")]
words = TfidfVectorizer(token_pattern=r"\S+").fit([prompt for prompt, _ in asked])
chooser = KNeighborsClassifier(1, metric="cosine").fit(
    words.transform([prompt for prompt, _ in asked]), [who for _, who in asked])
chosen = {skill: chooser.predict(words.transform([item.prompt for item in
                                                  spread(load_skill(skill, "test"), 48)]))
          for skill in skills}
table = pd.DataFrame({skill: {who: percent((each == who).mean()) for who in (*first, "none")}
                      for skill, each in chosen.items()}).T
print(table.rename_axis("chosen for questions on").to_string())

# %%
correct = {skill: (each == (skill if skill in first else "none")).mean()
           for skill, each in chosen.items()}
worst = min(correct, key=correct.get)
assert np.mean(list(correct.values())) > 0.8 and worst == "facts-new"
print(f"Verdict: the words alone choose right in {percent(np.mean(list(correct.values())))} of the "
      f"questions; worst on {worst}, {percent(correct[worst])}.")

# %% [markdown]
# (To say *none* always would be right in five eighths.) It fails between new and old keepers, which differ in
# the thing asked about, two words. Functions and machines have names of their own, so that it tells those
# apart, where SDFT does not. Mind that it keeps the training questions, old ones too. The lessons on
# retrieval ask how a chooser should do better.
#
# ## What each costs
#
# *Stored* is what must be kept beside the model itself after three skills: examples, or adapters. Methods that
# look back at the **pretrained** weights, as a teacher or an anchor, must keep those too, unless they train
# adapters on top of them. *Seconds* were measured with two runs at a time on two cores, and the same work
# varied from 74 to 131; `make bench` measures a step properly. Replay reads twice as many examples a step.

# %%
needs = {
    "sft": "demonstrations",
    "sdft": "demonstrations, a model that can read them, and its pretrained weights",
    "sdft, stage teacher": "demonstrations, and a model that can still read them",
    "replay": "demonstrations, and the old data",
    "offline_distill": "demonstrations, a model that can read them, and its pretrained weights",
    "sft_own_voice": "demonstrations rewritten in the model's voice: an oracle",
    "adapter per skill": "demonstrations, and at every question the name of its skill",
    "rl": "a reward, and right answers to reward now and then",
    "sft_kl": "demonstrations, and the pretrained weights",
}
rows = {}
for method in methods:
    runs = of(method)
    rows[method] = {"stored (kB)": f"{np.mean([run.stored_bytes for run in runs]) / 1000:.0f}",
                    "seconds": f"{np.median([run.seconds for run in runs]):.0f}",
                    "ACC": percent(at_the_end(method).mean()), "needs": needs[method]}
print(pd.DataFrame(rows).T.to_string())
size = (SHIPPED["tiny"] / "model.safetensors").stat().st_size
print(f"the pretrained weights: {size / 1000:.0f} kB")

# %% [markdown]
# ## Which would you deploy?
#
# There is no winner without a situation. Decide for each of these, then open the answer.
#
# 1. A shop's assistant learns new products every week. Last month's data may be kept.
# 2. The same, but customers' data must be deleted after training.
# 3. Five customers, five separate skills, and every request says whose it is.
# 4. A model so small that it cannot use a demonstration in its prompt.
#
# <details><summary>What the measurements say</summary>
#
# 1. Replay keeps most of what was known, thanks to its examples; SDFT learns the new more reliably in as many
# steps, and loses siblings. With data that may be kept: replay, with more steps, or SDFT with examples
# mixed in (not measured here). 2. SDFT: it keeps no data, only the pretrained weights. Adapters keep no data either.
# 3. An adapter each: the name comes with the request, nothing is forgotten, and one can be withdrawn. Without
# the name you maintain a chooser too. 4. Not SDFT: the gate says so before any training (notebook 04). Replay or
# adapters, though neither was tried on a model that small here.
# </details>
#
# {{exercise choose_point}}

# %%
def choose_point(new, kept, enough):
    ...


check("choose_point", choose_point)

# %% [markdown]
# {{solution choose_point}}
#
# **What would change your mind?** If SFT had ended as high in another order, the order would be the cause.
# If replay had learned as reliably and kept its lead on what was known, storing data would be worth its price.
# If the chooser had always said *none*, adapters would not be an option without labels.
#
# ## Try it yourself
#
# - `workbench run --stream skills --skills working-new tools-new --learner sdft --lr 3e-4 --steps 120
#   --clip 1`: does it hold for skills with long answers?
# - `wb.run(wb.RunConfig(stream="skills", skills=first, learner="replay", lr=1e-3, steps=120, items=24, clip=1.0,
#   options={"per_skill": 4}))`: with how few examples does replay still keep more of what was *known* than SDFT?
# - Which adapter would the chooser put on? Ask the live adapter's questions through it, and measure what is
#   right from end to end.
#
# ## Limits
#
# Three short skills of one small world, one pretrained model. Ties and gaps of a few per cent are within
# what another seed of pretraining may move. Rates were chosen in the first order, with one seed; several chose
# the largest or smallest of three. Replay's share and the strength of *sft_kl* were not searched. *rl*,
# *sft_kl* and the stage teacher were measured in the first order only. The chooser's task is easy here, except between siblings.
