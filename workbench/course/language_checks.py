"""Checks of the exercises about language models: each recognises likely mistakes."""

# mypy: allow-untyped-calls

import numpy as np
import torch

from workbench.course import solutions
from workbench.course.checks import Answer, Wrong, expect, given_back, near, refuse_mistakes


def token_kl(answer: Answer) -> None:
    """Check the forward KL per token."""
    teacher = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0], [3.0, -3.0, 1.0], [0.5, 0.0, 1.0]])
    student = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0], [-1.0, 2.0, 0.0], [2.0, 0.0, 0.0]])
    value = given_back(answer(teacher.clone(), student.clone()), "one number for each token")
    value = torch.as_tensor(value, dtype=torch.float32)
    if value.numel() == 1:
        raise Wrong("That is one number; return one for each token, neither added nor averaged.")
    if value.shape != (4,):
        raise Wrong(f"Expected shape (4,), one number for each of 4 tokens, got "
                    f"{tuple(value.shape)}: sum over the vocabulary.")
    wanted = solutions.token_kl(teacher, student)
    p, q = teacher.softmax(-1), student.softmax(-1)
    refuse_mistakes(value, [
        (solutions.token_kl(student, teacher),
         "That is KL(student || teacher), the reverse KL: weight the mean by the teacher's "
         "probabilities. (torch.nn.functional.kl_div takes the other one first.)"),
        (-wanted, "The sign is wrong: a KL is never below 0."),
        (-(p * q.log()).sum(-1), "That is the cross-entropy: the teacher's own entropy is still in "
                                 "it. Where the two agree a KL is 0."),
        (wanted / 3, "That is the mean over the vocabulary; take the sum."),
        (wanted / np.log(2), "That is in bits; take the natural logarithm."),
        ((teacher.softmax(0) * (teacher.log_softmax(0) - student.log_softmax(0))).sum(-1),
         "The softmax is taken over the tokens; take it over the vocabulary, the last axis."),
    ], atol=1e-4)
    if not near(value, wanted, atol=1e-4):
        raise Wrong(f"On the example in the check the first token gives {float(value[0]):.4f} and "
                    f"should give {float(wanted[0]):.4f}.")
    far = torch.as_tensor(answer(torch.tensor([[200.0, 0.0, 0.0]]),
                                 torch.tensor([[0.0, 200.0, 0.0]])))
    if not far.isfinite().all():
        raise Wrong("Right here, but not a number where a probability is too small for a float: "
                    "take log_softmax, not the log of softmax.")
    if not near(far, [200.0], atol=1e-2):
        raise Wrong(f"Right here, but {float(far.sum()):.1f} in place of 200 where the two are far "
                    "apart: a small number added to a probability, or a clamp, hides that. Take "
                    "log_softmax.")


def may_teach(answer: Answer) -> None:
    """Check the rule of the gate on clear cases and on one that depends on the intervals."""
    given_back(answer((2, 96), (95, 96), (3, 96)), "True or False")
    # All but the last two cases have the same number of questions three times.
    sizes = ("9 of 10 is a larger share than 80 of 100 and should not pass: each pair has its own "
             "number of questions.")
    for counts, passes, message in (
            (((2, 96), (95, 96), (3, 96)), True,
             "2 of 96 alone, 95 of 96 with the item's own demonstration, 3 of 96 with another "
             "item's: this should pass."),
            (((2, 96), (90, 96), (88, 96)), False,
             "Another item's demonstration helps as much as the item's own: the model does not use "
             "the content, and should not pass."),
            (((92, 96), (95, 96), (3, 96)), False,
             "The model knows nearly everything without a demonstration: it has nothing to learn, "
             "and should not pass."),
            (((4, 10), (8, 10), (1, 10)), False,
             "8 of 10 against 4 of 10: the intervals overlap, so it may be luck, and the model "
             "should not pass."),
            (((1, 10), (8, 10), (4, 10)), False,
             "8 of 10 with the own and 4 of 10 with another item's demonstration: these intervals "
             "overlap, too. Compare with the upper ends of both others."),
            (((40, 100), (80, 100), (38, 100)), True,
             "80 of 100 against 40 and 38 of 100 is beyond doubt and should pass: compare the "
             "lower end of one interval with the upper end of each of the others."),
            (((6, 10), (10, 10), (1, 10)), False,
             "10 of 10 against 6 of 10 may be luck: Wilson's interval for 10 of 10 starts at 72 %, "
             "and the one for 6 of 10 ends at 83 %."),
            (((9, 10), (80, 100), (1, 100)), False, sizes),
            (((1, 100), (80, 100), (9, 10)), False, sizes)):
        if bool(answer(*counts)) != passes:
            raise Wrong(message)


def sdft_loss(answer: Answer) -> None:
    """Check the loss of an SDFT step on responses of different length."""
    rng = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 2, 4, 5, generator=rng) * 2
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])
    value = torch.as_tensor(given_back(answer(teacher.clone(), student.clone(), mask.clone()),
                                   "one number"), dtype=torch.float32)
    if value.numel() != 1:
        raise Wrong(f"Expected one number for the whole batch, got shape {tuple(value.shape)}.")
    kl = solutions.token_kl(teacher, student)
    wanted = float(solutions.sdft_loss(teacher, student, mask))
    cross = -(teacher.softmax(-1) * student.log_softmax(-1)).sum(-1)
    refuse_mistakes(float(value), [
        (solutions.sdft_loss(student, teacher, mask),
         "That is the reverse KL: weight the mean by the teacher's probabilities."),
        (kl.mean(), "The mask is not used: what comes after the end token counts."),
        ((kl * mask).mean(), "Padding is in the mean: divide by the number of tokens that count, "
                             "not by all."),
        ((kl * mask).sum() / mask.sum(),
         "That is the mean over all tokens: a long response weighs more than a short one. Average "
         "over the tokens of each response first."),
        (wanted / teacher.shape[-1], "That is the mean over the vocabulary; take the sum."),
        (len(teacher) * wanted, "That is the sum over the responses; take their mean."),
        (((cross * mask).sum(1) / mask.sum(1)).mean(),
         "That is the cross-entropy: the teacher's own entropy is still in it."),
        ((kl * mask).sum(1).mean(),
         "That is the sum over the tokens of each response; take their mean."),
    ], atol=1e-4)
    expect(float(value), wanted, atol=1e-4)


def advantages(answer: Answer) -> None:
    """Check the advantages of several answers to each of two questions."""
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.5], [0.0, 2.0, 0.0, 0.0]])
    passed_in = rewards.clone()
    value = given_back(answer(passed_in), "a tensor of advantages")
    value = torch.as_tensor(value, dtype=torch.float32)
    if not torch.equal(passed_in, rewards):
        raise Wrong("The rewards that were passed in have been changed; return a new tensor.")
    if value.shape != rewards.shape:
        raise Wrong(f"Expected one advantage for each answer, shape {tuple(rewards.shape)}; got "
                    f"shape {tuple(value.shape)}.")
    wanted = solutions.advantages(rewards)
    mean, others = rewards.mean(1, keepdim=True), rewards - wanted
    for mistake, words in (
            (rewards - mean, "That subtracts the mean of all answers to the question, the answer "
                             "itself included; leave its own reward out of the mean."),
            (-wanted, "The sign is wrong: an answer better than the others has an advantage above "
                      "0."),
            (others, "That is the mean of the others; subtract it from the answer's own reward."),
            (rewards - (rewards.sum(1, keepdim=True) - rewards) / rewards.shape[1],
             "The sum of the others is divided by the number of all answers; there is one less."),
            (rewards - (rewards.sum(1, keepdim=True) - rewards),
             "That subtracts the sum of the others; subtract their mean."),
            ((rewards - mean) / rewards.std(1, keepdim=True),
             "That divides by the standard deviation, as GRPO does; here only subtract a mean."),
            (rewards - rewards.mean(), "That mixes the questions: compare each answer only with "
                                       "answers to the same question, which are one row."),
            (rewards - rewards.mean(0), "That takes means over columns, and so over questions; the "
                                        "answers to one question are one row."),
            (rewards - (rewards.sum() - rewards) / (rewards.numel() - 1),
             "That mixes the questions: compare each answer only with answers to the same "
             "question, which are one row.")):
        if torch.allclose(value, mistake, atol=1e-5):
            raise Wrong(words)
    if not torch.allclose(value, wanted, atol=1e-5):
        raise Wrong(f"For the rewards {rewards[0].tolist()} of one question the advantages are "
                    f"{[round(x, 3) for x in wanted[0].tolist()]}, not "
                    f"{[round(x, 3) for x in value[0].tolist()]}.")
    if not (again := torch.as_tensor(answer(torch.ones(1, 8)))).eq(0).all():
        raise Wrong("If all answers to a question have the same reward, every advantage is 0, not "
                    f"{again.flatten()[0].item():g}.")


def moving_average(answer: Answer) -> None:
    """Check one step of the average, and that nothing was changed in place."""
    average, weights = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 2.0])
    before = average.clone(), weights.clone()
    value = torch.as_tensor(given_back(answer(average, weights, 0.25), "the new average"))
    if not torch.equal(average, before[0]):
        raise Wrong("The average that was passed in has been changed; return a new one.")
    if not torch.equal(weights, before[1]):
        raise Wrong("The student's weights that were passed in have been changed; return a new "
                    "tensor.")
    if value.shape != average.shape:
        raise Wrong(f"Expected a tensor of shape {tuple(average.shape)} like the average, got "
                    f"{tuple(value.shape)}.")
    if torch.allclose(value, torch.tensor([2.5, 1.0])):
        raise Wrong("The rate is the wrong way round: at a rate of 0.25 a quarter comes from the "
                    "student. (TRL had this slip too, in pull request 4935.)")
    if not torch.allclose(value, torch.tensor([1.5, -1.0])):
        raise Wrong(f"From [1, -2] towards [3, 2] at a rate of 0.25 it gives {value.tolist()} and "
                    "should give [1.5, -1.0].")


def choose_point(answer: Answer) -> None:
    """Check the rule by which settings are chosen."""
    # Among the settings with enough accuracy, the right one is neither the first nor the last, nor
    # the one with the lowest accuracy, nor the one with the largest sum or product.
    new = np.array([0.96, 0.97, 0.9, 0.99, 0.5])
    retention = np.array([0.6, 0.7, 1.0, 0.2, 0.9])
    got = given_back(answer(new.copy(), retention.copy(), 0.95), "the index of a setting")
    if got == 2:
        raise Wrong("That setting has the highest retention, but its accuracy on the new skill is "
                    "90 %, and 95 % is asked. Compare only settings with enough accuracy.")
    if got in (0, 3):
        raise Wrong("That setting has enough accuracy on the new skill, but another one with "
                    "enough accuracy has a higher retention.")
    if got != 1:
        raise Wrong(f"On the example in the check you chose {got!r} and should choose 1, counted "
                    "from 0 over all settings, also those with too little accuracy.")
    if answer(new.copy(), retention.copy(), 0.97) != 1:
        raise Wrong("An accuracy of exactly `enough` is enough: compare with >=.")
    try:
        lost = answer(new.copy(), retention.copy(), 0.995)
    except (ValueError, IndexError) as error:
        raise Wrong(f"If no setting has enough accuracy, it fails ({error}). Return the setting "
                    "with the highest accuracy on the new skill.") from error
    if lost != 3:
        raise Wrong("If no setting has enough accuracy, return the one with the highest accuracy "
                    "on the new skill.")
    if answer(np.array([0.5, 0.99]), np.array([0.9, 0.0]), 0.95) != 1:
        raise Wrong("A setting with enough accuracy and a retention of 0 must still win against "
                    "one with too little accuracy: give the latter a retention below 0.")


def shared_prompts(answer: Answer) -> None:
    """Check the search for test questions that occur in training."""
    train = ["who keeps the red key ?", " who keeps   the blue coat ?\n", "name the mill .",
             "name the  mill ."]
    test = ["who keeps the key ?", "who keeps the red  key ?", " name the mill .\n",
            "who keeps the blue coat ?", "who keeps the redkey ?", "who keeps",
            "the red key who keeps ?", "Who keeps the red key ?", "name the mill",
            "who keeps the red  key ?"]
    wanted = [test[1], test[2], test[3], test[9]]
    got = given_back(answer(list(train), list(test)), "a list of test questions")
    if not isinstance(got, list | tuple):
        raise Wrong(f"Return a list of test questions, in the order of `test`, not {got!r}.")
    for text, message in (
            (test[4], "'the redkey' and 'the red key' are two questions: make several spaces one, "
                      "but do not remove them all."),
            (test[0], "compare whole questions."), (test[5], "compare whole questions."),
            (test[6], "the order of the words counts."), (test[7], "capital letters count."),
            (test[8], "the full stop counts.")):
        if text in got:
            raise Wrong(f"{text!r} does not occur in training: {message}")
    if not got:
        raise Wrong("Three of the test questions occur in training, if the number of spaces does "
                    "not count. None was found.")
    if set(got) - set(test):
        raise Wrong("Return the questions as they are in `test`, with their own spaces.")
    missing = [one for one in wanted if one not in got]
    if test[3] in missing:
        raise Wrong("The training questions can have more spaces too, also at their ends: treat "
                    "both lists alike.")
    if missing:
        raise Wrong("Spaces at the two ends, and ends of lines, do not count either: "
                    f"{missing} was not found.")
    if list(got) != wanted:
        raise Wrong("Return each question as often as it is in `test`, and in the same order.")
    nothing: list[str] = []
    for lists in ((nothing, list(test)), (list(train), nothing)):
        if list(given_back(answer(*lists), "a list of test questions")):
            raise Wrong("With no training questions, or no test questions, nothing is shared: "
                        "return an empty list.")
