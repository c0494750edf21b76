"""Losses: tensors in, numbers out. Nothing here keeps a state.

Those of small networks give one number per seed, and the first axis is the seeds; where they take a
mask, True marks the outputs that may be answered. Those of language models, from `kl_per_token` on,
give one number per token, whatever the axes before the vocabulary.
"""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError
from workbench.tasks.stream import masked


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
    return _kl(F.log_softmax(p_logits, -1), F.log_softmax(q_logits, -1))


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    each = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    # Over the vocabulary q - p adds up to 0. With it the slope where p = q is exactly 0; without,
    # it is a rounding error, which Adam blows up to steps of full size.
    return (each + log_q.exp() - log_p.exp()).sum(-1)


DIRECTIONS = {
    "forward": "KL(teacher || student): be able to say all that the teacher might",
    "reverse": "KL(student || teacher): say nothing that the teacher would not",
    "jsd": "generalised Jensen-Shannon: both, measured from a mixture of the two",
}
"""Which way a divergence looks."""


def divergence(student: Tensor, teacher: Tensor, direction: str = "forward", *, beta: float = 0.5,
               top_k: int | None = None, top_of: str = "teacher", tail: bool = True) -> Tensor:
    r"""Return how far a student is from a teacher at every position, from their logits.

    ``"forward"`` is :math:`\mathrm{KL}(p\|q)` with teacher p and student q, what the published
    numbers of SDFT (arXiv 2601.19897) were made with; its gradient on the student's logits is
    :math:`q - p`. ``"reverse"`` is :math:`\mathrm{KL}(q\|p)`, what its equations say. ``"jsd"`` is
    :math:`\beta\,\mathrm{KL}(p\|m) + (1-\beta)\,\mathrm{KL}(q\|m)` with
    :math:`m = \beta p + (1-\beta) q` (Agarwal et al., arXiv 2306.13649).

    Parameters
    ----------
    student, teacher : Tensor, shape (..., vocabulary)
        Logits; no gradient should flow to the teacher's.
    direction : str
        One of `DIRECTIONS`.
    beta : float
        Weight of the teacher in ``"jsd"``, between 0 and 1.
    top_k : int, optional
        Compare this many tokens only; None compares the whole vocabulary.
    top_of : {"teacher", "student"}
        Whose likeliest tokens those are. The student's leave out just what a teacher wants and the
        student thinks unlikely.
    tail : bool
        Gather the rest in one further outcome; otherwise leave it out and renormalise.

    Returns
    -------
    Tensor, shape (...)
        In nats; 0 where the two agree.

    Raises
    ------
    UnknownNameError, ConfigError
        If a setting cannot work.
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
        log_q, log_p = _likeliest(log_q, log_p, top_k, top_of, tail)
    if direction == "forward":
        return _kl(log_p, log_q)
    if direction == "reverse":
        return _kl(log_q, log_p)
    larger = torch.maximum(log_q, log_p).detach()  # so that the mixture of two equals is both
    mixture = larger + (beta * (log_p - larger).exp() + (1 - beta) * (log_q - larger).exp()).log()
    return beta * _kl(log_p, mixture) + (1 - beta) * _kl(log_q, mixture)


def _likeliest(log_q: Tensor, log_p: Tensor, k: int, top_of: str,
               tail: bool) -> tuple[Tensor, Tensor]:
    """Keep the k likeliest tokens of one of two distributions, in both."""
    index = (log_p if top_of == "teacher" else log_q).topk(k, -1).indices

    def keep(log: Tensor) -> Tensor:
        kept = log.gather(-1, index)
        mass = kept.logsumexp(-1, keepdim=True)
        if not tail:
            return kept - mass
        # The clamp keeps log(1 - mass) finite where the k tokens hold everything.
        return torch.cat([kept, torch.log(-torch.expm1(mass.clamp_max(-1e-7)))], -1)

    return keep(log_q), keep(log_p)


def per_response(each: Tensor, mask: Tensor, skip_first: int = 0) -> Tensor:
    """Return the mean over responses of the mean over their tokens, as SDFT has it.

    Short responses weigh as much as long ones. Padding and what comes after the end token do not
    count, the end token does.

    Parameters
    ----------
    each : Tensor, shape (n, tokens)
        Something per token.
    mask : Tensor of int64, shape (n, tokens)
        1 at the tokens of each response, its end token included.
    skip_first : int
        Leave out the first tokens of each response, where a helped teacher may announce its help.
        Warns when that leaves out more than a fifth of all tokens.

    Returns
    -------
    Tensor, shape ()
        A response with no token left adds 0.

    Raises
    ------
    ConfigError
        If not one token is left.
    """
    if skip_first < 0:
        raise ConfigError(f"skip_first must be at least 0, not {skip_first!r}")
    kept = mask.to(each.device, copy=True)
    kept[:, :skip_first] = 0
    left, all_tokens = int(kept.sum()), int(mask.sum())
    if left == 0:
        raise ConfigError(f"no token of the batch counts: {all_tokens} tokens in {len(mask)} "
                          f"responses, of each of which the first {skip_first} are skipped. Skip "
                          "fewer, or look at why the responses are empty.")
    if left < 0.8 * all_tokens:
        warnings.warn(f"skip_first={skip_first} leaves out {all_tokens - left} of {all_tokens} "
                      "tokens of the loss; skip fewer where answers are short", stacklevel=2)
    # Not a product: what is masked may be no number, and 0 times that is none either.
    return (each.where(kept.bool(), 0).sum(1) / kept.sum(1).clamp_min(1)).mean()
