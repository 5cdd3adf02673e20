"""Blocks of rows in which label columns are swapped: a split's part, a folder, a run of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import ALPHA
from toolkit.auditing.columns import FEWEST, ColumnSwap, swaps_by_scores
from toolkit.auditing.contradictions import Contradictions, contradictions
from toolkit.auditing.linear_probe import Floats, LinearProbe, standardized
from toolkit.auditing.orders import Groups, Ints

_ORDERS = 29
_FEW_PAIRS = 500
_NEGLIGIBLE = 0.01


def swapped_blocks(
    probe: LinearProbe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    files: Sequence[str],
    groups: Groups,
) -> list[ColumnSwap]:
    """Find swapped columns in the groups, in a run of files, and in either half of the files.

    A swap that an earlier one of these three names is not named again. The halves are there for a
    block so large that a probe of all rows learns both meanings of the columns; which half is the
    wrong one cannot be known.
    """
    truth, every = np.asarray(Y), np.arange(len(probe))
    found = swaps_in_groups(probe, truth, labels, groups)
    run = contradicting_run(probe.scores(truth), truth)
    if run is not None:
        name = f"the files from {files[run[0]]} to {files[run[1]]}"
        inside = {name: every[run[0] : run[1] + 1]}
        found += swaps_in_groups(probe, truth, labels, inside)
    first, second = np.array_split(every, 2)
    halves = {
        "the first half of the files, or in the second": first,
        "the second half of the files, or in the first": second,
    }
    return _once(found + swaps_in_groups(probe, truth, labels, halves))


def swaps_in_groups(
    probe: LinearProbe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    groups: Groups,
) -> list[ColumnSwap]:
    """Find columns swapped in one group of rows, by a probe fitted on all other rows.

    Where two groups disagree with each other and no third one decides, both see the swap; the
    smaller one is named.
    """
    truth = np.asarray(Y)
    found: list[ColumnSwap] = []
    for name, rows in groups.items():
        others = np.setdiff1d(np.arange(len(truth)), rows)
        if min(len(rows), len(others)) >= 2 * FEWEST:
            found += swaps_by_scores(
                *(probe.scores_from(truth, others)[rows], truth[rows], labels),
                where=name,
                against="a linear probe fitted on all other rows",
                places=len(groups),
            )
    # a group that holds the swapped rows, or is their complement, sees the swap too
    return _once(sorted(found, key=lambda swap: swap.rows))


def _once(swaps: Iterable[ColumnSwap]) -> list[ColumnSwap]:
    first: dict[frozenset[str], ColumnSwap] = {}
    for swap in swaps:
        first.setdefault(frozenset(swap.columns), swap)
    return list(first.values())


def contradicting_run(
    S: npt.ArrayLike, Y: npt.ArrayLike, *, seed: int = 0
) -> tuple[int, int] | None:
    """Return the first and last row of the run that contradicts some pair of columns most.

    The rows that carry just one of two labels say by their out-of-fold scores which of the two they
    should carry; the strongest run against their labels has the largest sum, in deviations. Sums of
    a pair's rows in random orders give it a Gumbel distribution (Karlin & Altschul 1990), fitted by
    moments; p is the sum over all pairs of reaching the largest. Any two labels may have been
    exchanged, so all pairs are looked at and time grows with the square of their number; but of
    more than 500 pairs only those are ordered at random whose chance a bound leaves open
    (:meth:`~toolkit.auditing.contradictions.Contradictions.chance`), and only until p is decided.

    Returns:
        None where p exceeds 0.01.
    """
    truth, scores = np.asarray(Y).astype(np.int8), standardized(S)
    found = contradictions(scores, truth)
    if not len(found.height):
        return None
    rows, against = _against(scores, truth, found, int(found.height.argmax()))
    height, start, end = _maximal_run(against)
    random, p = np.random.default_rng(seed), 0.0
    pairs = np.arange(len(found.height))
    if len(pairs) > _FEW_PAIRS:
        chance = found.chance(height)
        open_ = chance > _NEGLIGIBLE * ALPHA / len(pairs)
        # the bounds' order is that of the chances, more or less: p is decided early
        pairs = np.argsort(-chance, kind="stable")[: int(open_.sum())]
    for pair in pairs.tolist():
        values = _against(scores, truth, found, pair)[1]
        heights = [_maximal_run(random.permutation(values))[0] for _ in range(_ORDERS)]
        mean, scale = np.mean(heights), np.std(heights) * np.sqrt(6) / np.pi
        p += float(np.exp((mean - height) / max(scale, 1e-12) - np.euler_gamma))
        if p > ALPHA:
            return None
    return int(rows[start]), int(rows[end])


def _against(
    scores: Floats, truth: npt.NDArray[np.int8], found: Contradictions, pair: int
) -> tuple[Ints, Floats]:
    """Return the rows that carry just one of a pair's labels, and what they say against it."""
    a, b = found.a[pair], found.b[pair]
    rows = np.flatnonzero(truth[:, a] + truth[:, b] == 1)  # both known, and unlike
    side = truth[rows, a] == 1
    gap = scores[rows, a] - scores[rows, b]
    # between the two classes' means, so that a rarer label's lower scores count alike
    against = (gap[side].mean() + gap[~side].mean()) / 2 - gap
    against[~side] *= -1
    against /= max(float(against.std()), 1e-12)
    return rows, against


def _maximal_run(values: Floats) -> tuple[float, int, int]:
    """Return the largest sum over consecutive values (Kadane), its first and its last place."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)
    end = int((sums - lowest)[1:].argmax())
    start = int(sums[: end + 1].argmin())
    return float(sums[end + 1] - sums[start]), start, end
