"""Solutions of the exercises. Notebooks show them folded, and the checks compare with them.

They are written as a student would write them, without types.
"""

# mypy: ignore-errors

import numpy as np
import torch
import torch.nn.functional as F

from workbench.measure.intervals import wilson_interval


def retention(before, after):
    """Divide the later accuracy by the earlier one."""
    return after / before


def allowed_answer(logits, mask):
    """Return the index of the largest allowed logit of each row."""
    return logits.masked_fill(~mask, -torch.inf).argmax(-1)


def masked_loss(logits, y, mask):
    """Return the mean cross-entropy of a softmax over the allowed outputs."""
    return F.cross_entropy(logits.masked_fill(~mask, -torch.inf), y)


def backward_transfer(R):
    """Return the mean over the earlier tasks: final accuracy minus accuracy when just learned."""
    return np.mean([R[-1, j] - R[j, j] for j in range(len(R) - 1)])


def retention_matrix(R):
    """Divide each accuracy on task j by that right after task j; NaN before task j is learned."""
    learned = np.tril(np.ones_like(R, dtype=bool))
    return np.where(learned, R / np.diagonal(R), np.nan)


def ewc_penalty(weights, anchor, fisher):
    """Return half the sum of the squared distances from the anchor, weighted by `fisher`."""
    return 0.5 * (fisher * (weights - anchor) ** 2).sum()


def reservoir(items, capacity, rng):
    """Read the items once and return a sample in which each has the same probability."""
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
    """Return KL(teacher || student) at each position, over the whole vocabulary, in nats."""
    p, q = teacher_logits.log_softmax(-1), student_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


def may_teach(alone, own, other):
    """Return whether the interval of `own` lies above both other intervals."""
    return wilson_interval(*own)[0] > max(wilson_interval(*alone)[1], wilson_interval(*other)[1])


def sdft_loss(teacher_logits, student_logits, mask):
    """Average the forward KL over the tokens of each response, and over responses."""
    p, log_q = teacher_logits.softmax(-1), student_logits.log_softmax(-1)
    kl = (p * (teacher_logits.log_softmax(-1) - log_q)).sum(-1)
    return ((kl * mask).sum(1) / mask.sum(1)).mean()


def moving_average(average, weights, rate):
    """Take a step of the average towards the weights."""
    return (1 - rate) * average + rate * weights


def advantages(rewards):
    """Subtract from each reward the mean reward of the other answers to its question."""
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others


def choose_point(new, retention, enough):
    """Return the setting with enough new-skill accuracy and the highest retention."""
    knows = new >= enough
    return int(np.argmax(np.where(knows, retention, -1) if knows.any() else new))


def shared_prompts(train, test):
    """Return the test questions that also occur in training, up to the number of spaces."""
    seen = {" ".join(question.split()) for question in train}
    return [question for question in test if " ".join(question.split()) in seen]


def signature(X, new):
    """Return the log density of each new row under the Gaussian fitted to the rows of X."""
    gap, covariance = new - X.mean(0), np.cov(X.T, bias=True)
    distance = (gap @ np.linalg.inv(covariance) * gap).sum(1)
    constant = np.linalg.slogdet(covariance)[1] + X.shape[1] * np.log(2 * np.pi)
    return -0.5 * (distance + constant)


def bhattacharyya_bound(mean_a, cov_a, mean_b, cov_b):
    """Return B1: the integral of the square root of the product of two Gaussian densities."""
    gap, middle = mean_a - mean_b, (cov_a + cov_b) / 2
    log_dets = [np.linalg.slogdet(cov)[1] for cov in (middle, cov_a, cov_b)]
    distance = gap @ np.linalg.solve(middle, gap) / 8
    return np.exp(-distance - (log_dets[0] - (log_dets[1] + log_dets[2]) / 2) / 2)


def surviving_score(distances, log_dets, held_out):
    """Return minus each distance, divided by the mean held-out distance of its task."""
    return -distances / [own.mean() for own in held_out]


def p_value(score, held_out):
    """Return the share of all scores, the new one included, that are at least the new one."""
    return (1 + (held_out >= score).sum()) / (len(held_out) + 1)


def find_the_leak(scores, tasks):
    """Return the share of inputs whose highest own score belongs to the right task."""
    return (scores.argmax(1) == tasks).mean()


def decomposition(task_right, class_right):
    """Return P(task right), P(class right | task right) and P(class right | task wrong)."""
    shares = [class_right[rows].mean() if rows.any() else np.nan
              for rows in (task_right, ~task_right)]
    return task_right.mean(), *shares


def soft_loss(student, teacher, y, temperature, weight):
    """Mix the cross-entropy of the labels with the KL from the teacher at a temperature."""
    log_p = (teacher.detach() / temperature).log_softmax(-1)
    log_q = (student / temperature).log_softmax(-1)
    soft = (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    return (1 - weight) * F.cross_entropy(student, y) + weight * temperature**2 * soft


def calibration_error(confidence, right, bins):
    """Return the mean gap between accuracy and confidence, in bins of equal width."""
    number = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    # The sum of a bin is its gap times its number of examples; an empty bin has a sum of 0.
    return np.abs(np.bincount(number, right - confidence)).sum() / len(confidence)


def best_mixing(y, teacher, student):
    """Return the xi for which teacher + xi * (student - teacher) has the smallest squared error."""
    step = student - teacher
    return (y - teacher) @ step / (step @ step)


def correction_round(within, across, per_class, penalty, margin):
    """First round without a wrong label; infinite if the right label is not the most frequent."""
    if margin <= 0:
        return np.inf
    between = 1 - within + per_class * (within - across)
    a, b = (1 - within) / (1 - within + penalty), between / (between + penalty)
    return np.floor(np.log((1 + margin) / margin) / np.log(b / a)) + 1


def compose(A, B, s, new_A, new_B):
    """Return the update of a layer: the weighted sum of the units, plus the new part."""
    return (B * s) @ A + new_B @ new_A


def update_norm(A, B):
    """Return the Frobenius norm of B A, computed from two matrices of shape (rank, rank)."""
    return ((B.T @ B) * (A @ A.T)).sum() ** 0.5


def largest_cosine(A, other):
    """Return the cosine of the smallest angle between the row spaces of two matrices."""
    basis, other_basis = np.linalg.qr(A.T)[0], np.linalg.qr(other.T)[0]
    return np.linalg.svd(basis.T @ other_basis, compute_uv=False).max()


def worth_composing(with_reuse, without):
    """Return the mean paired difference and its 95 % interval by Student's t."""
    from scipy import stats

    gain = with_reuse - without
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    return gain.mean(), gain.mean() - half, gain.mean() + half
