# %% [markdown]
# # 4. The model as its own teacher
#
# > **Claim you can check:** a *demonstration* is an expert's response to a question. With a demonstration in its prompt,
# > a model answers far better, and still in its own style. The content of the demonstration is the reason. The accuracy
# > shows whether a demonstration is right; the size of the training loss does not.
#
# | | |
# |---|---|
# | **Objectives** | ask one model as student and as teacher · measure the distance between the two at each token · show by controls that the model uses the content of a demonstration · decide by a test before training, the *gate*, whether self-distillation can work |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb); softmax and cross-entropy |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import functools
import textwrap

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.completions import complete
from workbench.measure.intervals import seed_interval
from workbench.models import make_prompt, respell, sample
from workbench.plots import describe, percent
from workbench.plots.styles import COLOURS

# %%
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, load_skill

wb.prepare_notebook()
test = {skill: load_skill(skill, "test")[:96] for skill in KNOWN_SKILLS + NEW_SKILLS}

# %% [markdown]
# ## Meet the model
#
# In **self-distillation** a model learns from its own outputs. Here one model has two roles. As *teacher* it has extra
# information in its prompt; as *student* it has not. So the model must be able to use its prompt. Large models can do
# this, but they are gigabytes to download.
#
# The course therefore includes a tiny model that was trained to use its prompt. Its texts are about an invented village
# of sixteen people. In this village, machines change letters into other letters. Function calls control a house. The
# [model's card](../data/models/tiny-lm/README.md) and the [data's card](../data/skills/README.md) describe how both were
# made.

# %%
model, tokenizer = wb.load_causal_lm("tiny")
print(f"{model.num_parameters() / 1e6:.1f} million parameters, "
      f"{model.config.num_hidden_layers} layers, a vocabulary of {len(tokenizer)} tokens, "
      f"at most {model.config.max_position_embeddings} tokens at once")

# %% [markdown]
# A **token** of this model is a whole word or a punctuation mark. Prompt and response together have at most 128 tokens.
#
# The model learned five skills in its training. We ask one question of each, in this order: *letters-machines* (the
# output of a letter machine), *facts-keepers* (who keeps a thing), *facts-events* (who mended something after an
# accident), *tools-house* (a function call) and *working-jar* (a calculation).

# %%
def ask(question, model=model, **context):
    """Return the likeliest response to a question, with or without context in the prompt."""
    # The model knows no capital letters: respell turns "Who?" into "who ?".
    shown = {name: respell(tokenizer, text) for name, text in context.items()}
    prompt = make_prompt(tokenizer, respell(tokenizer, question), **shown)
    return sample(model, tokenizer, [prompt]).texts[0]


for item in (test[skill][0] for skill in KNOWN_SKILLS):
    print(f"{item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# The model has its own style. It begins an answer with *so we get* (probability 51 %) or with *the answer is* (49 %). We
# take the likeliest response, so you see only *so we get*. When the model calculates, it writes every step.
#
# An **item** has three parts: a question, its right answer, and a response that an expert wrote. We score the content of
# a model's response, not its style. How good is the model on questions that were not in its training? We use up to 96
# test items of each skill; *facts-events*, *facts-new* and *articles-new* have fewer. We also print **Wilson's 95 %
# interval**: the range of true accuracies that fit the number of right answers.

# %%
models = {"tiny": model}


@functools.cache
def answers(skill, context, name="tiny"):
    """Return a model's scored responses to the test items of a skill; computed once."""
    return complete(models[name], tokenizer, test[skill], context)


known = pd.DataFrame({skill: answers(skill, "none").summary()["right"] for skill in KNOWN_SKILLS})
print((100 * known).round(0).astype(int).T.rename(columns="{} (%)".format).to_string())
verdict("on the skills of its training the model answers over 93 % of new questions right.",
        known.loc["rate"].min() > 0.93)

# %% [markdown]
# ## Six new skills
#
# Six skills were left out of the training:
#
# | skill | asks for |
# |---|---|
# | letters-new, letters-hard-new | the output of two further letter machines |
# | facts-new | the person who keeps a thing; other things than in *facts-keepers* |
# | articles-new | who mended something after an accident, or how many days it took; other accidents than in *facts-events*. An article of the village's newspaper reports each accident |
# | tools-new | a call of a function of the house |
# | working-new | a calculation with a step that the model does not know, *flip* |
#
# The training texts contained neither these questions nor their answers. The same words did occur, in exercises with
# random answers. So the model could not learn the true answers. It answers fluently, and nearly always wrongly.

# %%
for item in (test[skill][0] for skill in NEW_SKILLS):
    print(f"{item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# ## One demonstration in the prompt
#
# The expert's response to a question is its **demonstration**. The **student's** prompt is the question. The
# **teacher's** prompt is the demonstration followed by the same question. Student and teacher are the same model with
# the same weights. The experts write in styles that the training texts did not contain.
#
# The demonstration contains the answer to the question, so a right answer of the teacher is no proof of knowledge. We
# test something else: can the model find the answer in the demonstration and say it in its own style?

# %%
fact = test["facts-new"][0]
student_prompt = make_prompt(tokenizer, fact.prompt)
teacher_prompt = make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration)
print(f"student's prompt: {student_prompt}\n"
      + textwrap.fill(f"teacher's prompt: {teacher_prompt}", 100))
alone, helped = ask(fact.prompt), ask(fact.prompt, demonstration=fact.demonstration)
print(f"\nstudent: {alone}\nteacher: {helped}")
verdict("the demonstration changes the answer to the right one, and the style stays the model's.",
        alone != helped and helped == f"so we get {fact.answer} .")

# %% [markdown]
# This is the idea of **SDFT**, self-distillation fine-tuning ([Shenfeld et al., arXiv
# 2601.19897](https://arxiv.org/abs/2601.19897)). The student does not learn to imitate the demonstration. It learns to
# imitate the answers that the same model gives with the demonstration in its prompt.
#
# ## How far apart are student and teacher?
#
# The model's outputs for a token are **logits**, one number for each word. The softmax turns them into probabilities.
# Student and teacher see the same first tokens of a response. Let $p$ be the teacher's probabilities for the next token,
# and $q$ the student's. The **Kullback-Leibler divergence** (KL) measures how far apart they are. For each word $v$, we
# take the difference of the two log-probabilities. The KL is the mean of these differences, weighted by $p$:
#
# $$\mathrm{KL}(p \,\|\, q) = \sum_v p(v)\,[\log p(v) - \log q(v)]$$
#
# The KL is 0 if both agree, and otherwise positive. With the natural logarithm its unit is the **nat**. Example: the
# teacher gives a word the probability 1, and the student gives it 1/4. Then the KL is $\log 4$, about 1.4 nats. This
# order, KL(teacher || student), is called the *forward* KL.
#
# We compute the KL by hand. We put the same response after both prompts, and compare the probabilities at each token.
# Here we use the teacher's likeliest response, because it contains the right answer.

# %%
response = sample(model, tokenizer, [teacher_prompt]).ids


def logits_after(prompt):
    """Return the logits for each token of the response after a prompt."""
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        # The logits at a position predict the *next* token, so we start one position earlier.
        return model(torch.cat([ids, response], 1)).logits[0, ids.shape[1] - 1:-1]


p, q = logits_after(teacher_prompt).softmax(-1), logits_after(student_prompt).softmax(-1)
kl = (p * (p.log() - q.log())).sum(-1)

# %%
from workbench.losses import kl_per_token

by_package = kl_per_token(logits_after(teacher_prompt), logits_after(student_prompt))
verdict("the KL by hand equals that of the package.", torch.allclose(kl, by_package, atol=1e-5))
verdict("with equal prompts the KL is exactly 0.", kl_per_token(p.log(), p.log()).max() == 0)

# %%
from workbench.plots.tokens import plot_token_kl

words = tokenizer.convert_ids_to_tokens(response[0].tolist())
kl_figure = Figure(figsize=(8, 1.9))
plot_token_kl(words, kl, kl_figure.subplots())
wb.show(kl_figure)
verdict("student and teacher differ at the token with the answer, and hardly at any other token.",
        words[int(kl.argmax())] == fact.answer and kl.max() > 0.99 * kl.sum())

# %% [markdown]
# {{exercise token_kl}}

# %%
def token_kl(teacher_logits, student_logits):
    ...


check("token_kl", token_kl)

# %% [markdown]
# {{solution token_kl}}
#
# ## Try it
#
# Choose a question or type your own, for example *Who keeps the red key?* Choose the context in the prompt, or write it
# yourself. The coloured cells are the tokens of the response. Move *position* to see which words student and teacher
# expect there. The menu *compare along* chooses whose response is shown.

# %%
from workbench.widgets import TeacherExplorer

explorer = TeacherExplorer(model, tokenizer, {skill: test[skill] for skill in
                                              ("facts-new", *NEW_SKILLS)})
explorer.skill.value = "working-new"
explorer

# %% [markdown]
# ## Does the model use the content of the demonstration?
#
# A better answer alone does not prove it. We compare four additions to the prompt:
#
# - **none**: the question alone, as for the student;
# - **own**: the item's own demonstration;
# - **other**: the demonstration of another item, with a different answer;
# - **random**: filler words without content, as many as the demonstration has.
#
# If *random* helped, any text would do. If *other* helped, the content would not matter.

# %%
from workbench.plots.tokens import plot_rates

labels = {"none": "nothing", "own": "own demonstration", "other": "another item's demonstration",
          "random": "filler words"}
rates = {context: {skill: answers(skill, context).summary()["right"] for skill in NEW_SKILLS}
         for context in labels}
rates_figure = Figure(figsize=(9.5, 3.8))
plot_rates({labels[context]: by_skill for context, by_skill in rates.items()},
           rates_figure.subplots(), "New skills, by the context in the prompt")
wb.show(rates_figure)

# %%
accuracy = pd.DataFrame({context: {skill: rate["rate"] for skill, rate in by_skill.items()}
                         for context, by_skill in rates.items()})
verdict("of the four prompts only that with the item's own demonstration helps: over 90 % right in "
        "every skill, and below 20 % with each other prompt. The model uses the content.",
        accuracy["own"].min() > 0.9 and accuracy.drop(columns="own").max().max() < 0.2)

# %% [markdown]
# So a teacher with a wrong demonstration is nearly always wrong. The lesson [What the teacher's prompt must
# contain](more/teacher_prompts.ipynb) shows that it mostly repeats the wrong answer.
#
# ### Does the teacher keep the model's style?
#
# The demonstrations of *working-new* give the final answer without the steps. Does the teacher still write its steps?

# %%
jar = test["working-new"][0]
print(f"demonstration: {jar.demonstration}\n"
      f"teacher:       {ask(jar.prompt, demonstration=jar.demonstration)}\n")
style = min(answers(skill, "own").own_style.mean() for skill in NEW_SKILLS)
steps = answers("working-new", "own").working.mean()
print(f"responses in the model's own style (lowest of the six skills): {percent(style)}\n"
      f"responses to working-new with every step written: {percent(steps)}")
verdict("the teacher takes over the expert's answer and keeps the model's own style and steps.",
        style > 0.9 and steps > 0.85)

# %% [markdown]
# ## The size of the loss does not show whether a demonstration is right
#
# In the training of SDFT, the *student* samples responses: it draws each token at random with its own probabilities. The
# **training loss** is the mean KL per token of these responses. Training lowers this loss. Does its size show whether
# the teacher is right? **Prediction:** no. The loss measures how far the demonstration moves the model. The model can
# move to a right answer or to a wrong one.
#
# We measure the loss before training, for four of the six skills, on 64 training items each. One teacher sees the item's
# own demonstration, the other sees that of another item. The next cell computes the accuracy of both teachers. Then the
# student answers the items five times, each time with another random seed.

# %%
from workbench.measure.gate import distance

train = {skill: load_skill(skill, "train")[:64] for skill in NEW_SKILLS}
compared = ("facts-new", "articles-new", "tools-new", "letters-new")
teachers = {(skill, context): complete(model, tokenizer, train[skill], context)
            for skill in compared for context in ("own", "other")}


def responses(skill, seed):
    """Return the responses that the student samples to the training items of a skill."""
    rng = torch.Generator().manual_seed(seed)
    return complete(model, tokenizer, train[skill], temperature=1.0, rng=rng).samples


sampled = {skill: [responses(skill, seed) for seed in range(5)] for skill in compared}

# %% [markdown]
# The next cell computes the losses. In its table, `loss_low` and `loss_high` are the ends of the 95 % interval of the
# mean loss. `change` is the relative difference from the loss with the own demonstration: 0.021 means 2.1 % larger.

# %% tags=["nbval-ignore-output"]
rows = []
for (skill, context), teacher in teachers.items():
    losses = [distance(model, written, written.ids, written.mask, teacher.samples)["per_token"]
              for written in sampled[skill]]
    interval = dict(zip(("loss_low", "loss_high"), seed_interval(losses), strict=True))
    rows.append({"skill": skill, "demonstration": context, "loss": np.mean(losses),
                 **interval, **teacher.summary()["right"]})
table = pd.DataFrame(rows).set_index(["skill", "demonstration"])
table["change"] = table["loss"] / table["loss"].groupby("skill").transform("first") - 1
print(table[["loss", "loss_low", "loss_high", "change"]].round(3).to_string())

# %% tags=["nbval-ignore-output"]
loss_figure = Figure(figsize=(9.5, 3.2))
left, right = loss_figure.subplots(1, 2, sharey=True)
for i, (context, part) in enumerate(table.groupby(level="demonstration", sort=False), 1):
    for ax, ends, unit in ((left, ["loss", "loss_low", "loss_high"], 1),
                           (right, ["rate", "low", "high"], 100)):
        value, low, high = unit * part[ends].to_numpy().T
        ax.errorbar(value, np.arange(4) + 0.3 * i - 0.45, xerr=np.abs([value - low, high - value]),
                    fmt=".os"[i], color=COLOURS[i], capsize=4, label=labels[context])
left.set(xlim=(0, 7), ylim=(3.5, -0.5), yticks=range(4), yticklabels=compared,
         xlabel="loss: KL(teacher || student), nats per token")
right.set(xlim=(-3, 103), xlabel="right answers of the teacher (%)")
right.legend(loc="center", frameon=False)
wb.show(describe(left, "Loss in nats per token, and right answers: " + "; ".join(
    f"{skill}, {context} demonstration {row['loss']:.2f} and {percent(row['rate'])}"
    for (skill, context), row in table.iterrows()) + "."))

# %%
with_own, with_other = (table.xs(context, level="demonstration") for context in ("own", "other"))
verdict("on facts, articles and tools the loss with a wrong demonstration is within 5 % of the "
        "loss with the right one, on letters it is over 15 % smaller. So the size of the loss does "
        "not show which demonstration is right.",
        with_other["change"].drop("letters-new").abs().max() < 0.05
        and with_other["change"]["letters-new"] < -0.15)
verdict("the accuracy shows it: in every skill the teacher is over 90 % right with the item's own "
        "demonstration and below 15 % with another item's, intervals included.",
        with_own["low"].min() > 0.9 and with_other["high"].max() < 0.15)

# %% [markdown]
# With a wrong demonstration the loss is a little larger in *facts-new* and *tools-new*, about the same in *articles-new*,
# and much smaller in *letters-new*. The direction changes from skill to skill. In practice we also see only one of the
# two losses. So the loss cannot warn us if a teacher teaches errors. We need another test: the gate.
#
# ## The gate
#
# The **gate** is a list of six conditions. We measure them before training, on the items that we plan to train on:
#
# 1. There are at least 20 items.
# 2. The teacher is right more often than the student.
# 3. The teacher is right at least 80 % of the time.
# 4. A teacher with the item's own demonstration is right more often than a teacher with another item's.
# 5. The teacher is closer to the student than the demonstrations are. This is explained below the output.
# 6. At most 5 % of the teacher's responses repeat the wording of the demonstration.
#
# Conditions 2 and 4 compare intervals: the *lower end* of the first must be above the *upper end* of the second. So a
# difference that may be chance does not pass.
#
# In *articles-new* the gate's teacher also sees the newspaper article. The earlier comparisons were made without it.

# %%
from workbench.measure.gate import gate

reports = {skill: gate(model, tokenizer, train[skill], name="tiny") for skill in NEW_SKILLS}
print(reports["facts-new"])
verdict("the model passes the gate in all six new skills.",
        all(report.passed for report in reports.values()))

# %% [markdown]
# These are training items, so the rates differ a little from those of the test items above. The limits of 20 items, 80 %
# and 5 % are our choice. The row *random* is only for information.
#
# Condition 5 compares two training targets. SDFT trains on the teacher's probabilities. **Supervised fine-tuning** (SFT)
# trains on the words of the demonstrations. Which target is closer to the student before training? Both distances are in
# nats per response:
#
# - **teacher**: KL(teacher || student), summed over the teacher's response.
# - **demonstration**: KL(target || student), where the target gives probability 1 to each word of the demonstration. This
#   KL is the loss of SFT: minus the log-probability of the words.

# %%
nats = pd.DataFrame({skill: {"teacher": report.teacher_kl["per_response"],
                             "demonstration": report.target_kl["per_response"]}
                     for skill, report in reports.items()})
print(nats.T.round(0).astype(int).to_string())
verdict("in every skill the teacher is less than half as far from the model as the demonstration.",
        (nats.loc["teacher"] < 0.5 * nats.loc["demonstration"]).all())

# %% [markdown]
# We wrote the demonstrations in styles that the model does not use, so their large distance is no surprise. Why is the
# distance a condition? SDFT is meant to change the model less than SFT does. If the teacher is as far away as the
# demonstrations, we expect no such advantage. A small distance alone proves nothing: a teacher that ignores its
# demonstration equals the student, and its distance is 0. So the gate also needs the accuracies.
#
# {{exercise may_teach}}

# %%
from workbench.measure.intervals import wilson_interval  # noqa: F401  (for your answer)


def may_teach(alone, own, other):
    ...


check("may_teach", may_teach)

# %% [markdown]
# {{solution may_teach}}
#
# ## A model that does not pass
#
# A second model, `nano`, was trained on texts of the same kind. It has one layer instead of four, a third of the width,
# and a third of the training steps. It learned the known skill *tools-house*: 95 % right. Can it use a demonstration?

# %%
nano = models["nano"] = wb.load_causal_lm("nano")[0]
nano_report = gate(nano, tokenizer, train["facts-new"], name="nano")
print(nano_report)

# %% [markdown]
# The package refuses to train with a teacher that does not pass: `require` raises an error. With `force=True` the
# training runs anyway, and its results get the label printed below.

# %%
from workbench.errors import GateError
from workbench.measure.gate import require

try:
    require(nano_report)
except GateError as refusal:
    print(textwrap.fill(f"Refused: {refusal}", 100))
print("Label of a forced run:", require(nano_report, force=True))

# %%
by_model = {f"{name}, {label}": {skill.replace("house", "house (known)"):
                                 answers(skill, context, name).summary()["right"]
                                 for skill in ("tools-house", *NEW_SKILLS)}
            for name in models
            for context, label in (("none", "alone"), ("own", "with a demonstration"))}
models_figure = Figure(figsize=(9, 4))
plot_rates(by_model, models_figure.subplots(), "Does a demonstration help?")
wb.show(models_figure)

# %%
gain = {name: by_model[f"{name}, with a demonstration"]["letters-new"]["rate"]
        - by_model[f"{name}, alone"]["letters-new"]["rate"] for name in models}
print(f"letters-new: with a demonstration the accuracy of tiny rises by {100 * gain['tiny']:.0f} "
      f"points, that of nano by {100 * gain['nano']:.0f}")
verdict("tiny passes the gate and nano does not: not every model can be its own teacher.",
        gain["tiny"] > 0.9 and gain["nano"] < 0.3 and not nano_report.passed)

# %% [markdown]
# `nano` can copy neither letters nor a name. To copy a sequence of tokens from its prompt, a transformer usually needs two
# attention layers (Olsson et al., *In-context learning and induction heads*, 2022). But `nano` is also narrower and was
# trained for a shorter time. Our comparison does not show which of these three is the cause.
#
# In the SDFT paper, the result also depends on the model. With 7 billion parameters, SDFT was 4 points better than SFT
# on the new skill. With 3 billion parameters, SDFT was 3.3 points worse. We do not know whether the smaller model could
# use its demonstrations.
#
# **What would change your mind?** If another item's demonstration had helped as much as the item's own, the gain would
# not come from the content. If the loss had been clearly smaller with the right demonstration in all skills, the gate
# could use the loss. If the teacher had answered in the expert's style, self-distillation would be nearly the same as
# SFT.
#
# ## Try it yourself
#
# - `ask("Who keeps the red key?", demonstration="It is ada. Well, it is ben.")`: which name does the model believe?
# - `print(gate(model, tokenizer, load_skill("tools-house", "train")[:96]))`: the model knows this skill. Why does it not
#   pass the gate?
#
# ## Limits
#
# We trained this model on purpose to use its prompt: half of its training texts had a demonstration or an article. A
# large model can use a demonstration without such training. The SDFT paper reports a model that was right on 42 % of the
# items of ToolAlpaca, a set of tool calls, and on all of them with a demonstration. However, the students in that paper
# also learned phrases such as *following the example*, which make no sense without an example.
#
# Questions, styles and answers are regular here, and one demonstration determines the answer. This lesson uses each model
# with one random seed; the model card reports three seeds of `tiny`. This lesson shows the mechanism and its controls,
# not how well it works on real skills.
#
# **Next:** [05 SDFT](05_sdft.ipynb)
