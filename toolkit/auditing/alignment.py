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
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.auditing.linear_probe import Floats, LinearProbe
from toolkit.errors import DataError
from toolkit.statistics.intervals import holm
from toolkit.statistics.metrics import auroc, defined_mean

PERMUTATIONS = 1999
FINEST = 0.001
FEWEST = 5
_CELLS = 5e9
_BY_FAR = 3.7
_FIGURES = ("auroc", "correlation", "z", "p", "p_holm", "p_adjusted")
# a linear probe that cannot, at 95 %, be better than this is of no use
NO_USE = 0.65

State = Literal["describes", "hardly describes", "does not describe", "undecided"]
Verdict = Literal[
    "labels describe the images",
    "some labels do not describe the images",
    "labels hardly describe the images",
    "labels do not describe the images",
    "undecided",
]
NOT_AT_ALL: Verdict = "labels do not describe the images"


@dataclass(frozen=True)
class LabelAlignment:
    """One label against permuted labels.

    Attributes:
        label: its name.
        positives: how many rows carry it.
        auroc: out-of-fold AUROC, the effect size; 0.5 is chance. None with one class only.
        correlation: the statistic.
        z: the statistic in standard deviations of its permutation distribution.
        p: one-sided permutation p-value, ``(1 + reached) / (1 + permutations)``.
        p_holm: ``p`` after Holm (1979) over the labels.
        p_adjusted: step-down maxT (Westfall & Young 1993): Holm's procedure with the permutations'
            own joint distribution in place of Bonferroni's bound, so that its resolution does not
            shrink with the number of labels. The state rests on it.
        state: whether the label describes the images.
    """

    label: str
    positives: int
    auroc: float | None
    correlation: float | None
    z: float | None
    p: float | None
    p_holm: float | None
    p_adjusted: float | None
    state: State


@dataclass(frozen=True)
class Alignment:
    """All labels against permuted labels.

    Attributes:
        verdict: in words.
        statistic: mean correlation over the labels that could be tested.
        z: the same in standard deviations of its permutation distribution.
        p: its permutation p-value: no label describes the images, for all labels at once.
        mean_auroc: mean over the tested labels.
        labels: one entry a label, in the order of the columns.
        permutations: how many.
        null: ``float64 (permutations,)``, the overall statistic of each permutation.
    """

    verdict: Verdict
    statistic: float
    z: float
    p: float
    mean_auroc: float
    labels: tuple[LabelAlignment, ...]
    permutations: int
    null: Floats = field(repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Return all but the permutations' own values, JSON-able."""
        found = asdict(self)
        del found["null"]
        return found


def testable(Y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell which columns of ``Y`` (n, L) have 5 or more rows of either class."""
    labels = np.asarray(Y)
    positives = labels.sum(axis=0, dtype=np.int64)
    enough: npt.NDArray[np.bool_] = (positives >= FEWEST) & (len(labels) - positives >= FEWEST)
    return enough


def enough_permutations(n: int, L: int) -> int:
    """Return how many permutations let L labels of n images all reach p = 0.001 after Holm.

    But no more than about 5e9 label cells are dealt out (on two cores a quarter of a minute), and
    no fewer than 1,999 permutations made: beyond that only ``p_adjusted`` gets so small.

    >>> enough_permutations(18_000, 14), enough_permutations(18_000, 100)
    (14000, 2777)
    """
    return max(PERMUTATIONS, min(int(np.ceil(L / FINEST)), int(_CELLS / (n * L))))


def alignment(
    probe: LinearProbe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    *,
    permutations: int = PERMUTATIONS,
    alpha: float = 0.01,
    seed: int = 0,
) -> Alignment:
    """Test every label, and all at once, against permuted labels.

    Being no accident and being of use are two things. A label that passes the test *describes* the
    images unless its AUROC is below 0.65 with 95 % confidence: then it *hardly describes* them. A
    label *does not describe* the images if nothing speaks for it, its own p above ``alpha``
    included, and its AUROC is below 0.65, and nearer to chance than to the mean of the labels that
    describe, with 95 % confidence; else it is *undecided*. Single labels are believed only if all
    together pass too, so that one lucky label does not excuse a shuffle. Where none describes the
    images and the mean AUROC is below 0.65 with 95 % confidence, labels *hardly describe* the
    images if all together pass by far (z of 3.7, which a shuffle reaches once in 10,000 times), and
    do not describe them if not.

    Args:
        probe: of the n images' embeddings.
        Y: 0/1 ``(n, L)``.
        labels: L names.
        permutations: at least 999 give p-values down to 0.001.
        alpha: family-wise level of the labels' states and of the verdict.
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
    n, tested = len(Y), Y[:, at]
    observed, null = probe.correlations(tested), probe.permuted(tested, permutations, seed)
    centre, spread = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-12)
    z = (observed - centre) / spread
    p = (1 + (null >= observed).sum(axis=0)) / (1 + permutations)
    adjusted = step_down(z, (null - centre) / spread)
    areas = auroc(tested, probe.scores(tested))
    # an out-of-fold score varies more than one from elsewhere: scale Mann-Whitney's deviation
    ones = tested.sum(axis=0, dtype=np.float64)
    deviation = np.sqrt((n + 1) / (12 * ones * (n - ones))) * np.maximum(1.0, spread * np.sqrt(n))
    highest = areas + 1.645 * deviation
    overall, overall_null = float(observed.mean()), null.mean(axis=1)
    p_overall = float((1 + (overall_null >= overall).sum()) / (1 + permutations))
    passes = (adjusted <= alpha) & (p_overall <= alpha)
    describes = passes & (highest >= NO_USE)
    # where the others are weak too, a label must look worse to be called unlike them
    like_chance = min(NO_USE, (0.5 + areas[describes].mean()) / 2) if describes.any() else NO_USE
    states: list[State] = [
        ("describes" if of_use else "hardly describes")
        if passed
        else ("does not describe" if at_most < like_chance and own > alpha else "undecided")
        for of_use, passed, at_most, own in zip(describes, passes, highest, p, strict=True)
    ]
    figures: npt.NDArray[Any] = np.full((len(labels), 6), None, object)
    figures[at] = np.stack([areas, observed, z, p, holm(p), adjusted], axis=1)
    state = dict(zip(at.tolist(), states, strict=True))
    counts = Y.sum(axis=0, dtype=np.int64)
    entries = [
        LabelAlignment(
            label=name,
            positives=int(counts[j]),
            state=state.get(j, "undecided"),
            **dict(zip(_FIGURES, figures[j], strict=True)),
        )
        for j, name in enumerate(labels)
    ]
    z_overall = float((overall - overall_null.mean()) / max(overall_null.std(), 1e-12))
    mean_area = float(defined_mean(areas))
    # were labels independent; dependence only widens it
    widest = mean_area + 1.645 * float(deviation.mean()) / np.sqrt(len(at))
    return Alignment(
        verdict=_verdict(states, widest < NO_USE, p_overall <= alpha and z_overall >= _BY_FAR),
        statistic=overall,
        z=z_overall,
        p=p_overall,
        mean_auroc=mean_area,
        labels=tuple(entries),
        permutations=permutations,
        null=overall_null,
    )


def _verdict(states: Sequence[State], useless: bool, no_accident: bool) -> Verdict:
    if "describes" in states:
        if "does not describe" in states:
            return "some labels do not describe the images"
        return "labels describe the images"
    if not useless:
        return "undecided"
    return "labels hardly describe the images" if no_accident else NOT_AT_ALL


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
