"""StandardisedInput: features brought to one scale, learned from training rows."""

from __future__ import annotations

import numpy as np


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


def normalises(non_negative: np.ndarray, normalise: bool | str) -> bool:
    """Tell whether to normalise; ``auto`` does if no training row has a feature below 0.

    Args:
        non_negative: ``bool (n,)``, whether all of a training row's features are at least 0.
        normalise: True, False or ``auto``.

    Raises:
        ValueError: ``normalise`` is none of True, False and ``auto``.
    """
    if not isinstance(normalise, bool) and normalise != "auto":
        raise ValueError(f"normalise is True, False or 'auto', not {normalise!r}")
    return bool(non_negative.all()) if normalise == "auto" else bool(normalise)


class NormalisedInput:
    """Mixin of heads that take roots of all features, or of none.

    Attributes:
        normalised_: whether roots are taken and rows brought to length 1.
    """

    normalised_: bool

    def _normalised(self, X: np.ndarray) -> np.ndarray:
        return power_normalised(X, np.ones(X.shape[1], bool)) if self.normalised_ else X


class StandardisedInput:
    """Mixin of heads that train networks on pooled activations.

    Attributes:
        normalise: take square roots and bring rows to length 1 first (Perronnin et al. 2010).
        rooted_: ``bool (d,)``, features that the square root is taken of: those that no training
            row has below 0.
        mean_: ``float32 (d,)``, of the training rows.
        scale_: ``float32 (d,)``, their standard deviation; 1 for a constant feature.
    """

    normalise: bool
    rooted_: np.ndarray
    mean_: np.ndarray
    scale_: np.ndarray

    def _rooted(self, X: np.ndarray) -> np.ndarray:
        """Learn from training rows which features to take roots of, and return X normalised."""
        self.rooted_ = np.asarray(self.normalise & (X >= 0).all(axis=0))
        return self._normalised(X)

    def _normalised(self, X: np.ndarray) -> np.ndarray:
        return power_normalised(X, self.rooted_) if self.normalise else X

    def _find_scale(self, X: np.ndarray) -> None:
        self.mean_ = X.mean(0, dtype=np.float64).astype(np.float32)
        scale = X.std(0, dtype=np.float64).astype(np.float32)
        # constant up to rounding: dividing by what rounding left would blow it up
        self.scale_ = np.where(scale > 1e-6 * np.abs(self.mean_), scale, 1).astype(np.float32)

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        standard: np.ndarray = X - self.mean_
        standard /= self.scale_
        return standard
