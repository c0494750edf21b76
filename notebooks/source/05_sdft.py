# %% [markdown]
# # 5. SDFT: learning from yourself
#
# > **Claim you can check:** a model that is moved to what *it* would say with the demonstration in its
# > prompt learns a new skill as well as one that copies the demonstration, and keeps most of what it
# > knew, where the other loses most. On the skill taken apart here that comes from *what* is imitated, and
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
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check
from workbench.experiment import make_learner, stream_of
from workbench.intervals import seed_interval
from workbench.models import sample
from workbench.plots import percent, percent_over_seeds
from workbench.sweeps import RESULTS, Sweep, load_sweep
from workbench.tasks import load_skill

wb.prepare_notebook()
torch.manual_seed(0)
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
# demonstration is a target as such, and nothing flows back through the sampling. Here is a step by hand,
# on one question in four phrasings.

# %%
config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft", lr=1e-4, items=24)
learner = make_learner(config, stream_of(config))
learner.begin(stream_of(config).tasks[0])
chosen = torch.arange(4)
student = learner.model.models[0]
ids, mask = learner.rollout(0, chosen)  # the student's own answers, sampled at temperature 1

q = learner.logits(0, chosen, ids, mask)  # after the question alone
p = learner.teacher.logits(0, chosen, ids, mask)  # after demonstration and question
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
small, target = torch.randn(5, requires_grad=True), torch.randn(5)
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
# teacher think comes next. Set *the teacher is shown* to **nothing**: two equal prompts and equal
# weights, so the loss is exactly 0, however wrong the answer.

# %%
from workbench.widgets import TokenKLMap

token_map = TokenKLMap({"before training": model}, model, tokenizer,
                       load_skill("facts-new", "train")[:24])
token_map.position.value = 4
token_map

# %%
token_map.help.value = "nothing"
assert (token_map.table()["loss (nats)"] == 0).all()
print("Verdict: without help there is nothing to learn; the loss is 0 at every token.")

# %% [markdown]
# ## SFT beside SDFT
#
# Now each of them live, on the keepers of 24 things that the model has never heard of. Both see the same
# questions in the same order, 32 a step, at the learning rates that a search on validation items chose for
# each (below). SFT gets the steps that the search chose; SDFT is stopped earlier, at a look recorded on
# its way, which is enough.

# %%
tuned = load_sweep("facts-new", "tune")
compared = load_sweep("facts-new", "compare")
best = {method: compared.of(method)[0] for method in ("sft", "sdft")}
budget = {"sft": int(best["sft"].steps[-1]), "sdft": int(best["sdft"].steps[0])}
print(pd.DataFrame({method: {"learning rate": f"{run.lr:g}", "steps": budget[method]}
                    for method, run in best.items()}).T.to_string())


def train(learner, lr, steps, out=None, **settings):
    """Train one seed, as the record was made, but ask half as many questions."""
    return wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner=learner, lr=lr,
                               steps=steps, items=24, clip=1.0, **settings), out=out)


folder = tempfile.TemporaryDirectory()
live = {method: train(method, run.lr, budget[method], f"{folder.name}/{method}")
        for method, run in best.items()}

# %%
from workbench.assessment import share_kept

rows = {}
for method, record in live.items():
    before, after = record.watched[0, 0], record.watched[0, 1]
    rows[method] = {"new skill": percent(record.accuracy[0, 0, 0]),
                    "kept, mean": percent(share_kept(before, after))} | {
        name: percent(value) for name, value in zip(record.watched_names, after, strict=True)}
print(pd.DataFrame(rows).T.to_string())

# %% [markdown]
# Look at *facts-keepers*: the mean hides that SDFT too has lost much of one family, other things
# asked for in the same words. The rest it keeps nearly whole; SFT has damaged nearly all.
#
# These runs are part of the record that the next section uses. Do they agree with it? Other processors
# round otherwise, so we ask for 15 points, not for equality.

# %%
for method, record in live.items():
    stored = best[method]
    point = list(stored.steps).index(budget[method])
    assert abs(stored.new[point] - record.accuracy[0, 0, 0]) < 0.15
    assert abs(stored.kept[point] - share_kept(record.watched[0, 0], record.watched[0, 1])) < 0.15
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
# for want of an SFT model that knows as much. Now there is one. Along the pretrained model's own answers to
# the training questions, the KL of each from the pretrained model:

# %%
from workbench.losses import kl_per_token
from workbench.models.logits import response_logits
from workbench.teachers import take_prompts

every = torch.arange(len(learner.items))
ids, mask = learner.rollout(0, every)  # of the first cells: it has not taken a step
with torch.no_grad():
    start = learner.logits(0, every, ids, mask)
    said = {"teacher": learner.teacher.logits(0, every, ids, mask)} | {
        method: response_logits(who, *take_prompts(learner.prompts, every), ids, mask)
        for method, who in trained.items()}
far = {name: float((kl_per_token(logits, start) * mask).sum() / mask.sum())
       for name, logits in said.items()}
print({name: f"{nats:.2f} nats a token" for name, nats in far.items()})

# %%
assert abs(far["sdft"] - far["teacher"]) < 0.3 and far["sft"] > 2 * far["teacher"]
print("Verdict: SDFT's student has gone as far as its teacher stands, and SFT over twice as far "
      "to know the same.")

# %% [markdown]
# ## A fair comparison
#
# Two traps. **One learning rate for both** makes a straw man of whichever it does not suit. **The same
# number of steps** compares a model that has learned with one that has not. So: six learning rates for
# every method, looked at every twenty steps on validation items, and one rule for all: *of the points
# that know at least 95 % of the new skill, the one that keeps most*. Then five other seeds at that
# setting, on test items. Where no point gets there, the one with the best new skill is taken.
# `scripts/sweep_skills.py` did it in hours; the record is in `data/results/skills/`. A run that has known
# the skill for sixty steps is ended, so that not all are equally long.

# %%
from workbench.widgets import ParetoExplorer

main = ["sft", "sdft", "replay", "sft_kl", "rl"]
pareto = ParetoExplorer(tuned, main)
pareto

# %%
print(pareto.table().to_string())

# %% [markdown]
# Each line is a run, from before training (6 % of the new, all kept). At rates at which it learns anything,
# SFT goes *down* first and then right: the expert's manner of speaking is learned before the facts, and
# with it goes much of what was known. SDFT goes right. (The table stops at the *first* look at 95 %, the
# rule weighs all of them.) *replay* mixes stored examples of everything the model knew into every
# batch; *sft_kl* is SFT with a penalty on the distance from the pretrained model. Each of these two has a
# second setting (the share of old examples, the strength) that was left as it is: they may be able to do
# better than you see here. Equal steps are not equal work either: replay reads twice as many examples a
# step, SDFT samples and asks its teacher.
#
# Is all this an effect of asking for 95 %? What is kept by whoever knows at least so much of the new skill,
# the best of all rates and looks:

# %%
levels = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def most_kept(sweep, method, level):
    """The most that a method keeps at any point that knows so much of the new skill."""
    return max((run.kept[i] for run in sweep.of(method) for i in range(len(run.steps))
                if run.new[i] >= level), default=np.nan)


def cell(value):
    """A share in percent, or a dash where there is none."""
    return percent(value) if value == value else "-"


print(pd.DataFrame({method: {f"{percent(level)} new": cell(most_kept(tuned, method, level))
                             for level in levels} for method in main}).T.to_string())

# %% [markdown]
# *replay* keeps nearly as much as SDFT up to 80 %, with stored data. The last level it does not reach; the rule
# then takes the most of the new skill, at any price, and so for *sft_kl* and *rl*. Now five other seeds, on test items, at the points that the rule chose:

# %%
def at_the_end(methods, sweep=compared):
    """New skill and share kept, mean over five seeds with the 95 % interval."""
    rows = {}
    for method in methods:
        runs = sweep.of(method)
        rows[method] = {"learning rate": f"{runs[0].lr:g}", "steps": int(runs[0].steps[-1]),
                        "new skill": percent_over_seeds([run.new[-1] for run in runs]),
                        "kept": percent_over_seeds([run.kept[-1] for run in runs])}
    return pd.DataFrame(rows).T


# %%
def kept(method, sweep=compared):
    """Share kept by each seed at the end."""
    return np.array([run.kept[-1] for run in sweep.of(method)])


def learned(method, sweep=compared):
    """Accuracy on the new skill of each seed at the end."""
    return np.array([run.new[-1] for run in sweep.of(method)])


print(at_the_end(main).to_string())

# %%
gap = kept("sdft") - kept("sft")  # of the same seed
low, high = seed_interval(gap)
print(f"SDFT keeps more than SFT by {100 * gap.mean():.0f} points "
      f"({100 * low:.0f} to {100 * high:.0f}), paired over five seeds")
assert learned("sdft").mean() > 0.95 and kept("sdft").mean() > 0.85 and low > 0.2
assert learned("sft").mean() > 0.9
print("Verdict: it learns as much, and keeps far more than SFT at its best.")

# %% [markdown]
# The intervals are over five seeds of batches and sampling. Every seed is asked the same 48 questions, two
# phrasings of 24 facts, so that one answer more or less is two points for all.
#
# One skill is one observation. The same search on five others: new functions to call, a new machine for
# letters, a new step for the jar (where the model is used to work things out, and the expert says the bare
# result), mishaps from articles of the village paper, and a machine with a harder rule. What can be kept by
# whoever knows so much of the new skill, of SFT and of SDFT, the best of all rates and looks (validation
# items, one seed):

# %%
others = ("tools-new", "letters-new", "working-new", "articles-new", "letters-hard-new")
search = {skill: load_sweep(skill, "tune") for skill in others}
best_kept = {skill: {level: [most_kept(sweep, method, level) for method in ("sft", "sdft")]
                     for level in levels} for skill, sweep in search.items()}
print(pd.DataFrame({skill: {f"{percent(level)} new": " | ".join(
    cell(value) for value in pair) for level, pair in row.items()}
    for skill, row in best_kept.items()}).T.rename_axis("kept: SFT | SDFT").to_string())

# %%
pairs = [(level, *pair) for row in best_kept.values() for level, pair in row.items()
         if not np.isnan(pair).any()]
assert all(sdft > sft + 0.2 for level, sft, sdft in pairs if level <= 0.8) and len(pairs) >= 10
print("Verdict: wherever both know a skill to 80 % or less, SDFT has kept over 20 points more.")

# %% [markdown]
# And five seeds on test items, each at the point that the rule chose. *Known by heart* is the accuracy on the
# training items, where it was measured:

# %%
sweeps = {skill: load_sweep(skill) for skill in others}
shown = pd.concat({skill: at_the_end(["sft", "sdft"], sweep) for skill, sweep in sweeps.items()})
by_heart = [np.mean([run.train for run in sweep.of(method)])
            for sweep in sweeps.values() for method in ("sft", "sdft")]
shown["known by heart"] = [cell(value) for value in by_heart]
print(shown.to_string())

# %%
for sweep in sweeps.values():
    low, high = seed_interval(kept("sdft", sweep) - kept("sft", sweep))
    print(f"{sweep.skill}: SDFT keeps {100 * low:.0f} to {100 * high:.0f} points more, and knows "
          f"{100 * (learned('sdft', sweep) - learned('sft', sweep)).mean():+.0f} points more")
    if sweep.skill in ("tools-new", "letters-new", "working-new"):
        assert learned("sdft", sweep).mean() > max(0.85, learned("sft", sweep).mean() - 0.05)
        assert low > 0.2
print("Verdict: on three of the five SDFT learns about as much or more, and keeps far more.")

# %% [markdown]
# *tools* are like the facts. *letters* SFT learns only at the highest rate, which leaves nothing else: the expert
# wraps three letters in some fifteen words, and those are learned first. *working* SFT learns by heart and not
# otherwise: trained on bare results it gives up working things out. The teacher works them out, in the
# model's own manner, and the student goes on doing so.
#
# The last two are where SDFT **fails**. Details from *articles* are soon known by heart in the two phrasings that
# are trained on, and in others only in part: up to some 70 % at little cost, and over 95 % only at a rate that
# costs all the rest. The rule asks for 95 % first, and so chooses that. The *hard* letters neither learns in 160
# steps: SFT knows the examples by heart and no rule; of SDFT's five seeds two find most of it, at the rate
# that costs all the rest. That the teacher is always right is not enough there.
#
# What SDFT loses is each time mainly the *sibling*, what is asked in nearly the same words:

# %%
for sweep, sibling in ((compared, "facts-keepers"), (sweeps["tools-new"], "tools-house"),
                       (sweeps["letters-new"], "letters-machines")):
    lost = np.mean([run.old_before - run.old[-1] for run in sweep.of("sdft")], axis=0)
    print(sweep.skill, {name: percent(value) for name, value in
                        zip(sweep.watched, lost, strict=True) if value > 0.02})
    assert sweep.watched[lost.argmax()] == sibling and np.sort(lost)[-2] < 0.15
print("Verdict: of what pretraining taught, SDFT loses mainly what new and old have in common.")

# %% [markdown]
# ## Where does the gain come from?
#
# SDFT differs from SFT in three things at once: **whose words** are imitated (the model's own manner, not
# the expert's), **how** (a whole distribution, not one word), and **where** (answers that the student
# itself gives, not given ones). Take them apart:
#
# | | whose words | soft | student's own answers |
# |---|---|---|---|
# | `sft` | expert's | no | no |
# | `sft_own_voice` (an oracle: nobody has such data) | model's own | no | no |
# | `sft on teacher`: fine-tuning on answers that the teacher samples | model's own | no | no |
# | `offline_distill`: the same answers, whole distributions | model's own | yes | no |
# | `sdft` | model's own | yes | yes |

# %%
apart = ["sft", "sft_own_voice", "sft on teacher", "offline_distill", "sdft"]
print(at_the_end(apart).to_string())

# %%
own = {method: kept(method).mean() for method in apart[1:]}
assert max(own.values()) - min(own.values()) < 0.08 and min(own.values()) > kept("sft").mean() + 0.2
print("Verdict: all four that imitate the model's own manner keep far more than SFT.")

# %% [markdown]
# Among the four the search has chosen different learning rates, by a hair, and the lower rate keeps a
# little more. Is that the method or the rate? Hold the rate, and compare at the last step that all of
# them reached (one validation seed each):

# %%
def swept(methods, sweep=tuned):
    """New skill and share kept at each learning rate, at the last step common to all methods."""
    rows = {}
    for lr in sorted({run.lr for run in sweep.runs}):
        runs = {method: run for method in methods for run in sweep.of(method) if run.lr == lr}
        step = min(run.steps[-1] for run in runs.values())
        rows[f"lr {lr:g}, step {step}"] = {
            method: (run.new[run.steps == step][0], run.kept[run.steps == step][0])
            for method, run in runs.items()}
    return rows


# %%
def table(rows):
    """New and kept, in words."""
    return pd.DataFrame({name: {method: f"{percent(new)}, {percent(old)}"
                                for method, (new, old) in row.items()}
                         for name, row in rows.items()}).T.to_string()


rates = swept(apart[1:])
print("new skill, kept:")
print(table(rates))
for row in rates.values():
    new, old = np.array(list(row.values())).T
    assert np.ptp(new) < 0.1 and np.ptp(old) < 0.06
print("Verdict: at the same rate and step they learn and keep the same. Here the gain comes from "
      "what is imitated, not from soft targets and not from being on-policy.")

# %% [markdown]
# In the paper's ablation (its figure 6, read off a chart: the *new* skill, 70 on-policy, 63 offline, 61 SFT on
# teacher samples) being on-policy pays. This skill can hardly show that. Look at the token map above: all
# of the loss sits on one word, the name, and whatever the student says before it the teacher says as often.
# Own answers and teacher's answers lead through the same places. On-policy training should matter where
# they part, in long answers with early mistakes. The longest here, some 21 tokens, are those of *working-new*;
# the teacher's answers were sampled four times a question, or just once:

# %%
offline = ["sdft", "offline_distill", "offline, one sample"]
rates = swept(offline, Sweep("working-new", "tune", [
    run for run in search["working-new"].runs if run.lr <= 1e-3], [], [], ""))
print("validation, one seed: new skill, kept:")
print(table(rates))
print("\ntest, five seeds:")
print(at_the_end(offline, sweeps["working-new"]).to_string())
ends = [learned(method, sweeps["working-new"]).mean() for method in offline]
assert max(ends) - min(ends) < 0.05
print("Verdict: here too it makes no difference to learning whose answers are learned on; at "
      "the highest of these rates the student's own cost more of what was known.")

# %% [markdown]
# So where being on-policy matters was **not found** in this world. Its teacher is hardly ever in doubt, so that
# after a few steps the student's answers are the teacher's, whoever gives them. What would change your mind: a
# task on which `offline_distill` falls behind.
#
# And two controls: a teacher that is shown **another item's demonstration**, and one that is shown
# **nothing**. If these learned too, the gain would not come from the demonstration.

# %%
print(at_the_end(["sdft", "sdft other", "sdft none"]).to_string())
assert learned("sdft none").mean() < 0.2 and learned("sdft other").mean() < 0.2
assert np.allclose(kept("sdft none"), 1)
assert all((compared.diagnostic(run, "kl_new") == 0).all() for run in compared.of("sdft none"))
print("Verdict: with another's demonstration no right answer is learned (and a wrong one is); with "
      "none, nothing moves: the KL from the pretrained model is exactly 0.")

# %% [markdown]
# ## Which way the divergence looks
#
# The equations of the paper have the *reverse* KL(student‖teacher); its numbers were made with the
# *forward* one. The two agree only where student and teacher do. A student that gives a word the
# probability 0.001, and a teacher that wants it:

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
# apart. (Adam rescales gradients, so that this is about shares, not about speed alone.) What that does to
# learning, at each one's best learning rate:

# %%
print(at_the_end(["sdft", "sdft reverse"]).to_string())
assert learned("sdft reverse").mean() < learned("sdft").mean()
print("Verdict: the reverse KL learns less, even with more steps and a higher rate.")

# %% [markdown]
# ## Whose weights teach
#
# Frozen (the default here), a moving average of the student (`ema`), or the student as it is now
# (`live`). Published results disagree on which is best; one reason may be arithmetic. In bfloat16 a
# number has 8 bits of precision, so a step of one per cent of a small difference is rounded away:

# %%
torch.manual_seed(0)
start = 0.02 * torch.randn(20_000)
goal = start + 0.01 * start.abs().mean() * torch.randn(20_000)  # a student that moved by 1 %
for dtype in (torch.float32, torch.bfloat16):
    average = start.clone().to(dtype)
    for _ in range(300):
        average.mul_(0.99).add_(goal.to(dtype), alpha=0.01)
    moved = (average.float() - start).dot(goal - start) / (goal - start).dot(goal - start)
    print(f"{str(dtype)[6:]:9s} after 300 steps the average has gone {percent(float(moved))} of "
          "the way")

# %% [markdown]
# So the workbench keeps the average in float32, whatever the model is in. What the three do, over the
# learning rates:

# %%
rates = swept(["sdft", "sdft ema", "sdft live"])
print("new skill, kept:")
print(table(rates))
runaway, = (run for run in tuned.of("sdft live") if run.lr == 3e-4)
print("live, lr 0.0003, new skill at each look:", ", ".join(percent(new) for new in runaway.new))
assert runaway.new.max() > 0.9 and runaway.new[-1] < 0.1
low = next(row for name, row in rates.items() if name.startswith("lr 3e-05"))
assert np.ptp(list(low.values()), axis=0).max() < 0.1
print("Verdict: at low rates the three tie. From 3e-4 on the live teacher follows its student, "
      "until neither can speak; the other two hold up to 1e-3.")

# %% [markdown]
# {{exercise moving_average}}

# %%
def moving_average(average, weights, rate):
    ...


check("moving_average", moving_average)

# %% [markdown]
# {{solution moving_average}}
#
# ## How far it went, and what it forgot
#
# *RL's Razor* ([Shenfeld et al., arXiv 2509.04259](https://arxiv.org/abs/2509.04259)) says that
# forgetting follows the KL from the pretrained model *on prompts of the new task*. Others
# ([arXiv 2607.04364](https://arxiv.org/abs/2607.04364)) say that what matters is the drift *on prompts of the old
# tasks*. Both were measured for every run; choose which to see.

# %%
from workbench.sweep_plots import drift_points, rank_correlation
from workbench.widgets import DriftExplorer

drift = DriftExplorer(tuned)
drift

# %%
drift.prompts.value = "kl_old"
drift.snapshot()

# %%
for names, which in ((tuned.methods, "all methods"),
                    ([name for name in tuned.methods if name != "sft_kl"], "without sft_kl")):
    r = {prompts: rank_correlation(drift_points(tuned, names, prompts, everywhere=True))
         for prompts in ("kl_new", "kl_old")}
    print(f"{which}, every look at each run: rank correlation of forgetting with the KL on new "
          f"prompts {r['kl_new']:.2f}, on old prompts {r['kl_old']:.2f}")

# %% [markdown]
# Within a method both tell what is forgotten. Across methods, look for *sft_kl* in the first picture: at
# rates up to 1e-3 its penalty holds down the drift on the new prompts, and it forgets all the same, on the old ones. Drift on
# old prompts is measured next to where forgetting is, so that a closer fit should not surprise; and a
# correlation over methods that were made to differ is not a law.
#
# ## What a trainer does not log
#
# Loss and reward say little of what becomes of a model. Four things that were measured at every look, for
# each method at the setting that the search chose:

# %%
from workbench.sweep_plots import plot_diagnostic

seen = {"foreign_voice": "answers in another's voice", "length": "length of an answer",
        "entropy": "entropy of its own answers", "helped_right": "right, if shown a demonstration"}
figure = Figure(figsize=(9, 5), layout="constrained")
for i, (ax, (name, title)) in enumerate(zip(figure.subplots(2, 2).flat, seen.items(), strict=True)):
    plot_diagnostic(tuned, ["sft", "sdft", "replay", "sft_kl"], name, ax, title, legend=i % 2 == 1)
wb.show(figure)

# %%
end = {method: {name: tuned.diagnostic(tuned.choose(method)[0], name)[-1] for name in seen}
       for method in ("sft", "sdft")}
assert end["sft"]["foreign_voice"] > 0.9 and end["sdft"]["foreign_voice"] == 0
assert end["sft"]["helped_right"] < 0.5 and end["sdft"]["helped_right"] == 1
print(f"Verdict: SFT ends in the expert's voice, {end['sft']['length']:.0f} tokens in place of "
      f"{end['sdft']['length']:.0f}, and can hardly use a demonstration any more.")

# %% [markdown]
# SFT takes over the manner first: by step 40 every answer is in the expert's voice. It becomes nearly certain of
# what it says (an entropy near 0), and it loses what SDFT lives on: *shown* a demonstration, it is right less
# often than without one. It would no longer pass the gate of notebook 04. *sft_kl*, pulled towards the expert
# and back at once, gives long answers and is unsure of every word.
#
# ## The principle in ten seconds
#
# Where a question has *many* right answers, how far must one go to give one of them? A toy after
# *RL's Razor*: a network names digits turned by 90 degrees (the old task) and learns parity (the new
# one), where 0, 2, 4, 6 and 8 are all right for an even digit. Nine ways to learn it:

# %%
from workbench.razor import METHODS, at_matched_accuracy, razor
from workbench.sweep_plots import plot_razor

toy = {"turned": razor(), "shuffled": razor(old="permuted-digits")}
for name, said in METHODS.items():
    print(f"{name:15s} {said}")

# %%
figure = Figure(figsize=(10, 3.6))
for ax, (old, result) in zip(figure.subplots(1, 2), toy.items(), strict=True):
    plot_razor(result, ax, f"old task: {old} digits")
wb.show(figure)

# %%
matched = at_matched_accuracy(toy["turned"], 0.93)
order = sorted(matched, key=lambda name: matched[name].kl.mean())
print(pd.DataFrame({name: {"parity": percent(matched[name].accuracy.mean()),
                           "KL": f"{matched[name].kl.mean():.2f} nats",
                           "forgotten": percent(matched[name].forgetting.mean())}
                    for name in order}).T.to_string())
for old, result in toy.items():
    print(f"{old}: a quadratic explains {percent(result.r_squared())} of forgetting by the KL on "
          f"the new task, {percent(result.r_squared('kl_old'))} by the KL on the old one")

# %%
def forgotten(name):
    """Share of the old task that a method forgets at the same parity accuracy."""
    return matched[name].forgetting.mean()


assert forgotten("oracle") < 0.15 < 0.4 < forgotten("sft-one")
assert forgotten("oracle-samples") < 0.15 and forgotten("rl-one") > 0.4
print("Verdict: what goes far mostly forgets much. On-policy is neither needed (oracle-samples is "
      "off policy and near) nor enough (rl-one is on policy, and its reward is far).")

# %% [markdown]
# The paper reports that the quadratic explains 96 %. Ours explains less, by the KL on the new task, and
# below 1 nat only some 37 %: among the near ones, the KL does not say who forgets least. With shuffled
# digits *sft-digit* goes far and forgets little, an exception to the rule. And *sft-random*, off-policy,
# is nearer than *rl*.
#
# ## A reward in place of a teacher
#
# `rl` is told only whether its answer is right (group-relative policy gradient: 32 answers a step, eight
# to each of four questions). With sixteen possible names a guess is right now and then:

# %%
runs = {f"{run.lr:g}": {"new skill": percent(run.new[-1]), "kept": percent(run.kept[-1])}
        for run in tuned.of("rl")}
print(pd.DataFrame(runs).T.rename_axis("learning rate of rl").to_string())
hopeless = wb.run(wb.RunConfig(stream="skills", skills=("letters-new",), learner="rl", lr=1e-3,
                               steps=5, items=12, clip=1.0))
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
rows = {}
for who in ("workbench", "trl, same draws", "trl, own draws"):
    found = {name: agreement["summary"][name][who] for name in ("new", "kept")}
    rows[who] = {name: f"{percent(value['mean'])} ({percent(value['low'])} to "
                       f"{percent(value['high'])})" for name, value in found.items()}
    assert all(value.get("overlaps", True) for value in found.values())
print(pd.DataFrame(rows).T.to_string())
gap = max(seed["largest_relative_loss_gap"] for seed in agreement["seeds"])
assert gap < 1e-4
print("Verdict: with the same draws the losses agree to 1 in 10,000 at every step, with its own "
      "draws the outcome agrees within intervals.")

# %% [markdown]
# (60 steps without clipping the gradient, on both sides; with clipping both learn more.) That took setting
# TRL up alike. Whoever compares numbers should know where the four differ:
#
# | | paper | authors' code | TRL 1.16.0's defaults | here |
# |---|---|---|---|---|
# | divergence | reverse KL in its equations | forward KL | Jensen-Shannon, half and half | forward KL |
# | over | full vocabulary | full vocabulary | the *student's* 100 likeliest, rest as one | full vocabulary |
# | teacher | moving average, 0.01 to 0.05 a step | average, in the weights' precision | frozen | frozen; an average is kept in float32 |
# | responses to a prompt | 1 | 1 | 8 | 1 |
# | first tokens that do not count | "the first few" | 3 | 0 | 0 |
# | prompt that is too long | not said | loses its beginning | loses its beginning | refused |
# | learning rate | cosine, 10 steps of warm-up | warm-up of a tenth | linear to 0 | constant |
#
# ## When it fails
#
# `nano` cannot read a demonstration (notebook 04), so its teacher is wrong. The gate refuses it; here
# it is forced.

# %%
forced = wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft", model="nano",
                             lr=1e-3, steps=60, items=24, clip=1.0, diagnose=True))
teacher = forced.diagnostics[0, 1, forced.diagnostic_names.index("teacher_right")]
before, after = forced.watched[0, 0], forced.watched[0, 1]
print(f"nano: teacher right {percent(teacher)}, student {percent(forced.baseline[0, 0])} before "
      f"SDFT, {percent(forced.accuracy[0, 0, 0])} after, kept {percent(share_kept(before, after))}")
assert teacher < 0.5 and forced.accuracy[0, 0, 0] < 0.5
print("Verdict: a teacher that is wrong teaches nothing right, and costs what was known.")

# %% [markdown]
# ## Watch it
#
# Choose learner, skill and learning rate, press **Start**, and watch answers and accuracies change.
# *Stop* and *Resume* lose nothing. Try `sft` at 1e-3 and look at the voice of the answers.

# %%
from workbench.widgets import LiveDistillation

live_widget = LiveDistillation(steps=16, looks=4, items=2,
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
# | SDFT learns a new skill as well as SFT and forgets far less | on four of six skills, each tuned; on a fifth up to 80 % of the new skill; a hard rule neither learns |
# | trained on bare answers SFT unlearns to reason, SDFT does not | yes, on worked answers |
# | because it learns on its own answers (on-policy beats off-policy) | not found: on facts and on worked answers all that imitate the own manner learn the same |
# | a live teacher fails, a moving average is best | a live one collapses at high learning rates; else frozen, averaged and live tie |
# | forgetting follows the KL from the pretrained model | yes, by rank; on *old* prompts more closely than on new ones |
# | small models gain nothing, for want of in-context learning | consistent: `nano`, one model; the gate says so beforehand |
#
# **What would change your mind?** If `sft_own_voice` had forgotten as much as SFT at equal new-skill accuracy,
# the manner would not be the cause. If another item's demonstration had taught the skill, the demonstration would not be the
# source. If drift and forgetting had been unrelated, "stay near" would be no explanation.
#
# ## Try it yourself
#
# - `TokenKLMap({"trained": trained["sdft"]}, model, tokenizer, load_skill("facts-new", "train"))`: where is
#   the loss now? And against `trained["sft"]`?
# - `train("sdft", 1e-4, 60, options={"teacher": "live"})`, and with 1e-3: when does a live teacher run
#   away?
# - `workbench train --learner sft_kl --option strength=0.1 --skill facts-new --out runs/kl`: is there a
#   strength at which SFT with a leash does as well?
#
# ## Limits
#
# New skills of one small world, one tiny model from one pretraining seed; seeds here are of batches and
# sampling. Where no point of a search knows 95 %, the rule takes the most of the new skill at any price. The
# expert's voice was made to be far from the model's own, so SFT's loss is large by construction; how far it
# is in real data decides how much of this carries over. That is why the paper's own ablations, on large
# models, may differ.
#
# **Next:** [06 Many skills in a row](06_many_skills.ipynb)
