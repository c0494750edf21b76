"""Loss functions without state.

The losses of small networks return one number per seed; the first axis is the seeds, and a mask is
True at the outputs that may be answered. From `kl_per_token` on, the functions are for language
models and return one number per token, for any axes before the vocabulary.
"""

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError
from workbench.tasks.stream import masked


def cross_entropy(logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits (seeds, n, outputs) in nats: shape (seeds,).

    `y` (seeds, n) has the correct outputs; the mask is broadcastable to the logits.
    """
    log_p = masked(logits, mask).log_softmax(-1)
    return -log_p.gather(-1, y.unsqueeze(-1)).mean((1, 2))


def distillation(student: Tensor, teacher: Tensor, mask: Tensor,
                 temperature: float = 2.0) -> Tensor:
    r"""Return the distillation loss of Hinton, Vinyals & Dean (arXiv 1503.02531): shape (seeds,).

    In nats, :math:`T^2\,\mathrm{KL}(p_T \| q_T)`, where both distributions are softmaxes of logits
    divided by the temperature; a temperature above 1 makes unlikely outputs count more. The factor
    :math:`T^2` keeps the size of the gradient the same; some libraries (Avalanche's LwF) leave it
    out. The mask is broadcastable to the logits (seeds, n, outputs); the teacher's are without
    gradient.
    """
    q = F.log_softmax(masked(student, mask) / temperature, -1)
    p = F.log_softmax(masked(teacher, mask) / temperature, -1)
    return temperature**2 * F.kl_div(q, p, reduction="none", log_target=True).sum(-1).mean(1)


def label_loss(outputs: Tensor, y: Tensor, mask: Tensor, smoothing: float = 0.0) -> Tensor:
    r"""Return the loss on labels: shape (seeds,).

    It is the mean squared error where labels are values, and `cross_entropy` otherwise. With
    `smoothing` :math:`\epsilon`, a share of each label is spread evenly over all outputs that may
    be answered (Szegedy et al., arXiv 1512.00567): the target is
    :math:`(1-\epsilon)\,y + \epsilon/K`.
    """
    if y.is_floating_point():
        return (outputs.squeeze(-1) - y).square().mean(1)
    loss = cross_entropy(outputs, y, mask)
    if smoothing == 0:
        return loss
    log_p = masked(outputs, mask).log_softmax(-1).where(mask, 0)
    even = -(log_p.sum(-1) / mask.sum(-1)).mean(1)
    return (1 - smoothing) * loss + smoothing * even


def teacher_loss(student: Tensor, teacher: Tensor, y: Tensor, mask: Tensor, *,
                 temperature: float = 2.0, weight: float = 0.5) -> Tensor:
    r"""Return the loss on labels and on a teacher's outputs: shape (seeds,).

    :math:`(1-w)\,L_\mathrm{labels} + w\,L_\mathrm{teacher}` for `weight` w. Where labels are
    classes, the second is `distillation`; where they are values, it is the mean squared error from
    the teacher's value, so that the two together lead to a weighted mean of both values.
    """
    hard = label_loss(student, y, mask)
    soft = (label_loss(student, teacher.squeeze(-1), mask) if y.is_floating_point() else
            distillation(student, teacher, mask, temperature))
    return (1 - weight) * hard + weight * soft


def quadratic_penalty(parameters: Tensor, anchor: Tensor, importance: Tensor) -> Tensor:
    r"""Return :math:`\frac12\sum_i \Omega_i(\theta_i-\theta^*_i)^2` by seed: shape (seeds,)."""
    return 0.5 * (importance * (parameters - anchor).square()).sum(1)


def kl_per_token(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    r"""Return :math:`\mathrm{KL}(p \| q)=\sum_v p(v)\,[\log p(v)-\log q(v)]` at every position.

    With the teacher as p and the student as q it is the forward KL, on which SDFT trains. Note that
    ``torch.nn.functional.kl_div(a, b)`` is :math:`\mathrm{KL}(b \| a)`. The result (...) of logits
    (..., vocabulary) is in nats, at least 0 up to rounding, and exactly 0 where they are equal.
    """
    return _kl(F.log_softmax(p_logits, -1), F.log_softmax(q_logits, -1))


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    terms = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    # q - p sums to 0 over the vocabulary. Adding it makes the gradient exactly 0 where p = q;
    # otherwise it is a rounding error, which Adam scales up to steps of full size.
    return (terms + log_q.exp() - log_p.exp()).sum(-1)


DIRECTIONS = {
    "forward": "KL(teacher || student): the student covers all that the teacher may answer",
    "reverse": "KL(student || teacher): the student avoids all that the teacher would not answer",
    "jsd": "generalised Jensen-Shannon: both, measured from a mixture of the two",
}
"""The directions of a divergence."""


def divergence(student: Tensor, teacher: Tensor, direction: str = "forward", *, beta: float = 0.5,
               top_k: int | None = None, top_of: str = "teacher", tail: bool = True) -> Tensor:
    r"""Return the divergence of a student from a teacher at every position, from their logits.

    With teacher p and student q, ``"forward"`` is :math:`\mathrm{KL}(p\|q)`; the published numbers
    of SDFT (arXiv 2601.19897) were made with it. Its gradient on the student's logits is
    :math:`q - p`. ``"reverse"`` is :math:`\mathrm{KL}(q\|p)`, as in the paper's equations.
    ``"jsd"`` is :math:`\beta\,\mathrm{KL}(p\|m) + (1-\beta)\,\mathrm{KL}(q\|m)` with
    :math:`m = \beta p + (1-\beta) q` (Agarwal et al., arXiv 2306.13649).

    With `top_k`, only that number of likeliest tokens is compared: the teacher's or, by `top_of`,
    the student's. The student's leave out tokens that only the teacher finds likely. All other
    tokens count as one further outcome; without `tail`, the kept ones are renormalised.

    The logits have shape (..., vocabulary), the teacher's without gradient. The result (...) is in
    nats, and 0 where the two agree.
    """
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    if top_of not in ("teacher", "student"):
        raise UnknownNameError("top_of", top_of, ("teacher", "student"))
    if not 0 < beta < 1:
        raise ConfigError(f"beta must be between 0 and 1, not {beta!r}")
    if top_k is not None and (not isinstance(top_k, int) or not 0 < top_k <= student.shape[-1]):
        raise ConfigError(f"top_k must be a whole number from 1 to the {student.shape[-1]} tokens "
                          f"there are, not {top_k!r}")
    log_q, log_p = F.log_softmax(student, -1), F.log_softmax(teacher, -1)
    if top_k is not None:
        indices = (log_p if top_of == "teacher" else log_q).topk(top_k, -1).indices
        log_q, log_p = _keep(log_q, indices, tail), _keep(log_p, indices, tail)
    if direction == "forward":
        return _kl(log_p, log_q)
    if direction == "reverse":
        return _kl(log_q, log_p)
    larger = torch.maximum(log_q, log_p).detach()  # so that the mixture of two equals is both
    mixture = larger + (beta * (log_p - larger).exp() + (1 - beta) * (log_q - larger).exp()).log()
    return beta * _kl(log_p, mixture) + (1 - beta) * _kl(log_q, mixture)


def _keep(log_p: Tensor, indices: Tensor, tail: bool) -> Tensor:
    """Return some of the log-probabilities, with the rest as one outcome or renormalised."""
    kept = log_p.gather(-1, indices)
    mass = kept.logsumexp(-1, keepdim=True)
    if not tail:
        return kept - mass
    # The clamp keeps log(1 - mass) finite where the kept tokens hold all the probability.
    return torch.cat([kept, torch.log(-torch.expm1(mass.clamp_max(-1e-7)))], -1)


def per_response(values: Tensor, mask: Tensor, skip_first: int = 0) -> Tensor:
    """Return the mean over responses of the mean over their tokens, as in SDFT: shape ().

    Short responses weigh as much as long ones; one with no token left adds 0. `values` (n, tokens)
    has a number per token, and the mask is 1 at the tokens of each response and its end token. The
    first `skip_first` tokens of each response, where a teacher may mention its context, are left
    out. Warns if that leaves out more than a fifth of all tokens, and raises `ConfigError` if none
    is left.
    """
    if skip_first < 0:
        raise ConfigError(f"skip_first must be at least 0, not {skip_first!r}")
    kept = mask.to(values.device, copy=True)
    kept[:, :skip_first] = 0
    left, all_tokens = int(kept.sum()), int(mask.sum())
    if left == 0:
        raise ConfigError(f"no token of the batch counts: {all_tokens} tokens in {len(mask)} "
                          f"responses, and the first {skip_first} of each are skipped. Skip "
                          "fewer, or find out why the responses are empty.")
    if left < 0.8 * all_tokens:
        warnings.warn(f"skip_first={skip_first} leaves out {all_tokens - left} of {all_tokens} "
                      "tokens of the loss; skip fewer where answers are short", stacklevel=2)
    # Not a product: masked values may be NaN, and 0 times NaN is NaN.
    return (values.where(kept.bool(), 0).sum(1) / kept.sum(1).clamp_min(1)).mean()
