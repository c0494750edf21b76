# %% [markdown]
# # Start here
#
# > **Claim you can check:** a neural network learns to recognise two digits almost perfectly. Then it learns two
# > other digits. One second later it recognises neither of the first two.
#
# | | |
# |---|---|
# | **Objectives** | check that your machine is ready · see a network forget · learn how the exercises work |
# | **Prerequisites** | Python; what a neural network is |
# | **Time** | 15 minutes to read and to do the exercise, under 1 minute to run on two CPU cores |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %% [markdown]
# ## Is this machine ready?
#
# The function `doctor()` checks that everything the course needs is installed. If something is missing, it prints
# the command that installs it.

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
# | lesson | claim that you can check there |
# |---|---|
# | **00 Start here** | A network can forget within a second. |
# | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb) | Training on new digits destroys the accuracy on earlier digits. |
# | [02 Measuring retention](02_measuring_retention.ipynb) | One table of accuracies shows how much each method forgets. |
# | [03 Self-distillation](03_self_distillation.ipynb) | A model can learn from the probabilities of another model, and sometimes from its own. |
# | [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb) | A language model answers better with an example in its prompt, so it can teach itself. |
# | [05 SDFT](05_sdft.ipynb) | Self-distillation fine-tuning (SDFT) teaches a new skill and loses less than ordinary fine-tuning. |
# | [06 What makes SDFT work](06_what_makes_sdft_work.ipynb) | Control experiments show which parts of SDFT matter. |
# | [07 Drift and forgetting](07_drift_and_forgetting.ipynb) | Training moves a model away from its start; this distance is compared with forgetting. |
# | [08 Many skills in a row](08_many_skills.ipynb) | After three skills, SDFT has kept most of all three; ordinary fine-tuning has kept only the last. |
# | [09 Adapters and routing](09_adapters_and_routing.ipynb) | A small module for each task forgets nothing, but choosing the right module is hard. |
# | [10 Clustered retrieval](10_clustered_retrieval.ipynb) | A few clusters for each task are enough to find the task of a new input. |
# | [11 Module composition](11_module_composition.ipynb) | A new module can be built from earlier ones, but here this gains little. |
#
# The [glossary](GLOSSARY.md) explains the terms.
#
# Nearly every number is measured in front of you. Beside it stand a **baseline** (the simplest method) and a
# **control**: an experiment that would show that our explanation is wrong. A few long searches were run before; each
# of these results names the script that made it. The digits are real data. The texts from lesson 04 on are about a
# village that we invented.

# %% [markdown]
# ## Watch a network forget
#
# The data are 1,797 digits that people wrote by hand, with 8 by 8 pixels each. A **task** is to tell two digits
# apart. A **stream** is a sequence of tasks. Our stream `split-digits` has five tasks; here we need the first two.
#
# With `scenario="class"`, the network chooses its answer among all digits that it has seen so far.
# Lesson 01 explains this.

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
# Five small networks learn the task *0 or 1*, and then the task *2 or 3*. Each network starts from other random
# weights, which its **seed** determines. We only train on: this is plain **fine-tuning**.

# %%
seeds = (0, 1, 2, 3, 4)
fine_tuned = wb.run(wb.RunConfig(learner="finetune", tasks=2, seeds=seeds))
before, after = fine_tuned.accuracy[:, 0, 0], fine_tuned.accuracy[:, 1, 0]
learned = fine_tuned.accuracy[:, 1, 1]

# %% [markdown]
# Perhaps one network is too small for four digits. That would be another explanation, so we test it with a control:
# **joint training**. While the same networks learn the second task, they also see all digits of the first.
#
# In the figure, a dot is one network, and a bar is the mean of the five. The horizontal line is a 95 % confidence
# interval for the mean of many such networks.

# %%
from workbench.plots import percent, plot_bars

joint = wb.run(wb.RunConfig(learner="joint", tasks=2, seeds=seeds))
together = joint.accuracy[:, 1, 0]
wb.show(plot_bars({"0 or 1, just learned": before, "0 or 1, after 2 or 3": after,
                   "2 or 3, just learned": learned, "0 or 1, joint training": together},
                  title="Five networks, two tasks"))

# %%
from workbench.course import verdict

print(f"Accuracy on 0 or 1, right after learning:      {percent(before.mean())}")
print(f"Accuracy on 0 or 1, after learning 2 or 3:     {percent(after.mean())}")
print(f"Accuracy on 0 or 1, after joint training:      {percent(together.mean())}")
verdict("the networks are large enough for both tasks. They forget the first task because they no "
        "longer see it.", before.min() > 0.95 and after.max() < 0.2 and together.min() > 0.9)

# %% [markdown]
# **What would change your mind?** If joint training had failed as well, the networks would be too small, and we could
# not speak of forgetting. If the second task had not been learned, the training itself would not work.

# %% [markdown]
# ## How exercises work
#
# 1. Write your answer in place of the `...` and run the cell.
# 2. Run the check below it. If your answer is wrong, the check says why.
# 3. For a hint, call `wb.hint("retention")`. Each further call gives a more direct hint.
#
# An unsolved exercise does not stop the notebook.
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
# Change `seeds`, or change `tasks=2` to `tasks=5` in the two runs above. Does any network keep the first task?
#
# ## Limits
#
# These are small networks and small pictures. Later lessons measure forgetting in language models.
#
# **Next:** [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb)
