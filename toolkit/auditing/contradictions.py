"""The largest run of rows that contradicts a pair of label columns, for all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.auditing.columns import FEWEST
from toolkit.auditing.linear_probe import Floats
from toolkit.auditing.orders import Ints

_CELLS = 2**20  # of rows times pairs that are worked on at a time


@dataclass(frozen=True, eq=False)
class Contradictions:
    """Of each of m pairs of columns, how the rows that carry just one of the two contradict it.

    Attributes:
        a: ``int (m,)``, the pairs in lexicographic order, the earlier column.
        b: ``int (m,)``, the later one.
        rows: ``int (m,)``, how many rows carry just one of the two.
        height: ``float64 (m,)``, the largest sum over consecutive rows of what they say against
            their labels, in deviations.
        mean: ``float64 (m,)``, of what a row says.
        top: ``float64 (m,)``, how far the most contradicting row lies above that mean.
    """

    a: Ints
    b: Ints
    rows: Ints
    height: Floats
    mean: Floats
    top: Floats

    def chance(self, height: float) -> Floats:
        """Return an upper bound on the chance of a run of ``height`` in random orders, ``(m,)``.

        For a rate r with ``E exp(r x) <= 1``, exponentials of sums are a supermartingale from any
        row on, so one of k rows begins a run of that height with a chance of at most
        ``k exp(-r height)`` (Ville 1939). Bennett (1962) bounds the expectation by mean, variance 1
        and largest value; the largest rate it allows is found by bisection.
        """
        low, high = np.zeros(len(self.mean)), np.full(len(self.mean), 4.0)
        for _ in range(12):
            rate = (low + high) / 2
            reach = rate * self.top
            grown = rate * self.mean + (np.expm1(reach) - reach) / self.top**2
            low, high = np.where(grown <= 0, rate, low), np.where(grown <= 0, high, rate)
        chance: Floats = np.minimum(self.rows * np.exp(-low * height), 1.0)
        return chance


def contradictions(scores: Floats, truth: npt.NDArray[np.int8]) -> Contradictions:
    """Look at all pairs of columns with at least 6 rows that carry the one and not the other.

    Args:
        scores: ``(n, L)``, each column of mean 0 and variance 1.
        truth: ``int8 (n, L)``, -1 for unknown: such a row says nothing of a pair.
    """
    able = np.flatnonzero((truth == 1).sum(axis=0) >= 2 * FEWEST)
    columns, by_label = np.ascontiguousarray(truth.T), np.ascontiguousarray(scores.T)
    size = max(1, _CELLS // max(1, len(truth)))
    found = [np.empty((6, 0))]
    for place, a in enumerate(able.tolist()):
        others = able[place + 1 :]
        parts = (others[at : at + size] for at in range(0, len(others), size))
        found += [_of_one(a, b, columns, by_label) for b in parts]
    first, second, rows, *floats = np.concatenate(found, axis=1)
    whole = (each.astype(np.int64) for each in (first, second, rows))
    return Contradictions(*whole, *floats)


def _of_one(a: int, b: Ints, columns: npt.NDArray[np.int8], scores: Floats) -> Floats:
    differ = columns[b] + columns[a] == 1  # both known, and unlike
    count, own = differ.sum(axis=1), (differ & (columns[a] == 1)).sum(axis=1)
    able = np.minimum(own, count - own) >= 2 * FEWEST
    if not able.any():
        return np.empty((6, 0))
    b, own, count = b[able], own[able], count[able]
    other = count - own
    pair, rows = np.nonzero(differ[able])
    start = np.append(0, np.cumsum(count)[:-1])
    side = columns[a][rows] == 1
    gap = scores[a][rows] - scores[b[pair], rows]
    total = np.add.reduceat(gap, start)
    first = np.add.reduceat(gap * side, start)
    # between the two sides' means, so that a rarer label's lower scores count alike
    middle = (first / own + (total - first) / other) / 2
    against = middle[pair] - gap
    np.negative(against, out=against, where=~side)
    mean = (own * middle - first - other * middle + (total - first)) / count
    spread = np.sqrt(np.add.reduceat(np.square(against), start) / count - mean**2)
    spread = np.maximum(spread, 1e-12)
    top = (np.maximum.reduceat(against, start) - mean) / spread
    # each pair's running sums lie beneath all of those before it, so that the least sum so far
    # (Kadane) begins anew with each pair; a run may begin with its first row
    sums = np.cumsum(against)
    fall = 2 * (float(sums.max() - sums.min()) + float(np.abs(against).max()))
    begin = sums[start] - against[start]
    below = fall * np.arange(len(b))
    sums -= (begin + below)[pair]
    lows = np.empty_like(sums)
    lows[1:] = sums[:-1]
    lows[start] = -below
    np.minimum.accumulate(lows, out=lows)
    height = np.maximum.reduceat(sums - lows, start) / spread
    return np.stack([np.full(len(b), a), b, count, height, mean / spread, np.maximum(top, 1e-9)])
