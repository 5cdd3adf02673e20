"""Pairing: if labels look shuffled, find the mistake under which they would not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import Alignment, normal_tail, testable
from toolkit.auditing.orders import Ints, Pairing, shifted
from toolkit.auditing.probe import Floats, Probe
from toolkit.statistics.metrics import auroc, defined_mean

# mean AUROC must rise by as much for an explanation to be worth a word
GAIN = 0.02
SMALLEST_P = 1e-16
_PEAKS = 3
_LEAST_ROWS = 0.3


@dataclass(frozen=True)
class Explanation:
    """A pairing under which the labels describe the images far better than as they stand.

    Attributes:
        kind: the pairing's kind.
        sentence: what happened.
        auroc_before: mean out-of-fold AUROC as the labels stand.
        auroc_after: the same under this pairing.
        p: p-value of its statistic against permuted labels, corrected by Bonferroni for all
            pairings that were searched.
        p_better: p-value of its being no better than the given pairing, corrected likewise. Neither
            is given as less than 1e-16.
        searched: number of pairings searched.
        label_auroc: AUROC of each label under this pairing, None with one class only.
        rows: ``int64 (n,)``: the labels of image i stand in row ``rows[i]``; -1 for nowhere.
    """

    kind: str
    sentence: str
    auroc_before: float
    auroc_after: float
    p: float
    p_better: float
    searched: int
    label_auroc: dict[str, float | None]
    rows: Ints = field(repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Return all but the rows, JSON-able."""
        return {name: value for name, value in vars(self).items() if name != "rows"}

    def convincing(self, alpha: float) -> bool:
        """Tell whether it is no accident, no accident that it is better, and far better."""
        surely = self.p <= alpha and self.p_better <= alpha
        return surely and self.auroc_after >= self.auroc_before + GAIN

    def repaired(self, Y: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the labels ``Y`` (n, L) under this pairing; rows without any are zeros."""
        given = np.asarray(Y, np.uint8)
        return np.where(self.rows[:, None] >= 0, given[np.maximum(self.rows, 0)], 0).astype(
            np.uint8
        )


def explain(
    probe: Probe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    found: Alignment,
    pairings: Sequence[Pairing],
    *,
    every_shift: bool = True,
    alpha: float = 0.01,
) -> Explanation | None:
    """Search pairings for the one under which the probe does best, and by far better.

    A pairing is scored by what :func:`~toolkit.auditing.alignment.alignment` tests: the mean
    out-of-fold correlation. If labels are dealt at random every pairing of them is too, so the
    permutations of that test are the null distribution of each pairing, and the best of m is judged
    at level ``alpha`` / m. Where no permutation comes near, p is the tail of the normal with the
    permutations' mean and deviation: the statistic is a sum over all rows and labels, and on 18,000
    photographs its permutations have skewness -0.08 and excess kurtosis -0.04. On top of that it
    must beat the given pairing: a difference of two such statistics, and 0.02 of mean AUROC.

    Args:
        probe: probe of the n images' embeddings, in the order in which the pairings count rows.
        Y: 0/1 ``(n, L)`` as given.
        labels: L names.
        found: the alignment of ``Y``.
        pairings: see :func:`~toolkit.auditing.orders.pairings`.
        every_shift: also search shifts by any number of rows, see :func:`shift_profile`.
        alpha: level after correction.

    Returns:
        The explanation, or None where no pairing is far better than the given one.
    """
    Y = np.asarray(Y)
    at = np.flatnonzero(testable(Y))
    n = len(probe)
    candidates = [p for p in pairings if (p.rows >= 0).sum() >= _LEAST_ROWS * n]
    searched = len(candidates)
    if every_shift and n > 10:
        candidates += [shifted(n, by) for by in _peaks(shift_profile(probe, Y[:, at]))]
        searched += n - 1
    if not candidates:
        return None
    centre, spread = float(found.null.mean()), float(max(found.null.std(), 1e-12))
    scored = [
        (_statistic(probe, Y[:, at], pairing) - centre) / _spread(pairing, spread)
        for pairing in candidates
    ]
    z = max(scored)
    best = candidates[scored.index(z)]
    reached = int((found.null >= centre + z * spread).sum())
    p = (1 + reached) / (1 + found.permutations) if reached >= 10 else normal_tail(z)
    p_better = normal_tail((z - (found.statistic - centre) / spread) / np.sqrt(2))
    explanation = explained(
        probe, Y, labels, best, found.mean_auroc, (p * searched, p_better * searched), searched
    )
    return explanation if explanation.convincing(alpha) else None


def explained(
    probe: Probe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    pairing: Pairing,
    auroc_before: float,
    p_values: tuple[float, float],
    searched: int,
) -> Explanation:
    """Return a pairing as an explanation, with its AUROC on ``Y`` (n, L)."""
    after = label_areas(probe, Y, pairing)
    return Explanation(
        kind=pairing.kind,
        sentence=pairing.sentence,
        auroc_before=auroc_before,
        auroc_after=float(defined_mean(after[testable(Y)])),
        p=float(np.clip(p_values[0], SMALLEST_P, 1.0)),
        p_better=float(np.clip(p_values[1], SMALLEST_P, 1.0)),
        searched=searched,
        label_auroc={
            name: None if np.isnan(a) else float(a) for name, a in zip(labels, after, strict=True)
        },
        rows=pairing.rows,
    )


def _rearranged(
    probe: Probe, Y: npt.NDArray[Any], pairing: Pairing
) -> tuple[Probe, npt.NDArray[Any]]:
    known = pairing.rows >= 0
    if known.all():
        return probe, Y[pairing.rows]
    return probe.take(np.flatnonzero(known)), Y[pairing.rows[known]]


def _spread(pairing: Pairing, spread: float) -> float:
    """Deviation of the statistic over fewer rows than the permutations had."""
    return float(spread / np.sqrt((pairing.rows >= 0).mean()))


def _statistic(probe: Probe, Y: npt.NDArray[Any], pairing: Pairing) -> float:
    there, labels = _rearranged(probe, Y, pairing)
    return float(there.correlations(labels).mean())


def label_areas(probe: Probe, Y: npt.ArrayLike, pairing: Pairing) -> Floats:
    """Return ``(L,)``: out-of-fold AUROC of every label of ``Y`` (n, L) under a pairing."""
    there, labels = _rearranged(probe, np.asarray(Y), pairing)
    return auroc(labels, there.scores(labels))


def shift_profile(probe: Probe, Y: npt.ArrayLike) -> Floats:
    """Return ``(2n - 1,)``: how well labels fit if they come k rows late, k = 1 - n ... n - 1.

    The fit is the squared length of the cross products ``sum_i z_i y_(i + k)`` of whitened features
    and centred labels, divided by its expectation for unrelated rows, summed over features and
    labels. All shifts come from one pass of fast Fourier transforms over each feature and label.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = len(probe)
    labels = np.asarray(Y, np.float32)
    centred = (labels - labels.mean(axis=0)) / np.maximum(labels.std(axis=0), 1e-6)
    size = next_fast_len(2 * n - 1, real=True)
    features = np.conj(rfft(np.ascontiguousarray(probe.Z.T), size, axis=1))
    fit = np.zeros(size)
    for column in centred.T:
        lagged = irfft(features * rfft(column, size), size, axis=1)
        fit += np.einsum("rk,rk->k", lagged, lagged, dtype=np.float64)
    shifts = np.arange(1 - n, n)
    fitted: Floats = fit[shifts % size] / (n - np.abs(shifts))
    return fitted


def _peaks(profile: Floats) -> list[int]:
    """Return the shifts other than 0 of best fit, where half the rows or more still have labels."""
    n = (len(profile) + 1) // 2
    shifts = np.arange(1 - n, n)
    usable = (shifts != 0) & (np.abs(shifts) <= n // 2)
    order = np.argsort(-profile[usable], kind="stable")
    return [int(by) for by in shifts[usable][order[:_PEAKS]]]
