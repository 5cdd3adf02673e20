"""Iterative stratification: partitions in which every label keeps its share (Sechidis 2011)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.errors import DataError

# A label's own evenness counts this many times in choosing the fold of one of its images: 1 leaves
# rare labels up to 2 positives off on data of 60 labels, 10 leaves dense ones worse off.
_OWN = 3.0


def iterative_stratification(
    Y: np.ndarray, ratios: Sequence[float] | np.ndarray, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Partition rows into subsets of given ratios with every label's positives in those ratios.

    The order is that of Sechidis, Tsoumakas and Vlahavas (2011): the label with the fewest
    unassigned positives goes first, since later labels have more rows left to make up with. Each
    row goes to the subset where it lowers ``sum (count - ideal)^2 / ideal`` most, summed over its
    labels and the subset's size, the label in turn counting three times; for subsets of one size
    and rows of one label that is their rule, "the subset that wants the label most". A full
    subset takes no more. Rows without labels fill up the sizes.

    Args:
        Y: ``(n, L)`` of 0 and 1.
        ratios: shares of the k subsets, summing to 1. Sizes are n times these, rounded by largest
            remainder, and met exactly unless groups forbid it.
        seed: order of the rows and choice among equals.
        groups: ``int (n,)``, not negative; rows of a group are assigned as one, largest first.

    Returns:
        ``int64 (n,)``: subset of each row.
    """
    n = len(Y)
    Y = np.where(2 * Y.sum(axis=0) > n, 1 - Y, Y)  # of a common label, spread the negatives
    if groups is None:
        unit = np.arange(n)
        counts, size = Y.astype(np.float64), np.ones(n)
    else:
        check_groups(groups, n)
        unit = np.unique(groups, return_inverse=True)[1]
        size = np.bincount(unit).astype(np.float64)
        counts = np.zeros((len(size), Y.shape[1]))
        np.add.at(counts, unit, Y)
    exact = n * np.asarray(ratios, np.float64)
    target = np.floor(exact).astype(np.int64)
    target[np.argsort(target - exact, kind="stable")[: n - int(target.sum())]] += 1
    random = np.random.RandomState(seed)
    order = random.permutation(len(size))
    chosen = np.empty(len(size), np.int64)
    chosen[order] = _assign(counts[order], size[order], target, random)
    return chosen[unit]


def _assign(
    counts: np.ndarray, size: np.ndarray, target: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """Assign units, in random order, with ``counts (m, L)`` positives and ``size (m,)`` rows."""
    ideal = np.outer(counts.sum(axis=0), target / target.sum())
    per_ideal = 1 / np.where(ideal > 0, ideal, 1)
    per_target = 1 / np.maximum(target, 1)
    short, room = ideal.copy(), target.astype(np.float64)
    dice = random.randint(0, 2**31 - 1, len(size)).tolist()
    positive = counts > 0
    chosen = np.full(len(size), -1, np.int64)
    left = positive.sum(axis=0)
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, len(size) + 1)))
        units = np.flatnonzero(positive[:, label] & (chosen < 0))
        for unit in units[np.lexsort((-size[units], -counts[units, label]))].tolist():
            own = np.flatnonzero(positive[unit])
            number, rows = counts[unit, own], size[unit]
            weight = np.where(own == label, _OWN, 1.0) * number
            gain = weight @ ((short[own] - number[:, None] / 2) * per_ideal[own])
            gain += rows * (room - rows / 2) * per_target
            fits = room >= rows
            gain = np.where(fits, gain, -np.inf) if fits.any() else room
            equals = np.flatnonzero(gain >= gain.max() - 1e-9)
            best = int(equals[dice[unit] % len(equals)])
            chosen[unit] = best
            short[own, best] -= number
            room[best] -= rows
        left = left - positive[units].sum(axis=0)
    bare = np.flatnonzero(chosen < 0)
    for unit in bare[np.argsort(-size[bare], kind="stable")].tolist():
        best = int(np.argmax(room))
        chosen[unit] = best
        room[best] -= size[unit]
    return chosen


def check_groups(groups: np.ndarray, n: int) -> None:
    """Raise DataError unless there are n integers from 0, one for each image."""
    # -1 as "no group" would silently tie all such images together
    if groups.shape != (n,) or groups.dtype.kind not in "iu" or (groups < 0).any():
        raise DataError(f"groups must be {n} integers from 0, one for each image")
