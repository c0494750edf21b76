"""Exercises: the solution passes, a stub and an error raise nothing, wrong answers are named."""

from __future__ import annotations

import ast
import inspect
import re
import tracemalloc
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal

from workbench.course import check, exercises, hint, solutions
from workbench.course import exercises as shown
from workbench.errors import UnknownNameError
from workbench.measure.calibration import expected_calibration_error
from workbench.measure.intervals import seed_interval, wilson_interval
from workbench.models import factored
from workbench.retrieval.conformal import p_values

NOTEBOOKS = sorted(path for path in (Path(__file__).parents[1] / "notebooks").rglob("*.ipynb")
                   if ".ipynb_checkpoints" not in path.parts)


def read_text(path: Path) -> str:
    """The Markdown of a notebook."""
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells
                     if cell.cell_type == "markdown")


@pytest.fixture
def printed(capsys):
    """What `check` prints on an answer, as one line."""
    def call(name, answer) -> str:
        capsys.readouterr()
        assert check(name, answer) is None
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= 100
        return out.strip().replace("\n", " ")
    return call


def matrix(cell):
    """An answer that makes each cell of a matrix from R, k and j."""
    def answer(R):
        return np.array([[cell(R, k, j) for j in range(len(R))] for k in range(len(R))])
    return answer


def earlier(cell):
    """An answer that averages a cell over all tasks but the last."""
    return lambda R: np.mean([cell(R, j) for j in range(len(R) - 1)])


def keeps(place_of):
    """A reservoir that puts item k in the place that this returns."""
    def answer(items, capacity, rng):
        kept = []
        for k, item in enumerate(items):
            if len(kept) < capacity:
                kept.append(item)
            elif (place := place_of(k, capacity, rng)) < capacity:
                kept[place] = item
        return kept
    return answer


def among_the_allowed(logits, mask):
    return logits[:, mask].argmax(-1)


def halved(R):
    return np.where(np.tril(np.ones_like(R)) > 0, R / np.diagonal(R) / 2, np.nan)


def average(each, mask):
    """The mean over responses of the mean over their tokens."""
    return ((each * mask).sum(1) / mask.sum(1)).mean()


def kl(p_logits, q_logits):
    """KL(p || q) per row."""
    p, q = p_logits.log_softmax(-1), q_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


def share(counts):
    return counts[0] / counts[1]


def numbers_kept(items, capacity, rng):
    """A reservoir that keeps the number of an item in its place."""
    return keeps(lambda k, n, rng: rng.integers(k + 1))(range(len(list(items))), capacity, rng)


def kl_over_tokens(p, q):
    """KL with the softmax over the wrong axis."""
    return (p.softmax(0) * (p.log_softmax(0) - q.log_softmax(0))).sum(-1)


def wald(right, total):
    """The textbook interval, which is too narrow near 0 % and 100 %."""
    rate = right / total
    half = 1.96 * (rate * (1 - rate) / total) ** 0.5
    return rate - half, rate + half


def one_spaced(text):
    """The text with single spaces."""
    return " ".join(text.split())


def or_the_best(rule):
    """A rule, and the setting with the largest `new` if no setting has enough accuracy."""
    return lambda n, k, e: int(rule(n, k, e) if (n >= e).any() else n.argmax())


def gaussian(X, new, **changes):
    """The log density of new rows under a Gaussian fitted to X, with mistakes."""
    gap = new - changes.get("mean", X.mean(0))
    covariance = changes.get("covariance", np.cov(X.T, bias=True))
    inverse = changes.get("inverse", np.linalg.inv(covariance))
    log_det = changes.get("log_det", np.linalg.slogdet(covariance)[1])
    return -0.5 * ((gap @ inverse * gap).sum(1) + log_det
                   + changes.get("constant", X.shape[1] * np.log(2 * np.pi)))


def bhattacharyya(eighth=1 / 8, half=0.5, middle=lambda A, B: (A + B) / 2, below=True):
    """An answer that is B1, with mistakes."""
    def answer(a, A, b, B):
        log_det = [np.linalg.slogdet(cov)[1] for cov in (middle(A, B), A, B)]
        return np.exp(-eighth * (a - b) @ np.linalg.inv(middle(A, B)) @ (a - b)
                      - half * (log_det[0] - below * (log_det[1] + log_det[2]) / 2))
    return answer


def in_batches(vote, shuffled=False):
    """An evaluation in batches of 16, each of one task unless shuffled."""
    def answer(scores, tasks):
        rows = np.random.default_rng(0).permutation(len(tasks)) if shuffled else np.arange(
            len(tasks))
        groups = [rows] if shuffled else [rows[tasks == k] for k in np.unique(tasks)]
        batches = [group[i:i + 16] for group in groups for i in range(0, len(group), 16)]
        return sum((vote(scores[batch]) == tasks[batch]).sum() for batch in batches) / len(tasks)
    return answer


def parts(first, second, third):
    """An answer to `decomposition` from the four counts."""
    def answer(t, c):
        counts = (t & c).sum(), (t & ~c).sum(), (~t & c).sum(), (~t & ~c).sum()
        return [each(*counts) for each in (first, second, third)]
    return answer

def mixture(hard=lambda z, t, y, T: F.cross_entropy(z, y),
            soft=lambda z, t, T: kl(t.detach() / T, z / T).mean(),
            factor=lambda T: T * T, shares=lambda w: (1 - w, w)):
    """An answer to `soft_loss` from its two parts, their shares, and the factor of the second."""
    return lambda z, t, y, T, w: (shares(w)[0] * hard(z, t, y, T)
                                  + shares(w)[1] * factor(T) * soft(z, t, T))


def gaps_of_bins(combined, numbers=lambda c, bins: np.ceil(c * bins).astype(int) - 1):
    """An answer to `calibration_error` from the gap and the share of each bin that has examples."""
    def answer(c, r, bins):
        number = numbers(c, bins)
        groups = [number == b for b in range(bins) if (number == b).any()]
        return combined(np.array([(r - c)[rows].mean() for rows in groups]),
                        np.array([rows.mean() for rows in groups]))
    return answer


def equal_counts(c, r, bins, order=np.argsort):
    """The calibration error in bins of equal numbers of examples."""
    groups = np.array_split(order(c), bins)
    return sum(abs((r - c)[rows].sum()) for rows in groups) / len(c)


def from_smallest_to_largest(c, bins):
    """The numbers of bins that pandas and numpy make of data on their own."""
    return np.digitize(c, np.histogram_bin_edges(c, bins)[1:-1])


def by_the_middle(c, r, bins):
    """The calibration error with the middles of the bins for the mean confidences."""
    number = np.ceil(c * bins).astype(int) - 1
    return sum((number == b).mean() * abs(r[number == b].mean() - (b + 0.5) / bins)
               for b in set(number))


def mixing(sign=1):
    """An answer to `best_mixing`, with a factor that is wrong."""
    return lambda y, t, s: sign * (y - t) @ (s - t) / ((s - t) @ (s - t))


def correction(e=lambda c, d, m: 1 - c + m * (c - d), odds=lambda D: (1 + D) / D,
               last=lambda t: np.floor(t) + 1, none=lambda D: np.inf):
    """An answer to `correction_round`, with mistakes."""
    def answer(c, d, m, lam, D):
        growth = np.log(e(c, d, m) / (e(c, d, m) + lam) * (1 - c + lam) / (1 - c))
        return last(np.log(odds(D)) / growth) if D > 0 else none(D)
    return answer


def composed(reused=lambda A, B, s: (B * s) @ A, new=lambda A, B, s: B @ A):
    """An answer to `compose` from its two parts; both may have the coefficients."""
    return lambda A, B, s, C, D: reused(A, B, s) + new(C, D, s)


def thin_norm(of=lambda left, right: np.sqrt((left * right).sum())):
    """An answer to `update_norm` from the two small matrices."""
    return lambda A, B: of(B.T @ B, A @ A.T)


def of_values(combined):
    """An answer to `update_norm` from the singular values of the product."""
    return lambda A, B: combined(np.linalg.svd(B @ A, compute_uv=False))


def of_units(combined):
    """An answer to `update_norm` from the squared norms of the units."""
    return lambda A, B: combined((A**2).sum(1) * (B**2).sum(0))


def orthonormal(rows):
    return np.linalg.qr(rows.T)[0].T


def of_length_1(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def cosine(combined=np.max, bases=(orthonormal, orthonormal)):
    """An answer to `largest_cosine` from the singular values, and what stands for the bases."""
    return lambda A, other: combined(np.linalg.svd(
        bases[0](A) @ bases[1](other).T, compute_uv=False))


def cells(combined, basis=of_length_1):
    """An answer to `largest_cosine` from the dot products of single vectors."""
    return lambda A, other: combined(basis(A) @ basis(other).T)


def paired(half=lambda gain, t: t(0.975, len(gain) - 1) * np.std(gain, ddof=1) / len(gain)**0.5,
           ends=lambda mean, half: (mean, mean - half, mean + half)):
    """An answer to `worth_composing` from the half width of the interval, with mistakes."""
    return lambda w, wo: ends((w - wo).mean(), half(w - wo, stats.t.ppf))


def unpaired(quantile):
    """An answer to `worth_composing` with the standard error of independent samples."""
    def answer(w, wo):
        half = quantile(len(w)) * (w.var(ddof=1) / len(w) + wo.var(ddof=1) / len(wo))**0.5
        return w.mean() - wo.mean(), w.mean() - wo.mean() - half, w.mean() - wo.mean() + half
    return answer


def welch(w, wo):
    """The interval of scipy for independent samples."""
    interval = stats.ttest_ind(w, wo, equal_var=False).confidence_interval()
    return w.mean() - wo.mean(), interval.low, interval.high


def two_intervals(crossed):
    """An answer to `worth_composing` that subtracts the ends of two intervals."""
    def answer(w, wo):
        (low, high), own = seed_interval(w), seed_interval(wo)
        return w.mean() - wo.mean(), low - own[crossed], high - own[1 - crossed]
    return answer


def hint_call(text: str) -> str:
    """The call that the text of a failed check offers."""
    return re.search(r"[\w.]*hint\(.*?\)", text)[0]


def import_cells(path: Path) -> str:
    """Every import statement of a notebook, in order."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells
             if cell.cell_type == "code"]
    return "\n".join(ast.unparse(node) for cell in cells for node in ast.walk(ast.parse(cell))
                     if isinstance(node, (ast.Import, ast.ImportFrom)))


WRONG = [
    ("retention", lambda a, b: b - a, "difference in points"),
    ("retention", lambda a, b: a - b, "difference in points"),
    ("retention", lambda a, b: a / b, "upside down"),
    ("retention", lambda a, b: 100 * b / a, "in percent"),
    ("retention", lambda a, b: b, "should give 0.25, not 0.2"),
    ("retention", lambda a, b: 0.25, "stayed 90 % should give 1, not 0.25"),
    ("retention", lambda a, b: np.array([a, b]), "Expected one number, got 2"),
    ("retention", lambda a, b: min(1, b / a), "can be above 1"),
    ("retention", lambda a, b: min(a, b) / max(a, b), "can be above 1"),

    ("allowed_answer", lambda z, m: z.argmax(-1), "the mask does not allow it"),
    ("allowed_answer", lambda z, m: (z * m).argmax(-1), "Multiplying by the mask"),
    ("allowed_answer", among_the_allowed, "places among the allowed outputs"),
    ("allowed_answer", lambda z, m: z.masked_fill(~m, torch.inf).argmin(-1), "[3, 1], not"),
    ("allowed_answer", lambda z, m: z[:, m].argmax(-1) + int(m.nonzero()[0]), "forbidden"),
    ("allowed_answer", lambda z, m: z.masked_fill(~m, -10).argmax(-1), "near -50"),
    ("allowed_answer", lambda z, m: z.masked_fill(~m, -10).softmax(-1).argmax(-1), "near -50"),
    ("allowed_answer", lambda z, m: z.masked_fill(~m, -torch.inf).argmax(), "each of 2 rows"),
    ("allowed_answer", lambda z, m: z.masked_fill(~m, -torch.inf).argmax(0), "each of 2 rows"),
    ("allowed_answer", lambda z, m: z.masked_fill(m, -torch.inf).argmax(-1), "does not allow it"),

    ("masked_loss", lambda z, y, m: F.cross_entropy(z, y), "use the mask before the softmax"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z * m, y), "exp(0) is 1"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z.masked_fill(~m, -torch.inf), y,
                                                    reduction="sum"), "the sum over the examples"),
    ("masked_loss", lambda z, y, m: -F.cross_entropy(z.masked_fill(~m, -torch.inf), y),
     "sign is wrong"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z.masked_fill(~m, -torch.inf), y,
                                                    reduction="none"), "return their mean"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z.masked_fill(~m, -torch.inf), y)
     / np.log(2), "in nats"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z[:, m], y), "numbered anew"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z[:, m], y - y.min()), "numbered anew"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z[:, m], y - m.nonzero()[0]), "numbered anew"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z[:, m], y.unique(return_inverse=True)[1]),
     "should give"),
    ("masked_loss", lambda z, y, m: F.cross_entropy(z.masked_fill(~m, -10), y), "near -50"),
    ("masked_loss", lambda z, y, m: F.nll_loss(z.log_softmax(-1), y), "before the softmax"),

    ("backward_transfer", earlier(lambda R, j: R[j, j] - R[-1, j]), "sign is wrong"),
    ("backward_transfer", lambda R: np.mean(R[-1] - np.diagonal(R)), "The last task is in"),
    ("backward_transfer", earlier(lambda R, j: R[-1, j] - R[:, j].max()), "Chaudhry's forgetting"),
    ("backward_transfer", earlier(lambda R, j: R[j, -1] - R[j, j]), "reads the last column"),
    ("backward_transfer", lambda R: R[-1].mean(), "should give"),
    ("backward_transfer", earlier(lambda R, j: R[-1, j] - R[:-1, j].max()), "Chaudhry's"),
    ("backward_transfer", lambda R: sum(R[-1] - np.diagonal(R)), "the sum over the tasks"),
    ("backward_transfer", lambda R: np.mean(R[-1, :-1] - R[-2, :-1]), "row before the last"),
    ("backward_transfer", lambda R: np.mean([R[2, j] - R[j, j] for j in range(2)]),
     "should give"),
    ("backward_transfer", lambda R: sum(R[-1] - np.diagonal(R)) / 3, "use len(R)"),

    ("retention_matrix", matrix(lambda R, k, j: R[k, j] / R[k, k] if k >= j else np.nan),
     "Each row is divided"),
    ("retention_matrix", matrix(lambda R, k, j: R[k, j] - R[j, j] if k >= j else np.nan),
     "That is a difference"),
    ("retention_matrix", matrix(lambda R, k, j: R[k, j] / R[j, j]),
     "nothing to retain: put np.nan"),
    ("retention_matrix", matrix(lambda R, k, j: R[k, j] / R[j, j] if k >= j else 0.0),
     "put np.nan"),
    ("retention_matrix", halved, "cell [0, 0] is 0.5 and should be 1"),
    ("retention_matrix", matrix(lambda R, k, j: R[k, j] / (R[j, j] if j < len(R) - 1 else 1)
                         if k >= j else np.nan), "cell [2, 2] is 0.9 and should be 1"),
    ("retention_matrix", matrix(lambda R, k, j: R[k, j] / R[j, j] if k > j else np.nan),
     "cell [0, 0] is nan and should be 1"),
    ("retention_matrix", lambda R: R[-1] / np.diagonal(R), "Expected an array of shape (3, 3)"),

    ("ewc_penalty", lambda w, a, f: (f * (w - a) ** 2).sum(), "the half is missing"),
    ("ewc_penalty", lambda w, a, f: 0.5 * ((w - a) ** 2).sum(), "Fisher information is not used"),
    ("ewc_penalty", lambda w, a, f: 0.5 * (f * abs(w - a)).sum(), "has to be squared"),
    ("ewc_penalty", lambda w, a, f: 0.5 * f * (w - a) ** 2, "for each weight; add them up"),
    ("ewc_penalty", lambda w, a, f: 0.5 * ((f * (w - a)) ** 2).sum(), "is squared as well"),
    ("ewc_penalty", lambda w, a, f: 0.5 * (f * w**2).sum(), "should give 7"),
    ("ewc_penalty", lambda w, a, f: 0.5 * (f * (w - a) ** 2).mean(), "the mean over the weights"),
    ("ewc_penalty", lambda w, a, f: 0.5 * (f * (w - a)).sum() ** 2, "The sum is squared"),

    ("reservoir", lambda items, n, rng: [i for _, i in zip(range(n), items, strict=False)],
     "number 0 (counted from 0), 'a', was kept in 100%"),
    ("reservoir", lambda items, n, rng: list(items)[-n:], "'p', was kept in 100%"),
    ("reservoir", keeps(lambda k, n, rng: rng.integers(k)), "should be kept in 50%"),
    ("reservoir", keeps(lambda k, n, rng: rng.integers(k + 2)), "should be kept in 50%"),
    ("reservoir", numbers_kept, "From the 5 items"),
    ("reservoir", keeps(lambda k, n, rng: rng.integers(n)), "should be kept in 25% of the runs"),
    ("reservoir", keeps(lambda k, n, rng: rng.integers(2 * n)), "should be kept in 25%"),
    ("reservoir", lambda items, n, rng: (lambda all_: all_ if len(all_) <= n else
                                         [all_[i] for i in rng.integers(len(all_), size=n)])(
                                             list(items)), "kept twice"),
    ("reservoir", lambda items, n, rng: list(items), "With room for 5 and 20 items, 20 are kept"),
    ("reservoir", lambda items, n, rng: list(items)[:3], "all 5 should be kept"),
    ("token_kl", lambda p, q: kl(q, p), "reverse KL"),
    ("token_kl", lambda p, q: kl(p, q).sum(), "That is one number"),
    ("token_kl", lambda p, q: kl(p, q) / 3, "mean over the vocabulary"),
    ("token_kl", lambda p, q: -(p.softmax(-1) * q.log_softmax(-1)).sum(-1), "cross-entropy"),
    ("token_kl", lambda p, q: -kl(p, q), "sign is wrong"),
    ("token_kl", lambda p, q: F.kl_div(q.log_softmax(-1), p.softmax(-1), reduction="none"),
     "sum over the vocabulary"),
    ("token_kl", lambda p, q: (p.softmax(-1) * (p.softmax(-1) / q.softmax(-1)).log()).sum(-1),
     "take log_softmax"),
    ("token_kl", lambda p, q: (p.softmax(-1) * ((p.softmax(-1) + 1e-9).log()
                                                - (q.softmax(-1) + 1e-9).log())).sum(-1),
     "in place of 200"),
    ("token_kl", lambda p, q: (p.softmax(-1) * (p.softmax(-1).clamp(1e-12).log()
                                                - q.softmax(-1).clamp(1e-12).log())).sum(-1),
     "in place of 200"),
    ("token_kl", lambda p, q: kl(p, q).nan_to_num() / np.log(2), "in bits"),
    ("token_kl", lambda p, q: kl_over_tokens(p, q), "over the tokens"),
    ("may_teach", lambda alone, own, other: wilson_interval(*own)[0] > max(
        wilson_interval(*alone)[1], share(other)), "overlap, too"),
    ("may_teach", lambda alone, own, other: share(own) > share(alone), "does not use the content"),
    ("may_teach", lambda alone, own, other: share(own) > share(other) + 0.1, "nothing to learn"),
    ("may_teach", lambda alone, own, other: share(own) > max(share(alone), share(other)) + 0.1,
     "may be luck, and the model should not pass"),
    ("may_teach", lambda alone, own, other: share(own) > 0.9 + share(other) + share(alone),
     "should pass"),
    ("may_teach", lambda alone, own, other: wilson_interval(*own)[0] > (
        wilson_interval(*alone)[1] + wilson_interval(*other)[1]), "beyond doubt"),
    ("may_teach", lambda alone, own, other: wald(*own)[0] > max(wald(*alone)[1], wald(*other)[1]),
     "may be luck"),
    ("may_teach", lambda alone, own, other: wilson_interval(*own)[0] > wilson_interval(
        min(max(alone[0], other[0]), own[1]), own[1])[1], "its own number of questions"),
    ("sdft_loss", lambda p, q, m: average(kl(q, p), m), "reverse KL"),
    ("sdft_loss", lambda p, q, m: kl(p, q).mean(), "mask is not used"),
    ("sdft_loss", lambda p, q, m: (kl(p, q) * m).mean(), "Padding is in the mean"),
    ("sdft_loss", lambda p, q, m: (kl(p, q) * m).sum() / m.sum(), "long response weighs more"),
    ("sdft_loss", lambda p, q, m: (kl(p, q) * m).sum(1).mean(), "take their mean"),
    ("sdft_loss", lambda p, q, m: kl(p, q) * m, "one number for the whole batch"),
    ("sdft_loss", lambda p, q, m: 3 * average(kl(p, q), m), "should give"),
    ("sdft_loss", lambda p, q, m: 2 * average(kl(p, q), m), "the sum over the responses"),
    ("sdft_loss", lambda p, q, m: average(-(p.softmax(-1) * q.log_softmax(-1)).sum(-1), m),
     "cross-entropy"),
    ("sdft_loss", lambda p, q, m: average(kl(p, q) / 5, m), "mean over the vocabulary"),
    ("advantages", lambda r: r - r.mean(1, keepdim=True), "the answer itself included"),
    ("advantages", lambda r: (r.sum(1, keepdim=True) - r) / (r.shape[1] - 1) - r, "sign is wrong"),
    ("advantages", lambda r: (r.sum(1, keepdim=True) - r) / (r.shape[1] - 1), "own reward"),
    ("advantages", lambda r: r - (r.sum(1, keepdim=True) - r) / r.shape[1], "there is one less"),
    ("advantages", lambda r: r - (r.sum(1, keepdim=True) - r), "subtract their mean"),
    ("advantages", lambda r: (r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True), "as GRPO"),
    ("advantages", lambda r: r - r.mean(), "mixes the questions"),
    ("advantages", lambda r: r - (r.sum() - r) / (r.numel() - 1), "mixes the questions"),
    ("advantages", lambda r: r - r.mean(0), "means over columns"),
    ("advantages", lambda r: r.sub_(r.mean()), "have been changed"),
    ("advantages", lambda r: r.mean(1), "one advantage for each answer"),
    ("advantages", lambda r: 2 * r, "the advantages are"),
    ("moving_average", lambda a, w, r: r * a + (1 - r) * w, "wrong way round"),
    ("moving_average", lambda a, w, r: a.lerp_(w, r), "has been changed"),
    ("moving_average", lambda a, w, r: a + r * w, "should give"),
    ("moving_average", lambda a, w, r: w.lerp_(a, 1 - r), "weights that were passed in"),
    ("moving_average", lambda a, w, r: w.mul_(r).add_(a, alpha=1 - r), "weights that were"),
    ("moving_average", lambda a, w, r: ((1 - r) * a + r * w).mean(), "shape (2,)"),
    ("shared_prompts", lambda a, b: [q for q in b if q in a], "None was found"),
    ("shared_prompts", lambda a, b: [q for q in b if any(q.strip() in x for x in a)],
     "compare whole questions"),
    ("shared_prompts", lambda a, b: [q for q in b if q.replace(" ", "").strip()
                                     in [x.replace(" ", "") for x in a]], "do not remove them all"),
    ("shared_prompts", lambda a, b: [one_spaced(q) for q in b if one_spaced(q)
                                     in map(one_spaced, a)], "with their own spaces"),
    ("shared_prompts", lambda a, b: [q for q in b if one_spaced(q) in a], "treat both lists alike"),
    ("shared_prompts", lambda a, b: [q for q in b if re.sub(" +", " ", q)
                                     in {re.sub(" +", " ", x.strip()) for x in a}],
     "at the two ends"),
    ("shared_prompts", lambda a, b: [q for q in b for x in a if one_spaced(q) == one_spaced(x)],
     "as often as"),
    ("shared_prompts", lambda a, b: list(dict.fromkeys(solutions.shared_prompts(a, b))),
     "as often as"),
    ("shared_prompts", lambda a, b: [q for q in b if sorted(q.split())
                                     in [sorted(x.split()) for x in a]], "order of the words"),
    ("shared_prompts", lambda a, b: [q for q in b if one_spaced(q.lower())
                                     in [one_spaced(x.lower()) for x in a]], "capital letters"),
    ("shared_prompts", lambda a, b: [q for q in b if one_spaced(q).rstrip(" .?")
                                     in [one_spaced(x).rstrip(" .?") for x in a]], "full stop"),
    ("shared_prompts", lambda a, b: solutions.shared_prompts(a, b) or None, "a list of test"),
    ("shared_prompts", lambda a, b: sorted(solutions.shared_prompts(a, b))[::-1], "same order"),
    ("shared_prompts", lambda a, b: solutions.shared_prompts(a, b) if a else b, "an empty list"),
    ("shared_prompts", lambda a, b: len(solutions.shared_prompts(a, b)), "a list of test"),
    ("choose_point", lambda n, k, e: int(k.argmax()), "on the new skill is 90 %"),
    ("choose_point", lambda n, k, e: int(n.argmax()), "has a higher retention"),
    ("choose_point", lambda n, k, e: int(k[n >= e].argmax()) + 3, "counted from 0"),
    ("choose_point", lambda n, k, e: int(np.where(n > e, k, -1).argmax()), "exactly `enough`"),
    ("choose_point", lambda n, k, e: int(np.where(n >= e, k, -1).argmax()), "no setting has"),
    ("choose_point", lambda n, k, e: [i for i in np.argsort(-k) if n[i] >= e][0], "it fails"),
    ("choose_point", or_the_best(lambda n, k, e: (n + k).argmax()), "on the new skill is 90 %"),
    ("choose_point", or_the_best(lambda n, k, e: (n * k).argmax()), "on the new skill is 90 %"),
    ("choose_point", or_the_best(lambda n, k, e: abs(n - e).argmin()), "has a higher retention"),
    ("choose_point", or_the_best(lambda n, k, e: np.where(n >= e, n, 9).argmin()),
     "has a higher retention"),
    ("choose_point", or_the_best(lambda n, k, e: (k * (n >= e)).argmax()), "must still win"),
    ("signature", lambda X, n: gaussian(X, n, covariance=np.cov(X.T)), "divides by n - 1"),
    ("signature", lambda X, n: gaussian(X, n, constant=0), "2 pi is missing"),
    ("signature", lambda X, n: gaussian(X, n, constant=np.log(2 * np.pi)), "not once in all"),
    ("signature", lambda X, n: gaussian(X, n, log_det=0), "determinant is missing"),
    ("signature", lambda X, n: gaussian(X, n, log_det=2 * np.linalg.slogdet(
        np.cov(X.T, bias=True))[1]), "factor 1/2 too"),
    ("signature", lambda X, n: gaussian(X, n, log_det=-np.linalg.slogdet(
        np.cov(X.T, bias=True))[1]), "sign of the log determinant"),
    ("signature", lambda X, n: gaussian(X, n, log_det=np.linalg.det(np.cov(X.T, bias=True))),
     "take its logarithm"),
    ("signature", lambda X, n: gaussian(X, n, log_det=np.log(np.linalg.det(
        np.cov(X.T, bias=True)))), "take np.linalg.slogdet"),
    ("signature", lambda X, n: gaussian(X, n, log_det=0, constant=0), "and the constant are"),
    ("signature", lambda X, n: -2 * gaussian(X, n, log_det=0, constant=0), "squared Mahalanobis"),
    ("signature", lambda X, n: np.exp(gaussian(X, n)), "That is the density"),
    ("signature", lambda X, n: -gaussian(X, n), "The sign is wrong"),
    ("signature", lambda X, n: gaussian(X, n, covariance=np.diag(X.var(0))), "variances only"),
    ("signature", lambda X, n: gaussian(X, n, mean=0), "not subtracted"),
    ("signature", lambda X, n: gaussian(X, n, inverse=np.cov(X.T, bias=True)), "its inverse"),
    ("signature", lambda X, n: gaussian(X, n).mean(), "of shape (4,), got shape ()"),
    ("signature", lambda X, n: gaussian(X, X), "of shape (4,), got shape (9,)"),
    ("signature", lambda X, n: gaussian(X, n, mean=n.mean(0)), "should give"),
    ("bhattacharyya_bound", lambda a, A, b, B: -np.log(bhattacharyya()(a, A, b, B)),
     "That is the distance D_B"),
    ("bhattacharyya_bound", lambda a, A, b, B: np.log(bhattacharyya()(a, A, b, B)), "minus the"),
    ("bhattacharyya_bound", lambda a, A, b, B: 1 / bhattacharyya()(a, A, b, B), "sign of the exp"),
    ("bhattacharyya_bound", lambda a, A, b, B: bhattacharyya()(a, A, b, B) / 2, "half of B1"),
    ("bhattacharyya_bound", lambda a, A, b, B: bhattacharyya()(a, A, b, B) * 2, "over both tasks"),
    ("bhattacharyya_bound", bhattacharyya(half=0), "with the determinants is missing"),
    ("bhattacharyya_bound", bhattacharyya(half=1), "needs the factor 1/2"),
    ("bhattacharyya_bound", bhattacharyya(half=-0.5), "never below 0"),
    ("bhattacharyya_bound", bhattacharyya(eighth=0), "with the means is missing"),
    ("bhattacharyya_bound", bhattacharyya(eighth=0.5), "1/8, not 1/2"),
    ("bhattacharyya_bound", bhattacharyya(eighth=0.25), "1/8, not 1/4"),
    ("bhattacharyya_bound", bhattacharyya(middle=np.add), "where their mean belongs"),
    ("bhattacharyya_bound", bhattacharyya(below=False), "missing in the denominator"),
    ("bhattacharyya_bound", bhattacharyya(middle=lambda A, B: A), "should give"),
    ("bhattacharyya_bound", lambda a, A, b, B: bhattacharyya(half=0)(a, A, b, B) * (
        np.linalg.det((A + B) / 2) / np.sqrt(np.linalg.det(A) * np.linalg.det(B)))**-0.5,
     "take np.linalg.slogdet"),
    ("surviving_score", lambda d, g, h: -(d + g) / 2, "score everywhere"),
    ("surviving_score", lambda d, g, h: -d, "divided by 20"),
    ("surviving_score", lambda d, g, h: -d / np.mean(h), "divided by 20"),
    ("surviving_score", lambda d, g, h: [own.mean() for own in h] - d, "divided by 20"),
    ("surviving_score", lambda d, g, h: d / [own.mean() for own in h], "sign is wrong"),
    ("surviving_score", lambda d, g, h: -d / d.mean(0), "the other inputs"),
    ("surviving_score", lambda d, g, h: (-d / [own.mean() for own in h]).max(1),
     "of shape (6, 3), got shape (6,)"),
    ("surviving_score", lambda d, g, h: 0 * d, "All scores are equal"),
    ("surviving_score", lambda d, g, h: 0 * d + g, "the right tasks are"),
    ("p_value", lambda s, h: (h >= s).mean(), "The new score counts too"),
    ("p_value", lambda s, h: (h >= s).sum() / (len(h) + 1), "The 1 in the numerator"),
    ("p_value", lambda s, h: (1 + (h >= s).sum()) / len(h), "The 1 in the denominator"),
    ("p_value", lambda s, h: (1 + (h > s).sum()) / (len(h) + 1), "compare with >="),
    ("p_value", lambda s, h: (h > s).mean(), "Two things are missing"),
    ("p_value", lambda s, h: (1 + (h <= s).sum()) / (len(h) + 1), "that are lower"),
    ("p_value", lambda s, h: (h < s).mean(), "that are lower"),
    ("p_value", lambda s, h: 1 + (h >= s).sum(), "return a share"),
    ("p_value", lambda s, h: min(1, (1 + (h >= s).sum()) / 12), "not for 3"),
    ("p_value", lambda s, h: h >= s, "Expected one number, got 11"),
    ("find_the_leak", in_batches(lambda batch: batch.mean(0).argmax()), "number with the leak"),
    ("find_the_leak", in_batches(lambda batch: np.bincount(batch.argmax(1)).argmax()),
     "still choose"),
    ("find_the_leak", in_batches(lambda batch: batch.mean(0).argmax(), shuffled=True),
     "should give"),
    ("find_the_leak", lambda s, t: np.mean([(s[t == k].argmax(1) == k).mean() for k in range(3)]),
     "mean over tasks"),
    ("find_the_leak", lambda s, t: (s.argmax(1) != t).mean(), "share that is wrong"),
    ("find_the_leak", lambda s, t: (s.argmax(1) == t).sum(), "return a share"),
    ("find_the_leak", lambda s, t: s.argmax(1) == t, "Expected one number"),
    ("find_the_leak", lambda s, t: (s.argmax(1) == np.sort(t)).mean(), "order of the inputs"),
    ("decomposition", parts(lambda a, b, c, d: (a + b) / 12, lambda a, b, c, d: a / 12,
                            lambda a, b, c, d: c / 12), "shares of all inputs"),
    ("decomposition", parts(lambda a, b, c, d: (a + b) / 12, lambda a, b, c, d: a / (a + c),
                            lambda a, b, c, d: c / (a + c)), "divide by"),
    ("decomposition", lambda t, c: (t.mean(), c[t].mean(), 1 - c[~t].mean()), "class is wrong"),
    ("decomposition", lambda t, c: (1 - t.mean(), c[t].mean(), c[~t].mean()), "task is wrong"),
    ("decomposition", lambda t, c: (t.mean(), c[~t].mean(), c[t].mean()), "exchanged"),
    ("decomposition", lambda t, c: (t.mean(), c[t].mean(), c.mean()), "accuracy on all inputs"),
    ("decomposition", lambda t, c: (t.mean(), c.mean(), c.mean()), "accuracy on all inputs"),
    ("decomposition", parts(lambda a, b, c, d: a + b, lambda a, b, c, d: a,
                            lambda a, b, c, d: c), "return shares"),
    ("decomposition", lambda t, c: (0.5, c.mean(), c.mean()), "Together they give"),
    ("decomposition", lambda t, c: (t.mean(), t[c].mean(), c[~t].mean()), "should give"),
    ("decomposition", lambda t, c: c.mean(), "of shape (3,), got shape ()"),
    ("decomposition", lambda t, c: (t.mean(), c[t].mean(), c[~t].mean() if (~t).any() else 0),
     "return np.nan"),
    ("decomposition", lambda t, c: (t.mean(), (t & c).sum() / int(t.sum()),
                                    int((~t & c).sum()) / int((~t).sum())), "it fails"),
    ("soft_loss", mixture(factor=lambda T: 1), "factor T^2 is missing"),
    ("soft_loss", mixture(factor=lambda T: T), "multiply it by T^2"),
    ("soft_loss", mixture(factor=lambda T: T**-2), "divided by T^2"),
    ("soft_loss", mixture(hard=lambda z, t, y, T: T * T * F.cross_entropy(z, y)),
     "soft part only"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(z / T, t / T).mean()), "KL(student || teacher)"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(z / T, t / T).mean(), factor=lambda T: 1),
     "KL(student || teacher)"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t, z / T).mean()), "only the student's logits"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t / T, z).mean()), "only the teacher's logits"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t, z).mean()), "divide both logits"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t, z).mean(), factor=lambda T: 1),
     "divide both logits"),
    ("soft_loss", mixture(soft=lambda z, t, T: (t.softmax(-1) / T * (
        (t.softmax(-1) / T).log() - (z.softmax(-1) / T).log())).sum(-1).mean()),
     "divides probabilities"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t * T, z * T).mean()), "are multiplied by"),
    ("soft_loss", mixture(hard=lambda z, t, y, T: F.cross_entropy(z / T, y)), "hard part is at"),
    ("soft_loss", mixture(hard=lambda z, t, y, T: F.cross_entropy(t, y)), "teacher's logits; it"),
    ("soft_loss", mixture(shares=lambda w: (w, 1 - w)), "wrong way round"),
    ("soft_loss", mixture(shares=lambda w: (1, w)), "hard part counts 1 - weight"),
    ("soft_loss", mixture(shares=lambda w: (1 - w, 1)), "soft part counts"),
    ("soft_loss", mixture(shares=lambda w: (1 - w, -w)), "sign of the soft part"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t / T, z / T).mean() / z.shape[-1]),
     "over the classes too"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t / T, z / T).sum()), "sum over the examples"),
    ("soft_loss", mixture(soft=lambda z, t, T: F.cross_entropy(z / T, (t / T).softmax(-1))),
     "own entropy"),
    ("soft_loss", mixture(soft=lambda z, t, T: F.kl_div(
        (z / T).softmax(-1), (t / T).softmax(-1), reduction="batchmean")), "their logarithm"),
    ("soft_loss", mixture(soft=lambda z, t, T: ((t / T).softmax(-1) * (
        (t / T).log_softmax(-1) - (z / T).log_softmax(-1))).sum(0).mean()), "other way round"),
    ("soft_loss", mixture(hard=lambda z, t, y, T: F.cross_entropy(z, y, reduction="none"),
                          soft=lambda z, t, T: kl(t / T, z / T)), "a loss for each example"),
    ("soft_loss", mixture(factor=lambda T: 6.25), "use both arguments"),
    ("soft_loss", mixture(shares=lambda w: (0.7, 0.3)), "use both arguments"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t / T, z / T).mean()), "reaches the teacher"),
    ("soft_loss", lambda *args: mixture()(*args).item(), "has no gradient"),
    ("soft_loss", lambda *args: mixture()(*args).detach(), "has no gradient"),
    ("soft_loss", mixture(soft=lambda z, t, T: kl(t.detach() / T, z.detach() / T).mean()),
     "part of the student is detached"),
    ("soft_loss", mixture(soft=lambda z, t, T: (t.detach() / T).softmax(-1).mul(
        ((t.detach() / T).softmax(-1) / (z / T).softmax(-1)).log()).sum(-1).mean()),
     "Take log_softmax"),
    ("soft_loss", lambda *args: mixture()(*args) + 1, "should give"),
    ("calibration_error", gaps_of_bins(lambda gap, size: abs(gap).mean()), "count the same; each"),
    ("calibration_error", lambda c, r, bins: gaps_of_bins(
        lambda gap, size: abs(gap).sum())(c, r, bins) / bins, "the empty one too"),
    ("calibration_error", gaps_of_bins(lambda gap, size: abs(gap).sum()), "sum over the bins"),
    ("calibration_error", gaps_of_bins(lambda gap, size: abs(size @ gap)), "opposite sign cancel"),
    ("calibration_error", lambda c, r, bins: r.mean() - c.mean(), "opposite sign cancel"),
    ("calibration_error", lambda c, r, bins: abs(r - c).mean(), "taken for each example"),
    ("calibration_error", gaps_of_bins(lambda gap, size: abs(gap).max()), "maximum"),
    ("calibration_error", gaps_of_bins(lambda gap, size: size @ gap**2), "are squared"),
    ("calibration_error", gaps_of_bins(lambda gap, size: (size @ gap**2) ** 0.5), "the root"),
    ("calibration_error", by_the_middle, "middle of a bin"),
    ("calibration_error", gaps_of_bins(lambda gap, size: 100 * size @ abs(gap)), "in percent"),
    ("calibration_error", lambda c, r, bins: len(c) * gaps_of_bins(
        lambda gap, size: size @ abs(gap))(c, r, bins), "take their share"),
    ("calibration_error", equal_counts, "equal numbers of examples"),
    ("calibration_error", lambda c, r, bins: equal_counts(
        c, r, bins, lambda c: np.arange(len(c))), "equal numbers of examples"),
    ("calibration_error", gaps_of_bins(lambda gap, size: size @ abs(gap),
                                       from_smallest_to_largest), "go from 0 to 1"),
    ("calibration_error", lambda c, r, bins: sum(
        (np.ceil(c * bins) == b).mean() * abs((r - c)[np.ceil(c * bins) == b].mean())
        for b in range(1, bins + 1)), "Leave empty bins out"),
    ("calibration_error", lambda c, r, bins: gaps_of_bins(
        lambda gap, size: size @ abs(gap))(c, r, 4), "not for 3"),
    ("calibration_error", gaps_of_bins(lambda gap, size: size @ abs(gap), lambda c, bins: (
        c * bins).astype(int)), "a confidence of exactly 1"),
    ("calibration_error", lambda c, r, bins: np.abs(np.bincount(
        (c * bins).astype(int), r - c)).sum() / len(c), "a confidence of exactly 1"),
    ("calibration_error", lambda c, r, bins: abs(r - c), "Expected one number"),
    ("calibration_error", lambda c, r, bins: 0.5, "should give"),
    ("best_mixing", mixing(sign=-1), "sign is wrong"),
    ("best_mixing", lambda y, t, s: 1 - mixing()(y, t, s), "share of the teacher"),
    ("best_mixing", lambda y, t, s: 1 / mixing()(y, t, s), "upside down"),
    ("best_mixing", lambda y, t, s: (y - t) @ (s - t), "Divide by the sum"),
    ("best_mixing", lambda y, t, s: (y - t) @ (s - t) / np.linalg.norm(s - t), "to be squared"),
    ("best_mixing", lambda y, t, s: (y - t) @ (s - t) / np.linalg.norm(s - t)
     / np.linalg.norm(y - t), "a correlation"),
    ("best_mixing", lambda y, t, s: (y - t) @ (s - t) / ((y - t) @ (y - t)),
     "errors of the teacher"),
    ("best_mixing", mixing(sign=2), "Twice too much"),
    ("best_mixing", mixing(sign=0.5), "Half of it"),
    ("best_mixing", lambda y, t, s: (y - t) @ (s - t) / np.mean((s - t)**2), "the other a sum"),
    ("best_mixing", lambda y, t, s: np.mean((y - t) * (s - t)) / np.sum((s - t)**2), "a sum"),
    ("best_mixing", lambda y, t, s: y @ (s - t) / ((s - t) @ (s - t)), "predictions off"),
    ("best_mixing", lambda y, t, s: (y - t) @ s / (s @ s), "use their difference"),
    ("best_mixing", lambda y, t, s: np.polyfit(s - t, y - t, 1)[0], "no intercept"),
    ("best_mixing", lambda y, t, s: max(mixing()(y, t, s), 0), "may be below 0"),
    ("best_mixing", lambda y, t, s: min(mixing()(y, t, s), 1), "may be above 1"),
    ("best_mixing", lambda y, t, s: (y - t) / (s - t), "Expected one number, got 5"),
    ("correction_round", correction(last=lambda t: t), "the first whole round above"),
    ("correction_round", correction(last=np.floor), "the last round with a wrong label"),
    ("correction_round", correction(last=lambda t: -t), "sign is wrong"),
    ("correction_round", correction(last=lambda t: np.floor(-t) + 1), "sign is wrong"),
    ("correction_round", correction(e=lambda c, d, m: m * (c - d)), "The 1 - c of e"),
    ("correction_round", correction(e=lambda c, d, m: 1 - d), "number of examples in a class"),
    ("correction_round", correction(odds=lambda D: 1 / D), "(1 + Delta) / Delta"),
    ("correction_round", correction(odds=lambda D: (1 - D) / D), "not 1 - Delta"),
    ("correction_round", correction(e=lambda c, d, m: 1e12), "b is missing"),
    ("correction_round", lambda c, d, m, lam, D: 8, "Two logarithms are missing"),
    ("correction_round", lambda c, d, m, lam, D: 33, "where it is round 2"),
    ("correction_round", lambda c, d, m, lam, D: 34, "should give 33"),
    ("correction_round", correction(none=lambda D: 1 / 0), "return np.inf"),
    ("correction_round", correction(none=lambda D: -1), "return np.inf"),
    ("correction_round", correction(none=lambda D: np.nan), "return np.inf"),
    ("compose", lambda *args: composed()(*args).T, "That is transposed"),
    ("compose", lambda A, B, s, C, D: (B * s) @ A, "The new part is missing"),
    ("compose", lambda A, B, s, C, D: D @ C, "the units are missing"),
    ("compose", composed(new=lambda A, B, s: (B * s) @ A), "into the new part too"),
    ("compose", composed(lambda A, B, s: B @ A, lambda A, B, s: (B * s) @ A),
     "into the new part; they"),
    ("compose", composed(lambda A, B, s: s[:, None] * B @ A), "into rows of B"),
    ("compose", lambda A, B, s, C, D: s[:, None] * (B @ A + D @ C), "into rows of B"),
    ("compose", composed(lambda A, B, s: B @ (A * s)), "into columns of A"),
    ("compose", lambda A, B, s, C, D: (B @ A + D @ C) * s, "into columns of A"),
    ("compose", composed(lambda A, B, s: B @ A), "s is not used"),
    ("compose", composed(lambda A, B, s: (B * s) @ (s[:, None] * A)), "count twice"),
    ("compose", composed(lambda A, B, s: s.sum() * B @ A), "each has its own"),
    ("compose", composed(lambda A, B, s: s.mean() * B @ A), "each has its own"),
    ("compose", composed(lambda A, B, s: (A * s) @ B, lambda A, B, s: A @ B), "wrong way round"),
    ("compose", composed(lambda A, B, s: A @ (B * s), lambda A, B, s: A @ B), "wrong way round"),
    ("compose", composed(lambda A, B, s: (s[:, None] * A) @ B, lambda A, B, s: A @ B),
     "wrong way round"),
    ("compose", lambda A, B, s, C, D: (B * s + D) @ (A + C), "added before they are multiplied"),
    ("compose", lambda A, B, s, C, D: (B + D) @ (s[:, None] * A + C), "units meet the new part"),
    ("compose", composed(new=lambda A, B, s: -B @ A), "your cell [0, 0] is"),
    ("compose", lambda *args: composed()(*args) * (1 - np.diag([0, 0, 1])), "your cell [2, 2] is"),
    ("compose", lambda A, B, s, C, D: np.stack([A, C]), "of shape (3, 3), got shape (2, 3, 3)"),
    ("compose", composed(lambda A, B, s: sum(s[j] * np.outer(B[:, j], A[j]) for j in range(3))),
     "it fails with 2 units"),
    ("compose", composed(lambda A, B, s: np.stack([
        s[j] * np.outer(B[:, j], A[j]) for j in range(len(s))]).sum(0)), "it fails for the first"),
    ("compose", composed(lambda A, B, s: (B * s) @ A * len(s) / 3), "but not with 2 units"),
    ("compose", composed(lambda A, B, s: (B * s) @ A if len(s) else 1), "but not for the first"),
    ("update_norm", thin_norm(lambda left, right: (left * right).sum()), "the squared norm"),
    ("update_norm", lambda A, B: np.linalg.norm(A) * np.linalg.norm(B), "product of two norms"),
    ("update_norm", thin_norm(lambda left, right: np.trace(left) * np.trace(right)),
     "product of two squared norms"),
    ("update_norm", thin_norm(lambda left, right: (np.trace(left) + np.trace(right))**0.5),
     "and not of their product"),
    ("update_norm", of_units(lambda squared: squared.sum()**0.5), "only if the units are orth"),
    ("update_norm", of_units(np.sum), "and no root"),
    ("update_norm", of_units(lambda squared: (squared**0.5).sum()), "sum of the norms of the"),
    ("update_norm", of_values(np.max), "the spectral norm"),
    ("update_norm", of_values(np.sum), "the nuclear norm"),
    ("update_norm", lambda A, B: ((B @ A)**2).mean()**0.5, "the root of the mean square"),
    ("update_norm", thin_norm(lambda left, right: np.linalg.norm(left @ right)), "not its norm"),
    ("update_norm", thin_norm(lambda left, right: np.linalg.norm(left * right)), "that is a norm"),
    ("update_norm", thin_norm(lambda left, right: (left @ right).sum()), "not the sum of its"),
    ("update_norm", thin_norm(lambda left, right: abs((left @ right).sum())**0.5),
     "add up the diagonal only"),
    ("update_norm", lambda A, B: B @ A, "Expected one number, got 20"),
    ("update_norm", lambda A, B: 2 * thin_norm()(A, B), "should give"),
    ("update_norm", lambda A, B: np.linalg.norm(B @ A), "it makes a large matrix"),
    ("update_norm", of_values(np.linalg.norm), "it makes a large matrix"),
    ("update_norm", lambda A, B: np.trace(A.T @ (B.T @ B) @ A)**0.5, "it makes a large matrix"),
    ("update_norm", lambda A, B: np.linalg.norm(np.linalg.svd(B)[1][:, None]
                                                * np.linalg.svd(B)[2] @ A), "full_matrices"),
    ("update_norm", lambda A, B: torch.linalg.norm(torch.tensor(B) @ torch.tensor(A)),
     "it makes a large matrix"),
    ("update_norm", lambda A, B: sum(((b @ A)**2).sum() for b in B)**0.5, "it is too slow"),
    ("update_norm", lambda A, B: thin_norm()(A[:, :500], B), "Right for small matrices, but"),
    ("largest_cosine", cells(np.max), "between single rows"),
    ("largest_cosine", cells(lambda dots: abs(dots).max()), "between single rows"),
    ("largest_cosine", cells(np.mean), "between single rows"),
    ("largest_cosine", cells(lambda dots: abs(dots).mean()), "between single rows"),
    ("largest_cosine", cosine(bases=(np.asarray, np.asarray)), "Make one first"),
    ("largest_cosine", cosine(bases=(of_length_1, of_length_1)), "they have length 1 now"),
    ("largest_cosine", cosine(bases=(orthonormal, np.asarray)), "Only one of the two"),
    ("largest_cosine", cosine(bases=(np.asarray, orthonormal)), "Only one of the two"),
    ("largest_cosine", cosine(bases=(orthonormal, of_length_1)), "Only one of the two"),
    ("largest_cosine", cosine(bases=(of_length_1, orthonormal)), "Only one of the two"),
    ("largest_cosine", cosine(bases=2 * [lambda rows: np.linalg.qr(rows)[0]]), "transpose first"),
    ("largest_cosine", cosine(bases=2 * [lambda rows: np.linalg.svd(rows)[2]]), "full_matrices"),
    ("largest_cosine", cells(np.max, orthonormal), "largest cell of the product"),
    ("largest_cosine", cells(lambda dots: abs(dots).max(), orthonormal), "largest cell"),
    ("largest_cosine", cells(lambda dots: abs(dots).max(), lambda rows: np.linalg.svd(
        rows, full_matrices=False)[2]), "largest cell"),
    ("largest_cosine", cosine(np.min), "the smallest principal cosine"),
    ("largest_cosine", cosine(np.mean), "the mean of the principal cosines"),
    ("largest_cosine", cosine(np.sum), "the sum of the principal cosines"),
    ("largest_cosine", cosine(np.linalg.norm), "adds up all squared"),
    ("largest_cosine", cosine(lambda cosines: (cosines**2).sum()), "adds up all squared"),
    ("largest_cosine", cosine(lambda cosines: cosines.max()**2), "That is squared"),
    ("largest_cosine", lambda A, other: subspace_angles(A.T, other.T).min(), "That is an angle"),
    ("largest_cosine", lambda A, other: subspace_angles(A.T, other.T).max(), "That is an angle"),
    ("largest_cosine", lambda A, other: np.degrees(subspace_angles(A.T, other.T).min()),
     "That is an angle"),
    ("largest_cosine", lambda A, other: np.sin(subspace_angles(A.T, other.T).min()), "the sine"),
    ("largest_cosine", cosine(lambda cosines: cosines), "Expected one number, got 2"),
    ("largest_cosine", cosine(lambda cosines: cosines.max() / 2), "should give"),
    ("largest_cosine", lambda A, other: cosine()(A[:2], other[:2]), "for 1 and 3 rows"),
    ("worth_composing", unpaired(lambda n: stats.t.ppf(0.975, n - 1)), "That is not paired"),
    ("worth_composing", unpaired(lambda n: stats.t.ppf(0.975, 2 * n - 2)), "That is not paired"),
    ("worth_composing", unpaired(lambda n: 1.96), "That is not paired"),
    ("worth_composing", welch, "That is not paired"),
    ("worth_composing", two_intervals(crossed=0), "ends of two intervals"),
    ("worth_composing", two_intervals(crossed=1), "ends of two intervals"),
    ("worth_composing", paired(lambda gain, t: 1.96 * stats.sem(gain)), "normal distribution"),
    ("worth_composing", paired(lambda gain, t: stats.norm.ppf(0.975) * stats.sem(gain)),
     "normal distribution"),
    ("worth_composing", paired(lambda gain, t: 2 * stats.sem(gain)), "normal distribution"),
    ("worth_composing", paired(lambda gain, t: 1.96 * stats.sem(gain, ddof=0)), "Also, np.std"),
    ("worth_composing", paired(lambda gain, t: t(0.975, len(gain) - 1) * stats.sem(gain, ddof=0)),
     "yet. np.std divides by n"),
    ("worth_composing", paired(lambda gain, t: t(0.95, len(gain) - 1) * stats.sem(gain)),
     "a 90 % interval"),
    ("worth_composing", paired(lambda gain, t: t(0.975, len(gain)) * stats.sem(gain)),
     "one degree of freedom less"),
    ("worth_composing", paired(lambda gain, t: stats.sem(gain)), "multiply it by the quantile"),
    ("worth_composing", paired(lambda gain, t: t(0.975, len(gain) - 1) * gain.std(ddof=1)),
     "standard deviation of one difference"),
    ("worth_composing", paired(lambda gain, t: 1.96 * gain.std(ddof=1)), "of one difference"),
    ("worth_composing", paired(lambda gain, t: gain.std(ddof=1)), "of one difference"),
    ("worth_composing", paired(lambda gain, t: t(0.975, len(gain) - 1) * gain.std(ddof=1)
                               / len(gain)), "divide by its root"),
    ("worth_composing", paired(lambda gain, t: t(0.975, len(gain) - 1) * gain.var(ddof=1)
                               / len(gain)**0.5), "the variance"),
    ("worth_composing", lambda w, wo: ((w - wo).mean(), (w - wo).min(), (w - wo).max()),
     "the smallest and the largest difference"),
    ("worth_composing", lambda w, wo: paired()(wo, w), "subtract `without`"),
    ("worth_composing", paired(ends=lambda mean, half: (mean, mean + half, mean - half)),
     "are exchanged"),
    ("worth_composing", paired(ends=lambda mean, half: (mean - half, mean, mean + half)),
     "The order is"),
    ("worth_composing", paired(ends=lambda mean, half: (mean - half, mean + half, mean)),
     "The order is"),
    ("worth_composing", paired(ends=lambda mean, half: (mean, -half, half)), "Add the mean"),
    ("worth_composing", paired(ends=lambda mean, half: (
        100 * mean, 100 * (mean - half), 100 * (mean + half))), "in percent"),
    ("worth_composing", lambda w, wo: ((w - wo).mean(), seed_interval(w - wo)), "two things"),
    ("worth_composing", lambda w, wo: w - wo, "of shape (3,), got shape (5,)"),
    ("worth_composing", lambda w, wo: paired()(w / wo, 1), "should give"),
    ("worth_composing", paired(lambda gain, t: 2.776445 * stats.sem(gain)), "but not for 3"),
]


def test_every_exercise_is_tried_with_at_least_three_wrong_answers():
    tried = [name for name, _, _ in WRONG]
    assert set(tried) == set(exercises) and min(map(tried.count, exercises)) >= 3


@pytest.mark.parametrize("name", exercises)
def test_the_solution_is_right(name, printed):
    assert printed(name, exercises[name].solution) == f"{name}: right!"


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_a_wrong_answer_is_told_which_mistake_it_made(name, answer, words, printed):
    text = printed(name, answer)
    assert text.startswith(f"{name}: not yet. "), text
    assert words in text
    assert text.endswith(f" For a hint: {hint_call(text)}")


@pytest.mark.parametrize("name", exercises)
@pytest.mark.parametrize("nothing", [..., None])
def test_a_stub_is_not_yet_right_and_raises_nothing(name, nothing, printed):
    assert printed(name, lambda *args: nothing).startswith(
        f"{name}: not yet. The function returns nothing yet")


@pytest.mark.parametrize("name", exercises)
def test_a_function_that_raises_is_told_what_it_raised(name, printed):
    def answer(*args):
        raise ZeroDivisionError("by nothing")
    assert f"{name}: your function raised ZeroDivisionError: by nothing" in printed(name, answer)


@pytest.mark.parametrize("name", exercises)
@pytest.mark.parametrize("answer", [lambda: 1, lambda *args: "text", lambda *args: object(), 7])
def test_no_answer_however_odd_stops_the_notebook(name, answer, printed):
    text = printed(name, answer)
    assert text.startswith(f"{name}: ") and "right!" not in text


def test_a_check_leaves_what_the_student_was_given_alone(printed):
    def changes_R(R):
        wanted = exercises["backward_transfer"].solution(R)
        R[:] = 0
        return wanted
    assert printed("backward_transfer", changes_R) == "backward_transfer: right!"


def test_another_way_to_write_a_right_answer_is_right_too(printed):
    assert "right!" in printed("backward_transfer",
                            lambda R: torch.tensor(R[-1, :-1] - np.diagonal(R)[:-1]).mean())
    assert "right!" in printed("ewc_penalty", lambda w, a, f: float((w - a) @ (f * (w - a)) / 2))
    assert "right!" in printed("allowed_answer", lambda z, m: np.where(m, z, -9e9).argmax(-1))
    assert "right!" in printed("masked_loss", lambda z, y, m: F.cross_entropy(
        z[:, m], m.cumsum(0)[y] - 1))
    assert "right!" in printed("masked_loss", lambda z, y, m: -(
        (z.exp() * m) / (z.exp() * m).sum(1, keepdim=True))[range(len(y)), y].log().mean())
    assert "right!" in printed("allowed_answer", lambda z, m: (z.softmax(-1) * m).argmax(-1))
    assert "right!" in printed("token_kl", lambda p, q: F.kl_div(
        q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="none").sum(-1))
    assert "right!" in printed("signature", lambda X, new: multivariate_normal(
        X.mean(0), np.cov(X.T, ddof=0)).logpdf(new))
    assert "right!" in printed("bhattacharyya_bound", bhattacharyya())
    for usual in (np.median, np.max, lambda own: np.quantile(own, 0.9)):
        assert "right!" in printed("surviving_score", lambda d, g, h, usual=usual: -d / [
            usual(own) for own in h])
    assert "right!" in printed("surviving_score", lambda d, g, h: np.stack([
        p_values(column, own) for column, own in zip(d.T, h, strict=True)], 1))
    assert "right!" in printed("p_value", lambda s, h: 1 - np.sum(h < s) / (len(h) + 1))
    assert "right!" in printed("best_mixing", lambda y, t, s: np.linalg.lstsq(
        (s - t)[:, None], y - t)[0][0])
    assert "right!" in printed("correction_round", lambda c, d, m, lam, D: next((
        t for t in range(1, 99) if (m * (c - d) + 1 - c)**t * D * (1 - c + lam)**t
        > (1 + D) * (1 - c)**t * (m * (c - d) + 1 - c + lam)**t), np.inf))
    assert "right!" in printed("find_the_leak", lambda s, t: sum(
        row.argmax() == k for row, k in zip(s, t, strict=True)) / len(t))
    assert "right!" in printed("soft_loss", mixture(soft=lambda z, t, T: F.kl_div(
        F.log_softmax(z / T, 1), F.softmax(t.detach() / T, 1), reduction="batchmean")))
    assert "right!" in printed("calibration_error", gaps_of_bins(
        lambda gap, size: size @ abs(gap)))
    assert "right!" in printed("calibration_error", lambda c, r, bins: (
        expected_calibration_error(np.stack([c, *[(1 - c) / 9] * 9], -1), 1 - r, bins)))
    assert "right!" in printed("decomposition", lambda t, c: np.array(
        [t.mean(), c[t].mean(), c[~t].mean()]))
    assert "right!" in printed("compose", composed(lambda A, B, s: B @ np.diag(s) @ A))
    assert "right!" in printed("compose", lambda A, B, s, C, D: (
        np.hstack([B, D]) * np.append(s, np.ones(len(C))) @ np.vstack([A, C])))
    assert "right!" in printed("update_norm", lambda A, B: np.trace(B.T @ B @ A @ A.T)**0.5)
    assert "right!" in printed("update_norm", lambda A, B: np.linalg.norm(
        np.linalg.qr(B)[1] @ A))
    assert "right!" in printed("update_norm", lambda A, B: np.linalg.norm(
        np.linalg.svd(B, full_matrices=False)[1][:, None]
        * np.linalg.svd(B, full_matrices=False)[2] @ A))
    assert "right!" in printed("update_norm", lambda A, B: factored.norm(
        torch.tensor(A), torch.tensor(B)))
    assert "right!" in printed("largest_cosine", lambda A, other: np.cos(
        subspace_angles(A.T, other.T).min()))
    assert "right!" in printed("largest_cosine", lambda A, other: np.linalg.norm(
        np.linalg.pinv(A) @ A @ np.linalg.pinv(other) @ other, 2))
    assert "right!" in printed("largest_cosine", lambda A, other: factored.principal_cosines(
        torch.tensor(A), torch.tensor(other))[0])
    assert "right!" in printed("worth_composing", lambda w, wo: (
        np.mean(w - wo), *seed_interval(w - wo)))
    assert "right!" in printed("worth_composing", lambda w, wo: np.array([
        w.mean() - wo.mean(), *stats.ttest_rel(w, wo).confidence_interval()]))


def test_the_memory_of_a_student_s_norm_is_measured_beside_other_measurements(printed):
    tracemalloc.start()
    try:
        assert "right!" in printed("update_norm", exercises["update_norm"].solution)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert "large matrix" in printed("update_norm", lambda A, B: np.linalg.norm(B @ A))
    assert not tracemalloc.is_tracing()


@pytest.mark.parametrize("name", exercises)
def test_hints_go_from_first_to_last_and_the_last_stays(name, capsys, monkeypatch):
    monkeypatch.setitem(vars(__import__("workbench.course.exercises", fromlist=["_"])),
                        "_hinted", {})
    hints = exercises[name].hints
    assert len(hints) >= 3
    for _ in range(len(hints) + 2):
        hint(name)
    n = len(hints)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert out.split() == " ".join(
        f"Hint {i} of {n}: {hints[i - 1]}" for i in [*range(1, n + 1), n, n]).split()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("wrong", [lambda *args: None, lambda *args: 1 / 0], ids=["no", "raises"])
def test_the_hint_that_a_failed_check_offers_can_be_called_in_every_notebook(path, wrong, capsys):
    namespace: dict[str, object] = {}
    exec(import_cells(path), namespace)
    for name in re.findall(r"### Exercise: `(\w+)`", read_text(path)):
        capsys.readouterr()
        namespace["check"](name, wrong)
        exec(hint_call(capsys.readouterr().out), namespace)
        assert re.match(r"Hint \d of \d: ", capsys.readouterr().out), name


def test_the_text_about_hints_shows_a_call_that_works(capsys):
    start = next(path for path in NOTEBOOKS if path.stem == "00_start_here")
    shown, = re.findall(r"`([\w.]*hint\([^`]*\))`", read_text(start))
    namespace: dict[str, object] = {}
    exec(import_cells(start), namespace)
    capsys.readouterr()
    exec(shown, namespace)
    assert re.match(r"Hint \d of \d: ", capsys.readouterr().out)


def squeezed(text: str) -> str:
    """Text without what may differ between two ways to write the same code."""
    return re.sub(r"[\s`()]", "", text)


class Inline(ast.NodeTransformer):
    """Puts what a name stands for in place of the name."""

    def __init__(self, meaning):
        self.meaning = meaning

    def visit_Name(self, node):
        return self.visit(self.meaning[node.id]) if node.id in self.meaning else node


def solution_code(name: str) -> set[str]:
    """The code of a solution that gives it away: what it returns, and its longer expressions."""
    source = inspect.getsource(exercises[name].solution)
    meaning = {target.id: node.value for node in ast.walk(ast.parse(source))
               if isinstance(node, ast.Assign) for target in node.targets
               if isinstance(target, ast.Name)}
    telling = set()
    for tree in (ast.parse(source), Inline(meaning).visit(ast.parse(source))):
        parts = [node for node in ast.walk(tree) if isinstance(node, ast.expr)
                 and not isinstance(node, ast.Constant)
                 and sum(isinstance(part, ast.expr) for part in ast.walk(node)) >= 7]
        parts += [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)
                  and not isinstance(node.value, (ast.Name, ast.List))]
        telling |= {squeezed(ast.unparse(node)) for node in parts}
    return telling


def test_the_code_of_a_solution_is_recognised_however_it_is_spaced():
    assert "after/before" in solution_code("retention")
    assert squeezed("`kept / (new\n>= x)`") == squeezed("kept/new >=x")
    assert squeezed("np.where(new >= enough, retention, -1)") in solution_code("choose_point")
    assert all(solution_code(name) for name in exercises)


@pytest.mark.parametrize("e", exercises.values(), ids=lambda e: e.name)
def test_no_goal_and_no_hint_contains_code_of_the_solution(e):
    for text in (e.goal, *e.hints):
        shown = [code for code in solution_code(e.name) if code in squeezed(text)]
        assert not shown, text


@pytest.mark.parametrize("call", [lambda: check("share_lost", lambda: 1), lambda: hint("share")])
def test_an_unknown_exercise_is_told_with_the_known_ones(call):
    with pytest.raises(UnknownNameError, match="unknown exercise 'share") as caught:
        call()
    assert all(name in str(caught.value) for name in exercises)


@pytest.mark.parametrize("e", exercises.values(), ids=lambda e: e.name)
def test_an_exercise_says_what_how_hard_and_how_long(e):
    assert e.name in e.goal and 1 <= e.difficulty <= 3 and 1 <= e.minutes <= 30
    assert e is shown[e.name]
