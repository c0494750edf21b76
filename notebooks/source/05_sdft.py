# %% [markdown]
# # 5. SDFT: learning from yourself
#
# > **Claim you can check:** a model that is moved to what *it* would say with the demonstration in its
# > prompt learns four of six new skills at least about as well as one that copies the demonstration, and keeps far
# > more of what it knew; on two it fails. On the skill taken apart here the gain comes from *what* is imitated, and
# > not from sampling the student's own answers: controls tell the two apart.
#
# | | |
# |---|---|
# | **Objectives** | write out one SDFT step · compare it with fine-tuning at the same new-skill accuracy · find by controls where the gain comes from · see what the direction of the KL and the choice of teacher do · say when it fails |
# | **Prerequisites** | [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb) |
# | **Time** | 60 minutes to work through, under 1.5 minutes to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import json
import tempfile

import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check
from workbench.measure.completions import complete
from workbench.measure.intervals import seed_interval
from workbench.models import sample
from workbench.plots import percent, percent_over_seeds
from workbench.runs.experiment import make_learner, stream_of
from workbench.runs.studies import RESULTS, at_common_step, ends, load_study, points
from workbench.tasks import load_skill, spread

wb.prepare_notebook()
rng = torch.Generator().manual_seed(0)
model, tokenizer = wb.load_causal_lm("tiny")

# %% [markdown]
# ## The idea in one step
#
# The student is asked; it **samples** an answer. Then the same weights, shown the demonstration, say
# for each word of that answer how likely *they* would have said it. The student is moved towards that
# ([Shenfeld et al., arXiv 2601.19897](https://arxiv.org/abs/2601.19897)):
#
# $$\ell_t = \mathrm{KL}(p_t \,\|\, q_t) = \sum_v p_t(v)\,[\log p_t(v) - \log q_t(v)],$$
#
# $p_t$ the teacher's distribution after *demonstration, question and the answer so far*, $q_t$ the
# student's after *question and the answer so far* (letters as in notebook 04). No word of the
# demonstration is a target as such, and nothing flows back through the sampling. Here is the loss of one step by
# hand, for one question in four phrasings.

# %%
config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft", lr=1e-4, items=24)
learner = make_learner(config, stream_of(config))
learner.begin(stream_of(config).tasks[0])
indices = torch.arange(4)
student = learner.model.models[0]
prompts = learner.read(0, indices)  # the questions alone
ids, mask = learner.rollout(0, indices, prompts)  # the student's answers, sampled at temperature 1

q = prompts.logits(ids, mask)  # after the question alone
p = learner.teacher.logits(0, indices, ids, mask)  # after demonstration and question
each = (p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum(-1)
by_hand = ((each * mask).sum(1) / mask.sum(1)).mean()

for i in range(4):
    said = tokenizer.decode(ids[i][mask[i] == 1], skip_special_tokens=True)
    print(f"{learner.items[i].prompt:40s} student says: {said}")

# %%
from workbench.losses import divergence, per_response

assert torch.allclose(by_hand, per_response(divergence(q, p), mask), atol=1e-6)
by_hand.backward()
moved = sum(float(w.grad.norm()) for w in learner.model.parameters() if w.grad is not None)
assert moved > 0 and not p.requires_grad
print("By hand and by the package the same; the gradient reaches the student and not the teacher.")

# %% [markdown]
# What is the gradient? On the logits of a word it is simply $q - p$: pull down what the student says
# more often than its teacher, push up what it says less often.

# %%
small, target = torch.randn(2, 5, generator=rng)
small.requires_grad_()
divergence(small, target).backward()
assert torch.allclose(small.grad, small.softmax(0) - target.softmax(0), atol=1e-6)
print("gradient on the logits = student's probabilities - teacher's probabilities")

# %% [markdown]
# {{exercise sdft_loss}}

# %%
def sdft_loss(teacher_logits, student_logits, mask):
    ...


check("sdft_loss", sdft_loss)

# %% [markdown]
# {{solution sdft_loss}}
#
# ## Where in an answer is the loss?
#
# Choose a question, and sample an answer. Each word is coloured by its loss; below, what student and
# teacher think comes next, here at the fourth word, the name. All of the loss sits there. Then set *shown in the
# prompt* to **nothing**: two equal prompts and equal weights, so the loss is exactly 0, however wrong the answer.

# %%
from workbench.widgets import TeacherExplorer

items = load_skill("facts-new", "train")[:24]
TeacherExplorer(model, tokenizer, {"facts-new": items}, {"before training": model})

# %%
from workbench.measure.comparison import compare

asked = items[0].prompt
loss = {name: compare(model, model, tokenizer, asked, demonstration, along="sample").loss
        for name, demonstration in (("own", items[0].demonstration), ("none", ""))}
assert loss["own"].argmax() == 3 and loss["own"][3] > 0.9 * loss["own"].sum()
assert (loss["none"] == 0).all()
print("Verdict: the loss sits on the name; without context it is 0 at every token, and there is "
      "nothing to learn.")

# %% [markdown]
# ## SFT beside SDFT
#
# Now each of them live, on the keepers of 24 things that the model has never heard of. There are 96 questions to
# train on, each fact in four phrasings, and the *new skill* is tested on the same facts in other phrasings. Both see the same
# questions in the same order, 32 a step, at the learning rates that a search on validation items chose for
# each (below): SFT for the 120 steps that the search chose, 40 times through the questions; SDFT to save time for
# 60 of its 100, where the record was measured too (98 % new, 90 % kept, as at the end).

# %%
one_skill = points(load_study("one_skill"))  # a row per look at a run, a column per measure
searched, compared = (one_skill[one_skill["part"] == part] for part in ("validation", "test"))
tuned, facts = (study.query("order == 'facts-new'") for study in (searched, compared))
stored = facts.query("seed == 0 and step > 0").set_index(["method", "step"])
budget = {"sft": int(stored.loc["sft"].index[-1]), "sdft": int(stored.loc["sdft"].index[0])}
rate = {method: float(stored.loc[method]["rate"].iloc[0]) for method in budget}
print(pd.DataFrame({"learning rate": {method: f"{lr:g}" for method, lr in rate.items()},
                    "steps": budget}, dtype=object).to_string())


def train(learner, lr, steps, out=None, **settings):
    """Train one seed, as the record was made, but ask a third as many questions."""
    return wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner=learner, lr=lr,
                               steps=steps, items=16, clip=1.0, **settings), out=out)


folder = tempfile.TemporaryDirectory()
live = {method: train(method, rate[method], steps, f"{folder.name}/{method}")
        for method, steps in budget.items()}

# %%
from workbench.measure.comparison import retention

known = list(live["sft"].old_names)
known_before = live["sft"].old_accuracy[0, 0]
abilities = {"before": {"new skill": live["sft"].baseline[0, 0]}
             | dict(zip(known, known_before, strict=True))}
for method, record in live.items():
    known_after = record.old_accuracy[0, 1]
    abilities[method] = {"new skill": record.accuracy[0, 0, 0],
                         "retention": retention(known_before, known_after)} | dict(
        zip(known, known_after, strict=True))
columns = ["new skill", *known, "retention"]
print(pd.DataFrame(abilities).T[columns].map(percent).replace("not defined", "").to_string())

# %% [markdown]
# *Kept* is accuracy after over accuracy before, the mean over the five known skills; above 100 % if they have improved.
# Look at *facts-keepers*: the mean hides that SDFT too has lost much of one skill, other things
# asked for in the same words. The rest it keeps nearly whole; SFT has damaged nearly all.
#
# The record that the next section uses has the same runs, asked three times as many questions. Do they agree? Other
# processors round otherwise, so we ask for 15 points, not for equality.

# %%
for method, record in live.items():
    expected = stored.loc[(method, budget[method])]
    assert abs(expected["new"] - record.accuracy[0, 0, 0]) < 0.15
    assert abs(expected["retention"] - retention(*record.old_accuracy[0, :2])) < 0.15
print("Verdict: what was just trained agrees with the record.")

# %% tags=["nbval-ignore-output"]
# What trained models say hangs on the last digits, which differ between processors.
trained = {method: wb.load_causal_lm(f"{folder.name}/{method}")[0] for method in live}


def ask(who, question):
    """The likeliest answer of a model."""
    prompt = learner.ask([question])
    return sample(who, tokenizer, prompt).texts[0]


for skill in ("facts-new", "facts-keepers", "working-jar"):
    item = load_skill(skill, "test")[5]
    print(f"{item.prompt}   (right: {item.answer})\n    before: {ask(model, item.prompt)}")
    for method in live:
        print(f"    {method + ':':7s} {ask(trained[method], item.prompt)}")

# %% [markdown]
# How far did each have to go for that? The gate of notebook 04 compared the teacher with the demonstrations,
# for want of an SFT model that knows as much. Now there is one. Along the pretrained model's own answers to the
# training questions, KL(each ‖ pretrained) per token; and the student's distance from its teacher, KL(teacher ‖
# student):

# %%
from workbench.losses import kl_per_token
from workbench.models.logits import response_logits, take_prompts

every = torch.arange(len(learner.items))
own_ids, own_mask = learner.rollout(0, every, learner.read(0, every))  # before its first step


def per_token(a, b):
    """KL(a || b), the mean over all tokens of the answers."""
    return float((kl_per_token(a, b) * own_mask).sum() / own_mask.sum())


with torch.no_grad():
    pretrained_logits, teacher_logits = (who.logits(0, every, own_ids, own_mask)
                                         for who in (learner, learner.teacher))
    trained_logits = {method: response_logits(who, *take_prompts(learner.prompts, every),
                                              own_ids, own_mask)
                      for method, who in trained.items()}

# %%
far = {name: per_token(logits, pretrained_logits)
       for name, logits in {"teacher": teacher_logits, **trained_logits}.items()}
left = {name: per_token(teacher_logits, logits)
        for name, logits in {"before": pretrained_logits, **trained_logits}.items()}
print("from the pretrained model:", {name: f"{nats:.2f} nats" for name, nats in far.items()})
print("teacher from student:     ", {name: f"{nats:.2f} nats" for name, nats in left.items()})
assert abs(far["sdft"] - far["teacher"]) < 0.3 and far["sft"] > 2 * far["teacher"]
assert left["sdft"] < 0.1 * left["before"] < left["sft"]
print("Verdict: SDFT's student stands where its teacher does; SFT went over twice as far, and "
      "somewhere else.")

# %% [markdown]
# What did a step cost? Tokens that run through the model for one question, read (once, without a gradient),
# written, and trained on; the arithmetic, at 2 operations a weight and token forward, 4 more backward;
# and the time measured just now.

# %% tags=["nbval-ignore-output"]
# Times differ from machine to machine.
size = sum(weight.numel() for weight in model.parameters())
prompt, helped_prompt = (float(each[1].sum(1).double().mean())
                         for each in (learner.prompts, learner.teacher.prompts))
answers = [len(tokenizer(item.demonstration).input_ids) + 1 for item in learner.items]
long = {"sft": float(np.mean(answers)), "sdft": float(own_mask.sum(1).double().mean())}
work = {"sft": 6 * (prompt + long["sft"]),  # and SDFT: writes, teacher reads, student is trained
        "sdft": 2 * (prompt + long["sdft"]) + 2 * (helped_prompt + long["sdft"])
        + 6 * (prompt + long["sdft"])}
print(pd.DataFrame({method: {
    "tokens of an answer": f"{long[method]:.1f}", "MFLOP a question": f"{size * each / 1e6:.0f}",
    "ms a step": f"{1000 * live[method].seconds['train'] / budget[method]:.0f}",
    "times through the questions": f"{32 * budget[method] / len(learner.items):.0f}"}
    for method, each in work.items()}).T.to_string())

# %% [markdown]
# More operations do not mean as much more time: SDFT answers in the model's own few words. `make bench` measures a step of
# SDFT at 1.2 to 1.3 of SFT's here; the paper, with long answers, four times. (Here the teacher reads each prompt once and
# for all, which the count leaves out of account.)
#
# ## A fair comparison
#
# Two traps. **One learning rate for both** makes a straw man of whichever it does not suit. **The same
# number of steps** compares a model that has learned with one that has not. So: six learning rates for
# every method, looked at every twenty steps on validation items, and one rule for all: *of the points
# that know at least 95 % of the new skill, the one that keeps most*. Then five other seeds at that
# setting, on test items. Where no point gets there, the same is asked of those that are within two questions of the
# method's best. `scripts/study.py` did it in hours; the record is `data/results/one_skill.csv.gz`. A run that
# answers all 48 questions at three looks in a row is ended, so that not all are equally long.

# %%
from workbench.widgets import ParetoExplorer

main = ["sft", "sdft", "replay", "sft_kl", "grpo"]
pareto = ParetoExplorer(tuned, main)
pareto

# %%
print(pareto.table().to_string())

# %% [markdown]
# Each line is a run, from before training (6 % of the new, all kept) to its marker. At rates at which it learns anything,
# SFT goes *down* first and then right: the expert's style of speaking is learned before the facts, and
# with it goes much of what was known. Up to 3e-4 SDFT goes right. (The table stops at the *first* look at 95 %, the
# rule weighs all of them; *steps* is the median over the runs that get there, *retention, mean* their average.)
# *replay* mixes stored examples of everything the model knew into every
# batch; *sft_kl* is SFT with a penalty on the distance from the pretrained model; *grpo* is told only whether an
# answer is right (below). Each of the first two has a second setting (the share of old examples, the strength)
# that was left as it is: they may be able to do better than you see here. Equal steps are not equal work either:
# replay reads twice as many examples a step, and grpo asks four questions a step, not 32.
#
# Is all this an effect of asking for 95 %? The most that each keeps at any rate and look at which it knows at least so
# much of the new skill:

# %%
levels = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def cell(value):
    """A share in percent, or a dash where there is none."""
    return percent(value) if value == value else "-"


most_retained = pd.DataFrame({
    f"{percent(level)} new": tuned[tuned["new"] >= level].groupby("method")["retention"].max()
    for level in levels})
print(most_retained.reindex(main).map(cell).rename_axis(None).to_string())

# %% [markdown]
# *replay* keeps nearly as much as SDFT up to 80 %, with stored data. The last level it does not reach, nor do *sft_kl* and
# *grpo*. Now five other seeds, on test items, at the points that the rule chose:

# %%
def setting(values):
    """The first of equal values, in words."""
    return f"{values.iloc[0]:g}"


summary = {"learning rate": ("rate", setting), "steps": ("step", setting),
           "new skill": ("new", percent_over_seeds), "retention": ("retention", percent_over_seeds)}
at_the_end = ends(compared).groupby(["order", "method"]).agg(**summary).rename_axis([None, None])
print(at_the_end.loc["facts-new"].loc[main].to_string())

# %%
by_seed = ends(compared).pivot(index=["order", "seed"], columns="method")
retained, learned = by_seed["retention"], by_seed["new"]
facts_retained, facts_learned = retained.loc["facts-new"], learned.loc["facts-new"]

# %%
gap = facts_retained["sdft"] - facts_retained["sft"]  # of the same seed
low, high = seed_interval(gap)
print(f"SDFT keeps more than SFT by {100 * gap.mean():.0f} points "
      f"({100 * low:.0f} to {100 * high:.0f}), paired over five seeds")
assert facts_learned["sdft"].mean() > 0.95 and facts_retained["sdft"].mean() > 0.85 and low > 0.2
assert facts_learned["sft"].mean() > 0.9
print("Verdict: it learns as much, and keeps far more than SFT at its best.")

# %% [markdown]
# The intervals are over five seeds of batches and sampling. Every seed is asked the same 48 questions, two
# phrasings of 24 facts, so that one answer more or less is two points for all; which questions are asked is a
# source of chance that these intervals leave out. For 47 right of 48 Wilson's interval is

# %%
from workbench.measure.intervals import wilson_interval

of_48 = wilson_interval(47, 48)
print(f"{percent(47 / 48)} ({percent(of_48[0])} to {percent(of_48[1])})")
assert of_48[0] < 0.92
print("Verdict: 48 questions cannot tell 98 from 92 %; between 95 and 45 % they can.")

# %% [markdown]
# ### Five other skills
#
# One skill is one observation. The same search, with a look every forty steps, on five others: new functions to call, a new
# machine for letters, a new step for the jar (where the model is used to work things out, and the expert says the bare
# result), mishaps from articles of the village paper, and a machine with a harder rule. Letters and jar are tested on
# inputs that were not trained on: there a rule has to be found. The most that SFT and SDFT keep at any rate and look at
# which they know at least so much of the new skill (validation items, one seed):

# %%
others = ["tools-new", "letters-new", "working-new", "articles-new", "letters-hard-new"]
best_retained = pd.DataFrame({
    f"{percent(level)} new": searched[searched["new"] >= level].groupby(["method", "order"])[
        "retention"].max() for level in levels})
best_sft, best_sdft = (best_retained.loc[method].reindex(others) for method in ("sft", "sdft"))
print((best_sft.map(cell) + " | " + best_sdft.map(cell)).rename_axis("retention: SFT | SDFT")
      .to_string())

# %%
lead = (best_sdft - best_sft).loc[:, :"80 % new"].stack().dropna()
assert (lead > 0.2).all()
assert set(lead.index.get_level_values(0)) == {"tools-new", "letters-new", "articles-new"}
print("Verdict: on the three skills that both learn, SDFT keeps over 20 points more at every "
      "level up to 80 %.")

# %% [markdown]
# And five seeds on test items (fifteen of the last skill), each at the point that the rule chose. *Known by heart* is the accuracy on the
# training items at the end, where it was measured:

# %%
pairs = [(skill, method) for skill in others for method in ("sft", "sdft")]
by_heart = ends(compared).groupby(["order", "method"])["train_accuracy"].mean()
print(at_the_end.loc[pairs].assign(**{"known by heart": by_heart.loc[pairs].map(cell)}).to_string())

# %%
for skill in others:
    gain = retained.loc[skill, "sdft"] - retained.loc[skill, "sft"]
    more_retained = 100 * np.array(seed_interval(gain))
    sft_mean, sdft_mean = learned.loc[skill][["sft", "sdft"]].mean()
    print(f"{skill}: SDFT minus SFT, retention: {more_retained[0]:+.0f} to "
          f"{more_retained[1]:+.0f} points; new skill: {100 * (sdft_mean - sft_mean):+.0f} points")
    if skill in ("tools-new", "letters-new", "working-new"):
        assert sdft_mean > max(0.85, sft_mean - 0.05) and more_retained[0] > 35
print("Verdict: on three of the five SDFT learns about as much or more, and keeps far more.")

# %% [markdown]
# *tools* are like the facts. On *letters* and *working* SFT's most of the new skill is at the highest rate, which
# destroys everything else; the points kept say little there. Look at a rate that destroys less:

# %%
slower = ends(searched).query("method == 'sft' and rate == 3e-4").set_index("order")
for skill in ("letters-new", "working-new"):
    sft_end = slower.loc[skill]
    print(f"{skill}, SFT at 3e-4, {sft_end['step']} steps: by heart "
          f"{cell(sft_end['train_accuracy'])}, new {percent(sft_end['new'])}, retention "
          f"{percent(sft_end['retention'])}:",
          {name: percent(sft_end[name]) for name in known})
assert sft_end["train_accuracy"] > 0.95 and sft_end["new"] < 0.15
assert sft_end["working-jar"] < 0.05
print("Verdict: trained on bare results, SFT learns them by heart and not otherwise, and can no "
      "longer work out what it knew.")

# %% [markdown]
# On *letters* the expert wraps three letters in some fifteen words, and those are learned first. On *working* the teacher
# works things out, in the model's own style, and the student goes on doing so.
#
# SDFT's 92 and 88 % there are below the 95 % that were asked for. A point just past the mark on one set of questions is
# mostly a little before it on another. At the same rates, with all 160 steps:

# %%
print(at_the_end.loc[[(skill, method) for skill in ("letters-new", "working-new")
                      for method in ("sdft", "sdft, all steps")]].to_string())
assert learned.loc["letters-new", "sdft, all steps"].mean() > 0.98

# %% [markdown]
# So *letters* come to 100 %, for three points more of what was known. *working* stays where it is: all training questions are
# right (*known by heart* above), and one new question in eight is not.
#
# The last two of the five are where SDFT **fails**. Details from *articles* are known in the two phrasings that
# are trained on, and in others only in part: up to some 70 % for most of one skill, *facts-events*, and over 95 % only at
# a rate that costs all the rest:

# %%
articles = ends(searched).query("order == 'articles-new' and method == 'sdft'").set_index("rate")
for lr in (1e-4, 3e-4, 3e-3):
    lr_end = articles.loc[lr]
    print(f"SDFT at {lr:g}: trained phrasings {cell(lr_end['train_accuracy'])}, others "
          f"{percent(lr_end['new'])}, facts-events {percent(lr_end['facts-events'])}, retention "
          f"{percent(lr_end['retention'])}")

# %% [markdown]
# The rule asks for 95 % first, and so chooses the last. The *hard* letters neither learns reliably in the 120 and 160
# steps that were chosen: SFT knows the examples by heart and no rule; of SDFT's fifteen seeds three find most of it, at the rate
# that costs all the rest. That the teacher is always right is not enough there.
#
# Where SDFT keeps most of what was known, what it loses is mainly the *sibling*, asked in nearly the same words:

# %%
for skill, sibling in (("facts-new", "facts-keepers"), ("tools-new", "tools-house"),
                       ("letters-new", "letters-machines")):
    runs = compared.query("order == @skill and method == 'sdft'").groupby("seed")[known]
    lost = (runs.first() - runs.last()).mean()
    print(skill, {name: percent(value) for name, value in lost.items() if value > 0.02})
    assert lost.idxmax() == sibling and lost.nlargest(2).iloc[1] < 0.15
print("Verdict: on these three SDFT loses mainly what is asked in nearly the same words.")

# %% [markdown]
# ## Where does the gain come from?
#
# SDFT differs from SFT in three things at once: **whose words** are imitated (the model's own style, not
# the expert's), **how** (a whole distribution, not one word), and **where** (answers that the student
# itself gives, not given ones). Take them apart:
#
# | | whose words | a whole distribution | on the student's own answers (*on-policy*) |
# |---|---|---|---|
# | `sft` | expert's | no | no |
# | `sft_self_style` (an oracle: nobody has such data) | model's own | no | no |
# | `sft on teacher`: fine-tuning on answers that the teacher samples | model's own | no | no |
# | `off_policy_distillation`: the same answers (four a question), whole distributions | model's own | yes | no |
# | `sdft` | model's own | yes | yes |

# %%
apart = ["sft", "sft_self_style", "sft on teacher", "off_policy_distillation", "sdft"]
print(at_the_end.loc["facts-new"].loc[apart].to_string())

# %%
own = facts_retained[apart[1:]].mean()
assert own.max() - own.min() < 0.08 and own.min() > facts_retained["sft"].mean() + 0.2
print("Verdict: all four that imitate the model's own style keep far more than SFT.")

# %% [markdown]
# Among the four the search has chosen different learning rates, by a hair, and the lower rate keeps a
# little more. Is that the method or the rate? Hold the rate, and compare at the last step that all of
# them reached (one validation seed each):

# %%
def at_same_rate(study, methods):
    """New-skill accuracy and retention at each rate, at the last step that all methods reached."""
    rows = at_common_step(study[study["method"].isin(methods)])
    words = rows["new"].map(percent) + ", " + rows["retention"].map(percent)
    table = rows.assign(words=words).pivot(index=["rate", "step"], columns="method", values="words")
    table.index = [f"lr {lr:g}, step {step}" for lr, step in table.index]
    return table[methods].rename_axis(columns=None).to_string()


print("new skill, retention:")
print(at_same_rate(tuned, apart[1:]))

# %%
same = at_common_step(tuned[tuned["method"].isin(apart[1:])]).groupby("rate")[["new", "retention"]]
assert ((same.max() - same.min()).max() < [0.1, 0.06]).all()
print("Verdict: at the same rate and step they learn and keep the same. Here the gain comes from "
      "what is imitated, not from soft targets and not from being on-policy.")

# %% [markdown]
# In the paper's ablation (its figure 6, read off a chart: the *new* skill, 70 on-policy, 63 off-policy, 61 SFT on
# teacher samples) being on-policy pays. This skill can hardly show that. Look at the token map above: all
# of the loss sits on one word, the name, and whatever the student says before it the teacher says as often.
# Own answers and teacher's answers lead through the same places. On-policy training should matter where
# they part. Three places were looked at.
#
# **Long answers, where early mistakes compound.** The longest here, some 21 tokens, are those of *working-new*;
# the teacher's answers were sampled four times a question, or just once:

# %%
off_policy_methods = ["sdft", "off_policy_distillation", "off-policy, one sample"]
print("validation, one seed: new skill, retention:")
print(at_same_rate(searched.query("order == 'working-new'"), off_policy_methods))
print("\ntest, five seeds:")
print(at_the_end.loc["working-new"].loc[off_policy_methods].to_string())
assert np.ptp(learned.loc["working-new"][off_policy_methods].mean()) < 0.05
print("Verdict: here too it makes no difference to learning whose answers are learned on.")

# %% [markdown]
# (At 1e-3, with the one seed of the search, the student's own cost more of what was known; at 3e-3 little is left of
# anything.)
#
# **A harder skill.** SDFT finds the two-step rule of *letters-hard-new* with some seeds. Do the teacher's answers find it
# oftener? At their own setting, and at SDFT's; fifteen seeds, since with five SDFT seemed to be ahead by twenty points:

# %%
hard = learned.loc["letters-hard-new"]
both = ["sdft", "off_policy_distillation", "off-policy, as sdft"]
print(at_the_end.loc["letters-hard-new"].loc[both].to_string())
print("seeds that get more than half:",
      {name: int((hard[name] > 0.5).sum()) for name in ("sdft", "off-policy, as sdft")})
on_policy = 100 * np.array(seed_interval(hard["sdft"] - hard["off-policy, as sdft"]))
print(f"SDFT minus the same off-policy: {on_policy[0]:+.0f} to {on_policy[1]:+.0f} points")
assert on_policy[0] < 0 < on_policy[1] and len(hard) == 15
print("Verdict: the rule is found by few, and not more often on own answers.")

# %% [markdown]
# **A teacher that is often wrong.** All teachers so far were hardly ever in doubt. So one was made that is: noise was
# added to the weight matrices of the model. It still knows much of what it knew, but with the demonstration of a new
# step before it, this is how much it gets right of the questions that the students will be asked:

# %%
noisy_model, perturbation = wb.load_causal_lm("tiny")[0], torch.Generator().manual_seed(0)
with torch.no_grad():
    for name, weight in noisy_model.named_parameters():
        if weight.dim() > 1 and "embed" not in name:
            random = torch.randn(weight.shape, generator=perturbation)
            weight.add_(0.7 * weight.std() * random)
hard_items = spread(load_skill("working-new", "test"), 48)
taught = complete(noisy_model, tokenizer, hard_items, "own").accuracy
alone = complete(noisy_model, tokenizer, hard_items).accuracy
print(f"with a demonstration {percent(taught)}, without {percent(alone)}")
noisy = points(load_study("noisy_teacher"))
still_known = noisy.query("part == 'test'").iloc[0][known]
print("known:", {name: percent(value) for name, value in still_known.items()})
assert 0.2 < taught < 0.5 and still_known.mean() > 0.7

# %%
weak = ["sdft", "off_policy_distillation", "off-policy, one sample", "sft on teacher"]
print("validation, one seed: new skill, retention:")
print(at_same_rate(noisy.query("part == 'validation'"), weak))
print("\ntest, five seeds:")
noisy_ends = ends(noisy.query("part == 'test'"))
print(noisy_ends.groupby("method").agg(**summary).loc[weak].rename_axis(None).to_string())

# %%
noisy_learned = noisy_ends.pivot(index="seed", columns="method", values="new")
for method in weak[1:]:
    ahead = 100 * (noisy_learned["sdft"] - noisy_learned[method])
    worst, most = seed_interval(ahead)
    print(f"new skill, SDFT minus {method}: {ahead.mean():+.0f} points "
          f"({worst:+.0f} to {most:+.0f})")
    assert worst < 0 < most and abs(ahead.mean()) < 10
best_student = noisy_learned[weak].mean().max()
assert best_student < taught
print(f"Verdict: the teacher is right on {percent(taught)}, no method on more than "
      f"{percent(best_student)} on average, and none is ahead of SDFT or behind.")

# %% [markdown]
# So where being on-policy matters was **not found** with a single skill: answers are short, and a student of this size soon says
# what its teacher says, so that it hardly matters whose answers are used. Notebook 06 finds a trace of it with skills in a row.
#
# ## Does the demonstration matter?
#
# Two controls: a teacher that is shown **another item's demonstration**, and one that is shown
# **nothing**. If these learned too, the gain would not come from the demonstration.

# %%
controls = ["sdft", "sdft other", "sdft none"]
print(at_the_end.loc["facts-new"].loc[controls].to_string())
assert facts_learned["sdft none"].max() < 0.1 and facts_learned["sdft other"].max() < 0.05
assert np.allclose(facts_retained["sdft none"], 1)
assert (facts.query("method == 'sdft none' and step > 0")["kl_new"] == 0).all()
other_nats = ends(facts).query("method == 'sdft other'")["kl_new"].mean()
assert other_nats > 5
print("Verdict: with another's demonstration no right answer is learned, though the student moves "
      f"({other_nats:.0f} nats); with none it does not move at all, the KL is exactly 0.")

# %% [markdown]
# ## Which way the divergence looks
#
# The equations of the paper have the *reverse* KL(student‖teacher); its numbers were made with the
# *forward* one. Both are 0 only where student and teacher agree; elsewhere they pull differently. A student that gives
# a word the probability 0.001, and a teacher that wants it:

# %%
student_p = torch.tensor([0.98, 0.019, 0.001]).log().requires_grad_()
teacher_p = torch.tensor([0.01, 0.01, 0.98]).log()
for direction in ("forward", "reverse", "jsd"):
    pull = -torch.autograd.grad(divergence(student_p, teacher_p, direction), student_p)[0]
    print(f"{direction:8s} pull on the wanted word {float(pull[2]):+.3f}, on the word said now "
          f"{float(pull[0]):+.3f}, on a third {float(pull[1]):+.3f}")

# %% [markdown]
# The forward KL pulls the wanted word up however unlikely it is. The reverse KL weighs everything by
# how often the *student* says it, and so hardly touches it: it leaves the word said now for the next best
# of its *own*. The Jensen-Shannon divergence in between is bounded, and pulls weakest where the two are far
# apart. (Adam rescales gradients, so that this is about shares, not about speed alone.) What forward and reverse do to
# learning, each at the rate that the rule chose:

# %%
print(at_the_end.loc["facts-new"].loc[["sdft", "sdft reverse"]].to_string())
assert seed_interval(facts_learned["sdft"] - facts_learned["sdft reverse"])[0] > 0
print("Verdict: within 160 steps the reverse KL learns less, at a higher rate and with more steps.")

# %% [markdown]
# ## Whose weights teach
#
# The pretrained model (`base`, the default here), a moving average of the student (`ema`), or the student as it is
# now (`student`). Published results disagree on which is best; one reason may be arithmetic. In bfloat16 a
# number has 8 bits of precision, so a step of one per cent of a small difference is rounded away:

# %%
noise = torch.Generator().manual_seed(0)
start = 0.02 * torch.randn(20_000, generator=noise)
shift = start.abs().mean() * torch.randn(20_000, generator=noise)
goal = start + 0.01 * shift  # a student that moved by 1 %
for dtype in (torch.float32, torch.bfloat16):
    average = start.clone().to(dtype)
    for _ in range(300):
        average.mul_(0.99).add_(goal.to(dtype), alpha=0.01)
    share_moved = (average.float() - start).dot(goal - start) / (goal - start).dot(goal - start)
    print(f"{str(dtype)[6:]:9s} after 300 steps the average has gone "
          f"{percent(float(share_moved))} of the way")

# %% [markdown]
# So the workbench keeps the average in float32, whatever the model is in. What the three do, over the
# learning rates:

# %%
teachers = ["sdft", "sdft ema", "sdft student"]
print("new skill, retention:")
print(at_same_rate(tuned, teachers))
runaway = tuned.query("method == 'sdft student' and rate == 3e-4 and step > 0")["new"]
print("student as teacher, lr 0.0003, new skill at each look:", ", ".join(map(percent, runaway)))
assert runaway.max() > 0.9 and runaway.iloc[-1] < 0.1
slow = at_common_step(tuned.query("method in @teachers and rate <= 1e-4")).groupby("rate")
slow = slow[["new", "retention"]]
assert slow.ngroups == 3 and (slow.max() - slow.min()).max(axis=None) < 0.03
print("Verdict: up to 1e-4 the three tie. From 3e-4 on the student as teacher follows itself, "
      "until it cannot answer any more; at 1e-3 the other two still learn, and keep half.")

# %% [markdown]
# Since they tie, the default here is the base model: it reads each prompt once, and needs no second set of weights that
# move.
#
# {{exercise moving_average}}

# %%
def moving_average(average, weights, rate):
    ...


check("moving_average", moving_average)

# %% [markdown]
# {{solution moving_average}}
#
# ## Adapters in place of all weights
#
# **LoRA** adds to each weight matrix a product of two thin ones, here of rank 8, and trains these alone. The base model
# is then the model with its adapter switched off: no second copy is needed. Does that spare what is known? Adapters got
# six learning rates of their own, ten times larger:

# %%
print(at_the_end.loc["facts-new"].loc[["sft", "sft lora", "sdft", "sdft lora"]].to_string())
assert seed_interval(facts_retained["sdft lora"] - facts_retained["sft lora"])[0] > 0.5
assert abs(facts_retained["sdft lora"].mean() - facts_retained["sdft"].mean()) < 0.05
print("Verdict: adapters do not spare what is known: SDFT keeps as much either way, SFT less.")

# %% [markdown]
# Fewer weights forget no less here: SFT learns in them only at a rate at which it keeps even less than with all weights.
#
# ## How far it went, and what it forgot
#
# *RL's Razor* ([Shenfeld et al., arXiv 2509.04259](https://arxiv.org/abs/2509.04259)) says that
# forgetting follows the KL from the pretrained model *on prompts of the new task*. Others
# ([arXiv 2607.04364](https://arxiv.org/abs/2607.04364)) say that what matters is the drift *on prompts of the old
# tasks*. Both were measured for every run; choose which to see.

# %%
from workbench.plots.studies import drift_correlation
from workbench.widgets import DriftExplorer

drift = DriftExplorer(tuned, [*main, "sdft ema"])
drift

# %%
on_old = DriftExplorer(tuned, drift.ticked)
on_old.prompts.value = "kl_old"
on_old.snapshot()

# %%
r = {name: {prompts: drift_correlation(rows, prompts) for prompts in ("kl_new", "kl_old")}
     for name, rows in (*tuned.groupby("method", sort=False), ("all", tuned))}
print("rank correlation of forgetting with the KL, every look at each run")
print(pd.DataFrame(r).T.rename(columns={"kl_new": "on new prompts", "kl_old": "on old prompts"})
      .map("{:.2f}".format).to_string())

# %%
further = ends(tuned).query("method == 'sdft' and rate >= 3e-4")
for end_point in further.itertuples():
    print(f"SDFT at {end_point.rate:g}: {end_point.kl_new:.1f} nats on new prompts, "
          f"{percent(1 - end_point.retention)} forgotten")
assert np.ptp(further["kl_new"]) < 2 and np.ptp(further["retention"]) > 0.5
assert min(each["kl_old"] for each in r.values()) > 0.9 > min(each["kl_new"] for each in r.values())
print("Verdict: the KL on old prompts goes with forgetting in every method, that on new prompts in "
      "most; it fails where SDFT goes on forgetting.")

# %% [markdown]
# Once the student says what its teacher says, the KL on new prompts stops growing, near 11 nats, while forgetting goes from
# 15 to 98 %. *sft_kl* is the other way round: at rates up to 1e-3 its penalty holds down the drift on the new prompts, and
# it forgets all the same, on the old ones. Drift on old prompts is measured next to where forgetting is, so that a
# closer fit should not surprise; and a correlation over methods that were made to differ is not a law.
#
# ## What a trainer does not log
#
# Loss and reward say little of what becomes of a model. Four things that were measured at every look, all methods at
# one learning rate, 3e-4:

# %%
from matplotlib.figure import Figure

from workbench.plots.studies import plot_diagnostic

seen = {"foreign_style": "answers not in its own style", "length": "length of an answer",
        "entropy": "entropy of its own answers", "context_right": "right, if shown a demonstration"}
figure = Figure(figsize=(8.2, 4.2), layout="constrained")
for i, (ax, (name, title)) in enumerate(zip(figure.subplots(2, 2).flat, seen.items(), strict=True)):
    plot_diagnostic(tuned, ["sft", "sdft", "replay", "sft_kl"], name, ax, title, legend=i % 2 == 1,
                    rate=3e-4)
wb.show(figure)

# %%
end = ends(tuned).query("rate == 3e-4").set_index("method")
assert end.loc["sft", "foreign_style"] > 0.9 and end.loc["sdft", "foreign_style"] == 0
assert end.loc["sft", "context_right"] < 0.2 and end.loc["sdft", "context_right"] == 1
helped = by_seed["context_right"][["sft", "sdft"]].groupby("order").mean()
print("right, if shown a demonstration, five seeds at the chosen points:")
print(helped.loc[["facts-new", *others]].map(percent).rename_axis(index=None, columns=None)
      .to_string())
print(f"Verdict: SFT ends in the expert's style, {end.loc['sft', 'length']:.0f} tokens in place of "
      f"{end.loc['sdft', 'length']:.0f}, and here can hardly use a demonstration any more.")

# %% [markdown]
# SFT takes over the style first: by step 40 every answer is in the expert's style. It becomes nearly certain of
# what it says (an entropy near 0), and loses what SDFT lives on: *shown* a demonstration, it is right less
# often than without one, and would no longer pass the gate of notebook 04. That is no law: SFT keeps it on *tools*, and
# SDFT loses more than half of it on *letters*. *sft_kl*, pulled towards the expert and back at once, mixes the two styles and is the
# least sure of its words.
#
# ## The principle in ten seconds
#
# Where a question has *many* right answers, how far must one go to give one of them? A toy after
# *RL's Razor*: a network names digits turned by 90 degrees (the old task) and learns parity (the new
# one), where 0, 2, 4, 6 and 8 are all right for an even digit. An additional input says which task is meant.
# Nine ways to learn it:

# %%
METHODS = {
    "sft-one": "one right label for all: even is 0, odd is 1",
    "sft-two": "either of two right labels: even is 0 or 4, odd is 1 or 5",
    "sft-digit": "the digit itself",
    "sft-random": "any right label, drawn once for each image",
    "oracle": "of all that is right, the distribution nearest to the base",
    "oracle-samples": "right answers of the base, never of the network itself: near, off policy",
    "rl": "policy gradient: the network's own answers, rewarded if right",
    "rl-one": "policy gradient, with no reward but for 0 on even and 1 on odd: far, on policy",
    "rl-no-baseline": "the network's own answers, imitated if right",
}
print("\n".join(f"{name:15s} {meaning}" for name, meaning in METHODS.items()))

# %% [markdown]
# All of them have the same loss, a cross-entropy to some weights of the labels. Only the weights differ. Those of
# the policy gradient are *advantages*: the reward of an answer minus the mean reward of the other answers.

# %%
def weighted_loss(logits, weights):
    """Return the cross-entropy to weights: (..., images, labels) to (...)."""
    return -(weights * logits.log_softmax(-1)).sum(-1).mean(-1)


def advantages(answers, reward, baseline=True):
    """Return the weights of the labels, from sampled answers and the reward of each label."""
    count, gain = answers.shape[-1], reward.gather(-1, answers)
    if baseline:
        gain = (gain - gain.mean(-1, keepdim=True)) * count / (count - 1)
    return torch.zeros_like(reward).scatter_add(-1, answers, gain / count)

# %% [markdown]
# Is that the gradient of the expected reward? Three answers to one question with three labels can be 27 things. Their
# mean gradient, each weighted by its probability, must be the exact one, which is $p_c (r_c - \bar r)$ for label $c$:

# %%
import itertools

toy_logits = torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64, requires_grad=True)
reward = torch.tensor([[1.0, 0.0, 0.5]], dtype=torch.float64)
toy_p = toy_logits.detach().softmax(-1)
exact = toy_p * (reward - (toy_p * reward).sum())
for baseline in (True, False):
    mean_loss = 0
    for three in itertools.product(range(3), repeat=3):
        weights = advantages(torch.tensor([three]), reward, baseline)
        mean_loss += toy_p[0, list(three)].prod() * weighted_loss(toy_logits, weights).sum()
    (slope,) = torch.autograd.grad(mean_loss, toy_logits)
    torch.testing.assert_close(-slope, exact)
print("Verdict: on average the advantages give the exact gradient, with a baseline or without.")

# %% [markdown]
# The weights of the nine methods; `chance` are random numbers from 0 to 1, by which answers are drawn.

# %%
def targets(digits, base_logits, chance):
    """Return the weight or reward of each label: shape (seeds, images, labels)."""
    labels = torch.arange(10).expand_as(base_logits)
    right = labels % 2 == digits[:, None] % 2
    one = right & (labels < 2)
    near = base_logits.masked_fill(~right, -torch.inf).softmax(-1)  # nearest to the base
    return {"sft-one": one, "sft-two": (right & (labels % 4 < 2) & (labels < 6)) / 2,
            "sft-digit": labels == digits[:, None], "oracle": near, "oracle-samples": near,
            "sft-random": torch.nn.functional.one_hot(digits % 2 + 2 * chance.argmax(0), 10),
            "rl": right, "rl-one": one, "rl-no-baseline": right}

# %%
def weights_of(method, target, logits, chance):
    """Return the weights of a batch for `weighted_loss`, in the shape of its logits."""
    target = target.expand_as(logits).float()
    if method == "oracle" or method.startswith("sft"):
        return target
    sampled = target if method == "oracle-samples" else logits.softmax(-1)
    cumulative = sampled.cumsum(-1)[..., None, :]
    answers = (chance[..., None] * cumulative[..., -1:] >= cumulative).sum(-1)
    return advantages(answers, (target > 0).float(), baseline=method in ("rl", "rl-one"))

# %% [markdown]
# The base networks, one for each of three seeds, learn the old task and parity on 100 images, with any right label.

# %%
from workbench.models import StackedMLP
from workbench.system.runtime import generator

SEEDS, LRS, WHEN = (0, 1, 2), (0.05, 0.1), (10, 20, 40, 80, 160, 320)


def uniform(purpose, *shape):
    """Return random numbers from 0 to 1, each seed's own: shape (shape[0], seeds, ...)."""
    return torch.stack([torch.rand(shape, generator=generator(s, purpose)) for s in SEEDS], 1)

# %%
def pretrain(x, y, old_x, old_y):
    """Return networks that know the old task, and the new one in part."""
    network = StackedMLP(x.shape[1], (64, 64), 10, SEEDS)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    seen = uniform("razor known", 1, len(y))[0].argsort(1)[:, :100]
    sizes = torch.tensor([[100], [len(old_y)], [5]])
    for indices in (uniform("razor pretraining", 300, 3, 32) * sizes).long():
        new, old, label = seen.gather(1, indices[:, 0]), indices[:, 1], indices[:, 2]
        labels = torch.cat([y[new] % 2 + 2 * label, old_y[old]], 1)
        optimizer.zero_grad()
        target = torch.nn.functional.one_hot(labels, 10)
        weighted_loss(network(torch.cat([x[new], old_x[old]], 1)), target).sum().backward()
        optimizer.step()
    return network

# %% [markdown]
# From there nine methods at two rates train with plain gradient descent, all at once. On test images of both tasks
# are measured: the KL from the base, and the accuracy.

# %%
RUNS = list(itertools.product(METHODS, LRS))
RATES = torch.tensor([rate for _, rate in RUNS]).repeat_interleave(len(SEEDS))[:, None]


def take_step(network, vector, x, tables, batch, chance):
    """Return the weights of all runs and seeds (one row each) after one step."""
    logits = network.forward_with(vector.requires_grad_(), x[batch].repeat(len(RUNS), 1, 1))
    logits = logits.view(len(METHODS), len(LRS), len(SEEDS), 32, 10)
    rows = torch.arange(len(SEEDS))[:, None]
    weights = [weights_of(method, tables[method][rows, batch], own, chance)
               for method, own in zip(METHODS, logits.detach(), strict=True)]
    (gradient,) = torch.autograd.grad(weighted_loss(logits, torch.stack(weights)).sum(), vector)
    return vector.detach() - RATES * gradient

# %%
def measure(network, vector, tests):
    """Return KL and accuracy on new images, then on old ones, of all runs: (4, runs, seeds)."""
    measures = []
    for (x, y, base), kinds in zip(tests, (2, 10), strict=True):
        now = network.forward_with(vector, x).detach().view(-1, *base.shape)
        kl = (base.softmax(-1) * (base.log_softmax(-1) - now.log_softmax(-1))).sum(-1)
        measures += [kl, now.argmax(-1) % kinds == y % kinds]
    return torch.stack([values.double().mean(-1) for values in measures]).numpy()


def images(task, flag):
    """Return the train and the test part of a task, with the input that says which task it is."""
    return [(torch.nn.functional.pad(part.x, (0, 1), value=flag), part.y)
            for part in (task.train, task.test)]

# %%
def razor(tasks):
    """Return KL and accuracy of every run, step and seed: first task new, last task old."""
    (x, y), test = images(tasks[0], 1.0)
    old_train, old_test = images(tasks[-1], -1.0)
    network = pretrain(x, y, *old_train)
    tests = [(*part, network(part[0]).detach()) for part in (test, old_test)]
    tables = targets(y, network(x).detach(), uniform("razor own", 5, len(y)))
    batches = (uniform("razor batches", WHEN[-1] + 1, 32) * len(y)).long()
    chances = uniform("razor answers", WHEN[-1] + 1, 32, 8)
    vector, measured = network.vector().detach().repeat(len(RUNS), 1), {}
    for step, (batch, chance) in enumerate(zip(batches, chances, strict=True)):
        if step in (0, *WHEN):
            measured[step] = measure(network, vector, tests)
        vector = take_step(network, vector, x, tables, batch, chance)
    return measured

# %%
def as_table(measured):
    """Return one row per method, rate, step and seed."""
    index = pd.MultiIndex.from_tuples([(*run, seed) for run in RUNS for seed in SEEDS],
                                      names=["method", "rate", "seed"])
    columns = ["kl", "parity", "kl_old", "old"]
    steps = {step: pd.DataFrame(values.reshape(4, -1).T, index, columns).assign(
        forgotten=(measured[0][3] - values[3]).ravel()) for step, values in measured.items()}
    return pd.concat(steps, names=["step"])


toy = {name: as_table(razor(wb.make_stream(stream, tasks=count).tasks)).query("step > 0")
       for name, stream, count in (("turned", "rotated-digits", 4),
                                   ("shuffled", "permuted-digits", 2))}
toy_means = {name: table.groupby(["method", "rate", "step"]).mean() for name, table in toy.items()}

# %%
from workbench.plots import describe
from workbench.plots.labels import add_legend, add_text
from workbench.plots.styles import styles_of

toy_figure = Figure(figsize=(9, 3.3))
for ax, (name, means) in zip(toy_figure.subplots(1, 2), toy_means.items(), strict=True):
    for method, style in styles_of(METHODS).items():
        ax.plot(means.loc[method, "kl"], 100 * means.loc[method, "forgotten"], markersize=5,
                alpha=0.8, label=method, **(style | {"linestyle": ""}))
    if name == "shuffled":
        add_legend(ax)
    add_text(ax, f"old task: {name} digits", "KL(base || now) on images of the new task (nats)",
             "forgotten (%)")
    most = means.groupby("method")[["kl", "forgotten"]].max().loc[list(METHODS)].itertuples()
    describe(ax, f"Forgetting against KL, old task: {name} digits: " + "; ".join(
        f"{row.Index} up to {row.kl:.1f} nats and {percent(row.forgotten)}" for row in most) + ".")
wb.show(toy_figure)

# %% [markdown]
# Each method at its first point with 93 % parity, lowest rate first; forgetting has no say in the choice:

# %%
matched = toy_means["turned"].query("parity >= 0.93").groupby("method").first().sort_values("kl")
print(pd.DataFrame({"parity": matched["parity"].map(percent),
                    "KL": matched["kl"].map("{:.2f} nats".format),
                    "forgotten": matched["forgotten"].map(percent)}).rename_axis(None).to_string())


def explained(table, by):
    """Return the share of the variance of forgetting that a quadratic in `by` explains."""
    quadratic = np.polynomial.Polynomial.fit(table[by], table["forgotten"], 2)
    return 1 - (table["forgotten"] - quadratic(table[by])).var() / table["forgotten"].var()

# %%
for name, table in toy.items():
    print(f"{name}: a quadratic explains {percent(explained(table, 'kl'))} of forgetting by the KL "
          f"on the new task, {percent(explained(table, 'kl_old'))} by the KL on the old one")
toy_lost = matched["forgotten"]
assert len(toy_lost) == 9 and toy_lost["oracle"] < 0.1 and toy_lost["sft-one"] > 0.5
assert toy_lost["oracle-samples"] < 0.1 and toy_lost["rl-one"] > 0.5
print("Verdict: what goes far mostly forgets much. On-policy is neither needed (oracle-samples is "
      "off policy and near) nor enough (rl-one is on policy; its reward asks for a far answer).")

# %% [markdown]
# The paper reports that the quadratic explains 96 %. Ours explains less, by the KL on the new task. With shuffled
# digits *sft-digit* goes far and forgets little, an exception to the rule. And *sft-random*, off-policy,
# is nearer than *grpo*.
#
# ## A reward in place of a teacher
#
# `grpo` is told only whether its answer is right (group-relative policy gradient: 32 answers a step, eight
# to each of four questions, so that 96 steps are four times through them). Can there be anything to reward? The share of
# questions to which one of eight sampled answers is right (*pass@8*), and of single answers that are (*pass@1*):

# %%
pass_at_8 = {}
for skill in ("facts-new", "letters-new"):
    some = spread(load_skill(skill, "train"), 48)
    right = np.array([complete(model, tokenizer, some, temperature=1.0,
                                rng=torch.Generator().manual_seed(seed)).right
                      for seed in range(8)])
    pass_at_8[skill] = right.any(0).mean()
    print(f"{skill:12s} pass@1 {percent(right.mean())}, pass@8 {percent(pass_at_8[skill])}")
assert pass_at_8["facts-new"] > 0.05 and pass_at_8["letters-new"] == 0
print("Verdict: a name is guessed now and then, three letters never.")

# %% [markdown]
# What `grpo` makes of that, at the last look:

# %%
grpo_ends = ends(tuned).query("method == 'grpo'").set_index("rate")[["new", "retention"]]
print(grpo_ends.map(percent).rename(index="{:g}".format, columns={"new": "new skill"})
      .rename_axis("learning rate of grpo").to_string())
hopeless = wb.run(wb.RunConfig(stream="skills", skills=("letters-new",), learner="grpo", lr=1e-3,
                               steps=5, items=4, clip=1.0))
print("losses on letters-new, where no answer is ever right:", hopeless.losses[0, 0].tolist())
assert (hopeless.losses == 0).all() and (hopeless.accuracy == hopeless.baseline).all()
print("Verdict: without a right answer to reward there is nothing to follow.")

# %% [markdown]
# ## Does another implementation agree?
#
# TRL 1.16.0 has an `SDFTTrainer`. `benchmarks/sdft.py agreement` ran it on this model, these data and
# settings, five seeds, once on the very answers that ours had sampled and once on its own.

# %%
agreement = json.loads((RESULTS / "trl_agreement.json").read_text())
measured = {"new": "new skill", "kept": "retention"}
outcome = {who: {words: "{} ({} to {})".format(
    *(percent(agreement["summary"][name][who][key]) for key in ("mean", "low", "high")))
    for name, words in measured.items()}
    for who in ("workbench", "trl, same draws", "trl, own draws")}
print(pd.DataFrame(outcome).T.to_string())
for name, words in measured.items():
    difference = agreement["summary"][name]["trl, own draws - workbench"]
    print(f"{words}, own draws minus workbench: {100 * difference['mean']:+.1f} points "
          f"({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}), paired")
    assert difference["low"] <= 0 <= difference["high"] and abs(difference["mean"]) < 0.05
    assert agreement["summary"][name]["trl, own draws"]["overlaps"]
assert max(seed["largest_relative_loss_gap"] for seed in agreement["seeds"]) < 1e-4
print("Verdict: with the same draws the losses agree to 1 in 10,000 at every step, with its own "
      "draws the outcome agrees within intervals.")

# %% [markdown]
# (60 steps without clipping the gradient, on both sides; with clipping ours learns more.) That took setting
# TRL up alike. Whoever compares numbers should know where the four differ:
#
# | | paper | authors' code | TRL 1.16.0's defaults | here |
# |---|---|---|---|---|
# | divergence | reverse KL in its equations | forward KL | Jensen-Shannon, half and half | forward KL |
# | over | full vocabulary | full vocabulary | the *student's* 100 likeliest, rest as one | full vocabulary |
# | teacher | moving average, 0.01 to 0.05 a step | average, in the weights' precision | base | base; an average is kept in float32 |
# | responses to a prompt | 1 | 1 | 8 | 1 |
# | first tokens that do not count | "the first few" | 3 | 0 | 0 |
# | prompt that is too long | not said | loses its beginning | loses its beginning | refused |
# | learning rate | cosine, 10 steps of warm-up | warm-up of a tenth | linear to 0 | constant |
#
# ## When it fails
#
# `nano` cannot read a demonstration (notebook 04), so its teacher is wrong. The gate refuses it; `force=True` runs SDFT all
# the same, and the record is labelled as forced.

# %%
forced = wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft", model="nano",
                             lr=1e-4, steps=40, items=12, clip=1.0, diagnose=True), force=True)
teacher_right = forced.diagnostics[0, 1, forced.diagnostic_names.index("teacher_right")]
nano_retained = retention(*forced.old_accuracy[0, :2])
print(f"nano: teacher right {percent(teacher_right)}, student {percent(forced.baseline[0, 0])} "
      f"before SDFT, {percent(forced.accuracy[0, 0, 0])} after, retention {percent(nano_retained)}")
assert teacher_right < 0.3 and forced.accuracy[0, 0, 0] < forced.baseline[0, 0] + 0.1
print("Verdict: a teacher that is wrong teaches nothing right.")

# %% [markdown]
# ## Watch it
#
# Choose learner, skill and learning rate, press **Start**, and watch answers and accuracies change.
# *Stop* and *Resume* lose nothing. Try `sft` at 1e-3 and look at the style of the answers. (The picture below is of 8
# steps and two questions a skill, to show the controls; Start takes 60 and twelve.)

# %%
from workbench.widgets import LiveDistillation

live_widget = LiveDistillation(steps=8, looks=2, items=2,
                               skills=("facts-new", "tools-new", "letters-new"))
live_widget.pace.value = "as fast as it goes"
live_widget.start().wait()
live_widget.pace.value = "watchable"
live_widget.steps, live_widget.looks, live_widget.items = 60, 12, 12  # of the next Start
live_widget

# %%
assert live_widget.record.status == "complete"
print(f"{live_widget.record.steps_taken} steps were taken.")

# %% [markdown]
# ## What of the paper this bears out
#
# | published | here |
# |---|---|
# | SDFT learns a new skill as well as SFT and forgets far less | on four of six skills, each tuned; on a fifth up to 80 % of the new skill; a hard rule neither learns reliably |
# | trained on bare answers SFT unlearns to reason, SDFT does not | yes, on worked answers |
# | because it learns on its own answers (on-policy beats off-policy) | not on one skill: with facts, worked answers, a hard rule, and a teacher that is often wrong, its answers teach as well as the student's own; with three skills in a row the own ones keep a few points more on average over six orders, most of it in one (notebook 06) |
# | the student as teacher fails, a moving average is best | it collapses at high learning rates; else base, average and student tie |
# | forgetting follows the KL from the pretrained model | yes, by rank; on *old* prompts more closely than on new ones |
# | small models gain nothing, for want of in-context learning | consistent: `nano`, one model; the gate says so beforehand |
#
# **What would change your mind?** If `sft_self_style` had forgotten as much as SFT at equal new-skill accuracy,
# the style would not be the cause. If another item's demonstration had taught the skill, the demonstration would not be the
# source. If drift and forgetting had been unrelated, "stay near" would be no explanation.
#
# ## Try it yourself
#
# - `TeacherExplorer(model, tokenizer, {"facts-new": items}, {"trained": trained["sdft"]})`: where is
#   the loss now? And against `trained["sft"]`?
# - `train("sdft", 1e-4, 60, options={"teacher": "student"})`, and with 1e-3: when does a student that teaches itself run
#   away?
# - `workbench train --learner sft_kl --option strength=0.1 --skill facts-new --out runs/kl`: is there a
#   strength at which SFT with a leash does as well?
#
# ## Limits
#
# New skills of one small world, one tiny model from one pretraining seed; seeds here are of batches and
# sampling. Where no point of a search knows 95 %, what methods are compared at differs. The
# expert's style was made to be far from the model's own, so SFT's loss is large by construction; how far it
# is in real data decides how much of this carries over. That is why the paper's own ablations, on large
# models, may differ.
#
# **Next:** [08 Many skills in a row](08_many_skills.ipynb)
