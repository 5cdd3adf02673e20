"""Alignment: do the labels belong to these images at all?

The statistic of a label is the correlation of its column with an out-of-fold linear score. If rows
of labels were dealt to images at random, any other deal would be as good: permuting the rows of the
whole label matrix gives the statistic's exact null distribution (Fisher 1935; for classifiers Ojala
& Garriga 2010). Nothing is assumed about embeddings, prevalences or how labels depend on each
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import erfc, sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.auditing.linear_probe import Floats, LinearProbe
from toolkit.errors import DataError
from toolkit.statistics.metrics import auroc

PERMUTATIONS = 1999
ALPHA = 0.01
FEWEST = 5
_FIGURES = ("auroc", "auroc_high", "correlation", "z", "p", "p_adjusted")
# below it, with confidence, a linear probe is of no use; below the second there is no link
NO_USE, NO_LINK = 0.65, 0.55
_ONE_SIDED, _TWO_SIDED = 0.05, 1.96

State = Literal["describes", "describes weakly", "does not describe", "cannot be told"]
Verdict = Literal[
    "labels describe the images",
    "some labels do not describe the images",
    "labels describe the images weakly",
    "labels do not describe the images",
    "cannot be told",
]
WEAKLY: Verdict = "labels describe the images weakly"
NOT_AT_ALL: Verdict = "labels do not describe the images"
UNDECIDED: Verdict = "cannot be told"


@dataclass(frozen=True)
class LabelAlignment:
    """One label against permuted labels.

    Attributes:
        label: its name.
        positives: how many rows carry it.
        unknown: share of the rows where it is unknown; all figures are of the others.
        auroc: out-of-fold AUROC, the effect size; 0.5 is chance. None with one class only.
        auroc_high: upper end of its interval, 95 % one-sided for all labels together (Bonferroni).
        correlation: the statistic.
        z: the statistic in standard deviations of its permutation distribution.
        p: one-sided permutation p-value, ``(1 + reached) / (1 + permutations)``.
        p_adjusted: ``p`` corrected for all labels by step-down maxT (Westfall & Young 1993): Holm's
            procedure with the permutations' own joint distribution in place of Bonferroni's bound,
            so that its resolution does not shrink with the number of labels.
        state: whether the label describes the images.
    """

    label: str
    positives: int
    auroc: float | None
    auroc_high: float | None
    correlation: float | None
    z: float | None
    p: float | None
    p_adjusted: float | None
    state: State
    unknown: float = 0.0


@dataclass(frozen=True)
class Alignment:
    """All labels against permuted labels.

    Attributes:
        verdict: in words.
        statistic: mean correlation over the labels that could be tested.
        z: the same in standard deviations of its permutation distribution.
        p: its permutation p-value: no label describes the images, for all labels at once.
        mean_auroc: mean over the tested labels.
        pooled_auroc: the same, each label weighted by the inverse of its AUROC's variance.
        low: lower end of its 95 % interval.
        high: the upper end.
        labels: one entry a label, in the order of the columns.
        permutations: how many.
        null: ``float64 (permutations,)``, the overall statistic of each permutation.
    """

    verdict: Verdict
    statistic: float
    z: float
    p: float
    mean_auroc: float
    pooled_auroc: float
    low: float
    high: float
    labels: tuple[LabelAlignment, ...]
    permutations: int
    null: Floats = field(repr=False, compare=False)

    @property
    def linked(self) -> bool:
        """Whether all labels together pass the test: no accident links them to the images."""
        return self.p <= ALPHA

    def facts(self) -> dict[str, Any]:
        """Return all but the permutations' own values, JSON-able."""
        found = asdict(self)
        del found["null"]
        if not any(label.unknown for label in self.labels):
            for label in found["labels"]:
                del label["unknown"]
        return found


def testable(Y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell which columns of ``Y`` (n, L) have 5 or more rows of either class; -1 is of neither."""
    labels = np.asarray(Y)
    enough: npt.NDArray[np.bool_] = ((labels == 1).sum(axis=0) >= FEWEST) & (
        (labels == 0).sum(axis=0) >= FEWEST
    )
    return enough


def alignment(
    probe: LinearProbe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Alignment:
    """Test all labels at once, and each, against permuted labels.

    The overall test decides, so that one lucky label does not excuse a shuffle and one unlucky
    label does not condemn weak data. Where its p is above 0.01 nothing is said of single labels:
    labels *do not describe* the images if the 95 % interval of the pooled AUROC lies below 0.55, so
    that no useful link fits the data, and else it *cannot be told*. Where all together pass,
    being no accident and being of use are two things. A label that passes too *describes* the
    images unless its AUROC is below 0.65 with 95 % confidence: then it *describes weakly*. A label
    *does not describe* the images if its own p is above 0.01 and its AUROC is below 0.65, and
    nearer to chance than to the mean of the labels that describe, with 95 % confidence for all
    labels at once. Where none describes, and the interval of the pooled AUROC lies below 0.65, all
    labels together describe weakly.

    A label that is unknown on some rows is tested on the others; permuted rows take what is unknown
    of them along.

    The deviation of an AUROC is Mann & Whitney's (1947) for unrelated scores, widened as far as the
    permutations of the label's correlation are wider than those of a fixed score; that of the mean
    takes the labels' dependence from the permutations.

    Args:
        probe: of the n images' embeddings.
        Y: 0/1 ``(n, L)``, -1 for unknown.
        labels: L names.
        permutations: at least 999 give p-values down to 0.001.
        seed: of the permutations.

    Raises:
        DataError: shapes differ, or no label has 5 positives and 5 negatives.
    """
    Y = np.asarray(Y)
    if Y.shape != (len(probe), len(labels)):
        raise DataError(
            f"labels: expected one row for each of {len(probe)} images and one column for each of "
            f"{len(labels)} names, found the shape {Y.shape}"
        )
    at = np.flatnonzero(testable(Y))
    if not len(at):
        raise DataError(
            f"labels: expected one with {FEWEST} positives and {FEWEST} negatives or more, found "
            "none: there is nothing to audit"
        )
    tested = Y[:, at]
    n = (tested >= 0).sum(axis=0)
    observed, null = probe.correlations(tested), probe.permuted(tested, permutations, seed)
    centre, spread = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-12)
    z, z_null = (observed - centre) / spread, (null - centre) / spread
    p = (1 + (null >= observed).sum(axis=0)) / (1 + permutations)
    adjusted = step_down(z, z_null)
    areas = auroc(tested, probe.scores(tested))
    ones = (tested == 1).sum(axis=0, dtype=np.float64)
    deviation = np.sqrt((n + 1) / (12 * ones * (n - ones))) * np.maximum(1.0, spread * np.sqrt(n))
    once, each = (-NormalDist().inv_cdf(_ONE_SIDED / tests) for tests in (1, len(at)))
    weight = deviation**-2 / (deviation**-2).sum()
    pooled = float(weight @ areas)
    half = _TWO_SIDED * float((z_null @ (weight * deviation)).std())
    overall = null.mean(axis=1)
    p_overall = float((1 + (overall >= observed.mean()).sum()) / (1 + permutations))
    link, nothing = p_overall <= ALPHA, p_overall > ALPHA and pooled + half < NO_LINK
    passes = link & (adjusted <= ALPHA)
    describes = passes & (areas + once * deviation >= NO_USE)
    # where the others are weak too, a label must look worse to be called unlike them
    like_chance = min(NO_USE, (0.5 + areas[describes].mean()) / 2) if describes.any() else 0.0
    highest = areas + each * deviation
    unlike = (p > ALPHA) & (nothing | (highest < like_chance))
    states = np.select(
        [describes, passes, unlike],
        ["describes", "describes weakly", "does not describe"],
        "cannot be told",
    )
    verdict = UNDECIDED
    if nothing:
        verdict = NOT_AT_ALL
    elif describes.any():
        verdict = "labels describe the images"
        if unlike.any():
            verdict = "some labels do not describe the images"
    elif link and pooled + half < NO_USE:
        verdict = WEAKLY
    figures: npt.NDArray[Any] = np.full((len(labels), len(_FIGURES)), None, object)
    figures[at] = np.stack([areas, highest.clip(max=1), observed, z, p, adjusted], axis=1)
    state = dict(zip(at.tolist(), states.tolist(), strict=True))
    counts, unknown = (Y == 1).sum(axis=0), (Y < 0).mean(axis=0)
    entries = [
        LabelAlignment(
            label=name,
            positives=int(counts[j]),
            unknown=float(unknown[j]),
            state=state.get(j, "cannot be told"),
            **dict(zip(_FIGURES, figures[j], strict=True)),
        )
        for j, name in enumerate(labels)
    ]
    return Alignment(
        verdict=verdict,
        statistic=float(observed.mean()),
        z=float((observed.mean() - overall.mean()) / max(overall.std(), 1e-12)),
        p=p_overall,
        mean_auroc=float(areas.mean()),
        low=float(max(pooled - half, 0)),
        high=float(min(pooled + half, 1)),
        pooled_auroc=pooled,
        labels=tuple(entries),
        permutations=permutations,
        null=overall,
    )


def step_down(z: Floats, z_null: Floats) -> Floats:
    """Return p-values of ``z`` (L,) adjusted by step-down maxT over draws ``z_null`` (B, L).

    >>> step_down(np.array([9.0, 0.0]), np.array([[0.5, -1.0], [-0.5, 1.0], [0.0, 0.2]])).tolist()
    [0.25, 0.75]
    """
    order = np.argsort(-z, kind="stable")
    rest = np.maximum.accumulate(z_null[:, order[::-1]], axis=1)[:, ::-1]
    reached = (1 + (rest >= z[order]).sum(axis=0)) / (1 + len(z_null))
    adjusted = np.empty_like(z)
    adjusted[order] = np.maximum.accumulate(reached)
    return adjusted


def normal_tail(z: float) -> float:
    """Return P(Z >= z) of a standard normal.

    >>> round(normal_tail(1.645), 3)
    0.05
    """
    return 0.5 * erfc(z / sqrt(2))
