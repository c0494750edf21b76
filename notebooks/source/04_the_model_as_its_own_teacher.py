# %% [markdown]
# # 4. The model as its own teacher
#
# > **Claim you can check:** a *demonstration* is an expert's response to a question. A model answers far better if the
# > prompt contains the demonstration. Its weights and its style stay the same. With the demonstration of another
# > question, its answer is nearly always wrong. The size of the training loss cannot tell a right demonstration from a
# > wrong one. The accuracy of the answers can.
#
# | | |
# |---|---|
# | **Objectives** | ask one model as student and as teacher · measure the distance between the two at each token · show by controls that the model uses the content of a demonstration · decide by a test before training, the *gate*, whether self-distillation can work |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb); softmax and cross-entropy; what a language model is |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import functools
import textwrap

import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.completions import complete
from workbench.models import make_prompt, sample
from workbench.plots import describe, percent, plot_dots
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, load_skill

wb.prepare_notebook()

# %% [markdown]
# ## Meet the model
#
# In **self-distillation** a model learns from its own outputs. Here one model has two roles. The *teacher* has extra
# information in its prompt. The *student* does not have it. So the model must be able to use its prompt. Large models
# can do this, but they are gigabytes to download.
#
# The course includes a tiny model that was trained to use its prompt (see its
# [card](../data/models/tiny-lm/README.md)). Its texts are about an invented village (see the [data's
# card](../data/skills/README.md)). A **token** of this model is a whole word or a punctuation mark.

# %%
from workbench.plots.diagrams import diagram

model, tokenizer = wb.load_causal_lm("tiny")
test = {skill: load_skill(skill, "test")[:96] for skill in KNOWN_SKILLS + NEW_SKILLS}
print(f"{model.num_parameters() / 1e6:.1f} million parameters, "
      f"{model.config.num_hidden_layers} layers, a vocabulary of {len(tokenizer)} tokens")
wb.show(diagram("village"), vector=True)

# %% [markdown]
# Each column of the diagram has two questions of the same kind; the right answers stand after the arrows. The model
# learned the five *known* skills in its training: from left to right *facts-keepers*, *facts-events*,
# *letters-machines*, *tools-house* and *working-jar*. Machines turn letters into other letters. A request at the house
# needs a function call. We ask one question of each known skill.

# %%
def ask(question, **context):
    """Return the likeliest response to a question, with or without context in the prompt."""
    return sample(model, tokenizer, [make_prompt(tokenizer, question, **context)]).texts[0]


for item in (test[skill][0] for skill in KNOWN_SKILLS):
    print(f"{item.skill}: {item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# The model has its own style. It begins an answer with *so we get* or with *the answer is*, about equally often. We
# take the likeliest response, so you see only *so we get*. In a calculation the model writes every step.
#
# An **item** has three parts: a question, its right answer, and a response that an expert wrote. We score the answer,
# not the style.
#
# ## Six new skills
#
# Six skills were left out of the training. Five of them are in the lower row of the diagram:
#
# - **facts-new**: who keeps a thing? (other things);
# - **articles-new**: who mended something after an accident, or how many days did it take? (other accidents; a
#   newspaper article reports each accident);
# - **letters-new**: which letters come out of a new machine, the *loom*? The sixth skill, **letters-hard-new**, has
#   another new machine, the *forge*;
# - **tools-new**: which function call does a request need? (other functions);
# - **working-new**: a calculation with an unknown step, *flip*.
#
# The training texts contained neither these questions nor their answers. Words such as *loom* and *flip* occurred only
# in other questions, and these had random answers. So the model could not learn the meaning of these words. It answers
# the new questions fluently, and nearly always wrongly.

# %%
for item in (test[skill][0] for skill in NEW_SKILLS):
    print(f"{item.skill}: {item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# How often is the model right? We use up to 96 test questions of each skill, which were not in the training. The lines
# in the figure are **Wilson's 95 % intervals** for the true accuracy.

# %%
@functools.cache
def answers(skill, context, model=model):
    """Return a model's scored responses to the test items of a skill; computed once."""
    return complete(model, tokenizer, test[skill], context)


def share_right(skill, context, model=model):
    """Return the share of right answers, and the two ends of its interval."""
    return tuple(answers(skill, context, model).summary()["right"].values())

# %%
INTERVALS = "right answers (%), Wilson's 95 % intervals"
unaided = {skill: share_right(skill, "none") for skill in test}
ax = plot_dots({"tiny": unaided}, Figure(figsize=(7.5, 3.6)).subplots(),
               "Five skills of the training, and six new skills", INTERVALS)
ax.axhline(len(KNOWN_SKILLS) - 0.5, color="#555555", linewidth=0.8)
ax.text(50, 2, "known skills", ha="center", va="center")
ax.text(50, 7.5, "new skills", ha="center", va="center")
wb.show(ax)
wb.show_numbers(pd.DataFrame(unaided, ["rate", "low", "high"]).T, "right answers", percent)
verdict("in each skill of its training the model answers over 93 % of new questions right.",
        min(unaided[skill][0] for skill in KNOWN_SKILLS) > 0.93)

# %% [markdown]
# ## One demonstration in the prompt
#
# The expert's response to a question is its **demonstration**. The **student's** prompt is the question. The
# **teacher's** prompt is the demonstration followed by the same question. Student and teacher are the same model with
# the same weights. The experts write in styles that the training texts did not contain. In the prompts, *E:* marks the
# demonstration, *Q:* the question and *A:* the place where the response begins.
#
# The demonstration contains the answer, so a right answer of the teacher is no proof of knowledge. We test something
# else: can the model find this answer and say it in its own style?

# %%
fact = test["facts-new"][0]
student_prompt = make_prompt(tokenizer, fact.prompt)
teacher_prompt = make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration)
print(f"student's prompt: {student_prompt}\n"
      + textwrap.fill(f"teacher's prompt: {teacher_prompt}", 100))
alone, helped = ask(fact.prompt), ask(fact.prompt, demonstration=fact.demonstration)
print(f"\nstudent: {alone}\nteacher: {helped}")
verdict("with the demonstration the answer is right, and the style is still the model's own.",
        alone != helped and helped == f"so we get {fact.answer} .")

# %% [markdown]
# This is the idea of **SDFT**, self-distillation fine-tuning ([Shenfeld et al., arXiv
# 2601.19897](https://arxiv.org/abs/2601.19897)). The student does not learn to imitate the demonstration. It learns to
# imitate the teacher: the same model with the demonstration in its prompt.
#
# ## How far apart are student and teacher?
#
# We put the same response after both prompts. For each token of the response, the softmax of the model's logits gives
# the probability of every word. Let $p$ be the teacher's probabilities for a token, and $q$ the student's. The
# **Kullback-Leibler divergence** (KL) measures how far apart they are:
#
# $$\mathrm{KL}(p \,\|\, q) = \sum_v p(v)\,[\log p(v) - \log q(v)]$$
#
# The sum is over all words $v$. The KL is 0 if $p$ and $q$ are equal, and otherwise positive. With the natural
# logarithm its unit is the **nat**. Example: the teacher gives a word the probability 1, and the student gives it 1/4.
# Then the KL is $\log 4$, about 1.4 nats. This order, KL(teacher || student), is called the *forward* KL.
#
# Here the response is the teacher's likeliest response. The function `kl_per_token` computes the KL. In the exercise
# below you will write the same function yourself.

# %%
from workbench.losses import kl_per_token

response = sample(model, tokenizer, [teacher_prompt]).ids


def logits_after(prompt):
    """Return the logits for each token of the response after a prompt."""
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        # The logits at a position predict the *next* token, so we start one position earlier.
        return model(torch.cat([ids, response], 1)).logits[0, ids.shape[1] - 1:-1]


kl = kl_per_token(logits_after(teacher_prompt), logits_after(student_prompt))

# %%
from workbench.plots.tokens import plot_token_kl

words = tokenizer.convert_ids_to_tokens(response[0].tolist())
wb.show(plot_token_kl(words, kl, Figure(figsize=(8, 1.9)).subplots()))
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
# Choose a question. Under *shown in the prompt* choose the teacher's extra information. Move *position* to see which
# words student and teacher expect at each token. Under *compare along* choose the response: the student's or the
# teacher's.

# %%
from workbench.widgets import TeacherExplorer

explorer = TeacherExplorer(model, tokenizer, {skill: test[skill] for skill in NEW_SKILLS})
explorer.skill.value = "working-new"
explorer

# %% [markdown]
# ## Does the model use the content of the demonstration?
#
# Perhaps any longer prompt helps, whatever its content. We compare four prompts. Each prompt ends with the question.
# Before the question there is:
#
# - **own**: the item's own demonstration;
# - **other**: the demonstration of another item, with a different answer;
# - **random**: as many filler words as the demonstration has words;
# - **none**: nothing, as in the student's prompt.
#
# If *random* helped, any text would do. If *other* helped, the content would not matter.

# %%
from workbench.plots.tokens import plot_rates

labels = {"own": "own demonstration", "other": "another item's demonstration",
          "random": "filler words", "none": "nothing"}
rates = {label: {skill: answers(skill, context).summary()["right"] for skill in NEW_SKILLS}
         for context, label in labels.items()}
wb.show(plot_rates(rates, Figure(figsize=(9.5, 3.8)).subplots(),
                   "New skills, by the context in the prompt"))
accuracy = pd.DataFrame({context: {skill: answers(skill, context).accuracy for skill in NEW_SKILLS}
                         for context in labels})
wb.show_numbers(accuracy.rename(columns=labels), "right answers by context", percent)
verdict("with the item's own demonstration the model is over 90 % right in every skill. With each "
        "of the three other prompts it is below 20 % right. So the model uses the content.",
        accuracy["own"].min() > 0.9 and accuracy.drop(columns="own").max().max() < 0.2)

# %% [markdown]
# So a teacher with a wrong demonstration is nearly always wrong. The lesson [What the teacher's prompt must
# contain](more/teacher_prompts.ipynb) shows that it mostly repeats the wrong answer.
#
# **Does the teacher keep the model's style?** The demonstrations of *working-new* give the final answer without the
# steps. Does the teacher still write its steps?

# %%
jar = test["working-new"][0]
print(f"demonstration: {jar.demonstration}\n"
      f"teacher:       {ask(jar.prompt, demonstration=jar.demonstration)}")
style = min(answers(skill, "own").own_style.mean() for skill in NEW_SKILLS)
steps = answers("working-new", "own").working.mean()
print(f"responses in the model's own style (lowest share of the six skills): {percent(style)}\n"
      f"responses to working-new with every step: {percent(steps)}")
verdict("the teacher gives the expert's answer, but in the model's own style and with every step.",
        style > 0.9 and steps > 0.85 and accuracy["own"].min() > 0.9)

# %% [markdown]
# ## The size of the loss does not show whether a demonstration is right
#
# In SDFT the *student* answers the training questions. Each token of its answers is drawn at random with the student's
# probabilities. The **training loss** is KL(teacher || student), averaged over the tokens of these answers. Training
# lowers this loss. Does its size before training show whether the teacher is right?
#
# **Prediction:** no. The loss measures how much the demonstration changes the model's predictions. A wrong
# demonstration can change them as much as a right one.
#
# We compare two teachers on the same answers of the student. One teacher sees the item's *own* demonstration. The
# second teacher sees the demonstration of another item. We use 64 training items of each of four skills. The student
# answers them five times, with five random seeds.

# %%
from workbench.measure.gate import distance
from workbench.measure.intervals import seed_interval
from workbench.plots.styles import COLOURS, MARKERS

train = {skill: load_skill(skill, "train")[:64] for skill in NEW_SKILLS}
compared = ("facts-new", "articles-new", "tools-new", "letters-new")


def responses(skill, seed):
    """Return responses drawn with the student's probabilities, to the training items."""
    rng = torch.Generator().manual_seed(seed)
    return complete(model, tokenizer, train[skill], temperature=1.0, rng=rng).samples


sampled = {skill: [responses(skill, seed) for seed in range(5)] for skill in compared}

# %% [markdown]
# The figure shows the mean loss in nats per token, with its 95 % interval over the seeds. Most of these intervals are
# narrower than the mark. Beside the loss is the share of right answers of the *teacher*, with Wilson's interval.

# %%
rows = []
for skill in compared:
    for context in ("own", "other"):
        teacher = complete(model, tokenizer, train[skill], context)
        # The responses are the student's. Only the prompts of `teacher.samples` are used.
        losses = [distance(model, drawn, drawn.ids, drawn.mask, teacher.samples)["per_token"]
                  for drawn in sampled[skill]]
        loss_low, loss_high = seed_interval(losses)
        rows.append({"skill": skill, "demonstration": context, "loss": sum(losses) / len(losses),
                     "loss low": loss_low, "loss high": loss_high,
                     **teacher.summary()["right"]})
table = pd.DataFrame(rows).set_index(["skill", "demonstration"])

# %% tags=["nbval-ignore-output"]
with_own, with_other = (table.xs(context, level="demonstration") for context in ("own", "other"))
sides = {labels["own"]: with_own, labels["other"]: with_other}
left, right = Figure(figsize=(9.5, 3.2)).subplots(1, 2, sharey=True)
plot_dots({label: {skill: tuple(row) for skill, row in side[["rate", "low", "high"]].iterrows()}
           for label, side in sides.items()}, right, "Is the teacher right?", INTERVALS)
for k, side in enumerate(sides.values()):
    left.errorbar(side["loss"], [i + 0.3 * k - 0.15 for i in range(4)], fmt=MARKERS[k],
                  xerr=(side[["loss low", "loss high"]].T - side["loss"]).abs(), color=COLOURS[k])
left.set(xlim=(0, 7), xlabel="loss (nats per token)", title="How large is the training loss?")
describe(left, "Dots, mean training loss. " + " ".join(f"{label}: " + ", ".join(
    f"{skill} {loss:.2f}" for skill, loss in side["loss"].items()) + " nats per token."
    for label, side in sides.items()))
wb.show(left.figure)
wb.show_numbers(table.round(3), "loss of two teachers, and their shares of right answers")

# %%
change = 100 * (with_other["loss"] / with_own["loss"] - 1)
verdict("on facts, articles and tools, the wrong demonstration changes the loss by less than 5 %. "
        "On letters, it makes the loss over 15 % smaller. So the size of the loss does not show "
        "which demonstration is right.",
        change.drop("letters-new").abs().max() < 5 and change["letters-new"] < -15)
verdict("the accuracy shows which is right: in every skill its whole interval is above 90 % with "
        "the right demonstration, and below 15 % with the wrong demonstration.",
        with_own["low"].min() > 0.9 and with_other["high"].max() < 0.15)

# %% [markdown]
# In practice we have only one demonstration of each item, and so only one loss. The loss cannot warn us that a teacher
# teaches errors. We need another test.
#
# ## The gate
#
# The **gate** tests six conditions before training, on the items that we plan to train on. If one of them fails, the
# package does not start SDFT. The diagram shows four of them for our model, `tiny`, and for a smaller model, `nano`,
# which we test at the end of this lesson.

# %%
wb.show(diagram("gate"), vector=True)

# %% [markdown]
# The report below lists all six conditions for `tiny`, each marked *holds* or *FAILS*. Conditions 2 and 4 ask whether
# one accuracy is higher than another. The *lower end* of the first interval must be above the *upper end* of the
# second. So a difference that is perhaps only chance does not pass: `nano` fails condition 2, although 16 % is more
# than 11 %.

# %%
from workbench.measure.gate import LEAST_ACCURACY, gate

reports = {skill: gate(model, tokenizer, train[skill], name="tiny") for skill in NEW_SKILLS}
print(reports["facts-new"])
verdict("the model passes the gate in all six new skills.",
        all(report.passed for report in reports.values()))

# %% [markdown]
# The lines *right with* belong to the four prompts from above, now with training items. The limits of 20 items, 80 %
# and 5 % are our choice. In the gate for *articles-new*, the teacher's prompt contains the newspaper article and the
# demonstration. In the experiments above, no prompt contained an article.
#
# Condition 5 compares two training targets. SDFT trains on the teacher's probabilities. **Supervised fine-tuning**
# (SFT) trains on the words of the demonstrations. Which target is closer to the student? The distance of the teacher is
# the KL, summed over the teacher's response. The distance of a demonstration is the loss of SFT: minus the
# log-probability that the student gives to the words of the demonstration. Both are in nats per response.
#
# Why is this a condition? SDFT is meant to change the model less than SFT does. If the teacher is as far away as the
# demonstrations, we do not expect a smaller change. But a small distance alone proves nothing: a teacher that ignores
# its demonstration has the distance 0. So the gate also needs the accuracies.
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
# The smaller model `nano` was trained on texts of the same kind. It has one layer instead of four, a third of the
# width, and a third of the training steps. Can `nano` use a demonstration?

# %%
nano = wb.load_causal_lm("nano")[0]
nano_report = gate(nano, tokenizer, train["facts-new"], name="nano")
print(nano_report)

# %% [markdown]
# Is *facts-new* an exception? We test `nano` on all new skills, and on *tools-house*, a skill of its training.

# %%
house = answers("tools-house", "none", nano).accuracy
shown = {name: {skill: share_right(skill, "own", teacher) for skill in NEW_SKILLS}
         for name, teacher in (("tiny", model), ("nano", nano))}
wb.show(plot_dots(shown, Figure(figsize=(7.5, 3.4)).subplots(), "Two models with a demonstration",
                  INTERVALS, reference=("the gate needs 80 %", LEAST_ACCURACY)))
print(f"nano, alone: tools-house {percent(house)}")
verdict("nano is over 80 % right on tools-house. But with a demonstration the whole interval is "
        "below 30 % in every new skill. Not every model can be its own teacher.",
        house > 0.8 and max(high for _, _, high in shown["nano"].values()) < 0.3
        and not nano_report.passed)

# %% [markdown]
# `nano` differs from `tiny` in three ways, and our comparison does not show which difference is the cause. One cause
# may be the single layer: models of this kind (*transformers*) usually need two layers to copy a sequence of tokens
# from the prompt (Olsson et al., *In-context learning and induction heads*, 2022).
#
# **What would change your mind?** If another item's demonstration had helped as much as the item's own, the content
# would not be the reason. If the loss had been clearly smaller with the right demonstration in all skills, the gate
# could use the loss.
#
# ## Try it yourself
#
# In the widget above, choose *what I write* under *shown in the prompt*. Ask *Who keeps the red key?* with the
# demonstration *It is ada. Well, it is ben.* Which name does the model believe?
#
# ## Limits
#
# We trained this model on purpose to use its prompt: half of its training texts had a demonstration or an article. A
# large model can do this without such training. In the SDFT paper a model was right on 42 % of a set of tool calls
# (ToolAlpaca), and on all of them with a demonstration. But the students in that paper also learned phrases such as
# *following the example*, although their prompts contained no example.
#
# Our questions are simple, and each demonstration contains the whole answer. We use each model with one random seed;
# the model's card reports three seeds of `tiny`. The lesson shows the mechanism, not how well it works on real skills.
#
# **Next:** [05 SDFT](05_sdft.ipynb)
