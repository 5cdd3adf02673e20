"""Heads on pooled activations: rows of one length, features on one scale."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from toolkit.heads.head import OneVsRestHead, State


def power_normalised(X: np.ndarray, rooted: np.ndarray) -> np.ndarray:
    """Take square roots, keeping the sign, then bring rows to length 1 (Perronnin et al. 2010).

    Args:
        X: ``float32 (n, d)``.
        rooted: ``bool (d,)``, the features to take roots of.

    Returns:
        ``float32 (n, d)``; a row of zeros stays one.
    """
    scaled: np.ndarray = np.abs(X)
    np.sqrt(scaled, out=scaled)
    np.copysign(scaled, X, out=scaled)
    if not rooted.all():
        scaled = np.where(rooted, scaled, X)
    length = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, None]
    scaled /= np.where(length > 0, length, 1)
    return scaled


class NormalisedHead(OneVsRestHead):
    """A head that may normalise its rows, taking roots of all features.

    Attributes:
        normalised_: whether roots are taken and rows brought to length 1.
        rooted_: ``bool (d,)``, features that the square root is taken of.
    """

    LEARNED: ClassVar[tuple[str, ...]] = ("normalised", "rooted")
    normalise: bool | str
    normalised_: bool
    rooted_: np.ndarray

    def _choose_normalising(self, non_negative: np.ndarray, width: int) -> None:
        """Decide: ``auto`` normalises if no training row has a feature below 0.

        Args:
            non_negative: ``bool (n,)``, whether all of a training row's features are at least 0.
            width: d.
        """
        chosen = non_negative.all() if self.normalise == "auto" else self.normalise
        self.normalised_, self.rooted_ = bool(chosen), np.ones(width, bool)

    def _normalised(self, X: np.ndarray) -> np.ndarray:
        return power_normalised(X, self.rooted_) if self.normalised_ else X

    def _restore(self, state: State) -> None:
        super()._restore(state)
        self.normalised_ = bool(np.asarray(state["normalised"])[0])


class StandardisedHead(NormalisedHead):
    """A head that normalises, taking roots of features that are never negative, and standardises.

    Attributes:
        mean_: ``float32 (d,)``, of the training rows.
        scale_: ``float32 (d,)``, their standard deviation; 1 for a constant feature.
    """

    LEARNED: ClassVar[tuple[str, ...]] = (*NormalisedHead.LEARNED, "mean", "scale")
    mean_: np.ndarray
    scale_: np.ndarray

    def _learn_roots(self, X: np.ndarray) -> np.ndarray:
        """Learn from training rows which features to take roots of, and return X normalised."""
        self.normalised_ = bool(self.normalise)
        self.rooted_ = np.asarray(self.normalised_ & (X >= 0).all(axis=0))
        return self._normalised(X)

    def _learn_scale(self, X: np.ndarray) -> None:
        self.mean_ = X.mean(0, dtype=np.float64).astype(np.float32)
        scale = X.std(0, dtype=np.float64).astype(np.float32)
        # constant up to rounding: dividing by what rounding left would blow it up
        self.scale_ = np.where(scale > 1e-6 * np.abs(self.mean_), scale, 1).astype(np.float32)

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        standard: np.ndarray = X - self.mean_
        standard /= self.scale_
        return standard
