"""Many L2 logistic regressions at once: every label, fold and strength on shared passes over X."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from toolkit.heads.label_blocks import label_blocks
from toolkit.heads.logistic_problems import Problems, Solution
from toolkit.heads.standardised_rows import Rows, standardised_rows, tensor

# rows and features times problems that are solved at a time; a cell takes some 62 bytes
CELLS = 20_000_000


def solve(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    fold: np.ndarray,
    strengths: Sequence[float],
    *,
    tol: float = 1e-6,
    device: str = "cpu",
    quick: bool | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Solution:
    """Minimise ``|w|^2 / 2 + C sum_i s_i log(1 + exp(-y_i (x_i w + b)))`` for each problem.

    This is scikit-learn's objective for ``LogisticRegression(C=C)`` on features standardised with
    the mean and standard deviation of that problem's own training rows. A problem is a label, a
    fold to leave out and a strength C. All problems of one C share every pass over X as one matrix
    product; the next larger C starts from the last solutions, continued along log C as far as that
    lowers the objective.

    Each is solved by Newton's method with conjugate gradients (Nocedal & Wright 2006, section 7.1),
    preconditioned by the Hessian with the weights of all rows replaced by their mean, or, where the
    data outweigh the penalty, by each label's own, estimated on some rows
    (:mod:`toolkit.heads.preconditioner`). Preconditioners are computed from all rows; they change
    how fast the minimum is reached, not where it lies. The same holds for the precision of the
    products inside conjugate gradients: where the processor multiplies bf16 natively they are taken
    in it, and gradients, steps and line searches in float32; whether a problem is solved is judged
    by logits taken anew from its weights, in float32 too.

    Args:
        X: ``float32 (n, d)``.
        Y: ``uint8 (n, L)``; every problem must see both classes.
        weight: ``float32 (n, L)``, s above.
        fold: ``int (n,)``, the fold that leaves a row out; -1 for a row that no model is fitted on.
            With no fold at all (one model on all rows) give zeros and see :func:`solve_once`.
        strengths: values of C, ascending, each once.
        tol: a problem is solved when half the squared Newton decrement, as the preconditioner
            estimates it, is below ``tol`` of its objective.
        device: ``cpu`` or ``cuda``.
        quick: take inner products in bf16; by default where it is native and X is large.
        on_progress: called with 1 after each strength.
    """
    blocks = list(
        solve_blocks(
            X, Y, weight, fold, strengths, tol=tol, device=device, quick=quick,
            on_progress=on_progress,
        )
    )  # fmt: skip
    if len(blocks) == 1:
        return blocks[0][1]
    parts = [found for _, found in blocks]
    return Solution(
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=2)
            for name in ("coef", "intercept", "logits", "converged")
        )
    )


def solve_blocks(
    X: Rows,
    Y: np.ndarray,
    weight: np.ndarray,
    fold: np.ndarray,
    strengths: Sequence[float],
    *,
    tol: float = 1e-6,
    device: str = "cpu",
    quick: bool | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[slice, Solution]]:
    """Yield what :func:`solve` returns for one block of labels after another.

    Memory grows with n and d, not with the number of labels: as many of them are solved at a time
    as :data:`CELLS` allows, which for 20,000 rows of 1,280 features and five folds is 188. X may be
    anything that gives its rows by slices; of more than
    :data:`toolkit.heads.standardised_rows.STREAMED` numbers it is not copied in float32.

    Args:
        X: as for :func:`solve`.
        Y: as for :func:`solve`.
        weight: as for :func:`solve`.
        fold: as for :func:`solve`.
        strengths: as for :func:`solve`.
        tol: as for :func:`solve`.
        device: as for :func:`solve`.
        quick: as for :func:`solve`.
        on_progress: called with 1 as often as there are strengths, evenly over all blocks.

    Yields:
        Which labels, and their solution.
    """
    folds = int(fold.max()) + 1
    used = np.stack([(fold != f) & (fold >= 0) for f in range(folds)])
    rows = standardised_rows(X, used, device, quick)
    blocks, done = blocks_of_labels(Y.shape[1], folds, X.shape), 0

    def after(one: int) -> None:
        nonlocal done
        done += one
        if on_progress is not None and done * len(strengths) % (len(blocks) * len(strengths)) == 0:
            on_progress(1)

    for labels in blocks:
        problems = Problems(rows, Y[:, labels], weight[:, labels], device)
        yield labels, problems.path(strengths, tol, after, fold)


def blocks_of_labels(labels: int, folds: int, shape: tuple[int, ...]) -> list[slice]:
    """Return the blocks of labels that :func:`solve_blocks` solves one after another.

    Args:
        labels: L.
        folds: models of each label.
        shape: of X.
    """
    return label_blocks(labels, -(-labels * folds * sum(shape) // CELLS))


def solve_once(
    X: Rows,
    Y: np.ndarray,
    weight: np.ndarray,
    strength: np.ndarray,
    *,
    tol: float = 1e-6,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Fit each label on all rows with its own C.

    Args:
        X: ``float32 (n, d)``.
        Y: ``uint8 (n, L)``, both classes in every column.
        weight: ``float32 (n, L)``.
        strength: ``float (L,)``, C of each label.
        tol: see :func:`solve`.
        device: ``cpu`` or ``cuda``.

    Returns:
        Coefficients ``float32 (L, d)`` and intercepts ``float32 (L,)`` in the units of X.
    """
    rows = standardised_rows(X, np.ones((1, X.shape[0]), bool), device)
    coefs, intercepts = [], []
    for labels in blocks_of_labels(Y.shape[1], 1, X.shape):
        problems = Problems(rows, Y[:, labels], weight[:, labels], device)
        start = max(float(strength.min()), 1e-6)
        problems.minimise(torch.full_like(problems.bias, start), tol=1e-3)
        problems.minimise(tensor(strength[labels], device), tol)
        coef, intercept = problems.in_units_of_x()
        coefs.append(coef[0])
        intercepts.append(intercept[0])
    return np.concatenate(coefs), np.concatenate(intercepts)
