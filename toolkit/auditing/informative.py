"""Informative images: uncertain to a model and unlike one another, as pure functions of arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from toolkit.auditing.linear_probe import Floats

SHORTLIST = 3  # times n: the most uncertain rows, among which the unlike ones are chosen
_EDGE = 1e-6
_BLOCK = 2048


def entropy(P: npt.ArrayLike) -> Floats:
    """Return the entropy of yes and no in bits, of the shape of ``P``.

    >>> entropy([0.5, 1.0]).round(3).tolist()
    [1.0, 0.0]
    """
    p = np.clip(np.asarray(P, np.float64), _EDGE, 1 - _EDGE)
    found: Floats = np.where(
        (p > _EDGE) & (p < 1 - _EDGE), -p * np.log2(p) - (1 - p) * np.log2(1 - p), 0.0
    )
    return found


def cell_uncertainty(P: npt.ArrayLike, asked: npt.NDArray[np.bool_]) -> Floats:
    """Return ``float64 (n, L)``: each cell's entropy over its label's mean; 0 where not asked.

    Over the mean, so that a rare label, of which a model is never as unsure as of a common one,
    counts like any other, as it does in a mean average precision.

    Args:
        P: probabilities ``(n, L)``.
        asked: ``bool (n, L)``, the cells in question.
    """
    bits = np.where(asked, entropy(P), 0.0)
    mean = bits.sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    found: Floats = bits / np.where(mean > 0, mean, 1)
    return found


def informative(
    P: npt.ArrayLike,
    asked: npt.NDArray[np.bool_],
    X: npt.ArrayLike,
    n: int,
    centers: npt.ArrayLike,
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return n of m rows that are uncertain and unlike one another, and how far each is.

    The ``SHORTLIST`` n rows of the largest sum of :func:`cell_uncertainty`, and of these n by
    :func:`k_center_greedy`: first uncertain, then diverse (Zhdanov 2019).

    Args:
        P: probabilities ``(m, L)``.
        asked: ``bool (m, L)``, the cells in question.
        X: ``float (m, d)``, embeddings.
        n: how many.
        centers: ``float (k, d)``, embeddings of what is labelled already.
    """
    score = cell_uncertainty(P, asked).sum(axis=1)
    short = np.argsort(-score, kind="stable")[: SHORTLIST * n]
    order, distance = k_center_greedy(np.asarray(X)[short], n, centers)
    return short[order], distance


def k_center_greedy(
    X: npt.ArrayLike, n: int, centers: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return n rows, each the farthest from the centers and the rows before it, and how far.

    The greedy 2-approximation of the k-center problem (Gonzalez 1985), with which Sener & Savarese
    2018 choose a core set to label. Distances are Euclidean between rows of length 1; they take
    ``n (m + k) d`` operations.

    Args:
        X: ``float (n, d)``; the first row comes first where there are no centers.
        n: how many; all where there are fewer.
        centers: ``float (k, d)``, what is there already; k may be 0.
    """
    rows, there = _unit(X), _unit(centers)
    far = np.full(len(rows), np.inf)
    for start in range(0, len(there), _BLOCK):
        near = (rows @ there[start : start + _BLOCK].T).max(axis=1)
        far = np.minimum(far, 2 - 2 * near)
    chosen, distances = list[int](), list[float]()
    for _ in range(min(n, len(rows))):
        at = int(far.argmax())
        chosen.append(at)
        distances.append(float(np.sqrt(max(far[at], 0.0))))
        far = np.minimum(far, 2 - 2 * rows @ rows[at])
        far[chosen] = -1.0
    return np.array(chosen, np.int64), np.array(distances)


def _unit(X: npt.ArrayLike) -> npt.NDArray[np.float32]:
    rows = np.asarray(X, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    found: npt.NDArray[np.float32] = rows / np.maximum(length, 1e-12)
    return found
