"""Columns: label columns that carry each other's names, everywhere or in some of the rows.

What can be known: exchanging two columns everywhere is renaming them, and no data set shows by
itself which column deserves which name. So a swap is found against something that knows the names:
the other rows, where columns are swapped in one block of rows only (the smaller side is called
wrong; see :mod:`toolkit.auditing.column_blocks`), or published counts of positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import perm
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import ALPHA, normal_tail
from toolkit.auditing.linear_probe import Floats
from toolkit.auditing.orders import Ints
from toolkit.errors import counted
from toolkit.statistics.metrics import auroc

FEWEST = 3
_ALLOWED = 1.645
_SURE = 0.01
_SAMPLE = 0.75
_NAMED = 5


@dataclass(frozen=True)
class ColumnSwap:
    """Columns that were permuted among themselves.

    Attributes:
        columns: name that a column bears to the name that its labels go by, for each moved column.
        where: ``everywhere``, the group's name, or the first and last file of a run.
        rows: number of rows concerned.
        against: what knew the names.
        p: corrected for all pairs and places searched; not given as less than 1e-16.
        auroc_before: AUROC of each moved column by its own name's scores, where scores were used.
        auroc_after: the same by the scores of the name it goes by.
    """

    columns: dict[str, str]
    where: str
    rows: int
    against: str
    p: float
    auroc_before: dict[str, float] = field(default_factory=dict)
    auroc_after: dict[str, float] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What happened, without a full stop."""
        pairs = sorted(self.columns.items())
        if len(pairs) == 2:
            what = f"the columns {pairs[0][0]} and {pairs[1][0]} are swapped"
        else:
            what = "; ".join(f"the column {a} holds the labels of {b}" for a, b in pairs[:_NAMED])
            rest = len(pairs) - _NAMED
            what += f" and {counted(rest, 'more column')} likewise" if rest > 0 else ""
        place = "" if self.where == "everywhere" else f" in {self.where} ({self.rows:,} rows)"
        return f"{what}{place}, according to {self.against}"

    def facts(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        return asdict(self)


def swaps_by_scores(
    S: npt.ArrayLike,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    *,
    where: str = "everywhere",
    against: str = "scores from outside",
    places: int = 1,
) -> list[ColumnSwap]:
    """Find columns of ``Y`` that another name's scores predict better than their own name's.

    A column b may move to name a if scores a predict it better at the 0.05 level, and the best
    assignment of names to columns under allowed moves is taken. It falls into cycles; the z-values
    of a cycle's moves are combined (Stouffer), and its p-value corrected by Bonferroni for all
    ordered choices of as many labels and all places: of a thousand labels that are much alike some
    thirty always look exchanged in turn. So a cycle must look right in each of its columns and
    sure as a whole, which related labels (people, portrait) do not: one may predict the other's
    column well, but not better than that column's own scores, both ways round.

    Args:
        S: ``(n, L)`` scores whose names are known; not fitted on these rows.
        Y: 0/1 ``(n, L)``, the same rows and names; -1 for unknown.
        labels: L names.
        where: what to call these rows.
        against: what to call the scores' origin.
        places: number of places that are searched in all.
    """
    truth, scores = np.asarray(Y), np.asarray(S)
    L = len(labels)
    gain, z = better_by(scores, truth)
    swaps = []
    for cycle in _cycles(_assignment(gain, z >= _ALLOWED)):
        joint = sum(z[a, b] for b, a in cycle.items()) / np.sqrt(len(cycle))
        p = normal_tail(float(joint)) * places * float(min(perm(L, len(cycle)), 10**300))
        if p <= ALPHA:
            before = dict(zip(cycle, auroc(truth[:, [*cycle]], scores[:, [*cycle]]), strict=True))
            swaps.append(
                ColumnSwap(
                    columns={labels[b]: labels[a] for b, a in cycle.items()},
                    where=where,
                    rows=len(truth),
                    against=against,
                    p=max(p, 1e-16),
                    auroc_before={labels[b]: float(before[b]) for b in cycle},
                    auroc_after={
                        labels[b]: float(before[b] + gain[a, b]) for b, a in cycle.items()
                    },
                )
            )
    return swaps


def better_by(S: npt.ArrayLike, Y: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return by how much scores a predict a column b better than b's own do, and z of it.

    The difference of two AUROCs on the same rows and its standard error by DeLong, DeLong &
    Clarke-Pearson (1988). With a handful of positives that error is itself uncertain, so their
    ratio is referred to Student's t with one degree of freedom fewer than rows of the rarer class,
    and z is the normal deviate of the same tail. It is minus infinity where there is no gain, and
    for columns with fewer than 3 rows of either class. A column that is unknown on some rows is
    compared on the others alone, whose scores are ranked anew for each such column.

    Args:
        S: ``(n, L)`` scores.
        Y: 0/1 ``(n, L)``, -1 for unknown.

    Returns:
        The gain in AUROC and z, each ``(L, L)``, with a in rows and b in columns.
    """
    from scipy.special import ndtri, stdtr
    from scipy.stats import rankdata

    scores, given = np.asarray(S, np.float64), np.asarray(Y)
    if (given < 0).any():
        gain, z = np.zeros((given.shape[1],) * 2), np.full((given.shape[1],) * 2, -np.inf)
        for at, column in enumerate(given.T):
            known = column >= 0
            if min((column == 1).sum(), (column == 0).sum()) >= FEWEST:
                gain[:, at], z[:, at] = _better_at(scores[known], column[known], at)
        return gain, z
    truth = given.astype(bool)
    ranks = rankdata(scores, axis=0)
    ones = truth.sum(axis=0)
    wins = ranks.T @ truth - ones * (ones + 1) / 2
    areas = wins / np.maximum(ones * (len(truth) - ones), 1)
    gain = areas - np.diag(areas)
    z = np.full(gain.shape, -np.inf)
    rarer = np.minimum(ones, len(truth) - ones)
    for b in np.flatnonzero(rarer >= FEWEST):
        better = np.flatnonzero(gain[:, b] > 0)
        columns = np.append(better, b)
        variance = np.zeros(len(better))
        for own in (truth[:, b], ~truth[:, b]):
            # the share of the other class that each row beats
            beaten = ranks[np.ix_(own, columns)] - rankdata(scores[np.ix_(own, columns)], axis=0)
            beaten /= (~own).sum()
            variance += (beaten[:, :-1] - beaten[:, -1:]).var(axis=0, ddof=1) / own.sum()
        known = variance > 0
        ratio = gain[better[known], b] / np.sqrt(variance[known])
        z[better[known], b] = -ndtri(np.maximum(stdtr(rarer[b] - 1, -ratio), 1e-300))
    return gain, z


def _better_at(S: Floats, y: npt.NDArray[Any], b: int) -> tuple[Floats, Floats]:
    """Return :func:`better_by` of one column ``y`` (n,), whose own scores are those of ``b``."""
    columns = np.repeat(np.zeros_like(y)[:, None], S.shape[1], axis=1)
    columns[:, b] = y
    gain, z = better_by(S, columns)
    return gain[:, b], z[:, b]


def _assignment(value: Floats, allowed: npt.NDArray[np.bool_]) -> Ints:
    """Return, for each column, the name of the best assignment by ``value`` (name, column)."""
    own = np.eye(len(value), dtype=bool)
    if not (allowed & ~own).any():
        return np.arange(len(value))
    from scipy.optimize import linear_sum_assignment

    gain = np.where(allowed | own, np.nan_to_num(value - np.diag(value)), -len(value) - 1.0)
    names, columns = linear_sum_assignment(gain, maximize=True)
    held = np.empty(len(value), np.int64)
    held[columns] = names
    return held


def _cycles(held: Ints) -> list[dict[int, int]]:
    """Return the cycles of moved columns, each as column to name."""
    left = {int(b): int(a) for b, a in enumerate(held) if a != b}
    cycles = []
    while left:
        column = next(iter(left))
        cycle = {}
        while column in left:
            cycle[column] = left.pop(column)
            column = cycle[column]
        cycles.append(cycle)
    return cycles


def swaps_by_counts(
    Y: npt.ArrayLike, labels: Sequence[str], prevalence: Mapping[str, float], against: str
) -> list[ColumnSwap]:
    """Find columns whose number of positives fits another name's published share, not their own.

    A column may move only if its count contradicts its own name (p <= 0.01, Bonferroni over the
    labels) and does not contradict the other name's. If, so rearranged, not three in four columns
    fit their names, the data is no sample of the published, and counts say nothing. Columns that
    are unknown on some rows are left out: whether those known are a sample of all cannot be told.

    Args:
        Y: 0/1 ``(n, L)``, a sample of the published data; -1 for unknown.
        labels: L names.
        prevalence: published share of positives by name; names that are missing are left out.
        against: what to call its origin.
    """
    from scipy.special import ndtr

    truth = np.asarray(Y)
    known = np.flatnonzero((truth >= 0).all(axis=0)).tolist()
    at = [j for j in known if 0 < prevalence.get(labels[j], 0) < 1]
    if len(at) < 2:
        return []
    share = np.array([prevalence[labels[j]] for j in at])
    count, n = truth[:, at].sum(axis=0, dtype=np.float64), len(truth)
    fit = count * np.log(share)[:, None] + (n - count) * np.log1p(-share)[:, None]
    z = (count - n * share[:, None]) / np.sqrt(n * share * (1 - share))[:, None]
    each = 2 * ndtr(-np.abs(z))
    p = np.diag(each) * len(at)
    wrong, fits = p <= _SURE, each > _SURE
    held = _assignment(fit - fit.max(), fits & wrong & wrong[:, None])
    if fits[held, np.arange(len(at))].mean() < _SAMPLE:
        return []
    return [
        ColumnSwap(
            columns={labels[at[b]]: labels[at[a]] for b, a in cycle.items()},
            where="everywhere",
            rows=n,
            against=against,
            p=float(np.clip(max(p[b] for b in cycle), 1e-16, 1.0)),
        )
        for cycle in _cycles(held)
    ]
