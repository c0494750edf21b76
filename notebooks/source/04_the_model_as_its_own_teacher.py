# %% [markdown]
# # 4. The model as its own teacher
#
# > **Claim you can check:** the same weights answer far better with a demonstration in the prompt, and
# > still in their own style. What helps is what the demonstration says, not that there is one. A model
# > that cannot read it is no better as a teacher, and a gate measures that before anything is trained.
#
# | | |
# |---|---|
# | **Objectives** | ask one model as student and as teacher · measure the distance between the two, token by token · tell reading a demonstration from luck · decide by a gate whether self-distillation can work |
# | **Prerequisites** | [02 Measuring retention](02_measuring_retention.ipynb); softmax and cross-entropy |
# | **Time** | 45 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import functools

import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check
from workbench.measure.completions import complete
from workbench.models import make_prompt, sample
from workbench.plots import percent
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, load_skill

wb.prepare_notebook()
test = {skill: load_skill(skill, "test")[:96] for skill in KNOWN_SKILLS + NEW_SKILLS}

# %% [markdown]
# ## Meet the model
#
# Self-distillation needs a model that can use what stands in its prompt. Large models can; they are
# downloads of gigabytes. So the course brings along a small one that was taught to: it lives in a
# village of sixteen people, whose machines turn letters into others and whose house is run by
# function calls. Its [card](../data/models/tiny-lm/README.md) and [that of its
# data](../data/skills/README.md) say how it was made.

# %%
model, tokenizer = wb.load_causal_lm("tiny")
print(f"{model.num_parameters() / 1e6:.1f} million parameters, "
      f"{model.config.num_hidden_layers} layers, {len(tokenizer)} words, "
      f"at most {model.config.max_position_embeddings} tokens")


# %%
def ask(question, model=model, **context):
    """The likeliest response to a question, with or without context in the prompt."""
    return sample(model, tokenizer, [make_prompt(tokenizer, question, **context)]).texts[0]


for skill in KNOWN_SKILLS:
    item = test[skill][0]
    print(f"{item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# It has a style of its own: *the answer is …* or *so we get …* (you see only one of them, since we take
# the likeliest and it is 51 to 49), and where it reckons it shows its working. Completions are scored by
# content, whatever style they are in. How good is it, on questions that were not in its training?

# %%
models = {"tiny": model}


@functools.cache
def given(skill, kind, name="tiny"):
    """A model's answers to the test items of a skill with one sort of context, asked once."""
    return complete(models[name], tokenizer, test[skill], kind)


def table(skills, kinds):
    """Share of right answers per skill and sort of context, with Wilson's 95 % interval."""
    rates = {kind: {s: given(s, kind).summary()["right"] for s in skills} for kind in kinds}
    shown = {kind: {s: f"{percent(r['rate'])} ({percent(r['low'])} to {percent(r['high'])})"
                    for s, r in each.items()} for kind, each in rates.items()}
    print(pd.DataFrame(shown).to_string())
    return rates


known = table(KNOWN_SKILLS, ["none"])["none"]

# %%
assert min(rate["rate"] for rate in known.values()) > 0.93
print("Verdict: what it has learned, it knows.")

# %% [markdown]
# ## What it does not know
#
# Six skills were kept out of its training: two machines, the keepers of some things, some mishaps in
# the village paper, some functions of the house, and a step called *flip*. Neither the questions nor
# the answers were in it; their words were, in made-up exercises with another outcome each time. It
# answers fluently all the same, in its own style. Fluency is not knowledge.

# %%
for skill in NEW_SKILLS:
    item = test[skill][0]
    print(f"{item.prompt}\n    {ask(item.prompt)}\n    (right: {item.answer})")

# %% [markdown]
# ## One demonstration in the prompt
#
# Somebody who knows answers first. The demonstrators have styles of their own, sentences that the
# model has never met (their words it has, in random order around other answers). The **student's**
# prompt is the question. The **teacher's** prompt is the same question with the demonstration before
# it. The weights are the same.
#
# Mind that the demonstration is an expert's response to *this very question*: the answer stands in it.
# To be right is then no feat of knowledge. The point is that the weights can take the answer out and
# put it in their own words. Whether training can move it *into* the weights is for later notebooks.

# %%
fact = test["facts-new"][0]
print("student's prompt:", make_prompt(tokenizer, fact.prompt))
print("teacher's prompt:", make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration))
print("\nstudent:", ask(fact.prompt))
print("teacher:", ask(fact.prompt, demonstration=fact.demonstration))
assert ask(fact.prompt) != ask(fact.prompt, demonstration=fact.demonstration)

# %% [markdown]
# The teacher says what the demonstration says, and says it in the *model's* way. This is the whole
# idea of SDFT ([Shenfeld et al., arXiv 2601.19897](https://arxiv.org/abs/2601.19897)): imitate not the
# demonstration, but yourself having seen it.
#
# ## How far apart are the two?
#
# Token by token, with $p$ the teacher's and $q$ the student's distribution over the vocabulary, both
# given the response so far:
#
# $$\mathrm{KL}(p \,\|\, q) = \sum_v p(v)\,[\log p(v) - \log q(v)]$$
#
# By hand: the same response is put after either prompt. (In training the *student* will speak, at
# temperature 1, and the teacher judge each word. Here we look along the teacher's likeliest response,
# because it shows where the answer is.)

# %%
student = make_prompt(tokenizer, fact.prompt)
teacher = make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration)
response = sample(model, tokenizer, [teacher]).ids


def logits_after(prompt):
    """What the model gives to each token of the response after a prompt."""
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        # The logits at a position are about the *next* token: from one before the response on.
        return model(torch.cat([ids, response], 1)).logits[0, ids.shape[1] - 1:-1]


p, q = logits_after(teacher).softmax(-1), logits_after(student).softmax(-1)
kl = (p * (p.log() - q.log())).sum(-1)

# %%
from workbench.losses import kl_per_token

assert torch.allclose(kl, kl_per_token(logits_after(teacher), logits_after(student)), atol=1e-5)
assert (kl_per_token(logits_after(student), logits_after(student)) == 0).all()
print("By hand and by the package the same; with equal prompts exactly 0.")

# %%
from workbench.plots.tokens import plot_token_kl

words = tokenizer.convert_ids_to_tokens(response[0].tolist())
kl_figure = Figure(figsize=(8, 1.9))
plot_token_kl(words, kl, kl_figure.subplots())
wb.show(kl_figure)

# %%
assert words[int(kl.argmax())] == fact.answer and kl.max() > 0.5 * kl.sum()
print("Verdict: in this response the two differ where the content stands, and hardly elsewhere.")

# %% [markdown]
# ## Try it
#
# Choose a question or type your own (small letters, a space before each comma, dot and question mark).
# Choose what stands in the prompt, or write it; text can be dragged into the boxes. The cells above
# the bars are the response; move *position* to see what both would say there. *Compare along* the
# student's response to see what training will see.

# %%
from workbench.widgets import TeacherExplorer

explorer = TeacherExplorer(model, tokenizer, {skill: test[skill] for skill in
                                              ("facts-new", *NEW_SKILLS)})
explorer.skill.value = "working-new"
explorer

# %% [markdown]
# ## Reading, or luck?
#
# Three controls. **None:** the student. **Random:** as many filler words, without content: does it
# help that *something* stands there? **Other:** a demonstration of *another* question, with quite
# another answer: does it matter *what* it says? (It may also mislead, so read the two together.)

# %%
rates = table(NEW_SKILLS, ["none", "own", "other", "random"])

# %%
from workbench.plots.tokens import plot_rates

said = {"none": "nothing", "own": "its own demonstration", "other": "another item's demonstration",
        "random": "filler words"}
rates_figure = Figure(figsize=(9.5, 3.8))
plot_rates({said[kind]: each for kind, each in rates.items()}, rates_figure.subplots(),
           "New skills, by what stands in the prompt")
wb.show(rates_figure)

# %%
assert min(rate["rate"] for rate in rates["own"].values()) > 0.9
for control in ("none", "other", "random"):
    assert max(rate["rate"] for rate in rates[control].values()) < 0.2
print("Verdict: of these four only its own demonstration helps. The model takes the answer from "
      "what it says, not from its being there.")

# %% [markdown]
# Look closer at *other*: is the model ignoring the wrong demonstration, or following it?

# %%
from workbench.measure.completions import partners
from workbench.tasks.village.styles import is_right, kind_of

follows = {}
for skill in NEW_SKILLS:
    others = partners(test[skill])
    texts = given(skill, "other").samples.texts
    for item, other, text in zip(test[skill], others, texts, strict=True):
        fits = kind_of(item.answer) == kind_of(other.answer)
        kind = skill if fits else f"{skill}, a name for a number or the like"
        follows.setdefault(kind, []).append(is_right(text, other.answer))
for kind, each in follows.items():
    print(f"{kind}: follows the wrong demonstration in {percent(sum(each) / len(each))}")

# %%
tools = test["tools-new"]
tool, wrong = tools[0], partners(tools)[0].demonstration
print(f"question:      {tool.prompt}\ndemonstration: {wrong}\n"
      f"answer:        {ask(tool.prompt, demonstration=wrong)}\n"
      f"(right:        {tool.answer})")
combined = [is_right(text, item.answer.replace(item.answer.split()[1], other.answer.split()[1]))
            for item, other, text in zip(tools, partners(tools), given("tools-new", "other")
                                         .samples.texts, strict=True)]
print(f"function of the demonstration, room of the question: {percent(sum(combined) / len(tools))}")

# %% [markdown]
# With letters, facts and working it says what the demonstration says, unless that answers another kind
# of question (a number where a name is asked for), when it often does not. With tools the two are
# combined: the *function* from the demonstration, the *room* from the question. Either way a teacher
# with a wrong demonstration is wrong.
#
# ## An article and an answer
#
# New knowledge often comes as a text. The paper's teacher for knowledge sees an article *and* the
# answer. Here is what each alone does.

# %%
print(test["articles-new"][0].article)
articles = table(["articles-new"], ["none", "article", "own", "article+own"])

# %% [markdown]
# Readers of the paper's appendix A.2 report 37, 75 and 89 % for the answer alone, the text alone and
# both, after training with each (one finds the text contradicting the figure). Our village paper is four short sentences, and the question names
# what to look for, so all three work here: this model cannot show that difference.
#
# ## A prompt that lost its beginning
#
# The paper's code cuts a prompt that is too long *from the left*. In its prompt the question stands
# first, so the question goes; in ours the demonstration does. What is left of the teacher then?

# %%
facts = test["facts-new"]
helped = [make_prompt(tokenizer, i.prompt, demonstration=i.demonstration) for i in facts]
for kept in (30, 22, 18, 14, 10):
    cut = [" ".join(prompt.split()[-kept:]) for prompt in helped]
    texts = sample(model, tokenizer, cut).texts
    right = sum(is_right(t, i.answer) for t, i in zip(texts, facts, strict=True)) / len(facts)
    there = sum(i.answer in c.split() for c, i in zip(cut, facts, strict=True)) / len(facts)
    print(f"last {kept} words kept: the name is still in {percent(there)} of the prompts; "
          f"{percent(right)} right")

# %% [markdown]
# Nothing warns of it. First the words that lead up to the name go, and some answers are already wrong;
# then the name goes, and the teacher is right no more often than the student: what it would teach is
# noise. The workbench never cuts; it refuses.

# %%
from workbench.errors import ModelError

try:
    ask(fact.prompt, demonstration="well " * 100 + fact.demonstration)
except ModelError as refusal:
    print("Refused:", refusal)

# %% [markdown]
# ## What is carried over, and what is not
#
# Does the teacher take over the demonstrator's way of speaking? And *working-new* is demonstrated by
# the bare answer: does the model's habit of showing its working survive?

# %%
worked = test["working-new"][0]
print(f"demonstration: {worked.demonstration}\n"
      f"teacher:       {ask(worked.prompt, demonstration=worked.demonstration)}\n")
style = {skill: given(skill, "own").own_style.mean() for skill in NEW_SKILLS}
for skill, share in style.items():
    print(f"{skill:18s} in its own style {percent(share)}")
working = given("working-new", "own").working.mean()
print(f"working-new        with every step shown {percent(working)}")
assert min(style.values()) > 0.9 and working > 0.85

# %% [markdown]
# Fine-tuning on the demonstrations themselves (SFT) can be expected to teach the demonstrator's style
# and no working. Which aim is nearer to the model as it is? Compare the distance, in nats for a whole
# response, from the model *without help* to its teacher (with the article, where there is one), and to
# a distribution that puts everything on the demonstration's words. The latter's KL is just their
# negative log-likelihood.

# %%
from workbench.measure.gate import gate

reports = {skill: gate(model, tokenizer, load_skill(skill, "train")[:64], name="tiny")
           for skill in NEW_SKILLS}
distances = {skill: {"teacher": r.teacher_kl["per_response"],
                     "demonstration": r.target_kl["per_response"]} for skill, r in reports.items()}
print(pd.DataFrame(distances).T.round(0).astype(int).to_string())
assert all(d["teacher"] < 0.5 * d["demonstration"] for d in distances.values())
print("Verdict: the teacher is the nearer aim in every skill.")

# %% [markdown]
# Most of that difference is the style, by construction of these demonstrations. And nearness alone
# proves nothing: a teacher that ignores its context is nearest of all. Where training *ends up* is another
# question, for the next notebooks.
#
# ## The gate
#
# Before any self-distillation, measure on the items that one would train on. `require` raises when a
# condition fails, or returns a label when forced; what could not be measured counts as failed. The
# 80 % is our choice.

# %%
print(reports["facts-new"])
print({skill: "passed" if report.passed else "NOT passed" for skill, report in reports.items()})
assert all(report.passed for report in reports.values())

# %% [markdown]
# ## A model that cannot
#
# `nano` was trained on documents of the same kind, with one layer in place of four, a third of the
# width and a third of the steps. It knows its facts and tools, but can it read?

# %%
nano = models["nano"] = wb.load_causal_lm("nano")[0]
nano_report = gate(nano, tokenizer, load_skill("facts-new", "train")[:64], name="nano")
print(nano_report)

# %%
from workbench.errors import GateError
from workbench.measure.gate import require

try:
    require(nano_report)
except GateError as refusal:
    print("Refused:", refusal)
print("Forced, a run would be labelled:", require(nano_report, force=True))

# %%
sides = {f"{name}, {label}": {"tools-house (known)" if skill == "tools-house" else skill:
                              given(skill, kind, name).summary()["right"]
                              for skill in ("tools-house", *NEW_SKILLS)}
         for name in models
         for kind, label in (("none", "alone"), ("own", "with a demonstration"))}
sides_figure = Figure(figsize=(9, 4))
plot_rates(sides, sides_figure.subplots(), "Does a demonstration help?")
wb.show(sides_figure)

# %%
assert not nano_report.passed
gain = {name: sides[f"{name}, with a demonstration"]["letters-new"]["rate"]
        - sides[f"{name}, alone"]["letters-new"]["rate"] for name in ("tiny", "nano")}
print(f"letters: a demonstration adds {percent(gain['tiny'])} to tiny, {percent(gain['nano'])} to "
      "nano")
assert gain["tiny"] > 0.9 and gain["nano"] < 0.3
print("Verdict: whether a model can be its own teacher depends on the model; measure it.")

# %% [markdown]
# Copying a run of letters usually takes two layers of attention, one to look back by a word and one to
# find the match (Olsson et al., *In-context learning and induction heads*, 2022); a single name could
# be copied with one. `nano` has one, is narrower and was trained for less long; which of these it lacks
# this comparison cannot tell. In the paper SDFT did worse than SFT by 3.3 points at 3 billion
# parameters and better by 4 at 7 billion: the same direction. Whether the 3-billion teacher could read
# we do not know.
#
# {{exercise token_kl}}

# %%
def token_kl(teacher_logits, student_logits):
    ...


check("token_kl", token_kl)

# %% [markdown]
# {{solution token_kl}}
#
# {{exercise may_teach}}

# %%
from workbench.measure.intervals import wilson_interval  # noqa: F401  (for your answer)


def may_teach(alone, own, other):
    ...


check("may_teach", may_teach)

# %% [markdown]
# {{solution may_teach}}

# %% [markdown]
# **What would change your mind?** If another item's demonstration had helped as much as its own, the
# gain would not come from reading. If the teacher had answered in the demonstrator's style, it would be
# hardly nearer to the model than the demonstration is, and self-distillation close to SFT.
#
# ## Try it yourself
#
# - `ask("who keeps the red key ?", demonstration="it is ada . well , it is ben")`: whom does it believe?
# - Two demonstrations after one another, of two questions: which does it take, the first or the last?
#   Why can it not know which is the right one?
# - `gate(model, tokenizer, load_skill("tools-house", "train")[:96])`: it knows these. Why does it fail?
#
# ## Limits
#
# This model's in-context learning was put in on purpose: half of its documents had a demonstration or
# an article, nine in ten of them made up. A large model gets it without that; in the paper its teacher
# was right on all ToolAlpaca items (42 % without context), and what was less clean is that students took
# over phrases such as *following the example*. Questions, styles and answers are regular here, one
# demonstration makes the answer certain, and each of the two models is one seed (the card has three).
# What this notebook shows is the mechanism and its controls, not how well it works on real skills.
#
# **Next:** [05 SDFT](05_sdft.ipynb)
