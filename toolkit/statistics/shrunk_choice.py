"""Choices per label, shrunk towards the choice that is best for all labels together."""

from __future__ import annotations

import numpy as np


def shrunk_choice(
    cost: np.ndarray, positives: np.ndarray, default: int, shrinkage: float = 50.0
) -> np.ndarray:
    """Choose for each label, the rarer the label the more as for all labels together.

    A label with k positives trusts its own costs as k / (k + shrinkage).

    Args:
        cost: ``(choices, L)``, all of one sign; NaN where nothing could be evaluated.
        positives: ``(L,)``.
        default: the choice where nothing could be evaluated.
        shrinkage: in positives; 0 lets every label choose alone.

    Returns:
        ``int (L,)``.

    >>> shrunk_choice(np.array([[1.0, 2.0], [0.5, 2.1]]), np.array([1000, 0]), default=0)
    array([1, 1])
    """
    known = ~np.isnan(cost).any(axis=0)
    if not known.any():
        return np.full(cost.shape[1], default)
    # compare labels on the scale of their own best
    scaled = cost / np.abs(np.nanmin(cost, axis=0, initial=np.inf)).clip(1e-12)
    together = scaled[:, known].mean(axis=1, keepdims=True)
    trust = positives / (positives + shrinkage) if shrinkage > 0 else 1.0
    best = (trust * np.where(known, scaled, together) + (1 - trust) * together).argmin(axis=0)
    chosen: np.ndarray = best
    return chosen
