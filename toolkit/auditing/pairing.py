"""Pairing: if labels look shuffled, find the mistake under which they would not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import ALPHA, Alignment, normal_tail, testable
from toolkit.auditing.linear_probe import Floats, LinearProbe, standardized_labels
from toolkit.auditing.orders import Pairing, shifted
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
        pairing: which row holds the labels of which image.
    """

    kind: str
    sentence: str
    auroc_before: float
    auroc_after: float
    p: float
    p_better: float
    searched: int
    pairing: Pairing = field(repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Return all but the pairing, JSON-able."""
        return {name: value for name, value in vars(self).items() if name != "pairing"}


def explain(
    probe: LinearProbe, Y: npt.ArrayLike, found: Alignment, pairings: Sequence[Pairing]
) -> Explanation | None:
    """Search pairings for the one under which the linear probe does best, and by far better.

    A pairing is scored by what :func:`~toolkit.auditing.alignment.alignment` tests: the mean
    out-of-fold correlation. If labels are dealt at random every pairing of them is too, so the
    permutations of that test are the null distribution of each pairing, and the best of m is tested
    at level 0.01 / m. Where no permutation comes near, p is the tail of the normal with the
    permutations' mean and deviation: the statistic is a sum over all rows and labels, and on 18,000
    photographs its permutations have skewness -0.08 and excess kurtosis -0.04. On top of that it
    must beat the given pairing: a difference of two such statistics, and 0.02 of mean AUROC.

    Args:
        probe: of the n images' embeddings, in the order in which the pairings count rows.
        Y: 0/1 ``(n, L)`` as given, -1 for unknown.
        found: the alignment of ``Y``.
        pairings: see :func:`~toolkit.auditing.orders.pairings`; shifts by any number of rows, see
            :func:`shift_profile`, are searched too.

    Returns:
        The explanation, or None where no pairing is far better than the given one.
    """
    Y = np.asarray(Y)
    tested, n = Y[:, testable(Y)], len(probe)
    candidates = [each for each in pairings if (each.rows >= 0).mean() >= _LEAST_ROWS]
    searched = len(candidates) + n - 1
    candidates += [shifted(n, by) for by in _peaks(shift_profile(probe, tested))]
    centre, spread = float(found.null.mean()), float(max(found.null.std(), 1e-12))
    best, z = candidates[0], -np.inf
    for each in candidates:
        there, under = _under(probe, tested, each)
        # fewer rows than the permutations had vary more
        wider = spread / np.sqrt(len(there) / n)
        height = (float(there.correlations(under).mean()) - centre) / wider
        if height > z:
            best, z = each, height
    reached = int((found.null >= centre + z * spread).sum())
    p = (1 + reached) / (1 + found.permutations) if reached >= 10 else normal_tail(z)
    p_better = normal_tail((z - (found.statistic - centre) / spread) / np.sqrt(2))
    explanation = explained(probe, tested, best, found.mean_auroc, (p, p_better), searched)
    surely = max(explanation.p, explanation.p_better) <= ALPHA
    return explanation if surely and explanation.auroc_after >= found.mean_auroc + GAIN else None


def explained(
    probe: LinearProbe,
    tested: npt.NDArray[Any],
    pairing: Pairing,
    before: float,
    p_values: tuple[float, float],
    searched: int,
) -> Explanation:
    """Return a pairing as an explanation, with its mean AUROC on the labels ``tested`` (n, L)."""
    there, under = _under(probe, tested, pairing)
    after = float(defined_mean(auroc(under, there.scores(under))))
    p, p_better = (float(np.clip(each * searched, SMALLEST_P, 1.0)) for each in p_values)
    kind, sentence = pairing.kind, pairing.sentence
    return Explanation(kind, sentence, before, after, p, p_better, searched, pairing)


def _under(
    probe: LinearProbe, Y: npt.NDArray[Any], pairing: Pairing
) -> tuple[LinearProbe, npt.NDArray[Any]]:
    """Return the images that have labels under a pairing, and these labels."""
    known = pairing.rows >= 0
    there = probe if known.all() else probe.take(np.flatnonzero(known))
    return there, Y[pairing.rows[known]]


def shift_profile(probe: LinearProbe, Y: npt.ArrayLike) -> Floats:
    """Return ``(2n - 1,)``: how well labels fit if they come k rows late, k = 1 - n ... n - 1.

    The fit is the squared length of the cross products ``sum_i z_i y_(i + k)`` of whitened features
    and centred labels, divided by its expectation for unrelated rows, summed over features and
    labels. All shifts come from one pass of fast Fourier transforms over each feature and label.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = len(probe)
    given = np.asarray(Y)
    if (given < 0).any():
        centred = standardized_labels(given).astype(np.float32)
    else:
        labels = given.astype(np.float32)
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
