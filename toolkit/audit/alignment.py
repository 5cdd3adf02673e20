"""Alignment: do the labels belong to these images at all?

The statistic of a label is the correlation of its column with an out-of-fold linear score. If rows
of labels were dealt to images at random, any other deal would be as good: permuting the rows of the
whole label matrix gives the statistic's exact null distribution (Fisher 1935; for classifiers Ojala
& Garriga 2010). Nothing is assumed about embeddings, prevalences or how labels depend on each
other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.audit.probe import Floats, Probe
from toolkit.errors import DataError
from toolkit.intervals import holm
from toolkit.metrics import auroc, defined_mean

PERMUTATIONS = 1999
FEWEST = 5
# a label whose probe cannot, at 95 %, be better than this says nothing of use about its images
NO_USE = 0.65

State = Literal["describes", "hardly describes", "does not describe", "cannot be told"]
Verdict = Literal[
    "labels describe the images",
    "some labels do not describe the images",
    "labels do not describe the images",
    "cannot be told",
]


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


def alignment(
    probe: Probe,
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
    label that fails the test *does not describe* the images if its AUROC is below 0.65 with 95 %
    confidence; else it has too few positives and *cannot be told*. Single labels are believed only
    if all together pass too, so that one lucky label does not excuse a shuffle. The verdict on all
    labels is negative if none describes the images and the mean AUROC is below 0.65 with 95 %
    confidence.

    Args:
        probe: probe of the n images' embeddings.
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
            f"labels have shape {Y.shape}: {len(probe)} images and {len(labels)} names are given"
        )
    tested = testable(Y)
    if not tested.any():
        raise DataError(
            f"no label has {FEWEST} positives and {FEWEST} negatives: there is nothing to audit"
        )
    n, at = len(Y), np.flatnonzero(tested)
    observed = probe.correlations(Y[:, at])
    null = probe.permuted(Y[:, at], permutations, seed)
    centre, spread = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-12)
    z, z_null = (observed - centre) / spread, (null - centre) / spread
    p = (1 + (null >= observed).sum(axis=0)) / (1 + permutations)
    adjusted, p_holm = step_down(z, z_null), holm(p)
    areas = auroc(Y[:, at], probe.scores(Y[:, at]))
    # an out-of-fold score varies more than one from elsewhere: scale Mann-Whitney's deviation
    positives = Y.sum(axis=0, dtype=np.int64)
    ones = positives[at].astype(np.float64)
    deviation = np.sqrt((n + 1) / (12 * ones * (n - ones))) * np.maximum(1.0, spread * np.sqrt(n))
    useless = areas + 1.645 * deviation < NO_USE
    overall, overall_null = float(observed.mean()), null.mean(axis=1)
    p_overall = float((1 + (overall_null >= overall).sum()) / (1 + permutations))
    passes = (adjusted <= alpha) & (p_overall <= alpha)
    column = {int(j): i for i, j in enumerate(at)}
    found = []
    for j, name in enumerate(labels):
        if j not in column:
            nothing = (None,) * 6
            found.append(LabelAlignment(name, int(positives[j]), *nothing, "cannot be told"))
            continue
        i = column[j]
        figures = (areas[i], observed[i], z[i], p[i], p_holm[i], adjusted[i])
        found.append(
            LabelAlignment(
                name,
                int(positives[j]),
                *(float(x) for x in figures),
                state=_state(bool(passes[i]), bool(useless[i])),
            )
        )
    mean_area = float(defined_mean(areas))
    # were labels independent; dependence only widens it
    widest = mean_area + 1.645 * float(deviation.mean()) / np.sqrt(len(at))
    return Alignment(
        verdict=_verdict([label.state for label in found], widest < NO_USE),
        statistic=overall,
        z=float((overall - overall_null.mean()) / max(overall_null.std(), 1e-12)),
        p=p_overall,
        mean_auroc=mean_area,
        labels=tuple(found),
        permutations=permutations,
        null=overall_null,
    )


def _state(passes: bool, useless: bool) -> State:
    if passes:
        return "hardly describes" if useless else "describes"
    return "does not describe" if useless else "cannot be told"


def _verdict(states: Sequence[State], all_useless: bool) -> Verdict:
    if "describes" in states:
        if "does not describe" in states:
            return "some labels do not describe the images"
        return "labels describe the images"
    return "labels do not describe the images" if all_useless else "cannot be told"


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


@dataclass(frozen=True)
class GroupAlignment:
    """How well the labels of one group of rows agree with a probe fitted outside their fold.

    Attributes:
        group: name of the group.
        rows: how many.
        mean_auroc: over the labels with both classes in the group; None where there is none.
        outside: the same over all other rows.
        p: permutation p-value of "within the group, labels do not belong to the images".
        p_worse: p-value of "the group is no worse than as many rows drawn from the others".
    """

    group: str
    rows: int
    mean_auroc: float | None
    outside: float | None
    p: float
    p_worse: float

    def misaligned(self, alpha: float = 0.05) -> bool:
        """Tell whether only this group's labels look dealt at random."""
        return self.p > alpha and self.p_worse <= alpha


def group_alignment(
    S: npt.ArrayLike,
    Y: npt.ArrayLike,
    groups: Mapping[str, npt.NDArray[np.int64]],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> list[GroupAlignment]:
    """Test each group of rows alone, with out-of-fold scores ``S`` of labels ``Y``, both (n, L).

    A fault of one split, folder or batch of files hides in a test over all rows. The statistic is
    the sum over labels of score times label, both standardised over all rows; p-values are adjusted
    by Bonferroni over the groups. Groups of all rows or of fewer than 20 are left out.
    """
    scores, labels = np.asarray(S, np.float64), np.asarray(Y)
    keep = testable(labels)
    y = labels[:, keep].astype(np.float64)
    s = scores[:, keep]
    y = (y - y.mean(axis=0)) / np.maximum(y.std(axis=0), 1e-12)
    s = (s - s.mean(axis=0)) / np.maximum(s.std(axis=0), 1e-12)
    each = (s * y).sum(axis=1)
    random = np.random.default_rng(seed)
    found = []
    used = {name: rows for name, rows in groups.items() if 20 <= len(rows) < len(y)}
    for name, rows in used.items():
        others = np.setdiff1d(np.arange(len(y)), rows)
        mean = each[rows].mean()
        a, b = s[rows] - s[rows].mean(axis=0), y[rows]
        dealt = np.array(
            [np.vdot(a, b[random.permutation(len(rows))]) for _ in range(permutations)]
        )
        reached = int((dealt >= np.vdot(a, b) - 1e-9).sum())
        error = np.sqrt(each[rows].var() / len(rows) + each[others].var() / len(others))
        worse = normal_tail((each[others].mean() - mean) / max(float(error), 1e-12))
        inside, outside = (defined_mean(auroc(labels[r], scores[r])) for r in (rows, others))
        found.append(
            GroupAlignment(
                group=name,
                rows=len(rows),
                mean_auroc=None if np.isnan(inside) else float(inside),
                outside=None if np.isnan(outside) else float(outside),
                p=min(1.0, (1 + reached) / (1 + permutations)),
                p_worse=min(1.0, worse * len(used)),
            )
        )
    return found


def normal_tail(z: float) -> float:
    """Return P(Z >= z) of a standard normal.

    >>> round(normal_tail(1.645), 3)
    0.05
    """
    from math import erfc, sqrt

    return 0.5 * erfc(z / sqrt(2))
