"""Many small logistic regressions on the same few columns, by Newton's method on exact Hessians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.statistics.links import sigmoid

_STEPS = 40
_BLOCK = 8192
_CELLS = 2**22  # of the columns' pairwise products at a time


@dataclass(frozen=True)
class Small:
    """Solutions of P problems in d columns.

    Attributes:
        coef: ``float64 (P, d)``.
        intercept: ``float64 (P,)``.
        fitted: ``bool (P,)``; False where the rows had one class only: the prior stands.
    """

    coef: np.ndarray
    intercept: np.ndarray
    fitted: np.ndarray


def solve_small(
    X: np.ndarray,
    y: np.ndarray,
    fold: np.ndarray,
    keep: np.ndarray,
    strength: np.ndarray,
    *,
    prior: np.ndarray,
    scale: np.ndarray,
    nonnegative: np.ndarray | None = None,
    intercept: bool = True,
    tol: float = 1e-9,
) -> Small:
    """Minimise ``sum_j (s_j (w_j - m_j))^2 / 2 + C sum_i log(1 + exp(-y_i (x_i w + b)))``.

    With few columns the Hessians of all problems are one product of the weights ``(n, P)`` with the
    columns' pairwise products, so all problems take each Newton step together (Nocedal & Wright
    2006, chapter 3). Where weights may not be negative the step is the constrained minimum of the
    same quadratic (projected Newton; the quadratic is solved as least squares). A step that does
    not descend is halved.

    :mod:`toolkit.heads.logistic` serves wide X shared by all labels; here X is a label's own and
    has a prior mean and signs.

    Args:
        X: ``(n, d)``.
        y: ``(n,)`` of 0 and 1.
        fold: ``int (n,)``, at least 0.
        keep: ``bool (P, folds)``, the folds that each problem learns on.
        strength: ``(P,)``, C above.
        prior: ``(d,)``, m above.
        scale: ``(d,)``, s above: the spread of each column.
        nonnegative: ``bool (d,)``, which weights may not be negative.
        intercept: fit b; else it is 0.
        tol: a problem is solved when half its squared Newton decrement is below ``tol`` of its
            objective.
    """
    problems, width = len(keep), X.shape[1] + 1
    A = np.column_stack([X.astype(np.float64), np.full(len(X), float(intercept))])
    at, across = np.triu_indices(width)
    mean = np.r_[prior, 0.0]
    ridge = np.r_[np.square(scale), 0.0 if intercept else 1.0]
    bounded = np.r_[np.zeros(width - 1, bool) if nonnegative is None else nonnegative, False]
    theta = np.tile(mean, (problems, 1))
    per_fold = np.zeros((keep.shape[1], 2))
    np.add.at(per_fold, (fold, y.astype(np.intp)), 1)
    fitted = np.all(keep @ per_fold > 0, axis=1)
    active = np.flatnonzero(fitted)
    before, best = theta.copy(), np.full(problems, np.inf)
    for _ in range(_STEPS):
        if not len(active):
            break
        C = strength[active]
        value, slope, bend = _passes(A, y, fold, keep[active], theta[active], at, across)
        away = theta[active] - mean
        value = C * value + 0.5 * (ridge * away**2).sum(axis=1)
        worse = value > best[active] * (1 + 1e-12) + 1e-12
        halved = active[worse]
        theta[halved] = (theta[halved] + before[halved]) / 2
        going = ~worse
        slope = C[:, None] * slope + ridge * away
        H = np.zeros((len(active), width, width))
        H[:, at, across] = C[:, None] * bend
        H[:, across, at] = H[:, at, across]
        H[:, np.arange(width), np.arange(width)] += ridge + 1e-10
        solved = np.zeros(len(active), bool)
        step = np.zeros_like(slope)
        step[going] = -np.linalg.solve(H[going], slope[going][:, :, None])[:, :, 0]
        if bounded.any():
            for place in np.flatnonzero(going):
                if (theta[active[place]] + step[place])[bounded].min() < 0:
                    step[place] = _bounded_step(
                        H[place], slope[place], theta[active[place]], bounded
                    )
        decrement = -(slope * step).sum(axis=1) / 2
        solved[going] = decrement[going] <= tol * np.maximum(value[going], 1e-12)
        moved = active[going]
        before[moved], best[moved] = theta[moved], value[going]
        theta[moved] += step[going]
        active = active[~solved]
    return Small(theta[:, :-1], theta[:, -1] * float(intercept), fitted)


def _passes(
    A: np.ndarray,
    y: np.ndarray,
    fold: np.ndarray,
    keep: np.ndarray,
    theta: np.ndarray,
    at: np.ndarray,
    across: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return losses ``(P,)``, gradients ``(P, w)`` and the upper triangles of Hessians."""
    value = np.zeros(len(theta))
    slope = np.zeros(theta.shape)
    bend = np.zeros((len(theta), len(at)))
    size = min(_BLOCK, max(1, _CELLS // len(at)))
    for start in range(0, len(A), size):
        rows = slice(start, start + size)
        block = A[rows]
        used = keep[:, fold[rows]].T.astype(np.float64)
        z = block @ theta.T
        p, truth = sigmoid(z), y[rows, None]
        value += (used * (np.logaddexp(0.0, z) - truth * z)).sum(axis=0)
        slope += (used * (p - truth)).T @ block
        curvature = used * p * (1 - p)
        bend += curvature.T @ (block[:, at] * block[:, across])
    return value, slope, bend


def _bounded_step(
    H: np.ndarray, slope: np.ndarray, theta: np.ndarray, bounded: np.ndarray
) -> np.ndarray:
    """Minimise the quadratic model with some coordinates at least 0 (Lawson & Hanson 1974)."""
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    # with the free coordinates first, the factor's last block is that of the problem that is left
    # when they are eliminated: least squares in the bounded ones alone
    order = np.argsort(bounded, kind="stable")
    free = len(order) - int(bounded.sum())
    root = np.linalg.cholesky(H[np.ix_(order, order)])
    target = solve_triangular(root, (H @ theta - slope)[order], lower=True)
    point = np.empty_like(theta)
    held, _ = nnls(root[free:, free:].T, target[free:])
    rest = target[:free] - root[free:, :free].T @ held
    point[order[free:]] = held
    point[order[:free]] = solve_triangular(root[:free, :free].T, rest, lower=False)
    step: np.ndarray = point - theta
    return step
