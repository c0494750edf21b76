# %% [markdown]
# # A language model's own soft labels
#
# > **Claim you can check:** if a language model is trained on its own next-token probabilities, for the same prompt, it learns
# > nothing. In our tests, soft labels of a trained teacher with the same prompt teach a new skill no better than the
# > demonstrations themselves. SDFT teaches something because its teacher sees a demonstration in the prompt.
#
# | | |
# |---|---|
# | **Objectives** | train a language model on soft labels · prove when they teach nothing · compare six kinds of targets · say what SDFT changes |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); [05 SDFT](../05_sdft.ipynb) |
# | **Time** | about 25 minutes to work through, under 30 seconds to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import copy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent, plot_dots, plot_methods
from workbench.plots.display import over_seeds
from workbench.runs.studies import RESULTS

wb.prepare_notebook()

# %% [markdown]
# ## The setting
#
# A **token** is a word or a part of a word. A language model is a classifier of the next token. Its inputs are the prompt and
# the tokens before. So every method of distillation can be used, one token at a time.
#
# The model here is `nano`, with 0.04 million weights. The larger model is called `tiny`. Lesson
# [04](../04_the_model_as_its_own_teacher.ipynb) introduces both. They were trained on texts about an invented village. Now
# `nano` learns 24 new facts of the form *who keeps this thing*. For each thing there are four questions in different words, and
# each has a **demonstration**: the answer of an expert. So there are 96 demonstrations. The test asks two other questions
# for each thing.
#
# **The target.** A *one-hot* target gives probability 1 to the demonstrated token. A soft target mixes it with a distribution
# $p$ over all tokens:
#
# $$\text{target} = w\cdot\text{one-hot} + (1-w)\cdot p.$$
#
# The methods differ only in $w$ and $p$:
#
# | method | the distribution $p$ |
# |---|---|
# | *hard* | none: $w=1$. This is supervised fine-tuning (**SFT**) |
# | *smoothing* | the same probability for all tokens |
# | *pretrained* | from the model before fine-tuning |
# | *born-again* | from the same model after fine-tuning on the hard targets |
# | *shuffled* (control) | as *born-again*, but each token gets the soft label of another token |
# | *untrained* (control) | from a model with random weights |
#
# The next cell loads the model and the demonstrations. Then a figure shows three targets.

# %%
from workbench.learners import batch_order
from workbench.learners.text.sft import imitation
from workbench.losses import kl_per_token, per_response
from workbench.measure.completions import complete
from workbench.models import make_prompt
from workbench.models.encoding import encode, encode_responses
from workbench.models.logits import response_logits, take_prompts
from workbench.tasks import load_skill

nano, words = wb.load_causal_lm("nano")
keepers = {split: load_skill("facts-new", split) for split in ("train", "test")}
read = {split: (*encode(words, [make_prompt(words, item.prompt) for item in items], 88),
                *encode_responses(words, [item.demonstration for item in items], 40))
        for split, items in keepers.items()}  # prompts and responses: ids and mask of each

# %%
ids = read["train"][2][0]  # the first demonstration
with torch.no_grad():
    expected = response_logits(nano, *(part[:1] for part in read["train"])).softmax(-1)[0, 0]
shown = list(dict.fromkeys([ids[0].item(), *expected.topk(2).indices.tolist()]))
targets = {}
for name, weight, p in (("hard", 1, expected), ("pretrained, w = 0.5", 0.5, expected),
                        ("smoothing, w = 0.5", 0.5, torch.full_like(expected, 1 / len(words)))):
    shares = {words.decode(token): weight * (i == 0) + (1 - weight) * p[token].item()
              for i, token in enumerate(shown)}
    shares["all other tokens"] = 1 - sum(shares.values())
    targets[name] = {word: (share, share, share) for word, share in shares.items()}
wb.show(plot_dots(targets, plt.subplots(figsize=(7.5, 3))[1],
                  "Three targets at the first token of a demonstration",
                  "probability in the target (%)"))

# %% [markdown]
# The demonstrated token is in the first row. The numbers at the right are those of *hard*. *Hard* gives all the
# probability to it. *Smoothing* spreads the rest over all tokens. *Pretrained* gives the rest to the tokens with which
# the model itself begins its answers. The next cell writes out the training.

# %%
def fine_tune(target, lr, steps, seed=0):
    """Return a copy of nano, trained on targets (items, tokens, vocabulary)."""
    model, texts = copy.deepcopy(nano), read["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    for rows in batch_order(seed, 0, len(target), steps, 32):
        ids, mask = texts[2][rows], texts[3][rows]
        logits = response_logits(model, *take_prompts(texts[:2], rows), ids, mask)
        optimizer.zero_grad()
        per_response(-(target[rows] * logits.log_softmax(-1)).sum(-1), mask).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


# %% [markdown]
# ## One case can be proved
#
# **A model's own soft labels, for the same prompt, teach it nothing.**
#
# *Proof.* Let $q$ be the model's distribution. Its own soft label is $q$ too. So the loss is $\mathrm{KL}(q\,\|\,q)=0$, the
# smallest possible value. The gradient with respect to the logits is $q-q=0$.
#
# So the *pretrained* part of a target gives no reason to leave the pretrained model. If other parts of the loss change the
# model, it pulls the model back. Set $w=1/(1+\lambda)$. Then the loss is (up to a factor and a constant) the SFT loss plus
# $\lambda$ times $\mathrm{KL}(p\,\|\,q)$, where $p$ is the distribution of the pretrained model. This is the method
# *sft_kl* of lesson 05. For image classifiers it is called *learning without forgetting*
# ([Transfer](self_distillation_transfer.ipynb)).
#
# We check the gradient. Then we train *hard*, and *born-again* with $w=0$. The output shows the loss on the test demonstrations in
# *nats*, the unit of the natural logarithm.

# %% tags=["nbval-ignore-output"]
own_logits = response_logits(nano, *read["train"])
(kl_per_token(own_logits.detach(), own_logits) * read["train"][3]).sum().backward()
verdict("on its own soft labels the model's loss has a gradient of exactly 0.",
        not any(weight.grad.any() for weight in nano.parameters()))
one_hot = torch.nn.functional.one_hot(read["train"][2], len(words)).float()
tuned = fine_tune(one_hot, 5e-3, 240)
soft_labels = response_logits(tuned, *read["train"]).softmax(-1).detach()
live = {"hard": tuned, "born-again": fine_tune(soft_labels, 5e-3, 240)}
for name, model in live.items():
    nats = imitation(response_logits(model, *read["test"]), *read["test"][2:])
    print(f"{name}: {percent(complete(model, words, keepers['test']).accuracy)} right, "
          f"{nats.item():.4f} nats a token")
sure = (soft_labels * one_hot).sum(-1)[read["train"][3] == 1]
print(f"probability of the demonstrated token in born-again's soft labels: mean {sure.mean():.4f}, "
      f"smallest {sure.min():.4f}")

# %% [markdown]
# So if a model knows its training items, its soft labels are nearly the hard labels. [Three small
# proofs](self_distillation_proofs.ipynb) shows something similar: if a model has memorised its labels, its own hard labels
# change nothing.
#
# ## All methods, tuned
#
# One seed shows nothing, and settings matter. The script `scripts/study_soft_labels.py` compared all methods with six settings
# each. *Hard* had six learning rates. The other methods had three values of $w$, times the two learning rates nearest to the
# best rate of *hard*. (This is a small advantage for *hard*.) Every 20 steps the model was tested on validation items,
# so the number of steps was chosen too.
#
# | | `nano` | `tiny` |
# |---|---|---|
# | seeds that chose the settings | 2 | 1 |
# | other seeds, for the test | 15 | 3 |
# | labels | two cases: all are right, or **30 % of the demonstrations name a wrong person** (validation too) | all are right |
# | old skills | it loses all of them | it can keep them |
# | which setting is chosen | highest accuracy; if equal, lowest loss | of the settings with at least 95 % on the new skill, the one that keeps the most (lesson 05 has the full rule) |
#
# *Kept* is the accuracy on three old skills after training, divided by the accuracy before.

# %%
trials = pd.concat(pd.read_csv(RESULTS / f"soft_labels_{name}.csv.gz")
                   for name in ("nano", "tiny")).query("part == 'test'")


def minus_hard(model, noise, column):
    """Return differences from hard in points, paired by seed: a column for each method."""
    part = trials[(trials["model"] == model) & (trials["noise"] == noise)]
    wide = 100 * part.pivot(index="seed", columns="method", values=column)
    return wide[part["method"].unique()].sub(wide["hard"], axis=0).drop(columns="hard")


CASES = {"nano, right labels": ("nano", 0.0, "accuracy"), "nano, 30 % wrong labels": (
    "nano", 0.3, "accuracy"), "tiny, old skills kept": ("tiny", 0.0, "retention")}

# %%
def draw_differences(ax, title, first_row):
    """Draw a row for each method except hard: the mean over seeds and its 95 % interval."""
    differences = minus_hard(*CASES[title])
    for i, (name, low, high) in enumerate(zip(differences, *seed_interval(differences),
                                              strict=True), first_row):
        colour = "#888888" if name in ("shuffled", "untrained") else "#0072B2"
        ax.plot([low, high], [i, i], color=colour)
        ax.plot(differences[name].mean(), i, "o", color=colour)
    ax.axvline(0, color="black", linewidth=1)
    ax.set(title=title, xlabel="difference from hard (points)")
    means = (f"{name} {mean:+.1f}" for name, mean in differences.mean().items())
    describe(ax, f"{title}, points minus hard: {', '.join(means)}.")


# %% tags=["nbval-ignore-output"]
nano_figure, nano_axes = plt.subplots(1, 3, figsize=(10.5, 3.6), width_ratios=[1.3, 1, 1])
plot_dots({label: {name: over_seeds(own["accuracy"]) for name, own in trials.query(
    "model == 'nano' and noise == @noise").groupby("method", sort=False)}
    for label, noise in (("right labels", 0), ("30 % wrong", 0.3))}, nano_axes[0], "nano",
    "right answers (%)")
for ax, title in zip(nano_axes[1:], CASES, strict=False):
    draw_differences(ax, title, 1)
    ax.set(ylim=nano_axes[0].get_ylim(), yticks=range(6), yticklabels=[], xlim=(-14, 17))
wb.show(nano_figure)
wb.show_numbers(trials.groupby(["model", "noise", "method"], sort=False)[
    ["accuracy", "retention", "loss"]].mean(), "accuracy, share kept, and nats a token: means",
    "{:.3f}".format)

# %%
noisy = minus_hard(*CASES["nano, 30 % wrong labels"])
verdict("with wrong labels we see no difference between born-again and hard. Smoothing is better "
        "than hard.",
        np.prod(seed_interval(noisy["born-again"])) < 0
        and seed_interval(noisy["smoothing"])[0] > 0)

# %% [markdown]
# Dots are means over seeds, and lines are 95 % intervals. The numbers in the left panel are those with right labels.
# In the middle and on the right are paired differences from *hard*, in the same rows. Controls are grey there. If an
# interval contains 0, we say that we see no difference.
#
# **Right labels (`nano`).** All methods know nearly everything. Born-again differs from hard by -0.4 to +0.2 points. Its soft
# labels nearly *are* the hard ones. (If a target gives the demonstrated token a probability below 1, the student learns to do
# the same. So its loss in nats is higher by design. This holds for *smoothing* and for every mixture. Compare nats only between
# methods with similar targets.)
#
# **Wrong labels (`nano`).** The soft labels contain more information than the hard ones, but the student is not better.
#
# - For training items with a wrong name, the teachers give 37 % to the wrong name and 31 % to the right one. A hard label
#   gives 100 % and 0 %. (This was measured beforehand with three seeds.) Still, we see no difference between born-again and
#   hard: -6 to +3 points.
# - Label smoothing needs no teacher, and gains 3 to 16 points. But this gain depends on the settings. *untrained* has nearly the
#   same targets as *smoothing*. It was trained with $w=0.9$ for 180 steps, and *smoothing* with $w=0.8$ for 100 steps. We see no gain
#   of *untrained* (-12 to +1).
#
# Does `tiny` keep its old skills?

# %% tags=["nbval-ignore-output"]
tiny_figure, (tiny_ax, kept_ax) = plt.subplots(1, 2, figsize=(10.5, 4), width_ratios=[1.6, 1])
of_tiny = trials.query("model == 'tiny'")
plot_methods(of_tiny, tiny_ax, "", "accuracy", "retention",
             ("accuracy on the new skill", "share of the old skills kept"))
draw_differences(kept_ax, "tiny, old skills kept", 0)
kept_ax.set(ylim=(4.5, -0.5), yticks=range(5), yticklabels=of_tiny["method"].unique()[1:])
wb.show(tiny_figure)

# %% [markdown]
# **Old skills (`tiny`).**
#
# - *pretrained* keeps 10 points more than hard (9 to 12). But perhaps it learned less of the new skill. On validation items it
#   did not reach 95 % in 120 steps. On the test, its accuracy minus that of hard is -23 to +8 points. So the two are not
#   compared at the same accuracy. We also compared all settings with over 90 % on validation items (one seed). There
#   *pretrained* keeps at most 65 %, and hard keeps at most 56 %.
# - With $w=0$, *pretrained* stays at 2 % of the new skill and keeps everything. Its own soft labels teach it nothing.
# - Label smoothing keeps 11 points *less* than hard (5 to 16). We see no difference between born-again and hard.
#
# **Controls.** With right labels, *untrained* gains 0.2 to 1.4 points over hard. The soft labels of a random network are nearly
# even, so this is label smoothing, which gains the same. No other control is better than hard.
#
# ## What does SDFT change?
#
# **SDFT** (self-distillation fine-tuning, lesson [05](../05_sdft.ipynb)) lets a model teach itself. Take the formula with $w=0$
# and the *pretrained* model as the teacher. We have seen that this teaches nothing. SDFT changes two things:
#
# 1. The teacher sees **a demonstration in its prompt**. So $p$ and $q$ differ where the demonstration contains something that
#    the student does not know.
# 2. The tokens are those of the student's own answers, and not those of the demonstration. So the targets are in the model's own
#    style. Lesson 05 measures how much more the model keeps.

# %%
from workbench.plots.diagrams import diagram

wb.show(diagram("teacher_and_student"), vector=True)

# %% [markdown]
# The soft labels of the pretrained model contain only its own knowledge. The soft labels of SDFT also contain the knowledge in
# the demonstration. So the important thing is the teacher's context, and not that labels are soft.
#
# ## What to remember
#
# If teacher and student are the same model with the same context, the soft labels teach nothing. If the teacher's context
# contains a demonstration, the soft labels can teach the content of the demonstration.
#
# ## What would change your mind?
#
# If born-again were better than hard, and *smoothing* and *untrained* were not, then a model's own soft labels would teach it
# something.
#
# ## Try it yourself
#
# In `fine_tune`, take 60 steps for the teacher (`tuned`). Its soft labels are softer then. Does born-again still change
# nothing?
#
# ## Limits
#
# - There are two tiny models, and one skill with one right answer to each question. The temperature is 1, and there is no larger
#   teacher. If a question has several right answers, a soft label could contain more than a hard one.
# - With wrong labels, the best learning rate of *hard* was the largest one tried.
# - `tiny` has only three seeds.
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
