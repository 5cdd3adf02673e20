"""Columns: label columns that carry each other's names, everywhere or in some of the rows.

What can be known: exchanging two columns everywhere is renaming them, and no data set shows by
itself which column deserves which name. So a swap is found against something that knows the names:

- the other rows: columns that are swapped in one block of rows only (a part of the split, a folder,
  a run of files), where the smaller side is called wrong;
- other labels of the same images (joined by file name, say, instead of position);
- scores from outside, such as a member trained on another data set;
- published counts of positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import normal_tail
from toolkit.auditing.orders import Ints
from toolkit.auditing.probe import Floats
from toolkit.statistics.metrics import ratio

FEWEST = 3
_ALLOWED = 1.645
_SURE = 0.01
_SAMPLE = 0.75


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
    auroc_before: dict[str, float]
    auroc_after: dict[str, float]

    @property
    def sentence(self) -> str:
        """What happened, without a full stop."""
        pairs = sorted(self.columns.items())
        if len(pairs) == 2:
            what = f"the columns {pairs[0][0]} and {pairs[1][0]} are swapped"
        else:
            what = "; ".join(f"the column {a} holds the labels of {b}" for a, b in pairs)
        place = "" if self.where == "everywhere" else f" in {self.where} ({self.rows:,} rows)"
        return f"{what}{place}, judged by {self.against}"

    def facts(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        return asdict(self)


def swaps_by_scores(
    S: npt.ArrayLike,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    *,
    where: str = "everywhere",
    against: str = "the reference scores",
    places: int = 1,
    alpha: float = 0.01,
) -> list[ColumnSwap]:
    """Find columns of ``Y`` that another name's scores predict better than their own name's.

    For every column b and every other name a, DeLong's test compares the AUROC of both names'
    scores on column b. Moves that pass at the 0.05 level are allowed, and the best assignment of
    names to columns under allowed moves is taken. It falls into cycles; the z-values of a cycle's
    moves are combined (Stouffer), and its p-value corrected by Bonferroni for all ordered pairs of
    labels and all places. So a cycle must look right in each of its columns and sure as a whole,
    which related labels (people, portrait) do not: one may predict the other's column well, but not
    better than that column's own scores, both ways round.

    Args:
        S: ``(n, L)`` scores whose names are known; not fitted on these rows.
        Y: 0/1 ``(n, L)``, the same rows and names.
        labels: L names.
        where: what to call these rows.
        against: what to call the scores' origin.
        places: number of places that are searched in all.
        alpha: level after correction.
    """
    truth, scores = np.asarray(Y), np.asarray(S)
    L = len(labels)
    areas = cross_auroc(scores, truth)
    z = better_by(scores, truth, areas)
    swaps = []
    for cycle in _cycles(_assignment(areas, z >= _ALLOWED)):
        names = {labels[b]: labels[a] for b, a in cycle.items()}
        joint = sum(z[a, b] for b, a in cycle.items()) / np.sqrt(len(cycle))
        p = normal_tail(float(joint)) * places * L * (L - 1)
        if p > alpha:
            continue
        swaps.append(
            ColumnSwap(
                columns=names,
                where=where,
                rows=len(truth),
                against=against,
                p=max(p, 1e-16),
                auroc_before={labels[b]: float(areas[b, b]) for b in cycle},
                auroc_after={labels[b]: float(areas[a, b]) for b, a in cycle.items()},
            )
        )
    return swaps


def cross_auroc(S: npt.ArrayLike, Y: npt.ArrayLike) -> Floats:
    """Return ``(L, L)``: AUROC of scores a on column b; NaN where a column has one class only.

    All from one ranking of each score: AUROC is the positives' mean rank, shifted and scaled.
    """
    truth = np.asarray(Y).astype(np.float64)
    ranks = np.stack([_midranks(column) for column in np.asarray(S).T], axis=1)
    ones = truth.sum(axis=0)
    wins = ranks.T @ truth - ones * (ones + 1) / 2
    return ratio(wins, ones * (len(truth) - ones))


def better_by(S: npt.ArrayLike, Y: npt.ArrayLike, areas: Floats) -> Floats:
    """Return ``(L, L)``: by how many standard errors scores a predict column b better than b's do.

    DeLong, DeLong & Clarke-Pearson (1988), for the difference of two AUROCs on the same rows.
    Minus infinity where they do not predict it better at all, on the diagonal, and for columns with
    fewer than 3 rows of either class.

    Args:
        S: ``(n, L)`` scores.
        Y: 0/1 ``(n, L)``.
        areas: :func:`cross_auroc` of them.
    """
    scores, truth = np.asarray(S, np.float64), np.asarray(Y).astype(bool)
    z = np.full(areas.shape, -np.inf)
    for b in range(truth.shape[1]):
        yes = truth[:, b]
        ones, zeros = int(yes.sum()), int((~yes).sum())
        better = np.flatnonzero(areas[:, b] > areas[b, b])
        if min(ones, zeros) < FEWEST or not len(better):
            continue
        own, *others = (_placements(column, yes) for column in (scores[:, b], *scores[:, better].T))
        for a, other in zip(better.tolist(), others, strict=True):
            above, below = other[0] - own[0], other[1] - own[1]
            variance = above.var(ddof=1) / ones + below.var(ddof=1) / zeros
            z[a, b] = above.mean() / np.sqrt(variance) if variance > 0 else -np.inf
    return z


def _placements(column: Floats, yes: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the share of the other class that each positive, and each negative, beats."""
    ranked = _midranks(column)
    above = (ranked[yes] - _midranks(column[yes])) / (~yes).sum()
    below = 1 - (ranked[~yes] - _midranks(column[~yes])) / yes.sum()
    return above, below


def _midranks(column: npt.NDArray[Any]) -> Floats:
    """Return ranks from 1, tied values sharing their mean rank."""
    _, place, count = np.unique(column, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def _assignment(value: Floats, allowed: npt.NDArray[np.bool_]) -> Ints:
    """Return, for each column, the name of the best assignment by ``value`` (name, column)."""
    if not (allowed & ~np.eye(len(value), dtype=bool)).any():
        return np.arange(len(value))
    from scipy.optimize import linear_sum_assignment

    own = np.eye(len(value), dtype=bool)
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


def swaps_by_labels(
    reference: npt.ArrayLike, Y: npt.ArrayLike, labels: Sequence[str], against: str
) -> list[ColumnSwap]:
    """Find columns of ``Y`` that equal another name's column of ``reference``, both 0/1 (n, L).

    A column has moved if it agrees with another name's reference on more rows than with its own,
    both ways round in each cycle; p is McNemar's, on the rows where the two references differ.
    """
    held, truth = np.asarray(reference).astype(np.int8), np.asarray(Y).astype(np.int8)
    L = len(labels)
    agree = np.array([[(held[:, a] == truth[:, b]).mean() for b in range(L)] for a in range(L)])
    p = np.ones((L, L))
    for a in range(L):
        for b in range(L):
            differ = held[:, a] != held[:, b]
            wins = int((held[differ, a] == truth[differ, b]).sum())
            if a != b and differ.any():
                p[a, b] = _sign_tail(wins, int(differ.sum())) * L * (L - 1)
    return [
        ColumnSwap(
            columns={labels[b]: labels[a] for b, a in cycle.items()},
            where="everywhere",
            rows=len(truth),
            against=against,
            p=float(np.clip(max(p[a, b] for b, a in cycle.items()), 1e-16, 1.0)),
            auroc_before={},
            auroc_after={},
        )
        for cycle in _cycles(_assignment(agree, p <= 0.01))
    ]


def _sign_tail(wins: int, trials: int) -> float:
    from scipy.special import bdtrc

    return float(bdtrc(wins - 1, trials, 0.5)) if wins else 1.0


def swaps_by_counts(
    Y: npt.ArrayLike, labels: Sequence[str], prevalence: Mapping[str, float], against: str
) -> list[ColumnSwap]:
    """Find columns whose number of positives fits another name's published share, not their own.

    A column may move only if its count contradicts its own name (p <= 0.01, Bonferroni over the
    labels) and does not contradict the other name's. If, so rearranged, not three in four columns
    fit their names, the data is no sample of the published, and counts say nothing.

    Args:
        Y: 0/1 ``(n, L)``, a sample of the published data.
        labels: L names.
        prevalence: published share of positives by name; names that are missing are left out.
        against: what to call its origin.
    """
    truth = np.asarray(Y)
    at = [j for j, name in enumerate(labels) if 0 < prevalence.get(name, 0) < 1]
    if len(at) < 2:
        return []
    share = np.array([prevalence[labels[j]] for j in at])
    count, n = truth[:, at].sum(axis=0, dtype=np.float64), len(truth)
    fit = count * np.log(share)[:, None] + (n - count) * np.log1p(-share)[:, None]
    z = (count - n * share[:, None]) / np.sqrt(n * share * (1 - share))[:, None]
    each = np.array([[2 * normal_tail(abs(value)) for value in row] for row in z])
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
            auroc_before={},
            auroc_after={},
        )
        for cycle in _cycles(held)
    ]
