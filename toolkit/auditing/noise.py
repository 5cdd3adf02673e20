"""Noise: how many of a label's values are missing or wrong in all, by out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.linear_probe import Floats

QUANTILES = np.array([0.1, 0.25, 0.5])
_TAIL = 0.025


@dataclass(frozen=True)
class LabelNoise:
    """How much of one label is wrong, at most.

    Attributes:
        label: its name.
        positives: rows that carry it.
        missing: estimated number of positives given as 0.
        wrong: estimated number of negatives given as 1.
        rate: both, as a share of all rows.
        low: 95 % interval of ``rate``.
        high: its upper end.
    """

    label: str
    positives: int
    missing: float
    wrong: float
    rate: float
    low: float
    high: float

    def facts(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        return asdict(self)


def mislabelled(P: npt.ArrayLike, Y: npt.ArrayLike, spare: float = 0.0) -> Floats:
    """Return how many labels are missing and how many wrong, ``(2, 3, L)``, with 95 % intervals.

    Mixture proportion (Blanchard, Lee & Scott 2010): if some given negatives are positives, they
    are spread over the scores as positives are, so of N of them a share q lies above the (1 - q)
    quantile of the positives; hence N is at most the number of given negatives up there divided by
    q. The least such bound over q = 0.1, 0.25, 0.5 is taken; likewise for wrong positives at the
    lower end. Images that merely look like the other class count too, so it is an upper estimate.
    Its interval is that of a Poisson count, divided by that of the share of positives above one of
    them (a beta distribution), so a rare label's estimate of 0 may well be a few.

    Args:
        P: out-of-fold P(y = 1) ``(n, L)``.
        Y: 0/1 ``(n, L)``.
        spare: added to each count; keeps a rare label's estimate off 0.

    Returns:
        Missing, then wrong; of each the estimate, its lower and its upper end. NaN for labels whose
        probabilities are unknown.
    """
    p, given = np.asarray(P, np.float64), np.asarray(Y).astype(bool)
    found = np.full((2, 3, p.shape[1]), np.nan)
    for j in np.flatnonzero(~np.isnan(p).any(axis=0) & given.any(axis=0) & ~given.all(axis=0)):
        yes, no = p[given[:, j], j], p[~given[:, j], j]
        found[:, :, j] = _bounds(yes, no, spare), _bounds(1 - no, 1 - yes, spare)
    return found


def _bounds(own: Floats, others: Floats, spare: float) -> tuple[float, float, float]:
    """Return how many of ``others`` belong to the class of ``own``, by scores for that class."""
    from scipy.special import betaincinv, gammaincinv

    place = np.ceil(QUANTILES * len(own)).astype(int)
    count = (others[:, None] >= -np.sort(-own)[place - 1]).sum(axis=0)
    least, most = gammaincinv(np.maximum(count, 1), _TAIL), gammaincinv(count + 1, 1 - _TAIL)
    a, b = place, len(own) - place + 1
    figures = (
        (count + spare) / QUANTILES,
        np.where(count > 0, least, 0) / betaincinv(a, b, 1 - _TAIL),
        most / betaincinv(a, b, _TAIL),
    )
    estimate, low, high = (min(float(figure.min()), float(len(others))) for figure in figures)
    return estimate, low, high


def label_noise(P: npt.ArrayLike, Y: npt.ArrayLike, labels: Sequence[str]) -> list[LabelNoise]:
    """Estimate each label's noise rate by :func:`mislabelled`.

    Args:
        P: out-of-fold P(y = 1) ``(n, L)``.
        Y: 0/1 ``(n, L)``.
        labels: L names; those whose probabilities are unknown are left out.
    """
    figures, n = mislabelled(P, Y), len(np.asarray(Y))
    rates = np.minimum(figures.sum(axis=0) / n, 1.0)
    return [
        LabelNoise(
            label=name,
            positives=int(np.asarray(Y)[:, j].sum(dtype=np.int64)),
            missing=float(figures[0, 0, j]),
            wrong=float(figures[1, 0, j]),
            rate=float(rates[0, j]),
            low=float(rates[1, j]),
            high=float(rates[2, j]),
        )
        for j, name in enumerate(labels)
        if not np.isnan(rates[0, j])
    ]
