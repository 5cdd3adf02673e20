"""Focal loss for gradient boosting: its gradient, its curvature, and the constant to start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

_BISECTIONS = 60


@dataclass(frozen=True)
class FocalObjective:
    """Focal loss of logits z (Lin et al. 2017): ``-a_t (1 - p_t)^gamma log p_t``.

    With s = 1 for a positive and -1 for a negative, p_t = sigmoid(s z) is the probability given to
    the true class. With ``gamma`` 0 and no ``alpha`` it is the logistic loss.

    Attributes:
        gamma: how strongly well-classified rows are played down, from 0.
        alpha: weight of positives, in (0, 1), negatives weighing 1 - alpha; None weighs both 1.
    """

    gamma: float = 2.0
    alpha: float | None = 0.25

    def derivatives(
        self, z: np.ndarray, y: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient and a positive curvature in z.

        The loss is not convex in z: its second derivative is negative for rows far on the wrong
        side. There the curvature of the logistic loss scaled by a_t (1 - p_t)^gamma stands in,
        to which it is equal at gamma 0, so that a leaf's Newton step always descends.

        Args:
            z: logits ``float (n,)``.
            y: 0/1 ``(n,)``.
            weight: ``float (n,)``, s above.
        """
        sign = np.where(y > 0, 1.0, -1.0)
        log_p = log_expit(sign * z)
        p, q = np.exp(log_p), expit(-sign * z)
        scale = weight * self._class_weight(y) * q**self.gamma
        gradient = sign * scale * (self.gamma * p * log_p - q)
        second = q * (1 + 2 * self.gamma + self.gamma * log_p) - self.gamma**2 * p * log_p
        return gradient, scale * p * np.maximum(second, q)

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        """Return a constant logit at which the summed gradient is 0."""
        low, high = -30.0, 30.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            gradient, _ = self.derivatives(np.full(len(y), middle), y, weight)
            low, high = (middle, high) if gradient.sum() < 0 else (low, middle)
        return (low + high) / 2

    def loss(self, z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
        """Return the weighted mean loss."""
        sign = np.where(y > 0, 1.0, -1.0)
        each = -self._class_weight(y) * expit(-sign * z) ** self.gamma * log_expit(sign * z)
        return float((weight * each).sum() / weight.sum())

    def _class_weight(self, y: np.ndarray) -> np.ndarray:
        if self.alpha is None:
            return np.ones(len(y))
        return np.where(y > 0, self.alpha, 1 - self.alpha)
