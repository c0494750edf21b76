# %% [markdown]
# # 2. Measuring retention
#
# > **Claim you can check:** all usual measures of forgetting can be computed from one table of accuracies. When each
# > task brings new classes, methods that store old examples have a higher final accuracy and less forgetting than
# > fine-tuning. The other methods here do not.
#
# | | |
# |---|---|
# | **Objectives** | build the accuracy matrix · compute the usual measures and tell them apart · compare seven methods fairly |
# | **Prerequisites** | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb) |
# | **Time** | 35 minutes to read and to do the exercise, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import workbench as wb
from workbench.course import check, verdict
from workbench.plots import describe, percent, plot_accuracy_matrix, plot_methods, plot_retention
from workbench.plots.styles import METHOD_STYLES

wb.prepare_notebook()
SEEDS = (0, 1, 2, 3, 4)

# %% [markdown]
# ## The accuracy matrix
#
# After each task, we test on every task. Cell `R[i, j]` is the accuracy on task `j` after training on the tasks 0 to
# `i`. So a row belongs to a moment, and a column to a task.
#
# As an example we take the method **replay**. After each task, it stores ten examples of each class of this task. It
# mixes them into the later training. The scenario is *class*: the network chooses among all digits that it has seen.

# %%
replay = wb.run(wb.RunConfig(learner="replay", scenario="class", seeds=SEEDS))
wb.show(plot_accuracy_matrix(replay.matrix(), replay.task_names, title="Replay: accuracy (%)"))

# %% [markdown]
# Now we build the matrix of one network by hand. In the package, a **learner** is a method of training. It defines the
# loss, and the actions at the beginning and at the end of a task. `fit` is the training loop: each pass through
# `for _ in fit(...)` is one training step.
#
# The network has the same initial weights and batches as the first network of the package. Only rounding errors
# differ, and they grow during training. We therefore allow a difference of 5 points in each cell.
# A task has about 90 test digits, so the numbers of right answers may differ by at most four.

# %%
from workbench.learners import fit, make_optimizer
from workbench.tasks import make_stream

stream = make_stream("split-digits", scenario="class")
learner = wb.make_learner(wb.RunConfig(learner="replay", seeds=(0,)), stream)
R_by_hand = np.full((5, 5), np.nan)
for i, task in enumerate(stream.tasks):
    learner.begin(task)
    for _ in fit(learner, task, make_optimizer(learner, 1e-3), steps=200, batch_size=32):
        pass  # fit has already taken the step
    learner.end(task)  # replay stores examples of the task here
    for j, tested in enumerate(stream.tasks):
        logits = learner.predict(tested.test.x)[0].masked_fill(~stream.mask(i, j), -torch.inf)
        R_by_hand[i, j] = (logits.argmax(1) == tested.test.y).double().mean()

# %%
verdict("the matrix built by hand is that of the package, within 5 points in each cell.",
        np.allclose(R_by_hand, replay.accuracy[0], atol=0.05))

# %% [markdown]
# ## Measures computed from the matrix
#
# There are `T` tasks, numbered from 0 to `T-1`. So the last row of the matrix is row `T-1`.
#
# | measure | formula | question |
# |---|---|---|
# | **ACC**, final average accuracy | mean of the last row | How good is the network in the end? |
# | **BWT**, backward transfer | for each task except the last: `R[T-1, j] - R[j, j]`; then the mean | How did later training change the accuracy on earlier tasks? |
# | **forgetting** | for each task except the last: `max(R[j, j], ..., R[T-2, j]) - R[T-1, j]`; then the mean | How far did the accuracy on a task fall, from its highest earlier value to the end? |
# | **learning accuracy** | mean of the diagonal `R[j, j]` | Was each task learned? |
# | **retention** | `R[k, j] / R[j, j]` | Which share of the accuracy on task `j` is left after task `k`? |
#
# The diagram shows three of the measures on a small matrix of three tasks. For example, the highest accuracy on task 0
# before the last task is 0.95. So the forgetting of task 0 is 0.95 - 0.60 = 0.35.

# %%
from workbench.plots.diagrams import diagram

wb.show(diagram("accuracy_matrix"), vector=True)

# %% [markdown]
# Write one of the other measures yourself.
#
# {{exercise backward_transfer}}

# %%
def backward_transfer(R):
    ...


check("backward_transfer", backward_transfer)

# %% [markdown]
# {{solution backward_transfer}}
#
# The next cell computes all measures except retention, which has one number for each cell of the matrix. We try the
# cell on the matrix of the diagram, and compare with the package.

# %%
def measures(R):
    """The measures of the table for one matrix, without retention."""
    T = len(R)
    earlier = range(T - 1)
    return {"ACC": R[-1].mean(),
            "BWT": np.mean([R[-1, j] - R[j, j] for j in earlier]),
            "forgetting": np.mean([R[j:T - 1, j].max() - R[-1, j] for j in earlier]),
            "learning_accuracy": np.diagonal(R).mean()}


# %%
R = np.array([[0.90, 0.50, 0.20], [0.95, 0.85, 0.40], [0.60, 0.88, 0.80]])
by_hand = measures(R)
by_package, _ = wb.summarise(wb.AccuracyMatrix(R))
print({name: round(float(value), 3) for name, value in by_hand.items()})
verdict("the measures computed by hand are those of the package.",
        all(np.isclose(by_hand[name], by_package[name]) for name in by_hand))

# %% [markdown]
# **Libraries disagree.** On this matrix, three libraries give three numbers for forgetting: 0.16, 0.135 and 0.175. So
# always say which formula you used. The lesson [Measures in different libraries](more/metrics_of_libraries.ipynb)
# computes all three.
#
# ## Seven methods
#
# Two methods are references:
#
# - **finetune** trains only on the new task. It is the baseline, and stores nothing.
# - **joint** trains on the data of all tasks so far. It is the upper reference, and must store all data.
#
# Three methods store no examples. Each adds a term to the loss:
#
# - **EWC** (elastic weight consolidation) measures how important each weight is for the old task. Its measure is the
#   **Fisher information**. It is large if a small change of the weight changes the predicted probabilities a lot. The
#   added term, a **penalty**, keeps important weights near their old values.
# - **SI** (synaptic intelligence) has the same kind of penalty, but another measure of importance. In each training
#   step it estimates how much the change of each weight has reduced the loss. A weight is important if the sum of
#   these reductions is large.
# - **LwF** (learning without forgetting) keeps a copy of the old network. The added term keeps the outputs for the new
#   inputs near those of this copy.
#
# Two methods store some old examples:
#
# - **replay** stores 10 examples of each class of each task, and mixes them into the later training.
# - **DER++** (dark experience replay; `derpp` in the code) stores 100 examples in total. With each example it stores
#   the logits that the network gave when the example was stored. Later, the network is also trained to reproduce these
#   logits and the labels.

# %% [markdown]
# ## A fair comparison
#
# EWC, SI and LwF add an extra term to the loss; DER++ adds one for the stored logits. This extra term is multiplied by
# a factor, the **strength**. If the strength is too low, the extra term has no effect. If the strength is too high,
# the network learns nothing new. So we tried five strengths for each of these methods, and chose the best one on
# **validation data**: examples that are used neither for training nor for the final test. The final test also uses new
# seeds.
#
# This search takes several minutes, so its result is a file of the course (`scripts/tune_digits.py` made it). The
# figure shows it for shuffled pixels, the first comparison below. A large mark is the chosen strength.

# %%
tuning = json.loads(Path("../data/results/tuning_digits.json").read_text())["results"]
search_ax, texts = plt.subplots(figsize=(7, 3.2))[1], []
for name in ("derpp", "si", "ewc", "lwf"):
    one, (colour, line, marker) = tuning["permuted-digits"][name], METHOD_STYLES[name]
    strengths = [float(strength) for strength in one["scores"]]
    scores = [100 * score for score in one["scores"].values()]
    sizes = [12 if strength == one["best"] else 6 for strength in strengths]
    search_ax.plot(strengths, scores, color=colour, linestyle=line)
    search_ax.scatter(strengths, scores, np.square(sizes), color=colour, marker=marker)
    search_ax.text(1.2 * strengths[-1], scores[-1], name, color=colour, va="center")
    texts += [f"{name} " + ", ".join(map("{:g}: {:.0f} %".format, strengths, scores))]
search_ax.set(xscale="log", xticks=(0.1, 1, 10, 100), xticklabels=(0.1, 1, 10, 100),
              xlim=(0.02, 250), xlabel="strength (log scale)", ylabel="ACC, validation data (%)",
              title="Shuffled pixels: five strengths of each extra term")
wb.show(describe(search_ax, f"Mean ACC on validation data by strength. {'; '.join(texts)}."))

# %% [markdown]
# The lesson [Why do the methods help?](more/why_methods_help.ipynb) repeats a part of the search.

# %%
METHODS = ("finetune", "ewc", "si", "lwf", "replay", "derpp", "joint")


def compare(stream, scenario, seeds=SEEDS):
    """Run each method with its best strength, and return the records by name."""
    best = {name: {s["option"]: s["best"]} for name, s in tuning[stream].items()}
    return {name: wb.run(wb.RunConfig(stream=stream, scenario=scenario, learner=name, seeds=seeds,
                                      options=best.get(name, {}))) for name in METHODS}

# %% [markdown]
# ## First comparison: shuffled pixels (domain scenario)
#
# There are five tasks. The first task shows the ten digits as they were scanned. Each further task shows the same
# digits, but shuffles their pixels in its own fixed way. This is a domain scenario, because all tasks have the same ten
# answers.
#
# The figure shows the mean accuracy on the tasks learned so far. A thin line is one seed. The shaded area is the 95 %
# confidence interval for the mean over seeds (Student's *t* interval).

# %%
permuted = compare("permuted-digits", "domain")
wb.show(plot_retention({name: r.accuracy for name, r in permuted.items()},
                       [str(i) for i in range(1, 6)],
                       title="Mean accuracy on the tasks learned so far (shuffled pixels)"))

# %%
from workbench.measure.intervals import seed_interval


def report(records):
    """Table of ACC, its gain, learning accuracy, forgetting and storage of each method."""
    lines, base = {}, records["finetune"].matrix().average_accuracy()
    for name, r in records.items():
        m = r.matrix()
        low, high = 100 * np.array(seed_interval(m.average_accuracy() - base))
        gain = "–" if name == "finetune" else f"{low:.0f} to {high:.0f} points"
        lines[name] = [percent(m.average_accuracy().mean()), gain,
                       percent(m.learning_accuracy().mean()), percent(m.forgetting().mean()),
                       f"{r.stored_bytes[-1] / 1000:.0f} kB"]
    return pd.DataFrame(lines, index=["ACC", "gain", "learned", "forgetting", "stored"]).T


# %%
def show_methods(records, title):
    """Draw what the methods have learned and retained, and give `report` as a folded table."""
    runs = pd.concat([pd.DataFrame({
        "method": name, "learned": r.matrix().learning_accuracy(),
        "retained": r.matrix().retention()[:, -1, :-1].mean(1)}) for name, r in records.items()])
    wb.show(plot_methods(runs, None, title, "learned", "retained",
                         ("learning accuracy", "mean retention of the earlier tasks")))
    wb.show_numbers(report(records), f"seven methods, {title[0].lower()}{title[1:]}")

# %% [markdown]
# How much has each method learned, and how much has it retained? In the next figure, *learned* is the learning
# accuracy. *Retained* is the retention at the end, as the mean over all tasks except the last. The folded table has
# more numbers:
#
# | column | meaning |
# |---|---|
# | *ACC*, *forgetting* | as defined above; mean over the seeds |
# | *gain* | ACC of the method minus ACC of fine-tuning with the same seed; 95 % interval for the mean |
# | *learned* | the learning accuracy; mean over the seeds |
# | *stored* | the size of everything that the method stores after five tasks, in addition to the network |

# %%
show_methods(permuted, "Shuffled pixels")
acc = {name: r.matrix().average_accuracy().mean() for name, r in permuted.items()}
verdict("EWC, SI and LwF help here. Storing some old examples helps much more.",
        0.42 < acc["finetune"] < 0.65 and acc["ewc"] > 0.58
        and min(acc[name] for name in ("ewc", "si", "lwf")) > acc["finetune"] + 0.01
        and min(acc["replay"], acc["derpp"]) > 0.84 and acc["joint"] > 0.9)

# %% [markdown]
# Replay has stored 500 examples in the end, and DER++ has stored 100. EWC, SI and LwF forget less than fine-tuning.
# But their mean learning accuracy is lower too: their marks lie to the left of that of fine-tuning. A method that
# learns nothing also forgets nothing. So never report forgetting alone.
#
# Joint training has a *negative* forgetting, and a retention above 100 %: the accuracy on earlier tasks has grown,
# because the training on them continues. Right after its training, a new task has a lower accuracy with joint
# training (92 %) than with fine-tuning (94 %). A likely reason: joint training must fit all tasks at the same time.
#
# ### Explore
#
# Choose a cell of the matrix with the mouse, or with Tab and Enter. Tick the methods whose curves you want to see.
# On which earlier task does EWC have the highest retention at the end?

# %%
from workbench.widgets import RetentionExplorer

explorer = RetentionExplorer(permuted)
explorer.learner.value = "ewc"
explorer.metric.value = "retention"
explorer

# %% [markdown]
# ## Second comparison: new classes (class scenario)
#
# Now each task brings two new digits, and the network must tell all digits apart. We use three seeds. This is enough
# because the differences are large. In the second figure, four marks lie at a retention of 0 %: grey lines lead from
# them to their names.

# %%
classes = compare("split-digits", "class", seeds=SEEDS[:3])
wb.show(plot_retention({name: r.accuracy for name, r in classes.items()},
                       classes["joint"].task_names,
                       title="Mean accuracy on the tasks learned so far (two new digits in each)"))

# %%
show_methods(classes, "New classes")
class_acc = {name: r.matrix().average_accuracy().mean() for name, r in classes.items()}
verdict("with new classes, EWC, SI and LwF are no better than fine-tuning, each at its best "
        "strength. Methods that store examples are much better.",
        0.19 < class_acc["finetune"] < 0.21
        and max(class_acc[name] for name in ("ewc", "si", "lwf")) < 0.22
        and min(class_acc["replay"], class_acc["derpp"]) > 0.86 and class_acc["joint"] > 0.94)

# %% [markdown]
# This is not an error of our code: van de Ven et al. (2022) report 20 to 22 % for the same three methods on MNIST.
# While the network learns the new digits, it sees no example of the old digits. So all correct answers are new digits,
# and the network learns to give only these. The extra terms of EWC, SI and LwF do not prevent this here. (After two
# tasks, the mean of SI is above that of fine-tuning. But its interval is wide, and contains the value of fine-tuning.)
#
# ## Why do the methods help?
#
# The lesson [Why do the methods help?](more/why_methods_help.ipynb) removes the main idea of a method and measures
# what is left:
#
# - Replay with shuffled labels loses nearly all of its gain. So replay helps because of the true labels.
# - In a control of EWC, each weight gets the Fisher information of a randomly chosen weight. On shuffled pixels, the ACC
#   of this control is 5.8 points lower than that of EWC, but still higher than that of fine-tuning. So it matters which
#   weights EWC protects. But a part of the gain remains without the right weights.
#
# **What would change your mind?** For EWC we tried the strengths 1, 3, 10, 30 and 100. If another strength gave more
# than 22 % in the class scenario, our search would be too narrow. Try one: `options={"strength": 1000.0}` in
# `RunConfig`.
#
# ## Try it yourself
#
# - Compare the methods on turned digits, with the strengths found for shuffled pixels. Set
#   `tuning["rotated-digits"] = tuning["permuted-digits"]`, and run `report(compare("rotated-digits", "domain"))`. Is
#   the order of the methods the same?
# - Run replay with `options={"per_class": 1}`. How few examples are enough?
#
# ## Limits
#
# This is one data set and one small network. The intervals are over seeds, at one split of the data. Replay and DER++
# store old examples; privacy rules or a limit on storage may forbid this. EWC, SI and LwF store no examples. But EWC
# and SI store numbers for each weight, and LwF stores a copy of the network.
#
# **Next:** [03 Self-distillation](03_self_distillation.ipynb)
