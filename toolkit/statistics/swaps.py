"""Swaps: is one system's average precision better than another's, label by label.

Were two systems equally good, it would not matter which of them an image's two scores came from; so
they are swapped, image by image, and the difference is looked at again (Fisher's randomization
test; for two rankings of one list Smucker, Allan & Carterette 2007). Resamples without positives,
which bootstrap p-values of rare labels stumble over, do not occur.

Scores of two systems are not on one scale, so each label's are replaced by their ranks. Swapping
one image changes average precision by what its rank under one system counts for, less what that
under the other does, in a ranking half of the one and half of the other (the first term of the
Hoeffding decomposition of the swaps); the sum of these terms, signs drawn, stands for swapping and
sorting anew. All labels see the same swaps, as one matrix product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from toolkit.statistics.metrics import Array, Floats, average_precision, paired_arrays

FEWEST_SWAPPED = 6  # positives: fewer can hardly reach p = 0.05 whatever the systems are
_CHUNK = 256


def swap_effects(y: Array, a: Array, b: Array) -> Floats:
    """Return what swapping each row's scores changes the difference of average precisions by.

    Args:
        y: ``bool (n,)``.
        a: ``(n,)``, one system's scores.
        b: ``(n,)``, the other's.

    Returns:
        ``float64 (n,)``; positive where the row speaks for the first system.
    """
    ranks = [np.asarray(rankdata(-each, method="max"), np.int64) for each in (a, b)]
    rows, positives = len(y), int(y.sum())
    size = rows + 1
    # of the mean ranking: positives and rows that stand at least as high as each place
    hits, called = (
        np.cumsum(sum(np.bincount(each[keep], minlength=size) for each in ranks)) / 2
        for keep in (y, np.ones(rows, bool))
    )
    at = np.bincount(np.concatenate([each[y] for each in ranks]), minlength=size) / 2
    precision = hits / np.maximum(called, 1)
    # what a row at a place does to the positives at and below it
    helps = np.cumsum((at * (1 - precision) / np.maximum(called, 1))[::-1])[::-1]
    harms = np.cumsum((at * precision / np.maximum(called, 1))[::-1])[::-1]
    worth = np.where(y, precision[ranks[0]] + helps[ranks[0]], -harms[ranks[0]])
    worth -= np.where(y, precision[ranks[1]] + helps[ranks[1]], -harms[ranks[1]])
    found: Floats = worth / max(positives, 1)
    return found


def swap_test(
    Y: npt.ArrayLike,
    A: npt.ArrayLike,
    B: npt.ArrayLike,
    fold: npt.ArrayLike | None = None,
    *,
    permutations: int | None = None,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Return each label's difference in average precision and its two-sided p-value.

    p is ``(1 + k) / (1 + permutations)`` with k of the drawn swaps as far from none as the
    difference is.

    Args:
        Y: ``(n, L)``.
        A: ``(n, L)``, one system's scores.
        B: ``(n, L)``, the other's.
        fold: ``int (n,)``: average precision is then the mean over folds of that within them; for
            scores by a model a fold.
        permutations: by default so many that each label can reach 0.05 after Holm: 999, or 40 a
            label.
        seed: of the swaps.

    Returns:
        Each ``float64 (L,)``: the difference A - B, NaN without positives; and p, NaN below
        ``FEWEST_SWAPPED`` positives.
    """
    truth, first = paired_arrays(Y, A)
    _, second = paired_arrays(Y, B)
    labels = truth.shape[1]
    parts = np.zeros(len(truth), np.int64) if fold is None else np.asarray(fold)
    difference, effects = _effects(truth, first, second, parts)
    tested = np.flatnonzero((truth == 1).sum(axis=0) >= FEWEST_SWAPPED)
    p = np.full(labels, np.nan)
    if not len(tested):
        return difference, p
    effects = effects[:, tested]
    count = max(999, 40 * labels) if permutations is None else permutations
    reached = np.abs(difference[tested]) * (1 - 1e-6)
    beyond = np.zeros(len(tested), np.int64)
    random = np.random.default_rng(seed)
    for start in range(0, count, _CHUNK):
        drawn = random.integers(0, 2, (min(_CHUNK, count - start), len(truth)), np.int8)
        signs = (2 * drawn - 1).astype(np.float32)
        beyond += (np.abs(signs @ effects) >= reached).sum(axis=0)
    p[tested] = (1 + beyond) / (1 + count)
    return difference, p


def _effects(truth: Array, first: Array, second: Array, fold: Array) -> tuple[Floats, Array]:
    """Return each label's difference ``(L,)``, and what each row's swap does to it ``(n, L)``."""
    effects = np.zeros(truth.shape, np.float32)
    difference = np.full(truth.shape[1], np.nan)
    groups = [np.flatnonzero(fold == each) for each in np.unique(fold)]
    for label in range(truth.shape[1]):
        column, found = truth[:, label], []
        parts = [rows[column[rows] >= 0] for rows in groups]
        parts = [rows for rows in parts if (column[rows] == 1).any()]
        for rows in parts:
            y, (a, b) = column[rows] == 1, (each[rows, label] for each in (first, second))
            effects[rows, label] = swap_effects(y, a, b) / len(parts)
            found.append(np.subtract(*(average_precision(y[:, None], s[:, None]) for s in (a, b))))
        if found:
            difference[label] = np.mean(found)
    return difference, effects
