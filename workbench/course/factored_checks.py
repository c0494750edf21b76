"""Checks of the exercises about thin matrices: each recognises likely mistakes."""

# mypy: allow-untyped-calls

from functools import partial

import numpy as np

from workbench.course import solutions
from workbench.course.checks import Answer, Wrong, expect, near, one_number, refuse_mistakes
from workbench.measure.accuracies import Floats
from workbench.system.usage import measured


def update_norm(answer: Answer) -> None:
    """Check the norm of a product of thin matrices, and that the product is never formed."""
    rng = np.random.default_rng(1)
    A, B = rng.normal(size=(3, 4)), rng.normal(size=(5, 3))
    value = one_number(answer(A.copy(), B.copy()))
    wanted = float(solutions.update_norm(A, B))
    left, right = B.T @ B, A @ A.T
    values = np.linalg.svd(B @ A, compute_uv=False)
    units = np.diagonal(left) * np.diagonal(right)
    bound = "the norm of a product is smaller than the product of the norms, or equal."
    small = "The trace of the product of the two small matrices is needed, "
    refuse_mistakes(value, [
        (wanted**2, "That is the squared norm; take its root."),
        (np.linalg.norm(A) * np.linalg.norm(B), f"That is the product of two norms: {bound}"),
        ((A**2).sum() * (B**2).sum(), f"That is the product of two squared norms: {bound}"),
        (np.hypot(np.linalg.norm(A), np.linalg.norm(B)),
         "That is the norm of all numbers in A and B together, and not of their product."),
        (np.sqrt(units.sum()), "That is right only if the units are orthogonal: the dot products "
                               "of different units are missing."),
        (units.sum(), "That has no dot products of different units, and no root."),
        (np.sqrt(units).sum(), "That is the sum of the norms of the units; the norm of a sum is "
                               "smaller, or equal."),
        (values[0], "That is the largest singular value, the spectral norm. The Frobenius norm is "
                    "the root of the sum of all squared singular values."),
        (values.sum(), "That is the sum of the singular values, the nuclear norm. The Frobenius "
                       "norm is the root of the sum of their squares."),
        (wanted / np.sqrt(20), "That is the root of the mean square; take the sum of the squares."),
        (np.linalg.norm(left @ right), small + "and not its norm."),
        (np.linalg.norm(left * right), small + "which is a sum; that is a norm."),
        *((root(abs((left @ right).sum())), small + "and not the sum of its cells: add up the "
           "diagonal only, or multiply element by element.") for root in (np.sqrt, abs))])
    expect(value, wanted)
    # Each size is safe for an answer that passed the one before it, whatever that answer does.
    for inputs, outputs in ((1_000, 1_500), (2_000, 20_000), (8_000, 200_000)):
        _stays_thin(answer, rng.normal(size=(3, inputs)), rng.normal(size=(outputs, 3)))


def _stays_thin(answer: Answer, A: Floats, B: Floats) -> None:
    """Check a norm on large matrices, and its memory and processor time."""
    thin = A.copy(), B.copy()
    # A function that runs in another process is measured there.
    value, size, seconds = getattr(answer, "measured", partial(measured, answer))(*thin)
    value = one_number(value)
    given = A.nbytes + B.nbytes
    example = f"for A of shape {A.shape} and B of shape {B.shape}"
    if size > 30 * given:
        raise Wrong(f"The norm is right, but {example}, {given / 1e6:.1f} MB together, it needs "
                    f"another {size / 1e6:.0f} MB: it makes a large matrix, such as the product. "
                    "Use matrices of shape (rank, rank). (np.linalg.svd needs "
                    "full_matrices=False.)")
    if seconds > 0.3:
        raise Wrong(f"The norm is right, but {example} it is too slow ({seconds:.1f} s): it "
                    "computes all cells of the product, one part after another. Two products of "
                    "shape (rank, rank) are enough.")
    wanted = float(solutions.update_norm(A, B))
    if not near(value, wanted):
        raise Wrong(f"Right for small matrices, but {example} it gives {value:.2f} and should "
                    f"give {wanted:.2f}.")


def largest_cosine(answer: Answer) -> None:
    """Check the cosine of the smallest angle between two row spaces."""
    rng = np.random.default_rng(25)
    A = rng.normal(size=(2, 5)) * [[3.0], [0.7]]
    other = rng.normal(size=(2, 5)) * [[0.4], [2.0]]
    value = one_number(answer(A.copy(), other.copy()))
    wanted = float(solutions.largest_cosine(A, other))
    refuse_mistakes(value, _mistakes_of_largest_cosine(A, other))
    expect(value, wanted)
    for r, s in ((1, 3), (4, 2)):
        A, other = rng.normal(size=(r, 7)), rng.normal(size=(s, 7))
        again = one_number(answer(A.copy(), other.copy()))
        wanted = float(solutions.largest_cosine(A, other))
        if not near(again, wanted):
            raise Wrong(f"Right for 2 rows each, but for {r} and {s} rows it gives {again:.4f} and "
                        f"should give {wanted:.4f}.")


def _mistakes_of_largest_cosine(A: Floats, other: Floats) -> list[tuple[float, str]]:
    """Return the numbers that mistakes lead to, each with its message."""
    unit, other_unit = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (A, other))
    (basis, of_other), svd_bases = ([np.linalg.qr(rows.T)[0].T for rows in (A, other)],
                                    [np.linalg.svd(rows, full_matrices=False)[2]
                                     for rows in (A, other)])
    rows, dots = unit @ other_unit.T, basis @ of_other.T
    cosines = np.linalg.svd(dots, compute_uv=False)
    angles = np.arccos(cosines)

    def largest(products: Floats) -> float:
        return float(np.linalg.norm(products, 2))

    no_basis = "The rows are not an orthonormal basis: "
    single = ("That is a cosine between single rows. A sum of rows can be closer to the other "
              "space: use a basis of each space, and singular values.")
    return [
        *((number, single) for number in (rows.max(), abs(rows).max(), rows.mean(),
                                          abs(rows).mean())),
        (largest(A @ other.T), no_basis + "the number changes with their lengths and with the "
                                          "angles between them. Make one first."),
        (largest(rows), no_basis + "they have length 1 now, but they are not orthogonal to each "
                                   "other."),
        *((largest(products), "Only one of the two spaces has an orthonormal basis.") for products
          in (basis @ other.T, A @ of_other.T, basis @ other_unit.T, unit @ of_other.T)),
        (1, "It gives 1, as if the two spaces had a common direction. np.linalg.qr returns a basis "
            "of the columns, so transpose first; np.linalg.svd needs full_matrices=False."),
        *((entry, "That is the largest cell of the product of the bases, which changes with the "
                  "choice of the bases; take its largest singular value.")
          for cells in (dots, svd_bases[0] @ svd_bases[1].T)
          for entry in (cells.max(), abs(cells).max())),
        (cosines[-1], "That is the smallest principal cosine; return the largest."),
        (cosines.mean(), "That is the mean of the principal cosines; return the largest."),
        (cosines.sum(), "That is the sum of the principal cosines; return the largest."),
        *((number, "That adds up all squared principal cosines; return the largest cosine.")
          for number in ((cosines**2).sum(), np.linalg.norm(cosines))),
        (cosines[0]**2, "That is squared: singular values are cosines already, and eigenvalues of "
                        "a matrix times its transpose are squares."),
        *((factor * angle, "That is an angle; return its cosine.")
          for factor in (1, 180 / np.pi) for angle in angles),
        (np.sin(angles[0]), "That is the sine of the angle; return its cosine."),
    ]
