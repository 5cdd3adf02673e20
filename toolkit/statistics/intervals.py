"""How sure a figure is: bootstrap intervals, paired differences, corrected repeated splits, Holm.

An interval is for what the metric is in the population that the images are drawn from. Estimates of
average precision on few positives lie above that, and resamples lie above the estimate by about as
much again, so intervals are moved by what resamples show of the bias. A label with fewer than
:data:`~toolkit.statistics.resampling.FEWEST` positives gets none, nor does a mean over labels with
such a label in it: none that was tried held the population's value as often as it should
(docs/decisions/0012-intervals.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import DataError, listed_labels
from toolkit.statistics.metrics import METRICS, Floats, Thresholds, binarize, paired_arrays
from toolkit.statistics.resampling import FEWEST, MEANS, Draws, Weighted

Pair = tuple[float, float]
_EDGE = 1e-4  # log-odds are those of a figure this far from 0 and 1 at least


def _checked(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}: give a share between 0 and 1, such as 0.95")
    return confidence


def percentile_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the interval that holds the middle of drawn values; None if all are NaN."""
    _checked(confidence)
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def corrected_interval(
    point: float, drawn: Floats, confidence: float = 0.95, freedom: float | None = None
) -> Pair | None:
    """Return the normal interval with the bootstrap's bias and deviation; None if all are NaN.

    ``point - bias - z sd`` to ``point - bias + z sd`` (Davison & Hinkley 1997, section 5.2) in
    log-odds, and reaching as far as the point itself.

    Args:
        point: the figure, in [0, 1].
        drawn: ``(resamples,)``, the same of resampled rows.
        confidence: of the interval.
        freedom: degrees of freedom of t, which then takes the place of z.
    """
    from scipy.special import expit, logit, ndtri, stdtrit

    tail = (1 + _checked(confidence)) / 2
    known = drawn[~np.isnan(drawn)]
    if not known.size or np.isnan(point):
        return None
    if np.ptp(known) == 0:
        return min(float(known[0]), point), max(float(known[0]), point)
    odds, own = (logit(np.clip(each, _EDGE, 1 - _EDGE)) for each in (known, point))
    z = float(ndtri(tail) if freedom is None else stdtrit(freedom, tail))
    centre, reach = 2 * own - odds.mean(), z * odds.std()
    low, high = expit(centre + np.array([-reach, reach])).tolist()
    return min(low, point), max(high, point)


def label_interval(
    point: float, drawn: Floats, positives: int, confidence: float = 0.95
) -> Pair | None:
    """Return an interval of one label's average precision; None below ``FEWEST`` positives.

    It is :func:`corrected_interval` with ``positives - 1`` degrees of freedom.
    """
    if positives < FEWEST:
        return None
    return corrected_interval(point, drawn, confidence, positives - 1)


def wilson(hits: int, trials: int, confidence: float = 0.95) -> Pair | None:
    """Return the interval of a share (Wilson 1927), of a label's precision or recall say.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    from scipy.special import ndtri

    if not trials:
        return None
    z = float(ndtri((1 + confidence) / 2))
    share, spread = hits / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * float(np.sqrt(share * (1 - share) / trials + spread / trials / 4))
    return centre - reach, centre + reach


@dataclass(frozen=True)
class MetricIntervals:
    """Intervals of all metrics, and what is left where labels have too few positives for any.

    Attributes:
        ci: by metric; None where a label in the mean has too few positives, or, for precision and
            F1, too few positive decisions.
        supported: by metric that is a mean over labels: ``labels``, how many have enough;
            ``value``, the mean over these; and ``ci``.
        note: which labels have too few, in words; empty where none has.
    """

    ci: dict[str, Pair | None]
    supported: dict[str, dict[str, Any]]
    note: str


def metric_intervals(
    weighted: Weighted, drawn: Draws, labels: Sequence[str], confidence: float = 0.95
) -> MetricIntervals:
    """Return the intervals of all metrics of some rows.

    Args:
        weighted: the rows.
        drawn: resamples of them.
        labels: L names.
        confidence: of the intervals.
    """
    point, scored = weighted.point(), weighted.positives > 0
    ci: dict[str, Pair | None] = {}
    supported: dict[str, dict[str, Any]] = {}
    for metric in METRICS:
        own = float(point.metrics[metric][0])
        found = corrected_interval(own, drawn.metrics[metric], confidence)
        if metric in MEANS:
            enough = weighted.supported(metric)
            mean = float(point.supported[metric][0])
            freedom = None
            if metric == "map":
                freedom = _freedom(drawn.ap[:, enough], weighted.positives[enough])
            found = corrected_interval(mean, drawn.supported[metric], confidence, freedom)
            supported[metric] = {
                "labels": int(enough.sum()),
                "value": None if np.isnan(mean) else mean,
                "ci": found,
            }
            found = found if enough[scored].all() else None
        ci[metric] = found
    return MetricIntervals(ci, supported, _too_few(weighted, labels))


def _freedom(drawn: Floats, positives: npt.NDArray[Any]) -> float | None:
    """Return the degrees of freedom of a mean over labels (Satterthwaite 1946).

    A label's average precision has its positives less one, and counts for as much as it varies.

    Args:
        drawn: ``(resamples, L)``, the labels' figures of resampled rows.
        positives: ``(L,)``.
    """
    if drawn.shape[1] == 0:
        return None
    variance = np.nanvar(drawn, axis=0)
    if not variance.any():
        return None
    return float(variance.sum() ** 2 / (variance**2 / np.maximum(positives - 1, 1)).sum())


def _too_few(weighted: Weighted, labels: Sequence[str]) -> str:
    parts = []
    for what, counts in (("positives", weighted.positives), ("decisions", weighted.predicted)):
        few = [
            f"{labels[j]} ({counts[j]})"
            for j in np.flatnonzero((weighted.positives > 0) & (counts < FEWEST)).tolist()
        ]
        if few:
            what = what if what == "positives" else "positive decisions"
            parts.append(f"fewer than {FEWEST} {what}: {listed_labels(few)}")
    return "; ".join(parts)


def bootstrap_metrics(
    Y: npt.ArrayLike,
    S: npt.ArrayLike,
    thresholds: Thresholds = 0.5,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Pair | None]:
    """Return each metric's interval over resamples of the rows (Efron 1979), bias corrected.

    ``Y`` and ``S`` are ``(n, L)``, ``thresholds`` one number or ``(L,)``. None where a label in the
    mean has too few positives, and where a metric is undefined.

    >>> Y, S = [[1, 0], [0, 1]] * 50, [[0.9, 0.2], [0.1, 0.7]] * 50
    >>> bootstrap_metrics(Y, S, resamples=100)["map"]
    (1.0, 1.0)
    """
    truth, scores = paired_arrays(Y, S, unit=True)
    weighted = Weighted(truth, scores, binarize(scores, thresholds))
    names = [str(label) for label in range(truth.shape[1])]
    return metric_intervals(weighted, weighted.draw(resamples, seed), names, confidence).ci


@dataclass(frozen=True)
class PairedDifference:
    """The difference a - b of one metric, its interval and two-sided p; None where undefined."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None


def paired_difference(
    a: float | None, b: float | None, gaps: Floats, confidence: float = 0.95
) -> PairedDifference:
    """Return how much better system a is than b, from draws over the same resamples.

    What is hard for both cancels. p inverts the percentile interval: twice the smaller share of
    resamples on either side of 0, counting the sample itself (Davison & Hinkley 1997,
    p = (1 + k) / (1 + resamples)), at most 1.

    Args:
        a: a metric of the first system.
        b: of the second.
        gaps: ``(resamples,)``, the first system's draws less the second's.
        confidence: of the interval.

    >>> paired_difference(0.5, 0.25, np.array([0.125, 0.25, 0.375]), confidence=0.5)
    PairedDifference(difference=0.25, low=0.1875, high=0.3125, p=0.5)
    """
    gaps = gaps[~np.isnan(gaps)]
    interval = percentile_interval(gaps, confidence)
    if a is None or b is None or interval is None:
        return PairedDifference(None, None, None, None)
    fewer = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
    p = min(1.0, 2 * (1 + int(fewer)) / (1 + gaps.size))
    return PairedDifference(a - b, *interval, p)


def difference_to_best(
    ours: float, others: Floats, drawn: Floats, drawn_others: Floats, confidence: float = 0.95
) -> PairedDifference:
    """Return how much better a system is than the best of several, whichever that is.

    Which of the others looks best is itself a draw, and it looks better than it is; so no single
    one is tested against. The system is better than the best if it is better than each: the lower
    end is the least of the single lower ends (an intersection-union test, Berger 1982). It is worse
    if it is worse than one: the upper end is the least of upper ends that hold together, by the
    bootstrap's distribution of the largest error (White 2000). The difference is less the bias that
    resampling shows.

    Args:
        ours: the system's figure.
        others: ``(M,)``.
        drawn: ``(resamples,)``.
        drawn_others: ``(resamples, M)``, of the same resamples.
        confidence: of the interval, both ways.
    """
    gaps = drawn[:, None] - drawn_others
    gaps = gaps[~np.isnan(gaps).any(axis=1)]
    point = ours - np.asarray(others, np.float64)
    if np.isnan(point).any() or not len(gaps):
        return PairedDifference(None, None, None, None)
    spread = np.maximum(gaps.std(axis=0), 1e-12)
    errors = (gaps - point) / spread
    tail = (1 + confidence) / 2
    low = float((point - np.quantile(errors, tail, axis=0) * spread).min())
    together = (-errors).max(axis=1)
    high = float((point + np.quantile(together, tail) * spread).min())
    better = (1 + (errors >= point / spread).sum(axis=0)).max() / (1 + len(gaps))
    worse = (1 + (together >= (-point / spread).max()).sum()) / (1 + len(gaps))
    least = float(point.min())
    difference = 2 * least - float(gaps.min(axis=1).mean())
    low, high = min(low, difference), max(high, difference)
    return PairedDifference(difference, low, high, float(min(1.0, 2 * min(better, worse))))


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Return p-values adjusted for the share of false discoveries (Benjamini & Hochberg 1995).

    The i-th smallest of m is multiplied by m / i, then made no larger than those after it. NaN
    stays NaN and is not counted.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.005]).round(4).tolist()
    [0.02, 0.04, 0.04, 0.02]
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    order = np.argsort(p[known], kind="stable")
    count = len(order)
    stepped = p[known][order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum.accumulate(stepped[::-1])[::-1]
    out = np.full(p.shape, np.nan)
    out[known] = np.minimum(adjusted, 1.0)
    return out


def holm(p_values: npt.ArrayLike) -> Floats:
    """Return p-values adjusted for testing them all (Holm 1979), in the order given.

    The i-th smallest of m is multiplied by m - i + 1, then made no smaller than those before it.
    NaN (a test that could not be made) stays NaN and is not counted.

    >>> holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    if p.ndim != 1 or ((p[known] < 0) | (p[known] > 1)).any():
        raise DataError("holm got something that is no list of p-values: pass numbers in [0, 1]")
    tested = p[known]
    order = np.argsort(tested, kind="stable")
    stepped = np.maximum.accumulate(tested[order] * np.arange(tested.size, 0, -1))
    adjusted = np.empty_like(tested)
    adjusted[order] = np.minimum(stepped, 1.0)
    out = np.full(p.shape, np.nan)
    out[known] = adjusted
    return out


@dataclass(frozen=True)
class CorrectedMean:
    """A mean over repeated splits with the interval and p (mean = 0) of the corrected t test."""

    mean: float
    standard_error: float
    low: float
    high: float
    p: float


def corrected_variance(values: npt.ArrayLike, train_rows: int, test_rows: int) -> float:
    """Return the variance of the mean over k overlapping splits (Nadeau & Bengio 2003).

    (1 / k + test_rows / train_rows) times the sample variance: splits share training rows, so the
    usual 1 / k is far too small. ``values`` is (k,), one figure or one difference a split.

    >>> round(corrected_variance([0.0, 1.0, 2.0], train_rows=90, test_rows=30), 6)
    0.666667
    """
    splits = np.asarray(values, dtype=np.float64)
    if splits.ndim != 1 or splits.size < 2 or np.isnan(splits).any():
        raise DataError(
            "a corrected variance needs figures of two or more splits, none of them NaN"
        )
    if train_rows < 1 or test_rows < 1:
        raise DataError(f"{train_rows} training and {test_rows} test rows: give the sizes used")
    return float(splits.var(ddof=1) * (1 / splits.size + test_rows / train_rows))


def corrected_mean(
    values: npt.ArrayLike, train_rows: int, test_rows: int, *, confidence: float = 0.95
) -> CorrectedMean:
    """Return the corrected resampled t test over k splits, with k - 1 degrees of freedom.

    ``values`` (k,) are a metric of each split, or two systems' differences. Without any spread p
    is 1 for a mean of 0 and 0 for any other.

    >>> round(corrected_mean([0.01, 0.03, 0.02, 0.04, 0.02], train_rows=90, test_rows=10).p, 4)
    0.0195
    """
    from scipy.special import stdtr, stdtrit

    error = float(np.sqrt(corrected_variance(values, train_rows, test_rows)))
    splits = np.asarray(values, dtype=np.float64)
    mean, freedom = float(splits.mean()), splits.size - 1
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(mean) / error)) if error else float(mean == 0)
    return CorrectedMean(mean, error, mean - reach, mean + reach, p)
