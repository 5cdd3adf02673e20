"""Out-of-fold linear probes in closed form: one factorisation serves thousands of label matrices.

The probe is Fisher's linear discriminant, which for 0/1 labels is least squares up to scale, on the
leading principal components of the embeddings. Components are learned without labels, so learning
them on all rows lets no label leak. Everything that a permutation test needs of a label column y is
the cross product ``Z_f' y_f`` of each fold f: the out-of-fold correlation follows from those
without ever forming the scores.

A label that is unknown on some rows (-1) learns from the others: of it the cross products are those
of ``y - share of positives`` over the rows where it is known, the share being that of the training
rows. All labels keep the one factorisation, for how features spread is learned without labels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from toolkit.errors import DataError
from toolkit.runtime.processor import cores
from toolkit.statistics.arrays import shares

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COMPONENTS = 64
FOLDS = 5
_PCA_ROWS = 10_000
_ROWS_A_COMPONENT = 5
_BATCH_CELLS = 2**21
_NEGLIGIBLE = 1e-6
_THREADS = 8


def principal_components(X: npt.ArrayLike, components: int = COMPONENTS) -> npt.NDArray[np.float32]:
    """Return the leading principal components of ``X`` (n, d), each with mean 0 and variance 1.

    At most one component for five rows, and none of negligible variance. Directions come from at
    most 10,000 evenly spaced rows, which is enough for the leading ones.

    Returns:
        ``float32 (n, r)``, r at least 1.

    Raises:
        DataError: fewer than 10 rows, values that are not finite, or rows that are all alike.
    """
    given = np.asarray(X, dtype=np.float32)
    if given.ndim != 2 or len(given) < 2 * FOLDS:
        raise DataError(
            f"embeddings have shape {given.shape}: an audit needs one row an image, 10 or more"
        )
    if not np.isfinite(given).all():
        raise DataError("embeddings hold values that are not finite: embed those images again")
    from scipy.linalg import eigh

    some = given[:: max(1, len(given) // _PCA_ROWS)]
    centred = some - some.mean(axis=0)
    wanted = max(1, min(components, given.shape[1], len(given) // _ROWS_A_COMPONENT))
    last = given.shape[1] - 1
    spread, axes = eigh(
        (centred.T @ centred).astype(np.float64), subset_by_index=[last - wanted + 1, last]
    )
    kept = np.flatnonzero(spread > _NEGLIGIBLE * max(float(spread[-1]), 1e-30))[::-1]
    if not len(kept):
        raise DataError(
            "all embeddings are alike, so nothing can be learned from them: embed again"
        )
    Z = given @ axes[:, kept].astype(np.float32)
    Z -= Z.mean(axis=0)
    Z /= np.maximum(Z.std(axis=0), 1e-12)
    whitened: npt.NDArray[np.float32] = Z
    return whitened


class LinearProbe:
    """Linear probes of any number of label columns on the same rows.

    Attributes:
        Z: ``float32 (n, r)``, the features, centred on all rows.
        fold: ``int64 (n,)``, the fold that leaves each row out. Folds are drawn without a look at
            the labels, so that permuted labels are exchangeable with the given ones.
    """

    def __init__(self, Z: npt.ArrayLike, *, folds: int = FOLDS, seed: int = 0) -> None:
        """Factorise the normal equations of every fold; ``Z`` (n, r) are unlabelled features."""
        given = np.ascontiguousarray(Z, dtype=np.float32)
        self.Z = given - given.mean(axis=0)
        n, self._width = self.Z.shape
        self._seed = seed
        self.fold = np.random.default_rng(seed).permutation(np.arange(n) % folds).astype(np.int64)
        # rows of a fold lie together, so that its cross products are one matrix product
        self._order = np.argsort(self.fold, kind="stable")
        self._sorted = self.Z[self._order]
        self._edges = np.searchsorted(self.fold[self._order], np.arange(folds + 1))
        blocks = [self._sorted[a:b].astype(np.float64) for a, b in self._spans()]
        gram = np.stack([block.T @ block for block in blocks])
        total = np.stack([block.sum(axis=0) for block in blocks])
        size = np.diff(self._edges).astype(np.float64)
        self._size = size
        self._mean = -total / (n - size)[:, None]  # of the rows outside the fold
        inside = self._mean[:, :, None] * self._mean[:, None, :]
        fit = gram.sum(axis=0) - gram - (n - size)[:, None, None] * inside
        fit[:, np.arange(self._width), np.arange(self._width)] += 1e-3 * n
        self._inverse = np.linalg.inv(fit).astype(np.float32)
        # the held-out rows, centred like the rows that their model is fitted on
        shift = total[:, :, None] * self._mean[:, None, :]
        held = gram - shift - shift.transpose(0, 2, 1) + size[:, None, None] * inside
        self._held_gram = held.astype(np.float32)
        self._held_sum = (total - size[:, None] * self._mean).astype(np.float32)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.Z)

    def _spans(self) -> list[tuple[int, int]]:
        return list(zip(self._edges[:-1].tolist(), self._edges[1:].tolist(), strict=True))

    def take(self, rows: npt.ArrayLike) -> LinearProbe:
        """Return the probe of some rows only, with folds of its own."""
        return LinearProbe(self.Z[np.asarray(rows)], folds=len(self._size), seed=self._seed)

    def correlations(self, Y: npt.ArrayLike) -> Floats:
        """Return ``(m,)``: correlation of each column of ``Y`` (n, m) with its out-of-fold score.

        0 where a column has one value only. For labels that do not belong to the rows the score has
        expectation 0 in either class, because each fold's model centres on its own training rows
        and adds no intercept: pooling folds costs no more than a small bias of the ratio.

        Where cells are -1 the products are over known rows; only the scores' spread there is taken
        to be what it is over all rows.
        """
        given = np.asarray(Y)
        return self._correlations(_columns(given)[self._order], bool((given < 0).any()))

    def permuted(self, Y: npt.ArrayLike, permutations: int, seed: int = 0) -> Floats:
        """Return ``(permutations, L)``: :meth:`correlations` of ``Y`` (n, L), its rows permuted.

        All labels of a row move together, so the labels keep their dependence on each other, and
        what is unknown of a row stays with it. Batches have seeds of their own, so any number of
        threads draws the same permutations.
        """
        given = np.asarray(Y)
        partly, labels = bool((given < 0).any()), _columns(given)
        n, L = labels.shape
        size = max(1, _BATCH_CELLS // max(1, n * L))

        def batch(start: int) -> Floats:
            random = np.random.default_rng((seed, start))
            count = min(size, permutations - start)
            places = np.stack([random.permutation(n) for _ in range(count)], axis=1)
            if not partly:
                return self._correlations(labels[places].reshape(n, -1)).reshape(count, L)
            # known rows' labels, then which rows these are, of all permutations
            both = np.moveaxis(labels[places].reshape(n, count, 2, -1), 2, 1)
            return self._correlations(both.reshape(n, -1), partly=True).reshape(count, -1)

        starts = range(0, permutations, size)
        # threads that share each small product wait for each other more than they compute
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(_THREADS, cores())) as pool:
            found = list(pool.map(batch, starts))
        return np.concatenate([np.empty((0, given.shape[1])), *found])

    def scores(self, Y: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return ``float32 (n, m)``: out-of-fold scores for the columns of ``Y`` (n, m).

        They estimate ``P(y = 1) - share of positives`` among the training rows, linearly; rows
        where a label is -1 are scored and not learned from.
        """
        given = np.asarray(Y)
        W, _, _ = self._weights(_columns(given)[self._order], bool((given < 0).any()))
        out = np.empty((len(self), W.shape[2]), np.float32)
        for f, (a, b) in enumerate(self._spans()):
            out[self._order[a:b]] = (self._sorted[a:b] - self._mean[f].astype(np.float32)) @ W[f]
        return out

    def scores_from(self, Y: npt.ArrayLike, fit: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return ``float32 (n, m)``: scores of all rows by one model fitted on the rows ``fit``."""
        rows = np.asarray(fit)
        centre = self.Z[rows].mean(axis=0)
        A = self.Z[rows] - centre
        gram = (A.T @ A).astype(np.float64)
        gram[np.diag_indices(self._width)] += 1e-3 * len(rows) + 1e-9
        labels = centred_labels(np.asarray(Y)[rows])
        W = np.linalg.solve(gram, A.T @ labels)
        scored: npt.NDArray[np.float32] = (self.Z - centre) @ W.astype(np.float32)
        return scored

    def _weights(
        self, P: npt.NDArray[np.float32], partly: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients ``(k, r, m)``, fold cross products and fold sums of ordered labels.

        Of columns of :func:`_columns`; ``partly``: of labels unknown somewhere, so that there are
        2 m of them.
        """
        cross = np.stack([self._sorted[a:b].T @ P[a:b] for a, b in self._spans()])
        count = np.stack([P[a:b].sum(axis=0) for a, b in self._spans()])
        mean = self._mean.astype(np.float32)
        outside = cross.sum(axis=0) - cross
        learned = count.sum(axis=0) - count
        outside -= mean[:, :, None] * learned[:, None, :]
        if partly:
            yes, known = np.split(outside, 2, axis=2)
            ones, rows = np.split(learned, 2, axis=1)
            outside = yes - (ones / np.maximum(rows, 1))[:, None, :] * known
        return self._inverse @ outside, cross, count

    def _correlations(self, P: npt.NDArray[np.float32], partly: bool = False) -> Floats:
        n = len(self)
        W, cross, count = self._weights(P, partly)
        if partly:
            return self._known_correlations(W, cross, count)
        rate = count.sum(axis=0) / n
        mean = self._mean.astype(np.float32)
        # sum over held-out rows of (y - rate) times the score
        against = cross - mean[:, :, None] * count[:, None, :]
        against -= self._held_sum[:, :, None] * rate
        shared = np.einsum("krm,krm->m", against, W, dtype=np.float64)
        square = np.einsum("krm,krm->m", W, self._held_gram @ W, dtype=np.float64)
        total = np.einsum("kr,krm->m", self._held_sum, W, dtype=np.float64)
        spread = (square - total**2 / n) * (n * rate * (1 - rate)).astype(np.float64)
        known = spread > 0
        out: Floats = np.zeros(len(spread))
        out[known] = shared[known] / np.sqrt(spread[known])
        return out

    def _known_correlations(self, W: np.ndarray, cross: np.ndarray, count: np.ndarray) -> Floats:
        """Return the correlations of labels that are unknown somewhere; see ``_weights``."""
        n = len(self)
        ones, rows = np.split(count.sum(axis=0, dtype=np.float64), 2)
        rate = ones / np.maximum(rows, 1)
        against, total = (
            each[..., : len(rate)] - rate.astype(np.float32) * each[..., len(rate) :]
            for each in (cross, count)
        )
        against -= self._mean.astype(np.float32)[:, :, None] * total[:, None, :]
        shared = np.einsum("krm,krm->m", against, W, dtype=np.float64)
        square = np.einsum("krm,krm->m", W, self._held_gram @ W, dtype=np.float64)
        sums = np.einsum("kr,krm->m", self._held_sum, W, dtype=np.float64)
        # the share of the scores' squares that falls on known rows, if it falls on any alike
        spread = (square - sums**2 / n) * (rows / n) * (rows * rate * (1 - rate))
        out: Floats = np.zeros(len(spread))
        np.divide(shared, np.sqrt(np.maximum(spread, 0)), out=out, where=spread > 0)
        return out


def _columns(Y: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return labels as columns of floats; where some are -1, of yes and then of what is known."""
    if not (Y < 0).any():
        return np.ascontiguousarray(Y, dtype=np.float32)
    return np.hstack([Y == 1, Y >= 0]).astype(np.float32)


def centred_labels(Y: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``float32 (n, m)``: labels less their share of positives, 0 where they are -1."""
    given = np.asarray(Y)
    labels = given.astype(np.float32)
    if not (given < 0).any():
        centred: npt.NDArray[np.float32] = labels - labels.mean(axis=0)
        return centred
    return np.where(given >= 0, labels - shares(given).astype(np.float32), np.float32(0))


def standardized_labels(Y: npt.ArrayLike) -> Floats:
    """Return label columns (n, m) with mean 0 and variance 1 where known, and 0 where -1."""
    given = np.asarray(Y)
    if not (given < 0).any():
        return standardized(given)
    rate = shares(given)
    scaled: Floats = (given - rate) / np.maximum(np.sqrt(rate * (1 - rate)), 1e-12)
    return np.where(given >= 0, scaled, 0.0)


def standardized(values: npt.ArrayLike) -> Floats:
    """Return columns (n, m) with mean 0 and variance 1; a constant one is 0."""
    array = np.asarray(values, np.float64)
    scaled: Floats = (array - array.mean(axis=0)) / np.maximum(array.std(axis=0), 1e-12)
    return scaled
