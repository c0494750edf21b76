# %% [markdown]
# # 5. SDFT: learning from yourself
#
# > **Claim you can check:** SDFT trains a model towards the answers that the same model gives when a demonstration is
# > in its prompt. With SDFT the model learns a new skill as well as with fine-tuning on the demonstrations themselves.
# > After SDFT, the accuracy on the other skills is on average 90 % of the accuracy before. After fine-tuning it is
# > 45 %. Each method has the learning rate and the number of steps that suit it best. SDFT fails with a model that
# > cannot use a demonstration.
#
# | | |
# |---|---|
# | **Objectives** | write the SDFT loop in 15 lines · find the words of an answer at which the loss is large · compare SDFT with fine-tuning at the same new-skill accuracy · say when SDFT fails |
# | **Prerequisites** | [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb) |
# | **Time** | 60 minutes to work through, under 1.5 minutes to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import copy
import tempfile

import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check, verdict
from workbench.models import make_prompt, sample
from workbench.plots import describe, percent
from workbench.tasks import load_skill, spread

wb.prepare_notebook()
model, tokenizer = wb.load_causal_lm("tiny")

# %% [markdown]
# ## The idea in one step
#
# SDFT (self-distillation fine-tuning) was proposed by
# [Shenfeld et al., arXiv 2601.19897](https://arxiv.org/abs/2601.19897). One model has two roles. The
# **student** sees the question alone. The **teacher** also sees a demonstration, which is the answer of an expert.
# Before training, both have the same weights. One training step has three parts:
#
# 1. The student answers the question. Its answer is *sampled*: each word is drawn from the student's own distribution.
# 2. The teacher reads this answer. For each word it gives its own distribution over the next word.
# 3. A gradient step moves the student's distribution towards the teacher's, at each word of the answer.
#
# The words of the demonstration are never training targets. Here are the two prompts of one question, and an
# answer of the student. `E:`, `Q:` and `A:` mark demonstration, question and answer.

# %%
import textwrap

facts = load_skill("facts-new", "train")  # 24 facts, each asked in four phrasings
question = make_prompt(tokenizer, facts[0].prompt)
shown = make_prompt(tokenizer, facts[0].prompt, demonstration=facts[0].demonstration)
answer = sample(model, tokenizer, [question], temperature=1.0, rng=torch.Generator().manual_seed(0))
for role, text in {"student sees": question, "teacher sees": shown,
                   "student says": answer.texts[0], "right": facts[0].answer}.items():
    print(textwrap.fill(f"{role:13s} {text}", 100, subsequent_indent=14 * " "))

# %% [markdown]
# Next we need the **logits** of an answer: at each word, one score for every word of the vocabulary. A softmax turns
# the scores into probabilities. The function below puts a prompt before each answer, runs the model, and returns the
# logits for each word of the answer.

# %%
def logits_of(model, prompts, answers):
    """Logits from which each token of the answers is chosen: (answers, tokens, vocabulary)."""
    padded = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left",
                       add_special_tokens=False)
    ids = torch.cat([padded["input_ids"], answers.ids], 1)
    mask = torch.cat([padded["attention_mask"], answers.mask], 1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)  # counted from the first token of the prompt
    logits = model(ids, attention_mask=mask, position_ids=positions).logits
    # The logits at a token are for the token after it, so we begin one token before the answer.
    return logits[:, padded["input_ids"].shape[1] - 1:-1]

# %% [markdown]
# The loss at word $t$ of an answer is the KL divergence of lesson 04. Here $p_t$ is the teacher's distribution of
# this word and $q_t$ the student's:
#
# $$\ell_t = \mathrm{KL}(p_t \,\|\, q_t) = \sum_v p_t(v)\,[\log p_t(v) - \log q_t(v)].$$
#
# Its gradient with respect to the student's logits is simply $q_t - p_t$. A step against the gradient lowers the logit of
# a word $v$ where $q_t(v) > p_t(v)$. It raises the logit where $p_t(v) > q_t(v)$. Below are the probabilities of each
# word of the answer, and the loss there. (`</s>` is the token that ends an answer.)

# %%
student_logits = logits_of(model, [question], answer)[0].detach().requires_grad_()
teacher_logits = logits_of(model, [shown], answer)[0].detach()
log_q, log_p = student_logits.log_softmax(-1), teacher_logits.log_softmax(-1)
word_loss = (log_p.exp() * (log_p - log_q)).sum(-1)
word_loss.sum().backward()
for token, student_p, teacher_p, nats_here in zip(
        answer.ids[0].tolist(), log_q.exp().tolist(), log_p.exp().tolist(), word_loss.tolist(),
        strict=True):
    print(f"{tokenizer.decode(token):5s} student {percent(student_p[token]):>5s}, teacher "
          f"{percent(teacher_p[token]):>5s}, KL {abs(nats_here):5.2f} nats")
verdict("the gradient of the loss with respect to the student's logits is q - p.",
        torch.allclose(student_logits.grad, log_q.exp() - log_p.exp(), atol=1e-6))

# %%
verdict("over 90 % of the loss is on the name.", word_loss[3] > 0.9 * word_loss.sum())
same_prompt = logits_of(model, [question], answer)[0].log_softmax(-1)
verdict("without a demonstration both prompts are equal, so the loss is 0 at every word, even if "
        "the answer is wrong. There is nothing to learn.", torch.equal(same_prompt, log_q))

# %% [markdown]
# ## The loop, line by line
#
# Now we train. The skill is to know who keeps each of 24 things, which are new to the model. There are 96 questions,
# and each step uses 32 of them. The learning rate is 3e-4, a high one, so that 20 steps are enough. The loop is the
# whole method:
#
# - **Before the loop.** The student is a copy of the model. Adam (here `AdamW` without weight decay) is the optimizer.
#   The student's prompts are in the list `questions`. The teacher's prompts, with the demonstrations, are in the list
#   `with_help`.
# - **Sample.** The *student of this step* answers 32 questions. This is **on-policy** training: the training answers come
#   from the model in training, not from a fixed data set.
# - **Logits.** `q` holds the student's logits of these answers, and `p` the teacher's. The teacher is the pretrained
#   model, which does not change. `detach` keeps the gradient away from it.
# - **Loss.** `kl` is the loss at each word. It is averaged over the words of each answer, then over the 32 answers. The
#   mask is 1 at the words of an answer and 0 after its end.
# - **Step.** `backward` computes the gradient, with the answers treated as fixed. Clipping shrinks a gradient whose norm
#   is above 1. Then the optimizer takes the step.

# %%
from workbench.learners import batch_order
from workbench.system.runtime import generator

RATE, STEPS = 3e-4, 20
batches = batch_order(seed=0, task=0, examples=len(facts), steps=STEPS, batch_size=32).tolist()
print(f"{len(batches)} steps; step 1 uses the questions {batches[0][:6]} and 26 others")

# %%
student, rng, losses = copy.deepcopy(model), generator(0, "learner"), []
optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, weight_decay=0)
questions = [make_prompt(tokenizer, fact.prompt) for fact in facts]
with_help = [make_prompt(tokenizer, f.prompt, demonstration=f.demonstration) for f in facts]
for batch in batches:
    answers = sample(student, tokenizer, [questions[i] for i in batch], temperature=1.0, rng=rng)
    q = logits_of(student, [questions[i] for i in batch], answers)
    p = logits_of(model, [with_help[i] for i in batch], answers).detach()
    kl = (p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum(-1)
    loss = ((kl * answers.mask).sum(1) / answers.mask.sum(1)).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())

# %% [markdown]
# Is this the method of the package? Its learner `sdft` is trained by its own training loop, `fit`. We give it the same
# batches and the same random numbers. Then its losses must be equal to ours, up to rounding.
#
# Every four steps we also test the new skill: the same 24 facts, in two phrasings that are not in the training
# questions. Before training the model gives a few right answers by chance, because there are only sixteen names.

# %%
from workbench.learners import fit, make_optimizer
from workbench.measure.completions import complete
from workbench.runs.experiment import make_learner, stream_of

config = wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft")
task = stream_of(config).tasks[0]
learner = make_learner(config, stream_of(config))
learner.begin(task)
asked = spread(load_skill("facts-new", "test"), 48)
tested, losses_of_package = {0: complete(model, tokenizer, asked)}, []
training = fit(learner, task, make_optimizer(learner, RATE), steps=STEPS, batch_size=32, clip=1.0)
for step, taken in enumerate(training, 1):
    losses_of_package.append(taken.item())
    if step % 4 == 0:
        tested[step] = complete(learner.model.models[0], tokenizer, asked)

# %%
by_hand, by_package = torch.tensor([losses, losses_of_package])
verdict("the loop and the package have the same loss at every step: the relative difference is "
        "below 1/10,000.",
        torch.allclose(by_hand, by_package, rtol=1e-4, atol=0))
ours = complete(student, tokenizer, asked).accuracy
verdict("the student of the loop knows as many of the test questions as that of the package.",
        abs(ours - tested[STEPS].accuracy) < 0.05)
rates = 100 * pd.DataFrame({n: made.summary()["right"] for n, made in tested.items()}).T

# %%
from workbench.plots.labels import add_text, percent_limits
from workbench.plots.styles import COLOURS

loop_figure = Figure(figsize=(8.6, 3), layout="constrained")
left, right = loop_figure.subplots(1, 2)
left.plot(range(1, STEPS + 1), losses, color=COLOURS[0])
add_text(left, "Loss of each step", "step", "KL (nats per word)")
describe(left, f"Loss of each step: from {losses[0]:.2f} to {losses[-1]:.2f} nats per word.")
right.errorbar(rates.index, rates["rate"], abs(rates[["low", "high"]].T - rates["rate"]).to_numpy(),
               fmt="o-", capsize=3, color=COLOURS[0])
percent_limits(right)
add_text(right, "Accuracy on the new skill", "step", "right answers (%)")
describe(right, "Accuracy on the new skill: " + ", ".join(
    f"{percent(share / 100)} at step {n}" for n, share in rates["rate"].items()) + ".")
wb.show(loop_figure)

# %% [markdown]
# Twenty steps of this loop teach most of the new skill. The vertical bars are 95 % intervals (Wilson's).
#
# The paper's equations use the reverse KL, $\mathrm{KL}(q \,\|\, p)$. Its experiments used the forward KL,
# $\mathrm{KL}(p \,\|\, q)$, as we do here. Lesson 06 compares the two.
#
# {{exercise sdft_loss}}

# %%
def sdft_loss(teacher_logits, student_logits, mask):
    ...


check("sdft_loss", sdft_loss)

# %% [markdown]
# {{solution sdft_loss}}
#
# ## SFT beside SDFT
#
# **SFT** (supervised fine-tuning) is the usual way to train on demonstrations. It has no sampling and no teacher: the
# answers in its loop are the demonstrations of the expert, and the loss is the cross-entropy of their words. We now train
# both methods on the 24 facts, with the same questions in the same order.
#
# The learning rates come from a search, which the next section explains. So do the 120 steps of SFT. For SDFT the search
# chose 100 steps. We take 60 to save time. Stored test runs have the same mean accuracy (98 %) and retention (90 %) after
# 60 steps as after 100.
#
# **Retention** is the accuracy on a known skill after training divided by the accuracy before. We average it over five
# known skills.

# %%
from workbench.runs.studies import choose, ends, load_study, points

one_skill = points(load_study("one_skill"))  # one row for each evaluation of a training run
searched, compared = (one_skill[(one_skill["part"] == part) & (one_skill["order"] == "facts-new")]
                      for part in ("validation", "test"))
stored = compared.query("seed == 0 and step > 0").set_index(["method", "step"])
budget = {"sft": int(stored.loc["sft"].index[-1]), "sdft": int(stored.loc["sdft"].index[0])}
rate = {method: float(stored.loc[method]["rate"].iloc[0]) for method in budget}
print(pd.DataFrame({"learning rate": {method: f"{lr:g}" for method, lr in rate.items()},
                    "steps": budget}, dtype=object).to_string())

# %%
def train(learner, lr, steps, out=None, **settings):
    """Train one seed with the settings of the stored results; test 16 questions a skill, not 48."""
    return wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner=learner, lr=lr,
                               steps=steps, items=16, clip=1.0, **settings), out=out)


folder = tempfile.TemporaryDirectory()
live = {method: train(method, rate[method], steps, f"{folder.name}/{method}")
        for method, steps in budget.items()}
trained = {method: wb.load_causal_lm(f"{folder.name}/{method}")[0] for method in live}

# %%
from workbench.measure.comparison import retention

known = list(live["sft"].old_names)
before = live["sft"].old_accuracy[0, 0]
abilities = {"before": {"new skill": live["sft"].baseline[0, 0]}
             | dict(zip(known, before, strict=True))}
for method, record in live.items():
    after = record.old_accuracy[0, 1]
    abilities[method] = ({"new skill": record.accuracy[0, 0, 0]}
                         | dict(zip(known, after, strict=True))
                         | {"retention": retention(before, after)})
print(pd.DataFrame(abilities).map(percent).replace("not defined", "").to_string())

# %% [markdown]
# These two runs are tested with only 16 questions for each skill, so one question is 6 points. SFT has damaged four of
# the five known skills. SDFT has lost a quarter of *facts-keepers*, and keeps the other four whole. This skill asks
# who keeps other things, in the same words as the new skill. The mean retention of 95 % does not show this loss.
#
# The stored results contain the same two runs, tested with 48 questions for each skill. Trained models differ a little
# between processors. Therefore we allow a difference of 15 points.

# %%
gaps = [abs(stored.loc[(method, budget[method]), column] - measured)
        for method, record in live.items()
        for column, measured in (("new", record.accuracy[0, 0, 0]),
                                 ("retention", retention(*record.old_accuracy[0, :2])))]
verdict("these two runs differ from the stored results by less than 15 points.", max(gaps) < 0.15)

# %% [markdown]
# Here are some answers. After SDFT the model answers in its own style. After SFT it answers the first two questions in
# the expert's style. Both trained models are wrong on the second question. (Your computer may print other answers.)

# %% tags=["nbval-ignore-output"]
# Answers of trained models depend on the last digits, which differ between processors.
for skill in ("facts-new", "facts-keepers", "working-jar"):
    item = load_skill(skill, "test")[5]
    print(f"{item.prompt}   (right: {item.answer})")
    for name, network in {"before": model, **trained}.items():
        response = sample(network, tokenizer, [make_prompt(tokenizer, item.prompt)]).texts[0]
        print(f"    {name + ':':7s} {response}")

# %% [markdown]
# ### How far did each model move?
#
# We take answers of the pretrained model to all 96 training questions. The table below has four rows: the pretrained
# model, the teacher, the model after SFT, and the model after SDFT. For each row we compute two distances on the words
# of these answers, both means per word: KL(row || pretrained) and KL(teacher || row). In the code, `nats(a, b)` is
# KL(a || b).

# %%
base_answers = sample(model, tokenizer, questions, temperature=1.0, rng=generator(0, "learner"))
with torch.no_grad():
    log_probabilities = {name: logits_of(network, prompts, base_answers).log_softmax(-1)
                         for name, (network, prompts) in {
        "pretrained": (model, questions), "teacher": (model, with_help),
        "sft": (trained["sft"], questions), "sdft": (trained["sdft"], questions)}.items()}


def nats(a, b):
    """KL(a || b), the mean over all words of the answers."""
    log_a, log_b = log_probabilities[a], log_probabilities[b]
    return float(((log_a.exp() * (log_a - log_b)).sum(-1) * base_answers.mask).sum()
                 / base_answers.mask.sum())

# %%
from_base = {name: nats(name, "pretrained") for name in log_probabilities}
from_teacher = {name: nats("teacher", name) for name in log_probabilities}
print(pd.DataFrame({"KL(row || pretrained)": from_base, "KL(teacher || row)": from_teacher})
      .map(lambda value: f"{abs(value):.2f} nats").to_string())
verdict("SDFT's student ends as far from the pretrained model as its teacher is, and close to this "
        "teacher. SFT moves over twice as far. After SFT, KL(teacher || student) is larger than "
        "before training.",
        abs(from_base["sdft"] - from_base["teacher"]) < 0.3
        and from_base["sft"] > 2 * from_base["teacher"]
        and from_teacher["sdft"] < 0.1 * from_teacher["pretrained"] < from_teacher["sft"])

# %% [markdown]
# **What does a step cost?** In a step of SDFT the student also writes an answer, and the teacher reads it. So a step of
# SDFT takes 1.2 to 1.3 times as long as a step of SFT (`make bench`). In the paper, where answers are long, it takes
# four times as long.
#
# ## A fair comparison
#
# Two traps make such a comparison unfair:
#
# - **One learning rate for both methods.** The rate may suit only one of them.
# - **The same number of steps.** After this number of steps one method may have learned the skill, and the other method
#   not yet.
#
# So every method is trained with six learning rates. Every twenty steps it is tested on 48 validation questions. Each
# test gives one point: new-skill accuracy and retention. The same rule chooses a point for every method:
#
# 1. Take the points with at least 95 % on the new skill. If a method has no such point, take its point with the most
#    right answers on the new skill, and the points with one or two right answers fewer.
# 2. From these points choose the one with the highest retention.
#
# The chosen setting is then trained with five other seeds and tested on test questions. This took hours
# (`scripts/study.py`), so the results are stored.
#
# Two more methods are in the comparison. **replay** is SFT in which each batch also has stored examples of the skills
# that the model knew before. **sft_kl** is SFT with a penalty: the KL between the pretrained model and the model
# in training.

# %%
from workbench.widgets import ParetoExplorer

main = ["sft", "sdft", "replay", "sft_kl"]
tuned = searched[searched["method"].isin(main)]
ParetoExplorer(tuned)

# %% [markdown]
# Each line is one run. It starts before training, at 6 % on the new skill and a retention of 100 %, and ends at its
# marker. Look at the runs in which SFT learns the skill. Their lines first go *down* and then to the right: SFT loses
# much of the other skills before it learns the new one. At learning rates up to 1e-4, the lines of SDFT go almost
# straight to the right. The rule chooses these points:

# %%
chosen = {}
for method in main:
    runs = tuned[tuned["method"] == method]
    point, best = choose(runs), runs.groupby("rate")["new"].max()
    chosen[method] = {"runs that reach 95 %": f"{(best >= 0.95).sum()} of {len(best)}",
                      "learning rate": f"{point['rate']:g}", "steps": f"{point['step']:g}",
                      "new skill": percent(point["new"]), "retention": percent(point["retention"])}
print(pd.DataFrame(chosen).T.to_string())

# %% [markdown]
# *replay* and *sft_kl* have one more setting each: the share of old examples, and the strength of the penalty. These
# were not tuned, so both methods may be able to do better.
#
# Would another level than 95 % change the result? We try six levels. For each method we take the points whose new-skill
# accuracy is at or above the level, and find the highest retention of these points.

# %%
levels = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
highest = pd.DataFrame({level: tuned[tuned["new"] >= level].groupby("method")["retention"].max()
                        for level in levels}).loc[main]
others = highest.drop("sdft").fillna(0)
verdict("at each of six levels of the new-skill accuracy, from 30 % to 95 %, the highest retention "
        "of SDFT is above that of the three other methods.",
        (highest.loc["sdft"] > others.max()).all())
verdict("up to a new-skill accuracy of 80 % replay keeps nearly as much, but it needs stored data.",
        (highest.loc["sdft"] - highest.loc["replay"]).iloc[:4].max() < 0.05)

# %% [markdown]
# Now the chosen settings, on test questions. Bars are means over five seeds, with 95 % intervals. Dots are seeds.

# %%
from workbench.plots import plot_bars

by_seed = ends(compared).pivot(index="seed", columns="method")
test_figure = Figure(figsize=(8.6, 2.8), layout="constrained")
for ax, (column, title) in zip(test_figure.subplots(1, 2), {
        "new": "accuracy on the new skill", "retention": "retention"}.items(), strict=True):
    plot_bars({method: by_seed[column][method] for method in main}, ax, title.capitalize(),
              f"{title} (%)")
    percent_limits(ax, "x")
wb.show(test_figure)

# %%
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.plots import percent_over_seeds

for method in ("sft", "sdft"):
    print(f"{method:5s} new skill {percent_over_seeds(by_seed['new'][method])}, retention "
          f"{percent_over_seeds(by_seed['retention'][method])}")

# %%
kept, learned = by_seed["retention"], by_seed["new"][["sft", "sdft"]].mean()
gain = kept["sdft"] - kept["sft"]  # of the same seed
low, high = seed_interval(gain)
print(f"SDFT keeps {100 * gain.mean():.0f} points more than SFT "
      f"(95 % interval {100 * low:.0f} to {100 * high:.0f}), paired over five seeds")
verdict("at the best setting of each method SDFT learns as much as SFT and keeps far more.",
        low > 0.2 and learned["sdft"] > 0.95 and learned["sft"] > 0.9
        and kept["sdft"].mean() > 0.85)

# %% [markdown]
# On test questions *sft_kl* reaches 96 %, but on validation questions it stayed below 95 %.
#
# The intervals in the figure show how much the results vary between seeds. All seeds are tested with the same 48
# questions, so the intervals do not show how much the results vary with the choice of the questions. **Wilson's
# interval** of a share of right answers shows this:

# %%
low_of_48, high_of_48 = wilson_interval(47, 48)
print(f"47 of 48: {percent(47 / 48)} (95 % interval {percent(low_of_48)} to {percent(high_of_48)})")
verdict("48 questions are too few to distinguish 98 % from 92 %. They are enough to distinguish "
        "95 % from 45 %.",
        low_of_48 < 0.92 and wilson_interval(46, 48)[0] > wilson_interval(22, 48)[1])

# %% [markdown]
# One skill is one observation. The same comparison was made on [five other skills](more/sdft_on_other_skills.ipynb). On
# three of them SDFT learns as much as SFT or more, and its retention is 38 to 98 points higher. On the fourth, details
# from articles, SDFT keeps more than SFT at accuracies up to 80 %. Where SDFT reaches 95 % on this skill, its retention
# is below 10 %. On the fifth, a hard rule for letters, neither method learns reliably.
#
# Does another implementation agree? TRL is a library of Hugging Face for training language models. With the same
# sampled answers, the losses of [its `SDFTTrainer`](more/sdft_beside_trl.ipynb) equal ours up to rounding. With its own
# sampled answers, its accuracy and retention agree with ours within the 95 % intervals.
#
# ## When it fails
#
# `nano` is a smaller model that cannot use a demonstration (lesson 04). So it is mostly wrong as a teacher. The gate of
# lesson 04 refuses this teacher. With `force=True` SDFT runs all the same.

# %%
forced = wb.run(wb.RunConfig(stream="skills", skills=("facts-new",), learner="sdft", model="nano",
                             lr=1e-4, steps=40, items=12, clip=1.0, diagnose=True), force=True)
teacher_right = forced.diagnostics[0, 1, forced.diagnostic_names.index("teacher_right")]
new_before, new_after = forced.baseline[0, 0], forced.accuracy[0, 0, 0]
print(f"nano: teacher right {percent(teacher_right)}; student right {percent(new_before)} before "
      f"SDFT, {percent(new_after)} after; retention "
      f"{percent(retention(*forced.old_accuracy[0, :2]))}")
verdict("a teacher that is mostly wrong does not teach the new skill.",
        teacher_right < 0.3 and new_after < new_before + 0.1)

# %% [markdown]
# ## Watch it
#
# Choose a learner, a skill and a learning rate. Press **Start**, and watch the answers and the accuracies change. Try
# `sft` at 1e-3, and look at the style of its answers. (The stored picture shows a short run of SDFT, with 16 steps.)

# %%
from workbench.widgets import LiveDistillation

live_widget = LiveDistillation(steps=16, looks=4, items=8,
                               skills=("facts-new", "tools-new", "letters-new"))
live_widget.pace.value, live_widget.lr.value = "as fast as it goes", 3e-4
live_widget.start().wait()
live_widget.pace.value = "watchable"
live_widget.steps, live_widget.looks, live_widget.items = 60, 12, 12  # of the next Start
live_widget

# %%
verdict("the short run is complete.", live_widget.record.status == "complete"
        and live_widget.record.steps_taken == 16)

# %% [markdown]
# ## Which results of the paper hold here?
#
# | published | here |
# |---|---|
# | SDFT learns a new skill as well as SFT and forgets far less | yes, on this skill, with both methods tuned; see [five other skills](more/sdft_on_other_skills.ipynb) |
# | SDFT needs a model that can use a demonstration; with 3 billion parameters it was worse than SFT | this fits: `nano` (one model) cannot use a demonstration and learns nothing, and the gate shows this before training |
# | SDFT forgets less because it is on-policy | lesson 06 tests this |
# | forgetting follows the KL from the pretrained model | lesson 07 tests this |
#
# **What would change your mind?** If SFT had kept as much as SDFT at another learning rate, the difference would
# come from the tuning. If the interval of the paired difference had contained 0, it could be chance. If SDFT had taught
# `nano` the new skill, the gain would not come from reading the demonstration.
#
# ## Try it yourself
#
# - Set `RATE` to 1e-4 or 1e-3, and run the loop again. How do the loss and the accuracy change?
# - `from workbench.widgets import TeacherExplorer`, then `TeacherExplorer(model, tokenizer, {"facts-new": facts},
#   {"trained": trained["sdft"]})`: at which words is the loss now? And for the student `trained["sft"]`?
# - `workbench train --learner sft_kl --option strength=0.1 --skill facts-new --out runs/kl`: is there a strength of the
#   penalty at which this method keeps as much as SDFT?
#
# ## Limits
#
# This is one skill of a small artificial world, and one tiny model from one pretraining seed. The seeds of this lesson
# change only the batches and the sampling. *replay* and *sft_kl* never reach 95 % in the search, so they are compared
# at a lower new-skill accuracy. We made the expert's style to be far from the model's own. So it is no surprise that
# SFT forgets much here. With real data the result depends on how far apart the two styles are. The paper's results, on
# large models, may therefore differ.
#
# **Next:** [06 What makes SDFT work](06_what_makes_sdft_work.ipynb)
