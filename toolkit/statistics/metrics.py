"""Metrics of multi-label classification as pure functions of labels, scores and decisions.

Throughout, ``Y`` is ``(n, L)`` with 1 where the label applies, 0 where it does not and -1 where
nobody knows: such a cell counts nowhere, as if the label had fewer rows. ``S`` is ``(n, L)`` scores
(a larger one means the label is likelier; probabilities in [0, 1] where a function says so) and
``B`` is ``(n, L)`` 0/1 decisions. A label without positives in the rows at hand has no recall and
no average precision: it is NaN, stays out of macro means, and is named in :class:`Scores`.
Every function raises :class:`~toolkit.errors.DataError` for arrays that do not fit together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import DataError
from toolkit.statistics.arrays import Array as Array
from toolkit.statistics.arrays import Floats as Floats
from toolkit.statistics.arrays import Thresholds as Thresholds
from toolkit.statistics.arrays import binarize as binarize
from toolkit.statistics.arrays import decided, mean_of_known
from toolkit.statistics.arrays import defined_mean as defined_mean
from toolkit.statistics.arrays import paired_arrays as paired_arrays
from toolkit.statistics.arrays import ratio as ratio
from toolkit.statistics.arrays import rows_known as rows_known
from toolkit.statistics.arrays import shares as shares

METRICS = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "micro_f1",
    "map",
    "auroc",
)
# further metrics by name: functions of Y and S, both (n, L), that give one figure or NaN; they
# stand with the others wherever scores are kept as JSON
EXTRA: dict[str, Callable[[Any, Any], float]] = {}


def average_precision(Y: npt.ArrayLike, S: npt.ArrayLike) -> Floats:
    """Return ``(L,)``: AP = sum over thresholds of (R_k - R_(k-1)) P_k, as scikit-learn defines it.

    Tied scores are one threshold. Summed over positives instead of thresholds this is the mean,
    over positives, of the precision among all rows that score at least as high: two sorts and a
    binary search, with no permutation to carry.

    >>> average_precision([[1, 0], [0, 0], [1, 0]], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]).round(4)
    array([0.8333,    nan])
    """
    return _average_precision(_sorted_columns(*paired_arrays(Y, S)))


def mean_average_precision(Y: npt.ArrayLike, S: npt.ArrayLike) -> float:
    """Return the mean over labels that have positives of :func:`average_precision`."""
    return float(defined_mean(average_precision(Y, S)))


def auroc(Y: npt.ArrayLike, S: npt.ArrayLike) -> Floats:
    """Return ``(L,)``: P(a positive scores above a negative) + P(they tie) / 2 (Mann-Whitney).

    NaN for a label that has only one class.

    >>> auroc([[1], [0], [0]], [[0.5], [0.5], [0.1]])
    array([0.75])
    """
    return _auroc(_sorted_columns(*paired_arrays(Y, S)))


def _sorted_columns(truth: Array, scores: Array) -> list[tuple[Array, Array]]:
    """For each label, the sorted scores of its positives and of all rows where it is known."""
    columns = np.ascontiguousarray(scores.T)
    if truth.dtype != np.bool_:
        return [
            (np.sort(column[mask == 1]), np.sort(column[mask >= 0]))
            for column, mask in zip(columns, truth.T, strict=True)
        ]
    ordered = np.sort(columns, axis=1)
    return [
        (np.sort(column[mask]), line)
        for column, mask, line in zip(columns, truth.T, ordered, strict=True)
    ]


def _average_precision(columns: list[tuple[Array, Array]]) -> Floats:
    out = np.full(len(columns), np.nan)
    for label, (positive, ordered) in enumerate(columns):
        if positive.size:
            hits = positive.size - np.searchsorted(positive, positive)
            called = ordered.size - np.searchsorted(ordered, positive)
            out[label] = np.mean(hits / called)
    return out


def _auroc(columns: list[tuple[Array, Array]]) -> Floats:
    out = np.full(len(columns), np.nan)
    for label, (positive, ordered) in enumerate(columns):
        negatives = ordered.size - positive.size
        if positive.size and negatives:
            # twice the negatives below each positive, counting a tie once
            beaten = sum(
                np.searchsorted(ordered, positive, side) - np.searchsorted(positive, positive, side)
                for side in ("left", "right")
            )
            out[label] = np.mean(beaten) / (2 * negatives)
    return out


def hamming_accuracy(Y: npt.ArrayLike, B: npt.ArrayLike) -> float:
    """Return the share of (image, label) cells that are right: 1 - Hamming loss.

    >>> hamming_accuracy([[1, 0], [0, 0]], [[1, 1], [0, 0]])
    0.75
    """
    truth, decisions, known = decided(Y, B)
    if known is not None:
        truth, decisions = truth[known], decisions[known]
    return float(np.mean(truth == decisions)) if truth.size else float("nan")


def precision_recall_f1(Y: npt.ArrayLike, B: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1, each ``(L,)``.

    Precision is 0 where nothing is predicted (scikit-learn's ``zero_division=0``); all three are
    NaN for a label without positives.

    >>> [x.tolist() for x in precision_recall_f1([[1, 0], [1, 0]], [[1, 1], [0, 0]])]
    [[1.0, nan], [0.5, nan], [0.6666666666666666, nan]]
    """
    return rates_from_counts(*decision_counts(Y, B))


def decision_counts(Y: npt.ArrayLike, B: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Return true positives, predicted positives and positives, each ``(L,)``."""
    truth, decisions, _ = decided(Y, B)
    hits = np.count_nonzero(truth & decisions, axis=0)
    return hits, np.count_nonzero(decisions, axis=0), np.count_nonzero(truth, axis=0)


def rates_from_counts(
    hits: Array, predicted: Array, positives: Array
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 from counts of any one shape, by the rules above."""
    some = positives > 0
    precision = np.where(some, hits / np.maximum(predicted, 1), np.nan)
    return (
        precision,
        ratio(hits, positives),
        np.where(some, 2 * hits, np.nan) / np.maximum(predicted + positives, 1),
    )


def metrics_from_counts(
    hits: Array, predicted: Array, positives: Array, rows: int | Array
) -> dict[str, Floats]:
    """Return the five metrics of 0/1 decisions from counts ``(..., L)``, each of shape ``(...)``.

    ``rows`` is how many there are, or ``(..., L)``: in how many a label is known. Micro F1 pools
    the counts of every label; with no positive anywhere it is NaN.
    """
    precision, recall, f1 = rates_from_counts(hits, predicted, positives)
    wrong = (predicted + positives - 2 * hits).sum(axis=-1)
    cells = np.asarray(rows * hits.shape[-1] if isinstance(rows, int) else rows.sum(axis=-1))
    pooled = (predicted + positives).sum(axis=-1)
    micro = ratio(2 * hits.sum(axis=-1), np.where((positives > 0).any(axis=-1), pooled, 0))
    return {
        "accuracy": 1 - ratio(wrong, cells),
        "macro_precision": defined_mean(precision),
        "macro_recall": defined_mean(recall),
        "macro_f1": defined_mean(f1),
        "micro_f1": micro,
    }


def macro_precision(Y: npt.ArrayLike, B: npt.ArrayLike) -> float:
    """Return the mean precision over the labels that have positives."""
    return float(defined_mean(precision_recall_f1(Y, B)[0]))


def macro_recall(Y: npt.ArrayLike, B: npt.ArrayLike) -> float:
    """Return the mean recall over the labels that have positives."""
    return float(defined_mean(precision_recall_f1(Y, B)[1]))


def macro_f1(Y: npt.ArrayLike, B: npt.ArrayLike) -> float:
    """Return the mean over labels that have positives of each label's own F1."""
    return float(defined_mean(precision_recall_f1(Y, B)[2]))


def micro_f1(Y: npt.ArrayLike, B: npt.ArrayLike) -> float:
    """Return F1 over all (image, label) cells pooled; NaN if no cell is positive.

    >>> micro_f1([[1, 0], [0, 1]], [[1, 1], [0, 0]])
    0.5
    """
    return float(metrics_from_counts(*decision_counts(Y, B), rows=rows_known(Y))["micro_f1"])


def log_loss(Y: npt.ArrayLike, S: npt.ArrayLike) -> Floats:
    """Return ``(L,)``: mean negative log-likelihood in nats, of probabilities ``S``.

    Probabilities are kept one machine epsilon of their own precision away from 0 and 1.

    >>> log_loss([[1], [0]], [[0.5], [0.5]]).round(4)
    array([0.6931])
    """
    truth, scores = paired_arrays(Y, S, unit=True)
    if not len(truth):
        return np.full(truth.shape[1], np.nan)
    edge = float(np.finfo(scores.dtype).eps)
    p = np.clip(scores.astype(np.float64), edge, 1 - edge)
    return mean_of_known(-np.log(np.where(truth, p, 1 - p)), truth)


def brier(Y: npt.ArrayLike, S: npt.ArrayLike) -> Floats:
    """Return ``(L,)``: mean squared difference of probability and outcome (Brier 1950).

    >>> brier([[1], [0]], [[0.5], [0.0]])
    array([0.125])
    """
    truth, scores = paired_arrays(Y, S, unit=True)
    if not len(truth):
        return np.full(truth.shape[1], np.nan)
    return mean_of_known((scores.astype(np.float64) - truth) ** 2, truth)


def calibration_error(Y: npt.ArrayLike, S: npt.ArrayLike, bins: int = 15) -> Floats:
    """Return ``(L,)``: expected calibration error over adaptive bins.

    ECE = sum over bins of (rows in bin / n) |mean score - share of positives| (Guo et al. 2017),
    with bins of equal mass, which rare labels need (Nixon et al. 2019). Rows with one score share
    their mean outcome, so that the order of tied rows cannot change which bin a positive is in.

    >>> calibration_error([[1], [0], [1], [0]], [[0.9], [0.1], [0.9], [0.1]], bins=2).round(4)
    array([0.1])
    """
    if bins < 1:
        raise DataError(f"calibration_error got bins={bins}: ask for one bin or more")
    truth, scores = paired_arrays(Y, S, unit=True)
    out = np.full(truth.shape[1], np.nan)
    for label, (y, s) in enumerate(zip(truth.T, scores.T, strict=True)):
        y, s = (y, s) if y.dtype == np.bool_ else (y[y >= 0], s[y >= 0])
        rows = len(y)
        if not rows:
            continue
        used = min(bins, rows)
        starts = np.arange(used) * rows // used
        order = np.argsort(s)
        column = s[order].astype(np.float64)
        first = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
        sizes = np.diff(np.r_[first, rows])
        shared = np.add.reduceat(y[order].astype(np.float64), first) / sizes
        gap = np.add.reduceat(column - np.repeat(shared, sizes), starts)
        out[label] = np.abs(gap).sum() / rows
    return out


@dataclass(frozen=True)
class Scores:
    """What one set of predictions scores; None where a figure is undefined, never 0.

    ``labels_scored`` is how many labels have positives: the means over labels are over these.
    ``metrics`` has the keys of :data:`METRICS` and :data:`EXTRA`; ``per_label`` maps a label's name
    to ``ap``, ``auroc``, ``precision``, ``recall``, ``f1`` and ``support`` (its positives);
    ``undefined`` names the labels without positives, which the macro means leave out.
    """

    metrics: dict[str, float | None]
    per_label: dict[str, dict[str, float | int | None]]
    undefined: list[str]

    @property
    def labels_scored(self) -> int:
        """Number of labels that the means over labels are over."""
        return len(self.per_label) - len(self.undefined)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def score(
    Y: npt.ArrayLike,
    S: npt.ArrayLike,
    thresholds: Thresholds = 0.5,
    labels: Sequence[str] | None = None,
) -> Scores:
    """Return every metric of probabilities ``S``, decided at ``thresholds`` (one, or one a label).

    ``labels`` names the columns; without it they are "0", "1", ...

    >>> found = score([[1, 0], [0, 0]], [[0.9, 0.2], [0.4, 0.1]], labels=["sea", "tree"])
    >>> found.metrics["map"], found.per_label["tree"].get("ap"), found.undefined
    (1.0, None, ['tree'])
    """
    truth, scores = paired_arrays(Y, S, unit=True)
    names = [str(i) for i in range(truth.shape[1])] if labels is None else list(labels)
    if len(names) != truth.shape[1] or len(set(names)) != len(names):
        raise DataError(
            f"{len(set(names))} different label names for {truth.shape[1]} columns: give each "
            "column its own name"
        )
    counts = decision_counts(truth, binarize(scores, thresholds))
    ordered = _sorted_columns(truth, scores)
    columns = {
        "ap": _average_precision(ordered),
        "auroc": _auroc(ordered),
        **dict(zip(("precision", "recall", "f1"), rates_from_counts(*counts), strict=True)),
    }
    values = metrics_from_counts(*counts, rows=rows_known(truth))
    values |= {"map": defined_mean(columns["ap"]), "auroc": defined_mean(columns["auroc"])}
    support = counts[2]
    return Scores(
        metrics={name: _or_none(float(values[name])) for name in METRICS}
        | {name: _or_none(float(metric(truth, scores))) for name, metric in EXTRA.items()},
        per_label={
            name: {
                **{key: _or_none(column[i]) for key, column in columns.items()},
                "support": int(support[i]),
            }
            for i, name in enumerate(names)
        },
        undefined=[name for name, count in zip(names, support, strict=True) if not count],
    )
