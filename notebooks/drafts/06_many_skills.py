# %% [markdown]
# # 6. Many skills in a row
#
# > **Claim you can check:** taught three skills one after the other, a model that learns from itself ends
# > with all three and most of what it knew, and stores no old data; plain fine-tuning ends with the last
# > skill alone. Separate adapters forget nothing as long as somebody says which to use.
#
# | | |
# |---|---|
# | **Objectives** | watch skills be learned and lost in a row · read the stage-by-task matrix of a language model · compare methods that were all tuned the same way · say what each costs to train, to keep and to maintain · decide which you would deploy |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb); the measures of [02](02_measuring_retention.ipynb) |
# | **Time** | 40 minutes to work through, about 1 minute to run on two CPU cores |
# | **Memory** | under 1.5 GB; no GPU, no download, no network |

# %%
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check
from workbench.experiment import make_learner, stream_of
from workbench.intervals import paired_difference, seed_interval
from workbench.loop import run_stream
from workbench.metrics import AccuracyMatrix
from workbench.plots import percent
from workbench.sweeps import load_sequences
from workbench.tasks import load_skill

wb.prepare_notebook()
record = load_sequences()
orders = list(dict.fromkeys(run.skills for run in record))
first = orders[0]
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
# Fine-tuning first, live, on two of the skills.

# %%
live = wb.run(wb.RunConfig(stream="skills", skills=first[:2], learner="sft", lr=of("sft")[0].lr,
                           steps=120, items=48, clip=1.0))
stages = ["before", *(f"after {skill}" for skill in first[:2])]
rows = np.concatenate([np.vstack([live.baseline[0], live.accuracy[0]]), live.watched[0]], axis=1)
print(pd.DataFrame([[percent(value) for value in row] for row in rows], index=stages,
                   columns=[*first[:2], *live.watched_names]).T.to_string())

# %%
stored = of("sft")[0]
assert stored.seed == 0
assert np.allclose(stored.new[1:3, :2], live.accuracy[0], atol=0.15)
assert np.allclose(stored.kept[1:3], 1, atol=1)  # see the table above
print("Verdict: what was just trained agrees with the first two stages of the record.")
