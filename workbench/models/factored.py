"""Low-rank updates kept as two thin matrices: the product `B A` is never formed.

An update of rank r on a layer with m inputs and n outputs is held as `A`, shape (r, m), and `B`,
shape (n, r). The time of all functions grows as (m + n) r^2; that of the product alone would grow
as m n r.
"""

import torch
from torch import Tensor

from workbench.errors import ModelError


def norm(A: Tensor, B: Tensor) -> Tensor:
    r"""Return the Frobenius norm of B A, shape ().

    :math:`\lVert BA\rVert_F^2 = \operatorname{tr}\big((B^\top B)(AA^\top)\big)`, two r by r
    matrices.
    """
    _check(A, B)
    return ((B.mT @ B) * (A @ A.mT)).sum().clamp_min(0).sqrt()


def singular_values(A: Tensor, B: Tensor) -> Tensor:
    r"""Return the r largest singular values of B A, in descending order: shape (r,).

    With :math:`B = Q_B R_B` and :math:`A^\top = Q_A R_A` they are those of
    :math:`R_B R_A^\top`, an r by r matrix. For r above m or n the rest of the values is 0.
    """
    _check(A, B)
    inner = torch.linalg.qr(B)[1] @ torch.linalg.qr(A.mT)[1].mT
    values = torch.linalg.svdvals(inner)
    return torch.cat([values, values.new_zeros(len(A) - len(values))])


def principal_cosines(A: Tensor, other: Tensor) -> Tensor:
    """Return the cosines of the principal angles between two row spaces, in descending order.

    The rows of `A`, shape (r, m), and `other`, shape (s, m), span the inputs that two updates read;
    the result has shape (min(r, s),). A cosine of 1 means that they read a common direction, and
    if the largest is 0 they read nothing in common. Each set of rows must be linearly independent;
    the method is that of Björck & Golub (1973).
    """
    if (A.dim() != 2 or other.dim() != 2 or A.shape[1] != other.shape[1]
            or not len(A) or not len(other)):
        raise ModelError("principal angles need two matrices with rows of the same length, at "
                         f"least one row each, not shapes {tuple(A.shape)} and "
                         f"{tuple(other.shape)}")
    bases = [torch.linalg.qr(rows.double().mT)[0] for rows in (A, other)]
    cosines: Tensor = torch.linalg.svdvals(bases[0].mT @ bases[1])
    return cosines.clamp_max(1)


def _check(A: Tensor, B: Tensor) -> None:
    if A.dim() != 2 or B.dim() != 2 or len(A) != B.shape[1]:
        raise ModelError("an update needs A of shape (rank, inputs) and B of shape (outputs, rank),"
                         f" not {tuple(A.shape)} and {tuple(B.shape)}")
