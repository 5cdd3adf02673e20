"""Partial labels: what a fit makes of cells that nobody looked at.

``ignore`` leaves them out. ``negative`` takes them for no, which is right about most of them and
wrong about some. ``selective`` does either, cell by cell (Ben-Baruch et al. 2022, "Multi-label
Classification with Partial Annotations using Class-aware Selective Loss").
"""

from __future__ import annotations

import numpy as np

from toolkit.errors import DataError, UsageError, check_choice
from toolkit.heads.linear import LinearHead
from toolkit.runtime.device import device_kind

UNKNOWN = ("ignore", "negative", "selective")
FREQUENT = 0.05  # share of positives above which unknown cells of a label are ignored
_SPARE = 2.0  # likeliest cells ignored, for each yes that is expected among the unknown ones


def check_unknown(unknown: str, weights: str = "default") -> None:
    """Raise UsageError for no choice, or for one that a random network cannot serve."""
    check_choice("unknown", unknown, UNKNOWN)
    if unknown == "selective" and weights == "none":
        raise UsageError(
            "unknown: selective asks a model on the network's features which unknown cells may be "
            "yes, and a random network has none to go by: take ignore or negative"
        )


def require_known_noes(Y: np.ndarray) -> None:
    """Raise DataError where labels ``(n, L)`` hold unknown cells and no known no."""
    if (Y < 0).any() and not (Y == 0).any():
        raise DataError(
            "labels: expected some that are known not to apply, found yes and unknown alone: "
            "unknown='negative' (--unknown negative) takes unknown for no in training"
        )


def taken_for_no(Y: np.ndarray) -> np.ndarray:
    """Return labels ``(n, L)`` with 0 in place of -1."""
    return np.where(Y < 0, 0, Y).astype(Y.dtype)


def temporary_head(device: str) -> LinearHead:
    """Return the head, to be fitted on known cells, that ``selective`` goes by."""
    return LinearHead(device=device if device_kind(device) == "cuda" else "cpu")


def selective_weights(P: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return ``float32 (n, L)``: 1 for a known cell, and for an unknown one its weight as a no.

    As in the paper a temporary model, trained on the known cells alone, gives the priors: the mean
    of its probabilities over the training rows, which counts of known cells are not where what was
    looked at was chosen. Unknown cells are ignored, at weight 0, of labels whose prior is above
    ``FREQUENT`` (the paper's 0.05), and where they are among the likeliest to be yes by the model.
    The others are taken for no.

    What differs, for fits that see all rows at once and labels by the dozen: likelihoods are the
    temporary model's, where the paper takes the trained network's own, batch by batch; the
    likeliest are twice as many as the yes that the model expects among the unknown cells, where the
    paper takes a fixed number an image; and an unknown cell taken for no weighs the probability
    that it is one, where the paper lets it fade by a focusing exponent of its own, which neither
    trees nor logistic regressions have. The temporary model is a logistic regression on frozen
    features (with fine-tuning, on those of the network before it is trained).

    Args:
        P: the temporary model's P(y = 1) ``(n, L)`` of the training rows.
        Y: their labels ``(n, L)``, -1 for unknown.
    """
    unknown, p = Y < 0, np.asarray(P, np.float64)
    chosen = np.where(unknown, 1 - p, 1.0)
    chosen[unknown & (p.mean(axis=0) > FREQUENT)] = 0
    row, label = np.nonzero(unknown)
    likely = p[row, label]
    first = np.argsort(-likely, kind="stable")[: int(np.ceil(_SPARE * likely.sum()))]
    chosen[row[first], label[first]] = 0
    weight: np.ndarray = chosen.astype(np.float32)
    return weight
