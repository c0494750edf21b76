"""Losses: tensors in, one number per seed out. Nothing here keeps a state.

The first axis is always the seeds. Where a mask is given, True marks the outputs that may be
answered; the others take no part in the softmax.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FORBIDDEN = -1e9
"""Logit of an output that may not be answered: its probability is exactly 0 in float32."""


def masked(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the logits with those of forbidden outputs at `FORBIDDEN`.

    Parameters
    ----------
    logits : Tensor, shape (seeds, n, outputs)
        Any real numbers.
    mask : Tensor of bool, shape broadcastable to that of the logits
        True where an output may be answered.
    """
    return logits.masked_fill(~mask, FORBIDDEN)


def cross_entropy(logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy to the labels, in nats.

    Parameters
    ----------
    logits : Tensor, shape (seeds, n, outputs)
        Before masking.
    y : Tensor of int64, shape (seeds, n)
        Index of the correct output.
    mask : Tensor of bool, shape broadcastable to that of the logits
        True where an output may be answered.

    Returns
    -------
    Tensor, shape (seeds,)
    """
    log_p = masked(logits, mask).log_softmax(-1)
    return -log_p.gather(-1, y.unsqueeze(-1)).mean((1, 2))


def distillation(student: Tensor, teacher: Tensor, mask: Tensor,
                 temperature: float = 2.0) -> Tensor:
    r"""Return the distillation loss of Hinton, Vinyals & Dean (arXiv 1503.02531).

    :math:`T^2\,\mathrm{KL}(p_T \| q_T)`, where both distributions are softmaxes of logits divided
    by the temperature. The factor :math:`T^2` keeps the size of the gradient the same at every
    temperature; some libraries leave it out (Avalanche's LwF does).

    Parameters
    ----------
    student, teacher : Tensor, shape (seeds, n, outputs)
        Logits. No gradient should flow to the teacher's.
    mask : Tensor of bool, shape broadcastable to that of the logits
        True where an output takes part.
    temperature : float
        Above 1, unlikely outputs count for more.

    Returns
    -------
    Tensor, shape (seeds,)
        In nats; 0 where the two agree.
    """
    q = F.log_softmax(masked(student, mask) / temperature, -1)
    p = F.log_softmax(masked(teacher, mask) / temperature, -1)
    return temperature**2 * F.kl_div(q, p, reduction="none", log_target=True).sum(-1).mean(1)


def quadratic_penalty(parameters: Tensor, anchor: Tensor, importance: Tensor) -> Tensor:
    r"""Return :math:`\frac12\sum_i \Omega_i(\theta_i-\theta^*_i)^2`, the pull towards old weights.

    Parameters
    ----------
    parameters, anchor, importance : Tensor, shape (seeds, parameters)
        Present weights, weights to stay near, and how much each matters.

    Returns
    -------
    Tensor, shape (seeds,)
    """
    return 0.5 * (importance * (parameters - anchor).square()).sum(1)


def kl_per_token(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    r"""Return :math:`\mathrm{KL}(p \| q)` at every position, over the full vocabulary.

    :math:`\sum_v p(v)\,[\log p(v) - \log q(v)]`. With the teacher as p and the student as q it is
    the forward KL that SDFT trains on. Note that ``torch.nn.functional.kl_div(a, b)`` is
    :math:`\mathrm{KL}(b \| a)`.

    Parameters
    ----------
    p_logits, q_logits : Tensor, shape (..., vocabulary)
        Logits; nothing is masked, and nothing averaged.

    Returns
    -------
    Tensor, shape (...)
        In nats, at least 0 up to rounding; exactly 0 where the logits are equal.
    """
    p, q = F.log_softmax(p_logits, -1), F.log_softmax(q_logits, -1)
    return F.kl_div(q, p, reduction="none", log_target=True).sum(-1)
