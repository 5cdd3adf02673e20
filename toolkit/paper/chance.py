"""Chance: what a predictor that ignores the image would score, beside the paper's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from toolkit.paper.results import IMAGES, POSITIVES, RESULTS, TEST_ROWS
from toolkit.statistics.intervals import holm
from toolkit.statistics.metrics import Floats

_COUNTS = tuple(POSITIVES.values())


class BlindScores(NamedTuple):
    """Expected scores of a predictor that ignores the image."""

    accuracy: float
    macro_precision: float
    macro_recall: float


def blind_scores(prevalence: npt.ArrayLike, rate: npt.ArrayLike) -> BlindScores:
    """Return what is scored on average by saying yes to label l at ``rate`` q_l, image unseen.

    With ``prevalence`` p_l, both (L,) or one number: precision is p_l (0 where q_l is 0, as
    printed by scikit-learn), recall is q_l, and accuracy is mean(1 - p - q + 2 p q).

    >>> [round(x, 4) for x in blind_scores([0.1, 0.3], 0.5)]
    [0.5, 0.2, 0.5]
    """
    p, q = np.broadcast_arrays(np.atleast_1d(np.asarray(prevalence, float)), rate)
    accuracy = np.mean(1 - p - q + 2 * p * q)
    return BlindScores(float(accuracy), float(np.mean(np.where(q > 0, p, 0.0))), float(np.mean(q)))


def always_no(prevalence: npt.ArrayLike) -> BlindScores:
    """Return what is scored by saying no to everything: accuracy 1 - mean prevalence.

    >>> round(always_no([n / IMAGES for n in POSITIVES.values()]).accuracy, 4)
    0.9278
    """
    return blind_scores(prevalence, 0.0)


def implied_rate(accuracy: float, prevalence: npt.ArrayLike) -> float:
    """Return the one rate q, in [0, 1], at which a blind predictor has this expected accuracy.

    q = (1 - p - accuracy) / (1 - 2 p) with p the mean prevalence, which must not be 1/2.
    """
    p = float(np.mean(np.asarray(prevalence, float)))
    return float(np.clip((1 - p - accuracy) / (1 - 2 * p), 0.0, 1.0))


# rates proportional to prevalence ** tilt: the same for all labels ... almost only "people"
_TILTS = (0.0, 0.5, 1.0, 2.0, 4.0)
# a normal deviate lies outside +-3.48 with probability 0.0005; accuracy and recall each may
_REACH, _MISS = 3.48, 0.001


def _blind_rates(
    accuracy: float, recall: float, accuracy_half_unit: float, rate_half_unit: float
) -> list[Floats]:
    """Rates (14,) of blind predictors whose accuracy and recall can come out as printed."""
    p = np.array(_COUNTS) / IMAGES
    found = []
    for tilt in _TILTS:
        shape = (p / p.max()) ** tilt
        scales = np.geomspace(1e-5, 1 / shape.min(), 4000)
        ladder = np.minimum(scales[:, None] * shape, 1.0)
        right = 1 - p - ladder + 2 * p * ladder
        noise = np.sqrt((right * (1 - right)).sum(axis=1) / TEST_ROWS) / p.size
        expected = right.mean(axis=1)
        centre = int(np.abs(expected - accuracy).argmin())
        reach = accuracy_half_unit + _REACH * noise[centre]
        for target in (accuracy - reach, accuracy, accuracy + reach):
            rates = ladder[int(np.abs(expected - target).argmin())]
            spread = np.sqrt((rates * (1 - rates) / (TEST_ROWS * p)).sum()) / p.size
            if abs(rates.mean() - recall) <= rate_half_unit + _REACH * spread:
                found.append(rates)
    return found


def _chance_of(
    precision: npt.ArrayLike, positives: npt.ArrayLike, rates: Floats, draws: int, seed: int
) -> Floats:
    """How often a blind predictor's macro precision reaches each value, on drawn test sets."""
    called = np.rint(TEST_ROWS * rates).astype(np.int64)
    counts = np.asarray(positives)
    random = np.random.default_rng(seed)
    hits = random.hypergeometric(counts, IMAGES - counts, called, size=(draws, counts.size))
    drawn = (hits / np.maximum(called, 1)).mean(axis=1)
    reached = (drawn[:, None] >= np.asarray(precision) - 1e-12).sum(axis=0)
    return np.asarray((1 + reached) / (1 + draws))


def chance_p_values(
    accuracy: float,
    macro_precision: float,
    macro_recall: float,
    half_units: tuple[float, float] = (0.0, 0.0),
    draws: int = 4000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the smallest and largest p of "no better than a predictor that ignores the image".

    Of the three figures only macro precision has a chance value that does not depend on how often
    which label is predicted: it is the mean prevalence, 0.0722, less where a label is never
    predicted. So it is the statistic, one-sided; accuracy and recall only restrict the 14 unknown
    rates. p is the largest over the blind predictors (five shapes, from equal rates to almost only
    the most frequent label) whose accuracy and recall can come out as given on 2,000 images, plus
    the 0.001 by which that restriction can miss (Berger & Boos 1994); where none can, just 0.001.

    Rounding (``half_units``) leaves p between two values, at the upper and the lower end of what
    the printed precision may have been. Labels are drawn independently; real labels overlap, which
    spreads macro precision more (by up to a third, for one set of predicted images). So "above
    chance" is reached too easily, never too hard.
    """
    reach = (macro_precision + half_units[1], macro_precision - half_units[1])
    worst = np.zeros(2)
    for rates in _blind_rates(accuracy, macro_recall, *half_units):
        worst = np.maximum(worst, _chance_of(reach, _COUNTS, rates, draws, seed))
    low, high = np.minimum(worst + _MISS, 1.0)
    return float(low), float(high)


def label_chance_p_value(
    label: str, precision: float, recall: float, half_unit: float = 0.005, draws: int = 20_000
) -> float:
    """Return the largest p that one label's printed precision is no better than its prevalence.

    The number of positive predictions follows from the figures: recall / precision x positives.
    """
    count = POSITIVES[label]
    rates = np.array([min(1.0, recall / precision * count / IMAGES)])
    return float(_chance_of([precision - half_unit], [count], rates, draws, seed=0)[0])


Verdict = Literal["above chance", "like chance", "hidden by rounding"]


@dataclass(frozen=True)
class ChanceComparison:
    """A printed row next to a predictor that ignores the image.

    ``rate`` is the share of positive predictions that the accuracy implies if it is one for all
    labels, ``blind`` what chance scores at that rate (printed recall is the other estimate of it).
    ``p_low`` and ``p_high`` bound the p-value over the digits lost to rounding; the ``holm_``
    values are adjusted over all 21 rows.
    """

    key: str
    rate: float
    blind: BlindScores
    p_low: float
    p_high: float
    holm_low: float
    holm_high: float

    def verdict(self, alpha: float = 0.05) -> Verdict:
        """Say whether the row differs from chance at family-wise level ``alpha``."""
        if self.holm_high <= alpha:
            return "above chance"
        return "like chance" if self.holm_low > alpha else "hidden by rounding"


def chance_analysis() -> list[ChanceComparison]:
    """Return every row of the three tables beside chance, by :func:`chance_p_values`."""
    p = np.array(_COUNTS) / IMAGES
    rows = []
    for row in RESULTS.values():
        scores = row.accuracy, row.macro_precision, row.macro_recall
        if scores[0] is not None and scores[1] is not None and scores[2] is not None:
            rate = implied_rate(scores[0], p)
            bounds = chance_p_values(scores[0], scores[1], scores[2], row.half_units)
            rows.append((row.key, rate, blind_scores(p, rate), *bounds))
    adjusted = zip(holm([row[3] for row in rows]), holm([row[4] for row in rows]), strict=True)
    return [
        ChanceComparison(*row, float(low), float(high))
        for row, (low, high) in zip(rows, adjusted, strict=True)
    ]
