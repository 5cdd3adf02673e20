"""Breaks: a list of labels that is right up to an image and a row or more off from there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import ALPHA, NO_USE, normal_tail, testable
from toolkit.auditing.linear_probe import LinearProbe, standardized, standardized_labels
from toolkit.auditing.orders import SHIFTS, Pairing, late
from toolkit.auditing.pairing import Explanation, explained
from toolkit.statistics.metrics import auroc, defined_mean

_LEAST = 20


def find_break(probe: LinearProbe, Y: npt.ArrayLike, files: Sequence[str]) -> Explanation | None:
    """Find the image from which on labels are one to three rows off: a line was lost or doubled.

    With out-of-fold scores s and labels y, both standardized, ``s_i . y_(i + k) - s_i . y_i`` says
    how much better row i fits the labels k rows on. Its sum from row m to the end is largest at the
    break. Were neither better than the other, the sums would be a random walk, whose maximum over n
    steps of deviation sigma exceeds x with probability ``2 P(Z >= x / (sigma sqrt(n)))`` at most
    (reflection); where labels are right it drifts downwards. Corrected for the shifts searched.
    The first fit scores all rows with a probe that learned from right and wrong labels alike; a
    second one, fitted on the labels as then rearranged, places the break.

    Args:
        probe: of the n images' embeddings.
        Y: 0/1 ``(n, L)``, -1 for unknown.
        files: n names, in the order of rows; one of them goes into the sentence.
    """
    Y = np.asarray(Y)
    n, tested = len(Y), Y[:, testable(Y)]
    if not tested.shape[1]:
        return None
    scores = probe.scores(tested)
    walks = {by: _walk(scores, tested, by) for by in SHIFTS}
    by = max(walks, key=lambda shift: walks[shift][1])
    first, height = walks[by]
    p = 2 * normal_tail(height)
    if p * len(SHIFTS) > ALPHA or not _LEAST <= first <= n - _LEAST:
        return None
    again = probe.scores(_from_row(n, first, by).repaired(tested))
    first, _ = _walk(again, tested, by)
    sentence = (
        f"from {files[first]} on (row {first + 1:,} of {n:,}, or close by) labels come {late(by)}: "
        f"{'a line was put in' if by > 0 else 'a line was lost'}"
    )
    before = float(defined_mean(auroc(tested, scores)))
    pairing = _from_row(n, first, by, sentence)
    found = explained(probe, tested, pairing, before, (p, p), len(SHIFTS))
    # where few rows are off, the mean over all rows hardly moves: the walk decides, unless the
    # labels describe nothing either way
    return found if found.auroc_after > max(before, NO_USE) else None


def _walk(scores: npt.ArrayLike, Y: npt.ArrayLike, by: int) -> tuple[int, float]:
    """Return the row where the sum to the end is largest, and that sum in deviations of a walk."""
    s, y, known = standardized(scores), standardized_labels(Y), np.asarray(Y) >= 0
    gain = np.zeros(len(y))
    inside = slice(max(0, -by), len(y) - max(0, by))
    apart = np.roll(y, -by, axis=0) - y
    if not known.all():  # where one of the two is unknown they cannot be compared
        apart[~(known & np.roll(known, -by, axis=0))] = 0
    gain[inside] = (s[inside] * apart[inside]).sum(axis=1)
    sums = np.cumsum(gain[::-1])[::-1]
    first = int(sums.argmax())
    return first, float(sums[first] / max(np.sqrt((gain**2).sum()), 1e-12))


def _from_row(n: int, first: int, by: int, sentence: str = "") -> Pairing:
    rows = np.arange(n)
    rows[first:] += by
    rows[rows >= n] = -1
    if by < 0:  # the rows before the break keep labels of their own
        rows[first : first - by] = -1
    return Pairing("break", sentence, rows)
