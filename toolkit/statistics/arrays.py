"""Arrays of labels, scores and decisions, checked; what is unknown or undefined is left out.

``Y`` is ``(n, L)`` with 1 where the label applies, 0 where it does not and -1 where nobody knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import DataError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Thresholds = float | npt.ArrayLike


def _binary(Y: npt.ArrayLike, name: str = "Y") -> npt.NDArray[np.bool_]:
    array = np.asarray(Y)
    if array.ndim != 2:
        raise DataError(
            f"{name} has shape {array.shape}: give one row an image, one column a label"
        )
    if array.dtype == np.bool_:
        return array
    if not ((array == 0) | (array == 1)).all():
        raise DataError(f"{name} holds values other than 0 and 1: turn it into 0/1 decisions first")
    return array.astype(np.bool_)


def indicator(Y: npt.ArrayLike) -> Array:
    """Return labels ``(n, L)`` as bool, or, where some are unknown, as ``int8`` with -1 for these.

    >>> indicator([[1, 0]]), indicator([[1, -1]])
    (array([[ True, False]]), array([[ 1, -1]], dtype=int8))
    """
    array = np.asarray(Y)
    if array.dtype.kind in "if" and array.ndim == 2 and (array == -1).any():
        _binary(np.where(array == -1, 0, array))
        return array.astype(np.int8)
    return _binary(array)


def decided(Y: npt.ArrayLike, B: npt.ArrayLike) -> tuple[Array, Array, Array | None]:
    """Return labels and decisions as bool, False where unknown, and what is known, if not all."""
    truth, decisions = indicator(Y), _binary(B, "B")
    if truth.shape != decisions.shape:
        raise DataError(
            f"Y has shape {truth.shape} but B has {decisions.shape}: pass the same rows"
        )
    if truth.dtype == np.bool_:
        return truth, decisions, None
    known = truth >= 0
    return truth == 1, decisions & known, known


def paired_arrays(Y: npt.ArrayLike, S: npt.ArrayLike, unit: bool = False) -> tuple[Array, Array]:
    """Return ``Y`` by :func:`indicator` and ``S`` as floats; ``unit`` demands probabilities."""
    truth, scores = indicator(Y), np.asarray(S)
    if truth.shape != scores.shape:
        raise DataError(f"Y has shape {truth.shape} but S has {scores.shape}: pass the same rows")
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float64)
    if not np.isfinite(scores).all():
        raise DataError("S holds NaN or infinite scores: fill or drop those rows before scoring")
    if unit and scores.size and (scores.min() < 0 or scores.max() > 1):
        raise DataError("S holds scores outside [0, 1]: turn them into probabilities first")
    return truth, scores


def ratio(numerator: Array, denominator: Array) -> Floats:
    """Return the quotient where the denominator is not 0, NaN elsewhere."""
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)
    return out


def defined_mean(values: npt.ArrayLike, axis: int = -1) -> Floats:
    """Return the mean over the values that are not NaN; NaN where there are none.

    >>> float(defined_mean([0.5, float("nan"), 1.0]))
    0.75
    """
    array = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(array)
    return ratio(np.where(known, array, 0.0).sum(axis=axis), known.sum(axis=axis))


def binarize(S: npt.ArrayLike, thresholds: Thresholds = 0.5) -> npt.NDArray[np.uint8]:
    """Return 1 where a score is at or above its label's threshold.

    ``thresholds`` is one number or ``(L,)``. It is compared in the scores' own precision, so that
    a threshold taken from float32 scores admits the very score it was taken from.

    >>> binarize([[0.5, 0.2]], [0.5, 0.3]).tolist()
    [[1, 0]]
    """
    scores = np.asarray(S)
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float64)
    try:
        cut = np.asarray(thresholds, dtype=scores.dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"thresholds: expected numbers, found {thresholds!r}") from error
    if cut.ndim > 1 or (cut.ndim == 1 and cut.shape != scores.shape[1:]):
        raise DataError(
            f"thresholds have shape {cut.shape} but S has {scores.shape}: give one number or one "
            "a label"
        )
    if np.isnan(cut).any():
        raise DataError("a threshold is NaN: give every label a number")
    return (scores >= cut).astype(np.uint8)


def shares(Y: npt.ArrayLike) -> Floats:
    """Return ``(L,)``: the share of positives among the rows where each label is known, 0 for none.

    >>> shares([[1, 0], [0, -1], [0, -1], [1, -1]]).tolist()
    [0.5, 0.0]
    """
    array = np.asarray(Y)
    if not (array < 0).any():
        return np.asarray(array.mean(axis=0), np.float64)
    return np.nan_to_num(ratio((array == 1).sum(axis=0), (array >= 0).sum(axis=0)))


def known_shares(Y: npt.ArrayLike) -> Floats:
    """Return ``(L,)`` as :func:`shares` does, but NaN for a label that is known on no row.

    >>> known_shares([[1, -1], [0, -1]]).tolist()
    [0.5, nan]
    """
    known = (np.asarray(Y) >= 0).any(axis=0)
    return np.where(known, shares(Y), np.nan)


def rows_known(Y: npt.ArrayLike) -> int | Array:
    """Return the number of rows, or, where labels are unknown, ``(L,)``: in how many each is."""
    truth = indicator(Y)
    return len(truth) if truth.dtype == np.bool_ else np.count_nonzero(truth >= 0, axis=0)


def mean_of_known(values: Array, truth: Array) -> Floats:
    """Return the mean of each column ``(n, L)`` over the rows where its label is known."""
    if truth.dtype != np.bool_:
        return defined_mean(np.where(truth >= 0, values, np.nan), axis=0)
    return np.asarray(values.mean(axis=0), dtype=np.float64)
