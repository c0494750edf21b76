# %% [markdown]
# # Does an earlier task help?
#
# > **Claim you can check:** the tasks are messages to assistants, and each message has an *intent*: its purpose, such
# > as "block my card". A task is not learned better after an earlier task of the *same* assistant than after one of
# > another assistant. A positive control shows that the measurement can detect transfer: if the earlier task had the
# > *same intents*, a copy of the old adapter gains 4 points. With only 5 messages per intent, a copy for
# > other intents is harmful. On fixed embeddings such a copy loses 3 to 4 points, but learned coefficients do no harm.
#
# | | |
# |---|---|
# | **Objectives** | test transfer, with a positive control in which it must appear · compare five ways to begin a task, in pairs · see when a copy of an earlier adapter helps, and when it harms |
# | **Prerequisites** | [11 Module composition](../11_module_composition.ipynb), [Composition on messages](composition_of_intents.ipynb) |
# | **Time** | 20 minutes to work through, a few seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import workbench as wb

# %%
from workbench.course import verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, percent
from workbench.plots.styles import styles_of
from workbench.runs.studies import RESULTS

wb.prepare_notebook()
study = json.loads((RESULTS / "composed_intents.json").read_text())

# %% [markdown]
# ## A stream on which composition should pay
#
# Lesson 11 builds the module of a new task from the units of earlier tasks, each with a learned coefficient. The first
# part found no gain from this on eight assistants (bank, travel agency, ...). But they have little in common. So we now
# make streams whose tasks share something. The features are embeddings of MiniLM, 384 numbers per message, and an
# adapter of rank 4 changes them linearly. A *unit* is a rank-one part of an adapter.
#
# The later task is always the same: **three intents of one assistant, with 5 or 10 messages each**. The earlier task is
# one of three:
#
# | earlier task | its messages | its role |
# |---|---|---|
# | same intents | 14 other messages for each of the *same three* intents | positive control: if nothing is gained here, the measurement cannot detect transfer |
# | same domain | the other two intents of the same assistant | the question |
# | another domain | two intents of another assistant | negative control: a gain here can come only from more weights, not from shared knowledge |
#
# The later task is told, so a method chooses among three intents only. It begins in one of five ways:
#
# | start | meaning |
# |---|---|
# | no reuse | a fresh adapter |
# | head only | no adapter: only the linear head learns |
# | reuse | a fresh adapter, and the earlier units with learned coefficients that begin at 0 |
# | coefficients 1 | a fresh adapter, and the earlier units with the fixed coefficient 1 |
# | warm start | a copy of the earlier adapter |
#
# There are eight assistants, and ten draws of intents and messages. Each combination of start, earlier task and number
# of messages has its own learning rate, chosen on validation messages of two other draws. The stored results are from
# `scripts/study_intents.py`.

# %%
EARLIER = ("same intents", "same domain", "another domain")
STARTS = ("no reuse", "head only", "reuse", "coefficients 1", "warm start")


def curves_of(backbone, earlier, start, few):
    """Accuracy on the later task: shape (steps, draws, domains)."""
    earlier = "nothing" if start in ("no reuse", "head only") else earlier
    return np.array(study[f"transfer, {backbone}: {earlier}"][f"{start}, {few}"]["accuracy"])


def gains_of(backbone, earlier, start, few):
    """Accuracy minus that of no reuse, in points, with the same messages: (steps, domains)."""
    return 100 * (curves_of(backbone, earlier, start, few)
                  - curves_of(backbone, earlier, "no reuse", few)).mean(1)


# %%
def points_text(points):
    """The mean with its interval."""
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(points.mean(), *seed_interval(points))

# %%
def plot_gains(backbone, few, starts):
    """Draw the gain over no reuse against steps, with intervals; a panel per earlier task."""
    gain_figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    steps, looks = study[f"transfer, {backbone}: nothing"]["at"], styles_of(STARTS[1:])
    panels[0].set_ylabel("gain over no reuse (points)")
    for (ax, earlier), (i, start) in product(zip(panels, EARLIER, strict=True), enumerate(starts)):
        own, places = gains_of(backbone, earlier, start, few).T, np.arange(len(steps))
        mean, (low, _) = own.mean(0), seed_interval(own)
        ax.errorbar(places + 0.08 * i, mean, mean - low, label=start, **looks[start])
        ax.axhline(0, color="black", linewidth=1)
        ax.set(title=f"earlier: {earlier}", xlabel="steps", xticks=places, xticklabels=steps)
        describe(ax, f"{ax.get_label()} {ax.get_title()}, {start}, gain in points after {steps} "
                     f"steps: {', '.join(f'{one:+.1f}' for one in mean)}.")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return gain_figure


# %% [markdown]
# The figure shows the gain over *no reuse*, in points of accuracy, with 5 messages per intent. Each gain is a paired
# difference: the later task and its messages are the same, and only the start differs. The intervals are over the eight
# assistants. *Head only* does not depend on the earlier task.

# %%
print("accuracy of no reuse; rows: messages per intent, columns: training steps")
steps_taken = study["transfer, embeddings: nothing"]["at"]
print(pd.DataFrame({few: curves_of("embeddings", EARLIER[0], "no reuse", few).mean((1, 2))
                    for few in (5, 10)}, steps_taken).T.map(percent).to_string())
wb.show(plot_gains("embeddings", 5, STARTS[1:]))

# %%
def gain_table(backbone, few, starts, place):
    """Gains over no reuse at one place of the curve, by assistant."""
    return {(start, earlier): gains_of(backbone, earlier, start, few)[place]
            for start in starts for earlier in EARLIER}


def shown_gains(gains):
    """Return a table with means and intervals."""
    text = pd.Series({pair: points_text(points) for pair, points in gains.items()}).unstack()
    return text.loc[list(dict.fromkeys(start for start, _ in gains)), [*EARLIER]]


# %%
later_gains = {few: gain_table("embeddings", few, STARTS[1:], 2) for few in (5, 10)}
for few, table in later_gains.items():
    print(f"{few} messages per intent, gain over no reuse after 10 steps; columns: earlier task")
    print(shown_gains(table).to_string(), end="\n\n")

# %%
verdict("positive control: if the earlier task had the same intents, a warm start and learned "
        "reuse both gain.", all(seed_interval(table[start, "same intents"])[0] > 0
                          for table in later_gains.values() for start in ("warm start", "reuse")))
shared_less_other = {few: table["reuse", "same domain"] - table["reuse", "another domain"]
                     for few, table in later_gains.items()}
for few, points in shared_less_other.items():
    print(f"reuse, {few} messages: same domain minus another domain {points_text(points)} points")
verdict("if the earlier task was of the same domain, the mean gain of reuse is below one point. It "
        "is not shown to differ from the gain after another domain.", all(abs(table[
            "reuse", "same domain"].mean()) < 1 for table in later_gains.values()) and all(
                seed_interval(one)[0] < 0 < seed_interval(one)[1]
                for one in shared_less_other.values()))

# %%
copied = later_gains[5]["warm start", "same domain"]
verdict("with 5 messages, a copy of the adapter for two other intents of the same assistant loses "
        "about 4 points.", seed_interval(copied)[1] < -2 and abs(copied.mean() + 4) < 0.5)

# %% [markdown]
# - **The measurement detects transfer.** If the earlier task had the same intents, a copy of the old adapter gains 4
#   points. Coefficients of 1 gain 4 points with 5 messages per intent, and 2 with 10, where the interval contains 0.
#   Learned coefficients gain 1 point. A likely reason: they begin at 0, and must be found from the few new messages.
# - **We see no gain from a shared domain.** Two intents of a bank do not help with three other intents. With 5 messages
#   per intent a copy of the old adapter even loses 4 points. A likely reason: an adapter learns directions that separate
#   its own intents, and other intents need other directions.
# - **Learned coefficients do no harm.** If the earlier task had other intents, the gain is about 0.
# - **A fresh adapter does not help either.** From 5 steps on, *head only* is at least as good as a fresh adapter. After
#   20 steps it is better. So with few messages on fixed embeddings, a fresh adapter adds nothing to the linear head.
#
# ### The same with steps inside MiniLM
#
# This study has one draw, eight assistants, 5 messages per intent, one learning rate (0.003), and 20 steps on the
# earlier task.

# %%
wb.show(plot_gains("LoRA", 5, ("reuse", "warm start")))
inside_transfer, early = (gain_table("LoRA", 5, ("reuse", "warm start"), i) for i in (2, 0))
print("inside MiniLM, gain over no reuse after 10 steps; columns: earlier task")
print(shown_gains(inside_transfer).to_string())
print("the same after 2 steps", shown_gains(early).to_string(), sep="\n")
verdict("inside MiniLM, a copy of an adapter for the same intents gains more than 5 points after 2 "
        "steps. A copy for other intents of the same domain loses points after 10 steps.",
        seed_interval(early["warm start", "same intents"])[0] > 5
        and seed_interval(inside_transfer["warm start", "same domain"])[1] < 0)

# %% [markdown]
# Inside MiniLM the intervals are wider. If the earlier task had the same intents, a copy gains 19 points after 2 steps.
# After 10 steps the interval of its gain contains 0. If the earlier task had other intents, a copy loses 9 to 11 points
# after 10 steps. After a task of the same domain we see no gain, neither for a copy nor for reuse.
#
# ## What to remember
#
# - Test transfer with a positive control. Without one, the result "no transfer" has a second possible reason: the
#   measurement cannot detect transfer.
# - Composition can reuse only what earlier adapters have learned. Probably the directions that separate two intents of
#   a bank do not separate three others.
# - With 5 messages, a copy of an earlier adapter helps if the intents are the same, and harms if they are not. On
#   embeddings, learned coefficients help less than a copy, and do no harm.
#
# **What would change your mind?** If reuse after the same domain had gained more than after another domain, shared
# knowledge would have been reused. If *head only* had been far worse, there would be something for adapters to learn.
# If the warm start had gained nothing after the same intents, the measurement could not detect transfer.
#
# ## Try it yourself
#
# - `shown_gains(gain_table("embeddings", 10, STARTS[1:], 4))` has the gains with 10 messages per intent, after 40
#   steps. Which starts are better than no reuse?
#
# ## Limits
#
# There is one data set, 1,600 messages that a language model wrote. MiniLM was trained on a billion pairs of sentences,
# so its features separate such messages already. With weaker features, adapters have more to learn, and perhaps more to
# share. The steps inside MiniLM are few, with one draw and one learning rate. More steps could change that part. The
# form of composition is reconstructed.
#
# **Back to:** [11 Module composition](../11_module_composition.ipynb)
