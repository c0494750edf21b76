# %% [markdown]
# # Start here
#
# > **Claim you can check:** a neural network learns to recognise two digits almost perfectly. Then it learns two
# > other digits. After that, it recognises neither of the first two.
#
# | | |
# |---|---|
# | **Objectives** | check that your machine is ready · see a network forget · learn how the exercises work |
# | **Prerequisites** | Python; what a neural network is |
# | **Time** | 20 minutes to read and to do the exercise, under 1 minute to run on two CPU cores |
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
# | **00 Start here** | A network can forget a task completely when it learns the next one. |
# | [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb) | Training on new digits destroys the accuracy on earlier digits. |
# | [02 Measuring retention](02_measuring_retention.ipynb) | One table of accuracies shows how much each method forgets. |
# | [03 Self-distillation](03_self_distillation.ipynb) | A model can learn from the probabilities of another model, and sometimes from its own. |
# | [04 The model as its own teacher](04_the_model_as_its_own_teacher.ipynb) | A language model answers better with an example in its prompt, so it can teach itself. |
# | [05 SDFT](05_sdft.ipynb) | Self-distillation fine-tuning (SDFT) teaches a new skill and forgets less than ordinary fine-tuning. |
# | [06 What makes SDFT work](06_what_makes_sdft_work.ipynb) | Control experiments show which parts of SDFT matter. |
# | [07 Drift and forgetting](07_drift_and_forgetting.ipynb) | We train a model several times with one method. If the answers about old skills change more, more is forgotten. This holds within each method, but not always between methods. |
# | [08 Many skills in a row](08_many_skills.ipynb) | A model learns three skills in a row. After SDFT, its mean accuracy on the three is 75 to 92 %, depending on their order. Ordinary fine-tuning keeps at most the last skill. |
# | [09 Adapters and routing](09_adapters_and_routing.ipynb) | If each task has its own module (a few additional weights), nothing is forgotten. But choosing the right module is hard. |
# | [10 Clustered retrieval](10_clustered_retrieval.ipynb) | A few clusters for each task are enough to find the task of a new input. |
# | [11 Module composition](11_module_composition.ipynb) | A new module can be built from earlier ones, but here this gains little. |
# | [12 Your own task](12_your_own_task.ipynb) | A task of your own needs one file and a few calls, with a small model or a real one. |
#
# The [glossary](GLOSSARY.md) explains the terms.
#
# <details><summary>Further lessons, which you can skip</summary>
#
# In this table, a *student* is a model that learns from the answers of another model, its *teacher*. A *module* is a
# small part of a network that is trained for one task. An *adapter* is a small set of weights that is added to a
# network.
#
# | after | lesson | claim that you can check there |
# |---|---|---|
# | 02 | [Measures in different libraries](more/metrics_of_libraries.ipynb) | Libraries and papers use the same name for different formulas. |
# | 02 | [Why do the methods help?](more/why_methods_help.ipynb) | Two methods without their main idea do worse. |
# | 03 | [Three small proofs](more/self_distillation_proofs.ipynb) | Statements about temperature, label smoothing and hard labels are proved. |
# | 03 | [One round, exactly](more/self_distillation_one_round.ipynb) | In ridge regression, the error of a student can be computed before its training. |
# | 03 | [Many rounds](more/self_distillation_rounds.ipynb) | A model that learns only from its own predictions loses everything in the end. |
# | 03 | [When is a wrong label corrected?](more/self_distillation_correction.ipynb) | In an idealised model, we can compute in advance after how many rounds all wrong labels are corrected. |
# | 03 | [Networks and wrong labels](more/self_distillation_controls.ipynb) | One part of a teacher's answer helps the student; another part harms it. |
# | 03 | [Generations and calibration](more/self_distillation_generations.ipynb) | In a chain of networks, each one teaches the next. On 500 digits, none is clearly better than the first one. |
# | 03 | [Few labels and other data](more/self_distillation_other_data.ipynb) | A network taught by an equal network is sometimes better and sometimes worse than a network whose training stops early. |
# | 03 | [Rounds on fresh inputs](more/self_distillation_fresh_inputs.ipynb) | Repeated self-distillation first removes noise, and later also the signal. |
# | 03 | [Teachers that mislead](more/misleading_teachers.ipynb) | A teacher that has memorised wrong labels passes them on. |
# | 03 | [Ensembles](more/self_distillation_ensembles.ipynb) | One network taught by four is not clearly better than one network without a teacher. |
# | 03 | [A language model's own soft labels](more/self_distillation_next_tokens.ipynb) | With the same prompt for teacher and student there is nothing to learn. |
# | 03 | [A teacher for decisions](more/self_distillation_decisions.ipynb) | The best temperature depends on the purpose. |
# | 03 | [Old knowledge and new digits](more/self_distillation_transfer.ipynb) | A network that knows some digits shows no advantage when it learns new digits. |
# | 04 | [What the teacher's prompt must contain](more/teacher_prompts.ipynb) | A prompt that loses its beginning makes a useless teacher. |
# | 05 | [SDFT on five other skills](more/sdft_on_other_skills.ipynb) | SDFT works on three of them. On one it keeps more than ordinary fine-tuning only up to an accuracy of 80 %. On one it hardly works. |
# | 05 | [SDFT beside TRL](more/sdft_beside_trl.ipynb) | With the same settings a well-known library computes the same losses. |
# | 06 | [Own answers, or the teacher's?](more/own_answers_or_the_teachers.ipynb) | Three more tests show no clear difference in the new skill. |
# | 06 | [Whose weights teach](more/whose_weights_teach.ipynb) | Three kinds of teacher are equally good at small learning rates. At a larger rate, training fails with one of them. |
# | 07 | [RL's Razor in depth](more/razor_in_depth.ipynb) | Sixteen methods are compared, with a second old task. |
# | 08 | [Own answers in a row](more/own_answers_in_a_row.ipynb) | Training on the student's own answers ends 3 to 4 points higher than training on the teacher's answers. The largest part of this comes from one order of the skills. |
# | 09 | [Adapters compared](more/adapters_compared.ipynb) | Three adapters merged into one give fewer correct answers than one adapter chosen for each input. |
# | 09 | [One adapter for all tasks](more/one_adapter_for_all_tasks.ipynb) | One adapter can serve all tasks only if it hardly changes. |
# | 10 | [Bounds of retrieval](more/bounds_of_retrieval.ipynb) | Limits on the error can be proved, but only under assumptions. |
# | 10 | [Bounds and heavy tails](more/bounds_and_heavy_tails.ipynb) | A bound for Gaussian clusters says nothing about data with many outliers. |
# | 10 | [Retrieval compared](more/retrieval_compared.ipynb) | The simple classifiers FeCAM and RanPAC find the task of digits as often as clusters do. |
# | 10 | [Retrieval of messages](more/retrieval_of_messages.ipynb) | Every method finds the right assistant for less than 95 % of the messages. |
# | 10 | [Retrieval with adapters](more/retrieval_with_adapters.ipynb) | If each task has its own adapter, some methods can fail to find the task of an input. |
# | 11 | [Reuse in depth](more/reuse_in_depth.ipynb) | If a new module uses an earlier part with a large weight, this does not show that the part helps. |
# | 11 | [Composition compared](more/composition_compared.ipynb) | Seventeen methods and their costs are compared. |
# | 11 | [Where it breaks: finding the task](more/composition_failures.ipynb) | Four changes make retrieval fail; two of them have a remedy. |
# | 11 | [Where it breaks: the answer](more/composition_failures_answer.ipynb) | Three changes make the answers wrong; each has a remedy, one of them only in part. |
# | 11 | [Composition on messages](more/composition_of_intents.ipynb) | Composed modules are not better than separate ones. |
# | 11 | [Does an earlier task help?](more/composition_of_intents_transfer.ipynb) | An earlier task helps only if its messages had the same purposes. |
# | 11 | [Retrieval of language skills](more/retrieval_of_skills.ipynb) | Clusters of hidden states find the skill of a question. |
# | 11 | [Composed modules for language skills](more/composition_of_skills.ipynb) | Earlier skills are kept, but not every module learns its skill. |
#
# </details>
#
# Nearly every number is measured while the notebook runs. Each lesson also measures a **baseline** (the simplest
# method) and a **control**: an experiment whose result could show that our explanation is wrong. A few long
# computations were run earlier, and their results are files of the course. The lesson names the script that made each
# file. The digits are real data. Most texts from lesson 04 on are about a village that we invented. Some further
# lessons use messages to assistants instead.

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
# Five small networks learn the task *0 or 1*, and then the task *2 or 3*. Each network starts from different random
# weights. A number, the **seed**, determines these weights. For the second task we simply continue the training with
# the new digits, and do nothing against forgetting. This is called plain **fine-tuning**.

# %%
seeds = (0, 1, 2, 3, 4)
fine_tuned = wb.run(wb.RunConfig(learner="finetune", scenario="class", tasks=2, seeds=seeds))
# accuracy[s, i, j] belongs to network s, trained on the tasks 0 to i and tested on task j.
before, after = fine_tuned.accuracy[:, 0, 0], fine_tuned.accuracy[:, 1, 0]
learned = fine_tuned.accuracy[:, 1, 1]

# %% [markdown]
# Perhaps such a network is too small for four digits. We test this other explanation with a control: **joint
# training**. Five new networks start from the same five sets of random weights as before. While they learn the second
# task, they also see all training digits of the first task.
#
# In the figure, a dot is one network, and a bar is the mean of the five. The horizontal line is a 95 % confidence
# interval for the mean of many such networks. The second bar has no length, because its accuracy is 0 %.

# %%
from workbench.plots import percent, plot_bars

joint = wb.run(wb.RunConfig(learner="joint", scenario="class", tasks=2, seeds=seeds))
joint_first, joint_second = joint.accuracy[:, 1, 0], joint.accuracy[:, 1, 1]
wb.show(plot_bars({"task “0 or 1”, just learned": before,
                   "task “0 or 1”, after learning “2 or 3”": after,
                   "task “2 or 3”, just learned": learned,
                   "joint training: task “0 or 1”": joint_first,
                   "joint training: task “2 or 3”": joint_second},
                  title="Accuracy of five networks on two tasks"))

# %% [markdown]
# The function `verdict(sentence, condition)` prints the sentence if the measured numbers fulfil the condition. If they
# do not, the cell stops with an error. All lessons state their results in this way.

# %%
from workbench.course import verdict

print(f"Accuracy on “0 or 1”, right after learning it:      {percent(before.mean())}")
print(f"Accuracy on “0 or 1”, after learning “2 or 3”:      {percent(after.mean())}")
print(f"Accuracy after joint training: {percent(joint_first.mean())} on “0 or 1”, "
      f"{percent(joint_second.mean())} on “2 or 3”")
verdict("the networks are large enough for both tasks. They forget the first task because they no "
        "longer see it.", before.min() > 0.95 and after.max() < 0.2
        and min(joint_first.min(), joint_second.min()) > 0.9)

# %% [markdown]
# Guessing among four digits would give 25 %. Why is the accuracy even lower? While the networks learn the task
# *2 or 3*, every correct answer is a 2 or a 3. So they learn to give only these two answers.
#
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
# - Change `seeds`. Does any network keep the first task?
# - Train for a shorter time: add `steps=5` to both `RunConfig`s, in place of 200. How much is learned now, and how
#   much is forgotten? (A verdict may then stop with an error. This is a result too.)
#
# ## Limits
#
# These are small networks and small pictures. Later lessons measure forgetting in language models.
#
# **Next:** [01 Catastrophic forgetting](01_catastrophic_forgetting.ipynb)
