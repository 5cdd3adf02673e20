"""Links: from log-odds to probabilities and back."""

from __future__ import annotations

import numpy as np

_EDGE = 1e-6


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return ``float64`` probabilities of log-odds.

    >>> sigmoid(np.array([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    from scipy.special import expit

    p: np.ndarray = expit(z.astype(np.float64))
    return p


def logits(p: np.ndarray) -> np.ndarray:
    """Return ``float32`` log-odds of probabilities, which are kept 1e-6 away from 0 and 1.

    >>> logits(np.array([0.5, 1.0])).round(2).tolist()
    [0.0, 13.819999694824219]
    """
    inside = np.clip(p.astype(np.float64), _EDGE, 1 - _EDGE)
    z: np.ndarray = np.log(inside / (1 - inside)).astype(np.float32)
    return z
