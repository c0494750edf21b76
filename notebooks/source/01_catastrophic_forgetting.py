# %% [markdown]
# # 1. Catastrophic forgetting
#
# > **Claim you can check:** plain fine-tuning on a second task destroys the first, within a few dozen
# > steps; and how much is lost depends on the question you ask, not only on the network.
#
# | | |
# |---|---|
# | **Objectives** | write the loop that forgets · tell the task, domain and class scenarios apart · rule out two wrong explanations |
# | **Prerequisites** | [00 Start here](00_start_here.ipynb); PyTorch's `nn.Module` and `backward()` |
# | **Time** | 40 minutes to work through, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import workbench as wb
from workbench.course import check
from workbench.plots import percent, plot_bars, plot_task_curves

wb.prepare_notebook()
SEEDS = (0, 1, 2, 3, 4)

# %% [markdown]
# ## The loop that forgets
#
# First by hand. A network with two hidden layers learns to tell 0 from 1, then 2 from 3, and so
# on. There is nothing in this loop but fine-tuning.

# %%
from workbench.models import StackedMLP
from workbench.tasks import make_stream

stream = make_stream("split-digits", scenario="class")
network = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(),
                        nn.Linear(100, stream.outputs))
# The package's first network, so that we can compare: same weights, stored the other way round.
start = StackedMLP(64, (100, 100), stream.outputs, seeds=(0,))
for layer, weight, bias in zip(network[::2], start.weights, start.biases, strict=True):
    layer.weight.data, layer.bias.data = weight.data[0].T.clone(), bias.data[0, 0].clone()


# %%
def accuracy(task, seen):
    """Share of test digits read correctly, choosing among the classes seen so far."""
    logits = network(task.test.x)
    logits[:, ~stream.mask(seen, task.index)] = -torch.inf
    return (logits.argmax(1) == task.test.y).double().mean().item()


# %%
from workbench.learners import batch_order

R_by_hand, losses_by_hand = np.zeros((5, 5)), []
for i, task in enumerate(stream.tasks):
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for batch in batch_order(seed=0, task=i, examples=len(task.train), steps=200, batch_size=32):
        logits = network(task.train.x[batch])
        logits = logits.masked_fill(~task.masks[i], -torch.inf)
        loss = F.cross_entropy(logits, task.train.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses_by_hand.append(loss.item())
    R_by_hand[i] = [accuracy(t, seen=i) for t in stream.tasks]

# %% [markdown]
# `R_by_hand[i, j]` is the accuracy on task `j` after training through task `i`. The package trains
# five networks side by side; the first must come out as ours did.

# %%
naive = wb.run(wb.RunConfig(learner="finetune", scenario="class", seeds=SEEDS, evaluate_every=10))
assert np.allclose(losses_by_hand[:200], naive.losses[0, 0], atol=1e-4)
assert np.allclose(R_by_hand, naive.accuracy[0], atol=0.03)
print("The loop above and the package agree.")

# %%
wb.show(plot_task_curves(naive.curve_steps, naive.curve, naive.task_names, 200,
                         title="Five networks, one task after another"))

# %%
drop = naive.curve[:, naive.curve_steps == 240, 0].mean()
print(f"40 steps into the second task, {percent(drop)} of the 0s and 1s are still read.")
print(f"At the end the networks read {percent(naive.accuracy[:, -1].mean())} of all ten digits.")
assert 0.19 < naive.accuracy[:, -1].mean() < 0.21
print("Verdict: they read the last two digits and nothing else.")

# %% [markdown]
# ## Two other explanations, and their controls
#
# **"The network is too small for ten digits."** Then training on everything seen so far would fail
# as well. *Baseline: joint training.*
#
# **"More training as such wears out what was learned."** Then going on with the *same* digits would
# harm as well. *Negative control: five tasks that are all the first one.* They share two answers, which
# makes it the domain scenario; fine-tuning on other digits in that scenario stands beside it.

# %%
from workbench.tasks.stream import build_stream

joint = wb.run(wb.RunConfig(learner="joint", scenario="class", seeds=SEEDS))

first = make_stream("split-digits", scenario="domain").tasks[0]
same = build_stream("the same task again", "domain", [f"round {i}" for i in range(1, 6)],
                    [(first.train, first.validation, first.test)] * 5, classes_per_task=2)
domain = wb.RunConfig(learner="finetune", scenario="domain", seeds=SEEDS)
again = wb.run_stream(wb.make_learner(domain, same), same, domain)
others = wb.run(domain)

# %%
first_task = {"just learned": naive.accuracy[:, 0, 0],
              "four other tasks (class)": naive.accuracy[:, -1, 0],
              "four other tasks (domain)": others.accuracy[:, -1, 0],
              "four more rounds of it (domain)": again.accuracy[:, -1, 0],
              "joint on all five (class)": joint.accuracy[:, -1, 0]}
wb.show(plot_bars(first_task, title="Accuracy on the first task"))

# %%
assert again.accuracy[:, -1, 0].mean() > 0.95 and joint.accuracy[:, -1].mean() > 0.94
assert others.accuracy[:, -1, 0].mean() < 0.8
print("Verdict: neither a lack of room nor training as such; it is the change of the data.")

# %% [markdown]
# **What would change your mind?** Had the control with the same digits lost as much, "forgetting"
# would be the wrong word. Had joint training ended near 20 %, the network would be too small.

# %% [markdown]
# ## Watch it
#
# The next cell trains once, as fast as it goes. To see it happen, press **Start**; then try another
# learner, scenario or learning rate. **Stop** works at any moment, and **Resume** goes on as if
# nothing had happened. Without a running kernel you see a still picture.

# %%
from workbench.widgets import LiveTraining

live = LiveTraining()
live.pace.value = "as fast as it goes"
live.start().wait()
live.pace.value = "watchable"
live

# %% [markdown]
# What the widget shows, as a table:

# %%
assert live.record.status == "complete"
print(live.table().to_string())

# %% [markdown]
# ## Three scenarios: the same digits, three questions
#
# - **task**: "This is from task *2 or 3*. Which of the two is it?"
# - **domain**: "Is it the first or the second digit of its task?" (for these tasks: even or odd)
# - **class**: "Which of all digits that you have seen is it?"
#
# The class scenario is what most people mean, and the hardest: the network must also tell apart
# digits that it has never seen in one batch (van de Ven et al., 2022).

# %%
scenarios = {"class": naive}
for name in ("task", "domain"):
    scenarios[name] = wb.run(wb.RunConfig(learner="finetune", scenario=name, seeds=SEEDS))
final = {name: record.accuracy[:, -1].mean(1) for name, record in scenarios.items()}
wb.show(plot_bars(final, title="The same fine-tuning under three questions"))

# %%
assert final["task"].mean() > 0.9 > 0.87 > final["domain"].mean() > 0.8
chance = {name: record.baseline.mean() for name, record in scenarios.items()}
print("Accuracy before any training:", ", ".join(f"{n} {percent(v)}" for n, v in chance.items()))
print("Verdict: task hardly forgets, domain loses some, class loses everything but the last task.")

# %% [markdown]
# Is most of the knowledge still there in the task scenario? The networks there may not confuse a 0
# with an 8, since the question rules the 8 out. Look at single digits:

# %%
from workbench.widgets import ScenarioExplorer

explorer = ScenarioExplorer()
explorer.trained.value = 4
explorer

# %%
print(explorer.table().to_string())

# %% [markdown]
# {{exercise allowed_answer}}

# %%
def allowed_answer(logits, mask):
    ...


check("allowed_answer", allowed_answer)

# %% [markdown]
# {{solution allowed_answer}}

# %% [markdown]
# ## What did the network lose?
#
# Take the networks of the class scenario at the end, and ask them the *task* question: only 0 and 1
# are allowed. If they can still tell those two apart, then the hidden layers have kept something,
# and what broke is the comparison with the newer classes.

# %%
config = wb.RunConfig(learner="finetune", scenario="class", seeds=SEEDS)
learner = wb.make_learner(config, stream)
wb.run_stream(learner, stream, config)

easier = make_stream("split-digits", scenario="task")
from workbench.runs.evaluation import evaluate

asked_all = evaluate(learner, stream, trained=4)[:, 0]
asked_two = evaluate(learner, easier, trained=4)[:, 0]
untrained = wb.make_learner(config, stream)
asked_untrained = evaluate(untrained, easier, trained=4)[:, 0]

# %%
wb.show(plot_bars({"asked among ten": asked_all, "asked 0 or 1": asked_two,
                   "untrained, asked 0 or 1": asked_untrained},
                  title="Fine-tuned through all tasks, tested on 0 and 1",
                  reference=("guessing", 0.5)))

# %%
assert asked_all.max() < 0.1 and asked_two.mean() > 0.8
print(f"Asked among ten: {percent(asked_all.mean())}. Asked 0 or 1: {percent(asked_two.mean())}.")
print("Verdict: most of the ability to tell 0 from 1 has survived; the newer outputs drown it.")

# %% [markdown]
# So "forgotten" can mean two things: the knowledge is gone, or it is no longer reached. Whoever
# reports one number per method should say which.
#
# {{exercise masked_loss}}

# %%
def masked_loss(logits, y, mask):
    ...


check("masked_loss", masked_loss)

# %% [markdown]
# {{solution masked_loss}}

# %% [markdown]
# ## Does a gentler learning rate help?
#
# Smaller steps change the network less. Fair is only a comparison in which the new task is
# learned as well, so the accuracy on it stands beside it.

# %%
gentle = {}
for lr in (1e-4, 3e-4, 1e-3, 3e-3):
    record = wb.run(wb.RunConfig(learner="finetune", tasks=2, lr=lr, seeds=SEEDS))
    gentle[lr] = (record.accuracy[:, 1, 0].mean(), record.accuracy[:, 1, 1].mean())
    kept, new = (percent(value) for value in gentle[lr])
    print(f"rate {lr:g}: kept {kept} of task 1, learned {new} of task 2")

# %%
assert all(kept < 0.5 for kept, new in gentle.values() if new > 0.95)
print("Verdict: no rate that learned the second task kept half of the first.")

# %% [markdown]
# ## Try it yourself
#
# - `stream="rotated-digits"` in `LiveTraining(...)`: neighbouring tasks are alike. What happens?
# - Five tasks with `hidden=(1000, 1000)` in `RunConfig`: does a wider network forget less?
# - Is the order of the tasks to blame? Compare the columns of `naive.accuracy.mean(0)`.
#
# ## Limits
#
# One small data set; the split into training and test digits is the same for all seeds, so that the
# intervals speak of starts and batches, not of other digits (`data_seed` changes the split).
#
# **Next:** [02 Measuring retention](02_measuring_retention.ipynb)
