# %% [markdown]
# # Start here
#
# > **Claim you can check:** a network that reads two digits almost without fault reads neither any
# > more a second after it has learned two others.
#
# | | |
# |---|---|
# | **Objectives** | see that your machine is ready · see forgetting happen · know how the exercises work |
# | **Prerequisites** | Python; what a neural network is |
# | **Time** | 10 minutes to read, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %% [markdown]
# ## Is this machine ready?
#
# The doctor looks for everything that the course needs, and names the one command that mends what
# is missing.

# %%
import workbench as wb
from workbench.course.doctor import doctor

wb.prepare_notebook()
report = doctor()
report

# %%
print(report.verdict())

# %% [markdown]
# ## The course
#
# | notebook | claim it lets you check |
# |---|---|
# | **00 Start here** | this one |
# | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb) | plain fine-tuning on digits forgets; how much depends on the question asked |
# | [02 Measuring retention](02_measuring_retention.ipynb) | one table of accuracies holds all measures, libraries disagree on them, and remedies differ |
# | [03 Self-distillation](03_self_distillation.ipynb) | soft labels carry knowledge; what self-distillation does to kernel regression can be proved; against wrong labels a tuned baseline does as well, and controls show which part of a teacher's answer helps |
# | [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb) | the same weights answer better with a demonstration in the prompt, if they can read it; a gate tells |
# | [05 SDFT](05_sdft.ipynb) | a model that learns from itself learns as much as one that copies, and keeps most of what the other loses; controls say why |
# | [08 Many skills in a row](08_many_skills.ipynb) | after three skills it has most of all three, without stored data; fine-tuning has the last; what each method costs to keep |
# | [09 Adapters and routing](09_adapters_and_routing.ipynb) | one adapter per task forgets nothing; to choose the adapter is the hard part: confidence misleads, a learned chooser forgets, and a simple method ties |
# | [10 Clustered retrieval](10_clustered_retrieval.ipynb) | a few clusters per task find the task of an input, and later tasks change none of them; simple classifiers find it as well; a bound of fitted clusters is no promise about data, conformal sets give one |
# | [11 Module composition](11_module_composition.ipynb) | a new task's module can be a sum of earlier units with learned coefficients and a new part, and is exactly a plain adapter; once each way has its best rate, reuse buys nothing here, an orthogonal new part a point with five tasks; RanPAC without adapters ties |
#
# Nearly every number is measured in front of you, beside a baseline and a control that would expose a
# wrong explanation; where a long search is shipped, the script that made it is named. The digits are
# real and learned with several random seeds. The village of notebook 04 is made up.

# %% [markdown]
# ## A taste of forgetting
#
# The data are 1,797 digits that people wrote by hand, 8 by 8 pixels each. A task is to tell two of
# them apart. There are five tasks; here we need the first two.

# %%
import matplotlib.pyplot as plt

from workbench.plots import describe
from workbench.tasks import make_stream

stream = make_stream("split-digits", scenario="class", tasks=2)
figure, axes = plt.subplots(2, 8, figsize=(7.5, 2.2))
for task, row in zip(stream.tasks, axes, strict=True):
    labels = [f"a {y}" for y in task.test.y[:8].tolist()]
    for image, label, ax in zip(task.test.x[:8], labels, row, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.set_title(label, fontsize=9)
        ax.axis("off")
    describe(row[0], f"Task {task.name}: scanned handwritten digits, {', '.join(labels)}.")
wb.show(figure)

# %% [markdown]
# Five small networks, each from its own random start, learn to read 0 and 1, and then 2 and 3.
# Nothing else happens to them: this is plain fine-tuning.

# %%
seeds = (0, 1, 2, 3, 4)
fine_tuned = wb.run(wb.RunConfig(learner="finetune", tasks=2, seeds=seeds))
before, after = fine_tuned.accuracy[:, 0, 0], fine_tuned.accuracy[:, 1, 0]
learned = fine_tuned.accuracy[:, 1, 1]

# %% [markdown]
# Is it that one network cannot hold four digits? That would be another explanation, so it gets a
# control: the same networks, when they may see *all* digits so far while they learn the second
# task. This is called joint training.

# %%
joint = wb.run(wb.RunConfig(learner="joint", tasks=2, seeds=seeds))
together = joint.accuracy[:, 1, 0]

from workbench.plots import plot_bars

wb.show(plot_bars({"0 or 1, just learned": before, "0 or 1, after 2 or 3": after,
                   "2 or 3": learned, "0 or 1, joint training": together},
                  title="Five networks, two tasks"))

# %%
from workbench.course import verdict
from workbench.plots import percent

print(f"Right after learning, the first task was answered {percent(before.mean())} right.")
print(f"After the second task: {percent(after.mean())}.")
print(f"With all digits in view: {percent(together.mean())}.")
verdict("there was room for both tasks. It forgot since it stopped seeing the first.",
        before.min() > 0.95 and after.max() < 0.2 and together.min() > 0.9)

# %% [markdown]
# The figure shows the mean of five networks, a dot for each, and the interval in which the mean of
# very many such networks would lie with 95 % confidence.
#
# **What would change your mind?** If joint training had failed as well, the network would be too
# small and we could not speak of forgetting. If the second task had not been learned either,
# training would simply be broken.

# %% [markdown]
# ## How exercises work
#
# Write your answer in place of the `...`, run the cell, then run the check below it. It tells you
# what is wrong. `wb.hint("retention")` gives a hint, and each further call a plainer one. An
# unsolved exercise does not stop the notebook.
#
# {{exercise retention}}

# %%
def retention(before, after):
    ...


# %%
from workbench.course import check

check("retention", retention)

# %% [markdown]
# {{solution retention}}

# %% [markdown]
# ## Try it yourself
#
# Change `seeds`, or `tasks=2` to `tasks=5` in the two runs above. Does any seed keep the first task?
#
# ## Limits
#
# Small networks on small pictures. That the same happens to language models, and what else happens
# to them, is for later lessons.
#
# **Next:** [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb)
