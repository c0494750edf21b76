# %% [markdown]
# # 1. Catastrophic forgetting
#
# > **Claim you can check:** a network learns one task after another. If it must choose its answer among all digits
# > that it has seen, it forgets the first task within a few dozen steps of training on the second. If fewer answers
# > are allowed, it makes far fewer errors.
#
# | | |
# |---|---|
# | **Objectives** | explain three kinds of test question: the task, domain and class scenarios · read the loop that forgets · rule out two wrong explanations |
# | **Prerequisites** | [00 Start here](00_start_here.ipynb); PyTorch's `nn.Module` and `backward()` |
# | **Time** | 40 minutes to read and to do the two exercises, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import percent, plot_bars, plot_dots
from workbench.plots.diagrams import diagram
from workbench.plots.display import over_seeds

wb.prepare_notebook()
SEEDS = (0, 1, 2, 3, 4)

# %% [markdown]
# ## Three scenarios: the same digits, three questions
#
# **Continual learning** means learning several tasks one after another. Our network learns five tasks: *0 or 1*,
# *2 or 3*, and so on to *8 or 9*. After the second task we show it a 2. We can ask it three different questions (van de
# Ven et al., 2022).

# %%
wb.show(diagram("scenarios"), vector=True)

# %% [markdown]
# The first digit of each task is even, and the second is odd. So the question in the domain scenario is "even or
# odd?". The class scenario is the hardest: the network must distinguish a 0 from a 2, but it never saw both in one
# batch of training examples.
#
# A network has one output for each possible answer. The **output mask** says which answers are allowed: 1 for an
# allowed output, 0 for a forbidden one.

# %%
from workbench.tasks import make_stream

for scenario in ("task", "domain", "class"):
    # trained=1: tasks 0 and 1 have been trained. tested=1: the digit is from task 1, "2 or 3".
    mask = make_stream("split-digits", scenario=scenario).mask(trained=1, tested=1)
    print(f"{scenario:7s} {mask.int().tolist()}")

# %% [markdown]
# ## The loop that forgets
#
# We begin with the class scenario, and write the training by hand. The network has two hidden layers. The numbers at
# its outputs are called **logits**; the softmax turns them into probabilities. Later we compare our results with those
# of the course's Python package, `workbench`. So we copy the package's initial weights.

# %%
from workbench.models import StackedMLP

stream = make_stream("split-digits", scenario="class")
network = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(),
                        nn.Linear(100, stream.outputs))
# Copy the initial weights of the package's first network, so that we can compare the results.
# The package stores each weight matrix transposed.
start = StackedMLP(64, (100, 100), stream.outputs, seeds=(0,))
for layer, weight, bias in zip(network[::2], start.weights, start.biases, strict=True):
    layer.weight.data, layer.bias.data = weight.data[0].T.clone(), bias.data[0, 0].clone()


# %%
def accuracy(task, trained):
    """Share of correct answers on a task's test digits, after training on tasks 0 to `trained`."""
    logits = network(task.test.x)
    logits[:, ~stream.mask(trained, task.index)] = -torch.inf  # forbidden answers cannot win
    return (logits.argmax(1) == task.test.y).double().mean().item()


# %%
from workbench.learners import batch_order

R_by_hand, losses_by_hand = np.zeros((5, 5)), []
for i, task in enumerate(stream.tasks):
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for batch in batch_order(seed=0, task=i, examples=len(task.train), steps=200, batch_size=32):
        logits = network(task.train.x[batch])
        # In training too, only the answers of the tasks 0 to i are allowed.
        logits = logits.masked_fill(~task.masks[i], -torch.inf)
        loss = F.cross_entropy(logits, task.train.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses_by_hand.append(loss.item())
    R_by_hand[i] = [accuracy(t, trained=i) for t in stream.tasks]

# %% [markdown]
# `R_by_hand[i, j]` is the accuracy on task `j` after training on the tasks 0 to `i`, one after another. This loop is
# plain fine-tuning. It does nothing against forgetting.
#
# The next cell trains five networks with the package, also with plain fine-tuning. The variable `naive` holds their
# results. The first of these networks starts from the same weights as ours, and sees the same batches. Its results
# differ from ours only by rounding errors, and these grow during training. We therefore allow a difference of 0.0001
# in the losses of the first task, and a difference of 3 percentage points in the accuracies.

# %%
naive = wb.run(wb.RunConfig(learner="finetune", scenario="class", seeds=SEEDS, evaluate_every=10))
verdict("the loop above and the package give the same losses in the first task, and the same "
        "accuracies within 3 points.",
        np.allclose(losses_by_hand[:200], naive.losses[0, 0], atol=1e-4)
        and np.allclose(R_by_hand, naive.accuracy[0], atol=0.03))

# %%
drop = naive.curve[:, naive.curve_steps == 240, 0].mean()
print(f"Accuracy on 0 or 1 after 40 steps of training on 2 or 3: {percent(drop)}")
print(f"Accuracy on all ten digits at the end: {percent(naive.accuracy[:, -1].mean())}")
verdict("in the end the networks recognise only the last two digits.",
        drop < 0.01 and 0.19 < naive.accuracy[:, -1].mean() < 0.21)

# %% [markdown]
# ## Watch it
#
# The next cell trains three networks. Each thick line is the mean accuracy of the three networks on one task, a thin
# line is one network, and the shaded area is a 95 % interval. The accuracy is 0 before a task begins, because its
# answers are not allowed yet. Step 0 is an exception: before any training, all ten answers are allowed.
#
# To watch a training, press **Start**. The curves grow while the networks train. The row of test digits below them
# shows the answers of the first network: many turn from right (✓) to wrong (✗). Afterwards, choose another scenario,
# learning rate or *learner*. The learner is the training method, here `finetune`. If you start again, the curves of
# the last training stay as pale lines, so that you can compare. **Stop** works at any moment, and **Resume**
# continues. Without a running kernel you see a still picture.

# %%
from workbench.widgets import LiveTraining

live = LiveTraining()
live.pace.value = "as fast as it goes"
live.start().wait()
live.pace.value = "watchable"
live

# %% [markdown]
# ## Two other explanations, and their controls
#
# **"The network is too small for ten digits."** If this were true, **joint training** would fail too. In joint
# training, each batch is drawn from the digits of all tasks so far.
#
# **"Any further training destroys the earlier learning."** If this were true, further training on the *same* digits
# would also reduce the accuracy. As a control, we train on *0 or 1* five times in a row. The control always has the
# same two answers. In the domain scenario, all tasks share two answers too. So we compare the control with fine-tuning
# on the five different tasks in the domain scenario.

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
first_task = {"class: before the four other tasks": naive.accuracy[:, 0, 0],
              "class: after the four other tasks": naive.accuracy[:, -1, 0],
              "class: joint training on all tasks": joint.accuracy[:, -1, 0],
              "domain: after the four other tasks": others.accuracy[:, -1, 0],
              "domain: after four more rounds of “0 or 1”": again.accuracy[:, -1, 0]}
wb.show(plot_bars(first_task, title="Accuracy on the task “0 or 1”"))

# %% [markdown]
# In the domain scenario there are two answers. So guessing gives 50 %, and 55 % is hardly better than guessing.

# %%
print("Accuracy of joint training on all ten digits (class scenario): "
      f"{percent(joint.accuracy[:, -1].mean())}")
verdict("the network is large enough, and further training alone does no harm. The networks forget "
        "because the training data change.",
        again.accuracy[:, -1, 0].mean() > 0.95 and joint.accuracy[:, -1].mean() > 0.94
        and others.accuracy[:, -1, 0].mean() < 0.8)

# %% [markdown]
# ## How much is forgotten in each scenario?
#
# We train five networks in each scenario, with the same digits, the same number of steps and the same learning rate.
# The figure shows the accuracy on each task *at the end*, and *right after learning*, which means just after the task's
# own training. The numbers on the right are those at the end. The line *before training* is the mean accuracy of
# untrained networks on the five tasks: they are about as good as guessing.

# %%
scenarios = {"task": wb.run(wb.RunConfig(learner="finetune", scenario="task", seeds=SEEDS)),
             "domain": others, "class": naive}
final = {name: record.accuracy[:, -1].mean(1) for name, record in scenarios.items()}
learned = {name: record.matrix().learning_accuracy() for name, record in scenarios.items()}

# %%
figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True)
for ax, (name, record) in zip(panels, scenarios.items(), strict=True):
    moments = {"at the end": record.accuracy[:, -1],
               "right after learning": np.diagonal(record.accuracy, axis1=1, axis2=2)}
    plot_dots({moment: dict(zip(naive.task_names, map(over_seeds, shares.T), strict=True))
               for moment, shares in moments.items()}, ax, f"{name} scenario",
              reference=("before training", record.baseline.mean()))
    ax.get_legend().remove()  # one legend for all three is enough
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
wb.show(figure)

# %%
rows = pd.Index([*naive.task_names, "mean at the end", "mean right after learning",
                 "mean before training"], name="accuracy on")
by_scenario = pd.DataFrame({name: [*record.accuracy[:, -1].mean(0), final[name].mean(),
                                   learned[name].mean(), record.baseline.mean()]
                            for name, record in scenarios.items()}, index=rows)
wb.show_numbers(by_scenario, "accuracy in three scenarios", percent)
verdict("fine-tuning forgets almost nothing in the task scenario, a part in the domain scenario "
        "(mostly the first task), and everything except the last task in the class scenario.",
        final["task"].mean() > 0.9 > 0.87 > final["domain"].mean() > 0.8 > 0.21
        > final["class"].mean() and min(value.mean() for value in learned.values()) > 0.97)

# %% [markdown]
# The accuracy is highest in the task scenario. This does not prove that the network of this scenario knows more than
# the other two. Its question is easier: it cannot confuse a 0 with a 9, because 9 is not an allowed answer.
#
# The next cell shows the answers to one test digit. A cross marks an answer that is not allowed. The cell trains only
# one network in each scenario. So its accuracies differ a little from the means in the figure.

# %%
from workbench.widgets import ScenarioExplorer

explorer = ScenarioExplorer()
explorer.scenario.value, explorer.trained.value = "task", 4
explorer

# %%
p, _, correct = explorer.probabilities("class")
print("The network trained in the class scenario answers to the same digit: "
      f"{p.argmax().item()} (probability {percent(p.max().item())}).")
print(f"The correct answer is {correct}.")

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
# Take the networks of the class scenario after all five tasks. `naive` contains only their results. So the next cell
# repeats the same training. Then we ask these networks the *task* question: only 0 and 1 are allowed. If they can
# still tell a 0 from a 1, they still contain this knowledge. Then their errors in the class scenario have another
# cause: the newer digits have larger logits. As a control, we ask untrained networks the same question.

# %%
from workbench.runs.evaluation import evaluate

config = wb.RunConfig(learner="finetune", scenario="class", seeds=SEEDS)
learner, untrained = wb.make_learner(config, stream), wb.make_learner(config, stream)
wb.run_stream(learner, stream, config)
easier = make_stream("split-digits", scenario="task")

ask_all = evaluate(learner, stream, trained=4)[:, 0]
ask_two = evaluate(learner, easier, trained=4)[:, 0]
ask_untrained = evaluate(untrained, easier, trained=4)[:, 0]

# %%
wb.show(plot_bars({"0 to 9 allowed": ask_all, "only 0 and 1 allowed": ask_two,
                   "untrained network, only 0 and 1 allowed": ask_untrained},
                  title="Accuracy on 0 or 1 after all five tasks", reference=("guessing", 0.5)))

# %%
verdict("the networks can still tell 0s from 1s. But the outputs of newer digits have larger "
        "logits, so the networks answer with those.", ask_all.max() < 0.1 and ask_two.mean() > 0.8)

# %% [markdown]
# So "forgotten" can mean two things. Either the knowledge is gone, or it is still in the network but does not decide
# the answer. Here the second is true: with only 0 and 1 allowed, 98 % of the answers are right. (Untrained networks
# have 60 %, and their interval contains 50 %, the accuracy of guessing.) The accuracy in the class scenario cannot
# tell these two cases apart. So always say in which scenario an accuracy was measured.
#
# {{exercise masked_loss}}

# %%
def masked_loss(logits, y, mask):
    ...


check("masked_loss", masked_loss)

# %% [markdown]
# {{solution masked_loss}}

# %% [markdown]
# **What would change your mind?** Suppose that the accuracy had also fallen after more training on the *same* digits.
# Then we could not say that the new digits are the cause. If joint training had ended near 20 %, the network would be
# too small.
#
# ## Try it yourself
#
# - Use `LiveTraining(stream="rotated-digits")`. Its tasks are the same digits, turned by 30 degrees more in each task.
#   What happens?
# - Run five tasks with `hidden=(1000, 1000)` in `RunConfig`. Does a wider network forget less?
# - In the domain scenario, the accuracy at the end is 55 % on *0 or 1*, but 95 % on *2 or 3*. We have not found out why.
#   Can you find a reason? The explorer shows the answers to single digits.
#
# ## Limits
#
# This is one small data set. The split into training and test digits is the same for all seeds. So the intervals show
# the variation from the initial weights and the order of the batches, but not from another choice of digits.
# `data_seed` in `RunConfig` changes the split.
#
# **Next:** [02 Measuring retention](02_measuring_retention.ipynb)
