"""Resampling: all metrics of the same rows under many reweightings of them, from one sort a label.

Images are what was sampled, so images are what is resampled: all labels of an image stay together.
The resamples depend on the seed and the number of rows alone, so every system scored on the same
rows meets the same resamples and its figures can be compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import DataError
from toolkit.statistics.metrics import (
    METRICS,
    Array,
    Floats,
    Thresholds,
    binarize,
    defined_mean,
    metrics_from_counts,
    paired_arrays,
    ratio,
)

FEWEST = 5  # positives, and positive decisions, without which no interval of a label is shown
MEANS = ("macro_precision", "macro_recall", "macro_f1", "map", "auroc")
_DECIDED = ("macro_precision", "macro_f1")
_CHUNK_CELLS = 2**20
_FEWEST_DRAWN = 16  # at a time: the weights of a row are then one line of the processor's cache


def resample_counts(rows: int, resamples: int, seed: int = 0) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield chunks ``(b, rows)`` of how often each row is drawn in a resample of ``rows`` rows.

    Each resample is drawn on its own from one generator, so the chunks' size changes nothing.

    >>> chunk = next(resample_counts(rows=5, resamples=3))
    >>> chunk.shape, chunk.sum(axis=1).tolist()
    ((3, 5), [5, 5, 5])
    """
    random = np.random.default_rng(seed)
    size = max(1, min(resamples, max(_FEWEST_DRAWN, _CHUNK_CELLS // max(rows, 1))))
    for start in range(0, resamples, size):
        # a row is drawn Poisson(1) times: 256 times has a chance below 1e-500
        chunk = np.empty((min(size, resamples - start), rows), dtype=np.uint8)
        for line in chunk:
            line[:] = np.bincount(random.integers(rows, size=rows), minlength=rows)
        yield chunk


class WeightedRanking:
    """Average precision and AUROC of many reweightings of the same rows, from one sort a label.

    A bootstrap resample is a vector of multiplicities: weighting the rows by it gives what scoring
    the resampled rows would, ties included, without sorting again.
    """

    def __init__(self, Y: npt.ArrayLike, S: npt.ArrayLike) -> None:
        """Sort every label of ``Y``, ``S`` (n, L) once."""
        truth, scores = paired_arrays(Y, S)
        self.shape: tuple[int, int] = truth.shape
        self._labels = [
            _rank(mask, column) for mask, column in zip(truth.T, scores.T.copy(), strict=True)
        ]

    def __call__(self, weights: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return AP and AUROC, each ``(B, L)``, for non-negative ``weights`` (B, n)."""
        given = np.asarray(weights)
        if given.ndim != 2 or given.shape[1] != self.shape[0]:
            raise DataError(
                f"weights have shape {given.shape}: give one column for each of the "
                f"{self.shape[0]} rows"
            )
        if given.size and given.min() < 0:
            raise DataError("a weight is negative: give each row a weight of 0 or more")
        # float32 adds whole numbers exactly up to 2**24, at half the memory traffic
        exact = (
            given.dtype.kind in "bui" and given.sum(axis=1, dtype=np.int64).max(initial=0) < 2**24
        )
        by_row = np.ascontiguousarray(given.T, dtype=np.float32 if exact else np.float64)
        ap, area = (np.full((given.shape[0], self.shape[1]), np.nan) for _ in range(2))
        for label, ranked in enumerate(self._labels):
            ap[:, label], area[:, label] = _weighted_label(by_row, *ranked)
        return ap, area


def _rank(mask: Array, column: Array) -> tuple[Array, Any, Array, Array, Array]:
    """Rank one label, best first.

    Returns the rows of positives; a matrix that adds up weights of the rows of negatives between
    one positive and the next; and for each positive how many positives score at least as high, and
    up to which line of that matrix negatives do, and negatives that score higher.
    """
    from scipy.sparse import csr_array

    positive, negative = np.flatnonzero(mask == 1), np.flatnonzero(mask == 0)
    positive = positive[np.argsort(-column[positive])]
    negative = negative[np.argsort(-column[negative])]
    high, low = -column[positive], -column[negative]
    false, above = np.searchsorted(low, high, "right"), np.searchsorted(low, high)
    # sums are wanted at these places only: far fewer than there are negatives, if a label is rare
    places = np.unique(np.concatenate([false, above, [len(negative)]]))
    between = csr_array(
        (np.ones(len(negative), np.float32), negative, np.append(0, places)),
        shape=(len(places), len(mask)),
    )
    return (
        positive,
        between,
        np.searchsorted(high, high, "right"),
        np.searchsorted(places, false),
        np.searchsorted(places, above),
    )


def _weighted_label(
    by_row: Array, positive: Array, between: Any, hits: Array, false: Array, above: Array
) -> tuple[Floats, Floats]:
    own = by_row[positive]
    running = np.cumsum(own, axis=0)
    if by_row.dtype == np.float32:  # sums are exact in any order
        against = np.cumsum(between @ by_row, axis=0)
    else:
        places = between.indptr[1:]
        against = np.zeros((int(places[-1]) + 1, by_row.shape[1]), dtype=by_row.dtype)
        np.cumsum(by_row[between.indices], axis=0, out=against[1:])
        against = against[places]
    total = own.sum(axis=0, dtype=np.float64)
    wrong = against[false].astype(np.float64)
    # a positive of weight 0 at the very top has 0 / 0 there, and counts for nothing
    called = np.maximum(running[hits - 1] + wrong, np.finfo(np.float64).tiny)
    precision = np.einsum("pb,pb->b", own, running[hits - 1] / called)
    beaten = np.einsum("pb,pb->b", own, against[-1] - (wrong + against[above]) / 2)
    return ratio(precision, total), ratio(beaten, total * against[-1])


@dataclass(frozen=True, eq=False)
class Draws:
    """What resampled rows score, NaN where it is undefined.

    Attributes:
        metrics: each metric, ``(resamples,)``.
        ap: average precision of each label, ``(resamples, L)``.
        supported: each of :data:`MEANS` over the labels with enough to go by, ``(resamples,)``.
    """

    metrics: dict[str, Floats]
    ap: Floats
    supported: dict[str, Floats]


class Weighted:
    """All metrics of scores and decisions about the same rows, under many reweightings of them.

    Args:
        Y: ``(n, L)``.
        S: ``(n, L)``, scores to rank by.
        B: ``(n, L)``, decisions.

    Attributes:
        positives: ``int (L,)``.
        predicted: ``int (L,)``, positive decisions.
    """

    def __init__(self, Y: npt.ArrayLike, S: npt.ArrayLike, B: npt.ArrayLike) -> None:
        truth, scores = paired_arrays(Y, S)
        yes, decisions = truth == 1, np.asarray(B, dtype=np.bool_)
        cells = [yes & decisions, decisions, yes]
        if truth.dtype != np.bool_:
            known = truth >= 0
            cells = [yes & decisions, decisions & known, yes, known]
        self._cells, self._parts = np.hstack(cells).astype(np.float32), len(cells)
        self._ranking = WeightedRanking(truth, scores)
        self.predicted, self.positives = (np.count_nonzero(each, axis=0) for each in cells[1:3])
        enough = self.positives >= FEWEST
        self._supported = {False: enough, True: enough & (self.predicted >= FEWEST)}

    def supported(self, metric: str) -> Array:
        """Return which labels have enough positives, and decisions if need be, ``bool (L,)``."""
        found: Array = self._supported[metric in _DECIDED]
        return found

    def __call__(self, weights: Array) -> Draws:
        """Return what the rows score under each line of whole numbers ``(b, n)``."""
        # whole numbers below 2**24 add exactly in float32
        counts = (weights.astype(np.float32) @ self._cells).astype(np.float64)
        ap, area = self._ranking(weights)
        hits, predicted, positives, *known = np.split(counts, self._parts, axis=1)
        means = {"map": ap, "auroc": area}

        def metrics(at: Array | slice) -> dict[str, Floats]:
            rows = known[0][:, at] if known else weights.shape[1]
            found = metrics_from_counts(hits[:, at], predicted[:, at], positives[:, at], rows)
            return found | {name: defined_mean(each[:, at]) for name, each in means.items()}

        every = metrics(slice(None))
        some = {
            decided: every if at.all() else metrics(at) for decided, at in self._supported.items()
        }
        supported = {metric: some[metric in _DECIDED][metric] for metric in MEANS}
        return Draws(every, ap, supported)

    def point(self) -> Draws:
        """Return what the rows score as they are, one line."""
        return self(np.ones((1, len(self._cells)), np.uint8))

    def draw(self, resamples: int, seed: int) -> Draws:
        """Return what resamples of the rows score; draws with one seed are paired."""
        rows = len(self._cells)
        if not rows or resamples < 1:
            raise DataError(f"{resamples} resamples of {rows} rows: ask for one or more of each")
        parts = [self(chunk) for chunk in resample_counts(rows, resamples, seed)]
        return Draws(
            {name: np.concatenate([part.metrics[name] for part in parts]) for name in METRICS},
            np.concatenate([part.ap for part in parts]),
            {name: np.concatenate([part.supported[name] for part in parts]) for name in MEANS},
        )


def draw_metrics(
    Y: npt.ArrayLike,
    S: npt.ArrayLike,
    thresholds: Thresholds = 0.5,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Draws:
    """Score every resample of the rows of ``Y`` and probabilities ``S`` (n, L).

    Draws with one seed over the same rows are paired: they may be subtracted.
    """
    truth, scores = paired_arrays(Y, S, unit=True)
    return Weighted(truth, scores, binarize(scores, thresholds)).draw(resamples, seed)
