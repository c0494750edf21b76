# %% [markdown]
# # What the teacher's prompt must contain
#
# > **Claim you can check:** with an article this teacher is as often right as with a demonstration: 100 %. With a wrong
# > demonstration it is nearly always wrong (lesson 04). If the demonstration is cut off, the teacher knows no more than
# > the student. The package never cuts a prompt.
#
# | | |
# |---|---|
# | **Objectives** | compare an article, an answer and both in the teacher's prompt · see which answers a wrong demonstration leads to · see how a teacher fails when its prompt is cut |
# | **Prerequisites** | [04 The model as its own teacher](../04_the_model_as_its_own_teacher.ipynb) |
# | **Time** | 25 minutes to work through, under 30 seconds to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb
from workbench.course import verdict
from workbench.measure.completions import complete, partners
from workbench.measure.intervals import wilson_interval
from workbench.models import make_prompt, sample
from workbench.plots import describe, percent, plot_dots
from workbench.tasks import NEW_SKILLS, load_skill
from workbench.tasks.village.styles import is_right, kind_of

# %%
wb.prepare_notebook()
model, tokenizer = wb.load_causal_lm("tiny")
articles, facts = (load_skill(skill, "test")[:96] for skill in ("articles-new", "facts-new"))

# %% [markdown]
# ## An article and an answer
#
# New knowledge often comes as a text. In the SDFT paper ([Shenfeld et al., arXiv
# 2601.19897](https://arxiv.org/abs/2601.19897)), the teacher of new knowledge has an article *and* the answer in its
# prompt. How often is our teacher right with each of them? The intervals are Wilson's 95 % intervals.

# %%
print(articles[0].article)
contexts = {"none": "nothing", "article": "article", "own": "answer, in a demonstration",
            "article+own": "article and demonstration"}
right = pd.DataFrame({label: complete(model, tokenizer, articles, context).summary()["right"]
                      for context, label in contexts.items()}).T
wb.show(plot_dots({"right": {label: (row["rate"], row["low"], row["high"])
                             for label, row in right.iterrows()}},
                  plt.subplots(figsize=(7.5, 2.4))[1], "in the teacher's prompt", "right (%)"))
verdict("the article alone, the demonstration alone, and both lead to over 90 % right answers; "
        "without them below 20 % are right.",
        right["low"][1:].min() > 0.9 and right["high"]["nothing"] < 0.2)

# %% [markdown]
# For this comparison the paper has numbers in its appendix A.2. We have not seen the appendix ourselves. People who
# read it report the accuracy *after training*: 37 % with the answer alone, 75 % with the article alone, and 89 % with
# both. One of them writes that text and figure of the appendix disagree, so these numbers are uncertain.
#
# Our comparison is before training, and all three prompts reach 100 %. So it cannot show which one is better. Our
# articles are four short sentences, and the question names the detail to look for.
#
# ## A demonstration of another item
#
# With another item's demonstration the model is wrong (lesson 04). Does it ignore this demonstration, or does it repeat
# the answer in it? In most skills the right answer and the answer in the demonstration are of the same kind (for example
# two names). In *articles-new* they can also be of different kinds (a name and a number). These pairs have a row of
# their own.

# %%
repeats = {}
for skill in NEW_SKILLS:
    items = load_skill(skill, "test")[:96]
    texts = complete(model, tokenizer, items, "other").samples.texts
    for item, other, text in zip(items, partners(items), texts, strict=True):
        same_kind = kind_of(item.answer) == kind_of(other.answer)
        label = skill if same_kind else f"{skill}, answers of different kinds"
        repeats.setdefault(label, []).append(is_right(text, other.answer))
wb.show(plot_dots({"repeats": {label: (np.mean(hits), *wilson_interval(sum(hits), len(hits)))
                               for label, hits in repeats.items()}},
                  plt.subplots(figsize=(8.5, 3))[1], "repeats the answer of the demonstration",
                  "answers (%)"))

# %%
tools = load_skill("tools-new", "test")[:96]
others = partners(tools)
calls = complete(model, tokenizer, tools, "other").samples.texts
print(f"question:      {tools[0].prompt}\ndemonstration: {others[0].demonstration}\n"
      f"answer:        {calls[0]}\n(right:        {tools[0].answer})")
mixed = [is_right(call, tool.answer.replace(tool.answer.split()[1], other.answer.split()[1]))
         for call, tool, other in zip(calls, tools, others, strict=True)]
verdict("with another item's demonstration, all calls have the function of the demonstration and "
        "the room of the question.", all(mixed))

# %% [markdown]
# In most skills the model repeats the wrong answer. There are two exceptions. In *articles-new*, if the demonstration
# answers another kind of question, the model repeats the wrong answer in only 33 % of the cases. In *tools-new* the
# model combines demonstration and question. In all skills nearly all answers are wrong (lesson 04).
#
# ## A prompt without its beginning
#
# The code of the paper cuts a prompt that is too long *from the left*. In the paper's prompt the question comes first,
# so the question is lost. In our prompt the demonstration comes first. What happens to the teacher's answers if only the
# last words of its prompt are kept? We test this with *facts-new*. Here the demonstration contains the right answer, a
# name.

# %%
prompts = [make_prompt(tokenizer, item.prompt, demonstration=item.demonstration) for item in facts]
rows = []
for kept in (30, 22, 18, 14, 10):
    cut = [" ".join(prompt.split()[-kept:]) for prompt in prompts]
    texts = sample(model, tokenizer, cut).texts
    hits = [is_right(text, item.answer) for text, item in zip(texts, facts, strict=True)]
    present = [item.answer in prompt.split() for prompt, item in zip(cut, facts, strict=True)]
    rows.append([kept, np.mean(present), np.mean(hits), *wilson_interval(sum(hits), len(hits))])
cuts = pd.DataFrame(rows, columns=["kept", "name_there", "right", "low", "high"]).set_index("kept")

# %%
ax = plt.subplots(figsize=(7.5, 3.6))[1]
ax.plot(cuts.index, 100 * cuts["name_there"], "s--", color="#888888", label="name in the prompt")
ax.errorbar(cuts.index, 100 * cuts["right"], fmt="o-", capsize=4, label="right answers",
            yerr=100 * np.abs([cuts["right"] - cuts["low"], cuts["high"] - cuts["right"]]))
ax.set(xlabel="last words of the prompt that are kept", ylabel="share (%)", ylim=(-4, 104),
       xticks=cuts.index)
ax.invert_xaxis()
ax.legend(frameon=False)
wb.show(describe(ax, "Right answers by the number of words kept: " + "; ".join(
    f"{kept} words: name in {percent(row['name_there'])} of the prompts, {percent(row['right'])} "
    "right" for kept, row in cuts.iterrows()) + "."))
wb.show_numbers(cuts, "right answers by the number of words kept", percent)

# %%
alone = complete(model, tokenizer, facts).accuracy
print(f"the student, without a demonstration: {percent(alone)} right")
verdict("with 18 words all names are still there, but some answers are wrong; with 10 words "
        "no name is there, and the teacher is as often right as the student.",
        cuts["name_there"][18] == 1 and 0.8 < cuts["right"][18] < 0.95
        and cuts["name_there"][10] == 0 and abs(cuts["right"][10] - alone) < 0.02)

# %% [markdown]
# First the words before the name are cut, and some answers become wrong. Then the name itself is cut, and the teacher
# knows no more than the student. Such a teacher can teach nothing.
#
# We cut these prompts ourselves. The package never cuts a prompt. It raises an error if a prompt is too long. This model
# takes 128 tokens at once, and 40 of them are kept free for the response.

# %%
from workbench.errors import ModelError

try:
    sample(model, tokenizer, [make_prompt(tokenizer, facts[0].prompt, demonstration=(
        "well " * 90 + facts[0].demonstration))])
except ModelError as error:
    print(textwrap.fill(f"Refused: {error}", 100))
    verdict("a prompt that is too long is refused.", "room for 88" in str(error))

# %% [markdown]
# **What would change your mind?** If the article alone had helped less than the demonstration, the model could not
# always find a detail in a text. If a prompt without the name had still led to right answers, the answers would not
# come from the demonstration.
#
# ## Try it yourself
#
# - Cut the prompts from the *right* (keep the first words). Which part of the prompt is lost now?
# - Put a *wrong* article in front of the right demonstration: `make_prompt(tokenizer, articles[0].prompt,
#   article=articles[1].article, demonstration=articles[0].demonstration)`. Which one does the model follow?
#
# ## Limits
#
# One tiny model with one seed. It was trained on purpose to read demonstrations and articles, and its articles are short.
# Tokens of large models are often parts of words, so a cut can split a word. Their prompts also begin with marks of the
# chat format, and these marks are cut off, too.
#
# **Back to:** [04 The model as its own teacher](../04_the_model_as_its_own_teacher.ipynb)
