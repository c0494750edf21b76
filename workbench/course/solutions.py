"""Solutions of the exercises. Notebooks show them folded, and the checks compare with them.

They are written as a student would write them, without types.
"""

# mypy: ignore-errors

import numpy as np
import torch
import torch.nn.functional as F

from workbench.measure.intervals import wilson_interval


def retention(before, after):
    """Share of the accuracy before that is still there after."""
    return after / before


def allowed_answer(logits, mask):
    """Index of the best output among the allowed ones, for each row of logits."""
    return logits.masked_fill(~mask, -torch.inf).argmax(-1)


def masked_loss(logits, y, mask):
    """Mean cross-entropy when only the allowed outputs take part in the softmax."""
    return F.cross_entropy(logits.masked_fill(~mask, -torch.inf), y)


def backward_transfer(R):
    """Mean change of the earlier tasks between learning them and the end."""
    return np.mean([R[-1, j] - R[j, j] for j in range(len(R) - 1)])


def retention_matrix(R):
    """Accuracy on task j after task k in units of that right after task j; NaN before it."""
    learned = np.tril(np.ones_like(R, dtype=bool))
    return np.where(learned, R / np.diagonal(R), np.nan)


def ewc_penalty(weights, anchor, fisher):
    """Half the squared distance from the anchor, each weight counting by its importance."""
    return 0.5 * (fisher * (weights - anchor) ** 2).sum()


def reservoir(items, capacity, rng):
    """Even sample of a stream of unknown length, in one pass and with little memory."""
    kept = []
    for k, item in enumerate(items):
        if len(kept) < capacity:
            kept.append(item)
        else:
            place = rng.integers(k + 1)
            if place < capacity:
                kept[place] = item
    return kept


def token_kl(teacher_logits, student_logits):
    """KL(teacher || student) at each position, over the whole vocabulary, in nats."""
    p, q = teacher_logits.log_softmax(-1), student_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


def may_teach(alone, own, other):
    """Whether a demonstration of its own surely helps, and another's surely less."""
    return wilson_interval(*own)[0] > max(wilson_interval(*alone)[1], wilson_interval(*other)[1])


def sdft_loss(teacher_logits, student_logits, mask):
    """Average the forward KL over the tokens of each response, and over responses."""
    p, log_q = teacher_logits.softmax(-1), student_logits.log_softmax(-1)
    kl = (p * (teacher_logits.log_softmax(-1) - log_q)).sum(-1)
    return ((kl * mask).sum(1) / mask.sum(1)).mean()


def moving_average(average, weights, rate):
    """Take a step of the average towards the weights."""
    return (1 - rate) * average + rate * weights


def choose_point(new, retention, enough):
    """Return the point that knows the new skill well enough and keeps most."""
    knows = new >= enough
    return int(np.argmax(np.where(knows, retention, -1) if knows.any() else new))
